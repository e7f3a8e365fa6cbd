//! What people decided about exports: which do not count, which are to be read again; who said so, when and why.
//!
//! ```text
//! `kilde exports skip|retract|reload`, `kilde rejects replay` ──▶ _kilde/decisions/<n>.json ──▶ each build: what the ledger does not follow yet, is done
//! ```
//!
//! Decisions are a state, not an order to one build: a build compares them to the ledger of the release it builds on. So a
//! crash loses none, a build that was under way leaves them to the next, and after a rollback they are followed again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::catalog::Catalog;
use crate::diagnostic::{Code, some_of};
use crate::error::{Error, Result};
use crate::ingest::Ledger;
use crate::name::TableName;
use crate::plan::Replay;
use crate::release::Decision;

/// What is to be done with an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verb {
    /// It is not read. Should a build have read it meanwhile, its rows are taken out.
    Skip,
    /// Its rows are taken out. Should a rollback have done so meanwhile, it is not read.
    Retract,
    /// It is read again, once.
    Reload,
    /// The same, since records of it were rejected; what other exports brought stands under the contract of now.
    Replay,
    /// As if nothing had been decided about it.
    Undo,
}

/// An export by its source and its path below `raw`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct ExportName {
    pub(crate) source: TableName,
    pub(crate) path: String,
}

/// What one decision says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExportDecision {
    pub(crate) verb: Verb,
    pub(crate) exports: Vec<ExportName>,
    /// Sources of which every export is meant.
    #[serde(default)]
    pub(crate) sources: Vec<TableName>,
    #[serde(default)]
    pub(crate) why: Option<String>,
    /// Of a replay.
    #[serde(default)]
    pub(crate) replay: Option<Replay>,
}

/// Why an export does not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Exclusion {
    /// Number of the decision.
    pub(crate) decision: u64,
    pub(crate) verb: Verb,
    pub(crate) by: String,
    pub(crate) at: DateTime<Utc>,
    pub(crate) why: Option<String>,
}

/// Who, when and why, as lists say it.
impl fmt::Display for Exclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.verb {
            Verb::Retract => "retracted",
            _ => "skipped",
        };
        write!(f, "{verb} by {}, {}", self.by, self.at.format("%Y-%m-%d"))?;
        match &self.why {
            Some(why) => write!(f, ": {why}"),
            None => Ok(()),
        }
    }
}

/// All that was decided, as it stands now.
#[derive(Clone, Debug, Default)]
pub(super) struct Decisions {
    exclusions: BTreeMap<ExportName, Exclusion>,
    /// Number of the newest wish to read an export again.
    reloads: BTreeMap<ExportName, u64>,
    /// Likewise, of those whose rejects are to be read again.
    replays: BTreeMap<ExportName, u64>,
    /// The newest replay of each source.
    replayed: BTreeMap<TableName, Replay>,
    /// The same for all exports of a source.
    reloads_of_sources: BTreeMap<TableName, u64>,
    /// The numbers of all of them.
    numbers: BTreeSet<u64>,
}

/// Decisions that were taken and are there no more.
#[derive(Clone, Debug, Default)]
pub(super) struct LostDecisions {
    pub(super) numbers: BTreeSet<u64>,
    /// The newest that the ledger follows.
    pub(super) newest_followed: u64,
    /// Exports of which the ledger follows a lost one.
    exports: BTreeSet<String>,
}

impl LostDecisions {
    /// Why no build goes on; `None` where nothing is lost.
    pub(super) fn error(&self) -> Option<Error> {
        let numbers: Vec<String> = self.numbers.iter().map(u64::to_string).collect();
        let about = match self.exports.is_empty() {
            true => String::new(),
            false => format!(
                ": the ledger follows it for {}",
                some_of(self.exports.iter().map(String::as_str))
            ),
        };
        let first = numbers.first()?;
        let text = match &numbers[..] {
            [_] => format!("decision {first} about exports is lost{about}"),
            _ => format!(
                "decisions {} about exports are lost{about}",
                some_of(numbers.iter().map(String::as_str))
            ),
        };
        Some(Error::corrupt(text).code(Code(733)).at("_kilde/decisions").help(
            "restore `_kilde/decisions` from a copy of the lake; where there is none, decide once more what it said, by `kilde exports`: the next decision stands in its place too",
        ))
    }
}

