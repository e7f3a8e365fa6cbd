//! What happened, as tables that any BI tool charts.

use crate::sandbox::Sandbox;

/// One source, one step, one test that warns.
pub(crate) fn till() -> Sandbox {
    Sandbox::with(&[
        ("kilde.yaml", "project: till\nraw: exports/\nlake: lake/\n"),
        (
            "pipelines/till.yaml",
            "owner: {name: Stores, email: stores@example.com}\nsources:\n  - table: bronze.sales\n    files: sales_{sold_on:%Y%m%d}.csv\n    read: {csv: {}}\nsteps:\n  - sql: gold/*\n",
        ),
        (
            "schemas/bronze/sales.yaml",
            "grain: one row per sale\ncolumns:\n  - {name: store, data_type: varchar}\n  - {name: amount, data_type: bigint}\n",
        ),
        (
            "sql/gold/stores.sql",
            "-- gold.stores: one row per store.\nselect store, sum(amount) as amount from bronze.sales group by store\n",
        ),
        ("schemas/gold/stores.yaml", STORES),
        (
            "exports/sales_20260101.csv",
            "store,amount\nLund,10\nUmeå,20\nLund,x\n",
        ),
    ])
}

const STORES: &str = "description: Sales per store.
grain: one row per store
key: [store]
columns:
  - {name: store, data_type: varchar, description: Town of the store.}
  - {name: amount, data_type: bigint, data_tests: [range: {max: 15, severity: warn}]}
";

#[test]
fn every_run_is_in_the_history_of_the_next_release_failed_ones_too() {
    let till = till();
    till.kilde(&["build"]).ended(0);
    let runs = "select outcome, release, records, rejected, tests_warned, ended_at is null, failure_kind from ops.runs order by started_at";
    assert_eq!(
        till.query(runs),
        [["published", "1", "3", "1", "1", "true", ""]],
        "a run does not know its own end"
    );
    till.write(
        "schemas/gold/stores.yaml",
        STORES.replace("max: 15, severity: warn", "max: 15"),
    );
    till.write("exports/sales_20260102.csv", "store,amount\nLund,30\n");
    till.kilde(&["build"]).ended(1);
    assert_eq!(till.query(runs).len(), 1, "nothing was published");
    till.write("schemas/gold/stores.yaml", STORES);
    till.kilde(&["build"]).ended(0);
    assert_eq!(
        till.query(runs),
        [
            ["published", "1", "3", "1", "1", "false", ""],
            ["failed", "", "1", "0", "0", "false", "quality"],
            ["published", "2", "1", "0", "1", "true", ""],
        ]
    );
    assert_eq!(
        till.query("select s.release, s.table_name, s.outcome, s.rows, s.row_change, s.pipeline from ops.steps s order by s.started_at, s.table_name"),
        [
            ["1", "bronze.sales", "written", "2", "2", "till"],
            ["1", "gold.stores", "written", "2", "2", "till"],
            ["", "bronze.sales", "written", "3", "1", "till"],
            ["", "gold.stores", "tests_failed", "2", "0", "till"],
            ["2", "bronze.sales", "written", "3", "1", "till"],
            ["2", "gold.stores", "written", "2", "0", "till"],
        ]
    );
    assert_eq!(
        till.query("select release, severity, outcome, failures from ops.tests where test = 'range(amount)' order by started_at"),
        [
            ["1", "warn", "warned", "1"],
            ["", "error", "failed", "2"],
            ["2", "warn", "warned", "2"],
        ]
    );
    let before = till.objects();
    till.kilde(&["build"]).ended(0);
    assert_eq!(till.objects(), before, "an unchanged build wrote something");
}

#[test]
fn a_report_that_cannot_be_read_is_told_and_stops_nothing() {
    let till = till();
    till.kilde(&["build"]).ended(0);
    let run = till.last_run();
    till.write(&format!("lake/_kilde/runs/{run}.json"), "{");
    let said = till.kilde(&["status"]).ended(0).stdout;
    assert!(said.contains("unreadable report"), "{said}");
    till.write("exports/sales_20260102.csv", "store,amount\nLund,30\n");
    till.kilde(&["plan"]).ended(0);
    till.kilde(&["build"]).ended(0);
    till.kilde(&["releases", "show", "1"]).ended(0);
    let runs = "select release from ops.runs order by started_at";
    assert_eq!(till.query(runs), [["1"], ["2"]]);
}

