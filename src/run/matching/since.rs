//! What the build before found, by the rows of this one: what it can go on from.
//!
//! ```text
//! records of now, and those of the release ──by key──▶ kept · new · changed · gone
//! pairs and ids as they are published ─────by key────▶ what is known of those that are kept
//! ```
//!
//! Nothing is stored for it: the release holds the records that it was made of, and its pairs. Files that both versions of the
//! records name hold the same rows and are not read. Where tables and records of the release do not belong together (a
//! rollback, records that lie in no table) there is nothing to go on from.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, AsArray, Float64Array, RecordBatch, StringArray, UInt32Array,
};
use datafusion::arrow::compute::{cast, take_record_batch};
use datafusion::arrow::datatypes::{DataType, Float64Type};

use super::super::execute::Execution;
use super::decisions::{self, Decisions};
use super::read::{Read, Reading, keys_of};
use super::tables::{arrow, texts};
use crate::catalog::without_common_files;
use crate::error::Result;
use crate::identity::{Before, Dictionary, KnownPair, ModelRow, Registry, Verdict};
use crate::plan::{MatchPlan, Reason, TablePlan};
use crate::project::{MatchTable, Matching};

/// Of the records; where more than this share is new, changed or gone, all are matched again at no greater cost.
const MOST_CHANGES: f64 = 0.2;

/// What the build before found, and what has changed since.
pub(super) struct Since {
    pub(super) before: Before,
    /// Records that are gone, and what changed records were; read like those of now.
    pub(super) gone: RecordBatch,
    pub(super) changes: Changes,
}

/// How many records changed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Changes {
    pub(super) new: usize,
    pub(super) changed: usize,
    pub(super) gone: usize,
}

impl Changes {
    fn all(self) -> usize {
        self.new + self.changed + self.gone
    }
}

/// The records of now beside those of the release.
struct Compared {
    /// By row of now.
    is_kept: Vec<bool>,
    /// Rows of the release that are no more as they were.
    gone: UInt32Array,
    changes: Changes,
}

impl Execution {
    /// What the build before found, where its tables [`stand`](Self::stands); `None` where there is nothing to go on from.
    pub(super) async fn since(
        &self,
        matched: &MatchPlan,
        reading: &Reading,
        read: &Read,
        registry: &Registry,
        decisions: &Decisions,
    ) -> Result<Option<Since>> {
        let matching = &matched.matching;
        let records = &matching.records.value;
        let model = self.known_model(matching).await?;
        let (Some(before), now) = (self.published(records).await?, self.content(records).await?)
        else {
            return Ok(None);
        };
        let rows_before = before.rows as usize;
        let (before, _) = without_common_files(&before, &now);
        let were = self.query_of(&before, &reading.sql).await?;
        let Some(compared) = compare(&were, rows_before, reading, read, registry, matching)? else {
            return Ok(None);
        };
        if compared.changes.all() as f64 > MOST_CHANGES * read.keys.len() as f64 {
            return Ok(None);
        }
        let Some(edges) = self.published_beside(matching, MatchTable::Edges).await? else {
            return Ok(None);
        };
        let Some((pairs, bereft)) = pairs(&edges, &compared.is_kept, read, matching)? else {
            return Ok(None);
        };
        let clusters = clusters(&compared.is_kept, read, registry);
        let (Some(cluster_of), Some(pairs_of_rules)) = (clusters, pairs_of_rules(&model.rows))
        else {
            return Ok(None);
        };
        let redecided = self.redecided(matched, read, decisions).await?;
        let before = Before {
            cluster_of,
            is_kept: compared.is_kept,
            pairs,
            bereft,
            redecided,
            pairs_of_rules,
        };
        Ok(Some(Since {
            before,
            gone: take_record_batch(&were, &compared.gone).map_err(arrow)?,
            changes: compared.changes,
        }))
    }

