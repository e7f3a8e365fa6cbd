//! Which export each row of a source's table names, and whether the ledger says the same.
//!
//! Equal rows are one content whichever export brought them, but not one history: a row leaves with the export that it names,
//! and a late record is older or newer than that. A table that was made again and came out equal may keep its files only
//! where the rows in them name the exports that the ledger has them of.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{cast, ident, lit};

use super::super::RunEvent;
use super::super::execute::Execution;
use crate::catalog::Content;
use crate::diagnostic::some_of;
use crate::engine::{self, Joins};
use crate::error::Result;
use crate::ingest::{Ledger, LedgerEntry, SOURCE_FILE};
use crate::project::{Load, Source};

impl Execution {
    /// Whether the rows of a published table name the exports that the ledger will have them of: `entries` in the place of
    /// those of the exports `replaced`.
    pub(super) async fn names_stand(
        &self,
        source: &Source,
        published: &Content,
        replaced: &BTreeSet<String>,
        entries: &[LedgerEntry],
    ) -> Result<bool> {
        let unknown = Ledger::default();
        let before = self.observation.ledger.get(&source.table);
        let before = before.unwrap_or(&unknown);
        let mut after = before.without(replaced);
        for entry in entries {
            after.insert(entry.clone());
        }
        let named = self.rows_by_export(published).await?;
        Ok(named.iter().all(|(path, rows)| {
            let (Some(before), Some(after)) = (before.entry(path), after.entry(path)) else {
                return false;
            };
            match source.load {
                Load::Append => before.hash == after.hash && after.counts.inserted == *rows,
                // a row names the export that said it first, whichever counts it
                Load::Replace | Load::Changes => true,
            }
        }))
    }

    /// Where the ledger is given up, the rows that the newest release has of each export; none where the table is lost too.
    pub(super) async fn rows_given_up(&self, source: &Source) -> Result<BTreeMap<String, u64>> {
        let table = &source.table;
        if !self.request.gives_up_ledger() {
            return Ok(BTreeMap::new());
        }
        let release = self.catalog.release(None).await?;
        let Some(mut entry) = release.table(table).cloned() else {
            return Ok(BTreeMap::new());
        };
        entry.version = self
            .catalog
            .lake()
            .whole_at(&release, table, &entry)
            .await?;
        if entry.version.is_none() {
            return Ok(BTreeMap::new());
        }
        let content = self.catalog.content(table, &entry).await?;
        self.rows_by_export(&content).await
    }

    /// Says how many rows go with a ledger that is given up: those of exports that no longer lie in `raw`.
    pub(super) async fn tell_given_up(&self, source: &Source) -> Result<()> {
        let mut named = self.rows_given_up(source).await?;
        if let Some(found) = self.observation.found.get(&source.table) {
            named.retain(|path, _| !found.contains_key(path));
        }
        let rows: u64 = named.values().sum();
        if rows > 0 {
            (self.listener)(RunEvent::Warning(format!(
                "{rows} {} of `{}` {} given up with the ledger, since the exports that brought them lie no longer in `raw`: {}",
                if rows == 1 { "row" } else { "rows" },
                source.table,
                if rows == 1 { "is" } else { "are" },
                some_of(named.keys().map(String::as_str)),
            )));
        }
        Ok(())
    }

    /// How many rows of a table name each export; under no name those that name none.
    async fn rows_by_export(&self, table: &Content) -> Result<BTreeMap<String, u64>> {
        let session = self
            .catalog
            .engine()
            .session(&BTreeMap::new(), Joins::Hash)?;
        let path = cast(ident(SOURCE_FILE), DataType::Utf8).alias("path");
        let counted = session
            .read_table(table.provider()?)
            .and_then(|rows| rows.aggregate(vec![path], vec![count(lit(1)).alias("rows")]))
            .map_err(engine::failure)?;
        let batches = counted.collect().await.map_err(engine::failure)?;
        let mut named = BTreeMap::new();
        for batch in &batches {
            let paths = batch.column(0).as_string::<i32>();
            let counts = batch.column(1).as_primitive::<Int64Type>();
            for (path, rows) in paths.iter().zip(counts.values()) {
                named.insert(path.unwrap_or_default().to_string(), *rows as u64);
            }
        }
        Ok(named)
    }
}
