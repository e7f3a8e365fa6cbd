//! `--log-format json`: whatever a command says on stderr is one JSON object a line, and the last is its summary.

use serde_json::Value;

use crate::sandbox::{Said, Sandbox};

const FILES: [(&str, &str); 5] = [
    ("kilde.yaml", "project: shop\nraw: exports/\nlake: lake/\n"),
    (
        "pipelines/shop.yaml",
        "sources:\n  - {table: bronze.orders, files: orders_*.csv, read: csv}\nsteps:\n  - sql: gold/*\n",
    ),
    (
        "schemas/bronze/orders.yaml",
        "description: Orders.\ncolumns:\n  - {name: id, data_type: bigint}\n  - {name: email, data_type: varchar, personal: email}\n",
    ),
    (
        "schemas/gold/orders.yaml",
        "description: Orders.\ngrain: one row per order\nkey: [id]\ncolumns:\n  - {name: id, data_type: bigint}\n  - {name: email, data_type: varchar, personal: email}\n\
         data_tests:\n  - matches: {column: email, pattern: '@', severity: warn}\n",
    ),
    ("sql/gold/orders.sql", "select id, email from bronze.orders"),
];

fn shop() -> Sandbox {
    Sandbox::with(&FILES)
}

/// Every line of stderr as the object that it is, the summary apart.
#[track_caller]
fn events(said: &Said) -> (Vec<Value>, Value) {
    let mut events: Vec<Value> = said
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    for event in &events {
        let time = event["timestamp"].as_str().unwrap();
        chrono::DateTime::parse_from_rfc3339(time).unwrap();
        assert!(event["message"].is_string(), "{event}");
        assert!(["info", "warn", "error"].contains(&event["level"].as_str().unwrap()));
    }
    let summary = events.pop().unwrap();
    assert_eq!(summary["event"], "summary", "{}", said.stderr);
    assert_eq!(summary["exit_code"], said.code, "{}", said.stderr);
    (events, summary)
}

fn names(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect()
}

#[test]
fn a_build_tells_each_table_and_ends_with_its_summary() {
    let shop = shop();
    shop.write(
        "exports/orders_1.csv",
        "id,email\n1,someone@example.com\n2,nobody\n",
    );
    let said = shop.kilde(&["build", "--log-format", "json"]).ended(0);
    assert_eq!(said.stdout, "");
    let (events, summary) = events(&said);
    assert_eq!(
        names(&events),
        [
            "run_started",
            "table_started",
            "table_finished",
            "table_started",
            "table_finished",
            "publishing",
            "test_warned"
        ]
    );
    assert_eq!(events[4]["table"], "gold.orders");
    assert_eq!(
        (&events[4]["outcome"], &events[4]["rows"]),
        (&Value::from("written"), &Value::from(2))
    );
    assert_eq!(events[6]["test"], "matches(email)");
    assert_eq!(
        (&summary["command"], &summary["outcome"]),
        (&Value::from("build"), &Value::from("published"))
    );
    assert_eq!(
        (&summary["release"], &summary["counts"]["tests_warned"]),
        (&Value::from(1), &Value::from(1))
    );
    assert_eq!(
        (&summary["class"], &summary["retry"]),
        (&Value::Null, &Value::from(false))
    );
    assert!(
        !said.stderr.contains("nobody") && !said.stderr.contains("someone"),
        "{}",
        said.stderr
    );
    // nothing to do is told as well, and -q leaves the summary alone
    let said = shop.kilde(&["build", "-q", "--log-format=json"]).ended(0);
    let (events, summary) = self::events(&said);
    assert_eq!(names(&events), <[&str; 0]>::default());
    assert_eq!(summary["outcome"], "unchanged");
}

#[test]
fn what_failed_is_told_with_code_place_and_class_and_never_with_a_value() {
    let shop = shop();
    let strict = FILES[1]
        .1
        .replace("read: csv", "read: csv, rejects: {at_most: 0}");
    shop.write("pipelines/shop.yaml", strict);
    shop.write(
        "exports/orders_1.csv",
        "id,email\n1,someone@example.com\nbogus-7,someone@example.com\n",
    );
    let said = shop.kilde(&["build", "--log-format", "json"]).ended(1);
    let (events, summary) = events(&said);
    let failed = events
        .iter()
        .find(|event| event["event"] == "table_failed")
        .unwrap();
    assert_eq!(
        (&failed["level"], &failed["table"]),
        (&Value::from("error"), &Value::from("bronze.orders"))
    );
    assert!(
        failed["text"].as_str().unwrap().contains("K0412"),
        "{failed}"
    );
    assert_eq!(
        (&summary["class"], &summary["retry"]),
        (&Value::from("data"), &Value::from(false))
    );
    assert_eq!(summary["failed"][0]["table"], "bronze.orders");
    for value in ["someone", "bogus-7"] {
        assert!(!said.stderr.contains(value), "{}", said.stderr);
    }
    let said = shop
        .kilde(&["build", "--hold", "nothing", "--log-format", "json"])
        .ended(2);
    let (events, summary) = self::events(&said);
    assert_eq!(names(&events), ["error"]);
    assert_eq!(events[0]["class"], "configuration");
    assert_eq!(summary["class"], "configuration");
}

#[test]
fn mistakes_of_the_project_and_of_the_command_line_are_lines_too() {
    let shop = shop();
    shop.write("sql/gold/orders.sql", "select id, emial from bronze.orders");
    let said = shop.kilde(&["check", "--log-format", "json"]).ended(2);
    let (events, summary) = events(&said);
    assert_eq!(names(&events), ["diagnostic"]);
    assert_eq!(
        (&events[0]["file"], &events[0]["line"]),
        (&Value::from("sql/gold/orders.sql"), &Value::from(1))
    );
    assert_eq!(
        (&summary["command"], &summary["class"]),
        (&Value::from("check"), &Value::from("configuration"))
    );
    let said = shop
        .kilde(&["build", "--no-such-flag", "--log-format", "json"])
        .ended(2);
    let (events, _) = self::events(&said);
    assert!(
        events[0]["message"]
            .as_str()
            .unwrap()
            .contains("--no-such-flag"),
        "{}",
        said.stderr
    );
    shop.write("sql/gold/orders.sql", FILES[4].1);
    let said = shop.kilde(&["check", "--log-format", "json"]).ended(0);
    assert_eq!(said.stdout, "");
    let (events, _) = self::events(&said);
    assert_eq!(names(&events), ["note"]);
}

#[test]
fn log_lines_of_the_libraries_have_the_same_form() {
    let shop = shop();
    shop.write("exports/orders_1.csv", "id,email\n1,someone@example.com\n");
    let mut command = shop.command(&["build", "--log-format", "json"]);
    command.env("KILDE_LOG", "trace");
    let output = crate::time_limit::output(&mut command).unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        lines
            .iter()
            .any(|line| line["event"] == "log" && line["target"].is_string()),
        "{text}"
    );
    assert_eq!(lines.last().unwrap()["event"], "summary");
}
