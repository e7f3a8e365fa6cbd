//! Ends work that stands still: a plan none of whose operators has moved for a minute waits for itself.
//!
//! In: a running plan and the future that drains it. Out: the future's result, or an error that names the operator.
//! A long sort is no standstill: any row, any second of computing, any byte granted or spilled counts as a move.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use datafusion::execution::memory_pool::MemoryPool;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::MetricValue;

use crate::clock;
use crate::diagnostic::Code;
use crate::error::{Error, Result};

/// How long nothing may move.
const STANDSTILL: Duration = Duration::from_secs(60);

/// Awaits `work`, which drains `plan`; dropping it must stop the plan.
///
/// # Errors
/// What `work` gives; `Unavailable` at a standstill.
pub(crate) async fn watched<T>(
    plan: &Arc<dyn ExecutionPlan>,
    pool: &Arc<dyn MemoryPool>,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    watched_for(STANDSTILL, plan, pool, work).await
}

async fn watched_for<T>(
    standstill: Duration,
    plan: &Arc<dyn ExecutionPlan>,
    pool: &Arc<dyn MemoryPool>,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let mut work = pin!(work);
    let mut before = None;
    loop {
        match clock::within(standstill, work.as_mut()).await {
            Some(done) => return done,
            None => {
                let now = (moves(plan), pool.reserved());
                if before == Some(now) {
                    return Err(standing(plan));
                }
                before = Some(now);
            }
        }
    }
}

/// A number that changes whenever an operator does something.
fn moves(plan: &Arc<dyn ExecutionPlan>) -> usize {
    let own = plan.metrics().map_or(0, |metrics| {
        metrics.iter().fold(0_usize, |sum, metric| {
            sum.wrapping_add(metric.value().as_usize())
        })
    });
    plan.children()
        .into_iter()
        .fold(own, |sum, child| sum.wrapping_add(moves(child)))
}

fn standing(plan: &Arc<dyn ExecutionPlan>) -> Error {
    let operator = deepest_unfinished(plan).unwrap_or_else(|| plan.name().to_string());
    Error::unavailable(format!(
        "nothing moved for a minute: `{operator}` waits for ever, or storage does not answer"
    ))
    .code(Code(808))
    .help("run it again; should it stop at the same operator, raise `--memory-limit`")
}

/// The operator whose inputs have ended, or that has none, and that has not ended itself.
fn deepest_unfinished(plan: &Arc<dyn ExecutionPlan>) -> Option<String> {
    let below = plan.children().into_iter().find_map(deepest_unfinished);
    below.or_else(|| {
        let metrics = plan.metrics()?;
        let unfinished = metrics.iter().any(|metric| match metric.value() {
            MetricValue::EndTimestamp(end) => end.value().is_none(),
            _ => false,
        });
        unfinished.then(|| plan.name().to_string())
    })
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::Schema;
    use datafusion::execution::memory_pool::UnboundedMemoryPool;
    use datafusion::physical_plan::empty::EmptyExec;

    use super::*;

    fn plan() -> Arc<dyn ExecutionPlan> {
        Arc::new(EmptyExec::new(Arc::new(Schema::empty())))
    }

    fn pool() -> Arc<dyn MemoryPool> {
        Arc::new(UnboundedMemoryPool::default())
    }

    #[tokio::test]
    async fn a_standstill_ends_and_names_the_operator() {
        let never = std::future::pending::<Result<()>>();
        let error = watched_for(Duration::from_millis(5), &plan(), &pool(), never)
            .await
            .unwrap_err();
        assert!(error.render().contains("`EmptyExec`"), "{}", error.render());
    }

    #[tokio::test]
    async fn slow_work_that_moves_is_waited_for() {
        let pool = pool();
        let busy = async {
            let held = datafusion::execution::memory_pool::MemoryConsumer::new("x").register(&pool);
            for _ in 0..20 {
                held.grow(1);
                clock::sleep(Duration::from_millis(5)).await;
            }
            Ok(7)
        };
        let done = watched_for(Duration::from_millis(20), &plan(), &pool, busy).await;
        assert_eq!(done.unwrap(), 7);
    }
}
