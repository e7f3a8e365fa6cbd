//! Other tools open a release: DuckDB, Polars, Power BI's Parquet.

use std::collections::BTreeMap;

use crate::foreign;
use crate::history::till;
use crate::sandbox::Sandbox;

const PUBLISH: &str = "project: till\nraw: exports/\nlake: lake/\npublish: {parquet: [gold.*]}\n";

fn publishing() -> Sandbox {
    let till = till();
    till.write("kilde.yaml", PUBLISH);
    till
}

fn modified(sandbox: &Sandbox, path: &str) -> std::time::SystemTime {
    let data = std::fs::metadata(sandbox.path(path)).unwrap();
    data.modified().unwrap()
}

const STORES: &str = "lake/latest/gold.stores.parquet";

#[test]
fn what_connect_prints_opens_one_release_in_each_tool_with_equal_rows() {
    let till = publishing();
    till.kilde(&["build"]).ended(0);
    let print = |arguments: &[&str], file: &str| {
        let said = till.kilde(&[&["connect"], arguments].concat()).ended(0);
        till.write(file, said.stdout);
    };
    print(&["duckdb", "-s", "gold", "bronze"], "kilde.sql");
    print(&["polars"], "lake.py");
    print(&["powerbi", "--m"], "lake.m");
    print(&["powerbi"], "kilde.pbids");
    // a newer release: what was pinned stays, what follows goes along
    till.write("exports/sales_20260102.csv", "store,amount\nKiruna,30\n");
    till.kilde(&["build"]).ended(0);

    let Some(python) = foreign::python() else {
        return;
    };
    let files = ["kilde.sql", "lake.py", "kilde.pbids", "lake.m"];
    let paths: Vec<String> = files
        .iter()
        .map(|file| till.path(file).display().to_string())
        .collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let said = foreign::script(python, "connect.py", &paths);
    let read: BTreeMap<String, serde_json::Value> = serde_json::from_str(&said).unwrap();
    let count = |release: &str, table: &str| -> u64 {
        let sql = format!("select count(*) from {table}");
        let arguments = ["query", "--format", "csv", "--release", release, &sql];
        let said = till.kilde(&arguments).ended(0).stdout;
        said.lines().nth(1).unwrap().parse().unwrap()
    };
    let (then, now) = (count("1", "gold.stores"), count("2", "gold.stores"));
    assert_eq!((then, now), (2, 3));
    assert_eq!(
        read["duckdb"],
        serde_json::json!({"gold.stores": then, "bronze.sales": count("1", "bronze.sales")})
    );
    assert_eq!(read["polars"], serde_json::json!({"gold.stores": then}));
    assert_eq!(read["m"], serde_json::json!({"gold.stores": then}));
    assert_eq!(read["pbids"], serde_json::json!({"gold.stores": now}));
    assert_eq!(
        read["comments"],
        serde_json::json!({
            "table": "Sales per store.",
            "columns": {"store": "Town of the store.", "amount": null},
        })
    );
}

#[test]
fn whole_files_follow_the_release_and_only_where_their_table_changed() {
    let till = publishing();
    let said = till.kilde(&["build"]).ended(0);
    assert!(
        said.stdout.contains("latest/   1 Parquet file written"),
        "{}",
        said.stdout
    );
    let first = std::fs::read(till.path(STORES)).unwrap();
    let written_at = modified(&till, STORES);
    // a source of other rows, the same sums
    till.write("exports/sales_20260102.csv", "store,amount\nLund,0\n");
    till.kilde(&["build"]).ended(0);
    assert_eq!(modified(&till, STORES), written_at, "nothing in it changed");
    till.write("exports/sales_20260103.csv", "store,amount\nLund,1\n");
    till.kilde(&["build"]).ended(0);
    assert_ne!(std::fs::read(till.path(STORES)).unwrap(), first);
    let before = till.objects();
    till.kilde(&["build"]).ended(0);
    assert_eq!(till.objects(), before, "an unchanged build wrote something");

    till.kilde(&["rollback", "1"]).ended(0);
    assert_eq!(
        std::fs::read(till.path(STORES)).unwrap(),
        first,
        "a rollback takes the files back"
    );
}

#[test]
fn a_file_that_is_missing_or_cut_short_is_mended_by_a_build_with_nothing_else_to_do() {
    let till = publishing();
    till.kilde(&["build"]).ended(0);
    let whole = std::fs::read(till.path(STORES)).unwrap();
    std::fs::remove_file(till.path(STORES)).unwrap();
    let said = till.kilde(&["build"]).ended(0);
    assert!(said.stdout.contains("Release 1 stands"), "{}", said.stdout);
    assert_eq!(std::fs::read(till.path(STORES)).unwrap(), whole);
    till.write(STORES, &whole[..100]);
    till.kilde(&["build"]).ended(0);
    assert_eq!(std::fs::read(till.path(STORES)).unwrap(), whole);
}

#[test]
fn a_table_that_is_no_longer_published_so_loses_its_file() {
    let till = publishing();
    till.kilde(&["build"]).ended(0);
    till.write("kilde.yaml", "project: till\nraw: exports/\nlake: lake/\n");
    let said = till.kilde(&["build"]).ended(0);
    assert!(said.stdout.contains("1 removed"), "{}", said.stdout);
    assert!(!till.path(STORES).exists());
    let said = till.kilde(&["connect", "powerbi"]).ended(2);
    assert!(
        said.stderr.contains("publish: {parquet: [gold.*]}"),
        "{}",
        said.stderr
    );
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_warns_and_does_not_hold_the_release() {
    let till = publishing();
    // a file where the folder should be: no user may write below it, root neither
    till.write("lake/latest", "in the way");
    let said = till.kilde(&["build"]).ended(0);
    assert!(
        said.stdout.contains("Release 1 published"),
        "{}",
        said.stdout
    );
    assert!(
        said.stdout.contains("the next build tries again"),
        "{}",
        said.stdout
    );
    std::fs::remove_file(till.path("lake/latest")).unwrap();
    till.kilde(&["build"]).ended(0);
    assert!(till.path(STORES).exists());
}

#[test]
fn a_changed_description_is_a_commit_of_metadata_alone() {
    let till = till();
    till.kilde(&["build"]).ended(0);
    let contract = till.read("schemas/gold/stores.yaml");
    till.write(
        "schemas/gold/stores.yaml",
        contract.replace("Town of the store.", "Where it stands."),
    );
    till.kilde(&["build"]).ended(0);
    let log = till.read("lake/gold/stores/_delta_log/00000000000000000001.json");
    assert!(log.contains("Where it stands."), "{log}");
    assert!(
        !log.contains("{\"add\"") && !log.contains("{\"remove\""),
        "{log}"
    );
}

#[test]
fn a_schema_that_the_release_does_not_have_is_answered_with_those_it_has() {
    let till = till();
    till.kilde(&["build"]).ended(0);
    let said = till.kilde(&["connect", "duckdb", "-s", "golden"]).ended(2);
    assert!(said.stderr.contains("bronze, gold, ops"), "{}", said.stderr);
}
