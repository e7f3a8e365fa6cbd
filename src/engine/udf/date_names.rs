//! `dayname(time)` and `monthname(time)`: in English, as in DuckDB.

use std::sync::Arc;

use chrono::NaiveDateTime;
use datafusion::arrow::array::{ArrayRef, StringViewArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;

use super::function::Function;
use super::moment::{moments, one_moment};

pub(super) fn dayname() -> Function {
    named(
        "dayname",
        "The English name of the day of the week.",
        "select dayname(date '2026-03-01') -- Sunday",
        |arguments| compute(arguments, "%A"),
    )
}

pub(super) fn monthname() -> Function {
    named(
        "monthname",
        "The English name of the month.",
        "select monthname(date '2026-03-01') -- March",
        |arguments| compute(arguments, "%B"),
    )
}

fn named(
    name: &'static str,
    description: &'static str,
    example: &'static str,
    compute: fn(&[ArrayRef]) -> Result<ArrayRef>,
) -> Function {
    Function {
        name,
        aliases: &[],
        coerce: one_moment,
        returns: |_| DataType::Utf8View,
        compute,
        section: "Time",
        call: name,
        description,
        example,
    }
}

fn compute(arguments: &[ArrayRef], format: &str) -> Result<ArrayRef> {
    let name = |time: Option<NaiveDateTime>| Some(time?.format(format).to_string());
    let names = moments(&arguments[0])?.into_iter().map(name);
    Ok(Arc::new(names.collect::<StringViewArray>()))
}
