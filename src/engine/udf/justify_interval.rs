//! `justify_interval(length)`: a length of time in days and the rest of a day.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, IntervalMonthDayNanoArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, IntervalMonthDayNano, IntervalUnit, TimeUnit};
use datafusion::common::cast::{as_int64_array, as_interval_mdn_array};
use datafusion::common::{Result, exec_err, plan_err};

use super::function::Function;
use super::moment::is_text;

const NAME: &str = "justify_interval";
const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);
const NANOS_OF_A_DAY: i128 = 86_400_000_000_000;
const DAYS_OF_A_MONTH: i128 = 30;

pub(super) fn justify_interval() -> Function {
    Function {
        name: NAME,
        aliases: &[],
        coerce,
        returns: |_| INTERVAL,
        compute,
        section: "Time",
        call: "justify_interval(length)",
        description: "An interval, or the difference of two timestamps, in days of 24 hours and the rest of a day; a month \
            counts 30 days. So lengths of time are compared, too.",
        example: "select justify_interval(interval '36 hours') -- 1 day 12 hours",
    }
}

fn coerce(_: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    match types {
        [DataType::Duration(unit)] => Ok(vec![DataType::Duration(*unit)]),
        [DataType::Interval(_)] => Ok(vec![INTERVAL]),
        [text] if is_text(text) => Ok(vec![INTERVAL]),
        _ => plan_err!("`{NAME}` takes an interval or the difference of two timestamps"),
    }
}

fn compute(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let lengths = match arguments[0].data_type() {
        DataType::Duration(unit) => of_durations(&arguments[0], *unit)?,
        _ => of_intervals(&arguments[0])?,
    };
    Ok(Arc::new(lengths))
}

fn of_durations(lengths: &ArrayRef, unit: TimeUnit) -> Result<IntervalMonthDayNanoArray> {
    let nanos = match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    };
    // in the duration's own unit: 292 years of nanoseconds are all that 64 bits hold
    let counts = cast(lengths, &DataType::Int64)?;
    let counts = as_int64_array(&counts)?.iter();
    counts
        .map(|count| {
            count
                .map(|count| justified(0, i128::from(count) * nanos))
                .transpose()
        })
        .collect()
}

fn of_intervals(lengths: &ArrayRef) -> Result<IntervalMonthDayNanoArray> {
    let intervals = cast(lengths, &INTERVAL)?;
    let intervals = as_interval_mdn_array(&intervals)?.iter();
    let length = |interval: IntervalMonthDayNano| {
        let days = i128::from(interval.months) * DAYS_OF_A_MONTH + i128::from(interval.days);
        justified(days, i128::from(interval.nanoseconds))
    };
    intervals
        .map(|interval| interval.map(length).transpose())
        .collect()
}

/// The one way to write a length: no months, and less than a day of nanoseconds, never negative, so that the order of the
/// parts is that of the lengths.
fn justified(days: i128, nanos: i128) -> Result<IntervalMonthDayNano> {
    let whole = days + nanos.div_euclid(NANOS_OF_A_DAY);
    let rest = nanos.rem_euclid(NANOS_OF_A_DAY);
    match (i32::try_from(whole), i64::try_from(rest)) {
        (Ok(days), Ok(nanos)) => Ok(IntervalMonthDayNano::new(0, days, nanos)),
        _ => exec_err!("`{NAME}` leaves the calendar"),
    }
}
