//! `count_if(condition)`: the rows in which a condition is true.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::compute::sum;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use datafusion::common::cast::as_boolean_array;
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams};
use datafusion::logical_expr::function::{
    AccumulatorArgs, AggregateFunctionSimplification, StateFieldsArgs,
};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, DocSection, Documentation, Expr, Signature,
    Volatility, lit,
};

pub(super) fn count_if() -> AggregateUDF {
    let section = DocSection {
        include: true,
        label: "Aggregates",
        description: None,
    };
    let description = "The number of rows in which a condition is true; 0 where there is none.";
    AggregateUDF::new_from_impl(CountIf {
        aliases: vec!["countif".into()],
        signature: Signature::user_defined(Volatility::Immutable),
        documentation: Documentation::builder(section, description, "count_if(condition)")
            .with_sql_example("select count_if(is_returned) from orders")
            .build(),
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct CountIf {
    aliases: Vec<String>,
    signature: Signature,
    documentation: Documentation,
}

impl AggregateUDFImpl for CountIf {
    fn name(&self) -> &str {
        "count_if"
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [DataType::Boolean | DataType::Null] => Ok(vec![DataType::Boolean]),
            [other] => plan_err!("`count_if` takes a condition, not {other}: count_if(amount > 0)"),
            _ => plan_err!("`count_if` takes one condition: count_if(amount > 0)"),
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn is_nullable(&self) -> bool {
        false
    }

    fn default_value(&self, _: &DataType) -> Result<ScalarValue> {
        Ok(ScalarValue::Int64(Some(0)))
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Trues(0)))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let name = format_state_name(args.name, "count");
        Ok(vec![Arc::new(Field::new(name, DataType::Int64, false))])
    }

    /// What is planned is `count(*) filter (where condition)`, which counts whole groups at once.
    fn simplify(&self) -> Option<AggregateFunctionSimplification> {
        Some(Box::new(|call: AggregateFunction, _| Ok(as_count(call))))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

fn as_count(call: AggregateFunction) -> Expr {
    let [condition] = call.params.args.as_slice() else {
        return Expr::AggregateFunction(call);
    };
    if call.params.distinct {
        return Expr::AggregateFunction(call);
    }
    let condition = condition.clone();
    let condition = match call.params.filter {
        Some(filter) => filter.and(condition),
        None => condition,
    };
    Expr::AggregateFunction(AggregateFunction {
        func: count_udaf(),
        params: AggregateFunctionParams {
            args: vec![lit(1_i64)],
            distinct: false,
            filter: Some(Box::new(condition)),
            order_by: vec![],
            null_treatment: None,
        },
    })
}

#[derive(Debug)]
struct Trues(i64);

impl Accumulator for Trues {
    fn update_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        self.0 += trues(&columns[0])?;
        Ok(())
    }

    fn retract_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        self.0 -= trues(&columns[0])?;
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.0 += sum(states[0].as_primitive::<Int64Type>()).unwrap_or(0);
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Int64(Some(self.0))])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Int64(Some(self.0)))
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }
}

fn trues(conditions: &ArrayRef) -> Result<i64> {
    Ok(as_boolean_array(conditions)?.true_count() as i64)
}
