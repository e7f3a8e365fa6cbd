//! The world before a build: the newest release, its ledger, and what lies in `raw`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use futures::stream::{self, StreamExt, TryStreamExt};

use super::Runner;
use super::decision::Decisions;
use super::delta;
use super::report::UnreadableReport;
use crate::catalog::Catalog;
use crate::diagnostic::Code;
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::{ArchiveFile, ExportStore, FileStatus, Ledger, LedgerEntry};
use crate::lake;
use crate::name::TableName;
use crate::plan::{
    ExportState, Fingerprints, LostRecords, Observed, ObservedExport, ObservedHold,
    ObservedRelease, PublishedTable, Unready, unready,
};
use crate::project::{Captures, PathPattern, Project, Read, Source, in_archive};
use crate::release::{Pause, Release, TableEntry, TableKind};
use crate::store::{Listing, ObjectInfo, Store};

/// Everything observed, for the plan and for those who execute it.
#[derive(Clone, Debug)]
pub(super) struct Observation {
    /// The project, its contracts with the columns that exports brought.
    pub(super) project: Arc<Project>,
    pub(super) observed: Observed,
    pub(super) release: Option<Release>,
    pub(super) pause: Option<Pause>,
    /// The ledger by source.
    pub(super) ledger: BTreeMap<TableName, Ledger>,
    /// What people decided about exports.
    pub(super) decisions: Decisions,
    /// Exports that lie in `raw`, by source and path.
    pub(super) found: BTreeMap<TableName, BTreeMap<String, FoundExport>>,
    /// Files in `raw` that say of exports that they are whole, by path.
    pub(super) markers: BTreeMap<String, ObjectInfo>,
    /// Files of the archives of which some are exports, by archive; of a damaged one none.
    pub(super) archives: BTreeMap<String, Vec<ArchiveFile>>,
    /// Where exports lie; `None` where the folder does not exist.
    pub(super) raw: Option<ExportStore>,
    /// Tables whose logs went on since the release: other tools have compacted them, and they are read at the version that has the
    /// same rows; or something stands there of a release that was given up.
    pub(super) moved: BTreeSet<TableName>,
    /// Every export that the ledger knows is read to see whether it is the same.
    verifies: bool,
}

/// An export that lies in `raw`.
#[derive(Clone, Debug)]
pub(super) struct FoundExport {
    pub(super) object: ObjectInfo,
    pub(super) captures: Captures,
    /// Where it cannot be read: why. It may be a folder, of which nobody knows what lies in it.
    pub(super) unreadable: Option<Error>,
}

impl FoundExport {
    pub(super) fn readable(object: ObjectInfo, captures: Captures) -> Self {
        Self {
            object,
            captures,
            unreadable: None,
        }
    }

    /// What is there, is wanted, and cannot be read. Of its size and age nobody knows.
    pub(super) fn unreadable(path: String, why: Error, captures: Captures) -> Self {
        Self {
            object: ObjectInfo {
                path,
                size: 0,
                modified_at: DateTime::UNIX_EPOCH,
                changed_at: DateTime::UNIX_EPOCH,
                tag: None,
            },
            captures,
            unreadable: Some(why),
        }
    }
}

/// How a file is told from other content under its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Remembered {
    pub(super) modified_at: DateTime<Utc>,
    pub(super) tag: Option<String>,
}

/// Longer than a tick of any disk's clock.
const CLOCK_TICK: TimeDelta = TimeDelta::seconds(2);

impl Observation {
    /// Fills in what is known of the exports of every source; to be done again where decisions are others.
    pub(super) async fn see_exports(&mut self, project: &Project) -> Result<()> {
        let (unknown, nothing) = (Ledger::default(), BTreeMap::new());
        let mut exports = BTreeMap::new();
        for source in project.sources.values() {
            let sight = Sight {
                source,
                raw: self.raw.as_ref(),
                found: self.found.get(&source.table).unwrap_or(&nothing),
                known: self.ledger.get(&source.table).unwrap_or(&unknown),
                decisions: &self.decisions,
                markers: &self.markers,
                now: self.observed.now,
                verifies: self.verifies,
            };
            exports.insert(source.table.clone(), sight.exports().await?);
        }
        self.observed.exports = exports;
        self.observed.replays = self.decisions.replayed().clone();
        Ok(())
    }

