//! The tables of a project, as a selection names them.

use super::decide::selected;
use super::{Kind, Observed, PlannedUnitTest, Selection, Shapes, check_project};
use crate::engine::FunctionRegistry;
use crate::error::{Error, Result};
use crate::name::TableName;
use crate::project::Project;

/// A table of the project.
#[derive(Clone, Debug)]
pub(crate) struct ListedTable {
    pub(crate) name: TableName,
    pub(crate) kind: Kind,
    /// The steps that read it directly.
    pub(crate) readers: Vec<TableName>,
}

/// The tables selected, inputs before readers.
///
/// # Errors
/// Every mistake of the project, or of the selection.
pub(crate) fn list(
    project: &Project,
    observed: &Observed,
    selection: &Selection,
    functions: &FunctionRegistry,
) -> Result<Vec<ListedTable>> {
    let checked =
        check_project(project, functions, observed.as_of).map_err(Error::from_diagnostics)?;
    let tables = selected(project, observed, selection, functions, &checked)?;
    let listed = tables.into_iter().map(|(name, kind)| ListedTable {
        readers: checked.graph.readers(&name).to_vec(),
        name,
        kind,
    });
    Ok(listed.collect())
}

/// The unit tests of the tables selected, inputs before readers; and what the project's tables are.
///
/// # Errors
/// Every mistake of the project, or of the selection.
pub(crate) fn unit_tests(
    project: &Project,
    observed: &Observed,
    selection: &Selection,
    functions: &FunctionRegistry,
) -> Result<(Vec<PlannedUnitTest>, Shapes)> {
    let mut checked =
        check_project(project, functions, observed.as_of).map_err(Error::from_diagnostics)?;
    let selected = selected(project, observed, selection, functions, &checked)?;
    let shapes = checked.shapes(project);
    let tables = selected.into_iter();
    let tests = tables
        .filter_map(|(table, _)| checked.unit_tests.remove(&table))
        .flatten();
    Ok((tests.collect(), shapes))
}
