//! What a match step reads of its records. What builds before left behind: [`super::issued`].

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Index, Range};
use std::sync::{Mutex, PoisonError};

use datafusion::arrow::array::{
    Array, ArrayRef, DynComparator, RecordBatch, StringArray, StringBuilder, UInt32Array,
    make_comparator,
};
use datafusion::arrow::compute::{SortOptions, concat_batches, take};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::row::{RowConverter, SortField};
use futures::{Stream, TryStreamExt};

use super::super::execute::Execution;
use super::tables::{arrow, texts};
use crate::diagnostic::Code;
use crate::engine::{self, Joins};
use crate::error::{Error, ErrorKind, Result};
use crate::identity::{Asked, Dictionary, Encoding, Field, OwnColumn, Records};
use crate::name::is_identifier;
use crate::parallel;
use crate::plan::MatchPlan;
use crate::project::{BlockRule, Compare, CompareBy, DuplicateFree, Matching, Meaning};
use crate::sql_text::literal_sql;

/// Columns of a query over the records: the key as it is, then as text, then what is compared as its meaning says, what
/// `compare` asks for besides, and what rules name.
pub(super) struct Reading {
    pub(super) sql: String,
    pub(super) key: usize,
    /// Of each column of `fields`, `asked` and `own` its place behind the keys: what several name is read once.
    pub(super) places: Vec<usize>,
    pub(super) fields: Vec<Field>,
    /// Columns of each comparison that `compare` asks for.
    asked: Vec<usize>,
    pub(super) own: Vec<Own>,
}

/// A column, or SQL over one record, that rules name.
pub(super) struct Own {
    pub(super) name: String,
    fields: Vec<Field>,
    asked: Vec<usize>,
}

/// Records in the order of their keys.
pub(super) struct Read {
    /// The columns of the key as they are.
    pub(super) key: Vec<ArrayRef>,
    /// Each record's key as one text.
    pub(super) keys: Keys,
    /// What is compared.
    pub(super) columns: Vec<Dictionary>,
}

/// Keys of records, each as one text, end to end; none is missing.
#[derive(Clone, Debug)]
pub(super) struct Keys(StringArray);

impl Keys {
    #[cfg(test)]
    pub(super) fn of(keys: Vec<String>) -> Self {
        Self(StringArray::from(keys))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        (0..self.len()).map(|row| self.0.value(row))
    }
}

impl Index<usize> for Keys {
    type Output = str;

    fn index(&self, row: usize) -> &str {
        self.0.value(row)
    }
}

impl Reading {
    /// The query without the keys.
    pub(super) fn compared_sql(&self) -> String {
        let columns = (0..self.compared()).map(|at| format!("\"_{}\"", 2 * self.key + at));
        let columns: Vec<String> = columns.collect();
        format!("select {} from ({})", columns.join(", "), self.sql)
    }

    /// The query with the keys and what is named; all else is null, and is not read.
    pub(super) fn sql_of(&self, fields: &BTreeSet<Field>, own: &BTreeSet<usize>) -> String {
        let asked: usize = self.asked.iter().sum();
        let before_own = self.fields.len() + asked;
        let is_named = |at: &usize| match self.fields.get(*at) {
            Some(field) => fields.contains(field),
            None => at
                .checked_sub(before_own)
                .is_some_and(|at| own.contains(&at)),
        };
        let named = (0..self.places.len()).filter(is_named);
        let named: BTreeSet<usize> = named.map(|at| 2 * self.key + self.places[at]).collect();
        let column = |at: usize| match at < 2 * self.key || named.contains(&at) {
            true => format!("\"_{at}\""),
            false => format!("cast(null as varchar) as \"_{at}\""),
        };
        let columns = (0..2 * self.key + self.compared()).map(column);
        let columns: Vec<String> = columns.collect();
        format!("select {} from ({})", columns.join(", "), self.sql)
    }

    /// Columns behind the keys.
    pub(super) fn compared(&self) -> usize {
        self.places.iter().max().map_or(0, |last| last + 1)
    }
}

impl Read {
    /// No records, of the columns that a reading has.
    pub(super) fn nothing(reading: &Reading) -> Self {
        Self {
            key: Vec::new(),
            keys: Keys(StringArray::new_null(0)),
            columns: vec![Dictionary::default(); reading.compared()],
        }
    }

