//! A step failed on a value: which expression, and which query shows the rows.
//!
//!   plan of the step, deepest operator first ──▶ its expressions over its input, batch by batch
//!     ──▶ the first row that fails ──▶ the smallest part that fails on it ──▶ a condition that finds such rows
//!
//! A failed plan does not say which of its expressions it was, and its text quotes cells. So they are evaluated again. What
//! comes out holds no cell: the expression is the author's, and the query is for who may read the table. A query is given only
//! after it was run and found a row.

mod condition;
mod origin;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::RecordBatch;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::dataframe::DataFrame;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::prelude::SessionContext;
use futures::TryStreamExt;

use super::analysis::Analysis;
use super::checked_arithmetic::checked;
use super::execute::stream;
use crate::clock;
use crate::diagnostic::{SourceFile, Span};
pub(super) use origin::{bare, origin};

/// The search gives up after so long: a message tonight is worth more than a better one tomorrow.
const PATIENCE: Duration = Duration::from_secs(60);

/// What broke a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Culprit {
    /// The expression, as SQL.
    pub(crate) expression: String,
    /// Where the step's file writes it; `None` where it is made by the contract's type, or not found in the text.
    pub(crate) span: Option<Span>,
    /// A query that shows the rows.
    pub(crate) rows_sql: Option<String>,
}

/// Looks for what broke a step's plan; `None` where no expression over rows did, or the time did not suffice.
pub(crate) async fn culprit(
    session: &SessionContext,
    plan: &LogicalPlan,
    analysis: &Analysis,
    file: &Arc<SourceFile>,
) -> Option<Culprit> {
    let search = async {
        let state = session.state();
        let plan = state
            .analyzer()
            .execute_and_check(plan.clone(), state.config_options(), |_, _| {})
            .ok()?;
        let found = search(session, &plan).await?;
        let sql = condition::rows_sql(session, &found).await;
        let expression = condition::sql(&found.expr).unwrap_or_else(|| found.expr.to_string());
        Some(Culprit {
            span: analysis.place_of(&found.expr, file),
            expression,
            rows_sql: sql,
        })
    };
    clock::within(PATIENCE, search).await.flatten()
}

/// An expression that fails, over which rows, and one of them.
struct Found {
    expr: Expr,
    input: LogicalPlan,
    row: RecordBatch,
}

async fn search(session: &SessionContext, plan: &LogicalPlan) -> Option<Found> {
    let mut operators: Vec<LogicalPlan> = Vec::new();
    plan.apply_with_subqueries(|node| {
        operators.push(node.clone());
        Ok(TreeNodeRecursion::Continue)
    })
    .ok()?;
    for operator in operators.iter().rev() {
        for (input, expressions) in evaluated(operator) {
            if let Some(found) = fails_over(session, &input, &expressions).await {
                return Some(found);
            }
        }
    }
    None
}

/// What an operator computes for each row of its input, or of each of its inputs.
fn evaluated(operator: &LogicalPlan) -> Vec<(LogicalPlan, Vec<Expr>)> {
    if let LogicalPlan::Join(join) = operator {
        let (left, right) = join.on.iter().cloned().unzip();
        let sides = [(join.left.as_ref(), left), (join.right.as_ref(), right)];
        return sides
            .into_iter()
            .map(|(input, on): (_, Vec<Expr>)| {
                (input.clone(), on.iter().flat_map(of_rows).collect())
            })
            .filter(|(_, expressions): &(_, Vec<Expr>)| !expressions.is_empty())
            .collect();
    }
    let inputs = operator.inputs();
    let [input] = inputs.as_slice() else {
        return Vec::new();
    };
    let expressions: Vec<Expr> = operator.expressions().iter().flat_map(of_rows).collect();
    if expressions.is_empty() {
        return Vec::new();
    }
    vec![((*input).clone(), expressions)]
}

/// The largest parts of an expression that a single row decides and that could fail.
fn of_rows(expr: &Expr) -> Vec<Expr> {
    let beyond_the_row = |part: &Expr| {
        matches!(
            part,
            Expr::AggregateFunction(_)
                | Expr::WindowFunction(_)
                | Expr::ScalarSubquery(_)
                | Expr::InSubquery(_)
                | Expr::Exists(_)
                | Expr::OuterReferenceColumn(..)
                | Expr::GroupingSet(_)
        )
    };
    match expr {
        Expr::Column(_) | Expr::Literal(..) => return Vec::new(),
        Expr::Alias(alias) => return of_rows(&alias.expr),
        _ => {}
    }
    if expr.exists(|part| Ok(beyond_the_row(part))).unwrap_or(true) {
        return children(expr).iter().flat_map(of_rows).collect();
    }
    vec![expr.clone()]
}

fn children(expr: &Expr) -> Vec<Expr> {
    let mut children = Vec::new();
    // the callback cannot fail
    let _ = expr.apply_children(|child| {
        children.push(child.clone());
        Ok(TreeNodeRecursion::Continue)
    });
    children
}

async fn fails_over(
    session: &SessionContext,
    input: &LogicalPlan,
    expressions: &[Expr],
) -> Option<Found> {
    let physical: Vec<(&Expr, Arc<dyn PhysicalExpr>)> = expressions
        .iter()
        .filter_map(|expr| Some((expr, physical(session, expr, input)?)))
        .collect();
    let frame = DataFrame::new(session.state(), input.clone());
    let (_, rows) = stream(frame).await.ok()?;
    let mut rows = pin!(rows);
    // where an operator below fails in a way that is not found, nothing is known of the rows above it
    while let Some(batch) = rows.try_next().await.ok()? {
        for (expr, evaluator) in &physical {
            if !is_value_error(evaluator.evaluate(&batch).err()) {
                continue;
            }
            let row = (0..batch.num_rows())
                .map(|row| batch.slice(row, 1))
                .find(|row| is_value_error(evaluator.evaluate(row).err()))?;
            return Some(Found {
                expr: smallest(session, expr, input, &row),
                input: input.clone(),
                row,
            });
        }
    }
    None
}

/// The smallest part of an expression that fails on a row on which the whole does.
fn smallest(session: &SessionContext, expr: &Expr, input: &LogicalPlan, row: &RecordBatch) -> Expr {
    let failing = children(expr).into_iter().find(|child| {
        let evaluator = physical(session, child, input);
        evaluator.is_some_and(|evaluator| is_value_error(evaluator.evaluate(row).err()))
    });
    match failing {
        Some(part) => smallest(session, &part, input, row),
        None => expr.clone(),
    }
}

fn physical(
    session: &SessionContext,
    expr: &Expr,
    input: &LogicalPlan,
) -> Option<Arc<dyn PhysicalExpr>> {
    let checked = checked(expr.clone(), input.schema()).ok()?;
    session
        .state()
        .create_physical_expr(checked.data, input.schema())
        .ok()
}

/// Whether a value is to blame, and not the machine.
fn is_value_error(error: Option<DataFusionError>) -> bool {
    error.is_some_and(|error| {
        matches!(
            error.find_root(),
            DataFusionError::ArrowError(..)
                | DataFusionError::Execution(_)
                | DataFusionError::External(_)
        )
    })
}

#[cfg(test)]
mod tests;
