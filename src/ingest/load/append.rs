//! `load: append`: each export adds its records, once. Which exports are new, the ledger has said.
//!
//! Nothing but rows to add, where every published row stays. Where rows of an export leave (somebody retracted it, or it is
//! read again), the table is written anew without them: an appended row names the export that it came from, always.

use super::accounting::{Accounting, opening_counts};
use super::events::accepted_rows;
use super::plan::present_rows;
use super::{LoadRequest, Loading, planning};
use crate::error::{Error, Result};
use crate::ingest::key_order::order_of;
use crate::ingest::table_schema;

pub(super) fn append(
    context: &datafusion::prelude::SessionContext,
    request: &LoadRequest<'_>,
) -> Result<Loading> {
    let mut counts = opening_counts(&request.turns);
    for turn in &request.turns {
        let report = &turn.export.report;
        let counts = counts
            .get_mut(&report.path)
            .ok_or_else(|| Error::internal("an export is loaded that nobody counts"))?;
        counts.inserted = report.accepted;
    }
    let table = table_schema(request.contract);
    let order = order_of(request.contract);
    let order: Vec<&str> = order.iter().map(String::as_str).collect();
    let added = accepted_rows(context, &table, &order, request.ranges, &request.turns)?;
    let added = context.read_table(added).map_err(planning)?;
    match &request.present {
        Some(present) if !request.leaving.is_empty() => {
            let staying = present_rows(context, present.clone(), &table, &request.leaving)?;
            let leaving = request.leaving.values().sum();
            Ok(Loading {
                rows: staying.union(added).map_err(planning)?,
                accounting: Accounting::rewritten(counts, leaving),
            })
        }
        _ => Ok(Loading {
            rows: added,
            accounting: Accounting::added(counts),
        }),
    }
}
