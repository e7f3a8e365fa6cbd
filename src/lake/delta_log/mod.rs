//! A table's Delta log: exact bytes out, states in.
//!
//! The rule of [`DeltaLog::state`]: the newest checkpoint at or below the version, read through delta-rs, is the base;
//! the entries above it are replayed here. Without a checkpoint the base is empty. A checkpoint is written every
//! [`CHECKPOINT_EVERY`] versions, so a state costs one listing and few small reads; tests hold the replay to what
//! delta-rs says.

mod action;
mod checkpoint;
mod definition;
mod entry;
mod replay;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use parquet::file::FOOTER_SIZE;
use parquet::file::metadata::{FooterTail, ParquetMetaDataReader};

pub(crate) use action::Add;
pub(super) use definition::schema_text;
pub(crate) use definition::{TableDefinition, TableIdentity};

use self::replay::Replay;
use super::path;
use crate::diagnostic::Code;
use crate::engine::{DataFile, FileSet};
use crate::error::{Error, ErrorKind, Result};
use crate::release::{Commit, EntryDraft, TableLog, TableState};
use crate::store::{ObjectInfo, Store};

/// Versions between two checkpoints.
pub(crate) const CHECKPOINT_EVERY: u64 = 10;

/// Entries fetched at once while replaying.
const FETCHES: usize = 8;

/// The Delta logs of one lake.
#[derive(Debug)]
pub(crate) struct DeltaLog {
    store: Store,
    /// Application id of this lake's transactions; not known to readers, who do not look for them.
    app_id: OnceLock<String>,
    /// Features that a table may ask of its readers.
    features: &'static [&'static str],
    /// By location and version, which never change: what was replayed once is not read again. Of a table a process looks at two
    /// or three, so that none need be given up, nor is a copy of one worth saving.
    states: Mutex<BTreeMap<(String, u64), TableState>>,
}

/// What lies in `_delta_log`.
#[derive(Debug, Default)]
struct LogListing {
    newest: Option<u64>,
    /// Names of the files of each, of whole ones: whoever writes one in parts may die before the last.
    checkpoints: BTreeMap<u64, Vec<String>>,
}

impl LogListing {
    /// Of the objects of a log, by name.
    fn of<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let mut listing = Self::default();
        let mut parts: BTreeMap<(u64, u64), BTreeMap<u64, String>> = BTreeMap::new();
        for name in names {
            let Some((version, kind)) = version_of(name) else {
                continue;
            };
            let is_checkpoint = kind.starts_with("checkpoint.") && kind.ends_with(".parquet");
            match part_of(kind) {
                _ if !is_checkpoint => {}
                None => drop(listing.checkpoints.insert(version, vec![name.to_string()])),
                Some((part, of)) => {
                    let parts = parts.entry((version, of)).or_default();
                    parts.insert(part, name.to_string());
                }
            }
            if is_checkpoint || kind == "json" {
                listing.newest = listing.newest.max(Some(version));
            }
        }
        for ((version, of), parts) in parts {
            if parts.len() as u64 == of {
                let names = listing.checkpoints.entry(version);
                names.or_insert_with(|| parts.into_values().collect());
            }
        }
        listing
    }

    /// The newest checkpoint from which that version can be read.
    fn base_of(&self, version: u64) -> Option<(u64, &[String])> {
        let base = self.checkpoints.range(..=version).next_back();
        base.map(|(base, names)| (*base, names.as_slice()))
    }
}

/// Which part of how many a checkpoint's file is: `checkpoint.0000000001.0000000003.parquet`; any other is whole.
fn part_of(kind: &str) -> Option<(u64, u64)> {
    let parts = kind
        .strip_prefix("checkpoint.")?
        .strip_suffix(".parquet")?
        .split_once('.')?;
    Some((parts.0.parse().ok()?, parts.1.parse().ok()?))
}

/// The version that an object of a log is of, and of what kind it is.
fn version_of(name: &str) -> Option<(u64, &str)> {
    let (number, kind) = name.split_once('.')?;
    let version = number.parse().ok().filter(|_| number.len() == 20)?;
    Some((version, kind))
}

