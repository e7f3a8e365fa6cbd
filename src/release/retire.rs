//! Deleting: declared in the lake log first, so that nobody builds on what is about to go.
//!
//! A claimant that froze between declaring and deleting stays harmless: what it declared is never referenced again,
//! whoever writes meanwhile.

use std::collections::BTreeSet;
use std::ops::Range;

use futures::stream::{self, StreamExt, TryStreamExt};

use super::claim::Claim;
use super::failpoint::Boundary;
use super::lake::Lake;
use super::layout::{self, CandidateName};
use super::log::{Event, LogView, Retire, SweepFloor};
use super::maintain::unless_lost;
use super::map::Release;
use super::stage::AT_ONCE;
use crate::error::{Error, ErrorKind, Result};
use crate::name::{ClaimNumber, ReleaseNumber};
use crate::store::ObjectInfo;

/// Claims after which leftovers of published runs are looked for, even if no run failed.
const SWEEP_AT_LEAST_EVERY: u64 = 64;

/// How long candidates of failed runs stay for inspection: those of the newest runs, while they are young enough.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeepFailedRuns {
    pub(crate) runs: usize,
    pub(crate) days: u32,
}

impl Default for KeepFailedRuns {
    fn default() -> Self {
        Self { runs: 5, days: 7 }
    }
}

/// What was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Swept {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

impl Swept {
    /// All of them.
    pub(super) fn of(objects: &[ObjectInfo]) -> Self {
        Self {
            files: objects.len() as u64,
            bytes: objects.iter().map(|object| object.size).sum(),
        }
    }
}

/// Candidates of dead runs that are declared deletable. To be deleted whenever there is time, by whoever still lives: nobody
/// references them any more.
#[derive(Debug)]
pub(crate) struct Sweep {
    lake: Lake,
    base: Option<Release>,
    window: Window,
}

/// Which candidates a sweep looks for.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    /// Of these claims.
    pub(super) claims: Range<ClaimNumber>,
    /// A release that was published before all of them, so that none of its files is theirs: tables' logs need be read only
    /// from there on, however long they are. `None`: from their start.
    pub(super) since: Option<Release>,
}

impl Sweep {
    /// Deletes them, but for what was published after all.
    ///
    /// # Errors
    /// Of storage; what stays then is deleted with the next sweep.
    pub(crate) async fn delete(&self) -> Result<Swept> {
        self.lake
            .delete_orphans(self.base.as_ref(), &self.window)
            .await
    }
}

impl Claim {
    /// Declares deletable what dead runs left, but for what is kept for inspection; `None` while there is hardly anything to
    /// find: then not even an entry is written.
    ///
    /// # Errors
    /// `Conflict` where a rival took over; of storage, and the claim is over then.
    pub(crate) async fn declare_sweep(&mut self, keep: KeepFailedRuns) -> Result<Option<Sweep>> {
        let from = self.floors().runs_below;
        let floor = self.oldest_kept_run(keep);
        let failed = self.view.failed_runs();
        let due = failed.iter().any(|claim| claim.number < floor)
            || floor.0 >= from.0 + SWEEP_AT_LEAST_EVERY;
        if !due {
            return Ok(None);
        }
        let swept = self.surely_swept().await?;
        self.retire(Retire {
            runs_below: Some(floor),
            releases_below: None,
            reason: "candidates of failed runs".to_string(),
        })
        .await?;
        // a map that is gone or cannot be read only makes more to read
        let since = match swept.after {
            Some(number) => self.lake.find_release(number).await.ok().flatten(),
            None => None,
        };
        Ok(Some(Sweep {
            lake: self.lake.clone(),
            base: self.base.clone(),
            window: Window {
                claims: swept.below..floor,
                since,
            },
        }))
    }

