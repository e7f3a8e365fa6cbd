//! Candidate pairs to weights: what is worth keeping of the evidence.

use std::collections::VecDeque;

use super::column::Placed;
use super::comparison::{Compared, Levels, Likeness, Pattern, SAYS_NOTHING, level_of, with_level};
use super::dictionary::MISSING;
use super::model::{Bits, Evidence, Model};
use super::population::{Decision, Population, Verdict};
use super::resolve::{Refusal, Settings, refusal};
use super::rule::{BlockCount, Blocks, Earlier, Parked, Rule};
use super::value::{Common, Rarity};
use crate::comparison_shape::Kind;
use crate::parallel;

/// A pair that was compared, the lower row first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Edge {
    pub(crate) one: u32,
    pub(crate) other: u32,
    /// Match weight in bits.
    pub(crate) weight: f32,
    /// Its levels, where they were all looked at; else 0.
    pub(super) pattern: Pattern,
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
    let (one, other) = (population.row(one), population.row(other));
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
    /// By comparison: what its levels say for one person, at most.
    gains: Vec<Gains>,
    /// By comparison and level: bits to add for each value, where agreeing on a rare one is worth more.
    rarity: Vec<Vec<Option<Rarities<'a>>>>,
    /// By comparison: relatives agree on it by chance alone.
    is_own: Vec<bool>,
    /// Comparisons in the order in which texts are looked at: what is quickly told first.
    quickest_first: Vec<usize>,
}

/// How much likelier two strangers agree on each value than on any.
struct Rarities<'a> {
    placed: &'a Placed,
    /// By code, of values that several records have; empty where none is known to be common.
    bits: Vec<f32>,
    rare: f32,
    /// Of any value; 0 at most.
    least: f64,
    common: &'a Common,
}

impl Rarities<'_> {
    fn of(&self, code: u32) -> f64 {
        if code == MISSING {
            return 0.0;
        }
        let bits = self.bits.get(code as usize).copied();
        f64::from(bits.unwrap_or(self.rare))
    }
}

/// How much more a level, or all that is known of a pair, speaks for one person than for two strangers and for two
/// relatives, in bits. The weight of a pair is less than either.
#[derive(Clone, Copy, Debug)]
struct Gain {
    stranger: f64,
    relative: f64,
}

impl Gain {
    const NONE: Self = Self {
        stranger: 0.0,
        relative: 0.0,
    };

    fn of(evidence: Evidence) -> Self {
        Self {
            stranger: evidence.same - evidence.stranger,
            relative: evidence.same - evidence.relative,
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            stranger: self.stranger + other.stranger,
            relative: self.relative + other.relative,
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            stranger: self.stranger - other.stranger,
            relative: self.relative - other.relative,
        }
    }

    fn most(self, other: Self) -> Self {
        Self {
            stranger: self.stranger.max(other.stranger),
            relative: self.relative.max(other.relative),
        }
    }

    /// Whether a weight can be as much; the slack is for sums that are rounded in another order.
    fn may_reach(self, weight: f64) -> bool {
        self.stranger.min(self.relative) >= weight - 1e-6
    }
}

/// The gains of one comparison's levels.
#[derive(Debug)]
struct Gains {
    /// Level 0 first: it says nothing.
    levels: Vec<Gain>,
    /// Levels of which several may be a pair's, and the most that they say: found once.
    known: Vec<(Levels, Gain)>,
}

impl Gains {
    fn of(&self, level: usize) -> Gain {
        self.levels.get(level).copied().unwrap_or(Gain::NONE)
    }

    /// The most that any of some levels says.
    fn most(&self, levels: Levels) -> Gain {
        let known = self.known.iter().find(|(of, _)| *of == levels);
        known.map_or_else(|| self.most_of(levels), |(_, gain)| *gain)
    }

    fn most_of(&self, levels: Levels) -> Gain {
        let gains = self.levels.iter().zip(0..);
        let gains = gains.filter(|(_, level)| levels >> level & 1 == 1);
        let gains = gains.map(|(gain, _)| *gain);
        gains.reduce(Gain::most).unwrap_or(Gain::NONE)
    }
}

