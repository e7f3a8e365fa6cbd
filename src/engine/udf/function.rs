//! A function of SQL as one value: what it takes, what it gives, how a batch is computed.
//!
//! In: the file of one function. Out: an immutable [`ScalarUDF`]. Constants are computed once, whatever the number of rows.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, DocSection, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};

/// A function's name and the types it is called with → those it takes.
pub(super) type Coerce = fn(&str, &[DataType]) -> Result<Vec<DataType>>;

/// The texts among a call's constants → what is wrong with them.
pub(super) type Check = fn(&[Option<&str>]) -> Result<()>;

/// What a function's file says about it.
pub(super) struct Function {
    pub(super) name: &'static str,
    /// Other names that SQL may call it.
    pub(super) aliases: &'static [&'static str],
    /// The types that arguments are cast to; given the function's name, for messages that reach the author at the call.
    pub(super) coerce: Coerce,
    /// Of coerced types.
    pub(super) returns: fn(&[DataType]) -> DataType,
    /// One array for each argument, all of the same length.
    pub(super) compute: fn(&[ArrayRef]) -> Result<ArrayRef>,
    /// Heading under which it is documented.
    pub(super) section: &'static str,
    /// The call with its arguments: `last_day(time)`.
    pub(super) call: &'static str,
    /// One or two sentences for people who write SQL.
    pub(super) description: &'static str,
    /// A call as written in SQL, with its result behind `--`.
    pub(super) example: &'static str,
}

impl Function {
    /// The function as DataFusion registers it.
    pub(super) fn into_udf(self) -> ScalarUDF {
        self.into_udf_checking(|_| Ok(()))
    }

    /// The same; what is wrong with a text that is a constant is found before any data is read.
    pub(super) fn into_udf_checking(self, check: Check) -> ScalarUDF {
        let section = DocSection {
            include: true,
            label: self.section,
            description: None,
        };
        let documentation = Documentation::builder(section, self.description, self.call)
            .with_sql_example(self.example)
            .build();
        ScalarUDF::new_from_impl(FunctionUdf {
            name: self.name,
            aliases: self.aliases.iter().map(|name| name.to_string()).collect(),
            coerce: self.coerce,
            returns: self.returns,
            compute: self.compute,
            check,
            signature: Signature::user_defined(Volatility::Immutable),
            documentation,
        })
    }
}

struct FunctionUdf {
    name: &'static str,
    aliases: Vec<String>,
    coerce: Coerce,
    returns: fn(&[DataType]) -> DataType,
    compute: fn(&[ArrayRef]) -> Result<ArrayRef>,
    check: Check,
    signature: Signature,
    documentation: Documentation,
}

// A name has one function, so it is all that tells two of them apart.
impl PartialEq for FunctionUdf {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for FunctionUdf {}

impl Hash for FunctionUdf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl std::fmt::Debug for FunctionUdf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FunctionUdf")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl ScalarUDFImpl for FunctionUdf {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        (self.coerce)(self.name, types)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok((self.returns)(types))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let texts = args.scalar_arguments.iter();
        let texts: Vec<Option<&str>> = texts
            .map(|constant| constant.and_then(|value| value.try_as_str().flatten()))
            .collect();
        (self.check)(&texts)?;
        let types = args
            .arg_fields
            .iter()
            .map(|field| field.data_type().clone());
        let returns = (self.returns)(&types.collect::<Vec<_>>());
        Ok(Arc::new(Field::new(self.name, returns, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_constant = args
            .args
            .iter()
            .all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if is_constant { 1 } else { args.number_rows };
        let arrays = args
            .args
            .iter()
            .map(|arg| arg.to_array(rows))
            .collect::<Result<Vec<_>>>()?;
        let result = (self.compute)(&arrays)?;
        if is_constant {
            let value = ScalarValue::try_from_array(&result, 0)?;
            return Ok(ColumnarValue::Scalar(value));
        }
        Ok(ColumnarValue::Array(result))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}
