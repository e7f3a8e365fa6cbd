//! A source: its new exports decoded, merged into the table, accounted for, tested.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::FutureExt;
use futures::stream::{self, StreamExt};

use super::execute::{Execution, TableResult};
use super::observe::{FoundExport, address};
use super::ops_tables::Ingested;
use super::report::{RefusedExport, RunReport, TableOutcome};
use crate::catalog::Content;
use crate::diagnostic::{Code, printable};
use crate::engine::{self, Joins};
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::{
    self, Attempt, DecodedExport, Export, FileCounts, FileStatus, Ledger, LedgerEntry, Limits,
    LoadReport, LoadRequest, ReadExport, Shrunk, Standing, Turn, UnreadableExport,
};
use crate::lake::{self, Digest, Layout, Written};
use crate::name::{ReleaseNumber, TableName};
use crate::plan::{Action, ExportState, ObservedExport, TablePlan};
use crate::project::{Load, Read, Source};

impl Execution {
    pub(super) async fn source(&self, plan: &TablePlan) -> Result<TableResult> {
        if self.request.adopt.contains(&plan.table) {
            return self.adopt(plan).await;
        }
        self.refuse_overdue(plan)?;
        self.refuse_unread(plan)?;
        let (exports, reload, leaving) = match &plan.action {
            Action::Ingest {
                exports,
                reload,
                leaving,
            } => (exports, *reload, leaving),
            Action::Retest => return self.retest(plan).await,
            Action::Redescribe => return self.redescribe(plan).await,
            _ => return Ok(TableResult::new(plan, TableOutcome::Unchanged)),
        };
        let source = self.runner.project.sources.get(&plan.table);
        let source = Arc::new(source.cloned().ok_or_else(|| no_source(plan))?);
        let published = self.published(&plan.table).await?;
        // a contract that grew reads what is loaded with null in the new columns
        let present = published.clone().filter(|_| !reload);
        let present = present.map(|content| content.with_columns(plan.schema.clone()));
        let present = present.as_ref();

        self.refuse_unready(&source, exports)?;
        if let Some(error) = self.refused_before(&source, exports).await {
            return Err(error);
        }
        let (decoded, unreadable) = match source.read {
            Read::Delta(_) if reload => self.decode_backwards(&source, exports).await?,
            _ => self.decode(&source, exports, 0).await?,
        };
        let passed_by = passed_by(exports, &decoded, &unreadable);
        let is_first = published.is_none();
        let situation = (is_first, reload, leaving.as_slice());
        let unreadable = self.leave_out(&source, exports, &decoded, unreadable, situation);
        let mut unreadable = unreadable.await?;
        self.tell_given_up(&source).await?;
        let is_read = |export: &&ObservedExport| {
            let is_unread = unreadable.iter().any(|entry| entry.path == export.path);
            !is_unread && !passed_by.contains(&export.path)
        };
        let exports: &[ObservedExport] =
            &exports.iter().filter(is_read).cloned().collect::<Vec<_>>();
        if exports.is_empty() && leaving.is_empty() && !reload {
            let ingested = Ingested {
                unreadable,
                ..Ingested::default()
            };
            self.record_ingested(&plan.table, ingested);
            return Ok(TableResult::new(plan, TableOutcome::Unchanged));
        }
        if let Err(error) = self.check_rejects(&source, exports, &decoded) {
            self.record_ingested(&plan.table, self.refused(&source, decoded)?);
            return Err(error);
        }
        self.refuse_gone_fallback(&source, &decoded, &passed_by, reload)?;
        unreadable.extend(self.not_asked_again(&source, &passed_by));
        let passed_over = self.refuse_shrunk(&source, exports, &decoded, reload)?;
        let replaced = self.replaced(&source, exports, leaving);
        let (unique, duplicates) = self.without_duplicates(&source, decoded, reload, &replaced)?;
        let counted = self.counted(plan)?;
        let leaving_rows = match (present, source.load) {
            (Some(_), Load::Append) => self.in_table(&source, &replaced),
            _ => BTreeMap::new(),
        };
        let rewrites = !leaving_rows.is_empty();
        let merging = Merging {
            present,
            exports: &unique,
            passed_over,
            leaving: leaving_rows,
            reload,
        };
        let (written, report) = self.merge(plan, &source, merging, &counted).await?;
        let entries = self.entries(&source, &unique, duplicates, &report)?;
        // equal content that other exports brought is written all the same
        let moves = match &published {
            Some(old) if old.digest == written.digest.to_string() => {
                !self.names_stand(&source, old, &replaced, &entries).await?
            }
            _ => false,
        };
        self.record_ingested(
            &plan.table,
            Ingested {
                entries,
                retracted: self.retracted(&source, leaving)?,
                unreadable,
                decoded: unique.into_iter().map(kept_of).collect(),
                replaced,
            },
        );

        let rows_before = published.as_ref().map(|content| content.rows);
        // what was counted while writing speaks of the whole table only where all of it was written
        let is_whole = source.load != Load::Append || present.is_none() || rewrites;
        let whole = is_whole.then_some(&written);
        let (content, outcome) = match present {
            Some(present) if !is_whole => self.appended(plan, present, &written)?,
            _ if moves => {
                let candidate = self.candidate(plan, published.as_ref(), &written)?;
                (candidate, TableOutcome::Written)
            }
            _ => {
                self.settle_content(plan, published.clone(), &written)
                    .await?
            }
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

    /// The refusal for which the source is held already, where the export is as it was and nothing by which it was judged
    /// has changed: to decode it again would only say so again.
    async fn refused_before(&self, source: &Source, exports: &[ObservedExport]) -> Option<Error> {
        let is_asked = self.request.selection.full_refresh || self.runner.verifies_exports;
        let held = self.observation.release.as_ref()?.held.get(&source.table)?;
        let run = held.run.clone();
        if is_asked {
            return None;
        }
        // a report that is gone or cannot be read remembers nothing
        let bytes = self.catalog.lake().run_report(&run).await.ok()??;
        let report: RunReport = serde_json::from_slice(&bytes).ok()?;
        let reports = report.sources.iter();
        let mut refused = reports
            .filter(|report| report.table == source.table)
            .flat_map(|report| &report.refused);
        let judged_by = self.judged_by(&source.table);
        let (export, verdict) = refused.find_map(|refused| {
            let verdict = refused.refusal.as_ref()?;
            let export = exports.iter().find(|e| e.path == refused.path)?;
            let is_same =
                verdict.judged_by == judged_by && self.is_as_refused(source, export, refused);
            is_same.then_some((export, verdict))
        })?;
        let error = verdict.error();
        self.record_refused(&source.table, export, &error);
        self.record_remembered(&source.table, &export.path);
        Some(error)
    }

    /// Whether an export is, by all that storage says, the file that was refused.
    fn is_as_refused(
        &self,
        source: &Source,
        export: &ObservedExport,
        refused: &RefusedExport,
    ) -> bool {
        let now = self.observation.remembered(&source.table, &export.path);
        let is_same_tag = match (refused.tag.as_deref(), now.and_then(|seen| seen.tag)) {
            // one that is worth nothing, or a disk that knows none
            (None | Some(""), _) | (_, None) => true,
            (Some(then), Some(now)) => now.is_empty() || then == now,
        };
        is_same_tag
            && export.size == refused.size
            && export.modified_at.timestamp_micros() == refused.modified_at.timestamp_micros()
    }

    /// All that decides whether an export can be read, beside the file itself.
    pub(super) fn judged_by(&self, table: &TableName) -> String {
        let plan = self.plan.tables.get(table);
        let source = self.runner.project.sources.get(table);
        let modes = source.map(|source| {
            let drift = &source.drift;
            [
                &drift.added,
                &drift.missing,
                &drift.reordered,
                &drift.retyped,
            ]
            .map(|m| m.value)
        });
        let aliases = self.contract(table).map(|contract| {
            let columns = contract.stored_columns();
            columns
                .map(|c| (&c.name.value, &c.aliases))
                .collect::<Vec<_>>()
        });
        let said = format!(
            "{:?} {:?} {} {modes:?} {aliases:?} {} {}",
            plan.map(|plan| &plan.fingerprints.content),
            source.map(|source| source.unreadable),
            self.request.warn_error,
            self.runner.project.max_record_bytes,
            env!("CARGO_PKG_VERSION"),
        );
        blake3::hash(said.as_bytes()).to_hex()[..32].to_string()
    }

    /// Exports of which more records were rejected than the source allows: kept so that people can look at the rejects.
    fn refused(&self, source: &Source, decoded: Vec<Arc<DecodedExport>>) -> Result<Ingested> {
        let entry = |export: &Arc<DecodedExport>| {
            let counts = FileCounts {
                records: export.report.records,
                rejected: export.report.rejected,
                ..FileCounts::default()
            };
            Ok(LedgerEntry {
                status: FileStatus::Refused,
                ..self.entry_of(source, export, counts)?
            })
        };
        Ok(Ingested {
            entries: decoded.iter().map(entry).collect::<Result<_>>()?,
            decoded: decoded.into_iter().map(kept_of).collect(),
            ..Ingested::default()
        })
    }

    /// Decodes what a Delta table says, where all of it is read again. The newest version is the whole truth; those before it
    /// are read only as far as rejected records keep the last good rows of their keys. One of them that its owner has cleaned
    /// up since, or that lacks what is declared now, is as good as gone.
    async fn decode_backwards(
        &self,
        source: &Arc<Source>,
        exports: &[ObservedExport],
    ) -> Result<(Vec<Arc<DecodedExport>>, Vec<UnreadableExport>)> {
        let mut decoded = Vec::new();
        for (at, export) in exports.iter().enumerate().rev() {
            let one = self.decode(source, std::slice::from_ref(export), at).await;
            let (mut read, unreadable) = match one {
                Err(error) if error.kind() == ErrorKind::Input && !decoded.is_empty() => break,
                one => one?,
            };
            if decoded.is_empty() && !unreadable.is_empty() {
                return Ok((decoded, unreadable));
            }
            let Some(read) = read.pop() else { break };
            let is_whole = read.rejected_keys.rows() == 0;
            decoded.push(read);
            if is_whole {
                break;
            }
        }
        decoded.reverse();
        Ok((decoded, Vec::new()))
    }

    /// Entries of exports that are not read, since a later one says it all: whoever asked for them to be read has the answer.
    fn not_asked_again(&self, source: &Source, passed_by: &BTreeSet<String>) -> Vec<LedgerEntry> {
        let decisions = &self.observation.decisions;
        let ledger = self.observation.ledger.get(&source.table);
        let entries = passed_by.iter().filter_map(|path| ledger?.entry(path));
        let asked = entries.filter_map(|entry| {
            let decision = decisions.reload(&source.table, &entry.path);
            (entry.decision < decision).then(|| LedgerEntry {
                decision,
                ..entry.clone()
            })
        });
        asked.collect()
    }

    /// Decodes exports, as many at once as there are threads; in the order given. Those that cannot be read come apart. `first`:
    /// number of the first among all that this run decodes of the source.
    async fn decode(
        &self,
        source: &Arc<Source>,
        exports: &[ObservedExport],
        first: usize,
    ) -> Result<(Vec<Arc<DecodedExport>>, Vec<UnreadableExport>)> {
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
        let limits = Limits {
            max_record_bytes: self.runner.project.max_record_bytes,
            threads: self.runner.resources.threads,
        };
        let mut decoding = Vec::with_capacity(exports.len());
        for (number, export) in (first..).zip(exports) {
            let export = located(export, found.and_then(|found| found.get(&export.path)));
            let scratch = folder.join(number.to_string());
            let (source, contract) = (Arc::clone(source), Arc::clone(&contract));
            let raw = raw.clone();
            let decoders = Arc::clone(&self.decoders);
            let decoded = async move {
                let _permit = decoders
                    .acquire_owned()
                    .await
                    .map_err(|error| Error::internal("decoders are gone").caused_by(error))?;
                let export = export?;
                raw.read(&export, &source, &contract, limits, &scratch)
                    .await
            };
            decoding.push(decoded.boxed());
        }
        let (mut all, mut unreadable) = (Vec::with_capacity(exports.len()), Vec::new());
        let mut decoded = stream::iter(decoding).buffered(self.runner.resources.threads.max(1));
        while let Some(one) = decoded.next().await {
            let at = all.len() + unreadable.len();
            if let (Err(error), Some(export)) = (&one, exports.get(at)) {
                self.record_refused(&source.table, export, error);
            }
            match one? {
                Attempt::Decoded(decoded) => all.push(Arc::new(decoded)),
                Attempt::Unreadable(one) => unreadable.push(one),
            }
        }
        Ok((all, unreadable))
    }

    /// # Errors
    /// `Quality` K0412 where the exports together have more rejects than the source allows.
    fn check_rejects(
        &self,
        source: &Source,
        exports: &[ObservedExport],
        decoded: &[Arc<DecodedExport>],
    ) -> Result<()> {
        let reports: Vec<_> = decoded.iter().map(|export| &export.report).collect();
        let checked = ingest::check_rejects(source, &reports, &self.run);
        if let Err(error) = &checked {
            let bad = exports.iter().zip(&reports);
            for (export, _) in bad.filter(|(_, report)| report.rejected > 0) {
                self.record_refused(&source.table, export, error);
            }
        }
        checked
    }

    /// # Errors
    /// `Input` K0431 where all is to be read again, and a loaded export is being written anew.
    fn refuse_unready(&self, source: &Source, exports: &[ObservedExport]) -> Result<()> {
        let unready = exports
            .iter()
            .find_map(|export| Some((export, export.unready.as_ref()?)));
        let Some((export, unready)) = unready else {
            return Ok(());
        };
        let error = Error::input(format!(
            "all exports must be read again, and this one is not ready: {unready}"
        ))
        .code(Code(431))
        .at(export.path.as_str())
        .help("build again when its sender is done");
        self.record_refused(&source.table, export, &error);
        Err(error)
    }

    /// Gives the exports that the guard against half a file passes over, since a good one came after them.
    ///
    /// # Errors
    /// `Quality` K0432 where the newest export of a `replace` source has too few records, and nobody accepts it.
    fn refuse_shrunk(
        &self,
        source: &Source,
        exports: &[ObservedExport],
        decoded: &[Arc<DecodedExport>],
        reload: bool,
    ) -> Result<BTreeSet<String>> {
        if source.load != Load::Replace || self.request.accept.contains(&source.table) {
            return Ok(BTreeSet::new());
        }
        let ordinals = self.ordinals(source);
        let ledger = self.observation.ledger.get(&source.table);
        let known = |path: &str| ledger?.entry(path).filter(|e| e.counts_in_table());
        let mut newest: Option<(i64, &LedgerEntry)> = None;
        for entry in ledger.into_iter().flat_map(Ledger::entries) {
            if !reload && entry.counts_in_table() {
                let ordinal = ordinals.of(&entry.path)?;
                newest = newest
                    .filter(|(of, _)| *of > ordinal)
                    .or(Some((ordinal, entry)));
            }
        }
        let last = newest.map(|(_, entry)| (entry.path.clone(), entry.counts.records));
        let from = newest.map_or(i64::MIN, |(ordinal, _)| ordinal);
        let mut reports = Vec::with_capacity(decoded.len());
        for export in decoded {
            if ordinals.of(&export.report.path)? >= from {
                reports.push(&export.report);
            }
        }
        let mut in_time = reports.into_iter();
        // what was loaded once was good enough then
        let is_trusted = |report: &ingest::ExportReport| {
            known(&report.path).is_some_and(|entry| entry.hash == report.hash)
        };
        let found = ingest::shrunk(last, in_time.clone(), is_trusted);
        let newest = in_time.next_back().map(|report| &report.path);
        match found.last() {
            Some(shrunk) if Some(&shrunk.path) == newest => {
                let error = too_few(source, shrunk);
                let export = exports.iter().find(|export| export.path == shrunk.path);
                if let Some(export) = export {
                    self.record_refused(&source.table, export, &error);
                }
                Err(error)
            }
            _ => Ok(found.into_iter().map(|shrunk| shrunk.path).collect()),
        }
    }

    /// Under `replace` a rejected record keeps the last good row of its key. Where all is read again and an export is gone in
    /// which such a row may stand, that row would be lost.
    ///
    /// # Errors
    /// `Input` K0208 then.
    fn refuse_gone_fallback(
        &self,
        source: &Source,
        decoded: &[Arc<DecodedExport>],
        passed_by: &BTreeSet<String>,
        reload: bool,
    ) -> Result<()> {
        if !reload || source.load != Load::Replace {
            return Ok(());
        }
        let exports = self.observation.observed.exports.get(&source.table);
        let gone = exports.into_iter().flatten().rfind(|export| {
            let is_gone = export.state == ExportState::Gone || passed_by.contains(&export.path);
            is_gone && !export.is_excluded
        });
        let Some(gone) = gone else { return Ok(()) };
        let ordinals = self.ordinals(source);
        let from = ordinals.of(&gone.path)?;
        let mut doubtful = None;
        for export in decoded {
            if ordinals.of(&export.report.path)? < from {
                continue;
            }
            // the whole truth, whatever came before it
            if export.rejected_keys.rows() == 0 {
                return Ok(());
            }
            doubtful = Some(export);
        }
        let Some(doubtful) = doubtful else {
            return Ok(());
        };
        Err(Error::input(format!(
            "{} rejected records keep the last good rows of their keys, and all must be read again: `{}`, which may hold them, is gone or cannot be read",
            doubtful.rejected_keys.rows(),
            gone.path
        ))
        .code(Code(208))
        .at(doubtful.report.path.as_str())
        .help(format!(
            "put it back, or undo what asks for the reading: a decision about an export, or a change of the contract; `kilde exports retract {} --why TEXT` goes on without those rows",
            printable(&gone.path)
        )))
    }

    /// Exports whose rows and rejects of before do not stay: those that leave, and of those read now what the ledger knows.
    fn replaced(
        &self,
        source: &Source,
        exports: &[ObservedExport],
        leaving: &[String],
    ) -> BTreeSet<String> {
        let ledger = self.observation.ledger.get(&source.table);
        let known = |path: &&String| ledger.is_some_and(|ledger| ledger.entry(path).is_some());
        let read = exports.iter().map(|export| &export.path);
        read.filter(known).chain(leaving).cloned().collect()
    }

    /// Those of some exports that the table is made of, and the rows that each has in it (`append`).
    fn in_table(&self, source: &Source, paths: &BTreeSet<String>) -> BTreeMap<String, u64> {
        let ledger = self.observation.ledger.get(&source.table);
        let entries = paths.iter().filter_map(|path| ledger?.entry(path));
        entries
            .filter(|entry| entry.counts_in_table() && entry.counts.inserted > 0)
            .map(|entry| (entry.path.clone(), entry.counts.inserted))
            .collect()
    }

    /// The ledger's entries of exports whose rows leave the table.
    ///
    /// # Errors
    /// `Internal` where one leaves that nobody decided about, or that was never loaded.
    fn retracted(&self, source: &Source, leaving: &[String]) -> Result<Vec<LedgerEntry>> {
        let decisions = &self.observation.decisions;
        let ledger = self.observation.ledger.get(&source.table);
        let entries = leaving.iter().map(|path| {
            let exclusion = decisions.exclusion(&source.table, path);
            let entry = ledger.and_then(|ledger| ledger.entry(path));
            match (exclusion, entry) {
                (Some(exclusion), Some(entry)) => {
                    Ok(entry.retract(self.next_release(), &self.run, exclusion.decision))
                }
                _ => Err(Error::internal(
                    "an export leaves that was not loaded, or not by decision",
                )
                .at(path.as_str())),
            }
        });
        entries.collect()
    }

    /// Takes out exports of an `append` source whose equal, non-empty content counts already under another name.
    fn without_duplicates(
        &self,
        source: &Source,
        decoded: Vec<Arc<DecodedExport>>,
        reload: bool,
        replaced: &BTreeSet<String>,
    ) -> Result<(Vec<Arc<DecodedExport>>, Vec<LedgerEntry>)> {
        let known = self
            .observation
            .ledger
            .get(&source.table)
            .filter(|_| !reload);
        let mut ledger = known.map_or_else(Ledger::default, |ledger| ledger.without(replaced));
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
                    let entry = self.entry_of(source, &export, counts)?;
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
                    ledger.insert(self.entry_of(source, &export, counts)?);
                    unique.push(export);
                }
            }
        }
        Ok((unique, duplicates))
    }

    /// Folds the exports into the table and writes it; for `append` only the new rows, where all others stay.
    async fn merge(
        &self,
        plan: &TablePlan,
        source: &Source,
        merging: Merging<'_>,
        counted: &super::testing::Counted,
    ) -> Result<(Written, LoadReport)> {
        let contract = self.contract(&plan.table).ok_or_else(|| no_source(plan))?;
        let ordinals = self.ordinals(source);
        let turns = merging.exports.iter().map(|export| {
            Ok(Turn {
                export: Arc::clone(export),
                ordinal: ordinals.of(&export.report.path)?,
            })
        });
        let known = self
            .observation
            .ledger
            .get(&source.table)
            .into_iter()
            .flat_map(Ledger::entries);
        let loaded = known
            .filter(|entry| !merging.reload && entry.counts_in_table())
            .map(|entry| Ok((entry.path.clone(), ordinals.of(&entry.path)?)));
        let is_added = source.load == Load::Append && merging.leaving.is_empty();
        let sizes = merging.exports.iter().map(|export| export.report.size);
        let new_bytes: u64 = sizes.sum();
        let old_bytes = merging
            .present
            .filter(|_| !is_added)
            .map_or(0, Content::bytes);
        let buckets = super::step::buckets(new_bytes + old_bytes);
        let session = self
            .catalog
            .engine()
            .session(&BTreeMap::new(), Joins::Hash)?;
        let loading = ingest::load(
            &session,
            LoadRequest {
                contract,
                load: source.load,
                present: merging.present.map(Content::provider).transpose()?,
                turns: turns.collect::<Result<_>>()?,
                loaded: loaded.collect::<Result<_>>()?,
                leaving: merging.leaving.clone(),
                passed_over: merging.passed_over.clone(),
                ranges: buckets,
            },
        )?;
        let physical = loading
            .rows
            .create_physical_plan()
            .await
            .map_err(engine::failure)?;
        let mut spec = self.write_spec(plan, Layout::Sorted { buckets }, 0)?;
        spec.counters = counted.expressions(&session, &plan.schema)?;
        let written = lake::write_table(session.task_ctx(), physical, &spec).await?;
        let before = merging.present.map_or(0, |present| present.rows);
        let report = loading.accounting.finish(before, written.rows)?;
        Ok((written, report))
    }

    /// Position of each export among all that the source ever had, by path.
    pub(super) fn ordinals(&self, source: &Source) -> Ordinals {
        let exports = self.observation.observed.exports.get(&source.table);
        let exports = exports.into_iter().flatten();
        let numbered = (0..).zip(exports);
        Ordinals(
            numbered
                .map(|(ordinal, export)| (export.path.clone(), ordinal))
                .collect(),
        )
    }

    /// The published table and the rows written; or the published one, where there are none.
    pub(super) fn appended(
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
    ) -> Result<Vec<LedgerEntry>> {
        let loaded = unique.iter().map(|export| {
            let path = &export.report.path;
            let counts = report.files.get(path).copied().ok_or_else(|| {
                Error::internal("an export was loaded and not counted").at(path.as_str())
            })?;
            self.entry_of(source, export, counts)
        });
        let mut entries = loaded.collect::<Result<Vec<_>>>()?;
        entries.extend(duplicates);
        entries.sort_by(|a, b| (a.ordered_at, &a.path).cmp(&(b.ordered_at, &b.path)));
        Ok(entries)
    }

    fn entry_of(
        &self,
        source: &Source,
        export: &DecodedExport,
        counts: FileCounts,
    ) -> Result<LedgerEntry> {
        let decoded = &export.report;
        let found = self.observation.found.get(&source.table);
        let found = found
            .and_then(|found| found.get(&decoded.path))
            .ok_or_else(|| {
                Error::internal("an export was read that was not found").at(decoded.path.as_str())
            })?;
        Ok(LedgerEntry {
            source: source.table.clone(),
            path: decoded.path.clone(),
            hash: decoded.hash.clone(),
            size: decoded.size,
            modified_at: decoded.modified_at,
            tag: self
                .observation
                .remembered(&source.table, &decoded.path)
                .and_then(|remembered| remembered.tag),
            ordered_at: found.captures.ordered_at,
            status: match decoded.records {
                0 => FileStatus::Empty,
                _ => FileStatus::Loaded,
            },
            duplicate_of: None,
            counts,
            release: self.next_release(),
            run_id: self.run.clone(),
            as_of: self.request.as_of,
            decision: self
                .observation
                .decisions
                .reload(&source.table, &decoded.path),
            taken_back: 0,
            unread: None,
        })
    }

    /// The release that this build would publish.
    pub(super) fn next_release(&self) -> ReleaseNumber {
        let base = self.observation.release.as_ref();
        ReleaseNumber(base.map_or(0, |release| release.number.0) + 1)
    }
}

