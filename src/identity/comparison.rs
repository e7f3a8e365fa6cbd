//! What two records say of each other, one small number per comparison.
//!
//! A comparison has levels, from the strongest agreement to difference; the first that holds is the pair's. Level 0 says
//! nothing: a value is missing on either side. The levels of all comparisons make a pair's *pattern*, four bits each, so
//! that a pair is one number and training needs only counts of numbers. Values are compared by their codes; likeness of
//! two texts is measured once and remembered.

use std::sync::Arc;

use super::canonical;
use super::column::{Digits, Names, Placed, Texts};
use super::dictionary::{Dictionary, MISSING};
use super::population::Population;
use super::row::{Columns, Row};
use crate::comparison_shape::{How, Kind, Shape, Within};
use crate::text::is_within_one_edit;

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
#[inline]
pub(super) fn level_of(pattern: Pattern, comparison: usize) -> usize {
    ((pattern >> (comparison * LEVEL_BITS)) & 0xf) as usize
}

/// Puts a level into a pattern that has none for the comparison yet.
#[inline]
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
    pub(super) fn agreed(&self, level: u8) -> Option<&Placed> {
        self.by.agreed(level).filter(|_| self.counts_rarity)
    }
}

/// Levels that a pair may have, as bits: bit 0 says that nothing can be compared.
pub(super) type Levels = u16;

/// Nothing can be compared.
pub(super) const SAYS_NOTHING: Levels = 1;

/// These levels and no other.
pub(super) const fn any_of<const N: usize>(levels: [u8; N]) -> Levels {
    let (mut bits, mut at) = (0, 0);
    while at < N {
        bits |= 1 << levels[at];
        at += 1;
    }
    bits
}

/// A comparison over the records of a population.
#[derive(Debug)]
pub(super) enum Comparison {
    /// With the family names of the same rows in the same numbers, to see names that were swapped.
    Given {
        given: Arc<Names>,
        family: Option<Arc<Names>>,
    },
    /// Likewise.
    Family {
        given: Option<Arc<Names>>,
        family: Arc<Names>,
    },
    BirthDate(Digits),
    Email(Emails),
    Phone(Digits),
    Address {
        street: Option<Texts>,
        postcode: Option<Placed>,
        /// Street and postcode as one.
        place: Option<Placed>,
    },
    NationalId(Digits),
    Exact(Placed),
    Text {
        texts: Texts,
        alike: Vec<f64>,
    },
    Number {
        column: Placed,
        /// By code.
        values: Vec<f64>,
        within: Vec<Within>,
    },
    Distance {
        column: Placed,
        /// By code: latitude and longitude in degrees.
        places: Vec<(f64, f64)>,
        kilometres: Vec<f64>,
    },
    Levels(Vec<Placed>),
}

/// One of several values that a comparison is of.
pub(super) struct PartAgreed<'a> {
    pub(super) column: &'a Placed,
    /// Levels of pairs that know all values and agree on this one; the first of all levels agrees on every one.
    pub(super) agree: Levels,
    /// Likewise of those that differ in it.
    pub(super) differ: Levels,
}

/// A column of e-mail addresses.
#[derive(Debug)]
pub(super) struct Emails {
    pub(super) whole: Texts,
    pub(super) user: Texts,
    /// Where a row says 1 if the user is made of the name of the record, and perhaps a digit. Two such users that are alike
    /// say no more than the names do.
    is_name: usize,
}

impl Emails {
    /// `is_name`: by row, 1 where the user is made of the name of the record.
    pub(super) fn new(
        whole: Dictionary,
        user: Dictionary,
        is_name: Vec<u32>,
        columns: &mut Columns,
        threads: usize,
    ) -> Self {
        Self {
            is_name: columns.place(&user.with_rows(is_name)),
            user: Texts::new(Placed::new(user, columns), threads),
            whole: Texts::new(Placed::new(whole, columns), threads),
        }
    }

    #[inline]
    fn are_names(&self, one: &Row, other: &Row) -> bool {
        one[self.is_name] == 1 && other[self.is_name] == 1
    }

    fn level(&self, one: &Row, other: &Row) -> u8 {
        let Some((a, b)) = self.whole.column.both(one, other) else {
            return 0;
        };
        if a == b {
            return 1;
        }
        let users = self.user.column.both(one, other);
        let are_names = self.are_names(one, other);
        if users.is_some_and(|(a, b)| a == b) {
            return if are_names { 0 } else { 2 };
        }
        let is_alike = users.is_some_and(|(a, b)| self.user.is_alike(a, b, ALIKE_USER));
        match is_alike || self.whole.is_within_two_edits(a, b) {
            true if are_names => 0,
            true => 3,
            false => 4,
        }
    }

