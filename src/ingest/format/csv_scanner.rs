//! Delimited text → records, with recovery: one broken record costs one reject, and what follows is read as if it had
//! never been.
//!
//! A record ends at a line end outside quotes. Where that end is in doubt, because a quote opened and the record then ran
//! over lines without coming out right, the doubt is settled by what follows: the record is taken to end before the first
//! line that by itself begins a record with the right number of fields.

use crate::ingest::cell::{Cell, CellKind};
use crate::ingest::rule::Rule;

/// A line is given this much text to prove that a record begins on it.
const PROOF: usize = 1 << 20;

/// How the text is delimited.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dialect {
    pub(super) delimiter: u8,
    pub(super) quote: Option<u8>,
    pub(super) escape: Option<u8>,
    pub(super) comment: Option<u8>,
    /// Fields of a record; 0: any number (the header).
    pub(super) width: usize,
    /// Bytes of the longest record.
    pub(super) limit: usize,
}

/// What begins at a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scanned {
    /// A record whose fields were appended; it ends before `end`, over so many line ends.
    Record { end: usize, lines: i64 },
    /// A record that is none: the first `fields` of it were appended and can be trusted.
    Broken {
        end: usize,
        lines: i64,
        rule: Rule,
        fields: usize,
        /// Fields that were found, where their number is the fault.
        found: usize,
    },
    /// An empty line or a comment.
    Blank { end: usize },
    /// A line longer than the limit, whose end is not in sight.
    TooLong,
    /// More text is needed to tell.
    Incomplete,
}

/// A record read without judging it.
#[derive(Clone, Copy, Debug)]
enum Parsed {
    Complete {
        end: usize,
        fields: usize,
        /// First field with text after its closing quote.
        stray: Option<usize>,
    },
    /// A quote is open at the end of the text or of the limit; `fields` came before it.
    Unclosed {
        fields: usize,
    },
    TooLong,
    Incomplete,
}

impl Dialect {
    /// Reads what begins at byte `at`; `is_last`: nothing follows the text. Cells are appended only for records and
    /// broken records.
    pub(super) fn scan(
        &self,
        text: &[u8],
        at: usize,
        is_last: bool,
        cells: &mut Vec<Cell>,
    ) -> Scanned {
        match text[at] {
            b'\n' => return Scanned::Blank { end: at + 1 },
            b'\r' if text.get(at + 1) == Some(&b'\n') => return Scanned::Blank { end: at + 2 },
            b'\r' if text.len() == at + 1 && is_last => return Scanned::Blank { end: at + 1 },
            first if Some(first) == self.comment => return self.comment_line(text, at, is_last),
            _ => {}
        }
        let first_cell = cells.len();
        let parsed = self.parse(text, at, is_last, cells);
        let (end, fields, stray) = match parsed {
            Parsed::Complete { end, fields, stray } => (end, fields, stray),
            Parsed::Unclosed { fields } => {
                return self.resynchronise(text, at, is_last, fields, cells, first_cell);
            }
            Parsed::TooLong => {
                cells.truncate(first_cell);
                return Scanned::TooLong;
            }
            Parsed::Incomplete => {
                cells.truncate(first_cell);
                return Scanned::Incomplete;
            }
        };
        let lines = count_lines(&text[at..end]);
        if stray.is_none() && (fields == self.width || self.width == 0) {
            return Scanned::Record { end, lines };
        }
        let spans_lines = lines > 1 || (lines == 1 && !text[..end].ends_with(b"\n"));
        if spans_lines {
            let trusted = stray.unwrap_or(fields).min(fields);
            let scanned = self.resynchronise(text, at, is_last, trusted, cells, first_cell);
            return with_rule(scanned, self.rule(fields, stray), fields);
        }
        let trusted = stray.unwrap_or(fields.min(self.width));
        cells.truncate(first_cell + trusted);
        Scanned::Broken {
            end,
            lines,
            rule: self.rule(fields, stray),
            fields: trusted,
            found: fields,
        }
    }

