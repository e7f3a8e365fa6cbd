//! A number that its type does not hold is an error, as in DuckDB and in standard SQL.
//!
//! DataFusion's `+`, `-`, `*` and unary minus of integers wrap: `9223372036854775807 + 1` is negative, silently; those of
//! decimals may give a digit more than the 38 that a decimal has; `||` doubles a text as often as it is written. Here such
//! operators give way to functions that fail. It is the first rule of the optimiser, so that constants are folded by them, too; analysis, lints and messages see operators.
//!
//! In: a plan, or an expression that is run without one. Out: the same, checked.

mod operator;

use std::sync::Arc;

use datafusion::arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator};
use datafusion::optimizer::{ApplyOrder, Optimizer, OptimizerConfig, OptimizerRule};

use operator::Checked;
pub(super) use operator::wider;

/// A state whose plans are checked, before anything else is made of them.
pub(super) fn checking(builder: SessionStateBuilder) -> SessionStateBuilder {
    let mut rules: Vec<Arc<dyn OptimizerRule + Send + Sync>> = vec![Arc::new(CheckedArithmetic)];
    rules.extend(Optimizer::new().rules);
    builder.with_optimizer_rules(rules)
}

/// The same expression, failing where a result does not fit; for what is run without a plan.
///
/// # Errors
/// Where a type cannot be computed.
pub(super) fn checked(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    expr.transform_up(|part| Ok(checked_part(part, schema)))
}

#[derive(Debug)]
struct CheckedArithmetic;

impl OptimizerRule for CheckedArithmetic {
    fn name(&self) -> &'static str {
        "checked_arithmetic"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let mut schema = merge_schema(&plan.inputs());
        if let LogicalPlan::TableScan(scan) = &plan {
            schema.merge(&scan.projected_schema);
        }
        let names = NamePreserver::new(&plan);
        plan.map_expressions(|expr| {
            let name = names.save(&expr);
            Ok(checked(expr, &schema)?.update_data(|expr| name.restore(expr)))
        })
    }
}

fn checked_part(part: Expr, schema: &DFSchema) -> Transformed<Expr> {
    match part {
        Expr::BinaryExpr(BinaryExpr { left, op, right })
            if may_overflow(&left, op, &right, schema) =>
        {
            Transformed::yes(call(Checked::Binary(op), vec![*left, *right]))
        }
        Expr::Negative(of) if of.get_type(schema).is_ok_and(|of| of.is_integer()) => {
            Transformed::yes(call(Checked::Negative, vec![*of]))
        }
        part => Transformed::no(part),
    }
}

/// Whether both are integers, decimals whose result has all the digits that there are, or texts. Others know their limits:
/// doubles become infinite, dates fail.
fn may_overflow(left: &Expr, op: Operator, right: &Expr, schema: &DFSchema) -> bool {
    let (Ok(left), Ok(right)) = (left.get_type(schema), right.get_type(schema)) else {
        return false;
    };
    if op == Operator::StringConcat {
        return left.is_string() && left == right;
    }
    if !matches!(op, Operator::Plus | Operator::Minus | Operator::Multiply) {
        return false;
    }
    match (&left, &right) {
        (DataType::Decimal128(..), DataType::Decimal128(..)) => matches!(
            operator::result_type(&left, op, &right),
            Ok(DataType::Decimal128(DECIMAL128_MAX_PRECISION, _))
        ),
        _ => left.is_integer() && left == right,
    }
}

fn call(function: Checked, args: Vec<Expr>) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(function.udf(), args))
}
