//! One partition of the plan → its files, one open at a time.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::compute::{BatchCoalescer, cast, partition};
use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::cast::as_boolean_array;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool};
use futures::StreamExt;
use object_store::ObjectStore;

use super::duplicates::DuplicateCounter;
use super::file::OpenFile;
use super::row::FileRow;
use super::share::Share;
use super::statistics::delta_statistics;
use super::{WriteSpec, layout};
use crate::diagnostic::Code;
use crate::error::Error;
use crate::lake::{Digest, RowHasher, path};
use crate::release::CandidateName;
use crate::store::hasten;

/// Rows encoded at once. Batches are cut to it anew, since their borders show in the encoded pages.
const CHUNK_ROWS: usize = 8192;

/// A file is closed once it has this many bytes.
const FILE_BYTES: usize = 256 << 20;

/// From here on a file is on its way to the disk before its release waits for it.
const LARGE_FILE: u64 = 1 << 20;

/// Writes all that the stream yields. `share`: of the threads that may encode it at once.
pub(super) async fn write_partition(
    mut input: SendableRecordBatchStream,
    bucket: usize,
    spec: Arc<WriteSpec>,
    store: Arc<dyn ObjectStore>,
    pool: &Arc<dyn MemoryPool>,
    share: Arc<Share>,
) -> Result<Vec<FileRow>> {
    let mut writer = PartitionWriter::new(spec, bucket, store, Arc::clone(pool), share)?;
    let result = async {
        while let Some(batch) = input.next().await {
            writer.push(&batch?).await?;
        }
        writer.finish_file().await
    }
    .await;
    if let Err(error) = result {
        if let Some(current) = writer.current.take() {
            current.file.abort().await;
        }
        return Err(error);
    }
    Ok(writer.finished)
}

struct PartitionWriter {
    spec: Arc<WriteSpec>,
    bucket: usize,
    store: Arc<dyn ObjectStore>,
    pool: Arc<dyn MemoryPool>,
    share: Arc<Share>,
    /// Positions in the spec's schema of the columns that go into files, and of those that are folders.
    file_columns: Vec<usize>,
    folder_columns: Vec<usize>,
    file_schema: SchemaRef,
    statistics_columns: Vec<String>,
    hasher: RowHasher,
    duplicates: Option<DuplicateCounter>,
    pending: BatchCoalescer,
    /// Partition values of the rows in `pending` and `current`.
    values: Vec<Option<String>>,
    current: Option<CurrentFile>,
    finished: Vec<FileRow>,
}

struct CurrentFile {
    file: OpenFile,
    path: String,
    digest: Digest,
    counters: Vec<u64>,
    duplicate_keys: u64,
}

impl PartitionWriter {
    fn new(
        spec: Arc<WriteSpec>,
        bucket: usize,
        store: Arc<dyn ObjectStore>,
        pool: Arc<dyn MemoryPool>,
        share: Arc<Share>,
    ) -> Result<Self> {
        let schema = &spec.schema;
        let folder_columns = spec
            .partition_by
            .iter()
            .map(|name| schema.index_of(name))
            .collect::<Result<Vec<_>, _>>()?;
        let file_columns: Vec<usize> = (0..schema.fields().len())
            .filter(|i| !folder_columns.contains(i))
            .collect();
        let file_schema: Schema = schema.project(&file_columns)?;
        let file_schema = Arc::new(file_schema);
        let duplicates = if layout::brings_equal_keys_together(&spec) {
            Some(DuplicateCounter::new(schema, &spec.key)?)
        } else {
            None
        };
        let public = |column: &&String| !spec.personal.contains(*column);
        Ok(Self {
            pending: BatchCoalescer::new(Arc::clone(schema), CHUNK_ROWS),
            statistics_columns: spec
                .statistics_columns
                .iter()
                .filter(public)
                .cloned()
                .collect(),
            bucket,
            store,
            pool,
            share,
            file_columns,
            folder_columns,
            file_schema,
            hasher: RowHasher::default(),
            duplicates,
            values: Vec::new(),
            current: None,
            finished: Vec::new(),
            spec,
        })
    }

