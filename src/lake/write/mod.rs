//! A plan's rows → the Parquet files of a candidate.
//!
//! In: any physical plan and a [`WriteSpec`]. Out: [`Written`]: files, digest, counters. Adds the last cast to the
//! contract, buckets and order, and runs a [`WriteExec`]. Publishes nothing: no log is touched here.
//!
//! ```text
//! plan ─▶ cast to contract ─▶ hash to buckets ─▶ sort ─▶ WriteExec ─▶ a row for each file
//!                             (one bucket: sort each part, then merge;
//!                              a plan whose partitions are ranges of the key: these are the buckets)
//! ```
//!
//! Equal rows give equal files whatever the number of threads: buckets are made by key, rows within a bucket stand in
//! total order, batches are cut anew before encoding. (Where memory runs out, row groups end early: other bytes, the
//! same rows.)

mod duplicates;
mod encoding;
mod file;
mod layout;
mod node;
mod partition;
mod row;
mod row_groups;
mod share;
mod statistics;
mod total_order;
mod whole;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::physical_expr::{Partitioning, PhysicalExpr};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use futures::TryStreamExt;
use tokio::task::JoinSet;

pub(crate) use layout::order_of;
pub(crate) use node::WriteExec;
pub(crate) use whole::write_whole;

use self::row::FileRow;
use super::Digest;
use super::delta_log::Add;
use super::path;
use crate::engine::{DataFile, failure, watched};
use crate::error::{Error, Result};
use crate::name::{ClaimNumber, RunId};
use crate::release::LiveFile;

/// How rows are laid into files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// For published tables: this many buckets by hash of the key, or those of a plan that has the rows in ranges of the key; each
    /// sorted by partition columns, key, then all else.
    Sorted {
        /// At least 1; a property of the table, never of the machine.
        buckets: usize,
    },
    /// For scratch tables: a writer for each partition of the plan, rows as they come. No partition columns.
    AsComputed,
}

/// What is written, where, and what is counted on the way.
#[derive(Clone, Debug)]
pub(crate) struct WriteSpec {
    /// Store of the plan's session; see `engine::lake_url` and `engine::scratch_url`.
    pub(crate) store: ObjectStoreUrl,
    /// The store's root, where it is a folder of this machine and what is written will be published: large files then go to the
    /// disk while others are still computed.
    pub(crate) folder: Option<PathBuf>,
    /// Folder of the table below the store's root, no slash at either end.
    pub(crate) location: String,
    /// The contract's columns in its order, in published types; the plan yields columns of these names.
    pub(crate) schema: SchemaRef,
    /// May be empty.
    pub(crate) key: Vec<String>,
    /// Columns of type varchar, boolean, integer, bigint or date. May be empty.
    pub(crate) partition_by: Vec<String>,
    pub(crate) layout: Layout,
    pub(crate) claim: ClaimNumber,
    pub(crate) run: RunId,
    /// 0, and 1 for the second try of a step: names are used once.
    pub(crate) attempt: u32,
    /// No value of these columns leaves the data pages: no minimum, no maximum, in no log and no footer.
    pub(crate) personal: BTreeSet<String>,
    /// Columns that have minimum and maximum in the log; personal and nested ones are passed over.
    pub(crate) statistics_columns: Vec<String>,
    /// Boolean expressions over `schema`, each counted where true.
    pub(crate) counters: Vec<Arc<dyn PhysicalExpr>>,
    pub(crate) written_at: DateTime<Utc>,
}

/// One file: as `release` publishes it, and as `engine` scans it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WrittenFile {
    pub(crate) live: LiveFile,
    pub(crate) data: DataFile,
}

/// A candidate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// By path; none for an empty result.
    pub(crate) files: Vec<WrittenFile>,
    pub(crate) rows: u64,
    pub(crate) digest: Digest,
    /// Rows for which each of the spec's counters was true, in its order.
    pub(crate) counters: Vec<u64>,
    /// Rows whose key equals that of another row before them. `None` where the layout does not bring equal keys
    /// together (no key, a partition column outside the key, `Layout::AsComputed`): count them with a query.
    pub(crate) duplicate_keys: Option<u64>,
    pub(crate) bytes: u64,
}

