//! Why two records are one person or two, and how a person was put together.
//!
//! Evidence adds up in bits against chance: the start, what each comparison says, how rare the values are that agree. What
//! a household shares is told last, since it is told of all comparisons together: the bits that two relatives would show
//! as well.

use super::cluster::{Join, joins};
use super::comparison::{Likeness, Pattern, level_of, with_level};
use super::model::{Known, Model};
use super::population::{Decision, Population, Records, Verdict};
use super::rule::{Blocks, Earlier, Parked, Rule};
use super::score::{CERTAIN, Scorer, pattern_of};

/// A population and the model that its clusters were made with.
#[derive(Debug)]
pub(crate) struct Explainer {
    population: Population,
    model: Model,
    threads: usize,
}

/// What decides a pair whatever the evidence says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DecidedBy {
    Person(Decision),
    /// `must`.
    Must,
    /// `cannot`, or a source that knows each person once.
    Cannot,
}

/// The evidence of a pair.
#[derive(Debug)]
pub(crate) struct PairEvidence {
    /// Log2 of the odds before anything is compared.
    pub(crate) start: f64,
    pub(crate) told: Vec<Told>,
    /// What relatives would show as well; 0 or less.
    pub(crate) household: f64,
    /// The sum of all.
    pub(crate) weight: f64,
    pub(crate) decided_by: Option<DecidedBy>,
    /// Blocking rules that make the pair.
    pub(crate) rules: Vec<Rule>,
}

/// What one comparison says.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) name: String,
    /// `None` where a value is missing.
    pub(crate) level: Option<String>,
    /// Against chance, were all values equally common.
    pub(crate) bits: f64,
    /// For how rare the value is that agrees.
    pub(crate) rarity: f64,
    /// Records with that value when the model was trained; `None` where it is no common one.
    pub(crate) records: Option<u32>,
    /// The weight of the pair did it say nothing.
    pub(crate) without: f64,
    /// The weight of the pair were the values equal; `None` where they are.
    pub(crate) if_equal: Option<f64>,
}

/// Two groups that became one.
#[derive(Debug)]
pub(crate) struct Merge {
    pub(crate) one: Vec<u32>,
    pub(crate) other: Vec<u32>,
    /// What all pairs between them say on average, comparison by comparison; a verdict's where one joins them.
    pub(crate) mean: f64,
    /// The pair between them that speaks most for it, with its weight; `None` where a verdict does.
    pub(crate) strongest: Option<(u32, u32, Option<f64>)>,
}

impl Explainer {
    pub(crate) fn new(records: Records, known: Known, threads: usize) -> Self {
        let (population, model) = known.at_work(records, threads);
        Self {
            population,
            model,
            threads,
        }
    }

    /// What speaks for and against two rows.
    pub(crate) fn pair(&self, one: u32, other: u32) -> PairEvidence {
        let population = &self.population;
        let (one, other) = (one.min(other), one.max(other));
        let scorer = Scorer::new(population, &self.model, self.threads);
        let pattern = pattern_of(population, one, other, &mut Likeness::of_all(population));
        let against_chance = |pattern: Pattern| {
            let evidence = scorer.evidence(pattern, one);
            evidence.same - evidence.stranger
        };
        let whole = against_chance(pattern);
        let comparisons = population.comparisons.iter().enumerate();
        let told = comparisons.map(|(at, comparison)| {
            let level = level_of(pattern, at);
            let silent = with_level(0, at, 0xf);
            let without = pattern & !silent;
            let equal = with_level(without, at, 1);
            let rarity = scorer.rarity(pattern, at, one);
            let said = comparison.shape.levels.get(level.wrapping_sub(1));
            Told {
                name: comparison.shape.name.clone(),
                level: said.map(|level| level.name.to_string()),
                bits: whole - against_chance(without) + rarity,
                rarity: -rarity,
                records: scorer.records_of_value(pattern, at, one),
                without: scorer.evidence(without, one).weight(),
                if_equal: (level != 1).then(|| scorer.evidence(equal, one).weight()),
            }
        });
        let told = told.collect();
        let weight = scorer.evidence(pattern, one).weight();
        PairEvidence {
            start: against_chance(0),
            told,
            household: weight - whole,
            weight,
            decided_by: self.decided_by(one, other),
            rules: self.rules(one, other),
        }
    }

