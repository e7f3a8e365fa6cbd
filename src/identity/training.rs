//! A model from records alone, without labels.
//!
//! u is what chance does: closed form for equal values, else counted on pairs drawn by hash. m and h come from
//! expectation–maximisation (Dempster, Laird & Rubin 1977) over the counts of patterns in the blocks of every narrow rule
//! at once: the rules share m and h, each has its own share of pairs of one person, relatives and strangers, and says
//! nothing of the comparisons that it blocks on. Counts begin with a few imagined pairs, so that a level that was never
//! seen is unlikely and not impossible; one that was hardly seen for want of a missing value is weighed by what is there.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::comparison::{Compared, Comparison, Likeness, Pattern, level_of};
use super::dictionary::MISSING;
use super::hardly_seen;
use super::hash;
use super::model::{ComparisonModel, Level, Model};
use super::pin::Pins;
use super::population::Population;
use super::resolve::{Refusal, Settings};
use super::rule::{Blocks, Earlier, Features, Rule, defaults, pairs_of_block, times_split};
use super::score::pattern_of;
use super::value::Values;
use crate::comparison_shape::{Kind, Shape};
use crate::parallel;

/// Pairs drawn for u.
const RANDOM_PAIRS: u64 = 400_000;
/// Pairs of one rule that are looked at, nearly.
const PAIRS_OF_A_RULE: u64 = 200_000;
const ROUNDS: usize = 100;
const STILL: f64 = 1e-5;
/// How often u is corrected for the pairs that turned out not to be of strangers.
const CORRECTIONS: usize = 20;
/// Until the share of pairs of one person changes by less than this.
const SETTLED: f64 = 1e-3;
/// Imagined pairs of one person, and of relatives, that say what is usual.
const IMAGINED: f64 = 100.0;
/// Broad rules are taken while they add at most so many pairs for each record.
const BROAD_PAIRS: u64 = 4;
const ALL_PAIRS: u64 = 16;

/// Counts of patterns in the blocks of one rule, or of all.
type Counts = BTreeMap<Pattern, u64>;

/// Pairs of a rule in blocks that were split as many times: what they agree on says nothing of them, and of others it does.
struct Sample {
    /// With the keys by which its blocks were split.
    rule: Rule,
    counts: Vec<(Pattern, f64)>,
}

