//! The tables of `ops` that every release carries: the ledger and the rejects. Both are partitioned by source, so that a
//! build rewrites only the partitions of the sources that it read, and a rollback takes back only those that go back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::logical_expr::{Expr, cast, ident, lit};
use datafusion::prelude::SessionContext;

use super::execute::{Executed, Execution};
use super::publication::{schema_hash, write_of};
use super::report::ExportReport;
use crate::catalog::{Candidate, Catalog, Content};
use crate::engine::{self, FileSet, Joins};
use crate::error::{Error, Result};
use crate::ingest::{self, ExportReport as DecodedReport, Ledger, LedgerEntry, ReadExport};
use crate::lake::{self, Layout, TableDefinition, TableIdentity, WriteSpec, Written};
use crate::name::{ClaimNumber, OWN_SCHEMA, RunId, TableName};
use crate::plan::{ExportState, ObservedExport};
use crate::release::{
    Claim, Fingerprints, LiveFile, Release, RollbackClass, TableFacts, TableWrite,
};

const PARTITION: &str = "source";
/// Files of what is published and of what is only to be looked at are told apart by their names.
const PUBLISHED: u32 = 0;
const LOOKED_AT: u32 = 1;

/// What a source's exports became in this build.
#[derive(Clone, Debug, Default)]
pub(super) struct Ingested {
    /// New entries of the ledger, in the order of reading.
    pub(super) entries: Vec<LedgerEntry>,
    /// Entries of exports whose rows left the table.
    pub(super) retracted: Vec<LedgerEntry>,
    /// Entries of exports that cannot be read and were left out.
    pub(super) unreadable: Vec<LedgerEntry>,
    /// The exports behind `entries`, without duplicates.
    pub(super) decoded: Vec<Arc<ReadExport>>,
    /// Exports whose earlier rejects are void: they left, or were read again.
    pub(super) replaced: BTreeSet<String>,
    /// Of exports that count although another has their content, that one.
    pub(super) equal: BTreeMap<String, String>,
    /// Each export says all that is true (`replace`).
    pub(super) is_whole_truth: bool,
}

impl Ingested {
    pub(super) fn bytes(&self) -> u64 {
        self.entries.iter().map(|entry| entry.size).sum()
    }

    /// Whether this run has looked at the export.
    pub(super) fn has_tried(&self, path: &str) -> bool {
        let entries = self.entries.iter().chain(&self.retracted);
        entries
            .chain(&self.unreadable)
            .any(|entry| entry.path == path)
    }

    pub(super) fn rejected(&self) -> u64 {
        self.decoded
            .iter()
            .map(|export| export.report.rejected)
            .sum()
    }

    pub(super) fn export_reports(&self) -> Vec<ExportReport> {
        let entries = self.entries.iter();
        entries
            .map(|entry| ExportReport {
                path: entry.path.clone(),
                bytes: entry.size,
                hash: entry.hash.clone(),
                records: entry.counts.records,
                inserted: entry.counts.inserted,
                updated: entry.counts.updated,
                unchanged: entry.counts.unchanged,
                superseded: entry.counts.superseded,
                duplicate: entry.counts.duplicate,
                rejected: entry.counts.rejected,
                duplicate_of: entry.duplicate_of.clone(),
                equal_to: self.equal.get(&entry.path).cloned(),
                doubt: self
                    .decoded(&entry.path)
                    .and_then(DecodedReport::doubt)
                    .or_else(|| doubled(entry).filter(|_| self.is_whole_truth)),
                ..self
                    .decoded(&entry.path)
                    .map(ExportReport::found)
                    .unwrap_or_default()
            })
            .collect()
    }

    fn decoded(&self, path: &str) -> Option<&DecodedReport> {
        let mut reports = self.decoded.iter().map(|export| &export.report);
        reports.find(|report| report.path == path)
    }
}

/// What people should look at where an export that is the whole truth names some things twice: most likely another column is
/// the key. An export that is history by now is superseded whole, which is nothing to look at.
fn doubled(entry: &LedgerEntry) -> Option<String> {
    let counts = entry.counts;
    let some = 1..counts.records.saturating_sub(counts.rejected);
    some.contains(&counts.superseded).then(|| {
        format!(
            "{}: {} of {} records have the key of a later one, which stands in their place: does `key` name a record?",
            entry.path, counts.superseded, counts.records
        )
    })
}

pub(super) fn files_table() -> Result<TableName> {
    TableName::new(OWN_SCHEMA, "files").map_err(Error::internal)
}

