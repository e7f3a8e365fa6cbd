//! `Runner::build`: from observing to the report.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::claim::{give_back, told_given_up, yield_reason};
use super::dbt::Invocation;
use super::execute::{Executed, Execution};
use super::latest::LatestReport;
use super::observe::Observation;
use super::report::{
    BaseRelease, OverdueReport, OverruledReport, RunReport, TableOutcome, UnreadableReport,
};
use super::summary::RunSummary;
use super::{BuildRequest, Listener, RunEvent, Runner, hold, observe};
use crate::catalog::{Asked, Catalog};
use crate::clock::Stopwatch;
use crate::error::{Error, ErrorKind, Result};
use crate::name::{RunId, TableName};
use crate::plan::{Action, Plan, Shapes, TablePlan};
use crate::release::{Claim, KeepFailedRuns, Release, Sweep, YieldReason};

impl Runner {
    /// Reads new exports, computes what is stale, tests it and publishes one release; or finds nothing to do and writes
    /// nothing. Failed tests and data are in the report, not an error.
    ///
    /// # Errors
    /// `Config` for a project with mistakes or a paused lake; `Conflict` while another run holds the lake; what storage
    /// gives. Nothing was published then, unless the error says so.
    pub(crate) async fn build(
        &self,
        request: &BuildRequest,
        listener: Listener,
    ) -> Result<RunReport> {
        let watch = Stopwatch::start();
        let run = self.clock.run_id();
        let mut report = self.new_report(&run, request, None);
        listener(RunEvent::Began(run.clone()));
        let mut course = Course::default();
        let ended = self
            .attempt(request, &listener, &mut report, &mut course)
            .await;
        report.finish(&watch);
        let error = ended.as_ref().err();
        if let Some(error) = error {
            report.fail_with(error);
            // nobody prints a report beside an error
            report
                .told_of_base()
                .for_each(|text| listener(RunEvent::Warning(text)));
        }
        let before = match &course.claimed {
            Some(catalog) => self.report_before(catalog, &report).await,
            None => None,
        };
        report.compare_drift(before.as_ref());
        let target = self.project.target.as_deref();
        let summary = RunSummary::of(&report, target, error, self.clock.now());
        // a run that was overtaken is no longer the last one
        let overtaken = error.is_some_and(|error| error.kind() == ErrorKind::Conflict);
        if let Some(catalog) = course.claimed.filter(|_| !overtaken)
            && let Err(error) = self.keep_report(&catalog, &report, &summary).await
        {
            let text = format!("the report of this run is not kept: {}", error.brief());
            listener(RunEvent::Warning(text));
        }
        self.write_receipts(&report, &listener).await;
        self.tell_lineage(course.shapes.as_ref(), &report, &summary, &listener)
            .await;
        if let Some(shapes) = &course.shapes {
            self.describe(shapes, &listener, |artifacts| {
                let invocation = Invocation {
                    command: "build",
                    run: summary.run.clone(),
                    started_at: summary.started_at,
                    ended_at: summary.ended_at,
                };
                artifacts.write_manifest(&invocation)?;
                artifacts.write_results(&invocation, &report)
            });
        }
        self.tell(&summary, &listener).await;
        listener(RunEvent::Ended(Box::new(summary)));
        ended.map(|()| report)
    }

    /// What the run reported that published the release below; reports are deleted in time, and a rollback has none.
    async fn report_before(&self, catalog: &Catalog, report: &RunReport) -> Option<RunReport> {
        let run = report.base.as_ref()?.run.as_ref()?;
        RunReport::recall(run, catalog.lake()).await
    }

