//! Checkpoints, which delta-rs writes and reads: a table's whole state in one Parquet file.

use std::ops::RangeInclusive;
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::DataType;
use deltalake_core::kernel::Snapshot;
use deltalake_core::{DeltaTable, DeltaTableBuilder, DeltaTableError};
use futures::stream::{self, StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use serde::Deserialize;
use url::Url;

use super::action::{Add, MetaData, Protocol};
use super::replay::Replay;
use crate::diagnostic::Code;
use crate::error::{Error, Result};
use crate::lake::path;
use crate::store::{Store, failed, failed_within};

/// Objects of a log fetched at once.
const FETCHES: usize = 8;

/// A part of a table's log as delta-rs reads it: fetched once, whole. By itself it asks for a checkpoint some fifty times, a
/// few bytes each. Those that are no plain files of their own (V2, with sidecars) it reads where they lie.
async fn log_part(
    store: &Store,
    location: &str,
    checkpoint: &[String],
    entries: RangeInclusive<u64>,
) -> Result<Arc<dyn ObjectStore>> {
    let is_plain = |name: &String| {
        let kind = name.split_once('.').map(|(_, kind)| kind);
        kind.is_some_and(|kind| kind == "checkpoint.parquet" || super::part_of(kind).is_some())
    };
    if !checkpoint.iter().all(is_plain) {
        return Ok(store.object_store());
    }
    let folder = path::log_folder(location);
    let mut paths = Vec::new();
    paths.extend(checkpoint.iter().map(|name| format!("{folder}/{name}")));
    paths.extend(entries.map(|version| path::log_entry(location, version)));
    let mut fetched = stream::iter(paths)
        .map(|path| async move { Ok::<_, Error>((store.get(&path).await?, path)) })
        .buffered(FETCHES);
    let memory = InMemory::new();
    while let Some((bytes, path)) = fetched.try_next().await? {
        // of what is gone, delta-rs says whether it is needed
        let Some(bytes) = bytes else {
            continue;
        };
        let kept = memory.put(&Path::from(path), bytes.into()).await;
        kept.map_err(|error| failed(location, error))?;
    }
    Ok(Arc::new(memory))
}

/// The table through delta-rs, on that store.
///
/// The URL only names the folder, and nothing opens it, since the store is given. Its host ends in `--x-s3` because the
/// kernel then sorts listings itself, as a local folder needs; `file:` would do so too, but the kernel looks for those
/// folders on this machine.
fn table(store: &Arc<dyn ObjectStore>, location: &str) -> Result<DeltaTable> {
    let url = Url::parse(&format!("memory://lake--x-s3/{location}"))
        .map_err(|error| Error::internal("a table's folder is not a URL").caused_by(error))?;
    DeltaTableBuilder::from_url(url.clone())
        .map(|builder| builder.with_storage_backend(Arc::clone(store), url))
        .and_then(DeltaTableBuilder::build)
        .map_err(|error| failure(error, location))
}

/// Writes the checkpoint of a version, made of the one before it (version, names of its files) and the entries since; then the
/// hint that names it.
pub(super) async fn create(
    store: &Store,
    location: &str,
    version: u64,
    base: Option<(u64, &[String])>,
) -> Result<()> {
    let (first, files) = base.map_or((0, &[][..]), |(base, files)| (base + 1, files));
    let part = log_part(store, location, files, first..=version).await?;
    let mut table = table(&part, location)?;
    table
        .load_version(version)
        .await
        .map_err(|error| failure(error, location))?;
    deltalake_core::checkpoints::create_checkpoint(&table, None)
        .await
        .map_err(|error| failure(error, location))?;
    let folder = path::log_folder(location);
    for name in [
        format!("{version:020}.checkpoint.parquet"),
        path::LAST_CHECKPOINT.to_string(),
    ] {
        let path = format!("{folder}/{name}");
        let made = part.get(&Path::from(path.as_str())).await;
        let made = match made {
            Ok(made) => made.bytes().await,
            Err(error) => Err(error),
        };
        let bytes = made.map_err(|error| {
            Error::internal("delta-rs wrote no checkpoint of the usual name")
                .at(path.as_str())
                .caused_by(error)
        })?;
        store.put(&path, bytes).await?;
    }
    Ok(())
}

/// The version of the checkpoint at which a hint points; `None`: it cannot be read.
pub(super) fn hinted(hint: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct LastCheckpoint {
        version: u64,
    }
    let hint: LastCheckpoint = serde_json::from_slice(hint).ok()?;
    Some(hint.version)
}

/// The state at the version of a checkpoint, whose files have these names, as delta-rs sees it.
pub(super) async fn replay(
    store: &Store,
    location: &str,
    version: u64,
    files: &[String],
) -> Result<Replay> {
    // its own entry comes along, as readers expect it
    let part = log_part(store, location, files, version..=version).await?;
    replay_from(&part, location, version).await
}

/// The same, of a log in any store.
pub(super) async fn replay_from(
    store: &Arc<dyn ObjectStore>,
    location: &str,
    version: u64,
) -> Result<Replay> {
    let table = table(store, location)?;
    let log = table.log_store();
    let failure = |error| failure(error, location);
    let snapshot = Snapshot::try_new(log.as_ref(), Some(version))
        .await
        .map_err(failure)?;
    let paths = raw_paths(&snapshot, log.as_ref(), location).await?;
    let mut views = snapshot.file_views(log.as_ref(), None);
    let mut replay = Replay {
        protocol: Some(convert::<Protocol>(snapshot.protocol(), location)?),
        meta_data: Some(convert::<MetaData>(snapshot.metadata(), location)?),
        ..Replay::default()
    };
    let mut paths = paths.into_iter();
    while let Some(view) = views.next().await {
        let view = view.map_err(failure)?;
        let raw = paths.next().unwrap_or_default();
        if path::from_log(&raw)? != view.path() {
            return Err(
                Error::internal("delta-rs listed a table's files in two orders").at(location),
            );
        }
        let add = Add {
            path: raw,
            partition_values: view.partition_values_map().into_iter().collect(),
            size: view.size().max(0) as u64,
            modification_time: view.modification_time(),
            data_change: true,
            stats: view.stats(),
            tags: None,
            deletion_vector: view
                .deletion_vector_descriptor()
                .map(|_| serde_json::Value::Bool(true)),
        };
        replay.add(add)?;
    }
    Ok(replay)
}

/// Paths as the log writes them: the views give them decoded, which would not cancel the log's own when removed.
async fn raw_paths(
    snapshot: &Snapshot,
    log: &dyn deltalake_core::logstore::LogStore,
    location: &str,
) -> Result<Vec<String>> {
    let batches: Vec<_> = snapshot
        .files(log, None)
        .try_collect()
        .await
        .map_err(|error| failure(error, location))?;
    let mut paths = Vec::new();
    for batch in batches {
        let column = batch
            .column_by_name("path")
            .ok_or_else(|| Error::internal("delta-rs lists files without paths"))?;
        let texts: Box<dyn Iterator<Item = Option<&str>>> = match column.data_type() {
            DataType::Utf8View => Box::new(column.as_string_view().iter()),
            DataType::LargeUtf8 => Box::new(column.as_string::<i64>().iter()),
            _ => Box::new(column.as_string::<i32>().iter()),
        };
        paths.extend(texts.flatten().map(str::to_string));
    }
    Ok(paths)
}

/// Both sides speak the log's JSON.
fn convert<T: serde::de::DeserializeOwned>(
    action: &impl serde::Serialize,
    location: &str,
) -> Result<T> {
    serde_json::to_value(action)
        .and_then(serde_json::from_value)
        .map_err(|error| {
            Error::corrupt("the table's checkpoint cannot be read")
                .code(Code(802))
                .at(location)
                .caused_by(error)
        })
}

fn failure(error: DeltaTableError, location: &str) -> Error {
    match error {
        DeltaTableError::ObjectStore { source } => failed(location, source),
        error => match failed_within(location, &error) {
            Some(failure) => failure,
            None => Error::corrupt("delta-rs cannot read the table's log")
                .code(Code(802))
                .at(location)
                .caused_by(error.to_string()),
        },
    }
}
