//! What the columns of a person say, brought into the forms in which they are compared, and the comparisons made of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::canonical;
use super::column::{Digits, Names, Placed, Texts};
use super::comparison::{Compared, Comparison, Emails};
use super::dictionary::{Dictionary, MISSING};
use super::full_name::{family_of, given_of, names_of};
use super::population::{Field, LateShared};
use super::row::Columns;
use super::rule::Feature;
use super::value::SharedValues;
use crate::comparison_shape::{Kind, Shape};
use crate::parallel;

/// More different given names than this with one value, and the value says nothing of a person.
pub(super) const MOST_PEOPLE_OF_A_CONTACT: u32 = 20;

/// Likewise of given names with one address.
pub(super) const MOST_PEOPLE_OF_AN_ADDRESS: u32 = 40;

/// What says who a record is of, in the forms in which it is compared.
pub(super) struct Persons {
    given: Option<Dictionary>,
    family: Option<Dictionary>,
    birth_date: Option<Dictionary>,
    email: Option<Dictionary>,
    phone: Option<Dictionary>,
    street: Option<Dictionary>,
    postcode: Option<Dictionary>,
    /// Street and postcode as one.
    place: Option<Dictionary>,
    national_id: Option<Dictionary>,
    pub(super) shared: SharedValues,
    /// Values that more people share than one would, though the model does not know it.
    pub(super) late: Vec<LateShared>,
}

impl Persons {
    /// Reads columns; values that more people share than one would are forgotten: those known, or those found here. `rows`
    /// of the columns are there, what stands behind them is gone.
    pub(super) fn new(
        columns: Vec<(Field, Dictionary)>,
        rows: u32,
        known: Option<&SharedValues>,
        threads: usize,
    ) -> Self {
        let (mut forms, full) = in_their_forms(columns, threads);
        let mut take = |field| {
            let place = forms.iter().position(|(of, _)| *of == field)?;
            Some(forms.swap_remove(place).1)
        };
        let (given, family) = (take(Field::GivenName), take(Field::FamilyName));
        let (street, postcode) = (take(Field::Address), take(Field::Postcode));
        let ((given, family), place) = parallel::both(
            threads,
            || names_of(given, family, full, threads),
            || place_of(&street, &postcode),
        );
        let mut persons = Self {
            given,
            family,
            birth_date: take(Field::BirthDate),
            email: take(Field::Email),
            phone: take(Field::Phone),
            street,
            postcode,
            place,
            national_id: take(Field::NationalId),
            shared: SharedValues::default(),
            late: Vec::new(),
        };
        for silent in persons.find_silent(rows, known, threads) {
            persons.silence(silent);
        }
        persons
    }

    /// Values that more people share than one would, by field; addresses last.
    fn find_silent(&self, rows: u32, known: Option<&SharedValues>, threads: usize) -> Vec<Silent> {
        let wanted = [
            // what takes longest first
            (Field::Address, &self.place, MOST_PEOPLE_OF_AN_ADDRESS),
            (Field::Email, &self.email, MOST_PEOPLE_OF_A_CONTACT),
            (Field::Phone, &self.phone, MOST_PEOPLE_OF_A_CONTACT),
            (
                Field::NationalId,
                &self.national_id,
                MOST_PEOPLE_OF_A_CONTACT,
            ),
        ];
        let given = self.given.as_ref();
        let found = parallel::map(threads, &wanted, |(field, column, most)| {
            let column = column.as_ref()?;
            let shared = given.map(|given| bad_codes(column, given, rows, *most));
            Some(Silent::of(
                *field,
                column,
                &shared.unwrap_or_default(),
                known,
            ))
        });
        let mut found: Vec<Silent> = found.into_iter().flatten().collect();
        found.sort_by_key(|silent| silent.field == Field::Address);
        found
    }

