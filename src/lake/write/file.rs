//! One Parquet file while it is written: encoder, upload, and the memory that both hold.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::execution::memory_pool::MemoryReservation;
use object_store::ObjectStore;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use tokio::io::AsyncWriteExt;

use super::encoding::{LeafEncoding, encodings};
use super::row_groups::RowGroups;
use super::share::Share;
use crate::diagnostic::Code;
use crate::error::{Error, Result};
use crate::store::failed_within;

/// Bytes sent at once; a smaller file is one put.
const UPLOAD_PART: usize = 8 << 20;

/// Encoded bytes of a row group, which stay in memory until it is whole.
const ROW_GROUP: usize = 16 << 20;

/// Below this a row group is not cut short to give memory back: thousands of tiny groups would cost every reader.
const LEAST_ROW_GROUP: usize = 1 << 20;

/// Encoder settings of a file that begins with these rows.
fn writer_options(
    first_rows: &RecordBatch,
    personal: &BTreeSet<String>,
) -> Result<ArrowWriterOptions> {
    let internal =
        |error: ParquetError| Error::internal("the encoder cannot be set up").caused_by(error);
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).map_err(internal)?))
        .set_created_by(concat!("kilde version ", env!("CARGO_PKG_VERSION")).to_string())
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_max_row_group_bytes(Some(ROW_GROUP))
        // names the items of lists as the Parquet specification does
        .set_coerce_types(true);
    let leaves = ArrowSchemaConverter::new()
        .with_coerce_types(true)
        .convert(first_rows.schema_ref())
        .map_err(internal)?;
    let encodings = encodings(first_rows).map_err(|error| internal(error.into()))?;
    for (leaf, encoding) in leaves.columns().iter().zip(encodings) {
        let path = leaf.path();
        let has_dictionary = encoding == LeafEncoding::Dictionary;
        properties = properties.set_column_dictionary_enabled(path.clone(), has_dictionary);
        if encoding == LeafEncoding::Differences {
            let differences = Encoding::DELTA_BINARY_PACKED;
            properties = properties.set_column_encoding(path.clone(), differences);
        }
        // of what lies within lists no reader asks which rows to pass over
        let is_in_list = leaf.max_rep_level() > 0;
        let root = path.parts().first();
        if is_in_list || root.is_some_and(|root| personal.contains(root)) {
            properties =
                properties.set_column_statistics_enabled(path.clone(), EnabledStatistics::None);
        }
    }
    Ok(ArrowWriterOptions::new()
        .with_properties(properties.build())
        // the types of Parquet say it all; readers stumble over Arrow's own (`Utf8View`)
        .with_skip_arrow_metadata(true))
}

/// A file that is being written. Dropped before [`OpenFile::finish`], it leaves nothing behind.
pub(super) struct OpenFile {
    /// Whole path in the store, for messages.
    path: Path,
    rows: RowGroups,
    /// Takes row groups as they are. `None` once finished or given up.
    upload: Option<BufWriter>,
    reservation: MemoryReservation,
    /// Of the threads that may encode it at once.
    share: Arc<Share>,
}

impl OpenFile {
    /// Begins a file; `first_rows`, of the file's schema, are those that will be written first.
    pub(super) fn create(
        store: &Arc<dyn ObjectStore>,
        path: &str,
        first_rows: &RecordBatch,
        personal: &BTreeSet<String>,
        reservation: MemoryReservation,
        share: Arc<Share>,
    ) -> Result<Self> {
        let options = writer_options(first_rows, personal)?;
        let path = Path::parse(path)
            .map_err(|error| Error::internal("not the path of a data file").caused_by(error))?;
        let upload = BufWriter::with_capacity(Arc::clone(store), path.clone(), UPLOAD_PART)
            .with_max_concurrency(2);
        let rows = RowGroups::new(first_rows.schema(), options)
            .map_err(|error| Error::internal("a data file cannot be begun").caused_by(error))?;
        Ok(Self {
            path,
            rows,
            upload: Some(upload),
            reservation,
            share,
        })
    }

