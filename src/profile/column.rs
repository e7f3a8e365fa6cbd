//! One column, value by value, in memory that does not grow with them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::distinct::Distinct;
use super::meaning::{self, Evidence};
use super::tally::{DayOrder, NumberStyle, Tally, TypeGuess};
use super::value::pattern;
use crate::column_type::ColumnType;
use crate::project::Meaning;

/// Values whose occurrences are counted; later ones are not among the top values.
const COUNTED: usize = 2_000;
/// More different values than these are no categories.
const CATEGORIES: u64 = 100;
/// Digits of the shortest number that may be somebody's.
const LONG_NUMBER: usize = 7;
/// Longer texts are not worth counting.
const LONGEST: usize = 120;
/// Forms that are counted.
const FORMS: usize = 200;
/// Top values and forms that are told of.
const TOLD: usize = 5;

/// What was seen of a column so far.
#[derive(Clone, Debug, Default)]
pub(super) struct ColumnSketch {
    pub(super) tally: Tally,
    pub(super) distinct: Distinct,
    rows: u64,
    empty: u64,
    /// Rows with a value that is no text.
    unread: u64,
    values: BTreeMap<String, u64>,
    forms: BTreeMap<String, u64>,
    shortest: Option<usize>,
    longest: usize,
    evidence: Evidence,
}

/// What is known of a column.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ColumnProfile {
    /// As the file calls it; of nested records the path.
    pub(crate) name: String,
    #[serde(serialize_with = "as_text")]
    pub(crate) data_type: ColumnType,
    /// Share of values that are of the type.
    pub(crate) type_confidence: f64,
    /// Values that are not.
    pub(crate) misfits: u64,
    /// Those among them that another type would not read either.
    #[serde(skip)]
    pub(crate) odd: u64,
    pub(crate) rows: u64,
    /// Rows without a value.
    pub(crate) empty: u64,
    /// Different values; 0 of lists and structs, which are not compared.
    pub(crate) distinct: u64,
    /// `false`: an estimate.
    pub(crate) is_distinct_exact: bool,
    /// What it says of a person, if it seems to.
    #[serde(serialize_with = "meaning_name")]
    pub(crate) personal: Option<Meaning>,
    pub(crate) personal_confidence: f64,
    pub(crate) least: Option<String>,
    pub(crate) most: Option<String>,
    pub(crate) shortest: usize,
    pub(crate) longest: usize,
    /// The most frequent values, of columns of codes and categories; none of personal columns.
    pub(crate) top_values: Vec<Frequent>,
    /// How values are written: `a` stands for letters, `9` for a digit.
    pub(crate) forms: Vec<Frequent>,
    pub(crate) doubt: Option<String>,
    /// What reading it needs.
    #[serde(skip)]
    pub(crate) guess: TypeGuess,
    /// A value in every row, and none twice.
    pub(crate) is_unique: bool,
    #[serde(skip)]
    pub(super) values: Distinct,
}

/// A value and how often it stands there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Frequent {
    pub(crate) value: String,
    pub(crate) count: u64,
}

fn as_text<S: serde::Serializer>(value: &ColumnType, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&value.to_string())
}

fn meaning_name<S: serde::Serializer>(
    meaning: &Option<Meaning>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match meaning {
        Some(meaning) => serializer.serialize_some(meaning.name()),
        None => serializer.serialize_none(),
    }
}

impl ColumnSketch {
    /// Takes the value of the next row.
    pub(super) fn add(&mut self, value: Option<&str>) {
        self.rows += 1;
        let text = value.map(str::trim).unwrap_or_default();
        if text.is_empty() {
            self.empty += 1;
            return;
        }
        self.tally.add(text);
        self.distinct.add(text);
        self.evidence.add(text);
        let length = text.chars().count();
        self.shortest = Some(
            self.shortest
                .map_or(length, |shortest| shortest.min(length)),
        );
        self.longest = self.longest.max(length);
        if length <= LONGEST {
            count(&mut self.values, text, COUNTED);
        }
        count(&mut self.forms, &pattern(text), FORMS);
    }

    /// Adds more rows of the column.
    pub(super) fn merge(&mut self, other: &Self) {
        self.tally.merge(&other.tally);
        self.distinct.merge(&other.distinct);
        self.evidence.merge(&other.evidence);
        self.rows += other.rows;
        self.empty += other.empty;
        self.unread += other.unread;
        for (counts, more, most) in [
            (&mut self.values, &other.values, COUNTED),
            (&mut self.forms, &other.forms, FORMS),
        ] {
            for (text, count) in more {
                if counts.len() < most || counts.contains_key(text) {
                    *counts.entry(text.clone()).or_default() += count;
                }
            }
        }
        let shortest = [self.shortest, other.shortest];
        self.shortest = shortest.into_iter().flatten().min();
        self.longest = self.longest.max(other.longest);
    }

    /// Whether every row has a value, and none comes twice.
    pub(super) fn is_unique(&self) -> bool {
        // a record whose value is a list or an object will be a reject
        let values = self.rows - self.unread;
        self.empty == 0
            && values > 0
            && match self.distinct.is_exact() {
                true => self.distinct.count() == values,
                false => self.distinct.count() as f64 > values as f64 * 0.98,
            }
    }

    /// Rows seen.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Rows that lack the column altogether.
    pub(super) fn add_missing(&mut self, rows: u64) {
        self.rows += rows;
        self.empty += rows;
    }

    /// Rows with a value that is no text: a list, an object.
    pub(super) fn add_unread(&mut self, rows: u64) {
        self.rows += rows;
        self.unread += rows;
    }

