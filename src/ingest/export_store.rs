//! Where exports lie, and the ways to them: one look and one read, whatever kind of source it is.

use std::sync::Arc;

use object_store::path::Path;

use super::archive_file::{
    ArchiveFile, KnownArchives, files, hash_of_file, look_at_file, read_file, read_none,
};
use super::delta::{look_at_version, read_version};
use super::export::{Attempt, ReadRequest, read_export};
use super::hash::hash;
use super::look::look;
use crate::error::Result;
use crate::lake::{SourceTables, log_entry};
use crate::project::{PathPattern, Read, in_archive};
use crate::store::{ObjectInfo, Store};

/// Where exports lie.
#[derive(Clone, Debug)]
pub(crate) struct ExportStore {
    pub(crate) store: Store,
    /// Tables of others that lie there.
    pub(super) tables: Arc<SourceTables>,
    /// Archives that lie there.
    pub(super) archives: Arc<KnownArchives>,
}

impl ExportStore {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            tables: Arc::new(SourceTables::new(store.clone())),
            archives: Arc::default(),
            store,
        }
    }

    /// The newest version of the Delta table in a folder, by the name of its entry in the log.
    ///
    /// # Errors
    /// `Unavailable` where storage fails.
    pub(crate) async fn newest_version(&self, folder: &str) -> Result<Option<String>> {
        let newest = self.tables.newest(folder).await?;
        Ok(newest.map(|version| log_entry(folder, version)))
    }

    /// Decodes an export.
    ///
    /// # Errors
    /// What storage says. What cannot be read, or is not as its contract says, is an [`Attempt`].
    pub(crate) async fn read(&self, request: ReadRequest) -> Result<Attempt> {
        let store = self.store.object_store();
        match Kind::of(&request) {
            Kind::File => read_export(&store, request).await,
            Kind::Version => read_version(self, request).await,
            Kind::InArchive => read_file(self, request).await,
            Kind::ArchiveOfNone => read_none(self, request).await,
        }
    }

    /// The names of an export's columns, where it says them; `None` also for what cannot be read: whoever reads it says why.
    /// The scratch folder is created and removed.
    ///
    /// # Errors
    /// `Unavailable` where storage fails.
    pub(crate) async fn look(&self, request: ReadRequest) -> Result<Option<Vec<String>>> {
        let store = self.store.object_store();
        match Kind::of(&request) {
            Kind::File => look(&store, request).await,
            Kind::Version => look_at_version(self, &request.export).await,
            Kind::InArchive => look_at_file(self, request).await,
            Kind::ArchiveOfNone => Ok(None),
        }
    }

    /// The hash that names an export's content: of a version of a table its entry's, of a file of an archive its own. `size`
    /// is what a listing said.
    ///
    /// # Errors
    /// `Input` where it is gone or changes meanwhile; what storage says otherwise.
    pub(crate) async fn hash(&self, path: &str, location: &Path, size: u64) -> Result<String> {
        match in_archive(path) {
            Some((archive, name)) => hash_of_file(self, archive, name).await,
            None => hash(&self.store.object_store(), location, size).await,
        }
    }

    /// The files of an archive, by name.
    ///
    /// # Errors
    /// `Input` K0402 where it is no archive, or a damaged one.
    pub(crate) async fn files_of(&self, archive: &ObjectInfo) -> Result<Vec<ArchiveFile>> {
        files(self, archive).await
    }
}

/// What an export is to storage.
enum Kind {
    File,
    /// Of a Delta table.
    Version,
    InArchive,
    /// An archive that is damaged, or of which no file is an export.
    ArchiveOfNone,
}

impl Kind {
    fn of(request: &ReadRequest) -> Self {
        let ReadRequest { export, source, .. } = request;
        let path = &export.path;
        let names = |archive: &PathPattern| archive.matches(path).is_some();
        let mut patterns = source.patterns.iter();
        match in_archive(path) {
            _ if matches!(source.read, Read::Delta(_)) => Self::Version,
            Some(_) if source.reads_archives() => Self::InArchive,
            _ if patterns.any(|p| p.archive.as_deref().is_some_and(names)) => Self::ArchiveOfNone,
            _ => Self::File,
        }
    }
}
