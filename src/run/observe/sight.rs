//! The state of a source's exports: what lies there, against what the ledger says and people decided.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::found::{FoundExport, address};
use crate::error::Result;
use crate::ingest::{ExportStore, FileStatus, Ledger, LedgerEntry};
use crate::lake;
use crate::plan::{ExportState, LostRecords, ObservedExport, Unready, unready};
use crate::project::{Contract, Read, Source, in_archive};
use crate::run::decision::Decisions;
use crate::run::delta;
use crate::store::ObjectInfo;

/// How a file is told from other content under its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::run) struct Remembered {
    pub(in crate::run) modified_at: DateTime<Utc>,
    pub(in crate::run) tag: Option<String>,
}

/// Longer than a tick of any disk's clock.
const CLOCK_TICK: TimeDelta = TimeDelta::seconds(2);

/// All that is known of one source's exports.
pub(super) struct Sight<'a> {
    pub(super) source: &'a Source,
    pub(super) contract: Option<&'a Contract>,
    pub(super) raw: Option<&'a ExportStore>,
    pub(super) found: &'a BTreeMap<String, FoundExport>,
    pub(super) known: &'a Ledger,
    pub(super) decisions: &'a Decisions,
    pub(super) markers: &'a BTreeMap<String, ObjectInfo>,
    pub(super) now: DateTime<Utc>,
    pub(super) verifies: bool,
}

impl Sight<'_> {
    /// In the order in which they are read: by captured time, then path.
    pub(super) async fn exports(&self) -> Result<Vec<ObservedExport>> {
        let mut exports = Vec::new();
        for (path, export) in self.found {
            let entry = self.known.entry(path);
            let unready = self.unready(path, export, entry);
            let state = match &unready {
                // half a file need not be read to see whether it is the same
                Some(_) if entry.is_some_and(LedgerEntry::counts_in_table) => ExportState::Changed,
                _ => self.state(path, export, entry).await?,
            };
            exports.push(ObservedExport {
                size: export.object.size,
                modified_at: export.object.modified_at,
                ordered_at: export.captures.ordered_at,
                unready,
                // not where the content that was loaded is back
                is_spoilt: entry.is_some_and(|entry| {
                    entry.counts_in_table()
                        && entry.unread.is_some()
                        && looks_the_same(entry, &export.object)
                }),
                ..self.observed(path, state).await?
            });
        }
        for entry in self.known.entries() {
            if self.found.contains_key(&entry.path) || self.was_mended(entry) {
                continue;
            }
            let state = match entry.counts_in_table() && !self.is_ahead(entry) {
                true => ExportState::Gone,
                false => ExportState::Out,
            };
            exports.push(ObservedExport {
                size: entry.size,
                modified_at: entry.modified_at,
                ordered_at: entry.ordered_at,
                ..self.observed(&entry.path, state).await?
            });
        }
        exports.sort_by(|a, b| (a.ordered_at, &a.path).cmp(&(b.ordered_at, &b.path)));
        Ok(exports)
    }

    /// Whether it is an archive that could not be read, of which files are exports now.
    fn was_mended(&self, entry: &LedgerEntry) -> bool {
        let is_in = |path: &String| in_archive(path).is_some_and(|(of, _)| of == entry.path);
        entry.status == FileStatus::Unreadable && self.found.keys().any(is_in)
    }

    /// Whether it is a version of a Delta table that is newer than the one which `read` asks for.
    fn is_ahead(&self, entry: &LedgerEntry) -> bool {
        match &self.source.read {
            Read::Delta(read) => delta::is_ahead(entry, read.at, self.found.values()),
            _ => false,
        }
    }

    /// What an export waits for; `None` also for one that was read as it lies there.
    fn unready(
        &self,
        path: &str,
        export: &FoundExport,
        entry: Option<&LedgerEntry>,
    ) -> Option<Unready> {
        let ready = &self.source.ready;
        let entry =
            entry.filter(|entry| entry.counts_in_table() || entry.status == FileStatus::Unreadable);
        let is_readable = export.unreadable.is_none();
        if !is_readable
            || self.is_excluded(path)
            || entry.is_some_and(|e| looks_the_same(e, &export.object))
        {
            return None;
        }
        let marker = ready.marker.as_ref().map(|marker| marker.beside(path));
        let marker_at = marker.and_then(|marker| Some(self.markers.get(&marker)?.modified_at));
        unready(ready, path, export.object.modified_at, marker_at, self.now)
    }

    async fn state(
        &self,
        path: &str,
        export: &FoundExport,
        entry: Option<&LedgerEntry>,
    ) -> Result<ExportState> {
        let is_excluded = self.is_excluded(path);
        // a file that was loaded and cannot be read now has other content, as far as anybody knows
        let is_readable = export.unreadable.is_none();
        let Some(counting) = entry.filter(|entry| entry.counts_in_table()) else {
            return Ok(match (is_excluded, entry) {
                (true, _) => ExportState::Out,
                (false, Some(entry)) if self.is_tried(entry, export).await? => {
                    ExportState::Unreadable
                }
                (false, _) => ExportState::New,
            });
        };
        let entry = counting;
        // what does not count need not be read to see whether it was touched, or replaced
        if is_excluded || (!self.verifies && is_same_file(entry, &export.object)) {
            return Ok(ExportState::Known);
        }
        match self.raw {
            Some(raw) if is_readable && hash(raw, &export.object).await? == entry.hash => {
                Ok(ExportState::Known)
            }
            _ => Ok(ExportState::Changed),
        }
    }

    /// Whether a file is the one that could not be read. Who wants all exports looked at wants it tried again.
    async fn is_tried(&self, entry: &LedgerEntry, export: &FoundExport) -> Result<bool> {
        if entry.status != FileStatus::Unreadable || self.verifies || export.unreadable.is_some() {
            return Ok(false);
        }
        if is_same_file(entry, &export.object) {
            return Ok(true);
        }
        match self.raw {
            Some(raw) if export.object.size == entry.size => {
                Ok(hash(raw, &export.object).await? == entry.hash)
            }
            _ => Ok(false),
        }
    }

    /// What is decided about an export, and what the ledger says of it.
    async fn observed(&self, path: &str, state: ExportState) -> Result<ObservedExport> {
        let known = self.known.entry(path);
        let entry = known.filter(|e| e.counts_in_table());
        let reload = self.decisions.reload(&self.source.table, path);
        let can_be_reloaded = known.filter(|e| e.counts_in_table() || e.unread.is_some());
        Ok(ObservedExport {
            path: path.to_string(),
            state,
            is_excluded: self.is_excluded(path),
            is_reloaded: can_be_reloaded.is_some_and(|entry| entry.decision < reload),
            is_replayed: entry.is_some_and(|entry| {
                entry.decision < self.decisions.replay(&self.source.table, path)
            }),
            duplicate_of: entry.and_then(|entry| entry.duplicate_of.clone()),
            lost: self.lost(path).await?,
            ..ObservedExport::default()
        })
    }

    /// What only this file could bring again, where it is gone, nobody goes on without it, and its content is in no other.
    async fn lost(&self, path: &str) -> Result<Option<LostRecords>> {
        let Some(entry) = self.known.entry(path) else {
            return Ok(None);
        };
        if entry.taken_back == 0 || self.found.contains_key(path) || self.is_excluded(path) {
            return Ok(None);
        }
        // nobody asks for it
        if self.is_ahead(entry) {
            return Ok(None);
        }
        let waits = matches!(
            entry.status,
            FileStatus::RolledBack | FileStatus::Unreadable
        );
        let is_apart = |other: &str| {
            let takes = |column: &str| self.contract.is_some_and(|c| c.column(column).is_some());
            self.source.are_apart(path, other, takes)
        };
        let mut loaded = self.known.entries();
        let mut is_loaded = || {
            loaded.any(|other| {
                other.counts_in_table() && other.hash == entry.hash && !is_apart(&other.path)
            })
        };
        if waits && is_loaded() {
            return Ok(None);
        }
        // a copy, or the file itself under another name
        let others = self.found.iter().filter(|(path, other)| {
            waits
                && other.object.size == entry.size
                && other.unreadable.is_none()
                && !is_apart(path)
                && !self.is_excluded(path)
        });
        for (_, other) in others {
            if let Some(raw) = self.raw
                && hash(raw, &other.object).await? == entry.hash
            {
                return Ok(None);
            }
        }
        let table = &self.source.table;
        Ok(Some(LostRecords {
            were_adopted: lake::is_log_entry(&table.location(), path)
                && !matches!(self.source.read, Read::Delta(_)),
            records: entry.taken_back,
            release: waits.then_some(entry.release),
        }))
    }

    fn is_excluded(&self, path: &str) -> bool {
        let exclusion = self.decisions.exclusion(&self.source.table, path);
        exclusion.is_some()
    }
}

