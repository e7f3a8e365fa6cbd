//! Sums of integers and decimals in a type that holds them whatever they are, and their way back.
//!
//! DataFusion adds 64 bits to 64 bits, and a sum that does not fit wraps into a number that looks like any other. Here the
//! values are widened first, its own accumulators add them, and only what is read is held to the type it is promised in:
//! no order of the rows decides whether a sum fails.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray,
};
use datafusion::arrow::datatypes::{
    DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, DataType, Decimal128Type, Decimal256Type,
    Field, FieldRef, Int64Type, UInt64Type, i256,
};
use datafusion::common::cast::as_int64_array;
use datafusion::common::{DataFusionError, Result, ScalarValue, internal_err};
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

use crate::column_type::ColumnType;
use crate::diagnostic::Code;
use crate::engine::checked_arithmetic::wider;
use crate::error::Error;

/// Sums of decimals up to here stay below 38 digits for as long as anyone can count rows.
const NARROW_PRECISION: u8 = 28;

/// The type that a sum is promised in, and the one in which its values are added.
#[derive(Clone, Debug)]
pub(super) struct Widened {
    promised: DataType,
    wide: DataType,
    /// The call, for messages.
    name: String,
}

impl Widened {
    /// `None` where DataFusion's own sum is meant to stay: doubles have one of ours, lengths of time none.
    pub(super) fn of(value: &DataType, promised: &DataType, name: &str) -> Option<Self> {
        let wide = match (value, promised) {
            (_, DataType::Int64 | DataType::UInt64) => {
                DataType::Decimal128(DECIMAL128_MAX_PRECISION, 0)
            }
            (DataType::Decimal128(precision, scale), DataType::Decimal128(..)) => {
                if *precision <= NARROW_PRECISION {
                    DataType::Decimal128(DECIMAL128_MAX_PRECISION, *scale)
                } else {
                    DataType::Decimal256(DECIMAL256_MAX_PRECISION, *scale)
                }
            }
            _ => return None,
        };
        Some(Self {
            promised: promised.clone(),
            wide,
            name: call_of(name).to_string(),
        })
    }

    pub(super) fn field(&self) -> FieldRef {
        Arc::new(Field::new("sum", self.wide.clone(), true))
    }

    fn widen(&self, values: &ArrayRef) -> Result<ArrayRef> {
        Ok(match (values.data_type(), &self.wide) {
            (DataType::Int64, DataType::Decimal128(..)) => {
                Arc::new(unary::<Int64Type, Decimal128Type>(values, i128::from))
            }
            (DataType::UInt64, DataType::Decimal128(..)) => {
                Arc::new(unary::<UInt64Type, Decimal128Type>(values, i128::from))
            }
            (DataType::Decimal128(..), DataType::Decimal256(..)) => {
                Arc::new(unary::<Decimal128Type, Decimal256Type>(
                    values,
                    i256::from_i128,
                ))
            }
            (DataType::Decimal128(..), DataType::Decimal128(..)) => Arc::clone(values),
            (given, _) => return internal_err!("{given} where a sum's type was coerced to"),
        })
    }

    /// What was added, in the type that was promised.
    fn narrow(&self, sums: &ArrayRef) -> Result<ArrayRef> {
        let beyond = || self.beyond();
        Ok(match (sums.data_type(), &self.promised) {
            (DataType::Decimal128(..), DataType::Int64) => {
                let sums = sums.as_primitive::<Decimal128Type>();
                let fit = |sum| i64::try_from(sum).map_err(|_| beyond());
                Arc::new(sums.try_unary::<_, Int64Type, _>(fit)?)
            }
            (DataType::Decimal128(..), DataType::UInt64) => {
                let sums = sums.as_primitive::<Decimal128Type>();
                let fit = |sum| u64::try_from(sum).map_err(|_| beyond());
                Arc::new(sums.try_unary::<_, UInt64Type, _>(fit)?)
            }
            (DataType::Decimal128(..), DataType::Decimal128(precision, scale)) => {
                let sums = sums.as_primitive::<Decimal128Type>();
                sums.validate_decimal_precision(*precision)
                    .map_err(|_| beyond())?;
                let sums = sums
                    .clone()
                    .with_data_type(DataType::Decimal128(*precision, *scale));
                Arc::new(sums)
            }
            (DataType::Decimal256(..), DataType::Decimal128(precision, scale)) => {
                let sums = sums.as_primitive::<Decimal256Type>();
                let fit = |sum: i256| sum.to_i128().ok_or_else(beyond);
                let sums = sums.try_unary::<_, Decimal128Type, _>(fit)?;
                sums.validate_decimal_precision(*precision)
                    .map_err(|_| beyond())?;
                Arc::new(sums.with_data_type(DataType::Decimal128(*precision, *scale)))
            }
            (given, _) => return internal_err!("{given} where sums were added"),
        })
    }

