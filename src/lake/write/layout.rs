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
    let plan = if buckets > 1 && !key.is_empty() {
        let hash = Partitioning::Hash(columns(&key, &plan.schema())?, buckets);
        Arc::new(RepartitionExec::try_new(plan, hash).map_err(failure)?)
    } else {
        plan
    };
    sort(plan, spec, buckets > 1 && !key.is_empty())
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

fn sort(
    plan: Arc<dyn ExecutionPlan>,
    spec: &WriteSpec,
    bucketed: bool,
) -> Result<Arc<dyn ExecutionPlan>> {
    let names = sort_columns(spec);
    let expressions = columns(&names, &plan.schema())?;
    let options = SortOptions {
        descending: false,
        nulls_first: true,
    };
    let order = expressions
        .into_iter()
        .map(|expression| PhysicalSortExpr::new(expression, options));
    let parts = plan.output_partitioning().partition_count();
    let Some(order) = LexOrdering::new(order) else {
        return Ok(Arc::new(CoalescePartitionsExec::new(plan)));
    };
    // a load that was folded by key comes sorted
    let is_sorted = plan
        .equivalence_properties()
        .ordering_satisfy(order.clone());
    let sorted: Arc<dyn ExecutionPlan> = match is_sorted.map_err(failure)? {
        true => plan,
        false => Arc::new(SortExec::new(order.clone(), plan).with_preserve_partitioning(true)),
    };
    if bucketed || parts == 1 {
        return Ok(sorted);
    }
    Ok(Arc::new(SortPreservingMergeExec::new(order, sorted)))
}

/// Partition columns, so that one file is open at a time; the key; then all else that has an order, so that rows
/// which differ never change places.
fn sort_columns(spec: &WriteSpec) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let rest = spec.schema.fields().iter().filter(|field| {
        RowConverter::supports_fields(&[SortField::new(field.data_type().clone())])
    });
    let all = spec
        .partition_by
        .iter()
        .chain(&spec.key)
        .cloned()
        .chain(rest.map(|field| field.name().clone()));
    for name in all {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
