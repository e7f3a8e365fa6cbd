//! Names of people: in their parts, and where a record lacks one, from its full name.

use super::canonical;
use super::dictionary::{Dictionary, MISSING};
use super::persons::Form;
use crate::parallel;

/// Given and family names, equal texts in equal numbers in both; what a record lacks is read from its full name.
pub(super) fn names_of(
    given: Option<Dictionary>,
    family: Option<Dictionary>,
    full: Option<Dictionary>,
    threads: usize,
) -> (Option<Dictionary>, Option<Dictionary>) {
    let Some(full) = full else {
        return in_one_numbering(given.as_slice(), family.as_slice());
    };
    let rest = |part: &Option<Dictionary>, other: &Option<Dictionary>, form: Form| {
        let rest = rest_of(&full, part.as_ref(), other.as_ref()).map(form);
        let is_wanted = part.is_none() || rest.len() > 0;
        let columns = part.iter().cloned().chain(is_wanted.then_some(rest));
        columns.collect::<Vec<Dictionary>>()
    };
    let (given, family) = parallel::both(
        threads,
        || rest(&given, &family, given_of),
        || rest(&family, &given, family_of),
    );
    in_one_numbering(&given, &family)
}

/// The full names of records that lack a part of a name. Only theirs are read: a register may have both of everybody.
fn rest_of(full: &Dictionary, part: Option<&Dictionary>, other: Option<&Dictionary>) -> Dictionary {
    let lacks = |part: Option<&Dictionary>, row: usize| {
        part.is_none_or(|part| part.codes.get(row) == Some(&MISSING))
    };
    let rows = (0..full.codes.len()).map(|row| {
        let full = lacks(part, row).then(|| full.text_of(row))??;
        says_rest(full, !lacks(other, row)).then_some(full)
    });
    Dictionary::encode(rows)
}

/// Whether a full name says the part that a record lacks. One of a single part may be the part that the record has.
pub(super) fn says_rest(full: &str, has_other: bool) -> bool {
    !has_other || (given_of(full).is_some() && family_of(full).is_some())
}

/// Whether a part of a record's name is read from its full one.
pub(crate) fn is_named_in_full(given: Option<&str>, family: Option<&str>, full: &str) -> bool {
    let has = |part: Option<&str>| part.and_then(canonical::name).is_some();
    let (has_given, has_family) = (has(given), has(family));
    let says = |has_part: bool, has_other: bool, form: Form| {
        !has_part && says_rest(full, has_other) && form(full).is_some()
    };
    says(has_given, has_family, given_of) || says(has_family, has_given, family_of)
}

/// Given and family names, each of several columns: of a record the first counts that has one. Equal texts have equal numbers in
/// both.
fn in_one_numbering(
    given: &[Dictionary],
    family: &[Dictionary],
) -> (Option<Dictionary>, Option<Dictionary>) {
    if given.len() + family.len() < 2 {
        return (given.first().cloned(), family.first().cloned());
    }
    let columns = given.iter().chain(family);
    let texts = columns.flat_map(|column| {
        let codes = 0..column.len() as u32;
        codes.map(|code| column.text(code))
    });
    let all = Dictionary::encode(texts);
    let mut numbers = all.codes.as_slice();
    let mut numbered = |columns: &[Dictionary]| {
        let columns = columns.iter().map(|column| {
            let (own, others) = numbers.split_at(column.len());
            numbers = others;
            (column, own)
        });
        let columns: Vec<(&Dictionary, &[u32])> = columns.collect();
        let rows = 0..columns.first()?.0.codes.len();
        let number = |row: usize| {
            let mut numbers = columns.iter();
            let number =
                numbers.find_map(|(column, own)| own.get(column.codes[row] as usize).copied());
            number.unwrap_or(MISSING)
        };
        Some(all.with_rows(rows.map(number).collect()))
    };
    (numbered(given), numbered(family))
}

/// Words that a family name of several begins with: `von Linné`, `van der Berg`.
const PARTICLES: &[&str] = &[
    "af", "al", "av", "da", "de", "del", "den", "der", "di", "dos", "du", "el", "la", "le", "ten",
    "ter", "van", "von", "zu", "zur",
];

/// The given and the family name of a full one: the family name stands before a comma, or is the last word and the particles
/// before it, though not the first word of all.
fn parts_of(full: &str) -> (&str, &str) {
    if let Some((family, given)) = full.split_once(',') {
        return (given, family);
    }
    let full = full.trim();
    let Some((mut given, _)) = full.rsplit_once(char::is_whitespace) else {
        return ("", full);
    };
    let is_particle = |word: &str| PARTICLES.iter().any(|of| of.eq_ignore_ascii_case(word));
    while let Some((before, word)) = given.trim_end().rsplit_once(char::is_whitespace)
        && is_particle(word)
    {
        given = before;
    }
    (given, &full[given.len()..])
}

pub(super) fn given_of(full: &str) -> Option<String> {
    canonical::name(parts_of(full).0)
}

pub(super) fn family_of(full: &str) -> Option<String> {
    canonical::name(parts_of(full).1)
}
