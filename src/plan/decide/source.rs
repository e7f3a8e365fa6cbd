//! What a build does with a source: which exports it reads, which leave, and whether it reads all of them again.

use std::collections::{BTreeMap, BTreeSet};

use super::Decider;
use crate::diagnostic::{Code, Diagnostic, Span, some_of};
use crate::name::TableName;
use crate::plan::fingerprint::{
    ContentPart, Growth, changed_parts, content_without_missing_columns, growth,
};
use crate::plan::{Action, ExportState, ObservedExport, PublishedTable, Reason, TablePlan, lost};
use crate::project::{Load, Source};

/// Why every export of a source must be read again, for who finds that some are gone.
#[derive(Clone, Copy, Debug)]
enum Cause {
    /// The table is in no release, although its ledger knows exports: it left the project once.
    Returned,
    Contract,
    Retracted,
    Changed,
    Asked,
}

impl Cause {
    fn remedy(self) -> &'static str {
        match self {
            Self::Returned => {
                "put them back, or go on without them: `kilde exports retract FILE --why TEXT`"
            }
            Self::Contract => {
                "put them back, or undo the change of the contract or of `read`, or go on without them: `kilde exports retract FILE --why TEXT`"
            }
            Self::Retracted => {
                "put them back, or take the decision back: `kilde exports retract FILE --undo`"
            }
            Self::Changed => {
                "put them back, or restore the export that changed and deliver its corrections under a new name"
            }
            Self::Asked => {
                "put them back, or take the wish back: `kilde exports reload FILE --undo`, or go on without them: `kilde exports retract FILE --why TEXT`"
            }
        }
    }
}

/// The exports of a source, by what becomes of them.
struct Offer<'e> {
    /// Those that can be read now, in their order.
    available: Vec<&'e ObservedExport>,
    /// New ones that wait for the lake to be resumed.
    waiting: usize,
    /// Paths of those whose rows leave the table.
    leaving: Vec<String>,
    /// Paths of copies that are read since their original no longer counts.
    orphans: BTreeSet<&'e str>,
}

impl<'e> Offer<'e> {
    /// Without orphans: they matter only where not all is read anew.
    fn of(exports: &'e [ObservedExport], is_paused: bool) -> Self {
        let (available, waiting): (Vec<_>, Vec<_>) = exports
            .iter()
            .filter(|export| export.is_available())
            // of what is in the table, a reload needs even what is being written again: the build then says so
            .filter(|export| export.unready.is_none() || export.is_in_table())
            .partition(|export| !(is_paused && is_new(export)));
        let leaving = exports.iter();
        let leaving = leaving.filter(|export| export.is_excluded && export.is_in_table());
        Self {
            available,
            waiting: waiting.len(),
            leaving: leaving.map(|export| export.path.clone()).collect(),
            orphans: BTreeSet::new(),
        }
    }

    /// The table starts empty, and every export is read.
    fn all_anew(self) -> Action {
        Action::Ingest {
            exports: self.available.into_iter().cloned().collect(),
            reload: true,
            leaving: self.leaving,
        }
    }

    /// What is new, what changed and what is to be read again.
    fn what_came(self) -> Action {
        let read = self.available.iter().filter(|export| {
            export.unready.is_none() && (is_new(export) || self.is_read_again(export))
        });
        Action::Ingest {
            exports: read.copied().cloned().collect(),
            reload: false,
            leaving: self.leaving,
        }
    }

    fn is_read_again(&self, export: &ObservedExport) -> bool {
        export.is_reloaded || self.orphans.contains(export.path.as_str())
    }

    fn in_state(&self, state: ExportState) -> impl Iterator<Item = &'e ObservedExport> {
        let ready = self.available.iter().copied();
        ready.filter(move |export| export.unready.is_none() && export.state == state)
    }

    /// Why the source is read; none where nothing came.
    fn reasons(&self) -> Vec<Reason> {
        let new = self.in_state(ExportState::New).count();
        let changed = self.in_state(ExportState::Changed).count();
        let leaving = self.leaving.len();
        let again = self.available.iter();
        let again = again.filter(|export| self.is_read_again(export)).count();
        let bytes = self.in_state(ExportState::New).map(|export| export.size);
        let came = Reason::NewExports {
            count: new,
            bytes: bytes.sum(),
        };
        [
            (new, came),
            (changed, Reason::ChangedExports { count: changed }),
            (leaving, Reason::RetractedExports { count: leaving }),
            (again, Reason::ReadAgain { count: again }),
        ]
        .into_iter()
        .filter_map(|(count, reason)| (count > 0).then_some(reason))
        .collect()
    }

    /// Why every export must be read again: what took the place of other records cannot be taken out alone.
    fn why_all(&self, load: Load) -> Option<Cause> {
        let asked = self.available.iter();
        let asked = asked.filter(|export| export.is_reloaded && export.is_in_table());
        let mut asked = asked.peekable();
        match load {
            Load::Append => None,
            _ if !self.leaving.is_empty() => Some(Cause::Retracted),
            Load::Changes if asked.peek().is_some() => Some(Cause::Asked),
            // the newest export, read again for its rejects, says what is true
            _ if asked.any(|export| !export.is_replayed) => Some(Cause::Asked),
            Load::Changes if self.in_state(ExportState::Changed).next().is_some() => {
                Some(Cause::Changed)
            }
            Load::Changes | Load::Replace => None,
        }
    }
}