    /// Forgets values of a field; of an address the street, since a postcode says what it says.
    fn silence(&mut self, silent: Silent) {
        let Silent { field, codes, late } = silent;
        self.late.extend(late);
        let column = match field {
            Field::Email => &mut self.email,
            Field::Phone => &mut self.phone,
            Field::NationalId => &mut self.national_id,
            _ => &mut self.place,
        };
        let Some(column) = column else { return };
        self.shared.insert(field, column, &codes);
        if codes.is_empty() {
            return;
        }
        let is_silent = |code: u32| codes.binary_search(&code).is_ok();
        if field != Field::Address {
            column.forget(is_silent);
        } else if let Some(street) = &mut self.street {
            street.forget_rows(|row| is_silent(column.codes[row]));
            self.place = place_of(&Some(street.clone()), &self.postcode);
        }
    }

    /// What rules ask for besides the columns as they are compared.
    pub(super) fn derived(&self, threads: usize) -> BTreeMap<Feature, Dictionary> {
        let names = self.given.as_ref().zip(self.family.as_ref());
        let forms: [(Feature, &Option<Dictionary>, Form); 6] = [
            // what takes longest first
            (Feature::EmailUser, &self.email, canonical::email_user),
            (Feature::Given, &self.given, canonical::first_word),
            (Feature::GivenInitial, &self.given, canonical::initial),
            (Feature::Family, &self.family, canonical::name_whole),
            (Feature::FamilyBeginning, &self.family, |name| {
                canonical::beginning(name, 4)
            }),
            (Feature::BirthYear, &self.birth_date, |date| {
                date.get(..4).map(str::to_string)
            }),
        ];
        let forms = forms.iter().map(Some);
        let wanted: Vec<Option<&(Feature, &Option<Dictionary>, Form)>> =
            std::iter::once(None).chain(forms).collect();
        let found = parallel::map(threads, &wanted, |form| match form {
            Some((feature, column, form)) => Some((*feature, column.as_ref()?.map(form))),
            None => {
                let (given, family) = names?;
                Some((Feature::Names, given.pair_in_any_order(family)))
            }
        });
        found.into_iter().flatten().collect()
    }

    /// Where in a row that stands which rules can ask two records to agree on.
    pub(super) fn places(
        &self,
        derived: &BTreeMap<Feature, Dictionary>,
        columns: &mut Columns,
    ) -> BTreeMap<Feature, usize> {
        let compared = [
            (Feature::NationalId, &self.national_id),
            (Feature::Email, &self.email),
            (Feature::Phone, &self.phone),
            (Feature::BirthDate, &self.birth_date),
            (Feature::Street, &self.street),
            (Feature::Postcode, &self.postcode),
            (Feature::Place, &self.place),
        ];
        let compared = compared
            .into_iter()
            .filter_map(|(feature, column)| Some((feature, column.as_ref()?)));
        let derived = derived.iter().map(|(feature, column)| (*feature, column));
        let all = compared.chain(derived);
        all.map(|(feature, column)| (feature, columns.place(column)))
            .collect()
    }

    /// The comparisons that the columns make; in those of `plain` kinds a rare value counts no more than a common one.
    pub(super) fn comparisons(
        self,
        mut derived: BTreeMap<Feature, Dictionary>,
        plain: &[Kind],
        columns: &mut Columns,
        threads: usize,
    ) -> Vec<Compared> {
        let mut comparisons = Vec::new();
        let mut compare = |kind: Kind, by: Comparison| {
            comparisons.push(Compared {
                shape: Arc::new(Shape::of(kind)),
                by,
                counts_rarity: !plain.contains(&kind),
            });
        };
        let Self {
            given,
            family,
            birth_date,
            email,
            phone,
            street,
            postcode,
            place,
            national_id,
            ..
        } = self;
        let user = derived.remove(&Feature::EmailUser);
        let emails = email.zip(user).map(|(email, user)| {
            let stem = family.as_ref().map(|family| family.map(canonical::stem));
            let given = derived.get(&Feature::Given);
            let is_name = is_made_of_names(&user, given, stem.as_ref(), threads);
            Emails::new(email, user, is_name, columns, threads)
        });
        let mut names =
            |column: Dictionary| Arc::new(Names::new(Placed::new(column, columns), threads));
        let (given, family) = (given.map(&mut names), family.map(&mut names));
        if let Some(given) = &given {
            let (given, family) = (Arc::clone(given), family.clone());
            compare(Kind::GivenName, Comparison::Given { given, family });
        }
        if let Some(family) = family {
            compare(Kind::FamilyName, Comparison::Family { given, family });
        }
        let mut placed = |column: Dictionary| Placed::new(column, columns);
        if let Some(days) = birth_date {
            let days = Digits::new(placed(days), threads);
            compare(Kind::BirthDate, Comparison::BirthDate(days));
        }
        if let Some(emails) = emails {
            compare(Kind::Email, Comparison::Email(emails));
        }
        if let Some(numbers) = phone {
            let numbers = Digits::new(placed(numbers), threads);
            compare(Kind::Phone, Comparison::Phone(numbers));
        }
        if street.is_some() || postcode.is_some() {
            let by = Comparison::Address {
                street: street.map(|street| Texts::new(placed(street), threads)),
                postcode: postcode.map(&mut placed),
                place: place.map(&mut placed),
            };
            compare(Kind::Address, by);
        }
        if let Some(ids) = national_id {
            let ids = Digits::new(placed(ids), threads);
            compare(Kind::NationalId, Comparison::NationalId(ids));
        }
        comparisons
    }
}

