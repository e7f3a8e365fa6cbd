//! `- match:` as written.

use schemars::{Schema, SchemaGenerator, json_schema};

use super::super::Spanned;
use super::declare::{choice, section};
use super::decode::{AtLeastOne, Decode, FromText, Mistake, OneOrMany, Sink, Tried};
use super::scalar::ColumnName;
use super::tree::{Node, Value};
use crate::comparison_shape::Within;
use crate::name::TableName;
use crate::project::Limit;

section! {
    /// Which records describe the same person. Makes the table named, and beside it `…_edges`, `…_review`, `…_events`,
    /// `…_redirects` and `…_model`. What is compared follows from `personal:` in the contract of the records.
    RawMatch {
        /// The table of record → id.
        table: Spanned<TableName>,
        /// The table of records, one row for each record of a source.
        records: Spanned<TableName>,
        /// Columns that name a record.
        record_key: AtLeastOne<Spanned<ColumnName>>,
        /// Column of the id. Default `entity_id`.
        entity_id: Option<Spanned<ColumnName>>,
        /// Blocking rules, each a column, SQL over the columns of one record, or a list of these: two records that agree on
        /// all of it are compared. With `on` and `refine` its large blocks are split. Default: rules made of what the columns mean.
        block: OneOrMany<RawBlockRule>,
        /// Comparisons. Default: what the columns mean, compared as such columns are.
        compare: OneOrMany<Spanned<RawCompare>>,
        /// Columns in which equal values make one person, such as a valid national id.
        must: OneOrMany<Spanned<ColumnName>>,
        /// Columns in which two different values make two persons: a national id, a number that a person has one of.
        cannot: OneOrMany<Spanned<ColumnName>>,
        /// Sources that know each person once: two of their records are two persons.
        duplicate_free: Option<RawDuplicateFree>,
        /// Thresholds, in bits of match weight.
        decide: Option<RawDecide>,
        /// Bounds against an explosion, and against renaming customers.
        limits: Option<RawMatchLimits>,
        /// The table of stewards' decisions: the key of both records (the second behind `other_`) and `decision`, which is
        /// `same`, `different` or `cannot_say`. With `decided_at` or `decided_on` (a `date` or
        /// `timestamp`) the latest of a pair counts.
        decisions: Option<Spanned<TableName>>,
        /// A file of the project that holds the model to use, as `kilde match train --write` writes it. Default: the first
        /// build trains one, and every later build uses that.
        model: Option<Spanned<String>>,
        /// Parameters of the model that are given: a training learns the others around them. Another pin trains another model.
        pin: Option<RawPins>,
    }
}

section! {
    /// Parameters of a model that are given, and not learnt.
    RawPins {
        /// The probability that two records drawn at random are one: what a pair begins with.
        probability_two_random_records_match: Option<Probability>,
        /// Levels of comparisons, each named as `kilde match model` names it.
        levels: OneOrMany<Spanned<RawLevelPin>>,
    }
}

section! {
    /// What is given of one level: its m, its u or both; or its weight.
    RawLevelPin {
        /// The comparison.
        comparison: Spanned<String>,
        /// Its level: `equal`, `different`, ….
        level: Spanned<String>,
        /// Share of pairs of one person, or of one entity, that show the level.
        m_probability: Option<Tried<Spanned<Probability>>>,
        /// Share of pairs of strangers that show it.
        u_probability: Option<Tried<Spanned<Probability>>>,
        /// What it says in bits: log2 of m / u.
        match_weight: Option<Tried<Spanned<Bits>>>,
    }
}

section! {
    /// A blocking rule whose large blocks are split.
    RawRefinedRule {
        /// Columns, or SQL over the columns of one record: two records that agree on all of it are compared.
        on: AtLeastOne<Spanned<Expression>>,
        /// What two records of a large block must agree on as well: the first of these, and where that leaves a block that is
        /// still large, the next too. A record without it makes no pair in such a block.
        refine: AtLeastOne<Spanned<Expression>>,
        /// Blocks of more records than this are large. Default `500`.
        over: Option<Spanned<u64>>,
    }
}

/// A blocking rule: what two records agree on, or that and what splits large blocks.
#[derive(Clone, Debug)]
pub(crate) enum RawBlockRule {
    On(AtLeastOne<Spanned<Expression>>),
    Refined(RawRefinedRule),
}

