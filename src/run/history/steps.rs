//! `ops.steps`: one row for each table that a run worked on.

use super::Told;
use super::table::{Cell, Column, ColumnKind, HistoryTable, Row};
use crate::name::TableName;
use crate::project::Project;
use crate::run::report::TableOutcome;

pub(super) const STEPS: HistoryTable = HistoryTable {
    name: "steps",
    description: "What each run did with each table that it worked on; a table with nothing to do has no row.",
    columns: &[
        Column("run", ColumnKind::Text, "The run."),
        Column("started_at", ColumnKind::Time, "When the run started."),
        Column(
            "release",
            ColumnKind::Number,
            "The release that the run published.",
        ),
        Column("table_name", ColumnKind::Text, "The table."),
        Column("kind", ColumnKind::Text, "source or step."),
        Column(
            "pipeline",
            ColumnKind::Text,
            "The pipeline that owns the table.",
        ),
        Column(
            "outcome",
            ColumnKind::Text,
            "written, same_result, tested, tests_failed, failed or skipped.",
        ),
        Column(
            "reason",
            ColumnKind::Text,
            "Why the run worked on it, or why it failed.",
        ),
        Column("rows", ColumnKind::Number, "Rows of the table."),
        Column(
            "row_change",
            ColumnKind::Number,
            "Rows more, or fewer, than the release before.",
        ),
        Column("exports", ColumnKind::Number, "Exports read, of a source."),
        Column("records", ColumnKind::Number, "Records in them."),
        Column(
            "rejected",
            ColumnKind::Number,
            "Records that broke their contract.",
        ),
        Column("seconds", ColumnKind::Real, "How long it took."),
    ],
};

pub(super) fn rows(told: &Told<'_>, project: &Project) -> Vec<Row> {
    let report = told.report;
    let sources = report.sources.iter().filter_map(|source| {
        let (outcome, reason) = outcome(&source.outcome)?;
        let counts: [Cell; 3] = [
            (source.exports.len() as u64).into(),
            source.records.into(),
            source.rejected.into(),
        ];
        let facts = Facts {
            table: &source.table,
            kind: "source",
            outcome,
            reason,
            rows: source.rows,
            row_change: source.row_change,
            counts,
            seconds: source.seconds,
        };
        Some(facts.row(told, project))
    });
    let steps = report.steps.iter().filter_map(|step| {
        let (outcome, reason) = outcome(&step.outcome)?;
        let why = step.reasons.join("; ");
        let facts = Facts {
            table: &step.table,
            kind: "step",
            outcome,
            reason: reason.or(Some(why).filter(|why| !why.is_empty())),
            rows: step.rows,
            row_change: step.row_change,
            counts: [Cell::Null, Cell::Null, Cell::Null],
            seconds: step.seconds,
        };
        Some(facts.row(told, project))
    });
    sources.chain(steps).collect()
}

struct Facts<'a> {
    table: &'a TableName,
    kind: &'static str,
    outcome: &'static str,
    reason: Option<String>,
    rows: u64,
    row_change: i64,
    counts: [Cell; 3],
    seconds: f64,
}

impl Facts<'_> {
    fn row(self, told: &Told<'_>, project: &Project) -> Row {
        let pipeline = project.pipeline_of(self.table);
        // a table that could not be made has no rows to count
        let counted = !matches!(self.outcome, "failed" | "skipped");
        let [exports, records, rejected] = self.counts;
        vec![
            told.report.run.to_string().into(),
            told.report.started_at.into(),
            told.release.map(|release| release.0).into(),
            self.table.to_string().into(),
            self.kind.into(),
            pipeline.map(|pipeline| pipeline.name.clone()).into(),
            self.outcome.into(),
            self.reason.into(),
            counted.then_some(self.rows).into(),
            counted.then_some(self.row_change).into(),
            exports,
            records,
            rejected,
            self.seconds.into(),
        ]
    }
}

/// The word for an outcome, and the reason where it carries one; `None` where there was nothing to do.
fn outcome(outcome: &TableOutcome) -> Option<(&'static str, Option<String>)> {
    Some(match outcome {
        TableOutcome::Unchanged => return None,
        TableOutcome::Written => ("written", None),
        TableOutcome::SameResult => ("same_result", None),
        TableOutcome::Tested => ("tested", None),
        TableOutcome::TestsFailed => ("tests_failed", None),
        TableOutcome::Held(reason) => ("held", Some(reason.clone())),
        TableOutcome::Failed(failure) => ("failed", Some(failure.brief.clone())),
        TableOutcome::Skipped(input) => ("skipped", Some(format!("`{input}` failed"))),
    })
}