    /// A place in a bucket below which nothing lies is more often a wrong name than a night without exports.
    ///
    /// # Errors
    /// K0702 where the project has sources, and the place of their exports does not exist.
    pub(super) fn refuse_without_raw(&self, project: &Project) -> Result<()> {
        match self.raw.is_some() || project.sources.is_empty() {
            true => Ok(()),
            false => Err(Store::no_such_place(&project.raw)),
        }
    }

    /// From here on the release is read where others compacted it. Gives the tables that others changed, each with the error of
    /// who would build on it.
    ///
    /// # Errors
    /// Of storage.
    pub(super) async fn follow_foreign_work(
        &mut self,
        catalog: &Catalog,
    ) -> Result<BTreeMap<TableName, Error>> {
        let Some(release) = &mut self.release else {
            return Ok(BTreeMap::new());
        };
        let work = catalog.lake().foreign_work(release).await?;
        for (table, version) in work.compacted {
            if let Some(entry) = release.tables.get_mut(&table) {
                entry.version = Some(version);
                self.moved.insert(table);
            }
        }
        self.moved.extend(work.void);
        Ok(work.changed)
    }

    /// Exports that lie there, were tried, and cannot be read.
    pub(super) fn unreadable(&self) -> Vec<UnreadableReport> {
        let mut reports = Vec::new();
        for (source, exports) in &self.observed.exports {
            let ledger = self.ledger.get(source);
            let bad = exports.iter().filter(|export| export.is_unreadable());
            let entries = bad.filter_map(|export| ledger?.entry(&export.path));
            reports.extend(entries.filter_map(UnreadableReport::of));
        }
        reports
    }

    /// What the ledger remembers of the file behind an export that was read, or found to be as it was.
    pub(super) fn remembered(&self, source: &TableName, path: &str) -> Option<Remembered> {
        let object = &self.found.get(source)?.get(path)?.object;
        Some(Remembered {
            modified_at: object.modified_at,
            tag: lasting_tag(object, self.observed.now),
        })
    }

    /// # Errors
    /// `Corrupt` K0733 where a decision about exports is lost.
    pub(super) fn refuse_lost_decisions(&self) -> Result<()> {
        let lost = self.decisions.lost(&self.ledger);
        lost.error().map_or(Ok(()), Err)
    }

    /// # Errors
    /// `Config` while a rollback pauses the lake.
    pub(super) fn refuse_if_paused(&self) -> Result<()> {
        self.pause
            .as_ref()
            .map_or(Ok(()), |pause| Err(paused(pause)))
    }
}

/// A build that must wait.
pub(super) fn paused(pause: &Pause) -> Error {
    Error::config(format!(
        "builds wait since release {}: {}",
        pause.release, pause.reason
    ))
    .code(Code(712))
    .help("`kilde resume` lets them go on; `kilde plan` shows what they would do")
}

/// A folder that is gone is more often a disk that is not mounted than a night without exports. Asks nothing of a bucket:
/// see [`Observation::refuse_without_raw`].
///
/// # Errors
/// K0702 where the project has sources, and the folder of their exports does not exist.
pub(super) fn refuse_without_raw(project: &Project) -> Result<()> {
    match project.sources.is_empty() {
        true => Ok(()),
        false => Store::open(&project.raw).map(drop),
    }
}

/// What a lake says of the world: its newest release and what people decided.
#[derive(Debug, Default)]
struct Published {
    release: Option<Release>,
    pause: Option<Pause>,
    ledger: BTreeMap<TableName, Ledger>,
    decisions: Decisions,
}

impl Published {
    /// The lake as if `lost` had never been published.
    async fn of(catalog: &Catalog, lost: &BTreeSet<TableName>) -> Result<Self> {
        let mut release = catalog.lake().current().await?;
        if let Some(release) = &mut release {
            release.tables.retain(|table, _| !lost.contains(table));
        }
        let pause = match &release {
            Some(release) => catalog.lake().pause(release).await?,
            None => None,
        };
        let ledger = match &release {
            Some(release) => super::ops_tables::ledger(catalog, release).await?,
            None => BTreeMap::new(),
        };
        Ok(Self {
            release,
            pause,
            ledger,
            decisions: Decisions::read(catalog).await?,
        })
    }
}

