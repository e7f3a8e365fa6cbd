//! What a run tells while it goes on.

use std::sync::Arc;

use super::summary::RunSummary;
use crate::name::{RunId, TableName};

/// A moment of a run.
#[derive(Clone, Debug)]
pub enum RunEvent {
    /// A build began; nothing is read yet.
    Began(RunId),
    /// Another run holds the lake, and this one waits for it.
    Waiting(String),
    /// Work on a table began.
    Started(TableName),
    /// Work on a table ended, however.
    Finished {
        /// The table.
        table: TableName,
        /// How: `written`, `same_result`, `tested`, `tests_failed`, `failed`, `held`, `unchanged`, `skipped`.
        outcome: &'static str,
        /// Rows that it has now.
        rows: u64,
        /// Wall time.
        seconds: f64,
    },
    /// Every candidate passed; the release is being published.
    Publishing,
    /// Something that changes nothing and that someone should know.
    Warning(String),
    /// The run is over; nothing follows.
    Ended(Box<RunSummary>),
}

/// Called on each event, from any thread; must return at once.
pub type Listener = Arc<dyn Fn(RunEvent) + Send + Sync>;
