//! `ops.runs`: one row for each run that claimed the lake, whatever its end.

use super::Told;
use super::table::{Column, ColumnKind, HistoryTable, Row};
use crate::quality::Outcome;
use crate::run::report::RunReport;

pub(super) const RUNS: HistoryTable = HistoryTable {
    name: "runs",
    description: "Runs that claimed the lake, whatever their end. How the newest release's own run ended, the next release tells.",
    columns: &[
        Column("run", ColumnKind::Text, "Names the run."),
        Column("started_at", ColumnKind::Time, "When it started."),
        Column(
            "ended_at",
            ColumnKind::Time,
            "When it ended; null while only the next release can tell.",
        ),
        Column(
            "seconds",
            ColumnKind::Real,
            "How long it took; null as `ended_at` is.",
        ),
        Column(
            "as_of",
            ColumnKind::Time,
            "The date and time that its tables speak of.",
        ),
        Column(
            "outcome",
            ColumnKind::Text,
            "published, nothing_to_publish or failed.",
        ),
        Column(
            "release",
            ColumnKind::Number,
            "The release that it published.",
        ),
        Column(
            "base_release",
            ColumnKind::Number,
            "The release that it built on.",
        ),
        Column("exports", ColumnKind::Number, "Exports read."),
        Column("records", ColumnKind::Number, "Records in them."),
        Column(
            "accepted",
            ColumnKind::Number,
            "Records that kept their contract.",
        ),
        Column("rejected", ColumnKind::Number, "Records that broke it."),
        Column(
            "changed_tables",
            ColumnKind::Number,
            "Tables of the project written; null as `ended_at` is.",
        ),
        Column("tests_passed", ColumnKind::Number, "Tests that passed."),
        Column("tests_warned", ColumnKind::Number, "Tests that warned."),
        Column("tests_failed", ColumnKind::Number, "Tests that failed."),
        Column(
            "peak_bytes",
            ColumnKind::Number,
            "Most memory that the process held; null as `ended_at` is.",
        ),
        Column(
            "failure_kind",
            ColumnKind::Text,
            "Who has to act: config, input, quality, conflict, unavailable, corrupt, internal, interrupted.",
        ),
        Column("failure", ColumnKind::Text, "Why nothing was published."),
    ],
};

pub(super) fn row(told: &Told<'_>) -> Row {
    let report = told.report;
    let sum =
        |part: fn(&crate::run::SourceReport) -> u64| report.sources.iter().map(part).sum::<u64>();
    let tests = |outcome| report.tests(outcome) as u64;
    let at_its_end = |value: u64| told.has_ended.then_some(value);
    vec![
        report.run.to_string().into(),
        report.started_at.into(),
        told.has_ended.then(|| ended_at(report)).into(),
        told.has_ended.then_some(report.seconds).into(),
        report.as_of.into(),
        outcome(told).into(),
        told.release.map(|release| release.0).into(),
        report.base.as_ref().map(|base| base.number.0).into(),
        sum(|source| source.exports.len() as u64).into(),
        sum(|source| source.records).into(),
        sum(|source| source.accepted).into(),
        sum(|source| source.rejected).into(),
        at_its_end(report.changed_tables).into(),
        tests(Outcome::Passed).into(),
        tests(Outcome::Warned).into(),
        tests(Outcome::Failed).into(),
        at_its_end(report.peak_bytes).into(),
        report.failure_kind.clone().into(),
        report.failure.clone().into(),
    ]
}

fn ended_at(report: &RunReport) -> chrono::DateTime<chrono::Utc> {
    report.started_at + chrono::Duration::milliseconds((report.seconds * 1000.0) as i64)
}

fn outcome(told: &Told<'_>) -> &'static str {
    match (told.release, &told.report.failure) {
        (Some(_), _) => "published",
        (None, Some(_)) => "failed",
        (None, None) => "nothing_to_publish",
    }
}
