//! Records at a glance: of each value that rules ask for a hash of its form, side by side, and no text. Enough to count what
//! rules would make exactly, before a match prepares a record for comparing.
//!
//! A hash has 64 bits, kept as two numbers of a row. That two of ten million different values share one happens once in a
//! hundred thousand plans.

use std::collections::{BTreeMap, HashMap};

use super::canonical;
use super::dictionary::{MISSING, Mark, hash_of, mark_of};
use super::full_name::says_rest;
use super::hash;
use super::persons::{
    Form, MOST_PEOPLE_OF_A_CONTACT, MOST_PEOPLE_OF_AN_ADDRESS, form_of, readings_of,
};
use super::population::{Field, Records, bytes_to_match};
use super::row::Rows;
use super::rule::{Blocks, Feature, Features};
use super::value::SharedValues;
use crate::parallel;

/// Records while they pass by.
#[derive(Debug)]
pub(crate) struct Glance {
    readings: Vec<Reading>,
    /// In a row the two numbers of each, one after the other.
    features: Vec<Feature>,
    /// Columns that a match holds, some of them twice.
    columns: Vec<usize>,
    has_postcode: bool,
    /// Own columns that decide alone, and the field of which they are.
    silenced: Vec<(usize, Field)>,
    /// Marks of addresses that say nothing, sorted.
    shared_addresses: Vec<Mark>,
    /// Where the number of the whole given name stands; only while values that many share are looked for.
    given: Option<usize>,
    width: usize,
    rows: u32,
    /// Records of which a part of the name is read from the full one.
    named_in_full: u64,
    codes: Vec<u32>,
    sizes: Vec<Size>,
    /// Of each who works on rows, by reading.
    lately: Vec<Vec<Lately>>,
}

/// Some batches, and what came lately to who works on them.
type Share<'a, 'b, B> = (&'a [B], &'b mut Vec<Lately>);

/// What one column of the records says, and of what.
#[derive(Debug)]
struct Reading {
    column: usize,
    meaning: Meaning,
    form: Form,
    /// Whether it says a part of a name only of records that lack it.
    is_rest: bool,
    /// Marks of values that say nothing, sorted.
    shared: Vec<Mark>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Field(Field),
    Own(usize),
}

/// The parts of a name.
const NAME: [Meaning; 2] = [
    Meaning::Field(Field::GivenName),
    Meaning::Field(Field::FamilyName),
];

impl Meaning {
    /// Fields that there are.
    const FIELDS: usize = Field::NationalId as usize + 1;

    /// Where what it says of a record stands among all.
    fn slot(self) -> usize {
        match self {
            Self::Field(field) => field as usize,
            Self::Own(at) => Self::FIELDS + at,
        }
    }
}

/// What is kept of one text: its hash, or those of its parts; 0 where it has none.
type Hashes = [u64; 3];

const NONE: Hashes = [0; 3];

/// How much a column holds: of some of its texts, drawn by their hashes, the letters.
#[derive(Debug, Default)]
struct Size {
    /// Texts are drawn whose hash has none of these bits.
    mask: u64,
    letters: HashMap<u64, u32>,
}

impl Size {
    /// More are drawn half as often.
    const MOST: usize = 1 << 14;

    fn add(&mut self, text: u64, letters: u32) {
        if text & self.mask != 0 {
            return;
        }
        self.letters.insert(text, letters);
        while self.letters.len() > Self::MOST {
            self.mask = self.mask << 1 | 1;
            let mask = self.mask;
            self.letters.retain(|text, _| text & mask == 0);
        }
    }

    /// Different texts, and all their letters, nearly.
    fn texts(&self) -> (u64, u64) {
        let times = self.mask + 1;
        let letters: u64 = self
            .letters
            .values()
            .map(|letters| u64::from(*letters))
            .sum();
        (self.letters.len() as u64 * times, letters * times)
    }
}

/// Texts that came lately and what was made of them: names and dates come again and again.
#[derive(Debug)]
struct Lately {
    texts: Vec<(u64, Hashes)>,
}

impl Lately {
    const TEXTS: usize = 1 << 14;

    fn new() -> Self {
        Self {
            texts: vec![(0, NONE); Self::TEXTS],
        }
    }

    fn of(&mut self, text: u64, make: impl FnOnce() -> Hashes) -> Hashes {
        let slot = &mut self.texts[text as usize % Self::TEXTS];
        if slot.0 != text {
            *slot = (text, make());
        }
        slot.1
    }
}

impl Reading {
    /// Whether its texts mostly come again.
    fn comes_again(&self) -> bool {
        let rarely = [
            Field::Email,
            Field::Phone,
            Field::Address,
            Field::NationalId,
        ];
        matches!(self.meaning, Meaning::Field(field) if !rarely.contains(&field))
    }

