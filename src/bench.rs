//! Inner parts opened to `benches/` and `fuzz/`, which see nothing but what is public. No part of the API: it changes with
//! any commit.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::datasource::MemTable;
use object_store::local::LocalFileSystem;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::clock::{Clock, SimulatedClock};
use crate::engine::{self, Engine, EngineOptions, Joins};
use crate::error::{Error, Result};
use crate::ingest::{DecodedExport, Export, Limits, ReadRequest, ScratchFile, decode_export};
use crate::lake::{Layout, RowHasher, WriteSpec, write_table};
use crate::name::{ClaimNumber, TableName};
use crate::project::{Captures, Contract, Project, Source};
use crate::release::Release;

/// Checks a project's SQL, contracts and tests, as `kilde check` does; gives the number of warnings.
///
/// # Errors
/// Every mistake of the project.
pub fn check(project: &Project) -> Result<usize> {
    let functions = crate::engine::project_functions(&project.functions)?;
    crate::plan::check(project, &functions).map(|checkup| checkup.warnings.len())
}

/// The digest of a batch's rows, as text.
///
/// # Errors
/// `Internal` for a column whose type no contract can name.
pub fn digest(batch: &RecordBatch) -> Result<String> {
    Ok(RowHasher::default().digest(batch)?.to_string())
}

/// One export of a project, decoded again and again.
#[derive(Debug)]
pub struct Decoder {
    store: Arc<dyn ObjectStore>,
    export: Export,
    source: Arc<Source>,
    contract: Arc<Contract>,
    max_record_bytes: u64,
    scratch: PathBuf,
}

/// What became of the records of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// As many as the export holds.
    pub records: u64,
    /// Rows written for the table.
    pub accepted: u64,
    /// Rejects written.
    pub rejected: u64,
}

impl Decoder {
    /// A decoder of the export at `path` below the project's `raw`, read into memory now; `scratch` is a folder for what it writes.
    ///
    /// # Errors
    /// `Config` for a table that is no source; `Unavailable` where the export cannot be read.
    pub async fn new(project: &Project, table: &str, path: &str, scratch: &Path) -> Result<Self> {
        let folder = project.raw.folder();
        let folder = folder.ok_or_else(|| Error::config("`raw` is no folder of this machine"))?;
        let bytes = std::fs::read(folder.join(path))
            .map_err(|error| Error::unavailable("the export cannot be read").caused_by(error))?;
        Self::of(project, table, path, bytes, scratch).await
    }

    /// A decoder of these bytes, as an export of the source.
    ///
    /// # Errors
    /// `Config` for a table that is no source.
    pub async fn of(
        project: &Project,
        table: &str,
        path: &str,
        bytes: Vec<u8>,
        scratch: &Path,
    ) -> Result<Self> {
        let table: TableName = table.parse().map_err(Error::config)?;
        let no_source = || Error::config(format!("`{table}` is no source"));
        let size = bytes.len() as u64;
        let location = object_store::path::Path::from(path);
        let store: Arc<dyn ObjectStore> = Arc::new(object_store::memory::InMemory::new());
        store
            .put(&location, bytes.into())
            .await
            .map_err(|error| Error::unavailable("the export cannot be kept").caused_by(error))?;
        let source = project.sources.get(&table).ok_or_else(no_source)?;
        let contract = project.contracts.get(&table).ok_or_else(no_source)?;
        Ok(Self {
            store,
            export: Export {
                location,
                path: path.to_string(),
                size,
                captures: Captures::default(),
            },
            source: Arc::new(source.clone()),
            contract: Arc::new(contract.clone()),
            max_record_bytes: project.max_record_bytes,
            scratch: scratch.to_path_buf(),
        })
    }

    /// Bytes to typed rows that keep their contract, by way of the scratch folder.
    ///
    /// # Errors
    /// As a build that reads the export.
    pub async fn decode(&self) -> Result<Vec<RecordBatch>> {
        self.decoded().await?.accepted.batches()?.collect()
    }