    fn rule(&self, fields: usize, stray: Option<usize>) -> Rule {
        match stray {
            Some(_) => Rule::UnclosedQuote,
            None if fields < self.width => Rule::TooFewFields,
            None => Rule::TooManyFields,
        }
    }

    fn comment_line(&self, text: &[u8], at: usize, is_last: bool) -> Scanned {
        match memchr::memchr(b'\n', &text[at..]) {
            Some(length) => Scanned::Blank {
                end: at + length + 1,
            },
            None if is_last => Scanned::Blank { end: text.len() },
            None if text.len() - at > self.limit => Scanned::TooLong,
            None => Scanned::Incomplete,
        }
    }

    /// Ends a record of doubtful length before the first line that begins a right one.
    fn resynchronise(
        &self,
        text: &[u8],
        at: usize,
        is_last: bool,
        fields: usize,
        cells: &mut Vec<Cell>,
        first_cell: usize,
    ) -> Scanned {
        let trusted = fields.min(self.width);
        cells.truncate(first_cell + trusted);
        let mut spare = Vec::new();
        let mut candidate = at;
        loop {
            let line_end = memchr::memchr(b'\n', &text[candidate..]).map(|i| candidate + i + 1);
            let end = match line_end {
                Some(end) => end,
                None if is_last => text.len(),
                None if text.len() - at > self.limit => candidate.max(at),
                None => {
                    cells.truncate(first_cell);
                    return Scanned::Incomplete;
                }
            };
            if candidate == at && end - at > self.limit {
                cells.truncate(first_cell);
                return Scanned::TooLong;
            }
            let is_far = end - at > self.limit || line_end.is_none();
            match self.begins_record(text, end, is_last, &mut spare) {
                Some(false) if !is_far => candidate = end,
                None if !is_far => {
                    cells.truncate(first_cell);
                    return Scanned::Incomplete;
                }
                _ => {
                    if end == at {
                        cells.truncate(first_cell);
                        return Scanned::TooLong;
                    }
                    // what was read beyond the end belongs to others
                    let inside = cells[first_cell..]
                        .iter()
                        .take_while(|cell| cell.end as usize <= end)
                        .count();
                    cells.truncate(first_cell + inside);
                    return Scanned::Broken {
                        end,
                        lines: count_lines(&text[at..end]),
                        rule: Rule::UnclosedQuote,
                        fields: inside,
                        found: 0,
                    };
                }
            }
        }
    }

    /// Whether a record with the right number of fields, or the end, is at a byte; `None`: more text would tell.
    fn begins_record(
        &self,
        text: &[u8],
        at: usize,
        is_last: bool,
        spare: &mut Vec<Cell>,
    ) -> Option<bool> {
        if at == text.len() {
            return is_last.then_some(true);
        }
        spare.clear();
        let proof = Self {
            limit: self.limit.min(PROOF),
            ..*self
        };
        match proof.parse(text, at, is_last, spare) {
            Parsed::Complete { fields, stray, .. } => Some(stray.is_none() && fields == self.width),
            Parsed::Incomplete => None,
            Parsed::Unclosed { .. } | Parsed::TooLong => Some(false),
        }
    }

