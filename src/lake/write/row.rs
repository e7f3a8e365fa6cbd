//! What the writer says of a file, as a row that may travel between machines.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{
    ArrayRef, AsArray, ListBuilder, RecordBatch, StringArray, StringBuilder, UInt64Array,
    UInt64Builder,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt64Type};
use datafusion::error::Result as DataFusionResult;

use crate::error::{Error, Result};
use crate::lake::Digest;

/// One written file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileRow {
    /// Below the table's folder, not URL-encoded.
    pub(super) path: String,
    /// Bytes.
    pub(super) size: u64,
    /// Of the spec's partition columns, in their order.
    pub(super) partition_values: Vec<Option<String>>,
    /// Delta's statistics, JSON.
    pub(super) statistics: String,
    pub(super) digest: Digest,
    pub(super) counters: Vec<u64>,
    /// Rows whose key is that of the row before, which may stand in the file before.
    pub(super) duplicate_keys: u64,
}

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let list = |item| DataType::List(Arc::new(Field::new_list_field(item, true)));
    Arc::new(Schema::new(vec![
        Field::new("path", DataType::Utf8, false),
        Field::new("size", DataType::UInt64, false),
        Field::new("partition_values", list(DataType::Utf8), false),
        Field::new("statistics", DataType::Utf8, false),
        Field::new("digest", DataType::Utf8, false),
        Field::new("counters", list(DataType::UInt64), false),
        Field::new("duplicate_keys", DataType::UInt64, false),
    ]))
});

impl FileRow {
    pub(super) fn schema() -> SchemaRef {
        Arc::clone(&SCHEMA)
    }

    pub(super) fn to_batch(rows: &[Self]) -> DataFusionResult<RecordBatch> {
        let mut partition_values = ListBuilder::new(StringBuilder::new());
        let mut counters = ListBuilder::new(UInt64Builder::new());
        for row in rows {
            partition_values.append_value(row.partition_values.iter().map(Option::as_deref));
            counters.append_value(row.counters.iter().copied().map(Some));
        }
        let text = |of: fn(&Self) -> String| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(rows.iter().map(of)))
        };
        let number = |of: fn(&Self) -> u64| -> ArrayRef {
            Arc::new(UInt64Array::from_iter_values(rows.iter().map(of)))
        };
        let columns = vec![
            text(|row| row.path.clone()),
            number(|row| row.size),
            Arc::new(partition_values.finish()),
            text(|row| row.statistics.clone()),
            text(|row| row.digest.to_string()),
            Arc::new(counters.finish()),
            number(|row| row.duplicate_keys),
        ];
        Ok(RecordBatch::try_new(Self::schema(), columns)?)
    }

    /// # Errors
    /// `Internal` for a batch of another shape.
    pub(super) fn of_batch(batch: &RecordBatch) -> Result<Vec<Self>> {
        if batch.schema_ref() != &*SCHEMA {
            return Err(Error::internal("the writer yields rows of another shape"));
        }
        let text = |column: usize, row| {
            batch
                .column(column)
                .as_string::<i32>()
                .value(row)
                .to_string()
        };
        let number =
            |column: usize, row| batch.column(column).as_primitive::<UInt64Type>().value(row);
        (0..batch.num_rows())
            .map(|row| {
                let values = batch.column(2).as_list::<i32>().value(row);
                let counters = batch.column(5).as_list::<i32>().value(row);
                Ok(Self {
                    path: text(0, row),
                    size: number(1, row),
                    partition_values: values
                        .as_string::<i32>()
                        .iter()
                        .map(|value| value.map(str::to_string))
                        .collect(),
                    statistics: text(3, row),
                    digest: text(4, row).parse()?,
                    counters: counters.as_primitive::<UInt64Type>().values().to_vec(),
                    duplicate_keys: number(6, row),
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_survive_the_batch() {
        let rows = vec![
            FileRow {
                path: "country=SE/1.parquet".into(),
                size: 7,
                partition_values: vec![Some("SE".into()), None],
                statistics: "{}".into(),
                digest: Digest { sum: 9, rows: 2 },
                counters: vec![1, 0],
                duplicate_keys: 3,
            },
            FileRow {
                path: "2.parquet".into(),
                size: 0,
                partition_values: vec![],
                statistics: String::new(),
                digest: Digest::default(),
                counters: vec![],
                duplicate_keys: 0,
            },
        ];
        let batch = FileRow::to_batch(&rows).unwrap();
        assert_eq!(FileRow::of_batch(&batch).unwrap(), rows);
    }
}
