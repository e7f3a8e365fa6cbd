//! Ids for life: new clusters take over the ids of the old ones that they share most records with.
//!
//! In: the cluster of every record now, and the registry: which id every record had, and every id ever issued. Out: an id
//! for every record, what happened, and where every id that is gone leads. The registry is input as much as the records are:
//! equal records and equal registry give equal ids.
//!
//! Pairs of an old id and a new cluster are taken by how many records they share, then by the share of the old id's
//! records, then the id that was issued earlier, the cluster with the record that the id was made of, of several the first; a cluster
//! takes one id, an id goes to one cluster. A cluster without one gets the hash of its first record's key, so that two rebuilds of
//! the same records issue the same id. So halves that were joined, or parted, for a night are who they were the night after.
//!
//! An id whose records were all lost leads nowhere, and the hashes of their keys are kept. Should any of them come back, they vote for
//! it as the records of any old id do, behind those of ids that live: to a cluster without an id it is the id again; where the cluster has
//! one, it leads there. Ids that were merged into it follow.
//!
//! Of records that leave an id which theirs was merged into, the one that it was made of takes it along: what was merged by
//! mistake and is parted again has its own id.

mod claims;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use claims::{Claims, Move, moves};

use super::dictionary::{Encoding, MISSING, NumberedTexts};
use super::redirect::{Redirect, Redirects, hash_of_id};
use crate::parallel;

pub(crate) use claims::IssuedAt;

/// Which ids were issued, and to which records. A register has as many as there are records: texts lie end to end, and what
/// is asked of an id is asked by its number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registry {
    /// Keys of records.
    keys: NumberedTexts,
    /// By the number of a key: the number of the record's id.
    id_of: Vec<u32>,
    ids: NumberedTexts,
    /// Ids that are gone.
    redirects: Redirects,
    /// By the hash of the key of a record that is lost with all of its person: the number of their id.
    lost: HashMap<IdText, u32>,
}

impl Registry {
    /// The id of each record, by its key, and where ids lead that are gone.
    pub(crate) fn new<K: AsRef<str>, I: AsRef<str>>(
        records: impl Iterator<Item = (K, I)>,
        redirects: Redirects,
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
        registry.number_lost();
        registry
    }

    /// Numbers the ids that are lost, by their records.
    fn number_lost(&mut self) {
        for (id, to) in &self.redirects {
            let Redirect::Lost { id: lost, records } = to else {
                continue;
            };
            if lost != id || records.is_empty() {
                continue;
            }
            let (id, _) = self.ids.number(id);
            let hashes = records.iter().filter_map(|record| text_of_hash(record));
            self.lost.extend(hashes.map(|hash| (hash, id)));
        }
    }

    /// The same of two columns, on two threads.
    pub(crate) fn of_columns<'a>(
        records: impl Iterator<Item = &'a str> + Send,
        ids: impl Iterator<Item = Option<&'a str>>,
        redirects: Redirects,
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
        let mut registry = Self {
            keys,
            id_of,
            ids,
            redirects,
            lost: HashMap::new(),
        };
        registry.number_lost();
        registry
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

    /// Whether an id is another's already.
    fn was_issued(&self, id: &str) -> bool {
        self.redirects.contains_key(id) || self.ids.find(id).is_some()
    }

    /// The ids that a key gave, in the order in which it did.
    fn ids_of_key(&self, key: &str) -> impl Iterator<Item = IdText> {
        let ids = (0..).map(|attempt| id_of_key(key, attempt));
        ids.take_while(|id| self.was_issued(text_of(id)))
    }

    /// The number of the lost id that a record had.
    fn lost_id_of(&self, key: &str) -> Option<u32> {
        match self.lost.is_empty() {
            true => None,
            false => self.lost.get(&id_of_key(key, 0)).copied(),
        }
    }

