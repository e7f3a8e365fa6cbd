use super::*;

#[test]
fn tables_that_nothing_makes_are_reported_with_the_nearest() {
    let sample = shop()
        .sql("gold.a", "select email from silver.peple")
        .sql("gold.b", "select * from silver.nowhere_at_all");
    insta::assert_snapshot!(sample.mistakes(), @r#"
    error[K0203]: `gold.a` reads `silver.peple`, which no source, seed or step makes
      --> sql/gold/a.sql:1:19
       |
     1 | select email from silver.peple
       |                   ^^^^^^^^^^^^
    help: did you mean `silver.people`?

    error[K0203]: `gold.b` reads `silver.nowhere_at_all`, which no source, seed or step makes
      --> sql/gold/b.sql:1:15
       |
     1 | select * from silver.nowhere_at_all
       |               ^^^^^^^^^^^^^^^^^^^^^
    help: a file sql/silver/nowhere_at_all.sql that a pipeline names would make it
    "#);
}

#[test]
fn a_circle_is_drawn() {
    let sample = shop()
        .sql("gold.a", "select email from gold.b")
        .sql(
            "gold.b",
            "select email from silver.people\nunion all select email from gold.a",
        )
        .sql("gold.c", "select * from gold.c");
    insta::assert_snapshot!(sample.mistakes(), @r#"
    error[K0204]: tables read each other in a circle: `gold.a` → `gold.b` → `gold.a`
      --> sql/gold/a.sql:1:19
       |
     1 | select email from gold.b
       |                   ^^^^^^
    help: let one of them read what the other reads, not the other itself

    error[K0204]: `gold.c` reads itself
      --> sql/gold/c.sql:1:15
       |
     1 | select * from gold.c
       |               ^^^^^^
    help: a table is made of others: read what it is made of
    "#);
}

#[test]
fn a_query_must_yield_what_its_contract_promises() {
    let sample = shop().contract(
        "gold.customers",
        &[
            ("customer_id", ColumnType::Varchar),
            ("e_mail", ColumnType::Varchar),
            ("spent", ColumnType::Integer),
            ("country", ColumnType::Varchar),
        ],
    );
    insta::assert_snapshot!(sample.mistakes(), @r#"
    error[K0315]: `gold.customers.e_mail` is in the contract, and the query does not yield it
      --> schemas/gold/customers.yaml:4:12
       |
     4 |   - {name: e_mail, data_type: varchar}
       |            ^^^^^^
    help: the query yields `email`: rename one of them

    error[K0315]: `gold.customers.country` is in the contract, and the query does not yield it
      --> schemas/gold/customers.yaml:6:12
       |
     6 |   - {name: country, data_type: varchar}
       |            ^^^^^^^
    help: add it to the query, or remove it here

    error[K0316]: `gold.customers.email` is not in the contract
      --> sql/gold/customers.sql:1:23
       |
     1 | select p.customer_id, p.email, sum(o.amount) as spent from silver.people p
       |                       ^^^^^^^
    help: did you mean `e_mail`? Else add it to schemas/gold/customers.yaml

    error[K0317]: `gold.customers.spent` is integer by contract, decimal(22,2) by the query
      --> sql/gold/customers.sql:1:32
       |
     1 | select p.customer_id, p.email, sum(o.amount) as spent from silver.people p
       |                                ^^^^^^^^^^^^^^^^^^^^^^
    help: write `cast(… as integer) as spent`, or change `data_type` in the contract
    "#);
}

#[test]
fn one_mistake_is_reported_once() {
    let sample = shop().sql(
        "silver.people",
        "select customer_id, emial as email, country from bronze.people",
    );
    insta::assert_snapshot!(sample.mistakes(), @r#"
    error[K0303]: no column `emial` here
      --> sql/silver/people.sql:1:21
       |
     1 | select customer_id, emial as email, country from bronze.people
       |                     ^^^^^
    help: did you mean `email`?
    "#);
}

#[test]
fn a_contract_keeps_readers_checkable_while_the_step_is_broken() {
    let sample = shop()
        .sql(
            "silver.people",
            "select customer_id, emial from bronze.people",
        )
        .contract(
            "silver.people",
            &[
                ("customer_id", ColumnType::Varchar),
                ("email", ColumnType::Varchar),
                ("country", ColumnType::Varchar),
            ],
        )
        .sql(
            "gold.local",
            "select customer_idd as customer_id from silver.people",
        );
    let mistakes = sample.mistakes();
    assert_eq!(mistakes.matches("error[K0303]").count(), 2, "{mistakes}");
}

#[test]
fn tests_are_checked_against_the_columns() {
    let sample = shop().with("gold.customers", |contract| {
        contract.key = vec![Spanned {
            value: "customer".into(),
            span: Span { start: 0, end: 11 },
        }];
        contract.tests = vec![
            test(TestKind::NotNull {
                column: "emial".into(),
            }),
            test(TestKind::Relationships {
                columns: vec!["customer_id".into()],
                to: name("silver.peeple"),
                fields: vec!["customer_id".into()],
            }),
            test(TestKind::Sql {
                query: "select * from gold.customers where spnt < 0".into(),
                query_span: Span { start: 13, end: 19 },
            }),
        ];
    });
    insta::assert_snapshot!(sample.mistakes(), @r#"
    error[K0203]: `gold.customers` reads `silver.peeple`, which no source, seed or step makes
      --> schemas/gold/customers.yaml:1:1
       |
     1 | description: sample
       | ^^^^^^^^^^^
    help: did you mean `silver.people`?

    error[K0330]: `gold.customers` has no column `customer`
      --> schemas/gold/customers.yaml:1:1
       |
     1 | description: sample
       | ^^^^^^^^^^^

    error[K0330]: `gold.customers` has no column `emial`
      --> schemas/gold/customers.yaml:1:1
       |
     1 | description: sample
       | ^^^^^^^^^^^
    help: did you mean `email`?

    error[K0303]: no column `spnt` here
      --> schemas/gold/customers.yaml:1:14
       |
     1 | description: sample
       |              ^^^^^^
    help: did you mean `spent`?
    "#);
}

#[test]
fn sql_tests_say_what_they_read() {
    let sample = shop().with("gold.customers", |contract| {
        contract.tests = vec![test(TestKind::Sql {
            query: "select count(*) from gold.customers c join silver.people p using (customer_id)"
                .into(),
            query_span: Span { start: 13, end: 19 },
        })];
    });
    let plan = sample.plan(&nothing());
    let customers = &plan.tables[&name("gold.customers")];
    let read = &customers.tests[0].as_ref().unwrap().inputs;
    assert!(read.contains(&name("silver.people")), "{read:?}");
}

#[test]
fn a_chain_of_steps_is_checked_level_by_level() {
    let mut sample = Sample::new().source(
        "bronze.orders",
        Load::Append,
        &["order_id", "customer_id", "amount", "ordered_at"],
    );
    for i in 0..40 {
        let input = match i {
            0..10 => "bronze.orders".to_string(),
            _ => format!("silver.step_{}", i - 10),
        };
        sample = sample.sql(
            &format!("silver.step_{i}"),
            &format!(
                "with ranked as (select *, row_number() over (partition by customer_id order by ordered_at desc, order_id) as n from {input}),
                 totals as (select customer_id, sum(amount) as total, count(*) as orders from {input} group by customer_id)
                 select r.order_id, r.customer_id, cast(t.total as decimal(12,2)) as amount, r.ordered_at
                 from ranked r join totals t on t.customer_id = r.customer_id where r.n = 1 and t.orders > {i}"
            ),
        );
    }
    let checked = check_project(&sample.project, functions(), as_of(1)).unwrap();
    assert_eq!(checked.analyses.len(), 40);
}

#[test]
fn the_shipped_project_is_without_mistakes() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let project = Project::load(folder, &crate::project::Variables::default()).unwrap();
    let functions = crate::engine::project_functions(&project.functions).unwrap();
    let checkup = check(&project, &functions).unwrap_or_else(|e| panic!("{}", e.render()));
    assert!(checkup.warnings.is_empty(), "{:?}", checkup.warnings);
}