pub(super) fn rejects_table() -> Result<TableName> {
    TableName::new(OWN_SCHEMA, "rejects").map_err(Error::internal)
}

/// The ledger of a release, by source.
pub(super) async fn ledger(
    catalog: &Catalog,
    release: &Release,
) -> Result<BTreeMap<TableName, Ledger>> {
    let table = files_table()?;
    let Some(entry) = release.table(&table) else {
        return Ok(BTreeMap::new());
    };
    let content = catalog.content(&table, entry).await?;
    ledger_in(catalog, &content).await
}

/// The ledger that a table of files holds.
pub(super) async fn ledger_in(
    catalog: &Catalog,
    content: &Content,
) -> Result<BTreeMap<TableName, Ledger>> {
    let table = files_table()?;
    let mut ledger: BTreeMap<TableName, Ledger> = BTreeMap::new();
    let provider = content.provider()?;
    let session = catalog
        .engine()
        .session(&BTreeMap::from([(table.clone(), provider)]), Joins::Hash)?;
    let sql = format!("select * from {table} order by source, ordered_at, path");
    let frame = session.sql(&sql).await.map_err(engine::failure)?;
    for batch in engine::collect(frame).await? {
        for entry in ingest::ledger_entries(&batch)? {
            ledger
                .entry(entry.source.clone())
                .or_default()
                .insert(entry);
        }
    }
    Ok(ledger)
}

impl Execution {
    /// New versions of the ledger and the rejects, where this build read exports.
    pub(super) async fn ops_tables(
        &self,
        executed: &Executed,
    ) -> Result<BTreeMap<TableName, TableWrite>> {
        let mut writes = BTreeMap::new();
        for (table, content) in self.ops_contents(&executed.ingested, PUBLISHED).await? {
            let published = self.published(&table).await?;
            let facts = own_facts(&content);
            writes.insert(table, write_of(&content, published.as_ref(), facts));
        }
        Ok(writes)
    }

    /// Ledger and rejects as this run would have left them without a failure or a hold, where it rejected records: what
    /// `kilde rejects --candidate` reads. A failure to write them must not hide the one that they explain: they are left
    /// out then.
    pub(super) async fn ops_candidates(
        &self,
        executed: &Executed,
    ) -> BTreeMap<TableName, Candidate> {
        let mut read = executed.ingested.clone();
        read.extend(executed.withheld.clone());
        if read.values().all(|ingested| ingested.rejected() == 0) {
            return BTreeMap::new();
        }
        let contents = self.ops_contents(&read, LOOKED_AT).await;
        let contents = contents.unwrap_or_default();
        contents
            .into_iter()
            .map(|(table, content)| (table, Candidate::of(&content)))
            .collect()
    }

    async fn ops_contents(
        &self,
        read: &BTreeMap<TableName, Ingested>,
        series: u32,
    ) -> Result<BTreeMap<TableName, Content>> {
        let mut contents = BTreeMap::new();
        let rejects = rejects_table()?;
        if read.is_empty() {
            // lost, and made anew: empty, since no export is read
            if self.request.rebuild.contains(&rejects)
                && let Some(content) = self.rejects_content(read, series).await?
            {
                contents.insert(rejects, content);
            }
            return Ok(contents);
        }
        let sources: BTreeSet<&TableName> = read.keys().collect();
        let mut entries = Vec::new();
        for (source, ingested) in read {
            let new = || {
                let entries = ingested.entries.iter().chain(&ingested.retracted);
                entries.chain(&ingested.unreadable)
            };
            let replaced: BTreeSet<&str> = new().map(|entry| entry.path.as_str()).collect();
            let earlier = self
                .observation
                .ledger
                .get(source)
                .into_iter()
                .flat_map(Ledger::entries);
            let known = self.known(source);
            // an export that is gone is never forgotten, even where all others were read again
            entries.extend(
                earlier
                    .filter(|old| !replaced.contains(old.path.as_str()))
                    .map(|old| match known.get(old.path.as_str()) {
                        Some(export) => self.seen_again(old, export),
                        None => old.clone(),
                    }),
            );
            entries.extend(new().cloned());
        }
        let batch = ingest::ledger_batch(&entries)?;
        let provider = MemTable::try_new(ingest::ledger_schema(), vec![vec![batch]])
            .map_err(engine::failure)?;
        let files = files_table()?;
        // each source's entries lie together: its partition is written anew
        let old = |source: &str| sources.iter().any(|name| name.to_string() == source);
        let content = self
            .ops_content(
                &files,
                Arc::new(provider),
                ingest::ledger_schema(),
                old,
                series,
            )
            .await?;
        contents.insert(files, content);

        if let Some(content) = self.rejects_content(read, series).await? {
            contents.insert(rejects, content);
        }
        Ok(contents)
    }

