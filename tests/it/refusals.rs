//! Exports that are refused, or read in another way than they were written: what the build says of them, and what it
//! leaves to look at.

use crate::sandbox::{Sandbox, steady};

/// Orders and their lines; a line's order must be among the orders.
fn shop() -> Sandbox {
    Sandbox::with(&[
        ("kilde.yaml", "project: shop\nraw: exports/\nlake: lake/\n"),
        (
            "pipelines/shop.yaml",
            "sources:
  - table: bronze.orders
    files: orders_{exported_on:%Y%m%d}.csv
    read: {csv: {delimiter: \";\"}}
    load: replace
    rejects: {at_most: 1}
  - table: bronze.lines
    files: lines_{exported_on:%Y%m%d}.csv
    read: {csv: {delimiter: \";\"}}
    load: append
steps:
  - sql: silver/*
",
        ),
        (
            "schemas/bronze/orders.yaml",
            "key: [order_id]
columns:
  - {name: order_id, data_type: bigint, from: id}
  - {name: city, data_type: varchar}
  - {name: ordered_on, data_type: date}
",
        ),
        (
            "schemas/bronze/lines.yaml",
            "columns:
  - {name: order_id, data_type: bigint, data_tests: [relationships: {to: bronze.orders}]}
  - {name: note, data_type: varchar}
",
        ),
        (
            "sql/silver/cities.sql",
            "-- silver.cities: one row per city.\nselect city, count(*) as orders_count from bronze.orders group by city\n",
        ),
        (
            "sql/silver/large.sql",
            "-- silver.large: one row per city with many orders.\nselect city from silver.cities where orders_count > 1\n",
        ),
        (
            "exports/orders_20260101.csv",
            "id;city;ordered_on\n1;Lund;2026-01-01\n2;Oslo;2026-01-01 00:00:00\n",
        ),
        ("exports/lines_20260101.csv", "order_id;note\n1;a\n2;b\n"),
    ])
}

#[test]
fn more_rejects_than_allowed_are_said_with_place_reason_and_remedy_and_can_be_looked_at() {
    let shop = shop();
    shop.write(
        "exports/orders_20260101.csv",
        "id;city;ordered_on\n1;Lund;01.01.2026\n2;Oslo;02.01.2026\n3;Oslo;2026-01-03\n",
    );
    let said = shop.kilde(&["build"]).ended(1);
    insta::assert_snapshot!(steady(said.stderr.trim()), @r###"
    error[K0412]: `bronze.orders`: 2 of 3 records were rejected, more than `at_most: 1` allows, the first since `ordered_on` is not a date in a declared format
      --> orders_20260101.csv:2
    help: `kilde rejects orders --candidate RUN` lists the reasons; say `dates: ["%d.%m.%Y"]`, in the form that the export has, in pipelines/shop.yaml:2:5
    "###);
    insta::assert_snapshot!(steady(said.stdout.trim()), @r###"
    kilde 0.1.0 · shop · as of DAY · first release

    exports   2 new, 95 B · 5 records = 3 accepted + 2 rejected
      ✓  bronze.lines   1 export  2 records  +2 rows  N s
      ✗  bronze.orders                                2 rejected 67 %  N s  orders_20260101.csv:2: 2 of 3 records were rejected, more than `at_most: 1` allows, the first since `ordered_on` is not a date in a declared format
    steps     2 of 2 to do, 0 unchanged
      ·  silver.cities  N s  not tried: bronze.orders failed
      ·  silver.large  N s  not tried: bronze.orders failed

    Nothing was published: 0 tests passed, 0 warned ·  N s
    "###);
    let run = shop.last_run();
    let rejects = shop
        .kilde(&["rejects", "orders", "--candidate", &run])
        .ended(0);
    insta::assert_snapshot!(steady(&rejects.stdout), @r###"
    bronze.orders  2 of 3 records rejected, 67 %
      2  `ordered_on` is not a date in a declared format  first orders_20260101.csv:2
    help: every record with its text: `--csv FILE`, or kilde query --candidate RUN "select * from ops.rejects"
    "###);
    // the next build, with the dates declared, takes everything
    let pipeline = shop.read("pipelines/shop.yaml").replacen(
        "{csv: {delimiter: \";\"}}",
        "{csv: {delimiter: \";\", dates: [\"%d.%m.%Y\", \"%Y-%m-%d\"]}}",
        1,
    );
    shop.write("pipelines/shop.yaml", pipeline);
    shop.kilde(&["build"]).ended(0);
    assert_eq!(shop.query("select count(*) from ops.rejects"), [["0"]]);
    assert_eq!(
        shop.query("select path, records, status from ops.files order by path"),
        [
            ["lines_20260101.csv", "2", "loaded"],
            ["orders_20260101.csv", "3", "loaded"]
        ]
    );
}

#[test]
fn every_table_that_could_not_be_made_is_explained_and_what_stands_on_it_names_the_root() {
    let shop = shop();
    shop.write(
        "exports/orders_20260101.csv",
        "id;stad;ordered_on\n1;Lund;2026-01-01\n",
    );
    shop.write("exports/lines_20260101.csv", "order_id\n1\n");
    let said = shop.kilde(&["build"]).ended(1);
    insta::assert_snapshot!(steady(said.stderr.trim()), @r###"
    error[K0401]: `bronze.lines`: the export has no column `note`
      --> lines_20260101.csv
    help: if one of them is meant, name it in `aliases` at schemas/bronze/lines.yaml:3:12; if it may be missing, say `drift: {missing: ignore}` at the source; its columns are `order_id`
    error[K0401]: `bronze.orders`: the export has no column `city` (now `stad`)
      --> orders_20260101.csv
    help: if `stad` is meant, write `aliases: [stad]` at schemas/bronze/orders.yaml:4:12; if it may be missing, say `drift: {missing: ignore}` at the source; its columns are `id`, `stad`, `ordered_on`
    "###);
    insta::assert_snapshot!(steady(said.stdout.trim()), @r###"
    kilde 0.1.0 · shop · as of DAY · first release

    exports   0 new, 0 B · 0 records = 0 accepted + 0 rejected
      ✗  bronze.lines  N s  lines_20260101.csv: the export has no column `note`
      ✗  bronze.orders  N s  orders_20260101.csv: the export has no column `city` (now `stad`)
    steps     2 of 2 to do, 0 unchanged
      ·  silver.cities  N s  not tried: bronze.orders failed
      ·  silver.large  N s  not tried: bronze.orders failed

    Nothing was published: 0 tests passed, 0 warned ·  N s
    "###);
    let status = shop.kilde(&["status"]).ended(0);
    insta::assert_snapshot!(steady(&status.stdout), @r###"
    no release yet
    last runs
      RUN  MOMENT  N s  `bronze.lines`: lines_20260101.csv: the export has no column `note`; and 1 more failed
    "###);
}

#[test]
fn a_test_that_reads_a_table_that_was_never_made_says_what_to_select() {
    let shop = shop();
    let said = shop.kilde(&["build", "-s", "bronze.lines"]).ended(2);
    insta::assert_snapshot!(steady(said.stderr.trim()), @r###"
    error[K0206]: a test of `bronze.lines` reads `bronze.orders`, which was never published and is not selected
    help: select it too: `-s bronze.orders bronze.lines`
    "###);
    shop.kilde(&["build", "-s", "bronze.orders", "bronze.lines"])
        .ended(0);
}

#[test]
fn an_export_in_another_encoding_is_doubted_in_a_line_of_its_own() {
    let shop = shop();
    shop.kilde(&["build"]).ended(0);
    shop.write(
        "exports/orders_20260102.csv",
        b"id;city;ordered_on\n1;Lund;2026-01-01\n2;Oslo;2026-01-01\n3;Malm\xf6;2026-01-02\n",
    );
    let said = shop.kilde(&["build"]).ended(0);
    insta::assert_snapshot!(steady(said.stdout.trim()), @r###"
    kilde 0.1.0 · shop · as of DAY · last release 1, MOMENT

    exports   1 new, 74 B · 3 records = 2 accepted + 1 rejected
      =  bronze.orders  1 export  3 records  ±0 rows  1 rejected 33 %  N s  kilde rejects orders
      ! orders_20260102.csv:4: the record holds bytes that are no character of the declared encoding, as in 1 of 3 records; say `encoding: windows-1252`, if that is what the sender writes
      · 1 source: nothing new
    steps     0 of 2 to do, 2 unchanged

    Release 2 published: 0 of 4 tables changed, 2 tests passed, 0 warned ·  N s
    "###);
    let rejects = shop.kilde(&["rejects", "orders"]).ended(0);
    insta::assert_snapshot!(rejects.stdout, @r###"
    bronze.orders  1 of 5 records rejected, 20 %
      1  the record holds bytes that are no character of the declared encoding  orders_20260102.csv:4
    help: every record with its text: `--csv FILE`, or kilde query "select * from ops.rejects"
    "###);
    // nothing of a build's news was taken: more than a count says so
    shop.write("exports/lines_20260102.csv", "order_id;note\nx;new\n");
    let said = shop.kilde(&["build"]).ended(0);
    let marked = said
        .stdout
        .lines()
        .find(|line| line.contains("every record"));
    insta::assert_snapshot!(marked.unwrap_or_default(), @"  ! bronze.lines: every record was rejected: `kilde rejects bronze.lines` says why");
}

#[test]
fn a_header_in_another_encoding_is_told_from_a_renamed_column() {
    let shop = shop();
    let contract = shop
        .read("schemas/bronze/orders.yaml")
        .replace("{name: city,", "{name: city, from: köpstad,");
    shop.write("schemas/bronze/orders.yaml", contract);
    shop.write(
        "exports/orders_20260101.csv",
        b"id;k\xf6pstad;ordered_on\n1;Lund;2026-01-01\n",
    );
    let said = shop.kilde(&["build"]).ended(1);
    insta::assert_snapshot!(steady(said.stderr.trim()), @r###"
    error[K0401]: `bronze.orders`: the export has no column `köpstad`
      --> orders_20260101.csv
    help: its header is not in the declared encoding: say `encoding: windows-1252` at the source, if that is what the sender writes; its columns are `id`, `k�pstad`, `ordered_on`
    "###);
}

#[test]
fn a_mistake_in_a_query_is_shown_at_its_place() {
    let shop = shop();
    shop.kilde(&["build"]).ended(0);
    let said = shop
        .kilde(&["query", "select citty from silver.cities"])
        .ended(2);
    insta::assert_snapshot!(said.stderr, @r###"
    error[K0303]: no column `citty` here
      --> query:1:8
       |
     1 | select citty from silver.cities
       |        ^^^^^
    help: did you mean `city`?
    "###);
    let said = shop
        .kilde(&[
            "query",
            "select order_id from bronze.orders join bronze.lines on lines.order_id = orders.order_id",
        ])
        .ended(2);
    insta::assert_snapshot!(said.stderr, @r###"
    error[K0304]: `order_id` is a column of several tables here
      --> query:1:8
       |
     1 | select order_id from bronze.orders join bronze.lines on lines.order_id = orders.order_id
       |        ^^^^^^^^
    help: say whose: `bronze.orders.order_id` or `bronze.lines.order_id`
    "###);
    let said = shop
        .kilde(&["query", "select city, count(*) from bronze.orders"])
        .ended(2);
    insta::assert_snapshot!(said.stderr, @r###"
    error[K0307]: `city` is neither grouped nor aggregated
      --> query:1:8
       |
     1 | select city, count(*) from bronze.orders
       |        ^^^^
    help: add `city` to `group by`, or choose one value, as `max(city)` does
    "###);
}

#[test]
fn a_file_without_its_header_shows_no_record() {
    let shop = shop();
    shop.write("exports/orders_20260101.csv", "7;Anna Secret;2026-01-01\n");
    let said = shop.kilde(&["build"]).ended(1);
    assert!(
        said.stderr.contains("say `header: false`"),
        "{}",
        said.stderr
    );
    assert!(!said.stderr.contains("Anna") && !said.stdout.contains("Anna"));
    let said = shop.kilde(&["exports", "orders"]).ended(0);
    assert!(!said.stdout.contains("Anna"), "{}", said.stdout);
}
