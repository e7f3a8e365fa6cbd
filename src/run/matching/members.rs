//! Some records of a match step, ready to compare as its model has it: those that somebody asks about, and no others.
//!
//!   keys ──records, ids, decisions, model──▶ [`Members`] ──▶ what speaks for and against them
//!
//! A model says all that a pair weighs, so of any others nothing need be known. Models of the first versions do not: for those
//! all records are read. Which blocking rules make a pair hangs on how large the blocks are: those are counted while the
//! records stream by.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::arrow::array::{BooleanArray, RecordBatch};
use datafusion::arrow::compute::{concat_batches, filter_record_batch};
use datafusion::execution::memory_pool::MemoryReservation;
use futures::TryStreamExt;

use super::explain::StoredRecord;
use super::read::{Read, Reading, keys_of, reading, records};
use super::step::{Ids, Step, shown};
use super::tables::arrow;
use super::{decisions, for_records, must_rules, own_rules};
use crate::diagnostic::Code;
use crate::error::{Error, Result};
use crate::identity::{Decision, Explainer, Known, Model, ModelRows, Records, Rule};
use crate::project::Matching;
use crate::sql_text::literal_sql;

/// Records and whose they are.
pub(super) struct Members {
    read: Read,
    pub(super) reading: Reading,
    ids: BTreeMap<String, String>,
    pub(super) explainer: Explainer,
    /// Taken as long as they are there.
    _memory: Vec<MemoryReservation>,
}

impl Members {
    /// The records of these keys that there are.
    ///
    /// # Errors
    /// `Config` where the step was built with other comparisons (K0857), and where its model takes more memory than is left (K0438).
    pub(super) async fn of(
        step: &Step<'_>,
        keys: &BTreeSet<String>,
        threads: usize,
    ) -> Result<Self> {
        let reading = reading(step.plan());
        let (model, memory) = step.model().await?;
        let mut memory = vec![memory];
        let mut read = records_of(step, &reading, Some(keys), threads).await?;
        let mut found = records(step.plan(), &reading, &mut read)?;
        let known = known(step, &reading, &found, model)?;
        if !known.is_whole() {
            read = records_of(step, &reading, None, threads).await?;
            found = records(step.plan(), &reading, &mut read)?;
            let all = step.memory()?;
            for_records(&all, &found, step.matching())?;
            memory.push(all);
        }
        if let Some(table) = &step.matching().decisions {
            let sql = decisions::sql(step.plan(), &table.value);
            let rows = step.query(&table.value, &sql).await?;
            found.decisions = decisions::of_rows(&rows, step.plan(), &read.keys)?.of_pairs;
        }
        let ids = ids_of(step, keys).await?;
        let explaining = move || Explainer::new(found, known, threads);
        let explainer = tokio::task::spawn_blocking(explaining)
            .await
            .map_err(|error| Error::internal("explaining broke off").caused_by(error))?;
        Ok(Self {
            read,
            reading,
            ids,
            explainer,
            _memory: memory,
        })
    }

    /// Pairs that people were asked about, by the keys of both: what the evidence says of them, and what people.
    pub(super) fn decided(&self) -> impl Iterator<Item = (&str, &str, f64, Decision)> {
        let decided = self.explainer.decided().into_iter();
        decided.map(|(one, other, weight, decision)| {
            (self.key(one), self.key(other), weight, decision)
        })
    }

    /// The row of a record. `which`: the first or second of two.
    ///
    /// # Errors
    /// `Config` where there is none.
    pub(super) fn row(&self, step: &Step<'_>, key: &str, which: &str) -> Result<u32> {
        let place = self.read.keys.iter().position(|known| known == key);
        place.map(|row| row as u32).ok_or_else(|| {
            let help = match step.matching().record_key.len() {
                0 | 1 => "write the record's key".to_string(),
                parts => format!(
                    "write the {parts} parts of the record's key with `:` between: `crm:10442`"
                ),
            };
            Error::config(format!("no record goes by the {which} name")).help(help)
        })
    }

    /// All of them that have an id.
    pub(super) fn rows(&self) -> Vec<u32> {
        let rows = 0..self.read.keys.len() as u32;
        rows.filter(|row| !self.id(*row).is_empty()).collect()
    }

    /// Those of an id.
    pub(super) fn rows_of(&self, id: &str) -> Vec<u32> {
        let mut rows = self.rows();
        rows.retain(|row| self.id(*row) == id);
        rows
    }

    pub(super) fn key(&self, row: u32) -> &str {
        &self.read.keys[row as usize]
    }

    /// Empty for a record that came after the ids.
    fn id(&self, row: u32) -> &str {
        self.ids.get(self.key(row)).map_or("", String::as_str)
    }

    pub(super) fn stored(&self, row: u32) -> StoredRecord {
        StoredRecord {
            record: shown(self.key(row)),
            id: self.id(row).to_string(),
        }
    }

