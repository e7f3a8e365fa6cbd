//! A bad night's valve: a table that fails keeps its last good version, and the rest is published.
//!
//!   failed or failing its tests ──may be held?──▶ held: what stands on it reads the published version
//!                                     └─ no ────▶ failed: nothing is published
//!
//! Most failures are known before anything reads the table. Tests across tables are judged last: where such a test holds a
//! table, what was computed on its candidate is computed again on the version that stays.

use std::collections::BTreeMap;

use super::execute::{Executed, Execution, TableResult};
use super::report::{FailureReport, HeldReport, TableOutcome};
use crate::error::{Error, ErrorKind, Result};
use crate::ingest;
use crate::name::{ReleaseNumber, RunId, TableName};
use crate::plan::{self, Action, Kind, Plan, TablePlan};
use crate::project::{OnError, OnUnreadable};
use crate::quality::{Outcome, Verdict};
use crate::release::{Held, Release};

/// Why a table is held that was not tried.
const ASKED_FOR: &str = "asked for with --hold";
/// Why a table that may be held is not.
const NOT_HELD: &str =
    "it cannot be held, since its last good version has other columns than the project declares";

impl Execution {
    /// The outcome of a table that `--hold` names, where it would have changed.
    pub(super) fn held_untried(&self, plan: &TablePlan) -> TableResult {
        let changes = match plan.action {
            Action::Maybe => {
                plan.is_stale(&self.input_digests(plan)).is_some()
                    || plan.otherwise != Action::Unchanged
            }
            _ => true,
        };
        TableResult::new(
            plan,
            if changes {
                TableOutcome::Held(ASKED_FOR.to_string())
            } else {
                TableOutcome::Unchanged
            },
        )
    }

    /// A failure by this error, or by tests (`failed`: their verdicts): held where the project says so and there is a version to
    /// hold.
    pub(super) async fn hold_or_fail(
        &self,
        plan: &TablePlan,
        mut result: TableResult,
        error: Option<&Error>,
        failed: &[Verdict],
    ) -> Result<TableResult> {
        let reason = match &result.outcome {
            TableOutcome::Failed(failure) => failure.brief.clone(),
            TableOutcome::TestsFailed => failed_tests(plan, failed),
            _ => return Ok(result),
        };
        let is_of_the_table = !matches!(
            error.map(Error::kind),
            Some(
                ErrorKind::Corrupt
                    | ErrorKind::Internal
                    | ErrorKind::Conflict
                    | ErrorKind::Unavailable
                    | ErrorKind::Interrupted
                    | ErrorKind::Terminated
            )
        );
        let source = self.runner.project.sources.get(&plan.table);
        let must_fail = error.zip(source).is_some_and(|(error, source)| {
            ingest::must_fail(source, error)
                || (source.unreadable == OnUnreadable::Fail && plan.is_refused(false))
        });
        if plan.on_error != OnError::Hold || !is_of_the_table || must_fail {
            return Ok(result);
        }
        let Some(published) = self.published(&plan.table).await? else {
            return Ok(result);
        };
        if !plan.is_read_alike(&published.file_set.schema) && !plan.readers.is_empty() {
            let (kind, text) = match &result.outcome {
                TableOutcome::Failed(failure) => (failure.kind.clone(), failure.text.clone()),
                _ => (
                    ErrorKind::Quality.name().to_string(),
                    format!("error: `{}`: {reason}", plan.table),
                ),
            };
            result.outcome = TableOutcome::Failed(FailureReport {
                kind,
                brief: format!("{reason}; {NOT_HELD}"),
                text: format!("{text}\n  {NOT_HELD}"),
            });
            return Ok(result);
        }
        self.take_back(&plan.table);
        result.outcome = TableOutcome::Held(reason);
        result.refused = result.content.take();
        result.built_from.clone_from(&plan.built_from);
        Ok(result.counting(published.rows, Some(published.rows)))
    }

    /// Verdicts that fail a table: its own and those of the ephemeral steps within it.
    pub(super) fn failed_verdicts(&self, plan: &TablePlan) -> Vec<Verdict> {
        self.failed_of(plan, self.verdicts())
    }

    /// Those of some verdicts that fail a table.
    pub(super) fn failed_of(&self, plan: &TablePlan, verdicts: Vec<Verdict>) -> Vec<Verdict> {
        let within = self.plan.ephemerals_within(&plan.table);
        let mut failed: Vec<Verdict> = verdicts
            .into_iter()
            .filter(|verdict| verdict.table == plan.table || within.contains(&verdict.table))
            .filter(|verdict| self.request.fails(verdict))
            .collect();
        failed.sort_by_key(|verdict| (verdict.table != plan.table, verdict.test.clone()));
        failed
    }
}

