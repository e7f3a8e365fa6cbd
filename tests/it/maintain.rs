//! `kilde maintain`: what is kept reads as before, what is not is refused, and nothing else is lost.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde_json::Value;

use crate::foreign;
use crate::history::till;
use crate::sandbox::{Sandbox, copy_folder};

/// How many nights the tests below begin with.
const BEGINNINGS: [u32; 4] = [2, 21, 22, 24];

/// Nights of the till, one release each, without maintenance; those up to `old` were published two months ago. They are built once
/// for all tests, which get a copy.
fn nights(count: u32, old: u64) -> Sandbox {
    static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nights of the till");
        let _ = fs::remove_dir_all(&kept);
        let till = till();
        for night in 1..=24 {
            till.write(
                &format!("exports/sales_202602{night:02}.csv"),
                format!("store,amount\nLund,{night}\nUmeå,2\n"),
            );
            till.kilde(&["build", "--no-maintain"]).ended(0);
            if BEGINNINGS.contains(&night) {
                copy_folder(till.root(), &kept.join(night.to_string()));
            }
        }
        kept
    });
    let till = Sandbox::empty();
    copy_folder(&BUILT.join(count.to_string()), till.root());
    for number in 1..=old {
        age(&till, number);
    }
    till
}

fn record(number: u64) -> String {
    format!("lake/_kilde/releases/{number:08}.json")
}

/// Moves a release's publication two months back.
fn age(till: &Sandbox, number: u64) {
    let mut release: Value = serde_json::from_str(&till.read(&record(number))).unwrap();
    let at = release["published_at"].as_str().unwrap();
    let at = chrono::DateTime::parse_from_rfc3339(at).unwrap();
    let then = at.to_utc() - chrono::TimeDelta::days(60);
    release["published_at"] = then.to_rfc3339().into();
    till.write(&record(number), release.to_string());
}

/// Rows of both tables at a release.
fn contents(till: &Sandbox, number: u64) -> String {
    let sql = "select store, amount, _kilde_source_file as origin from bronze.sales
        union all select store, amount, 'gold.stores' from gold.stores order by origin, store";
    let number = number.to_string();
    let said = till.kilde(&["query", "--release", &number, "--format", "csv", sql]);
    said.ended(0).stdout
}

fn parquet_files(till: &Sandbox, folder: &str) -> usize {
    let files = fs::read_dir(till.path(folder)).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".parquet")).count()
}

/// What DuckDB, Polars and delta-rs for Python read at the pinned versions.
fn foreign_contents(till: &Sandbox, number: u64) -> Option<Value> {
    let python = foreign::python()?;
    let lake = till.path("lake").display().to_string();
    let record = till.path(&record(number)).display().to_string();
    let said = foreign::script(python, "read_lake.py", &[&lake, &record]);
    Some(serde_json::from_str(&said).unwrap())
}

