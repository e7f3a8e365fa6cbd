//! What a dbt project has and kilde does not read: said once, lest somebody wait for it to be built.

use std::path::Path;
use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, SourceFile, Span};

/// Folders and files of dbt, and what takes their place.
const OF_DBT: [(&str, &str); 6] = [
    (
        "dbt_project.yml",
        "its settings stand in kilde.yaml and in the pipelines",
    ),
    (
        "models",
        "a model is a step: sql/<schema>/<table>.sql with plain table names, named by a pipeline",
    ),
    (
        "macros",
        "a macro of an expression is a function: `create function` in sql/functions/",
    ),
    (
        "snapshots",
        "exports are kept: SQL over a source of `load: append` says what held when",
    ),
    (
        "analyses",
        "a query that makes no table is run by `kilde query`",
    ),
    (
        "packages.yml",
        "kilde has no packages: functions and steps are files of the project",
    ),
];

/// A doubt for each of them in a project's folder.
pub(super) fn warnings(root: &Path) -> Vec<Diagnostic> {
    let there = OF_DBT.iter().filter(|(name, _)| match *name {
        // where kilde's own trained models may lie, too
        "models" => holds_sql(&root.join(name), DEEPEST),
        name => root.join(name).exists(),
    });
    there
        .map(|(name, ours)| {
            let file = Arc::new(SourceFile {
                path: (*name).to_string(),
                text: String::new(),
            });
            Diagnostic::warning(
                Code(151),
                format!("`{name}` is dbt's, and kilde does not read it"),
            )
            .at(&file, Span::default())
            .help(*ours)
        })
        .collect()
}

/// Folders within folders that are looked into.
const DEEPEST: usize = 8;

/// Whether a folder, or one in it, holds a statement.
fn holds_sql(folder: &Path, depth: usize) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths = entries.map(|entry| entry.path());
    paths.any(|path| match path.is_dir() {
        true => depth > 0 && holds_sql(&path, depth - 1),
        false => path.extension().is_some_and(|extension| extension == "sql"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dbts_is_said_not_to_be_read() {
        let folder = tempfile::tempdir().unwrap();
        assert!(warnings(folder.path()).is_empty());
        std::fs::create_dir_all(folder.path().join("models/staging")).unwrap();
        std::fs::write(folder.path().join("models/people.json"), "{}").unwrap();
        assert!(
            warnings(folder.path()).is_empty(),
            "a trained model is kilde's"
        );
        std::fs::write(folder.path().join("models/staging/orders.sql"), "select 1").unwrap();
        std::fs::write(folder.path().join("dbt_project.yml"), "name: shop\n").unwrap();
        let found = warnings(folder.path());
        assert_eq!(found.len(), 2);
        let text = found[1].render(false);
        assert!(text.contains("warning[K0151]: `models` is dbt's"), "{text}");
        assert!(text.contains("sql/<schema>/<table>.sql"), "{text}");
    }
}
