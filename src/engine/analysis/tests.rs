use chrono::TimeZone;
use datafusion::arrow::datatypes::{Field, Schema, TimeUnit};

use super::*;
use crate::engine::function_registry::test_registry;

fn table(columns: &[(&str, DataType)]) -> InputTable {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, data_type)| Field::new(*name, data_type.clone(), true))
        .collect();
    InputTable {
        schema: Arc::new(Schema::new(fields)),
        not_null: BTreeSet::from(["customer_id".to_string()]),
        // `customer_id` of people, `order_id` of orders
        unique: vec![BTreeSet::from([columns[0].0.to_string()])],
    }
}

/// `silver.people` and `silver.orders`, variables `country` and `min_amount`, 1 March 2026 in Stockholm.
pub(super) fn ask(text: &str, is_runnable: bool) -> Result<Analysis, Vec<Diagnostic>> {
    let analysis = ask_with(text, test_registry::shared())?;
    if is_runnable {
        check_runnable(&question_file(text), &analysis, test_registry::shared())
            .map_err(|d| vec![d])?;
    }
    Ok(analysis)
}

fn question_file(text: &str) -> Arc<SourceFile> {
    Arc::new(SourceFile {
        path: "sql/gold/x.sql".into(),
        text: text.into(),
    })
}

/// The same with other functions.
pub(super) fn ask_with(
    text: &str,
    functions: &FunctionRegistry,
) -> Result<Analysis, Vec<Diagnostic>> {
    let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let lines = DataType::new_list(
        DataType::Struct(
            vec![
                Field::new("sku", DataType::Utf8, true),
                Field::new("quantity", DataType::Int32, true),
            ]
            .into(),
        ),
        true,
    );
    let tables = BTreeMap::from([
        (
            "silver.people".parse().unwrap(),
            table(&[
                ("customer_id", DataType::Utf8),
                ("email", DataType::Utf8),
                ("country", DataType::Utf8),
                ("birth_date", DataType::Date32),
                ("_kilde_source_row", DataType::Int64),
            ]),
        ),
        (
            "silver.orders".parse().unwrap(),
            table(&[
                ("order_id", DataType::Int64),
                ("customer_id", DataType::Utf8),
                ("amount", DataType::Decimal128(12, 2)),
                ("ordered_at", instant),
                ("lines", lines),
            ]),
        ),
    ]);
    let file = question_file(text);
    let vars = BTreeMap::from([
        ("country".to_string(), "S'E".to_string()),
        ("min_amount".to_string(), "100".to_string()),
    ]);
    let statement = Statement::parse(&file).map_err(|d| vec![d])?;
    let uses = statement.tables(&tables.keys().cloned().collect())?;
    analyse(&Question {
        statement: &statement,
        uses: &uses,
        tables: &tables,
        vars: &vars,
        as_of: Utc.with_ymd_and_hms(2026, 2, 28, 23, 0, 0).unwrap(),
        time_zone: chrono_tz::Europe::Stockholm,
        functions,
        is_published: true,
    })
}

/// The rendered mistakes, an empty line between two.
fn mistakes(text: &str) -> String {
    let found = match ask(text, true) {
        Ok(analysis) => analysis.warnings,
        Err(found) => found,
    };
    let rendered: Vec<String> = found.iter().map(|d| d.render(false)).collect();
    rendered.join("\n\n")
}

fn types(analysis: &Analysis) -> Vec<String> {
    let columns = analysis.output.iter();
    columns
        .map(|c| format!("{} {}", c.name, c.data_type))
        .collect()
}

