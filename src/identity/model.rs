//! What was learnt of a population: how often pairs of one person, of relatives and of strangers show each level.
//!
//! A pair is one of three things. Two records of *one person* (m) differ by slips and changes. Two *strangers* (u) agree by
//! chance. Two *relatives* (h) share what a household shares, a family name, an address, a phone, an e-mail, and are like
//! strangers in what is one person's own: given name, birth date, national id. Without the third, everything that a
//! household shares would speak for one person; Fellegi and Sunter (1969) is the model without it.

use std::collections::HashMap;
use std::sync::Arc;

use super::comparison::{Pattern, level_of};
use super::dictionary::Mark;
use super::pin::Pins;
use super::population::{Field, Population, Records};
use super::rule::{Feature, Rule};
use super::value::{Common, SharedValues, Values};
use crate::comparison_shape::Shape;

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
    pub(crate) shape: Arc<Shape>,
    pub(crate) levels: Vec<Level>,
}

/// A trained model.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Model {
    /// Share of pairs that are of one person, among all pairs there are.
    pub(crate) same: f64,
    /// Likewise of relatives; 0 where relatives cannot be told.
    pub(crate) relative: f64,
    pub(crate) comparisons: Vec<ComparisonModel>,
    /// Blocking rules in the order in which they are asked.
    pub(crate) rules: Vec<Rule>,
    pub(crate) values: Values,
    /// What of it was given, and not learnt.
    pub(crate) pins: Pins,
    /// When it was trained, in words.
    pub(crate) trained_at: String,
}

/// A model that an earlier build left.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Known {
    model: Model,
    /// Models of the first versions do not say how common values are.
    knows_values: bool,
}

impl Known {
    pub(super) fn model(&self) -> &Model {
        &self.model
    }

    /// Whether all that a pair weighs stands in it, and nothing hangs on the records of now.
    pub(crate) fn is_whole(&self) -> bool {
        self.knows_values
    }

    /// Values that it knows to say nothing of a person; `None` where it knows none of any.
    pub(crate) fn shared(&self) -> Option<&SharedValues> {
        self.knows_values.then_some(&self.model.values.shared)
    }

    /// With records, as the model reads them.
    pub(super) fn at_work(self, records: Records, threads: usize) -> (Population, Model) {
        let population = Population::new(records, self.shared(), threads);
        let mut model = self.model;
        if !self.knows_values {
            let levels = model.comparisons.iter().map(|c| &c.levels);
            let chance: Vec<Vec<f64>> = levels.map(|l| l.iter().map(|l| l.u).collect()).collect();
            model.values = Values::of(&population, &model, &chance, threads);
        }
        (population, model)
    }
}

/// A model as its table has it, for people to read and for the next build to read back.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ModelRows {
    /// All but those of common values.
    pub(crate) rows: Vec<ModelRow>,
    /// By comparison and level. There may be as many values as records, and a row of texts for each would take long.
    pub(crate) common: Vec<CommonValues>,
}

/// The common values of a level: rows of the part [`COMMON_VALUE`].
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct CommonValues {
    /// The comparison.
    pub(crate) name: String,
    /// The level, from 1.
    pub(crate) position: i64,
    /// Records of each value.
    counts: Vec<(Mark, u32)>,
}

/// The part of a row that says how common a value is.
pub(crate) const COMMON_VALUE: &str = "common_value";

impl ModelRows {
    /// Adds a common value of a level by its mark as it is written, and how many records have it; says whether these are a mark and
    /// a count.
    pub(crate) fn add_common(&mut self, name: &str, position: i64, mark: &str, count: i64) -> bool {
        let (Some(mark), Ok(count)) = (read(mark), u32::try_from(count)) else {
            return false;
        };
        let is_it = |values: &CommonValues| values.name == name && values.position == position;
        // rows of one level mostly follow one another
        let last = self.common.last().is_some_and(is_it);
        let known = match last {
            true => Some(self.common.len() - 1),
            false => self.common.iter().position(is_it),
        };
        let at = known.unwrap_or_else(|| {
            self.common.push(CommonValues {
                name: name.to_string(),
                position,
                counts: Vec::new(),
            });
            self.common.len() - 1
        });
        self.common[at].counts.push((mark, count));
        true
    }
}

