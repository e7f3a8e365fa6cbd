//! `- golden:` as written.

use schemars::{Schema, SchemaGenerator, json_schema};

use super::super::Spanned;
use super::declare::{choice, section, words};
use super::decode::{AtLeastOne, Decode, OneOrMany, Sink};
use super::scalar::ColumnName;
use super::tree::{Node, Value};
use crate::name::TableName;

section! {
    /// The best-known value of each field of an entity. Makes the table named, one row for each id; `…_sources`: which record
    /// gave each value, by which rule, and what it won over; and `…_review`: what a person should look at.
    RawGolden {
        /// The table of the best-known values.
        table: Spanned<TableName>,
        /// The table of ids of a match step; its records give the values.
        of: Spanned<TableName>,
        /// The fields, each with its rules.
        fields: AtLeastOne<Spanned<RawGoldenField>>,
        /// A table of what people know better: the columns of `record_key`, `field`, `value` and `corrected_on` (a `date` or
        /// `timestamp`).
        corrections: Option<Spanned<TableName>>,
    }
}

section! {
    /// Columns that are taken from one record together, such as those of an address.
    RawGoldenField {
        /// The columns of the records.
        columns: AtLeastOne<Spanned<ColumnName>>,
        /// The first rule that tells two values apart decides. Default `[most_frequent, longest]`.
        rules: OneOrMany<RawSurvivor>,
        /// What of all records' values is taken: the `best` by the rules (default), the `list` of them in that order, or the
        /// `min max sum count any all` of one column.
        take: Option<Take>,
        /// What the columns are called in the golden record. Default: as in the records.
        as_ ("as"): OneOrMany<Spanned<ColumnName>>,
    }
}

/// What is made of the values of all records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Take {
    #[default]
    Best,
    List,
    Min,
    Max,
    Sum,
    Count,
    Any,
    All,
}

words! {
    Take, "what is taken" {
        "best" => Take::Best,
        "list" => Take::List,
        "min" => Take::Min,
        "max" => Take::Max,
        "sum" => Take::Sum,
        "count" => Take::Count,
        "any" => Take::Any,
        "all" => Take::All,
    }
    also {
        "first" => "min", "last" => "max", "array_agg" => "list", "distinct" => "list", "bool_or" => "any", "bool_and" => "all"
    }
}

choice! {
    /// Which of two values is better.
    RawSurvivor ("a rule") {
        /// That of a record of which people corrected the field: the column names what they corrected, as the
        /// `corrected_columns` of a `correct` step does.
        Corrected("corrected"): Spanned<ColumnName>,
        /// That of a record whose column is true.
        Verified("verified"): Spanned<ColumnName>,
        /// That of the source which is trusted more.
        Trusted("trusted"): RawTrusted,
        /// That of the record whose column is later.
        Newest("newest"): Spanned<ColumnName>,
        /// That of the record whose column is earlier.
        Oldest("oldest"): Spanned<ColumnName>,
        /// That of more records.
        MostFrequent("most_frequent"): Bare,
        /// That in which more of the columns have a value.
        MostComplete("most_complete"): Bare,
        /// The one of more letters.
        Longest("longest"): Bare,
        /// The smallest.
        Smallest("smallest"): Bare,
        /// The largest.
        Largest("largest"): Bare,
    }
}

section! {
    /// Sources in the order in which they are trusted.
    RawTrusted {
        /// The column that says which source a record is of.
        column: Spanned<ColumnName>,
        /// Its values, the most trusted first; others are trusted least.
        order: AtLeastOne<String>,
    }
}

/// A rule without settings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bare;

impl Decode for Bare {
    const BARE: bool = true;

    fn decode(node: &Node, sink: &mut Sink) -> Option<Self> {
        match &node.value {
            Value::Map(entries) if entries.is_empty() => Some(Self),
            _ => {
                sink.unexpected(node, "the rule alone: it has no settings");
                None
            }
        }
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "object", "additionalProperties": false})
    }
}
