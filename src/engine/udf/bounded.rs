//! DataFusion's functions that make something of any size out of a number: `lpad(name, 2147483647)` asks for two gigabytes a
//! row, and memory that a function takes is in no pool. Here they say how large the result would be before they make it.
//!
//! One text or list may have 16 MiB, those of one batch of rows a gigabyte; beyond is K0814.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion::common::{DataFusionError, Result};
use datafusion::functions::{string, unicode};
use datafusion::functions_nested::{range, repeat, resize};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature,
};

use super::text_function::strings;
use crate::diagnostic::Code;
use crate::error::Error;

/// Bytes of one text or list.
const CELL: u64 = 16 << 20;

/// Bytes of the texts or lists of one batch.
const BATCH: u64 = 1 << 30;

/// Bytes of what a list holds, where it is not looked at.
const ELEMENT: u64 = 8;

/// Bytes that a call makes of each of so many rows; `None` where its arguments are of other types. An argument that is the
/// same for all rows is an array of one.
type Sizes = fn(&[ArrayRef], usize) -> Option<Vec<u64>>;

/// A number for each row, or one for all.
pub(in crate::engine) struct Each(Vec<u64>);

impl Each {
    pub(in crate::engine) fn at(&self, row: usize) -> u64 {
        let one = self.0.first();
        self.0.get(row).or(one).copied().unwrap_or_default()
    }
}

/// The functions, by the names of DataFusion's.
pub(super) fn bounded() -> Vec<ScalarUDF> {
    let functions: [(Arc<ScalarUDF>, Sizes); 10] = [
        (unicode::lpad(), padded),
        (unicode::rpad(), padded),
        (string::repeat(), repeated),
        (string::replace(), replaced),
        (string::concat(), joined),
        (string::concat_ws(), joined_with),
        (range::range_udf(), counted),
        (range::gen_series_udf(), counted),
        (repeat::array_repeat_udf(), elements),
        (resize::array_resize_udf(), elements),
    ];
    let bounded = functions
        .into_iter()
        .map(|(inner, sizes)| Bounded { inner, sizes });
    bounded.map(ScalarUDF::new_from_impl).collect()
}

/// Fails where a text or list, or all of a batch, would be too large.
pub(in crate::engine) fn refuse_beyond(name: &str, sizes: &[u64]) -> Result<()> {
    let largest = sizes.iter().copied().max().unwrap_or_default();
    let all = sizes
        .iter()
        .fold(0_u64, |all, size| all.saturating_add(*size));
    let (what, limit) = match (largest > CELL, all > BATCH) {
        (true, _) => ("a value", "16 MiB"),
        (false, true) => ("the values of one batch of rows", "1 GiB"),
        (false, false) => return Ok(()),
    };
    let error = Error::quality(format!("`{name}` would make {what} of more than {limit}"))
        .code(Code(814))
        .help(
            "ask for fewer: a length or a count that comes from a column may need `least(…, 1000)`",
        );
    Err(DataFusionError::External(Box::new(error)))
}

/// Bytes of each text, nothing for null.
pub(in crate::engine) fn lengths(texts: &ArrayRef) -> Option<Each> {
    let texts = strings(texts).ok()?;
    let lengths = texts.map(|text| text.map_or(0, str::len) as u64);
    Some(Each(lengths.collect()))
}

/// Numbers as far as they count: null and below zero are none.
fn counts(numbers: &ArrayRef) -> Option<Each> {
    let numbers = cast(numbers, &DataType::Int64).ok()?;
    let numbers = numbers.as_primitive_opt::<Int64Type>()?;
    let counts = numbers.iter().map(Option::unwrap_or_default);
    let counts = counts.map(|number| number.try_into().unwrap_or_default());
    Some(Each(counts.collect()))
}

/// `lpad(text, length[, fill])`: lengths are letters.
fn padded(args: &[ArrayRef], rows: usize) -> Option<Vec<u64>> {
    let letters = counts(args.get(1)?)?;
    Some((0..rows).map(|row| letters.at(row)).collect())
}

/// `repeat(text, times)`.
fn repeated(args: &[ArrayRef], rows: usize) -> Option<Vec<u64>> {
    let (texts, times) = (lengths(args.first()?)?, counts(args.get(1)?)?);
    let sizes = (0..rows).map(|row| texts.at(row).saturating_mul(times.at(row)));
    Some(sizes.collect())
}

