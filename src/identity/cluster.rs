//! Edges to clusters: who is one person, without chaining strangers together.
//!
//! 1. Edges of at least the threshold join records into components (union–find).
//! 2. A component of three records or more is taken apart again and built up pair of groups by pair of groups, the pair with
//!    the highest weight first, until no weight reaches the threshold. Two groups weigh what *all* pairs between them say on
//!    average, comparison by comparison ([`Between`]); those that no rule made are compared too. One strong edge between two
//!    people cannot join them if everything else about them disagrees. A record that knows nothing but an address speaks
//!    against nobody who has another; of two people who have it, it is neither.
//! 3. Groups of which people decided that a record of one and a record of the other are one become one, whatever the
//!    evidence says of the others; unless a verdict says of any two between them that they are two. So a decision joins
//!    whole groups, or does nothing: it never takes a record from its own.
//! 4. A component of very many records is cut by raising the threshold first. What no threshold cuts is held together by verdicts
//!    alone, and is joined pair by pair, where no other verdict keeps two apart ([`held`]).

use std::collections::{BTreeMap, BTreeSet};

use super::between::Between;
use super::comparison::{Likeness, Pattern};
use super::held;
use super::model::Evidence;
use super::score::{CERTAIN, Edge, Scorer};
use crate::parallel;

/// Components of more records than this are cut by raising the threshold first.
const LARGEST_COMPONENT: usize = 500;
/// Two claims are as good as each other while one is at most so many bits the better.
const EVEN: f64 = 1.0;

/// The cluster of every row: the lowest row in it.
pub(crate) fn cluster(
    scorer: &Scorer<'_>,
    edges: &[Edge],
    same_from: f64,
    threads: usize,
) -> Vec<u32> {
    const AT_A_TIME: usize = 1000;
    let population = scorer.population();
    let rows = population.rows as usize;
    let mut of_row: Vec<u32> = (0..population.rows).collect();
    let mut forest = Forest::new(rows);
    for edge in edges.iter().filter(|e| f64::from(e.weight) >= same_from) {
        forest.join(edge.one, edge.other);
    }
    let components = forest.components();
    let within = edges.iter().filter_map(|edge| {
        let component = components.of_both(edge.one, edge.other)?;
        // of two records nothing is left to ask
        (components.members(component).len() > 2).then_some((component, *edge))
    });
    let mut within: Vec<(usize, Edge)> = within.collect();
    within.sort_by_key(|(component, _)| *component);
    let chunks: Vec<usize> = (0..components.len()).step_by(AT_A_TIME).collect();
    let found = parallel::map(threads, &chunks, |first| {
        let mut likeness = Likeness::of_all(population);
        let mut clusters: Vec<(u32, u32)> = Vec::new();
        let start = within.partition_point(|(of, _)| of < first);
        let mut edges = within[start..].iter().peekable();
        for component in *first..components.len().min(first + AT_A_TIME) {
            let members = components.members(component);
            let own = std::iter::from_fn(|| edges.next_if(|(of, _)| *of == component));
            let own: Vec<Edge> = own.map(|(_, edge)| *edge).collect();
            for group in refine(scorer, members, &own, same_from, &mut likeness) {
                clusters.extend(group.iter().map(|row| (*row, group[0])));
            }
        }
        clusters
    });
    for (row, cluster) in found.into_iter().flatten() {
        of_row[row as usize] = cluster;
    }
    of_row
}

/// Two groups of records at the moment that they become one.
pub(super) struct Join<'a> {
    pub(super) one: &'a [u32],
    pub(super) other: &'a [u32],
    /// What all pairs between them say together; [`CERTAIN`] where a decision joins them.
    pub(super) weight: f64,
}

