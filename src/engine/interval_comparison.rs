//! Lengths of time are compared by how long they are.
//!
//! DataFusion holds the difference of two timestamps for so many nanoseconds, and compares intervals by their months
//! first, then their days, then the rest: no number of hours is more than a day, and `a - b > interval '90 days'` is never
//! true. Here both sides are first written in days and the rest of a day, as in DuckDB: a day has 24 hours, a month 30
//! days. One rewrite for what is checked, what runs, and the conditions of tests.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::{
    AggregateFunction, Between, BinaryExpr, Case, Cast, InList, ScalarFunction,
};
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{Expr, ExprSchemable, Operator};

use super::udf::justify_interval;

/// The rewrite, for every session and for the check.
pub(super) fn rewrite() -> Arc<dyn FunctionRewrite + Send + Sync> {
    Arc::new(ByLength)
}

#[derive(Debug)]
struct ByLength;

impl FunctionRewrite for ByLength {
    fn name(&self) -> &'static str {
        "intervals_by_length"
    }

    fn rewrite(
        &self,
        mut expr: Expr,
        schema: &DFSchema,
        _: &ConfigOptions,
    ) -> Result<Transformed<Expr>> {
        let mut compared = compared(&mut expr);
        if !are_lengths(&compared, schema) {
            drop(compared);
            return Ok(Transformed::no(expr));
        }
        for side in &mut compared {
            let written = std::mem::take(*side);
            **side = justified(written, schema);
        }
        drop(compared);
        Ok(Transformed::yes(expr))
    }
}

/// The expressions whose order or equality decides; none where nothing is compared.
fn compared(expr: &mut Expr) -> Vec<&mut Expr> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_comparison(*op) => {
            vec![left, right]
        }
        Expr::Between(Between {
            expr, low, high, ..
        }) => vec![expr, low, high],
        Expr::InList(InList { expr, list, .. }) => {
            std::iter::once(&mut **expr).chain(list).collect()
        }
        Expr::Case(Case {
            expr: Some(operand),
            when_then_expr,
            ..
        }) => {
            let values = when_then_expr.iter_mut().map(|(when, _)| &mut **when);
            std::iter::once(&mut **operand).chain(values).collect()
        }
        Expr::ScalarFunction(ScalarFunction { func, args })
            if matches!(func.name(), "greatest" | "least" | "nullif") =>
        {
            args.iter_mut().collect()
        }
        Expr::AggregateFunction(AggregateFunction { func, params })
            if matches!(func.name(), "max" | "min") =>
        {
            params.args.iter_mut().collect()
        }
        _ => vec![],
    }
}

fn is_comparison(op: Operator) -> bool {
    matches!(
        op,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}

/// Whether intervals are among them, and nothing but lengths of time. Durations alone are numbers, and compared as such.
fn are_lengths(compared: &[&mut Expr], schema: &DFSchema) -> bool {
    let types: Result<Vec<DataType>> = compared.iter().map(|side| side.get_type(schema)).collect();
    types.is_ok_and(|types| {
        let is_length = |data_type: &DataType| {
            matches!(
                data_type,
                DataType::Interval(_) | DataType::Duration(_) | DataType::Null
            )
        };
        types
            .iter()
            .any(|data_type| matches!(data_type, DataType::Interval(_)))
            && types.iter().all(is_length)
    })
}

fn justified(side: Expr, schema: &DFSchema) -> Expr {
    let side = match side {
        // a plan may be analysed twice
        Expr::ScalarFunction(call) if call.func == *justify_interval() => {
            return Expr::ScalarFunction(call);
        }
        // put in where types were made equal; nanoseconds alone do not hold what other units do
        Expr::Cast(Cast { expr, .. }) if is_duration(&expr, schema) => *expr,
        side => side,
    };
    Expr::ScalarFunction(ScalarFunction::new_udf(
        Arc::clone(justify_interval()),
        vec![side],
    ))
}

fn is_duration(expr: &Expr, schema: &DFSchema) -> bool {
    matches!(expr.get_type(schema), Ok(DataType::Duration(_)))
}
