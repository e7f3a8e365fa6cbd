//! Exports and lake in object stores: Amazon's and Azure's protocols, one that must be refused, one that fails.
//!
//! `KILDE_TEST_STORE=s3` or `azure` runs the tests of `end_to_end.rs` there, which takes some minutes each.

use std::process::Stdio;

use crate::emulator::{BUCKET, Emulator, Kind, SECRET};
use crate::foreign;
use crate::history::till;
use crate::sandbox::{Said, Sandbox};
use crate::time_limit;

/// How many requests hold a text.
fn with(text: &str, requests: &[String]) -> usize {
    let requests = requests.iter();
    requests.filter(|request| request.contains(text)).count()
}

/// One export more, of one sale.
fn sell(till: &Sandbox, day: u32, amount: u32) {
    let text = format!("store,amount\nKiruna,{amount}\n");
    till.write(&format!("exports/sales_202601{day:02}.csv"), text);
    till.deliver();
}

#[test]
fn a_lake_on_s3_needs_few_requests_and_shows_no_secret() {
    let Some(store) = Emulator::start(Kind::S3).map(|store| &*Box::leak(Box::new(store))) else {
        return;
    };
    let here = till();
    here.kilde(&["build"]).ended(0);
    let till = till().moved_to(store);
    let counting = |arguments: &[&str]| -> (Said, Vec<String>) {
        let before = store.requests().len();
        let said = till.kilde(arguments).ended(0);
        (said, store.requests()[before..].to_vec())
    };
    let (said, first) = counting(&["build"]);
    assert!(
        said.stdout.contains("Release 1 published"),
        "{}",
        said.stdout
    );
    assert_eq!(till.digests(), here.digests());
    let work = first.len() - with("/_kilde/probe", &first);
    assert!(work <= 80, "{work} requests: {first:#?}");

    let (said, nothing) = counting(&["build"]);
    assert!(said.stdout.contains("Release 1 stands"), "{}", said.stdout);
    assert_eq!(
        with("PUT ", &nothing) + with("POST ", &nothing),
        0,
        "{nothing:#?}"
    );
    // five of them look whether a decided release waits to be finished
    assert!(nothing.len() <= 16, "{nothing:#?}");

    sell(&till, 2, 30);
    let (_, night) = counting(&["build"]);
    assert!(night.len() <= 110, "{} requests: {night:#?}", night.len());
    assert_eq!(with("/sales_20260102.csv", &night), 1, "{night:#?}");

    // the same second, the same size: only the store's own word for the content tells
    sell(&till, 2, 31);
    let (said, _) = counting(&["build"]);
    assert!(
        said.stdout.contains("Release 3 published"),
        "{}",
        said.stdout
    );
    assert_eq!(
        till.query("select amount from gold.stores where store = 'Kiruna'"),
        [["31"]]
    );
    // nor do they grow with the number of releases: `KILDE_RELEASES=50` makes so many
    let releases = std::env::var("KILDE_RELEASES").map_or(5, |n| n.parse().unwrap());
    for release in 4..=releases {
        sell(&till, 2, 30 + release);
        let (_, night) = counting(&["build", "--no-maintain"]);
        let most = match release % 10 {
            // every table gets a checkpoint: the one before, ten entries, two objects
            0 | 1 => 190,
            // every table that was written is looked at once more before readers see it
            _ => 127,
        };
        assert!(
            night.len() <= most,
            "{release}: {} requests: {night:#?}",
            night.len()
        );
        assert!(
            with("GET /acme", &night) > 0 && with("/_kilde/log/", &night) <= 6,
            "{night:#?}"
        );
    }

    let mut loud = till.command(&["build", "--full-refresh"]);
    let loud = time_limit::output(loud.env("KILDE_LOG", "trace")).unwrap();
    let said = [loud.stdout, loud.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("_kilde/log/"), "requests are told: {said}");
    assert!(!said.contains(SECRET), "a secret is shown");
}

