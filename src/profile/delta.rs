//! A folder that holds a Delta table → its newest version as one table, not each of its files.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray, new_null_array};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::content;
use super::look::MOST_ROWS;
use super::table::{FileSeen, Form, TableSketch};
use crate::diagnostic::Code;
use crate::error::{Error, Result};
use crate::lake::{SourceFile, SourceTables, SourceVersion};
use crate::location::Location;
use crate::store::Store;

/// Whether a folder is that of a Delta table.
pub(crate) fn is_table(folder: &Path) -> bool {
    folder.join("_delta_log").is_dir()
}

/// Looks into the newest version of a Delta table. `path`: what its folder is called below the one that is looked into.
///
/// # Errors
/// `Input` where it cannot be read.
pub(super) async fn look(folder: &Path, path: &str) -> Result<TableSketch> {
    let real = dunce::canonicalize(folder).map_err(|error| content::unreadable(folder, error))?;
    let name = real.file_name().and_then(|name| name.to_str());
    let (Some(above), Some(name)) = (real.parent(), name) else {
        return Err(no_table("the folder has no name that is text", path));
    };
    let store = Store::open(&Location::Folder(above.to_path_buf()))?;
    let tables = SourceTables::new(store);
    let newest = tables.newest(name).await?;
    let newest = newest.ok_or_else(|| no_table("a Delta table without a version", path))?;
    let version = tables.version(name, newest).await?;
    sketch(&version, above, path)
}

fn no_table(message: &str, path: &str) -> Error {
    Error::input(message).code(Code(191)).at(path)
}

/// The rows of a version. `above`: the folder that its files are named below.
fn sketch(version: &SourceVersion, above: &Path, path: &str) -> Result<TableSketch> {
    let mut table = TableSketch::new(Form::Delta);
    let mut readers = Vec::with_capacity(version.files.len());
    for file in &version.files {
        readers.push((file, open(&above.join(&file.path), path)?));
    }
    // what no table of ours can have, its files may still say
    let in_files = |name: &str| {
        let mut schemas = readers.iter().map(|(_, reader)| reader.schema());
        let field = schemas.find_map(|schema| schema.field_with_name(name).ok().cloned());
        field.map_or(DataType::Null, |field| field.data_type().clone())
    };
    let fields = version.columns.iter().map(|column| {
        let data_type = column.data_type.clone();
        let data_type = data_type.unwrap_or_else(|| in_files(&column.name));
        Field::new(&column.name, data_type, true)
    });
    table.declare_columns(&Schema::new(fields.collect::<Vec<_>>()));
    let total: i64 = readers
        .iter()
        .map(|(_, reader)| reader.metadata().file_metadata().num_rows())
        .sum();
    for (file, reader) in readers {
        let batches = reader
            .build()
            .map_err(|error| damaged(error.into(), path))?;
        for batch in batches {
            let batch = batch.map_err(|error| damaged(error.into(), path))?;
            table.add_batch(&whole(&batch, file, version)?);
            if table.rows >= MOST_ROWS {
                break;
            }
        }
        if table.rows >= MOST_ROWS {
            break;
        }
    }
    let is_whole = table.rows == total.unsigned_abs();
    if !is_whole {
        table.notes.push(format!("it has {total} rows"));
    }
    table.close(FileSeen {
        path: path.to_string(),
        size: version.files.iter().map(|file| file.size).sum(),
        rows: 0,
        packed: None,
        is_whole,
        columns: Vec::new(),
    });
    Ok(table)
}

fn open(file: &Path, path: &str) -> Result<ParquetRecordBatchReaderBuilder<File>> {
    // to open a pipe is to wait for whoever writes to it
    let is_file = std::fs::metadata(file).is_ok_and(|found| found.is_file());
    if !is_file {
        return Err(no_table("a data file of the Delta table is gone", path));
    }
    let opened = File::open(file).map_err(|error| content::unreadable(file, error))?;
    ParquetRecordBatchReaderBuilder::try_new(opened).map_err(|error| damaged(error.into(), path))
}

fn damaged(cause: Box<dyn std::error::Error + Send + Sync>, path: &str) -> Error {
    no_table("a data file of the Delta table cannot be read", path).caused_by(cause)
}

/// A batch of a file with every column of the table: those by which it is partitioned stand in its log, and those that came
/// to the table after the file are null.
fn whole(batch: &RecordBatch, file: &SourceFile, version: &SourceVersion) -> Result<RecordBatch> {
    let rows = batch.num_rows();
    let (mut fields, mut arrays): (Vec<Field>, Vec<ArrayRef>) = (Vec::new(), Vec::new());
    for column in &version.columns {
        let array: ArrayRef = match (&column.partition, batch.column_by_name(&column.name)) {
            (Some(_), _) => {
                let value = file.partition_values.get(&column.name).cloned().flatten();
                // to the Delta protocol an empty text is null
                let value = value.filter(|text| !text.is_empty());
                let texts = std::iter::repeat_n(value.as_deref(), rows);
                Arc::new(texts.collect::<StringArray>())
            }
            (None, Some(array)) => Arc::clone(array),
            (None, None) => new_null_array(&DataType::Utf8, rows),
        };
        fields.push(Field::new(&column.name, array.data_type().clone(), true));
        arrays.push(array);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
        .map_err(|error| Error::internal("a file's columns do not fit together").caused_by(error))
}