    /// Candidates of claims below are gone. Whoever has declared more of them deletable since the newest release died before it
    /// deleted anything.
    async fn surely_swept(&self) -> Result<SweepFloor> {
        let Some(publish) = self.view.last_publish() else {
            return Ok(SweepFloor::default());
        };
        let then = LogView::when_decided(&self.lake.store, publish).await?;
        Ok(then.as_ref().unwrap_or(&self.view).surely_swept())
    }

    /// Declares what may be deleted from here on and is never again referenced.
    pub(super) async fn retire(&mut self, retire: Retire) -> Result<()> {
        let newest = self
            .base
            .as_ref()
            .map_or(ReleaseNumber(0), |base| base.number);
        if retire.runs_below > Some(self.number) || retire.releases_below > Some(newest) {
            return Err(Error::internal(
                "the open run or the newest release would be retired",
            ));
        }
        // a file must not be gone that nobody said may go
        self.append_durably(Event::Retire(retire)).await?;
        self.lake.failpoint.reach(Boundary::AfterRetire)
    }

    fn oldest_kept_run(&self, keep: KeepFailedRuns) -> ClaimNumber {
        let oldest = self.lake.clock.now() - chrono::TimeDelta::days(i64::from(keep.days));
        let newest = self.view.failed_runs().iter().rev().take(keep.runs);
        let kept = newest.take_while(|claim| claim.at >= oldest).last();
        kept.map_or(self.number, |claim| claim.number)
    }
}

impl Lake {
    /// Deletes our data files of some claims that no table's log ever named, and the protocol objects of those claims and all
    /// before. `base` is the newest release when they were declared: all that was published before is settled.
    pub(super) async fn delete_orphans(
        &self,
        base: Option<&Release>,
        window: &Window,
    ) -> Result<Swept> {
        let is_candidate = |path: &str| {
            CandidateName::claim_of(path).is_some_and(|claim| window.claims.contains(&claim))
        };
        let folders = self.store.folders().await?.into_iter();
        let folders = folders.filter(|folder| folder != layout::PROTOCOL_FOLDER);
        let owned = [layout::STAGED, layout::ALIVE].map(str::to_string);
        let objects: Vec<Vec<ObjectInfo>> = stream::iter(folders.chain(owned))
            .map(|folder| async move { self.store.list(&folder).await })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        // a copy of the lake, or another lake, that lies deeper in it has files of the same names
        let is_meant = |path: &str| is_candidate(path) && layout::table_folder(path).is_some();
        let tables = base.into_iter().flat_map(|base| base.tables.values());
        let tables: BTreeSet<&str> = tables.map(|entry| entry.location.as_str()).collect();
        let unknown = objects.iter().flatten().filter_map(|object| {
            let location = layout::table_folder(&object.path)?;
            let below_log = object
                .path
                .strip_prefix(&self.tables.log_folder(location))?;
            (below_log.starts_with('/') && !tables.contains(location)).then(|| location.to_string())
        });
        let unknown: BTreeSet<String> = unknown.collect();
        // read after the listing and up to the heads: whatever became published meanwhile is spared
        let mut reached = self.reached(base, window.since.as_ref()).await?;
        for location in unknown {
            reached.extend(self.reached_beside(&location).await?);
        }
        let orphans = objects.into_iter().flatten().filter(|object| {
            match layout::protocol_claim(&object.path) {
                Some(claim) => claim < window.claims.end,
                None => is_meant(&object.path) && !reached.contains(&object.path),
            }
        });
        let orphans: Vec<ObjectInfo> = orphans.collect();
        self.delete_objects(&orphans).await
    }

