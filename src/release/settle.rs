//! Carrying out a decided release: idempotent, by anyone who may write, at the same time as others.
//!
//! ```text
//! publish entry ──▶ each table's log, byte for byte ──▶ releases/<n>: from here readers see it
//! ```

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::create::{Creation, create};
use super::failpoint::Boundary;
use super::lake::{Hint, Lake};
use super::log::{self, Event, PublishInLog};
use super::map::{Overruled, Release, StagedCommit, StagedMap};
use super::stage::{AT_ONCE, Files, StagedBytes, sha256};
use super::table_log::{EntryDraft, LiveFile, TableState};
use super::{foreign, give_up, json, layout};
use crate::diagnostic::Code;
use crate::error::{Error, ErrorKind, Result};
use crate::name::{ReleaseNumber, TableName};
use crate::store::PutOutcome;

/// Foreign writers that take one version after another from us would have to be this quick, this often.
const TRIES: u32 = 64;

/// Every table's log gets a checkpoint when its version is a multiple.
const CHECKPOINT_EVERY: u64 = 10;

/// The entry of one table as it came to stand.
#[derive(Debug)]
struct SettledTable {
    version: u64,
    /// Foreign changes between the planned version and this.
    overruled: Vec<Overruled>,
}

/// How far a table's log has come since the release was planned.
enum Progress {
    Settled(SettledTable),
    /// The next version is free, and it is the planned one.
    AsPlanned,
    /// Foreign entries took the planned version; this is the head.
    Overtaken(u64),
}

impl Lake {
    /// Settles the release of a publish entry and returns it as readers see it. `staged`: objects that the caller wrote
    /// itself, which need not be read again.
    ///
    /// # Errors
    /// `Corrupt` K0710, K0711 where a foreign hand made it impossible: an operator has to act. Of storage otherwise.
    pub(super) async fn settle(
        &self,
        publish: &PublishInLog,
        staged: &StagedBytes,
    ) -> Result<Release> {
        let settled = self.settle_staged(publish, staged).await;
        match settled {
            Ok(release) => Ok(release),
            // staged bytes are deleted once a release stands: another settler was quicker
            Err(error) if error.kind() == ErrorKind::Internal => Err(error),
            Err(error) => match self.find_release(publish.number).await {
                Ok(Some(release)) if release.is_given_up() => {
                    Err(give_up::given_up(publish.number))
                }
                Ok(Some(release)) => Ok(release),
                // others settled it and went on long ago, so that not even its record is kept
                Ok(None) => match self.was_gone_on_from(publish).await {
                    Ok(true) => Err(super::claim::overtaken(publish.number)),
                    Ok(false) => Err(self.or_lost_record(publish.number, error).await),
                    Err(unanswered) => Err(not_known(error, unanswered)),
                },
                Err(unanswered) => Err(not_known(error, unanswered)),
            },
        }
    }

    /// What a release was made of is deleted once it stands: where it had stood, what is lost is its record.
    pub(super) async fn or_lost_record(&self, number: ReleaseNumber, error: Error) -> Error {
        let has_stood = self.hint().await.is_ok_and(|hint| {
            let newest = hint.map(|hint| hint.release);
            newest >= Some(number)
        });
        if error.kind() != ErrorKind::Corrupt || !has_stood {
            return error;
        }
        let lost = Error::corrupt("its record, by which readers knew it, is missing");
        let lost = lost.code(Code(714)).at(layout::release(number));
        unfinishable(number, lost)
    }

    /// Whether a release is decided that follows, so that this one stood. Asked of the log entry by entry: a listing may be late,
    /// and no entry is ever deleted.
    async fn was_gone_on_from(&self, publish: &PublishInLog) -> Result<bool> {
        for place in publish.sequence + 1.. {
            match log::find(&self.store, place).await? {
                Some(entry) if matches!(entry.event, Event::Publish(_)) => return Ok(true),
                Some(_) => {}
                None => break,
            }
        }
        Ok(false)
    }

