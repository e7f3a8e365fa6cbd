use std::collections::BTreeMap;

use super::sample::{Sample, as_of, export, functions, name, nothing, published, summary};
use super::*;
use crate::diagnostic::Span;
use crate::project::{
    ColumnType, DataTest, Load, Materialization, Owner, Spanned, TestKind, TestSeverity,
};

mod checking;
mod selecting;

/// Two sources, silver, gold; `gold.daily` uses `$as_of`, `gold.local` a variable.
fn shop() -> Sample {
    Sample::new()
        .source(
            "bronze.orders",
            Load::Append,
            &["order_id", "customer_id", "amount", "ordered_at"],
        )
        .source("bronze.people", Load::Replace, &["customer_id", "email", "country"])
        .sql(
            "silver.orders",
            "select order_id, customer_id, amount, ordered_at from bronze.orders",
        )
        .sql("silver.people", "select customer_id, email, country from bronze.people")
        .sql(
            "gold.customers",
            "select p.customer_id, p.email, sum(o.amount) as spent from silver.people p
             left join silver.orders o on o.customer_id = p.customer_id group by p.customer_id, p.email",
        )
        .sql(
            "gold.daily",
            "select count(*) as orders from silver.orders where ordered_at < $as_of",
        )
        .sql(
            "gold.local",
            "select customer_id from silver.people where country = $country",
        )
}

fn test(kind: TestKind) -> DataTest {
    DataTest {
        action: None,
        kind,
        severity: TestSeverity::Error,
        at_most: None,
        condition: None,
        span: Span { start: 0, end: 11 },
    }
}

