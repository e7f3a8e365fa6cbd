//! Commits that are not ours: followed where they change nothing, refused or overruled where they do.

use std::collections::BTreeMap;

use futures::stream::{self, StreamExt};

use super::claim::Claim;
use super::lake::Lake;
use super::map::{Overruled, Release, TableEntry, TableKind};
use super::stage::{AT_ONCE, Draft};
use super::table_log::Commit;
use crate::diagnostic::Code;
use crate::error::{Error, Result};
use crate::name::TableName;

impl Commit {
    /// Same rows, same definition: a compaction.
    pub(crate) fn is_neutral(&self) -> bool {
        !self.data_change && !self.changes_metadata && !self.changes_protocol
    }

    pub(super) fn overruled(&self, table: &TableName) -> Overruled {
        Overruled {
            table: table.clone(),
            version: self.version,
            tool: self.tool.clone(),
            written_at: self.written_at,
        }
    }
}

impl Lake {
    /// Commits of other tools after the versions that the newest release pins, by table. Only where no release is decided and
    /// not yet settled. Writes nothing.
    ///
    /// # Errors
    /// Of storage; `Corrupt` where a log cannot be read.
    pub(crate) async fn foreign_commits(
        &self,
        newest: &Release,
    ) -> Result<Vec<(TableName, Commit)>> {
        let mut found = Vec::new();
        for (name, entry) in &newest.tables {
            let Some(pinned) = entry.version else {
                continue;
            };
            let head = self.tables.head(&entry.location, Some(pinned)).await?;
            for version in pinned + 1..=head.unwrap_or(pinned) {
                let commit = self.tables.commit(&entry.location, version).await?;
                found.extend(commit.map(|commit| (name.clone(), commit)));
            }
        }
        Ok(found)
    }
}

/// What became of a table's log since it was pinned.
#[derive(Debug)]
pub(super) struct Drift {
    /// The newest version; `None`: no such table.
    pub(super) head: Option<u64>,
    /// Foreign commits that are not neutral.
    pub(super) changes: Vec<Commit>,
}

impl Lake {
    /// The head of a table of the newest release, and what others committed since that is no mere compaction.
    ///
    /// # Errors
    /// `Corrupt` where the table is gone.
    pub(crate) async fn foreign_changes(
        &self,
        table: &TableName,
        entry: &TableEntry,
    ) -> Result<(Option<u64>, Vec<Commit>)> {
        let drift = self.drift(table, &entry.location, entry.version).await?;
        Ok((drift.head, drift.changes))
    }

    /// Tables of a release that others have compacted since, and nothing else: the version that has the same rows. A build works
    /// on those, since the files of the version before may be vacuumed.
    pub(crate) async fn compacted(&self, release: &Release) -> BTreeMap<TableName, u64> {
        let tables = release.tables.iter();
        let tables =
            tables.filter(|(_, entry)| entry.version.is_some() && entry.kind == TableKind::Table);
        let moved: Vec<Option<(TableName, u64)>> = stream::iter(tables)
            .map(|(table, entry)| async move {
                // whoever reads or writes the table is told what is wrong with it
                let (head, changes) = self.foreign_changes(table, entry).await.ok()?;
                let head = head.filter(|head| changes.is_empty() && Some(*head) != entry.version);
                Some((table.clone(), head?))
            })
            .buffered(AT_ONCE)
            .collect()
            .await;
        moved.into_iter().flatten().collect()
    }

