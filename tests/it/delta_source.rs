//! `read: {delta: {…}}`: a Delta table of somebody else as a source, written by delta-rs for Python
//! (`tests/data/delta_orders`), from outside.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::sandbox::{Sandbox, copy_folder};

/// Orders without any version of their table.
fn shop(read: &str) -> Sandbox {
    let place = Sandbox::with(&[
        (
            "kilde.yaml",
            "project: shop\nraw: exports/\nlake: lake/\ntime_zone: Europe/Stockholm\n",
        ),
        (
            "schemas/bronze/orders.yaml",
            "key: [order_id]
columns:
  - {name: order_id, data_type: bigint, data_tests: [range: {max: 3}]}
  - {name: country, data_type: varchar}
  - {name: total, data_type: \"decimal(18,2)\"}
  - {name: ordered_at, data_type: timestamp}
  - {name: tags, data_type: list<varchar>}
",
        ),
    ]);
    pin(&place, read);
    place
}

fn pin(place: &Sandbox, read: &str) {
    let pipeline = format!(
        "sources:\n  - table: bronze.orders\n    files: shop/orders\n    read: {{delta: {{{read}}}}}\n    load: replace\n    rejects: {{at_most: 1}}\n"
    );
    place.write("pipelines/shop.yaml", pipeline);
}

fn entry(version: u64) -> String {
    format!("shop/orders/_delta_log/{version:020}.json")
}

/// The table up to a version.
fn deliver(place: &Sandbox, version: u64) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/delta_orders");
    let to = place.path("exports/shop/orders");
    copy_folder(&from, &to);
    for later in (version + 1)..3 {
        std::fs::remove_file(place.path("exports").join(entry(later))).unwrap();
    }
    if version < 2 {
        for name in [
            "_last_checkpoint",
            "00000000000000000002.checkpoint.parquet",
        ] {
            std::fs::remove_file(to.join("_delta_log").join(name)).unwrap();
        }
    }
    place.deliver();
}

/// Ids and what else tells the versions apart.
fn orders(place: &Sandbox) -> Vec<Vec<String>> {
    place.query("select order_id, country, total, ordered_at, array_to_string(tags, '+') as tags from bronze.orders order by 1")
}

#[test]
fn each_version_of_a_delta_table_replaces_the_one_before() {
    let place = shop("").wherever_asked();
    deliver(&place, 0);
    place.kilde(&["build"]).ended(0);
    let first = [
        ["1", "SE", "10.50", "2026-01-01 11:00:00", "a"],
        ["2", "NO", "20.00", "2026-01-02 07:00:00", ""],
        // local times become UTC, in summer too
        ["3", "", "5.25", "2026-07-01 06:00:00", ""],
    ];
    let said = orders(&place);
    let said: Vec<Vec<String>> = said
        .into_iter()
        .map(|row| {
            row.into_iter()
                .map(|cell| cell.replace('T', " ").replace('Z', ""))
                .collect()
        })
        .collect();
    assert_eq!(said, first);
    let said = place.kilde(&["build"]).ended(0);
    assert!(said.stdout.contains("Release 1 stands"), "{}", said.stdout);

    // two versions later: one order is gone, one is rejected, one column is new to the table
    deliver(&place, 2);
    let said = place.kilde(&["plan"]).ended(0);
    assert!(
        said.stdout.contains("1 new export")
            && said.stdout.contains("`channel` is not in the contract"),
        "{}",
        said.stdout
    );
    place
        .kilde(&["build", "--accept", "bronze.orders"])
        .ended(0);
    let ids = place.query("select order_id, _kilde_source_file from bronze.orders order by 1");
    assert_eq!(ids[0], ["1", &entry(0)]);
    assert_eq!(ids.len(), 2);
    let ledger = place.query("select path, status, records, rejected from ops.files order by path");
    assert_eq!(ledger[0], [&entry(0), "loaded", "3", "0"]);
    assert_eq!(ledger[1], [&entry(2), "loaded", "3", "1"]);
    let rejects = place.query("select file, line, column_name, rule from ops.rejects");
    assert_eq!(rejects.len(), 1, "{rejects:?}");
    let said = place.kilde(&["exports", "--all"]).ended(0);
    assert!(
        !said.stdout.contains("no source matches"),
        "{}",
        said.stdout
    );

    // where all is read again, those before the newest are, since a rejected record may keep a row of them
    place.kilde(&["build", "--full-refresh"]).ended(0);
    assert_eq!(orders(&place).len(), 2);
    let ids = place.query("select order_id, _kilde_source_file from bronze.orders order by 1");
    assert_eq!(ids[0], ["1", &entry(0)]);

    // a version that was rolled back is not missed by whoever pins the one before
    place.kilde(&["rollback", "1"]).ended(0);
    pin(&place, "version: 0");
    place.kilde(&["resume"]).ended(0);
    place.kilde(&["build"]).ended(0);
    assert_eq!(orders(&place).len(), 3);
}

