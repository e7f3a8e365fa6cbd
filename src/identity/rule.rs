//! Blocking rules: which records are worth comparing.
//!
//! A rule is a list of features; records that agree on all of them, none missing, stand in one block, and every two of a
//! block are a candidate pair. Where the project says so a block of too many records is split by one key more, and what is
//! still too large by the next. Pairs are counted exactly before one is made: a rule costs a sort to count.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;

use super::column::Placed;
use super::dictionary::MISSING;
use super::hash;
use super::population::Field;
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

    /// The fields that say it of a record. What many share at one address says nothing, and an address is its postcode too.
    pub(super) fn fields(self) -> &'static [Field] {
        match self {
            Self::Own(_) => &[],
            Self::NationalId => &[Field::NationalId],
            Self::Email | Self::EmailUser => &[Field::Email],
            Self::Phone => &[Field::Phone],
            Self::BirthDate | Self::BirthYear => &[Field::BirthDate],
            Self::Given | Self::GivenInitial => &[Field::GivenName, Field::FullName],
            Self::Family | Self::FamilyBeginning => &[Field::FamilyName, Field::FullName],
            Self::Names => &[Field::GivenName, Field::FamilyName, Field::FullName],
            Self::Street | Self::Place => &[Field::Address, Field::Postcode],
            Self::Postcode => &[Field::Postcode],
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
        let places = self.places(features);
        for row in rows {
            self.rows.forget(*row, &places);
        }
    }

    #[inline]
    pub(super) fn row(&self, row: u32) -> &Row {
        self.rows.row(row)
    }

    /// Rows of each text of a column.
    pub(super) fn counts(&self, placed: &Placed) -> Vec<u32> {
        self.rows.counts(placed.place, placed.column.len())
    }

    /// By code of a column: whether several rows have it.
    pub(super) fn come_again(&self, placed: &Placed) -> Vec<bool> {
        self.rows.come_again(placed.place, placed.column.len())
    }

    /// Records, those that are gone among them.
    pub(super) fn count(&self) -> u32 {
        self.rows.count()
    }

    /// Where some features stand in a row.
    fn places(&self, features: &[Feature]) -> Vec<usize> {
        let places = features.iter().filter_map(|f| self.places.get(f));
        places.flatten().copied().collect()
    }

    pub(super) fn has(&self, feature: Feature) -> bool {
        self.places.contains_key(&feature)
    }

    /// Whether two rows agree on a feature that both have.
    #[cfg(test)]
    pub(super) fn agree(&self, feature: Feature, one: u32, other: u32) -> bool {
        agree(&self.places[&feature], self.row(one), self.row(other))
    }
}

/// Features that two records must agree on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) features: Vec<Feature>,
    /// What a block that is too large is split by, where the project says so.
    pub(crate) refine: Option<Refine>,
}

/// How blocks of too many records are split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refine {
    /// Of more records than this.
    pub(crate) over: usize,
    /// By the first of these, and what is still too large by the next. Records without it make no pair by the rule.
    pub(crate) keys: Vec<Feature>,
}

/// One look at which block a row stands in: the next is taken only where the block is too large.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) places: Vec<usize>,
    /// Records of the largest block that is compared as it is.
    pub(super) largest: usize,
}

impl Rule {
    /// Whether the project wrote it.
    pub(super) fn is_own(&self) -> bool {
        self.features.iter().any(|f| matches!(f, Feature::Own(_)))
    }

    /// Which blocks a row is looked for in. Blocks of the rules that were not asked for are left out where they belong to no
    /// person; those of the project's own rules are split where it says so, and else compared, or refused by their count.
    pub(super) fn steps(&self, features: &Features) -> Vec<Step> {
        let last = if self.is_own() {
            usize::MAX
        } else {
            LARGEST_BLOCK
        };
        let over = self.refine.as_ref().map_or(last, |refine| refine.over);
        let keys = self.refine.iter().flat_map(|refine| &refine.keys);
        let mut steps = vec![Step {
            places: features.places(&self.features),
            largest: over,
        }];
        steps.extend(keys.map(|key| Step {
            places: features.places(&[*key]),
            largest: over,
        }));
        if let Some(step) = steps.last_mut() {
            step.largest = last;
        }
        steps
    }