    /// What a reading gave, in any order; at least one batch, which may be empty.
    pub(super) fn of(
        batches: Vec<RecordBatch>,
        matching: &Matching,
        reading: &Reading,
        threads: usize,
    ) -> Result<Self> {
        let mut coming = Coming::new(reading.key, threads);
        for batch in batches {
            coming.push(batch)?;
        }
        coming.finish(matching)
    }

    /// What a query of a reading gives, as it comes.
    pub(super) async fn of_stream(
        schema: SchemaRef,
        rows: impl Stream<Item = Result<RecordBatch>>,
        matching: &Matching,
        reading: &Reading,
        threads: usize,
    ) -> Result<Self> {
        let mut rows = std::pin::pin!(rows);
        let mut coming = Coming::new(reading.key, threads);
        coming.push(RecordBatch::new_empty(schema))?;
        while let Some(batch) = rows.try_next().await? {
            coming.push(batch)?;
        }
        tracing::debug!("records are read");
        coming.finish(matching)
    }

    /// The rows of one batch in the order in which they stand there, some of them perhaps twice; without the key as it is.
    pub(super) fn as_it_came(
        batch: &RecordBatch,
        matching: &Matching,
        reading: &Reading,
    ) -> Result<Self> {
        let (keys, columns) = batch.columns().split_at(2 * reading.key);
        let encoded = columns.iter().map(|column| {
            let mut encoding = Encoding::default();
            encoding.push_all(texts(column)?.iter());
            Ok(encoding.finish(None))
        });
        Ok(Self {
            key: Vec::new(),
            keys: keys_of(&keys[reading.key..], matching)?,
            columns: encoded.collect::<Result<_>>()?,
        })
    }

    /// Records that are gone, behind those that are there: in the columns alone, so that both are in one numbering.
    pub(super) fn append(&mut self, gone: &RecordBatch, reading: &Reading) -> Result<()> {
        let gone = gone.columns()[2 * reading.key..].iter();
        for (column, gone) in self.columns.iter_mut().zip(gone) {
            *column = column.with_more(texts(gone)?.iter());
        }
        Ok(())
    }
}

/// Records while they come: their texts become numbers some batches at a time, and are never there as a whole.
struct Coming {
    /// Columns of the key, which come as they are and as texts.
    key: usize,
    threads: usize,
    /// By column of the key: whether it is a text as it is.
    is_text: Vec<bool>,
    /// Columns of the key as texts, and behind them as they are those that are none.
    keys: Vec<RecordBatch>,
    waiting: Vec<RecordBatch>,
    columns: Vec<Mutex<Encoding>>,
}

impl Coming {
    fn new(key: usize, threads: usize) -> Self {
        Self {
            key,
            threads,
            is_text: Vec::new(),
            keys: Vec::new(),
            waiting: Vec::new(),
            columns: Vec::new(),
        }
    }

    fn push(&mut self, batch: RecordBatch) -> Result<()> {
        /// Batches: enough that threads are worth beginning.
        const TOGETHER: usize = 24;
        if self.keys.is_empty() {
            let key = batch.columns()[..self.key].iter();
            self.is_text = key.map(is_text).collect();
        }
        let others = (0..self.key).filter(|at| !self.is_text[*at]);
        let keys: Vec<usize> = (self.key..2 * self.key).chain(others).collect();
        self.keys.push(batch.project(&keys).map_err(arrow)?);
        self.waiting.push(batch);
        if self.waiting.len() < TOGETHER {
            return Ok(());
        }
        self.encode()
    }

    fn encode(&mut self) -> Result<()> {
        let batches = std::mem::take(&mut self.waiting);
        let Some(first) = batches.first() else {
            return Ok(());
        };
        let columns: Vec<usize> = (2 * self.key..first.num_columns()).collect();
        self.columns.resize_with(columns.len(), Mutex::default);
        let columns: Vec<(usize, &Mutex<Encoding>)> =
            columns.into_iter().zip(&self.columns).collect();
        let encoded = parallel::map(self.threads, &columns, |(at, column)| {
            let mut column = column.lock().unwrap_or_else(PoisonError::into_inner);
            for batch in &batches {
                column.push_all(texts(batch.column(*at))?.iter());
            }
            Ok(())
        });
        encoded.into_iter().collect()
    }

