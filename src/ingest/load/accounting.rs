//! What became of every record: the sums that must add up.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Turn;
use crate::error::{Error, Result};

/// One export's records by fate: `records` is the sum of all others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileCounts {
    pub(crate) records: u64,
    /// Keys (or rows, where there is no key) that the table did not have.
    pub(crate) inserted: u64,
    /// Keys whose content changed.
    pub(crate) updated: u64,
    /// Content that the table had already.
    pub(crate) unchanged: u64,
    /// A later record of the same key, in this export or a newer one, took its place.
    pub(crate) superseded: u64,
    /// The same bytes came under another name (`append`); said by the caller, who knows the ledger.
    pub(crate) duplicate: u64,
    /// Accepted once, and taken out again since somebody retracted the export; said by [`FileCounts::retract`].
    pub(crate) retracted: u64,
    pub(crate) rejected: u64,
}

impl FileCounts {
    /// The same records, none of them in the table any more.
    pub(crate) fn retract(self) -> Self {
        Self {
            records: self.records,
            retracted: self.records - self.rejected,
            rejected: self.rejected,
            ..Self::default()
        }
    }

    /// Whether no record disappeared.
    pub(crate) fn adds_up(&self) -> bool {
        self.records
            == self.inserted
                + self.updated
                + self.unchanged
                + self.superseded
                + self.duplicate
                + self.retracted
                + self.rejected
    }
}

/// What a load did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LoadReport {
    /// By path of the export.
    pub(crate) files: BTreeMap<String, FileCounts>,
    /// Published rows that are gone: `replace` no longer has them.
    pub(crate) removed: u64,
    /// Rows kept in their last good state because their record was rejected.
    pub(crate) kept: u64,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Inserted,
    Updated,
    Unchanged,
    Superseded,
}

/// Counts of one partition of a fold.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    /// By turn.
    fates: BTreeMap<i64, FileCounts>,
    pub(super) removed: u64,
    pub(super) kept: u64,
    /// Published rows that were read.
    pub(super) present: u64,
    /// Rows that ended, published ones and such as came with an export of this load.
    pub(super) ended: u64,
}

impl Counts {
    pub(super) fn add(&mut self, turn: i64, fate: Fate) {
        let counts = self.fates.entry(turn).or_default();
        match fate {
            Fate::Inserted => counts.inserted += 1,
            Fate::Updated => counts.updated += 1,
            Fate::Unchanged => counts.unchanged += 1,
            Fate::Superseded => counts.superseded += 1,
        }
    }
}

/// Counts of one execution, by partition.
#[derive(Debug, Default)]
pub(super) struct Tally {
    partitions: Mutex<(usize, BTreeMap<usize, Counts>)>,
}

impl Tally {
    /// Notes a partition's counts; a partition that is read again replaces them.
    pub(super) fn note(&self, partition: usize, of: usize, counts: Counts) {
        let mut partitions = self
            .partitions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        partitions.0 = of;
        partitions.1.insert(partition, counts);
    }
}

/// The books of a load, closed when its rows have been read.
#[derive(Clone, Debug)]
pub(crate) struct Accounting {
    /// What is known without reading: records, rejects, exports that come too late.
    known: BTreeMap<String, FileCounts>,
    /// Path by turn, of the exports that are folded.
    paths: BTreeMap<i64, String>,
    rows: RowsAfter,
}

/// How the rows of the table follow from the books.
#[derive(Clone, Debug)]
enum RowsAfter {
    /// Only those inserted are written, beside the published ones.
    Added,
    /// All but those that leave are written again, so many, and those inserted.
    Rewritten { leaving: u64 },
    /// As the newest execution of the fold counted.
    Folded(Arc<Mutex<Arc<Tally>>>),
}

impl Accounting {
    /// Books of rows that are added beside the published ones.
    pub(super) fn added(known: BTreeMap<String, FileCounts>) -> Self {
        Self::closed(known, RowsAfter::Added)
    }

    /// Books of a table that is written again without so many of its rows, and with those added.
    pub(super) fn rewritten(known: BTreeMap<String, FileCounts>, leaving: u64) -> Self {
        Self::closed(known, RowsAfter::Rewritten { leaving })
    }

    fn closed(known: BTreeMap<String, FileCounts>, rows: RowsAfter) -> Self {
        Self {
            known,
            paths: BTreeMap::new(),
            rows,
        }
    }

    /// Books that wait for the fold; `paths`: the exports that it counts, by turn.
    pub(super) fn open(
        known: BTreeMap<String, FileCounts>,
        paths: BTreeMap<i64, String>,
        tally: Arc<Mutex<Arc<Tally>>>,
    ) -> Self {
        Self {
            known,
            paths,
            rows: RowsAfter::Folded(tally),
        }
    }

    /// Closes the books: `present` rows were published, `written` ones have been written.
    ///
    /// # Errors
    /// `Internal` where the rows have not been read to their end, or a record or a row disappeared, or came from nowhere.
    pub(crate) fn finish(&self, present: u64, written: u64) -> Result<LoadReport> {
        let mut report = LoadReport {
            files: self.known.clone(),
            ..LoadReport::default()
        };
        let mut ended = 0;
        if let RowsAfter::Folded(tally) = &self.rows {
            let tally = Arc::clone(&tally.lock().unwrap_or_else(PoisonError::into_inner));
            let partitions = tally
                .partitions
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if partitions.0 == 0 || partitions.1.len() != partitions.0 {
                return Err(Error::internal(
                    "a load was accounted for before it was read",
                ));
            }
            let mut read = 0;
            for counts in partitions.1.values() {
                self.add(&mut report, counts)?;
                read += counts.present;
                ended += counts.ended;
            }
            if read != present {
                return Err(Error::internal(format!(
                    "a load read {read} published rows of {present}"
                )));
            }
        }
        for (path, counts) in &report.files {
            if !counts.adds_up() {
                return Err(Error::internal(format!(
                    "the records of an export do not add up: {counts:?}"
                ))
                .at(path));
            }
        }
        let inserted: u64 = report.files.values().map(|counts| counts.inserted).sum();
        let expected = match &self.rows {
            RowsAfter::Added => Some(inserted),
            RowsAfter::Rewritten { leaving } => (present + inserted).checked_sub(*leaving),
            RowsAfter::Folded(_) => (present + inserted).checked_sub(ended),
        };
        match expected {
            Some(expected) if expected == written => Ok(report),
            _ => Err(Error::internal(format!(
                "a load wrote {written} rows, but {present} published and {inserted} new ones make {}",
                expected.map_or_else(|| "fewer than none".to_string(), |rows| rows.to_string()),
            ))),
        }
    }

    fn add(&self, report: &mut LoadReport, counts: &Counts) -> Result<()> {
        report.removed += counts.removed;
        report.kept += counts.kept;
        for (turn, fates) in &counts.fates {
            let file = self
                .paths
                .get(turn)
                .and_then(|path| report.files.get_mut(path))
                .ok_or_else(|| Error::internal("a load counts records of no export"))?;
            file.inserted += fates.inserted;
            file.updated += fates.updated;
            file.unchanged += fates.unchanged;
            file.superseded += fates.superseded;
        }
        Ok(())
    }
}

/// Records and rejects of some turns.
pub(super) fn opening_counts(turns: &[Turn]) -> BTreeMap<String, FileCounts> {
    let of = |turn: &Turn| {
        let report = &turn.export.report;
        let counts = FileCounts {
            records: report.records,
            rejected: report.rejected,
            ..FileCounts::default()
        };
        (report.path.clone(), counts)
    };
    turns.iter().map(of).collect()
}
