//! A Parquet file that every reader knows: no views, no schema of Arrow's own.

use std::io::Write;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::{RowWriter, output_failure};
use crate::error::{Error, Result};

/// Encoded bytes held before they are written.
const ROW_GROUP: usize = 16 << 20;

pub(super) struct Parquet<W: Write + Send> {
    writer: ArrowWriter<W>,
}

impl<W: Write + Send> Parquet<W> {
    pub(super) fn new(schema: &SchemaRef, target: W) -> Result<Self> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).map_err(failure)?))
            .set_created_by(concat!("kilde version ", env!("CARGO_PKG_VERSION")).to_string())
            .set_max_row_group_bytes(Some(ROW_GROUP))
            .set_coerce_types(true)
            .build();
        let options = ArrowWriterOptions::new()
            .with_properties(properties)
            .with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(target, SchemaRef::clone(schema), options)
            .map_err(failure)?;
        Ok(Self { writer })
    }
}

impl<W: Write + Send> RowWriter for Parquet<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.writer.write(batch).map_err(failure)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let mut target = self.writer.into_inner().map_err(failure)?;
        target.flush().map_err(output_failure)
    }
}

fn failure(error: ParquetError) -> Error {
    match error {
        ParquetError::External(cause) => match cause.downcast::<std::io::Error>() {
            Ok(error) => output_failure(*error),
            Err(cause) => Error::internal("a result cannot be written as Parquet").caused_by(cause),
        },
        error => Error::config("the result cannot be written as Parquet").caused_by(error),
    }
}
