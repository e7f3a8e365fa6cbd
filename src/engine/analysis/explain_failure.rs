//! The planner's errors → ours: in the user's words, at the user's line.
//!
//! DataFusion places unknown columns, tables and operators; wrong arguments it does not place at all, so the call that the
//! message speaks of is looked for among the statement's calls.

use std::ops::ControlFlow;
use std::sync::LazyLock;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DataFusionError, SchemaError, Span as EngineSpan};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan};
use datafusion::sql::sqlparser::ast::{
    Expr as SqlExpr, Spanned as _, TableFactor, Visit as _, Visitor,
};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Location, Span as SqlSpan};
use regex::Regex;

use super::FunctionCall;
use super::foreign_function::our_form;
use super::plain_words::{plain_text, plain_types, shorten};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::engine::function_registry::FunctionRegistry;
use crate::engine::statement::{Statement, did_you_mean};

/// What the planner said, as a mistake in the statement's file.
pub(super) fn explain(
    error: &DataFusionError,
    statement: &Statement,
    calls: &[FunctionCall],
    functions: &FunctionRegistry,
    planned: Option<&LogicalPlan>,
) -> Diagnostic {
    let span = error
        .diagnostic()
        .and_then(|diagnostic| diagnostic.span)
        .and_then(|span| place(statement, span));
    if let DataFusionError::SchemaError(schema_error, _) = error.find_root() {
        return explain_schema_error(schema_error, statement, span, &possible_columns(error));
    }
    let text = plain_text(error);
    if let Some(name) = capture(&UNKNOWN_FUNCTION, &text) {
        return unknown_function(&name, statement, calls, functions, span);
    }
    if text.contains("must appear in the GROUP BY clause")
        || text.contains("must be part of an aggregate function")
    {
        return not_grouped(&text, statement, span);
    }
    if let Some(call) = failing_call(&text, calls, functions) {
        return wrong_arguments(&text, call, statement);
    }
    if let Some(diagnostic) = wrong_operands(&text) {
        let span = span
            .or_else(|| planned.and_then(|plan| smallest_failing(plan, statement)))
            .or_else(|| statement.keyword(Keyword::WHERE, 0));
        return diagnostic.at(
            statement.file(),
            span.unwrap_or_else(|| statement.first_word()),
        );
    }
    if let Some((message, help, words)) = not_ours(&text) {
        let span = span
            .or_else(|| statement.phrase(words))
            .unwrap_or_else(|| statement.first_word());
        return Diagnostic::error(Code(312), message)
            .at(statement.file(), span)
            .help(help);
    }
    if text.contains("queries have different number of columns") {
        return Diagnostic::error(
            Code(318),
            "the two sides of a union have different numbers of columns",
        )
        .at(
            statement.file(),
            span.unwrap_or_else(|| statement.first_word()),
        )
        .help("name the columns of both sides in the same order: `null as …` fills a gap");
    }
    let span = span
        .or_else(|| planned.and_then(|plan| smallest_failing(plan, statement)))
        .unwrap_or_else(|| statement.first_word());
    Diagnostic::error(Code(312), shorten(&text)).at(statement.file(), span)
}

/// What DuckDB reads and the planner does not: the message, the help, and the words that say it.
fn not_ours(text: &str) -> Option<(&'static str, &'static str, &'static [Keyword])> {
    const FORMS: [(&str, &str, &str, &[Keyword]); 5] = [
        (
            "ORDER BY ALL is not supported",
            "`order by all` takes a select list of plain columns",
            "name the columns: `order by a, b`",
            &[Keyword::ORDER, Keyword::BY, Keyword::ALL],
        ),
        (
            "Unsupported JOIN operator Semi",
            "`semi join` does not say its side",
            "write `left semi join`",
            &[Keyword::SEMI, Keyword::JOIN],
        ),
        (
            "Unsupported JOIN operator Anti",
            "`anti join` does not say its side",
            "write `left anti join`",
            &[Keyword::ANTI, Keyword::JOIN],
        ),
        (
            "Unsupported JOIN operator AsOf",
            "`asof join` is not read here",
            "join on `<=` and keep the newest: `qualify row_number() over (partition by … order by … desc) = 1`",
            &[Keyword::ASOF, Keyword::JOIN],
        ),
        (
            "PIVOT",
            "`pivot` is not read here",
            "write one `sum(x) filter (where …)` for each column",
            &[Keyword::PIVOT],
        ),
    ];
    let found = FORMS.iter().find(|(said, ..)| text.contains(said));
    found.map(|(_, message, help, words)| (*message, *help, *words))
}

