//! Every folder of `tests/rejected/` is a project with a mistake or two, which must be refused with exactly the text of
//! its `expected.txt`. `KILDE_COMPLETE=1` writes the expectations; read the difference before committing it.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use kilde::{Project, Variables};

use crate::time_limit;

#[test]
fn every_rejected_project_is_refused_with_its_text() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rejected");
    let complete = std::env::var_os("KILDE_COMPLETE").is_some();
    let mut wrong = String::new();
    let projects = projects(&folder);
    assert!(!projects.is_empty(), "no project in {}", folder.display());
    for project in &projects {
        let found = refusal(project);
        let path = project.join("expected.txt");
        if complete {
            std::fs::write(&path, &found).expect("expectation written");
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        if found != expected {
            let name = project.file_name().unwrap_or_default().display();
            write!(wrong, "\n== {name}: expected\n{expected}== found\n{found}").expect("text");
        }
    }
    assert!(
        wrong.is_empty(),
        "{wrong}\nKILDE_COMPLETE=1 accepts what was found"
    );
}

/// Folders of mistakes, by name.
fn projects(folder: &Path) -> Vec<PathBuf> {
    let mut projects: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("tests/rejected")
        .map(|entry| entry.expect("entry").path())
        .filter(|path| path.is_dir())
        .collect();
    projects.sort();
    projects
}

/// What a user is told of the project, as printed.
fn refusal(project: &Path) -> String {
    match Project::load(project, &Variables::default()) {
        Ok(_) => refusal_of_its_sql(project),
        Err(error) => {
            // the place of this checkout is nobody's business
            let place = project.display().to_string();
            format!("{}\n", error.render().replace(&place, "."))
        }
    }
}

/// What `kilde check` says where only SQL can be wrong.
fn refusal_of_its_sql(project: &Path) -> String {
    let output = time_limit::output(
        std::process::Command::new(env!("CARGO_BIN_EXE_kilde"))
            .arg("check")
            .current_dir(project)
            .env("NO_COLOR", "1"),
    )
    .expect("kilde runs");
    match output.status.code() {
        Some(2) => String::from_utf8(output.stderr).expect("UTF-8"),
        code => format!("accepted: exit code {code:?}\n"),
    }
}
