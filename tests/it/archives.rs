//! `files: dump_*.zip!orders*.csv`: each file of an archive as an export of its own, from outside.

use std::io::Write;

use crate::emulator::Kind;
use crate::sandbox::{Sandbox, zip};

const PIPELINE: &str = "sources:
  - table: bronze.orders
    files: \"in/dump_{exported_on:%Y%m%d}.zip!data/orders_{store}.csv\"
    read: csv
  - table: bronze.customers
    files: \"in/dump_{exported_on:%Y%m%d}.zip!data/customers.csv\"
    read: csv
    load: replace
";

fn shop() -> Sandbox {
    Sandbox::with(&[
        ("kilde.yaml", "project: shop\nraw: exports/\nlake: lake/\n"),
        ("pipelines/shop.yaml", PIPELINE),
        (
            "schemas/bronze/orders.yaml",
            "columns:\n  - {name: id, data_type: bigint}\n  - {name: store, data_type: varchar}\n  - {name: exported_on, data_type: date}\n",
        ),
        (
            "schemas/bronze/customers.yaml",
            "key: [id]\ncolumns:\n  - {name: id, data_type: bigint}\n",
        ),
    ])
}

fn ids(from: std::ops::Range<u32>) -> Vec<u8> {
    let ids: Vec<String> = from.map(|id| id.to_string()).collect();
    format!("id\n{}\n", ids.join("\n")).into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// The archive, with a part of it marked as one that needs a password.
fn locked(mut archive: Vec<u8>, name: &str) -> Vec<u8> {
    let last = archive
        .windows(name.len())
        .rposition(|part| part == name.as_bytes());
    archive[last.unwrap() - 46 + 8] |= 1;
    archive
}

fn deliver(place: &Sandbox, day: u32, archive: &[u8]) {
    let path = place.path(&format!("exports/in/dump_202603{day:02}.zip"));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, archive).unwrap();
    place.deliver();
}

/// Path in its archive, status, records, release.
fn ledger(place: &Sandbox) -> Vec<Vec<String>> {
    place.query("select path, status, records, release from ops.files where source = 'bronze.orders' order by path")
}

fn counts(place: &Sandbox) -> Vec<Vec<String>> {
    place.query("select store, count(*) from bronze.orders group by store order by store")
}

