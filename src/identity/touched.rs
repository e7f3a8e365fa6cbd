//! Blocks in which something changed: who stands in them now, and how many stood in them before.
//!
//! A block that no new, changed or gone record stands in makes the pairs that it made. Only the others are gathered, by one
//! pass over the records for each rule. A block that is split by further keys is looked at in its parts.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use super::hash;
use super::rule::{Features, Rule, Step, agree, chunks_of, key, key_from};
use crate::parallel;

type ByKey<T> = HashMap<u64, T, BuildHasherDefault<Spread>>;

/// A hash of numbers that is fast and the same on every run; no order that it makes shows anywhere.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = hash(self.0 ^ number);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Records of one block.
#[derive(Debug, Default)]
pub(super) struct TouchedBlock {
    /// As they were, in order.
    kept: Vec<u32>,
    /// New or changed.
    fresh: Vec<u32>,
    /// Of the build before, which are no more, or no more as they were.
    gone: Vec<u32>,
}

impl TouchedBlock {
    fn before(&self) -> usize {
        self.kept.len() + self.gone.len()
    }

    fn now(&self) -> usize {
        self.kept.len() + self.fresh.len()
    }

    /// Its records by the next key; those without it stand in none.
    fn split(&self, step: &Step, features: &Features) -> Vec<Self> {
        let mut blocks: BTreeMap<u64, Self> = BTreeMap::new();
        let key_of = |row: &u32| key(&step.places, features.row(*row));
        for row in &self.kept {
            if let Some(key) = key_of(row) {
                blocks.entry(key).or_default().kept.push(*row);
            }
        }
        for row in &self.fresh {
            if let Some(key) = key_of(row) {
                blocks.entry(key).or_default().fresh.push(*row);
            }
        }
        for row in &self.gone {
            if let Some(key) = key_of(row) {
                blocks.entry(key).or_default().gone.push(*row);
            }
        }
        blocks.into_values().collect()
    }

    /// Every pair of it that has to be looked at. `was_whole`: it is part of a block that was compared as it was.
    fn pairs(
        &self,
        steps: &[Step],
        features: &Features,
        was_whole: bool,
        each: &mut impl FnMut(u32, u32),
    ) {
        let [step, next @ ..] = steps else {
            return;
        };
        let was_whole = was_whole || self.before() <= step.largest;
        if self.now() > step.largest {
            if let Some(step) = next.first() {
                for block in self.split(step, features) {
                    block.pairs(next, features, was_whole, each);
                }
            }
            return;
        }
        let mut pair = |one: u32, other: u32| each(one.min(other), one.max(other));
        for (at, one) in self.fresh.iter().enumerate() {
            self.kept.iter().for_each(|other| pair(*one, *other));
            let others = &self.fresh[at + 1..];
            others.iter().for_each(|other| pair(*one, *other));
        }
        if !was_whole {
            for (at, one) in self.kept.iter().enumerate() {
                let others = &self.kept[at + 1..];
                others.iter().for_each(|other| pair(*one, *other));
            }
        }
    }

    /// Records that stood in a block that was compared as it was, and is not any more.
    fn outgrown(&self, steps: &[Step], features: &Features, found: &mut Vec<u32>) {
        let [step, next @ ..] = steps else {
            return;
        };
        if self.now() <= step.largest {
            return;
        }
        if self.before() <= step.largest {
            found.extend(&self.kept);
        } else if let Some(step) = next.first() {
            for block in self.split(step, features) {
                block.outgrown(next, features, found);
            }
        }
    }
}

/// The blocks of one rule in which something changed.
#[derive(Debug)]
pub(super) struct TouchedBlocks {
    blocks: Vec<TouchedBlock>,
    steps: Vec<Step>,
}

