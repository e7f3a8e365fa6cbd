//! Candidate pairs to weights: what is worth keeping of the evidence.

use std::collections::HashSet;

use super::comparison::{Likeness, Pattern, level_of, with_level};
use super::dictionary::Dictionary;
use super::model::{Bits, Evidence, Model};
use super::population::{Population, Verdict};
use super::rule::{Blocks, Earlier};
use crate::parallel;

/// A pair that was compared, the lower row first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Edge {
    pub(crate) one: u32,
    pub(crate) other: u32,
    /// Match weight in bits.
    pub(crate) weight: f32,
}

/// The weight of a verdict: more than any evidence, and than the mean of any group can outweigh.
pub(super) const CERTAIN: f64 = 1e6;
/// The weight of a verdict that two records are two: more than any number of the other kind.
pub(super) const NEVER: f64 = -1e13;

/// No value counts as rarer than this, so that a slip of the keyboard looks unique to nobody.
const RAREST: f64 = 1e-5;
/// People who bear a name that one person alone was seen with: a guess between none and one.
const UNSEEN: f64 = 0.3;
/// Times the average that a person may have records before their value counts as shared.
const MOST_OF_ONE: f64 = 4.0;

/// The levels of a pair.
pub(super) fn pattern_of(
    population: &Population,
    one: u32,
    other: u32,
    likeness: &mut [Likeness],
) -> Pattern {
    let mut pattern = 0;
    let comparisons = population.comparisons.iter().zip(likeness);
    for (at, (comparison, likeness)) in comparisons.enumerate() {
        pattern = with_level(pattern, at, comparison.by.level(one, other, likeness));
    }
    pattern
}

/// A model at work on a population.
pub(super) struct Scorer<'a> {
    population: &'a Population,
    bits: Bits,
    /// By comparison and level: bits to add for each value, where agreeing on a rare one is worth more.
    rarity: Vec<Vec<Option<Rarity<'a>>>>,
    /// By comparison: relatives agree on it by chance alone.
    is_own: Vec<bool>,
}

/// How much likelier two strangers agree on each value than on any.
struct Rarity<'a> {
    column: &'a Dictionary,
    bits: Vec<f32>,
    /// Records of each value.
    counts: Vec<u32>,
}

impl<'a> Scorer<'a> {
    pub(super) fn new(population: &'a Population, model: &Model) -> Self {
        let model_same = model.same;
        let comparisons = population.comparisons.iter().zip(&model.comparisons);
        let rarity = comparisons.map(|(comparison, model)| {
            let levels = (1..=model.levels.len()).zip(&model.levels);
            let of = |(level, share): (usize, &super::model::Level)| {
                let column = comparison.by.agreed(level as u8)?;
                if !comparison.counts_rarity {
                    return None;
                }
                // other records of the same person
                let own = model_same * f64::from(population.rows) * share.m;
                let counts = column.counts();
                Some(Rarity {
                    bits: rarity_bits(&counts, share.u, own),
                    column,
                    counts,
                })
            };
            levels.map(of).collect()
        });
        let is_own = model.comparisons.iter().map(|c| !c.shape.is_shared());
        Self {
            population,
            bits: Bits::new(model),
            rarity: rarity.collect(),
            is_own: is_own.collect(),
        }
    }

    /// The match weight of a pair, [`CERTAIN`] or [`NEVER`] where a rule without exception decides; `None` where not one
    /// value can be compared.
    pub(super) fn weight(&self, one: u32, other: u32, likeness: &mut [Likeness]) -> Option<f64> {
        match self.population.verdict(one, other) {
            Some(Verdict::Same) => Some(CERTAIN),
            Some(Verdict::Different) => Some(NEVER),
            None => match pattern_of(self.population, one, other, likeness) {
                0 => None,
                pattern => Some(self.weight_of(pattern, one)),
            },
        }
    }

    fn weight_of(&self, pattern: Pattern, one: u32) -> f64 {
        self.evidence(pattern, one).weight()
    }

    /// What a pattern says of a pair, of which `one` is a row, for its three explanations.
    pub(super) fn evidence(&self, pattern: Pattern, one: u32) -> Evidence {
        let mut evidence = self.bits.evidence(pattern);
        for at in 0..self.rarity.len() {
            let bits = self.rarity(pattern, at, one).0;
            evidence.stranger += bits;
            if self.is_own[at] {
                evidence.relative += bits;
            }
        }
        evidence
    }

    /// How much likelier, in bits, two strangers agree on the value of a row than on any, and the records that have it;
    /// nothing where a comparison's level does not say that they agree.
    pub(super) fn rarity(&self, pattern: Pattern, at: usize, row: u32) -> (f64, Option<u32>) {
        let level = level_of(pattern, at).wrapping_sub(1);
        let Some(Some(rarity)) = self.rarity[at].get(level) else {
            return (0.0, None);
        };
        let code = rarity.column.codes[row as usize] as usize;
        let bits = rarity.bits.get(code).copied().map_or(0.0, f64::from);
        (bits, rarity.counts.get(code).copied())
    }
}

/// For each value, log2 of how likelier a stranger has it than strangers agree on any.
///
/// Of `n` records with a value one is the pair's own, and of the others some are of the same person: as many as among all
/// pairs that agree, unless there are more than a person has records. `own` is how many others a record has on average.
fn rarity_bits(counts: &[u32], share_of_equal: f64, own: f64) -> Vec<f32> {
    let known: f64 = counts.iter().map(|n| f64::from(*n)).sum::<f64>().max(2.0);
    let equal: f64 = counts
        .iter()
        .map(|n| f64::from(*n) * (f64::from(*n) - 1.0))
        .sum();
    let of_strangers = (share_of_equal * known * (known - 1.0) / equal.max(1.0)).min(1.0);
    let least = RAREST.max(share_of_equal.min(UNSEEN / known));
    let bits = |count: &u32| {
        let others = f64::from(*count) - 1.0;
        let strangers = (others * of_strangers).max(others - MOST_OF_ONE * (1.0 + own));
        ((strangers / known).max(least).log2() - share_of_equal.log2()) as f32
    };
    counts.iter().map(bits).collect()
}

/// Every candidate pair of at least so many bits, once; by rule, part and block.
pub(crate) fn score(
    population: &Population,
    model: &Model,
    keep_from: f64,
    threads: usize,
) -> Vec<Edge> {
    let scorer = Scorer::new(population, model);
    let mut parked: Vec<HashSet<u64>> = Vec::new();
    let mut edges = Vec::new();
    for (at, rule) in model.rules.iter().enumerate() {
        let blocks = Blocks::new(rule, &population.features, population.rows, threads);
        let earlier = Earlier::new(&model.rules[..at], &population.features, &parked);
        let found = parallel::map(threads, blocks.parts(), |part| {
            let mut likeness = Likeness::of_all(population);
            let mut edges = Vec::new();
            blocks.pairs(part, |one, other| {
                if earlier.make(one, other) {
                    return;
                }
                let weight = scorer.weight(one, other, &mut likeness);
                if let Some(weight) = weight.filter(|weight| *weight >= keep_from) {
                    edges.push(Edge {
                        one,
                        other,
                        weight: weight as f32,
                    });
                }
            });
            edges
        });
        for part in found {
            edges.extend(part);
        }
        parked.push(blocks.parked);
    }
    edges
}
