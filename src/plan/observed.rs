//! What stands outside of the project: the last release and the exports that lie in `raw`. Gathered by `run`.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Fingerprints, Unready};
use crate::name::{ReleaseNumber, TableName};
use crate::project::{Load, OnUnreadable, Source};

/// The world as a plan sees it.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// What the build speaks of: `$as_of`.
    pub(crate) as_of: DateTime<Utc>,
    /// The time of day: what the age of exports is measured against.
    pub(crate) now: DateTime<Utc>,
    /// The newest release, if there is one.
    pub(crate) release: Option<ObservedRelease>,
    /// One that is decided and that readers do not see yet: the next command that writes finishes it.
    pub(crate) decided: Option<ReleaseNumber>,
    /// Exports by the source that they belong to, in the order in which they must be read; also those that the ledger knows
    /// and that lie no longer in `raw`.
    pub(crate) exports: BTreeMap<TableName, Vec<ObservedExport>>,
    /// The newest replay of the rejects of each source that had one.
    pub(crate) replays: BTreeMap<TableName, Replay>,
    /// Tables of sources that take over rows which another tool added.
    pub(crate) adopts: BTreeSet<TableName>,
}

/// A contract that was mended, and the one before it: what was loaded under that stands, but for the exports whose rejects
/// are read again. Contents of fingerprints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Replay {
    pub(crate) from: String,
    pub(crate) to: String,
}

/// The newest release.
#[derive(Clone, Debug, Default)]
pub(crate) struct ObservedRelease {
    pub(crate) number: ReleaseNumber,
    /// After a rollback: new exports wait until `kilde resume`.
    pub(crate) is_paused: bool,
    /// Every published table, those of `ops` left out.
    pub(crate) tables: BTreeMap<TableName, PublishedTable>,
    /// Tables that it keeps at an older version.
    pub(crate) held: BTreeMap<TableName, ObservedHold>,
}

/// Why and since when a table is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ObservedHold {
    /// The last release in which it was good.
    pub(crate) at: ReleaseNumber,
    pub(crate) reason: String,
}

/// A table of the newest release, and what it was made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PublishedTable {
    pub(crate) fingerprints: Fingerprints,
    /// Digests of the published tables that it was computed from.
    pub(crate) built_from: BTreeMap<TableName, String>,
    /// Of its rows.
    pub(crate) digest: String,
    pub(crate) rows: u64,
}

/// One file of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ObservedExport {
    /// Below `raw`.
    pub(crate) path: String,
    /// Bytes.
    pub(crate) size: u64,
    pub(crate) state: ExportState,
    /// When the file was last written.
    pub(crate) modified_at: DateTime<Utc>,
    /// The time captured from its path.
    pub(crate) ordered_at: Option<NaiveDateTime>,
    /// What it waits for: new content of it is not whole yet.
    pub(crate) unready: Option<Unready>,
    /// Somebody decided that it does not count: it is not read, and rows of it leave the table.
    pub(crate) is_excluded: bool,
    /// Somebody wants it read again, and that was not done yet.
    pub(crate) is_reloaded: bool,
    /// The same, for the sake of its rejects.
    pub(crate) is_replayed: bool,
    /// The export that has the same content and counts in its place.
    pub(crate) duplicate_of: Option<String>,
    /// What a rollback took back and only this file can bring again, where it is gone.
    pub(crate) lost: Option<LostRecords>,
    /// Its rows are in the table, and what lies under its path since cannot be read.
    pub(crate) is_spoilt: bool,
}

/// Records that were published once, and that no build can read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LostRecords {
    pub(crate) records: u64,
    /// The release that loaded them; `None` where the ledger has older content of the same path, which is in the table.
    pub(crate) release: Option<ReleaseNumber>,
    /// They came in no export: another tool had added them.
    pub(crate) were_adopted: bool,
}

impl LostRecords {
    /// How a person says to go on without them.
    pub(crate) fn verb(&self) -> &'static str {
        match self.release {
            Some(_) => "skip",
            None => "retract",
        }
    }
}

/// The exports of one source that are needed and cannot be read again, by path. Of a `replace` source the newest export is
/// the whole truth: where one that came later is there, the older ones are history.
pub(crate) fn lost(load: Load, exports: &[ObservedExport]) -> Vec<(String, LostRecords)> {
    let counts = |export: &&ObservedExport| {
        export.lost.is_some()
            || (export.unready.is_none()
                && export.is_available()
                && export.state != ExportState::Unreadable)
            || (export.is_in_table() && !export.is_excluded)
    };
    let counting: Vec<&ObservedExport> = exports.iter().filter(counts).collect();
    let from = match load {
        Load::Append | Load::Changes => 0,
        Load::Replace => counting.len().saturating_sub(1),
    };
    let lost = counting[from..].iter();
    lost.filter_map(|export| Some((export.path.clone(), export.lost?)))
        .collect()
}

/// An export that was tried once, cannot be read, and is as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnreadExport {
    pub(crate) path: String,
    /// Its source does not allow that it is left out.
    pub(crate) is_refused: bool,
}

/// The export that stands there unreadable and is not among those read now: one that must not be left out before any other.
/// What is declared may be stricter than it was when it was left out.
pub(crate) fn unread(
    source: &Source,
    exports: &[ObservedExport],
    read: &[ObservedExport],
) -> Option<UnreadExport> {
    let is_read = |export: &ObservedExport| read.iter().any(|one| one.path == export.path);
    let counts =
        |export: &ObservedExport| is_read(export) || (export.is_in_table() && !export.is_excluded);
    let newest = exports.iter().rposition(counts);
    let standing = exports.iter().enumerate();
    let standing = standing.filter(|(_, export)| export.is_unreadable() && !is_read(export));
    let judged = standing.map(|(at, export)| {
        let others_stand = match source.load {
            Load::Append => true,
            Load::Changes => false,
            Load::Replace => newest > Some(at),
        };
        UnreadExport {
            path: export.path.clone(),
            is_refused: source.unreadable != OnUnreadable::Warn || !others_stand,
        }
    });
    let mut judged: Vec<UnreadExport> = judged.collect();
    judged.sort_by_key(|unread| !unread.is_refused);
    judged.into_iter().next()
}

impl ObservedExport {
    /// Whether the table is made of it too.
    pub(crate) fn is_in_table(&self) -> bool {
        matches!(
            self.state,
            ExportState::Known | ExportState::Changed | ExportState::Gone
        )
    }

    /// Whether it counts, lies there, was tried, and cannot be read.
    pub(crate) fn is_unreadable(&self) -> bool {
        let is_tried = self.state == ExportState::Unreadable
            || (self.is_spoilt && self.state == ExportState::Known);
        is_tried && !self.is_excluded
    }

    /// Whether it lies there and counts.
    pub(crate) fn is_available(&self) -> bool {
        !self.is_excluded && !matches!(self.state, ExportState::Gone | ExportState::Out)
    }
}

/// What the ledger says of an export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ExportState {
    /// No row of it is in the table.
    #[default]
    New,
    /// Its rows are in the table.
    Known,
    /// Same path, other content: the new replaces that file's rows.
    Changed,
    /// Its rows are in the table, and the file is gone.
    Gone,
    /// No row of it is in the table: it was tried as it lies there, and cannot be read.
    Unreadable,
    /// No row of it is in the table, nor shall be: somebody decided so, and perhaps the file is gone too.
    Out,
}
