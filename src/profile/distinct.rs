//! How many different values, in memory that does not grow: the smallest hashes are kept (a KMV sketch). Exact up to
//! [`KEPT`] values, beyond that an estimate within about half a percent.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Hashes kept.
const KEPT: usize = 1 << 16;

/// The values of a column, by the smallest of their hashes.
#[derive(Clone, Debug, Default)]
pub(super) struct Distinct {
    smallest: BTreeSet<u64>,
    is_full: bool,
}

impl Distinct {
    pub(super) fn add(&mut self, value: &str) {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        let hash = hasher.finish();
        if self.smallest.len() < KEPT {
            self.smallest.insert(hash);
            return;
        }
        let largest = self.smallest.last().copied().unwrap_or(u64::MAX);
        if hash < largest && self.smallest.insert(hash) {
            self.smallest.pop_last();
            self.is_full = true;
        } else if hash > largest {
            self.is_full = true;
        }
    }

    /// Adds the values of another column.
    pub(super) fn merge(&mut self, other: &Self) {
        self.smallest.extend(&other.smallest);
        self.is_full |= other.is_full;
        while self.smallest.len() > KEPT {
            self.smallest.pop_last();
            self.is_full = true;
        }
    }

    /// Whether [`Self::count`] is no estimate.
    pub(super) fn is_exact(&self) -> bool {
        !self.is_full
    }

    pub(super) fn count(&self) -> u64 {
        let kept = self.smallest.len();
        match self.smallest.last() {
            Some(largest) if self.is_full => {
                let density = *largest as f64 / u64::MAX as f64;
                ((kept - 1) as f64 / density).round() as u64
            }
            _ => kept as u64,
        }
    }

    /// The share of these values that are among the other's, by those hashes that both would have kept; `None` where
    /// there are too few to tell.
    pub(super) fn share_in(&self, other: &Self) -> Option<f64> {
        let limit = |of: &Self| match (of.is_full, of.smallest.last()) {
            (true, Some(largest)) => *largest,
            _ => u64::MAX,
        };
        let limit = limit(self).min(limit(other));
        let mine = self.smallest.range(..=limit);
        let (mut all, mut common) = (0_u64, 0_u64);
        for hash in mine {
            all += 1;
            common += u64::from(other.smallest.contains(hash));
        }
        (all > 0).then(|| common as f64 / all as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: std::ops::Range<u64>) -> Distinct {
        let mut distinct = Distinct::default();
        values.for_each(|value| distinct.add(&value.to_string()));
        distinct
    }

    #[test]
    fn counts_are_exact_where_all_hashes_fit_and_near_beyond() {
        let few = of(0..1_000);
        assert_eq!((few.count(), few.is_exact()), (1_000, true));
        let many = of(0..200_000);
        assert!(!many.is_exact());
        assert!((many.count() as f64 / 200_000.0 - 1.0).abs() < 0.02);
    }

    #[test]
    fn what_two_columns_share_is_told_from_their_hashes() {
        assert_eq!(of(0..100).share_in(&of(50..1_000)), Some(0.5));
        let share = of(0..150_000).share_in(&of(75_000..300_000)).unwrap();
        assert!((share - 0.5).abs() < 0.03, "{share}");
        assert_eq!(of(0..0).share_in(&of(0..10)), None);
    }
}
