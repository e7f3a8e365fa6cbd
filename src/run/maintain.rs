//! Upkeep of a lake: releases that are no longer kept, small files, checkpoints, what dead runs left.
//!
//! ```text
//! survey ─▶ claim ─▶ sweep, retire ─▶ compact, publish ─▶ checkpoints ─▶ delete ─▶ records
//!    └─ nothing to do: no claim, no write
//! ```
//!
//! In: a project (how long releases are kept, how tables are written). Out: a [`MaintainReport`]. What a kept release needs
//! is never deleted; a compaction is a release of the same rows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use datafusion::catalog::TableProvider;
use datafusion::prelude::DataFrame;
use serde::Serialize;

use futures::stream::{self, StreamExt};

use super::candidate::{personal_columns, statistics_columns};
use super::claim::{give_back, yield_reason};
use super::doctor::tidy_spill_folder;
use super::operations::Operation;
use super::step::buckets;
use super::summary::RunCommand;
use super::{Listener, Runner};
use crate::catalog::{Catalog, Content};
use crate::clock::Stopwatch;
use crate::engine::{self, FileSet, Joins};
use crate::error::{Error, ErrorKind, Result};
use crate::lake::{self, Layout, WriteSpec};
use crate::name::{ReleaseNumber, TableName};
use crate::release::{
    self, Claim, KeepFailedRuns, PublishRequest, Release, Removal, Retirement, Swept, TableChange,
    TableKind, TableWrite, Unneeded, YieldReason,
};

/// A data file of fewer bytes is small.
const SMALL: u64 = 16_000_000;
/// More small files of one partition than this are made one.
const MANY: usize = 20;
/// After a build, releases are retired when so many are out of date, since every time costs a look at all tables.
const RELEASES_AT_ONCE: u64 = 7;
/// Tables whose files are looked at together.
const LOOKS_AT_ONCE: usize = 16;
/// What a maintenance after a build may take, unless it is told otherwise.
pub(crate) const BUDGET_AFTER_BUILD: Duration = Duration::from_secs(60);

/// What is wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct MaintainRequest {
    /// Only say what would be done.
    pub(crate) dry_run: bool,
    /// Nothing new is begun after that; `None`: as long as it takes.
    pub(crate) budget: Option<Duration>,
    /// Tables that left the project, and whose rows go too.
    pub(crate) drop: Vec<TableName>,
    /// The build stays the last run that is told of.
    pub(crate) is_after_build: bool,
}

/// What was done, or would be.
#[derive(Debug, Default, Serialize)]
pub(crate) struct MaintainReport {
    pub(crate) is_dry_run: bool,
    /// The oldest release that is kept.
    pub(crate) oldest_kept: ReleaseNumber,
    pub(crate) newest: ReleaseNumber,
    /// Releases that are no longer kept since now.
    pub(crate) retired: u64,
    pub(crate) compacted: Vec<Compacted>,
    pub(crate) dropped: Vec<TableName>,
    /// Tables that left the project and still have rows.
    pub(crate) droppable: Vec<Freed>,
    /// The release that holds what was compacted and dropped.
    pub(crate) release: Option<ReleaseNumber>,
    pub(crate) checkpoints: Vec<TableName>,
    /// Objects of tables' logs over which other readers stumble, deleted.
    pub(crate) misleading: u64,
    pub(crate) freed: Vec<Freed>,
    /// What runs left that published nothing.
    pub(crate) orphans: u64,
    pub(crate) orphan_bytes: u64,
    /// Records of retired releases and reports of old runs.
    pub(crate) records: u64,
    /// What was not done, and why.
    pub(crate) notes: Vec<String>,
}

/// Small files of a table that became few.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Compacted {
    pub(crate) table: TableName,
    pub(crate) files_before: u64,
    /// `None`: not done yet.
    pub(crate) files: Option<u64>,
    pub(crate) bytes: u64,
}

/// What a table gave back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Freed {
    pub(crate) table: TableName,
    /// Data files, entries and checkpoints; 0 where nobody counted them.
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

impl MaintainReport {
    /// Whether anything was or would be done.
    pub(crate) fn has_news(&self) -> bool {
        self.retired > 0
            || self.orphans > 0
            || self.records > 0
            || self.misleading > 0
            || !(self.compacted.is_empty()
                && self.dropped.is_empty()
                && self.checkpoints.is_empty()
                && self.freed.is_empty())
    }
}

