//! Lines of text → records → the output, for every format whose records are cells of text in a row.
//!
//!   window of bytes ─[`Scan`]▶ cells of up to 8,192 records ─conformer▶ columns ─▶ output
//!
//! Where records end is found on one thread, since only what stands before a byte says what it is; what they hold is converted
//! on all.
//!
//! What a record looks like is the scanner's business; what stands around records ([`Edges`]) is alike for all.

use std::collections::BTreeMap;

use super::layout::Layout;
use super::lines::{LineEnds, Text, Window};
use super::{ALONE, BATCH_ROWS, Decoding};
use crate::error::{Error, Result};
use crate::ingest::cell::Cell;
use crate::ingest::conform::{Breach, Conformer, Converter, Origin, Records};
use crate::ingest::output::{BrokenRecord, BrokenRecords, Judged, Place, judge};
use crate::ingest::reject::MAX_RAW_BYTES;
use crate::ingest::rule::{Fault, Rule};
use crate::parallel;

/// Finds records in text.
pub(super) trait Scan {
    /// Fields of a record.
    fn width(&self) -> usize;

    /// The text that is scanned next begins at this byte of the export.
    fn begin(&self, _offset: u64) {}

    /// Reads what begins at byte `at`; `is_last`: nothing follows the text. Cells are appended only for records and
    /// broken records.
    fn scan(&self, text: &[u8], at: usize, is_last: bool, cells: &mut Vec<Cell>) -> Scanned;
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
    /// The line before which the records end.
    End,
    /// A line longer than the limit, whose end is not in sight.
    TooLong,
    /// More text is needed to tell.
    Incomplete,
}

/// Lines that are no records; signs in the bytes of the export.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Edges<'a> {
    /// Lines that begin so are passed over.
    pub(super) comment: Option<&'a [u8]>,
    /// The records end before a line that begins with any of these.
    pub(super) until: &'a [Vec<u8>],
}

impl Edges<'_> {
    /// What is at the beginning of a line, where it is no record.
    pub(super) fn scan(
        &self,
        text: &[u8],
        at: usize,
        is_last: bool,
        limit: usize,
    ) -> Option<Scanned> {
        match (text[at], text.get(at + 1)) {
            (b'\n', _) => return Some(Scanned::Blank { end: at + 1 }),
            (b'\r', Some(b'\n')) => return Some(Scanned::Blank { end: at + 2 }),
            (b'\r', None) if !is_last => return Some(Scanned::Incomplete),
            (b'\r', _) => return Some(Scanned::Blank { end: at + 1 }),
            _ => {}
        }
        match self.is_end(text, at, is_last) {
            Some(true) => return Some(Scanned::End),
            Some(false) => {}
            None => return Some(Scanned::Incomplete),
        }
        match self.comment.map(|sign| begins(&text[at..], sign, is_last)) {
            None | Some(Some(false)) => None,
            Some(Some(true)) => Some(comment_line(text, at, is_last, limit)),
            Some(None) => Some(Scanned::Incomplete),
        }
    }

    /// Whether the records end before the line that begins at a byte; `None`: more text would tell.
    pub(super) fn is_end(&self, text: &[u8], at: usize, is_last: bool) -> Option<bool> {
        let mut is_end = Some(false);
        for sign in self.until {
            match begins(&text[at..], sign, is_last) {
                Some(true) => return Some(true),
                Some(false) => {}
                None => is_end = None,
            }
        }
        is_end
    }
}

