//! The events themselves.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::Told;
use super::dataset::Datasets;
use super::lineage::column_lineage;
use crate::column_type::ColumnType;
use crate::name::TableName;
use crate::plan::{Kind, Lineage, Shape, Shapes};
use crate::project::{Owner, Project};
use crate::quality::{Outcome, Verdict};
use crate::run::summary::{RunOutcome, RunSummary};
use crate::run::{RunReport, TableOutcome, uuid};

const SPEC: &str = "https://openlineage.io/spec";
const PRODUCER: &str = concat!("urn:kilde:", env!("CARGO_PKG_VERSION"));

/// All that the events of one build are made of.
pub(super) struct Teller<'a> {
    pub(super) project: &'a Project,
    pub(super) namespace: &'a str,
    pub(super) datasets: Datasets,
    pub(super) shapes: &'a Shapes,
    pub(super) lineage: Option<&'a Lineage>,
    pub(super) report: &'a RunReport,
    pub(super) summary: &'a RunSummary,
}

/// A table that work began on.
struct Made<'a> {
    table: &'a TableName,
    outcome: &'a TableOutcome,
    rows: u64,
    started_at: DateTime<Utc>,
    seconds: f64,
}

/// A job and one run of it.
struct Job {
    name: String,
    run: String,
    facets: Map<String, Value>,
}

