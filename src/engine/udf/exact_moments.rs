//! `var`, `stddev`, `covar`, `corr` and `regr_…`, the same in any order.
//!
//! DataFusion updates means and squares as values arrive, so the last bits depend on threads and files. Here the sums
//! behind them are exact ([`Total`]): of values, and of products, each kept as two doubles that add up to it. They are read
//! once, as sums of two doubles, so that little is lost where a mean is far greater than the spread around it.
//!
//! ```sql
//! select stddev(amount), corr(price, amount), regr_slope(amount, price) from sales
//! ```
//!
//! - Rows in which an argument is null do not count.
//! - Null where nothing is known: of no rows; of one, for samples, correlation and slopes; where a spread divides and is 0.
//! - Of two arguments the first is y, the second x, as in SQL's standard; `regr_r2` is 1 where all y are equal.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, Float64Array};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::cast::{as_float64_array, as_large_binary_array, as_uint64_array};
use datafusion::common::{Result, ScalarValue, internal_err, plan_err};
use datafusion::functions_aggregate::correlation::corr_udaf;
use datafusion::functions_aggregate::covariance::{covar_pop_udaf, covar_samp_udaf};
use datafusion::functions_aggregate::regr::{
    regr_avgx_udaf, regr_avgy_udaf, regr_count_udaf, regr_intercept_udaf, regr_r2_udaf,
    regr_slope_udaf, regr_sxx_udaf, regr_sxy_udaf, regr_syy_udaf,
};
use datafusion::functions_aggregate::stddev::{stddev_pop_udaf, stddev_udaf};
use datafusion::functions_aggregate::variance::{var_pop_udaf, var_samp_udaf};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, Signature, Volatility,
};

use super::exact_sum::Total;

/// What is read from the sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Reading {
    Variance { of_sample: bool },
    Deviation { of_sample: bool },
    Covariance { of_sample: bool },
    Correlation,
    Slope,
    Intercept,
    Fit,
    Count,
    AverageX,
    AverageY,
    SpreadX,
    SpreadY,
    SpreadXY,
}

impl Reading {
    fn arguments(self) -> usize {
        match self {
            Self::Variance { .. } | Self::Deviation { .. } => 1,
            _ => 2,
        }
    }
}

/// Every function of this file, in place of DataFusion's of the same name.
pub(super) fn exact_moments() -> Vec<AggregateUDF> {
    let all = [
        (var_samp_udaf(), Reading::Variance { of_sample: true }),
        (var_pop_udaf(), Reading::Variance { of_sample: false }),
        (stddev_udaf(), Reading::Deviation { of_sample: true }),
        (stddev_pop_udaf(), Reading::Deviation { of_sample: false }),
        (covar_samp_udaf(), Reading::Covariance { of_sample: true }),
        (covar_pop_udaf(), Reading::Covariance { of_sample: false }),
        (corr_udaf(), Reading::Correlation),
        (regr_slope_udaf(), Reading::Slope),
        (regr_intercept_udaf(), Reading::Intercept),
        (regr_r2_udaf(), Reading::Fit),
        (regr_count_udaf(), Reading::Count),
        (regr_avgx_udaf(), Reading::AverageX),
        (regr_avgy_udaf(), Reading::AverageY),
        (regr_sxx_udaf(), Reading::SpreadX),
        (regr_syy_udaf(), Reading::SpreadY),
        (regr_sxy_udaf(), Reading::SpreadXY),
    ];
    all.into_iter()
        .map(|(builtin, reading)| {
            AggregateUDF::new_from_impl(ExactMoment {
                builtin,
                reading,
                signature: Signature::user_defined(Volatility::Immutable),
            })
        })
        .collect()
}

/// DataFusion's aggregate by name, computed here.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ExactMoment {
    builtin: Arc<AggregateUDF>,
    reading: Reading,
    signature: Signature,
}

impl AggregateUDFImpl for ExactMoment {
    fn name(&self) -> &str {
        self.builtin.name()
    }

