//! Ids for life: new clusters take over the ids of the old ones that they share most records with.
//!
//! In: the cluster of every record now, and the registry: which id every record had, and every id ever issued. Out: an id
//! for every record, what happened, and where every id that is gone leads. The registry is input as much as the records are:
//! equal records and equal registry give equal ids.
//!
//! Pairs of an old id and a new cluster are taken by how many records they share, then by the share of the old id's
//! records, then the smaller id first; a cluster takes one id, an id goes to one cluster. A cluster without one gets the
//! hash of its first record's key, so that two rebuilds of the same records issue the same id.

use std::collections::{BTreeMap, BTreeSet, HashMap};

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
    pub(crate) ids: Vec<String>,
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
    let old: Vec<Option<&str>> = keys
        .iter()
        .map(|key| registry.ids.get(key).map(String::as_str))
        .collect();
    let taken = take_over(&old, cluster_of, registry);
    let mut issued: BTreeSet<&str> = registry.ids.values().map(String::as_str).collect();
    issued.extend(registry.redirects.keys().map(String::as_str));
    let mut sizes: BTreeMap<u32, u64> = BTreeMap::new();
    for cluster in cluster_of {
        *sizes.entry(*cluster).or_default() += 1;
    }
    let mut of_cluster: BTreeMap<u32, String> = BTreeMap::new();
    let mut fresh: BTreeSet<String> = BTreeSet::new();
    for cluster in sizes.keys() {
        let id = match taken.get(cluster) {
            Some(id) => (*id).to_string(),
            None => {
                let id = unused_id(&keys[*cluster as usize], &issued, &fresh);
                fresh.insert(id.clone());
                id
            }
        };
        of_cluster.insert(*cluster, id);
    }
    let id_of = |row: usize| {
        of_cluster
            .get(&cluster_of[row])
            .cloned()
            .unwrap_or_default()
    };
    let ids: Vec<String> = (0..keys.len()).map(id_of).collect();
    let mut assigned = Assigned {
        redirects: redirects(&old, &ids, registry),
        ..Assigned::default()
    };
    for (old, id) in old.iter().zip(&ids) {
        if let Some(old) = old {
            assigned.known_records += 1;
            assigned.renamed_records += u64::from(old != id);
        }
    }
    assigned.events = events(
        &old,
        &ids,
        &sizes,
        &of_cluster,
        &fresh,
        &assigned.redirects,
        registry,
    );
    assigned.ids = ids;
    assigned
}

/// Cluster → the old id that it goes on with.
fn take_over<'a>(
    old: &[Option<&'a str>],
    cluster_of: &[u32],
    registry: &'a Registry,
) -> BTreeMap<u32, &'a str> {
    let mut shared: BTreeMap<(&str, u32), u64> = BTreeMap::new();
    for (old, cluster) in old.iter().zip(cluster_of) {
        if let Some(old) = old {
            *shared.entry((old, *cluster)).or_default() += 1;
        }
    }
    let mut held: HashMap<&str, u64> = HashMap::new();
    for id in registry.ids.values() {
        *held.entry(id).or_default() += 1;
    }
    let mut overlaps: Vec<(u64, u64, &str, u32)> = shared
        .into_iter()
        .map(|((id, cluster), records)| (records, held.get(id).copied().unwrap_or(1), id, cluster))
        .collect();
    overlaps.sort_by(|a, b| {
        // more records first, then the greater share: a fraction compared crosswise
        b.0.cmp(&a.0)
            .then_with(|| (b.0 * a.1).cmp(&(a.0 * b.1)))
            .then_with(|| (a.2, a.3).cmp(&(b.2, b.3)))
    });
    let mut taken: BTreeMap<u32, &str> = BTreeMap::new();
    let mut used: BTreeSet<&str> = BTreeSet::new();
    for (_, _, id, cluster) in overlaps {
        if !taken.contains_key(&cluster) && used.insert(id) {
            taken.insert(cluster, id);
        }
    }
    taken
}

