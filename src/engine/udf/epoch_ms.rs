//! `epoch_ms(time)` and back, and `epoch(time)`: times as numbers since 1970-01-01 UTC.

use std::sync::Arc;

use chrono::NaiveDateTime;
use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, TimestampMicrosecondArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::cast::as_int64_array;
use datafusion::common::{Result, exec_datafusion_err};

use super::function::Function;
use super::moment::{instant, moments, one_moment};

pub(super) fn epoch_ms() -> Function {
    Function {
        name: "epoch_ms",
        aliases: &[],
        coerce: |name, types| match types {
            [number] if number.is_integer() => Ok(vec![DataType::Int64]),
            _ => one_moment(name, types),
        },
        returns: |types| match types {
            [DataType::Int64] => instant(),
            _ => DataType::Int64,
        },
        compute: |arguments| match arguments[0].data_type() {
            DataType::Int64 => from_milliseconds(&arguments[0]),
            _ => milliseconds(&arguments[0]),
        },
        section: "Time",
        call: "epoch_ms(time_or_number)",
        description: "Milliseconds since 1970-01-01 UTC of a date or timestamp; of a whole number, the timestamp that it \
            counts to.",
        example: "select epoch_ms(1772323200000) -- 2026-03-01T00:00:00Z",
    }
}

pub(super) fn epoch() -> Function {
    Function {
        name: "epoch",
        aliases: &[],
        coerce: one_moment,
        returns: |_| DataType::Float64,
        compute: seconds,
        section: "Time",
        call: "epoch(time)",
        description: "Seconds since 1970-01-01 UTC of a date or timestamp, with their fraction.",
        example: "select epoch(timestamp '2026-03-01 00:00:00') -- 1772323200.0",
    }
}

fn milliseconds(times: &ArrayRef) -> Result<ArrayRef> {
    let number = |time: Option<NaiveDateTime>| Some(time?.and_utc().timestamp_millis());
    let numbers = moments(times)?.into_iter().map(number);
    Ok(Arc::new(numbers.collect::<Int64Array>()))
}

fn seconds(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let number = |time: Option<NaiveDateTime>| {
        let micros = time?.and_utc().timestamp_micros();
        Some(micros as f64 / 1_000_000.0)
    };
    let numbers = moments(&arguments[0])?.into_iter().map(number);
    Ok(Arc::new(numbers.collect::<Float64Array>()))
}

fn from_milliseconds(numbers: &ArrayRef) -> Result<ArrayRef> {
    let micros = as_int64_array(numbers)?.iter().map(|number| {
        let Some(number) = number else {
            return Ok(None);
        };
        let micros = number
            .checked_mul(1_000)
            .ok_or_else(|| exec_datafusion_err!("`epoch_ms` leaves the calendar"))?;
        Ok(Some(micros))
    });
    let times = micros.collect::<Result<TimestampMicrosecondArray>>()?;
    Ok(Arc::new(times.with_timezone("UTC")))
}
