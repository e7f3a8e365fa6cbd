//! Why a table is to be made again or not, and why it last was.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::{DateTime, Utc};

use super::{BuildRequest, Runner};
use crate::error::{Error, Result};
use crate::name::{ReleaseNumber, TableName};
use crate::plan::{Action, ContentPart, Plan, Reason, TablePlan};
use crate::release::{Release, TableEntry};

/// All that explains the state of one table.
#[derive(Debug)]
pub(crate) struct Why {
    pub(crate) table: TablePlan,
    /// Where its inputs' changes begin: from the table that moves by itself down to this one.
    pub(crate) moved: Vec<Moved>,
    /// What it reads.
    pub(crate) inputs: Vec<InputState>,
    /// When its rows last changed; `None`: never published.
    pub(crate) last: Option<LastChange>,
}

/// A table upstream that has a reason of its own.
#[derive(Debug)]
pub(crate) struct Moved {
    /// It first, the table asked for last.
    pub(crate) path: Vec<TableName>,
    pub(crate) reasons: Vec<Reason>,
}

/// One input.
#[derive(Debug)]
pub(crate) struct InputState {
    pub(crate) table: TableName,
    pub(crate) action: Action,
    /// The release that last wrote it.
    pub(crate) written_in: Option<ReleaseNumber>,
    pub(crate) rows: Option<u64>,
}

/// The release that last wrote the table.
#[derive(Debug)]
pub(crate) struct LastChange {
    pub(crate) release: ReleaseNumber,
    pub(crate) published_at: Option<DateTime<Utc>>,
    pub(crate) rows: u64,
    /// In words; empty where the release before is no longer kept.
    pub(crate) because: Vec<String>,
}

impl Runner {
    /// Explains a table.
    ///
    /// # Errors
    /// Every mistake of the project, or what storage gives.
    pub(crate) async fn why(&self, table: &TableName, request: &BuildRequest) -> Result<Why> {
        let (_, plan) = self.plan(request).await?;
        let planned = plan
            .tables
            .get(table)
            .ok_or_else(|| Error::internal(format!("`{table}` is not in the plan")))?;
        let catalog = self.readable_if_exists(request.as_of)?;
        let newest = match &catalog {
            Some(catalog) => catalog.lake().current().await?,
            None => None,
        };
        let entry = |name: &TableName| newest.as_ref().and_then(|release| release.table(name));
        let inputs = planned.inputs.iter().filter_map(|input| {
            let now = entry(input);
            Some(InputState {
                table: input.clone(),
                action: plan.tables.get(input)?.action.clone(),
                written_in: now.map(|now| now.written_in),
                rows: now.map(|now| now.facts.rows),
            })
        });
        let last = match (entry(table), &catalog) {
            (None, _) | (_, None) => None,
            (Some(now), Some(catalog)) => {
                let lake = catalog.lake();
                let then = lake.kept_release(now.written_in).await?;
                let before = match then.as_ref().and_then(|release| release.previous) {
                    Some(number) => lake.kept_release(number).await?,
                    None => None,
                };
                Some(last_change(table, now, then.as_ref(), before.as_ref()))
            }
        };
        Ok(Why {
            moved: moved(&plan, planned),
            inputs: inputs.collect(),
            last,
            table: planned.clone(),
        })
    }
}

/// Walks up from a table to those that have reasons of their own, the nearest first.
fn moved(plan: &Plan, table: &TablePlan) -> Vec<Moved> {
    let mut found = Vec::new();
    let mut seen: BTreeSet<&TableName> = BTreeSet::new();
    let mut waiting: VecDeque<(&TableName, Vec<TableName>)> = VecDeque::new();
    let start = vec![table.table.clone()];
    waiting.extend(table.inputs.iter().map(|input| (input, start.clone())));
    while let Some((name, below)) = waiting.pop_front() {
        let Some(input) = plan.tables.get(name).filter(|_| seen.insert(name)) else {
            continue;
        };
        if matches!(input.action, Action::Unchanged | Action::NotSelected) {
            continue;
        }
        let mut path = vec![name.clone()];
        path.extend(below);
        let own = input.reasons.iter().filter(|reason| {
            !matches!(
                reason,
                Reason::InputChanges { .. } | Reason::InputChanged { .. }
            )
        });
        let reasons: Vec<Reason> = own.cloned().collect();
        if !reasons.is_empty() {
            found.push(Moved {
                path: path.clone(),
                reasons,
            });
        }
        waiting.extend(input.inputs.iter().map(|input| (input, path.clone())));
    }
    found
}

fn last_change(
    table: &TableName,
    now: &TableEntry,
    then: Option<&Release>,
    before: Option<&Release>,
) -> LastChange {
    let made = then.and_then(|release| release.table(table)).unwrap_or(now);
    let because = match (
        then,
        before,
        before.and_then(|release| release.table(table)),
    ) {
        (Some(release), None, _) if release.previous.is_none() => vec!["first published".into()],
        (_, Some(_), None) => vec!["first published".into()],
        (_, _, Some(old)) => differences(old, made),
        _ => Vec::new(),
    };
    LastChange {
        release: now.written_in,
        published_at: then.map(|release| release.published_at),
        rows: now.facts.rows,
        because,
    }
}

/// What a version was made of, against the version before it.
fn differences(old: &TableEntry, new: &TableEntry) -> Vec<String> {
    let (before, after) = (&old.facts.fingerprints.parts, &new.facts.fingerprints.parts);
    let mut words = BTreeSet::new();
    for (part, value) in after {
        if before.get(part) == Some(value) {
            continue;
        }
        words.insert(match ContentPart::named(part) {
            // says nothing that the contract and the rules do not
            ContentPart::Loaded(_) => continue,
            ContentPart::Sql => "its SQL changed".to_string(),
            ContentPart::Contract => "its contract changed".to_string(),
            ContentPart::AsOf => "$as_of moved".to_string(),
            ContentPart::Read | ContentPart::Rules => "its exports are read otherwise".to_string(),
            ContentPart::Input(table) => format!("columns of {table} changed"),
            ContentPart::Var(name) => format!("variable {name} changed"),
            ContentPart::Within(ephemeral, _) => format!("{ephemeral}, part of it, changed"),
            ContentPart::Function(name) => format!("function {name} changed"),
            ContentPart::Match => "its match changed".to_string(),
            ContentPart::Seed => "its cells changed".to_string(),
            ContentPart::Kind | ContentPart::Functions | ContentPart::Unknown(_) => {
                "kilde computes it otherwise".to_string()
            }
        });
    }
    let inputs: &BTreeMap<String, String> = &old.facts.built_from;
    let moved = new.facts.built_from.iter();
    let moved = moved.filter(|(input, digest)| inputs.get(*input) != Some(digest));
    let mut all: Vec<String> = words.into_iter().collect();
    all.extend(moved.map(|(input, _)| format!("{input} had moved")));
    if all.is_empty() {
        all.push("new exports, or its rows were read again".to_string());
    }
    all
}
