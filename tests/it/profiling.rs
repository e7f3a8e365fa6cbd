//! What stands in files that nobody described: `kilde profile` from outside.

use std::path::Path;

use serde_json::Value;

use crate::sandbox::{Sandbox, zip};

fn profile(sandbox: &Sandbox, what: &str) -> Value {
    let said = sandbox.kilde(&["profile", what, "--json"]).ended(0);
    serde_json::from_str(&said.stdout).unwrap()
}

/// The table whose name begins so.
fn table<'v>(found: &'v Value, name: &str) -> &'v Value {
    let mut tables = found["tables"].as_array().unwrap().iter();
    tables
        .find(|table| table["name"].as_str().unwrap().starts_with(name))
        .unwrap()
}

/// `name type personal`, of each column.
fn columns(table: &Value) -> Vec<String> {
    let columns = table["columns"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap_or("-").to_string();
    columns
        .map(|column| {
            [&column["name"], &column["data_type"], &column["personal"]]
                .map(text)
                .join(" ")
        })
        .collect()
}

fn shipped() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("exports").to_str().unwrap().to_string()
}

#[test]
fn the_sample_company_is_recognised_without_being_told_anything() {
    let here = Sandbox::empty();
    let found = profile(&here, &shipped());
    assert_eq!(found["tables"].as_array().unwrap().len(), 15);
    let customers = table(&found, "crm/customers_");
    assert_eq!(
        customers["read"],
        r#"{csv: {delimiter: ";", encoding: windows-1252, decimal: ",", dates: ["%d.%m.%Y"]}}"#
    );
    assert_eq!(customers["key"][0], "Kundnr");
    assert_eq!(customers["load"], "replace");
    assert_eq!(
        columns(customers)[..7],
        [
            "Kundnr varchar customer_number",
            "Förnamn varchar given_name",
            "Efternamn varchar family_name",
            "Personnummer varchar national_id",
            "Födelsedatum date birth_date",
            "E-post varchar email",
            "Telefon varchar phone",
        ]
    );
    let receipts = table(&found, "pos/receipts_");
    assert_eq!(
        receipts["name"],
        "pos/receipts_{exported_on:%Y%m%d}*.csv.gz"
    );
    assert_eq!(receipts["columns"][4]["data_type"], "timestamp");
    assert_eq!(receipts["columns"][8]["data_type"], "decimal(18,2)");
    let orders = table(&found, "webshop/orders_");
    let lines = "lines list<struct<sku varchar, quantity bigint, unit_price decimal(18,2), discount decimal(18,2)>> -";
    assert!(
        columns(orders).contains(&lines.to_string()),
        "{:?}",
        columns(orders)
    );
    let answers = table(&found, "survey/nps_");
    assert_eq!(answers["read"], "xlsx");
    assert_eq!(columns(answers)[1], "email varchar email");
    let joins = found["joins"].as_array().unwrap();
    let kundnr = joins
        .iter()
        .find(|join| join["column"] == "kundnr")
        .unwrap();
    assert_eq!(kundnr["to_column"], "Kundnr");
}

