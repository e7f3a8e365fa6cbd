//! A JSON reader over bytes that finds values without building them: spans in, spans out.
//!
//! The whole grammar is checked (RFC 8259), so that what it accepts every reader accepts. The bytes may be in any encoding
//! that holds ASCII unchanged. A text is read once: what is wanted of it is found on the [`Tape`] it leaves.

use std::borrow::Cow;

use crate::ingest::cell::{Cell, CellKind};
use crate::ingest::encoding::TextDecoder;
use crate::ingest::keys::{KeyId, Spot};
use crate::ingest::lanes;
use crate::ingest::tape::{Tape, Track};

/// Nesting beyond this is refused: no export needs it, and it protects the stack.
pub(super) const MAX_DEPTH: usize = 64;

/// The text is not JSON; the caller names the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// What was read; or the byte at which the text is no JSON.
type Read<T> = std::result::Result<T, usize>;

/// Reads values off a text.
#[derive(Debug)]
pub(crate) struct JsonReader<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> JsonReader<'a> {
    /// Reads `text` from byte `at` on; all offsets are offsets in `text`.
    pub(crate) fn new(text: &'a [u8], at: usize) -> Self {
        Self { text, at }
    }

    /// Offset of the next byte.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// The next byte that is no space, not consumed.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        match next(self.text, self.at) {
            Ok((byte, at)) => {
                self.at = at;
                Some(byte)
            }
            Err(end) => {
                self.at = end;
                None
            }
        }
    }

    /// Whether nothing but space is left.
    pub(crate) fn is_done(&mut self) -> bool {
        self.peek().is_none()
    }

    /// Any value: strings as [`CellKind::Text`] or [`CellKind::Escaped`] without their quotes, arrays and objects whole.
    pub(crate) fn value(&mut self) -> Result<Cell, Malformed> {
        self.read(&mut ())
    }

    /// The same, and all that lies within it goes onto the tape. Of a text that is malformed something may be left there.
    pub(crate) fn record(&mut self, tape: &mut Tape) -> Result<Cell, Malformed> {
        self.read(tape)
    }

    fn read(&mut self, track: &mut impl Track) -> Result<Cell, Malformed> {
        let (at, found) = match value(self.text, self.at, track) {
            Ok((cell, end)) => (end, Ok(cell)),
            Err(at) => (at, Err(Malformed)),
        };
        self.at = at;
        found
    }
}

/// The arrays and objects that are not closed yet, from the outermost in.
#[derive(Default)]
struct Nest {
    depth: usize,
    /// A bit for each, the innermost's last: whether it is an object.
    objects: u64,
}

impl Nest {
    /// `None` where that would be too deep.
    #[inline(always)]
    fn enter(&mut self, is_object: bool) -> Option<()> {
        self.depth += 1;
        self.objects = self.objects << 1 | u64::from(is_object);
        (self.depth <= MAX_DEPTH).then_some(())
    }

    #[inline(always)]
    fn leave(&mut self) {
        self.depth -= 1;
        self.objects >>= 1;
    }

    fn is_in_object(&self) -> bool {
        self.objects & 1 == 1
    }
}

/// The value that begins behind spaces at `at`, and the byte behind it. One loop instead of calls that call themselves: every byte
/// of an export comes by here.
fn value(text: &[u8], at: usize, track: &mut impl Track) -> Read<(Cell, usize)> {
    let (first, outermost) = next(text, at)?;
    if !matches!(first, b'{' | b'[') {
        let (cell, end) = scalar(text, first, outermost)?;
        track.add(cell, KeyId::NONE);
        return Ok((cell, end));
    }
    let (mut at, mut nest) = (outermost, Nest::default());
    // place of what is open, and key of the value that comes next
    let (mut place, mut own) = (0, KeyId::NONE);
    loop {
        let (first, start) = next(text, at)?;
        if matches!(first, b'{' | b'[') {
            let is_object = first == b'{';
            nest.enter(is_object).ok_or(start)?;
            place = track.open(start, own, place);
            let (inner, inner_at) = next(text, start + 1)?;
            if !is_closing(inner, is_object) {
                at = inner_at;
                if is_object {
                    (own, at) = key(text, at, track, Spot::Within(own))?;
                }
                continue;
            }
            at = inner_at;
        } else {
            let (cell, end) = scalar(text, first, start)?;
            track.add(cell, own);
            at = end;
        }
        // it may have been the last of what it lies in, and that the last of its own
        loop {
            let (byte, end) = next(text, at)?;
            at = end + 1;
            if byte == b',' {
                if nest.is_in_object() {
                    (own, at) = key(text, at, track, Spot::After(own))?;
                }
                break;
            }
            if !is_closing(byte, nest.is_in_object()) {
                return Err(end);
            }
            (place, own) = track.close(place, at);
            nest.leave();
            if nest.depth == 0 {
                return Ok((Cell::new(outermost, at, CellKind::Json), at));
            }
        }
    }
}

