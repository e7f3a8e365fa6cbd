//! The tables of a plan, each after its inputs: one executor per kind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use tokio::sync::{OnceCell, Semaphore};

use super::matching::Found;
use super::observe::Observation;
use super::ops_tables::Ingested;
use super::prospect::Prospect;
use super::report::{
    ExportReport, FailureReport, RefusedExport, RunReport, SourceReport, StepReport, TableOutcome,
};
use super::{BuildRequest, Listener, RunEvent, Runner, report, schedule};
use crate::catalog::{Candidate, Catalog, Content};
use crate::clock::Stopwatch;
use crate::error::{Error, Result};
use crate::name::{ClaimNumber, RunId, TableName};
use crate::plan::{Action, Kind, ObservedExport, Plan, TablePlan};
use crate::quality::Verdict;
use crate::release::Claim;

/// A build under way: what every executor needs to know.
pub(super) struct Execution {
    pub(super) runner: Runner,
    pub(super) request: BuildRequest,
    pub(super) catalog: Catalog,
    pub(super) claim: ClaimNumber,
    pub(super) run: RunId,
    pub(super) observation: Observation,
    pub(super) plan: Plan,
    pub(super) listener: Listener,
    /// What tables hold now: published, or this run's candidates. Filled when first asked for.
    contents: Mutex<BTreeMap<TableName, Content>>,
    /// Ephemeral results that are read more than once.
    scratch: Mutex<BTreeMap<TableName, Arc<OnceCell<Content>>>>,
    /// What match steps found, by the tables of their ids.
    found: Mutex<BTreeMap<TableName, Arc<Found>>>,
    /// How often tables were computed again after a late hold.
    round: AtomicU32,
    /// One permit for each export that may be decoded at once.
    pub(super) decoders: Arc<Semaphore>,
    state: Mutex<Executed>,
}

/// What has become of the tables.
#[derive(Clone, Debug, Default)]
pub(super) struct Executed {
    pub(super) outcomes: BTreeMap<TableName, TableResult>,
    pub(super) verdicts: Vec<Verdict>,
    pub(super) ingested: BTreeMap<TableName, Ingested>,
    /// The same of sources that are held: it is in no release, and people want to see why.
    pub(super) withheld: BTreeMap<TableName, Ingested>,
    /// What else steps found, in words.
    notes: BTreeMap<TableName, String>,
    /// Exports for which a source could not be loaded.
    refused: BTreeMap<TableName, Vec<RefusedExport>>,
    /// The export for which a source was held before and is held again, not decoded.
    remembered: BTreeMap<TableName, String>,
    /// Queries that show the rows on which a step failed.
    rows_sql: BTreeMap<TableName, String>,
    order: Vec<TableName>,
}

/// What has become of one table.
#[derive(Clone, Debug)]
pub(super) struct TableResult {
    pub(super) table: TableName,
    pub(super) kind: Kind,
    pub(super) outcome: TableOutcome,
    pub(super) reasons: Vec<String>,
    /// The table as it would be published; `None` where it is as it was, or could not be made.
    pub(super) content: Option<Content>,
    /// What was made and is not published, since the table is held.
    pub(super) refused: Option<Content>,
    /// Digests of the published inputs that it was computed from.
    pub(super) built_from: BTreeMap<TableName, String>,
    pub(super) rows: u64,
    pub(super) row_change: i64,
    /// When work on it began, if any did.
    pub(super) started_at: Option<DateTime<Utc>>,
    pub(super) seconds: f64,
}

impl TableResult {
    pub(super) fn new(plan: &TablePlan, outcome: TableOutcome) -> Self {
        Self {
            table: plan.table.clone(),
            kind: plan.kind,
            outcome,
            reasons: plan.reasons.iter().map(ToString::to_string).collect(),
            content: None,
            refused: None,
            built_from: plan.built_from.clone(),
            rows: 0,
            row_change: 0,
            started_at: None,
            seconds: 0.0,
        }
    }

    /// The same, with the rows of what it is now and the change from what was published.
    pub(super) fn counting(mut self, rows: u64, before: Option<u64>) -> Self {
        self.rows = rows;
        self.row_change = rows as i64 - before.unwrap_or(0) as i64;
        self
    }
}

impl Execution {
    pub(super) fn new(
        runner: &Runner,
        request: &BuildRequest,
        catalog: &Catalog,
        claim: &Claim,
        prospect: Prospect,
        listener: Listener,
    ) -> Arc<Self> {
        let Prospect { observation, plan } = prospect;
        Arc::new(Self {
            runner: Runner {
                project: Arc::clone(&observation.project),
                ..runner.clone()
            },
            request: request.clone(),
            catalog: catalog.clone(),
            claim: claim.number(),
            run: claim.run().clone(),
            observation,
            plan,
            listener,
            contents: Mutex::default(),
            scratch: Mutex::default(),
            found: Mutex::default(),
            round: AtomicU32::new(0),
            decoders: Arc::new(Semaphore::new(runner.resources.threads.max(1))),
            state: Mutex::default(),
        })
    }

