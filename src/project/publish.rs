//! `publish.parquet`: the tables that are also kept as one whole Parquet file each.

use std::sync::Arc;

use globset::{GlobBuilder, GlobMatcher};

use super::Spanned;
use super::raw::{Mistake, nearest_word};
use super::resolve::blame;
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::name::TableName;

/// Names and globs of tables; none: no table is.
#[derive(Clone, Debug, Default)]
pub(crate) struct ParquetTables {
    globs: Vec<GlobMatcher>,
}

impl ParquetTables {
    /// Whether a table is kept so.
    pub(crate) fn contains(&self, table: &TableName) -> bool {
        let name = table.to_string();
        self.globs.iter().any(|glob| glob.is_match(&name))
    }

    /// The patterns of `kilde.yaml`; each must name a table of the project.
    pub(super) fn resolve(
        file: &Arc<SourceFile>,
        written: Vec<Spanned<String>>,
        tables: &[&TableName],
        found: &mut Vec<Diagnostic>,
    ) -> Self {
        let names: Vec<String> = tables.iter().map(ToString::to_string).collect();
        let mut globs = Vec::new();
        for pattern in written {
            match matching(&pattern.value, &names) {
                Ok(glob) => globs.push(glob),
                Err(mistake) => found.push(blame(file, pattern.span, mistake)),
            }
        }
        Self { globs }
    }
}

fn matching(pattern: &str, names: &[String]) -> Result<GlobMatcher, Mistake> {
    let glob = GlobBuilder::new(pattern).build().map_err(|_| {
        Mistake::new(129, format!("`{pattern}` is no glob"))
            .help("write `gold.*` or a table's name")
    })?;
    let glob = glob.compile_matcher();
    if names.iter().any(|name| glob.is_match(name)) {
        return Ok(glob);
    }
    let mistake = Mistake::new(129, format!("no table is called `{pattern}`"));
    let words: Vec<&str> = names.iter().map(String::as_str).collect();
    let schemas: Vec<String> = names
        .iter()
        .filter_map(|name| Some(format!("{}.*", name.split_once('.')?.0)))
        .collect();
    let schemas: Vec<&str> = schemas.iter().map(String::as_str).collect();
    Err(match nearest_word(pattern, &[words, schemas].concat()) {
        Some(near) => mistake.help(format!("did you mean `{near}`?")),
        None => mistake.help("write `gold.*` or a table's name"),
    })
}
