//! Blocking rules: which records are worth comparing.
//!
//! A rule is a list of features; records that agree on all of them, none missing, stand in one block, and every two of a
//! block are a candidate pair. Pairs are counted exactly before one is made: a rule costs a sort to count.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::column::Placed;
use super::dictionary::MISSING;
use super::hash;
use super::row::{Row, Rows};
use crate::comparison_shape::Kind;
use crate::parallel;

/// What a rule can ask two records to agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Feature {
    NationalId,
    Email,
    EmailUser,
    Phone,
    BirthDate,
    BirthYear,
    /// The first given name.
    Given,
    GivenInitial,
    Family,
    /// The first four letters of the family name.
    FamilyBeginning,
    /// Given and family name, whichever is which.
    Names,
    Street,
    Postcode,
    /// Street and postcode.
    Place,
    /// A column that the project's own rules name.
    Own(usize),
}

impl Feature {
    const ALL: [Self; 14] = [
        Self::NationalId,
        Self::Email,
        Self::EmailUser,
        Self::Phone,
        Self::BirthDate,
        Self::BirthYear,
        Self::Given,
        Self::GivenInitial,
        Self::Family,
        Self::FamilyBeginning,
        Self::Names,
        Self::Street,
        Self::Postcode,
        Self::Place,
    ];

    /// The feature of that [`name`](Self::name); none of the project's own.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|feature| feature.name() == name)
    }

    /// The word in models and reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NationalId => "national_id",
            Self::Email => "email",
            Self::EmailUser => "email_user",
            Self::Phone => "phone",
            Self::BirthDate => "birth_date",
            Self::BirthYear => "birth_year",
            Self::Given => "given_name",
            Self::GivenInitial => "given_initial",
            Self::Family => "family_name",
            Self::FamilyBeginning => "family_beginning",
            Self::Names => "names",
            Self::Street => "street",
            Self::Postcode => "postcode",
            Self::Place => "address",
            Self::Own(_) => "column",
        }
    }

    /// The comparisons that a rule with this feature says nothing new about; of the project's own columns the population
    /// knows.
    pub(super) fn compared_as(self) -> &'static [Kind] {
        match self {
            Self::Own(_) => &[],
            Self::NationalId => &[Kind::NationalId],
            Self::Email => &[Kind::Email],
            // people make it of their names
            Self::EmailUser => &[Kind::Email, Kind::GivenName, Kind::FamilyName],
            Self::Phone => &[Kind::Phone],
            Self::BirthDate | Self::BirthYear => &[Kind::BirthDate],
            Self::Given | Self::GivenInitial => &[Kind::GivenName],
            Self::Family | Self::FamilyBeginning => &[Kind::FamilyName],
            Self::Names => &[Kind::GivenName, Kind::FamilyName],
            Self::Street | Self::Postcode | Self::Place => &[Kind::Address],
        }
    }
}

/// The columns that rules work on.
#[derive(Debug)]
pub(super) struct Features {
    /// Where the numbers of each stand in a row: one, or several that are equal together.
    places: BTreeMap<Feature, Vec<usize>>,
    rows: Rows,
}

impl Features {
    /// `places`: where each stands in a row.
    pub(super) fn new(places: BTreeMap<Feature, Vec<usize>>, rows: Rows) -> Self {
        Self { places, rows }
    }

    /// Makes some features of some rows missing.
    pub(super) fn forget(&mut self, features: &[Feature], rows: &[u32]) {
        let places = features.iter().filter_map(|f| self.places.get(f));
        let places: Vec<usize> = places.flatten().copied().collect();
        for row in rows {
            self.rows.forget(*row, &places);
        }
    }

    pub(super) fn row(&self, row: u32) -> &Row {
        self.rows.row(row)
    }

    /// Rows of each text of a column.
    pub(super) fn counts(&self, placed: &Placed) -> Vec<u32> {
        self.rows.counts(placed.place, placed.column.len())
    }

    /// Records, those that are gone among them.
    pub(super) fn count(&self) -> u32 {
        self.rows.count()
    }

    fn has(&self, feature: Feature) -> bool {
        self.places.contains_key(&feature)
    }

    /// Whether two rows agree on a feature that both have.
    #[cfg(test)]
    pub(super) fn agree(&self, feature: Feature, one: u32, other: u32) -> bool {
        agree(&self.places[&feature], self.row(one), self.row(other))
    }
}

/// Features that two records must agree on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) features: Vec<Feature>,
}

impl Rule {
    /// Whether the project wrote it.
    pub(super) fn is_own(&self) -> bool {
        self.features.iter().any(|f| matches!(f, Feature::Own(_)))
    }

