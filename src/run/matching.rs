//! A match step: the records as they are now, the ids that were issued before, and out of both the tables of this build.
//!
//! The ids' own turn computes everything; the tables beside them wait for theirs, and are written and tested like any other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, UInt32Array, new_null_array,
};
use datafusion::arrow::compute::{cast, concat_batches, take};
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type, SchemaRef};

use super::execute::Execution;
use crate::catalog::Content;
use crate::diagnostic::Code;
use crate::engine::{self, Joins};
use crate::error::{Error, Result};
use crate::identity::{
    Assigned, Dictionary, Event, Feature, Field, Model, ModelRow, Records, Refusal, Registry,
    Resolved, Rule, Settings, Verdict, assign, resolve,
};
use crate::name::TableName;
use crate::parallel;
use crate::plan::{MatchPlan, Reason, TablePlan};
use crate::project::{MatchTable, Matching, Meaning};

/// The part of a model's table that says what was compared.
const COLUMN: &str = "column";

/// Columns of a query over the records: the key as it is, then as text, then what is compared, then what the step names.
struct Reading {
    sql: String,
    key: usize,
    fields: Vec<Field>,
    own: Vec<(String, Option<Field>)>,
}

/// Records in the order of their keys, read whole.
struct Read {
    batch: RecordBatch,
    /// Each record's key as one text.
    keys: Vec<String>,
}

impl Execution {
    /// The rows of a table that a match step makes; `None` where the step did not run in this build.
    pub(super) fn made(&self, table: &TableName) -> Option<RecordBatch> {
        self.lock_made().get(table).cloned()
    }

    /// The rows of the ids, with those of the tables beside them left for their turn.
    pub(super) async fn matched(
        &self,
        plan: &TablePlan,
        matched: &MatchPlan,
    ) -> Result<RecordBatch> {
        if let Some(rows) = self.made(&plan.table) {
            return Ok(rows);
        }
        let matching = &matched.matching;
        let reading = reading(matched);
        let read = self.read_records(matching, &reading).await?;
        let registry = self.registry(matching).await?;
        let is_retrained = plan.reasons.contains(&Reason::FullRefresh);
        let mut known = self.known_model(matching).await?;
        if is_retrained || !speaks_of(&known, matched) {
            known.clear();
        }
        let threads = self.runner.resources.threads;
        let settings = settings(matched, &reading, threads);
        let own = settings.rules.clone();
        let records = records(matched, &reading, &read.batch, threads)?;
        let resolved = tokio::task::spawn_blocking(move || {
            resolve(records, &settings, |population| {
                Model::from_rows(&known, &population.kinds(), &own)
            })
        })
        .await
        .map_err(|error| Error::internal("matching broke off").caused_by(error))?
        .map_err(|refusal| refused(&refusal, matched))?;
        let assigned = assign(&read.keys, &resolved.cluster_of, &registry);
        check_churn(matching, &assigned)?;
        self.record_note(&plan.table, summary(&assigned, &resolved));
        let key: Vec<ArrayRef> = read.batch.columns()[..reading.key].to_vec();
        let events = self.published_beside(matching, MatchTable::Events).await?;
        let mut made = BTreeMap::new();
        for (part, table) in &matching.tables {
            let columns = match part {
                MatchTable::Ids => ids(&key, &assigned),
                MatchTable::Edges => edges(&key, &resolved)?,
                MatchTable::Review => review(&key, &resolved)?,
                MatchTable::Redirects => redirects(&assigned),
                MatchTable::Model => model(&resolved, matched, &reading),
                MatchTable::Events => {
                    let now = self.request.as_of.timestamp_micros();
                    new_events(&assigned, now)
                }
            };
            let schema = &self.plan_of(table)?.schema;
            let mut rows = batch(schema, columns)?;
            if let (MatchTable::Events, Some(before)) = (part, &events) {
                // what happened stays told
                rows = concat_batches(schema, [before, &rows]).map_err(arrow)?;
            }
            made.insert(table.clone(), rows);
        }
        let rows = made.get(&plan.table).cloned();
        self.lock_made().extend(made);
        rows.ok_or_else(|| Error::internal(format!("`{}` was not made", plan.table)))
    }

