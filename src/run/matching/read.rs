//! What a match step reads: the records, and what the builds before it left behind.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch};
use datafusion::arrow::compute::{cast, concat_batches};
use datafusion::arrow::datatypes::{Float64Type, Int64Type, SchemaRef};

use super::super::execute::Execution;
use super::tables::{arrow, batch, texts};
use crate::catalog::Content;
use crate::diagnostic::Code;
use crate::engine::{self, Joins};
use crate::error::{Error, Result};
use crate::identity::{Dictionary, Field, ModelRow, Records, Registry};
use crate::parallel;
use crate::plan::MatchPlan;
use crate::project::{MatchTable, Matching, Meaning};

/// Columns of a query over the records: the key as it is, then as text, then what is compared, then what the step names.
pub(super) struct Reading {
    pub(super) sql: String,
    pub(super) key: usize,
    pub(super) fields: Vec<Field>,
    pub(super) own: Vec<(String, Option<Field>)>,
}

/// Records in the order of their keys, read whole.
pub(super) struct Read {
    pub(super) batch: RecordBatch,
    /// Each record's key as one text.
    pub(super) keys: Vec<String>,
}

impl Execution {
    pub(super) async fn read_records(
        &self,
        matching: &Matching,
        reading: &Reading,
    ) -> Result<Read> {
        let table = &matching.records.value;
        let (provider, _) = self.input(table, Joins::Hash).await?;
        let tables = BTreeMap::from([(table.clone(), provider)]);
        let session = self.catalog.engine().session(&tables, Joins::Hash)?;
        let frame = session.sql(&reading.sql).await.map_err(engine::failure)?;
        let schema: SchemaRef = Arc::new(frame.schema().as_arrow().clone());
        let batches = engine::collect(frame).await?;
        let batch = concat_batches(&schema, &batches).map_err(arrow)?;
        let keys = keys(&batch.columns()[reading.key..2 * reading.key], matching)?;
        Ok(Read { batch, keys })
    }

    /// The ids that were issued before.
    pub(super) async fn registry(&self, matching: &Matching) -> Result<Registry> {
        let mut registry = Registry::default();
        let Some(ids) = self.published(&matching.table).await? else {
            return Ok(registry);
        };
        let schema = &ids.file_set.schema;
        let names: Vec<&str> = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        let (id, key) = match names.split_last() {
            Some((id, key)) if key.iter().eq(matching.record_key.iter().map(|k| &k.value)) => {
                (id, key)
            }
            _ => return Err(other_key(matching)),
        };
        let key = key
            .iter()
            .map(|name| format!("cast(\"{name}\" as varchar)"));
        let columns: Vec<String> = key.chain([format!("\"{id}\"")]).collect();
        let sql = format!("select {} from {}", columns.join(", "), matching.table);
        let rows = self.query_of(&ids, &sql).await?;
        let (ids, key) = match rows.columns().split_last() {
            Some((ids, key)) => (texts(ids)?, keys(key, matching)?),
            None => return Ok(registry),
        };
        let known = key.into_iter().zip(ids.iter());
        registry.ids = known
            .filter_map(|(key, id)| Some((key, id?.to_string())))
            .collect();
        if let Some(rows) = self
            .published_beside(matching, MatchTable::Redirects)
            .await?
        {
            let (old, new) = (texts(rows.column(0))?, texts(rows.column(1))?);
            let pairs = old.iter().zip(new.iter());
            let pairs =
                pairs.filter_map(|(old, new)| Some((old?.to_string(), new.map(str::to_string))));
            registry.redirects = pairs.collect();
        }
        Ok(registry)
    }

    pub(super) async fn known_model(&self, matching: &Matching) -> Result<Vec<ModelRow>> {
        let Some(rows) = self.published_beside(matching, MatchTable::Model).await? else {
            return Ok(Vec::new());
        };
        let text = |at: usize| texts(rows.column(at));
        let number = |at: usize| rows.column(at).as_primitive_opt::<Float64Type>().cloned();
        let count = |at: usize| rows.column(at).as_primitive_opt::<Int64Type>().cloned();
        let (parts, names, levels) = (text(0)?, text(1)?, text(3)?);
        let (Some(positions), Some(pairs)) = (count(2), count(8)) else {
            return Ok(Vec::new());
        };
        let (Some(same), Some(stranger), Some(relative)) = (number(4), number(5), number(6)) else {
            return Ok(Vec::new());
        };
        let value =
            |array: &Float64Array, row: usize| array.is_valid(row).then(|| array.value(row));
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
            pairs: pairs.is_valid(row).then(|| pairs.value(row)),
        };
        Ok((0..rows.num_rows()).map(row).collect())
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

    async fn query_of(&self, content: &Content, sql: &str) -> Result<RecordBatch> {
        let tables = BTreeMap::from([(content.name.clone(), content.provider()?)]);
        let session = self.catalog.engine().session(&tables, Joins::Hash)?;
        let frame = session.sql(sql).await.map_err(engine::failure)?;
        let schema: SchemaRef = Arc::new(frame.schema().as_arrow().clone());
        let batches = engine::collect(frame).await?;
        concat_batches(&schema, &batches).map_err(arrow)
    }
}

