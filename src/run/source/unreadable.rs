//! Exports that cannot be read: each fails alone where that loses nothing, and is remembered by the ledger.
//!
//!   export that cannot be read ──may be left out?──▶ an entry of the ledger: why, and at which byte
//!                                     └─ no ───────▶ the source fails by it, or is held
//!
//! Under `append` every other export stands for itself. Under `replace` one that a readable one followed has nothing more to
//! say; the newest has, and the table must not pass for it. Under `changes` each builds on the one before. Nowhere is one left
//! out of which rows were published that only it could bring again.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::execute::Execution;
use super::super::report::ExportReport;
use super::Intake;
use crate::diagnostic::{Code, printable};
use crate::error::{Error, Result};
use crate::ingest::{
    DecodedExport, FileCounts, FileStatus, Ledger, LedgerEntry, Unread, UnreadableExport,
};
use crate::plan::{ObservedExport, TablePlan};
use crate::project::{Load, OnUnreadable, Source};

impl Execution {
    /// The ledger's entries of exports that cannot be read and are left out.
    ///
    /// # Errors
    /// Why one cannot be read that must not be left out.
    pub(super) async fn leave_out(
        &self,
        intake: &Intake<'_>,
        exports: &[ObservedExport],
        decoded: &[Arc<DecodedExport>],
        unreadable: Vec<UnreadableExport>,
    ) -> Result<Vec<LedgerEntry>> {
        let (source, reload, leaving) = (&intake.source, intake.reload, intake.leaving);
        let mut entries = Vec::new();
        let is_nothing = intake.published.is_none() && decoded.is_empty();
        // where the ledger is given up, nothing but the rows tells what each export brought
        let mut rows_given_up = match self.observation.ledger.contains_key(&source.table) {
            false if source.load == Load::Append && !unreadable.is_empty() => {
                self.rows_given_up(source).await?
            }
            _ => BTreeMap::new(),
        };
        // of several each is told
        let mut refused: Option<Error> = None;
        for mut one in unreadable {
            let export = exports.iter().find(|export| export.path == one.path);
            let export = export.ok_or_else(|| {
                Error::internal("an export was read that nobody asked for").at(one.path.as_str())
            })?;
            // its rows would leave with what they were made of
            let loses_rows = reload && export.is_in_table();
            let is_allowed = source.unreadable == OnUnreadable::Warn && !self.request.warn_error;
            let mut is_refused = refused.is_some()
                || is_nothing
                || loses_rows
                || !is_allowed
                || !self.others_stand(source, &one, decoded, reload)?;
            let given_up = rows_given_up.remove(&one.path);
            if let Some(lost) = self.lost_with(source, &one, decoded, leaving, given_up) {
                one.error = lost.error(&one);
                is_refused = true;
            }
            if is_refused {
                let found = ExportReport::unread(&one.path, one.size, &one.hash);
                self.record_refused(&source.table, export, &one.error, Some(found));
                refused = refused.or(Some(one.error));
            } else {
                entries.push((export, self.unread_entry(source, &one)?, one.error));
            }
        }
        let Some(error) = refused else {
            return Ok(entries.into_iter().map(|(_, entry, _)| entry).collect());
        };
        for (export, entry, error) in &entries {
            let found = ExportReport::unread(&entry.path, entry.size, &entry.hash);
            self.record_refused(&source.table, export, error, Some(found));
        }
        Err(error)
    }

    /// Records that were published, and that no release would have from here on if this export were left out.
    fn lost_with(
        &self,
        source: &Source,
        one: &UnreadableExport,
        decoded: &[Arc<DecodedExport>],
        leaving: &[String],
        given_up: Option<u64>,
    ) -> Option<Lost> {
        // the others are left out only where a later export says it all, or never
        if source.load != Load::Append {
            return None;
        }
        let Some(ledger) = self.observation.ledger.get(&source.table) else {
            return given_up.map(|records| Lost {
                records,
                help: LEDGER_GIVEN_UP.to_string(),
            });
        };
        let entry = ledger.entry(&one.path)?;
        let stands = |of: &LedgerEntry| {
            let anew = decoded.iter().find(|export| export.report.path == of.path);
            of.status == FileStatus::Loaded
                && !leaving.contains(&of.path)
                && anew.is_none_or(|anew| anew.report.hash == of.hash)
        };
        let contract = self.contract(&source.table);
        let takes = |column: &str| contract.is_none_or(|c| c.column(column).is_some());
        let is_it = |path: &str, hash: &str| {
            hash == entry.hash && !source.are_apart(&entry.path, path, takes)
        };
        let is_elsewhere = || {
            let mut loaded = ledger.entries().filter(|other| other.path != entry.path);
            let mut read = decoded.iter().map(|export| &export.report);
            let original = entry.duplicate_of.as_ref().and_then(|of| ledger.entry(of));
            original.is_some_and(stands)
                || loaded.any(|other| is_it(&other.path, &other.hash) && stands(other))
                || read.any(|report| is_it(&report.path, &report.hash))
        };
        let is_copy = entry.status == FileStatus::Duplicate;
        let (records, verb) = match entry.counts_in_table() {
            true if is_copy && !is_elsewhere() => (entry.counts.records, "retract"),
            // newer content of it, of which nobody remembers more than how much it was
            true => (entry.taken_back, "retract"),
            false if is_elsewhere() => (0, "skip"),
            false => (entry.taken_back, "skip"),
        };
        let path = printable(&one.path);
        (records > 0).then(|| Lost {
            records,
            help: format!(
                "deliver it again as it was; `kilde exports {verb} {path} --why TEXT` goes on without them, and older releases still have them"
            ),
        })
    }

