//! The records of a match, ready to compare: every column in its canonical form, as numbers.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::comparison::{Compared, Comparison};
use super::dictionary::{self, Dictionary, MISSING, Mark};
use super::model::{ModelRow, written};
use super::persons::{Persons, form_of};
use super::row::{Columns, Row, both};
use super::rule::{Feature, Features, Rule};
use super::value::SharedValues;
use crate::comparison_shape::{How, Kind, Shape};
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

/// Fields of which a value that many share says nothing, wherever it is asked for.
const SILENCED: [Field; 3] = [Field::Email, Field::Phone, Field::NationalId];

impl Records {
    /// Places in `own` of columns that decide alone and are of a field of which some values say nothing, and the field.
    pub(super) fn silenced(&self) -> Vec<(usize, Field)> {
        let deciding = self.must.iter().chain(&self.cannot);
        let fields = deciding.filter_map(|at| {
            let own = self.own.get(*at).filter(|own| own.is_whole)?;
            let [field] = own.fields.as_slice() else {
                return None;
            };
            SILENCED.contains(field).then_some((*at, *field))
        });
        fields.collect()
    }
}

impl Records {
    /// Columns of `must` of which some values say nothing, by place in `own`: by row the code of such a value, else [`MISSING`].
    pub(super) fn silent_must(&self, shared: &SharedValues) -> Vec<(usize, Vec<u32>)> {
        let silenced = self.silenced().into_iter();
        let of_must = silenced.filter(|(at, _)| self.must.contains(at));
        let rows = of_must.map(|(at, field)| {
            let column = self.own[at].clone().canonical().column;
            let silent = shared.codes(field, &column);
            let codes = column
                .codes
                .iter()
                .map(|code| match silent.binary_search(code) {
                    Ok(_) => *code,
                    Err(_) => MISSING,
                });
            (at, codes.collect())
        });
        rows.collect()
    }
}

/// Makes values missing that say nothing, in columns that decide alone.
fn silence(own: &mut [OwnColumn], silenced: &[(usize, Field)], shared: &SharedValues) {
    for (at, field) in silenced {
        let column = &mut own[*at].column;
        let codes = shared.codes(*field, column);
        if !codes.is_empty() {
            column.forget(|code| codes.binary_search(&code).is_ok());
        }
    }
}

/// Features that are one number each.
fn alone(places: BTreeMap<Feature, usize>) -> BTreeMap<Feature, Vec<usize>> {
    let places = places.into_iter();
    places
        .map(|(feature, place)| (feature, vec![place]))
        .collect()
}

fn canonical(own: Vec<OwnColumn>) -> Vec<OwnColumn> {
    own.into_iter().map(OwnColumn::canonical).collect()
}