/// Values of a field that say nothing of a person.
struct Silent {
    field: Field,
    /// Sorted.
    codes: Vec<u32>,
    /// Those that the model does not know; it takes them for somebody's own.
    late: Vec<LateShared>,
}

impl Silent {
    /// What the model knows, or else what was found: `shared`, codes and the records of each.
    fn of(
        field: Field,
        column: &Dictionary,
        shared: &[(u32, u32)],
        known: Option<&SharedValues>,
    ) -> Self {
        let codes: Vec<u32> = match known {
            Some(known) => known.codes(field, column),
            None => shared.iter().map(|(code, _)| *code).collect(),
        };
        let unknown = shared.iter();
        let unknown = unknown.filter(|(code, _)| codes.binary_search(code).is_err());
        let late = unknown.map(|(code, records)| LateShared {
            field,
            mark: column.mark(*code),
            records: *records,
        });
        Self {
            field,
            late: late.collect(),
            codes,
        }
    }
}

/// By row, 1 where the user of its e-mail is made of its name.
fn is_made_of_names(
    users: &Dictionary,
    given: Option<&Dictionary>,
    stems: Option<&Dictionary>,
    threads: usize,
) -> Vec<u32> {
    const ROWS: usize = 1 << 14;
    let mut found = vec![0; users.codes.len()];
    let chunks = found.chunks_mut(ROWS).enumerate().collect();
    parallel::for_each(threads, chunks, |(chunk, found): (usize, &mut [u32])| {
        for (row, found) in (chunk * ROWS..).zip(found) {
            let user = users.text_of(row);
            let given = given.and_then(|names| names.text_of(row));
            let stem = stems.and_then(|names| names.text_of(row));
            let is_name = |user| canonical::is_made_of_name(user, given, stem);
            *found = user.is_some_and(is_name).into();
        }
    });
    found
}

/// Street and postcode as one; the street alone where there are no postcodes.
fn place_of(street: &Option<Dictionary>, postcode: &Option<Dictionary>) -> Option<Dictionary> {
    match (street, postcode) {
        (Some(street), Some(postcode)) => Some(street.pair(postcode)),
        (street, _) => street.clone(),
    }
}

/// Brings a text into the form in which it is compared.
pub(super) type Form = fn(&str) -> Option<String>;

/// How one column is read.
struct Reading {
    field: Field,
    form: Form,
}

/// The form that a column of a field is brought into.
pub(super) fn form_of(field: Field) -> Form {
    match field {
        Field::GivenName | Field::FamilyName | Field::FullName => canonical::name,
        Field::BirthDate => canonical::date,
        Field::Email => canonical::email,
        Field::Phone => canonical::phone,
        Field::Address => canonical::address,
        Field::Postcode => canonical::code,
        Field::NationalId => canonical::national_id,
    }
}

