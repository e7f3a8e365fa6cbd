//! The records of a match, ready to compare: every column in its canonical form, as numbers.

use std::sync::Arc;

use super::canonical;
use super::comparison::{Compared, Comparison, Digits, Emails, Names, Texts};
use super::dictionary::{self, Dictionary, MISSING, Mark};
use super::model::{ModelRow, written};
use super::rule::{Feature, Features, Rule};
use super::shape::{How, Kind, Shape};
use super::value::SharedValues;
use crate::parallel;

/// What a column of records says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Field {
    GivenName,
    FamilyName,
    /// Given names first, or the family name, a comma and the given names.
    FullName,
    BirthDate,
    Email,
    Phone,
    Address,
    Postcode,
    NationalId,
}

/// What rules without exception say of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Same,
    Different,
}

impl Field {
    const ALL: [Self; 9] = [
        Self::GivenName,
        Self::FamilyName,
        Self::FullName,
        Self::BirthDate,
        Self::Email,
        Self::Phone,
        Self::Address,
        Self::Postcode,
        Self::NationalId,
    ];

    /// The word in models: that of `personal:` in a contract.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::GivenName => "given_name",
            Self::FamilyName => "family_name",
            Self::FullName => "name",
            Self::BirthDate => "birth_date",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Address => "address",
            Self::Postcode => "postcode",
            Self::NationalId => "national_id",
        }
    }

    /// The field of that [`name`](Self::name).
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

    /// The comparisons that compare it.
    fn compared_as(self) -> &'static [Kind] {
        match self {
            Self::GivenName => &[Kind::GivenName],
            Self::FamilyName => &[Kind::FamilyName],
            Self::FullName => &[Kind::GivenName, Kind::FamilyName],
            Self::BirthDate => &[Kind::BirthDate],
            Self::Email => &[Kind::Email],
            Self::Phone => &[Kind::Phone],
            Self::Address | Self::Postcode => &[Kind::Address],
            Self::NationalId => &[Kind::NationalId],
        }
    }
}

/// More different given names than this with one value, and the value says nothing of a person.
const MOST_PEOPLE_OF_A_CONTACT: u32 = 20;
const MOST_PEOPLE_OF_AN_ADDRESS: u32 = 40;

/// Records as they come, in the order of their keys.
#[derive(Clone, Debug, Default)]
pub(crate) struct Records {
    pub(crate) rows: u32,
    /// One column for each field.
    pub(crate) fields: Vec<(Field, Dictionary)>,
    /// Fields in which a rare value counts no more than a common one.
    pub(crate) without_rarity: Vec<Field>,
    /// Comparisons that the project asks for besides those of the fields.
    pub(crate) asked: Vec<Asked>,
    /// Columns that the project's rules name.
    pub(crate) own: Vec<OwnColumn>,
    /// Places in `own` of columns in which equal values make one person.
    pub(crate) must: Vec<usize>,
    /// Likewise of those in which two different values make two.
    pub(crate) cannot: Vec<usize>,
    /// Likewise of those in which equal values make two: two records of a source that knows each person once.
    pub(crate) once: Vec<usize>,
    /// What people decided of pairs, the lower row first; each pair once, in order.
    pub(crate) decisions: Vec<(u32, u32, Decision)>,
}

/// What people decided of two records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Decision {
    /// They could not say: the evidence decides, and nobody is asked again.
    Open,
    Same,
    Different,
    /// One said same, one different: different until they agree.
    Contested,
}

/// A comparison that the project asks for.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) name: String,
    pub(crate) how: How,
    /// One, or one for each level.
    pub(crate) columns: Vec<Dictionary>,
    pub(crate) counts_rarity: bool,
}

/// A column that the project's rules name.
#[derive(Clone, Debug)]
pub(crate) struct OwnColumn {
    pub(crate) column: Dictionary,
    /// Whether it is a column as it stands, and no part of one.
    pub(crate) is_whole: bool,
    /// The fields that it says something of.
    pub(crate) fields: Vec<Field>,
    /// Likewise comparisons that the project asks for, by place.
    pub(crate) asked: Vec<usize>,
}

