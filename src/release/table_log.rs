//! What the protocol needs of a table format: read a head, read a file set, write an entry's bytes.

use std::collections::BTreeMap;
use std::fmt::Debug;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::name::{ReleaseNumber, RunId};
use crate::store::ObjectInfo;

/// One live file of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LiveFile {
    /// Path below the table's location, as the log writes it.
    pub(crate) path: String,
    /// Bytes.
    pub(crate) size: u64,
    /// The log's whole action that adds the file, one line; opaque here, re-used when the file is added again.
    pub(crate) add: String,
}

/// A table at one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableState {
    pub(crate) version: u64,
    /// By path.
    pub(crate) files: BTreeMap<String, LiveFile>,
    /// Protocol and metadata as log lines; opaque here, compared and re-used.
    pub(crate) definition: String,
}

/// One entry of a table's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) version: u64,
    /// The release that it belongs to, if it is ours.
    pub(crate) release: Option<ReleaseNumber>,
    pub(crate) adds: Vec<LiveFile>,
    /// Paths.
    pub(crate) removes: Vec<String>,
    /// Whether any file action says that data changed.
    pub(crate) data_change: bool,
    /// Whether it carries metadata.
    pub(crate) changes_metadata: bool,
    /// Whether it carries a protocol.
    pub(crate) changes_protocol: bool,
    /// Name and version of the tool that wrote it, where it says so.
    pub(crate) tool: Option<String>,
    /// When, where it says so.
    pub(crate) written_at: Option<DateTime<Utc>>,
}

/// What a new entry of a table's log says.
#[derive(Clone, Debug)]
pub(crate) struct EntryDraft<'a> {
    /// The lake, part of the transaction's application id.
    pub(crate) lake_id: &'a str,
    pub(crate) release: ReleaseNumber,
    pub(crate) run: &'a RunId,
    pub(crate) written_at: DateTime<Utc>,
    /// Protocol and metadata lines, when the table is created or its definition changes.
    pub(crate) definition: Option<&'a str>,
    pub(crate) removes: Vec<&'a LiveFile>,
    pub(crate) adds: Vec<&'a LiveFile>,
    /// False for a compaction: same rows, other files.
    pub(crate) data_change: bool,
}

/// A table format's log, read and written without knowing what the rows are.
#[async_trait]
pub(crate) trait TableLog: Send + Sync + Debug {
    /// Says whose transactions count as this lake's, before the first of them is looked for: a claimant knows the lake's
    /// id, a reader need not.
    fn belongs_to(&self, _lake_id: &str) {}

    /// Folder below the lake's root in which a table's log lies.
    fn log_folder(&self, location: &str) -> String;

    /// Object path below the lake's root of the entry of that version.
    fn entry_path(&self, location: &str, version: u64) -> String;

    /// Object path below the lake's root of a data file that the table's log writes as `path`.
    fn file_path(&self, location: &str, path: &str) -> String {
        format!("{location}/{path}")
    }

    /// The newest version, looked for upwards from `at_least` where that is known to exist; `None`: no table.
    async fn head(&self, location: &str, at_least: Option<u64>) -> Result<Option<u64>>;

    /// The table at a version.
    ///
    /// # Errors
    /// `Corrupt` where the version is gone or the protocol is one that we cannot read rightly.
    async fn state(&self, location: &str, version: u64) -> Result<TableState>;

    /// One entry. `Ok(None)`: that version does not exist.
    async fn commit(&self, location: &str, version: u64) -> Result<Option<Commit>>;

    /// The id of a table by its definition; `None` where the format has none.
    fn table_id(&self, _definition: &str) -> Option<String> {
        None
    }

    /// Paths of the entries from which that version is read, where `listed` lies below the location. A format without checkpoints
    /// reads them all.
    fn entries_read(&self, location: &str, version: u64, _listed: &[ObjectInfo]) -> Vec<String> {
        let entries = 0..=version;
        entries
            .map(|version| self.entry_path(location, version))
            .collect()
    }

    /// The bytes of an entry; equal drafts give equal bytes.
    ///
    /// # Errors
    /// `Internal` for what is no line of a log.
    fn entry(&self, draft: &EntryDraft<'_>) -> Result<Bytes>;

    /// Objects of the log that no version from `oldest` on needs: what a checkpoint at or below it stands for. A format
    /// without checkpoints has none.
    async fn unneeded_entries(&self, _location: &str, _oldest: u64) -> Result<Vec<ObjectInfo>> {
        Ok(Vec::new())
    }

    /// Objects of the log that are of no use to us, whose table can be read up to `version` without them, and over which other
    /// readers stumble: checkpoints that cannot be read, and a hint at one that is not there.
    async fn misleading(&self, _location: &str, _version: u64) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Whether readers of that version would replay more entries than they should.
    async fn lacks_checkpoint(&self, _location: &str, _version: u64) -> Result<bool> {
        Ok(false)
    }

    /// Writes a checkpoint of that version, so that readers need not replay the log from the start.
    async fn checkpoint(&self, location: &str, version: u64) -> Result<()>;
}
