//! How right clusters are: against a truth where there is one, else by what people decided and what the model believes.

use std::collections::BTreeMap;

/// Of what was found, how much is right; of what is right, how much was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rates {
    pub(crate) precision: f64,
    pub(crate) recall: f64,
}

impl Rates {
    /// The harmonic mean of the two.
    pub(crate) fn f1(self) -> f64 {
        match self.precision + self.recall {
            0.0 => 0.0,
            sum => 2.0 * self.precision * self.recall / sum,
        }
    }

    /// Nothing found is nothing wrong, and nothing to find is nothing missed.
    fn of(hits: f64, found: f64, made: f64) -> Self {
        let share = |of: f64| if of > 0.0 { hits / of } else { 1.0 };
        Self {
            precision: share(found),
            recall: share(made),
        }
    }
}

/// Clusters against the people behind the records.
#[derive(Debug, PartialEq)]
pub(crate) struct Judgement {
    pub(crate) records: u64,
    pub(crate) people: u64,
    pub(crate) clusters: u64,
    /// Over pairs of records in one cluster, and of one person.
    pub(crate) pairs: Rates,
    /// Over records: of each the share of its cluster that is its person's, and of its person that is in its cluster (B³).
    pub(crate) records_mean: Rates,
    /// People whose records are one cluster, and nobody else's.
    pub(crate) exact: u64,
    /// Clusters with records of several people.
    pub(crate) mixed: u64,
    /// People whose records are in several clusters.
    pub(crate) torn: u64,
}

/// Judges the clusters of records whose person is known; both number things at will.
pub(crate) fn judge(found: &[u32], truth: &[u32]) -> Judgement {
    let cells = counts(found.iter().copied().zip(truth.iter().copied()));
    let clusters = counts(found.iter().copied());
    let people = counts(truth.iter().copied());
    let (mut precision, mut recall, mut exact) = (0.0, 0.0, 0);
    let mut parts_of_clusters: BTreeMap<u32, u64> = BTreeMap::new();
    let mut parts_of_people: BTreeMap<u32, u64> = BTreeMap::new();
    for ((cluster, person), n) in &cells {
        let (of_cluster, of_person) = (clusters[cluster], people[person]);
        precision += (n * n) as f64 / of_cluster as f64;
        recall += (n * n) as f64 / of_person as f64;
        exact += u64::from(*n == of_cluster && *n == of_person);
        *parts_of_clusters.entry(*cluster).or_default() += 1;
        *parts_of_people.entry(*person).or_default() += 1;
    }
    let records = found.len() as u64;
    let several = |parts: &BTreeMap<u32, u64>| parts.values().filter(|n| **n > 1).count() as u64;
    let mean = |sum: f64| {
        if records == 0 {
            1.0
        } else {
            sum / records as f64
        }
    };
    Judgement {
        records,
        people: people.len() as u64,
        clusters: clusters.len() as u64,
        pairs: Rates::of(
            cells.values().map(|n| pairs(*n)).sum(),
            clusters.values().map(|n| pairs(*n)).sum(),
            people.values().map(|n| pairs(*n)).sum(),
        ),
        records_mean: Rates {
            precision: mean(precision),
            recall: mean(recall),
        },
        exact,
        mixed: several(&parts_of_clusters),
        torn: several(&parts_of_people),
    }
}

/// Rates of each of so many groups over the pairs in which a record of it takes part. `group`: of each record, from 0.
pub(crate) fn judge_groups(
    found: &[u32],
    truth: &[u32],
    group: &[u32],
    groups: usize,
) -> Vec<Rates> {
    let cells = found.iter().copied().zip(truth.iter().copied());
    let hits = pairs_with(cells, group, groups);
    let found = pairs_with(found.iter().copied(), group, groups);
    let made = pairs_with(truth.iter().copied(), group, groups);
    let rates = hits.iter().zip(&found).zip(&made);
    rates
        .map(|((hits, found), made)| Rates::of(*hits, *found, *made))
        .collect()
}