    /// The build itself; fills the report, and says where it claimed.
    async fn attempt(
        &self,
        request: &BuildRequest,
        listener: &Listener,
        report: &mut RunReport,
        course: &mut Course,
    ) -> Result<()> {
        let look = self.look(request, listener, report, course);
        let looked = self.stop.unless(look).await?;
        let Some((catalog, observation, plan)) = looked else {
            if let Some(catalog) = course.stale.take() {
                report.latest = self.mend_latest(&catalog, &report.run, listener).await?;
            }
            return Ok(());
        };
        let give_up = request.gives_up(&self.project);
        let (mut claim, has_waited) = self
            .claim(
                &catalog,
                &report.run,
                (request.wait, give_up.as_ref()),
                listener,
            )
            .await?;
        course.claimed = Some(catalog.clone());
        if let Some(base) = claim.base().filter(|_| claim.has_settled()) {
            report.given_up = base.is_given_up().then_some(base.number);
            report.overruled = OverruledReport::unasked(base, &BTreeSet::new());
        }
        let prepared = self
            .prepare(
                request,
                &catalog,
                &mut claim,
                (observation, plan, has_waited),
                report,
            )
            .await;
        let (observation, plan, sweep) = match prepared {
            Ok(Some(prepared)) => prepared,
            Ok(None) => return claim.yield_(YieldReason::NothingToDo).await,
            Err(error) => {
                let reason = match yield_reason(&error) {
                    YieldReason::Interrupted => YieldReason::Interrupted,
                    _ => YieldReason::NothingToDo,
                };
                give_back(claim, reason).await;
                return Err(error);
            }
        };
        let execution = Execution::new(
            self,
            request,
            &catalog,
            &claim,
            observation,
            plan,
            Arc::clone(listener),
        );
        let executed = self.stop.unless(Arc::clone(&execution).run()).await;
        let concluded = self.conclude(&execution, executed, claim, report).await;
        // nobody waits for it, and a release that stands does not fail with it
        if let (Ok(()), Some(sweep)) = (&concluded, sweep)
            && let Err(error) = sweep.delete().await
        {
            let text = format!("what dead runs left is not all deleted: {}", error.brief());
            listener(RunEvent::Warning(text));
        }
        concluded
    }