#[test]
fn kept_releases_read_as_before_and_retired_ones_are_refused() {
    let till = nights(24, 15);
    let kept = [15, 20, 24];
    let before: BTreeMap<u64, _> = kept.map(|n| (n, contents(&till, n))).into();
    let abroad = foreign_contents(&till, 15);
    let objects = till.objects();

    let said = till.kilde(&["maintain", "--dry-run"]).ended(0);
    for words in [
        "would do   releases 15 to 24 are kept (30d), 14 releases would be retired",
        "bronze.sales  24 small files",
        "would free",
    ] {
        assert!(said.stdout.contains(words), "{words}:\n{}", said.stdout);
    }
    assert_eq!(till.objects(), objects, "a dry run writes nothing");

    let gold = parquet_files(&till, "lake/gold/stores");
    let said = till.kilde(&["maintain"]).ended(0);
    for words in [
        "maintained   releases 15 to 25 are kept (30d), 14 releases were retired",
        "bronze.sales  24 small files → 1",
        "release 25 published: the same rows",
        "freed",
        "gold.stores",
    ] {
        assert!(said.stdout.contains(words), "{words}:\n{}", said.stdout);
    }
    assert_eq!(parquet_files(&till, "lake/gold/stores"), gold - 14);
    let entry =
        |version: u32| till.path(&format!("lake/gold/stores/_delta_log/{version:020}.json"));
    assert!(
        !entry(9).exists() && entry(10).exists(),
        "the log begins at a checkpoint"
    );
    for (number, rows) in &before {
        assert_eq!(&contents(&till, *number), rows, "release {number}");
    }
    assert_eq!(contents(&till, 25), before[&24]);
    assert_eq!(foreign_contents(&till, 15), abroad);
    if let Some(newest) = foreign_contents(&till, 25) {
        let sales = &newest["bronze.sales"];
        assert_eq!(sales["duckdb"], sales["delta-rs"]);
        assert_eq!(sales["duckdb"]["rows"], 50);
    }
    let said = till.kilde(&["diff", "24", "25"]).ended(0);
    assert!(
        said.stdout.contains("the same; other words or files"),
        "{}",
        said.stdout
    );

    for command in [
        &["query", "--release", "14", "select 1 from gold.stores"][..],
        &["rollback", "14"],
        &["diff", "14", "24"],
        &["releases", "show", "14"],
    ] {
        let said = till.kilde(command).ended(2);
        assert!(
            said.stderr.contains("K0717") && said.stderr.contains("releases before 15"),
            "{}",
            said.stderr
        );
    }
    let said = till.kilde(&["maintain"]).ended(0);
    assert!(said.stdout.contains("nothing to do"), "{}", said.stdout);

    // life goes on: a new night, the oldest kept release again
    till.write("exports/sales_20260301.csv", "store,amount\nLund,1\n");
    till.kilde(&["build", "--no-maintain"]).ended(0);
    assert_eq!(till.query("select count(*) from bronze.sales"), [["51"]]);
    till.kilde(&["rollback", "15"]).ended(0);
    assert_eq!(contents(&till, 27), before[&15]);
}

#[test]
fn a_maintenance_that_was_killed_is_finished_by_the_next() {
    let till = nights(22, 9);
    let kept = [9, 16, 22];
    let before: BTreeMap<u64, _> = kept.map(|n| (n, contents(&till, n))).into();
    for boundary in [
        "after_claim",
        "after_retire",
        "after_staging",
        "after_publish_entry",
        "before_release",
        "after_release",
    ] {
        let mut command = till.command(&["maintain"]);
        command.env("KILDE_FAILPOINT", boundary);
        let ended = crate::time_limit::output(&mut command).unwrap();
        assert!(!ended.status.success(), "{boundary}");
        for (number, rows) in &before {
            assert_eq!(
                &contents(&till, *number),
                rows,
                "{boundary}, release {number}"
            );
        }
    }
    till.kilde(&["maintain"]).ended(0);
    for (number, rows) in &before {
        assert_eq!(&contents(&till, *number), rows, "release {number}");
    }
    till.kilde(&["query", "--release", "8", "select 1 from gold.stores"])
        .ended(2);
    // 22 small files of kept releases, one that holds their rows, and one of the run that was killed before it was decided
    assert_eq!(parquet_files(&till, "lake/bronze/sales"), 24);
    till.write("exports/sales_20260301.csv", "store,amount\nLund,1\n");
    till.kilde(&["build"]).ended(0);
    assert_eq!(till.query("select count(*) from bronze.sales"), [["47"]]);
}

