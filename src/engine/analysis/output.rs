//! The columns that a query yields, each with the place that writes it.

use std::collections::BTreeSet;

use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{Query, Select, SelectItem, SetExpr, Spanned as _};

use super::OutputColumn;
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::engine::statement::{Statement, normal};
use crate::name::is_identifier;

/// Prefix of the columns that kilde adds to sources: readable in SQL, never published by a step.
const SYSTEM_PREFIX: &str = "_kilde_";

/// Names, types and places; a name that is none, or that occurs twice, is a mistake.
pub(super) fn columns(
    statement: &Statement,
    plan: &LogicalPlan,
    mistakes: &mut Vec<Diagnostic>,
) -> Vec<OutputColumn> {
    let items = select_items(statement);
    let fields = plan.schema().fields();
    let mut seen = BTreeSet::new();
    let mut columns = Vec::with_capacity(fields.len());
    for (position, field) in fields.iter().enumerate() {
        let name = field.name().clone();
        if name.starts_with(SYSTEM_PREFIX) {
            continue;
        }
        let span = items.place(&name, position, fields.len(), statement);
        if !is_identifier(&name) {
            mistakes.push(nameless(statement, &name, span));
        } else if !seen.insert(name.clone()) {
            mistakes.push(
                Diagnostic::error(Code(308), format!("the query yields `{name}` twice"))
                    .at(statement.file(), span)
                    .help("rename one with `as`, or leave it out: `* exclude (…)`"),
            );
        }
        columns.push(OutputColumn {
            name,
            data_type: field.data_type().clone(),
            span,
        });
    }
    columns
}

fn nameless(statement: &Statement, name: &str, span: Span) -> Diagnostic {
    let looks_computed = name.contains(['(', ' ', '.', '"', '*', '+', '-', '/']) || name.is_empty();
    let message = if looks_computed {
        "a column has no name".to_string()
    } else {
        format!("`{name}` is not a name: lower-case letters, digits and `_`, a letter first")
    };
    Diagnostic::error(Code(313), message)
        .at(statement.file(), span)
        .help("give it one with `as`")
}

/// The select list that names the output: the first one of a union.
struct SelectItems {
    items: Vec<Item>,
}

struct Item {
    /// `None` for `*` and for expressions that the engine names.
    name: Option<String>,
    is_wildcard: bool,
    span: Option<Span>,
}

impl SelectItems {
    fn place(&self, name: &str, position: usize, count: usize, statement: &Statement) -> Span {
        let has_wildcard = self.items.iter().any(|item| item.is_wildcard);
        let by_position = (!has_wildcard && self.items.len() == count)
            .then(|| self.items.get(position))
            .flatten();
        let by_name = || {
            let mut named = self.items.iter();
            named.find(|item| item.name.as_deref() == Some(name))
        };
        let wildcard = || self.items.iter().find(|item| item.is_wildcard);
        by_position
            .or_else(by_name)
            .or_else(wildcard)
            .and_then(|item| item.span)
            .unwrap_or_else(|| statement.first_word())
    }
}

fn select_items(statement: &Statement) -> SelectItems {
    let items = first_select(statement.query()).map_or(&[][..], |select| &select.projection);
    SelectItems {
        items: items.iter().map(|item| read_item(item, statement)).collect(),
    }
}

fn first_select(query: &Query) -> Option<&Select> {
    let mut body = &*query.body;
    loop {
        match body {
            SetExpr::Select(select) => return Some(select),
            SetExpr::Query(query) => body = &query.body,
            SetExpr::SetOperation { left, .. } => body = left,
            _ => return None,
        }
    }
}

fn read_item(item: &SelectItem, statement: &Statement) -> Item {
    use datafusion::sql::sqlparser::ast::Expr;
    let span = statement.span(item.span()).map(|span| statement.closed(span));
    let (name, is_wildcard) = match item {
        SelectItem::ExprWithAlias { alias, .. } => (Some(normal(alias)), false),
        SelectItem::UnnamedExpr(Expr::Identifier(ident)) => (Some(normal(ident)), false),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => {
            (parts.last().map(normal), false)
        }
        SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAliases { .. } => (None, false),
        SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => (None, true),
    };
    Item {
        name,
        is_wildcard,
        span,
    }
}
