//! What runs on a simulated lake: builders, rollbacks, maintenance, foreign tools, readers. Each is a future that a
//! scheduler polls, so that every operation of the store is a place to interleave, freeze or die.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::Variant;
use super::invariant::{Rows, bronze, digest, ledger};
use super::table_log::{JsonEntry, JsonLog, entry_path};
use super::world::{SimulatedStore, World};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::location::Location;
use crate::name::{ClaimNumber, ReleaseNumber, RunId, TableName};
use crate::release::log::{self, Event, FORMAT};
use crate::release::retire::{Sweep, Window};
use crate::release::stage::Files;
use crate::release::{
    CandidateName, Claim, Failpoint, Fingerprints, GiveUp, KeepFailedRuns, Lake, LiveFile,
    PublishRequest, Release, Removal, RollbackClass, RollbackRequest, TableChange, TableEntry,
    TableFacts, TableKind, TableLog, TableWrite, YieldReason,
};
use crate::store::Store;

/// How a process ended, if it ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Acknowledged to its caller.
    Published(ReleaseNumber, RunId),
    Otherwise,
}

/// Names and contents by chance, of one world.
#[derive(Clone, Debug)]
pub(super) struct Actor {
    pub(super) world: Arc<World>,
    pub(super) variant: Variant,
    pub(super) lake: Lake,
    tables: Arc<JsonLog>,
}

/// A build on its way.
struct Build {
    claim: Claim,
    run: RunId,
    base: BTreeMap<TableName, TableEntry>,
    parts: u64,
    request: PublishRequest,
    /// The operator says: ours over theirs, whatever they did.
    overrules: bool,
}

impl Actor {
    pub(super) fn new(world: &Arc<World>, variant: Variant) -> Self {
        let inner = Arc::new(SimulatedStore(Arc::clone(world)));
        let location = Location::parse("s3://simulated", Path::new("/")).unwrap();
        let store = Store::over(inner, location);
        let tables = Arc::new(JsonLog::new(store.clone()));
        let clock = Arc::clone(&world.clock) as Arc<dyn Clock>;
        let at_boundary = Arc::clone(world);
        Self {
            world: Arc::clone(world),
            variant,
            lake: Lake::open(store, Arc::clone(&tables) as Arc<dyn TableLog>, clock)
                .with_failpoint(Failpoint::new(move |_| {
                    at_boundary.state().at_boundary();
                    Ok(())
                })),
            tables,
        }
    }

    fn below(&self, end: u64) -> u64 {
        self.world.state().random.below(end)
    }

