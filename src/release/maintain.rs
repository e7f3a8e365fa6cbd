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
use super::lake::{Lake, no_release};
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
    /// Releases below are retired, as far as readers know.
    pub(crate) async fn retired_below(&self) -> Result<ReleaseNumber> {
        match self.store.get(layout::RETIRED).await? {
            Some(bytes) => {
                let retired: Retired =
                    log::read_versioned(layout::RETIRED, &bytes, |retired: &Retired| {
                        retired.format
                    })?;
                Ok(retired.releases_below)
            }
            None => Ok(ReleaseNumber::default()),
        }
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

    /// The oldest release that readers could have seen since `instant`: those before were followed by another before that.
    /// Never one that was retired.
    pub(crate) async fn oldest_seen_since(
        &self,
        newest: &Release,
        instant: DateTime<Utc>,
    ) -> Result<ReleaseNumber> {
        let floor = self.retired_below().await?.0.max(1);
        let mut oldest = newest.number;
        if newest.published_at < instant {
            return Ok(oldest);
        }
        let mut older = stream::iter((floor..newest.number.0).rev())
            .map(|number| self.find_release(ReleaseNumber(number)))
            .buffered(AT_ONCE);
        while let Some(Some(release)) = older.try_next().await? {
            oldest = release.number;
            if release.published_at < instant {
                break;
            }
        }
        Ok(oldest)
    }

    /// What only releases below `floor` need: what a maintenance that retires them would give back.
    ///
    /// # Errors
    /// Of storage; `Corrupt` where a log cannot be read.
    pub(crate) async fn unneeded(
        &self,
        base: &Release,
        floor: ReleaseNumber,
        foreign_before: Option<DateTime<Utc>>,
    ) -> Result<Vec<Unneeded>> {
        let kept = stream::iter(floor.0.max(1)..base.number.0)
            .map(|number| async move {
                let number = ReleaseNumber(number);
                let release = self.find_release(number).await?;
                // another maintenance may have retired more since, and deleted the record
                match release.is_some() || number < self.retired_below().await? {
                    true => Ok(release),
                    false => Err(no_release(number)),
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
