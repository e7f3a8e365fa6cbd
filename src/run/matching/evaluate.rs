//! How right a match step is, as the newest release holds it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::super::Runner;
use super::sample::{Pairs, band_of, bands};
use super::step::{Ids, Step};
use super::truth::{self, Truth};
use crate::error::{Error, Result};
use crate::identity::{
    Drawn, Estimate, ModelRow, Rates, bridges, by_threshold, judge, judge_groups, pairs_of_people,
    precision, probability, recall,
};
use crate::name::TableName;
use crate::plan::Outline;

/// What is known of how right a match is.
#[derive(Debug, Serialize)]
pub(crate) struct MatchEvaluation {
    pub(crate) table: String,
    pub(crate) release: u64,
    pub(crate) records: u64,
    pub(crate) entities: u64,
    pub(crate) same_from: f64,
    pub(crate) review_from: f64,
    /// Against a truth, where one was given.
    pub(crate) truth: Option<AgainstTruth>,
    /// Pairs that were weighed, by weight.
    pub(crate) strata: Vec<Stratum>,
    /// Of the pairs from the threshold on, the share of one person: as the model believes.
    pub(crate) believed_precision: f64,
    /// Of the pairs of one person among those weighed, the share from the threshold on: as the model believes.
    pub(crate) believed_recall: f64,
    /// As people say of pairs drawn at random; `None` where nobody drew any.
    pub(crate) judged: Option<JudgedByPeople>,
    /// Records of an entity → entities.
    pub(crate) sizes: BTreeMap<u64, u64>,
    /// Ids that one pair alone holds together, and how many there are.
    pub(crate) bridges: Vec<BridgeStory>,
    pub(crate) bridges_count: u64,
    /// Candidate pairs of each blocking rule.
    pub(crate) rules: Vec<(String, i64)>,
    pub(crate) levels: Vec<LevelStory>,
}

/// Figures against a truth.
#[derive(Debug, Serialize)]
pub(crate) struct AgainstTruth {
    /// Records of which the person is known.
    pub(crate) records: u64,
    /// Records of the truth that the match does not know.
    pub(crate) unknown_records: u64,
    /// Rows of the truth that name no person, or no record: left out.
    pub(crate) without_person: u64,
    pub(crate) people: u64,
    pub(crate) pairs: RatesStory,
    pub(crate) b_cubed: RatesStory,
    /// People whose records are one entity, and nobody else's.
    pub(crate) exact: u64,
    pub(crate) mixed: u64,
    pub(crate) torn: u64,
    /// By the first part of the key, where it has several and this one names some few sources: pairs in which a record of it takes
    /// part.
    pub(crate) by_source: Vec<(String, RatesStory)>,
    /// Pairs that were weighed, were the threshold at these bits.
    pub(crate) by_threshold: Vec<(f64, RatesStory)>,
}

#[derive(Debug, Serialize)]
pub(crate) struct RatesStory {
    pub(crate) precision: f64,
    pub(crate) recall: f64,
    pub(crate) f1: f64,
}

/// Pairs of nearly one weight.
#[derive(Debug, Serialize)]
pub(crate) struct Stratum {
    /// From these bits on, two wide; the last is open.
    pub(crate) from: f64,
    pub(crate) pairs: u64,
    /// How many of them are of one person, as the model believes.
    pub(crate) believed: f64,
    /// Pairs drawn at random that people judged, and those among them that are the same.
    pub(crate) answered: u64,
    pub(crate) answered_same: u64,
}

/// What a random sample says of all pairs that were weighed.
#[derive(Debug, Serialize)]
pub(crate) struct JudgedByPeople {
    pub(crate) answered: u64,
    /// Pairs drawn of which nobody could say it.
    pub(crate) cannot_say: u64,
    pub(crate) precision: EstimateStory,
    /// Of the pairs of one person among those weighed.
    pub(crate) recall: EstimateStory,
    /// Both, were the threshold at these bits.
    pub(crate) by_threshold: Vec<(f64, EstimateStory, EstimateStory)>,
}

