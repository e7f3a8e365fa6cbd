//! Consent is never served stale: what says who consented, and all that it is made of, cannot be held.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::graph::Graph;
use crate::diagnostic::{Code, Diagnostic, SourceFile, Span};
use crate::error::Error;
use crate::name::TableName;
use crate::project::{OnError, Project};

/// `hold` where consent is decided.
pub(crate) const CONSENT_HELD: Code = Code(601);

/// Each table that must not be held → a consent table that it feeds, itself among them.
pub(super) fn never_held(project: &Project, graph: &Graph) -> BTreeMap<TableName, TableName> {
    let mut never = BTreeMap::new();
    for consent in project.consent_tables() {
        never.insert(consent.clone(), consent.clone());
        for ancestor in graph.ancestors(consent, None) {
            never.entry(ancestor).or_insert_with(|| consent.clone());
        }
    }
    never
}

/// K0601 at each `on_error: hold` that would let a withdrawn consent count for another night.
pub(super) fn check(
    project: &Project,
    never_held: &BTreeMap<TableName, TableName>,
) -> Vec<Diagnostic> {
    let written = never_held.iter().filter_map(|(table, consent)| {
        let (file, span) = hold_of(project, table)?;
        let diagnostic = Diagnostic::error(CONSENT_HELD, message(table, consent));
        Some(diagnostic.at(file, span).help(
            "remove `on_error: hold`: a failure here stops the build, so that no withdrawn consent counts for another night",
        ))
    });
    written.collect()
}

/// The same for `--hold`.
pub(crate) fn refused(table: &TableName, consent: &TableName) -> Error {
    Error::config(message(table, consent))
        .code(CONSENT_HELD)
        .help("a failure there stops the build, so that no withdrawn consent counts for another night")
}

fn message(table: &TableName, consent: &TableName) -> String {
    if table == consent {
        format!("`{table}` says who consented and cannot be held")
    } else {
        format!("`{table}` cannot be held: `{consent}`, which says who consented, is made of it")
    }
}

fn hold_of<'p>(project: &'p Project, table: &TableName) -> Option<(&'p Arc<SourceFile>, Span)> {
    let (on_error, file) = match project.sources.get(table) {
        Some(source) => (&source.on_error, &source.file),
        None => {
            let contract = project.contracts.get(table)?;
            (&contract.on_error, &contract.file)
        }
    };
    (on_error.value == OnError::Hold).then_some((file, on_error.span))
}
