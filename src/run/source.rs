//! A source: its new exports decoded, merged into the table, accounted for, tested.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::execute::{Execution, TableResult};
use super::observe::FoundExport;
use super::ops_tables::Ingested;
use super::report::TableOutcome;
use crate::catalog::Content;
use crate::diagnostic::Code;
use crate::engine::{self, Joins};
use crate::error::{Error, Result};
use crate::ingest::{
    self, DecodedExport, Export, FileCounts, FileStatus, Ledger, LedgerEntry, LoadReport,
    LoadRequest, Standing, Turn,
};
use crate::lake::{self, Digest, Layout, Written};
use crate::name::ReleaseNumber;
use crate::plan::{Action, ExportState, ObservedExport, TablePlan};
use crate::project::{Load, Source};

impl Execution {
    pub(super) async fn source(&self, plan: &TablePlan) -> Result<TableResult> {
        self.refuse_overdue(plan)?;
        let (exports, reload) = match &plan.action {
            Action::Ingest { exports, reload } => (exports, *reload),
            Action::Retest => return self.retest(plan).await,
            Action::Redescribe => return self.redescribe(plan).await,
            _ => return Ok(TableResult::new(plan, TableOutcome::Unchanged)),
        };
        let source = self.runner.project.sources.get(&plan.table);
        let source = Arc::new(source.cloned().ok_or_else(|| no_source(plan))?);
        refuse_changed(&source, exports, reload)?;
        let published = self.published(&plan.table).await?;
        let present = published.as_ref().filter(|_| !reload);

        let decoded = self.decode(&source, exports).await?;
        let reports: Vec<_> = decoded.iter().map(|export| &export.report).collect();
        if let Err(error) = ingest::check_rejects(&source, &reports, &self.run) {
            self.record_ingested(&plan.table, self.refused(&source, decoded));
            return Err(error);
        }
        let (unique, duplicates) = self.without_duplicates(&source, decoded, reload);
        let counted = self.counted(plan)?;
        let (written, report) = self
            .merge(plan, &source, present, &unique, &counted, reload)
            .await?;
        self.record_ingested(
            &plan.table,
            Ingested {
                entries: self.entries(&source, &unique, duplicates, &report),
                decoded: unique,
                reload,
            },
        );

        let rows_before = published.as_ref().map(|content| content.rows);
        // what was counted while writing speaks of the whole table only where all of it was written
        let whole = (source.load != Load::Append || present.is_none()).then_some(&written);
        let (content, outcome) = match (source.load, present) {
            (Load::Append, Some(present)) => self.appended(plan, present, &written)?,
            _ => self.settle_content(plan, published.clone(), &written)?,
        };
        let mut result = TableResult::new(plan, outcome).counting(content.rows, rows_before);
        result.built_from = BTreeMap::new();
        self.test(plan, &counted, &content, whole, &mut result)
            .await?;
        result.content = Some(content);
        Ok(result)
    }

    /// # Errors
    /// `Input` K0430 where the newest export is older than the project allows.
    fn refuse_overdue(&self, plan: &TablePlan) -> Result<()> {
        match &plan.overdue {
            Some(overdue) if overdue.fails => Err(Error::input(overdue.to_string())
                .code(Code(430))
                .help("ask the sender; with `on_error: hold` the rest is built meanwhile")),
            _ => Ok(()),
        }
    }

    /// Exports of which more records were rejected than the source allows: kept so that people can look at the rejects.
    fn refused(&self, source: &Source, decoded: Vec<Arc<DecodedExport>>) -> Ingested {
        let entry = |export: &Arc<DecodedExport>| {
            let counts = FileCounts {
                records: export.report.records,
                rejected: export.report.rejected,
                ..FileCounts::default()
            };
            LedgerEntry {
                status: FileStatus::Refused,
                ..self.entry_of(source, export, counts)
            }
        };
        Ingested {
            entries: decoded.iter().map(entry).collect(),
            decoded,
            reload: false,
        }
    }

