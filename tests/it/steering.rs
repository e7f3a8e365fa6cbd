//! What comes in can be steered: exports skipped, retracted, read again; and nothing of it lost by a crash or a rollback.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::OnceLock;

use crate::sandbox::{Said, Sandbox};
use crate::time_limit;

const PIPELINE: &str = "sources:
  - table: bronze.orders
    files: orders_{exported_on:%Y%m%d}.csv
    read: csv
  - table: bronze.stores
    files: stores_{exported_on:%Y%m%d}.csv
    read: csv
    load: replace
  - table: bronze.people
    files: people_{exported_on:%Y%m%d}.csv
    read: csv
    load: changes
steps:
  - sql: gold/*
";

/// Orders that add up, stores of which the newest list counts, people of whom the newest word counts.
fn company() -> Sandbox {
    Sandbox::with(&[
        (
            "kilde.yaml",
            "project: company\nraw: exports/\nlake: lake/\n",
        ),
        ("pipelines/company.yaml", PIPELINE),
        (
            "schemas/bronze/orders.yaml",
            "columns:\n  - {name: order_id, data_type: bigint}\n  - {name: amount, data_type: integer}\n",
        ),
        (
            "schemas/bronze/stores.yaml",
            "key: [store_id]\ncolumns:\n  - {name: store_id, data_type: bigint}\n  - {name: town, data_type: varchar}\n",
        ),
        (
            "schemas/bronze/people.yaml",
            "key: [person_id]\ncolumns:\n  - {name: person_id, data_type: bigint}\n  - {name: town, data_type: varchar}\n",
        ),
        (
            "sql/gold/sales.sql",
            "-- gold.sales: one row.\nselect count(*) as orders_count, sum(amount) as amount from bronze.orders\n",
        ),
        (
            "schemas/gold/sales.yaml",
            "columns:\n  - {name: orders_count, data_type: bigint}\n  - {name: amount, data_type: bigint}\n",
        ),
    ])
}

fn deliver(company: &Sandbox, file: &str, lines: &[&str]) {
    let header = match file.split('_').next().unwrap() {
        "orders" => "order_id,amount",
        "stores" => "store_id,town",
        _ => "person_id,town",
    };
    let text = format!("{header}\n{}\n", lines.join("\n"));
    company.write(&format!("exports/{file}.csv"), text);
}

/// Two nights of everything; each night's orders have one that is no order.
fn two_nights() -> Sandbox {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    Sandbox::copied(&BUILT, "two nights of steering", built)
}

fn built() -> Sandbox {
    let company = company();
    deliver(&company, "orders_20260101", &["1,10", "2,20", "x,1"]);
    deliver(&company, "stores_20260101", &["1,Lund", "2,Malmö"]);
    deliver(&company, "people_20260101", &["1,Lund", "2,Lund"]);
    company.kilde(&["build"]).ended(0);
    deliver(&company, "orders_20260102", &["3,40", "y,1"]);
    deliver(
        &company,
        "stores_20260102",
        &["1,Lund", "2,Ystad", "3,Kivik"],
    );
    deliver(&company, "people_20260102", &["1,Ystad", "3,Kivik"]);
    company.kilde(&["build"]).ended(0);
    company
}

fn sales(company: &Sandbox) -> Vec<String> {
    company
        .query("select orders_count, amount from gold.sales")
        .remove(0)
}

fn decide(company: &Sandbox, verb: &str, file: &str) -> Said {
    let why = ["--why", "wrong file", "--by", "eva"];
    company.kilde(&[&["exports", verb, file][..], &why].concat())
}

fn undo(company: &Sandbox, verb: &str, file: &str) -> Said {
    company.kilde(&["exports", verb, file, "--undo", "--by", "eva"])
}

/// Path → status and note, as a person sees them.
fn listed(company: &Sandbox, path: &str) -> (String, String) {
    let said = company.kilde(&["exports", "--json"]).ended(0);
    let found: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    for source in found["sources"].as_array().unwrap() {
        for export in source["exports"].as_array().unwrap() {
            if export["path"] == path {
                return (
                    export["status"].as_str().unwrap().to_string(),
                    export["note"].as_str().unwrap_or_default().to_string(),
                );
            }
        }
    }
    panic!("{path} is not listed: {}", said.stdout);
}

/// Every record of every export is somewhere, and the table of orders holds what the ledger says.
fn assert_sums(company: &Sandbox) {
    let wrong = company.query(
        "select path from ops.files where records <> inserted + updated + unchanged + superseded + duplicate + retracted + rejected",
    );
    assert!(wrong.is_empty(), "{wrong:?}");
    let rows = company.query("select count(*) from bronze.orders");
    let inserted =
        company.query("select sum(inserted) from ops.files where source = 'bronze.orders'");
    assert_eq!(rows, inserted);
    let rejects = company.query("select count(*) from ops.rejects");
    let rejected = company
        .query("select coalesce(sum(rejected), 0) from ops.files where status not in ('retracted', 'rolled_back')");
    assert_eq!(rejects, rejected);
}

#[test]
fn a_bad_file_is_skipped_and_read_when_that_is_taken_back() {
    let company = two_nights();
    deliver(&company, "orders_20260103", &["4,1000"]);
    decide(&company, "skip", "exports/orders_20260103.csv").ended(0);
    let (status, note) = listed(&company, "orders_20260103.csv");
    assert_eq!(status, "skipped");
    assert!(
        note.contains("by eva") && note.contains("wrong file"),
        "{note}"
    );
    // nothing else came, so nothing is published
    let said = company.kilde(&["build"]).ended(0);
    assert!(said.stdout.contains("Release 2 stands"), "{}", said.stdout);
    assert_eq!(sales(&company), ["3", "70"]);
    let said = decide(&company, "retract", "orders_20260103.csv").ended(2);
    assert!(said.stderr.contains("is not loaded"), "{}", said.stderr);
    undo(&company, "skip", "orders_20260103.csv").ended(0);
    company.kilde(&["build"]).ended(0);
    assert_eq!(sales(&company), ["4", "1070"]);
    assert_sums(&company);
}

#[test]
fn each_file_that_a_failed_build_could_not_read_is_listed_with_its_reason() {
    let company = two_nights();
    deliver(&company, "orders_20260103", &["4,40"]);
    for night in ["orders_20260104", "orders_20260105"] {
        company.write(&format!("exports/{night}.csv"), [0; 100]);
    }
    // another table fails, and nothing is published
    let tested = company.read("schemas/gold/sales.yaml")
        + "data_tests:\n  - sql: select * from gold.sales\n";
    company.write("schemas/gold/sales.yaml", tested);
    company.kilde(&["build"]).ended(1);
    for night in ["orders_20260104.csv", "orders_20260105.csv"] {
        let (status, note) = listed(&company, night);
        assert_eq!(status, "refused");
        assert!(note.contains("NUL"), "{note}");
    }
    assert_eq!(listed(&company, "orders_20260103.csv").0, "new");
    // in a container nobody says who one is
    let skip = ["exports", "skip", "orders_20260104.csv", "--why", "broken"];
    let mut command = company.command(&skip);
    for name in ["USER", "LOGNAME", "USERNAME"] {
        command.env_remove(name);
    }
    assert!(time_limit::output(&mut command).unwrap().status.success());
}

#[test]
fn a_loaded_file_is_retracted_and_the_sums_still_add_up() {
    let company = two_nights();
    assert_sums(&company);
    let said = decide(&company, "skip", "orders_20260102.csv").ended(2);
    assert!(
        said.stderr.contains("kilde exports retract"),
        "{}",
        said.stderr
    );
    decide(&company, "retract", "orders_20260102.csv").ended(0);
    let (status, note) = listed(&company, "orders_20260102.csv");
    assert_eq!(status, "loaded");
    assert!(note.contains("leave with the next build"), "{note}");
    let said = company.kilde(&["plan"]).ended(0);
    assert!(
        said.stdout.contains("1 export retracted"),
        "{}",
        said.stdout
    );
    let said = company.kilde(&["build"]).ended(0);
    assert!(said.stdout.contains("1 retracted"), "{}", said.stdout);
    assert_eq!(sales(&company), ["2", "30"]);
    assert_eq!(listed(&company, "orders_20260102.csv").0, "retracted");
    assert_sums(&company);
    assert_eq!(
        company.query("select status, records, retracted, rejected, release, decision from ops.files where path = 'orders_20260102.csv'"),
        [["retracted", "2", "1", "1", "3", "1"]]
    );
    // its rejects are nobody's work any more
    assert_eq!(
        company.query("select file from ops.rejects"),
        [["orders_20260101.csv"]]
    );
    // once done it is done
    let said = company.kilde(&["build"]).ended(0);
    assert!(said.stdout.contains("Release 3 stands"), "{}", said.stdout);
    // and taken back it is read as if it were new
    undo(&company, "retract", "orders_20260102.csv").ended(0);
    company.kilde(&["build"]).ended(0);
    assert_eq!(sales(&company), ["3", "70"]);
    assert_sums(&company);
}

#[test]
fn without_a_retracted_file_a_table_is_as_if_it_had_never_come() {
    let company = two_nights();
    let before = company.digests();
    for file in ["stores_20260103", "people_20260103"] {
        deliver(&company, file, &["1,Bjärred", "3,Kivik", "9,Höör"]);
    }
    company.kilde(&["build"]).ended(0);
    assert_eq!(
        company.query("select store_id, town from bronze.stores order by 1"),
        [["1", "Bjärred"], ["3", "Kivik"], ["9", "Höör"]]
    );
    for file in ["stores_20260103.csv", "people_20260103.csv"] {
        decide(&company, "retract", file).ended(0);
    }
    company.kilde(&["build"]).ended(0);
    assert_eq!(company.digests(), before);
    assert_sums(&company);
    // a middle one: those before and after it stay
    decide(&company, "retract", "people_20260101.csv").ended(0);
    company.kilde(&["build"]).ended(0);
    assert_eq!(
        company.query("select person_id, town from bronze.people order by 1"),
        [["1", "Ystad"], ["3", "Kivik"]]
    );
    assert_sums(&company);
}

#[test]
fn a_retraction_that_needs_exports_which_are_gone_is_refused_before_it_is_written() {
    let company = two_nights();
    std::fs::remove_file(company.path("exports/people_20260101.csv")).unwrap();
    let said = decide(&company, "retract", "people_20260102.csv").ended(2);
    assert!(said.stderr.contains("K0208"), "{}", said.stderr);
    assert!(
        said.stderr.contains("people_20260101.csv"),
        "{}",
        said.stderr
    );
    company.kilde(&["build"]).ended(0);
    assert_eq!(listed(&company, "people_20260102.csv").0, "loaded");
    // what is gone can be retracted itself, where nothing else is needed for it
    std::fs::remove_file(company.path("exports/orders_20260101.csv")).unwrap();
    decide(&company, "retract", "orders_20260101.csv").ended(0);
    company.kilde(&["build"]).ended(0);
    assert_eq!(sales(&company), ["1", "40"]);
    assert_eq!(listed(&company, "orders_20260101.csv").0, "retracted");
}

#[test]
fn a_copy_counts_in_the_place_of_the_file_that_is_retracted() {
    let company = two_nights();
    deliver(&company, "orders_20260103", &["3,40", "y,1"]);
    company.kilde(&["build"]).ended(0);
    assert_eq!(listed(&company, "orders_20260103.csv").0, "duplicate");
    let said = decide(&company, "retract", "orders_20260102.csv").ended(0);
    assert!(
        said.stdout
            .contains("orders_20260103.csv  has the same content"),
        "{}",
        said.stdout
    );
    company.kilde(&["build"]).ended(0);
    assert_eq!(sales(&company), ["3", "70"]);
    assert_eq!(listed(&company, "orders_20260103.csv").0, "loaded");
    assert_sums(&company);
}

#[test]
fn a_rollback_takes_back_neither_a_skip_nor_a_retraction() {
    let company = two_nights();
    deliver(&company, "orders_20260103", &["4,1000"]);
    decide(&company, "skip", "orders_20260103.csv").ended(0);
    decide(&company, "retract", "orders_20260102.csv").ended(0);
    company.kilde(&["build"]).ended(0);
    assert_eq!(sales(&company), ["2", "30"]);
    // release 2 has the rows of the second night
    company.kilde(&["rollback", "2"]).ended(0);
    assert_eq!(sales(&company), ["3", "70"]);
    // while the lake is paused, people go on deciding
    deliver(&company, "orders_20260104", &["5,5"]);
    deliver(&company, "orders_20260105", &["6,6"]);
    decide(&company, "skip", "orders_20260104.csv").ended(0);
    let (status, note) = listed(&company, "orders_20260105.csv");
    assert_eq!(status, "waiting");
    assert!(note.contains("kilde resume"), "{note}");
    company.kilde(&["resume"]).ended(0);
    company.kilde(&["build"]).ended(0);
    assert_eq!(sales(&company), ["3", "36"]);
    assert_eq!(listed(&company, "orders_20260103.csv").0, "skipped");
    assert_eq!(listed(&company, "orders_20260102.csv").0, "retracted");
    assert_sums(&company);
    // to a release before it was loaded: nothing to take out, and nothing read
    company.kilde(&["rollback", "1"]).ended(0);
    company.kilde(&["resume"]).ended(0);
    company.kilde(&["build"]).ended(0);
    assert_eq!(sales(&company), ["3", "36"]);
    assert_sums(&company);
}

#[test]
fn a_rollback_reaches_a_table_that_left_the_project_since_and_came_back() {
    let company = two_nights();
    company.write(
        "sql/gold/one.sql",
        "-- gold.one: one row.\nselect 1 as one\n",
    );
    company.write(
        "schemas/gold/one.yaml",
        "columns:\n  - {name: one, data_type: bigint}\n",
    );
    let sql = company.read("sql/gold/sales.sql");
    std::fs::remove_file(company.path("sql/gold/sales.sql")).unwrap();
    let contract = company.read("schemas/gold/sales.yaml");
    std::fs::remove_file(company.path("schemas/gold/sales.yaml")).unwrap();
    let leaves = ["build", "--allow-breaking", "gold.sales"];
    company.kilde(&leaves).ended(0);
    company.write("sql/gold/sales.sql", sql);
    company.write("schemas/gold/sales.yaml", contract);
    company.kilde(&["build"]).ended(0);
    deliver(&company, "orders_20260103", &["4,1000"]);
    company.kilde(&["build"]).ended(0);
    company.kilde(&["rollback", "2"]).ended(0);
    assert_eq!(sales(&company), ["3", "70"]);
    company.kilde(&["rollback", "1"]).ended(0);
    assert_eq!(sales(&company), ["2", "30"]);
    company.kilde(&["resume"]).ended(0);
    company.kilde(&["build"]).ended(0);
    assert_eq!(sales(&company), ["4", "1070"]);
    assert_sums(&company);
}

#[test]
fn a_build_killed_after_the_decision_leaves_it_to_the_next() {
    let boundaries = [
        "after_claim",
        "after_staging",
        "after_publish_entry",
        "before_release",
    ];
    for boundary in boundaries {
        let company = two_nights();
        decide(&company, "retract", "orders_20260102.csv").ended(0);
        deliver(&company, "orders_20260103", &["4,1000"]);
        decide(&company, "skip", "orders_20260103.csv").ended(0);
        let killed =
            time_limit::output(company.command(&["build"]).env("KILDE_FAILPOINT", boundary))
                .unwrap();
        assert_ne!(killed.status.code(), Some(0), "{boundary} was not reached");
        company.kilde(&["build"]).ended(0);
        assert_eq!(sales(&company), ["2", "30"], "after {boundary}");
        assert_sums(&company);
    }
}

#[test]
fn what_is_decided_while_a_build_runs_is_done_by_the_next() {
    let company = two_nights();
    deliver(&company, "orders_20260103", &["4,1000"]);
    let mut building = company
        .command(&["build"])
        .env("KILDE_FAILPOINT", "pause_after_claim")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // the lake is claimed, and the export was seen
    while company
        .kilde(&["status"])
        .ended(0)
        .stdout
        .find("is at work")
        .is_none()
    {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    decide(&company, "skip", "orders_20260103.csv").ended(0);
    decide(&company, "retract", "orders_20260102.csv").ended(0);
    company.kilde(&["build"]).ended(75);
    // kill -9
    building.kill().unwrap();
    building.wait().unwrap();
    company.kilde(&["build"]).ended(0);
    assert_eq!(sales(&company), ["2", "30"]);
    assert_sums(&company);
}

#[test]
fn a_file_of_orders_with_new_content_replaces_its_rows() {
    let company = two_nights();
    deliver(&company, "orders_20260101", &["1,11", "2,20", "7,5"]);
    assert_eq!(listed(&company, "orders_20260101.csv").0, "changed");
    company.kilde(&["build"]).ended(0);
    assert_eq!(sales(&company), ["4", "76"]);
    assert_sums(&company);
    assert_eq!(
        company.query(
            "select release, records, rejected from ops.files where path = 'orders_20260101.csv'"
        ),
        [["3", "3", "0"]]
    );
    assert_eq!(
        company.query("select file from ops.rejects"),
        [["orders_20260102.csv"]]
    );
    // people: nobody stays that only the old content named
    deliver(&company, "people_20260101", &["2,Höör"]);
    company.kilde(&["build"]).ended(0);
    assert_eq!(
        company.query("select person_id, town from bronze.people order by 1"),
        [["1", "Ystad"], ["2", "Höör"], ["3", "Kivik"]]
    );
    assert_sums(&company);
}

#[test]
fn a_reload_reads_a_file_once_more_and_rejects_become_rows() {
    let company = two_nights();
    // the first night's file is archived: the contract cannot be changed under it, but the second night can be read again
    company.write(
        "schemas/bronze/orders.yaml",
        "columns:\n  - {name: order_id, data_type: varchar}\n  - {name: amount, data_type: integer}\n",
    );
    company.kilde(&["build"]).ended(0);
    assert_eq!(sales(&company), ["5", "72"]);
    assert_eq!(company.query("select count(*) from ops.rejects"), [["0"]]);
    assert_sums(&company);
    // asked for by hand: the same files, the same rows, one release that says so
    let before = company.digests();
    company
        .kilde(&[
            "exports",
            "reload",
            "orders_20260102.csv",
            "stores",
            "--by",
            "eva",
        ])
        .ended(0);
    let (_, note) = listed(&company, "orders_20260102.csv");
    assert!(note.contains("reads it again"), "{note}");
    company.kilde(&["build"]).ended(0);
    assert_eq!(company.digests(), before);
    assert_eq!(
        company.query("select distinct release from ops.files where decision = 1"),
        [["4"]]
    );
    let said = company.kilde(&["build"]).ended(0);
    assert!(said.stdout.contains("Release 4 stands"), "{}", said.stdout);
    assert_sums(&company);
}

#[test]
fn exports_lists_what_came_and_what_nobody_asked_for() {
    let company = company();
    deliver(&company, "orders_20260102", &["1,10"]);
    company.write("exports/drafts/readme.txt", "hello");
    // before the first build there is no lake, and none is made by looking
    let said = company.kilde(&["exports"]).ended(0);
    assert!(
        said.stdout.contains("bronze.orders  1 export: 1 new"),
        "{}",
        said.stdout
    );
    assert!(
        said.stdout.contains("bronze.stores  no export"),
        "{}",
        said.stdout
    );
    assert!(
        said.stdout.contains("1 file that no source matches"),
        "{}",
        said.stdout
    );
    assert!(said.stdout.contains("drafts/readme.txt"), "{}", said.stdout);
    assert!(!company.path("lake").exists());
    company.kilde(&["build"]).ended(0);
    deliver(&company, "orders_20260101", &["2,20"]);
    deliver(&company, "stores_20260101", &["1,Lund"]);
    let said = company.kilde(&["exports", "orders"]).ended(0);
    let lines: Vec<&str> = said.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{}", said.stdout);
    assert!(
        lines[1].contains("late") && lines[1].contains("orders_20260102.csv is loaded"),
        "{}",
        lines[1]
    );
    assert!(
        lines[2].contains("loaded") && lines[2].contains("1 record "),
        "{}",
        lines[2]
    );
    // a header that is wrong is refused, and the reason is where one looks for it
    company.write("exports/stores_20260102.csv", "store_id,place\n1,Lund\n");
    company.kilde(&["build"]).ended(1);
    let (status, note) = listed(&company, "stores_20260102.csv");
    assert_eq!(status, "refused");
    assert!(note.contains("town"), "{note}");
    // mended, it is new again
    deliver(&company, "stores_20260102", &["1,Lund", "2,Malmö"]);
    assert_eq!(listed(&company, "stores_20260102.csv").0, "new");
    // a name that is none of ours
    let said = decide(&company, "skip", "stores_20300101.csv").ended(2);
    assert!(
        said.stderr.contains("no source has an export"),
        "{}",
        said.stderr
    );
}

/// A pipeline whose stores are held where they fail.
fn hold_stores(company: &Sandbox) {
    let held = PIPELINE.replacen("load: replace", "load: replace\n    on_error: hold", 1);
    company.write("pipelines/company.yaml", held);
}

fn towns(company: &Sandbox) -> Vec<Vec<String>> {
    company.query("select store_id, town from bronze.stores order by 1")
}

#[test]
fn half_a_file_stops_the_build_until_somebody_accepts_it() {
    let company = two_nights();
    deliver(&company, "stores_20260103", &["1,Lund", "2,Ystad"]);
    deliver(&company, "orders_20260103", &["4,100"]);
    let said = company.kilde(&["build"]).ended(1);
    for words in [
        "stores_20260103.csv",
        "2 records, under 80 % of the 3 of `stores_20260102.csv`",
        "kilde build --accept bronze.stores",
        "kilde exports skip stores_20260103.csv",
    ] {
        assert!(said.stderr.contains(words), "{words}: {}", said.stderr);
    }
    assert_eq!(sales(&company), ["3", "70"]);
    let (status, note) = listed(&company, "stores_20260103.csv");
    assert_eq!(status, "refused");
    assert!(note.contains("--accept bronze.stores"), "{note}");
    // somebody asks the sender: two stores closed
    let said = company.kilde(&["build", "--accept", "orders"]).ended(2);
    assert!(said.stderr.contains("nothing to accept"), "{}", said.stderr);
    company.kilde(&["build", "--accept", "stores"]).ended(0);
    assert_eq!(towns(&company), [["1", "Lund"], ["2", "Ystad"]]);
    assert_eq!(sales(&company), ["4", "170"]);
    // the next is compared with what was accepted, and all of them are good when they are read again
    deliver(&company, "stores_20260104", &["1,Lund", "2,Sjöbo"]);
    company.kilde(&["build"]).ended(0);
    let before = company.digests();
    company.kilde(&["build", "--full-refresh"]).ended(0);
    assert_eq!(company.digests(), before);
    assert_sums(&company);
}

#[test]
fn half_a_file_is_held_while_the_others_are_fresh_and_a_whole_one_ends_it() {
    let company = two_nights();
    hold_stores(&company);
    deliver(&company, "stores_20260103", &["1,Lund"]);
    deliver(&company, "orders_20260103", &["4,100"]);
    let said = company.kilde(&["build"]).ended(0);
    assert!(
        said.stdout.contains(
            "‖ bronze.stores  held at release 2: stores_20260103.csv: 1 record, under 80 %"
        ),
        "{}",
        said.stdout
    );
    assert!(
        said.stdout.contains("kilde exports bronze.stores"),
        "{}",
        said.stdout
    );
    assert_eq!(sales(&company), ["4", "170"]);
    assert_eq!(towns(&company).len(), 3);
    assert_eq!(listed(&company, "stores_20260103.csv").0, "refused");
    // the next night is whole: the half one is history and changes nothing
    deliver(&company, "stores_20260104", &["1,Lund", "2,Ystad", "4,Vik"]);
    let said = company.kilde(&["build"]).ended(0);
    assert!(!said.stdout.contains("held"), "{}", said.stdout);
    assert_eq!(
        towns(&company),
        [["1", "Lund"], ["2", "Ystad"], ["4", "Vik"]]
    );
    assert_eq!(
        company
            .query("select records, superseded from ops.files where path = 'stores_20260103.csv'"),
        [["1", "1"]]
    );
    assert_sums(&company);
    // all nights at once give the same
    let nights = company.digests();
    std::fs::remove_dir_all(company.path("lake")).unwrap();
    company.kilde(&["build"]).ended(0);
    assert_eq!(company.digests(), nights);
}

#[test]
fn half_a_file_that_is_skipped_lets_the_build_go_on() {
    let company = two_nights();
    deliver(&company, "stores_20260103", &["1,Lund"]);
    company.kilde(&["build"]).ended(1);
    decide(&company, "skip", "stores_20260103.csv").ended(0);
    company.kilde(&["build"]).ended(0);
    assert_eq!(towns(&company).len(), 3);
    assert_eq!(listed(&company, "stores_20260103.csv").0, "skipped");
}

fn with_ready(company: &Sandbox, ready: &str) {
    let line = format!("read: csv\n    ready: {ready}");
    company.write(
        "pipelines/company.yaml",
        PIPELINE.replacen("read: csv", &line, 1),
    );
}

fn written_at(company: &Sandbox, file: &str, at: std::time::SystemTime) {
    let file = std::fs::File::options()
        .append(true)
        .open(company.path(file))
        .unwrap();
    file.set_modified(at).unwrap();
}

#[test]
fn an_upload_under_way_waits_until_it_was_quiet() {
    let company = two_nights();
    with_ready(&company, "{quiet_for: 1h}");
    deliver(&company, "orders_20260103", &["4,100"]);
    // whatever day the tables speak of
    let said = company.kilde(&["build", "--as-of", "2030-01-01"]).ended(0);
    assert!(said.stdout.contains("Release 2 stands"), "{}", said.stdout);
    let (status, note) = listed(&company, "orders_20260103.csv");
    assert_eq!(
        (status.as_str(), note.as_str()),
        ("waiting", "not quiet for 1h yet")
    );
    let said = company.kilde(&["plan"]).ended(0);
    assert!(
        said.stdout.contains("1 export is not ready"),
        "{}",
        said.stdout
    );
    // what was read before the key came stays read; written again, its rows stay until the new content is whole
    deliver(&company, "orders_20260101", &["1,1"]);
    company.kilde(&["build"]).ended(0);
    assert_eq!(sales(&company), ["3", "70"]);
    assert_eq!(listed(&company, "orders_20260101.csv").0, "waiting");
    let earlier = "2026-01-03T00:00:00Z".parse::<chrono::DateTime<chrono::Utc>>();
    let earlier: std::time::SystemTime = earlier.unwrap().into();
    for file in ["exports/orders_20260103.csv", "exports/orders_20260101.csv"] {
        written_at(&company, file, earlier);
    }
    company.kilde(&["build"]).ended(0);
    assert_eq!(sales(&company), ["3", "141"]);
    assert_sums(&company);
}

#[test]
fn an_upload_waits_for_its_marker() {
    let company = two_nights();
    with_ready(&company, "{marker: \"{file}.done\"}");
    deliver(&company, "orders_20260103", &["4,100"]);
    company.kilde(&["build"]).ended(0);
    let (status, note) = listed(&company, "orders_20260103.csv");
    assert_eq!(status, "waiting");
    assert_eq!(note, "orders_20260103.csv.done is not there yet");
    assert_eq!(sales(&company), ["3", "70"]);
    company.write("exports/orders_20260103.csv.done", "");
    let said = company.kilde(&["exports"]).ended(0);
    assert!(
        !said.stdout.contains("that no source matches"),
        "{}",
        said.stdout
    );
    company.kilde(&["build"]).ended(0);
    assert_eq!(sales(&company), ["4", "170"]);
    // a marker of the last delivery says nothing of the next
    deliver(&company, "orders_20260103", &["4,100", "5,1"]);
    let earlier = "2026-01-03T00:00:00Z".parse::<chrono::DateTime<chrono::Utc>>();
    written_at(
        &company,
        "exports/orders_20260103.csv.done",
        earlier.unwrap().into(),
    );
    company.kilde(&["build"]).ended(0);
    assert_eq!(sales(&company), ["4", "170"]);
    assert!(
        listed(&company, "orders_20260103.csv")
            .1
            .contains("is older than it")
    );
    assert_sums(&company);
}

#[test]
fn rows_that_a_rollback_took_back_are_named_where_their_file_is_gone() {
    let company = two_nights();
    std::fs::remove_file(company.path("exports/orders_20260102.csv")).unwrap();
    let said = company.kilde(&["rollback", "1"]).ended(0);
    assert!(
        said.stderr.contains("2 records of bronze.orders")
            && said.stderr.contains("orders_20260102.csv"),
        "{}",
        said.stderr
    );
    // the ledger forgets nothing that was loaded
    assert_eq!(
        company
            .query("select status, taken_back from ops.files where path = 'orders_20260102.csv'"),
        [["rolled_back", "2"]]
    );
    assert_sums(&company);
    company.kilde(&["resume"]).ended(0);
    // not a build of everything, nor one of another table first, lets them vanish
    let said = company.kilde(&["build"]).ended(2);
    for words in [
        "K0214",
        "2 records of `bronze.orders`",
        "orders_20260102.csv",
        "kilde exports skip orders_20260102.csv --why",
        "release 2 still has them",
    ] {
        assert!(said.stderr.contains(words), "{words}: {}", said.stderr);
    }
    company.kilde(&["build", "-s", "bronze.people"]).ended(0);
    company.kilde(&["build"]).ended(2);
    let (status, note) = listed(&company, "orders_20260102.csv");
    assert_eq!(status, "missing");
    assert!(note.contains("took back 2 of its records"), "{note}");
    assert_eq!(sales(&company), ["2", "30"]);
    // put back it is read
    deliver(&company, "orders_20260102", &["3,40", "y,1"]);
    company.kilde(&["build"]).ended(0);
    assert_eq!(sales(&company), ["3", "70"]);
    assert_eq!(listed(&company, "orders_20260102.csv").0, "loaded");
    assert_sums(&company);
}

#[test]
fn rows_that_were_published_are_named_where_their_file_cannot_be_read_again() {
    let company = two_nights();
    deliver(&company, "orders_20260103", &["3,40", "y,1"]);
    company.kilde(&["build"]).ended(0);
    company.kilde(&["rollback", "1"]).ended(0);
    company.kilde(&["resume"]).ended(0);
    let spoil = |file: &str| company.write(&format!("exports/{file}.csv"), [0; 100]);
    // its content comes in a copy of it
    spoil("orders_20260102");
    company.kilde(&["build"]).ended(0);
    assert_eq!(sales(&company), ["3", "70"]);
    // the copy was all that there was
    company.kilde(&["rollback", "1"]).ended(0);
    company.kilde(&["resume"]).ended(0);
    spoil("orders_20260103");
    for _ in 0..2 {
        let said = company.kilde(&["build"]).ended(1);
        for words in [
            "K0214",
            "2 records that were published would be lost",
            "kilde exports skip orders_20260103.csv --why",
        ] {
            assert!(said.stderr.contains(words), "{words}: {}", said.stderr);
        }
        assert_eq!(sales(&company), ["2", "30"]);
    }
    decide(&company, "skip", "orders_20260103.csv").ended(0);
    company.kilde(&["build"]).ended(0);
    assert_eq!(sales(&company), ["2", "30"]);
    assert_sums(&company);
}

#[test]
fn a_build_goes_on_without_what_a_rollback_took_back_once_somebody_says_so() {
    let company = two_nights();
    // release 3 has other content under an old name, and a copy of what is gone
    deliver(&company, "orders_20260101", &["1,10", "2,20", "7,5"]);
    deliver(&company, "orders_20260103", &["3,40", "y,1"]);
    company.kilde(&["build"]).ended(0);
    assert_eq!(listed(&company, "orders_20260103.csv").0, "duplicate");
    company.kilde(&["rollback", "1"]).ended(0);
    std::fs::remove_file(company.path("exports/orders_20260101.csv")).unwrap();
    std::fs::remove_file(company.path("exports/orders_20260102.csv")).unwrap();
    for file in ["stores_20260102.csv", "people_20260102.csv"] {
        std::fs::remove_file(company.path("exports").join(file)).unwrap();
    }
    company.kilde(&["resume"]).ended(0);
    let said = company.kilde(&["build"]).ended(2);
    // the copy will bring the rows of orders_20260102 again; the new content of the first night nobody can
    for words in [
        "3 records of `bronze.orders`",
        "3 records of `bronze.stores`",
        "2 records of `bronze.people`",
    ] {
        assert!(said.stderr.contains(words), "{words}: {}", said.stderr);
    }
    assert!(
        !said.stderr.contains("orders_20260102.csv"),
        "{}",
        said.stderr
    );
    for file in ["stores_20260102.csv", "people_20260102.csv"] {
        decide(&company, "skip", file).ended(0);
    }
    decide(&company, "retract", "orders_20260101.csv").ended(0);
    company.kilde(&["build"]).ended(0);
    assert_eq!(sales(&company), ["1", "40"]);
    assert_eq!(towns(&company), [["1", "Lund"], ["2", "Malmö"]]);
    assert_eq!(listed(&company, "stores_20260102.csv").0, "skipped");
    assert_sums(&company);
    // a newer list of stores makes the missing one history
    company.kilde(&["rollback", "3"]).ended(0);
    assert_eq!(sales(&company), ["4", "75"]);
}

#[test]
fn a_rollback_forward_again_brings_the_ledger_of_then() {
    let company = two_nights();
    let before = company.query("select source, path, status, records, inserted, rejected, release, taken_back from ops.files order by 1, 2");
    company.kilde(&["rollback", "1"]).ended(0);
    company.kilde(&["rollback", "2"]).ended(0);
    company.kilde(&["resume"]).ended(0);
    let after = company.query("select source, path, status, records, inserted, rejected, release, taken_back from ops.files order by 1, 2");
    assert_eq!(after, before);
    let said = company.kilde(&["build"]).ended(0);
    assert!(said.stdout.contains("stands"), "{}", said.stdout);
}

#[test]
fn the_ledger_forgets_no_export_that_is_gone_when_the_others_are_read_again() {
    let company = two_nights();
    deliver(&company, "stores_20260103", &["1,Lund", "2,Ystad", "4,Vik"]);
    company.kilde(&["build"]).ended(0);
    std::fs::remove_file(company.path("exports/stores_20260101.csv")).unwrap();
    decide(&company, "retract", "stores_20260103.csv").ended(0);
    company.kilde(&["build"]).ended(0);
    assert_eq!(
        towns(&company),
        [["1", "Lund"], ["2", "Ystad"], ["3", "Kivik"]]
    );
    assert_eq!(
        company.query("select path, status, records from ops.files where source = 'bronze.stores' order by path"),
        [
            ["stores_20260101.csv", "loaded", "2"],
            ["stores_20260102.csv", "loaded", "3"],
            ["stores_20260103.csv", "retracted", "3"],
        ]
    );
    assert_sums(&company);
}

#[test]
fn the_last_good_row_of_a_rejected_record_is_not_lost_when_its_export_is_gone() {
    let company = company();
    // the town of the second store is rejected on the second night: its row of the first stays
    company.write(
        "schemas/bronze/stores.yaml",
        "key: [store_id]\ncolumns:\n  - {name: store_id, data_type: bigint}\n  - {name: town, data_type: varchar, data_tests: [accepted_values: {values: [Lund, Malmö, Vik]}]}\n",
    );
    deliver(&company, "stores_20260101", &["1,Lund", "2,Malmö"]);
    company.kilde(&["build"]).ended(0);
    deliver(&company, "stores_20260102", &["1,Vik", "2,Mlamö"]);
    company.kilde(&["build"]).ended(0);
    deliver(&company, "stores_20260103", &["1,Lund", "2,Lund"]);
    company.kilde(&["build"]).ended(0);
    std::fs::remove_file(company.path("exports/stores_20260101.csv")).unwrap();
    decide(&company, "retract", "stores_20260103.csv").ended(0);
    let said = company.kilde(&["build"]).ended(1);
    assert!(
        said.stderr.contains("K0208") && said.stderr.contains("stores_20260101.csv"),
        "{}",
        said.stderr
    );
    undo(&company, "retract", "stores_20260103.csv").ended(0);
    company.kilde(&["build"]).ended(0);
    assert_eq!(towns(&company), [["1", "Lund"], ["2", "Lund"]]);
}

#[test]
fn a_source_that_returns_to_the_project_loses_no_rows_of_exports_that_are_gone() {
    let company = two_nights();
    let without = PIPELINE.replacen(
        "  - table: bronze.people\n    files: people_{exported_on:%Y%m%d}.csv\n    read: csv\n    load: changes\n",
        "",
        1,
    );
    company.write("pipelines/company.yaml", without);
    let contract = company.read("schemas/bronze/people.yaml");
    std::fs::remove_file(company.path("schemas/bronze/people.yaml")).unwrap();
    company.kilde(&["build", "--allow-breaking"]).ended(0);
    company.write("pipelines/company.yaml", PIPELINE);
    company.write("schemas/bronze/people.yaml", contract);
    std::fs::remove_file(company.path("exports/people_20260101.csv")).unwrap();
    let said = company.kilde(&["build"]).ended(2);
    assert!(
        said.stderr.contains("K0208") && said.stderr.contains("people_20260101.csv"),
        "{}",
        said.stderr
    );
    decide(&company, "retract", "people_20260101.csv").ended(0);
    company.kilde(&["build"]).ended(0);
    assert_eq!(
        company.query("select person_id, town from bronze.people order by 1"),
        [["1", "Ystad"], ["3", "Kivik"]]
    );
}

#[test]
fn other_content_of_the_same_size_and_time_is_seen() {
    let company = two_nights();
    let file = "exports/orders_20260101.csv";
    let earlier = "2026-01-03T00:00:00Z".parse::<chrono::DateTime<chrono::Utc>>();
    let earlier: std::time::SystemTime = earlier.unwrap().into();
    written_at(&company, file, earlier);
    // the disk's clock ticks coarsely: what was read long after its last change has a tag that lasts
    std::thread::sleep(std::time::Duration::from_millis(2_100));
    deliver(&company, "orders_20260103", &["4,100"]);
    company.kilde(&["build"]).ended(0);
    let tags = company
        .query("select path, tag <> '' from ops.files where path like 'orders%' order by path");
    assert_eq!(tags[0], ["orders_20260101.csv", "true"]);
    assert_eq!(listed(&company, "orders_20260101.csv").0, "loaded");
    deliver(&company, "orders_20260101", &["1,11", "2,20", "x,1"]);
    written_at(&company, file, earlier);
    // the newest was read just after it was written, and is written over within the same tick or so
    let newest = "exports/orders_20260103.csv";
    let at = std::fs::metadata(company.path(newest))
        .unwrap()
        .modified()
        .unwrap();
    deliver(&company, "orders_20260103", &["4,999"]);
    written_at(&company, newest, at);
    for path in ["orders_20260101.csv", "orders_20260103.csv"] {
        assert_eq!(listed(&company, path).0, "changed", "{path}");
    }
    company.kilde(&["build"]).ended(0);
    assert_eq!(sales(&company), ["4", "1070"]);
    assert_sums(&company);
    // touched, copied, read by others: its content is the same, and nothing is read into the table
    for command in [&["build", "--verify-exports"][..], &["build"]] {
        let said = company.kilde(command).ended(0);
        assert!(said.stdout.contains("stands"), "{}", said.stdout);
    }
    let said = company.kilde(&["exports", "--verify"]).ended(0);
    assert!(said.stdout.contains("3 loaded"), "{}", said.stdout);
}