    /// The same, counted: what the export holds, and what was written of it.
    ///
    /// # Errors
    /// As a build that reads the export.
    pub async fn account(&self) -> Result<Account> {
        let decoded = self.decoded().await?;
        let rows = |file: &ScratchFile| -> Result<u64> {
            let batches: Vec<RecordBatch> = file.batches()?.collect::<Result<_>>()?;
            Ok(batches.iter().map(|batch| batch.num_rows() as u64).sum())
        };
        Ok(Account {
            records: decoded.report.records,
            accepted: rows(&decoded.accepted)?,
            rejected: rows(&decoded.rejects)?,
        })
    }

    async fn decoded(&self) -> Result<DecodedExport> {
        decode_export(
            &self.store,
            ReadRequest {
                export: self.export.clone(),
                source: Arc::clone(&self.source),
                contract: Arc::clone(&self.contract),
                limits: Limits {
                    max_record_bytes: self.max_record_bytes,
                    threads: crate::parallel::cores(),
                },
                scratch: self.scratch.clone(),
            },
        )
        .await
    }
}

/// A release's record as it lies in a lake, read and written again.
///
/// # Errors
/// `Corrupt` where it is none.
pub fn rewrite_release(bytes: &[u8]) -> Result<Vec<u8>> {
    let corrupt = |error| Error::corrupt("this is no release").caused_by(error);
    let release: Release = serde_json::from_slice(bytes).map_err(corrupt)?;
    serde_json::to_value(&release)
        .and_then(|value| serde_json::to_vec(&value))
        .map_err(|error| Error::internal("a release is no JSON").caused_by(error))
}

/// Writes tables into a folder.
#[derive(Debug)]
pub struct Writer {
    engine: Engine,
    clock: Arc<dyn Clock>,
}

impl Writer {
    /// A writer into a folder that exists.
    ///
    /// # Errors
    /// `Unavailable` where the folder cannot be used.
    pub fn new(folder: &Path, threads: usize) -> Result<Self> {
        let lake = LocalFileSystem::new_with_prefix(folder)
            .map_err(|error| Error::unavailable("the folder cannot be used").caused_by(error))?;
        let clock: Arc<dyn Clock> = Arc::new(SimulatedClock::default());
        let engine = Engine::new(EngineOptions {
            threads,
            memory_limit: None,
            spill_dir: folder.join("spill"),
            spill_limit: None,
            lake: Arc::new(lake),
            lake_is_far: false,
            as_of: clock.now(),
            time_zone: chrono_tz::UTC,
        })?;
        Ok(Self { engine, clock })
    }

    /// Rows → sorted, digested, encoded files of a candidate; gives their bytes.
    ///
    /// # Errors
    /// `Internal` where a key column is missing.
    pub async fn write(&self, rows: &[RecordBatch], key: &[&str], buckets: usize) -> Result<u64> {
        let Some(first) = rows.first() else {
            return Ok(0);
        };
        let session = self.engine.session(&Default::default(), Joins::Hash)?;
        let table =
            MemTable::try_new(first.schema(), vec![rows.to_vec()]).map_err(engine::failure)?;
        let plan = session
            .read_table(Arc::new(table))
            .map_err(engine::failure)?
            .create_physical_plan()
            .await
            .map_err(engine::failure)?;
        let spec = WriteSpec {
            store: engine::lake_url()?,
            folder: None,
            location: "gold/rows".to_string(),
            schema: first.schema(),
            key: key.iter().map(ToString::to_string).collect(),
            partition_by: Vec::new(),
            layout: Layout::Sorted { buckets },
            claim: ClaimNumber(1),
            run: self.clock.run_id(),
            attempt: 0,
            personal: BTreeSet::new(),
            statistics_columns: key.iter().map(ToString::to_string).collect(),
            counters: Vec::new(),
            written_at: self.clock.now(),
        };
        Ok(write_table(session.task_ctx(), plan, &spec).await?.bytes)
    }
}