impl CommonValues {
    /// Marks as they are written, and how many records have each value.
    pub(crate) fn counts(&self) -> impl ExactSizeIterator<Item = (String, u32)> + '_ {
        self.counts
            .iter()
            .map(|(mark, count)| (written(*mark), *count))
    }
}

/// One thing that a model says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ModelRow {
    /// `trained`, `prior`, `level`, `rule`, or `own_rule` for one of the project's own; `pin` for what was given of a level, or of
    /// the prior; `values` of a level whose common values weigh less, each a [`COMMON_VALUE`], and `chance` where u of the level is not
    /// as they tell it; `shared_value` for one that says nothing; `column` where a caller adds what was compared.
    pub(crate) part: String,
    /// Of a level or its values: its comparison. Of a rule: its features. Of a shared value: its field.
    pub(crate) name: String,
    /// Order within the name, from 1; of values the level.
    pub(crate) position: i64,
    /// What the level says; of a value its mark; of `trained` when.
    pub(crate) level: Option<String>,
    pub(crate) same: Option<f64>,
    pub(crate) stranger: Option<f64>,
    pub(crate) relative: Option<f64>,
    /// In bits, where it was given; else it follows from the shares.
    pub(crate) weight: Option<f64>,
    /// Candidate pairs of a rule; records of a value, or that it was trained on.
    pub(crate) count: Option<i64>,
}

impl Model {
    /// The model as rows; `pairs` are those of each rule, `rule_names` what rules of the project's own are called.
    pub(crate) fn rows(&self, pairs: &[u64], rule_name: impl Fn(&Rule) -> String) -> ModelRows {
        let mut rows = vec![
            ModelRow {
                part: "trained".into(),
                position: 1,
                level: Some(self.trained_at.clone()),
                count: Some(self.values.records as i64),
                ..ModelRow::default()
            },
            ModelRow {
                part: "prior".into(),
                position: 1,
                same: Some(self.same),
                relative: Some(self.relative),
                ..ModelRow::default()
            },
        ];
        for comparison in &self.comparisons {
            let levels = comparison.levels.iter().zip(&comparison.shape.levels);
            let levels = levels.zip(1..).map(|((level, said), position)| ModelRow {
                part: "level".into(),
                name: comparison.shape.name.clone(),
                position,
                level: Some(said.name.to_string()),
                same: Some(level.m),
                stranger: Some(level.u),
                relative: Some(level.h),
                ..ModelRow::default()
            });
            rows.extend(levels);
        }
        let rules = self.rules.iter().zip(pairs).zip(1..);
        rows.extend(rules.map(|((rule, pairs), position)| ModelRow {
            part: if rule.is_own() { "own_rule" } else { "rule" }.into(),
            name: rule_name(rule),
            position,
            count: Some(*pairs as i64),
            ..ModelRow::default()
        }));
        rows.extend(self.pins.rows());
        let mut rows = ModelRows {
            rows,
            common: Vec::new(),
        };
        self.add_values(&mut rows);
        rows
    }

    fn add_values(&self, to: &mut ModelRows) {
        for (comparison, levels) in self.comparisons.iter().zip(&self.values.common) {
            let levels = levels.iter().zip(1..);
            for (common, position) in levels.filter_map(|(c, at)| Some((c.as_ref()?, at))) {
                let name = comparison.shape.name.clone();
                to.rows.push(ModelRow {
                    part: "values".into(),
                    name: name.clone(),
                    position,
                    stranger: Some(common.equal_share),
                    count: Some(common.known as i64),
                    ..ModelRow::default()
                });
                to.common.push(CommonValues {
                    name,
                    position,
                    counts: common.counts.iter().map(|(m, n)| (*m, *n)).collect(),
                });
                to.rows.extend(common.chance.map(|chance| ModelRow {
                    part: "chance".into(),
                    name: comparison.shape.name.clone(),
                    position,
                    stranger: Some(chance),
                    ..ModelRow::default()
                }));
            }
        }
        for (field, marks) in &self.values.shared.0 {
            to.rows
                .extend(marks.iter().zip(1..).map(|(mark, position)| ModelRow {
                    part: "shared_value".into(),
                    name: field.name().to_string(),
                    position,
                    level: Some(written(*mark)),
                    ..ModelRow::default()
                }));
        }
    }

