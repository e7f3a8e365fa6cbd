//! The ledger: which export became which rows. One entry per source and path, a table of the release (`ops.files`).
//!
//! Pure: entries ↔ batches, and what the bytes of an export are to them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, LazyLock};

use chrono::{DateTime, NaiveDateTime, Utc};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    new_null_array,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Field, Int64Type, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType,
};

use super::load::FileCounts;
use crate::error::{Error, Result};
use crate::name::{ReleaseNumber, RunId, TableName};
use crate::project::Load;

/// What an export was to its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FileStatus {
    /// It has records, and they count.
    Loaded,
    /// Its content came before under another name (`append`).
    Duplicate,
    /// It has no record.
    Empty,
    /// No file: rows that another tool wrote to the table, taken over by somebody. The path is that of its commit.
    Adopted,
    /// It was loaded, and its rows were taken out again: somebody decided so.
    Retracted,
    /// It was loaded, and a rollback took its rows back: the next build reads it again.
    RolledBack,
    /// It cannot be read as it lies there, and was left out alone. It is tried again once it is another file.
    Unreadable,
    /// More of its source's records were rejected than the project allows. In what a failed run left only: such an export
    /// stays new.
    Refused,
}

impl FileStatus {
    const ALL: [Self; 8] = [
        Self::Loaded,
        Self::Duplicate,
        Self::Empty,
        Self::Adopted,
        Self::Retracted,
        Self::RolledBack,
        Self::Unreadable,
        Self::Refused,
    ];

    /// As stored.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Loaded => "loaded",
            Self::Duplicate => "duplicate",
            Self::Empty => "empty",
            Self::Adopted => "adopted",
            Self::Retracted => "retracted",
            Self::RolledBack => "rolled_back",
            Self::Unreadable => "unreadable",
            Self::Refused => "refused",
        }
    }
}

impl fmt::Display for FileStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One export that has been loaded, whether or not its rows are still in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LedgerEntry {
    pub(crate) source: TableName,
    /// Path below `raw`.
    pub(crate) path: String,
    /// blake3 of the raw bytes, in hexadecimal.
    pub(crate) hash: String,
    /// Raw bytes.
    pub(crate) size: u64,
    /// Time of the object in storage.
    pub(crate) modified_at: DateTime<Utc>,
    /// What storage said of its content, see `ObjectInfo::tag`; empty: it may be said of other content too, so that nothing but
    /// the content itself tells.
    pub(crate) tag: Option<String>,
    /// The time that the path captures, by which exports are ordered.
    pub(crate) ordered_at: Option<NaiveDateTime>,
    pub(crate) status: FileStatus,
    /// Path of the export that had the same content first.
    pub(crate) duplicate_of: Option<String>,
    pub(crate) counts: FileCounts,
    /// The release that brought it.
    pub(crate) release: ReleaseNumber,
    pub(crate) run_id: RunId,
    pub(crate) as_of: DateTime<Utc>,
    /// Number of the newest decision about this export that it already follows; 0: none.
    pub(crate) decision: u64,
    /// Records that a rollback took back and that no build has read again: only the file can bring them back. 0: none.
    pub(crate) taken_back: u64,
    /// Why what lies under the path cannot be read. An entry that has rows in the table all the same speaks of the content
    /// before: its hash and counts; size, time and tag are those of the file.
    pub(crate) unread: Option<Unread>,
}

/// Why an export cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unread {
    pub(crate) reason: String,
    /// Byte of its content at which reading ended, where that is known.
    pub(crate) byte: Option<u64>,
}

impl LedgerEntry {
    /// Whether the table is made of this export too.
    pub(crate) fn counts_in_table(&self) -> bool {
        !matches!(
            self.status,
            FileStatus::Retracted | FileStatus::RolledBack | FileStatus::Unreadable
        )
    }

    /// The entry of this export once its rows are taken out, as that decision wants.
    pub(crate) fn retract(&self, release: ReleaseNumber, run_id: &RunId, decision: u64) -> Self {
        Self {
            status: FileStatus::Retracted,
            duplicate_of: None,
            counts: self.counts.retract(),
            release,
            run_id: run_id.clone(),
            decision,
            taken_back: 0,
            unread: None,
            ..self.clone()
        }
    }

