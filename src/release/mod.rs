//! How a release is published: a state machine over opaque tables, a store and a clock.
//!
//! In: the target file set of each table written. Out: one settled, numbered release, or nothing.
//! Knows nothing of what a table holds; the format of a table's log is behind [`TableLog`].

mod table_log;

pub(crate) use table_log::{Commit, EntryDraft, LiveFile, TableLog, TableState};
