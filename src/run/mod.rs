//! Executes a plan: the only module that knows all stages.
//!
//! ```text
//! observe ──▶ plan ──▶ claim ──▶ ingest, steps, tests (candidates) ──▶ publish ──▶ report
//!                └─ nothing to do: no claim, no write
//! ```
//!
//! In: a checked project and a selection. Out: a [`RunReport`]; on the way [`RunEvent`]s. Parses no YAML and prints
//! nothing. Whatever ends a run, the lake holds the old release or the new one.

mod adopt;
mod build;
mod candidate;
mod claim;
mod dbt;
mod decide;
mod decision;
mod delta;
mod diff;
mod doctor;
mod drift;
mod event;
mod execute;
mod exports;
mod give_up;
mod highlights;
mod history;
mod hold;
mod kept_report;
mod latest;
mod maintain;
mod matching;
mod observe;
mod openlineage;
mod operations;
mod ops_tables;
mod overview;
mod portrait;
mod prospect;
mod publication;
mod rebuild;
mod receipt;
mod report;
mod schedule;
mod show;
mod source;
mod step;
mod stop;
mod story;
mod summary;
mod tell;
mod testing;
mod unit_test;
mod uuid;
mod why;

pub(crate) use decide::{Decided, DecisionRequest};
pub(crate) use decision::Verb;
pub(crate) use diff::{DiffRequest, ReleaseDiff, RowsAsked, TableDiff, TableDifference};
pub(crate) use doctor::{Finding, Health};
pub use event::{Listener, RunEvent};
pub(crate) use exports::{ExportStatus, Exports, ListedExport, SourceExports};
#[cfg(test)]
pub(crate) use highlights::FigurePoint;
pub(crate) use highlights::{DiffPage, FigureSeries, GroupDiff, PeopleDiff, SourceRejects};
pub(crate) use kept_report::KeptReport;
pub(crate) use latest::LatestReport;
pub(crate) use maintain::{MaintainReport, MaintainRequest};
#[cfg(test)]
pub(crate) use matching::ReviewRecord;
pub(crate) use matching::{
    AgainstTruth, EntityStory, EstimateStory, JudgedByPeople, LearntLevel, LevelStory,
    MatchEvaluation, MatchForecast, MergeStory, ModelStory, PairStory, RatesStory, RefinedBlocks,
    Review, ReviewPair, TrainingStory,
};
pub(crate) use overview::{Overview, PeopleCount};
pub(crate) use portrait::{Portrait, PortraitRequest, PortraitTable};
pub use report::RunReport;
pub(crate) use report::{
    BrokenRule, ExportReport, HeldReport, OverdueReport, SourceReport, StepReport, TableOutcome,
    UnreadableReport,
};

pub(crate) use show::Shown;
pub use stop::{Stop, Stopper};
pub(crate) use story::{ReadSource, ReleaseStory};
pub use summary::RunSummary;
pub(crate) use unit_test::{UnitTestOutcome, UnitTestReport};
pub(crate) use why::Why;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::engine::{Engine, EngineOptions, FunctionRegistry};
use crate::error::{Error, Result};
use crate::ingest::Limits;
use crate::lake::DeltaLog;
use crate::name::{ReleaseNumber, TableName};
use crate::plan::{Observed, Outline, Plan, Selection, contract_draft, contract_draft_of_source};
use crate::project::{ContractDraft, Project};
use crate::release::{Boundary, Failpoint, Lake};
use crate::store::Store;

/// What a process may use.
#[derive(Clone, Debug)]
pub struct Resources {
    /// Threads that compute; results do not depend on it.
    pub threads: usize,
    /// Bytes for queries; `None`: 60 % of what is available.
    pub memory_limit: Option<u64>,
    /// Local folder for what does not fit in memory; `None`: the system's temporary folder.
    pub spill_dir: Option<PathBuf>,
    /// Bytes on disk; `None`: whatever the disk holds.
    pub spill_limit: Option<u64>,
}

