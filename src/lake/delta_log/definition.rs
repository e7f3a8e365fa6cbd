//! What a table is, apart from its files: protocol and metadata, as log lines.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use datafusion::arrow::datatypes::{Schema, SchemaRef};

use super::CHECKPOINT_EVERY;
use super::action::{Format, Line, MetaData, Protocol};
use crate::diagnostic::Code;
use crate::error::{Error, Result};
use crate::lake::{foreign, schema};
use crate::name::TableName;

/// What never changes as long as the table's folder lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableIdentity {
    /// A UUID as text, drawn when the table is created.
    pub(crate) id: String,
    pub(crate) created_at: DateTime<Utc>,
}

/// Everything from which a table's definition is written.
#[derive(Clone, Debug)]
pub(crate) struct TableDefinition<'a> {
    pub(crate) identity: TableIdentity,
    pub(crate) table: &'a TableName,
    pub(crate) description: Option<&'a str>,
    /// In published order.
    pub(crate) schema: &'a Schema,
    /// Column → description.
    pub(crate) comments: BTreeMap<&'a str, &'a str>,
    pub(crate) partition_by: &'a [String],
    /// Columns that have minimum and maximum in the log; never personal ones.
    pub(crate) statistics_columns: Vec<String>,
    /// Days for which releases are kept, and with them every file and log entry.
    pub(crate) retention_days: u32,
}

impl TableDefinition<'_> {
    /// Protocol and metadata as log lines; equal definitions give equal text.
    ///
    /// # Errors
    /// `Internal` for a column type that cannot be published.
    pub(crate) fn lines(&self) -> Result<String> {
        let protocol = Protocol::ours();
        let meta_data = MetaData {
            id: self.identity.id.clone(),
            name: Some(self.table.to_string()),
            description: self.description.map(str::to_string),
            format: Format {
                provider: "parquet".to_string(),
                options: BTreeMap::new(),
            },
            schema_string: schema::to_delta(self.schema, &self.comments)?,
            partition_columns: self.partition_by.to_vec(),
            configuration: self.configuration(),
            created_time: Some(self.identity.created_at.timestamp_millis()),
        };
        definition_lines(protocol, meta_data)
    }

    /// A foreign VACUUM or log cleanup must not break a release that is still kept: both retentions are the releases'.
    fn configuration(&self) -> BTreeMap<String, String> {
        let retention = format!("interval {} days", self.retention_days);
        let mut configuration = BTreeMap::from([
            ("delta.checkpointInterval", CHECKPOINT_EVERY.to_string()),
            ("delta.deletedFileRetentionDuration", retention.clone()),
            ("delta.enableExpiredLogCleanup", "false".to_string()),
            ("delta.logRetentionDuration", retention),
        ]);
        if self.statistics_columns.is_empty() {
            configuration.insert("delta.dataSkippingNumIndexedCols", "0".to_string());
        } else {
            configuration.insert(
                "delta.dataSkippingStatsColumns",
                self.statistics_columns.join(","),
            );
        }
        configuration
            .into_iter()
            .map(|(key, value)| (key.to_string(), value))
            .collect()
    }
}

/// Protocol, then metadata, without a line break at the end.
pub(super) fn definition_lines(protocol: Protocol, meta_data: MetaData) -> Result<String> {
    let protocol = Line {
        protocol: Some(protocol),
        ..Line::default()
    };
    let meta_data = Line {
        meta_data: Some(meta_data),
        ..Line::default()
    };
    Ok(format!("{}\n{}", protocol.text()?, meta_data.text()?))
}

/// The metadata within a definition.
pub(super) fn meta_data(definition: &str) -> Result<MetaData> {
    for line in definition.lines() {
        if let Some(meta_data) = Line::of(line)?.meta_data {
            return Ok(meta_data);
        }
    }
    Err(Error::corrupt("the table's log holds no metadata").code(Code(802)))
}

impl TableIdentity {
    /// The identity of a table that exists.
    ///
    /// # Errors
    /// `Corrupt` where the definition holds no metadata.
    pub(crate) fn of(definition: &str) -> Result<Self> {
        let meta_data = meta_data(definition)?;
        Ok(Self {
            id: meta_data.id,
            created_at: meta_data
                .created_time
                .and_then(DateTime::from_timestamp_millis)
                .unwrap_or_default(),
        })
    }
}

/// Schema, as the log writes it, and partition columns of a definition.
pub(in crate::lake) fn schema_text(definition: &str) -> Result<(String, Vec<String>)> {
    let meta_data = meta_data(definition)?;
    Ok((meta_data.schema_string, meta_data.partition_columns))
}

/// Schema and partition columns of a definition.
pub(super) fn shape(definition: &str) -> Result<(SchemaRef, Vec<String>)> {
    let meta_data = meta_data(definition)?;
    Ok((
        schema::to_arrow(&meta_data.schema_string)?,
        meta_data.partition_columns,
    ))
}

/// Refuses what our scan, which reads whole files by column name, would read wrongly. `known`: features of readers that
/// make no difference to it.
///
/// # Errors
/// `Corrupt`, with the features' names.
pub(super) fn check_readable(
    protocol: &Protocol,
    meta_data: &MetaData,
    location: &str,
    known: &[&str],
) -> Result<()> {
    let features = protocol.reader_features.iter().flatten();
    let features: Vec<&str> = features.map(String::as_str).collect();
    let is_unknown = |feature: &&str| !known.contains(feature);
    let mapped = meta_data
        .configuration
        .get("delta.columnMapping.mode")
        .is_some_and(|mode| mode != "none");
    if protocol.min_reader_version > 3 || features.iter().any(is_unknown) {
        return Err(foreign(
            format!(
                "the table asks its readers for version {} of the Delta protocol with [{}]",
                protocol.min_reader_version,
                features.join(", ")
            ),
            location,
        ));
    }
    if mapped {
        return Err(foreign("the table renames its columns", location));
    }
    if meta_data.format.provider != "parquet" {
        return Err(foreign("the table's files are not Parquet", location));
    }
    Ok(())
}
