//! Parquet, read batch by batch from a copy on the builder's disk: the footer comes last, and the bytes that are hashed
//! are the bytes that are read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::parquet::errors::ParquetError;

use super::csv::missing_columns;
use super::lines::unreadable;
use super::{BATCH_ROWS, Decoding, Format, Seen, converter};
use crate::diagnostic::Code;
use crate::error::{Error, Result};
use crate::ingest::conform::{Conformer, Converter};
use crate::ingest::output::Place;
use crate::ingest::reject::json_row;
use crate::project::{Encoding, ParquetRead};

/// Parquet, converted as a source declares.
pub(super) struct Parquet {
    read: ParquetRead,
}

impl Parquet {
    pub(super) fn new(read: ParquetRead) -> Self {
        Self { read }
    }
}

/// Where each column of the contract stands in the file, `None` where the path gives it.
struct Layout {
    columns: Vec<Option<usize>>,
    seen: Seen,
}

impl Format for Parquet {
    fn converter(&self) -> Converter {
        converter(&self.read.conversions, Encoding::Utf8, b'"')
    }

    fn decode(&self, bytes: &mut dyn Read, mut task: Decoding<'_>) -> Result<Seen> {
        let Some(file) = copy(bytes, &task)? else {
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
        let layout = layout(task.conformer, names, path)?;
        let mut wanted: Vec<usize> = layout.columns.iter().flatten().copied().collect();
        wanted.sort_unstable();
        wanted.dedup();
        let mask = ProjectionMask::roots(builder.parquet_schema(), wanted.iter().copied());
        let reader = builder
            .with_projection(mask)
            .with_batch_size(BATCH_ROWS)
            .build()
            .map_err(no_parquet)?;
        let mut row = 1;
        for batch in reader {
            let batch = batch.map_err(|error| no_parquet(error.into()))?;
            write_batch(&batch, row, &layout, &wanted, &mut task)?;
            row += batch.num_rows() as i64;
        }
        Ok(layout.seen)
    }
}

/// The export as a file; `None` where it has no byte.
fn copy(bytes: &mut dyn Read, task: &Decoding<'_>) -> Result<Option<File>> {
    let scratch = |error: io::Error| {
        Error::unavailable("a scratch file cannot be written")
            .at(task.scratch.display().to_string())
            .caused_by(error)
    };
    let mut writer = BufWriter::new(File::create(task.scratch).map_err(scratch)?);
    let mut buffer = vec![0; 1 << 17];
    let mut size = 0;
    loop {
        let length = match bytes.read(&mut buffer) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(unreadable(error, task.file)),
        };
        if length == 0 {
            break;
        }
        size += length;
        writer.write_all(&buffer[..length]).map_err(scratch)?;
    }
    writer.flush().map_err(scratch)?;
    drop(writer);
    if size == 0 {
        return Ok(None);
    }
    File::open(task.scratch).map(Some).map_err(scratch)
}

fn layout(conformer: &Conformer, names: Vec<String>, file: &str) -> Result<Layout> {
    let mut columns = Vec::new();
    let mut missing = Vec::new();
    for (column, target) in conformer.targets.iter().enumerate() {
        let own = std::slice::from_ref(&target.name);
        let wanted = if target.from.is_empty() {
            own
        } else {
            &target.from
        };
        let at = wanted
            .iter()
            .find_map(|name| names.iter().position(|seen| seen == name));
        if at.is_none() && !conformer.is_captured(column) {
            missing.push(wanted.join("` or `"));
        }
        columns.push(at);
    }
    if !missing.is_empty() {
        return Err(missing_columns(&missing, &names, file));
    }
    let ignored = (0..names.len()).filter(|at| !columns.contains(&Some(*at)));
    let ignored = ignored.map(|at| names[at].clone()).collect();
    Ok(Layout {
        columns,
        seen: Seen {
            header: Some(names),
            ignored,
        },
    })
}

/// `first_row`: row of the batch's first record, from 1. `wanted`: positions in the file of the batch's columns.
fn write_batch(
    batch: &RecordBatch,
    first_row: i64,
    layout: &Layout,
    wanted: &[usize],
    task: &mut Decoding<'_>,
) -> Result<()> {
    let rows = batch.num_rows();
    let conformer = task.conformer;
    let conformed = conformer.hold(rows, BTreeMap::new(), |column| {
        let mut faults = Vec::new();
        let at = layout.columns[column].and_then(|at| wanted.binary_search(&at).ok());
        let array = match at {
            None => conformer.captured_column(column, rows)?,
            Some(at) => conformer
                .converter
                .convert_array(
                    batch.column(at),
                    &conformer.targets[column].data_type,
                    &mut faults,
                )
                .map_err(|error| error.code(Code(403)).at(task.file))?,
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
    let columns: Vec<(&str, &ArrayRef)> = schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .zip(batch.columns())
        .collect();
    task.output
        .write(conformer, &conformed, &places, None, |row| {
            json_row(columns.iter().copied(), row)
        })
}
