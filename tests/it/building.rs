//! Building, as a person at the command line sees it: one small project, every outcome.

use crate::sandbox::Sandbox;
use crate::time_limit;

const CUSTOMERS: &str = "
description: Customers of the web shop.
grain: one row per customer
key: [customer_id]
columns:
  - {name: customer_id, data_type: bigint}
  - {name: email, data_type: varchar, personal: email}
  - {name: country, data_type: varchar, data_tests: [accepted_values: {values: [SE, NO, DK]}]}
";

fn shop() -> Sandbox {
    Sandbox::with(&[
        ("kilde.yaml", "project: shop\nraw: exports/\nlake: lake/\n"),
        (
            "pipelines/shop.yaml",
            "sources:
  - table: bronze.customers
    files: customers_{exported_on:%Y%m%d}.csv
    read: {csv: {delimiter: \";\"}}
    load: replace
steps:
  - sql: silver/*
  - sql: gold/*
",
        ),
        ("schemas/bronze/customers.yaml", CUSTOMERS),
        (
            "sql/silver/people.sql",
            "-- silver.people: one row per customer.\nselect customer_id, lower(email) as email, country from bronze.customers\n",
        ),
        (
            "sql/gold/countries.sql",
            "-- gold.countries: one row per country.\nselect country, count(*) as people_count from silver.people group by country\n",
        ),
        (
            "schemas/gold/countries.yaml",
            "description: People per country.\nkey: [country]\ncolumns:\n  - {name: country, data_type: varchar}\n  - {name: people_count, data_type: bigint}\n",
        ),
        (
            "exports/customers_20260101.csv",
            "customer_id;email;country\n1;A@x.se;SE\n2;b@x.no;NO\n3;c@x.fi;FI\n",
        ),
    ])
}

#[test]
fn an_unchanged_project_builds_without_writing_an_object() {
    let shop = shop();
    shop.kilde(&["build"]).ended(0);
    let before = shop.objects();
    let said = shop.kilde(&["build"]).ended(0);
    assert!(said.stdout.contains("Release 1 stands"), "{}", said.stdout);
    assert_eq!(shop.objects(), before);
}

#[test]
fn a_changed_comment_writes_nothing() {
    let shop = shop();
    shop.kilde(&["build"]).ended(0);
    let before = shop.objects();
    shop.write(
        "sql/silver/people.sql",
        "-- silver.people: one row per customer.\n-- with a comment\nSELECT customer_id,   lower(email) AS email, country\nFROM bronze.customers\n",
    );
    shop.kilde(&["build"]).ended(0);
    assert_eq!(shop.objects(), before);
}

#[test]
fn a_changed_step_with_the_same_result_rebuilds_nothing_that_stands_on_it() {
    let shop = shop();
    shop.kilde(&["build"]).ended(0);
    let first = shop.newest_release();
    shop.write(
        "sql/silver/people.sql",
        "-- silver.people: one row per customer.\nselect customer_id, lower(trim(email)) as email, country from bronze.customers\n",
    );
    let said = shop.kilde(&["build"]).ended(0);
    assert!(said.stdout.contains("same result, kept"), "{}", said.stdout);
    let second = shop.newest_release();
    for table in ["bronze.customers", "silver.people", "gold.countries"] {
        assert_eq!(
            second["tables"][table]["version"], first["tables"][table]["version"],
            "{table}"
        );
    }
    let third = shop.kilde(&["build"]).ended(0);
    assert!(
        third.stdout.contains("stands"),
        "the new fingerprint is kept: {}",
        third.stdout
    );
}

#[test]
fn a_failed_test_publishes_nothing_and_its_candidate_stays_readable() {
    let shop = shop();
    shop.kilde(&["build"]).ended(0);
    shop.write(
        "schemas/gold/countries.yaml",
        "description: People per country.\nkey: [country]\ncolumns:\n  - {name: country, data_type: varchar}\n  - {name: people_count, data_type: bigint, data_tests: [range: {max: 1}]}\n",
    );
    shop.write(
        "exports/customers_20260102.csv",
        "customer_id;email;country\n1;A@x.se;SE\n2;b@x.no;NO\n4;d@x.se;SE\n",
    );
    let said = shop.kilde(&["build"]).ended(1);
    assert!(
        said.stdout.contains("Nothing was published"),
        "{}",
        said.stdout
    );
    assert!(
        said.stderr.contains("range(people_count)"),
        "{}",
        said.stderr
    );
    assert_eq!(
        shop.query("select count(*) from bronze.customers")[0][0],
        "2"
    );
    let run = said
        .stderr
        .split("--candidate ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap();
    let rows = shop
        .kilde(&[
            "query",
            "--format",
            "csv",
            "--candidate",
            run,
            "select country, people_count from gold.countries where people_count > 1",
        ])
        .ended(0);
    assert_eq!(rows.stdout, "country,people_count\nSE,2\n");
}

#[test]
fn only_changed_tests_are_run_again_without_a_rebuild() {
    let shop = shop();
    shop.kilde(&["build"]).ended(0);
    let version = shop.newest_release()["tables"]["gold.countries"]["version"].clone();
    shop.write(
        "schemas/gold/countries.yaml",
        "description: People per country.\nkey: [country]\ncolumns:\n  - {name: country, data_type: varchar}\n  - {name: people_count, data_type: bigint, data_tests: [range: {min: 1}]}\n",
    );
    let said = shop.kilde(&["build"]).ended(0);
    assert!(said.stdout.contains("tested again"), "{}", said.stdout);
    assert_eq!(
        shop.newest_release()["tables"]["gold.countries"]["version"],
        version
    );
}

#[test]
fn rejects_are_kept_with_file_line_and_rule() {
    let shop = shop();
    shop.kilde(&["build"]).ended(0);
    let rows = shop.query("select source, file, line, column_name, rule from ops.rejects");
    assert_eq!(
        rows,
        [[
            "bronze.customers",
            "customers_20260101.csv",
            "4",
            "country",
            "accepted_values"
        ]]
    );
    let said = shop.kilde(&["rejects", "customers"]).ended(0);
    assert!(
        said.stdout.contains("1 of 3 records rejected"),
        "{}",
        said.stdout
    );
    assert!(
        !said.stdout.contains("c@x.fi"),
        "a personal value in a message: {}",
        said.stdout
    );
}

#[test]
fn a_rejected_record_of_a_replace_source_keeps_its_last_good_row() {
    let shop = shop();
    shop.kilde(&["build"]).ended(0);
    shop.write(
        "exports/customers_20260102.csv",
        "customer_id;email;country\n1;A@x.se;SVERIGE\n2;new@x.no;NO\n3;c@x.fi;FI\n",
    );
    shop.kilde(&["build"]).ended(0);
    let rows = shop.query("select customer_id, email, country from bronze.customers order by 1");
    assert_eq!(rows, [["1", "A@x.se", "SE"], ["2", "new@x.no", "NO"]]);
}

#[test]
fn a_rollback_pauses_the_lake_until_it_is_resumed_and_then_reads_what_waited() {
    let shop = shop();
    shop.kilde(&["build"]).ended(0);
    shop.write(
        "exports/customers_20260102.csv",
        "customer_id;email;country\n7;x@x.se;SE\n8;y@x.se;SE\n9;z@x.se;SE\n",
    );
    shop.kilde(&["build"]).ended(0);
    assert_eq!(shop.query("select count(*) from gold.countries")[0][0], "1");
    let said = shop.kilde(&["rollback", "1"]).ended(0);
    // what it says went back is what the list of releases says changed
    let listed = shop.kilde(&["releases"]).ended(0).stdout;
    let newest = listed.lines().next().unwrap();
    let (before, _) = newest.split_once(" of ").unwrap();
    let changed = before.split_whitespace().last().unwrap();
    assert!(
        said.stdout.contains(&format!(
            "release 1 again; {changed} tables went back, 0 kept"
        )),
        "{newest}\n{}",
        said.stdout
    );
    assert_eq!(shop.query("select count(*) from gold.countries")[0][0], "2");
    assert_eq!(
        shop.query("select path, status from ops.files order by path"),
        [
            ["customers_20260101.csv", "loaded"],
            ["customers_20260102.csv", "rolled_back"]
        ]
    );
    let said = shop.kilde(&["build"]).ended(2);
    assert!(said.stderr.contains("kilde resume"), "{}", said.stderr);
    let plan = shop.kilde(&["plan"]).ended(0);
    assert!(plan.stdout.contains("1 export waits"), "{}", plan.stdout);
    shop.kilde(&["resume"]).ended(0);
    shop.kilde(&["build"]).ended(0);
    assert_eq!(shop.query("select count(*) from gold.countries")[0][0], "1");
    assert_eq!(shop.query("select count(*) from ops.files")[0][0], "2");
}

#[test]
fn an_older_release_can_be_read() {
    let shop = shop();
    shop.kilde(&["build"]).ended(0);
    shop.write(
        "exports/customers_20260102.csv",
        "customer_id;email;country\n7;x@x.se;SE\n8;y@x.se;SE\n9;z@x.se;SE\n",
    );
    shop.kilde(&["build"]).ended(0);
    let sql = "select count(*) as n from silver.people";
    let old = shop
        .kilde(&["query", "--release", "1", "--format", "csv", sql])
        .ended(0);
    assert_eq!(old.stdout, "n\n2\n");
    let releases = shop.kilde(&["releases"]).ended(0);
    assert_eq!(
        releases
            .stdout
            .lines()
            .filter(|l| l.trim_start().starts_with(['1', '2']))
            .count(),
        2
    );
}

#[test]
fn a_second_builder_exits_75_while_the_first_holds_the_claim() {
    let shop = shop();
    let mut first = shop
        .command(&["build"])
        .env("KILDE_FAILPOINT", "pause_after_claim")
        .spawn()
        .unwrap();
    // the first builder announces that it holds the claim by its entry in the log
    for _ in 0..600 {
        if shop
            .path("lake/_kilde/log")
            .read_dir()
            .is_ok_and(|mut log| log.next().is_some())
        {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let second = shop.kilde(&["build"]);
    first.kill().unwrap();
    time_limit::wait(first);
    assert_eq!(second.code, 75, "{}{}", second.stdout, second.stderr);
    shop.kilde(&["build"]).ended(0);
}