    /// Records of the largest block that is compared. Blocks of the rules that were not asked for are left out where they
    /// belong to no person; those of the project's own rules are compared, or refused by their count.
    pub(super) fn largest_block(&self) -> usize {
        if self.is_own() {
            usize::MAX
        } else {
            LARGEST_BLOCK
        }
    }

    /// Where its features stand in a row.
    pub(super) fn places(&self, features: &Features) -> Vec<usize> {
        let places = self.features.iter().filter_map(|f| features.places.get(f));
        places.flatten().copied().collect()
    }
}

/// Rules that are always worth their pairs.
const NARROW: &[&[Feature]] = &[
    &[Feature::NationalId],
    &[Feature::Email],
    &[Feature::Phone],
    &[Feature::Family, Feature::BirthDate],
    &[Feature::Given, Feature::BirthDate],
    &[Feature::Names, Feature::Postcode],
    &[Feature::Place],
    &[Feature::EmailUser],
    &[
        Feature::FamilyBeginning,
        Feature::GivenInitial,
        Feature::Postcode,
    ],
    &[Feature::BirthDate, Feature::Postcode],
];

/// Rules that find more, taken one by one while the pairs are few enough.
const BROAD: &[&[Feature]] = &[
    &[Feature::Names],
    &[Feature::Given, Feature::Street],
    &[Feature::Family, Feature::Street],
    &[Feature::Family, Feature::GivenInitial, Feature::BirthYear],
    &[Feature::Family, Feature::Postcode],
    &[Feature::Given, Feature::Postcode],
    &[Feature::BirthDate],
    &[Feature::FamilyBeginning, Feature::GivenInitial],
    &[Feature::Given, Feature::Family],
];

/// The rules of the lists whose features a population has.
pub(super) fn defaults(features: &Features) -> (Vec<Rule>, Vec<Rule>) {
    let of = |lists: &[&[Feature]]| {
        let known = lists
            .iter()
            .filter(|list| list.iter().all(|f| features.has(*f)));
        known
            .map(|list| Rule {
                features: list.to_vec(),
            })
            .collect()
    };
    (of(NARROW), of(BROAD))
}

/// Blocks of more records than this belong to no person; the other rules see their records.
const LARGEST_BLOCK: usize = 500;

/// Records by block, in parts of nearly equal size that are worked on one by one. Records that are alone in a block, and
/// blocks that are too large to compare, are left out.
pub(super) struct Blocks {
    parts: Vec<Part>,
    pub(super) count: BlockCount,
    /// Keys of blocks that are too large to compare.
    pub(super) parked: Parked,
}

/// Keys of blocks that are too large to compare.
pub(super) type Parked = Arc<HashSet<u64>>;

/// Some blocks of a rule, one after the other.
#[derive(Default)]
pub(super) struct Part {
    /// Those of one block in their order.
    rows: Vec<u32>,
    /// Where each block ends.
    ends: Vec<u32>,
}

impl Part {
    /// Every pair, the lower row first.
    pub(super) fn pairs(&self, mut each: impl FnMut(u32, u32)) {
        self.blocks(|block| pairs_of(block, &mut each));
    }

    /// The same, where both records of nearly every pair are looked at. Those of a block stand anywhere in memory: some are
    /// asked for all together, so that no pair waits for the one before it.
    pub(super) fn pairs_near(&self, features: &Features, mut each: impl FnMut(u32, u32)) {
        const TOGETHER: usize = 128;
        let mut asked_for = 0;
        let mut start = 0;
        self.blocks(|block| {
            if start + block.len() > asked_for {
                let until = start + block.len().max(TOGETHER);
                asked_for = until.min(self.rows.len());
                features.rows.bring_near(&self.rows[start..asked_for]);
            }
            pairs_of(block, &mut each);
            start += block.len();
        });
    }

    /// Every block.
    pub(super) fn blocks(&self, mut each: impl FnMut(&[u32])) {
        let mut start = 0;
        for end in &self.ends {
            each(&self.rows[start as usize..*end as usize]);
            start = *end;
        }
    }
}

/// Every pair of a block, the lower row first.
fn pairs_of(block: &[u32], each: &mut impl FnMut(u32, u32)) {
    for (at, one) in block.iter().enumerate() {
        for other in &block[at + 1..] {
            each(*one, *other);
        }
    }
}

/// What a rule would make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BlockCount {
    /// Candidate pairs, those of other rules among them.
    pub(crate) pairs: u64,
    /// Pairs of the largest block.
    pub(crate) largest_pairs: u64,
    /// Its records.
    pub(crate) largest_records: u64,
    /// In blocks that are too large to compare.
    pub(crate) parked_pairs: u64,
}

