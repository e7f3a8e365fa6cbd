//! What came in: every export that the ledger knows or that lies in `raw`, and what becomes of it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::Serialize;

use super::decision::Exclusion;
use super::kept_report::KeptReport;
use super::observe::{self, Observation};
use super::report::{RefusedExport, TableOutcome};
use super::{Runner, receipt};
use crate::catalog::Catalog;
use crate::error::Result;
use crate::ingest::{FileStatus, Ledger, LedgerEntry};
use crate::name::{ReleaseNumber, TableName};
use crate::plan::{ExportState, ObservedExport, overdue};
use crate::project::{Load, Source};
use crate::store::ObjectInfo;

/// Reports of runs that are asked why an export was refused.
const RUNS_ASKED: usize = 30;

/// The exports of some sources, and what lies in `raw` beside them.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Exports {
    pub(crate) sources: Vec<SourceExports>,
    /// Files below `raw` that no source of the project matches.
    pub(crate) unmatched: Vec<UnmatchedFile>,
    /// What lies there, cannot be read, and concerns no source.
    pub(crate) unreadable: Vec<UnreadableFile>,
}

/// The exports of one source, in the order in which they are read.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SourceExports {
    pub(crate) table: TableName,
    pub(crate) exports: Vec<ListedExport>,
    /// What was due and has not come, or for how long nothing has.
    pub(crate) overdue: Option<String>,
}

/// A file that no source matches.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct UnmatchedFile {
    pub(crate) path: String,
    pub(crate) bytes: u64,
    pub(crate) modified_at: DateTime<Utc>,
}

/// What cannot be read, and no source needs.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct UnreadableFile {
    pub(crate) path: String,
    pub(crate) reason: String,
}

/// One export.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ListedExport {
    pub(crate) path: String,
    pub(crate) status: ExportStatus,
    /// What more there is to say of its status.
    pub(crate) note: Option<String>,
    pub(crate) bytes: u64,
    /// Of what was loaded; none of it is known before.
    pub(crate) records: Option<u64>,
    pub(crate) accepted: Option<u64>,
    pub(crate) rejected: Option<u64>,
    /// The release that loaded it, or took its rows out.
    pub(crate) release: Option<ReleaseNumber>,
    /// When the run of that release began.
    pub(crate) loaded_at: Option<DateTime<Utc>>,
    /// When the file was last written.
    pub(crate) modified_at: DateTime<Utc>,
    /// The time that its path says.
    pub(crate) ordered_at: Option<NaiveDateTime>,
    /// Why it does not count.
    pub(crate) decision: Option<Exclusion>,
}

/// What an export is to its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ExportStatus {
    /// The next build reads it.
    New,
    /// The same, and a later one is loaded already.
    Late,
    /// It was loaded, and has other content now: the next build reads it.
    Changed,
    /// The next build must not read it yet.
    Waiting,
    /// A rollback took its rows back, and the file is gone.
    Missing,
    /// The last build that tried it could not load the source for it.
    Refused,
    /// What lies there cannot be read, and was left out alone.
    Unreadable,
    Loaded,
    /// No file: rows that another tool wrote, taken over.
    Adopted,
    /// Its content counts under another name.
    Duplicate,
    /// It is not read: somebody decided so.
    Skipped,
    /// It was loaded, and its rows were taken out: somebody decided so.
    Retracted,
}

impl ExportStatus {
    /// As people read it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Late => "late",
            Self::Changed => "changed",
            Self::Waiting => "waiting",
            Self::Missing => "missing",
            Self::Refused => "refused",
            Self::Unreadable => "unreadable",
            Self::Loaded => "loaded",
            Self::Adopted => "adopted",
            Self::Duplicate => "duplicate",
            Self::Skipped => "skipped",
            Self::Retracted => "retracted",
        }
    }
}

