//! Counts rows whose key is that of the row before them, across the borders of batches and files.

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::compute::{concat, partition};
use datafusion::arrow::datatypes::Schema;
use datafusion::arrow::error::ArrowError;

/// Keeps the last key from batch to batch. The rows must be sorted by key.
#[derive(Debug)]
pub(super) struct DuplicateCounter {
    /// Positions of the key's columns.
    columns: Vec<usize>,
    /// One row.
    last: Option<Vec<ArrayRef>>,
}

impl DuplicateCounter {
    /// # Errors
    /// Where the key names a column that is none.
    pub(super) fn new(schema: &Schema, key: &[String]) -> Result<Self, ArrowError> {
        let columns = key.iter().map(|name| schema.index_of(name));
        Ok(Self {
            columns: columns.collect::<Result<_, _>>()?,
            last: None,
        })
    }

    /// How many rows of the batch repeat the key before them.
    pub(super) fn count(&mut self, batch: &RecordBatch) -> Result<u64, ArrowError> {
        let Some(last) = batch.num_rows().checked_sub(1) else {
            return Ok(0);
        };
        let key = self.columns.iter().map(|at| batch.column(*at).clone());
        let key: Vec<ArrayRef> = key.collect();
        let row = |at: usize| key.iter().map(move |column| column.slice(at, 1));
        let at_border = match &self.last {
            Some(before) => {
                let pairs = before.iter().zip(row(0));
                let border = pairs.map(|(before, first)| concat(&[before, &first]));
                repeats(&border.collect::<Result<Vec<_>, _>>()?)?
            }
            None => 0,
        };
        self.last = Some(row(last).collect());
        Ok(at_border + repeats(&key)?)
    }
}

/// How many rows have the key of the row before them.
fn repeats(key: &[ArrayRef]) -> Result<u64, ArrowError> {
    let rows = key.first().map_or(0, |column| column.len());
    Ok((rows - partition(key)?.len()) as u64)
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
