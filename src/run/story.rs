//! What a release changed, compared with the one before it: from both releases' maps and the run's own report.

use serde::Serialize;

use chrono::{DateTime, Utc};

use super::Runner;
use super::kept_report::KeptReport;
use super::report::{RunReport, TableOutcome};
use crate::catalog::Catalog;
use crate::error::Result;
use crate::name::{ReleaseNumber, RunId, TableName};
use crate::quality::{Outcome, Verdict};
use crate::release::{Overruled, Release, TableEntry};

/// A change of rows is worth a line from this share on…
const NOTEWORTHY_SHARE: f64 = 0.1;
/// …in tables of at least so many rows: of three rows, one is a third.
const NOTEWORTHY_ROWS: u64 = 20;
/// Changes told at most.
const MOST_MOVES: usize = 5;

/// What there is to tell of a release. Holds no cell value.
#[derive(Debug, Serialize)]
pub(crate) struct ReleaseStory {
    pub(crate) release: ReleaseNumber,
    /// The release that it is compared with.
    pub(crate) previous: Option<ReleaseNumber>,
    pub(crate) published_at: DateTime<Utc>,
    pub(crate) as_of: String,
    pub(crate) run: RunId,
    /// `None` where the run left no report, as a rollback's does not.
    pub(crate) seconds: Option<f64>,
    pub(crate) rollback_of: Option<ReleaseNumber>,
    /// It could not be finished: it holds what the one before held.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_given_up: bool,
    /// Tables of the project in the release.
    pub(crate) tables: u64,
    /// Those whose version is new, removed ones among them.
    pub(crate) changed: Vec<ChangedTable>,
    /// The biggest relative changes of rows, the biggest first.
    pub(crate) moves: Vec<ChangedTable>,
    pub(crate) sources: Vec<ReadSource>,
    pub(crate) tests_passed: u64,
    pub(crate) warned: Vec<WarnedTest>,
    pub(crate) held: Vec<HeldTable>,
    /// Foreign changes that it was published over.
    pub(crate) overruled: Vec<String>,
    /// The same of rows that were taken over.
    pub(crate) adopted: Vec<String>,
    /// Runs since the release before that published nothing.
    pub(crate) failed_runs: Vec<FailedRun>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct ChangedTable {
    pub(crate) table: TableName,
    /// `None`: new in this release.
    pub(crate) rows_before: Option<u64>,
    /// `None`: no longer in it.
    pub(crate) rows: Option<u64>,
    /// Rows more or fewer, as a share of those before.
    pub(crate) share: Option<f64>,
    /// Why it was written.
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct ReadSource {
    pub(crate) table: TableName,
    pub(crate) exports: u64,
    pub(crate) records: u64,
    pub(crate) rejected: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct WarnedTest {
    pub(crate) table: TableName,
    pub(crate) test: String,
    pub(crate) failures: u64,
    pub(crate) rows: u64,
    pub(crate) rows_sql: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct HeldTable {
    pub(crate) table: TableName,
    pub(crate) since: ReleaseNumber,
    pub(crate) reason: String,
}

impl HeldTable {
    /// Those of a release.
    pub(super) fn of(release: &Release) -> Vec<Self> {
        let held = release.held.iter();
        held.map(|(table, held)| Self {
            table: table.clone(),
            since: held.since,
            reason: held.reason.clone(),
        })
        .collect()
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct FailedRun {
    pub(crate) run: RunId,
    pub(crate) failure: String,
}

impl Runner {
    /// What a release changed.
    ///
    /// # Errors
    /// `Config` where there is no such release.
    pub(crate) async fn release_story(&self, number: ReleaseNumber) -> Result<ReleaseStory> {
        let catalog = self.readable(self.clock.now())?;
        let release = catalog.lake().release(number).await?;
        let previous = match release.previous {
            // with one that is no longer kept nothing is compared
            Some(previous) => catalog.lake().kept_release(previous).await?,
            None => None,
        };
        let report = KeptReport::of(&release.run, catalog.lake()).await?.whole();
        let failed_runs = failed_between(&catalog, previous.as_ref(), &release).await?;
        Ok(story(
            &release,
            previous.as_ref(),
            report.as_ref(),
            failed_runs,
        ))
    }
}

/// Runs that began after the one of `previous` and before the one of `release`: names of runs begin with their start.
pub(super) async fn failed_between(
    catalog: &Catalog,
    previous: Option<&Release>,
    release: &Release,
) -> Result<Vec<FailedRun>> {
    let mut failed = Vec::new();
    for run in catalog.lake().run_reports().await? {
        if run >= release.run || previous.is_some_and(|previous| run <= previous.run) {
            continue;
        }
        let report = KeptReport::of(&run, catalog.lake()).await?.whole();
        if let Some(failure) = report.and_then(|report| report.failure) {
            failed.push(FailedRun { run, failure });
        }
    }
    Ok(failed)
}

fn story(
    release: &Release,
    previous: Option<&Release>,
    report: Option<&RunReport>,
    failed_runs: Vec<FailedRun>,
) -> ReleaseStory {
    let changed: Vec<ChangedTable> = release
        .changed_of_project()
        .map(|table| changed_table(table, release, previous, report))
        .collect();
    let verdicts = || report.iter().flat_map(|report| &report.verdicts);
    let told = |over: &Overruled| format!("{} version {}", over.table, over.version);
    ReleaseStory {
        release: release.number,
        previous: previous.map(|previous| previous.number),
        published_at: release.published_at,
        as_of: release.as_of.clone(),
        run: release.run.clone(),
        seconds: report.map(|report| report.seconds),
        rollback_of: release.rollback_of,
        is_given_up: release.is_given_up(),
        tables: release.tables_of_project().count() as u64,
        moves: moves(&changed),
        changed,
        sources: report.map(read_sources).unwrap_or_default(),
        tests_passed: verdicts().filter(|v| v.outcome == Outcome::Passed).count() as u64,
        warned: verdicts()
            .filter(|verdict| verdict.outcome == Outcome::Warned)
            .map(warned_test)
            .collect(),
        held: HeldTable::of(release),
        overruled: release
            .overruled
            .iter()
            .filter(|over| !over.is_adopted)
            .map(told)
            .collect(),
        adopted: release
            .overruled
            .iter()
            .filter(|over| over.is_adopted)
            .map(told)
            .collect(),
        failed_runs,
    }
}

fn changed_table(
    table: &TableName,
    release: &Release,
    previous: Option<&Release>,
    report: Option<&RunReport>,
) -> ChangedTable {
    let count = |entry: &TableEntry| entry.facts.rows;
    let rows_before = previous
        .and_then(|previous| previous.table(table))
        .map(count);
    let rows = release.table(table).map(count);
    ChangedTable {
        table: table.clone(),
        rows_before,
        rows,
        share: share_of(rows_before, rows),
        reason: report.and_then(|report| reason(table, report)),
    }
}

/// Rows more or fewer, as a share of those before.
pub(super) fn share_of(before: Option<u64>, rows: Option<u64>) -> Option<f64> {
    match (before, rows) {
        (Some(before), Some(rows)) if before > 0 => {
            Some((rows as f64 - before as f64) / before as f64)
        }
        _ => None,
    }
}

fn reason(table: &TableName, report: &RunReport) -> Option<String> {
    let step = report.steps.iter().find(|step| step.table == *table);
    if let Some(step) = step {
        let why = step.reasons.join("; ");
        return Some(why).filter(|why| !why.is_empty());
    }
    let source = report
        .sources
        .iter()
        .find(|source| source.table == *table)?;
    match source.exports.len() {
        0 if source.outcome == TableOutcome::SameResult => Some("only words changed".to_string()),
        0 => None,
        1 => Some("1 export".to_string()),
        n => Some(format!("{n} exports")),
    }
}

/// The biggest relative changes of tables that are big enough to have any.
fn moves(changed: &[ChangedTable]) -> Vec<ChangedTable> {
    let size = |table: &ChangedTable| table.share.unwrap_or_default().abs();
    let is_big = |table: &&ChangedTable| {
        let rows = table.rows_before.max(table.rows).unwrap_or_default();
        rows >= NOTEWORTHY_ROWS && size(table) >= NOTEWORTHY_SHARE
    };
    let mut moves: Vec<ChangedTable> = changed.iter().filter(is_big).cloned().collect();
    moves.sort_by(|a, b| {
        size(b)
            .total_cmp(&size(a))
            .then_with(|| a.table.cmp(&b.table))
    });
    moves.truncate(MOST_MOVES);
    moves
}

fn read_sources(report: &RunReport) -> Vec<ReadSource> {
    let read = report
        .sources
        .iter()
        .filter(|source| !source.exports.is_empty());
    read.map(|source| ReadSource {
        table: source.table.clone(),
        exports: source.exports.len() as u64,
        records: source.records,
        rejected: source.rejected,
    })
    .collect()
}

fn warned_test(verdict: &Verdict) -> WarnedTest {
    WarnedTest {
        table: verdict.table.clone(),
        test: verdict.test.clone(),
        failures: verdict.failures,
        rows: verdict.rows,
        rows_sql: verdict.rows_sql.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(name: &str, before: u64, rows: u64) -> ChangedTable {
        ChangedTable {
            table: name.parse().unwrap(),
            rows_before: Some(before),
            rows: Some(rows),
            share: Some((rows as f64 - before as f64) / before as f64),
            reason: None,
        }
    }

    #[test]
    fn moves_are_the_biggest_shares_of_tables_that_are_not_tiny() {
        let tables = [
            changed("gold.tiny", 3, 1),
            changed("gold.steady", 1_000, 1_050),
            changed("gold.grown", 1_000, 1_200),
            changed("gold.fallen", 1_000, 690),
        ];
        let names: Vec<String> = moves(&tables).iter().map(|m| m.table.to_string()).collect();
        assert_eq!(names, ["gold.fallen", "gold.grown"]);
    }
}
