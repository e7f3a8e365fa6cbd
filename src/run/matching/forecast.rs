//! What a match step would compare: counted before a build makes a pair.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use datafusion::arrow::array::{Array, RecordBatch, StringArray};
use futures::{StreamExt, TryStreamExt};

use super::super::Runner;
use super::issued::model_rows;
use super::model_file::rows_of_file;
use super::read::{Read, Reading, reading, records};
use super::tables::{feature_name, rule_name, speaks_of, texts};
use super::{not_of_these_records, refused, settings};
use crate::catalog::Catalog;
use crate::engine::{self, Joins};
use crate::error::{Error, Result};
use crate::identity::{Glance, Known, Model, ModelRows, Refined, Rule, forecast};
use crate::name::TableName;
use crate::parallel;
use crate::plan::{Action, Kind, MatchPlan, Plan, Reason};
use crate::project::{MatchTable, Meaning};
use crate::release::Release;

/// Candidate pairs of a match step, over its records as the newest release holds them.
#[derive(Debug)]
pub(crate) struct MatchForecast {
    /// The table of the ids.
    pub(crate) table: TableName,
    pub(crate) records: u64,
    /// Those of which a part of the name is read from a column of full names, and that column; `None` where none is.
    pub(crate) named_in_full: Option<(u64, String)>,
    /// In the order in which they are asked.
    pub(crate) rules: Vec<RulePairs>,
    pub(crate) max_pairs: u64,
    /// When the model was trained that is used, and on how many records; `None` where one is trained.
    pub(crate) trained: Option<(String, u64)>,
    /// Bytes that the records need while they are compared, nearly.
    pub(crate) bytes: u64,
    /// Seconds of one core, nearly.
    pub(crate) seconds: f64,
    /// Why a build would refuse it.
    pub(crate) refused: Option<Error>,
}

/// What one blocking rule makes.
#[derive(Debug)]
pub(crate) struct RulePairs {
    pub(crate) name: String,
    pub(crate) pairs: u64,
    /// Those that no rule before it makes, nearly.
    pub(crate) new_pairs: u64,
    /// Records of its largest block.
    pub(crate) largest_records: u64,
    /// Of all its pairs, in that block.
    pub(crate) largest_share: f64,
    /// Pairs of blocks that are too large to belong to one person, and are left out.
    pub(crate) parked_pairs: u64,
    /// Blocks that are split, and by what; `None` where none is.
    pub(crate) refined: Option<RefinedBlocks>,
}

/// Blocks of a rule that are too large as they are, and are split.
#[derive(Debug)]
pub(crate) struct RefinedBlocks {
    /// Of more records than this.
    pub(crate) over: u64,
    /// What they are split by, one after the other.
    pub(crate) by: Vec<String>,
    pub(crate) found: Refined,
}

/// Batches that are looked at together: enough that threads are worth beginning.
const TOGETHER: usize = 24;

fn look_at(glance: &mut Glance, batches: &[RecordBatch], threads: usize) -> Result<()> {
    let columns = batches.first().map_or(0, RecordBatch::num_columns);
    let batches = parallel::map(threads, batches, |batch| {
        let columns = batch.columns().iter().map(texts);
        columns.collect::<Result<Vec<StringArray>>>()
    });
    let batches: Vec<Vec<StringArray>> = batches.into_iter().collect::<Result<_>>()?;
    glance.push(
        &batches,
        columns,
        |batch| batch.first().map_or(0, Array::len),
        |batch, column, row| {
            let column = &batch[column];
            column.is_valid(row).then(|| column.value(row))
        },
        threads,
    );
    Ok(())
}

fn refined(rule: &Rule, found: Refined, reading: &Reading) -> Option<RefinedBlocks> {
    let refine = rule.refine.as_ref().filter(|_| found.blocks > 0)?;
    let keys = refine.keys.iter();
    Some(RefinedBlocks {
        over: refine.over as u64,
        by: keys.map(|key| feature_name(key, reading)).collect(),
        found,
    })
}

impl Runner {
    /// Counts the pairs of every match step that a plan would run, where a release holds its records.
    ///
    /// # Errors
    /// What storage gives.
    pub(crate) async fn match_forecasts(
        &self,
        plan: &Plan,
        as_of: DateTime<Utc>,
    ) -> Result<Vec<MatchForecast>> {
        let steps = plan.tables.values().filter(|table| {
            let is_run = matches!(table.action, Action::Build | Action::Maybe);
            table.kind == Kind::Match && is_run
        });
        let steps: Vec<&MatchPlan> = steps.filter_map(|table| table.matched.as_ref()).collect();
        if steps.is_empty() {
            return Ok(Vec::new());
        }
        let Some(catalog) = self.readable_if_exists(as_of)? else {
            return Ok(Vec::new());
        };
        let Some(release) = catalog.lake().current().await? else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for matched in steps {
            let of = self.forecast_of(matched, plan, &catalog, &release, as_of);
            found.extend(of.await?);
        }
        Ok(found)
    }

