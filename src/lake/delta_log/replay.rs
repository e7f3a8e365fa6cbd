//! Log entries → the table's state: what each line adds to what was before.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use chrono::DateTime;

use super::action::{Add, Line, MetaData, Protocol};
use super::definition::{check_readable, definition_lines};
use crate::diagnostic::Code;
use crate::error::{Error, Result};
use crate::lake::{foreign, path};
use crate::name::ReleaseNumber;
use crate::release::{Commit, LiveFile, TableState};

/// A table's state while entries are laid over it.
#[derive(Debug, Default)]
pub(super) struct Replay {
    pub(super) protocol: Option<Protocol>,
    pub(super) meta_data: Option<MetaData>,
    pub(super) files: BTreeMap<String, LiveFile>,
    /// Those of which a deletion vector takes rows: our scan would give them back.
    pub(super) masked: BTreeSet<String>,
}

impl Replay {
    /// Lays one entry over the state. Removes go first: an entry may remove a file and add it again with other statistics.
    pub(super) fn apply(&mut self, entry: &Bytes, path: &str) -> Result<()> {
        let lines = parse(entry, path)?;
        for line in &lines {
            if let Some(remove) = &line.remove {
                self.files.remove(&remove.path);
                self.masked.remove(&remove.path);
            }
        }
        for line in lines {
            if let Some(protocol) = line.protocol {
                self.protocol = Some(protocol);
            }
            if let Some(meta_data) = line.meta_data {
                self.meta_data = Some(meta_data);
            }
            if let Some(add) = line.add {
                self.add(add)?;
            }
        }
        Ok(())
    }

    /// Lays a file over the state. A deletion vector is no error yet: the file may be removed by a later entry.
    pub(super) fn add(&mut self, add: Add) -> Result<()> {
        match add.is_masked() {
            true => self.masked.insert(add.path.clone()),
            false => self.masked.remove(&add.path),
        };
        let file = live_file(add)?;
        self.files.insert(file.path.clone(), file);
        Ok(())
    }

    /// The state at the end. `features`: those that the table may ask of its readers.
    ///
    /// # Errors
    /// `Corrupt` where no entry defined the table, or the definition or a file is one that we would read wrongly.
    pub(super) fn finish(
        self,
        version: u64,
        location: &str,
        features: &[&str],
    ) -> Result<TableState> {
        let (Some(protocol), Some(meta_data)) = (self.protocol, self.meta_data) else {
            return Err(
                Error::corrupt("the table's log holds no protocol and metadata")
                    .code(Code(802))
                    .at(location),
            );
        };
        check_readable(&protocol, &meta_data, location, features)?;
        if !self.masked.is_empty() {
            return Err(masked(location));
        }
        Ok(TableState {
            version,
            files: self.files,
            definition: definition_lines(protocol, meta_data)?,
        })
    }
}

/// A file as `release` handles it.
///
/// # Errors
/// `Corrupt` for one outside the table's folder.
fn live_file(mut add: Add) -> Result<LiveFile> {
    path::from_log(&add.path)?;
    add.deletion_vector = None;
    Ok(LiveFile {
        path: add.path.clone(),
        size: add.size,
        add: add.line()?,
    })
}

/// Some rows of a file are no longer in the table.
fn masked(location: &str) -> Error {
    foreign("the table has files with deletion vectors", location)
}

/// One entry as `release` sees it.
pub(super) fn commit(version: u64, entry: &Bytes, app_id: &str, location: &str) -> Result<Commit> {
    let mut commit = Commit {
        version,
        release: None,
        adds: Vec::new(),
        removes: Vec::new(),
        data_change: false,
        changes_metadata: false,
        changes_protocol: false,
        tool: None,
        written_at: None,
    };
    for line in parse(entry, &path::log_entry(location, version))? {
        commit.changes_metadata |= line.meta_data.is_some();
        // a restore by another tool says again what we said
        commit.changes_protocol |= line
            .protocol
            .is_some_and(|protocol| protocol != Protocol::ours());
        if let Some(txn) = line.txn.filter(|txn| txn.app_id == app_id) {
            commit.release = Some(ReleaseNumber(txn.version.max(0) as u64));
        }
        if let Some(remove) = line.remove {
            commit.data_change |= remove.data_change;
            commit.removes.push(remove.path);
        }
        if let Some(add) = line.add {
            commit.data_change |= add.data_change;
            if add.is_masked() {
                return Err(masked(location));
            }
            commit.adds.push(live_file(add)?);
        }
        if let Some(info) = line.commit_info {
            let engine = info.get("engineInfo").and_then(serde_json::Value::as_str);
            commit.tool = engine.map(str::to_string);
            commit.written_at = info
                .get("timestamp")
                .and_then(serde_json::Value::as_i64)
                .and_then(DateTime::from_timestamp_millis);
        }
    }
    Ok(commit)
}

/// The lines of the entry that lies at that path.
fn parse(entry: &Bytes, path: &str) -> Result<Vec<Line>> {
    let text = std::str::from_utf8(entry).map_err(|_| {
        Error::corrupt("an entry of the table's log is not UTF-8")
            .code(Code(802))
            .at(path)
    })?;
    text.lines()
        .zip(1..)
        .filter(|(line, _)| !line.trim().is_empty())
        .map(|(line, number)| Line::of(line).map_err(|error| error.at(format!("{path}:{number}"))))
        .collect()
}
