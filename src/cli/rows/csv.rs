//! CSV as RFC 4180 has it: a header, `,`, quotes where needed; null is empty.

use std::io::Write;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;

use super::{RowWriter, cells, output_failure};
use crate::error::Result;

pub(super) struct Csv<W> {
    target: W,
}

impl<W: Write> Csv<W> {
    pub(super) fn new(schema: &SchemaRef, target: W) -> Result<Self> {
        let mut csv = Self { target };
        let names = schema.fields().iter().map(|field| field.name().clone());
        csv.line(names.collect())?;
        Ok(csv)
    }

    fn line(&mut self, cells: Vec<String>) -> Result<()> {
        let cells: Vec<String> = cells.into_iter().map(quoted).collect();
        writeln!(self.target, "{}", cells.join(",")).map_err(output_failure)
    }
}

fn quoted(cell: String) -> String {
    if cell.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell
    }
}

impl<W: Write> RowWriter for Csv<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        for row in cells(batch, "")? {
            self.line(row)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.target.flush().map_err(output_failure)
    }
}