#[test]
fn a_statement_tells_its_inputs_columns_and_functions() {
    let analysis = ask(
        "with big as (select customer_id, sum(amount) as total, count(*) as orders
         from silver.orders where amount > $min_amount group by customer_id)
         select p.customer_id, lower(p.email) as email, b.total, b.orders,
           row_number() over (order by b.total desc, p.customer_id) as position,
           p.birth_date < current_date as is_born
         from silver.people p left join big b using (customer_id) where p.country = $country",
        true,
    )
    .unwrap();
    let inputs: Vec<String> = analysis.inputs.iter().map(ToString::to_string).collect();
    assert_eq!(inputs, ["silver.orders", "silver.people"]);
    assert_eq!(
        types(&analysis),
        [
            "customer_id Utf8",
            "email Utf8",
            "total Decimal128(22, 2)",
            "orders Int64",
            "position UInt64",
            "is_born Boolean"
        ]
    );
    let functions: Vec<&str> = analysis.functions.iter().map(String::as_str).collect();
    assert_eq!(
        functions,
        ["count", "current_date", "lower", "row_number", "sum"]
    );
    assert!(analysis.uses_as_of);
    assert_eq!(analysis.vars.len(), 2);
    assert!(analysis.warnings.is_empty(), "{:?}", analysis.warnings);
}

