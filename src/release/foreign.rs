//! Commits that are not ours: followed where they change nothing, refused or overruled where they do.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use futures::stream::{self, StreamExt, TryStreamExt};

use super::claim::Claim;
use super::lake::Lake;
use super::map::{Overruled, Release, TableEntry, TableKind};
use super::stage::{AT_ONCE, Draft};
use super::table_log::Commit;
use crate::diagnostic::Code;
use crate::error::{Error, ErrorKind, Result};
use crate::name::{ReleaseNumber, TableName};

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
            is_adopted: false,
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
        self.check_identity().await?;
        let is_void =
            |commit: &Commit| commit.release.is_some_and(|r| newest.given_up.contains(&r));
        let mut found = Vec::new();
        for (name, entry) in &newest.tables {
            let Some(pinned) = entry.version else {
                continue;
            };
            let head = self.tables.head(&entry.location, Some(pinned)).await?;
            for version in pinned + 1..=head.unwrap_or(pinned) {
                let commit = self.tables.commit(&entry.location, version).await;
                let commit = commit.map_err(unpinned)?;
                let commit = commit.filter(|commit| !is_void(commit));
                found.extend(commit.map(|commit| (name.clone(), commit)));
            }
        }
        Ok(found)
    }
}

const CHANGED: Code = Code(709);

/// What others made of the tables of a release.
#[derive(Debug, Default)]
pub(crate) struct ForeignWork {
    /// Tables that were compacted, and nothing else: the version that has the same rows.
    pub(crate) compacted: BTreeMap<TableName, u64>,
    /// Tables whose logs show something of a release that was given up, and that the next release puts back.
    pub(crate) void: BTreeSet<TableName>,
    /// Tables that were changed: what a release that reads or writes one is refused with.
    pub(crate) changed: BTreeMap<TableName, Error>,
}

/// What became of a table's log since it was pinned.
#[derive(Debug)]
pub(crate) struct ForeignChanges {
    /// The newest version; `None`: no such table.
    pub(crate) head: Option<u64>,
    /// Foreign commits that are not neutral.
    pub(crate) changes: Vec<Commit>,
    /// The first version that is of a release that was given up, if one is.
    pub(crate) void_from: Option<u64>,
}

impl ForeignChanges {
    /// Whether something stands there of a release that was given up.
    pub(super) fn has_void(&self) -> bool {
        self.void_from.is_some()
    }
}

impl Lake {
    /// What became of a table of the newest release since.
    ///
    /// # Errors
    /// `Corrupt` where the table is gone.
    pub(crate) async fn foreign_changes(
        &self,
        release: &Release,
        table: &TableName,
        entry: &TableEntry,
    ) -> Result<ForeignChanges> {
        let void = &release.given_up;
        self.drift(table, &entry.location, entry.version, void)
            .await
    }

    /// What others have made of the tables of a release since. A build works on versions that were merely compacted, since the
    /// files of those before may be vacuumed.
    ///
    /// # Errors
    /// Of storage.
    pub(crate) async fn foreign_work(&self, release: &Release) -> Result<ForeignWork> {
        let tables = release.tables.iter();
        let tables =
            tables.filter(|(_, entry)| entry.version.is_some() && entry.kind == TableKind::Table);
        let mut looks = stream::iter(tables)
            .map(|(table, entry)| async move {
                let void = &release.given_up;
                let drift = self.drift(table, &entry.location, entry.version, void);
                match drift.await {
                    Ok(found) => Ok(Some((table, entry, found))),
                    // whoever reads or writes the table is told what is wrong with it
                    Err(error) if error.kind() == ErrorKind::Corrupt => Ok(None),
                    Err(error) => Err(error),
                }
            })
            .buffered(AT_ONCE);
        let mut work = ForeignWork::default();
        while let Some(look) = looks.try_next().await? {
            let Some((table, entry, drift)) = look else {
                continue;
            };
            let head = drift.head.filter(|head| Some(*head) != entry.version);
            let refused = self.refused(table, &entry.location, entry.version, &drift.changes);
            if let Some(error) = refused.await {
                work.changed.insert(table.clone(), error);
            } else if drift.has_void() {
                work.void.insert(table.clone());
            } else if let Some(head) = head {
                work.compacted.insert(table.clone(), head);
            }
        }
        Ok(work)
    }

    /// Why nothing may be published that stands on a table with such foreign changes, with an advice that can be followed;
    /// `None` where there are none.
    async fn refused(
        &self,
        table: &TableName,
        location: &str,
        pinned: Option<u64>,
        changes: &[Commit],
    ) -> Option<Error> {
        let error = refusal(table, changes)?;
        let Some(version) = pinned.filter(|_| error.number() == Some(CHANGED)) else {
            return Some(error);
        };
        // a tool that changes a table may clean its log too: then there is nothing of ours to go over with
        match self.tables.state(location, version).await {
            Err(lost) if lost.kind() == ErrorKind::Corrupt => Some(
                error
                    .caused_by(format!(
                        "its version {version}, which was published, can be read no more"
                    ))
                    .help(restore_or_rebuild(&[table])),
            ),
            _ => Some(error),
        }
    }