    /// What is known by now. `declared`: the type, where the file says it.
    pub(super) fn profile(
        &self,
        name: &str,
        style: &NumberStyle,
        order: &DayOrder,
        declared: Option<&ColumnType>,
        is_of_people: bool,
    ) -> ColumnProfile {
        let guess = match declared {
            Some(data_type) => TypeGuess::of(data_type.clone()),
            None => self.tally.guess(style, order, name),
        };
        let is_nested = is_nested(&guess.data_type);
        let values = self.rows - self.empty;
        let (personal, personal_confidence) =
            match meaning::of(name, &self.evidence, &guess.data_type, is_of_people) {
                Some((meaning, confidence)) => (Some(meaning), confidence),
                None => (None, 0.0),
            };
        let is_hidden = personal.is_some() || meaning::is_of_somebody(name);
        let (least, most) = match !is_hidden && !self.is_of_long_numbers(&guess.data_type) {
            true => self.range(&guess.data_type),
            false => (None, None),
        };
        ColumnProfile {
            name: name.to_string(),
            type_confidence: confidence(guess.misfits, values),
            misfits: guess.misfits,
            odd: 0,
            rows: self.rows,
            empty: self.empty,
            distinct: match is_nested {
                true => 0,
                false => self.distinct.count(),
            },
            is_distinct_exact: self.distinct.is_exact(),
            personal,
            personal_confidence,
            least,
            most,
            shortest: self.shortest.filter(|_| !is_nested).unwrap_or(0),
            longest: if is_nested { 0 } else { self.longest },
            top_values: match !is_hidden && !is_nested && self.is_of_categories() {
                true => top(&self.values, 2),
                false => Vec::new(),
            },
            forms: match is_nested {
                true => Vec::new(),
                false => top(&self.forms, 1),
            },
            doubt: guess.doubt.map(str::to_string),
            is_unique: !is_nested && self.is_unique(),
            data_type: guess.data_type.clone(),
            guess,
            values: self.distinct.clone(),
        }
    }

    /// Whether its values are codes or categories: few, each of them often, and none that could be anybody's.
    fn is_of_categories(&self) -> bool {
        let counts = self.values.iter();
        self.distinct.is_exact()
            && self.distinct.count() <= CATEGORIES
            && self.distinct.count() == self.values.len() as u64
            && counts
                .clone()
                .all(|(value, count)| *count > 1 && meaning::is_code_like(value))
    }

    /// Whether its numbers are long enough to be those of phones, cards or persons.
    fn is_of_long_numbers(&self, data_type: &ColumnType) -> bool {
        let is_whole = matches!(data_type, ColumnType::Bigint | ColumnType::Integer);
        is_whole && self.longest >= LONG_NUMBER
    }

    /// The least and the most of what has an order that people know.
    fn range(&self, data_type: &ColumnType) -> (Option<String>, Option<String>) {
        let tally = &self.tally;
        let day = |day: i32| {
            format!(
                "{:04}-{:02}-{:02}",
                day / 10_000,
                day / 100 % 100,
                day % 100
            )
        };
        match data_type {
            ColumnType::Date | ColumnType::Timestamp => {
                (tally.first_day.map(day), tally.last_day.map(day))
            }
            ColumnType::Integer
            | ColumnType::Bigint
            | ColumnType::Double
            | ColumnType::Decimal { .. } => {
                let text = |value: f64| value.to_string();
                (tally.least.map(text), tally.most.map(text))
            }
            _ => (None, None),
        }
    }
}

impl ColumnProfile {
    /// Says what it means to a person, and shows no value of it.
    pub(super) fn hide(&mut self, meaning: Meaning) {
        self.personal = Some(meaning);
        self.personal_confidence = 1.0;
        self.withhold();
    }

    /// Shows no value of it.
    pub(super) fn withhold(&mut self) {
        (self.least, self.most) = (None, None);
        self.top_values.clear();
    }

    /// Whether its values are lists or structs.
    pub(crate) fn is_nested(&self) -> bool {
        is_nested(&self.data_type)
    }

    /// Counts values that are none of any type of a single value, or of any list.
    pub(super) fn add_odd(&mut self, odd: u64) {
        self.odd += odd;
        self.misfits += odd;
        self.type_confidence = confidence(self.misfits, self.filled());
    }

    /// Rows with a value.
    pub(crate) fn filled(&self) -> u64 {
        self.rows - self.empty
    }

    /// Whether its values are of a kind that names rows.
    pub(super) fn is_key_like(&self) -> bool {
        let data_type = &self.data_type;
        let is_exact = matches!(
            data_type,
            ColumnType::Varchar | ColumnType::Bigint | ColumnType::Integer
        );
        is_exact && self.longest <= 80
    }
}

fn is_nested(data_type: &ColumnType) -> bool {
    matches!(data_type, ColumnType::List(_) | ColumnType::Struct(_))
}

/// Share of values that are of the type. Items of lists may be more than there are values.
fn confidence(misfits: u64, values: u64) -> f64 {
    match values {
        0 => 0.0,
        values => 1.0 - misfits.min(values) as f64 / values as f64,
    }
}

fn count(counts: &mut BTreeMap<String, u64>, text: &str, most: usize) {
    if let Some(count) = counts.get_mut(text) {
        *count += 1;
    } else if counts.len() < most {
        counts.insert(text.to_string(), 1);
    }
}

/// The most frequent that stand there so often.
fn top(counts: &BTreeMap<String, u64>, at_least: u64) -> Vec<Frequent> {
    let mut top: Vec<_> = counts
        .iter()
        .filter(|(_, count)| **count >= at_least)
        .collect();
    top.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let told = top.into_iter().take(TOLD);
    told.map(|(value, count)| Frequent {
        value: value.clone(),
        count: *count,
    })
    .collect()
}
