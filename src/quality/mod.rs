//! Contracts → tests as SQL → verdicts.
//!
//! In: a contract. Out: one [`PlannedTest`] per promise, each as SQL text that a person can run; then, from the number
//! of failures that the caller counted, a [`Verdict`]. This module neither reads nor writes tables.
//!
//! Row tests are counted while the candidate is written; the key by adjacency, since tables are sorted by it; all
//! others are one query each over the candidate.

mod difference;
mod planned_test;
mod sql;
mod verdict;

pub(crate) use difference::{Difference, RowDifference, difference};
pub(crate) use planned_test::{Check, PlannedTest, planned_tests};
pub(crate) use verdict::{Counts, Outcome, Verdict};
