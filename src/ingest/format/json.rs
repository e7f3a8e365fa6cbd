//! A JSON reader over bytes that finds values without building them: spans in, spans out.
//!
//! The whole grammar is checked (RFC 8259), so that what it accepts every reader accepts; values that nobody wants are
//! skipped, not kept. The bytes may be in any encoding that holds ASCII unchanged.

use crate::ingest::cell::{Cell, CellKind};

/// Nesting beyond this is refused: no export needs it, and it protects the stack.
pub(super) const MAX_DEPTH: usize = 64;

/// The text is not JSON; the caller names the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Reads values off a text.
#[derive(Debug)]
pub(crate) struct JsonReader<'a> {
    text: &'a [u8],
    at: usize,
    depth: usize,
}

impl<'a> JsonReader<'a> {
    /// Reads `text` from byte `at` on; all offsets are offsets in `text`.
    pub(crate) fn new(text: &'a [u8], at: usize) -> Self {
        Self { text, at, depth: 0 }
    }

    /// Offset of the next byte.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// The next byte that is no space, not consumed.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.text.get(self.at) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    /// Whether nothing but space is left.
    pub(crate) fn is_done(&mut self) -> bool {
        self.peek().is_none()
    }

    fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.peek() != Some(byte) {
            return Err(Malformed);
        }
        self.at += 1;
        Ok(())
    }

    /// Any value: strings as [`CellKind::Text`] or [`CellKind::Escaped`] without their quotes, arrays and objects whole.
    pub(crate) fn value(&mut self) -> Result<Cell, Malformed> {
        let first = self.peek().ok_or(Malformed)?;
        let start = self.at;
        let kind = match first {
            b'"' => return self.string(),
            b'{' => {
                self.object(|reader, _| reader.value().map(|_| ()))?;
                CellKind::Json
            }
            b'[' => {
                self.array(|reader| reader.value().map(|_| ()))?;
                CellKind::Json
            }
            b't' => self.word(b"true", CellKind::Boolean)?,
            b'f' => self.word(b"false", CellKind::Boolean)?,
            b'n' => self.word(b"null", CellKind::Null)?,
            _ => self.number()?,
        };
        Ok(Cell::new(start, self.at, kind))
    }

    /// An object: `visit` gets each key and must consume its value.
    pub(crate) fn object(
        &mut self,
        mut visit: impl FnMut(&mut Self, Cell) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        self.enter(b'{')?;
        if self.peek() == Some(b'}') {
            return self.leave();
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(Malformed);
            }
            let key = self.string()?;
            self.expect(b':')?;
            visit(self, key)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => return self.leave(),
                _ => return Err(Malformed),
            }
        }
    }

    /// An array: `visit` must consume each element.
    pub(crate) fn array(
        &mut self,
        mut visit: impl FnMut(&mut Self) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        self.enter(b'[')?;
        if self.peek() == Some(b']') {
            return self.leave();
        }
        loop {
            visit(self)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => return self.leave(),
                _ => return Err(Malformed),
            }
        }
    }

    fn enter(&mut self, open: u8) -> Result<(), Malformed> {
        self.expect(open)?;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Malformed);
        }
        Ok(())
    }

    /// Consumes the closing byte, which has been seen.
    fn leave(&mut self) -> Result<(), Malformed> {
        self.at += 1;
        self.depth -= 1;
        Ok(())
    }

    fn word(&mut self, word: &[u8], kind: CellKind) -> Result<CellKind, Malformed> {
        if !self.text[self.at..].starts_with(word) {
            return Err(Malformed);
        }
        self.at += word.len();
        Ok(kind)
    }

    fn number(&mut self) -> Result<CellKind, Malformed> {
        if self.text.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        let start = self.at;
        self.digits()?;
        if self.text[start] == b'0' && self.at > start + 1 {
            return Err(Malformed);
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.text.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.text.get(self.at) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(CellKind::Number)
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at == start {
            Err(Malformed)
        } else {
            Ok(())
        }
    }

    /// A string whose opening quote comes next.
    fn string(&mut self) -> Result<Cell, Malformed> {
        self.at += 1;
        let start = self.at;
        let mut kind = CellKind::Text;
        loop {
            self.at = after_letters(self.text, self.at);
            match self.text.get(self.at).ok_or(Malformed)? {
                b'"' => {
                    self.at += 1;
                    return Ok(Cell::new(start, self.at - 1, kind));
                }
                b'\\' => {
                    kind = CellKind::Escaped;
                    self.at = escape(self.text, self.at).ok_or(Malformed)?.1;
                }
                control if *control < 0x20 => return Err(Malformed),
                _ => self.at += 1,
            }
        }
    }
}

