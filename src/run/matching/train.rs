//! A model looked at: the one that the newest release holds, and what another one, trained on its records, would change.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::super::Runner;
use super::issued::{model_rows, redirects_of};
use super::model_file::{said, text_of};
use super::read::{Keys, Read, reading, records};
use super::step::Step;
use super::tables::{rows_of, speaks_of};
use super::{decisions, refused, settings};
use crate::error::{Error, Result};
use crate::identity::{
    Event, LevelPin, ModelRow, ModelRows, Pins, Redirects, Registry, Resolved, assign, resolve,
};
use crate::name::TableName;
use crate::plan::Outline;
use crate::project::MatchTable;

/// The model of a match step, as the newest release holds it.
#[derive(Debug)]
pub(crate) struct ModelStory {
    /// The table of the ids.
    pub(crate) table: String,
    pub(crate) release: u64,
    /// When it was trained; `None` where a first version of kilde did.
    pub(crate) trained_at: Option<String>,
    /// Records that it was trained on.
    pub(crate) records: Option<i64>,
    pub(crate) prior: f64,
    /// Whether that was given, and not learnt.
    pub(crate) is_prior_pinned: bool,
    pub(crate) levels: Vec<LearntLevel>,
    pub(crate) common_values: usize,
    pub(crate) shared_values: usize,
    /// The whole of it as a file that `model:` can name.
    pub(crate) file: String,
}

/// What was learnt of a level, and what would be.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LearntLevel {
    pub(crate) comparison: String,
    pub(crate) level: String,
    pub(crate) same: f64,
    pub(crate) stranger: f64,
    /// In bits, against strangers.
    pub(crate) weight: f64,
    /// In the model of now; `None` where it does not know the level.
    pub(crate) weight_now: Option<f64>,
    /// What of them was given, and not learnt, in the words of `pin:`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) pinned: Vec<&'static str>,
}

/// What another model would change.
#[derive(Debug, Serialize)]
pub(crate) struct TrainingStory {
    pub(crate) table: String,
    /// Whose records it was trained on.
    pub(crate) release: u64,
    pub(crate) records: u64,
    /// Share of pairs of one person among all there are.
    pub(crate) prior: f64,
    pub(crate) prior_now: Option<f64>,
    /// Whether the prior was given, and not learnt.
    pub(crate) is_prior_pinned: bool,
    pub(crate) levels: Vec<LearntLevel>,
    /// Pairs of records with one id now, and under the new model.
    pub(crate) pairs_now: u64,
    pub(crate) pairs_joined: u64,
    pub(crate) pairs_parted: u64,
    /// Records that have an id, and those among them that would get another.
    pub(crate) known_records: u64,
    pub(crate) renamed_records: u64,
    pub(crate) merged_ids: u64,
    pub(crate) split_ids: u64,
    #[serde(skip)]
    pub(crate) file: String,
}

impl Runner {
    /// The model that the newest release holds.
    ///
    /// # Errors
    /// `Config` where the step was never built.
    pub(crate) async fn match_model(
        &self,
        table: Option<&TableName>,
        as_of: DateTime<Utc>,
    ) -> Result<ModelStory> {
        let outline = Outline::new(&self.project, &self.functions, as_of);
        let step = Step::open(self, &outline, table, as_of).await?;
        let model = step.model_rows().await?;
        let rows = &model.rows;
        let trained = rows.iter().find(|row| row.part == "trained");
        let shared = rows.iter().filter(|row| row.part == "shared_value");
        let common = model.common.iter().map(|values| values.counts().len());
        Ok(ModelStory {
            table: step.matching().table.to_string(),
            release: step.release(),
            trained_at: trained.and_then(|row| row.level.clone()),
            records: trained.and_then(|row| row.count),
            prior: told_prior(rows)?,
            is_prior_pinned: Pins::of_rows(rows).prior.is_some(),
            levels: levels(rows, &[])?,
            common_values: common.sum(),
            shared_values: shared.count(),
            file: text_of(&model)?,
        })
    }

    /// Trains a model on the records of the newest release, and tells what it would change. Nothing is written.
    ///
    /// # Errors
    /// `Config` where the step was never built, or would be refused.
    pub(crate) async fn train_match(
        &self,
        table: Option<&TableName>,
        as_of: DateTime<Utc>,
    ) -> Result<TrainingStory> {
        let outline = Outline::new(&self.project, &self.functions, as_of);
        let step = Step::open(self, &outline, table, as_of).await?;
        let (matching, plan) = (step.matching(), step.plan());
        let threads = self.resources.threads;
        let reading = reading(plan);
        let batch = step.query(&matching.records.value, &reading.sql).await?;
        let mut read = Read::of(vec![batch], matching, &reading, threads)?;
        let mut given = records(plan, &reading, &mut read)?;
        if let Some(table) = &matching.decisions {
            let rows = step
                .query(&table.value, &decisions::sql(plan, &table.value))
                .await?;
            given.decisions = decisions::of_rows(&rows, plan, &read.keys)?.of_pairs;
        }
        let settings = settings(plan, &reading, threads, as_of);
        let resolved = tokio::task::spawn_blocking(move || resolve(given, &settings, None))
            .await
            .map_err(|error| Error::internal("training broke off").caused_by(error))?
            .map_err(|refusal| refused(&refusal, plan))?;
        let (ids, _memory) = step.ids().await?;
        let issued = ids.keys.iter().zip(ids.iter());
        let registry = Registry::new(issued, step.redirects().await?);
        let now = step.model_rows().await?.rows;
        let now = if speaks_of(&now, plan) {
            now
        } else {
            Vec::new()
        };
        let model = rows_of(&resolved.model, &resolved.pairs_of_rules, plan, &reading);
        let pairs = changed_pairs(&read.keys, &resolved, &registry);
        let keys: Vec<&str> = read.keys.iter().collect();
        // what is told beforehand counts who would be renamed; of two ids with equal claims it does not matter which
        let issued_at = |_: &BTreeSet<&str>| HashMap::new();
        let assigned = assign(&keys, &resolved.cluster_of, registry, &issued_at, threads);
        let count = |is: fn(&Event) -> bool| {
            let events = assigned.events.iter();
            events.filter(|event| is(event)).count() as u64
        };
        Ok(TrainingStory {
            table: matching.table.to_string(),
            release: step.release(),
            records: read.keys.len() as u64,
            prior: resolved.model.same,
            prior_now: prior(&now),
            is_prior_pinned: resolved.model.pins.prior.is_some(),
            levels: levels(&model.rows, &now)?,
            pairs_now: pairs.now,
            pairs_joined: pairs.then - pairs.both,
            pairs_parted: pairs.now - pairs.both,
            known_records: assigned.known_records,
            renamed_records: assigned.renamed_records,
            merged_ids: count(|event| matches!(event, Event::Merged { .. })),
            split_ids: count(|event| matches!(event, Event::Split { .. })),
            file: text_of(&model)?,
        })
    }
}

