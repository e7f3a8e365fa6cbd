//! What a match step makes, as rows of its tables.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::iter::repeat_n;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray, StringBuilder,
    TimestampMicrosecondArray, UInt32Array, new_null_array,
};
use datafusion::arrow::compute::{cast, concat, take};
use datafusion::arrow::datatypes::{DataType, SchemaRef};

use super::pins;
use super::read::{Reading, field};
use crate::error::{Error, Result};
use crate::identity::{
    Assigned, COMMON_VALUE, CommonValues, Decision, Event, Feature, Model, ModelRow, ModelRows,
    Pair, Pins, Redirect, Resolved, Rule, Verdict,
};
use crate::plan::{MatchPlan, said_of};

/// The part of a model's table that says what was compared.
pub(super) const COLUMN: &str = "column";

pub(super) fn ids(key: &[ArrayRef], assigned: &Assigned) -> Vec<ArrayRef> {
    let ids = texts_of(assigned.ids());
    let mut columns = key.to_vec();
    columns.push(Arc::new(ids));
    columns
}

/// Texts in just as much memory as they take.
fn texts_of<'a>(texts: impl Iterator<Item = &'a str> + Clone) -> StringArray {
    let (rows, bytes) = texts
        .clone()
        .fold((0, 0), |(rows, bytes), text| (rows + 1, bytes + text.len()));
    let mut column = StringBuilder::with_capacity(rows, bytes);
    texts.for_each(|text| column.append_value(text));
    column.finish()
}

/// Keys of both records, weight, what was decided and why.
pub(super) fn edges(key: &[ArrayRef], resolved: &Resolved) -> Result<Vec<ArrayRef>> {
    let all: Vec<&Pair> = resolved.pairs.iter().collect();
    pairs(key, &all, |pair| {
        Cow::Borrowed(match pair.verdict {
            Verdict::Same => "same",
            Verdict::Doubtful => "doubtful",
            Verdict::Parted => "parted",
        })
    })
}

/// Pairs that ended up apart though much speaks for them, and of which nobody has said anything.
pub(super) fn to_review(resolved: &Resolved) -> impl Iterator<Item = &Pair> {
    let pairs = resolved.pairs.iter();
    pairs.filter(|pair| pair.verdict != Verdict::Same && pair.decision.is_none())
}

/// `collisions`: where the decisions are written that cannot all hold, by the pairs that they are of.
pub(super) fn review(
    key: &[ArrayRef],
    resolved: &Resolved,
    collisions: &BTreeMap<(u32, u32), Vec<String>>,
) -> Result<Vec<ArrayRef>> {
    let mut wanted: Vec<&Pair> = to_review(resolved).chain(&resolved.contradicted).collect();
    wanted.sort_by_key(|pair| (pair.one, pair.other));
    pairs(key, &wanted, |pair| {
        let reason = match (pair.decision, pair.verdict) {
            (Some(Decision::Contested), _) => "decided to be the same and to be different",
            (Some(_), Verdict::Same) => {
                "decided to be different, and other decisions make them one"
            }
            (Some(_), _) => "decided to be the same, and other decisions or `cannot` part them",
            (None, Verdict::Parted) => "other records of the two speak against it",
            (None, _) => "the weight lies between the thresholds",
        };
        let written = collisions.get(&(pair.one, pair.other));
        match written.filter(|_| pair.decision.is_some()) {
            Some(written) => Cow::Owned(format!("{reason}: {}", written.join(", "))),
            None => Cow::Borrowed(reason),
        }
    })
}

fn pairs(
    key: &[ArrayRef],
    wanted: &[&Pair],
    word: impl Fn(&Pair) -> Cow<'static, str>,
) -> Result<Vec<ArrayRef>> {
    let one: UInt32Array = wanted.iter().map(|pair| Some(pair.one)).collect();
    let other: UInt32Array = wanted.iter().map(|pair| Some(pair.other)).collect();
    let mut columns = Vec::new();
    for rows in [&one, &other] {
        for column in key {
            columns.push(take(column, rows, None).map_err(arrow)?);
        }
    }
    let weights: Float64Array = wanted.iter().map(|pair| pair.weight).collect();
    let words: StringArray = wanted.iter().map(|pair| Some(word(pair))).collect();
    let agreement = texts_of(wanted.iter().map(|pair| &*pair.agreement));
    columns.push(Arc::new(weights));
    columns.push(Arc::new(words));
    columns.push(Arc::new(agreement));
    Ok(columns)
}