/// Of each group the pairs of equal things of which at least one is in it.
fn pairs_with<K: Ord + Copy>(
    things: impl Iterator<Item = K>,
    group: &[u32],
    groups: usize,
) -> Vec<f64> {
    let mut sizes: BTreeMap<K, BTreeMap<u32, u64>> = BTreeMap::new();
    for (thing, group) in things.zip(group) {
        *sizes.entry(thing).or_default().entry(*group).or_default() += 1;
    }
    let mut with = vec![0.0; groups];
    for of_groups in sizes.values() {
        let all: u64 = of_groups.values().sum();
        for (group, inside) in of_groups {
            with[*group as usize] += pairs(all) - pairs(all - inside);
        }
    }
    with
}

/// Rates of pairs that were weighed, were the threshold at each of some weights. `weighed` are weights with whether the pair
/// is of one person; `made` is how many pairs of one person there are.
pub(crate) fn by_threshold(
    weighed: &[(f64, bool)],
    made: u64,
    thresholds: &[f64],
) -> Vec<(f64, Rates)> {
    let rates = thresholds.iter().map(|threshold| {
        let above = weighed.iter().filter(|(weight, _)| weight >= threshold);
        let (mut hits, mut found) = (0_u64, 0_u64);
        for (_, is_one) in above {
            found += 1;
            hits += u64::from(*is_one);
        }
        (
            *threshold,
            Rates::of(hits as f64, found as f64, made as f64),
        )
    });
    rates.collect()
}

/// Pairs of one person among those of which it is known.
pub(crate) fn pairs_of_people(truth: &[u32]) -> u64 {
    let sizes = counts(truth.iter().copied());
    sizes.values().map(|n| n * n.saturating_sub(1) / 2).sum()
}

/// How probably a pair of a weight is of one person.
pub(crate) fn probability(weight: f64) -> f64 {
    1.0 / (1.0 + (-weight).exp2())
}

/// Where a share lies that was seen in a sample, with 95 % certainty (Wilson 1927).
pub(crate) fn wilson(hits: u64, of: u64) -> (f64, f64) {
    const Z: f64 = 1.959_964;
    if of == 0 {
        return (0.0, 1.0);
    }
    let n = of as f64;
    let share = hits as f64 / n;
    let middle = share + Z * Z / (2.0 * n);
    let spread = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    let whole = 1.0 + Z * Z / n;
    (
        ((middle - spread) / whole).max(0.0),
        ((middle + spread) / whole).min(1.0),
    )
}

/// Pairs of nearly one weight, and what people said of those drawn from them at random.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Drawn {
    pub(crate) pairs: u64,
    /// How many of them are of one person, as the model believes.
    pub(crate) believed: f64,
    pub(crate) answered: u64,
    pub(crate) same: u64,
}

/// A figure, and between which it lies with 95 % certainty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Drawn {
    /// The share of one person in a stratum: Wilson's interval of those answered, narrower the more of the stratum they are;
    /// where nobody answered, as believed, and anything is possible.
    fn share(&self) -> Estimate {
        let (low, high) = wilson(self.same, self.answered);
        let all = self.pairs.max(1) as f64;
        if self.answered == 0 {
            let value = (self.believed / all).clamp(0.0, 1.0);
            return Estimate { value, low, high };
        }
        let value = self.same as f64 / self.answered as f64;
        let left = (1.0 - self.answered as f64 / all).max(0.0).sqrt();
        Estimate {
            value,
            low: value - (value - low) * left,
            high: value + (high - value) * left,
        }
    }
}

/// How many pairs of one person strata hold together.
///
/// The sum of stratum size × share (Cochran 1977, eq. 5.1), its interval by the method of variance estimates recovery (Zou &
/// Donner 2008): the distances to the strata's own limits, squared and added.
fn pairs_of_one(strata: &[Drawn]) -> Estimate {
    let terms = strata.iter().map(|s| (s.pairs as f64, s.share()));
    square_and_add(terms)
}

