//! Candidate pairs to weights: what is worth keeping of the evidence.

use std::collections::HashSet;

use super::comparison::{Likeness, Pattern, level_of, with_level};
use super::dictionary::{Dictionary, MISSING, Mark};
use super::model::{Bits, Evidence, Model};
use super::population::{Decision, Population, Verdict};
use super::resolve::{Refusal, Settings, refusal};
use super::rule::{BlockCount, Blocks, Earlier, Rule};
use super::value::{Common, Rarity};
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
    rarity: Vec<Vec<Option<Rarities<'a>>>>,
    /// By comparison: relatives agree on it by chance alone.
    is_own: Vec<bool>,
}

/// How much likelier two strangers agree on each value than on any.
struct Rarities<'a> {
    column: &'a Dictionary,
    /// By code, of values that are known to be common; empty where none is.
    bits: Vec<f32>,
    rare: f32,
    common: &'a Common,
}

impl<'a> Scorer<'a> {
    pub(super) fn new(population: &'a Population, model: &'a Model, threads: usize) -> Self {
        let mut wanted = Vec::new();
        for (at, (compared, learnt)) in population
            .comparisons
            .iter()
            .zip(&model.comparisons)
            .enumerate()
        {
            for (place, share) in learnt.levels.iter().enumerate() {
                let common = model
                    .values
                    .common
                    .get(at)
                    .and_then(|levels| levels.get(place));
                if let (Some(Some(common)), Some(column)) =
                    (common, compared.agreed(place as u8 + 1))
                {
                    wanted.push((at, place, share, common, column));
                }
            }
        }
        let found = parallel::map(threads, &wanted, |(_, _, share, common, column)| {
            // other records of the same person
            let own = model.same * model.values.records as f64 * share.m;
            let rarity = Rarity::new(common, share.u, own);
            let bits = |mark: Mark| match common.counts.get(&mark) {
                Some(count) => rarity.bits(*count),
                None => rarity.rare(),
            };
            Rarities {
                bits: match common.counts.is_empty() {
                    true => Vec::new(),
                    false => column.marks().into_iter().map(bits).collect(),
                },
                rare: rarity.rare(),
                column,
                common,
            }
        });
        let levels = model
            .comparisons
            .iter()
            .map(|comparison| comparison.levels.len());
        let mut rarity: Vec<Vec<Option<Rarities<'a>>>> = levels
            .map(|levels| std::iter::repeat_with(|| None).take(levels).collect())
            .collect();
        for ((at, place, ..), found) in wanted.into_iter().zip(found) {
            rarity[at][place] = Some(found);
        }
        let is_own = model.comparisons.iter().map(|c| !c.shape.is_shared());
        Self {
            population,
            bits: Bits::new(model),
            rarity,
            is_own: is_own.collect(),
        }
    }

    pub(super) fn population(&self) -> &'a Population {
        self.population
    }

    /// The match weight of a pair, [`CERTAIN`] or [`NEVER`] where a rule without exception decides; `None` where not one
    /// value can be compared.
    pub(super) fn weight(&self, one: u32, other: u32, likeness: &mut [Likeness]) -> Option<f64> {
        match self.population.verdict(one, other) {
            Some(Verdict::Same) => Some(CERTAIN),
            Some(Verdict::Different) => Some(NEVER),
            None => self.evidence_of(one, other, likeness),
        }
    }

    /// Whether people decided that two records are one.
    pub(super) fn is_decided_same(&self, one: u32, other: u32) -> bool {
        self.population.decision(one, other) == Some(Decision::Same)
    }

    /// What the evidence says of a pair that people decided is one, or `must`: had nobody decided it.
    pub(super) fn weight_undecided(
        &self,
        one: u32,
        other: u32,
        likeness: &mut [Likeness],
    ) -> Option<f64> {
        match self.population.ruled(one, other) {
            Some(Verdict::Same) => Some(CERTAIN),
            // what people decide of the very pair is above `cannot`
            Some(Verdict::Different) | None => self.evidence_of(one, other, likeness),
        }
    }

    fn evidence_of(&self, one: u32, other: u32, likeness: &mut [Likeness]) -> Option<f64> {
        match pattern_of(self.population, one, other, likeness) {
            0 => None,
            pattern => Some(self.weight_of(pattern, one)),
        }
    }

    fn weight_of(&self, pattern: Pattern, one: u32) -> f64 {
        self.evidence(pattern, one).weight()
    }

    /// What a pattern says of a pair, of which `one` is a row, for its three explanations.
    pub(super) fn evidence(&self, pattern: Pattern, one: u32) -> Evidence {
        let mut evidence = self.bits.evidence(pattern);
        for at in 0..self.rarity.len() {
            let bits = self.rarity(pattern, at, one);
            evidence.stranger += bits;
            if self.is_own[at] {
                evidence.relative += bits;
            }
        }
        evidence
    }

    /// How much likelier, in bits, two strangers agree on the value of a row than on any; 0 where a comparison's level does
    /// not say that they agree.
    pub(super) fn rarity(&self, pattern: Pattern, at: usize, row: u32) -> f64 {
        let level = level_of(pattern, at).wrapping_sub(1);
        let Some(Some(rarity)) = self.rarity[at].get(level) else {
            return 0.0;
        };
        let code = rarity.column.codes[row as usize];
        if code == MISSING {
            return 0.0;
        }
        let bits = rarity.bits.get(code as usize).copied();
        f64::from(bits.unwrap_or(rarity.rare))
    }

    /// Records that had the value on which two rows agree when the model was trained, where it is a common one.
    pub(super) fn records_of_value(&self, pattern: Pattern, at: usize, row: u32) -> Option<u32> {
        let level = level_of(pattern, at).wrapping_sub(1);
        let rarity = self.rarity[at].get(level)?.as_ref()?;
        let code = rarity.column.codes[row as usize];
        rarity.common.counts.get(&rarity.column.mark(code)).copied()
    }
}

/// Every candidate pair of at least so many bits, once, by rule, part and block; and how many candidates each rule made.
///
/// # Errors
/// Rules that together make more pairs than they may, before the pairs of the rule that goes beyond.
pub(super) fn score(
    scorer: &Scorer<'_>,
    rules: &[Rule],
    keep_from: f64,
    settings: &Settings,
) -> Result<(Vec<Edge>, Vec<BlockCount>), Refusal> {
    let (population, threads) = (scorer.population, settings.threads);
    let mut counts: Vec<BlockCount> = Vec::new();
    let mut parked: Vec<HashSet<u64>> = Vec::new();
    let mut edges = Vec::new();
    for (at, rule) in rules.iter().enumerate() {
        let blocks = Blocks::new(rule, &population.features, population.rows, threads);
        counts.push(blocks.count);
        if let Some(refusal) = refusal(&counts, settings) {
            return Err(refusal);
        }
        let earlier = Earlier::new(&rules[..at], &population.features, &parked);
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
    Ok((edges, counts))
}
