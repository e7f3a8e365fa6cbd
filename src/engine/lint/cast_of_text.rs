//! `cast(quantity as integer)` of a text column: the first `n/a` kills the build at two in the night.
//!
//! Only a column by itself is doubted: whoever wraps it (`nullif(x, '')`, `regexp_extract(…)`) has looked at its values.

use datafusion::logical_expr::Expr;

use super::LintContext;
use super::implicit_cast::casts;
use crate::diagnostic::{Code, Diagnostic};
use crate::engine::analysis::first_span;

pub(super) fn check(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let file = context.statement.file();
    let mut found: Vec<Diagnostic> = Vec::new();
    for cast in casts(context.planned) {
        let Expr::Column(column) = &cast.operand else {
            continue;
        };
        let Some(span) = first_span(&cast.operand, context.statement) else {
            continue;
        };
        found.push(
            Diagnostic::warning(
                Code(327),
                format!(
                    "`{}` is text: the build fails on the first value that is not {}",
                    column.name, cast.target
                ),
            )
            .at(file, span)
            .help(format!(
                "`try_cast({} as …)` turns such values into null; a source's contract that gives the type rejects their records",
                &file.text[span.start..span.end]
            )),
        );
    }
    found.dedup();
    found
}
