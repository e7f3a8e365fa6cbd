//! `to_utc(local, zone, occurrence)`: the instant that a local time means.
//!
//! DataFusion's own cast fails on times that the clocks skip or show twice, so that one row on the last Sunday of October
//! would end a build. This one never fails on data: the author declares which of two instants is meant, and skipped
//! times move forward.

use std::sync::Arc;

use chrono::NaiveDateTime;
use chrono_tz::Tz;
use datafusion::arrow::array::{Array, ArrayRef, TimestampMicrosecondArray};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::cast::as_timestamp_microsecond_array;
use datafusion::common::{Result, ScalarValue, internal_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, DocSection, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};

use super::text_function::strings;
use crate::text::{self, Occurrence};

#[derive(Debug, PartialEq, Eq, Hash)]
struct ToUtc {
    signature: Signature,
    documentation: Documentation,
}

pub(super) fn to_utc() -> ScalarUDF {
    let section = DocSection {
        include: true,
        label: "Customer data",
        description: None,
    };
    let description = "The instant that a local time in a zone means, in UTC and microseconds. A time that the clocks \
        showed twice is the 'earlier' (default) or the 'later'; one that they skipped moves forward by the gap. Text is read \
        as ISO 8601; null where it is none. Times with an offset or a zone of their own keep their instant.";
    let documentation = Documentation::builder(
        section,
        description,
        "to_utc(local, zone[, occurrence])",
    )
    .with_sql_example(
        "select to_utc('2025-10-26 02:30:00', 'Europe/Stockholm', 'later') -- 2025-10-26T01:30:00Z",
    )
    .build();
    ScalarUDF::new_from_impl(ToUtc {
        signature: Signature::user_defined(Volatility::Immutable),
        documentation,
    })
}

fn utc() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

impl ScalarUDFImpl for ToUtc {
    fn name(&self) -> &str {
        "to_utc"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        if !(2..=3).contains(&types.len()) {
            return plan_err!("`to_utc` takes a time, a zone and, if wanted, 'earlier' or 'later'");
        }
        let time = match value_type(&types[0]) {
            DataType::Timestamp(_, None) | DataType::Date32 | DataType::Date64 | DataType::Null => {
                DataType::Timestamp(TimeUnit::Microsecond, None)
            }
            DataType::Timestamp(_, Some(_)) => utc(),
            text if text.is_string() => text.clone(),
            other => return plan_err!("`to_utc` takes a timestamp, a date or text, not {other}"),
        };
        let mut coerced = vec![time];
        for data_type in &types[1..] {
            coerced.push(match value_type(data_type) {
                text if text.is_string() => text.clone(),
                DataType::Null => DataType::Utf8,
                other => return plan_err!("`to_utc` takes its zone as text, not as {other}"),
            });
        }
        Ok(coerced)
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(utc())
    }

    /// Constants are checked here, so that a misspelt zone is found before any data is read.
    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let constant = |i: usize| args.scalar_arguments.get(i).copied().flatten();
        if let Some(text) = constant(1).and_then(|zone| zone.try_as_str().flatten()) {
            zone_named(text)?;
        }
        if let Some(text) = constant(2).and_then(|occurrence| occurrence.try_as_str().flatten()) {
            occurrence_named(text)?;
        }
        Ok(Arc::new(Field::new(self.name(), utc(), true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_constant = args
            .args
            .iter()
            .all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if is_constant { 1 } else { args.number_rows };
        let times = args.args[0].to_array(rows)?;
        let zones = per_row(
            &args.args[1],
            rows,
            |text| text.parse().ok(),
            |text| zone_named(text).map(Some),
        )?;
        let occurrences = match args.args.get(2) {
            Some(argument) => per_row(argument, rows, Occurrence::parse, |text| {
                occurrence_named(text).map(Some)
            })?,
            None => vec![Some(Occurrence::Earlier); rows],
        };
        let policies = zones
            .into_iter()
            .zip(occurrences)
            .map(|(zone, occurrence)| zone.zip(occurrence));
        let result: ArrayRef = Arc::new(instants(&times, policies)?.with_timezone("UTC"));
        if is_constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
                &result, 0,
            )?));
        }
        Ok(ColumnarValue::Array(result))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

fn value_type(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, value) => value_type(value),
        other => other,
    }
}

fn instants(
    times: &ArrayRef,
    policies: impl Iterator<Item = Option<(Tz, Occurrence)>>,
) -> Result<TimestampMicrosecondArray> {
    let instant = |local: NaiveDateTime, policy: Option<(Tz, Occurrence)>| {
        let (zone, occurrence) = policy?;
        text::to_utc(local, zone, occurrence)
    };
    Ok(match times.data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => {
            as_timestamp_microsecond_array(times)?.clone()
        }
        DataType::Timestamp(TimeUnit::Microsecond, None) => {
            let times = as_timestamp_microsecond_array(times)?;
            let local = |row| {
                times
                    .is_valid(row)
                    .then(|| times.value_as_datetime(row))
                    .flatten()
            };
            let rows = policies.enumerate();
            rows.map(|(row, policy)| instant(local(row)?, policy))
                .collect()
        }
        data_type if data_type.is_string() => strings(times)?
            .zip(policies)
            .map(|(text, policy)| {
                let text = text?;
                text::parse_instant(text).or_else(|| instant(text::parse_local_time(text)?, policy))
            })
            .collect(),
        other => return internal_err!("{other} where a time was coerced to"),
    })
}

/// An argument for each row. A wrong constant is the author's mistake and an error; a wrong value in a column is null.
fn per_row<T: Copy>(
    argument: &ColumnarValue,
    rows: usize,
    parse: impl Fn(&str) -> Option<T>,
    parse_constant: impl Fn(&str) -> Result<Option<T>>,
) -> Result<Vec<Option<T>>> {
    if let ColumnarValue::Scalar(constant) = argument {
        let value = constant
            .try_as_str()
            .flatten()
            .map_or(Ok(None), parse_constant)?;
        return Ok(vec![value; rows]);
    }
    let array = argument.to_array(rows)?;
    let parsed = strings(&array)?.map(|text| parse(text?)).collect();
    Ok(parsed)
}

fn zone_named(text: &str) -> Result<Tz> {
    match text.parse() {
        Ok(zone) => Ok(zone),
        Err(_) => {
            plan_err!("unknown time zone `{text}`: name one like `Europe/Stockholm` or `UTC`")
        }
    }
}

fn occurrence_named(text: &str) -> Result<Occurrence> {
    match Occurrence::parse(text) {
        Some(occurrence) => Ok(occurrence),
        None => plan_err!("`to_utc` takes 'earlier' or 'later', not '{text}'"),
    }
}