/// What there is to do on a release.
struct Survey {
    base: Release,
    /// The oldest release that was kept until now, and from now on.
    oldest: ReleaseNumber,
    floor: ReleaseNumber,
    /// Tables with many small files.
    small: Vec<Content>,
    /// Tables whose log cannot be read.
    lost: Vec<TableName>,
    drop: Vec<TableName>,
}

impl Runner {
    /// Gives space back and keeps reading cheap.
    ///
    /// # Errors
    /// `Config` for a table that cannot be dropped; `Conflict` while another run holds the lake; what storage gives.
    pub(crate) async fn maintain(&self, request: &MaintainRequest) -> Result<MaintainReport> {
        let watch = Stopwatch::start();
        let catalog = self.readable(self.clock.now())?;
        let looking = async {
            let base = catalog.release(None).await?;
            self.survey(&catalog, base, &request.drop).await
        };
        let survey = self.stop.unless(looking).await?;
        if request.dry_run {
            let kept_since = self.project.keep.before(self.clock.now());
            let lake = catalog.lake();
            let unneeded = lake.unneeded(&survey.base, survey.floor, Some(kept_since));
            let mut report = survey.report();
            report.is_dry_run = true;
            let unneeded = self.unless_unknown(unneeded.await, &mut report)?;
            let freed = unneeded
                .iter()
                .flatten()
                .map(|unneeded| freed(&unneeded.table, unneeded.total()));
            report.freed = freed.collect();
            return Ok(report);
        }
        tidy_spill_folder(&catalog);
        let operation = Operation::new(self, RunCommand::Maintain);
        let nobody: Listener = Arc::new(|_| {});
        let mut claim = self
            .claim(&catalog, operation.run(), Duration::ZERO, &nobody)
            .await?;
        let mut base = survey.base.clone();
        let ended = async {
            let survey = match claim.base() {
                // another release was published, or settled, since we looked
                Some(other) if other.number != base.number => {
                    base = other.clone();
                    self.survey(&catalog, base.clone(), &request.drop).await?
                }
                _ => survey,
            };
            self.upkeep(&catalog, &mut claim, &survey, request, watch)
                .await
        };
        let ended = ended.await;
        let reason = match &ended {
            Ok(_) => YieldReason::NothingToDo,
            Err(error) => yield_reason(error),
        };
        // nothing where a release closed it
        give_back(claim, reason).await;
        let current = catalog.lake().current().await?;
        let concluded = match (&ended, &current) {
            (Ok(_), Some(current)) => Ok(current),
            (Ok(_), None) => Ok(&base),
            (Err(error), _) => Err(error),
        };
        let warning = match request.is_after_build {
            true => None,
            false => {
                self.conclude_operation(&catalog, &operation, concluded)
                    .await
            }
        };
        let mut report = ended?;
        report.notes.extend(warning);
        Ok(report)
    }

    /// The same after a build, where it is due: warned of at most, never failed for.
    pub(crate) async fn maintain_after_build(&self) -> Option<MaintainReport> {
        let due = async {
            let catalog = self.readable(self.clock.now())?;
            let release = catalog.release(None).await?;
            if self.is_retirement_due(&catalog, &release).await? {
                return Ok(true);
            }
            let changed = release.changed.iter();
            for table in changed.filter(|table| self.project.sources.contains_key(*table)) {
                let content = catalog.published(&release, table).await?;
                if has_many_small_files(&content.file_set) {
                    return Ok(true);
                }
            }
            Ok::<_, Error>(false)
        };
        let done = match due.await {
            Ok(true) => {
                let request = MaintainRequest {
                    budget: Some(BUDGET_AFTER_BUILD),
                    is_after_build: true,
                    ..MaintainRequest::default()
                };
                self.maintain(&request).await
            }
            Ok(false) => return None,
            Err(error) => Err(error),
        };
        Some(done.unwrap_or_else(|error| MaintainReport {
            notes: vec![format!("maintenance ended early: {}", error.brief())],
            ..MaintainReport::default()
        }))
    }

