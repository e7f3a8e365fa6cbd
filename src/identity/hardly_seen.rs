//! Levels that a training hardly saw, since hardly a record lacked a value when the model was trained.
//!
//! Of such a level, "same postcode, no street", the imagined pairs are too many and chance is hardly measured, so that it would
//! weigh what no postcode does. What is known is how much the value that agrees says by itself, to those who know all values: how often
//! strangers share it, in closed form, and how often pairs of one person and of relatives do. How common the level is hangs on
//! how often values are missing, which both sides of the weight have in common.

use super::comparison::{Levels, PartAgreed};
use super::model::{ComparisonModel, Level};
use super::population::Population;

/// Pairs by level of a comparison.
pub(super) struct Pairs<'a> {
    /// Of one person, and of relatives, as they were seen; imagined ones among them.
    pub(super) same: &'a [(f64, f64)],
    pub(super) imagined: &'a [(f64, f64)],
    /// Of all pairs there are, those that are not of strangers.
    pub(super) matched: &'a [f64],
}

/// Weighs the levels that fewer pairs of one person showed than are imagined; says whether there are any. `comparison`: its place
/// in the population; `chance`: u of every level.
pub(super) fn weigh(
    population: &Population,
    comparison: usize,
    model: &mut ComparisonModel,
    chance: &mut [f64],
    pairs: &Pairs<'_>,
) -> bool {
    let by = &population.comparisons[comparison].by;
    let mut is_any = false;
    for at in 0..model.levels.len() {
        let is_hardly_seen = pairs.same[at].0 < 2.0 * pairs.imagined[at].0;
        let part = by.part_of(at as u8 + 1);
        let Some(part) = part.filter(|_| is_hardly_seen) else {
            continue;
        };
        let own = model.levels[at].m;
        let same = agreeing(&part, &model.levels, |level| level.m);
        let relative = agreeing(&part, &model.levels, |level| level.h);
        let stranger = among_strangers(population, &part, at, pairs.matched);
        // agreeing on one value never says more than agreeing on all of them
        let most = (model.levels[0].m / chance[0]).max(1.0);
        set_share(chance.iter_mut(), at, own / (same / stranger).min(most));
        let shares = model.levels.iter_mut().map(|level| &mut level.h);
        set_share(shares, at, own * relative / same);
        is_any = true;
    }
    if is_any {
        for (level, u) in model.levels.iter_mut().zip(chance) {
            level.u = *u;
        }
    }
    is_any
}

/// The sum of what each of some levels says.
fn sum<T>(levels: Levels, of: &[T], said: impl Fn(&T) -> f64) -> f64 {
    let of = of.iter().zip(1..);
    let wanted = of.filter(|(_, level)| levels >> level & 1 == 1);
    wanted.map(|(level, _)| said(level)).sum()
}

/// How often pairs of a kind that know all values agree on the one.
fn agreeing(part: &PartAgreed<'_>, levels: &[Level], share: impl Fn(&Level) -> f64) -> f64 {
    sum(part.agree, levels, &share) / sum(part.agree | part.differ, levels, &share)
}

/// How often strangers agree on the value: all pairs of records that have one, without those that are not of strangers.
fn among_strangers(
    population: &Population,
    part: &PartAgreed<'_>,
    at: usize,
    matched: &[f64],
) -> f64 {
    let counts = population.features.counts(part.column);
    let pairs = |records: f64| records * (records - 1.0) / 2.0;
    let agree: f64 = counts.iter().map(|count| pairs((*count).into())).sum();
    let all = pairs(counts.iter().map(|count| f64::from(*count)).sum());
    let of = |levels: Levels| matched[at] + sum(levels, matched, |pairs| *pairs);
    let strangers = (all - of(part.agree | part.differ)).max(1.0);
    ((agree - of(part.agree)).max(0.5) / strangers).min(1.0)
}

/// Sets one of shares that add up to 1; the others share the rest as they did.
fn set_share<'a>(shares: impl Iterator<Item = &'a mut f64>, at: usize, share: f64) {
    let mut shares: Vec<&mut f64> = shares.collect();
    let rest = (1.0 - share) / (1.0 - *shares[at]);
    for (place, of) in shares.iter_mut().enumerate() {
        **of = if place == at { share } else { **of * rest };
    }
}
