//! `manifest.json` and `run_results.json` in dbt's shapes (manifest v12, run results v6), for tools that read dbt's.
//!
//! ```text
//! project + shapes ──▶ manifest.json       what there is: nodes, sources, tests, exposures, who reads what
//! run report       ──▶ run_results.json    what became of it
//! ```
//!
//! A table's name is its dbt name, `gold.customers`; its id is `model.<project>.gold.customers`. A table that exports fill is a
//! dbt source of the same name. Holds what the project's files say and what the report holds: no cell.

mod manifest;
mod node;
mod run_results;

use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::{RunReport, UnitTestReport, uuid};
use crate::error::{Error, Result};
use crate::name::RunId;
use crate::plan::Shapes;
use crate::project::Project;
use node::Names;

/// The version of dbt whose shapes are kept.
const DBT_VERSION: &str = "1.10.0";

/// The command of a process, as dbt would call it, and when it ran.
#[derive(Clone, Debug)]
pub(super) struct Invocation {
    /// `build`, `test` or `parse`.
    pub(super) command: &'static str,
    pub(super) run: RunId,
    pub(super) started_at: DateTime<Utc>,
    pub(super) ended_at: DateTime<Utc>,
}

/// Where the two files lie.
#[derive(Clone, Debug)]
pub(super) struct Artifacts<'a> {
    pub(super) folder: &'a Path,
    pub(super) project: &'a Project,
    pub(super) shapes: &'a Shapes,
}

impl Artifacts<'_> {
    /// What the project is.
    ///
    /// # Errors
    /// `Unavailable` where the folder cannot be written.
    pub(super) fn write_manifest(&self, invocation: &Invocation) -> Result<()> {
        let names = Names::of(self.project, self.shapes);
        let manifest = manifest::manifest(self.project, self.shapes, &names, invocation);
        write(&self.folder.join("manifest.json"), &manifest)
    }

    /// What a build did.
    ///
    /// # Errors
    /// `Unavailable` where the folder cannot be written.
    pub(super) fn write_results(&self, invocation: &Invocation, report: &RunReport) -> Result<()> {
        let names = Names::of(self.project, self.shapes);
        let results = run_results::of_build(self.project, &names, report);
        self.write_run_results(invocation, results)
    }

    /// What unit tests showed.
    ///
    /// # Errors
    /// `Unavailable` where the folder cannot be written.
    pub(super) fn write_unit_tests(
        &self,
        invocation: &Invocation,
        tests: &[UnitTestReport],
    ) -> Result<()> {
        let names = Names::of(self.project, self.shapes);
        let results = run_results::of_unit_tests(&names, tests);
        self.write_run_results(invocation, results)
    }

    fn write_run_results(&self, invocation: &Invocation, results: Vec<Value>) -> Result<()> {
        let elapsed = invocation.ended_at - invocation.started_at;
        let file = json!({
            "metadata": invocation.metadata("run-results/v6"),
            "results": results,
            "elapsed_time": elapsed.as_seconds_f64(),
            "args": {"which": invocation.command, "invocation_command": format!("kilde {}", invocation.command)},
        });
        write(&self.folder.join("run_results.json"), &file)
    }
}

impl Invocation {
    fn metadata(&self, shape: &str) -> Value {
        json!({
            "dbt_schema_version": format!("https://schemas.getdbt.com/dbt/{shape}.json"),
            "dbt_version": DBT_VERSION,
            "generated_at": moment(self.ended_at),
            "invocation_id": uuid::of(&[&self.run.0]),
            "invocation_started_at": moment(self.started_at),
            "env": {"KILDE_VERSION": env!("CARGO_PKG_VERSION"), "KILDE_RUN": self.run},
        })
    }
}

fn moment(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Whole or not at all: another tool may be reading.
fn write(path: &Path, file: &Value) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    let part: PathBuf = path.with_extension("json.part");
    let bytes = serde_json::to_vec(file)
        .map_err(|error| Error::internal("an artifact cannot be written").caused_by(error))?;
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&part, bytes))
        .and_then(|()| std::fs::rename(&part, path))
        .map_err(|error| {
            Error::unavailable(format!("this file for other tools is not written: {error}"))
                .at(path.display().to_string())
        })
}