#[test]
fn bound_text_holds_literals_and_parses_to_the_same_plan() {
    let analysis = ask(
        "select order_id, $country as land from silver.orders where ordered_at < $as_of",
        true,
    )
    .unwrap();
    insta::assert_snapshot!(analysis.bound_sql(), @r#"select order_id, 'S''E' as land from silver.orders where ordered_at < arrow_cast('2026-02-28T23:00:00.000000Z', 'Timestamp(Microsecond, Some("UTC"))')"#);
    assert!(analysis.uses_as_of);
    let again = ask(analysis.bound_sql(), true).unwrap();
    assert_eq!(
        analysis.plan.display_indent().to_string(),
        again.plan.display_indent().to_string()
    );
}

#[test]
fn an_argument_that_begins_with_a_name_and_an_equals_sign_is_a_comparison() {
    let analysis = ask(
        "select bool_or(country = $country and email = 'x') as a, bool_or($country = country) as b, count(distinct country = 'SE') as c from silver.people",
        true,
    )
    .unwrap();
    insta::assert_snapshot!(analysis.bound_sql(), @"select bool_or((country) = 'S''E' and email = 'x') as a, bool_or(('S''E') = country) as b, count(distinct (country) = 'SE') as c from silver.people");
    let spelt_out = ask(
        "select bool_or((country = 'S''E') and (email = 'x')) as a, bool_or(('S''E' = country)) as b, count(distinct (country = 'SE')) as c from silver.people",
        true,
    )
    .unwrap();
    assert_eq!(
        analysis.plan.display_indent().to_string(),
        spelt_out.plan.display_indent().to_string()
    );
}

#[test]
fn a_mistake_within_a_compared_argument_keeps_its_place() {
    insta::assert_snapshot!(mistakes("select bool_or(emial = 'x') as a\nfrom silver.people"), @r#"
    error[K0303]: no column `emial` here
      --> sql/gold/x.sql:1:16
       |
     1 | select bool_or(emial = 'x') as a
       |                ^^^^^
    help: did you mean `email`?
    "#);
}

#[test]
fn lengths_of_time_are_compared_justified_and_keep_their_names() {
    let analysis = ask(
        "select order_id, ordered_at - $as_of > interval '90 days' as late from silver.orders
         where $as_of - ordered_at between interval '1 day' and interval '3 months'",
        true,
    )
    .unwrap();
    assert_eq!(types(&analysis), ["order_id Int64", "late Boolean"]);
    let plan = analysis.plan.display_indent().to_string();
    assert_eq!(plan.matches("justify_interval(").count(), 5, "{plan}");
    assert!(!plan.contains("CAST"), "{plan}");
}

#[test]
fn lengths_of_time_that_cannot_be_compared_say_what_to_write() {
    insta::assert_snapshot!(mistakes("select email from silver.people where today() - birth_date > interval '30 days'"), @r#"
    error[K0309]: bigint and interval cannot be compared
      --> sql/gold/x.sql:1:49
       |
     1 | select email from silver.people where today() - birth_date > interval '30 days'
       |                                                 ^^^^^^^^^^
    help: the difference of two dates is a number of days: compare it with `90`, or write `a > b + interval '90 days'`
    "#);
    insta::assert_snapshot!(mistakes("select order_id from silver.orders where $as_of - ordered_at > '30 days'"), @r#"
    error[K0309]: a difference of timestamps and varchar cannot be compared
      --> sql/gold/x.sql:1:51
       |
     1 | select order_id from silver.orders where $as_of - ordered_at > '30 days'
       |                                                   ^^^^^^^^^^
    help: write the length as an interval: `a - b > interval '90 days'`
    "#);
    insta::assert_snapshot!(mistakes("select order_id from silver.orders where $as_of - ordered_at > 30"), @r#"
    error[K0309]: a difference of timestamps and bigint cannot be compared
      --> sql/gold/x.sql:1:51
       |
     1 | select order_id from silver.orders where $as_of - ordered_at > 30
       |                                                   ^^^^^^^^^^
    help: compare it with an interval: `a - b > interval '90 days'`; `date_diff('day', b, a)` is a number
    "#);
}

#[test]
fn as_of_takes_part_in_arithmetic_as_microseconds_utc() {
    let analysis = ask(
        "select $as_of as at, $as_of - interval '30 days' as from_at, now() as n, today() as d from silver.people",
        true,
    )
    .unwrap();
    let instant = crate::engine::clock_functions::instant_type();
    for column in &analysis.output[..3] {
        assert_eq!(column.data_type, instant, "{}", column.name);
    }
    assert_eq!(analysis.output[3].data_type, DataType::Date32);
}

#[test]
fn nested_columns_are_unnested_and_their_fields_read() {
    let analysis = ask(
        "with l as (select order_id, unnest(lines) as line from silver.orders)
         select order_id, line.sku as sku, line['quantity'] as quantity from l",
        true,
    )
    .unwrap();
    assert_eq!(
        types(&analysis),
        ["order_id Int64", "sku Utf8", "quantity Int32"]
    );
}

#[test]
fn system_columns_can_be_read_and_are_never_put_out() {
    let analysis = ask(
        "select * from silver.people qualify row_number() over (partition by email order by _kilde_source_row) = 1",
        true,
    )
    .unwrap();
    let names: Vec<&str> = analysis.output.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["customer_id", "email", "country", "birth_date"]);
}

#[test]
fn decimal_literals_stay_decimals() {
    let analysis = ask("select amount * 0.25 as quarter from silver.orders", true).unwrap();
    assert_eq!(types(&analysis), ["quarter Decimal128(15, 4)"]);
}

#[test]
fn an_unknown_column_suggests_the_nearest() {
    insta::assert_snapshot!(mistakes("select emial\nfrom silver.people"), @r#"
    error[K0303]: no column `emial` here
      --> sql/gold/x.sql:1:8
       |
     1 | select emial
       |        ^^^^^
    help: did you mean `email`?
    "#);
    insta::assert_snapshot!(mistakes("select p.emial as email from silver.people p"), @r#"
    error[K0303]: `p` has no column `emial`
      --> sql/gold/x.sql:1:8
       |
     1 | select p.emial as email from silver.people p
       |        ^^^^^^^
    help: did you mean `email`?
    "#);
    insta::assert_snapshot!(mistakes("select q.email as email from silver.people p"), @r#"
    error[K0303]: `q` names no table of this query
      --> sql/gold/x.sql:1:8
       |
     1 | select q.email as email from silver.people p
       |        ^^^^^^^
    help: the tables are `p`
    "#);
    insta::assert_snapshot!(mistakes("select customer_id from silver.people p join silver.orders o on o.customer_id = p.customer_id"), @r#"
    error[K0304]: `customer_id` is a column of several tables here
      --> sql/gold/x.sql:1:8
       |
     1 | select customer_id from silver.people p join silver.orders o on o.customer_id = p.customer_id
       |        ^^^^^^^^^^^
    help: say whose: `p.customer_id` or `o.customer_id`
    "#);
}

#[test]
fn an_unknown_function_suggests_the_nearest() {
    insta::assert_snapshot!(mistakes("select loower(email) as email from silver.people"), @r#"
    error[K0305]: no function `loower`
      --> sql/gold/x.sql:1:8
       |
     1 | select loower(email) as email from silver.people
       |        ^^^^^^
    help: did you mean `lower`?
    "#);
}

#[test]
fn wrong_arguments_are_placed_at_the_call() {
    insta::assert_snapshot!(mistakes("select upper(email) as a,\n  upper(email, 3) as b from silver.people"), @r#"
    error[K0306]: `upper` does not take (varchar, bigint)
      --> sql/gold/x.sql:2:3
       |
     2 |   upper(email, 3) as b from silver.people
       |   ^^^^^^^^^^^^^^^
    help: it takes upper(varchar)
    "#);
    insta::assert_snapshot!(mistakes("select country, sum(email) as b from silver.people group by country"), @r#"
    error[K0306]: `sum` does not take varchar
      --> sql/gold/x.sql:1:17
       |
     1 | select country, sum(email) as b from silver.people group by country
       |                 ^^^^^^^^^^
    help: it takes decimal or bigint or double or duration or interval
    "#);
    insta::assert_snapshot!(mistakes("select round(lines) as b from silver.orders"), @r#"
    error[K0306]: `round` does not take list<struct<sku varchar, quantity integer>>
      --> sql/gold/x.sql:1:8
       |
     1 | select round(lines) as b from silver.orders
       |        ^^^^^^^^^^^^
    help: it takes decimal or integer or double
    "#);
}

#[test]
fn operators_on_wrong_types_are_placed() {
    insta::assert_snapshot!(mistakes("select lines + 1 as b from silver.orders"), @r#"
    error[K0309]: `+` does not take list<struct<sku varchar, quantity integer>> and bigint
      --> sql/gold/x.sql:1:8
       |
     1 | select lines + 1 as b from silver.orders
       |        ^^^^^
    "#);
    insta::assert_snapshot!(mistakes("select order_id from silver.orders where lines = 4"), @r#"
    error[K0309]: list<struct<sku varchar, quantity integer>> and bigint cannot be compared
      --> sql/gold/x.sql:1:42
       |
     1 | select order_id from silver.orders where lines = 4
       |                                          ^^^^^
    "#);
    insta::assert_snapshot!(mistakes("select order_id from silver.orders where amount"), @r#"
    error[K0309]: a condition is true or false, and `amount` is decimal(12,2)
      --> sql/gold/x.sql:1:36
       |
     1 | select order_id from silver.orders where amount
       |                                    ^^^^^
    help: compare it with something
    "#);
}

#[test]
fn a_column_that_is_not_grouped_is_placed() {
    insta::assert_snapshot!(mistakes("select country, email, count(*) as n\nfrom silver.people group by country"), @r#"
    error[K0307]: `email` is neither grouped nor aggregated
      --> sql/gold/x.sql:1:17
       |
     1 | select country, email, count(*) as n
       |                 ^^^^^
    help: add `email` to `group by`, or choose one value, as `max(email)` does
    "#);
}

#[test]
fn unions_of_other_widths_are_placed() {
    insta::assert_snapshot!(mistakes("select email from silver.people union all select email, country from silver.people"), @r#"
    error[K0318]: the two sides of a union have different numbers of columns
      --> sql/gold/x.sql:1:1
       |
     1 | select email from silver.people union all select email, country from silver.people
       | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    help: name the columns of both sides in the same order: `null as …` fills a gap
    "#);
}

#[test]
fn output_names_must_be_names_and_unique() {
    insta::assert_snapshot!(mistakes("select count(*), max(email) as \"E-post\" from silver.people"), @r#"
    error[K0313]: a column has no name
      --> sql/gold/x.sql:1:8
       |
     1 | select count(*), max(email) as "E-post" from silver.people
       |        ^^^^^^^^
    help: give it one with `as`

    error[K0313]: `E-post` is not a name: lower-case letters, digits and `_`, a letter first
      --> sql/gold/x.sql:1:18
       |
     1 | select count(*), max(email) as "E-post" from silver.people
       |                  ^^^^^^^^^^^^^^^^^^^^^^
    help: rename it with `as`
    "#);
    insta::assert_snapshot!(mistakes("select p.customer_id, o.customer_id\nfrom silver.people p join silver.orders o using (customer_id)"), @r#"
    error[K0308]: the query yields `customer_id` twice
      --> sql/gold/x.sql:1:23
       |
     1 | select p.customer_id, o.customer_id
       |                       ^^^^^^^^^^^^^
    help: rename one with `as`, or leave it out: `* exclude (…)`
    "#);
}

#[test]
fn unknown_placeholders_are_all_reported() {
    insta::assert_snapshot!(mistakes("select $contry as a, $asof as b, $whatever as c from silver.people"), @r#"
    error[K0310]: `$contry` is neither `$as_of` nor among the project's `vars`
      --> sql/gold/x.sql:1:8
       |
     1 | select $contry as a, $asof as b, $whatever as c from silver.people
       |        ^^^^^^^
    help: did you mean `$country`?

    error[K0310]: `$asof` is neither `$as_of` nor among the project's `vars`
      --> sql/gold/x.sql:1:22
       |
     1 | select $contry as a, $asof as b, $whatever as c from silver.people
       |                      ^^^^^
    help: did you mean `$as_of`?

    error[K0310]: `$whatever` is neither `$as_of` nor among the project's `vars`
      --> sql/gold/x.sql:1:34
       |
     1 | select $contry as a, $asof as b, $whatever as c from silver.people
       |                                  ^^^^^^^^^
    help: add it to kilde.yaml: `vars: {whatever: …}`
    "#);
}

#[test]
fn a_statement_that_plans_and_cannot_run_is_refused() {
    let text = "select p.customer_id, x.n from silver.people p,
         lateral (select count(*) as n, max(o.amount) as m from silver.orders o where o.customer_id < p.customer_id limit 1) x";
    assert!(ask(text, true).is_err());
    insta::assert_snapshot!(mistakes("select p.email as e, (select o.amount from silver.orders o where o.customer_id > p.customer_id order by o.order_id limit 1) as a from silver.people p"), @r#"
    error[K0311]: this subquery refers to the query around it in a way that cannot be run
      --> sql/gold/x.sql:1:23
       |
     1 | select p.email as e, (select o.amount from silver.orders o where o.customer_id > p.customer_id order by o.order_id limit 1) as a from...
       |                       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    help: join with it instead: move what it refers to into `on`, and aggregate by that key
    "#);
}

#[test]
fn volatile_functions_are_refused() {
    insta::assert_snapshot!(mistakes("select uuid() as id, random() as r from silver.people"), @r#"
    error[K0320]: `uuid()` answers differently on each run
      --> sql/gold/x.sql:1:8
       |
     1 | select uuid() as id, random() as r from silver.people
       |        ^^^^^^
    help: equal exports must give equal tables: derive the value from columns, for example `md5(…)` of the key

    error[K0320]: `random()` answers differently on each run
      --> sql/gold/x.sql:1:22
       |
     1 | select uuid() as id, random() as r from silver.people
       |                      ^^^^^^^^
    help: equal exports must give equal tables: derive the value from columns, for example `md5(…)` of the key
    "#);
}

#[test]
fn limit_and_distinct_on_need_an_order() {
    insta::assert_snapshot!(mistakes("select email from silver.people limit 10"), @r#"
    error[K0322]: `limit` without `order by` keeps other rows on each run
      --> sql/gold/x.sql:1:33
       |
     1 | select email from silver.people limit 10
       |                                 ^^^^^
    help: add `order by` with an order in which no two rows tie: end it with the key
    "#);
    insta::assert_snapshot!(mistakes("select distinct on (country) country, email from silver.people"), @r#"
    error[K0322]: `distinct on` without `order by` keeps other rows on each run
      --> sql/gold/x.sql:1:8
       |
     1 | select distinct on (country) country, email from silver.people
       |        ^^^^^^^^
    help: add `order by` with an order in which no two rows tie: end it with the key
    "#);
    assert_eq!(
        mistakes("select email from silver.people order by email limit 10"),
        ""
    );
    assert_eq!(
        mistakes(
            "select email from silver.people p where exists (select 1 from silver.orders o where o.customer_id = p.customer_id limit 1)"
        ),
        ""
    );
}

#[test]
fn ordered_aggregates_need_an_order() {
    insta::assert_snapshot!(mistakes("select country, array_agg(distinct email) as a, string_agg(email, ',' order by email) as s\nfrom silver.people group by country"), @r#"
    error[K0323]: `array_agg` without `order by` gives another result on each run
      --> sql/gold/x.sql:1:17
       |
     1 | select country, array_agg(distinct email) as a, string_agg(email, ',' order by email) as s
       |                 ^^^^^^^^^^^^^^^^^^^^^^^^^
    help: write `array_agg(… order by …)` with an order in which no two rows tie
    "#);
}

#[test]
fn ranking_windows_need_an_order() {
    insta::assert_snapshot!(mistakes("select row_number() over (partition by country) as n, sum(1) over (partition by country) as s from silver.people"), @r#"
    error[K0324]: `row_number` over a window without `order by` gives another result on each run
      --> sql/gold/x.sql:1:8
       |
     1 | select row_number() over (partition by country) as n, sum(1) over (partition by country) as s from silver.people
       |        ^^^^^^^^^^^^
    help: add `order by` to the window, in which no two rows tie: end it with the key
    "#);
    assert_eq!(
        mistakes("select rank() over w as n from silver.people window w as (order by customer_id)"),
        ""
    );
}

#[test]
fn casts_of_text_that_the_author_did_not_write_are_doubted() {
    insta::assert_snapshot!(mistakes("select email from silver.people where country > 5 and birth_date > '2000-01-01'"), @r#"
    warning[K0321]: `country` is text and is used as a number: the build fails on the first value that is none
      --> sql/gold/x.sql:1:39
       |
     1 | select email from silver.people where country > 5 and birth_date > '2000-01-01'
       |                                       ^^^^^^^
    help: say what you mean: `try_cast(country as …)` turns such values into null
    "#);
    assert_eq!(
        mistakes("select email from silver.people where try_cast(country as bigint) > 5"),
        ""
    );
}

#[test]
fn a_text_column_that_is_cast_is_doubted_and_an_expression_around_it_is_not() {
    let found = mistakes("select cast(country as bigint) as n from silver.people");
    assert!(
        found.contains("warning[K0327]: `country` is text"),
        "{found}"
    );
    assert!(found.contains("`try_cast(country as …)`"), "{found}");
    let looked_at =
        "select cast(nullif(country, '') as bigint) as n, country::varchar as c from silver.people";
    assert_eq!(mistakes(looked_at), "");
}

#[test]
fn money_that_becomes_double_is_doubted_and_decimals_are_not() {
    let found =
        mistakes("select order_id, amount * cast(2 as double) as net_amount from silver.orders");
    assert!(
        found.contains("warning[K0328]: `net_amount` is money"),
        "{found}"
    );
    assert_eq!(
        mistakes("select order_id, amount * 1.25 as net_amount from silver.orders"),
        ""
    );
}

#[test]
fn whole_numbers_divided_are_doubted_unless_the_result_is_to_be_whole() {
    let found = mistakes("select order_id / 2 as half from silver.orders");
    assert!(found.contains("warning[K0329]"), "{found}");
    let meant = "select order_id * 1.0 / 2 as a, cast(order_id / 2 as bigint) as b, amount / 2 as c, 7 / 2 as d from silver.orders";
    assert_eq!(mistakes(meant), "");
}

#[test]
fn not_in_a_subquery_with_nulls_is_doubted() {
    insta::assert_snapshot!(mistakes("select email from silver.people where email not in (select email from silver.people where country = 'SE')"), @r#"
    warning[K0325]: `not in (select …)` yields no row at all if the subquery yields one null
      --> sql/gold/x.sql:1:39
       |
     1 | select email from silver.people where email not in (select email from silver.people where country = 'SE')
       |                                       ^^^^^
    help: write `not exists (select 1 … where …)`, or add `where … is not null` to the subquery
    "#);
    assert_eq!(
        mistakes(
            "select email from silver.people where customer_id not in (select customer_id from silver.orders)"
        ),
        ""
    );
    assert_eq!(
        mistakes(
            "select email from silver.people where email not in (select email from silver.people where email is not null and country = 'SE')"
        ),
        ""
    );
}

#[test]
fn a_row_number_whose_order_may_tie_is_doubted() {
    insta::assert_snapshot!(mistakes(
        "select * from silver.orders\nqualify row_number() over (partition by customer_id order by ordered_at desc) = 1"
    ), @r#"
    warning[K0333]: rows of `silver.orders` may tie here: which of them comes first is another on each run
      --> sql/gold/x.sql:2:9
       |
     2 | qualify row_number() over (partition by customer_id order by ordered_at desc) = 1
       |         ^^^^^^^^^^^^
    help: end the order with the key: `order_id`
    "#);
    for sure in [
        // the key decides
        "select * from silver.orders qualify row_number() over (partition by customer_id order by ordered_at, order_id) = 1",
        // through other names
        "with o as (select order_id as id, * exclude (order_id) from silver.orders)
         select *, row_number() over (order by ordered_at, id) as n from o",
        // rows that tie are equal in all that is used of them
        "select customer_id from silver.orders qualify row_number() over (partition by customer_id order by customer_id) = 1",
        // nothing is known of what a join or an aggregate yields
        "select p.email, row_number() over (partition by p.customer_id order by o.ordered_at) as n
         from silver.people p join silver.orders o using (customer_id)",
        // ranks know ties
        "select order_id, rank() over (order by ordered_at) as place from silver.orders",
    ] {
        assert_eq!(mistakes(sure), "", "{sure}");
    }
}

#[test]
fn the_utc_date_of_as_of_is_doubted() {
    insta::assert_snapshot!(mistakes("select email from silver.people where birth_date < $as_of::date"), @r#"
    warning[K0326]: this is the date in UTC, not in Europe/Stockholm
      --> sql/gold/x.sql:1:52
       |
     1 | select email from silver.people where birth_date < $as_of::date
       |                                                    ^^^^^^
    help: write `today()`: the date of `$as_of` in the project's time zone
    "#);
}

#[test]
fn conform_casts_orders_and_leaves_out() {
    let analysis = ask(
        "select _kilde_source_row, row_number() over (order by customer_id) as n, email from silver.people",
        false,
    )
    .unwrap();
    let wanted = Arc::new(Schema::new(vec![
        Field::new("email", DataType::Utf8, true),
        Field::new("n", DataType::Int64, true),
    ]));
    let plan = conform(analysis.plan.clone(), &wanted).unwrap();
    let fields: Vec<String> = plan
        .schema()
        .fields()
        .iter()
        .map(|f| format!("{} {}", f.name(), f.data_type()))
        .collect();
    assert_eq!(fields, ["email Utf8", "n Int64"]);
}

/// Within a task, a hundred joins once used up what tokio lets a task do at a stretch, and the check waited for ever.
#[test]
fn many_joins_are_checked_within_one_task() {
    let (sender, done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let joins = " join silver.people b on a.customer_id = b.customer_id
             join silver.people c on a.customer_id = c.customer_id";
        let sql = format!("select a.customer_id from silver.people a{joins}");
        let checked = runtime.block_on(async { (0..50).all(|_| ask(&sql, true).is_ok()) });
        sender.send(checked)
    });
    let checked = done.recv_timeout(std::time::Duration::from_secs(60));
    assert_eq!(checked, Ok(true));
}