impl Decode for RawBlockRule {
    fn decode(node: &Node, sink: &mut Sink) -> Option<Self> {
        match &node.value {
            Value::Map(_) => RawRefinedRule::decode(node, sink).map(Self::Refined),
            _ => AtLeastOne::decode(node, sink).map(Self::On),
        }
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let on = AtLeastOne::<Spanned<Expression>>::schema(generator);
        let refined = RawRefinedRule::schema(generator);
        json_schema!({"anyOf": [on, refined]})
    }
}

section! {
    /// Sources that know each person once.
    RawDuplicateFree {
        /// The column that says which source a record is of.
        column: Spanned<ColumnName>,
        /// Those of its values that name such sources. Default: all.
        values: OneOrMany<String>,
    }
}

choice! {
    /// How two records are compared in something.
    RawCompare ("a comparison") {
        /// Names of a person, with short forms, slips and swapped given and family names.
        Name("name"): RawCompareName,
        /// A day, with slips and parts of it equal.
        Date("date"): RawCompareDay,
        /// An e-mail address, its user and slips in it.
        Email("email"): RawCompareColumn,
        /// A phone number, however it is prefixed.
        Phone("phone"): RawCompareColumn,
        /// A national id, with slips.
        NationalId("national_id"): RawCompareColumn,
        /// Where a person lives.
        Address("address"): RawCompareAddress,
        /// Equal or different.
        Exact("exact"): RawCompareColumn,
        /// A text: equal but for case, accents and signs; alike; different.
        Text("text"): RawCompareText,
        /// A number: equal, near, different.
        Number("number"): RawCompareNumber,
        /// How far two places are from each other.
        Distance("distance"): RawCompareDistance,
        /// Levels of your own: the first column or SQL expression in which two records are equal.
        Levels("levels"): RawCompareLevels,
    }
}

section! {
    /// The columns of a person's name.
    RawCompareName {
        /// Given names.
        given: Option<Spanned<ColumnName>>,
        /// The family name.
        family: Option<Spanned<ColumnName>>,
        /// Both in one: given names first, or the family name, a comma and the given names. Beside `given` or `family` it
        /// says what a record lacks of them.
        full: Option<Spanned<ColumnName>>,
        /// Whether agreeing on a rare name is worth more than on a common one. Default `true`.
        term_frequency: Option<bool>,
    }
}

section! {
    /// A day that is compared.
    RawCompareDay {
        /// The column.
        column: Spanned<ColumnName>,
    }
}

section! {
    /// A column that is compared.
    RawCompareColumn {
        /// The column.
        column: Spanned<ColumnName>,
        /// Whether agreeing on a rare value is worth more than on a common one. Default `true`.
        term_frequency: Option<bool>,
    }
}

section! {
    /// The columns of an address.
    RawCompareAddress {
        /// Street and number.
        street: Option<Spanned<ColumnName>>,
        /// The postcode.
        postcode: Option<Spanned<ColumnName>>,
        /// Whether agreeing on a rare address is worth more than on a common one. Default `true`.
        term_frequency: Option<bool>,
    }
}

section! {
    /// A text that is compared letter by letter.
    RawCompareText {
        /// The column.
        column: Spanned<ColumnName>,
        /// Similarities (Jaro–Winkler, 0 to 1) from which texts are alike, each a level. Default `[0.95, 0.88]`.
        alike: OneOrMany<Spanned<Similarity>>,
        /// Whether agreeing on a rare text is worth more than on a common one. Default `true`.
        term_frequency: Option<bool>,
    }
}

section! {
    /// A number that is compared.
    RawCompareNumber {
        /// The column.
        column: Spanned<ColumnName>,
        /// How far apart two numbers may be, each a level: `5`, or `10%` of the larger.
        within: AtLeastOne<Spanned<Within>>,
    }
}

section! {
    /// A place, in degrees: that of a postcode is joined in SQL.
    RawCompareDistance {
        /// The column of the latitude.
        latitude: Spanned<ColumnName>,
        /// The column of the longitude.
        longitude: Spanned<ColumnName>,
        /// Distances, each a level: `1 km`, `500 m`.
        within: AtLeastOne<Spanned<Kilometres>>,
    }
}

section! {
    /// Levels of your own.
    RawCompareLevels {
        /// What the comparison is called.
        name: Spanned<ColumnName>,
        /// A column, or SQL over the columns of one record, for each level, the strongest first.
        equal: AtLeastOne<Spanned<Expression>>,
        /// Whether agreeing on a rare value is worth more than on a common one. Default `true`.
        term_frequency: Option<bool>,
    }
}

/// A column's name, or SQL over the columns of one record.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expression(pub(crate) String);

