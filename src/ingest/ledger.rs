//! The ledger: which export became which rows. A table of the release, `ops.files`.

use std::sync::{Arc, LazyLock};

use chrono::{DateTime, NaiveDateTime, Utc};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{
    DataType, Field, Int64Type, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType,
};
use futures::StreamExt;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::error::{Error, Result};

/// What became of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExportStatus {
    /// Its records are accounted for.
    Loaded,
    /// Its content had come under another name, and counted there.
    Duplicate,
    /// It holds no record.
    Empty,
}

/// One export of one source, accounted for:
/// `records = inserted + updated + unchanged + superseded + rejected`, all 0 for a duplicate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LedgerEntry {
    /// The source's table.
    pub(crate) source: String,
    /// Path below `raw`.
    pub(crate) path: String,
    /// blake3 of the bytes as they lay in storage, hexadecimal.
    pub(crate) hash: String,
    /// Bytes.
    pub(crate) size: u64,
    pub(crate) modified_at: DateTime<Utc>,
    /// The time captured from the path.
    pub(crate) ordered_at: Option<NaiveDateTime>,
    pub(crate) status: ExportStatus,
    /// Path of the export that counted instead.
    pub(crate) duplicate_of: Option<String>,
    pub(crate) records: u64,
    pub(crate) inserted: u64,
    pub(crate) updated: u64,
    pub(crate) unchanged: u64,
    /// Replaced by a newer record of the same key in the same build.
    pub(crate) superseded: u64,
    pub(crate) rejected: u64,
    pub(crate) run_id: String,
    pub(crate) as_of: DateTime<Utc>,
}

impl ExportStatus {
    /// The word in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Loaded => "loaded",
            Self::Duplicate => "duplicate",
            Self::Empty => "empty",
        }
    }

    fn of(name: &str) -> Option<Self> {
        [Self::Loaded, Self::Duplicate, Self::Empty]
            .into_iter()
            .find(|s| s.name() == name)
    }
}

impl LedgerEntry {
    /// Whether a file that was listed is surely the one that was read, without reading it again.
    pub(crate) fn is_same_file(&self, size: u64, modified_at: DateTime<Utc>) -> bool {
        self.size == size && micros(self.modified_at) == micros(modified_at)
    }
}

/// Tables hold microseconds.
fn micros(time: DateTime<Utc>) -> i64 {
    time.timestamp_micros()
}

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let number = |name: &str| Field::new(name, DataType::Int64, true);
    let time = |name: &str| {
        Field::new(
            name,
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            true,
        )
    };
    Arc::new(Schema::new(vec![
        text("source"),
        text("path"),
        text("hash"),
        number("size"),
        time("modified_at"),
        time("ordered_at"),
        text("status"),
        text("duplicate_of"),
        number("records"),
        number("inserted"),
        number("updated"),
        number("unchanged"),
        number("superseded"),
        number("rejected"),
        text("run_id"),
        time("as_of"),
    ]))
});

/// The columns of `ops.files`.
pub(crate) fn ledger_schema() -> SchemaRef {
    Arc::clone(&SCHEMA)
}

/// Entries as a batch of [`ledger_schema`].
///
/// # Errors
/// `Internal` only.
pub(crate) fn ledger_batch(entries: &[LedgerEntry]) -> Result<RecordBatch> {
    let text = |cell: fn(&LedgerEntry) -> Option<&str>| -> ArrayRef {
        Arc::new(entries.iter().map(cell).collect::<StringArray>())
    };
    let number = |cell: fn(&LedgerEntry) -> u64| -> ArrayRef {
        Arc::new(
            entries
                .iter()
                .map(|entry| Some(cell(entry) as i64))
                .collect::<Int64Array>(),
        )
    };
    let time = |cell: fn(&LedgerEntry) -> Option<i64>| -> ArrayRef {
        let times = entries
            .iter()
            .map(cell)
            .collect::<TimestampMicrosecondArray>();
        Arc::new(times.with_timezone("UTC"))
    };
    let columns = vec![
        text(|entry| Some(&entry.source)),
        text(|entry| Some(&entry.path)),
        text(|entry| Some(&entry.hash)),
        number(|entry| entry.size),
        time(|entry| Some(micros(entry.modified_at))),
        time(|entry| {
            entry
                .ordered_at
                .map(|time| time.and_utc().timestamp_micros())
        }),
        text(|entry| Some(entry.status.name())),
        text(|entry| entry.duplicate_of.as_deref()),
        number(|entry| entry.records),
        number(|entry| entry.inserted),
        number(|entry| entry.updated),
        number(|entry| entry.unchanged),
        number(|entry| entry.superseded),
        number(|entry| entry.rejected),
        text(|entry| Some(&entry.run_id)),
        time(|entry| Some(micros(entry.as_of))),
    ];
    RecordBatch::try_new(ledger_schema(), columns)
        .map_err(|error| Error::internal("the ledger does not fit together").caused_by(error))
}