    /// The same without a look at how large a block is: what two records agree on that it makes a pair.
    pub(super) fn places(&self, features: &Features) -> Vec<usize> {
        features.places(&self.features)
    }

    /// The rule of blocks that were split so many times: two records of one agree on as many keys as well.
    pub(super) fn refined(&self, times: usize) -> Self {
        let keys = self.refine.iter().flat_map(|refine| &refine.keys);
        Self {
            features: self
                .features
                .iter()
                .chain(keys.take(times))
                .copied()
                .collect(),
            refine: None,
        }
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
                refine: None,
            })
            .collect()
    };
    (of(NARROW), of(BROAD))
}

/// Blocks of more records than this belong to no person; the other rules see their records.
pub(super) const LARGEST_BLOCK: usize = 500;

/// Records by block, in parts of nearly equal size that are worked on one by one. Records that are alone in a block, and
/// blocks that are too large to compare, are left out.
pub(super) struct Blocks {
    parts: Vec<Part>,
    pub(super) count: BlockCount,
    /// Keys of blocks that are too large to compare.
    pub(super) parked: Parked,
}

/// Keys of blocks that are too large to compare as they are: left out, or split by the next key.
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
        self.blocks(|block| pairs_of_block(block, &mut each));
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
            pairs_of_block(block, &mut each);
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
pub(super) fn pairs_of_block(block: &[u32], each: &mut impl FnMut(u32, u32)) {
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
    /// Blocks that were split.
    pub(crate) refined: Refined,
}

/// Blocks of a rule that were too large, and were split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Refined {
    pub(crate) blocks: u64,
    /// Records of the largest, before it was split.
    pub(crate) largest_records: u64,
    /// Pairs that they would have made.
    pub(crate) pairs_before: u64,
    /// Pairs that they make; they are among those of the rule.
    pub(crate) pairs: u64,
    /// Records that stand in no block for want of the next key.
    pub(crate) without_key: u64,
}

impl BlockCount {
    /// Counts the blocks of another part of the same rule as well.
    fn add(&mut self, other: Self) {
        self.pairs += other.pairs;
        self.largest_pairs = self.largest_pairs.max(other.largest_pairs);
        self.largest_records = self.largest_records.max(other.largest_records);
        self.parked_pairs += other.parked_pairs;
        let (refined, other) = (&mut self.refined, other.refined);
        refined.blocks += other.blocks;
        refined.largest_records = refined.largest_records.max(other.largest_records);
        refined.pairs_before += other.pairs_before;
        refined.pairs += other.pairs;
        refined.without_key += other.without_key;
    }

    /// Whether one value makes more than a share of all pairs, and enough of them to matter. Blocks that are left out anyway
    /// do not count.
    pub(super) fn is_lopsided(&self, max_share: f64) -> bool {
        let is_compared = self.parked_pairs == 0;
        let share = self.largest_pairs as f64 / self.pairs.max(1) as f64;
        is_compared && self.largest_records > LARGEST_BLOCK as u64 && share > max_share
    }
}

/// Parts of a rule's blocks: a fixed number, so that no result depends on the number of threads. The first bits of a key say
/// which is its own.
const PARTS: usize = 1 << PART_BITS;
const PART_BITS: u32 = 6;

/// A row and the key of its block.
type Keyed = (u64, u32);

impl Blocks {
    /// Sorts records into the blocks of a rule and counts their pairs.
    pub(super) fn new(rule: &Rule, features: &Features, rows: u32, threads: usize) -> Self {
        Self::by(rule.steps(features), features, rows, threads)
    }

    /// The same of several rules: the records are read once for all of them.
    pub(super) fn of_rules(
        rules: &[Rule],
        features: &Features,
        rows: u32,
        threads: usize,
    ) -> VecDeque<Self> {
        let steps: Vec<Vec<Step>> = rules.iter().map(|rule| rule.steps(features)).collect();
        let split = split(&steps, features, rows, threads);
        let blocks = steps.iter().zip(split);
        let blocks = blocks.map(|(steps, split)| Self::of(&split, steps, features, threads));
        blocks.collect()
    }

    /// The same of records that agree on a feature, however many they are.
    pub(super) fn of_any_size(
        feature: Feature,
        features: &Features,
        rows: u32,
        threads: usize,
    ) -> Self {
        let step = Step {
            places: features.places(&[feature]),
            largest: usize::MAX,
        };
        Self::by(vec![step], features, rows, threads)
    }

