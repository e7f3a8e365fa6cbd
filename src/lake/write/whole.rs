//! A whole table as one Parquet file, for readers that know no table format.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use futures::TryStreamExt;
use object_store::ObjectStore;

use super::file::{OpenFile, writer_options};
use crate::engine::failure;
use crate::error::Result;

/// Writes all rows to one file, which takes the place of the one before when it is whole; its bytes.
///
/// # Errors
/// What the rows' plan or storage gives; the file before then stays.
pub(crate) async fn write_whole(
    context: &TaskContext,
    store: &Arc<dyn ObjectStore>,
    path: &str,
    mut rows: SendableRecordBatchStream,
    personal: &BTreeSet<String>,
) -> Result<u64> {
    let schema = rows.schema();
    let memory = MemoryConsumer::new("whole file").register(context.memory_pool());
    let options = writer_options(&schema, personal)?;
    let mut file = OpenFile::create(store, path, &schema, options, memory)?;
    // an error drops the file, which gives the upload up
    while let Some(batch) = rows.try_next().await.map_err(failure)? {
        file.write(&batch).await?;
    }
    let (bytes, _) = file.finish().await?;
    Ok(bytes)
}