    fn finish(mut self, matching: &Matching) -> Result<Read> {
        self.encode()?;
        let (Some(first), key) = (self.keys.first(), self.key) else {
            return Err(Error::internal("records came without a batch"));
        };
        let all = concat_batches(&first.schema(), &self.keys).map_err(arrow)?;
        let mut rows = 0..0;
        let batches = self.keys.drain(..).map(|batch| {
            rows = rows.end..rows.end + batch.num_rows();
            rows.clone()
        });
        let batches: Vec<Range<usize>> = batches.filter(|rows| !rows.is_empty()).collect();
        let mut key_columns = all.columns().to_vec();
        drop(all);
        let as_it_is = |columns: &[ArrayRef]| -> Vec<ArrayRef> {
            let (texts, others) = columns.split_at(key);
            let mut others = others.iter();
            let is_text = self.is_text.iter().zip(texts);
            let columns = is_text.map(|(is_text, text)| match is_text {
                true => Some(text),
                false => others.next(),
            });
            columns.flatten().cloned().collect()
        };
        let order = order_of_keys(&as_it_is(&key_columns), batches).map_err(arrow)?;
        if let Some(order) = &order {
            let order = UInt32Array::from(order.clone());
            let sorted = parallel::map(self.threads, &key_columns, |column| {
                take(column, &order, None)
            });
            key_columns = sorted
                .into_iter()
                .collect::<std::result::Result<_, _>>()
                .map_err(arrow)?;
        }
        let columns = parallel::map(self.threads, &self.columns, |column| {
            let mut column = column.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *column).finish(order.as_deref())
        });
        let keys = keys_of(&key_columns[..key], matching)?;
        no_key_twice(&keys, matching)?;
        tracing::debug!("records are in the order of their keys");
        Ok(Read {
            key: as_it_is(&key_columns),
            keys,
            columns,
        })
    }
}

fn is_text(column: &ArrayRef) -> bool {
    use DataType::{LargeUtf8, Utf8, Utf8View};
    matches!(column.data_type(), Utf8 | LargeUtf8 | Utf8View)
}

/// The order of rows by the columns of their key; `None` where they stand in it. `batches`: rows that came together, which mostly
/// are in order, and only the batches are not: each was read by one of several threads.
fn order_of_keys(
    key: &[ArrayRef],
    mut batches: Vec<Range<usize>>,
) -> std::result::Result<Option<Vec<u32>>, ArrowError> {
    let comparators = key.iter();
    let comparators = comparators.map(|by| make_comparator(by, by, SortOptions::default()));
    let comparators: Vec<DynComparator> = comparators.collect::<std::result::Result<_, _>>()?;
    let compare = |one: usize, other: usize| {
        let differing = comparators.iter().map(|compare| compare(one, other));
        let mut differing = differing.skip_while(|found| found.is_eq());
        differing.next().unwrap_or(Ordering::Equal)
    };
    batches.sort_by(|one, other| {
        let first = compare(one.start, other.start);
        first.then(one.start.cmp(&other.start))
    });
    let in_batches = || batches.iter().flat_map(Range::clone);
    let next = in_batches().skip(1);
    if in_batches()
        .zip(next)
        .all(|(row, next)| compare(row, next).is_le())
    {
        let is_as_it_came = batches.is_sorted_by_key(|rows| rows.start);
        return Ok((!is_as_it_came).then(|| in_batches().map(|row| row as u32).collect()));
    }
    let fields = key.iter();
    let fields = fields.map(|column| SortField::new(column.data_type().clone()));
    let converter = RowConverter::new(fields.collect())?;
    let rows = converter.convert_columns(key)?;
    let whole = |row: usize| rows.row(row);
    // the first bytes of a key tell it from nearly all others without a look at memory elsewhere
    let order = rows.iter().zip(0..).map(|(key, row)| {
        let mut first = [0; 16];
        for (to, from) in first.iter_mut().zip(key.as_ref()) {
            *to = *from;
        }
        (u128::from_be_bytes(first), row)
    });
    let mut order: Vec<(u128, u32)> = order.collect();
    order.sort_unstable_by(|one, other| {
        let first = one.0.cmp(&other.0);
        first.then_with(|| whole(one.1 as usize).cmp(&whole(other.1 as usize)))
    });
    Ok(Some(order.into_iter().map(|(_, row)| row).collect()))
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
        let broken = |error| broken_by_a_value(error, matching);
        let frame = session.sql(&reading.sql).await.map_err(engine::failure);
        let (schema, rows) = engine::stream(frame.map_err(broken)?)
            .await
            .map_err(broken)?;
        let threads = self.runner.resources.threads;
        Read::of_stream(schema, rows.map_err(broken), matching, reading, threads).await
    }
}

