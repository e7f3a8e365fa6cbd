//! The last run in one small object: `_kilde/last_run.json`, for whoever looks from outside; and what a webhook is sent.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::report::{
    HeldReport, OverdueReport, OverruledReport, RunReport, TableOutcome, UnreadableReport,
};
use crate::error::{Error, ErrorKind};
use crate::name::{ReleaseNumber, RunId, TableName};
use crate::project::{Occasion, Project};
use crate::quality::Outcome;
use crate::release::{Release, leaves_a_release};

/// Form of the object.
const FORMAT: u32 = 1;

/// How a run ended, in figures and names. Holds no cell value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    pub(crate) format: u32,
    /// Version of kilde.
    pub(crate) kilde: String,
    pub(crate) run: RunId,
    #[serde(default)]
    pub(crate) command: RunCommand,
    pub(crate) project: String,
    pub(crate) target: Option<String>,
    pub(crate) as_of: DateTime<Utc>,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) ended_at: DateTime<Utc>,
    pub(crate) seconds: f64,
    pub(crate) outcome: RunOutcome,
    pub(crate) exit_code: u8,
    /// The release that readers see after the run.
    pub(crate) release: Option<ReleaseNumber>,
    /// Why nothing was published, where something should have been.
    pub(crate) failure: Option<String>,
    pub(crate) failed: Vec<FailedTable>,
    pub(crate) held: Vec<HeldReport>,
    pub(crate) overdue: Vec<OverdueReport>,
    #[serde(default)]
    pub(crate) unreadable: Vec<UnreadableReport>,
    /// What other tools wrote while a release was published over it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) overruled: Vec<OverruledReport>,
    pub(crate) counts: BTreeMap<String, u64>,
}

/// What a run was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RunCommand {
    #[default]
    Build,
    Rollback,
    Resume,
    Maintain,
}

/// What became of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RunOutcome {
    Published,
    /// A release is decided, or may be, and the run did not live to see it: the next command that writes settles it.
    Decided,
    /// Nothing differs from the release before.
    Unchanged,
    Failed,
    /// Stopped from outside.
    Interrupted,
}

/// A table that failed a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FailedTable {
    pub(crate) table: TableName,
    pub(crate) reason: String,
}

impl RunSummary {
    /// The summary of a run that ended with an error, or with what its report says.
    pub(super) fn of(
        report: &RunReport,
        target: Option<&str>,
        error: Option<&Error>,
        ended_at: DateTime<Utc>,
    ) -> Self {
        let outcome = match (error.map(Error::kind), &report.failure, report.release) {
            _ if error.is_some_and(leaves_a_release) => RunOutcome::Decided,
            (Some(ErrorKind::Interrupted | ErrorKind::Terminated), ..) => RunOutcome::Interrupted,
            (Some(_), ..) | (None, Some(_), _) => RunOutcome::Failed,
            (None, None, Some(_)) => RunOutcome::Published,
            (None, None, None) => RunOutcome::Unchanged,
        };
        Self {
            format: FORMAT,
            kilde: env!("CARGO_PKG_VERSION").to_string(),
            run: report.run.clone(),
            command: RunCommand::Build,
            project: report.project.clone(),
            target: target.map(str::to_string),
            as_of: report.as_of,
            started_at: report.started_at,
            ended_at,
            seconds: report.seconds,
            outcome,
            exit_code: match (error, outcome) {
                (Some(error), _) => error.kind().exit_code(),
                (None, _) => report.kind_of_failure().map_or(0, ErrorKind::exit_code),
            },
            release: report
                .release
                .or(report.base.as_ref().map(|base| base.number)),
            failure: error.map(Error::brief).or(report.failure.clone()),
            failed: failed_tables(report),
            held: report.held.clone(),
            overdue: report.overdue.clone(),
            unreadable: report.unreadable.clone(),
            overruled: report.overruled.clone(),
            counts: counts(report),
        }
    }

    /// The summary of a run that changed the lake without building, or failed to; `release` is what readers see after it.
    pub(super) fn of_operation(
        run: &RunId,
        command: RunCommand,
        project: &Project,
        (started_at, ended_at): (DateTime<Utc>, DateTime<Utc>),
        release: Option<&Release>,
        error: Option<&Error>,
    ) -> Self {
        let outcome = match (error, command) {
            (Some(error), _) if leaves_a_release(error) => RunOutcome::Decided,
            (Some(_), _) => RunOutcome::Failed,
            (None, RunCommand::Resume | RunCommand::Maintain) => RunOutcome::Unchanged,
            (None, RunCommand::Build | RunCommand::Rollback) => RunOutcome::Published,
        };
        let changed = match outcome {
            RunOutcome::Published => release.map_or(0, |release| release.changed.len()),
            _ => 0,
        };
        Self {
            format: FORMAT,
            kilde: env!("CARGO_PKG_VERSION").to_string(),
            run: run.clone(),
            command,
            project: project.name.clone(),
            target: project.target.clone(),
            as_of: release
                .and_then(|release| release.as_of.parse().ok())
                .unwrap_or(started_at),
            started_at,
            ended_at,
            seconds: (ended_at - started_at).as_seconds_f64(),
            outcome,
            exit_code: error.map_or(0, |error| error.kind().exit_code()),
            release: release.map(|release| release.number),
            failure: error.map(Error::brief),
            failed: Vec::new(),
            held: Vec::new(),
            overdue: Vec::new(),
            unreadable: Vec::new(),
            overruled: Vec::new(),
            counts: BTreeMap::from([("tables_changed".to_string(), changed as u64)]),
        }
    }