/// What a disk or a hand has spoilt costs no release that is still kept; what helps is said.
#[test]
fn a_lost_record_a_spoilt_word_of_what_is_retired_and_stray_checkpoints_cost_no_kept_release() {
    let till = nights(22, 9);
    let kept = [9, 14, 22];
    let before: BTreeMap<u64, _> = kept.map(|n| (n, contents(&till, n))).into();
    std::fs::remove_file(till.path(&record(15))).unwrap();
    till.write(
        "lake/_kilde/retired.json",
        r#"{"at":"2026-01-01T00:00:00Z","format":1,"releases_below":20,"run":"x"}"#,
    );
    let log = "lake/gold/stores/_delta_log";
    till.write(
        &format!("{log}/00000000000000000099.checkpoint.parquet"),
        "PAR1",
    );
    till.write(
        &format!("{log}/_last_checkpoint"),
        r#"{"version":99,"size":3}"#,
    );

    let said = till.kilde(&["doctor"]).ended(0);
    for words in [
        "the first of release 15",
        "over 2 objects of tables' logs, the first gold/stores/_delta_log/00000000000000000099",
        "`_kilde/retired.json` does not say so",
    ] {
        assert!(said.stdout.contains(words), "{words}:\n{}", said.stdout);
    }
    for command in [
        &["diff", "14", "15"][..],
        &["query", "--release", "15", "select 1"],
        &["rollback", "15"],
    ] {
        let said = till.kilde(command).ended(4);
        assert!(
            said.stderr.contains("the record of release 15 is missing"),
            "{}",
            said.stderr
        );
    }
    let dry = till.kilde(&["maintain", "--dry-run"]).ended(0);
    let said = till.kilde(&["maintain"]).ended(0);
    for words in [
        "8 releases w",
        "since nobody knows what a kept release needs: _kilde/releases/00000015.json",
    ] {
        assert!(dry.stdout.contains(words), "{words}:\n{}", dry.stdout);
        assert!(said.stdout.contains(words), "{words}:\n{}", said.stdout);
    }
    assert!(
        said.stdout
            .contains("2 objects of tables' logs that other readers stumble over"),
        "{}",
        said.stdout
    );
    for (number, rows) in &before {
        assert_eq!(&contents(&till, *number), rows, "release {number}");
    }
    let said = till.kilde(&["doctor"]).ended(0);
    for words in ["✓  checkpoints", "✓  upkeep           releases 9 to"] {
        assert!(said.stdout.contains(words), "{words}:\n{}", said.stdout);
    }
    // the same release by the log and by what readers are told, whole or not
    till.write("lake/_kilde/retired.json", "{");
    for command in [
        &["query", "--release", "8", "select 1"][..],
        &["rollback", "8"],
    ] {
        let said = till.kilde(command).ended(2);
        assert!(said.stderr.contains("K0717"), "{}", said.stderr);
    }
    assert_eq!(contents(&till, 9), before[&9]);
    till.write("exports/sales_20260301.csv", "store,amount\nLund,1\n");
    till.kilde(&["build"]).ended(0);
}

#[test]
fn the_rows_of_a_table_that_left_go_when_it_is_dropped_and_no_kept_release_has_them() {
    let till = nights(2, 0);
    let said = till.kilde(&["maintain", "--drop", "gold.stores"]).ended(2);
    assert!(said.stderr.contains("is in release 2"), "{}", said.stderr);
    fs::remove_file(till.path("sql/gold/stores.sql")).unwrap();
    fs::remove_file(till.path("schemas/gold/stores.yaml")).unwrap();
    till.write(
        "sql/gold/totals.sql",
        "-- gold.totals: one row.\nselect sum(amount) as amount from bronze.sales\n",
    );
    till.write(
        "schemas/gold/totals.yaml",
        "description: All.\ngrain: one row\ncolumns:\n  - {name: amount, data_type: bigint, description: Sum.}\n",
    );
    till.kilde(&["build", "--no-maintain", "--allow-breaking"])
        .ended(0);
    let said = till.kilde(&["maintain", "--dry-run"]).ended(0);
    assert!(
        said.stdout
            .contains("gold.stores left the project: `--drop gold.stores`"),
        "{}",
        said.stdout
    );
    till.kilde(&["maintain", "--drop", "gold.stores"]).ended(0);
    assert_eq!(parquet_files(&till, "lake/gold/stores"), 2);
    assert_eq!(
        till.kilde(&[
            "query",
            "--release",
            "2",
            "select count(*) from gold.stores"
        ])
        .ended(0)
        .code,
        0
    );
    for number in 1..=3 {
        age(&till, number);
    }
    // release 3 was the newest until today, so it is kept; 1 and 2 are not
    till.kilde(&["maintain"]).ended(0);
    assert_eq!(parquet_files(&till, "lake/gold/stores"), 1);
}

#[test]
fn a_build_maintains_what_is_due_and_says_so() {
    let till = nights(21, 9);
    till.write("exports/sales_20260301.csv", "store,amount\nLund,1\n");
    let said = till.kilde(&["build"]).ended(0);
    for words in [
        "Release 22 published",
        "maintained   releases 9 to 23 are kept",
        "22 small files → 1",
    ] {
        assert!(said.stdout.contains(words), "{words}:\n{}", said.stdout);
    }
    till.write("exports/sales_20260302.csv", "store,amount\nLund,1\n");
    let said = till.kilde(&["build"]).ended(0);
    assert!(!said.stdout.contains("maintained"), "{}", said.stdout);
}