    /// Encodes a batch; ends the row group early where the pool has no memory left. `beside` is done meanwhile.
    pub(super) async fn write<R: Send>(
        &mut self,
        batch: &RecordBatch,
        beside: impl FnOnce() -> R + Send,
    ) -> Result<R> {
        if self.upload.is_none() {
            return Err(Error::internal("a finished file is written to"));
        }
        let result = async {
            let ended = self.rows.ended();
            let told = self.rows.write(batch, self.share.threads(), beside)?;
            if self.rows.ended() > ended {
                self.send().await?;
            }
            if self.reservation.try_resize(self.held()).is_err() {
                if self.rows.in_progress_size() >= LEAST_ROW_GROUP {
                    self.rows.end(self.share.threads())?;
                    self.send().await?;
                }
                // what is left cannot be given back, so it is counted whatever the pool says: others then spill
                self.reservation.resize(self.held());
            }
            Ok(told)
        };
        let result = result.await;
        result.map_err(|error| failure(error, &self.path))
    }

    /// Bytes of memory, those of the upload among them.
    fn held(&self) -> usize {
        self.rows.memory_size() + self.rows.bytes_written().min(UPLOAD_PART)
    }

    /// Hands the row groups that have ended to the upload.
    async fn send(&mut self) -> Result<(), ParquetError> {
        let bytes = self.rows.take_bytes();
        match &mut self.upload {
            Some(upload) => upload.put(bytes).await.map_err(ParquetError::from),
            None => Ok(()),
        }
    }

    /// Bytes so far, what is still in the encoder among them.
    pub(super) fn size(&self) -> usize {
        self.rows.bytes_written() + self.rows.in_progress_size()
    }

    /// Writes the footer, ends the upload; size in bytes and the footer.
    pub(super) async fn finish(mut self) -> Result<(u64, ParquetMetaData)> {
        // an upload that failed in its last step cannot be aborted any more: the store says so by panicking
        let Some(mut upload) = self.upload.take() else {
            return Err(Error::internal("a file is finished twice"));
        };
        let result = async {
            let footer = self.rows.finish(self.share.threads())?;
            upload.put(self.rows.take_bytes()).await?;
            upload.shutdown().await?;
            Ok(footer)
        };
        let result: Result<ParquetMetaData, ParquetError> = result.await;
        let footer = result.map_err(|error| failure(error, &self.path))?;
        Ok((self.rows.bytes_written() as u64, footer))
    }

    /// Gives the upload up.
    pub(super) async fn abort(mut self) {
        if let Some(upload) = self.upload.take() {
            abort(upload).await;
        }
    }
}

impl Drop for OpenFile {
    /// A cancelled task cannot wait, so the abort is left to the runtime.
    fn drop(&mut self) {
        if let (Some(upload), Ok(runtime)) =
            (self.upload.take(), tokio::runtime::Handle::try_current())
        {
            runtime.spawn(abort(upload));
        }
    }
}

async fn abort(mut upload: BufWriter) {
    // what cannot be aborted is an unfinished upload, which the store's own rules expire
    let _ = upload.abort().await;
}

fn failure(error: ParquetError, path: &Path) -> Error {
    failed_within(path.as_ref(), &error).unwrap_or_else(|| {
        Error::unavailable("a data file cannot be written")
            .code(Code(703))
            .at(path.to_string())
            .caused_by(error)
            .help("check that the lake is reachable, has room and may be written, then try again: nothing is lost")
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use datafusion::arrow::array::Int64Array;
    use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
    use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryConsumer, MemoryPool};
    use object_store::local::LocalFileSystem;

    use super::*;

    /// A megabyte that does not compress.
    fn noise(schema: &SchemaRef, seed: u64) -> RecordBatch {
        let mut state = seed + 1;
        let values = Int64Array::from_iter_values((0..1 << 17).map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as i64
        }));
        RecordBatch::try_new(Arc::clone(schema), vec![Arc::new(values)]).unwrap()
    }

    #[tokio::test]
    async fn a_file_dropped_in_the_middle_of_its_upload_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let entries = || std::fs::read_dir(folder.path()).unwrap().count();
        let store: Arc<dyn ObjectStore> =
            Arc::new(LocalFileSystem::new_with_prefix(folder.path()).unwrap());
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]));
        // so little memory that every row group is ended and sent at once
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(1 << 10));
        let memory = MemoryConsumer::new("file").register(&pool);
        let first = noise(&schema, 0);
        let mut file = OpenFile::create(
            &store,
            "n.parquet",
            &first,
            &BTreeSet::new(),
            memory,
            Arc::new(Share::alone(2)),
        )
        .unwrap();
        for seed in 0..20 {
            file.write(&noise(&schema, seed), || ()).await.unwrap();
        }
        assert_eq!(entries(), 1, "the upload has begun");
        drop(file);
        for _ in 0..200 {
            crate::clock::sleep(Duration::from_millis(10)).await;
            if entries() == 0 {
                return;
            }
        }
        panic!("an unfinished upload is left");
    }
}