impl Decisions {
    /// Everything that was decided in a lake.
    ///
    /// # Errors
    /// What storage gives.
    pub(super) async fn read(catalog: &Catalog) -> Result<Self> {
        let mut decisions = Self::default();
        for (number, decision) in catalog.lake().decisions().await? {
            decisions.numbers.insert(number);
            decisions.take(number, &decision);
        }
        Ok(decisions)
    }

    /// What is missing of a dense row that reaches as far as the ledger says.
    pub(super) fn lost(&self, ledger: &BTreeMap<TableName, Ledger>) -> LostDecisions {
        let entries = || ledger.values().flat_map(Ledger::entries);
        let newest_followed = entries().map(|entry| entry.decision).max().unwrap_or(0);
        let last = self.numbers.last().copied().unwrap_or(0);
        let numbers: BTreeSet<u64> = (1..=last.max(newest_followed))
            .filter(|number| !self.numbers.contains(number))
            .collect();
        let exports = entries().filter(|entry| numbers.contains(&entry.decision));
        LostDecisions {
            newest_followed,
            exports: exports.map(|entry| entry.path.clone()).collect(),
            numbers,
        }
    }

    fn take(&mut self, number: u64, decision: &Decision<ExportDecision>) {
        self.apply(number, &decision.says, &decision.by, decision.at);
    }

    /// Takes in what somebody decides.
    pub(super) fn apply(
        &mut self,
        number: u64,
        says: &ExportDecision,
        by: &str,
        at: DateTime<Utc>,
    ) {
        for export in &says.exports {
            match says.verb {
                Verb::Skip | Verb::Retract => {
                    let exclusion = Exclusion {
                        decision: number,
                        verb: says.verb,
                        by: by.to_string(),
                        at,
                        why: says.why.clone(),
                    };
                    self.exclusions.insert(export.clone(), exclusion);
                }
                Verb::Reload => {
                    self.reloads.insert(export.clone(), number);
                }
                Verb::Replay => {
                    self.reloads.insert(export.clone(), number);
                    self.replays.insert(export.clone(), number);
                }
                Verb::Undo => {
                    self.exclusions.remove(export);
                    self.reloads.remove(export);
                    self.replays.remove(export);
                    self.replayed.remove(&export.source);
                }
            }
        }
        if let (Verb::Replay, Some(replay)) = (says.verb, &says.replay) {
            let sources = says.exports.iter().map(|export| export.source.clone());
            self.replayed
                .extend(sources.map(|source| (source, replay.clone())));
        }
        for source in &says.sources {
            match says.verb {
                Verb::Reload => {
                    self.reloads_of_sources.insert(source.clone(), number);
                }
                Verb::Undo => {
                    self.reloads_of_sources.remove(source);
                }
                // one names the exports that one means
                Verb::Skip | Verb::Retract | Verb::Replay => {}
            }
        }
    }

    /// Whether anything was decided about an export that could be taken back.
    pub(super) fn stands(&self, export: &ExportName) -> bool {
        self.exclusions.contains_key(export) || self.reloads.contains_key(export)
    }

    /// The same of a source as a whole.
    pub(super) fn stands_of_source(&self, source: &TableName) -> bool {
        self.reloads_of_sources.contains_key(source)
    }

    /// Why an export does not count; `None`: it does.
    pub(super) fn exclusion(&self, source: &TableName, path: &str) -> Option<&Exclusion> {
        self.exclusions.get(&name(source, path))
    }

    /// Number of the newest decision to read an export again for its rejects; 0: there is none.
    pub(super) fn replay(&self, source: &TableName, path: &str) -> u64 {
        self.replays.get(&name(source, path)).copied().unwrap_or(0)
    }

    /// The newest replay of each source.
    pub(super) fn replayed(&self) -> &BTreeMap<TableName, Replay> {
        &self.replayed
    }

    /// Number of the newest decision to read an export again; 0: there is none.
    pub(super) fn reload(&self, source: &TableName, path: &str) -> u64 {
        let own = self.reloads.get(&name(source, path));
        let of_source = self.reloads_of_sources.get(source);
        own.max(of_source).copied().unwrap_or(0)
    }
}

fn name(source: &TableName, path: &str) -> ExportName {
    ExportName {
        source: source.clone(),
        path: path.to_string(),
    }
}
