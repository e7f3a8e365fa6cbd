//! What stewards decided of pairs of records, as the match reads it.

use std::collections::{BTreeMap, HashMap};

use datafusion::arrow::array::{Array, RecordBatch, StringArray};

use super::super::execute::Execution;
use super::tables::texts;
use crate::diagnostic::Code;
use crate::engine::{self, Joins};
use crate::error::{Error, Result};
use crate::identity::Decision;
use crate::name::TableName;
use crate::plan::{MatchPlan, decision_columns};

/// The latest decision of a pair, and when it was made.
type Latest<'a> = (&'a str, Decision);

impl Execution {
    /// Decisions by rows of the records; those of records that are gone wait for them.
    pub(super) async fn decisions(
        &self,
        matched: &MatchPlan,
        keys: &[String],
    ) -> Result<Vec<(u32, u32, Decision)>> {
        let Some(table) = &matched.matching.decisions else {
            return Ok(Vec::new());
        };
        let (provider, _) = self.input(&table.value, Joins::Hash).await?;
        let tables = BTreeMap::from([(table.value.clone(), provider)]);
        let session = self.catalog.engine().session(&tables, Joins::Hash)?;
        let sql = sql(matched, &table.value);
        let frame = session.sql(&sql).await.map_err(engine::failure)?;
        let batch = engine::collect_whole(frame).await?;
        of_rows(&batch, matched, keys)
    }
}

/// Both keys, the decision and when it was made, as texts.
pub(super) fn sql(matched: &MatchPlan, table: &TableName) -> String {
    let names = decision_columns(&matched.matching);
    let text = |name: &String| format!("cast(\"{name}\" as varchar)");
    let mut columns: Vec<String> = names.iter().map(text).collect();
    columns.push(matched.decided.as_ref().map_or("''".to_string(), text));
    let columns = columns.iter().enumerate();
    let columns: Vec<String> = columns
        .map(|(at, column)| format!("{column} as \"_{at}\""))
        .collect();
    format!("select {} from {table}", columns.join(", "))
}

/// Decisions by rows of the records that have these keys.
pub(super) fn of_rows(
    batch: &RecordBatch,
    matched: &MatchPlan,
    keys: &[String],
) -> Result<Vec<(u32, u32, Decision)>> {
    if batch.num_rows() == 0 {
        return Ok(Vec::new());
    }
    let columns = batch
        .columns()
        .iter()
        .map(texts)
        .collect::<Result<Vec<_>>>()?;
    let key = matched.matching.record_key.len();
    let (decided, made) = (&columns[2 * key], &columns[2 * key + 1]);
    let rows = keys.iter().zip(0..).map(|(key, row)| (key.as_str(), row));
    let rows: HashMap<&str, u32> = rows.collect();
    let row_of = |columns: &[StringArray], at: usize| {
        let parts = columns.iter().map(|c| c.is_valid(at).then(|| c.value(at)));
        let parts: Vec<&str> = parts.collect::<Option<_>>()?;
        rows.get(parts.join("\u{1f}").as_str()).copied()
    };
    let mut latest: BTreeMap<(u32, u32), Latest<'_>> = BTreeMap::new();
    let mut unreadable = 0;
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
        latest
            .entry((one.min(other), one.max(other)))
            .and_modify(|known| *known = later(*known, (when, decision)))
            .or_insert((when, decision));
    }
    if unreadable > 0 {
        return Err(not_a_decision(unreadable, matched));
    }
    let decisions = latest.into_iter();
    let decisions = decisions.map(|((one, other), (_, decision))| (one, other, decision));
    Ok(decisions.collect())
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
