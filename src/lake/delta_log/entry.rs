//! A draft → the exact bytes of a log entry.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;

use super::action::{Add, Line, Remove, Txn};
use crate::error::{Error, Result};
use crate::release::{EntryDraft, LiveFile};

/// Our part of the log's transaction ids.
pub(super) fn app_id(lake_id: &str) -> String {
    format!("kilde/{lake_id}")
}

/// Keys in this order. Nothing here may hold a value of a row.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CommitInfo<'a> {
    timestamp: i64,
    operation: &'a str,
    operation_parameters: BTreeMap<String, String>,
    engine_info: &'a str,
    #[serde(rename = "kilde.release")]
    release: u64,
    #[serde(rename = "kilde.run")]
    run: &'a str,
}

/// Equal drafts give equal bytes: lines in a fixed order, files by path.
///
/// # Errors
/// `Internal` for what is no line of a log.
pub(super) fn entry_bytes(draft: &EntryDraft<'_>) -> Result<Bytes> {
    let now = draft.written_at.timestamp_millis();
    let mut lines = vec![head(draft, now)?, transaction(draft, now)?];
    if let Some(definition) = draft.definition {
        lines.push(definition.trim_end().to_string());
    }
    let mut removes = draft.removes.clone();
    removes.sort_by(|a, b| a.path.cmp(&b.path));
    for file in removes {
        lines.push(removal(file, draft.data_change, now)?);
    }
    let mut adds = draft.adds.clone();
    adds.sort_by(|a, b| a.path.cmp(&b.path));
    for file in adds {
        lines.push(addition(file, draft.data_change)?);
    }
    let mut text = lines.join("\n");
    text.push('\n');
    Ok(Bytes::from(text))
}

fn head(draft: &EntryDraft<'_>, now: i64) -> Result<String> {
    let info = CommitInfo {
        timestamp: now,
        operation: if draft.data_change {
            "WRITE"
        } else {
            "OPTIMIZE"
        },
        operation_parameters: BTreeMap::new(),
        engine_info: concat!("kilde/", env!("CARGO_PKG_VERSION")),
        release: draft.release.0,
        run: &draft.run.0,
    };
    // not through `serde_json::Value`, which would sort the keys
    let info = serde_json::to_string(&info).map_err(|error| {
        Error::internal("what a commit says of itself cannot be written").caused_by(error)
    })?;
    Ok(format!("{{\"commitInfo\":{info}}}"))
}

fn transaction(draft: &EntryDraft<'_>, now: i64) -> Result<String> {
    Line {
        txn: Some(Txn {
            app_id: app_id(draft.lake_id),
            version: draft.release.0 as i64,
            last_updated: Some(now),
        }),
        ..Line::default()
    }
    .text()
}

fn removal(file: &LiveFile, data_change: bool, now: i64) -> Result<String> {
    let remove = Remove {
        path: file.path.clone(),
        deletion_timestamp: Some(now),
        data_change,
        extended_file_metadata: Some(true),
        partition_values: Some(Add::of_line(&file.add)?.partition_values),
        size: Some(file.size),
    };
    Line {
        remove: Some(remove),
        ..Line::default()
    }
    .text()
}

fn addition(file: &LiveFile, data_change: bool) -> Result<String> {
    let mut add = Add::of_line(&file.add)?;
    add.data_change = data_change;
    add.line()
}
