//! `1e5` is a double, as in DuckDB and the SQL standard. The planner would make a decimal of it, and of `1e30` or `1e-50`
//! one of a scale that no arithmetic takes; numbers with a point and no exponent stay decimals.
//!
//! In: tokens, or one. Out: the same with `cast('1e5' as double)` in the number's place.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

/// What is to be written for a token; `None` where it stays.
pub(super) fn as_double_sql(token: &Token) -> Option<String> {
    Some(format!("cast('{}' as double)", with_exponent(token)?))
}

/// The tokens as the parser must be given them.
pub(super) fn as_doubles(raw: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !raw.iter().any(|raw| with_exponent(&raw.token).is_some()) {
        return raw;
    }
    let mut read = Vec::with_capacity(raw.len() + 5);
    for TokenWithSpan { token, span } in raw {
        match with_exponent(&token) {
            None => read.push(TokenWithSpan { token, span }),
            Some(number) => read.extend(
                [
                    Token::make_keyword("cast"),
                    Token::LParen,
                    Token::SingleQuotedString(number),
                    Token::make_keyword("as"),
                    Token::make_keyword("double"),
                    Token::RParen,
                ]
                .map(|token| TokenWithSpan { token, span }),
            ),
        }
    }
    read
}

/// The number as a text that can be cast: `1_000e2` without its lines.
fn with_exponent(token: &Token) -> Option<String> {
    match token {
        Token::Number(number, false) if number.contains(['e', 'E']) => {
            Some(number.replace('_', ""))
        }
        _ => None,
    }
}
