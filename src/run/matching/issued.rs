//! What builds before left of a match: the ids that were issued, where those lead that are gone, the model that was learnt.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use datafusion::arrow::array::{
    Array, AsArray, Float64Array, Int64Array, RecordBatch, StringArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};

use super::super::execute::Execution;
use super::read::keys;
use super::tables::{arrow, batch, texts};
use crate::catalog::Content;
use crate::diagnostic::Code;
use crate::engine::{self, Joins};
use crate::error::{Error, Result};
use crate::identity::{
    COMMON_VALUE, Happened, ModelRow, ModelRows, Redirect, Redirects, Registry, by_events,
};
use crate::project::{MatchTable, Matching};

/// A table of ids, as it is published.
pub(super) struct Issued {
    content: Content,
    /// The column of the id.
    id: String,
    /// Whether a match wrote it, and no SQL.
    is_own: bool,
}

/// What happened to ids in the builds before.
pub(super) struct Told {
    ids: StringArray,
    events: StringArray,
    others: StringArray,
    /// Microseconds.
    times: Int64Array,
}

impl Told {
    /// Of the rows of `…_events`.
    pub(super) fn of(events: &RecordBatch) -> Result<Self> {
        let times = cast(events.column(4), &DataType::Int64).map_err(arrow)?;
        Ok(Self {
            ids: texts(events.column(0))?,
            events: texts(events.column(1))?,
            others: texts(events.column(2))?,
            times: times.as_primitive::<Int64Type>().clone(),
        })
    }

    /// When these ids were told of first, which is when they were issued.
    pub(super) fn first_times(&self, ids: &BTreeSet<&str>) -> HashMap<String, i64> {
        let mut first = HashMap::new();
        for (row, id) in self.ids.iter().enumerate() {
            let Some(id) = id.filter(|id| ids.contains(id)) else {
                continue;
            };
            let time = self.times.value(row);
            first
                .entry(id.to_string())
                .and_modify(|first: &mut i64| *first = time.min(*first))
                .or_insert(time);
        }
        first
    }

    /// All of it, as it happened one after the other.
    fn in_order(&self) -> impl Iterator<Item = Happened<'_>> {
        let mut order: Vec<usize> = (0..self.ids.len()).collect();
        order.sort_by_key(|row| self.times.value(*row));
        order.into_iter().map(|row| {
            let other = self.others.is_valid(row).then(|| self.others.value(row));
            (self.ids.value(row), self.events.value(row), other)
        })
    }
}

impl Execution {
    /// The ids that were issued before: by this step, or by SQL whose table it takes over, if that knows each record once by the
    /// same columns.
    ///
    /// # Errors
    /// `Config` K0813 where they were issued to records of another key.
    pub(super) async fn issued(&self, matching: &Matching) -> Result<Option<Issued>> {
        let Some(content) = self.published(&matching.table).await? else {
            return Ok(None);
        };
        let names = content.file_set.schema.fields().iter();
        let names: Vec<&str> = names.map(|field| field.name().as_str()).collect();
        let key = matching.record_key.iter();
        let key: Vec<&str> = key.map(|k| k.value.as_str()).collect();
        let has = |name: &&str| names.contains(name);
        let entity_id = matching.entity_id.value.as_str();
        let (id, is_own) = match names.split_last() {
            Some((id, before)) if before == key => (id.to_string(), true),
            _ if key.iter().all(has) && has(&entity_id) => (entity_id.to_string(), false),
            _ => return Err(other_key(matching)),
        };
        Ok(Some(Issued {
            content,
            id,
            is_own,
        }))
    }

    /// The ids that were [`issued`](Self::issued), each by its record.
    pub(super) async fn registry(&self, matching: &Matching) -> Result<Registry> {
        let Some(issued) = self.issued(matching).await? else {
            return Ok(Registry::default());
        };
        let key = matching.record_key.iter().map(|k| &k.value);
        let columns = key.chain([&issued.id]);
        let columns: Vec<String> = columns
            .map(|name| format!("cast(\"{name}\" as varchar)"))
            .collect();
        let mut sql = format!("select {} from {}", columns.join(", "), matching.table);
        if !issued.is_own {
            // so that two rows of one record stand side by side
            let places = 1..columns.len();
            let places: Vec<String> = places.map(|place| place.to_string()).collect();
            sql.push_str(&format!(" order by {}", places.join(", ")));
        }
        let rows = self.query_of(&issued.content, &sql).await?;
        let (ids, key) = match rows.columns().split_last() {
            Some((ids, key)) => {
                let key = keys(key, matching).map_err(|_| other_key(matching))?;
                (texts(ids)?, key)
            }
            None => return Ok(Registry::default()),
        };
        drop(rows);
        let redirects = self.redirects(matching).await?;
        let threads = self.runner.resources.threads;
        let known = Registry::of_columns(key.iter(), ids.iter(), redirects, threads);
        Ok(known)
    }

