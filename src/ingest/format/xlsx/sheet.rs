//! Cells of one sheet, row by row.

use std::io::{self, Read};

use quick_xml::events::BytesStart;

use super::serial::{NumberFormat, clock, moment_text, number_text};
use super::workbook::{TextParts, Workbook};
use super::xml::{Node, Xml, attribute};

/// What a cell holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    /// In our own notation.
    Number(String),
    Boolean(bool),
    /// A date or time in ISO 8601.
    Moment(String),
    /// `#N/A` and its kin.
    Error(String),
    /// A formula that nobody has computed yet, as programs write them that are no spreadsheet.
    NoResult,
}

/// The last row and one past the last column (`XFD`) that a sheet has.
const MAX_ROW: i64 = 1 << 20;
const MAX_COLUMNS: usize = 1 << 14;

/// The cells of a row that hold something, by column from 0.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    /// From 1, as Excel shows it.
    pub(super) number: i64,
    pub(super) cells: Vec<(usize, Value)>,
    /// Whether it holds more than a record may; then it has no cells.
    pub(super) is_too_long: bool,
}

/// Reads the rows of a sheet.
pub(super) struct Rows<'a, R: Read> {
    xml: Xml<R>,
    workbook: &'a Workbook,
    number: i64,
    max_row_bytes: usize,
    is_within_data: bool,
}

/// A cell that is being read.
#[derive(Default)]
struct Open {
    column: usize,
    kind: String,
    style: usize,
    value: String,
    is_value: bool,
    has_formula: bool,
    inline: TextParts,
}

impl<'a, R: Read> Rows<'a, R> {
    pub(super) fn new(bytes: R, workbook: &'a Workbook, max_row_bytes: usize) -> Self {
        Self {
            xml: Xml::new(bytes),
            workbook,
            number: 0,
            max_row_bytes,
            is_within_data: false,
        }
    }

    /// The next row, filled or not; `None` at the end.
    ///
    /// # Errors
    /// Those of the disk, or `InvalidData` for a damaged sheet: one whose rows or cells are not where they say.
    pub(super) fn next(&mut self) -> io::Result<Option<Row>> {
        loop {
            match self.xml.next()? {
                Node::End => return Ok(None),
                Node::Open(element) => match element.local_name().as_ref() {
                    b"sheetData" => self.is_within_data = true,
                    // controls and drawings have rows of their own
                    b"row" if self.is_within_data => {
                        self.number = row_number(&element, self.number)?;
                        return self.row().map(Some);
                    }
                    _ => {}
                },
                Node::Close(name) => self.is_within_data &= name != "sheetData",
                Node::Text(_) => {}
            }
        }
    }

    /// The row that was opened.
    fn row(&mut self) -> io::Result<Row> {
        let mut row = Row {
            number: self.number,
            ..Row::default()
        };
        let mut open: Option<Open> = None;
        let (mut next_column, mut bytes) = (0, 0);
        loop {
            match self.xml.next()? {
                Node::End => return Err(self.damaged("does not end")),
                Node::Open(element) => match (element.local_name().as_ref(), &mut open) {
                    (b"row", None) => return Err(self.damaged("holds another row")),
                    (b"c", None) => {
                        let cell = cell(&element, next_column, self.number);
                        open = Some(cell.map_err(|what| self.damaged(what))?);
                    }
                    (b"row" | b"c", Some(_)) => {
                        return Err(self.damaged("has a cell that does not end"));
                    }
                    (name, Some(cell)) => {
                        cell.is_value |= name == b"v";
                        cell.has_formula |= name == b"f";
                        cell.inline.open(name);
                    }
                    _ => {}
                },
                Node::Text(text) => {
                    bytes += text.len();
                    row.is_too_long |= bytes > self.max_row_bytes;
                    match &mut open {
                        Some(cell) if !row.is_too_long && cell.is_value => {
                            cell.value.push_str(&text);
                        }
                        Some(cell) if !row.is_too_long => cell.inline.push(&text),
                        _ => {}
                    }
                }
                Node::Close(name) => match (name.as_str(), &mut open) {
                    ("row", _) => return self.sorted(row),
                    ("c", Some(_)) => {
                        if let Some(cell) = open.take() {
                            next_column = cell.column + 1;
                            let column = cell.column;
                            let value = self.value(cell)?;
                            row.cells.extend(value.map(|value| (column, value)));
                        }
                    }
                    (name, Some(cell)) => {
                        cell.is_value &= name != "v";
                        cell.inline.close(name);
                    }
                    _ => {}
                },
            }
        }
    }

