//! What another tool did to a table, answered by a person: published over, or taken over as if it had come in an export.
//!
//! Taken over are rows, not files: what the other tool added is written once more as a build writes it, with our statistics (no
//! value of a person in a log) and our provenance. All other rows must be what they were: their digest says so.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, cast, ident, lit};
use datafusion::prelude::DataFrame;
use futures::StreamExt;

use super::BuildRequest;
use super::execute::{Execution, TableResult};
use super::ops_tables::Ingested;
use crate::catalog::{Catalog, Content};
use crate::diagnostic::Code;
use crate::engine::{self, Joins};
use crate::error::{Error, Result};
use crate::ingest::{FileCounts, FileStatus, Ledger, LedgerEntry, SOURCE_FILE, SOURCE_ROW};
use crate::lake::{self, Digest, Layout, RowHasher, Written};
use crate::name::TableName;
use crate::plan::{Action, Plan, TablePlan};
use crate::project::{Load, Project};
use crate::release::{Commit, ForeignChanges, Release, TableEntry};

impl BuildRequest {
    /// Published tables of which foreign changes are answered: those to be published over, and those taken over.
    pub(super) fn answered(&self, release: Option<&Release>) -> BTreeSet<TableName> {
        let tables = release
            .into_iter()
            .flat_map(|release| release.tables.keys());
        let is_named = |table: &&TableName| {
            self.adopt.contains(*table)
                || self.overrule.contains(&table.to_string())
                || self.overrule.contains(table.name())
        };
        tables.filter(is_named).cloned().collect()
    }

    /// What others changed of a table that the plan surely builds on is told before any work is done; all is looked at once more
    /// before anything is published.
    ///
    /// # Errors
    /// `Corrupt` K0709, K0711 for the first such table that nobody answers.
    pub(super) fn refuse_foreign_changes(
        &self,
        plan: &Plan,
        release: Option<&Release>,
        mut changed: BTreeMap<TableName, Error>,
    ) -> Result<()> {
        let answered = self.answered(release);
        changed.retain(|table, _| !answered.contains(table));
        for planned in plan.tables.values() {
            let is_built = matches!(planned.action, Action::Build);
            let is_touched = is_built
                || matches!(
                    planned.action,
                    Action::Ingest { .. } | Action::Retest | Action::Redescribe
                );
            let inputs = planned.published_inputs.iter().filter(|_| is_built);
            let own = is_touched.then_some(&planned.table);
            if let Some(error) = own
                .into_iter()
                .chain(inputs)
                .find_map(|t| changed.remove(t))
            {
                return Err(error);
            }
        }
        Ok(())
    }

    /// # Errors
    /// `Config` K0719 where there is nothing to answer; K0718 for what cannot be taken over.
    pub(super) async fn refuse_vain_answers(
        &self,
        project: &Project,
        catalog: &Catalog,
        release: Option<&Release>,
    ) -> Result<()> {
        for table in &self.adopt {
            let load = project.sources.get(table).map(|source| source.load);
            if load != Some(Load::Append) {
                return Err(Error::config(format!(
                    "`{table}` is not the table of an `append` source: the next build would make it anew without those rows"
                ))
                .code(Code(718))
                .help(format!("`kilde build --overrule {table}` publishes ours over them")));
            }
        }
        let answered = self.answered(release);
        let is_found = |name: &&String| {
            let mut found = answered.iter();
            !found.any(|table| table.to_string() == **name || table.name() == name.as_str())
        };
        let adopted = self.adopt.iter().map(TableName::to_string).collect();
        for names in [&self.overrule, &adopted] {
            if let Some(name) = names.iter().find(is_found) {
                return Err(nothing_to_answer(name));
            }
        }
        for table in &answered {
            let entry = release.and_then(|release| Some((release, release.tables.get(table)?)));
            let changes = match entry {
                Some((release, entry)) if entry.version.is_some() => {
                    let changes = catalog.lake().foreign_changes(release, table, entry);
                    changes.await?.changes
                }
                _ => Vec::new(),
            };
            if changes.is_empty() {
                return Err(nothing_to_answer(&table.to_string()));
            }
        }
        Ok(())
    }
}

