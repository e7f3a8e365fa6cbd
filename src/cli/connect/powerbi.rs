//! Power BI reads Parquet, not Delta in a folder.
//!
//! A `.pbids` file names one connection: here the folder of the whole files that `publish: {parquet: …}` keeps at the
//! newest release. A query in M can name each file of a release, so it needs no such copies and stays on its release.

use std::collections::BTreeMap;

use super::super::format;
use super::{Lake, Pinned};
use crate::catalog::Content;
use crate::engine::DataFile;
use crate::error::{Error, Result};
use crate::location::Provider;
use crate::name::TableName;
use crate::project::Project;

/// Refuses where the whole files that a `.pbids` would open are not kept.
pub(super) fn check_published(project: &Project, pinned: &Pinned) -> Result<()> {
    if let Lake::Bucket(bucket, _) = &pinned.lake {
        return Err(Error::config(format!("a .pbids file cannot name `{bucket}`"))
            .help("on Azure `kilde connect powerbi --m` gives a query; else `--lake` names a folder that holds a copy"));
    }
    match pinned.tables.keys().find(|table| !project.parquet_tables.contains(table)) {
        None => Ok(()),
        Some(table) => Err(Error::config(format!(
            "Power BI does not read Delta tables in a folder, and `{table}` is not published as one Parquet file"
        ))
        .help(format!(
            "write `publish: {{parquet: [{}.*]}}` in kilde.yaml and build; or open exactly release {} with `kilde connect powerbi --m`",
            table.schema(),
            pinned.release
        ))),
    }
}

/// A connection to the folder of whole files.
pub(super) fn pbids(pinned: &Pinned) -> Result<String> {
    let file = serde_json::json!({
        "version": "0.1",
        "connections": [{
            "details": {"protocol": "folder", "address": {"path": pinned.path("latest")}},
            "options": {},
            "mode": "Import",
        }],
    });
    format::json(&file)
}

/// One query that lists the tables; each is the release's files, one after another.
///
/// # Errors
/// `Config` for a bucket that Power BI cannot read, or an account of Azure that nobody named.
pub(super) fn query(pinned: &Pinned, contents: &BTreeMap<TableName, Content>) -> Result<String> {
    if let Lake::Bucket(bucket, reach) = &pinned.lake
        && reach.account.is_none()
    {
        let help = match bucket.provider {
            Provider::Azure => "name its account with AZURE_STORAGE_ACCOUNT_NAME",
            _ => "`--lake` names a folder that holds a copy",
        };
        return Err(Error::config(format!("Power BI cannot read `{bucket}`")).help(help));
    }
    let rows: Vec<String> = contents
        .iter()
        .map(|(name, content)| format!("        {{\"{name}\", {}}}", table(pinned, content)))
        .collect();
    Ok(format!(
        "// {}\n// Power BI: Get data, Blank query, Advanced editor, paste; a click on `Table` opens one.\nlet\n    Tables = #table({{\"Name\", \"Data\"}}, {{\n{}\n    }})\nin\n    Tables\n",
        pinned.title,
        rows.join(",\n")
    ))
}

fn table(pinned: &Pinned, content: &Content) -> String {
    let set = &content.file_set;
    let files: Vec<String> = set
        .files
        .iter()
        .map(|file| part(pinned, content, file))
        .collect();
    let combined = format!(
        "Table.Combine({{\n            {}\n        }})",
        files.join(",\n            ")
    );
    if files.is_empty() {
        let names = set.schema.fields().iter().map(|field| text(field.name()));
        return format!("#table({{{}}}, {{}})", names.collect::<Vec<_>>().join(", "));
    }
    combined
}

/// A file, with its partition columns, which stand only in its path.
fn part(pinned: &Pinned, content: &Content, file: &DataFile) -> String {
    let below = format!("{}/{}", content.location, file.path);
    let mut query = format!("Parquet.Document({})", binary(pinned, &below));
    let columns = content.file_set.partition_columns.iter();
    for (column, value) in columns.zip(&file.partition_values) {
        let value = value.as_deref().map_or_else(|| "null".to_string(), text);
        query = format!("Table.AddColumn({query}, {}, each {value})", text(column));
    }
    query
}

/// The bytes of an object.
fn binary(pinned: &Pinned, below: &str) -> String {
    match &pinned.lake {
        Lake::Bucket(bucket, reach) => {
            let account = reach.account.as_deref().unwrap_or_default();
            let path = match bucket.prefix.as_str() {
                "" => below.to_string(),
                prefix => format!("{prefix}/{below}"),
            };
            let url = format!(
                "https://{account}.dfs.core.windows.net/{}/{path}",
                bucket.name
            );
            format!("AzureStorage.DataLakeContents({})", text(&url))
        }
        Lake::Folder(_) => format!("File.Contents({})", text(&pinned.path(below))),
    }
}

/// A text of M: `"` is doubled; `#(` would begin an escape.
fn text(value: &str) -> String {
    let value = value.replace('"', "\"\"").replace("#(", "#(#)(");
    format!("\"{value}\"")
}
