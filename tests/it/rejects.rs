//! What is done about rejects: the exports of which records were rejected are read again after a fix, and no others.

use crate::sandbox::Sandbox;

/// Receipts of a store. One record of the second day says `2 st` where a number belongs, and one has no number at all.
fn till(load: &str) -> Sandbox {
    let till = Sandbox::with(&[
        ("kilde.yaml", "project: till\nraw: exports/\nlake: lake/\n"),
        (
            "pipelines/till.yaml",
            &format!(
                "sources:\n  - table: bronze.sales\n    files: sales_{{sold_on:%Y%m%d}}.csv\n    read: csv\n    load: {load}\n"
            ),
        ),
        (
            "schemas/bronze/sales.yaml",
            "key: [id]\ncolumns:\n  - {name: id, data_type: bigint}\n  - {name: qty, data_type: integer}\n  - {name: sold_on, data_type: date}\n",
        ),
    ]);
    till.write("exports/sales_20260101.csv", "id,qty\n1,1\n2,2\n");
    till.write(
        "exports/sales_20260102.csv",
        "id,qty\n3,2 st\n4,many\n5,5\n",
    );
    till.kilde(&["build"]).ended(0);
    till.write("exports/sales_20260103.csv", "id,qty\n6,6\n8,8\n9,9\n");
    till.kilde(&["build"]).ended(0);
    till
}

fn mend(till: &Sandbox) {
    let pipeline = till.read("pipelines/till.yaml");
    till.write(
        "pipelines/till.yaml",
        pipeline.replace("read: csv", "read: {csv: {units: [st]}}"),
    );
}

const COUNTS: &str = "select path, records, inserted, rejected from ops.files order by path";

#[test]
fn a_replay_reads_only_the_exports_with_rejects_and_the_books_agree_file_by_file() {
    let till = till("append");
    // what was loaded long ago is gone: the mended contract cannot be followed by reading all again
    std::fs::remove_file(till.path("exports/sales_20260101.csv")).unwrap();
    mend(&till);
    let said = till.kilde(&["build"]).ended(2);
    assert!(said.stderr.contains("K0208"), "{}", said.stderr);

    let said = till
        .kilde(&[
            "rejects", "replay", "sales", "--by", "eva", "--why", "units",
        ])
        .ended(0);
    let told = "bronze.sales  sales_20260102.csv  the next build reads it again: what is good now joins the table\n";
    assert_eq!(said.stdout + &said.stderr, told);
    let plan = till.kilde(&["plan"]).ended(0).stdout;
    assert!(
        plan.contains("reads 1 export") && plan.contains("1 export to be read again"),
        "{plan}"
    );
    till.kilde(&["build"]).ended(0);
    assert_eq!(
        till.query("select id, qty from bronze.sales order by id"),
        [
            ["1", "1"],
            ["2", "2"],
            ["3", "2"],
            ["5", "5"],
            ["6", "6"],
            ["8", "8"],
            ["9", "9"]
        ]
    );
    assert_eq!(
        till.query(COUNTS),
        [
            ["sales_20260101.csv", "2", "2", "0"],
            ["sales_20260102.csv", "3", "2", "1"],
            ["sales_20260103.csv", "3", "3", "0"]
        ]
    );
    assert_eq!(
        till.query("select file, line, column_name, rule, raw from ops.rejects"),
        [[
            "sales_20260102.csv",
            "3",
            "qty",
            "not_an_integer",
            "\"4",
            "many\""
        ]],
        "what is still wrong stays a reject"
    );
    // the contract of now is that of the release: nothing is left to do, and nothing to replay but what is still wrong
    let plan = till.kilde(&["plan"]).ended(0).stdout;
    assert!(plan.contains("nothing to do"), "{plan}");

    // the sender mends the file: other content under the same path is read by itself
    till.write("exports/sales_20260102.csv", "id,qty\n3,2 st\n4,4\n5,5\n");
    till.kilde(&["build"]).ended(0);
    assert_eq!(till.query(COUNTS)[1], ["sales_20260102.csv", "3", "3", "0"]);
    let said = till
        .kilde(&["rejects", "replay", "sales", "--by", "eva"])
        .ended(2);
    assert!(
        said.stderr.contains("K0467")
            && said
                .stderr
                .contains("no record of `bronze.sales` is rejected"),
        "{}",
        said.stderr
    );
    // another contract is another matter, though a replay was asked for once
    let pipeline = till.read("pipelines/till.yaml");
    till.write("pipelines/till.yaml", pipeline.replace("[st]", "[st, kg]"));
    assert!(till.kilde(&["plan"]).ended(2).stderr.contains("K0208"));
}

#[test]
fn a_replay_refuses_a_contract_of_other_types() {
    let till = till("append");
    let contract = till.read("schemas/bronze/sales.yaml");
    till.write(
        "schemas/bronze/sales.yaml",
        contract.replace(
            "{name: qty, data_type: integer}",
            "{name: qty, data_type: varchar}",
        ),
    );
    let said = till
        .kilde(&["rejects", "replay", "sales", "--by", "eva"])
        .ended(2);
    assert!(
        said.stderr.contains("K0467")
            && said.stderr.contains("other columns, types or another key"),
        "{}",
        said.stderr
    );
}

#[test]
fn what_takes_the_place_of_other_records_is_replayed_in_its_order() {
    let till = till("changes");
    mend(&till);
    till.kilde(&["rejects", "replay", "sales", "--by", "eva"])
        .ended(0);
    till.kilde(&["build"]).ended(0);
    assert_eq!(
        till.query("select id, qty from bronze.sales where id > 2 and id < 8 order by id"),
        [["3", "2"], ["5", "5"], ["6", "6"]]
    );

    // of `replace` the newest export is the whole truth: its rejects alone can be replayed
    let till = self::till("replace");
    mend(&till);
    let said = till
        .kilde(&["rejects", "replay", "sales", "--by", "eva"])
        .ended(2);
    assert!(said.stderr.contains("no record of"), "{}", said.stderr);
    till.write("exports/sales_20260104.csv", "id,qty\n6,7 kg\n7,1\n8,8\n");
    till.kilde(&["build"]).ended(0);
    let kept = till.query("select id, qty from bronze.sales order by id");
    assert_eq!(
        kept,
        [["6", "6"], ["7", "1"], ["8", "8"]],
        "a rejected record keeps its last good row"
    );
    let pipeline = till.read("pipelines/till.yaml");
    till.write("pipelines/till.yaml", pipeline.replace("[st]", "[st, kg]"));
    till.kilde(&["rejects", "replay", "sales", "--by", "eva"])
        .ended(0);
    let plan = till.kilde(&["plan"]).ended(0).stdout;
    assert!(plan.contains("reads 1 export"), "{plan}");
    till.kilde(&["build"]).ended(0);
    assert_eq!(
        till.query("select id, qty from bronze.sales order by id"),
        [["6", "7"], ["7", "1"], ["8", "8"]]
    );
}
