//! What readers see, and what anyone may ask of a lake without writing to it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};

use super::failpoint::Failpoint;
use super::log::{Event, LogView};
use super::map::{Release, TableEntry};
use super::stage::AT_ONCE;
use super::table_log::TableLog;
use super::{layout, log, maintain};
use crate::clock::Clock;
use crate::diagnostic::Code;
use crate::error::{Error, ErrorKind, Result};
use crate::name::{ClaimNumber, ReleaseNumber, RunId};
use crate::store::{ObjectInfo, Store};

/// After so long without a sign of life a builder is dead, however far the clocks are apart.
const SILENT: chrono::TimeDelta = chrono::TimeDelta::minutes(5);

/// A lake: its releases, its log and its tables' logs. Cheap to clone; opening one reads nothing.
#[derive(Clone, Debug)]
pub(crate) struct Lake {
    pub(super) store: Store,
    pub(super) tables: Arc<dyn TableLog>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) failpoint: Failpoint,
    /// Whether claims give signs of life by themselves, where the storage has no locks.
    pub(super) beats: bool,
}

/// Builds wait: a rollback holds the lake until `kilde resume`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pause {
    /// The release that the rollback published.
    pub(crate) release: ReleaseNumber,
    /// The release whose content it has.
    pub(crate) rollback_of: Option<ReleaseNumber>,
    pub(crate) reason: String,
}

impl Pause {
    pub(super) fn of(release: &Release) -> Option<Self> {
        release.hold.as_ref().map(|reason| Self {
            release: release.number,
            rollback_of: release.rollback_of,
            reason: reason.clone(),
        })
    }
}

/// The state of the lake log, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LakeStatus {
    /// The newest release that readers see.
    pub(crate) newest: Option<ReleaseNumber>,
    /// A release that is decided and not yet seen: the next command that writes settles it.
    pub(crate) unsettled: Option<ReleaseNumber>,
    /// A run that may still be writing, or has died.
    pub(crate) open_claim: Option<OpenClaim>,
    pub(crate) pause: Option<Pause>,
}

/// A claim that nothing has closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenClaim {
    pub(crate) claim: ClaimNumber,
    pub(crate) run: RunId,
    pub(crate) since: DateTime<Utc>,
}

/// Whether the run of an open claim still lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Builder {
    AtWork,
    Dead,
    /// It gave a sign of life not long ago, or the storage does not tell.
    Unknown,
}

/// Only tells where to start looking; stale is harmless.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hint {
    /// Place of the release's publish entry in the lake log.
    pub(super) sequence: u64,
    pub(super) release: ReleaseNumber,
}

