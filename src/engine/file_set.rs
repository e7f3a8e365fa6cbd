//! The Parquet files that are a table at one version.

use datafusion::arrow::datatypes::SchemaRef;

/// A table's content: these files, whole, and nothing else.
#[derive(Clone, Debug)]
pub(crate) struct FileSet {
    /// Folder below the lake's root, `/`-separated, no slash at either end.
    pub(crate) location: String,
    /// Every column in published order, partition columns among them.
    pub(crate) schema: SchemaRef,
    /// Columns that are folders, not in the files.
    pub(crate) partition_columns: Vec<String>,
    pub(crate) files: Vec<DataFile>,
}

/// One Parquet file of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DataFile {
    /// Path below the table's location, not URL-encoded.
    pub(crate) path: String,
    /// Bytes.
    pub(crate) size: u64,
    pub(crate) rows: u64,
    /// Value of each partition column, in the order of `FileSet::partition_columns`; `None` is null.
    pub(crate) partition_values: Vec<Option<String>>,
}
