//! Dates and timestamps as arguments: one way to take them, whichever of the two a column holds.
//!
//! Timestamps are instants and their parts are those in UTC; `to_local_time` and `at time zone` come before, where a local
//! part is meant. Text is cast, as SQL casts it.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use datafusion::arrow::array::{Array, ArrayRef, TimestampMicrosecondArray};
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::cast::{as_date32_array, as_timestamp_microsecond_array};
use datafusion::common::{Result, internal_err, plan_err};

/// The type of an instant.
pub(super) fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// Whether a type is text, in whichever way Arrow writes it.
pub(super) fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, value) => is_text(value),
        other => other.is_string() || *other == DataType::Null,
    }
}

/// What an argument that is a date or a timestamp is cast to.
pub(super) fn coerce_moment(function: &str, data_type: &DataType) -> Result<DataType> {
    match data_type {
        DataType::Date32 | DataType::Date64 => Ok(DataType::Date32),
        DataType::Timestamp(_, zone) => {
            Ok(DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))
        }
        text if is_text(text) => Ok(DataType::Timestamp(TimeUnit::Microsecond, None)),
        other => plan_err!("`{function}` takes a date or a timestamp, not {other}"),
    }
}

/// The arguments of a function that takes one date or timestamp.
pub(super) fn one_moment(function: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    match types {
        [time] => Ok(vec![coerce_moment(function, time)?]),
        _ => plan_err!("`{function}` takes one date or timestamp"),
    }
}

/// The date and time of each row; of a date, its midnight.
pub(super) fn moments(array: &ArrayRef) -> Result<Vec<Option<NaiveDateTime>>> {
    match array.data_type() {
        DataType::Date32 => {
            let dates = as_date32_array(array)?.iter();
            let midnight = |days: Option<i32>| date_of_days(days?)?.and_time(NaiveTime::MIN).into();
            Ok(dates.map(midnight).collect())
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let times: &TimestampMicrosecondArray = as_timestamp_microsecond_array(array)?;
            let rows = 0..times.len();
            let time = |row: usize| {
                times
                    .is_valid(row)
                    .then(|| times.value_as_datetime(row))
                    .flatten()
            };
            Ok(rows.map(time).collect())
        }
        other => internal_err!("{other} where a date or a timestamp was coerced to"),
    }
}

/// Days since 1970-01-01.
pub(super) fn days_of(date: NaiveDate) -> Option<i32> {
    let days = date.signed_duration_since(NaiveDate::default()).num_days();
    i32::try_from(days).ok()
}

fn date_of_days(days: i32) -> Option<NaiveDate> {
    NaiveDate::default().checked_add_signed(chrono::Duration::days(i64::from(days)))
}
