//! Who goes on with which id, where several clusters want one, or one could have several.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Registry, text_of};

/// When ids were issued, of those that are asked for and of which that is known: the later, the larger.
pub(crate) type IssuedAt<'a> = dyn Fn(&BTreeSet<&str>) -> HashMap<String, i64> + 'a;

/// Records that went from an old id to a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Move {
    pub(super) from: u32,
    pub(super) cluster: u32,
    pub(super) records: u64,
}

/// By the old id, then by the cluster. Rows without an old id move nowhere.
pub(super) fn moves(old: &[Option<u32>], cluster_of: &[u32]) -> Vec<Move> {
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

/// Who wants which id.
pub(super) struct Claims {
    /// By cluster: the id that it goes on with, where nobody else wants it and it wants no other. That is nearly every one.
    alone: Vec<Option<u32>>,
    /// The others.
    contested: Vec<Move>,
    /// By the id and the cluster of those among them where the cluster has the record that the id was made of: its row.
    makers: BTreeMap<(u32, u32), u32>,
}

impl Claims {
    pub(super) fn of<K: AsRef<str>>(
        moves: &[Move],
        keys: &[K],
        old: &[Option<u32>],
        cluster_of: &[u32],
        registry: &Registry,
    ) -> Self {
        let rows = cluster_of.len();
        let (mut of_id, mut to_cluster) = (vec![0_u32; registry.ids.len()], vec![0_u32; rows]);
        for moved in moves {
            of_id[moved.from as usize] += 1;
            to_cluster[moved.cluster as usize] += 1;
        }
        let is_parted = |id: u32| of_id[id as usize] > 1;
        let is_alone =
            |moved: &&Move| !is_parted(moved.from) && to_cluster[moved.cluster as usize] == 1;
        let mut alone: Vec<Option<u32>> = vec![None; rows];
        for moved in moves.iter().filter(is_alone) {
            alone[moved.cluster as usize] = Some(moved.from);
        }
        let contested = moves.iter().filter(|moved| !is_alone(moved)).copied();
        let contested: Vec<Move> = contested.collect();
        let pairs = contested.iter().map(|moved| (moved.from, moved.cluster));
        let pairs: BTreeSet<(u32, u32)> = pairs.collect();
        let rows = (0..).zip(keys).zip(old).zip(cluster_of);
        let contested_rows = rows.filter(|((_, old), cluster)| {
            old.is_some_and(is_parted) || to_cluster[**cluster as usize] > 1
        });
        let mut makers = BTreeMap::new();
        for (((row, key), _), cluster) in contested_rows {
            let made = registry.ids_of_key(key.as_ref());
            let made = made.filter_map(|id| registry.ids.find(text_of(&id)));
            for pair in made.map(|id| (id, *cluster)) {
                if pairs.contains(&pair) {
                    makers.entry(pair).or_insert(row);
                }
            }
        }
        Self {
            alone,
            contested,
            makers,
        }
    }

    /// The row of the record that an id was made of, where it is in this cluster.
    pub(super) fn maker(&self, moved: &Move) -> Option<u32> {
        self.makers.get(&(moved.from, moved.cluster)).copied()
    }

    /// By cluster: the old id that it goes on with.
    pub(super) fn settle(
        &mut self,
        registry: &Registry,
        issued_at: &IssuedAt<'_>,
    ) -> Vec<Option<u32>> {
        let mut taken = std::mem::take(&mut self.alone);
        let mut contested = std::mem::take(&mut self.contested);
        if contested.is_empty() {
            return taken;
        }
        let name = |moved: &Move| registry.ids.text(moved.from);
        let issued_at = issued_at(&contested.iter().map(name).collect());
        let mut held = registry.records_of_ids();
        let mut is_lost = vec![false; registry.ids.len()];
        for id in registry.lost.values() {
            held[*id as usize] += 1;
            is_lost[*id as usize] = true;
        }
        let held = |moved: &Move| u64::from(held[moved.from as usize]);
        let age = |moved: &Move| issued_at.get(name(moved)).copied().unwrap_or(i64::MAX);
        let maker = |moved: &Move| self.maker(moved).unwrap_or(u32::MAX);
        contested.sort_unstable_by(|a, b| {
            // what lives goes before what was lost; then more records, then the greater share: a fraction compared crosswise
            let is_lost = |moved: &Move| is_lost[moved.from as usize];
            is_lost(a)
                .cmp(&is_lost(b))
                .then_with(|| b.records.cmp(&a.records))
                .then_with(|| (b.records * held(a)).cmp(&(a.records * held(b))))
                .then_with(|| age(a).cmp(&age(b)))
                .then_with(|| maker(a).cmp(&maker(b)))
                .then_with(|| name(a).cmp(name(b)))
                .then_with(|| a.cluster.cmp(&b.cluster))
        });
        let mut is_used = vec![false; registry.ids.len()];
        for moved in contested {
            let (id, cluster) = (moved.from, moved.cluster as usize);
            if taken[cluster].is_none() && !is_used[id as usize] {
                is_used[id as usize] = true;
                taken[cluster] = Some(id);
            }
        }
        taken
    }
}