impl FromText for Expression {
    const EXPECTED: &'static str = "a column or SQL over columns";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        if text.trim().is_empty() {
            return Err(Mistake::new(
                103,
                "nothing is written where a column belongs",
            ));
        }
        Ok(Self(text.to_string()))
    }
}

/// A probability that leaves room for the opposite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Probability(pub(crate) f64);

impl FromText for Probability {
    const EXPECTED: &'static str = "a probability";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        match text.parse::<f64>() {
            Ok(share) if share > 0.0 && share < 1.0 => Ok(Self(share)),
            _ => Err(Mistake::new(103, format!("`{text}` is not a probability"))
                .help("a number between 0 and 1, and neither of the two: `0.9`, `1e-6`")),
        }
    }

    fn text_schema() -> Schema {
        json_schema!({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1})
    }
}

/// How alike two texts are, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Similarity(pub(crate) f64);

impl FromText for Similarity {
    const EXPECTED: &'static str = "a similarity";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        match text.parse::<f64>() {
            Ok(likeness) if likeness > 0.0 && likeness < 1.0 => Ok(Self(likeness)),
            _ => Err(Mistake::new(103, format!("`{text}` is not a similarity"))
                .help("a number between 0 and 1: `0.9` is alike, equal texts are a level of their own")),
        }
    }

    fn text_schema() -> Schema {
        json_schema!({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1})
    }
}

impl FromText for Within {
    const EXPECTED: &'static str = "a number or a percentage";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        let (number, is_share) = match text.strip_suffix('%') {
            Some(percent) => (percent.trim(), true),
            None => (text, false),
        };
        match number.replace('_', "").parse::<f64>() {
            Ok(bound) if bound > 0.0 && bound.is_finite() => Ok(match is_share {
                true => Self::Share(bound / 100.0),
                false => Self::Units(bound),
            }),
            _ => Err(
                Mistake::new(103, format!("`{text}` is not a number or a percentage"))
                    .help("write how far apart two numbers may be: `5`, or `10%` of the larger"),
            ),
        }
    }

    fn text_schema() -> Schema {
        json_schema!({"type": ["number", "string"]})
    }
}

/// A distance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Kilometres(pub(crate) f64);

impl FromText for Kilometres {
    const EXPECTED: &'static str = "a distance";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        let (number, metres) = match (text.strip_suffix("km"), text.strip_suffix('m')) {
            (Some(number), _) => (number, 1000.0),
            (None, Some(number)) => (number, 1.0),
            (None, None) => ("", 0.0),
        };
        match number.trim().parse::<f64>() {
            Ok(length) if length > 0.0 && length.is_finite() => Ok(Self(length * metres / 1000.0)),
            _ => Err(Mistake::new(103, format!("`{text}` is not a distance"))
                .help("a number and its unit: `1 km`, `500 m`")),
        }
    }

    fn text_schema() -> Schema {
        json_schema!({"type": "string", "pattern": "^[0-9.]+ ?k?m$"})
    }
}

section! {
    /// From which match weight on two records are one person. The weight is the log2 of the odds: 0 is even, 7 is 128 to 1.
    RawDecide {
        /// From here on two records are one person. Default `1.25`.
        same_from: Option<Bits>,
        /// From here on a pair is told of in `…_edges`, and in `…_review` where it is not decided. Default `-4`.
        review_from: Option<Spanned<Bits>>,
    }
}

section! {
    /// What a match must not exceed; counted before a pair is made.
    RawMatchLimits {
        /// Candidate pairs of all rules. Default `200_000_000`.
        max_pairs: Option<u64>,
        /// Share of a rule's pairs that one value may make, of rules that `block` names; a value of up to 500 records may make any. Default `25%`.
        max_block_share: Option<Spanned<Limit>>,
        /// Share of known records whose id may change in one build. Default: any, and reported in `…_events`.
        max_churn: Option<Spanned<Limit>>,
    }
}

/// A match weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bits(pub(crate) f64);

impl FromText for Bits {
    const EXPECTED: &'static str = "a match weight in bits";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        match text.parse::<f64>() {
            Ok(bits) if (-100.0..=100.0).contains(&bits) => Ok(Self(bits)),
            _ => Err(
                Mistake::new(103, format!("`{text}` is not a match weight in bits"))
                    .help("a number from -100 to 100: 0 is even odds, 7 is 128 to 1"),
            ),
        }
    }

    fn text_schema() -> Schema {
        json_schema!({"type": "number"})
    }
}
