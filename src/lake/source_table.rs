//! A Delta table of somebody else, at one version: the files that are it, and what its log says of their columns.

use std::collections::BTreeMap;

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use serde::Deserialize;

use super::delta_log::{Add, DeltaLog, schema_text};
use super::{path, schema};
use crate::diagnostic::Code;
use crate::error::{Error, ErrorKind, Result};
use crate::release::{TableLog, TableState};
use crate::store::Store;

/// Features of readers that make no difference to who reads whole files by the names of their columns. A version that has a
/// file of which a deletion vector takes rows is refused, and so is one whose columns have other names in their files.
const FEATURES: [&str; 7] = [
    "timestampNtz",
    "deletionVectors",
    "columnMapping",
    "v2Checkpoint",
    "vacuumProtocolCheck",
    "typeWidening",
    "typeWidening-preview",
];

/// A table at one version.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SourceVersion {
    /// In the order of the table.
    pub(crate) columns: Vec<SourceColumn>,
    /// By path.
    pub(crate) files: Vec<SourceFile>,
}

/// A column of such a table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SourceColumn {
    pub(crate) name: String,
    /// As the table declares it; `None` for a type that none of our tables can have.
    pub(crate) data_type: Option<DataType>,
    /// What its values are, where the log has them and not the files.
    pub(crate) partition: Option<DataType>,
}

/// A Parquet file of such a table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SourceFile {
    /// Path in the store.
    pub(crate) path: String,
    pub(crate) size: u64,
    /// Values of the partition columns, as text.
    pub(crate) partition_values: BTreeMap<String, Option<String>>,
}

/// The Delta tables of others in one store, for as long as one command looks at it. Whoever looks at the columns of a version
/// and whoever reads it ask for the same state: its log is replayed once.
#[derive(Debug)]
pub(crate) struct SourceTables {
    store: Store,
    log: DeltaLog,
}

impl SourceTables {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            log: DeltaLog::of_others(store.clone(), &FEATURES),
            store,
        }
    }

    /// The newest version of the table whose log lies at `location`, by the names of its entries; `None` where there is none.
    ///
    /// # Errors
    /// `Unavailable` where storage does not answer.
    pub(crate) async fn newest(&self, location: &str) -> Result<Option<u64>> {
        let found = self.store.survey(&path::log_folder(location)).await?;
        let files = found.files.iter().map(|file| &file.path);
        // one that cannot be read is the newest all the same: whoever asks for it is told
        let entries = files.chain(found.unreadable.iter().map(|one| &one.path));
        let versions = entries.filter_map(|path| path::table_of_entry(path));
        let of_table = versions.filter(|(folder, _)| *folder == location);
        Ok(of_table.map(|(_, version)| version).max())
    }

    /// The table whose log lies at `location`, at a version.
    ///
    /// # Errors
    /// `Input` K0191 for a table that cannot be read rightly; what storage says otherwise.
    pub(crate) async fn version(&self, location: &str, version: u64) -> Result<SourceVersion> {
        self.refuse_unreadable_log(location, version).await?;
        let state = self.log.state(location, version).await;
        state
            .and_then(|state| source_version(&state, location))
            .map_err(|error| as_of_others(error, location, version))
    }

    /// Parts of a log are opened by name, by delta-rs too: a pipe among them would be waited for, without end.
    ///
    /// # Errors
    /// Why something of the log cannot be read. The entries of later versions are no part of it.
    async fn refuse_unreadable_log(&self, location: &str, version: u64) -> Result<()> {
        if self.store.location().folder().is_none() {
            return Ok(());
        }
        let found = self.store.survey(&path::log_folder(location)).await?;
        let is_later = |path: &str| {
            let entry = path::table_of_entry(path);
            entry.is_some_and(|(_, later)| later > version)
        };
        let mut unreadable = found.unreadable.iter();
        match unreadable.find(|one| !is_later(&one.path)) {
            Some(one) => Err(one.error()),
            None => Ok(()),
        }
    }
}

fn source_version(state: &TableState, location: &str) -> Result<SourceVersion> {
    let (schema, partition_columns) = schema_text(&state.definition)?;
    let files = state.files.values().map(|live| {
        Ok(SourceFile {
            path: format!("{location}/{}", path::from_log(&live.path)?),
            size: live.size,
            partition_values: Add::of_line(&live.add)?.partition_values,
        })
    });
    Ok(SourceVersion {
        columns: columns(&schema, &partition_columns)?,
        files: files.collect::<Result<_>>()?,
    })
}

/// What is wrong with a table of ours would be damage; one of others is what it is.
fn as_of_others(error: Error, location: &str, version: u64) -> Error {
    if error.kind() != ErrorKind::Corrupt {
        return error;
    }
    Error::input(format!(
        "version {version} of the Delta table cannot be read: {}",
        error.message()
    ))
    .code(Code(191))
    .at(location)
    .help("`kilde explain K0191` says which tables are read")
}

#[derive(Deserialize)]
struct Schema {
    fields: Vec<Column>,
}

#[derive(Deserialize)]
struct Column {
    name: String,
    #[serde(rename = "type")]
    data_type: serde_json::Value,
}

fn columns(text: &str, partition_columns: &[String]) -> Result<Vec<SourceColumn>> {
    let schema: Schema = serde_json::from_str(text).map_err(|error| {
        Error::corrupt("its schema is none")
            .code(Code(802))
            .caused_by(error)
    })?;
    let column = |column: Column| {
        let is_partition = partition_columns.contains(&column.name);
        let partition = column.data_type.as_str().map(partition_type);
        SourceColumn {
            data_type: schema::arrow_type(&column.data_type, &column.name).ok(),
            partition: is_partition.then(|| partition.unwrap_or(DataType::Utf8)),
            name: column.name,
        }
    };
    Ok(schema.fields.into_iter().map(column).collect())
}

/// The type of a partition column; of one that only text can be, text.
fn partition_type(name: &str) -> DataType {
    match name {
        "byte" | "short" | "integer" | "long" => DataType::Int64,
        "float" => DataType::Float32,
        "double" => DataType::Float64,
        "boolean" => DataType::Boolean,
        "date" => DataType::Date32,
        "timestamp" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        "timestamp_ntz" => DataType::Timestamp(TimeUnit::Microsecond, None),
        // decimals are read from their digits
        _ => DataType::Utf8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_say_which_of_them_the_log_has() {
        let schema = r#"{"type":"struct","fields":[
            {"name":"id","type":"long","nullable":true,"metadata":{}},
            {"name":"on","type":"date","nullable":true,"metadata":{}},
            {"name":"tags","type":{"type":"array","elementType":"string","containsNull":true},"nullable":true,"metadata":{}}]}"#;
        let columns = columns(schema, &["on".to_string()]).unwrap();
        let said: Vec<_> = columns
            .iter()
            .map(|c| (c.name.as_str(), c.partition.clone()))
            .collect();
        assert_eq!(columns[0].data_type, Some(DataType::Int64));
        assert_eq!(
            said,
            [("id", None), ("on", Some(DataType::Date32)), ("tags", None)]
        );
        assert!(super::columns("{}", &[]).is_err());
    }
}
