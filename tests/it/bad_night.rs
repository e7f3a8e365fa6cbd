//! A bad night, as the people who wake up to it see it: what is held, what is told, what to type.

use std::io::{Read, Write};
use std::net::TcpListener;

use crate::sandbox::Sandbox;
use crate::time_limit;

const PIPELINE: &str = "sources:
  - table: bronze.nps
    files: nps_{exported_on:%Y%m%d}.csv
    read: csv
    on_error: hold
  - table: bronze.orders
    files: orders_{exported_on:%Y%m%d}.csv
    read: csv
steps:
  - sql: gold/*
";

/// Answers of customers, and orders; the first night is good.
fn company() -> Sandbox {
    let company = Sandbox::with(&[
        (
            "kilde.yaml",
            "project: company\nraw: exports/\nlake: lake/\n",
        ),
        ("pipelines/company.yaml", PIPELINE),
        (
            "schemas/bronze/nps.yaml",
            "key: [answer_id]\ncolumns:\n  - {name: answer_id, data_type: bigint}\n  - {name: score, data_type: integer}\n",
        ),
        (
            "schemas/bronze/orders.yaml",
            "key: [order_id]\ncolumns:\n  - {name: order_id, data_type: bigint}\n  - {name: amount, data_type: varchar}\n",
        ),
        (
            "sql/gold/nps.sql",
            "-- gold.nps: one row.\nselect count(*) as answers_count, sum(score) as score_sum from bronze.nps\n",
        ),
        (
            "sql/gold/sales.sql",
            "-- gold.sales: one row.\nselect count(*) as orders_count, sum(cast(amount as decimal(10, 2))) as amount from bronze.orders\n",
        ),
        (
            "schemas/gold/nps.yaml",
            "columns:\n  - {name: answers_count, data_type: bigint}\n  - {name: score_sum, data_type: bigint}\n",
        ),
        (
            "schemas/gold/sales.yaml",
            "columns:\n  - {name: orders_count, data_type: bigint}\n  - {name: amount, data_type: 'decimal(20,2)'}\n",
        ),
    ]);
    company.write("exports/nps_20260101.csv", "answer_id,score\n1,9\n");
    company.write("exports/orders_20260101.csv", "order_id,amount\n1,10.50\n");
    company.kilde(&["build"]).ended(0);
    company
}

fn last_run(company: &Sandbox) -> serde_json::Value {
    serde_json::from_str(&company.read("lake/_kilde/last_run.json")).unwrap()
}

#[test]
fn a_renamed_column_with_hold_leaves_every_other_table_fresh() {
    let company = company();
    company.write("exports/nps_20260102.csv", "answer_id,Betyg\n2,3\n");
    company.write("exports/orders_20260102.csv", "order_id,amount\n2,4.50\n");
    let said = company.kilde(&["build"]).ended(0);
    assert!(
        said.stdout
            .contains("‖ bronze.nps  held at release 1: nps_20260102.csv: "),
        "{}",
        said.stdout
    );
    assert!(
        said.stdout.contains("built on that version: gold.nps"),
        "{}",
        said.stdout
    );
    assert!(said.stdout.contains("1 source held"), "{}", said.stdout);
    assert_eq!(
        company.query("select orders_count, amount from gold.sales"),
        [["2", "15.00"]]
    );
    assert_eq!(
        company.query("select answers_count, score_sum from gold.nps"),
        [["1", "9"]]
    );
    let release = company.newest_release();
    assert_eq!(release["held"]["bronze.nps"]["since"], 2);
    assert_eq!(
        company.query("select release, held from ops.releases where held_tables > 0"),
        [["2", "bronze.nps"]]
    );
    for command in ["plan", "status"] {
        let said = company.kilde(&[command]).ended(0);
        assert!(
            said.stdout.contains("held at release 1"),
            "{command}: {}",
            said.stdout
        );
    }
    assert!(
        company
            .kilde(&["releases"])
            .ended(0)
            .stdout
            .contains("‖ bronze.nps")
    );
    let last = last_run(&company);
    assert_eq!(last["outcome"], "published");
    assert_eq!(last["release"], 2);
    assert_eq!(last["exit_code"], 0);
    assert_eq!(last["held"][0]["table"], "bronze.nps");

    // the next night nothing else came: it is said again, and no empty release is published
    let again =
        "· bronze.nps: nps_20260102.csv is the file that was refused before: not decoded again";
    let said = company.kilde(&["build"]).ended(0);
    assert!(said.stdout.contains("Release 2 stands"), "{}", said.stdout);
    assert!(said.stdout.contains("held at release 1"), "{}", said.stdout);
    assert!(said.stdout.contains(again), "{}", said.stdout);
    assert_eq!(company.newest_release()["number"], 2);
    let listed = company.kilde(&["exports", "nps"]).ended(0).stdout;
    assert!(listed.contains("refused  nps_20260102.csv"), "{listed}");
    // who doubts has it read, and so does whoever changes what it was judged by
    let said = company.kilde(&["build", "--verify-exports"]).ended(0);
    assert!(
        !said.stdout.contains("not decoded again"),
        "{}",
        said.stdout
    );
    company.write(
        "pipelines/company.yaml",
        PIPELINE.replace(
            "    on_error: hold\n",
            "    on_error: hold\n    drift: {reordered: fail}\n",
        ),
    );
    let said = company.kilde(&["build"]).ended(0);
    assert!(said.stdout.contains("held at release 1"), "{}", said.stdout);
    assert!(
        !said.stdout.contains("not decoded again"),
        "{}",
        said.stdout
    );
    company.write("pipelines/company.yaml", PIPELINE);

    // the sender mends the file: everything that waited is read, and the hold ends by itself
    company.write("exports/nps_20260102.csv", "answer_id,score\n2,3\n");
    let said = company.kilde(&["build"]).ended(0);
    assert!(!said.stdout.contains("held"), "{}", said.stdout);
    assert_eq!(
        company.query("select answers_count, score_sum from gold.nps"),
        [["2", "12"]]
    );
    assert_eq!(company.newest_release()["held"], serde_json::json!({}));
}

#[test]
fn the_rejects_of_a_source_that_is_held_can_be_listed() {
    let company = company();
    company.write(
        "pipelines/company.yaml",
        PIPELINE.replace(
            "on_error: hold",
            "on_error: hold\n    rejects: {at_most: 10%}",
        ),
    );
    company.write(
        "exports/nps_20260102.csv",
        "answer_id,score\n2,3\n3,x\n4,y\n",
    );
    company.write("exports/orders_20260102.csv", "order_id,amount\n2,4.50\n");
    let said = company.kilde(&["build"]).ended(0).stdout;
    let run = company.last_run();
    assert!(
        said.contains("held at release 1: nps_20260102.csv:3: 2 of 3 records"),
        "{said}"
    );
    assert!(
        said.contains(&format!("kilde rejects nps --candidate {run}")),
        "{said}"
    );
    let said = company
        .kilde(&["rejects", "nps", "--candidate", &run])
        .ended(0)
        .stdout;
    assert!(
        said.contains("bronze.nps  2 of 4 records rejected"),
        "{said}"
    );
    assert!(said.contains("`score` is not a whole number"), "{said}");
    // none of it is published: neither the records nor their rejects
    let said = company.kilde(&["rejects", "nps"]).ended(0).stdout;
    assert!(
        said.contains("bronze.nps  0 of 1 records rejected"),
        "{said}"
    );
    assert_eq!(company.query("select count(*) from bronze.nps"), [["1"]]);

    // the next night tries again: no release is published, and that run can be asked
    let said = company.kilde(&["build"]).ended(0).stdout;
    let again = company.last_run();
    assert!(again != run && said.contains("Release 2 stands"), "{said}");
    let said = company
        .kilde(&["rejects", "nps", "--candidate", &again])
        .ended(0)
        .stdout;
    assert!(
        said.contains("bronze.nps  2 of 4 records rejected"),
        "{said}"
    );
    company.write("exports/nps_20260102.csv", "answer_id,score\n2,3\n");
    let said = company.kilde(&["build"]).ended(0).stdout;
    assert!(!said.contains("held"), "{said}");
    assert_eq!(company.query("select count(*) from ops.rejects"), [["0"]]);
}

#[test]
fn a_hold_ends_when_the_bad_export_is_taken_away() {
    let company = company();
    company.write("exports/nps_20260102.csv", "answer_id,Betyg\n2,3\n");
    company.kilde(&["build"]).ended(0);
    std::fs::remove_file(company.path("exports/nps_20260102.csv")).unwrap();
    company.kilde(&["build"]).ended(0);
    assert_eq!(company.newest_release()["held"], serde_json::json!({}));
}

#[test]
fn without_a_good_version_hold_is_a_failure() {
    let company = company();
    std::fs::remove_dir_all(company.path("lake")).unwrap();
    company.write("exports/nps_20260101.csv", "answer_id,Betyg\n2,3\n");
    let said = company.kilde(&["build"]).ended(1);
    assert!(
        said.stdout.contains("Nothing was published"),
        "{}",
        said.stdout
    );
    let last = last_run(&company);
    assert_eq!(last["outcome"], "failed");
    assert_eq!(last["exit_code"], 1);
    assert_eq!(last["failed"][0]["table"], "bronze.nps");
}

#[test]
fn a_step_whose_tests_fail_is_held_and_its_failing_rows_can_be_seen() {
    let company = company();
    company.write(
        "schemas/gold/sales.yaml",
        "on_error: hold\ncolumns:\n  - {name: orders_count, data_type: bigint, data_tests: [range: {max: 1}]}\n  - {name: amount, data_type: 'decimal(20,2)'}\n",
    );
    company.write("exports/nps_20260102.csv", "answer_id,score\n2,3\n");
    company.write("exports/orders_20260102.csv", "order_id,amount\n2,4.50\n");
    let said = company.kilde(&["build"]).ended(0);
    assert!(
        said.stdout
            .contains("test `range(orders_count)` failed for 1 of 1 rows"),
        "{}",
        said.stdout
    );
    assert!(said.stdout.contains("1 step held"), "{}", said.stdout);
    assert!(
        said.stdout.contains("kilde query --candidate"),
        "{}",
        said.stdout
    );
    assert_eq!(
        company.query("select orders_count from gold.sales"),
        [["1"]]
    );
    assert_eq!(company.query("select count(*) from bronze.orders"), [["2"]]);
    assert_eq!(company.query("select answers_count from gold.nps"), [["2"]]);
    let run = last_run(&company)["run"].as_str().unwrap().to_string();
    let rows = company
        .kilde(&[
            "query",
            "--format",
            "csv",
            "--candidate",
            &run,
            "select orders_count from gold.sales",
        ])
        .ended(0);
    assert_eq!(rows.stdout, "orders_count\n2\n");
}

#[test]
fn a_test_across_tables_that_fails_late_rebuilds_what_stands_on_the_held_table() {
    let company = company();
    company.write(
        "sql/gold/report.sql",
        "-- gold.report: one row.\nselect orders_count from gold.sales\n",
    );
    company.write(
        "schemas/gold/report.yaml",
        "columns:\n  - {name: orders_count, data_type: bigint}\n",
    );
    company.write(
        "schemas/gold/sales.yaml",
        "on_error: hold\ncolumns:\n  - {name: orders_count, data_type: bigint}\n  - {name: amount, data_type: 'decimal(20,2)'}\ndata_tests:\n  - sql: select * from gold.sales where orders_count > (select answers_count from gold.nps)\n",
    );
    company.kilde(&["build"]).ended(0);
    company.write("exports/orders_20260102.csv", "order_id,amount\n2,4.50\n");
    let said = company.kilde(&["build"]).ended(0);
    assert!(said.stdout.contains("‖ gold.sales"), "{}", said.stdout);
    assert_eq!(
        company.query("select orders_count from gold.report"),
        [["1"]]
    );
}

#[test]
fn hold_on_the_command_line_keeps_a_table_and_says_so() {
    let company = company();
    company.write("exports/nps_20260102.csv", "answer_id,score\n2,3\n");
    company.write("exports/orders_20260102.csv", "order_id,amount\n2,4.50\n");
    let said = company.kilde(&["build", "--hold", "bronze.nps"]).ended(0);
    assert!(
        said.stdout
            .contains("held at release 1: asked for with --hold"),
        "{}",
        said.stdout
    );
    assert_eq!(company.query("select answers_count from gold.nps"), [["1"]]);
    assert_eq!(
        company.query("select orders_count from gold.sales"),
        [["2"]]
    );
    company.kilde(&["build"]).ended(0);
    assert_eq!(company.query("select answers_count from gold.nps"), [["2"]]);
}

#[test]
fn consent_is_never_held() {
    let shipped = Sandbox::shipped(false);
    std::fs::create_dir_all(shipped.path("exports")).unwrap();
    let said = shipped
        .kilde(&["build", "--hold", "bronze.consents"])
        .ended(2);
    assert!(said.stderr.contains("K0601"), "{}", said.stderr);
}

#[test]
fn a_source_that_nobody_fed_is_warned_of_then_held() {
    let company = company();
    let fresh = |bounds: &str| {
        PIPELINE.replacen(
            "on_error: hold",
            &format!("on_error: hold\n    freshness: {{{bounds}}}"),
            1,
        )
    };
    company.write("pipelines/company.yaml", fresh("warn_after: 26h"));
    for command in ["build", "status", "plan"] {
        let said = company.kilde(&[command]).ended(0);
        assert!(
            said.stdout
                .contains("bronze.nps  no new export since 2026-01-01 00:00 (warn_after: 26h)"),
            "{command}: {}",
            said.stdout
        );
    }
    company.write(
        "pipelines/company.yaml",
        fresh("warn_after: 26h, error_after: 50h"),
    );
    company.write("exports/orders_20260102.csv", "order_id,amount\n2,4.50\n");
    let said = company.kilde(&["build"]).ended(0);
    assert!(
        said.stdout
            .contains("held at release 1: no new export since"),
        "{}",
        said.stdout
    );
    assert_eq!(
        company.query("select orders_count from gold.sales"),
        [["2"]]
    );
    company.write(
        "pipelines/company.yaml",
        fresh("error_after: 50h").replacen("on_error: hold\n", "on_error: stop\n", 1),
    );
    let said = company.kilde(&["build"]).ended(1);
    assert!(
        said.stderr
            .contains("error[K0430]: `bronze.nps`: no new export"),
        "{}",
        said.stderr
    );
}

#[test]
fn a_value_that_breaks_a_step_is_shown_by_a_query_and_by_nothing_else() {
    let company = company();
    company.write("exports/orders_20260102.csv", "order_id,amount\n2,geheim\n");
    let said = time_limit::output(company.command(&["build"]).env("KILDE_LOG", "debug")).unwrap();
    assert_eq!(said.status.code(), Some(1));
    let out = String::from_utf8(said.stdout).unwrap();
    let err = String::from_utf8(said.stderr).unwrap();
    assert!(out.contains("sql/gold/sales.sql:2:"), "{out}");
    let query = err
        .lines()
        .find_map(|line| line.split("see the rows with ").nth(1))
        .unwrap();
    let parts: Vec<&str> = query.splitn(2, '"').collect();
    let words: Vec<&str> = parts[0].split_whitespace().skip(1).collect();
    let sql = parts[1].trim_end_matches('"');
    for text in [&out, &err, &company.read("lake/_kilde/last_run.json")] {
        assert!(!text.contains("geheim"), "{text}");
    }
    let runs = std::fs::read_dir(company.path("lake/_kilde/runs")).unwrap();
    for run in runs {
        let text = std::fs::read_to_string(run.unwrap().path()).unwrap();
        assert!(!text.contains("geheim"), "{text}");
    }
    let mut arguments = words;
    arguments.push(sql);
    let rows = company.kilde(&arguments).ended(0);
    assert!(rows.stdout.contains("geheim"), "{query}: {}", rows.stdout);
}

/// Accepts `count` requests, answers each with a status, and gives their texts.
fn hook(statuses: &'static [&'static str]) -> (String, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!(
        "http://{}/services/top-secret",
        listener.local_addr().unwrap()
    );
    let told = std::thread::spawn(move || {
        let mut told = Vec::new();
        for status in statuses {
            let (mut stream, _) = listener.accept().unwrap();
            let mut text = Vec::new();
            let mut part = [0; 4096];
            loop {
                let n = stream.read(&mut part).unwrap();
                text.extend_from_slice(&part[..n]);
                let so_far = String::from_utf8_lossy(&text).to_string();
                let body = so_far.split("\r\n\r\n").nth(1).map(str::len);
                let length = so_far
                    .to_lowercase()
                    .split("content-length: ")
                    .nth(1)
                    .and_then(|rest| {
                        rest.split("\r\n")
                            .next()
                            .and_then(|n| n.parse::<usize>().ok())
                    });
                if n == 0 || (length.is_some() && body >= length) {
                    told.push(so_far);
                    break;
                }
            }
            write!(
                stream,
                "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            )
            .unwrap();
        }
        told
    });
    (address, told)
}

fn build_telling(company: &Sandbox, address: &str) -> (i32, String) {
    let said = time_limit::output(
        company
            .command(&["build"])
            .env("COMPANY_HOOK", address)
            .env("NO_PROXY", "127.0.0.1"),
    )
    .unwrap();
    let text = String::from_utf8(said.stdout).unwrap() + &String::from_utf8(said.stderr).unwrap();
    (said.status.code().unwrap(), text)
}

fn body(request: &str) -> serde_json::Value {
    serde_json::from_str(request.split("\r\n\r\n").nth(1).unwrap()).unwrap()
}

#[test]
fn a_webhook_is_told_of_what_is_held_and_of_what_failed_and_never_named() {
    let company = company();
    company.write(
        "kilde.yaml",
        "project: company\nraw: exports/\nlake: lake/\nnotify: {webhook: \"env:COMPANY_HOOK\"}\n",
    );
    // a first refusal that may pass is tried again
    let (address, told) = hook(&["503 Busy", "200 OK"]);
    company.write("exports/nps_20260102.csv", "answer_id,Betyg\n2,3\n");
    let (code, _) = build_telling(&company, &address);
    assert_eq!(code, 0);
    let told = told.join().unwrap();
    let said = body(&told[1]);
    assert_eq!(said["held"][0]["table"], "bronze.nps");
    assert!(
        said["text"]
            .as_str()
            .unwrap()
            .contains("‖ bronze.nps held at release 1"),
        "{said}"
    );

    // before anything is claimed: a step that does not even parse
    company.write(
        "sql/gold/sales.sql",
        "-- gold.sales: one row.\nselect from where\n",
    );
    let (address, told) = hook(&["200 OK"]);
    let (code, _) = build_telling(&company, &address);
    assert_eq!(code, 2);
    assert_eq!(body(&told.join().unwrap()[0])["outcome"], "failed");

    // nobody answers: a warning, the same exit code, and no word of the address but its host
    let (code, text) = build_telling(&company, "http://127.0.0.1:1/services/top-secret");
    assert_eq!(code, 2);
    assert!(
        text.contains("warning") && text.contains("127.0.0.1"),
        "{text}"
    );
    assert!(!text.contains("top-secret"), "{text}");
}

#[test]
fn a_good_night_is_told_to_nobody() {
    let company = company();
    company.write(
        "kilde.yaml",
        "project: company\nraw: exports/\nlake: lake/\nnotify: {webhook: \"env:COMPANY_HOOK\"}\n",
    );
    company.write("exports/orders_20260102.csv", "order_id,amount\n2,4.50\n");
    let (code, text) = build_telling(&company, "http://127.0.0.1:1/services/top-secret");
    assert_eq!(code, 0);
    assert!(!text.contains("warning"), "{text}");
}

/// Sales refer to stores; nothing but the list of stores comes in the second night, and it lacks the store of sale 2.
fn company_that_closes_a_store(on_error: &str) -> Sandbox {
    let company = Sandbox::with(&[
        (
            "kilde.yaml",
            "project: company\nraw: exports/\nlake: lake/\n",
        ),
        (
            "pipelines/company.yaml",
            "sources:
  - {table: bronze.stores, files: \"stores_{exported_on:%Y%m%d}.csv\", read: csv, load: replace}
  - {table: bronze.sales, files: \"sales_{exported_on:%Y%m%d}.csv\", read: csv}
steps:
  - sql: gold/*
",
        ),
        (
            "schemas/bronze/stores.yaml",
            "key: [store_id]\ncolumns:\n  - {name: store_id, data_type: varchar}\n",
        ),
        (
            "schemas/bronze/sales.yaml",
            "key: [sale_id]\ncolumns:\n  - {name: sale_id, data_type: bigint}\n  - {name: store_id, data_type: varchar}\n",
        ),
        (
            "sql/gold/sales.sql",
            "-- gold.sales: one row per sale.\nselect sale_id, store_id from bronze.sales\n",
        ),
        (
            "sql/gold/stores.sql",
            "-- gold.stores: one row per store.\nselect store_id from bronze.stores\n",
        ),
        (
            "schemas/gold/sales.yaml",
            &format!(
                "key: [sale_id]\n{on_error}columns:\n  - {{name: sale_id, data_type: bigint}}\n  - {{name: store_id, data_type: varchar, data_tests: [relationships: {{to: gold.stores}}]}}\n"
            ),
        ),
        (
            "schemas/gold/stores.yaml",
            "key: [store_id]\ncolumns:\n  - {name: store_id, data_type: varchar}\n",
        ),
    ]);
    company.write(
        "exports/stores_20260101.csv",
        "store_id\nA\nB\nC\nD\nE\nF\n",
    );
    company.write("exports/sales_20260101.csv", "sale_id,store_id\n1,A\n2,B\n");
    company.kilde(&["build"]).ended(0);
    company.write("exports/stores_20260102.csv", "store_id\nA\nC\nD\nE\nF\n");
    company
}

#[test]
fn a_relationship_that_breaks_from_the_other_side_stops_the_build() {
    let company = company_that_closes_a_store("");
    let said = company.kilde(&["build"]).ended(1);
    assert!(
        said.stdout.contains("gold.sales") && said.stdout.contains("relationships"),
        "{}",
        said.stdout
    );
    assert_eq!(
        company.query("select count(*) from gold.stores"),
        [["6"]],
        "nothing was published"
    );
    // likewise where only the other table is asked for
    company.kilde(&["build", "-s", "+gold.stores"]).ended(1);
}

#[test]
fn a_relationship_that_breaks_from_the_other_side_holds_the_table_that_has_it() {
    let company = company_that_closes_a_store("on_error: hold\n");
    let said = company.kilde(&["build"]).ended(0);
    assert!(said.stdout.contains("‖ gold.sales"), "{}", said.stdout);
    assert_eq!(company.query("select count(*) from gold.stores"), [["5"]]);
    // told again while it lasts, and no release is made of it
    let said = company.kilde(&["build"]).ended(0);
    assert!(!said.stdout.contains("published"), "{}", said.stdout);
    company.write(
        "exports/stores_20260103.csv",
        "store_id\nA\nB\nC\nD\nE\nF\n",
    );
    company.kilde(&["build"]).ended(0);
    let said = company.kilde(&["status"]).ended(0);
    assert!(!said.stdout.contains("held"), "{}", said.stdout);
}

#[test]
fn an_export_that_is_due_is_missed_and_its_sender_gets_receipts() {
    let company = company();
    let told = "sender: {name: Kassa AB, email: drift@kassa.example, receipts: outbox/}";
    let due = |by: &str| {
        PIPELINE.replacen(
            "on_error: hold",
            &format!("on_error: hold\n    due: {{by: \"{by}\"}}\n    {told}"),
            1,
        )
    };
    company.write("pipelines/company.yaml", due("00:00"));
    // today, by the clock of the disk
    let written = std::fs::metadata(company.path("pipelines/company.yaml"));
    let today = chrono::DateTime::<chrono::Utc>::from(written.unwrap().modified().unwrap());
    let today = today.date_naive();
    let missing = format!(
        "{today} and of 5 days before, due by 00:00 (sender: Kassa AB, drift@kassa.example)"
    );
    for command in ["build", "status", "plan", "exports"] {
        let said = company.kilde(&[command]).ended(0).stdout;
        assert!(
            said.contains("no export of ") && said.contains(&missing),
            "{command}: {said}"
        );
    }

    // what comes ends the want, and gets a receipt; what is refused gets one that says why
    for back in 1..8 {
        let day = today - chrono::Days::new(back);
        let text = format!(
            "answer_id,score,note\n{back},7,anna@x.example\n9{back},\u{e5}tta,bo@x.example\n"
        );
        company.write(&format!("exports/nps_{}.csv", day.format("%Y%m%d")), text);
    }
    company.write(
        &format!("exports/nps_{}.csv", today.format("%Y%m%d")),
        "answer_id,score\n100,9\n",
    );
    let said = company.kilde(&["build"]).ended(0).stdout;
    assert!(!said.contains("due by"), "{said}");
    let yesterday = today - chrono::Days::new(1);
    let path = format!("outbox/nps_{}.csv.receipt.json", yesterday.format("%Y%m%d"));
    let text = company.read(&path);
    assert!(!text.contains("anna") && !text.contains("bo@x"), "{text}");
    let receipt: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(receipt["status"], "loaded");
    assert_eq!(
        [
            &receipt["records"],
            &receipt["accepted"],
            &receipt["rejected"]
        ],
        [2, 1, 1]
    );
    assert_eq!(receipt["rejects"][0]["rule"], "not_an_integer");
    assert_eq!(receipt["rejects"][0]["first_line"], 3);
    assert_eq!(receipt["unknown_columns"][0], "note");
    assert_eq!(receipt["hash"].as_str().unwrap().len(), 64);

    let tomorrow = today + chrono::Days::new(1);
    company.write(
        &format!("exports/nps_{}.csv", tomorrow.format("%Y%m%d")),
        "answer_id,Betyg\n1,2\n",
    );
    company.kilde(&["build"]).ended(0);
    let path = format!("outbox/nps_{}.csv.receipt.json", tomorrow.format("%Y%m%d"));
    let receipt: serde_json::Value = serde_json::from_str(&company.read(&path)).unwrap();
    assert_eq!(receipt["status"], "refused");
    assert_eq!(
        receipt["reason"],
        "the export has no column `score` (now `Betyg`)"
    );
}

#[test]
fn the_receipt_of_a_refused_export_says_what_was_found_in_it() {
    let company = company();
    let sender = "sender: {name: Kassa AB, receipts: outbox/}\n    drift: {added: reject_file}";
    company.write(
        "pipelines/company.yaml",
        PIPELINE.replacen(
            "on_error: hold",
            &format!("on_error: hold\n    {sender}"),
            1,
        ),
    );
    let contract = |action: &str| {
        company.write(
            "schemas/bronze/nps.yaml",
            format!("key: [answer_id]\ncolumns:\n  - {{name: answer_id, data_type: bigint}}\n  - {{name: score, data_type: integer, data_tests: [range: {{max: 10, action: {action}}}]}}\n"),
        );
    };
    let receipt = |night: &str| -> serde_json::Value {
        let path = format!("outbox/nps_{night}.csv.receipt.json");
        let receipt: serde_json::Value = serde_json::from_str(&company.read(&path)).unwrap();
        let bytes = std::fs::read(company.path(&format!("exports/nps_{night}.csv"))).unwrap();
        assert_eq!(receipt["hash"], blake3::hash(&bytes).to_hex().as_str());
        assert_eq!(receipt["bytes"], bytes.len());
        assert_eq!(receipt["status"], "refused");
        receipt
    };
    let counts = |receipt: &serde_json::Value| {
        ["records", "accepted", "rejected"].map(|count| receipt[count].as_u64().unwrap())
    };

    contract("reject");
    company.write(
        "exports/nps_20260102.csv",
        "answer_id,score,Kanal\n2,7,web\n3,åtta,web\n4,11,web\n",
    );
    company.kilde(&["build"]).ended(0);
    let added = receipt("20260102");
    assert_eq!(added["unknown_columns"], serde_json::json!(["Kanal"]));
    assert_eq!(counts(&added), [3, 1, 2]);
    let rules = serde_json::json!([
        {"rule": "not_an_integer", "reason": "`score` is not a whole number", "records": 1, "first_line": 3},
        {"rule": "range", "reason": "`score` lies outside the range", "records": 1, "first_line": 4},
    ]);
    assert_eq!(added["rejects"], rules);

    // each export that a rule fails has its own reason
    contract("fail");
    company.write("exports/nps_20260102.csv", "answer_id,score\n2,7\n3,11\n");
    company.write("exports/nps_20260103.csv", "answer_id,score\n5,12\n");
    company.kilde(&["build"]).ended(0);
    assert_eq!(counts(&receipt("20260102")), [2, 1, 1]);
    let failed = receipt("20260103");
    assert_eq!(counts(&failed), [1, 0, 1]);
    assert_eq!(
        failed["reason"],
        "`score` lies outside the range in 1 of 1 records, and the rule says `action: fail`"
    );

    // a column that is missing is told before a record is read, and the file is named all the same
    company.write("exports/nps_20260102.csv", "answer_id\n2\n");
    std::fs::remove_file(company.path("exports/nps_20260103.csv")).unwrap();
    company.kilde(&["build"]).ended(0);
    assert_eq!(counts(&receipt("20260102")), [0, 0, 0]);
}

/// As a sender packs it.
fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn an_export_that_cannot_be_read_fails_alone_and_says_at_which_byte_until_it_is_mended() {
    let company = company();
    let lines: String = (3..500).map(|n| format!("{n},1.00\n")).collect();
    let whole = gzip(&format!("order_id,amount\n{lines}"));
    let half = &whole[..whole.len() / 2];
    company.write("exports/orders_20260102.csv", "order_id,amount\n2,4.50\n");
    company.write("exports/orders_20260103.csv.gz", half);
    company.write(
        "pipelines/company.yaml",
        PIPELINE.replace(
            "files: orders_{exported_on:%Y%m%d}.csv",
            "files: orders_{exported_on:%Y%m%d}.csv*",
        ),
    );
    let said = company.kilde(&["build"]).ended(0).stdout;
    let line = "! bronze.orders  orders_20260103.csv.gz cannot be read and is left out: the export cannot be decompressed to its end: the gzip stream ends too early, after byte ";
    assert!(said.contains(line), "{said}");
    let orders = "select orders_count from gold.sales";
    assert_eq!(company.query(orders), [["2"]]);
    let entry = "select status, records, byte > 100, reason like '%too early%', length(hash) from ops.files where path = 'orders_20260103.csv.gz'";
    let unreadable = [["unreadable", "0", "true", "true", "64"]];
    assert_eq!(company.query(entry), unreadable);
    let last = last_run(&company);
    assert_eq!(last["outcome"], "published");
    assert_eq!(last["unreadable"][0]["path"], "orders_20260103.csv.gz");
    assert!(last["unreadable"][0]["byte"].as_u64().unwrap() > 100);

    // the next night it is told again, and nothing is read or published
    let release = company.newest_release()["number"].clone();
    for command in ["build", "status", "plan", "exports"] {
        let said = company.kilde(&[command]).ended(0).stdout;
        assert!(
            said.contains("cannot be read") || said.contains("unreadable"),
            "{command}: {said}"
        );
    }
    assert_eq!(company.newest_release()["number"], release);

    // what is declared may be stricter than it was when the file was left out
    let said = company.kilde(&["build", "--warn-error"]).ended(1).stderr;
    assert!(said.contains("too early"), "{said}");
    let pipeline = company.read("pipelines/company.yaml");
    for mode in ["fail", "reject_file"] {
        let stricter = pipeline.replace("csv*\n", &format!("csv*\n    unreadable: {mode}\n"));
        company.write("pipelines/company.yaml", stricter);
        let said = company.kilde(&["build"]).ended(1);
        assert!(
            said.stderr
                .contains("kilde exports skip orders_20260103.csv.gz"),
            "{}",
            said.stderr
        );
        assert!(!said.stdout.contains("left out"), "{}", said.stdout);
    }
    company.write("pipelines/company.yaml", pipeline);
    company.kilde(&["build"]).ended(0);

    // who asks for it has it tried again, and who takes warnings for failures fails by it
    company
        .kilde(&["exports", "reload", "orders_20260103.csv.gz", "--by", "eva"])
        .ended(0);
    let said = company.kilde(&["build", "--warn-error"]).ended(1).stderr;
    assert!(said.contains("K0402"), "{said}");
    company.kilde(&["build"]).ended(0);
    assert_eq!(company.query(entry), unreadable);

    // mended, it is an export as any other; what is spoilt later keeps its rows
    company.write("exports/orders_20260103.csv.gz", &whole);
    company.write("exports/orders_20260102.csv", "o\0r\0d\0e\0r\0");
    let said = company.kilde(&["build"]).ended(0).stdout;
    let line = "orders_20260102.csv cannot be read and is left out: what it had before stays: ";
    assert!(said.contains(line), "{said}");
    assert_eq!(company.query(orders), [["499"]]);
    assert_eq!(
        company.query("select path, status, inserted, reason is null from ops.files where source = 'bronze.orders' order by path"),
        [
            ["orders_20260101.csv", "loaded", "1", "true"],
            ["orders_20260102.csv", "loaded", "1", "false"],
            ["orders_20260103.csv.gz", "loaded", "497", "true"],
        ]
    );
    let said = company
        .kilde(&["build", "--full-refresh", "-s", "bronze.orders"])
        .ended(1)
        .stderr;
    assert!(said.contains("K0405"), "{said}");
    company.write("exports/orders_20260102.csv", "order_id,amount\n2,4.50\n");
    let said = company.kilde(&["build"]).ended(0).stdout;
    assert!(!said.contains("cannot be read"), "{said}");
}

#[test]
fn where_exports_build_on_each_other_none_is_loaded_over_one_that_cannot_be_read() {
    let with = |load: &str| {
        let company = Sandbox::with(&[
            (
                "kilde.yaml",
                "project: company\nraw: exports/\nlake: lake/\n",
            ),
            (
                "pipelines/company.yaml",
                &format!(
                    "sources:\n  - table: bronze.stores\n    files: stores_{{exported_on:%Y%m%d}}.csv\n    read: csv\n    load: {load}\n    on_error: hold\n"
                ),
            ),
            (
                "schemas/bronze/stores.yaml",
                "key: [store_id]\ncolumns:\n  - {name: store_id, data_type: bigint}\n",
            ),
            ("exports/stores_20260101.csv", "store_id\n1\n"),
        ]);
        company.kilde(&["build"]).ended(0);
        company.write("exports/stores_20260102.csv", "s\0t\0o\0r\0e\0");
        company.write("exports/stores_20260103.csv", "store_id\n3\n");
        company
    };
    let stores = "select store_id from bronze.stores order by store_id";

    // of `replace` the newest says all, and an older one no more
    let company = with("replace");
    let said = company.kilde(&["build"]).ended(0).stdout;
    assert!(
        said.contains("stores_20260102.csv cannot be read and is left out"),
        "{said}"
    );
    assert_eq!(company.query(stores), [["3"]]);
    company.write("exports/stores_20260104.csv", "s\0t\0o\0r\0e\0");
    let said = company.kilde(&["build"]).ended(0).stdout;
    assert!(
        said.contains("‖ bronze.stores  held at release 2: stores_20260104.csv"),
        "{said}"
    );
    assert_eq!(company.query(stores), [["3"]]);

    let company = with("changes");
    let said = company.kilde(&["build"]).ended(0).stdout;
    assert!(
        said.contains("‖ bronze.stores  held at release 1: stores_20260102.csv"),
        "{said}"
    );
    assert_eq!(company.query(stores), [["1"]]);
    company
        .kilde(&[
            "exports",
            "skip",
            "stores_20260102.csv",
            "--why",
            "asked for again",
            "--by",
            "eva",
        ])
        .ended(0);
    company.kilde(&["build"]).ended(0);
    assert_eq!(company.query(stores), [["1"], ["3"]]);
}
