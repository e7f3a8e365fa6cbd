//! One SQL file → one parsed query, with every position in the user's file.
//!
//! In: a file's text. Out: the syntax tree, the tables it names, its placeholders, its canonical text. Knows nothing of
//! schemas, functions or types.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::dialect::DuckDbDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{
    Location, Span as SqlSpan, Token, TokenWithSpan, Tokenizer,
};

use crate::diagnostic::{Code, Diagnostic, SourceFile, Span, nearest};
use crate::name::TableName;

mod comparison_argument;
mod definition;
mod exponent;
mod foreign_syntax;
mod order_by_all;
mod plain_name;
mod size;
mod table_use;

pub(super) use definition::{ARGUMENTS, Definition, Parameter, definitions};
pub(crate) use plain_name::is_plain_name;
pub(crate) use table_use::TableUse;
pub(super) use table_use::normal;

/// How deep expressions and subqueries may nest; sessions that run statements must allow as much.
pub(super) const RECURSION_LIMIT: usize = 200;

/// A file that holds exactly one query.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    file: Arc<SourceFile>,
    query: Box<ast::Query>,
    /// Words, numbers, strings and signs; neither white space nor comments.
    tokens: Vec<PlacedToken>,
    lines: LineIndex,
}

/// A token and its bytes.
#[derive(Clone, Debug)]
struct PlacedToken {
    token: Token,
    span: Span,
}

/// `$name` as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placeholder {
    /// Without the `$`.
    pub(super) name: String,
    pub(super) span: Span,
}

impl Statement {
    /// Parses a file.
    ///
    /// # Errors
    /// K0301 where the text is not SQL, K0302 where it is anything but one query, K0319 where it is too deep or too long.
    pub(crate) fn parse(file: &Arc<SourceFile>) -> Result<Self, Diagnostic> {
        let lines = LineIndex::new(&file.text);
        let raw = Tokenizer::new(&DuckDbDialect {}, &file.text)
            .tokenize_with_location()
            .map_err(|error| {
                let start = lines.offset(&file.text, error.location);
                syntax_error(file, token_at(&file.text, start), &error.message)
            })?;
        let tokens = placed_tokens(&raw, &file.text, &lines);
        foreign_syntax::refuse(file, &tokens)?;
        let query = parse_query(file, raw, &tokens, &lines)?;
        Ok(Self {
            file: Arc::clone(file),
            query,
            tokens,
            lines,
        })
    }

    /// The file it was read from.
    pub(crate) fn file(&self) -> &Arc<SourceFile> {
        &self.file
    }

    /// The syntax tree, placeholders unbound.
    pub(super) fn query(&self) -> &ast::Query {
        &self.query
    }

    /// The text that counts for fingerprints: comments, white space and the case of words gone, all else byte for byte.
    ///
    /// Printed from the tokens, not from the tree: no two different statements may ever print alike, and neither may an
    /// upgrade of the parser change how one prints.
    pub(crate) fn canonical(&self) -> String {
        let mut text = String::with_capacity(self.file.text.len());
        for placed in &self.tokens {
            if matches!(placed.token, Token::SemiColon) {
                continue;
            }
            if !text.is_empty() {
                text.push(' ');
            }
            let written = &self.file.text[placed.span.start..placed.span.end];
            match &placed.token {
                Token::Word(word) if word.quote_style.is_none() => {
                    text.push_str(&written.to_lowercase());
                }
                _ => text.push_str(written),
            }
        }
        text
    }

    /// The text that a session reads as this statement was read, each `$name` replaced.
    pub(super) fn sql_with(&self, value: impl Fn(&str) -> String) -> String {
        comparison_argument::text_with_parentheses(&self.file.text, &self.tokens, |written| {
            match written {
                Token::Placeholder(name) => Some(value(name.trim_start_matches('$'))),
                _ => None,
            }
        })
    }

