//! What contracts promise from release to release: rows and keys that stay, columns that people read, and contracts that grow.

use crate::sandbox::Sandbox;

const BRONZE: &str = "
key: [customer_id]
columns:
  - {name: customer_id, data_type: bigint}
  - {name: country, data_type: varchar}
";
const GOLD: &str = "
description: People of the web shop.
grain: one row per customer
key: [customer_id]
columns:
  - {name: customer_id, data_type: bigint}
  - {name: country, data_type: varchar}
";

/// Customers of one export a day, straight to gold.
fn shop() -> Sandbox {
    Sandbox::with(&[
        ("kilde.yaml", "project: shop\nraw: exports/\nlake: lake/\n"),
        (
            "pipelines/shop.yaml",
            "owner: {name: Shop}
sources:
  - table: bronze.customers
    files: customers_{exported_on:%Y%m%d}.csv
    read: csv
    load: replace
steps:
  - sql: gold/*
",
        ),
        ("schemas/bronze/customers.yaml", BRONZE),
        (
            "sql/gold/people.sql",
            "-- gold.people: one row per customer.\nselect customer_id, country from bronze.customers where country <> 'XX'\n",
        ),
        ("schemas/gold/people.yaml", GOLD),
    ])
}

/// An export of customers 1 to `last`, those in `elsewhere` with a country that no step takes.
fn deliver(shop: &Sandbox, day: u32, last: u32, elsewhere: &[u32]) {
    let mut text = "customer_id,country\n".to_string();
    for id in 1..=last {
        let country = if elsewhere.contains(&id) { "XX" } else { "SE" };
        text.push_str(&format!("{id},{country}\n"));
    }
    shop.write(&format!("exports/customers_202601{day:02}.csv"), text);
}

fn gold_tests(shop: &Sandbox, tests: &str) {
    shop.write(
        "schemas/gold/people.yaml",
        format!("{GOLD}data_tests:\n{tests}"),
    );
}

#[test]
fn rows_that_moved_too_far_from_the_published_ones_publish_nothing() {
    let shop = shop();
    gold_tests(&shop, "  - row_count: {change: -5%..+20%}\n");
    deliver(&shop, 1, 100, &[]);
    let first = shop.kilde(&["build"]).ended(0);
    assert!(
        first
            .stdout
            .contains("passed (1 had nothing published to compare with)"),
        "{}",
        first.stdout
    );
    deliver(&shop, 2, 95, &[]);
    let within = shop.kilde(&["build"]).ended(0);
    assert!(
        !within.stdout.contains("nothing published"),
        "{}",
        within.stdout
    );
    deliver(&shop, 3, 114, &[]);
    shop.kilde(&["build"]).ended(0);
    deliver(&shop, 4, 137, &[]);
    let said = shop.kilde(&["build"]).ended(1);
    assert!(
        said.stderr.contains(
            "gold.people row_count: 137 rows, wanted -5%..+20% of the 114 published (it is +20.2%)\n    --> schemas/gold/people.yaml:9:5"
        ),
        "{}",
        said.stderr
    );
    assert_eq!(shop.query("select count(*) from gold.people")[0][0], "114");
}

#[test]
fn a_change_of_rows_may_warn_and_have_one_bound() {
    let shop = shop();
    gold_tests(&shop, "  - row_count: {change: -0.5%.., severity: warn}\n");
    deliver(&shop, 1, 10, &[]);
    shop.kilde(&["build"]).ended(0);
    deliver(&shop, 2, 5, &[]);
    let said = shop
        .kilde(&["build", "--accept", "bronze.customers"])
        .ended(0);
    assert!(
        said.stdout.contains(
            "row_count 5 rows, wanted -0.5%.. of the 10 published (it is -50.0%) · warned"
        ),
        "{}",
        said.stdout
    );
    deliver(&shop, 3, 500, &[]);
    shop.kilde(&["build", "--warn-error"]).ended(0);
}

#[test]
fn a_key_of_another_table_that_is_lost_on_the_way_publishes_nothing_and_is_shown() {
    let shop = shop();
    gold_tests(
        &shop,
        "  - keeps: {keys_of: bronze.customers, columns: [customer_id]}\n",
    );
    deliver(&shop, 1, 3, &[]);
    shop.kilde(&["build"]).ended(0);
    deliver(&shop, 2, 5, &[2, 4]);
    let said = shop.kilde(&["build"]).ended(1);
    assert!(
        said.stderr.contains(
            "gold.people keeps(customer_id of bronze.customers): 2 keys are missing\n    --> schemas/gold/people.yaml:9:5"
        ),
        "{}",
        said.stderr
    );
    assert_eq!(shown(&shop, &said.stderr), "customer_id\n2\n4\n");
    gold_tests(
        &shop,
        "  - keeps: {keys_of: bronze.customers, columns: [customer_id], where: country <> 'XX'}\n",
    );
    shop.kilde(&["build"]).ended(0);
    // a customer who is gone from both is missing from none
    deliver(&shop, 3, 1, &[]);
    shop.kilde(&["build", "--accept", "bronze.customers"])
        .ended(0);
}

#[test]
fn a_published_key_that_vanishes_publishes_nothing_and_is_shown() {
    let shop = shop();
    gold_tests(&shop, "  - keeps: {keys_of: gold.people}\n");
    deliver(&shop, 1, 4, &[]);
    shop.kilde(&["build"]).ended(0);
    deliver(&shop, 2, 6, &[]);
    shop.kilde(&["build"]).ended(0);
    deliver(&shop, 3, 5, &[]);
    let said = shop.kilde(&["build"]).ended(1);
    assert!(
        said.stderr
            .contains("keeps(customer_id of gold.people): 1 key is missing"),
        "{}",
        said.stderr
    );
    assert_eq!(shown(&shop, &said.stderr), "customer_id\n6\n");
    gold_tests(&shop, "  - keeps: {keys_of: gold.people, at_most: 1}\n");
    shop.kilde(&["build"]).ended(0);
}

/// What the query prints that a failed build says to type.
fn shown(shop: &Sandbox, stderr: &str) -> String {
    let typed = stderr.split("kilde query --candidate ").nth(1).unwrap();
    let (run, rest) = typed.split_once(" \"").unwrap();
    let sql = rest.split_once("\"\n").unwrap().0.replace("\\\"", "\"");
    let sql = format!("{sql} order by 1");
    let arguments = ["query", "--format", "csv", "--candidate", run, &sql];
    shop.kilde(&arguments).ended(0).stdout
}

#[test]
fn who_reads_a_table_is_listed_planned_and_selected_by() {
    let shop = shop();
    let pipeline = shop.read("pipelines/shop.yaml");
    shop.write(
        "pipelines/shop.yaml",
        format!(
            "{pipeline}exposures:
  - name: Power BI «Sales weekly»
    owner: {{name: Sales BI, email: sales-bi@example.com}}
    url: https://bi.example.com/sales
    reads: [gold.people]
  - {{name: churn_notebook, owner: {{name: Ada}}, reads: [bronze.customers, gold.people]}}
"
        ),
    );
    deliver(&shop, 1, 3, &[]);
    let plan = shop.kilde(&["plan"]).ended(0).stdout;
    let line = |table: &str| plan.lines().find(|line| line.contains(table)).unwrap();
    assert!(
        line("gold.people").ends_with(
            "· read by Power BI «Sales weekly» (sales-bi@example.com), churn_notebook (Ada)"
        ),
        "{plan}"
    );
    assert!(
        line("bronze.customers").ends_with("· read by churn_notebook (Ada)"),
        "{plan}"
    );
    shop.kilde(&["build"]).ended(0);
    let plan = shop.kilde(&["plan"]).ended(0).stdout;
    assert!(!plan.contains("read by"), "nothing changes: {plan}");
    let long = shop.kilde(&["ls", "gold", "--long"]).ended(0).stdout;
    assert!(
        long.contains("Power BI «Sales weekly», churn_notebook"),
        "{long}"
    );
    let select = |selection: &str| {
        let said = shop.kilde(&["ls", "--json", "-s", selection]).ended(0);
        let tables: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
        let tables = tables.as_array().unwrap().clone();
        let names = tables
            .iter()
            .map(|t| t["table"].as_str().unwrap().to_string());
        (names.collect::<Vec<_>>().join(" "), tables)
    };
    let (names, tables) = select("exposure:power_bi_sales_weekly");
    assert_eq!(names, "gold.people");
    assert_eq!(
        tables[0]["exposures"][0],
        serde_json::json!({
            "name": "Power BI «Sales weekly»",
            "owner": "Sales BI",
            "owner_email": "sales-bi@example.com",
            "url": "https://bi.example.com/sales",
        })
    );
    assert_eq!(
        select("+exposure:*sales*").0,
        "bronze.customers gold.people"
    );
    let said = shop
        .kilde(&["ls", "-s", "exposure:power_bi_sales_weakly"])
        .ended(2);
    assert!(
        said.stderr
            .contains("did you mean `power_bi_sales_weekly`?"),
        "{}",
        said.stderr
    );
}

const READERS: &str = "exposures:
  - name: Power BI «Sales weekly»
    owner: {name: Sales BI, email: sales-bi@example.com}
    reads: [gold.people]
";

/// The shop with a third column in gold, published once, read by a dashboard.
fn read_shop() -> Sandbox {
    let shop = shop();
    let pipeline = shop.read("pipelines/shop.yaml");
    shop.write("pipelines/shop.yaml", format!("{pipeline}{READERS}"));
    people(
        &shop,
        "customer_id, country, 1 as visits",
        "  - {name: visits, data_type: bigint}\n",
    );
    deliver(&shop, 1, 3, &[]);
    shop.kilde(&["build"]).ended(0);
    shop
}

fn people(shop: &Sandbox, columns: &str, contract: &str) {
    shop.write(
        "sql/gold/people.sql",
        format!("-- gold.people: one row per customer.\nselect {columns} from bronze.customers\n"),
    );
    shop.write("schemas/gold/people.yaml", format!("{GOLD}{contract}"));
}

#[test]
fn a_dropped_column_that_people_read_is_refused_until_it_is_asked_for() {
    let shop = read_shop();
    people(&shop, "customer_id, country", "");
    let plan = shop.kilde(&["plan"]).ended(0).stdout;
    assert!(
        plan.contains("- column visits · breaking: needs --allow-breaking"),
        "{plan}"
    );
    let before = shop.objects();
    // the export would break the build too: it is not read
    shop.write("exports/customers_20260102.csv", "nonsense\n");
    let said = shop.kilde(&["build"]).ended(2);
    assert_eq!(
        said.stderr,
        "error[K0210]: `gold.people` would lose its published column `visits`
  --> schemas/gold/people.yaml
help: read by Power BI «Sales weekly» (sales-bi@example.com): keep it until they have moved, or `kilde build --allow-breaking gold.people`
"
    );
    assert_eq!(shop.objects(), before);
    std::fs::remove_file(shop.path("exports/customers_20260102.csv")).unwrap();
    shop.kilde(&["build", "--allow-breaking", "gold.other"])
        .ended(2);
    shop.kilde(&["build", "--allow-breaking", "people"])
        .ended(0);
    let said = shop
        .kilde(&["query", "select visits from gold.people"])
        .ended(2);
    assert!(said.stderr.contains("visits"), "{}", said.stderr);
    let plan = shop.kilde(&["plan"]).ended(0).stdout;
    assert!(plan.starts_with("nothing to do"), "{plan}");
}

#[test]
fn another_type_is_breaking_and_a_new_column_is_not() {
    let shop = read_shop();
    people(
        &shop,
        "customer_id, country, 1 as visits, true as is_here",
        "  - {name: visits, data_type: bigint}\n  - {name: is_here, data_type: boolean}\n",
    );
    let plan = shop.kilde(&["plan"]).ended(0).stdout;
    assert!(
        plan.contains("+ column is_here boolean · additive"),
        "{plan}"
    );
    shop.kilde(&["build"]).ended(0);
    people(
        &shop,
        "customer_id, country, 1 as visits, true as is_here",
        "  - {name: visits, data_type: 'decimal(9,0)'}\n  - {name: is_here, data_type: boolean}\n",
    );
    let said = shop.kilde(&["build"]).ended(2);
    assert!(
        said.stderr.contains(
            "error[K0210]: `gold.people.visits` is published as `bigint` and would become `decimal(9,0)`
  --> schemas/gold/people.yaml:8:12"
        ),
        "{}",
        said.stderr
    );
    // what is not asked for is not changed
    shop.kilde(&["build", "--select", "bronze.customers"])
        .ended(0);
    let said = shop.kilde(&["build", "--allow-breaking"]).ended(0);
    assert!(
        said.stdout.contains("Release 3 published"),
        "{}",
        said.stdout
    );
}

#[test]
fn a_table_that_people_read_leaves_the_release_only_when_asked_for() {
    let shop = read_shop();
    let pipeline = shop.read("pipelines/shop.yaml").replace(READERS, "");
    shop.write("pipelines/shop.yaml", &pipeline);
    people(&shop, "customer_id, country", "materialized: ephemeral\n");
    shop.write(
        "sql/gold/countries.sql",
        "-- gold.countries: one row per country.\nselect country, count(*) as people_count from gold.people group by country\n",
    );
    shop.write(
        "schemas/gold/countries.yaml",
        "description: People per country.\ngrain: one row per country\nkey: [country]\n",
    );
    let said = shop.kilde(&["build"]).ended(2);
    assert!(
        said.stderr.contains(
            "error[K0210]: published `gold.people` would leave the release, since nothing publishes it any more
help: no exposure says who reads it: keep it until they have moved, or `kilde build --allow-breaking gold.people`"
        ),
        "{}",
        said.stderr
    );
    shop.kilde(&["build", "--allow-breaking", "gold.people"])
        .ended(0);
    assert_eq!(
        shop.query("select people_count from gold.countries"),
        [["3"]]
    );
    let said = shop.kilde(&["query", "select * from gold.people"]).ended(2);
    assert!(
        said.stderr.contains("no table `gold.people`"),
        "{}",
        said.stderr
    );
    // nobody reads silver: what happens to it is not announced
    shop.write(
        "sql/silver/visits.sql",
        "-- silver.visits: one row per customer.\nselect customer_id, 1 as visits from bronze.customers\n",
    );
    shop.write(
        "pipelines/shop.yaml",
        format!("{pipeline}  - sql: silver/*\n"),
    );
    shop.kilde(&["build"]).ended(0);
    shop.write(
        "sql/silver/visits.sql",
        "-- silver.visits: one row per customer.\nselect customer_id from bronze.customers\n",
    );
    let plan = shop.kilde(&["plan"]).ended(0).stdout;
    assert!(
        plan.contains("sql/silver/visits.sql · - column visits\n"),
        "{plan}"
    );
    shop.kilde(&["build"]).ended(0);
}

const ORDERS: &str = "
columns:
  - {name: order_id, data_type: bigint}
  - {name: amount, data_type: 'decimal(9,2)', data_tests: [range: {min: 0}]}
";

/// Orders of one export a day, each adding its own, read by one step that takes every column there is.
fn till(load: &str) -> Sandbox {
    let till = Sandbox::with(&[
        ("kilde.yaml", "project: till\nraw: exports/\nlake: lake/\n"),
        ("schemas/bronze/orders.yaml", ORDERS),
        (
            "sql/silver/orders.sql",
            "-- silver.orders: one row per order.\nselect * exclude (_kilde_source_file, _kilde_source_row) from bronze.orders\n",
        ),
        (
            "exports/orders_20260101.csv",
            "order_id,amount,channel\n1,10.00,web\n2,20.00,store\n",
        ),
        (
            "exports/orders_20260102.csv",
            "order_id,amount,channel\n3,30.00,web\n",
        ),
    ]);
    till.write(
        "pipelines/till.yaml",
        format!(
            "sources:\n  - table: bronze.orders\n    files: orders_{{exported_on:%Y%m%d}}.csv\n    read: csv\n    load: {load}\nsteps:\n  - sql: silver/*\n"
        ),
    );
    // of `replace`, the second export has fewer records than a build takes unasked
    let accept = ["build", "--accept", "bronze.orders"];
    let asked = if load == "replace" {
        &accept[..]
    } else {
        &accept[..1]
    };
    till.kilde(asked).ended(0);
    till
}

fn grow(till: &Sandbox, column: &str) {
    till.write(
        "schemas/bronze/orders.yaml",
        format!("{ORDERS}  - {column}\n"),
    );
}

#[test]
fn a_contract_that_grows_on_an_append_source_reads_no_export_again() {
    let till = till("append");
    grow(
        &till,
        "{name: channel, data_type: varchar, description: Where it was bought., data_tests: [accepted_values: {values: [web, store]}]}",
    );
    let plan = till.kilde(&["plan"]).ended(0).stdout;
    assert!(
        plan.contains(
            "t  bronze.orders  + column channel varchar · null for the 2 exports loaded (`kilde exports reload bronze.orders` reads them again, 86 B)"
        ),
        "{plan}"
    );
    // what is not read again may be gone
    std::fs::remove_file(till.path("exports/orders_20260101.csv")).unwrap();
    let plan = till.kilde(&["plan"]).ended(0).stdout;
    assert!(
        plan.contains("2 exports loaded (`kilde exports reload bronze.orders` reads again those still there: 1, 36 B)"),
        "{plan}"
    );
    till.kilde(&["build"]).ended(0);
    assert_eq!(
        till.query("select order_id, coalesce(channel, '-') from silver.orders order by 1"),
        [["1", "-"], ["2", "-"], ["3", "-"]]
    );
    till.write(
        "exports/orders_20260103.csv",
        "order_id,amount,channel\n4,40.00,store\n5,50.00,fax\n",
    );
    let said = till.kilde(&["build"]).ended(0);
    assert!(said.stdout.contains("1 new, "), "{}", said.stdout);
    let rows = "select order_id, coalesce(channel, '-') from silver.orders order by 1";
    assert_eq!(
        till.query(rows),
        [["1", "-"], ["2", "-"], ["3", "-"], ["4", "store"]]
    );
    let plan = till.kilde(&["plan"]).ended(0).stdout;
    assert!(plan.starts_with("nothing to do"), "{plan}");
    // read again, the old exports have it too
    till.write(
        "exports/orders_20260101.csv",
        "order_id,amount,channel\n1,10.00,web\n2,20.00,store\n",
    );
    let before = till.digests();
    till.kilde(&["exports", "reload", "bronze.orders", "--by", "ada"])
        .ended(0);
    till.kilde(&["build"]).ended(0);
    assert_ne!(till.digests()["bronze.orders"], before["bronze.orders"]);
    assert_eq!(
        till.query(rows),
        [["1", "web"], ["2", "store"], ["3", "web"], ["4", "store"]]
    );
}

#[test]
fn a_contract_that_grows_takes_new_exports_in_the_same_build() {
    let till = till("append");
    grow(&till, "{name: channel, data_type: varchar}");
    till.write(
        "exports/orders_20260103.csv",
        "order_id,amount,channel\n4,40.00,fax\n",
    );
    let plan = till.kilde(&["plan"]).ended(0).stdout;
    assert!(
        plan.contains("+  bronze.orders  1 new export (36 B) · + column channel varchar · null for the 2 exports loaded"),
        "{plan}"
    );
    till.kilde(&["build"]).ended(0);
    assert_eq!(
        till.query("select count(*), count(channel), sum(amount) from silver.orders"),
        [["4", "1", "100.00"]]
    );
    // one build or two, the rows and their digest are the same
    let slow = self::till("append");
    grow(&slow, "{name: channel, data_type: varchar}");
    slow.kilde(&["build"]).ended(0);
    slow.write(
        "exports/orders_20260103.csv",
        "order_id,amount,channel\n4,40.00,fax\n",
    );
    slow.kilde(&["build"]).ended(0);
    assert_eq!(slow.digests(), till.digests());
}

#[test]
fn what_may_change_loaded_rows_reads_every_export_again() {
    let reads = |change: &dyn Fn(&Sandbox), load: &str| {
        let till = till(load);
        change(&till);
        till.kilde(&["plan"]).ended(0).stdout
    };
    let again = "changed schemas/bronze/orders.yaml: reads 2 exports again";
    let append: [(&str, &str); 5] = [
        (
            "a new column that must not be null",
            "  - {name: channel, data_type: varchar, data_tests: [not_null]}\n",
        ),
        (
            "a key",
            "  - {name: channel, data_type: varchar}\nkey: [channel]\n",
        ),
        (
            "a layout",
            "  - {name: channel, data_type: varchar}\npartition_by: [channel]\n",
        ),
        (
            "a test of the whole table that judges records",
            "  - {name: channel, data_type: varchar}\ndata_tests:\n  - matches: {column: channel, pattern: '^w'}\n  - not_null: {columns: [order_id]}\n",
        ),
        (
            "another source of a column",
            "  - {name: channel, data_type: varchar}\n  - {name: sum, data_type: varchar, from: amount, data_tests: [not_null]}\n",
        ),
    ];
    for (what, added) in append {
        let plan = reads(
            &|till| till.write("schemas/bronze/orders.yaml", format!("{ORDERS}{added}")),
            "append",
        );
        assert!(plan.contains(again), "{what}: {plan}");
    }
    let replaced = [
        ("another type", "bigint", "varchar"),
        (
            "another name in the export",
            "data_type: bigint",
            "data_type: bigint, from: order_id",
        ),
        ("a stricter test", "min: 0", "min: 1"),
        ("no test", ", data_tests: [range: {min: 0}]", ""),
    ];
    for (what, old, new) in replaced {
        let text = ORDERS.replace(old, new);
        assert_ne!(text, ORDERS, "{what}");
        for grown in ["", "  - {name: channel, data_type: varchar}\n"] {
            let text = format!("{text}{grown}");
            let plan = reads(
                &|till| till.write("schemas/bronze/orders.yaml", &text),
                "append",
            );
            assert!(plan.contains(again), "{what}: {plan}");
        }
    }
    // a description is words, and a test of the table is a test
    let plan = reads(
        &|till| {
            let text = ORDERS.replace("bigint", "bigint, description: The order.");
            till.write(
                "schemas/bronze/orders.yaml",
                format!("{text}data_tests:\n  - row_count: {{min: 1}}\n"),
            );
        },
        "append",
    );
    assert!(plan.contains("t  bronze.orders"), "{plan}");
    // a row of `replace` is what the newest export says
    let plan = reads(
        &|till| grow(till, "{name: channel, data_type: varchar}"),
        "replace",
    );
    assert!(plan.contains(again), "{plan}");
}

/// The shop with a step that has no contract yet.
fn drafting(sql: &str) -> Sandbox {
    let shop = shop();
    shop.write(
        "schemas/bronze/customers.yaml",
        "
key: [customer_id]
columns:
  - {name: customer_id, data_type: bigint, description: 'The number: ours.'}
  - {name: email, data_type: varchar, personal: email}
  - {name: country, data_type: varchar, data_tests: [not_null]}
  - {name: spent, data_type: 'decimal(9,2)'}
",
    );
    std::fs::remove_file(shop.path("schemas/gold/people.yaml")).unwrap();
    shop.write(
        "sql/gold/people.sql",
        format!("-- gold.people: one row per customer.\n{sql}\n"),
    );
    shop
}

#[test]
fn a_drafted_contract_says_what_the_sql_proves_and_passes_the_check() {
    let shop = drafting(
        "select customer_id as id, email, upper(country) as land, coalesce(spent, 0) as spent from bronze.customers where country <> 'XX'",
    );
    let said = shop.kilde(&["check"]).ended(2);
    assert!(
        said.stderr.contains("kilde contract gold.people --write"),
        "{}",
        said.stderr
    );
    let printed = shop.kilde(&["contract", "gold.people"]).ended(0).stdout;
    assert!(!shop.path("schemas/gold/people.yaml").exists());
    shop.kilde(&["contract", "people", "--write"]).ended(0);
    let written = shop.read("schemas/gold/people.yaml");
    assert_eq!(written, printed);
    assert_eq!(
        written,
        "key: [id]
columns:
  - {name: id, data_type: bigint, description: \"The number: ours.\"}
  - {name: email, data_type: varchar, personal: email}
  - {name: land, data_type: varchar}
  - {name: spent, data_type: \"decimal(22,2)\", data_tests: [not_null]}
"
    );
    shop.kilde(&["check"]).ended(0);
    shop.write(
        "exports/customers_20260101.csv",
        "customer_id,email,country,spent\n1,a@x.se,SE,\n2,b@x.se,SE,1.50\n",
    );
    let said = shop.kilde(&["build"]).ended(0);
    assert!(
        said.stdout.contains("Release 1 published"),
        "{}",
        said.stdout
    );
    let said = shop.kilde(&["contract", "people"]).ended(0);
    assert_eq!(
        (
            said.stdout.as_str(),
            said.stderr.contains("every column already")
        ),
        ("", true)
    );
}

#[test]
fn a_key_is_drafted_only_where_the_sql_proves_it() {
    let key = |sql: &str| {
        let shop = drafting(sql);
        let draft = shop.kilde(&["contract", "gold.people"]).ended(0).stdout;
        shop.kilde(&["contract", "gold.people", "--write"]).ended(0);
        shop.kilde(&["check"]).ended(0);
        draft.lines().next().unwrap().to_string()
    };
    let none = "# no `key`: nothing in the SQL proves that some columns name a row";
    assert_eq!(
        key("select country, count(*) as n from bronze.customers group by country"),
        "key: [country]"
    );
    assert_eq!(
        key("select email, count(*) as n from bronze.customers group by email"),
        none
    );
    assert_eq!(
        key(
            "select email, count(*) as n from bronze.customers where spent > 1 and email is not null group by email"
        ),
        "key: [email]"
    );
    assert_eq!(
        key(
            "select a.customer_id, b.email from bronze.customers a join bronze.customers b on a.country = b.country"
        ),
        none
    );
    assert_eq!(
        key(
            "with known as (select * from bronze.customers where email is not null) select customer_id, email, row_number() over (order by customer_id) as place from known"
        ),
        "key: [customer_id]"
    );
    assert_eq!(
        key("select customer_id + 1 as customer_id from bronze.customers"),
        none
    );
    assert_eq!(
        key(
            "select customer_id from bronze.customers union all select customer_id from bronze.customers"
        ),
        none
    );
}

#[test]
fn columns_are_added_to_a_contract_and_the_words_of_people_stay() {
    let shop = drafting("select customer_id, email, country from bronze.customers");
    let ours = "# what people wrote\ndescription: Everyone.\nkey: [customer_id]\ncolumns:\n  - name: customer_id   # ours\n    data_type: bigint\n\n# how it is tested\ndata_tests:\n  - row_count: {min: 1}\n";
    shop.write("schemas/gold/people.yaml", ours);
    shop.kilde(&["check"]).ended(2);
    let said = shop.kilde(&["contract", "gold.people", "--write"]).ended(0);
    assert!(
        said.stdout.contains("has the columns that it lacked"),
        "{}",
        said.stdout
    );
    assert_eq!(
        shop.read("schemas/gold/people.yaml"),
        ours.replace(
            "    data_type: bigint\n",
            "    data_type: bigint\n  - {name: email, data_type: varchar, personal: email}\n  - {name: country, data_type: varchar, data_tests: [not_null]}\n"
        )
    );
    shop.kilde(&["check"]).ended(0);
    let flow = "columns: [{name: customer_id, data_type: bigint}]\n";
    shop.write("schemas/gold/people.yaml", flow);
    let said = shop.kilde(&["contract", "gold.people", "--write"]).ended(2);
    assert!(
        said.stderr
            .contains("- {name: country, data_type: varchar, data_tests: [not_null]}"),
        "{}",
        said.stderr
    );
    assert_eq!(shop.read("schemas/gold/people.yaml"), flow);
    let said = shop.kilde(&["contract", "bronze.customers"]).ended(2);
    assert!(said.stderr.contains("is a source"), "{}", said.stderr);
}