/// What is folded into a source's table.
struct Merging<'a> {
    /// The table as published, unless it starts empty.
    present: Option<&'a Content>,
    exports: &'a [Arc<DecodedExport>],
    /// `append`: exports whose published rows do not stay, and how many each has.
    leaving: BTreeMap<String, u64>,
    /// `replace`: exports that change nothing.
    passed_over: BTreeSet<String>,
    reload: bool,
}

/// Position of each export among all that its source ever had, by path.
pub(super) struct Ordinals(BTreeMap<String, i64>);

impl Ordinals {
    /// # Errors
    /// `Internal` for an export that was never seen.
    pub(super) fn of(&self, path: &str) -> Result<i64> {
        let found = self.0.get(path).copied();
        found
            .ok_or_else(|| Error::internal("an export has no place in its source's order").at(path))
    }
}

/// An export as the decoder takes it.
pub(super) fn located(export: &ObservedExport, found: Option<&FoundExport>) -> Result<Export> {
    let found = found.ok_or_else(|| {
        Error::input("the export is gone")
            .code(Code(404))
            .at(export.path.as_str())
    })?;
    if let Some(error) = &found.unreadable {
        return Err(error.clone());
    }
    Ok(Export {
        location: address(&export.path)?,
        path: export.path.clone(),
        size: found.object.size,
        captures: found.captures.clone(),
    })
}