impl OwnColumn {
    /// In the form of the one field that it is a column of; texts that say nothing of the field are missing.
    fn canonical(self) -> Self {
        match self.fields.as_slice() {
            [field] if self.is_whole => Self {
                column: self.column.map(form_of(*field)),
                ..self
            },
            _ => self,
        }
    }
}

/// Records ready to compare.
#[derive(Debug)]
pub(crate) struct Population {
    pub(super) rows: u32,
    pub(super) comparisons: Vec<Compared>,
    pub(super) features: Features,
    /// The comparisons that each of the project's own columns is about.
    own: Vec<Vec<usize>>,
    must: Vec<Dictionary>,
    cannot: Vec<Dictionary>,
    once: Vec<Dictionary>,
    decisions: Vec<(u32, u32, Decision)>,
    /// By row: whether something was decided of it; empty where nothing was of any.
    is_decided: Vec<bool>,
    /// Values that are missing for all comparisons and rules, since they say nothing of a person.
    pub(super) shared: SharedValues,
    /// The same, found here and unknown to the model: it takes them for somebody's own.
    pub(super) late: Vec<LateShared>,
}

/// A value that more people share than one would, though the model does not know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LateShared {
    pub(crate) field: Field,
    pub(crate) mark: Mark,
    /// Records that have it.
    pub(crate) records: u32,
}

impl LateShared {
    /// As rows beside those of a model, which no build reads back.
    pub(crate) fn rows(late: &[Self]) -> impl Iterator<Item = ModelRow> {
        let late = late.iter().zip(1..);
        late.map(|(late, position)| ModelRow {
            part: "late_shared_value".into(),
            name: late.field.name().to_string(),
            position,
            level: Some(written(late.mark)),
            count: Some(i64::from(late.records)),
            ..ModelRow::default()
        })
    }
}

/// What a record needs beside its values while it is matched: rules' blocks, clusters, its share of the pairs.
const BYTES_OF_A_RECORD: u64 = 200;
/// How often values are there: as they came, in the forms in which they are compared, and as rules ask for them.
const FORMS: u64 = 3;

impl Records {
    /// Bytes that they need while they are matched, nearly.
    pub(crate) fn bytes_to_match(&self) -> u64 {
        let fields = self.fields.iter().map(|(_, column)| column);
        let asked = self.asked.iter().flat_map(|asked| &asked.columns);
        let own = self.own.iter().map(|own| &own.column);
        let values = dictionary::bytes(fields.chain(asked).chain(own));
        FORMS * values + BYTES_OF_A_RECORD * u64::from(self.rows)
    }

    /// Without records that are gone, behind those that are there.
    pub(crate) fn without_gone(&self) -> Self {
        self.of_rows(&(0..self.rows).collect::<Vec<u32>>())
    }

    /// Some of them, in order, with what was decided of any two of those.
    pub(super) fn of_rows(&self, rows: &[u32]) -> Self {
        let of = |column: &Dictionary| column.of_rows(rows);
        let place = |row: u32| rows.binary_search(&row).ok().map(|place| place as u32);
        let decisions = self
            .decisions
            .iter()
            .filter_map(|(one, other, decision)| Some((place(*one)?, place(*other)?, *decision)));
        Self {
            rows: rows.len() as u32,
            fields: self.fields.iter().map(|(f, c)| (*f, of(c))).collect(),
            without_rarity: self.without_rarity.clone(),
            asked: self
                .asked
                .iter()
                .map(|asked| Asked {
                    columns: asked.columns.iter().map(of).collect(),
                    ..asked.clone()
                })
                .collect(),
            own: self
                .own
                .iter()
                .map(|own| OwnColumn {
                    column: of(&own.column),
                    ..own.clone()
                })
                .collect(),
            must: self.must.clone(),
            cannot: self.cannot.clone(),
            once: self.once.clone(),
            decisions: decisions.collect(),
        }
    }

