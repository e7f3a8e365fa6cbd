//! What a build does with a source: which exports it reads, and whether it reads all of them again.

use super::Decider;
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::name::TableName;
use crate::plan::fingerprint::{changed_parts, only_grew};
use crate::plan::{Action, ExportState, ObservedExport, PublishedTable, Reason, TablePlan};
use crate::project::Load;

impl Decider<'_> {
    pub(super) fn source(&mut self, plan: &TablePlan) -> (Action, Vec<Reason>) {
        let exports = self.observed.exports.get(&plan.table);
        let exports = exports.map_or(&[][..], Vec::as_slice);
        let is_paused = self.observed.release.as_ref().is_some_and(|r| r.is_paused);
        let is_new = |export: &&ObservedExport| {
            matches!(export.state, ExportState::New | ExportState::Changed)
        };
        let waiting = if is_paused {
            exports.iter().filter(is_new).count()
        } else {
            0
        };
        let available = exports
            .iter()
            .filter(|e| e.state != ExportState::Gone && !(is_paused && is_new(e)));
        let Some(published) = self.published(&plan.table) else {
            let action = Action::Ingest {
                exports: available.cloned().collect(),
                reload: true,
            };
            return (action, vec![Reason::New]);
        };
        let grows = self.grows(plan, published);
        let differs =
            published.fingerprints.content != plan.fingerprints.content && !grows;
        if differs || self.selection.full_refresh {
            let available: Vec<ObservedExport> = available.cloned().collect();
            self.refuse_reload_of_gone(plan, exports, &available);
            let reason = if differs {
                self.reload_reason(plan, published, available.len())
            } else {
                Reason::FullRefresh
            };
            let action = Action::Ingest {
                exports: available,
                reload: true,
            };
            return (action, vec![reason]);
        }
        let fresh: Vec<ObservedExport> = available.filter(is_new).cloned().collect();
        let mut reasons = Vec::new();
        let count = |state| fresh.iter().filter(|e| e.state == state).count();
        if count(ExportState::New) > 0 {
            let new = fresh.iter().filter(|e| e.state == ExportState::New);
            reasons.push(Reason::NewExports {
                count: count(ExportState::New),
                bytes: new.map(|export| export.size).sum(),
            });
        }
        if count(ExportState::Changed) > 0 {
            reasons.push(Reason::ChangedExports {
                count: count(ExportState::Changed),
            });
        }
        let grown = grows.then(|| grown(&plan.table, exports));
        if !fresh.is_empty() {
            reasons.extend(grown);
            let action = Action::Ingest {
                exports: fresh,
                reload: false,
            };
            return (action, reasons);
        }
        let (action, mut reasons) = self.beside_content(plan, published);
        if let Some(grown) = grown {
            reasons = vec![grown];
        }
        if waiting > 0 {
            reasons.push(Reason::ExportsWait { count: waiting });
        }
        (action, reasons)
    }

    /// Whether the contract of an `append` source gained columns, and nothing else: what is loaded need not be read again.
    fn grows(&self, plan: &TablePlan, published: &PublishedTable) -> bool {
        let source = self.project.sources.get(&plan.table);
        let contract = self.project.contracts.get(&plan.table);
        let (Some(source), Some(contract)) = (source, contract) else {
            return false;
        };
        match source.load {
            Load::Append => only_grew(&published.fingerprints, &plan.fingerprints, contract),
            // there a row is what the newest export says of it, in every column
            Load::Replace | Load::Changes => false,
        }
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
        let path = if parts.contains("contract") || parts.contains("rules") {
            contract.map(|contract| contract.file.path.clone())
        } else if parts.contains("read") {
            source.map(|source| source.file.path.clone())
        } else {
            None
        };
        match path {
            Some(path) => Reason::Reload { path, exports },
            None => Reason::SemanticsChanged,
        }
    }

    /// A reload must not lose rows whose exports are gone; of `replace` only the newest export counts.
    fn refuse_reload_of_gone(
        &mut self,
        plan: &TablePlan,
        exports: &[ObservedExport],
        available: &[ObservedExport],
    ) {
        let Some(source) = self.project.sources.get(&plan.table) else {
            return;
        };
        let gone: Vec<&ObservedExport> = exports
            .iter()
            .filter(|export| export.state == ExportState::Gone)
            .collect();
        let newest_is_gone = exports.last().is_some_and(|e| e.state == ExportState::Gone);
        let loses = match source.load {
            Load::Append | Load::Changes => !gone.is_empty(),
            Load::Replace => newest_is_gone || (available.is_empty() && !gone.is_empty()),
        };
        if !loses {
            return;
        }
        let shown: Vec<&str> = gone.iter().take(3).map(|e| e.path.as_str()).collect();
        let rest = if gone.len() > 3 { ", …" } else { "" };
        self.mistakes.push(
            Diagnostic::error(
                Code(208),
                format!(
                    "`{}` would be read again, and {} of its exports are gone: {}{rest}",
                    plan.table,
                    gone.len(),
                    shown.join(", ")
                ),
            )
            .at(&source.file, first_line(&source.file.text, source.span))
            .help("put them back, or undo the change of the contract or of `read`"),
        );
    }
}

/// What a re-read would cost, of the exports whose rows have null in the new columns.
fn grown(table: &TableName, exports: &[ObservedExport]) -> Reason {
    let loaded = exports
        .iter()
        .filter(|export| export.state != ExportState::New);
    let (gone, there): (Vec<_>, Vec<_>) =
        loaded.partition(|export| export.state == ExportState::Gone);
    Reason::ContractGrows {
        table: table.clone(),
        exports: there.len(),
        bytes: there.iter().map(|export| export.size).sum(),
        gone: gone.len(),
    }
}

fn first_line(text: &str, span: Span) -> Span {
    let rest = text.get(span.start..).unwrap_or_default();
    let length = rest.find('\n').unwrap_or(rest.len());
    Span {
        start: span.start,
        end: span.start + length,
    }
}
