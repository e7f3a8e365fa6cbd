//! `kilde lineage`: what columns are made of, and what is made of them.

use serde_json::Value;

use crate::sandbox::Sandbox;

/// Two sources, an ephemeral step, a struct that is opened again, a function of the project, a window that chooses.
fn shop() -> Sandbox {
    Sandbox::with(&[
        ("kilde.yaml", "project: shop\nraw: exports/\nlake: lake/\n"),
        (
            "pipelines/shop.yaml",
            "owner: {name: Shop}\nsources:\n  - {table: bronze.people, files: 'crm/people_{exported_on:%Y%m%d}.csv', read: {csv: {}}, load: replace}\n  - {table: bronze.orders, files: orders/*.ndjson, read: {ndjson: {}}}\nsteps:\n  - sql: silver/*\n  - sql: gold/*\n",
        ),
        (
            "schemas/bronze/people.yaml",
            "grain: one row per person\nkey: [person_id]\ncolumns:\n  - {name: person_id, data_type: bigint, from: Nummer}\n  - {name: email, data_type: varchar, personal: email, from: [E-post, Epost]}\n  - {name: exported_on, data_type: date}\n",
        ),
        (
            "schemas/bronze/orders.yaml",
            "grain: one row per order\nkey: [order_id]\ncolumns:\n  - {name: order_id, data_type: bigint}\n  - {name: buyer, data_type: 'struct<id bigint, land varchar>'}\n  - {name: amount, data_type: 'decimal(9,2)', from: totals.gross}\n",
        ),
        (
            "sql/functions/tidy.sql",
            "-- tidy: an address as it is compared.\ncreate function tidy(address varchar) returns varchar as lower(trim(address));\n",
        ),
        (
            "sql/silver/people.sql",
            "-- silver.people: one row per person.\nselect person_id, tidy(email) as email from bronze.people\n",
        ),
        (
            "sql/silver/bought.sql",
            "-- silver.bought: one row per order.\nselect order_id, buyer as who, amount from bronze.orders where amount > 0\n",
        ),
        ("schemas/silver/bought.yaml", "materialized: ephemeral\n"),
        (
            "sql/gold/buyers.sql",
            "-- gold.buyers: one row per person who bought.\nselect p.person_id, p.email, max(b.who.land) as land, sum(b.amount) as amount, count(*) as orders_count, 'shop' as origin\nfrom silver.people as p join silver.bought as b on b.who.id = p.person_id\ngroup by p.person_id, p.email\n",
        ),
        (
            "schemas/gold/buyers.yaml",
            "grain: one row per person who bought\nkey: [person_id]\ncolumns:\n  - {name: person_id, data_type: bigint}\n  - {name: email, data_type: varchar, personal: email}\n  - {name: land, data_type: varchar}\n  - {name: amount, data_type: 'decimal(19,2)'}\n  - {name: orders_count, data_type: bigint}\n  - {name: origin, data_type: varchar}\n",
        ),
    ])
}

fn said(shop: &Sandbox, arguments: &[&str]) -> String {
    shop.kilde(arguments).ended(0).stdout
}

