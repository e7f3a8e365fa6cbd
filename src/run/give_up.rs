//! A decided release that nobody can finish, given up on an operator's word. What cannot come back is told first, in figures.
//!
//! Whatever the lost release had read comes back with the next one, as long as its exports lie in `raw`.

use std::collections::{BTreeMap, BTreeSet};

use super::claim::tell_of_base;
use super::observe::{Observation, looks_the_same};
use super::{BuildRequest, Listener, Runner, ops_tables};
use crate::catalog::Catalog;
use crate::diagnostic::{Code, some_of};
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::{FileStatus, Ledger, LedgerEntry};
use crate::name::{RunId, TableName};
use crate::project::{Load, Project};
use crate::release::{GiveUp, Planned, Unfinished, YieldReason};

/// Exports that only the unfinished release has read, and that lie nowhere any more.
#[derive(Debug, Default)]
struct Loss {
    exports: Vec<String>,
    records: u64,
}

impl BuildRequest {
    /// What is given up, where anything is.
    pub(super) fn gives_up(&self, project: &Project) -> Option<GiveUp> {
        let anew = || self.anew(project);
        self.give_up.map(|number| GiveUp {
            number,
            anew: anew(),
        })
    }

    /// `kilde build`, with what this request gives up and makes anew, and more.
    pub(super) fn once_more(&self, accept: &[&TableName]) -> String {
        let mut text = "kilde build".to_string();
        if let Some(number) = self.give_up {
            text.push_str(&format!(" --give-up {number}"));
        }
        for table in &self.rebuild {
            text.push_str(&format!(" --rebuild {table}"));
        }
        let accepted: BTreeSet<&TableName> =
            self.accept.iter().chain(accept.iter().copied()).collect();
        for table in accepted {
            text.push_str(&format!(" --accept {table}"));
        }
        text
    }

    /// # Errors
    /// `Config` K0729 where there is nothing to give up, K0731 where records would be lost with it and nobody accepts that.
    pub(super) async fn refuse_vain_give_up(
        &self,
        project: &Project,
        catalog: &Catalog,
        observation: &Observation,
    ) -> Result<()> {
        let Some(number) = self.give_up else {
            return Ok(());
        };
        let unfinished = match catalog.lake().unfinished().await? {
            None => {
                return Err(nothing_to_give_up(format!(
                    "no release {number} is decided and unfinished"
                )));
            }
            Some(other) if other.number != number => {
                return Err(nothing_to_give_up(format!(
                    "the release that is decided and unfinished is {}, not {number}",
                    other.number
                )));
            }
            Some(whole) if whole.obstacle.is_none() => {
                return Err(nothing_to_give_up(format!(
                    "nothing of release {number} is lost: the next command that writes finishes it"
                )));
            }
            Some(unfinished) => unfinished,
        };
        let ledger = ops_tables::files_table()?;
        let Some(planned) = ledger_of(&unfinished, catalog, observation).await? else {
            return match self.accept.contains(&ledger) {
                true => Ok(()),
                false => Err(self.unknown_loss(&unfinished, &ledger)),
            };
        };
        let losses = losses(&planned, project, observation);
        let unaccepted = losses
            .iter()
            .filter(|(table, _)| !self.accept.contains(table));
        match unaccepted.into_iter().next() {
            None => Ok(()),
            Some(_) => Err(self.lost(&unfinished, &losses)),
        }
    }
}