impl Runner {
    /// What came in, of one source or of all. Writes nothing.
    ///
    /// # Errors
    /// What storage gives.
    pub(crate) async fn exports(&self, of: Option<&TableName>) -> Result<Exports> {
        let now = self.clock.now();
        let (observation, refused) = match self.readable_if_exists(now)? {
            Some(catalog) => {
                let observation = observe::observe(self, &catalog, now).await?;
                let refused = self.refused(&catalog, &observation).await?;
                (observation, refused)
            }
            None => (
                observe::observe_without_lake(self, now).await?,
                BTreeMap::new(),
            ),
        };
        let sources = self.project.sources.values();
        let sources = sources
            .filter(|source| of.is_none_or(|of| *of == source.table))
            .map(|source| SourceExports {
                table: source.table.clone(),
                exports: SourceList::new(source, &observation, &refused).exports(),
                overdue: overdue(&self.project, source, &observation.observed)
                    .map(|overdue| overdue.to_string()),
            })
            .collect();
        let (unmatched, unreadable) = match of {
            Some(_) => (Vec::new(), Vec::new()),
            None => self.unmatched(&observation).await?,
        };
        Ok(Exports {
            sources,
            unmatched,
            unreadable,
        })
    }

    /// What lies in `raw` and no source takes.
    async fn unmatched(
        &self,
        observation: &Observation,
    ) -> Result<(Vec<UnmatchedFile>, Vec<UnreadableFile>)> {
        let Some(raw) = &observation.raw else {
            return Ok((Vec::new(), Vec::new()));
        };
        let sources = || self.project.sources.values();
        let is_matched = |path: &str| sources().any(|source| observe::is_of_source(source, path));
        // the lock file that Excel lays beside an open workbook
        let is_lock = |path: &str| path.rsplit('/').next().is_some_and(|n| n.starts_with("~$"));
        let found = raw.store.survey("").await?;
        let is_export = |path: &str| {
            let mut exports = observation.found.values();
            exports.any(|exports| exports.contains_key(path))
        };
        let unreadable = found.unreadable.into_iter();
        let unreadable = unreadable.filter(|one| !is_export(&one.path));
        let unreadable = unreadable.map(|one| UnreadableFile {
            reason: one.error().to_string(),
            path: one.path,
        });
        let unreadable = unreadable.collect();
        let archives = observation.archives.iter();
        let files = found.files.into_iter().flat_map(|file| {
            let within = archives.clone().find(|(path, _)| **path == file.path);
            let within = within.into_iter().flat_map(|(_, files)| files);
            let within = within.map(|one| ObjectInfo {
                path: format!("{}!{}", file.path, one.name),
                size: one.size,
                ..file.clone()
            });
            let within: Vec<ObjectInfo> = within.collect();
            std::iter::once(file).chain(within)
        });
        let unmatched = files
            .filter(|file| !is_lock(&file.path) && !is_matched(&file.path))
            .filter(|file| !file.path.ends_with(receipt::SUFFIX))
            .filter(|file| !observation.markers.contains_key(&file.path))
            .map(|file| UnmatchedFile {
                path: file.path,
                bytes: file.size,
                modified_at: file.modified_at,
            })
            .collect();
        Ok((unmatched, unreadable))
    }

    /// Exports that the newest run which tried their source could not take.
    async fn refused(
        &self,
        catalog: &Catalog,
        observation: &Observation,
    ) -> Result<BTreeMap<TableName, Vec<RefusedExport>>> {
        let mut open: BTreeSet<&TableName> = BTreeSet::new();
        for (source, exports) in &observation.observed.exports {
            let waits =
                |e: &ObservedExport| matches!(e.state, ExportState::New | ExportState::Changed);
            let release = observation.release.as_ref();
            let is_held = release.is_some_and(|release| release.held.contains_key(source));
            if is_held || exports.iter().any(waits) {
                open.insert(source);
            }
        }
        let mut refused = BTreeMap::new();
        if open.is_empty() {
            return Ok(refused);
        }
        let runs = catalog.lake().run_reports().await?;
        for run in runs.iter().rev().take(RUNS_ASKED) {
            let Some(report) = KeptReport::of(run, catalog.lake()).await?.whole() else {
                continue;
            };
            // those left out alone are in no ledger, where nothing was published
            let left_out = |table: &TableName| {
                let unreadable = report.unreadable.iter();
                let unreadable = unreadable
                    .filter(|export| export.table == *table && export.run == report.run)
                    .map(RefusedExport::left_out);
                unreadable.collect::<Vec<_>>()
            };
            for mut source in report.sources {
                let was_tried = !matches!(
                    source.outcome,
                    TableOutcome::Unchanged | TableOutcome::Skipped(_)
                );
                if was_tried && open.remove(&source.table) {
                    source.refused.extend(left_out(&source.table));
                    refused.insert(source.table, source.refused);
                }
            }
            if open.is_empty() {
                break;
            }
        }
        Ok(refused)
    }
}

