//! The tests that a contract declares.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::diagnostic::Span;
use crate::name::TableName;

/// One declared test of a table; rows that it finds are failures.
#[derive(Clone, Debug)]
pub(crate) struct DataTest {
    pub(crate) kind: TestKind,
    pub(crate) severity: TestSeverity,
    /// Of a source: what becomes of a record of an export that breaks it; where nothing is said, it is a reject.
    pub(crate) action: Option<RowAction>,
    /// Failures up to this do not count.
    pub(crate) at_most: Option<Limit>,
    /// SQL condition: only rows where it holds are tested.
    pub(crate) condition: Option<String>,
    /// Where it stands in the schema file.
    pub(crate) span: Span,
}

impl DataTest {
    /// Whether it judges each row by itself and tolerates none: a source's ingest holds every record to such a test.
    pub(crate) fn judges_records(&self) -> bool {
        self.is_row_rule() && self.action != Some(RowAction::Warn)
    }

    /// Whether a source's ingest holds every record to it, whatever becomes of those that break it.
    pub(crate) fn is_row_rule(&self) -> bool {
        self.severity == TestSeverity::Error
            && self.at_most.is_none()
            && self.condition.is_none()
            && matches!(
                self.kind,
                TestKind::NotNull { .. }
                    | TestKind::AcceptedValues { .. }
                    | TestKind::Matches { .. }
                    | TestKind::Range { .. }
            )
    }
}

/// What is tested; columns are names of the contract's columns.
#[derive(Clone, Debug)]
pub(crate) enum TestKind {
    NotNull {
        column: String,
    },
    /// The combination of the columns occurs once; rows with a null among them are not compared.
    Unique {
        columns: Vec<String>,
    },
    /// Values as text, typed by the column; null passes.
    AcceptedValues {
        column: String,
        values: Vec<String>,
    },
    /// The text matches the regular expression; null passes.
    Matches {
        column: String,
        pattern: String,
    },
    /// Bounds as text, typed by the column, both included; null passes.
    Range {
        column: String,
        min: Option<String>,
        max: Option<String>,
    },
    /// Each value (none null) occurs in `to`'s columns of the same position.
    Relationships {
        columns: Vec<String>,
        to: TableName,
        fields: Vec<String>,
    },
    /// Number of rows, all bounds included.
    RowCount {
        min: Option<u64>,
        max: Option<u64>,
        /// Against the published version.
        change: Option<RowChange>,
    },
    /// Each combination of the columns (none null) of `keys_of` occurs here. `keys_of` is read as the build publishes it;
    /// where it is the table itself, as the last release holds it.
    Keeps {
        columns: Vec<String>,
        keys_of: TableName,
    },
    /// Every row the query returns is a failure.
    Sql {
        query: String,
        query_span: Span,
    },
}

impl TestKind {
    /// As contracts call it.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::NotNull { .. } => "not_null",
            Self::Unique { .. } => "unique",
            Self::AcceptedValues { .. } => "accepted_values",
            Self::Matches { .. } => "matches",
            Self::Range { .. } => "range",
            Self::Relationships { .. } => "relationships",
            Self::RowCount { .. } => "row_count",
            Self::Keeps { .. } => "keeps",
            Self::Sql { .. } => "sql",
        }
    }

    /// What it looks at: columns, and another table; nothing where that is the whole table.
    pub(crate) fn subject(&self) -> String {
        match self {
            Self::NotNull { column }
            | Self::AcceptedValues { column, .. }
            | Self::Matches { column, .. }
            | Self::Range { column, .. } => column.clone(),
            Self::Unique { columns } => columns.join(", "),
            Self::Relationships { columns, to, .. } => format!("{} to {to}", columns.join(", ")),
            Self::Keeps { columns, keys_of } => format!("{} of {keys_of}", columns.join(", ")),
            Self::RowCount { .. } | Self::Sql { .. } => String::new(),
        }
    }
}

/// As people write it: `not_null(email)`, `row_count`.
impl fmt::Display for TestKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.subject().as_str() {
            "" => f.write_str(self.word()),
            subject => write!(f, "{}({subject})", self.word()),
        }
    }
}

/// What a failing test does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TestSeverity {
    /// Nothing is published.
    #[default]
    Error,
    /// The report says so.
    Warn,
}

impl TestSeverity {
    /// As written in contracts.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
        }
    }
}

/// What becomes of a record that breaks a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum RowAction {
    /// It is taken, and the report says so.
    Warn,
    /// It is a reject.
    #[default]
    Reject,
    /// It is a reject, and its export is refused.
    Fail,
}

impl RowAction {
    /// As written in contracts.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::Reject => "reject",
            Self::Fail => "fail",
        }
    }
}

/// How much is tolerated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Limit {
    /// Rows.
    Count(u64),
    /// Parts of the whole, 0 to 1.
    Share(f64),
}

impl fmt::Display for Limit {
    /// As written in contracts and pipelines: `10`, `0.1%`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(limit) => write!(f, "{limit}"),
            // a share is kept as a binary fraction: what it adds to the percentage is cut off
            Self::Share(share) => write!(f, "{}%", (share * 1e8).round() / 1e6),
        }
    }
}

impl Limit {
    /// Whether `failures` among `total` stay within the limit; nothing among nothing does.
    pub(crate) fn allows(self, failures: u64, total: u64) -> bool {
        match self {
            Self::Count(limit) => failures <= limit,
            Self::Share(share) => failures as f64 <= share * total as f64,
        }
    }
}

/// How far the number of rows may lie from another, in millionths of that; both bounds included, one at least is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowChange {
    pub(crate) low: Option<i64>,
    pub(crate) high: Option<i64>,
}

impl RowChange {
    /// Whether `rows` lies within the bounds around `before`; exact.
    pub(crate) fn allows(self, before: u64, rows: u64) -> bool {
        let moved = (i128::from(rows) - i128::from(before)) * 1_000_000;
        let bound = |share: i64| i128::from(before) * i128::from(share);
        self.low.is_none_or(|low| moved >= bound(low))
            && self.high.is_none_or(|high| moved <= bound(high))
    }
}

impl fmt::Display for RowChange {
    /// As people write it: `-5%..+20%`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bound = |share: Option<i64>| match share {
            None => String::new(),
            Some(share) => {
                let sign = if share < 0 { '-' } else { '+' };
                let share = share.unsigned_abs();
                let number = format!("{}.{:04}", share / 10_000, share % 10_000);
                let number = number.trim_end_matches('0').trim_end_matches('.');
                format!("{sign}{number}%")
            }
        };
        write!(f, "{}..{}", bound(self.low), bound(self.high))
    }
}