    /// kilde's own rules that rows say, in order.
    fn rules_of(rows: &[ModelRow]) -> Option<Vec<Rule>> {
        let mut rules: Vec<&ModelRow> = rows.iter().filter(|row| row.part == "rule").collect();
        rules.sort_by_key(|row| row.position);
        let rule = |row: &&ModelRow| {
            let features = row.name.split(", ").map(Feature::named);
            Some(Rule {
                features: features.collect::<Option<_>>()?,
                refine: None,
            })
        };
        rules.iter().map(rule).collect()
    }

    /// The model that rows say; `None` where they do not fit what is compared now: then another must be trained. `own` and
    /// `must` are the rules that the project writes, which no model says.
    pub(crate) fn from_rows(
        rows: ModelRows,
        shapes: &[Arc<Shape>],
        own: &[Rule],
        must: &[Rule],
    ) -> Option<Known> {
        let ModelRows { rows, common } = rows;
        let rows = rows.as_slice();
        let prior = rows.iter().find(|row| row.part == "prior")?;
        let comparison = |shape: &Arc<Shape>| {
            let mut levels: Vec<&ModelRow> = rows
                .iter()
                .filter(|row| row.part == "level" && row.name == shape.name)
                .collect();
            levels.sort_by_key(|row| row.position);
            let known = shape.levels.iter().map(|level| Some(&*level.name));
            if !levels.iter().map(|row| row.level.as_deref()).eq(known) {
                return None;
            }
            let levels = levels.iter().map(|row| {
                Some(Level {
                    m: row.same?,
                    u: row.stranger?,
                    h: row.relative?,
                })
            });
            Some(ComparisonModel {
                shape: Arc::clone(shape),
                levels: levels.collect::<Option<_>>()?,
            })
        };
        let rules = match own.is_empty() {
            true => Self::rules_of(rows)?,
            false => own.to_vec(),
        };
        if rules.is_empty() {
            return None;
        }
        let rules = [rules.as_slice(), must].concat();
        let trained = rows.iter().find(|row| row.part == "trained");
        // models of the first versions neither say when they were trained nor know of values
        let (trained_at, values) = match trained {
            Some(row) => {
                let values = Values {
                    records: u64::try_from(row.count?).ok()?,
                    shared: Self::shared_values(rows)?,
                    common: common_of(rows, common, shapes)?,
                };
                (row.level.clone()?, values)
            }
            None => (String::new(), Values::default()),
        };
        let model = Self {
            same: prior.same?,
            relative: prior.relative?,
            comparisons: shapes.iter().map(comparison).collect::<Option<_>>()?,
            rules,
            values,
            pins: Pins::of_rows(rows),
            trained_at,
        };
        Some(Known {
            model,
            knows_values: trained.is_some(),
        })
    }

    /// Values that say nothing of a person, as rows say; `None` where a row does not say which.
    fn shared_values(rows: &[ModelRow]) -> Option<SharedValues> {
        let mut shared = SharedValues::default();
        for row in rows.iter().filter(|row| row.part == "shared_value") {
            let mark = row.level.as_deref().and_then(read)?;
            let field = Field::named(&row.name)?;
            shared.0.entry(field).or_default().push(mark);
        }
        for marks in shared.0.values_mut() {
            marks.sort_unstable();
        }
        Some(shared)
    }
}

/// How common values are, as rows say, by comparison and level; `None` where a row does not say it.
fn common_of(
    rows: &[ModelRow],
    common: Vec<CommonValues>,
    shapes: &[Arc<Shape>],
) -> Option<Vec<Vec<Option<Common>>>> {
    let places: HashMap<&str, usize> = shapes.iter().map(|s| s.name.as_str()).zip(0..).collect();
    let levels = shapes.iter().map(|shape| vec![None; shape.levels.len()]);
    let mut found: Vec<Vec<Option<Common>>> = levels.collect();
    // values of a comparison that is none any more say nothing
    let place = |name: &str| places.get(name).copied();
    let of_values = |row: &&ModelRow| matches!(row.part.as_str(), "values" | "chance");
    for row in rows.iter().filter(of_values) {
        let Some(at) = place(&row.name) else { continue };
        let level = usize::try_from(row.position - 1).ok()?;
        let common: &mut Common = found[at].get_mut(level)?.get_or_insert_default();
        if row.part == "chance" {
            common.chance = Some(row.stranger?);
        } else {
            common.known = u64::try_from(row.count?).ok()?;
            common.equal_share = row.stranger?;
        }
    }
    for values in common {
        let Some(at) = place(&values.name) else {
            continue;
        };
        let level = usize::try_from(values.position - 1).ok()?;
        let common: &mut Common = found[at].get_mut(level)?.get_or_insert_default();
        common.counts = values.counts.into_iter().collect();
    }
    // one that says no mark or no count
    let mut unread = rows.iter().filter(|row| row.part == COMMON_VALUE);
    let is_unread = unread.any(|row| place(&row.name).is_some());
    (!is_unread).then_some(found)
}