impl Teller<'_> {
    pub(super) fn events(&self) -> Vec<Told> {
        let [first, last] = self.of_build();
        let mut events = vec![first];
        for made in self.made() {
            events.extend(self.of_table(&made));
        }
        let mut tested: Vec<&TableName> = Vec::new();
        for verdict in &self.report.verdicts {
            if tested.last() != Some(&&verdict.table) {
                tested.push(&verdict.table);
            }
        }
        for table in tested {
            events.extend(self.of_tests(table));
        }
        // at the very end, whatever the clock says
        events.push(last);
        events
    }

    fn made(&self) -> Vec<Made<'_>> {
        let sources = self.report.sources.iter().map(|source| {
            let (table, outcome, rows) = (&source.table, &source.outcome, source.rows);
            (table, outcome, rows, source.started_at, source.seconds)
        });
        let steps = self.report.steps.iter().map(|step| {
            let (table, outcome, rows) = (&step.table, &step.outcome, step.rows);
            (table, outcome, rows, step.started_at, step.seconds)
        });
        let is_real = |table: &TableName| {
            let shape = self.shapes.get(table);
            shape.is_some_and(|shape| shape.kind != Kind::Ephemeral)
        };
        sources
            .chain(steps)
            .filter_map(|(table, outcome, rows, started_at, seconds)| {
                is_real(table).then_some(Made {
                    table,
                    outcome,
                    rows,
                    started_at: started_at?,
                    seconds,
                })
            })
            .collect()
    }

    fn of_build(&self) -> [Told; 2] {
        let summary = self.summary;
        let kind = match summary.outcome {
            RunOutcome::Published | RunOutcome::Unchanged => "COMPLETE",
            RunOutcome::Failed | RunOutcome::Decided => "FAIL",
            RunOutcome::Interrupted => "ABORT",
        };
        let job = Job {
            name: self.build_name(),
            run: self.build_run(),
            facets: self.job_facets("JOB", None),
        };
        let mut run = Map::new();
        run.insert("processing_engine".to_string(), engine());
        if let Some(parent) = parent_of_environment() {
            run.insert("parent".to_string(), parent);
        }
        let started = self.event("START", summary.started_at, &job, run.clone(), [&[], &[]]);
        if let Some(failure) = &summary.failure {
            run.insert("errorMessage".to_string(), error_message(failure, failure));
        }
        let ended = self.event(kind, summary.ended_at, &job, run, [&[], &[]]);
        [started, ended]
    }

    fn of_table(&self, made: &Made<'_>) -> Vec<Told> {
        let Some(shape) = self.shapes.get(made.table) else {
            return Vec::new();
        };
        let step = self.project.steps.get(made.table);
        let sql = step.map(|step| step.file.text.as_str());
        let kind = if shape.kind == Kind::Source {
            "INGEST"
        } else {
            "QUERY"
        };
        let name = format!("{}.{}", self.project.name, made.table);
        let mut facets = self.job_facets(kind, sql);
        let owner = self.owner(made.table);
        if let Some(owner) = owner {
            let owners = json!({"owners": [{"name": owned_by(owner), "type": "MAINTAINER"}]});
            facets.insert(
                "ownership".to_string(),
                facet("1-0-1/OwnershipJobFacet", owners),
            );
        }
        let job = Job {
            run: uuid::of(&[&self.report.run.0, &name]),
            name,
            facets,
        };
        let inputs = self.inputs(made.table, shape);
        let (ending, message) = self.ending(made.outcome);
        let ended_at = made.started_at + TimeDelta::microseconds((made.seconds * 1e6) as i64);
        let mut output = self.dataset(made.table, shape);
        let begun = self.event(
            "START",
            made.started_at,
            &job,
            self.run_facets(),
            [&inputs, &[output.clone()]],
        );
        if ending == "COMPLETE" {
            let rows = json!({"rowCount": made.rows});
            output["outputFacets"] = json!({
                "outputStatistics": facet("1-0-2/OutputStatisticsOutputDatasetFacet", rows),
            });
            if let Some(release) = self.report.release {
                let version = json!({"datasetVersion": release.to_string()});
                output["facets"]["version"] = facet("1-0-1/DatasetVersionDatasetFacet", version);
            }
        }
        if let Some(lineage) = self
            .lineage
            .and_then(|l| column_lineage(l, &self.datasets, made.table))
        {
            output["facets"]["columnLineage"] =
                facet("1-2-0/ColumnLineageDatasetFacet", Value::Object(lineage));
        }
        let mut run = self.run_facets();
        if let Some((brief, text)) = message {
            run.insert("errorMessage".to_string(), error_message(&brief, &text));
        }
        vec![
            begun,
            self.event(ending, ended_at, &job, run, [&inputs, &[output]]),
        ]
    }

    /// How the run of a table ended, and why where not well.
    fn ending(&self, outcome: &TableOutcome) -> (&'static str, Option<(String, String)>) {
        match outcome {
            TableOutcome::Failed(failure) => {
                ("FAIL", Some((failure.brief.clone(), failure.text.clone())))
            }
            TableOutcome::Held(reason) => {
                let brief = format!("held at its last good version: {reason}");
                ("FAIL", Some((brief.clone(), brief)))
            }
            _ if self.summary.exit_code == 0 => ("COMPLETE", None),
            // it was made, and readers will never see it
            _ => ("ABORT", None),
        }
    }

    /// What tests found of a table, as assertions about it.
    fn of_tests(&self, table: &TableName) -> Vec<Told> {
        let Some(shape) = self.shapes.get(table) else {
            return Vec::new();
        };
        let verdicts: Vec<&Verdict> = self
            .report
            .verdicts
            .iter()
            .filter(|verdict| verdict.table == *table)
            .collect();
        let assertions: Vec<Value> = verdicts.iter().map(|verdict| assertion(verdict)).collect();
        let mut tested = self.dataset(table, shape);
        let found = facet(
            "1-1-0/DataQualityAssertionsDatasetFacet",
            json!({"assertions": assertions}),
        );
        tested["inputFacets"] = json!({"dataQualityAssertions": found});
        let name = format!("{}.{table}.tests", self.project.name);
        let job = Job {
            run: uuid::of(&[&self.report.run.0, &name]),
            name,
            facets: self.job_facets("TEST", None),
        };
        let failed = verdicts
            .iter()
            .any(|verdict| verdict.outcome == Outcome::Failed);
        let ending = if failed { "FAIL" } else { "COMPLETE" };
        let at = self.summary.ended_at;
        let bare = self.dataset(table, shape);
        vec![
            self.event("START", at, &job, self.run_facets(), [&[bare], &[]]),
            self.event(ending, at, &job, self.run_facets(), [&[tested], &[]]),
        ]
    }

    fn event(
        &self,
        kind: &str,
        at: DateTime<Utc>,
        job: &Job,
        run: Map<String, Value>,
        [inputs, outputs]: [&[Value]; 2],
    ) -> Told {
        let event = json!({
            "eventType": kind,
            "eventTime": at.to_rfc3339_opts(SecondsFormat::Micros, true),
            "producer": PRODUCER,
            "schemaURL": format!("{SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"),
            "run": {"runId": job.run, "facets": run},
            "job": {"namespace": self.namespace, "name": job.name, "facets": job.facets},
            "inputs": inputs,
            "outputs": outputs,
        });
        (at, event)
    }

    /// What a table is made of: exports, or the tables that its step and the ephemeral steps within it read.
    fn inputs(&self, table: &TableName, shape: &Shape) -> Vec<Value> {
        if let Some(source) = self.project.sources.get(table) {
            return self.datasets.exports(source);
        }
        let mut found = std::collections::BTreeSet::new();
        let mut next: Vec<&TableName> = shape.inputs.iter().collect();
        while let Some(input) = next.pop() {
            match self.shapes.get(input) {
                Some(shape) if shape.kind == Kind::Ephemeral => next.extend(&shape.inputs),
                Some(_) => {
                    found.insert(input);
                }
                None => {}
            }
        }
        let inputs = found.into_iter().filter_map(|input| {
            let shape = self.shapes.get(input)?;
            Some(self.dataset(input, shape))
        });
        inputs.collect()
    }

    fn dataset(&self, table: &TableName, shape: &Shape) -> Value {
        let (namespace, name) = self.datasets.table(table);
        let contract = self.project.contracts.get(table);
        let fields = shape.schema.fields().iter().map(|field| {
            let declared = contract.and_then(|contract| contract.column(field.name()));
            let data_type = declared
                .map(|column| column.data_type.clone())
                .or_else(|| ColumnType::of_arrow(field.data_type()));
            json!({
                "name": field.name(),
                "type": data_type.map(|data_type| data_type.to_string()),
                "description": declared.and_then(|column| column.description.as_ref()),
            })
        });
        let fields: Vec<Value> = fields.collect();
        let known_as = json!([{"namespace": self.namespace, "name": table, "type": "TABLE"}]);
        let mut facets = Map::new();
        for (name, value) in [
            (
                "schema",
                facet("1-2-0/SchemaDatasetFacet", json!({"fields": fields})),
            ),
            (
                "symlinks",
                facet(
                    "1-0-1/SymlinksDatasetFacet",
                    json!({"identifiers": known_as}),
                ),
            ),
        ] {
            facets.insert(name.to_string(), value);
        }
        if let Some(words) = contract.and_then(|contract| contract.description.as_ref()) {
            let words = facet(
                "1-1-0/DocumentationDatasetFacet",
                json!({"description": words}),
            );
            facets.insert("documentation".to_string(), words);
        }
        if let Some(owner) = self.owner(table) {
            let owners = json!({"owners": [{"name": owned_by(owner), "type": "MAINTAINER"}]});
            facets.insert(
                "ownership".to_string(),
                facet("1-0-1/OwnershipDatasetFacet", owners),
            );
        }
        json!({"namespace": namespace, "name": name, "facets": facets})
    }

    fn owner(&self, table: &TableName) -> Option<&Owner> {
        let contract = self.project.contracts.get(table);
        let own = contract.and_then(|contract| contract.owner.as_ref());
        own.or_else(|| self.project.pipeline_of(table)?.owner.as_ref())
    }

    fn job_facets(&self, kind: &str, sql: Option<&str>) -> Map<String, Value> {
        let mut facets = Map::new();
        let job = json!({"processingType": "BATCH", "integration": "KILDE", "jobType": kind});
        facets.insert("jobType".to_string(), facet("2-0-3/JobTypeJobFacet", job));
        if let Some(sql) = sql {
            let query = json!({"query": sql, "dialect": "duckdb"});
            facets.insert("sql".to_string(), facet("1-1-0/SQLJobFacet", query));
        }
        facets
    }

    fn run_facets(&self) -> Map<String, Value> {
        let build = json!({
            "run": {"runId": self.build_run()},
            "job": {"namespace": self.namespace, "name": self.build_name()},
        });
        let mut facets = Map::new();
        facets.insert("parent".to_string(), facet("1-1-0/ParentRunFacet", build));
        facets.insert("processing_engine".to_string(), engine());
        facets
    }

    fn build_name(&self) -> String {
        format!("{}.build", self.project.name)
    }

    fn build_run(&self) -> String {
        uuid::of(&[&self.report.run.0])
    }
}