    /// Exports of a source that were found to be as the ledger has them.
    fn known(&self, source: &TableName) -> BTreeMap<&str, &ObservedExport> {
        let exports = self.observation.observed.exports.get(source);
        let is_known = |export: &&ObservedExport| {
            export.state == ExportState::Known && !export.is_excluded && export.unready.is_none()
        };
        let known = exports.into_iter().flatten().filter(is_known);
        known.map(|export| (export.path.as_str(), export)).collect()
    }

    /// An entry that stays, with what is known now of its file.
    fn seen_again(&self, entry: &LedgerEntry, export: &ObservedExport) -> LedgerEntry {
        match self.observation.remembered(&entry.source, &entry.path) {
            Some(seen) => LedgerEntry {
                size: export.size,
                modified_at: seen.modified_at,
                tag: seen.tag,
                unread: entry.unread.clone().filter(|_| export.is_spoilt),
                ..entry.clone()
            },
            None => entry.clone(),
        }
    }

    /// A new version of the rejects, where any come or go.
    async fn rejects_content(
        &self,
        read: &BTreeMap<TableName, Ingested>,
        series: u32,
    ) -> Result<Option<Content>> {
        let decoded = read
            .values()
            .flat_map(|ingested| ingested.decoded.iter())
            .filter(|export| export.rejects.rows() > 0);
        let new: Vec<_> = decoded.map(|export| Arc::clone(&export.rejects)).collect();
        let mut void: BTreeSet<String> = BTreeSet::new();
        let mut parts: Vec<(&TableName, &BTreeSet<String>)> = Vec::new();
        for (source, ingested) in read {
            if self.had_rejects(source, &ingested.replaced) {
                void.insert(source.to_string());
                parts.push((source, &ingested.replaced));
            }
        }
        let rejects = rejects_table()?;
        let published = self.published(&rejects).await?;
        if new.is_empty() && void.is_empty() && published.is_some() {
            return Ok(None);
        }
        let mut rows = ingest::scratch_table(ingest::rejects_schema(), new)?;
        if let (Some(published), false) = (&published, parts.is_empty()) {
            rows = self.with_rejects_that_stay(rows, published, &parts)?;
        }
        let void = |source: &str| void.contains(source);
        self.ops_content(&rejects, rows, ingest::rejects_schema(), void, series)
            .await
            .map(Some)
    }

    /// Whether the ledger counts a reject in any of these exports.
    fn had_rejects(&self, source: &TableName, paths: &BTreeSet<String>) -> bool {
        let ledger = self.observation.ledger.get(source);
        let entries = ledger.into_iter().flat_map(Ledger::entries);
        let mut rejected = entries.filter(|entry| entry.counts.rejected > 0);
        rejected.any(|entry| paths.contains(&entry.path))
    }

    /// New rejects and, of the sources named, the published ones but those of some exports.
    fn with_rejects_that_stay(
        &self,
        new: Arc<dyn TableProvider>,
        published: &Content,
        parts: &[(&TableName, &BTreeSet<String>)],
    ) -> Result<Arc<dyn TableProvider>> {
        let session = self
            .catalog
            .engine()
            .session(&BTreeMap::new(), Joins::Hash)?;
        let schema = ingest::rejects_schema();
        let columns: Vec<Expr> = schema
            .fields()
            .iter()
            .map(|field| cast(ident(field.name()), field.data_type().clone()).alias(field.name()))
            .collect();
        let mut rows = session.read_table(new).map_err(engine::failure)?;
        for (source, void) in parts {
            let void = void.iter().map(|path| lit(path.as_str())).collect();
            let of_source = ident(PARTITION).eq(lit(source.to_string()));
            let stays = of_source.and(ident("file").in_list(void, true));
            let staying = session
                .read_table(published.provider()?)
                .and_then(|rows| rows.select(columns.clone()))
                .and_then(|rows| rows.filter(stays))
                .map_err(engine::failure)?;
            rows = rows.union(staying).map_err(engine::failure)?;
        }
        Ok(rows.into_view())
    }