impl<'a> Scorer<'a> {
    /// Of all records there are.
    pub(super) fn new(population: &'a Population, model: &'a Model, threads: usize) -> Self {
        let come_again = |placed: &Placed| population.features.come_again(placed);
        Self::with(population, model, threads, come_again)
    }

    /// Of a few of them: what stands in one may stand in others that are not there.
    pub(super) fn of_some(population: &'a Population, model: &'a Model, threads: usize) -> Self {
        let all = |placed: &Placed| vec![true; placed.column.len()];
        Self::with(population, model, threads, all)
    }

    /// `come_again`: by code of a column, whether two records may agree on it.
    fn with(
        population: &'a Population,
        model: &'a Model,
        threads: usize,
        come_again: impl Fn(&Placed) -> Vec<bool> + Sync,
    ) -> Self {
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
                let level = place as u8 + 1;
                if let (Some(Some(common)), Some(placed)) = (common, compared.agreed(level)) {
                    // other records of the same person
                    let own = model.same * model.values.records as f64 * share.m;
                    let rarity = Rarity::new(compared.shape.kind, level, common, share.u, own);
                    wanted.push((at, place, rarity, common, placed));
                }
            }
        }
        let found = parallel::map(threads, &wanted, |(_, _, rarity, common, placed)| {
            let rare = rarity.rare();
            let bits = |code: u32| {
                let count = common.counts.get(&placed.column.mark(code));
                count.map_or(rare, |count| rarity.bits(*count))
            };
            let bits: Vec<f32> = match common.counts.is_empty() {
                true => Vec::new(),
                // on a value of one record no two agree, and its mark takes long
                false => (0..)
                    .zip(come_again(placed))
                    .map(|(code, comes_again)| if comes_again { bits(code) } else { rare })
                    .collect(),
            };
            Rarities {
                least: bits.iter().copied().fold(rare, f32::min).min(0.0).into(),
                bits,
                rare,
                placed,
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
        let comparisons = &population.comparisons;
        let mut quickest_first: Vec<usize> = (0..comparisons.len()).collect();
        quickest_first.sort_by_key(|at| comparisons[*at].by.effort());
        let mut scorer = Self {
            population,
            bits: Bits::new(model),
            gains: Vec::new(),
            rarity,
            is_own: is_own.collect(),
            quickest_first,
        };
        let places = 0..scorer.rarity.len();
        scorer.gains = places.map(|at| scorer.gains_of(at)).collect();
        scorer
    }

    /// What the levels of a comparison say; of those that say more of a rare value, the rarest.
    fn gains_of(&self, at: usize) -> Gains {
        const OFTEN: [&[u8]; 7] = [
            &[3, 4, 5],
            &[2, 3, 4, 5],
            &[2, 3],
            &[0, 2, 3, 4],
            &[2, 3, 4],
            &[3, 4],
            &[2, 5],
        ];
        let levels = self.bits.levels(at).iter().zip(&self.rarity[at]);
        let gains = levels.map(|(evidence, rarity)| {
            let bits = rarity.as_ref().map_or(0.0, |rarity| rarity.least);
            Gain::of(*evidence).minus(self.gain_of_rarity(at, bits))
        });
        let mut gains = Gains {
            levels: std::iter::once(Gain::NONE).chain(gains).collect(),
            known: Vec::new(),
        };
        let often = OFTEN.iter().map(|levels| {
            let levels = levels.iter().fold(0, |bits, level| bits | 1 << level);
            (levels, gains.most_of(levels))
        });
        gains.known = often.collect();
        gains
    }

    /// What is taken from a gain because a value is more common than most.
    fn gain_of_rarity(&self, at: usize, bits: f64) -> Gain {
        Gain {
            stranger: bits,
            relative: if self.is_own[at] { bits } else { 0.0 },
        }
    }

    pub(super) fn population(&self) -> &'a Population {
        self.population
    }

    /// The match weight of a pair, [`CERTAIN`] or [`NEVER`] where a rule without exception decides; `None` where not one
    /// value can be compared.
    pub(super) fn weight(&self, one: u32, other: u32, likeness: &mut [Likeness]) -> Option<f64> {
        let certain = self.certain(one, other, false);
        certain.or_else(|| self.evidence_of(one, other, likeness))
    }

    /// Whether nothing can be compared but one way to reach somebody, of which a person has several and a household one: a record
    /// of a newsletter knows no name. That two such values differ says hardly anything against one person.
    pub(super) fn is_of_one_contact(&self, one: u32, other: u32) -> bool {
        let (one, other) = (self.population.row(one), self.population.row(other));
        let comparisons = self.population.comparisons.iter();
        let mut told = comparisons.filter(|by| by.by.levels(one, other) != SAYS_NOTHING);
        let is_contact = |compared: &Compared| {
            let kind = compared.shape.kind;
            matches!(kind, Kind::Email | Kind::Phone | Kind::Address)
        };
        told.next().is_some_and(is_contact) && told.next().is_none()
    }

    /// Whether people decided that two records are one.
    pub(super) fn is_decided_same(&self, one: u32, other: u32) -> bool {
        self.population.decision(one, other) == Some(Decision::Same)
    }

    /// The weight of a pair that rules without exception decide; had nobody decided it where it is decided that the two are one:
    /// what people say of the very pair is above `cannot`.
    pub(super) fn certain(&self, one: u32, other: u32, is_decided_same: bool) -> Option<f64> {
        let verdict = match is_decided_same {
            true => {
                let ruled = self.population.ruled(one, other);
                ruled.filter(|verdict| *verdict == Verdict::Same)
            }
            false => self.population.verdict(one, other),
        };
        verdict.map(|verdict| match verdict {
            Verdict::Same => CERTAIN,
            Verdict::Different => NEVER,
        })
    }

    /// The levels of a pair; 0 where not one value can be compared.
    pub(super) fn pattern(&self, one: u32, other: u32, likeness: &mut [Likeness]) -> Pattern {
        pattern_of(self.population, one, other, likeness)
    }

    /// What is known of a pair before anything is compared.
    pub(super) fn prior(&self) -> Evidence {
        self.bits.prior()
    }

    /// What the levels of a pair say, of which `one` is a row, each with its comparison.
    pub(super) fn told(
        &self,
        pattern: Pattern,
        one: u32,
    ) -> impl Iterator<Item = (usize, Evidence)> + '_ {
        (0..self.rarity.len()).filter_map(move |at| {
            let level = level_of(pattern, at).wrapping_sub(1);
            let mut evidence = *self.bits.levels(at).get(level)?;
            let bits = self.rarity(pattern, at, one);
            evidence.stranger += bits;
            if self.is_own[at] {
                evidence.relative += bits;
            }
            Some((at, evidence))
        })
    }

    fn evidence_of(&self, one: u32, other: u32, likeness: &mut [Likeness]) -> Option<f64> {
        match pattern_of(self.population, one, other, likeness) {
            0 => None,
            pattern => Some(self.weight_of(pattern, one)),
        }
    }

    /// As [`weight`](Self::weight), of a pair that may weigh as much as `least`, with the levels that it follows from; `None` also
    /// where it weighs less for certain.
    ///
    /// What the numbers of values say, equal or not, mostly shows that a pair is of two strangers whatever the texts say;
    /// then no text is looked at.
    pub(super) fn weight_from(
        &self,
        least: f64,
        one: u32,
        other: u32,
        likeness: &mut [Likeness],
    ) -> Option<(f64, Pattern)> {
        match self.population.verdict(one, other) {
            Some(Verdict::Same) => return Some((CERTAIN, 0)),
            Some(Verdict::Different) => return Some((NEVER, 0)),
            None => {}
        }
        let (a, b) = (self.population.row(one), self.population.row(other));
        let comparisons = &self.population.comparisons;
        let mut most = Gain::of(self.bits.prior());
        let mut pattern = 0;
        let mut open: u16 = 0;
        let mut open_levels: [Levels; 16] = [0; 16];
        for (at, comparison) in comparisons.iter().enumerate() {
            let levels = comparison.by.levels(a, b);
            let gains = &self.gains[at];
            if levels.is_power_of_two() {
                let level = levels.trailing_zeros() as usize;
                pattern = with_level(pattern, at, level as u8);
                most = most.plus(match self.rarity[at].get(level.wrapping_sub(1)) {
                    Some(Some(rarity)) => {
                        let bits = rarity.of(a[rarity.placed.place]) - rarity.least;
                        gains.of(level).minus(self.gain_of_rarity(at, bits))
                    }
                    _ => gains.of(level),
                });
            } else {
                open |= 1 << at;
                open_levels[at] = levels;
                most = most.plus(gains.most(levels));
            }
        }
        let is_open = |at: &&usize| open >> **at & 1 == 1;
        for at in self.quickest_first.iter().filter(is_open).copied() {
            if !most.may_reach(least) {
                return None;
            }
            let level = comparisons[at].by.level(a, b, &mut likeness[at]);
            pattern = with_level(pattern, at, level);
            let gains = &self.gains[at];
            let known = gains.of(usize::from(level));
            most = most.plus(known).minus(gains.most(open_levels[at]));
        }
        let is_worth_it = pattern != 0 && most.may_reach(least);
        is_worth_it.then(|| (self.weight_of(pattern, one), pattern))
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
        rarity.of(self.population.row(row)[rarity.placed.place])
    }

    /// Records that had the value on which two rows agree when the model was trained, where it is a common one.
    pub(super) fn records_of_value(&self, pattern: Pattern, at: usize, row: u32) -> Option<u32> {
        let level = level_of(pattern, at).wrapping_sub(1);
        let rarity = self.rarity[at].get(level)?.as_ref()?;
        let code = self.population.row(row)[rarity.placed.place];
        let mark = rarity.placed.column.mark(code);
        rarity.common.counts.get(&mark).copied()
    }
}

