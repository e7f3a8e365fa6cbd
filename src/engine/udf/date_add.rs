//! `date_add(unit, count, time)`: a time so many units later.

use std::sync::Arc;

use chrono::{Duration, Months, NaiveDateTime};
use datafusion::arrow::array::{Array, ArrayRef, Date32Array, TimestampMicrosecondArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::cast::as_int64_array;
use datafusion::common::{Result, exec_err, plan_err};

use super::function::Function;
use super::moment::{coerce_moment, days_of, is_text, moments};
use super::text_function::strings;
use super::time_unit::CalendarUnit;

const NAME: &str = "date_add";

pub(super) fn date_add() -> Function {
    Function {
        name: NAME,
        aliases: &["dateadd"],
        coerce,
        returns: |types| types[2].clone(),
        compute,
        section: "Time",
        call: "date_add(unit, count, time)",
        description: "The date or timestamp so many units ('year', 'quarter', 'month', 'week', 'day'; of timestamps also \
            'hour', 'minute', 'second', 'millisecond') later; earlier where the count is negative. A day that a month does \
            not have becomes its last.",
        example: "select date_add('month', 1, date '2026-01-31') -- 2026-02-28",
    }
}

fn coerce(_: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    let [unit, count, time] = types else {
        return plan_err!(
            "`{NAME}` takes a unit, a count and a time: {NAME}('day', 7, time); an interval is added with `time + interval '7 days'`"
        );
    };
    if !is_text(unit) || !(count.is_integer() || count.is_null()) {
        return plan_err!(
            "`{NAME}` takes a unit as text, a whole number and a time: {NAME}('day', 7, time)"
        );
    }
    Ok(vec![
        DataType::Utf8,
        DataType::Int64,
        coerce_moment(NAME, time)?,
    ])
}

/// The unit, where it is a constant.
pub(super) fn check(texts: &[Option<&str>]) -> Result<()> {
    match texts.first().copied().flatten() {
        Some(unit) => CalendarUnit::parse(NAME, unit).map(|_| ()),
        None => Ok(()),
    }
}

fn compute(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let times = moments(&arguments[2])?;
    let counts = as_int64_array(&arguments[1])?;
    let is_date = arguments[2].data_type() == &DataType::Date32;
    let rows = strings(&arguments[0])?.zip(counts.iter().zip(times));
    let later = rows
        .map(|(unit, (count, time))| {
            let (Some(unit), Some(count), Some(time)) = (unit, count, time) else {
                return Ok(None);
            };
            let unit = CalendarUnit::parse(NAME, unit)?;
            if is_date
                && unit
                    .micros()
                    .is_some_and(|micros| micros % 86_400_000_000 != 0)
            {
                return exec_err!(
                    "`{NAME}` adds days or more to a date: cast it to a timestamp first"
                );
            }
            match moved(time, unit, count) {
                Some(time) => Ok(Some(time)),
                None => exec_err!("`{NAME}` leaves the calendar"),
            }
        })
        .collect::<Result<Vec<_>>>()?;
    if is_date {
        let dates = later.into_iter().map(|time| days_of(time?.date()));
        return Ok(Arc::new(dates.collect::<Date32Array>()));
    }
    let micros = later
        .into_iter()
        .map(|time| Some(time?.and_utc().timestamp_micros()));
    let times: TimestampMicrosecondArray = micros.collect();
    Ok(Arc::new(
        times.with_data_type(arguments[2].data_type().clone()),
    ))
}

fn moved(time: NaiveDateTime, unit: CalendarUnit, count: i64) -> Option<NaiveDateTime> {
    let Some(months) = unit.months() else {
        let micros = unit.micros()?.checked_mul(count)?;
        return time.checked_add_signed(Duration::microseconds(micros));
    };
    let months = months.checked_mul(count)?;
    let distance = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
    if months < 0 {
        time.checked_sub_months(distance)
    } else {
        time.checked_add_months(distance)
    }
}
