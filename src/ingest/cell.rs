//! Fields as the formats find them: spans of the export's text, not yet values.
//!
//! In: offsets into one block of text. Out: views that the conversions read column by column. Nothing here is copied,
//! unescaped or decoded: that happens when, and only when, a column wants it.

use super::tape::{NOTHING, Tape};

/// What kind of text a cell is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CellKind {
    /// The record has no such field.
    Missing,
    /// The format's own null.
    Null,
    /// Text as it stands, in the export's encoding.
    Text,
    /// Delimited text between quotes that holds doubled quotes or escapes.
    Doubled,
    /// A JSON string that holds escapes, without its quotes.
    Escaped,
    /// A JSON number; its decimal sign is `.` whatever the export's is.
    Number,
    /// The same, in a workbook whose days count from 1904.
    NumberFrom1904,
    /// JSON's `true` or `false`.
    Boolean,
    /// A date or time in ISO 8601, whatever the export's formats are.
    Iso,
    /// A JSON array or object, whole.
    Json,
}

/// One field: bytes of the block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) kind: CellKind,
}

impl Cell {
    /// A field that is not there.
    pub(crate) const MISSING: Self = Self {
        start: 0,
        end: 0,
        kind: CellKind::Missing,
    };

    /// The bytes `start..end` of a block shorter than 4 GB, which blocks always are.
    pub(crate) fn new(start: usize, end: usize, kind: CellKind) -> Self {
        Self {
            start: start as u32,
            end: end as u32,
            kind,
        }
    }
}

/// One column of cells that stand record by record, `width` apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CellColumn<'a> {
    text: &'a [u8],
    cells: &'a [Cell],
    tape: &'a Tape,
    width: usize,
    at: usize,
}

impl<'a> CellColumn<'a> {
    /// Column `at` of records of `width` cells.
    pub(crate) fn new(text: &'a [u8], cells: &'a [Cell], width: usize, at: usize) -> Self {
        debug_assert!(at < width);
        Self {
            text,
            cells,
            tape: &NOTHING,
            width,
            at,
        }
    }

    /// The same, where the cells that are JSON were recorded.
    pub(crate) fn with_tape(self, tape: &'a Tape) -> Self {
        Self { tape, ..self }
    }

    /// Where the cells that are JSON were recorded.
    pub(crate) fn tape(&self) -> &'a Tape {
        self.tape
    }

    /// Number of records.
    pub(crate) fn len(&self) -> usize {
        self.cells.len() / self.width
    }

    /// The block that the cells point into.
    pub(crate) fn text(&self) -> &'a [u8] {
        self.text
    }

    /// The cell of a record.
    pub(crate) fn cell(&self, row: usize) -> Cell {
        self.cells[row * self.width + self.at]
    }

    /// Kinds and bytes of all records' cells, in order.
    pub(crate) fn iter(self) -> impl ExactSizeIterator<Item = (CellKind, &'a [u8])> {
        let text = self.text;
        self.cells.chunks_exact(self.width).map(move |record| {
            let cell = record[self.at];
            (cell.kind, &text[cell.start as usize..cell.end as usize])
        })
    }
}
