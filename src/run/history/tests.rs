//! `ops.tests`: one row for each test that a run judged.

use super::Told;
use super::table::{Column, ColumnKind, HistoryTable, Row};
use crate::quality::Outcome;

pub(super) const TESTS: HistoryTable = HistoryTable {
    name: "tests",
    description: "Every test of every run, and how it ended.",
    columns: &[
        Column("run", ColumnKind::Text, "The run."),
        Column("started_at", ColumnKind::Time, "When the run started."),
        Column(
            "release",
            ColumnKind::Number,
            "The release that the run published.",
        ),
        Column("table_name", ColumnKind::Text, "The table tested."),
        Column("test", ColumnKind::Text, "The test, as `not_null(email)`."),
        Column("severity", ColumnKind::Text, "error or warn."),
        Column("outcome", ColumnKind::Text, "passed, warned or failed."),
        Column("failures", ColumnKind::Number, "Rows that failed."),
        Column("rows", ColumnKind::Number, "Rows tested."),
        Column(
            "declared_at",
            ColumnKind::Text,
            "File, line and column of the test.",
        ),
    ],
};

pub(super) fn rows(told: &Told<'_>) -> Vec<Row> {
    let verdicts = told.report.verdicts.iter();
    verdicts
        .map(|verdict| {
            vec![
                told.report.run.to_string().into(),
                told.report.started_at.into(),
                told.release.map(|release| release.0).into(),
                verdict.table.to_string().into(),
                verdict.test.clone().into(),
                verdict.severity.map(|severity| severity.name()).into(),
                outcome(verdict.outcome).into(),
                verdict.failures.into(),
                verdict.rows.into(),
                verdict.declared_at.clone().into(),
            ]
        })
        .collect()
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Warned => "warned",
        Outcome::Failed => "failed",
    }
}
