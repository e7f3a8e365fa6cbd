//! What stewards decided of pairs of records, as the match reads it; and which of it cannot all be right.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use datafusion::arrow::array::{Array, RecordBatch, StringArray};

use super::super::execute::Execution;
use super::read::Keys;
use super::tables::texts;
use crate::diagnostic::Code;
use crate::engine::{self, Joins};
use crate::error::{Error, Result};
use crate::identity::Decision;
use crate::name::TableName;
use crate::plan::{MatchPlan, decision_columns};
use crate::text::unguarded;

/// The latest decision of a pair, and when it was made.
type Latest<'a> = (&'a str, Decision);

/// Two rows of the records, the lower first.
type Rows = (u32, u32);

/// What was decided, and where it is written.
#[derive(Default)]
pub(super) struct Decisions {
    /// Of each pair what counts.
    pub(super) of_pairs: Vec<(u32, u32, Decision)>,
    /// Each decision of a pair that said something, by file and line, where the table knows them.
    places: BTreeMap<Rows, Vec<String>>,
    /// How many of them name a record that is not there, and where the first by name and line is written.
    unknown: (usize, Option<String>),
}

impl Decisions {
    /// `; 58 decisions name a record that is not there, the first in stewardship/review.csv:2 (K0871)`; empty where none does.
    pub(super) fn unknown(&self) -> String {
        let (count, first) = &self.unknown;
        let first = first.as_ref();
        let first = first.map_or(String::new(), |first| format!(", the first in {first}"));
        match count {
            0 => String::new(),
            1 => format!("; 1 decision names a record that is not there{first} (K0871)"),
            _ => format!("; {count} decisions name a record that is not there{first} (K0871)"),
        }
    }

    /// The decisions that collide with one, or with themselves: where they are written. Empty where only records, or rules
    /// without exception, speak against it.
    pub(super) fn collisions(&self) -> BTreeMap<Rows, Vec<String>> {
        let cycles = cycles(&self.of_pairs).into_iter();
        let told = cycles.filter_map(|(pair, all)| {
            let places = all.iter().filter_map(|pair| self.places.get(pair));
            let places: BTreeSet<&String> = places.flatten().collect();
            (!places.is_empty()).then(|| (pair, places.into_iter().cloned().collect()))
        });
        told.collect()
    }
}

/// Decisions that cannot all hold: A is B, B is C, and A is not C. Of each pair among them, all that it stands with.
fn cycles(decisions: &[(u32, u32, Decision)]) -> BTreeMap<Rows, BTreeSet<Rows>> {
    let mut same: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for (one, other, decision) in decisions {
        if *decision == Decision::Same {
            same.entry(*one).or_default().insert(*other);
            same.entry(*other).or_default().insert(*one);
        }
    }
    let mut found: BTreeMap<Rows, BTreeSet<Rows>> = BTreeMap::new();
    for (one, other, decision) in decisions {
        let way = match decision {
            Decision::Contested => Some(Vec::new()),
            Decision::Different => way(&same, *one, *other),
            _ => None,
        };
        let Some(mut all) = way else { continue };
        all.push((*one, *other));
        for pair in &all {
            found.entry(*pair).or_default().extend(&all);
        }
    }
    found
}

/// The shortest way from one record to another over pairs that are the same.
fn way(same: &BTreeMap<u32, BTreeSet<u32>>, from: u32, to: u32) -> Option<Vec<Rows>> {
    let mut before = BTreeMap::from([(from, from)]);
    let mut next = VecDeque::from([from]);
    while let Some(at) = next.pop_front() {
        for neighbour in same.get(&at).into_iter().flatten() {
            if !before.contains_key(neighbour) {
                before.insert(*neighbour, at);
                next.push_back(*neighbour);
            }
        }
    }
    let mut way = Vec::new();
    let mut at = to;
    while at != from {
        let earlier = *before.get(&at)?;
        way.push((at.min(earlier), at.max(earlier)));
        at = earlier;
    }
    Some(way)
}

