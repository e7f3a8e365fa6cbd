//! `- correct:` from outside: what stewards put right in the table of a source, and what becomes of it.

use crate::sandbox::Sandbox;

const PIPELINE: &str = "sources:
  - {table: bronze.crm, files: 'crm/*.csv', read: csv, load: replace}
  - {table: bronze.shop, files: 'shop/*.csv', read: csv, load: replace}
  - {table: stewardship.corrections, files: 'stewardship/*.csv', read: csv, load: replace}
steps:
  - correct: {table: silver.crm_corrected, of: bronze.crm, corrections: stewardship.corrections}
  - correct: {table: silver.shop_corrected, of: bronze.shop, corrections: stewardship.corrections}
  - sql: silver/*
  - match:
      table: identity.people
      records: silver.people
      record_key: [customer_id]
      block: ssn
      compare: [{exact: {column: ssn}}]
      must: [ssn]
  - golden:
      table: silver.known
      of: identity.people
      fields:
        - {columns: city, rules: [{corrected: corrected_columns}, smallest]}
";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::with(&[
        ("kilde.yaml", "project: club\nraw: exports/\nlake: lake/\n"),
        ("pipelines/club.yaml", PIPELINE),
        (
            "schemas/bronze/crm.yaml",
            "description: Customers.
key: [customer_id]
columns:
  - {name: customer_id, data_type: bigint}
  - {name: ssn, data_type: varchar}
  - {name: city, data_type: varchar}
  - {name: since_on, data_type: date}
",
        ),
        (
            "schemas/bronze/shop.yaml",
            "description: Lines of receipts.
key: [receipt, line]
columns:
  - {name: receipt, data_type: varchar}
  - {name: line, data_type: integer}
  - {name: amount, data_type: 'decimal(10,2)'}
",
        ),
        (
            "schemas/stewardship/corrections.yaml",
            "description: What people know better.
rollback: keeps
columns:
  - {name: table, data_type: varchar}
  - {name: key, data_type: varchar}
  - {name: column, data_type: varchar}
  - {name: value, data_type: varchar}
  - {name: on, data_type: date}
  - {name: by, data_type: varchar}
",
        ),
        (
            "sql/silver/people.sql",
            "-- silver.people: one row per customer.\nselect customer_id, ssn, city, since_on, corrected_columns from silver.crm_corrected\n",
        ),
        (
            "sql/silver/lines.sql",
            "-- silver.lines: one row per line.\nselect receipt, line, amount from silver.shop_corrected\n",
        ),
    ]);
    let crm = "customer_id,ssn,city,since_on\n1,a,Vik,2020-01-01\n2,b,Olso,2020-01-02\n3,c,Lund,2020-01-03\n4,b,Bergen,2020-01-04\n";
    sandbox.write("exports/crm/1.csv", crm);
    sandbox.write(
        "exports/shop/1.csv",
        "receipt,line,amount\nr1,1,10.00\nr1,2,20.00\n",
    );
    sandbox
}

fn correct(sandbox: &Sandbox, file: &str, rows: &[&str]) {
    let text = format!("table,key,column,value,on,by\n{}\n", rows.join("\n"));
    sandbox.write(&format!("exports/stewardship/{file}.csv"), text);
}

fn outcomes(sandbox: &Sandbox) -> Vec<String> {
    let sql = "select concat_ws('|', source_row, outcome, coalesce(source_value, '-')) from
        (select * from silver.crm_corrected_corrections union all select * from silver.shop_corrected_corrections) order by source_row";
    let rows = sandbox.query(sql).into_iter();
    rows.map(|row| row[0].clone()).collect()
}

fn cities(sandbox: &Sandbox) -> String {
    let rows = sandbox.query("select coalesce(city, '-') from silver.people order by customer_id");
    rows.concat().join(" ")
}

/// What a build said of a table.
fn line<'a>(said: &'a str, table: &str) -> &'a str {
    let found = said.lines().find(|line| line.contains(table));
    found.unwrap_or_else(|| panic!("{table}: {said}"))
}

#[test]
fn a_correction_stands_in_the_place_of_the_source_s_value_until_the_source_says_so_or_it_is_taken_back()
 {
    let club = sandbox();
    let first = [
        // the key as the spreadsheet of a review guards it
        "bronze.crm,'2,city,Oslo,2026-03-02,Eva",
        "bronze.crm,1,city,Narvik,2026-03-01,Eva",
        "Bronze.crm,1,City,Bodin,2026-03-02,Eva",
        "bronze.crm,1,city,Bode,2026-03-02,Ola",
        "bronze.crm,3,city,,2026-03-01,Eva",
        "bronze.crm,3,since_on,soon,2026-03-01,Eva",
        "bronze.crm,3,since_on,2019-12-31,2026-02-01,Eva",
        "bronze.crm,99,city,Oslo,2026-03-01,Eva",
        "bronze.crm,2,citty,Oslo,2026-03-01,Eva",
        "bronze.crm,2,customer_id,7,2026-03-01,Eva",
        "bronze.crmm,2,city,Oslo,2026-03-01,Eva",
        "bronze.shop,r1:2,amount,21.50,2026-03-01,Eva",
    ];
    correct(&club, "1", &first);
    let said = club.kilde(&["build"]).ended(0);
    // of two of one day the one that landed last stands, which is told, and one that is no value does not hide an older one
    assert_eq!(cities(&club), "Bode Oslo - Bergen");
    let rows = club.query(
        "select replace(coalesce(corrected_columns, '-'), ', ', ' ') || ' ' || since_on from silver.people order by customer_id",
    );
    let expected = [
        "city 2020-01-01",
        "city 2020-01-02",
        "city since_on 2019-12-31",
        "- 2020-01-04",
    ];
    assert_eq!(rows.concat(), expected);
    assert_eq!(
        club.query("select amount from silver.lines order by line")
            .concat(),
        ["10.00", "21.50"]
    );
    let landed = club
        .query("select city from bronze.crm order by customer_id")
        .concat();
    assert_eq!(landed, ["Vik", "Olso", "Lund", "Bergen"]);
    let expected = [
        "2|applied|Olso",
        "3|superseded|-",
        "4|contradicted|-",
        "5|applied|Vik",
        "6|applied|Lund",
        "7|not_a_value|-",
        "8|applied|2020-01-03",
        "9|unknown_key|-",
        "10|unknown_column|-",
        "11|key_column|-",
        "12|unknown_table|-",
        "13|applied|20.00",
    ];
    assert_eq!(outcomes(&club), expected);
    let file = club.query("select distinct source_file from silver.crm_corrected_corrections");
    assert_eq!(file, [["stewardship/1.csv"]]);
    // those that do nothing are warned of
    let output = said.stdout + &said.stderr;
    assert!(output.contains("accepted_values(outcome)"), "{output}");
    // a corrected value wins, and the golden record says so
    let known =
        club.query("select value, rule from silver.known_sources where customer_id < 3 order by 1");
    assert_eq!(known, [["Bode", "corrected"], ["Oslo", "corrected"]]);

    let before = club.objects();
    club.kilde(&["build"]).ended(0);
    assert_eq!(club.objects(), before);

    // a correction of another table makes nothing of this one anew
    let mut second = first.to_vec();
    second.push("bronze.shop,r1:1,amount,11.00,2026-03-03,Eva");
    correct(&club, "2", &second);
    let said = club.kilde(&["build"]).ended(0).stdout;
    assert!(line(&said, "silver.lines").contains("✓"), "{said}");
    assert!(!said.contains("silver.people "), "{said}");

    // the source says so by now, and one is taken back
    let crm = "customer_id,ssn,city,since_on\n1,a,Vik,2020-01-01\n2,b,Oslo,2020-01-02\n3,c,Lund,2020-01-03\n4,b,Bergen,2020-01-04\n";
    club.write("exports/crm/2.csv", crm);
    second.remove(4);
    correct(&club, "3", &second);
    club.kilde(&["build"]).ended(0);
    assert_eq!(cities(&club), "Bode Oslo Lund Bergen");
    assert_eq!(outcomes(&club)[0], "2|caught_up|Oslo");
    assert_eq!(
        club.query("select value from silver.known_sources where customer_id = 2"),
        [["Oslo"]]
    );
    assert!(
        !club
            .kilde(&["contract", "silver.crm_corrected"])
            .ended(0)
            .stdout
            .contains("steps:")
    );
}

/// One table `bronze.crm` and its corrections, with a contract and a source of each as given.
fn small(crm: &str, crm_source: &str, landing: &str) -> Sandbox {
    let pipeline = format!(
        "sources:
  - {{table: bronze.crm, files: 'crm/*.csv', {crm_source}}}
  - {{table: stewardship.corrections, files: 'stewardship/{landing}.csv', read: csv}}
steps:
  - correct: {{table: silver.crm, of: bronze.crm, corrections: stewardship.corrections}}
  - sql: silver/*
"
    );
    let landed = match landing.contains("landed") {
        true => "  - {name: landed, data_type: date}\n",
        false => "",
    };
    let corrections = format!(
        "description: What people know better.\nrollback: keeps\ncolumns:\n  - {{name: table, data_type: varchar}}
  - {{name: key, data_type: varchar}}\n  - {{name: column, data_type: varchar}}\n  - {{name: value, data_type: varchar}}
  - {{name: on, data_type: date}}\n{landed}"
    );
    Sandbox::with(&[
        ("kilde.yaml", "project: club\nraw: exports/\nlake: lake/\n"),
        ("pipelines/club.yaml", &pipeline),
        ("schemas/bronze/crm.yaml", crm),
        ("schemas/stewardship/corrections.yaml", &corrections),
        (
            "sql/silver/people.sql",
            "-- silver.people: one row per customer.\nselect * from silver.crm\n",
        ),
    ])
}

const CITIES: &str = "description: Customers.
key: [customer_id]
columns:
  - {name: customer_id, data_type: varchar}
  - {name: city, data_type: varchar}
  - {name: paid, data_type: 'decimal(10,2)'}
";

/// Corrections of `bronze.crm`: key, column, value, day.
fn say(club: &Sandbox, file: &str, rows: &[&str]) {
    let mut text = "table,key,column,value,on\n".to_string();
    for row in rows {
        text += &format!("bronze.crm,{row}\n");
    }
    club.write(&format!("exports/stewardship/{file}.csv"), text);
}

/// What became of each correction, by its value.
fn became(club: &Sandbox) -> Vec<String> {
    let sql = "select concat_ws(' ', coalesce(\"value\", '-'), outcome) from silver.crm_corrections order by 1";
    club.query(sql).concat()
}

fn row(club: &Sandbox, columns: &str) -> String {
    let sql = format!("select concat_ws(' ', {columns}) from silver.people order by 1");
    club.query(&sql).concat().join("; ")
}

#[test]
fn of_one_day_the_correction_whose_path_is_of_the_latest_time_stands_and_the_others_are_told_to_contradict_it()
 {
    let club = small(CITIES, "read: csv, load: replace", "{landed:%d%m%Y}");
    club.write("exports/crm/1.csv", "customer_id,city,paid\n1,Vik,10.00\n");
    // by their paths as texts the order is the other way round
    say(
        &club,
        "28022026",
        &["1,city,Narvik,2026-02-20", "1,paid,21.50,2026-02-20"],
    );
    say(
        &club,
        "01032026",
        &["1,city,Mo,2026-02-20", "1,paid,21.5,2026-02-20"],
    );
    let said = club.kilde(&["build"]).ended(0);
    assert_eq!(row(&club, "city, paid"), "Mo 21.50");
    // two that write one value each in its own way agree
    let expected = [
        "21.5 applied",
        "21.50 superseded",
        "Mo applied",
        "Narvik contradicted",
    ];
    assert_eq!(became(&club), expected);
    let output = said.stdout + &said.stderr;
    assert!(output.contains("accepted_values(outcome)"), "{output}");
    // a newer one settles it
    say(&club, "02032026", &["1,city,Bergen,2026-03-02"]);
    club.kilde(&["build"]).ended(0);
    assert_eq!(row(&club, "city"), "Bergen");
    let expected = [
        "21.5 applied",
        "21.50 superseded",
        "Bergen applied",
        "Mo superseded",
        "Narvik superseded",
    ];
    assert_eq!(became(&club), expected);
}

#[test]
fn a_correction_that_is_no_value_is_told_until_a_later_one_can_be_read() {
    let club = small(CITIES, "read: csv, load: replace", "*");
    club.write("exports/crm/1.csv", "customer_id,city,paid\n1,Vik,10.00\n");
    say(
        &club,
        "1",
        &["1,paid,11.00,2026-03-01", "1,paid,much,2026-03-02"],
    );
    club.kilde(&["build"]).ended(0);
    assert_eq!(row(&club, "paid"), "11.00");
    assert_eq!(became(&club), ["11.00 applied", "much not_a_value"]);
    say(&club, "2", &["1,paid,12.00,2026-03-03"]);
    club.kilde(&["build"]).ended(0);
    assert_eq!(row(&club, "paid"), "12.00");
    assert_eq!(
        became(&club),
        ["11.00 superseded", "12.00 applied", "much superseded"]
    );
}

#[test]
fn a_key_that_several_records_answer_to_corrects_none_of_them() {
    let contract = "description: Customers.
key: [shop, no]
columns:
  - {name: shop, data_type: varchar}
  - {name: 'no', data_type: varchar}
  - {name: city, data_type: varchar}
";
    let club = small(contract, "read: csv, load: append", "*");
    // the key of an `append` source is not tested: parts may be absent
    club.write(
        "exports/crm/1.csv",
        "shop,no,city\na:b,c,Vik\na,b:c,Mo\nd:e,f,Oslo\n,g,Lund\ng,,Ystad\n",
    );
    say(
        &club,
        "1",
        &[
            "a:b:c,city,One,2026-03-01",
            "d:e:f,city,Two,2026-03-01",
            "g,city,Three,2026-03-01",
        ],
    );
    club.kilde(&["build"]).ended(0);
    assert_eq!(row(&club, "city"), "Lund; Mo; Two; Vik; Ystad");
    assert_eq!(
        became(&club),
        ["One ambiguous_key", "Three unknown_key", "Two applied"]
    );
}

#[test]
fn a_time_is_corrected_in_the_zone_of_its_source_and_a_boolean_in_words() {
    let contract = "description: Customers.
key: [customer_id]
columns:
  - {name: customer_id, data_type: varchar}
  - {name: seen_at, data_type: timestamp}
  - {name: until_at, data_type: timestamp}
  - {name: is_member, data_type: boolean}
";
    let club = small(
        contract,
        "read: {csv: {zone: Europe/Stockholm}}, load: replace",
        "*",
    );
    club.write(
        "exports/crm/1.csv",
        "customer_id,seen_at,until_at,is_member\n1,2026-07-01 10:00,2026-07-01,false\n2,2026-07-02 10:00,,true\n",
    );
    say(
        &club,
        "1",
        &[
            "1,seen_at,2026-07-01 10:00,2026-07-03",
            "1,until_at,9999-12-31,2026-07-03",
            "1,is_member,true,2026-07-03",
            "2,seen_at,2026-07-02T09:00:00+00:00,2026-07-03",
            "2,is_member,no idea,2026-07-03",
        ],
    );
    club.kilde(&["build"]).ended(0);
    let rows = row(&club, "customer_id, seen_at, until_at, is_member");
    assert_eq!(
        rows,
        "1 2026-07-01T08:00:00Z 9999-12-30T23:00:00Z true; 2 2026-07-02T09:00:00Z true"
    );
    let expected = [
        "2026-07-01 10:00 caught_up",
        "2026-07-02T09:00:00+00:00 applied",
        "9999-12-31 applied",
        "no idea not_a_value",
        "true applied",
    ];
    assert_eq!(became(&club), expected);
}

#[test]
fn every_record_of_a_repeated_key_is_corrected() {
    let club = small(CITIES, "read: csv, load: append", "*");
    club.write("exports/crm/1.csv", "customer_id,city,paid\n1,Vik,10.00\n");
    club.write(
        "exports/crm/2.csv",
        "customer_id,city,paid\n1,Mo,20.00\n2,Lund,5.00\n",
    );
    say(&club, "1", &["1,city,Mo,2026-03-01"]);
    club.kilde(&["build"]).ended(0);
    assert_eq!(
        row(&club, "customer_id, city, paid"),
        "1 Mo 10.00; 1 Mo 20.00; 2 Lund 5.00"
    );
    assert_eq!(became(&club), ["Mo applied"]);
    // only where all of them say so the correction can go
    club.write("exports/crm/1.csv", "customer_id,city,paid\n1,Mo,10.00\n");
    club.kilde(&["build"]).ended(0);
    assert_eq!(became(&club), ["Mo caught_up"]);
}

#[test]
fn a_rollback_takes_the_corrected_rows_back_and_keeps_what_was_said() {
    let club = small(CITIES, "read: csv, load: replace", "*");
    club.write("exports/crm/1.csv", "customer_id,city,paid\n1,Vik,10.00\n");
    say(&club, "1", &["9,city,Bergen,2026-03-01"]);
    club.kilde(&["build"]).ended(0);
    say(&club, "2", &["1,city,Mo,2026-03-01"]);
    club.kilde(&["build"]).ended(0);
    assert_eq!(row(&club, "city"), "Mo");
    club.kilde(&["rollback", "1"]).ended(0);
    assert_eq!(row(&club, "city"), "Vik");
    assert_eq!(
        club.query("select count(*) from stewardship.corrections"),
        [["2"]]
    );
    club.kilde(&["resume"]).ended(0);
    club.kilde(&["build"]).ended(0);
    assert_eq!(row(&club, "city"), "Mo");
    assert_eq!(became(&club), ["Bergen unknown_key", "Mo applied"]);
}

#[test]
fn a_corrected_table_is_published_only_where_its_contract_says_so_and_tested_wherever_it_stands() {
    let club = small(CITIES, "read: csv, load: replace", "*");
    club.write("exports/crm/1.csv", "customer_id,city,paid\n1,Vik,10.00\n");
    say(&club, "1", &["1,city,Mo,2026-03-01"]);
    let contract = |more: &str| {
        club.write(
            "schemas/silver/crm.yaml",
            format!("description: Customers as we know them.\nkey: [customer_id]\n{more}"),
        );
    };
    contract("");
    club.kilde(&["build"]).ended(0);
    assert!(!club.digests().contains_key("silver.crm"));
    assert_eq!(row(&club, "city"), "Mo");
    contract("materialized: table\n");
    club.kilde(&["build"]).ended(0);
    assert!(club.digests().contains_key("silver.crm"));
    let corrected = club.query("select city, corrected_columns from silver.crm");
    assert_eq!(corrected, [["Mo", "city"]]);
    contract("columns: [{name: customer_id, data_type: bigint}]\n");
    let said = club.kilde(&["check"]).ended(2).stderr;
    assert!(said.contains("schemas/silver/crm.yaml"), "{said}");
}

#[test]
fn what_was_corrected_is_of_the_person_whose_record_it_is_and_masked_like_one() {
    let contract = "description: Customers.
key: [customer_id]
subject: {customer: customer_id}
columns:
  - {name: customer_id, data_type: varchar}
  - {name: called, data_type: varchar, personal: name}
  - {name: email, data_type: varchar, personal: email}
  - {name: city, data_type: varchar}
";
    let club = small(contract, "read: csv, load: replace", "*");
    club.write(
        "exports/crm/1.csv",
        "customer_id,called,email,city\n1,Tora Solheim,tora@mail.example,Vik\n2,Liv Aakre,liv@mail.example,Mo\n",
    );
    club.write(
        "schemas/silver/people.yaml",
        "description: People.\nkey: [customer_id]\n",
    );
    say(
        &club,
        "1",
        &["1,city,Bergen,2026-03-01", "2,city,Oslo,2026-03-01"],
    );
    club.kilde(&["build"]).ended(0);
    say(&club, "2", &["1,email,t@mail.example,2026-03-02"]);
    club.kilde(&["build"]).ended(0);
    let shown = club.kilde(&["customer", "1", "--json"]).ended(0).stdout;
    let portrait: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let tables = portrait["tables"].as_array().unwrap();
    let corrections = tables
        .iter()
        .find(|table| table["table"] == "silver.crm_corrections");
    let corrections = corrections.unwrap_or_else(|| panic!("{shown}"));
    assert_eq!(corrections["rows_count"], 2, "{shown}");
    assert!(!shown.contains("Oslo"), "{shown}");
    // who has the address that a correction put aside is not found by the report of it
    let said = club
        .kilde(&["diff", "--rows", "silver.crm_corrections"])
        .ended(0)
        .stdout;
    assert!(
        said.contains('‹') && !said.contains("@mail.example"),
        "{said}"
    );
}
