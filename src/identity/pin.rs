//! Parameters of a model that people pin: a training takes them as they are, and learns the others around them.
//!
//! Of one comparison m of all levels add up to 1, and so does u. Levels that are not pinned share what the pinned ones leave, in
//! the proportions in which pairs show them. A pinned weight ties m and u of its level to each other.

use std::sync::Arc;

use super::model::{ComparisonModel, ModelRow};
use crate::comparison_shape::Shape;

/// What of a model is given, and not learnt.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Pins {
    /// Share of pairs that are of one person, among all pairs there are.
    pub(crate) prior: Option<f64>,
    pub(crate) levels: Vec<LevelPin>,
}

/// What of a level is given, named as the model names it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LevelPin {
    pub(crate) comparison: String,
    pub(crate) level: String,
    pub(crate) m: Option<f64>,
    pub(crate) u: Option<f64>,
    /// log2 of m / u, where neither is given.
    pub(crate) weight: Option<f64>,
}

/// The part of a model's table that says what was given.
const PIN: &str = "pin";

impl Pins {
    /// As rows of the model's table, in an order that is not the project's.
    pub(crate) fn rows(&self) -> Vec<ModelRow> {
        let row = |position: usize| ModelRow {
            part: PIN.into(),
            position: position as i64,
            ..ModelRow::default()
        };
        let mut levels: Vec<&LevelPin> = self.levels.iter().collect();
        levels.sort_by_key(|pin| (&pin.comparison, &pin.level));
        let prior = self.prior.map(|prior| ModelRow {
            same: Some(prior),
            ..row(0)
        });
        let levels = levels.into_iter().zip(1..).map(|(pin, at)| ModelRow {
            name: pin.comparison.clone(),
            level: Some(pin.level.clone()),
            same: pin.m,
            stranger: pin.u,
            weight: pin.weight,
            ..row(at)
        });
        prior.into_iter().chain(levels).collect()
    }

    /// What rows of a model say was given.
    pub(crate) fn of_rows(rows: &[ModelRow]) -> Self {
        let mut pins = Self::default();
        for row in rows.iter().filter(|row| row.part == PIN) {
            match &row.level {
                None => pins.prior = row.same,
                Some(level) => pins.levels.push(LevelPin {
                    comparison: row.name.clone(),
                    level: level.clone(),
                    m: row.same,
                    u: row.stranger,
                    weight: row.weight,
                }),
            }
        }
        let name = |pin: &LevelPin| (pin.comparison.clone(), pin.level.clone());
        pins.levels.sort_by_key(name);
        pins
    }

    /// Whether both give the same, in whatever order. To nine digits: what was written and read again may differ in the last.
    pub(crate) fn agree(&self, other: &Self) -> bool {
        let written = |share: Option<f64>| share.map(|share| format!("{share:.8e}"));
        let of = |pins: &Self| {
            let rows = pins.rows().into_iter();
            let said = rows.map(|row| {
                let given = [row.same, row.stranger, row.weight].map(written);
                (row.name, row.level, given)
            });
            said.collect::<Vec<_>>()
        };
        of(self) == of(other)
    }

    /// What is given of a level.
    pub(crate) fn of_level(&self, comparison: &str, level: &str) -> Option<&LevelPin> {
        let mut levels = self.levels.iter();
        levels.find(|pin| pin.comparison == comparison && pin.level == level)
    }

    fn of_shape(&self, shape: &Shape) -> Vec<Option<&LevelPin>> {
        let levels = shape.levels.iter();
        let pins = levels.map(|level| self.of_level(&shape.name, &level.name));
        pins.collect()
    }

    /// Whether of a comparison that no record says anything of each level but one is given, so that nothing is left to a guess.
    pub(super) fn say_all_of(&self, shape: &Arc<Shape>) -> bool {
        let is_given = |pin: &&Option<&LevelPin>| {
            pin.is_some_and(|pin| pin.weight.is_some() || (pin.m.is_some() && pin.u.is_some()))
        };
        let pins = self.of_shape(shape);
        pins.iter().filter(is_given).count() + 1 >= pins.len()
    }

    /// Sets m and u of a comparison to what is given, and lets the other levels share the rest. `chance` is u of each level as
    /// the records tell it.
    pub(super) fn hold(&self, comparison: &mut ComparisonModel, chance: &[f64]) {
        let pins = self.of_shape(&comparison.shape);
        if pins.iter().all(Option::is_none) {
            return;
        }
        let shares = comparison.levels.iter().zip(chance);
        let seen: Vec<(f64, f64)> = shares.map(|(level, u)| (level.m, *u)).collect();
        let is_shared = comparison.shape.is_shared();
        for (level, (m, u)) in comparison.levels.iter_mut().zip(held(&seen, &pins)) {
            (level.m, level.u) = (m, u);
            if !is_shared {
                level.h = u;
            }
        }
    }
}

