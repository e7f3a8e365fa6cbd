//! Where exports lie, and the ways to them: one look and one read, whatever kind of source it is.

use std::path::Path;
use std::sync::Arc;

use super::delta::{look_at_version, read_version};
use super::export::{Attempt, Export, Limits, read_export};
use super::look::look;
use crate::error::Result;
use crate::lake::{SourceTables, log_entry};
use crate::project::{Contract, Read, Source};
use crate::store::Store;

/// Where exports lie.
#[derive(Clone, Debug)]
pub(crate) struct ExportStore {
    pub(crate) store: Store,
    /// Tables of others that lie there.
    pub(super) tables: Arc<SourceTables>,
}

impl ExportStore {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            tables: Arc::new(SourceTables::new(store.clone())),
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

    /// Decodes an export. `scratch` is a folder for the files of this one export; it is created.
    ///
    /// # Errors
    /// `Input` where its columns are not those of its contract; what storage says. What cannot be read is an [`Attempt`].
    pub(crate) async fn read(
        &self,
        export: &Export,
        source: &Arc<Source>,
        contract: &Arc<Contract>,
        limits: Limits,
        scratch: &Path,
    ) -> Result<Attempt> {
        if let Read::Delta(_) = source.read {
            return read_version(self, export, source, contract, limits, scratch).await;
        }
        let store = self.store.object_store();
        read_export(&store, export, source, contract, limits, scratch).await
    }

    /// The names of an export's columns, where it says them; `None` also for what cannot be read: whoever reads it says why.
    /// `scratch` is a folder for this one export; it is created and removed.
    ///
    /// # Errors
    /// `Unavailable` where storage fails.
    pub(crate) async fn look(
        &self,
        export: &Export,
        source: &Arc<Source>,
        contract: &Arc<Contract>,
        scratch: &Path,
    ) -> Result<Option<Vec<String>>> {
        if let Read::Delta(_) = source.read {
            return look_at_version(self, export).await;
        }
        let store = self.store.object_store();
        look(&store, export, source, contract, scratch).await
    }
}
