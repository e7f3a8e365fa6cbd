//! Exports whose columns are not those of the contract: what is taken, what is refused, what a table gains.

use crate::sandbox::Sandbox;

/// Customers in a CSV; `settings` are more lines of their source.
fn crm(settings: &str) -> Sandbox {
    let crm = Sandbox::with(&[
        ("kilde.yaml", "project: crm\nraw: exports/\nlake: lake/\n"),
        (
            "pipelines/crm.yaml",
            &format!(
                "sources:\n  - table: bronze.people\n    files: people_{{exported_on:%Y%m%d}}.csv\n    read: csv\n{settings}steps:\n  - sql: silver/*\n"
            ),
        ),
        (
            "schemas/bronze/people.yaml",
            "key: [id]\ncolumns:\n  - {name: id, data_type: bigint}\n  - {name: email, data_type: varchar, from: E-post}\n  - {name: born_on, data_type: date}\n",
        ),
        (
            "sql/silver/people.sql",
            "-- silver.people: one row per record.\nselect * from bronze.people\n",
        ),
    ]);
    crm.write(
        "exports/people_20260101.csv",
        "id,E-post,born_on\n1,a@x.se,1980-01-01\n2,b@x.se,1981-01-01\n",
    );
    crm.kilde(&["build"]).ended(0);
    crm
}

#[test]
fn an_alias_is_read_told_once_and_reads_nothing_again() {
    let crm = crm("");
    crm.write(
        "exports/people_20260102.csv",
        "id,mail,born_on\n3,c@x.se,1982-01-01\n",
    );
    let said = crm.kilde(&["build"]).ended(1);
    assert!(
        said.stderr.contains("write `aliases: [mail]`"),
        "{}",
        said.stderr
    );
    let plan = crm.kilde(&["plan"]).ended(0).stdout;
    assert!(
        plan.contains("`email` is not there: refuses the export"),
        "{plan}"
    );

    let contract = crm.read("schemas/bronze/people.yaml");
    let contract = contract.replace("from: E-post}", "from: E-post, aliases: [mail]}");
    crm.write("schemas/bronze/people.yaml", contract);
    let plan = crm.kilde(&["plan"]).ended(0).stdout;
    assert!(
        plan.contains("1 new export") && plan.contains("drift: `email` is called `mail` (alias)"),
        "{plan}"
    );
    let said = crm.kilde(&["build"]).ended(0).stdout;
    assert!(said.contains("1 new,"), "nothing is read again: {said}");
    assert!(
        said.contains("· bronze.people: `email` is called `mail` (alias)"),
        "{said}"
    );
    let emails = "select email from bronze.people order by id";
    assert_eq!(crm.query(emails), [["a@x.se"], ["b@x.se"], ["c@x.se"]]);

    // the next night it is no news; it still stands in the status
    crm.write(
        "exports/people_20260103.csv",
        "id,mail,born_on\n4,d@x.se,1982-01-01\n",
    );
    assert!(!crm.kilde(&["plan"]).ended(0).stdout.contains("drift"));
    assert!(!crm.kilde(&["build"]).ended(0).stdout.contains("alias"));
    let status = crm.kilde(&["status"]).ended(0).stdout;
    assert!(
        status.contains("bronze.people  drift: `email` is called `mail` (alias)"),
        "{status}"
    );

    // nor is anything read again where exports may lack columns from now on
    let pipeline = crm.read("pipelines/crm.yaml");
    let pipeline = pipeline.replace("read: csv", "read: csv\n    drift: {missing: ignore}");
    crm.write("pipelines/crm.yaml", pipeline);
    assert!(
        crm.kilde(&["plan"])
            .ended(0)
            .stdout
            .contains("nothing to do")
    );
    crm.write("exports/people_20260104.csv", "id,born_on\n5,1982-01-01\n");
    let said = crm.kilde(&["build"]).ended(0).stdout;
    assert!(said.contains("1 new,"), "{said}");
    // another name may have been in those that lack it: all are read
    let contract = crm.read("schemas/bronze/people.yaml");
    crm.write(
        "schemas/bronze/people.yaml",
        contract.replace("[mail]", "[mail, post]"),
    );
    let plan = crm.kilde(&["plan"]).ended(0).stdout;
    assert!(plan.contains("reads 4 exports again"), "{plan}");
}