/// Runs the plan and writes its rows.
///
/// # Errors
/// `Internal` where plan and spec do not fit; `Quality` for an empty text in a partition column; what running the plan
/// gives, through `engine::failure`. Files already written then lie under this run's names and are swept with it.
pub(crate) async fn write_table(
    context: Arc<TaskContext>,
    plan: Arc<dyn ExecutionPlan>,
    spec: &WriteSpec,
) -> Result<Written> {
    let spec = Arc::new(spec.clone());
    let input = layout::arrange(plan, &spec)?;
    // partitions that share an exchange must all be read at once; ranges share nothing, and each that is open costs memory
    let at_once = match input.output_partitioning() {
        Partitioning::Range(_) => context.session_config().target_partitions().max(1),
        _ => usize::MAX,
    };
    let node: Arc<dyn ExecutionPlan> = Arc::new(WriteExec::try_new(input, Arc::clone(&spec))?);
    let pool = Arc::clone(context.memory_pool());
    let rows = watched(&node, &pool, drain(&node, &context, at_once)).await?;
    merge(rows, &spec)
}

/// One task a partition, so many at once; dropping the set, as an error or a cancelled build does, stops them all.
async fn drain(
    node: &Arc<dyn ExecutionPlan>,
    context: &Arc<TaskContext>,
    at_once: usize,
) -> Result<Vec<FileRow>> {
    let count = node.output_partitioning().partition_count();
    let mut streams = (0..count).map(|partition| {
        let stream = node.execute(partition, Arc::clone(context));
        stream.map_err(failure)
    });
    let mut tasks = JoinSet::new();
    // none begins before all of them share the memory
    let first: Vec<_> = streams.by_ref().take(at_once).collect::<Result<_>>()?;
    for stream in first {
        tasks.spawn(stream.try_collect::<Vec<_>>());
    }
    let mut rows = Vec::new();
    while let Some(task) = tasks.join_next().await {
        if let Some(stream) = streams.next() {
            tasks.spawn(stream?.try_collect::<Vec<_>>());
        }
        let batches = task
            .map_err(|error| DataFusionError::ExecutionJoin(Box::new(error)))
            .and_then(|batches| batches)
            .map_err(failure)?;
        for batch in &batches {
            rows.extend(FileRow::of_batch(batch)?);
        }
    }
    Ok(rows)
}

fn merge(mut rows: Vec<FileRow>, spec: &WriteSpec) -> Result<Written> {
    rows.sort_by(|a, b| a.path.cmp(&b.path));
    let mut written = Written {
        counters: vec![0; spec.counters.len()],
        duplicate_keys: layout::brings_equal_keys_together(spec).then_some(0),
        ..Written::default()
    };
    for row in rows {
        written.rows += row.digest.rows;
        written.bytes += row.size;
        written.digest += row.digest;
        for (total, count) in written.counters.iter_mut().zip(&row.counters) {
            *total += count;
        }
        if let Some(total) = &mut written.duplicate_keys {
            *total += row.duplicate_keys;
        }
        written.files.push(written_file(row, spec)?);
    }
    Ok(written)
}

fn written_file(row: FileRow, spec: &WriteSpec) -> Result<WrittenFile> {
    let add = Add {
        path: path::to_log(&row.path),
        partition_values: spec
            .partition_by
            .iter()
            .cloned()
            .zip(row.partition_values.clone())
            .collect(),
        size: row.size,
        modification_time: spec.written_at.timestamp_millis(),
        data_change: true,
        stats: Some(row.statistics),
        tags: None,
        deletion_vector: None,
    };
    Ok(WrittenFile {
        live: LiveFile {
            path: add.path.clone(),
            size: row.size,
            add: add.line()?,
        },
        data: DataFile {
            path: row.path,
            size: row.size,
            rows: row.digest.rows,
            partition_values: row.partition_values,
        },
    })
}

/// A spec that does not fit its plan or its own columns.
fn misfit(message: impl Into<String>, spec: &WriteSpec) -> Error {
    Error::internal(message).at(spec.location.clone())
}

#[cfg(test)]
mod tests;
