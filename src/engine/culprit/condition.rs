//! A condition that only rows like the failing one meet, and the query that shows them.

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, ScalarValue};
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Operator, TryCast,
    binary_expr, lit,
};
use datafusion::prelude::SessionContext;
use datafusion::sql::unparser::Unparser;
use datafusion::sql::unparser::dialect::DefaultDialect;

use super::{Found, origin, physical};
use crate::engine::readable_sql;

/// Rows shown.
const SHOWN: usize = 20;

/// A query that was run and shows rows like the failing one; of a published table where the expression is over its columns,
/// else of the step's own query as far as it got.
pub(super) async fn rows_sql(session: &SessionContext, found: &Found) -> Option<String> {
    for condition in conditions(found) {
        if !holds(session, found, &condition) {
            continue;
        }
        if let Some((table, condition)) = origin::of_one_table(&found.input, &condition)
            && let Some(condition) = sql(&condition)
        {
            let query = format!("select * from {table} where {condition} limit {SHOWN}");
            if finds_rows(session, &query).await {
                return Some(query);
            }
        }
        if let Some(query) = over_the_input(&found.input, condition)
            && finds_rows(session, &query).await
        {
            return Some(query);
        }
    }
    None
}

/// An expression as SQL.
pub(super) fn sql(expr: &Expr) -> Option<String> {
    // quotes a name only where it must
    let dialect = DefaultDialect {};
    let unparser = Unparser::new(&dialect).with_pretty(true);
    Some(unparser.expr_to_sql(expr).ok()?.to_string())
}

/// What may tell failing rows, the most telling first.
fn conditions(found: &Found) -> Vec<Expr> {
    let mut conditions = Vec::new();
    match &found.expr {
        Expr::Cast(cast) => {
            let tried = Expr::TryCast(TryCast::new_from_field(
                cast.expr.clone(),
                cast.field.clone(),
            ));
            conditions.push(lost(tried, &cast.expr));
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            if matches!(op, Operator::Divide | Operator::Modulo) {
                let zero = found.input.schema().as_ref();
                if let Ok(zero) = right.get_type(zero).and_then(|t| ScalarValue::new_zero(&t)) {
                    conditions.push(right.as_ref().clone().eq(lit(zero)));
                }
            }
            conditions.extend(overflows(found, left, *op, right));
        }
        Expr::ScalarFunction(ScalarFunction { func, args }) => {
            let wanted = match func.name() {
                "to_date" => Some(DataType::Date32),
                name if name.starts_with("to_timestamp") => Some(DataType::Timestamp(
                    datafusion::arrow::datatypes::TimeUnit::Microsecond,
                    None,
                )),
                _ => None,
            };
            if let (Some(wanted), [text]) = (wanted, args.as_slice()) {
                let tried = Expr::TryCast(TryCast::new(Box::new(text.clone()), wanted));
                conditions.push(lost(tried, text));
            }
        }
        _ => {}
    }
    // nothing better is known: the rows that have something to fail on
    let present = found.expr.column_refs().into_iter().map(|column| {
        let column: Column = column.clone();
        Expr::Column(column).is_not_null()
    });
    conditions.extend(present.reduce(Expr::and));
    conditions
}

/// A value that is there and is lost on the way.
fn lost(tried: Expr, from: &Expr) -> Expr {
    tried.is_null().and(from.clone().is_not_null())
}

/// Computed as doubles, the result is beyond what its type holds.
fn overflows(found: &Found, left: &Expr, op: Operator, right: &Expr) -> Option<Expr> {
    let schema = found.input.schema().as_ref();
    let limit = match found.expr.get_type(schema).ok()? {
        DataType::Decimal128(precision, scale) => {
            format!("1e{}", i32::from(precision) - i32::from(scale))
        }
        DataType::Int32 => format!("{:e}", i32::MAX),
        DataType::Int64 => format!("{:e}", i64::MAX),
        _ => return None,
    };
    let double = |expr: &Expr| {
        Expr::Cast(datafusion::logical_expr::Cast::new(
            Box::new(expr.clone()),
            DataType::Float64,
        ))
    };
    let result = binary_expr(double(left), op, double(right));
    let bound = |sign: &str| double(&lit(format!("{sign}{limit}")));
    let beyond = result.clone().gt_eq(bound(""));
    Some(beyond.or(result.lt_eq(bound("-"))))
}

/// Whether the failing row meets a condition.
fn holds(session: &SessionContext, found: &Found, condition: &Expr) -> bool {
    let value = physical(session, condition, &found.input)
        .and_then(|condition| condition.evaluate(&found.row).ok())
        .and_then(|value| value.into_array(1).ok());
    value.is_some_and(|value| {
        value
            .as_boolean_opt()
            .is_some_and(|met| met.iter().next() == Some(Some(true)))
    })
}

fn over_the_input(input: &LogicalPlan, condition: Expr) -> Option<String> {
    let filtered = LogicalPlanBuilder::from(input.clone())
        .filter(condition)
        .and_then(|builder| builder.limit(0, Some(SHOWN)))
        .and_then(LogicalPlanBuilder::build)
        .ok()?;
    // quotes a name only where it must
    let dialect = DefaultDialect {};
    let statement = Unparser::new(&dialect).plan_to_sql(&filtered).ok()?;
    Some(statement.to_string())
}

async fn finds_rows(session: &SessionContext, query: &str) -> bool {
    let query = readable_sql(query);
    let Ok(plan) = session.state().create_logical_plan(&query).await else {
        return false;
    };
    let one = DataFrame::new(session.state(), plan).limit(0, Some(1));
    match one {
        Ok(frame) => frame.count().await.is_ok_and(|rows| rows > 0),
        Err(_) => false,
    }
}