    /// Whether the tables of the step are as this build would make them of the records and decisions of the release.
    pub(super) fn stands(&self, plan: &TablePlan, matching: &Matching) -> bool {
        let is_asked_for =
            |reason: &Reason| matches!(reason, Reason::FullRefresh | Reason::Retrain);
        let Some(release) = self.observation.release.as_ref() else {
            return false;
        };
        if plan.reasons.iter().any(is_asked_for) {
            return false;
        }
        let Some(ids) = release.table(&plan.table) else {
            return false;
        };
        matching.tables.values().all(|table| {
            let (Some(entry), Ok(planned)) = (release.table(table), self.plan_of(table)) else {
                return false;
            };
            let facts = &entry.facts;
            let is_from = |input: &_, digest: &String| {
                facts.built_from.get(&format!("{input}")) == Some(digest)
            };
            let mut inputs = matching.inputs();
            facts.fingerprints.content == planned.fingerprints.content
                && inputs.all(|input| {
                    let input = &input.value;
                    release
                        .table(input)
                        .is_some_and(|of| is_from(input, &of.facts.digest))
                })
                && (*table == plan.table || is_from(&plan.table, &ids.facts.digest))
        })
    }

    /// Pairs of which people decided otherwise before.
    async fn redecided(
        &self,
        matched: &MatchPlan,
        read: &Read,
        decisions: &Decisions,
    ) -> Result<Vec<(u32, u32)>> {
        let Some(table) = &matched.matching.decisions else {
            return Ok(Vec::new());
        };
        let table = &table.value;
        let Some(before) = self.published(table).await? else {
            return Ok(Vec::new());
        };
        if self.digest(table).as_ref() == Some(&before.digest) {
            return Ok(Vec::new());
        }
        let rows = self
            .query_of(&before, &decisions::sql(matched, table))
            .await?;
        let before = decisions::of_rows(&rows, matched, &read.keys)?.of_pairs;
        let before: BTreeSet<_> = before.into_iter().collect();
        let now: BTreeSet<_> = decisions.of_pairs.iter().copied().collect();
        let changed = before.symmetric_difference(&now);
        let mut pairs: Vec<(u32, u32)> = changed.map(|(one, other, _)| (*one, *other)).collect();
        pairs.dedup();
        Ok(pairs)
    }
}

/// Records of now by what became of those of the release; `None` where the ids are not of these records. `before` holds those
/// in files that are no more part of the table; every other record of the ids is as it was.
fn compare(
    before: &RecordBatch,
    rows_before: usize,
    reading: &Reading,
    read: &Read,
    registry: &Registry,
    matching: &Matching,
) -> Result<Option<Compared>> {
    let keys = keys_of(&before.columns()[reading.key..2 * reading.key], matching)?;
    if registry.records() != rows_before || keys.iter().any(|key| registry.id_of(key).is_none()) {
        return Ok(None);
    }
    let places: HashMap<&str, usize> = keys.iter().zip(0..).collect();
    let old = cells(before, reading)?;
    let mut is_gone = vec![true; keys.len()];
    let mut is_kept = Vec::with_capacity(read.keys.len());
    let mut changes = Changes::default();
    let mut in_both_files = 0;
    for (row, key) in read.keys.iter().enumerate() {
        let place = places.get(key);
        let is_as_it_was = match place {
            Some(place) => is_equal(&old, *place, &read.columns, row),
            None => registry.id_of(key).is_some(),
        };
        match place {
            Some(place) if is_as_it_was => is_gone[*place] = false,
            Some(_) => changes.changed += 1,
            None if is_as_it_was => in_both_files += 1,
            None => changes.new += 1,
        }
        is_kept.push(is_as_it_was);
    }
    if in_both_files + keys.len() != rows_before {
        return Ok(None);
    }
    let gone = (0..keys.len() as u32).filter(|row| is_gone[*row as usize]);
    let gone: UInt32Array = gone.collect::<Vec<u32>>().into();
    changes.gone = gone.len() - changes.changed;
    Ok(Some(Compared {
        is_kept,
        gone,
        changes,
    }))
}

