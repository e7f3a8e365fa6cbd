//! From a kernel on `&str` to a function of SQL.
//!
//! In: a kernel of `text` and its documentation. Out: an immutable [`ScalarUDF`] for every way Arrow writes text (plain,
//! large, views, dictionaries), so that a check over contract types and a run over whatever a scan yields agree. Text
//! comes out as a view. Null gives null. Knows nothing of what a kernel means.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::iter::repeat_n;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, BooleanArray, StringViewArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::cast::{as_large_string_array, as_string_array, as_string_view_array};
use datafusion::common::types::logical_string;
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::{
    Coercion, ColumnarValue, DocSection, Documentation, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, TypeSignatureClass, Volatility,
};

use crate::text::Country;

/// The shapes of kernels. Those that end in `In` take a country too: `None` where it is null or unknown.
pub(super) enum Kernel {
    Text(for<'a> fn(&'a str) -> Option<Cow<'a, str>>),
    TextIn(for<'a> fn(&'a str, Option<Country>) -> Option<Cow<'a, str>>),
    Flag(fn(&str) -> Option<bool>),
    FlagIn(fn(&str, Option<Country>) -> Option<bool>),
}

/// What a function's file says about it.
pub(super) struct TextFunction {
    pub(super) name: &'static str,
    pub(super) kernel: Kernel,
    /// One or two sentences for people who write SQL.
    pub(super) description: &'static str,
    /// A call as written in SQL, with its result behind `--`.
    pub(super) example: &'static str,
}

impl TextFunction {
    /// The function as DataFusion registers it.
    pub(super) fn into_udf(self) -> ScalarUDF {
        let text = || Coercion::new_exact(TypeSignatureClass::Native(logical_string()));
        let (arguments, call) = match self.kernel {
            Kernel::Text(_) | Kernel::Flag(_) => (vec![text()], format!("{}(text)", self.name)),
            Kernel::TextIn(_) | Kernel::FlagIn(_) => (
                vec![text(), text()],
                format!("{}(text, country)", self.name),
            ),
        };
        let section = DocSection {
            include: true,
            label: "Customer data",
            description: None,
        };
        let documentation = Documentation::builder(section, self.description, call)
            .with_sql_example(self.example)
            .build();
        ScalarUDF::new_from_impl(TextUdf {
            name: self.name,
            kernel: self.kernel,
            signature: Signature::coercible(arguments, Volatility::Immutable),
            documentation,
        })
    }
}

struct TextUdf {
    name: &'static str,
    kernel: Kernel,
    signature: Signature,
    documentation: Documentation,
}

// A name has one kernel, so it is all that tells two functions apart.
impl PartialEq for TextUdf {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for TextUdf {}

impl Hash for TextUdf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl std::fmt::Debug for TextUdf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TextUdf")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl ScalarUDFImpl for TextUdf {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.kernel {
            Kernel::Text(_) | Kernel::TextIn(_) => DataType::Utf8View,
            Kernel::Flag(_) | Kernel::FlagIn(_) => DataType::Boolean,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_constant = args
            .args
            .iter()
            .all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if is_constant { 1 } else { args.number_rows };
        let text = args.args[0].to_array(rows)?;
        let text = strings(&text)?;
        let countries = || countries(&args.args[1], rows);
        let result: ArrayRef = match self.kernel {
            Kernel::Text(kernel) => text_array(text.map(|t| kernel(t?))),
            Kernel::TextIn(kernel) => {
                text_array(text.zip(countries()?).map(|(t, c)| kernel(t?, c)))
            }
            Kernel::Flag(kernel) => flag_array(text.map(|t| kernel(t?))),
            Kernel::FlagIn(kernel) => {
                flag_array(text.zip(countries()?).map(|(t, c)| kernel(t?, c)))
            }
        };
        if is_constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
                &result, 0,
            )?));
        }
        Ok(ColumnarValue::Array(result))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

fn text_array<'a>(values: impl Iterator<Item = Option<Cow<'a, str>>>) -> ArrayRef {
    Arc::new(values.collect::<StringViewArray>())
}

fn flag_array(values: impl Iterator<Item = Option<bool>>) -> ArrayRef {
    Arc::new(values.collect::<BooleanArray>())
}

