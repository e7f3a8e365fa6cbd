//! Delimited text.
//!
//!   window of bytes ─scanner▶ cells of up to 8,192 records ─conformer▶ columns ─▶ output
//!
//! Columns are found by the header's names; without a header they stand in the contract's order.

mod scanner;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::Read;

use super::layout::{Layout, by_header, by_position, header_too_long};
use super::lines::Window;
use scanner::{Dialect, Scanned};

use super::{BATCH_ROWS, Decoding, Format, Seen, converter};
use crate::diagnostic::Code;
use crate::error::{Error, Result};
use crate::ingest::cell::Cell;
use crate::ingest::conform::{Breach, Conformer, Converter, Origin, Records};
use crate::ingest::output::{BrokenRecord, BrokenRecords, Place};
use crate::ingest::reject::MAX_RAW_BYTES;
use crate::ingest::rule::{Fault, Rule};
use crate::project::CsvRead;

/// Delimited text, read as a source declares.
pub(super) struct Csv {
    read: CsvRead,
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
}

impl Csv {
    pub(super) fn new(read: CsvRead) -> Self {
        Self { read }
    }

    fn dialect(&self, width: usize, limit: usize) -> Dialect {
        Dialect {
            delimiter: self.read.delimiter,
            quote: self.read.quote,
            escape: self.read.escape,
            comment: self.read.comment,
            width,
            limit,
        }
    }

    /// The header's names; `None` where the export holds nothing.
    fn header(&self, window: &mut Window<'_>, task: &Decoding<'_>) -> Result<Option<Vec<String>>> {
        let dialect = self.dialect(0, task.max_record_bytes);
        loop {
            if window.rest().is_empty() {
                if window.is_last() {
                    return Ok(None);
                }
                window.fill(task.file)?;
                continue;
            }
            let mut cells = Vec::new();
            match dialect.scan(window.rest(), 0, window.is_last(), &mut cells) {
                Scanned::Record { end, lines } => {
                    let converter = &task.conformer.converter;
                    let names = cells.iter().map(|cell| {
                        let bytes = &window.rest()[cell.start as usize..cell.end as usize];
                        let mut name = Vec::new();
                        converter.append(cell.kind, bytes, &mut name);
                        String::from_utf8_lossy(&name).trim().to_string()
                    });
                    let names = names.collect();
                    window.advance(end, lines);
                    return Ok(Some(names));
                }
                Scanned::Blank { end } => window.advance(end, 1),
                Scanned::Incomplete => window.fill(task.file)?,
                Scanned::Broken { .. } => {
                    return Err(Error::input("the header cannot be read")
                        .code(Code(407))
                        .at(format!("{}:{}", task.file, window.line()))
                        .help("check `delimiter`, `quote` and `skip_lines` of the source"));
                }
                Scanned::TooLong => return Err(header_too_long(window.line(), task.file)),
            }
        }
    }

    /// Scans what the window holds, up to a batch.
    fn scan(&self, window: &Window<'_>, dialect: &Dialect, batch: &mut Batch) -> Stop {
        let text = window.rest();
        let (offset, line) = (window.offset() as i64, window.line());
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
            match dialect.scan(text, start, window.is_last(), &mut batch.cells) {
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
                    spare.resize(dialect.width, Cell::MISSING);
                    batch.broken_cells.extend_from_slice(&spare);
                    let is_width = matches!(rule, Rule::TooFewFields | Rule::TooManyFields);
                    batch.broken.push(BrokenRecord {
                        place: place(end),
                        rule,
                        widths: is_width.then_some((found, dialect.width)),
                        raw: String::new(),
                    });
                    (batch.end, batch.lines) = (end, batch.lines + lines);
                }
                Scanned::Incomplete => return Stop::NeedsMore,
                Scanned::TooLong => return Stop::TooLong,
            }
        }
    }
}

impl Format for Csv {
    fn converter(&self) -> Converter {
        let escape = self.read.escape.or(self.read.quote).unwrap_or(b'"');
        converter(&self.read.conversions, self.read.encoding, escape)
    }