/// A mark as a model writes it.
pub(super) fn written(mark: Mark) -> String {
    format!("{mark:016x}")
}

fn read(mark: &str) -> Option<Mark> {
    Mark::from_str_radix(mark, 16).ok()
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

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            same: self.same + other.same,
            stranger: self.stranger + other.stranger,
            relative: self.relative + other.relative,
        }
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

/// Nothing is impossible: no evidence is infinite. What a model says counts as far as anybody writes it.
const LEAST: f64 = 1e-300;
/// The same of relatives, of whom little is seen: a level that none of them showed is not much rarer than that.
const LEAST_OF_RELATIVES: f64 = 1e-12;

impl Bits {
    pub(super) fn new(model: &Model) -> Self {
        let bits = |share: f64| share.max(LEAST).log2();
        let of = |comparison: &ComparisonModel| {
            let least = match comparison.shape.is_shared() {
                true => LEAST_OF_RELATIVES,
                // in this relatives are strangers
                false => LEAST,
            };
            let levels = comparison.levels.iter().map(|level| Evidence {
                same: bits(level.m),
                stranger: bits(level.u),
                relative: bits(level.h.max(least)),
            });
            levels.collect::<Vec<Evidence>>()
        };
        Self {
            prior: Evidence {
                same: bits(model.same),
                stranger: 0.0,
                relative: bits(model.relative),
            },
            levels: model.comparisons.iter().map(of).collect(),
        }
    }

    /// What is known of a pair before anything is compared.
    pub(super) fn prior(&self) -> Evidence {
        self.prior
    }

    /// The evidence of each level of a comparison.
    pub(super) fn levels(&self, comparison: usize) -> &[Evidence] {
        self.levels.get(comparison).map_or(&[], Vec::as_slice)
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
    use crate::comparison_shape::Kind;

    #[test]
    fn a_model_reads_back_from_its_rows_and_not_for_other_comparisons() {
        let phone = Arc::new(Shape::of(Kind::Phone));
        let levels = Kind::Phone.levels().iter().map(|prior| Level {
            m: prior.same,
            u: 0.1,
            h: 0.2,
        });
        let model = Model {
            same: 1e-5,
            relative: 2e-5,
            comparisons: vec![ComparisonModel {
                shape: Arc::clone(&phone),
                levels: levels.collect(),
            }],
            rules: vec![Rule {
                features: vec![Feature::Family, Feature::BirthDate],
                refine: None,
            }],
            values: Values {
                records: 9,
                shared: SharedValues([(Field::Phone, vec![3, 5])].into()),
                common: vec![vec![
                    Some(Common {
                        known: 8,
                        equal_share: 0.1,
                        chance: Some(0.05),
                        counts: [(7, 4), (u64::MAX, 3)].into(),
                    }),
                    None,
                    None,
                ]],
            },
            pins: Pins {
                prior: Some(1e-5),
                levels: Vec::new(),
            },
            trained_at: "2026-03-01".into(),
        };
        let mut rows = model.rows(&[7], |_| "family_name, birth_date".into());
        rows.rows.reverse();
        let known = Known {
            model,
            knows_values: true,
        };
        assert_eq!(
            Model::from_rows(rows.clone(), &[Arc::clone(&phone)], &[], &[]),
            Some(known)
        );
        assert_eq!(
            Model::from_rows(rows, &[phone, Arc::new(Shape::of(Kind::Email))], &[], &[]),
            None
        );
    }

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
