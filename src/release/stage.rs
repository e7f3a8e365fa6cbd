//! From a request to staged bytes: nothing a reader or a table's log can see, and the last look at everything.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use sha2::{Digest, Sha256};

use super::claim::Claim;
use super::create::{Creation, create};
use super::failpoint::Boundary;
use super::foreign::{ForeignChanges, restore_or_rebuild};
use super::log::{self, CarriedView, Publish};
use super::map::{Release, StagedCommit, StagedMap, TableEntry, TableKind};
use super::request::{PublishRequest, Removal, TableChange, TableWrite};
use super::table_log::{EntryDraft, LiveFile, TableState};
use super::{json, layout};
use crate::diagnostic::Code;
use crate::error::{Error, ErrorKind, Result};
use crate::name::{ReleaseNumber, TableName};
use crate::store::ObjectInfo;

/// Tables and files looked at or written at once.
pub(super) const AT_ONCE: usize = 16;

/// Staged objects that this process wrote, by path.
pub(super) type StagedBytes = BTreeMap<String, Bytes>;

/// Of a table with more files, the folder is listed instead of each file being asked for.
const ASKED_ONE_BY_ONE: usize = 8;

/// A table's file set, by path as its log writes it.
pub(super) type Files = BTreeMap<String, LiveFile>;

/// A release about to be staged.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) release: Release,
    pub(super) commits: BTreeMap<TableName, DraftCommit>,
    pub(super) overrules: Overrules,
    /// Tables that are made anew, whatever lies in their folders.
    pub(super) anew: BTreeSet<TableName>,
    /// What became of tables' logs, where it was looked up ahead.
    pub(super) drifts: BTreeMap<TableName, ForeignChanges>,
}

/// Which foreign changes are published over, and recorded; all others stop the release.
#[derive(Clone, Debug)]
pub(super) enum Overrules {
    /// Of these tables.
    Of(BTreeSet<TableName>),
    All,
}

impl Overrules {
    fn contains(&self, table: &TableName) -> bool {
        match self {
            Self::Of(tables) => tables.contains(table),
            Self::All => true,
        }
    }
}

/// How a table's log gets from its head to the target set.
#[derive(Debug)]
pub(super) struct DraftCommit {
    pub(super) location: String,
    pub(super) version: u64,
    pub(super) removes: Vec<LiveFile>,
    pub(super) adds: Vec<LiveFile>,
    pub(super) definition: Option<String>,
    pub(super) data_change: bool,
    pub(super) target: Files,
}

impl DraftCommit {
    /// The difference between a head and what shall be; `None` where there is none.
    pub(super) fn between(
        location: &str,
        head: Option<&TableState>,
        target: Files,
        definition: Option<&str>,
        data_change: bool,
    ) -> Option<Self> {
        let no_files = Files::new();
        let live = head.map_or(&no_files, |head| &head.files);
        let missing_in = |other: &Files, file: &LiveFile| !other.contains_key(&file.path);
        let removes: Vec<_> = live
            .values()
            .filter(|file| missing_in(&target, file))
            .cloned()
            .collect();
        let adds: Vec<_> = target
            .values()
            .filter(|file| missing_in(live, file))
            .cloned()
            .collect();
        let definition =
            definition.filter(|wanted| head.is_none_or(|head| head.definition != *wanted));
        if removes.is_empty() && adds.is_empty() && definition.is_none() {
            return None;
        }
        Some(Self {
            location: location.to_string(),
            version: head.map_or(0, |head| head.version + 1),
            removes,
            adds,
            definition: definition.map(str::to_string),
            data_change,
            target,
        })
    }
}

impl Claim {
    /// Number of the release to be.
    pub(super) fn next_number(&self) -> ReleaseNumber {
        ReleaseNumber(self.base.as_ref().map_or(0, |base| base.number.0) + 1)
    }

    /// An empty release of this claim that carries over every table of the base.
    pub(super) fn next_release(&self) -> Release {
        Release {
            format: log::FORMAT,
            number: self.next_number(),
            previous: self.base.as_ref().map(|base| base.number),
            run: self.run.clone(),
            claim: self.number,
            sequence: 0,
            published_at: self.lake.clock.now(),
            project: String::new(),
            as_of: String::new(),
            rollback_of: None,
            hold: None,
            held: BTreeMap::new(),
            changed: Vec::new(),
            counts: BTreeMap::new(),
            overruled: Vec::new(),
            given_up: self.given_up().clone(),
            tables: self
                .base
                .as_ref()
                .map_or_else(BTreeMap::new, |base| base.tables.clone()),
        }
    }

