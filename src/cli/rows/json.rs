//! One JSON object a line: numbers, truth values, lists and nulls as themselves, dates and times as ISO 8601.

use std::io::Write;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json::WriterBuilder;
use datafusion::arrow::json::writer::{LineDelimited, Writer};

use super::{RowWriter, output_failure};
use crate::error::{Error, Result};

pub(super) struct Json<W: Write> {
    writer: Writer<W, LineDelimited>,
}

impl<W: Write> Json<W> {
    pub(super) fn new(target: W) -> Self {
        let builder = WriterBuilder::new().with_explicit_nulls(true);
        Self {
            writer: builder.build(target),
        }
    }
}

impl<W: Write> RowWriter for Json<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.writer.write(batch).map_err(failure)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.writer.finish().map_err(failure)?;
        self.writer.into_inner().flush().map_err(output_failure)
    }
}

fn failure(error: ArrowError) -> Error {
    match error {
        ArrowError::IoError(_, error) => output_failure(error),
        error => Error::internal("a result cannot be shown as JSON").caused_by(error),
    }
}