/// `replace(text, from, to)`.
fn replaced(args: &[ArrayRef], rows: usize) -> Option<Vec<u64>> {
    let [text, from, to] = args else { return None };
    let (all, gone, new) = (lengths(text)?, lengths(from)?, lengths(to)?);
    let sizes = (0..rows).map(|row| {
        let (all, gone, new) = (all.at(row), gone.at(row), new.at(row));
        // found at most so often; counted only where that may be too much
        let at_most = all / gone.max(1) + 1;
        let found = match all.saturating_add(at_most.saturating_mul(new)) {
            size if size <= CELL => at_most,
            _ => occurrences(text, from, row),
        };
        all.saturating_add(found.saturating_mul(new.saturating_sub(gone)))
    });
    Some(sizes.collect())
}

fn occurrences(text: &ArrayRef, from: &ArrayRef, row: usize) -> u64 {
    let at = |texts: &ArrayRef| -> Option<String> {
        let row = if texts.len() == 1 { 0 } else { row };
        strings(&texts.slice(row, 1))
            .ok()?
            .next()?
            .map(str::to_string)
    };
    match (at(text), at(from)) {
        (Some(text), Some(from)) => text.matches(&from).count() as u64,
        _ => 0,
    }
}

/// `concat(text, …)`.
fn joined(args: &[ArrayRef], rows: usize) -> Option<Vec<u64>> {
    let texts: Vec<Each> = args.iter().map(lengths).collect::<Option<_>>()?;
    let sizes = (0..rows).map(|row| texts.iter().map(|text| text.at(row)).sum());
    Some(sizes.collect())
}

/// `concat_ws(separator, text, …)`.
fn joined_with(args: &[ArrayRef], rows: usize) -> Option<Vec<u64>> {
    let (separator, texts) = args.split_first()?;
    let joints = texts.len() as u64;
    let separators = lengths(separator)?;
    let texts = joined(texts, rows)?.into_iter().enumerate();
    Some(
        texts
            .map(|(row, text)| text + separators.at(row) * joints)
            .collect(),
    )
}

/// `range(end)`, `range(start, end[, step])` of whole numbers.
fn counted(args: &[ArrayRef], rows: usize) -> Option<Vec<u64>> {
    let whole = |array: &ArrayRef| -> Option<Vec<i64>> {
        let numbers = array.as_primitive_opt::<Int64Type>()?;
        Some(numbers.iter().map(Option::unwrap_or_default).collect())
    };
    let numbers: Vec<Vec<i64>> = args.iter().map(whole).collect::<Option<_>>()?;
    let sizes = (0..rows).map(|row| {
        let at = |argument: usize| {
            let numbers = numbers.get(argument)?;
            numbers.get(row).or(numbers.first()).copied()
        };
        let (start, end) = match (at(0), at(1)) {
            (Some(start), Some(end)) => (start, end),
            (Some(end), None) => (0, end),
            (None, _) => (0, 0),
        };
        let step = at(2).unwrap_or(1);
        if (end >= start) != (step > 0) {
            return 0;
        }
        let count = end.abs_diff(start) / step.unsigned_abs().max(1);
        count.saturating_mul(ELEMENT)
    });
    Some(sizes.collect())
}

/// `array_repeat(element, times)`, `array_resize(list, length, element)`.
fn elements(args: &[ArrayRef], rows: usize) -> Option<Vec<u64>> {
    let times = counts(args.get(1)?)?;
    let texts = lengths(args.first()?);
    let sizes = (0..rows).map(|row| {
        let one = texts.as_ref().map_or(ELEMENT, |texts| texts.at(row));
        one.max(ELEMENT).saturating_mul(times.at(row))
    });
    Some(sizes.collect())
}

/// DataFusion's function, asked first how much it would make.
#[derive(Debug)]
struct Bounded {
    inner: Arc<ScalarUDF>,
    sizes: Sizes,
}

// A name has one function, so it is all that tells two of them apart.
impl PartialEq for Bounded {
    fn eq(&self, other: &Self) -> bool {
        self.inner == other.inner
    }
}

impl Eq for Bounded {}

impl Hash for Bounded {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl Bounded {
    fn refuse_too_much(&self, args: &ScalarFunctionArgs) -> Result<()> {
        let is_constant = |arg: &ColumnarValue| matches!(arg, ColumnarValue::Scalar(_));
        let rows = if args.args.iter().all(is_constant) {
            1
        } else {
            args.number_rows
        };
        let arrays = args.args.iter().map(|arg| match arg {
            ColumnarValue::Array(array) => Ok(Arc::clone(array)),
            ColumnarValue::Scalar(constant) => constant.to_array(),
        });
        let arrays = arrays.collect::<Result<Vec<_>>>()?;
        match (self.sizes)(&arrays, rows) {
            Some(sizes) => refuse_beyond(self.name(), &sizes),
            None => Ok(()),
        }
    }
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.refuse_too_much(&args)?;
        self.inner.invoke_with_args(args)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }
}
