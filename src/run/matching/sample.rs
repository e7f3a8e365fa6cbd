//! Pairs that people judge so that the whole match is judged: drawn at random from every band of weights.
//!
//! What waits in the review is no such sample: it is all doubtful. Here every weight has its share, and which pair is drawn
//! hangs on nothing but the hash of its keys; so the sample is the same in every release, and it grows by asking on. Of a
//! band, those asked first without a gap are a random sample of it, whoever else was asked besides.

use std::collections::HashMap;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type};
use xxhash_rust::xxh3::xxh3_64;

use super::explain::{Matched, Step};
use super::read::text_sql;
use super::tables::{arrow, texts};
use crate::error::{Error, Result};
use crate::identity::{Decision, Drawn, probability};
use crate::project::{MatchTable, Matching};

/// Bits of a band.
const BAND: f64 = 2.0;
/// Bands above the threshold; the last is open.
const BANDS: i32 = 10;

/// A pair that was weighed.
#[derive(Debug)]
pub(super) struct Weighed {
    /// Keys, part by part with the sign of keys between.
    pub(super) one: String,
    pub(super) other: String,
    /// Infinite where a rule without exception joined them.
    pub(super) weight: f64,
    pub(super) agreement: String,
    /// What people said of it.
    pub(super) decision: Option<Decision>,
}

impl Weighed {
    /// Its place in the order in which pairs are drawn; whichever record is named first.
    fn order(&self) -> u64 {
        let (one, other) = match self.one <= self.other {
            true => (&self.one, &self.other),
            false => (&self.other, &self.one),
        };
        xxh3_64(format!("{one}\u{1e}{other}").as_bytes())
    }
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

/// Pairs of each band in the order in which they are drawn.
fn in_order<'a>(pairs: &'a [Weighed], bands: &[f64]) -> Vec<Vec<&'a Weighed>> {
    let mut of_band: Vec<Vec<&Weighed>> = bands.iter().map(|_| Vec::new()).collect();
    for pair in pairs {
        if let Some(band) = band_of(bands, pair.weight) {
            of_band[band].push(pair);
        }
    }
    for band in &mut of_band {
        band.sort_by_cached_key(|pair| (pair.order(), pair.one.clone(), pair.other.clone()));
    }
    of_band
}

fn was_asked(pair: &Weighed) -> bool {
    matches!(
        pair.decision,
        Some(Decision::Same | Decision::Different | Decision::Open)
    )
}

/// What people said of each band, and of how many pairs they could not say it; nothing where nobody drew pairs. A draw
/// takes of every band, so where one was not asked of, what people answered is what waited for a review.
pub(super) fn judged(pairs: &[Weighed], bands: &[f64]) -> (Vec<Drawn>, u64) {
    let mut cannot_say = 0;
    let of_band = in_order(pairs, bands);
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
pub(super) fn to_ask<'a>(pairs: &'a [Weighed], bands: &[f64], size: usize) -> Vec<&'a Weighed> {
    let of_band = in_order(pairs, bands);
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
    drawn.sort_by_cached_key(|pair| (pair.order(), pair.one.clone(), pair.other.clone()));
    drawn
}

