//! Counts rows whose key is that of the row before them, across the borders of batches and files.

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::row::{OwnedRow, RowConverter, SortField};

/// Keeps the last key from batch to batch. The rows must be sorted by key.
#[derive(Debug)]
pub(super) struct DuplicateCounter {
    /// Positions of the key's columns.
    columns: Vec<usize>,
    converter: RowConverter,
    last: Option<OwnedRow>,
}

impl DuplicateCounter {
    /// # Errors
    /// Where a key column's type has no order.
    pub(super) fn new(
        schema: &datafusion::arrow::datatypes::Schema,
        key: &[String],
    ) -> Result<Self, ArrowError> {
        let columns = key
            .iter()
            .map(|name| schema.index_of(name))
            .collect::<Result<Vec<_>, _>>()?;
        let fields = columns
            .iter()
            .map(|i| SortField::new(schema.field(*i).data_type().clone()))
            .collect();
        Ok(Self {
            columns,
            converter: RowConverter::new(fields)?,
            last: None,
        })
    }

    /// How many rows of the batch repeat the key before them.
    pub(super) fn count(&mut self, batch: &RecordBatch) -> Result<u64, ArrowError> {
        let Some(last) = batch.num_rows().checked_sub(1) else {
            return Ok(0);
        };
        let key: Vec<_> = self
            .columns
            .iter()
            .map(|i| batch.column(*i).clone())
            .collect();
        let rows = self.converter.convert_columns(&key)?;
        let border = self
            .last
            .as_ref()
            .is_some_and(|before| before.row() == rows.row(0));
        let within = (0..last)
            .filter(|i| rows.row(*i) == rows.row(*i + 1))
            .count();
        self.last = Some(rows.row(last).owned());
        Ok(within as u64 + u64::from(border))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::Int64Array;
    use datafusion::arrow::datatypes::{DataType, Field, Schema};

    use super::*;

    #[test]
    fn neighbours_are_counted_across_batches() {
        let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)]));
        let batch = |values: Vec<Option<i64>>| {
            let ids = Arc::new(Int64Array::from(values));
            RecordBatch::try_new(Arc::clone(&schema), vec![ids]).unwrap()
        };
        let mut counter = DuplicateCounter::new(&schema, &["id".into()]).unwrap();
        assert_eq!(counter.count(&batch(vec![None, None, Some(1)])).unwrap(), 1);
        assert_eq!(counter.count(&batch(vec![])).unwrap(), 0);
        assert_eq!(counter.count(&batch(vec![Some(1), Some(1)])).unwrap(), 2);
        assert_eq!(counter.count(&batch(vec![Some(2)])).unwrap(), 0);
    }
}