#[test]
fn a_first_build_makes_everything_in_order() {
    let plan = shop().plan(&nothing());
    insta::assert_snapshot!(summary(&plan), @r#"
    bronze.orders: Ingest 0 reload, new
    bronze.people: Ingest 0 reload, new
    silver.orders: Build, new
    silver.people: Build, new
    gold.customers: Build, new
    gold.daily: Build, new
    gold.local: Build, new
    "#);
}

#[test]
fn an_unchanged_project_has_an_empty_plan() {
    let plan = shop().plan(&nothing());
    let again = shop().plan(&published(&plan));
    assert_eq!(summary(&again), "");
    assert!(again.is_empty());
    assert!(!plan.is_empty());
}

#[test]
fn comments_and_case_change_nothing() {
    let before = published(&shop().plan(&nothing()));
    let plan = shop()
        .sql(
            "silver.people",
            "-- silver.people: one row per customer\nSELECT customer_id, Email,\n country FROM bronze.people;",
        )
        .plan(&before);
    assert_eq!(summary(&plan), "");
}

#[test]
fn changed_sql_rebuilds_the_step_and_perhaps_what_stands_on_it() {
    let before = published(&shop().plan(&nothing()));
    let plan = shop()
        .sql(
            "silver.people",
            "select customer_id, lower(email) as email, country from bronze.people",
        )
        .plan(&before);
    insta::assert_snapshot!(summary(&plan), @r#"
    silver.people: Build, SQL changed sql/silver/people.sql
    gold.customers: Maybe, its input silver.people changes
    gold.local: Maybe, its input silver.people changes
    "#);
}

#[test]
fn sql_that_calls_other_functions_of_kilde_is_changed_sql_and_nothing_else() {
    let calling = |function: &str| {
        let text =
            format!("select customer_id, {function}(email) as email, country from bronze.people");
        shop().sql("silver.people", &text)
    };
    let before = published(&calling("normalize_email").plan(&nothing()));
    let plan = calling("name_key").plan(&before);
    let told = summary(&plan);
    let first = told.lines().next();
    assert_eq!(
        first,
        Some("silver.people: Build, SQL changed sql/silver/people.sql"),
        "{told}"
    );
}

#[test]
fn a_maybe_is_decided_by_the_digests_of_its_inputs() {
    let before = published(&shop().plan(&nothing()));
    let plan = shop()
        .sql(
            "silver.people",
            "select customer_id, lower(email) as email, country from bronze.people",
        )
        .plan(&before);
    let customers = &plan.tables[&name("gold.customers")];
    let mut digests: BTreeMap<TableName, String> = customers.built_from.clone();
    assert_eq!(customers.is_stale(&digests), None);
    digests.insert(name("silver.people"), "other".into());
    let table = name("silver.people");
    assert_eq!(
        customers.is_stale(&digests),
        Some(Reason::InputChanged { table })
    );
}

#[test]
fn as_of_and_variables_count_where_they_are_used() {
    let mut before = published(&shop().plan(&nothing()));
    before.as_of = as_of(2);
    let mut sample = shop();
    sample.project.vars.insert("country".into(), "NO".into());
    insta::assert_snapshot!(summary(&sample.plan(&before)), @r#"
    gold.daily: Build, uses $as_of, so it also changes each day
    gold.local: Build, variable country changed
    "#);
}

#[test]
fn new_and_changed_exports_are_ingested() {
    let mut before = published(&shop().plan(&nothing()));
    before.exports.insert(
        name("bronze.orders"),
        vec![
            export("orders_1.csv", 10, ExportState::Known),
            export("orders_2.csv", 1_500_000, ExportState::New),
            export("orders_3.csv", 600_000, ExportState::New),
            export("orders_0.csv", 5, ExportState::Changed),
        ],
    );
    insta::assert_snapshot!(summary(&shop().plan(&before)), @r#"
    bronze.orders: Ingest 3, 2 new exports (2.1 MB); 1 export changed in place
    silver.orders: Maybe, its input bronze.orders changes
    gold.customers: Maybe, its input silver.orders changes
    gold.daily: Maybe, its input silver.orders changes
    "#);
}

#[test]
fn exports_wait_while_the_lake_is_paused() {
    let mut before = published(&shop().plan(&nothing()));
    before.release.as_mut().unwrap().is_paused = true;
    let exports = vec![export("orders_2.csv", 1, ExportState::New)];
    before.exports.insert(name("bronze.orders"), exports);
    let plan = shop().plan(&before);
    assert_eq!(summary(&plan), "");
    let orders = &plan.tables[&name("bronze.orders")];
    assert_eq!(orders.reasons, [Reason::ExportsWait { count: 1 }]);
}

#[test]
fn a_changed_contract_reads_every_export_again() {
    let mut before = published(&shop().plan(&nothing()));
    before.exports.insert(
        name("bronze.people"),
        vec![
            export("people_1.csv", 1, ExportState::Known),
            export("people_2.csv", 1, ExportState::Known),
        ],
    );
    let changed = || {
        shop().source(
            "bronze.people",
            Load::Replace,
            &["customer_id", "email", "country", "phone"],
        )
    };
    insta::assert_snapshot!(summary(&changed().plan(&before)), @r#"
    bronze.people: Ingest 2 reload, changed schemas/bronze/people.yaml: reads 2 exports again
    silver.people: Build, columns of its input bronze.people changed; its input bronze.people changes
    gold.customers: Maybe, its input silver.people changes
    gold.local: Maybe, its input silver.people changes
    "#);
    let exports = before.exports.get_mut(&name("bronze.people")).unwrap();
    exports[1].state = ExportState::Gone;
    let error = changed()
        .plan_of(&before, &Selection::default())
        .unwrap_err();
    insta::assert_snapshot!(error.render(), @r#"
    error[K0208]: `bronze.people` would be read again, and 1 of its exports are gone: people_2.csv
      --> pipelines/shop.yaml:1:1
       |
     1 | steps: []
       | ^^^^^^^^^
    help: put them back, or undo the change of the contract or of `read`, or go on without them: `kilde exports retract FILE --why TEXT`
    "#);
}

#[test]
fn tests_and_words_do_not_rebuild() {
    let contracted = || {
        shop()
            .with("gold.customers", |_| {})
            .with("gold.local", |_| {})
    };
    let before = published(&contracted().plan(&nothing()));
    let plan = contracted()
        .with("gold.customers", |contract| {
            let column = "customer_id".to_string();
            contract.tests.push(test(TestKind::NotNull { column }));
        })
        .with("gold.local", |contract| {
            contract.owner = Some(Owner {
                name: "Someone else".into(),
                email: None,
            });
        })
        .plan(&before);
    insta::assert_snapshot!(summary(&plan), @r#"
    gold.customers: Retest, only tests changed: tested again, not rebuilt
    gold.local: Redescribe, only words changed
    "#);
}

#[test]
fn a_maybe_with_new_tests_is_tested_again_where_it_stands() {
    let contracted = || shop().with("gold.local", |_| {});
    let before = published(&contracted().plan(&nothing()));
    let plan = contracted()
        .sql(
            "silver.people",
            "select customer_id, lower(email) as email, country from bronze.people",
        )
        .with("gold.local", |contract| {
            let column = "customer_id".to_string();
            contract.tests.push(test(TestKind::NotNull { column }));
        })
        .plan(&before);
    let local = &plan.tables[&name("gold.local")];
    assert_eq!(
        (&local.action, &local.otherwise),
        (&Action::Maybe, &Action::Retest)
    );
}

#[test]
fn a_rule_of_a_source_reads_its_exports_again_and_a_doubt_does_not() {
    let before = published(&shop().plan(&nothing()));
    let with = |severity| {
        shop().with("bronze.people", |contract| {
            let column = "email".to_string();
            let mut rule = test(TestKind::NotNull { column });
            rule.severity = severity;
            contract.tests.push(rule);
        })
    };
    let strict = with(TestSeverity::Error).plan(&before);
    let people = &strict.tables[&name("bronze.people")];
    assert!(matches!(people.action, Action::Ingest { reload: true, .. }));
    let mild = with(TestSeverity::Warn).plan(&before);
    let people = &mild.tables[&name("bronze.people")];
    assert_eq!(people.action, Action::Retest);
}

#[test]
fn an_ephemeral_step_is_part_of_its_readers() {
    let ephemeral = |text: &str| {
        shop()
            .sql("silver.people", text)
            .with("silver.people", |c| {
                c.materialized = Materialization::Ephemeral
            })
    };
    let first = ephemeral("select customer_id, email, country from bronze.people").plan(&nothing());
    let customers = &first.tables[&name("gold.customers")];
    let inputs: Vec<String> = customers
        .published_inputs
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(inputs, ["bronze.people", "silver.orders"]);
    let plan = ephemeral("select customer_id, lower(email) as email, country from bronze.people")
        .plan(&published(&first));
    insta::assert_snapshot!(summary(&plan), @r#"
    silver.people: Build, computed with gold.customers
    gold.customers: Build, SQL changed in silver.people, part of it
    gold.local: Build, SQL changed in silver.people, part of it
    "#);
}

#[test]
fn a_table_that_left_the_project_is_retired() {
    let mut before = published(&shop().plan(&nothing()));
    let release = before.release.as_mut().unwrap();
    let old = release.tables[&name("gold.local")].clone();
    release.tables.insert(name("gold.old"), old);
    let plan = shop().plan(&before);
    assert_eq!(plan.retired, [name("gold.old")]);
    assert!(!plan.is_empty());
}

#[test]
fn full_refresh_marks_what_is_selected() {
    let before = published(&shop().plan(&nothing()));
    let mut selection = Selection::parse(&["gold.local".into()], &[]).unwrap();
    selection.full_refresh = true;
    let plan = shop().plan_of(&before, &selection).unwrap();
    let local = &plan.tables[&name("gold.local")];
    assert_eq!(local.action, Action::Build);
    assert_eq!(local.reasons, [Reason::FullRefresh]);
    // so its unit tests are not run
    assert!(!local.was_changed());
}

#[test]
fn what_is_not_selected_must_have_been_published() {
    let selection = Selection::parse(&["gold.local".into()], &[]).unwrap();
    let error = shop().plan_of(&nothing(), &selection).unwrap_err();
    insta::assert_snapshot!(error.render(), @r#"
    error[K0206]: `gold.local` reads `silver.people`, which was never published and is not selected
    help: `-s +gold.local` also builds what it reads
    "#);
}

#[test]
fn semantics_of_functions_count_where_they_are_called() {
    let before = published(&shop().plan(&nothing()));
    // a number that no kilde has yet
    let numbered = FunctionRegistry::new(vec![], vec![], vec![])
        .unwrap()
        .with_semantics(BTreeMap::from([("sum".to_string(), 1_000)]));
    let plan = Plan::new(&shop().project, &before, &Selection::default(), &numbered).unwrap();
    let lines = summary(&plan);
    assert_eq!(
        lines,
        "gold.customers: Build, this version of kilde computes it differently"
    );
}

#[test]
fn fingerprints_do_not_change_with_the_code() {
    let plan = shop().plan(&nothing());
    let daily = &plan.tables[&name("gold.daily")].fingerprints;
    insta::assert_snapshot!(format!("{} {} {}", daily.content, daily.tests, daily.words), @r#"e7ffb49edc5b38835dfc5136bad5a172 af1349b9f5f9a1a6a0404dea36dcc949 1fc1982251c2f26f9af084b613a68d40"#);
    let orders = &plan.tables[&name("bronze.orders")].fingerprints;
    insta::assert_snapshot!(format!("{} {} {}", orders.content, orders.tests, orders.words), @r#"7df4ad87196ab58c3b3704b3f7684bc3 53304e2301bb41a6824f4c66b269d671 39a85ee2d26bdb601673bb1acc67056d"#);
}
