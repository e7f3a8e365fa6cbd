//! A whole table as one Parquet file, for readers that know no table format.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::MemoryConsumer;
use futures::{Stream, TryStreamExt};
use object_store::ObjectStore;

use super::file::OpenFile;
use super::share::Share;
use crate::error::Result;

/// Writes all rows to one file, which takes the place of the one before when it is whole; its bytes.
///
/// # Errors
/// What the rows' plan or storage gives; the file before then stays.
pub(crate) async fn write_whole(
    context: &TaskContext,
    store: &Arc<dyn ObjectStore>,
    path: &str,
    schema: &SchemaRef,
    rows: impl Stream<Item = Result<RecordBatch>>,
    personal: &BTreeSet<String>,
) -> Result<u64> {
    let memory = MemoryConsumer::new("whole file").register(context.memory_pool());
    let mut rows = pin!(rows);
    let mut next = rows.try_next().await?;
    let none = RecordBatch::new_empty(Arc::clone(schema));
    let mut file = OpenFile::create(
        store,
        path,
        next.as_ref().unwrap_or(&none),
        personal,
        memory,
        Arc::new(Share::alone(context.session_config().target_partitions())),
    )?;
    // an error drops the file, which gives the upload up
    while let Some(batch) = next {
        file.write(&batch, || ()).await?;
        next = rows.try_next().await?;
    }
    let (bytes, _) = file.finish().await?;
    Ok(bytes)
}