/// Looks at everything a plan depends on. Writes nothing.
pub(super) async fn observe(
    runner: &Runner,
    catalog: &Catalog,
    as_of: DateTime<Utc>,
) -> Result<Observation> {
    observe_without(runner, catalog, as_of, &BTreeSet::new()).await
}

/// The same, as if some tables had never been published.
pub(super) async fn observe_without(
    runner: &Runner,
    catalog: &Catalog,
    as_of: DateTime<Utc>,
    lost: &BTreeSet<TableName>,
) -> Result<Observation> {
    look(runner, Published::of(catalog, lost).await?, as_of).await
}

/// The same where there is no lake yet: only what lies in `raw`.
pub(super) async fn observe_without_lake(
    runner: &Runner,
    as_of: DateTime<Utc>,
) -> Result<Observation> {
    look(runner, Published::default(), as_of).await
}

async fn look(runner: &Runner, lake: Published, as_of: DateTime<Utc>) -> Result<Observation> {
    let project = &runner.project;
    let raw = Store::open_if_exists(&project.raw)?.map(ExportStore::new);
    let (mut found, mut markers) = (BTreeMap::new(), BTreeMap::new());
    let (listing, archives) = match &raw {
        Some(raw) => {
            let listing = list(&raw.store, project).await?;
            let archives = list_archives(raw, project, &listing).await?;
            (listing, archives)
        }
        None => (Listing::default(), BTreeMap::new()),
    };
    for source in project.sources.values() {
        let exports = match &source.read {
            Read::Delta(read) => {
                let known = lake.ledger.get(&source.table);
                let versions = delta::find_versions(&listing, source, read.at, known);
                let named = versions.into_iter();
                named.map(|one| (one.object.path.clone(), one)).collect()
            }
            _ => {
                let known = lake.ledger.get(&source.table);
                let in_archives = find_in_archives(&listing, &archives, source, known);
                find_exports(&listing, source, in_archives, &mut markers)
            }
        };
        found.insert(source.table.clone(), exports);
    }
    let is_empty = match &raw {
        Some(raw) if listing.files.is_empty() => raw.store.is_missing().await?,
        _ => false,
    };
    let raw = raw.filter(|_| !is_empty);
    let is_paused = lake.pause.is_some();
    let release = lake.release.as_ref();
    let mut observation = Observation {
        project: Arc::clone(project),
        observed: Observed {
            as_of,
            now: runner.clock.now(),
            release: release.map(|release| observed_release(release, is_paused)),
            decided: None,
            exports: BTreeMap::new(),
            replays: BTreeMap::new(),
            adopts: BTreeSet::new(),
        },
        release: lake.release,
        pause: lake.pause,
        ledger: lake.ledger,
        decisions: lake.decisions,
        found,
        markers,
        archives,
        raw,
        moved: BTreeSet::new(),
        verifies: runner.verifies_exports,
    };
    observation.see_exports(project).await?;
    observation.evolve(runner).await?;
    Ok(observation)
}

/// Folders listed at once.
const LISTINGS_AT_ONCE: usize = 16;

/// All that lies in the folders in which a source looks, by path; each folder is listed once, however many look there.
async fn list(raw: &Store, project: &Project) -> Result<Listing> {
    let sources = project.sources.values();
    let patterns = sources.flat_map(|source| &source.patterns);
    let folders: BTreeSet<&str> = patterns.map(|pattern| pattern.prefix()).collect();
    let is_within = |inner: &str, outer: &str| {
        outer.is_empty()
            || inner
                .strip_prefix(outer)
                .is_some_and(|rest| rest.starts_with('/'))
    };
    let is_listed_above = |folder: &str| {
        let others = folders.iter().filter(|other| **other != folder);
        others.into_iter().any(|other| is_within(folder, other))
    };
    let wanted: Vec<&str> = folders
        .iter()
        .copied()
        .filter(|folder| !is_listed_above(folder))
        .collect();
    let listed: Vec<Listing> = stream::iter(wanted)
        .map(|folder| raw.survey(folder))
        .buffered(LISTINGS_AT_ONCE)
        .try_collect()
        .await?;
    let mut all = Listing::default();
    for one in listed {
        all.files.extend(one.files);
        all.unreadable.extend(one.unreadable);
    }
    Ok(all)
}

