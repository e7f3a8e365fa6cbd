//! Ids for life: new clusters take over the ids of the old ones that they share most records with.
//!
//! In: the cluster of every record now, and the registry: which id every record had, and every id ever issued. Out: an id
//! for every record, what happened, and where every id that is gone leads. The registry is input as much as the records are:
//! equal records and equal registry give equal ids.
//!
//! Pairs of an old id and a new cluster are taken by how many records they share, then by the share of the old id's
//! records, then the smaller id first; a cluster takes one id, an id goes to one cluster. A cluster without one gets the
//! hash of its first record's key, so that two rebuilds of the same records issue the same id.
//!
//! An id whose records were all lost leads nowhere. The record that it is the hash of brings it back: to a cluster without
//! an id it is the id again; where the cluster has one, it leads there.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::dictionary::{Encoding, MISSING, NumberedTexts};
use crate::parallel;

/// Which ids were issued, and to which records. A register has as many as there are records: texts lie end to end, and what
/// is asked of an id is asked by its number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registry {
    /// Keys of records.
    keys: NumberedTexts,
    /// By the number of a key: the number of the record's id.
    id_of: Vec<u32>,
    ids: NumberedTexts,
    /// Each id that is gone → the one that stands for it, if any.
    redirects: BTreeMap<String, Option<String>>,
}

impl Registry {
    /// The id of each record, by its key, and where ids lead that are gone.
    pub(crate) fn new<K: AsRef<str>, I: AsRef<str>>(
        records: impl Iterator<Item = (K, I)>,
        redirects: BTreeMap<String, Option<String>>,
    ) -> Self {
        let mut registry = Self {
            redirects,
            ..Self::default()
        };
        for (key, id) in records {
            let (id, _) = registry.ids.number(id.as_ref());
            match registry.keys.number(key.as_ref()) {
                (_, true) => registry.id_of.push(id),
                (known, false) => registry.id_of[known as usize] = id,
            }
        }
        registry
    }

    /// The same of two columns, on two threads.
    pub(crate) fn of_columns<'a>(
        records: impl Iterator<Item = &'a str> + Send,
        ids: impl Iterator<Item = Option<&'a str>>,
        redirects: BTreeMap<String, Option<String>>,
        threads: usize,
    ) -> Self {
        let numbered = || {
            let mut keys = Encoding::default();
            keys.push_all(records.map(Some));
            keys.into_numbers()
        };
        let ((records, keys), (of_records, ids)) = parallel::both(threads, numbered, || {
            let mut of_records = Encoding::default();
            of_records.push_all(ids);
            of_records.into_numbers()
        });
        let mut id_of = vec![MISSING; keys.len()];
        for (record, id) in records.into_iter().zip(of_records) {
            id_of[record as usize] = id;
        }
        Self {
            keys,
            id_of,
            ids,
            redirects,
        }
    }

    /// Records that have an id.
    pub(crate) fn records(&self) -> usize {
        self.id_of.len()
    }

    /// The number of the id that a record has: equal ids, equal numbers.
    pub(crate) fn id_of(&self, key: &str) -> Option<u32> {
        let key = self.keys.find(key)?;
        Some(self.id_of[key as usize]).filter(|id| *id != MISSING)
    }

    /// The number of the lost id that was the hash of a key: of several that it gave, of the last.
    fn lost_id_of(&mut self, key: &str) -> Option<u32> {
        let mut lost = None;
        for attempt in 0.. {
            let id = id_of_key(key, attempt);
            let text = std::str::from_utf8(&id).unwrap_or_default();
            match self.redirects.get(text) {
                Some(None) => lost = Some(id),
                Some(Some(_)) => {}
                None if self.ids.find(text).is_some() => {}
                None => break,
            }
        }
        let id = lost?;
        let text = std::str::from_utf8(&id).unwrap_or_default();
        Some(self.ids.number(text).0)
    }

    /// Gives out an id that was never issued: the hash of a key, and of the key with a number behind it while that was.
    /// `first`: what [`id_of_key`] gives at the first attempt.
    fn issue(&mut self, key: &str, first: IdText) -> u32 {
        let (mut id, mut attempt) = (first, 0);
        loop {
            let text = std::str::from_utf8(&id).unwrap_or_default();
            if !self.redirects.contains_key(text)
                && let (number, true) = self.ids.number(text)
            {
                return number;
            }
            attempt += 1;
            id = id_of_key(key, attempt);
        }
    }
}