    /// Executes everything that the plan asks for. Tests that read other tables run last.
    pub(super) async fn run(self: Arc<Self>) -> Result<Executed> {
        let inputs: BTreeMap<TableName, Vec<TableName>> = self
            .plan
            .tables
            .values()
            .map(|table| (table.table.clone(), table.inputs.clone()))
            .collect();
        let limit = self.runner.resources.threads;
        let mut order = self.plan.order.clone();
        loop {
            schedule::in_order(&order, &inputs, limit, |table| {
                let execution = Arc::clone(&self);
                async move { execution.table(table).await }
            })
            .await?;
            match self.judge_across_tables().await? {
                None => break,
                Some(held) => order = self.start_over(&held),
            }
        }
        let mut state = self
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        state.order = self.plan.order.clone();
        state
            .verdicts
            .sort_by(|a, b| (&a.table, &a.test).cmp(&(&b.table, &b.test)));
        Ok(state)
    }

    /// One table, whatever its kind; says whether the build goes on.
    async fn table(self: Arc<Self>, table: TableName) -> bool {
        let Some(plan) = self.plan.tables.get(&table) else {
            return true;
        };
        let broken = plan
            .inputs
            .iter()
            .find_map(|input| self.root_of_failure(input));
        let watch = Stopwatch::start();
        let (mut failure, mut started_at) = (None, None);
        let mut result = match (&plan.action, broken) {
            (Action::Unchanged | Action::NotSelected, _)
                if !plan.is_overdue()
                    && !plan.is_refused(self.request.warn_error)
                    && !self.request.adopt.contains(&table) =>
            {
                TableResult::new(plan, TableOutcome::Unchanged)
            }
            (_, Some(input)) => TableResult::new(plan, TableOutcome::Skipped(input)),
            _ if self.request.hold.contains(&table) => self.held_untried(plan),
            _ => {
                (self.listener)(RunEvent::Started(table.clone()));
                started_at = Some(self.runner.clock.now());
                let done = match plan.kind {
                    Kind::Source => self.source(plan).await,
                    Kind::Table | Kind::Seed | Kind::Match | Kind::MatchSide => {
                        self.step(plan).await
                    }
                    // computed by its first reader, or never
                    Kind::Ephemeral => Ok(TableResult::new(plan, TableOutcome::Unchanged)),
                };
                done.unwrap_or_else(|error| {
                    let report = FailureReport::of(&table, &error);
                    failure = Some(error);
                    TableResult::new(plan, TableOutcome::Failed(report))
                })
            }
        };
        if matches!(
            result.outcome,
            TableOutcome::Written | TableOutcome::SameResult
        ) && !self.failed_verdicts(plan).is_empty()
        {
            result.outcome = TableOutcome::TestsFailed;
        }
        result = match self
            .hold_or_fail(plan, result, failure.as_ref(), &self.failed_verdicts(plan))
            .await
        {
            Ok(result) => result,
            Err(error) => TableResult::new(
                plan,
                TableOutcome::Failed(FailureReport::of(&table, &error)),
            ),
        };
        result.seconds = watch.elapsed().as_secs_f64();
        result.started_at = started_at;
        if started_at.is_some() {
            (self.listener)(RunEvent::Finished {
                table: table.clone(),
                outcome: result.outcome.name(),
                rows: result.rows,
                seconds: result.seconds,
            });
        }
        if let Some(content) = &result.content {
            self.lock_contents().insert(table.clone(), content.clone());
        }
        let failed = matches!(
            result.outcome,
            TableOutcome::Failed(_) | TableOutcome::TestsFailed
        );
        self.lock_state().outcomes.insert(table, result);
        !(failed && self.request.fail_fast)
    }

    pub(super) fn is_broken(&self, table: &TableName) -> bool {
        self.root_of_failure(table).is_some()
    }

    /// The table that failed, where this one did or was not tried since one that it stands on did.
    fn root_of_failure(&self, table: &TableName) -> Option<TableName> {
        match &self.lock_state().outcomes.get(table)?.outcome {
            TableOutcome::Failed(_) | TableOutcome::TestsFailed => Some(table.clone()),
            TableOutcome::Skipped(root) => Some(root.clone()),
            _ => None,
        }
    }

    /// What a table holds now: this run's candidate, else the published version.
    ///
    /// # Errors
    /// `Internal` where it was neither published nor made; a plan rules that out.
    pub(super) async fn content(&self, table: &TableName) -> Result<Content> {
        if let Some(content) = self.lock_contents().get(table) {
            return Ok(content.clone());
        }
        let content = self
            .published(table)
            .await?
            .ok_or_else(|| Error::internal(format!("`{table}` is read before it was made")))?;
        self.lock_contents().insert(table.clone(), content.clone());
        Ok(content)
    }