    /// Reads fields to the end of the record.
    fn parse(&self, text: &[u8], at: usize, is_last: bool, cells: &mut Vec<Cell>) -> Parsed {
        let limit = at.saturating_add(self.limit);
        let bounded = &text[..text.len().min(limit)];
        let is_cut = bounded.len() < text.len();
        // at the end of what is there: the end of the export, of the limit, or of what was read so far
        let at_end = is_last && !is_cut;
        let is_long = is_cut || bounded.len() == limit;
        let mut marks = Marks::new(bounded, self.delimiter);
        let mut from = at;
        let mut fields = 0;
        let mut stray = None;
        loop {
            let is_quoted = self.quote.is_some() && bounded.get(from).copied() == self.quote;
            let mut search = from;
            let mut quoted = None;
            if is_quoted {
                let Some((close, kind)) = self.closing_quote(bounded, from + 1) else {
                    return match (at_end, is_long) {
                        (true, _) | (_, true) => Parsed::Unclosed { fields },
                        _ => Parsed::Incomplete,
                    };
                };
                search = close + 1;
                quoted = Some(Cell::new(from + 1, close, kind));
            }
            let stop = marks.next(search);
            let end = match stop {
                Some(end) => end,
                None if at_end => bounded.len(),
                None if is_long => return Parsed::TooLong,
                None => return Parsed::Incomplete,
            };
            let is_delimiter = stop.is_some() && bounded[end] == self.delimiter;
            let mut field_end = end;
            if !is_delimiter && end > search && bounded[end - 1] == b'\r' {
                field_end -= 1;
            }
            let cell = match quoted {
                Some(cell) => {
                    if field_end != search && stray.is_none() {
                        stray = Some(fields);
                    }
                    cell
                }
                None => Cell::new(from, field_end, CellKind::Text),
            };
            if fields < self.width || self.width == 0 {
                cells.push(cell);
            }
            fields += 1;
            if !is_delimiter {
                let end = end + usize::from(stop.is_some());
                return Parsed::Complete { end, fields, stray };
            }
            from = end + 1;
        }
    }

    /// The byte of the quote that closes, and whether the text between holds doubled or escaped ones.
    fn closing_quote(&self, text: &[u8], from: usize) -> Option<(usize, CellKind)> {
        let quote = self.quote?;
        let mut kind = CellKind::Text;
        let mut at = from;
        loop {
            let found = match self.escape {
                Some(escape) => memchr::memchr2(quote, escape, &text[at..])?,
                None => memchr::memchr(quote, &text[at..])?,
            };
            at += found;
            let is_escape = self.escape.is_some_and(|escape| text[at] == escape);
            let is_doubled = self.escape.is_none() && text.get(at + 1) == Some(&quote);
            if !is_escape && !is_doubled {
                return Some((at, kind));
            }
            kind = CellKind::Doubled;
            at += 2;
            if at > text.len() {
                return None;
            }
        }
    }
}

/// The broken record with the rule that is known better.
fn with_rule(scanned: Scanned, better: Rule, number: usize) -> Scanned {
    match scanned {
        Scanned::Broken {
            end, lines, fields, ..
        } => Scanned::Broken {
            end,
            lines,
            rule: if lines > 1 {
                better
            } else {
                Rule::UnclosedQuote
            },
            fields,
            found: number,
        },
        other => other,
    }
}

/// Number of line ends.
fn count_lines(text: &[u8]) -> i64 {
    memchr::memchr_iter(b'\n', text).count() as i64
}

/// Finds delimiters and line ends, eight bytes at a time: fields are too short for anything that must be set up.
struct Marks<'a> {
    text: &'a [u8],
    delimiter: u64,
    /// First byte of the word whose marks are known.
    word: usize,
    /// The top bit of each byte that is a mark.
    marks: u64,
}

const LOW: u64 = 0x0101_0101_0101_0101;
const REST: u64 = 0x7f7f_7f7f_7f7f_7f7f;

impl<'a> Marks<'a> {
    fn new(text: &'a [u8], delimiter: u8) -> Self {
        Self {
            text,
            delimiter: u64::from(delimiter) * LOW,
            word: usize::MAX,
            marks: 0,
        }
    }

    /// The first mark at or after a byte.
    fn next(&mut self, from: usize) -> Option<usize> {
        let mut word = from & !7;
        let mut mask = u64::MAX << ((from & 7) * 8);
        while word < self.text.len() {
            if word != self.word {
                self.word = word;
                self.marks = self.marks_of(word);
            }
            let found = self.marks & mask;
            if found != 0 {
                return Some(word + (found.trailing_zeros() / 8) as usize);
            }
            word += 8;
            mask = u64::MAX;
        }
        None
    }