    /// The head of a table and the foreign changes since `pinned`.
    ///
    /// # Errors
    /// `Corrupt` where the table is gone, or is nobody's we know. A rival that took over can look like that: the caller
    /// asks the log before it believes it.
    pub(super) async fn drift(
        &self,
        table: &TableName,
        location: &str,
        pinned: Option<u64>,
        void: &BTreeSet<ReleaseNumber>,
    ) -> Result<ForeignChanges> {
        let head = self.tables.head(location, pinned).await?;
        let mut drift = ForeignChanges {
            head,
            changes: Vec::new(),
            void_from: None,
        };
        let (first, last) = match (pinned, head) {
            (None, None) => return Ok(drift),
            (Some(pinned), Some(head)) if head >= pinned => (pinned + 1, head),
            (None, Some(head)) => (0, head),
            _ => return Err(lost_table(table, location)),
        };
        for version in first..=last {
            let commit = self.tables.commit(location, version).await;
            let commit = commit.map_err(unpinned)?;
            match commit.ok_or_else(|| lost_table(table, location))? {
                commit
                    if commit
                        .release
                        .is_some_and(|release| void.contains(&release)) =>
                {
                    drift.void_from.get_or_insert(version);
                }
                // nobody's we know, unless a release that was given up made it
                _ if pinned.is_none() && !drift.has_void() => {
                    return Err(unknown_table(table, location, last));
                }
                commit if commit.release.is_some() => return Err(stray_commit(table, &commit)),
                commit if commit.is_neutral() => {}
                commit => drift.changes.push(commit),
            }
        }
        Ok(drift)
    }
}

impl Claim {
    /// What was looked up ahead, else a look.
    async fn drift_of(
        &self,
        table: &TableName,
        location: &str,
        pinned: Option<u64>,
        ahead: &mut BTreeMap<TableName, ForeignChanges>,
    ) -> Result<ForeignChanges> {
        match ahead.remove(table) {
            Some(drift) => Ok(drift),
            None => {
                let void = self.given_up();
                self.lake.drift(table, location, pinned, void).await
            }
        }
    }

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
        let drift = self
            .drift_of(table, location, pinned, &mut draft.drifts)
            .await?;
        if let Some(commit) = drift.changes.iter().find(|commit| commit.changes_protocol) {
            return Err(raised(table, commit));
        }
        let overruled = drift.changes.iter().map(|commit| commit.overruled(table));
        draft.release.overruled.extend(overruled);
        Ok(drift.head)
    }

    /// What became of a table that nobody else must have changed since `pinned`.
    ///
    /// # Errors
    /// `Corrupt` K0709 naming version, tool and time of the first foreign change.
    pub(super) async fn unchanged(
        &self,
        table: &TableName,
        location: &str,
        pinned: Option<u64>,
        ahead: &mut BTreeMap<TableName, ForeignChanges>,
    ) -> Result<ForeignChanges> {
        let drift = self.drift_of(table, location, pinned, ahead).await?;
        let refused = self.lake.refused(table, location, pinned, &drift.changes);
        match refused.await {
            None => Ok(drift),
            Some(error) => Err(error),
        }
    }
}

/// Why nothing may be published that stands on a table with such foreign changes; `None` where there are none.
fn refusal(table: &TableName, changes: &[Commit]) -> Option<Error> {
    match changes.iter().find(|commit| commit.changes_protocol) {
        // no word of an operator publishes over that
        Some(commit) => Some(raised(table, commit)),
        None => changes.first().map(|commit| changed(table, commit)),
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

impl Overruled {
    /// What happened, and what was made of it.
    pub(crate) fn told(&self) -> String {
        format!(
            "`{}` was changed at version {} by {} while the release was being published, which went over it: what was written stands in that version alone",
            self.table,
            self.version,
            authored(self.tool.as_deref(), self.written_at)
        )
    }
}

/// `delta-rs 1.1.3 at 2026-03-01 02:06:12 UTC`, or what of it is known.
pub(super) fn author(commit: &Commit) -> String {
    authored(commit.tool.as_deref(), commit.written_at)
}

fn authored(tool: Option<&str>, written_at: Option<DateTime<Utc>>) -> String {
    let tool = tool.unwrap_or("an unnamed tool");
    match written_at {
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
    .code(CHANGED)
    .help(format!(
        "`kilde build --overrule {table}` publishes ours over it; where rows were added to an `append` source that are wanted, `kilde adopt {table}`"
    ))
}

fn stray_commit(table: &TableName, commit: &Commit) -> Error {
    Error::corrupt(format!(
        "version {} of `{table}` says that it belongs to a release which its lake does not know",
        commit.version
    ))
    .code(Code(732))
    .help("was `_kilde` replaced by an older copy, while the tables went on? Restore all of the lake from one copy, `_kilde` and the tables' folders together: the next build reads the exports that came since")
}

/// What helps where an entry cannot be read that no release pins.
fn unpinned(error: Error) -> Error {
    match (error.kind(), error.advice()) {
        (ErrorKind::Corrupt, None) => error.help(
            "no release needs this entry, which another tool wrote: restore it from a copy of the lake, or, where nobody wants what it was to say, move it and all later entries out of the log",
        ),
        _ => error,
    }
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
        .help(restore_or_rebuild(&[table]))
}

/// What helps where the folders of tables, or parts of them, are gone.
pub(crate) fn restore_or_rebuild(tables: &[&TableName]) -> String {
    restore_or_rebuild_by("kilde build", tables)
}

/// The same, said to whoever asked for that `command`: what it makes anew already stays asked for.
pub(crate) fn restore_or_rebuild_by(command: &str, tables: &[&TableName]) -> String {
    let flags: Vec<String> = tables.iter().map(|t| format!("--rebuild {t}")).collect();
    let flags = flags.join(" ");
    match tables {
        [_] => format!(
            "restore the table's folder from a copy of the lake, or make the table anew: `{command} {flags}`"
        ),
        _ => {
            let names: Vec<String> = tables.iter().map(|t| format!("`{t}`")).collect();
            format!(
                "restore the folders of {} from a copy of the lake, or make these tables anew: `{command} {flags}`",
                names.join(", ")
            )
        }
    }
}
