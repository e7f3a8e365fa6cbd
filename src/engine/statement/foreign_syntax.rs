//! Spellings of other dialects, answered with ours before the parser stumbles over them.

use std::sync::Arc;

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::Token;

use super::{PlacedToken, syntax_error};
use crate::diagnostic::{Diagnostic, SourceFile, Span};

/// The first spelling that is not ours, as a syntax error with the way to write it.
pub(super) fn refuse(file: &Arc<SourceFile>, tokens: &[PlacedToken]) -> Result<(), Diagnostic> {
    for (position, placed) in tokens.iter().enumerate() {
        let next = tokens.get(position + 1);
        let after = tokens.get(position + 2);
        if let Some((message, help)) = foreign(placed, next, after) {
            let end = next.map_or(placed.span.end, |next| next.span.end);
            let span = Span {
                start: placed.span.start,
                end,
            };
            return Err(syntax_error(file, span, message).help(help));
        }
    }
    Ok(())
}

fn foreign(
    token: &PlacedToken,
    next: Option<&PlacedToken>,
    after: Option<&PlacedToken>,
) -> Option<(&'static str, &'static str)> {
    let adjoins = next.is_some_and(|next| next.span.start == token.span.end);
    match (&token.token, next.map(|next| &next.token)) {
        (Token::Word(word), Some(Token::SingleQuotedString(_)))
            if adjoins && word.quote_style.is_none() && word.value.eq_ignore_ascii_case("e") =>
        {
            Some((
                "`E'…'` is of another dialect",
                "write the character itself within the quotes, or join it: `'a' || chr(10)`",
            ))
        }
        (Token::Sharp, Some(Token::Number(..))) => Some((
            "columns are not called by number",
            "write the column's name; `order by all` and `group by all` need none",
        )),
        (Token::Word(word), Some(Token::Word(top)))
            if word.keyword == Keyword::SELECT
                && top.keyword == Keyword::TOP
                && after.is_some_and(|after| matches!(after.token, Token::Number(..))) =>
        {
            Some((
                "`top` is of another dialect",
                "write `order by … limit 10` at the end",
            ))
        }
        (Token::DuckIntDiv, _) => Some((
            "`//` is not read here",
            "write `cast(x / y as bigint)`: whole numbers divide to a whole number",
        )),
        _ => None,
    }
}