fn assertion(verdict: &Verdict) -> Value {
    let (name, columns) = verdict.test.split_once('(').unwrap_or((&verdict.test, ""));
    let column = columns.trim_end_matches(')');
    // one column, and not a list or a path to another table
    let is_column = !column.is_empty() && !column.contains([',', ' ']);
    let severity = verdict.severity.unwrap_or_default().name();
    json!({
        "assertion": name,
        "success": verdict.outcome == Outcome::Passed,
        "column": is_column.then_some(column),
        "severity": severity,
        "name": verdict.test,
        "actual": format!("{} of {} rows", verdict.failures, verdict.rows),
        "content": verdict.rows_sql,
        "contentType": "sql",
    })
}

fn engine() -> Value {
    let engine = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "name": "kilde",
        "openlineageAdapterVersion": env!("CARGO_PKG_VERSION"),
    });
    facet("1-1-1/ProcessingEngineRunFacet", engine)
}

fn error_message(brief: &str, text: &str) -> Value {
    let message = json!({"message": brief, "programmingLanguage": "SQL", "stackTrace": text});
    facet("1-0-1/ErrorMessageRunFacet", message)
}

/// The run that started this one, as schedulers tell it: `namespace/job/run` in OPENLINEAGE_PARENT_ID.
fn parent_of_environment() -> Option<Value> {
    let told = std::env::var("OPENLINEAGE_PARENT_ID").ok()?;
    let (job, run) = told.rsplit_once('/')?;
    let (namespace, name) = job.rsplit_once('/')?;
    let parent = json!({
        "run": {"runId": run},
        "job": {"namespace": namespace, "name": name},
    });
    Some(facet("1-1-0/ParentRunFacet", parent))
}

fn owned_by(owner: &Owner) -> String {
    format!("team:{}", owner.email.as_ref().unwrap_or(&owner.name))
}

/// The fields of a facet with what every facet begins with.
fn facet(schema: &str, fields: Value) -> Value {
    let name = schema.rsplit('/').next().unwrap_or(schema);
    let mut facet = json!({
        "_producer": PRODUCER,
        "_schemaURL": format!("{SPEC}/facets/{schema}.json#/$defs/{name}"),
    });
    if let (Some(whole), Value::Object(fields)) = (facet.as_object_mut(), fields) {
        whole.extend(fields);
    }
    facet
}