/// An id as it is written.
type IdText = [u8; 22];

/// The id that a key gives at some attempt.
fn id_of_key(key: &str, attempt: u32) -> IdText {
    let mut hasher = blake3::Hasher::new();
    hasher.update(key.as_bytes());
    if attempt > 0 {
        hasher.update(&[0]);
        hasher.update(&attempt.to_le_bytes());
    }
    let mut id = *b"c_00000000000000000000";
    let hex = hasher.finalize().to_hex();
    let letters = hex.as_bytes().iter();
    for (to, from) in id.iter_mut().skip(2).zip(letters) {
        *to = *from;
    }
    id
}

/// Something that happened to an id; ids by their numbers in the [`Assigned`] that tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    /// Issued, to so many records.
    Created { id: u32, records: u64 },
    /// All of its records belong to another id now, or are gone.
    Merged { id: u32, into: u32 },
    /// Issued to records that had another id, which lives on without them.
    Split { id: u32, from: u32, records: u64 },
    /// Its records were lost and are there again, so many now.
    Restored { id: u32, records: u64 },
    /// None of its records is left.
    Retired { id: u32 },
}

/// The outcome.
#[derive(Debug, Default)]
pub(crate) struct Assigned {
    /// Every id that was issued to a record, now or before.
    names: NumberedTexts,
    /// By row: the number of its id.
    ids: Vec<u32>,
    /// Different ids among them.
    pub(crate) entities: u64,
    /// By kind, then by id.
    pub(crate) events: Vec<Event>,
    /// Every id that is gone, each leading to one that lives, or nowhere.
    pub(crate) redirects: BTreeMap<String, Option<String>>,
    /// Records that had an id before.
    pub(crate) known_records: u64,
    /// Those among them whose id is another now.
    pub(crate) renamed_records: u64,
}

impl Assigned {
    /// The id of each row.
    pub(crate) fn ids(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.ids.iter().map(|id| self.name(*id))
    }

    /// The id of a number.
    pub(crate) fn name(&self, id: u32) -> &str {
        self.names.text(id)
    }
}

/// Gives every record the id of its cluster. `cluster_of` names a cluster by its lowest row; rows are in order of `keys`.
pub(crate) fn assign<K: AsRef<str> + Sync>(
    keys: &[K],
    cluster_of: &[u32],
    mut registry: Registry,
    threads: usize,
) -> Assigned {
    const AT_A_TIME: usize = 1 << 14;
    let chunks: Vec<&[K]> = keys.chunks(AT_A_TIME).collect();
    let old = parallel::map(threads, &chunks, |keys| {
        let old = keys.iter().map(|key| registry.id_of(key.as_ref()));
        old.collect::<Vec<Option<u32>>>()
    });
    let old = old.concat();
    let known = registry.ids.len();
    let moves = moves(&old, cluster_of);
    let taken = take_over(&moves, keys.len(), &registry);
    registry.keys = NumberedTexts::default();
    registry.id_of = Vec::new();
    let mut is_living = vec![false; known];
    for id in taken.iter().flatten() {
        is_living[*id as usize] = true;
    }
    let mut of_cluster = taken;
    let lost = lost_ids(keys, &old, &mut registry);
    let mut restored: BTreeSet<u32> = BTreeSet::new();
    for (row, id) in &lost {
        let of_cluster = &mut of_cluster[cluster_of[*row as usize] as usize];
        if of_cluster.is_none() && restored.insert(*id) {
            *of_cluster = Some(*id);
        }
    }
    // clusters are named by their lowest rows, and so come in the order in which their ids are given out
    let rows = cluster_of.iter().zip(0..);
    let fresh = rows.filter(|(cluster, row)| **cluster == *row);
    let fresh = fresh.map(|(_, row)| row);
    let fresh: Vec<u32> = fresh
        .filter(|row| of_cluster[*row as usize].is_none())
        .collect();
    let chunks: Vec<&[u32]> = fresh.chunks(AT_A_TIME).collect();
    let hashed = parallel::map(threads, &chunks, |rows| {
        let ids = rows.iter();
        let ids = ids.map(|row| id_of_key(keys[*row as usize].as_ref(), 0));
        ids.collect::<Vec<IdText>>()
    });
    for (row, first) in fresh.iter().zip(hashed.into_iter().flatten()) {
        let row = *row as usize;
        of_cluster[row] = Some(registry.issue(keys[row].as_ref(), first));
    }
    let rows = cluster_of.iter();
    let rows = rows.map(|cluster| of_cluster[*cluster as usize].unwrap_or(MISSING));
    let ids: Vec<u32> = rows.collect();
    let moves = Moves {
        all: &moves,
        ids: &ids,
        names: &registry.ids,
    };
    let gone = gone(&moves, &is_living);
    let found = lost.iter().map(|(row, id)| (*id, ids[*row as usize]));
    let found: BTreeMap<u32, u32> = found.filter(|(id, heir)| id != heir).collect();
    let mut events = new_ids(&moves, cluster_of, known, &restored);
    let entities = cluster_of.iter().zip(0..).filter(|(c, row)| **c == *row);
    let entities = entities.count() as u64;
    let is_told = |id: u32| registry.redirects.contains_key(registry.ids.text(id));
    let told = gone.iter().filter(|(id, _)| !is_told(**id));
    events.extend(told.map(|(id, heir)| match *heir {
        Some(into) => Event::Merged { id: *id, into },
        None => Event::Retired { id: *id },
    }));
    let led = found.iter().map(|(id, into)| (*id, *into));
    events.extend(led.map(|(id, into)| Event::Merged { id, into }));
    sort(&mut events, &registry.ids);
    let renamed = old.iter().zip(&ids).filter(|(old, id)| match old {
        Some(old) => old != *id,
        None => false,
    });
    Assigned {
        entities,
        events,
        redirects: redirects(&gone, &restored, &found, &registry),
        known_records: old.iter().flatten().count() as u64,
        renamed_records: renamed.count() as u64,
        names: registry.ids,
        ids,
    }
}