#[test]
fn a_field_of_list_items_that_nothing_reads_is_added() {
    let shop = |settings: &str| {
        let shop = Sandbox::with(&[
            ("kilde.yaml", "project: shop\nraw: exports/\nlake: lake/\n"),
            (
                "schemas/bronze/orders.yaml",
                "columns:\n  - {name: order_id, data_type: varchar}\n  - {name: lines, data_type: \"list<struct<sku varchar>>\"}\n",
            ),
            (
                "exports/orders.ndjson",
                "{\"order_id\":\"a\",\"lines\":[{\"sku\":\"x\"},{\"sku\":\"y\",\"vat\":25}]}\n",
            ),
        ]);
        let source = format!(
            "sources:\n  - table: bronze.orders\n    files: orders.ndjson\n    read: ndjson\n{settings}"
        );
        shop.write("pipelines/shop.yaml", source);
        shop
    };
    let said = shop("").kilde(&["build"]).ended(0).stdout;
    let told = "bronze.orders has `lines.vat`, which its contract does not know: ignored";
    assert!(said.contains(told), "{said}");

    let strict = shop("    drift: {added: fail}\n");
    let said = strict.kilde(&["build"]).ended(1).stderr;
    assert!(
        said.contains("error[K0461]") && said.contains("has column `lines.vat`"),
        "{said}"
    );
    let contract = strict.read("schemas/bronze/orders.yaml");
    let contract = contract.replace("sku varchar", "sku varchar, vat integer");
    strict.write("schemas/bronze/orders.yaml", contract);
    strict.kilde(&["build"]).ended(0);
}

#[test]
fn a_plan_says_of_odd_headers_what_a_build_then_does() {
    let crm = crm("");
    crm.write(
        "exports/people_20260102.csv",
        "id;E-post;born_on\n3;c@x.se;1982-01-01\n",
    );
    let plan = crm.kilde(&["plan"]).ended(0).stdout;
    assert!(!plan.contains("drift"), "{plan}");
    crm.write(
        "exports/people_20260103.csv",
        "id,E-post,born_on,id\n4,d@x.se,1982-01-01,5\n",
    );
    let plan = crm.kilde(&["plan"]).ended(0).stdout;
    let told = "drift: `id` is there more than once: cannot be read";
    assert!(plan.contains(told), "{plan}");
    let said = crm.kilde(&["build"]).ended(0).stdout;
    assert!(
        said.contains("people_20260103.csv cannot be read"),
        "{said}"
    );
    assert_eq!(crm.query("select count(*) from bronze.people"), [["3"]]);
}

#[test]
fn each_kind_of_drift_is_met_as_the_source_says() {
    let strict = "    on_error: hold\n    drift: {added: reject_file, missing: ignore, reordered: fail, retyped: reject_file}\n";
    let crm = crm(strict);
    let night = |text: &str| {
        crm.write("exports/people_20260102.csv", text);
        let said = crm.kilde(&["build"]);
        (said.code, said.stdout + &said.stderr)
    };
    let (code, said) = night("id,E-post,born_on,Kanal\n3,c@x.se,1982-01-01,web\n");
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("held at release 1: people_20260102.csv: the export has column `Kanal`"),
        "{said}"
    );
    // one wrong value is a reject, a column of them another type
    let (code, said) =
        night("id,E-post,born_on\n3,c@x.se,1 maj\n4,d@x.se,2 maj\n5,e@x.se,1982-01-01\n");
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains(
            "column `born_on` is of another type: its values do not fit in 2 of 3 records"
        ),
        "{said}"
    );
    // `fail` stops the build, although the source may be held
    let (code, said) = night("E-post,id,born_on\nc@x.se,3,1982-01-01\n");
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("error[K0462]") && said.contains("--> people_20260102.csv"),
        "{said}"
    );
    let (code, said) = night("nr,namn\n3,x\n");
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("none of the columns"),
        "another file is none of these, even where columns may be missing: {said}"
    );
    let (code, said) = night("id,E-post\n3,c@x.se\n4,d@x.se\n");
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("· bronze.people: `born_on` is not there"),
        "{said}"
    );
    assert_eq!(
        crm.query("select id, born_on from bronze.people where id > 1 order by id"),
        [["2", "1981-01-01"], ["3", ""], ["4", ""]]
    );
}

