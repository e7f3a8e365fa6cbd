//! Operators of a plan: from what their inputs are made of to what they yield.

use std::collections::BTreeMap;

use datafusion::common::{Column, DFSchema, JoinType, TableReference};
use datafusion::logical_expr::utils::grouping_set_to_exprlist;
use datafusion::logical_expr::{
    Aggregate, Distinct, DistinctOn, Join, LogicalPlan, RecursiveQuery, SortExpr, TableScan,
    Unnest, Window,
};

use super::expression::{Scope, deciding, value};
use super::{How, Origin, Origins, ValueLineage};
use crate::name::TableName;

/// What an operator yields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Relation {
    /// Of each field of its schema.
    pub(super) columns: Vec<ValueLineage>,
    /// What decides which rows there are.
    pub(super) rows: Origins,
    /// Of a sort that nothing has used yet: an order alone decides nothing, a limit over it does.
    order: Origins,
    /// The rows of the tables that were read: what `count(*)` counts.
    pub(super) counted: Origins,
}

/// Recursive queries that a plan stands in: what is known of each so far.
pub(super) type Recursions = BTreeMap<String, Relation>;

/// Of a whole plan.
pub(super) fn of(plan: &LogicalPlan) -> Relation {
    relation(plan, &Surroundings::default())
}

/// What stands around a plan.
#[derive(Clone, Default)]
pub(super) struct Surroundings<'a> {
    /// The query that a subquery belongs to.
    pub(super) outer: Option<&'a Scope<'a>>,
    pub(super) recursions: Recursions,
}

pub(super) fn relation(plan: &LogicalPlan, around: &Surroundings<'_>) -> Relation {
    match plan {
        LogicalPlan::TableScan(scan) => table_scan(scan, around),
        LogicalPlan::SubqueryAlias(alias) => relation(&alias.input, around),
        LogicalPlan::Subquery(subquery) => relation(&subquery.subquery, around),
        LogicalPlan::Repartition(repartition) => relation(&repartition.input, around),
        LogicalPlan::Projection(projection) => {
            let input = relation(&projection.input, around);
            let columns = {
                let scope = Scope::of(projection.input.schema(), &input, around);
                let exprs = projection.expr.iter();
                exprs.map(|expr| value(expr, &scope)).collect()
            };
            Relation { columns, ..input }
        }
        LogicalPlan::Filter(filter) => {
            let mut input = relation(&filter.input, around);
            let condition = {
                let scope = Scope::of(filter.input.schema(), &input, around);
                deciding(&filter.predicate, How::Filters, &scope)
            };
            input.rows.extend(&condition);
            input
        }
        LogicalPlan::Sort(sort) => {
            let mut input = relation(&sort.input, around);
            let order = {
                let scope = Scope::of(sort.input.schema(), &input, around);
                ordered_by(&sort.expr, &scope)
            };
            input.order.extend(&order);
            if sort.fetch.is_some() {
                use_order(&mut input);
            }
            input
        }
        LogicalPlan::Limit(limit) => {
            let mut input = relation(&limit.input, around);
            use_order(&mut input);
            input
        }
        LogicalPlan::Window(window) => windowed(window, around),
        LogicalPlan::Aggregate(aggregate) => aggregated(aggregate, around),
        LogicalPlan::Join(join) => joined(join, around),
        LogicalPlan::Union(union) => {
            let inputs = union.inputs.iter();
            let all = inputs.map(|input| unordered(relation(input, around)));
            all.reduce(either).unwrap_or_default()
        }
        LogicalPlan::Distinct(Distinct::All(input)) => {
            let mut input = unordered(relation(input, around));
            for column in &input.columns {
                input
                    .rows
                    .extend(&column.origins.clone().deciding(How::Groups));
            }
            input
        }
        LogicalPlan::Distinct(Distinct::On(on)) => distinct_on(on, around),
        LogicalPlan::Unnest(unnest) => unnested(unnest, around),
        LogicalPlan::RecursiveQuery(query) => recursive(query, around),
        LogicalPlan::EmptyRelation(_) | LogicalPlan::Values(_) => constant(plan.schema()),
        // none of these comes from one query that is only read; whatever they hold, nothing is lost
        LogicalPlan::Extension(_)
        | LogicalPlan::Statement(_)
        | LogicalPlan::Explain(_)
        | LogicalPlan::Analyze(_)
        | LogicalPlan::Dml(_)
        | LogicalPlan::Ddl(_)
        | LogicalPlan::Copy(_)
        | LogicalPlan::DescribeTable(_) => opaque(plan, around),
    }
}