    /// What of it someone may want to be told.
    pub(super) fn occasions(&self) -> Vec<Occasion> {
        // whoever stopped a run by hand knows
        let by_hand = ErrorKind::Interrupted.exit_code();
        // another build is at work, and its own end is told
        let elsewhere = ErrorKind::Conflict.exit_code();
        let failed = ![0, by_hand, elsewhere].contains(&self.exit_code);
        [
            (failed, Occasion::Failed),
            (
                !self.held.is_empty() || !self.unreadable.is_empty(),
                Occasion::Held,
            ),
            (!self.overdue.is_empty(), Occasion::Stale),
        ]
        .into_iter()
        .filter_map(|(is_so, occasion)| is_so.then_some(occasion))
        .collect()
    }

    /// The summary in words, a line for each table that someone must look at.
    pub(crate) fn text(&self) -> String {
        let place = match &self.target {
            Some(target) => format!("{} ({target})", self.project),
            None => self.project.clone(),
        };
        let stands = self
            .release
            .map(|release| format!("; release {release} stands"))
            .unwrap_or_default();
        let mut text = match (self.outcome, self.release) {
            (RunOutcome::Published, Some(release)) => {
                format!("kilde {place}: release {release} is published")
            }
            (RunOutcome::Decided, _) => {
                let failure = self.failure.as_deref().unwrap_or("the run failed");
                format!("kilde {place}: {failure}{stands}")
            }
            (RunOutcome::Interrupted, _) => format!("kilde {place}: the build was stopped{stands}"),
            (RunOutcome::Failed, _) => {
                let failure = self.failure.as_deref().unwrap_or("the build failed");
                format!("kilde {place}: nothing was published: {failure}{stands}")
            }
            _ => format!("kilde {place}: nothing new{stands}"),
        };
        for failed in &self.failed {
            text.push_str(&format!("\n✗ {}: {}", failed.table, failed.reason));
        }
        for held in &self.held {
            let at = format!("held at release {}: {}", held.at, held.reason);
            text.push_str(&format!("\n‖ {} {at}", held.table));
        }
        for overdue in &self.overdue {
            text.push_str(&format!("\n! {}: {}", overdue.table, overdue.reason));
        }
        for overruled in &self.overruled {
            text.push_str(&format!(
                "\n! release {}: {}",
                overruled.release, overruled.text
            ));
        }
        for export in &self.unreadable {
            let words = format!("{} cannot be read: {}", export.path, export.reason);
            text.push_str(&format!("\n! {}: {words}", export.table));
        }
        text
    }
}

fn failed_tables(report: &RunReport) -> Vec<FailedTable> {
    let sources = report.sources.iter().map(|s| (&s.table, &s.outcome));
    let steps = report.steps.iter().map(|s| (&s.table, &s.outcome));
    sources
        .chain(steps)
        .filter_map(|(table, outcome)| {
            let reason = match outcome {
                TableOutcome::Failed(failure) => failure.brief.clone(),
                TableOutcome::TestsFailed => failed_tests(report, table),
                _ => return None,
            };
            Some(FailedTable {
                table: table.clone(),
                reason,
            })
        })
        .collect()
}

fn failed_tests(report: &RunReport, table: &TableName) -> String {
    let tests: Vec<String> = report
        .verdicts
        .iter()
        .filter(|verdict| verdict.table == *table && verdict.outcome != Outcome::Passed)
        .map(|verdict| format!("`{}` failed{}", verdict.test, verdict.failed_by()))
        .collect();
    match tests.is_empty() {
        true => "tests failed".to_string(),
        false => tests.join(", "),
    }
}

fn counts(report: &RunReport) -> BTreeMap<String, u64> {
    let sum = |part: fn(&super::SourceReport) -> u64| report.sources.iter().map(part).sum();
    let tests = |outcome| report.tests(outcome) as u64;
    let counts: [(&str, u64); 9] = [
        ("exports", sum(|source| source.exports.len() as u64)),
        ("records", sum(|source| source.records)),
        ("accepted", sum(|source| source.accepted)),
        ("rejected", sum(|source| source.rejected)),
        ("tables", report.tables),
        ("tables_changed", report.changed_tables),
        ("tests_passed", tests(Outcome::Passed)),
        ("tests_warned", tests(Outcome::Warned)),
        ("tests_failed", tests(Outcome::Failed)),
    ];
    counts
        .into_iter()
        .map(|(name, count)| (name.to_string(), count))
        .collect()
}
