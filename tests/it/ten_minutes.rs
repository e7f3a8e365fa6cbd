//! `docs/ten_minutes.md`, followed to the letter: its commands in an empty folder, its outputs held to what they print.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::sandbox::steady;
use crate::time_limit;

/// A command of the page with what it is said to print.
struct Step {
    /// Line of the page.
    line: usize,
    commands: String,
    output: Vec<String>,
}

/// The blocks of a page: each `sh` with the `text` that follows it.
fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut block: Option<(String, usize, Vec<String>)> = None;
    for (at, line) in page.lines().enumerate() {
        match (line.strip_prefix("```"), block.take()) {
            (Some(kind), None) => block = Some((kind.to_string(), at + 1, Vec::new())),
            (Some(_), Some((kind, line, lines))) if kind == "sh" => steps.push(Step {
                line,
                commands: lines.join("\n"),
                output: Vec::new(),
            }),
            (Some(_), Some((_, _, lines))) => steps.last_mut().unwrap().output = lines,
            (None, Some((kind, start, mut lines))) => {
                lines.push(line.to_string());
                block = Some((kind, start, lines));
            }
            (None, None) => {}
        }
    }
    steps
}

/// The newest run that left a report in a lake; its id stands for every id of the page.
fn last_run(lake: &Path) -> Option<String> {
    let runs = fs::read_dir(lake.join("_kilde/runs")).ok()?;
    let names = runs.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    Some(names.max()?.trim_end_matches(".json").to_string())
}

/// Asserts that the lines expected come in this order, without a gap except at `…`; blanks between columns may vary, and
/// so may how many tables and tests the sample has.
#[track_caller]
fn prints(printed: &str, expected: &[String], place: &str) {
    let counts =
        regex::Regex::new(r"(\d+ unit tests?, )?\d+ tests? passed|\d+ of \d+ tables|\d+ tables")
            .unwrap();
    let plain = |line: &str| {
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        counts.replace_all(&line, "N").into_owned()
    };
    let printed: Vec<String> = steady(printed).lines().map(plain).collect();
    let expected = steady(&expected.join("\n"));
    let (mut at, mut may_skip) = (0, false);
    for line in expected.lines().map(plain) {
        if line == "…" {
            may_skip = true;
            continue;
        }
        let found = printed[at..].iter().position(|got| *got == line);
        match found {
            Some(0) => at += 1,
            Some(skipped) if may_skip => at += skipped + 1,
            _ => panic!(
                "{place}: expected\n{line}\nafter line {at} of\n{}",
                printed.join("\n")
            ),
        }
        may_skip = false;
    }
}

#[test]
fn ten_minutes_of_a_new_user_go_as_the_page_says() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ten_minutes.md");
    let page = fs::read_to_string(page).unwrap();
    let home = tempfile::tempdir().unwrap();
    let binary = std::env::var_os("KILDE_TEST_BINARY")
        .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_kilde")), PathBuf::from);
    let path = std::env::join_paths(
        std::iter::once(binary.parent().unwrap().to_path_buf())
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    )
    .unwrap();
    let project = home.path().join("shop");
    let id = regex::Regex::new(r"\d{8}T\d{9}-[0-9a-f]{6}").unwrap();
    let steps = steps(&page);
    assert!(steps.len() > 10, "the page has lost its commands");
    for step in steps {
        let mut commands = step.commands.replace(
            "sleep 1;",
            "until kilde status | grep -q 'is at work'; do sleep 0.1; done;",
        );
        if let Some(run) = last_run(&project.join("lake")) {
            commands = id.replace_all(&commands, run.as_str()).into_owned();
        }
        let folder = if project.exists() {
            &project
        } else {
            home.path()
        };
        let mut bash = Command::new("bash");
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("KILDE_")) {
            bash.env_remove(name);
        }
        bash.args(["-c", &format!("exec 2>&1\n{commands}")])
            .current_dir(folder)
            .env("PATH", &path)
            .env("NO_COLOR", "1");
        let output = time_limit::output(&mut bash).unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        prints(
            &printed,
            &step.output,
            &format!("docs/ten_minutes.md:{}", step.line),
        );
    }
}
