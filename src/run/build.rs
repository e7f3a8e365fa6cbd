//! `Runner::build`: from observing to the report.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::claim::{Claimed, give_back, told_given_up, yield_reason};
use super::dbt::Invocation;
use super::execute::{Executed, Execution};
use super::latest::LatestReport;
use super::prospect::{Prospect, When};
use super::report::{
    BaseRelease, OverdueReport, OverruledReport, RunReport, TableOutcome, UnreadableReport,
};
use super::summary::RunSummary;
use super::{BuildRequest, Listener, RunEvent, Runner, hold, observe};
use crate::catalog::{Asked, Catalog};
use crate::clock::Stopwatch;
use crate::error::{Error, ErrorKind, Result};
use crate::name::{RunId, TableName};
use crate::plan::{Action, Plan, Shapes};
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
        let Some((catalog, prospect)) = looked else {
            if let Some(catalog) = course.stale.take() {
                report.latest = self.mend_latest(&catalog, &report.run, listener).await?;
            }
            return Ok(());
        };
        let give_up = request.gives_up(&self.project);
        let claiming = self.claim_giving_up(
            &catalog,
            &report.run,
            request.wait,
            give_up.as_ref(),
            listener,
        );
        let mut claimed = claiming.await?;
        course.claimed = Some(catalog.clone());
        report.describe_settled(&claimed.claim);
        let preparing = self.prepare(request, &catalog, &mut claimed, prospect, report, course);
        let prepared = preparing.await;
        let claim = claimed.claim;
        let (prospect, sweep) = match prepared {
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
            prospect,
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
    ) -> Result<Option<(Catalog, Prospect)>> {
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
        let observation = match self.observe_for(request, &catalog).await {
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                self.finish_decided(request, &catalog, &report.run, error, listener)
                    .await?;
                self.observe_for(request, &catalog).await?
            }
            observed => observed?,
        };
        let seen = (When::BeforeClaim, observation);
        let prospect = self
            .prospect(request, &catalog, seen, report, course)
            .await?;
        if !prospect.has_work(request) {
            let finishing = self.finish_unseen(&catalog, &report.run, request.wait, listener);
            if finishing.await? {
                // it may be a rollback, or say more of the exports than the one before
                return Box::pin(self.look(request, listener, report, course)).await;
            }
            report.describe_unchanged(&prospect);
            if let Some(release) = &prospect.observation.release {
                match self.has_stale_files(&catalog, release).await {
                    Ok(true) => course.stale = Some(catalog),
                    Ok(false) => {}
                    Err(error) => report.latest = Some(LatestReport::failed(&error)),
                }
            }
            return Ok(None);
        }
        let has_passed = self.pass_unit_tests(&prospect.plan, report).await?;
        Ok(has_passed.then_some((catalog, prospect)))
    }

    /// What was found before the claim, or what is found now where another release came between; `None` where nothing is left
    /// to do.
    async fn prepare(
        &self,
        request: &BuildRequest,
        catalog: &Catalog,
        Claimed { claim, has_waited }: &mut Claimed,
        mut prospect: Prospect,
        report: &mut RunReport,
        course: &mut Course,
    ) -> Result<Option<(Prospect, Option<Sweep>)>> {
        if let Some(pause) = claim.pause() {
            return Err(observe::paused(&pause));
        }
        let base = claim.base().map(|base| base.number);
        if *has_waited || base != prospect.base() {
            // a dead rival's release was settled, or one was published since we looked
            request.refuse_vain_rebuilds(&self.project, catalog).await?;
            let seen = (When::UnderClaim, self.observe_for(request, catalog).await?);
            prospect = self
                .prospect(request, catalog, seen, report, course)
                .await?;
            if !prospect.has_work(request) {
                report.describe_unchanged(&prospect);
                return Ok(None);
            }
            if !self.pass_unit_tests(&prospect.plan, report).await? {
                return Ok(None);
            }
        }
        let following = prospect.observation.follow_foreign_work(catalog);
        let changed = self.stop.unless(following).await?;
        let release = prospect.observation.release.as_ref();
        request.refuse_foreign_changes(&prospect.plan, release, changed)?;
        let sweep = claim.declare_sweep(KeepFailedRuns::default());
        let sweep = self.to_its_end(catalog, sweep).await?;
        Ok(Some((prospect, sweep)))
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
                report.changed_tables = release.changed_of_project().count() as u64;
                report.tables = release.tables_of_project().count() as u64;
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
pub(super) struct Course {
    /// The project's tables, once planned; where anybody asks for them.
    pub(super) shapes: Option<Shapes>,
    /// The lake, once claimed.
    claimed: Option<Catalog>,
    /// The lake, where nothing is to be built and files of `latest/` are behind.
    stale: Option<Catalog>,
}

impl RunReport {
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

    fn describe_unchanged(&mut self, Prospect { observation, plan }: &Prospect) {
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

    /// What became of the release below, where this run's claim finished it or gave it up.
    fn describe_settled(&mut self, claim: &Claim) {
        if let Some(base) = claim.base().filter(|_| claim.has_settled()) {
            self.given_up = base.is_given_up().then_some(base.number);
            self.overruled = OverruledReport::unasked(base, &BTreeSet::new());
        }
    }

    /// The same, in words.
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
