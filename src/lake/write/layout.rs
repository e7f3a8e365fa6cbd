//! Any plan → one whose partitions are a table's buckets, in published types and total order.

use std::sync::Arc;

use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::physical_expr::expressions::{Column, cast};
use datafusion::physical_expr::{LexOrdering, Partitioning, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

use super::total_order::{ORDER, TotalOrderExec};
use super::{Layout, WriteSpec, misfit};
use crate::engine::failure;
use crate::error::Result;

/// Casts, buckets and sorts.
pub(super) fn arrange(
    plan: Arc<dyn ExecutionPlan>,
    spec: &WriteSpec,
) -> Result<Arc<dyn ExecutionPlan>> {
    check(spec)?;
    let plan = cast_to_contract(plan, spec)?;
    let Layout::Sorted { buckets } = spec.layout else {
        return Ok(plan);
    };
    let key = bucket_columns(spec);
    let plan = if buckets > 1 && !key.is_empty() && !is_in_ranges(&plan, &key) {
        let hash = Partitioning::Hash(columns(&key, &plan.schema())?, buckets);
        Arc::new(RepartitionExec::try_new(plan, hash).map_err(failure)?)
    } else {
        plan
    };
    sort(plan, spec, buckets > 1 && !key.is_empty())
}

/// The columns by which a table's rows are ordered, the first first, and how.
pub(crate) fn order_of(spec: &WriteSpec) -> (Vec<String>, SortOptions) {
    let SortColumns { key, rest } = sort_columns(spec);
    (key.into_iter().chain(rest).collect(), ORDER)
}

/// Whether equal keys end up side by side, so that counting neighbours counts duplicates.
pub(super) fn brings_equal_keys_together(spec: &WriteSpec) -> bool {
    matches!(spec.layout, Layout::Sorted { .. })
        && !spec.key.is_empty()
        && spec.partition_by.iter().all(|c| spec.key.contains(c))
}

fn check(spec: &WriteSpec) -> Result<()> {
    for column in spec.key.iter().chain(&spec.partition_by) {
        if spec.schema.column_with_name(column).is_none() {
            return Err(misfit(
                format!("column `{column}` is not in the contract"),
                spec,
            ));
        }
    }
    for column in &spec.partition_by {
        let data_type = spec.schema.field_with_name(column).map(Field::data_type);
        if !data_type.is_ok_and(can_partition) {
            return Err(misfit(
                format!(
                    "column `{column}` cannot be a partition column: varchar, boolean, integer, bigint and date can"
                ),
                spec,
            ));
        }
    }
    if spec.layout == Layout::AsComputed && !spec.partition_by.is_empty() {
        return Err(misfit(
            "an unsorted table cannot have partition columns",
            spec,
        ));
    }
    if spec.schema.fields().len() == spec.partition_by.len() {
        return Err(misfit("every column is a partition column", spec));
    }
    Ok(())
}

fn can_partition(data_type: &DataType) -> bool {
    use DataType::{Boolean, Date32, Int32, Int64, Utf8};
    matches!(data_type, Utf8 | Boolean | Int32 | Int64 | Date32)
}

/// Whether the plan's partitions are ranges of the key: then they are the buckets.
fn is_in_ranges(plan: &Arc<dyn ExecutionPlan>, key: &[String]) -> bool {
    let Partitioning::Range(ranges) = plan.output_partitioning() else {
        return false;
    };
    let ordering = ranges.ordering();
    let name = |by: &PhysicalSortExpr| {
        let column = by.expr.downcast_ref::<Column>();
        column.map(|column| column.name().to_string())
    };
    ordering.len() == key.len()
        && ordering
            .iter()
            .zip(key)
            .all(|(by, column)| name(by).as_ref() == Some(column))
}

/// Columns by name, in contract order and published types. A value that does not fit fails the step: nothing is
/// rounded to null.
fn cast_to_contract(
    plan: Arc<dyn ExecutionPlan>,
    spec: &WriteSpec,
) -> Result<Arc<dyn ExecutionPlan>> {
    let given = plan.schema();
    if given.fields().len() != spec.schema.fields().len() {
        return Err(misfit(
            "the query yields more columns than the contract has",
            spec,
        ));
    }
    let mut expressions = Vec::with_capacity(given.fields().len());
    for field in spec.schema.fields() {
        let Some((index, _)) = given.column_with_name(field.name()) else {
            let message = format!("the query yields no column `{}`", field.name());
            return Err(misfit(message, spec));
        };
        let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), index));
        let cast = cast(column, &given, field.data_type().clone()).map_err(failure)?;
        expressions.push((cast, field.name().clone()));
    }
    Ok(Arc::new(
        ProjectionExec::try_new(expressions, plan).map_err(failure)?,
    ))
}

