//! Every file of `tests/slt/` holds SQL with the results it must give.
//!
//! `KILDE_COMPLETE=1 cargo test --test it sql::` writes the results into the files instead; read the diff.

use std::fmt;
use std::path::{Path, PathBuf};

use kilde::deps::arrow::array::RecordBatch;
use kilde::deps::arrow::datatypes::{DataType, SchemaRef};
use kilde::deps::arrow::util::display::{ArrayFormatter, FormatOptions};
use kilde::deps::datafusion::error::DataFusionError;
use kilde::deps::datafusion::prelude::{SessionConfig, SessionContext};
use sqllogictest::{
    AsyncDB, DBOutput, DefaultColumnType, Runner, default_normalizer, default_validator,
    strict_column_validator,
};

/// Text, numbers and nulls as the files show them.
const SHOWN: FormatOptions = FormatOptions::new()
    .with_null("NULL")
    .with_display_error(false);

struct Session(SessionContext);

/// The message alone: the files need not know how deep an error was wrapped.
#[derive(Debug)]
struct SqlError(String);

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SqlError {}

impl From<DataFusionError> for SqlError {
    fn from(error: DataFusionError) -> Self {
        Self(error.strip_backtrace())
    }
}

#[async_trait::async_trait]
impl AsyncDB for Session {
    type Error = SqlError;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, SqlError> {
        let frame = self.0.sql(&kilde::readable_sql(sql)).await?;
        let schema: SchemaRef = frame.schema().inner().clone();
        let batches = frame.collect().await?;
        if schema.fields().is_empty() {
            return Ok(DBOutput::StatementComplete(0));
        }
        let types = schema
            .fields()
            .iter()
            .map(|field| shown_type(field.data_type()))
            .collect();
        let mut rows = Vec::new();
        for batch in &batches {
            rows.extend(shown_rows(batch)?);
        }
        Ok(DBOutput::Rows { types, rows })
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &str {
        "kilde"
    }
}

fn shown_type(data_type: &DataType) -> DefaultColumnType {
    match data_type {
        text if text.is_string() => DefaultColumnType::Text,
        integer if integer.is_integer() => DefaultColumnType::Integer,
        number if number.is_numeric() => DefaultColumnType::FloatingPoint,
        _ => DefaultColumnType::Any,
    }
}

fn shown_rows(batch: &RecordBatch) -> Result<Vec<Vec<String>>, SqlError> {
    let columns = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column, &SHOWN))
        .collect::<Result<Vec<_>, _>>()
        .map_err(DataFusionError::from)?;
    let cell = |column: &ArrayFormatter, row: usize| match column.value(row).to_string() {
        text if text.is_empty() => "(empty)".to_string(),
        text => text,
    };
    let rows = 0..batch.num_rows();
    Ok(rows
        .map(|row| columns.iter().map(|column| cell(column, row)).collect())
        .collect())
}

/// The functions of a build and, for the files of `dialect/`, the SQL that it speaks; in small batches and several partitions, so that tables of ten rows meet every border.
#[expect(
    clippy::disallowed_methods,
    reason = "these tests check functions outside of a build"
)]
fn session(speaks_duckdb: bool) -> SessionContext {
    let mut config = SessionConfig::new()
        .with_target_partitions(3)
        .with_batch_size(4);
    if speaks_duckdb {
        for (key, value) in [
            ("dialect", "duckdb"),
            ("parse_float_as_decimal", "true"),
            ("support_varchar_with_length", "true"),
            ("map_string_types_to_utf8view", "false"),
            ("default_null_ordering", "nulls_last"),
        ] {
            config = config.set_str(&format!("datafusion.sql_parser.{key}"), value);
        }
    }
    let context = SessionContext::new_with_config(config);
    kilde::register_udfs(&context);
    context
}

/// Files below `folder` that end in `.slt`, in order.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "slt") {
            files.push(path);
        }
    }
    files.sort();
    files
}

async fn run(file: &Path, complete: bool) -> Result<(), String> {
    let speaks_duckdb = file.components().any(|part| part.as_os_str() == "dialect");
    let mut runner = Runner::new(|| async { Ok(Session(session(speaks_duckdb))) });
    runner.with_column_validator(strict_column_validator);
    if !complete {
        return runner
            .run_file_async(file)
            .await
            .map_err(|error| error.to_string());
    }
    runner
        .update_test_file(
            file,
            " ",
            default_validator,
            default_normalizer,
            strict_column_validator,
        )
        .await
        .map_err(|error| error.to_string())
}

#[tokio::test]
async fn every_statement_gives_the_result_in_its_file() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt");
    let complete = std::env::var_os("KILDE_COMPLETE").is_some_and(|value| value == "1");
    let files = files_below(&folder);
    assert!(!files.is_empty());
    let mut failures = Vec::new();
    for file in files {
        if let Err(failure) = run(&file, complete).await {
            failures.push(failure);
        }
    }
    assert!(
        failures.is_empty(),
        "\n{}\n{} files failed",
        failures.join("\n"),
        failures.len()
    );
}