pub(super) fn redirects(assigned: &Assigned) -> Vec<ArrayRef> {
    let old: StringArray = assigned.redirects.keys().map(Some).collect();
    let new: StringArray = assigned.redirects.values().map(Redirect::to).collect();
    let lost: StringArray = assigned.redirects.values().map(Redirect::lost).collect();
    let records = assigned.redirects.values().map(Redirect::records);
    let records: StringArray = records.collect();
    vec![
        Arc::new(old),
        Arc::new(new),
        Arc::new(lost),
        Arc::new(records),
    ]
}

/// The id of an event, its word, the other id and how many records.
fn row_of(event: Event) -> (u32, &'static str, Option<u32>, Option<i64>) {
    match event {
        Event::Created { id, records } => (id, "created", None, Some(records as i64)),
        Event::Merged { id, into } => (id, "merged", Some(into), None),
        Event::Split { id, from, records } => (id, "split", Some(from), Some(records as i64)),
        Event::Restored { id, records } => (id, "restored", None, Some(records as i64)),
        Event::Retired { id } => (id, "retired", None, None),
        Event::Absorbed { id, from, records } => (id, "absorbed", from, Some(records as i64)),
        Event::Lost { id, into, records } => (id, "lost", into, Some(records as i64)),
    }
}

pub(super) fn new_events(assigned: &Assigned, now: i64) -> Vec<ArrayRef> {
    let rows = || assigned.events.iter().copied().map(row_of);
    let name = |id: u32| assigned.name(id);
    let ids = texts_of(rows().map(|row| name(row.0)));
    let events = texts_of(rows().map(|row| row.1));
    let others: StringArray = rows().map(|row| row.2.map(name)).collect();
    let counts: Int64Array = rows().map(|row| row.3).collect();
    let times = TimestampMicrosecondArray::from(vec![now; assigned.events.len()]);
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
    let asked = matched
        .asked
        .iter()
        .zip(1..)
        .map(|(compare, position)| ModelRow {
            part: COLUMN.into(),
            name: compare.name.clone(),
            position: matched.fields.len() as i64 + position,
            level: Some(said_of(compare)),
            ..ModelRow::default()
        });
    rows.chain(asked).collect()
}

/// Whether a model was made for the columns that are compared now, with what is pinned now.
pub(super) fn speaks_of(model: &[ModelRow], matched: &MatchPlan) -> bool {
    let of_columns = model.iter().filter(|row| row.part == COLUMN).cloned();
    let mut of_columns: Vec<ModelRow> = of_columns.collect();
    of_columns.sort_by_key(|row| row.position);
    of_columns == columns(matched) && Pins::of_rows(model).agree(&pins(&matched.matching))
}

/// What a rule asks of a record, in words.
pub(super) fn feature_name(feature: &Feature, reading: &Reading) -> String {
    match feature {
        Feature::Own(at) => reading.own.get(*at).map_or("", |own| own.name.as_str()),
        feature => feature.name(),
    }
    .to_string()
}

/// A rule by what it asks two records to agree on.
pub(super) fn rule_name(rule: &Rule, reading: &Reading) -> String {
    let name = |feature: &Feature| feature_name(feature, reading);
    let list = |features: &[Feature]| features.iter().map(name).collect::<Vec<_>>().join(", ");
    let on = list(&rule.features);
    match &rule.refine {
        Some(refine) => format!("{on} (over {}: {})", refine.over, list(&refine.keys)),
        None => on,
    }
}