    /// The entry of this export after a rollback to a release whose ledger has `then` of its path. Nothing that was loaded
    /// is forgotten: what the release does not have waits to be read again.
    pub(crate) fn roll_back(&self, then: Option<&Self>) -> Self {
        // a copy brought nothing of its own
        let brought = match self.counts_in_table() {
            true => self.counts.records - self.counts.duplicate,
            false => 0,
        };
        match then {
            None if !self.counts_in_table() => self.clone(),
            None => Self {
                status: FileStatus::RolledBack,
                counts: match self.status {
                    FileStatus::Duplicate => self.counts,
                    _ => self.counts.retract(),
                },
                taken_back: self.taken_back.max(brought),
                ..self.clone()
            },
            // what waited is there again, or what is here now was replaced by what comes back
            Some(then)
                if then.release > self.release
                    || (self.status == FileStatus::RolledBack && then.hash == self.hash) =>
            {
                then.clone()
            }
            Some(then) => Self {
                taken_back: match then.hash == self.hash {
                    true => self.taken_back,
                    false => self.taken_back.max(brought),
                },
                ..then.clone()
            },
        }
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)?;
        match self.byte {
            // many reasons say it
            Some(byte) if !self.reason.contains(" byte ") => write!(f, ", at byte {byte}"),
            _ => Ok(()),
        }
    }
}

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let field = |name: &str| {
        let data_type = match name {
            "modified_at" | "ordered_at" | "as_of" => time.clone(),
            "source" | "path" | "hash" | "status" | "duplicate_of" | "run_id" | "tag"
            | "reason" => DataType::Utf8,
            _ => DataType::Int64,
        };
        Field::new(name, data_type, true)
    };
    Arc::new(Schema::new(COLUMNS.map(field).to_vec()))
});

const COLUMNS: [&str; 24] = [
    "source",
    "path",
    "hash",
    "size",
    "modified_at",
    "ordered_at",
    "status",
    "duplicate_of",
    "records",
    "inserted",
    "updated",
    "unchanged",
    "superseded",
    "duplicate",
    "retracted",
    "rejected",
    "release",
    "run_id",
    "as_of",
    "decision",
    "taken_back",
    "tag",
    "reason",
    "byte",
];

/// Columns that ledgers of earlier versions lack: they are 0 there, or null.
const LATER_COLUMNS: [&str; 6] = [
    "retracted",
    "decision",
    "taken_back",
    "tag",
    "reason",
    "byte",
];

/// The schema of `ops.files`.
pub(crate) fn ledger_schema() -> SchemaRef {
    Arc::clone(&SCHEMA)
}

/// Entries as rows of `ops.files`.
///
/// # Errors
/// `Internal` only.
pub(crate) fn ledger_batch(entries: &[LedgerEntry]) -> Result<RecordBatch> {
    let text = |of: &dyn Fn(&LedgerEntry) -> Option<String>| -> ArrayRef {
        Arc::new(entries.iter().map(of).collect::<StringArray>())
    };
    let number = |of: &dyn Fn(&LedgerEntry) -> u64| -> ArrayRef {
        let values = entries.iter().map(|entry| of(entry) as i64);
        Arc::new(Int64Array::from_iter_values(values))
    };
    let time = |of: &dyn Fn(&LedgerEntry) -> Option<i64>| -> ArrayRef {
        let values: TimestampMicrosecondArray = entries.iter().map(of).collect();
        Arc::new(values.with_timezone("UTC"))
    };
    let columns = vec![
        text(&|entry| Some(entry.source.to_string())),
        text(&|entry| Some(entry.path.clone())),
        text(&|entry| Some(entry.hash.clone())),
        number(&|entry| entry.size),
        time(&|entry| Some(entry.modified_at.timestamp_micros())),
        time(&|entry| Some(entry.ordered_at?.and_utc().timestamp_micros())),
        text(&|entry| Some(entry.status.to_string())),
        text(&|entry| entry.duplicate_of.clone()),
        number(&|entry| entry.counts.records),
        number(&|entry| entry.counts.inserted),
        number(&|entry| entry.counts.updated),
        number(&|entry| entry.counts.unchanged),
        number(&|entry| entry.counts.superseded),
        number(&|entry| entry.counts.duplicate),
        number(&|entry| entry.counts.retracted),
        number(&|entry| entry.counts.rejected),
        number(&|entry| entry.release.0),
        text(&|entry| Some(entry.run_id.to_string())),
        time(&|entry| Some(entry.as_of.timestamp_micros())),
        number(&|entry| entry.decision),
        number(&|entry| entry.taken_back),
        text(&|entry| entry.tag.clone()),
        text(&|entry| Some(entry.unread.as_ref()?.reason.clone())),
        Arc::new(
            entries
                .iter()
                .map(|entry| Some(entry.unread.as_ref()?.byte? as i64))
                .collect::<Int64Array>(),
        ),
    ];
    RecordBatch::try_new(ledger_schema(), columns)
        .map_err(|error| Error::internal("the ledger does not fit together").caused_by(error))
}

