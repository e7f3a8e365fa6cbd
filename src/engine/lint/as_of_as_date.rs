//! `cast($as_of as date)`: the date in UTC, which east of Greenwich is yesterday at the midnight that began today.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    DataType, Expr, Spanned as _, Value, ValueWithSpan, Visit, Visitor,
};

use super::LintContext;
use crate::diagnostic::{Code, Diagnostic};

pub(super) fn check(context: &LintContext<'_>) -> Vec<Diagnostic> {
    if context.time_zone == chrono_tz::UTC {
        return Vec::new();
    }
    let mut finder = Finder {
        context,
        found: Vec::new(),
    };
    let _ = context.statement.query().visit(&mut finder);
    finder.found
}

struct Finder<'a> {
    context: &'a LintContext<'a>,
    found: Vec<Diagnostic>,
}

impl Visitor for Finder<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Cast {
            expr,
            data_type: DataType::Date,
            ..
        } = expr
            && is_instant(expr)
        {
            let statement = self.context.statement;
            let span = statement
                .span(expr.span())
                .unwrap_or_else(|| statement.first_word());
            self.found.push(
                Diagnostic::warning(
                    Code(326),
                    format!(
                        "this is the date in UTC, not in {}",
                        self.context.time_zone.name()
                    ),
                )
                .at(statement.file(), span)
                .help("write `today()`: the date of `$as_of` in the project's time zone"),
            );
        }
        ControlFlow::Continue(())
    }
}

fn is_instant(expr: &Expr) -> bool {
    match expr {
        Expr::Value(ValueWithSpan {
            value: Value::Placeholder(name),
            ..
        }) => name == "$as_of",
        Expr::Function(function) => {
            let name = function.name.to_string().to_lowercase();
            name == "now" || name == "current_timestamp"
        }
        Expr::Nested(inner) => is_instant(inner),
        _ => false,
    }
}
