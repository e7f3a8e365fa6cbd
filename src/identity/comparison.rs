//! What two records say of each other, one small number per comparison.
//!
//! A comparison has levels, from the strongest agreement to difference; the first that holds is the pair's. Level 0 says
//! nothing: a value is missing on either side. The levels of all comparisons make a pair's *pattern*, four bits each, so
//! that a pair is one number and training needs only counts of numbers. Values are compared by their codes; likeness of
//! two texts is measured once and remembered.

use std::sync::Arc;

use super::canonical;
use super::dictionary::{Dictionary, MISSING};
use super::population::Population;
use super::shape::{How, Kind, Shape, Within};
use crate::text::{Outline, edit_distance, is_within_one_edit, jaro_winkler, nickname_groups};

/// Levels of all comparisons of a pair; see [`level_of`].
pub(super) type Pattern = u64;

/// Bits of a level in a pattern.
const LEVEL_BITS: usize = 4;

/// Given names, family names, e-mail users and streets from this similarity on are alike.
const ALIKE_GIVEN: f64 = 0.88;
const ALIKE_FAMILY: f64 = 0.9;
const ALIKE_USER: f64 = 0.92;
const ALIKE_STREET: f64 = 0.9;

/// The level of one comparison in a pattern.
pub(super) fn level_of(pattern: Pattern, comparison: usize) -> usize {
    ((pattern >> (comparison * LEVEL_BITS)) & 0xf) as usize
}

/// Puts a level into a pattern that has none for the comparison yet.
pub(super) fn with_level(pattern: Pattern, comparison: usize, level: u8) -> Pattern {
    pattern | Pattern::from(level) << (comparison * LEVEL_BITS)
}

/// A comparison of a population: what it is called and how it is made.
#[derive(Debug)]
pub(super) struct Compared {
    pub(super) shape: Arc<Shape>,
    pub(super) by: Comparison,
    /// Whether agreeing on a rare value is worth more than on a common one.
    pub(super) counts_rarity: bool,
}

impl Compared {
    /// The column whose value a pair agrees on at a level, where agreeing on a rare one is worth more.
    pub(super) fn agreed(&self, level: u8) -> Option<&Dictionary> {
        self.by.agreed(level).filter(|_| self.counts_rarity)
    }
}

/// A comparison over the records of a population.
#[derive(Debug)]
pub(super) enum Comparison {
    /// With the family names of the same rows in the same numbers, to see names that were swapped.
    Given {
        given: Names,
        family: Option<Names>,
    },
    /// Likewise.
    Family {
        given: Option<Names>,
        family: Names,
    },
    BirthDate(Digits),
    Email(Emails),
    Phone(Digits),
    Address {
        street: Option<Texts>,
        postcode: Option<Dictionary>,
        /// Street and postcode as one.
        place: Option<Dictionary>,
    },
    NationalId(Digits),
    Exact(Dictionary),
    Text {
        texts: Texts,
        alike: Vec<f64>,
    },
    Number {
        column: Dictionary,
        /// By code.
        values: Vec<f64>,
        within: Vec<Within>,
    },
    Distance {
        column: Dictionary,
        /// By code: latitude and longitude in degrees.
        places: Vec<(f64, f64)>,
        kilometres: Vec<f64>,
    },
    Levels(Vec<Dictionary>),
}

/// A column of texts that are compared letter by letter.
#[derive(Clone, Debug)]
pub(super) struct Texts {
    pub(super) column: Dictionary,
    /// By code.
    outlines: Vec<Outline>,
}

impl Texts {
    pub(super) fn new(column: Dictionary) -> Self {
        let texts = (0..column.len() as u32).map(|code| column.text(code).unwrap_or_default());
        Self {
            outlines: texts.map(Outline::of).collect(),
            column,
        }
    }

    fn is_alike(&self, one: u32, other: u32, from: f64) -> bool {
        let outline = |code: u32| self.outlines[code as usize];
        outline(one).may_reach(outline(other), from)
            && match (self.column.text(one), self.column.text(other)) {
                (Some(a), Some(b)) => jaro_winkler(a, b) >= from,
                _ => false,
            }
    }
}

/// A column of texts of a few digits, compared as one number each.
#[derive(Debug)]
pub(super) struct Digits {
    pub(super) column: Dictionary,
    /// By code: the bytes of the text, where they are eight.
    packed: Vec<Option<u64>>,
}