    /// Blocking rules that make a pair.
    pub(super) async fn rules(
        &self,
        step: &Step<'_>,
        one: u32,
        other: u32,
        threads: usize,
    ) -> Result<Vec<Rule>> {
        let mut blocks = self.explainer.shared_blocks(one, other);
        if !blocks.hang_on_others() {
            return Ok(blocks.rules());
        }
        let (matching, reading) = (step.matching(), &self.reading);
        let table = &matching.records.value;
        let sql = reading.sql_of(&blocks.fields(), &blocks.own());
        let pair = BTreeSet::from([one, other].map(|row| self.key(row).to_string()));
        let of_pair = narrowed(&sql, reading.key, reading.key, &pair);
        let pair = of_keys(
            &step.query(table, &of_pair).await?,
            &pair,
            reading,
            matching,
        )?;
        let (schema, rows) = step.stream(table, &sql).await?;
        let mut rows = std::pin::pin!(rows);
        while let Some(batch) = rows.try_next().await? {
            // the two come first, and again where they stand
            let batch = concat_batches(&schema, [&pair, &batch]).map_err(arrow)?;
            let mut read = Read::as_it_came(&batch, matching, reading)?;
            blocks.count(records(step.plan(), reading, &mut read)?, threads);
        }
        Ok(blocks.rules())
    }
}

/// Records of some keys, or all.
async fn records_of(
    step: &Step<'_>,
    reading: &Reading,
    keys: Option<&BTreeSet<String>>,
    threads: usize,
) -> Result<Read> {
    let matching = step.matching();
    let sql = match keys {
        Some(keys) => narrowed(&reading.sql, reading.key, reading.key, keys),
        None => reading.sql.clone(),
    };
    let (schema, rows) = step.stream(&matching.records.value, &sql).await?;
    let rows = rows.and_then(|batch| async move {
        match keys {
            Some(keys) => of_keys(&batch, keys, reading, matching),
            None => Ok(batch),
        }
    });
    Read::of_stream(schema, rows, matching, reading, threads).await
}

/// A query with hardly more records than those of some keys, where these are few: files without them are passed over. `first`: the
/// place of the first of the key's parts.
fn narrowed(sql: &str, first: usize, parts: usize, keys: &BTreeSet<String>) -> String {
    const FEW: usize = 1000;
    if keys.len() > FEW {
        return sql.to_string();
    }
    let is_among = |part: usize| {
        let parts = keys.iter().filter_map(|key| key.split('\u{1f}').nth(part));
        let parts: BTreeSet<String> = parts.map(literal_sql).collect();
        let parts: Vec<String> = parts.into_iter().collect();
        match parts.is_empty() {
            true => "false".to_string(),
            false => format!("\"_{}\" in ({})", first + part, parts.join(", ")),
        }
    };
    let parts: Vec<String> = (0..parts).map(is_among).collect();
    format!("select * from ({sql}) where {}", parts.join(" and "))
}

/// Rows of a reading that have one of some keys.
fn of_keys(
    batch: &RecordBatch,
    wanted: &BTreeSet<String>,
    reading: &Reading,
    matching: &Matching,
) -> Result<RecordBatch> {
    let keys = keys_of(&batch.columns()[reading.key..2 * reading.key], matching)?;
    let is_wanted = keys.iter().map(|key| Some(wanted.contains(key)));
    filter_record_batch(batch, &is_wanted.collect::<BooleanArray>()).map_err(arrow)
}

/// Whose the records of some keys are; those that came after the ids are nobody's yet.
async fn ids_of(step: &Step<'_>, keys: &BTreeSet<String>) -> Result<BTreeMap<String, String>> {
    let matching = step.matching();
    let sql = narrowed(&step.ids_sql(), 0, matching.record_key.len(), keys);
    let (_, rows) = step.stream(&matching.table, &sql).await?;
    let mut rows = std::pin::pin!(rows);
    let mut found = BTreeMap::new();
    while let Some(batch) = rows.try_next().await? {
        let ids = Ids::of(&batch, matching)?;
        let wanted = ids.keys.iter().zip(ids.iter());
        let wanted = wanted.filter(|(key, _)| keys.contains(*key));
        found.extend(wanted.map(|(key, id)| (key.to_string(), id.to_string())));
    }
    Ok(found)
}

/// The model that the records' comparisons are of.
fn known(step: &Step<'_>, reading: &Reading, records: &Records, model: ModelRows) -> Result<Known> {
    let matching = step.matching();
    let own = own_rules(step.plan(), reading);
    let must = must_rules(step.plan(), reading);
    Model::from_rows(model, &records.shapes(), &own, &must).ok_or_else(|| {
        Error::config(format!(
            "`{}` was built with other comparisons",
            matching.table
        ))
        .code(Code(857))
        .help(format!(
            "`kilde build -s {}` makes it as the project says now",
            matching.table
        ))
    })
}
