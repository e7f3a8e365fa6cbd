//! Giving space back: what no kept release needs, table by table.
//!
//! ```text
//! declare (an entry of the lake log) ─▶ files ─▶ entries of tables' logs ─▶ records of releases, reports of runs
//! ```
//!
//! A table's files are needed that were live at the oldest version which a kept release pins, and all that were added
//! since. Everything older is not: rollback and time travel to a retired release are refused from the declaration on, so
//! whoever deletes may be frozen for as long as it likes and still harms nobody.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use futures::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};

use super::claim::Claim;
use super::json;
use super::lake::{Lake, lost_record};
use super::layout::{self, CandidateName};
use super::log::{self, Retire};
use super::map::{Release, TableEntry};
use super::retire::Swept;
use super::stage::AT_ONCE;
use crate::diagnostic::Code;
use crate::error::{Error, ErrorKind, Result};
use crate::name::{ReleaseNumber, RunId, TableName};
use crate::store::ObjectInfo;

/// What readers look at before they open an older release: overwritten, since only its floor counts, and that only rises.
#[derive(Debug, Serialize, Deserialize)]
struct Retired {
    format: u32,
    releases_below: ReleaseNumber,
    at: DateTime<Utc>,
    run: RunId,
}

/// What one table could do without.
#[derive(Clone, Debug)]
pub(crate) struct Unneeded {
    pub(crate) table: TableName,
    /// Data files.
    pub(crate) files: Vec<ObjectInfo>,
    /// Entries and checkpoints of its log.
    pub(crate) entries: Vec<ObjectInfo>,
}

impl Unneeded {
    /// How much there is.
    pub(crate) fn total(&self) -> Swept {
        let (files, entries) = (Swept::of(&self.files), Swept::of(&self.entries));
        Swept {
            files: files.files + entries.files,
            bytes: files.bytes + entries.bytes,
        }
    }
}

/// Releases below a floor that was declared in the lake log: proof that what only they need may be deleted.
#[derive(Debug)]
pub(crate) struct Retirement {
    lake: Lake,
    base: Release,
    floor: ReleaseNumber,
}

impl Claim {
    /// Declares that releases before `floor` are no longer kept; does nothing more where that was declared before. `None` for
    /// an empty lake.
    ///
    /// # Errors
    /// `Conflict` where a rival took over; of storage, and the claim is over then.
    pub(crate) async fn declare_retired(
        &mut self,
        floor: ReleaseNumber,
        reason: &str,
    ) -> Result<Option<Retirement>> {
        let Some(base) = self.base.clone() else {
            return Ok(None);
        };
        if floor > self.floors().releases_below {
            self.retire(Retire {
                runs_below: None,
                releases_below: Some(floor),
                reason: reason.to_string(),
            })
            .await?;
        }
        let floor = self.floors().releases_below;
        // told also where it was declared before: whoever declared it may have died in between
        self.lake.tell_retired(floor, &self.run).await?;
        Ok(Some(Retirement {
            lake: self.lake.clone(),
            base,
            floor,
        }))
    }

    /// Declares and deletes in one, as tests want it.
    #[cfg(test)]
    pub(crate) async fn retire_releases(
        &mut self,
        floor: ReleaseNumber,
        reason: &str,
    ) -> Result<Swept> {
        match self.declare_retired(floor, reason).await? {
            Some(retirement) => retirement.delete_all().await,
            None => Ok(Swept::default()),
        }
    }
}

impl Retirement {
    /// What only retired releases need, and files of foreign names that no log knows and that are older than `foreign_before`.
    pub(crate) async fn unneeded(
        &self,
        foreign_before: Option<DateTime<Utc>>,
    ) -> Result<Vec<Unneeded>> {
        self.lake
            .unneeded(&self.base, self.floor, foreign_before)
            .await
    }

    /// Deletes it: files first, so that what is left after a crash is still found in the log.
    pub(crate) async fn delete(&self, unneeded: &Unneeded) -> Result<Swept> {
        self.lake.delete_objects(&unneeded.files).await?;
        self.lake.delete_objects(&unneeded.entries).await?;
        Ok(unneeded.total())
    }

