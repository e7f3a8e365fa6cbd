//! From a number of failures to what the report says.

use serde::{Deserialize, Serialize};

use super::{Check, PlannedTest};
use crate::name::TableName;
use crate::project::TestSeverity;

/// How a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Passed,
    /// Failures, but the severity is `warn`.
    Warned,
    /// Nothing may be published.
    Failed,
}

/// One test's result on one candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) table: TableName,
    /// `not_null(email)`.
    pub(crate) test: String,
    /// `None` in reports of older versions.
    #[serde(default)]
    pub(crate) severity: Option<TestSeverity>,
    pub(crate) outcome: Outcome,
    pub(crate) failures: u64,
    /// Rows of the candidate.
    pub(crate) rows: u64,
    /// `schemas/gold/customers.yaml:12:5`.
    pub(crate) declared_at: String,
    /// A query that shows the rows.
    pub(crate) rows_sql: String,
}

impl Verdict {
    /// The verdict on a candidate of `rows` rows in which `failures` were counted; for `row_count` the failures are
    /// decided here.
    pub(crate) fn of(test: &PlannedTest, table: &TableName, rows: u64, failures: u64) -> Self {
        let failures = match test.check {
            Check::RowCount { min, max } => {
                u64::from(min.is_some_and(|min| rows < min) || max.is_some_and(|max| rows > max))
            }
            _ => failures,
        };
        let tolerated = failures == 0
            || test
                .at_most
                .is_some_and(|limit| limit.allows(failures, rows));
        let outcome = match (tolerated, test.severity) {
            (true, _) => Outcome::Passed,
            (false, TestSeverity::Warn) => Outcome::Warned,
            (false, TestSeverity::Error) => Outcome::Failed,
        };
        Self {
            table: table.clone(),
            test: test.name.clone(),
            severity: Some(test.severity),
            outcome,
            failures,
            rows,
            declared_at: test.declared_at.location(),
            rows_sql: test.rows_sql(table),
        }
    }
}
