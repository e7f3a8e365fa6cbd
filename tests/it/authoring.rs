//! Between two builds: what a person sees while writing a step.

use crate::sandbox::Sandbox;
use crate::time_limit;

fn shop() -> Sandbox {
    Sandbox::with(&[
        ("kilde.yaml", "project: shop\nraw: exports/\nlake: lake/\n"),
        (
            "pipelines/shop.yaml",
            "sources:
  - table: bronze.orders
    files: orders_{exported_on:%Y%m%d}.csv
    read: {csv: {}}
    load: append
  - table: bronze.stores
    files: stores.csv
    read: {csv: {}}
    load: replace
steps:
  - sql: silver/*
  - sql: gold/*
",
        ),
        (
            "schemas/bronze/orders.yaml",
            "columns:
  - {name: order_id, data_type: bigint}
  - {name: email, data_type: varchar, personal: email, from: E-post}
  - {name: amount, data_type: 'decimal(12,2)'}
",
        ),
        (
            "schemas/bronze/stores.yaml",
            "key: [store_id]\ncolumns: [{name: store_id, data_type: varchar}]\n",
        ),
        (
            "sql/silver/orders.sql",
            "-- silver.orders: one row per order.\nselect order_id, lower(email) as email, amount from bronze.orders\n",
        ),
        (
            "sql/gold/emails.sql",
            "-- gold.emails: one row per e-mail.\nselect distinct email from silver.orders\n",
        ),
        (
            "schemas/gold/emails.yaml",
            "key: [email]\ncolumns: [{name: email, data_type: varchar}]\n",
        ),
        (
            "exports/orders_20260101.csv",
            "order_id,E-post,amount\n2,B@x.se,20.00\n1,a@x.se,5.50\n3,a@x.se,4.50\n",
        ),
    ])
}

const BY_EMAIL: &str = "-- gold.spending: one row per e-mail.
select email, count(*) as orders_count, sum(amount) as amount from silver.orders group by email
";

#[test]
fn a_new_sql_file_is_shown_over_the_newest_release_and_nothing_is_written() {
    let shop = shop();
    shop.kilde(&["build"]).ended(0);
    let before = shop.objects();
    shop.write("sql/gold/spending.sql", BY_EMAIL);
    let said = shop
        .kilde(&["show", "spending", "--format", "csv"])
        .ended(0);
    let mut lines: Vec<&str> = said.stdout.lines().skip(1).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["a@x.se,2,10.00", "b@x.se,1,20.00"]);
    assert!(said.stderr.contains("K0145"), "{}", said.stderr);
    assert_eq!(shop.objects(), before);
}

#[test]
fn inputs_that_no_release_holds_as_they_are_now_are_computed_on_the_way() {
    let shop = shop();
    shop.kilde(&["build"]).ended(0);
    shop.write(
        "sql/silver/orders.sql",
        "-- silver.orders: one row per order.\nselect order_id, upper(email) as email, amount, amount * 2 as twice from bronze.orders\n",
    );
    shop.write("sql/silver/large.sql", "-- silver.large: one row per order above 5.\nselect * from silver.orders where amount > 5\n");
    shop.write("schemas/silver/large.yaml", "key: [order_id]\n");
    shop.write(
        "sql/silver/two.sql",
        "-- silver.two: one row per large order.\nselect order_id, email, twice from silver.large\n",
    );
    shop.write("schemas/silver/two.yaml", "key: [order_id]\n");
    let said = shop
        .kilde(&["show", "silver.two", "--limit", "1", "--format", "csv"])
        .ended(0);
    assert_eq!(said.stdout, "order_id,email,twice\n1,A@X.SE,11.00\n");
    assert!(
        said.stderr
            .contains("computed on the way, since no release holds it as it is now: silver.large, silver.orders"),
        "{}",
        said.stderr
    );
    assert!(said.stderr.contains("--limit 0"), "{}", said.stderr);
}

#[test]
fn a_source_is_shown_as_published_or_said_not_to_be_loaded() {
    let shop = shop();
    let none = shop.kilde(&["show", "bronze.orders"]).ended(2);
    assert!(none.stderr.contains("kilde build"), "{}", none.stderr);
    shop.kilde(&["build"]).ended(0);
    shop.write(
        "pipelines/more.yaml",
        "sources:\n  - {table: bronze.late, files: late.csv, read: {csv: {}}}\n",
    );
    shop.write(
        "schemas/bronze/late.yaml",
        "columns: [{name: id, data_type: bigint}]\n",
    );
    let late = shop.kilde(&["show", "bronze.late"]).ended(2);
    assert!(
        late.stderr.contains("`bronze.late` is not loaded yet"),
        "{}",
        late.stderr
    );
    let said = shop.kilde(&["show", "bronze.orders"]).ended(0);
    assert!(said.stdout.contains("B@x.se"), "{}", said.stdout);
    assert!(said.stdout.contains("3 rows"), "{}", said.stdout);
}

const SPENDING: &str = "
description: What each address spent.
key: [email]
columns:
  - {name: email, data_type: varchar, personal: email}
  - {name: orders_count, data_type: bigint}
  - {name: amount, data_type: 'decimal(14,2)'}
";

fn tested(unit_tests: &str) -> Sandbox {
    let shop = shop();
    shop.write("sql/gold/spending.sql", "-- gold.spending: one row per e-mail.
select email, count(*) as orders_count, cast(sum(amount) as decimal(14,2)) as amount from silver.orders group by email
");
    shop.write(
        "schemas/gold/spending.yaml",
        format!("{SPENDING}{unit_tests}"),
    );
    shop
}

const GIVEN: &str = "unit_tests:
  - name: sums_per_address
    given:
      silver.orders:
        - {order_id: 1, email: a@x.se, amount: 5}
        - {email: a@x.se, amount: 01.50}
        - {email: '', amount: 7}
        - {email: null, amount: 2}
    expect:
";

#[test]
fn a_unit_test_passes_without_a_lake_and_compares_only_the_columns_it_names() {
    let shop = tested(&format!(
        "{GIVEN}      - {{amount: 7.00, email: ''}}\n      - {{email: ~, amount: 2}}\n      - {{email: a@x.se, amount: 6.5}}\n"
    ));
    let said = shop.kilde(&["test"]).ended(0);
    assert!(
        said.stdout.contains("1 unit test passed"),
        "{}",
        said.stdout
    );
    assert!(!shop.path("lake").exists());
}

#[test]
fn a_failing_unit_test_shows_what_differs_cell_by_cell_and_stops_the_build_before_it_reads() {
    let shop = tested(&format!(
        "{GIVEN}      - {{email: a@x.se, amount: 6.5, orders_count: 3}}\n      - {{email: c@x.se, amount: 100, orders_count: 9}}\n"
    ));
    let said = shop.kilde(&["test", "-s", "gold.spending"]).ended(1);
    for shown in [
        "schemas/gold/spending.yaml:9:11",
        "~  a@x.se  3 → 2         6.50",
        "-  c@x.se  9             100.00",
        "+  ∅       1             2.00",
        "0 unit tests passed, 1 failed",
    ] {
        assert!(said.stdout.contains(shown), "{shown} in\n{}", said.stdout);
    }
    let build = shop.kilde(&["build"]).ended(1);
    assert!(build.stderr.contains("3 → 2"), "{}", build.stderr);
    assert!(
        build
            .stderr
            .contains("1 unit test failed; no data was read"),
        "{}",
        build.stderr
    );
    assert!(!shop.path("lake/_kilde/log").exists() || shop.objects().is_empty());
}

#[test]
fn fixtures_may_be_files_and_an_empty_expectation_expects_no_row() {
    let shop = tested(
        "unit_tests:
  - {name: from_files, given: {silver.orders: {csv: tests/fixtures/orders.csv}}, expect: {csv: tests/fixtures/spending.csv}}
  - {name: nothing_from_nothing, expect: []}
",
    );
    shop.write(
        "tests/fixtures/orders.csv",
        "email,amount\na@x.se,5\na@x.se,2.50\n",
    );
    shop.write(
        "tests/fixtures/spending.csv",
        "email,orders_count\na@x.se,2\n",
    );
    let said = shop.kilde(&["test"]).ended(0);
    assert!(
        said.stdout.contains("2 unit tests passed"),
        "{}",
        said.stdout
    );
    shop.write(
        "tests/fixtures/spending.csv",
        "email,order_count\na@x.se,2\n",
    );
    let wrong = shop.kilde(&["check"]).ended(2);
    assert!(
        wrong.stderr.contains("tests/fixtures/spending.csv:1:7"),
        "{}",
        wrong.stderr
    );
    assert!(
        wrong.stderr.contains("did you mean `orders_count`?"),
        "{}",
        wrong.stderr
    );
}

#[test]
fn a_new_unit_test_is_run_and_nothing_is_rebuilt() {
    let shop = tested("");
    shop.kilde(&["build"]).ended(0);
    let before = shop.newest_release();
    shop.write(
        "schemas/gold/spending.yaml",
        format!("{SPENDING}unit_tests: [{{name: nothing_from_nothing, expect: []}}]\n"),
    );
    let said = shop.kilde(&["build"]).ended(0);
    assert!(said.stdout.contains("tested again"), "{}", said.stdout);
    assert!(said.stdout.contains("1 unit test,"), "{}", said.stdout);
    let after = shop.newest_release();
    for table in ["bronze.orders", "silver.orders", "gold.spending"] {
        assert_eq!(
            after["tables"][table]["version"], before["tables"][table]["version"],
            "{table}"
        );
    }
    let third = shop.kilde(&["build"]).ended(0);
    assert!(third.stdout.contains("stands"), "{}", third.stdout);
}

#[test]
fn a_new_description_is_a_commit_of_metadata_and_rewrites_no_file() {
    let shop = tested("");
    shop.kilde(&["build"]).ended(0);
    let files = |shop: &Sandbox| -> Vec<std::path::PathBuf> {
        let objects = shop.objects().into_keys();
        objects
            .filter(|path| path.extension().is_some_and(|e| e == "parquet"))
            .filter(|path| path.to_string_lossy().contains("gold/spending"))
            .collect()
    };
    let before = files(&shop);
    shop.write(
        "schemas/gold/spending.yaml",
        SPENDING.replace("What each address spent.", "Money by address."),
    );
    let plan = shop.kilde(&["plan"]).ended(0);
    assert!(
        plan.stdout.contains("only words changed"),
        "{}",
        plan.stdout
    );
    shop.kilde(&["build"]).ended(0);
    assert_eq!(files(&shop), before);
    let log = std::fs::read_to_string(
        shop.path("lake/gold/spending/_delta_log/00000000000000000001.json"),
    )
    .unwrap();
    assert!(
        log.contains("Money by address.") && !log.contains("\"add\""),
        "{log}"
    );
}

#[test]
fn the_shipped_unit_tests_pass() {
    let said = Sandbox::shipped(false).kilde(&["test"]).ended(0);
    assert!(
        said.stdout.contains("silver.newest_orders"),
        "{}",
        said.stdout
    );
}

#[test]
fn why_names_the_table_upstream_that_moved_and_the_last_change() {
    let shop = shop();
    let new = shop.kilde(&["why", "gold.emails"]).ended(0);
    assert!(new.stdout.contains("stale"), "{}", new.stdout);
    assert!(new.stdout.contains("  new\n"), "{}", new.stdout);
    shop.kilde(&["build"]).ended(0);
    let fine = shop.kilde(&["why", "emails"]).ended(0);
    assert!(fine.stdout.contains("up to date"), "{}", fine.stdout);
    assert!(
        fine.stdout.contains("last changed in release 1")
            && fine.stdout.contains("first published"),
        "{}",
        fine.stdout
    );
    shop.write(
        "exports/orders_20260102.csv",
        "order_id,E-post,amount\n4,d@x.se,1.00\n",
    );
    let why = shop.kilde(&["why", "emails"]).ended(0);
    assert!(
        why.stdout
            .contains("bronze.orders → silver.orders → gold.emails: 1 new export"),
        "{}",
        why.stdout
    );
    shop.kilde(&["build"]).ended(0);
    let last = shop.kilde(&["why", "emails"]).ended(0);
    assert!(
        last.stdout.contains("release 2") && last.stdout.contains("silver.orders had moved"),
        "{}",
        last.stdout
    );
}

#[test]
fn init_writes_the_shipped_project_and_overwrites_nothing() {
    let place = Sandbox::empty();
    let said = place.kilde(&["init", "shop"]).ended(0);
    assert!(
        said.stdout.contains("cd shop && kilde build"),
        "{}",
        said.stdout
    );
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["pipelines", "schemas", "seeds", "sql", "exports"] {
        let mut shipped = below(&root.join(folder));
        shipped.retain(|path| !path.ends_with(".DS_Store"));
        assert_eq!(
            below(&place.path("shop").join(folder)),
            shipped,
            "packed by src/main.rs: compile it again after adding a file"
        );
    }
    assert_eq!(
        std::fs::read(root.join("kilde.yaml")).unwrap(),
        std::fs::read(place.path("shop/kilde.yaml")).unwrap()
    );
    assert!(place.read("shop/.gitignore").contains("/lake"));
    let mut inside = place.command(&["check"]);
    let inside = time_limit::output(inside.current_dir(place.path("shop"))).unwrap();
    assert!(inside.status.success());
    let again = place.kilde(&["init", "shop"]).ended(2);
    assert!(again.stderr.contains("is not empty"), "{}", again.stderr);
}

/// Paths of every file below a folder, sorted.
fn below(folder: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_path_buf()];
    while let Some(next) = waiting.pop() {
        for entry in std::fs::read_dir(next).into_iter().flatten() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => waiting.push(path),
                false => found.push(path.strip_prefix(folder).unwrap().display().to_string()),
            }
        }
    }
    found.sort();
    found
}