    /// Takes a batch; a change of partition value ends the file.
    async fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        // the contract's schema: every column may be null, whatever the plan knows
        let schema = Arc::clone(&self.spec.schema);
        let batch = RecordBatch::try_new(schema, batch.columns().to_vec())?;
        if self.folder_columns.is_empty() {
            return self.push_run(batch).await;
        }
        let folders: Vec<ArrayRef> = self
            .folder_columns
            .iter()
            .map(|i| Arc::clone(batch.column(*i)))
            .collect();
        if batch.num_rows() == 0 {
            return Ok(());
        }
        for run in partition(&folders)?.ranges() {
            let rows = batch.slice(run.start, run.len());
            let values = self.folder_values(&rows)?;
            if values != self.values {
                self.finish_file().await?;
                self.values = values;
            }
            self.push_run(rows).await?;
        }
        Ok(())
    }

    fn folder_values(&self, rows: &RecordBatch) -> Result<Vec<Option<String>>> {
        let one = rows.slice(0, 1);
        let names = self.spec.partition_by.iter();
        self.folder_columns
            .iter()
            .zip(names)
            .map(|(i, name)| {
                let text = cast(one.column(*i), &DataType::Utf8)?;
                let text = text.as_string::<i32>().iter().next().flatten();
                match text {
                    Some("") => Err(ours(empty_partition_value(name, &self.spec.location))),
                    text => Ok(text.map(str::to_string)),
                }
            })
            .collect()
    }

    async fn push_run(&mut self, rows: RecordBatch) -> Result<()> {
        self.pending.push_batch(rows)?;
        self.write_completed().await
    }

    async fn write_completed(&mut self) -> Result<()> {
        while let Some(chunk) = self.pending.next_completed_batch() {
            self.write_chunk(&chunk).await?;
        }
        Ok(())
    }

    async fn write_chunk(&mut self, chunk: &RecordBatch) -> Result<()> {
        let rows = chunk.project(&self.file_columns)?;
        let mut current = match self.current.take() {
            Some(current) => current,
            None => self.open(&rows)?,
        };
        let CurrentFile {
            file,
            digest,
            counters,
            duplicate_keys,
            ..
        } = &mut current;
        let (hasher, duplicates) = (&mut self.hasher, &mut self.duplicates);
        let spec = &self.spec;
        let count = || -> Result<()> {
            *digest += hasher.digest(chunk).map_err(ours)?;
            if let Some(duplicates) = duplicates {
                *duplicate_keys += duplicates.count(chunk)?;
            }
            for (total, counter) in counters.iter_mut().zip(&spec.counters) {
                let values = counter.evaluate(chunk)?.into_array(chunk.num_rows())?;
                *total += as_boolean_array(&values)?.true_count() as u64;
            }
            Ok(())
        };
        let written = file.write(&rows, count).await;
        let full = current.file.size() >= FILE_BYTES;
        // back in its place before an error leaves, so that it is aborted
        self.current = Some(current);
        written.map_err(ours)??;
        if full {
            self.close().await?;
        }
        Ok(())
    }

    fn open(&self, first_rows: &RecordBatch) -> Result<CurrentFile> {
        let spec = &self.spec;
        let name = CandidateName {
            claim: spec.claim,
            run: spec.run.clone(),
            part: format!(
                "{}-{:04}-{:04}",
                spec.attempt,
                self.bucket,
                self.finished.len()
            ),
        };
        let folder = path::partition_folder(&spec.partition_by, &self.values);
        let path = format!("{folder}{name}");
        let memory =
            MemoryConsumer::new(format!("WriteExec[{}]", self.bucket)).register(&self.pool);
        let file = OpenFile::create(
            &self.store,
            &format!("{}/{path}", spec.location),
            first_rows,
            &spec.personal,
            memory,
            Arc::clone(&self.share),
        )
        .map_err(ours)?;
        Ok(CurrentFile {
            file,
            path,
            digest: Digest::default(),
            counters: vec![0; spec.counters.len()],
            duplicate_keys: 0,
        })
    }

    /// Writes what is pending and ends the file, if there is one.
    async fn finish_file(&mut self) -> Result<()> {
        self.pending.finish_buffered_batch()?;
        self.write_completed().await?;
        self.close().await
    }

    async fn close(&mut self) -> Result<()> {
        let Some(current) = self.current.take() else {
            return Ok(());
        };
        let (size, footer) = current.file.finish().await.map_err(ours)?;
        if let Some(folder) = self.spec.folder.as_ref().filter(|_| size >= LARGE_FILE) {
            hasten(folder.join(&self.spec.location).join(&current.path));
        }
        let statistics = delta_statistics(&footer, &self.file_schema, &self.statistics_columns)?;
        self.finished.push(FileRow {
            path: current.path,
            size,
            partition_values: self.values.clone(),
            statistics,
            digest: current.digest,
            counters: current.counters,
            duplicate_keys: current.duplicate_keys,
        });
        Ok(())
    }
}

fn empty_partition_value(column: &str, location: &str) -> Error {
    Error::quality(format!(
        "partition column `{column}` holds an empty text, which a Delta table cannot tell from null"
    ))
    .code(Code(803))
    .at(location)
    .help(format!("write `nullif({column}, '')` in the query"))
}

/// One of our errors on its way through a plan.
fn ours(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
