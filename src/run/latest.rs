//! `<lake>/latest/<schema>.<table>.parquet`: whole files of the newest release, for tools that know no table format.
//!
//! ```text
//! release settled ──▶ each file whose table has a new version, replaced whole ──▶ `_kilde/latest.json` says what lies there
//! ```
//!
//! They follow the release and are no part of it: a failure is a warning, and the next build, even one with nothing else
//! to do, brings the files to its release. Each file is whole at any instant; in the moment while they are replaced, two
//! files can be of two releases.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::claim::give_back;
use super::{Listener, Runner};
use crate::catalog::Catalog;
use crate::engine::{self, Joins};
use crate::error::{Error, ErrorKind, Result};
use crate::lake;
use crate::name::{ReleaseNumber, RunId, TableName};
use crate::project::Project;
use crate::release::{LATEST, Release, TableEntry, TableKind, YieldReason};
use crate::store::Store;

/// Where the files lie, below the lake.
const FOLDER: &str = "latest";

/// What was done below `latest/`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct LatestReport {
    /// Files written.
    pub(crate) written: u64,
    /// Files of tables that are no longer published so.
    pub(crate) removed: u64,
    /// Why not all was done; the next build tries again.
    pub(crate) failure: Option<String>,
}

/// The list of files.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Files {
    /// The release that was newest when they were written.
    release: ReleaseNumber,
    files: BTreeMap<TableName, File>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct File {
    table_id: String,
    version: u64,
    bytes: u64,
}

/// What has to be done to bring the files to a release.
#[derive(Debug, Default)]
struct Stale {
    write: Vec<TableName>,
    remove: Vec<TableName>,
}

/// Object path below the lake.
fn path(table: &TableName) -> String {
    format!("{FOLDER}/{table}.parquet")
}

impl Runner {
    /// Brings the files to the release that was just published, or to one that followed meanwhile; `None` where there was
    /// nothing to do.
    pub(super) async fn follow_release(
        &self,
        catalog: &Catalog,
        release: &Release,
    ) -> Option<LatestReport> {
        let mut report = LatestReport::default();
        if let Err(error) = self.follow(catalog, release.clone(), &mut report).await {
            report.failure = Some(error.to_string());
        }
        report.has_news().then_some(report)
    }

    /// The claim is over once a release stands, so the next build may have written its files under our hands: whoever ends
    /// last, ends with the newest.
    async fn follow(
        &self,
        catalog: &Catalog,
        mut release: Release,
        report: &mut LatestReport,
    ) -> Result<()> {
        loop {
            self.refresh(catalog, &release, report).await?;
            if report.written == 0 {
                return Ok(());
            }
            match catalog.lake().current().await? {
                Some(newest) if newest.number > release.number => {
                    release = newest;
                }
                _ => return Ok(()),
            }
        }
    }

    /// Whether a build that finds nothing else to do has files to bring to its release.
    pub(super) async fn has_stale_files(
        &self,
        catalog: &Catalog,
        release: &Release,
    ) -> Result<bool> {
        let store = catalog.lake().store();
        let list = read_list(store).await?;
        Ok(!self.stale(store, &list, release).await?.is_empty())
    }

    /// Brings them there, under a claim, so that no newer release is published meanwhile. `None` where another run holds the
    /// lake: it brings them to its own.
    ///
    /// # Errors
    /// `Interrupted` where the run is stopped.
    pub(super) async fn mend_latest(
        &self,
        catalog: &Catalog,
        run: &RunId,
        listener: &Listener,
    ) -> Result<Option<LatestReport>> {
        let claim = match self.claim(catalog, run, Duration::ZERO, listener).await {
            Ok(claim) => claim,
            Err(error) if error.kind() == ErrorKind::Conflict => return Ok(None),
            Err(error) => return Ok(Some(LatestReport::failed(&error))),
        };
        let newest = claim.base().cloned();
        let following = async {
            Ok(match &newest {
                Some(newest) => self.follow_release(catalog, newest).await,
                None => None,
            })
        };
        let report = self.stop.unless(following).await;
        give_back(claim, YieldReason::NothingToDo).await;
        report
    }