#[test]
fn a_table_shows_each_column_with_what_it_is_made_of() {
    let shop = shop();
    insta::assert_snapshot!(said(&shop, &["lineage", "buyers"]), @"
    gold.buyers  table
      person_id     copied      silver.people.person_id
      email         copied      silver.people.email
      land          aggregated  silver.bought.who.land
      amount        aggregated  silver.bought.amount
      orders_count  counted     rows of silver.bought
                    counted     rows of silver.people
      origin        constant
    its rows are
      joined by   silver.bought: who.id
                  silver.people: person_id
      grouped by  silver.people: email, person_id
    ");
    insta::assert_snapshot!(said(&shop, &["lineage", "bronze.people"]), @"
    bronze.people  source
      person_id           read  `Nummer` of crm/people_{exported_on:%Y%m%d}.csv
      email               read  `E-post` or `Epost` of crm/people_{exported_on:%Y%m%d}.csv
      exported_on         read  the path of crm/people_{exported_on:%Y%m%d}.csv
      _kilde_source_file  read  where the record was read
      _kilde_source_row   read  where the record was read
    ");
    assert!(
        !shop.path("lake").exists(),
        "nothing is read and nothing made"
    );
}

#[test]
fn a_column_is_followed_up_to_the_field_of_its_export() {
    let shop = shop();
    insta::assert_snapshot!(said(&shop, &["lineage", "gold.buyers.email"]), @"
    gold.buyers.email          varchar, personal: email
    └─ silver.people.email     copied
       └─ bronze.people.email  computed                  `E-post` or `Epost` of crm/people_{exported_on:%Y%m%d}.csv
    the rows of gold.buyers are
      joined by   silver.bought: who.id
                  silver.people: person_id
      grouped by  silver.people: email, person_id
    ");
    // through an ephemeral step, into the one field of a struct
    insta::assert_snapshot!(said(&shop, &["lineage", "buyers.land"]), @"
    gold.buyers.land                varchar
    └─ silver.bought.who.land       aggregated
       └─ bronze.orders.buyer.land  copied      `buyer` of orders/*.ndjson
    the rows of gold.buyers are
      joined by   silver.bought: who.id
                  silver.people: person_id
      grouped by  silver.people: email, person_id
    ");
    insta::assert_snapshot!(said(&shop, &["lineage", "1+buyers.amount"]), @"
    gold.buyers.amount       decimal(19,2)
    └─ silver.bought.amount  aggregated
    the rows of gold.buyers are
      joined by   silver.bought: who.id
                  silver.people: person_id
      grouped by  silver.people: email, person_id
    ");
}

#[test]
fn a_column_is_followed_down_to_what_it_decides() {
    let shop = shop();
    let down = said(&shop, &["lineage", "bronze.people.person_id", "--down"]);
    insta::assert_snapshot!(down, @"
    bronze.people.person_id      bigint                    `Nummer` of crm/people_{exported_on:%Y%m%d}.csv
    └─ silver.people.person_id   copied
       ├─ gold.buyers.person_id  copied
       └─ rows of gold.buyers    joined by, grouped by it
    ");
    assert_eq!(said(&shop, &["lineage", "bronze.people.person_id+"]), down);
    insta::assert_snapshot!(said(&shop, &["lineage", "bronze.orders.buyer.land+"]), @"
    bronze.orders.buyer.land               `buyer` of orders/*.ndjson
    └─ silver.bought.who.land  copied
       └─ gold.buyers.land     aggregated
    ");
    insta::assert_snapshot!(said(&shop, &["lineage", "+silver.people.email+"]), @"
    silver.people.email     varchar
    └─ bronze.people.email  computed  `E-post` or `Epost` of crm/people_{exported_on:%Y%m%d}.csv
    silver.people.email  goes into
    ├─ gold.buyers.email            copied
    └─ rows of gold.buyers          grouped by it
    ");
}

#[test]
fn json_holds_every_edge_those_that_only_decide_among_them() {
    let shop = shop();
    let text = said(&shop, &["lineage", "gold.buyers.email", "--json"]);
    let report: Value = serde_json::from_str(&text).unwrap();
    let edges = report["edges"].as_array().unwrap();
    let edges: Vec<String> = edges
        .iter()
        .map(|edge| {
            let end = |end: &Value| {
                let column = end["column"].as_str().unwrap_or("*");
                format!("{}.{column}", end["table"].as_str().unwrap())
            };
            let how: Vec<&str> = edge["how"]
                .as_array()
                .unwrap()
                .iter()
                .map(|how| how.as_str().unwrap())
                .collect();
            format!(
                "{} {} {}",
                end(&edge["from"]),
                how.join("+"),
                end(&edge["to"])
            )
        })
        .collect();
    insta::assert_snapshot!(edges.join("\n"), @"
    bronze.people.email computed silver.people.email
    silver.bought.who.id joins gold.buyers.*
    silver.people.email groups gold.buyers.*
    silver.people.email copied gold.buyers.email
    silver.people.person_id joins+groups gold.buyers.*
    ");
    let columns = report["columns"].as_array().unwrap();
    let bronze = columns
        .iter()
        .find(|column| column["table"] == "bronze.people")
        .unwrap();
    assert_eq!(bronze["from"], serde_json::json!(["E-post", "Epost"]));
    assert_eq!(bronze["personal"], "email");
}

#[test]
fn what_is_no_column_is_answered_with_the_nearest() {
    let shop = shop();
    for (asked, answer) in [
        ("gold.buyer", "did you mean `gold.buyers`?"),
        ("gold.buyer.email", "did you mean `gold.buyers`?"),
        ("buyers.emial", "did you mean `email`?"),
        ("gold.buyers.emial", "did you mean `email`?"),
        ("nothing", "`kilde ls` lists them"),
        ("gold.*", "write `gold.customers`"),
        ("tag:x", "write `gold.customers`"),
    ] {
        let said = shop.kilde(&["lineage", asked]).ended(2).stderr;
        assert!(said.contains(answer), "{asked}: {said}");
    }
}

#[test]
fn an_address_of_the_shipped_project_is_followed_to_its_exports() {
    let company = Sandbox::shipped(false);
    let tree = said(&company, &["lineage", "gold.customers.email"]);
    insta::assert_snapshot!(tree.split("the rows of").next().unwrap(), @"
    gold.customers.email                   varchar, personal: email
    └─ identity.golden_customers.email     copied
       └─ silver.people.email              copied
          ├─ bronze.consents.email         computed                  `email` of newsletter/consents_{exported_on:%Y%m%d}.csv
          ├─ bronze.crm_customers.email    computed                  `E-post` or `Epost` of crm/customers_{exported_on:%Y%m%d}.csv.gz
          ├─ bronze.loyalty_members.email  computed                  `email` of loyalty/members_{exported_on:%Y%m%d}.parquet
          └─ bronze.web_customers.email    computed                  `email` of webshop/customers_{exported_on:%Y%m%d}.ndjson.gz
    ");
}
