//! The walls of the house: imports point up the table of docs/architecture.md, and only `lake` knows Delta.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

struct Layers {
    /// module → (layer, row)
    rows: BTreeMap<String, (u32, usize)>,
    allowed: BTreeSet<(String, String)>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn backticked(text: &str) -> Vec<String> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_string)
        .collect()
}

fn layers() -> Layers {
    let page = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let mut rows = BTreeMap::new();
    let mut allowed = BTreeSet::new();
    for (row, line) in page.lines().enumerate() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if cells.len() > 3
            && let Ok(layer) = cells[1].parse()
        {
            for module in backticked(cells[2]) {
                rows.insert(module, (layer, row));
            }
        }
        if let Some((from, to)) = line
            .strip_prefix("- ")
            .and_then(|item| item.split_once('→'))
        {
            for target in backticked(to) {
                allowed.insert((backticked(from)[0].clone(), target));
            }
        }
    }
    assert!(
        rows.len() > 10 && !allowed.is_empty(),
        "the table of docs/architecture.md is not read"
    );
    Layers { rows, allowed }
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn module_of(file: &Path) -> String {
    let below = file.strip_prefix(root().join("src")).unwrap();
    let first = below
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_string_lossy()
        .into_owned();
    first.trim_end_matches(".rs").to_string()
}

/// The code lines of a file, without comments.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(i, line)| (i + 1, line))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// First segments after `crate::`, also those of a braced list.
fn crate_paths(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        if line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &line[at + "crate::".len()..];
        let first: String = rest
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        if !first.is_empty() {
            found.push(first);
        }
    }
    found
}

