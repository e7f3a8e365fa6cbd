//! Seeds: small reference tables that are files of the project. `seeds/ref/countries.csv` is the table `ref.countries`.
//!
//! In: the text of a CSV file: UTF-8, comma, a header, quotes doubled within quotes. Out: cells, each with its place. What a
//! cell means is its column's type, and that is for the plan to say: this module only takes the text apart.

mod csv;

use std::sync::Arc;

use crate::diagnostic::{SourceFile, Span};

pub(crate) use csv::read;

/// A larger file is an export, not a seed.
pub(super) const MAX_BYTES: usize = 4 << 20;

/// One seed, taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Seed {
    pub(crate) file: Arc<SourceFile>,
    /// Names of columns, each an identifier and there once.
    pub(crate) header: Vec<Cell>,
    /// As many cells as the header has, in every row.
    pub(crate) rows: Vec<Vec<Cell>>,
}

/// One cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    /// Without its quotes; `None` where nothing is written.
    pub(crate) text: Option<String>,
    pub(crate) span: Span,
}