    fn aliases(&self) -> &[String] {
        self.builtin.aliases()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let is_number = |given: &DataType| given.is_numeric() || given.is_null();
        if types.len() == self.reading.arguments() && types.iter().all(is_number) {
            return Ok(vec![DataType::Float64; types.len()]);
        }
        match self.reading.arguments() {
            1 => plan_err!("`{0}` takes one number: {0}(amount)", self.name()),
            _ => plan_err!("`{0}` takes two numbers: {0}(y, x)", self.name()),
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.reading {
            Reading::Count => DataType::UInt64,
            _ => DataType::Float64,
        })
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if args.is_distinct {
            return plan_err!(
                "`{0}` takes each row: for distinct values, `select {0}(x) from (select distinct x from …)`",
                self.name()
            );
        }
        Ok(Box::new(Moments {
            reading: self.reading,
            count: 0,
            totals: Default::default(),
        }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let count = format_state_name(args.name, "count");
        let mut fields = vec![Arc::new(Field::new(count, DataType::UInt64, false))];
        fields.extend(SUMS.map(|sum| {
            let name = format_state_name(args.name, sum);
            Arc::new(Field::new(name, DataType::LargeBinary, false))
        }));
        Ok(fields)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.builtin.documentation()
    }
}

/// The sums, in the order of [`Moments::totals`].
const SUMS: [&str; 5] = ["x", "y", "xx", "yy", "xy"];
const X: usize = 0;
const Y: usize = 1;
const XX: usize = 2;
const YY: usize = 3;
const XY: usize = 4;

/// Of one group.
#[derive(Debug)]
struct Moments {
    reading: Reading,
    count: u64,
    totals: [Total; 5],
}

impl Moments {
    /// Adds every row, or takes it back.
    fn apply(&mut self, values: &[ArrayRef], is_back: bool) -> Result<()> {
        let (ys, xs): (Option<&Float64Array>, &Float64Array) = match values {
            [x] => (None, as_float64_array(x)?),
            [y, x] => (Some(as_float64_array(y)?), as_float64_array(x)?),
            _ => return internal_err!("a moment of {} columns", values.len()),
        };
        for row in 0..xs.len() {
            let y_is_null = ys.is_some_and(|ys| ys.is_null(row));
            if xs.is_null(row) || y_is_null {
                continue;
            }
            let x = xs.value(row);
            self.put(X, x, is_back);
            self.put_product(XX, x, x, is_back);
            if let Some(ys) = ys {
                let y = ys.value(row);
                self.put(Y, y, is_back);
                self.put_product(YY, y, y, is_back);
                self.put_product(XY, x, y, is_back);
            }
            match is_back {
                false => self.count += 1,
                true => self.count -= 1,
            }
        }
        Ok(())
    }

    fn put(&mut self, sum: usize, value: f64, is_back: bool) {
        match is_back {
            false => self.totals[sum].add(value),
            true => self.totals[sum].subtract(value),
        }
    }

    /// A product is the sum of two doubles: the nearest one, and what it misses.
    fn put_product(&mut self, sum: usize, a: f64, b: f64, is_back: bool) {
        let product = Double::product(a, b);
        self.put(sum, product.high, is_back);
        if product.low != 0.0 && product.low.is_finite() {
            self.put(sum, product.low, is_back);
        }
    }

    /// Σab − Σa Σb / n: of the products of deviations from the means.
    fn spread(&self, product: usize, a: usize, b: usize) -> f64 {
        let count = Double::of(self.count as f64);
        let [product, a, b] = [product, a, b].map(|sum| Double::of_total(&self.totals[sum]));
        product.times(count).minus(a.times(b)).high / count.high
    }

    /// The same of one column, which is never negative.
    fn own_spread(&self, product: usize, a: usize) -> f64 {
        let spread = self.spread(product, a, a);
        if spread < 0.0 { 0.0 } else { spread }
    }

    fn average(&self, sum: usize) -> f64 {
        self.totals[sum].value() / self.count as f64
    }

    /// What divides the spread of a sample or of everybody; `None` where there are too few rows.
    fn divisor(&self, of_sample: bool) -> Option<f64> {
        let divisor = self.count.checked_sub(u64::from(of_sample))?;
        (divisor > 0).then_some(divisor as f64)
    }

    fn read(&self) -> Option<f64> {
        let (spread_x, spread_y) = (self.own_spread(XX, X), self.own_spread(YY, Y));
        let spread_xy = self.spread(XY, X, Y);
        let is_line = self.count > 1 && spread_x != 0.0;
        match self.reading {
            Reading::Variance { of_sample } => Some(spread_x / self.divisor(of_sample)?),
            Reading::Deviation { of_sample } => Some((spread_x / self.divisor(of_sample)?).sqrt()),
            Reading::Covariance { of_sample } => Some(spread_xy / self.divisor(of_sample)?),
            Reading::Correlation => {
                let is_known = is_line && spread_y != 0.0;
                let product = spread_x * spread_y;
                let correlation = match product.is_normal() {
                    true => spread_xy / product.sqrt(),
                    false => spread_xy / spread_x * (spread_x / spread_y).sqrt(),
                };
                is_known.then_some(correlation.clamp(-1.0, 1.0))
            }
            Reading::Slope => is_line.then_some(spread_xy / spread_x),
            Reading::Intercept => {
                let slope = spread_xy / spread_x;
                is_line.then_some(self.average(Y) - slope * self.average(X))
            }
            // a line through equal values fits them all
            Reading::Fit if spread_y == 0.0 => is_line.then_some(1.0),
            Reading::Fit => is_line.then_some((spread_xy / spread_x) * (spread_xy / spread_y)),
            Reading::Count => None,
            Reading::AverageX => (self.count > 0).then_some(self.average(X)),
            Reading::AverageY => (self.count > 0).then_some(self.average(Y)),
            Reading::SpreadX => (self.count > 0).then_some(spread_x),
            Reading::SpreadY => (self.count > 0).then_some(spread_y),
            Reading::SpreadXY => (self.count > 0).then_some(spread_xy),
        }
    }
}

impl Accumulator for Moments {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.apply(values, false)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.apply(values, true)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(match self.reading {
            Reading::Count => ScalarValue::UInt64(Some(self.count)),
            _ => ScalarValue::Float64(self.read()),
        })
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let mut state = vec![ScalarValue::UInt64(Some(self.count))];
        state.extend(self.totals.iter().map(|total| {
            let mut bytes = Vec::new();
            total.write(&mut bytes);
            ScalarValue::LargeBinary(Some(bytes))
        }));
        Ok(state)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for count in as_uint64_array(&states[0])?.iter().flatten() {
            self.count += count;
        }
        for (total, states) in self.totals.iter_mut().zip(&states[1..]) {
            for bytes in as_large_binary_array(states)?.iter().flatten() {
                let Some(other) = Total::read(bytes) else {
                    return internal_err!("the state of an exact sum cannot be read");
                };
                total.merge(&other);
            }
        }
        Ok(())
    }

    fn size(&self) -> usize {
        let heap: usize = self.totals.iter().map(Total::heap_size).sum();
        size_of_val(self) + heap
    }
}

/// A number as the sum of two doubles, the second less than the last bit of the first: some 106 bits.
///
/// Dekker (1971), "A floating-point technique for extending the available precision".
#[derive(Clone, Copy, Debug)]
struct Double {
    high: f64,
    low: f64,
}

impl Double {
    fn of(value: f64) -> Self {
        Self {
            high: value,
            low: 0.0,
        }
    }

    /// The two doubles nearest to a sum.
    fn of_total(total: &Total) -> Self {
        let high = total.value();
        if !high.is_finite() {
            return Self::of(high);
        }
        let mut rest = total.clone();
        rest.subtract(high);
        Self {
            high,
            low: rest.value(),
        }
    }

    /// Exact, but where the result is too large or too small for a double.
    fn product(a: f64, b: f64) -> Self {
        let high = a * b;
        Self {
            high,
            low: a.mul_add(b, -high),
        }
    }

    /// Exact.
    fn sum(a: f64, b: f64) -> Self {
        let high = a + b;
        let other = high - a;
        Self {
            high,
            low: (a - (high - other)) + (b - other),
        }
    }

    fn times(self, other: Self) -> Self {
        let product = Self::product(self.high, other.high);
        let low = product.low + (self.high * other.low + self.low * other.high);
        Self::sum(product.high, low)
    }

    fn minus(self, other: Self) -> Self {
        let high = Self::sum(self.high, -other.high);
        let low = Self::sum(self.low, -other.low);
        let first = Self::sum(high.high, high.low + low.high);
        Self::sum(first.high, first.low + low.low)
    }
}