    /// Names and levels of the comparisons that they make, in order.
    pub(crate) fn shapes(&self) -> Vec<Arc<Shape>> {
        let has = |field| self.fields.iter().any(|(of, _)| *of == field);
        let is_named = has(Field::FullName);
        let of_fields = [
            (Kind::GivenName, has(Field::GivenName) || is_named),
            (Kind::FamilyName, has(Field::FamilyName) || is_named),
            (Kind::BirthDate, has(Field::BirthDate)),
            (Kind::Email, has(Field::Email)),
            (Kind::Phone, has(Field::Phone)),
            (Kind::Address, has(Field::Address) || has(Field::Postcode)),
            (Kind::NationalId, has(Field::NationalId)),
        ];
        let of_fields = of_fields
            .into_iter()
            .filter(|(_, is_compared)| *is_compared);
        let of_fields = of_fields.map(|(kind, _)| Arc::new(Shape::of(kind)));
        let asked = self.asked.iter().filter(|asked| !asked.columns.is_empty());
        let asked = asked.map(|asked| Arc::new(Shape::asked(&asked.name, &asked.how)));
        of_fields.chain(asked).collect()
    }
}

impl Population {
    /// Prepares records. `shared` are values that say nothing of a person, where a model knows them; else they are found.
    pub(crate) fn new(records: Records, shared: Option<&SharedValues>, threads: usize) -> Self {
        let Records {
            rows,
            fields: columns,
            without_rarity,
            asked,
            own,
            must,
            cannot,
            once,
            decisions,
        } = records;
        let mut is_decided = vec![
            false;
            if decisions.is_empty() {
                0
            } else {
                rows as usize
            }
        ];
        for (one, other, _) in &decisions {
            is_decided[*one as usize] = true;
            is_decided[*other as usize] = true;
        }
        let own: Vec<OwnColumn> = own.into_iter().map(OwnColumn::canonical).collect();
        let mut persons = Persons::new(&columns, rows, shared, threads);
        let shared = persons.shared.clone();
        let late = std::mem::take(&mut persons.late);
        let mut features = persons.features();
        let own_features = own.iter().enumerate();
        features.extend(own_features.map(|(at, own)| (Feature::Own(at), own.column.clone())));
        let plain = without_rarity.iter().flat_map(|field| field.compared_as());
        let plain: Vec<Kind> = plain.copied().collect();
        let mut comparisons = persons.comparisons(&plain);
        let from_fields = comparisons.len();
        comparisons.extend(asked.iter().filter_map(|asked| {
            Some(Compared {
                shape: Arc::new(Shape::asked(&asked.name, &asked.how)),
                by: Comparison::asked(&asked.how, &asked.columns)?,
                counts_rarity: asked.counts_rarity,
            })
        }));
        let about = |own: &OwnColumn| {
            let kinds = own.fields.iter().flat_map(|field| field.compared_as());
            let kinds: Vec<&Kind> = kinds.collect();
            let of_fields = comparisons.iter().take(from_fields).enumerate();
            let mut about: Vec<usize> = of_fields
                .filter(|(_, compared)| kinds.contains(&&compared.shape.kind))
                .map(|(at, _)| at)
                .collect();
            about.extend(own.asked.iter().map(|at| from_fields + at));
            about
        };
        let columns = |places: &[usize]| {
            let columns = places.iter().filter_map(|at| own.get(*at));
            columns.map(|own| own.column.clone()).collect()
        };
        Self {
            rows,
            features,
            must: columns(&must),
            cannot: columns(&cannot),
            once: columns(&once),
            own: own.iter().map(about).collect(),
            comparisons,
            decisions,
            is_decided,
            shared,
            late,
        }
    }