/// A sum of figures, each times a factor.
fn square_and_add(terms: impl Iterator<Item = (f64, Estimate)>) -> Estimate {
    let (mut value, mut below, mut above) = (0.0, 0.0, 0.0);
    for (factor, part) in terms {
        let [down, up] = match factor < 0.0 {
            true => [part.high, part.low],
            false => [part.low, part.high],
        };
        value += factor * part.value;
        below += (factor * (part.value - down)).powi(2);
        above += (factor * (up - part.value)).powi(2);
    }
    Estimate {
        value,
        low: value - below.sqrt(),
        high: value + above.sqrt(),
    }
}

/// Of the pairs in strata, the share of one person.
pub(crate) fn precision(strata: &[Drawn]) -> Estimate {
    let all: u64 = strata.iter().map(|stratum| stratum.pairs).sum();
    let sum = pairs_of_one(strata);
    let share = |pairs: f64| match all {
        0 => 1.0,
        all => (pairs / all as f64).clamp(0.0, 1.0),
    };
    Estimate {
        value: share(sum.value),
        low: share(sum.low),
        high: share(sum.high),
    }
}

/// Of the pairs of one person in all strata, the share that lies in those from the threshold on.
///
/// The ratio of missed to found, its interval by the same method for ratios (Donner & Zou 2012, eq. 9).
pub(crate) fn recall(missed: &[Drawn], found: &[Drawn]) -> Estimate {
    let (missed, found) = (pairs_of_one(missed), pairs_of_one(found));
    let (a, b) = (missed.value, found.value);
    let product = a * b;
    let limit = |near: f64, far: f64, sign: f64| {
        let under = product.powi(2) - near * far * (2.0 * a - near) * (2.0 * b - far);
        (product + sign * under.max(0.0).sqrt()) / (far * (2.0 * b - far))
    };
    let of_ratio = |ratio: f64| match ratio.is_nan() {
        true => 0.0,
        false => (1.0 / (1.0 + ratio.max(0.0))).clamp(0.0, 1.0),
    };
    let nothing_missed = missed.high <= 0.0;
    let value = if a + b > 0.0 { b / (a + b) } else { 1.0 };
    Estimate {
        value,
        low: match (nothing_missed, found.low > 0.0) {
            (true, _) => 1.0,
            (false, true) => of_ratio(limit(missed.high, found.low, 1.0)).min(value),
            (false, false) => 0.0,
        },
        high: match found.high > 0.0 {
            true => of_ratio(limit(missed.low.max(0.0), found.high, -1.0)).max(value),
            false => value,
        },
    }
}

fn counts<K: Ord>(things: impl Iterator<Item = K>) -> BTreeMap<K, u64> {
    let mut counts = BTreeMap::new();
    for thing in things {
        *counts.entry(thing).or_default() += 1;
    }
    counts
}

