//! How right a match step is, as the newest release holds it.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use chrono::{DateTime, Utc};
use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::Float64Type;
use serde::Serialize;

use super::super::Runner;
use super::explain::{Matched, Step};
use super::read::{model_rows, text_sql};
use super::tables::texts;
use super::truth::{self, TruthRow};
use crate::error::{Error, Result};
use crate::identity::{
    Decision, ModelRow, Rates, by_threshold, judge, judge_group, pairs_of_people, probability,
    wilson,
};
use crate::name::TableName;
use crate::plan::Outline;
use crate::project::MatchTable;

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
    /// What people decided says of the precision: between these with 95 % certainty.
    pub(crate) decided_precision: Option<(f64, f64)>,
    /// Records of an entity → entities.
    pub(crate) sizes: BTreeMap<u64, u64>,
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
    pub(crate) people: u64,
    pub(crate) pairs: RatesStory,
    pub(crate) b_cubed: RatesStory,
    /// People whose records are one entity, and nobody else's.
    pub(crate) exact: u64,
    pub(crate) mixed: u64,
    pub(crate) torn: u64,
    /// By the first part of the key, where it has several: pairs in which a record of it takes part.
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
#[derive(Debug, Default, Serialize)]
pub(crate) struct Stratum {
    /// From these bits on, two wide; the first and the last are open.
    pub(crate) from: f64,
    pub(crate) pairs: u64,
    /// How many of them are of one person, as the model believes.
    pub(crate) believed: f64,
    /// Pairs that people decided on, and those among them that are the same.
    pub(crate) decided: u64,
    pub(crate) decided_same: u64,
}

/// What was learnt of a level.
#[derive(Debug, Serialize)]
pub(crate) struct LevelStory {
    pub(crate) comparison: String,
    pub(crate) level: String,
    pub(crate) same: f64,
    pub(crate) stranger: f64,
    pub(crate) relative: f64,
}

const STRATUM: f64 = 2.0;
const HIGHEST: f64 = 20.0;

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
        let ids = step.ids().await?;
        let rows: HashMap<&str, u32> = ids.keys().map(String::as_str).zip(0..).collect();
        let mut numbers: HashMap<&str, u32> = HashMap::new();
        let entities: Vec<u32> = ids
            .values()
            .map(|id| {
                let next = numbers.len() as u32;
                *numbers.entry(id).or_insert(next)
            })
            .collect();
        let weighed = step.weighed(&rows).await?;
        let mut strata = strata(&weighed, matching.review_from);
        if matching.decisions.is_some() {
            let decided = Matched::read(&step, self.resources.threads)
                .await?
                .decided();
            for (weight, decision) in decided {
                let Some(stratum) = stratum_of(&mut strata, weight) else {
                    continue;
                };
                stratum.decided += 1;
                stratum.decided_same += u64::from(decision == Decision::Same);
            }
        }
        let truth = match truth {
            Some(file) => {
                let truth = truth::read(file, matching)?;
                Some(against(&truth, &rows, &entities, &weighed, &ids)?)
            }
            None => None,
        };
        let model = step.beside(MatchTable::Model)?;
        let learnt = step.query(model, &format!("select * from {model}")).await?;
        let learnt = model_rows(&learnt)?;
        let mut sizes: BTreeMap<u32, u64> = BTreeMap::new();
        for entity in &entities {
            *sizes.entry(*entity).or_default() += 1;
        }
        let mut of_size: BTreeMap<u64, u64> = BTreeMap::new();
        for size in sizes.values() {
            *of_size.entry(*size).or_default() += 1;
        }
        let is_same = |stratum: &&Stratum| stratum.from >= matching.same_from;
        let believed =
            |weights: &mut dyn Iterator<Item = f64>| -> f64 { weights.map(probability).sum() };
        let weights = || weighed.iter().map(|pair| pair.2);
        let above = || weights().filter(|weight| *weight >= matching.same_from);
        let (hits, all) = (believed(&mut above()), believed(&mut weights()));
        let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 1.0 };
        Ok(MatchEvaluation {
            table: matching.table.to_string(),
            release: step.release(),
            records: ids.len() as u64,
            entities: sizes.len() as u64,
            same_from: matching.same_from,
            review_from: matching.review_from,
            truth,
            believed_precision: share(hits, above().count() as f64),
            believed_recall: share(hits, all),
            decided_precision: interval(strata.iter().filter(is_same)),
            strata,
            sizes: of_size,
            rules: rules(&learnt),
            levels: levels(&learnt),
        })
    }
}

