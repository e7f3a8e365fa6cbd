//! Checkpoints, which delta-rs writes and reads: a table's whole state in one Parquet file.

use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::DataType;
use deltalake_core::kernel::Snapshot;
use deltalake_core::{DeltaTable, DeltaTableBuilder, DeltaTableError};
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStore;
use url::Url;

use super::action::{Add, MetaData, Protocol};
use super::replay::{Replay, live_file};
use crate::diagnostic::Code;
use crate::error::{Error, Result};
use crate::lake::path;
use crate::name::ReleaseNumber;
use crate::store::{failed, failed_within};

/// The table through delta-rs, on our store.
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

/// Writes the checkpoint of a version, and the hint that names it.
pub(super) async fn create(
    store: &Arc<dyn ObjectStore>,
    location: &str,
    version: u64,
) -> Result<()> {
    let mut table = table(store, location)?;
    table
        .load_version(version)
        .await
        .map_err(|error| failure(error, location))?;
    deltalake_core::checkpoints::create_checkpoint(&table, None)
        .await
        .map_err(|error| failure(error, location))
}

/// The state at a version, as delta-rs sees it.
pub(super) async fn replay(
    store: &Arc<dyn ObjectStore>,
    location: &str,
    version: u64,
    app_id: &str,
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
        release: release(&table, version, app_id, location).await?,
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
        let file = live_file(add, location)?;
        replay.files.insert(file.path.clone(), file);
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

async fn release(
    table: &DeltaTable,
    version: u64,
    app_id: &str,
    location: &str,
) -> Result<Option<ReleaseNumber>> {
    let mut table = table.clone();
    let failure = |error| failure(error, location);
    table.load_version(version).await.map_err(failure)?;
    let log = table.log_store();
    let number = table
        .snapshot()
        .map_err(failure)?
        .transaction_version(log.as_ref(), app_id)
        .await
        .map_err(failure)?;
    Ok(number.map(|n| ReleaseNumber(n.max(0) as u64)))
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