    /// Ids of which no record is left: the hashes of the keys of all that they had.
    fn last_records(&self, moves: &[Move]) -> BTreeMap<u32, BTreeSet<String>> {
        let mut is_left = vec![false; self.ids.len()];
        for moved in moves {
            is_left[moved.from as usize] = true;
        }
        let records = self.id_of.iter().zip(0..);
        let gone = records.filter(|(id, _)| is_left.get(**id as usize) == Some(&false));
        let mut last: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
        for (id, key) in gone {
            let given = id_of_key(self.keys.text(key), 0);
            let hash = hash_of_id(text_of(&given)).map(str::to_string);
            last.entry(*id).or_default().extend(hash);
        }
        last
    }

    /// By the number of an id: how many records it has.
    fn records_of_ids(&self) -> Vec<u32> {
        let mut held = vec![0; self.ids.len()];
        for id in self.id_of.iter().filter(|id| **id != MISSING) {
            held[*id as usize] += 1;
        }
        held
    }

    /// The id that a key gave, which was merged into one that lives under this number.
    fn merged_into(&self, key: &str, id: u32) -> Option<IdText> {
        let into = self.ids.text(id);
        let leads_there = |given: &IdText| {
            let to = self.redirects.get(text_of(given));
            to.and_then(Redirect::to) == Some(into)
        };
        self.ids_of_key(key).filter(leads_there).last()
    }

    /// Forgets the records: their ids alone are asked for from here on.
    fn forget_records(&mut self) {
        self.keys = NumberedTexts::default();
        self.id_of = Vec::new();
    }

