//! The shipped project on its sample of exports: the numbers of the truth, whatever the nights, the threads, the reader.
//!
//! `KILDE_SAMPLE=DIR` takes another output of the sample's generator (its exports, and `truth/` beside them).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::foreign;
use crate::sandbox::Sandbox;

/// Exports and truth of the sample.
struct Sample {
    exports: PathBuf,
    truth: PathBuf,
}

fn sample() -> Sample {
    match std::env::var_os("KILDE_SAMPLE") {
        Some(folder) => {
            let folder = PathBuf::from(folder);
            Sample {
                truth: folder.join("truth"),
                exports: folder,
            }
        }
        None => {
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            Sample {
                exports: root.join("exports"),
                truth: root.join("tests/data/truth"),
            }
        }
    }
}

fn truth(sample: &Sample) -> serde_json::Value {
    serde_json::from_slice(&fs::read(sample.truth.join("expected.json")).unwrap()).unwrap()
}

/// The shipped project over the sample's exports, read where they lie.
fn whole_company(sample: &Sample) -> Sandbox {
    let company = Sandbox::shipped(false);
    let text = company.read("kilde.yaml");
    let raw = format!("raw: {}", sample.exports.display());
    company.write("kilde.yaml", text.replace("raw: exports/", &raw));
    assert!(
        company.read("kilde.yaml").contains(&raw),
        "kilde.yaml names exports/"
    );
    company
}

const BUILD: [&str; 3] = ["build", "--as-of", "2026-01-08"];

/// One value to be compared: what it is, SQL that gives it, what it must be.
struct Expected {
    name: String,
    sql: String,
    value: String,
}

fn expected(truth: &serde_json::Value) -> Vec<Expected> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = fs::read_to_string(root.join("tests/data/expected_queries.tsv")).unwrap();
    let files = truth["files"].as_object().unwrap();
    let paths: Vec<&String> = files
        .iter()
        .filter(|(_, file)| file.get("duplicate_of").is_none())
        .map(|(path, _)| path)
        .collect();
    assert!(paths.len() > 80, "{} files in the truth", paths.len());
    let mut expected = Vec::new();
    for line in table.lines().skip(1) {
        let [name, pointer, sql] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let of = |name: String, pointer: &str, sql: String| Expected {
            name,
            sql,
            value: match truth.pointer(pointer) {
                None => "0".to_string(),
                Some(serde_json::Value::String(text)) => text.clone(),
                Some(value) => value.to_string(),
            },
        };
        if sql.contains("{path}") {
            for path in &paths {
                let pointer = pointer.replace("{path}", &path.replace('/', "~1"));
                expected.push(of(
                    format!("{name} {path}"),
                    &pointer,
                    sql.replace("{path}", path),
                ));
            }
        } else {
            expected.push(of(name.to_string(), pointer, sql.to_string()));
        }
    }
    expected
}

/// Every value that differs from the truth.
fn differences(company: &Sandbox, truth: &serde_json::Value) -> Vec<String> {
    let expected = expected(truth);
    let mut wrong = Vec::new();
    for chunk in expected.chunks(60) {
        let parts: Vec<String> = chunk
            .iter()
            .enumerate()
            .map(|(i, one)| {
                format!(
                    "select {i} as place, cast(({}) as varchar) as found",
                    one.sql
                )
            })
            .collect();
        let found: BTreeMap<usize, String> = company
            .query(&parts.join("\nunion all\n"))
            .into_iter()
            .map(|row| (row[0].parse().unwrap(), row[1].clone()))
            .collect();
        for (i, one) in chunk.iter().enumerate() {
            // the sum of nothing is null, and the truth's 0
            let found = found[&i].as_str();
            let found = if found.is_empty() { "0" } else { found };
            if found != one.value {
                wrong.push(format!(
                    "{}: {found}, not {}\n  {}",
                    one.name, one.value, one.sql
                ));
            }
        }
    }
    wrong
}