    fn chance(&self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn mischief(&self, percent: u64) -> bool {
        self.world.state().mischief.below(100) < percent
    }

    fn run_id(&self) -> RunId {
        (self.world.clock.as_ref() as &dyn Clock).run_id()
    }

    /// Ingests what arrived, rebuilds some tables, publishes; after a foreign change it publishes the last release again.
    pub(super) async fn build(self) -> Result<Ended> {
        let run = self.run_id();
        let mut claim = match self.lake.claim(&run).await {
            Err(error) if error.render().contains("--give-up") && self.mischief(50) => {
                let newest = self.world.state().checker.newest_decided();
                let newest = GiveUp::of(newest.0);
                self.lake.claim_giving_up(&run, Some(&newest)).await?
            }
            claim => claim?,
        };
        let mut sweep = self.sweep(&mut claim).await?;
        if self.chance(30)
            && let Some(sweep) = sweep.take()
        {
            sweep.delete().await?;
        }
        if claim.pause().is_some() && (self.chance(50) || !claim.resume().await?) {
            claim.yield_(YieldReason::NothingToDo).await?;
            return Ok(Ended::Otherwise);
        }
        let base = claim
            .base()
            .map(|base| base.tables.clone())
            .unwrap_or_default();
        let mut build = Build {
            claim,
            run: run.clone(),
            base,
            parts: 0,
            request: PublishRequest::default(),
            overrules: self.chance(15),
        };
        match self.build_and_publish(&mut build).await {
            Ok(number) => {
                // frozen in here it deletes long after others have gone on
                if let Some(sweep) = sweep {
                    drop(sweep.delete().await);
                }
                Ok(Ended::Published(number, run))
            }
            Err(error) => self.give_up(build, error).await,
        }
    }

    async fn give_up(&self, build: Build, error: Error) -> Result<Ended> {
        let newest = build.claim.base().map(|base| base.number);
        if self.chance(60) {
            build.claim.yield_(YieldReason::Failed).await?;
        }
        match newest {
            // what the message tells the operator to do
            Some(newest) if error.render().contains("K0709") && self.chance(70) => {
                self.clone().rollback_to(Some(newest)).await
            }
            _ => Err(error),
        }
    }

    async fn build_and_publish(&self, build: &mut Build) -> Result<ReleaseNumber> {
        self.ingest(build).await?;
        build.claim.beat().await?;
        for name in ["gold.customers", "identity.ids"] {
            if self.chance(70) {
                self.derive(build, &name.parse().unwrap()).await?;
            }
            build.claim.beat().await?;
        }
        if build.request.tables.is_empty() {
            self.derive(build, &"gold.customers".parse().unwrap())
                .await?;
        }
        if self.variant == Variant::AnyTail {
            // what no claimant may do: append anywhere but right behind its own last entry, at the end of whatever others wrote
            build.claim.view = self.lake.log().await?;
        }
        let mut request = std::mem::take(&mut build.request);
        if build.overrules {
            request.overrule.extend(build.base.keys().cloned());
        }
        Ok(build.claim.stage_and_publish(request).await?.number)
    }

    async fn delete_below(&self, base: Option<&Release>, below: ClaimNumber) -> Result<()> {
        let window = Window {
            claims: ClaimNumber(0)..below,
            since: None,
        };
        self.lake.delete_orphans(base, &window).await.map(|_| ())
    }

    /// What the build deletes once it has published, or before: both are right.
    async fn sweep(&self, claim: &mut Claim) -> Result<Option<Sweep>> {
        if !self.chance(40) {
            return Ok(None);
        }
        let base = claim.base().cloned();
        match self.variant {
            Variant::Protocol | Variant::AnyTail => {
                let runs = self.below(5) as usize;
                let keep = KeepFailedRuns { runs, days: 7 };
                return claim.declare_sweep(keep).await;
            }
            // what no maintenance may do: delete before the log says what is given up, or whatever looks like an orphan
            Variant::UndeclaredSweep => {
                self.delete_below(base.as_ref(), claim.number()).await?;
            }
            Variant::StaleSweep => {
                let any = ClaimNumber(u64::MAX);
                self.delete_below(base.as_ref(), any).await?;
            }
        }
        Ok(None)
    }

    /// Appends new exports to bronze and to the ledger; sometimes compacts bronze instead.
    async fn ingest(&self, build: &mut Build) -> Result<()> {
        let arrived = {
            let mut state = self.world.state();
            state.exports += state.random.below(3);
            state.exports
        };
        let known = self.rows(build, &ledger()).await?;
        let fresh: Vec<String> = (0..arrived)
            .map(|export| format!("export-{export}"))
            .filter(|export| !known.contains_key(export))
            .collect();
        if fresh.is_empty() {
            if self.chance(30) && build.base.contains_key(&bronze()) {
                return self.compact(build).await;
            }
            build
                .request
                .reads
                .extend(build.base.contains_key(&bronze()).then(bronze));
            return Ok(());
        }
        for name in [bronze(), ledger()] {
            let file = self.write_file(build, &name, &fresh).await?;
            let none = Removal::Files(BTreeSet::new());
            self.request_write(build, &name, none, vec![file], true)
                .await?;
        }
        Ok(())
    }

    async fn compact(&self, build: &mut Build) -> Result<()> {
        let rows = self.rows(build, &bronze()).await?;
        let file = self
            .write_file(build, &bronze(), &spelled_out(&rows))
            .await?;
        self.request_write(build, &bronze(), Removal::All, vec![file], false)
            .await
    }

    /// Replaces some files of a table by new ones, or by candidates of a run that died.
    async fn derive(&self, build: &mut Build, name: &TableName) -> Result<()> {
        if build.request.tables.contains_key(name) {
            return Ok(());
        }
        let published = build
            .base
            .get(name)
            .is_some_and(|entry| entry.kind == TableKind::Table);
        if published && self.chance(8) {
            build
                .request
                .tables
                .insert(name.clone(), TableChange::Retire);
            return Ok(());
        }
        if published && self.chance(8) {
            let facts = build.base[name].facts.clone();
            build
                .request
                .tables
                .insert(name.clone(), TableChange::Keep(facts));
            return Ok(());
        }
        let mut adds = Vec::new();
        for _ in 0..=self.below(2) {
            let row = format!("row-{}", self.below(50));
            adds.push(self.write_file(build, name, &[row]).await?);
        }
        adds.extend(self.candidate_of_a_dead_run(build, name));
        let mut removes = BTreeSet::new();
        if let Some(version) = self.base_version(build, name) {
            let live = self.tables.state(&name.location(), version).await?.files;
            removes.extend(live.into_keys().filter(|_| self.chance(40)));
        }
        // live already: nothing to add, nothing to take away
        adds.retain(|file| !removes.contains(&file.path));
        self.request_write(build, name, Removal::Files(removes), adds, true)
            .await
    }

    fn candidate_of_a_dead_run(&self, build: &Build, name: &TableName) -> Option<LiveFile> {
        let declared = matches!(self.variant, Variant::Protocol | Variant::AnyTail);
        let floor = if declared {
            build.claim.floors().runs_below.0
        } else {
            0
        };
        let prefix = format!("{}/", name.location());
        let found: Vec<String> = self
            .world
            .state()
            .checker
            .orphans()
            .into_iter()
            .filter_map(|path| path.strip_prefix(&prefix).map(str::to_string))
            .filter(|path| {
                CandidateName::claim_of(path)
                    .is_some_and(|claim| claim.0 >= floor && claim < build.claim.number())
            })
            .collect();
        if found.is_empty() || self.chance(30) {
            return None;
        }
        let path = found[self.below(found.len() as u64) as usize].clone();
        let rows = self.rows_in(name, [path.as_str()]);
        let size = serde_json::to_vec(&spelled_out(&rows)).unwrap().len() as u64;
        self.world.state().checker.reused += 1;
        Some(live_file(path, size))
    }

    fn rows_in<'a>(&self, name: &TableName, paths: impl IntoIterator<Item = &'a str>) -> Rows {
        let files: Files = paths
            .into_iter()
            .map(|path| (path.to_string(), live_file(path.to_string(), 0)))
            .collect();
        self.world.state().checker.rows_in(&name.location(), &files)
    }

