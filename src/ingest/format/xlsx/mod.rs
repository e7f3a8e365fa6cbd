//! A sheet of an Excel workbook (`.xlsx`), read row by row from a copy on the builder's disk.
//!
//!   archive (`zip`) ─▶ sheets, shared texts, styles (`workbook`) ─▶ rows (`sheet`) ─▶ cells ─▶ as CSV's records
//!
//! Only the texts that cells share lie in memory. Dates are numbers whose style says so; they are times on the clock of
//! the source's zone. Rows without a value are no records. Formulas count as the value that was saved with them.

#[cfg(test)]
pub(super) mod fixture;
mod frame;
mod look;
mod serial;
mod sheet;
#[cfg(test)]
mod tests;
mod workbook;
mod xml;

use std::collections::BTreeMap;
use std::io::{self, Read};

use frame::{Framed, join, merged};
use sheet::{Row, Rows, Value};
use workbook::{Refusal, Sheet, Workbook};

pub(crate) use look::{sheet_header, sheet_names, sheet_rows};

use super::layout::{Layout, by_header, by_position, header_too_long, listed};
use super::scratch::copy;
use super::{BATCH_ROWS, Decoding, Format, Seen, converter};
use crate::diagnostic::{Code, nearest};
use crate::error::{Error, Result};
use crate::ingest::cell::{Cell, CellKind};
use crate::ingest::conform::{Breach, Converter, Escaping, Origin, Records};
use crate::ingest::output::{Place, judge};
use crate::ingest::rule::{Fault, Rule};
use crate::ingest::zip::Archive;
use crate::project::{Encoding, XlsxRead};

/// Text of a batch beyond which it is handed over, however few its rows.
const BATCH_BYTES: usize = 16 << 20;
/// Likewise its cells: most of a sheet of 16,384 columns are blank.
const BATCH_CELLS: usize = 4 << 20;

/// A sheet of a workbook, read as a source declares.
pub(super) struct Xlsx {
    read: XlsxRead,
}

impl Xlsx {
    pub(super) fn new(read: XlsxRead) -> Self {
        Self { read }
    }

    /// The sheet that the source names, else the first that people see.
    fn sheet<'a>(&self, workbook: &'a Workbook, file: &str) -> Result<&'a Sheet> {
        let sheets = &workbook.sheets;
        let Some(wanted) = &self.read.sheet else {
            let first = sheets.iter().find(|sheet| !sheet.is_hidden);
            return first
                .or(sheets.first())
                .ok_or_else(|| no_workbook(file, None));
        };
        let names = || sheets.iter().map(|sheet| sheet.name.as_str());
        sheets
            .iter()
            .find(|sheet| sheet.name == *wanted)
            .ok_or_else(|| {
                let help = match nearest(wanted, names()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("it has {}", listed(names())),
                };
                Error::input(format!("the workbook has no sheet `{wanted}`"))
                    .code(Code(423))
                    .at(file)
                    .help(help)
            })
    }
}

/// `cause`: what the reader says; without one, the file lacks what every workbook has.
fn no_workbook(file: &str, cause: Option<io::Error>) -> Error {
    let error = Error::input("the export is no Excel workbook (.xlsx), or a damaged one")
        .code(Code(422))
        .at(file)
        .help("an old `.xls` or one with a password must be saved as plain `.xlsx`; ask the sender to deliver it again");
    match cause {
        Some(cause) => error.caused_by(cause),
        None => error,
    }
}

fn refused(refusal: Refusal, file: &str) -> Error {
    match refusal {
        Refusal::Io(error) => no_workbook(file, Some(error)),
        Refusal::NoWorkbook => no_workbook(file, None),
        Refusal::TooLarge => Error::input("the workbook's texts take more than 256 MB")
            .code(Code(424))
            .at(file)
            .help("let its sender write CSV or Parquet, which are read in pieces of any size"),
    }
}

/// Records that wait to be handed over together.
#[derive(Default)]
struct Batch {
    text: Vec<u8>,
    cells: Vec<Cell>,
    places: Vec<Place>,
    breaches: BTreeMap<usize, Breach>,
    /// Whether days count from 1904.
    is_1904: bool,
}

impl Batch {
    fn of(workbook: &Workbook) -> Self {
        Self {
            is_1904: workbook.is_1904,
            ..Self::default()
        }
    }

    /// Takes a row, unless it holds nothing.
    fn push(&mut self, row: &Row, layout: &Layout) {
        if row.is_too_long {
            return self.push_too_long(row.number, layout.width);
        }
        let is_within = |(column, _): &&(usize, Value)| *column < layout.width;
        let beyond = || row.cells.iter().filter(|cell| !is_within(cell));
        let is_beyond = beyond().next().is_some();
        let has_names = layout.seen.header.is_some();
        let is_told = |value: &Value| match value {
            Value::Text(text) => !text.trim().is_empty(),
            Value::Number(_) | Value::Boolean(_) | Value::Moment(_) => true,
            Value::Error(_) | Value::NoResult => false,
        };
        if let (true, Some((column, _))) = (has_names, beyond().find(|cell| is_told(&cell.1))) {
            layout.lose(*column);
        }
        if !row.cells.iter().any(|cell| is_within(&cell)) && (has_names || !is_beyond) {
            return;
        }
        let record = self.places.len();
        let null = Cell::new(0, 0, CellKind::Null);
        let first = self.cells.len();
        self.cells.resize(first + layout.width, null);
        for (column, value) in row.cells.iter().filter(is_within) {
            let (kind, text) = match value {
                Value::Text(text) => (CellKind::Text, text.as_str()),
                Value::Number(text) if self.is_1904 => (CellKind::NumberFrom1904, text.as_str()),
                Value::Number(text) => (CellKind::Number, text.as_str()),
                Value::Boolean(true) => (CellKind::Boolean, "true"),
                Value::Boolean(false) => (CellKind::Boolean, "false"),
                Value::Moment(text) => (CellKind::Iso, text.as_str()),
                Value::Error(_) | Value::NoResult => {
                    let rule = match value {
                        Value::NoResult => Rule::NoResult,
                        _ => Rule::CellError,
                    };
                    let target = layout
                        .origins
                        .iter()
                        .position(|origin| matches!(origin, Origin::Cell(at) if at == column));
                    if let Some(target) = target {
                        let fault = Fault::new(record, rule);
                        self.breaches.entry(record).or_insert((Some(target), fault));
                    }
                    continue;
                }
            };
            let start = self.text.len();
            self.text.extend_from_slice(text.as_bytes());
            self.cells[first + column] = Cell::new(start, self.text.len(), kind);
        }
        if is_beyond && !has_names {
            let fault = Fault::new(record, Rule::TooManyFields);
            self.breaches.insert(record, (None, fault));
        }
        self.places.push(place(row.number));
    }