impl BlockCount {
    /// Counts the blocks of another part of the same rule as well.
    fn add(&mut self, other: Self) {
        self.pairs += other.pairs;
        self.largest_pairs = self.largest_pairs.max(other.largest_pairs);
        self.largest_records = self.largest_records.max(other.largest_records);
        self.parked_pairs += other.parked_pairs;
    }

    /// Whether one value makes more than a share of all pairs, and enough of them to matter. Blocks that are left out anyway
    /// do not count.
    pub(super) fn is_lopsided(&self, max_share: f64) -> bool {
        let is_compared = self.parked_pairs == 0;
        let share = self.largest_pairs as f64 / self.pairs.max(1) as f64;
        is_compared && self.largest_records > LARGEST_BLOCK as u64 && share > max_share
    }
}

/// Parts of a rule's blocks: a fixed number, so that no result depends on the number of threads.
const PARTS: usize = 64;

impl Blocks {
    /// Sorts records into the blocks of a rule and counts their pairs.
    pub(super) fn new(rule: &Rule, features: &Features, rows: u32, threads: usize) -> Self {
        Self::with_largest(rule, features, rows, threads, rule.largest_block())
    }

    /// The same where blocks of at most so many records are compared.
    pub(super) fn with_largest(
        rule: &Rule,
        features: &Features,
        rows: u32,
        threads: usize,
        largest_block: usize,
    ) -> Self {
        let places = rule.places(features);
        let chunks: Vec<(u32, u32)> = chunks_of(rows);
        let split = parallel::map(threads, &chunks, |(from, to)| {
            let mut parts = vec![Vec::new(); PARTS];
            for row in *from..*to {
                if let Some(key) = key(&places, features.row(row)) {
                    parts[(key >> 58) as usize].push((key, row));
                }
            }
            parts
        });
        let numbers: Vec<usize> = (0..PARTS).collect();
        let found = parallel::map(threads, &numbers, |number| {
            let mut all: Vec<(u64, u32)> = Vec::new();
            for part in &split {
                all.extend_from_slice(&part[*number]);
            }
            all.sort_unstable();
            let mut part = Part::default();
            let mut count = BlockCount::default();
            let mut parked = Vec::new();
            for block in all.chunk_by(|one, other| one.0 == other.0) {
                let records = block.len() as u64;
                let pairs = records * (records - 1) / 2;
                count.largest_pairs = count.largest_pairs.max(pairs);
                count.largest_records = count.largest_records.max(records);
                if block.len() > largest_block {
                    count.parked_pairs += pairs;
                    parked.push(block[0].0);
                } else if records > 1 {
                    count.pairs += pairs;
                    part.rows.extend(block.iter().map(|(_, row)| *row));
                    part.ends.push(part.rows.len() as u32);
                }
            }
            (part, count, parked)
        });
        let mut blocks = Self {
            parts: Vec::with_capacity(PARTS),
            count: BlockCount::default(),
            parked: Parked::default(),
        };
        let mut all_parked = HashSet::new();
        for (part, count, parked) in found {
            blocks.parts.push(part);
            blocks.count.add(count);
            all_parked.extend(parked);
        }
        blocks.parked = Arc::new(all_parked);
        blocks
    }

    /// Parts that can be worked on at the same time.
    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }
}

/// The block of a row, unless it has none.
pub(super) fn key(places: &[usize], row: &Row) -> Option<u64> {
    let mut key = 0;
    for place in places {
        let code = row[*place];
        if code == MISSING {
            return None;
        }
        key = hash(key ^ u64::from(code));
    }
    Some(key)
}

/// Whether two rows agree in all places, and miss none.
pub(super) fn agree(places: &[usize], one: &Row, other: &Row) -> bool {
    places
        .iter()
        .all(|place| one[*place] == other[*place] && one[*place] != MISSING)
}

/// Rules before another one, asked whether they make a pair too.
pub(super) struct Earlier<'a> {
    rules: Vec<(Vec<usize>, &'a Parked)>,
}

impl<'a> Earlier<'a> {
    pub(super) fn new(rules: &[Rule], features: &Features, parked: &'a [Parked]) -> Self {
        let rules = rules.iter().zip(parked);
        Self {
            rules: rules
                .map(|(rule, parked)| (rule.places(features), parked))
                .collect(),
        }
    }

    pub(super) fn make(&self, one: &Row, other: &Row) -> bool {
        self.rules.iter().any(|(places, parked)| {
            agree(places, one, other)
                && (parked.is_empty() || key(places, one).is_some_and(|k| !parked.contains(&k)))
        })
    }
}

/// Ranges of rows of equal size.
pub(super) fn chunks_of(rows: u32) -> Vec<(u32, u32)> {
    const ROWS: u32 = 1 << 16;
    let starts = (0..rows).step_by(ROWS as usize);
    starts
        .map(|start| (start, rows.min(start + ROWS)))
        .collect()
}