fn table_scan(scan: &TableScan, around: &Surroundings<'_>) -> Relation {
    let TableReference::Partial { schema, table } = &scan.table_name else {
        // a recursive query's own rows, or a function that makes rows of constants
        let name = scan.table_name.table();
        let own = around.recursions.get(name).cloned();
        return own.unwrap_or_else(|| constant(&scan.projected_schema));
    };
    let Ok(table) = TableName::new(schema, table) else {
        return constant(&scan.projected_schema);
    };
    let origin = |path: Vec<String>, how: How| {
        let mut origins = Origins::default();
        let table = table.clone();
        origins.insert(Origin { table, path }, how);
        origins
    };
    let fields = scan.projected_schema.fields().iter();
    let columns = fields
        .map(|field| ValueLineage::of(origin(vec![field.name().clone()], How::Copied)))
        .collect();
    Relation {
        columns,
        counted: origin(Vec::new(), How::Counted),
        ..Relation::default()
    }
}

fn windowed(window: &Window, around: &Surroundings<'_>) -> Relation {
    let mut input = relation(&window.input, around);
    let added: Vec<ValueLineage> = {
        let scope = Scope::of(window.input.schema(), &input, around);
        let exprs = window.window_expr.iter();
        exprs.map(|expr| value(expr, &scope)).collect()
    };
    input.columns.extend(added);
    input
}

fn aggregated(aggregate: &Aggregate, around: &Surroundings<'_>) -> Relation {
    let input = unordered(relation(&aggregate.input, around));
    let scope = Scope::of(aggregate.input.schema(), &input, around);
    let groups = grouping_set_to_exprlist(&aggregate.group_expr).unwrap_or_default();
    let mut columns: Vec<ValueLineage> = groups.iter().map(|expr| value(expr, &scope)).collect();
    let mut rows = input.rows.clone();
    for column in &columns {
        rows.extend(&column.origins.clone().deciding(How::Groups));
    }
    // of several grouping sets, a number behind the groups says which one a row belongs to
    let own = aggregate.schema.fields().len() - aggregate.aggr_expr.len();
    columns.resize(own, ValueLineage::default());
    let results = aggregate.aggr_expr.iter();
    columns.extend(results.map(|expr| value(expr, &scope)));
    Relation {
        columns,
        rows,
        order: Origins::default(),
        counted: input.counted.clone(),
    }
}

fn joined(join: &Join, around: &Surroundings<'_>) -> Relation {
    let left = unordered(relation(&join.left, around));
    let right = {
        // a lateral join reads the left side's columns
        let outer = Scope::of(join.left.schema(), &left, around);
        let within = Surroundings {
            outer: Some(&outer),
            recursions: around.recursions.clone(),
        };
        unordered(relation(&join.right, &within))
    };
    let mut rows = left.rows.clone();
    rows.extend(&right.rows);
    {
        let left_scope = Scope::of(join.left.schema(), &left, around);
        let right_scope = Scope::of(join.right.schema(), &right, around);
        for (one, other) in &join.on {
            rows.extend(&deciding(one, How::Joins, &left_scope));
            rows.extend(&deciding(other, How::Joins, &right_scope));
        }
        let both = Scope::of_two(
            (join.left.schema(), &left),
            (join.right.schema(), &right),
            around,
        );
        if let Some(filter) = &join.filter {
            rows.extend(&deciding(filter, How::Joins, &both));
        }
    }
    let width = join.schema.fields().len();
    let (mut columns, mut counted) = (left.columns, left.counted);
    match join.join_type {
        JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => {}
        JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => {
            (columns, counted) = (right.columns, right.counted);
        }
        JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {
            columns.extend(right.columns);
            counted.extend(&right.counted);
        }
    }
    // the mark of a mark join
    columns.resize(width, ValueLineage::of(rows.clone()));
    Relation {
        columns,
        rows,
        order: Origins::default(),
        counted,
    }
}