    /// The tables it reads, in the order written, each once.
    ///
    /// # Errors
    /// K0201 for each name without its schema, or with a catalog; `known` is where "did you mean" looks.
    pub(crate) fn tables(
        &self,
        known: &BTreeSet<TableName>,
    ) -> Result<Vec<TableUse>, Vec<Diagnostic>> {
        table_use::find(self, known)
    }

    /// Every `$name`, in the order written.
    pub(super) fn placeholders(&self) -> Vec<Placeholder> {
        let named = self.tokens.iter().filter_map(|placed| match &placed.token {
            Token::Placeholder(text) => Some((text, placed.span)),
            _ => None,
        });
        named
            .map(|(text, span)| Placeholder {
                name: text.trim_start_matches('$').to_string(),
                span,
            })
            .collect()
    }

    /// The bytes of a node of the syntax tree; `None` for nodes that carry no position.
    pub(super) fn span(&self, span: SqlSpan) -> Option<Span> {
        if span.start.line == 0 || span.end.line == 0 {
            return None;
        }
        let span = self.lines.span(&self.file.text, span);
        (span.start < span.end).then_some(span)
    }

    /// Widens a span to the closing parenthesis of what it opens, since the parser's spans stop at the last argument; a
    /// parenthesis right behind the span belongs to it.
    pub(super) fn closed(&self, span: Span) -> Span {
        let mut depth = 0_i32;
        let mut end = span.end;
        let mut first_behind = true;
        for placed in self.tokens.iter().filter(|t| t.span.start >= span.start) {
            if placed.span.start >= span.end {
                let opens = first_behind && placed.token == Token::LParen;
                first_behind = false;
                if depth <= 0 && !opens {
                    break;
                }
                end = placed.span.end;
            }
            match placed.token {
                Token::LParen => depth += 1,
                Token::RParen => depth -= 1,
                _ => {}
            }
        }
        Span {
            start: span.start,
            end,
        }
    }

    /// A call, from its name's span: with its parentheses, if it has any.
    pub(super) fn call(&self, name: Span) -> Span {
        let next = self.tokens.iter().find(|t| t.span.start >= name.end);
        match next {
            Some(t) if t.token == Token::LParen => self.closed(name),
            _ => name,
        }
    }

    /// The first word of the file: where a mistake of the whole statement is shown.
    pub(super) fn first_word(&self) -> Span {
        self.tokens.first().map_or_else(Span::default, |t| t.span)
    }

    /// The first place from `from` on where `keyword` is written.
    pub(super) fn keyword(&self, keyword: Keyword, from: usize) -> Option<Span> {
        self.tokens
            .iter()
            .filter(|placed| placed.span.start >= from)
            .find(|placed| matches!(&placed.token, Token::Word(word) if word.keyword == keyword))
            .map(|placed| placed.span)
    }

    /// The first place where keywords are written one behind the other.
    pub(super) fn phrase(&self, words: &[Keyword]) -> Option<Span> {
        phrase(&self.tokens, words, 0)
    }
}

/// The first place from `from` on where keywords are written one behind the other.
fn phrase(tokens: &[PlacedToken], words: &[Keyword], from: usize) -> Option<Span> {
    let keyword = |placed: &PlacedToken| match &placed.token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.keyword),
        _ => None,
    };
    let written = tokens.windows(words.len());
    written
        .filter(|found| found[0].span.start >= from)
        .find(|found| {
            found
                .iter()
                .map(keyword)
                .eq(words.iter().copied().map(Some))
        })
        .map(|found| Span {
            start: found[0].span.start,
            end: found[words.len() - 1].span.end,
        })
}

/// SQL as a session of DataFusion must be given it to read it as kilde does: an argument that begins `status = …` is a
/// comparison, `1e5` is a double. A query or a part of one; what is not SQL stays as it is.
#[must_use]
pub fn readable_sql(text: &str) -> String {
    let lines = LineIndex::new(text);
    match Tokenizer::new(&DuckDbDialect {}, text).tokenize_with_location() {
        Ok(raw) => {
            let tokens = placed_tokens(&raw, text, &lines);
            comparison_argument::text_with_parentheses(text, &tokens, |_| None)
        }
        Err(_) => text.to_string(),
    }
}