#[test]
fn a_version_or_a_time_pins_what_is_read_of_a_delta_table() {
    let place = shop("version: 2");
    deliver(&place, 2);
    let written = SystemTime::UNIX_EPOCH + Duration::from_secs(1_772_409_600);
    for version in 0..3_u64 {
        let path: PathBuf = place.path("exports").join(entry(version));
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_modified(written + Duration::from_secs(86_400 * version))
            .unwrap();
    }
    place.kilde(&["build"]).ended(0);
    let ids = |place: &Sandbox| place.query("select order_id from bronze.orders order by 1");
    assert_eq!(ids(&place), [["1"], ["3"]]);
    // 2 March 2026, 00:00 UTC, was the first; back to it, and on to the newest
    pin(&place, "timestamp: 2026-03-02 12:00");
    place.kilde(&["build"]).ended(0);
    assert_eq!(ids(&place), [["1"], ["2"], ["3"]]);
    let said = place.kilde(&["build"]).ended(0);
    assert!(said.stdout.contains("Release 2 stands"), "{}", said.stdout);
    pin(&place, "");
    place
        .kilde(&["build", "--accept", "bronze.orders"])
        .ended(0);
    assert_eq!(ids(&place), [["1"], ["3"]]);
    // a version that is not there stops its source, and no command; who pinned it must act
    pin(&place, "version: 7");
    place.kilde(&["plan"]).ended(0);
    let said = place.kilde(&["build"]).ended(2).stderr;
    for words in [
        "error[K0192]: `bronze.orders`: the Delta table `shop/orders` has no version 7 in its log",
        "--> pipelines/shop.yaml:2:5",
        "help: it has versions 0 to 2, the first written 2026-03-02 00:00:00 UTC",
    ] {
        assert!(said.contains(words), "{words} in {said}");
    }
    place.write(
        "pipelines/shop.yaml",
        place.read("pipelines/shop.yaml") + "    on_error: hold\n",
    );
    let said = place.kilde(&["build"]).ended(0).stdout;
    assert!(said.contains("held at release 3"), "{said}");
    assert_eq!(ids(&place), [["1"], ["3"]]);
    // the log is cleaned: what the checkpoint says is enough, and no file is asked for a column that came after it
    let fresh = shop("version: 2");
    deliver(&fresh, 2);
    for version in 0..2 {
        std::fs::remove_file(fresh.path("exports").join(entry(version))).unwrap();
    }
    let schema = fresh.read("schemas/bronze/orders.yaml");
    let schema = schema.replace("max: 3", "max: 4");
    fresh.write(
        "schemas/bronze/orders.yaml",
        schema + "  - {name: channel, data_type: varchar}\n",
    );
    fresh.kilde(&["build"]).ended(0);
    let channels = "select order_id, coalesce(channel, 'none') from bronze.orders order by 1";
    let expected = [["1", "none"], ["3", "none"], ["4", "web"]];
    assert_eq!(fresh.query(channels), expected);
    // it is cleaned beyond what is pinned, and loaded
    for name in [entry(2), entry(2).replace("json", "checkpoint.parquet")] {
        std::fs::remove_file(fresh.path("exports").join(name)).unwrap();
    }
    fresh.write(&format!("exports/{}", entry(3)), "{}");
    let said = fresh.kilde(&["build"]).ended(0).stdout;
    assert!(said.contains("Release 1 stands"), "{said}");
}