/// Records ready to compare.
#[derive(Debug)]
pub(crate) struct Population {
    pub(super) rows: u32,
    pub(super) comparisons: Vec<Compared>,
    pub(super) features: Features,
    /// The comparisons that each of the project's own columns is about.
    own: Vec<Vec<usize>>,
    /// Where in a row the values stand that decide alone.
    must: Vec<usize>,
    cannot: Vec<usize>,
    once: Vec<usize>,
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
const BYTES_OF_A_RECORD: u64 = 100;
/// How often values are there: as they came, in the forms in which they are compared, and as rules ask for them.
const FORMS: u64 = 2;

/// Bytes that so many records need while they are matched, nearly, whose values take so many as they came.
pub(super) fn bytes_to_match(values: u64, records: u64) -> u64 {
    FORMS * values + BYTES_OF_A_RECORD * records
}

impl Records {
    /// Bytes that they need while they are matched, nearly.
    pub(crate) fn bytes_to_match(&self) -> u64 {
        let fields = self.fields.iter().map(|(_, column)| column);
        let asked = self.asked.iter().flat_map(|asked| &asked.columns);
        let own = self.own.iter().map(|own| &own.column);
        let values = dictionary::bytes(fields.chain(asked).chain(own));
        bytes_to_match(values, u64::from(self.rows))
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
        let silenced = records.silenced();
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
        let (mut own, mut persons) = parallel::both(
            threads,
            || canonical(own),
            || Persons::new(columns, rows, shared, threads),
        );
        let shared = persons.shared.clone();
        silence(&mut own, &silenced, &shared);
        let late = std::mem::take(&mut persons.late);
        let mut columns = Columns::default();
        let derived = persons.derived(threads);
        let mut places = persons.places(&derived, &mut columns);
        let placed: Vec<usize> = own.iter().map(|own| columns.place(&own.column)).collect();
        places.extend((0..).map(Feature::Own).zip(placed.iter().copied()));
        let plain = without_rarity.iter().flat_map(|field| field.compared_as());
        let plain: Vec<Kind> = plain.copied().collect();
        let mut comparisons = persons.comparisons(derived, &plain, &mut columns, threads);
        let from_fields = comparisons.len();
        comparisons.extend(asked.iter().filter_map(|asked| {
            Some(Compared {
                shape: Arc::new(Shape::asked(&asked.name, &asked.how)),
                by: Comparison::asked(&asked.how, &asked.columns, &mut columns, threads)?,
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
        let placed = |own: &[usize]| {
            let places = own.iter().filter_map(|at| placed.get(*at));
            places.copied().collect()
        };
        Self {
            rows,
            must: placed(&must),
            cannot: placed(&cannot),
            once: placed(&once),
            own: own.iter().map(about).collect(),
            features: Features::new(alone(places), columns.into_rows(rows, threads)),
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
        let silenced = records.silenced();
        let mut own = canonical(records.own);
        let persons = Persons::new(records.fields, records.rows, shared, threads);
        silence(&mut own, &silenced, &persons.shared);
        let mut columns = Columns::default();
        let mut places = persons.places(&persons.derived(threads), &mut columns);
        let own = own.iter().map(|own| columns.place(&own.column));
        places.extend((0..).map(Feature::Own).zip(own));
        let rows = columns.into_rows(records.rows, threads);
        (Features::new(alone(places), rows), persons.late)
    }

    /// The numbers of a record's values.
    #[inline]
    pub(super) fn row(&self, row: u32) -> &Row {
        self.features.row(row)
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
    #[inline]
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
    #[inline]
    pub(super) fn verdict(&self, one: u32, other: u32) -> Option<Verdict> {
        match self.decision(one, other) {
            Some(Decision::Same) => return Some(Verdict::Same),
            Some(Decision::Different | Decision::Contested) => return Some(Verdict::Different),
            Some(Decision::Open) | None => {}
        }
        self.ruled(one, other)
    }

    /// Values of a record, of each of which a person has one: two that differ make two people.
    pub(super) fn one_of_a_person(&self, row: u32) -> impl Iterator<Item = Option<u32>> {
        self.values(&self.cannot, row)
    }

    /// Values of a record that only one record of a person has: two that are equal make two people.
    pub(super) fn once_of_a_person(&self, row: u32) -> impl Iterator<Item = Option<u32>> {
        self.values(&self.once, row)
    }

    fn values(&self, places: &[usize], row: u32) -> impl Iterator<Item = Option<u32>> {
        let row = self.row(row);
        let values = places.iter().map(|place| row[*place]);
        values.map(|code| (code != MISSING).then_some(code))
    }

    /// What rules without exception say of a pair.
    #[inline]
    pub(super) fn ruled(&self, one: u32, other: u32) -> Option<Verdict> {
        let (one, other) = (self.row(one), self.row(other));
        let are_equal = |place: &usize| both(*place, one, other).map(|(a, b)| a == b);
        let mut cannot = self.cannot.iter().map(are_equal);
        let mut once = self.once.iter().map(are_equal);
        if cannot.any(|are_equal| are_equal == Some(false))
            || once.any(|are_equal| are_equal == Some(true))
        {
            return Some(Verdict::Different);
        }
        let is_same = self.must.iter().any(|place| are_equal(place) == Some(true));
        is_same.then_some(Verdict::Same)
    }
}
