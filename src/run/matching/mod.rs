//! A match step: the records as they are now, the ids that were issued before, and out of both the tables of this build.
//!
//! The ids' own turn computes everything; the tables beside them wait for theirs, and are written and tested like any other.

mod decisions;
mod evaluate;
mod explain;
mod forecast;
mod issued;
mod members;
mod model_file;
mod read;
mod review;
mod sample;
mod since;
mod step;
mod tables;
mod train;
mod truth;

pub(crate) use evaluate::{
    AgainstTruth, EstimateStory, JudgedByPeople, LevelStory, MatchEvaluation, RatesStory,
};
pub(crate) use explain::{EntityStory, MergeStory, PairStory};
pub(crate) use forecast::{MatchForecast, RefinedBlocks};
#[cfg(test)]
pub(crate) use review::ReviewRecord;
pub(crate) use review::{Review, ReviewPair};
pub(crate) use train::{LearntLevel, ModelStory, TrainingStory};

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::compute::concat_batches;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};

use issued::Told;
use model_file::rows_of_file;
use read::{Reading, place_of, reading, records};
use since::Changes;
use tables::{
    arrow, batch, edges, ids, model, new_events, redirects, review, rows_of, rule_name, speaks_of,
    to_review,
};

use super::execute::Execution;
use crate::catalog::Catalog;
use crate::diagnostic::Code;
use crate::engine::Joins;
use crate::error::{Error, Result};
use crate::identity::{
    Assigned, Event, Feature, Increment, Known, LateShared, LevelPin, Model, ModelRows, Pins,
    Records, Refine, Refusal, Resolved, Rule, Settings, assign, resolve, resolve_again,
};
use crate::name::TableName;
use crate::plan::{MatchPlan, Reason, TablePlan};
use crate::project::{BlockRule, MatchTable, Matching, PinnedModel, Spanned};

impl Execution {
    /// The rows of the ids; what the match found is kept for the tables beside them.
    pub(in crate::run) async fn matched(
        &self,
        plan: &TablePlan,
        matched: &MatchPlan,
    ) -> Result<RecordBatch> {
        let known = self.lock_found().get(&plan.table).cloned();
        let found = match known {
            Some(found) => found,
            None => {
                let found = Arc::new(self.find(plan, matched).await?);
                let table = plan.table.clone();
                self.lock_found().insert(table, Arc::clone(&found));
                found
            }
        };
        found.rows(plan, matched)
    }

    /// The rows of a table beside the ids, of what the match found in this build.
    pub(in crate::run) fn matched_beside(
        &self,
        plan: &TablePlan,
        matched: &MatchPlan,
    ) -> Result<RecordBatch> {
        let found = self.lock_found().get(&matched.matching.table).cloned();
        let found = found.ok_or_else(|| {
            Error::internal(format!("`{}` was not made with the ids", plan.table))
        })?;
        found.rows(plan, matched)
    }

    async fn find(&self, plan: &TablePlan, matched: &MatchPlan) -> Result<Found> {
        let matching = &matched.matching;
        let reading = reading(matched);
        self.issued(matching).await?;
        let mut read = self.read_records(matching, &reading).await?;
        let threads = self.runner.resources.threads;
        let settings = settings(matched, &reading, threads, self.request.as_of);
        let decisions = self.decisions(matched, &read.keys).await?;
        // before the match only where it is gone on from: it is as large as the records
        let registry = match self.stands(plan, matching) {
            true => Some(self.registry(matching).await?),
            false => None,
        };
        let since = match &registry {
            Some(registry) => {
                let since = self.since(matched, &reading, &read, registry, &decisions);
                since.await?
            }
            None => None,
        };
        let changes = since.as_ref().map(|since| since.changes);
        let before = since.map(|since| {
            let appended = read.append(&since.gone, &reading);
            appended.map(|()| since.before)
        });
        let before = before.transpose()?;
        let mut records = records(matched, &reading, &mut read)?;
        let memory = self.memory_for(&records, matching)?;
        let known = self.model_for(plan, matched, &records, &settings).await?;
        if let (Some(pinned), None) = (&matching.model, &known) {
            return Err(not_of_these_records(pinned, matching));
        }
        records.decisions.clone_from(&decisions.of_pairs);
        let resolving = move || {
            let Some(before) = before else {
                return resolve(records, &settings, known);
            };
            if let Some(known) = known.as_ref().filter(|known| known.is_whole())
                && let Some(found) = resolve_again(&records, before, &settings, known)?
            {
                return Ok(found);
            }
            resolve(records.without_gone(), &settings, known)
        };
        let resolved = tokio::task::spawn_blocking(resolving)
            .await
            .map_err(|error| Error::internal("matching broke off").caused_by(error))?
            .map_err(|refusal| refused(&refusal, matched))?;
        tracing::debug!("pairs and records are told of");
        let registry = match registry {
            Some(registry) => registry,
            None => self.registry(matching).await?,
        };
        tracing::debug!("ids that were issued are known");
        let events = self.published_beside(matching, MatchTable::Events).await?;
        let told = events.as_ref().map(Told::of).transpose()?;
        let issued_at = |ids: &BTreeSet<&str>| {
            let told = told.as_ref();
            told.map_or_else(HashMap::new, |told| told.first_times(ids))
        };
        let keys: Vec<&str> = read.keys.iter().collect();
        let assigned = assign(&keys, &resolved.cluster_of, registry, &issued_at, threads);
        drop(keys);
        tracing::debug!("records have their ids");
        check_churn(matching, &assigned)?;
        let mut note = summary(matching, &assigned, &resolved);
        note.push_str(&decisions.unknown());
        note.push_str(&crowded(&resolved, &reading));
        if let (Some(changes), Some(increment)) = (changes, resolved.increment) {
            note.push_str(&told_of(changes, increment));
        }
        self.record_note(&plan.table, note);
        drop(memory);
        Ok(Found {
            key: read.key,
            assigned,
            resolved,
            collisions: decisions.collisions(),
            reading,
            events,
            now: self.request.as_of.timestamp_micros(),
        })
    }

