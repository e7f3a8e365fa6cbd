//! `x not in (select y …)`: one null among the `y` and no row is left, silently.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Query, Select, SelectItem, SetExpr, Spanned as _, TableFactor, Visit,
    Visitor,
};

use super::LintContext;
use crate::diagnostic::{Code, Diagnostic};
use crate::engine::statement::normal;

pub(super) fn check(context: &LintContext<'_>) -> Vec<Diagnostic> {
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
        if let Expr::InSubquery {
            expr,
            subquery,
            negated: true,
        } = expr
            && may_be_null(subquery, self.context)
        {
            let statement = self.context.statement;
            let span = statement
                .span(expr.span())
                .unwrap_or_else(|| statement.first_word());
            self.found.push(
                Diagnostic::warning(
                    Code(325),
                    "`not in (select …)` yields no row at all if the subquery yields one null",
                )
                .at(statement.file(), span)
                .help("write `not exists (select 1 … where …)`, or add `where … is not null` to the subquery"),
            );
        }
        ControlFlow::Continue(())
    }
}

/// False only where the query itself, or a test of the table it reads, keeps nulls out.
fn may_be_null(query: &Query, context: &LintContext<'_>) -> bool {
    let SetExpr::Select(select) = &*query.body else {
        return true;
    };
    let [SelectItem::UnnamedExpr(column) | SelectItem::ExprWithAlias { expr: column, .. }] =
        select.projection.as_slice()
    else {
        return true;
    };
    let filtered = select
        .selection
        .as_ref()
        .is_some_and(|condition| excludes_null(condition, column));
    !filtered && !is_tested(column, select, context)
}

fn excludes_null(condition: &Expr, column: &Expr) -> bool {
    match condition {
        Expr::IsNotNull(tested) => **tested == *column,
        Expr::Nested(inner) => excludes_null(inner, column),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::And,
            right,
        } => excludes_null(left, column) || excludes_null(right, column),
        _ => false,
    }
}

/// A plain column of the only table of the `from`, which a test keeps from being null.
fn is_tested(column: &Expr, select: &Select, context: &LintContext<'_>) -> bool {
    let name = match column {
        Expr::Identifier(ident) => normal(ident),
        Expr::CompoundIdentifier(parts) => parts.last().map(normal).unwrap_or_default(),
        _ => return false,
    };
    let [from] = select.from.as_slice() else {
        return false;
    };
    let TableFactor::Table { name: table, .. } = &from.relation else {
        return false;
    };
    if !from.joins.is_empty() {
        return false;
    }
    let table = table.to_string().to_lowercase();
    context
        .tables
        .iter()
        .any(|(known, input)| known.to_string() == table && input.not_null.contains(&name))
}