pub(super) fn reading(matched: &MatchPlan) -> Reading {
    let matching = &matched.matching;
    let quoted = |name: &str| format!("\"{name}\"");
    let text = text_sql;
    let key: Vec<&str> = matching
        .record_key
        .iter()
        .map(|k| k.value.as_str())
        .collect();
    let mut own: Vec<Own> = Vec::new();
    let rules = matching.must.iter().chain(&matching.cannot);
    let block = matching.block.iter().flat_map(BlockRule::expressions);
    for rule in rules.chain(block) {
        if !own.iter().any(|own| own.name == rule.value) {
            own.push(own_column(matched, &rule.value));
        }
    }
    let once = matching.duplicate_free.iter().map(|free| Own {
        name: once_sql(free),
        fields: Vec::new(),
        asked: Vec::new(),
    });
    own.extend(once);
    let asked: Vec<Vec<String>> = matched.asked.iter().map(columns_sql).collect();
    let fields = matched.fields.iter();
    let compared = fields.map(|(_, name)| text(name));
    let compared = compared.chain(asked.iter().flatten().cloned());
    let compared = compared.chain(own.iter().map(|own| text_sql(&own.name)));
    let mut distinct: Vec<String> = Vec::new();
    let places = compared.map(|column| {
        let known = distinct.iter().position(|of| *of == column);
        known.unwrap_or_else(|| {
            distinct.push(column);
            distinct.len() - 1
        })
    });
    let places = places.collect();
    let columns = key.iter().map(|name| quoted(name));
    let columns = columns.chain(key.iter().map(|name| text(name)));
    let columns = columns.chain(distinct);
    // each by its place: two columns of one query cannot have one name
    let columns = columns
        .enumerate()
        .map(|(at, column)| format!("{column} as \"_{at}\""));
    Reading {
        sql: format!(
            "select {} from {}",
            columns.collect::<Vec<_>>().join(", "),
            matching.records.value
        ),
        key: key.len(),
        places,
        fields: matched
            .fields
            .iter()
            .filter_map(|(meaning, _)| field(*meaning))
            .collect(),
        asked: asked.iter().map(Vec::len).collect(),
        own,
    }
}

/// A column, or SQL over one record, as text.
pub(super) fn text_sql(expression: &str) -> String {
    match is_identifier(expression) {
        true => format!("cast(\"{expression}\" as varchar)"),
        false => format!(
            "cast((\n{}\n) as varchar)",
            engine::readable_sql(expression)
        ),
    }
}

/// The source of a record, where it is one that knows each person once.
fn once_sql(free: &DuplicateFree) -> String {
    let column = &free.column.value;
    if free.values.is_empty() {
        return column.clone();
    }
    let values = free.values.iter();
    let values: Vec<String> = values.map(|v| literal_sql(v)).collect();
    let values = values.join(", ");
    format!("case when cast(\"{column}\" as varchar) in ({values}) then \"{column}\" end")
}

/// The columns of a comparison that `compare` asks for.
fn columns_sql(compare: &Compare) -> Vec<String> {
    match &compare.by {
        CompareBy::Levels(levels) => levels.iter().map(|level| text_sql(&level.value)).collect(),
        CompareBy::Distance {
            latitude,
            longitude,
            ..
        } => {
            let (latitude, longitude) = (text_sql(&latitude.value), text_sql(&longitude.value));
            vec![format!("{latitude} || ' ' || {longitude}")]
        }
        _ => compare
            .columns()
            .into_iter()
            .map(|column| text_sql(&column.value))
            .collect(),
    }
}