impl Step<'_> {
    /// Pairs that were weighed, by rows; those that a rule without exception joined weigh endlessly much.
    async fn weighed(&self, rows: &HashMap<&str, u32>) -> Result<Vec<(u32, u32, f64)>> {
        let matching = self.matching();
        let edges = self.beside(MatchTable::Edges)?;
        let key = matching.record_key.iter().map(|column| &column.value);
        let mut columns: Vec<String> = key.clone().map(|column| text_sql(column)).collect();
        columns.extend(key.map(|column| text_sql(&format!("other_{column}"))));
        columns.push("weight".to_string());
        let columns = columns.iter().enumerate();
        let columns: Vec<String> = columns.map(|(at, c)| format!("{c} as \"_{at}\"")).collect();
        let sql = format!("select {} from {edges} order by 1, 2", columns.join(", "));
        let batch = self.query(edges, &sql).await?;
        let parts = matching.record_key.len();
        let named = |from: usize| -> Result<Vec<String>> {
            let columns = batch.columns()[from..from + parts].iter();
            let columns = columns.map(texts).collect::<Result<Vec<_>>>()?;
            let key = |row: usize| {
                let parts: Vec<&str> = columns.iter().map(|column| column.value(row)).collect();
                parts.join("\u{1f}")
            };
            Ok((0..batch.num_rows()).map(key).collect())
        };
        let (one, other) = (named(0)?, named(parts)?);
        let weights = batch.column(2 * parts).as_primitive_opt::<Float64Type>();
        let weights = weights.ok_or_else(|| Error::internal("weights are no numbers"))?;
        let pairs = one.iter().zip(&other).enumerate();
        let pairs = pairs.filter_map(|(at, (one, other))| {
            let (one, other) = (rows.get(one.as_str())?, rows.get(other.as_str())?);
            let weight = if weights.is_valid(at) {
                weights.value(at)
            } else {
                f64::INFINITY
            };
            Some((*one, *other, weight))
        });
        Ok(pairs.collect())
    }
}

fn strata(weighed: &[(u32, u32, f64)], lowest: f64) -> Vec<Stratum> {
    let first = (lowest / STRATUM).floor() as i64;
    let last = (HIGHEST / STRATUM) as i64;
    let mut strata: Vec<Stratum> = (first..=last.max(first))
        .map(|at| Stratum {
            from: at as f64 * STRATUM,
            ..Stratum::default()
        })
        .collect();
    for (_, _, weight) in weighed {
        if let Some(stratum) = stratum_of(&mut strata, *weight) {
            stratum.pairs += 1;
            stratum.believed += probability(*weight);
        }
    }
    strata
}

/// The stratum of a weight; those below the first were not weighed.
fn stratum_of(strata: &mut [Stratum], weight: f64) -> Option<&mut Stratum> {
    let at = strata.partition_point(|stratum| stratum.from <= weight);
    strata.get_mut(at.checked_sub(1)?)
}

/// The share of one person in strata, from samples of each; `None` where people decided on nothing.
fn interval<'a>(strata: impl Iterator<Item = &'a Stratum> + Clone) -> Option<(f64, f64)> {
    if strata.clone().all(|stratum| stratum.decided == 0) {
        return None;
    }
    let (mut low, mut high, mut pairs) = (0.0, 0.0, 0.0);
    for stratum in strata {
        let (from, to) = wilson(stratum.decided_same, stratum.decided);
        low += from * stratum.pairs as f64;
        high += to * stratum.pairs as f64;
        pairs += stratum.pairs as f64;
    }
    (pairs > 0.0).then(|| (low / pairs, high / pairs))
}

fn against(
    truth: &[TruthRow],
    rows: &HashMap<&str, u32>,
    entities: &[u32],
    weighed: &[(u32, u32, f64)],
    ids: &BTreeMap<String, String>,
) -> Result<AgainstTruth> {
    let mut numbers: HashMap<&str, u32> = HashMap::new();
    let mut person_of: Vec<Option<u32>> = vec![None; entities.len()];
    let mut unknown_records = 0;
    for (key, person) in truth {
        let next = numbers.len() as u32;
        let number = *numbers.entry(person).or_insert(next);
        match rows.get(key.as_str()) {
            Some(row) => person_of[*row as usize] = Some(number),
            None => unknown_records += 1,
        }
    }
    let known = person_of.iter().zip(entities).zip(ids.keys());
    let known = known.filter_map(|((person, entity), key)| Some((*entity, (*person)?, key)));
    let known: Vec<(u32, u32, &String)> = known.collect();
    if known.is_empty() {
        return Err(
            Error::config("not one record of the truth is a record of the match").help(
                "its columns are those of `record_key`, in their order, and then the person's",
            ),
        );
    }
    let found: Vec<u32> = known.iter().map(|(entity, _, _)| *entity).collect();
    let people: Vec<u32> = known.iter().map(|(_, person, _)| *person).collect();
    let judged = judge(&found, &people);
    let source = |key: &String| {
        key.split_once('\u{1f}')
            .map(|(source, _)| source.to_string())
    };
    let mut sources: Vec<String> = known.iter().filter_map(|(_, _, key)| source(key)).collect();
    sources.sort();
    sources.dedup();
    let by_source = sources.into_iter().map(|name| {
        let is_in: Vec<bool> = known
            .iter()
            .map(|(_, _, key)| source(key).as_ref() == Some(&name))
            .collect();
        let rates = judge_group(&found, &people, &is_in);
        (name, told(rates))
    });
    let of_truth = weighed.iter().filter_map(|(one, other, weight)| {
        let (a, b) = (person_of[*one as usize]?, person_of[*other as usize]?);
        Some((*weight, a == b))
    });
    let of_truth: Vec<(f64, bool)> = of_truth.collect();
    let thresholds: Vec<f64> = (-4..=20).step_by(2).map(f64::from).collect();
    let by_threshold = by_threshold(&of_truth, pairs_of_people(&people), &thresholds);
    Ok(AgainstTruth {
        records: judged.records,
        unknown_records,
        people: judged.people,
        pairs: told(judged.pairs),
        b_cubed: told(judged.records_mean),
        exact: judged.exact,
        mixed: judged.mixed,
        torn: judged.torn,
        by_source: by_source.collect(),
        by_threshold: by_threshold
            .into_iter()
            .map(|(at, rates)| (at, told(rates)))
            .collect(),
    })
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
