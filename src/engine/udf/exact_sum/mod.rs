//! `sum` and `avg`: of doubles exact and therefore the same in any order, of integers and decimals right or an error.
//!
//! DataFusion adds doubles as they arrive, so the last bits of a sum depend on threads, files and joins; a digest would
//! see a change where there is none. Here a sum is kept exactly ([`Total`]) and rounded once, when it is read. Integers and
//! decimals go to DataFusion's own function in a type that holds any sum of them ([`Widened`]); what is read fails where the
//! promised type does not hold it.
//!
//! ```sql
//! select sum(amount), avg(amount), sum(amount) over (order by day rows 6 preceding) from sales
//! ```
//!
//! - The sum of doubles is the double nearest to the true sum; of `-0` alone it is `0`.
//! - The average is that sum divided by the count.
//! - Integers are averaged as doubles, as in DataFusion.
//! - Windows that slide take values back exactly.
//! - The sum of bigints is a bigint, that of `decimal(p, s)` a `decimal(p + 10, s)` of at most 38 digits; beyond is K0805.

mod accumulator;
mod distinct;
mod groups;
mod total;
mod wide;

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
use wide::{DistinctWindow, WideAccumulator, WideGroupsAccumulator, Widened};

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

/// DataFusion's aggregate, with doubles taken out of its hands, and sums held to their types.
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

    /// How values are added that are no doubles; DataFusion divides averages in a wider type itself.
    fn widened(&self, value: &FieldRef, promised: &DataType, name: &str) -> Option<Widened> {
        match self.reading {
            Reading::Sum => Widened::of(value.data_type(), promised, name),
            Reading::Average => None,
        }
    }

    fn widened_of<'a>(&self, args: AccumulatorArgs<'a>) -> (Option<Widened>, AccumulatorArgs<'a>) {
        let value = args.expr_fields.first();
        let widened = value.and_then(|value| self.widened(value, args.return_type(), args.name));
        let return_field = match &widened {
            Some(widened) => widened.field(),
            None => Arc::clone(&args.return_field),
        };
        (
            widened,
            AccumulatorArgs {
                return_field,
                ..args
            },
        )
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
            (false, _) => {
                let (widened, args) = self.widened_of(args);
                WideAccumulator::around(widened, self.builtin().accumulator(args)?)
            }
            (true, true) => Box::new(DistinctAccumulator::new(self.reading)),
            (true, false) => Box::new(ExactAccumulator::new(self.reading)),
        })
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if is_double(&args) {
            return self.accumulator(args);
        }
        let is_distinct = args.is_distinct;
        let promised = args.return_type().clone();
        let (widened, args) = self.widened_of(args);
        Ok(match widened {
            Some(widened) if is_distinct && promised == DataType::Int64 => {
                Box::new(DistinctWindow::new(widened))
            }
            widened => {
                let inner = self.builtin().create_sliding_accumulator(args)?;
                WideAccumulator::around(widened, inner)
            }
        })
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
            let (widened, args) = self.widened_of(args);
            let inner = self.builtin().create_groups_accumulator(args)?;
            Ok(WideGroupsAccumulator::around(widened, inner))
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        if args.return_type() != &DataType::Float64 || args.is_distinct {
            let value = args.input_fields.first();
            let widened =
                value.and_then(|value| self.widened(value, args.return_type(), args.name));
            let return_field = match widened {
                Some(widened) => widened.field(),
                None => Arc::clone(&args.return_field),
            };
            return self.builtin().state_fields(StateFieldsArgs {
                return_field,
                ..args
            });
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

    /// `sum(x + 1)` would become `sum(x) + count(x)`, which rounds doubles differently, and may overflow where the sum does not.
    fn simplify_expr_op_literal(
        &self,
        _: &AggregateFunction,
        _: &Expr,
        _: Operator,
        _: &Expr,
        _: bool,
    ) -> Result<Option<Expr>> {
        Ok(None)
    }

    /// Sums in statistics were added by others, in whatever order and type.
    fn value_from_stats(&self, _: &StatisticsArgs) -> Option<ScalarValue> {
        None
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.builtin().documentation()
    }
}
