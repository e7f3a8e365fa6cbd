//! A function written in SQL as the planner sees it: its arguments are held to their types, and its body takes its place.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, Result, plan_err};
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr::create_physical_expr;

use crate::column_type::ColumnType;
use crate::engine::checked_arithmetic::checked;
use crate::engine::statement::Parameter;

/// A compiled function.
#[derive(Debug)]
pub(super) struct SqlUdf {
    pub(super) name: String,
    pub(super) parameters: Vec<Parameter>,
    pub(super) returns: DataType,
    /// Over columns named as the parameters; of the type that is returned.
    pub(super) body: Expr,
    /// Tells it from a function of the same name that is written otherwise.
    pub(super) canonical: String,
    pub(super) signature: Signature,
}

impl SqlUdf {
    pub(super) fn signature() -> Signature {
        Signature::user_defined(Volatility::Immutable)
    }

    pub(super) fn into_udf(self) -> Arc<ScalarUDF> {
        Arc::new(ScalarUDF::new_from_impl(self))
    }

    /// `net(amount decimal(12,2), rate decimal(4,2))`.
    fn form(&self) -> String {
        let parameters = self.parameters.iter();
        let parameters: Vec<String> = parameters
            .map(|parameter| format!("{} {}", parameter.name, parameter.data_type))
            .collect();
        format!("{}({})", self.name, parameters.join(", "))
    }

    fn schema(&self) -> Schema {
        let fields = self.parameters.iter();
        let fields = fields.map(|p| Field::new(&p.name, p.data_type.arrow(), true));
        Schema::new(fields.collect::<Vec<_>>())
    }
}

impl PartialEq for SqlUdf {
    fn eq(&self, other: &Self) -> bool {
        self.canonical == other.canonical
    }
}

impl Eq for SqlUdf {}

impl Hash for SqlUdf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.canonical.hash(state);
    }
}

impl ScalarUDFImpl for SqlUdf {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let fits = types.len() == self.parameters.len()
            && types
                .iter()
                .zip(&self.parameters)
                .all(|(given, parameter)| takes(&parameter.data_type, given));
        if !fits {
            let given: Vec<String> = types.iter().map(shown).collect();
            return plan_err!(
                "`{}` takes {}, not ({})",
                self.name,
                self.form(),
                given.join(", ")
            );
        }
        let parameters = self.parameters.iter();
        Ok(parameters.map(|p| p.data_type.arrow()).collect())
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.returns.clone())
    }

    fn simplify(&self, args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let body = self.body.clone().transform_up(|part| {
            let argument = match &part {
                Expr::Column(column) => self
                    .parameters
                    .iter()
                    .position(|parameter| parameter.name == column.name)
                    .and_then(|position| args.get(position)),
                _ => None,
            };
            Ok(match argument {
                Some(argument) => Transformed::yes(argument.clone()),
                None => Transformed::no(part),
            })
        })?;
        Ok(ExprSimplifyResult::Simplified(body.data))
    }

    /// Where a plan is not simplified first, as in the conditions of tests.
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let schema = self.schema();
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let rows = arrays.first().map_or(args.number_rows, |array| array.len());
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::new(schema.clone()), arrays, &options)?;
        let schema = DFSchema::try_from(schema)?;
        let body = checked(self.body.clone(), &schema)?.data;
        create_physical_expr(
            &body,
            &schema,
            &ExecutionProps::new(),
            &PhysicalPlanningContext::default(),
        )?
        .evaluate(&batch)
    }
}

/// The type as contracts write it.
fn shown(data_type: &DataType) -> String {
    match ColumnType::of_arrow(data_type) {
        Some(known) => known.to_string(),
        None => data_type.to_string().to_lowercase(),
    }
}

/// Whether an argument takes values of a type without loss; what may not fit, as a whole number that is too large, fails
/// loudly where it does not.
fn takes(parameter: &ColumnType, given: &DataType) -> bool {
    if *given == DataType::Null {
        return true;
    }
    let Some(given) = ColumnType::of_arrow(given) else {
        return false;
    };
    match (parameter, &given) {
        (same, other) if same == other => true,
        (ColumnType::Integer | ColumnType::Bigint, ColumnType::Integer | ColumnType::Bigint)
        | (
            ColumnType::Double,
            ColumnType::Integer | ColumnType::Bigint | ColumnType::Decimal { .. },
        )
        | (ColumnType::Decimal { .. }, ColumnType::Integer | ColumnType::Bigint)
        | (ColumnType::Timestamp, ColumnType::Date) => true,
        (ColumnType::Decimal { scale, .. }, ColumnType::Decimal { scale: other, .. }) => {
            other <= scale
        }
        _ => false,
    }
}

/// A column of the arguments, by its name alone.
pub(super) fn unqualified(expr: Expr) -> Result<Expr> {
    let plain = expr.transform_up(|part| {
        Ok(match part {
            Expr::Column(column) => {
                Transformed::yes(Expr::Column(Column::new_unqualified(column.name)))
            }
            other => Transformed::no(other),
        })
    })?;
    Ok(plain.data)
}
