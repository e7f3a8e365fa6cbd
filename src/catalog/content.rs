//! A table as readers see it: files, schema, digest.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;

use crate::diagnostic::Code;
use crate::engine::{self, FileSet};
use crate::error::{Error, Result};
use crate::lake::{self, DeltaLog};
use crate::name::TableName;
use crate::release::{LiveFile, TableEntry, TableLog, TableState};

/// One table's whole content, published or a candidate.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) name: TableName,
    /// Folder below the lake's root.
    pub(crate) location: String,
    /// Id of the table in its own log.
    pub(crate) table_id: String,
    /// The version in the table's log; `None` for a candidate.
    pub(crate) version: Option<u64>,
    /// As the log names them, by path.
    pub(crate) files: BTreeMap<String, LiveFile>,
    /// Protocol and metadata as the log says them.
    pub(crate) definition: String,
    pub(crate) rows: u64,
    /// Sum of the row hashes; empty where nobody computed it.
    pub(crate) digest: String,
    /// The same files, for scanning.
    pub(crate) file_set: FileSet,
}

impl Content {
    /// The content of a table at the version that a release pins.
    pub(crate) async fn published(
        log: &DeltaLog,
        name: &TableName,
        entry: &TableEntry,
    ) -> Result<Self> {
        let version = entry.version.ok_or_else(|| {
            Error::internal(format!(
                "`{name}` has no version of its own in this release"
            ))
        })?;
        let state = log.state(&entry.location, version).await?;
        // a table that was lost and made anew begins with the same versions
        if lake::TableIdentity::of(&state.definition)?.id != entry.table_id {
            return Err(another_table(name, entry));
        }
        let content = Self::of_state(log, name, &entry.location, state).await?;
        Ok(Self {
            rows: entry.facts.rows,
            digest: entry.facts.digest.clone(),
            ..content
        })
    }

    /// What a table's log says that a table holds, published or not: neither its rows nor their digest are known.
    pub(crate) async fn of_state(
        log: &DeltaLog,
        name: &TableName,
        location: &str,
        state: TableState,
    ) -> Result<Self> {
        let file_set = log.file_set(location, &state).await?;
        Ok(Self {
            name: name.clone(),
            location: location.to_string(),
            table_id: lake::TableIdentity::of(&state.definition)?.id,
            version: Some(state.version),
            files: state.files,
            definition: state.definition,
            rows: 0,
            digest: String::new(),
            file_set,
        })
    }

    /// The same files read with other columns: those that no file has are null.
    pub(crate) fn with_columns(mut self, schema: SchemaRef) -> Self {
        self.file_set.schema = schema;
        self
    }

    /// The table, for a session.
    pub(crate) fn provider(&self) -> Result<Arc<dyn TableProvider>> {
        engine::scan(&self.file_set, engine::lake_url()?)
    }

    /// Bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.values().map(|file| file.size).sum()
    }
}

/// The table that a release pins was lost, or never lay there.
pub(super) fn another_table(name: &TableName, entry: &TableEntry) -> Error {
    Error::corrupt(format!(
        "another table than that of the release lies in the folder of `{name}`"
    ))
    .code(Code(727))
    .at(entry.location.as_str())
    .help("it was made anew since, or its folder was replaced: `kilde releases show N` tells when it changed")
}
