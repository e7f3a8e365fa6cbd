//! Ids for life: new clusters take over the ids of the old ones that they share most records with.
//!
//! In: the cluster of every record now, and the registry: which id every record had, and every id ever issued. Out: an id
//! for every record, what happened, and where every id that is gone leads. The registry is input as much as the records are:
//! equal records and equal registry give equal ids.
//!
//! Pairs of an old id and a new cluster are taken by how many records they share, then by the share of the old id's
//! records, then the smaller id first; a cluster takes one id, an id goes to one cluster. A cluster without one gets the
//! hash of its first record's key, so that two rebuilds of the same records issue the same id.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Which ids were issued, and to which records.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registry {
    /// The id of each record, by key.
    pub(crate) ids: HashMap<String, String>,
    /// Each id that is gone → the one that stands for it, if any.
    pub(crate) redirects: BTreeMap<String, Option<String>>,
}

/// Something that happened to an id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    /// Issued, to so many records.
    Created { id: String, records: u64 },
    /// All of its records belong to another id now, or are gone.
    Merged { id: String, into: String },
    /// Issued to records that had another id, which lives on without them.
    Split {
        id: String,
        from: String,
        records: u64,
    },
    /// None of its records is left.
    Retired { id: String },
}

/// The outcome.
#[derive(Clone, Debug, Default)]
pub(crate) struct Assigned {
    /// By row.
    pub(crate) ids: Vec<Arc<str>>,
    /// Different ids among them.
    pub(crate) entities: u64,
    /// Sorted.
    pub(crate) events: Vec<Event>,
    /// Every id that is gone, each leading to one that lives, or nowhere.
    pub(crate) redirects: BTreeMap<String, Option<String>>,
    /// Records that had an id before.
    pub(crate) known_records: u64,
    /// Those among them whose id is another now.
    pub(crate) renamed_records: u64,
}

/// Gives every record the id of its cluster. `cluster_of` names a cluster by its lowest row; rows are in order of `keys`.
pub(crate) fn assign(keys: &[String], cluster_of: &[u32], registry: &Registry) -> Assigned {
    let known = KnownIds::new(registry);
    let old: Vec<Option<u32>> = keys.iter().map(|key| known.of(key)).collect();
    let taken = take_over(&old, cluster_of, &known);
    let mut sizes: Vec<u64> = vec![0; keys.len()];
    for cluster in cluster_of {
        sizes[*cluster as usize] += 1;
    }
    let mut fresh: HashSet<Arc<str>> = HashSet::new();
    let clusters = sizes.iter().enumerate().map(|(cluster, records)| {
        (*records > 0).then(|| match taken[cluster] {
            Some(id) => Arc::from(known.names[id as usize]),
            None => {
                let id = unused_id(&keys[cluster], &known, &fresh);
                fresh.insert(Arc::clone(&id));
                id
            }
        })
    });
    let clusters: Vec<Option<Arc<str>>> = clusters.collect();
    let mut is_living = vec![false; known.names.len()];
    for id in taken.iter().flatten() {
        is_living[*id as usize] = true;
    }
    let of_cluster = |cluster: u32| clusters[cluster as usize].clone().unwrap_or_default();
    let moves = moves(&old, cluster_of);
    let redirects = redirects(&moves, &is_living, &known, &of_cluster);
    let was = |row: usize| old[row].is_some();
    let is_renamed = |row: usize| was(row) && old[row] != taken[cluster_of[row] as usize];
    let count = |is: &dyn Fn(usize) -> bool| (0..keys.len()).filter(|row| is(*row)).count() as u64;
    let mut events = new_ids(&moves, &taken, &sizes, &known, &of_cluster);
    let gone = redirects
        .iter()
        .filter(|(id, _)| !registry.redirects.contains_key(*id));
    events.extend(gone.map(|(id, heir)| match heir {
        Some(into) => Event::Merged {
            id: id.clone(),
            into: into.clone(),
        },
        None => Event::Retired { id: id.clone() },
    }));
    sort(&mut events);
    Assigned {
        ids: cluster_of.iter().map(|c| of_cluster(*c)).collect(),
        entities: clusters.iter().flatten().count() as u64,
        events,
        redirects,
        known_records: count(&was),
        renamed_records: count(&is_renamed),
    }
}

