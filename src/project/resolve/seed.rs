//! The CSV files of `seeds/`, each the table that its path names.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::Seed;
use super::super::raw::Mistake;
use super::super::seed;
use super::ownership::Owned;
use super::source::Sources;
use super::{blame, table_of};
use crate::diagnostic::{Diagnostic, SourceFile, Span};
use crate::name::TableName;

/// The seeds of a project.
#[derive(Debug, Default)]
pub(super) struct Seeds {
    /// Those that could be taken apart.
    pub(super) by_table: BTreeMap<TableName, Seed>,
    /// All of them.
    pub(super) files: BTreeMap<TableName, Arc<SourceFile>>,
}

/// Takes every file apart; a table that something else makes too is a mistake.
pub(super) fn resolve(
    files: &[Arc<SourceFile>],
    sources: &Sources,
    owned: &Owned,
    found: &mut Vec<Diagnostic>,
) -> Seeds {
    let mut seeds = Seeds::default();
    for file in files {
        let Some(table) = table_of(file) else {
            continue;
        };
        let source = sources.by_table.get(&table).map(|source| &source.file);
        if let Some(other) = source.or(owned.files.get(&table)) {
            let mistake = Mistake::new(140, format!("`{table}` is made twice"))
                .help(format!("{} makes it too: keep one", other.path));
            found.push(blame(file, Span::default(), mistake));
        }
        match seed::read(file) {
            Ok(seed) => {
                seeds.by_table.insert(table.clone(), seed);
            }
            Err(mistakes) => found.extend(mistakes),
        }
        seeds.files.insert(table, Arc::clone(file));
    }
    seeds
}
