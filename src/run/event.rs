//! What a run tells while it goes on.

use std::sync::Arc;

use crate::name::TableName;

/// A moment of a run.
#[derive(Clone, Debug)]
pub enum RunEvent {
    /// Work on a table began.
    Started(TableName),
    /// Work on a table ended, however.
    Finished(TableName),
    /// Another run holds the lake, and this one waits for it: who, and how long at most.
    Waiting(String),
    /// Every candidate passed; the release is being published.
    Publishing,
    /// Something that changes nothing and that someone should know.
    Warning(String),
}

/// Called on each event, from any thread; must return at once.
pub type Listener = Arc<dyn Fn(RunEvent) + Send + Sync>;