/// Sorts events. There is one for every person of a first build, and a look at the text of each, again and again, would take
/// longer than all else: first comes a number that nearly always decides.
fn sort(events: &mut [Event]) {
    let number = |event: &Event| {
        let (kind, id) = match event {
            Event::Created { id, .. } => (0_u8, id),
            Event::Merged { id, .. } => (1, id),
            Event::Split { id, .. } => (2, id),
            Event::Retired { id } => (3, id),
        };
        let mut first = [0; 16];
        for (to, from) in first.iter_mut().zip(id.bytes()) {
            *to = from;
        }
        (kind, u128::from_be_bytes(first))
    };
    events.sort_by_cached_key(number);
    for alike in events.chunk_by_mut(|one, other| number(one) == number(other)) {
        alike.sort();
    }
}

/// The ids of a registry by numbers.
struct KnownIds<'a> {
    registry: &'a Registry,
    numbers: HashMap<&'a str, u32>,
    names: Vec<&'a str>,
    /// Records of each.
    held: Vec<u64>,
}

impl<'a> KnownIds<'a> {
    fn new(registry: &'a Registry) -> Self {
        let mut known = Self {
            registry,
            numbers: HashMap::new(),
            names: Vec::new(),
            held: Vec::new(),
        };
        for id in registry.ids.values() {
            let next = known.names.len() as u32;
            let number = *known.numbers.entry(id).or_insert(next);
            if number == next {
                known.names.push(id);
                known.held.push(0);
            }
            known.held[number as usize] += 1;
        }
        known
    }

    /// The id that a record had.
    fn of(&self, key: &str) -> Option<u32> {
        let id = self.registry.ids.get(key)?;
        self.numbers.get(id.as_str()).copied()
    }

    fn is_issued(&self, id: &str) -> bool {
        self.numbers.contains_key(id) || self.registry.redirects.contains_key(id)
    }
}

/// Records that went from an old id to a cluster, by both.
fn moves(old: &[Option<u32>], cluster_of: &[u32]) -> Vec<(u32, u32, u64)> {
    let rows = old.iter().zip(cluster_of);
    let rows = rows.filter_map(|(old, cluster)| Some(((*old)?, *cluster)));
    let mut rows: Vec<(u32, u32)> = rows.collect();
    rows.sort_unstable();
    let moves = rows.chunk_by(|one, other| one == other);
    moves
        .map(|same| (same[0].0, same[0].1, same.len() as u64))
        .collect()
}

/// By cluster: the old id that it goes on with.
fn take_over(old: &[Option<u32>], cluster_of: &[u32], known: &KnownIds<'_>) -> Vec<Option<u32>> {
    let mut overlaps = moves(old, cluster_of);
    let held = |id: u32| known.held[id as usize].max(1);
    let name = |id: u32| known.names[id as usize];
    overlaps.sort_unstable_by(|a, b| {
        // more records first, then the greater share: a fraction compared crosswise
        b.2.cmp(&a.2)
            .then_with(|| (b.2 * held(a.0)).cmp(&(a.2 * held(b.0))))
            .then_with(|| name(a.0).cmp(name(b.0)))
            .then_with(|| a.1.cmp(&b.1))
    });
    let mut taken: Vec<Option<u32>> = vec![None; old.len()];
    let mut is_used = vec![false; known.names.len()];
    for (id, cluster, _) in overlaps {
        if taken[cluster as usize].is_none() && !is_used[id as usize] {
            is_used[id as usize] = true;
            taken[cluster as usize] = Some(id);
        }
    }
    taken
}

/// The hash of a key, and of the key with a number behind it while that was issued already.
fn unused_id(key: &str, known: &KnownIds<'_>, fresh: &HashSet<Arc<str>>) -> Arc<str> {
    let mut attempt = 0u32;
    loop {
        let mut hasher = blake3::Hasher::new();
        hasher.update(key.as_bytes());
        if attempt > 0 {
            hasher.update(&[0]);
            hasher.update(&attempt.to_le_bytes());
        }
        let id = format!("c_{}", &hasher.finalize().to_hex()[..20]);
        if !known.is_issued(&id) && !fresh.contains(id.as_str()) {
            return Arc::from(id);
        }
        attempt += 1;
    }
}

