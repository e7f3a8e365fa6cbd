//! Exports as senders deliver them: what counts once, what is read in the wrong way, what is told of it.

use crate::sandbox::Sandbox;

/// A source `bronze.visits`: its lines in the pipeline, and the columns of its contract.
fn visits(source: &str, columns: &str) -> Sandbox {
    Sandbox::with(&[
        ("kilde.yaml", "project: shops\nraw: exports/\nlake: lake/\n"),
        (
            "pipelines/shops.yaml",
            &format!("sources:\n  - table: bronze.visits\n{source}"),
        ),
        (
            "schemas/bronze/visits.yaml",
            &format!("columns:\n{columns}"),
        ),
    ])
}

#[test]
fn equal_files_are_one_export_unless_their_paths_are_part_of_the_records() {
    let any = "    files: store_*/{day:%Y%m%d}.csv\n    read: csv\n";
    let by_store = any.replace('*', "{store}");
    let columns =
        "  - {name: gate, data_type: varchar}\n  - {name: visitors, data_type: integer}\n";
    let with_store = format!("  - {{name: store, data_type: integer}}\n{columns}");
    let plain = "gate,visitors\nmain,120\n";
    let with_its_store = "gate,visitors,store\nmain,120,7\n";
    for (files, columns, text, stores, copies) in [
        (any, columns, plain, 1, 3),
        (&*by_store, &*with_store, plain, 2, 2),
        (&*by_store, &*with_store, with_its_store, 1, 3),
    ] {
        let shops = visits(files, columns);
        for path in [
            "store_12/20260105",
            "store_12/20260106",
            "store_14/20260105",
            "store_14/20260106",
        ] {
            shops.write(&format!("exports/{path}.csv"), text);
        }
        let said = shops.kilde(&["build"]).ended(0).stdout;
        let told = said.matches("and adds nothing").count();
        assert_eq!(told, copies, "{said}");
        let beside = said
            .matches("counts, since its path says other values")
            .count();
        assert_eq!(beside, stores - 1, "{said}");
        assert_eq!(
            shops.query("select count(*) from bronze.visits"),
            [[stores.to_string()]]
        );
    }
}

#[test]
fn an_export_in_utf_8_that_is_read_in_another_encoding_is_told() {
    let shops = visits(
        "    files: visits_{day:%Y%m%d}.csv\n    read: {csv: {encoding: windows-1252}}\n",
        "  - {name: gate, data_type: varchar}\n",
    );
    shops.write("exports/visits_20260105.csv", b"gate\n\xc5byn\nplain\n");
    shops.write("exports/visits_20260106.csv", "gate\nplain\n");
    let said = shops.kilde(&["build"]).ended(0).stdout;
    assert!(!said.contains("utf-8"), "{said}");
    shops.write("exports/visits_20260107.csv", "gate\nÅbyn\n");
    let said = shops.kilde(&["build"]).ended(0).stdout;
    assert!(
        said.contains("! visits_20260107.csv: its letters beyond ASCII are those of utf-8, and it is read in another encoding: say `encoding: utf-8`"),
        "{said}"
    );
}

#[test]
fn values_of_columns_without_a_name_are_told() {
    let shops = visits(
        "    files: visits_{day:%Y%m%d}.csv\n    read: csv\n",
        "  - {name: gate, data_type: varchar}\n",
    );
    shops.write("exports/visits_20260105.csv", "gate,,\nmain,,\n");
    let said = shops.kilde(&["build"]).ended(0).stdout;
    assert!(!said.contains("no name"), "{said}");
    shops.write(
        "exports/visits_20260106.csv",
        "gate,,\nmain,,\nback,,closed at noon\n",
    );
    let said = shops.kilde(&["build"]).ended(0).stdout;
    assert!(
        said.contains(
            "bronze.visits has `column 3 (no name)`, which its contract does not know: ignored"
        ),
        "{said}"
    );
    let pipeline = shops.read("pipelines/shops.yaml");
    shops.write(
        "pipelines/shops.yaml",
        format!("{pipeline}    drift: {{added: fail}}\n"),
    );
    shops.write("exports/visits_20260107.csv", "gate,\nmain,x\n");
    let said = shops.kilde(&["build"]).ended(1).stderr;
    assert!(said.contains("has column `column 2 (no name)`"), "{said}");
}

#[test]
fn an_export_of_which_no_record_has_the_list_that_is_exploded_is_told_each_night() {
    let shops = visits(
        "    files: visits_{day:%Y%m%d}.ndjson\n    read: {ndjson: {explode: lines}}\n",
        "  - {name: gate, data_type: varchar}\n  - {name: sku, data_type: varchar, from: lines.sku}\n",
    );
    let told =
        "none of its 2 records has the list `lines` that `explode` names, so that none gives a row";
    let night = |day: u32, text: &str| {
        shops.write(&format!("exports/visits_2026010{day}.ndjson"), text);
        shops.kilde(&["build"]).ended(0).stdout
    };
    let one = "{\"gate\":\"a\",\"lines\":[{\"sku\":\"x\"}]}\n";
    assert!(!night(1, one).contains("explode"));
    // nothing was sold, and the list is there
    assert!(!night(2, "{\"gate\":\"a\",\"lines\":[]}\n{\"gate\":\"b\"}\n").contains("explode"));
    for day in 3..5 {
        let other = format!("{{\"gate\":\"a\",\"orderLines\":[{day}]}}\n{{\"gate\":\"b\"}}\n");
        let said = night(day, &other);
        assert!(said.contains(told), "{said}");
    }
}
