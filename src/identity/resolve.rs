//! The whole way from records to clusters: count, train, score, cluster.

use std::sync::Arc;

use super::comparison::{Likeness, Pattern, level_of};
use super::dictionary::Numbers;
use super::increment::Increment;
use super::model::{Known, Model};
use super::pin::Pins;
use super::population::{Decision, LateShared, Population, Records};
use super::rule::{BlockCount, Blocks, Feature, LARGEST_BLOCK, Rule};
use super::score::{CERTAIN, Edge, Scorer, pattern_of};
use super::{cluster, hash, score, training};
use crate::parallel;

/// What a match is to keep to.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The project's own blocking rules; empty: kilde's.
    pub(crate) rules: Vec<Rule>,
    /// One for each column of `must` that is no rule already: a pair that decides alone has to be made.
    pub(crate) must: Vec<Rule>,
    /// Records are one from this weight on, in bits.
    pub(crate) same_from: f64,
    /// Pairs from this weight on are told of.
    pub(crate) review_from: f64,
    pub(crate) max_pairs: u64,
    /// Of a rule's pairs, in one block; rules of the project's own only.
    pub(crate) max_block_share: f64,
    /// What a training takes as given.
    pub(crate) pins: Pins,
    pub(crate) threads: usize,
    /// The time that a model trained now is of.
    pub(crate) now: String,
}

/// Why a match was refused before a pair was weighed.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    /// One value makes too many of a rule's pairs.
    LargeBlock { rule: Rule, count: Box<BlockCount> },
    /// All rules together make too many pairs.
    ManyPairs { pairs: u64 },
    /// Nothing tells how often the levels of a comparison occur: not two of the records have a value for it.
    Untrainable {
        comparison: String,
        levels: Vec<String>,
        records: u32,
    },
}

/// Two records and what was found of them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pair {
    /// The lower row.
    pub(crate) one: u32,
    pub(crate) other: u32,
    /// Match weight in bits; `None` where a rule without exception made them one.
    pub(crate) weight: Option<f64>,
    pub(crate) verdict: Verdict,
    /// What agrees and what does not, in words.
    pub(crate) agreement: Arc<str>,
    /// What people decided of it.
    pub(crate) decision: Option<Decision>,
}

/// What became of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// In one cluster.
    Same,
    /// Below the threshold, and in two clusters.
    Doubtful,
    /// Above the threshold, and yet in two clusters: other records spoke against it.
    Parted,
}

/// Who is who.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    pub(crate) model: Model,
    /// Whether the model was trained here, and is none of an earlier build.
    pub(crate) is_trained: bool,
    /// Values that many share, unknown to the model.
    pub(crate) late_shared: Vec<LateShared>,
    /// What was done, where the build before was gone on from.
    pub(crate) increment: Option<Increment>,
    /// Candidate pairs of each rule.
    pub(crate) pairs_of_rules: Vec<u64>,
    /// Rules of `must` of which one value holds more records than a person has, and how many the largest does.
    pub(crate) crowds: Vec<(Rule, u64)>,
    /// The lowest row of each row's cluster.
    pub(crate) cluster_of: Vec<u32>,
    /// Sorted by rows.
    pub(crate) pairs: Vec<Pair>,
    /// Pairs of which people decided what other decisions, or rules without exception, do not allow.
    pub(crate) contradicted: Vec<Pair>,
}

/// Resolves records by a model that is known; without one it is trained.
///
/// # Errors
/// Rules that would make more pairs than they may; a comparison that cannot be learnt.
pub(crate) fn resolve(
    records: Records,
    settings: &Settings,
    known: Option<Known>,
) -> Result<Resolved, Refusal> {
    let threads = settings.threads;
    let is_trained = known.is_none();
    let own = [settings.rules.as_slice(), settings.must.as_slice()].concat();
    let refuse_own = |population: &Population| check(population, &own, settings);
    let must = records.must.clone();
    let (population, model, blocks) = match known {
        Some(known) => {
            let (population, model) = known.at_work(records, threads);
            refuse_own(&population)?;
            (population, model, Vec::new())
        }
        None => {
            let population = Population::new(records, None, threads);
            tracing::debug!("values are in their forms");
            refuse_own(&population)?;
            let (model, blocks) = training::train(&population, settings)?;
            (population, model, blocks)
        }
    };
    tracing::debug!("{} records are ready to compare", population.rows);
    let scorer = Scorer::new(&population, &model, threads);
    tracing::debug!("the model is at work");
    let keep_from = settings.review_from.min(settings.same_from);
    let (mut edges, counts) = score::score(&scorer, &model.rules, blocks, keep_from, settings)?;
    tracing::debug!("{} pairs are worth keeping", edges.len());
    edges.extend(decided_edges(&population));
    edges.sort_unstable_by_key(|edge| (edge.one, edge.other));
    // a decided pair that a rule made too has one weight
    edges.dedup_by_key(|edge| (edge.one, edge.other));
    let cluster_of = cluster::cluster(&scorer, &edges, settings.same_from, threads);
    tracing::debug!("records are in clusters");
    let is_one = |one: u32, other: u32| cluster_of[one as usize] == cluster_of[other as usize];
    let pairs = told(&population, &edges, is_one, settings);
    let mut likeness = Likeness::of_all(&population);
    let contradicted = contradicted(&population, is_one, &mut likeness);
    Ok(Resolved {
        pairs,
        contradicted,
        cluster_of,
        pairs_of_rules: counts.iter().map(|count| count.pairs).collect(),
        crowds: crowds(&model.rules, &counts, &must),
        model,
        is_trained,
        late_shared: population.late.clone(),
        increment: None,
    })
}