/// Whether the text begins with these signs, of words with the whole word: `Totalt` is no `Totaltvätt AB`; `None`: it is too short
/// to tell.
fn begins(text: &[u8], signs: &[u8], is_last: bool) -> Option<bool> {
    if text.len() < signs.len() {
        return (is_last || !signs.starts_with(text)).then_some(false);
    }
    let Some(rest) = text.strip_prefix(signs) else {
        return Some(false);
    };
    // what is no ASCII is a letter more often than not; no-break spaces are none, in UTF-8 and in encodings of one byte
    let is_of_word = |byte: &u8| {
        byte.is_ascii_alphanumeric()
            || *byte == b'_'
            || !(byte.is_ascii() || matches!(byte, 0xa0 | 0xc2))
    };
    match (signs.last().filter(|last| is_of_word(last)), rest.first()) {
        (None, _) => Some(true),
        (Some(_), Some(next)) => Some(!is_of_word(next)),
        (Some(_), None) => is_last.then_some(true),
    }
}

fn comment_line(text: &[u8], at: usize, is_last: bool, limit: usize) -> Scanned {
    match line_end(text, at, is_last) {
        LineEnd::At { next, .. } => Scanned::Blank { end: next },
        LineEnd::None if is_last => Scanned::Blank { end: text.len() },
        _ if text.len() - at > limit => Scanned::TooLong,
        _ => Scanned::Incomplete,
    }
}

/// The end of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineEnd {
    /// The line's last byte stands before `end`; the next line begins at `next`.
    At { end: usize, next: usize },
    /// None is in sight.
    None,
    /// The text ends with a carriage return, which may be half of a line end.
    Unknown,
}

/// The end of the line that holds byte `from`: LF, CR, or both.
pub(super) fn line_end(text: &[u8], from: usize, is_last: bool) -> LineEnd {
    let Some(length) = memchr::memchr2(b'\n', b'\r', &text[from..]) else {
        return LineEnd::None;
    };
    let end = from + length;
    let next = match (text[end], text.get(end + 1)) {
        (b'\r', Some(b'\n')) => end + 2,
        (b'\r', None) if !is_last => return LineEnd::Unknown,
        _ => end + 1,
    };
    LineEnd::At { end, next }
}

/// Number of line ends.
pub(super) fn count_lines(text: &[u8]) -> i64 {
    let returns = memchr::memchr_iter(b'\r', text).filter(|at| text.get(at + 1) != Some(&b'\n'));
    (memchr::memchr_iter(b'\n', text).count() + returns.count()) as i64
}

/// Records found in one pass over the window.
#[derive(Default)]
struct Batch {
    cells: Vec<Cell>,
    places: Vec<Place>,
    broken: Vec<BrokenRecord>,
    /// As many as a record has, for each broken one.
    broken_cells: Vec<Cell>,
    end: usize,
    lines: i64,
}

/// Why a pass ended.
#[derive(PartialEq, Eq)]
enum Stop {
    Full,
    NeedsMore,
    TooLong,
    /// What follows is no record.
    End,
}

/// What a pass found, with the text that it speaks of.
enum Found {
    Records(Text, Batch),
    /// A line that is longer than any record may be.
    LongLine(BrokenRecord),
}

/// Hands over every record from here on, accepted or rejected.
///
/// # Errors
/// Those of storage, and of the disk that is written.
pub(super) fn read<S: Scan>(
    window: &mut Window<'_>,
    scanner: &S,
    layout: &Layout,
    task: &mut Decoding<'_>,
) -> Result<()> {
    let conformer = task.conformer;
    let (file, threads) = (task.file, task.threads);
    let output = &mut *task.output;
    let mut is_complete = false;
    parallel::in_order(
        threads,
        ALONE,
        || match is_complete {
            true => Ok(None),
            false => {
                let found = next(window, scanner, conformer, file)?;
                is_complete = found.is_none();
                Ok(found)
            }
        },
        |found| match found {
            Found::Records(text, batch) => judge_batch(&text, batch, layout, conformer),
            Found::LongLine(broken) => judge_long_line(broken, layout, conformer),
        },
        |judged| output.take(conformer, judged?),
    )
}