#[test]
fn a_delta_table_that_would_be_read_wrongly_is_refused_by_name() {
    let place = shop("");
    deliver(&place, 0);
    // the newest version may not be read: the one before is not taken for it
    #[cfg(unix)]
    {
        let hidden = place.path("exports").join(entry(1));
        std::os::unix::fs::symlink("nowhere", &hidden).unwrap();
        let said = place.kilde(&["build"]).ended(1).stderr;
        assert!(said.contains("K0715") && said.contains(&entry(1)), "{said}");
        std::fs::remove_file(hidden).unwrap();
    }
    let path = place.path("exports").join(entry(0));
    let whole = std::fs::read_to_string(&path).unwrap();
    let refusal = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let said = place.kilde(&["build"]).ended(1);
        assert!(said.stderr.contains("K0191"), "{}", said.stderr);
        said.stderr
    };
    let vector = whole.replacen(
        "\"dataChange\":true",
        "\"dataChange\":true,\"deletionVector\":{\"storageType\":\"u\",\"pathOrInlineDv\":\"x\",\"sizeInBytes\":1,\"cardinality\":1}",
        1,
    );
    assert!(refusal(&vector).contains("deletion vectors"));
    let mapped = whole.replacen(
        "\"configuration\":{}",
        "\"configuration\":{\"delta.columnMapping.mode\":\"name\"}",
        1,
    );
    assert!(refusal(&mapped).contains("renames its columns"));
    let unknown = whole.replacen(
        "\"readerFeatures\":[\"timestampNtz\"]",
        "\"readerFeatures\":[\"variantType\"]",
        1,
    );
    assert!(refusal(&unknown).contains("variantType"));
    assert!(refusal("{\"commitInfo\":").contains("K0191"));
    std::fs::write(&path, &whole).unwrap();
    let data = place.path("exports/shop/orders/country=NO");
    let file = std::fs::read_dir(&data).unwrap().next().unwrap();
    let file = file.unwrap().path();
    std::fs::remove_file(&file).unwrap();
    let gone = place.kilde(&["build"]).ended(1).stderr;
    assert!(gone.contains("K0191") && gone.contains("VACUUM"), "{gone}");
    // nobody writes to this pipe
    #[cfg(unix)]
    {
        let made = std::process::Command::new("mkfifo").arg(&file).status();
        assert!(made.unwrap().success());
        let said = place.kilde(&["build"]).ended(1).stderr;
        let refusal = "neither a file nor a folder";
        assert!(
            said.contains(refusal) && said.contains("country=NO"),
            "{said}"
        );
        let log = place.path("exports").join(entry(0));
        std::fs::remove_file(&log).unwrap();
        let made = std::process::Command::new("mkfifo").arg(&log).status();
        assert!(made.unwrap().success());
        std::fs::copy(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("tests/data/delta_orders/_delta_log/00000000000000000001.json"),
            place.path("exports").join(entry(1)),
        )
        .unwrap();
        let said = place.kilde(&["build"]).ended(1).stderr;
        assert!(said.contains(refusal) && said.contains(&entry(0)), "{said}");
    }
}

/// What its owner cleans up behind the newest version is not missed.
#[test]
fn a_version_whose_files_a_vacuum_took_is_needed_only_for_rows_that_stand_in_no_later_one() {
    let place = shop("");
    deliver(&place, 0);
    place.kilde(&["build"]).ended(0);
    deliver(&place, 2);
    place
        .kilde(&["build", "--accept", "bronze.orders"])
        .ended(0);
    // order 4 is rejected; only the first version has data in Norway
    let data = place.path("exports/shop/orders/country=NO");
    std::fs::remove_dir_all(&data).unwrap();
    let schema = place.read("schemas/bronze/orders.yaml");
    let with =
        |max: &str| schema.replace("max: 3", max) + "  - {name: channel, data_type: varchar}\n";
    place.write("schemas/bronze/orders.yaml", with("max: 3"));
    let said = place.kilde(&["build"]).ended(1).stderr;
    assert!(
        said.contains("K0208") && said.contains("kilde exports retract"),
        "{said}"
    );
    let ids = |place: &Sandbox| place.query("select order_id from bronze.orders order by 1");
    place.write("schemas/bronze/orders.yaml", with("max: 4"));
    // the first version lacks a column too: nobody asks it
    let said = place.kilde(&["build"]).ended(0);
    assert!(!said.stdout.contains("cannot be read"), "{}", said.stdout);
    assert_eq!(ids(&place), [["1"], ["3"], ["4"]]);
    place.kilde(&["exports", "reload", &entry(0)]).ended(0);
    place.kilde(&["build"]).ended(0);
    let said = place.kilde(&["build"]).ended(0).stdout;
    assert!(said.contains("stands"), "{said}");
    // and whoever says so goes on without it
    place.write("schemas/bronze/orders.yaml", with("max: 3"));
    place
        .kilde(&["exports", "retract", &entry(0), "--why", "vacuumed"])
        .ended(0);
    place
        .kilde(&["build", "--accept", "bronze.orders"])
        .ended(0);
    assert_eq!(ids(&place), [["1"], ["3"]]);
}
