//! What a source is refused for, though its exports can be read: too late, not ready, too many rejects, half a file.
//!
//! A refusal is remembered by the run's report, as long as there is one: while export, contract and settings stay as they were, nothing is decoded
//! again only to say the same.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::execute::Execution;
use super::super::ops_tables::Ingested;
use super::super::report::{ExportReport, RefusedExport, RunReport};
use super::{Arrivals, Intake};
use crate::diagnostic::{Code, printable};
use crate::error::{Error, Result};
use crate::ingest::{
    self, DecodedExport, FileCounts, FileStatus, Ledger, LedgerEntry, ReadExport, Shrunk,
};
use crate::name::TableName;
use crate::plan::{ExportState, ObservedExport, TablePlan};
use crate::project::{Load, Source};

impl Execution {
    /// # Errors
    /// `Input` K0430 where the newest export is older than the project allows.
    pub(super) fn refuse_overdue(&self, plan: &TablePlan) -> Result<()> {
        match &plan.overdue {
            Some(overdue) if overdue.fails => Err(Error::input(overdue.to_string())
                .code(Code(430))
                .help("ask the sender; with `on_error: hold` the rest is built meanwhile")),
            _ => Ok(()),
        }
    }

    /// # Errors
    /// `Input` K0431 where all is to be read again, and a loaded export is being written anew.
    pub(super) fn refuse_unready(&self, source: &Source, exports: &[ObservedExport]) -> Result<()> {
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
        self.record_refused(&source.table, export, &error, None);
        Err(error)
    }

    /// The refusal for which the source is held already, where the export is as it was and nothing by which it was judged
    /// has changed: to decode it again would only say so again.
    pub(super) async fn refused_before(
        &self,
        source: &Source,
        exports: &[ObservedExport],
    ) -> Option<Error> {
        let is_asked = self.request.selection.full_refresh || self.runner.verifies_exports;
        let held = self.observation.release.as_ref()?.held.get(&source.table)?;
        if is_asked {
            return None;
        }
        let report = RunReport::recall(&held.run, self.catalog.lake()).await?;
        let reports = report.sources.iter();
        let mut refused = reports
            .filter(|report| report.table == source.table)
            .flat_map(|report| &report.refused);
        let judged_by = self.judged_by(&source.table);
        let (export, refused, verdict) = refused.find_map(|refused| {
            let verdict = refused.refusal.as_ref()?;
            let export = exports.iter().find(|e| e.path == refused.path)?;
            let is_same =
                verdict.judged_by == judged_by && self.is_as_refused(source, export, refused);
            is_same.then_some((export, refused, verdict))
        })?;
        let error = verdict.error();
        self.record_refused(&source.table, export, &error, refused.found.clone());
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
    pub(in crate::run) fn judged_by(&self, table: &TableName) -> String {
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

    /// # Errors
    /// `Quality` K0412 where the exports together have more rejects than the source allows.
    pub(super) fn check_rejects(
        &self,
        source: &Source,
        exports: &[ObservedExport],
        decoded: &[Arc<DecodedExport>],
    ) -> Result<()> {
        let reports: Vec<_> = decoded.iter().map(|export| &export.report).collect();
        let checked = ingest::check_rejects(source, &reports, &self.run);
        if let Err(error) = &checked {
            let is_fatal = reports.iter().any(|report| !report.fatal.is_empty());
            for (export, report) in exports.iter().zip(&reports) {
                let is_to_blame = match is_fatal {
                    true => !report.fatal.is_empty(),
                    false => report.rejected > 0,
                };
                if is_to_blame {
                    // its own reason, where it alone would be refused
                    let own = ingest::check_rejects(source, &[report], &self.run).err();
                    let error = own.as_ref().unwrap_or(error);
                    self.record_refused(
                        &source.table,
                        export,
                        error,
                        Some(ExportReport::found(report)),
                    );
                }
            }
        }
        checked
    }

    /// Exports of which more records were rejected than the source allows: kept so that people can look at the rejects.
    pub(super) fn refused(
        &self,
        source: &Source,
        decoded: Vec<Arc<DecodedExport>>,
    ) -> Result<Ingested> {
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
            decoded: decoded.into_iter().map(ReadExport::of).collect(),
            ..Ingested::default()
        })
    }

    /// Gives the exports that the guard against half a file passes over, since a good one came after them.
    ///
    /// # Errors
    /// `Quality` K0432 where the newest export of a `replace` source has too few records, and nobody accepts it.
    pub(super) fn refuse_shrunk(
        &self,
        intake: &Intake<'_>,
        arrivals: &Arrivals,
    ) -> Result<BTreeSet<String>> {
        let (source, exports) = (&intake.source, &arrivals.exports);
        if source.load != Load::Replace || self.request.accept.contains(&source.table) {
            return Ok(BTreeSet::new());
        }
        let ordinals = self.ordinals(source);
        let ledger = self.observation.ledger.get(&source.table);
        let known = |path: &str| ledger?.entry(path).filter(|e| e.counts_in_table());
        let mut newest: Option<(i64, &LedgerEntry)> = None;
        for entry in ledger.into_iter().flat_map(Ledger::entries) {
            if !intake.reload && entry.counts_in_table() {
                let ordinal = ordinals.of(&entry.path)?;
                newest = newest
                    .filter(|(of, _)| *of > ordinal)
                    .or(Some((ordinal, entry)));
            }
        }
        let last = newest.map(|(_, entry)| (entry.path.clone(), entry.counts.records));
        let from = newest.map_or(i64::MIN, |(ordinal, _)| ordinal);
        let mut reports = Vec::with_capacity(arrivals.decoded.len());
        for export in &arrivals.decoded {
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
                    let reports = arrivals.decoded.iter().map(|export| &export.report);
                    let mut report = reports.filter(|report| report.path == export.path);
                    let found = report.next().map(ExportReport::found);
                    self.record_refused(&source.table, export, &error, found);
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
    pub(super) fn refuse_gone_fallback(
        &self,
        intake: &Intake<'_>,
        arrivals: &Arrivals,
    ) -> Result<()> {
        let source = &intake.source;
        if !intake.reload || source.load != Load::Replace {
            return Ok(());
        }
        let exports = self.observation.observed.exports.get(&source.table);
        let gone = exports.into_iter().flatten().rfind(|export| {
            let is_gone =
                export.state == ExportState::Gone || arrivals.passed_by.contains(&export.path);
            is_gone && !export.is_excluded
        });
        let Some(gone) = gone else { return Ok(()) };
        let ordinals = self.ordinals(source);
        let from = ordinals.of(&gone.path)?;
        let mut doubtful = None;
        for export in &arrivals.decoded {
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
}

fn too_few(source: &Source, shrunk: &Shrunk) -> Error {
    let Shrunk {
        path,
        records,
        last: (last, last_records),
    } = shrunk;
    let table = &source.table;
    let noun = match records {
        1 => "record",
        _ => "records",
    };
    Error::quality(format!(
        "{records} {noun}, under 80 % of the {last_records} of `{last}`, the last one loaded; if that is right, type `kilde build --accept {table}`"
    ))
    .code(Code(432))
    .at(path.as_str())
    .help(format!("if it is wrong, `kilde exports skip {path} --why …` goes on without it"))
}