#[test]
fn each_file_of_an_archive_is_an_export_that_changes_fails_and_leaves_alone() {
    let place = shop().wherever_asked();
    let first = [
        ("data/", Vec::new()),
        ("data/customers.csv", ids(0..4)),
        ("data/orders_1.csv", ids(0..3)),
        ("data/orders_2.csv", gzip(&ids(3..5))),
        ("__MACOSX/data/._orders_1.csv", b"\0\x05".to_vec()),
        ("readme.txt", b"as every night".to_vec()),
    ];
    deliver(&place, 1, &zip(&first));
    let said = place.kilde(&["plan"]).ended(0).stdout;
    assert!(said.contains("reads 3 exports"), "{said}");
    place.kilde(&["build"]).ended(0);
    let path = |name: &str| format!("in/dump_20260301.zip!data/{name}");
    assert_eq!(counts(&place), [["1", "3"], ["2", "2"]]);
    assert_eq!(
        ledger(&place)[0],
        [&path("orders_1.csv"), "loaded", "3", "1"]
    );
    let files = place.query("select distinct _kilde_source_file from bronze.orders order by 1");
    assert_eq!(files, [[path("orders_1.csv")], [path("orders_2.csv")]]);
    let said = place.kilde(&["exports", "--all"]).ended(0).stdout;
    assert!(said.contains("dump_20260301.zip!readme.txt"), "{said}");
    assert!(!said.contains("MACOSX"), "{said}");
    let said = place.kilde(&["build"]).ended(0).stdout;
    assert!(said.contains("Release 1 stands"), "{said}");

    // the archive comes again: one file is the same, one has changed, one is new and cannot be read
    let again = [
        ("data/customers.csv", ids(0..4)),
        ("data/orders_1.csv", ids(0..3)),
        ("data/orders_2.csv", ids(3..9)),
        ("data/orders_3.csv", ids(9..11)),
    ];
    deliver(&place, 1, &locked(zip(&again), "data/orders_3.csv"));
    let said = place.kilde(&["build"]).ended(0).stdout;
    assert!(said.contains("needs a password"), "{said}");
    assert_eq!(counts(&place), [["1", "3"], ["2", "6"]]);
    let books = ledger(&place);
    assert_eq!(books[0], [&path("orders_1.csv"), "loaded", "3", "1"]);
    assert_eq!(books[1], [&path("orders_2.csv"), "loaded", "6", "2"]);
    assert_eq!(books[2][..2], [path("orders_3.csv"), "unreadable".into()]);

    // a file that the archive no longer has is an export without a record
    let fewer = [
        ("data/orders_1.csv", ids(0..3)),
        ("data/customers.csv", ids(0..4)),
    ];
    deliver(&place, 1, &zip(&fewer));
    place.kilde(&["build"]).ended(0);
    assert_eq!(counts(&place), [["1", "3"]]);
    let said = place.kilde(&["build"]).ended(0).stdout;
    assert!(said.contains("Release 3 stands"), "{said}");

    // a name that would not stay on its line: that file alone is left out
    let steering = [
        ("data/customers.csv", ids(0..4)),
        ("data/orders_1.csv", ids(0..3)),
        ("data/orders_\u{1b}[2J.csv", ids(0..9)),
        ("data/orders_4.csv", ids(3..5)),
    ];
    deliver(&place, 1, &zip(&steering));
    let said = place.kilde(&["build"]).ended(0).stdout;
    let line = "dump_20260301.zip!data/orders_\\u{1b}[2J.csv cannot be read and is left out: the name of a file of an archive holds control characters";
    assert!(said.contains(line), "{said}");
    assert_eq!(counts(&place), [["1", "3"], ["4", "2"]]);
    let said = place.kilde(&["build"]).ended(0).stdout;
    assert!(said.contains("Release 4 stands"), "{said}");
    deliver(&place, 1, &zip(&fewer));
    place.kilde(&["build"]).ended(0);

    // half an archive, and one without a file that is meant: each is said, and loses nothing
    deliver(&place, 1, &zip(&fewer)[..90]);
    let other = [
        ("data/orders.csv", ids(0..3)),
        ("data/customers.csv", ids(0..5)),
    ];
    deliver(&place, 2, &zip(&other));
    let said = place.kilde(&["build"]).ended(0).stdout;
    let unreadable = said.lines().filter(|line| line.contains("cannot be read"));
    assert!(
        unreadable.count() >= 2 && said.contains("no file of the archive"),
        "{said}"
    );
    assert_eq!(counts(&place), [["1", "3"]]);
}

/// All of the test above runs in a bucket where `KILDE_TEST_STORE=s3` says so.
#[test]
fn an_archive_in_a_bucket_brings_its_files_and_what_changed_in_it() {
    let Some(store) = Kind::S3.shared() else {
        return;
    };
    let place = shop();
    let day = |orders: std::ops::Range<u32>| {
        zip(&[
            ("data/customers.csv", ids(0..4)),
            ("data/orders_1.csv", ids(orders)),
            ("data/orders_2.csv", gzip(&ids(3..5))),
        ])
    };
    deliver(&place, 1, &day(0..3));
    let place = place.moved_to(store);
    place.kilde(&["build"]).ended(0);
    assert_eq!(counts(&place), [["1", "3"], ["2", "2"]]);
    deliver(&place, 1, &day(0..7));
    let said = place.kilde(&["build"]).ended(0).stdout;
    assert!(said.contains("7 records = 7 accepted"), "{said}");
    assert_eq!(counts(&place), [["1", "7"], ["2", "2"]]);
}