/// What failed where operators are chosen, after every check of the planner.
pub(super) fn explain_not_runnable(error: &DataFusionError, statement: &Statement) -> Diagnostic {
    let text = plain_text(error);
    let correlated = [
        "Subquery",
        "OuterReference",
        "outer_ref",
        "Lateral",
        "lateral",
    ];
    let diagnostic = if correlated.iter().any(|word| text.contains(word)) {
        Diagnostic::error(
            Code(311),
            "this subquery refers to the query around it in a way that cannot be run",
        )
        .help("join with it instead: move what it refers to into `on`, and aggregate by that key")
    } else {
        Diagnostic::error(Code(311), format!("this cannot be run: {}", shorten(&text)))
    };
    let span = first_subquery(statement).unwrap_or_else(|| statement.first_word());
    diagnostic.at(statement.file(), span)
}

/// The `select` of the first subquery that is an expression or lateral.
fn first_subquery(statement: &Statement) -> Option<Span> {
    struct Finder(Option<SqlSpan>);
    impl Visitor for Finder {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &SqlExpr) -> ControlFlow<()> {
            if let SqlExpr::Subquery(query)
            | SqlExpr::Exists {
                subquery: query, ..
            }
            | SqlExpr::InSubquery {
                subquery: query, ..
            } = expr
            {
                self.0 = Some(query.span());
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        }
        fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
            if let TableFactor::Derived {
                lateral: true,
                subquery,
                ..
            } = factor
            {
                self.0 = Some(subquery.span());
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        }
    }
    let mut finder = Finder(None);
    let _ = statement.query().visit(&mut finder);
    finder.0.and_then(|span| statement.span(span))
}

/// Operators and conditions over types that they do not take.
fn wrong_operands(text: &str) -> Option<Diagnostic> {
    let line = text.lines().next().unwrap_or_default();
    let find = |pattern: &LazyLock<Option<Regex>>| {
        let found = pattern.as_ref()?.captures(line)?;
        let part = |i: usize| {
            found
                .get(i)
                .map_or(String::new(), |m| plain_types(m.as_str()))
        };
        Some((part(1), part(2), part(3)))
    };
    if let Some((left, operator, right)) = find(&ARITHMETIC) {
        return Some(Diagnostic::error(
            Code(309),
            format!("`{operator}` does not take {left} and {right}"),
        ));
    }
    if let Some((left, _, right)) = find(&COMPARISON) {
        let mut mistake =
            Diagnostic::error(Code(309), format!("{left} and {right} cannot be compared"));
        mistake.help = length_of_time_help(&left, &right).map(str::to_string);
        return Some(mistake);
    }
    let (predicate, given, _) = find(&PREDICATE)?;
    let name = predicate.rsplit('.').next().unwrap_or(&predicate);
    Some(
        Diagnostic::error(
            Code(309),
            format!("a condition is true or false, and `{name}` is {given}"),
        )
        .help("compare it with something"),
    )
}

/// What to compare a length of time with.
fn length_of_time_help(left: &str, right: &str) -> Option<&'static str> {
    let is = |word: &str| left == word || right == word;
    if is("interval") && (is("bigint") || is("integer")) {
        return Some(
            "the difference of two dates is a number of days: compare it with `90`, or write `a > b + interval '90 days'`",
        );
    }
    if is(DIFFERENCE) && is("varchar") {
        return Some("write the length as an interval: `a - b > interval '90 days'`");
    }
    if is(DIFFERENCE) {
        return Some(
            "compare it with an interval: `a - b > interval '90 days'`; `date_diff('day', b, a)` is a number",
        );
    }
    None
}

/// What [`plain_types`] calls it.
const DIFFERENCE: &str = "a difference of timestamps";