/// What a build is asked to do.
#[derive(Clone, Debug)]
pub struct BuildRequest {
    pub(crate) selection: Selection,
    /// `$as_of`.
    pub(crate) as_of: DateTime<Utc>,
    /// Start nothing more after the first failure.
    pub(crate) fail_fast: bool,
    /// Warnings of tests are failures.
    pub(crate) warn_error: bool,
    /// Tables that keep their published version this time, whatever came for them.
    pub(crate) hold: BTreeSet<TableName>,
    /// Changes that break readers and are meant.
    pub(crate) allow_breaking: AllowBreaking,
    /// Tables of which a loss is accepted: of `replace` sources that their newest export has few records; of those made anew that
    /// they hold what cannot be made again; with a release that is given up, that exports of theirs are gone.
    pub(crate) accept: BTreeSet<TableName>,
    /// Published tables, by whole or short name, whose changes by other tools are published over.
    pub(crate) overrule: BTreeSet<String>,
    /// Published tables whose folder, log or files are lost, to be made anew.
    pub(crate) rebuild: BTreeSet<TableName>,
    /// A decided release that cannot be finished, to be given up.
    pub(crate) give_up: Option<ReleaseNumber>,
    /// Tables of `append` sources whose rows by other tools are taken over; their exports wait.
    pub(crate) adopt: BTreeSet<TableName>,
    /// How long to wait while another run holds the lake.
    pub(crate) wait: Duration,
}

/// What of published tables may be taken away this time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum AllowBreaking {
    #[default]
    Nothing,
    /// Of these tables, by whole or short name; they need no longer be in the project.
    Of(BTreeSet<String>),
    All,
}

impl AllowBreaking {
    fn allows(&self, table: &TableName) -> bool {
        match self {
            Self::Nothing => false,
            Self::All => true,
            Self::Of(names) => names.contains(&table.to_string()) || names.contains(table.name()),
        }
    }
}

impl BuildRequest {
    /// # Errors
    /// `Config` K0210 for each change that breaks readers and was not asked for.
    fn refuse_breaking(&self, plan: &Plan) -> Result<()> {
        let refused = plan.breaking.iter().filter(|breaking| {
            !self.allow_breaking.allows(&breaking.table) && !self.hold.contains(&breaking.table)
        });
        let refused: Vec<_> = refused.map(|breaking| breaking.refusal.clone()).collect();
        match refused.is_empty() {
            true => Ok(()),
            false => Err(Error::from_diagnostics(refused)),
        }
    }
}

impl BuildRequest {
    /// A build of a selection, with nothing special asked for.
    pub(crate) fn of(selection: Selection, as_of: DateTime<Utc>) -> Self {
        Self {
            selection,
            as_of,
            fail_fast: false,
            warn_error: false,
            hold: BTreeSet::new(),
            allow_breaking: AllowBreaking::Nothing,
            accept: BTreeSet::new(),
            overrule: BTreeSet::new(),
            rebuild: BTreeSet::new(),
            give_up: None,
            adopt: BTreeSet::new(),
            wait: Duration::ZERO,
        }
    }
}

/// Runs builds and other changes of one project's lake.
#[derive(Clone, Debug)]
pub struct Runner {
    pub(crate) project: Arc<Project>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) resources: Resources,
    pub(crate) functions: Arc<FunctionRegistry>,
    /// Every export that is known is read to see whether its content is.
    pub(crate) verifies_exports: bool,
    stop: Stop,
    /// Where files for other tools are written.
    artifacts: Option<PathBuf>,
}

impl Runner {
    /// A runner for a project; touches nothing yet.
    ///
    /// # Errors
    /// `Internal` where two functions of SQL claim one name.
    pub fn new(project: Arc<Project>, clock: Arc<dyn Clock>, resources: Resources) -> Result<Self> {
        let functions = Arc::new(crate::engine::project_functions(&project.functions)?);
        Ok(Self {
            project,
            clock,
            resources,
            functions,
            verifies_exports: false,
            stop: Stop::default(),
            artifacts: None,
        })
    }