/// The next records; `None` at the end of them.
fn next<S: Scan>(
    window: &mut Window<'_>,
    scanner: &S,
    conformer: &Conformer,
    file: &str,
) -> Result<Option<Found>> {
    loop {
        let mut batch = Batch::default();
        scanner.begin(window.offset());
        let stop = scan(window, scanner, &mut batch);
        let (end, lines) = (batch.end, batch.lines);
        let text = window.share(end);
        window.advance(end, lines);
        if !batch.is_empty() {
            // why the pass ended is seen again, at once
            return Ok(Some(Found::Records(text, batch)));
        }
        drop(text);
        match stop {
            Stop::Full => {}
            Stop::TooLong => {
                let broken = long_line(window, &conformer.converter);
                window.skip_line(LineEnds::Any, file)?;
                return Ok(Some(Found::LongLine(broken)));
            }
            Stop::End => {
                window.skip_rest(file)?;
                return Ok(None);
            }
            Stop::NeedsMore if window.is_last() && window.rest().is_empty() => return Ok(None),
            Stop::NeedsMore if window.is_last() && end == 0 => {
                return Err(Error::internal("the scanner stands still").at(file));
            }
            Stop::NeedsMore => window.fill(file)?,
        }
    }
}

/// Scans what the window holds, up to a batch.
fn scan<S: Scan>(window: &Window<'_>, scanner: &S, batch: &mut Batch) -> Stop {
    let text = window.rest();
    let (offset, line) = (window.offset() as i64, window.line());
    let width = scanner.width();
    // a field has a byte at least, be it the one that ends it
    let most = BATCH_ROWS.min(text.len() / width.max(1));
    batch.places.reserve(most);
    batch.cells.reserve(most * width);
    let mut spare = Vec::new();
    loop {
        if batch.places.len() + batch.broken.len() == BATCH_ROWS {
            return Stop::Full;
        }
        if batch.end == text.len() {
            return Stop::NeedsMore;
        }
        let start = batch.end;
        let place = |end| Place {
            start,
            end,
            line: line + batch.lines,
            byte: Some(offset + start as i64),
        };
        let before = batch.cells.len();
        match scanner.scan(text, start, window.is_last(), &mut batch.cells) {
            Scanned::Record { end, lines } => {
                batch.places.push(place(end));
                (batch.end, batch.lines) = (end, batch.lines + lines);
            }
            Scanned::Blank { end } => {
                (batch.end, batch.lines) = (end, batch.lines + 1);
            }
            Scanned::Broken {
                end,
                lines,
                rule,
                fields: _,
                found,
            } => {
                spare.clear();
                spare.extend(batch.cells.drain(before..));
                spare.resize(width, Cell::MISSING);
                batch.broken_cells.extend_from_slice(&spare);
                let is_width = matches!(rule, Rule::TooFewFields | Rule::TooManyFields);
                batch.broken.push(BrokenRecord {
                    place: place(end),
                    rule,
                    widths: is_width.then_some((found, width)),
                    raw: String::new(),
                });
                (batch.end, batch.lines) = (end, batch.lines + lines);
            }
            Scanned::Incomplete => return Stop::NeedsMore,
            Scanned::TooLong => return Stop::TooLong,
            Scanned::End => return Stop::End,
        }
    }
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.places.is_empty() && self.broken.is_empty()
    }
}

/// Converts what a pass found.
fn judge_batch(
    text: &[u8],
    mut batch: Batch,
    layout: &Layout,
    conformer: &Conformer,
) -> Result<Judged> {
    let breaches = hide_broken_text(text, &mut batch, layout.width, conformer);
    layout.look(text, &batch.cells, &conformer.converter);
    let records = Records::new(text, &batch.cells, layout.width);
    let conformed = conformer.conform(records, &layout.origins, breaches)?;
    let raw = |place: &Place| raw_text(text, place, &conformer.converter);
    let broken = if batch.broken.is_empty() {
        None
    } else {
        for record in &mut batch.broken {
            record.raw = raw(&record.place);
        }
        trust_leading_keys(&mut batch, layout, conformer);
        let records = Records::new(text, &batch.broken_cells, layout.width);
        let (keys, readable) = conformer.read_keys(records, &layout.origins)?;
        Some(BrokenRecords {
            records: std::mem::take(&mut batch.broken),
            keys,
            readable,
        })
    };
    let places = &batch.places;
    judge(conformer, &conformed, places, broken, |row| {
        raw(&places[row])
    })
}