    #[inline]
    fn levels(&self, one: &Row, other: &Row) -> Levels {
        match self.whole.column.both(one, other) {
            None => any_of([0]),
            Some((a, b)) if a == b => any_of([1]),
            Some(_) => {
                let users = self.user.column.both(one, other);
                let is_same_user = users.is_some_and(|(a, b)| a == b);
                match (is_same_user, self.are_names(one, other)) {
                    (true, true) => any_of([0]),
                    (true, false) => any_of([2]),
                    (false, true) => any_of([0, 4]),
                    (false, false) => any_of([3, 4]),
                }
            }
        }
    }
}

impl Comparison {
    /// A comparison that the project asks for, of columns as they come.
    pub(super) fn asked(
        how: &How,
        given: &[Dictionary],
        columns: &mut Columns,
        threads: usize,
    ) -> Option<Self> {
        let column = given.first()?;
        let mut read = |form: fn(&str) -> Option<String>| Placed::new(column.map(form), columns);
        Some(match how {
            How::Like(Kind::Email) => {
                let whole = column.map(canonical::email);
                let user = whole.map(canonical::email_user);
                let is_name = vec![0; whole.codes.len()];
                Self::Email(Emails::new(whole, user, is_name, columns, threads))
            }
            How::Like(Kind::Phone) => Self::Phone(Digits::new(read(canonical::phone), threads)),
            How::Like(Kind::NationalId) => {
                Self::NationalId(Digits::new(read(canonical::national_id), threads))
            }
            How::Like(_) => Self::BirthDate(Digits::new(read(canonical::date), threads)),
            How::Exact => Self::Exact(read(canonical::exact)),
            How::Text { alike } => Self::Text {
                texts: Texts::new(read(canonical::name), threads),
                alike: alike.clone(),
            },
            How::Number { within } => {
                let column = read(canonical::number);
                Self::Number {
                    values: read_all(&column, threads, |text| text.parse().ok()),
                    within: within.clone(),
                    column,
                }
            }
            How::Distance { kilometres } => {
                let column = read(canonical::place);
                Self::Distance {
                    places: read_all(&column, threads, degrees),
                    kilometres: kilometres.clone(),
                    column,
                }
            }
            How::Levels { .. } => {
                let placed = given
                    .iter()
                    .map(|column| Placed::new(column.map(canonical::exact), columns));
                Self::Levels(placed.collect())
            }
        })
    }