    /// Every data file that the log of a table names or named, by object path; of tables that `since` knows only those that
    /// were added after it. What lies in the folder of a table whose log is lost may be named by it, all of it.
    async fn reached(
        &self,
        base: Option<&Release>,
        since: Option<&Release>,
    ) -> Result<BTreeSet<String>> {
        let tables = base.into_iter().flat_map(|base| &base.tables);
        let tables = tables.filter(|(_, entry)| entry.version.is_some());
        let reached: Vec<Vec<String>> = stream::iter(tables)
            .map(|(name, entry)| async move {
                let known = since.and_then(|since| since.tables.get(name));
                let same = known.filter(|known| {
                    (&known.table_id, &known.location) == (&entry.table_id, &entry.location)
                });
                let since = same.and_then(|known| known.version);
                let live = self.ever_live(&entry.location, entry.version, since);
                match unless_lost(name, live.await)? {
                    Some(live) => Ok(live),
                    None => self.all_in(&entry.location).await,
                }
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(reached.into_iter().flatten().collect())
    }

    /// The same of a table that no release has: a copy of one, or what a release began that was given up.
    async fn reached_beside(&self, location: &str) -> Result<Vec<String>> {
        match self.ever_live(location, None, None).await {
            Err(error) if error.kind() == ErrorKind::Corrupt => self.all_in(location).await,
            reached => reached,
        }
    }

    async fn all_in(&self, location: &str) -> Result<Vec<String>> {
        let all = self.store.list(location).await?;
        Ok(all.into_iter().map(|object| object.path).collect())
    }

    /// `known`: a version that its log has.
    async fn ever_live(
        &self,
        location: &str,
        known: Option<u64>,
        since: Option<u64>,
    ) -> Result<Vec<String>> {
        let mut paths = Vec::new();
        let newest = self.tables.head(location, known).await?;
        let Some(newest) = newest else {
            return Ok(paths);
        };
        let first = since.map_or(0, |since| since + 1);
        let mut oldest = newest;
        for version in (first..=newest).rev() {
            // entries before the oldest checkpoint may have been cleaned up
            let Some(commit) = self.tables.commit(location, version).await? else {
                break;
            };
            let added = commit.adds.iter().map(|file| file.path.as_str());
            paths.extend(added.map(|path| self.tables.file_path(location, path)));
            oldest = version;
        }
        if since.is_none() || oldest > first {
            paths.extend(self.live(location, oldest).await?);
        }
        Ok(paths)
    }

    async fn live(&self, location: &str, version: u64) -> Result<Vec<String>> {
        let state = self.tables.state(location, version).await?;
        let paths = state.files.keys();
        Ok(paths
            .map(|path| self.tables.file_path(location, path))
            .collect())
    }

    /// Deletes objects that nobody needs any more.
    pub(super) async fn delete_objects(&self, objects: &[ObjectInfo]) -> Result<Swept> {
        let paths: Vec<String> = objects.iter().map(|object| object.path.clone()).collect();
        self.store.delete_all(&paths).await?;
        Ok(Swept::of(objects))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::fixture::{Fixture, table};
    use super::super::{TableLog, YieldReason};
    use super::*;

    async fn failed_run(fixture: &Fixture) {
        let claim = fixture.claim().await.unwrap();
        fixture
            .write_file(&claim, &table("gold.a"), "failed")
            .await
            .unwrap();
        claim.yield_(YieldReason::Failed).await.unwrap();
    }

    async fn sweep(claim: &mut Claim) -> Swept {
        match claim
            .declare_sweep(KeepFailedRuns::default())
            .await
            .unwrap()
        {
            Some(sweep) => sweep.delete().await.unwrap(),
            None => Swept::default(),
        }
    }

    async fn data_files(fixture: &Fixture) -> usize {
        let paths = fixture.paths().await;
        paths
            .iter()
            .filter(|path| CandidateName::claim_of(path).is_some())
            .count()
    }

    #[tokio::test]
    async fn candidates_of_the_newest_failed_runs_stay_and_older_ones_go() {
        let fixture = Fixture::new();
        fixture.build(&[("gold.a", "a1")]).await.unwrap();
        for _ in 0..7 {
            failed_run(&fixture).await;
        }
        assert_eq!(data_files(&fixture).await, 8);
        let mut claim = fixture.claim().await.unwrap();
        let swept = sweep(&mut claim).await;
        assert_eq!(swept.files, 2);
        // nothing more to find: not even an entry is appended
        let tail = claim.view.tail();
        assert_eq!(sweep(&mut claim).await, Swept::default());
        assert_eq!(claim.view.tail(), tail);
    }

    #[tokio::test]
    async fn after_a_week_candidates_go_whatever_their_number() {
        let fixture = Fixture::new();
        fixture.build(&[("gold.a", "a1")]).await.unwrap();
        failed_run(&fixture).await;
        fixture.clock.advance(Duration::from_secs(8 * 24 * 3600));
        let mut claim = fixture.claim().await.unwrap();
        let swept = sweep(&mut claim).await;
        assert_eq!((swept.files, swept.bytes), (1, 6));
        assert_eq!(claim.floors().runs_below, claim.number());
        let current = fixture.lake.current().await.unwrap().unwrap();
        assert_eq!(
            fixture.contents(&current).await["gold.a"].first().unwrap(),
            "a1"
        );
    }

    #[tokio::test]
    async fn what_a_sweep_that_died_left_is_swept_by_the_next() {
        let fixture = Fixture::new();
        fixture.build(&[("gold.a", "a1")]).await.unwrap();
        for _ in 0..6 {
            failed_run(&fixture).await;
        }
        let mut claim = fixture.claim().await.unwrap();
        // declared, and the process dies
        let declared = claim
            .declare_sweep(KeepFailedRuns::default())
            .await
            .unwrap();
        assert!(declared.is_some());
        claim.yield_(YieldReason::Failed).await.unwrap();
        failed_run(&fixture).await;
        fixture.build(&[("gold.a", "a2")]).await.unwrap();
        assert_eq!(data_files(&fixture).await, 9);
        let mut claim = fixture.claim().await.unwrap();
        assert_eq!(sweep(&mut claim).await.files, 3);
        for release in fixture.lake.releases(9).await.unwrap() {
            fixture.contents(&release).await;
        }
    }

    #[tokio::test]
    async fn what_one_sweep_after_the_other_left_that_died_is_swept_by_the_next_that_lives() {
        let fixture = Fixture::new();
        fixture.build(&[("gold.a", "a1")]).await.unwrap();
        for _ in 0..9 {
            let mut claim = fixture.claim().await.unwrap();
            // declared from the sixth on, and the process dies
            claim
                .declare_sweep(KeepFailedRuns::default())
                .await
                .unwrap();
            fixture
                .write_file(&claim, &table("gold.a"), "failed")
                .await
                .unwrap();
        }
        assert_eq!(data_files(&fixture).await, 10);
        let mut claim = fixture.claim().await.unwrap();
        assert_eq!(sweep(&mut claim).await.files, 4);
        let request = fixture.request(&claim, &[("gold.a", "a2")]).await.unwrap();
        claim.stage_and_publish(request).await.unwrap();
        // those before stay deleted: nobody looks for them again
        failed_run(&fixture).await;
        let mut claim = fixture.claim().await.unwrap();
        assert_eq!(sweep(&mut claim).await.files, 1);
    }

    /// Files of copies have the names of ours.
    #[tokio::test]
    async fn copies_of_tables_and_other_lakes_that_lie_in_a_lake_are_left_alone() {
        let fixture = Fixture::new();
        fixture.build(&[("gold.a", "a1")]).await.unwrap();
        for _ in 0..6 {
            failed_run(&fixture).await;
        }
        let store = fixture.lake.store();
        let log = fixture.tables.log_folder("gold/a");
        let mut copies = 0;
        for path in fixture.paths().await {
            let is_log = path.starts_with(&log);
            if is_log || CandidateName::claim_of(&path).is_some() {
                let bytes = store.get(&path).await.unwrap().unwrap();
                for copy in [
                    path.replace("gold/a/", "gold/a_copy/"),
                    format!("backup/{path}"),
                ] {
                    store.put(&copy, bytes.clone()).await.unwrap();
                }
                copies += 2;
            }
        }
        let mut claim = fixture.claim().await.unwrap();
        // what a dead run left, and the copy of it beside the table, which no log names
        assert_eq!(sweep(&mut claim).await.files, 2);
        assert!(copies > 12);
        let left = fixture.paths().await;
        let copied = left
            .iter()
            .filter(|path| path.starts_with("backup/") || path.starts_with("gold/a_copy/"));
        assert_eq!(copied.count(), copies - 1);
    }

    /// A sweep reads what was committed since the last one, not the whole history of every table.
    #[tokio::test]
    async fn the_cost_of_a_sweep_does_not_grow_with_history() {
        let mut read = Vec::new();
        for builds in [2, 40] {
            let fixture = Fixture::new();
            for round in 0..2 {
                for build in 0..builds {
                    let content = format!("{round} {build}");
                    fixture.build(&[("gold.a", &content)]).await.unwrap();
                }
                fixture.clock.advance(Duration::from_secs(8 * 24 * 3600));
                failed_run(&fixture).await;
                fixture.clock.advance(Duration::from_secs(8 * 24 * 3600));
                let mut claim = fixture.claim().await.unwrap();
                let sweep = claim
                    .declare_sweep(KeepFailedRuns::default())
                    .await
                    .unwrap();
                assert_eq!(sweep.unwrap().delete().await.unwrap().files, 1);
                claim.yield_(YieldReason::NothingToDo).await.unwrap();
            }
            fixture.build(&[("gold.a", "last")]).await.unwrap();
            failed_run(&fixture).await;
            fixture.clock.advance(Duration::from_secs(8 * 24 * 3600));
            let mut claim = fixture.claim().await.unwrap();
            let sweep = claim
                .declare_sweep(KeepFailedRuns::default())
                .await
                .unwrap()
                .unwrap();
            let since = sweep.window.since.as_ref().unwrap();
            let head = fixture.tables.head("gold/a", None).await.unwrap().unwrap();
            read.push(head - since.tables[&table("gold.a")].version.unwrap() - builds);
            assert_eq!(sweep.delete().await.unwrap().files, 1);
        }
        assert_eq!(read[0], read[1]);
    }

    /// What a killed command had only tried the store with goes with the records; what was written lately may be waited for.
    #[tokio::test]
    async fn probes_that_a_killed_command_left_are_deleted_after_a_day() {
        let fixture = Fixture::new();
        fixture.build(&[("gold.a", "a1")]).await.unwrap();
        let store = fixture.lake.store();
        for number in [1, 2] {
            let path = format!("{}/0", layout::probe(number));
            store.put(&path, "".into()).await.unwrap();
        }
        let root = store.location().folder().unwrap();
        let old = root.join(format!("{}/0", layout::probe(1)));
        let old = std::fs::File::options().write(true).open(old).unwrap();
        old.set_modified(std::time::UNIX_EPOCH).unwrap();
        fixture.clock.advance(Duration::from_secs(2 * 24 * 3600));
        let mut claim = fixture.claim().await.unwrap();
        let floor = ReleaseNumber(1);
        let retirement = claim.declare_retired(floor, "test").await.unwrap();
        retirement.unwrap().delete_records().await.unwrap();
        let left = store.list(layout::PROBES).await.unwrap();
        assert_eq!(left.len(), 1, "{left:?}");
        assert!(left[0].path.starts_with(&layout::probe(2)));
    }

    #[tokio::test]
    async fn the_newest_release_is_never_retired() {
        let fixture = Fixture::new();
        fixture.build(&[("gold.a", "a1")]).await.unwrap();
        let mut claim = fixture.claim().await.unwrap();
        assert!(
            claim
                .retire_releases(ReleaseNumber(2), "mistake")
                .await
                .is_err()
        );
        claim
            .retire_releases(ReleaseNumber(1), "nothing yet")
            .await
            .unwrap();
    }
}
