//! `where name > 5`: coercion casts the text to a number, and the first `n/a` kills the build at two in the night.

use std::collections::BTreeMap;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DFSchemaRef};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan};

use super::LintContext;
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::engine::analysis::first_span;

pub(super) fn check(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let mut written = BTreeMap::new();
    for cast in casts(context.planned) {
        *written.entry(cast.text).or_insert(0_usize) += 1;
    }
    let mut found = Vec::new();
    for cast in casts(context.analyzed) {
        // analysis may put further casts around those of the author; these stay as they are
        if let Some(count) = written.get_mut(&cast.text)
            && *count > 0
        {
            *count -= 1;
            continue;
        }
        let span = first_span(&cast.operand, context.statement)
            .unwrap_or_else(|| context.statement.first_word());
        found.push(warning(&cast, span, context));
    }
    found.dedup();
    found
}

/// A cast of text that may fail on a value.
pub(super) struct RiskyCast {
    pub(super) operand: Expr,
    pub(super) target: &'static str,
    text: String,
}

fn warning(cast: &RiskyCast, span: Span, context: &LintContext<'_>) -> Diagnostic {
    let file = context.statement.file();
    let operand = &file.text[span.start..span.end];
    Diagnostic::warning(
        Code(321),
        format!(
            "`{operand}` is text and is used as {}: the build fails on the first value that is none",
            cast.target
        ),
    )
    .at(file, span)
    .help(format!(
        "say what you mean: `try_cast({operand} as …)` turns such values into null"
    ))
}

pub(super) fn casts(plan: &LogicalPlan) -> Vec<RiskyCast> {
    let mut found = Vec::new();
    let _ = plan.apply_with_subqueries(|node| {
        let schema = input_schema(node);
        for expr in node.expressions() {
            let _ = expr.apply(|part| {
                if let Expr::Cast(cast) = part
                    && let Some(target) = risky_target(cast.field.data_type())
                    && !matches!(*cast.expr, Expr::Literal(..))
                    && is_text(&cast.expr, &schema)
                {
                    found.push(RiskyCast {
                        operand: (*cast.expr).clone(),
                        target,
                        text: part.to_string(),
                    });
                }
                Ok(TreeNodeRecursion::Continue)
            });
        }
        Ok(TreeNodeRecursion::Continue)
    });
    found
}

fn input_schema(node: &LogicalPlan) -> DFSchemaRef {
    let mut schema = DFSchema::empty();
    for input in node.inputs() {
        schema.merge(input.schema());
    }
    schema.into()
}

fn is_text(expr: &Expr, schema: &DFSchema) -> bool {
    matches!(
        expr.get_type(schema),
        Ok(DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
    )
}

fn risky_target(data_type: &DataType) -> Option<&'static str> {
    if data_type.is_numeric() {
        return Some("a number");
    }
    match data_type {
        DataType::Date32 | DataType::Date64 => Some("a date"),
        DataType::Timestamp(..) => Some("a timestamp"),
        DataType::Boolean => Some("a boolean"),
        _ => None,
    }
}
