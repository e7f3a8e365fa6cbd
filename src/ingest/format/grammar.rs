//! Passes over JSON that nobody keeps, of any length, and holds it to the grammar all the same (RFC 8259): what stands around
//! an array of records says whether the document is whole.

use super::json_document::{broken, cut_off};
use super::lines::Window;
use crate::error::Result;
use crate::ingest::json::{MAX_DEPTH, Malformed};

/// Reads the rest of a value byte by byte.
#[derive(Debug)]
pub(super) struct Grammar {
    /// The brackets that are open.
    open: Vec<u8>,
    next: Next,
}

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// A value; `may_close`: or the bracket of an array that has none yet.
    Value {
        may_close: bool,
    },
    /// A key; `may_close`: or the bracket of an object that has none yet.
    Key {
        may_close: bool,
    },
    Colon,
    /// A comma, or the bracket that is open last.
    Comma,
    /// The rest of a word.
    Word(&'static [u8]),
    Text {
        is_key: bool,
    },
    Escaped {
        is_key: bool,
    },
    /// So many hexadecimal digits.
    Hex {
        is_key: bool,
        digits: u8,
    },
    Number(Part),
}

/// Where in a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Minus,
    Zero,
    Whole,
    Point,
    Fraction,
    E,
    Sign,
    Exponent,
}

impl Part {
    /// The part that a byte is of; `None` where the number does not go on with it.
    fn after(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Minus, b'0') => Self::Zero,
            (Self::Minus, b'1'..=b'9') | (Self::Whole, b'0'..=b'9') => Self::Whole,
            (Self::Zero | Self::Whole, b'.') => Self::Point,
            (Self::Point | Self::Fraction, b'0'..=b'9') => Self::Fraction,
            (Self::Zero | Self::Whole | Self::Fraction, b'e' | b'E') => Self::E,
            (Self::E, b'+' | b'-') => Self::Sign,
            (Self::E | Self::Sign | Self::Exponent, b'0'..=b'9') => Self::Exponent,
            _ => return None,
        })
    }

    /// Whether a number may end here.
    fn is_whole(self) -> bool {
        matches!(
            self,
            Self::Zero | Self::Whole | Self::Fraction | Self::Exponent
        )
    }
}

impl Grammar {
    /// Of the value that begins next.
    pub(super) fn value() -> Self {
        Self {
            open: Vec::new(),
            next: Next::Value { may_close: false },
        }
    }

    /// Bytes up to the value's end, if that is in `text`.
    ///
    /// # Errors
    /// The bytes up to where it is no JSON.
    fn within(&mut self, text: &[u8]) -> std::result::Result<Option<usize>, usize> {
        for (at, byte) in text.iter().enumerate() {
            if let Next::Number(part) = self.next {
                if let Some(part) = part.after(*byte) {
                    self.next = Next::Number(part);
                    continue;
                }
                let is_octal = part == Part::Zero && byte.is_ascii_digit();
                if is_octal || !part.is_whole() {
                    return Err(at);
                }
                self.next = Next::Comma;
                if self.open.is_empty() {
                    return Ok(Some(at));
                }
            }
            self.take(*byte).map_err(|Malformed| at)?;
            if self.next == Next::Comma && self.open.is_empty() {
                return Ok(Some(at + 1));
            }
        }
        Ok(None)
    }

