//! Why two records are one person or two, and how a person was put together.
//!
//! Evidence adds up in bits against chance: the start, what each comparison says, how rare the values are that agree. What
//! a household shares is told last, since it is told of all comparisons together: the bits that two relatives would show
//! as well.

use std::collections::BTreeSet;

use super::cluster::{Join, joins};
use super::comparison::{Likeness, Pattern, level_of, with_level};
use super::dictionary::MISSING;
use super::model::{Known, Model};
use super::population::{Decision, Field, Population, Records, Verdict};
use super::rule::{Blocks, Earlier, Feature, Parked, Rule, agree};
use super::score::{CERTAIN, Scorer, pattern_of};
use super::value::SharedValues;

/// Records and the model that their clusters were made with. The model says all that a pair weighs: whether others are there makes
/// no difference, unless it is one of the first versions.
#[derive(Debug)]
pub(crate) struct Explainer {
    population: Population,
    model: Model,
    /// Whether these are all records there are, since the model does not say all.
    is_of_all: bool,
    /// Columns of `must` of which some values say nothing: by place among the project's own, the codes of those values by row.
    silent: Vec<(usize, Vec<u32>)>,
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
    /// Columns of `must`, by place among the project's own, in which both have one value that says nothing.
    pub(crate) silent_must: Vec<usize>,
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
    /// `records`: those that are asked about; all there are, where the model is not [whole](Known::is_whole).
    pub(crate) fn new(records: Records, known: Known, threads: usize) -> Self {
        let is_of_all = !known.is_whole();
        let silent = known.shared().map(|shared| records.silent_must(shared));
        let (population, model) = known.at_work(records, threads);
        Self {
            population,
            model,
            is_of_all,
            silent: silent.unwrap_or_default(),
            threads,
        }
    }

    fn scorer(&self) -> Scorer<'_> {
        match self.is_of_all {
            true => Scorer::new(&self.population, &self.model, self.threads),
            false => Scorer::of_some(&self.population, &self.model, self.threads),
        }
    }

    /// What speaks for and against two rows.
    pub(crate) fn pair(&self, one: u32, other: u32) -> PairEvidence {
        let population = &self.population;
        let (one, other) = (one.min(other), one.max(other));
        let scorer = self.scorer();
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
            silent_must: self.silent_must(one, other),
        }
    }

    /// Pairs that people were asked about: what the evidence alone says of them, and what people.
    pub(crate) fn decided(&self) -> Vec<(u32, u32, f64, Decision)> {
        let mut likeness = Likeness::of_all(&self.population);
        let scorer = self.scorer();
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

    fn silent_must(&self, one: u32, other: u32) -> Vec<usize> {
        let (one, other) = (one as usize, other as usize);
        let equal = self
            .silent
            .iter()
            .filter(|(_, codes)| codes[one] == codes[other] && codes[one] != MISSING);
        equal.map(|(at, _)| *at).collect()
    }

    /// The blocks in which two rows may stand together.
    pub(crate) fn shared_blocks(&self, one: u32, other: u32) -> SharedBlocks {
        let features = &self.population.features;
        let (a, b) = (features.row(one), features.row(other));
        if self.is_of_all {
            let rules = self.rules(one, other).into_iter();
            return SharedBlocks {
                rules: rules.map(SharedBlock::certain).collect(),
                shared: SharedValues::default(),
            };
        }
        let rules = self.model.rules.iter().filter_map(|rule| {
            let steps = rule.steps(features);
            let agreed = steps.iter().take_while(|step| agree(&step.places, a, b));
            let largest: Vec<usize> = agreed.map(|step| step.largest).collect();
            (!largest.is_empty()).then(|| SharedBlock {
                rule: rule.clone(),
                records: vec![0; largest.len()],
                largest,
            })
        });
        SharedBlocks {
            rules: rules.collect(),
            shared: self.model.values.shared.clone(),
        }
    }

    /// Rules that make a pair, where all records are there.
    pub(super) fn rules(&self, one: u32, other: u32) -> Vec<Rule> {
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
        let scorer = self.scorer();
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

/// Blocks of rules in which two records may stand together. They do where a block is not too large: how many others stand there
/// is [counted](Self::count) some records at a time.
#[derive(Debug)]
pub(crate) struct SharedBlocks {
    rules: Vec<SharedBlock>,
    /// Values that say nothing of a person.
    shared: SharedValues,
}

/// The blocks of one rule, each within the one before it.
#[derive(Debug)]
struct SharedBlock {
    rule: Rule,
    /// Records of the largest that is compared, by step; of the steps in which the two agree.
    largest: Vec<usize>,
    /// Records counted so far.
    records: Vec<usize>,
}

impl SharedBlock {
    /// Of a rule that makes the pair.
    fn certain(rule: Rule) -> Self {
        Self {
            rule,
            largest: vec![usize::MAX],
            records: vec![0],
        }
    }
}

impl SharedBlocks {
    /// Whether something hangs on how many others stand there.
    pub(crate) fn hang_on_others(&self) -> bool {
        let mut rules = self.rules.iter();
        rules.any(|block| block.largest.first() != Some(&usize::MAX))
    }

    /// Fields that say where a record stands.
    pub(crate) fn fields(&self) -> BTreeSet<Field> {
        self.features().flat_map(Feature::fields).copied().collect()
    }

    /// The project's own columns that say where a record stands, by place.
    pub(crate) fn own(&self) -> BTreeSet<usize> {
        let own = self.features().filter_map(|feature| match feature {
            Feature::Own(at) => Some(at),
            _ => None,
        });
        own.collect()
    }

    fn features(&self) -> impl Iterator<Item = Feature> + '_ {
        let rules = self.rules.iter().map(|block| &block.rule);
        rules.flat_map(|rule| {
            let keys = rule.refine.iter().flat_map(|refine| &refine.keys);
            rule.features.iter().chain(keys).copied()
        })
    }

    /// Counts more records. The two stand before them, first of all.
    pub(crate) fn count(&mut self, records: Records, threads: usize) {
        let (features, _) = Population::features_of(records, Some(&self.shared), threads);
        for block in &mut self.rules {
            let steps = block.rule.steps(&features);
            for row in 2..features.count() {
                let (one, row) = (features.row(0), features.row(row));
                let agreed = steps
                    .iter()
                    .take_while(|step| agree(&step.places, one, row));
                for (records, _) in block.records.iter_mut().zip(agreed) {
                    *records += 1;
                }
            }
        }
    }

    /// Rules that make the pair, once all records are counted.
    pub(crate) fn rules(&self) -> Vec<Rule> {
        let made = self.rules.iter().filter(|block| {
            let mut steps = block.records.iter().zip(&block.largest);
            steps.any(|(records, largest)| records <= largest)
        });
        made.map(|block| block.rule.clone()).collect()
    }
}
