//! From a number of failures to what the report says.

use serde::{Deserialize, Serialize};

use super::{Check, PlannedTest};
use crate::name::TableName;
use crate::project::{RowChange, TestSeverity};

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
    /// What was found, where "`failures` of `rows` rows" does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
}

/// What was counted of a candidate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    /// Rows of the candidate.
    pub(crate) rows: u64,
    /// Rows of the published version; `None` where there is none.
    pub(crate) published: Option<u64>,
    /// Rows, or keys, that failed; for `row_count` that is decided here.
    pub(crate) failures: u64,
}

impl Verdict {
    /// The verdict on a candidate of which so much was counted.
    pub(crate) fn of(test: &PlannedTest, table: &TableName, counts: Counts) -> Self {
        let rows = counts.rows;
        let (failures, note) = match &test.check {
            Check::RowCount { min, max, change } => {
                let broken = [
                    min.filter(|min| rows < *min)
                        .map(|min| format!("at least {min}")),
                    max.filter(|max| rows > *max)
                        .map(|max| format!("at most {max}")),
                    change.and_then(|change| moved(change, counts)),
                ];
                let broken: Vec<String> = broken.into_iter().flatten().collect();
                match (broken.is_empty(), change, counts.published) {
                    (false, ..) => (
                        1,
                        Some(format!("{rows} rows, wanted {}", broken.join(" and "))),
                    ),
                    (true, Some(_), None | Some(0)) => (0, Some(NOTHING_PUBLISHED.to_string())),
                    (true, ..) => (0, None),
                }
            }
            Check::Keys { .. } => {
                let note = match counts.failures {
                    0 => None,
                    1 => Some("1 key is missing".to_string()),
                    n => Some(format!("{n} keys are missing")),
                };
                (counts.failures, note)
            }
            _ => (counts.failures, None),
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
            note,
        }
    }

    /// What a failure is, after "failed": " for 12 of 21907 rows", or in the words of the test.
    pub(crate) fn failed_by(&self) -> String {
        match &self.note {
            Some(note) => format!(": {note}"),
            None => format!(" for {} of {} rows", self.failures, self.rows),
        }
    }

    /// Whether it passed only since no published version was there to compare with.
    pub(crate) fn had_nothing_to_compare(&self) -> bool {
        self.note.as_deref() == Some(NOTHING_PUBLISHED)
    }
}

/// What a test says that compares with a version that is not there, or is empty: no change of nothing is a percentage.
const NOTHING_PUBLISHED: &str = "nothing published yet to compare with";

/// How the number of rows moved, where it moved too far.
fn moved(change: RowChange, counts: Counts) -> Option<String> {
    let before = counts.published.filter(|rows| *rows > 0)?;
    if change.allows(before, counts.rows) {
        return None;
    }
    let percent = (counts.rows as f64 - before as f64) / before as f64 * 100.0;
    Some(format!(
        "{change} of the {before} published (it is {percent:+.1}%)"
    ))
}
