//! A match made again after some records changed: new and changed records meet only their blocks, and only components that
//! they touch are clustered anew. The outcome is that of all records, pair by pair.
//!
//! What two records weigh hangs on the model and on the two alone, and a cluster on nothing outside its component. So what the
//! build before found of two records that are as they were still holds, unless a block that both stand in outgrew what is
//! compared as it is, or shrank to it, or people decided otherwise of the pair: those pairs are looked at again. A component is
//! touched by a record that came, changed or went, and by a pair that was looked at again; of all others the clusters
//! stand.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::cluster::{self, Forest};
use super::comparison::Likeness;
use super::model::Known;
use super::population::{Decision, Population, Records};
use super::resolve::{
    Pair, Refusal, Resolved, Settings, Verdict, contradicted, crowds, decided_edges, refusal, told,
};
use super::rule::{BlockCount, Blocks, Rule};
use super::score::{Edge, Scorer};
use super::touched::{TouchedBlocks, are_made};
use crate::parallel;

/// What the build before left behind, by rows of now.
#[derive(Debug, Default)]
pub(crate) struct Before {
    /// By row: whether the record was there, and is as it was.
    pub(crate) is_kept: Vec<bool>,
    /// By row that is kept: its cluster, by any number; `None` for every other.
    pub(crate) cluster_of: Vec<Option<u32>>,
    /// Pairs that were told of, of rows that are kept; sorted by rows.
    pub(crate) pairs: Vec<KnownPair>,
    /// Rows that are kept and stood in such a pair with a record that is not.
    pub(crate) bereft: Vec<u32>,
    /// Pairs of which people decide otherwise now.
    pub(crate) redecided: Vec<(u32, u32)>,
    /// Candidate pairs of each rule.
    pub(crate) pairs_of_rules: Vec<u64>,
}

/// A pair as its table says it.
#[derive(Clone, Debug)]
pub(crate) struct KnownPair {
    pub(crate) one: u32,
    pub(crate) other: u32,
    pub(crate) weight: Option<f64>,
    pub(crate) verdict: Verdict,
    pub(crate) agreement: Arc<str>,
}

/// What an increment came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Increment {
    /// Pairs that were compared.
    pub(crate) compared: u64,
    /// Pairs told of that stand as they were.
    pub(crate) kept: u64,
    /// Clusters that were made anew.
    pub(crate) clusters: u64,
}

/// Weights are written with four digits behind the point: what is as near to a threshold counts as above it where that only
/// means to look again.
const NEARLY: f64 = 1e-3;

