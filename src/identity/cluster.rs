//! Edges to clusters: who is one person, without chaining strangers together.
//!
//! 1. Edges of at least the threshold join records into components (union–find).
//! 2. A component of three records or more is taken apart again and built up pair of groups by pair of groups, the pair with
//!    the highest mean weight first, until no mean reaches the threshold: average linkage over *all* pairs of the
//!    component, those that no rule made scored too. One strong edge between two people cannot join them if everything
//!    else about them disagrees.

use std::collections::{BTreeMap, BTreeSet};

use super::comparison::Likeness;
use super::score::{CERTAIN, Edge, Scorer};
use crate::parallel;

/// Components of more records than this are cut by raising the threshold first.
const LARGEST_COMPONENT: usize = 500;
/// No pair speaks louder than this in a mean.
const LOUDEST: f64 = 24.0;
/// Groups join while their mean weight is at most so many bits below the threshold: of two records that a third joins,
/// one may say too little for a verdict of their own.
const SLACK: f64 = 2.0;

/// The cluster of every row: the lowest row in it.
pub(crate) fn cluster(
    scorer: &Scorer<'_>,
    edges: &[Edge],
    same_from: f64,
    threads: usize,
) -> Vec<u32> {
    let population = scorer.population();
    let rows = population.rows as usize;
    let mut of_row: Vec<u32> = (0..population.rows).collect();
    let mut forest = Forest::new(rows);
    for edge in edges.iter().filter(|e| f64::from(e.weight) >= same_from) {
        forest.join(edge.one, edge.other);
    }
    let components = forest.components();
    let within = edges.iter().filter_map(|edge| {
        let (one, other) = (forest.root(edge.one), forest.root(edge.other));
        (one == other).then_some((one, *edge))
    });
    let mut within: Vec<(u32, Edge)> = within.collect();
    within.sort_by_key(|(root, _)| *root);
    let chunks: Vec<&[Vec<u32>]> = components.chunks(1000).collect();
    let found = parallel::map(threads, &chunks, |chunk| {
        let mut likeness = Likeness::of_all(population);
        let mut groups = Vec::new();
        for members in *chunk {
            let root = members[0];
            let start = within.partition_point(|(of, _)| *of < root);
            let own = within[start..].iter().take_while(|(of, _)| *of == root);
            let own: Vec<Edge> = own.map(|(_, edge)| *edge).collect();
            let joined = &mut |_: Join<'_>| {};
            groups.extend(refine(
                scorer,
                members,
                &own,
                same_from,
                &mut likeness,
                joined,
            ));
        }
        groups
    });
    for group in found.into_iter().flatten() {
        for row in &group {
            of_row[*row as usize] = group[0];
        }
    }
    of_row
}

/// Two groups of records at the moment that they become one.
pub(super) struct Join<'a> {
    pub(super) one: &'a [u32],
    pub(super) other: &'a [u32],
    /// Of the weights of all pairs between them.
    pub(super) mean: f64,
}

