//! What a model knows of values: which say nothing of a person, and how common the common ones are.
//!
//! Both are learnt with the model and kept with it, so that what two records weigh against each other depends on the model and
//! on the two alone: a night of new records changes no pair of old ones. Values are known by their marks; a model holds
//! no text of anybody.

use std::collections::BTreeMap;

use super::comparison::Compared;
use super::dictionary::{Dictionary, Mark};
use super::model::Model;
use super::population::{Field, Population};
use crate::comparison_shape::Kind;
use crate::parallel;

/// Values that more people share than one would, by field: an address as street and postcode. Marks, sorted.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct SharedValues(pub(crate) BTreeMap<Field, Vec<Mark>>);

impl SharedValues {
    /// The codes of a field's column that are shared, sorted.
    pub(super) fn codes(&self, field: Field, column: &Dictionary) -> Vec<u32> {
        let Some(marks) = self.0.get(&field).filter(|marks| !marks.is_empty()) else {
            return Vec::new();
        };
        let codes = 0..column.len() as u32;
        codes
            .filter(|code| marks.binary_search(&column.mark(*code)).is_ok())
            .collect()
    }

    /// Remembers the values of codes.
    pub(super) fn insert(&mut self, field: Field, column: &Dictionary, codes: &[u32]) {
        let mut marks: Vec<Mark> = codes.iter().map(|code| column.mark(*code)).collect();
        marks.sort_unstable();
        self.0.insert(field, marks);
    }
}

/// What a model knows of values.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Values {
    /// Records that it was learnt from.
    pub(crate) records: u64,
    pub(crate) shared: SharedValues,
    /// By comparison and level; `None` where agreeing on a rare value is worth no more.
    pub(crate) common: Vec<Vec<Option<Common>>>,
}

/// How common the values of a column are.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Common {
    /// Records with a value.
    pub(crate) known: u64,
    /// Share of their pairs in which both values are equal.
    pub(crate) equal_share: f64,
    /// Share of strangers that are equal, where the model says another u of the level: a pinned one holds for a value of average
    /// rarity, and how rare a value is follows from this.
    pub(crate) chance: Option<f64>,
    /// Records of each value that is common enough to weigh less; every other, and every new one, is rare.
    pub(crate) counts: BTreeMap<Mark, u32>,
}

/// No word counts as rarer than this: a name with a slip of the keyboard stands nowhere else, and says no more for that. What
/// was given to one person, an e-mail address or a number, is as rare as it looks.
const RAREST_WORD: f64 = 1e-5;
/// People who bear a name that one person alone was seen with: a guess between none and one.
const UNSEEN: f64 = 0.3;
/// Times the average that a person may have records before their value counts as shared.
const MOST_OF_ONE: f64 = 4.0;

/// log2 of how likelier a stranger has a value than strangers agree on any.
///
/// Of `n` records with a value one is the pair's own, and of the others some are of the same person: as many as among all
/// pairs that agree, unless there are more than a person has records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rarity {
    /// Records with a value.
    known: f64,
    /// Share of strangers that agree: u.
    equal: f64,
    /// Of the pairs that agree, the share of strangers.
    of_strangers: f64,
    /// How many other records of the same person a record has on average.
    own: f64,
    least: f64,
}

impl Rarity {
    /// `level`: from 1. `own`: other records of the same person that a record has with an equal value.
    pub(super) fn new(kind: Kind, level: u8, common: &Common, u: f64, own: f64) -> Self {
        let u = common.chance.unwrap_or(u);
        let known = (common.known as f64).max(2.0);
        Self {
            known,
            equal: u,
            of_strangers: (u / common.equal_share).min(1.0),
            own,
            least: match (kind, level) {
                (Kind::Email | Kind::Phone | Kind::NationalId, 1) => u.min(UNSEEN / known),
                _ => RAREST_WORD.max(u.min(UNSEEN / known)),
            },
        }
    }

    /// Of a value that so many records have.
    pub(super) fn bits(&self, count: u32) -> f32 {
        let others = f64::from(count) - 1.0;
        let strangers = (others * self.of_strangers).max(others - MOST_OF_ONE * (1.0 + self.own));
        ((strangers / self.known).max(self.least).log2() - self.equal.log2()) as f32
    }

    /// Of a value that is not known to be common.
    pub(super) fn rare(&self) -> f32 {
        self.bits(1)
    }
}

impl Values {
    /// What a population tells of its values to a model that was learnt from it. `chance`: by comparison and level, how often
    /// strangers show it, before anything was pinned.
    pub(super) fn of(
        population: &Population,
        model: &Model,
        chance: &[Vec<f64>],
        threads: usize,
    ) -> Self {
        let comparisons: Vec<(&Compared, usize)> = population.comparisons.iter().zip(0..).collect();
        let rows = f64::from(population.rows);
        let common = parallel::map(threads, &comparisons, |(compared, at)| {
            let levels = model.comparisons.get(*at).map(|c| c.levels.as_slice());
            let levels = levels.unwrap_or_default().iter().zip(1_u8..);
            let chance = chance.get(*at).map_or(&[][..], Vec::as_slice);
            let common = levels.map(|(share, level)| {
                let placed = compared.agreed(level)?;
                let column = &placed.column;
                let counts = population.features.counts(placed);
                let mut common = Common::of_counts(&counts);
                let of_level = chance.get(usize::from(level) - 1).copied();
                common.chance = of_level.filter(|chance| *chance != share.u);
                let own = model.same * rows * share.m;
                let rarity = Rarity::new(compared.shape.kind, level, &common, share.u, own);
                let counts = counts.into_iter().zip(0..);
                let told = counts.filter(|(count, _)| rarity.bits(*count) > rarity.rare());
                common.counts = told.map(|(n, code)| (column.mark(code), n)).collect();
                Some(common)
            });
            common.collect()
        });
        Self {
            records: u64::from(population.rows),
            shared: population.shared.clone(),
            common,
        }
    }
}

impl Common {
    /// Without the counts of any value.
    fn of_counts(counts: &[u32]) -> Self {
        let known: u64 = counts.iter().map(|n| u64::from(*n)).sum();
        let equal: u64 = counts
            .iter()
            .map(|n| u64::from(*n) * u64::from(n.saturating_sub(1)))
            .sum();
        let pairs = known as f64 * (known as f64 - 1.0);
        Self {
            known,
            equal_share: equal.max(1) as f64 / pairs.max(1.0),
            chance: None,
            counts: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_as_rare_as_it_looks_and_a_word_with_a_slip_is_not() {
        let common = Common {
            known: 200_000,
            equal_share: 1e-5,
            ..Common::default()
        };
        let rare = |kind, level| Rarity::new(kind, level, &common, 1e-7, 1.0).rare();
        assert!(rare(Kind::Email, 1).abs() < 1e-6);
        // of another host the user alone agrees, which is a word
        for (kind, level) in [(Kind::Email, 2), (Kind::FamilyName, 1)] {
            assert!((rare(kind, level) - 100_f32.log2()).abs() < 1e-3);
        }
    }
}