    /// The level of a pair of rows.
    pub(super) fn level(&self, one: &Row, other: &Row, likeness: &mut Likeness) -> u8 {
        match self {
            Self::Given { given, family } => {
                let Some((a, b)) = given.texts.column.both(one, other) else {
                    return 0;
                };
                if a == b {
                    return 1;
                }
                let is_swapped = |family: &Arc<Names>| is_swapped(given, family, one, other);
                if family.as_ref().is_some_and(is_swapped) {
                    return 2;
                }
                likeness.of(a, b, |a, b| given_level(given, a, b))
            }
            Self::Family { given, family } => {
                let Some((a, b)) = family.texts.column.both(one, other) else {
                    return 0;
                };
                if a == b {
                    return 1;
                }
                // the given name's level says it already
                let is_swapped = |given: &Arc<Names>| is_swapped(given, family, one, other);
                if given.as_ref().is_some_and(is_swapped) {
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
            Self::Exact(column) => match column.both(one, other) {
                None => 0,
                Some((a, b)) => 1 + u8::from(a != b),
            },
            Self::Text { texts, alike } => match texts.column.both(one, other) {
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
            } => match column.both(one, other) {
                None => 0,
                Some((a, b)) => number_level(values[a as usize], values[b as usize], within),
            },
            Self::Distance {
                column,
                places,
                kilometres,
            } => match column.both(one, other) {
                None => 0,
                Some((a, b)) => {
                    let distance = distance(places[a as usize], places[b as usize]);
                    first_level(kilometres, |within| distance <= *within)
                }
            },
            Self::Levels(columns) => {
                let known = columns.iter().map(|column| column.both(one, other));
                let known: Vec<Option<(u32, u32)>> = known.collect();
                match known.iter().all(Option::is_none) {
                    true => 0,
                    false => first_level(&known, |pair| pair.is_some_and(|(a, b)| a == b)),
                }
            }
        }
    }

    /// The levels that a pair of rows may have, by the numbers of their values alone: without a look at a text.
    #[inline]
    pub(super) fn levels(&self, one: &Row, other: &Row) -> Levels {
        match self {
            Self::Given { given, family } => match given.texts.column.both(one, other) {
                None => any_of([0]),
                Some((a, b)) if a == b => any_of([1]),
                Some(_) => match family {
                    Some(family) if may_be_swapped(given, family, one, other) => {
                        any_of([2, 3, 4, 5])
                    }
                    _ => any_of([3, 4, 5]),
                },
            },
            Self::Family { given, family } => match family.texts.column.both(one, other) {
                None => any_of([0]),
                Some((a, b)) if a == b => any_of([1]),
                Some(_) => match given {
                    Some(given) if may_be_swapped(given, family, one, other) => {
                        any_of([0, 2, 3, 4])
                    }
                    _ => any_of([2, 3, 4]),
                },
            },
            Self::BirthDate(column) => column.levels(one, other, any_of([2, 3, 4])),
            Self::Email(emails) => emails.levels(one, other),
            Self::Phone(column) | Self::NationalId(column) => {
                column.levels(one, other, any_of([2, 3]))
            }
            Self::Address {
                street, postcode, ..
            } => {
                let street = street.as_ref().map(|street| &street.column);
                let is_equal = |column: Option<&Placed>| {
                    let codes = column?.both(one, other);
                    codes.map(|(a, b)| a == b)
                };
                match (is_equal(street), is_equal(postcode.as_ref())) {
                    (Some(true), Some(true)) => any_of([1]),
                    (Some(false), Some(true)) => any_of([2, 5]),
                    (Some(true), _) => any_of([3]),
                    (None, Some(true)) => any_of([4]),
                    (None, None) => any_of([0]),
                    _ => any_of([6]),
                }
            }
            Self::Exact(column) => match column.both(one, other) {
                None => any_of([0]),
                Some((a, b)) => 1 << (1 + u8::from(a != b)),
            },
            Self::Text {
                texts: Texts { column, .. },
                ..
            }
            | Self::Number { column, .. }
            | Self::Distance { column, .. } => match column.both(one, other) {
                None => any_of([0]),
                Some(_) => !any_of([0]),
            },
            Self::Levels(_) => !0,
        }
    }

    /// How much there is to do until a level is known that the numbers of the values leave open.
    pub(super) fn effort(&self) -> u8 {
        match self {
            Self::BirthDate(_) | Self::Exact(_) | Self::Number { .. } | Self::Levels(_) => 0,
            Self::Given { .. } | Self::Family { .. } | Self::NationalId(_) => 1,
            Self::Phone(_) | Self::Distance { .. } | Self::Text { .. } => 2,
            Self::Address { .. } | Self::Email(_) => 3,
        }
    }

    /// The column whose value a pair agrees on at a level: how common the value is says what the agreement is worth.
    pub(super) fn agreed(&self, level: u8) -> Option<&Placed> {
        match (self, level) {
            (Self::Given { given, .. }, 1) => Some(&given.texts.column),
            (Self::Family { family, .. }, 1) => Some(&family.texts.column),
            (Self::Email(emails), 1) => Some(&emails.whole.column),
            (Self::Email(emails), 2) => Some(&emails.user.column),
            (Self::Phone(digits) | Self::NationalId(digits), 1) => Some(&digits.column),
            (Self::Address { place, .. }, 1) => place.as_ref(),
            (Self::Exact(column), 1) => Some(column),
            (Self::Text { texts, .. }, 1) => Some(&texts.column),
            (Self::Levels(columns), level) => columns.get(usize::from(level).wrapping_sub(1)),
            _ => None,
        }
    }

    /// Of a level that agrees on one value where another is missing: what the value that agrees says by itself.
    pub(super) fn part_of(&self, level: u8) -> Option<PartAgreed<'_>> {
        let Self::Address {
            street: Some(street),
            postcode: Some(postcode),
            ..
        } = self
        else {
            return None;
        };
        match level {
            3 => Some(PartAgreed {
                column: &street.column,
                agree: any_of([1]),
                differ: any_of([2, 5, 6]),
            }),
            4 => Some(PartAgreed {
                column: postcode,
                agree: any_of([1, 2, 5]),
                differ: any_of([3, 6]),
            }),
            _ => None,
        }
    }

    /// The column of numbers or places, of which none may be read from texts of another kind.
    pub(super) fn measured(&self) -> Option<&Placed> {
        match self {
            Self::Number { column, .. } | Self::Distance { column, .. } => Some(column),
            _ => None,
        }
    }
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
fn read_all<T: Default + Send>(
    column: &Placed,
    threads: usize,
    read: impl Fn(&str) -> Option<T> + Sync,
) -> Vec<T> {
    column.read(threads, |text| read(text).unwrap_or_default())
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

/// The given and the family name of a row.
fn names_of(given: &Names, family: &Names, row: &Row) -> (u32, u32) {
    (
        row[given.texts.column.place],
        row[family.texts.column.place],
    )
}

fn is_same(one: u32, other: u32) -> bool {
    one == other && one != MISSING
}

/// Whether the given name of one is the family name of the other.
fn may_be_swapped(given: &Names, family: &Names, one: &Row, other: &Row) -> bool {
    let (given_one, family_one) = names_of(given, family, one);
    let (given_two, family_two) = names_of(given, family, other);
    is_same(given_one, family_two) || is_same(given_two, family_one)
}

/// Whether the given name of one is the family name of the other, and the two other names are equal crosswise too, nearly,
/// or not both known.
fn is_swapped(given: &Names, family: &Names, one: &Row, other: &Row) -> bool {
    let (given_one, family_one) = names_of(given, family, one);
    let (given_two, family_two) = names_of(given, family, other);
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
    let may_be_part = a.as_bytes().first() == b.as_bytes().first();
    if shared.any(|group| groups[other as usize].contains(group))
        || (may_be_part && (is_part_of(a, b) || is_part_of(b, a)))
        || (may_be_part && without_spaces_equal(a, b))
    {
        return 3;
    }
    let may_be_slip = names
        .texts
        .outline(one)
        .may_be_within(names.texts.outline(other), 1);
    if (may_be_slip && is_one_slip(a, b)) || names.texts.is_alike(one, other, ALIKE_GIVEN) {
        return 4;
    }
    5
}

fn family_level(names: &Texts, one: u32, other: u32) -> u8 {
    let (Some(a), Some(b)) = (names.column.text(one), names.column.text(other)) else {
        return 0;
    };
    let may_be_equal = a.as_bytes().first() == b.as_bytes().first();
    let may_be_slip = names.outline(one).may_be_within(names.outline(other), 1);
    if (may_be_equal && without_spaces_equal(a, b))
        || (may_be_slip && is_one_slip(a, b))
        || names.is_alike(one, other, ALIKE_FAMILY)
    {
        return 2;
    }
    let has_words = a.contains(' ') || b.contains(' ');
    let mut words = a.split(' ').filter(|word| word.len() > 2);
    let shares_word = has_words && words.any(|word| b.split(' ').any(|w| w == word));
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
fn birth_date_level(days: &Digits, one: u32, other: u32) -> u8 {
    let day = |code: u32| days.packed[code as usize].day();
    let (Some((year, month, day)), Some((other_year, other_month, other_day))) =
        (day(one), day(other))
    else {
        return 4;
    };
    let is_year = year == other_year;
    if is_year && month == other_day && day == other_month {
        return 2;
    }
    let equal = u8::from(is_year) + u8::from(month == other_month) + u8::from(day == other_day);
    if equal == 2 { 3 } else { 4 }
}

fn address_level(
    street: Option<&Texts>,
    postcode: Option<&Placed>,
    one: &Row,
    other: &Row,
    likeness: &mut Likeness,
) -> u8 {
    let codes = |column: Option<&Placed>| column?.both(one, other);
    let same_postcode = codes(postcode).map(|(a, b)| a == b);
    let street_level = match (street, codes(street.map(|street| &street.column))) {
        (Some(_), Some((a, b))) if a == b => Some(1),
        // how alike streets are says something within one postcode alone
        (Some(_), Some(_)) if same_postcode != Some(true) => Some(3),
        (Some(street), Some((a, b))) => Some(likeness.of(a, b, |a, b| {
            if street.is_alike(a, b, ALIKE_STREET) {
                2
            } else {
                3
            }
        })),
        _ => None,
    };
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