    /// Whether several releases are out of date: two small reads.
    async fn is_retirement_due(&self, catalog: &Catalog, newest: &Release) -> Result<bool> {
        let floor = catalog.lake().retired_below().await?.0.max(1);
        for other in floor + RELEASES_AT_ONCE..newest.number.0 {
            match catalog.lake().release(ReleaseNumber(other)).await {
                Ok(other) => {
                    return Ok(other.published_at < self.project.keep.before(self.clock.now()));
                }
                // readers were not told that it is
                Err(error) if error.kind() == ErrorKind::Config => return Ok(true),
                // its record is lost: the next one tells
                Err(error) if error.kind() == ErrorKind::Corrupt => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// What only retired releases need; `None`, with a note, where the record of a kept one is lost: what that one needs nobody
    /// knows, so that all of it stays.
    fn unless_unknown(
        &self,
        unneeded: Result<Vec<Unneeded>>,
        report: &mut MaintainReport,
    ) -> Result<Option<Vec<Unneeded>>> {
        match unneeded {
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                report.notes.push(format!(
                    "nothing is given back, since nobody knows what a kept release needs: {}; restore it from a copy of the lake, or wait until that release is older than `keep` ({})",
                    error.brief(),
                    self.project.keep
                ));
                Ok(None)
            }
            unneeded => unneeded.map(Some),
        }
    }

    async fn survey(&self, catalog: &Catalog, base: Release, drop: &[TableName]) -> Result<Survey> {
        let kept_since = self.project.keep.before(self.clock.now());
        let oldest = catalog.lake().declared_below().await?;
        let floor = catalog.lake().oldest_seen_since(&base, kept_since).await?;
        let of_project: BTreeSet<&TableName> = self.project.tables().collect();
        let tables = base
            .tables
            .iter()
            .filter(|(name, entry)| entry.kind == TableKind::Table && of_project.contains(name));
        let contents: Vec<_> = stream::iter(tables)
            .map(|(name, entry)| async move { (name, catalog.content(name, entry).await) })
            .buffered(LOOKS_AT_ONCE)
            .collect()
            .await;
        let (mut small, mut lost) = (Vec::new(), Vec::new());
        for (name, content) in contents {
            match content {
                Ok(content) if has_many_small_files(&content.file_set) => small.push(content),
                Ok(_) => {}
                // the others need not wait until somebody has mended it
                Err(error) if error.kind() == ErrorKind::Corrupt => lost.push(name.clone()),
                Err(error) => return Err(error),
            }
        }
        for table in drop {
            droppable(&base, table)?;
        }
        Ok(Survey {
            oldest: ReleaseNumber(oldest.0.max(1)),
            floor,
            small,
            lost,
            drop: drop.to_vec(),
            base,
        })
    }

    async fn upkeep(
        &self,
        catalog: &Catalog,
        claim: &mut Claim,
        survey: &Survey,
        request: &MaintainRequest,
        watch: Stopwatch,
    ) -> Result<MaintainReport> {
        let mut upkeep = Upkeep {
            runner: self,
            catalog,
            watch,
            budget: request.budget,
            report: survey.report(),
        };
        if let Some(sweep) = claim.declare_sweep(KeepFailedRuns::default()).await? {
            let swept = sweep.delete().await?;
            upkeep.report.orphans = swept.files;
            upkeep.report.orphan_bytes = swept.bytes;
        }
        let reason = format!("kept for {}", self.project.keep);
        let retirement = claim.declare_retired(survey.floor, &reason).await?;
        upkeep.publish(claim, survey).await?;
        if let Some(newest) = catalog.lake().current().await? {
            // a look at every checkpoint is too much for each night
            if !request.is_after_build && !upkeep.is_out_of_time() {
                upkeep.report.misleading = catalog.lake().delete_misleading(&newest).await?;
            }
            let has_time = || !upkeep.is_out_of_time();
            upkeep.report.checkpoints = catalog.lake().write_checkpoints(&newest, has_time).await?;
        }
        if let Some(retirement) = retirement {
            let foreign_before = self.project.keep.before(self.clock.now());
            upkeep.delete(&retirement, foreign_before).await?;
        }
        Ok(upkeep.report)
    }
}

/// A maintenance under way.
struct Upkeep<'a> {
    runner: &'a Runner,
    catalog: &'a Catalog,
    watch: Stopwatch,
    budget: Option<Duration>,
    report: MaintainReport,
}

impl Upkeep<'_> {
    fn is_out_of_time(&self) -> bool {
        self.budget
            .is_some_and(|budget| self.watch.elapsed() >= budget)
    }