/// All but white space and comments.
fn placed_tokens(raw: &[TokenWithSpan], text: &str, lines: &LineIndex) -> Vec<PlacedToken> {
    raw.iter()
        .filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF))
        .map(|token| PlacedToken {
            token: token.token.clone(),
            span: lines.span(text, token.span),
        })
        .collect()
}

/// A parser that reads the tokens as kilde does.
///
/// # Errors
/// K0319 where there is too much for it.
fn parser(
    file: &Arc<SourceFile>,
    raw: Vec<TokenWithSpan>,
    tokens: &[PlacedToken],
) -> Result<Parser<'static>, Diagnostic> {
    size::refuse(file, tokens)?;
    let read = exponent::as_doubles(comparison_argument::in_parentheses(raw, tokens));
    Ok(Parser::new(&DuckDbDialect {})
        .with_recursion_limit(RECURSION_LIMIT)
        .with_tokens_with_locations(read))
}

fn parse_query(
    file: &Arc<SourceFile>,
    raw: Vec<TokenWithSpan>,
    tokens: &[PlacedToken],
    lines: &LineIndex,
) -> Result<Box<ast::Query>, Diagnostic> {
    let whole = tokens.first().map_or_else(Span::default, |t| t.span);
    let mut statements = parser(file, raw, tokens)?
        .parse_statements()
        .map_err(|error| parser_error(file, tokens, lines, &error))?;
    if statements.len() > 1 {
        let second = second_statement(tokens).unwrap_or(whole);
        return Err(Diagnostic::error(Code(302), "a SQL file holds one query")
            .at(file, second)
            .label("a second statement starts here")
            .help("move it to a file of its own: each file makes one table"));
    }
    match statements.pop() {
        Some(ast::Statement::Query(query)) => {
            size::refuse_multiplied(file, whole, &query)?;
            order_by_all::refuse_unsorted(file, tokens, lines, &query)?;
            Ok(query)
        }
        Some(_) => {
            let word = file.text[whole.start..whole.end].to_lowercase();
            Err(Diagnostic::error(
                Code(302),
                format!("a SQL file holds one query, and this is a `{word}` statement"),
            )
            .at(file, whole)
            .help("write the `select` alone: kilde creates and fills the table"))
        }
        None => Err(Diagnostic::error(Code(302), "the file holds no query").at(file, whole)),
    }
}

/// The first token after a `;` that is not one itself.
fn second_statement(tokens: &[PlacedToken]) -> Option<Span> {
    let first_end = tokens.iter().position(|t| t.token == Token::SemiColon)?;
    tokens[first_end..]
        .iter()
        .find(|t| t.token != Token::SemiColon)
        .map(|t| t.span)
}

/// The parser's error in our words, at the token that it stumbled over.
fn parser_error(
    file: &Arc<SourceFile>,
    tokens: &[PlacedToken],
    lines: &LineIndex,
    error: &ParserError,
) -> Diagnostic {
    let text = match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text.as_str(),
        ParserError::RecursionLimitExceeded => {
            let span = tokens.first().map_or_else(Span::default, |t| t.span);
            return size::nested_too_deeply(file, span);
        }
    };
    if let Some(span) = unclosed(tokens) {
        return syntax_error(file, span, "this `(` is never closed");
    }
    let (message, location) = split_location(text);
    let span = match location {
        Some(location) => {
            let start = lines.offset(&file.text, location);
            tokens
                .iter()
                .map(|t| t.span)
                .find(|span| span.start <= start && start < span.end)
                .unwrap_or(Span { start, end: start })
        }
        // the text ended too early: show its last token
        None => tokens.last().map_or_else(Span::default, |t| t.span),
    };
    syntax_error(file, span, &message)
}

