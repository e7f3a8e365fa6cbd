//! The read side: tables of one release, opened when they are asked for.
//!
//! In: a lake. Out: file sets and query results, all at one release (or a failed run's candidates over the release that
//! it built on). Has no path to a write.

mod candidate;
mod content;
mod query;
mod rejects;
mod row_changes;

pub(crate) use candidate::Candidate;
pub(crate) use content::Content;
pub(crate) use query::{Rows, View, count_of};
pub(crate) use rejects::RejectGroup;
pub(crate) use row_changes::{
    DifferentRow, RowChange, RowChanges, RowQuestion, without_common_files,
};

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::diagnostic::Code;
use crate::engine::{Engine, FunctionRegistry};
use crate::error::{Error, Result};
use crate::lake::DeltaLog;
use crate::name::{ReleaseNumber, TableName};
use crate::release::{Lake, Release, TableEntry, TableState, restore_or_rebuild_by};

/// The tables of a lake, for reading.
#[derive(Clone, Debug)]
pub struct Catalog {
    lake: Lake,
    log: Arc<DeltaLog>,
    engine: Arc<Engine>,
    functions: Arc<FunctionRegistry>,
    asked: Asked,
}

/// What whoever reads has asked for, so that no advice forgets it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// As it is typed, such as `kilde build --rebuild gold.sales`.
    pub(crate) command: String,
    /// Lost tables that are made anew: nobody need be told of them.
    pub(crate) anew: BTreeSet<TableName>,
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            command: "kilde build".to_string(),
            anew: BTreeSet::new(),
        }
    }
}

impl Catalog {
    /// Reads nothing yet. The functions are those that the engine's sessions have.
    pub(crate) fn new(
        lake: Lake,
        log: Arc<DeltaLog>,
        engine: Arc<Engine>,
        functions: Arc<FunctionRegistry>,
    ) -> Self {
        Self {
            lake,
            log,
            engine,
            functions,
            asked: Asked::default(),
        }
    }

    /// The same, for whoever has asked for that.
    #[must_use]
    pub(crate) fn asked_for(mut self, asked: Asked) -> Self {
        self.asked = asked;
        self
    }

    /// The lake underneath.
    pub(crate) fn lake(&self) -> &Lake {
        &self.lake
    }

    /// The engine that reads.
    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// The release asked for, else the newest.
    ///
    /// # Errors
    /// `Config` where there is none.
    pub(crate) async fn release(&self, number: Option<ReleaseNumber>) -> Result<Release> {
        match number {
            Some(number) => self.lake.release(number).await,
            None => self.lake.current().await?.ok_or_else(|| {
                Error::config("the lake has no release yet")
                    .help("`kilde build` publishes the first")
            }),
        }
    }

    /// The content of a table of a release.
    ///
    /// # Errors
    /// `Config` where the release does not have it.
    pub(crate) async fn published(&self, release: &Release, name: &TableName) -> Result<Content> {
        match release.table(name) {
            Some(entry) => self.content(name, entry).await,
            None => Err(Error::config(format!(
                "release {} has no table `{name}`",
                release.number
            ))),
        }
    }

    /// What a table's log says that a table holds, whether a release pins that or not.
    pub(crate) async fn content_of(&self, name: &TableName, state: TableState) -> Result<Content> {
        Content::of_state(&self.log, name, &name.location(), state).await
    }

    /// A published table's content at the version that the release pins.
    pub(crate) async fn content(&self, name: &TableName, entry: &TableEntry) -> Result<Content> {
        match Content::published(&self.log, name, entry).await {
            Err(error) if error.number() == Some(Code(802)) => {
                Err(self.lost(name, entry, error).await)
            }
            content => content,
        }
    }

    /// Why the log of a table does not tell a version, and what helps: what an older release pins may be lost for it alone.
    async fn lost(&self, name: &TableName, entry: &TableEntry, error: Error) -> Error {
        let newest = match self.lake.current().await {
            Ok(Some(newest)) => newest,
            // then the table is not all that is lost, and no build could make it anew
            Ok(None) | Err(_) => {
                return error.help(
                    "`kilde doctor` says what else of the lake cannot be read, and what to type",
                );
            }
        };
        match newest.tables.get(name) {
            Some(now) if now.table_id != entry.table_id => {
                content::another_table(name, entry).caused_by(error.to_string())
            }
            Some(now) if now.version.is_some() && now.version <= entry.version => {
                // who is told of one table alone comes back for the next
                let mut lost = BTreeSet::from([name.clone()]);
                lost.extend(self.lake.lost_tables(&newest).await.unwrap_or_default());
                let lost = lost.difference(&self.asked.anew);
                let lost: Vec<&TableName> = lost.collect();
                error.help(restore_or_rebuild_by(&self.asked.command, &lost))
            }
            Some(_) | None => error.help(
                "restore the table's folder from a copy of the lake; `kilde doctor` tells whether newer releases need it too, and what to type",
            ),
        }
    }
}
