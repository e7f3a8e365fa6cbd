//! A lake in a temporary folder, for this module's tests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;

use super::{DeltaLog, Layout, TableDefinition, TableIdentity, WriteSpec, Written, write_table};
use crate::engine::{Engine, EngineOptions, FileSet, Joins, lake_url, scan};
use crate::error::Result;
use crate::location::Location;
use crate::name::{ClaimNumber, ReleaseNumber, RunId, TableName};
use crate::release::{EntryDraft, LiveFile, TableLog};
use crate::store::Store;

pub(super) const LOCATION: &str = "gold/people";

pub(super) struct Lake {
    pub(super) folder: tempfile::TempDir,
    pub(super) store: Store,
    pub(super) engine: Engine,
    pub(super) log: DeltaLog,
}

pub(super) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_772_323_572 + seconds, 0).unwrap()
}

pub(super) fn lake() -> Lake {
    lake_with(2, 256 << 20)
}

pub(super) fn lake_with(threads: usize, memory_limit: usize) -> Lake {
    lake_that_spills(threads, memory_limit, None)
}

/// `spill_limit` in bytes on disk.
pub(super) fn lake_that_spills(
    threads: usize,
    memory_limit: usize,
    spill_limit: Option<u64>,
) -> Lake {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("lake")).unwrap();
    let store = Store::open(&Location::Folder(folder.path().join("lake"))).unwrap();
    let engine = Engine::new(EngineOptions {
        threads,
        memory_limit: Some(memory_limit),
        spill_dir: folder.path().join("spill"),
        spill_limit,
        lake: store.object_store(),
        lake_is_far: false,
        as_of: at(0),
        time_zone: chrono_tz::UTC,
    })
    .unwrap();
    Lake {
        log: log(&store),
        folder,
        store,
        engine,
    }
}

fn log(store: &Store) -> DeltaLog {
    let log = DeltaLog::new(store.clone());
    log.belongs_to("lake-1");
    log
}

pub(super) fn spec(schema: &SchemaRef) -> WriteSpec {
    WriteSpec {
        store: lake_url().unwrap(),
        folder: None,
        location: LOCATION.into(),
        schema: Arc::clone(schema),
        key: vec!["id".into()],
        partition_by: vec![],
        layout: Layout::Sorted { buckets: 1 },
        claim: ClaimNumber(12),
        run: RunId("20260301T020612-9f3ac1".into()),
        attempt: 0,
        personal: BTreeSet::from(["email".into()]),
        statistics_columns: vec!["id".into(), "email".into()],
        counters: vec![],
        written_at: at(0),
    }
}

/// Protocol and metadata of a table of that schema.
pub(super) fn definition(spec: &WriteSpec, description: Option<&str>) -> String {
    let table: TableName = "gold.people".parse().unwrap();
    TableDefinition {
        identity: TableIdentity {
            id: "5fba94ed-9794-4965-ba6e-6ee3c0d22af9".into(),
            created_at: at(0),
        },
        table: &table,
        description,
        schema: &spec.schema,
        comments: BTreeMap::from([("email", "as \"given\"")]),
        partition_by: &spec.partition_by,
        statistics_columns: vec!["id".into()],
        retention_days: 30,
    }
    .lines()
    .unwrap()
}

impl Lake {
    /// The logs as they lie in the store: one keeps what it has read.
    pub(super) fn log_of_another_process(&self) -> DeltaLog {
        log(&self.store)
    }

    pub(super) fn session(&self, tables: Vec<(&str, Arc<dyn TableProvider>)>) -> SessionContext {
        let tables = tables
            .into_iter()
            .map(|(name, table)| (name.parse().unwrap(), table))
            .collect();
        self.engine.session(&tables, Joins::Hash).unwrap()
    }

    /// Writes batches, each a partition of the plan.
    pub(super) async fn write(&self, parts: Vec<RecordBatch>, spec: &WriteSpec) -> Result<Written> {
        let schema = parts[0].schema();
        let parts = parts.into_iter().map(|batch| vec![batch]).collect();
        let table = Arc::new(MemTable::try_new(schema, parts).unwrap());
        let session = self.session(vec![("silver.input", table)]);
        let query = session.sql("select * from silver.input").await.unwrap();
        let plan = query.create_physical_plan().await.unwrap();
        write_table(session.task_ctx(), plan, spec).await
    }

    /// Puts the entry of a release at a version.
    pub(super) async fn publish(
        &self,
        version: u64,
        definition: Option<&str>,
        removes: Vec<&LiveFile>,
        adds: Vec<&LiveFile>,
    ) {
        let entry = self.log.entry(&EntryDraft {
            lake_id: "lake-1",
            release: ReleaseNumber(version + 41),
            run: &RunId("20260301T020612-9f3ac1".into()),
            written_at: at(version as i64),
            definition,
            removes,
            adds,
            data_change: true,
        });
        let entry = entry.unwrap();
        self.put(version, std::str::from_utf8(&entry).unwrap())
            .await;
    }

    pub(super) async fn put(&self, version: u64, entry: &str) {
        let path = self.log.entry_path(LOCATION, version);
        let bytes = entry.as_bytes().to_vec().into();
        self.store.put(&path, bytes).await.unwrap();
    }

    /// The table at a version as the engine reads it.
    pub(super) async fn read(&self, version: u64) -> FileSet {
        let state = self
            .log_of_another_process()
            .state(LOCATION, version)
            .await
            .unwrap();
        self.log.file_set(LOCATION, &state).await.unwrap()
    }

    /// Rows of a query over `gold.people`, one text a row.
    pub(super) async fn query(&self, files: &FileSet, sql: &str) -> Vec<String> {
        let table = scan(files, lake_url().unwrap()).unwrap();
        let session = self.session(vec![("gold.people", table)]);
        let batches = session.sql(sql).await.unwrap().collect().await.unwrap();
        texts(&batches)
    }

    pub(super) fn table_folder(&self) -> PathBuf {
        self.folder.path().join("lake").join(LOCATION)
    }
}

/// Cells joined by `|`, null as `∅`.
pub(super) fn texts(batches: &[RecordBatch]) -> Vec<String> {
    use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
    let options = FormatOptions::default().with_null("∅");
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<_> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options).unwrap())
            .collect();
        rows.extend((0..batch.num_rows()).map(|i| {
            let cells: Vec<String> = columns.iter().map(|c| c.value(i).to_string()).collect();
            cells.join("|")
        }));
    }
    rows
}

pub(super) fn batch(schema: &SchemaRef, sql_rows: &[(i64, Option<&str>, &str)]) -> RecordBatch {
    use datafusion::arrow::array::{Int64Array, StringArray};
    RecordBatch::try_new(
        Arc::clone(schema),
        vec![
            Arc::new(Int64Array::from_iter_values(sql_rows.iter().map(|r| r.0))),
            Arc::new(StringArray::from_iter(sql_rows.iter().map(|r| r.1))),
            Arc::new(StringArray::from_iter_values(sql_rows.iter().map(|r| r.2))),
        ],
    )
    .unwrap()
}

/// `id`, `email` (personal), `country`.
pub(super) fn people() -> SchemaRef {
    use datafusion::arrow::datatypes::{DataType, Field};
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("email", DataType::Utf8, true),
        Field::new("country", DataType::Utf8, true),
    ]))
}
