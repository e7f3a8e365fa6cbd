//! Ctrl-C and a scheduler's SIGTERM at several instants of a build: the exit code tells, nothing is published, and the next
//! build waits for nothing.

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::sandbox::{Sandbox, until};

const PIPELINE: &str = "
sources:
  - {table: bronze.numbers, files: numbers_*.csv, read: csv}
steps:
  - sql: gold/*
";
const NUMBERS: &str = "
description: Numbers.
columns:
  - {name: n, data_type: bigint}
  - {name: word, data_type: varchar}
";
/// Nine times ten to the ten pairs: nobody waits for it.
const FOR_EVER: &str = "select count(*) as n from bronze.numbers as a cross join bronze.numbers as b where a.n * b.n < 0";
const QUICK: &str = "select count(*) as n from bronze.numbers";
const COUNTED: &str = "
description: How many there are.
grain: one row
columns:
  - {name: n, data_type: bigint}
";

/// A project with one step of that SQL and that further text in its contract.
fn numbers(sql: &str, tests: &str) -> Sandbox {
    let numbers = Sandbox::with(&[
        (
            "kilde.yaml",
            "project: numbers\nraw: exports/\nlake: lake/\n",
        ),
        ("pipelines/numbers.yaml", PIPELINE),
        ("schemas/bronze/numbers.yaml", NUMBERS),
        ("schemas/gold/counted.yaml", &format!("{COUNTED}{tests}")),
        ("sql/gold/counted.sql", sql),
    ]);
    let mut csv = "n,word\n".to_string();
    for n in 0..300_000 {
        csv.push_str(&format!("{n},word {n}\n"));
    }
    numbers.write("exports/numbers_1.csv", csv);
    numbers
}

/// A build that writes its log to a file, and what that file says.
struct Build<'a> {
    project: &'a Sandbox,
    child: Child,
}

impl<'a> Build<'a> {
    fn start(project: &'a Sandbox, failpoint: Option<&str>) -> Self {
        let mut command = project.command(&["build", "--log-format", "json"]);
        if let Some(failpoint) = failpoint {
            project.stops_at(&mut command, failpoint);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(project.path("log")).unwrap())
            .spawn()
            .unwrap();
        Self { project, child }
    }

    /// Every line so far; each is a JSON object, but for one that is being written.
    fn events(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.project.path("log")).unwrap();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[track_caller]
    fn wait_for(&self, event: &str, table: Option<&str>) {
        for _ in 0..6_000 {
            let is_wanted = |line: &Value| {
                line["event"] == event && table.is_none_or(|table| line["table"] == table)
            };
            if self.events().iter().any(is_wanted) {
                return;
            }
            sleep(Duration::from_millis(10));
        }
        panic!("no `{event}` in {:?}", self.events());
    }

    fn signal(&self, signal: &str) {
        let process = self.child.id().to_string();
        Command::new("kill")
            .args([signal, &process])
            .status()
            .unwrap();
    }

    /// The exit code, and how long it took to end.
    fn ends(mut self) -> (Option<i32>, Duration, Vec<Value>) {
        let watch = kilde::clock::Stopwatch::start();
        for _ in 0..3_000 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status.code(), watch.elapsed(), self.events());
            }
            sleep(Duration::from_millis(10));
        }
        self.child.kill().unwrap();
        panic!("the build did not end; it said {:?}", self.events());
    }
}

/// The lake is nobody's, and a build of what is quick ends well at once.
#[track_caller]
fn is_free(project: &Sandbox) {
    let status = project.kilde(&["status"]).ended(0).stdout;
    assert!(
        !status.contains("at work") && !status.contains("dead"),
        "{status}"
    );
    project.kilde(&["build", "-s", "bronze.numbers"]).ended(0);
}

#[track_caller]
fn stopped(project: &Sandbox, ended: (Option<i32>, Duration, Vec<Value>), code: u8) {
    let (exit_code, _, events) = ended;
    assert_eq!(exit_code, Some(i32::from(code)), "{events:?}");
    let last = events.last().unwrap();
    assert_eq!(last["event"], "summary", "{events:?}");
    assert_eq!(last["exit_code"], code, "{last}");
    assert_eq!(
        (&last["class"], &last["retry"]),
        (&Value::from("transient"), &Value::from(true))
    );
    assert_eq!(last["outcome"], "interrupted", "{last}");
    assert!(!project.path("lake/_kilde/releases").exists());
    is_free(project);
}

#[test]
fn a_signal_while_the_lake_is_being_claimed_gives_the_claim_back() {
    for (failpoint, signal, code) in [
        ("held_before_claim", "-TERM", 143),
        ("held_after_claim", "-INT", 130),
    ] {
        let project = numbers(QUICK, "");
        let build = Build::start(&project, Some(failpoint));
        project.is_held();
        build.signal(signal);
        build.wait_for("stopping", None);
        project.lets_go();
        stopped(&project, build.ends(), code);
    }
}

#[test]
fn a_signal_while_the_project_is_still_read_ends_the_build_at_once() {
    let numbers = numbers(QUICK, "");
    let columns: String = (0..60_000)
        .map(|n| format!("  - {{name: c{n}, data_type: bigint}}\n"))
        .collect();
    numbers.write("schemas/bronze/wide.yaml", format!("columns:\n{columns}"));
    let build = Build::start(&numbers, None);
    sleep(Duration::from_millis(300));
    build.signal("-TERM");
    let (code, time, _) = build.ends();
    assert_eq!(code, Some(143));
    assert!(time < Duration::from_secs(1), "{time:?}");
}

#[test]
fn a_signal_while_exports_are_read_publishes_nothing() {
    let project = numbers(QUICK, "");
    let build = Build::start(&project, None);
    build.wait_for("table_started", Some("bronze.numbers"));
    build.signal("-TERM");
    stopped(&project, build.ends(), 143);
}

#[test]
fn a_signal_while_a_step_runs_ends_it_within_seconds() {
    let project = numbers(FOR_EVER, "");
    let build = Build::start(&project, None);
    build.wait_for("table_started", Some("gold.counted"));
    sleep(Duration::from_millis(1_500));
    build.signal("-INT");
    let ended = build.ends();
    assert!(ended.1 < Duration::from_secs(10), "{:?}", ended.1);
    stopped(&project, ended, 130);
}

#[test]
fn a_signal_while_a_test_runs_publishes_nothing() {
    let tests = format!(
        "data_tests:\n  - sql: {}\n",
        FOR_EVER.replace("count(*) as n", "a.n")
    );
    let project = numbers(QUICK, &tests);
    let build = Build::start(&project, None);
    build.wait_for("table_finished", Some("bronze.numbers"));
    sleep(Duration::from_millis(2_500));
    build.signal("-TERM");
    stopped(&project, build.ends(), 143);
}

#[test]
fn a_signal_after_the_decision_lets_the_release_be_settled() {
    for failpoint in ["held_after_publish_entry", "held_before_release"] {
        let project = numbers(QUICK, "");
        let build = Build::start(&project, Some(failpoint));
        project.is_held();
        build.signal("-TERM");
        build.wait_for("stopping", None);
        project.lets_go();
        let (code, _, events) = build.ends();
        assert_eq!(code, Some(0), "{events:?}");
        let last = events.last().unwrap();
        assert_eq!(
            (&last["outcome"], &last["release"]),
            (&Value::from("published"), &Value::from(1))
        );
        assert_eq!(project.query("select n from gold.counted"), [["300000"]]);
    }
}

#[test]
fn a_second_signal_ends_at_once_and_the_next_build_settles_what_was_decided() {
    let project = numbers(QUICK, "");
    let build = Build::start(&project, Some("held_after_publish_entry"));
    project.is_held();
    build.signal("-INT");
    build.wait_for("stopping", None);
    build.signal("-INT");
    let (code, took, events) = build.ends();
    assert_eq!(code, Some(130), "{events:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(events.last().unwrap()["event"], "summary", "{events:?}");
    project.kilde(&["build"]).ended(0);
    assert_eq!(project.query("select n from gold.counted"), [["300000"]]);
    assert_eq!(project.newest_release()["number"], 1);
}

#[test]
fn a_reader_ends_with_the_first_signal_and_its_exit_code() {
    let project = numbers(QUICK, "");
    project.kilde(&["build"]).ended(0);
    let mut query = project
        .command(&["query", FOR_EVER])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    sleep(Duration::from_secs(2));
    Command::new("kill")
        .args(["-TERM", &query.id().to_string()])
        .status()
        .unwrap();
    let status = query.wait().unwrap();
    assert_eq!(status.code(), Some(143));
}

#[test]
fn a_build_waits_for_another_as_long_as_it_is_told_to() {
    let project = numbers(QUICK, "");
    let first = Build::start(&project, Some("held_after_claim"));
    project.is_held();
    let busy = project.kilde(&["build"]).ended(75);
    assert!(busy.stderr.contains("K0706"), "{}", busy.stderr);
    let told = project.path("told");
    let second = project
        .command(&["build", "--wait", "2m"])
        .stdout(Stdio::piped())
        .stderr(File::create(&told).unwrap())
        .spawn()
        .unwrap();
    until(|| fs::read_to_string(&told).unwrap().contains("waiting: run "));
    project.lets_go();
    let second = second.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&second.stdout);
    assert_eq!(second.status.code(), Some(0), "{said}");
    assert!(said.contains("Release 1 stands"), "{said}");
    assert_eq!(first.ends().0, Some(0));
}
