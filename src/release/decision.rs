//! What people decided, beside every release: a dense row of immutable objects, each name taken once.
//!
//! A decision stands from the moment its object exists, whoever builds meanwhile and whatever dies: each build reads all of
//! them and brings the tables to what they say. Nothing of a release is touched, so none needs a claim, one can be taken
//! while a build runs or the lake is paused, and no rollback reaches any. What a decision says, the protocol does not know.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::stream::{self, StreamExt, TryStreamExt};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::create::{Creation, create};
use super::lake::Lake;
use super::{json, layout, log};
use crate::error::Result;

/// Decisions fetched at once.
const AT_ONCE: usize = 32;

/// One decision: who took it, when, and what it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Decision<T> {
    format: u32,
    /// Version of kilde that wrote it.
    kilde: String,
    /// Makes the bytes of any two decisions differ.
    nonce: String,
    pub(crate) at: DateTime<Utc>,
    pub(crate) by: String,
    pub(crate) says: T,
}

impl Lake {
    /// Writes a decision down, after all that are there and that number; gives its own, from 1. Where earlier ones are lost, it
    /// stands in their places too, so that the row is dense again. Durable when this returns.
    ///
    /// # Errors
    /// `Unavailable` where storage stays away: it may exist then; deciding the same again does no harm.
    pub(crate) async fn decide<T: Serialize>(&self, by: &str, says: &T, after: u64) -> Result<u64> {
        let decision = Decision {
            format: log::FORMAT,
            kilde: env!("CARGO_PKG_VERSION").to_string(),
            nonce: format!("{:016x}", self.clock.nonce()),
            at: self.clock.now(),
            by: by.to_string(),
            says,
        };
        let bytes = json::to_bytes(&decision)?;
        let there = self.decision_numbers().await?;
        let last = there.last().copied().unwrap_or(0).max(after);
        let mut number = last + 1;
        let mut written = loop {
            let path = layout::decision(number);
            match create(&self.store, &path, &bytes).await? {
                Creation::Ours => break vec![path],
                // somebody else decided at the same moment
                Creation::Theirs(_) => number += 1,
            }
        };
        for gap in (1..=last).filter(|number| !there.contains(number)) {
            let path = layout::decision(gap);
            create(&self.store, &path, &bytes).await?;
            written.push(path);
        }
        self.store.barrier(&written).await?;
        Ok(number)
    }

    /// Every decision by number, oldest first.
    ///
    /// # Errors
    /// `Config` where a newer kilde took one; `Corrupt` where one cannot be read.
    pub(crate) async fn decisions<T: DeserializeOwned>(&self) -> Result<Vec<(u64, Decision<T>)>> {
        let numbers = self.decision_numbers().await?;
        stream::iter(numbers)
            .map(|number| async move {
                let path = layout::decision(number);
                let bytes = self.store.get(&path).await?.unwrap_or_else(Bytes::new);
                let format = |decision: &Decision<T>| decision.format;
                Ok((number, log::read_versioned(&path, &bytes, format)?))
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await
    }

    async fn decision_numbers(&self) -> Result<Vec<u64>> {
        let found = self.store.list(layout::DECISIONS).await?;
        let mut numbers: Vec<u64> = found
            .iter()
            .filter_map(|object| layout::decision_of(&object.path))
            .collect();
        numbers.sort_unstable();
        Ok(numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::super::YieldReason;
    use super::super::fixture::Fixture;
    use super::*;

    #[tokio::test]
    async fn decisions_are_kept_in_order_while_others_build() {
        let fixture = Fixture::new();
        let claim = fixture.claim().await.unwrap();
        let skip = |what: &str| vec![what.to_string()];
        assert_eq!(fixture.lake.decide("eva", &skip("a"), 0).await.unwrap(), 1);
        let (b, c) = (skip("b"), skip("c"));
        let both = futures::join!(
            fixture.lake.decide("eva", &b, 0),
            fixture.lake.decide("ola", &c, 0)
        );
        let mut numbers = [both.0.unwrap(), both.1.unwrap()];
        numbers.sort_unstable();
        assert_eq!(numbers, [2, 3]);
        claim.yield_(YieldReason::NothingToDo).await.unwrap();
        let decisions = fixture.lake.decisions::<Vec<String>>().await.unwrap();
        let who: Vec<_> = decisions.iter().map(|(_, d)| d.by.as_str()).collect();
        assert_eq!(who.len(), 3);
        assert_eq!((who[0], &decisions[0].1.says), ("eva", &skip("a")));
    }

    #[tokio::test]
    async fn the_next_decision_stands_in_the_places_of_lost_ones() {
        let fixture = Fixture::new();
        for what in ["a", "b"] {
            fixture.lake.decide("eva", &what, 0).await.unwrap();
        }
        let lost = layout::decision(1);
        fixture.lake.store().delete(&lost).await.unwrap();
        assert_eq!(fixture.lake.decide("eva", &"c", 3).await.unwrap(), 4);
        let decisions = fixture.lake.decisions::<String>().await.unwrap();
        let said = decisions.iter().map(|(n, d)| (*n, d.says.as_str()));
        let expected = [(1, "c"), (2, "b"), (3, "c"), (4, "c")];
        assert_eq!(said.collect::<Vec<_>>(), expected);
    }

    #[tokio::test]
    async fn a_lake_without_decisions_has_none() {
        let fixture = Fixture::new();
        assert!(fixture.lake.decisions::<String>().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_decision_of_a_newer_kilde_is_not_guessed_at() {
        let fixture = Fixture::new();
        let newer = r#"{"format":99,"verdict":{}}"#;
        let path = layout::decision(1);
        fixture.lake.store().put(&path, newer.into()).await.unwrap();
        let error = fixture.lake.decisions::<String>().await.unwrap_err();
        assert!(error.render().contains("K0705"), "{}", error.render());
    }
}