#[test]
fn a_column_that_exports_bring_is_kept_as_text_until_the_contract_says_what_it_is() {
    let crm = crm("    drift: {added: evolve}\n");
    let night = |day: u32, text: &str| {
        crm.write(&format!("exports/people_2026010{day}.csv"), text);
        crm.kilde(&["build"]).ended(0).stdout
    };
    crm.write(
        "exports/people_20260102.csv",
        "id,E-post,born_on,Kanal,e-post\n3,c@x.se,1982-01-01,web,privat\n",
    );
    let plan = crm.kilde(&["plan"]).ended(0).stdout;
    assert!(
        plan.contains("drift: `Kanal` is not in the contract: kept as `kanal`, `e-post` is not in the contract: kept as `e_post`"),
        "{plan}"
    );
    let said = crm.kilde(&["build"]).ended(0).stdout;
    assert!(
        said.contains("`Kanal` is not in the contract: kept as `kanal`"),
        "{said}"
    );
    let rows = "select id, kanal, e_post from bronze.people order by id";
    assert_eq!(
        crm.query(rows),
        [["1", "", ""], ["2", "", ""], ["3", "web", "privat"]]
    );
    assert_eq!(
        crm.query("select count(*) from silver.people"),
        [["3"]],
        "a step does not see it"
    );
    crm.kilde(&["query", "select kanal from silver.people"])
        .ended(2);

    // what has no header is no list of columns: no record is shown, none becomes one
    crm.write(
        "exports/people_20260103.csv",
        "3,eva@x.se,1982-01-01\n4,x@x.se,1982-01-01\n",
    );
    let plan = crm.kilde(&["plan"]).ended(0).stdout;
    assert!(
        plan.contains("drift: no column of the contract is there: refuses the export"),
        "{plan}"
    );
    assert!(!plan.contains("eva"), "{plan}");

    // a column that comes twice is none; a later export may lack one, the order of the release stays, and another column gets a name of its own
    let said = night(
        3,
        "id,E-post,born_on,kanal,kund,kund\n4,d@x.se,1982-01-01,butik,x,y\n",
    );
    assert!(
        said.contains("has `kund`, which its contract does not know: ignored"),
        "{said}"
    );
    assert!(
        said.contains("`kanal` is not in the contract: kept as `kanal_2`"),
        "{said}"
    );
    let rows = "select id, kanal, e_post, kanal_2 from bronze.people where id > 2 order by id";
    let expected = [["3", "web", "privat", ""], ["4", "", "", "butik"]];
    assert_eq!(crm.query(rows), expected);

    // read again, or all nights at once in another lake, they give the same
    crm.kilde(&["build", "--full-refresh"]).ended(0);
    assert_eq!(crm.query(rows), expected);
    let digest = crm.digests()["bronze.people"].clone();
    std::fs::remove_dir_all(crm.path("lake")).unwrap();
    crm.kilde(&["build"]).ended(0);
    assert_eq!(crm.query(rows), expected);
    assert_eq!(crm.digests()["bronze.people"], digest);

    // words of a person: the contract takes the columns over, and nothing is read again
    let said = crm.kilde(&["contract", "bronze.people"]).ended(0).stdout;
    assert!(
        said.contains("{name: kanal, data_type: varchar, personal: free_text, from: Kanal"),
        "{said}"
    );
    crm.kilde(&["contract", "bronze.people", "--write"])
        .ended(0);
    let plan = crm.kilde(&["plan"]).ended(0).stdout;
    assert!(
        plan.contains("d  bronze.people  only words changed"),
        "{plan}"
    );
    crm.kilde(&["build"]).ended(0);
    assert_eq!(crm.query(rows), expected);
    assert_eq!(
        crm.query("select kanal from silver.people where id = 3"),
        [["web"]],
        "now statements see it"
    );
    let said = night(
        4,
        "id,E-post,born_on,Kanal,e-post,kanal\n5,e@x.se,1982-01-01,app,x,y\n",
    );
    assert!(!said.contains("kept as"), "{said}");
    assert_eq!(
        crm.query("select kanal, e_post, kanal_2 from bronze.people where id = 5"),
        [["app", "x", "y"]]
    );
}

