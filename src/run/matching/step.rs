//! A match step as the newest release holds it, for those who ask about it.
//!
//! Single records and ids are looked up where they are asked for; what must be there as a whole, takes its part of the memory that
//! there is while it comes.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use datafusion::arrow::array::{Array, RecordBatch, StringArray};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::execution::memory_pool::MemoryReservation;
use futures::{Stream, TryStreamExt};

use super::super::Runner;
use super::issued::model_rows;
use super::read::{Keys, keys, text_sql};
use super::review::{chosen, not_built};
use super::tables::{arrow, texts};
use super::{no_memory, reservation};
use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::identity::ModelRows;
use crate::name::TableName;
use crate::plan::{MatchPlan, Outline};
use crate::project::{MatchTable, Matching};
use crate::release::Release;
use crate::sql_text::literal_sql;

/// A match step as the newest release holds it.
pub(super) struct Step<'a> {
    outline: &'a Outline,
    plan: &'a MatchPlan,
    catalog: Catalog,
    release: Release,
}

impl<'a> Step<'a> {
    pub(super) async fn open(
        runner: &Runner,
        outline: &'a Outline,
        table: Option<&TableName>,
        as_of: DateTime<Utc>,
    ) -> Result<Self> {
        let matching = chosen(&runner.project, table)?;
        let step = Self::built(runner, outline, matching, as_of).await?;
        step.ok_or_else(|| not_built(matching))
    }

    /// `None` where the step was never built.
    pub(super) async fn built(
        runner: &Runner,
        outline: &'a Outline,
        matching: &Matching,
        as_of: DateTime<Utc>,
    ) -> Result<Option<Self>> {
        let plan = outline.matching(&matching.table)?;
        let catalog = runner.readable(as_of)?;
        let release = catalog.lake().current().await?;
        let release = release.filter(|release| release.table(&matching.table).is_some());
        Ok(release.map(|release| Self {
            outline,
            plan,
            catalog,
            release,
        }))
    }

    pub(super) fn plan(&self) -> &MatchPlan {
        self.plan
    }

    pub(super) fn matching(&self) -> &Matching {
        &self.plan.matching
    }

    pub(super) fn beside(&self, part: MatchTable) -> Result<&TableName> {
        let table = self.matching().tables.get(&part);
        table.ok_or_else(|| Error::internal("a match without its tables"))
    }

    pub(super) fn release(&self) -> u64 {
        self.release.number.0
    }

    pub(super) async fn query(&self, table: &TableName, sql: &str) -> Result<RecordBatch> {
        let release = Some(&self.release);
        self.catalog
            .query_over(self.outline, release, &[table], sql)
            .await
    }

    /// The rows of a query over one table as they come.
    pub(super) async fn stream(
        &self,
        table: &TableName,
        sql: &str,
    ) -> Result<(
        SchemaRef,
        impl Stream<Item = Result<RecordBatch>> + Send + use<>,
    )> {
        let release = Some(&self.release);
        self.catalog
            .stream_over(self.outline, release, &[table], sql)
            .await
    }

    /// All rows of a query over one table, and the memory that they take as long as it is held.
    ///
    /// # Errors
    /// `Config` K0438 where so much memory is not left.
    pub(super) async fn whole(
        &self,
        table: &TableName,
        sql: &str,
    ) -> Result<(RecordBatch, MemoryReservation)> {
        let memory = self.memory()?;
        let (schema, rows) = self.stream(table, sql).await?;
        let mut rows = std::pin::pin!(rows);
        let mut batches = Vec::new();
        while let Some(batch) = rows.try_next().await? {
            let grown = memory.try_grow(bytes_of(&batch));
            grown.map_err(|error| {
                let what = format!("to read all rows of `{table}`");
                no_memory(&what, memory.size() as u64, self.matching()).caused_by(error)
            })?;
            batches.push(batch);
        }
        let rows = concat_batches(&schema, &batches).map_err(arrow)?;
        Ok((rows, memory))
    }

    /// A part of the memory that there is, nothing at first.
    pub(super) fn memory(&self) -> Result<MemoryReservation> {
        reservation(&self.catalog, self.matching())
    }

    /// What was learnt, as it is published.
    pub(super) async fn model(&self) -> Result<(ModelRows, MemoryReservation)> {
        let model = self.beside(MatchTable::Model)?;
        let (rows, memory) = self.whole(model, &format!("select * from {model}")).await?;
        Ok((model_rows(&rows)?, memory))
    }

    /// Where an id that is gone leads; `None` for one that is not.
    pub(super) async fn redirect(&self, id: &str) -> Result<Option<Option<String>>> {
        let table = self.beside(MatchTable::Redirects)?;
        let wanted = literal_sql(id);
        let sql = format!("select new_id from {table} where old_id = {wanted}");
        let rows = self.query(table, &sql).await?;
        let new = texts(rows.column(0))?;
        Ok(new.iter().next().map(|heir| heir.map(str::to_string)))
    }