    /// What the request comes to on the base, with every head looked at again.
    pub(super) async fn draft(&mut self, request: PublishRequest) -> Result<Draft> {
        let mut draft = Draft {
            release: self.next_release(),
            commits: BTreeMap::new(),
            overrules: Overrules::Of(request.overrule.clone()),
            anew: request.anew.clone(),
            drifts: self.look_ahead(&request).await?,
        };
        draft.release.project = request.project;
        draft.release.as_of = request.as_of;
        draft.release.held = request.held;
        draft.release.counts = request.counts;
        for name in &request.overrule {
            let is_written = matches!(request.tables.get(name), Some(TableChange::Write(_)));
            let known = draft.release.tables.get(name).cloned();
            let known = known.ok_or_else(|| never_published(name))?;
            if is_written || known.version.is_none() {
                continue;
            }
            let drift = self
                .lake
                .drift(name, &known.location, known.version, self.given_up())
                .await?;
            if drift.has_void() || !drift.changes.is_empty() {
                self.take_table_back(name, &known, Some(&known), &mut draft)
                    .await?;
            } else if let Some(entry) = draft.release.tables.get_mut(name) {
                // merely compacted: the same rows in other files
                entry.version = drift.head;
            }
        }
        let tables = request.tables.keys();
        let named = tables.chain(&request.reads).chain(&request.overrule);
        let named = named.cloned().collect();
        self.put_back(&named, &mut draft).await?;
        for name in &request.reads {
            self.follow(name, &mut draft).await?;
        }
        for (name, change) in request.tables {
            self.apply(name, change, &mut draft).await?;
        }
        draft.release.changed.sort();
        draft.release.changed.dedup();
        for foreign in &mut draft.release.overruled {
            foreign.is_adopted = request.adopt.contains(&foreign.table);
        }
        draft.release.overruled.sort();
        Ok(draft)
    }