/// The innermost opening parenthesis without its closing one.
fn unclosed(tokens: &[PlacedToken]) -> Option<Span> {
    let mut open = Vec::new();
    for placed in tokens {
        match placed.token {
            Token::LParen => open.push(placed.span),
            Token::RParen => {
                open.pop();
            }
            _ => {}
        }
    }
    open.pop()
}

fn syntax_error(file: &Arc<SourceFile>, span: Span, message: &str) -> Diagnostic {
    let message = message
        .trim()
        .trim_end_matches(['.', ','])
        .replace("Expected: ", "expected ")
        .replace(", found: EOF", ", found the end of the file")
        .replace(", found: ", ", found `");
    let message = if message.contains('`') && message.matches('`').count() % 2 == 1 {
        format!("{message}`")
    } else {
        message
    };
    let mut letters = message.chars();
    let message: String = letters
        .next()
        .map(|first| first.to_lowercase().collect::<String>() + letters.as_str())
        .unwrap_or_default();
    Diagnostic::error(Code(301), format!("this is not SQL: {message}")).at(file, span)
}

/// `… at Line: 3, Column: 9` → the text before, and the place.
fn split_location(text: &str) -> (String, Option<Location>) {
    let Some(at) = text.rfind(" at Line: ") else {
        return (text.to_string(), None);
    };
    let place = &text[at + " at Line: ".len()..];
    let location = place.split_once(", Column: ").and_then(|(line, column)| {
        Some(Location {
            line: line.trim().parse().ok()?,
            column: column.trim().parse().ok()?,
        })
    });
    (text[..at].to_string(), location)
}

/// The word that starts at an offset, or one character.
fn token_at(text: &str, start: usize) -> Span {
    let start = start.min(text.len());
    let rest = &text[start..];
    let length = rest
        .find(|c: char| c.is_whitespace())
        .unwrap_or(rest.len())
        .max(rest.chars().next().map_or(0, char::len_utf8));
    Span {
        start,
        end: start + length,
    }
}

/// The nearest of the names to one that is not there, as a help line.
pub(super) fn did_you_mean<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    nearest(word, candidates).map(|name| format!("did you mean `{name}`?"))
}

/// Byte offsets of the starts of lines.
#[derive(Clone, Debug)]
struct LineIndex {
    starts: Vec<usize>,
    /// Then columns are bytes, and nothing is counted: a program may write a statement of a megabyte on one line.
    is_ascii: bool,
}

impl LineIndex {
    fn new(text: &str) -> Self {
        let starts = text.match_indices('\n').map(|(i, _)| i + 1);
        Self {
            starts: std::iter::once(0).chain(starts).collect(),
            is_ascii: text.is_ascii(),
        }
    }

    /// The byte of a line and a column, both from 1, the column counted in characters.
    fn offset(&self, text: &str, location: Location) -> usize {
        let line = usize::try_from(location.line).unwrap_or(1).max(1) - 1;
        let start = self.starts.get(line).copied().unwrap_or(text.len());
        let column = usize::try_from(location.column).unwrap_or(1).max(1) - 1;
        if self.is_ascii {
            return (start + column).min(text.len());
        }
        text[start..]
            .char_indices()
            .nth(column)
            .map_or(text.len(), |(i, _)| start + i)
    }

