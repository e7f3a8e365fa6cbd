//! `if(status = 'paid', …)`: the dialect's parser takes `status` for the name of an argument, as in `read_csv(file,
//! header = true)`. No function here has arguments by that sign, so what is written is a comparison, as in DuckDB.
//!
//! In: tokens. Out: which of them must stand in parentheses for the parser to read an expression. It is done before
//! parsing, since a tree whose argument began behind the `=` has lost which operator binds first.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::{PlacedToken, exponent};

/// The places, among tokens without white space, of values that begin an argument and are compared by `=`. Some others
/// are among them, such as that of `where (a = 1)`: parentheses around one value never change a meaning.
pub(super) fn compared(tokens: &[PlacedToken]) -> impl Iterator<Item = usize> {
    (1..tokens.len()).filter(|&place| {
        let is_compared = tokens
            .get(place + 1)
            .is_some_and(|next| next.token == Token::Eq);
        is_compared && may_be_a_name(&tokens[place].token) && begins_argument(&tokens[..place])
    })
}

/// What the parser reads as an identifier, or what is bound to such: a text is one to it, too.
fn may_be_a_name(token: &Token) -> bool {
    matches!(
        token,
        Token::Word(_) | Token::SingleQuotedString(_) | Token::Placeholder(_)
    )
}

fn begins_argument(before: &[PlacedToken]) -> bool {
    let opens = |token: &Token| *token == Token::LParen;
    match before {
        [.., open, PlacedToken { token, .. }] if is_quantifier(token) => opens(&open.token),
        [.., PlacedToken { token, .. }] => opens(token) || *token == Token::Comma,
        [] => false,
    }
}

/// `count(distinct a = 1)`.
fn is_quantifier(token: &Token) -> bool {
    matches!(token, Token::Word(word) if matches!(word.keyword, Keyword::DISTINCT | Keyword::ALL))
}

/// The tokens as the parser must be given them; white space may be among `raw`.
pub(super) fn in_parentheses(
    raw: Vec<TokenWithSpan>,
    tokens: &[PlacedToken],
) -> Vec<TokenWithSpan> {
    let mut compared = compared(tokens).peekable();
    if compared.peek().is_none() {
        return raw;
    }
    let mut wrapped = Vec::with_capacity(raw.len() + 2);
    let mut place = 0;
    for token in raw {
        if matches!(token.token, Token::Whitespace(_) | Token::EOF) {
            wrapped.push(token);
            continue;
        }
        if compared.next_if_eq(&place).is_some() {
            let span = token.span;
            let sign = |token| TokenWithSpan { token, span };
            wrapped.extend([sign(Token::LParen), token, sign(Token::RParen)]);
        } else {
            wrapped.push(token);
        }
        place += 1;
    }
    wrapped
}

/// A text with the same parentheses, and doubles where numbers have an exponent; tokens may be replaced by others.
pub(super) fn text_with_parentheses(
    source: &str,
    tokens: &[PlacedToken],
    replaced: impl Fn(&Token) -> Option<String>,
) -> String {
    let mut compared = compared(tokens).peekable();
    let mut text = String::with_capacity(source.len());
    let mut end = 0;
    for (place, placed) in tokens.iter().enumerate() {
        let is_compared = compared.next_if_eq(&place).is_some();
        let new = replaced(&placed.token).or_else(|| exponent::as_double_sql(&placed.token));
        let token = match &new {
            Some(new) => new.as_str(),
            None => &source[placed.span.start..placed.span.end],
        };
        text.push_str(&source[end..placed.span.start]);
        if is_compared {
            text.extend(["(", token, ")"]);
        } else {
            text.push_str(token);
        }
        end = placed.span.end;
    }
    text.push_str(&source[end..]);
    text
}