/// The hash of a key, and of the key with a number behind it while that was issued already.
fn unused_id(key: &str, issued: &BTreeSet<&str>, fresh: &BTreeSet<String>) -> String {
    let mut attempt = 0u32;
    loop {
        let mut hasher = blake3::Hasher::new();
        hasher.update(key.as_bytes());
        if attempt > 0 {
            hasher.update(&[0]);
            hasher.update(&attempt.to_le_bytes());
        }
        let id = format!("c_{}", &hasher.finalize().to_hex()[..20]);
        if !issued.contains(id.as_str()) && !fresh.contains(&id) {
            return id;
        }
        attempt += 1;
    }
}

/// Every id that is gone leads to the living id that has most of its records; chains are closed.
fn redirects(
    old: &[Option<&str>],
    ids: &[String],
    registry: &Registry,
) -> BTreeMap<String, Option<String>> {
    let living: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
    let mut moved: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for (old, id) in old.iter().zip(ids) {
        if let Some(old) = old.filter(|old| !living.contains(old)) {
            *moved.entry(old).or_default().entry(id).or_default() += 1;
        }
    }
    let mut gone: BTreeMap<String, Option<String>> = BTreeMap::new();
    for id in registry
        .ids
        .values()
        .filter(|id| !living.contains(id.as_str()))
    {
        let heirs = moved.get(id.as_str());
        // the first of those with most records: `max_by_key` gives the last
        let heir = heirs.and_then(|heirs| heirs.iter().rev().max_by_key(|(_, records)| **records));
        gone.insert(id.clone(), heir.map(|(id, _)| (*id).to_string()));
    }
    for (id, heir) in &registry.redirects {
        let next = heir.as_ref().and_then(|heir| match gone.get(heir) {
            Some(further) => further.clone(),
            None => Some(heir.clone()),
        });
        gone.insert(id.clone(), next);
    }
    gone
}

fn events(
    old: &[Option<&str>],
    ids: &[String],
    sizes: &BTreeMap<u32, u64>,
    of_cluster: &BTreeMap<u32, String>,
    fresh: &BTreeSet<String>,
    redirects: &BTreeMap<String, Option<String>>,
    registry: &Registry,
) -> Vec<Event> {
    // the old id that most records of a new one come from
    let mut origins: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for (old, id) in old.iter().zip(ids) {
        if let (Some(old), true) = (old, fresh.contains(id)) {
            *origins.entry(id).or_default().entry(old).or_default() += 1;
        }
    }
    let mut events = Vec::new();
    for (cluster, id) in of_cluster.iter().filter(|(_, id)| fresh.contains(*id)) {
        let records = sizes.get(cluster).copied().unwrap_or_default();
        let origin = origins.get(id.as_str());
        let origin = origin.and_then(|from| from.iter().rev().max_by_key(|(_, n)| **n));
        events.push(match origin {
            Some((from, _)) => Event::Split {
                id: id.clone(),
                from: (*from).to_string(),
                records,
            },
            None => Event::Created {
                id: id.clone(),
                records,
            },
        });
    }
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
    events.sort();
    events
}

#[cfg(test)]
mod tests {
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
                .zip(assigned.ids.iter().cloned())
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
                id: first.ids[0].clone(),
                into: first.ids[1].clone()
            }]
        );
        assert_eq!(second.redirects[&first.ids[0]], Some(first.ids[1].clone()));
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
                id: second.ids[0].clone(),
                from: first.ids[0].clone(),
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
        let living = Some(first.ids[3].clone());
        assert_eq!(third.redirects[&first.ids[0]], living);
        assert_eq!(third.redirects[&first.ids[1]], living);
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
                id: first.ids[0].clone()
            }]
        );
        let third = assign(&all, &[0, 1], &after(&rest, &second));
        assert_ne!(third.ids[0], first.ids[0]);
        assert_eq!(third.redirects[&first.ids[0]], None);
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
                issued.extend(assigned.ids.iter().cloned());
                for id in &issued {
                    let is_living = assigned.ids.contains(id);
                    let leads_to = assigned.redirects.get(id);
                    prop_assert_eq!(is_living, leads_to.is_none());
                    if let Some(Some(heir)) = leads_to {
                        prop_assert!(assigned.ids.contains(heir));
                    }
                }
                registry = after(&keys, &assigned);
            }
        }
    }
}
