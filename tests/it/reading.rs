//! Readers at the command line: what a query gives, what is listed, what a release changed.

use crate::history::till;

#[test]
fn a_query_gives_each_form_whole_and_the_table_only_its_first_rows() {
    let till = till();
    let lines: Vec<String> = (0..300).map(|n| format!("Store {n},{n}")).collect();
    till.write(
        "exports/sales_20260102.csv",
        format!("store,amount\n{}\n", lines.join("\n")),
    );
    till.kilde(&["build"]).ended(0);
    let sql = "select amount, cast(amount as decimal(9, 2)) as price, store, repeat('x', 90) as long from bronze.sales order by amount, store";
    let table = till.kilde(&["query", sql]).ended(0).stdout;
    assert!(table.contains("302 rows, the first 200 shown"), "{table}");
    assert_eq!(table.lines().count(), 203);
    assert!(
        !table.contains(&"x".repeat(61)) && table.contains("xx…"),
        "{table}"
    );
    let csv = till
        .kilde(&["query", "--format", "csv", sql])
        .ended(0)
        .stdout;
    assert_eq!(csv.lines().count(), 303);
    let json = till
        .kilde(&["query", "--format", "json", sql])
        .ended(0)
        .stdout;
    let first: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&first["amount"], &first["store"]),
        (&0.into(), &"Store 0".into())
    );
    assert_eq!(first["price"], 0.0);
    assert_eq!(json.lines().count(), 302);

    till.kilde(&["query", "--output", "all.parquet", sql])
        .ended(0);
    let bytes = std::fs::read(till.path("all.parquet")).unwrap();
    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
    till.kilde(&["query", "-o", "all.csv", sql]).ended(0);
    assert_eq!(till.read("all.csv"), csv);
    assert!(!till.path("all.csv.part").exists());
    let said = till.kilde(&["query", "-o", "no/where.csv", sql]).ended(2);
    assert!(said.stderr.contains("no/where.csv"), "{}", said.stderr);
}

#[test]
fn a_failing_query_leaves_no_file_that_looks_whole() {
    let till = till();
    till.kilde(&["build"]).ended(0);
    let sql = "select cast(store as bigint) from bronze.sales";
    let said = till.kilde(&["query", "-o", "out.csv", sql]);
    assert_ne!(said.code, 0);
    assert!(!till.path("out.csv").exists() && !till.path("out.csv.part").exists());
    assert!(!said.stderr.contains("Lund"), "{}", said.stderr);
}

#[test]
fn ls_long_says_how_fresh_a_table_is_who_owns_and_who_reads_it() {
    let till = till();
    let before = till.kilde(&["ls", "--long"]).ended(0).stdout;
    assert!(
        before.contains("bronze.sales"),
        "listed before the first build: {before}"
    );
    till.kilde(&["build"]).ended(0);
    let gold = till.kilde(&["ls", "gold", "--long"]).ended(0).stdout;
    for word in [
        "gold.stores",
        "one row per store",
        "Sales per store.",
        "Stores",
        " s ago",
    ] {
        assert!(gold.contains(word), "{word}: {gold}");
    }
    assert!(!gold.contains("bronze.sales"), "{gold}");
    let json = till
        .kilde(&["ls", "-s", "bronze", "--json"])
        .ended(0)
        .stdout;
    let tables: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(tables[0]["read_by"], serde_json::json!(["gold.stores"]));
    assert_eq!(
        (&tables[0]["rows"], &tables[0]["changed_in"]),
        (&2.into(), &1.into())
    );
    let said = till.kilde(&["ls", "golden"]).ended(2);
    assert!(said.stderr.contains("finds no table"), "{}", said.stderr);
}