    async fn has_records(&self, id: &str) -> Result<bool> {
        let matching = self.matching();
        let (table, column) = (&matching.table, &matching.entity_id.value);
        let wanted = literal_sql(id);
        let sql = format!("select 1 from {table} where \"{column}\" = {wanted} limit 1");
        Ok(self.query(table, &sql).await?.num_rows() > 0)
    }

    /// Whether an id was ever issued.
    pub(super) async fn knows_id(&self, id: &str) -> Result<bool> {
        Ok(self.has_records(id).await? || self.redirect(id).await?.is_some())
    }

    /// The key of a record as people type it: its parts with `:` between.
    pub(super) fn key_of(&self, record: &str) -> String {
        let parts = self.matching().record_key.len().max(1);
        let key: Vec<&str> = record.splitn(parts, ':').collect();
        key.join("\u{1f}")
    }

    /// That a row is of the record with this key. `prefix`: of the columns' names.
    pub(super) fn equal_sql(&self, key: &str, prefix: &str) -> String {
        let columns = self.matching().record_key.iter();
        let parts = columns.zip(key.split('\u{1f}')).map(|(column, part)| {
            let name = format!("{prefix}{}", column.value);
            format!("{} = {}", text_sql(&name), literal_sql(part))
        });
        parts.collect::<Vec<String>>().join(" and ")
    }

    /// The id of a record, by its key.
    pub(super) async fn id_of(&self, key: &str) -> Result<Option<String>> {
        let matching = self.matching();
        if key.split('\u{1f}').count() < matching.record_key.len() {
            return Ok(None);
        }
        let (table, column) = (&matching.table, &matching.entity_id.value);
        let equal = self.equal_sql(key, "");
        let sql = format!("select \"{column}\" from {table} where {equal}");
        let rows = self.query(table, &sql).await?;
        let ids = texts(rows.column(0))?;
        Ok(ids.iter().flatten().next().map(str::to_string))
    }

    /// Keys of the records that have one of some ids.
    pub(super) async fn keys_of(&self, ids: &[&str]) -> Result<BTreeSet<String>> {
        let matching = self.matching();
        let ids: Vec<String> = ids.iter().map(|id| literal_sql(id)).collect();
        let sql = format!(
            "{} where \"{}\" in ({})",
            self.ids_sql(),
            matching.entity_id.value,
            ids.join(", ")
        );
        let rows = self.query(&matching.table, &sql).await?;
        let found = Ids::of(&rows, matching)?;
        Ok(found.keys.iter().map(str::to_string).collect())
    }

    /// The key of each record, part by part as texts, and its id.
    pub(super) fn ids_sql(&self) -> String {
        let matching = self.matching();
        let key = matching.record_key.iter();
        let mut columns: Vec<String> = key.map(|column| text_sql(&column.value)).collect();
        columns.push(format!("\"{}\"", matching.entity_id.value));
        let columns = columns.iter().enumerate();
        let columns: Vec<String> = columns.map(|(at, c)| format!("{c} as \"_{at}\"")).collect();
        format!("select {} from {}", columns.join(", "), matching.table)
    }

    /// Whose every record is, in the order of their keys, and the memory that it takes.
    pub(super) async fn ids(&self) -> Result<(Ids, MemoryReservation)> {
        let matching = self.matching();
        let places = 1..=matching.record_key.len();
        let places: Vec<String> = places.map(|place| place.to_string()).collect();
        let sql = format!("{} order by {}", self.ids_sql(), places.join(", "));
        let (rows, memory) = self.whole(&matching.table, &sql).await?;
        Ok((Ids::of(&rows, matching)?, memory))
    }
}

/// Whose records are.
#[derive(Debug)]
pub(super) struct Ids {
    pub(super) keys: Keys,
    ids: StringArray,
}

impl Ids {
    pub(super) fn of(rows: &RecordBatch, matching: &Matching) -> Result<Self> {
        let Some((ids, key)) = rows.columns().split_last() else {
            return Err(Error::internal("ids without a record"));
        };
        Ok(Self {
            keys: keys(key, matching)?,
            ids: texts(ids)?,
        })
    }

    /// One for each key; empty where a record has none.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        (0..self.ids.len()).map(|row| self.id(row as u32))
    }

    pub(super) fn id(&self, row: u32) -> &str {
        let row = row as usize;
        match self.ids.is_valid(row) {
            true => self.ids.value(row),
            false => "",
        }
    }

    /// The row of each key.
    pub(super) fn rows(&self) -> HashMap<&str, u32> {
        self.keys.iter().zip(0..).collect()
    }

    #[cfg(test)]
    pub(super) fn of_keys(keys: Vec<String>) -> Self {
        Self {
            ids: StringArray::from_iter_values(keys.iter()),
            keys: Keys::of(keys),
        }
    }
}

/// The key of a record as people type it: its parts with `:` between.
pub(super) fn shown(key: &str) -> String {
    key.replace('\u{1f}', ":")
}

/// Bytes of the rows of a batch, whatever else their memory holds.
fn bytes_of(batch: &RecordBatch) -> usize {
    let columns = batch.columns().iter();
    let bytes = columns.map(|column| {
        let slice = column.to_data().get_slice_memory_size();
        slice.unwrap_or_else(|_| column.get_array_memory_size())
    });
    bytes.sum()
}
