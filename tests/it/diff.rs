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

#[test]
fn a_page_tells_people_what_changed_and_holds_nobodys_data() {
    let shop = shop();
    shop.write(
        "kilde.yaml",
        "project: shop\nraw: exports/\nlake: lake/\nhighlights:\n  people: {table: gold.people, person: person}\n  groups: {table: gold.members, by: town}\n  figures: {table: gold.figures, name: name, period: day, value: value, low: low, high: high, target: target}\n",
    );
    shop.write(
        "sql/gold/people.sql",
        "-- gold.people: one row per record.\nselect id, coalesce(nullif(town, ''), 'none') as person from bronze.customers\n",
    );
    shop.write(
        "schemas/gold/people.yaml",
        "description: Whose record it is.\ngrain: one row per record\nkey: [id]\ncolumns:\n  - {name: id, data_type: bigint, description: Record.}\n  - {name: person, data_type: varchar, description: Person.}\n",
    );
    shop.write(
        "sql/gold/members.sql",
        "-- gold.members: one row per town and customer.\nselect coalesce(town, '<b>none</b>') as town, id from bronze.customers\n",
    );
    shop.write(
        "schemas/gold/members.yaml",
        "description: Who lives where.\ngrain: one row per town and customer\nkey: [town, id]\ncolumns:\n  - {name: town, data_type: varchar, description: Town.}\n  - {name: id, data_type: bigint, description: Customer.}\n",
    );
    shop.write(
        "sql/gold/figures.sql",
        "-- gold.figures: one row per figure and day.\nselect 'visits' as name, sent_on as day, count(*) as value, count(*) - 1 as low, count(*) + 1 as high, 4 as target from bronze.visits group by sent_on\n",
    );
    shop.write(
        "schemas/gold/figures.yaml",
        "description: Visits a day.\ngrain: one row per figure and day\nkey: [name, day]\ncolumns:\n  - {name: name, data_type: varchar, description: Figure.}\n  - {name: day, data_type: date, description: Day.}\n  - {name: value, data_type: bigint, description: Value.}\n  - {name: low, data_type: bigint, description: Low.}\n  - {name: high, data_type: bigint, description: High.}\n  - {name: target, data_type: bigint, description: Target.}\n",
    );
    let visits = shop.read("schemas/bronze/visits.yaml");
    shop.write(
        "schemas/bronze/visits.yaml",
        format!("{visits}  - {{name: sent_on, data_type: date}}\n"),
    );
    shop.kilde(&["build"]).ended(0);
    second_night(&shop);
    shop.kilde(&["build"]).ended(0);
    shop.kilde(&["diff", "--html", "page.html"]).ended(0);
    let page = shop.read("page.html");
    // before: Lund 1 2, Umeå 3, none 4, Kiruna 5; now: Malmö 1, Lund 2 3 6, Boden 4
    for part in [
        "<td class=number>4</td><td>people before</td>",
        "<td class=number>+0</td><td>came",
        "<td class=number>−2</td><td>turned out to be somebody whom we knew",
        "<td class=number>+2</td><td>turned out to be somebody else</td>",
        "<td class=number>−1</td><td>left",
        "<td class=number>3</td><td>people now, behind 5 records</td>",
        "&lt;b&gt;none&lt;/b&gt;",
        "<figcaption>visits<br><b>2.00</b> <span class=faint>1.00 – 3.00</span> <span class=faint>target 4.00</span>",
        "+1 −1 ~3",
    ] {
        assert!(page.contains(part), "{part}:\n{page}");
    }
    for part in ["<b>none</b>", "@example", "http", "<script"] {
        assert!(!page.contains(part), "{part}:\n{page}");
    }
    shop.write("kilde.yaml", "project: shop\nraw: exports/\nlake: lake/\n");
    shop.kilde(&["diff", "1", "1", "--html", "page.html"])
        .ended(0);
    let page = shop.read("page.html");
    assert!(
        page.contains("<p>nothing</p>") && !page.contains("<h2>People"),
        "{page}"
    );
}
