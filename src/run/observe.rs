//! The world before a build: the newest release, its ledger, and what lies in `raw`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::Runner;
use crate::catalog::Catalog;
use crate::diagnostic::Code;
use crate::error::{Error, Result};
use crate::ingest::{self, Ledger, LedgerEntry};
use crate::name::TableName;
use crate::plan::{
    ExportState, Fingerprints, Observed, ObservedExport, ObservedHold, ObservedRelease,
    PublishedTable,
};
use crate::project::{Captures, Project, Source};
use crate::release::{Pause, Release, TableEntry, TableKind};
use crate::store::{ObjectInfo, Store};

/// Everything observed, for the plan and for those who execute it.
#[derive(Clone, Debug)]
pub(super) struct Observation {
    pub(super) observed: Observed,
    pub(super) release: Option<Release>,
    pub(super) pause: Option<Pause>,
    /// The ledger by source.
    pub(super) ledger: BTreeMap<TableName, Ledger>,
    /// Exports that lie in `raw`, by source and path.
    pub(super) found: BTreeMap<TableName, BTreeMap<String, FoundExport>>,
    /// Where exports lie; `None` where the folder does not exist.
    pub(super) raw: Option<Store>,
}

/// An export that lies in `raw`.
#[derive(Clone, Debug)]
pub(super) struct FoundExport {
    pub(super) object: ObjectInfo,
    pub(super) captures: Captures,
}

impl Observation {
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

/// A folder that is gone is more often a disk that is not mounted than a night without exports.
///
/// # Errors
/// K0702 where the project has sources, and the folder of their exports does not exist.
pub(super) fn refuse_without_raw(project: &Project) -> Result<()> {
    match project.sources.is_empty() {
        true => Ok(()),
        false => Store::open(&project.root, &project.raw).map(drop),
    }
}

/// Looks at everything a plan depends on. Writes nothing.
pub(super) async fn observe(
    runner: &Runner,
    catalog: &Catalog,
    as_of: DateTime<Utc>,
) -> Result<Observation> {
    let release = catalog.lake().current().await?;
    let pause = match &release {
        Some(release) => catalog.lake().pause(release).await?,
        None => None,
    };
    let ledger = match &release {
        Some(release) => super::ops_tables::ledger(catalog, release).await?,
        None => BTreeMap::new(),
    };
    let project = &runner.project;
    let raw = Store::open_if_exists(&project.root, &project.raw)?;
    let mut found = BTreeMap::new();
    if let Some(raw) = &raw {
        for source in project.sources.values() {
            found.insert(source.table.clone(), find_exports(raw, source).await?);
        }
    }
    let mut exports = BTreeMap::new();
    for source in project.sources.values() {
        let none = Ledger::default();
        let known = ledger.get(&source.table).unwrap_or(&none);
        let nothing = BTreeMap::new();
        let found = found.get(&source.table).unwrap_or(&nothing);
        exports.insert(
            source.table.clone(),
            observed_exports(raw.as_ref(), found, known).await?,
        );
    }
    let observed = Observed {
        as_of,
        now: runner.clock.now(),
        release: release
            .as_ref()
            .map(|release| observed_release(release, pause.is_some())),
        exports,
    };
    Ok(Observation {
        observed,
        release,
        pause,
        ledger,
        found,
        raw,
    })
}

async fn find_exports(raw: &Store, source: &Source) -> Result<BTreeMap<String, FoundExport>> {
    let mut found = BTreeMap::new();
    for pattern in &source.patterns {
        for object in raw.list(pattern.prefix()).await? {
            if let Some(captures) = pattern.matches(&object.path) {
                let path = object.path.clone();
                found
                    .entry(path)
                    .or_insert(FoundExport { object, captures });
            }
        }
    }
    Ok(found)
}

/// Exports of one source in the order in which they are read: by captured time, then path.
async fn observed_exports(
    raw: Option<&Store>,
    found: &BTreeMap<String, FoundExport>,
    known: &Ledger,
) -> Result<Vec<ObservedExport>> {
    let by_path: BTreeMap<&str, &LedgerEntry> = known
        .entries()
        .map(|entry| (entry.path.as_str(), entry))
        .collect();
    let mut exports = Vec::new();
    for (path, export) in found {
        let state = match by_path.get(path.as_str()) {
            None => ExportState::New,
            Some(entry) if is_same_file(entry, &export.object) => ExportState::Known,
            // touched, or replaced: only the bytes can tell
            Some(entry) => match raw {
                Some(raw) if hash(raw, path).await? == entry.hash => ExportState::Known,
                _ => ExportState::Changed,
            },
        };
        exports.push(ObservedExport {
            path: path.clone(),
            size: export.object.size,
            state,
            modified_at: export.object.modified_at,
            ordered_at: export.captures.ordered_at,
        });
    }
    for entry in known
        .entries()
        .filter(|entry| !found.contains_key(&entry.path))
    {
        exports.push(ObservedExport {
            path: entry.path.clone(),
            size: entry.size,
            state: ExportState::Gone,
            modified_at: entry.modified_at,
            ordered_at: entry.ordered_at,
        });
    }
    exports.sort_by(|a, b| (a.ordered_at, &a.path).cmp(&(b.ordered_at, &b.path)));
    Ok(exports)
}

/// Whether a file that was listed is surely the one that was read, without reading it again.
fn is_same_file(entry: &LedgerEntry, object: &ObjectInfo) -> bool {
    // tables hold microseconds
    let micros = |time: DateTime<Utc>| time.timestamp_micros();
    entry.size == object.size && micros(entry.modified_at) == micros(object.modified_at)
}

async fn hash(raw: &Store, path: &str) -> Result<String> {
    let location = object_store::path::Path::parse(path).map_err(|error| {
        Error::input("the export's name cannot be addressed")
            .at(path)
            .caused_by(error)
    })?;
    ingest::hash(&raw.object_store(), &location).await
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