/// What a column of a rule, or SQL in one, says something of: of a comparison whose column it names.
fn own_column(matched: &MatchPlan, expression: &str) -> Own {
    let names = |column: &str| {
        let words = expression.split(|c: char| !c.is_alphanumeric() && c != '_');
        words
            .into_iter()
            .any(|word| word.eq_ignore_ascii_case(column))
    };
    let meanings = matched.meanings.iter();
    let meant = meanings
        .filter(|(column, _)| names(column))
        .map(|(_, m)| *m);
    let compared = matched.fields.iter().filter(|(_, column)| names(column));
    let compared = compared.map(|(meaning, _)| *meaning);
    let mut fields: Vec<Field> = meant.chain(compared).filter_map(field).collect();
    fields.sort_unstable();
    fields.dedup();
    let asked = matched.asked.iter().enumerate();
    let asked = asked.filter(|(_, compare)| match &compare.by {
        CompareBy::Levels(levels) => levels.iter().any(|level| {
            level.value == expression || (is_identifier(&level.value) && names(&level.value))
        }),
        _ => compare.columns().iter().any(|column| names(&column.value)),
    });
    Own {
        name: expression.to_string(),
        fields,
        asked: asked.map(|(at, _)| at).collect(),
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

/// Each row's key as one text; no two rows share one.
pub(super) fn keys(columns: &[ArrayRef], matching: &Matching) -> Result<Keys> {
    let keys = keys_of(columns, matching)?;
    no_key_twice(&keys, matching)?;
    Ok(keys)
}

/// Two records of one key stand side by side.
fn no_key_twice(keys: &Keys, matching: &Matching) -> Result<()> {
    match keys
        .iter()
        .zip(keys.iter().skip(1))
        .any(|(one, next)| one == next)
    {
        true => Err(no_key(matching, "two records share their")),
        false => Ok(()),
    }
}

/// Each row's key as one text; a part cannot hold the sign between two.
pub(super) fn keys_of(columns: &[ArrayRef], matching: &Matching) -> Result<Keys> {
    let columns = columns.iter().map(texts).collect::<Result<Vec<_>>>()?;
    if columns.iter().any(|column| column.null_count() > 0) {
        return Err(no_key(matching, "some record has no value in"));
    }
    let Some((first, rest)) = columns.split_first() else {
        return Ok(Keys(StringArray::new_null(0)));
    };
    if rest.is_empty() {
        return Ok(Keys(first.clone()));
    }
    let bytes = columns
        .iter()
        .map(|column| column.value_data().len() + column.len());
    let mut keys = StringBuilder::with_capacity(first.len(), bytes.sum());
    let mut key = String::new();
    for row in 0..first.len() {
        key.clear();
        key.push_str(first.value(row));
        for column in rest {
            key.push('\u{1f}');
            key.push_str(column.value(row));
        }
        keys.append_value(&key);
    }
    Ok(Keys(keys.finish()))
}

/// Says where the step is whose SQL broke on a record: the records were written without a fault.
fn broken_by_a_value(error: Error, matching: &Matching) -> Error {
    match error.kind() {
        ErrorKind::Quality => error.at(matching.declared_at.location()).help(
            "SQL in `block` or `levels` cannot be worked out for some record: `try_cast` gives null instead, and so does `nullif(x, 0)` before a division",
        ),
        _ => error,
    }
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

pub(super) fn records(matched: &MatchPlan, reading: &Reading, read: &mut Read) -> Result<Records> {
    let columns = std::mem::take(&mut read.columns);
    let encoded = reading.places.iter().map(|place| columns[*place].clone());
    let mut encoded: Vec<Dictionary> = encoded.collect();
    drop(columns);
    let mut besides = encoded.split_off(reading.fields.len());
    let own = besides.split_off(reading.asked.iter().sum());
    let own = reading.own.iter().zip(own).map(|(own, column)| OwnColumn {
        column,
        is_whole: is_identifier(&own.name),
        fields: own.fields.clone(),
        asked: own.asked.clone(),
    });
    let own = own.collect();
    let mut besides = besides.into_iter();
    let asked = matched.asked.iter().zip(&reading.asked);
    let asked = asked.map(|(compare, columns)| Asked {
        name: compare.name.clone(),
        how: compare.how(),
        columns: besides.by_ref().take(*columns).collect(),
        counts_rarity: compare.term_frequency,
    });
    let asked = asked.collect();
    let fields = reading.fields.iter().copied().zip(encoded).collect();
    let rows = u32::try_from(read.keys.len())
        .map_err(|_| Error::config("a match takes at most four thousand million records"))?;
    let place = |name: &String| place_of(reading, name);
    let matching = &matched.matching;
    Ok(Records {
        rows,
        fields,
        without_rarity: matched
            .without_rarity
            .iter()
            .copied()
            .filter_map(field)
            .collect(),
        asked,
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
        once: matching
            .duplicate_free
            .iter()
            .filter_map(|free| place(&once_sql(free)))
            .collect(),
        decisions: Vec::new(),
    })
}

/// Place of a column among those that the step names itself.
pub(super) fn place_of(reading: &Reading, name: &str) -> Option<usize> {
    reading.own.iter().position(|own| own.name == name)
}