    async fn refresh(
        &self,
        catalog: &Catalog,
        release: &Release,
        report: &mut LatestReport,
    ) -> Result<()> {
        let store = catalog.lake().store();
        let mut list = read_list(store).await?;
        if list.release > release.number {
            return Ok(());
        }
        let stale = self.stale(store, &list, release).await?;
        if stale.is_empty() {
            return Ok(());
        }
        list.release = release.number;
        let done = self
            .bring(catalog, store, release, &stale, &mut list, report)
            .await;
        let text = serde_json::to_vec_pretty(&list)
            .map_err(|error| Error::internal("a list cannot be written").caused_by(error))?;
        done.and(store.put(LATEST, text.into()).await)
    }

    async fn bring(
        &self,
        catalog: &Catalog,
        store: &Store,
        release: &Release,
        stale: &Stale,
        list: &mut Files,
        report: &mut LatestReport,
    ) -> Result<()> {
        for table in &stale.remove {
            store.delete(&path(table)).await?;
            list.files.remove(table);
            report.removed += 1;
        }
        for table in &stale.write {
            let Some(entry) = release.table(table) else {
                continue;
            };
            let bytes = self.write_latest(catalog, store, table, entry).await?;
            let file = File {
                table_id: entry.table_id.clone(),
                version: entry.version.unwrap_or_default(),
                bytes,
            };
            list.files.insert(table.clone(), file);
            report.written += 1;
        }
        Ok(())
    }

    async fn write_latest(
        &self,
        catalog: &Catalog,
        store: &Store,
        table: &TableName,
        entry: &TableEntry,
    ) -> Result<u64> {
        let provider = catalog.content(table, entry).await?.provider()?;
        let tables = BTreeMap::from([(table.clone(), provider)]);
        let session = catalog.engine().session(&tables, Joins::Hash)?;
        let frame = session.table(table.to_string()).await;
        let frame = frame.map_err(engine::failure)?;
        let (schema, rows) = engine::stream(frame).await?;
        let context = session.task_ctx();
        let personal = personal(&self.project, table);
        lake::write_whole(
            &context,
            &store.object_store(),
            &path(table),
            &schema,
            rows,
            &personal,
        )
        .await
    }

    async fn stale(&self, store: &Store, list: &Files, release: &Release) -> Result<Stale> {
        let wanted: BTreeMap<&TableName, &TableEntry> = release
            .tables
            .iter()
            .filter(|(_, entry)| entry.kind == TableKind::Table)
            .filter(|(table, _)| self.project.parquet_tables.contains(table))
            .collect();
        let mut stale = Stale::default();
        let found = match list.files.is_empty() {
            true => Vec::new(),
            false => store.list(FOLDER).await?,
        };
        let size_of = |table: &TableName| {
            let path = path(table);
            let found = found.iter().find(|object| object.path == path);
            found.map(|object| object.size)
        };
        for (table, entry) in &wanted {
            let is_same = match list.files.get(*table) {
                Some(file) if Some(file.version) == entry.version => {
                    file.table_id == entry.table_id && size_of(table) == Some(file.bytes)
                }
                _ => false,
            };
            if !is_same {
                stale.write.push((*table).clone());
            }
        }
        let unwanted = list
            .files
            .keys()
            .filter(|table| !wanted.contains_key(table));
        stale.remove = unwanted.cloned().collect();
        Ok(stale)
    }
}

impl Stale {
    fn is_empty(&self) -> bool {
        self.write.is_empty() && self.remove.is_empty()
    }
}

impl LatestReport {
    pub(super) fn failed(error: &Error) -> Self {
        Self {
            failure: Some(error.to_string()),
            ..Self::default()
        }
    }

    fn has_news(&self) -> bool {
        self.written > 0 || self.removed > 0 || self.failure.is_some()
    }
}

/// A list that cannot be read is as good as none: every file is then written anew.
async fn read_list(store: &Store) -> Result<Files> {
    let bytes = store.get(LATEST).await?;
    Ok(bytes
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default())
}

/// Columns without minimum and maximum in the footer.
fn personal(project: &Project, table: &TableName) -> BTreeSet<String> {
    let columns = project.contracts.get(table).into_iter();
    columns
        .flat_map(|contract| &contract.columns)
        .filter(|column| column.personal.is_some())
        .map(|column| column.name.value.clone())
        .collect()
}