impl Step<'_> {
    /// Every pair that was weighed, with what people said: of those that they decided, by what the evidence says of them.
    pub(super) async fn pairs(&self, threads: usize) -> Result<Vec<Weighed>> {
        let mut pairs = self.told_pairs().await?;
        if self.matching().decisions.is_none() {
            return Ok(pairs);
        }
        let matched = Matched::read(self, threads).await?;
        let places = pairs.iter().enumerate();
        let places: HashMap<(String, String), usize> = places
            .map(|(at, pair)| ((pair.one.clone(), pair.other.clone()), at))
            .collect();
        for (one, other, weight, decision) in matched.decided() {
            let place = [(one, other), (other, one)]
                .into_iter()
                .find_map(|(a, b)| places.get(&(a.to_string(), b.to_string())).copied());
            match place.and_then(|at| pairs.get_mut(at)) {
                Some(pair) => {
                    pair.weight = weight;
                    pair.decision = Some(decision);
                }
                None => pairs.push(Weighed {
                    one: one.to_string(),
                    other: other.to_string(),
                    weight,
                    agreement: String::new(),
                    decision: Some(decision),
                }),
            }
        }
        Ok(pairs)
    }

    /// As the table of edges tells them.
    async fn told_pairs(&self) -> Result<Vec<Weighed>> {
        let matching = self.matching();
        let edges = self.beside(MatchTable::Edges)?;
        let key = matching.record_key.iter().map(|column| &column.value);
        let mut columns: Vec<String> = key.clone().map(|column| text_sql(column)).collect();
        columns.extend(key.map(|column| text_sql(&format!("other_{column}"))));
        columns.extend(["agreement", "weight"].map(String::from));
        let columns = columns.iter().enumerate();
        let columns: Vec<String> = columns.map(|(at, c)| format!("{c} as \"_{at}\"")).collect();
        let sql = format!("select {} from {edges}", columns.join(", "));
        let batch = self.query(edges, &sql).await?;
        let parts = matching.record_key.len();
        let columns = batch.columns()[..=2 * parts].iter().map(texts);
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let agreement = &columns[2 * parts];
        let weights = cast(batch.column(2 * parts + 1), &DataType::Float64).map_err(arrow)?;
        let Some(weights) = weights.as_primitive_opt::<Float64Type>() else {
            return Err(Error::internal("edges without a weight"));
        };
        let key = |from: usize, row: usize| {
            let columns = columns[from..from + parts].iter();
            let parts: Vec<&str> = columns.map(|column| column.value(row)).collect();
            parts.join("\u{1f}")
        };
        let pair = |row: usize| Weighed {
            one: key(0, row),
            other: key(parts, row),
            weight: match weights.is_valid(row) {
                true => weights.value(row),
                false => f64::INFINITY,
            },
            agreement: agreement.value(row).to_string(),
            decision: None,
        };
        Ok((0..batch.num_rows()).map(pair).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(count: usize) -> Vec<Weighed> {
        let pair = |at: usize| Weighed {
            one: format!("crm\u{1f}{at}"),
            other: format!("web\u{1f}{at}"),
            weight: -4.0 + (at % 30) as f64,
            agreement: String::new(),
            decision: None,
        };
        (0..count).map(pair).collect()
    }

    #[test]
    fn a_larger_sample_holds_the_smaller_and_asks_nobody_twice() {
        let bands = [-4.0, -1.0, 1.0, 3.0, 20.0];
        let mut all = pairs(600);
        let keys = |asked: &[&Weighed]| -> Vec<String> {
            asked.iter().map(|pair| pair.one.clone()).collect()
        };
        let small = keys(&to_ask(&all, &bands, 20));
        assert_eq!(small.len(), 20);
        let large = keys(&to_ask(&all, &bands, 60));
        assert!(small.iter().all(|key| large.contains(key)));
        // records named the other way round are the same pair
        for pair in &mut all {
            std::mem::swap(&mut pair.one, &mut pair.other);
        }
        let mut turned: Vec<String> = to_ask(&all, &bands, 20)
            .iter()
            .map(|pair| pair.other.clone())
            .collect();
        let mut before = small.clone();
        turned.sort();
        before.sort();
        assert_eq!(turned, before);
        for pair in &mut all {
            let is_asked = small.contains(&pair.other);
            pair.decision = is_asked.then_some(Decision::Same);
        }
        let (drawn, _) = judged(&all, &bands);
        assert!(
            drawn
                .iter()
                .all(|band| band.answered == 4 && band.same == 4),
            "{drawn:?}"
        );
        assert_eq!(to_ask(&all, &bands, 20).len(), 0);
        assert_eq!(to_ask(&all, &bands, 60).len(), 40);
        assert_eq!(to_ask(&all, &bands, 6000).len(), 580);
    }

    #[test]
    fn answers_to_a_review_alone_are_no_draw() {
        let bands = [-4.0, 1.0];
        let mut all = pairs(60);
        for pair in &mut all {
            pair.decision = (pair.weight < 1.0).then_some(Decision::Different);
        }
        let (bands, cannot_say) = judged(&all, &bands);
        assert!(bands.iter().all(|band| band.answered == 0), "{bands:?}");
        assert_eq!(cannot_say, 0);
    }

    #[test]
    fn answers_out_of_turn_are_no_random_sample_and_do_not_count() {
        let bands = [-4.0];
        let mut all = pairs(50);
        let order: Vec<String> = to_ask(&all, &bands, 50)
            .iter()
            .map(|pair| pair.one.clone())
            .collect();
        for pair in &mut all {
            // the first two, one of which nobody can tell, and the fourth
            pair.decision = match order.iter().position(|key| *key == pair.one) {
                Some(0) => Some(Decision::Different),
                Some(1) => Some(Decision::Open),
                Some(3) => Some(Decision::Same),
                _ => None,
            };
        }
        let (drawn, cannot_say) = judged(&all, &bands);
        assert_eq!((drawn[0].answered, drawn[0].same, cannot_say), (1, 0, 1));
    }
}
