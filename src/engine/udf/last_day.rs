//! `last_day(time)`: the last day of its month.

use std::sync::Arc;

use chrono::{Datelike, Months, NaiveDate, NaiveDateTime};
use datafusion::arrow::array::{ArrayRef, Date32Array};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;

use super::function::Function;
use super::moment::{days_of, moments, one_moment};

pub(super) fn last_day() -> Function {
    Function {
        name: "last_day",
        aliases: &[],
        coerce: one_moment,
        returns: |_| DataType::Date32,
        compute,
        section: "Time",
        call: "last_day(time)",
        description: "The last day of the month that a date or a timestamp lies in.",
        example: "select last_day(date '2028-02-03') -- 2028-02-29",
    }
}

fn compute(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let times = moments(&arguments[0])?.into_iter();
    let dates = times.map(|time: Option<NaiveDateTime>| days_of(last_of_month(time?.date())?));
    Ok(Arc::new(dates.collect::<Date32Array>()))
}

fn last_of_month(date: NaiveDate) -> Option<NaiveDate> {
    date.with_day(1)?
        .checked_add_months(Months::new(1))?
        .pred_opt()
}