fn is_new(export: &ObservedExport) -> bool {
    matches!(export.state, ExportState::New | ExportState::Changed)
}

impl Decider<'_> {
    pub(super) fn source(&mut self, plan: &TablePlan) -> (Action, Vec<Reason>) {
        let exports = self.observed.exports.get(&plan.table);
        let exports = exports.map_or(&[][..], Vec::as_slice);
        let is_paused = self.observed.release.as_ref().is_some_and(|r| r.is_paused);
        let mut offer = Offer::of(exports, is_paused);
        self.refuse_lost(plan, exports);
        let Some(published) = self.published(&plan.table) else {
            self.refuse_reload_of_gone(plan, exports, Cause::Returned);
            return (offer.all_anew(), vec![Reason::New]);
        };
        let grows = self.grows(plan, published);
        let (before, now) = (&published.fingerprints.content, &plan.fingerprints.content);
        let replay = self.observed.replays.get(&plan.table);
        // each loaded export had every column that it had to have, under a name of then
        let as_strict = || content_without_missing_columns(self.project, &plan.table);
        let stands = replay.is_some_and(|r| (&r.from, &r.to) == (before, now))
            || (before != now && as_strict().as_ref() == Some(before));
        let differs = before != now && grows.is_none() && !stands;
        if differs || self.selection.full_refresh {
            self.refuse_reload_of_gone(plan, exports, Cause::Contract);
            let reason = if differs {
                self.reload_reason(plan, published, offer.available.len())
            } else {
                Reason::FullRefresh
            };
            return (offer.all_anew(), vec![reason]);
        }
        offer.orphans = self.orphans(plan, exports, is_paused);
        let mut reasons = offer.reasons();
        let grown = (grows == Some(Growth::New)).then(|| grown(&plan.table, exports));
        if reasons.is_empty() {
            let (action, mut reasons) = self.beside_content(plan, published);
            if let Some(grown) = grown {
                reasons = vec![grown];
            }
            reasons.extend(set_aside(exports));
            if offer.waiting > 0 {
                reasons.push(Reason::ExportsWait {
                    count: offer.waiting,
                });
            }
            return (action, reasons);
        }
        reasons.extend(grown);
        reasons.extend(set_aside(exports));
        let load = self.project.sources.get(&plan.table).map(|s| s.load);
        if let Some(cause) = load.and_then(|load| offer.why_all(load)) {
            self.refuse_reload_of_gone(plan, exports, cause);
            return (offer.all_anew(), reasons);
        }
        (offer.what_came(), reasons)
    }

    /// Whether the contract of a source gained columns, and nothing else, so that what is loaded need not be read again.
    fn grows(&self, plan: &TablePlan, published: &PublishedTable) -> Option<Growth> {
        let source = self.project.sources.get(&plan.table);
        let contract = self.project.contracts.get(&plan.table);
        let (source, contract) = (source?, contract?);
        growth(published, &plan.fingerprints, contract).filter(|growth| {
            // else a row is what the newest export says of it, in every column
            source.load == Load::Append || *growth == Growth::Declared
        })
    }

    /// Copies whose original no longer counts in their place: they are read. Where it leaves or changes with this build, each
    /// of them must be there to be read.
    fn orphans<'e>(
        &mut self,
        plan: &TablePlan,
        exports: &'e [ObservedExport],
        is_paused: bool,
    ) -> BTreeSet<&'e str> {
        let loses_rows = |export: &ObservedExport| {
            let waits = is_paused || export.unready.is_some();
            let is_read = export.state == ExportState::Changed && !waits;
            export.is_in_table() && (export.is_excluded || is_read)
        };
        let originals: BTreeMap<&str, &ObservedExport> = exports
            .iter()
            .map(|export| (export.path.as_str(), export))
            .collect();
        let mut orphans = BTreeSet::new();
        let mut gone = Vec::new();
        for export in exports.iter().filter(|export| !export.is_excluded) {
            let Some(original) = export.duplicate_of.as_deref() else {
                continue;
            };
            let original = originals.get(original).copied();
            let leaves = original.is_some_and(loses_rows);
            let counts = original.is_some_and(|original| {
                original.is_in_table() && original.duplicate_of.is_none() && !leaves
            });
            let is_there = export.state != ExportState::Gone && !export.is_unreadable();
            match (counts, is_there) {
                (true, _) => {}
                (false, true) if export.unready.is_none() => {
                    orphans.insert(export.path.as_str());
                }
                (false, true) => {}
                (false, false) if leaves => gone.push(export),
                (false, false) => {}
            }
        }
        if let (Some(source), false) = (self.project.sources.get(&plan.table), gone.is_empty()) {
            self.mistakes.push(gone_mistake(
                source,
                &gone,
                "would count in the place of one that leaves",
                "put them back, or retract them too",
            ));
        }
        orphans
    }

    fn reload_reason(
        &self,
        plan: &TablePlan,
        published: &PublishedTable,
        exports: usize,
    ) -> Reason {
        let parts = changed_parts(&published.fingerprints, &plan.fingerprints);
        let contract = self.project.contracts.get(&plan.table);
        let source = self.project.sources.get(&plan.table);
        let path = if parts.contains(&ContentPart::Contract) || parts.contains(&ContentPart::Rules)
        {
            contract.map(|contract| contract.file.path.clone())
        } else if parts.contains(&ContentPart::Read) {
            source.map(|source| source.file.path.clone())
        } else {
            None
        };
        match path {
            Some(path) => Reason::Reload { path, exports },
            None => Reason::SemanticsChanged,
        }
    }

    /// What a rollback took back must be read again, not vanish with its file.
    fn refuse_lost(&mut self, plan: &TablePlan, exports: &[ObservedExport]) {
        let Some(source) = self.project.sources.get(&plan.table) else {
            return;
        };
        let lost = lost(source.load, exports);
        let Some((path, first)) = lost.first() else {
            return;
        };
        let records: u64 = lost.iter().map(|(_, lost)| lost.records).sum();
        let paths: Vec<&str> = lost.iter().map(|(path, _)| path.as_str()).collect();
        self.mistakes.push(
            Diagnostic::error(
                Code(214),
                format!(
                    "{records} {} of `{}` {} taken back by a rollback and cannot be read again, since {} of its exports {} gone: {}",
                    if records == 1 { "record" } else { "records" },
                    plan.table,
                    if records == 1 { "was" } else { "were" },
                    lost.len(),
                    if lost.len() == 1 { "is" } else { "are" },
                    some_of(paths),
                ),
            )
            .at(&source.file, first_line(&source.file.text, source.span))
            .help(format!(
                "{} without its records: `kilde exports {} {path} --why TEXT`; {} still has them",
                match first.were_adopted {
                    true => "another tool had added them, and no export has them; go on",
                    false => "put the file back, or go on",
                },
                first.verb(),
                match first.release {
                    Some(release) => format!("release {release}"),
                    None => "an older release".to_string(),
                }
            )),
        );
    }

    /// A reload must not lose rows whose exports are gone; of `replace` only the newest export counts.
    fn refuse_reload_of_gone(
        &mut self,
        plan: &TablePlan,
        exports: &[ObservedExport],
        cause: Cause,
    ) {
        let Some(source) = self.project.sources.get(&plan.table) else {
            return;
        };
        let counting = exports
            .iter()
            .filter(|export| !export.is_excluded && export.state != ExportState::Out);
        let newest_is_gone = counting
            .clone()
            .next_back()
            .is_some_and(|export| export.state == ExportState::Gone);
        let gone: Vec<&ObservedExport> = counting
            .filter(|export| export.state == ExportState::Gone)
            .collect();
        let loses = match source.load {
            Load::Append | Load::Changes => !gone.is_empty(),
            Load::Replace => newest_is_gone,
        };
        if loses {
            let table = &plan.table;
            let what = format!("`{table}` would be read again");
            self.mistakes
                .push(gone_mistake(source, &gone, &what, cause.remedy()));
        }
    }
}

