//! `date_diff(unit, from, to)`: how many borders of a unit lie between two times.
//!
//! As in DuckDB: not the elapsed time but the borders crossed, so 31 December and 1 January are one year apart. Weeks
//! begin on Mondays.

use std::sync::Arc;

use chrono::{Datelike, NaiveDateTime};
use datafusion::arrow::array::{ArrayRef, Int64Array};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};

use super::function::Function;
use super::moment::{coerce_moment, is_text, moments};
use super::text_function::strings;
use super::time_unit::CalendarUnit;

const NAME: &str = "date_diff";

pub(super) fn date_diff() -> Function {
    Function {
        name: NAME,
        aliases: &["datediff"],
        coerce,
        returns: |_| DataType::Int64,
        compute,
        section: "Time",
        call: "date_diff(unit, from, to)",
        description: "The number of borders of a unit ('year', 'quarter', 'month', 'week', 'day', 'hour', 'minute', \
            'second', 'millisecond') between two dates or timestamps; negative where `to` is earlier. Weeks begin on \
            Mondays; timestamps count in UTC.",
        example: "select date_diff('month', date '2026-01-31', date '2026-02-01') -- 1",
    }
}

fn coerce(_: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    let [unit, from, to] = types else {
        return plan_err!("`{NAME}` takes a unit and two times: {NAME}('day', from, to)");
    };
    if !is_text(unit) {
        return plan_err!("`{NAME}` takes its unit first, as text: {NAME}('day', from, to)");
    }
    Ok(vec![
        DataType::Utf8,
        coerce_moment(NAME, from)?,
        coerce_moment(NAME, to)?,
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
    let from = moments(&arguments[1])?;
    let to = moments(&arguments[2])?;
    let units = strings(&arguments[0])?;
    let rows = units.zip(from.into_iter().zip(to));
    let counts = rows
        .map(|(unit, times)| match (unit, times) {
            (Some(unit), (Some(from), Some(to))) => {
                CalendarUnit::parse(NAME, unit).map(|unit| Some(borders(unit, from, to)))
            }
            _ => Ok(None),
        })
        .collect::<Result<Int64Array>>()?;
    Ok(Arc::new(counts))
}

fn borders(unit: CalendarUnit, from: NaiveDateTime, to: NaiveDateTime) -> i64 {
    position(unit, to) - position(unit, from)
}

/// How many units have begun before a time, counted from any fixed one.
fn position(unit: CalendarUnit, time: NaiveDateTime) -> i64 {
    if let Some(months) = unit.months() {
        let month = i64::from(time.year()) * 12 + i64::from(time.month0());
        return month.div_euclid(months);
    }
    if unit == CalendarUnit::Week {
        return i64::from(time.num_days_from_ce() - 1).div_euclid(7);
    }
    let micros = time.and_utc().timestamp_micros();
    micros.div_euclid(unit.micros().unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weeks_begin_on_mondays_before_and_after_1970() {
        let at = |text: &str| format!("{text}T12:00:00").parse::<NaiveDateTime>().unwrap();
        for (sunday, monday) in [("2026-03-01", "2026-03-02"), ("1969-12-28", "1969-12-29")] {
            assert_eq!(borders(CalendarUnit::Week, at(sunday), at(monday)), 1);
            assert_eq!(borders(CalendarUnit::Week, at(monday), at(monday)), 0);
        }
    }
}