fn nothing_to_answer(table: &str) -> Error {
    Error::config(format!("no other tool has changed `{table}`"))
        .code(Code(719))
        .help("`kilde build` builds as ever; compactions by other tools are followed by themselves")
}

/// What another tool added to a table, to be taken over as if it had come in an export.
struct ForeignRows {
    /// The version up to which it wrote.
    head: u64,
    /// The entry of the table's log that began it: its name in the ledger.
    export: String,
    written_at: Option<DateTime<Utc>>,
    /// Of the files that it added.
    bytes: u64,
}

impl Execution {
    /// The table with the rows that another tool added to it; its new exports wait for the next build.
    pub(super) async fn adopt(&self, plan: &TablePlan) -> Result<TableResult> {
        let table = &plan.table;
        let entry = self
            .entry(table)
            .ok_or_else(|| Error::internal(format!("`{table}` is adopted and not published")))?;
        let foreign = self.foreign_rows(table, entry).await?;
        let theirs = TableEntry {
            version: Some(foreign.head),
            ..entry.clone()
        };
        let content = async |entry: &TableEntry| {
            let content = self.catalog.content(table, entry).await?;
            Ok::<_, Error>(content.with_columns(plan.schema.clone()))
        };
        let (theirs, present) = (content(&theirs).await?, content(entry).await?);
        let written = self.write_added(plan, &foreign, &theirs, &present).await?;
        let (content, outcome) = self.appended(plan, &present, &written)?;
        self.record_ingested(
            table,
            Ingested {
                entries: vec![self.entry_of_foreign_rows(table, entry, foreign, written.rows)],
                ..Ingested::default()
            },
        );
        let result = TableResult::new(plan, outcome);
        let mut result = result.counting(content.rows, Some(present.rows));
        result.built_from.clear();
        // no export was held to these rules: the rows are
        let counted = self.counted_as_any(plan)?;
        self.test(plan, &counted, &content, None, &mut result)
            .await?;
        result.content = Some(content);
        Ok(result)
    }

    /// What another tool added to a table.
    ///
    /// # Errors
    /// `Config` K0719 where it added nothing, K0718 where it did what cannot be taken over.
    async fn foreign_rows(&self, table: &TableName, entry: &TableEntry) -> Result<ForeignRows> {
        let lake = self.catalog.lake();
        let base = self.observation.release.as_ref();
        let base = base.ok_or_else(|| Error::internal("rows are adopted without a release"))?;
        let ForeignChanges {
            head,
            changes,
            void_from,
        } = lake.foreign_changes(base, table, entry).await?;
        let (Some(head), Some(first)) = (head, changes.first()) else {
            return Err(nothing_to_answer(&table.to_string()));
        };
        let head = match void_from {
            None => head,
            // what was given up wrote upon it
            Some(void) if changes.iter().all(|commit| commit.version < void) => void - 1,
            // the rows below its own are those of a release that counts as nothing, and their exports are read again
            Some(_) => {
                return Err(not_adoptable(
                    table,
                    "wrote upon a release that was given up",
                ));
            }
        };
        let redefining = |commit: &&Commit| commit.changes_metadata || commit.changes_protocol;
        if changes.iter().any(|commit| redefining(&commit)) {
            return Err(not_adoptable(table, "changed its columns or properties"));
        }
        let files = changes.iter().flat_map(|commit| &commit.adds);
        Ok(ForeignRows {
            head,
            export: lake.table_entry(entry, first.version),
            written_at: first.written_at,
            bytes: files.map(|file| file.size).sum(),
        })
    }