/// A figure, and between which it lies with 95 % certainty.
#[derive(Debug, Serialize)]
pub(crate) struct EstimateStory {
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// A pair without which an id would fall in two.
#[derive(Debug, Serialize)]
pub(crate) struct BridgeStory {
    pub(crate) id: String,
    /// Of the pair, in bits; `None` where a rule or a decision joins it.
    pub(crate) weight: Option<f64>,
    /// Records on the smaller side, and on the larger.
    pub(crate) parts: (u32, u32),
}

/// Bridges told, the weakest first.
const BRIDGES: usize = 50;

/// What was learnt of a level.
#[derive(Debug, Serialize)]
pub(crate) struct LevelStory {
    pub(crate) comparison: String,
    pub(crate) level: String,
    pub(crate) same: f64,
    pub(crate) stranger: f64,
    pub(crate) relative: f64,
}

impl Runner {
    /// Judges a match step: against a truth where one is given, and by what the model and people say.
    ///
    /// # Errors
    /// `Config` where the step was never built, or the truth is not of its records.
    pub(crate) async fn evaluate_match(
        &self,
        table: Option<&TableName>,
        truth: Option<&Path>,
        as_of: DateTime<Utc>,
    ) -> Result<MatchEvaluation> {
        let outline = Outline::new(&self.project, &self.functions, as_of);
        let step = Step::open(self, &outline, table, as_of).await?;
        let matching = step.matching();
        let truth = truth.map(|file| truth::read(file, matching)).transpose()?;
        let pairs = step.pairs(self.resources.threads).await?;
        let found = Found::of(&pairs);
        let truth = truth.map(|truth| against(&truth, &found, matching.same_from));
        let bands = bands(matching);
        let (drawn, cannot_say) = pairs.judged(&bands);
        let (believed_precision, believed_recall) = found.believed(matching.same_from);
        let (model, _memory) = step.model().await?;
        let sizes = found.sizes();
        let (bridges, bridges_count) = found.bridges();
        Ok(MatchEvaluation {
            table: matching.table.to_string(),
            release: step.release(),
            records: found.entities.len() as u64,
            entities: sizes.values().sum(),
            same_from: matching.same_from,
            review_from: matching.review_from,
            truth: truth.transpose()?,
            strata: strata(&drawn, &bands),
            believed_precision,
            believed_recall,
            judged: by_people(&drawn, cannot_say, &bands, matching.same_from),
            sizes,
            bridges,
            bridges_count,
            rules: rules(&model.rows),
            levels: levels(&model.rows),
        })
    }
}

/// What a match found, in numbers: its records in the order of their keys.
struct Found<'a> {
    ids: &'a Ids,
    /// Of each record the number of its entity.
    entities: Vec<u32>,
    /// Rows of the pairs that were weighed, and the weights.
    weighed: Vec<(u32, u32, f64)>,
}

impl<'a> Found<'a> {
    fn of(pairs: &'a Pairs) -> Self {
        let ids = &pairs.ids;
        let mut numbers: HashMap<&str, u32> = HashMap::new();
        let entities = ids.iter().map(|id| {
            let next = numbers.len() as u32;
            *numbers.entry(id).or_insert(next)
        });
        let weighed = pairs.weighed.iter();
        Self {
            ids,
            entities: entities.collect(),
            weighed: weighed
                .map(|pair| (pair.one, pair.other, pair.weight))
                .collect(),
        }
    }

    /// As the model believes: of the pairs from the threshold on the share of one person, and of the pairs of one person the share
    /// that is from the threshold on.
    fn believed(&self, same_from: f64) -> (f64, f64) {
        let weights = || self.weighed.iter().map(|pair| pair.2);
        let above = || weights().filter(|weight| *weight >= same_from);
        let hits: f64 = above().map(probability).sum();
        let all: f64 = weights().map(probability).sum();
        let share = |whole: f64| if whole > 0.0 { hits / whole } else { 1.0 };
        (share(above().count() as f64), share(all))
    }