/// The key; without one, every column that can be compared cheaply.
fn bucket_columns(spec: &WriteSpec) -> Vec<String> {
    if !spec.key.is_empty() {
        return spec.key.clone();
    }
    let flat = spec.schema.fields().iter();
    flat.filter(|field| !field.data_type().is_nested())
        .map(|field| field.name().clone())
        .collect()
}

fn columns(names: &[String], schema: &Schema) -> Result<Vec<Arc<dyn PhysicalExpr>>> {
    names
        .iter()
        .map(|name| {
            Column::new_with_schema(name, schema)
                .map(|column| Arc::new(column) as Arc<dyn PhysicalExpr>)
                .map_err(failure)
        })
        .collect()
}

/// In total order: by the key, then rows of equal keys among themselves; by all columns, where there is no key.
fn sort(
    plan: Arc<dyn ExecutionPlan>,
    spec: &WriteSpec,
    bucketed: bool,
) -> Result<Arc<dyn ExecutionPlan>> {
    let SortColumns { key, rest } = sort_columns(spec);
    let schema = plan.schema();
    let all: Vec<String> = key.iter().chain(&rest).cloned().collect();
    let Some(order) = ordering(&all, &schema)? else {
        return Ok(Arc::new(CoalescePartitionsExec::new(plan)));
    };
    let by_key = match ordering(&key, &schema)? {
        Some(by_key) => by_key,
        None => order.clone(),
    };
    let is_one = bucketed || plan.output_partitioning().partition_count() == 1;
    let is_sorted = |by: &LexOrdering| {
        let equivalences = plan.equivalence_properties();
        equivalences.ordering_satisfy(by.clone()).map_err(failure)
    };
    // a load that was folded by key comes sorted, and has each key once
    let is_total = by_key == order || is_sorted(&order)?;
    let sorted: Arc<dyn ExecutionPlan> = match is_sorted(&by_key)? {
        true => Arc::clone(&plan),
        false => Arc::new(
            SortExec::new(by_key.clone(), Arc::clone(&plan)).with_preserve_partitioning(true),
        ),
    };
    let merged = match is_one {
        true => sorted,
        false => Arc::new(SortPreservingMergeExec::new(by_key, sorted)),
    };
    if is_total {
        return Ok(merged);
    }
    let positions = |names: &[String]| -> Result<Vec<usize>> {
        let at = |name: &String| schema.index_of(name).map_err(|error| failure(error.into()));
        names.iter().map(at).collect()
    };
    let (key, rest) = (positions(&key)?, positions(&rest)?);
    Ok(Arc::new(TotalOrderExec::new(merged, key, rest, order)))
}

fn ordering(names: &[String], schema: &Schema) -> Result<Option<LexOrdering>> {
    let columns = columns(names, schema)?.into_iter();
    Ok(LexOrdering::new(
        columns.map(|column| PhysicalSortExpr::new(column, ORDER)),
    ))
}

struct SortColumns {
    /// Partition columns, so that one file is open at a time; then the key.
    key: Vec<String>,
    /// All else that has an order, so that rows which differ never change places.
    rest: Vec<String>,
}

fn sort_columns(spec: &WriteSpec) -> SortColumns {
    let mut key: Vec<String> = Vec::new();
    // without a key, partition columns alone would leave long runs of equal ones
    let first = match spec.key.is_empty() {
        true => [].iter(),
        false => spec.partition_by.iter(),
    };
    for name in first.chain(&spec.key) {
        if !key.contains(name) {
            key.push(name.clone());
        }
    }
    let ordered = spec.schema.fields().iter().filter(|field| {
        RowConverter::supports_fields(&[SortField::new(field.data_type().clone())])
    });
    let mut rest: Vec<String> = Vec::new();
    for name in spec
        .partition_by
        .iter()
        .chain(ordered.map(|field| field.name()))
    {
        if !key.contains(name) && !rest.contains(name) {
            rest.push(name.clone());
        }
    }
    SortColumns { key, rest }
}
