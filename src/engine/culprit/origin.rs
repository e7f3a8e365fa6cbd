//! Columns of an operator → the columns of a published table that they are, unchanged.

use std::collections::BTreeSet;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::{Expr, LogicalPlan};

/// The condition over the columns of the one table that all of its columns come from, and that table's name.
pub(super) fn of_one_table(input: &LogicalPlan, condition: &Expr) -> Option<(String, Expr)> {
    let mut tables = BTreeSet::new();
    let rewritten = condition
        .clone()
        .transform(|part| {
            let Expr::Column(column) = &part else {
                return Ok(Transformed::no(part));
            };
            match origin(input, column) {
                Some((table, name)) => {
                    tables.insert(table);
                    Ok(Transformed::yes(Expr::Column(Column::new_unqualified(
                        name,
                    ))))
                }
                None => {
                    tables.insert(String::new());
                    Ok(Transformed::no(part))
                }
            }
        })
        .ok()?
        .data;
    match tables.pop_first() {
        Some(table) if tables.is_empty() && !table.is_empty() => Some((table, rewritten)),
        _ => None,
    }
}

/// Follows a column down to the table that holds it; `None` where it is computed on the way.
pub(in crate::engine) fn origin(plan: &LogicalPlan, column: &Column) -> Option<(String, String)> {
    let index = position(plan.schema(), column)?;
    let below = |input: &LogicalPlan, index: usize| {
        let (qualifier, field) = input.schema().qualified_field(index);
        origin(input, &Column::new(qualifier.cloned(), field.name()))
    };
    match plan {
        LogicalPlan::TableScan(scan) => {
            let schema = scan.table_name.schema()?;
            Some((
                format!("{schema}.{}", scan.table_name.table()),
                column.name.clone(),
            ))
        }
        LogicalPlan::SubqueryAlias(alias) => below(&alias.input, index),
        LogicalPlan::Projection(projection) => match bare(projection.expr.get(index)?) {
            Expr::Column(column) => origin(&projection.input, column),
            _ => None,
        },
        LogicalPlan::Aggregate(aggregate) => match bare(aggregate.group_expr.get(index)?) {
            Expr::Column(column) => origin(&aggregate.input, column),
            _ => None,
        },
        LogicalPlan::Window(window) => {
            let inner = window.input.schema().fields().len();
            (index < inner).then(|| below(&window.input, index))?
        }
        LogicalPlan::Join(join) => {
            origin(&join.left, column).or_else(|| origin(&join.right, column))
        }
        LogicalPlan::Filter(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Distinct(_)
        | LogicalPlan::Repartition(_) => match plan.inputs().as_slice() {
            [input] => origin(input, column),
            _ => None,
        },
        _ => None,
    }
}

fn position(schema: &DFSchema, column: &Column) -> Option<usize> {
    schema.index_of_column(column).ok()
}

pub(in crate::engine) fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => bare(&alias.expr),
        other => other,
    }
}