/// Resolves records by a model that is known, from what the build before found. Behind the rows that are there stand the
/// records that are gone and what changed records were, in the columns alone. `None` where what is said of the build before
/// does not fit together: then all are to be matched.
///
/// # Errors
/// Rules that would make more pairs than they may.
pub(crate) fn resolve_again(
    records: &Records,
    before: Before,
    settings: &Settings,
    known: &Known,
) -> Result<Option<Resolved>, Refusal> {
    let threads = settings.threads;
    let rules = &known.model().rules;
    if before.pairs_of_rules.len() != rules.len() {
        return Ok(None);
    }
    let (features, late) = Population::features_of(records.clone(), known.shared(), threads);
    let touched = rules
        .iter()
        .map(|rule| TouchedBlocks::new(rule, &features, &before.is_kept, threads));
    let touched: Vec<TouchedBlocks> = touched.collect();
    let counts = counts(rules, &touched, &before, &features, threads);
    if let Some(refusal) = refusal(rules, &counts, settings) {
        return Err(refusal);
    }

    let mut open = before.redecided.clone();
    let outgrown = touched.iter().flat_map(|blocks| blocks.outgrown(&features));
    let outgrown: BTreeSet<u32> = outgrown.collect();
    let is_outgrown = |pair: &&KnownPair| {
        !outgrown.is_empty() && outgrown.contains(&pair.one) && outgrown.contains(&pair.other)
    };
    let known_pairs = before.pairs.iter();
    open.extend(known_pairs.filter(is_outgrown).map(|p| (p.one, p.other)));
    open.sort_unstable();
    open.dedup();
    let mut candidates: Vec<(u32, u32)> = Vec::new();
    for blocks in &touched {
        blocks.pairs(&features, |one, other| candidates.push((one, other)));
        candidates.sort_unstable();
        candidates.dedup();
    }
    drop(touched);
    let are_made = are_made(&open, rules, &features, records.rows, threads);
    let made = open.iter().zip(are_made).filter(|(_, is_made)| *is_made);
    candidates.extend(made.map(|(pair, _)| *pair));
    candidates.sort_unstable();
    candidates.dedup();
    drop(features);
    tracing::debug!("{} pairs are to be compared", candidates.len());
    let again = Again {
        records,
        known,
        settings,
    };
    let Some(edges) = again.scored(&candidates) else {
        return Ok(None);
    };

    // what is looked at again is not known any more
    let is_open = |pair: &KnownPair| {
        let pair = (pair.one, pair.other);
        open.binary_search(&pair).is_ok() || candidates.binary_search(&pair).is_ok()
    };
    let kept: Vec<&KnownPair> = before.pairs.iter().filter(|pair| !is_open(pair)).collect();
    let is_touched = is_touched(records, &before, &open, &kept, &edges, settings);
    let clustered = again.clustered(&before, &kept, edges, &is_touched);
    let Some((mut resolved, clusters)) = clustered else {
        return Ok(None);
    };
    resolved.pairs_of_rules = counts.iter().map(|count| count.pairs).collect();
    resolved.crowds = crowds(rules, &counts, &records.must);
    resolved.increment = Some(Increment {
        compared: candidates.len() as u64,
        kept: kept.len() as u64,
        clusters,
    });
    resolved.late_shared = late;
    resolved.model = known.model().clone();
    Ok(Some(resolved))
}

/// Pairs of each rule: those of before, and what changed in the blocks that were touched. Of the project's own rules the
/// largest block is asked too, which only all of them tell.
fn counts(
    rules: &[Rule],
    touched: &[TouchedBlocks],
    before: &Before,
    features: &super::rule::Features,
    threads: usize,
) -> Vec<BlockCount> {
    let rows = before.is_kept.len() as u32;
    let rules = rules.iter().zip(touched).zip(&before.pairs_of_rules);
    let counts = rules.map(|((rule, touched), before)| match rule.is_own() {
        true => Blocks::new(rule, features, rows, threads).count,
        false => BlockCount {
            pairs: touched.pairs_from(*before),
            ..BlockCount::default()
        },
    });
    counts.collect()
}

/// By row: whether its component is to be clustered anew.
fn is_touched(
    records: &Records,
    before: &Before,
    open: &[(u32, u32)],
    kept: &[&KnownPair],
    edges: &[Edge],
    settings: &Settings,
) -> Vec<bool> {
    let rows = records.rows;
    let from = settings.same_from - NEARLY;
    let mut forest = Forest::new(rows as usize);
    for pair in kept {
        if pair.weight.is_none_or(|weight| weight >= from) {
            forest.join(pair.one, pair.other);
        }
    }
    for edge in edges.iter().filter(|edge| f64::from(edge.weight) >= from) {
        forest.join(edge.one, edge.other);
    }
    for (one, other, decision) in &records.decisions {
        if *decision == Decision::Same {
            forest.join(*one, *other);
        }
    }
    let fresh = (0..rows).filter(|row| !before.is_kept[*row as usize]);
    let looked_at = open.iter().flat_map(|(one, other)| [*one, *other]);
    let compared = edges.iter().flat_map(|edge| [edge.one, edge.other]);
    let seeds = fresh.chain(before.bereft.iter().copied());
    let mut is_root = vec![false; rows as usize];
    for row in seeds.chain(looked_at).chain(compared) {
        is_root[forest.root(row) as usize] = true;
    }
    let touched = (0..rows).map(|row| is_root[forest.root(row) as usize]);
    touched.collect()
}

