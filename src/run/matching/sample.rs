//! Pairs that people judge so that the whole match is judged: drawn at random from every band of weights.
//!
//! What waits in the review is no such sample: it is all doubtful. Here every weight has its share, and which pair is drawn
//! hangs on nothing but the hash of its keys; so the sample is the same in every release, and it grows by asking on. Of a
//! band, those asked first without a gap are a random sample of it, whoever else was asked besides.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::Float64Type;
use datafusion::execution::memory_pool::MemoryReservation;
use xxhash_rust::xxh3::xxh3_64;

use super::decisions;
use super::members::Members;
use super::read::{keys_of, text_sql};
use super::step::{Ids, Step};
use super::tables::texts;
use crate::error::{Error, Result};
use crate::identity::{Decision, Drawn, probability};
use crate::project::{MatchTable, Matching};

/// Bits of a band.
const BAND: f64 = 2.0;
/// Bands above the threshold; the last is open.
const BANDS: i32 = 10;

/// A pair that was weighed, by the rows of its records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weighed {
    pub(super) one: u32,
    pub(super) other: u32,
    /// Infinite where a rule without exception joined them.
    pub(super) weight: f64,
    /// What they agree on, by its place among all that pairs agree on.
    agreement: u32,
    /// What people said of it.
    decision: Option<Decision>,
}

/// Pairs that were weighed, and whose all records are.
pub(super) struct Pairs {
    pub(super) ids: Ids,
    pub(super) weighed: Vec<Weighed>,
    /// What pairs agree on, each once; the first is nothing.
    agreements: Vec<String>,
    /// Taken as long as they are there.
    _memory: Vec<MemoryReservation>,
}

/// Where each band begins: at the lowest weight that is told of, at the threshold, and every two bits from there.
pub(super) fn bands(matching: &Matching) -> Vec<f64> {
    let lowest = matching.review_from.min(matching.same_from);
    let below = ((matching.same_from - lowest) / BAND).ceil() as i32;
    let bands = (-below..=BANDS).map(|at| matching.same_from + f64::from(at) * BAND);
    bands.map(|from| from.max(lowest)).collect()
}

/// The band of a weight; `None` for those below the first, which are not told of.
pub(super) fn band_of(bands: &[f64], weight: f64) -> Option<usize> {
    bands.partition_point(|from| *from <= weight).checked_sub(1)
}

fn was_asked(pair: &Weighed) -> bool {
    matches!(
        pair.decision,
        Some(Decision::Same | Decision::Different | Decision::Open)
    )
}

impl Pairs {
    pub(super) fn key(&self, row: u32) -> &str {
        &self.ids.keys[row as usize]
    }

    pub(super) fn agreement(&self, pair: &Weighed) -> &str {
        let agreement = self.agreements.get(pair.agreement as usize);
        agreement.map_or("", String::as_str)
    }

    /// Its place in the order in which pairs are drawn; whichever record is named first.
    fn order(&self, pair: &Weighed) -> (u64, &str, &str) {
        let (one, other) = (self.key(pair.one), self.key(pair.other));
        let (first, last) = (one.min(other), one.max(other));
        let hash = xxh3_64(format!("{first}\u{1e}{last}").as_bytes());
        (hash, one, other)
    }

    /// Pairs of each band in the order in which they are drawn.
    fn in_order(&self, bands: &[f64]) -> Vec<Vec<&Weighed>> {
        let mut of_band: Vec<Vec<&Weighed>> = bands.iter().map(|_| Vec::new()).collect();
        for pair in &self.weighed {
            if let Some(band) = band_of(bands, pair.weight) {
                of_band[band].push(pair);
            }
        }
        for band in &mut of_band {
            band.sort_by_cached_key(|pair| self.order(pair));
        }
        of_band
    }

    /// What people said of each band, and of how many pairs they could not say it; nothing where nobody drew pairs. A draw
    /// takes of every band, so where one was not asked of, what people answered is what waited for a review.
    pub(super) fn judged(&self, bands: &[f64]) -> (Vec<Drawn>, u64) {
        let mut cannot_say = 0;
        let of_band = self.in_order(bands);
        let mut firsts = of_band.iter().filter_map(|band| band.first());
        let is_drawn = firsts.all(|pair| was_asked(pair));
        let judged = of_band.into_iter().map(|band| {
            let mut drawn = Drawn {
                pairs: band.len() as u64,
                believed: band.iter().map(|pair| probability(pair.weight)).sum(),
                ..Drawn::default()
            };
            let asked = band.into_iter().take_while(|pair| was_asked(pair));
            for pair in asked.filter(|_| is_drawn) {
                match pair.decision {
                    Some(Decision::Same) => {
                        (drawn.answered, drawn.same) = (drawn.answered + 1, drawn.same + 1)
                    }
                    Some(Decision::Different) => drawn.answered += 1,
                    _ => cannot_say += 1,
                }
            }
            drawn
        });
        (judged.collect(), cannot_say)
    }

