//! A statement that is run at once: planned in the session that runs it, its mistakes explained as those of steps are.

use datafusion::dataframe::DataFrame;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement as EngineStatement;
use datafusion::sql::sqlparser::ast;

use super::{explain_failure, function_calls};
use crate::diagnostic::Diagnostic;
use crate::engine::function_registry::FunctionRegistry;
use crate::engine::statement::Statement;

/// The statement over the session's tables; nothing is read yet.
///
/// # Errors
/// What the planner refuses, at its place in the statement's file.
pub(crate) async fn plan_query(
    session: &SessionContext,
    statement: &Statement,
    functions: &FunctionRegistry,
) -> Result<DataFrame, Diagnostic> {
    let calls = function_calls(statement);
    let explain = |error, plan: Option<&_>| {
        explain_failure::explain(&error, statement, &calls, functions, plan)
    };
    let state = session.state();
    // the tree and not the text: the session would read some comparisons otherwise
    let query = ast::Statement::Query(Box::new(statement.query().clone()));
    let plan = state
        .statement_to_plan(EngineStatement::Statement(Box::new(query)))
        .await
        .map_err(|error| explain(error, None))?;
    // types are checked when it is run, too late to say where
    state
        .analyzer()
        .execute_and_check(plan.clone(), state.config_options(), |_, _| {})
        .map_err(|error| explain(error, Some(&plan)))?;
    Ok(DataFrame::new(state, plan))
}