fn distinct_on(on: &DistinctOn, around: &Surroundings<'_>) -> Relation {
    let mut input = relation(&on.input, around);
    let scope = Scope::of(on.input.schema(), &input, around);
    let mut rows = ordered_by(on.sort_expr.as_deref().unwrap_or_default(), &scope);
    for expr in &on.on_expr {
        rows.extend(&deciding(expr, How::Groups, &scope));
    }
    let exprs = on.select_expr.iter();
    let columns = exprs.map(|expr| value(expr, &scope)).collect();
    input.rows.extend(&rows);
    Relation {
        columns,
        ..unordered(input)
    }
}

/// Elements and fields are copies of what they were taken out of; how many elements there are decides how many rows.
fn unnested(unnest: &Unnest, around: &Surroundings<'_>) -> Relation {
    let mut input = relation(&unnest.input, around);
    let from = |output: usize| {
        let index = unnest.dependency_indices.get(output).copied()?;
        Some((index, input.columns.get(index)?))
    };
    let fields = unnest.schema.fields().iter().enumerate();
    let columns = fields
        .map(|(output, field)| match from(output) {
            Some((index, column)) if unnest.struct_type_columns.contains(&index) => {
                // `column.field` is how the planner names it
                let whole = unnest.input.schema().field(index).name();
                let name = field.name().strip_prefix(whole.as_str());
                let name = name.and_then(|name| name.strip_prefix('.'));
                name.map_or_else(|| column.clone(), |name| column.field(name))
            }
            Some((_, column)) => column.clone(),
            None => ValueLineage::default(),
        })
        .collect();
    for (index, _) in &unnest.list_type_columns {
        if let Some(column) = input.columns.get(*index) {
            let list = column.origins.clone().deciding(How::Joins);
            input.rows.extend(&list);
        }
    }
    Relation { columns, ..input }
}

/// The rows so far go in again, until nothing new comes out: lineages only grow, and there are only so many columns.
fn recursive(query: &RecursiveQuery, around: &Surroundings<'_>) -> Relation {
    let mut known = unordered(relation(&query.static_term, around));
    loop {
        let mut within = around.clone();
        within.recursions.insert(query.name.clone(), known.clone());
        let next = unordered(relation(&query.recursive_term, &within));
        let next = either(known.clone(), next);
        if next == known {
            return known;
        }
        known = next;
    }
}

/// Everything of everything below.
fn opaque(plan: &LogicalPlan, around: &Surroundings<'_>) -> Relation {
    let mut all = Origins::default();
    let mut below = Relation::default();
    for input in plan.inputs() {
        let input = relation(input, around);
        for column in &input.columns {
            all.extend(&column.origins);
        }
        below.rows.extend(&input.rows);
        below.counted.extend(&input.counted);
    }
    let whole = ValueLineage::of(all.through(How::Computed));
    let width = plan.schema().fields().len();
    below.columns = vec![whole; width];
    below
}

fn constant(schema: &DFSchema) -> Relation {
    Relation {
        columns: vec![ValueLineage::default(); schema.fields().len()],
        ..Relation::default()
    }
}

/// Rows of one or of the other.
fn either(mut one: Relation, other: Relation) -> Relation {
    for (column, other) in one.columns.iter_mut().zip(&other.columns) {
        column.or(other);
    }
    one.rows.extend(&other.rows);
    one.counted.extend(&other.counted);
    one
}

fn unordered(mut relation: Relation) -> Relation {
    relation.order = Origins::default();
    relation
}

fn use_order(relation: &mut Relation) {
    let order = std::mem::take(&mut relation.order);
    relation.rows.extend(&order);
}

fn ordered_by(order: &[SortExpr], scope: &Scope<'_>) -> Origins {
    let mut origins = Origins::default();
    for sort in order {
        origins.extend(&deciding(&sort.expr, How::Orders, scope));
    }
    origins
}

/// The position of a column in a schema.
pub(super) fn position(schema: &DFSchema, column: &Column) -> Option<usize> {
    schema.index_of_column(column).ok()
}