    /// All that comes before the claim; `None` where the run ends here, as the report says.
    async fn look(
        &self,
        request: &BuildRequest,
        listener: &Listener,
        report: &mut RunReport,
        course: &mut Course,
    ) -> Result<Option<(Catalog, Observation, Plan)>> {
        observe::refuse_without_raw(&self.project)?;
        let catalog = self.catalog(request.as_of)?.asked_for(Asked {
            command: request.once_more(&[]),
            anew: request.rebuild.clone(),
        });
        request
            .refuse_vain_rebuilds(&self.project, &catalog)
            .await?;
        let answers = !request.adopt.is_empty() || !request.overrule.is_empty();
        if answers && request.give_up.is_none() {
            // what is answered may have been answered by what was decided
            self.finish_unseen(&catalog, &report.run, request.wait, listener)
                .await?;
        }
        let anew = request.anew(&self.project);
        let observing = observe::observe_without(self, &catalog, request.as_of, &anew);
        let mut observation = match observing.await {
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                self.finish_decided(request, &catalog, &report.run, error, listener)
                    .await?;
                observe::observe_without(self, &catalog, request.as_of, &anew).await?
            }
            observed => observed?,
        };
        observation.observed.adopts.clone_from(&request.adopt);
        report.base = observation.release.as_ref().map(BaseRelease::of);
        observation.refuse_without_raw(&self.project)?;
        observation.refuse_lost_decisions()?;
        if request.give_up.is_none() {
            // what cannot be finished is given up first, for nobody could resume before
            observation.refuse_if_paused()?;
        }
        request
            .refuse_vain_give_up(&self.project, &catalog, &observation)
            .await?;
        let plan = self.plan_on(Some(&catalog), &observation, request).await?;
        request.refuse_unselected_rebuilds(&plan)?;
        let is_wanted = self.artifacts.is_some() || self.project.openlineage.is_some();
        course.shapes = is_wanted.then(|| plan.shapes());
        request.refuse_holds(&plan, observation.release.as_ref())?;
        request.refuse_breaking(&plan)?;
        request
            .refuse_vain_answers(&self.project, &catalog, observation.release.as_ref())
            .await?;
        if !has_work(&plan, request, observation.release.as_ref()) {
            let finishing = self.finish_unseen(&catalog, &report.run, request.wait, listener);
            if finishing.await? {
                // it may be a rollback, or say more of the exports than the one before
                return Box::pin(self.look(request, listener, report, course)).await;
            }
            report.describe_unchanged(&plan, &observation);
            if let Some(release) = &observation.release {
                match self.has_stale_files(&catalog, release).await {
                    Ok(true) => course.stale = Some(catalog),
                    Ok(false) => {}
                    Err(error) => report.latest = Some(LatestReport::failed(&error)),
                }
            }
            return Ok(None);
        }
        report.unit_tests = self.run_unit_tests(&plan.unit_tests()).await?;
        report.failure = report.unit_test_failure();
        Ok(report
            .failure
            .is_none()
            .then_some((catalog, observation, plan)))
    }

    /// What was planned, or planned again where another release came between; `None` where nothing is left to do.
    async fn prepare(
        &self,
        request: &BuildRequest,
        catalog: &Catalog,
        claim: &mut Claim,
        (mut observation, mut plan, is_old): (Observation, Plan, bool),
        report: &mut RunReport,
    ) -> Result<Option<(Observation, Plan, Option<Sweep>)>> {
        if let Some(pause) = claim.pause() {
            return Err(observe::paused(&pause));
        }
        let base = claim.base().map(|base| base.number);
        let planned_on = observation.release.as_ref().map(|release| release.number);
        if is_old || base != planned_on {
            // a dead rival's release was settled, or one was published since we looked
            request.refuse_vain_rebuilds(&self.project, catalog).await?;
            let anew = request.anew(&self.project);
            observation = observe::observe_without(self, catalog, request.as_of, &anew).await?;
            observation.observed.adopts.clone_from(&request.adopt);
            observation.refuse_without_raw(&self.project)?;
            report.base = observation.release.as_ref().map(BaseRelease::of);
            plan = self.plan_on(Some(catalog), &observation, request).await?;
            request.refuse_holds(&plan, observation.release.as_ref())?;
            request.refuse_breaking(&plan)?;
            if !has_work(&plan, request, observation.release.as_ref()) {
                report.describe_unchanged(&plan, &observation);
                return Ok(None);
            }
        }
        let following = observation.follow_foreign_work(catalog);
        let changed = self.stop.unless(following).await?;
        request.refuse_foreign_changes(&plan, observation.release.as_ref(), changed)?;
        let sweep = claim.declare_sweep(KeepFailedRuns::default());
        let sweep = self.to_its_end(catalog, sweep).await?;
        Ok(Some((observation, plan, sweep)))
    }

    /// Publishes what was executed, or gives the claim back; fills the report either way.
    async fn conclude(
        &self,
        execution: &Arc<Execution>,
        executed: Result<Executed>,
        mut claim: Claim,
        report: &mut RunReport,
    ) -> Result<()> {
        let executed = match executed {
            Ok(executed) => executed,
            Err(error) => {
                report.fail_with(&error);
                give_back(claim, yield_reason(&error)).await;
                return Err(error);
            }
        };
        let failure = executed.failure(execution);
        executed.describe(report);
        report.describe_holds(execution, &executed);
        if let Some(failure) = failure {
            report.failure = Some(failure);
            report.failure_kind = Some(executed.kind_of_failure().name().to_string());
            report.candidates = executed.candidates(|_| true);
            report
                .candidates
                .extend(execution.ops_candidates(&executed).await);
            give_back(claim, YieldReason::Failed).await;
            return Ok(());
        }
        // of what is held, people want to see the rows that failed
        report.candidates = executed.candidates(|result| result.refused.is_some());
        if executed.withheld.values().any(|read| read.rejected() > 0) {
            report
                .candidates
                .extend(execution.ops_candidates(&executed).await);
        }
        let publication = execution.publication(&executed, report);
        let publish = match self.stop.unless(publication).await {
            Ok(Some(publish)) => publish,
            Ok(None) => return claim.yield_(YieldReason::NothingToDo).await,
            Err(error) => {
                report.fail_with(&error);
                give_back(claim, yield_reason(&error)).await;
                return Err(error);
            }
        };
        // from here on whoever wants the run to end waits: it is a moment, and it must be known how it ended
        (execution.listener)(RunEvent::Publishing);
        let published = claim.stage_and_publish(publish).await;
        match published {
            Ok(release) => {
                report.release = Some(release.number);
                let answered = execution.request.answered(Some(&release));
                report
                    .overruled
                    .extend(OverruledReport::unasked(&release, &answered));
                let of_project = |table: &&TableName| !table.is_own();
                report.changed_tables = release.changed.iter().filter(of_project).count() as u64;
                report.tables = release.tables.keys().filter(of_project).count() as u64;
                report.latest = self.follow_release(&execution.catalog, &release).await;
                Ok(())
            }
            Err(error) => {
                report.fail_with(&error);
                give_back(claim, YieldReason::Failed).await;
                Err(error)
            }
        }
    }

    fn new_report(&self, run: &RunId, request: &BuildRequest, base: Option<&Release>) -> RunReport {
        RunReport {
            run: run.clone(),
            project: self.project.name.clone(),
            as_of: request.as_of,
            started_at: self.clock.now(),
            base: base.map(BaseRelease::of),
            sources: Vec::new(),
            steps: Vec::new(),
            unit_tests: Vec::new(),
            held: Vec::new(),
            overdue: Vec::new(),
            unreadable: Vec::new(),
            overruled: Vec::new(),
            given_up: None,
            verdicts: Vec::new(),
            release: None,
            changed_tables: 0,
            tables: 0,
            failure: None,
            failure_kind: None,
            latest: None,
            candidates: std::collections::BTreeMap::new(),
            seconds: 0.0,
            peak_bytes: 0,
        }
    }
}

