//! Tables that were found → a project over them, which a build runs without an edit. Every guess stands in a comment where
//! its author would look for it.
//!
//!   [`Found`] ─source▶ sources, contracts ─trial▶ types that hold ─people▶ who is in them ─▶ files of the project
//!
//! Texts, but for `settle`, which writes them and mends what does not hold.

mod customers;
mod decide;
mod people;
mod purchases;
mod settle;
mod source;
mod sql;
mod trial;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use decide::Decision;
pub(crate) use settle::write_file;
use source::SourceDraft;

use super::folder::Found;
use super::read::{plain_or_quoted, quoted};
use crate::engine::is_plain_name;
use people::Roles;

/// A project that is to be written.
#[derive(Debug)]
pub(crate) struct Draft {
    /// As `project:` takes it.
    name: String,
    /// As `raw:` takes it.
    raw: String,
    pub(crate) sources: Vec<SourceDraft>,
    /// Files that are no table, and why; sources that could not be read.
    pub(crate) left_out: Vec<(String, String)>,
    /// Without which nothing is built.
    pub(crate) decisions: Vec<Decision>,
}

impl Draft {
    /// `name`: of the project, any text. `raw`: where the files lie, as `raw:` takes it. `folder`: how people call that place.
    /// `year`: this one.
    pub(crate) fn new(found: &Found, name: &str, raw: &str, folder: &str, year: i32) -> Self {
        let mut taken = BTreeSet::new();
        let sources = found
            .tables
            .iter()
            .filter(|table| !table.columns.is_empty())
            .map(|table| {
                let mut source = SourceDraft::new(table, folder, &mut taken);
                source.settle_years(year);
                source
            })
            .collect();
        let skipped = found.skipped.iter();
        let skipped = skipped.map(|skipped| (skipped.path.clone(), skipped.why.clone()));
        let empty = found.tables.iter().filter(|table| table.columns.is_empty());
        let files = empty.flat_map(|table| &table.files);
        let empty = files.map(|file| {
            let why = "no column was found in it: it holds no records";
            (file.path.clone(), why.to_string())
        });
        Self {
            name: super::name::identifier(name, "p_"),
            raw: raw.to_string(),
            sources,
            left_out: skipped.chain(empty).collect(),
            decisions: Vec::new(),
        }
    }

    /// Leaves a source out, since it cannot be read.
    fn leave_out(&mut self, table: &str, why: &str) {
        self.sources.retain(|source| source.table != table);
        self.left_out.push((table.to_string(), why.to_string()));
    }

    /// What was recognised, in words.
    pub(crate) fn recognised(&self) -> Vec<String> {
        Roles::of(&self.sources).in_words()
    }

    /// The files of the project by path.
    fn files(&self) -> BTreeMap<String, String> {
        let roles = Roles::of(&self.sources);
        let mut files = BTreeMap::new();
        files.insert("kilde.yaml".to_string(), self.project_file(&roles));
        files.insert("pipelines/exports.yaml".to_string(), self.pipeline(&roles));
        files.insert(".gitignore".to_string(), "/lake\n/.kilde\n".to_string());
        for source in &self.sources {
            let path = format!("schemas/bronze/{}.yaml", source.table);
            files.insert(path, source.contract());
            for (table, text) in sql::tidy(source) {
                files.insert(format!("sql/silver/{table}.sql"), text);
            }
        }
        files.extend(roles.files());
        files
    }

    fn project_file(&self, roles: &Roles) -> String {
        let mut text = format!(
            "project: {}\n\
             time_zone: UTC                   # of times without a zone; yours may be Europe/Stockholm\n\
             raw: {}\n\
             lake: lake/\n",
            plain_or_quoted(&self.name),
            quoted(&self.raw),
        );
        if let Some(country) = roles.country {
            text.push_str(&format!(
                "vars: {{country: \"{country}\"}}           # guessed: where phone numbers and postcodes without a country belong\n"
            ));
        }
        if roles.has_people() && !roles.consents.is_empty() {
            text.push_str(
                "highlights:                      # what `kilde diff` and `kilde customer` tell of\n  \
                 consents: {table: gold.consents, purpose: purpose, granted: granted}\n",
            );
        }
        text
    }

    fn pipeline(&self, roles: &Roles) -> String {
        let mut text = String::from(
            "# Drafted by `kilde init --from`: which files belong together and how they are read was guessed from the files.\n\
             # What is wrong here is mended here; `kilde check` says what it makes of it, `kilde plan` what a build would do.\n\
             description: What the files of the folder hold, and who the people in them are.\n\n\
             sources:\n",
        );
        for source in &self.sources {
            text.push_str(&source.item());
        }
        text.push_str("steps:\n  - sql: silver/*\n");
        text.push_str(&roles.steps());
        for (what, why) in &self.left_out {
            text.push_str(&format!(
                "# left out: {}: {}\n",
                one_line(what),
                one_line(why)
            ));
        }
        text
    }
}

/// A text as a comment of one line takes it.
pub(super) fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// A column's name as SQL takes it.
pub(super) fn named(column: &str) -> String {
    match is_plain_name(column) {
        true => column.to_string(),
        false => format!("\"{}\"", column.replace('"', "\"\"")),
    }
}