    /// Writes the rows that were added. `theirs`: the table as the other tool left it; `present`: as it is published.
    ///
    /// # Errors
    /// `Config` K0718 where other rows are not what they were, or none was added.
    async fn write_added(
        &self,
        plan: &TablePlan,
        foreign: &ForeignRows,
        theirs: &Content,
        present: &Content,
    ) -> Result<Written> {
        let table = &plan.table;
        let engine = self.catalog.engine();
        let session = engine.session(&BTreeMap::new(), Joins::Hash)?;
        let rows = |content: &Content| -> Result<DataFrame> {
            session
                .read_table(content.provider()?)
                .and_then(|rows| rows.select(columns(plan, |_| None)))
                .map_err(engine::failure)
        };
        let ours = self.is_ours(table);
        let staying = rows(theirs)?.filter(ours.clone().is_true());
        let staying = digest(staying.map_err(engine::failure)?).await?;
        if staying != digest(rows(present)?).await? {
            return Err(not_adoptable(
                table,
                "deleted or changed rows of exports, or wrote rows in the name of one",
            ));
        }
        let provenance = |name: &str| match name {
            SOURCE_FILE => Some(lit(foreign.export.as_str())),
            SOURCE_ROW => Some(lit(ScalarValue::Int64(None))),
            _ => None,
        };
        let added = rows(theirs)?
            .filter(ours.is_not_true())
            .and_then(|rows| rows.select(columns(plan, provenance)))
            .map_err(engine::failure)?;
        let physical = added
            .create_physical_plan()
            .await
            .map_err(engine::failure)?;
        let buckets = super::step::buckets(foreign.bytes);
        let spec = self.write_spec(plan, Layout::Sorted { buckets }, 0)?;
        let written = lake::write_table(session.task_ctx(), physical, &spec).await?;
        match written.rows {
            0 => Err(not_adoptable(table, "added no row")),
            _ => Ok(written),
        }
    }

    /// What the ledger says of rows that were taken over, as of an export.
    fn entry_of_foreign_rows(
        &self,
        table: &TableName,
        entry: &TableEntry,
        foreign: ForeignRows,
        rows: u64,
    ) -> LedgerEntry {
        let named = format!("{} {}", entry.table_id, foreign.export);
        LedgerEntry {
            source: table.clone(),
            hash: blake3::hash(named.as_bytes()).to_hex().to_string(),
            path: foreign.export,
            size: foreign.bytes,
            modified_at: foreign.written_at.unwrap_or(self.observation.observed.now),
            tag: None,
            ordered_at: None,
            status: FileStatus::Adopted,
            duplicate_of: None,
            counts: FileCounts {
                records: rows,
                inserted: rows,
                ..FileCounts::default()
            },
            release: self.next_release(),
            run_id: self.run.clone(),
            as_of: self.request.as_of,
            decision: 0,
            taken_back: 0,
            unread: None,
        }
    }

    /// Whether a row came in an export that counts.
    fn is_ours(&self, table: &TableName) -> Expr {
        let ledger = self.observation.ledger.get(table);
        let entries = ledger.into_iter().flat_map(Ledger::entries);
        let paths = entries
            .filter(|entry| entry.counts_in_table())
            .map(|entry| lit(entry.path.as_str()));
        ident(SOURCE_FILE).in_list(paths.collect(), false)
    }
}

/// The columns of the table in its types, some of them as `given`.
fn columns(plan: &TablePlan, given: impl Fn(&str) -> Option<Expr>) -> Vec<Expr> {
    let column = |name: &String, data_type: &DataType| {
        let value = given(name).unwrap_or_else(|| ident(name));
        cast(value, data_type.clone()).alias(name)
    };
    let fields = plan.schema.fields().iter();
    fields
        .map(|field| column(field.name(), field.data_type()))
        .collect()
}

async fn digest(rows: DataFrame) -> Result<Digest> {
    let mut batches = rows.execute_stream().await.map_err(engine::failure)?;
    let (mut hasher, mut digest) = (RowHasher::default(), Digest::default());
    while let Some(batch) = batches.next().await {
        digest += hasher.digest(&batch.map_err(engine::failure)?)?;
    }
    Ok(digest)
}

fn not_adoptable(table: &TableName, what: &str) -> Error {
    Error::config(format!(
        "what another tool did to `{table}` cannot be taken over: it {what}"
    ))
    .code(Code(718))
    .help(format!(
        "`kilde build --overrule {table}` publishes ours over it; `kilde query --release N` shows what was published"
    ))
}
