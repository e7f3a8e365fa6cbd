//! Unit tests of steps: rows as text → typed batches, or every mistake at its place.
//!
//! Tables may be given that the step reads, directly or through ephemeral steps. An ephemeral step that is given stands for
//! itself, as in dbt; one that is not is computed from what its own inputs are given. All else is empty.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Schema, SchemaRef};

use super::check::{Parsed, Surroundings};
use super::decide::kind;
use super::fixture::{batch, named_columns};
use super::{Graph, Kind};
use crate::diagnostic::{Code, Diagnostic, SourceFile, Span, nearest};
use crate::engine::{Analysis, InputTable};
use crate::name::TableName;
use crate::project::{Contract, Fixture, UnitTest};

/// A unit test that can be run.
#[derive(Clone, Debug)]
pub(crate) struct PlannedUnitTest {
    pub(crate) table: TableName,
    pub(crate) name: String,
    /// `file:line:column`
    pub(crate) declared_at: String,
    pub(crate) as_of: DateTime<Utc>,
    /// Every table that is not computed.
    pub(crate) given: BTreeMap<TableName, PlannedFixture>,
    /// The ephemeral steps that it needs, inputs first, and last the step itself.
    pub(crate) computed: Vec<ComputedStep>,
    pub(crate) expect: PlannedFixture,
    /// Columns by which rows are recognised; may be empty.
    pub(crate) key: Vec<String>,
}

/// Typed rows.
#[derive(Clone, Debug)]
pub(crate) enum PlannedFixture {
    Rows(RecordBatch),
    /// Read when the test runs; its columns are among these.
    Parquet {
        path: PathBuf,
        schema: SchemaRef,
    },
}

/// A statement of a unit test.
#[derive(Clone, Debug)]
pub(crate) struct ComputedStep {
    pub(crate) table: TableName,
    pub(crate) inputs: Vec<TableName>,
    /// Bound to the test's instant and variables.
    pub(crate) sql: String,
    pub(crate) schema: SchemaRef,
}

/// What a test is checked against.
pub(super) struct Bench<'a> {
    pub(super) surroundings: &'a Surroundings<'a>,
    pub(super) graph: &'a Graph,
    pub(super) parsed: &'a BTreeMap<TableName, Parsed<'a>>,
    pub(super) analyses: &'a BTreeMap<TableName, Analysis>,
    pub(super) tables: &'a BTreeMap<TableName, InputTable>,
}

