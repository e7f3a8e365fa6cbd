//! What happened, as tables of the release: `ops.runs`, `ops.steps`, `ops.tests`, `ops.releases`.
//!
//! ```text
//! _kilde/runs/<run>.json  ─┐ every earlier run that is not in the tables yet, failed ones too
//! _kilde/releases/<n>.json ┼──▶ rows ──▶ newest file of each table + rows ──▶ part of the next release
//! the run that publishes  ─┘ what it knows of itself before it ends
//! ```
//!
//! Ordinary Delta tables, so that any BI tool charts them. A run that publishes nothing leaves only its report, and the
//! next release folds it in. They never go back with a rollback. No cell value, and nothing of a person, is in them.

mod releases;
mod runs;
mod steps;
mod table;
mod tail;
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Int64Type, SchemaRef};
use datafusion::datasource::MemTable;
use futures::stream::{self, StreamExt};

use self::releases::{RELEASES, ReleaseRow};
use self::runs::RUNS;
use self::steps::STEPS;
use self::table::{Column, HistoryTable, Row};
use self::tests::TESTS;
use super::execute::Execution;
use super::ops_tables::{content_of, own_facts};
use super::publication::write_of;
use super::report::RunReport;
use crate::catalog::Content;
use crate::engine::{self, DataFile, FileSet, Joins};
use crate::error::{ErrorKind, Result};
use crate::lake::{self, Layout, TableDefinition, TableIdentity, WriteSpec, Written};
use crate::name::{ReleaseNumber, TableName};
use crate::release::{LiveFile, TableChange, TableWrite};

/// Reports read at once.
const AT_ONCE: usize = 16;

/// A run as its row tells it.
#[derive(Debug)]
struct Told<'a> {
    report: &'a RunReport,
    /// The release that it published, or is about to.
    release: Option<ReleaseNumber>,
    /// Whether its end and its cost are known.
    has_ended: bool,
}

/// Rows to be added to a table, and the names of rows that they replace.
#[derive(Debug, Default)]
struct Addition {
    rows: Vec<Row>,
    void: BTreeSet<String>,
}

impl Execution {
    /// New versions of the history's tables for the release to be, of which `changes` is all else.
    pub(super) async fn history(
        &self,
        report: &RunReport,
        changes: &BTreeMap<TableName, TableChange>,
        counts: BTreeMap<String, u64>,
    ) -> Result<BTreeMap<TableName, TableWrite>> {
        let known = self.known_runs().await?;
        let earlier = self.earlier_reports(&known).await?;
        let base = self.observation.release.as_ref();
        let number = ReleaseNumber(base.map_or(0, |base| base.number.0) + 1);
        let mut told: Vec<Told<'_>> = earlier
            .iter()
            .map(|report| Told {
                report,
                // a run that decided its release may not have lived to see it
                release: report.release.or_else(|| {
                    let stood = base.filter(|base| base.run == report.run);
                    stood.map(|base| base.number)
                }),
                has_ended: true,
            })
            .collect();
        told.push(Told {
            report,
            release: Some(number),
            has_ended: false,
        });
        let (mut runs, mut steps, mut tests) = (
            Addition::default(),
            Addition::default(),
            Addition::default(),
        );
        for told in &told {
            let run = told.report.run.to_string();
            runs.rows.push(runs::row(told));
            if known.contains_key(&run) {
                runs.void.insert(run);
                continue;
            }
            steps.rows.extend(steps::rows(told, &self.runner.project));
            tests.rows.extend(tests::rows(told));
        }
        let mut releases = self.earlier_releases().await?;
        let run = &report.run;
        let held = report
            .held
            .iter()
            .map(|held| held.table.to_string())
            .collect();
        let planned = ReleaseRow::planned(number, run, report.as_of, base, changes, counts, held);
        releases.rows.push(planned.row());

        let mut writes = BTreeMap::new();
        for (table, addition) in [
            (&RUNS, runs),
            (&STEPS, steps),
            (&TESTS, tests),
            (&RELEASES, releases),
        ] {
            if let Some(write) = self.grow(table, addition).await? {
                writes.insert(table.table()?, write);
            }
        }
        Ok(writes)
    }