/// Every id that is gone leads to the living id that has most of its records, of several the smallest; chains are closed.
fn redirects(
    moves: &[(u32, u32, u64)],
    is_living: &[bool],
    known: &KnownIds<'_>,
    of_cluster: &dyn Fn(u32) -> Arc<str>,
) -> BTreeMap<String, Option<String>> {
    let mut gone: BTreeMap<String, Option<String>> = BTreeMap::new();
    let ids = known.names.iter().zip(is_living);
    for (id, _) in ids.filter(|(_, is_living)| !**is_living) {
        gone.insert((*id).to_string(), None);
    }
    for moved in moves.chunk_by(|one, other| one.0 == other.0) {
        let old = moved[0].0 as usize;
        if is_living[old] {
            continue;
        }
        let heirs = moved
            .iter()
            .map(|(_, cluster, n)| (*n, of_cluster(*cluster)));
        let heir = heirs.max_by(|a, b| a.0.cmp(&b.0).then_with(|| b.1.cmp(&a.1)));
        let heir = heir.map(|(_, id)| id.to_string());
        gone.insert(known.names[old].to_string(), heir);
    }
    for (id, heir) in &known.registry.redirects {
        let next = heir.as_ref().and_then(|heir| match gone.get(heir) {
            Some(further) => further.clone(),
            None => Some(heir.clone()),
        });
        gone.insert(id.clone(), next);
    }
    gone
}

