//! `ops.tests`: one row for each test that a run judged.

use super::Told;
use super::table::{Column, HistoryTable, Kind, Row};
use crate::quality::Outcome;

pub(super) const TESTS: HistoryTable = HistoryTable {
    name: "tests",
    description: "Every test of every run, and how it ended.",
    columns: &[
        Column("run", Kind::Text, "The run."),
        Column("started_at", Kind::Time, "When the run started."),
        Column(
            "release",
            Kind::Number,
            "The release that the run published.",
        ),
        Column("table_name", Kind::Text, "The table tested."),
        Column("test", Kind::Text, "The test, as `not_null(email)`."),
        Column("severity", Kind::Text, "error or warn."),
        Column("outcome", Kind::Text, "passed, warned or failed."),
        Column("failures", Kind::Number, "Rows that failed."),
        Column("rows", Kind::Number, "Rows tested."),
        Column(
            "declared_at",
            Kind::Text,
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