/// m and u of every level. What is not given is a share that was seen times one factor, `a` for every m and `b` for every u. A
/// weight makes the smaller of its two shares follow the larger: u follows m where it speaks for one person, and m follows u where it
/// speaks against. That both add up to 1 are two equations for the two factors.
fn held(seen: &[(f64, f64)], pins: &[Option<&LevelPin>]) -> Vec<(f64, f64)> {
    let nothing = LevelPin::default();
    let levels = || {
        let pins = pins.iter().map(|pin| pin.unwrap_or(&nothing));
        seen.iter().copied().zip(pins)
    };
    // m: a·m_of_a + b·m_of_b = m_left, and u likewise
    let (mut m_of_a, mut m_of_b, mut m_left) = (0.0, 0.0, 1.0);
    let (mut u_of_a, mut u_of_b, mut u_left) = (0.0, 0.0, 1.0);
    for ((m, u), pin) in levels() {
        match (pin.weight, pin.m, pin.u) {
            (Some(weight), ..) if weight < 0.0 => {
                m_of_b += weight.exp2() * u;
                u_of_b += u;
            }
            (Some(weight), ..) => {
                m_of_a += m;
                u_of_a += (-weight).exp2() * m;
            }
            (None, given_m, given_u) => {
                m_left -= given_m.unwrap_or_default();
                m_of_a += if given_m.is_some() { 0.0 } else { m };
                u_left -= given_u.unwrap_or_default();
                u_of_b += if given_u.is_some() { 0.0 } else { u };
            }
        }
    }
    let (a, b) = if levels().any(|(_, pin)| pin.weight.is_some()) {
        let both = m_of_a * u_of_b - m_of_b * u_of_a;
        (
            (m_left * u_of_b - m_of_b * u_left) / both,
            (m_of_a * u_left - u_of_a * m_left) / both,
        )
    } else {
        (m_left / m_of_a, u_left / u_of_b)
    };
    let held = levels().map(|((m, u), pin)| match (pin.weight, pin.m, pin.u) {
        (Some(weight), ..) if weight < 0.0 => (weight.exp2() * b * u, b * u),
        (Some(weight), ..) => (a * m, (-weight).exp2() * a * m),
        (None, given_m, given_u) => (given_m.unwrap_or(a * m), given_u.unwrap_or(b * u)),
    });
    held.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(m: Option<f64>, u: Option<f64>, weight: Option<f64>) -> LevelPin {
        LevelPin {
            comparison: "phone".into(),
            m,
            u,
            weight,
            ..LevelPin::default()
        }
    }

    #[track_caller]
    fn assert_held(pins: &[Option<LevelPin>]) {
        let seen = [(0.7, 0.01), (0.2, 0.09), (0.1, 0.9)];
        let pins: Vec<Option<&LevelPin>> = pins.iter().map(Option::as_ref).collect();
        let found = held(&seen, &pins);
        let is_near = |one: f64, other: f64| (one - other).abs() < 1e-9;
        let sum = |of: fn(&(f64, f64)) -> f64| found.iter().map(of).sum::<f64>();
        assert!(is_near(sum(|s| s.0), 1.0) && is_near(sum(|s| s.1), 1.0));
        for ((m, u), pin) in found.iter().zip(&pins) {
            assert!(*m > 0.0 && *u > 0.0, "{found:?}");
            let Some(pin) = pin else { continue };
            assert!(pin.m.is_none_or(|given| given == *m));
            assert!(pin.u.is_none_or(|given| given == *u));
            assert!(
                pin.weight
                    .is_none_or(|given| is_near((m / u).log2(), given))
            );
        }
    }

    #[test]
    fn what_is_given_stands_and_the_other_levels_share_the_rest() {
        assert_held(&[Some(pin(Some(0.9), None, None)), None, None]);
        assert_held(&[
            Some(pin(Some(0.6), Some(1e-6), None)),
            Some(pin(None, Some(0.5), None)),
            None,
        ]);
        assert_held(&[Some(pin(None, None, Some(12.0))), None, None]);
        assert_held(&[None, None, Some(pin(None, None, Some(-7.5)))]);
        let both = [
            Some(pin(None, None, Some(12.0))),
            None,
            Some(pin(None, None, Some(-0.5))),
        ];
        assert_held(&both);
        assert_held(&[
            Some(pin(None, None, Some(0.0))),
            Some(pin(None, None, Some(-3.0))),
            None,
        ]);
        // every m is given: they add up to 1
        let all = [0.5, 0.25, 0.25].map(|m| Some(pin(Some(m), None, None)));
        assert_held(&all);
    }

    #[test]
    fn pins_come_back_from_rows_in_whatever_order_they_were_written() {
        let mut pins = Pins {
            prior: Some(1e-6),
            levels: vec![
                pin(Some(0.123456789012), None, None),
                LevelPin {
                    comparison: "email".into(),
                    ..pin(None, None, Some(-3.0))
                },
            ],
        };
        let read = Pins::of_rows(&pins.rows());
        assert!(read.agree(&pins) && read != pins);
        pins.levels[0].m = Some(0.1234568);
        assert!(!read.agree(&pins));
        assert!(!Pins::default().agree(&pins));
    }
}