    async fn write_file(
        &self,
        build: &mut Build,
        name: &TableName,
        rows: &[String],
    ) -> Result<LiveFile> {
        build.parts += 1;
        let file = CandidateName {
            claim: build.claim.number(),
            run: build.run.clone(),
            part: build.parts.to_string(),
        };
        let bytes = serde_json::to_vec(rows).unwrap();
        let file = live_file(file.to_string(), bytes.len() as u64);
        let path = format!("{}/{}", name.location(), file.path);
        self.lake.store().put(&path, bytes.into()).await?;
        Ok(file)
    }

    /// The version to build on: the newest, if only neutral commits came since the pin; the protocol checks that.
    fn base_version(&self, build: &Build, name: &TableName) -> Option<u64> {
        let entry = build.base.get(name)?;
        entry.version.filter(|_| entry.kind == TableKind::Table)
    }

    async fn rows(&self, build: &Build, name: &TableName) -> Result<Rows> {
        let Some(version) = self.base_version(build, name) else {
            return Ok(Rows::new());
        };
        let state = self.tables.state(&name.location(), version).await?;
        Ok(self.rows_in(name, state.files.keys().map(String::as_str)))
    }

    async fn request_write(
        &self,
        build: &mut Build,
        name: &TableName,
        removes: Removal,
        adds: Vec<LiveFile>,
        data_change: bool,
    ) -> Result<()> {
        let base = self.base_version(build, name);
        let mut target = match base {
            Some(version) => self.tables.state(&name.location(), version).await?.files,
            None => Files::new(),
        };
        match &removes {
            Removal::All => target.clear(),
            Removal::Files(paths) => target.retain(|path, _| !paths.contains(path)),
        }
        target.extend(adds.iter().map(|file| (file.path.clone(), file.clone())));
        let rows = self.rows_in(name, target.keys().map(String::as_str));
        let keeps = name.schema() == "identity";
        let facts = TableFacts {
            pipeline: "simulated".to_string(),
            fingerprints: Fingerprints::default(),
            built_from: BTreeMap::new(),
            digest: digest(&rows),
            rows: rows.values().sum(),
            bytes: 0,
            schema_hash: String::new(),
            rollback: if keeps {
                RollbackClass::Keeps
            } else {
                RollbackClass::Follows
            },
        };
        let write = TableWrite {
            location: name.location(),
            table_id: format!("id of {name}"),
            base,
            removes,
            adds,
            definition: Some(format!("definition {}", self.below(10) / 9)),
            data_change,
            facts,
        };
        build
            .request
            .tables
            .insert(name.clone(), TableChange::Write(write));
        Ok(())
    }