    /// The model that an earlier build left, or that the project pins; `None` where another must be trained.
    async fn model_for(
        &self,
        plan: &TablePlan,
        matched: &MatchPlan,
        records: &Records,
        settings: &Settings,
    ) -> Result<Option<Known>> {
        let matching = &matched.matching;
        let is_retrained = plan.reasons.contains(&Reason::Retrain);
        let rows = match &matching.model {
            Some(pinned) => rows_of_file(&pinned.model),
            None if is_retrained => ModelRows::default(),
            None => self.known_model(matching).await?,
        };
        let known = speaks_of(&rows.rows, matched)
            .then(|| Model::from_rows(rows, &records.shapes(), &settings.rules, &settings.must));
        Ok(known.flatten())
    }

    /// What records need while they are matched, taken from the memory that all of a build shares.
    fn memory_for(&self, records: &Records, matching: &Matching) -> Result<MemoryReservation> {
        let memory = reservation(&self.catalog, matching)?;
        for_records(&memory, records, matching)?;
        Ok(memory)
    }

    pub(super) fn plan_of(&self, table: &TableName) -> Result<&TablePlan> {
        let plan = self.plan.tables.get(table);
        plan.ok_or_else(|| Error::internal(format!("`{table}` has no plan")))
    }
}

/// A part of the memory that all queries share, nothing at first.
fn reservation(catalog: &Catalog, matching: &Matching) -> Result<MemoryReservation> {
    let session = catalog.engine().session(&BTreeMap::new(), Joins::Hash)?;
    let context = session.task_ctx();
    let memory = MemoryConsumer::new(format!("match {}", matching.table));
    Ok(memory.register(context.memory_pool()))
}

/// Takes what records need while they are compared.
fn for_records(memory: &MemoryReservation, records: &Records, matching: &Matching) -> Result<()> {
    let bytes = records.bytes_to_match();
    memory.try_grow(bytes as usize).map_err(|error| {
        let what = format!("to match {} records", records.rows);
        no_memory(&what, bytes, matching).caused_by(error)
    })
}

fn no_memory(what: &str, bytes: u64, matching: &Matching) -> Error {
    Error::config(format!(
        "{what} takes about {} MiB of memory, and so much is not left",
        bytes >> 20
    ))
    .code(Code(438))
    .at(matching.declared_at.location())
    .help("raise `--memory-limit`, or leave columns out that tell little: `compare` names those that count")
}

/// What a match found. Each of its tables is made of it when it is written: all of them at once would take more memory than the
/// match.
pub(in crate::run) struct Found {
    /// The columns of the records' key.
    key: Vec<ArrayRef>,
    assigned: Assigned,
    resolved: Resolved,
    /// Where the decisions are written that cannot all hold, by the pairs that they are of.
    collisions: BTreeMap<(u32, u32), Vec<String>>,
    reading: Reading,
    /// What happened before, as it is published.
    events: Option<RecordBatch>,
    /// Of the build, in microseconds.
    now: i64,
}