    /// Decodes exports, as many at once as there are threads; in the order given.
    async fn decode(
        &self,
        source: &Arc<Source>,
        exports: &[ObservedExport],
    ) -> Result<Vec<Arc<DecodedExport>>> {
        let contract = self.contract(&source.table).cloned();
        let contract = Arc::new(
            contract
                .ok_or_else(|| Error::internal(format!("`{}` has no contract", source.table)))?,
        );
        let raw =
            self.observation.raw.as_ref().ok_or_else(|| {
                Error::internal("exports are read from a folder that does not exist")
            })?;
        let found = self.observation.found.get(&source.table);
        let folder = self
            .catalog
            .engine()
            .scratch_folder()
            .join(source.table.to_string());
        let limit = self.runner.project.max_record_bytes;
        let mut decoding = Vec::with_capacity(exports.len());
        for (number, export) in exports.iter().enumerate() {
            let export = located(export, found.and_then(|found| found.get(&export.path)))?;
            let scratch = folder.join(number.to_string());
            let (source, contract) = (Arc::clone(source), Arc::clone(&contract));
            let store = raw.object_store();
            let decoders = Arc::clone(&self.decoders);
            let decoded = async move {
                let _permit = decoders
                    .acquire_owned()
                    .await
                    .map_err(|error| Error::internal("decoders are gone").caused_by(error))?;
                ingest::decode_export(&store, &export, &source, &contract, limit, &scratch)
                    .await
                    .map(Arc::new)
            };
            decoding.push(decoded.boxed());
        }
        stream::iter(decoding)
            .buffered(self.runner.resources.threads.max(1))
            .try_collect()
            .await
    }

    /// Takes out exports of an `append` source whose equal, non-empty content counts already under another name.
    fn without_duplicates(
        &self,
        source: &Source,
        decoded: Vec<Arc<DecodedExport>>,
        reload: bool,
    ) -> (Vec<Arc<DecodedExport>>, Vec<LedgerEntry>) {
        let known = self
            .observation
            .ledger
            .get(&source.table)
            .filter(|_| !reload);
        let mut ledger = known.cloned().unwrap_or_default();
        let (mut unique, mut duplicates) = (Vec::new(), Vec::new());
        for export in decoded {
            let report = &export.report;
            match ledger.standing(source.load, &report.path, &report.hash) {
                Standing::Duplicate { of } => {
                    let counts = FileCounts {
                        records: report.records,
                        duplicate: report.records,
                        ..FileCounts::default()
                    };
                    let entry = self.entry_of(source, &export, counts);
                    duplicates.push(LedgerEntry {
                        status: FileStatus::Duplicate,
                        duplicate_of: Some(of),
                        ..entry
                    });
                }
                Standing::New | Standing::Known | Standing::Changed => {
                    let counts = FileCounts {
                        records: report.records,
                        ..FileCounts::default()
                    };
                    ledger.insert(self.entry_of(source, &export, counts));
                    unique.push(export);
                }
            }
        }
        (unique, duplicates)
    }

    /// Folds the exports into the table and writes it; for `append` only the new rows.
    async fn merge(
        &self,
        plan: &TablePlan,
        source: &Source,
        present: Option<&Content>,
        exports: &[Arc<DecodedExport>],
        counted: &super::testing::Counted,
        reload: bool,
    ) -> Result<(Written, LoadReport)> {
        let contract = self.contract(&plan.table).ok_or_else(|| no_source(plan))?;
        let ordinals = self.ordinals(source);
        let turns = exports.iter().map(|export| Turn {
            export: Arc::clone(export),
            ordinal: ordinals
                .get(&export.report.path)
                .copied()
                .unwrap_or_default(),
        });
        let known = self
            .observation
            .ledger
            .get(&source.table)
            .into_iter()
            .flat_map(Ledger::entries);
        let loaded = known
            .filter(|_| !reload)
            .filter_map(|entry| Some((entry.path.clone(), *ordinals.get(&entry.path)?)));
        let session = self
            .catalog
            .engine()
            .session(&BTreeMap::new(), Joins::Hash)?;
        let loading = ingest::load(
            &session,
            LoadRequest {
                contract,
                load: source.load,
                present: present.map(Content::provider).transpose()?,
                turns: turns.collect(),
                loaded: loaded.collect(),
            },
        )?;
        let physical = loading
            .rows
            .create_physical_plan()
            .await
            .map_err(engine::failure)?;
        let new_bytes: u64 = exports.iter().map(|export| export.report.size).sum();
        let old_bytes = present
            .filter(|_| source.load != Load::Append)
            .map_or(0, Content::bytes);
        let buckets = super::step::buckets(new_bytes + old_bytes);
        let mut spec = self.write_spec(plan, Layout::Sorted { buckets }, 0)?;
        spec.counters = counted.expressions(&session, &plan.schema)?;
        let written = lake::write_table(session.task_ctx(), physical, &spec).await?;
        Ok((written, loading.accounting.finish()?))
    }

