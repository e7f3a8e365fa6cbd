//! `returned_count / order_count`: whole numbers divide to a whole number here, and to a fraction in DuckDB.

use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator};

use super::LintContext;
use crate::diagnostic::{Code, Diagnostic};
use crate::engine::analysis::first_span;

pub(super) fn check(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let _ = context.planned.apply_with_subqueries(|node| {
        let mut schema = DFSchema::empty();
        for input in node.inputs() {
            schema.merge(input.schema());
        }
        for expr in node.expressions() {
            let _ = expr.apply(|part| {
                if is_made_whole(part) {
                    return Ok(TreeNodeRecursion::Jump);
                }
                if is_division_of_integers(part, &schema) {
                    found.extend(warning(part, context));
                }
                Ok(TreeNodeRecursion::Continue)
            });
        }
        Ok(TreeNodeRecursion::Continue)
    });
    found.dedup();
    found
}

/// `cast(… as bigint)`: the author says that no fraction is wanted.
fn is_made_whole(expr: &Expr) -> bool {
    matches!(expr, Expr::Cast(cast) if cast.field.data_type().is_integer())
}

fn is_division_of_integers(expr: &Expr, schema: &DFSchema) -> bool {
    let Expr::BinaryExpr(BinaryExpr {
        left,
        op: Operator::Divide,
        right,
    }) = expr
    else {
        return false;
    };
    [left, right]
        .iter()
        .all(|side| side.get_type(schema).is_ok_and(|t| t.is_integer()))
}

/// `None` where no column is divided: a constant is what it is.
fn warning(division: &Expr, context: &LintContext<'_>) -> Option<Diagnostic> {
    let span = first_span(division, context.statement)?;
    Some(
        Diagnostic::warning(
            Code(329),
            "whole numbers are divided to a whole number: 7 / 2 is 3",
        )
        .at(context.statement.file(), span)
        .help(
            "`x * 1.0 / y` keeps the fraction; `cast(x / y as bigint)` says that it is meant to go",
        ),
    )
}