    /// What rules can ask of records, without all that only comparing needs; and values that many share, unknown to the model.
    pub(super) fn features_of(
        records: Records,
        shared: Option<&SharedValues>,
        threads: usize,
    ) -> (Features, Vec<LateShared>) {
        let own = records.own.into_iter().map(OwnColumn::canonical);
        let own: Vec<OwnColumn> = own.collect();
        let persons = Persons::new(&records.fields, records.rows, shared, threads);
        let mut features = persons.features();
        let own = own.into_iter().enumerate();
        features.extend(own.map(|(at, own)| (Feature::Own(at), own.column)));
        (features, persons.late)
    }

    /// Names and levels of its comparisons, in order.
    pub(crate) fn shapes(&self) -> Vec<Arc<Shape>> {
        let shapes = self.comparisons.iter().map(|c| Arc::clone(&c.shape));
        shapes.collect()
    }

    /// Whether a rule blocks on what a comparison compares: of pairs that it makes, the comparison says nothing new.
    pub(super) fn is_blocked_on(&self, rule: &Rule, comparison: usize) -> bool {
        let kind = self.comparisons.get(comparison).map(|c| c.shape.kind);
        rule.features.iter().any(|feature| match feature {
            Feature::Own(at) => self
                .own
                .get(*at)
                .is_some_and(|own| own.contains(&comparison)),
            feature => kind.is_some_and(|kind| feature.compared_as().contains(&kind)),
        })
    }

    /// Pairs of which something was decided.
    pub(super) fn decisions(&self) -> &[(u32, u32, Decision)] {
        &self.decisions
    }

    /// What people decided of a pair.
    pub(super) fn decision(&self, one: u32, other: u32) -> Option<Decision> {
        let is_decided = |row: u32| self.is_decided.get(row as usize) == Some(&true);
        if !is_decided(one) || !is_decided(other) {
            return None;
        }
        let pair = (one.min(other), one.max(other));
        let place = self
            .decisions
            .binary_search_by_key(&pair, |(a, b, _)| (*a, *b));
        place.ok().map(|at| self.decisions[at].2)
    }

    /// What is decided of a pair whatever the evidence says: what people decided; two people, where `cannot` says so; else one.
    pub(super) fn verdict(&self, one: u32, other: u32) -> Option<Verdict> {
        match self.decision(one, other) {
            Some(Decision::Same) => return Some(Verdict::Same),
            Some(Decision::Different | Decision::Contested) => return Some(Verdict::Different),
            Some(Decision::Open) | None => {}
        }
        self.ruled(one, other)
    }

    /// What rules without exception say of a pair.
    pub(super) fn ruled(&self, one: u32, other: u32) -> Option<Verdict> {
        let codes = |column: &Dictionary| {
            let (a, b) = (column.codes[one as usize], column.codes[other as usize]);
            (a != MISSING && b != MISSING).then_some(a == b)
        };
        let mut cannot = self.cannot.iter().map(codes);
        let mut once = self.once.iter().map(codes);
        if cannot.any(|are_equal| are_equal == Some(false))
            || once.any(|are_equal| are_equal == Some(true))
        {
            return Some(Verdict::Different);
        }
        let is_same = self.must.iter().any(|column| codes(column) == Some(true));
        is_same.then_some(Verdict::Same)
    }
}

/// What says who a record is of, in the forms in which it is compared.
struct Persons {
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
    shared: SharedValues,
    /// Values that more people share than one would, though the model does not know it.
    late: Vec<LateShared>,
}