impl Bench<'_> {
    /// The unit tests of every contract.
    pub(super) fn check(
        &self,
        mistakes: &mut Vec<Diagnostic>,
    ) -> BTreeMap<TableName, Vec<PlannedUnitTest>> {
        let mut all = BTreeMap::new();
        for (table, contract) in &self.surroundings.project.contracts {
            let mut planned = Vec::new();
            for test in &contract.unit_tests {
                if !self.surroundings.project.steps.contains_key(table) {
                    let message =
                        format!("`{table}` is made without SQL: there is nothing to test");
                    mistakes.push(
                        Diagnostic::error(Code(350), message)
                            .at(&contract.file, test.name.span)
                            .help("a unit test stands in the contract of a step"),
                    );
                    continue;
                }
                match self.one(table, contract, test) {
                    Ok(test) => planned.extend(test),
                    Err(found) => mistakes.extend(found),
                }
            }
            if !planned.is_empty() {
                all.insert(table.clone(), planned);
            }
        }
        all
    }

    /// `Ok(None)` where a mistake that is reported elsewhere hides what the step means.
    fn one(
        &self,
        table: &TableName,
        contract: &Contract,
        test: &UnitTest,
    ) -> Result<Option<PlannedUnitTest>, Vec<Diagnostic>> {
        let named: BTreeSet<&TableName> = test.given.iter().map(|(name, _)| &name.value).collect();
        let mut steps = Vec::new();
        let mut read = BTreeSet::new();
        self.needed(table, &named, &mut steps, &mut read);
        let mut found = self.unknown_inputs(table, contract, test, &read);
        found.extend(self.unknown_vars(contract, test));
        let needs_instant = steps
            .iter()
            .any(|step| self.analyses.get(step).is_some_and(|a| a.uses_as_of));
        if needs_instant && test.as_of.is_none() {
            let message = format!("`{table}` uses `$as_of`, and the test does not say when it is");
            found.push(
                Diagnostic::error(Code(352), message)
                    .at(&contract.file, test.name.span)
                    .help("add `as_of: 2026-03-01`: a test must not change with the calendar"),
            );
        }
        let mut given = BTreeMap::new();
        for (name, fixture) in &test.given {
            let Some(input) = self.tables.get(&name.value) else {
                continue;
            };
            match self.planned(fixture, &name.value, &input.schema) {
                Ok(rows) => {
                    given.insert(name.value.clone(), rows);
                }
                Err(mistakes) => found.extend(mistakes),
            }
        }
        let Some(published) = self.tables.get(table) else {
            return if found.is_empty() {
                Ok(None)
            } else {
                Err(found)
            };
        };
        let expect = match &test.expect {
            Fixture::Rows(rows) => named_columns(rows, table, &published.schema)
                .and_then(|columns| {
                    let schema = Arc::new(Schema::new(columns));
                    batch(rows, table, &schema)
                })
                .map(PlannedFixture::Rows),
            other => self.planned(other, table, &published.schema),
        };
        let expect = expect.map_err(|mistakes| found.extend(mistakes)).ok();
        let (true, Some(expect)) = (found.is_empty(), expect) else {
            return Err(found);
        };
        for input in read {
            if let (false, Some(table)) = (given.contains_key(&input), self.tables.get(&input)) {
                let none = RecordBatch::new_empty(table.schema.clone());
                given.insert(input, PlannedFixture::Rows(none));
            }
        }
        let Some(computed) = self.computed(&steps, test)? else {
            return Ok(None);
        };
        Ok(Some(PlannedUnitTest {
            table: table.clone(),
            name: test.name.value.clone(),
            declared_at: place(&contract.file, test.name.span),
            as_of: test.as_of.unwrap_or(self.surroundings.as_of),
            given,
            computed,
            expect,
            key: contract
                .key_names()
                .into_iter()
                .map(str::to_string)
                .collect(),
        }))
    }

    /// Steps to compute, inputs first, and the tables that are read and not computed.
    fn needed(
        &self,
        table: &TableName,
        named: &BTreeSet<&TableName>,
        steps: &mut Vec<TableName>,
        read: &mut BTreeSet<TableName>,
    ) {
        for input in self.graph.inputs(table) {
            let is_ephemeral = kind(self.surroundings.project, input) == Kind::Ephemeral;
            if is_ephemeral && !named.contains(input) {
                if !steps.contains(input) {
                    self.needed(input, named, steps, read);
                }
            } else {
                read.insert(input.clone());
            }
        }
        steps.push(table.clone());
    }

    fn unknown_inputs(
        &self,
        table: &TableName,
        contract: &Contract,
        test: &UnitTest,
        read: &BTreeSet<TableName>,
    ) -> Vec<Diagnostic> {
        let names: Vec<String> = read.iter().map(ToString::to_string).collect();
        let unread = test
            .given
            .iter()
            .filter(|(name, _)| !read.contains(&name.value));
        unread
            .map(|(name, _)| {
                let message = format!("`{table}` does not read `{}`", name.value);
                let diagnostic =
                    Diagnostic::error(Code(351), message).at(&contract.file, name.span);
                let wanted = name.value.to_string();
                match nearest(&wanted, names.iter().map(String::as_str)) {
                    Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                    None if names.is_empty() => diagnostic,
                    None => diagnostic.help(format!("it reads {}", names.join(", "))),
                }
            })
            .collect()
    }

    fn unknown_vars(&self, contract: &Contract, test: &UnitTest) -> Vec<Diagnostic> {
        let known = &self.surroundings.project.vars;
        let unknown = test
            .vars
            .iter()
            .filter(|(name, _)| !known.contains_key(*name));
        unknown
            .map(|(name, value)| {
                let message = format!("`{name}` is not among the project's `vars`");
                let diagnostic =
                    Diagnostic::error(Code(310), message).at(&contract.file, value.span);
                match nearest(name, known.keys().map(String::as_str)) {
                    Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                    None => diagnostic.help(format!("add it to kilde.yaml: `vars: {{{name}: …}}`")),
                }
            })
            .collect()
    }

    fn planned(
        &self,
        fixture: &Fixture,
        table: &TableName,
        schema: &SchemaRef,
    ) -> Result<PlannedFixture, Vec<Diagnostic>> {
        match fixture {
            Fixture::Rows(rows) => batch(rows, table, schema).map(PlannedFixture::Rows),
            Fixture::Parquet { path, .. } => Ok(PlannedFixture::Parquet {
                path: path.clone(),
                schema: schema.clone(),
            }),
        }
    }

    /// The statements bound to the test's instant and variables.
    fn computed(
        &self,
        steps: &[TableName],
        test: &UnitTest,
    ) -> Result<Option<Vec<ComputedStep>>, Vec<Diagnostic>> {
        let mut computed = Vec::with_capacity(steps.len());
        let mut vars = self.surroundings.project.vars.clone();
        let own = test.vars.iter();
        vars.extend(own.map(|(name, value)| (name.clone(), value.value.clone())));
        for table in steps {
            let (Some(analysis), Some(parsed), Some(known)) = (
                self.analyses.get(table),
                self.parsed.get(table),
                self.tables.get(table),
            ) else {
                return Ok(None);
            };
            let differs = analysis.uses_as_of
                || analysis
                    .vars
                    .iter()
                    .any(|name| test.vars.contains_key(name));
            let sql = if differs {
                let as_of = test.as_of.unwrap_or(self.surroundings.as_of);
                let bound = parsed.analyse_with(self.surroundings, self.tables, &vars, as_of)?;
                bound.bound_sql().to_string()
            } else {
                analysis.bound_sql().to_string()
            };
            computed.push(ComputedStep {
                table: table.clone(),
                inputs: analysis.inputs.clone(),
                sql,
                schema: known.schema.clone(),
            });
        }
        Ok(Some(computed))
    }
}

fn place(file: &Arc<SourceFile>, span: Span) -> String {
    let (line, column) = file.position(span.start);
    format!("{}:{line}:{column}", file.path)
}
