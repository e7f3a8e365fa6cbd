//! What tables are, whatever a build would do with them: for whoever describes a project to other tools.

use std::collections::BTreeMap;

use datafusion::arrow::datatypes::SchemaRef;

use super::check::Checked;
use super::decide::kind;
use super::{Kind, Plan};
use crate::engine::Analysis;
use crate::name::TableName;
use crate::project::Project;

/// Of every table of a project.
pub(crate) type Shapes = BTreeMap<TableName, Shape>;

/// What makes a table, of what, and with which columns.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) kind: Kind,
    /// The tables it reads directly, ephemeral ones too; none of a source.
    pub(crate) inputs: Vec<TableName>,
    /// The columns as published.
    pub(crate) schema: SchemaRef,
    /// One entry for each test of its contract: the statement of one that is SQL, its variables replaced.
    pub(crate) test_queries: Vec<Option<String>>,
}

impl Checked {
    /// Of every table whose columns are known.
    pub(super) fn shapes(&self, project: &Project) -> Shapes {
        let tables = self.schemas.iter();
        tables
            .map(|(table, schema)| {
                let tests = self.tests.get(table).map_or(&[][..], Vec::as_slice);
                let shape = Shape {
                    kind: kind(project, table),
                    inputs: self.graph.inputs(table).to_vec(),
                    schema: schema.clone(),
                    test_queries: queries(tests),
                };
                (table.clone(), shape)
            })
            .collect()
    }
}

impl Plan {
    /// Of every table.
    pub(crate) fn shapes(&self) -> Shapes {
        let tables = self.tables.iter();
        tables
            .map(|(table, plan)| {
                let shape = Shape {
                    kind: plan.kind,
                    inputs: plan.inputs.clone(),
                    schema: plan.schema.clone(),
                    test_queries: queries(&plan.tests),
                };
                (table.clone(), shape)
            })
            .collect()
    }
}

fn queries(tests: &[Option<Analysis>]) -> Vec<Option<String>> {
    let bound = |test: &Option<Analysis>| test.as_ref().map(|test| test.bound_sql().to_string());
    tests.iter().map(bound).collect()
}
