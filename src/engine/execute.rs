//! Runs a query that was planned: every row that a plan yields anywhere in kilde passes here or through the writer, so
//! that none of them can wait for ever.
//!
//! In: a `DataFrame`. Out: its rows, gathered or as they come; or an error that names the operator that stands still.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::DFSchema;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::{DataFrame, SessionContext};
use futures::{Stream, TryStreamExt};

use super::checked_arithmetic::checked;
use super::failure;
use super::watchdog::watched;
use crate::error::{Error, Result};

/// All rows of a query whose result is known to fit in memory.
///
/// # Errors
/// What planning and running it give; `Unavailable` at a standstill.
pub(crate) async fn collect(frame: DataFrame) -> Result<Vec<RecordBatch>> {
    let running = Running::start(frame).await?;
    let Running { plan, pool, rows } = running;
    watched(&plan, &pool, async {
        rows.try_collect().await.map_err(failure)
    })
    .await
}

/// The schema of a query and its rows as they come. Time that the reader takes is its own.
///
/// # Errors
/// What planning gives; in the stream: what running gives, `Unavailable` at a standstill.
pub(crate) async fn stream(
    frame: DataFrame,
) -> Result<(SchemaRef, impl Stream<Item = Result<RecordBatch>> + Send)> {
    let running = Running::start(frame).await?;
    let schema = running.rows.schema();
    let rows = futures::stream::try_unfold(running, async |mut running| {
        let next = watched(&running.plan, &running.pool, async {
            running.rows.try_next().await.map_err(failure)
        });
        Ok(next.await?.map(|batch| (batch, running)))
    });
    Ok((schema, rows))
}

/// All rows of a frame as one batch, for results known to fit.
///
/// # Errors
/// What the plan gives.
pub(crate) async fn collect_whole(frame: DataFrame) -> Result<RecordBatch> {
    let schema = Arc::new(frame.schema().as_arrow().clone());
    let batches = collect(frame).await?;
    concat_batches(&schema, &batches)
        .map_err(|error| Error::internal("batches of one query do not fit").caused_by(error))
}

/// A condition over the rows of a table, evaluated batch by batch outside of any plan.
///
/// # Errors
/// Where it is none; the check of tests rules that out.
pub(crate) fn row_condition(
    session: &SessionContext,
    sql: &str,
    columns: &DFSchema,
) -> Result<Arc<dyn PhysicalExpr>> {
    let parsed = session.parse_sql_expr(sql, columns).map_err(failure)?;
    let state = session.state();
    let context = SimplifyContext::builder()
        .with_schema(Arc::new(columns.clone()))
        .build();
    let typed = ExprSimplifier::new(context).coerce(parsed, columns);
    let checked = typed.and_then(|typed| checked(typed, columns));
    let checked = checked.map_err(failure)?.data;
    state
        .create_physical_expr(checked, columns)
        .map_err(failure)
}

/// A plan under way.
struct Running {
    plan: Arc<dyn ExecutionPlan>,
    pool: Arc<dyn MemoryPool>,
    rows: SendableRecordBatchStream,
}

impl Running {
    async fn start(frame: DataFrame) -> Result<Self> {
        let context = Arc::new(frame.task_ctx());
        let plan = frame.create_physical_plan().await.map_err(failure)?;
        let pool = Arc::clone(context.memory_pool());
        let rows = execute_stream(Arc::clone(&plan), context).map_err(failure)?;
        Ok(Self { plan, pool, rows })
    }
}