static ARITHMETIC: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)cannot coerce arithmetic expression (.+) ([-+*/%&|^<>]+) (.+?) to valid types")
        .ok()
});
static COMPARISON: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)common argument type for comparison operation (.+?) (=|<>|!=|<=|>=|<|>|IS DISTINCT FROM|IS NOT DISTINCT FROM) (.+)$").ok()
});
static PREDICATE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"non-boolean predicate '(.+)' returning (.+)$").ok());
static UNKNOWN_FUNCTION: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"Invalid function '([^']+)'").ok());
static GROUPED_COLUMN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"column "([^"]+)" must"#).ok());

fn capture(pattern: &LazyLock<Option<Regex>>, text: &str) -> Option<String> {
    let found = pattern.as_ref()?.captures(text)?;
    Some(found.get(1)?.as_str().to_string())
}

fn place(statement: &Statement, span: EngineSpan) -> Option<Span> {
    let location = |l: datafusion::common::Location| Location::new(l.line, l.column);
    statement.span(SqlSpan::new(location(span.start), location(span.end)))
}

fn explain_schema_error(
    error: &SchemaError,
    statement: &Statement,
    span: Option<Span>,
    possible: &[String],
) -> Diagnostic {
    let file = statement.file();
    let at = |column: &Column| {
        span.or_else(|| column.spans().first().and_then(|s| place(statement, s)))
            .unwrap_or_else(|| statement.first_word())
    };
    match error {
        SchemaError::FieldNotFound {
            field,
            valid_fields,
        } => {
            let span = at(field);
            let quoted = file.text[span.start..].starts_with('"');
            unknown_column(field, valid_fields, quoted).at(file, span)
        }
        SchemaError::AmbiguousReference { field } => Diagnostic::error(
            Code(304),
            format!("`{}` is a column of several tables here", field.name),
        )
        .at(file, at(field))
        .help(match possible {
            [] => format!("say whose: `table.{}`", field.name),
            columns => format!("say whose: `{}`", columns.join("` or `")),
        }),
        SchemaError::DuplicateQualifiedField { qualifier, name } => Diagnostic::error(
            Code(308),
            format!("`{qualifier}` stands for two tables, or has two columns `{name}`"),
        )
        .at(file, span.unwrap_or_else(|| statement.first_word()))
        .help("give each table of the `from` its own name with `as`"),
        SchemaError::DuplicateUnqualifiedField { name } => {
            Diagnostic::error(Code(308), format!("the query yields `{name}` twice"))
                .at(file, span.unwrap_or_else(|| statement.first_word()))
                .help("rename one with `as`")
        }
    }
}

/// `possible column p.id` in the notes of an error.
fn possible_columns(error: &DataFusionError) -> Vec<String> {
    let notes = error.diagnostic().map(|d| d.notes.as_slice());
    let columns = notes.unwrap_or_default().iter();
    columns
        .filter_map(|note| note.message.strip_prefix("possible column "))
        .map(str::to_string)
        .collect()
}

fn unknown_column(field: &Column, valid: &[Column], quoted: bool) -> Diagnostic {
    let visible = |column: &&Column| !column.name.starts_with("_kilde_");
    let Some(relation) = &field.relation else {
        if quoted {
            return Diagnostic::error(Code(303), format!("no column `{}` here", field.name)).help(
                format!(
                    "text stands in single quotes, `'{0}'`; double quotes are for names",
                    field.name
                ),
            );
        }
        let diagnostic = Diagnostic::error(Code(303), format!("no column `{}` here", field.name));
        return with_help(
            diagnostic,
            did_you_mean(
                &field.name,
                valid.iter().filter(visible).map(|c| c.name.as_str()),
            ),
            || {
                list(
                    "there are",
                    valid.iter().filter(visible).map(|c| c.name.as_str()),
                )
            },
        );
    };
    let of_relation: Vec<&str> = valid
        .iter()
        .filter(|c| {
            c.relation
                .as_ref()
                .is_some_and(|r| r.table() == relation.table())
        })
        .filter(visible)
        .map(|c| c.name.as_str())
        .collect();
    if of_relation.is_empty() {
        let mut names: Vec<&str> = valid
            .iter()
            .filter_map(|c| c.relation.as_ref().map(|r| r.table()))
            .collect();
        names.sort_unstable();
        names.dedup();
        let diagnostic = Diagnostic::error(
            Code(303),
            format!("`{relation}` names no table of this query"),
        );
        return with_help(
            diagnostic,
            did_you_mean(relation.table(), names.iter().copied()),
            || list("the tables are", names.iter().copied()),
        );
    }
    let diagnostic = Diagnostic::error(
        Code(303),
        format!("`{relation}` has no column `{}`", field.name),
    );
    with_help(
        diagnostic,
        did_you_mean(&field.name, of_relation.iter().copied()),
        || list("it has", of_relation.iter().copied()),
    )
}

fn with_help(
    diagnostic: Diagnostic,
    help: Option<String>,
    otherwise: impl FnOnce() -> Option<String>,
) -> Diagnostic {
    match help.or_else(otherwise) {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

/// `it has `a`, `b`, `c`, …`: at most eight names.
fn list<'a>(start: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let names: Vec<&str> = names.collect();
    let shown: Vec<String> = names.iter().take(8).map(|n| format!("`{n}`")).collect();
    let rest = if names.len() > 8 { ", …" } else { "" };
    (!shown.is_empty()).then(|| format!("{start} {}{rest}", shown.join(", ")))
}

fn unknown_function(
    name: &str,
    statement: &Statement,
    calls: &[FunctionCall],
    functions: &FunctionRegistry,
    span: Option<Span>,
) -> Diagnostic {
    let call = calls.iter().find(|call| call.name == name);
    let span = call
        .map(|call| Span {
            start: call.span.start,
            end: (call.span.start + name.len()).min(call.span.end),
        })
        .or(span)
        .unwrap_or_else(|| statement.first_word());
    let diagnostic =
        Diagnostic::error(Code(305), format!("no function `{name}`")).at(statement.file(), span);
    let ours = our_form(name).map(str::to_string);
    with_help(diagnostic, ours, || {
        did_you_mean(name, functions.names().iter().map(String::as_str))
    })
}

fn not_grouped(text: &str, statement: &Statement, span: Option<Span>) -> Diagnostic {
    let column = capture(&GROUPED_COLUMN, text).unwrap_or_default();
    let short = column.rsplit('.').next().unwrap_or(&column).to_string();
    let diagnostic = Diagnostic::error(
        Code(307),
        if short.is_empty() {
            "a column is neither grouped nor aggregated".to_string()
        } else {
            format!("`{short}` is neither grouped nor aggregated")
        },
    )
    .at(
        statement.file(),
        span.unwrap_or_else(|| statement.first_word()),
    );
    if short.is_empty() {
        return diagnostic.help("add it to `group by`, or choose one value, as `max(…)` does");
    }
    diagnostic.help(format!(
        "add `{short}` to `group by`, or choose one value, as `max({short})` does"
    ))
}

/// The call that a message speaks of: by name, then by number of arguments.
fn failing_call<'a>(
    text: &str,
    calls: &'a [FunctionCall],
    functions: &FunctionRegistry,
) -> Option<&'a FunctionCall> {
    let lower = text.to_lowercase();
    let named: Vec<&FunctionCall> = calls
        .iter()
        .filter(|call| {
            // called by another of its names, a function still speaks of itself by the one
            let one = functions.canonical_name(&call.name);
            mentions(&lower, &call.name) || one.is_some_and(|one| mentions(&lower, &one))
        })
        .collect();
    let by_count = named.iter().find(|call| {
        let opening = format!("{}(", call.name);
        let Some(start) = lower.find(&opening) else {
            return false;
        };
        let inside = &lower[start + opening.len()..];
        Some(count_arguments(inside)) == call.arguments
    });
    by_count.or_else(|| named.first()).copied()
}

/// Whether a name occurs as a whole word, in quotes or before a parenthesis or a verb.
fn mentions(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(start, _)| {
        let before = text[..start].chars().next_back();
        let after = text[start + name.len()..].chars().next();
        let joins = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !joins(before) && !joins(after)
    })
}

