//! The engine of a process and its sessions: one runtime (memory, spill, stores, threads), many cheap sessions.
//!
//! In: the lake's object store and limits, then the tables that a step reads. Out: a `SessionContext`. Knows no layer's
//! name: a table is `schema.name`, and nothing is found without its schema.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList,
    MemorySchemaProvider, SchemaProvider, TableProvider,
};
use datafusion::config::SpillCompression;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::registry::FunctionRegistry as _;
use datafusion::prelude::{SessionConfig, SessionContext};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;

use super::checked_arithmetic::checking;
use super::clock_functions::register_clock_functions;
use super::failure;
use super::function_registry::{FunctionRegistry, configure_sql, register_functions};
use super::memory::{SpillPool, default_memory_limit};
use super::small_files::SmallFiles;
use super::spill_folder::{Abandoned, SpillFolder};
use crate::error::{Error, Result};
use crate::name::TableName;

const CATALOG: &str = "kilde";

/// No layer can have this name, so a table named without its schema is never found.
const NO_SCHEMA: &str = "?";

/// Below two, DataFusion ignores `prefer_hash_join = false` and builds hash tables that never spill.
const LEAST_PARTITIONS: usize = 2;

/// Sixteen operators that hold a batch each, of rows of a kilobyte.
const BATCH_SHARE: usize = 16 << 10;

/// What the process may use.
#[derive(Debug)]
pub(crate) struct EngineOptions {
    /// Threads that compute; results do not depend on it.
    pub(crate) threads: usize,
    /// Bytes; `None`: 60 % of what is available.
    pub(crate) memory_limit: Option<usize>,
    /// Local folder for what does not fit in memory; emptied when the engine is dropped.
    pub(crate) spill_dir: PathBuf,
    /// Bytes on disk; `None`: whatever the disk holds.
    pub(crate) spill_limit: Option<u64>,
    /// The lake, its root at `/`.
    pub(crate) lake: Arc<dyn ObjectStore>,
    /// Each request to the lake costs its way: small files are kept.
    pub(crate) lake_is_far: bool,
    /// What `now()` and `today()` answer.
    pub(crate) as_of: DateTime<Utc>,
    /// Zone of `today()`.
    pub(crate) time_zone: Tz,
}

/// How joins are planned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Joins {
    /// Fast, but the build side must fit in memory.
    #[default]
    Hash,
    /// Both sides are sorted, and sorts spill: for the second try after [`super::is_out_of_memory`].
    SortMerge,
}

/// One runtime for the whole process.
#[derive(Debug)]
pub(crate) struct Engine {
    base: SessionState,
    scratch_folder: PathBuf,
    /// After what uses it.
    spill_folder: SpillFolder,
}

/// Under this URL every plan finds the lake's objects.
pub(crate) fn lake_url() -> Result<ObjectStoreUrl> {
    ObjectStoreUrl::parse("kilde://lake/").map_err(failure)
}

/// Under this URL plans find results that are read twice and never published: a local folder that goes with the engine.
pub(crate) fn scratch_url() -> Result<ObjectStoreUrl> {
    ObjectStoreUrl::parse("kilde://scratch/").map_err(failure)
}