/// What is told of clusters that got a new id.
fn new_ids(
    moves: &[(u32, u32, u64)],
    taken: &[Option<u32>],
    sizes: &[u64],
    known: &KnownIds<'_>,
    of_cluster: &dyn Fn(u32) -> Arc<str>,
) -> Vec<Event> {
    // the old id that most records of a new one come from, of several the smallest
    let mut origins: HashMap<u32, (u64, &str)> = HashMap::new();
    let moved = moves
        .iter()
        .filter(|(_, c, _)| taken[*c as usize].is_none());
    for (old, cluster, records) in moved {
        let from = (*records, known.names[*old as usize]);
        let best = origins.entry(*cluster).or_insert(from);
        if from.0 > best.0 || (from.0 == best.0 && from.1 < best.1) {
            *best = from;
        }
    }
    let clusters = sizes.iter().zip(taken).zip(0..);
    let fresh = clusters.filter(|((records, taken), _)| **records > 0 && taken.is_none());
    fresh
        .map(|((records, _), cluster)| {
            let (id, records) = (of_cluster(cluster).to_string(), *records);
            match origins.get(&cluster) {
                Some((_, from)) => Event::Split {
                    id,
                    from: (*from).to_string(),
                    records,
                },
                None => Event::Created { id, records },
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn keys(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    /// The registry that an outcome leaves behind.
    fn after(keys: &[String], assigned: &Assigned) -> Registry {
        Registry {
            ids: keys
                .iter()
                .cloned()
                .zip(assigned.ids.iter().map(ToString::to_string))
                .collect(),
            redirects: assigned.redirects.clone(),
        }
    }

    #[test]
    fn a_second_run_over_the_same_clusters_changes_nothing() {
        let keys = keys(&["a", "b", "c"]);
        let first = assign(&keys, &[0, 0, 2], &Registry::default());
        let second = assign(&keys, &[0, 0, 2], &after(&keys, &first));
        assert_eq!(second.ids, first.ids);
        assert_eq!(second.events, []);
        assert_eq!((second.known_records, second.renamed_records), (3, 0));
    }

    #[test]
    fn a_new_record_takes_the_id_of_those_it_joins_even_where_its_key_is_smaller() {
        let before = keys(&["b", "c"]);
        let first = assign(&before, &[0, 0], &Registry::default());
        let now = keys(&["a", "b", "c"]);
        let second = assign(&now, &[0, 0, 0], &after(&before, &first));
        assert_eq!(second.ids[0], first.ids[0]);
        assert_eq!(second.events, []);
    }

    #[test]
    fn of_two_that_merge_the_larger_keeps_its_id_and_the_other_leads_to_it() {
        let keys = keys(&["a", "b", "c"]);
        let first = assign(&keys, &[0, 1, 1], &Registry::default());
        let second = assign(&keys, &[0, 0, 0], &after(&keys, &first));
        assert_eq!(second.ids, vec![first.ids[1].clone(); 3]);
        assert_eq!(
            second.events,
            [Event::Merged {
                id: first.ids[0].to_string(),
                into: first.ids[1].to_string()
            }]
        );
        assert_eq!(
            second.redirects[&*first.ids[0]],
            Some(first.ids[1].to_string())
        );
        assert_eq!(second.renamed_records, 1);
    }

    #[test]
    fn of_a_split_the_larger_part_keeps_the_id_and_the_other_gets_one_never_issued() {
        let keys = keys(&["a", "b", "c"]);
        let first = assign(&keys, &[0, 0, 0], &Registry::default());
        // the first record, whose hash the id is, leaves
        let second = assign(&keys, &[0, 1, 1], &after(&keys, &first));
        assert_eq!(second.ids[1], first.ids[0]);
        assert_ne!(second.ids[0], first.ids[0]);
        assert_eq!(
            second.events,
            [Event::Split {
                id: second.ids[0].to_string(),
                from: first.ids[0].to_string(),
                records: 1
            }]
        );
    }

    #[test]
    fn redirects_lead_to_the_living_through_every_merge() {
        let keys = keys(&["a", "b", "c", "d", "e", "f", "g"]);
        let first = assign(&keys, &[0, 1, 1, 3, 3, 3, 3], &Registry::default());
        let second = assign(&keys, &[0, 0, 0, 3, 3, 3, 3], &after(&keys, &first));
        let third = assign(&keys, &[0; 7], &after(&keys, &second));
        let living = Some(first.ids[3].to_string());
        assert_eq!(third.redirects[&*first.ids[0]], living);
        assert_eq!(third.redirects[&*first.ids[1]], living);
    }

    #[test]
    fn an_id_without_records_is_retired_and_never_issued_again() {
        let all = keys(&["a", "b"]);
        let first = assign(&all, &[0, 1], &Registry::default());
        let rest = keys(&["b"]);
        let second = assign(&rest, &[0], &after(&all, &first));
        assert_eq!(
            second.events,
            [Event::Retired {
                id: first.ids[0].to_string()
            }]
        );
        let third = assign(&all, &[0, 1], &after(&rest, &second));
        assert_ne!(third.ids[0], first.ids[0]);
        assert_eq!(third.redirects[&*first.ids[0]], None);
    }

    /// The cluster of each row by its lowest row, from any numbering of clusters.
    fn lowest(groups: &[u8]) -> Vec<u32> {
        let first = |group: &u8| groups.iter().position(|g| g == group).unwrap_or_default();
        groups.iter().map(|group| first(group) as u32).collect()
    }

    proptest! {
        #[test]
        fn every_id_ever_issued_resolves_and_none_names_two_clusters(
            nights in prop::collection::vec(prop::collection::vec(0u8..5, 8), 1..6),
        ) {
            let keys: Vec<String> = (0..8).map(|n| format!("r{n}")).collect();
            let mut registry = Registry::default();
            let mut issued: BTreeSet<String> = BTreeSet::new();
            for groups in nights {
                let clusters = lowest(&groups);
                let assigned = assign(&keys, &clusters, &registry);
                for one in 0..8 {
                    for other in 0..8 {
                        let is_one = clusters[one] == clusters[other];
                        prop_assert_eq!(assigned.ids[one] == assigned.ids[other], is_one);
                    }
                }
                issued.extend(assigned.ids.iter().map(ToString::to_string));
                for id in &issued {
                    let is_living = assigned.ids.iter().any(|living| **living == **id);
                    let leads_to = assigned.redirects.get(id);
                    prop_assert_eq!(is_living, leads_to.is_none());
                    if let Some(Some(heir)) = leads_to {
                        prop_assert!(assigned.ids.iter().any(|living| **living == **heir));
                    }
                }
                registry = after(&keys, &assigned);
            }
        }
    }
}
