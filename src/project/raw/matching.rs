//! `- match:` as written.

use schemars::{Schema, json_schema};

use super::super::Spanned;
use super::declare::section;
use super::decode::{Anything, AtLeastOne, FromText, Later, Mistake, OneOrMany};
use super::scalar::ColumnName;
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
        /// Blocking rules, each a column or a list of columns on which two records must agree to be compared. Default: rules
        /// made of what the columns mean.
        block: OneOrMany<AtLeastOne<Spanned<ColumnName>>>,
        /// Comparisons.
        compare: Option<Later<Anything>>,
        /// Columns in which equal values make one person, such as a valid national id.
        must: OneOrMany<Spanned<ColumnName>>,
        /// Columns in which two different values make two persons.
        cannot: OneOrMany<Spanned<ColumnName>>,
        /// Thresholds, in bits of match weight.
        decide: Option<RawDecide>,
        /// Bounds against an explosion, and against renaming customers.
        limits: Option<RawMatchLimits>,
        /// The table of stewards' decisions.
        decisions: Option<Later<Spanned<TableName>>>,
    }
}

section! {
    /// From which match weight on two records are one person. The weight is the log2 of the odds: 0 is even, 7 is 128 to 1.
    RawDecide {
        /// From here on two records are one person. Default `1`.
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
        /// Share of a rule's pairs that one value may make, of rules that `block` names. Default `25%`.
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
