//! A Delta table of somebody else as an export: one version of it, read whole.
//!
//!   entry of its log ─▶ files of that version (`lake`) ─▶ each copied to the scratch disk ─▶ as Parquet's records
//!
//! The export is the entry of the log: its path names it in the ledger, its bytes say whether it is the same.

use std::fs::File;
use std::path::Path;

use tokio::runtime::Handle;

use super::export::{Attempt, Export, ReadRequest, Task, records_or_flaw};
use super::export_store::ExportStore;
use super::flaw::is_unreadable;
use super::format::{DeltaColumn, DeltaFiles, Seen, copy, format};
use super::output::Written;
use super::parts;
use crate::diagnostic::Code;
use crate::error::{Error, ErrorKind, Result};
use crate::lake::{SourceFile, SourceVersion, table_of_entry};
use crate::store::Store;

/// Decodes the version of a Delta table whose entry in the log is the export.
///
/// # Errors
/// As of any export that is read.
pub(super) async fn read_version(raw: &ExportStore, request: ReadRequest) -> Result<Attempt> {
    let export = &request.export.clone();
    let entry = raw.store.get(&export.path).await?;
    let modified_at = raw
        .store
        .head(&export.path)
        .await?
        .map(|entry| entry.modified_at);
    let (Some(entry), Some(modified_at)) = (entry, modified_at) else {
        return Err(parts::gone(&export.location));
    };
    let content = (
        entry.len() as u64,
        blake3::hash(&entry).to_hex().to_string(),
    );
    let task = Task {
        request,
        modified_at,
    };
    let version = match version_of(raw, export).await {
        Err(error) if is_unreadable(&error) => return task.attempt(Err(error), content, None),
        version => version?,
    };
    let (store, runtime) = (raw.store.clone(), Handle::current());
    let worker = tokio::task::spawn_blocking(move || {
        task.make_scratch()?;
        let fetch = |file: &SourceFile, to: &Path| runtime.block_on(fetch(&store, file, to));
        let records = records_or_flaw(records(&task, version, fetch))?;
        task.attempt(records, content, None)
    });
    worker.await.map_err(|error| {
        Error::internal("a decoder broke down")
            .at(&export.path)
            .caused_by(error)
    })?
}

/// The names of its columns; `None` for one that cannot be read: whoever reads it says why.
///
/// # Errors
/// `Unavailable` where storage fails.
pub(super) async fn look_at_version(
    raw: &ExportStore,
    export: &Export,
) -> Result<Option<Vec<String>>> {
    match version_of(raw, export).await {
        Ok(version) => Ok(Some(version.columns.into_iter().map(|c| c.name).collect())),
        Err(error) if error.kind() == ErrorKind::Input => Ok(None),
        Err(error) => Err(error),
    }
}

async fn version_of(raw: &ExportStore, export: &Export) -> Result<SourceVersion> {
    let (folder, version) = table_of_entry(&export.path).ok_or_else(|| {
        Error::internal("an export of a Delta table is no entry of a log").at(&export.path)
    })?;
    raw.tables.version(folder, version).await
}

/// Every record of a version.
fn records(
    task: &Task,
    version: SourceVersion,
    fetch: impl Fn(&SourceFile, &Path) -> Result<File>,
) -> Result<(Seen, Written)> {
    let converter = format(&task.request.source.read).converter();
    let size = version.files.iter().map(|file| file.size).sum();
    task.conformed(size, converter, |mut decoding| {
        let columns = version.columns.into_iter().map(|column| DeltaColumn {
            name: column.name,
            partition: column.partition,
        });
        let mut files = DeltaFiles::new(columns.collect(), &decoding)?;
        for file in &version.files {
            let content = fetch(file, decoding.scratch)?;
            files.read(content, &file.partition_values, &mut decoding)?;
        }
        Ok(files.seen())
    })
}

/// A file of the table, copied to the builder's disk.
async fn fetch(store: &Store, file: &SourceFile, to: &Path) -> Result<File> {
    let location = object_store::path::Path::parse(&file.path).map_err(|error| {
        Error::input("a file of the Delta table has a name that cannot be addressed")
            .code(Code(191))
            .at(file.path.as_str())
            .caused_by(error)
    })?;
    store.refuse_other_than_file(&file.path).await?;
    let parts = parts::open(&store.object_store(), &location, file.size).await;
    let parts = parts.map_err(|error| match error.number() {
        Some(Code(404)) => Error::input("a data file of the Delta table is gone")
            .code(Code(191))
            .at(file.path.as_str())
            .help(
                "a VACUUM took it: read a newer version, or let its sender keep files for longer",
            ),
        _ => error,
    })?;
    let (to, name) = (to.to_path_buf(), file.path.clone());
    let copied = parts.read(move |mut raw| copy(&mut raw, &to, &name));
    copied.await??.ok_or_else(|| {
        Error::input("a data file of the Delta table is empty")
            .code(Code(191))
            .at(file.path.as_str())
            .help("ask its sender to write the version again")
    })
}