    /// Runs that the tables know, and whether they know how each ended.
    async fn known_runs(&self) -> Result<BTreeMap<String, bool>> {
        let mut known = BTreeMap::new();
        for batch in self
            .rows_of(&RUNS, "select run, ended_at from ops.runs")
            .await?
        {
            let (runs, ends) = (batch.column(0).as_string::<i32>(), batch.column(1));
            for (row, run) in runs.iter().enumerate() {
                known.insert(run.unwrap_or_default().to_string(), ends.is_valid(row));
            }
        }
        Ok(known)
    }

    /// Reports of runs that the tables do not know, or not to their end; oldest first.
    async fn earlier_reports(&self, known: &BTreeMap<String, bool>) -> Result<Vec<RunReport>> {
        let runs = self.catalog.lake().run_reports().await?;
        let unknown = runs
            .into_iter()
            .filter(|run| *run != self.run && known.get(&run.to_string()) != Some(&true));
        let reports: Vec<Option<RunReport>> = stream::iter(unknown)
            .map(|run| async move { RunReport::recall(&run, self.catalog.lake()).await })
            .buffered(AT_ONCE)
            .collect()
            .await;
        Ok(reports.into_iter().flatten().collect())
    }

    /// Releases since the newest that the table knows whole, as rows; a rollback publishes without a history of its own.
    async fn earlier_releases(&self) -> Result<Addition> {
        let mut addition = Addition::default();
        let Some(base) = &self.observation.release else {
            return Ok(addition);
        };
        let sql = "select max(release) from ops.releases where published_at is not null";
        let mut newest = 0;
        for batch in self.rows_of(&RELEASES, sql).await? {
            let column = batch.column(0).as_primitive::<Int64Type>();
            newest = column.iter().flatten().fold(newest, i64::max);
        }
        for number in newest as u64 + 1..base.number.0 {
            match self.catalog.lake().release(ReleaseNumber(number)).await {
                Ok(release) => {
                    addition.void.insert(number.to_string());
                    addition.rows.push(ReleaseRow::of(&release).row());
                }
                // maps that were retired are gone, and no build has to stop for one that was lost
                Err(error) if matches!(error.kind(), ErrorKind::Config | ErrorKind::Corrupt) => {}
                Err(error) => return Err(error),
            }
        }
        addition.void.insert(base.number.to_string());
        addition.rows.push(ReleaseRow::of(base).row());
        Ok(addition)
    }

    /// A query over a table of the history; nothing where it is not published yet.
    async fn rows_of(&self, table: &HistoryTable, sql: &str) -> Result<Vec<RecordBatch>> {
        let name = table.table()?;
        let Some(content) = self.published(&name).await? else {
            return Ok(Vec::new());
        };
        self.read(&name, content.file_set, sql).await
    }

    async fn read(&self, name: &TableName, files: FileSet, sql: &str) -> Result<Vec<RecordBatch>> {
        let provider = engine::scan(&files, engine::lake_url()?)?;
        let tables = BTreeMap::from([(name.clone(), provider)]);
        let session = self.catalog.engine().session(&tables, Joins::Hash)?;
        let frame = session.sql(sql).await.map_err(engine::failure)?;
        engine::collect(frame).await
    }