/// Lost ids that records bring back which had none before, each with the row of the record.
fn lost_ids<K: AsRef<str>>(
    keys: &[K],
    old: &[Option<u32>],
    registry: &mut Registry,
) -> Vec<(u32, u32)> {
    if registry.redirects.values().all(Option::is_some) {
        return Vec::new();
    }
    let came = old.iter().zip(0_u32..).filter(|(old, _)| old.is_none());
    let lost = came.filter_map(|(_, row)| {
        let id = registry.lost_id_of(keys[row as usize].as_ref())?;
        Some((row, id))
    });
    lost.collect()
}

/// Sorts events. There is one for every person of a first build, and a look at the text of each, again and again, would take
/// longer than all else: first comes a number that nearly always decides.
fn sort(events: &mut [Event], names: &NumberedTexts) {
    let kind_and_id = |event: &Event| match *event {
        Event::Created { id, .. } => (0_u8, id),
        Event::Merged { id, .. } => (1, id),
        Event::Split { id, .. } => (2, id),
        Event::Restored { id, .. } => (3, id),
        Event::Retired { id } => (4, id),
    };
    let number = |event: &Event| {
        let (kind, id) = kind_and_id(event);
        let mut first = [0; 16];
        for (to, from) in first.iter_mut().zip(names.text(id).bytes()) {
            *to = from;
        }
        (kind, u128::from_be_bytes(first))
    };
    events.sort_by_cached_key(number);
    for alike in events.chunk_by_mut(|one, other| number(one) == number(other)) {
        // nothing happens to one id twice
        alike.sort_by(|one, other| {
            let text = |event: &Event| names.text(kind_and_id(event).1);
            text(one).cmp(text(other))
        });
    }
}

/// Records that went from an old id to a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Move {
    from: u32,
    cluster: u32,
    records: u64,
}

/// What moved, by the old id and the cluster, and the ids that clusters have now.
struct Moves<'a> {
    all: &'a [Move],
    /// By row, and so by cluster, which is named by a row of it.
    ids: &'a [u32],
    names: &'a NumberedTexts,
}

fn moves(old: &[Option<u32>], cluster_of: &[u32]) -> Vec<Move> {
    let rows = old.iter().zip(cluster_of);
    let rows = rows.filter_map(|(old, cluster)| Some(((*old)?, *cluster)));
    let mut rows: Vec<(u32, u32)> = rows.collect();
    rows.sort_unstable();
    let moves = rows.chunk_by(|one, other| one == other);
    let moves = moves.map(|same| Move {
        from: same[0].0,
        cluster: same[0].1,
        records: same.len() as u64,
    });
    moves.collect()
}