impl Digits {
    pub(super) fn new(column: Dictionary) -> Self {
        let pack = |code| {
            let bytes = column.text(code)?.as_bytes();
            Some(u64::from_be_bytes(bytes.try_into().ok()?))
        };
        Self {
            packed: (0..column.len() as u32).map(pack).collect(),
            column,
        }
    }

    /// 1 for equal texts, 2 for texts that are one edit apart, else as said of them.
    fn level(
        &self,
        one: usize,
        other: usize,
        differing: impl FnOnce(&Dictionary, u32, u32) -> u8,
    ) -> u8 {
        let (a, b) = (self.column.codes[one], self.column.codes[other]);
        if a == MISSING || b == MISSING {
            return 0;
        }
        if a == b {
            return 1;
        }
        let packed = (self.packed[a as usize], self.packed[b as usize]);
        if let (Some(x), Some(y)) = packed
            && !may_be_one_slip(x, y)
        {
            // most pairs end here, without a look at a text
            return differing(&self.column, a, b);
        }
        match (self.column.text(a), self.column.text(b)) {
            (Some(a), Some(b)) if is_within_one_edit(a, b) => 2,
            _ => differing(&self.column, a, b),
        }
    }
}

/// Whether two texts of eight bytes differ in at most two: of equally long texts, one edit changes no more.
fn may_be_one_slip(one: u64, other: u64) -> bool {
    let difference = one ^ other;
    let bytes = difference.to_be_bytes();
    bytes.iter().filter(|byte| **byte != 0).count() <= 2
}

/// A column of names, and what is known of each name.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub(super) texts: Texts,
    /// By code: the names of other forms that it goes by.
    groups: Vec<&'static [u16]>,
}

/// A column of e-mail addresses.
#[derive(Clone, Debug)]
pub(super) struct Emails {
    pub(super) whole: Dictionary,
    pub(super) user: Texts,
    /// By row: whether the user is made of the name of the record, and perhaps a digit. Two such users that are alike say
    /// no more than the names do.
    is_name: Vec<bool>,
}

impl Emails {
    pub(super) fn new(whole: Dictionary, given: Option<&Names>, family: Option<&Names>) -> Self {
        let user = whole.map(canonical::email_user);
        let rows = user.codes.iter().enumerate();
        let is_name = rows.map(|(row, code)| {
            let user = user.text(*code).unwrap_or_default();
            canonical::is_made_of_name(user, name_of(given, row), name_of(family, row))
        });
        Self {
            is_name: is_name.collect(),
            user: Texts::new(user),
            whole,
        }
    }

    fn level(&self, one: usize, other: usize) -> u8 {
        let (a, b) = (self.whole.codes[one], self.whole.codes[other]);
        if a == MISSING || b == MISSING {
            return 0;
        }
        if a == b {
            return 1;
        }
        let codes = &self.user.column.codes;
        let (c, d) = (codes[one], codes[other]);
        let are_names = self.is_name[one] && self.is_name[other];
        if c != MISSING && c == d {
            return if are_names { 0 } else { 2 };
        }
        let is_slip = || match (self.whole.text(a), self.whole.text(b)) {
            (Some(a), Some(b)) => {
                a.len().abs_diff(b.len()) <= 2 && edit_distance(a, b, 2).is_some()
            }
            _ => false,
        };
        let is_alike = c != MISSING && d != MISSING && self.user.is_alike(c, d, ALIKE_USER);
        match is_alike || is_slip() {
            true if are_names => 0,
            true => 3,
            false => 4,
        }
    }
}

impl Names {
    pub(super) fn new(column: Dictionary) -> Self {
        let first_groups = |code| {
            let text = column.text(code).unwrap_or_default();
            nickname_groups(text.split(' ').next().unwrap_or_default())
        };
        Self {
            groups: (0..column.len() as u32).map(first_groups).collect(),
            texts: Texts::new(column),
        }
    }
}