#[test]
fn a_release_tells_what_moved_and_why_against_the_one_before() {
    let till = till();
    let lines: Vec<String> = (0..40).map(|n| format!("Store {n},1")).collect();
    till.write(
        "exports/sales_20260102.csv",
        format!("store,amount\n{}\n", lines.join("\n")),
    );
    till.kilde(&["build"]).ended(0);
    let first = till.kilde(&["releases", "show", "1"]).ended(0).stdout;
    assert!(
        first.contains("new, 42 rows") && first.contains("2 of 2 tables"),
        "{first}"
    );
    assert!(first.contains("1 of 43 rejected"), "{first}");

    let more: Vec<String> = (40..100).map(|n| format!("Store {n},1")).collect();
    till.write(
        "exports/sales_20260103.csv",
        format!("store,amount\n{}\n", more.join("\n")),
    );
    till.kilde(&["build"]).ended(0);
    let said = till.kilde(&["releases", "show", "2"]).ended(0).stdout;
    for word in [
        "moved most",
        "+143 %",
        "42 → 102 rows",
        "compared with release 1",
        "1 export",
        "range(amount): 1 of 102 rows",
        "1 warned",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
    let json = till
        .kilde(&["releases", "show", "2", "--json"])
        .ended(0)
        .stdout;
    let story: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(story["moves"][0]["rows_before"], 42);
    till.kilde(&["rollback", "1"]).ended(0);
    let back = till.kilde(&["releases", "show", "3"]).ended(0).stdout;
    assert!(
        back.contains("a rollback: what release 1 held, again"),
        "{back}"
    );
    assert!(back.contains("102 → 42 rows"), "{back}");
    till.kilde(&["releases", "show", "9"]).ended(2);
}

#[test]
fn rejects_go_whole_to_a_file_and_by_reason_to_programs() {
    let till = till();
    till.kilde(&["build"]).ended(0);
    till.kilde(&["rejects", "sales", "--csv", "rejects.csv"])
        .ended(0);
    let csv = till.read("rejects.csv");
    assert_eq!(csv.lines().count(), 2, "{csv}");
    assert!(csv.contains("\"Lund,x\""), "{csv}");
    let json = till.kilde(&["rejects", "--json"]).ended(0).stdout;
    let groups: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&groups[0]["records"], &groups[0]["first_line"]),
        (&1.into(), &4.into())
    );
}

#[test]
fn a_query_that_cannot_be_run_is_answered_as_a_step_is() {
    let till = till();
    till.kilde(&["build"]).ended(0);
    for (sql, answers) in [
        (
            "select zeroifnull(amount) as amount from bronze.sales",
            ["K0305", "query:1:8", "write `coalesce(x, 0)`"],
        ),
        (
            "select amout\nfrom bronze.sales",
            ["K0303", "query:1:8", "did you mean `amount`?"],
        ),
        (
            "select amount from bronze.sales where store",
            ["K0309", "query:1:", "a condition is true or false"],
        ),
        (
            "select store, sum(amount) as amount from bronze.sales",
            ["K0307", "query:1:8", "`max(store)`"],
        ),
    ] {
        let said = till.kilde(&["query", sql]).ended(2).stderr;
        for answer in answers {
            assert!(said.contains(answer), "{sql}: {said}");
        }
    }
}

#[test]
fn looking_ahead_makes_no_lake_and_a_missing_folder_is_named() {
    let till = till();
    for command in [&["plan"][..], &["why", "stores"], &["ls"], &["check"]] {
        till.kilde(command).ended(0);
        assert!(!till.path("lake").exists(), "{command:?}");
    }
    std::fs::rename(till.path("exports"), till.path("away")).unwrap();
    for command in ["plan", "build"] {
        let said = till.kilde(&[command]).ended(2).stderr;
        assert!(said.contains("K0702") && said.contains("exports"), "{said}");
        assert!(said.contains("help: create it, or correct `raw`"), "{said}");
    }
    till.kilde(&["ls"]).ended(0);
    std::fs::rename(till.path("away"), till.path("exports")).unwrap();
    till.write("lake", "no folder");
    for command in ["plan", "build", "ls", "status"] {
        let said = till.kilde(&[command]).ended(2).stderr;
        assert!(
            said.contains("K0702") && said.contains("is a file"),
            "{said}"
        );
    }
}

