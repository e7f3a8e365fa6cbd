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
pub(crate) use query::{Rows, View};
pub(crate) use rejects::RejectGroup;
pub(crate) use row_changes::{
    DifferentRow, RowChange, RowChanges, RowQuestion, without_common_files,
};

use std::sync::Arc;

use crate::diagnostic::Code;
use crate::engine::{Engine, FunctionRegistry};
use crate::error::{Error, Result};
use crate::lake::DeltaLog;
use crate::name::{ReleaseNumber, TableName};
use crate::release::{Lake, Release, TableEntry, TableState, restore_or_rebuild};

/// The tables of a lake, for reading.
#[derive(Clone, Debug)]
pub struct Catalog {
    lake: Lake,
    log: Arc<DeltaLog>,
    engine: Arc<Engine>,
    functions: Arc<FunctionRegistry>,
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
        }
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
        let content = Content::published(&self.log, name, entry).await;
        content.map_err(|error| match error.number() {
            Some(Code(802)) => error.help(restore_or_rebuild(&[name])),
            _ => error,
        })
    }
}