impl Comparison {
    /// A comparison that the project asks for, of columns as they come.
    pub(super) fn asked(how: &How, columns: &[Dictionary]) -> Option<Self> {
        let column = columns.first()?;
        Some(match how {
            How::Like(Kind::Email) => {
                Self::Email(Emails::new(column.map(canonical::email), None, None))
            }
            How::Like(Kind::Phone) => Self::Phone(Digits::new(column.map(canonical::phone))),
            How::Like(Kind::NationalId) => {
                Self::NationalId(Digits::new(column.map(canonical::national_id)))
            }
            How::Like(_) => Self::BirthDate(Digits::new(column.map(canonical::date))),
            How::Exact => Self::Exact(column.map(canonical::exact)),
            How::Text { alike } => Self::Text {
                texts: Texts::new(column.map(canonical::name)),
                alike: alike.clone(),
            },
            How::Number { within } => {
                let column = column.map(canonical::number);
                Self::Number {
                    values: read_all(&column, |text| text.parse().ok()),
                    within: within.clone(),
                    column,
                }
            }
            How::Distance { kilometres } => {
                let column = column.map(canonical::place);
                Self::Distance {
                    places: read_all(&column, degrees),
                    kilometres: kilometres.clone(),
                    column,
                }
            }
            How::Levels { .. } => {
                let columns = columns.iter().map(|column| column.map(canonical::exact));
                Self::Levels(columns.collect())
            }
        })
    }

    /// The level of a pair of rows.
    pub(super) fn level(&self, one: u32, other: u32, likeness: &mut Likeness) -> u8 {
        let (one, other) = (one as usize, other as usize);
        match self {
            Self::Given { given, family } => {
                let (a, b) = (
                    given.texts.column.codes[one],
                    given.texts.column.codes[other],
                );
                if a == MISSING || b == MISSING {
                    return 0;
                }
                if a == b {
                    return 1;
                }
                if family
                    .as_ref()
                    .is_some_and(|f| is_swapped(given, f, one, other))
                {
                    return 2;
                }
                likeness.of(a, b, |a, b| given_level(given, a, b))
            }
            Self::Family { given, family } => {
                let (a, b) = (
                    family.texts.column.codes[one],
                    family.texts.column.codes[other],
                );
                if a == MISSING || b == MISSING {
                    return 0;
                }
                if a == b {
                    return 1;
                }
                // the given name's level says it already
                if given
                    .as_ref()
                    .is_some_and(|g| is_swapped(g, family, one, other))
                {
                    return 0;
                }
                likeness.of(a, b, |a, b| family_level(&family.texts, a, b))
            }
            Self::BirthDate(column) => column.level(one, other, birth_date_level),
            Self::Email(emails) => emails.level(one, other),
            Self::Phone(column) => column.level(one, other, |_, _, _| 3),
            Self::Address {
                street, postcode, ..
            } => address_level(street.as_ref(), postcode.as_ref(), one, other, likeness),
            Self::NationalId(column) => column.level(one, other, |_, _, _| 3),
            Self::Exact(column) => match codes(column, one, other) {
                None => 0,
                Some((a, b)) => 1 + u8::from(a != b),
            },
            Self::Text { texts, alike } => match codes(&texts.column, one, other) {
                None => 0,
                Some((a, b)) if a == b => 1,
                Some((a, b)) => likeness.of(a, b, |a, b| {
                    first_level(alike, |from| texts.is_alike(a, b, *from)) + 1
                }),
            },
            Self::Number {
                column,
                values,
                within,
            } => match codes(column, one, other) {
                None => 0,
                Some((a, b)) => number_level(values[a as usize], values[b as usize], within),
            },
            Self::Distance {
                column,
                places,
                kilometres,
            } => match codes(column, one, other) {
                None => 0,
                Some((a, b)) => {
                    let distance = distance(places[a as usize], places[b as usize]);
                    first_level(kilometres, |within| distance <= *within)
                }
            },
            Self::Levels(columns) => {
                let known = columns.iter().map(|column| codes(column, one, other));
                let known: Vec<Option<(u32, u32)>> = known.collect();
                match known.iter().all(Option::is_none) {
                    true => 0,
                    false => first_level(&known, |pair| pair.is_some_and(|(a, b)| a == b)),
                }
            }
        }
    }