#[test]
fn a_source_goes_by_its_short_name_where_a_step_has_the_same() {
    let till = till();
    till.write(
        "sql/gold/sales.sql",
        "-- gold.sales: one row per store.\nselect store, sum(amount) as amount from bronze.sales group by store\n",
    );
    let contract = till.read("schemas/gold/stores.yaml");
    till.write("schemas/gold/sales.yaml", contract);
    let said = till.kilde(&["build"]).ended(0);
    assert!(
        said.stdout.contains("kilde rejects sales"),
        "{}",
        said.stdout
    );
    let said = till.kilde(&["rejects", "sales"]).ended(0);
    assert!(said.stdout.contains("1 of 3 records"), "{}", said.stdout);
    let said = till.kilde(&["exports", "sales"]).ended(0);
    assert!(
        said.stdout.contains("sales_20260101.csv"),
        "{}",
        said.stdout
    );
    let said = till.kilde(&["rejects", "stores"]).ended(2);
    assert!(
        said.stderr.contains("`gold.stores` is no source"),
        "{}",
        said.stderr
    );
    let said = till.kilde(&["show", "sales"]).ended(2);
    assert!(
        said.stderr.contains("bronze.sales or gold.sales"),
        "{}",
        said.stderr
    );
}

#[test]
fn what_is_no_run_has_no_candidates() {
    let till = till();
    till.kilde(&["build"]).ended(0);
    for run in ["../../x", "20260301T020612044-../x", "yesterday"] {
        let said = till
            .kilde(&["query", "--candidate", run, "select 1"])
            .ended(2);
        assert!(
            said.stderr.contains("there is no report of run"),
            "{}",
            said.stderr
        );
    }
}

#[test]
fn a_data_file_that_is_gone_or_damaged_is_named_with_its_table_its_release_and_the_remedy() {
    let till = till();
    let pipeline = till.read("pipelines/till.yaml");
    till.write("pipelines/till.yaml", pipeline + "  - sql: silver/*\n");
    till.write(
        "sql/silver/copied.sql",
        "-- silver.copied: one row per sale.\nselect store, amount from bronze.sales\n",
    );
    till.kilde(&["build"]).ended(0);
    let files = till.objects().into_keys();
    let mut files = files.filter(|path| {
        let path = path.to_string_lossy();
        path.contains("silver/copied/") && path.ends_with(".parquet")
    });
    let file = till.path("lake").join(files.next().unwrap());
    assert!(file.exists(), "{}", file.display());
    let whole = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let name = file.file_name().unwrap().to_string_lossy().to_string();
    let said = till
        .kilde(&["query", "select * from silver.copied"])
        .ended(4);
    insta::assert_snapshot!(said.stderr.trim().replace(&name, "FILE"), @r"
    error[K0807]: a data file of `silver.copied` is gone
      --> silver/copied/FILE, of release 1
    help: restore the file from a backup of the lake, or make the table anew: `kilde build --full-refresh -s silver.copied`; `kilde rollback N` publishes a release that does not need it
    ");
    till.write(
        "sql/silver/of_copied.sql",
        "-- silver.of_copied: one row per sale.\nselect store from silver.copied\n",
    );
    let said = till.kilde(&["build"]).ended(4);
    assert!(
        said.stderr
            .contains("`silver.of_copied`: a data file of `silver.copied` is gone")
            && said.stderr.contains(&name)
            && said.stderr.contains("--full-refresh -s silver.copied"),
        "{}",
        said.stderr
    );
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    let said = till
        .kilde(&["query", "select * from silver.copied"])
        .ended(4);
    assert!(
        said.stderr
            .contains("a data file of `silver.copied` cannot be read")
            && said.stderr.contains(&name),
        "{}",
        said.stderr
    );
    // the remedy that is named is one
    till.kilde(&["build", "--full-refresh", "-s", "silver.copied"])
        .ended(0);
    assert_eq!(
        till.query("select count(*), min(store) is not null from silver.copied")
            .len(),
        1
    );
    till.kilde(&["build"]).ended(0);
}