impl Engine {
    /// Sets up memory, spill folder, stores and functions.
    ///
    /// # Errors
    /// `Unavailable` where the spill folder cannot be made.
    pub(crate) fn new(options: EngineOptions) -> Result<Self> {
        let limit = options.memory_limit.unwrap_or_else(default_memory_limit);
        let pool = Arc::new(SpillPool::new(limit));
        let unusable = |error: Box<dyn std::error::Error + Send + Sync>| {
            Error::unavailable("the spill folder cannot be made")
                .at(options.spill_dir.display().to_string())
                .help("name a writable folder with `--spill-dir`")
                .caused_by(error)
        };
        let spill_folder =
            SpillFolder::claim(&options.spill_dir).map_err(|error| unusable(error.into()))?;
        let disk = DiskManagerBuilder::default()
            .with_mode(DiskManagerMode::Directories(vec![
                spill_folder.path().to_path_buf(),
            ]))
            .with_max_temp_directory_size(options.spill_limit.unwrap_or(i64::MAX as u64));
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::clone(&pool) as Arc<dyn MemoryPool>)
            .with_disk_manager_builder(disk)
            .build_arc()
            .map_err(|error| unusable(failure(error).into()))?;
        let scratch_folder = scratch_folder(&runtime)?;
        let scratch: Arc<dyn ObjectStore> = Arc::new(
            LocalFileSystem::new_with_prefix(&scratch_folder).map_err(|error| {
                Error::unavailable("the scratch folder cannot be used").caused_by(error)
            })?,
        );
        let lake: Arc<dyn ObjectStore> = match options.lake_is_far {
            true => Arc::new(SmallFiles::new(options.lake)),
            false => options.lake,
        };
        runtime.register_object_store(lake_url()?.as_ref(), lake);
        runtime.register_object_store(scratch_url()?.as_ref(), scratch);
        let partitions = options.threads.max(LEAST_PARTITIONS);
        let mut base = base_state(config(partitions, limit), runtime);
        register_functions(&mut base, options.as_of, options.time_zone).map_err(failure)?;
        Ok(Self {
            base,
            scratch_folder,
            spill_folder,
        })
    }

    /// With functions that the project writes in SQL.
    ///
    /// # Errors
    /// `Internal` where DataFusion refuses one.
    pub(crate) fn with_functions(mut self, functions: &FunctionRegistry) -> Result<Self> {
        for function in functions.sql().udfs() {
            self.base.register_udf(function).map_err(failure)?;
        }
        Ok(self)
    }

    /// A session that sees exactly these tables, as `schema.name`.
    ///
    /// # Errors
    /// `Internal` where DataFusion refuses a table.
    pub(crate) fn session(
        &self,
        tables: &BTreeMap<TableName, Arc<dyn TableProvider>>,
        joins: Joins,
    ) -> Result<SessionContext> {
        let mut config = self.base.config().clone();
        config.options_mut().optimizer.prefer_hash_join = joins == Joins::Hash;
        let state = SessionStateBuilder::new_from_existing(self.base.clone())
            .with_config(config)
            .with_catalog_list(catalog_of(tables)?)
            .build();
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the one place that builds sessions"
        )]
        Ok(SessionContext::new_with_state(state))
    }

    /// A session whose clock says another instant: for unit tests, which name their own.
    ///
    /// # Errors
    /// `Internal` where DataFusion refuses a table or a function.
    pub(crate) fn session_at(
        &self,
        tables: &BTreeMap<TableName, Arc<dyn TableProvider>>,
        as_of: DateTime<Utc>,
        time_zone: Tz,
    ) -> Result<SessionContext> {
        let mut state = SessionStateBuilder::new_from_existing(self.base.clone())
            .with_catalog_list(catalog_of(tables)?)
            .build();
        register_clock_functions(&mut state, as_of, time_zone).map_err(failure)?;
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the one place that builds sessions"
        )]
        Ok(SessionContext::new_with_state(state))
    }

    /// A local folder for files of a run; it goes with the engine.
    pub(crate) fn scratch_folder(&self) -> &std::path::Path {
        &self.scratch_folder
    }

    /// Removes what killed processes left in the spill folder; what lives is not touched.
    pub(crate) fn remove_abandoned(&self) -> Abandoned {
        self.spill_folder.remove_abandoned()
    }
}

fn scratch_folder(runtime: &RuntimeEnv) -> Result<PathBuf> {
    let folders = runtime.disk_manager.temp_dir_paths();
    let folder = folders
        .first()
        .ok_or_else(|| Error::internal("the engine has no spill folder"))?
        .join("scratch");
    std::fs::create_dir_all(&folder).map_err(|error| {
        Error::unavailable("the scratch folder cannot be made").caused_by(error)
    })?;
    Ok(folder)
}

fn config(partitions: usize, memory_limit: usize) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_target_partitions(partitions)
        .with_batch_size(batch_rows(memory_limit))
        .with_information_schema(true)
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema(CATALOG, NO_SCHEMA);
    configure_sql(&mut config);
    let options = config.options_mut();
    options.execution.spill_compression = SpillCompression::Lz4Frame;
    // the merge phase of a sort must be able to start: what it sets aside has to fit many sorts at once
    options.execution.sort_spill_reservation_bytes =
        (memory_limit / (partitions * 16)).clamp(64 << 10, 10 << 20);
    // files are read as their contract says, so that a function sees the types it was checked with
    options.execution.parquet.schema_force_view_types = false;
    options.execution.time_zone = None;
    config
}