impl Found {
    fn rows(&self, plan: &TablePlan, matched: &MatchPlan) -> Result<RecordBatch> {
        let mut tables = matched.matching.tables.iter();
        let part = tables.find(|(_, table)| **table == plan.table);
        let (part, table) =
            part.ok_or_else(|| Error::internal(format!("`{}` is of no match", plan.table)))?;
        tracing::debug!("rows of `{table}` are made");
        let columns = match part {
            MatchTable::Ids => ids(&self.key, &self.assigned),
            MatchTable::Edges => edges(&self.key, &self.resolved)?,
            MatchTable::Review => review(&self.key, &self.resolved, &self.collisions)?,
            MatchTable::Redirects => redirects(&self.assigned),
            MatchTable::Model => {
                let pairs = &self.resolved.pairs_of_rules;
                let mut rows = rows_of(&self.resolved.model, pairs, matched, &self.reading);
                let late = LateShared::rows(&self.resolved.late_shared);
                rows.rows.extend(late);
                model(&rows)?
            }
            MatchTable::Events => new_events(&self.assigned, self.now),
        };
        let schema = &plan.schema;
        let rows = batch(schema, columns)?;
        match (part, &self.events) {
            // what happened stays told
            (MatchTable::Events, Some(before)) => {
                concat_batches(schema, [before, &rows]).map_err(arrow)
            }
            _ => Ok(rows),
        }
    }
}

/// The blocking rules that the project writes.
fn own_rules(matched: &MatchPlan, reading: &Reading) -> Vec<Rule> {
    let features = |expressions: &[Spanned<String>]| {
        let places = expressions
            .iter()
            .filter_map(|e| place_of(reading, &e.value));
        places.map(Feature::Own).collect::<Vec<Feature>>()
    };
    let rule = |rule: &BlockRule| Rule {
        features: features(&rule.on),
        refine: (!rule.refine.is_empty()).then(|| Refine {
            over: rule.over,
            keys: features(&rule.refine),
        }),
    };
    matched.matching.block.iter().map(rule).collect()
}

/// A rule for each column of `must` that the project blocks on in no other way.
fn must_rules(matched: &MatchPlan, reading: &Reading) -> Vec<Rule> {
    let own = own_rules(matched, reading);
    let columns = matched.matching.must.iter();
    let rules = columns.filter_map(|column| place_of(reading, &column.value));
    let rules = rules.map(|place| Rule {
        features: vec![Feature::Own(place)],
        refine: None,
    });
    rules.filter(|rule| !own.contains(rule)).collect()
}

fn settings(
    matched: &MatchPlan,
    reading: &Reading,
    threads: usize,
    as_of: DateTime<Utc>,
) -> Settings {
    let matching = &matched.matching;
    Settings {
        rules: own_rules(matched, reading),
        must: must_rules(matched, reading),
        same_from: matching.same_from,
        review_from: matching.review_from,
        max_pairs: matching.max_pairs,
        max_block_share: matching.max_block_share,
        pins: pins(matching),
        threads,
        now: as_of.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
    }
}

/// What the project pins of the model.
fn pins(matching: &Matching) -> Pins {
    let share = |share: &Option<Spanned<f64>>| share.as_ref().map(|share| share.value);
    let levels = matching.pins.levels.iter().map(|pin| LevelPin {
        comparison: pin.comparison.value.clone(),
        level: pin.level.value.clone(),
        m: share(&pin.m),
        u: share(&pin.u),
        weight: share(&pin.weight),
    });
    Pins {
        prior: matching.pins.prior,
        levels: levels.collect(),
    }
}

fn refused(refusal: &Refusal, matched: &MatchPlan) -> Error {
    let matching = &matched.matching;
    let error = match refusal {
        Refusal::LargeBlock { rule, count } => {
            let reading = reading(matched);
            let columns = rule_name(rule, &reading);
            let share = 100.0 * count.largest_pairs as f64 / count.pairs.max(1) as f64;
            let is_written = own_rules(matched, &reading).contains(rule);
            let (what, add) = match is_written {
                true if rule.refine.is_some() => (
                    format!("blocking rule ({columns})"),
                    "name a further key in `refine`, ",
                ),
                true => (
                    format!("blocking rule ({columns})"),
                    "let a further column split such blocks, `block: [{on: …, refine: …}]`; add a column to the rule, ",
                ),
                false => (format!("`must: [{columns}]`"), ""),
            };
            Error::config(format!(
                "{what} would make {} pairs, {share:.0} % of them from one value that {} records share",
                count.pairs, count.largest_records
            ))
            .code(Code(811))
            .help(format!(
                "{add}make the value null where it says nothing, or raise `limits: {{max_block_share}}`"
            ))
        }
        Refusal::ManyPairs { pairs } => Error::config(format!(
            "the blocking rules would make {pairs} pairs, more than `max_pairs` ({})",
            matching.max_pairs
        ))
        .code(Code(811))
        .help("write narrower rules in `block`, or raise `limits: {max_pairs}`"),
        Refusal::Untrainable { comparison, levels, records } => Error::config(format!(
            "`{comparison}` cannot be learnt: of {records} records not two have a value for it, so that nothing tells what its levels weigh ({})",
            levels.join(", ")
        ))
        .code(Code(447))
        .help(format!(
            "leave it out: `compare` names those that count. Or pin what all its levels but one weigh: `pin: {{levels: [{{comparison: {comparison}, level: {}, m_probability: …, u_probability: …}}]}}`; or give `model` one that was trained where there are values",
            levels.first().map_or("equal", String::as_str)
        )),
    };
    error.at(matching.declared_at.location())
}

