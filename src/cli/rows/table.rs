//! A table for people: the first rows, lined up, long texts cut, and how many rows there are in all.

use std::io::Write;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;

use super::super::format::{Align, Columns, count, plural};
use super::{RowWriter, cells, output_failure};
use crate::error::Result;

/// Rows shown.
const MOST_ROWS: usize = 200;
/// Characters of a cell shown.
const MOST_CHARACTERS: usize = 60;

pub(super) struct Table<W> {
    target: W,
    columns: Columns,
    shown: usize,
    rows: usize,
    is_cut: bool,
}

impl<W: Write> Table<W> {
    pub(super) fn new(schema: &SchemaRef, target: W) -> Self {
        let fields = || schema.fields().iter();
        let mut columns = Columns::new(fields().map(|f| Align::of(f)).collect::<Vec<_>>());
        let rule = |name: &String| "─".repeat(name.chars().count());
        columns.row(fields().map(|field| field.name().clone()).collect());
        columns.row(fields().map(|field| rule(field.name())).collect());
        Self {
            target,
            columns,
            shown: 0,
            rows: 0,
            is_cut: false,
        }
    }

    fn cell(&mut self, text: &str) -> String {
        let text = text.replace(['\n', '\r'], "⏎");
        if text.chars().count() <= MOST_CHARACTERS {
            return text;
        }
        self.is_cut = true;
        let start: String = text.chars().take(MOST_CHARACTERS - 1).collect();
        format!("{start}…")
    }

    fn note(&self) -> String {
        let whole = "`--format csv` gives all of it";
        let rows = plural(self.rows as u64, "row");
        if self.shown < self.rows {
            let shown = count(self.shown as u64);
            format!("{rows}, the first {shown} shown: {whole}\n")
        } else if self.is_cut {
            format!("{rows}, long texts cut: {whole}\n")
        } else {
            format!("{rows}\n")
        }
    }
}

impl<W: Write> RowWriter for Table<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows();
        let wanted = (MOST_ROWS - self.shown).min(batch.num_rows());
        for row in cells(&batch.slice(0, wanted), "∅")? {
            let row = row.iter().map(|cell| self.cell(cell)).collect();
            self.columns.row(row);
        }
        self.shown += wanted;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        let text = format!("{}{}", self.columns.render(""), self.note());
        let written = self.target.write_all(text.as_bytes());
        written
            .and_then(|()| self.target.flush())
            .map_err(output_failure)
    }
}
