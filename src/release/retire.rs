//! Deleting: declared in the lake log first, so that nobody builds on what is about to go.
//!
//! A claimant that froze between declaring and deleting stays harmless: what it declared is never referenced again,
//! whoever writes meanwhile.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt, TryStreamExt};

use super::claim::{Claim, YieldReason};
use super::failpoint::Boundary;
use super::lake::Lake;
use super::layout::{self, CandidateName};
use super::log::{Event, Retire};
use super::map::{Release, TableEntry};
use super::stage::AT_ONCE;
use crate::error::{Error, Result};
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

impl Claim {
    /// Deletes the candidates of dead runs that nothing reaches, but for those kept for inspection. Does nothing, at no
    /// cost, while there is hardly anything to find.
    pub(crate) async fn sweep(&mut self, keep: KeepFailedRuns) -> Result<Swept> {
        let from = self.floors().runs_below;
        let floor = self.oldest_kept_run(keep);
        let passed = |number: &ClaimNumber| (from..floor).contains(number);
        let due = self.failed_runs().iter().any(|(number, _)| passed(number))
            || floor.0 >= from.0 + SWEEP_AT_LEAST_EVERY;
        if !due {
            return Ok(Swept::default());
        }
        self.retire(Retire {
            runs_below: Some(floor),
            releases_below: None,
            reason: "candidates of failed runs".to_string(),
        })
        .await?;
        self.lake.delete_orphans(self.base.as_ref(), floor).await
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
        self.append(Event::Retire(retire)).await?;
        self.lake.failpoint.reach(Boundary::AfterRetire)
    }

    /// Runs that claimed, published nothing, and may have left candidates: died, failed or were stopped.
    fn failed_runs(&self) -> Vec<(ClaimNumber, chrono::DateTime<chrono::Utc>)> {
        let mut failed = Vec::new();
        for claim in self.view.claims() {
            let nothing_left = matches!(
                claim.closed_by,
                Some(Event::Publish(_) | Event::Yield(YieldReason::NothingToDo))
            );
            if claim.number != self.number && !nothing_left {
                failed.push((claim.number, claim.entry.at));
            }
        }
        failed
    }

    fn oldest_kept_run(&self, keep: KeepFailedRuns) -> ClaimNumber {
        let oldest = self.lake.clock.now() - chrono::TimeDelta::days(i64::from(keep.days));
        let failed = self.failed_runs();
        let newest = failed.iter().rev().take(keep.runs);
        let kept = newest.take_while(|(_, at)| *at >= oldest).last();
        kept.map_or(self.number, |(number, _)| *number)
    }
}

impl Lake {
    /// Deletes our data files of claims below `floor` that no table's log ever named, and the protocol objects of those
    /// claims. `base` is the newest release: all that was published before is settled.
    pub(super) async fn delete_orphans(
        &self,
        base: Option<&Release>,
        floor: ClaimNumber,
    ) -> Result<Swept> {
        let below = |path: &str| CandidateName::claim_of(path).is_some_and(|claim| claim < floor);
        let objects = self.store.list("").await?;
        // read after the listing and up to the heads: whatever became published meanwhile is spared
        let reached = self.reached(base).await?;
        let orphans = objects.into_iter().filter(|object| {
            if object.path.starts_with(layout::PROTOCOL_FOLDER) {
                layout::protocol_claim(&object.path).is_some_and(|claim| claim < floor)
            } else {
                below(&object.path) && !reached.contains(&object.path)
            }
        });
        self.delete_all(orphans.collect()).await
    }

    /// Every data file that the log of a table names or named, by object path.
    async fn reached(&self, base: Option<&Release>) -> Result<BTreeSet<String>> {
        let tables = base.into_iter().flat_map(|base| base.tables.values());
        let tables = tables.filter(|entry| entry.version.is_some());
        let reached: Vec<Vec<String>> = stream::iter(tables)
            .map(|entry| self.ever_live(entry))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(reached.into_iter().flatten().collect())
    }

    async fn ever_live(&self, entry: &TableEntry) -> Result<Vec<String>> {
        let mut paths = Vec::new();
        let newest = self.tables.head(&entry.location, entry.version).await?;
        let Some(newest) = newest else {
            return Ok(paths);
        };
        let mut oldest = newest;
        for version in (0..=newest).rev() {
            // entries before the oldest checkpoint may have been cleaned up
            let Some(commit) = self.tables.commit(&entry.location, version).await? else {
                break;
            };
            let added = commit.adds.iter().map(|file| file.path.as_str());
            paths.extend(added.map(|path| self.tables.file_path(&entry.location, path)));
            oldest = version;
        }
        paths.extend(self.live(entry, oldest).await?);
        Ok(paths)
    }

    async fn live(&self, entry: &TableEntry, version: u64) -> Result<Vec<String>> {
        let state = self.tables.state(&entry.location, version).await?;
        let paths = state.files.keys();
        Ok(paths
            .map(|path| self.tables.file_path(&entry.location, path))
            .collect())
    }

    async fn delete_all(&self, objects: Vec<ObjectInfo>) -> Result<Swept> {
        let mut swept = Swept::default();
        for object in objects {
            self.store.delete(&object.path).await?;
            swept.files += 1;
            swept.bytes += object.size;
        }
        Ok(swept)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::fixture::{Fixture, table};
    use super::*;

    async fn failed_run(fixture: &Fixture) {
        let claim = fixture.claim().await.unwrap();
        fixture
            .write_file(&claim, &table("gold.a"), "failed")
            .await
            .unwrap();
        claim.yield_(YieldReason::Failed).await.unwrap();
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
        let swept = claim.sweep(KeepFailedRuns::default()).await.unwrap();
        assert_eq!(swept.files, 2);
        // nothing more to find: not even an entry is appended
        let tail = claim.view.tail();
        assert_eq!(
            claim.sweep(KeepFailedRuns::default()).await.unwrap(),
            Swept::default()
        );
        assert_eq!(claim.view.tail(), tail);
    }

    #[tokio::test]
    async fn after_a_week_candidates_go_whatever_their_number() {
        let fixture = Fixture::new();
        fixture.build(&[("gold.a", "a1")]).await.unwrap();
        failed_run(&fixture).await;
        fixture.clock.advance(Duration::from_secs(8 * 24 * 3600));
        let mut claim = fixture.claim().await.unwrap();
        let swept = claim.sweep(KeepFailedRuns::default()).await.unwrap();
        assert_eq!((swept.files, swept.bytes), (1, 6));
        assert_eq!(claim.floors().runs_below, claim.number());
        let current = fixture.lake.current().await.unwrap().unwrap();
        assert_eq!(
            fixture.contents(&current).await["gold.a"].first().unwrap(),
            "a1"
        );
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