    /// Judges what was left out before by what is declared today; nothing is read for that.
    ///
    /// # Errors
    /// Why an export cannot be read that must not be left out.
    pub(super) fn refuse_unread(&self, plan: &TablePlan) -> Result<()> {
        let Some(unread) = &plan.unread else {
            return Ok(());
        };
        if !plan.is_refused(self.request.warn_error) {
            return Ok(());
        }
        let ledger = self.observation.ledger.get(&plan.table);
        let entry = ledger.and_then(|ledger| ledger.entry(&unread.path));
        let reason = entry.and_then(|entry| entry.unread.as_ref());
        let reason = reason.map_or("the export cannot be read".into(), ToString::to_string);
        let path = printable(&unread.path);
        let error = Error::input(reason)
            .code(Code(219))
            .at(path.as_ref())
            .help(format!(
                "deliver it again; `kilde exports skip {path} --why TEXT` goes on without it"
            ));
        let exports = self.observation.observed.exports.get(&plan.table);
        let export = exports.and_then(|all| all.iter().find(|export| export.path == unread.path));
        if let Some(export) = export {
            self.record_refused(&plan.table, export, &error, None);
        }
        Err(error)
    }

    /// Whether what the other exports say is true without this one.
    fn others_stand(
        &self,
        source: &Source,
        unreadable: &UnreadableExport,
        decoded: &[Arc<DecodedExport>],
        reload: bool,
    ) -> Result<bool> {
        match source.load {
            Load::Append => return Ok(true),
            Load::Changes => return Ok(false),
            Load::Replace => {}
        }
        let ordinals = self.ordinals(source);
        let at = ordinals.of(&unreadable.path)?;
        let ledger = self.observation.ledger.get(&source.table);
        let loaded = ledger.into_iter().flat_map(Ledger::entries);
        let loaded = loaded
            .filter(|entry| !reload && entry.counts_in_table() && entry.path != unreadable.path);
        let mut later = loaded
            .map(|entry| &entry.path)
            .chain(decoded.iter().map(|export| &export.report.path))
            .map(|path| ordinals.of(path));
        later.try_fold(false, |found, ordinal| Ok(found || ordinal? > at))
    }

    fn unread_entry(&self, source: &Source, one: &UnreadableExport) -> Result<LedgerEntry> {
        let found = self.observation.found.get(&source.table);
        let found = found
            .and_then(|found| found.get(&one.path))
            .ok_or_else(|| {
                Error::internal("an export was read that was not found").at(one.path.as_str())
            })?;
        let tag = self.observation.remembered(&source.table, &one.path);
        let tag = tag.and_then(|remembered| remembered.tag);
        let decision = self.observation.decisions.reload(&source.table, &one.path);
        let causes = one.error.causes();
        let unread = Some(Unread {
            // what is underneath says more of it, where there is anything
            reason: match causes.first() {
                Some(cause) => format!("{}: {cause}", one.error),
                None => one.error.to_string(),
            },
            byte: one.byte,
        });
        let ledger = self.observation.ledger.get(&source.table);
        let known = ledger.and_then(|ledger| ledger.entry(&one.path));
        if let Some(entry) = known.filter(|entry| entry.counts_in_table()) {
            return Ok(LedgerEntry {
                size: one.size,
                modified_at: one.modified_at,
                tag,
                decision,
                unread,
                ..entry.clone()
            });
        }
        Ok(LedgerEntry {
            source: source.table.clone(),
            path: one.path.clone(),
            hash: one.hash.clone(),
            size: one.size,
            modified_at: one.modified_at,
            tag,
            ordered_at: found.captures.ordered_at,
            status: FileStatus::Unreadable,
            duplicate_of: None,
            counts: FileCounts::default(),
            release: self.next_release(),
            run_id: self.run.clone(),
            as_of: self.request.as_of,
            decision,
            taken_back: known.map_or(0, |entry| entry.taken_back),
            unread,
        })
    }
}

/// Where the ledger is made anew there is no decision to be made about an export.
const LEDGER_GIVEN_UP: &str = "deliver it again as it was, or take it out of `raw`: what it brought is then given up with the ledger";

/// What would be lost with an export.
struct Lost {
    records: u64,
    help: String,
}

impl Lost {
    fn error(self, of: &UnreadableExport) -> Error {
        let records = match self.records {
            1 => "1 record that was".to_string(),
            records => format!("{records} records that were"),
        };
        let reason = match of.error.causes().first() {
            Some(cause) => format!("{}: {cause}", of.error),
            None => of.error.to_string(),
        };
        Error::input(format!(
            "{records} published would be lost, since the export cannot be read again: {reason}"
        ))
        .code(Code(214))
        .at(printable(&of.path).as_ref())
        .help(self.help)
    }
}
