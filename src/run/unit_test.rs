//! Unit tests of steps, run in memory: neither the lake nor an export is touched.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use datafusion::arrow::compute::{cast, concat_batches};
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::dataframe::DataFrame;
use datafusion::datasource::{MemTable, ViewTable};
use futures::{StreamExt, stream};
use object_store::memory::InMemory;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde::{Deserialize, Serialize};

use super::dbt::{Artifacts, Invocation};
use super::{Listener, RunEvent, Runner, observe};
use crate::diagnostic::Diagnostic;
use crate::engine::{self, Engine, EngineOptions};
use crate::error::{Error, Result};
use crate::name::TableName;
use crate::plan::{self, PlannedFixture, PlannedUnitTest, Selection, Shapes};
use crate::quality::{Difference, difference};

/// What a unit test showed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct UnitTestReport {
    pub(crate) table: TableName,
    pub(crate) name: String,
    /// `file:line:column`
    pub(crate) declared_at: String,
    pub(crate) outcome: UnitTestOutcome,
}

/// How a unit test ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UnitTestOutcome {
    Passed,
    /// Other rows came out.
    Differs(Difference),
    /// The step could not be run: why.
    Failed(String),
}

impl UnitTestReport {
    pub(crate) fn has_passed(&self) -> bool {
        matches!(self.outcome, UnitTestOutcome::Passed)
    }
}

impl Runner {
    /// Runs the unit tests of the selected steps.
    ///
    /// # Errors
    /// `Config` with every mistake of the project, or with what is wrong with the selection.
    pub(crate) async fn test(
        &self,
        selection: &Selection,
        listener: &Listener,
    ) -> Result<Vec<UnitTestReport>> {
        let now = self.clock.now();
        let run = self.clock.run_id();
        let observed = match self.readable_if_exists(now)? {
            Some(catalog) => observe::observe(self, &catalog, now).await?.observed,
            // nothing was built yet: the project alone is tested
            None => Default::default(),
        };
        let (tests, shapes) =
            plan::unit_tests(&self.project, &observed, selection, &self.functions)?;
        let reports = self
            .run_unit_tests(&tests.iter().collect::<Vec<_>>())
            .await?;
        self.describe(&shapes, listener, |artifacts| {
            let invocation = Invocation {
                command: "test",
                run,
                started_at: now,
                ended_at: self.clock.now(),
            };
            artifacts.write_manifest(&invocation)?;
            artifacts.write_unit_tests(&invocation, &reports)
        });
        Ok(reports)
    }

    /// Checks the project by itself; gives the doubts that stop nothing.
    ///
    /// # Errors
    /// Every mistake of the project.
    pub(crate) fn check(&self, listener: &Listener) -> Result<Vec<Diagnostic>> {
        let (started_at, run) = (self.clock.now(), self.clock.run_id());
        let checkup = plan::check(&self.project, &self.functions)?;
        self.describe(&checkup.shapes, listener, |artifacts| {
            artifacts.write_manifest(&Invocation {
                command: "parse",
                run,
                started_at,
                ended_at: self.clock.now(),
            })
        });
        Ok(checkup.warnings)
    }

