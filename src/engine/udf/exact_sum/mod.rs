//! `sum` and `avg` of doubles, exact and therefore the same in any order.
//!
//! DataFusion adds doubles as they arrive, so the last bits of a sum depend on threads, files and joins; a digest would
//! see a change where there is none. Here a sum is kept exactly ([`Total`]) and rounded once, when it is read. All other
//! types (integers, decimals, durations) go to DataFusion's own function, whose sums know no order either.
//!
//! ```sql
//! select sum(amount), avg(amount), sum(amount) over (order by day rows 6 preceding) from sales
//! ```
//!
//! - The sum of doubles is the double nearest to the true sum; of `-0` alone it is `0`.
//! - The average is that sum divided by the count.
//! - Integers are averaged as doubles, as in DataFusion.
//! - Windows that slide take values back exactly.

mod accumulator;
mod distinct;
mod groups;
mod total;

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions_aggregate::average::avg_udaf;
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, Expr, GroupsAccumulator, Operator,
    ReversedUDAF, SetMonotonicity, Signature, StatisticsArgs,
};

use accumulator::ExactAccumulator;
use distinct::DistinctAccumulator;
use groups::ExactGroupsAccumulator;
pub(super) use total::Total;

/// What is read from a total and a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Reading {
    Sum,
    Average,
}

impl Reading {
    /// `None` where nothing was counted.
    fn of(self, total: &Total, count: u64) -> Option<f64> {
        match (self, count) {
            (_, 0) => None,
            (Self::Sum, _) => Some(total.value()),
            (Self::Average, _) => Some(total.value() / count as f64),
        }
    }
}

/// DataFusion's aggregate, with doubles taken out of its hands.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ExactForDoubles {
    builtin: Arc<AggregateUDF>,
    reading: Reading,
}

/// `sum`.
pub(super) fn exact_sum() -> AggregateUDF {
    AggregateUDF::new_from_impl(ExactForDoubles {
        builtin: sum_udaf(),
        reading: Reading::Sum,
    })
}

/// `avg`, also called `mean`.
pub(super) fn exact_avg() -> AggregateUDF {
    AggregateUDF::new_from_impl(ExactForDoubles {
        builtin: avg_udaf(),
        reading: Reading::Average,
    })
}

impl ExactForDoubles {
    fn builtin(&self) -> &Arc<dyn AggregateUDFImpl> {
        self.builtin.inner()
    }
}

fn is_double(args: &AccumulatorArgs) -> bool {
    args.return_type() == &DataType::Float64
}

impl AggregateUDFImpl for ExactForDoubles {
    fn name(&self) -> &str {
        self.builtin.name()
    }

    fn aliases(&self) -> &[String] {
        self.builtin.aliases()
    }

    fn signature(&self) -> &Signature {
        self.builtin.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.builtin.return_type(arg_types)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(match (is_double(&args), args.is_distinct) {
            (false, _) => return self.builtin().accumulator(args),
            (true, true) => Box::new(DistinctAccumulator::new(self.reading)),
            (true, false) => Box::new(ExactAccumulator::new(self.reading)),
        })
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if is_double(&args) {
            self.accumulator(args)
        } else {
            self.builtin().create_sliding_accumulator(args)
        }
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        if is_double(&args) {
            !args.is_distinct
        } else {
            self.builtin().groups_accumulator_supported(args)
        }
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        if is_double(&args) {
            Ok(Box::new(ExactGroupsAccumulator::new(self.reading)))
        } else {
            self.builtin().create_groups_accumulator(args)
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        if args.return_type() != &DataType::Float64 || args.is_distinct {
            return self.builtin().state_fields(args);
        }
        let total = format_state_name(args.name, "exact total");
        let count = format_state_name(args.name, "count");
        Ok(vec![
            Arc::new(Field::new(total, DataType::LargeBinary, false)),
            Arc::new(Field::new(count, DataType::UInt64, false)),
        ])
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.builtin().order_sensitivity()
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        self.builtin().reverse_expr()
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.builtin().set_monotonicity(data_type)
    }

    /// `sum(x + 1)` becomes `sum(x) + count(x)`, which rounds doubles differently: not for them.
    fn simplify_expr_op_literal(
        &self,
        function: &AggregateFunction,
        argument: &Expr,
        operator: Operator,
        literal: &Expr,
        argument_is_left: bool,
    ) -> Result<Option<Expr>> {
        match literal {
            Expr::Literal(value, _) if !value.data_type().is_floating() => self
                .builtin()
                .simplify_expr_op_literal(function, argument, operator, literal, argument_is_left),
            _ => Ok(None),
        }
    }

    /// Sums of doubles in statistics were added by others, in whatever order.
    fn value_from_stats(&self, statistics: &StatisticsArgs) -> Option<ScalarValue> {
        (statistics.return_type != &DataType::Float64)
            .then(|| self.builtin().value_from_stats(statistics))?
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.builtin().documentation()
    }
}