impl Persons {
    /// Reads columns; values that more people share than one would are forgotten: those known, or those found here. `rows`
    /// of the columns are there, what stands behind them is gone.
    fn new(
        columns: &[(Field, Dictionary)],
        rows: u32,
        known: Option<&SharedValues>,
        threads: usize,
    ) -> Self {
        let readings: Vec<(Reading, &Dictionary)> = readings(columns);
        let read = parallel::map(threads, &readings, |(reading, column)| {
            column.map(reading.form)
        });
        let mut forms: Vec<(Field, Dictionary)> =
            readings.iter().map(|(r, _)| r.field).zip(read).collect();
        let mut take = |field| {
            let place = forms.iter().position(|(of, _)| *of == field)?;
            Some(forms.swap_remove(place).1)
        };
        let (given, family) = (take(Field::GivenName), take(Field::FamilyName));
        let (given, family) = in_one_numbering(given, family);
        let birth_date = take(Field::BirthDate);
        let (mut email, mut phone) = (take(Field::Email), take(Field::Phone));
        let (mut street, postcode) = (take(Field::Address), take(Field::Postcode));
        let mut national_id = take(Field::NationalId);
        let mut shared = SharedValues::default();
        let mut late = Vec::new();
        let mut find = |field, column: &Dictionary, most| {
            let bad = given
                .as_ref()
                .map(|given| bad_codes(column, given, rows, most));
            let bad = bad.unwrap_or_default();
            let codes = match known {
                Some(known) => known.codes(field, column),
                None => bad.iter().map(|(code, _)| *code).collect(),
            };
            shared.insert(field, column, &codes);
            let unknown = bad
                .iter()
                .filter(|(code, _)| codes.binary_search(code).is_err());
            late.extend(unknown.map(|(code, records)| LateShared {
                field,
                mark: column.mark(*code),
                records: *records,
            }));
            codes
        };
        for (field, column) in [
            (Field::Email, &mut email),
            (Field::Phone, &mut phone),
            (Field::NationalId, &mut national_id),
        ] {
            if let Some(column) = column {
                let bad = find(field, column, MOST_PEOPLE_OF_A_CONTACT);
                if !bad.is_empty() {
                    column.forget(|code| bad.binary_search(&code).is_ok());
                }
            }
        }
        let place = place_of(&street, &postcode);
        let place = match (place, &mut street) {
            (Some(place), Some(street)) => {
                let bad = find(Field::Address, &place, MOST_PEOPLE_OF_AN_ADDRESS);
                if bad.is_empty() {
                    Some(place)
                } else {
                    street.forget_rows(|row| bad.binary_search(&place.codes[row]).is_ok());
                    place_of(&Some(street.clone()), &postcode)
                }
            }
            (place, _) => place,
        };
        Self {
            given,
            family,
            birth_date,
            email,
            phone,
            street,
            postcode,
            place,
            national_id,
            shared,
            late,
        }
    }

    /// What rules can ask two records to agree on.
    fn features(&self) -> Features {
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
        let mut features = Features::default();
        let mut add = |feature, column: Option<Dictionary>| {
            if let Some(column) = column {
                features.insert(feature, column);
            }
        };
        add(Feature::NationalId, national_id.clone());
        add(Feature::Email, email.clone());
        let user = email.as_ref().map(|c| c.map(canonical::email_user));
        add(Feature::EmailUser, user.clone());
        add(Feature::Phone, phone.clone());
        add(Feature::BirthDate, birth_date.clone());
        let birth_year = birth_date.as_ref();
        add(
            Feature::BirthYear,
            birth_year.map(|c| c.map(|date| date.get(..4).map(str::to_string))),
        );
        add(
            Feature::Given,
            given.as_ref().map(|c| c.map(canonical::first_word)),
        );
        add(
            Feature::GivenInitial,
            given.as_ref().map(|c| c.map(canonical::initial)),
        );
        add(
            Feature::Family,
            family.as_ref().map(|c| c.map(canonical::name_whole)),
        );
        add(
            Feature::FamilyBeginning,
            family
                .as_ref()
                .map(|c| c.map(|name| canonical::beginning(name, 4))),
        );
        if let (Some(given), Some(family)) = (given, family) {
            add(Feature::Names, Some(given.pair_in_any_order(family)));
        }
        add(Feature::Street, street.clone());
        add(Feature::Postcode, postcode.clone());
        add(Feature::Place, place.clone());
        features
    }