    fn marks_of(&self, word: usize) -> u64 {
        let bytes = match self.text[word..].first_chunk::<8>() {
            Some(bytes) => u64::from_le_bytes(*bytes),
            None => {
                let tail = &self.text[word..];
                let mut bytes = [0; 8];
                bytes[..tail.len()].copy_from_slice(tail);
                let inside = (1_u64 << (tail.len() * 8)) - 1;
                let bytes = u64::from_le_bytes(bytes);
                return (equal(bytes, self.delimiter) | equal(bytes, LOW * 10)) & inside;
            }
        };
        equal(bytes, self.delimiter) | equal(bytes, LOW * 10)
    }
}

/// The top bit of each byte of `word` that equals that of `pattern`.
fn equal(word: u64, pattern: u64) -> u64 {
    let difference = word ^ pattern;
    // exact: no carry leaves a byte
    !(((difference & REST) + REST) | difference | REST)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn dialect(width: usize) -> Dialect {
        Dialect {
            delimiter: b';',
            quote: Some(b'"'),
            escape: None,
            comment: Some(b'#'),
            width,
            limit: 1 << 20,
        }
    }

    /// Line, then the fields of a record or the rule that it broke.
    fn read(text: &str, dialect: Dialect) -> Vec<(i64, Result<Vec<String>, Rule>)> {
        let bytes = text.as_bytes();
        let (mut at, mut line, mut found) = (0, 1, Vec::new());
        while at < bytes.len() {
            let mut cells = Vec::new();
            match dialect.scan(bytes, at, true, &mut cells) {
                Scanned::Record { end, lines } => {
                    let fields = cells
                        .iter()
                        .map(|cell| text[cell.start as usize..cell.end as usize].to_string());
                    found.push((line, Ok(fields.collect())));
                    (at, line) = (end, line + lines);
                }
                Scanned::Broken {
                    end, lines, rule, ..
                } => {
                    found.push((line, Err(rule)));
                    (at, line) = (end, line + lines);
                }
                Scanned::Blank { end } => (at, line) = (end, line + 1),
                other => panic!("{other:?}"),
            }
        }
        found
    }

    fn rules(text: &str, width: usize) -> Vec<(i64, Option<Rule>)> {
        read(text, dialect(width))
            .into_iter()
            .map(|(line, result)| (line, result.err()))
            .collect()
    }

    #[test]
    fn quotes_hold_delimiters_and_line_ends() {
        let found = read("1;\"a;b\nc\";x\r\n2;\"\";\n", dialect(3));
        let fields = |texts: [&str; 3]| Ok(texts.map(String::from).to_vec());
        assert_eq!(
            found,
            [
                (1, fields(["1", "a;b\nc", "x"])),
                (3, fields(["2", "", ""]))
            ]
        );
    }

    #[test]
    fn empty_lines_and_comments_are_no_records() {
        assert_eq!(rules("a;b\n\n#x;\"\nc;d\n\r\n", 2), [(1, None), (4, None)]);
    }

    #[test]
    fn a_record_of_another_width_costs_itself() {
        assert_eq!(
            rules("a;b\nc\nd;e;f\ng;h", 2),
            [
                (1, None),
                (2, Some(Rule::TooFewFields)),
                (3, Some(Rule::TooManyFields)),
                (4, None)
            ]
        );
    }

    #[test]
    fn an_unclosed_quote_does_not_swallow_what_follows() {
        assert_eq!(
            rules("a;b\nc;\"d\ne;f\ng;\"h\"\n", 2),
            [
                (1, None),
                (2, Some(Rule::UnclosedQuote)),
                (3, None),
                (4, None)
            ]
        );
    }

    #[test]
    fn text_after_a_closing_quote_costs_its_line_only() {
        assert_eq!(
            rules("\"a\";\"b\"\n\"c;\"d\"\n\"e\";\"f\"\n", 2),
            [(1, None), (2, Some(Rule::UnclosedQuote)), (3, None)]
        );
    }

    #[test]
    fn a_record_of_many_lines_and_the_wrong_width_is_one_reject() {
        assert_eq!(
            rules("1;x;\"a\nb\"\n2;\"c\nd\"\n3;y;z\n", 3),
            [(1, None), (3, Some(Rule::TooFewFields)), (5, None)]
        );
    }

    #[test]
    fn a_file_that_ends_within_quotes_loses_one_record() {
        assert_eq!(
            rules("1;a\n2;\"two gångar;\nåter \"\"klubb", 2),
            [(1, None), (2, Some(Rule::UnclosedQuote))]
        );
    }

    #[test]
    fn escapes_other_than_doubling_are_taken() {
        let escaped = Dialect {
            escape: Some(b'\\'),
            ..dialect(2)
        };
        let found = read("a;\"b\\\"c\"\nd;e\n", escaped);
        assert_eq!(found[0].1, Ok(vec!["a".into(), "b\\\"c".into()]));
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn without_quoting_quotes_are_letters() {
        let bare = Dialect {
            quote: None,
            ..dialect(2)
        };
        assert_eq!(
            read("\"a;b\n", bare)[0].1,
            Ok(vec!["\"a".into(), "b".into()])
        );
    }

    #[test]
    fn a_line_beyond_the_limit_is_too_long() {
        let short = Dialect {
            limit: 8,
            ..dialect(2)
        };
        let mut cells = Vec::new();
        assert_eq!(
            short.scan(b"aaaaaaaaaaaa;b\n", 0, true, &mut cells),
            Scanned::TooLong
        );
    }

    fn quoted(field: &str) -> String {
        if field.contains(['"', ';', '\n', '\r', '#']) || field.is_empty() {
            format!("\"{}\"", field.replace('"', "\"\""))
        } else {
            field.to_string()
        }
    }

    proptest! {
        #[test]
        fn every_record_that_is_written_right_is_read_back(
            records in prop::collection::vec(prop::collection::vec("[ab;\"\n\r#å ]{0,6}", 3), 0..8)
        ) {
            let text: String = records
                .iter()
                .map(|record| record.iter().map(|f| quoted(f)).collect::<Vec<_>>().join(";") + "\r\n")
                .collect();
            let found: Vec<Vec<String>> = read(&text, dialect(3))
                .into_iter()
                .map(|(_, fields)| fields.unwrap().iter().map(|f| f.replace("\"\"", "\"")).collect())
                .collect();
            prop_assert_eq!(found, records);
        }

        #[test]
        fn any_text_is_read_to_its_end_in_pieces_as_in_one(text in "[ab;\"\n\r#]{0,60}", width in 1_usize..4) {
            let whole = rules(&text, width);
            let bytes = text.as_bytes();
            let (mut at, mut line, mut shown, mut pieces) = (0, 1, 0, Vec::new());
            while at < bytes.len() {
                let mut cells = Vec::new();
                let is_last = shown == bytes.len();
                if at >= shown && !is_last { shown += 1; continue; }
                match dialect(width).scan(&bytes[..shown], at, is_last, &mut cells) {
                    Scanned::Record { end, lines } => { pieces.push((line, None)); (at, line) = (end, line + lines); }
                    Scanned::Broken { end, lines, rule, .. } => {
                        pieces.push((line, Some(rule)));
                        (at, line) = (end, line + lines);
                    }
                    Scanned::Blank { end } => (at, line) = (end, line + 1),
                    Scanned::Incomplete if !is_last => shown += 1,
                    other => prop_assert!(false, "{:?}", other),
                }
            }
            prop_assert_eq!(pieces, whole);
        }

        #[test]
        fn marks_are_found_as_a_plain_search_finds_them(text in prop::collection::vec(any::<u8>(), 0..40), from in 0_usize..40) {
            let plain = text.iter().enumerate().skip(from).find(|(_, b)| matches!(b, b';' | b'\n')).map(|(i, _)| i);
            prop_assert_eq!(Marks::new(&text, b';').next(from), plain);
        }
    }
}
