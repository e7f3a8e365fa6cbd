//! One statement against the schemas of its inputs, before any data is read.
//!
//!   parsed statement → bound (`$name` replaced) → planned → types coerced → linted → (optionally) shown to be runnable
//!
//! In: a [`Statement`], schemas, variables, functions. Out: an [`Analysis`], or every mistake that can be told apart. The
//! planner stops at its first mistake, so a statement gives one planning error at a time; lints and placeholders give all.
//! No data, no runtime. Knows nothing of contracts or of where tables come from.

mod bind;
mod conform;
mod explain_failure;
mod foreign_function;
mod function_call;
mod lineage;
mod output;
mod plain_words;
mod provenance;
mod query;
mod runnable;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result as EngineResult;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::sql::planner::SqlToRel;
use datafusion::sql::sqlparser::ast;

pub(crate) use conform::conform;
pub(super) use explain_failure::first_span;
pub(super) use function_call::{FunctionCall, function_calls};
pub(crate) use lineage::{How, Origin, Origins, ValueLineage};
pub(super) use lineage::{copied_columns, touched_columns};
pub(crate) use provenance::KnownTables;
pub(crate) use query::plan_query;

use super::catalog::Catalog;
use super::clock_functions::CLOCK_NAMES;
use super::function_registry::FunctionRegistry;
use super::lint::{self, LintContext};
use super::statement::{Statement, TableUse};
use crate::diagnostic::{Code, Diagnostic, Severity, SourceFile, Span};
use crate::name::TableName;

/// A table that statements may read.
#[derive(Clone, Debug)]
pub(crate) struct InputTable {
    /// Every column a statement may name.
    pub(crate) schema: SchemaRef,
    /// Columns that its tests keep from being null.
    pub(crate) not_null: BTreeSet<String>,
    /// Sets of columns in which its tests let no two rows be equal.
    pub(crate) unique: Vec<BTreeSet<String>>,
}

/// A statement and all that its meaning depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    pub(crate) statement: &'a Statement,
    /// What [`Statement::tables`] found.
    pub(crate) uses: &'a [TableUse],
    /// At least the tables of `uses`.
    pub(crate) tables: &'a BTreeMap<TableName, InputTable>,
    /// Text by name; bound as string literals, which SQL's coercion types where they are used.
    pub(crate) vars: &'a BTreeMap<String, String>,
    /// What `$as_of` is bound to.
    pub(crate) as_of: DateTime<Utc>,
    /// Zone of `today()`.
    pub(crate) time_zone: Tz,
    pub(crate) functions: &'a FunctionRegistry,
    /// Whether the result becomes a table, whose columns need names; that of a test does not.
    pub(crate) is_published: bool,
}

/// What is known of a statement before it runs.
#[derive(Clone, Debug)]
pub(crate) struct Analysis {
    /// The tables it reads, in the order written.
    pub(crate) inputs: Vec<TableName>,
    /// The text that counts for fingerprints; placeholders as written.
    pub(crate) canonical: String,
    /// What it yields, in order; types as computed, not as published. Empty for tests.
    pub(crate) output: Vec<OutputColumn>,
    /// Names of the variables used, `as_of` not among them.
    pub(crate) vars: BTreeSet<String>,
    /// Whether the result depends on `$as_of`: by name, or through `now()`, `today()` and their kind.
    pub(crate) uses_as_of: bool,
    /// Every function called, by its one name.
    pub(crate) functions: BTreeSet<String>,
    /// The plan over empty tables, types coerced, not optimised.
    pub(crate) plan: LogicalPlan,
    /// Doubts that stop nothing.
    pub(crate) warnings: Vec<Diagnostic>,
    bound: String,
}

impl Analysis {
    /// The statement with every placeholder replaced by its literal: what a session runs.
    pub(crate) fn bound_sql(&self) -> &str {
        &self.bound
    }

    /// Whether each of its rows follows from one row of one table: nothing is joined, grouped or compared with other rows.
    pub(crate) fn is_row_by_row(&self) -> bool {
        let mut scans = 0;
        let mut is_simple = true;
        let walked = self.plan.apply_with_subqueries(|node| {
            match node {
                LogicalPlan::TableScan(_) => scans += 1,
                LogicalPlan::Projection(_)
                | LogicalPlan::Filter(_)
                | LogicalPlan::SubqueryAlias(_) => {}
                _ => is_simple = false,
            }
            for expression in node.expressions() {
                expression.apply(|part| {
                    is_simple &= !matches!(part, Expr::WindowFunction(_));
                    Ok(TreeNodeRecursion::Continue)
                })?;
            }
            Ok(TreeNodeRecursion::Continue)
        });
        walked.is_ok() && is_simple && scans == 1
    }

