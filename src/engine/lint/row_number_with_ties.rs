//! `row_number() over (partition by customer order by day)`: two rows of a day, and either may be the first.
//!
//! Doubted only where it is known: over the rows of one table with a key, none of whose keys is among what the window is
//! partitioned and ordered by, and where something of the rows is used that this does not decide.

use std::collections::BTreeSet;

use datafusion::common::TableReference;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::LintContext;
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::engine::analysis::{copied_columns, first_span, touched_columns};
use crate::name::TableName;

pub(super) fn check(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let walked = context.analyzed.apply_with_subqueries(|node| {
        if let LogicalPlan::Window(window) = node
            && let Some(table) = one_table(&window.input)
        {
            let numbers = window.window_expr.iter().filter_map(row_number);
            found.extend(numbers.filter_map(|call| doubt(call, &window.input, &table, context)));
        }
        Ok(TreeNodeRecursion::Continue)
    });
    // the plan passed the planner: every node can be walked
    walked.map_or_else(|_| Vec::new(), |_| found)
}

/// The table whose rows an operator yields, each at most once.
fn one_table(plan: &LogicalPlan) -> Option<TableName> {
    match plan {
        LogicalPlan::TableScan(scan) => match &scan.table_name {
            TableReference::Partial { schema, table } => TableName::new(schema, table).ok(),
            _ => None,
        },
        LogicalPlan::Projection(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Window(_) => one_table(plan.inputs().first()?),
        _ => None,
    }
}

fn row_number(expr: &Expr) -> Option<&WindowFunction> {
    match expr {
        Expr::Alias(alias) => row_number(&alias.expr),
        Expr::WindowFunction(call) if call.fun.name() == "row_number" => Some(call),
        _ => None,
    }
}

fn doubt(
    call: &WindowFunction,
    input: &LogicalPlan,
    table: &TableName,
    context: &LintContext<'_>,
) -> Option<Diagnostic> {
    let keys = &context.tables.get(table)?.unique;
    let order = call.params.order_by.iter().map(|sort| &sort.expr);
    let exprs = call.params.partition_by.iter().chain(order);
    let copied = copied_columns(input, exprs.clone());
    let decided: BTreeSet<String> = copied.into_iter().filter_map(whole_column).collect();
    // without any order, another lint refuses it
    if call.params.order_by.is_empty()
        || keys.is_empty()
        || keys.iter().any(|key| key.is_subset(&decided))
    {
        return None;
    }
    if touched_columns(context.analyzed, table).is_subset(&decided) {
        return None;
    }
    let rest: Vec<String> = keys[0]
        .difference(&decided)
        .map(|column| format!("`{column}`"))
        .collect();
    let mut exprs = exprs;
    let near = exprs.find_map(|expr| first_span(expr, context.statement));
    Some(
        Diagnostic::warning(
            Code(333),
            format!(
                "rows of `{table}` may tie here: which of them comes first is another on each run"
            ),
        )
        .at(context.statement.file(), place(near, context))
        .help(format!("end the order with the key: {}", rest.join(", "))),
    )
}

fn whole_column(origin: crate::engine::Origin) -> Option<String> {
    let mut path = origin.path.into_iter();
    let column = path.next()?;
    path.next().is_none().then_some(column)
}

/// The call around a column of its window, else the first.
fn place(near: Option<Span>, context: &LintContext<'_>) -> Span {
    let calls = context
        .calls
        .iter()
        .filter(|call| call.name == "row_number");
    let spans: Vec<Span> = calls
        .map(|call| context.statement.closed(call.span))
        .collect();
    let around = |span: &&Span| near.is_some_and(|near| span.start <= near.start);
    let closest = spans.iter().filter(around).max_by_key(|span| span.start);
    let first = closest.or(spans.first()).copied();
    first.unwrap_or_else(|| context.statement.first_word())
}