#[test]
fn under_replace_and_changes_a_column_comes_with_the_export_that_has_it() {
    for load in ["replace", "changes"] {
        let crm = crm(&format!(
            "    load: {load}\n    drift: {{added: evolve, missing: ignore}}\n"
        ));
        crm.write(
            "exports/people_20260102.csv",
            "id,E-post,born_on,Kanal\n1,a@x.se,1980-01-01,web\n2,b@x.se,1981-01-01,\n",
        );
        let said = crm.kilde(&["build"]).ended(0).stdout;
        assert!(said.contains("1 new,"), "{load}: {said}");
        let rows = "select id, kanal, _kilde_source_file from bronze.people order by id";
        assert_eq!(
            crm.query(rows),
            [
                ["1", "web", "people_20260102.csv"],
                ["2", "", "people_20260101.csv"]
            ],
            "{load}"
        );
        // whoever holds its values to a rule has the exports read again
        let contract = crm.read("schemas/bronze/people.yaml");
        crm.write(
            "schemas/bronze/people.yaml",
            contract + "  - {name: kanal, data_type: varchar, from: Kanal, data_tests: [accepted_values: {values: [web]}]}\n",
        );
        let plan = crm.kilde(&["plan"]).ended(0).stdout;
        assert!(plan.contains("reads 2 exports again"), "{load}: {plan}");
        crm.kilde(&["build"]).ended(0);
        assert_eq!(crm.query(rows)[0][1], "web");
    }
}

#[test]
fn a_rule_warns_rejects_or_fails_as_its_action_says() {
    let crm = crm("    on_error: hold\n");
    let contract = |action: &str| {
        crm.write(
            "schemas/bronze/people.yaml",
            format!(
                "key: [id]\ncolumns:\n  - {{name: id, data_type: bigint}}\n  - {{name: email, data_type: varchar, from: E-post, data_tests: [matches: {{pattern: '@', action: warn}}]}}\n  - {{name: born_on, data_type: date, data_tests: [range: {{min: 1900-01-01, action: {action}}}, not_null: {{action: warn}}]}}\n"
            ),
        );
    };
    contract("reject");
    crm.write(
        "exports/people_20260102.csv",
        "id,E-post,born_on\n3,c.x.se,1982-01-01\n4,d.x.se,1800-01-01\n5,e.x.se,\n6,f@x.se,1982-01-01\n",
    );
    let said = crm.kilde(&["build"]).ended(0).stdout;
    // the record that is rejected is warned of no more
    for line in [
        "! people_20260102.csv:2: `email` does not match the pattern, in 2 of 4 records: taken (action: warn)",
        "! people_20260102.csv:4: `born_on` has no value, in 1 of 4 records: taken (action: warn)",
        "1 rejected",
    ] {
        assert!(said.contains(line), "{said}");
    }
    assert_eq!(
        crm.query(
            "select records, inserted, rejected from ops.files where path = 'people_20260102.csv'"
        ),
        [["4", "3", "1"]]
    );
    assert_eq!(
        crm.query("select id from bronze.people where id > 2 order by id"),
        [["3"], ["5"], ["6"]]
    );

    contract("fail");
    crm.write(
        "exports/people_20260103.csv",
        "id,E-post,born_on\n7,g@x.se,1800-01-01\n8,h@x.se,1982-01-01\n",
    );
    let said = crm.kilde(&["build"]).ended(0).stdout;
    assert!(
        said.contains("held at release 2: people_20260103.csv:2: `born_on` lies outside the range in 1 of 2 records, and the rule says `action: fail`"),
        "{said}"
    );
    let run = crm.newest_release()["held"]["bronze.people"]["run"]
        .as_str()
        .unwrap()
        .to_string();
    let said = crm
        .kilde(&["rejects", "people", "--candidate", &run])
        .ended(0)
        .stdout;
    assert!(said.contains("`born_on` lies outside the range"), "{said}");
}