#[test]
fn the_truth_comes_out_of_the_lake_and_three_foreign_readers_agree() {
    let sample = sample();
    let truth = truth(&sample);
    let company = whole_company(&sample);
    company.kilde(&BUILD).ended(0);
    let wrong = differences(&company, &truth);
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );

    let before = company.objects();
    company.kilde(&BUILD).ended(0);
    assert_eq!(
        company.objects(),
        before,
        "an unchanged build wrote something"
    );

    let Some(python) = foreign::python() else {
        return;
    };
    let lake = company.path("lake");
    let release = company.newest_release_path();
    let said = foreign::script(
        python,
        "read_lake.py",
        &[lake.to_str().unwrap(), release.to_str().unwrap()],
    );
    let read: BTreeMap<String, serde_json::Value> = serde_json::from_str(&said).unwrap();
    let ours = company.newest_release();
    assert_eq!(read.len(), ours["tables"].as_object().unwrap().len());
    for (table, readers) in &read {
        let rows = &ours["tables"][table]["facts"]["rows"];
        for reader in ["delta-rs", "duckdb", "polars"] {
            assert_eq!(&readers[reader]["rows"], rows, "{table} by {reader}");
            assert_eq!(
                readers[reader]["content"], readers["delta-rs"]["content"],
                "{table} by {reader}"
            );
        }
    }
}

/// Delivers the exports of one night; those that the sample does not ship are left out.
fn deliver(sample: &Sample, company: &Sandbox, paths: &[String]) {
    for path in paths {
        let from = sample.exports.join(path);
        if from.exists() {
            let to = company.path("exports").join(path);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(from, to).unwrap();
        }
    }
}

#[test]
fn nights_one_by_one_equal_all_at_once_and_one_thread_equals_two() {
    let sample = sample();
    let deliveries = fs::read_to_string(sample.truth.join("deliveries.csv")).unwrap();
    let mut nights: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in deliveries.lines().skip(1) {
        let [path, _, night] = line.split(',').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        nights
            .entry(night.to_string())
            .or_default()
            .push(path.to_string());
    }
    let at_once = whole_company(&sample);
    at_once
        .kilde(&["build", "--as-of", "2026-01-08", "--threads", "2"])
        .ended(0);

    let night_by_night = Sandbox::shipped(false);
    fs::create_dir_all(night_by_night.path("exports")).unwrap();
    for paths in nights.values() {
        deliver(&sample, &night_by_night, paths);
        // the other half of the test: one thread gives what two give
        night_by_night
            .kilde(&["build", "--as-of", "2026-01-08", "--threads", "1"])
            .ended(0);
    }
    let (once, nightly) = (at_once.digests(), night_by_night.digests());
    let differ: Vec<_> = once
        .keys()
        .filter(|table| once[*table] != nightly[*table])
        .collect();
    assert!(differ.is_empty(), "{differ:?} differ");
    assert_eq!(once.len(), nightly.len());
}

#[test]
fn a_changed_gold_step_rebuilds_itself_and_what_stands_on_it() {
    let sample = sample();
    let company = whole_company(&sample);
    company.kilde(&BUILD).ended(0);
    let first = company.newest_release();
    let sql = company.read("sql/gold/customers.sql");
    company.write(
        "sql/gold/customers.sql",
        format!("{}\nwhere 1 = 1\n", sql.trim_end()),
    );
    let said = company.kilde(&BUILD).ended(0);
    assert!(said.stdout.contains("steps     1 of "), "{}", said.stdout);
    let second = company.newest_release();
    let tables = first["tables"].as_object().unwrap().iter();
    // the history tells of every release
    for (table, entry) in tables.filter(|(table, _)| !table.starts_with("ops.")) {
        assert_eq!(
            second["tables"][table]["version"], entry["version"],
            "{table} was written"
        );
    }
}
