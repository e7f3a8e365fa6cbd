//! Planned is not runnable: some statements pass every check of the planner and fail where operators are chosen.

use datafusion::error::Result;
use datafusion::logical_expr::LogicalPlan;

use crate::engine::function_registry::FunctionRegistry;

/// Optimises and builds the physical plan over empty tables; runs nothing.
pub(super) fn check(plan: &LogicalPlan, functions: &FunctionRegistry) -> Result<()> {
    let state = functions.state();
    let optimized = state.optimize(plan)?;
    // Physical planning is asynchronous only because real tables list their files; empty ones never wait. But it takes a
    // lock at each join, and a task that has taken many without a pause is told to wait, for ever in a `block_on`:
    // hence without that budget.
    let planning = state
        .query_planner()
        .create_physical_plan(&optimized, state);
    futures::executor::block_on(tokio::task::unconstrained(planning))?;
    Ok(())
}
