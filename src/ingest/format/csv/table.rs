//! A table that a person wrote or saved: the text of a CSV file → its header and its rows, whole and in memory.
//!
//! No project declares how such a file is written, so what can be told is told by its header; and no row of it may be left out,
//! so the first that cannot be read refuses the file.

use super::scanner::{Dialect, Escape};
use crate::error::{Error, Result};
use crate::ingest::cell::{Cell, CellKind};
use crate::ingest::format::records::{Edges, Scan, Scanned};
use crate::ingest::rule::Rule;

/// What stands between cells: commas, what Excel writes where numbers have decimal commas, or what it copies.
const DELIMITERS: [&str; 3] = [",", ";", "\t"];

/// A table as it is written.
#[derive(Debug, PartialEq)]
pub(crate) struct WrittenTable {
    pub(crate) header: Vec<String>,
    pub(crate) rows: Vec<WrittenRow>,
}

/// A row with as many cells as the header.
#[derive(Debug, PartialEq)]
pub(crate) struct WrittenRow {
    /// Where it begins, from 1.
    pub(crate) line: i64,
    pub(crate) cells: Vec<String>,
}

/// Reads a table. Its cells stand apart by the sign with which the header is one that is wanted; where none makes it so, by
/// commas. `file`: for messages.
///
/// # Errors
/// `Input` for a row with more or fewer cells than the header, and for a quote that does not close where its cell ends: with the
/// line, and the column.
pub(crate) fn read_table(
    text: &str,
    file: &str,
    is_wanted: impl Fn(&[String]) -> bool,
) -> Result<WrittenTable> {
    let text = text.trim_start_matches('\u{feff}');
    let headers = DELIMITERS.map(|delimiter| (delimiter, header(text, delimiter)));
    let wanted = headers.iter().find(|(_, header)| {
        let names = header.as_ref().map(|(names, ..)| names.as_slice());
        names.is_some_and(&is_wanted)
    });
    let (delimiter, header) = wanted.unwrap_or(&headers[0]);
    let Some((names, mut at, mut line)) = header.clone() else {
        return Err(Error::input("the header cannot be read")
            .at(file)
            .help("its names stand on one line, each in double quotes or none of them"));
    };
    let dialect = dialect(delimiter, names.len(), text.len());
    let mut rows = Vec::new();
    let mut cells = Vec::new();
    while at < text.len() {
        cells.clear();
        match dialect.scan(text.as_bytes(), at, true, &mut cells) {
            Scanned::Record { end, lines } => {
                let cells = cells.iter().map(|cell| content(text, cell)).collect();
                rows.push(WrittenRow { line, cells });
                (at, line) = (end, line + lines);
            }
            Scanned::Blank { end } => (at, line) = (end, line + 1),
            Scanned::Broken {
                rule,
                fields,
                found,
                ..
            } => {
                return Err(broken(rule, names.get(fields), (found, names.len()))
                    .at(format!("{file}:{line}")));
            }
            Scanned::TooLong | Scanned::Incomplete | Scanned::End => {
                return Err(Error::internal("a table in memory has no end").at(file));
            }
        }
    }
    Ok(WrittenTable {
        header: names,
        rows,
    })
}

/// The names of the header, where the rows begin, and on which line; `None` where it is none.
fn header(text: &str, delimiter: &str) -> Option<(Vec<String>, usize, i64)> {
    let dialect = dialect(delimiter, 0, text.len());
    let (mut at, mut line) = (0, 1);
    while at < text.len() {
        let mut cells = Vec::new();
        match dialect.scan(text.as_bytes(), at, true, &mut cells) {
            Scanned::Blank { end } => (at, line) = (end, line + 1),
            Scanned::Record { end, lines } => {
                let names = cells
                    .iter()
                    .map(|cell| content(text, cell).trim().to_string());
                return Some((names.collect(), end, line + lines));
            }
            _ => return None,
        }
    }
    Some((Vec::new(), at, line))
}

fn dialect(delimiter: &str, width: usize, length: usize) -> Dialect<'_> {
    Dialect {
        delimiter: delimiter.as_bytes(),
        quote: Some(b"\""),
        escape: Escape::Doubled,
        trim: false,
        edges: Edges::default(),
        width,
        limit: length + 1,
        quiet: Default::default(),
    }
}

/// What a cell says.
fn content(text: &str, cell: &Cell) -> String {
    let written = text.get(cell.start as usize..cell.end as usize);
    let written = written.unwrap_or_default();
    match cell.kind {
        CellKind::Doubled => written.replace("\"\"", "\""),
        _ => written.to_string(),
    }
}

/// Why a row is none. `column`: the first whose cell cannot be trusted.
fn broken(rule: Rule, column: Option<&String>, (found, width): (usize, usize)) -> Error {
    match (rule, column) {
        (Rule::UnclosedQuote, Some(column)) => Error::input(format!(
            "a quote opens in column `{column}` and does not close where the cell ends"
        ))
        .help("a cell in double quotes has a double quote before it and one behind it; one within it stands twice"),
        _ => Error::input(format!("this row has {found} cells, and the header {width}"))
            .help("a cell with a comma or a line break in it stands in double quotes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<WrittenTable> {
        read_table(text, "people.csv", |names| {
            names.iter().any(|name| name == "id")
        })
    }

    fn refused(text: &str) -> String {
        let error = read(text).unwrap_err();
        format!("{} {error}", error.location().unwrap_or_default())
    }

    #[test]
    fn cells_stand_apart_by_the_sign_that_makes_the_header() {
        for text in [
            "id,person\n1,\"p \"\"x\"\", y; z\"\n\n2,p\"2\n",
            "\u{feff}id;person\r\n1;\"p \"\"x\"\", y; z\"\r\n\r\n2;p\"2",
            "\"id\"\t\"person\"\n1\tp \"x\", y; z\n\n2\tp\"2\n",
        ] {
            let table = read(text).unwrap();
            assert_eq!(table.header, ["id", "person"]);
            let rows = table.rows.iter().map(|row| (row.line, row.cells.join("|")));
            let expected = [(2, "1|p \"x\", y; z"), (4, "2|p\"2")];
            let expected = expected.map(|(line, cells)| (line, cells.to_string()));
            assert_eq!(rows.collect::<Vec<_>>(), expected, "{text}");
        }
        assert_eq!(read("").unwrap().rows, []);
    }

    #[test]
    fn a_row_that_cannot_be_read_is_refused_by_its_line_and_column() {
        let unclosed = "a quote opens in column `person` and does not close where the cell ends";
        for (text, told) in [
            (
                "id,person\n1,p1\n2,\"p2\n3,p3\n",
                format!("people.csv:3 {unclosed}"),
            ),
            (
                "id,person\n1,\"p1\n2,\"p2\"\n3,p3\n",
                format!("people.csv:2 {unclosed}"),
            ),
            ("id,person\n1,\"p\"1\n", format!("people.csv:2 {unclosed}")),
            (
                "id,person\n\n1\n",
                "people.csv:3 this row has 1 cells, and the header 2".to_string(),
            ),
            (
                "id;person\n1;2;3\n",
                "people.csv:2 this row has 3 cells, and the header 2".to_string(),
            ),
        ] {
            assert_eq!(refused(text), told, "{text}");
        }
    }
}
