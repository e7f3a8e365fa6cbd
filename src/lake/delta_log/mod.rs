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
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use parquet::file::FOOTER_SIZE;
use parquet::file::metadata::{FooterTail, ParquetMetaDataReader};

pub(crate) use action::Add;
pub(crate) use definition::{TableDefinition, TableIdentity};

use self::replay::Replay;
use super::path;
use crate::diagnostic::Code;
use crate::engine::{DataFile, FileSet};
use crate::error::{Error, Result};
use crate::release::{Commit, EntryDraft, TableLog, TableState};
use crate::store::{ObjectInfo, failed};

/// Versions between two checkpoints.
pub(crate) const CHECKPOINT_EVERY: u64 = 10;

/// Entries fetched at once while replaying.
const FETCHES: usize = 8;

/// The Delta logs of one lake.
#[derive(Debug)]
pub(crate) struct DeltaLog {
    store: Arc<dyn ObjectStore>,
    /// Application id of this lake's transactions; not known to readers, who do not look for them.
    app_id: OnceLock<String>,
    /// By location and version, which never change: what was replayed once is not read again.
    states: Mutex<BTreeMap<(String, u64), TableState>>,
}

/// What lies in `_delta_log`.
#[derive(Debug, Default)]
struct Listing {
    newest: Option<u64>,
    /// Whole ones: whoever writes one in parts may die before the last.
    checkpoints: Vec<u64>,
}

impl Listing {
    /// The newest checkpoint from which that version can be read.
    fn base_of(&self, version: u64) -> Option<u64> {
        let checkpoints = self.checkpoints.iter().copied();
        checkpoints
            .filter(|checkpoint| *checkpoint <= version)
            .max()
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

impl DeltaLog {
    /// The logs of the lake whose root is the store's root.
    pub(crate) fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self {
            store,
            app_id: OnceLock::new(),
            states: Mutex::default(),
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
        let path = object_path(&format!("{location}/{path}"))?;
        let unreadable = |cause: String| {
            Error::corrupt("a data file cannot be read")
                .code(Code(807))
                .at(path.to_string())
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

    async fn read_range(&self, path: &Path, range: Range<u64>) -> Result<Bytes> {
        let found = self.store.get_range(path, range).await;
        found.map_err(|error| failed(path.as_ref(), error))
    }

    /// `Ok(None)`: no such entry.
    async fn fetch(&self, location: &str, version: u64) -> Result<Option<Bytes>> {
        let path = object_path(&self.entry_path(location, version))?;
        let found = match self.store.get(&path).await {
            Ok(object) => object.bytes().await,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => Err(error),
        };
        found
            .map(Some)
            .map_err(|error| failed(path.as_ref(), error))
    }

    async fn exists(&self, location: &str, version: u64) -> Result<bool> {
        let path = object_path(&self.entry_path(location, version))?;
        match self.store.head(&path).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(failed(path.as_ref(), error)),
        }
    }

    async fn log_objects(&self, location: &str) -> Result<Vec<ObjectMeta>> {
        let folder = object_path(&format!("{location}/_delta_log"))?;
        let listed = self.store.list_with_delimiter(Some(&folder)).await;
        let listed = listed.map_err(|error| failed(folder.as_ref(), error))?;
        Ok(listed.objects)
    }

    async fn list(&self, location: &str) -> Result<Listing> {
        let mut listing = Listing::default();
        let mut parts: BTreeMap<(u64, u64), BTreeSet<u64>> = BTreeMap::new();
        for object in self.log_objects(location).await? {
            let name = object.location.filename().unwrap_or_default();
            let Some((version, kind)) = version_of(name) else {
                continue;
            };
            let is_checkpoint = kind.starts_with("checkpoint.") && kind.ends_with(".parquet");
            match part_of(kind) {
                _ if !is_checkpoint => {}
                None => listing.checkpoints.push(version),
                Some((part, of)) => drop(parts.entry((version, of)).or_default().insert(part)),
            }
            if is_checkpoint || kind == "json" {
                listing.newest = listing.newest.max(Some(version));
            }
        }
        let whole = parts
            .into_iter()
            .filter(|((_, of), parts)| parts.len() as u64 == *of);
        listing
            .checkpoints
            .extend(whole.map(|((version, _), _)| version));
        Ok(listing)
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
            replay.apply(&entry, self.app_id(), location)?;
        }
        Ok(())
    }
}

#[async_trait]
impl TableLog for DeltaLog {
    fn belongs_to(&self, lake_id: &str) {
        // a lake's id never changes, so the first answer stands
        if self.app_id.set(entry::app_id(lake_id)).is_ok() {
            // read without it, they do not say whose release they are
            self.states().clear();
        }
    }

    fn entry_path(&self, location: &str, version: u64) -> String {
        format!("{location}/_delta_log/{version:020}.json")
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
        while self.exists(location, version + 1).await? {
            version += 1;
        }
        Ok(Some(version))
    }

    async fn state(&self, location: &str, version: u64) -> Result<TableState> {
        let key = (location.to_string(), version);
        if let Some(known) = self.states().get(&key) {
            return Ok(known.clone());
        }
        let base = self.list(location).await?.base_of(version);
        let mut replay = match base {
            Some(base) => checkpoint::replay(&self.store, location, base, self.app_id()).await?,
            None => Replay::default(),
        };
        self.replay_above(location, base, version, &mut replay)
            .await?;
        let state = replay.finish(version, location)?;
        self.states().insert(key, state.clone());
        Ok(state)
    }

    async fn commit(&self, location: &str, version: u64) -> Result<Option<Commit>> {
        self.fetch(location, version)
            .await?
            .map(|entry| replay::commit(version, &entry, self.app_id(), location))
            .transpose()
    }

    fn entry(&self, draft: &EntryDraft<'_>) -> Bytes {
        entry::entry_bytes(draft)
    }

    async fn unneeded_entries(&self, location: &str, oldest: u64) -> Result<Vec<ObjectInfo>> {
        let base = self.list(location).await?.base_of(oldest);
        let Some(base) = base else {
            return Ok(Vec::new());
        };
        let objects = self.log_objects(location).await?;
        let older = objects.into_iter().filter(|object| {
            // the checkpoint's own entry stays, and whatever is no version's
            let name = object.location.filename().unwrap_or_default();
            version_of(name).is_some_and(|(version, _)| version < base)
        });
        Ok(older.map(ObjectInfo::from).collect())
    }

    async fn lacks_checkpoint(&self, location: &str, version: u64) -> Result<bool> {
        let base = self.list(location).await?.base_of(version);
        let first = base.map_or(0, |base| base + 1);
        Ok(version.saturating_sub(first) >= CHECKPOINT_EVERY)
    }

    async fn checkpoint(&self, location: &str, version: u64) -> Result<()> {
        checkpoint::create(&self.store, location, version).await
    }
}

fn object_path(path: &str) -> Result<Path> {
    Path::parse(path).map_err(|error| {
        Error::corrupt("not the path of an object")
            .at(path)
            .caused_by(error)
    })
}

#[cfg(test)]
mod tests;