/// Rows of `ops.files` as entries. Columns are found by name, so that older and newer ledgers read.
///
/// # Errors
/// `Corrupt` where a row is no entry.
pub(crate) fn ledger_entries(batch: &RecordBatch) -> Result<Vec<LedgerEntry>> {
    let schema = ledger_schema();
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(COLUMNS.len());
    for (name, field) in COLUMNS.iter().zip(schema.fields()) {
        let array = match batch.column_by_name(name) {
            Some(array) => cast(array, field.data_type()).map_err(|error| {
                corrupt(format!("column `{name}` has another type")).caused_by(error)
            })?,
            None if LATER_COLUMNS.contains(name) => {
                new_null_array(field.data_type(), batch.num_rows())
            }
            None => return Err(corrupt(format!("it has no column `{name}`"))),
        };
        columns.push(array);
    }
    (0..batch.num_rows())
        .map(|row| {
            entry(&Row {
                columns: &columns,
                row,
            })
        })
        .collect()
}

/// One row of the ledger's columns.
struct Row<'a> {
    columns: &'a [ArrayRef],
    row: usize,
}

impl Row<'_> {
    fn column(&self, name: &str) -> Option<&ArrayRef> {
        let at = COLUMNS.iter().position(|column| *column == name)?;
        self.columns
            .get(at)
            .filter(|array| array.is_valid(self.row))
    }

    fn optional_text(&self, name: &str) -> Option<String> {
        let array = self.column(name)?;
        Some(array.as_string::<i32>().value(self.row).to_string())
    }

    fn text(&self, name: &str) -> Result<String> {
        self.optional_text(name)
            .ok_or_else(|| corrupt(format!("`{name}` of an entry is missing")))
    }

    fn number(&self, name: &str) -> Result<u64> {
        self.column(name)
            .and_then(|array| u64::try_from(array.as_primitive::<Int64Type>().value(self.row)).ok())
            .ok_or_else(|| corrupt(format!("`{name}` of an entry is no count")))
    }

    /// A count of a column that not every ledger has.
    fn later_number(&self, name: &str) -> Result<u64> {
        match self.column(name) {
            Some(_) => self.number(name),
            None => Ok(0),
        }
    }

    fn optional_time(&self, name: &str) -> Option<DateTime<Utc>> {
        let array = self.column(name)?;
        let micros = array
            .as_primitive::<TimestampMicrosecondType>()
            .value(self.row);
        DateTime::from_timestamp_micros(micros)
    }

    fn time(&self, name: &str) -> Result<DateTime<Utc>> {
        self.optional_time(name)
            .ok_or_else(|| corrupt(format!("`{name}` of an entry is no time")))
    }
}

fn entry(row: &Row<'_>) -> Result<LedgerEntry> {
    let status = row.text("status")?;
    Ok(LedgerEntry {
        source: row.text("source")?.parse().map_err(corrupt)?,
        path: row.text("path")?,
        hash: row.text("hash")?,
        size: row.number("size")?,
        modified_at: row.time("modified_at")?,
        ordered_at: row.optional_time("ordered_at").map(|time| time.naive_utc()),
        status: FileStatus::ALL
            .into_iter()
            .find(|known| known.name() == status)
            .ok_or_else(|| corrupt(format!("`{status}` is no status")))?,
        duplicate_of: row.optional_text("duplicate_of"),
        counts: FileCounts {
            records: row.number("records")?,
            inserted: row.number("inserted")?,
            updated: row.number("updated")?,
            unchanged: row.number("unchanged")?,
            superseded: row.number("superseded")?,
            duplicate: row.number("duplicate")?,
            retracted: row.later_number("retracted")?,
            rejected: row.number("rejected")?,
        },
        release: ReleaseNumber(row.number("release")?),
        run_id: RunId(row.text("run_id")?),
        as_of: row.time("as_of")?,
        decision: row.later_number("decision")?,
        taken_back: row.later_number("taken_back")?,
        tag: row.optional_text("tag"),
        unread: match row.optional_text("reason") {
            Some(reason) => Some(Unread {
                reason,
                byte: match row.column("byte") {
                    Some(_) => Some(row.number("byte")?),
                    None => None,
                },
            }),
            None => None,
        },
    })
}