    /// Publishes what is compacted and dropped, as one release.
    async fn publish(&mut self, claim: &mut Claim, survey: &Survey) -> Result<()> {
        self.report.compacted = Vec::new();
        self.report.dropped = Vec::new();
        if let Some(pause) = claim.pause() {
            if !(survey.small.is_empty() && survey.drop.is_empty()) {
                self.report.notes.push(format!(
                    "no table is compacted or dropped while the lake is paused: {}; `kilde resume` first",
                    pause.reason
                ));
            }
            return Ok(());
        }
        let mut tables = BTreeMap::new();
        for table in &survey.drop {
            tables.insert(table.clone(), TableChange::Drop);
            self.report.dropped.push(table.clone());
        }
        for content in &survey.small {
            if self.is_out_of_time() {
                self.report.notes.push(format!(
                    "out of time: `{}` waits for the next maintenance",
                    content.name
                ));
                continue;
            }
            let compacting = self.compact(claim, &survey.base, content);
            let (write, compacted) = self.runner.stop.unless(compacting).await?;
            self.report.compacted.push(compacted);
            tables.insert(content.name.clone(), TableChange::Write(write));
        }
        if tables.is_empty() {
            return Ok(());
        }
        let request = PublishRequest {
            project: survey.base.project.clone(),
            as_of: survey.base.as_of.clone(),
            tables,
            held: survey.base.held.clone(),
            ..PublishRequest::default()
        };
        let release = claim.stage_and_publish(request).await?;
        self.report.release = Some(release.number);
        self.report.newest = release.number;
        let latest = self.runner.follow_release(self.catalog, &release).await;
        if let Some(failure) = latest.and_then(|latest| latest.failure) {
            self.report
                .notes
                .push(format!("latest/ is not up to date: {failure}"));
        }
        Ok(())
    }

    /// Writes the rows of a table's small files again, into few.
    async fn compact(
        &self,
        claim: &Claim,
        base: &Release,
        content: &Content,
    ) -> Result<(TableWrite, Compacted)> {
        let small = small_files(&content.file_set);
        let bytes: u64 = small.files.iter().map(|file| file.size).sum();
        let rows: u64 = small.files.iter().map(|file| file.rows).sum();
        let entry = base.table(&content.name).ok_or_else(|| {
            Error::internal(format!("`{}` left the release that it is in", content.name))
        })?;
        let provider = engine::scan(&small, engine::lake_url()?)?;
        let name = content.name.clone();
        let tables: BTreeMap<TableName, Arc<dyn TableProvider>> =
            BTreeMap::from([(name.clone(), provider)]);
        let session = self.catalog.engine().session(&tables, Joins::Hash)?;
        let state = session.state();
        let every = format!("select * from {name}");
        let plan = state.create_logical_plan(&every).await;
        let frame = DataFrame::new(session.state(), plan.map_err(engine::failure)?);
        let physical = frame
            .create_physical_plan()
            .await
            .map_err(engine::failure)?;
        let spec = self.write_spec(claim, content, buckets(bytes))?;
        let written = lake::write_table(session.task_ctx(), physical, &spec).await?;
        if written.rows != rows {
            return Err(Error::internal(format!(
                "compaction of `{name}` read {} rows of {rows}",
                written.rows
            )));
        }
        let whole = small.files.len() == content.file_set.files.len();
        if whole && written.digest.to_string() != content.digest {
            return Err(Error::internal(format!(
                "compaction of `{name}` would change its rows"
            )));
        }
        let mut facts = entry.facts.clone();
        facts.bytes = content.bytes() - bytes + written.bytes;
        let compacted = Compacted {
            table: name,
            files_before: small.files.len() as u64,
            files: Some(written.files.len() as u64),
            bytes,
        };
        // the log's paths and the scanned ones stand in the same order
        let paths = content.files.keys().zip(&content.file_set.files);
        let removed = paths.filter(|(_, file)| small.files.contains(file));
        let write = TableWrite {
            location: content.location.clone(),
            table_id: content.table_id.clone(),
            base: content.version,
            removes: Removal::Files(removed.map(|(path, _)| path.clone()).collect()),
            adds: written.files.into_iter().map(|file| file.live).collect(),
            definition: None,
            data_change: false,
            facts,
        };
        Ok((write, compacted))
    }