#[test]
fn no_personal_value_is_shown_on_screen_in_json_or_on_the_page() {
    let here = Sandbox::with(&[(
        "members.csv",
        "card_no,full_name,email,birth_date,city,level\n\
         1001,Ada Lindqvist,ada@example.com,1990-03-04,Växjö,gold\n\
         1002,Bo Ek,bo@example.com,1985-11-30,Växjö,gold\n\
         1003,Ada Lindqvist,ada@example.com,1990-03-04,Växjö,gold\n",
    )]);
    let text = here.kilde(&["profile", "members.csv"]).ended(0).stdout;
    let json = here
        .kilde(&["profile", "members.csv", "--json"])
        .ended(0)
        .stdout;
    let page_said = here
        .kilde(&["profile", "members.csv", "--html", "page.html"])
        .ended(0);
    assert_eq!(page_said.stdout, "page.html written\n");
    let page = here.read("page.html");
    for shown in [&text, &json, &page] {
        for value in ["Lindqvist", "ada@", "1990", "1001", "Växjö"] {
            assert!(!shown.contains(value), "{value} in {shown}");
        }
        assert!(shown.contains("gold"), "{shown}");
    }
    for foreign in ["<script", "http://", "https://", "src=", "@import"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    assert!(text.contains("written a@a.a"), "{text}");
}

#[test]
fn what_is_no_table_is_listed_with_its_reason() {
    let here = Sandbox::with(&[
        ("in/orders.csv", "id;total\n1;2,50\n2;3,75\n"),
        ("in/~$orders.xlsx", "x"),
        ("in/README", "words"),
        ("in/contract.pdf", "%PDF"),
        ("in/empty.csv", ""),
        ("in/archive.dat", "PK\u{3}\u{4}nothing"),
        ("in/broken.json", "{\"a\": [1, 2"),
        ("in/lines.ndjson", "{\"a\": 1}\n{\"a\": \n{\"a\"\n"),
    ]);
    let lay = |name: &str, bytes: Vec<u8>| std::fs::write(here.path(name), bytes).unwrap();
    let several = [
        ("a.csv", b"id\n1\n".to_vec()),
        ("b.csv", b"id\n2\n".to_vec()),
    ];
    lay("in/several.dat", zip(&several));
    let workbook = [
        ("xl/workbook.xml", b"<workbook><sheets><sheet".to_vec()),
        ("xl/worksheets/sheet1.xml", Vec::new()),
    ];
    lay("in/torn.xlsx", zip(&workbook));
    // nobody writes to this pipe
    #[cfg(unix)]
    {
        let pipe = here.path("in/pipe.csv");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let refusal = here.kilde(&["profile", "in/pipe.csv"]).ended(2).stderr;
        assert!(refusal.contains("neither a file nor a folder"), "{refusal}");
    }
    let found = profile(&here, "in");
    assert_eq!(found["tables"].as_array().unwrap().len(), 1);
    let why: Vec<String> = found["skipped"]
        .as_array()
        .unwrap()
        .iter()
        .map(|skipped| format!("{}: {}", skipped["path"], skipped["why"]).replace('"', ""))
        .collect();
    for expected in [
        "README: no ending that says what it is",
        "archive.dat: a damaged ZIP archive or workbook, or its upload broke off",
        "several.dat: a ZIP archive of several files: `files: NAME.zip!*.csv` of a source reads each that matches",
        "torn.xlsx: a damaged Excel workbook: ask its sender to deliver it again",
        "broken.json: broken JSON: it ends before it closes, in line 1",
        "lines.ndjson: JSON lines, half of them or more broken",
        "contract.pdf: no data, by its name",
        "empty.csv: empty",
        "~$orders.xlsx: somebody has it open in Excel",
        #[cfg(unix)]
        "pipe.csv: neither a file nor a folder",
    ] {
        assert!(why.iter().any(|why| why == expected), "{expected}: {why:?}");
    }
    let one = here.kilde(&["profile", "in/empty.csv"]).ended(2);
    assert!(one.stderr.contains("no table: empty"), "{}", one.stderr);
    let none = here.kilde(&["profile", "nowhere"]).ended(2);
    assert!(
        none.stderr.contains("no file, folder or table"),
        "{}",
        none.stderr
    );
}

#[test]
fn a_table_of_the_lake_is_looked_at_and_its_contract_says_what_is_personal() {
    let here = Sandbox::with(&[
        ("kilde.yaml", "project: shop\nraw: in/\nlake: lake/\n"),
        (
            "pipelines/shop.yaml",
            "sources:\n  - {table: bronze.visits, files: visits.csv, read: csv}\n",
        ),
        (
            "schemas/bronze/visits.yaml",
            "columns:\n  - {name: visit_id, data_type: bigint}\n  - {name: nick, data_type: varchar, personal: name}\n  - {name: page, data_type: varchar}\n",
        ),
        (
            "in/visits.csv",
            "visit_id,nick,page\n1,zorro,start\n2,zorro,start\n3,,start\n",
        ),
    ]);
    let early = here.kilde(&["profile", "visits"]).ended(2);
    assert!(
        early.stderr.contains("there is no lake yet"),
        "{}",
        early.stderr
    );
    here.kilde(&["build"]).ended(0);
    let found = profile(&here, "visits");
    let visits = &found["tables"][0];
    assert_eq!(visits["rows"], 3);
    assert_eq!(
        columns(visits)[..3],
        ["visit_id bigint -", "nick varchar name", "page varchar -"]
    );
    assert_eq!(visits["columns"][1]["empty"], 1);
    assert_eq!(visits["columns"][2]["top_values"][0]["value"], "start");
    assert!(!found.to_string().contains("zorro"), "{found}");
}

#[test]
fn columns_that_name_rows_only_together_with_a_person_or_by_chance_are_no_key() {
    let place = Sandbox::empty();
    let mut consents = "epost;samtycke\n".to_string();
    let mut visits = "besok;kanal;dag\n".to_string();
    let mut lines = "order_ref;rad;antal\n".to_string();
    for row in 0..60 {
        consents.push_str(&format!("kund{}@example.com;{}\n", row / 2, row % 2));
        // one visit of sixty came twice
        visits.push_str(&format!("b{:04};{};2026-01-01\n", row.max(1), row.min(1)));
        lines.push_str(&format!("o{:04};{};1\n", row / 3, row % 3));
    }
    place.write("in/samtycken.csv", consents);
    place.write("in/besok.csv", visits);
    place.write("in/orderrader.csv", lines);
    let found = profile(&place, "in");
    let key = |name: &str| table(&found, name)["key"].as_array().unwrap().len();
    assert_eq!(
        [key("samtycken"), key("besok"), key("orderrader")],
        [0, 0, 2]
    );
}
