//! The Parquet files of a Delta table at one version, one after the other: columns that a file lacks are null, those by which
//! the table is partitioned stand in its log.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, RecordBatch, RecordBatchOptions, StringArray, new_null_array,
};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::parquet::arrow::ProjectionMask;

use super::parquet::{batch_rows, open, write_batches};
use super::{Decoding, Seen, layout};
use crate::diagnostic::Code;
use crate::error::{Error, Result};

/// A column of the table.
pub(in crate::ingest) struct DeltaColumn {
    pub(in crate::ingest) name: String,
    /// What its values are, where the log has them and not the files.
    pub(in crate::ingest) partition: Option<DataType>,
}

/// A table on its way to the output, file by file.
pub(in crate::ingest) struct DeltaFiles {
    columns: Vec<DeltaColumn>,
    /// Where each column of the contract stands in the table.
    found: Vec<Option<usize>>,
    /// Columns of the table that the contract wants.
    wanted: Vec<usize>,
    /// The row that comes next, from 1.
    row: i64,
}

impl DeltaFiles {
    /// # Errors
    /// `Input` where the table lacks columns of the contract.
    pub(in crate::ingest) fn new(columns: Vec<DeltaColumn>, task: &Decoding<'_>) -> Result<Self> {
        let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        let found = layout::find(task.conformer, &names, task.file)?;
        let mut wanted: Vec<usize> = found.iter().flatten().copied().collect();
        wanted.sort_unstable();
        wanted.dedup();
        Ok(Self {
            columns,
            found,
            wanted,
            row: 1,
        })
    }

    /// Takes the rows of one file. `values`: those of the columns by which the table is partitioned.
    ///
    /// # Errors
    /// `Input` K0191 where it is no Parquet file, or the log's values are none of their columns'.
    pub(in crate::ingest) fn read(
        &mut self,
        file: File,
        values: &BTreeMap<String, Option<String>>,
        task: &mut Decoding<'_>,
    ) -> Result<()> {
        let path = task.file;
        let damaged = |error: Box<dyn std::error::Error + Send + Sync>| {
            damaged("a data file of the Delta table cannot be read", path).caused_by(error)
        };
        let builder = open(file).map_err(|error| damaged(error.into()))?;
        let of_file = |at: &usize| {
            let column = &self.columns[*at];
            let there = builder.schema().index_of(&column.name).ok();
            there.filter(|_| column.partition.is_none())
        };
        let roots: Vec<usize> = self.wanted.iter().filter_map(of_file).collect();
        let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
        let rows = batch_rows(&builder, &mask, task)?;
        let reader = builder
            .with_projection(mask)
            .with_batch_size(rows)
            .build()
            .map_err(|error| damaged(error.into()))?;
        let batches = reader.map(|batch| {
            let batch = batch.map_err(|error| damaged(error.into()))?;
            self.batch(&batch, values, path)
        });
        self.row = write_batches(batches, self.row, &self.found, &self.wanted, task)?;
        Ok(())
    }

    /// The wanted columns of a batch of a file.
    fn batch(
        &self,
        batch: &RecordBatch,
        values: &BTreeMap<String, Option<String>>,
        path: &str,
    ) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let mut fields = Vec::with_capacity(self.wanted.len());
        let mut arrays = Vec::with_capacity(self.wanted.len());
        for at in &self.wanted {
            let column = &self.columns[*at];
            let array = match (&column.partition, batch.column_by_name(&column.name)) {
                (Some(data_type), _) => {
                    let value = values.get(&column.name).cloned().flatten();
                    partition_column(value, data_type, rows).map_err(|error| error.at(path))?
                }
                (None, Some(array)) => Arc::clone(array),
                // it came to the table after the file
                (None, None) => new_null_array(&DataType::Null, rows),
            };
            fields.push(Field::new(&column.name, array.data_type().clone(), true));
            arrays.push(array);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options).map_err(
            |error| Error::internal("a file's columns do not fit together").caused_by(error),
        )
    }

    /// What the table says of its columns.
    pub(in crate::ingest) fn seen(self) -> Seen {
        let names = self.columns.into_iter().map(|column| column.name);
        layout::seen(&self.found, names.collect())
    }
}

/// A value of the log, once for each row of a file. To the Delta protocol an empty text is null.
fn partition_column(value: Option<String>, data_type: &DataType, rows: usize) -> Result<ArrayRef> {
    let value = value.filter(|text| !text.is_empty());
    let texts: StringArray = std::iter::repeat_n(value.as_deref(), rows).collect();
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(&texts, data_type, &options).map_err(|_| {
        // the value may be a person's
        damaged(
            "a value by which the Delta table is partitioned is none of its column's",
            "",
        )
    })
}

fn damaged(what: &str, path: &str) -> Error {
    Error::input(what)
        .code(Code(191))
        .at(path)
        .help("`kilde explain K0191` says which tables are read")
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::AsArray;
    use datafusion::arrow::datatypes::Date32Type;

    use super::*;

    #[test]
    fn values_of_the_log_have_the_type_of_their_column() {
        let days = partition_column(Some("2026-03-01".into()), &DataType::Date32, 2).unwrap();
        assert_eq!(days.as_primitive::<Date32Type>().value(1), 20_513);
        let nothing = partition_column(Some(String::new()), &DataType::Utf8, 1).unwrap();
        assert_eq!(nothing.null_count(), 1);
        let error = partition_column(Some("secret".into()), &DataType::Int64, 1).unwrap_err();
        let text = format!("{}{:?}", error.render(), error.causes());
        assert!(text.contains("K0191") && !text.contains("secret"), "{text}");
    }
}