/// Records, some of which are looked at again.
struct Again<'a> {
    records: &'a Records,
    known: &'a Known,
    settings: &'a Settings,
}

/// Some rows as a population of their own.
struct Part {
    /// The row of each of its rows.
    rows: Vec<u32>,
    population: Population,
}

impl Part {
    /// A row by its number in the part, where it is in it.
    fn place(&self, row: u32) -> Option<u32> {
        self.rows.binary_search(&row).ok().map(|place| place as u32)
    }

    /// Pairs of places as pairs of rows.
    fn in_rows(&self, pairs: Vec<Pair>) -> impl Iterator<Item = Pair> {
        let row = |place: u32| self.rows[place as usize];
        pairs.into_iter().map(move |pair| Pair {
            one: row(pair.one),
            other: row(pair.other),
            ..pair
        })
    }

    /// Edges by places, in order: pairs that were known, new ones, and those that people decided. `None` where one is not in the
    /// part.
    fn edges(
        &self,
        scorer: &Scorer<'_>,
        known: &[&KnownPair],
        new: Vec<Edge>,
        likeness: &mut [Likeness],
    ) -> Option<Vec<Edge>> {
        let mut edges: Vec<Edge> = Vec::new();
        for pair in known {
            let (one, other) = (self.place(pair.one)?, self.place(pair.other)?);
            if let Some(weight) = scorer.weight(one, other, likeness) {
                edges.push(Edge {
                    one,
                    other,
                    weight: weight as f32,
                    pattern: 0,
                });
            }
        }
        for edge in new {
            edges.push(Edge {
                one: self.place(edge.one)?,
                other: self.place(edge.other)?,
                ..edge
            });
        }
        edges.extend(decided_edges(&self.population));
        edges.sort_unstable_by_key(|edge| (edge.one, edge.other));
        edges.dedup_by_key(|edge| (edge.one, edge.other));
        Some(edges)
    }
}