    /// Pairs that people were asked about: what the evidence alone says of them, and what people.
    pub(crate) fn decided(&self) -> Vec<(u32, u32, f64, Decision)> {
        let mut likeness = Likeness::of_all(&self.population);
        let scorer = Scorer::new(&self.population, &self.model, self.threads);
        let decided = self.population.decisions().iter();
        decided
            .map(|(one, other, decision)| {
                let pattern = pattern_of(&self.population, *one, *other, &mut likeness);
                let weight = scorer.evidence(pattern, *one).weight();
                (*one, *other, weight, *decision)
            })
            .collect()
    }

    /// The first pair between two groups of records that may not be one, and what says so.
    pub(crate) fn kept_apart(&self, one: &[u32], other: &[u32]) -> Option<(u32, u32, DecidedBy)> {
        let pairs = one.iter().flat_map(|a| other.iter().map(move |b| (*a, *b)));
        let mut decided = pairs.filter_map(|(a, b)| {
            let by = self.decided_by(a.min(b), a.max(b))?;
            Some((a, b, by))
        });
        decided.find(|(_, _, by)| match by {
            DecidedBy::Person(decision) => *decision != Decision::Same,
            DecidedBy::Must => false,
            DecidedBy::Cannot => true,
        })
    }

    fn decided_by(&self, one: u32, other: u32) -> Option<DecidedBy> {
        match self.population.decision(one, other) {
            Some(decision) if decision != Decision::Open => Some(DecidedBy::Person(decision)),
            _ => self
                .population
                .verdict(one, other)
                .map(|verdict| match verdict {
                    Verdict::Same => DecidedBy::Must,
                    Verdict::Different => DecidedBy::Cannot,
                }),
        }
    }

    fn rules(&self, one: u32, other: u32) -> Vec<Rule> {
        let Population { features, rows, .. } = &self.population;
        let (a, b) = (features.row(one), features.row(other));
        let makes = |rule: &&Rule| {
            let rule = std::slice::from_ref(*rule);
            let alone = [Parked::default()];
            // most rules do not make the pair, and a look at their blocks costs a sort
            Earlier::new(rule, features, &alone).make(a, b) && {
                let parked = [Blocks::new(&rule[0], features, *rows, self.threads).parked];
                Earlier::new(rule, features, &parked).make(a, b)
            }
        };
        self.model.rules.iter().filter(makes).cloned().collect()
    }

    /// How records became one cluster: the joins in their order. `same_from`: from this weight on records are one.
    pub(crate) fn merges(&self, members: &[u32], same_from: f64) -> Vec<Merge> {
        let mut likeness = Likeness::of_all(&self.population);
        let scorer = Scorer::new(&self.population, &self.model, self.threads);
        let mut found = Vec::new();
        let joined = |join: Join<'_>| {
            found.push((join.one.to_vec(), join.other.to_vec(), join.weight));
        };
        joins(&scorer, members, same_from, &mut likeness, joined);
        let merges = found.into_iter().map(|(one, other, mean)| {
            let mut strongest: Option<(u32, u32, f64)> = None;
            for a in &one {
                for b in &other {
                    let weight = scorer.weight(*a, *b, &mut likeness);
                    if let Some(weight) = weight.filter(|w| strongest.is_none_or(|s| *w > s.2)) {
                        strongest = Some((*a, *b, weight));
                    }
                }
            }
            Merge {
                one,
                other,
                mean,
                strongest: strongest.map(|(a, b, w)| (a, b, (w < CERTAIN).then_some(w))),
            }
        });
        merges.collect()
    }
}
