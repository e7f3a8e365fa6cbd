//! Reads Parquet files so that a failure says which file it was and what to do.
//!
//! DataFusion makes a sentence of a footer that cannot be read, and what failed is lost in it. In: its own reader of files.
//! Out: the same, whose errors are kilde's.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ParquetMetaData;

use super::failure;
use crate::diagnostic::Code;
use crate::error::{Error, ErrorKind};
use crate::name::OWN_SCHEMA;

/// DataFusion's factory, and the table whose files it reads.
#[derive(Debug)]
pub(super) struct DataFileReaders {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) inner: CachedParquetFileReaderFactory,
    /// Folder of the table below the lake's root.
    pub(super) table: String,
}

impl ParquetFileReaderFactory for DataFileReaders {
    fn create_reader(
        &self,
        partition_index: usize,
        file: PartitionedFile,
        metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> DataFusionResult<Box<dyn AsyncFileReader + Send>> {
        let file_path = file.object_meta.location.clone();
        let inner = self
            .inner
            .create_reader(partition_index, file, metadata_size_hint, metrics)?;
        Ok(Box::new(DataFileReader {
            inner,
            place: Place {
                store: Arc::clone(&self.store),
                path: file_path,
                table: self.table.clone(),
            },
        }))
    }
}

struct DataFileReader {
    inner: Box<dyn AsyncFileReader + Send>,
    place: Place,
}

impl AsyncFileReader for DataFileReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        let Self { inner, place } = self;
        async move {
            match inner.get_bytes(range).await {
                Ok(bytes) => Ok(bytes),
                Err(error) => Err(place.explained(error).await),
            }
        }
        .boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        let Self { inner, place } = self;
        async move {
            match inner.get_byte_ranges(ranges).await {
                Ok(bytes) => Ok(bytes),
                Err(error) => Err(place.explained(error).await),
            }
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        let Self { inner, place } = self;
        async move {
            match inner.get_metadata(options).await {
                Ok(metadata) => Ok(metadata),
                Err(error) => Err(place.explained(error).await),
            }
        }
        .boxed()
    }
}

/// A file of a table.
struct Place {
    store: Arc<dyn ObjectStore>,
    path: Path,
    table: String,
}

impl Place {
    async fn explained(&self, error: ParquetError) -> ParquetError {
        let table = self.table.replace('/', ".");
        let what = match self.store.head(&self.path).await {
            Err(object_store::Error::NotFound { .. }) => "is gone",
            Ok(_) => "cannot be read",
            // storage is away, and so nothing is known of the file
            Err(away) => {
                let away = DataFusionError::ObjectStore(Box::new(away));
                return ParquetError::External(Box::new(failure(away)));
            }
        };
        let cause = failure(DataFusionError::ParquetError(Box::new(error)));
        if cause.kind() != ErrorKind::Corrupt {
            return ParquetError::External(Box::new(cause));
        }
        let explained = Error::corrupt(format!("a data file of `{table}` {what}"))
            .code(Code(807))
            .at(self.path.to_string())
            // which no selection finds
            .help(match self.table.split('/').next() {
                Some(OWN_SCHEMA) => format!(
                    "restore the file from a backup of the lake, or make the table anew: `kilde build --rebuild {table}`"
                ),
                _ => format!(
                    "restore the file from a backup of the lake, or make the table anew: `kilde build --full-refresh -s {table}`; `kilde rollback N` publishes a release that does not need it"
                ),
            });
        // what a file that is there lacks; of one that is gone there is no more to say
        ParquetError::External(Box::new(match cause.causes().into_iter().next() {
            Some(why) if what != "is gone" => explained.caused_by(why),
            _ => explained,
        }))
    }
}