impl TouchedBlocks {
    /// Of rows the first ones are there now, kept or not; those behind them are gone.
    pub(super) fn new(rule: &Rule, features: &Features, is_kept: &[bool], threads: usize) -> Self {
        let steps = rule.steps(features);
        let wanted = rule.places(features);
        let key_of = |row: u32| key(&wanted, features.row(row));
        let (now, all) = (is_kept.len() as u32, features.count());
        let mut places: ByKey<u32> = ByKey::default();
        let mut blocks: Vec<TouchedBlock> = Vec::new();
        let moved = (0..all).filter(|row| is_kept.get(*row as usize) != Some(&true));
        for row in moved {
            let Some(key) = key_of(row) else {
                continue;
            };
            let next = blocks.len() as u32;
            let place = *places.entry(key).or_insert(next);
            if place == next {
                blocks.push(TouchedBlock::default());
            }
            let block = &mut blocks[place as usize];
            if row < now {
                block.fresh.push(row);
            } else {
                block.gone.push(row);
            }
        }
        let chunks = chunks_of(now);
        let found = parallel::map(threads, &chunks, |(from, to)| {
            let kept = (*from..*to).filter(|row| is_kept[*row as usize]);
            let placed = kept.filter_map(|row| Some((*places.get(&key_of(row)?)?, row)));
            placed.collect::<Vec<(u32, u32)>>()
        });
        for (place, row) in found.into_iter().flatten() {
            blocks[place as usize].kept.push(row);
        }
        Self { blocks, steps }
    }

    /// Pairs that a rule without further keys makes now, from those that it made before.
    pub(super) fn pairs_from(&self, before: u64) -> u64 {
        let largest = self.steps.first().map_or(0, |step| step.largest);
        let pairs = |records: usize| match records <= largest {
            true => records as u64 * (records as u64).saturating_sub(1) / 2,
            false => 0,
        };
        let blocks = self.blocks.iter();
        let (left, made) = blocks.fold((0, 0), |(left, made), block| {
            (left + pairs(block.before()), made + pairs(block.now()))
        });
        (before + made).saturating_sub(left)
    }

    /// Every pair that has to be looked at: those of a new or changed record, and all of a block that is small enough again.
    pub(super) fn pairs(&self, features: &Features, mut each: impl FnMut(u32, u32)) {
        for block in &self.blocks {
            block.pairs(&self.steps, features, false, &mut each);
        }
    }

    /// Records of blocks that grew beyond what is compared as it is.
    pub(super) fn outgrown(&self, features: &Features) -> Vec<u32> {
        let mut found = Vec::new();
        for block in &self.blocks {
            block.outgrown(&self.steps, features, &mut found);
        }
        found
    }
}

/// Whether any rule makes each of some pairs, of the first `rows`.
pub(super) fn are_made(
    pairs: &[(u32, u32)],
    rules: &[Rule],
    features: &Features,
    rows: u32,
    threads: usize,
) -> Vec<bool> {
    let mut are_made = vec![false; pairs.len()];
    for rule in rules {
        let steps = rule.steps(features);
        // pairs that no rule makes so far, with the block that both stand in, where it was too large
        let open = pairs.iter().enumerate().filter(|(at, _)| !are_made[*at]);
        let mut open: Vec<(usize, u64)> = open.map(|(at, _)| (at, 0)).collect();
        for depth in 0..steps.len() {
            let step = &steps[depth];
            let asked = open.iter().filter_map(|(at, within)| {
                let (one, other) = pairs[*at];
                let (one, other) = (features.row(one), features.row(other));
                let is_one = agree(&step.places, one, other);
                let key = is_one.then(|| key_from(*within, &step.places, one));
                Some((*at, key.flatten()?))
            });
            open = asked.collect();
            if open.is_empty() {
                break;
            }
            let wanted: ByKey<()> = open.iter().map(|(_, key)| (*key, ())).collect();
            let key_of = |row: u32| {
                let mut steps = steps[..=depth].iter();
                steps.try_fold(0, |within, step| {
                    key_from(within, &step.places, features.row(row))
                })
            };
            let chunks = chunks_of(rows);
            let sizes = parallel::map(threads, &chunks, |(from, to)| {
                let mut sizes: ByKey<usize> = ByKey::default();
                for key in (*from..*to).filter_map(key_of) {
                    if wanted.contains_key(&key) {
                        *sizes.entry(key).or_default() += 1;
                    }
                }
                sizes
            });
            let size = |key: &u64| {
                sizes
                    .iter()
                    .filter_map(|sizes| sizes.get(key))
                    .sum::<usize>()
            };
            open.retain(|(at, key)| {
                are_made[*at] = size(key) <= step.largest;
                !are_made[*at]
            });
        }
    }
    are_made
}
