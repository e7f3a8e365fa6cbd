//! `year(time)`, `month(time)`…: one part of a date or a timestamp as a whole number.

use std::sync::Arc;

use chrono::{Datelike, NaiveDateTime, Timelike};
use datafusion::arrow::array::{ArrayRef, Int64Array};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;

use super::function::Function;
use super::moment::{moments, one_moment};

/// One function for each part, in order of name.
pub(super) fn date_parts() -> [Function; 13] {
    [
        part(
            "day",
            &["dayofmonth"],
            "The day of the month.",
            "select day(date '2026-03-01') -- 1",
            |a| compute(a, |time| time.day().into()),
        ),
        part(
            "dayofweek",
            &["weekday"],
            "The day of the week: 0 is Sunday, 6 Saturday.",
            "select dayofweek(date '2026-03-01') -- 0",
            |a| compute(a, |time| time.weekday().num_days_from_sunday().into()),
        ),
        part(
            "dayofyear",
            &[],
            "The day of the year, from 1.",
            "select dayofyear(date '2026-03-01') -- 60",
            |a| compute(a, |time| time.ordinal().into()),
        ),
        part(
            "hour",
            &[],
            "The hour of the day.",
            "select hour(timestamp '2026-03-01 14:05:06') -- 14",
            |a| compute(a, |time| time.hour().into()),
        ),
        part(
            "isodow",
            &[],
            "The day of the week: 1 is Monday, 7 Sunday.",
            "select isodow(date '2026-03-01') -- 7",
            |a| compute(a, |time| time.weekday().number_from_monday().into()),
        ),
        part(
            "isoyear",
            &[],
            "The year that the ISO week belongs to.",
            "select isoyear(date '2027-01-01') -- 2026",
            |a| compute(a, |time| time.iso_week().year().into()),
        ),
        part(
            "minute",
            &[],
            "The minute of the hour.",
            "select minute(timestamp '2026-03-01 14:05:06') -- 5",
            |a| compute(a, |time| time.minute().into()),
        ),
        part(
            "month",
            &[],
            "The month, from 1.",
            "select month(date '2026-03-01') -- 3",
            |a| compute(a, |time| time.month().into()),
        ),
        part(
            "quarter",
            &[],
            "The quarter, from 1.",
            "select quarter(date '2026-03-01') -- 1",
            |a| compute(a, |time| i64::from(time.month0() / 3 + 1)),
        ),
        part(
            "second",
            &[],
            "The second of the minute.",
            "select second(timestamp '2026-03-01 14:05:06') -- 6",
            |a| compute(a, |time| time.second().into()),
        ),
        part(
            "week",
            &["weekofyear"],
            "The ISO week: weeks begin on Mondays, and week 1 holds the first Thursday of the year.",
            "select week(date '2026-03-01') -- 9",
            |a| compute(a, |time| time.iso_week().week().into()),
        ),
        part(
            "year",
            &[],
            "The year.",
            "select year(date '2026-03-01') -- 2026",
            |a| compute(a, |time| time.year().into()),
        ),
        part(
            "yearweek",
            &[],
            "ISO year and week as one number.",
            "select yearweek(date '2027-01-01') -- 202653",
            |a| {
                compute(a, |time| {
                    i64::from(time.iso_week().year()) * 100 + i64::from(time.iso_week().week())
                })
            },
        ),
    ]
}

fn part(
    name: &'static str,
    aliases: &'static [&'static str],
    description: &'static str,
    example: &'static str,
    compute: fn(&[ArrayRef]) -> Result<ArrayRef>,
) -> Function {
    Function {
        name,
        aliases,
        coerce: one_moment,
        returns: |_| DataType::Int64,
        compute,
        section: "Time",
        call: name,
        description,
        example,
    }
}

fn compute(arguments: &[ArrayRef], of: fn(NaiveDateTime) -> i64) -> Result<ArrayRef> {
    let times = moments(&arguments[0])?.into_iter();
    Ok(Arc::new(
        times.map(|time| time.map(of)).collect::<Int64Array>(),
    ))
}