    /// Takes a byte that is not of a number that was begun.
    fn take(&mut self, byte: u8) -> std::result::Result<(), Malformed> {
        let is_space = matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        self.next = match (self.next, byte) {
            (Next::Text { is_key }, b'\\') => Next::Escaped { is_key },
            (Next::Text { is_key: true }, b'"') => Next::Colon,
            (Next::Text { is_key: false }, b'"') => Next::Comma,
            (Next::Text { .. }, ..0x20) => return Err(Malformed),
            (Next::Text { is_key }, _) => Next::Text { is_key },
            (Next::Escaped { is_key }, b'u') => Next::Hex { is_key, digits: 4 },
            (Next::Escaped { is_key }, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                Next::Text { is_key }
            }
            (Next::Hex { is_key, digits: 1 }, _) if byte.is_ascii_hexdigit() => {
                Next::Text { is_key }
            }
            (Next::Hex { is_key, digits }, _) if byte.is_ascii_hexdigit() => Next::Hex {
                is_key,
                digits: digits - 1,
            },
            (Next::Word([first]), _) if *first == byte => Next::Comma,
            (Next::Word([first, rest @ ..]), _) if *first == byte => Next::Word(rest),
            (Next::Value { .. } | Next::Key { .. } | Next::Colon | Next::Comma, _) if is_space => {
                self.next
            }
            (Next::Value { .. }, b'{' | b'[') => self.opened(byte)?,
            (Next::Value { .. }, b'"') => Next::Text { is_key: false },
            (Next::Value { .. }, b't') => Next::Word(b"rue"),
            (Next::Value { .. }, b'f') => Next::Word(b"alse"),
            (Next::Value { .. }, b'n') => Next::Word(b"ull"),
            (Next::Value { .. }, b'-') => Next::Number(Part::Minus),
            (Next::Value { .. }, b'0') => Next::Number(Part::Zero),
            (Next::Value { .. }, b'1'..=b'9') => Next::Number(Part::Whole),
            (Next::Key { .. }, b'"') => Next::Text { is_key: true },
            (Next::Colon, b':') => Next::Value { may_close: false },
            (Next::Value { may_close: true }, b']') => self.closed(b'[')?,
            (Next::Key { may_close: true }, b'}') => self.closed(b'{')?,
            (Next::Comma, b']') => self.closed(b'[')?,
            (Next::Comma, b'}') => self.closed(b'{')?,
            (Next::Comma, b',') if self.open.last() == Some(&b'[') => {
                Next::Value { may_close: false }
            }
            (Next::Comma, b',') if self.open.last() == Some(&b'{') => {
                Next::Key { may_close: false }
            }
            _ => return Err(Malformed),
        };
        Ok(())
    }

    fn opened(&mut self, bracket: u8) -> std::result::Result<Next, Malformed> {
        if self.open.len() == MAX_DEPTH {
            return Err(Malformed);
        }
        self.open.push(bracket);
        Ok(match bracket {
            b'[' => Next::Value { may_close: true },
            _ => Next::Key { may_close: true },
        })
    }

    /// `bracket`: the one that opened what is closed.
    fn closed(&mut self, bracket: u8) -> std::result::Result<Next, Malformed> {
        match self.open.pop() {
            Some(open) if open == bracket => Ok(Next::Comma),
            _ => Err(Malformed),
        }
    }

    /// Takes the value from the window.
    ///
    /// # Errors
    /// `Input` where the export ends within it, or it is no JSON; those of storage.
    pub(super) fn pass(mut self, window: &mut Window<'_>, file: &str) -> Result<()> {
        loop {
            let text = window.rest();
            let found = self.within(text);
            let taken = match found {
                Ok(Some(at)) | Err(at) => at,
                Ok(None) => text.len(),
            };
            let lines = memchr::memchr_iter(b'\n', &text[..taken]).count() as i64;
            window.advance(taken, lines);
            match found {
                Ok(Some(_)) => return Ok(()),
                Err(_) => return Err(broken(window, file)),
                Ok(None) if window.is_last() => return Err(cut_off(file)),
                Ok(None) => window.fill(file)?,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ingest::json::JsonReader;

    /// Bytes of the value at the beginning; `None` where it is none.
    fn length(text: &str) -> Option<usize> {
        // a number ends before what follows it
        let text = format!("{text},");
        let mut grammar = Grammar::value();
        // in pieces as in one
        let mut found = Ok(None);
        let mut at = 0;
        while found == Ok(None) && at < text.len() {
            found = grammar
                .within(&text.as_bytes()[at..=at])
                .map(|end| end.map(|end| at + end));
            at += 1;
        }
        let whole = Grammar::value().within(text.as_bytes());
        assert_eq!(whole.ok(), found.ok(), "{text}");
        whole.ok().flatten()
    }

    #[test]
    fn values_are_passed_over_and_what_is_none_is_found() {
        for right in [
            "null",
            "true",
            "-0.5e+10",
            "0",
            "120",
            "\"a\\u00e5\\n\"",
            "[]",
            "{}",
            " [1, [2]]",
            "{\"a\": {\"b\": [true, null]}, \"c\": \"}\"}",
        ] {
            assert_eq!(length(right), Some(right.len()), "{right}");
        }
        for wrong in [
            "tru",
            "nul",
            "01",
            "1.",
            "-",
            "1e",
            ".5",
            "+1",
            "'a'",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\t\"",
            "[1,]",
            "[,1]",
            "[1,,2]",
            "[1 2]",
            "[1}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "{,}",
            "]",
            "NaN",
            "[1",
            "\"a",
        ] {
            assert_eq!(length(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn it_finds_what_a_reader_finds(text in "[\\[\\]{},:\"\\\\ untrefalsu0-9.eE+-]{0,24}") {
            let with_comma = format!("{text},");
            let mut reader = JsonReader::new(with_comma.as_bytes(), 0);
            let read = reader.value().ok().map(|_| reader.position());
            prop_assert_eq!(length(&text), read);
        }
    }
}