    /// Position of each export among all that the source ever had, by path.
    fn ordinals(&self, source: &Source) -> BTreeMap<String, i64> {
        let exports = self.observation.observed.exports.get(&source.table);
        let exports = exports.into_iter().flatten();
        (0..)
            .zip(exports)
            .map(|(ordinal, export)| (export.path.clone(), ordinal))
            .collect()
    }

    /// The published table and the rows written; or the published one, where there are none.
    fn appended(
        &self,
        plan: &TablePlan,
        present: &Content,
        written: &Written,
    ) -> Result<(Content, TableOutcome)> {
        let mut content = self.candidate(plan, Some(present), written)?;
        if written.rows == 0 {
            let kept = Content {
                definition: content.definition,
                ..present.clone()
            };
            return Ok((kept, TableOutcome::SameResult));
        }
        let before: Digest = present.digest.parse()?;
        content.digest = (before + written.digest).to_string();
        content.rows += present.rows;
        content.files.extend(present.files.clone());
        content
            .file_set
            .files
            .extend(present.file_set.files.iter().cloned());
        Ok((content, TableOutcome::Written))
    }

    fn entries(
        &self,
        source: &Source,
        unique: &[Arc<DecodedExport>],
        duplicates: Vec<LedgerEntry>,
        report: &LoadReport,
    ) -> Vec<LedgerEntry> {
        let loaded = unique.iter().map(|export| {
            let counts = report.files.get(&export.report.path).copied();
            self.entry_of(source, export, counts.unwrap_or_default())
        });
        let mut entries: Vec<LedgerEntry> = loaded.chain(duplicates).collect();
        entries.sort_by(|a, b| (a.ordered_at, &a.path).cmp(&(b.ordered_at, &b.path)));
        entries
    }

    fn entry_of(&self, source: &Source, export: &DecodedExport, counts: FileCounts) -> LedgerEntry {
        let decoded = &export.report;
        let found = self.observation.found.get(&source.table);
        let found = found.and_then(|found| found.get(&decoded.path));
        let base = self
            .observation
            .release
            .as_ref()
            .map_or(0, |release| release.number.0);
        LedgerEntry {
            source: source.table.clone(),
            path: decoded.path.clone(),
            hash: decoded.hash.clone(),
            size: decoded.size,
            modified_at: decoded.modified_at,
            ordered_at: found.and_then(|found| found.captures.ordered_at),
            status: match decoded.records {
                0 => FileStatus::Empty,
                _ => FileStatus::Loaded,
            },
            duplicate_of: None,
            counts,
            release: ReleaseNumber(base + 1),
            run_id: self.run.clone(),
            as_of: self.request.as_of,
        }
    }
}

/// An export as the decoder takes it.
fn located(export: &ObservedExport, found: Option<&FoundExport>) -> Result<Export> {
    let found = found.ok_or_else(|| {
        Error::input("the export is gone")
            .code(Code(404))
            .at(export.path.as_str())
    })?;
    let location = object_store::path::Path::parse(&export.path).map_err(|error| {
        Error::input("the export's name cannot be addressed")
            .at(export.path.as_str())
            .caused_by(error)
    })?;
    Ok(Export {
        location,
        path: export.path.clone(),
        captures: found.captures.clone(),
    })
}

/// The rows of a changed export of an `append` source would have to be taken out of the table again.
fn refuse_changed(source: &Source, exports: &[ObservedExport], reload: bool) -> Result<()> {
    let changed = exports
        .iter()
        .find(|export| export.state == ExportState::Changed);
    match changed {
        Some(export) if source.load == Load::Append && !reload => {
            Err(Error::input("an export that was loaded has other content now")
                .code(Code(413))
                .at(export.path.as_str())
                .help(format!(
                    "deliver corrections under a new name, or read all of `{0}` again with `kilde build --select {0} --full-refresh`",
                    source.table
                )))
        }
        _ => Ok(()),
    }
}

fn no_source(plan: &TablePlan) -> Error {
    Error::internal(format!("`{}` is no source of the project", plan.table))
}