    /// Whether a full name says the part that it is asked for, of a record of which that much was found.
    fn is_asked(&self, full: &str, found: &[Hashes]) -> bool {
        let has = |part: Meaning| found[part.slot()] != NONE;
        let has_other = NAME
            .into_iter()
            .any(|part| part != self.meaning && has(part));
        !has(self.meaning) && says_rest(full, has_other)
    }

    fn hashes(&self, text: &str) -> Hashes {
        let Some(form) = (self.form)(text) else {
            return NONE;
        };
        let part = |part: Option<String>| part.map_or(0, |part| some(hash_of(&part)));
        let whole = some(hash_of(&form));
        let mark = || match self.shared.is_empty() {
            true => 0,
            false => mark_of(&form),
        };
        let is_shared = || self.shared.binary_search(&mark()).is_ok();
        match self.meaning {
            Meaning::Own(_) if !self.shared.is_empty() && is_shared() => NONE,
            Meaning::Own(_) => [whole, 0, 0],
            Meaning::Field(field) => match field {
                Field::GivenName | Field::FullName => [
                    whole,
                    part(canonical::first_word(&form)),
                    part(canonical::initial(&form)),
                ],
                Field::FamilyName => [
                    whole,
                    part(canonical::name_whole(&form)),
                    part(canonical::beginning(&form, 4)),
                ],
                Field::BirthDate => [whole, part(form.get(..4).map(str::to_string)), 0],
                Field::Address | Field::Postcode => [whole, mark(), 0],
                Field::Email | Field::Phone | Field::NationalId => {
                    if !self.shared.is_empty() && is_shared() {
                        return NONE;
                    }
                    match field {
                        Field::Email => [whole, part(canonical::email_user(&form)), 0],
                        _ => [whole, 0, 0],
                    }
                }
            },
        }
    }
}

fn as_it_is(text: &str) -> Option<String> {
    Some(text.to_string())
}

/// A hash that is there.
fn some(hash: u64) -> u64 {
    hash.max(1)
}

impl Glance {
    /// For records of these kinds, whose columns stand at these `places`: those of the fields, of what is asked for, then the
    /// project's own. `shared`: values that say nothing of a person, where a model knows them. `rows`: how many will come, nearly.
    pub(crate) fn new(
        records: &Records,
        places: &[usize],
        shared: Option<&SharedValues>,
        rows: u64,
    ) -> Self {
        let fields: Vec<Field> = records.fields.iter().map(|(field, _)| *field).collect();
        let marks = |field| {
            let shared = shared.and_then(|shared| shared.0.get(&field));
            shared.cloned().unwrap_or_default()
        };
        let of_fields = readings_of(&fields).into_iter();
        let of_fields = of_fields.map(|reading| Reading {
            column: places[reading.column],
            meaning: Meaning::Field(reading.field),
            form: reading.form,
            is_rest: reading.is_rest,
            shared: match reading.field {
                // an address is street and postcode
                Field::Postcode => marks(Field::Address),
                field => marks(field),
            },
        });
        let silenced = records.silenced();
        let places_of_own = &places[places.len() - records.own.len()..];
        let own = records.own.iter().zip(places_of_own).enumerate();
        let own = own.map(|(at, (own, place))| Reading {
            column: *place,
            meaning: Meaning::Own(at),
            form: match own.fields.as_slice() {
                [field] if own.is_whole => form_of(*field),
                _ => as_it_is,
            },
            is_rest: false,
            shared: match silenced.iter().find(|(of, _)| *of == at) {
                Some((_, field)) => marks(*field),
                None => Vec::new(),
            },
        });
        let readings: Vec<Reading> = of_fields.chain(own).collect();
        let features = features_of(&readings);
        let mut width = 2 * features.len();
        let has_given = features.contains(&Feature::Given);
        let given = (has_given && shared.is_none()).then_some(width);
        width += usize::from(given.is_some());
        Self {
            readings,
            features,
            columns: places.to_vec(),
            silenced,
            has_postcode: fields.contains(&Field::Postcode),
            shared_addresses: marks(Field::Address),
            given,
            width,
            rows: 0,
            named_in_full: 0,
            codes: Vec::with_capacity(rows as usize * width),
            sizes: Vec::new(),
            lately: Vec::new(),
        }
    }

