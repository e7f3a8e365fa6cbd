//! The exact sum of one group.

use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::common::cast::{as_float64_array, as_large_binary_array, as_uint64_array};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::Accumulator;

use super::{Reading, Total};

/// A total and how many values are in it; nulls are not counted.
#[derive(Debug)]
pub(super) struct ExactAccumulator {
    reading: Reading,
    total: Total,
    count: u64,
}

impl ExactAccumulator {
    pub(super) fn new(reading: Reading) -> Self {
        Self {
            reading,
            total: Total::default(),
            count: 0,
        }
    }
}

impl Accumulator for ExactAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = as_float64_array(&values[0])?;
        values
            .iter()
            .flatten()
            .for_each(|value| self.total.add(value));
        self.count += (values.len() - values.null_count()) as u64;
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = as_float64_array(&values[0])?;
        values
            .iter()
            .flatten()
            .for_each(|value| self.total.subtract(value));
        self.count -= (values.len() - values.null_count()) as u64;
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Float64(
            self.reading.of(&self.total, self.count),
        ))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let mut bytes = Vec::new();
        self.total.write(&mut bytes);
        Ok(vec![
            ScalarValue::LargeBinary(Some(bytes)),
            ScalarValue::UInt64(Some(self.count)),
        ])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let totals = as_large_binary_array(&states[0])?;
        let counts = as_uint64_array(&states[1])?;
        for (bytes, count) in totals.iter().zip(counts).filter_map(|(b, c)| b.zip(c)) {
            let Some(total) = Total::read(bytes) else {
                return internal_err!("the state of an exact sum cannot be read");
            };
            self.total.merge(&total);
            self.count += count;
        }
        Ok(())
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.total.heap_size()
    }
}
