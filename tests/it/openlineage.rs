//! OpenLineage events of builds: to a file, to a server.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;

use serde_json::{Value, json};

use crate::foreign;
use crate::sandbox::Sandbox;

const PIPELINE: &str = "
owner: {name: Shop data, email: shop-data@example.com}
sources:
  - {table: bronze.orders, files: \"orders_{day:%Y%m%d}.csv\", read: csv}
steps:
  - sql: silver/*
  - sql: gold/*
";
const SALES: &str = "
description: Sales per store.
grain: one row per store
key: [store_id]
columns:
  - {name: store_id, data_type: integer, description: The store.}
  - {name: revenue_amount, data_type: \"decimal(22,2)\"}
data_tests:
  - sql: select * from gold.sales where revenue_amount > 1000
";

fn shop(openlineage: &str) -> Sandbox {
    let shop = Sandbox::with(&[
        (
            "kilde.yaml",
            &format!("project: shop\nraw: exports/\nlake: lake/\n{openlineage}"),
        ),
        ("pipelines/shop.yaml", PIPELINE),
        (
            "schemas/bronze/orders.yaml",
            "description: Orders.\ncolumns:\n  - {name: id, data_type: bigint}\n  - {name: day, data_type: date}\n  - {name: store_id, data_type: integer}\n  - {name: amount, data_type: \"decimal(12,2)\"}\n  - {name: status, data_type: varchar}\n",
        ),
        (
            "schemas/silver/paid.yaml",
            "description: Paid orders.\nmaterialized: ephemeral\n",
        ),
        ("schemas/gold/sales.yaml", SALES),
        (
            "sql/silver/paid.sql",
            "select store_id as store, amount from bronze.orders where status = 'paid'",
        ),
        (
            "sql/gold/sales.sql",
            "select store as store_id, sum(amount) as revenue_amount from silver.paid group by store",
        ),
    ]);
    shop.write(
        "exports/orders_20260101.csv",
        "id,store_id,amount,status\n1,1,10.50,paid\n2,3,5.00,paid\n",
    );
    shop
}

fn events(shop: &Sandbox, file: &str) -> Vec<Value> {
    let text = shop.read(file);
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Job and kind of each event.
fn told(events: &[Value]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_string();
    events
        .iter()
        .map(|event| (text(&event["job"]["name"]), text(&event["eventType"])))
        .collect()
}

fn pairs(wanted: &[(&str, &str)]) -> Vec<(String, String)> {
    wanted
        .iter()
        .map(|(job, kind)| ((*job).to_string(), (*kind).to_string()))
        .collect()
}

#[test]
fn a_build_tells_what_it_made_of_what_column_by_column() {
    let shop = shop("openlineage: {file: events/lineage.ndjson, namespace: nordic}\n");
    shop.kilde(&["build"]).ended(0);
    let events = events(&shop, "events/lineage.ndjson");
    assert_eq!(
        told(&events),
        pairs(&[
            ("shop.build", "START"),
            ("shop.bronze.orders", "START"),
            ("shop.bronze.orders", "COMPLETE"),
            ("shop.gold.sales", "START"),
            ("shop.gold.sales", "COMPLETE"),
            ("shop.gold.sales.tests", "START"),
            ("shop.gold.sales.tests", "COMPLETE"),
            ("shop.build", "COMPLETE"),
        ])
    );
    let root = std::fs::canonicalize(shop.root()).unwrap();
    let lake = root.join("lake").display().to_string();
    let loaded = &events[2];
    assert_eq!(loaded["job"]["namespace"], "nordic");
    let exports = root.join("exports/orders_{day:%Y%m%d}.csv");
    assert_eq!(
        (
            &loaded["inputs"][0]["namespace"],
            &loaded["inputs"][0]["name"]
        ),
        (&json!("file"), &json!(exports.display().to_string()))
    );
    let made = &events[4];
    // the ephemeral step is seen through
    assert_eq!(made["inputs"].as_array().unwrap().len(), 1);
    assert_eq!(made["inputs"][0]["name"], format!("{lake}/bronze/orders"));
    let output = &made["outputs"][0];
    assert_eq!(output["name"], format!("{lake}/gold/sales"));
    assert_eq!(output["outputFacets"]["outputStatistics"]["rowCount"], 2);
    assert_eq!(output["facets"]["version"]["datasetVersion"], "1");
    assert_eq!(
        output["facets"]["schema"]["fields"][0],
        json!({"name": "store_id", "type": "integer", "description": "The store."})
    );
    assert_eq!(
        output["facets"]["ownership"]["owners"][0]["name"],
        "team:shop-data@example.com"
    );
    let columns = &output["facets"]["columnLineage"]["fields"];
    let of = |column: &str, field: &str| {
        let inputs = columns[column]["inputFields"].as_array().unwrap();
        let input = inputs
            .iter()
            .find(|input| input["field"] == field)
            .unwrap_or_else(|| panic!("{columns}"));
        input["transformations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|way| way["subtype"].as_str().unwrap().to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("store_id", "store_id")[0], "IDENTITY");
    assert_eq!(of("revenue_amount", "amount")[0], "AGGREGATION");
    let rows = output["facets"]["columnLineage"]["dataset"].to_string();
    assert!(
        rows.contains("\"field\":\"status\"") && rows.contains("FILTER"),
        "{rows}"
    );
    assert!(
        made["job"]["facets"]["sql"]["query"]
            .as_str()
            .unwrap()
            .contains("silver.paid")
    );
    assert_eq!(
        made["run"]["facets"]["parent"]["run"]["runId"],
        events[0]["run"]["runId"]
    );
    let tested = &events[6]["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"];
    let unique = tested
        .as_array()
        .unwrap()
        .iter()
        .find(|test| test["assertion"] == "unique")
        .unwrap();
    assert_eq!(
        (&unique["column"], &unique["success"]),
        (&json!("store_id"), &json!(true))
    );
    // an idle build is a run of the job, and of nothing else
    shop.kilde(&["build"]).ended(0);
    let events = self::events(&shop, "events/lineage.ndjson");
    assert_eq!(
        told(&events[8..]),
        pairs(&[("shop.build", "START"), ("shop.build", "COMPLETE")])
    );
}

#[test]
fn a_build_that_publishes_nothing_says_what_failed_and_what_was_dropped() {
    let shop = shop("openlineage: {file: lineage.ndjson}\n");
    shop.write(
        "exports/orders_20260102.csv",
        "id,store_id,amount,status\n1,1,1000.50,paid\n2,3,5.00,secret-word\n",
    );
    let mut build = shop.command(&["build"]);
    build.env(
        "OPENLINEAGE_PARENT_ID",
        "airflow/nightly.build/0190cb5c-4f21-7f0a-8d3c-000000000001",
    );
    let output = crate::time_limit::output(&mut build).unwrap();
    assert_eq!(output.status.code(), Some(1));
    let events = events(&shop, "lineage.ndjson");
    assert_eq!(
        told(&events),
        pairs(&[
            ("shop.build", "START"),
            ("shop.bronze.orders", "START"),
            ("shop.bronze.orders", "ABORT"),
            ("shop.gold.sales", "START"),
            ("shop.gold.sales", "ABORT"),
            ("shop.gold.sales.tests", "START"),
            ("shop.gold.sales.tests", "FAIL"),
            ("shop.build", "FAIL"),
        ])
    );
    assert_eq!(
        events[0]["run"]["facets"]["parent"]["job"],
        json!({"namespace": "airflow", "name": "nightly.build"})
    );
    assert_eq!(
        events[7]["run"]["facets"]["errorMessage"]["message"],
        "1 test failed"
    );
    assert!(!shop.read("lineage.ndjson").contains("secret-word"));
}

#[test]
fn a_server_is_told_in_order_with_its_key_and_one_that_is_away_is_a_warning() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let mut told = Vec::new();
        for _ in 0..8 {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream);
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if let Some(number) = line.to_lowercase().strip_prefix("content-length:") {
                    length = number.trim().parse().unwrap();
                }
                head.push_str(&line);
                if line.trim().is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let mut stream = reader.into_inner();
            write!(
                stream,
                "HTTP/1.1 201 Created\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            )
            .unwrap();
            told.push((head, serde_json::from_slice::<Value>(&body).unwrap()));
        }
        told
    });
    let shop =
        shop("openlineage: {url: \"env:OPENLINEAGE_URL\", api_key: \"env:OPENLINEAGE_API_KEY\"}\n");
    let build = |address: &str| {
        let mut build = shop.command(&["build"]);
        build
            .env("OPENLINEAGE_URL", address)
            .env("OPENLINEAGE_API_KEY", "the-key");
        let output = crate::time_limit::output(&mut build).unwrap();
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(build(&address), "");
    let (heads, events): (Vec<String>, Vec<Value>) = server.join().unwrap().into_iter().unzip();
    assert!(
        heads[0].starts_with("POST /api/v1/lineage HTTP/1.1\r\n"),
        "{}",
        heads[0]
    );
    assert!(
        heads[0].contains("authorization: Bearer the-key"),
        "{}",
        heads[0]
    );
    assert_eq!(
        told(&events)[7],
        ("shop.build".to_string(), "COMPLETE".to_string())
    );
    // nobody listens there any more: one warning, not one an event
    let said = build(&format!("{address}/secret-path"));
    assert_eq!(
        said,
        "warning: OpenLineage events are lost: the server at 127.0.0.1 cannot be reached\n"
    );
    let said = shop.kilde(&["build"]).ended(0).stderr;
    assert_eq!(
        said,
        "warning: OpenLineage events are lost: the variable `OPENLINEAGE_URL` is not set\n"
    );
}

#[test]
fn what_openlineage_says_wrongly_is_a_mistake_of_the_project() {
    for (openlineage, wanted) in [
        (
            "openlineage: {namespace: x}\n",
            "says neither `url` nor `file`",
        ),
        (
            "openlineage: {url: nowhere}\n",
            "is neither `env:NAME` nor an address",
        ),
        (
            "openlineage: {file: x, api_key: abc}\n",
            "`openlineage: {api_key: …}` is not `env:NAME`",
        ),
        ("openlineage: {path: x}\n", "unknown key `path`"),
    ] {
        let said = shop(openlineage).kilde(&["check"]).ended(2);
        assert!(said.stderr.contains(wanted), "{}", said.stderr);
        assert!(!said.stderr.contains("abc"), "{}", said.stderr);
    }
}

#[test]
fn openlineages_own_client_takes_the_events() {
    let Some(python) = foreign::python() else {
        return;
    };
    let shop = shop("openlineage: {file: lineage.ndjson}\n");
    shop.kilde(&["build"]).ended(0);
    shop.write("sql/gold/sales.sql", "select store as store_id, sum(amount / (amount - 5)) as revenue_amount from silver.paid group by store");
    shop.write(
        "schemas/gold/sales.yaml",
        "description: Sales per store.\ngrain: one row per store\nkey: [store_id]\n",
    );
    shop.kilde(&["build", "--allow-breaking"]).ended(1);
    let file = shop.path("lineage.ndjson");
    let seen = foreign::script(python, "read_openlineage.py", &[file.to_str().unwrap()]);
    let seen: Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(seen["runs"], 6);
    assert!(shop.read("lineage.ndjson").contains("errorMessage"));
}