    fn decode(&self, bytes: &mut dyn Read, mut task: Decoding<'_>) -> Result<Seen> {
        let mut window = Window::open(bytes, task.file)?;
        for _ in 0..self.read.skip_lines {
            window.skip_line(task.file)?;
        }
        let layout = if self.read.header {
            match self.header(&mut window, &task)? {
                None => return Ok(Seen::default()),
                Some(names) => by_header(task.conformer, names, task.file)?,
            }
        } else {
            by_position(task.conformer)
        };
        let dialect = self.dialect(layout.width, task.max_record_bytes);
        let mut batch = Batch::default();
        loop {
            let stop = self.scan(&window, &dialect, &mut batch);
            let is_stuck = batch.end == 0;
            write_batch(&window, &layout, &mut batch, &mut task)?;
            window.advance(batch.end, batch.lines);
            batch.clear();
            match stop {
                Stop::Full => {}
                Stop::TooLong => reject_long_line(&mut window, &layout, &mut task)?,
                Stop::NeedsMore if window.is_last() && window.rest().is_empty() => break,
                Stop::NeedsMore if window.is_last() && is_stuck => {
                    return Err(Error::internal("the scanner stands still").at(task.file));
                }
                Stop::NeedsMore => window.fill(task.file)?,
            }
        }
        Ok(layout.seen)
    }
}

impl Batch {
    fn clear(&mut self) {
        self.cells.clear();
        self.places.clear();
        self.broken.clear();
        self.broken_cells.clear();
        (self.end, self.lines) = (0, 0);
    }
}

/// Converts and hands over what a pass found.
fn write_batch(
    window: &Window<'_>,
    layout: &Layout,
    batch: &mut Batch,
    task: &mut Decoding<'_>,
) -> Result<()> {
    if batch.places.is_empty() && batch.broken.is_empty() {
        return Ok(());
    }
    let text = window.rest();
    let conformer = task.conformer;
    let breaches = hide_broken_text(text, batch, layout.width, conformer);
    let records = Records {
        text,
        cells: &batch.cells,
        width: layout.width,
    };
    let conformed = conformer.conform(records, &layout.origins, breaches)?;
    let raw = |place: &Place| raw_text(text, place, &conformer.converter);
    let broken = if batch.broken.is_empty() {
        None
    } else {
        for record in &mut batch.broken {
            record.raw = raw(&record.place);
        }
        trust_leading_keys(batch, layout, conformer);
        let records = Records {
            text,
            cells: &batch.broken_cells,
            width: layout.width,
        };
        let (keys, readable) = conformer.read_keys(records, &layout.origins)?;
        Some(BrokenRecords {
            records: std::mem::take(&mut batch.broken),
            keys,
            readable,
        })
    };
    let places = &batch.places;
    task.output
        .write(conformer, &conformed, places, broken, |row| {
            raw(&places[row])
        })
}

/// Takes away the cells of records whose bytes are no text, so that no column meets them; they are rejected as a whole.
fn hide_broken_text(
    text: &[u8],
    batch: &mut Batch,
    width: usize,
    conformer: &Conformer,
) -> BTreeMap<usize, Breach> {
    let mut breaches = BTreeMap::new();
    if !conformer.converter.decoder.is_utf8() || std::str::from_utf8(&text[..batch.end]).is_ok() {
        return breaches;
    }
    let is_text = |place: &Place| std::str::from_utf8(&text[place.start..place.end]).is_ok();
    for (row, place) in batch.places.iter().enumerate() {
        if !is_text(place) {
            batch.cells[row * width..(row + 1) * width].fill(Cell::MISSING);
            breaches.insert(row, (None, Fault::new(row, Rule::Encoding)));
        }
    }
    for (row, record) in batch.broken.iter().enumerate() {
        if !is_text(&record.place) {
            batch.broken_cells[row * width..(row + 1) * width].fill(Cell::MISSING);
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

/// Rejects a line that is longer than any record may be, and passes over it.
fn reject_long_line(
    window: &mut Window<'_>,
    layout: &Layout,
    task: &mut Decoding<'_>,
) -> Result<()> {
    let broken = long_line(window, &task.conformer.converter);
    let cells = vec![Cell::MISSING; layout.width];
    let records = Records {
        text: &[],
        cells: &cells,
        width: layout.width,
    };
    let (keys, readable) = task.conformer.read_keys(records, &layout.origins)?;
    let broken = BrokenRecords {
        records: vec![broken],
        keys,
        readable,
    };
    let none = Records {
        text: &[],
        cells: &[],
        width: layout.width,
    };
    let conformed = task
        .conformer
        .conform(none, &layout.origins, BTreeMap::new())?;
    task.output
        .write(task.conformer, &conformed, &[], Some(broken), |_| {
            String::new()
        })?;
    window.skip_line(task.file)
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
