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
        "bronze.crm,2,city,Oslo,2026-03-02,Eva",
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
    // of two of one day the one that landed last stands, and one that is no value does not hide an older one
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
        "4|superseded|-",
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