fn corrupt(message: impl fmt::Display) -> Error {
    Error::corrupt(format!("the ledger cannot be read: {message}")).at("ops.files")
}

/// What the bytes of an export are to a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Loaded under this path with this content.
    Known,
    /// Loaded under this path with other content.
    Changed,
    /// `append`: loaded under another path, with at least one record.
    Duplicate {
        of: String,
    },
    New,
}

/// The entries of one source, by path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    entries: BTreeMap<String, LedgerEntry>,
}

impl Ledger {
    /// Adds an entry in the place of one with its path.
    pub(crate) fn insert(&mut self, entry: LedgerEntry) {
        self.entries.insert(entry.path.clone(), entry);
    }

    /// The entry of a path.
    pub(crate) fn entry(&self, path: &str) -> Option<&LedgerEntry> {
        self.entries.get(path)
    }

    /// Without the exports that no longer count and those named.
    pub(crate) fn without(&self, paths: &BTreeSet<String>) -> Self {
        let entries = self.entries.iter();
        Self {
            entries: entries
                .filter(|(path, entry)| entry.counts_in_table() && !paths.contains(*path))
                .map(|(path, entry)| (path.clone(), entry.clone()))
                .collect(),
        }
    }

    /// By path.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &LedgerEntry> {
        self.entries.values()
    }

    /// What an export's content is to this ledger. Exports of one build are asked in order, each entered before the next.
    /// `is_apart`: whether equal content of the export under another path is other records.
    pub(crate) fn standing(
        &self,
        load: Load,
        path: &str,
        hash: &str,
        is_apart: impl Fn(&str) -> bool,
    ) -> Standing {
        if let Some(entry) = self.entries.get(path) {
            return if entry.hash == hash {
                Standing::Known
            } else {
                Standing::Changed
            };
        }
        // equal snapshots and equal changes are news in themselves
        let mut equal = self.equal(hash).filter(|_| load == Load::Append);
        match equal.find(|path| !is_apart(path)) {
            Some(path) => Standing::Duplicate {
                of: path.to_string(),
            },
            None => Standing::New,
        }
    }

    /// Loaded exports of a content; without a record none is a copy of another.
    pub(crate) fn equal(&self, hash: &str) -> impl Iterator<Item = &str> {
        let entries = self.entries.values().filter(move |entry| {
            let is_loaded = entry.status == FileStatus::Loaded && entry.counts.records > 0;
            is_loaded && entry.hash == hash
        });
        entries.map(|entry| entry.path.as_str())
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;

    fn entry(path: &str, hash: &str, release: u64) -> LedgerEntry {
        let day = NaiveDate::from_ymd_opt(2026, 3, 1).unwrap();
        LedgerEntry {
            source: "bronze.things".parse().unwrap(),
            path: path.into(),
            hash: hash.into(),
            size: 7,
            modified_at: DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap(),
            ordered_at: (path != "undated").then(|| day.into()),
            status: FileStatus::Loaded,
            duplicate_of: None,
            counts: FileCounts {
                records: 3,
                inserted: 2,
                rejected: 1,
                ..FileCounts::default()
            },
            release: ReleaseNumber(release),
            run_id: RunId("20260301T020612-9f3ac1".into()),
            as_of: DateTime::from_timestamp_micros(0).unwrap(),
            decision: 0,
            taken_back: 0,
            tag: None,
            unread: None,
        }
    }

    fn ledger(entries: &[LedgerEntry]) -> Ledger {
        let mut ledger = Ledger::default();
        for entry in entries {
            ledger.insert(entry.clone());
        }
        ledger
    }

    #[test]
    fn entries_survive_the_table() {
        let mut copy = entry("b", "h", 2);
        copy.status = FileStatus::Duplicate;
        copy.duplicate_of = Some("a".into());
        copy.tag = Some("changed 2026-03-01T00:00:00.000000001Z".into());
        let out = entry("c", "i", 2).retract(ReleaseNumber(3), &RunId("later".into()), 7);
        let mut unread = entry("d", "j", 2);
        unread.status = FileStatus::Unreadable;
        unread.unread = Some(Unread {
            reason: "it ends early".into(),
            byte: Some(7),
        });
        let entries = vec![entry("undated", "h", 1), copy, out, unread];
        let batch = ledger_batch(&entries).unwrap();
        assert_eq!(ledger_entries(&batch).unwrap(), entries);
    }

    #[test]
    fn a_ledger_of_before_retractions_reads_as_one_without() {
        let batch = ledger_batch(&[entry("a", "h", 1)]).unwrap();
        let earlier: Vec<usize> = (0..COLUMNS.len())
            .filter(|at| !LATER_COLUMNS.contains(&COLUMNS[*at]))
            .collect();
        let batch = batch.project(&earlier).unwrap();
        assert_eq!(ledger_entries(&batch).unwrap(), [entry("a", "h", 1)]);
    }

    #[test]
    fn a_retracted_export_keeps_its_sum_and_brings_no_row() {
        let out = entry("a", "h", 1).retract(ReleaseNumber(2), &RunId("later".into()), 3);
        assert!(out.counts.adds_up());
        assert_eq!((out.counts.retracted, out.counts.rejected), (2, 1));
        assert_eq!(out.counts.inserted, 0);
        let ledger = ledger(&[out]).without(&BTreeSet::new());
        let standing = |load, path, hash| ledger.standing(load, path, hash, |_| false);
        assert_eq!(standing(Load::Append, "a", "h"), Standing::New);
        assert_eq!(standing(Load::Append, "b", "h"), Standing::New);
    }

    #[test]
    fn a_rollback_forgets_no_export_and_says_what_only_the_file_can_bring_back() {
        let later = entry("b", "i", 2);
        let waits = later.roll_back(None);
        assert_eq!(
            (waits.status, waits.taken_back, waits.counts.inserted),
            (FileStatus::RolledBack, 3, 0)
        );
        assert!(waits.counts.adds_up());
        // once more, and it still waits
        assert_eq!(waits.roll_back(None), waits);
        // forward again: nothing waits any more
        assert_eq!(waits.roll_back(Some(&later)), later);
        let (old, new) = (entry("a", "h", 1), entry("a", "i", 2));
        let back = new.roll_back(Some(&old));
        assert_eq!((back.hash.as_str(), back.taken_back), ("h", 3));
        assert_eq!(back.roll_back(Some(&old)), back);
        assert_eq!(back.roll_back(Some(&new)), new);
        assert_eq!(old.roll_back(Some(&old)), old);
        let mut copy = entry("c", "h", 2);
        copy.status = FileStatus::Duplicate;
        copy.counts = FileCounts {
            records: 3,
            duplicate: 3,
            ..FileCounts::default()
        };
        assert_eq!(copy.roll_back(None).taken_back, 0);
        let out = entry("d", "j", 1).retract(ReleaseNumber(2), &RunId("later".into()), 3);
        assert_eq!(out.roll_back(None), out);
    }

    #[test]
    fn a_row_that_is_no_entry_is_corrupt() {
        let batch = ledger_batch(&[entry("a", "h", 1)]).unwrap();
        let short = batch.project(&[0, 1, 2]).unwrap();
        let error = ledger_entries(&short).unwrap_err();
        assert_eq!(error.kind(), crate::error::ErrorKind::Corrupt);
    }

    #[test]
    fn content_decides_what_an_export_is() {
        let mut empty = entry("empty", "nothing", 1);
        empty.status = FileStatus::Empty;
        empty.counts = FileCounts::default();
        let ledger = ledger(&[entry("a", "h", 1), empty]);
        let standing = |load, path, hash| ledger.standing(load, path, hash, |_| false);
        assert_eq!(standing(Load::Append, "a", "h"), Standing::Known);
        assert_eq!(standing(Load::Append, "a", "i"), Standing::Changed);
        assert_eq!(
            standing(Load::Append, "a_2", "h"),
            Standing::Duplicate { of: "a".into() }
        );
        let apart = ledger.standing(Load::Append, "a_2", "h", |of| of == "a");
        assert_eq!(apart, Standing::New, "its path gives it other values");
        assert_eq!(standing(Load::Replace, "a_2", "h"), Standing::New);
        assert_eq!(standing(Load::Append, "b", "nothing"), Standing::New);
    }
}