    /// The same, which trusts no time of a file: every export that is known is read to see whether its content is.
    #[must_use]
    pub(crate) fn verifying_exports(mut self, verifies: bool) -> Self {
        self.verifies_exports = verifies;
        self
    }

    /// The same, and builds, tests and checks describe themselves to other tools in this folder: `manifest.json` and
    /// `run_results.json` in dbt's shapes.
    #[must_use]
    pub fn describing_into(mut self, folder: PathBuf) -> Self {
        self.artifacts = Some(folder);
        self
    }

    /// The same, and builds end when `stop` says so.
    #[must_use]
    pub fn until(mut self, stop: Stop) -> Self {
        self.stop = stop;
        self
    }

    /// The lake's read side; creates the lake's folder where it is missing, and removes what killed builds left in the
    /// spill folder.
    ///
    /// # Errors
    /// `Config` for a location that this version cannot use; `Unavailable` for storage that does not answer.
    pub(crate) fn catalog(&self, as_of: DateTime<Utc>) -> Result<Catalog> {
        let store = Store::open_or_create(&self.project.lake)?;
        let catalog = self.catalog_over(store, as_of)?;
        doctor::tidy_spill_folder(&catalog);
        Ok(catalog)
    }

    /// The lake's read side, for readers: nothing is created.
    ///
    /// # Errors
    /// `Config` where the lake does not exist.
    pub(crate) fn readable(&self, as_of: DateTime<Utc>) -> Result<Catalog> {
        self.readable_if_exists(as_of)?.ok_or_else(|| {
            Error::config("there is no lake yet")
                .at(self.project.lake.to_string())
                .help("`kilde build` makes one")
        })
    }

    /// The same; `None` where there is no lake yet.
    pub(crate) fn readable_if_exists(&self, as_of: DateTime<Utc>) -> Result<Option<Catalog>> {
        let store = Store::open_if_exists(&self.project.lake)?;
        store
            .map(|store| self.catalog_over(store, as_of))
            .transpose()
    }

    fn catalog_over(&self, store: Store, as_of: DateTime<Utc>) -> Result<Catalog> {
        let log = Arc::new(DeltaLog::new(store.clone()));
        let engine = Engine::new(EngineOptions {
            threads: self.resources.threads,
            memory_limit: self.resources.memory_limit.map(|bytes| bytes as usize),
            spill_dir: self
                .resources
                .spill_dir
                .clone()
                .unwrap_or_else(std::env::temp_dir),
            spill_limit: self.resources.spill_limit,
            lake: store.object_store(),
            lake_is_far: store.location().folder().is_none(),
            as_of,
            time_zone: self.project.time_zone,
        })?
        .with_functions(&self.functions)?;
        let lake = Lake::open(store, Arc::clone(&log) as _, Arc::clone(&self.clock))
            .with_failpoint(failpoint_of_environment())
            .with_signs_of_life();
        let functions = Arc::clone(&self.functions);
        Ok(Catalog::new(lake, log, Arc::new(engine), functions))
    }

    /// What the decoder of an export may use.
    fn decoder_limits(&self) -> Limits {
        Limits {
            max_record_bytes: self.project.max_record_bytes,
            threads: self.resources.threads,
        }
    }

    /// What a build would do, and why. Writes nothing.
    ///
    /// # Errors
    /// Every mistake of the project, or what [`Runner::catalog`] gives.
    pub(crate) async fn plan(&self, request: &BuildRequest) -> Result<(Observed, Plan)> {
        observe::refuse_without_raw(&self.project)?;
        let catalog = self.readable_if_exists(request.as_of)?;
        let mut observation = match &catalog {
            Some(catalog) => observe::observe(self, catalog, request.as_of).await?,
            None => observe::observe_without_lake(self, request.as_of).await?,
        };
        observation.refuse_without_raw(&self.project)?;
        if let Some(catalog) = &catalog {
            observation.observed.decided = catalog.lake().status().await?.unsettled;
        }
        let mut plan = self
            .plan_on(catalog.as_ref(), &observation, request)
            .await?;
        self.tell_drift(catalog.as_ref(), &observation, &mut plan)
            .await?;
        Ok((observation.observed, plan))
    }