/// How far a build has come.
#[derive(Default)]
struct Course {
    /// The project's tables, once planned; where anybody asks for them.
    shapes: Option<Shapes>,
    /// The lake, once claimed.
    claimed: Option<Catalog>,
    /// The lake, where nothing is to be built and files of `latest/` are behind.
    stale: Option<Catalog>,
}

/// Whether anything may change: only then the lake is claimed.
fn has_work(plan: &Plan, request: &BuildRequest, base: Option<&Release>) -> bool {
    (request.selection.is_all() && !plan.retired.is_empty())
        || !request.overrule.is_empty()
        || !request.rebuild.is_empty()
        || request.give_up.is_some()
        || !request.adopt.is_empty()
        || hold::any_ended(plan, base)
        || plan.tables.values().any(TablePlan::is_overdue)
        || plan
            .tables
            .values()
            .any(|table| table.is_refused(request.warn_error))
        || plan.tables.values().any(|table| match &table.action {
            Action::Ingest {
                exports,
                reload,
                leaving,
            } => *reload || !exports.is_empty() || !leaving.is_empty(),
            Action::Build | Action::Retest | Action::Redescribe => true,
            // possible only where something above is certain
            Action::Maybe | Action::Unchanged | Action::NotSelected => false,
        })
}

impl RunReport {
    fn unit_test_failure(&self) -> Option<String> {
        let failed = self.unit_tests.iter().filter(|test| !test.has_passed());
        match failed.count() {
            0 => None,
            1 => Some("1 unit test failed; no data was read".to_string()),
            n => Some(format!("{n} unit tests failed; no data was read")),
        }
    }

    /// Exports that cannot be read: those that were known to be so, and not tried again, and those of this run.
    fn describe_unreadable(&mut self, execution: &Execution, executed: &Executed) {
        let tried = |report: &UnreadableReport| {
            let ingested = executed.ingested.get(&report.table);
            ingested.is_some_and(|ingested| ingested.has_tried(&report.path))
        };
        // what fails its source is told with that failure
        let refused = |report: &UnreadableReport| {
            let plan = execution.plan.tables.get(&report.table);
            plan.is_some_and(|plan| plan.is_refused(execution.request.warn_error))
        };
        self.unreadable = execution.observation.unreadable();
        self.unreadable
            .retain(|report| !tried(report) && !refused(report));
        let new = executed.ingested.values().flat_map(|i| &i.unreadable);
        self.unreadable.extend(new.filter_map(UnreadableReport::of));
        self.unreadable
            .sort_by(|a, b| (&a.table, &a.path).cmp(&(&b.table, &b.path)));
    }

    fn describe_holds(&mut self, execution: &Execution, executed: &Executed) {
        self.describe_unreadable(execution, executed);
        let base = execution.observation.release.as_ref();
        let held = executed.held(&execution.plan, base, &execution.run);
        self.held = hold::reports(&held, &execution.plan);
        self.describe_overdue(&execution.plan);
    }

    fn describe_overdue(&mut self, plan: &Plan) {
        let selected = plan
            .tables
            .values()
            .filter(|table| table.action != Action::NotSelected);
        self.overdue = selected
            .filter_map(|table| {
                let overdue = table.overdue.as_ref()?;
                Some(OverdueReport::of(&table.table, overdue))
            })
            .collect();
    }