/// A model and what it was made for.
pub(super) fn rows_of(
    model: &Model,
    pairs: &[u64],
    matched: &MatchPlan,
    reading: &Reading,
) -> ModelRows {
    let mut rows = model.rows(pairs, |rule: &Rule| rule_name(rule, reading));
    rows.rows.extend(columns(matched));
    rows
}

/// In the order of the table.
pub(super) fn model(model: &ModelRows) -> Result<Vec<ArrayRef>> {
    let mut rows: Vec<&ModelRow> = model.rows.iter().collect();
    rows.sort_by_key(|row| (&row.part, &row.name, row.position, &row.level));
    let mut common: Vec<&CommonValues> = model.common.iter().collect();
    common.sort_by_key(|values| (&values.name, values.position));
    let place = rows.partition_point(|row| row.part.as_str() < COMMON_VALUE);
    let (before, behind) = rows.split_at(place);
    let (before, common, behind) = (
        columns_of(before),
        common_columns(&common),
        columns_of(behind),
    );
    let columns = before.iter().zip(&common).zip(&behind);
    let columns = columns.map(|((before, common), behind)| concat(&[before, common, behind]));
    columns.collect::<Result<_, _>>().map_err(arrow)
}

/// The columns of a model's table, of common values alone.
fn common_columns(common: &[&CommonValues]) -> Vec<ArrayRef> {
    let levels = || {
        let levels = common.iter();
        levels.flat_map(|values| repeat_n(*values, values.counts().len()))
    };
    let counts = || common.iter().flat_map(|values| values.counts());
    let parts: StringArray = levels().map(|_| Some(COMMON_VALUE)).collect();
    let names: StringArray = levels().map(|values| Some(&values.name)).collect();
    let positions = Int64Array::from_iter_values(levels().map(|values| values.position));
    let marks: StringArray = counts().map(|(mark, _)| Some(mark)).collect();
    let records = Int64Array::from_iter_values(counts().map(|(_, records)| i64::from(records)));
    let nothing = new_null_array(&DataType::Float64, parts.len());
    let (same, stranger, relative, weight) = (
        Arc::clone(&nothing),
        Arc::clone(&nothing),
        Arc::clone(&nothing),
        nothing,
    );
    vec![
        Arc::new(parts),
        Arc::new(names),
        Arc::new(positions),
        Arc::new(marks),
        same,
        stranger,
        relative,
        weight,
        Arc::new(records),
    ]
}

/// The columns of a model's table, of some of its rows.
fn columns_of(rows: &[&ModelRow]) -> Vec<ArrayRef> {
    let text = |value: &dyn Fn(&ModelRow) -> Option<String>| -> ArrayRef {
        let values = rows.iter().map(|row| value(row));
        Arc::new(values.collect::<StringArray>())
    };
    let number = |value: &dyn Fn(&ModelRow) -> Option<f64>| -> ArrayRef {
        let values = rows.iter().map(|row| value(row));
        Arc::new(values.collect::<Float64Array>())
    };
    let count = |value: &dyn Fn(&ModelRow) -> Option<i64>| -> ArrayRef {
        let values = rows.iter().map(|row| value(row));
        Arc::new(values.collect::<Int64Array>())
    };
    vec![
        text(&|row| Some(row.part.clone())),
        text(&|row| Some(row.name.clone())),
        count(&|row| Some(row.position)),
        text(&|row| row.level.clone()),
        number(&|row| row.same),
        number(&|row| row.stranger),
        number(&|row| row.relative),
        number(&|row| {
            row.weight
                .or_else(|| Some((row.same? / row.stranger?).log2()))
        }),
        count(&|row| row.count),
    ]
}

/// Rows of a table's columns, each cast to its type.
pub(super) fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
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

pub(super) fn texts(column: &ArrayRef) -> Result<StringArray> {
    let column = cast(column, &DataType::Utf8).map_err(arrow)?;
    let texts = column.as_string_opt::<i32>().cloned();
    texts.ok_or_else(|| Error::internal("a text column holds no text"))
}

pub(super) fn arrow(error: datafusion::arrow::error::ArrowError) -> Error {
    Error::internal("rows of a match do not fit together").caused_by(error)
}