impl Again<'_> {
    fn part(&self, mut rows: Vec<u32>) -> Part {
        rows.sort_unstable();
        rows.dedup();
        let records = self.records.of_rows(&rows);
        let shared = self.known.shared();
        Part {
            population: Population::new(records, shared, self.settings.threads),
            rows,
        }
    }

    /// Those among the pairs that are worth telling.
    fn scored(&self, pairs: &[(u32, u32)]) -> Option<Vec<Edge>> {
        const AT_A_TIME: usize = 1 << 13;
        let rows = pairs.iter().flat_map(|(one, other)| [*one, *other]);
        let part = self.part(rows.collect());
        let threads = self.settings.threads;
        let scorer = Scorer::new(&part.population, self.known.model(), threads);
        let keep_from = self.settings.review_from.min(self.settings.same_from);
        let chunks: Vec<&[(u32, u32)]> = pairs.chunks(AT_A_TIME).collect();
        let found = parallel::map(threads, &chunks, |pairs| {
            let mut likeness = Likeness::of_all(&part.population);
            let mut edges = Vec::new();
            for (one, other) in *pairs {
                let (a, b) = (part.place(*one)?, part.place(*other)?);
                let weight = scorer.weight(a, b, &mut likeness);
                if let Some(weight) = weight.filter(|weight| *weight >= keep_from) {
                    edges.push(Edge {
                        one: *one,
                        other: *other,
                        weight: weight as f32,
                        pattern: 0,
                    });
                }
            }
            Some(edges)
        });
        let found: Option<Vec<Vec<Edge>>> = found.into_iter().collect();
        Some(found?.concat())
    }

    /// The outcome, and how many clusters are made anew: those of touched components; all others are as they were. `None` where
    /// one of those has no cluster.
    fn clustered(
        &self,
        before: &Before,
        kept: &[&KnownPair],
        edges: Vec<Edge>,
        is_touched: &[bool],
    ) -> Option<(Resolved, u64)> {
        let settings = self.settings;
        let touches = |one: u32, other: u32| is_touched[one as usize] || is_touched[other as usize];
        let (again, standing): (Vec<&KnownPair>, Vec<&KnownPair>) =
            kept.iter().partition(|pair| touches(pair.one, pair.other));
        let part = self.part_to_cluster(&again, is_touched);
        let scorer = Scorer::new(&part.population, self.known.model(), settings.threads);
        let mut likeness = Likeness::of_all(&part.population);
        let mut within = part.edges(&scorer, &again, edges, &mut likeness)?;
        let found = cluster::cluster(&scorer, &within, settings.same_from, settings.threads);
        let cluster_of = self.cluster_of(before, &part, &found, is_touched)?;

        let row = |place: u32| part.rows[place as usize];
        within.retain(|edge| touches(row(edge.one), row(edge.other)));
        let is_one =
            |one: u32, other: u32| cluster_of[row(one) as usize] == cluster_of[row(other) as usize];
        let standing = standing.into_iter();
        let mut pairs: Vec<Pair> = standing.map(|pair| self.standing(pair, &part)).collect();
        pairs.extend(part.in_rows(told(&part.population, &within, is_one, settings)));
        pairs.sort_unstable_by_key(|pair| (pair.one, pair.other));
        let contradicted = contradicted(&part.population, is_one, &mut likeness);
        let contradicted = part.in_rows(contradicted).collect();
        let of_touched = (0..self.records.rows).filter(|row| is_touched[*row as usize]);
        let clusters = of_touched.filter(|row| cluster_of[*row as usize] == *row);
        let clusters = clusters.count() as u64;
        let resolved = Resolved {
            pairs,
            contradicted,
            cluster_of,
            ..Resolved::default()
        };
        Some((resolved, clusters))
    }

    /// What is looked at to cluster anew: touched records, those of the pairs `again`, and all of which something was decided.
    fn part_to_cluster(&self, again: &[&KnownPair], is_touched: &[bool]) -> Part {
        let touched = (0..self.records.rows).filter(|row| is_touched[*row as usize]);
        let decided = self.records.decisions.iter();
        let decided = decided.flat_map(|(one, other, _)| [*one, *other]);
        let beside = again.iter().flat_map(|pair| [pair.one, pair.other]);
        self.part(touched.chain(decided).chain(beside).collect())
    }

    /// By row: the lowest row of its cluster; of records that are not touched that of before. `found`: by place in the part.
    fn cluster_of(
        &self,
        before: &Before,
        part: &Part,
        found: &[u32],
        is_touched: &[bool],
    ) -> Option<Vec<u32>> {
        let mut first_of: HashMap<u32, u32> = HashMap::new();
        let rows = 0..self.records.rows;
        let cluster_of = rows.map(|row| match is_touched[row as usize] {
            true => Some(part.rows[found[part.place(row)? as usize] as usize]),
            false => {
                let known = before.cluster_of.get(row as usize).copied().flatten()?;
                Some(*first_of.entry(known).or_insert(row))
            }
        });
        cluster_of.collect()
    }

    /// A pair that is as it was, but for what people decided of it.
    fn standing(&self, pair: &KnownPair, part: &Part) -> Pair {
        // records of which something was decided are all in the part: of others nothing was
        let places = match self.records.decisions.is_empty() {
            true => None,
            false => part.place(pair.one).zip(part.place(pair.other)),
        };
        Pair {
            one: pair.one,
            other: pair.other,
            weight: pair.weight,
            verdict: pair.verdict,
            agreement: Arc::clone(&pair.agreement),
            decision: places.and_then(|(one, other)| part.population.decision(one, other)),
        }
    }
}