#[test]
fn a_rollback_is_a_release_of_the_history_and_takes_none_of_it_back() {
    let till = till();
    till.kilde(&["build"]).ended(0);
    till.write("exports/sales_20260102.csv", "store,amount\nLund,30\n");
    till.kilde(&["build"]).ended(0);
    till.kilde(&["rollback", "1"]).ended(0);
    assert_eq!(till.query("select count(*) from ops.runs")[0][0], "2");
    till.kilde(&["resume"]).ended(0);
    till.kilde(&["build"]).ended(0);
    assert_eq!(
        till.query("select release, rollback_of, tables, changed_tables, published_at is null from ops.releases order by release"),
        [
            ["1", "", "2", "2", "false"],
            ["2", "", "2", "2", "false"],
            ["3", "1", "2", "2", "false"],
            ["4", "", "2", "2", "true"],
        ]
    );
    assert_eq!(
        till.query("select release, changed, rows from ops.releases where release = 4"),
        [["4", "\"bronze.sales", " gold.stores\"", "5"]]
    );
}

#[test]
fn a_history_is_one_file_until_that_is_full() {
    let till = till();
    for day in 1..=4 {
        till.write(
            &format!("exports/sales_2026010{day}.csv"),
            format!("store,amount\nLund,{day}\n"),
        );
        till.kilde(&["build"]).ended(0);
    }
    let release = till.newest_release();
    assert_eq!(release["tables"]["ops.runs"]["facts"]["rows"], 4);
    let log = till.read("lake/ops/runs/_delta_log/00000000000000000003.json");
    let lines = |action: &str| log.lines().filter(|line| line.starts_with(action)).count();
    assert_eq!((lines("{\"add\""), lines("{\"remove\"")), (1, 1), "{log}");
}

#[test]
fn the_last_run_is_also_a_rollback_or_a_resume() {
    let till = till();
    let last = |till: &Sandbox| -> serde_json::Value {
        serde_json::from_str(&till.read("lake/_kilde/last_run.json")).unwrap()
    };
    till.kilde(&["build"]).ended(0);
    assert_eq!(last(&till)["command"], "build");
    till.write("exports/sales_20260102.csv", "store,amount\nLund,30\n");
    till.write(
        "schemas/gold/stores.yaml",
        STORES.replace("max: 15", "max: 99"),
    );
    till.kilde(&["build"]).ended(0);
    till.kilde(&["rollback", "1"]).ended(0);
    let rolled_back = last(&till);
    assert_eq!(rolled_back["command"], "rollback");
    assert_eq!(rolled_back["outcome"], "published");
    assert_eq!(rolled_back["release"], 3);
    assert_eq!(rolled_back["exit_code"], 0);
    till.kilde(&["rollback", "99"]).ended(2);
    assert_eq!(last(&till), rolled_back, "what claims nothing is no run");
    till.kilde(&["resume"]).ended(0);
    let resumed = last(&till);
    assert_eq!(
        (&resumed["command"], &resumed["outcome"]),
        (&"resume".into(), &"unchanged".into())
    );
    assert_eq!(resumed["release"], 3);
    assert_ne!(resumed["run"], rolled_back["run"]);
    till.kilde(&["resume"]).ended(0);
    assert_eq!(last(&till), resumed);
}

#[test]
fn a_column_that_no_contract_knows_is_news_once() {
    let till = till();
    till.write(
        "schemas/gold/stores.yaml",
        STORES.replace("max: 15", "max: 999"),
    );
    let night = |day: u32, columns: &str| {
        let values = columns
            .split(',')
            .map(|_| "1")
            .collect::<Vec<_>>()
            .join(",");
        till.write(
            &format!("exports/sales_202601{day:02}.csv"),
            format!("{columns}\n{values}\n"),
        );
        let said = till.kilde(&["build"]).ended(0);
        let text = said.stdout + &said.stderr;
        let mut lines = text.lines().filter(|line| line.contains("does not know"));
        lines.next().unwrap_or_default().trim().to_string()
    };
    assert_eq!(
        night(2, "store,amount,mood"),
        "· bronze.sales has `mood`, which its contract does not know: ignored"
    );
    assert_eq!(night(3, "store,amount,mood"), "");
    assert_eq!(night(4, "store,amount"), "");
    assert_eq!(
        night(5, "store,weather,amount,mood"),
        "· bronze.sales has `weather`, which its contract does not know: ignored"
    );
    assert_eq!(night(6, "store,weather,amount"), "");
}
