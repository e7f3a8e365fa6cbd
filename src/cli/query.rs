//! `kilde query "select …"`

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use super::format::Columns;
use super::options::Options;
use super::style;
use crate::catalog::View;
use crate::error::{Error, Result};

#[derive(Debug, Args)]
pub(super) struct Query {
    /// SQL over plain table names: select count(*) from gold.customers
    sql: String,
    /// Release to read [default: the newest]
    #[arg(long, value_name = "N")]
    release: Option<u64>,
    /// Read a failed run's candidates, and the release it built on for all else
    #[arg(long, value_name = "RUN", conflicts_with = "release")]
    candidate: Option<String>,
    /// Form of the output
    #[arg(long, value_enum, default_value = "table")]
    format: OutputFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OutputFormat {
    Table,
    Csv,
    Json,
}

impl Query {
    pub(super) async fn run(self, options: &Options) -> Result<ExitCode> {
        let project = Arc::new(options.project()?);
        let catalog = options.catalog(&project)?;
        let view = View::of(self.release, self.candidate);
        let batches = catalog.query(&self.sql, &view).await?;
        style::out(&self.format.text(&batches)?);
        Ok(ExitCode::SUCCESS)
    }
}

impl OutputFormat {
    /// Rows as this form shows them.
    pub(super) fn text(self, batches: &[RecordBatch]) -> Result<String> {
        match self {
            Self::Table => table(batches),
            Self::Csv => csv(batches),
            Self::Json => json(batches),
        }
    }
}

/// Every cell as text, row by row, the header first; null as given.
fn cells(batches: &[RecordBatch], null: &str) -> Result<Vec<Vec<String>>> {
    let options = FormatOptions::default()
        .with_null(null)
        .with_timestamp_tz_format(Some("%Y-%m-%dT%H:%M:%S%.fZ"));
    let unprintable =
        |error| Error::internal("a result cannot be shown as text").caused_by(Box::new(error));
    let mut rows = Vec::new();
    let Some(first) = batches.first() else {
        return Ok(rows);
    };
    rows.push(
        first
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect(),
    );
    for batch in batches {
        let columns = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(unprintable)?;
        for row in 0..batch.num_rows() {
            rows.push(
                columns
                    .iter()
                    .map(|column| column.value(row).to_string())
                    .collect(),
            );
        }
    }
    Ok(rows)
}

fn table(batches: &[RecordBatch]) -> Result<String> {
    let rows = cells(batches, "∅")?;
    let Some(first) = batches.first() else {
        return Ok("0 rows\n".to_string());
    };
    let right: Vec<bool> = first
        .schema()
        .fields()
        .iter()
        .map(|field| field.data_type().is_numeric())
        .collect();
    let mut columns = Columns::new(&right);
    let count = rows.len() - 1;
    for (number, row) in rows.into_iter().enumerate() {
        let row: Vec<String> = row
            .iter()
            .map(|cell| cell.replace(['\n', '\r'], "⏎"))
            .collect();
        let rule = row
            .iter()
            .map(|cell| "─".repeat(cell.chars().count()))
            .collect();
        columns.row(row);
        if number == 0 {
            columns.row(rule);
        }
    }
    Ok(format!(
        "{}{}\n",
        columns.render(""),
        super::format::plural(count as u64, "row")
    ))
}

/// RFC 4180; null is empty.
fn csv(batches: &[RecordBatch]) -> Result<String> {
    let mut text = String::new();
    for row in cells(batches, "")? {
        let row: Vec<String> = row
            .into_iter()
            .map(|cell| match cell.contains(['"', ',', '\n', '\r']) {
                true => format!("\"{}\"", cell.replace('"', "\"\"")),
                false => cell,
            })
            .collect();
        text.push_str(&row.join(","));
        text.push('\n');
    }
    Ok(text)
}

/// One object a line; numbers, booleans and nulls as themselves, all else as text.
fn json(batches: &[RecordBatch]) -> Result<String> {
    let mut text = String::new();
    for batch in batches {
        let schema = batch.schema();
        let rows = cells(std::slice::from_ref(batch), "")?;
        for (index, row) in rows.iter().skip(1).enumerate() {
            let object: serde_json::Map<String, serde_json::Value> = row
                .iter()
                .enumerate()
                .map(|(column, cell)| {
                    let field = schema.field(column);
                    let plain = field.data_type().is_integer()
                        || field.data_type() == &datafusion::arrow::datatypes::DataType::Boolean;
                    let value = match batch.column(column).is_null(index) {
                        true => serde_json::Value::Null,
                        false if plain => serde_json::from_str(cell)
                            .unwrap_or_else(|_| serde_json::Value::String(cell.clone())),
                        false => serde_json::Value::String(cell.clone()),
                    };
                    (field.name().clone(), value)
                })
                .collect();
            text.push_str(&serde_json::Value::Object(object).to_string());
            text.push('\n');
        }
    }
    Ok(text)
}