/// The first byte from `at` on that may be more than a letter of a string: a quote, an escape, a control, or one of the last few.
fn after_letters(text: &[u8], mut at: usize) -> usize {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // the top bit of each byte below a number; of bytes above such a one it may lie
    let below = |word: u64, number: u64| word.wrapping_sub(LOW * number) & !word & HIGH;
    while let Some(bytes) = text[at..].first_chunk() {
        let word = u64::from_le_bytes(*bytes);
        let quote = below(word ^ (LOW * u64::from(b'"')), 1);
        let escape = below(word ^ (LOW * u64::from(b'\\')), 1);
        let marks = below(word, 0x20) | quote | escape;
        if marks != 0 {
            return at + (marks.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    at
}

/// The character of the escape at byte `at`, and the byte after it. A surrogate takes its partner with it.
fn escape(text: &[u8], at: usize) -> Option<(char, usize)> {
    let simple = match text.get(at + 1)? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode_escape(text, at),
        _ => return None,
    };
    Some((simple, at + 2))
}

fn unicode_escape(text: &[u8], at: usize) -> Option<(char, usize)> {
    let first = hexadecimal(text, at)?;
    if !(0xd800..0xdc00).contains(&first) {
        return Some((char::from_u32(first)?, at + 6));
    }
    let second = hexadecimal(text, at + 6)?;
    if !(0xdc00..0xe000).contains(&second) {
        return None;
    }
    let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
    Some((char::from_u32(code)?, at + 12))
}

/// The four digits of `\uXXXX` at byte `at`.
fn hexadecimal(text: &[u8], at: usize) -> Option<u32> {
    let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |value, digit| {
        Some(value * 16 + char::from(*digit).to_digit(16)?)
    })
}

/// Resolves the escapes of a string that [`JsonReader`] has accepted; `append` decodes what lies between them.
pub(crate) fn unescape(text: &[u8], out: &mut Vec<u8>, append: impl Fn(&[u8], &mut Vec<u8>)) {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        append(&rest[..at], out);
        let Some((character, after)) = escape(rest, at) else {
            return;
        };
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        rest = &rest[after..];
    }
    append(rest, out);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(text: &str) -> Result<Cell, Malformed> {
        let mut reader = JsonReader::new(text.as_bytes(), 0);
        let cell = reader.value()?;
        if reader.is_done() {
            Ok(cell)
        } else {
            Err(Malformed)
        }
    }

    fn unescaped(text: &str) -> String {
        let cell = whole(text).unwrap();
        let bytes = &text.as_bytes()[cell.start as usize..cell.end as usize];
        let mut out = Vec::new();
        unescape(bytes, &mut out, |part, out| out.extend_from_slice(part));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn escapes_and_surrogates_become_characters() {
        assert_eq!(
            unescaped(r#""a\"b\\\n\u00e5\ud83d\ude00c""#),
            "a\"b\\\nå😀c"
        );
    }

    #[test]
    fn what_the_grammar_forbids_is_refused() {
        for wrong in [
            "",
            "{",
            "[1,]",
            "{\"a\":}",
            "01",
            "1.",
            ".5",
            "+1",
            "tru",
            "'a'",
            "\"a",
            "\"\\x\"",
            "\"\\ud800\"",
            "\"a\nb\"",
            "{a:1}",
            "[1 2]",
            "1 2",
            "nan",
        ] {
            assert_eq!(whole(wrong).map(|_| ()), Err(Malformed), "{wrong}");
        }
    }

    #[test]
    fn absurd_nesting_is_refused_without_a_crash() {
        assert!(whole(&"[".repeat(100_000)).is_err());
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            ".{0,8}".prop_map(Into::into),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                prop::collection::btree_map(".{0,4}", inner, 0..4)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn accepts_what_serde_writes(value in any_json()) {
            prop_assert!(whole(&value.to_string()).is_ok());
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            prop_assert!(whole(&pretty).is_ok());
        }

        #[test]
        fn agrees_with_serde_on_damaged_json(value in any_json(), at in 0_usize..200, with in "[\\[\\]{}\",:0-9a\\\\ ]") {
            let mut text: Vec<char> = value.to_string().chars().collect();
            let at = at % text.len();
            text[at] = with.chars().next().unwrap();
            let text: String = text.into_iter().collect();
            // a number beyond f64 is JSON all the same
            let serde = serde_json::from_str::<Box<serde_json::value::RawValue>>(&text).is_ok();
            prop_assert_eq!(whole(&text).is_ok(), serde);
        }
    }
}