    /// The column whose value a pair agrees on at a level: how common the value is says what the agreement is worth.
    pub(super) fn agreed(&self, level: u8) -> Option<&Dictionary> {
        match (self, level) {
            (Self::Given { given, .. }, 1) => Some(&given.texts.column),
            (Self::Family { family, .. }, 1) => Some(&family.texts.column),
            (Self::Email(emails), 1) => Some(&emails.whole),
            (Self::Email(emails), 2) => Some(&emails.user.column),
            (Self::Phone(digits) | Self::NationalId(digits), 1) => Some(&digits.column),
            (Self::Address { place, .. }, 1) => place.as_ref(),
            (Self::Exact(column), 1) => Some(column),
            (Self::Text { texts, .. }, 1) => Some(&texts.column),
            (Self::Levels(columns), level) => columns.get(usize::from(level).wrapping_sub(1)),
            _ => None,
        }
    }
}

/// The codes of two rows, where neither is missing.
fn codes(column: &Dictionary, one: usize, other: usize) -> Option<(u32, u32)> {
    let (a, b) = (column.codes[one], column.codes[other]);
    (a != MISSING && b != MISSING).then_some((a, b))
}

/// The level of the first bound that holds; the one behind the last where none does.
fn first_level<T>(bounds: &[T], holds: impl FnMut(&T) -> bool) -> u8 {
    let place = bounds.iter().position(holds).unwrap_or(bounds.len());
    1 + place as u8
}

fn number_level(one: f64, other: f64, within: &[Within]) -> u8 {
    let apart = (one - other).abs();
    if apart == 0.0 {
        return 1;
    }
    1 + first_level(within, |within| match within {
        Within::Units(units) => apart <= *units,
        Within::Share(share) => apart <= share * one.abs().max(other.abs()),
    })
}

/// What every text of a column says; texts that say nothing are none of the column's.
fn read_all<T: Default>(column: &Dictionary, read: impl Fn(&str) -> Option<T>) -> Vec<T> {
    let texts = (0..column.len() as u32).map(|code| column.text(code).and_then(&read));
    texts.map(Option::unwrap_or_default).collect()
}

/// `59.33 18.06`: latitude and longitude.
pub(super) fn degrees(text: &str) -> Option<(f64, f64)> {
    let (latitude, longitude) = text.split_once(' ')?;
    let (latitude, longitude): (f64, f64) = (latitude.parse().ok()?, longitude.parse().ok()?);
    let is_on_earth = latitude.abs() <= 90.0 && longitude.abs() <= 180.0;
    is_on_earth.then_some((latitude, longitude))
}

/// Kilometres between two places, on a sphere (haversine).
fn distance(one: (f64, f64), other: (f64, f64)) -> f64 {
    const EARTH_RADIUS: f64 = 6371.0088;
    let radians = |place: (f64, f64)| (place.0.to_radians(), place.1.to_radians());
    let ((lat_one, lon_one), (lat_other, lon_other)) = (radians(one), radians(other));
    let half = |a: f64, b: f64| ((a - b) / 2.0).sin().powi(2);
    let chord =
        half(lat_one, lat_other) + lat_one.cos() * lat_other.cos() * half(lon_one, lon_other);
    2.0 * EARTH_RADIUS * chord.sqrt().min(1.0).asin()
}

fn name_of(names: Option<&Names>, row: usize) -> Option<&str> {
    let column = &names?.texts.column;
    column.text(*column.codes.get(row)?)
}

/// Levels of one comparison that were measured, by the codes of the two texts: a table of fixed size in which a newer pair
/// takes an older one's place.
pub(super) struct Likeness {
    slots: Vec<(u64, u8)>,
}

impl Likeness {
    const SLOTS: usize = 1 << 12;

    /// One for each comparison of a population.
    pub(super) fn of_all(population: &Population) -> Vec<Self> {
        let tables = population.comparisons.iter().map(|comparison| Self {
            slots: match comparison.by {
                Comparison::Given { .. }
                | Comparison::Family { .. }
                | Comparison::Address { .. }
                | Comparison::Text { .. } => vec![(u64::MAX, 0); Self::SLOTS],
                _ => Vec::new(),
            },
        });
        tables.collect()
    }

    fn of(&mut self, one: u32, other: u32, measure: impl FnOnce(u32, u32) -> u8) -> u8 {
        let (low, high) = (one.min(other), one.max(other));
        let key = u64::from(low) << 32 | u64::from(high);
        let place = (super::hash(key) as usize) % Self::SLOTS;
        match self.slots.get_mut(place) {
            Some(slot) => {
                if slot.0 != key {
                    *slot = (key, measure(low, high));
                }
                slot.1
            }
            None => measure(low, high),
        }
    }
}

