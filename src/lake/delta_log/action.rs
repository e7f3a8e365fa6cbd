//! The actions of a Delta log, one JSON object a line; keys in this order, so that equal actions are equal bytes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::diagnostic::Code;
use crate::error::{Error, Result};

/// One line. Actions that do not concern a table's rows (change feed, domain metadata) are passed over.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) commit_info: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) txn: Option<Txn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) protocol: Option<Protocol>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) meta_data: Option<MetaData>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remove: Option<Remove>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) add: Option<Add>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Txn {
    pub(super) app_id: String,
    pub(super) version: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_updated: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Protocol {
    pub(super) min_reader_version: i32,
    pub(super) min_writer_version: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reader_features: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) writer_features: Option<Vec<String>>,
}

impl Protocol {
    /// What every table of ours asks of its readers and writers.
    pub(super) fn ours() -> Self {
        Self {
            min_reader_version: 1,
            min_writer_version: 2,
            reader_features: None,
            writer_features: None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MetaData {
    pub(super) id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    pub(super) format: Format,
    pub(super) schema_string: String,
    pub(super) partition_columns: Vec<String>,
    #[serde(default)]
    pub(super) configuration: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) created_time: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Format {
    pub(super) provider: String,
    #[serde(default)]
    pub(super) options: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Remove {
    pub(super) path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) deletion_timestamp: Option<i64>,
    pub(super) data_change: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) extended_file_metadata: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) partition_values: Option<BTreeMap<String, Option<String>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) size: Option<u64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Add {
    pub(crate) path: String,
    pub(crate) partition_values: BTreeMap<String, Option<String>>,
    /// Bytes.
    pub(crate) size: u64,
    /// Milliseconds since 1970, UTC.
    pub(crate) modification_time: i64,
    pub(crate) data_change: bool,
    /// JSON in a string, as the format wants it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stats: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tags: Option<BTreeMap<String, Option<String>>>,
    /// Never written by us; a table that has a file with one is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) deletion_vector: Option<serde_json::Value>,
}

impl Add {
    /// The whole action as one line of a log.
    pub(crate) fn line(self) -> Result<String> {
        Line {
            add: Some(self),
            ..Line::default()
        }
        .text()
    }

    /// The action of such a line.
    pub(crate) fn of_line(line: &str) -> Result<Self> {
        Line::of(line)?
            .add
            .ok_or_else(|| Error::internal("a live file carries no action that adds it"))
    }

    /// Whether a deletion vector takes rows of the file.
    pub(super) fn is_masked(&self) -> bool {
        let vector = self.deletion_vector.as_ref();
        vector.is_some_and(|vector| !vector.is_null())
    }

    /// Rows of the file, where its statistics say.
    pub(crate) fn rows(&self) -> Option<u64> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Statistics {
            num_records: Option<u64>,
        }
        serde_json::from_str::<Statistics>(self.stats.as_deref()?)
            .ok()?
            .num_records
    }
}

impl Line {
    pub(super) fn of(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|error| {
            // serde's text quotes what it read: keep the position alone
            Error::corrupt("a line of the table's log cannot be read")
                .code(Code(802))
                .caused_by(format!("column {}", error.column()))
        })
    }

    pub(super) fn text(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|error| {
            Error::internal("a line of a table's log cannot be written").caused_by(error)
        })
    }
}