/// Whether a file that was listed is surely the one that was read, without reading it again.
fn is_same_file(entry: &LedgerEntry, object: &ObjectInfo) -> bool {
    looks_the_same(entry, object) && entry.tag.as_deref() != Some("")
}

/// Whether nothing speaks for it that a file was written to since it was read.
pub(in crate::run) fn looks_the_same(entry: &LedgerEntry, object: &ObjectInfo) -> bool {
    // tables hold microseconds
    let micros = |time: DateTime<Utc>| time.timestamp_micros();
    let is_same_tag = match (entry.tag.as_deref(), &object.tag) {
        // a ledger or a disk that knows none, or one that is worth nothing
        (None | Some(""), _) | (_, None) => true,
        (Some(then), Some(now)) => then == now,
    };
    entry.size == object.size
        && micros(entry.modified_at) == micros(object.modified_at)
        && is_same_tag
}

/// The tag to remember of a file that was looked at. Clocks of disks tick coarsely: a file that was changed just before may be
/// changed once more within the same tick, so that its tag is worth nothing.
pub(super) fn lasting_tag(object: &ObjectInfo, looked_at: DateTime<Utc>) -> Option<String> {
    let is_lasting = object.changed_at < looked_at - CLOCK_TICK;
    let tag = object.tag.as_ref()?;
    Some(match is_lasting {
        true => tag.clone(),
        false => String::new(),
    })
}

async fn hash(raw: &ExportStore, object: &ObjectInfo) -> Result<String> {
    let location = address(&object.path)?;
    raw.hash(&object.path, &location, object.size).await
}
