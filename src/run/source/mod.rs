//! A source: its new exports decoded, merged into the table, accounted for, tested.

mod entries;
mod names;
mod refusal;
mod unreadable;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::FutureExt;
use futures::stream::{self, StreamExt};

use super::execute::{Execution, TableResult};
use super::observe::{FoundExport, address};
use super::ops_tables::Ingested;
use super::report::{ExportReport, TableOutcome};
use crate::catalog::Content;
use crate::diagnostic::Code;
use crate::engine::{self, Joins};
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::{
    self, Attempt, DecodedExport, Export, Ledger, LedgerEntry, LoadReport, LoadRequest, ReadExport,
    ReadRequest, Turn, UnreadableExport,
};
use crate::lake::{self, Digest, Layout, Written};
use crate::name::ReleaseNumber;
use crate::plan::{Action, ObservedExport, TablePlan};
use crate::project::{Contract, Load, Read, Source};

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
        let intake = self.intake(plan, reload, leaving).await?;
        self.refuse_unready(&intake.source, exports)?;
        if let Some(error) = self.refused_before(&intake.source, exports).await {
            return Err(error);
        }
        let arrivals = self.read_exports(&intake, exports).await?;
        if arrivals.exports.is_empty() && leaving.is_empty() && !reload {
            let ingested = Ingested {
                unreadable: arrivals.unreadable,
                ..Ingested::default()
            };
            self.record_ingested(&plan.table, ingested);
            return Ok(TableResult::new(plan, TableOutcome::Unchanged));
        }
        if let Err(error) = self.check_rejects(&intake.source, &arrivals.exports, &arrivals.decoded)
        {
            let refused = self.refused(&intake.source, arrivals.decoded)?;
            self.record_ingested(&plan.table, refused);
            return Err(error);
        }
        self.refuse_gone_fallback(&intake, &arrivals)?;
        let passed_over = self.refuse_shrunk(&intake, &arrivals)?;
        self.take_in(&intake, arrivals, passed_over).await
    }

    /// What there is to do with a source, and the table as it is published.
    async fn intake<'a>(
        &self,
        plan: &'a TablePlan,
        reload: bool,
        leaving: &'a [String],
    ) -> Result<Intake<'a>> {
        let source = self.runner.project.sources.get(&plan.table);
        let source = source.cloned().ok_or_else(|| no_source(plan))?;
        let published = self.published(&plan.table).await?;
        let present = published.clone().filter(|_| !reload);
        Ok(Intake {
            plan,
            source: Arc::new(source),
            // a contract that grew reads what is loaded with null in the new columns
            present: present.map(|content| content.with_columns(plan.schema.clone())),
            published,
            reload,
            leaving,
        })
    }

    /// Decodes exports; those that cannot be read are left out where that loses nothing.
    ///
    /// # Errors
    /// Why one cannot be read that must not be left out.
    async fn read_exports(
        &self,
        intake: &Intake<'_>,
        exports: &[ObservedExport],
    ) -> Result<Arrivals> {
        let source = &intake.source;
        let (decoded, unreadable) = match source.read {
            Read::Delta(_) if intake.reload => self.decode_backwards(source, exports).await?,
            _ => self.decode(source, exports, 0).await?,
        };
        let passed_by = passed_by(exports, &decoded, &unreadable);
        let leaving_out = self.leave_out(intake, exports, &decoded, unreadable);
        let unreadable = leaving_out.await?;
        self.tell_given_up(source).await?;
        let is_read = |export: &&ObservedExport| {
            let is_unread = unreadable.iter().any(|entry| entry.path == export.path);
            !is_unread && !passed_by.contains(&export.path)
        };
        Ok(Arrivals {
            exports: exports.iter().filter(is_read).cloned().collect(),
            decoded,
            unreadable,
            passed_by,
        })
    }

    /// Folds what was read into the table, accounts for it, and tests the table. `passed_over`: exports that change nothing.
    async fn take_in(
        &self,
        intake: &Intake<'_>,
        arrivals: Arrivals,
        passed_over: BTreeSet<String>,
    ) -> Result<TableResult> {
        let (plan, source) = (intake.plan, &intake.source);
        let replaced = self.replaced(source, &arrivals.exports, intake.leaving);
        let told = self.without_duplicates(source, arrivals.decoded, intake.reload, &replaced)?;
        let (unique, duplicates, equal) = (told.unique, told.duplicates, told.equal);
        let counted = self.counted(plan)?;
        let leaving = match (&intake.present, source.load) {
            (Some(_), Load::Append) => self.in_table(source, &replaced),
            _ => BTreeMap::new(),
        };
        // what was counted while writing speaks of the whole table only where all of it was written
        let is_whole =
            source.load != Load::Append || intake.present.is_none() || !leaving.is_empty();
        let merging = Merging {
            exports: &unique,
            passed_over,
            leaving,
        };
        let (written, report) = self.merge(intake, merging, &counted).await?;
        let entries = self.entries(source, &unique, duplicates, &report)?;
        let is_renamed = is_whole
            && self
                .is_renamed(intake, &written, &replaced, &entries)
                .await?;
        let mut unreadable = arrivals.unreadable;
        unreadable.extend(self.not_asked_again(source, &arrivals.passed_by));
        self.record_ingested(
            &plan.table,
            Ingested {
                entries,
                retracted: self.retracted(source, intake.leaving)?,
                unreadable,
                decoded: unique.into_iter().map(ReadExport::of).collect(),
                replaced,
                equal,
                is_whole_truth: source.load == Load::Replace,
            },
        );
        let (content, outcome) = match &intake.present {
            Some(present) if !is_whole => self.appended(plan, present, &written)?,
            _ if is_renamed => {
                let candidate = self.candidate(plan, intake.published.as_ref(), &written)?;
                (candidate, TableOutcome::Written)
            }
            _ => {
                self.settle_content(plan, intake.published.clone(), &written)
                    .await?
            }
        };
        let rows_before = intake.published.as_ref().map(|content| content.rows);
        let mut result = TableResult::new(plan, outcome).counting(content.rows, rows_before);
        result.built_from = BTreeMap::new();
        let whole = is_whole.then_some(&written);
        self.test(plan, &counted, &content, whole, &mut result)
            .await?;
        result.content = Some(content);
        Ok(result)
    }

    /// Whether the rows that were written are those of the published table, and came in other exports: then they are written all
    /// the same.
    async fn is_renamed(
        &self,
        intake: &Intake<'_>,
        written: &Written,
        replaced: &BTreeSet<String>,
        entries: &[LedgerEntry],
    ) -> Result<bool> {
        match &intake.published {
            Some(old) if old.digest == written.digest.to_string() => {
                let stand = self.names_stand(&intake.source, old, replaced, entries);
                Ok(!stand.await?)
            }
            _ => Ok(false),
        }
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

    /// Decodes exports, as many at once as there are threads; in the order given. Those that cannot be read come apart. `first`:
    /// number of the first among all that this run decodes of the source.
    async fn decode(
        &self,
        source: &Arc<Source>,
        exports: &[ObservedExport],
        first: usize,
    ) -> Result<(Vec<Arc<DecodedExport>>, Vec<UnreadableExport>)> {
        let contract = Arc::new(self.known_contract(source)?.clone());
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
        let limits = self.runner.decoder_limits();
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
                raw.read(ReadRequest {
                    export,
                    source,
                    contract,
                    limits,
                    scratch,
                })
                .await
            };
            decoding.push(decoded.boxed());
        }
        let (mut all, mut unreadable) = (Vec::with_capacity(exports.len()), Vec::new());
        let mut decoded = stream::iter(decoding).buffered(self.runner.resources.threads.max(1));
        while let Some(one) = decoded.next().await {
            let at = all.len() + unreadable.len();
            let (error, found) = match one {
                Ok(Attempt::Decoded(decoded)) => {
                    all.push(Arc::new(decoded));
                    continue;
                }
                Ok(Attempt::Unreadable(one)) => {
                    unreadable.push(one);
                    continue;
                }
                Ok(Attempt::Misfit(misfit)) => {
                    (misfit.error, Some(ExportReport::found(&misfit.report)))
                }
                Err(error) => (error, None),
            };
            if let Some(export) = exports.get(at) {
                self.record_refused(&source.table, export, &error, found);
            }
            return Err(error);
        }
        Ok((all, unreadable))
    }

    /// # Errors
    /// `Internal` where the source has none; loading rules that out.
    fn known_contract(&self, source: &Source) -> Result<&Contract> {
        let contract = self.contract(&source.table);
        contract.ok_or_else(|| Error::internal(format!("`{}` has no contract", source.table)))
    }

    /// Folds the exports into the table and writes it; for `append` only the new rows, where all others stay.
    async fn merge(
        &self,
        intake: &Intake<'_>,
        merging: Merging<'_>,
        counted: &super::testing::Counted,
    ) -> Result<(Written, LoadReport)> {
        let (plan, source) = (intake.plan, &intake.source);
        let present = intake.present.as_ref();
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
            .filter(|entry| !intake.reload && entry.counts_in_table())
            .map(|entry| Ok((entry.path.clone(), ordinals.of(&entry.path)?)));
        let is_added = source.load == Load::Append && merging.leaving.is_empty();
        let sizes = merging.exports.iter().map(|export| export.report.size);
        let new_bytes: u64 = sizes.sum();
        let old_bytes = present.filter(|_| !is_added).map_or(0, Content::bytes);
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
                present: present.map(Content::provider).transpose()?,
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
        let before = present.map_or(0, |present| present.rows);
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

    /// The release that this build would publish.
    pub(super) fn next_release(&self) -> ReleaseNumber {
        let base = self.observation.release.as_ref();
        ReleaseNumber(base.map_or(0, |release| release.number.0) + 1)
    }
}

/// What there is to do with a source.
struct Intake<'a> {
    plan: &'a TablePlan,
    source: Arc<Source>,
    /// The table as published; `None`: it never was.
    published: Option<Content>,
    /// The same with the columns that are declared now; `None`: the table starts empty.
    present: Option<Content>,
    /// All of it is made anew.
    reload: bool,
    /// Exports whose rows leave.
    leaving: &'a [String],
}

/// What came of reading exports.
struct Arrivals {
    /// Those that were read, and can be.
    exports: Vec<ObservedExport>,
    decoded: Vec<Arc<DecodedExport>>,
    /// What the ledger will say of those that cannot.
    unreadable: Vec<LedgerEntry>,
    /// Those that were to be read again and were not.
    passed_by: BTreeSet<String>,
}

/// What is folded into a source's table.
struct Merging<'a> {
    exports: &'a [Arc<DecodedExport>],
    /// `append`: exports whose published rows do not stay, and how many each has.
    leaving: BTreeMap<String, u64>,
    /// `replace`: exports that change nothing.
    passed_over: BTreeSet<String>,
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

fn no_source(plan: &TablePlan) -> Error {
    Error::internal(format!("`{}` is no source of the project", plan.table))
}
