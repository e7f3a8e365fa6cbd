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
        let item = items.of(&name, position, fields.len());
        let span = item
            .and_then(|item| item.span)
            .unwrap_or_else(|| statement.first_word());
        if !is_identifier(&name) {
            let is_named = item.is_some_and(|item| item.is_wildcard || item.name.is_some());
            mistakes.push(nameless(statement, is_named.then_some(&name), span));
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

fn nameless(statement: &Statement, name: Option<&String>, span: Span) -> Diagnostic {
    match name {
        None => Diagnostic::error(Code(313), "a column has no name")
            .at(statement.file(), span)
            .help("give it one with `as`"),
        Some(name) => Diagnostic::error(
            Code(313),
            format!("`{name}` is not a name: lower-case letters, digits and `_`, a letter first"),
        )
        .at(statement.file(), span)
        .help("rename it with `as`"),
    }
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
    /// The item that writes a column.
    fn of(&self, name: &str, position: usize, count: usize) -> Option<&Item> {
        let has_wildcard = self.items.iter().any(|item| item.is_wildcard);
        if !has_wildcard && self.items.len() == count {
            return self.items.get(position);
        }
        let mut named = self.items.iter();
        named
            .find(|item| item.name.as_deref() == Some(name))
            .or_else(|| self.items.iter().find(|item| item.is_wildcard))
    }
}

fn select_items(statement: &Statement) -> SelectItems {
    let items = first_select(statement.query()).map_or(&[][..], |select| &select.projection);
    SelectItems {
        items: items
            .iter()
            .map(|item| read_item(item, statement))
            .collect(),
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
    let span = statement
        .span(item.span())
        .map(|span| statement.closed(span));
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