fn pairs(of: u64) -> f64 {
    (of * of.saturating_sub(1) / 2) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_are_judged_by_pairs_by_records_and_whole() {
        // a b c are one person, d e another, f alone; c strayed to d and e
        let truth = [0, 0, 0, 1, 1, 2];
        let found = [7, 7, 8, 8, 8, 9];
        let judged = judge(&found, &truth);
        // found: ab, cd, ce, de; made: ab, ac, bc, de
        assert_eq!(
            judged.pairs,
            Rates {
                precision: 0.5,
                recall: 0.5
            }
        );
        let precision = (1.0 + 1.0 + 1.0 / 3.0 + 2.0 / 3.0 + 2.0 / 3.0 + 1.0) / 6.0;
        let recall = (2.0 / 3.0 + 2.0 / 3.0 + 1.0 / 3.0 + 1.0 + 1.0 + 1.0) / 6.0;
        assert!((judged.records_mean.precision - precision).abs() < 1e-12);
        assert!((judged.records_mean.recall - recall).abs() < 1e-12);
        assert_eq!((judged.exact, judged.mixed, judged.torn), (1, 1, 1));
        // pairs with c: found cd, ce; made ac, bc. Pairs with another: found all; made all
        let rates = judge_groups(&found, &truth, &[0, 0, 1, 0, 0, 0], 2);
        let rate = |precision, recall| Rates { precision, recall };
        assert_eq!(rates, [rate(0.5, 0.5), rate(0.0, 0.0)]);
    }

    #[test]
    fn a_difference_of_two_shares_is_newcombes() {
        // 56/70 against 48/80: 0.2000 (0.0524 to 0.3339), Newcombe (1998), method 10
        let share = |hits: u64, of: u64| {
            let (low, high) = wilson(hits, of);
            let value = hits as f64 / of as f64;
            Estimate { value, low, high }
        };
        let terms = [(1.0, share(56, 70)), (-1.0, share(48, 80))];
        let found = square_and_add(terms.into_iter());
        assert!((found.value - 0.2).abs() < 1e-12, "{found:?}");
        assert!((found.low - 0.0524).abs() < 5e-5, "{found:?}");
        assert!((found.high - 0.3339).abs() < 5e-5, "{found:?}");
    }

    /// Numbers between 0 and 1 that are the same on every run.
    fn numbers() -> impl FnMut() -> f64 {
        let mut at = 0_u64;
        move || {
            at += 1;
            (crate::identity::hash(at) >> 11) as f64 / (1_u64 << 53) as f64
        }
    }

    #[test]
    fn nine_in_ten_intervals_and_more_hold_the_truth_whatever_was_drawn() {
        // pairs by weight, and the shares of one person that a sample of 15 each does not know
        let strata = [
            (4000, 0.03),
            (900, 0.2),
            (600, 0.7),
            (2500, 0.97),
            (9000, 1.0),
        ];
        let true_pairs =
            |from: usize| -> f64 { strata[from..].iter().map(|(n, p)| f64::from(*n) * p).sum() };
        let sizes: f64 = strata[2..].iter().map(|(n, _)| f64::from(*n)).sum();
        let (precise, found) = (true_pairs(2) / sizes, true_pairs(2) / true_pairs(0));
        let mut number = numbers();
        let (mut held, runs) = ((0, 0), 400);
        for _ in 0..runs {
            let drawn = strata.map(|(pairs, share)| Drawn {
                pairs: pairs as u64,
                believed: 0.0,
                answered: 15,
                same: (0..15).filter(|_| number() < share).count() as u64,
            });
            let holds = |estimate: Estimate, truth: f64| {
                assert!(estimate.low <= estimate.value && estimate.value <= estimate.high);
                u32::from(estimate.low <= truth && truth <= estimate.high)
            };
            held.0 += holds(precision(&drawn[2..]), precise);
            held.1 += holds(recall(&drawn[..2], &drawn[2..]), found);
        }
        assert!(
            held.0 * 10 >= runs * 9 && held.1 * 10 >= runs * 9,
            "{held:?} of {runs}"
        );
    }

    #[test]
    fn strata_that_were_answered_whole_are_certain_and_those_of_nobody_are_not() {
        let whole = |pairs: u64, same: u64| Drawn {
            pairs,
            believed: 0.0,
            answered: pairs,
            same,
        };
        let certain = precision(&[whole(10, 9), whole(30, 30)]);
        let near = |a: f64, b: f64| (a - b).abs() < 1e-12;
        assert!(
            near(certain.low, 0.975) && near(certain.high, 0.975),
            "{certain:?}"
        );
        let open = Drawn {
            pairs: 40,
            believed: 39.0,
            ..Drawn::default()
        };
        let unknown = precision(&[open]);
        assert!(
            near(unknown.value, 0.975) && near(unknown.low, 0.0),
            "{unknown:?}"
        );
        assert_eq!(recall(&[], &[whole(10, 9)]).low, 1.0);
        assert_eq!(recall(&[open], &[open]).low, 0.0);
    }

    #[test]
    fn intervals_are_those_of_the_books() {
        // Wilson's interval for 8 of 10 and for 0 of 20 as tabulated by Newcombe (1998) and others
        let near = |found: (f64, f64), low: f64, high: f64| {
            assert!(
                (found.0 - low).abs() < 5e-4 && (found.1 - high).abs() < 5e-4,
                "{found:?}"
            );
        };
        near(wilson(8, 10), 0.4902, 0.9433);
        near(wilson(0, 20), 0.0, 0.1611);
        assert_eq!(wilson(0, 0), (0.0, 1.0));
    }
}