#[test]
fn a_release_that_lost_a_file_in_a_store_is_given_up() {
    let Some(store) = Kind::S3.shared() else {
        return;
    };
    let till = till().moved_to(store);
    till.kilde(&["build"]).ended(0);
    sell(&till, 2, 30);
    let mut build = till.command(&["build"]);
    build.env("KILDE_FAILPOINT", "after_publish_entry");
    assert!(!time_limit::output(&mut build).unwrap().status.success());
    till.fetch();
    let table = till.path("lake/gold/stores");
    let files = std::fs::read_dir(&table).unwrap();
    let names = files.map(|file| file.unwrap().file_name());
    let newest = names
        .filter(|name| name.to_string_lossy().ends_with(".parquet"))
        .max();
    let cut = tempfile::tempdir().unwrap();
    std::fs::write(cut.path().join(newest.unwrap()), "").unwrap();
    let place = till.lake().replace(&format!("s3://{BUCKET}/"), "");
    store.put(cut.path(), &format!("{place}/gold/stores"));
    let said = till.kilde(&["build"]).ended(4);
    for words in ["K0710", "gold/stores", "--give-up 2"] {
        assert!(said.stderr.contains(words), "{words}: {}", said.stderr);
    }
    let said = till.kilde(&["build", "--give-up", "2"]).ended(0);
    assert!(
        said.stdout.contains("Release 3 published"),
        "{}",
        said.stdout
    );
    let amount = till.query("select amount from gold.stores where store = 'Kiruna'");
    assert_eq!(amount, [["30"]]);
}