/// By cluster: the old id that it goes on with.
fn take_over(moves: &[Move], rows: usize, registry: &Registry) -> Vec<Option<u32>> {
    let mut held: Vec<u64> = vec![0; registry.ids.len()];
    for id in registry.id_of.iter().filter(|id| **id != MISSING) {
        held[*id as usize] += 1;
    }
    let held = |moved: &Move| held[moved.from as usize];
    let name = |moved: &Move| registry.ids.text(moved.from);
    let mut taken: Vec<Option<u32>> = vec![None; rows];
    let mut is_used = vec![false; registry.ids.len()];
    // of an id that went to one cluster, which nobody else came to, there is nothing to decide; that is nearly every one
    let (mut of_id, mut to_cluster) = (vec![0_u32; registry.ids.len()], vec![0_u32; rows]);
    for moved in moves {
        of_id[moved.from as usize] += 1;
        to_cluster[moved.cluster as usize] += 1;
    }
    let is_alone =
        |moved: &Move| of_id[moved.from as usize] == 1 && to_cluster[moved.cluster as usize] == 1;
    for moved in moves.iter().filter(|moved| is_alone(moved)) {
        is_used[moved.from as usize] = true;
        taken[moved.cluster as usize] = Some(moved.from);
    }
    let overlaps = moves.iter().filter(|moved| !is_alone(moved)).copied();
    let mut overlaps: Vec<Move> = overlaps.collect();
    overlaps.sort_unstable_by(|a, b| {
        // more records first, then the greater share: a fraction compared crosswise
        b.records
            .cmp(&a.records)
            .then_with(|| (b.records * held(a)).cmp(&(a.records * held(b))))
            .then_with(|| name(a).cmp(name(b)))
            .then_with(|| a.cluster.cmp(&b.cluster))
    });
    for moved in overlaps {
        let (id, cluster) = (moved.from, moved.cluster as usize);
        if taken[cluster].is_none() && !is_used[id as usize] {
            is_used[id as usize] = true;
            taken[cluster] = Some(id);
        }
    }
    taken
}

/// Ids that are gone now, each with the living id that has most of its records, of several the smallest.
fn gone(moves: &Moves<'_>, is_living: &[bool]) -> BTreeMap<u32, Option<u32>> {
    let ids = (0..).zip(is_living).filter(|(_, is_living)| !**is_living);
    let mut gone: BTreeMap<u32, Option<u32>> = ids.map(|(id, _)| (id, None)).collect();
    for moved in moves.all.chunk_by(|one, other| one.from == other.from) {
        let Some(heir) = gone.get_mut(&moved[0].from) else {
            continue;
        };
        let heirs = moved.iter();
        let heirs = heirs.map(|moved| (moved.records, moves.ids[moved.cluster as usize]));
        let name = |id: u32| moves.names.text(id);
        let most = heirs.max_by(|a, b| a.0.cmp(&b.0).then_with(|| name(b.1).cmp(name(a.1))));
        *heir = most.map(|(_, id)| id);
    }
    gone
}

/// Every id that is gone leads to a living one, or nowhere; chains are closed. Of lost ones those that are back lead nowhere
/// else, and those `found` lead to the id that has their record.
fn redirects(
    gone: &BTreeMap<u32, Option<u32>>,
    restored: &BTreeSet<u32>,
    found: &BTreeMap<u32, u32>,
    registry: &Registry,
) -> BTreeMap<String, Option<String>> {
    let name = |id: u32| registry.ids.text(id).to_string();
    let now = gone.iter().map(|(id, heir)| (name(*id), heir.map(name)));
    let mut all: BTreeMap<String, Option<String>> = now.collect();
    let is_restored = |id: &str| {
        let number = registry.ids.find(id);
        number.is_some_and(|number| restored.contains(&number))
    };
    let before = registry.redirects.iter();
    for (id, heir) in before.filter(|(id, _)| !is_restored(id)) {
        let next = heir.as_ref().and_then(|heir| match all.get(heir) {
            Some(further) => further.clone(),
            None => Some(heir.clone()),
        });
        all.insert(id.clone(), next);
    }
    let found = found.iter();
    all.extend(found.map(|(id, heir)| (name(*id), Some(name(*heir)))));
    all
}