    /// Upon a release that was given up: tables whose logs show something of it become what the base holds again; but for those
    /// `named`, which are looked at by themselves. What comes to stand in a log later is found by whoever looks at that table.
    async fn put_back(&mut self, named: &BTreeSet<TableName>, draft: &mut Draft) -> Result<()> {
        if !self.base.as_ref().is_some_and(Release::is_given_up) {
            return Ok(());
        }
        let others: Vec<(TableName, TableEntry)> = draft
            .release
            .tables
            .iter()
            .filter(|(name, entry)| {
                entry.version.is_some() && entry.kind == TableKind::Table && !named.contains(*name)
            })
            .map(|(name, entry)| (name.clone(), entry.clone()))
            .collect();
        let (lake, void) = (&self.lake, self.given_up());
        let drifts: Vec<Result<ForeignChanges>> = stream::iter(&others)
            .map(|(name, entry)| lake.drift(name, &entry.location, entry.version, void))
            .buffered(AT_ONCE)
            .collect()
            .await;
        for ((name, entry), drift) in others.iter().zip(drifts) {
            match drift {
                Ok(drift) if drift.has_void() && drift.changes.is_empty() => {
                    self.take_table_back(name, entry, Some(entry), draft)
                        .await?;
                }
                // whoever reads or writes the table is told what is wrong with it
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Corrupt => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Releases that count as nothing, as far as the base knows.
    pub(super) fn given_up(&self) -> &BTreeSet<ReleaseNumber> {
        static NONE: BTreeSet<ReleaseNumber> = BTreeSet::new();
        self.base.as_ref().map_or(&NONE, |base| &base.given_up)
    }

    /// Heads and states of all tables that a request reads or writes, many at once: one by one, each would cost the way to
    /// the storage and back while everybody waits.
    async fn look_ahead(
        &self,
        request: &PublishRequest,
    ) -> Result<BTreeMap<TableName, ForeignChanges>> {
        let pinned = |name: &TableName| self.base.as_ref()?.tables.get(name);
        let read = request.reads.iter().filter_map(|name| {
            let entry = pinned(name)?;
            entry.version?;
            Some((name, entry.location.as_str(), entry.version, false))
        });
        let changed = request.tables.iter().filter_map(|(name, change)| {
            let version = pinned(name).and_then(|entry| entry.version);
            match change {
                TableChange::Write(_) if request.anew.contains(name) => None,
                TableChange::Write(write) => Some((name, write.location.as_str(), version, true)),
                TableChange::Keep(_) => {
                    let location = pinned(name)?.location.as_str();
                    version.map(|version| (name, location, Some(version), false))
                }
                TableChange::Retire | TableChange::Drop => None,
            }
        });
        stream::iter(read.chain(changed))
            .map(|(name, location, version, is_written)| async move {
                let void = self.given_up();
                let drift = self.lake.drift(name, location, version, void).await?;
                // what was raised is told as such, and its state may be one that cannot be read
                let is_raised = drift.changes.iter().any(|change| change.changes_protocol);
                if let (true, Some(head)) = (is_written && !is_raised, drift.head) {
                    // whoever asks again finds it known
                    self.lake.tables.state(location, head).await?;
                }
                Ok((name.clone(), drift))
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await
    }

    pub(super) async fn apply(
        &mut self,
        name: TableName,
        change: TableChange,
        draft: &mut Draft,
    ) -> Result<()> {
        let known = draft.release.tables.get(&name).cloned();
        match change {
            TableChange::Write(write) => {
                let (entry, commit) = self
                    .draft_write(&name, write, known.as_ref(), draft)
                    .await?;
                if let Some(commit) = commit {
                    draft.commits.insert(name.clone(), commit);
                    draft.release.changed.push(name.clone());
                }
                draft.release.tables.insert(name, entry);
            }
            TableChange::Keep(facts) => {
                self.follow(&name, draft).await?;
                let entry = draft.release.tables.get_mut(&name);
                entry.ok_or_else(|| never_published(&name))?.facts = facts;
            }
            TableChange::Retire => {
                let entry = draft.release.tables.get_mut(&name);
                entry.ok_or_else(|| never_published(&name))?.kind = TableKind::Retired;
                draft.release.changed.push(name);
            }
            TableChange::Drop => {
                let known = known.ok_or_else(|| never_published(&name))?;
                let write = TableWrite::without_rows(&known);
                let (mut entry, commit) =
                    self.draft_write(&name, write, Some(&known), draft).await?;
                entry.kind = TableKind::Retired;
                draft.release.tables.insert(name.clone(), entry);
                if let Some(commit) = commit {
                    draft.commits.insert(name.clone(), commit);
                    draft.release.changed.push(name);
                }
            }
        }
        Ok(())
    }

    /// Pins the head of a table that was read, which only neutral commits may have moved. What is overruled is put back.
    async fn follow(&mut self, name: &TableName, draft: &mut Draft) -> Result<()> {
        if draft.overrules.contains(name) {
            return Ok(());
        }
        let entry = draft.release.tables.get_mut(name);
        let entry = entry.ok_or_else(|| never_published(name))?;
        if entry.version.is_none() {
            return Ok(());
        }
        let drift = self
            .unchanged(name, &entry.location, entry.version, &mut draft.drifts)
            .await?;
        if !drift.has_void() {
            entry.version = drift.head;
            return Ok(());
        }
        let entry = entry.clone();
        self.take_table_back(name, &entry, Some(&entry), draft)
            .await
    }

    async fn draft_write(
        &mut self,
        name: &TableName,
        write: TableWrite,
        known: Option<&TableEntry>,
        draft: &mut Draft,
    ) -> Result<(TableEntry, Option<DraftCommit>)> {
        let is_anew = draft.anew.contains(name);
        let pinned = known.and_then(|entry| entry.version.filter(|_| !is_anew));
        let head = match draft.overrules.contains(name) {
            _ if is_anew => self.lake.tables.head(&write.location, None).await?,
            true => {
                self.overruled_head(name, &write.location, pinned, draft)
                    .await?
            }
            false => {
                self.unchanged(name, &write.location, pinned, &mut draft.drifts)
                    .await?
                    .head
            }
        };
        let state = match head {
            Some(version) => {
                let state = self.lake.tables.state(&write.location, version).await;
                Some(match state {
                    Err(error) if is_anew => return Err(remains(name, &write.location, error)),
                    state => state?,
                })
            }
            None if write.definition.is_none() => {
                return Err(Error::internal(format!(
                    "`{name}` is created without a definition"
                )));
            }
            None => None,
        };
        let target = self.target(name, &write, pinned, state.as_ref()).await?;
        let commit = DraftCommit::between(
            &write.location,
            state.as_ref(),
            target,
            write.definition.as_deref(),
            write.data_change,
        );
        let number = self.next_number();
        let entry = TableEntry {
            kind: TableKind::Table,
            version: commit.as_ref().map(|commit| commit.version).or(head),
            written_in: match (&commit, known) {
                (None, Some(known)) => known.written_in,
                _ => number,
            },
            location: write.location,
            table_id: write.table_id,
            facts: write.facts,
        };
        Ok((entry, commit))
    }

    /// Files of the version that the build worked on, less what it removes, and what it adds.
    async fn target(
        &self,
        name: &TableName,
        write: &TableWrite,
        pinned: Option<u64>,
        head: Option<&TableState>,
    ) -> Result<Files> {
        let mut target = match (write.base, head) {
            (None, _) => Files::new(),
            (Some(base), Some(head)) if base == head.version => head.files.clone(),
            (Some(base), Some(head)) if Some(base) >= pinned && base < head.version => {
                self.lake.tables.state(&write.location, base).await?.files
            }
            (Some(base), _) => {
                return Err(Error::internal(format!(
                    "`{name}` was built on version {base}, which is not between the pinned one and the head"
                )));
            }
        };
        match &write.removes {
            Removal::All => target.clear(),
            Removal::Files(paths) => {
                for path in paths {
                    if target.remove(path).is_none() {
                        return Err(Error::internal(format!(
                            "`{name}` removes a file that is not live"
                        ))
                        .at(path.as_str()));
                    }
                }
            }
        }
        target.extend(
            write
                .adds
                .iter()
                .map(|file| (file.path.clone(), file.clone())),
        );
        Ok(target)
    }

    /// Looks at every file once more, then writes the exact bytes of every entry and the map, durably.
    pub(super) async fn stage(&self, draft: Draft) -> Result<(Publish, StagedBytes)> {
        self.check_files(&draft.commits).await?;
        let store = &self.lake.store;
        let mut data_files = Vec::new();
        for commit in draft.commits.values() {
            let path = |file: &LiveFile| self.lake.tables.file_path(&commit.location, &file.path);
            data_files.extend(commit.adds.iter().map(path));
        }
        store.barrier(&data_files).await?;
        let folder = layout::staged_folder(self.number, &self.run);
        let staged: Vec<(TableName, StagedCommit, Bytes)> = stream::iter(&draft.commits)
            .map(|(name, commit)| self.stage_commit(&folder, name, commit, &draft.release))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let mut written = StagedBytes::new();
        let mut commits = BTreeMap::new();
        for (name, commit, bytes) in staged {
            written.insert(commit.staged.clone(), bytes);
            commits.insert(name, commit);
        }
        let map = layout::staged_map(&folder);
        let (number, rollback_of) = (draft.release.number, draft.release.rollback_of);
        let bytes = json::to_bytes(&StagedMap {
            lake_id: self.lake_id.clone(),
            release: draft.release,
            commits,
        })?;
        self.put_staged(&map, &bytes).await?;
        let sha256 = sha256(&bytes);
        written.insert(map.clone(), bytes);
        // the publish entry speaks for those before it, so none of them may be lost once it is there
        let entries = self.entries_since_publish();
        let paths: Vec<String> = written.keys().cloned().chain(entries).collect();
        store.barrier(&paths).await?;
        self.lake.failpoint.reach(Boundary::AfterStaging)?;
        let publish = Publish {
            number,
            map,
            sha256,
            rollback_of,
            retire: None,
            log: Some(CarriedView::of(&self.view)?),
        };
        Ok((publish, written))
    }

    async fn stage_commit(
        &self,
        folder: &str,
        name: &TableName,
        commit: &DraftCommit,
        release: &Release,
    ) -> Result<(TableName, StagedCommit, Bytes)> {
        let bytes = self.lake.tables.entry(&EntryDraft {
            lake_id: &self.lake_id,
            release: release.number,
            run: &self.run,
            written_at: release.published_at,
            definition: commit.definition.as_deref(),
            removes: commit.removes.iter().collect(),
            adds: commit.adds.iter().collect(),
            data_change: commit.data_change,
        })?;
        let staged = layout::staged_entry(folder, name);
        self.put_staged(&staged, &bytes).await?;
        let staged = StagedCommit {
            location: commit.location.clone(),
            version: commit.version,
            staged,
            sha256: sha256(&bytes),
            adds: commit.adds.clone(),
            removes: commit
                .removes
                .iter()
                .map(|file| file.path.clone())
                .collect(),
            definition: commit.definition.clone(),
            data_change: commit.data_change,
        };
        Ok((name.clone(), staged, bytes))
    }

    async fn put_staged(&self, path: &str, bytes: &Bytes) -> Result<()> {
        match create(&self.lake.store, path, bytes).await? {
            Creation::Ours => Ok(()),
            Creation::Theirs(_) => {
                Err(Error::internal("a staged object's name was used before").at(path))
            }
        }
    }

    async fn check_files(&self, commits: &BTreeMap<TableName, DraftCommit>) -> Result<()> {
        let (few, many): (Vec<_>, Vec<_>) = commits
            .iter()
            .partition(|(_, commit)| commit.target.len() <= ASKED_ONE_BY_ONE);
        let files = few.into_iter().flat_map(|(name, commit)| {
            commit.target.values().map(move |file| (name, commit, file))
        });
        let () = stream::iter(files)
            .map(|(name, commit, file)| self.lake.check_file(name, &commit.location, file))
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        stream::iter(many)
            .map(|(name, commit)| {
                self.lake
                    .check_folder(name, &commit.location, &commit.target)
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }
}

impl super::Lake {
    /// A file of a target set must be there, whole.
    pub(super) async fn check_file(
        &self,
        table: &TableName,
        location: &str,
        file: &LiveFile,
    ) -> Result<()> {
        let path = self.tables.file_path(location, &file.path);
        let found = self.store.head(&path).await?.map(|object| object.size);
        whole(table, path, file, found)
    }

    /// The same of every file of a table, by one listing.
    pub(super) async fn check_folder(
        &self,
        table: &TableName,
        location: &str,
        files: &Files,
    ) -> Result<()> {
        let listed = self.store.survey(location).await?.files;
        self.check_listed(table, location, files, &listed).await
    }

    /// The same by a listing of the table's folder.
    pub(super) async fn check_listed(
        &self,
        table: &TableName,
        location: &str,
        files: &Files,
        listed: &[ObjectInfo],
    ) -> Result<()> {
        let sizes: BTreeMap<&str, u64> = listed
            .iter()
            .map(|object| (object.path.as_str(), object.size))
            .collect();
        for file in files.values() {
            let path = self.tables.file_path(location, &file.path);
            match sizes.get(path.as_str()).copied() {
                Some(found) => whole(table, path, file, Some(found))?,
                // a listing may be late: the object itself tells
                None => self.check_file(table, location, file).await?,
            }
        }
        Ok(())
    }

    /// The version at which a table can be read whole and has the rows of that one: others may have compacted it, and deleted the
    /// files of before.
    ///
    /// # Errors
    /// `Corrupt` naming what that version lacks, where there is none.
    pub(super) async fn readable_at(
        &self,
        name: &TableName,
        location: &str,
        version: u64,
    ) -> Result<u64> {
        let lacks = match self.check_table(name, location, version).await {
            Ok(_) => return Ok(version),
            Err(error) if error.kind() == ErrorKind::Corrupt => error,
            Err(error) => return Err(error),
        };
        let head = self.tables.head(location, Some(version)).await?;
        for later in version + 1..=head.unwrap_or(version) {
            match self.tables.commit(location, later).await {
                Ok(Some(commit)) if commit.release.is_none() && commit.is_neutral() => {}
                Err(error) if error.kind() != ErrorKind::Corrupt => return Err(error),
                _ => break,
            }
            match self.check_table(name, location, later).await {
                Ok(_) => return Ok(later),
                Err(error) if error.kind() == ErrorKind::Corrupt => {}
                Err(error) => return Err(error),
            }
        }
        Err(lacks)
    }

    /// Whether a lost table can be made anew upon what is left of its log.
    ///
    /// # Errors
    /// `Corrupt` K0726 where that cannot be read.
    pub(crate) async fn check_remains(&self, name: &TableName, location: &str) -> Result<()> {
        let Some(head) = self.tables.head(location, None).await? else {
            return Ok(());
        };
        let state = self.tables.state(location, head).await;
        state
            .map(drop)
            .map_err(|error| remains(name, location, error))
    }

    /// The version from which the next build can go on with a table, whole: that of the release, or the newest where others have
    /// merely compacted it since. `None`: it is lost.
    ///
    /// # Errors
    /// Of storage.
    pub(crate) async fn whole_at(
        &self,
        release: &Release,
        name: &TableName,
        entry: &TableEntry,
    ) -> Result<Option<u64>> {
        let Some(version) = entry.version else {
            return Ok(None);
        };
        let looking = async {
            let drift = self.foreign_changes(release, name, entry).await?;
            let is_followed = drift.changes.is_empty() && !drift.has_void();
            let version = drift.head.filter(|_| is_followed).unwrap_or(version);
            let checked = self.check_table(name, &entry.location, version).await;
            checked.map(|_| version)
        };
        match looking.await {
            Ok(version) => Ok(Some(version)),
            Err(error) if error.kind() == ErrorKind::Corrupt => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Tables of a release that cannot be read whole, at its version or where others have compacted it since. One after the other:
    /// it is asked where something is lost already.
    ///
    /// # Errors
    /// Of storage.
    pub(crate) async fn lost_tables(&self, release: &Release) -> Result<Vec<TableName>> {
        let mut lost = Vec::new();
        for (name, entry) in &release.tables {
            let Some(version) = entry.version.filter(|_| entry.kind == TableKind::Table) else {
                continue;
            };
            match self.readable_at(name, &entry.location, version).await {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Corrupt => lost.push(name.clone()),
                Err(error) => return Err(error),
            }
        }
        Ok(lost)
    }

    /// Looks whether every table of the newest release is whole, with every file; how many files. Writes nothing.
    ///
    /// # Errors
    /// `Corrupt` naming the first that is missing or damaged.
    pub(crate) async fn check_whole(&self, newest: &Release) -> Result<usize> {
        let moved = self.foreign_work(newest).await?.compacted;
        let tables = newest
            .tables
            .iter()
            .filter(|(_, entry)| entry.kind == TableKind::Table);
        let looks: Vec<(&TableName, Result<usize>)> = stream::iter(tables)
            .map(|(name, entry)| {
                let version = moved.get(name).copied().or(entry.version);
                async move {
                    let files = match version {
                        Some(version) => self.check_table(name, &entry.location, version).await,
                        None => Ok(0),
                    };
                    (name, files)
                }
            })
            .buffered(AT_ONCE)
            .collect()
            .await;
        let (mut files, mut lost, mut first) = (0, Vec::new(), None);
        for (name, look) in looks {
            match look {
                Ok(found) => files += found,
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    lost.push(name);
                    first.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        match first {
            None => Ok(files),
            Some(error) => Err(error.help(restore_or_rebuild(&lost))),
        }
    }

    /// How many files a table has at a version.
    ///
    /// # Errors
    /// `Corrupt` where one is missing or damaged, or the table's log cannot be read.
    async fn check_table(&self, name: &TableName, location: &str, version: u64) -> Result<usize> {
        let state = self.tables.state(location, version).await?;
        self.check_folder(name, location, &state.files).await?;
        Ok(state.files.len())
    }
}

/// # Errors
/// `Corrupt` K0710 where the file found is not the one that was written.
fn whole(table: &TableName, path: String, file: &LiveFile, found: Option<u64>) -> Result<()> {
    let message = match found {
        Some(size) if size == file.size => return Ok(()),
        None => format!("a file of `{table}` is missing"),
        Some(size) => format!(
            "a file of `{table}` has {size} bytes instead of {}",
            file.size
        ),
    };
    Err(Error::corrupt(message)
        .code(Code(710))
        .at(path)
        .help("restore it from a copy of the lake; nothing is published over it"))
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Nothing can be committed on top of it, and nobody but an operator may say that it is worth nothing.
fn remains(name: &TableName, location: &str, error: Error) -> Error {
    if error.kind() != ErrorKind::Corrupt {
        return error;
    }
    Error::corrupt(format!(
        "what is left of the log of `{name}` cannot be read"
    ))
    .code(Code(726))
    .at(location)
    .help("move the folder out of the lake, then type the same once more")
    .caused_by(error)
}

fn never_published(name: &TableName) -> Error {
    Error::internal(format!("`{name}` is read or kept, but no release holds it"))
}