impl Lake {
    /// A lake in that store, whose tables have logs of that format.
    pub(crate) fn open(store: Store, tables: Arc<dyn TableLog>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            tables,
            clock,
            failpoint: Failpoint::default(),
            beats: false,
        }
    }

    /// The same lake, whose claims give signs of life for as long as they are held.
    #[must_use]
    pub(crate) fn with_signs_of_life(mut self) -> Self {
        self.beats = true;
        self
    }

    /// With a hook that tests use to stop the process at a boundary of the protocol.
    #[must_use]
    pub(crate) fn with_failpoint(mut self, failpoint: Failpoint) -> Self {
        self.failpoint = failpoint;
        self
    }

    /// The store underneath.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Object path of a version's entry in the log of a table.
    pub(crate) fn table_entry(&self, table: &TableEntry, version: u64) -> String {
        self.tables.entry_path(&table.location, version)
    }

    /// The newest settled release; `None` where none was published. Two reads and a listing.
    pub(crate) async fn current(&self) -> Result<Option<Release>> {
        let hint = self.hint().await?;
        let mut current = match &hint {
            Some(hint) => self.find_release(hint.release).await?,
            None => None,
        };
        loop {
            // listed, not asked for one by one: a hint may name a release whose successors are no longer kept, since a settler
            // that was frozen for long puts both again
            let newest = match &current {
                Some(current) => self.releases_after(current.number).await?.pop(),
                None => self.release_numbers().await?.pop(),
            };
            let Some(newest) = newest else {
                return Ok(current);
            };
            // none: it was the newest, and is no longer kept
            if let Some(release) = self.find_release(newest).await? {
                current = Some(release);
            }
        }
    }

    /// A release by number.
    ///
    /// # Errors
    /// `Config` K0713 where there is no such release, K0717 where it is no longer kept; `Corrupt` K0714 where its record is lost.
    pub(crate) async fn release(&self, number: ReleaseNumber) -> Result<Release> {
        let found = self.find_release(number).await;
        // asked last: what was deleted a moment ago is no longer kept, not unheard of
        let floor = self.retired_below().await?;
        match found {
            Ok(Some(release)) if number >= floor => Ok(release),
            Err(error) if error.kind() != ErrorKind::Corrupt => Err(error),
            found => self.unless_retired(number, found).await,
        }
    }

    /// What is said of a release that readers were told is retired, or that has no record that can be read: the lake log knows.
    async fn unless_retired(
        &self,
        number: ReleaseNumber,
        found: Result<Option<Release>>,
    ) -> Result<Release> {
        let view = self.log().await?;
        let floor = view.floors().releases_below;
        if number < floor {
            return Err(maintain::retired(number, floor));
        }
        if let Some(release) = found? {
            return Ok(release);
        }
        let decided = view.last_publish().map(|publish| publish.number);
        let newest = self.current().await?.map(|newest| newest.number);
        Err(if number.0 == 0 || Some(number) > newest.max(decided) {
            no_release(number)
        } else if Some(number) > newest {
            not_seen(number)
        } else {
            lost_record(number)
        })
    }

    /// A release; `None` where it is no longer kept, or its record is gone.
    ///
    /// # Errors
    /// What storage gives; `Corrupt` for a record that cannot be read.
    pub(crate) async fn kept_release(&self, number: ReleaseNumber) -> Result<Option<Release>> {
        let found = self.find_release(number).await?;
        let floor = self.retired_below().await?;
        Ok(found.filter(|_| number >= floor))
    }

    pub(super) async fn find_release(&self, number: ReleaseNumber) -> Result<Option<Release>> {
        let path = layout::release(number);
        match self.store.get(&path).await? {
            Some(bytes) => {
                let release =
                    log::read_versioned(&path, &bytes, |release: &Release| release.format);
                let release = release.and_then(|release| match release.number == number {
                    true => Ok(release),
                    // else whoever looks for the newest would never come to an end
                    false => Err(Error::corrupt(format!(
                        "it is the record of release {}, under the name of another",
                        release.number
                    ))
                    .code(Code(714))
                    .at(path.as_str())),
                });
                release.map(Some).map_err(|error| match error.kind() {
                    // one that is missing can be gone on without
                    ErrorKind::Corrupt => error.help(
                        "restore it from a copy of the lake; where there is none, move it out of the lake, and `kilde doctor` says what to type",
                    ),
                    _ => error,
                })
            }
            None => Ok(None),
        }
    }

    /// The newest releases, newest first, at most `limit`.
    pub(crate) async fn releases(&self, limit: usize) -> Result<Vec<Release>> {
        let Some(current) = self.current().await?.filter(|_| limit > 0) else {
            return Ok(Vec::new());
        };
        let floor = match self.declared_below().await {
            Err(error) if error.kind() == ErrorKind::Corrupt => self.retired_below().await?,
            declared => declared?,
        };
        let older = (floor.0.max(1)..current.number.0).rev().take(limit - 1);
        // a record that is lost, or cannot be read, hides no other
        let older: Vec<Release> = stream::iter(older)
            .map(|number| self.readable_record(ReleaseNumber(number)))
            .buffered(AT_ONCE)
            .try_filter_map(|release| std::future::ready(Ok(release)))
            .try_collect()
            .await?;
        Ok([vec![current], older].concat())
    }

    /// A record; `None` also where it cannot be read.
    pub(super) async fn readable_record(&self, number: ReleaseNumber) -> Result<Option<Release>> {
        match self.find_release(number).await {
            Err(error) if error.kind() == ErrorKind::Corrupt => Ok(None),
            found => found,
        }
    }

    /// Kept releases whose records are gone or cannot be read, oldest first.
    pub(crate) async fn lost_records(&self, newest: &Release) -> Result<Vec<ReleaseNumber>> {
        let floor = self.declared_below().await?.0.max(1);
        stream::iter((floor..newest.number.0).map(ReleaseNumber))
            .map(|number| async move {
                let found = self.readable_record(number).await?;
                Ok(found.is_none().then_some(number))
            })
            .buffered(AT_ONCE)
            .try_filter_map(|lost| std::future::ready(Ok(lost)))
            .try_collect()
            .await
    }

    /// Why builds have to wait, if that release is the newest and they have to.
    pub(crate) async fn pause(&self, newest: &Release) -> Result<Option<Pause>> {
        let Some(pause) = Pause::of(newest) else {
            return Ok(None);
        };
        let since = log::read_after(&self.store, newest.sequence).await?;
        let resumed = since.iter().any(|entry| entry.event == Event::Resume);
        Ok((!resumed).then_some(pause))
    }

    /// The lake log as it is now.
    pub(super) async fn log(&self) -> Result<LogView> {
        let hint = self.hint().await?;
        LogView::read(&self.store, hint.map(|hint| hint.sequence)).await
    }

    /// The state of the lake log.
    pub(crate) async fn status(&self) -> Result<LakeStatus> {
        let view = self.log().await?;
        let current = self.current().await?;
        let newest = current.as_ref().map(|release| release.number);
        let decided = view.last_publish().map(|publish| publish.number);
        Ok(LakeStatus {
            newest,
            unsettled: decided.filter(|decided| Some(*decided) > newest),
            open_claim: view.open_claim().map(|claim| OpenClaim {
                claim: claim.number,
                run: claim.run.clone(),
                since: claim.at,
            }),
            pause: match &current {
                Some(current) => self.pause(current).await?,
                None => None,
            },
        })
    }

    /// Whether the run that holds the lake still lives. Writes nothing.
    ///
    /// # Errors
    /// Of storage.
    pub(crate) async fn builder(&self, open: &OpenClaim) -> Result<Builder> {
        match self.store.is_locked(layout::LOCK).await? {
            Some(true) => return Ok(Builder::AtWork),
            Some(false) => return Ok(Builder::Dead),
            None => {}
        }
        let beat = self.store.head(&layout::heartbeat(open.claim)).await?;
        let last = beat.map_or(open.since, |beat| beat.modified_at);
        Ok(match self.clock.now() - last > SILENT {
            true => Builder::Dead,
            false => Builder::Unknown,
        })
    }

    pub(super) async fn hint(&self) -> Result<Option<Hint>> {
        let bytes = self.store.get(layout::HINT).await?;
        // a hint that cannot be read is as good as none
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    pub(super) async fn release_numbers(&self) -> Result<Vec<ReleaseNumber>> {
        Ok(numbers(&self.store.list(layout::RELEASES).await?))
    }

    async fn releases_after(&self, number: ReleaseNumber) -> Result<Vec<ReleaseNumber>> {
        let after = layout::release(number);
        let found = self.store.list_after(layout::RELEASES, &after).await?;
        Ok(numbers(&found))
    }
}