/// Entries of a batch that holds the columns of [`ledger_schema`], in any order.
///
/// # Errors
/// `Corrupt` where a column is missing or a word unknown.
pub(crate) fn ledger_entries(batch: &RecordBatch) -> Result<Vec<LedgerEntry>> {
    let columns = Columns { batch };
    (0..batch.num_rows())
        .map(|row| {
            let status = columns.text("status", row)?.unwrap_or_default();
            Ok(LedgerEntry {
                source: columns.text("source", row)?.unwrap_or_default(),
                path: columns.text("path", row)?.unwrap_or_default(),
                hash: columns.text("hash", row)?.unwrap_or_default(),
                size: columns.number("size", row)?,
                modified_at: columns.time("modified_at", row)?.unwrap_or_default(),
                ordered_at: columns
                    .time("ordered_at", row)?
                    .map(|time| time.naive_utc()),
                status: ExportStatus::of(&status).ok_or_else(|| misread("status"))?,
                duplicate_of: columns.text("duplicate_of", row)?,
                records: columns.number("records", row)?,
                inserted: columns.number("inserted", row)?,
                updated: columns.number("updated", row)?,
                unchanged: columns.number("unchanged", row)?,
                superseded: columns.number("superseded", row)?,
                rejected: columns.number("rejected", row)?,
                run_id: columns.text("run_id", row)?.unwrap_or_default(),
                as_of: columns.time("as_of", row)?.unwrap_or_default(),
            })
        })
        .collect()
}

struct Columns<'a> {
    batch: &'a RecordBatch,
}

impl Columns<'_> {
    fn column(&self, name: &str) -> Result<&ArrayRef> {
        self.batch.column_by_name(name).ok_or_else(|| misread(name))
    }

    fn text(&self, name: &str, row: usize) -> Result<Option<String>> {
        let column = self.column(name)?;
        if column.is_null(row) {
            return Ok(None);
        }
        let cell = match column.data_type() {
            DataType::Utf8 => column.as_string::<i32>().value(row),
            DataType::Utf8View => column.as_string_view().value(row),
            _ => return Err(misread(name)),
        };
        Ok(Some(cell.to_string()))
    }

    fn number(&self, name: &str, row: usize) -> Result<u64> {
        let column = self.column(name)?;
        let numbers = column
            .as_primitive_opt::<Int64Type>()
            .ok_or_else(|| misread(name))?;
        Ok(if column.is_null(row) {
            0
        } else {
            numbers.value(row).max(0) as u64
        })
    }

    fn time(&self, name: &str, row: usize) -> Result<Option<DateTime<Utc>>> {
        let column = self.column(name)?;
        let times = column
            .as_primitive_opt::<TimestampMicrosecondType>()
            .ok_or_else(|| misread(name))?;
        if column.is_null(row) {
            return Ok(None);
        }
        DateTime::from_timestamp_micros(times.value(row))
            .map(Some)
            .ok_or_else(|| misread(name))
    }
}

fn misread(column: &str) -> Error {
    Error::corrupt(format!("the ledger's column `{column}` cannot be read")).at("ops.files")
}

/// blake3 of an export's bytes, hexadecimal.
///
/// # Errors
/// `Unavailable` where it cannot be read.
pub(crate) async fn hash(
    store: &Arc<dyn ObjectStore>,
    location: &object_store::path::Path,
) -> Result<String> {
    let unreadable = |error: object_store::Error| {
        Error::unavailable("the export cannot be read")
            .at(location.to_string())
            .caused_by(error)
    };
    let mut stream = store.get(location).await.map_err(unreadable)?.into_stream();
    let mut hasher = blake3::Hasher::new();
    while let Some(chunk) = stream.next().await {
        hasher.update(&chunk.map_err(unreadable)?);
    }
    Ok(hasher.finalize().to_hex().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_survive_the_table() {
        let entry = LedgerEntry {
            source: "bronze.orders".to_string(),
            path: "orders_20260301.csv".to_string(),
            hash: "ab".repeat(32),
            size: 12,
            modified_at: DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap(),
            ordered_at: DateTime::from_timestamp_micros(1_600_000_000_000_000)
                .map(|time| time.naive_utc()),
            status: ExportStatus::Loaded,
            duplicate_of: None,
            records: 7,
            inserted: 4,
            updated: 1,
            unchanged: 1,
            superseded: 0,
            rejected: 1,
            run_id: "r".to_string(),
            as_of: DateTime::UNIX_EPOCH,
        };
        let batch = ledger_batch(std::slice::from_ref(&entry)).unwrap();
        assert_eq!(ledger_entries(&batch).unwrap(), [entry]);
    }
}
