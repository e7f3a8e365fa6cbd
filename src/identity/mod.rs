//! Which records describe the same person, and by which id.
//!
//! ```text
//! records ──canonical──▶ Population ──rules──▶ candidate pairs ──comparisons──▶ patterns ──counts──▶ Model (training)
//!                                                                                  │
//!                    registry of ids ──▶ ids for life ◀── clusters ◀── edges ◀── weights in bits
//! ```
//!
//! In: records as Arrow batches, what each column means, a model and a registry where there are some. Out: an id for every
//! record, and the evidence. Knows no name of a column or source. Pairs stream: a pair is two row numbers and one number
//! that says how they compare. Nothing depends on the number of threads: work is cut by the data, sums are of whole
//! numbers or in a fixed order.

mod between;
mod bridge;
mod canonical;
mod cluster;
mod column;
mod comparison;
mod dictionary;
mod evaluate;
mod explain;
mod forecast;
mod full_name;
mod glance;
mod hardly_seen;
mod held;
mod increment;
mod model;
mod persons;
mod pin;
mod population;
mod redirect;
mod registry;
mod resolve;
mod row;
mod rule;
mod score;
mod touched;
mod training;
mod value;

#[cfg(test)]
mod tests;

pub(crate) use bridge::bridges;
pub(crate) use dictionary::{Dictionary, Encoding};
pub(crate) use evaluate::{
    Drawn, Estimate, Rates, by_threshold, judge, judge_groups, pairs_of_people, precision,
    probability, recall,
};
pub(crate) use explain::{DecidedBy, Explainer, Told};
pub(crate) use forecast::forecast;
pub(crate) use full_name::is_named_in_full;
pub(crate) use glance::Glance;
pub(crate) use increment::{Before, Increment, KnownPair, resolve_again};
pub(crate) use model::{COMMON_VALUE, CommonValues, Known, Model, ModelRow, ModelRows};
pub(crate) use pin::{LevelPin, Pins};
pub(crate) use population::{Asked, Decision, Field, LateShared, OwnColumn, Records};
pub(crate) use redirect::{Happened, Redirect, Redirects, by_events, hash_of_id};
pub(crate) use registry::{Assigned, Event, Registry, assign};
pub(crate) use resolve::{Pair, Refusal, Resolved, Settings, Verdict, resolve};
pub(crate) use rule::{Feature, Refine, Refined, Rule};

/// Spreads a number over all 64 bits; the finaliser of `SplitMix64` (Steele, Lea & Flood 2014).
#[inline]
fn hash(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