    async fn forecast_of(
        &self,
        matched: &MatchPlan,
        plan: &Plan,
        catalog: &Catalog,
        release: &Release,
        as_of: DateTime<Utc>,
    ) -> Result<Option<MatchForecast>> {
        let matching = &matched.matching;
        let records_table = &matching.records.value;
        let (Some(entry), Some(planned)) =
            (release.table(records_table), plan.tables.get(records_table))
        else {
            return Ok(None);
        };
        let content = catalog.content(records_table, entry).await?;
        if content.file_set.schema != planned.schema {
            // other columns than those that the step will read
            return Ok(None);
        }
        let reading = reading(matched);
        let tables = BTreeMap::from([(records_table.clone(), content.provider()?)]);
        let session = catalog.engine().session(&tables, Joins::Hash)?;
        let is_retrained = plan
            .tables
            .get(&matching.table)
            .is_some_and(|table| table.reasons.contains(&Reason::Retrain));
        let known = match matching.tables.get(&MatchTable::Model) {
            Some(model) if !is_retrained => self.known_model(catalog, release, model).await?,
            _ => ModelRows::default(),
        };
        let known = match &matching.model {
            Some(pinned) => rows_of_file(&pinned.model),
            None => known,
        };
        let threads = self.resources.threads;
        let settings = settings(matched, &reading, threads, as_of);
        let nothing = records(matched, &reading, &mut Read::nothing(&reading))?;
        let known = speaks_of(&known.rows, matched)
            .then(|| {
                let (own, must) = (&settings.rules, &settings.must);
                Model::from_rows(known, &nothing.shapes(), own, must)
            })
            .flatten();
        if let (Some(pinned), None) = (&matching.model, &known) {
            return Err(not_of_these_records(pinned, matching));
        }
        let shared = known.as_ref().and_then(Known::shared);
        let mut glance = Glance::new(&nothing, &reading.places, shared, content.rows);
        let frame = session.sql(&reading.compared_sql()).await;
        let (_, rows) = engine::stream(frame.map_err(engine::failure)?).await?;
        let mut rows = std::pin::pin!(rows.try_chunks(TOGETHER));
        while let Some(batches) = rows.next().await {
            let batches = batches.map_err(|error| error.1)?;
            look_at(&mut glance, &batches, threads)?;
        }
        let bytes = glance.bytes_to_match();
        let counted = tokio::task::spawn_blocking(move || forecast(glance, known, &settings)).await;
        let counted =
            counted.map_err(|error| Error::internal("counting broke off").caused_by(error))?;
        let rules = counted.rules.iter().map(|rule| RulePairs {
            name: rule_name(&rule.rule, &reading),
            pairs: rule.count.pairs,
            new_pairs: rule.new_pairs,
            largest_records: rule.count.largest_records,
            largest_share: rule.count.largest_pairs as f64
                / (rule.count.pairs + rule.count.parked_pairs).max(1) as f64,
            parked_pairs: rule.count.parked_pairs,
            refined: refined(&rule.rule, rule.count.refined, &reading),
        });
        Ok(Some(MatchForecast {
            table: matching.table.clone(),
            records: counted.records,
            named_in_full: matched
                .column_of(Meaning::Name)
                .filter(|_| counted.named_in_full > 0)
                .map(|column| (counted.named_in_full, column.to_string())),
            rules: rules.collect(),
            max_pairs: matching.max_pairs,
            trained: counted.trained,
            bytes,
            seconds: counted.seconds,
            refused: counted.refusal.map(|refusal| refused(&refusal, matched)),
        }))
    }

    /// The model that the newest release holds; empty where it holds none.
    async fn known_model(
        &self,
        catalog: &Catalog,
        release: &Release,
        model: &TableName,
    ) -> Result<ModelRows> {
        let Some(entry) = release.table(model) else {
            return Ok(ModelRows::default());
        };
        let content = catalog.content(model, entry).await?;
        let tables = BTreeMap::from([(model.clone(), content.provider()?)]);
        let session = catalog.engine().session(&tables, Joins::Hash)?;
        let frame = session.sql(&format!("select * from {model}")).await;
        let rows = engine::collect_whole(frame.map_err(engine::failure)?).await?;
        model_rows(&rows)
    }
}
