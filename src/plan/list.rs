//! The tables of a project, as a selection names them.

use super::decide::selected;
use super::{Kind, Observed, Selection, check_project};
use crate::engine::FunctionRegistry;
use crate::error::{Error, Result};
use crate::name::TableName;
use crate::project::Project;

/// The tables selected, inputs before readers.
///
/// # Errors
/// Every mistake of the project, or of the selection.
pub(crate) fn list(
    project: &Project,
    observed: &Observed,
    selection: &Selection,
    functions: &FunctionRegistry,
) -> Result<Vec<(TableName, Kind)>> {
    let checked =
        check_project(project, functions, observed.as_of).map_err(Error::from_diagnostics)?;
    selected(project, observed, selection, functions, &checked)
}