impl Execution {
    /// Decisions by rows of the records; those of records that are gone wait for them.
    pub(super) async fn decisions(&self, matched: &MatchPlan, keys: &Keys) -> Result<Decisions> {
        let Some(table) = &matched.matching.decisions else {
            return Ok(Decisions::default());
        };
        let (provider, _) = self.input(&table.value, Joins::Hash).await?;
        let tables = BTreeMap::from([(table.value.clone(), provider)]);
        let session = self.catalog.engine().session(&tables, Joins::Hash)?;
        let schema = &self.plan_of(&table.value)?.schema;
        let is_written = |name: &&str| schema.column_with_name(name).is_some();
        let sql = match WRITTEN.iter().all(is_written) {
            true => sql_with(matched, &table.value, &PLACE),
            false => sql(matched, &table.value),
        };
        let frame = session.sql(&sql).await.map_err(engine::failure)?;
        let batch = engine::collect_whole(frame).await?;
        of_rows(&batch, matched, keys)
    }
}

/// Where a source says that a row is from.
const WRITTEN: [&str; 2] = ["_kilde_source_file", "_kilde_source_row"];

/// The same as SQL that gives one text.
const PLACE: [&str; 1] =
    ["\"_kilde_source_file\" || ':' || cast(\"_kilde_source_row\" as varchar)"];

/// Both keys, the decision and when it was made, as texts.
pub(super) fn sql(matched: &MatchPlan, table: &TableName) -> String {
    sql_with(matched, table, &[])
}

fn sql_with(matched: &MatchPlan, table: &TableName, more: &[&str]) -> String {
    let names = decision_columns(&matched.matching);
    let text = |name: &String| format!("cast(\"{name}\" as varchar)");
    let mut columns: Vec<String> = names.iter().map(text).collect();
    columns.push(matched.decided.as_ref().map_or("''".to_string(), text));
    columns.extend(more.iter().map(ToString::to_string));
    let columns = columns.iter().enumerate();
    let columns: Vec<String> = columns
        .map(|(at, column)| format!("{column} as \"_{at}\""))
        .collect();
    format!("select {} from {table}", columns.join(", "))
}

/// Keys of the records that decisions speak of, as they are written and without a spreadsheet's guards.
pub(super) fn keys(batch: &RecordBatch, matched: &MatchPlan) -> Result<BTreeSet<String>> {
    let columns = batch.columns().iter().map(texts);
    let columns = columns.collect::<Result<Vec<StringArray>>>()?;
    let parts = matched.matching.record_key.len();
    let mut found = BTreeSet::new();
    for key in columns.chunks(parts.max(1)).take(2) {
        for row in 0..batch.num_rows() {
            let cells = key.iter().map(|c| c.is_valid(row).then(|| c.value(row)));
            let Some(cells) = cells.collect::<Option<Vec<&str>>>() else {
                continue;
            };
            let plain: Vec<&str> = cells.iter().map(|cell| unguarded(cell)).collect();
            found.extend([cells, plain].map(|cells| cells.join("\u{1f}")));
        }
    }
    Ok(found)
}

