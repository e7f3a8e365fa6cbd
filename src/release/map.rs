//! The release map: which version of which table belongs to a release, and what is known of each.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::table_log::LiveFile;
use crate::name::{ClaimNumber, ReleaseNumber, RunId, TableName};

/// A settled release: what readers pin. Never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Release {
    /// Format of this object.
    pub(crate) format: u32,
    pub(crate) number: ReleaseNumber,
    /// The one before; `None` for the first.
    pub(crate) previous: Option<ReleaseNumber>,
    pub(crate) run: RunId,
    pub(crate) claim: ClaimNumber,
    /// Place of its publish entry in the lake log.
    pub(crate) sequence: u64,
    /// When it was decided.
    pub(crate) published_at: DateTime<Utc>,
    /// Hash of the project that made it.
    pub(crate) project: String,
    /// The date or time that it speaks of, as text.
    pub(crate) as_of: String,
    /// The release whose content it publishes again.
    pub(crate) rollback_of: Option<ReleaseNumber>,
    /// Why builds wait after it until `kilde resume`; `None`: they do not.
    pub(crate) hold: Option<String>,
    /// Tables kept at an older version because of a failure.
    pub(crate) held: BTreeMap<TableName, Held>,
    /// Tables whose version is new, removed ones among them.
    pub(crate) changed: Vec<TableName>,
    /// Figures of the run worth a column of `kilde releases`, by name.
    pub(crate) counts: BTreeMap<String, u64>,
    /// Foreign changes, of data or of a table's definition, that this release was published over.
    pub(crate) overruled: Vec<Overruled>,
    /// Releases, this one or before it, that were decided, could not be finished and were given up: what tables' logs show of
    /// them counts as nothing. None leaves, however old: a builder frozen for longer than any release is kept may still put
    /// its entries, and a number takes a few bytes for each time that an operator gave one up.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) given_up: BTreeSet<ReleaseNumber>,
    pub(crate) tables: BTreeMap<TableName, TableEntry>,
}

impl Release {
    /// Its tables, whatever versions they are read at: a compaction moves those and changes no row.
    pub(super) fn unpinned(&self) -> BTreeMap<TableName, TableEntry> {
        let mut tables = self.tables.clone();
        tables.values_mut().for_each(|entry| entry.version = None);
        tables
    }

    /// A table that readers of this release see.
    pub(crate) fn table(&self, name: &TableName) -> Option<&TableEntry> {
        self.tables
            .get(name)
            .filter(|entry| entry.kind != TableKind::Retired)
    }

    /// The tables of the project that readers of this release see: without kilde's own.
    pub(crate) fn tables_of_project(&self) -> impl Iterator<Item = (&TableName, &TableEntry)> {
        let tables = self.tables.iter();
        tables.filter(|(name, entry)| !name.is_own() && entry.kind != TableKind::Retired)
    }

    /// Those of the project whose version is new, removed ones among them.
    pub(crate) fn changed_of_project(&self) -> impl Iterator<Item = &TableName> {
        self.changed.iter().filter(|name| !name.is_own())
    }
}

/// A table at its last good version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    /// Lower case, no cell values.
    pub(crate) reason: String,
    /// The first release that holds it.
    pub(crate) since: ReleaseNumber,
    /// The run that gave this reason.
    pub(crate) run: RunId,
}

impl Held {
    /// The last release in which the table was good.
    pub(crate) fn last_good(&self) -> ReleaseNumber {
        ReleaseNumber(self.since.0.saturating_sub(1))
    }
}

/// A foreign change that a release was published over; its version stays readable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Overruled {
    pub(crate) table: TableName,
    pub(crate) version: u64,
    /// Name and version of the tool, where its entry says so.
    pub(crate) tool: Option<String>,
    pub(crate) written_at: Option<DateTime<Utc>>,
    /// Its rows were taken over: nothing of it was undone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_adopted: bool,
}

/// What a name stands for in a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TableKind {
    Table,
    /// No files of its own.
    View,
    /// No longer in the project; its folder is untouched.
    Retired,
}

/// Whether a rollback takes the table back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RollbackClass {
    Follows,
    /// Ids, consents, suppressions, decisions: never go back.
    Keeps,
}

/// One table of a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TableEntry {
    pub(crate) kind: TableKind,
    /// Folder below the lake's root; empty for a view.
    pub(crate) location: String,
    /// Id of the table in its own log; empty for a view.
    pub(crate) table_id: String,
    /// The pinned version; `None` for a view.
    pub(crate) version: Option<u64>,
    /// The release that last wrote a version.
    pub(crate) written_in: ReleaseNumber,
    pub(crate) facts: TableFacts,
}

/// What a build knows of a table and the protocol only carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TableFacts {
    pub(crate) pipeline: String,
    pub(crate) fingerprints: Fingerprints,
    /// Digest of each input it was built from, by the input's name.
    pub(crate) built_from: BTreeMap<String, String>,
    /// Sum of the row hashes and count.
    pub(crate) digest: String,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) schema_hash: String,
    pub(crate) rollback: RollbackClass,
}

/// What decides whether a table is stale.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fingerprints {
    /// Changed: build again.
    pub(crate) content: String,
    /// Changed: test again.
    pub(crate) tests: String,
    /// Changed: write the descriptions again.
    pub(crate) words: String,
    /// What `content` is made of, so that a plan can say what changed.
    pub(crate) parts: BTreeMap<String, String>,
}

/// What a publish entry points to: the release as planned, and how to bring each table's log there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StagedMap {
    /// Part of the application id in the transactions of table logs.
    pub(super) lake_id: String,
    /// As it will be if no foreign commit interferes; place and time of the publish entry are still missing.
    pub(super) release: Release,
    pub(super) commits: BTreeMap<TableName, StagedCommit>,
}

/// One table's entry, staged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StagedCommit {
    pub(super) location: String,
    /// Planned version; the head was one less.
    pub(super) version: u64,
    /// Object that holds the exact bytes.
    pub(super) staged: String,
    pub(super) sha256: String,
    /// With what is removed, the step from the head's files to the target set.
    pub(super) adds: Vec<LiveFile>,
    /// Paths.
    pub(super) removes: Vec<String>,
    /// Protocol and metadata, where they are new or changed.
    pub(super) definition: Option<String>,
    pub(super) data_change: bool,
}