/// The rows of a text column, whichever way Arrow writes it.
pub(super) fn strings(array: &ArrayRef) -> Result<Box<dyn Iterator<Item = Option<&str>> + '_>> {
    Ok(match array.data_type() {
        DataType::Utf8View => Box::new(as_string_view_array(array)?.iter()),
        DataType::Utf8 => Box::new(as_string_array(array)?.iter()),
        DataType::LargeUtf8 => Box::new(as_large_string_array(array)?.iter()),
        DataType::Null => Box::new(repeat_n(None, array.len())),
        other => return internal_err!("{other} where text was coerced to"),
    })
}

/// The country of each row. A constant is read once; in a column, only where it differs from the row before.
fn countries(
    argument: &ColumnarValue,
    rows: usize,
) -> Result<Box<dyn Iterator<Item = Option<Country>>>> {
    if let ColumnarValue::Scalar(constant) = argument {
        let country = constant.try_as_str().flatten().and_then(Country::parse);
        return Ok(Box::new(repeat_n(country, rows)));
    }
    let array = argument.to_array(rows)?;
    let mut previous: Option<(&str, Option<Country>)> = None;
    let mut countries = Vec::with_capacity(rows);
    for text in strings(&array)? {
        countries.push(match (text, previous) {
            (None, _) => None,
            (Some(text), Some((same, country))) if text == same => country,
            (Some(text), _) => {
                let country = Country::parse(text);
                previous = Some((text, country));
                country
            }
        });
    }
    Ok(Box::new(countries.into_iter()))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::compute::cast;
    use datafusion::arrow::datatypes::Field;

    use super::*;

    fn shout() -> ScalarUDF {
        let function = TextFunction {
            name: "shout",
            kernel: Kernel::TextIn(|text, country| {
                Some(Cow::Owned(format!(
                    "{}{}",
                    text,
                    country.map_or("?", Country::code)
                )))
            }),
            description: "",
            example: "",
        };
        function.into_udf()
    }

    fn call(udf: &ScalarUDF, args: Vec<ColumnarValue>, number_rows: usize) -> ColumnarValue {
        let arg_fields = args
            .iter()
            .map(|arg| Arc::new(Field::new("a", arg.data_type(), true)))
            .collect();
        let return_field = Arc::new(Field::new("r", DataType::Utf8View, true));
        let config_options = Arc::default();
        let args = ScalarFunctionArgs {
            args,
            arg_fields,
            number_rows,
            return_field,
            config_options,
        };
        udf.invoke_with_args(args).unwrap()
    }

    fn column(values: &[Option<&str>], data_type: &DataType) -> ColumnarValue {
        let array: ArrayRef = Arc::new(values.iter().copied().collect::<StringViewArray>());
        ColumnarValue::Array(cast(&array, data_type).unwrap())
    }

    #[test]
    fn every_way_to_write_text_gives_the_same_view() {
        for data_type in [DataType::Utf8, DataType::LargeUtf8, DataType::Utf8View] {
            let texts = column(
                &[Some("a"), None, Some("b"), Some("c"), Some("d")],
                &data_type,
            );
            let places = column(
                &[Some("SE"), Some("SE"), Some("SE"), None, Some("x")],
                &data_type,
            );
            let result = call(&shout(), vec![texts, places], 5)
                .into_array(5)
                .unwrap();
            let result: Vec<_> = as_string_view_array(&result).unwrap().iter().collect();
            assert_eq!(
                result,
                [Some("aSE"), None, Some("bSE"), Some("c?"), Some("d?")]
            );
        }
    }

    #[test]
    fn constants_give_a_constant_and_mix_with_columns() {
        let constant = |text: &str| ColumnarValue::Scalar(ScalarValue::from(text));
        let all_constant = call(&shout(), vec![constant("a"), constant("norge")], 7);
        assert!(
            matches!(all_constant, ColumnarValue::Scalar(ScalarValue::Utf8View(Some(t))) if t == "aNO")
        );
        let places = column(&[Some("SE"), Some("DK")], &DataType::Utf8);
        let mixed = call(&shout(), vec![constant("a"), places], 2)
            .into_array(2)
            .unwrap();
        let mixed: Vec<_> = as_string_view_array(&mixed).unwrap().iter().collect();
        assert_eq!(mixed, [Some("aSE"), Some("aDK")]);
    }
}
