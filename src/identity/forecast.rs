//! What a match would compare, before it does: exact counts, at the cost of a sort for each rule.

use super::glance::Glance;
use super::hash;
use super::model::Known;
use super::resolve::{Refusal, Settings, refusal};
use super::rule::{BlockCount, Rule};
use super::training::choose_rules;
use crate::parallel;

/// Pairs of one rule that are looked at, nearly, to see how many of them earlier rules make.
const LOOKED_AT: u64 = 100_000;

/// What a match would compare.
#[derive(Debug)]
pub(crate) struct Forecast {
    pub(crate) records: u64,
    /// Those of which a part of the name is read from the full one, though there are columns of the parts.
    pub(crate) named_in_full: u64,
    pub(crate) rules: Vec<RuleForecast>,
    /// Why it would be refused.
    pub(crate) refusal: Option<Refusal>,
    /// When the model was trained that would be used, and on how many records; `None` where one would be trained.
    pub(crate) trained: Option<(String, u64)>,
    /// Seconds that the match takes one core, nearly.
    pub(crate) seconds: f64,
}

/// Seconds that a record takes one core from its reading to its row in the tables, that a training adds, and that a candidate
/// pair takes: measured once, of a million persons, on one machine. They tell seconds from minutes, and no more.
const SECONDS_OF_A_RECORD: f64 = 4.5e-6;
const SECONDS_OF_LEARNING: f64 = 2e-6;
const SECONDS_OF_A_PAIR: f64 = 1.5e-7;

/// What one rule would make.
#[derive(Debug)]
pub(crate) struct RuleForecast {
    pub(crate) rule: Rule,
    pub(crate) count: BlockCount,
    /// Pairs that no earlier rule makes, from a sample.
    pub(crate) new_pairs: u64,
}

/// Counts what rules would make: the project's own, those of a model, or those that a training would choose.
pub(crate) fn forecast(records: Glance, known: Option<Known>, settings: &Settings) -> Forecast {
    let (rows, threads) = (records.rows(), settings.threads);
    let named_in_full = records.named_in_full();
    let features = records.into_features(threads);
    let mut rules = match (settings.rules.is_empty(), &known) {
        (true, Some(known)) => known.model().rules.clone(),
        _ => settings.rules.clone(),
    };
    rules.retain(|rule| !settings.must.contains(rule));
    let must = &settings.must;
    let mut found: Vec<(BlockCount, u64)> = Vec::new();
    let rules = choose_rules(
        &rules,
        must,
        &features,
        rows,
        threads,
        |_, blocks, earlier| {
            let rate = (LOOKED_AT as f64 / blocks.count.pairs.max(1) as f64).min(1.0);
            let limit = (rate * u64::MAX as f64) as u64;
            // a rule that would be refused makes more pairs than can be looked at
            let is_looked_at = blocks.count.pairs <= settings.max_pairs;
            let parts = if is_looked_at { blocks.parts() } else { &[] };
            let counted = parallel::map(threads, parts, |part| {
                let (mut all, mut first) = (0_u64, 0_u64);
                part.pairs(|one, other| {
                    if hash(u64::from(one) << 32 | u64::from(other)) <= limit {
                        all += 1;
                        let is_made = earlier.make(features.row(one), features.row(other));
                        first += u64::from(!is_made);
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
            let new_pairs = (share * blocks.count.pairs as f64).round() as u64;
            found.push((blocks.count, new_pairs));
        },
    );
    let found: Vec<RuleForecast> = rules
        .into_iter()
        .zip(found)
        .map(|(rule, (count, new_pairs))| RuleForecast {
            rule,
            count,
            new_pairs,
        })
        .collect();
    let counts: Vec<BlockCount> = found.iter().map(|rule| rule.count).collect();
    let rules: Vec<Rule> = found.iter().map(|rule| rule.rule.clone()).collect();
    let pairs: u64 = counts.iter().map(|count| count.pairs).sum();
    let of_a_record = match known {
        Some(_) => SECONDS_OF_A_RECORD,
        None => SECONDS_OF_A_RECORD + SECONDS_OF_LEARNING,
    };
    Forecast {
        records: u64::from(rows),
        named_in_full,
        refusal: refusal(&rules, &counts, settings),
        rules: found,
        seconds: of_a_record * f64::from(rows) + SECONDS_OF_A_PAIR * pairs as f64,
        trained: known.map(|known| {
            let model = known.model();
            (model.trained_at.clone(), model.values.records)
        }),
    }
}