    pub(super) async fn rollback(self) -> Result<Ended> {
        self.rollback_to(None).await
    }

    async fn rollback_to(self, to: Option<ReleaseNumber>) -> Result<Ended> {
        let run = self.run_id();
        let mut claim = self.lake.claim(&run).await?;
        let Some(newest) = claim.base().map(|base| base.number.0) else {
            claim.yield_(YieldReason::NothingToDo).await?;
            return Ok(Ended::Otherwise);
        };
        let oldest = claim.floors().releases_below.0.max(1);
        let chosen = ReleaseNumber(oldest + self.below(newest + 1 - oldest));
        let request = RollbackRequest {
            to: to.unwrap_or(chosen),
            reason: "simulated".to_string(),
            writes: BTreeMap::new(),
            counts: BTreeMap::new(),
        };
        let number = claim.rollback(request).await?.number;
        self.world.state().checker.rolled_back += 1;
        Ok(Ended::Published(number, run))
    }

    pub(super) async fn resume(self) -> Result<Ended> {
        let mut claim = self.lake.claim(&self.run_id()).await?;
        claim.resume().await?;
        claim.yield_(YieldReason::NothingToDo).await?;
        Ok(Ended::Otherwise)
    }

    pub(super) async fn maintain(self) -> Result<Ended> {
        let mut claim = self.lake.claim(&self.run_id()).await?;
        let mut retirement = None;
        if let Some(newest) = claim.base().map(|base| base.number.0) {
            let floor = ReleaseNumber(newest.saturating_sub(self.below(3)).max(1));
            retirement = claim.declare_retired(floor, "simulated").await?;
        }
        // after a compaction is published, what was declared is deleted without a claim, however late
        claim.yield_(YieldReason::NothingToDo).await?;
        if let Some(retirement) = retirement {
            retirement.delete_all().await?;
        }
        Ok(Ended::Otherwise)
    }