/// Exports that lie there and that no build takes as they are.
fn set_aside(exports: &[ObservedExport]) -> impl Iterator<Item = Reason> {
    let unready = exports
        .iter()
        .filter(|export| export.is_available() && export.unready.is_some())
        .count();
    let unreadable = exports.iter().filter(|e| e.is_unreadable()).count();
    let unready = (unready > 0).then_some(Reason::ExportsUnready { count: unready });
    let unreadable = (unreadable > 0).then_some(Reason::ExportsUnreadable { count: unreadable });
    unready.into_iter().chain(unreadable)
}

/// What a re-read would cost, of the exports whose rows have null in the new columns.
fn grown(table: &TableName, exports: &[ObservedExport]) -> Reason {
    let loaded = exports
        .iter()
        .filter(|export| export.is_in_table() && !export.is_excluded);
    let (gone, there): (Vec<_>, Vec<_>) =
        loaded.partition(|export| export.state == ExportState::Gone);
    Reason::ContractGrows {
        table: table.clone(),
        exports: there.len(),
        bytes: there.iter().map(|export| export.size).sum(),
        gone: gone.len(),
    }
}

/// Exports that are needed once more, and are no longer there.
fn gone_mistake(source: &Source, gone: &[&ObservedExport], what: &str, remedy: &str) -> Diagnostic {
    let paths: Vec<&str> = gone.iter().map(|export| export.path.as_str()).collect();
    Diagnostic::error(
        Code(208),
        format!(
            "{what}, and {} of its exports are gone: {}",
            gone.len(),
            some_of(paths)
        ),
    )
    .at(&source.file, first_line(&source.file.text, source.span))
    .help(remedy)
}

fn first_line(text: &str, span: Span) -> Span {
    let rest = text.get(span.start..).unwrap_or_default();
    let length = rest.find('\n').unwrap_or(rest.len());
    Span {
        start: span.start,
        end: span.start + length,
    }
}