    /// The comparisons that the columns make; in those of `plain` kinds a rare value counts no more than a common one.
    fn comparisons(self, plain: &[Kind]) -> Vec<Compared> {
        let mut comparisons = Vec::new();
        let mut compare = |kind: Kind, by: Comparison| {
            comparisons.push(Compared {
                shape: Arc::new(Shape::of(kind)),
                by,
                counts_rarity: !plain.contains(&kind),
            });
        };
        let Self {
            birth_date,
            email,
            phone,
            street,
            postcode,
            place,
            national_id,
            ..
        } = self;
        let given = self.given.map(Names::new);
        let family = self.family.map(Names::new);
        let emails = email.map(|email| Emails::new(email, given.as_ref(), family.as_ref()));
        if let Some(given) = &given {
            let (given, family) = (given.clone(), family.clone());
            compare(Kind::GivenName, Comparison::Given { given, family });
        }
        if let Some(family) = family {
            compare(Kind::FamilyName, Comparison::Family { given, family });
        }
        if let Some(days) = birth_date {
            compare(Kind::BirthDate, Comparison::BirthDate(Digits::new(days)));
        }
        if let Some(emails) = emails {
            compare(Kind::Email, Comparison::Email(emails));
        }
        if let Some(numbers) = phone {
            compare(Kind::Phone, Comparison::Phone(Digits::new(numbers)));
        }
        if street.is_some() || postcode.is_some() {
            let by = Comparison::Address {
                street: street.map(Texts::new),
                postcode,
                place,
            };
            compare(Kind::Address, by);
        }
        if let Some(ids) = national_id {
            compare(Kind::NationalId, Comparison::NationalId(Digits::new(ids)));
        }
        comparisons
    }
}

/// Street and postcode as one; the street alone where there are no postcodes.
fn place_of(street: &Option<Dictionary>, postcode: &Option<Dictionary>) -> Option<Dictionary> {
    match (street, postcode) {
        (Some(street), Some(postcode)) => Some(street.pair(postcode)),
        (street, _) => street.clone(),
    }
}

/// Brings a text into the form in which it is compared.
type Form = fn(&str) -> Option<String>;

/// How one column is read.
struct Reading {
    field: Field,
    form: Form,
}

/// The form that a column of a field is brought into.
fn form_of(field: Field) -> Form {
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

/// The columns with the form that each is brought into; a full name gives what no column of its own does.
fn readings(columns: &[(Field, Dictionary)]) -> Vec<(Reading, &Dictionary)> {
    let has = |field| columns.iter().any(|(of, _)| *of == field);
    let mut readings = Vec::new();
    for (field, column) in columns {
        if *field == Field::FullName {
            let parts: [(Field, Form); 2] =
                [(Field::GivenName, given_of), (Field::FamilyName, family_of)];
            for (field, form) in parts {
                if !has(field) {
                    readings.push((Reading { field, form }, column));
                }
            }
            continue;
        }
        let (field, form) = (*field, form_of(*field));
        readings.push((Reading { field, form }, column));
    }
    readings
}

/// Names whose equal texts have equal numbers in both columns.
fn in_one_numbering(
    given: Option<Dictionary>,
    family: Option<Dictionary>,
) -> (Option<Dictionary>, Option<Dictionary>) {
    let (Some(given), Some(family)) = (&given, &family) else {
        return (given, family);
    };
    let rows = given.codes.iter().map(|code| given.text(*code));
    let both = Dictionary::encode(rows.chain(family.codes.iter().map(|code| family.text(*code))));
    let (first, second) = both.codes.split_at(given.codes.len());
    (
        Some(both.with_rows(first.to_vec())),
        Some(both.with_rows(second.to_vec())),
    )
}

fn given_of(full: &str) -> Option<String> {
    match full.split_once(',') {
        Some((_, given)) => canonical::name(given),
        None => canonical::name(full.trim().rsplit_once(char::is_whitespace)?.0),
    }
}

fn family_of(full: &str) -> Option<String> {
    match full.split_once(',') {
        Some((family, _)) => canonical::name(family),
        None => canonical::name(full.trim().rsplit(char::is_whitespace).next()?),
    }
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