    /// Rows added to one of our tables; the partitions of `void` sources go.
    async fn ops_content(
        &self,
        table: &TableName,
        rows: Arc<dyn TableProvider>,
        schema: SchemaRef,
        void: impl Fn(&str) -> bool,
        series: u32,
    ) -> Result<Content> {
        let published = self.published(table).await?;
        let session = self
            .catalog
            .engine()
            .session(&BTreeMap::from([(table.clone(), rows)]), Joins::Hash)?;
        let writer = OpsWriter {
            catalog: &self.catalog,
            claim: self.claim,
            run: &self.run,
            written_at: self.runner.clock.now(),
            retention_days: self.runner.project.keep.days(),
        };
        let written = writer.write(&session, table, &schema, series).await?;
        let identity = match &published {
            Some(content) => TableIdentity::of(&content.definition)?,
            None => self.new_identity(),
        };
        let definition = definition(table, identity, &schema, writer.retention_days)?;
        let kept: Vec<(LiveFile, engine::DataFile)> = match &published {
            Some(old) => kept_files(old, &void),
            None => Vec::new(),
        };
        let by_source = [PARTITION.to_string()];
        content_of(table, &schema, definition, &by_source, &kept, &written)
    }
}

/// Who writes to one of our own tables.
pub(super) struct OpsWriter<'a> {
    catalog: &'a Catalog,
    claim: ClaimNumber,
    run: &'a RunId,
    written_at: DateTime<Utc>,
    /// How long versions of the table are kept.
    retention_days: u32,
}

impl<'a> OpsWriter<'a> {
    /// For an operation that holds that claim.
    pub(super) fn of_claim(
        catalog: &'a Catalog,
        claim: &'a Claim,
        written_at: DateTime<Utc>,
        retention_days: u32,
    ) -> Self {
        Self {
            catalog,
            claim: claim.number(),
            run: claim.run(),
            written_at,
            retention_days,
        }
    }

    async fn write(
        &self,
        session: &SessionContext,
        table: &TableName,
        schema: &SchemaRef,
        series: u32,
    ) -> Result<Written> {
        let frame = session
            .table(table.to_string())
            .await
            .map_err(engine::failure)?;
        let plan = frame
            .create_physical_plan()
            .await
            .map_err(engine::failure)?;
        let spec = WriteSpec {
            store: engine::lake_url()?,
            folder: None,
            location: table.location(),
            schema: schema.clone(),
            key: Vec::new(),
            partition_by: vec![PARTITION.to_string()],
            layout: Layout::Sorted { buckets: 1 },
            claim: self.claim,
            run: self.run.clone(),
            attempt: series,
            // paths may name people, and raw records do
            personal: schema
                .fields()
                .iter()
                .map(|field| field.name().clone())
                .collect(),
            statistics_columns: Vec::new(),
            counters: Vec::new(),
            written_at: self.written_at,
        };
        lake::write_table(session.task_ctx(), plan, &spec).await
    }
}

/// The table of that content, or a new one, with the columns that we write today.
fn definition(
    table: &TableName,
    identity: TableIdentity,
    schema: &SchemaRef,
    retention_days: u32,
) -> Result<String> {
    let description = match table.name() {
        "files" => "The ledger: which export became which rows.",
        _ => "Records that broke their contract: where, which rule, and the record as delivered.",
    };
    TableDefinition {
        identity,
        table,
        description: Some(description),
        schema,
        comments: BTreeMap::new(),
        partition_by: &[PARTITION.to_string()],
        statistics_columns: Vec::new(),
        retention_days,
    }
    .lines()
}

/// Files whose source is not void.
fn kept_files(
    content: &Content,
    void: &impl Fn(&str) -> bool,
) -> Vec<(LiveFile, engine::DataFile)> {
    files_with_source(content)
        .into_iter()
        .filter(|(_, _, source)| !source.as_deref().is_some_and(void))
        .map(|(live, data, _)| (live, data))
        .collect()
}

/// Every file of a table that is partitioned by source, and its source.
fn files_with_source(content: &Content) -> Vec<(LiveFile, engine::DataFile, Option<String>)> {
    let set = &content.file_set;
    let at = set
        .partition_columns
        .iter()
        .position(|column| column == PARTITION);
    // both lists are in order of the log's path
    content
        .files
        .values()
        .zip(&set.files)
        .map(|(live, data)| {
            let source = at.and_then(|at| data.partition_values.get(at).cloned().flatten());
            (live.clone(), data.clone(), source)
        })
        .collect()
}

/// What a release knows of one of kilde's own tables.
pub(super) fn own_facts(content: &Content) -> TableFacts {
    TableFacts {
        pipeline: String::new(),
        fingerprints: Fingerprints::default(),
        built_from: BTreeMap::new(),
        digest: content.digest.clone(),
        rows: content.rows,
        bytes: content.bytes(),
        schema_hash: schema_hash(content),
        rollback: RollbackClass::Keeps,
    }
}