/// Columns in the forms in which they are compared; besides, the full names that are read of records which lack a part alone.
fn in_their_forms(
    columns: Vec<(Field, Dictionary)>,
    threads: usize,
) -> (Vec<(Field, Dictionary)>, Option<Dictionary>) {
    let (readings, columns, full) = readings(columns);
    // each column goes when it was read: all of them in both forms would be there at once
    let columns: Vec<Mutex<Option<Dictionary>>> =
        columns.into_iter().map(Some).map(Mutex::new).collect();
    let numbered: Vec<(&Reading, &Mutex<Option<Dictionary>>)> =
        readings.iter().zip(&columns).collect();
    let read = parallel::map(threads, &numbered, |(reading, column)| {
        let column = column.lock().unwrap_or_else(PoisonError::into_inner).take();
        column.map(|column| column.map(reading.form))
    });
    let fields = readings.iter().map(|reading| reading.field);
    let read = fields.zip(read);
    let forms = read.filter_map(|(field, column)| Some((field, column?)));
    (forms.collect(), full)
}

/// How columns are read, and each column beside; and those full names.
fn readings(
    columns: Vec<(Field, Dictionary)>,
) -> (Vec<Reading>, Vec<Dictionary>, Option<Dictionary>) {
    let fields: Vec<Field> = columns.iter().map(|(field, _)| *field).collect();
    let (mut readings, mut read, mut full) = (Vec::new(), Vec::new(), None);
    for FieldReading {
        column,
        field,
        form,
        is_rest,
    } in readings_of(&fields)
    {
        let column = columns[column].1.clone();
        if is_rest {
            full = Some(column);
        } else {
            readings.push(Reading { field, form });
            read.push(column);
        }
    }
    (readings, read, full)
}

/// How a column of a field is read.
pub(super) struct FieldReading {
    /// Its place.
    pub(super) column: usize,
    /// What it gives.
    pub(super) field: Field,
    pub(super) form: Form,
    /// Whether it gives that only to records which have no part of a name of their own, or lack one; see `full_name`.
    pub(super) is_rest: bool,
}

/// How columns of some fields are read, full names last. These give both parts of a name; where there is a column of either part,
/// only to records that lack one.
pub(super) fn readings_of(fields: &[Field]) -> Vec<FieldReading> {
    let is_rest = fields.contains(&Field::GivenName) || fields.contains(&Field::FamilyName);
    let (mut readings, mut of_full) = (Vec::new(), Vec::new());
    for (column, field) in fields.iter().copied().enumerate() {
        if field == Field::FullName {
            let parts: [(Field, Form); 2] =
                [(Field::GivenName, given_of), (Field::FamilyName, family_of)];
            of_full.extend(parts.map(|(field, form)| FieldReading {
                column,
                field,
                form,
                is_rest,
            }));
        } else {
            readings.push(FieldReading {
                column,
                field,
                form: form_of(field),
                is_rest: false,
            });
        }
    }
    readings.extend(of_full);
    readings
}

/// The codes of values that more people share than one would, sorted, and the records of each; of the first `rows`.
fn bad_codes(column: &Dictionary, given: &Dictionary, rows: u32, most: u32) -> Vec<(u32, u32)> {
    let mut counts = vec![0; column.len()];
    let there = column.codes.iter().take(rows as usize);
    for code in there.filter(|code| **code != MISSING) {
        counts[*code as usize] += 1;
    }
    let is_common = |code: u32| counts.get(code as usize).is_some_and(|count| *count > most);
    let rows = column
        .codes
        .iter()
        .zip(given.codes.iter())
        .take(rows as usize);
    let mut pairs: Vec<(u32, u32)> = rows
        .filter(|(code, name)| **code != MISSING && **name != MISSING && is_common(**code))
        .map(|(code, name)| (*code, *name))
        .collect();
    pairs.sort_unstable();
    pairs.dedup();
    let groups = pairs.chunk_by(|one, other| one.0 == other.0);
    groups
        .filter(|names| names.len() > most as usize)
        .filter_map(|names| Some(names.first()?.0))
        .map(|code| (code, counts[code as usize]))
        .collect()
}