    fn by(steps: Vec<Step>, features: &Features, rows: u32, threads: usize) -> Self {
        let steps = [steps];
        let split = split(&steps, features, rows, threads).pop();
        Self::of(&split.unwrap_or_default(), &steps[0], features, threads)
    }

    /// `split`: rows with their keys, each chunk in its parts.
    fn of(split: &[Vec<Vec<Keyed>>], steps: &[Step], features: &Features, threads: usize) -> Self {
        let numbers: Vec<usize> = (0..PARTS).collect();
        let found = parallel::map(threads, &numbers, |number| {
            let parts: Vec<&[Keyed]> = split.iter().map(|part| &*part[*number]).collect();
            let all = in_order(&parts);
            let mut sorted = Sorted::default();
            for block in all.chunk_by(|one, other| one.0 == other.0) {
                sorted.take(block, steps, features);
            }
            (sorted.part, sorted.count, sorted.parked)
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

/// Rows with their keys, by rule, of which the first steps decide: each chunk of the rows in its parts.
fn split(
    rules: &[Vec<Step>],
    features: &Features,
    rows: u32,
    threads: usize,
) -> Vec<Vec<Vec<Vec<Keyed>>>> {
    let first = |steps: &Vec<Step>| steps.first().map_or(Vec::new(), |step| step.places.clone());
    let places: Vec<Vec<usize>> = rules.iter().map(first).collect();
    let chunks: Vec<(u32, u32)> = chunks_of(rows);
    let split = parallel::map(threads, &chunks, |(from, to)| {
        // an eighth more than they get, if all rows have a key
        let most = (to - from) as usize / PARTS * 9 / 8;
        let parts = || std::iter::repeat_with(|| Vec::with_capacity(most)).take(PARTS);
        let mut of_rules: Vec<Vec<Vec<Keyed>>> = rules.iter().map(|_| parts().collect()).collect();
        for at in *from..*to {
            let row = features.row(at);
            for (places, parts) in places.iter().zip(&mut of_rules) {
                if let Some(key) = key(places, row) {
                    parts[(key >> (u64::BITS - PART_BITS)) as usize].push((key, at));
                }
            }
        }
        of_rules
    });
    let mut by_rule: Vec<Vec<Vec<Vec<Keyed>>>> = rules.iter().map(|_| Vec::new()).collect();
    for of_rules in split {
        for (all, of_chunk) in by_rule.iter_mut().zip(of_rules) {
            all.push(of_chunk);
        }
    }
    by_rule
}

/// Rows of one part, each list in their order, by key and then by row. Keys are hashes: where one belongs is nearly told by its
/// first bits, and hardly anything is left to sort.
fn in_order(lists: &[&[Keyed]]) -> Vec<Keyed> {
    let count: usize = lists.iter().map(|list| list.len()).sum();
    let bits = count.max(1).ilog2();
    let place = |(key, _): &Keyed| (key << PART_BITS >> 1 >> (u64::BITS - 1 - bits)) as usize;
    let mut starts = vec![0_u32; (1 << bits) + 1];
    let all = || lists.iter().flat_map(|list| list.iter());
    all().for_each(|row| starts[place(row) + 1] += 1);
    let mut end = 0;
    for start in &mut starts {
        end += *start;
        *start = end;
    }
    let mut ordered = vec![(0, 0); count];
    for row in all() {
        let next = &mut starts[place(row)];
        ordered[*next as usize] = *row;
        *next += 1;
    }
    let mut start = 0;
    for end in starts {
        let alike = &mut ordered[start as usize..end as usize];
        if !alike.is_sorted() {
            alike.sort_unstable();
        }
        start = end;
    }
    ordered
}

/// Blocks of one part, as they are taken one by one.
#[derive(Default)]
struct Sorted {
    part: Part,
    count: BlockCount,
    parked: Vec<u64>,
}

impl Sorted {
    /// Takes a block, rows with its key, and splits it where it is too large.
    fn take(&mut self, block: &[Keyed], steps: &[Step], features: &Features) {
        let [step, next @ ..] = steps else {
            return;
        };
        if block.len() <= step.largest {
            return self.add(block);
        }
        let records = block.len() as u64;
        let pairs_before = records * (records - 1) / 2;
        self.parked.push(block[0].0);
        if next.is_empty() {
            self.count.parked_pairs += pairs_before;
            self.largest(records);
            return;
        }
        let pairs = self.count.pairs;
        self.split(block, next, features);
        let pairs = self.count.pairs - pairs;
        let refined = &mut self.count.refined;
        refined.blocks += 1;
        refined.largest_records = refined.largest_records.max(records);
        refined.pairs_before += pairs_before;
        refined.pairs += pairs;
    }

    fn split(&mut self, block: &[Keyed], steps: &[Step], features: &Features) {
        let Some(step) = steps.first() else {
            return;
        };
        let keyed = block.iter().filter_map(|(key, row)| {
            let key = key_from(*key, &step.places, features.row(*row))?;
            Some((key, *row))
        });
        let mut keyed: Vec<Keyed> = keyed.collect();
        self.count.refined.without_key += (block.len() - keyed.len()) as u64;
        keyed.sort_unstable();
        for block in keyed.chunk_by(|one, other| one.0 == other.0) {
            if block.len() <= step.largest {
                self.add(block);
            } else {
                self.parked.push(block[0].0);
                self.split(block, &steps[1..], features);
            }
        }
    }

    /// Adds a block that is compared.
    fn add(&mut self, block: &[Keyed]) {
        let records = block.len() as u64;
        self.largest(records);
        if records > 1 {
            self.count.pairs += records * (records - 1) / 2;
            self.part.rows.extend(block.iter().map(|(_, row)| *row));
            self.part.ends.push(self.part.rows.len() as u32);
        }
    }

    fn largest(&mut self, records: u64) {
        let count = &mut self.count;
        count.largest_records = count.largest_records.max(records);
        count.largest_pairs = count.largest_pairs.max(records * (records - 1) / 2);
    }
}

/// The block of a row, unless it has none.
#[inline]
pub(super) fn key(places: &[usize], row: &Row) -> Option<u64> {
    key_from(0, places, row)
}

/// The block of a row within another block.
pub(super) fn key_from(within: u64, places: &[usize], row: &Row) -> Option<u64> {
    let mut key = within;
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
#[inline]
pub(super) fn agree(places: &[usize], one: &Row, other: &Row) -> bool {
    places
        .iter()
        .all(|place| one[*place] == other[*place] && one[*place] != MISSING)
}

/// Rules before another one, asked whether they make a pair too.
pub(super) struct Earlier<'a> {
    rules: Vec<(Vec<Step>, &'a Parked)>,
}

impl<'a> Earlier<'a> {
    pub(super) fn new(rules: &[Rule], features: &Features, parked: &'a [Parked]) -> Self {
        let rules = rules.iter().zip(parked);
        Self {
            rules: rules
                .map(|(rule, parked)| (rule.steps(features), parked))
                .collect(),
        }
    }

    #[inline]
    pub(super) fn make(&self, one: &Row, other: &Row) -> bool {
        let mut rules = self.rules.iter();
        rules.any(|(steps, parked)| is_made(steps, parked, one, other))
    }
}

/// How many times a block was split for one that is compared, of which a row is.
pub(super) fn times_split(steps: &[Step], parked: &Parked, row: &Row) -> usize {
    let mut block = 0;
    let is_split = |step: &&Step| match key_from(block, &step.places, row) {
        Some(key) if parked.contains(&key) => {
            block = key;
            true
        }
        _ => false,
    };
    match parked.is_empty() {
        true => 0,
        false => steps.iter().take_while(is_split).count(),
    }
}

/// Whether two rows stand in one block that is not too large.
fn is_made(steps: &[Step], parked: &Parked, one: &Row, other: &Row) -> bool {
    let mut block = 0;
    for step in steps {
        if !agree(&step.places, one, other) {
            return false;
        }
        if parked.is_empty() {
            return true;
        }
        match key_from(block, &step.places, one) {
            Some(key) if parked.contains(&key) => block = key,
            found => return found.is_some(),
        }
    }
    false
}

/// Ranges of rows of equal size.
pub(super) fn chunks_of(rows: u32) -> Vec<(u32, u32)> {
    const ROWS: u32 = 1 << 16;
    let starts = (0..rows).step_by(ROWS as usize);
    starts
        .map(|start| (start, rows.min(start + ROWS)))
        .collect()
}
