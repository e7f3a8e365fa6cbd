//! What SQL allows and a published table must not do, or probably should not.
//!
//! One file for each lint: `fn check(&LintContext) -> Vec<Diagnostic>`. A lint refuses (error) where the result would not be
//! the same twice, and doubts (warning) where it may fail or surprise at run time.

mod aggregate_without_order;
mod approximate_aggregate;
mod as_of_as_date;
mod cast_of_text;
mod implicit_cast;
mod integer_division;
mod limit_without_order;
mod money_as_double;
mod not_in_nullable;
mod row_number_with_ties;
mod volatile_function;
mod window_without_order;

use std::collections::BTreeMap;

use chrono_tz::Tz;
use datafusion::logical_expr::LogicalPlan;

use super::analysis::{FunctionCall, InputTable, OutputColumn};
use super::function_registry::FunctionRegistry;
use super::statement::Statement;
use crate::diagnostic::Diagnostic;
use crate::name::TableName;

/// A statement that passed the planner.
pub(super) struct LintContext<'a> {
    pub(super) statement: &'a Statement,
    pub(super) calls: &'a [FunctionCall],
    pub(super) functions: &'a FunctionRegistry,
    pub(super) tables: &'a BTreeMap<TableName, InputTable>,
    pub(super) time_zone: Tz,
    /// What it yields, where that is published.
    pub(super) output: &'a [OutputColumn],
    /// As the author wrote it.
    pub(super) planned: &'a LogicalPlan,
    /// With the casts that coercion put in.
    pub(super) analyzed: &'a LogicalPlan,
}

/// Every lint, errors and warnings in the order of their places.
pub(super) fn check(context: &LintContext<'_>) -> Vec<Diagnostic> {
    let lints = [
        volatile_function::check,
        approximate_aggregate::check,
        limit_without_order::check,
        aggregate_without_order::check,
        window_without_order::check,
        row_number_with_ties::check,
        implicit_cast::check,
        cast_of_text::check,
        integer_division::check,
        money_as_double::check,
        not_in_nullable::check,
        as_of_as_date::check,
    ];
    let mut found: Vec<Diagnostic> = lints.iter().flat_map(|lint| lint(context)).collect();
    found.sort_by_key(|diagnostic| diagnostic.place.as_ref().map(|place| place.span));
    found
}