/// Exports that were to be read again and were not.
fn passed_by(
    exports: &[ObservedExport],
    decoded: &[Arc<DecodedExport>],
    unreadable: &[UnreadableExport],
) -> BTreeSet<String> {
    let decoded = decoded.iter().map(|export| export.report.path.as_str());
    let tried = decoded.chain(unreadable.iter().map(|export| export.path.as_str()));
    let tried: BTreeSet<&str> = tried.collect();
    let exports = exports.iter().map(|export| &export.path);
    exports
        .filter(|path| !tried.contains(path.as_str()))
        .cloned()
        .collect()
}

fn too_few(source: &Source, shrunk: &Shrunk) -> Error {
    let Shrunk {
        path,
        records,
        last: (last, last_records),
    } = shrunk;
    let table = &source.table;
    Error::quality(format!(
        "{records} records, under 80 % of the {last_records} of `{last}`, the last one loaded; if that is right, type `kilde build --accept {table}`"
    ))
    .code(Code(432))
    .at(path.as_str())
    .help(format!("if it is wrong, `kilde exports skip {path} --why …` goes on without it"))
}

fn kept_of(export: Arc<DecodedExport>) -> Arc<ReadExport> {
    Arc::new(ReadExport::of(export))
}

fn no_source(plan: &TablePlan) -> Error {
    Error::internal(format!("`{}` is no source of the project", plan.table))
}