    /// The published version; `None` where there is none.
    pub(super) async fn published(&self, table: &TableName) -> Result<Option<Content>> {
        let entry = self
            .observation
            .release
            .as_ref()
            .and_then(|release| release.table(table));
        match entry {
            Some(entry) => self.catalog.content(table, entry).await.map(Some),
            None => Ok(None),
        }
    }

    /// Digest of what a table holds now; `None` where it holds nothing yet.
    pub(super) fn digest(&self, table: &TableName) -> Option<String> {
        if let Some(content) = self.lock_contents().get(table) {
            return Some(content.digest.clone());
        }
        let release = self.observation.release.as_ref()?;
        release.table(table).map(|entry| entry.facts.digest.clone())
    }

    pub(super) fn record_note(&self, table: &TableName, note: String) {
        self.lock_state().notes.insert(table.clone(), note);
    }

    pub(super) fn record_rows_sql(&self, table: &TableName, sql: String) {
        self.lock_state().rows_sql.insert(table.clone(), sql);
    }

    pub(super) fn record(&self, verdicts: Vec<Verdict>) {
        self.lock_state().verdicts.extend(verdicts);
    }

    pub(super) fn record_ingested(&self, table: &TableName, ingested: Ingested) {
        self.lock_state().ingested.insert(table.clone(), ingested);
    }

    /// Says of an export that its source cannot be loaded for it.
    /// `found`: what it holds, as far as it was read.
    pub(super) fn record_refused(
        &self,
        table: &TableName,
        export: &ObservedExport,
        error: &Error,
        found: Option<ExportReport>,
    ) {
        let refused = RefusedExport {
            path: export.path.clone(),
            size: export.size,
            modified_at: export.modified_at,
            reason: match error.advice() {
                Some(advice) => format!("{error}; {advice}"),
                None => error.to_string(),
            },
            message: error.to_string(),
            found,
            tag: self
                .observation
                .remembered(table, &export.path)
                .and_then(|seen| seen.tag),
            refusal: report::Refusal::of(error, &self.judged_by(table)),
        };
        let mut state = self.lock_state();
        state
            .refused
            .entry(table.clone())
            .or_default()
            .push(refused);
    }

    /// Says of a source that it is held again for an export that is as it was.
    pub(super) fn record_remembered(&self, table: &TableName, path: &str) {
        let mut state = self.lock_state();
        state.remembered.insert(table.clone(), path.to_string());
    }

    pub(super) fn verdicts(&self) -> Vec<Verdict> {
        self.lock_state().verdicts.clone()
    }

    /// Withholds what a table that is held would have brought: its candidate and its new exports.
    pub(super) fn take_back(&self, table: &TableName) {
        self.lock_contents().remove(table);
        let mut state = self.lock_state();
        if let Some(ingested) = state.ingested.remove(table) {
            state.withheld.insert(table.clone(), ingested);
        }
    }

    /// Judges the tests that read other tables. The first table that fails one and may be held is; its name is given, since
    /// what stands on it must be computed again.
    async fn judge_across_tables(&self) -> Result<Option<TableName>> {
        let verdicts = self.test_across_tables().await?;
        let failed: BTreeSet<TableName> = verdicts
            .iter()
            .filter(|verdict| self.request.fails(verdict))
            .map(|verdict| verdict.table.clone())
            .collect();
        for table in self
            .plan
            .order
            .iter()
            .filter(|table| failed.contains(table))
        {
            let (Some(plan), Some(mut result)) = (self.plan.tables.get(table), self.result(table))
            else {
                continue;
            };
            result.outcome = TableOutcome::TestsFailed;
            let of_table = verdicts.iter().filter(|v| v.table == *table);
            let mut all = self.verdicts();
            all.extend(of_table.clone().cloned());
            let result = self
                .hold_or_fail(plan, result, None, &self.failed_of(plan, all))
                .await?;
            if matches!(result.outcome, TableOutcome::Held(_)) {
                self.record(of_table.cloned().collect());
                self.lock_state().outcomes.insert(table.clone(), result);
                return Ok(Some(table.clone()));
            }
        }
        for table in &failed {
            if let Some(result) = self.lock_state().outcomes.get_mut(table) {
                result.outcome = TableOutcome::TestsFailed;
            }
        }
        self.record(verdicts);
        Ok(None)
    }

