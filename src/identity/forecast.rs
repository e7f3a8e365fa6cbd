//! What a match would compare, before it does: exact counts, at the cost of a sort for each rule.

use super::hash;
use super::model::Known;
use super::population::{Population, Records};
use super::resolve::{Refusal, Settings, refusal};
use super::rule::{BlockCount, Blocks, Earlier, Rule};
use super::training::choose_rules;
use crate::parallel;

/// Pairs of one rule that are looked at, nearly, to see how many of them earlier rules make.
const LOOKED_AT: u64 = 100_000;

/// What a match would compare.
#[derive(Debug)]
pub(crate) struct Forecast {
    pub(crate) records: u64,
    pub(crate) rules: Vec<RuleForecast>,
    /// Why it would be refused.
    pub(crate) refusal: Option<Refusal>,
    /// When the model was trained that would be used, and on how many records; `None` where one would be trained.
    pub(crate) trained: Option<(String, u64)>,
}

/// What one rule would make.
#[derive(Debug)]
pub(crate) struct RuleForecast {
    pub(crate) rule: Rule,
    pub(crate) count: BlockCount,
    /// Pairs that no earlier rule makes, from a sample.
    pub(crate) new_pairs: u64,
}

/// Counts what rules would make: the project's own, those of a model, or those that a training would choose.
pub(crate) fn forecast(records: Records, known: Option<Known>, settings: &Settings) -> Forecast {
    let (rows, threads) = (records.rows, settings.threads);
    let shared = known.as_ref().and_then(Known::shared);
    let (features, _) = Population::features_of(records, shared, threads);
    let rules = match (settings.rules.is_empty(), &known) {
        (false, _) => settings.rules.clone(),
        (true, Some(known)) => known.model().rules.clone(),
        (true, None) => choose_rules(&features, rows, threads),
    };
    let mut parked = Vec::new();
    let mut found: Vec<RuleForecast> = Vec::new();
    for (at, rule) in rules.iter().enumerate() {
        let blocks = Blocks::new(rule, &features, rows, threads);
        let earlier = Earlier::new(&rules[..at], &features, &parked);
        let rate = (LOOKED_AT as f64 / blocks.count.pairs.max(1) as f64).min(1.0);
        let limit = (rate * u64::MAX as f64) as u64;
        // a rule that would be refused makes more pairs than can be looked at
        let is_looked_at = blocks.count.pairs <= settings.max_pairs;
        let parts = if is_looked_at { blocks.parts() } else { &[] };
        let counted = parallel::map(threads, parts, |part| {
            let (mut all, mut first) = (0_u64, 0_u64);
            blocks.pairs(part, |one, other| {
                if hash(u64::from(one) << 32 | u64::from(other)) <= limit {
                    all += 1;
                    first += u64::from(!earlier.make(one, other));
                }
            });
            (all, first)
        });
        let all: u64 = counted.iter().map(|(all, _)| all).sum();
        let first: u64 = counted.iter().map(|(_, first)| first).sum();
        let share = if all == 0 {
            1.0
        } else {
            first as f64 / all as f64
        };
        found.push(RuleForecast {
            rule: rule.clone(),
            count: blocks.count,
            new_pairs: (share * blocks.count.pairs as f64).round() as u64,
        });
        parked.push(blocks.parked);
    }
    let counts: Vec<BlockCount> = found.iter().map(|rule| rule.count).collect();
    Forecast {
        records: u64::from(rows),
        refusal: refusal(&counts, settings),
        rules: found,
        trained: known.map(|known| {
            let model = known.model();
            (model.trained_at.clone(), model.values.records)
        }),
    }
}