    /// Looks at rows that come together; `text`: of a column of a row.
    pub(crate) fn push<'a, B: Sync>(
        &mut self,
        batches: &'a [B],
        columns: usize,
        rows: impl Fn(&B) -> usize + Sync,
        text: impl Fn(&'a B, usize, usize) -> Option<&'a str> + Sync,
        threads: usize,
    ) {
        self.sizes.resize_with(columns, Size::default);
        let masks: Vec<u64> = self.sizes.iter().map(|size| size.mask).collect();
        let workers = 2 * threads.max(1);
        let mut lately = std::mem::take(&mut self.lately);
        lately.resize_with(workers, || {
            let readings = self.readings.iter();
            readings.map(|_| Lately::new()).collect()
        });
        let shares = batches.chunks(batches.len().div_ceil(workers).max(1));
        let shares = shares.zip(&mut lately).collect();
        let seen = parallel::map_owned(threads, shares, |(batches, lately): Share<'a, '_, B>| {
            let count: usize = batches.iter().map(&rows).sum();
            let mut codes = Vec::with_capacity(count * self.width);
            let mut drawn: Vec<(usize, u64, u32)> = Vec::new();
            let mut texts = vec![(None, 0); columns];
            let own = self
                .features
                .iter()
                .filter(|f| matches!(f, Feature::Own(_)));
            let mut found = vec![NONE; Meaning::FIELDS + own.count()];
            let has_rest = self.readings.iter().any(|reading| reading.is_rest);
            let mut named_in_full = 0;
            for batch in batches {
                for row in 0..rows(batch) {
                    for (column, slot) in texts.iter_mut().enumerate() {
                        let text = text(batch, column, row);
                        let hash = text.map_or(0, hash_of);
                        if let Some(text) = text.filter(|_| hash & masks[column] == 0) {
                            drawn.push((column, hash, text.len() as u32));
                        }
                        *slot = (text, hash);
                    }
                    if has_rest {
                        NAME.iter().for_each(|part| found[part.slot()] = NONE);
                    }
                    let mut is_named_in_full = false;
                    for (reading, lately) in self.readings.iter().zip(lately.iter_mut()) {
                        let (text, hash) = texts[reading.column];
                        let is_asked = |full| reading.is_asked(full, &found);
                        if reading.is_rest && !text.is_some_and(is_asked) {
                            continue;
                        }
                        let hashes = match text {
                            None => NONE,
                            Some(text) if reading.comes_again() => {
                                lately.of(some(hash), || reading.hashes(text))
                            }
                            Some(text) => reading.hashes(text),
                        };
                        is_named_in_full |= reading.is_rest && hashes != NONE;
                        found[reading.meaning.slot()] = hashes;
                    }
                    named_in_full += u64::from(is_named_in_full);
                    self.write_row(&found, &mut codes);
                }
            }
            (codes, count, named_in_full, drawn)
        });
        self.lately = lately;
        for (codes, count, named_in_full, drawn) in seen {
            self.codes.extend_from_slice(&codes);
            self.rows += count as u32;
            self.named_in_full += named_in_full;
            for (column, hash, letters) in drawn {
                self.sizes[column].add(hash, letters);
            }
        }
    }

    /// The numbers of a record of which the readings gave these hashes.
    fn write_row(&self, found: &[Hashes], codes: &mut Vec<u32>) {
        let of = |meaning: Meaning| found[meaning.slot()];
        let field = |field| of(Meaning::Field(field));
        let both = |one: u64, other: u64| match one == 0 || other == 0 {
            true => 0,
            false => some(hash(one.min(other) ^ hash(one.max(other)))),
        };
        let (given, family) = (field(Field::GivenName), field(Field::FamilyName));
        let (mut street, postcode) = (field(Field::Address), field(Field::Postcode));
        let place = |street: Hashes| match self.has_postcode {
            true if street[0] == 0 || postcode[0] == 0 => 0,
            true => some(hash(street[0] ^ hash(postcode[0]))),
            false => street[0],
        };
        if !self.shared_addresses.is_empty() && place(street) != 0 {
            let mark = match self.has_postcode {
                true => hash(street[1] ^ hash(postcode[1])),
                false => street[1],
            };
            if self.shared_addresses.binary_search(&mark).is_ok() {
                street = NONE;
            }
        }
        let (email, date) = (field(Field::Email), field(Field::BirthDate));
        for feature in &self.features {
            let hash = match *feature {
                Feature::NationalId => field(Field::NationalId)[0],
                Feature::Email => email[0],
                Feature::EmailUser => email[1],
                Feature::Phone => field(Field::Phone)[0],
                Feature::BirthDate => date[0],
                Feature::BirthYear => date[1],
                Feature::Given => given[1],
                Feature::GivenInitial => given[2],
                Feature::Family => family[1],
                Feature::FamilyBeginning => family[2],
                Feature::Names => both(given[0], family[0]),
                Feature::Street => street[0],
                Feature::Postcode => postcode[0],
                Feature::Place => place(street),
                Feature::Own(at) => of(Meaning::Own(at))[0],
            };
            codes.extend(numbers_of(hash));
        }
        if self.given.is_some() {
            codes.extend(numbers_of(given[0]).first());
        }
    }