    async fn settle_staged(&self, publish: &PublishInLog, staged: &StagedBytes) -> Result<Release> {
        let map = self.staged_map(publish, staged).await?;
        let mut release = map.release;
        if !staged.contains_key(&publish.map) {
            // its builder looked before it decided, and that may be long ago
            self.check_parts(&release, &map.commits).await?;
        }
        // no table may show what a power cut can still take back; whoever decided it may have died before this
        let decision = layout::log_entry(publish.sequence);
        self.store.barrier(&[decision]).await?;
        let settled: Vec<(&TableName, SettledTable)> = stream::iter(&map.commits)
            .map(|(name, commit)| async {
                let settled = self.settle_table(name, commit, &release, &map.lake_id, staged);
                settled
                    .await
                    .map_err(|error| unfinishable(release.number, error))
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let mut written = Vec::new();
        for (name, table) in settled {
            if let Some(entry) = release.tables.get_mut(name) {
                entry.version = Some(table.version);
                written.push(self.tables.entry_path(&entry.location, table.version));
            }
            release.overruled.extend(table.overruled);
        }
        release.overruled.sort();
        self.store.barrier(&written).await?;
        self.failpoint.reach(Boundary::BeforeRelease)?;
        let read = self.check_committed(&release, &map.commits, staged).await?;
        for (name, version) in read {
            if let Some(entry) = release.tables.get_mut(name) {
                entry.version = Some(version);
            }
        }
        let release = self.put_release(release).await?;
        // what it was made of is deleted from here on, and whoever built it is told that it stands
        self.store
            .barrier(&[layout::release(release.number)])
            .await?;
        self.failpoint.reach(Boundary::AfterRelease)?;
        self.tidy_after(&release, &map.commits, &publish.map).await;
        Ok(release)
    }

    /// The map of a decided release, with what only its publish entry knows.
    pub(super) async fn staged_map(
        &self,
        publish: &PublishInLog,
        staged: &StagedBytes,
    ) -> Result<StagedMap> {
        let bytes = self
            .staged_bytes(&publish.map, &publish.sha256, staged)
            .await
            .map_err(|error| unfinishable(publish.number, error))?;
        let mut map: StagedMap = json::from_bytes(&publish.map, &bytes)?;
        map.release.sequence = publish.sequence;
        map.release.published_at = publish.at;
        Ok(map)
    }

    /// Looks whether all is there that a decided release is made of, before any table shows some of it.
    ///
    /// # Errors
    /// `Corrupt` K0710, K0714 naming the first part that is gone.
    pub(super) async fn check_parts(
        &self,
        release: &Release,
        commits: &BTreeMap<TableName, StagedCommit>,
    ) -> Result<()> {
        stream::iter(commits)
            .map(|(name, commit)| async move {
                let checked = self.check_part(name, commit, release).await;
                checked.map_err(|error| unfinishable(release.number, error))
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await
    }

    async fn check_part(
        &self,
        name: &TableName,
        commit: &StagedCommit,
        release: &Release,
    ) -> Result<()> {
        match self.progress(name, commit, release).await? {
            Progress::Settled(settled) => {
                let read = self.readable_at(name, &commit.location, settled.version);
                read.await.map(drop).map_err(|error| match error.number() {
                    Some(Code(710)) => error,
                    _ => unreadable(name, settled.version, error),
                })
            }
            Progress::AsPlanned | Progress::Overtaken(_) => {
                self.staged_bytes(&commit.staged, &commit.sha256, &StagedBytes::new())
                    .await?;
                let target = target_set(self.base_of(name, commit).await?.as_ref(), commit);
                self.check_folder(name, &commit.location, &target).await
            }
        }
    }

    /// Looks once more, in one listing for each table that was committed, whether all is there by which it is read, and at which
    /// version: others may have compacted it since. Whoever carries a release out may have been frozen since it looked, and until
    /// the tables' logs named its files, others could take them for what a dead run left.
    ///
    /// # Errors
    /// As [`Lake::check_parts`].
    async fn check_committed<'a>(
        &self,
        release: &Release,
        commits: &'a BTreeMap<TableName, StagedCommit>,
        staged: &StagedBytes,
    ) -> Result<Vec<(&'a TableName, u64)>> {
        stream::iter(commits)
            .map(|(name, commit)| async move {
                let entry = release.tables.get(name);
                let version = entry.and_then(|entry| entry.version);
                let version = version.unwrap_or(commit.version);
                let is_own = staged.contains_key(&commit.staged) && version == commit.version;
                let checked = match self.check_commit(name, commit, version, is_own).await {
                    Ok(()) => Ok(version),
                    Err(error) if error.kind() == ErrorKind::Corrupt => self
                        .readable_at(name, &commit.location, version)
                        .await
                        // what it has read before may be gone all the same
                        .and_then(|found| {
                            if found == version {
                                Err(error)
                            } else {
                                Ok(found)
                            }
                        }),
                    Err(error) => Err(error),
                };
                let version = checked.map_err(|error| unfinishable(release.number, error))?;
                Ok((name, version))
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await
    }

    async fn check_commit(
        &self,
        name: &TableName,
        commit: &StagedCommit,
        version: u64,
        is_own: bool,
    ) -> Result<()> {
        let files = match is_own {
            // it has read what it was planned on
            true => target_set(self.base_of(name, commit).await?.as_ref(), commit),
            false => {
                let state = self.tables.state(&commit.location, version).await;
                state
                    .map_err(|error| unreadable(name, version, error))?
                    .files
            }
        };
        let listed = self.store.survey(&commit.location).await?.files;
        self.check_listed(name, &commit.location, &files, &listed)
            .await?;
        let known: BTreeSet<&str> = listed.iter().map(|object| object.path.as_str()).collect();
        let entries = self.tables.entries_read(&commit.location, version, &listed);
        for path in entries.iter().filter(|path| !known.contains(path.as_str())) {
            // a listing may be late: the object itself tells
            if !self.store.exists(path).await? {
                return Err(damaged(name, "its log has lost an entry").at(path.as_str()));
            }
        }
        Ok(())
    }

    /// What a table holds once a decided release is in its log; `None`: its log says nothing of it yet that could be read.
    pub(super) async fn planned_by(
        &self,
        name: &TableName,
        commit: &StagedCommit,
        release: &Release,
    ) -> Result<Option<TableState>> {
        if let Progress::Settled(settled) = self.progress(name, commit, release).await? {
            let state = self.tables.state(&commit.location, settled.version).await;
            return state.map(Some);
        }
        let ours = self.base_of(name, commit).await?;
        let files = target_set(ours.as_ref(), commit);
        let definition = commit.definition.clone();
        let definition = definition.or_else(|| ours.map(|ours| ours.definition));
        Ok(definition.map(|definition| TableState {
            version: commit.version,
            files,
            definition,
        }))
    }

    /// What the release was planned on; `None`: it creates the table.
    async fn base_of(&self, name: &TableName, commit: &StagedCommit) -> Result<Option<TableState>> {
        let Some(version) = commit.version.checked_sub(1) else {
            return Ok(None);
        };
        let state = self.tables.state(&commit.location, version).await;
        state
            .map(Some)
            .map_err(|error| unreadable(name, version, error))
    }

    async fn settle_table<'a>(
        &self,
        name: &'a TableName,
        commit: &StagedCommit,
        release: &Release,
        lake_id: &str,
        staged: &StagedBytes,
    ) -> Result<(&'a TableName, SettledTable)> {
        for tries in 0..TRIES {
            // whoever staged it looked at the head just now, and the put itself tells if that is over
            let progress = match tries == 0 && staged.contains_key(&commit.staged) {
                true => Progress::AsPlanned,
                false => self.progress(name, commit, release).await?,
            };
            let (version, bytes) = match progress {
                Progress::Settled(settled) => {
                    self.failpoint.reach(Boundary::AfterTableCommit)?;
                    return Ok((name, settled));
                }
                Progress::AsPlanned => (
                    commit.version,
                    self.staged_bytes(&commit.staged, &commit.sha256, staged)
                        .await?,
                ),
                Progress::Overtaken(head) => (
                    head + 1,
                    self.overruling_entry(name, commit, release, lake_id, head)
                        .await?,
                ),
            };
            let path = self.tables.entry_path(&commit.location, version);
            match self.store.put_if_absent(&path, bytes).await? {
                // ours, and nothing foreign before it
                PutOutcome::Created if version == commit.version => {
                    self.failpoint.reach(Boundary::AfterTableCommit)?;
                    let overruled = Vec::new();
                    return Ok((name, SettledTable { version, overruled }));
                }
                // whose entry stands there now, the log itself tells
                PutOutcome::Created | PutOutcome::Exists => {}
                PutOutcome::Unknown(error) => {
                    tracing::debug!("unknown whether {path} was written: {error}");
                    self.store.pause(tries.min(6)).await;
                }
            }
        }
        Err(
            Error::unavailable(format!("storage does not take the entry of `{name}`"))
                .code(Code(703))
                .at(commit.location.as_str()),
        )
    }

    async fn progress(
        &self,
        name: &TableName,
        commit: &StagedCommit,
        release: &Release,
    ) -> Result<Progress> {
        let before = commit.version.checked_sub(1);
        let head = match self.tables.head(&commit.location, before).await? {
            head if head == before => return Ok(Progress::AsPlanned),
            Some(head) if head >= commit.version => head,
            _ => return Err(damaged(name, "its log has lost a version")),
        };
        let mut overruled = Vec::new();
        for version in commit.version..=head {
            let found = self.tables.commit(&commit.location, version).await?;
            let found = found.ok_or_else(|| damaged(name, "its log has a gap"))?;
            match found.release {
                Some(number) if number == release.number => {
                    return Ok(Progress::Settled(SettledTable { version, overruled }));
                }
                // what was given up counts as nothing
                Some(number) if release.given_up.contains(&number) => {}
                Some(_) => return Err(damaged(name, "a later release was committed before it")),
                None if found.changes_protocol => return Err(foreign::raised(name, &found)),
                None if found.is_neutral() => {}
                None => overruled.push(found.overruled(name)),
            }
        }
        Ok(Progress::Overtaken(head))
    }

    /// The step from whatever the head has become to our target set.
    async fn overruling_entry(
        &self,
        name: &TableName,
        commit: &StagedCommit,
        release: &Release,
        lake_id: &str,
        head: u64,
    ) -> Result<Bytes> {
        let ours = self.base_of(name, commit).await?;
        let target = target_set(ours.as_ref(), commit);
        for file in target.values() {
            self.check_file(name, &commit.location, file).await?;
        }
        let theirs = self.tables.state(&commit.location, head).await?;
        let definition = commit
            .definition
            .as_deref()
            .or(ours.as_ref().map(|ours| ours.definition.as_str()))
            .filter(|definition| *definition != theirs.definition);
        let gone = |file: &&LiveFile| !target.contains_key(&file.path);
        let missing = |file: &&LiveFile| !theirs.files.contains_key(&file.path);
        self.tables.entry(&EntryDraft {
            lake_id,
            release: release.number,
            run: &release.run,
            written_at: release.published_at,
            definition,
            removes: theirs.files.values().filter(gone).collect(),
            adds: target.values().filter(missing).collect(),
            data_change: true,
        })
    }

    async fn staged_bytes(
        &self,
        path: &str,
        sha256_wanted: &str,
        staged: &StagedBytes,
    ) -> Result<Bytes> {
        if let Some(bytes) = staged.get(path) {
            return Ok(bytes.clone());
        }
        match self.store.get(path).await? {
            Some(bytes) if sha256(&bytes) == sha256_wanted => Ok(bytes),
            Some(_) => Err(Error::corrupt("a staged object was changed")
                .code(Code(714))
                .at(path)),
            None => Err(Error::corrupt("a staged object is missing")
                .code(Code(714))
                .at(path)),
        }
    }

    /// Puts the record, and gives the one that stands.
    async fn put_release(&self, release: Release) -> Result<Release> {
        let path = layout::release(release.number);
        let bytes = match create(&self.store, &path, &json::to_bytes(&release)?).await? {
            Creation::Ours => return Ok(release),
            Creation::Theirs(bytes) => bytes,
        };
        let theirs = log::read_versioned(&path, &bytes, |theirs: &Release| theirs.format)?;
        if theirs.is_given_up() {
            return Err(give_up::given_up(release.number));
        }
        // others may have compacted a table between the two looks
        let has_same_rows = Release {
            tables: theirs.tables.clone(),
            ..release.clone()
        } == theirs
            && release.unpinned() == theirs.unpinned();
        match has_same_rows {
            true => Ok(theirs),
            false => Err(Error::internal("two settlers of one release disagree").at(path)),
        }
    }

    /// What is better done but not needed: the release stands.
    async fn tidy_after(
        &self,
        release: &Release,
        commits: &BTreeMap<TableName, StagedCommit>,
        map: &str,
    ) {
        let hint = Hint {
            sequence: release.sequence,
            release: release.number,
        };
        let mut done = match json::to_bytes(&hint) {
            Ok(bytes) => self.store.put(layout::HINT, bytes).await,
            Err(error) => Err(error),
        };
        let staged = commits.values().map(|commit| commit.staged.as_str());
        let staged: Vec<String> = staged.chain([map]).map(str::to_string).collect();
        done = done.and(self.store.delete_all(&staged).await);
        for (name, commit) in commits {
            let version = release.tables.get(name).and_then(|entry| entry.version);
            if let Some(version) =
                version.filter(|version| *version > 0 && version % CHECKPOINT_EVERY == 0)
            {
                done = done.and(self.tables.checkpoint(&commit.location, version).await);
            }
        }
        if let Err(error) = done {
            tracing::warn!(
                "release {} stands, but not all was tidied: {}",
                release.number,
                error.render()
            );
        }
    }
}

fn target_set(ours: Option<&TableState>, commit: &StagedCommit) -> Files {
    let mut target = ours.map_or_else(Files::new, |ours| ours.files.clone());
    for path in &commit.removes {
        target.remove(path);
    }
    target.extend(
        commit
            .adds
            .iter()
            .map(|file| (file.path.clone(), file.clone())),
    );
    target
}

/// Why a decided release cannot be carried out, and the way out of it.
fn unfinishable(number: ReleaseNumber, error: Error) -> Error {
    let Some(code) = error
        .number()
        .filter(|_| error.kind() == ErrorKind::Corrupt)
    else {
        return error;
    };
    // no word of ours undoes it, and its own advice is the only one
    if code == Code(711) {
        return error;
    }
    let by = match code {
        Code(710) => {
            "a VACUUM of another tool may have deleted it, since no version names it yet; "
        }
        _ => "",
    };
    let unfinished = Error::corrupt(format!(
        "release {number} is decided and cannot be finished: {error}"
    ))
    .code(code)
    .at(error.location().unwrap_or(layout::STAGED))
    .help(format!(
        "{by}restore what is missing from a copy of the lake, and the next command that writes finishes the release; where there is no copy, `kilde build --give-up {number}` gives it up and makes the next one of the exports"
    ));
    match error.causes().into_iter().next() {
        Some(cause) => unfinished.caused_by(cause),
        None => unfinished,
    }
}

/// Whether the release stands meanwhile was asked, without an answer: what looks like damage may be what its builder tidied.
fn not_known(error: Error, unanswered: Error) -> Error {
    match error.kind() {
        ErrorKind::Corrupt => unanswered,
        _ => error,
    }
}

fn damaged(name: &TableName, how: &str) -> Error {
    Error::corrupt(format!("the log of `{name}` is damaged: {how}"))
        .code(Code(714))
        .at(name.location())
}

fn unreadable(name: &TableName, version: u64, error: Error) -> Error {
    if error.kind() != ErrorKind::Corrupt {
        return error;
    }
    Error::corrupt(format!("version {version} of `{name}` cannot be read"))
        .code(Code(714))
        .at(error.location().unwrap_or(&name.location()))
        .caused_by(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Fixture;
    use super::super::{Boundary, Failpoint};
    use crate::error::ErrorKind;

    /// Wherever a build stops, readers see the old release or the new one, and the next build ends well.
    #[tokio::test]
    async fn stopped_at_any_boundary_the_next_build_carries_on() {
        for boundary in Boundary::ALL {
            let fixture = Fixture::new();
            let first = fixture
                .build(&[("gold.a", "a1"), ("gold.b", "b1")])
                .await
                .unwrap();
            let stopped = stop(&fixture, boundary).await;
            let seen = fixture.lake.current().await.unwrap().unwrap();
            let visible = boundary == Boundary::AfterRelease;
            assert_eq!(
                seen.number.0,
                if visible { 2 } else { first.number.0 },
                "{}",
                boundary.name()
            );
            let third = fixture.build(&[("gold.b", "b3")]).await.unwrap();
            let after_decision = Boundary::AfterPublishEntry..=Boundary::AfterRelease;
            let decided = stopped && after_decision.contains(&boundary);
            let contents = fixture.contents(&third).await;
            let expected = if decided { "a2" } else { "a1" };
            assert_eq!(
                contents["gold.a"].first().unwrap(),
                expected,
                "{}",
                boundary.name()
            );
            assert_eq!(
                third.number.0,
                if decided { 3 } else { 2 },
                "{}",
                boundary.name()
            );
        }
    }

    /// Whether the build was stopped; it does not come by every boundary.
    async fn stop(fixture: &Fixture, boundary: Boundary) -> bool {
        let lake = fixture.stopping_at(boundary);
        let Ok(mut claim) = lake.claim(&fixture.run_id()).await else {
            return true;
        };
        if boundary == Boundary::AfterRetire {
            return claim
                .retire(super::super::log::Retire::default())
                .await
                .is_err();
        }
        let request = fixture
            .request(&claim, &[("gold.a", "a2"), ("gold.b", "b2")])
            .await
            .unwrap();
        claim.stage_and_publish(request).await.is_err()
    }

    /// Neither its own look before the decision nor anybody's log keeps its files then.
    #[tokio::test]
    async fn a_builder_that_was_frozen_while_a_part_was_lost_acknowledges_nothing() {
        for boundary in [
            Boundary::AfterStaging,
            Boundary::AfterPublishEntry,
            Boundary::BeforeRelease,
        ] {
            for is_lost in [
                (|path: &str| path.starts_with("gold/a/00000000000000000003-")) as fn(&str) -> bool,
                |path| path == "gold/a/_delta_log/00000000000000000000.json",
            ] {
                let fixture = Fixture::new();
                let first = fixture.build(&[("gold.a", "a1")]).await.unwrap();
                let root = fixture
                    .lake
                    .store()
                    .location()
                    .folder()
                    .unwrap()
                    .to_path_buf();
                let lake = fixture
                    .lake
                    .clone()
                    .with_failpoint(Failpoint::new(move |reached| {
                        let table = root.join("gold/a");
                        let folders = [table.clone(), table.join("_delta_log")];
                        let files = folders
                            .iter()
                            .flat_map(|folder| std::fs::read_dir(folder).unwrap());
                        for file in files.filter(|_| reached == boundary) {
                            let path = file.unwrap().path();
                            if is_lost(path.strip_prefix(&root).unwrap().to_str().unwrap()) {
                                std::fs::remove_file(path).unwrap();
                            }
                        }
                        Ok(())
                    }));
                let mut claim = lake.claim(&fixture.run_id()).await.unwrap();
                let request = fixture.request(&claim, &[("gold.a", "a2")]).await.unwrap();
                let error = claim.stage_and_publish(request).await.unwrap_err();
                let text = error.render();
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{text}");
                assert!(
                    text.contains("K0716") && text.contains("--give-up 2"),
                    "{text}"
                );
                assert_eq!(fixture.lake.current().await.unwrap(), Some(first));
                let text = fixture
                    .reopened()
                    .claim(&fixture.run_id())
                    .await
                    .unwrap_err();
                assert!(text.render().contains("--give-up 2"), "{}", text.render());
            }
        }
    }

    #[tokio::test]
    async fn a_stopped_settler_says_that_the_release_is_decided() {
        let fixture = Fixture::new();
        let lake = fixture.stopping_at(Boundary::AfterPublishEntry);
        let mut claim = lake.claim(&fixture.run_id()).await.unwrap();
        let request = fixture.request(&claim, &[("gold.a", "a1")]).await.unwrap();
        let error = claim.stage_and_publish(request).await.unwrap_err().render();
        assert!(
            error.contains("K0716") && error.contains("release 1 is decided"),
            "{error}"
        );
        drop(claim);
        let status = fixture.lake.status().await.unwrap();
        assert_eq!(
            (status.newest, status.unsettled.map(|number| number.0)),
            (None, Some(1))
        );
        let claim = fixture.claim().await.unwrap();
        assert_eq!(claim.base().unwrap().number.0, 1);
    }
}
