//! A file that says who is behind each record: CSV or Parquet, with the columns of the record's key and one of the person.

use std::fs::File;
use std::path::Path;

use datafusion::arrow::array::{Array, RecordBatch, StringArray};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::tables::texts;
use crate::error::{Error, Result};
use crate::project::Matching;

/// Who is behind a record: the parts of its key with the sign of keys between, then the person.
pub(super) type TruthRow = (String, String);

/// Reads a truth.
///
/// # Errors
/// `Config` for a file that cannot be read, or that lacks a column of the key.
pub(super) fn read(path: &Path, matching: &Matching) -> Result<Vec<TruthRow>> {
    let at = |error: Error| error.at(path.display().to_string());
    let open = || {
        File::open(path)
            .map_err(|error| at(Error::config("the truth cannot be read").caused_by(error)))
    };
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => {
            open()?;
            let text = std::fs::read_to_string(path);
            let text = text
                .map_err(|error| at(Error::config("the truth cannot be read").caused_by(error)))?;
            of_csv(text.trim_start_matches('\u{feff}'), matching).map_err(at)
        }
        Some("parquet") => of_parquet(open()?, matching).map_err(at),
        _ => Err(at(Error::config("a truth is a .csv or a .parquet file"))),
    }
}

/// Places of the key's columns, then of the person's: the column that is left.
fn places(header: &[String], matching: &Matching) -> Result<Vec<usize>> {
    let place = |name: &String| header.iter().position(|column| column == name);
    let key: Vec<&String> = matching
        .record_key
        .iter()
        .map(|column| &column.value)
        .collect();
    let found: Option<Vec<usize>> = key.iter().map(|name| place(name)).collect();
    let rest = (0..header.len()).filter(|at| !key.contains(&&header[*at]));
    let rest: Vec<usize> = rest.collect();
    match (found, rest.as_slice()) {
        (Some(mut places), [person]) => {
            places.push(*person);
            Ok(places)
        }
        _ => {
            let key: Vec<&str> = key.iter().map(|name| name.as_str()).collect();
            Err(Error::config(format!(
                "the columns of the truth are {}",
                header.join(", ")
            ))
            .help(format!(
                "they must be {} and one that names the person",
                key.join(", ")
            )))
        }
    }
}

fn of_csv(text: &str, matching: &Matching) -> Result<Vec<TruthRow>> {
    let mut rows = lines(text).into_iter();
    let header = rows.next().unwrap_or_default();
    let places = places(&header, matching)?;
    let row = |cells: Vec<String>| {
        let wanted = places.iter().map(|at| cells.get(*at).cloned());
        let mut wanted: Vec<String> = wanted.collect::<Option<_>>()?;
        let person = wanted.pop()?;
        Some((wanted.join("\u{1f}"), person))
    };
    Ok(rows.filter_map(row).collect())
}

/// The cells of CSV (RFC 4180), line by line; empty lines are none.
fn lines(text: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut row: Vec<String> = Vec::new();
    let mut cell = String::new();
    let mut is_quoted = false;
    let mut signs = text.chars().peekable();
    while let Some(sign) = signs.next() {
        match sign {
            '"' if is_quoted && signs.peek() == Some(&'"') => {
                signs.next();
                cell.push('"');
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => row.push(std::mem::take(&mut cell)),
            '\n' if !is_quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            '\r' if !is_quoted => {}
            sign => cell.push(sign),
        }
    }
    row.push(cell);
    rows.push(row);
    rows.retain(|row| row.len() > 1 || row.iter().any(|cell| !cell.is_empty()));
    rows
}

fn of_parquet(file: File, matching: &Matching) -> Result<Vec<TruthRow>> {
    let unreadable =
        |error| Error::config("the truth is no readable Parquet file").caused_by(error);
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(unreadable)?;
    let fields = builder.schema().fields().iter();
    let header: Vec<String> = fields.map(|field| field.name().clone()).collect();
    let places = places(&header, matching)?;
    let reader = builder.build().map_err(unreadable)?;
    let mut rows = Vec::new();
    for batch in reader {
        let batch: RecordBatch = batch.map_err(|error| {
            Error::config("the truth is no readable Parquet file").caused_by(error)
        })?;
        let columns = places.iter().map(|at| texts(batch.column(*at)));
        let columns = columns.collect::<Result<Vec<StringArray>>>()?;
        for row in 0..batch.num_rows() {
            if columns.iter().any(|column| column.is_null(row)) {
                continue;
            }
            let mut cells: Vec<&str> = columns.iter().map(|column| column.value(row)).collect();
            let person = cells.pop().unwrap_or_default().to_string();
            rows.push((cells.join("\u{1f}"), person));
        }
    }
    Ok(rows)
}