    /// Where the statement's file writes an expression of a plan of it: by the first column in it.
    pub(crate) fn place_of(&self, expr: &Expr, file: &Arc<SourceFile>) -> Option<Span> {
        let statement = Statement::parse(file).ok()?;
        let wanted = expr.to_string();
        let mut place = None;
        let walked = self.plan.apply_with_subqueries(|node| {
            for whole in node.expressions() {
                whole.apply(|part| {
                    if place.is_none() && part.to_string() == wanted {
                        place = first_span(part, &statement);
                    }
                    Ok(match place {
                        Some(_) => TreeNodeRecursion::Stop,
                        None => TreeNodeRecursion::Continue,
                    })
                })?;
            }
            Ok(TreeNodeRecursion::Continue)
        });
        walked.ok()?;
        place
    }

    /// Whether a subquery refers to the query around it: those may pass every check of the planner and still not run.
    pub(crate) fn has_correlation(&self) -> bool {
        let correlated = |plan: &LogicalPlan| -> EngineResult<bool> {
            let expressions = plan.expressions();
            let refers = |expr: &Expr| {
                expr.exists(|part| Ok(matches!(part, Expr::OuterReferenceColumn(..))))
            };
            Ok(expressions.iter().any(|expr| refers(expr).unwrap_or(true)))
        };
        let mut found = false;
        let walked = self.plan.apply_with_subqueries(|node| {
            found |= correlated(node)?;
            Ok(TreeNodeRecursion::Continue)
        });
        found || walked.is_err()
    }
}

/// One column that a query yields.
#[derive(Clone, Debug)]
pub(crate) struct OutputColumn {
    /// Unique within the output.
    pub(crate) name: String,
    pub(crate) data_type: DataType,
    /// Where the query writes it: the item of the select list, or the `*` it comes from.
    pub(crate) span: Span,
}

/// Analyses a statement.
///
/// # Errors
/// Everything found wrong, warnings among it, at places in the statement's file.
pub(crate) fn analyse(question: &Question<'_>) -> Result<Analysis, Vec<Diagnostic>> {
    let statement = question.statement;
    let bound = bind::bind(question)?;
    let calls = function_calls(statement);
    let tables = known_tables(question)?;
    let catalog = Catalog::new(tables, question.functions);
    let failure = |error, plan: Option<&LogicalPlan>| {
        vec![explain_failure::explain(
            &error,
            statement,
            &calls,
            question.functions,
            plan,
        )]
    };
    let planned = SqlToRel::new(&catalog)
        .sql_statement_to_plan(ast::Statement::Query(bound.query))
        .map_err(|error| failure(error, None))?;
    let state = question.functions.state();
    let plan = state
        .analyzer()
        .execute_and_check(planned.clone(), state.config_options(), |_, _| {})
        .map_err(|error| failure(error, Some(&planned)))?;
    let mut found = Vec::new();
    let output = if question.is_published {
        output::columns(statement, &plan, &mut found)
    } else {
        Vec::new()
    };
    found.extend(lint::check(&LintContext {
        statement,
        calls: &calls,
        functions: question.functions,
        tables: question.tables,
        time_zone: question.time_zone,
        output: &output,
        planned: &planned,
        analyzed: &plan,
    }));
    if found.iter().any(|d| d.severity == Severity::Error) {
        return Err(found);
    }
    let functions: BTreeSet<String> = calls
        .iter()
        .filter_map(|call| question.functions.canonical_name(&call.name))
        .collect();
    let asks_the_time = calls.iter().any(|c| CLOCK_NAMES.contains(&c.name.as_str()));
    Ok(Analysis {
        inputs: question.uses.iter().map(|u| u.table.clone()).collect(),
        canonical: statement.canonical(),
        output,
        vars: bound.vars,
        uses_as_of: bound.uses_as_of || asks_the_time,
        functions,
        plan,
        warnings: found,
        bound: bound.text,
    })
}

/// Optimises and builds the physical plan over empty tables: several times the cost of [`analyse`], and the only proof that a
/// statement runs.
///
/// # Errors
/// K0311.
pub(crate) fn check_runnable(
    file: &Arc<SourceFile>,
    analysis: &Analysis,
    functions: &FunctionRegistry,
) -> Result<(), Diagnostic> {
    runnable::check(&analysis.plan, functions).map_err(|error| match Statement::parse(file) {
        Ok(statement) => explain_failure::explain_not_runnable(&error, &statement),
        Err(mistake) => mistake,
    })
}

/// The schemas of the tables that the statement names.
fn known_tables<'a>(
    question: &Question<'a>,
) -> Result<Vec<(&'a TableName, SchemaRef)>, Vec<Diagnostic>> {
    let mut tables = Vec::with_capacity(question.uses.len());
    let mut unknown = Vec::new();
    for used in question.uses {
        match question.tables.get(&used.table) {
            Some(table) => tables.push((&used.table, table.schema.clone())),
            None => unknown.push(
                Diagnostic::error(
                    Code(203),
                    format!("`{}` is read, which no step produces", used.table),
                )
                .at(question.statement.file(), used.span),
            ),
        }
    }
    if unknown.is_empty() {
        Ok(tables)
    } else {
        Err(unknown)
    }
}

#[cfg(test)]
pub(super) mod tests;
