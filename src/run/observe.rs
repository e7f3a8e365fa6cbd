//! The world before a build: the newest release, its ledger, and what lies in `raw`.
//!
//!   `raw` ─found▶ exports by source ─┐
//!   ledger, decisions ───────────────┴─sight▶ the state of each export

mod found;
mod sight;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::Runner;
use super::decision::Decisions;
use super::report::UnreadableReport;
use crate::catalog::Catalog;
use crate::diagnostic::Code;
use crate::error::{Error, Result};
use crate::ingest::{ArchiveFile, ExportStore, Ledger};
use crate::name::TableName;
use crate::plan::{Fingerprints, Observed, ObservedHold, ObservedRelease, PublishedTable};
use crate::project::Project;
use crate::release::{Pause, Release, TableEntry, TableKind};
use crate::store::{ObjectInfo, Store};

use found::InRaw;
pub(super) use found::{FoundExport, address, is_of_source};
pub(super) use sight::looks_the_same;
use sight::{Remembered, Sight, lasting_tag};

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

impl Observation {
    /// Fills in what is known of the exports of every source; to be done again where decisions are others.
    pub(super) async fn see_exports(&mut self, project: &Project) -> Result<()> {
        let (unknown, nothing) = (Ledger::default(), BTreeMap::new());
        let mut exports = BTreeMap::new();
        for source in project.sources.values() {
            let sight = Sight {
                source,
                contract: project.contracts.get(&source.table),
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
    let InRaw {
        exports,
        markers,
        archives,
        is_nothing,
    } = match &raw {
        Some(raw) => found::find(raw, project, &lake.ledger).await?,
        None => InRaw::default(),
    };
    let is_missing = match &raw {
        Some(raw) if is_nothing => raw.store.is_missing().await?,
        _ => false,
    };
    let raw = raw.filter(|_| !is_missing);
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
        found: exports,
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
