//! The records that broke their contract, grouped for people.

use std::collections::BTreeMap;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::Int64Type;
use serde::Serialize;

use super::{Catalog, View};
use crate::error::{Error, Result};

/// Rejects of one source for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct RejectGroup {
    pub(crate) source: String,
    /// The contract's column that failed first; none where the record is no record.
    pub(crate) column: Option<String>,
    pub(crate) rule: String,
    /// In words, as the first record has it.
    pub(crate) reason: String,
    pub(crate) records: u64,
    /// Exports in which it occurs.
    pub(crate) files: u64,
    pub(crate) first_file: String,
    pub(crate) first_line: u64,
}

const GROUPS_SQL: &str = "
with numbered as (
    select source, coalesce(column_name, '') as column, rule, reason, file, line,
           row_number() over (partition by source, column_name, rule order by file, line, byte) as place
    from ops.rejects)
select source, column, rule, count(*) as records, count(distinct file) as files,
       min(reason) filter (where place = 1) as reason, min(file) filter (where place = 1) as first_file,
       min(line) filter (where place = 1) as first_line
from numbered
group by source, column, rule
order by source, records desc, reason";

const COUNTS_SQL: &str = "select source, cast(sum(records) as bigint) as records from ops.files where status <> 'retracted' group by source order by source";

impl Catalog {
    /// Rejects by source and reason, the commonest first.
    pub(crate) async fn rejects(&self, view: &View) -> Result<Vec<RejectGroup>> {
        let mut groups = Vec::new();
        for batch in self.query(GROUPS_SQL, view).await? {
            for row in 0..batch.num_rows() {
                groups.push(RejectGroup {
                    source: text(&batch, "source", row)?,
                    column: Some(text(&batch, "column", row)?).filter(|name| !name.is_empty()),
                    rule: text(&batch, "rule", row)?,
                    reason: text(&batch, "reason", row)?,
                    records: number(&batch, "records", row)?,
                    files: number(&batch, "files", row)?,
                    first_file: text(&batch, "first_file", row)?,
                    first_line: number(&batch, "first_line", row)?,
                });
            }
        }
        Ok(groups)
    }

    /// Records of every source that the ledger knows.
    pub(crate) async fn record_counts(&self, view: &View) -> Result<BTreeMap<String, u64>> {
        let mut counts = BTreeMap::new();
        for batch in self.query(COUNTS_SQL, view).await? {
            for row in 0..batch.num_rows() {
                counts.insert(
                    text(&batch, "source", row)?,
                    number(&batch, "records", row)?,
                );
            }
        }
        Ok(counts)
    }
}

fn text(batch: &RecordBatch, column: &str, row: usize) -> Result<String> {
    let array = batch
        .column_by_name(column)
        .ok_or_else(|| missing(column))?;
    if let Some(array) = array.as_string_opt::<i32>() {
        return Ok(array.value(row).to_string());
    }
    array
        .as_string_view_opt()
        .map(|array| array.value(row).to_string())
        .ok_or_else(|| missing(column))
}

fn number(batch: &RecordBatch, column: &str, row: usize) -> Result<u64> {
    let array = batch
        .column_by_name(column)
        .ok_or_else(|| missing(column))?;
    let array = array
        .as_primitive_opt::<Int64Type>()
        .ok_or_else(|| missing(column))?;
    Ok(array.value(row).max(0) as u64)
}

fn missing(column: &str) -> Error {
    Error::internal(format!(
        "a query of our own yields no column `{column}` of its type"
    ))
}