    /// The table with rows added; `None` where there are none, and it exists.
    async fn grow(&self, table: &HistoryTable, addition: Addition) -> Result<Option<TableWrite>> {
        let name = table.table()?;
        let published = self.published(&name).await?;
        if addition.rows.is_empty() && published.is_some() {
            return Ok(None);
        }
        let schema = table.schema();
        let mut kept = published.as_ref().map(files).unwrap_or_default();
        let newest = kept.pop();
        let rows = match &newest {
            Some((_, data)) => {
                let set = FileSet {
                    location: name.location(),
                    schema: Arc::clone(&schema),
                    partition_columns: Vec::new(),
                    files: vec![data.clone()],
                };
                self.read(&name, set, &format!("select * from {name}"))
                    .await?
            }
            None => Vec::new(),
        };
        let new = table.batch(&addition.rows)?;
        let tail = tail::grow(&rows, &addition.void, new, tail::FULL)?;
        if tail.keeps_newest {
            kept.extend(newest);
        }
        let mut written = Written::default();
        for (attempt, file) in (0..).zip(tail.files) {
            let part = self.write_history(&name, &schema, file, attempt).await?;
            written.files.extend(part.files);
        }
        let definition = self.history_definition(table, &name, published.as_ref(), &schema)?;
        let content = content_of(&name, &schema, definition, &[], &kept, &written)?;
        let facts = own_facts(&content);
        Ok(Some(write_of(&content, published.as_ref(), facts)))
    }

    async fn write_history(
        &self,
        name: &TableName,
        schema: &SchemaRef,
        rows: Vec<RecordBatch>,
        attempt: u32,
    ) -> Result<Written> {
        let rows = MemTable::try_new(Arc::clone(schema), vec![rows]).map_err(engine::failure)?;
        let tables = BTreeMap::from([(name.clone(), Arc::new(rows) as _)]);
        let session = self.catalog.engine().session(&tables, Joins::Hash)?;
        let frame = session.table(name.to_string()).await;
        let plan = frame.map_err(engine::failure)?.create_physical_plan().await;
        let spec = WriteSpec {
            store: engine::lake_url()?,
            folder: None,
            location: name.location(),
            schema: Arc::clone(schema),
            key: Vec::new(),
            partition_by: Vec::new(),
            layout: Layout::Sorted { buckets: 1 },
            claim: self.claim,
            run: self.run.clone(),
            attempt,
            // messages name exports, whose paths may name people
            personal: texts(schema),
            statistics_columns: numbers(schema),
            counters: Vec::new(),
            written_at: self.runner.clock.now(),
        };
        lake::write_table(session.task_ctx(), plan.map_err(engine::failure)?, &spec).await
    }

    fn history_definition(
        &self,
        table: &HistoryTable,
        name: &TableName,
        published: Option<&Content>,
        schema: &SchemaRef,
    ) -> Result<String> {
        let identity = match published {
            Some(content) => TableIdentity::of(&content.definition)?,
            None => self.new_identity(),
        };
        let comments = table.columns.iter();
        TableDefinition {
            identity,
            table: name,
            description: Some(table.description),
            schema,
            comments: comments
                .map(|Column(name, _, comment)| (*name, *comment))
                .collect(),
            partition_by: &[],
            statistics_columns: numbers(schema),
            retention_days: self.runner.project.keep.days(),
        }
        .lines()
    }
}

/// Every file of a table, oldest first: names begin with the claim.
fn files(content: &Content) -> Vec<(LiveFile, DataFile)> {
    // both lists are in order of the log's path
    let files = content.files.values().zip(&content.file_set.files);
    files
        .map(|(live, data)| (live.clone(), data.clone()))
        .collect()
}

fn texts(schema: &SchemaRef) -> BTreeSet<String> {
    named(schema, |data_type| *data_type == DataType::Utf8).collect()
}

fn numbers(schema: &SchemaRef) -> Vec<String> {
    named(schema, |data_type| {
        matches!(data_type, DataType::Int64 | DataType::Timestamp(_, _))
    })
    .collect()
}

fn named(schema: &SchemaRef, wanted: fn(&DataType) -> bool) -> impl Iterator<Item = String> + '_ {
    let fields = schema.fields().iter();
    fields
        .filter(move |field| wanted(field.data_type()))
        .map(|field| field.name().clone())
}
