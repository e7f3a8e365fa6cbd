//! `max_by(value, by)` and `min_by(value, by)`: the value of the row in which another column is greatest, or least.
//!
//! As in DuckDB, rows in which either is null do not count. Of rows that tie in `by`, `max_by` takes the greatest value and
//! `min_by` the least, so that no order of rows decides. Planned as `first_value(value order by by desc, value desc)`;
//! the accumulator here answers where that rewriting does not reach, in windows.

use std::cmp::Ordering;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, BooleanArray};
use datafusion::arrow::compute::{
    SortColumn, SortOptions, and, filter, is_not_null, lexsort_to_indices,
};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::functions_aggregate::first_last::first_value_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams, Sort};
use datafusion::logical_expr::function::{
    AccumulatorArgs, AggregateFunctionSimplification, StateFieldsArgs,
};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, DocSection, Documentation, Expr, Signature,
    Volatility,
};

/// `max_by`, also called `arg_max`.
pub(super) fn max_by() -> AggregateUDF {
    let description = "The value in the row in which `by` is greatest. Rows where either is null do not count; of rows that \
        tie in `by`, the greatest value.";
    let example = "select max_by(city, changed_at) from addresses -- where they live now";
    ValueBy::aggregate("max_by", "arg_max", true, description, example)
}

/// `min_by`, also called `arg_min`.
pub(super) fn min_by() -> AggregateUDF {
    let description = "The value in the row in which `by` is least. Rows where either is null do not count; of rows that tie \
        in `by`, the least value.";
    let example = "select min_by(channel, ordered_at) from orders -- the first channel";
    ValueBy::aggregate("min_by", "arg_min", false, description, example)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ValueBy {
    name: &'static str,
    aliases: Vec<String>,
    greatest: bool,
    signature: Signature,
    documentation: Documentation,
}

impl ValueBy {
    fn aggregate(
        name: &'static str,
        alias: &str,
        greatest: bool,
        description: &str,
        example: &str,
    ) -> AggregateUDF {
        let section = DocSection {
            include: true,
            label: "Aggregates",
            description: None,
        };
        AggregateUDF::new_from_impl(Self {
            name,
            aliases: vec![alias.to_string()],
            greatest,
            signature: Signature::user_defined(Volatility::Immutable),
            documentation: Documentation::builder(
                section,
                description,
                format!("{name}(value, by)"),
            )
            .with_sql_example(example)
            .build(),
        })
    }
}

impl AggregateUDFImpl for ValueBy {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [_, _] => Ok(types.to_vec()),
            _ => plan_err!("`{0}` takes two columns: {0}(value, by)", self.name),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types[0].clone())
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Best {
            greatest: self.greatest,
            by: ScalarValue::try_from(args.expr_fields[1].data_type())?,
            value: ScalarValue::try_from(args.expr_fields[0].data_type())?,
        }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let field = |part: &str, data_type: &DataType| {
            Arc::new(Field::new(
                format_state_name(args.name, part),
                data_type.clone(),
                true,
            ))
        };
        Ok(vec![
            field("value", args.input_fields[0].data_type()),
            field("by", args.input_fields[1].data_type()),
        ])
    }

    fn simplify(&self) -> Option<AggregateFunctionSimplification> {
        let greatest = self.greatest;
        Some(Box::new(move |call: AggregateFunction, _| {
            Ok(as_first_value(call, greatest))
        }))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

fn as_first_value(call: AggregateFunction, greatest: bool) -> Expr {
    let [value, by] = call.params.args.as_slice() else {
        return Expr::AggregateFunction(call);
    };
    let (value, by) = (value.clone(), by.clone());
    let counts = value.clone().is_not_null().and(by.clone().is_not_null());
    let counts = match call.params.filter {
        Some(condition) => condition.and(counts),
        None => counts,
    };
    Expr::AggregateFunction(AggregateFunction {
        func: first_value_udaf(),
        params: AggregateFunctionParams {
            order_by: vec![
                Sort::new(by, !greatest, false),
                Sort::new(value.clone(), !greatest, false),
            ],
            args: vec![value],
            distinct: false,
            filter: Some(Box::new(counts)),
            null_treatment: None,
        },
    })
}

/// The best row so far; both parts null before the first.
#[derive(Debug)]
struct Best {
    greatest: bool,
    by: ScalarValue,
    value: ScalarValue,
}

impl Best {
    fn take(&mut self, values: &ArrayRef, by: &ArrayRef) -> Result<()> {
        let counts: BooleanArray = and(&is_not_null(values)?, &is_not_null(by)?)?;
        let (values, by) = (filter(values, &counts)?, filter(by, &counts)?);
        if values.is_empty() {
            return Ok(());
        }
        let options = Some(SortOptions {
            descending: self.greatest,
            nulls_first: false,
        });
        let columns = [&by, &values].map(|column| SortColumn {
            values: Arc::clone(column),
            options,
        });
        let row = lexsort_to_indices(&columns, Some(1))?.value(0) as usize;
        let by = ScalarValue::try_from_array(&by, row)?;
        let value = ScalarValue::try_from_array(&values, row)?;
        if self.is_better(&by, &value) {
            // a value of its own: one that shares the batch would keep all of it
            self.by = by.compacted();
            self.value = value.compacted();
        }
        Ok(())
    }

    fn is_better(&self, by: &ScalarValue, value: &ScalarValue) -> bool {
        if self.by.is_null() {
            return true;
        }
        let order = by
            .partial_cmp(&self.by)
            .unwrap_or(Ordering::Equal)
            .then_with(|| value.partial_cmp(&self.value).unwrap_or(Ordering::Equal));
        order
            == if self.greatest {
                Ordering::Greater
            } else {
                Ordering::Less
            }
    }
}

impl Accumulator for Best {
    fn update_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        self.take(&columns[0], &columns[1])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.take(&states[0], &states[1])
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.value.clone(), self.by.clone()])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(self.value.clone())
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.by.size() + self.value.size()
    }
}