impl Step<'_> {
    async fn model_rows(&self) -> Result<ModelRows> {
        let model = self.beside(MatchTable::Model)?;
        let rows = self.query(model, &format!("select * from {model}")).await?;
        model_rows(&rows)
    }

    /// Without lost ids, which a table of an older version does not name: none of the records of the release brings one back.
    async fn redirects(&self) -> Result<Redirects> {
        let table = self.beside(MatchTable::Redirects)?;
        let sql = format!(
            "select old_id, new_id, cast(null as varchar) as lost_id, cast(null as varchar) as lost_records from {table}"
        );
        redirects_of(&self.query(table, &sql).await?)
    }
}

fn prior(rows: &[ModelRow]) -> Option<f64> {
    rows.iter().find(|row| row.part == "prior")?.same
}

/// The same of a model that has one.
fn told_prior(rows: &[ModelRow]) -> Result<f64> {
    let missing = ModelRow {
        part: "prior".into(),
        position: 1,
        ..ModelRow::default()
    };
    said(prior(rows), &missing, "same")
}

/// The levels of a model in their order, each beside what another model says of it.
fn levels(rows: &[ModelRow], now: &[ModelRow]) -> Result<Vec<LearntLevel>> {
    let of_levels = |rows: &[ModelRow]| {
        let levels = rows.iter().filter(|row| row.part == "level").cloned();
        let mut levels: Vec<ModelRow> = levels.collect();
        levels.sort_by(|a, b| (&a.name, a.position).cmp(&(&b.name, b.position)));
        levels
    };
    let weight = |row: &ModelRow| Some((row.same? / row.stranger?).log2());
    let known: HashMap<(String, Option<String>), Option<f64>> = of_levels(now)
        .into_iter()
        .map(|row| ((row.name.clone(), row.level.clone()), weight(&row)))
        .collect();
    let pins = Pins::of_rows(rows);
    let pinned = |row: &ModelRow| {
        let pin = pins.of_level(&row.name, row.level.as_deref().unwrap_or_default());
        let of = |pin: &LevelPin| {
            let words = [
                (pin.m, "m_probability"),
                (pin.u, "u_probability"),
                (pin.weight, "match_weight"),
            ];
            let given = words.into_iter().filter(|(given, _)| given.is_some());
            given.map(|(_, word)| word).collect::<Vec<_>>()
        };
        pin.map(of).unwrap_or_default()
    };
    let learnt = of_levels(rows).into_iter().map(|row| {
        Ok(LearntLevel {
            same: said(row.same, &row, "same")?,
            stranger: said(row.stranger, &row, "stranger")?,
            weight: said(weight(&row), &row, "weight")?,
            weight_now: known
                .get(&(row.name.clone(), row.level.clone()))
                .copied()
                .flatten(),
            pinned: pinned(&row),
            level: said(row.level.clone(), &row, "level")?,
            comparison: row.name,
        })
    });
    learnt.collect()
}

/// Pairs of records of one id.
struct Pairs {
    now: u64,
    then: u64,
    both: u64,
}

/// Of records that have an id: their pairs now, under another model, and under both. Counted by ids and clusters, for the
/// pairs themselves may be many.
fn changed_pairs(keys: &Keys, resolved: &Resolved, registry: &Registry) -> Pairs {
    let mut ids: HashMap<u32, u64> = HashMap::new();
    let mut clusters: HashMap<u32, u64> = HashMap::new();
    let mut cells: HashMap<(u32, u32), u64> = HashMap::new();
    for (key, cluster) in keys.iter().zip(&resolved.cluster_of) {
        if let Some(id) = registry.id_of(key) {
            *ids.entry(id).or_default() += 1;
            *clusters.entry(*cluster).or_default() += 1;
            *cells.entry((id, *cluster)).or_default() += 1;
        }
    }
    let pairs = |n: &u64| n * (n - 1) / 2;
    Pairs {
        now: ids.values().map(pairs).sum(),
        then: clusters.values().map(pairs).sum(),
        both: cells.values().map(pairs).sum(),
    }
}
