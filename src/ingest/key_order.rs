//! Whether rows come in the order of their keys, as most systems write them: then nobody has to sort them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch};
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::arrow::compute::kernels::cmp::{eq, gt};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::row::{RowConverter, SortField};

use super::conform::table_schema;
use crate::project::Contract;

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

    /// Whether they may, and no key is in both.
    pub(super) fn ends_before(&self, next: &Self) -> bool {
        self.last < next.first
    }
}

/// Batches of rows that stand in the order of their keys, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ordered {
    /// Of all of them.
    pub(super) range: KeyRange,
    /// None of them is empty.
    pub(super) batches: Vec<OrderedBatch>,
}

/// A batch among others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OrderedBatch {
    pub(super) rows: usize,
    /// Whether its first key is not that of the row before.
    pub(super) begins_key: bool,
}

/// Where to cut batches into at most so many runs of about as many rows each, so that the rows of a key stay together: the first
/// batch of every run.
pub(super) fn cuts(batches: &[OrderedBatch], runs: usize) -> Vec<usize> {
    let total: usize = batches.iter().map(|batch| batch.rows).sum();
    let (mut cuts, mut before) = (vec![0], 0);
    for (at, batch) in batches.iter().enumerate() {
        let is_due = before * runs >= total * cuts.len();
        if at > 0 && batch.begins_key && is_due {
            cuts.push(at);
        }
        before += batch.rows;
    }
    cuts
}

/// The columns in whose order the rows of a table stand: its key; all of them, where it has none and each has an order.
pub(super) fn order_of(contract: &Contract) -> Vec<String> {
    let key = contract.key_names();
    if !key.is_empty() {
        return key.into_iter().map(str::to_string).collect();
    }
    let schema = table_schema(contract);
    let fields = schema.fields();
    match fields.iter().any(|field| field.data_type().is_nested()) {
        true => Vec::new(),
        false => fields.iter().map(|field| field.name().clone()).collect(),
    }
}

/// Looks at the keys of the batches of one export; where a table has no key, all columns are one.
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
        let last = rows.num_rows() - 1;
        if !self.is_ascending(&key)? {
            self.is_lost.store(true, Ordering::Relaxed);
            return Ok(None);
        }
        let bytes = |row: usize| {
            let key: Vec<_> = key.iter().map(|column| column.slice(row, 1)).collect();
            let keys = self.converter.convert_columns(&key)?;
            Ok::<_, ArrowError>(keys.row(0).as_ref().to_vec())
        };
        Ok(Some(KeyRange {
            first: bytes(0)?,
            last: bytes(last)?,
        }))
    }

    /// Whether no row has a lower key than the row before it.
    fn is_ascending(&self, key: &[ArrayRef]) -> Result<bool, ArrowError> {
        let is_plain =
            |column: &ArrayRef| column.null_count() == 0 && !column.data_type().is_nested();
        // column by column, for the rows that all columns before left equal
        let mut is_open: Option<BooleanBuffer> = None;
        for column in key {
            if !is_plain(column) {
                let keys = self.converter.convert_columns(key)?;
                let rows: Vec<_> = keys.iter().collect();
                return Ok(rows.is_sorted());
            }
            let rows = column.len() - 1;
            let (before, after) = (column.slice(0, rows), column.slice(1, rows));
            let of_open = |found: &BooleanBuffer| match &is_open {
                Some(open) => open & found,
                None => found.clone(),
            };
            if of_open(gt(&before, &after)?.values()).count_set_bits() > 0 {
                return Ok(false);
            }
            let open = of_open(eq(&before, &after)?.values());
            if open.count_set_bits() == 0 {
                break;
            }
            is_open = Some(open);
        }
        Ok(true)
    }

    /// Adds the next batch to those before; `None` from the first row on that is out of order.
    pub(super) fn extend(&self, known: &mut Option<Ordered>, rows: usize, next: Option<KeyRange>) {
        if rows == 0 {
            return;
        }
        let mut batch = OrderedBatch {
            rows,
            begins_key: true,
        };
        match (&mut *known, next) {
            _ if self.is_lost.load(Ordering::Relaxed) => *known = None,
            (Some(known), Some(next)) if known.range.goes_before(&next) => {
                batch.begins_key = known.range.ends_before(&next);
                known.batches.push(batch);
                known.range.last = next.last;
            }
            (none @ None, Some(range)) => {
                *none = Some(Ordered {
                    range,
                    batches: vec![batch],
                });
            }
            _ => self.is_lost.store(true, Ordering::Relaxed),
        }
    }

    /// All batches, if no row was out of order.
    pub(super) fn finish(&self, known: Option<Ordered>) -> Option<Ordered> {
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

    #[test]
    fn later_columns_count_where_those_before_are_equal() {
        let fields = ["a", "b"].map(|name| Field::new(name, DataType::Int64, true));
        let schema = Arc::new(Schema::new(fields.to_vec()));
        let is_ordered = |rows: &[(i64, i64)]| {
            let order = KeyOrder::new(&schema, vec![0, 1]).unwrap();
            let columns: [ArrayRef; 2] = [
                Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0))),
                Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.1))),
            ];
            let batch = RecordBatch::try_new(Arc::clone(&schema), columns.to_vec()).unwrap();
            order.look(&batch).unwrap().is_some()
        };
        assert!(is_ordered(&[(1, 9), (2, 1), (2, 1), (2, 3), (5, 0)]));
        assert!(!is_ordered(&[(1, 9), (2, 3), (2, 1)]));
        assert!(!is_ordered(&[(2, 1), (1, 9)]));
        assert!(is_ordered(&[(2, 1)]));
    }

    #[test]
    fn runs_are_as_even_as_keys_and_batches_allow() {
        let batches = |sizes: &[(usize, bool)]| -> Vec<OrderedBatch> {
            let batches = sizes.iter().map(|(rows, begins_key)| OrderedBatch {
                rows: *rows,
                begins_key: *begins_key,
            });
            batches.collect()
        };
        let even = batches(&[(10, true); 8]);
        assert_eq!(cuts(&even, 1), [0]);
        assert_eq!(cuts(&even, 4), [0, 2, 4, 6]);
        assert_eq!(cuts(&even, 100), [0, 1, 2, 3, 4, 5, 6, 7]);
        let one_key = batches(&[(10, true), (10, false), (10, false), (10, true)]);
        assert_eq!(cuts(&one_key, 4), [0, 3]);
        let large = batches(&[(100, true), (1, true), (1, true)]);
        assert_eq!(cuts(&large, 2), [0, 1]);
        assert_eq!(cuts(&[], 8), [0]);
    }
}
