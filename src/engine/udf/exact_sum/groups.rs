//! The exact sums of many groups at once.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, BooleanArray, Float64Array, LargeBinaryBuilder, UInt64Array,
};
use datafusion::common::cast::{as_float64_array, as_large_binary_array, as_uint64_array};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};

use super::{Reading, Total};

/// A total and a count for each group; 40 bytes a group while its total fits a window.
pub(super) struct ExactGroupsAccumulator {
    reading: Reading,
    totals: Vec<Total>,
    counts: Vec<u64>,
    /// Bytes behind the totals, kept up to date since nobody may walk over all groups to ask.
    heap: usize,
}

impl ExactGroupsAccumulator {
    pub(super) fn new(reading: Reading) -> Self {
        Self {
            reading,
            totals: Vec::new(),
            counts: Vec::new(),
            heap: 0,
        }
    }

    fn grow(&mut self, groups: usize) {
        self.totals.resize_with(groups, Total::default);
        self.counts.resize(groups, 0);
    }

    fn change(&mut self, group: usize, count: u64, change: impl FnOnce(&mut Total)) {
        let total = &mut self.totals[group];
        let before = total.heap_size();
        change(total);
        self.heap += total.heap_size() - before;
        self.counts[group] += count;
    }

    fn take(&mut self, emit_to: EmitTo) -> (Vec<Total>, Vec<u64>) {
        let totals = emit_to.take_needed(&mut self.totals);
        self.heap -= totals.iter().map(Total::heap_size).sum::<usize>();
        (totals, emit_to.take_needed(&mut self.counts))
    }
}

/// The value of a row, unless it is null or filtered out.
fn value_at(values: &Float64Array, filter: Option<&BooleanArray>, row: usize) -> Option<f64> {
    let is_kept = filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
    (is_kept && values.is_valid(row)).then(|| values.value(row))
}

fn state_arrays(totals: &[Total], counts: Vec<u64>) -> Vec<ArrayRef> {
    let mut builder = LargeBinaryBuilder::with_capacity(totals.len(), 20 * totals.len());
    let mut bytes = Vec::new();
    for total in totals {
        bytes.clear();
        total.write(&mut bytes);
        builder.append_value(&bytes);
    }
    vec![
        Arc::new(builder.finish()),
        Arc::new(UInt64Array::from(counts)),
    ]
}

impl GroupsAccumulator for ExactGroupsAccumulator {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        let values = as_float64_array(&values[0])?;
        self.grow(total_num_groups);
        if filter.is_none() && values.null_count() == 0 {
            for (value, group) in values.values().iter().zip(group_indices) {
                self.change(*group, 1, |total| total.add(*value));
            }
            return Ok(());
        }
        for (row, group) in group_indices.iter().enumerate() {
            if let Some(value) = value_at(values, filter, row) {
                self.change(*group, 1, |total| total.add(value));
            }
        }
        Ok(())
    }

    fn merge_batch(
        &mut self,
        states: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        let totals = as_large_binary_array(&states[0])?;
        let counts = as_uint64_array(&states[1])?;
        self.grow(total_num_groups);
        for (row, group) in group_indices.iter().enumerate() {
            let Some(other) = Total::read(totals.value(row)) else {
                return internal_err!("the state of an exact sum cannot be read");
            };
            self.change(*group, counts.value(row), |total| total.merge(&other));
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let (totals, counts) = self.take(emit_to);
        let read = totals
            .iter()
            .zip(counts)
            .map(|(total, count)| self.reading.of(total, count));
        Ok(Arc::new(read.collect::<Float64Array>()))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let (totals, counts) = self.take(emit_to);
        Ok(state_arrays(&totals, counts))
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let values = as_float64_array(&values[0])?;
        let (totals, counts): (Vec<Total>, Vec<u64>) = (0..values.len())
            .map(|row| {
                let mut total = Total::default();
                let value = value_at(values, filter, row);
                value.into_iter().for_each(|value| total.add(value));
                (total, u64::from(value.is_some()))
            })
            .unzip();
        Ok(state_arrays(&totals, counts))
    }

    fn size(&self) -> usize {
        self.totals.capacity() * size_of::<Total>()
            + self.counts.capacity() * size_of::<u64>()
            + self.heap
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(values: &[Option<f64>]) -> Vec<ArrayRef> {
        vec![Arc::new(values.iter().copied().collect::<Float64Array>())]
    }

    fn read(accumulator: &mut ExactGroupsAccumulator, emit_to: EmitTo) -> Vec<Option<f64>> {
        let array = accumulator.evaluate(emit_to).unwrap();
        as_float64_array(&array).unwrap().iter().collect()
    }

    #[test]
    fn groups_without_values_are_null_and_nulls_are_not_counted() {
        let mut average = ExactGroupsAccumulator::new(Reading::Average);
        let batch = values(&[Some(1.0), None, Some(2.0), None]);
        average
            .update_batch(&batch, &[0, 0, 0, 2], None, 3)
            .unwrap();
        assert_eq!(read(&mut average, EmitTo::All), [Some(1.5), None, None]);
    }

    #[test]
    fn filtered_rows_do_not_count() {
        let filter = BooleanArray::from(vec![Some(true), Some(false), None]);
        let mut sum = ExactGroupsAccumulator::new(Reading::Sum);
        let batch = values(&[Some(1.0), Some(2.0), Some(4.0)]);
        sum.update_batch(&batch, &[0, 0, 0], Some(&filter), 1)
            .unwrap();
        let state = sum.convert_to_state(&batch, Some(&filter)).unwrap();
        sum.merge_batch(&state, &[0, 0, 0], 1).unwrap();
        assert_eq!(read(&mut sum, EmitTo::All), [Some(2.0)]);
    }

    #[test]
    fn first_groups_leave_and_the_others_move_up() {
        let mut sum = ExactGroupsAccumulator::new(Reading::Sum);
        let batch = values(&[Some(1e300), Some(1e-300), Some(5.0), Some(1e300)]);
        sum.update_batch(&batch, &[0, 0, 1, 2], None, 3).unwrap();
        assert!(sum.heap > 0);
        assert_eq!(read(&mut sum, EmitTo::First(1)), [Some(1e300)]);
        assert_eq!(sum.heap, 0);
        sum.update_batch(&values(&[Some(1.0)]), &[0], None, 2)
            .unwrap();
        assert_eq!(read(&mut sum, EmitTo::All), [Some(6.0), Some(1e300)]);
    }

    #[test]
    fn state_carries_every_bit() {
        let parts = [[1e16, 0.5], [-1e16, 0.25], [1e-300, 1e300]];
        let mut whole = ExactGroupsAccumulator::new(Reading::Sum);
        let mut merged = ExactGroupsAccumulator::new(Reading::Sum);
        for part in parts {
            let batch = values(&part.map(Some));
            whole.update_batch(&batch, &[0, 0], None, 1).unwrap();
            let mut partial = ExactGroupsAccumulator::new(Reading::Sum);
            partial.update_batch(&batch, &[0, 0], None, 1).unwrap();
            merged
                .merge_batch(&partial.state(EmitTo::All).unwrap(), &[0], 1)
                .unwrap();
        }
        assert_eq!(
            read(&mut merged, EmitTo::All),
            read(&mut whole, EmitTo::All)
        );
    }
}