/// Of the records listed, oldest first.
fn numbers(records: &[ObjectInfo]) -> Vec<ReleaseNumber> {
    let paths = records.iter();
    paths
        .filter_map(|object| layout::release_of(&object.path))
        .collect()
}

pub(super) fn no_release(number: ReleaseNumber) -> Error {
    Error::config(format!("there is no release {number}"))
        .code(Code(713))
        .help("`kilde releases` lists them")
}

fn not_seen(number: ReleaseNumber) -> Error {
    Error::config(format!(
        "release {number} is decided, and readers do not see it: it is not finished, or its record is lost"
    ))
    .code(Code(713))
    .help("`kilde doctor` says which, and what to type")
}

pub(super) fn lost_record(number: ReleaseNumber) -> Error {
    Error::corrupt(format!("the record of release {number} is missing"))
        .code(Code(714))
        .at(layout::release(number))
        .help("restore it from a copy of the lake: nothing else says which version of each table the release has; `kilde releases` lists those that can be read")
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Fixture;
    use super::*;

    #[tokio::test]
    async fn the_newest_release_is_found_whatever_the_hint_says() {
        let fixture = Fixture::new();
        for content in ["a1", "a2", "a3"] {
            fixture.build(&[("gold.a", content)]).await.unwrap();
        }
        let stale = r#"{"sequence":2,"release":1}"#;
        let wrong = r#"{"sequence":2,"release":9}"#;
        for hint in [stale, wrong, "{", ""] {
            fixture
                .lake
                .store()
                .put(layout::HINT, hint.into())
                .await
                .unwrap();
            let current = fixture.lake.current().await.unwrap().unwrap();
            assert_eq!(current.number.0, 3, "{hint}");
        }
        fixture.lake.store().delete(layout::HINT).await.unwrap();
        assert_eq!(fixture.lake.current().await.unwrap().unwrap().number.0, 3);
        assert!(
            fixture
                .lake
                .release(ReleaseNumber(4))
                .await
                .unwrap_err()
                .render()
                .contains("K0713")
        );
    }

    /// A settler that was frozen for long puts the record and the hint of a release again that is no longer kept.
    #[tokio::test]
    async fn a_release_that_came_back_from_the_dead_is_not_the_newest() {
        let fixture = Fixture::new();
        let first = fixture.build(&[("gold.a", "a1")]).await.unwrap();
        for content in ["a2", "a3", "a4"] {
            fixture.build(&[("gold.a", content)]).await.unwrap();
        }
        let mut claim = fixture.claim().await.unwrap();
        let floor = ReleaseNumber(4);
        claim.retire_releases(floor, "test").await.unwrap();
        drop(claim);
        let store = fixture.lake.store();
        let record = crate::release::json::to_bytes(&first).unwrap();
        store
            .put(&layout::release(first.number), record)
            .await
            .unwrap();
        let hint = r#"{"sequence":2,"release":1}"#;
        store.put(layout::HINT, hint.into()).await.unwrap();
        let current = fixture.lake.current().await.unwrap().unwrap();
        assert_eq!(current.number.0, 4);
    }

    #[tokio::test]
    async fn a_record_under_the_name_of_another_is_none() {
        let fixture = Fixture::new();
        fixture.build(&[("gold.a", "a1")]).await.unwrap();
        let store = fixture.lake.store();
        let record = store.get(&layout::release(ReleaseNumber(1))).await.unwrap();
        let other = layout::release(ReleaseNumber(9));
        store.put(&other, record.unwrap()).await.unwrap();
        let error = fixture.lake.current().await.unwrap_err();
        let text = error.render();
        assert!(text.contains("K0714") && text.contains(&other), "{text}");
    }

    #[tokio::test]
    async fn a_release_without_a_record_is_lost_or_unseen_or_never_was() {
        let fixture = Fixture::new();
        for content in ["a1", "a2", "a3"] {
            fixture.build(&[("gold.a", content)]).await.unwrap();
        }
        let said = async |number: u64| {
            let error = fixture.lake.release(ReleaseNumber(number)).await;
            error.unwrap_err().render()
        };
        let delete = async |number: u64| {
            let record = layout::release(ReleaseNumber(number));
            fixture.lake.store().delete(&record).await.unwrap();
        };
        delete(2).await;
        let lost = said(2).await;
        assert!(
            lost.contains("K0714") && lost.contains("_kilde/releases/00000002.json"),
            "{lost}"
        );
        delete(3).await;
        let unseen = said(3).await;
        assert!(unseen.contains("`kilde doctor` says which"), "{unseen}");
        for number in [0, 4] {
            let unheard = said(number).await;
            assert!(unheard.contains("there is no release"), "{unheard}");
        }
    }

    #[tokio::test]
    async fn reading_writes_nothing() {
        let fixture = Fixture::new();
        fixture.lake.current().await.unwrap();
        fixture.lake.releases(5).await.unwrap();
        fixture.lake.status().await.unwrap();
        assert!(fixture.paths().await.is_empty());
    }
}