    /// Takes a row of which nothing was kept.
    fn push_too_long(&mut self, number: i64, width: usize) {
        let record = self.places.len();
        let fault = Fault::new(record, Rule::RecordTooLong);
        self.breaches.insert(record, (None, fault));
        let null = Cell::new(0, 0, CellKind::Null);
        self.cells.resize(self.cells.len() + width, null);
        self.places.push(place(number));
    }

    fn is_full(&self) -> bool {
        self.places.len() == BATCH_ROWS
            || self.text.len() > BATCH_BYTES
            || self.cells.len() > BATCH_CELLS
    }

    /// Converts and hands over.
    fn write(self, layout: &Layout, task: &mut Decoding<'_>) -> Result<()> {
        if self.places.is_empty() {
            return Ok(());
        }
        let conformer = task.conformer;
        layout.look(&self.text, &self.cells, &conformer.converter);
        let records = Records::new(&self.text, &self.cells, layout.width);
        let conformed = conformer.conform(records, &layout.origins, self.breaches)?;
        let (text, cells) = (&self.text, &self.cells);
        let raw = |row: usize| {
            let fields = cells[row * layout.width..(row + 1) * layout.width].iter();
            let fields = fields.enumerate().filter_map(|(column, cell)| {
                let value = text.get(cell.start as usize..cell.end as usize)?;
                let name = match &layout.seen.header {
                    Some(names) => names[column].clone(),
                    None => (column + 1).to_string(),
                };
                let value = String::from_utf8_lossy(value).into_owned();
                (cell.kind != CellKind::Null).then(|| format!("{}:{}", quoted(name), quoted(value)))
            });
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        };
        let judged = judge(conformer, &conformed, &self.places, None, raw)?;
        task.output.take(conformer, judged)
    }
}

/// A row of the sheet, which has no bytes of its own.
fn place(number: i64) -> Place {
    Place {
        start: 0,
        end: 0,
        line: number,
        byte: None,
    }
}

fn quoted(text: String) -> String {
    serde_json::Value::from(text).to_string()
}

/// The names that a header's row gives, by column.
fn names(row: &Row) -> Vec<String> {
    let width = row.cells.last().map_or(0, |(column, _)| column + 1);
    let mut names = vec![String::new(); width];
    for (column, value) in &row.cells {
        names[*column] = match value {
            Value::Text(text) | Value::Number(text) | Value::Moment(text) => text.trim().into(),
            Value::Boolean(truth) => truth.to_string(),
            Value::Error(_) | Value::NoResult => String::new(),
        };
    }
    names
}

impl Format for Xlsx {
    fn converter(&self) -> Converter {
        converter(
            &self.read.conversions,
            Encoding::Utf8,
            Escaping::doubled(b"\""),
        )
    }

    fn decode(&self, bytes: &mut dyn Read, mut task: Decoding<'_>) -> Result<Seen> {
        let file = task.file;
        if copy(bytes, task.scratch, file)?.is_none() {
            return Ok(Seen::default());
        }
        let damaged = |error| no_workbook(file, Some(error));
        let archive = Archive::open(task.scratch).map_err(damaged)?;
        let workbook = Workbook::read(&archive).map_err(|refusal| refused(refusal, file))?;
        let sheet = self.sheet(&workbook, file)?;
        let part = archive.read(&sheet.part).map_err(damaged)?;
        let part = part.ok_or_else(|| no_workbook(file, None))?;
        task.output.expect(part.left())?;
        let rows = Rows::new(part, &workbook, task.max_record_bytes);
        let mut rows = Framed::new(rows, &self.read.frame);
        let layout = match self.read.header_rows {
            0 => by_position(task.conformer),
            count => {
                // they stand behind the rows, so that these are read twice where they matter
                let merged = match archive.read(&sheet.part).map_err(damaged)? {
                    Some(part) if count > 1 => merged(part).map_err(damaged)?,
                    _ => Vec::new(),
                };
                let mut names = Vec::new();
                for number in 0..count {
                    match rows.any().map_err(damaged)? {
                        None if number == 0 => return Ok(Seen::default()),
                        None => break,
                        Some(row) if row.is_too_long => {
                            return Err(header_too_long(row.number, file));
                        }
                        Some(row) => names = join(names, &row, &merged),
                    }
                }
                by_header(task.conformer, names, file)?
            }
        };
        let mut batch = Batch::of(&workbook);
        while let Some(row) = rows.record().map_err(damaged)? {
            batch.push(&row, &layout);
            if batch.is_full() {
                std::mem::replace(&mut batch, Batch::of(&workbook)).write(&layout, &mut task)?;
            }
        }
        batch.write(&layout, &mut task)?;
        Ok(layout.into_seen())
    }
}