fn is_closing(byte: u8, is_object: bool) -> bool {
    byte == if is_object { b'}' } else { b']' }
}

/// The next byte that is no space, and where it stands.
#[inline(always)]
fn next(text: &[u8], mut at: usize) -> Read<(u8, usize)> {
    loop {
        let byte = *text.get(at).ok_or(at)?;
        // most bytes are above all kinds of space
        if byte > b' ' || !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
            return Ok((byte, at));
        }
        at += 1;
    }
}

/// The key at `at`, and the byte behind its colon.
#[inline(always)]
fn key(text: &[u8], at: usize, track: &mut impl Track, spot: Spot) -> Read<(KeyId, usize)> {
    match track.expected(text, at, spot) {
        Some(expected) => Ok(expected),
        None => other_key(text, at, track, spot),
    }
}

/// The same of a key that nobody expected.
fn other_key(text: &[u8], at: usize, track: &mut impl Track, spot: Spot) -> Read<(KeyId, usize)> {
    let (quote, start) = next(text, at)?;
    if quote != b'"' {
        return Err(start);
    }
    let (name, end) = string(text, start + 1)?;
    let key = track.met(text, name, spot);
    match next(text, end)? {
        (b':', colon) => Ok((key, colon + 1)),
        (_, other) => Err(other),
    }
}

/// A value without parts that begins with this byte, and the byte behind it.
#[inline(always)]
fn scalar(text: &[u8], first: u8, start: usize) -> Read<(Cell, usize)> {
    let (kind, end) = match first {
        b'"' => return string(text, start + 1),
        b't' => (CellKind::Boolean, word(text, start, b"true")?),
        b'f' => (CellKind::Boolean, word(text, start, b"false")?),
        b'n' => (CellKind::Null, word(text, start, b"null")?),
        _ => (CellKind::Number, number(text, start)?),
    };
    Ok((Cell::new(start, end, kind), end))
}

/// The rest of a string whose opening quote was consumed, and the byte behind the closing one.
#[inline(always)]
fn string(text: &[u8], start: usize) -> Read<(Cell, usize)> {
    let mut kind = CellKind::Text;
    let mut at = start;
    loop {
        at = after_letters(text, at);
        match text.get(at).ok_or(at)? {
            b'"' => return Ok((Cell::new(start, at, kind), at + 1)),
            b'\\' => {
                kind = CellKind::Escaped;
                at = escape(text, at).ok_or(at)?.1;
            }
            control if *control < 0x20 => return Err(at),
            _ => at += 1,
        }
    }
}

fn word(text: &[u8], at: usize, word: &[u8]) -> Read<usize> {
    match text[at..].starts_with(word) {
        true => Ok(at + word.len()),
        false => Err(at),
    }
}

#[inline(always)]
fn number(text: &[u8], at: usize) -> Read<usize> {
    let start = at + usize::from(text[at] == b'-');
    let mut at = digits(text, start)?;
    if text[start] == b'0' && at > start + 1 {
        return Err(at);
    }
    if text.get(at) == Some(&b'.') {
        at = digits(text, at + 1)?;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        let has_sign = matches!(text.get(at + 1), Some(b'+' | b'-'));
        at = digits(text, at + 1 + usize::from(has_sign))?;
    }
    Ok(at)
}