/// Whether the given name of one is the family name of the other, and the two other names are equal crosswise too, nearly,
/// or not both known.
fn is_swapped(given: &Names, family: &Names, one: usize, other: usize) -> bool {
    let names = |row: usize| {
        (
            given.texts.column.codes[row],
            family.texts.column.codes[row],
        )
    };
    let ((given_one, family_one), (given_two, family_two)) = (names(one), names(other));
    let is_same = |a: u32, b: u32| a == b && a != MISSING;
    let may_be_same = |a: u32, b: u32| {
        a == MISSING || b == MISSING || a == b || given.texts.is_alike(a, b, ALIKE_GIVEN)
    };
    (is_same(given_one, family_two) && may_be_same(given_two, family_one))
        || (is_same(given_two, family_one) && may_be_same(given_one, family_two))
}

fn given_level(names: &Names, one: u32, other: u32) -> u8 {
    let column = &names.texts.column;
    let (Some(a), Some(b)) = (column.text(one), column.text(other)) else {
        return 0;
    };
    let groups = &names.groups;
    let mut shared = groups[one as usize].iter();
    if shared.any(|group| groups[other as usize].contains(group))
        || is_part_of(a, b)
        || is_part_of(b, a)
        || without_spaces_equal(a, b)
    {
        return 3;
    }
    if is_one_slip(a, b) || names.texts.is_alike(one, other, ALIKE_GIVEN) {
        return 4;
    }
    5
}

fn family_level(names: &Texts, one: u32, other: u32) -> u8 {
    let (Some(a), Some(b)) = (names.column.text(one), names.column.text(other)) else {
        return 0;
    };
    if without_spaces_equal(a, b) || is_one_slip(a, b) || names.is_alike(one, other, ALIKE_FAMILY) {
        return 2;
    }
    let shares_word = a
        .split(' ')
        .any(|word| word.len() > 2 && b.split(' ').any(|w| w == word));
    if shares_word { 3 } else { 4 }
}

/// A first word or an initial of the longer name.
fn is_part_of(short: &str, long: &str) -> bool {
    let first = long.split(' ').next().unwrap_or_default();
    short == first || (short.len() == 1 && first.starts_with(short))
}

fn without_spaces_equal(one: &str, other: &str) -> bool {
    one.chars()
        .filter(|c| *c != ' ')
        .eq(other.chars().filter(|c| *c != ' '))
}

/// One edit in texts that are long enough for it to be a slip.
fn is_one_slip(one: &str, other: &str) -> bool {
    one.len().min(other.len()) >= 3 && is_within_one_edit(one, other)
}

/// Of two days that are neither equal nor one edit apart.
fn birth_date_level(days: &Dictionary, one: u32, other: u32) -> u8 {
    let parts = |code| days.text(code)?.split_at_checked(4);
    let (Some((year, day)), Some((other_year, other_day))) = (parts(one), parts(other)) else {
        return 4;
    };
    let ((month, day), (other_month, other_day)) = (day.split_at(2), other_day.split_at(2));
    let is_year = year == other_year;
    if is_year && month == other_day && day == other_month {
        return 2;
    }
    let equal = u8::from(is_year) + u8::from(month == other_month) + u8::from(day == other_day);
    if equal == 2 { 3 } else { 4 }
}

fn address_level(
    street: Option<&Texts>,
    postcode: Option<&Dictionary>,
    one: usize,
    other: usize,
    likeness: &mut Likeness,
) -> u8 {
    let codes = |column: Option<&Dictionary>| {
        let column = column?;
        let (a, b) = (column.codes[one], column.codes[other]);
        (a != MISSING && b != MISSING).then_some((a, b))
    };
    let street_level = match (street, codes(street.map(|street| &street.column))) {
        (Some(_), Some((a, b))) if a == b => Some(1),
        (Some(street), Some((a, b))) => Some(likeness.of(a, b, |a, b| {
            if street.is_alike(a, b, ALIKE_STREET) {
                2
            } else {
                3
            }
        })),
        _ => None,
    };
    let same_postcode = codes(postcode).map(|(a, b)| a == b);
    match (street_level, same_postcode) {
        (Some(1), Some(true)) => 1,
        (Some(2), Some(true)) => 2,
        (Some(1), _) => 3,
        (None, Some(true)) => 4,
        (Some(_), Some(true)) => 5,
        (None, None) => 0,
        _ => 6,
    }
}