/// Arguments between an opening parenthesis and its closing one.
fn count_arguments(inside: &str) -> usize {
    let mut depth = 0_i32;
    let mut commas = 0;
    let mut empty = true;
    for letter in inside.chars() {
        match letter {
            '(' | '<' | '[' => depth += 1,
            ')' if depth == 0 => break,
            ')' | '>' | ']' => depth -= 1,
            ',' if depth == 0 => commas += 1,
            _ => {}
        }
        empty &= letter.is_whitespace();
    }
    if empty { 0 } else { commas + 1 }
}

fn wrong_arguments(text: &str, call: &FunctionCall, statement: &Statement) -> Diagnostic {
    if let Some(words) = own_words(text) {
        return Diagnostic::error(Code(306), words).at(statement.file(), call.span);
    }
    let capture_all = |pattern: &LazyLock<Option<Regex>>| -> Vec<String> {
        let Some(pattern) = pattern.as_ref() else {
            return Vec::new();
        };
        let mut found: Vec<String> = Vec::new();
        for captures in pattern.captures_iter(text) {
            let word = captures.get(1).map_or("", |m| m.as_str());
            let word = plain_types(word).to_lowercase();
            if !found.contains(&word) {
                found.push(word);
            }
        }
        found
    };
    let given = capture_all(&ARGUMENT_TYPES);
    let received = capture_all(&RECEIVED);
    let message = match (given.first(), received.first()) {
        (Some(types), _) => format!("`{}` does not take ({types})", call.name),
        (None, Some(one)) => format!("`{}` does not take {one}", call.name),
        (None, None) => shorten(text),
    };
    let mut takes = capture_all(&CANDIDATES);
    if takes.is_empty() {
        takes = capture_all(&REQUIRED);
    }
    takes.truncate(6);
    let diagnostic = Diagnostic::error(Code(306), message).at(statement.file(), call.span);
    if takes.is_empty() {
        diagnostic
    } else {
        diagnostic.help(format!("it takes {}", takes.join(" or ")))
    }
}

