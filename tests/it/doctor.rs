//! `kilde doctor`: what a build needs, tried; and what `kilde status` says of a builder that died.

use std::path::PathBuf;

use serde_json::Value;

use crate::history::till;
use crate::sandbox::{Sandbox, copy_folder};
use crate::time_limit;

fn findings(till: &Sandbox) -> Vec<Value> {
    let said = till.kilde(&["doctor", "--json"]);
    serde_json::from_str(&said.stdout).unwrap()
}

/// Health and text of one check.
fn finding(till: &Sandbox, check: &str) -> (String, String) {
    let findings = findings(till);
    let found = findings.iter().find(|finding| finding["check"] == check);
    let found = found.unwrap_or_else(|| panic!("no {check} in {findings:?}"));
    let text = |key: &str| found[key].as_str().unwrap().to_string();
    (text("health"), text("text"))
}

#[test]
fn a_healthy_lake_is_well_and_nothing_stays_behind() {
    let till = till();
    let said = till.kilde(&["doctor"]).ended(0);
    assert!(said.stdout.contains("there is none yet"), "{}", said.stdout);
    assert!(!till.path("lake").exists());
    till.kilde(&["build"]).ended(0);
    let objects = till.objects();
    let said = till.kilde(&["doctor"]).ended(0);
    for line in [
        "✓  project          till:",
        "✓  exports          1 exports of 1 sources",
        "✓  rights           read, write, list and delete",
        "✓  conditional put  an object is created exactly once",
        "✓  clock",
        "✓  release          release 1",
        "✓  builder          nobody holds the lake",
        "✓  foreign          no other tool wrote to a table",
        "✓  upkeep           releases 1 to 1",
    ] {
        assert!(said.stdout.contains(line), "{line}:\n{}", said.stdout);
    }
    assert_eq!(till.objects(), objects);
}

#[test]
fn what_a_killed_build_left_in_the_spill_folder_is_told_and_removed_by_the_next() {
    let till = till();
    let left = till.path("spill/kilde-scratch-3");
    std::fs::create_dir_all(&left).unwrap();
    std::fs::write(left.join("lock"), "").unwrap();
    std::fs::write(left.join("rows"), vec![0; 3_000_000]).unwrap();
    let spill = till.path("spill").display().to_string();
    let said = till.kilde(&["doctor", "--spill-dir", &spill]).ended(0);
    let told = said.stdout.contains("1 folder (3.0 MB) of killed builds");
    assert!(told, "{}", said.stdout);
    assert!(left.exists());
    till.kilde(&["build", "--spill-dir", &spill]).ended(0);
    let entries = std::fs::read_dir(till.path("spill")).unwrap();
    assert_eq!(entries.count(), 0, "neither what was left nor its own");
}

#[test]
fn what_stops_a_build_fails_with_the_exit_code_of_who_has_to_act() {
    let till = till();
    till.kilde(&["build"]).ended(0);
    std::fs::rename(till.path("exports"), till.path("elsewhere")).unwrap();
    let said = till.kilde(&["doctor"]).ended(2);
    assert!(
        said.stdout.contains("✗  exports") && said.stdout.contains("does not exist"),
        "{}",
        said.stdout
    );
    std::fs::rename(till.path("elsewhere"), till.path("exports")).unwrap();

    till.write("kilde.yaml", "project: till\nraw: exports/\nlake: lake/\nnotify: {webhook: \"env:KILDE_NO_SUCH_HOOK\"}\n");
    let said = till.kilde(&["doctor"]).ended(0);
    assert!(
        said.stdout.contains("!  webhook") && said.stdout.contains("is not set"),
        "{}",
        said.stdout
    );

    till.write("kilde.yaml", "project: till\nraws: exports/\nlake: lake/\n");
    till.kilde(&["doctor"]).ended(2);
}