pub(super) fn reading(matched: &MatchPlan) -> Reading {
    let matching = &matched.matching;
    let quoted = |name: &str| format!("\"{name}\"");
    let text = |name: &str| format!("cast(\"{name}\" as varchar)");
    let key: Vec<&str> = matching
        .record_key
        .iter()
        .map(|k| k.value.as_str())
        .collect();
    let mut own: Vec<(String, Option<Field>)> = Vec::new();
    let named = matching
        .must
        .iter()
        .chain(&matching.cannot)
        .chain(matching.block.iter().flatten());
    for column in named {
        if !own.iter().any(|(name, _)| *name == column.value) {
            let meaning = matched.meanings.get(&column.value);
            own.push((column.value.clone(), meaning.copied().and_then(field)));
        }
    }
    let fields = matched.fields.iter();
    let columns = key.iter().map(|name| quoted(name));
    let columns = columns.chain(key.iter().map(|name| text(name)));
    let columns = columns.chain(fields.map(|(_, name)| text(name)));
    let columns = columns.chain(own.iter().map(|(name, _)| text(name)));
    // each by its place: two columns of one query cannot have one name
    let columns = columns
        .enumerate()
        .map(|(at, column)| format!("{column} as \"_{at}\""));
    let order: Vec<String> = (1..=key.len()).map(|at| at.to_string()).collect();
    Reading {
        sql: format!(
            "select {} from {} order by {}",
            columns.collect::<Vec<_>>().join(", "),
            matching.records.value,
            order.join(", ")
        ),
        key: key.len(),
        fields: matched
            .fields
            .iter()
            .filter_map(|(meaning, _)| field(*meaning))
            .collect(),
        own,
    }
}

pub(super) fn field(meaning: Meaning) -> Option<Field> {
    Some(match meaning {
        Meaning::GivenName => Field::GivenName,
        Meaning::FamilyName => Field::FamilyName,
        Meaning::Name => Field::FullName,
        Meaning::BirthDate => Field::BirthDate,
        Meaning::Email => Field::Email,
        Meaning::Phone => Field::Phone,
        Meaning::Address => Field::Address,
        Meaning::Postcode => Field::Postcode,
        Meaning::NationalId => Field::NationalId,
        Meaning::CustomerNumber
        | Meaning::Cookie
        | Meaning::Ip
        | Meaning::Behaviour
        | Meaning::FreeText
        | Meaning::Special => return None,
    })
}

/// Each row's key as one text; a part cannot hold the sign between two.
fn keys(columns: &[ArrayRef], matching: &Matching) -> Result<Vec<String>> {
    let columns = columns.iter().map(texts).collect::<Result<Vec<_>>>()?;
    let rows = columns.first().map_or(0, Array::len);
    let key = |row: usize| {
        let parts = columns
            .iter()
            .map(|column| column.is_valid(row).then(|| column.value(row)));
        let parts: Option<Vec<&str>> = parts.collect();
        parts.map(|parts| parts.join("\u{1f}"))
    };
    let keys: Option<Vec<String>> = (0..rows).map(key).collect();
    let Some(keys) = keys else {
        return Err(no_key(matching, "some record has no value in"));
    };
    if keys.windows(2).any(|two| two[0] == two[1]) {
        return Err(no_key(matching, "two records share their"));
    }
    Ok(keys)
}

fn no_key(matching: &Matching, what: &str) -> Error {
    let names: Vec<&str> = matching
        .record_key
        .iter()
        .map(|k| k.value.as_str())
        .collect();
    Error::quality(format!(
        "{what} `record_key` ({}) of `{}`",
        names.join(", "),
        matching.records.value
    ))
    .code(Code(810))
    .at(matching.declared_at.location())
    .help("name columns that are never null and together unique; `key:` in the contract tests them")
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

pub(super) fn records(
    matched: &MatchPlan,
    reading: &Reading,
    batch: &RecordBatch,
    threads: usize,
) -> Result<Records> {
    let columns = &batch.columns()[2 * reading.key..];
    let encoded = parallel::map(threads, columns, |column| {
        Ok(Dictionary::encode(texts(column)?.iter()))
    });
    let mut encoded = encoded.into_iter().collect::<Result<Vec<Dictionary>>>()?;
    let own = encoded.split_off(reading.fields.len());
    let own = reading
        .own
        .iter()
        .map(|(_, field)| *field)
        .zip(own)
        .collect();
    let fields = reading.fields.iter().copied().zip(encoded).collect();
    let rows = u32::try_from(batch.num_rows())
        .map_err(|_| Error::config("a match takes at most four thousand million records"))?;
    let place = |name: &String| place_of(reading, name);
    let matching = &matched.matching;
    Ok(Records {
        rows,
        fields,
        own,
        must: matching
            .must
            .iter()
            .filter_map(|c| place(&c.value))
            .collect(),
        cannot: matching
            .cannot
            .iter()
            .filter_map(|c| place(&c.value))
            .collect(),
    })
}

/// Place of a column among those that the step names itself.
pub(super) fn place_of(reading: &Reading, name: &str) -> Option<usize> {
    reading.own.iter().position(|(own, _)| own == name)
}