    /// Where ids lead that are gone. A table of an older version names no lost ids: they follow from what happened.
    async fn redirects(&self, matching: &Matching) -> Result<Redirects> {
        if let Some(rows) = self
            .published_beside(matching, MatchTable::Redirects)
            .await?
        {
            return redirects_of(&rows);
        }
        let Some(table) = matching.tables.get(&MatchTable::Redirects) else {
            return Ok(Redirects::new());
        };
        let Some(content) = self.published(table).await? else {
            return Ok(Redirects::new());
        };
        let names = content.file_set.schema.fields().iter();
        let names: Vec<&str> = names.map(|field| field.name().as_str()).collect();
        if !names.starts_with(&["old_id", "new_id"]) {
            return Ok(Redirects::new());
        }
        let sql = format!("select old_id, new_id from {table}");
        let rows = self.query_of(&content, &sql).await?;
        let (old, new) = (texts(rows.column(0))?, texts(rows.column(1))?);
        let pairs = old.iter().zip(new.iter());
        let pairs = pairs.filter_map(|(old, new)| Some((old?.to_string(), new.map(String::from))));
        let new_ids = pairs.collect();
        let events = self.published_beside(matching, MatchTable::Events);
        let Some(events) = events.await? else {
            return Ok(by_events(&new_ids, std::iter::empty()));
        };
        Ok(by_events(&new_ids, Told::of(&events)?.in_order()))
    }

    pub(super) async fn known_model(&self, matching: &Matching) -> Result<ModelRows> {
        let Some(rows) = self.published_beside(matching, MatchTable::Model).await? else {
            return Ok(ModelRows::default());
        };
        model_rows(&rows)
    }

    /// The rows of a table beside the ids as they are published, where its columns are those of now.
    pub(super) async fn published_beside(
        &self,
        matching: &Matching,
        part: MatchTable,
    ) -> Result<Option<RecordBatch>> {
        let Some(table) = matching.tables.get(&part) else {
            return Ok(None);
        };
        let schema = &self.plan_of(table)?.schema;
        match self.published(table).await? {
            Some(content) if content.file_set.schema == *schema => {
                let rows = self
                    .query_of(&content, &format!("select * from {table}"))
                    .await?;
                let columns = rows.columns().iter().zip(schema.fields());
                let columns = columns.map(|(column, field)| cast(column, field.data_type()));
                let columns = columns.collect::<Result<_, _>>().map_err(arrow)?;
                Ok(Some(batch(schema, columns)?))
            }
            _ => Ok(None),
        }
    }

    pub(super) async fn query_of(&self, content: &Content, sql: &str) -> Result<RecordBatch> {
        let tables = BTreeMap::from([(content.name.clone(), content.provider()?)]);
        let session = self.catalog.engine().session(&tables, Joins::Hash)?;
        let frame = session.sql(sql).await.map_err(engine::failure)?;
        engine::collect_whole(frame).await
    }
}

/// Where ids lead that are gone, as the table of now says it.
pub(super) fn redirects_of(rows: &RecordBatch) -> Result<Redirects> {
    let (old, new, lost, records) = (
        texts(rows.column(0))?,
        texts(rows.column(1))?,
        texts(rows.column(2))?,
        texts(rows.column(3))?,
    );
    let rows = old
        .iter()
        .zip(new.iter())
        .zip(lost.iter())
        .zip(records.iter());
    let rows = rows.filter_map(|(((old, new), lost), records)| {
        let old = old?.to_string();
        Some((old, Redirect::of(new, lost, records)))
    });
    Ok(rows.collect())
}

/// A model as its table has it; empty where that is none.
pub(super) fn model_rows(rows: &RecordBatch) -> Result<ModelRows> {
    let text = |at: usize| texts(rows.column(at));
    let number = |at: usize| rows.column(at).as_primitive_opt::<Float64Type>().cloned();
    let count = |at: usize| rows.column(at).as_primitive_opt::<Int64Type>().cloned();
    let (parts, names, levels) = (text(0)?, text(1)?, text(3)?);
    let (Some(positions), Some(pairs)) = (count(2), count(8)) else {
        return Ok(ModelRows::default());
    };
    let (Some(same), Some(stranger), Some(relative), Some(weight)) =
        (number(4), number(5), number(6), number(7))
    else {
        return Ok(ModelRows::default());
    };
    let value = |array: &Float64Array, row: usize| array.is_valid(row).then(|| array.value(row));
    let row = |row: usize| ModelRow {
        part: parts.value(row).to_string(),
        name: if names.is_valid(row) {
            names.value(row).to_string()
        } else {
            String::new()
        },
        position: positions.value(row),
        level: levels.is_valid(row).then(|| levels.value(row).to_string()),
        same: value(&same, row),
        stranger: value(&stranger, row),
        relative: value(&relative, row),
        // of shares it only follows from them
        weight: value(&weight, row).filter(|_| same.is_null(row)),
        count: pairs.is_valid(row).then(|| pairs.value(row)),
    };
    let mut found = ModelRows::default();
    for at in 0..rows.num_rows() {
        let is_told = [names.is_valid(at), levels.is_valid(at), pairs.is_valid(at)];
        let is_common = parts.value(at) == COMMON_VALUE && is_told == [true; 3];
        let (name, mark) = (names.value(at), levels.value(at));
        if !is_common || !found.add_common(name, positions.value(at), mark, pairs.value(at)) {
            found.rows.push(row(at));
        }
    }
    Ok(found)
}

fn other_key(matching: &Matching) -> Error {
    Error::config(format!(
        "`{}` was published with another `record_key`: every customer would get another id",
        matching.table
    ))
    .code(Code(813))
    .at(matching.declared_at.location())
    .help("go back to the columns of before, or give the table another name and start over")
}