/// Takes away the cells whose bytes are no text, so that no column meets them; their records are rejected, by the keys that they
/// have.
fn hide_broken_text(
    text: &[u8],
    batch: &mut Batch,
    width: usize,
    conformer: &Conformer,
) -> BTreeMap<usize, Breach> {
    let mut breaches = BTreeMap::new();
    let decoder = &conformer.converter.decoder;
    if decoder.is_text(&text[..batch.end]) {
        return breaches;
    }
    let is_text = |start, end| decoder.is_text(&text[start..end]);
    let hide = |cells: &mut [Cell]| {
        let broken = |cell: &&mut Cell| !is_text(cell.start as usize, cell.end as usize);
        let broken = cells.iter_mut().filter(broken);
        broken.for_each(|cell| *cell = Cell::MISSING);
    };
    for (row, place) in batch.places.iter().enumerate() {
        if !is_text(place.start, place.end) {
            hide(&mut batch.cells[row * width..(row + 1) * width]);
            breaches.insert(row, (None, Fault::new(row, Rule::Encoding)));
        }
    }
    for (row, record) in batch.broken.iter().enumerate() {
        if !is_text(record.place.start, record.place.end) {
            hide(&mut batch.broken_cells[row * width..(row + 1) * width]);
        }
    }
    breaches
}

/// Fields of a record of the wrong width may have moved; only a key that comes first is still where it was.
fn trust_leading_keys(batch: &mut Batch, layout: &Layout, conformer: &Conformer) {
    let count = conformer.key.len();
    let comes_first = conformer
        .key
        .iter()
        .all(|column| matches!(layout.origins[*column], Origin::Cell(at) if at < count));
    let kept = if comes_first { count } else { 0 };
    for (row, record) in batch.broken.iter().enumerate() {
        if record.widths.is_some() {
            let cells = &mut batch.broken_cells[row * layout.width..(row + 1) * layout.width];
            cells[kept..].fill(Cell::MISSING);
        }
    }
}

/// The record as delivered, without its line end.
pub(super) fn raw_text(text: &[u8], place: &Place, converter: &Converter) -> String {
    let bytes = &text[place.start..place.end];
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    converter
        .decoder
        .lossy(&bytes[..bytes.len().min(MAX_RAW_BYTES)])
}

/// A reject for a line that is longer than any record may be.
fn judge_long_line(broken: BrokenRecord, layout: &Layout, conformer: &Conformer) -> Result<Judged> {
    let cells = vec![Cell::MISSING; layout.width];
    let records = Records::new(&[], &cells, layout.width);
    let (keys, readable) = conformer.read_keys(records, &layout.origins)?;
    let broken = BrokenRecords {
        records: vec![broken],
        keys,
        readable,
    };
    let none = Records::new(&[], &[], layout.width);
    let conformed = conformer.conform(none, &layout.origins, BTreeMap::new())?;
    judge(conformer, &conformed, &[], Some(broken), |_| String::new())
}

/// The record that a line beyond the limit stands for.
pub(super) fn long_line(window: &Window<'_>, converter: &Converter) -> BrokenRecord {
    let text = window.rest();
    BrokenRecord {
        place: Place {
            start: 0,
            end: text.len(),
            line: window.line(),
            byte: Some(window.offset() as i64),
        },
        rule: Rule::RecordTooLong,
        widths: None,
        raw: converter
            .decoder
            .lossy(&text[..text.len().min(MAX_RAW_BYTES)]),
    }
}
