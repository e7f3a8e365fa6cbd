//! What a statement's plan proves of the columns that it yields: where they come from, which are never null, which name a row.
//!
//! Only what holds whatever the tables hold; where the plan is too clever for this module, nothing is said.

use datafusion::common::{Column, Dependency, JoinType};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::Analysis;
use crate::engine::culprit::{bare, origin};
use crate::name::TableName;

/// What is known of the tables that a statement reads.
pub(crate) trait KnownTables {
    /// Whether a test keeps null out of a column.
    fn is_never_null(&self, table: &TableName, column: &str) -> bool;
    /// The columns of a tested key; empty where there is none.
    fn key(&self, table: &TableName) -> Vec<String>;
}

impl Analysis {
    /// The column of a table that an output column is, unchanged; `None` where it is computed.
    pub(crate) fn origin_of(&self, column: &str) -> Option<(TableName, String)> {
        let (table, column) = origin(&self.plan, &self.output_column(column)?)?;
        Some((table.parse().ok()?, column))
    }

    /// Whether an output column is never null.
    pub(crate) fn is_never_null(&self, column: &str, known: &dyn KnownTables) -> bool {
        self.output_column(column)
            .is_some_and(|column| is_never_null(&self.plan, &column, known))
    }

    /// Output columns that name a row: the key of the one table whose rows are passed on, or the columns of a `group by`. None of
    /// them is ever null.
    pub(crate) fn key(&self, known: &dyn KnownTables) -> Option<Vec<String>> {
        let keys = [self.passed_on(known), grouped(&self.plan)];
        let is_key = |key: &Vec<String>| {
            !key.is_empty() && key.iter().all(|column| self.is_never_null(column, known))
        };
        keys.into_iter().flatten().find(is_key)
    }

    fn output_column(&self, name: &str) -> Option<Column> {
        let schema = self.plan.schema();
        let index = schema.fields().iter().position(|f| f.name() == name)?;
        let (qualifier, field) = schema.qualified_field(index);
        Some(Column::new(qualifier.cloned(), field.name()))
    }

    fn passed_on(&self, known: &dyn KnownTables) -> Option<Vec<String>> {
        let table = only_table(&self.plan)?;
        let outputs = self.output.iter().map(|output| &output.name);
        let origins: Vec<_> = outputs
            .filter_map(|name| Some((name, self.origin_of(name)?.1)))
            .collect();
        let yielded = |column: &String| {
            let found = origins.iter().find(|(_, origin)| origin == column);
            found.map(|(name, _)| (*name).clone())
        };
        known.key(&table).iter().map(yielded).collect()
    }
}

/// The table of which each row comes out at most once; `None` where rows may be multiplied or come from several.
fn only_table(plan: &LogicalPlan) -> Option<TableName> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            TableName::new(scan.table_name.schema()?, scan.table_name.table()).ok()
        }
        LogicalPlan::Projection(_)
        | LogicalPlan::SubqueryAlias(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Window(_) => match plan.inputs().as_slice() {
            [input] => only_table(input),
            _ => None,
        },
        _ => None,
    }
}

/// The columns on which all others depend, as the planner tells: those of a `group by` or `distinct`.
fn grouped(plan: &LogicalPlan) -> Option<Vec<String>> {
    let schema = plan.schema();
    let count = schema.fields().len();
    let mut keys = schema
        .functional_dependencies()
        .iter()
        .filter(|dependence| {
            dependence.mode == Dependency::Single
                && (0..count).all(|index| dependence.target_indices.contains(&index))
        });
    let names = keys.next()?.source_indices.iter();
    Some(
        names
            .map(|index| schema.field(*index).name().clone())
            .collect(),
    )
}

fn is_never_null(plan: &LogicalPlan, column: &Column, known: &dyn KnownTables) -> bool {
    let Ok(index) = plan.schema().index_of_column(column) else {
        return false;
    };
    if !plan.schema().field(index).is_nullable() {
        return true;
    }
    let below = |input: &LogicalPlan, index: usize| {
        let (qualifier, field) = input.schema().qualified_field(index);
        is_never_null(input, &Column::new(qualifier.cloned(), field.name()), known)
    };
    let passed = |input: &LogicalPlan, expr: Option<&Expr>| match expr.map(bare) {
        Some(Expr::Column(column)) => is_never_null(input, column, known),
        _ => false,
    };
    match plan {
        LogicalPlan::TableScan(scan) => {
            let schema = scan.table_name.schema().unwrap_or_default();
            TableName::new(schema, scan.table_name.table())
                .is_ok_and(|table| known.is_never_null(&table, &column.name))
        }
        LogicalPlan::SubqueryAlias(alias) => below(&alias.input, index),
        LogicalPlan::Projection(projection) => {
            passed(&projection.input, projection.expr.get(index))
        }
        // grouping sets put null where a column does not take part
        LogicalPlan::Aggregate(aggregate)
            if !aggregate
                .group_expr
                .iter()
                .any(|expr| matches!(expr, Expr::GroupingSet(_))) =>
        {
            passed(&aggregate.input, aggregate.group_expr.get(index))
        }
        LogicalPlan::Window(window) => {
            index < window.input.schema().fields().len() && below(&window.input, index)
        }
        LogicalPlan::Join(join) => {
            let (left, right) = match join.join_type {
                JoinType::Inner => (true, true),
                JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti => (true, false),
                JoinType::Right | JoinType::RightSemi | JoinType::RightAnti => (false, true),
                _ => (false, false),
            };
            (left && is_never_null(&join.left, column, known))
                || (right && is_never_null(&join.right, column, known))
        }
        LogicalPlan::Filter(filter) => {
            let keeps_null_out = |part: &&Expr| match part {
                Expr::IsNotNull(tested) => match bare(tested) {
                    Expr::Column(tested) => {
                        plan.schema().index_of_column(tested).ok() == Some(index)
                    }
                    _ => false,
                },
                _ => false,
            };
            split_conjunction(&filter.predicate)
                .iter()
                .any(keeps_null_out)
                || is_never_null(&filter.input, column, known)
        }
        LogicalPlan::Sort(_) | LogicalPlan::Limit(_) | LogicalPlan::Distinct(_) => {
            match plan.inputs().as_slice() {
                [input] => is_never_null(input, column, known),
                _ => false,
            }
        }
        _ => false,
    }
}