/// The files of each archive of which some source takes files; of a damaged one none.
async fn list_archives(
    raw: &ExportStore,
    project: &Project,
    listing: &Listing,
) -> Result<BTreeMap<String, Vec<ArchiveFile>>> {
    let patterns = || project.sources.values().flat_map(|source| &source.patterns);
    let patterns = || patterns().filter_map(|pattern| pattern.archive.as_deref());
    let is_wanted = |object: &&ObjectInfo| patterns().any(|p| p.matches(&object.path).is_some());
    let wanted: Vec<&ObjectInfo> = listing.files.iter().filter(is_wanted).collect();
    stream::iter(wanted)
        .map(|archive| async move {
            let files = match raw.files_of(&archive.path, archive.size).await {
                // whoever reads it says what is wrong with it
                Err(error) if error.kind() == ErrorKind::Input => Vec::new(),
                files => files?,
            };
            Ok((archive.path.clone(), files))
        })
        .buffered(LISTINGS_AT_ONCE)
        .try_collect()
        .await
}

/// Files of archives that are exports of a source. An archive of which none is, damaged or not, is one itself: whoever reads it
/// says what is wrong with it. A file that was loaded and is gone from an archive that has others is one without a byte.
fn find_in_archives(
    listing: &Listing,
    archives: &BTreeMap<String, Vec<ArchiveFile>>,
    source: &Source,
    known: Option<&Ledger>,
) -> BTreeMap<String, FoundExport> {
    let mut found = BTreeMap::new();
    for archive in &listing.files {
        let mut patterns = source.patterns.iter().filter_map(|p| p.archive.as_deref());
        let Some(captures) = patterns.find_map(|pattern| pattern.matches(&archive.path)) else {
            continue;
        };
        let export = |name: &str, size: u64| {
            let path = format!("{}!{name}", archive.path);
            let mut patterns = source.patterns.iter().filter(|p| p.archive.is_some());
            let captures = patterns.find_map(|pattern| pattern.matches(&path))?;
            let object = ObjectInfo {
                path,
                size,
                ..archive.clone()
            };
            Some(FoundExport::readable(object, captures))
        };
        let files = archives.get(&archive.path).into_iter().flatten();
        let there = files.filter_map(|file| export(&file.name, file.size));
        let there: BTreeMap<String, FoundExport> =
            there.map(|one| (one.object.path.clone(), one)).collect();
        if there.is_empty() {
            let whole = FoundExport::readable(archive.clone(), captures);
            found.insert(archive.path.clone(), whole);
            continue;
        }
        let loaded = known.into_iter().flat_map(Ledger::entries);
        let gone = loaded.filter_map(|entry| match in_archive(&entry.path)? {
            (of, name) if of == archive.path && entry.counts_in_table() => export(name, 0),
            _ => None,
        });
        found.extend(gone.map(|one| (one.object.path.clone(), one)));
        found.extend(there);
    }
    found
}

/// The exports of a source, and the markers beside them. `found`: those in archives.
fn find_exports(
    listing: &Listing,
    source: &Source,
    mut found: BTreeMap<String, FoundExport>,
    markers: &mut BTreeMap<String, ObjectInfo>,
) -> BTreeMap<String, FoundExport> {
    for pattern in &source.patterns {
        for object in &listing.files {
            if let Some(captures) = pattern.matches(&object.path) {
                let export = FoundExport::readable(object.clone(), captures);
                found.entry(object.path.clone()).or_insert(export);
            }
        }
        let in_raw = pattern.archive.as_deref().unwrap_or(pattern);
        for one in &listing.unreadable {
            let captures = match in_raw.matches(&one.path) {
                None if one.is_folder && pattern.may_reach_into(&one.path) => Captures::default(),
                None => continue,
                Some(captures) => captures,
            };
            let export = FoundExport::unreadable(one.path.clone(), one.error(), captures);
            found.entry(one.path.clone()).or_insert(export);
        }
        if let Some(marker) = &source.ready.marker {
            let wanted: BTreeSet<String> = found.keys().map(|path| marker.beside(path)).collect();
            let there = listing.files.iter().filter(|o| wanted.contains(&o.path));
            markers.extend(there.map(|object| (object.path.clone(), object.clone())));
        }
    }
    // a marker may match the pattern too, such as `crm/*`
    found.retain(|path, _| !markers.contains_key(path));
    found
}