    fn plan_of(&self, table: &TableName) -> Result<&TablePlan> {
        let plan = self.plan.tables.get(table);
        plan.ok_or_else(|| Error::internal(format!("`{table}` has no plan")))
    }

    async fn read_records(&self, matching: &Matching, reading: &Reading) -> Result<Read> {
        let table = &matching.records.value;
        let (provider, _) = self.input(table, Joins::Hash).await?;
        let tables = BTreeMap::from([(table.clone(), provider)]);
        let session = self.catalog.engine().session(&tables, Joins::Hash)?;
        let frame = session.sql(&reading.sql).await.map_err(engine::failure)?;
        let schema: SchemaRef = Arc::new(frame.schema().as_arrow().clone());
        let batches = frame.collect().await.map_err(engine::failure)?;
        let batch = concat_batches(&schema, &batches).map_err(arrow)?;
        let keys = keys(&batch.columns()[reading.key..2 * reading.key], matching)?;
        Ok(Read { batch, keys })
    }

    /// The ids that were issued before.
    async fn registry(&self, matching: &Matching) -> Result<Registry> {
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

    async fn known_model(&self, matching: &Matching) -> Result<Vec<ModelRow>> {
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
    async fn published_beside(
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
        let batches = frame.collect().await.map_err(engine::failure)?;
        concat_batches(&schema, &batches).map_err(arrow)
    }
}

fn reading(matched: &MatchPlan) -> Reading {
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

fn field(meaning: Meaning) -> Option<Field> {
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

fn records(
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
    let place = |name: &String| reading.own.iter().position(|(own, _)| own == name);
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

fn settings(matched: &MatchPlan, reading: &Reading, threads: usize) -> Settings {
    let matching = &matched.matching;
    let place = |name: &String| reading.own.iter().position(|(own, _)| own == name);
    let rule = |names: &Vec<crate::project::Spanned<String>>| Rule {
        features: names
            .iter()
            .filter_map(|c| place(&c.value))
            .map(Feature::Own)
            .collect(),
    };
    Settings {
        rules: matching.block.iter().map(rule).collect(),
        same_from: matching.same_from,
        review_from: matching.review_from,
        max_pairs: matching.max_pairs,
        max_block_share: matching.max_block_share,
        threads,
    }
}

fn refused(refusal: &Refusal, matched: &MatchPlan) -> Error {
    let matching = &matched.matching;
    let error = match refusal {
        Refusal::LargeBlock { rule, count } => {
            let columns = matching.block.get(*rule).into_iter().flatten();
            let columns: Vec<&str> = columns.map(|column| column.value.as_str()).collect();
            let share = 100.0 * count.largest_pairs as f64 / count.pairs.max(1) as f64;
            Error::config(format!(
                "blocking rule ({}) would make {} pairs, {share:.0} % of them from one value that {} records share",
                columns.join(", "),
                count.pairs,
                count.largest_records
            ))
            .code(Code(811))
            .help("add a column to the rule, make the value null where it says nothing, or raise `limits: {max_block_share}`")
        }
        Refusal::ManyPairs { pairs } => Error::config(format!(
            "the blocking rules would make {pairs} pairs, more than `max_pairs` ({})",
            matching.max_pairs
        ))
        .code(Code(811))
        .help("write narrower rules in `block`, or raise `limits: {max_pairs}`"),
    };
    error.at(matching.declared_at.location())
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

/// `2,011 ids: 31 new, 4 merged, 17 pairs to review`.
fn summary(assigned: &Assigned, resolved: &Resolved) -> String {
    let distinct: BTreeSet<&String> = assigned.ids.iter().collect();
    let count = |is: fn(&Event) -> bool| assigned.events.iter().filter(|event| is(event)).count();
    let doubtful = resolved
        .pairs
        .iter()
        .filter(|pair| pair.verdict != Verdict::Same)
        .count();
    let told = [
        (count(|event| matches!(event, Event::Created { .. })), "new"),
        (
            count(|event| matches!(event, Event::Merged { .. })),
            "merged",
        ),
        (count(|event| matches!(event, Event::Split { .. })), "split"),
        (
            count(|event| matches!(event, Event::Retired { .. })),
            "retired",
        ),
        (doubtful, "pairs to review"),
    ];
    let told = told.iter().filter(|(count, _)| *count > 0);
    let told: Vec<String> = told
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    match told.as_slice() {
        [] => format!("{} ids", distinct.len()),
        told => format!("{} ids: {}", distinct.len(), told.join(", ")),
    }
}

fn ids(key: &[ArrayRef], assigned: &Assigned) -> Vec<ArrayRef> {
    let ids: StringArray = assigned.ids.iter().map(Some).collect();
    let mut columns = key.to_vec();
    columns.push(Arc::new(ids));
    columns
}

/// Keys of both records, weight, what was decided and why.
fn edges(key: &[ArrayRef], resolved: &Resolved) -> Result<Vec<ArrayRef>> {
    let all: Vec<usize> = (0..resolved.pairs.len()).collect();
    pairs(key, resolved, &all, |verdict| match verdict {
        Verdict::Same => "same",
        Verdict::Doubtful => "doubtful",
        Verdict::Parted => "parted",
    })
}

fn review(key: &[ArrayRef], resolved: &Resolved) -> Result<Vec<ArrayRef>> {
    let undecided = |at: &usize| resolved.pairs[*at].verdict != Verdict::Same;
    let wanted: Vec<usize> = (0..resolved.pairs.len()).filter(undecided).collect();
    pairs(key, resolved, &wanted, |verdict| match verdict {
        Verdict::Parted => "other records of the two speak against it",
        _ => "the weight lies between the thresholds",
    })
}

fn pairs(
    key: &[ArrayRef],
    resolved: &Resolved,
    wanted: &[usize],
    word: impl Fn(Verdict) -> &'static str,
) -> Result<Vec<ArrayRef>> {
    let pairs = || wanted.iter().map(|at| &resolved.pairs[*at]);
    let one: UInt32Array = pairs().map(|pair| Some(pair.one)).collect();
    let other: UInt32Array = pairs().map(|pair| Some(pair.other)).collect();
    let mut columns = Vec::new();
    for rows in [&one, &other] {
        for column in key {
            columns.push(take(column, rows, None).map_err(arrow)?);
        }
    }
    let weights: Float64Array = pairs().map(|pair| pair.weight).collect();
    let words: StringArray = pairs().map(|pair| Some(word(pair.verdict))).collect();
    let agreement: StringArray = pairs().map(|pair| Some(pair.agreement.as_str())).collect();
    columns.push(Arc::new(weights));
    columns.push(Arc::new(words));
    columns.push(Arc::new(agreement));
    Ok(columns)
}

fn redirects(assigned: &Assigned) -> Vec<ArrayRef> {
    let old: StringArray = assigned.redirects.keys().map(Some).collect();
    let new: StringArray = assigned.redirects.values().map(Option::as_ref).collect();
    vec![Arc::new(old), Arc::new(new)]
}

fn new_events(assigned: &Assigned, now: i64) -> Vec<ArrayRef> {
    let parts = |event: &Event| match event {
        Event::Created { id, records } => (id.clone(), "created", None, Some(*records as i64)),
        Event::Merged { id, into } => (id.clone(), "merged", Some(into.clone()), None),
        Event::Split { id, from, records } => (
            id.clone(),
            "split",
            Some(from.clone()),
            Some(*records as i64),
        ),
        Event::Retired { id } => (id.clone(), "retired", None, None),
    };
    let rows: Vec<_> = assigned.events.iter().map(parts).collect();
    let ids: StringArray = rows.iter().map(|row| Some(&row.0)).collect();
    let events: StringArray = rows.iter().map(|row| Some(row.1)).collect();
    let others: StringArray = rows.iter().map(|row| row.2.as_ref()).collect();
    let counts: Int64Array = rows.iter().map(|row| row.3).collect();
    let times = TimestampMicrosecondArray::from(vec![now; rows.len()]);
    vec![
        Arc::new(ids),
        Arc::new(events),
        Arc::new(others),
        Arc::new(counts),
        Arc::new(times),
    ]
}

/// The columns that a model speaks of, as rows of its table.
fn columns(matched: &MatchPlan) -> Vec<ModelRow> {
    let fields = matched.fields.iter().zip(1..);
    let rows = fields.map(|((meaning, column), position)| ModelRow {
        part: COLUMN.into(),
        name: field(*meaning).map_or(String::new(), |field| field.name().to_string()),
        position,
        level: Some(column.clone()),
        ..ModelRow::default()
    });
    rows.collect()
}

/// Whether a model was made for the columns that are compared now.
fn speaks_of(model: &[ModelRow], matched: &MatchPlan) -> bool {
    let of_columns = model.iter().filter(|row| row.part == COLUMN).cloned();
    let mut of_columns: Vec<ModelRow> = of_columns.collect();
    of_columns.sort_by_key(|row| row.position);
    of_columns == columns(matched)
}

fn model(resolved: &Resolved, matched: &MatchPlan, reading: &Reading) -> Vec<ArrayRef> {
    let name = |feature: &Feature| match feature {
        Feature::Own(at) => reading.own.get(*at).map_or("", |(name, _)| name.as_str()),
        feature => feature.name(),
    };
    let rule_name = |rule: &Rule| {
        let names: Vec<&str> = rule.features.iter().map(name).collect();
        names.join(", ")
    };
    let mut rows = resolved.model.rows(&resolved.pairs_of_rules, rule_name);
    rows.extend(columns(matched));
    let text = |value: &dyn Fn(&ModelRow) -> Option<String>| -> ArrayRef {
        Arc::new(rows.iter().map(value).collect::<StringArray>())
    };
    let number = |value: &dyn Fn(&ModelRow) -> Option<f64>| -> ArrayRef {
        Arc::new(rows.iter().map(value).collect::<Float64Array>())
    };
    let count = |value: &dyn Fn(&ModelRow) -> Option<i64>| -> ArrayRef {
        Arc::new(rows.iter().map(value).collect::<Int64Array>())
    };
    vec![
        text(&|row| Some(row.part.clone())),
        text(&|row| Some(row.name.clone())),
        count(&|row| Some(row.position)),
        text(&|row| row.level.clone()),
        number(&|row| row.same),
        number(&|row| row.stranger),
        number(&|row| row.relative),
        number(&|row| Some((row.same? / row.stranger?).log2())),
        count(&|row| row.pairs),
    ]
}

/// Rows of a table's columns, each cast to its type.
fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
    let rows = columns.first().map_or(0, Array::len);
    let columns = columns.iter().zip(schema.fields()).map(|(column, field)| {
        if column.data_type() == &DataType::Null {
            return Ok(new_null_array(field.data_type(), rows));
        }
        cast(column, field.data_type())
    });
    let columns = columns.collect::<Result<_, _>>().map_err(arrow)?;
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(arrow)
}

fn texts(column: &ArrayRef) -> Result<StringArray> {
    let column = cast(column, &DataType::Utf8).map_err(arrow)?;
    let texts = column.as_string_opt::<i32>().cloned();
    texts.ok_or_else(|| Error::internal("a text column holds no text"))
}

fn arrow(error: datafusion::arrow::error::ArrowError) -> Error {
    Error::internal("rows of a match do not fit together").caused_by(error)
}