/// What one of our functions says about its arguments: `` `len` takes a text or a list ``. The planner quotes it within a
/// sentence of its own.
fn own_words(text: &str) -> Option<String> {
    let takes = text.find("` takes ")?;
    let start = text[..takes].rfind('`')?;
    let words = text[start..].lines().next()?;
    let words = words.split(" No function matches").next().unwrap_or(words);
    let words = words.replace("\\'", "'").replace("\\\\", "\\");
    Some(plain_types(words.trim_end_matches(['.', ' ', '"'])))
}

static RECEIVED: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"requires [\w ]+, but received (.+?) \(DataType").ok());
static REQUIRED: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"requires (.+?), but received").ok());
static CANDIDATES: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?m)^\s+(\w+\(.*\))\s*$").ok());
static ARGUMENT_TYPES: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"given name and argument types '\w+\((.*?)\)'\.").ok());

/// The place of the smallest expression whose type cannot be computed.
fn smallest_failing(plan: &LogicalPlan, statement: &Statement) -> Option<Span> {
    let mut found = None;
    let _ = plan.apply_with_subqueries(|node| {
        let mut schema = datafusion::common::DFSchema::empty();
        for input in node.inputs() {
            schema.merge(input.schema());
        }
        for expr in node.expressions() {
            let _ = expr.apply(|part| {
                if part.get_type(&schema).is_err() {
                    // deeper parts come later and are smaller
                    found = first_span(part, statement).or(found);
                    return Ok(TreeNodeRecursion::Continue);
                }
                Ok(TreeNodeRecursion::Jump)
            });
        }
        Ok(if found.is_some() {
            TreeNodeRecursion::Stop
        } else {
            TreeNodeRecursion::Continue
        })
    });
    found
}

/// The first column within an expression that knows its place.
pub(in crate::engine) fn first_span(expr: &Expr, statement: &Statement) -> Option<Span> {
    let mut found = None;
    let _ = expr.apply(|part| {
        if let Expr::Column(column) = part
            && let Some(span) = column.spans().first().and_then(|s| place(statement, s))
        {
            found = Some(span);
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    found
}