/// Whether a source takes a file, as an export or as a part of one.
pub(super) fn is_of_source(source: &Source, path: &str) -> bool {
    match source.read {
        Read::Delta(_) => delta::is_of_table(source, path),
        _ => {
            let is_part = |pattern: &PathPattern| {
                let archive = pattern.archive.as_deref();
                pattern.matches(path).is_some()
                    || archive.is_some_and(|a| a.matches(path).is_some())
            };
            source.patterns.iter().any(is_part)
        }
    }
}

/// All that is known of one source's exports.
struct Sight<'a> {
    source: &'a Source,
    raw: Option<&'a ExportStore>,
    found: &'a BTreeMap<String, FoundExport>,
    known: &'a Ledger,
    decisions: &'a Decisions,
    markers: &'a BTreeMap<String, ObjectInfo>,
    now: DateTime<Utc>,
    verifies: bool,
}

impl Sight<'_> {
    /// In the order in which they are read: by captured time, then path.
    async fn exports(&self) -> Result<Vec<ObservedExport>> {
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
        let mut loaded = self.known.entries();
        if waits && loaded.any(|other| other.counts_in_table() && other.hash == entry.hash) {
            return Ok(None);
        }
        // a copy, or the file itself under another name
        let others = self.found.iter().filter(|(path, other)| {
            waits
                && other.object.size == entry.size
                && other.unreadable.is_none()
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
pub(super) fn looks_the_same(entry: &LedgerEntry, object: &ObjectInfo) -> bool {
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
fn lasting_tag(object: &ObjectInfo, looked_at: DateTime<Utc>) -> Option<String> {
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

/// Where storage has an export; of a file of an archive, the archive.
///
/// # Errors
/// `Input` K0218 for a path that storage lists and does not take.
pub(super) fn address(path: &str) -> Result<object_store::path::Path> {
    let path = in_archive(path).map_or(path, |(archive, _)| archive);
    object_store::path::Path::parse(path).map_err(|error| {
        Error::input("the export's name cannot be addressed")
            .code(Code(218))
            .at(path)
            .help("rename the file, or let its sender choose a plain name")
            .caused_by(error)
    })
}

fn observed_release(release: &Release, is_paused: bool) -> ObservedRelease {
    let tables = release
        .tables
        .iter()
        .filter(|(name, entry)| entry.kind == TableKind::Table && !name.is_own());
    ObservedRelease {
        number: release.number,
        is_paused,
        tables: tables
            .map(|(name, entry)| (name.clone(), published_table(entry)))
            .collect(),
        held: release
            .held
            .iter()
            .map(|(name, held)| {
                let hold = ObservedHold {
                    at: held.last_good(),
                    reason: held.reason.clone(),
                };
                (name.clone(), hold)
            })
            .collect(),
    }
}

fn published_table(entry: &TableEntry) -> PublishedTable {
    let fingerprints = &entry.facts.fingerprints;
    PublishedTable {
        fingerprints: Fingerprints {
            content: fingerprints.content.clone(),
            tests: fingerprints.tests.clone(),
            words: fingerprints.words.clone(),
            parts: fingerprints.parts.clone(),
        },
        built_from: entry
            .facts
            .built_from
            .iter()
            .filter_map(|(table, digest)| Some((table.parse().ok()?, digest.clone())))
            .collect(),
        digest: entry.facts.digest.clone(),
        rows: entry.facts.rows,
    }
}