/// Every candidate pair of at least so many bits, once, by rule, part and block; and how many candidates each rule made.
/// `blocks`: of the first rules, where they were sorted before.
///
/// # Errors
/// Rules that together make more pairs than they may, before the pairs of the rule that goes beyond.
pub(super) fn score(
    scorer: &Scorer<'_>,
    rules: &[Rule],
    blocks: Vec<Blocks>,
    keep_from: f64,
    settings: &Settings,
) -> Result<(Vec<Edge>, Vec<BlockCount>), Refusal> {
    /// Rules whose blocks are sorted at once: fewer looks at all records, and more memory.
    const TOGETHER: usize = 2;
    let (population, threads) = (scorer.population, settings.threads);
    let mut counts: Vec<BlockCount> = Vec::new();
    let mut parked: Vec<Parked> = Vec::new();
    let mut edges = Vec::new();
    let mut sorted = VecDeque::from(blocks);
    for at in 0..rules.len() {
        let (features, rows) = (&population.features, population.rows);
        if sorted.is_empty() {
            let next = &rules[at..rules.len().min(at + TOGETHER)];
            sorted = Blocks::of_rules(next, features, rows, threads);
        }
        let Some(blocks) = sorted.pop_front() else {
            break;
        };
        counts.push(blocks.count);
        if let Some(refusal) = refusal(rules, &counts, settings) {
            return Err(refusal);
        }
        let earlier = Earlier::new(&rules[..at], features, &parked);
        let found = parallel::map(threads, blocks.parts(), |part| {
            let mut likeness = Likeness::of_all(population);
            let mut edges = Vec::new();
            part.pairs_near(&population.features, |one, other| {
                if earlier.make(population.row(one), population.row(other)) {
                    return;
                }
                let found = scorer.weight_from(keep_from, one, other, &mut likeness);
                if let Some((weight, pattern)) = found.filter(|found| found.0 >= keep_from) {
                    edges.push(Edge {
                        one,
                        other,
                        weight: weight as f32,
                        pattern,
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