/// Learns a model of a population; with the project's own rules where it has some. Besides, the blocks of each of its rules.
///
/// # Errors
/// A comparison that the records say nothing of.
pub(super) fn train(
    population: &Population,
    settings: &Settings,
) -> Result<(Model, Vec<Blocks>), Refusal> {
    if let Some(refusal) = untrainable(population, &settings.pins) {
        return Err(refusal);
    }
    let (own, pins, threads) = (&settings.rules, &settings.pins, settings.threads);
    let all_pairs = levels_of_all(population, threads);
    let mut samples: Vec<Vec<Counts>> = Vec::new();
    let mut blocks_of_rules = Vec::new();
    let mut candidates: BTreeMap<Pattern, f64> = BTreeMap::new();
    let features = &population.features;
    let rules = choose_rules(
        own,
        &[],
        features,
        population.rows,
        threads,
        |rule, blocks, earlier| {
            let (own, first, rate) = sample(population, rule, &blocks, earlier, threads);
            for (pattern, count) in first {
                *candidates.entry(pattern).or_default() += count as f64 / rate;
            }
            samples.push(own);
            blocks_of_rules.push(blocks);
        },
    );
    let samples = rules.iter().zip(samples).flat_map(|(rule, samples)| {
        let samples = samples.into_iter().enumerate();
        samples.map(|(times, counts)| Sample {
            rule: rule.refined(times),
            counts: counts.into_iter().map(|(p, n)| (p, n as f64)).collect(),
        })
    });
    let samples: Vec<Sample> = samples.collect();
    tracing::debug!("rules are chosen, and their pairs sampled");
    let mut comparisons = before_training(&all_pairs, population);
    let mut chance: Vec<Vec<f64>> = all_pairs.iter().map(|all| all.shares.clone()).collect();
    hold(&mut comparisons, &chance, pins);
    let mut seen = fit(population, &samples, &mut comparisons, &chance, pins);
    let mut found = shares(population, &comparisons, &candidates, pins.prior);
    for _ in 0..CORRECTIONS {
        let before = found.same;
        chance = without_matches(&all_pairs, &found.matched);
        set_strangers(&mut comparisons, &chance);
        hold(&mut comparisons, &chance, pins);
        seen = fit(population, &samples, &mut comparisons, &chance, pins);
        found = shares(population, &comparisons, &candidates, pins.prior);
        if (found.same / before - 1.0).abs() < SETTLED {
            break;
        }
    }
    weigh_hardly_seen(
        population,
        &mut comparisons,
        &mut chance,
        (&seen, &found),
        pins,
    );
    for comparison in &mut comparisons {
        let levels = comparison.shape.levels.iter();
        for (level, said) in comparison.levels.iter_mut().zip(levels) {
            let pin = pins.of_level(&comparison.shape.name, &said.name);
            *level = Level {
                m: pin.and_then(|pin| pin.m).unwrap_or(rounded(level.m)),
                u: pin.and_then(|pin| pin.u).unwrap_or(rounded(level.u)),
                h: rounded(level.h),
            };
        }
    }
    for share in chance.iter_mut().flatten() {
        *share = rounded(*share);
    }
    let mut model = Model {
        same: pins.prior.unwrap_or(rounded(found.mix.same)),
        relative: rounded(found.mix.relative),
        comparisons,
        rules: [rules.as_slice(), settings.must.as_slice()].concat(),
        values: Values::default(),
        pins: pins.clone(),
        trained_at: settings.now.clone(),
    };
    tracing::debug!("levels are learnt");
    model.values = Values::of(population, &model, &chance, threads);
    Ok((model, blocks_of_rules))
}

/// A comparison of which not two records have a value, and whose levels are not pinned, if there is one: what its levels would
/// weigh were a guess alone. Of few records everything is nearly that, and nothing is said.
fn untrainable(population: &Population, pins: &Pins) -> Option<Refusal> {
    if f64::from(population.rows) <= IMAGINED {
        return None;
    }
    let is_unknown = |compared: &&Compared| {
        let asked = compared.by.agreed(1).or(compared.by.measured());
        let values = asked.map(|placed| {
            let rows = (0..population.rows).map(|row| population.row(row)[placed.place]);
            rows.filter(|code| *code != MISSING).take(2).count()
        });
        values.is_some_and(|values| values < 2) && !pins.say_all_of(&compared.shape)
    };
    let compared = population.comparisons.iter().find(is_unknown)?;
    Some(Refusal::Untrainable {
        comparison: compared.shape.name.clone(),
        levels: compared
            .shape
            .levels
            .iter()
            .map(|l| l.name.to_string())
            .collect(),
        records: population.rows,
    })
}

/// To nine digits: more would be noise, and these are written and read without a loss.
fn rounded(share: f64) -> f64 {
    format!("{share:.8e}").parse().unwrap_or(share)
}