    /// The pairs that make a sample of this size, without those that people were asked about; in an order that tells no weight.
    pub(super) fn to_ask(&self, bands: &[f64], size: usize) -> Vec<&Weighed> {
        let of_band = self.in_order(bands);
        let mut taken = vec![0; of_band.len()];
        let mut left = size;
        // one of each band in turn, while there are any
        while left > 0 {
            let before = left;
            for (taken, band) in taken.iter_mut().zip(&of_band) {
                if left > 0 && *taken < band.len() {
                    *taken += 1;
                    left -= 1;
                }
            }
            if left == before {
                break;
            }
        }
        let drawn = of_band.into_iter().zip(taken);
        let drawn = drawn.flat_map(|(band, taken)| band.into_iter().take(taken));
        let mut drawn: Vec<&Weighed> = drawn.filter(|pair| !was_asked(pair)).collect();
        drawn.sort_by_cached_key(|pair| self.order(pair));
        drawn
    }

    /// Takes over what people said: of pairs that they decided the weight is what the evidence says.
    fn decide(&mut self, mut decided: BTreeMap<(u32, u32), (f64, Decision)>) {
        for pair in &mut self.weighed {
            let rows = (pair.one.min(pair.other), pair.one.max(pair.other));
            if let Some((weight, decision)) = decided.remove(&rows) {
                pair.weight = weight;
                pair.decision = Some(decision);
            }
        }
        // those that no rule made
        let others = decided.into_iter();
        self.weighed
            .extend(others.map(|((one, other), (weight, decision))| Weighed {
                one,
                other,
                weight,
                agreement: 0,
                decision: Some(decision),
            }));
    }
}