/// Decisions by rows of the records that have these keys.
pub(super) fn of_rows(batch: &RecordBatch, matched: &MatchPlan, keys: &Keys) -> Result<Decisions> {
    if batch.num_rows() == 0 {
        return Ok(Decisions::default());
    }
    let columns = batch
        .columns()
        .iter()
        .map(texts)
        .collect::<Result<Vec<_>>>()?;
    let key = matched.matching.record_key.len();
    let (decided, made) = (&columns[2 * key], &columns[2 * key + 1]);
    let rows: HashMap<&str, u32> = keys.iter().zip(0..).collect();
    let row_of = |columns: &[StringArray], at: usize| {
        let parts = columns.iter().map(|c| c.is_valid(at).then(|| c.value(at)));
        let parts: Vec<&str> = parts.collect::<Option<_>>()?;
        let row = |parts: &[&str]| rows.get(parts.join("\u{1f}").as_str()).copied();
        // a spreadsheet of the review guards keys that it would compute or write anew
        let unguarded: Vec<&str> = parts.iter().map(|part| unguarded(part)).collect();
        row(&parts).or_else(|| row(&unguarded))
    };
    let mut latest: BTreeMap<Rows, Latest<'_>> = BTreeMap::new();
    let mut places: BTreeMap<Rows, Vec<String>> = BTreeMap::new();
    let (mut unreadable, mut unknown) = (0, Vec::new());
    let written = |at: usize| {
        let place = columns.get(2 * key + 2).filter(|place| place.is_valid(at));
        place.map(|place| place.value(at))
    };
    for at in 0..batch.num_rows() {
        let word = if decided.is_valid(at) {
            decided.value(at)
        } else {
            ""
        };
        let Some(decision) = word_of(word) else {
            unreadable += u32::from(!word.trim().is_empty());
            continue;
        };
        let (one, other) = (
            row_of(&columns[..key], at),
            row_of(&columns[key..2 * key], at),
        );
        let (Some(one), Some(other)) = (one, other) else {
            unknown.push(written(at));
            continue;
        };
        if one == other {
            continue;
        }
        let when = if made.is_valid(at) {
            made.value(at)
        } else {
            ""
        };
        let pair = (one.min(other), one.max(other));
        if let Some(place) = written(at) {
            places.entry(pair).or_default().push(place.to_string());
        }
        latest
            .entry(pair)
            .and_modify(|known| *known = later(*known, (when, decision)))
            .or_insert((when, decision));
    }
    if unreadable > 0 {
        return Err(not_a_decision(unreadable, matched));
    }
    let decisions = latest.into_iter();
    let decisions = decisions.map(|((one, other), (_, decision))| (one, other, decision));
    Ok(Decisions {
        of_pairs: decisions.collect(),
        places,
        unknown: (unknown.len(), first(unknown.into_iter().flatten())),
    })
}

/// Of places as `FILE:LINE` the first.
fn first<'a>(places: impl Iterator<Item = &'a str>) -> Option<String> {
    let in_order = |place: &&str| {
        let (file, line) = place.rsplit_once(':').unwrap_or((place, ""));
        (file.to_string(), line.parse::<u64>().ok())
    };
    places.min_by_key(in_order).map(str::to_string)
}

fn word_of(word: &str) -> Option<Decision> {
    match word.trim().to_lowercase().replace([' ', '-'], "_").as_str() {
        "same" => Some(Decision::Same),
        "different" => Some(Decision::Different),
        "cannot_say" => Some(Decision::Open),
        _ => None,
    }
}

/// The later of two; of two at the same time who cannot say gives way, and same against different is contested.
fn later<'a>(one: Latest<'a>, other: Latest<'a>) -> Latest<'a> {
    match one.0.cmp(other.0) {
        std::cmp::Ordering::Less => other,
        std::cmp::Ordering::Greater => one,
        std::cmp::Ordering::Equal => {
            let decision = match (one.1, other.1) {
                (a, b) if a == b => a,
                (Decision::Open, decided) | (decided, Decision::Open) => decided,
                _ => Decision::Contested,
            };
            (one.0, decision)
        }
    }
}

fn not_a_decision(rows: u32, matched: &MatchPlan) -> Error {
    let matching = &matched.matching;
    let table = matching
        .decisions
        .as_ref()
        .map(|table| table.value.to_string());
    let table = table.unwrap_or_default();
    Error::quality(format!(
        "{rows} rows of `{table}` say neither `same`, `different` nor `cannot_say`"
    ))
    .code(Code(855))
    .at(matching.declared_at.location())
    .help(format!(
        "correct them where they come from; `accepted_values` on `decision` in schemas/{}.yaml rejects them there",
        table.replace('.', "/")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_that_cannot_all_hold_are_told_together_by_the_shortest_way() {
        let same = |one, other| (one, other, Decision::Same);
        let decisions = [
            same(1, 2),
            same(2, 3),
            (1, 3, Decision::Different),
            // a longer way round, and what nobody contradicts
            same(1, 5),
            same(5, 6),
            same(3, 6),
            same(8, 9),
            (8, 10, Decision::Different),
            (20, 21, Decision::Contested),
        ];
        let found = cycles(&decisions);
        let triangle = BTreeSet::from([(1, 2), (2, 3), (1, 3)]);
        assert_eq!(
            found.keys().copied().collect::<Vec<_>>(),
            [(1, 2), (1, 3), (2, 3), (20, 21)]
        );
        assert!(
            [(1, 2), (1, 3), (2, 3)]
                .iter()
                .all(|pair| found[pair] == triangle)
        );
        assert_eq!(found[&(20, 21)].len(), 1);
    }
}