    /// The head of a table and the foreign changes since `pinned`.
    ///
    /// # Errors
    /// `Corrupt` where the table is gone, or is nobody's we know. A rival that took over can look like that: the caller
    /// asks the log before it believes it.
    async fn drift(&self, table: &TableName, location: &str, pinned: Option<u64>) -> Result<Drift> {
        let head = self.tables.head(location, pinned).await?;
        let (first, last) = match (pinned, head) {
            (None, None) => {
                return Ok(Drift {
                    head,
                    changes: Vec::new(),
                });
            }
            (Some(pinned), Some(head)) if head >= pinned => (pinned + 1, head),
            (None, Some(head)) => {
                return Err(unknown_table(table, location, head));
            }
            _ => return Err(lost_table(table, location)),
        };
        let mut changes = Vec::new();
        for version in first..=last {
            let commit = self.tables.commit(location, version).await?;
            let commit = commit.ok_or_else(|| lost_table(table, location))?;
            if commit.release.is_some() {
                return Err(stray_commit(table, &commit));
            }
            if !commit.is_neutral() {
                changes.push(commit);
            }
        }
        Ok(Drift { head, changes })
    }
}

impl Claim {
    /// The head of a table whose foreign changes are published over: each is recorded.
    ///
    /// # Errors
    /// `Corrupt` K0711 where one of them raised the protocol.
    pub(super) async fn overruled_head(
        &self,
        table: &TableName,
        location: &str,
        pinned: Option<u64>,
        draft: &mut Draft,
    ) -> Result<Option<u64>> {
        let drift = self.lake.drift(table, location, pinned).await?;
        if let Some(commit) = drift.changes.iter().find(|commit| commit.changes_protocol) {
            return Err(raised(table, commit));
        }
        let overruled = drift.changes.iter().map(|commit| commit.overruled(table));
        draft.release.overruled.extend(overruled);
        Ok(drift.head)
    }

    /// The head of a table that must not have been changed since `pinned`.
    ///
    /// # Errors
    /// `Corrupt` K0709 naming version, tool and time of the first foreign change.
    pub(super) async fn unchanged_head(
        &self,
        table: &TableName,
        location: &str,
        pinned: Option<u64>,
    ) -> Result<Option<u64>> {
        let drift = self.lake.drift(table, location, pinned).await?;
        match drift.changes.first() {
            None => Ok(drift.head),
            Some(change) => Err(changed(table, change)),
        }
    }
}

/// A protocol cannot be lowered by a commit.
pub(super) fn raised(table: &TableName, commit: &Commit) -> Error {
    Error::corrupt(format!(
        "`{table}` was raised to a newer table protocol at version {} by {}",
        commit.version,
        author(commit)
    ))
    .code(Code(711))
    .help("a protocol cannot be lowered: let no build run, and restore the table's folder without that version")
}

/// `delta-rs 1.1.3 at 2026-03-01 02:06:12 UTC`, or what of it is known.
pub(super) fn author(commit: &Commit) -> String {
    let tool = commit.tool.as_deref().unwrap_or("an unnamed tool");
    match commit.written_at {
        Some(at) => format!("{tool} at {}", at.format("%Y-%m-%d %H:%M:%S UTC")),
        None => tool.to_string(),
    }
}

fn changed(table: &TableName, commit: &Commit) -> Error {
    Error::corrupt(format!(
        "`{table}` was changed at version {} by {}, not by kilde",
        commit.version,
        author(commit)
    ))
    .code(Code(709))
    .help(format!(
        "`kilde build --overrule {table}` publishes ours over it; where rows were added to an `append` source that are wanted, `kilde adopt {table}`"
    ))
}

fn stray_commit(table: &TableName, commit: &Commit) -> Error {
    Error::corrupt(format!(
        "version {} of `{table}` says that it belongs to a release which its lake does not know",
        commit.version
    ))
    .code(Code(714))
    .help("was the lake's `_kilde` folder replaced by an older copy?")
}

fn unknown_table(table: &TableName, location: &str, head: u64) -> Error {
    Error::corrupt(format!(
        "`{table}` is new to this lake, but a table (version {head}) lies in its folder"
    ))
    .code(Code(709))
    .at(location)
    .help("move the folder away, or give the table another name")
}

fn lost_table(table: &TableName, location: &str) -> Error {
    Error::corrupt(format!("the log of `{table}` has lost a published version"))
        .code(Code(714))
        .at(location)
        .help("restore the table's folder from a copy of the lake")
}