/// Rows of a batch. An operator must hold at least one, so little memory asks for small ones; results do not depend on
/// it.
fn batch_rows(memory_limit: usize) -> usize {
    (memory_limit / BATCH_SHARE).clamp(256, 8192)
}

fn base_state(config: SessionConfig, runtime: Arc<RuntimeEnv>) -> SessionState {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that builds sessions"
    )]
    checking(SessionStateBuilder::new())
        .with_config(config)
        .with_runtime_env(runtime)
        .with_default_features()
        .build()
}

fn catalog_of(
    tables: &BTreeMap<TableName, Arc<dyn TableProvider>>,
) -> Result<Arc<dyn CatalogProviderList>> {
    let catalog = MemoryCatalogProvider::new();
    for (table, provider) in tables {
        let schema = match catalog.schema(table.schema()) {
            Some(schema) => schema,
            None => {
                let schema: Arc<dyn SchemaProvider> = Arc::new(MemorySchemaProvider::new());
                catalog
                    .register_schema(table.schema(), Arc::clone(&schema))
                    .map_err(failure)?;
                schema
            }
        };
        schema
            .register_table(table.name().to_string(), Arc::clone(provider))
            .map_err(failure)?;
    }
    let list = MemoryCatalogProviderList::new();
    list.register_catalog(CATALOG.to_string(), Arc::new(catalog));
    Ok(Arc::new(list))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Int64Array, RecordBatch};
    use datafusion::arrow::datatypes::{DataType, Field, Schema};
    use datafusion::datasource::MemTable;
    use object_store::memory::InMemory;

    use super::*;

    fn engine(folder: &std::path::Path) -> Engine {
        Engine::new(EngineOptions {
            threads: 1,
            memory_limit: Some(64 << 20),
            spill_dir: folder.join("spill"),
            spill_limit: None,
            lake: Arc::new(InMemory::new()),
            lake_is_far: false,
            as_of: DateTime::UNIX_EPOCH,
            time_zone: Tz::UTC,
        })
        .unwrap()
    }

    fn one_table() -> BTreeMap<TableName, Arc<dyn TableProvider>> {
        let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)]));
        let batch = RecordBatch::try_new(
            Arc::clone(&schema),
            vec![Arc::new(Int64Array::from(vec![1, 2, 3]))],
        )
        .unwrap();
        let table: Arc<dyn TableProvider> =
            Arc::new(MemTable::try_new(schema, vec![vec![batch]]).unwrap());
        BTreeMap::from([("gold.orders".parse().unwrap(), table)])
    }

    #[tokio::test]
    async fn table_is_found_by_schema_and_name_only() {
        let folder = tempfile::tempdir().unwrap();
        let session = engine(folder.path())
            .session(&one_table(), Joins::Hash)
            .unwrap();
        let rows = session
            .sql("from gold.orders select * exclude (id), id where id > 1")
            .await
            .unwrap()
            .collect()
            .await
            .unwrap();
        assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 2);
        assert!(session.sql("select * from orders").await.is_err());
    }

    #[tokio::test]
    async fn joins_follow_the_request_even_on_one_thread() {
        let folder = tempfile::tempdir().unwrap();
        let engine = engine(folder.path());
        for (joins, operator) in [
            (Joins::Hash, "HashJoinExec"),
            (Joins::SortMerge, "SortMergeJoinExec"),
        ] {
            let session = engine.session(&one_table(), joins).unwrap();
            let plan = session
                .sql("select a.id from gold.orders a join gold.orders b on a.id = b.id")
                .await
                .unwrap()
                .create_physical_plan()
                .await
                .unwrap();
            let text = datafusion::physical_plan::displayable(plan.as_ref())
                .indent(false)
                .to_string();
            assert!(text.contains(operator), "{text}");
        }
    }

    #[test]
    fn scratch_folder_goes_with_the_engine() {
        let folder = tempfile::tempdir().unwrap();
        let engine = engine(folder.path());
        assert_eq!(
            std::fs::read_dir(folder.path().join("spill"))
                .unwrap()
                .count(),
            1
        );
        drop(engine);
        assert_eq!(
            std::fs::read_dir(folder.path().join("spill"))
                .unwrap()
                .count(),
            0
        );
    }
}
