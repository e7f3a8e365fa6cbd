//! Parquet, read batch by batch from a copy on the builder's disk: the footer comes last, and the bytes that are hashed
//! are the bytes that are read.

use std::collections::BTreeMap;
use std::io::Read;

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::parquet::errors::ParquetError;

use super::layout;
use super::scratch::copy;
use super::{ALONE, BATCH_ROWS, Decoding, Format, Seen, converter};
use crate::diagnostic::Code;
use crate::error::{Error, Result};
use crate::ingest::conform::{Conformer, Converter, Escaping};
use crate::ingest::output::{Judged, Place, judge};
use crate::ingest::reject::json_row;
use crate::parallel;
use crate::project::{Conversions, Encoding};

/// Parquet, converted as a source declares.
pub(super) struct Parquet {
    conversions: Conversions,
}

impl Parquet {
    pub(super) fn new(conversions: Conversions) -> Self {
        Self { conversions }
    }
}

impl Format for Parquet {
    fn converter(&self) -> Converter {
        converter(&self.conversions, Encoding::Utf8, Escaping::doubled(b"\""))
    }

    fn decode(&self, bytes: &mut dyn Read, mut task: Decoding<'_>) -> Result<Seen> {
        let Some(file) = copy(bytes, task.scratch, task.file)? else {
            return Ok(Seen::default());
        };
        let path = task.file;
        let no_parquet = |error: ParquetError| {
            Error::input("the export is no Parquet file, or a damaged one")
                .code(Code(403))
                .at(path)
                .help("check `read` of the source; ask the sender to deliver the file again")
                .caused_by(error)
        };
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(no_parquet)?;
        let names = builder.schema().fields().iter();
        let names: Vec<String> = names.map(|field| field.name().clone()).collect();
        let columns = layout::find(task.conformer, &names, path)?;
        let mut wanted: Vec<usize> = columns.iter().flatten().copied().collect();
        wanted.sort_unstable();
        wanted.dedup();
        let mask = ProjectionMask::roots(builder.parquet_schema(), wanted.iter().copied());
        let reader = builder
            .with_projection(mask)
            .with_batch_size(BATCH_ROWS)
            .build()
            .map_err(no_parquet)?;
        let batches = reader.map(|batch| batch.map_err(|error| no_parquet(error.into())));
        write_batches(batches, 1, &columns, &wanted, &mut task)?;
        Ok(layout::seen(&columns, names))
    }
}

/// Hands over batches, which are converted on all threads; gives the row behind the last.
///
/// `first_row`: row of the first record, the first being 1. `columns`: where each column of the contract stands in the file, `None`
/// where the path gives it. `wanted`: positions in the file of the batches' columns.
pub(super) fn write_batches(
    mut batches: impl Iterator<Item = Result<RecordBatch>>,
    first_row: i64,
    columns: &[Option<usize>],
    wanted: &[usize],
    task: &mut Decoding<'_>,
) -> Result<i64> {
    let (conformer, file, threads) = (task.conformer, task.file, task.threads);
    let output = &mut *task.output;
    let mut row = first_row;
    parallel::in_order(
        threads,
        ALONE,
        || {
            let batch = batches.next().transpose()?;
            Ok(batch.map(|batch| {
                let first = row;
                row += batch.num_rows() as i64;
                (batch, first)
            }))
        },
        |(batch, first)| judge_batch(&batch, first, columns, wanted, conformer, file),
        |judged| output.take(conformer, judged?),
    )?;
    Ok(row)
}

/// What becomes of the records of one batch.
fn judge_batch(
    batch: &RecordBatch,
    first_row: i64,
    columns: &[Option<usize>],
    wanted: &[usize],
    conformer: &Conformer,
    file: &str,
) -> Result<Judged> {
    let rows = batch.num_rows();
    let conformed = conformer.hold(rows, BTreeMap::new(), |column| {
        let mut faults = Vec::new();
        let at = columns[column].and_then(|at| wanted.binary_search(&at).ok());
        let array = match at {
            None => conformer.captured_column(column, rows)?,
            Some(at) => conformer
                .converter
                .convert_array(
                    batch.column(at),
                    &conformer.targets[column].data_type,
                    &mut faults,
                )
                .map_err(|error| error.code(Code(403)).at(file))?,
        };
        Ok((array, faults))
    })?;
    let places: Vec<Place> = (0..rows as i64)
        .map(|row| Place {
            start: 0,
            end: 0,
            line: first_row + row,
            byte: None,
        })
        .collect();
    let schema = batch.schema();
    let shown: Vec<(&str, &ArrayRef)> = schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .zip(batch.columns())
        .collect();
    judge(conformer, &conformed, &places, None, |row| {
        json_row(shown.iter().copied(), row)
    })
}