/// One digit or more.
#[inline(always)]
fn digits(text: &[u8], start: usize) -> Read<usize> {
    let mut at = start;
    while let Some(bytes) = text[at..].first_chunk() {
        let others = lanes::other_than_digits(u64::from_le_bytes(*bytes));
        if others != 0 {
            at += lanes::lowest(others);
            return if at > start { Ok(at) } else { Err(at) };
        }
        at += 8;
    }
    while text.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    if at > start { Ok(at) } else { Err(at) }
}

/// The first byte from `at` on that may be more than a letter of a string: a quote, an escape, a control, or one of the last few.
fn after_letters(text: &[u8], mut at: usize) -> usize {
    while let Some(bytes) = text[at..].first_chunk() {
        let word = u64::from_le_bytes(*bytes);
        let quotes = lanes::equal(word, b'"') | lanes::equal(word, b'\\');
        let marks = lanes::below(word, 0x20) | quotes;
        if marks != 0 {
            return at + lanes::lowest(marks);
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

/// A string that [`JsonReader`] has accepted, its escapes resolved, in UTF-8.
pub(crate) fn plain<'a>(text: &'a [u8], string: Cell, decoder: &TextDecoder) -> Cow<'a, [u8]> {
    let bytes = &text[string.start as usize..string.end as usize];
    if string.kind != CellKind::Escaped && (decoder.is_utf8() || bytes.is_ascii()) {
        return Cow::Borrowed(bytes);
    }
    let mut plain = Vec::new();
    unescape(bytes, &mut plain, |part, out| decoder.append(part, out));
    Cow::Owned(plain)
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
    fn nesting_is_read_up_to_the_limit_and_refused_beyond_it_without_a_crash() {
        let nested = |depth: usize| {
            let open = "{\"a\":[".repeat(depth / 2);
            let close = "]}".repeat(depth / 2);
            match depth % 2 {
                0 => format!("{open}{close}"),
                _ => format!("[{open}{close}]"),
            }
        };
        for depth in [2, MAX_DEPTH - 1, MAX_DEPTH] {
            let text = nested(depth);
            assert!(whole(&text).is_ok(), "{depth}");
            let other = if text.ends_with(']') { '}' } else { ']' };
            assert!(whole(&format!("{}{other}", &text[..text.len() - 1])).is_err());
        }
        assert!(whole(&nested(MAX_DEPTH + 1)).is_err());
        assert!(whole(&nested(MAX_DEPTH + 2)).is_err());
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

        #[test]
        fn keys_that_were_met_before_change_nothing_of_what_is_read(value in any_json(), at in 0_usize..200, with in "[\\[\\]{}\",:0-9a\\\\ ]") {
            let before = value.to_string();
            let mut text: Vec<char> = before.chars().collect();
            let at = at % text.len();
            text[at] = with.chars().next().unwrap();
            let text: String = text.into_iter().collect();
            let (mut tape, mut fresh) = (Tape::default(), Tape::default());
            JsonReader::new(before.as_bytes(), 0).record(&mut tape).unwrap();
            tape.rewind(0);
            let read = |tape: &mut Tape| {
                let mut reader = JsonReader::new(text.as_bytes(), 0);
                reader.record(tape).map_err(|_| reader.position()).is_ok() && reader.is_done()
            };
            let is_json = read(&mut fresh);
            prop_assert_eq!(read(&mut tape), is_json);
            prop_assert_eq!(is_json, whole(&text).is_ok());
            if is_json {
                prop_assert_eq!(tape.end(), fresh.end());
                for place in 0..tape.end() {
                    let cell = tape.cell(place);
                    prop_assert_eq!(format!("{cell:?}"), format!("{:?}", fresh.cell(place)));
                    prop_assert_eq!(tape.after(place), fresh.after(place));
                    if text[cell.start as usize..].starts_with('{') && cell.kind == CellKind::Json {
                        let keys = |tape: &Tape| -> Vec<_> {
                            let members = tape.members(place);
                            members.map(|(_, value)| tape.key(text.as_bytes(), value, &TextDecoder::UTF_8).into_owned()).collect()
                        };
                        prop_assert_eq!(keys(&tape), keys(&fresh));
                    }
                }
            }
        }
    }
}