impl super::BuildRequest {
    /// Whether a verdict keeps a table from being published.
    pub(super) fn fails(&self, verdict: &Verdict) -> bool {
        match verdict.outcome {
            Outcome::Passed => false,
            Outcome::Warned => self.warn_error,
            Outcome::Failed => true,
        }
    }

    /// Refuses what `--hold` must not or cannot name.
    ///
    /// # Errors
    /// `Config` K0601 for what decides consent; `Config` for a table without a version to hold.
    pub(super) fn refuse_holds(&self, plan: &Plan, release: Option<&Release>) -> Result<()> {
        for table in &self.hold {
            if let Some(consent) = plan.never_held.get(table) {
                return Err(plan::hold_refused(table, consent));
            }
            let kind = plan.tables.get(table).map(|plan| plan.kind);
            if kind == Some(Kind::Ephemeral) {
                return Err(Error::config(format!(
                    "`{table}` is ephemeral: it has no version that could be held"
                ))
                .help("hold the tables that read it"));
            }
            if matches!(kind, Some(Kind::Match | Kind::MatchSide)) {
                return Err(Error::config(format!(
                    "`{table}` belongs to a match, whose ids and redirects are published together"
                ))
                .help("hold what reads it, or leave the match out with `--exclude`"));
            }
            if release.is_none_or(|release| release.table(table).is_none()) {
                return Err(Error::config(format!(
                    "`{table}` was never published: there is no version to hold"
                ))
                .help("leave it out with `--exclude`"));
            }
        }
        Ok(())
    }
}

impl Executed {
    /// What the next release holds: what this run held, and what it did not look at and was held before. An entry stays as
    /// it was while its reason does.
    pub(super) fn held(
        &self,
        plan: &Plan,
        base: Option<&Release>,
        run: &RunId,
    ) -> BTreeMap<TableName, Held> {
        let before = |table: &TableName| base.and_then(|base| base.held.get(table));
        let mut held = BTreeMap::new();
        for table in plan.order.iter() {
            let known = before(table);
            let entry = match self.outcomes.get(table).map(|result| &result.outcome) {
                Some(TableOutcome::Held(reason)) => match known {
                    Some(known) if known.reason == *reason => known.clone(),
                    _ => Held {
                        reason: reason.clone(),
                        since: known.map_or(next(base), |known| known.since),
                        run: run.clone(),
                    },
                },
                _ if is_selected(plan, table) => continue,
                _ => match known {
                    Some(known) => known.clone(),
                    None => continue,
                },
            };
            held.insert(table.clone(), entry);
        }
        held
    }
}

fn next(base: Option<&Release>) -> ReleaseNumber {
    ReleaseNumber(base.map_or(0, |base| base.number.0) + 1)
}

fn is_selected(plan: &Plan, table: &TableName) -> bool {
    let action = plan.tables.get(table).map(|table| &table.action);
    action.is_some_and(|action| *action != Action::NotSelected)
}

/// Whether a table that is held turned out good without anything to do: its hold then ends by itself.
pub(super) fn any_ended(plan: &Plan, base: Option<&Release>) -> bool {
    let held = base.into_iter().flat_map(|base| base.held.keys());
    held.into_iter().any(|table| match plan.tables.get(table) {
        Some(plan) => {
            plan.action == Action::Unchanged && !plan.is_overdue() && !plan.is_refused(false)
        }
        // no longer in the project
        None => false,
    })
}

/// The holds of a release, for people: which version, why, and what stands on it.
pub(super) fn reports(held: &BTreeMap<TableName, Held>, plan: &Plan) -> Vec<HeldReport> {
    let reports = held.iter().map(|(table, held)| HeldReport {
        table: table.clone(),
        at: held.last_good(),
        since: held.since,
        reason: held.reason.clone(),
        run: held.run.clone(),
        readers: plan.standing_on(table).into_iter().collect(),
    });
    reports.collect()
}

/// The first test that failed, of the table or of an ephemeral step that is part of it, and how many more did.
fn failed_tests(plan: &TablePlan, failed: &[Verdict]) -> String {
    let Some(first) = failed.first() else {
        return "its tests failed".to_string();
    };
    let of_part = match first.table == plan.table {
        true => String::new(),
        false => format!(" of `{}`", first.table),
    };
    let more = match failed.len() {
        1 => String::new(),
        n => format!(", and {} more", n - 1),
    };
    format!(
        "test `{}`{of_part} failed{}{more}",
        first.test,
        first.failed_by()
    )
}
