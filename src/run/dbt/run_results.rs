//! `run_results.json`: what became of each table and test.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::moment;
use super::node::Names;
use crate::name::TableName;
use crate::project::Project;
use crate::quality::{Outcome, Verdict};
use crate::run::{RunReport, TableOutcome, UnitTestOutcome, UnitTestReport};

/// One result per table of the report, then one per test.
pub(super) fn of_build(project: &Project, names: &Names<'_>, report: &RunReport) -> Vec<Value> {
    let sources = report.sources.iter().map(|source| Made {
        table: &source.table,
        outcome: &source.outcome,
        rows: source.rows,
        row_change: source.row_change,
        started_at: source.started_at,
        seconds: source.seconds,
    });
    let steps = report.steps.iter();
    let steps = steps.filter(|step| !names.is_ephemeral(&step.table));
    let steps = steps.map(|step| Made {
        table: &step.table,
        outcome: &step.outcome,
        rows: step.rows,
        row_change: step.row_change,
        started_at: step.started_at,
        seconds: step.seconds,
    });
    let tables = sources.chain(steps).map(|made| {
        let sql = project
            .steps
            .get(made.table)
            .map(|step| step.file.text.as_str());
        made.result(names, sql)
    });
    let tests = report
        .verdicts
        .iter()
        .filter_map(|verdict| of_test(names, verdict));
    tables
        .chain(of_unit_tests(names, &report.unit_tests))
        .chain(tests)
        .collect()
}

/// One result per unit test.
pub(super) fn of_unit_tests(names: &Names<'_>, tests: &[UnitTestReport]) -> Vec<Value> {
    let results = tests.iter().map(|test| {
        let (status, message, failures) = match &test.outcome {
            UnitTestOutcome::Passed => ("pass", None, 0),
            UnitTestOutcome::Differs(_) => ("fail", Some("other rows came out".to_string()), 1),
            UnitTestOutcome::Failed(reason) => ("error", Some(reason.clone()), 1),
        };
        result(Result {
            id: &names.unit_test(&test.table, &test.name),
            status,
            message,
            failures: Some(failures),
            ..Result::default()
        })
    });
    results.collect()
}

/// What became of a table.
struct Made<'a> {
    table: &'a TableName,
    outcome: &'a TableOutcome,
    rows: u64,
    row_change: i64,
    started_at: Option<DateTime<Utc>>,
    seconds: f64,
}

impl Made<'_> {
    fn result(&self, names: &Names<'_>, sql: Option<&str>) -> Value {
        let (status, message) = match self.outcome {
            TableOutcome::Written => ("success", format!("{} rows", self.rows)),
            TableOutcome::SameResult => ("success", "same result, kept".to_string()),
            TableOutcome::Tested => ("success", "tested again".to_string()),
            TableOutcome::TestsFailed => ("success", "made; its tests failed".to_string()),
            TableOutcome::Unchanged => ("no-op", "unchanged".to_string()),
            TableOutcome::Failed(failure) => ("error", failure.text.clone()),
            TableOutcome::Held(reason) => ("skipped", format!("held: {reason}")),
            TableOutcome::Skipped(input) => ("skipped", format!("not tried: {input} failed")),
        };
        result(Result {
            id: &names.table(self.table),
            status,
            message: Some(message),
            sql,
            relation: Some(format!(
                "\"{}\".\"{}\"",
                self.table.schema(),
                self.table.name()
            )),
            answer: json!({
                "_message": self.outcome.name(),
                "code": self.outcome.name(),
                "rows_affected": self.rows,
                "row_change": self.row_change,
            }),
            started_at: self.started_at,
            seconds: self.seconds,
            ..Result::default()
        })
    }
}

fn of_test(names: &Names<'_>, verdict: &Verdict) -> Option<Value> {
    let status = match verdict.outcome {
        Outcome::Passed => "pass",
        Outcome::Warned => "warn",
        Outcome::Failed => "fail",
    };
    let is_well = verdict.outcome == Outcome::Passed;
    let found = || match &verdict.note {
        Some(note) => note.clone(),
        None => format!("{} of {} rows", verdict.failures, verdict.rows),
    };
    Some(result(Result {
        id: names.test(&verdict.table, &verdict.test, &verdict.declared_at)?,
        status,
        message: (!is_well).then(found),
        failures: Some(verdict.failures),
        sql: Some(&verdict.rows_sql),
        ..Result::default()
    }))
}

#[derive(Default)]
struct Result<'a> {
    id: &'a str,
    status: &'a str,
    message: Option<String>,
    failures: Option<u64>,
    sql: Option<&'a str>,
    relation: Option<String>,
    answer: Value,
    started_at: Option<DateTime<Utc>>,
    seconds: f64,
}

fn result(result: Result<'_>) -> Value {
    let timing: Vec<Value> = result
        .started_at
        .map(|started_at| {
            let took = TimeDelta::microseconds((result.seconds * 1e6) as i64);
            let ended_at = started_at + took;
            json!({"name": "execute", "started_at": moment(started_at), "completed_at": moment(ended_at)})
        })
        .into_iter()
        .collect();
    let answer = match result.answer {
        Value::Null => json!({}),
        answer => answer,
    };
    json!({
        "unique_id": result.id,
        "status": result.status,
        "message": result.message,
        "failures": result.failures,
        "timing": timing,
        "thread_id": "kilde",
        "execution_time": result.seconds,
        "adapter_response": answer,
        "compiled": result.sql.is_some(),
        "compiled_code": result.sql,
        "relation_name": result.relation,
        "batch_results": null,
    })
}