    /// A row whose cells stand in the order of their columns, as they need not in the sheet.
    fn sorted(&self, mut row: Row) -> io::Result<Row> {
        if row.is_too_long {
            row.cells.clear();
        }
        row.cells.sort_by_key(|(column, _)| *column);
        let is_twice = |pair: &[(usize, Value)]| pair[0].0 == pair[1].0;
        if row.cells.windows(2).any(is_twice) {
            return Err(self.damaged("has a cell twice"));
        }
        Ok(row)
    }

    /// `what`: of the row under work.
    fn damaged(&self, what: &str) -> io::Error {
        damaged(format!("row {} {what}", self.number))
    }

    /// What a cell holds; nothing where it is blank.
    fn value(&self, mut cell: Open) -> io::Result<Option<Value>> {
        let value = if cell.kind == "inlineStr" {
            Value::Text(cell.inline.take())
        } else if cell.value.is_empty() {
            // a text may be the empty one
            let is_open = cell.has_formula && cell.kind != "str";
            return Ok(is_open.then_some(Value::NoResult));
        } else {
            let value = cell.value;
            match (cell.kind.as_str(), value.trim()) {
                ("s", at) => {
                    let text = at.parse().ok().and_then(|at| self.workbook.text(at));
                    let missing = || self.damaged("has a text that the workbook lacks");
                    Value::Text(text.ok_or_else(missing)?.to_string())
                }
                ("b", "1" | "true") => Value::Boolean(true),
                ("b", "0" | "false") => Value::Boolean(false),
                ("str" | "b", _) => Value::Text(value),
                ("e", _) => Value::Error(value),
                ("d", _) => Value::Moment(value),
                _ => self.number(&value, cell.style),
            }
        };
        Ok(Some(value).filter(|value| *value != blank()))
    }

    fn number(&self, text: &str, style: usize) -> Value {
        let number = || Value::Number(number_text(text));
        let Ok(serial) = text.trim().parse::<f64>() else {
            return number();
        };
        match self.workbook.format(style) {
            NumberFormat::Number => number(),
            NumberFormat::Duration => Value::Moment(clock(serial)),
            NumberFormat::Moment => {
                moment_text(serial, self.workbook.is_1904).map_or_else(number, Value::Moment)
            }
        }
    }
}

fn blank() -> Value {
    Value::Text(String::new())
}

fn damaged(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// The number of a row that comes after row `last`. One that is not higher would be lost among the others, or hide them.
fn row_number(element: &BytesStart<'_>, last: i64) -> io::Result<i64> {
    let number = match attribute(element, "r") {
        None => Some(last + 1),
        Some(number) => number.parse().ok(),
    };
    number
        .filter(|number| (last + 1..=MAX_ROW).contains(number))
        .ok_or_else(|| {
            damaged(format!(
                "the row after row {last} has a number that no such row has"
            ))
        })
}

/// A cell of row `row`, which stands at `next_column` where it does not say.
///
/// # Errors
/// What is wrong with the row, for people.
fn cell(element: &BytesStart<'_>, next_column: usize, row: i64) -> Result<Open, &'static str> {
    let column = match attribute(element, "r") {
        None => next_column,
        Some(place) => {
            let (column, of_row) =
                place_of(&place).ok_or("has a cell at a place that no sheet has")?;
            if of_row != row {
                return Err("has a cell of another row");
            }
            column
        }
    };
    if column >= MAX_COLUMNS {
        return Err("has cells beyond column XFD");
    }
    let style = attribute(element, "s").and_then(|style| style.parse().ok());
    Ok(Open {
        column,
        kind: attribute(element, "t").unwrap_or_default(),
        style: style.unwrap_or(0),
        ..Open::default()
    })
}

/// `C5` → column 2 of row 5.
pub(super) fn place_of(place: &str) -> Option<(usize, i64)> {
    let digits = place.find(|letter: char| !letter.is_ascii_alphabetic())?;
    let (letters, row) = place.split_at(digits);
    let column = letters.bytes().fold(0_usize, |column, letter| {
        let letter = usize::from(letter.to_ascii_uppercase() - b'A') + 1;
        column.saturating_mul(26).saturating_add(letter)
    });
    Some((column.checked_sub(1)?, row.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_letters() {
        assert_eq!(place_of("A1"), Some((0, 1)));
        assert_eq!(place_of("aa10"), Some((26, 10)));
        assert_eq!(place_of("XFD1"), Some((MAX_COLUMNS - 1, 1)));
        for wrong in ["7", "A", "", "A1B", "Å1"] {
            assert_eq!(place_of(wrong), None, "{wrong}");
        }
        assert!(place_of(&format!("{}1", "Z".repeat(50))).is_some_and(|(at, _)| at > MAX_COLUMNS));
    }
}
