//! Templates in SQL, answered with plain SQL.

use std::sync::Arc;

use super::raw::{Mistake, Sink, referenced};
use crate::diagnostic::Span;

/// Reports every `{{ … }}` and `{% … %}` of a statement that stands in `region` of the sink's file, perhaps quoted or
/// indented there.
///
/// Comments are free; in string literals only what calls a function of dbt counts, since `{{name}}` may be meant.
pub(crate) fn refuse(sql: &str, region: Span, sink: &mut Sink) {
    let file = Arc::clone(&sink.file);
    let mut from = region.start;
    let mut rest = 0;
    while let Some(token) = next_token(sql, rest) {
        rest = token.end;
        let text = &sql[token.start..token.end];
        let written = file
            .text
            .get(from..region.end)
            .and_then(|part| part.find(text));
        let span = written.map_or(region, |start| Span {
            start: from + start,
            end: from + start + text.len(),
        });
        from = if written.is_some() { span.end } else { from };
        if let Some(mistake) = mistake_of(text, token.quoted) {
            sink.report(span, mistake);
        }
    }
}

struct Token {
    start: usize,
    end: usize,
    quoted: bool,
}

/// The next template at or after `from`, stepping over comments.
fn next_token(sql: &str, from: usize) -> Option<Token> {
    let bytes = sql.as_bytes();
    let mut at = from;
    // a template leaves the scanner outside of quotes or inside: count from the beginning of the statement
    let mut quoted = sql[..from].matches('\'').count() % 2 == 1;
    while at < bytes.len() {
        let rest = &sql[at..];
        match bytes[at] {
            b'\'' => quoted = !quoted,
            b'-' if !quoted && rest.starts_with("--") => {
                at += rest.find('\n').unwrap_or(rest.len());
                continue;
            }
            b'/' if !quoted && rest.starts_with("/*") => {
                at += rest.find("*/").map_or(rest.len(), |end| end + 2);
                continue;
            }
            b'{' => {
                let close = match bytes.get(at + 1) {
                    Some(b'{') => Some("}}"),
                    Some(b'%') => Some("%}"),
                    Some(b'#') => Some("#}"),
                    _ => None,
                };
                if let Some(end) = close.and_then(|close| rest.find(close)) {
                    return Some(Token {
                        start: at,
                        end: at + end + 2,
                        quoted,
                    });
                }
            }
            _ => {}
        }
        at += rest.chars().next().map_or(1, char::len_utf8);
    }
    None
}

fn mistake_of(text: &str, quoted: bool) -> Option<Mistake> {
    const CALLS: &[&str] = &[
        "ref", "source", "var", "config", "this", "env_var", "target", "dbt",
    ];
    let inside = text[2..text.len() - 2].trim();
    let word: &str = inside
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .next()
        .unwrap_or_default();
    if quoted && !CALLS.contains(&word) {
        return None;
    }
    let mistake = Mistake::new(110, "SQL in kilde has no templates");
    Some(match (word, referenced(text)) {
        (_, Some(name)) => mistake.help(format!(
            "write the table's name, for example `from silver.{name}`; the order of steps is read from it"
        )),
        ("var" | "env_var", _) => mistake.help("write `$name` and give it in `vars` of kilde.yaml"),
        ("config", _) => {
            mistake.help("settings stand in schemas/<schema>/<table>.yaml: `materialized: table`")
        }
        ("this" | "is_incremental", _) => mistake
            .help("a `table` always equals its query: kilde maintains it incrementally where it can prove it"),
        ("target", _) => mistake.help("SQL is the same in every target; what differs is a variable: `targets: {prod: {vars: …}}`, `$name`"),
        ("if" | "elif" | "else" | "endif", _) if inside.contains("is_incremental") => {
            mistake.help("remove the condition: a `table` always equals its query, and kilde reads only what is new where it can prove it")
        }
        ("if" | "elif" | "else" | "endif", _) => {
            mistake.help("write `case when … end`, or a condition with a variable: `where $name = 'x'`")
        }
        ("set", _) => mistake.help("write a `with` query, or a variable in `vars` of kilde.yaml"),
        ("for" | "endfor", _) => {
            mistake.help("write the columns out: SQL that is read as it is run; `group by all` and `* exclude (…)` shorten it")
        }
        ("macro" | "endmacro", _) => mistake.help(
            "a macro of an expression is a function: `create function name(argument type, …) returns type as …` in sql/functions/",
        ),
        ("dbt_utils" | "dbt_expectations" | "dbt_date", _) => {
            mistake.help("packages of dbt have no place here; docs/sql.md lists what takes their place")
        }
        _ if inside.contains('(') => mistake.help(format!(
            "write plain SQL: a macro of an expression is a function, `create function {word}(…)` in sql/functions/, and is called as `{word}(…)`"
        )),
        _ => mistake.help("write plain SQL; a repeated expression is a function in sql/functions/, a repeated query a step of its own"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::SourceFile;

    fn found(sql: &str) -> Vec<String> {
        let file = Arc::new(SourceFile {
            path: "sql/gold/a.sql".into(),
            text: sql.into(),
        });
        let mut sink = Sink::new(&file);
        let region = Span {
            start: 0,
            end: sql.len(),
        };
        refuse(sql, region, &mut sink);
        sink.found
            .iter()
            .map(|d| {
                let span = d.place.as_ref().unwrap().span;
                format!(
                    "{} | {}",
                    &sql[span.start..span.end],
                    d.help.as_ref().unwrap()
                )
            })
            .collect()
    }

    #[test]
    fn every_template_is_reported_with_plain_sql() {
        let found = found(
            "{{ config(materialized='view') }}\nselect 'å' from {{ ref('stg_orders') }} -- {{ fine }}\n\
             where d > '{{ var(\"start\") }}' and /* {{ fine }} */ x = '{{name}}' {% if x %}",
        );
        assert_eq!(found.len(), 4, "{found:#?}");
        assert!(found[0].contains("`materialized: table`"));
        assert!(found[1].contains("`from silver.stg_orders`"));
        assert!(found[2].contains("`$name`"));
        assert!(found[3].starts_with("{% if x %}"));
    }

    #[test]
    fn braces_of_sql_are_left_alone() {
        assert!(found("select {'a': 1}, [x], '{\"k\": {{}}' from t").is_empty());
    }
}
