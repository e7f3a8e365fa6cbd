//! `exposures:` of the pipelines → [`Exposure`]s, each reading tables that are published.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::exposure::{self, Exposure};
use super::super::raw::{Mistake, RawExposure, nearest_word};
use super::super::{Contract, Materialization, Spanned};
use super::{blame, contract};
use crate::diagnostic::{Diagnostic, Place, SourceFile};
use crate::name::TableName;

/// The exposures of one pipeline, as written.
pub(super) type Written = (Arc<SourceFile>, Vec<Spanned<RawExposure>>);

/// Every exposure, by name.
pub(super) fn resolve(
    written: Vec<Written>,
    tables: &BTreeSet<TableName>,
    contracts: &BTreeMap<TableName, Contract>,
    found: &mut Vec<Diagnostic>,
) -> Vec<Exposure> {
    let mut exposures: Vec<Exposure> = Vec::new();
    for (file, items) in written {
        for item in items {
            let RawExposure {
                name,
                owner,
                url,
                reads,
            } = item.value;
            let word = exposure::word(&name.value);
            if let Some(first) = exposures.iter().find(|other| other.word() == word) {
                let mistake = Mistake::new(148, format!("`{}` is declared twice", name.value))
                    .help(format!(
                        "{} declares it already",
                        first.declared_at.location()
                    ));
                found.push(blame(&file, name.span, mistake));
                continue;
            }
            for table in &reads.0 {
                found.extend(unreadable(&file, table, tables, contracts));
            }
            let reads: BTreeSet<TableName> = reads.0.into_iter().map(|t| t.value).collect();
            exposures.push(Exposure {
                name: name.value,
                owner: owner.map(contract::owner),
                url,
                reads: reads.into_iter().collect(),
                declared_at: Place {
                    file: Arc::clone(&file),
                    span: name.span,
                },
            });
        }
    }
    exposures.sort_by(|a, b| a.name.cmp(&b.name));
    exposures
}

/// Why nobody can read a table, where nobody can.
pub(super) fn unreadable(
    file: &Arc<SourceFile>,
    table: &Spanned<TableName>,
    tables: &BTreeSet<TableName>,
    contracts: &BTreeMap<TableName, Contract>,
) -> Option<Diagnostic> {
    let name = &table.value;
    if !tables.contains(name) {
        let known: Vec<String> = tables.iter().map(ToString::to_string).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let mistake = Mistake::new(147, format!("nothing makes `{name}`"));
        let mistake = match nearest_word(&name.to_string(), &known) {
            Some(near) => mistake.help(format!("did you mean `{near}`?")),
            None => mistake.help("name a source, a seed or a table that a SQL file makes"),
        };
        return Some(blame(file, table.span, mistake));
    }
    let materialized = contracts.get(name).map(|contract| contract.materialized);
    if materialized == Some(Materialization::Ephemeral) {
        let mistake = Mistake::new(126, format!("`{name}` is ephemeral: nobody can read it"))
            .help("name the tables that are made of it, or publish it: `materialized: table`");
        return Some(blame(file, table.span, mistake));
    }
    None
}
