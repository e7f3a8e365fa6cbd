//! A project's tables as its SQL says, mistakes allowed: what people work on between two builds.
//!
//! In: a project. Out: of every table what could be found out, and everything that is wrong. Knows no release.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use datafusion::arrow::datatypes::SchemaRef;

use super::check::{examine, sorted};
use super::contract_check::schema_of_query;
use super::decide::kind;
use super::{Kind, MatchPlan};
use crate::diagnostic::Diagnostic;
use crate::engine::{Analysis, FunctionRegistry};
use crate::error::{Error, Result};
use crate::name::TableName;
use crate::project::Project;

/// Every table of a project, whether or not it could be built.
#[derive(Debug)]
pub(crate) struct Outline {
    tables: BTreeMap<TableName, OutlinedTable>,
    /// Of the tables that match steps make.
    matches: BTreeMap<TableName, MatchPlan>,
    /// By file and place.
    pub(crate) mistakes: Vec<Diagnostic>,
}

/// What is known of one table.
#[derive(Debug)]
pub(crate) struct OutlinedTable {
    pub(crate) kind: Kind,
    /// Of its SQL; `None` for sources, and where a mistake hides it.
    pub(crate) analysis: Option<Analysis>,
    /// The columns as published: its contract's, or where that does not fit, those that the query yields.
    pub(crate) schema: Option<SchemaRef>,
}

impl Outline {
    /// Looks at every file of the project.
    pub(crate) fn new(
        project: &Project,
        functions: &FunctionRegistry,
        as_of: DateTime<Utc>,
    ) -> Self {
        let mut examined = examine(project, functions, as_of);
        let mut tables = BTreeMap::new();
        for name in project.tables() {
            let analysis = examined.analyses.remove(name);
            let schema = match (&analysis, project.steps.get(name)) {
                (Some(analysis), Some(step)) if examined.breaking.contains(name) => {
                    schema_of_query(&step.file, &analysis.output).ok()
                }
                _ => examined.tables.remove(name).map(|table| table.schema),
            };
            let table = OutlinedTable {
                kind: kind(project, name),
                analysis,
                schema,
            };
            tables.insert(name.clone(), table);
        }
        Self {
            tables,
            matches: examined.matches,
            mistakes: sorted(examined.mistakes),
        }
    }

    /// A table of the project.
    ///
    /// # Errors
    /// `Config` with every mistake, where one hides what its SQL means.
    pub(crate) fn table(&self, name: &TableName) -> Result<&OutlinedTable> {
        self.tables
            .get(name)
            .filter(|table| {
                let has_no_sql = !matches!(table.kind, Kind::Table | Kind::Ephemeral);
                (has_no_sql && table.schema.is_some()) || table.analysis.is_some()
            })
            .ok_or_else(|| Error::from_diagnostics(self.mistakes.clone()))
    }

    /// The match step that makes a table.
    ///
    /// # Errors
    /// `Config` with every mistake, where one hides what it compares.
    pub(crate) fn matching(&self, table: &TableName) -> Result<&MatchPlan> {
        let plan = self.matches.get(table);
        plan.ok_or_else(|| Error::from_diagnostics(self.mistakes.clone()))
    }

    /// The columns that a step's query yields, whatever its contract says; of any other table those that it has.
    pub(crate) fn yielded(&self, project: &Project, name: &TableName) -> Option<SchemaRef> {
        let table = self.tables.get(name)?;
        match (&table.analysis, project.steps.get(name)) {
            (Some(analysis), Some(step)) => schema_of_query(&step.file, &analysis.output).ok(),
            _ => table.schema.clone(),
        }
    }

    /// Mistakes in the files that describe a table: its SQL and its contract.
    pub(crate) fn mistakes_of(&self, name: &TableName) -> Vec<Diagnostic> {
        let stem = format!("/{}.", name.location());
        let of_table = self.mistakes.iter().filter(|mistake| {
            let place = mistake.place.as_ref();
            place.is_some_and(|place| place.file.path.contains(&stem))
        });
        of_table.cloned().collect()
    }
}
