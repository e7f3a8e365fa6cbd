//! `load: append`: each export adds its records, once. Which exports are new, the ledger has said.

use super::accounting::{Accounting, opening_counts};
use super::events::accepted_rows;
use super::{LoadRequest, Loading, planning};
use crate::error::Result;
use crate::ingest::table_schema;

pub(super) fn append(
    context: &datafusion::prelude::SessionContext,
    request: &LoadRequest<'_>,
) -> Result<Loading> {
    let mut counts = opening_counts(&request.turns);
    for turn in &request.turns {
        if let Some(counts) = counts.get_mut(&turn.export.report.path) {
            counts.inserted = turn.export.report.accepted;
        }
    }
    let rows = accepted_rows(context, &table_schema(request.contract), &request.turns)?;
    Ok(Loading {
        rows: context.read_table(rows).map_err(planning)?,
        accounting: Accounting::closed(counts),
    })
}