    /// Bytes that a match needs for the records, nearly.
    pub(crate) fn bytes_to_match(&self) -> u64 {
        let rows = u64::from(self.rows);
        let columns = self.columns.iter().filter_map(|at| self.sizes.get(*at));
        let columns = columns.map(|size| {
            let (texts, letters) = size.texts();
            4 * rows + letters + 8 * texts
        });
        bytes_to_match(columns.sum(), rows)
    }

    pub(super) fn rows(&self) -> u32 {
        self.rows
    }

    /// Records of which a part of the name is read from the full one, though there are columns of the parts.
    pub(crate) fn named_in_full(&self) -> u64 {
        self.named_in_full
    }

    /// What rules can ask of the records; without a model that knows them, values that many share are found, and are missing.
    pub(super) fn into_features(self, threads: usize) -> Features {
        let (rows, given) = (self.rows, self.given);
        let places = self.features.iter().zip((0..).step_by(2));
        let places = places.map(|(feature, place)| (*feature, vec![place, place + 1]));
        let places: BTreeMap<Feature, Vec<usize>> = places.collect();
        let mut features = Features::new(places, Rows::of(self.width, self.codes));
        let Some(given) = given else {
            return features;
        };
        let looked_for: [(Feature, u32, &[Feature]); 4] = [
            (
                Feature::Email,
                MOST_PEOPLE_OF_A_CONTACT,
                &[Feature::Email, Feature::EmailUser],
            ),
            (Feature::Phone, MOST_PEOPLE_OF_A_CONTACT, &[Feature::Phone]),
            (
                Feature::NationalId,
                MOST_PEOPLE_OF_A_CONTACT,
                &[Feature::NationalId],
            ),
            (
                Feature::Place,
                MOST_PEOPLE_OF_AN_ADDRESS,
                &[Feature::Street, Feature::Place],
            ),
        ];
        for (feature, most, forgotten) in looked_for {
            if !features.has(feature) {
                continue;
            }
            let blocks = Blocks::of_any_size(feature, &features, rows, threads);
            let found = parallel::map(threads, blocks.parts(), |part| {
                let mut bad = Vec::new();
                part.blocks(|block| {
                    if block.len() <= most as usize {
                        return;
                    }
                    let names = block.iter().map(|row| features.row(*row)[given]);
                    let mut names: Vec<u32> = names.filter(|name| *name != MISSING).collect();
                    names.sort_unstable();
                    names.dedup();
                    if names.len() > most as usize {
                        bad.extend_from_slice(block);
                    }
                });
                bad
            });
            let own = self.silenced.iter();
            let own = own.filter(|(_, field)| feature_of(*field) == Some(feature));
            let own = own.map(|(at, _)| Feature::Own(*at));
            let forgotten: Vec<Feature> = forgotten.iter().copied().chain(own).collect();
            features.forget(&forgotten, &found.concat());
        }
        features
    }
}

/// The feature that is a field as a whole, of those that many may share.
fn feature_of(field: Field) -> Option<Feature> {
    match field {
        Field::Email => Some(Feature::Email),
        Field::Phone => Some(Feature::Phone),
        Field::NationalId => Some(Feature::NationalId),
        _ => None,
    }
}

/// What rules can ask for, where these columns are read.
fn features_of(readings: &[Reading]) -> Vec<Feature> {
    let has = |field| readings.iter().any(|r| r.meaning == Meaning::Field(field));
    let (given, family) = (has(Field::GivenName), has(Field::FamilyName));
    let of_fields = [
        (Feature::NationalId, has(Field::NationalId)),
        (Feature::Email, has(Field::Email)),
        (Feature::EmailUser, has(Field::Email)),
        (Feature::Phone, has(Field::Phone)),
        (Feature::BirthDate, has(Field::BirthDate)),
        (Feature::BirthYear, has(Field::BirthDate)),
        (Feature::Given, given),
        (Feature::GivenInitial, given),
        (Feature::Family, family),
        (Feature::FamilyBeginning, family),
        (Feature::Names, given && family),
        (Feature::Street, has(Field::Address)),
        (Feature::Postcode, has(Field::Postcode)),
        (Feature::Place, has(Field::Address)),
    ];
    let of_fields = of_fields.into_iter().filter(|(_, is_there)| *is_there);
    let own = readings.iter().filter_map(|reading| match reading.meaning {
        Meaning::Own(at) => Some(Feature::Own(at)),
        Meaning::Field(_) => None,
    });
    of_fields.map(|(feature, _)| feature).chain(own).collect()
}

/// A hash as two numbers of a row, neither of which says that it is missing; or both, where there is none.
fn numbers_of(hash: u64) -> [u32; 2] {
    if hash == 0 {
        return [MISSING; 2];
    }
    [(hash >> 32) as u32, hash as u32].map(|half| half.min(MISSING - 1))
}
