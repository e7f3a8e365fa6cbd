//! `Runner::build`: from observing to the report.

use std::sync::Arc;

use super::execute::{Executed, Execution};
use super::report::{BaseRelease, RunReport, TableOutcome};
use super::{BuildRequest, Listener, RunEvent, Runner, observe};
use crate::catalog::Catalog;
use crate::clock::Stopwatch;
use crate::diagnostic::Code;
use crate::error::{Error, ErrorKind, Result};
use crate::name::{RunId, TableName};
use crate::plan::{Action, Plan};
use crate::quality::Outcome;
use crate::release::{Claim, KeepFailedRuns, Release, YieldReason};

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
        let catalog = self.catalog(request.as_of)?;
        let mut observation = observe::observe(self, &catalog, request.as_of).await?;
        observation.refuse_if_paused()?;
        let mut plan = self.plan_on(&observation.observed, request)?;
        let mut report = self.new_report(&run, request, observation.release.as_ref());
        if !has_work(&plan, request) {
            report.describe_unchanged(&plan);
            if let Some(release) = &observation.release {
                report.latest = self.mend_latest(&catalog, &run, release).await;
            }
            report.finish(&watch);
            return Ok(report);
        }
        report.unit_tests = self.run_unit_tests(&plan.unit_tests()).await?;
        if let Some(failure) = report.unit_test_failure() {
            report.failure = Some(failure);
            report.finish(&watch);
            return Ok(report);
        }
        let unit_tests = report.unit_tests.clone();
        let mut claim = catalog.lake().claim(&run).await?;
        if let Some(pause) = claim.pause() {
            claim.yield_(YieldReason::NothingToDo).await?;
            return Err(observe::paused(&pause));
        }
        if claim.base().map(|base| base.number)
            != observation.release.as_ref().map(|release| release.number)
        {
            // a dead rival's release was settled, or one was published since we looked
            observation = observe::observe(self, &catalog, request.as_of).await?;
            plan = self.plan_on(&observation.observed, request)?;
            report = self.new_report(&run, request, observation.release.as_ref());
            report.unit_tests = unit_tests;
            if !has_work(&plan, request) {
                claim.yield_(YieldReason::NothingToDo).await?;
                report.describe_unchanged(&plan);
                report.finish(&watch);
                return Ok(report);
            }
        }
        claim.sweep(KeepFailedRuns::default()).await?;
        let execution =
            Execution::new(self, request, &catalog, &claim, observation, plan, listener);
        let executed = tokio::select! {
            executed = Arc::clone(&execution).run() => executed,
            signal = stop_signal() => Err(stopped(signal)),
        };
        let outcome = self
            .conclude(&execution, executed, claim, &mut report)
            .await;
        report.finish(&watch);
        self.keep_report(&catalog, &report).await?;
        outcome.map(|()| report)
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
                let reason = match error.kind() {
                    ErrorKind::Interrupted | ErrorKind::Terminated => YieldReason::Interrupted,
                    _ => YieldReason::Failed,
                };
                claim.yield_(reason).await?;
                return Err(error);
            }
        };
        let failure = executed.failure(execution.request.warn_error);
        executed.describe(report);
        if let Some(failure) = failure {
            report.failure = Some(failure);
            report.failure_kind = Some(ErrorKind::Quality.name().to_string());
            report.candidates = executed.candidates();
            claim.yield_(YieldReason::Failed).await?;
            return Ok(());
        }
        let Some(publish) = execution.publication(&executed, report).await? else {
            claim.yield_(YieldReason::NothingToDo).await?;
            return Ok(());
        };
        (execution.listener)(RunEvent::Publishing);
        let published = claim.stage_and_publish(publish).await;
        match published {
            Ok(release) => {
                report.release = Some(release.number);
                let of_project = |table: &&TableName| !table.is_own();
                report.changed_tables = release.changed.iter().filter(of_project).count() as u64;
                report.tables = release.tables.keys().filter(of_project).count() as u64;
                report.latest = self.follow_release(&execution.catalog, &release).await;
                Ok(())
            }
            Err(error) => {
                report.fail_with(&error);
                claim.yield_(YieldReason::Failed).await?;
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
            base: base.map(|release| BaseRelease {
                number: release.number,
                published_at: release.published_at,
            }),
            sources: Vec::new(),
            steps: Vec::new(),
            unit_tests: Vec::new(),
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

    async fn keep_report(&self, catalog: &Catalog, report: &RunReport) -> Result<()> {
        let text = serde_json::to_vec_pretty(report)
            .map_err(|error| Error::internal("a report cannot be written").caused_by(error))?;
        catalog
            .lake()
            .write_run_report(&report.run, text.into())
            .await
    }
}

/// Whether anything may change: only then the lake is claimed.
fn has_work(plan: &Plan, request: &BuildRequest) -> bool {
    (request.selection.is_all() && !plan.retired.is_empty())
        || plan.tables.values().any(|table| match &table.action {
            Action::Ingest { exports, reload } => *reload || !exports.is_empty(),
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

    fn describe_unchanged(&mut self, plan: &Plan) {
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
    /// Why nothing may be published; `None`: all is well.
    fn failure(&self, warn_error: bool) -> Option<String> {
        let failed = self
            .outcomes
            .values()
            .find_map(|outcome| match &outcome.outcome {
                TableOutcome::Failed(reason) => Some(format!("`{}`: {reason}", outcome.table)),
                _ => None,
            });
        let tests = self.verdicts.iter().filter(|verdict| {
            verdict.outcome == Outcome::Failed || (warn_error && verdict.outcome == Outcome::Warned)
        });
        let tests = match tests.count() {
            0 => None,
            1 => Some("1 test failed".to_string()),
            n => Some(format!("{n} tests failed")),
        };
        failed.or(tests)
    }
}

/// Waits for SIGINT or SIGTERM.
async fn stop_signal() -> ErrorKind {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (Ok(mut interrupt), Ok(mut terminate)) = (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
        ) else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => ErrorKind::Interrupted,
            _ = terminate.recv() => ErrorKind::Terminated,
        }
    }
    #[cfg(not(unix))]
    {
        match tokio::signal::ctrl_c().await {
            Ok(()) => ErrorKind::Interrupted,
            Err(_) => std::future::pending().await,
        }
    }
}

fn stopped(kind: ErrorKind) -> Error {
    Error::new(kind, "stopped; nothing was published")
        .code(Code(904))
        .help("build again: exports are read once, whatever happened to this run")
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