    fn describe_unchanged(&mut self, plan: &Plan, observation: &Observation) {
        self.unreadable = observation.unreadable();
        if let Some(base) = &observation.release {
            self.held = hold::reports(&base.held, plan);
        }
        self.describe_overdue(plan);
        for table in &plan.order {
            let Some(planned) = plan.tables.get(table) else {
                continue;
            };
            match planned.kind {
                crate::plan::Kind::Source => {
                    self.sources
                        .push(super::report::SourceReport::unchanged(table));
                }
                _ => self.steps.push(super::report::StepReport::unchanged(table)),
            }
        }
    }

    /// What became of the release below, in words.
    fn told_of_base(&self) -> impl Iterator<Item = String> {
        let given_up = self.given_up.map(told_given_up);
        let overruled = self.overruled.iter();
        let overruled = overruled.map(|one| format!("release {}: {}", one.release, one.text));
        given_up.into_iter().chain(overruled)
    }

    fn fail_with(&mut self, error: &Error) {
        self.failure = Some(error.to_string());
        self.failure_kind = Some(error.kind().name().to_string());
    }

    fn finish(&mut self, watch: &Stopwatch) {
        self.seconds = watch.elapsed().as_secs_f64();
        self.peak_bytes = peak_resident_bytes();
    }
}

impl Executed {
    /// Who has to act first. A retry is worth its while only where nothing but storage failed.
    fn kind_of_failure(&self) -> ErrorKind {
        let kinds: Vec<ErrorKind> = self
            .outcomes
            .values()
            .filter_map(|result| match &result.outcome {
                TableOutcome::Failed(failure) => ErrorKind::named(&failure.kind),
                TableOutcome::TestsFailed => Some(ErrorKind::Quality),
                _ => None,
            })
            .map(|kind| match kind {
                // an export that cannot be read is data that failed, as one that breaks its contract
                ErrorKind::Input => ErrorKind::Quality,
                kind => kind,
            })
            .collect();
        let order = [
            ErrorKind::Internal,
            ErrorKind::Corrupt,
            ErrorKind::Config,
            ErrorKind::Quality,
            ErrorKind::Conflict,
            ErrorKind::Unavailable,
        ];
        let first = order.into_iter().find(|kind| kinds.contains(kind));
        first.unwrap_or(ErrorKind::Quality)
    }

    /// Why nothing may be published; `None`: all is well.
    fn failure(&self, execution: &Execution) -> Option<String> {
        let failed: Vec<String> = self
            .outcomes
            .values()
            .filter_map(|outcome| match &outcome.outcome {
                TableOutcome::Failed(failure) => {
                    Some(format!("`{}`: {}", outcome.table, failure.brief))
                }
                _ => None,
            })
            .collect();
        let failed = match &failed[..] {
            [] => None,
            [one] => Some(one.clone()),
            [first, rest @ ..] => Some(format!("{first}; and {} more failed", rest.len())),
        };
        let held: Vec<&TableName> = self
            .outcomes
            .values()
            .filter(|result| matches!(result.outcome, TableOutcome::Held(_)))
            .map(|result| &result.table)
            .collect();
        let is_held = |table: &TableName| {
            let within = |whole: &&TableName| execution.plan.ephemerals_within(whole);
            held.iter()
                .any(|whole| *whole == table || within(whole).contains(table))
        };
        let tests = self
            .verdicts
            .iter()
            .filter(|verdict| execution.request.fails(verdict) && !is_held(&verdict.table));
        let tests = match tests.count() {
            0 => None,
            1 => Some("1 test failed".to_string()),
            n => Some(format!("{n} tests failed")),
        };
        // an ephemeral step may be part of a table that is held and of one that is not
        let untold = || {
            self.outcomes
                .values()
                .find(|result| result.outcome == TableOutcome::TestsFailed)
                .map(|result| format!("tests of `{}` failed", result.table))
        };
        failed.or(tests).or_else(untold)
    }
}

/// The most memory that this process has held, where the system tells.
fn peak_resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|text| {
        text.trim()
            .trim_end_matches(" kB")
            .trim()
            .parse::<u64>()
            .ok()
    })
    .map_or(0, |kib| kib * 1024)
}