fn not_of_these_records(pinned: &PinnedModel, matching: &Matching) -> Error {
    let path = &pinned.path;
    Error::config(format!("the model `{path}` was trained for other comparisons, or with other pins"))
        .code(Code(433))
        .at(matching.declared_at.location())
        .help(format!(
            "`kilde match train {} --write {path}` trains one for the columns and pins of now; or go back to those that it names under `compared` and `pinned`",
            matching.table
        ))
}

fn check_churn(matching: &Matching, assigned: &Assigned) -> Result<()> {
    let Some(limit) = matching.max_churn else {
        return Ok(());
    };
    let share = assigned.renamed_records as f64 / assigned.known_records.max(1) as f64;
    if share <= limit {
        return Ok(());
    }
    Err(Error::quality(format!(
        "{} of {} known records would change their id ({:.2} %), above the limit of {:.2} %",
        assigned.renamed_records,
        assigned.known_records,
        100.0 * share,
        100.0 * limit
    ))
    .code(Code(812))
    .at(matching.declared_at.location())
    .help("look at what changed in the records; where it is right, raise `limits: {max_churn}` for one build"))
}

/// `; increment: 20 records new, 3 changed; 812 pairs compared, 17,204 kept`.
fn told_of(changes: Changes, increment: Increment) -> String {
    let told = [
        (changes.new, "new"),
        (changes.changed, "changed"),
        (changes.gone, "gone"),
    ];
    let told = told.iter().filter(|(count, _)| *count > 0);
    let told: Vec<String> = told
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    format!(
        "; increment: records {}; {} pairs compared, {} stand; {} ids looked at again",
        if told.is_empty() {
            "as they were".to_string()
        } else {
            told.join(", ")
        },
        increment.compared,
        increment.kept,
        increment.clusters
    )
}

/// `; one value of `must: [loyalty_no]` holds 612 records (K0815)`.
fn crowded(resolved: &Resolved, reading: &Reading) -> String {
    let crowds = resolved.crowds.iter().map(|(rule, records)| {
        let column = rule_name(rule, reading);
        format!("; one value of `must: [{column}]` holds {records} records (K0815)")
    });
    crowds.collect()
}

/// A model that was trained on fewer records, and of them a tenth of those of now, is worth a word.
const ENOUGH_TO_LEARN: usize = 10_000;

/// `2,011 ids: 31 new, 4 merged, 17 pairs to review`.
fn summary(matching: &Matching, assigned: &Assigned, resolved: &Resolved) -> String {
    let count = |is: fn(&Event) -> bool| assigned.events.iter().filter(|event| is(event)).count();
    // as many as the review has rows
    let doubtful = to_review(resolved).count() + resolved.contradicted.len();
    let told = [
        (count(|event| matches!(event, Event::Created { .. })), "new"),
        (
            count(|event| matches!(event, Event::Merged { .. })),
            "merged",
        ),
        (count(|event| matches!(event, Event::Split { .. })), "split"),
        (
            count(|event| matches!(event, Event::Restored { .. })),
            "back",
        ),
        (
            count(|event| matches!(event, Event::Retired { .. })),
            "retired",
        ),
        (
            doubtful,
            match doubtful {
                1 => "pair to review",
                _ => "pairs to review",
            },
        ),
        (
            resolved.contradicted.len(),
            "of them decisions contradicted (K0856)",
        ),
        (
            resolved.late_shared.len(),
            "values that many share, unknown to the model (K0446)",
        ),
    ];
    let told = told.iter().filter(|(count, _)| *count > 0);
    let told: Vec<String> = told
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    let mut text = match assigned.entities {
        1 => "1 id".to_string(),
        entities => format!("{entities} ids"),
    };
    if !told.is_empty() {
        text.push_str(&format!(": {}", told.join(", ")));
    }
    let trained_on = resolved.model.values.records as usize;
    if resolved.is_trained {
        text.push_str("; model trained");
    } else if matching.model.is_none()
        && trained_on < ENOUGH_TO_LEARN
        && trained_on * 10 <= assigned.ids().len()
    {
        // the first night of a source may be nearly empty, and its model would stand for ever
        text.push_str(&format!(
            "; model trained on {trained_on} records: `--retrain {}` learns from all",
            matching.table
        ));
    }
    text
}