    fn span(&self, text: &str, span: SqlSpan) -> Span {
        Span {
            start: self.offset(text, span.start),
            end: self.offset(text, span.end),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Arc<SourceFile> {
        Arc::new(SourceFile {
            path: "sql/gold/x.sql".into(),
            text: text.into(),
        })
    }

    fn canonical(text: &str) -> String {
        Statement::parse(&file(text)).unwrap().canonical()
    }

    #[test]
    fn white_space_case_and_comments_do_not_count() {
        let one = canonical("-- title\nSELECT a.ID,\n  'X y' AS Name FROM silver.a AS a; ");
        let two = canonical("select A.id, 'X y' as name /* c */ from Silver.a as a");
        assert_eq!(one, two);
    }

    #[test]
    fn strings_and_quoted_names_count_as_written() {
        assert_ne!(
            canonical("select 'a' as x from s.t"),
            canonical("select 'A' as x from s.t")
        );
        assert_ne!(
            canonical("select \"A\" from s.t"),
            canonical("select \"a\" from s.t")
        );
        assert_eq!(canonical("select 'it''s' as x"), "select 'it''s' as x");
    }

    #[test]
    fn order_by_all_is_refused_where_the_planner_would_sort_nothing() {
        for text in [
            "select 2 as a union all select 1 order by all",
            "values (2), (1) order by all desc",
            "with t as (select 1 as a) select a from t except select 2 order by all",
            "select a from (from s.t union from s.u order by all limit 1) order by all",
        ] {
            let said = Statement::parse(&file(text)).unwrap_err().render(false);
            let place = format!("x.sql:1:{}\n", text.find("order").unwrap() + 1);
            assert!(
                said.starts_with("error[K0312]") && said.contains(&place),
                "{said}"
            );
        }
        let sorted = "select * from (select 2 as a union all select 1) order by all";
        assert!(Statement::parse(&file(sorted)).is_ok());
    }

    #[test]
    fn a_syntax_error_points_at_the_token() {
        let error = Statement::parse(&file("select a\nfrom silver.t\nwhere and b")).unwrap_err();
        insta::assert_snapshot!(error.render(false), @r#"
        error[K0301]: this is not SQL: expected end of statement, found `b`
          --> sql/gold/x.sql:3:11
           |
         3 | where and b
           |           ^
        "#);
    }

    #[test]
    fn an_unfinished_statement_points_at_its_end() {
        let error = Statement::parse(&file("select a from (select b from s.t")).unwrap_err();
        insta::assert_snapshot!(error.render(false), @r#"
        error[K0301]: this is not SQL: this `(` is never closed
          --> sql/gold/x.sql:1:15
           |
         1 | select a from (select b from s.t
           |               ^
        "#);
    }

    #[test]
    fn an_unclosed_string_is_a_syntax_error() {
        let error = Statement::parse(&file("select 'abc\nfrom s.t")).unwrap_err();
        insta::assert_snapshot!(error.render(false), @r#"
        error[K0301]: this is not SQL: unterminated string literal
          --> sql/gold/x.sql:1:8
           |
         1 | select 'abc
           |        ^^^^
        "#);
    }

    #[test]
    fn only_one_query_is_allowed() {
        let error = Statement::parse(&file("select 1 as a; select 2 as b")).unwrap_err();
        insta::assert_snapshot!(error.render(false), @r#"
        error[K0302]: a SQL file holds one query
          --> sql/gold/x.sql:1:16
           |
         1 | select 1 as a; select 2 as b
           |                ^^^^^^ a second statement starts here
        help: move it to a file of its own: each file makes one table
        "#);
        let error = Statement::parse(&file("create table a as select 1")).unwrap_err();
        insta::assert_snapshot!(error.render(false), @r#"
        error[K0302]: a SQL file holds one query, and this is a `create` statement
          --> sql/gold/x.sql:1:1
           |
         1 | create table a as select 1
           | ^^^^^^
        help: write the `select` alone: kilde creates and fills the table
        "#);
        let error = Statement::parse(&file("-- nothing\n")).unwrap_err();
        assert_eq!(error.code, Code(302));
    }

    #[test]
    fn positions_hold_behind_letters_of_several_bytes() {
        let text = "select 'åäö' as ä, $land as b from s.t";
        let statement = Statement::parse(&file(text)).unwrap();
        let placeholder = &statement.placeholders()[0];
        assert_eq!(&text[placeholder.span.start..placeholder.span.end], "$land");
        assert_eq!(placeholder.name, "land");
    }
}
