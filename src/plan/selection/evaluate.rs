//! A selection over a project: the tables it means.

use std::collections::BTreeSet;

use super::Selection;
use super::term::{Method, Pattern, Term};
use crate::diagnostic::{Code, nearest};
use crate::error::{Error, Result};
use crate::name::TableName;
use crate::plan::Graph;
use crate::project::{Exposure, Project};

/// What a selection is read against.
#[derive(Clone, Copy)]
pub(in crate::plan) struct Scope<'a> {
    pub(in crate::plan) project: &'a Project,
    pub(in crate::plan) graph: &'a Graph,
    /// Tables that are other than in the last release: SQL, contract, tests or words.
    pub(in crate::plan) modified: &'a BTreeSet<TableName>,
}

impl Selection {
    /// The tables selected.
    ///
    /// # Errors
    /// K0241 where a term finds nothing, K0242 where a short name means several tables.
    pub(in crate::plan) fn tables(&self, scope: Scope<'_>) -> Result<BTreeSet<TableName>> {
        let mut selected = if self.select.is_empty() {
            scope.graph.order().cloned().collect()
        } else {
            union(&self.select, scope)?
        };
        let excluded = union(&self.exclude, scope)?;
        selected.retain(|table| !excluded.contains(table));
        Ok(selected)
    }
}

fn union(words: &[Vec<Term>], scope: Scope<'_>) -> Result<BTreeSet<TableName>> {
    let mut all = BTreeSet::new();
    for terms in words {
        let mut common: Option<BTreeSet<TableName>> = None;
        for term in terms {
            let found = reached(term, scope)?;
            common = Some(match common {
                None => found,
                Some(before) => before.intersection(&found).cloned().collect(),
            });
        }
        all.extend(common.unwrap_or_default());
    }
    Ok(all)
}

fn reached(term: &Term, scope: Scope<'_>) -> Result<BTreeSet<TableName>> {
    let found = found(term, scope)?;
    let graph = scope.graph;
    let mut all = found.clone();
    for table in &found {
        if let Some(depth) = term.up.depth() {
            all.extend(graph.ancestors(table, depth));
        }
        if let Some(depth) = term.down.depth() {
            all.extend(graph.descendants(table, depth));
        }
        if term.with_everything {
            let below = graph.descendants(table, None);
            for each in below.iter().chain([table]) {
                all.extend(graph.ancestors(each, None));
            }
            all.extend(below);
        }
    }
    Ok(all)
}

fn found(term: &Term, scope: Scope<'_>) -> Result<BTreeSet<TableName>> {
    let Scope { project, graph, .. } = scope;
    let pattern = &term.pattern;
    let tables = || graph.order();
    let found: BTreeSet<TableName> = match term.method {
        Method::Modified => return Ok(scope.modified.clone()),
        Method::Name => return by_name(term, tables().collect()),
        Method::Source => {
            let sources: Vec<&TableName> = project.sources.keys().collect();
            return by_name(term, sources);
        }
        Method::Tag => tables()
            .filter(|table| project.tags(table).iter().any(|tag| pattern.matches(tag)))
            .cloned()
            .collect(),
        Method::Pipeline => tables()
            .filter(|table| {
                let pipeline = project.pipeline_of(table);
                pipeline.is_some_and(|pipeline| pattern.matches(&pipeline.name))
            })
            .cloned()
            .collect(),
        Method::Exposure => project
            .exposures
            .iter()
            .filter(|exposure| pattern.matches(&exposure.word()) || pattern.matches(&exposure.name))
            .flat_map(|exposure| exposure.reads.iter().cloned())
            .collect(),
        Method::Path => tables()
            .filter(|table| paths(table, project).iter().any(|p| below(pattern, p)))
            .cloned()
            .collect(),
    };
    if found.is_empty() {
        let candidates: Vec<String> = match term.method {
            Method::Tag => tables().flat_map(|table| project.tags(table)).collect(),
            Method::Pipeline => project.pipelines.iter().map(|p| p.name.clone()).collect(),
            Method::Exposure => project.exposures.iter().map(Exposure::word).collect(),
            _ => tables().flat_map(|table| paths(table, project)).collect(),
        };
        return Err(nothing(term, candidates.iter().map(String::as_str)));
    }
    Ok(found)
}

/// The files that say what a table is.
fn paths(table: &TableName, project: &Project) -> Vec<String> {
    let sql = project.steps.get(table).map(|step| step.file.path.clone());
    let contract = project.contracts.get(table).map(|c| c.file.path.clone());
    let source = project.sources.get(table).map(|s| s.file.path.clone());
    let seed = project.seeds.get(table).map(|s| s.file.path.clone());
    let matching = project.match_of(table);
    let matching = matching.map(|(matching, _)| matching.declared_at.file.path.clone());
    [sql, contract, source, seed, matching]
        .into_iter()
        .flatten()
        .collect()
}

/// Whether a path is what the pattern says, or lies below it.
fn below(pattern: &Pattern, path: &str) -> bool {
    let folder = pattern.text.trim_end_matches('/');
    let within = path
        .strip_prefix(folder)
        .is_some_and(|rest| rest.starts_with('/'));
    within || pattern.matches(path)
}

/// `schema.name`, a short name where it is unique, or a glob over either.
fn by_name(term: &Term, tables: Vec<&TableName>) -> Result<BTreeSet<TableName>> {
    let pattern = &term.pattern;
    let has_schema = pattern.text.contains('.');
    let matching = tables.iter().filter(|table| {
        pattern.matches(&table.to_string()) || (!has_schema && pattern.matches(table.name()))
    });
    let found: BTreeSet<TableName> = matching.map(|table| (*table).clone()).collect();
    if found.is_empty() {
        // a schema's name stands for all its tables
        let within = tables.iter().filter(|table| table.schema() == pattern.text);
        let within: BTreeSet<TableName> = within.map(|table| (*table).clone()).collect();
        if !within.is_empty() {
            return Ok(within);
        }
        let full: Vec<String> = tables.iter().map(ToString::to_string).collect();
        let short = tables.iter().map(|table| table.name());
        let candidates: Vec<&str> = if has_schema {
            full.iter().map(String::as_str).collect()
        } else {
            short.collect()
        };
        return Err(nothing(term, candidates));
    }
    if found.len() > 1 && !pattern.is_glob() {
        let names: Vec<String> = found.iter().map(|table| format!("`{table}`")).collect();
        return Err(
            Error::config(format!("`{}` means several tables", pattern.text))
                .code(Code(242))
                .help(format!("say which: {}", names.join(", "))),
        );
    }
    Ok(found)
}

fn nothing<'a>(term: &Term, candidates: impl IntoIterator<Item = &'a str>) -> Error {
    let error = Error::config(format!("`{}` finds no table", term.text)).code(Code(241));
    match nearest(&term.pattern.text, candidates) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error.help("`kilde ls` lists the tables"),
    }
}