#[test]
fn imports_point_up_the_table_of_the_architecture_page() {
    let layers = layers();
    let mut wrong = Vec::new();
    for file in rust_files(&root().join("src")) {
        let from = module_of(&file);
        if from == "lib" || from == "main" {
            continue;
        }
        let Some((layer, row)) = layers.rows.get(&from) else {
            wrong.push(format!(
                "{}: module `{from}` is not on the page",
                file.display()
            ));
            continue;
        };
        let text = fs::read_to_string(&file).unwrap();
        assert!(
            !text.contains("use crate::{"),
            "{}: name the module: `use crate::x::…`",
            file.display()
        );
        for (number, line) in code(&text) {
            for to in crate_paths(line) {
                let Some((other, other_row)) = layers.rows.get(&to) else {
                    continue;
                };
                let fine = from == to
                    || other < layer
                    || other_row == row
                    || layers.allowed.contains(&(from.clone(), to.clone()));
                if !fine {
                    wrong.push(format!(
                        "{}:{number}: `{from}` must not import `{to}`",
                        file.display()
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_lake_knows_delta() {
    for file in rust_files(&root().join("src")) {
        let text = fs::read_to_string(&file).unwrap();
        let knows = code(&text).any(|(_, line)| line.contains("deltalake_core"));
        assert!(
            !knows || module_of(&file) == "lake",
            "{} names deltalake_core",
            file.display()
        );
    }
}

#[test]
fn every_sql_file_begins_with_its_table_and_grain() {
    let mut folders = vec![root().join("sql")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let below = path
                .strip_prefix(root().join("sql"))
                .unwrap()
                .with_extension("");
            let table = below.to_string_lossy().replace('/', ".");
            let text = fs::read_to_string(&path).unwrap();
            let start = format!("-- {table}: ");
            assert!(
                text.starts_with(&start),
                "{} must begin with `{start}…`",
                path.display()
            );
        }
    }
}

/// Numbers that follow one of the words, white space between them left out of sight.
fn numbers_after(text: &str, words: &[&str]) -> BTreeSet<u16> {
    let after = |word: &&str| -> Vec<&str> { text.split(*word).skip(1).collect() };
    let digits = |rest: &str| -> String {
        let rest = rest.trim_start().chars();
        rest.take_while(char::is_ascii_digit).collect()
    };
    words
        .iter()
        .flat_map(after)
        .filter_map(|rest| digits(rest).parse().ok())
        .collect()
}

#[test]
fn every_code_that_is_raised_is_explained() {
    let explanations = root().join("src/diagnostic/explanation");
    let mut raised = BTreeMap::new();
    let mut explained = BTreeSet::new();
    for file in rust_files(&root().join("src")) {
        let text = fs::read_to_string(&file).unwrap();
        let numbers = numbers_after(&text, &["Code(", "Mistake::new("]);
        if file.starts_with(&explanations) {
            explained.extend(numbers);
        } else {
            raised.extend(numbers.into_iter().map(|number| (number, file.clone())));
        }
    }
    assert!(raised.len() > 50, "codes are not found: {raised:?}");
    raised.retain(|number, _| !explained.contains(number));
    assert!(
        raised.is_empty(),
        "`kilde explain` knows none of {raised:?}"
    );
}

#[test]
fn every_function_is_tested_and_on_the_page_of_sql() {
    let page = fs::read_to_string(root().join("docs/sql.md")).unwrap();
    for file in rust_files(&root().join("src/engine/udf")) {
        let text = fs::read_to_string(&file).unwrap();
        // other files of the folder begin with what they do, not with a call
        let names_a_function = text
            .strip_prefix("//! `")
            .is_some_and(|rest| rest.starts_with(char::is_alphabetic));
        if !names_a_function {
            continue;
        }
        let whole = if file.ends_with("mod.rs") {
            file.parent().unwrap()
        } else {
            &file
        };
        let slt = root()
            .join("tests/slt/udf")
            .join(whole.file_stem().unwrap())
            .with_extension("slt");
        assert!(slt.is_file(), "{} is missing", slt.display());
        let names = text.split("name: \"").skip(1);
        for name in names.filter_map(|rest| rest.split('"').next()) {
            assert!(page.contains(name), "`{name}` is not in docs/sql.md");
        }
    }
}

#[test]
fn every_test_waits_for_a_command_with_a_limit() {
    for file in rust_files(&root().join("tests/it")) {
        let text = fs::read_to_string(&file).unwrap();
        // written in two parts, so that this file does not find itself
        let waits = text.contains(&[".out", "put()"].concat());
        assert!(
            !waits,
            "{}: `time_limit::output(&mut command)`, so that a hanging command fails its test alone",
            file.display()
        );
    }
}

#[test]
fn the_image_gets_every_folder_that_is_packed_into_the_program() {
    let image = fs::read_to_string(root().join("Dockerfile")).unwrap();
    let allowed = fs::read_to_string(root().join(".dockerignore")).unwrap();
    let program = fs::read_to_string(root().join("src/main.rs")).unwrap();
    let packed = program.split("$CARGO_MANIFEST_DIR/").skip(1);
    let folders: Vec<&str> = packed.filter_map(|rest| rest.split('"').next()).collect();
    assert!(folders.contains(&"exports"), "{folders:?}");
    for folder in folders {
        let copied = image.contains(&format!("COPY {folder} {folder}\n"));
        let seen = allowed.contains(&format!("!{folder}\n"));
        assert!(copied && seen, "the image lacks {folder}");
    }
}

#[test]
fn the_image_is_built_by_the_toolchain_that_the_manifest_asks_for() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let version = manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "))
        .unwrap();
    let image = fs::read_to_string(root().join("Dockerfile")).unwrap();
    let argument = format!("ARG RUST={}\n", version.trim_matches('"'));
    assert!(image.contains(&argument), "Dockerfile lacks {argument}");
}

#[test]
fn nothing_is_left_ignored_or_allowed() {
    // written in two parts, so that this file does not find itself
    let banned = [
        ["#[all", "ow("],
        ["#[ign", "ore"],
        ["tod", "o!("],
        ["unimplem", "ented!("],
    ];
    for folder in ["src", "tests/it"] {
        for file in rust_files(&root().join(folder)) {
            let text = fs::read_to_string(&file).unwrap();
            for word in banned.map(|parts| parts.concat()) {
                assert!(!text.contains(&word), "{} holds `{word}`", file.display());
            }
        }
    }
}