/// One of kilde's own tables, of files that stay and files just written.
pub(super) fn content_of(
    table: &TableName,
    schema: &SchemaRef,
    definition: String,
    partition_by: &[String],
    kept: &[(LiveFile, engine::DataFile)],
    written: &Written,
) -> Result<Content> {
    let new = written.files.iter().map(|file| (&file.live, &file.data));
    let all: Vec<_> = kept
        .iter()
        .map(|(live, data)| (live, data))
        .chain(new)
        .collect();
    Ok(Content {
        name: table.clone(),
        location: table.location(),
        table_id: TableIdentity::of(&definition)?.id,
        version: None,
        rows: all.iter().map(|(_, data)| data.rows).sum(),
        // nothing is built from tables of `ops`, and they differ between equal builds
        digest: String::new(),
        file_set: FileSet {
            location: table.location(),
            schema: schema.clone(),
            partition_columns: partition_by.to_vec(),
            files: all.iter().map(|(_, data)| (*data).clone()).collect(),
        },
        files: all
            .iter()
            .map(|(live, _)| (live.path.clone(), (*live).clone()))
            .collect(),
        definition,
    })
}

/// Ledger and rejects as they shall be after a rollback: those of sources that keep as they are now; of sources that go back
/// the rejects of then, and a ledger of then that forgets nothing which was loaded since.
pub(super) async fn rolled_back(
    writer: &OpsWriter<'_>,
    now: Option<&Release>,
    then: &Release,
) -> Result<BTreeMap<TableName, TableWrite>> {
    let mut writes = BTreeMap::new();
    let Some(now) = now else { return Ok(writes) };
    let keeps = |source: &str| {
        let source: Option<TableName> = source.parse().ok();
        let entry = source.and_then(|source| now.tables.get(&source));
        entry.is_some_and(|entry| entry.facts.rollback == RollbackClass::Keeps)
    };
    for table in [files_table()?, rejects_table()?] {
        let Some(entry) = now.table(&table) else {
            continue;
        };
        let present = writer.catalog.content(&table, entry).await?;
        let mut kept = kept_files(&present, &|source: &str| !keeps(source));
        let content = if table == files_table()? {
            let batch = ingest::ledger_batch(&rolled_back_ledger(writer, now, then, keeps).await?)?;
            let schema = ingest::ledger_schema();
            let rows = MemTable::try_new(schema.clone(), vec![vec![batch]]);
            let rows: Arc<dyn TableProvider> = Arc::new(rows.map_err(engine::failure)?);
            let tables = BTreeMap::from([(table.clone(), rows)]);
            let session = writer.catalog.engine().session(&tables, Joins::Hash)?;
            let written = writer.write(&session, &table, &schema, PUBLISHED).await?;
            let identity = TableIdentity::of(&present.definition)?;
            let definition = definition(&table, identity, &schema, writer.retention_days)?;
            let by_source = &present.file_set.partition_columns;
            content_of(&table, &schema, definition, by_source, &kept, &written)?
        } else {
            if let Some(entry) = then.table(&table) {
                let past = writer.catalog.content(&table, entry).await?;
                kept.extend(kept_files(&past, &keeps));
            }
            content_of(
                &table,
                &present.file_set.schema,
                present.definition.clone(),
                &present.file_set.partition_columns,
                &kept,
                &Written::default(),
            )?
        };
        let facts = TableFacts {
            rows: content.rows,
            bytes: content.bytes(),
            schema_hash: schema_hash(&content),
            ..entry.facts.clone()
        };
        writes.insert(table, write_of(&content, Some(&present), facts));
    }
    Ok(writes)
}

/// The entries of the sources that go back.
async fn rolled_back_ledger(
    writer: &OpsWriter<'_>,
    now: &Release,
    then: &Release,
    keeps: impl Fn(&str) -> bool,
) -> Result<Vec<LedgerEntry>> {
    let present = ledger(writer.catalog, now).await?;
    let past = ledger(writer.catalog, then).await?;
    let sources: BTreeSet<&TableName> = present.keys().chain(past.keys()).collect();
    let none = Ledger::default();
    let mut entries = Vec::new();
    for source in sources {
        if keeps(&source.to_string()) {
            continue;
        }
        let present = present.get(source).unwrap_or(&none);
        let past = past.get(source).unwrap_or(&none);
        let back = present
            .entries()
            .map(|entry| entry.roll_back(past.entry(&entry.path)));
        entries.extend(back);
        let only_then = past
            .entries()
            .filter(|entry| present.entry(&entry.path).is_none());
        entries.extend(only_then.cloned());
    }
    Ok(entries)
}