/// The ledger of a release that nobody sees yet; `None`: nothing tells what it has read.
async fn ledger_of(
    unfinished: &Unfinished,
    catalog: &Catalog,
    observation: &Observation,
) -> Result<Option<BTreeMap<TableName, Ledger>>> {
    let table = ops_tables::files_table()?;
    let before = observation.release.as_ref();
    let state = match catalog.lake().planned(unfinished, &table, before).await? {
        Planned::AsBefore => return Ok(Some(observation.ledger.clone())),
        Planned::Unknown => return Ok(None),
        Planned::Content(state) => *state,
    };
    let read = async {
        let content = catalog.content_of(&table, state).await?;
        ops_tables::ledger_in(catalog, &content).await
    };
    match read.await {
        Ok(ledger) => Ok(Some(ledger)),
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            tracing::debug!("the ledger of the unfinished release: {}", error.brief());
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn losses(
    planned: &BTreeMap<TableName, Ledger>,
    project: &Project,
    observation: &Observation,
) -> BTreeMap<TableName, Loss> {
    let mut losses: BTreeMap<TableName, Loss> = BTreeMap::new();
    for (source, ledger) in planned {
        let known = observation.ledger.get(source);
        let found = observation.found.get(source);
        let observed = observation.observed.exports.get(source);
        let waits = |path: &str| {
            let mut exports = observed.into_iter().flatten();
            exports.any(|export| export.path == path && export.unready.is_some())
        };
        // other content under the name is told too: nobody knows before it is read whether it holds the records
        let is_read_again = |entry: &LedgerEntry| {
            let lies_there = found.and_then(|found| found.get(&entry.path));
            lies_there.is_some_and(|export| {
                export.unreadable.is_none()
                    && looks_the_same(entry, &export.object)
                    && !waits(&entry.path)
            })
        };
        let is_replaced = project
            .sources
            .get(source)
            .is_some_and(|source| source.load == Load::Replace);
        // only the last one counts, and a later one lies there
        let is_outdated = |entry: &LedgerEntry| {
            let mut found = found.into_iter().flatten();
            is_replaced
                && found.any(|(path, export)| {
                    export.unreadable.is_none()
                        && (export.captures.ordered_at, path) > (entry.ordered_at, &entry.path)
                })
        };
        // what was adopted still stands in the table's log, to be adopted again
        let read = ledger
            .entries()
            .filter(|entry| entry.status == FileStatus::Loaded);
        for entry in read {
            let before = known.and_then(|known| known.entry(&entry.path));
            let is_new =
                before.is_none_or(|before| before.hash != entry.hash || !before.counts_in_table());
            let comes_back = is_read_again(entry) || is_outdated(entry);
            if is_new && entry.counts.records > 0 && !comes_back {
                let loss = losses.entry(source.clone()).or_default();
                loss.exports.push(entry.path.clone());
                loss.records += entry.counts.records;
            }
        }
    }
    losses
}

fn nothing_to_give_up(message: String) -> Error {
    Error::config(message)
        .code(Code(729))
        .help("`kilde doctor` says what is wrong with the lake; build without `--give-up`")
}

impl BuildRequest {
    fn lost(&self, unfinished: &Unfinished, losses: &BTreeMap<TableName, Loss>) -> Error {
        let told = losses.iter().map(|(table, loss)| {
            let paths = loss.exports.iter().map(String::as_str);
            format!("{} records of `{table}` ({})", loss.records, some_of(paths))
        });
        let told: Vec<String> = told.collect();
        let tables: Vec<&TableName> = losses.keys().collect();
        Error::config(format!(
            "with release {} would be lost, since their exports do not lie in `raw` as they were read: {}",
            unfinished.number,
            told.join("; ")
        ))
        .code(Code(731))
        .help(format!(
            "put the exports back, and they are read again; to go on without: `{}`",
            self.once_more(&tables)
        ))
    }

    fn unknown_loss(&self, unfinished: &Unfinished, ledger: &TableName) -> Error {
        Error::config(format!(
            "nothing tells any more which exports release {} has read: those that lie in `raw` no more would be lost with it",
            unfinished.number
        ))
        .code(Code(731))
        .help(format!(
            "put back whatever came since the release before; to go on without what is not there: `{}`",
            self.once_more(&[ledger])
        ))
    }
}

impl Runner {
    /// Gets a decided release out of the way that keeps the lake from being looked at: what `unread` says of the release before it
    /// is no matter where the decided one can be finished.
    ///
    /// # Errors
    /// Why that release cannot be finished, with the way out of it; `unread` where there is none, or where it is given up already
    /// with all that the one before it has lost.
    pub(super) async fn finish_decided(
        &self,
        request: &BuildRequest,
        catalog: &Catalog,
        run: &RunId,
        unread: Error,
        listener: &Listener,
    ) -> Result<()> {
        let Some(unfinished) = catalog.lake().unfinished().await? else {
            return Err(unread);
        };
        if let Some(obstacle) = unfinished.obstacle {
            let is_asked = request.give_up == Some(unfinished.number)
                && unfinished
                    .lost_before
                    .is_subset(&request.anew(&self.project));
            // then it is something else that cannot be read
            return Err(if is_asked { unread } else { obstacle });
        }
        let claim = self.claim(catalog, run, request.wait, listener).await?;
        tell_of_base(&claim, listener);
        claim.yield_(YieldReason::NothingToDo).await
    }
}
