//! Delimited text → records, with recovery: one broken record costs one reject, and what follows is read as if it had
//! never been.
//!
//! A record ends at a line end outside quotes: LF, CR, or both. Where that end is in doubt, because a quote opened and the
//! record then ran over lines without coming out right, the doubt is settled by what follows: the record is taken to end
//! before the first line that by itself begins a record with the right number of fields.

use std::cell::Cell as Memo;

use crate::ingest::cell::{Cell, CellKind};
use crate::ingest::format::records::{Edges, LineEnd, Scan, Scanned, count_lines, line_end};
use crate::ingest::rule::Rule;

/// A line is given this much text to prove that a record begins on it.
const PROOF: usize = 1 << 20;

/// How the text is delimited; signs in the bytes of the export.
#[derive(Clone, Debug)]
pub(super) struct Dialect<'a> {
    /// Never empty.
    pub(super) delimiter: &'a [u8],
    pub(super) quote: Option<&'a [u8]>,
    pub(super) escape: Escape<'a>,
    /// Whether blanks around fields do not belong to them.
    pub(super) trim: bool,
    pub(super) edges: Edges<'a>,
    /// Fields of a record; 0: any number (the header).
    pub(super) width: usize,
    /// Bytes of the longest record.
    pub(super) limit: usize,
    pub(super) quiet: Memo<Quiet>,
}

/// A stretch of the export in which no quote closes, as far as quotes stand in quotes as they are. Every line may open one that
/// is never closed: without this, the rest of the export would be looked through again for each of them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Quiet {
    /// Byte of the export at which the text begins that is scanned.
    text: u64,
    /// Bytes of the export.
    start: u64,
    end: u64,
}

/// How a quote stands within quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escape<'a> {
    /// Twice.
    Doubled,
    /// After this sign, which itself stands after itself; before all else it is an ordinary character. Without quotes the
    /// sign makes delimiters and line ends ordinary.
    Sign(&'a [u8]),
    /// As it is, where neither a delimiter nor a line end follows.
    Bare,
}

/// A record read without judging it.
#[derive(Clone, Copy, Debug)]
enum Parsed {
    Complete {
        end: usize,
        fields: usize,
        /// First field with text after its closing quote.
        stray: Option<usize>,
        /// Whether line ends may lie within a field.
        may_span_lines: bool,
    },
    /// A quote is open at the end of the text or of the limit; `fields` came before it.
    Unclosed {
        fields: usize,
    },
    TooLong,
    Incomplete,
}

/// What ends a field.
#[derive(Clone, Copy, Debug)]
enum Stop {
    Delimiter(usize),
    /// At the first byte, and where the next line begins.
    Line(usize, usize),
    /// The end of what is there.
    End,
    /// More text is needed to tell.
    Unknown,
}

