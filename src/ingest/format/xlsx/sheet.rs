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
}

/// The cells of a row that hold something, by column from 0.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    /// From 1, as Excel shows it.
    pub(super) number: i64,
    pub(super) cells: Vec<(usize, Value)>,
}

/// Reads the rows of a sheet.
pub(super) struct Rows<'a, R: Read> {
    xml: Xml<R>,
    workbook: &'a Workbook,
    number: i64,
}

/// A cell that is being read.
#[derive(Default)]
struct Open {
    column: usize,
    kind: String,
    style: usize,
    value: String,
    is_value: bool,
    inline: TextParts,
}

impl<'a, R: Read> Rows<'a, R> {
    pub(super) fn new(bytes: R, workbook: &'a Workbook) -> Self {
        Self {
            xml: Xml::new(bytes),
            workbook,
            number: 0,
        }
    }

    /// The next row that has a cell, filled or not; `None` at the end.
    ///
    /// # Errors
    /// Those of the disk, or `InvalidData` for a damaged sheet.
    pub(super) fn next(&mut self) -> io::Result<Option<Row>> {
        let mut row = Row::default();
        let mut open: Option<Open> = None;
        let mut next_column = 0;
        loop {
            match self.xml.next()? {
                Node::End => return Ok(None),
                Node::Open(element) => match (element.local_name().as_ref(), &mut open) {
                    (b"row", _) => {
                        let number = attribute(&element, "r").and_then(|r| r.parse().ok());
                        self.number = number.unwrap_or(self.number + 1);
                        row.number = self.number;
                    }
                    (b"c", _) => open = Some(cell(&element, next_column)),
                    (name, Some(cell)) => {
                        cell.is_value |= name == b"v";
                        cell.inline.open(name);
                    }
                    _ => {}
                },
                Node::Text(text) => {
                    if let Some(cell) = &mut open {
                        if cell.is_value {
                            cell.value.push_str(&text);
                        } else {
                            cell.inline.push(&text);
                        }
                    }
                }
                Node::Close(name) => match (name.as_str(), &mut open) {
                    ("row", _) => return Ok(Some(row)),
                    ("c", Some(_)) => {
                        if let Some(cell) = open.take() {
                            next_column = cell.column + 1;
                            let column = cell.column;
                            let value = self.value(cell);
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

    /// What a cell holds; nothing where it is blank.
    fn value(&self, mut cell: Open) -> Option<Value> {
        if cell.kind == "inlineStr" {
            return Some(Value::Text(cell.inline.take())).filter(|text| *text != blank());
        }
        if cell.value.is_empty() {
            return None;
        }
        let value = cell.value;
        Some(match cell.kind.as_str() {
            "s" => {
                let text = value
                    .trim()
                    .parse()
                    .ok()
                    .and_then(|at| self.workbook.text(at));
                Value::Text(text.unwrap_or_default().to_string())
            }
            "str" => Value::Text(value),
            "b" => Value::Boolean(value.trim() == "1"),
            "e" => Value::Error(value),
            "d" => Value::Moment(value),
            _ => self.number(&value, cell.style),
        })
        .filter(|value| *value != blank())
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

fn cell(element: &BytesStart<'_>, next_column: usize) -> Open {
    let place = attribute(element, "r");
    let style = attribute(element, "s").and_then(|style| style.parse().ok());
    Open {
        column: place
            .and_then(|place| column(&place))
            .unwrap_or(next_column),
        kind: attribute(element, "t").unwrap_or_default(),
        style: style.unwrap_or(0),
        ..Open::default()
    }
}

/// `C5` → 2.
fn column(place: &str) -> Option<usize> {
    let letters = place.bytes().take_while(u8::is_ascii_alphabetic);
    let column = letters.fold(0_usize, |column, letter| {
        column.saturating_mul(26) + usize::from(letter.to_ascii_uppercase() - b'A') + 1
    });
    // Excel has 16,384 columns
    column.checked_sub(1).filter(|column| *column < 1 << 14)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_letters() {
        assert_eq!(column("A1"), Some(0));
        assert_eq!(column("AA10"), Some(26));
        assert_eq!(column("XFD1"), Some(16_383));
        assert_eq!(column("7"), None);
    }
}