impl Step<'_> {
    /// Every pair that was weighed, with what people said: of those that they decided, by what the evidence says of them.
    ///
    /// # Errors
    /// `Config` K0438 where they take more memory than is left.
    pub(super) async fn pairs(&self, threads: usize) -> Result<Pairs> {
        let (ids, memory) = self.ids().await?;
        let mut pairs = self.told_pairs(ids).await?;
        pairs._memory.push(memory);
        let Some(table) = &self.matching().decisions else {
            return Ok(pairs);
        };
        let sql = decisions::sql(self.plan(), &table.value);
        let keys = decisions::keys(&self.query(&table.value, &sql).await?, self.plan())?;
        let decided = {
            let rows = pairs.ids.rows();
            let keys: BTreeSet<String> = keys
                .into_iter()
                .filter(|key| rows.contains_key(key.as_str()))
                .collect();
            let members = Members::of(self, &keys, threads).await?;
            let decided = members.decided();
            let decided = decided.filter_map(|(one, other, weight, decision)| {
                let (one, other) = (*rows.get(one)?, *rows.get(other)?);
                Some(((one.min(other), one.max(other)), (weight, decision)))
            });
            decided.collect()
        };
        pairs.decide(decided);
        Ok(pairs)
    }

    /// As the table of edges tells them, in the order of their records.
    async fn told_pairs(&self, ids: Ids) -> Result<Pairs> {
        let matching = self.matching();
        let edges = self.beside(MatchTable::Edges)?;
        let key = matching.record_key.iter().map(|column| &column.value);
        let mut columns: Vec<String> = key.clone().map(|column| text_sql(column)).collect();
        columns.extend(key.map(|column| text_sql(&format!("other_{column}"))));
        columns.extend(["cast(weight as double)", "agreement"].map(String::from));
        let columns = columns.iter().enumerate();
        let columns: Vec<String> = columns.map(|(at, c)| format!("{c} as \"_{at}\"")).collect();
        let sql = format!("select {} from {edges}", columns.join(", "));
        let (batch, memory) = self.whole(edges, &sql).await?;
        let parts = matching.record_key.len();
        let [one, other] =
            [0, parts].map(|from| keys_of(&batch.columns()[from..from + parts], matching));
        let (one, other) = (one?, other?);
        let weights = batch.column(2 * parts).as_primitive_opt::<Float64Type>();
        let weights = weights.ok_or_else(|| Error::internal("edges without a weight"))?;
        let agreement = texts(batch.column(2 * parts + 1))?;
        let rows = ids.rows();
        let mut numbers: HashMap<&str, u32> = HashMap::from([("", 0)]);
        let mut agreements = vec![String::new()];
        let mut weighed = Vec::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            let place = |keys: &super::read::Keys| rows.get(&keys[row]).copied();
            let (Some(one), Some(other)) = (place(&one), place(&other)) else {
                continue;
            };
            let text = agreement.value(row);
            let agreement = *numbers.entry(text).or_insert_with(|| {
                agreements.push(text.to_string());
                agreements.len() as u32 - 1
            });
            weighed.push(Weighed {
                one,
                other,
                weight: match weights.is_valid(row) {
                    true => weights.value(row),
                    false => f64::INFINITY,
                },
                agreement,
                decision: None,
            });
        }
        drop(rows);
        weighed.sort_unstable_by_key(|pair| (pair.one, pair.other));
        Ok(Pairs {
            ids,
            weighed,
            agreements,
            _memory: vec![memory],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(count: u32) -> Pairs {
        let pair = |at: u32| Weighed {
            one: at,
            other: count + at,
            weight: -4.0 + f64::from(at % 30),
            agreement: 0,
            decision: None,
        };
        let keys = |source: &'static str| (0..count).map(move |at| format!("{source}\u{1f}{at}"));
        Pairs {
            ids: Ids::of_keys(keys("crm").chain(keys("web")).collect()),
            weighed: (0..count).map(pair).collect(),
            agreements: Vec::new(),
            _memory: Vec::new(),
        }
    }

    #[test]
    fn a_larger_sample_holds_the_smaller_and_asks_nobody_twice() {
        let bands = [-4.0, -1.0, 1.0, 3.0, 20.0];
        let mut all = pairs(600);
        let first = |asked: Vec<&Weighed>| -> Vec<u32> {
            asked.iter().map(|pair| pair.one.min(pair.other)).collect()
        };
        let small = first(all.to_ask(&bands, 20));
        assert_eq!(small.len(), 20);
        let large = first(all.to_ask(&bands, 60));
        assert!(small.iter().all(|pair| large.contains(pair)));
        // records named the other way round are the same pair
        for pair in &mut all.weighed {
            std::mem::swap(&mut pair.one, &mut pair.other);
        }
        assert_eq!(first(all.to_ask(&bands, 20)), small);
        for pair in &mut all.weighed {
            pair.decision = small.contains(&pair.other).then_some(Decision::Same);
        }
        let (drawn, _) = all.judged(&bands);
        assert!(
            drawn
                .iter()
                .all(|band| band.answered == 4 && band.same == 4),
            "{drawn:?}"
        );
        for (size, left) in [(20, 0), (60, 40), (6000, 580)] {
            assert_eq!(all.to_ask(&bands, size).len(), left);
        }
    }

    #[test]
    fn answers_to_a_review_alone_are_no_draw() {
        let bands = [-4.0, 1.0];
        let mut all = pairs(60);
        for pair in &mut all.weighed {
            pair.decision = (pair.weight < 1.0).then_some(Decision::Different);
        }
        let (bands, cannot_say) = all.judged(&bands);
        assert!(bands.iter().all(|band| band.answered == 0), "{bands:?}");
        assert_eq!(cannot_say, 0);
    }

    #[test]
    fn answers_out_of_turn_are_no_random_sample_and_do_not_count() {
        let bands = [-4.0];
        let mut all = pairs(50);
        let order = all.to_ask(&bands, 50);
        let order: Vec<u32> = order.iter().map(|pair| pair.one).collect();
        for pair in &mut all.weighed {
            // the first two, one of which nobody can tell, and the fourth
            pair.decision = match order.iter().position(|one| *one == pair.one) {
                Some(0) => Some(Decision::Different),
                Some(1) => Some(Decision::Open),
                Some(3) => Some(Decision::Same),
                _ => None,
            };
        }
        let (drawn, cannot_say) = all.judged(&bands);
        assert_eq!((drawn[0].answered, drawn[0].same, cannot_say), (1, 0, 1));
    }
}
