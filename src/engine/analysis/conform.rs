//! A query's result → the columns that are published, in their order and with their types.

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::{Column, plan_datafusion_err};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast};

/// Puts one projection on top that yields exactly `schema`: columns by name, cast where types differ, others left out.
///
/// # Errors
/// Where the plan has no column of a name; analysis and contracts have ruled that out.
pub(crate) fn conform(plan: LogicalPlan, schema: &SchemaRef) -> Result<LogicalPlan> {
    let mut columns = Vec::with_capacity(schema.fields().len());
    for wanted in schema.fields() {
        let (qualifier, field) = plan
            .schema()
            .iter()
            .find(|(_, field)| field.name() == wanted.name())
            .ok_or_else(|| plan_datafusion_err!("no column `{}`", wanted.name()))?;
        let column = Expr::Column(Column::from((qualifier, field)));
        let typed = if field.data_type() == wanted.data_type() {
            column
        } else {
            cast(column, wanted.data_type().clone())
        };
        columns.push(typed.alias(wanted.name()));
    }
    LogicalPlanBuilder::from(plan).project(columns)?.build()
}