    /// Deletes all of it.
    #[cfg(test)]
    pub(crate) async fn delete_all(&self) -> Result<Swept> {
        let mut swept = Swept::default();
        for unneeded in self.unneeded(None).await? {
            let freed = self.delete(&unneeded).await?;
            swept.files += freed.files;
            swept.bytes += freed.bytes;
        }
        self.delete_records().await?;
        Ok(swept)
    }

    /// Deletes the records of retired releases, and the reports of runs before them, which the history has folded in.
    pub(crate) async fn delete_records(&self) -> Result<Swept> {
        let records = self.lake.retired_records(&self.base, self.floor).await?;
        self.lake.delete_objects(&records).await
    }
}

impl Lake {
    /// Releases below are retired, as far as readers know. Where what they are told cannot be read, the lake log says it.
    pub(crate) async fn retired_below(&self) -> Result<ReleaseNumber> {
        match self.told_retired().await {
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                tracing::debug!(
                    "what is retired is asked of the lake log: {}",
                    error.brief()
                );
                self.declared_below().await
            }
            told => told,
        }
    }

    /// Releases below are retired, as readers are told.
    ///
    /// # Errors
    /// `Corrupt` where that cannot be read.
    pub(crate) async fn told_retired(&self) -> Result<ReleaseNumber> {
        match self.store.get(layout::RETIRED).await? {
            Some(bytes) => {
                let format = |retired: &Retired| retired.format;
                let retired = log::read_versioned(layout::RETIRED, &bytes, format)?;
                Ok(retired.releases_below)
            }
            None => Ok(ReleaseNumber::default()),
        }
    }

    /// Releases below are retired, as the lake log declares it: what may be deleted is judged by that alone.
    ///
    /// # Errors
    /// `Corrupt` where the log cannot be read.
    pub(crate) async fn declared_below(&self) -> Result<ReleaseNumber> {
        Ok(self.log().await?.floors().releases_below)
    }

    async fn tell_retired(&self, floor: ReleaseNumber, run: &RunId) -> Result<()> {
        let bytes = json::to_bytes(&Retired {
            format: log::FORMAT,
            releases_below: floor,
            at: self.clock.now(),
            run: run.clone(),
        })?;
        self.store.put(layout::RETIRED, bytes).await?;
        // readers are told before anything of it is gone
        self.store.barrier(&[layout::RETIRED.to_string()]).await
    }

    /// The oldest release that readers could have seen since `instant`: the one before the first that was published since. Never
    /// one that was retired. All are asked, since a clock may have gone wrong for a night; one whose record is lost counts as the one
    /// after it.
    pub(crate) async fn oldest_seen_since(
        &self,
        newest: &Release,
        instant: DateTime<Utc>,
    ) -> Result<ReleaseNumber> {
        let floor = self.declared_below().await?.0.max(1);
        let mut older = stream::iter((floor..newest.number.0).rev().map(ReleaseNumber))
            .map(|number| async move {
                let record = self.readable_record(number).await?;
                Ok::<_, Error>((number, record.map(|record| record.published_at)))
            })
            .buffered(AT_ONCE);
        let mut is_young = newest.published_at >= instant;
        let mut first_young = is_young.then_some(newest.number);
        while let Some((number, published_at)) = older.try_next().await? {
            is_young = published_at.map_or(is_young, |at| at >= instant);
            first_young = if is_young { Some(number) } else { first_young };
        }
        Ok(match first_young {
            Some(first) => ReleaseNumber((first.0 - 1).max(floor)),
            None => newest.number,
        })
    }

    /// What only releases below `floor` need: what a maintenance that retires them would give back.
    ///
    /// # Errors
    /// Of storage; `Corrupt` where the record of a kept release is lost: nobody knows what it needs.
    pub(crate) async fn unneeded(
        &self,
        base: &Release,
        floor: ReleaseNumber,
        foreign_before: Option<DateTime<Utc>>,
    ) -> Result<Vec<Unneeded>> {
        let kept = stream::iter(floor.0.max(1)..base.number.0)
            .map(|number| async move {
                let number = ReleaseNumber(number);
                let lost = match self.find_release(number).await {
                    Ok(Some(release)) => return Ok(Some(release)),
                    Ok(None) => lost_record(number),
                    Err(error) if error.kind() == ErrorKind::Corrupt => error,
                    Err(error) => return Err(error),
                };
                // another maintenance may have retired more since, and deleted the record
                match number < self.declared_below().await? {
                    true => Ok(None),
                    false => Err(lost),
                }
            })
            .buffered(AT_ONCE);
        let mut oldest = Pins::default();
        oldest.add(base);
        kept.try_fold(&mut oldest, |oldest, release| {
            release.iter().for_each(|release| oldest.add(release));
            std::future::ready(Ok(oldest))
        })
        .await?;
        let tables = base
            .tables
            .iter()
            .filter(|(_, entry)| entry.version.is_some());
        let found: Vec<Option<Unneeded>> = stream::iter(tables)
            .map(|(name, entry)| async {
                let found = self.unneeded_of(name, entry, &oldest, foreign_before);
                unless_lost(name, found.await)
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let is_some =
            |unneeded: &Unneeded| !(unneeded.files.is_empty() && unneeded.entries.is_empty());
        Ok(found.into_iter().flatten().filter(is_some).collect())
    }

    async fn unneeded_of(
        &self,
        name: &TableName,
        entry: &TableEntry,
        kept: &Pins,
        foreign_before: Option<DateTime<Utc>>,
    ) -> Result<Unneeded> {
        let oldest = kept.oldest(name, &entry.location).unwrap_or_default();
        let head = self.tables.head(&entry.location, entry.version).await?;
        let path = |path: &str| self.tables.file_path(&entry.location, path);
        let mut needed: BTreeSet<String> = BTreeSet::new();
        let mut known: BTreeSet<String> = BTreeSet::new();
        let state = self.tables.state(&entry.location, oldest).await?;
        needed.extend(state.files.keys().map(|file| path(file)));
        let commit = |version| async move {
            let commit = self.tables.commit(&entry.location, version).await?;
            Ok::<_, Error>(commit.map(|commit| (version, commit)))
        };
        let later = oldest + 1..=head.unwrap_or(oldest);
        let mut later = stream::iter(later).map(commit).buffered(AT_ONCE);
        while let Some(found) = later.try_next().await? {
            let added = found.iter().flat_map(|(_, commit)| &commit.adds);
            needed.extend(added.map(|file| path(&file.path)));
        }
        let mut first = oldest;
        let earlier = (0..=oldest).rev();
        let mut earlier = stream::iter(earlier).map(commit).buffered(AT_ONCE);
        // entries before the oldest checkpoint may have been cleaned up
        while let Some(Some((version, commit))) = earlier.try_next().await? {
            known.extend(commit.adds.iter().map(|file| path(&file.path)));
            first = version;
        }
        let state = self.tables.state(&entry.location, first).await?;
        known.extend(state.files.keys().map(|file| path(file)));
        let log = self.tables.log_folder(&entry.location);
        let is_unneeded = |object: &ObjectInfo| {
            !needed.contains(&object.path)
                && (known.contains(&object.path)
                    || foreign_before.is_some_and(|before| is_stranger(object, &log, before)))
        };
        let mut files = self.store.list(&entry.location).await?;
        files.retain(is_unneeded);
        Ok(Unneeded {
            table: name.clone(),
            files,
            entries: self
                .tables
                .unneeded_entries(&entry.location, oldest)
                .await?,
        })
    }

    /// Records of releases below the floor, probes that nobody waits for any more, and reports of runs before the oldest build that is kept: it has folded them into
    /// the history. (A rollback or a compaction folds nothing, and leaves no report.)
    async fn retired_records(
        &self,
        base: &Release,
        floor: ReleaseNumber,
    ) -> Result<Vec<ObjectInfo>> {
        let mut records = self.store.list(layout::RELEASES).await?;
        records
            .retain(|object| layout::release_of(&object.path).is_some_and(|number| number < floor));
        let probes = self.store.list(layout::PROBES).await?;
        let yesterday = self.clock.now() - chrono::TimeDelta::days(1);
        records.extend(probes.into_iter().filter(|o| o.modified_at < yesterday));
        let reports = self.store.list(layout::RUNS).await?;
        for number in floor.0.max(1)..=base.number.0 {
            let run = self.release(ReleaseNumber(number)).await?.run;
            let report = layout::run_report(&run);
            if reports.iter().any(|object| object.path == report) {
                // names of runs begin with their start
                let older = |object: &ObjectInfo| {
                    layout::run_of(&object.path).is_some_and(|other| other < run)
                };
                records.extend(reports.into_iter().filter(older));
                break;
            }
        }
        Ok(records)
    }

    /// Objects of the logs of a release's tables that lead other readers astray, while ours goes past them.
    ///
    /// # Errors
    /// Of storage.
    pub(crate) async fn misleading(
        &self,
        newest: &Release,
    ) -> Result<Vec<(TableName, Vec<String>)>> {
        let tables = newest.tables.iter();
        let tables = tables.filter_map(|(name, entry)| Some((name, entry, entry.version?)));
        let found: Vec<(TableName, Vec<String>)> = stream::iter(tables)
            .map(|(name, entry, version)| async move {
                let found = self.tables.misleading(&entry.location, version).await;
                let found = unless_lost(name, found)?.unwrap_or_default();
                Ok::<_, Error>((name.clone(), found))
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(found
            .into_iter()
            .filter(|(_, paths)| !paths.is_empty())
            .collect())
    }

    /// Deletes them; how many there were.
    ///
    /// # Errors
    /// Of storage.
    pub(crate) async fn delete_misleading(&self, newest: &Release) -> Result<u64> {
        let found = self.misleading(newest).await?;
        let paths: Vec<String> = found.into_iter().flat_map(|(_, paths)| paths).collect();
        self.store.delete_all(&paths).await?;
        Ok(paths.len() as u64)
    }

    /// Writes the checkpoints that are overdue, of tables whose readers would replay many entries, while there is time.
    pub(crate) async fn write_checkpoints(
        &self,
        base: &Release,
        has_time: impl Fn() -> bool,
    ) -> Result<Vec<TableName>> {
        let mut written = Vec::new();
        for (name, entry) in &base.tables {
            let Some(version) = entry.version.filter(|_| has_time()) else {
                continue;
            };
            if self
                .tables
                .lacks_checkpoint(&entry.location, version)
                .await?
            {
                let done = self.tables.checkpoint(&entry.location, version).await;
                written.extend(unless_lost(name, done)?.map(|()| name.clone()));
            }
        }
        Ok(written)
    }
}

/// What was found of a table; `None` where its log is lost: of such a one nobody knows what may go, and the others must not wait
/// for it.
pub(super) fn unless_lost<T>(table: &TableName, found: Result<T>) -> Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            tracing::warn!("`{table}` is passed over: {}", error.brief());
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Whether it is a data file in a table's folder that a foreign tool named, and old.
fn is_stranger(object: &ObjectInfo, log: &str, before: DateTime<Utc>) -> bool {
    let below_log = object.path.strip_prefix(log);
    !below_log.is_some_and(|name| name.starts_with('/'))
        && object.path.ends_with(".parquet")
        && CandidateName::claim_of(&object.path).is_none()
        && object.modified_at < before
}

/// The oldest version of each table, where it lies, that a kept release pins.
#[derive(Debug, Default)]
struct Pins(BTreeMap<TableName, BTreeMap<String, u64>>);

impl Pins {
    fn add(&mut self, release: &Release) {
        for (name, entry) in &release.tables {
            let Some(version) = entry.version else {
                continue;
            };
            let places = self.0.entry(name.clone()).or_default();
            let oldest = places.entry(entry.location.clone()).or_insert(version);
            *oldest = version.min(*oldest);
        }
    }

    fn oldest(&self, name: &TableName, location: &str) -> Option<u64> {
        self.0.get(name)?.get(location).copied()
    }
}

pub(super) fn retired(number: ReleaseNumber, floor: ReleaseNumber) -> Error {
    Error::new(
        ErrorKind::Config,
        format!("release {number} was retired: releases before {floor} are not kept any more"),
    )
    .code(Code(717))
    .help(
        "`kilde releases` lists those that are left; `keep:` in kilde.yaml says how long they stay",
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::fixture::Fixture;
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    /// As many releases, a day after each other.
    async fn days(releases: u64) -> Fixture {
        let fixture = Fixture::new();
        for day in 1..=releases {
            let content = format!("a{day}");
            fixture.build(&[("gold.a", &content)]).await.unwrap();
            fixture.clock.advance(DAY);
        }
        fixture
    }

    async fn since(fixture: &Fixture, days: i64) -> u64 {
        let newest = fixture.lake.current().await.unwrap().unwrap();
        let instant = fixture.lake.clock.now() - chrono::TimeDelta::days(days);
        let oldest = fixture.lake.oldest_seen_since(&newest, instant).await;
        oldest.unwrap().0
    }

    #[tokio::test]
    async fn a_release_whose_record_is_lost_takes_no_other_with_it() {
        let fixture = days(6).await;
        let store = fixture.lake.store().clone();
        assert_eq!(since(&fixture, 10).await, 1);
        let record = layout::release(ReleaseNumber(3));
        store.delete(&record).await.unwrap();
        assert_eq!(since(&fixture, 10).await, 1);
        store.put(&record, "{".into()).await.unwrap();
        assert_eq!(since(&fixture, 10).await, 1);
        // the second is the newest that is old enough, and nobody knows when the third followed it
        assert_eq!(since(&fixture, 3).await, 2);
        assert_eq!(since(&fixture, 2).await, 4);
        let base = fixture.lake.current().await.unwrap().unwrap();
        let unneeded = async |floor| {
            let floor = ReleaseNumber(floor);
            fixture.lake.unneeded(&base, floor, None).await
        };
        let error = unneeded(2).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{}", error.render());
        assert_eq!(error.location(), Some(record.as_str()));
        assert!(!unneeded(4).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_clock_that_goes_wrong_for_a_night_takes_no_release_with_it() {
        let fixture = days(3).await;
        let store = fixture.lake.store();
        // the second was published by a machine that thought it was 1970, or by one that is ahead
        for at in ["1970-01-02T00:00:00Z", "2100-01-01T00:00:00Z"] {
            let mut second = fixture.lake.release(ReleaseNumber(2)).await.unwrap();
            second.published_at = at.parse().unwrap();
            let record = layout::release(second.number);
            store
                .put(&record, json::to_bytes(&second).unwrap())
                .await
                .unwrap();
            assert_eq!(since(&fixture, 10).await, 1, "{at}");
        }
        assert_eq!(since(&fixture, 0).await, 1);
    }

    /// What readers are told is overwritten, so that a disk or a hand may spoil it; the lake log is not.
    #[tokio::test]
    async fn what_may_go_is_judged_by_the_log_whatever_readers_are_told() {
        let fixture = days(6).await;
        let store = fixture.lake.store().clone();
        let mut claim = fixture.claim().await.unwrap();
        claim
            .retire_releases(ReleaseNumber(3), "test")
            .await
            .unwrap();
        drop(claim);
        let whole = store.get(layout::RETIRED).await.unwrap().unwrap();
        let text = String::from_utf8(whole.to_vec()).unwrap();
        let other = text.replace("\"releases_below\":3", "\"releases_below\":99");
        assert_ne!(other, text);
        for spoilt in ["{", "", &other] {
            let told = bytes::Bytes::copy_from_slice(spoilt.as_bytes());
            store.put(layout::RETIRED, told).await.unwrap();
            assert_eq!(since(&fixture, 10).await, 3, "{spoilt}");
            let error = fixture.lake.release(ReleaseNumber(2)).await.unwrap_err();
            assert!(error.render().contains("K0717"), "{}", error.render());
            fixture.lake.release(ReleaseNumber(3)).await.unwrap();
            let listed = fixture.lake.releases(9).await.unwrap();
            assert_eq!(listed.len(), 4, "{spoilt}");
            let newest = fixture.lake.current().await.unwrap().unwrap();
            assert!(fixture.lake.lost_records(&newest).await.unwrap().is_empty());
            // the next maintenance tells them again
            let mut claim = fixture.claim().await.unwrap();
            claim
                .declare_retired(ReleaseNumber(3), "test")
                .await
                .unwrap();
            drop(claim);
            assert_eq!(fixture.lake.told_retired().await.unwrap(), ReleaseNumber(3));
        }
        store.delete(layout::RETIRED).await.unwrap();
        let error = fixture.lake.release(ReleaseNumber(2)).await.unwrap_err();
        assert!(error.render().contains("K0717"), "{}", error.render());
    }
}