/// The joins that made a cluster, in their order: as it is built when nothing else is in its component.
pub(super) fn joins(
    scorer: &Scorer<'_>,
    members: &[u32],
    same_from: f64,
    likeness: &mut [Likeness],
    mut joined: impl FnMut(Join<'_>),
) {
    if let [one, other] = members {
        if let Some(weight) = scorer.weight(*one, *other, likeness) {
            let (one, other) = (&members[..1], &members[1..]);
            joined(Join { one, other, weight });
        }
        return;
    }
    if members.len() <= LARGEST_COMPONENT {
        let mut linkage = Linkage::new(scorer, members, &[], likeness);
        linkage.join_alike(same_from, &mut joined);
        linkage.join_decided(&mut joined);
        // whatever the threshold was, these records became one
        linkage.join_alike(f64::NEG_INFINITY, &mut joined);
    }
}

/// A component as groups, each sorted.
fn refine(
    scorer: &Scorer<'_>,
    members: &[u32],
    edges: &[Edge],
    same_from: f64,
    likeness: &mut [Likeness],
) -> Vec<Vec<u32>> {
    if members.len() == 2 {
        return vec![members.to_vec()];
    }
    if members.len() > LARGEST_COMPONENT {
        let mut holding = edges.iter().map(|edge| f64::from(edge.weight));
        if holding.all(|weight| weight < same_from || weight >= CERTAIN) {
            // what holds them together is verdicts alone: no threshold parts them, other verdicts do
            return held::hold(scorer, members, edges);
        }
        let mut parts = Vec::new();
        for part in cut(members, edges, same_from + 1.0) {
            let (members, edges) = part;
            let from = same_from + 1.0;
            parts.extend(refine(scorer, &members, &edges, from, likeness));
        }
        return parts;
    }
    let mut linkage = Linkage::new(scorer, members, edges, likeness);
    linkage.join_alike(same_from, &mut |_| {});
    linkage.join_decided(&mut |_| {});
    linkage.groups()
}

/// The records of a component as groups that become one, two by two.
struct Linkage {
    /// Empty where the group became part of an earlier one.
    groups: Vec<Vec<u32>>,
    alive: BTreeSet<usize>,
    /// What the pairs between two groups say, the earlier group first; pairs that say nothing are in none.
    between: BTreeMap<(usize, usize), Between>,
    /// Groups of which people decided that they are one, likewise.
    decided: BTreeSet<(usize, usize)>,
    /// What is known of a pair before anything is compared.
    prior: Evidence,
}

impl Linkage {
    /// Each record alone. `edges`: pairs whose levels may be known already, in order.
    fn new(
        scorer: &Scorer<'_>,
        members: &[u32],
        edges: &[Edge],
        likeness: &mut [Likeness],
    ) -> Self {
        let known = |one: u32, other: u32| -> Option<Pattern> {
            let place = edges.binary_search_by_key(&(one, other), |edge| (edge.one, edge.other));
            Some(edges[place.ok()?].pattern).filter(|pattern| *pattern != 0)
        };
        let mut between = BTreeMap::new();
        let mut decided = BTreeSet::new();
        for (at, one) in members.iter().enumerate() {
            for (place, other) in members.iter().enumerate().skip(at + 1) {
                let is_decided = scorer.is_decided_same(*one, *other);
                if is_decided {
                    decided.insert((at, place));
                }
                let certain = scorer.certain(*one, *other, is_decided);
                let told = match certain {
                    Some(weight) => Some(Between::certain(weight)),
                    None => {
                        let pattern = known(*one, *other)
                            .unwrap_or_else(|| scorer.pattern(*one, *other, likeness));
                        Between::pair(scorer, pattern, *one, *other)
                    }
                };
                between.extend(told.map(|told| ((at, place), told)));
            }
        }
        Self {
            groups: members.iter().map(|row| vec![*row]).collect(),
            alive: (0..members.len()).collect(),
            between,
            decided,
            prior: scorer.prior(),
        }
    }

    /// Joins the two groups with the highest weight, until none reaches the lowest that may join.
    fn join_alike(&mut self, from: f64, joined: &mut dyn FnMut(Join<'_>)) {
        loop {
            let mut best: Option<(f64, (usize, usize))> = None;
            for (pair, between) in &self.between {
                let weight = between.weight();
                if best.is_none_or(|(highest, _)| weight > highest) {
                    best = Some((weight, *pair));
                }
            }
            let Some((weight, pair)) = best.filter(|(weight, _)| *weight >= from) else {
                break;
            };
            match self.claimed_twice(pair, weight, from) {
                // an address that two people have names neither of them
                Some(group) => self.between.retain(|(one, other), between| {
                    !between.is_by_contact() || (*one != group && *other != group)
                }),
                None => self.join(pair, weight, joined),
            }
        }
    }

    /// Of two groups that only an address or number ties, the one that a third group, which is another person, has as good a
    /// claim to.
    fn claimed_twice(&self, pair: (usize, usize), weight: f64, from: f64) -> Option<usize> {
        if !self.between.get(&pair)?.is_by_contact() {
            return None;
        }
        let key = |a: usize, b: usize| (a.min(b), a.max(b));
        let (one, other) = pair;
        [(one, other), (other, one)]
            .into_iter()
            .find_map(|(claimed, by)| {
                let mut thirds = self
                    .alive
                    .iter()
                    .filter(|third| **third != one && **third != other);
                let is_rival = |third: &&usize| {
                    let claim = self.between.get(&key(claimed, **third));
                    let between = self.between.get(&key(by, **third));
                    claim.is_some_and(|claim| {
                        claim.is_by_contact() && claim.weight() >= weight - EVEN
                    }) && between.is_some_and(|between| between.weight() < from)
                };
                thirds.find(is_rival).map(|_| claimed)
            })
    }

    /// Joins groups as people decided, those that are most alike first; no two that a verdict keeps apart.
    fn join_decided(&mut self, joined: &mut dyn FnMut(Join<'_>)) {
        loop {
            let mut best: Option<(f64, (usize, usize))> = None;
            for pair in &self.decided {
                let between = self.between.get(pair);
                let weight = between.map_or(0.0, Between::weight);
                let is_allowed = between.is_none_or(|between| !between.is_forbidden());
                if is_allowed && best.is_none_or(|(highest, _)| weight > highest) {
                    best = Some((weight, *pair));
                }
            }
            let Some((_, pair)) = best else { break };
            self.join(pair, CERTAIN, joined);
        }
    }

    /// Makes two groups one: the earlier takes in the later.
    fn join(
        &mut self,
        (into, from): (usize, usize),
        weight: f64,
        joined: &mut dyn FnMut(Join<'_>),
    ) {
        joined(Join {
            one: &self.groups[into],
            other: &self.groups[from],
            weight,
        });
        let moved = std::mem::take(&mut self.groups[from]);
        self.groups[into].extend(moved);
        self.alive.remove(&from);
        self.between.remove(&(into, from));
        self.decided.remove(&(into, from));
        for third in self.alive.iter().filter(|third| **third != into) {
            let key = |group: usize| (group.min(*third), group.max(*third));
            if let Some(more) = self.between.remove(&key(from)) {
                let joined = self.between.entry(key(into)).or_default();
                joined.add(&more, self.prior);
            }
            if self.decided.remove(&key(from)) {
                self.decided.insert(key(into));
            }
        }
    }

    /// The groups, each sorted.
    fn groups(mut self) -> Vec<Vec<u32>> {
        let alive = self.alive.iter();
        let mut found: Vec<Vec<u32>> = alive
            .map(|at| std::mem::take(&mut self.groups[*at]))
            .collect();
        for group in &mut found {
            group.sort_unstable();
        }
        found
    }
}

/// A component as the components of its edges from a threshold on; records that are alone then stay alone. Edges of other
/// components say nothing of it.
fn cut(members: &[u32], edges: &[Edge], from: f64) -> Vec<(Vec<u32>, Vec<Edge>)> {
    let place = |row: u32| members.binary_search(&row).ok().map(|place| place as u32);
    let within = edges
        .iter()
        .filter_map(|edge| Some((place(edge.one)?, place(edge.other)?, *edge)));
    let within: Vec<(u32, u32, Edge)> = within.collect();
    let mut forest = Forest::new(members.len());
    let strong = within.iter().filter(|(.., e)| f64::from(e.weight) >= from);
    for (one, other, _) in strong {
        forest.join(*one, *other);
    }
    let mut parts: BTreeMap<u32, (Vec<u32>, Vec<Edge>)> = BTreeMap::new();
    for (at, row) in members.iter().enumerate() {
        parts
            .entry(forest.root(at as u32))
            .or_default()
            .0
            .push(*row);
    }
    for (one, other, edge) in within {
        let (one, other) = (forest.root(one), forest.root(other));
        if one == other
            && let Some(part) = parts.get_mut(&one)
        {
            part.1.push(edge);
        }
    }
    parts
        .into_values()
        .filter(|(members, _)| members.len() > 1)
        .collect()
}

/// Union–find over rows: joined by size, paths halved.
pub(super) struct Forest {
    parent: Vec<u32>,
    size: Vec<u32>,
}

impl Forest {
    pub(super) fn new(rows: usize) -> Self {
        Self {
            parent: (0..rows as u32).collect(),
            size: vec![1; rows],
        }
    }

    pub(super) fn root(&mut self, row: u32) -> u32 {
        let mut at = row;
        while self.parent[at as usize] != at {
            let above = self.parent[self.parent[at as usize] as usize];
            self.parent[at as usize] = above;
            at = above;
        }
        at
    }

    pub(super) fn join(&mut self, one: u32, other: u32) {
        let (one, other) = (self.root(one), self.root(other));
        if one == other {
            return;
        }
        let is_larger = self.size[one as usize] >= self.size[other as usize];
        let (large, small) = if is_larger {
            (one, other)
        } else {
            (other, one)
        };
        self.parent[small as usize] = large;
        self.size[large as usize] += self.size[small as usize];
    }

    /// Components of several rows, in the order of their lowest rows.
    fn components(mut self) -> Components {
        let mut of_row = vec![ALONE; self.parent.len()];
        let mut places: Vec<u32> = Vec::new();
        let mut total = 0;
        for row in 0..self.parent.len() as u32 {
            let root = self.root(row) as usize;
            if self.size[root] == 1 {
                continue;
            }
            if of_row[root] == ALONE {
                of_row[root] = places.len() as u32;
                places.push(total);
                total += self.size[root];
            }
            of_row[row as usize] = of_row[root];
        }
        let mut rows = vec![0; total as usize];
        for (component, row) in of_row.iter().zip(0..) {
            if let Some(place) = places.get_mut(*component as usize) {
                rows[*place as usize] = row;
                *place += 1;
            }
        }
        Components {
            rows,
            ends: places,
            of_row,
        }
    }
}

/// The component of a row that is in none.
const ALONE: u32 = u32::MAX;

/// Rows that hang together, several in each component.
struct Components {
    /// Those of one component after those of another, each in order.
    rows: Vec<u32>,
    /// By component: where its rows end.
    ends: Vec<u32>,
    /// By row: its component, or [`ALONE`].
    of_row: Vec<u32>,
}

impl Components {
    fn len(&self) -> usize {
        self.ends.len()
    }

    fn members(&self, component: usize) -> &[u32] {
        let start = component
            .checked_sub(1)
            .map_or(0, |before| self.ends[before]);
        &self.rows[start as usize..self.ends[component] as usize]
    }

    /// The component that both rows are in.
    fn of_both(&self, one: u32, other: u32) -> Option<usize> {
        let component = self.of_row[one as usize];
        let is_of_both = component != ALONE && component == self.of_row[other as usize];
        is_of_both.then_some(component as usize)
    }
}
