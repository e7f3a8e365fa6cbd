//! Decoded exports + the present table → the new table, and what became of each record.
//!
//!   present rows ─┐
//!   accepted rows ┼─▶ one stream of events, sorted by key, then by turn ─fold▶ rows of the new table
//!   rejected keys ┘                                                      └──▶ counts by export
//!
//! Several exports that wait are folded in their order in one pass, so that nights taken one by one and nights taken
//! together give equal rows: the fold sees each key's history as it happened. Sorting and partitioning are DataFusion's and
//! spill; the fold itself holds one key's history at a time. Provenance (`_kilde_*`) takes no part in equality: a row
//! that comes again unchanged keeps the export in which its content was first seen.

mod accounting;
mod append;
mod changes;
mod events;
mod fold;
mod plan;
mod replace;
mod shrunk;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::prelude::{DataFrame, SessionContext};

pub(crate) use accounting::{Accounting, FileCounts, LoadReport};
pub(crate) use events::scratch_table;
pub(crate) use shrunk::{Shrunk, shrunk};

use super::export::DecodedExport;
use crate::error::{Error, Result};
use crate::project::{Contract, Load};

/// One export's turn in the order of its source.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    pub(crate) export: Arc<DecodedExport>,
    /// Position among all exports of the source that there ever were, new and loaded; no two are equal.
    pub(crate) ordinal: i64,
}

/// What is to be loaded.
#[derive(Debug)]
pub(crate) struct LoadRequest<'a> {
    pub(crate) contract: &'a Contract,
    pub(crate) load: Load,
    /// The table as published; absent before the first load. Columns that it lacks are null in its rows.
    pub(crate) present: Option<Arc<dyn TableProvider>>,
    /// New exports, in any order.
    pub(crate) turns: Vec<Turn>,
    /// Ordinals of loaded exports by path. Needed only where one of `turns` is late, i.e. comes before a loaded one:
    /// then records of `changes` do not replace newer ones, and a late export of `replace` changes nothing.
    pub(crate) loaded: BTreeMap<String, i64>,
    /// `append`: exports whose rows in `present` do not stay, and how many each has there.
    pub(crate) leaving: BTreeMap<String, u64>,
    /// `replace`: exports that change nothing, since they have too few records and a good one came after them.
    pub(crate) passed_over: BTreeSet<String>,
    /// Ranges of keys into which rows are cut that come in the order of their keys: a property of the table, never of the machine.
    pub(crate) ranges: usize,
}

/// A load as a query that has not run yet.
pub(crate) struct Loading {
    /// The rows of the new table, or for `append`, where none leaves, the rows to add; the table's schema. To be read to its end, once;
    /// reading it anew starts the accounting anew.
    pub(crate) rows: DataFrame,
    /// Complete when `rows` has been read.
    pub(crate) accounting: Accounting,
}

/// Prepares a load; nothing is read yet.
///
/// # Errors
/// `Config` where the contract lacks what the load needs; `Internal` where schemas do not fit.
pub(crate) fn load(context: &SessionContext, mut request: LoadRequest<'_>) -> Result<Loading> {
    request.turns.sort_by_key(|turn| turn.ordinal);
    match request.load {
        Load::Append => append::append(context, &request),
        Load::Changes => changes::changes(context, &request),
        Load::Replace => replace::replace(context, &request),
    }
}

fn planning(error: datafusion::error::DataFusionError) -> Error {
    Error::internal("a load cannot be planned").caused_by(error)
}
