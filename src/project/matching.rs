//! `- match:`: which records of a table describe the same person, and by which id.

use std::collections::BTreeMap;

use super::Spanned;
use crate::diagnostic::Place;
use crate::name::TableName;

/// A match step, checked as far as its own file goes.
#[derive(Clone, Debug)]
pub(crate) struct Matching {
    /// The table of record → id.
    pub(crate) table: TableName,
    /// One row per source record; its contract says what the columns mean.
    pub(crate) records: Spanned<TableName>,
    /// Columns that name a record.
    pub(crate) record_key: Vec<Spanned<String>>,
    /// Column of the id.
    pub(crate) entity_id: Spanned<String>,
    /// Blocking rules, each a list of columns; empty: kilde's own.
    pub(crate) block: Vec<Vec<Spanned<String>>>,
    /// Columns in which equal values make one person.
    pub(crate) must: Vec<Spanned<String>>,
    /// Columns in which two different values make two.
    pub(crate) cannot: Vec<Spanned<String>>,
    /// Records are one from this match weight on, in bits.
    pub(crate) same_from: f64,
    /// Pairs from this weight on are worth a look.
    pub(crate) review_from: f64,
    /// More candidate pairs than this are refused before one is made.
    pub(crate) max_pairs: u64,
    /// A rule of which one value makes more than this share of all pairs is refused likewise.
    pub(crate) max_block_share: f64,
    /// More known records than this share that would change their id fail the step.
    pub(crate) max_churn: Option<f64>,
    /// Name of the pipeline that owns it.
    pub(crate) pipeline: String,
    /// Where it is written; every span above is in the same file.
    pub(crate) declared_at: Place,
    /// The tables that it makes, that of the ids among them.
    pub(crate) tables: BTreeMap<MatchTable, TableName>,
}

/// A table that a match step makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum MatchTable {
    /// Record → id.
    Ids,
    /// Pairs of records that were compared and are worth telling of.
    Edges,
    /// Pairs that a person should look at.
    Review,
    /// What happened to ids.
    Events,
    /// Ids that are gone → those that stand for them.
    Redirects,
    /// What was learnt.
    Model,
}

impl MatchTable {
    pub(crate) const ALL: [Self; 6] = [
        Self::Ids,
        Self::Edges,
        Self::Review,
        Self::Events,
        Self::Redirects,
        Self::Model,
    ];

    /// What its name adds to that of the ids' table.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Ids => "",
            Self::Edges => "_edges",
            Self::Review => "_review",
            Self::Events => "_events",
            Self::Redirects => "_redirects",
            Self::Model => "_model",
        }
    }

    /// Whether a rollback leaves it as it is: what was issued stays issued.
    pub(crate) fn is_kept(self) -> bool {
        matches!(self, Self::Ids | Self::Events | Self::Redirects)
    }
}