/// What an object right below a folder is called.
fn name_in<'a>(folder: &str, path: &'a str) -> Option<&'a str> {
    let name = path.strip_prefix(folder)?.strip_prefix('/')?;
    (!name.contains('/')).then_some(name)
}

impl DeltaLog {
    /// The logs of the lake whose root is the store's root.
    pub(crate) fn new(store: Store) -> Self {
        Self {
            features: &[],
            store,
            app_id: OnceLock::new(),
            states: Mutex::default(),
        }
    }

    /// The logs of tables that others write and we only read, which may ask these features of their readers.
    pub(super) fn of_others(store: Store, features: &'static [&'static str]) -> Self {
        Self {
            features,
            ..Self::new(store)
        }
    }

    fn states(&self) -> MutexGuard<'_, BTreeMap<(String, u64), TableState>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn app_id(&self) -> &str {
        self.app_id.get().map_or("", String::as_str)
    }

    /// The files of a state as a table that the engine scans.
    ///
    /// Files whose adder wrote no row count (a foreign tool may leave out statistics) are asked for it in their footers.
    ///
    /// # Errors
    /// `Corrupt` for a schema or a path that we cannot read; `Unavailable`.
    pub(crate) async fn file_set(&self, location: &str, state: &TableState) -> Result<FileSet> {
        let (schema, partition_columns) = definition::shape(&state.definition)?;
        let mut files = Vec::with_capacity(state.files.len());
        for live in state.files.values() {
            let add = Add::of_line(&live.add)?;
            let path = path::from_log(&live.path)?;
            let rows = match add.rows() {
                Some(rows) => rows,
                None => self.footer_rows(location, &path, live.size).await?,
            };
            let partition_values = partition_columns
                .iter()
                .map(|column| add.partition_values.get(column).cloned().flatten())
                // to the Delta protocol an empty text is null
                .map(|value| value.filter(|text| !text.is_empty()))
                .collect();
            files.push(DataFile {
                path,
                size: live.size,
                rows,
                partition_values,
            });
        }
        Ok(FileSet {
            location: location.to_string(),
            schema,
            partition_columns,
            files,
        })
    }

    async fn footer_rows(&self, location: &str, path: &str, size: u64) -> Result<u64> {
        let path = format!("{location}/{path}");
        let unreadable = |cause: String| {
            Error::corrupt("a data file cannot be read")
                .code(Code(807))
                .at(path.as_str())
                .caused_by(cause)
        };
        let tail_start = size
            .checked_sub(FOOTER_SIZE as u64)
            .ok_or_else(|| unreadable("it is too short".into()))?;
        let tail = self.read_range(&path, tail_start..size).await?;
        let tail = <&[u8; FOOTER_SIZE]>::try_from(tail.as_ref())
            .map_err(|_| unreadable("it is shorter than its log says".into()))?;
        let length = FooterTail::try_new(tail)
            .map_err(|error| unreadable(error.to_string()))?
            .metadata_length() as u64;
        let start = tail_start
            .checked_sub(length)
            .ok_or_else(|| unreadable("its footer is longer than the file".into()))?;
        let footer = self.read_range(&path, start..tail_start).await?;
        let footer = ParquetMetaDataReader::decode_metadata(&footer)
            .map_err(|error| unreadable(error.to_string()))?;
        Ok(footer.file_metadata().num_rows().max(0) as u64)
    }

    async fn read_range(&self, path: &str, range: Range<u64>) -> Result<Bytes> {
        let found = self.store.get_range(path, range).await?;
        found.ok_or_else(|| {
            Error::corrupt("a data file is missing")
                .code(Code(807))
                .at(path)
        })
    }

    /// `Ok(None)`: no such entry.
    async fn fetch(&self, location: &str, version: u64) -> Result<Option<Bytes>> {
        self.store.get(&self.entry_path(location, version)).await
    }

    /// What lies in a table's `_delta_log`, not below it, by name.
    async fn log_objects(&self, location: &str) -> Result<Vec<(String, ObjectInfo)>> {
        let folder = path::log_folder(location);
        let found = self.store.survey(&folder).await?.files.into_iter();
        let named = found.filter_map(|object| {
            let name = name_in(&folder, &object.path)?.to_string();
            Some((name, object))
        });
        Ok(named.collect())
    }

    async fn list(&self, location: &str) -> Result<LogListing> {
        let objects = self.log_objects(location).await?;
        Ok(LogListing::of(
            objects.iter().map(|(name, _)| name.as_str()),
        ))
    }

    /// The newest checkpoint at or below a version that can be read, and what it holds; without one the base is empty. And what
    /// is wrong with a newer one: whatever it held, the entries say too for as long as they lie there.
    ///
    /// # Errors
    /// Of storage.
    async fn base(
        &self,
        location: &str,
        version: u64,
        listing: &LogListing,
    ) -> Result<(Option<u64>, Replay, Option<Error>)> {
        let mut spoilt = None;
        for (base, files) in listing.checkpoints.range(..=version).rev() {
            let read = |_| checkpoint::replay(&self.store, location, *base, files);
            match self.store.patiently(read).await {
                Ok(replay) => return Ok((Some(*base), replay, spoilt)),
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    tracing::warn!(
                        "the checkpoint of version {base} of {location} is passed over: {}",
                        error.brief()
                    );
                    spoilt.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        Ok((None, Replay::default(), spoilt))
    }

    async fn replay_above(
        &self,
        location: &str,
        base: Option<u64>,
        version: u64,
        replay: &mut Replay,
    ) -> Result<()> {
        let first = base.map_or(0, |base| base + 1);
        let mut entries = futures::stream::iter(first..=version)
            .map(|version| async move { Ok((version, self.fetch(location, version).await?)) })
            .buffered(FETCHES);
        while let Some((version, entry)) = entries.try_next().await? {
            let entry = entry.ok_or_else(|| {
                Error::corrupt(format!("entry {version} of the table's log is gone"))
                    .code(Code(802))
                    .at(location)
                    .help("a foreign tool cleaned the log: `kilde releases` names what can still be read")
            })?;
            replay.apply(&entry, &path::log_entry(location, version))?;
        }
        Ok(())
    }
}

#[async_trait]
impl TableLog for DeltaLog {
    fn belongs_to(&self, lake_id: &str) {
        // a lake's id never changes, so the first answer stands
        let _known = self.app_id.set(entry::app_id(lake_id));
    }

    fn log_folder(&self, location: &str) -> String {
        path::log_folder(location)
    }

    fn entry_path(&self, location: &str, version: u64) -> String {
        path::log_entry(location, version)
    }

    fn file_path(&self, location: &str, path: &str) -> String {
        // every live file's path was decoded once when it was read or written
        let path = path::from_log(path).unwrap_or_else(|_| path.to_string());
        format!("{location}/{path}")
    }

    async fn head(&self, location: &str, at_least: Option<u64>) -> Result<Option<u64>> {
        let Some(mut version) = at_least else {
            return Ok(self.list(location).await?.newest);
        };
        while self
            .store
            .exists(&self.entry_path(location, version + 1))
            .await?
        {
            version += 1;
        }
        Ok(Some(version))
    }

    async fn state(&self, location: &str, version: u64) -> Result<TableState> {
        let key = (location.to_string(), version);
        if let Some(known) = self.states().get(&key) {
            return Ok(known.clone());
        }
        let listing = self.list(location).await?;
        let (base, mut replay, spoilt) = self.base(location, version, &listing).await?;
        let above = self.replay_above(location, base, version, &mut replay);
        above.await.map_err(|error| match spoilt {
            // the entries before it were not needed as long as it could be read
            Some(spoilt) if error.kind() == ErrorKind::Corrupt => spoilt,
            _ => error,
        })?;
        let state = replay.finish(version, location, self.features)?;
        self.states().insert(key, state.clone());
        Ok(state)
    }

    async fn commit(&self, location: &str, version: u64) -> Result<Option<Commit>> {
        self.fetch(location, version)
            .await?
            .map(|entry| replay::commit(version, &entry, self.app_id(), location))
            .transpose()
    }

    fn table_id(&self, definition: &str) -> Option<String> {
        let identity = TableIdentity::of(definition).ok()?;
        Some(identity.id)
    }

    fn entries_read(&self, location: &str, version: u64, listed: &[ObjectInfo]) -> Vec<String> {
        let folder = path::log_folder(location);
        let paths = listed.iter().map(|object| object.path.as_str());
        let listing = LogListing::of(paths.filter_map(|path| name_in(&folder, path)));
        let first = listing.base_of(version).map_or(0, |(base, _)| base + 1);
        let entries = first..=version;
        entries
            .map(|version| self.entry_path(location, version))
            .collect()
    }

    fn entry(&self, draft: &EntryDraft<'_>) -> Result<Bytes> {
        entry::entry_bytes(draft)
    }

    async fn unneeded_entries(&self, location: &str, oldest: u64) -> Result<Vec<ObjectInfo>> {
        let objects = self.log_objects(location).await?;
        let listing = LogListing::of(objects.iter().map(|(name, _)| name.as_str()));
        let first = objects.iter().filter_map(|(name, _)| version_of(name));
        let first = first.map(|(version, _)| version).min();
        let newest = listing.base_of(oldest).map(|(base, _)| base);
        if newest.is_none_or(|newest| first >= Some(newest)) {
            return Ok(Vec::new());
        }
        // what a damaged one held is known by the entries alone
        let (Some(base), ..) = self.base(location, oldest, &listing).await? else {
            return Ok(Vec::new());
        };
        let older = objects.into_iter().filter(|(name, _)| {
            // the checkpoint's own entry stays, and whatever is no version's
            version_of(name).is_some_and(|(version, _)| version < base)
        });
        Ok(older.map(|(_, object)| object).collect())
    }

    async fn misleading(&self, location: &str, version: u64) -> Result<Vec<String>> {
        let objects = self.log_objects(location).await?;
        let listing = LogListing::of(objects.iter().map(|(name, _)| name.as_str()));
        let entries = objects.iter().filter_map(|(name, _)| version_of(name));
        let entries = entries.filter(|(_, kind)| *kind == "json");
        let head = entries.map(|(version, _)| version).max();
        // where entries are lost that a release needs, a checkpoint may be all that is left
        let Some(head) = head.filter(|head| *head >= version) else {
            return Ok(Vec::new());
        };
        let (mut readable, mut misleading) = (BTreeSet::new(), Vec::new());
        for (base, files) in &listing.checkpoints {
            let read = |_| checkpoint::replay(&self.store, location, *base, files);
            match self.store.patiently(read).await {
                Ok(_) => {
                    readable.insert(*base);
                }
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    if *base > head || self.state(location, *base).await.is_ok() {
                        misleading.extend(files.iter().cloned());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        let folder = path::log_folder(location);
        let hint = format!("{folder}/{}", path::LAST_CHECKPOINT);
        if let Some(hint) = self.store.get(&hint).await?
            && !checkpoint::hinted(&hint).is_some_and(|version| readable.contains(&version))
        {
            misleading.push(path::LAST_CHECKPOINT.to_string());
        }
        let paths = misleading.into_iter();
        Ok(paths.map(|name| format!("{folder}/{name}")).collect())
    }

    async fn lacks_checkpoint(&self, location: &str, version: u64) -> Result<bool> {
        let listing = self.list(location).await?;
        let first = listing.base_of(version).map_or(0, |(base, _)| base + 1);
        Ok(version.saturating_sub(first) >= CHECKPOINT_EVERY)
    }

    async fn checkpoint(&self, location: &str, version: u64) -> Result<()> {
        let listing = self.list(location).await?;
        if listing.checkpoints.contains_key(&version) {
            return Ok(());
        }
        let bases = listing.checkpoints.range(..=version).rev();
        let bases = bases.map(|(base, files)| Some((*base, files.as_slice())));
        let mut spoilt = None;
        for base in bases.chain([None]) {
            let write = |_| checkpoint::create(&self.store, location, version, base);
            match self.store.patiently(write).await {
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    spoilt.get_or_insert(error);
                }
                written => return written,
            }
        }
        spoilt.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests;