/// What is compared of records, as texts.
fn cells(batch: &RecordBatch, reading: &Reading) -> Result<Vec<StringArray>> {
    batch.columns()[2 * reading.key..]
        .iter()
        .map(texts)
        .collect()
}

fn is_equal(old: &[StringArray], place: usize, now: &[Dictionary], row: usize) -> bool {
    let mut columns = old.iter().zip(now);
    columns.all(|(old, now)| {
        let was = old.is_valid(place).then(|| old.value(place));
        was == now.text_of(row)
    })
}

/// By row: its cluster by number, one for each id, where it is kept; `None` where one that is kept has no id.
fn clusters(is_kept: &[bool], read: &Read, registry: &Registry) -> Option<Vec<Option<u32>>> {
    let rows = read.keys.iter().zip(is_kept);
    let clusters = rows.map(|(key, is_kept)| match is_kept {
        true => registry.id_of(key).map(Some),
        false => Some(None),
    });
    clusters.collect()
}

/// Pairs of records that are kept, and kept records that stood in one with another.
type Pairs = (Vec<KnownPair>, Vec<u32>);

/// Pairs of the release of records that are kept, and the records that stood in one with another; `None` where the table is
/// none that this version writes.
fn pairs(
    edges: &RecordBatch,
    is_kept: &[bool],
    read: &Read,
    matching: &Matching,
) -> Result<Option<Pairs>> {
    let key = matching.record_key.len();
    let one = keys_of(&edges.columns()[..key], matching)?;
    let other = keys_of(&edges.columns()[key..2 * key], matching)?;
    let weights = cast(edges.column(2 * key), &DataType::Float64).map_err(arrow)?;
    let Some(weights) = weights.as_primitive_opt::<Float64Type>() else {
        return Ok(None);
    };
    let weight =
        |weights: &Float64Array, at: usize| weights.is_valid(at).then(|| weights.value(at));
    let (words, said) = (
        texts(edges.column(2 * key + 1))?,
        texts(edges.column(2 * key + 2))?,
    );
    let rows: HashMap<&str, u32> = read.keys.iter().zip(0..).collect();
    let kept = |key: &str| {
        let row = rows.get(key).copied();
        row.filter(|row| is_kept[*row as usize])
    };
    let mut agreements: HashMap<&str, Arc<str>> = HashMap::new();
    let (mut pairs, mut bereft) = (Vec::new(), Vec::new());
    for at in 0..edges.num_rows() {
        let (one, other) = match (kept(&one[at]), kept(&other[at])) {
            (Some(one), Some(other)) if one < other => (one, other),
            (Some(_), Some(_)) => return Ok(None),
            (one, other) => {
                bereft.extend(one.or(other));
                continue;
            }
        };
        let verdict = match words.value(at) {
            "same" => Verdict::Same,
            "doubtful" => Verdict::Doubtful,
            "parted" => Verdict::Parted,
            _ => return Ok(None),
        };
        let said = said.value(at);
        let agreement = agreements.entry(said).or_insert_with(|| Arc::from(said));
        pairs.push(KnownPair {
            one,
            other,
            weight: weight(weights, at),
            verdict,
            agreement: Arc::clone(agreement),
        });
    }
    pairs.sort_unstable_by_key(|pair| (pair.one, pair.other));
    Ok(Some((pairs, bereft)))
}

/// Candidate pairs of each rule, in the order of the rules; `None` where the model does not count them.
fn pairs_of_rules(model: &[ModelRow]) -> Option<Vec<u64>> {
    let rules = model.iter();
    let rules = rules.filter(|row| matches!(row.part.as_str(), "rule" | "own_rule"));
    let mut rules: Vec<&ModelRow> = rules.collect();
    rules.sort_by_key(|row| row.position);
    let counts = rules.iter().map(|row| u64::try_from(row.count?).ok());
    counts.collect()
}