    /// Writes files for other tools, where they are wanted; what goes wrong is a warning.
    pub(super) fn describe(
        &self,
        shapes: &Shapes,
        listener: &Listener,
        write: impl FnOnce(&Artifacts<'_>) -> Result<()>,
    ) {
        let Some(folder) = &self.artifacts else {
            return;
        };
        let artifacts = Artifacts {
            folder,
            project: &self.project,
            shapes,
        };
        if let Err(error) = write(&artifacts) {
            listener(RunEvent::Warning(error.brief()));
        }
    }

    /// Runs unit tests, several at once; reports come in the order of the tests.
    pub(super) async fn run_unit_tests(
        &self,
        tests: &[&PlannedUnitTest],
    ) -> Result<Vec<UnitTestReport>> {
        if tests.is_empty() {
            return Ok(Vec::new());
        }
        let engine = Engine::new(EngineOptions {
            threads: 1,
            memory_limit: self.resources.memory_limit.map(|bytes| bytes as usize),
            spill_dir: self
                .resources
                .spill_dir
                .clone()
                .unwrap_or_else(std::env::temp_dir),
            spill_limit: self.resources.spill_limit,
            lake: Arc::new(InMemory::new()),
            lake_is_far: false,
            as_of: self.clock.now(),
            time_zone: self.project.time_zone,
        })?
        .with_functions(&self.functions)?;
        let zone = self.project.time_zone;
        let reports = stream::iter(tests).map(|test| {
            let engine = &engine;
            async move {
                let outcome = outcome(engine, test, zone).await;
                UnitTestReport {
                    table: test.table.clone(),
                    name: test.name.clone(),
                    declared_at: test.declared_at.clone(),
                    outcome: outcome.unwrap_or_else(|error| {
                        UnitTestOutcome::Failed(error.render().replace('\n', " "))
                    }),
                }
            }
        });
        let at_once = self.resources.threads.max(1);
        Ok(reports.buffered(at_once).collect().await)
    }
}

async fn outcome(
    engine: &Engine,
    test: &PlannedUnitTest,
    zone: chrono_tz::Tz,
) -> Result<UnitTestOutcome> {
    let mut tables: BTreeMap<TableName, Arc<dyn TableProvider>> = BTreeMap::new();
    for (name, fixture) in &test.given {
        let batch = given(fixture)?;
        let table = MemTable::try_new(batch.schema(), vec![vec![batch]]);
        tables.insert(name.clone(), Arc::new(table.map_err(engine::failure)?));
    }
    let mut got = Vec::new();
    for step in &test.computed {
        let inputs = step.inputs.iter().filter_map(|input| {
            let provider = tables.get(input)?;
            Some((input.clone(), Arc::clone(provider)))
        });
        let session = engine.session_at(&inputs.collect(), test.as_of, zone)?;
        let plan = session.state().create_logical_plan(&step.sql).await;
        let plan = plan
            .and_then(|plan| engine::conform(plan, &step.schema))
            .map_err(engine::failure)?;
        if step.table == test.table {
            let frame = DataFrame::new(session.state(), plan);
            got = engine::collect(frame).await?;
        } else {
            let view = ViewTable::new(plan, None);
            tables.insert(step.table.clone(), Arc::new(view));
        }
    }
    let expected = match &test.expect {
        PlannedFixture::Rows(rows) => rows.clone(),
        PlannedFixture::Parquet { path, schema } => read(path, schema)?,
    };
    Ok(match difference(&expected, &got, &test.key)? {
        None => UnitTestOutcome::Passed,
        Some(difference) => UnitTestOutcome::Differs(difference),
    })
}

/// Rows with every column of the table.
fn given(fixture: &PlannedFixture) -> Result<RecordBatch> {
    let (path, schema) = match fixture {
        PlannedFixture::Rows(rows) => return Ok(rows.clone()),
        PlannedFixture::Parquet { path, schema } => (path, schema),
    };
    let found = read(path, schema)?;
    let columns = schema.fields().iter().map(|field| {
        let column = found.column_by_name(field.name()).cloned();
        column.unwrap_or_else(|| new_null_array(field.data_type(), found.num_rows()))
    });
    with_rows(schema.clone(), columns.collect(), found.num_rows())
}

/// The columns of a Parquet file, as the table types them.
fn read(path: &Path, schema: &SchemaRef) -> Result<RecordBatch> {
    let unreadable = |cause: Box<dyn std::error::Error + Send + Sync>| {
        Error::config("the fixture cannot be read")
            .at(path.display().to_string())
            .caused_by(cause)
    };
    let file = File::open(path).map_err(|error| unreadable(Box::new(error)))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)
        .map_err(|error| unreadable(Box::new(error)))?;
    let own = Arc::clone(builder.schema());
    let reader = builder
        .build()
        .map_err(|error| unreadable(Box::new(error)))?;
    let batches = reader
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(|error| unreadable(Box::new(error)))?;
    let rows = concat_batches(&own, &batches).map_err(|error| unreadable(Box::new(error)))?;
    let mut fields = Vec::new();
    let mut columns = Vec::new();
    for (field, column) in own.fields().iter().zip(rows.columns()) {
        let typed = schema.field_with_name(field.name()).map_err(|_| {
            Error::config(format!("the table has no column `{}`", field.name()))
                .at(path.display().to_string())
        })?;
        let column =
            cast(column, typed.data_type()).map_err(|error| unreadable(Box::new(error)))?;
        fields.push(typed.clone());
        columns.push(column);
    }
    with_rows(Arc::new(Schema::new(fields)), columns, rows.num_rows())
}

fn with_rows(schema: SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema, columns, &options).map_err(|error| {
        Error::internal("a fixture does not fit its table").caused_by(Box::new(error))
    })
}