    /// Records of an entity → entities.
    fn sizes(&self) -> BTreeMap<u64, u64> {
        let mut records: BTreeMap<u32, u64> = BTreeMap::new();
        for entity in &self.entities {
            *records.entry(*entity).or_default() += 1;
        }
        let mut sizes: BTreeMap<u64, u64> = BTreeMap::new();
        for records in records.values() {
            *sizes.entry(*records).or_default() += 1;
        }
        sizes
    }

    /// Ids that one pair alone holds together, the weakest first, and how many there are.
    fn bridges(&self) -> (Vec<BridgeStory>, u64) {
        let held = bridges(&self.weighed, &self.entities);
        let told = held.iter().take(BRIDGES).map(|bridge| BridgeStory {
            id: self.ids.id(bridge.one).to_string(),
            weight: bridge.weight.is_finite().then_some(bridge.weight),
            parts: bridge.parts,
        });
        (told.collect(), held.len() as u64)
    }
}

fn strata(drawn: &[Drawn], bands: &[f64]) -> Vec<Stratum> {
    let strata = bands.iter().zip(drawn).map(|(from, drawn)| Stratum {
        from: *from,
        pairs: drawn.pairs,
        believed: drawn.believed,
        answered: drawn.answered,
        answered_same: drawn.same,
    });
    strata.collect()
}

/// What people's answers say of the whole, at the threshold and at others.
fn by_people(
    drawn: &[Drawn],
    cannot_say: u64,
    bands: &[f64],
    same_from: f64,
) -> Option<JudgedByPeople> {
    let answered: u64 = drawn.iter().map(|band| band.answered).sum();
    if answered == 0 {
        return None;
    }
    let at = |band: usize| {
        let (missed, found) = drawn.split_at(band);
        (story(precision(found)), story(recall(missed, found)))
    };
    let (precision, recall) = at(band_of(bands, same_from).unwrap_or_default());
    let by_threshold = bands.iter().enumerate().map(|(band, from)| {
        let (precision, recall) = at(band);
        (*from, precision, recall)
    });
    Some(JudgedByPeople {
        answered,
        cannot_say,
        precision,
        recall,
        by_threshold: by_threshold.collect(),
    })
}

fn story(estimate: Estimate) -> EstimateStory {
    EstimateStory {
        value: estimate.value,
        low: estimate.low,
        high: estimate.high,
    }
}

/// Of each record the number of its person; `None` where the truth does not know it. And records that only the truth knows.
fn people_of(truth: &Truth, ids: &Ids) -> (Vec<Option<u32>>, u64) {
    let rows = ids.rows();
    let mut numbers: HashMap<&str, u32> = HashMap::new();
    let mut person_of: Vec<Option<u32>> = vec![None; rows.len()];
    let mut unknown = 0;
    for (key, person) in &truth.people {
        let next = numbers.len() as u32;
        let number = *numbers.entry(person).or_insert(next);
        match rows.get(key.as_str()) {
            Some(row) => person_of[*row as usize] = Some(number),
            None => unknown += 1,
        }
    }
    (person_of, unknown)
}