#[test]
fn a_builder_that_died_is_told_from_one_at_work() {
    let till = till();
    till.kilde(&["build"]).ended(0);
    till.write("exports/sales_20260102.csv", "store,amount\nLund,1\n");
    let mut build = till.command(&["build"]);
    build.env("KILDE_FAILPOINT", "after_claim");
    assert!(!time_limit::output(&mut build).unwrap().status.success());
    let said = till.kilde(&["status"]).ended(0);
    assert!(
        said.stdout.contains("dead: run ") && said.stdout.contains("the next build takes over"),
        "{}",
        said.stdout
    );
    let (health, text) = finding(&till, "builder");
    assert!(health == "warn" && text.contains("died"), "{text}");

    let mut build = till.command(&["build"]);
    build.env("KILDE_FAILPOINT", "pause_after_claim");
    let mut build = build.spawn().unwrap();
    let mut seen = false;
    for _ in 0..200 {
        seen = till
            .kilde(&["status"])
            .ended(0)
            .stdout
            .contains("is at work since");
        if seen {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let (health, text) = finding(&till, "builder");
    build.kill().unwrap();
    build.wait().unwrap();
    assert!(seen, "never at work");
    assert!(health == "ok" && text.contains("at work"), "{text}");
    till.kilde(&["build"]).ended(0);
    assert_eq!(finding(&till, "builder").1, "nobody holds the lake");
}

#[test]
fn a_foreign_change_is_told_before_it_stops_a_build() {
    let till = till();
    till.kilde(&["build"]).ended(0);
    let log = "lake/gold/stores/_delta_log/00000000000000000001.json";
    till.write(
        log,
        "{\"commitInfo\":{\"engineInfo\":\"another tool 1.2\"}}\n{\"remove\":{\"path\":\"x.parquet\",\"dataChange\":true,\"deletionTimestamp\":1}}\n",
    );
    let said = till.kilde(&["doctor"]).ended(4);
    assert!(
        said.stdout
            .contains("`gold.stores` was changed at version 1 by another tool 1.2"),
        "{}",
        said.stdout
    );
}

#[test]
fn what_is_gone_from_a_lake_is_found_before_a_build_finds_it() {
    let till = till();
    till.kilde(&["build"]).ended(0);
    let lost: [(&str, &str); 2] = [
        (
            "lake/gold/stores/_delta_log/00000000000000000000.json",
            "log is gone",
        ),
        ("lake/bronze/sales", "is missing"),
    ];
    assert_eq!(finding(&till, "files").0, "ok");
    for (path, words) in lost {
        let path = match path.ends_with(".json") {
            true => till.path(path),
            // its only file
            false => std::fs::read_dir(till.path(path))
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .find(|path| path.extension().is_some_and(|end| end == "parquet"))
                .unwrap(),
        };
        let aside = till.path("aside");
        std::fs::rename(&path, &aside).unwrap();
        let said = till.kilde(&["doctor"]).ended(4);
        let (health, text) = finding(&till, "files");
        assert_eq!(health, "fail", "{text}");
        assert!(
            text.contains(words) || said.stdout.contains(words),
            "{words}: {text}"
        );
        std::fs::rename(&aside, &path).unwrap();
    }
    assert_eq!(finding(&till, "files").0, "ok");
    // what no build reads stops none: it is told
    assert_eq!(finding(&till, "history").0, "ok");
    std::fs::remove_file(till.path("lake/_kilde/log/00000000000000000001.json")).unwrap();
    till.kilde(&["doctor"]).ended(0);
    let (health, text) = finding(&till, "history");
    assert!(
        health == "warn" && text.contains("_kilde/log/00000000000000000001.json"),
        "{text}"
    );
    till.write("exports/sales_20260102.csv", "store,amount\nLund,1\n");
    till.kilde(&["build"]).ended(0);
}

#[test]
fn a_lake_that_no_build_can_use_fails_with_what_to_do_and_nothing_is_written_to_it() {
    let till = till();
    till.kilde(&["build"]).ended(0);
    till.write("exports/sales_20260102.csv", "store,amount\nLund,1\n");
    till.kilde(&["build"]).ended(0);
    till.write("exports/sales_20260103.csv", "store,amount\nLund,2\n");
    let log = |place: u64| format!("lake/_kilde/log/{place:020}.json");
    let (claim, publish) = (log(3), log(4));
    let lost: [(&[&str], &str, &str); 5] = [
        (&["lake/_kilde/format.json"], "K0728", "a copy of the lake"),
        (&["lake/_kilde"], "K0728", "a copy of the lake"),
        (&[&publish], "K0714", "a copy of the lake"),
        (
            &[&claim, "lake/_kilde/hint.json"],
            "K0714",
            "a copy of the lake",
        ),
        (
            &["lake/_kilde/releases/00000002.json"],
            "K0714",
            "kilde build --give-up 2",
        ),
    ];
    for (paths, code, help) in lost {
        let whole = till.path("whole");
        copy_folder(&till.path("lake"), &whole);
        for path in paths {
            let path = till.path(path);
            match path.is_dir() {
                true => std::fs::remove_dir_all(path).unwrap(),
                false => std::fs::remove_file(path).unwrap(),
            }
        }
        let said = till.kilde(&["doctor"]).ended(4);
        assert!(said.stdout.contains(help), "{paths:?}: {}", said.stdout);
        let said = till.kilde(&["build"]).ended(4);
        assert!(said.stderr.contains(code), "{paths:?}: {}", said.stderr);
        std::fs::remove_dir_all(till.path("lake")).unwrap();
        std::fs::rename(&whole, till.path("lake")).unwrap();
    }
    till.kilde(&["build"]).ended(0);
    till.kilde(&["doctor"]).ended(0);
    // of an older release: builds go on
    std::fs::remove_file(till.path("lake/_kilde/releases/00000001.json")).unwrap();
    let (health, text) = finding(&till, "records");
    assert!(health == "warn" && text.contains("release 1"), "{text}");
}

#[test]
fn a_table_whose_protocol_was_raised_stops_a_build_before_any_work() {
    let till = till();
    till.kilde(&["build"]).ended(0);
    let entry = "lake/bronze/sales/_delta_log/00000000000000000001.json";
    till.write(
        entry,
        "{\"commitInfo\":{\"engineInfo\":\"another tool 1.2\"}}\n{\"protocol\":{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":[\"deletionVectors\"],\"writerFeatures\":[\"deletionVectors\"]}}\n",
    );
    till.write("exports/sales_20260102.csv", "store,amount\nLund,1\n");
    let files = || {
        let objects = till.objects();
        let is_data = |path: &&PathBuf| path.extension().is_some_and(|end| end == "parquet");
        objects.keys().filter(is_data).count()
    };
    let before = files();
    let said = till.kilde(&["build"]).ended(4);
    for words in ["K0711", "`bronze.sales`", "version 1", "another tool 1.2"] {
        assert!(said.stderr.contains(words), "{words}: {}", said.stderr);
    }
    assert_eq!(files(), before, "told before any work was done");
    // of a table that may come out the same it is told once it is to be published, and as what it is
    let of_step = entry.replace("bronze/sales", "gold/stores");
    std::fs::rename(till.path(entry), till.path(&of_step)).unwrap();
    let said = till.kilde(&["build"]).ended(4);
    assert!(said.stderr.contains("K0711"), "{}", said.stderr);
    std::fs::remove_file(till.path(&of_step)).unwrap();
    till.kilde(&["build"]).ended(0);
}

/// Too late to stop: the release is decided, or as good as. It is told as one that was there before.
#[test]
fn what_another_tool_writes_while_a_release_is_published_is_told() {
    let till = till();
    till.kilde(&["build"]).ended(0);
    till.write("exports/sales_20260102.csv", "store,amount\nLund,1\n");
    let mut build = till.command(&["build"]);
    till.stops_at(&mut build, "held_after_staging");
    let build = std::thread::spawn(move || time_limit::output(&mut build).unwrap());
    till.is_held();
    till.write(
        "lake/gold/stores/_delta_log/00000000000000000001.json",
        "{\"commitInfo\":{\"engineInfo\":\"another tool 1.2\"}}\n{\"remove\":{\"path\":\"x.parquet\",\"dataChange\":true,\"deletionTimestamp\":1}}\n",
    );
    till.lets_go();
    let output = build.join().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let words = "`gold.stores` was changed at version 1 by another tool 1.2";
    assert!(said.contains(words), "{said}");
    let last: Value = serde_json::from_str(&till.read("lake/_kilde/last_run.json")).unwrap();
    assert_eq!(last["overruled"][0]["table"], "gold.stores", "{last}");
    assert_eq!(last["overruled"][0]["version"], 1, "{last}");
    let rows = till.query("select sum(amount) from gold.stores");
    assert_eq!(rows, [["31"]]);
}
