use std::sync::Arc;

use super::*;
use crate::diagnostic::SourceFile;
use crate::engine::project_functions;

/// `column = how origin, how origin` a line; then what decides the rows.
fn lineage(sql: &str) -> String {
    shown(&super::super::tests::ask(sql, false).unwrap())
}

fn shown(analysis: &Analysis) -> String {
    let lineage = analysis.lineage();
    let mut text = String::new();
    for column in &analysis.output {
        let origins = &lineage.columns[&column.name].origins;
        text.push_str(&format!("{} = {}\n", column.name, listed(origins)));
    }
    text + &format!("rows: {}\n", listed(&lineage.rows))
}

fn listed(origins: &Origins) -> String {
    let all = origins.iter().map(|(origin, hows)| {
        let hows: Vec<&str> = hows.iter().map(|how| how.name()).collect();
        let table = origin.table.name();
        let path: String = origin.path.iter().map(|part| format!(".{part}")).collect();
        format!("{} {table}{path}", hows.join("+"))
    });
    all.collect::<Vec<_>>().join(", ")
}

#[test]
fn a_filter_decides_rows_and_expressions_compute_values() {
    insta::assert_snapshot!(lineage(
        "select email, lower(email) as address, 'SE' as land, email || country as both
         from silver.people where birth_date is not null"), @"
    email = copied people.email
    address = computed people.email
    land = 
    both = computed people.country, computed people.email
    rows: filters people.birth_date
    ");
}

#[test]
fn a_cast_that_only_widens_is_a_copy() {
    insta::assert_snapshot!(lineage(
        "select cast(amount as decimal(14, 2)) as wide, cast(amount as decimal(12, 1)) as coarse,
           cast(order_id as varchar) as text, try_cast(customer_id as bigint) as number
         from silver.orders"), @"
    wide = copied orders.amount
    coarse = computed orders.amount
    text = computed orders.order_id
    number = computed orders.customer_id
    rows: 
    ");
}

#[test]
fn both_sides_of_a_join_decide() {
    insta::assert_snapshot!(lineage(
        "select o.order_id, p.email
         from silver.orders o left join silver.people p
           on o.customer_id = p.customer_id and p.country = 'SE'"), @"
    order_id = copied orders.order_id
    email = copied people.email
    rows: joins orders.customer_id, joins people.country, joins people.customer_id
    ");
}

#[test]
fn a_star_and_using_are_seen_through() {
    insta::assert_snapshot!(lineage(
        "select p.* exclude (birth_date, _kilde_source_row), o.amount as paid
         from silver.people p join silver.orders o using (customer_id)"), @"
    customer_id = copied people.customer_id
    email = copied people.email
    country = copied people.country
    paid = copied orders.amount
    rows: joins orders.customer_id, joins people.customer_id
    ");
}

#[test]
fn a_cte_used_twice_is_seen_through_each_time() {
    insta::assert_snapshot!(lineage(
        "with a as (select customer_id, upper(email) as email from silver.people where country = 'SE')
         select one.email, other.email as other_email from a one join a other using (customer_id)"), @"
    email = computed people.email
    other_email = computed people.email
    rows: filters people.country, joins people.customer_id
    ");
}

#[test]
fn a_union_is_made_of_every_branch() {
    insta::assert_snapshot!(lineage(
        "select customer_id as id from silver.people
         union all select cast(order_id as varchar) from silver.orders where amount > 0"), @"
    id = computed orders.order_id, copied people.customer_id
    rows: filters orders.amount
    ");
}

#[test]
fn union_by_name_and_distinct_follow_the_names() {
    insta::assert_snapshot!(lineage(
        "select customer_id, country from silver.people
         union by name select country, email as customer_id from silver.people"), @"
    customer_id = copied people.customer_id, copied people.email
    country = copied people.country
    rows: groups people.country, groups people.customer_id, groups people.email
    ");
}

#[test]
fn except_and_intersect_decide_by_the_other_side() {
    insta::assert_snapshot!(lineage(
        "select customer_id from silver.people except select customer_id from silver.orders"), @"
    customer_id = copied people.customer_id
    rows: joins orders.customer_id, joins+groups people.customer_id
    ");
}

#[test]
fn an_aggregate_tells_values_from_counts_and_conditions() {
    insta::assert_snapshot!(lineage(
        "select customer_id, sum(amount) as total, count(order_id) as orders, count(*) as n,
           max(amount) filter (where order_id > 5) as high,
           array_agg(order_id order by ordered_at, order_id) as ids
         from silver.orders group by customer_id having count(*) > 1"), @"
    customer_id = copied orders.customer_id
    total = aggregated orders.amount
    orders = counted orders.order_id
    n = counted orders
    high = aggregated orders.amount, filters orders.order_id
    ids = aggregated+orders orders.order_id, orders orders.ordered_at
    rows: filters orders, groups orders.customer_id
    ");
}

#[test]
fn grouping_sets_keep_their_columns_apart() {
    insta::assert_snapshot!(lineage(
        "select country, birth_date, grouping(country) as is_total, count(*) as n
         from silver.people group by rollup (country, birth_date)"), @"
    country = copied people.country
    birth_date = copied people.birth_date
    is_total = 
    n = counted people
    rows: groups people.birth_date, groups people.country
    ");
}

#[test]
fn a_window_decides_by_its_partition_and_order() {
    insta::assert_snapshot!(lineage(
        "select order_id, row_number() over (partition by customer_id order by ordered_at, order_id) as n,
           sum(amount) over (partition by customer_id) as total,
           lag(amount) over (order by order_id) as before
         from silver.orders"), @"
    order_id = copied orders.order_id
    n = groups orders.customer_id, orders orders.order_id, orders orders.ordered_at
    total = aggregated orders.amount, groups orders.customer_id
    before = computed orders.amount, orders orders.order_id
    rows: 
    ");
}

#[test]
fn qualify_decides_rows_by_what_its_window_decides_by() {
    insta::assert_snapshot!(lineage(
        "select order_id from silver.orders
         qualify row_number() over (partition by customer_id order by ordered_at desc, order_id) = 1"), @"
    order_id = copied orders.order_id
    rows: filters orders.customer_id, filters orders.order_id, filters orders.ordered_at
    ");
}

#[test]
fn an_order_decides_where_a_limit_cuts() {
    insta::assert_snapshot!(lineage(
        "select email from silver.people order by birth_date, customer_id limit 3"), @"
    email = copied people.email
    rows: orders people.birth_date, orders people.customer_id
    ");
    insta::assert_snapshot!(lineage("select email from silver.people order by email"), @"
    email = copied people.email
    rows: 
    ");
}

#[test]
fn distinct_on_decides_by_its_keys_and_its_order() {
    insta::assert_snapshot!(lineage(
        "select distinct on (customer_id) customer_id, amount from silver.orders
         order by customer_id, ordered_at desc, order_id"), @"
    customer_id = copied orders.customer_id
    amount = copied orders.amount
    rows: groups+orders orders.customer_id, orders orders.order_id, orders orders.ordered_at
    ");
}

#[test]
fn a_scalar_subquery_is_a_value_and_what_it_is_correlated_by_decides() {
    insta::assert_snapshot!(lineage(
        "select p.email, (select max(o.amount) from silver.orders o where o.customer_id = p.customer_id) as top
         from silver.people p"), @"
    email = copied people.email
    top = aggregated orders.amount, filters orders.customer_id, filters people.customer_id
    rows: 
    ");
}

#[test]
fn exists_and_in_decide_rows() {
    insta::assert_snapshot!(lineage(
        "select p.email from silver.people p
         where exists (select 1 from silver.orders o where o.customer_id = p.customer_id)"), @"
    email = copied people.email
    rows: filters orders, filters orders.customer_id, filters people.customer_id
    ");
    insta::assert_snapshot!(lineage(
        "select p.email, p.customer_id in (select customer_id from silver.orders where amount > 0) as has_bought
         from silver.people p"), @"
    email = copied people.email
    has_bought = filters orders.amount, computed orders.customer_id, computed people.customer_id
    rows: 
    ");
}

#[test]
fn unnest_copies_elements_and_repeats_rows() {
    insta::assert_snapshot!(lineage(
        "with lines as (select order_id, unnest(lines) as line from silver.orders)
         select order_id, line.sku as sku, line.quantity * 2 as twice, line from lines"), @"
    order_id = copied orders.order_id
    sku = copied orders.lines.sku
    twice = computed orders.lines.quantity
    line = copied orders.lines
    rows: joins orders.lines
    ");
}

#[test]
fn a_lateral_join_reads_the_row_beside_it() {
    insta::assert_snapshot!(lineage(
        "select o.order_id, l.both from silver.orders o cross join lateral (
           select p.email || o.customer_id as both from silver.people p where p.customer_id = o.customer_id) as l"), @"
    order_id = copied orders.order_id
    both = computed orders.customer_id, computed people.email
    rows: filters orders.customer_id, filters people.customer_id
    ");
}

#[test]
fn a_struct_remembers_its_fields() {
    insta::assert_snapshot!(lineage(
        "with packed as (select {'who': customer_id, 'where': upper(country)} as s from silver.people)
         select s.who as who, s['where'] as land, s from packed"), @"
    who = copied people.customer_id
    land = computed people.country
    s = computed people.country, computed people.customer_id
    rows: 
    ");
}

#[test]
fn a_lambda_reads_the_elements_of_its_list() {
    insta::assert_snapshot!(lineage(
        "select array_transform(lines, x -> x['quantity']) as quantities from silver.orders"), @"
    quantities = computed orders.lines, computed orders.lines.quantity
    rows: 
    ");
}

#[test]
fn a_recursive_query_carries_its_origins_round() {
    insta::assert_snapshot!(lineage(
        "with recursive walk as (
           select customer_id as id, email as path from silver.people
           union all
           select w.id, w.path || p.country from walk w join silver.people p on p.customer_id = w.id
         ) select id, path from walk"), @"
    id = copied people.customer_id
    path = computed people.country, copied+computed people.email
    rows: joins people.customer_id
    ");
}

#[test]
fn rows_made_of_nothing_have_no_origin() {
    insta::assert_snapshot!(lineage(
        "select v.a as a, r.value as n from (values (1), (2)) as v(a) cross join range(1, 3) as r"), @"
    a = 
    n = 
    rows: 
    ");
}

#[test]
fn a_function_of_the_project_is_what_its_body_is() {
    let file = Arc::new(SourceFile {
        path: "sql/functions/f.sql".into(),
        text: "create function other_of(a varchar, b varchar) returns varchar as b;\n\
               create function shout(a varchar, b varchar) returns varchar as upper(other_of(b, a));"
            .into(),
    });
    let functions = project_functions(&[file]).unwrap();
    assert!(
        functions.sql().found.is_empty(),
        "{:?}",
        functions.sql().found
    );
    let analysis = super::super::tests::ask_with(
        "select other_of(email, country) as c, shout(email, country) as e from silver.people",
        &functions,
    )
    .unwrap();
    insta::assert_snapshot!(shown(&analysis), @"
    c = copied people.country
    e = computed people.email
    rows: 
    ");
}

#[test]
fn a_path_within_a_column_narrows_copies_only() {
    let analysis = super::super::tests::ask(
        "with x as (select unnest(lines) as line from silver.orders) select line from x",
        false,
    )
    .unwrap();
    let line = &analysis.lineage().columns["line"];
    let sku = line.within(&["sku".to_string()]);
    assert_eq!(listed(&sku.origins), "copied orders.lines.sku");
}