    fn write_spec(&self, claim: &Claim, content: &Content, buckets: usize) -> Result<WriteSpec> {
        let contract = self.runner.project.contracts.get(&content.name);
        let key = contract.map(|contract| contract.key_names());
        let key = key.unwrap_or_default().into_iter().map(str::to_string);
        let schema = Arc::clone(&content.file_set.schema);
        let has = |name: &String| schema.field_with_name(name).is_ok();
        Ok(WriteSpec {
            store: engine::lake_url()?,
            folder: None,
            location: content.location.clone(),
            key: key.filter(has).collect(),
            partition_by: content.file_set.partition_columns.clone(),
            layout: Layout::Sorted { buckets },
            claim: claim.number(),
            run: claim.run().clone(),
            attempt: 0,
            personal: personal_columns(contract, &schema),
            statistics_columns: statistics_columns(contract, &schema),
            counters: Vec::new(),
            written_at: self.runner.clock.now(),
            schema,
        })
    }

    async fn delete(
        &mut self,
        retirement: &Retirement,
        foreign_before: chrono::DateTime<chrono::Utc>,
    ) -> Result<()> {
        let unneeded = retirement.unneeded(Some(foreign_before)).await;
        let unneeded = self.runner.unless_unknown(unneeded, &mut self.report)?;
        let Some(unneeded) = unneeded else {
            return Ok(());
        };
        for unneeded in unneeded {
            if self.is_out_of_time() {
                self.report
                    .notes
                    .push("out of time: the next maintenance deletes the rest".to_string());
                return Ok(());
            }
            let deleting = retirement.delete(&unneeded);
            let swept = self.runner.stop.unless(deleting).await?;
            self.report.freed.push(freed(&unneeded.table, swept));
        }
        // last: who finds a record gone finds nothing else to do
        self.report.records = retirement.delete_records().await?.files;
        Ok(())
    }
}

impl Survey {
    fn droppable(&self) -> Vec<Freed> {
        let tables = self.base.tables.iter();
        let left = tables.filter(|(name, entry)| {
            entry.kind == TableKind::Retired && entry.facts.bytes > 0 && !self.drop.contains(name)
        });
        left.map(|(name, entry)| Freed {
            table: name.clone(),
            files: 0,
            bytes: entry.facts.bytes,
        })
        .collect()
    }

    /// What would be done.
    fn report(&self) -> MaintainReport {
        MaintainReport {
            oldest_kept: self.floor,
            newest: self.base.number,
            retired: self.floor.0.saturating_sub(self.oldest.0),
            compacted: self.small.iter().map(would_compact).collect(),
            dropped: self.drop.clone(),
            droppable: self.droppable(),
            notes: self
                .lost
                .iter()
                .map(|table| {
                    format!(
                        "`{table}` is passed over, since its log cannot be read: {}",
                        release::restore_or_rebuild(&[table])
                    )
                })
                .collect(),
            ..MaintainReport::default()
        }
    }
}

fn would_compact(content: &Content) -> Compacted {
    let small = small_files(&content.file_set);
    Compacted {
        table: content.name.clone(),
        files_before: small.files.len() as u64,
        files: None,
        bytes: small.files.iter().map(|file| file.size).sum(),
    }
}

fn freed(table: &TableName, swept: Swept) -> Freed {
    Freed {
        table: table.clone(),
        files: swept.files,
        bytes: swept.bytes,
    }
}

/// Small files of those partitions that have many.
fn small_files(files: &FileSet) -> FileSet {
    let mut counts: BTreeMap<&[Option<String>], usize> = BTreeMap::new();
    for file in files.files.iter().filter(|file| file.size < SMALL) {
        *counts.entry(file.partition_values.as_slice()).or_default() += 1;
    }
    let is_meant = |file: &&engine::DataFile| {
        file.size < SMALL && counts.get(file.partition_values.as_slice()) > Some(&MANY)
    };
    FileSet {
        files: files.files.iter().filter(is_meant).cloned().collect(),
        ..files.clone()
    }
}

fn has_many_small_files(files: &FileSet) -> bool {
    files.files.len() > MANY && !small_files(files).files.is_empty()
}

/// Only what left the project, and no kept release shows, can go.
fn droppable(base: &Release, table: &TableName) -> Result<()> {
    match base.tables.get(table) {
        Some(entry) if entry.kind == TableKind::Retired => Ok(()),
        Some(_) => Err(
            Error::config(format!("`{table}` is in release {}", base.number))
                .help("take it out of the project and build: then it can be dropped"),
        ),
        None => Err(
            Error::config(format!("no release ever had a table `{table}`"))
                .help("`kilde maintain --dry-run` lists the tables that can be dropped"),
        ),
    }
}