/// Rules of `must`, columns by their places, of which one value holds more records than a person has.
pub(super) fn crowds(rules: &[Rule], counts: &[BlockCount], must: &[usize]) -> Vec<(Rule, u64)> {
    let is_must = |rule: &Rule| {
        let mut columns = must.iter();
        columns.any(|at| rule.features == [Feature::Own(*at)])
    };
    let crowds = rules.iter().zip(counts).filter(|(rule, count)| {
        let is_whole = count.refined.blocks == 0;
        is_must(rule) && is_whole && count.largest_records > LARGEST_BLOCK as u64
    });
    let crowds = crowds.map(|(rule, count)| (rule.clone(), count.largest_records));
    crowds.collect()
}

/// Edges as they are told.
pub(super) fn told(
    population: &Population,
    edges: &[Edge],
    is_one: impl Fn(u32, u32) -> bool,
    settings: &Settings,
) -> Vec<Pair> {
    let told = agreements(population, edges, settings.threads);
    let pairs = edges.iter().zip(told).map(|(edge, agreement)| {
        let weight = f64::from(edge.weight);
        Pair {
            one: edge.one,
            other: edge.other,
            // four digits behind the point: more would be noise of the float
            weight: (weight < CERTAIN).then(|| (weight * 1e4).round() / 1e4),
            verdict: match (is_one(edge.one, edge.other), weight >= settings.same_from) {
                (true, _) => Verdict::Same,
                (false, true) => Verdict::Parted,
                (false, false) => Verdict::Doubtful,
            },
            agreement,
            decision: population.decision(edge.one, edge.other),
        }
    });
    pairs.collect()
}

/// Pairs that people decided are one, whether or not a rule makes them.
pub(super) fn decided_edges(population: &Population) -> impl Iterator<Item = Edge> {
    let decisions = population.decisions().iter();
    let same = decisions.filter(|(_, _, decision)| *decision == Decision::Same);
    same.map(|(one, other, _)| Edge {
        one: *one,
        other: *other,
        weight: CERTAIN as f32,
        pattern: 0,
    })
}

/// Pairs that did not become what people decided, or of which they decided both.
pub(super) fn contradicted(
    population: &Population,
    is_one: impl Fn(u32, u32) -> bool,
    likeness: &mut [Likeness],
) -> Vec<Pair> {
    let decisions = population.decisions().iter();
    let found = decisions.filter_map(|(one, other, decision)| {
        let is_one = is_one(*one, *other);
        let is_kept = match decision {
            Decision::Open => true,
            Decision::Same => is_one,
            Decision::Different => !is_one,
            Decision::Contested => false,
        };
        (!is_kept).then(|| Pair {
            one: *one,
            other: *other,
            weight: None,
            verdict: if is_one {
                Verdict::Same
            } else {
                Verdict::Parted
            },
            agreement: agreement(population, pattern_of(population, *one, *other, likeness)),
            decision: Some(*decision),
        })
    });
    found.collect()
}

/// Counts the pairs of the project's own rules, and refuses an explosion.
fn check(population: &Population, rules: &[Rule], settings: &Settings) -> Result<(), Refusal> {
    let count = |rule| {
        Blocks::new(
            rule,
            &population.features,
            population.rows,
            settings.threads,
        )
        .count
    };
    let counts: Vec<BlockCount> = rules.iter().map(count).collect();
    match refusal(rules, &counts, settings) {
        Some(refusal) => Err(refusal),
        None => Ok(()),
    }
}

/// Why rules that would make so many pairs are refused, if they are.
pub(super) fn refusal(
    rules: &[Rule],
    counts: &[BlockCount],
    settings: &Settings,
) -> Option<Refusal> {
    let mut counted = rules.iter().zip(counts);
    let lopsided = counted.find(|(_, count)| count.is_lopsided(settings.max_block_share));
    if let Some((rule, count)) = lopsided {
        let (rule, count) = (rule.clone(), Box::new(*count));
        return Some(Refusal::LargeBlock { rule, count });
    }
    let pairs = counts.iter().map(|count| count.pairs).sum();
    (pairs > settings.max_pairs).then_some(Refusal::ManyPairs { pairs })
}

/// What agrees in each pair, in words; pairs of one pattern share them.
fn agreements(population: &Population, edges: &[Edge], threads: usize) -> Vec<Arc<str>> {
    const AT_A_TIME: usize = 1 << 14;
    let chunks: Vec<&[Edge]> = edges.chunks(AT_A_TIME).collect();
    let patterns = parallel::map(threads, &chunks, |edges| {
        let mut likeness = Likeness::of_all(population);
        let of = |edge: &Edge| match edge.pattern {
            0 => pattern_of(population, edge.one, edge.other, &mut likeness),
            known => known,
        };
        edges.iter().map(of).collect::<Vec<Pattern>>()
    });
    let mut numbers = Numbers::default();
    let mut words: Vec<(Pattern, Arc<str>)> = Vec::new();
    let patterns = patterns.into_iter().flatten();
    let told = patterns.map(|pattern| {
        let is_it = |number: u32| words[number as usize].0 == pattern;
        let (number, is_new) = numbers.of(hash(pattern), is_it);
        if is_new {
            words.push((pattern, agreement(population, pattern)));
        }
        Arc::clone(&words[number as usize].1)
    });
    told.collect()
}

/// `given_name equal, birth_date different`; what is missing is left out.
fn agreement(population: &Population, pattern: Pattern) -> Arc<str> {
    let said = population
        .comparisons
        .iter()
        .enumerate()
        .filter_map(|(at, comparison)| {
            let shape = &comparison.shape;
            let level = shape.levels.get(level_of(pattern, at).wrapping_sub(1))?;
            Some(format!("{} {}", shape.name, level.name))
        });
    Arc::from(said.collect::<Vec<_>>().join(", "))
}