    fn beyond(&self) -> DataFusionError {
        let promised = ColumnType::of_arrow(&self.promised)
            .map_or_else(|| self.promised.to_string(), |known| known.to_string());
        let error = Error::quality(format!("`{}` is beyond what {promised} holds", self.name))
            .code(Code(805))
            .help(format!("sum it in a wider type: {}", wider(&self.promised)));
        DataFusionError::External(Box::new(error))
    }
}

/// `sum(x)` of `sum(x) ORDER BY [y ASC NULLS LAST] ROWS …`.
fn call_of(name: &str) -> &str {
    let mut depth = 0;
    let end = name.char_indices().find(|(_, letter)| {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => return false,
        }
        depth == 0
    });
    end.map_or(name, |(end, _)| &name[..=end])
}

fn unary<From: ArrowPrimitiveType, To: ArrowPrimitiveType>(
    values: &ArrayRef,
    wide: impl Fn(From::Native) -> To::Native,
) -> PrimitiveArray<To> {
    values.as_primitive::<From>().unary(wide)
}

/// DataFusion's accumulator of one group, over widened values.
#[derive(Debug)]
pub(super) struct WideAccumulator {
    widened: Widened,
    inner: Box<dyn Accumulator>,
}

impl WideAccumulator {
    /// The accumulator itself where nothing was widened.
    pub(super) fn around(
        widened: Option<Widened>,
        inner: Box<dyn Accumulator>,
    ) -> Box<dyn Accumulator> {
        match widened {
            Some(widened) => Box::new(Self { widened, inner }),
            None => inner,
        }
    }
}

impl Accumulator for WideAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.update_batch(&[self.widened.widen(&values[0])?])
    }

    fn supports_retract_batch(&self) -> bool {
        self.inner.supports_retract_batch()
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.retract_batch(&[self.widened.widen(&values[0])?])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let sum = self.inner.evaluate()?.to_array()?;
        ScalarValue::try_from_array(&self.widened.narrow(&sum)?, 0)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.inner.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.inner.merge_batch(states)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.inner.size()
    }
}

/// DataFusion's accumulator of many groups, over widened values.
pub(super) struct WideGroupsAccumulator {
    widened: Widened,
    inner: Box<dyn GroupsAccumulator>,
}

impl WideGroupsAccumulator {
    /// The accumulator itself where nothing was widened.
    pub(super) fn around(
        widened: Option<Widened>,
        inner: Box<dyn GroupsAccumulator>,
    ) -> Box<dyn GroupsAccumulator> {
        match widened {
            Some(widened) => Box::new(Self { widened, inner }),
            None => inner,
        }
    }
}

impl GroupsAccumulator for WideGroupsAccumulator {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        let wide = self.widened.widen(&values[0])?;
        self.inner
            .update_batch(&[wide], group_indices, filter, total_num_groups)
    }

    fn merge_batch(
        &mut self,
        states: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.inner
            .merge_batch(states, group_indices, total_num_groups)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let sums = self.inner.evaluate(emit_to)?;
        self.widened.narrow(&sums)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        self.inner.state(emit_to)
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let wide = self.widened.widen(&values[0])?;
        self.inner.convert_to_state(&[wide], filter)
    }

    fn size(&self) -> usize {
        self.inner.size()
    }
}

/// `sum(distinct x)` of bigints over a window that slides: how often each value is in it, and their sum.
#[derive(Debug)]
pub(super) struct DistinctWindow {
    widened: Widened,
    counts: BTreeMap<i64, u64>,
    sum: i128,
}

impl DistinctWindow {
    pub(super) fn new(widened: Widened) -> Self {
        Self {
            widened,
            counts: BTreeMap::new(),
            sum: 0,
        }
    }
}

impl Accumulator for DistinctWindow {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in as_int64_array(&values[0])?.iter().flatten() {
            let count = self.counts.entry(value).or_default();
            if *count == 0 {
                self.sum += i128::from(value);
            }
            *count += 1;
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in as_int64_array(&values[0])?.iter().flatten() {
            if let Entry::Occupied(mut count) = self.counts.entry(value) {
                *count.get_mut() -= 1;
                if *count.get() == 0 {
                    count.remove();
                    self.sum -= i128::from(value);
                }
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.counts.is_empty() {
            return Ok(ScalarValue::Int64(None));
        }
        let sum = i64::try_from(self.sum).map_err(|_| self.widened.beyond())?;
        Ok(ScalarValue::Int64(Some(sum)))
    }

    /// Windows are computed in one piece.
    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        internal_err!("a window has no state to send")
    }

    fn merge_batch(&mut self, _: &[ArrayRef]) -> Result<()> {
        internal_err!("a window has no state to receive")
    }

    fn size(&self) -> usize {
        // a B-tree's nodes are between half full and full
        size_of_val(self) + self.counts.len() * size_of::<(i64, u64)>() * 2
    }
}
