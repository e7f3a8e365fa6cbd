//! Blocks in which something changed: who stands in them now, and how many stood in them before.
//!
//! A block that no new, changed or gone record stands in makes the pairs that it made. Only the others are gathered, by one
//! pass over the records for each rule.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::hash;
use super::rule::{Features, Rule, agree, chunks_of, key};
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
    pub(super) kept: Vec<u32>,
    /// New or changed.
    pub(super) fresh: Vec<u32>,
    /// Of the build before, which are no more, or no more as they were.
    pub(super) gone: u64,
}

impl TouchedBlock {
    fn before(&self) -> u64 {
        self.kept.len() as u64 + self.gone
    }

    fn now(&self) -> u64 {
        (self.kept.len() + self.fresh.len()) as u64
    }
}

/// The blocks of one rule in which something changed.
#[derive(Debug)]
pub(super) struct TouchedBlocks {
    blocks: Vec<TouchedBlock>,
    largest: u64,
}

impl TouchedBlocks {
    /// Of rows the first ones are there now, kept or not; those behind them are gone.
    pub(super) fn new(rule: &Rule, features: &Features, is_kept: &[bool], threads: usize) -> Self {
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
                block.gone += 1;
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
        Self {
            blocks,
            largest: rule.largest_block() as u64,
        }
    }

    /// Pairs that the rule makes now, from those that it made before.
    pub(super) fn pairs_from(&self, before: u64) -> u64 {
        let pairs = |records: u64| match records <= self.largest {
            true => records * records.saturating_sub(1) / 2,
            false => 0,
        };
        let blocks = self.blocks.iter();
        let (left, made) = blocks.fold((0, 0), |(left, made), block| {
            (left + pairs(block.before()), made + pairs(block.now()))
        });
        (before + made).saturating_sub(left)
    }

    /// Every pair that has to be looked at: those of a new or changed record, and all of a block that is small enough again.
    pub(super) fn pairs(&self, mut each: impl FnMut(u32, u32)) {
        let blocks = self.blocks.iter();
        for block in blocks.filter(|block| block.now() <= self.largest) {
            let mut pair = |one: u32, other: u32| each(one.min(other), one.max(other));
            for (at, one) in block.fresh.iter().enumerate() {
                block.kept.iter().for_each(|other| pair(*one, *other));
                let others = &block.fresh[at + 1..];
                others.iter().for_each(|other| pair(*one, *other));
            }
            if block.before() > self.largest {
                for (at, one) in block.kept.iter().enumerate() {
                    let others = &block.kept[at + 1..];
                    others.iter().for_each(|other| pair(*one, *other));
                }
            }
        }
    }

    /// Records of blocks that grew beyond what is compared.
    pub(super) fn outgrown(&self) -> impl Iterator<Item = u32> {
        let blocks = self.blocks.iter();
        let outgrown =
            blocks.filter(|block| block.now() > self.largest && block.before() <= self.largest);
        outgrown.flat_map(|block| block.kept.iter().copied())
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
        let wanted = rule.places(features);
        let key_of = |row: u32| key(&wanted, features.row(row));
        let open = pairs.iter().enumerate().filter(|(at, _)| !are_made[*at]);
        let agreeing = open
            .filter(|(_, (one, other))| agree(&wanted, features.row(*one), features.row(*other)));
        let asked: Vec<(usize, u64)> = agreeing
            .filter_map(|(at, (one, _))| Some((at, key_of(*one)?)))
            .collect();
        if asked.is_empty() {
            continue;
        }
        let places: ByKey<usize> = asked.iter().map(|(_, key)| *key).zip(0..).collect();
        let chunks = chunks_of(rows);
        let sizes = parallel::map(threads, &chunks, |(from, to)| {
            let mut sizes: ByKey<u64> = ByKey::default();
            for key in (*from..*to).filter_map(key_of) {
                if places.contains_key(&key) {
                    *sizes.entry(key).or_default() += 1;
                }
            }
            sizes
        });
        for (at, key) in asked {
            let size: u64 = sizes.iter().filter_map(|sizes| sizes.get(&key)).sum();
            are_made[at] = size <= rule.largest_block() as u64;
        }
    }
    are_made
}
