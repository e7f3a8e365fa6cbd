//! `$name` → a literal, in the syntax tree and in the text alike, positions kept.
//!
//! A variable is text and becomes a string literal; SQL's own coercion types it where it stands (`amount > $limit` compares
//! numbers), and `cast($limit as bigint)` says it outright. `$as_of` becomes a timestamp of microseconds in UTC.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use chrono::{DateTime, SecondsFormat, Utc};
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident,
    ObjectName, Query, Value, ValueWithSpan, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::tokenizer::Span as SqlSpan;

use super::Question;
use crate::diagnostic::{Code, Diagnostic};
use crate::engine::statement::did_you_mean;
use crate::sql_text::literal_sql;

/// The name of the build's instant.
const AS_OF: &str = "as_of";

/// A statement without placeholders.
pub(super) struct Bound {
    pub(super) query: Box<Query>,
    pub(super) text: String,
    pub(super) vars: BTreeSet<String>,
    pub(super) uses_as_of: bool,
}

/// Replaces every placeholder.
pub(super) fn bind(question: &Question<'_>) -> Result<Bound, Vec<Diagnostic>> {
    let statement = question.statement;
    let placeholders = statement.placeholders();
    let unknown: Vec<Diagnostic> = placeholders
        .iter()
        .filter(|p| p.name != AS_OF && !question.vars.contains_key(&p.name))
        .map(|p| {
            let names = question.vars.keys().map(String::as_str).chain([AS_OF]);
            let help = did_you_mean(&p.name, names)
                .map(|help| help.replace("`", "`$").replace("`$?", "`?"));
            Diagnostic::error(
                Code(310),
                format!(
                    "`${}` is neither `$as_of` nor among the project's `vars`",
                    p.name
                ),
            )
            .at(statement.file(), p.span)
            .help(
                help.unwrap_or_else(|| format!("add it to kilde.yaml: `vars: {{{}: …}}`", p.name)),
            )
        })
        .collect();
    if !unknown.is_empty() {
        return Err(unknown);
    }
    let text = statement.sql_with(|name| value_sql(name, question));
    let mut query = Box::new(statement.query().clone());
    let _ = query.visit(&mut Binder { question });
    let uses_as_of = placeholders.iter().any(|p| p.name == AS_OF);
    let names = placeholders.into_iter().map(|p| p.name);
    Ok(Bound {
        query,
        text,
        vars: names.filter(|name| name != AS_OF).collect(),
        uses_as_of,
    })
}

/// What a placeholder stands for, as SQL text.
fn value_sql(name: &str, question: &Question<'_>) -> String {
    match question.vars.get(name) {
        Some(text) if name != AS_OF => literal_sql(text),
        _ => format!(
            "arrow_cast('{}', '{INSTANT_TYPE}')",
            instant_text(question.as_of)
        ),
    }
}

const INSTANT_TYPE: &str = "Timestamp(Microsecond, Some(\"UTC\"))";

fn instant_text(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Micros, true)
}

struct Binder<'a> {
    question: &'a Question<'a>,
}

impl VisitorMut for Binder<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Value(ValueWithSpan {
            value: Value::Placeholder(name),
            span,
        }) = expr
        {
            let name = name.trim_start_matches('$').to_string();
            let span = *span;
            *expr = match self.question.vars.get(&name) {
                Some(text) if name != AS_OF => string(text, span),
                _ => instant(self.question.as_of, span),
            };
        }
        ControlFlow::Continue(())
    }
}

fn string(text: &str, span: SqlSpan) -> Expr {
    Expr::Value(ValueWithSpan {
        value: Value::SingleQuotedString(text.to_string()),
        span,
    })
}

fn instant(as_of: DateTime<Utc>, span: SqlSpan) -> Expr {
    let argument = |text: &str| FunctionArg::Unnamed(FunctionArgExpr::Expr(string(text, span)));
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::with_span(span, "arrow_cast")]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: vec![argument(&instant_text(as_of)), argument(INSTANT_TYPE)],
            clauses: vec![],
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    })
}
