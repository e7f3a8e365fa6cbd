//! `if(condition, then, otherwise)`: `case when` in one word.

use std::sync::Arc;

use datafusion::arrow::array::{Array, BooleanArray};
use datafusion::arrow::compute::kernels::zip::zip;
use datafusion::arrow::compute::prep_null_mask_filter;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::cast::as_boolean_array;
use datafusion::common::{Result, plan_datafusion_err, plan_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::type_coercion::binary::type_union_coercion;
use datafusion::logical_expr::{
    ColumnarValue, DocSection, Documentation, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility, when,
};

const NAME: &str = "if";

#[derive(Debug, PartialEq, Eq, Hash)]
struct IfThen {
    aliases: Vec<String>,
    signature: Signature,
    documentation: Documentation,
}

pub(super) fn if_then() -> ScalarUDF {
    let section = DocSection {
        include: true,
        label: "Choice",
        description: None,
    };
    let description = "The second argument where the condition is true, else the third: short for `case when … then … else … \
        end`. Only the chosen one is computed.";
    let documentation =
        Documentation::builder(section, description, "if(condition, then, otherwise)")
            .with_sql_example("select if(2 > 1, 'more', 'less') -- more")
            .build();
    ScalarUDF::new_from_impl(IfThen {
        aliases: vec!["iff".into(), "iif".into()],
        signature: Signature::user_defined(Volatility::Immutable),
        documentation,
    })
}

impl ScalarUDFImpl for IfThen {
    fn name(&self) -> &str {
        NAME
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [condition, then, otherwise] = types else {
            return plan_err!("`{NAME}` takes a condition and two values: {NAME}(a > b, a, b)");
        };
        if !matches!(condition, DataType::Boolean | DataType::Null) {
            return plan_err!("`{NAME}` takes a condition first, not {condition}");
        }
        let common = match (then, otherwise) {
            (same, other) if same == other => same.clone(),
            (DataType::Null, other) | (other, DataType::Null) => other.clone(),
            _ => type_union_coercion(then, otherwise).ok_or_else(|| {
                plan_datafusion_err!(
                    "`{NAME}` gives one of two values of one type, not {then} or {otherwise}"
                )
            })?,
        };
        Ok(vec![DataType::Boolean, common.clone(), common])
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types[1].clone())
    }

    /// What is planned is a `case`: it computes only what it chooses.
    fn simplify(&self, args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        match <[Expr; 3]>::try_from(args) {
            Ok([condition, then, otherwise]) => Ok(ExprSimplifyResult::Simplified(
                when(condition, then).otherwise(otherwise)?,
            )),
            Err(args) => Ok(ExprSimplifyResult::Original(args)),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let condition = as_boolean_array(&arrays[0])?;
        let condition: BooleanArray = match condition.null_count() {
            0 => condition.clone(),
            _ => prep_null_mask_filter(condition),
        };
        let chosen = zip(&condition, &Arc::clone(&arrays[1]), &Arc::clone(&arrays[2]))?;
        Ok(ColumnarValue::Array(chosen))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}