/// The project's own rules; where it has none, narrow ones, and broad ones while their pairs are few enough; then those of
/// `must`. Each that is taken is given with its blocks and the rules before it, so that none is sorted twice.
pub(super) fn choose_rules(
    own: &[Rule],
    must: &[Rule],
    features: &Features,
    rows: u32,
    threads: usize,
    mut take: impl FnMut(&Rule, Blocks, &Earlier<'_>),
) -> Vec<Rule> {
    let (narrow, broad) = match own.is_empty() {
        true => defaults(features),
        false => (own.to_vec(), Vec::new()),
    };
    let broad_ones = narrow.len()..narrow.len() + broad.len();
    let (mut chosen, mut parked) = (Vec::new(), Vec::new());
    let mut total = 0;
    let rows_of_all = u64::from(rows);
    let rules = narrow.into_iter().chain(broad).chain(must.to_vec());
    for (at, rule) in rules.enumerate() {
        let blocks = Blocks::new(&rule, features, rows, threads);
        let count = blocks.count;
        let is_worth_it = count.parked_pairs <= rows_of_all
            && count.pairs <= BROAD_PAIRS * rows_of_all
            && total + count.pairs <= ALL_PAIRS * rows_of_all;
        if broad_ones.contains(&at) && !is_worth_it {
            continue;
        }
        let of_rule = Arc::clone(&blocks.parked);
        take(&rule, blocks, &Earlier::new(&chosen, features, &parked));
        total += count.pairs;
        chosen.push(rule);
        parked.push(of_rule);
    }
    chosen
}

/// Patterns in the blocks of a rule: all, by how many times their blocks were split, and those that no earlier rule makes; and
/// the share of pairs looked at.
fn sample(
    population: &Population,
    rule: &Rule,
    blocks: &Blocks,
    earlier: &Earlier<'_>,
    threads: usize,
) -> (Vec<Counts>, Counts, f64) {
    let pairs = blocks.count.pairs.max(1);
    let rate = (PAIRS_OF_A_RULE as f64 / pairs as f64).min(1.0);
    let limit = (rate * u64::MAX as f64) as u64;
    let steps = rule.steps(&population.features);
    let last = steps.len() - 1;
    let counted = parallel::map(threads, blocks.parts(), |part| {
        let mut likeness = Likeness::of_all(population);
        let mut seen = vec![Vec::new(); steps.len()];
        part.blocks(|block| {
            let times = times_split(&steps, &blocks.parked, population.row(block[0]));
            pairs_of_block(block, &mut |one, other| {
                if hash(u64::from(one) << 32 | u64::from(other)) > limit {
                    return;
                }
                let pattern = pattern_of(population, one, other, &mut likeness);
                let is_first = !earlier.make(population.row(one), population.row(other));
                seen[times.min(last)].push((pattern, is_first));
            });
        });
        seen.into_iter().map(counts_of).collect::<Vec<_>>()
    });
    let (mut own, mut first) = (vec![Counts::new(); steps.len()], Counts::new());
    for part in counted {
        for (own, (part_own, part_first)) in own.iter_mut().zip(part) {
            add(own, part_own);
            add(&mut first, part_first);
        }
    }
    (own, first, rate)
}

/// Pairs of each pattern: all, and those of which that is said.
fn counts_of(mut seen: Vec<(Pattern, bool)>) -> (Counts, Counts) {
    seen.sort_unstable();
    let (mut all, mut said) = (Counts::new(), Counts::new());
    for same in seen.chunk_by(|one, other| one.0 == other.0) {
        let pattern = same[0].0;
        all.insert(pattern, same.len() as u64);
        let of_those = same.iter().filter(|(_, is_said)| *is_said).count() as u64;
        if of_those > 0 {
            said.insert(pattern, of_those);
        }
    }
    (all, said)
}

fn add(all: &mut Counts, part: Counts) {
    for (pattern, count) in part {
        *all.entry(pattern).or_default() += count;
    }
}

/// Shares of levels among all pairs, by comparison; nearly all are of strangers.
fn levels_of_all(population: &Population, threads: usize) -> Vec<AllPairs> {
    let rows = u64::from(population.rows);
    let batches: Vec<u64> = (0..64).collect();
    let per_batch = RANDOM_PAIRS / batches.len() as u64;
    let counted = parallel::map(threads, &batches, |batch| {
        let mut likeness = Likeness::of_all(population);
        let mut seen = Vec::new();
        for draw in batch * per_batch..(batch + 1) * per_batch {
            let one = hash(2 * draw) % rows.max(1);
            let other = hash(2 * draw + 1) % rows.max(1);
            if one != other {
                let pattern = pattern_of(population, one as u32, other as u32, &mut likeness);
                seen.push((pattern, false));
            }
        }
        counts_of(seen).0
    });
    let mut counts = Counts::new();
    for part in counted {
        add(&mut counts, part);
    }
    let drawn: u64 = counts.values().sum();
    let pairs = pairs_of(rows);
    let comparisons = population.comparisons.iter().enumerate();
    comparisons
        .map(|(at, comparison)| {
            let mut seen = vec![0.5; comparison.shape.levels.len()];
            for (pattern, count) in &counts {
                if let Some(slot) = seen.get_mut(level_of(*pattern, at).wrapping_sub(1)) {
                    *slot += *count as f64;
                }
            }
            let total: f64 = seen.iter().sum();
            let mut shares: Vec<f64> = seen.iter().map(|n| n / total).collect();
            if let Some(equal) = chance_of_equal(population, &comparison.by) {
                let rest = 1.0 - shares[0];
                shares[0] = equal;
                for share in &mut shares[1..] {
                    *share *= (1.0 - equal) / rest;
                }
            }
            AllPairs {
                known: pairs * total / drawn.max(1) as f64,
                shares,
            }
        })
        .collect()
}

/// Pairs of so many records; one at least.
fn pairs_of(rows: u64) -> f64 {
    (rows as f64 * (rows as f64 - 1.0) / 2.0).max(1.0)
}

/// Σ n(n−1) / N(N−1) over the values of N records: how often two of them are equal.
fn chance_of_equal(population: &Population, comparison: &Comparison) -> Option<f64> {
    let counts = population.features.counts(comparison.agreed(1)?);
    let records: f64 = counts.iter().map(|n| f64::from(*n)).sum();
    let pairs: f64 = counts
        .iter()
        .map(|n| f64::from(*n) * (f64::from(*n) - 1.0))
        .sum();
    (records > 1.0).then(|| pairs.max(1.0) / (records * (records - 1.0)))
}

/// Shares of levels among strangers, from those among all pairs: pairs of one person and of relatives taken out. In a
/// register where most people stand twice, most equal values are of one person. `matched` counts, by comparison and level, the
/// pairs that are not of strangers; a pair without a level is in neither.
fn without_matches(all: &[AllPairs], matched: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let comparisons = all.iter().zip(matched);
    comparisons
        .map(|(all, matched)| {
            let levels = all.shares.iter().zip(matched);
            let rest = levels.map(|(share, matched)| (share * all.known - matched).max(0.5));
            let rest: Vec<f64> = rest.collect();
            let total: f64 = rest.iter().sum();
            rest.iter().map(|pairs| pairs / total).collect()
        })
        .collect()
}

/// What is known of one comparison over all pairs there are.
#[derive(Clone, Debug)]
struct AllPairs {
    /// Pairs with a value on both sides.
    known: f64,
    /// The levels of those.
    shares: Vec<f64>,
}

/// One share per kind of pair.
#[derive(Clone, Copy, Debug)]
struct Mix {
    same: f64,
    relative: f64,
    stranger: f64,
}

/// A model that knows what is usual, and what strangers share.
fn before_training(all: &[AllPairs], population: &Population) -> Vec<ComparisonModel> {
    let comparisons = population.comparisons.iter().zip(all);
    comparisons
        .map(|(comparison, all)| {
            let levels = comparison.shape.levels.iter().zip(&all.shares);
            ComparisonModel {
                shape: Arc::clone(&comparison.shape),
                levels: levels
                    .map(|(prior, u)| Level {
                        m: prior.same,
                        u: *u,
                        h: prior.relative.unwrap_or(*u),
                    })
                    .collect(),
            }
        })
        .collect()
}

/// Sets u; relatives are like strangers where nothing is shared.
fn set_strangers(model: &mut [ComparisonModel], u: &[Vec<f64>]) {
    for (comparison, u) in model.iter_mut().zip(u) {
        let is_shared = comparison.shape.is_shared();
        for (level, u) in comparison.levels.iter_mut().zip(u) {
            level.u = *u;
            if !is_shared {
                level.h = *u;
            }
        }
    }
}

/// Sets what is pinned, and lets the other levels share the rest. `chance` is u of each level before that.
fn hold(model: &mut [ComparisonModel], chance: &[Vec<f64>], pins: &Pins) {
    for (comparison, chance) in model.iter_mut().zip(chance) {
        pins.hold(comparison, chance);
    }
}

/// Sets levels of which too few pairs tell, from what pairs tell of other levels.
fn weigh_hardly_seen(
    population: &Population,
    model: &mut [ComparisonModel],
    chance: &mut [Vec<f64>],
    (seen, found): (&[Seen], &Found),
    pins: &Pins,
) {
    for (at, (comparison, chance)) in model.iter_mut().zip(chance).enumerate() {
        let pairs = hardly_seen::Pairs {
            same: &seen[at],
            imagined: &imagined(&comparison.shape),
            matched: &found.matched[at],
        };
        if hardly_seen::weigh(population, at, comparison, chance, &pairs) {
            pins.hold(comparison, chance);
        }
    }
}

/// Pairs of one person and of relatives at each level of a comparison, imagined ones among them.
type Seen = Vec<(f64, f64)>;

/// m and h of every comparison, from those that the model has; and what was seen of one person and relatives.
fn fit(
    population: &Population,
    samples: &[Sample],
    model: &mut [ComparisonModel],
    chance: &[Vec<f64>],
    pins: &Pins,
) -> Vec<Seen> {
    let shapes = population.shapes();
    let given = shapes.iter().position(|s| s.kind == Kind::GivenName);
    let has_relatives = given.is_some() && shapes.iter().any(|shape| shape.is_shared());
    let is_on_given = |rule| given.is_some_and(|at| population.is_blocked_on(rule, at));
    // two relatives of one given name cannot be told from one person
    let starts = samples.iter().map(|sample| Mix {
        same: 0.4,
        relative: if has_relatives && !is_on_given(&sample.rule) {
            0.2
        } else {
            0.0
        },
        stranger: 0.4,
    });
    let starts: Vec<Mix> = starts.collect();
    let mut mixes = starts.clone();
    let mut seen = Vec::new();
    for _ in 0..ROUNDS {
        seen = shapes.iter().map(|shape| imagined(shape)).collect();
        for ((sample, mix), start) in samples.iter().zip(&mut mixes).zip(&starts) {
            let (mut same, mut relative, mut total) = (0.0, 0.0, 0.0);
            let told: Vec<bool> = (0..shapes.len())
                .map(|at| !population.is_blocked_on(&sample.rule, at))
                .collect();
            for (pattern, count) in &sample.counts {
                let (s, r) = posterior(model, *mix, *pattern, &told);
                same += count * s;
                relative += count * r;
                total += count;
                for (at, seen) in seen.iter_mut().enumerate() {
                    let level = level_of(*pattern, at).wrapping_sub(1);
                    if let (true, Some(slot)) = (told[at], seen.get_mut(level)) {
                        slot.0 += count * s;
                        slot.1 += count * r;
                    }
                }
            }
            let share = |n: f64, prior: f64| (n + prior) / (total + 1.0);
            *mix = Mix {
                same: share(same, start.same),
                relative: share(relative, start.relative),
                stranger: share(total - same - relative, start.stranger),
            };
        }
        if maximise(model, &seen, chance, pins) < STILL {
            break;
        }
    }
    seen
}

/// Pairs of one person and of relatives by level, before any was seen.
fn imagined(shape: &Shape) -> Seen {
    let levels = shape.levels.iter();
    levels
        .map(|level| {
            (
                IMAGINED * level.same,
                IMAGINED * level.relative.unwrap_or(0.0),
            )
        })
        .collect()
}

/// Sets m and h to what was seen; the largest change.
fn maximise(model: &mut [ComparisonModel], seen: &[Seen], chance: &[Vec<f64>], pins: &Pins) -> f64 {
    let mut change: f64 = 0.0;
    for ((comparison, seen), chance) in model.iter_mut().zip(seen).zip(chance) {
        let same: f64 = seen.iter().map(|(s, _)| s).sum();
        let relative: f64 = seen.iter().map(|(_, r)| r).sum();
        let is_shared = comparison.shape.is_shared();
        let before: Vec<f64> = comparison.levels.iter().map(|level| level.m).collect();
        for (level, (s, r)) in comparison.levels.iter_mut().zip(seen) {
            level.m = s / same;
            if is_shared {
                level.h = r / relative;
            }
        }
        pins.hold(comparison, chance);
        let levels = comparison.levels.iter().zip(before);
        change = levels.fold(change, |change, (level, m)| change.max((level.m - m).abs()));
    }
    change
}

/// How probably a pair of a pattern is of one person, and of relatives.
fn posterior(model: &[ComparisonModel], mix: Mix, pattern: Pattern, told: &[bool]) -> (f64, f64) {
    let (mut s, mut r, mut u) = (mix.same, mix.relative, mix.stranger);
    for (at, comparison) in model.iter().enumerate() {
        let level = level_of(pattern, at).wrapping_sub(1);
        if let (true, Some(level)) = (told[at], comparison.levels.get(level)) {
            s *= level.m;
            r *= level.h;
            u *= level.u;
        }
    }
    let total = (s + r + u).max(f64::MIN_POSITIVE);
    (s / total, r / total)
}

/// What candidates tell of all pairs there are.
struct Found {
    mix: Mix,
    /// Share of pairs of one person as the candidates tell it, whatever is pinned.
    same: f64,
    /// Pairs of one person or of relatives, by comparison and level.
    matched: Vec<Vec<f64>>,
}

/// How common pairs of one person and of relatives are among all pairs, from the candidates.
fn shares(
    population: &Population,
    comparisons: &[ComparisonModel],
    candidates: &BTreeMap<Pattern, f64>,
    prior: Option<f64>,
) -> Found {
    let rows = f64::from(population.rows).max(1.0);
    let pairs = pairs_of(u64::from(population.rows));
    let has_relatives = comparisons.iter().any(|c| c.shape.kind == Kind::GivenName)
        && comparisons.iter().any(|c| c.shape.is_shared());
    let told = vec![true; comparisons.len()];
    let mut told_same = 1.0 / rows;
    let mut mix = Mix {
        same: prior.unwrap_or(told_same),
        relative: if has_relatives { 0.5 / rows } else { 0.0 },
        stranger: 1.0,
    };
    for _ in 0..ROUNDS {
        let (mut same, mut relative) = (1.0, 1.0);
        for (pattern, count) in candidates {
            let (s, r) = posterior(comparisons, mix, *pattern, &told);
            same += count * s;
            relative += count * r;
        }
        let next = same / pairs;
        mix = Mix {
            same: prior.unwrap_or(next),
            relative: if has_relatives { relative / pairs } else { 0.0 },
            stranger: 1.0,
        };
        let moved = (next / told_same - 1.0).abs();
        told_same = next;
        if moved < STILL {
            break;
        }
    }
    let levels = comparisons
        .iter()
        .map(|comparison| vec![0.0; comparison.levels.len()]);
    let mut matched: Vec<Vec<f64>> = levels.collect();
    for (pattern, count) in candidates {
        let (s, r) = posterior(comparisons, mix, *pattern, &told);
        for (at, levels) in matched.iter_mut().enumerate() {
            if let Some(slot) = levels.get_mut(level_of(*pattern, at).wrapping_sub(1)) {
                *slot += count * (s + r);
            }
        }
    }
    Found {
        mix,
        same: told_same,
        matched,
    }
}
