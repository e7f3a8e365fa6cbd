//! Records that rules without exception, or people, hold together: more of them than groups are built from pair by pair.
//!
//! ```text
//! held pairs ──`must` first, then what people decided, by rows──▶ groups; a pair that would bring two people together: skipped
//! ```
//!
//! A group remembers what may part it from another: the values that a person has one of, those that no two records of a person
//! share, and with whom people decided of its records. So a union costs a look at two small sets, and not at every pair.

use std::collections::BTreeSet;

use super::cluster::Forest;
use super::population::{Decision, Population, Verdict};
use super::score::{CERTAIN, Edge, Scorer};

/// The groups of some records, sorted as they are: each one person by all that holds its records together. Of two between
/// whose records any verdict says that they are two people, none is joined to the other.
pub(super) fn hold(scorer: &Scorer<'_>, members: &[u32], edges: &[Edge]) -> Vec<Vec<u32>> {
    let mut held = Held::new(scorer.population(), members);
    let holding = edges.iter().filter(|e| f64::from(e.weight) >= CERTAIN);
    let (ruled, decided): (Vec<&Edge>, Vec<&Edge>) = holding.partition(|edge| {
        let is_decided = scorer.is_decided_same(edge.one, edge.other);
        scorer.certain(edge.one, edge.other, is_decided) == Some(CERTAIN)
    });
    for edge in ruled.into_iter().chain(decided) {
        held.join(edge.one, edge.other);
    }
    held.groups()
}

struct Held<'a> {
    population: &'a Population,
    /// Rows, in order; each is known by its place here.
    members: &'a [u32],
    forest: Forest,
    /// By place, of the root of a group; of every other it is empty.
    groups: Vec<Group>,
    /// Roots of groups that are two people: what speaks against a union never goes away.
    apart: BTreeSet<(u32, u32)>,
}

/// What may part a group from another.
#[derive(Clone, Debug, Default)]
struct Group {
    places: Vec<u32>,
    /// By column of `cannot`: its values.
    cannot: Vec<BTreeSet<u32>>,
    /// By column that knows each person once: its values.
    once: Vec<BTreeSet<u32>>,
    /// Places of records of which people decided that they are others, and that they are the same.
    different: BTreeSet<u32>,
    same: BTreeSet<u32>,
}

impl<'a> Held<'a> {
    fn new(population: &'a Population, members: &'a [u32]) -> Self {
        let values = |values: Vec<Option<u32>>| {
            let sets = values.into_iter().map(|value| value.into_iter().collect());
            sets.collect::<Vec<BTreeSet<u32>>>()
        };
        let groups = members.iter().zip(0..).map(|(row, place)| Group {
            places: vec![place],
            cannot: values(population.one_of_a_person(*row).collect()),
            once: values(population.once_of_a_person(*row).collect()),
            ..Group::default()
        });
        let mut held = Self {
            population,
            members,
            forest: Forest::new(members.len()),
            groups: groups.collect(),
            apart: BTreeSet::new(),
        };
        for (one, other, decision) in population.decisions() {
            let (Some(one), Some(other)) = (held.place(*one), held.place(*other)) else {
                continue;
            };
            for (of, with) in [(one, other), (other, one)] {
                let group = &mut held.groups[of as usize];
                match decision {
                    Decision::Same => group.same.insert(with),
                    Decision::Different | Decision::Contested => group.different.insert(with),
                    Decision::Open => continue,
                };
            }
        }
        held
    }

    fn place(&self, row: u32) -> Option<u32> {
        let place = self.members.binary_search(&row).ok()?;
        Some(place as u32)
    }

    /// Makes the groups of two rows one, unless a verdict keeps them apart.
    fn join(&mut self, one: u32, other: u32) {
        let (Some(one), Some(other)) = (self.place(one), self.place(other)) else {
            return;
        };
        let (one, other) = (self.forest.root(one), self.forest.root(other));
        let pair = (one.min(other), one.max(other));
        if one == other || self.apart.contains(&pair) {
            return;
        }
        if self.are_apart(one, other) {
            self.apart.insert(pair);
            return;
        }
        self.forest.join(one, other);
        let root = self.forest.root(one);
        let gone = if root == one { other } else { one };
        let more = std::mem::take(&mut self.groups[gone as usize]);
        self.groups[root as usize].take_in(more);
    }

    /// Whether a verdict says of any record of the one and any of the other that they are two people.
    fn are_apart(&mut self, one: u32, other: u32) -> bool {
        if self.are_decided(one, other, |group| &group.different) {
            return true;
        }
        let (first, second) = (&self.groups[one as usize], &self.groups[other as usize]);
        if !first.is_ruled_apart(second) {
            return false;
        }
        // what people say of a pair is above `cannot`: only pair by pair it shows whether another keeps the two apart
        !self.are_decided(one, other, |group| &group.same) || self.is_any_pair_apart(one, other)
    }

    /// Whether people decided so of any record of the one and any of the other.
    fn are_decided(&mut self, one: u32, other: u32, with: fn(&Group) -> &BTreeSet<u32>) -> bool {
        let with = with(&self.groups[one as usize]).iter();
        let mut roots = with.map(|place| self.forest.root(*place));
        roots.any(|root| root == other)
    }

    fn is_any_pair_apart(&self, one: u32, other: u32) -> bool {
        let rows = |group: u32| {
            let places = self.groups[group as usize].places.iter();
            places.map(|place| self.members[*place as usize])
        };
        rows(one).any(|a| {
            let mut others = rows(other);
            others.any(|b| self.population.verdict(a, b) == Some(Verdict::Different))
        })
    }

    /// The groups, each sorted, in the order of their lowest rows.
    fn groups(self) -> Vec<Vec<u32>> {
        let groups = self.groups.into_iter();
        let groups = groups.filter(|group| !group.places.is_empty());
        let groups = groups.map(|group| {
            let rows = group.places.iter();
            let mut rows: Vec<u32> = rows.map(|at| self.members[*at as usize]).collect();
            rows.sort_unstable();
            rows
        });
        let mut groups: Vec<Vec<u32>> = groups.collect();
        groups.sort_unstable();
        groups
    }
}

impl Group {
    /// Whether rules without exception say that the two are two people.
    fn is_ruled_apart(&self, other: &Self) -> bool {
        let mut cannot = self.cannot.iter().zip(&other.cannot);
        let mut once = self.once.iter().zip(&other.once);
        cannot.any(|(one, other)| one.iter().any(|a| other.iter().any(|b| a != b)))
            || once.any(|(one, other)| !one.is_disjoint(other))
    }

    /// Takes in the records of another.
    fn take_in(&mut self, more: Self) {
        self.places.extend(more.places);
        let mine = self.cannot.iter_mut().chain(&mut self.once);
        for (mine, more) in mine.zip(more.cannot.into_iter().chain(more.once)) {
            mine.extend(more);
        }
        self.different.extend(more.different);
        self.same.extend(more.same);
    }
}