impl Scan for Dialect<'_> {
    fn width(&self) -> usize {
        self.width
    }

    fn begin(&self, offset: u64) {
        self.quiet.set(Quiet {
            text: offset,
            ..self.quiet.get()
        });
    }

    fn scan(&self, text: &[u8], at: usize, is_last: bool, cells: &mut Vec<Cell>) -> Scanned {
        if let Some(scanned) = self.edges.scan(text, at, is_last, self.limit) {
            return scanned;
        }
        let first_cell = cells.len();
        let parsed = self.parse(text, at, is_last, self.limit, cells);
        let (end, fields, stray, may_span_lines) = match parsed {
            Parsed::Complete {
                end,
                fields,
                stray,
                may_span_lines,
            } => (end, fields, stray, may_span_lines),
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
        let ends_a_line = matches!(text[end - 1], b'\n' | b'\r');
        let lines = if may_span_lines {
            count_lines(&text[at..end])
        } else {
            i64::from(ends_a_line)
        };
        if stray.is_none() && (fields == self.width || self.width == 0) {
            return Scanned::Record { end, lines };
        }
        let spans_lines = lines > 1 || (lines == 1 && !ends_a_line);
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
}

impl Dialect<'_> {
    fn rule(&self, fields: usize, stray: Option<usize>) -> Rule {
        match stray {
            Some(_) => Rule::UnclosedQuote,
            None if fields < self.width => Rule::TooFewFields,
            None => Rule::TooManyFields,
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
            let found = line_end(text, candidate, is_last);
            let end = match found {
                LineEnd::At { next, .. } => next,
                LineEnd::None if is_last => text.len(),
                _ if text.len() - at > self.limit => candidate.max(at),
                _ => {
                    cells.truncate(first_cell);
                    return Scanned::Incomplete;
                }
            };
            let has_end = matches!(found, LineEnd::At { .. });
            if candidate == at && end - at > self.limit {
                cells.truncate(first_cell);
                return Scanned::TooLong;
            }
            let is_far = end - at > self.limit || !has_end;
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
        if self.edges.is_end(text, at, is_last)? {
            return Some(true);
        }
        spare.clear();
        match self.parse(text, at, is_last, self.limit.min(PROOF), spare) {
            // a record that breaks only in its quotes still begins here
            Parsed::Complete { fields, .. } => Some(fields == self.width),
            Parsed::Incomplete => None,
            Parsed::Unclosed { .. } | Parsed::TooLong => Some(false),
        }
    }

    /// Reads fields to the end of the record, of so many bytes at most.
    fn parse(
        &self,
        text: &[u8],
        at: usize,
        is_last: bool,
        limit: usize,
        cells: &mut Vec<Cell>,
    ) -> Parsed {
        let limit = at.saturating_add(limit);
        let bounded = &text[..text.len().min(limit)];
        let is_cut = bounded.len() < text.len();
        // at the end of what is there: the end of the export, of the limit, or of what was read so far
        let at_end = is_last && !is_cut;
        let is_long = is_cut || bounded.len() == limit;
        let mut marks = Marks::new(bounded, self.delimiter[0]);
        let has_plain_fields = self.has_plain_fields();
        let mut from = at;
        let mut fields = 0;
        let mut stray = None;
        let mut may_span_lines = false;
        loop {
            // most fields are no more than their bytes, and most line ends one byte
            if has_plain_fields
                && !self.quote.is_some_and(|quote| stands(quote, bounded, from))
                && let Some(end) = marks.next(from)
                && bounded[end] != b'\r'
            {
                if fields < self.width || self.width == 0 {
                    cells.push(Cell::new(from, end, CellKind::Text));
                }
                fields += 1;
                from = end + 1;
                if bounded[end] != b'\n' {
                    continue;
                }
                return Parsed::Complete {
                    end: from,
                    fields,
                    stray,
                    may_span_lines,
                };
            }
            let start = if self.trim {
                self.after_blanks(bounded, from)
            } else {
                from
            };
            let quote = self.quote.filter(|quote| stands(quote, bounded, start));
            let mut search = start;
            let mut quoted = None;
            if let Some(quote) = quote {
                may_span_lines = true;
                let Some((close, kind)) = self.closing_quote(bounded, start + quote.len(), quote)
                else {
                    return match at_end || is_long {
                        true => Parsed::Unclosed { fields },
                        false => Parsed::Incomplete,
                    };
                };
                search = close + quote.len();
                quoted = Some(Cell::new(start + quote.len(), close, kind));
            }
            let mut is_escaped = false;
            let stop = self.stop(&mut marks, text, (start, search), is_last, &mut is_escaped);
            let (end, next) = match stop {
                Stop::Delimiter(end) => (end, end + self.delimiter.len()),
                Stop::Line(end, next) => (end, next),
                Stop::End if at_end => (bounded.len(), bounded.len()),
                Stop::End if is_long => return Parsed::TooLong,
                Stop::End | Stop::Unknown => return Parsed::Incomplete,
            };
            let cell = match quoted {
                Some(cell) => {
                    let after = &bounded[search..end];
                    let is_blank = self.trim && after.iter().all(is_blank);
                    if !after.is_empty() && !is_blank && stray.is_none() {
                        stray = Some(fields);
                    }
                    cell
                }
                None => {
                    may_span_lines |= is_escaped;
                    self.plain_cell(bounded, start, end)
                }
            };
            if fields < self.width || self.width == 0 {
                cells.push(cell);
            }
            fields += 1;
            if !matches!(stop, Stop::Delimiter(_)) {
                return Parsed::Complete {
                    end: next,
                    fields,
                    stray,
                    may_span_lines,
                };
            }
            from = next;
        }
    }

    /// Whether a field without quotes is all that stands before one byte, the delimiter.
    fn has_plain_fields(&self) -> bool {
        let may_be_escaped = self.quote.is_none() && matches!(self.escape, Escape::Sign(_));
        self.delimiter.len() == 1 && !self.trim && !may_be_escaped
    }

    /// What ends the field that begins at `start`, looked for from `search` on.
    #[inline(never)]
    fn stop(
        &self,
        marks: &mut Marks<'_>,
        text: &[u8],
        (start, mut search): (usize, usize),
        is_last: bool,
        is_escaped: &mut bool,
    ) -> Stop {
        loop {
            let Some(at) = marks.next(search) else {
                return Stop::End;
            };
            let byte = marks.text[at];
            let is_line_end = matches!(byte, b'\n' | b'\r');
            if !is_line_end
                && self.delimiter.len() > 1
                && !marks.text[at..].starts_with(self.delimiter)
            {
                search = at + 1;
                continue;
            }
            if self.quote.is_none() && self.is_escaped(&marks.text[start..at]) {
                *is_escaped = true;
                search = at + 1 + usize::from(marks.text[at..].starts_with(b"\r\n"));
                continue;
            }
            return match byte {
                b'\n' => Stop::Line(at, at + 1),
                b'\r' => match text.get(at + 1) {
                    Some(b'\n') => Stop::Line(at, at + 2),
                    None if !is_last => Stop::Unknown,
                    _ => Stop::Line(at, at + 1),
                },
                _ => Stop::Delimiter(at),
            };
        }
    }

    /// Whether what follows the text is escaped: an odd number of escapes ends it.
    fn is_escaped(&self, mut text: &[u8]) -> bool {
        let Escape::Sign(escape) = self.escape else {
            return false;
        };
        let mut is_odd = false;
        while let Some(rest) = text.strip_suffix(escape) {
            is_odd = !is_odd;
            text = rest;
        }
        is_odd
    }

    /// A field without quotes.
    fn plain_cell(&self, text: &[u8], start: usize, mut end: usize) -> Cell {
        let mut kind = CellKind::Text;
        if let (None, Escape::Sign(escape)) = (self.quote, self.escape)
            && memchr::memmem::find(&text[start..end], escape).is_some()
        {
            kind = CellKind::Doubled;
        }
        if self.trim {
            let kept = text[start..end].iter().rposition(|byte| !is_blank(byte));
            end = start + kept.map_or(0, |at| at + 1);
        }
        Cell::new(start, end, kind)
    }

    /// The first byte that is no blank; a delimiter is none.
    fn after_blanks(&self, text: &[u8], from: usize) -> usize {
        let mut at = from;
        while text.get(at).is_some_and(is_blank) && !text[at..].starts_with(self.delimiter) {
            at += 1;
        }
        at
    }

    /// The byte of the quote that closes, and whether the text between holds doubled or escaped ones.
    fn closing_quote(&self, text: &[u8], from: usize, quote: &[u8]) -> Option<(usize, CellKind)> {
        let mut kind = CellKind::Text;
        let mut at = from;
        loop {
            at += match self.escape {
                Escape::Sign(escape) => memchr::memchr2(quote[0], escape[0], text.get(at..)?)?,
                Escape::Doubled => memchr::memchr(quote[0], text.get(at..)?)?,
                Escape::Bare => {
                    let found = self.closing_bare_quote(text, from, quote)?;
                    return Some((found, kind));
                }
            };
            let rest = &text[at..];
            match self.escape {
                Escape::Sign(escape) if rest.starts_with(escape) => {
                    let after = &rest[escape.len()..];
                    let escaped = [quote, escape]
                        .into_iter()
                        .find(|sign| after.starts_with(sign));
                    kind = escaped.map_or(kind, |_| CellKind::Doubled);
                    at += escape.len() + escaped.map_or(0, <[u8]>::len);
                }
                _ if !rest.starts_with(quote) => at += 1,
                Escape::Doubled if rest[quote.len()..].starts_with(quote) => {
                    kind = CellKind::Doubled;
                    at += quote.len() * 2;
                }
                _ => return Some((at, kind)),
            }
        }
    }

    /// The byte of the first quote behind which a field ends.
    fn closing_bare_quote(&self, text: &[u8], from: usize, quote: &[u8]) -> Option<usize> {
        let known = self.quiet.get();
        let known_to = self.known_to(text, quote);
        let byte = known.text + from as u64;
        let is_within = (known.start..=known.end).contains(&byte);
        let (start, mut at) = match is_within {
            true => {
                let end = (known.end - known.text) as usize;
                (known.start, from.max(end.min(known_to)))
            }
            false => (byte, from),
        };
        let closes = |at: &usize| {
            let rest = &text[*at..];
            rest.starts_with(quote) && self.ends_field(&rest[quote.len()..])
        };
        let searched = text.get(at..)?;
        at = memchr::memchr_iter(quote[0], searched)
            .map(|length| at + length)
            .find(closes)
            .unwrap_or(text.len());
        let end = known.text + at.min(known_to).max(from) as u64;
        self.quiet.set(Quiet {
            text: known.text,
            start,
            end: if is_within { end.max(known.end) } else { end },
        });
        (at < text.len()).then_some(at)
    }

    /// Up to where it is certain whether a quote closes: behind that, more text might tell otherwise.
    fn known_to(&self, text: &[u8], quote: &[u8]) -> usize {
        let without_blanks = |length: usize| {
            let kept = text[..length].iter().rposition(|byte| !is_blank(byte));
            match self.trim {
                true => kept.map_or(0, |last| last + 1),
                false => length,
            }
        };
        let end = without_blanks(text.len()).saturating_sub(self.delimiter.len());
        without_blanks(end).saturating_sub(quote.len())
    }

    /// Whether a field ends before this text, of which more may follow.
    fn ends_field(&self, text: &[u8]) -> bool {
        let blanks = if self.trim {
            self.after_blanks(text, 0)
        } else {
            0
        };
        let text = &text[blanks..];
        matches!(text, [] | [b'\n' | b'\r', ..]) || text.starts_with(self.delimiter)
    }
}

/// Whether a sign, which mostly is one byte, stands at a byte.
#[inline]
fn stands(sign: &[u8], text: &[u8], at: usize) -> bool {
    text.get(at) == sign.first() && (sign.len() == 1 || text[at..].starts_with(sign))
}

/// What `trim` cuts off.
fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
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

/// Finds the first bytes of delimiters, and of line ends, eight bytes at a time: fields are too short for anything that must be set up.
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
    #[inline(always)]
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
        let (bytes, inside) = match self.text[word..].first_chunk::<8>() {
            Some(bytes) => (u64::from_le_bytes(*bytes), u64::MAX),
            None => {
                let tail = &self.text[word..];
                let mut bytes = [0; 8];
                bytes[..tail.len()].copy_from_slice(tail);
                (u64::from_le_bytes(bytes), (1_u64 << (tail.len() * 8)) - 1)
            }
        };
        let line_end = equal(bytes, LOW * 10) | equal(bytes, LOW * 13);
        (equal(bytes, self.delimiter) | line_end) & inside
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

    fn dialect(width: usize) -> Dialect<'static> {
        Dialect {
            delimiter: b";",
            quote: Some(b"\""),
            escape: Escape::Doubled,
            trim: false,
            edges: Edges {
                comment: Some(b"#"),
                until: &[],
            },
            width,
            limit: 1 << 20,
            quiet: Memo::default(),
        }
    }

    /// Line, then the fields of a record or the rule that it broke.
    fn read(text: &str, dialect: Dialect<'_>) -> Vec<(i64, Result<Vec<String>, Rule>)> {
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
    fn broken_records_in_a_row_are_told_apart() {
        assert_eq!(
            rules("a;\"b\nc;\"d\"x\ne;\"f\ng;h\n", 2),
            [
                (1, Some(Rule::UnclosedQuote)),
                (2, Some(Rule::UnclosedQuote)),
                (3, Some(Rule::UnclosedQuote)),
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
            escape: Escape::Sign(b"\\"),
            ..dialect(2)
        };
        let found = read("a;\"b\\\"c\"\nd;e\n", escaped);
        assert_eq!(found[0].1, Ok(vec!["a".into(), "b\\\"c".into()]));
        assert_eq!(found.len(), 2);
    }

    fn bare(width: usize) -> Dialect<'static> {
        Dialect {
            escape: Escape::Bare,
            ..dialect(width)
        }
    }

    #[test]
    fn quotes_that_never_close_cost_no_more_than_their_lines() {
        // if each of them looked through all that follows, this would take minutes
        let long = || Dialect {
            limit: 16 << 20,
            ..bare(2)
        };
        let mut text: String = (0..50_000).map(|i| format!("{i};\"abc def\n")).collect();
        assert_eq!(read(&text, long()), [(1, Err(Rule::UnclosedQuote))]);
        for i in 0..3_000 {
            text += &format!("{i};\"5 inch\n");
            text += &"1;abc\n".repeat(29);
        }
        let found = read(&text, long());
        let broken = found.iter().filter(|(_, record)| record.is_err()).count();
        assert_eq!((found.len(), broken), (90_000, 3_000));
    }

    #[test]
    fn without_quoting_quotes_are_letters() {
        let plain = Dialect {
            quote: None,
            ..dialect(2)
        };
        assert_eq!(
            read("\"a;b\n", plain)[0].1,
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
        fn what_was_looked_through_before_changes_nothing(
            text in "[ab;\"\n ]{0,24}", width in 1_usize..4, trim in any::<bool>(), limit in 1_usize..30
        ) {
            let dialect = || Dialect { trim, limit, ..bare(width) };
            let remembers = dialect();
            let bytes = text.as_bytes();
            for is_last in [false, true] {
                for at in 0..bytes.len() {
                    let (mut cells, mut others) = (Vec::new(), Vec::new());
                    for shown in (at + 1)..=bytes.len() {
                        let found = remembers.scan(&bytes[..shown], at, is_last && shown == bytes.len(), &mut cells);
                        let fresh = dialect().scan(&bytes[..shown], at, is_last && shown == bytes.len(), &mut others);
                        prop_assert_eq!(found, fresh);
                    }
                }
            }
        }

        #[test]
        fn marks_are_found_as_a_plain_search_finds_them(text in prop::collection::vec(any::<u8>(), 0..40), from in 0_usize..40) {
            let plain = text.iter().enumerate().skip(from).find(|(_, b)| matches!(b, b';' | b'\n' | b'\r')).map(|(i, _)| i);
            prop_assert_eq!(Marks::new(&text, b';').next(from), plain);
        }
    }
}
