//! A file's footer → Delta's statistics.

use std::collections::BTreeMap;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use datafusion::arrow::compute::{max, max_string, min, min_string};
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Int32Type, Int64Type, Schema, TimeUnit, TimestampMicrosecondType,
};
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ParquetMetaData;
use serde::Serialize;
use serde_json::Value;

/// Longer texts have no bounds in the log.
const LONGEST_TEXT: usize = 32;

/// Delta's names; keys in this order, columns by name.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Statistics {
    num_records: i64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    min_values: BTreeMap<String, Value>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    max_values: BTreeMap<String, Value>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    null_count: BTreeMap<String, u64>,
}

/// Row count, and bounds and null counts of these columns, as the JSON text of an `add` action.
///
/// Columns whose footer holds no statistics, as personal ones, get none here either.
pub(super) fn delta_statistics(
    footer: &ParquetMetaData,
    schema: &Schema,
    columns: &[String],
) -> Result<String> {
    let mut statistics = Statistics {
        num_records: footer.file_metadata().num_rows(),
        min_values: BTreeMap::new(),
        max_values: BTreeMap::new(),
        null_count: BTreeMap::new(),
    };
    for column in columns {
        let Some((_, field)) = schema.column_with_name(column) else {
            continue;
        };
        if !has_bounds(field.data_type()) {
            continue;
        }
        let groups = footer.row_groups();
        let converter =
            StatisticsConverter::try_new(column, schema, footer.file_metadata().schema_descr())?
                .with_missing_null_counts_as_zero(false);
        let nulls = converter.row_group_null_counts(groups)?;
        if nulls.null_count() > 0 {
            continue;
        }
        let nulls = nulls.values().iter().sum();
        statistics.null_count.insert(column.clone(), nulls);
        let exact = |exact: BooleanArray| exact.iter().all(|exact| exact != Some(false));
        if !exact(converter.row_group_is_min_value_exact(groups)?)
            || !exact(converter.row_group_is_max_value_exact(groups)?)
        {
            continue;
        }
        let lowest = bound(&converter.row_group_mins(groups)?, Bound::Lowest);
        let highest = bound(&converter.row_group_maxes(groups)?, Bound::Highest);
        if let (Some(lowest), Some(highest)) = (lowest, highest) {
            statistics.min_values.insert(column.clone(), lowest);
            statistics.max_values.insert(column.clone(), highest);
        }
    }
    serde_json::to_string(&statistics).map_err(|error| ParquetError::External(Box::new(error)))
}

fn has_bounds(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Int32
            | DataType::Int64
            | DataType::Date32
            | DataType::Utf8
            | DataType::Timestamp(TimeUnit::Microsecond, _)
    )
}

#[derive(Clone, Copy)]
enum Bound {
    Lowest,
    Highest,
}

/// The lowest or highest of the row groups' bounds; `None` where all is null or the text is too long.
fn bound(values: &ArrayRef, which: Bound) -> Option<Value> {
    macro_rules! of {
        ($kind:ty) => {
            match which {
                Bound::Lowest => min(values.as_primitive::<$kind>()),
                Bound::Highest => max(values.as_primitive::<$kind>()),
            }
        };
    }
    match values.data_type() {
        DataType::Int32 => of!(Int32Type).map(Value::from),
        DataType::Int64 => of!(Int64Type).map(Value::from),
        DataType::Date32 => {
            let date = Date32Type::to_naive_date_opt(of!(Date32Type)?)?;
            Some(date.format("%Y-%m-%d").to_string().into())
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let at = DateTime::from_timestamp_micros(of!(TimestampMicrosecondType)?)?;
            Some(milliseconds(at, which)?.into())
        }
        DataType::Utf8 => {
            let texts = values.as_string::<i32>();
            let text = match which {
                Bound::Lowest => min_string(texts),
                Bound::Highest => max_string(texts),
            };
            text.filter(|text| text.chars().count() <= LONGEST_TEXT)
                .map(Value::from)
        }
        _ => None,
    }
}

/// Delta's bounds of times have milliseconds: down for the lowest, up for the highest, so that they hold.
fn milliseconds(at: DateTime<Utc>, which: Bound) -> Option<String> {
    let down = at.trunc_subsecs(3);
    // truncation goes towards the second's start, also before 1970
    let rounded = match which {
        Bound::Highest if down != at => down.checked_add_signed(TimeDelta::milliseconds(1))?,
        _ => down,
    };
    Some(rounded.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_of_times_enclose_the_times() {
        let at = DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap();
        assert_eq!(
            milliseconds(at, Bound::Lowest).unwrap(),
            "2023-11-14T22:13:20.123Z"
        );
        assert_eq!(
            milliseconds(at, Bound::Highest).unwrap(),
            "2023-11-14T22:13:20.124Z"
        );
        let before = DateTime::from_timestamp_micros(-1).unwrap();
        assert_eq!(
            milliseconds(before, Bound::Lowest).unwrap(),
            "1969-12-31T23:59:59.999Z"
        );
    }
}