fn against(truth: &Truth, found: &Found<'_>, same_from: f64) -> Result<AgainstTruth> {
    let (person_of, unknown_records) = people_of(truth, found.ids);
    let known = person_of.iter().zip(&found.entities);
    let known = known.zip(found.ids.keys.iter());
    let known = known.filter_map(|((person, entity), key)| Some((*entity, (*person)?, key)));
    let known: Vec<(u32, u32, &str)> = known.collect();
    if known.is_empty() {
        return Err(
            Error::config("not one record of the truth is a record of the match").help(
                "its columns are those of `record_key`, in their order, and then the person's",
            ),
        );
    }
    let entities: Vec<u32> = known.iter().map(|(entity, ..)| *entity).collect();
    let people: Vec<u32> = known.iter().map(|(_, person, _)| *person).collect();
    let judged = judge(&entities, &people);
    let by_source = match sources(known.iter().map(|(.., key)| *key)) {
        Some((names, source)) => {
            let rates = judge_groups(&entities, &people, &source, names.len());
            let names = names.into_iter().map(str::to_string);
            names.zip(rates.into_iter().map(told)).collect()
        }
        None => Vec::new(),
    };
    let of_truth = found.weighed.iter().filter_map(|(one, other, weight)| {
        let (a, b) = (person_of[*one as usize]?, person_of[*other as usize]?);
        Some((*weight, a == b))
    });
    let of_truth: Vec<(f64, bool)> = of_truth.collect();
    let by_threshold = by_threshold(&of_truth, pairs_of_people(&people), &thresholds(same_from));
    Ok(AgainstTruth {
        records: judged.records,
        unknown_records,
        without_person: truth.without_person,
        people: judged.people,
        pairs: told(judged.pairs),
        b_cubed: told(judged.records_mean),
        exact: judged.exact,
        mixed: judged.mixed,
        torn: judged.torn,
        by_source,
        by_threshold: by_threshold
            .into_iter()
            .map(|(at, rates)| (at, told(rates)))
            .collect(),
    })
}

/// Values of the first part of a key, at most: of more it is no source, such as the number of a customer.
const MOST_SOURCES: usize = 50;

/// The first parts of keys, sorted, and the number of that of each key; `None` where keys have one part, or it is no source.
fn sources<'a>(keys: impl Iterator<Item = &'a str> + Clone) -> Option<(Vec<&'a str>, Vec<u32>)> {
    let mut names: BTreeSet<&str> = BTreeSet::new();
    let firsts = keys.map(|key| Some(key.split_once('\u{1f}')?.0));
    for first in firsts.clone() {
        names.insert(first?);
        if names.len() > MOST_SOURCES {
            return None;
        }
    }
    let names: Vec<&str> = names.into_iter().collect();
    let place = |first| names.binary_search(&first).unwrap_or_default() as u32;
    let source = firsts.flatten().map(place).collect();
    Some((names, source))
}

/// Thresholds that are looked at, that of the step among them.
fn thresholds(same_from: f64) -> Vec<f64> {
    let mut thresholds: Vec<f64> = (-4..=20).step_by(2).map(f64::from).collect();
    if !thresholds.contains(&same_from) {
        thresholds.push(same_from);
        thresholds.sort_by(f64::total_cmp);
    }
    thresholds
}

fn told(rates: Rates) -> RatesStory {
    RatesStory {
        precision: rates.precision,
        recall: rates.recall,
        f1: rates.f1(),
    }
}

fn rules(model: &[ModelRow]) -> Vec<(String, i64)> {
    let rules = model.iter().filter(|row| row.part.ends_with("rule"));
    let mut rules: Vec<&ModelRow> = rules.collect();
    rules.sort_by_key(|row| row.position);
    let rules = rules
        .iter()
        .map(|row| (row.name.clone(), row.count.unwrap_or_default()));
    rules.collect()
}

fn levels(model: &[ModelRow]) -> Vec<LevelStory> {
    let mut rows: Vec<&ModelRow> = model.iter().filter(|row| row.part == "level").collect();
    rows.sort_by(|a, b| (&a.name, a.position).cmp(&(&b.name, b.position)));
    let levels = rows.iter().filter_map(|row| {
        Some(LevelStory {
            comparison: row.name.clone(),
            level: row.level.clone()?,
            same: row.same?,
            stranger: row.stranger?,
            relative: row.relative?,
        })
    });
    levels.collect()
}