/// The joins that made a cluster, in their order: as it is built when nothing else is in its component.
pub(super) fn joins(
    scorer: &Scorer<'_>,
    members: &[u32],
    likeness: &mut [Likeness],
    mut joined: impl FnMut(Join<'_>),
) {
    if let [one, other] = members {
        if let Some(mean) = scorer.weight(*one, *other, likeness) {
            let (one, other) = (&members[..1], &members[1..]);
            joined(Join { one, other, mean });
        }
        return;
    }
    if members.len() <= LARGEST_COMPONENT {
        // whatever the threshold was, these records became one
        refine(
            scorer,
            members,
            &[],
            f64::NEG_INFINITY,
            likeness,
            &mut joined,
        );
    }
}

/// A component as groups, each sorted; tells of each join.
fn refine(
    scorer: &Scorer<'_>,
    members: &[u32],
    edges: &[Edge],
    same_from: f64,
    likeness: &mut [Likeness],
    joined: &mut dyn FnMut(Join<'_>),
) -> Vec<Vec<u32>> {
    if members.len() == 2 {
        return vec![members.to_vec()];
    }
    if members.len() > LARGEST_COMPONENT {
        let mut holding = edges.iter().map(|edge| f64::from(edge.weight));
        if holding.all(|weight| weight < same_from || weight >= CERTAIN) {
            // what holds them together is verdicts alone: no threshold parts them
            return vec![members.to_vec()];
        }
        let mut parts = Vec::new();
        for part in cut(members, edges, same_from + 1.0) {
            let (members, edges) = part;
            let from = same_from + 1.0;
            parts.extend(refine(scorer, &members, &edges, from, likeness, joined));
        }
        return parts;
    }
    let known: BTreeMap<(u32, u32), f64> = edges
        .iter()
        .map(|edge| ((edge.one, edge.other), f64::from(edge.weight)))
        .collect();
    let mut groups: Vec<Vec<u32>> = members.iter().map(|row| vec![*row]).collect();
    // sums and numbers of weights between groups, the earlier group first; pairs that say nothing are in neither
    let mut sums: BTreeMap<(usize, usize), (f64, u32)> = BTreeMap::new();
    for (at, one) in members.iter().enumerate() {
        for (place, other) in members.iter().enumerate().skip(at + 1) {
            let known = known.get(&(*one, *other)).copied();
            let weight = known.or_else(|| scorer.weight(*one, *other, likeness));
            if let Some(weight) = weight {
                sums.insert((at, place), (loudness(weight), 1));
            }
        }
    }
    let mut alive: BTreeSet<usize> = (0..groups.len()).collect();
    loop {
        let mut best: Option<(f64, (usize, usize))> = None;
        for (pair, (sum, count)) in &sums {
            let mean = sum / f64::from(*count);
            if best.is_none_or(|(highest, _)| mean > highest) {
                best = Some((mean, *pair));
            }
        }
        let Some((mean, (into, from))) = best.filter(|(mean, _)| *mean >= same_from - SLACK) else {
            break;
        };
        joined(Join {
            one: &groups[into],
            other: &groups[from],
            mean,
        });
        let moved = std::mem::take(&mut groups[from]);
        groups[into].extend(moved);
        alive.remove(&from);
        sums.remove(&(into, from));
        for third in alive.iter().filter(|third| **third != into) {
            let key = |group: usize| (group.min(*third), group.max(*third));
            if let Some((sum, count)) = sums.remove(&key(from)) {
                let joined = sums.entry(key(into)).or_default();
                joined.0 += sum;
                joined.1 += count;
            }
        }
    }
    let mut found: Vec<Vec<u32>> = alive
        .iter()
        .map(|at| std::mem::take(&mut groups[*at]))
        .collect();
    for group in &mut found {
        group.sort_unstable();
    }
    found
}

/// What a pair adds to a mean: a verdict weighs in full, evidence up to [`LOUDEST`].
fn loudness(weight: f64) -> f64 {
    if weight.abs() >= CERTAIN {
        weight
    } else {
        weight.clamp(-LOUDEST, LOUDEST)
    }
}

/// A component as the components of its edges from a threshold on; records that are alone then stay alone.
fn cut(members: &[u32], edges: &[Edge], from: f64) -> Vec<(Vec<u32>, Vec<Edge>)> {
    let place = |row: u32| members.binary_search(&row).unwrap_or_default() as u32;
    let mut forest = Forest::new(members.len());
    for edge in edges.iter().filter(|e| f64::from(e.weight) >= from) {
        forest.join(place(edge.one), place(edge.other));
    }
    let mut parts: BTreeMap<u32, (Vec<u32>, Vec<Edge>)> = BTreeMap::new();
    for (at, row) in members.iter().enumerate() {
        parts
            .entry(forest.root(at as u32))
            .or_default()
            .0
            .push(*row);
    }
    for edge in edges {
        let (one, other) = (forest.root(place(edge.one)), forest.root(place(edge.other)));
        if one == other
            && let Some(part) = parts.get_mut(&one)
        {
            part.1.push(*edge);
        }
    }
    parts
        .into_values()
        .filter(|(members, _)| members.len() > 1)
        .collect()
}

/// Union–find over rows: joined by size, paths halved.
struct Forest {
    parent: Vec<u32>,
    size: Vec<u32>,
}

impl Forest {
    fn new(rows: usize) -> Self {
        Self {
            parent: (0..rows as u32).collect(),
            size: vec![1; rows],
        }
    }

    fn root(&mut self, row: u32) -> u32 {
        let mut at = row;
        while self.parent[at as usize] != at {
            let above = self.parent[self.parent[at as usize] as usize];
            self.parent[at as usize] = above;
            at = above;
        }
        at
    }

    fn join(&mut self, one: u32, other: u32) {
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

    /// Components of several rows, each sorted and behind its lowest row, which becomes its root.
    fn components(&mut self) -> Vec<Vec<u32>> {
        let mut of_root: Vec<(u32, u32)> = Vec::new();
        for row in 0..self.parent.len() as u32 {
            let root = self.root(row);
            if self.size[root as usize] > 1 {
                of_root.push((root, row));
            }
        }
        of_root.sort_unstable();
        let groups = of_root.chunk_by(|one, other| one.0 == other.0);
        let mut components: Vec<Vec<u32>> = groups
            .map(|rows| rows.iter().map(|(_, row)| *row).collect())
            .collect();
        for members in &components {
            for row in members {
                self.parent[*row as usize] = members[0];
            }
        }
        components.sort_unstable();
        components
    }
}