    /// Everything that stands on a table becomes undone, to be done again; gives it in order.
    fn start_over(&self, held: &TableName) -> Vec<TableName> {
        let mut undone: BTreeSet<&TableName> = BTreeSet::from([held]);
        let mut order = Vec::new();
        for table in &self.plan.order {
            let inputs = self.plan.tables.get(table).map(|plan| &plan.inputs);
            if inputs
                .into_iter()
                .flatten()
                .any(|input| undone.contains(input))
            {
                undone.insert(table);
                order.push(table.clone());
            }
        }
        self.round.fetch_add(1, Ordering::Relaxed);
        let is_undone = |table: &TableName| order.contains(table);
        self.lock_contents().retain(|table, _| !is_undone(table));
        self.lock_scratch().retain(|table, _| !is_undone(table));
        self.lock_found().retain(|table, _| !is_undone(table));
        let mut state = self.lock_state();
        state.outcomes.retain(|table, _| !is_undone(table));
        state.verdicts.retain(|verdict| !is_undone(&verdict.table));
        state.notes.retain(|table, _| !is_undone(table));
        state.rows_sql.retain(|table, _| !is_undone(table));
        drop(state);
        order
    }

    /// Number of a series of files that no other attempt of this run writes.
    pub(super) fn file_series(&self, attempt: u32) -> u32 {
        // an attempt is the first, or the second with joins that spill
        self.round.load(Ordering::Relaxed) * 2 + attempt
    }

    /// Where the result of an ephemeral step is kept.
    pub(super) fn scratch(&self, table: &TableName) -> Arc<OnceCell<Content>> {
        Arc::clone(self.lock_scratch().entry(table.clone()).or_default())
    }

    pub(super) fn result(&self, table: &TableName) -> Option<TableResult> {
        self.lock_state().outcomes.get(table).cloned()
    }

    /// What came of every table of this run.
    pub(super) fn results(&self) -> Vec<TableResult> {
        self.lock_state().outcomes.values().cloned().collect()
    }

    fn lock_scratch(
        &self,
    ) -> std::sync::MutexGuard<'_, BTreeMap<TableName, Arc<OnceCell<Content>>>> {
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lock_found(&self) -> std::sync::MutexGuard<'_, BTreeMap<TableName, Arc<Found>>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_contents(&self) -> std::sync::MutexGuard<'_, BTreeMap<TableName, Content>> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_state(&self) -> std::sync::MutexGuard<'_, Executed> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Executed {
    /// What failed tests may be looked at in.
    pub(super) fn candidates(
        &self,
        wanted: impl Fn(&TableResult) -> bool,
    ) -> BTreeMap<TableName, Candidate> {
        let contents = self
            .outcomes
            .values()
            .filter(|result| wanted(result))
            .filter_map(|result| result.content.as_ref().or(result.refused.as_ref()));
        contents
            .filter(|content| content.version.is_none())
            .map(|content| (content.name.clone(), Candidate::of(content)))
            .collect()
    }

    /// Fills the report.
    pub(super) fn describe(&self, report: &mut RunReport) {
        for table in &self.order {
            let Some(result) = self.outcomes.get(table) else {
                continue;
            };
            match result.kind {
                Kind::Source => report.sources.push(self.source_report(result)),
                Kind::Table | Kind::Seed | Kind::Match | Kind::MatchSide => {
                    report.steps.push(StepReport {
                        table: table.clone(),
                        outcome: result.outcome.clone(),
                        reasons: result.reasons.clone(),
                        rows: result.rows,
                        row_change: result.row_change,
                        started_at: result.started_at,
                        seconds: result.seconds,
                        note: self.notes.get(&result.table).cloned(),
                        rows_sql: self.rows_sql.get(&result.table).cloned(),
                    })
                }
                Kind::Ephemeral => {}
            }
        }
        report.verdicts.clone_from(&self.verdicts);
    }

    fn source_report(&self, result: &TableResult) -> SourceReport {
        let none = Ingested::default();
        let ingested = self.ingested.get(&result.table).unwrap_or(&none);
        let exports: Vec<ExportReport> = ingested.export_reports();
        SourceReport {
            table: result.table.clone(),
            outcome: result.outcome.clone(),
            bytes: ingested.bytes(),
            records: exports.iter().map(|export| export.records).sum(),
            accepted: exports
                .iter()
                .map(|export| export.records - export.rejected)
                .sum(),
            rejected: exports.iter().map(|export| export.rejected).sum(),
            exports,
            retracted: ingested
                .retracted
                .iter()
                .map(|entry| entry.path.clone())
                .collect(),
            refused: self.refused.get(&result.table).cloned().unwrap_or_default(),
            remembered: self.remembered.get(&result.table).cloned(),
            withheld_rejects: self
                .withheld
                .get(&result.table)
                .map_or(0, Ingested::rejected),
            rows: result.rows,
            row_change: result.row_change,
            started_at: result.started_at,
            seconds: result.seconds,
            ignored_columns: BTreeSet::new(),
            newly_ignored: BTreeSet::new(),
            drift: BTreeSet::new(),
            newly_drifted: BTreeSet::new(),
        }
    }
}
