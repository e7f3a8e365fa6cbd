//! What kilde tells other tools: `manifest.json` and `run_results.json` in dbt's shapes.

use serde_json::{Value, json};

use crate::foreign;
use crate::sandbox::Sandbox;

const PIPELINE: &str = "
description: Everything a shop knows.
owner: {name: Shop data, email: shop-data@example.com}
schedule: \"0 2 * * *\"
tags: [nightly]
sources:
  - table: bronze.orders
    files: orders_*.csv
    read: csv
    freshness: {warn_after: 26h, error_after: 2d}
steps:
  - sql: silver/*
  - sql: gold/*
exposures:
  - {name: Sales weekly, owner: {name: Sales}, url: \"https://bi.example.com/1\", reads: [gold.sales]}
";
const ORDERS: &str = "
description: Orders as the till wrote them.
columns:
  - {name: id, data_type: bigint, data_tests: [not_null]}
  - {name: store_id, data_type: integer}
  - {name: email, data_type: varchar, personal: email, description: Of the buyer.}
  - {name: amount, data_type: \"decimal(12,2)\"}
";
const PAID: &str = "
description: Orders that were paid.
materialized: ephemeral
";
const SALES: &str = "
description: Sales per store.
grain: one row per store
key: [store_id]
tags: [kpi]
columns:
  - {name: store_id, data_type: integer, description: The store.}
  - {name: town, data_type: varchar, data_tests: [accepted_values: {values: [Lund, Umeå], severity: warn}]}
  - {name: revenue_amount, data_type: \"decimal(22,2)\", data_tests: [range: {min: 0}]}
data_tests:
  - relationships: {columns: [store_id], to: ref.stores}
  - row_count: {min: 1}
  - sql: select * from gold.sales where revenue_amount > 1000
  - sql: select * from gold.sales where revenue_amount > 2000
unit_tests:
  - name: sums_by_store
    given:
      silver.paid: [{store_id: 1, amount: 10}, {store_id: 1, amount: 5}]
      ref.stores: [{store_id: 1, town: Lund}]
    expect: [{store_id: 1, town: Lund, revenue_amount: 15}]
";

fn shop() -> Sandbox {
    let shop = Sandbox::with(&[
        ("kilde.yaml", "project: shop\nraw: exports/\nlake: lake/\n"),
        ("pipelines/shop.yaml", PIPELINE),
        ("schemas/bronze/orders.yaml", ORDERS),
        ("schemas/silver/paid.yaml", PAID),
        ("schemas/gold/sales.yaml", SALES),
        (
            "seeds/ref/stores.csv",
            "store_id,town\n1,Lund\n2,Umeå\n3,Malmö\n",
        ),
        (
            "schemas/ref/stores.yaml",
            "description: Stores.\ngrain: one row per store\ncolumns:\n  - {name: store_id, data_type: integer}\n  - {name: town, data_type: varchar}\n",
        ),
        (
            "sql/silver/paid.sql",
            "select store_id, amount from bronze.orders where amount is not null",
        ),
        (
            "sql/gold/sales.sql",
            "select cast(s.store_id as integer) as store_id, s.town, sum(p.amount) as revenue_amount\n\
             from silver.paid as p join ref.stores as s on s.store_id = p.store_id group by 1, 2",
        ),
    ]);
    shop.write(
        "exports/orders_1.csv",
        "id,store_id,email,amount\n1,1,buyer-a@example.com,10.50\n2,3,buyer-b@example.com,5.00\n",
    );
    shop
}

fn artifact(shop: &Sandbox, name: &str) -> Value {
    serde_json::from_str(&shop.read(&format!(".kilde/target/{name}"))).unwrap()
}

#[test]
fn a_build_leaves_a_manifest_of_all_that_there_is() {
    let shop = shop();
    shop.kilde(&["build"]).ended(0);
    let manifest = artifact(&shop, "manifest.json");
    let sales = &manifest["nodes"]["model.shop.gold.sales"];
    assert_eq!(sales["schema"], "gold");
    assert_eq!(sales["alias"], "sales");
    assert_eq!(sales["original_file_path"], "sql/gold/sales.sql");
    assert_eq!(sales["patch_path"], "shop://schemas/gold/sales.yaml");
    assert_eq!(
        sales["depends_on"]["nodes"],
        json!(["seed.shop.ref.stores", "model.shop.silver.paid"])
    );
    assert_eq!(sales["tags"], json!(["kpi", "nightly"]));
    assert_eq!(sales["meta"]["owner"], "shop-data@example.com");
    assert_eq!(sales["group"], "shop");
    assert_eq!(sales["columns"]["store_id"]["description"], "The store.");
    assert_eq!(
        sales["columns"]["revenue_amount"]["data_type"],
        "decimal(22,2)"
    );
    assert_eq!(sales["primary_key"], json!(["store_id"]));
    assert!(
        sales["compiled_code"]
            .as_str()
            .unwrap()
            .contains("from silver.paid as p")
    );
    assert_eq!(sales["checksum"]["name"], "sha256");
    assert_eq!(
        manifest["nodes"]["model.shop.silver.paid"]["config"]["materialized"],
        "ephemeral"
    );
    let orders = &manifest["sources"]["source.shop.bronze.orders"];
    assert_eq!(orders["source_description"], "Everything a shop knows.");
    assert_eq!(
        orders["freshness"],
        json!({"warn_after": {"count": 26, "period": "hour"}, "error_after": {"count": 2, "period": "day"}, "filter": null})
    );
    assert_eq!(orders["columns"]["email"]["meta"]["personal"], "email");
    let tests: Vec<&Value> = manifest["nodes"]
        .as_object()
        .unwrap()
        .values()
        .filter(|node| node["resource_type"] == "test")
        .collect();
    let metadata = |column: &str, name: &str| {
        tests
            .iter()
            .find(|test| test["column_name"] == column && test["test_metadata"]["name"] == name)
            .unwrap()
    };
    let values = metadata("town", "accepted_values");
    assert_eq!(
        values["test_metadata"]["kwargs"]["values"],
        json!(["Lund", "Umeå"])
    );
    assert_eq!(
        (&values["config"]["severity"], &values["attached_node"]),
        (&json!("WARN"), &json!("model.shop.gold.sales"))
    );
    assert_eq!(
        metadata("revenue_amount", "accepted_range")["test_metadata"]["namespace"],
        "dbt_utils"
    );
    let related = metadata("store_id", "relationships");
    assert_eq!(
        related["test_metadata"]["kwargs"]["to"],
        "ref('ref.stores')"
    );
    assert_eq!(
        related["depends_on"]["nodes"],
        json!(["model.shop.gold.sales", "seed.shop.ref.stores"])
    );
    // what holds a source's records to account as they are read is a test of the source
    assert_eq!(
        metadata("id", "not_null")["depends_on"]["nodes"],
        json!(["source.shop.bronze.orders"])
    );
    // two tests that go by the same name have ids of their own
    let of_sql = tests.iter().filter(|test| test["name"] == "sql_gold_sales");
    assert_eq!(of_sql.count(), 2);
    let exposure = &manifest["exposures"]["exposure.shop.sales_weekly"];
    assert_eq!(
        (&exposure["label"], &exposure["owner"]["name"]),
        (&json!("Sales weekly"), &json!("Sales"))
    );
    assert_eq!(
        manifest["groups"]["group.shop.shop"]["owner"]["email"],
        "shop-data@example.com"
    );
    assert_eq!(
        manifest["unit_tests"]["unit_test.shop.gold.sales.sums_by_store"]["model"],
        "gold.sales"
    );
    assert!(!manifest.to_string().contains("buyer-a@example.com"));
}

/// Unique id → status.
fn statuses(results: &Value) -> Vec<(String, String)> {
    let results = results["results"].as_array().unwrap().iter();
    results
        .map(|result| {
            let text = |field: &str| result[field].as_str().unwrap().to_string();
            // the hash at the end is dbt's own habit
            let id = text("unique_id");
            let id = match id.strip_prefix("test.") {
                Some(id) => id.rsplit_once('.').unwrap().0.to_string(),
                None => id,
            };
            (id, text("status"))
        })
        .collect()
}

fn pairs(wanted: &[(&str, &str)]) -> Vec<(String, String)> {
    wanted
        .iter()
        .map(|(id, status)| ((*id).to_string(), (*status).to_string()))
        .collect()
}

#[test]
fn results_say_what_became_of_each_table_and_test_in_a_good_build_an_idle_one_and_a_bad_one() {
    let shop = shop();
    shop.kilde(&["build"]).ended(0);
    let results = artifact(&shop, "run_results.json");
    assert_eq!(
        statuses(&results),
        pairs(&[
            ("source.shop.bronze.orders", "success"),
            ("seed.shop.ref.stores", "success"),
            ("model.shop.gold.sales", "success"),
            ("unit_test.shop.gold.sales.sums_by_store", "pass"),
            ("shop.accepted_values_gold_sales_town", "warn"),
            ("shop.not_null_gold_sales_store_id", "pass"),
            ("shop.range_gold_sales_revenue_amount", "pass"),
            (
                "shop.relationships_gold_sales_store_id_to_ref_stores",
                "pass"
            ),
            ("shop.row_count_gold_sales", "pass"),
            ("shop.sql_gold_sales", "pass"),
            ("shop.sql_gold_sales", "pass"),
            ("shop.unique_gold_sales_store_id", "pass"),
        ])
    );
    let sales = &results["results"][2];
    assert_eq!(sales["adapter_response"]["rows_affected"], 2);
    assert_eq!(sales["timing"][0]["name"], "execute");
    assert_eq!(results["args"]["which"], "build");
    let manifest = artifact(&shop, "manifest.json");
    assert_eq!(
        results["metadata"]["invocation_id"],
        manifest["metadata"]["invocation_id"]
    );
    for result in results["results"].as_array().unwrap() {
        let id = result["unique_id"].as_str().unwrap();
        let known = ["nodes", "sources", "unit_tests"]
            .iter()
            .any(|kind| manifest[kind].get(id).is_some());
        assert!(known, "{id}");
    }
    shop.kilde(&["build"]).ended(0);
    assert_eq!(
        statuses(&artifact(&shop, "run_results.json")),
        pairs(&[
            ("source.shop.bronze.orders", "no-op"),
            ("seed.shop.ref.stores", "no-op"),
            ("model.shop.gold.sales", "no-op"),
        ])
    );
    shop.write(
        "exports/orders_2.csv",
        "id,store_id,email,amount\n3,2,c@example.com,1500.00\n",
    );
    shop.kilde(&["build"]).ended(1);
    let results = artifact(&shop, "run_results.json");
    let bad: Vec<&Value> = results["results"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|result| result["status"] == "fail")
        .collect();
    assert_eq!(bad.len(), 1, "{results}");
    assert_eq!(
        (&bad[0]["failures"], &bad[0]["message"]),
        (&json!(1), &json!("1 of 3 rows"))
    );
    shop.write(
        "sql/gold/sales.sql",
        shop.read("sql/gold/sales.sql")
            .replace("sum(p.amount)", "cast(sum(2 * p.amount) as decimal(22,2))"),
    );
    shop.kilde(&["build"]).ended(1);
    assert_eq!(
        statuses(&artifact(&shop, "run_results.json")),
        pairs(&[("unit_test.shop.gold.sales.sums_by_store", "fail")])
    );
}

#[test]
fn test_and_check_leave_theirs_and_a_folder_that_cannot_be_written_is_a_warning() {
    let shop = shop();
    shop.kilde(&["check", "--target-path", "out"]).ended(0);
    let manifest: Value = serde_json::from_str(&shop.read("out/manifest.json")).unwrap();
    assert!(manifest["nodes"].get("model.shop.gold.sales").is_some());
    // a check has no results: those of the last build stay
    assert!(!shop.path("out/run_results.json").exists() && !shop.path(".kilde").exists());
    shop.kilde(&["test"]).ended(0);
    let results = artifact(&shop, "run_results.json");
    assert_eq!(
        statuses(&results),
        pairs(&[("unit_test.shop.gold.sales.sums_by_store", "pass")])
    );
    shop.write("blocked", "a file");
    let said = shop
        .kilde(&["build", "--target-path", "blocked/target"])
        .ended(0);
    assert!(
        said.stderr.contains(
            "warning: blocked/target/manifest.json: this file for other tools is not written"
        ),
        "{}",
        said.stderr
    );
}

#[test]
fn a_parser_of_dbts_artifacts_takes_them() {
    let Some(python) = foreign::python() else {
        return;
    };
    let shop = shop();
    shop.kilde(&["build"]).ended(0);
    let folder = shop.path(".kilde/target");
    let seen = foreign::script(
        python,
        "read_dbt.py",
        &[folder.to_str().unwrap(), "run_results"],
    );
    let seen: Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(
        seen["exposures"]["exposure.shop.sales_weekly"],
        json!(["model.shop.gold.sales"])
    );
    assert_eq!(seen["results"]["model.shop.gold.sales"], "success");
    // the shipped project has every kind of step
    let shipped = Sandbox::shipped(false);
    shipped.kilde(&["check"]).ended(0);
    let folder = shipped.path(".kilde/target");
    let seen = foreign::script(python, "read_dbt.py", &[folder.to_str().unwrap()]);
    let seen: Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(seen["nodes"]["model.nordic_retail.gold.customers"], "model");
}