    /// The contract that a table's SQL proves; of a source what its exports brought beside it. Reads no data.
    ///
    /// # Errors
    /// `Config` for a source of which nothing is known beside its contract, and for mistakes that hide what the SQL means.
    pub(crate) async fn draft_contract(&self, table: &TableName) -> Result<ContractDraft> {
        if self.project.sources.contains_key(table) {
            let now = self.clock.now();
            let published = match self.readable_if_exists(now)? {
                Some(catalog) => {
                    observe::observe(self, &catalog, now)
                        .await?
                        .observed
                        .release
                }
                None => None,
            };
            let published = published.as_ref().and_then(|r| r.tables.get(table));
            return contract_draft_of_source(table, published);
        }
        let outline = Outline::new(&self.project, &self.functions, DateTime::UNIX_EPOCH);
        contract_draft(&self.project, &outline, table)
    }

    /// The plan, with what it does to the columns that are published.
    async fn plan_on(
        &self,
        catalog: Option<&Catalog>,
        observation: &observe::Observation,
        request: &BuildRequest,
    ) -> Result<Plan> {
        let (project, observed) = (&observation.project, &observation.observed);
        let mut plan = Plan::new(project, observed, &request.selection, &self.functions)?;
        let mut published = BTreeMap::new();
        for table in plan.recontracted(observed) {
            let release = observation.release.as_ref();
            let entry = release.and_then(|release| release.table(&table));
            if let (Some(catalog), Some(entry)) = (catalog, entry) {
                let content = catalog.content(&table, entry).await?;
                published.insert(table, content.file_set.schema);
            }
        }
        plan.compare_columns(project, &published, &request.selection);
        Ok(plan)
    }
}

/// Tests stop the process at a boundary of the protocol by `KILDE_FAILPOINT=after_staging`; with the prefix `pause_` it sleeps
/// there for a minute first. With `held_` it lays down the file `KILDE_FAILPOINT_FILE` and goes on once somebody takes it away, or
/// after a minute. Unset, and for everyone else, nothing happens.
fn failpoint_of_environment() -> Failpoint {
    let Ok(wanted) = std::env::var("KILDE_FAILPOINT") else {
        return Failpoint::default();
    };
    let file = std::env::var_os("KILDE_FAILPOINT_FILE").map(PathBuf::from);
    let is_at = |name: &str, boundary: Boundary| boundary.name() == name;
    match (wanted.strip_prefix("held_").map(str::to_string), file) {
        (Some(name), Some(file)) => Failpoint::new(move |boundary| {
            if is_at(&name, boundary) {
                wait_until_taken_away(&file)?;
            }
            Ok(())
        }),
        _ => Failpoint::new(move |boundary| {
            let pauses = wanted.strip_prefix("pause_");
            if is_at(pauses.unwrap_or(&wanted), boundary) {
                let seconds = if pauses.is_some() { 60 } else { 0 };
                std::thread::sleep(Duration::from_secs(seconds));
                // as a kill does: no destructor runs, nothing is given back
                std::process::abort();
            }
            Ok(())
        }),
    }
}

/// Says by a file that a boundary is reached, and waits there.
fn wait_until_taken_away(file: &Path) -> Result<()> {
    let place = || file.display().to_string();
    std::fs::write(file, "").map_err(|error| {
        Error::unavailable("a boundary cannot be told of")
            .at(place())
            .caused_by(error)
    })?;
    for _ in 0..12_000 {
        if !file.exists() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Err(Error::internal("nobody lets the process go on").at(place()))
}
