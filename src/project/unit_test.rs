//! The unit tests that a contract declares: a step, given rows and expected rows.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::Spanned;
use crate::diagnostic::{SourceFile, Span};
use crate::name::TableName;

/// One unit test of a step.
#[derive(Clone, Debug)]
pub(crate) struct UnitTest {
    pub(crate) name: Spanned<String>,
    /// What `$as_of` is; needed where the step uses it.
    pub(crate) as_of: Option<DateTime<Utc>>,
    /// Variables that are other than the project's.
    pub(crate) vars: BTreeMap<String, Spanned<String>>,
    /// Rows by table; those not given are empty.
    pub(crate) given: Vec<(Spanned<TableName>, Fixture)>,
    /// Rows that must come out, in any order.
    pub(crate) expect: Fixture,
}

/// Rows of a table.
#[derive(Clone, Debug)]
pub(crate) enum Fixture {
    /// Written in the test, or read from CSV.
    Rows(FixtureRows),
    /// A file that is read when the test runs.
    Parquet {
        path: PathBuf,
        /// Of its bytes.
        hash: String,
    },
}

/// Rows as text.
#[derive(Clone, Debug)]
pub(crate) struct FixtureRows {
    /// The file in which the spans lie: the contract, or the CSV.
    pub(crate) file: Arc<SourceFile>,
    pub(crate) rows: Vec<FixtureRow>,
    /// The header of a CSV; what it names is compared even where no row follows.
    pub(crate) header: Vec<Spanned<String>>,
}

/// One row; columns that it does not name are null.
#[derive(Clone, Debug)]
pub(crate) struct FixtureRow {
    pub(crate) cells: Vec<(Spanned<String>, FixtureCell)>,
}

/// One value, not yet typed.
#[derive(Clone, Debug)]
pub(crate) struct FixtureCell {
    pub(crate) span: Span,
    pub(crate) value: Cell,
}

/// What a value looks like before its column types it.
#[derive(Clone, Debug)]
pub(crate) enum Cell {
    Null,
    Text(String),
    List(Vec<FixtureCell>),
    Struct(Vec<(Spanned<String>, FixtureCell)>),
}
