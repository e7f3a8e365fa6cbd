//! What a build asks the protocol to publish.

use std::collections::{BTreeMap, BTreeSet};

use super::map::{Held, TableEntry, TableFacts};
use super::table_log::LiveFile;
use crate::name::{ReleaseNumber, TableName};

/// A release to be. Tables not named are carried over unchanged.
#[derive(Clone, Debug, Default)]
pub(crate) struct PublishRequest {
    /// Hash of the project.
    pub(crate) project: String,
    /// The date or time that it speaks of, as text.
    pub(crate) as_of: String,
    pub(crate) tables: BTreeMap<TableName, TableChange>,
    /// Published tables that the build read: their heads must still be what was read.
    pub(crate) reads: BTreeSet<TableName>,
    /// Published tables whose foreign changes are published over, also where nothing else is written of them.
    pub(crate) overrule: BTreeSet<TableName>,
    /// Those of them whose foreign rows are part of what is published.
    pub(crate) adopt: BTreeSet<TableName>,
    /// Tables whose log or files are lost: what is written of them stands on nothing that was published.
    pub(crate) anew: BTreeSet<TableName>,
    /// Tables kept at an older version because of a failure; all of them, not only the new.
    pub(crate) held: BTreeMap<TableName, Held>,
    /// Figures for `kilde releases`, by name.
    pub(crate) counts: BTreeMap<String, u64>,
}

/// What becomes of a table.
#[derive(Clone, Debug)]
pub(crate) enum TableChange {
    /// A new version.
    Write(TableWrite),
    /// The same version, newly known: built again to an equal digest, tested again.
    Keep(TableFacts),
    /// No longer in the project.
    Retire,
    /// Its rows go as well, once no kept release has them: a version without files, of a table that is no longer there.
    Drop,
}

/// A new version of a table, as a file set: files of `base`, less `removes`, and `adds`.
#[derive(Clone, Debug)]
pub(crate) struct TableWrite {
    /// Folder below the lake's root.
    pub(crate) location: String,
    /// Id of the table in its own log.
    pub(crate) table_id: String,
    /// Version that the build worked on; `None`: none of its files stays.
    pub(crate) base: Option<u64>,
    pub(crate) removes: Removal,
    pub(crate) adds: Vec<LiveFile>,
    /// Protocol and metadata as they shall be, in the words of the table's log; `None`: as they are.
    pub(crate) definition: Option<String>,
    /// False for a compaction: same rows, other files.
    pub(crate) data_change: bool,
    pub(crate) facts: TableFacts,
}

impl TableWrite {
    /// The same table with no row.
    pub(super) fn without_rows(known: &TableEntry) -> Self {
        let mut facts = known.facts.clone();
        facts.rows = 0;
        facts.bytes = 0;
        Self {
            location: known.location.clone(),
            table_id: known.table_id.clone(),
            base: known.version,
            removes: Removal::All,
            adds: Vec::new(),
            definition: None,
            data_change: true,
            facts,
        }
    }
}

/// Which files of the base go.
#[derive(Clone, Debug)]
pub(crate) enum Removal {
    All,
    /// Paths as the table's log writes them.
    Files(BTreeSet<String>),
}

/// An older release to be published again.
#[derive(Clone, Debug)]
pub(crate) struct RollbackRequest {
    pub(crate) to: ReleaseNumber,
    /// Why; shown to whoever meets the paused lake.
    pub(crate) reason: String,
    /// Tables whose rows go back only in part (the ledger, the rejects), written by the caller.
    pub(crate) writes: BTreeMap<TableName, TableWrite>,
    pub(crate) counts: BTreeMap<String, u64>,
}
