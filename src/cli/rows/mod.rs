//! The rows of a query → bytes, while they come: memory does not grow with the result.
//!
//! One file a form, each behind [`RowWriter`].

mod csv;
mod json;
mod parquet;
mod table;

pub(super) use json::json_rows;

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::TryStreamExt;

use crate::catalog::Rows;
use crate::error::{Error, Result};

/// Forms of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum RowFormat {
    /// For people: the first rows, long texts cut
    Table,
    /// RFC 4180; null is empty
    Csv,
    /// One object a line
    Json,
    /// A Parquet file
    Parquet,
}

impl RowFormat {
    /// The form that a file's name asks for.
    pub(super) fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "csv" => Some(Self::Csv),
            "json" | "ndjson" | "jsonl" => Some(Self::Json),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }
}

/// Turns batches into one form.
trait RowWriter {
    /// # Errors
    /// What writing gives.
    fn write(&mut self, batch: &RecordBatch) -> Result<()>;

    /// Ends the output.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// Where the bytes go.
type Target = Box<dyn Write + Send>;

/// Writes a result to stdout, or to a file that appears when it is whole.
///
/// # Errors
/// `Config` for Parquet on a terminal, or a file that cannot be written; what the query gives.
pub(super) async fn print(rows: Rows, format: RowFormat, output: Option<&Path>) -> Result<()> {
    let Some(path) = output else {
        if format == RowFormat::Parquet && io::stdout().is_terminal() {
            return Err(Error::config("a terminal cannot show Parquet")
                .help("name a file with `--output FILE`, or send it on with `>`"));
        }
        return match pour(rows, format, Box::new(io::stdout())).await {
            // a reader that went away (`| head`) is no failure
            Err(error) if is_gone(&error) => Ok(()),
            done => done,
        };
    };
    let part = part_of(path);
    let file = std::fs::File::create(&part).map_err(|error| unwritable(path, error))?;
    let poured = pour(rows, format, Box::new(file)).await;
    let done =
        poured.and_then(|()| std::fs::rename(&part, path).map_err(|error| unwritable(path, error)));
    if done.is_err() {
        // what is left of it is no result
        let _gone = std::fs::remove_file(&part);
    }
    done
}

async fn pour(mut rows: Rows, format: RowFormat, target: Target) -> Result<()> {
    let schema = rows.schema();
    let mut writer = writer(format, &schema, target)?;
    while let Some(batch) = rows.try_next().await? {
        writer.write(&batch)?;
    }
    writer.finish()
}

fn writer(format: RowFormat, schema: &SchemaRef, target: Target) -> Result<Box<dyn RowWriter>> {
    let target = io::BufWriter::with_capacity(1 << 16, target);
    Ok(match format {
        RowFormat::Table => Box::new(table::Table::new(schema, target)),
        RowFormat::Csv => Box::new(csv::Csv::new(schema, target)?),
        RowFormat::Json => Box::new(json::Json::new(target)),
        RowFormat::Parquet => Box::new(parquet::Parquet::new(schema, target)?),
    })
}

/// Where a file is written until it is whole.
pub(super) fn part_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".part");
    path.with_file_name(name)
}

/// Every cell of a batch as text, row by row; null as given.
pub(super) fn cells(batch: &RecordBatch, null: &str) -> Result<Vec<Vec<String>>> {
    let options = FormatOptions::default()
        .with_null(null)
        .with_timestamp_tz_format(Some("%Y-%m-%dT%H:%M:%S%.fZ"));
    let columns = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(|error| {
            Error::internal("a result cannot be shown as text").caused_by(Box::new(error))
        })?;
    let row = |row: usize| {
        let cells = columns.iter().map(|column| column.value(row).to_string());
        cells.collect()
    };
    Ok((0..batch.num_rows()).map(row).collect())
}

/// A failure to write; [`is_gone`] knows a reader that left.
fn output_failure(error: io::Error) -> Error {
    Error::config("the result cannot be written").caused_by(error)
}

fn unwritable(path: &Path, error: io::Error) -> Error {
    output_failure(error).at(path.display().to_string())
}

fn is_gone(error: &Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(found) = cause {
        if let Some(io) = found.downcast_ref::<io::Error>()
            && io.kind() == io::ErrorKind::BrokenPipe
        {
            return true;
        }
        cause = found.source();
    }
    false
}