/// One source on its way to a list.
struct SourceList<'a> {
    source: &'a Source,
    observation: &'a Observation,
    refused: &'a [RefusedExport],
    ledger: Option<&'a Ledger>,
}

impl<'a> SourceList<'a> {
    fn new(
        source: &'a Source,
        observation: &'a Observation,
        refused: &'a BTreeMap<TableName, Vec<RefusedExport>>,
    ) -> Self {
        Self {
            source,
            observation,
            refused: refused.get(&source.table).map_or(&[], Vec::as_slice),
            ledger: observation.ledger.get(&source.table),
        }
    }

    fn exports(&self) -> Vec<ListedExport> {
        let observed = self.observed();
        observed.iter().map(|export| self.listed(export)).collect()
    }

    fn observed(&self) -> &'a [ObservedExport] {
        let exports = &self.observation.observed.exports;
        exports.get(&self.source.table).map_or(&[], Vec::as_slice)
    }

    fn listed(&self, export: &ObservedExport) -> ListedExport {
        let entry = self.ledger.and_then(|ledger| ledger.entry(&export.path));
        let decisions = &self.observation.decisions;
        let decision = decisions
            .exclusion(&self.source.table, &export.path)
            .cloned();
        let (status, note) = self.status(export, entry, decision.as_ref());
        // what waits to be read is not loaded
        let waits = export.state == ExportState::New;
        let entry = entry.filter(|entry| !(waits && entry.status == FileStatus::RolledBack));
        // of what cannot be read nobody knows how much it is
        let counted = entry.filter(|entry| entry.status != FileStatus::Unreadable);
        let counts = counted.map(|entry| entry.counts);
        ListedExport {
            path: export.path.clone(),
            status,
            note,
            bytes: export.size,
            records: counts.map(|counts| counts.records),
            accepted: counts.map(|counts| counts.records - counts.rejected),
            rejected: counts.map(|counts| counts.rejected),
            release: entry.map(|entry| entry.release),
            loaded_at: entry.and_then(|entry| entry.run_id.started_at()),
            modified_at: export.modified_at,
            ordered_at: export.ordered_at,
            decision,
        }
    }

    fn status(
        &self,
        export: &ObservedExport,
        entry: Option<&LedgerEntry>,
        decision: Option<&Exclusion>,
    ) -> (ExportStatus, Option<String>) {
        if let Some(lost) = export.lost {
            let what = match lost.were_adopted {
                true => "another tool had added them, and no export has them: ",
                false => "the file is gone: put it back, or ",
            };
            let note = format!(
                "a rollback took back {} of its records, and {what}`kilde exports {}`",
                lost.records,
                lost.verb()
            );
            return (ExportStatus::Missing, Some(note));
        }
        match export.state {
            ExportState::Out => {
                let status = match entry.map(|entry| entry.status) {
                    Some(FileStatus::RolledBack) if decision.is_none() => ExportStatus::Missing,
                    Some(FileStatus::Unreadable) if decision.is_none() => ExportStatus::Unreadable,
                    None | Some(FileStatus::RolledBack | FileStatus::Unreadable) => {
                        ExportStatus::Skipped
                    }
                    Some(_) => ExportStatus::Retracted,
                };
                let note = match decision {
                    Some(decision) => decision.to_string(),
                    None => "the file is gone".to_string(),
                };
                (status, Some(note))
            }
            ExportState::Unreadable if export.is_reloaded => (
                ExportStatus::New,
                Some("the next build tries it again".to_string()),
            ),
            ExportState::Unreadable => {
                let notes = unread(entry).into_iter().chain([NEXT.to_string()]);
                let notes: Vec<String> = notes.collect();
                (ExportStatus::Unreadable, Some(notes.join("; ")))
            }
            ExportState::Known if export.is_unreadable() && !export.is_reloaded => {
                let stay = entry.map(|entry| entry.release);
                let stay = stay.map(|release| format!("its rows of release {release} stay"));
                let notes = unread(entry).into_iter().chain(stay);
                let notes: Vec<String> = notes.chain([NEXT.to_string()]).collect();
                (ExportStatus::Unreadable, Some(notes.join("; ")))
            }
            ExportState::New | ExportState::Changed => self.unread(export),
            ExportState::Known | ExportState::Gone => {
                let status = match entry.map(|entry| entry.status) {
                    Some(FileStatus::Duplicate) => ExportStatus::Duplicate,
                    Some(FileStatus::Adopted) => ExportStatus::Adopted,
                    _ => ExportStatus::Loaded,
                };
                let mut notes = Vec::new();
                notes.extend(
                    entry
                        .and_then(|e| e.duplicate_of.as_ref())
                        .map(|of| format!("of {of}")),
                );
                notes.extend(
                    decision
                        .map(|decision| format!("{decision}; its rows leave with the next build")),
                );
                let refused = self
                    .refused(export)
                    .filter(|_| export.state == ExportState::Known);
                notes.extend(refused.map(|refused| {
                    format!("refused when it was to be read again: {}", refused.reason)
                }));
                if entry.is_some_and(|entry| entry.status == FileStatus::Empty) {
                    notes.push("no record".to_string());
                }
                if export.is_reloaded {
                    notes.push("the next build reads it again".to_string());
                }
                if export.state == ExportState::Gone && status != ExportStatus::Adopted {
                    notes.push("the file is gone".to_string());
                }
                (status, (!notes.is_empty()).then(|| notes.join("; ")))
            }
        }
    }

    /// How the newest run that tried the source refused this file.
    fn refused(&self, export: &ObservedExport) -> Option<&'a RefusedExport> {
        let micros = |time: DateTime<Utc>| time.timestamp_micros();
        self.refused.iter().find(|refused| {
            (&refused.path, refused.size, micros(refused.modified_at))
                == (&export.path, export.size, micros(export.modified_at))
        })
    }

    /// An export, or content of it, that no build has tried yet.
    fn unread(&self, export: &ObservedExport) -> (ExportStatus, Option<String>) {
        if let Some(pause) = &self.observation.pause {
            let note = format!("paused since release {}: kilde resume", pause.release);
            return (ExportStatus::Waiting, Some(note));
        }
        if let Some(unready) = &export.unready {
            return (ExportStatus::Waiting, Some(unready.to_string()));
        }
        if let Some(refused) = self.refused(export) {
            return (ExportStatus::Refused, Some(refused.reason.clone()));
        }
        if export.state == ExportState::Changed {
            let note = "other content than was loaded".to_string();
            return (ExportStatus::Changed, Some(note));
        }
        match self.later_than(export) {
            Some(later) => {
                let effect = match self.source.load {
                    Load::Append => "",
                    Load::Changes => "; newer records stay",
                    Load::Replace => "; it changes nothing",
                };
                let note = format!("{later} is loaded already{effect}");
                (ExportStatus::Late, Some(note))
            }
            None => (ExportStatus::New, None),
        }
    }

    /// The last export that is loaded, where it comes after this one in the source's order.
    fn later_than(&self, export: &ObservedExport) -> Option<&'a str> {
        let loaded = self.observed().iter().filter(|e| e.is_in_table());
        let last = loaded.clone().next_back()?;
        let is_later = match self.source.load {
            Load::Replace => (last.ordered_at, &last.path) > (export.ordered_at, &export.path),
            // several exports of one day are in no order that would matter
            Load::Append | Load::Changes => last.ordered_at > export.ordered_at,
        };
        is_later.then_some(last.path.as_str())
    }
}

/// What to do about an export that cannot be read.
const NEXT: &str = "deliver it again, or `kilde exports skip` it";

/// Why an export cannot be read, and where.
fn unread(entry: Option<&LedgerEntry>) -> Option<String> {
    Some(entry?.unread.as_ref()?.to_string())
}
