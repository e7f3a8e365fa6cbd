//! The exact sum of the distinct values of one group.

use std::collections::BTreeSet;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::cast::{as_float64_array, as_list_array};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Accumulator;

use super::{Reading, Total};

/// The values as bits, `-0` taken as `0` and every NaN as one.
#[derive(Debug)]
pub(super) struct DistinctAccumulator {
    reading: Reading,
    values: BTreeSet<u64>,
}

impl DistinctAccumulator {
    pub(super) fn new(reading: Reading) -> Self {
        Self {
            reading,
            values: BTreeSet::new(),
        }
    }
}

fn comparable_bits(value: f64) -> u64 {
    match value {
        _ if value.is_nan() => f64::NAN.to_bits(),
        0.0 => 0,
        _ => value.to_bits(),
    }
}

impl Accumulator for DistinctAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = as_float64_array(&values[0])?;
        self.values
            .extend(values.iter().flatten().map(comparable_bits));
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut total = Total::default();
        self.values
            .iter()
            .for_each(|bits| total.add(f64::from_bits(*bits)));
        Ok(ScalarValue::Float64(
            self.reading.of(&total, self.values.len() as u64),
        ))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values: Vec<ScalarValue> = self
            .values
            .iter()
            .map(|bits| f64::from_bits(*bits).into())
            .collect();
        let list = ScalarValue::new_list_nullable(&values, &DataType::Float64);
        Ok(vec![ScalarValue::List(list)])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for values in as_list_array(&states[0])?.iter().flatten() {
            self.update_batch(&[values])?;
        }
        Ok(())
    }

    fn size(&self) -> usize {
        // A B-tree's nodes are between half full and full.
        size_of_val(self) + self.values.len() * size_of::<u64>() * 2
    }
}
