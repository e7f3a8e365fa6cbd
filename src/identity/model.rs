//! What was learnt of a population: how often pairs of one person, of relatives and of strangers show each level.
//!
//! A pair is one of three things. Two records of *one person* (m) differ by slips and changes. Two *strangers* (u) agree by
//! chance. Two *relatives* (h) share what a household shares, a family name, an address, a phone, an e-mail, and are like
//! strangers in what is one person's own: given name, birth date, national id. Without the third, everything that a
//! household shares would speak for one person; Fellegi and Sunter (1969) is the model without it.

use super::comparison::{Kind, Pattern, level_of};
use super::rule::Rule;

/// How often levels occur among pairs of one person, strangers and relatives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Level {
    pub(crate) m: f64,
    pub(crate) u: f64,
    pub(crate) h: f64,
}

/// The levels of one comparison, the strongest first.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ComparisonModel {
    pub(crate) kind: Kind,
    pub(crate) levels: Vec<Level>,
}

/// A trained model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Model {
    /// Share of pairs that are of one person, among all pairs there are.
    pub(crate) same: f64,
    /// Likewise of relatives; 0 where relatives cannot be told.
    pub(crate) relative: f64,
    pub(crate) comparisons: Vec<ComparisonModel>,
    /// Blocking rules in the order in which they are asked.
    pub(crate) rules: Vec<Rule>,
}

/// Evidence in bits: log2 of how likely a pattern is, times how common such pairs are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Evidence {
    pub(super) same: f64,
    pub(super) stranger: f64,
    pub(super) relative: f64,
}

impl Evidence {
    /// The match weight: log2 of the odds that the pair is of one person.
    pub(super) fn weight(self) -> f64 {
        self.same - log2_sum(self.stranger, self.relative)
    }
}

/// `log2(2^a + 2^b)`, without leaving the range of a float.
fn log2_sum(a: f64, b: f64) -> f64 {
    let (high, low) = if a >= b { (a, b) } else { (b, a) };
    high + (low - high).exp2().ln_1p() / std::f64::consts::LN_2
}

/// A model as tables of bits.
#[derive(Debug)]
pub(super) struct Bits {
    prior: Evidence,
    levels: Vec<Vec<Evidence>>,
}

/// Nothing is impossible: no evidence is infinite.
const LEAST: f64 = 1e-12;

impl Bits {
    pub(super) fn new(model: &Model) -> Self {
        let bits = |share: f64| share.max(LEAST).log2();
        let of = |level: &Level| Evidence {
            same: bits(level.m),
            stranger: bits(level.u),
            relative: bits(level.h),
        };
        let rows = model.comparisons.iter();
        Self {
            prior: Evidence {
                same: bits(model.same),
                stranger: 0.0,
                relative: model.relative.max(1e-300).log2(),
            },
            levels: rows.map(|c| c.levels.iter().map(of).collect()).collect(),
        }
    }

    /// The evidence of a pattern, before it is known how common the values are.
    pub(super) fn evidence(&self, pattern: Pattern) -> Evidence {
        let mut sum = self.prior;
        for (comparison, levels) in self.levels.iter().enumerate() {
            let at = level_of(pattern, comparison).wrapping_sub(1);
            if let Some(level) = levels.get(at) {
                sum.same += level.same;
                sum.stranger += level.stranger;
                sum.relative += level.relative;
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weight_is_the_log_of_the_odds() {
        let evidence = Evidence {
            same: -3.0,
            stranger: -5.0,
            relative: -5.0,
        };
        assert!((evidence.weight() - 1.0).abs() < 1e-12);
        let alone = Evidence {
            relative: f64::NEG_INFINITY,
            ..evidence
        };
        assert!((alone.weight() - 2.0).abs() < 1e-12);
    }
}