/// What is told of clusters that got a new id, of a number that is none of the `known` ones, or one that is back.
fn new_ids(
    moves: &Moves<'_>,
    cluster_of: &[u32],
    known: usize,
    restored: &BTreeSet<u32>,
) -> Vec<Event> {
    let is_new = |cluster: u32| moves.ids[cluster as usize] as usize >= known;
    // the old id that most records of a new one come from, of several the smallest
    let mut origins: HashMap<u32, &Move> = HashMap::new();
    for moved in moves.all.iter().filter(|moved| is_new(moved.cluster)) {
        let best = origins.entry(moved.cluster).or_insert(moved);
        let name = |moved: &Move| moves.names.text(moved.from);
        let more = moved.records.cmp(&best.records);
        if more.then_with(|| name(best).cmp(name(moved))).is_gt() {
            *best = moved;
        }
    }
    let mut sizes: Vec<u64> = vec![0; cluster_of.len()];
    for cluster in cluster_of {
        sizes[*cluster as usize] += 1;
    }
    let clusters = (0..).zip(sizes);
    let fresh = clusters.filter(|(cluster, records)| *records > 0 && is_new(*cluster));
    let events = fresh.map(|(cluster, records)| {
        let id = moves.ids[cluster as usize];
        if restored.contains(&id) {
            return Event::Restored { id, records };
        }
        match origins.get(&cluster) {
            Some(moved) => Event::Split {
                id,
                from: moved.from,
                records,
            },
            None => Event::Created { id, records },
        }
    });
    events.collect()
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
        Registry::new(keys.iter().zip(assigned.ids()), assigned.redirects.clone())
    }

    fn ids(assigned: &Assigned) -> Vec<&str> {
        assigned.ids().collect()
    }

    /// What happened, in words.
    fn told(assigned: &Assigned) -> Vec<String> {
        let name = |id: u32| assigned.name(id);
        let events = assigned.events.iter().map(|event| match *event {
            Event::Created { id, records } => format!("{} of {records}", name(id)),
            Event::Merged { id, into } => format!("{} into {}", name(id), name(into)),
            Event::Split { id, from, records } => {
                format!("{} from {} of {records}", name(id), name(from))
            }
            Event::Restored { id, records } => format!("{} back, of {records}", name(id)),
            Event::Retired { id } => format!("{} retired", name(id)),
        });
        events.collect()
    }

    #[test]
    fn a_second_run_over_the_same_clusters_changes_nothing() {
        let keys = keys(&["a", "b", "c"]);
        let first = assign(&keys, &[0, 0, 2], Registry::default(), 2);
        let second = assign(&keys, &[0, 0, 2], after(&keys, &first), 2);
        assert_eq!(ids(&second), ids(&first));
        assert_eq!(second.events, []);
        assert_eq!((second.known_records, second.renamed_records), (3, 0));
    }

    #[test]
    fn a_new_record_takes_the_id_of_those_it_joins_even_where_its_key_is_smaller() {
        let before = keys(&["b", "c"]);
        let first = assign(&before, &[0, 0], Registry::default(), 2);
        let now = keys(&["a", "b", "c"]);
        let second = assign(&now, &[0, 0, 0], after(&before, &first), 2);
        assert_eq!(ids(&second)[0], ids(&first)[0]);
        assert_eq!(second.events, []);
    }

    #[test]
    fn of_two_that_merge_the_larger_keeps_its_id_and_the_other_leads_to_it() {
        let keys = keys(&["a", "b", "c"]);
        let first = assign(&keys, &[0, 1, 1], Registry::default(), 2);
        let second = assign(&keys, &[0, 0, 0], after(&keys, &first), 2);
        let names = ids(&first);
        assert_eq!(ids(&second), [names[1]; 3]);
        assert_eq!(told(&second), [format!("{} into {}", names[0], names[1])]);
        assert_eq!(second.redirects[names[0]].as_deref(), Some(names[1]));
        assert_eq!(second.renamed_records, 1);
    }

    #[test]
    fn of_a_split_the_larger_part_keeps_the_id_and_the_other_gets_one_never_issued() {
        let keys = keys(&["a", "b", "c"]);
        let first = assign(&keys, &[0, 0, 0], Registry::default(), 2);
        // the first record, whose hash the id is, leaves
        let second = assign(&keys, &[0, 1, 1], after(&keys, &first), 2);
        let (was, is) = (ids(&first)[0], ids(&second));
        assert_eq!(is[1], was);
        assert_ne!(is[0], was);
        assert_eq!(told(&second), [format!("{} from {was} of 1", is[0])]);
    }

    #[test]
    fn redirects_lead_to_the_living_through_every_merge() {
        let keys = keys(&["a", "b", "c", "d", "e", "f", "g"]);
        let first = assign(&keys, &[0, 1, 1, 3, 3, 3, 3], Registry::default(), 2);
        let second = assign(&keys, &[0, 0, 0, 3, 3, 3, 3], after(&keys, &first), 2);
        let third = assign(&keys, &[0; 7], after(&keys, &second), 2);
        let names = ids(&first);
        let living = Some(names[3]);
        assert_eq!(third.redirects[names[0]].as_deref(), living);
        assert_eq!(third.redirects[names[1]].as_deref(), living);
    }

    #[test]
    fn an_id_without_records_is_retired_until_its_records_are_there_again() {
        let all = keys(&["a", "b"]);
        let first = assign(&all, &[0, 1], Registry::default(), 2);
        let rest = keys(&["b"]);
        let second = assign(&rest, &[0], after(&all, &first), 2);
        let was = ids(&first)[0];
        assert_eq!(told(&second), [format!("{was} retired")]);
        let third = assign(&all, &[0, 1], after(&rest, &second), 2);
        assert_eq!(ids(&third), ids(&first));
        assert_eq!(told(&third), [format!("{was} back, of 1")]);
        assert!(third.redirects.is_empty());
        assert_eq!((third.known_records, third.renamed_records), (1, 0));
    }

    #[test]
    fn a_lost_id_goes_to_its_own_records_alone_whoever_stands_beside_them() {
        let all = keys(&["b", "c", "d"]);
        let first = assign(&all, &[0, 0, 2], Registry::default(), 2);
        let (was, other) = (ids(&first)[0], ids(&first)[2]);
        let rest = keys(&["d"]);
        let second = assign(&rest, &[0], after(&all, &first), 2);
        let lost = || after(&rest, &second);
        // a stranger before them in order takes nothing away
        let more = keys(&["a", "b", "c", "d"]);
        let third = assign(&more, &[0, 0, 0, 3], lost(), 2);
        assert_eq!(ids(&third), [was, was, was, other]);
        // of two that were lost and are one now, both lead to the one
        let rest = keys(&["x"]);
        let none = assign(&rest, &[0], after(&all, &first), 2);
        let joined = assign(&keys(&["b", "d", "x"]), &[0, 0, 2], after(&rest, &none), 2);
        assert_eq!(ids(&joined)[..2], [was, was]);
        assert_eq!(joined.redirects[other].as_deref(), Some(was));
        // and where a living one has them, the lost id leads there
        let joined = assign(&keys(&["b", "d"]), &[0, 0], lost(), 2);
        assert_eq!(ids(&joined), [other, other]);
        assert_eq!(joined.redirects[was].as_deref(), Some(other));
        assert_eq!(told(&joined), [format!("{was} into {other}")]);
    }

    /// The cluster of each row by its lowest row, from any numbering of clusters.
    fn lowest(groups: &[u8]) -> Vec<u32> {
        let first = |group: &u8| groups.iter().position(|g| g == group).unwrap_or_default();
        groups.iter().map(|group| first(group) as u32).collect()
    }

    proptest! {
        #[test]
        fn every_id_ever_issued_resolves_and_none_names_two_clusters(
            nights in prop::collection::vec(prop::collection::vec((0u8..5, 0u8..4), 8), 1..6),
        ) {
            let mut registry = Registry::default();
            let mut issued: BTreeSet<String> = BTreeSet::new();
            for night in nights {
                // some records are lost for a night, or for some
                let there = (0..).zip(&night).filter(|(_, (_, lost))| *lost > 0);
                let there: Vec<(u8, u8)> = there.map(|(n, (group, _))| (n, *group)).collect();
                let keys: Vec<String> = there.iter().map(|(n, _)| format!("r{n}")).collect();
                let groups: Vec<u8> = there.iter().map(|(_, group)| *group).collect();
                let clusters = lowest(&groups);
                let assigned = assign(&keys, &clusters, registry, 2);
                let ids = ids(&assigned);
                for one in 0..keys.len() {
                    for other in 0..keys.len() {
                        let is_one = clusters[one] == clusters[other];
                        prop_assert_eq!(ids[one] == ids[other], is_one);
                    }
                }
                issued.extend(ids.iter().map(ToString::to_string));
                for id in &issued {
                    let is_living = ids.contains(&id.as_str());
                    let leads_to = assigned.redirects.get(id);
                    prop_assert_eq!(is_living, leads_to.is_none());
                    if let Some(Some(heir)) = leads_to {
                        prop_assert!(ids.contains(&heir.as_str()));
                    }
                }
                registry = after(&keys, &assigned);
            }
        }
    }
}
