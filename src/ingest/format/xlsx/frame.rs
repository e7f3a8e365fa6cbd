//! What stands around the records of a sheet: title rows, several header rows, total rows.

use std::collections::VecDeque;
use std::io::{self, Read};

use super::names;
use super::sheet::{Row, Rows, Value, place_of};
use super::xml::{Node, Xml, attribute};
use crate::project::Frame;

/// Merged cells that are kept; those of a header are among the first.
const MOST_MERGED: usize = 10_000;

/// The rows of a sheet that hold something and are no title.
pub(super) struct Framed<'a, R: Read> {
    rows: Rows<'a, R>,
    frame: &'a Frame,
    /// Rows that may be the last.
    held: VecDeque<Row>,
    has_ended: bool,
}

impl<'a, R: Read> Framed<'a, R> {
    pub(super) fn new(rows: Rows<'a, R>, frame: &'a Frame) -> Self {
        Self {
            rows,
            frame,
            held: VecDeque::new(),
            has_ended: false,
        }
    }

    /// The next row, also where it begins as the end of the records does; a header may.
    ///
    /// # Errors
    /// Those of a damaged sheet.
    pub(super) fn any(&mut self) -> io::Result<Option<Row>> {
        while let Some(row) = self.rows.next()? {
            let is_blank = row.cells.is_empty() && !row.is_too_long;
            if !is_blank && u64::try_from(row.number).is_ok_and(|at| at > self.frame.skip_lines) {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// The next row of a record.
    ///
    /// # Errors
    /// Those of a damaged sheet.
    pub(super) fn record(&mut self) -> io::Result<Option<Row>> {
        while !self.has_ended {
            match self.any()? {
                Some(row) if self.begins(&row, self.frame.comment.as_slice()) => continue,
                Some(row) if !self.begins(&row, &self.frame.until) => self.held.push_back(row),
                _ => self.has_ended = true,
            }
            if self.held.len() as u64 > self.frame.skip_footer {
                return Ok(self.held.pop_front());
            }
        }
        Ok(None)
    }

    /// Whether the first cell of a row that holds something begins with one of the texts: of words with the whole word, since
    /// `Totalt` is no `Totaltvätt AB`.
    fn begins(&self, row: &Row, texts: &[String]) -> bool {
        let Some((_, Value::Text(text) | Value::Number(text) | Value::Moment(text))) =
            row.cells.first()
        else {
            return false;
        };
        let text = text.trim_start();
        texts.iter().any(|begin| {
            let rest = text.strip_prefix(begin.as_str());
            let is_of_word = |c: char| c.is_alphanumeric() || c == '_';
            let is_word = begin.ends_with(is_of_word);
            rest.is_some_and(|rest| !(is_word && rest.starts_with(is_of_word)))
        })
    }
}

/// Cells that are one: rows and columns, both ends among them.
pub(super) struct Merged {
    rows: (i64, i64),
    columns: (usize, usize),
}

/// The merged cells of a sheet, which come after its rows.
///
/// # Errors
/// Those of a damaged sheet.
pub(super) fn merged(sheet: impl Read) -> io::Result<Vec<Merged>> {
    let mut xml = Xml::new(sheet);
    let mut found = Vec::new();
    loop {
        match xml.next()? {
            Node::End => return Ok(found),
            Node::Open(element) if element.local_name().as_ref() == b"mergeCell" => {
                let range = attribute(&element, "ref").unwrap_or_default();
                let ends = range.split_once(':');
                let ends = ends.and_then(|(from, to)| Some((place_of(from)?, place_of(to)?)));
                if let (Some((from, to)), true) = (ends, found.len() < MOST_MERGED) {
                    found.push(Merged {
                        rows: (from.1, to.1),
                        columns: (from.0, to.0),
                    });
                }
            }
            Node::Open(_) | Node::Close(_) | Node::Text(_) => {}
        }
    }
}

/// Adds the names of one row to those above: a merged cell names each column that it spans.
pub(super) fn join(above: Vec<String>, row: &Row, merged: &[Merged]) -> Vec<String> {
    let mut own = names(row);
    for cell in merged.iter().filter(|cell| cell.rows.0 == row.number) {
        let Some(name) = own
            .get(cell.columns.0)
            .filter(|name| !name.is_empty())
            .cloned()
        else {
            continue;
        };
        own.resize(own.len().max(cell.columns.1 + 1), String::new());
        own[cell.columns.0..=cell.columns.1].fill(name);
    }
    let width = above.len().max(own.len());
    let mut joined = above;
    joined.resize(width, String::new());
    for (name, part) in joined.iter_mut().zip(own) {
        if !name.is_empty() && !part.is_empty() {
            name.push(' ');
        }
        name.push_str(&part);
    }
    joined
}