    /// Gives out an id that was never issued: the hash of a key, and of the key with a number behind it while that was.
    /// `first`: what [`id_of_key`] gives at the first attempt.
    fn issue(&mut self, key: &str, first: IdText) -> u32 {
        let (mut id, mut attempt) = (first, 0);
        loop {
            let text = text_of(&id);
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

fn text_of(id: &IdText) -> &str {
    std::str::from_utf8(id).unwrap_or_default()
}

/// The id of a hash; `None` for what is none.
fn text_of_hash(hash: &str) -> Option<IdText> {
    format!("c_{hash}").into_bytes().try_into().ok()
}

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
    /// Lives on, with so many records that had another id, or none.
    Absorbed {
        id: u32,
        from: Option<u32>,
        records: u64,
    },
    /// Lives on, without so many records that have another id now, or are gone.
    Lost {
        id: u32,
        into: Option<u32>,
        records: u64,
    },
}

impl Event {
    /// The id that it happened to, and the other one.
    fn ids(self) -> (u32, Option<u32>) {
        match self {
            Self::Created { id, .. } | Self::Restored { id, .. } | Self::Retired { id } => {
                (id, None)
            }
            Self::Merged { id, into } => (id, Some(into)),
            Self::Split { id, from, .. } => (id, Some(from)),
            Self::Absorbed { id, from, .. } => (id, from),
            Self::Lost { id, into, .. } => (id, into),
        }
    }
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
    pub(crate) redirects: Redirects,
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
    #[inline]
    pub(crate) fn name(&self, id: u32) -> &str {
        self.names.text(id)
    }
}

/// Records whose ids are worked out at a time.
const AT_A_TIME: usize = 1 << 14;

/// Gives every record the id of its cluster. `cluster_of` names a cluster by its lowest row; rows are in order of `keys`.
pub(crate) fn assign<K: AsRef<str> + Sync>(
    keys: &[K],
    cluster_of: &[u32],
    mut registry: Registry,
    issued_at: &IssuedAt<'_>,
    threads: usize,
) -> Assigned {
    let old = ids_before(keys, &registry, threads);
    let known = registry.ids.len();
    let moves = moves(&old, cluster_of);
    let mut claims = Claims::of(&moves, keys, &old, cluster_of, &registry);
    let mut of_cluster = claims.settle(&registry, issued_at);
    let last_records = registry.last_records(&moves);
    let held = registry.records_of_ids();
    registry.forget_records();
    take_along(keys, &old, cluster_of, &mut of_cluster, &mut registry);
    issue_missing(keys, cluster_of, &mut of_cluster, &mut registry, threads);
    let rows = cluster_of.iter();
    let rows = rows.map(|cluster| of_cluster[*cluster as usize].unwrap_or(MISSING));
    let ids: Vec<u32> = rows.collect();
    let followed = followed(keys, &old, &ids, &mut registry);
    let mut is_living = vec![false; registry.ids.len()];
    for id in of_cluster.iter().flatten() {
        is_living[*id as usize] = true;
    }
    let moves = Moves {
        all: &moves,
        ids: &ids,
        names: &registry.ids,
    };
    let change = Change {
        gone: gone(&moves, &is_living[..known], &claims),
        last_records,
        followed,
        restored: registry
            .lost
            .values()
            .copied()
            .filter(|id| is_living[*id as usize])
            .collect(),
    };
    let mut events = new_ids(&moves, cluster_of, known, &change.restored);
    events.extend(change.gone_ids(&registry));
    events.extend(change.moved_records(held, &old, &ids, &is_living));
    sort(&mut events, &registry.ids);
    let clusters = cluster_of.iter().zip(0..).filter(|(c, row)| **c == *row);
    let renamed = old.iter().zip(&ids);
    let renamed = renamed.filter(|(old, id)| old.is_some_and(|old| old != **id));
    Assigned {
        entities: clusters.count() as u64,
        events,
        redirects: change.redirects(&registry, &is_living),
        known_records: old.iter().flatten().count() as u64,
        renamed_records: renamed.count() as u64,
        names: registry.ids,
        ids,
    }
}

/// By row: the id that it had before, or was lost with.
fn ids_before<K: AsRef<str> + Sync>(
    keys: &[K],
    registry: &Registry,
    threads: usize,
) -> Vec<Option<u32>> {
    let chunks: Vec<&[K]> = keys.chunks(AT_A_TIME).collect();
    let old = parallel::map(threads, &chunks, |keys| {
        let old = keys.iter().map(AsRef::as_ref);
        let old = old.map(|key| registry.id_of(key).or_else(|| registry.lost_id_of(key)));
        old.collect::<Vec<Option<u32>>>()
    });
    old.concat()
}

/// Gives clusters that left an id the one that a record of theirs was made for, where it was merged into that which they left.
fn take_along<K: AsRef<str>>(
    keys: &[K],
    old: &[Option<u32>],
    cluster_of: &[u32],
    of_cluster: &mut [Option<u32>],
    registry: &mut Registry,
) {
    for ((key, old), cluster) in keys.iter().zip(old).zip(cluster_of) {
        let of_cluster = &mut of_cluster[*cluster as usize];
        let (None, Some(old)) = (&of_cluster, *old) else {
            continue;
        };
        if let Some(id) = registry.merged_into(key.as_ref(), old) {
            *of_cluster = Some(registry.ids.number(text_of(&id)).0);
        }
    }
}

/// Ids that are gone and follow the record that they were made of, from the id that they were merged into to another.
fn followed<K: AsRef<str>>(
    keys: &[K],
    old: &[Option<u32>],
    ids: &[u32],
    registry: &mut Registry,
) -> BTreeMap<u32, u32> {
    let rows = keys.iter().zip(old).zip(ids);
    let moved = rows.filter_map(|((key, old), id)| {
        let old = (*old).filter(|old| old != id)?;
        let given = registry.merged_into(key.as_ref(), old)?;
        let (given, _) = registry.ids.number(text_of(&given));
        (given != *id).then_some((given, *id))
    });
    moved.collect()
}

/// Issues an id to every cluster that has none.
fn issue_missing<K: AsRef<str> + Sync>(
    keys: &[K],
    cluster_of: &[u32],
    of_cluster: &mut [Option<u32>],
    registry: &mut Registry,
    threads: usize,
) {
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
}

/// What became of ids that are gone, and of those that were.
struct Change {
    /// Gone now, or still, each with the living id that has most of its records.
    gone: BTreeMap<u32, Option<u32>>,
    /// Of those whose records are all lost now: the hashes of their keys.
    last_records: BTreeMap<u32, BTreeSet<String>>,
    /// Gone before, each with the id that has the record which it was made of, and had not.
    followed: BTreeMap<u32, u32>,
    /// Lost ids that are back.
    restored: BTreeSet<u32>,
}

impl Change {
    /// What is told of ids that lead elsewhere, or nowhere, from now on.
    fn gone_ids(&self, registry: &Registry) -> Vec<Event> {
        let was_lost = |id: u32| registry.redirects.contains_key(registry.ids.text(id));
        let gone = self.gone.iter().map(|(id, heir)| (*id, *heir));
        let gone = gone.filter_map(|(id, heir)| match heir {
            Some(into) => Some(Event::Merged { id, into }),
            None => (!was_lost(id)).then_some(Event::Retired { id }),
        });
        let followed = self.followed.iter();
        let followed = followed.map(|(id, into)| Event::Merged {
            id: *id,
            into: *into,
        });
        gone.chain(followed).collect()
    }

    /// What ids that lived before and live on got, and what they gave away. `held`: by id, the records that it had before; `old`
    /// and `ids`: by row, the id before and now. What an id got of one that was merged into it, the merger tells.
    fn moved_records(
        &self,
        mut held: Vec<u32>,
        old: &[Option<u32>],
        ids: &[u32],
        is_living: &[bool],
    ) -> Vec<Event> {
        let lived = |held: &[u32], id: u32| held.get(id as usize).is_some_and(|held| *held > 0);
        let lives_on: Vec<bool> = (0..held.len() as u32)
            .map(|id| is_living[id as usize] && lived(&held, id))
            .collect();
        let lives_on = |id: u32| lives_on.get(id as usize) == Some(&true);
        let mut absorbed: BTreeMap<(u32, Option<u32>), u64> = BTreeMap::new();
        let mut lost: BTreeMap<(u32, Option<u32>), u64> = BTreeMap::new();
        for (old, id) in old.iter().zip(ids) {
            // what is counted down to the end is gone from the sources
            if let Some(left) = old.and_then(|old| held.get_mut(old as usize)) {
                *left = left.saturating_sub(1);
            }
            if *old == Some(*id) {
                continue;
            }
            let is_merger = old.is_some_and(|old| {
                let heir = self.gone.get(&old).copied().flatten();
                heir.or(self.followed.get(&old).copied()) == Some(*id)
            });
            if lives_on(*id) && !is_merger {
                *absorbed.entry((*id, *old)).or_default() += 1;
            }
            if let Some(old) = old.filter(|old| lives_on(*old)) {
                *lost.entry((old, Some(*id))).or_default() += 1;
            }
        }
        let gone = (0..)
            .zip(&held)
            .filter(|(id, left)| **left > 0 && lives_on(*id));
        lost.extend(gone.map(|(id, left)| ((id, None), u64::from(*left))));
        let absorbed = absorbed.into_iter();
        let absorbed = absorbed.map(|((id, from), records)| Event::Absorbed { id, from, records });
        let lost = lost.into_iter();
        absorbed
            .chain(lost.map(|((id, into), records)| Event::Lost { id, into, records }))
            .collect()
    }

    /// Every id that is gone leads to a living one, or nowhere; chains are closed. What was merged into one that is back, or
    /// leads elsewhere, leads to the same.
    fn redirects(&self, registry: &Registry, is_living: &[bool]) -> Redirects {
        let name = |id: u32| registry.ids.text(id);
        let lives = |id: &str| {
            let id = registry.ids.find(id);
            id.is_some_and(|id| is_living[id as usize])
        };
        let heirs = self.gone.iter();
        let heirs = heirs.filter_map(|(id, heir)| Some((name(*id), name((*heir)?))));
        let heirs: BTreeMap<&str, &str> = heirs.collect();
        let followed = self.followed.iter();
        let followed: BTreeMap<&str, &str> = followed
            .map(|(id, into)| (name(*id), name(*into)))
            .collect();
        let mut all = Redirects::new();
        for (id, heir) in &self.gone {
            let to = match (heir, self.last_records.get(id)) {
                (Some(heir), _) => Redirect::To(name(*heir).to_string()),
                (None, Some(records)) => Redirect::Lost {
                    id: name(*id).to_string(),
                    records: records.clone(),
                },
                (None, None) => continue,
            };
            all.insert(name(*id).to_string(), to);
        }
        for (id, to) in &registry.redirects {
            if lives(id) || heirs.contains_key(&**id) {
                continue;
            }
            let leads = match to {
                Redirect::To(_) if followed.contains_key(&**id) => {
                    Redirect::To(followed[&**id].to_string())
                }
                Redirect::To(heir) if lives(heir) => to.clone(),
                Redirect::To(heir) => match heirs.get(&**heir) {
                    Some(further) => Redirect::To((*further).to_string()),
                    None => Redirect::waits_for(heir),
                },
                Redirect::Lost { id: lost, .. } if lives(lost) => Redirect::To(lost.clone()),
                Redirect::Lost { id: lost, .. } => match heirs.get(&**lost) {
                    Some(further) => Redirect::To((*further).to_string()),
                    None => to.clone(),
                },
                Redirect::Nowhere => Redirect::Nowhere,
            };
            all.insert(id.clone(), leads);
        }
        all
    }
}

/// Sorts events. There is one for every person of a first build, and a look at the text of each, again and again, would take
/// longer than all else: first comes a number that nearly always decides.
fn sort(events: &mut [Event], names: &NumberedTexts) {
    let kind = |event: &Event| match *event {
        Event::Created { .. } => 0_u8,
        Event::Merged { .. } => 1,
        Event::Split { .. } => 2,
        Event::Restored { .. } => 3,
        Event::Retired { .. } => 4,
        Event::Absorbed { .. } => 5,
        Event::Lost { .. } => 6,
    };
    let number = |event: &Event| {
        let mut first = [0; 16];
        for (to, from) in first.iter_mut().zip(names.text(event.ids().0).bytes()) {
            *to = from;
        }
        (kind(event), u128::from_be_bytes(first))
    };
    events.sort_by_cached_key(number);
    for alike in events.chunk_by_mut(|one, other| number(one) == number(other)) {
        // one id may get records of several others
        alike.sort_by_key(|event| {
            let (id, other) = event.ids();
            (names.text(id), other.map(|other| names.text(other)))
        });
    }
}

/// What moved, by the old id and the cluster, and the ids that clusters have now.
struct Moves<'a> {
    all: &'a [Move],
    /// By row, and so by cluster, which is named by a row of it.
    ids: &'a [u32],
    names: &'a NumberedTexts,
}

/// Ids that are gone now, each with the living id that has most of its records; of several the one with the record that the id
/// was made of, then the smallest.
fn gone(moves: &Moves<'_>, is_living: &[bool], claims: &Claims) -> BTreeMap<u32, Option<u32>> {
    let ids = (0..).zip(is_living).filter(|(_, is_living)| !**is_living);
    let mut gone: BTreeMap<u32, Option<u32>> = ids.map(|(id, _)| (id, None)).collect();
    for moved in moves.all.chunk_by(|one, other| one.from == other.from) {
        let Some(heir) = gone.get_mut(&moved[0].from) else {
            continue;
        };
        let id = |moved: &Move| moves.ids[moved.cluster as usize];
        let has_maker = |moved: &Move| claims.maker(moved).is_some();
        let name = |moved: &Move| moves.names.text(id(moved));
        let most = moved.iter().max_by(|a, b| {
            (a.records.cmp(&b.records))
                .then_with(|| has_maker(a).cmp(&has_maker(b)))
                .then_with(|| name(b).cmp(name(a)))
        });
        *heir = most.map(id);
    }
    gone
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
    let is_told = |cluster: u32| is_new(cluster) || restored.contains(&moves.ids[cluster as usize]);
    let told = clusters.filter(|(cluster, records)| *records > 0 && is_told(*cluster));
    let events = told.map(|(cluster, records)| {
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
mod tests;
