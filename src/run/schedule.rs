//! Tables in order of their inputs, as many at once as there are threads.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use tokio::task::JoinSet;

use crate::error::{Error, Result};
use crate::name::TableName;

/// Runs `work` once for every table of `order`, each after all of its inputs that are in `order` too, at most `limit`
/// at once; earlier tables start first. `work` says whether to go on: after a `false` nothing more is started.
///
/// # Errors
/// `Internal` where a piece of work panicked or was cancelled.
pub(super) async fn in_order<F, W>(
    order: &[TableName],
    inputs: &BTreeMap<TableName, Vec<TableName>>,
    limit: usize,
    work: F,
) -> Result<()>
where
    F: Fn(TableName) -> W,
    W: Future<Output = bool> + Send + 'static,
{
    let known: BTreeSet<&TableName> = order.iter().collect();
    let mut waiting: Vec<(TableName, BTreeSet<TableName>)> = order
        .iter()
        .map(|table| {
            let inputs = inputs.get(table).into_iter().flatten();
            (
                table.clone(),
                inputs
                    .filter(|input| known.contains(input))
                    .cloned()
                    .collect(),
            )
        })
        .collect();
    let mut running = JoinSet::new();
    let mut going = true;
    loop {
        while going && running.len() < limit.max(1) {
            let Some(next) = waiting.iter().position(|(_, inputs)| inputs.is_empty()) else {
                break;
            };
            let (table, _) = waiting.remove(next);
            let piece = work(table.clone());
            running.spawn(async move { (table, piece.await) });
        }
        match running.join_next().await {
            None => return Ok(()),
            Some(Err(error)) => {
                return Err(
                    Error::internal("a piece of the build ended abnormally").caused_by(error)
                );
            }
            Some(Ok((table, go_on))) => {
                going &= go_on;
                for (_, inputs) in &mut waiting {
                    inputs.remove(&table);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    fn name(text: &str) -> TableName {
        text.parse().unwrap()
    }

    async fn finished(limit: usize, stop_at: Option<&str>) -> Vec<String> {
        let order = ["a.one", "a.two", "a.three", "a.four"].map(name);
        let inputs = BTreeMap::from([
            (
                name("a.three"),
                vec![name("a.one"), name("a.two"), name("b.elsewhere")],
            ),
            (name("a.four"), vec![name("a.three")]),
        ]);
        let seen = Arc::new(Mutex::new(Vec::new()));
        in_order(&order, &inputs, limit, |table| {
            let seen = Arc::clone(&seen);
            let go_on = stop_at != Some(table.name());
            async move {
                seen.lock().unwrap().push(table.name().to_string());
                go_on
            }
        })
        .await
        .unwrap();
        Arc::try_unwrap(seen).unwrap().into_inner().unwrap()
    }

    #[tokio::test]
    async fn every_table_runs_after_its_inputs() {
        assert_eq!(finished(1, None).await, ["one", "two", "three", "four"]);
        let two_at_once = finished(2, None).await;
        assert_eq!(&two_at_once[2..], ["three", "four"]);
    }

    #[tokio::test]
    async fn after_a_failure_that_stops_nothing_more_starts() {
        assert_eq!(finished(1, Some("two")).await, ["one", "two"]);
    }
}