#[test]
fn of_eight_builders_on_one_lake_one_builds_and_seven_are_turned_away() {
    let Some(store) = Emulator::start(Kind::S3).map(|store| &*Box::leak(Box::new(store))) else {
        return;
    };
    let till = till().moved_to(store);
    // so slow that nobody is done before the last has begun
    store.behave("slow=0.02");
    let builders: Vec<_> = (0..8)
        .map(|_| {
            let mut command = till.command(&["build"]);
            let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    let mut codes: Vec<_> = builders
        .into_iter()
        .map(|mut builder| builder.wait().unwrap().code().unwrap())
        .collect();
    codes.sort_unstable();
    assert_eq!(codes, [0, 75, 75, 75, 75, 75, 75, 75]);
    store.behave("slow=0");
    assert_eq!(till.newest_release()["number"], 1);
}

#[test]
fn a_lake_on_azure_is_built_and_read_and_wrong_keys_are_refused_unseen() {
    let Some(store) = Kind::Azure.shared() else {
        return;
    };
    let here = till();
    here.kilde(&["build"]).ended(0);
    let till = till().moved_to(store);
    till.kilde(&["build"]).ended(0);
    assert_eq!(till.digests(), here.digests());
    let said = till.kilde(&["build"]).ended(0);
    assert!(said.stdout.contains("Release 1 stands"), "{}", said.stdout);
    sell(&till, 2, 30);
    till.kilde(&["build"]).ended(0);
    assert_eq!(till.query("select count(*) from gold.stores"), [["3"]]);
    till.kilde(&["rollback", "1"]).ended(0);
    assert_eq!(till.query("select count(*) from gold.stores"), [["2"]]);

    // a key of another account, in the form that keys have
    let key = "Z2VoZWltbmlzLTAxMjM0NTY3ODk=";
    let mut wrong = till.command(&["build"]);
    wrong
        .env("AZURE_STORAGE_ACCOUNT_KEY", key)
        .env("KILDE_LOG", "trace");
    let output = time_limit::output(&mut wrong).unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("K0723"), "{said}");
    assert!(!said.contains(key) && !said.contains("geheimnis"), "{said}");
    assert!(!said.contains("AuthenticationErrorDetail"), "{said}");
}

#[test]
fn a_store_that_overwrites_is_refused_before_anything_is_written() {
    let Some(store) = Kind::Careless.shared() else {
        return;
    };
    let till = till().moved_to(store);
    let said = till.kilde(&["build"]).ended(2);
    assert!(said.stderr.contains("K0704"), "{}", said.stderr);
    till.fetch();
    let left: Vec<_> = std::fs::read_dir(till.path("lake")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_store_that_fails_now_and_then_or_loses_answers_changes_nothing() {
    let Some(store) = Emulator::start(Kind::S3).map(|store| &*Box::leak(Box::new(store))) else {
        return;
    };
    let till = till().moved_to(store);
    // while it is tried whether the store can carry a lake, when it claims, when it publishes
    for (release, how) in [
        (1, "lose=4"),
        (2, "fail=4"),
        (3, "lose=4"),
        (4, "fail=4&lose=4"),
        (5, "torn=3"),
    ] {
        sell(&till, release, 30 + release);
        store.behave(how);
        till.kilde(&["build"]).ended(0);
        store.behave("fail=0&lose=0&torn=0");
        assert_eq!(till.newest_release()["number"], release);
    }
    let stores = "select count(*) from bronze.sales where store = 'Kiruna'";
    assert_eq!(till.query(stores), [["5"]]);
}

#[test]
fn a_build_that_dies_on_a_store_leaves_the_old_release_or_the_new_one() {
    let Some(store) = Kind::S3.shared() else {
        return;
    };
    let till = till().moved_to(store);
    till.kilde(&["build"]).ended(0);
    let boundaries = [
        "after_publish_entry",
        "after_table_commit",
        "before_release",
    ];
    for (boundary, seen) in boundaries.into_iter().zip(1..) {
        sell(&till, seen + 1, 30 + seen);
        let mut dying = till.command(&["build"]);
        let output = time_limit::output(dying.env("KILDE_FAILPOINT", boundary)).unwrap();
        assert_eq!(output.status.code(), None, "{boundary}");
        assert_eq!(till.newest_release()["number"], seen, "{boundary}");
        // decided: whoever writes next carries it out, at once, since a publish closes its claim
        till.kilde(&["build"]).ended(0);
        assert_eq!(till.newest_release()["number"], seen + 1, "{boundary}");
        let rows = till.query("select count(*) from bronze.sales where store = 'Kiruna'");
        assert_eq!(rows, [[seen.to_string()]], "{boundary}");
    }
}

#[test]
fn what_is_wrong_with_a_place_or_its_keys_is_said_with_the_code_that_a_scheduler_needs() {
    let Some(store) = Kind::S3.shared() else {
        return;
    };
    let till = till().moved_to(store);
    let project = till.read("kilde.yaml");
    let says = |code: i32, what: &[&str], arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = till.command(arguments);
        command.envs(variables.iter().copied());
        let output = time_limit::output(&mut command).unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}");
        for word in what {
            assert!(said.contains(word), "no {word} in {said}");
        }
        assert!(!said.contains(SECRET), "{said}");
    };
    till.write("kilde.yaml", project.replace("s3://acme/", "s3://nowhere/"));
    says(2, &["K0721", "s3://nowhere/"], &["build"], &[]);
    says(2, &["K0721"], &["query", "select 1"], &[]);
    let raw = project
        .lines()
        .find(|line| line.starts_with("raw: "))
        .unwrap();
    till.write(
        "kilde.yaml",
        project.replace(raw, "raw: s3://acme/none-such"),
    );
    says(2, &["K0702", "s3://acme/none-such"], &["plan"], &[]);
    till.write("kilde.yaml", &project);
    says(2, &["K0722"], &["plan"], &[("AWS_SECRET_ACCESS_KEY", "")]);
    let nobody = [
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_SECRET_ACCESS_KEY", ""),
        ("AWS_PROFILE", "none-such"),
    ];
    says(2, &["K0722", "none-such"], &["plan"], &nobody);
    // a port on which nobody listens
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    says(
        3,
        &["K0703", "Connection refused"],
        &["plan"],
        &[("AWS_ENDPOINT_URL", &url), ("KILDE_STORAGE_PATIENCE", "1")],
    );
}

#[test]
fn what_connect_prints_opens_a_release_on_s3_in_duckdb_and_polars_and_holds_no_key() {
    let (Some(store), Some(python)) = (Kind::S3.shared(), foreign::python()) else {
        return;
    };
    let till = till().moved_to(store);
    till.kilde(&["build"]).ended(0);
    sell(&till, 2, 30);
    till.kilde(&["build"]).ended(0);
    for (tool, file) in [("duckdb", "kilde.sql"), ("polars", "lake.py")] {
        let said = till.kilde(&["connect", tool, "--release", "1"]).ended(0);
        assert!(!said.stdout.contains(SECRET), "{}", said.stdout);
        till.write(file, said.stdout);
    }
    let said = till.kilde(&["connect", "powerbi"]).ended(2);
    assert!(said.stderr.contains("--lake"), "{}", said.stderr);
    let files = [till.path("kilde.sql"), till.path("lake.py")];
    let files = files.map(|file| file.display().to_string());
    let read = foreign::script_within(
        python,
        "connect.py",
        &[&files[0], &files[1]],
        &store.environment(),
    );
    let read: serde_json::Value = serde_json::from_str(&read).unwrap();
    assert_eq!(read["duckdb"], serde_json::json!({"gold.stores": 2}));
    assert_eq!(read["polars"], serde_json::json!({"gold.stores": 2}));
}
