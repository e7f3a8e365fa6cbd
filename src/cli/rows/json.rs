//! One JSON object a line: numbers, truth values, lists and nulls as themselves, dates and times as ISO 8601.

use std::io::Write;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json::WriterBuilder;
use datafusion::arrow::json::writer::{JsonArray, LineDelimited, Writer};
use serde_json::Value;

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

/// The rows as an array of objects, in the same form.
///
/// # Errors
/// `Internal` for a type that JSON has no form for.
pub(in crate::cli) fn json_rows(batch: &RecordBatch) -> Result<Value> {
    let builder = WriterBuilder::new().with_explicit_nulls(true);
    let mut writer: Writer<Vec<u8>, JsonArray> = builder.build(Vec::new());
    writer.write(batch).map_err(failure)?;
    writer.finish().map_err(failure)?;
    let text = writer.into_inner();
    if text.is_empty() {
        return Ok(Value::Array(Vec::new()));
    }
    serde_json::from_slice(&text)
        .map_err(|error| Error::internal("a result cannot be shown as JSON").caused_by(error))
}

fn failure(error: ArrowError) -> Error {
    match error {
        ArrowError::IoError(_, error) => output_failure(error),
        error => Error::internal("a result cannot be shown as JSON").caused_by(error),
    }
}