    /// A foreign tool: mostly compacts, sometimes appends or changes the definition.
    pub(super) async fn foreign(self) -> Result<Ended> {
        let names = [bronze(), ledger(), "gold.customers".parse().unwrap()];
        let name = &names[self.below(3) as usize];
        let location = name.location();
        let Some(head) = self.tables.head(&location, None).await? else {
            return Ok(Ended::Otherwise);
        };
        if self.chance(10) {
            self.world.vacuum(&location);
            return Ok(Ended::Otherwise);
        }
        let state = self.tables.state(&location, head).await?;
        let path = format!("foreign-{}.parquet", self.world.clock.nonce());
        let appends = self.chance(25);
        let whole = state
            .files
            .keys()
            .all(|file| self.world.state().has(&format!("{location}/{file}")));
        if !appends && (state.files.len() < 2 || !whole) {
            return Ok(Ended::Otherwise);
        }
        let rows = if appends {
            vec![format!("foreign-{path}")]
        } else {
            spelled_out(&self.rows_in(name, state.files.keys().map(String::as_str)))
        };
        let bytes = serde_json::to_vec(&rows).unwrap();
        let entry = JsonEntry {
            release: None,
            adds: vec![live_file(path.clone(), bytes.len() as u64)],
            removes: if appends {
                Vec::new()
            } else {
                state.files.into_keys().collect()
            },
            data_change: appends,
            definition: (appends && self.chance(30)).then(|| "foreign definition".to_string()),
            tool: Some("another tool".to_string()),
            raises_protocol: self.chance(2),
        };
        let store = self.lake.store();
        store
            .put(&format!("{location}/{path}"), bytes.into())
            .await?;
        let bytes = serde_json::to_vec(&entry).unwrap();
        store
            .put_if_absent(&entry_path(&location, head + 1), bytes.into())
            .await?;
        Ok(Ended::Otherwise)
    }

    /// A kilde of a later format claims the lake, and is never seen again.
    pub(super) async fn newer(self) -> Result<Ended> {
        let store = self.lake.store();
        // nobody claims a lake that has no identity
        let format = super::FORMAT_OF_THE_LAKE;
        store
            .put_if_absent("_kilde/format.json", format.into())
            .await?;
        if !store.exists("_kilde/format.json").await? {
            return Ok(Ended::Otherwise);
        }
        let tail = self.lake.log().await?.tail();
        let mut entry = self.lake.log_entry(&self.run_id(), Event::Claim);
        entry.format = FORMAT + 1;
        log::append(store, tail + 1, &entry).await?;
        Ok(Ended::Otherwise)
    }

    /// Nothing that a store has shown before is believed any more.
    pub(super) fn forget(&self) {
        self.tables.forget();
    }

    /// I8: what a reader pins is one settled release, at least as new as when it asked, and it stays readable until it is
    /// retired.
    pub(super) async fn read(self) -> Result<Ended> {
        let (before, late) = {
            let state = self.world.state();
            (state.checker.releases.len() as u64, state.listed_late)
        };
        let current = self.lake.current().await?;
        // of a store whose listings are late nobody can know what is newest
        let sees_all = self.world.state().listed_late == late;
        let Some(release) = current else {
            let state = &mut self.world.state();
            if before > 0 && sees_all {
                state.checker.violate("I8", "a reader sees no release");
            }
            return Ok(Ended::Otherwise);
        };
        {
            let checker = &mut self.world.state().checker;
            let settled = checker.releases.get(release.number.0 as usize - 1);
            if settled != Some(&release) || (sees_all && release.number.0 < before) {
                checker.violate(
                    "I8 a reader pins what is not the newest release",
                    release.number,
                );
            }
        }
        for entry in release.tables.values() {
            let Some(version) = entry.version else {
                continue;
            };
            let state = self.lake.tables.state(&entry.location, version).await?;
            let mut world = self.world.state();
            let readable = release.number >= world.checker.floors.releases_below;
            for file in state.files.keys() {
                let object = format!("{}/{file}", entry.location);
                let vacuumed = world.checker.vacuumed.contains(&object);
                if readable && !vacuumed && !world.has(&object) {
                    world.checker.violate("I8 a reader misses a file", object);
                }
            }
        }
        Ok(Ended::Otherwise)
    }
}

fn live_file(path: String, size: u64) -> LiveFile {
    LiveFile {
        add: format!("add {path} {size}"),
        path,
        size,
    }
}

fn spelled_out(rows: &Rows) -> Vec<String> {
    let repeated = rows
        .iter()
        .flat_map(|(row, count)| std::iter::repeat_n(row.clone(), *count as usize));
    repeated.collect()
}
