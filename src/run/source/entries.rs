//! What the ledger will say of a source's exports: loaded, doubled, leaving, passed by.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::execute::Execution;
use crate::error::{Error, Result};
use crate::ingest::{
    DecodedExport, FileCounts, FileStatus, Ledger, LedgerEntry, LoadReport, Standing,
};
use crate::plan::ObservedExport;
use crate::project::{Load, Source};

/// Exports by what their content is beside that of others.
#[derive(Default)]
pub(super) struct Told {
    pub(super) unique: Vec<Arc<DecodedExport>>,
    pub(super) duplicates: Vec<LedgerEntry>,
    /// Of those that count although another has their content, that one.
    pub(super) equal: BTreeMap<String, String>,
}

impl Execution {
    /// Entries of exports that are not read, since a later one says it all: whoever asked for them to be read has the answer.
    pub(super) fn not_asked_again(
        &self,
        source: &Source,
        passed_by: &BTreeSet<String>,
    ) -> Vec<LedgerEntry> {
        let decisions = &self.observation.decisions;
        let ledger = self.observation.ledger.get(&source.table);
        let entries = passed_by.iter().filter_map(|path| ledger?.entry(path));
        let asked = entries.filter_map(|entry| {
            let decision = decisions.reload(&source.table, &entry.path);
            (entry.decision < decision).then(|| LedgerEntry {
                decision,
                ..entry.clone()
            })
        });
        asked.collect()
    }

    /// Exports whose rows and rejects of before do not stay: those that leave, and of those read now what the ledger knows.
    pub(super) fn replaced(
        &self,
        source: &Source,
        exports: &[ObservedExport],
        leaving: &[String],
    ) -> BTreeSet<String> {
        let ledger = self.observation.ledger.get(&source.table);
        let known = |path: &&String| ledger.is_some_and(|ledger| ledger.entry(path).is_some());
        let read = exports.iter().map(|export| &export.path);
        read.filter(known).chain(leaving).cloned().collect()
    }

    /// Those of some exports that the table is made of, and the rows that each has in it (`append`).
    pub(super) fn in_table(
        &self,
        source: &Source,
        paths: &BTreeSet<String>,
    ) -> BTreeMap<String, u64> {
        let ledger = self.observation.ledger.get(&source.table);
        let entries = paths.iter().filter_map(|path| ledger?.entry(path));
        entries
            .filter(|entry| entry.counts_in_table() && entry.counts.inserted > 0)
            .map(|entry| (entry.path.clone(), entry.counts.inserted))
            .collect()
    }

    /// The ledger's entries of exports whose rows leave the table.
    ///
    /// # Errors
    /// `Internal` where one leaves that nobody decided about, or that was never loaded.
    pub(super) fn retracted(
        &self,
        source: &Source,
        leaving: &[String],
    ) -> Result<Vec<LedgerEntry>> {
        let decisions = &self.observation.decisions;
        let ledger = self.observation.ledger.get(&source.table);
        let entries = leaving.iter().map(|path| {
            let exclusion = decisions.exclusion(&source.table, path);
            let entry = ledger.and_then(|ledger| ledger.entry(path));
            match (exclusion, entry) {
                (Some(exclusion), Some(entry)) => {
                    Ok(entry.retract(self.next_release(), &self.run, exclusion.decision))
                }
                _ => Err(Error::internal(
                    "an export leaves that was not loaded, or not by decision",
                )
                .at(path.as_str())),
            }
        });
        entries.collect()
    }

    /// Takes out exports of an `append` source whose equal, non-empty content counts already under another name.
    pub(super) fn without_duplicates(
        &self,
        source: &Source,
        decoded: Vec<Arc<DecodedExport>>,
        reload: bool,
        replaced: &BTreeSet<String>,
    ) -> Result<Told> {
        let known = self
            .observation
            .ledger
            .get(&source.table)
            .filter(|_| !reload);
        let mut ledger = known.map_or_else(Ledger::default, |ledger| ledger.without(replaced));
        let mut told = Told::default();
        for export in decoded {
            let report = &export.report;
            let takes = |column: &str| report.taken_from_path.contains(column);
            let is_apart = |other: &str| source.are_apart(&report.path, other, takes);
            match ledger.standing(source.load, &report.path, &report.hash, is_apart) {
                Standing::Duplicate { of } => {
                    let counts = FileCounts {
                        records: report.records,
                        duplicate: report.records,
                        ..FileCounts::default()
                    };
                    let entry = self.entry_of(source, &export, counts)?;
                    told.duplicates.push(LedgerEntry {
                        status: FileStatus::Duplicate,
                        duplicate_of: Some(of),
                        ..entry
                    });
                }
                Standing::New | Standing::Known | Standing::Changed => {
                    let mut equal = ledger.equal(&report.hash);
                    let other = equal.find(|path| *path != report.path);
                    let other = other.filter(|_| source.load == Load::Append);
                    if let Some(other) = other.map(str::to_string) {
                        told.equal.insert(report.path.clone(), other);
                    }
                    drop(equal);
                    let counts = FileCounts {
                        records: report.records,
                        ..FileCounts::default()
                    };
                    ledger.insert(self.entry_of(source, &export, counts)?);
                    told.unique.push(export);
                }
            }
        }
        Ok(told)
    }

    pub(super) fn entries(
        &self,
        source: &Source,
        unique: &[Arc<DecodedExport>],
        duplicates: Vec<LedgerEntry>,
        report: &LoadReport,
    ) -> Result<Vec<LedgerEntry>> {
        let loaded = unique.iter().map(|export| {
            let path = &export.report.path;
            let counts = report.files.get(path).copied().ok_or_else(|| {
                Error::internal("an export was loaded and not counted").at(path.as_str())
            })?;
            self.entry_of(source, export, counts)
        });
        let mut entries = loaded.collect::<Result<Vec<_>>>()?;
        entries.extend(duplicates);
        entries.sort_by(|a, b| (a.ordered_at, &a.path).cmp(&(b.ordered_at, &b.path)));
        Ok(entries)
    }

    pub(super) fn entry_of(
        &self,
        source: &Source,
        export: &DecodedExport,
        counts: FileCounts,
    ) -> Result<LedgerEntry> {
        let decoded = &export.report;
        let found = self.observation.found.get(&source.table);
        let found = found
            .and_then(|found| found.get(&decoded.path))
            .ok_or_else(|| {
                Error::internal("an export was read that was not found").at(decoded.path.as_str())
            })?;
        Ok(LedgerEntry {
            source: source.table.clone(),
            path: decoded.path.clone(),
            hash: decoded.hash.clone(),
            size: decoded.size,
            modified_at: decoded.modified_at,
            tag: self
                .observation
                .remembered(&source.table, &decoded.path)
                .and_then(|remembered| remembered.tag),
            ordered_at: found.captures.ordered_at,
            status: match decoded.records {
                0 => FileStatus::Empty,
                _ => FileStatus::Loaded,
            },
            duplicate_of: None,
            counts,
            release: self.next_release(),
            run_id: self.run.clone(),
            as_of: self.request.as_of,
            decision: self
                .observation
                .decisions
                .reload(&source.table, &decoded.path),
            taken_back: 0,
            unread: None,
        })
    }
}