#[test]
fn a_file_of_an_archive_and_all_of_an_archive_can_be_decided_about() {
    let place = shop();
    let day = [
        ("data/customers.csv", ids(0..4)),
        ("data/orders_1.csv", ids(0..3)),
        ("data/orders_2.csv", ids(3..5)),
    ];
    deliver(&place, 1, &zip(&day));
    let file = "in/dump_20260301.zip!data/orders_2.csv";
    place
        .kilde(&["exports", "skip", file, "--why", "test"])
        .ended(0);
    place.kilde(&["build"]).ended(0);
    assert_eq!(counts(&place), [["1", "3"]]);
    // what is loaded is retracted, and what is not is skipped already: neither points at the other
    let archive = "in/dump_20260301.zip";
    let said = place
        .kilde(&["exports", "retract", archive, "--why", "another shop's"])
        .ended(0);
    assert!(
        said.stdout.contains("orders_1.csv  retracted"),
        "{}",
        said.stdout
    );
    assert!(said.stdout.contains("left as it is"), "{}", said.stdout);
    place.kilde(&["build"]).ended(0);
    assert!(counts(&place).is_empty());
    place
        .kilde(&["exports", "skip", archive, "--undo"])
        .ended(0);
    place.kilde(&["build"]).ended(0);
    assert_eq!(counts(&place), [["1", "3"], ["2", "2"]]);
    let again = place.kilde(&["exports", "reload", file]).ended(0);
    assert!(again.stdout.contains("orders_2.csv"), "{}", again.stdout);
    place.kilde(&["build"]).ended(0);

    // an archive whose files were none of their own is not taken twice
    let one = shop();
    let whole = PIPELINE.replace("!data/orders_{store}.csv", "");
    one.write(
        "pipelines/shop.yaml",
        whole.replace(
            "    read: csv\n",
            "    read: csv\n    member: data/orders_1.csv\n",
        ),
    );
    let contract = one.read("schemas/bronze/orders.yaml");
    let without = contract.replace("  - {name: store, data_type: varchar}\n", "");
    one.write("schemas/bronze/orders.yaml", without);
    one.write(
        "pipelines/shop.yaml",
        one.read("pipelines/shop.yaml")
            .split("  - table: bronze.customers")
            .next()
            .unwrap(),
    );
    std::fs::remove_file(one.path("schemas/bronze/customers.yaml")).unwrap();
    deliver(&one, 1, &zip(&day));
    one.kilde(&["build"]).ended(0);
    one.write(
        "pipelines/shop.yaml",
        PIPELINE
            .split("  - table: bronze.customers")
            .next()
            .unwrap(),
    );
    one.write("schemas/bronze/orders.yaml", contract);
    let said = one.kilde(&["build"]).ended(2).stderr;
    assert!(said.contains("K0208") && said.contains(archive), "{said}");
}

/// An archive that two sources read whole: one has loaded it, the other cannot.
#[test]
fn skip_and_retract_of_a_file_of_two_sources_do_not_point_at_each_other() {
    let place = Sandbox::with(&[
        ("kilde.yaml", "project: shop\nraw: exports/\nlake: lake/\n"),
        (
            "pipelines/shop.yaml",
            "sources:\n  - {table: bronze.a, files: in/*.zip, member: a.csv, read: csv}\n  - {table: bronze.b, files: in/*.zip, member: b.csv, read: csv, unreadable: warn}\n",
        ),
        (
            "schemas/bronze/a.yaml",
            "columns:\n  - {name: id, data_type: bigint}\n",
        ),
        (
            "schemas/bronze/b.yaml",
            "columns:\n  - {name: id, data_type: bigint}\n",
        ),
        ("exports/in/.keep", ""),
    ]);
    std::fs::write(
        place.path("exports/in/1.zip"),
        zip(&[("a.csv", ids(0..2)), ("b.csv", ids(0..3))]),
    )
    .unwrap();
    place.kilde(&["build"]).ended(0);
    std::fs::write(
        place.path("exports/in/2.zip"),
        zip(&[("a.csv", ids(2..4)), ("c.csv", ids(0..3))]),
    )
    .unwrap();
    place.kilde(&["build"]).ended(0);
    let said = place
        .kilde(&["exports", "skip", "in/2.zip", "--why", "no b"])
        .ended(0)
        .stdout;
    assert!(said.contains("bronze.b  in/2.zip  skipped"), "{said}");
    assert!(said.contains("bronze.a  in/2.zip  left as it is"), "{said}");
    let said = place
        .kilde(&["exports", "retract", "in/2.zip", "--why", "no b"])
        .ended(0)
        .stdout;
    assert!(said.contains("bronze.a  in/2.zip  retracted"), "{said}");
}
