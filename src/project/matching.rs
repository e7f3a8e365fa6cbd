//! `- match:`: which records of a table describe the same person, and by which id.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Meaning, ModelFile, Spanned};
use crate::comparison_shape::{How, Kind, Within};
use crate::diagnostic::{Place, Span};
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
    /// Blocking rules; empty: kilde's own.
    pub(crate) block: Vec<BlockRule>,
    /// Comparisons; empty: those that the columns' meanings make.
    pub(crate) compare: Vec<Compare>,
    /// Columns in which equal values make one person.
    pub(crate) must: Vec<Spanned<String>>,
    /// Columns in which two different values make two.
    pub(crate) cannot: Vec<Spanned<String>>,
    /// Sources of which two records are two persons.
    pub(crate) duplicate_free: Option<DuplicateFree>,
    /// What stewards decided of pairs of records.
    pub(crate) decisions: Option<Spanned<TableName>>,
    /// The model to use; `None`: the one that the last release holds, or one that is trained.
    pub(crate) model: Option<PinnedModel>,
    /// What a training takes as given.
    pub(crate) pins: Pins,
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

/// A model that a file of the project holds.
#[derive(Clone, Debug)]
pub(crate) struct PinnedModel {
    pub(crate) path: String,
    /// Of the file.
    pub(crate) digest: String,
    pub(crate) model: Arc<ModelFile>,
}

/// A blocking rule: columns, or SQL over one record, on which two records agree.
#[derive(Clone, Debug)]
pub(crate) struct BlockRule {
    pub(crate) on: Vec<Spanned<String>>,
    /// What blocks of more than `over` records are split by, one after the other; empty: they are not split.
    pub(crate) refine: Vec<Spanned<String>>,
    pub(crate) over: usize,
}

/// Parameters of the model that are given, and not learnt.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pins {
    /// The probability that two random records are one.
    pub(crate) prior: Option<f64>,
    pub(crate) levels: Vec<LevelPin>,
}

/// What is given of one level: its m, its u or both; or its weight.
#[derive(Clone, Debug)]
pub(crate) struct LevelPin {
    pub(crate) comparison: Spanned<String>,
    pub(crate) level: Spanned<String>,
    pub(crate) m: Option<Spanned<f64>>,
    pub(crate) u: Option<Spanned<f64>>,
    /// In bits.
    pub(crate) weight: Option<Spanned<f64>>,
}

/// Sources that know each person once.
#[derive(Clone, Debug)]
pub(crate) struct DuplicateFree {
    /// The column that says which source a record is of.
    pub(crate) column: Spanned<String>,
    /// Values of it that name such sources; empty: all.
    pub(crate) values: Vec<String>,
}

/// How two records are compared in something.
#[derive(Clone, Debug)]
pub(crate) struct Compare {
    /// What it is called in models and reports, unless it compares what the meanings of columns compare too.
    pub(crate) name: String,
    pub(crate) by: CompareBy,
    /// Whether agreeing on a rare value is worth more than on a common one.
    pub(crate) term_frequency: bool,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) enum CompareBy {
    /// As columns of these meanings are compared.
    Meaning(Vec<(Meaning, Spanned<String>)>),
    Exact(Spanned<String>),
    Text {
        column: Spanned<String>,
        /// Similarities, falling.
        alike: Vec<f64>,
    },
    Number {
        column: Spanned<String>,
        within: Vec<Within>,
    },
    Distance {
        latitude: Spanned<String>,
        longitude: Spanned<String>,
        /// Rising.
        kilometres: Vec<f64>,
    },
    /// Columns or SQL over one record, the strongest level first.
    Levels(Vec<Spanned<String>>),
}

impl Matching {
    /// Texts that are a column or SQL over one record.
    pub(crate) fn expressions(&self) -> impl Iterator<Item = &Spanned<String>> {
        let levels = self.compare.iter().filter_map(|compare| match &compare.by {
            CompareBy::Levels(levels) => Some(levels),
            _ => None,
        });
        let rules = self.block.iter().flat_map(BlockRule::expressions);
        rules.chain(levels.flatten())
    }

    /// What it reads.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = &Spanned<TableName>> {
        std::iter::once(&self.records).chain(&self.decisions)
    }
}

impl BlockRule {
    /// All that it asks of a record.
    pub(crate) fn expressions(&self) -> impl Iterator<Item = &Spanned<String>> {
        self.on.iter().chain(&self.refine)
    }
}

impl Compare {
    /// How it compares, without its columns.
    pub(crate) fn how(&self) -> How {
        match &self.by {
            CompareBy::Meaning(columns) => How::Like(match columns.first().map(|(m, _)| *m) {
                Some(Meaning::Email) => Kind::Email,
                Some(Meaning::Phone) => Kind::Phone,
                Some(Meaning::NationalId) => Kind::NationalId,
                _ => Kind::BirthDate,
            }),
            CompareBy::Exact(_) => How::Exact,
            CompareBy::Text { alike, .. } => How::Text {
                alike: alike.clone(),
            },
            CompareBy::Number { within, .. } => How::Number {
                within: within.clone(),
            },
            CompareBy::Distance { kilometres, .. } => How::Distance {
                kilometres: kilometres.clone(),
            },
            CompareBy::Levels(levels) => How::Levels {
                names: levels.iter().map(|level| level.value.clone()).collect(),
            },
        }
    }

    /// Every column that it names outright.
    pub(crate) fn columns(&self) -> Vec<&Spanned<String>> {
        match &self.by {
            CompareBy::Meaning(columns) => columns.iter().map(|(_, column)| column).collect(),
            CompareBy::Exact(column)
            | CompareBy::Text { column, .. }
            | CompareBy::Number { column, .. } => vec![column],
            CompareBy::Distance {
                latitude,
                longitude,
                ..
            } => vec![latitude, longitude],
            CompareBy::Levels(_) => Vec::new(),
        }
    }
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
