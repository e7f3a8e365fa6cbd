//! Carrying out a decided release: idempotent, by anyone who may write, at the same time as others.
//!
//! ```text
//! publish entry ──▶ each table's log, byte for byte ──▶ releases/<n>: from here readers see it
//! ```

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::create::{Creation, create};
use super::failpoint::Boundary;
use super::lake::{Hint, Lake};
use super::log::PublishInLog;
use super::map::{Overruled, Release, StagedCommit, StagedMap};
use super::stage::{AT_ONCE, Files, StagedBytes, sha256};
use super::table_log::{EntryDraft, LiveFile, TableState};
use super::{foreign, json, layout};
use crate::diagnostic::Code;
use crate::error::{Error, ErrorKind, Result};
use crate::name::TableName;
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
                Ok(Some(release)) => Ok(release),
                Ok(None) => {
                    // others settled it and went on long ago, so that not even its record is kept
                    let newest = self.current().await?.map(|release| release.number);
                    match newest > Some(publish.number) {
                        true => Err(super::claim::overtaken(publish.number)),
                        false => Err(error),
                    }
                }
                Err(unanswered) => {
                    tracing::debug!("nor is it known whether it stands: {}", unanswered.brief());
                    Err(error)
                }
            },
        }
    }

    async fn settle_staged(&self, publish: &PublishInLog, staged: &StagedBytes) -> Result<Release> {
        let bytes = self
            .staged_bytes(&publish.map, &publish.sha256, staged)
            .await?;
        let map: StagedMap = json::from_bytes(&publish.map, &bytes)?;
        let mut release = map.release;
        release.sequence = publish.sequence;
        release.published_at = publish.at;
        // no table may show what a power cut can still take back; whoever decided it may have died before this
        let decision = layout::log_entry(publish.sequence);
        self.store.barrier(&[decision]).await?;
        let settled: Vec<(&TableName, SettledTable)> = stream::iter(&map.commits)
            .map(|(name, commit)| self.settle_table(name, commit, &release, &map.lake_id, staged))
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
        self.put_release(&release).await?;
        // what it was made of is deleted from here on, and whoever built it is told that it stands
        self.store
            .barrier(&[layout::release(release.number)])
            .await?;
        self.failpoint.reach(Boundary::AfterRelease)?;
        self.tidy_after(&release, &map.commits, &publish.map).await;
        Ok(release)
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
        let ours = match commit.version.checked_sub(1) {
            Some(version) => Some(self.tables.state(&commit.location, version).await?),
            None => None,
        };
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
        Ok(self.tables.entry(&EntryDraft {
            lake_id,
            release: release.number,
            run: &release.run,
            written_at: release.published_at,
            definition,
            removes: theirs.files.values().filter(gone).collect(),
            adds: target.values().filter(missing).collect(),
            data_change: true,
        }))
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
        let bytes = self.store.get(path).await?.ok_or_else(|| {
            Error::corrupt("a staged object of a decided release is missing")
                .code(Code(714))
                .at(path)
                .help("restore it from a copy of the lake")
        })?;
        if sha256(&bytes) == sha256_wanted {
            return Ok(bytes);
        }
        Err(
            Error::corrupt("a staged object of a decided release was changed")
                .code(Code(714))
                .at(path)
                .help("restore it from a copy of the lake"),
        )
    }

    async fn put_release(&self, release: &Release) -> Result<()> {
        let path = layout::release(release.number);
        match create(&self.store, &path, &json::to_bytes(release)?).await? {
            Creation::Ours => Ok(()),
            Creation::Theirs(_) => {
                Err(Error::internal("two settlers of one release disagree").at(path))
            }
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

fn damaged(name: &TableName, how: &str) -> Error {
    Error::corrupt(format!(
        "a decided release cannot be settled in `{name}`: {how}"
    ))
    .code(Code(714))
    .help("restore the table's folder from a copy of the lake")
}

#[cfg(test)]
mod tests {
    use super::super::Boundary;
    use super::super::fixture::Fixture;

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
