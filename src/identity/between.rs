//! What the pairs between two groups of records say of the two.
//!
//! Each comparison speaks once: as the mean over the pairs of which it knows both values. Of two people of one name, only one
//! record of each tells when they were born; were it the weights of whole pairs that are averaged, all pairs that do not
//! know it would outvote the one that does.
//!
//! ```text
//!                              name   birth date   the pair
//! crm     – loyalty             +9      −12          −3
//! crm     – another account     +9        ·          +9
//! account – loyalty             +9        ·          +9
//! account – another account     +9        ·          +9
//! mean                          +9      −12          +6      by pairs: one person; by comparisons, −3: two
//! ```
//!
//! Sums are of whole numbers, so that they are the same in any order.

use super::comparison::Pattern;
use super::model::Evidence;
use super::score::Scorer;

/// Parts of a bit in which evidence is summed.
const UNIT: f64 = (1u64 << 20) as f64;

/// The pairs between two groups.
#[derive(Clone, Debug, Default)]
pub(super) struct Between {
    /// By comparison; shorter where the last of them know nothing.
    told: Vec<Told>,
    pairs: u32,
    /// Those that agree on an e-mail, a phone or an address, and of which nothing else can be compared.
    by_contact: u32,
    /// The weights of rules without exception.
    verdicts: f64,
    /// In bits.
    weight: f64,
}

/// What one comparison says of the pairs of which it knows both values.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    same: i64,
    stranger: i64,
    relative: i64,
    pairs: u32,
}

impl Between {
    /// What rules without exception say of a pair.
    pub(super) fn certain(weight: f64) -> Self {
        Self {
            pairs: 1,
            verdicts: weight,
            weight,
            ..Self::default()
        }
    }

    /// What a pair says whose levels are known; `None` where it says nothing of the two groups.
    pub(super) fn pair(
        scorer: &Scorer<'_>,
        pattern: Pattern,
        one: u32,
        other: u32,
    ) -> Option<Self> {
        let mut between = Self {
            pairs: 1,
            by_contact: u32::from(scorer.is_of_one_contact(one, other)),
            ..Self::default()
        };
        for (at, evidence) in scorer.told(pattern, one) {
            between.told.resize(at + 1, Told::default());
            between.told[at] = Told::of(evidence);
        }
        between.weigh(scorer.prior());
        // that a record without a name has another address speaks against nobody
        let speaks = pattern != 0 && (between.by_contact == 0 || between.weight >= 0.0);
        speaks.then_some(between)
    }

    /// The log2 of the odds that the two are one; more than any evidence where a verdict says so.
    pub(super) fn weight(&self) -> f64 {
        self.weight
    }

    /// Whether nothing ties the two but a way to reach somebody.
    pub(super) fn is_by_contact(&self) -> bool {
        self.by_contact == self.pairs
    }

    /// Whether a verdict keeps the two apart.
    pub(super) fn is_forbidden(&self) -> bool {
        self.verdicts < 0.0
    }

    /// Adds the pairs of another group, which is part of one of the two now.
    pub(super) fn add(&mut self, more: &Self, prior: Evidence) {
        if self.told.len() < more.told.len() {
            self.told.resize(more.told.len(), Told::default());
        }
        for (sum, told) in self.told.iter_mut().zip(&more.told) {
            sum.same += told.same;
            sum.stranger += told.stranger;
            sum.relative += told.relative;
            sum.pairs += told.pairs;
        }
        self.pairs += more.pairs;
        self.by_contact += more.by_contact;
        self.verdicts += more.verdicts;
        self.weigh(prior);
    }

    fn weigh(&mut self, prior: Evidence) {
        let known = self.told.iter().filter(|told| told.pairs > 0);
        let sum = known.fold(prior, |sum, told| sum.plus(told.mean()));
        let evidence = if self.told.is_empty() {
            0.0
        } else {
            sum.weight()
        };
        self.weight = evidence + self.verdicts / f64::from(self.pairs);
    }
}

impl Told {
    fn of(evidence: Evidence) -> Self {
        let whole = |bits: f64| (bits * UNIT).round() as i64;
        Self {
            same: whole(evidence.same),
            stranger: whole(evidence.stranger),
            relative: whole(evidence.relative),
            pairs: 1,
        }
    }

    fn mean(self) -> Evidence {
        let mean = |sum: i64| sum as f64 / (UNIT * f64::from(self.pairs));
        Evidence {
            same: mean(self.same),
            stranger: mean(self.stranger),
            relative: mean(self.relative),
        }
    }
}
