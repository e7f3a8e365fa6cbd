//! Explicit Parquet files as a table.
//!
//! In: a [`FileSet`] and the URL of the store that holds it. Out: a provider whose scan is a plain `DataSourceExec`, so
//! that any executor can run it. Never lists a folder: what the file set does not name is not in the table.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::DateTime;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use object_store::ObjectMeta;
use object_store::path::Path;

use super::data_file_reader::DataFileReaders;
use super::{FileSet, failure};
use crate::error::{Error, Result};

/// A table of exactly these files.
///
/// # Errors
/// `Corrupt` where a partition value is not of its column's type, or a path is no object's path.
pub(crate) fn scan(files: &FileSet, store: ObjectStoreUrl) -> Result<Arc<dyn TableProvider>> {
    let is_partition = |name: &String| files.partition_columns.contains(name);
    let (partition_fields, file_fields): (Vec<_>, Vec<_>) = files
        .schema
        .fields()
        .iter()
        .cloned()
        .partition(|field| is_partition(field.name()));
    let table_schema = TableSchema::builder(Arc::new(Schema::new(file_fields)))
        .with_table_partition_cols(partition_fields)
        .build();
    let scan_schema = table_schema.table_schema();
    let order = files
        .schema
        .fields()
        .iter()
        .map(|field| scan_schema.index_of(field.name()))
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(|error| Error::internal("a column is missing from a scan").caused_by(error))?;
    let mut scan_files = files
        .files
        .iter()
        .map(|file| partitioned_file(files, file, &table_schema))
        .collect::<Result<Vec<_>>>()?;
    scan_files.sort_by(|a, b| a.object_meta.location.cmp(&b.object_meta.location));
    let rows = files.files.iter().map(|file| file.rows).sum::<u64>();
    let bytes = files.files.iter().map(|file| file.size).sum::<u64>();
    Ok(Arc::new(FileSetTable {
        schema: Arc::clone(&files.schema),
        table_schema,
        order,
        location: files.location.clone(),
        store,
        files: scan_files,
        rows: rows as usize,
        bytes: bytes as usize,
    }))
}

fn partitioned_file(
    set: &FileSet,
    file: &super::DataFile,
    table_schema: &TableSchema,
) -> Result<PartitionedFile> {
    let path = format!("{}/{}", set.location, file.path);
    let location = Path::parse(&path).map_err(|error| {
        Error::corrupt("a file's path is malformed")
            .at(&path)
            .caused_by(error)
    })?;
    let values = table_schema
        .table_partition_cols()
        .iter()
        .map(|field| {
            let position = set.partition_columns.iter().position(|c| c == field.name());
            match position.and_then(|i| file.partition_values.get(i)) {
                Some(Some(text)) => {
                    ScalarValue::try_from_string(text.clone(), field.data_type()).map_err(failure)
                }
                Some(None) => ScalarValue::try_from(field.data_type()).map_err(failure),
                None => Err(Error::corrupt(format!(
                    "a file has no value of partition column `{}`",
                    field.name()
                ))),
            }
        })
        .collect::<Result<Vec<_>>>()
        .map_err(|error| {
            Error::corrupt("a file's partition values are not of their columns' types")
                .at(&path)
                .caused_by(error)
        })?;
    // a name is used once for ever, so the footer cache needs no time stamp to tell versions apart
    let meta = ObjectMeta {
        location,
        last_modified: DateTime::UNIX_EPOCH,
        size: file.size,
        e_tag: None,
        version: None,
    };
    Ok(PartitionedFile::new_from_meta(meta).with_partition_values(values))
}

#[derive(Debug)]
struct FileSetTable {
    /// Published order.
    schema: SchemaRef,
    /// DataFusion's order: columns of the files, then partition columns.
    table_schema: TableSchema,
    /// Position in `table_schema` of each published column.
    order: Vec<usize>,
    /// Folder below the store's root.
    location: String,
    store: ObjectStoreUrl,
    /// By path.
    files: Vec<PartitionedFile>,
    rows: usize,
    bytes: usize,
}

impl FileSetTable {
    fn statistics_of(&self, schema: &Schema) -> Statistics {
        let mut statistics = Statistics::new_unknown(schema);
        statistics.num_rows = Precision::Exact(self.rows);
        statistics.total_byte_size = Precision::Inexact(self.bytes);
        statistics
    }
}

#[async_trait]
impl TableProvider for FileSetTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(self.statistics_of(&self.schema))
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        // kept above the scan as well: files and pages are skipped by statistics, rows are not
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        if self.files.is_empty() {
            let schema = match projection {
                Some(indices) => Arc::new(self.schema.project(indices)?),
                None => Arc::clone(&self.schema),
            };
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let columns = match projection {
            Some(indices) => indices.iter().map(|i| self.order[*i]).collect(),
            None => self.order.clone(),
        };
        let runtime = state.runtime_env();
        let footers = runtime.cache_manager.get_file_metadata_cache();
        let store = runtime.object_store(&self.store)?;
        let options = state.table_options().parquet.clone();
        let source = ParquetSource::new(self.table_schema.clone())
            .with_table_parquet_options(options)
            .with_parquet_file_reader_factory(Arc::new(DataFileReaders {
                store: Arc::clone(&store),
                inner: CachedParquetFileReaderFactory::new(store, footers),
                table: self.location.clone(),
            }));
        let partitions = state.config().target_partitions();
        let config = FileScanConfigBuilder::new(self.store.clone(), Arc::new(source))
            .with_file_groups(FileGroup::new(self.files.clone()).split_files(partitions))
            .with_statistics(self.statistics_of(self.table_schema.table_schema()))
            .with_projection_indices(Some(columns))?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}
