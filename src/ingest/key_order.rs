//! Whether rows come in the order of their keys, as most systems write them: then nobody has to sort them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::row::{RowConverter, SortField};

/// The lowest and the highest key of some rows, as bytes that compare as the keys do; null comes first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyRange {
    first: Vec<u8>,
    last: Vec<u8>,
}

impl KeyRange {
    /// Whether rows of the other range may follow those of this one.
    pub(super) fn goes_before(&self, next: &Self) -> bool {
        self.last <= next.first
    }
}

/// Looks at the keys of the batches of one export.
#[derive(Debug)]
pub(super) struct KeyOrder {
    /// Positions of the key's columns.
    key: Vec<usize>,
    converter: RowConverter,
    /// Rows out of order were seen: no batch needs to be looked at any more.
    is_lost: AtomicBool,
}

impl KeyOrder {
    /// `key`: positions of the key's columns; without any there is no order.
    ///
    /// # Errors
    /// Where the type of a key's column has no order.
    pub(super) fn new(schema: &SchemaRef, key: Vec<usize>) -> Result<Self, ArrowError> {
        let fields = key
            .iter()
            .map(|at| SortField::new(schema.field(*at).data_type().clone()));
        Ok(Self {
            converter: RowConverter::new(fields.collect())?,
            is_lost: AtomicBool::new(key.is_empty()),
            key,
        })
    }

    /// The batch's keys; `None` where it has none, or they are out of order.
    pub(super) fn look(&self, rows: &RecordBatch) -> Result<Option<KeyRange>, ArrowError> {
        if rows.num_rows() == 0 || self.is_lost.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let key: Vec<_> = self
            .key
            .iter()
            .map(|at| Arc::clone(rows.column(*at)))
            .collect();
        let keys = self.converter.convert_columns(&key)?;
        let last = rows.num_rows() - 1;
        if (0..last).any(|row| keys.row(row) > keys.row(row + 1)) {
            self.is_lost.store(true, Ordering::Relaxed);
            return Ok(None);
        }
        let bytes = |row: usize| keys.row(row).as_ref().to_vec();
        Ok(Some(KeyRange {
            first: bytes(0),
            last: bytes(last),
        }))
    }

    /// Adds the range of the next rows to that of those before; `None` from the first row on that is out of order.
    pub(super) fn extend(&self, known: &mut Option<KeyRange>, rows: usize, next: Option<KeyRange>) {
        if rows == 0 || self.is_lost.load(Ordering::Relaxed) {
            return;
        }
        match (&mut *known, next) {
            (Some(known), Some(next)) if known.goes_before(&next) => known.last = next.last,
            (none @ None, Some(next)) => *none = Some(next),
            _ => self.is_lost.store(true, Ordering::Relaxed),
        }
    }

    /// The range of all rows, if none was out of order.
    pub(super) fn finish(&self, known: Option<KeyRange>) -> Option<KeyRange> {
        known.filter(|_| !self.is_lost.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::Int64Array;
    use datafusion::arrow::datatypes::{DataType, Field, Schema};

    use super::*;

    fn is_ordered(batches: &[&[Option<i64>]]) -> bool {
        let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)]));
        let order = KeyOrder::new(&schema, vec![0]).unwrap();
        let mut range = None;
        for ids in batches {
            let ids = Arc::new(Int64Array::from(ids.to_vec()));
            let batch = RecordBatch::try_new(Arc::clone(&schema), vec![ids]).unwrap();
            let next = order.look(&batch).unwrap();
            order.extend(&mut range, batch.num_rows(), next);
        }
        order.finish(range).is_some()
    }

    #[test]
    fn order_holds_within_batches_and_across_them() {
        assert!(is_ordered(&[
            &[None, Some(-3), Some(1)],
            &[],
            &[Some(1), Some(7)]
        ]));
        assert!(!is_ordered(&[&[Some(1), None]]));
        assert!(!is_ordered(&[&[Some(1), Some(5)], &[Some(4)]]));
        assert!(!is_ordered(&[&[Some(2), Some(1)], &[Some(3)]]));
        assert!(!is_ordered(&[&[]]));
    }
}
