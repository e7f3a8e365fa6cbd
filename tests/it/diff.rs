//! `kilde diff`: what lies between two releases.

use serde_json::Value;

use crate::sandbox::Sandbox;

/// Customers by key, and a log of visits without one.
fn shop() -> Sandbox {
    Sandbox::with(&[
        ("kilde.yaml", "project: shop\nraw: exports/\nlake: lake/\n"),
        (
            "pipelines/shop.yaml",
            "owner: {name: Shop, email: shop@example.com}\nsources:\n  - table: bronze.customers\n    files: customers_{sent_on:%Y%m%d}.csv\n    read: {csv: {}}\n    load: replace\n  - table: bronze.visits\n    files: visits_{sent_on:%Y%m%d}.csv\n    read: {csv: {}}\n    load: append\nsteps:\n  - sql: gold/*\n",
        ),
        (
            "schemas/bronze/customers.yaml",
            "grain: one row per customer\nkey: [id]\ncolumns:\n  - {name: id, data_type: bigint}\n  - {name: email, data_type: varchar, personal: email}\n  - {name: town, data_type: varchar}\n",
        ),
        (
            "schemas/bronze/visits.yaml",
            "grain: one row per visit\ncolumns:\n  - {name: customer, data_type: bigint}\n  - {name: page, data_type: varchar}\n",
        ),
        (
            "sql/gold/towns.sql",
            "-- gold.towns: one row per town.\nselect town, count(*) as customers from bronze.customers where town is not null group by town\n",
        ),
        (
            "schemas/gold/towns.yaml",
            "description: Customers per town.\ngrain: one row per town\nkey: [town]\ncolumns:\n  - {name: town, data_type: varchar, description: Town.}\n  - {name: customers, data_type: bigint, description: How many.}\n",
        ),
        (
            "exports/customers_20260101.csv",
            "id,email,town\n1,ann@example.com,Lund\n2,bo@example.com,Lund\n3,cia@example.com,Umeå\n4,dag@example.com,\n5,eva@example.com,Kiruna\n",
        ),
        (
            "exports/visits_20260101.csv",
            "customer,page\n1,/a\n1,/a\n2,/b\n",
        ),
    ])
}

fn second_night(shop: &Sandbox) {
    shop.write(
        "exports/customers_20260102.csv",
        "id,email,town\n1,ann@example.org,Malmö\n2,bo@example.com,Lund\n3,cia@example.com,Lund\n4,dag@example.com,Boden\n6,finn@example.com,Lund\n",
    );
    shop.write("exports/visits_20260102.csv", "customer,page\n1,/a\n7,/c\n");
}

#[test]
fn releases_are_compared_by_tables_columns_and_rows() {
    let shop = shop();
    shop.kilde(&["build"]).ended(0);
    let said = shop.kilde(&["diff"]).ended(2);
    assert!(
        said.stderr.contains("nothing to compare"),
        "{}",
        said.stderr
    );
    second_night(&shop);
    shop.write(
        "sql/gold/towns.sql",
        "-- gold.towns: one row per town.\nselect town, count(*) as customers, count(email) as reachable from bronze.customers where town is not null group by town\n",
    );
    shop.write(
        "schemas/gold/towns.yaml",
        "description: Customers per town.\ngrain: one row per town\nkey: [town]\ncolumns:\n  - {name: town, data_type: varchar, description: Town.}\n  - {name: customers, data_type: bigint, description: How many.}\n  - {name: reachable, data_type: bigint, description: With e-mail.}\n",
    );
    shop.kilde(&["build"]).ended(0);
    let said = shop.kilde(&["diff"]).ended(0);
    for line in [
        "release 1 → 2",
        "3 of 3 tables differ",
        "~  bronze.visits     3 → 5 rows",
        "gold.towns  + column reachable bigint",
    ] {
        assert!(said.stdout.contains(line), "{line}:\n{}", said.stdout);
    }
    let said = shop.kilde(&["diff", "--rows", "1", "2"]).ended(0);
    for line in [
        "bronze.customers  +1  −1  ~3  by id       town 3, email 1",
        "bronze.visits     +2  −0      whole rows",
    ] {
        assert!(said.stdout.contains(line), "{line}:\n{}", said.stdout);
    }
    assert!(!said.stdout.contains("rows of"), "{}", said.stdout);
}

#[test]
fn rows_of_one_table_are_shown_and_personal_ones_only_when_asked_for() {
    let shop = shop();
    shop.kilde(&["build"]).ended(0);
    second_night(&shop);
    shop.kilde(&["build"]).ended(0);
    let said = shop.kilde(&["diff", "--rows", "customers"]).ended(0);
    for line in [
        "~ id 1\n      email  ‹email› → ‹email›\n      town  Lund → Malmö\n",
        "      town  ∅ → Boden\n",
        "+ id 6\n",
        "− id 5\n",
    ] {
        assert!(said.stdout.contains(line), "{line}:\n{}", said.stdout);
    }
    assert!(!said.stdout.contains("ann@"), "{}", said.stdout);
    assert!(!said.stdout.contains("bronze.visits"), "{}", said.stdout);
    let raw = shop
        .kilde(&["diff", "--rows", "customers", "--raw"])
        .ended(0);
    assert!(
        raw.stdout.contains("ann@example.com → ann@example.org"),
        "{}",
        raw.stdout
    );
    let json = shop
        .kilde(&["diff", "1", "2", "--rows=bronze.visits", "--format", "json"])
        .ended(0);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    let changes = &json["different"][0]["row_changes"];
    assert_eq!(
        (&changes["added"], &changes["removed"]),
        (&2.into(), &0.into())
    );
    assert_eq!(changes["sample"][0]["row"][1][1], "/a");
    let said = shop.kilde(&["diff", "--rows", "custmers"]).ended(2);
    assert!(
        said.stderr.contains("K0903") && said.stderr.contains("did you mean"),
        "{}",
        said.stderr
    );
}

#[test]
fn a_table_that_came_or_went_is_said_and_the_selection_narrows() {
    let shop = shop();
    shop.kilde(&["build"]).ended(0);
    std::fs::remove_file(shop.path("sql/gold/towns.sql")).unwrap();
    std::fs::remove_file(shop.path("schemas/gold/towns.yaml")).unwrap();
    shop.write(
        "sql/gold/pages.sql",
        "-- gold.pages: one row per page.\nselect page, count(*) as visits from bronze.visits group by page\n",
    );
    shop.write(
        "schemas/gold/pages.yaml",
        "description: Visits per page.\ngrain: one row per page\nkey: [page]\ncolumns:\n  - {name: page, data_type: varchar, description: Page.}\n  - {name: visits, data_type: bigint, description: How many.}\n",
    );
    shop.kilde(&["build", "--allow-breaking"]).ended(0);
    let said = shop.kilde(&["diff", "--rows"]).ended(0);
    for line in [
        "2 of 4 tables differ",
        "+  gold.pages  new, 2 rows",
        "−  gold.towns  no longer in the release",
    ] {
        assert!(said.stdout.contains(line), "{line}:\n{}", said.stdout);
    }
    let said = shop.kilde(&["diff", "-s", "bronze"]).ended(0);
    assert!(
        said.stdout.contains("2 tables: nothing differs"),
        "{}",
        said.stdout
    );
    // backwards, what came is what went
    let said = shop.kilde(&["diff", "2", "1", "-s", "gold.pages"]).ended(0);
    assert!(said.stdout.contains("−  gold.pages"), "{}", said.stdout);
}
