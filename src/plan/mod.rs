//! What a build would do, and why.
//!
//!   `Project` ──check──▶ graph, analyses, schemas ──┐
//!   `Observed` (last release, listing; by `run`) ────┼──decide──▶ [`Plan`]: order, actions, reasons, fingerprints
//!   `Selection` ─────────────────────────────────────┘
//!
//! Pure: no data, no network, no runtime. A plan says what is certainly stale and what may become so; the latter is decided
//! by [`TablePlan::is_stale`] when the digests of its inputs are known.

mod check;
mod column_change;
mod consent;
mod contract_check;
mod contract_draft;
mod decide;
mod fingerprint;
mod fixture;
mod freshness;
mod graph;
mod lineage;
mod list;
mod matching;
mod observed;
mod outline;
mod pin;
mod readiness;
mod reason;
mod schema;
mod seed;
mod selection;
mod shape;
mod test_check;
mod unit_test;
mod whose;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;

use check::{Checked, check_project, check_runnable};
pub(crate) use column_change::{Breaking, ColumnChange, Effect, column_changes};
pub(crate) use consent::refused as hold_refused;
pub(crate) use contract_draft::{contract_draft, contract_draft_of_source};
pub(crate) use fingerprint::{ContentPart, EvolvedColumn, Fingerprints, evolved_columns};
pub(crate) use freshness::{Overdue, overdue};
pub(crate) use graph::Graph;
pub(crate) use lineage::{Branch, Decided, Export, Lineage, LineageColumn, LineageQuestion, Step};
pub(crate) use list::{ListedTable, list, unit_tests};
pub(crate) use matching::{MatchPlan, decision_columns, said_of};
pub use observed::Observed;
pub(crate) use observed::{
    ExportState, LostRecords, ObservedExport, ObservedHold, ObservedRelease, PublishedTable,
    Replay, UnreadExport, lost,
};
pub(crate) use outline::Outline;
pub(crate) use readiness::{Unready, unready};
pub(crate) use reason::{Cause, Reason};
pub use selection::Selection;
pub(crate) use shape::{Shape, Shapes};
pub(crate) use unit_test::{PlannedFixture, PlannedUnitTest};
pub(crate) use whose::{EntityKind, IdTable, Link, Part, RowsOf, entity_kinds, is_identifier};

use crate::diagnostic::Diagnostic;
use crate::engine::{Analysis, FunctionRegistry};
use crate::error::{Error, Result};
use crate::name::TableName;
use crate::project::{OnError, Project};

/// What a build would do.
#[derive(Debug)]
pub struct Plan {
    /// Every table of the project, inputs before readers; equal projects give equal orders.
    pub(crate) order: Vec<TableName>,
    /// By table.
    pub(crate) tables: BTreeMap<TableName, TablePlan>,
    /// Changes that take columns or whole tables away from people who read them.
    pub(crate) breaking: Vec<Breaking>,
    /// Published, and by the project no longer; they leave the next release that a build of everything publishes.
    pub(crate) retired: Vec<TableName>,
    /// Each table that must not be held → the consent table that it feeds.
    pub(crate) never_held: BTreeMap<TableName, TableName>,
    /// Doubts that stop nothing.
    pub(crate) warnings: Vec<Diagnostic>,
}

/// What a build would do with one table, and all that `run` needs to do it.
#[derive(Clone, Debug)]
pub(crate) struct TablePlan {
    pub(crate) table: TableName,
    pub(crate) kind: Kind,
    /// Name of the pipeline that owns it.
    pub(crate) pipeline: String,
    /// The tables its SQL names, in the order written; empty for sources.
    pub(crate) inputs: Vec<TableName>,
    /// The published tables it depends on, ephemeral steps seen through: those whose digests decide.
    pub(crate) published_inputs: BTreeSet<TableName>,
    /// The steps that read it directly.
    pub(crate) readers: Vec<TableName>,
    /// One entry for each test of its contract, in the contract's order: the statements of those that are SQL.
    pub(crate) tests: Vec<Option<Analysis>>,
    /// Of its SQL, as its contract declares them.
    pub(crate) unit_tests: Vec<PlannedUnitTest>,
    pub(crate) action: Action,
    /// What a failure of it does.
    pub(crate) on_error: OnError,
    /// A source whose newest export is too old.
    pub(crate) overdue: Option<Overdue>,
    /// An export of a source that stands there as one that cannot be read, and that this build does not try again.
    pub(crate) unread: Option<UnreadExport>,
    /// What to do instead where `action` is `Maybe` and it turns out not to be stale: `Retest`, `Redescribe` or `Unchanged`.
    pub(crate) otherwise: Action,
    /// Why, the weightiest first; empty for what is unchanged.
    pub(crate) reasons: Vec<Reason>,
    pub(crate) fingerprints: Fingerprints,
    /// The columns as published, in order: what `engine::conform` makes of the query's result.
    pub(crate) schema: SchemaRef,
    /// The columns that statements see: of a source without those that exports brought and nobody declared.
    pub(crate) read_as: SchemaRef,
    /// Of its SQL; `None` for sources and seeds.
    pub(crate) analysis: Option<Analysis>,
    /// Of a seed.
    pub(crate) rows: Option<RecordBatch>,
    /// Of a table that a match step makes.
    pub(crate) matched: Option<MatchPlan>,
    /// Digests of the inputs that the published version was built from.
    pub(crate) built_from: BTreeMap<TableName, String>,
}

/// What makes a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Raw exports.
    Source,
    /// A small table that is a file of the project.
    Seed,
    /// A SQL step whose result is published.
    Table,
    /// A SQL step that is part of what reads it.
    Ephemeral,
    /// The ids of a match step.
    Match,
    /// A table that a match step makes beside its ids; reads them, and is made when they are.
    MatchSide,
}

/// As lists call it.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Table => "table",
            Self::Seed => "seed",
            Self::Ephemeral => "ephemeral",
            Self::Match | Self::MatchSide => "match",
        })
    }
}

/// What a build does with a table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    /// Read these exports into the source's table, in this order.
    Ingest {
        exports: Vec<ObservedExport>,
        /// The table starts empty: its contract or the way exports are read changed, or an export left it whose records
        /// took the place of others; so every export is read again.
        reload: bool,
        /// Paths of the exports whose rows leave the table.
        leaving: Vec<String>,
    },
    /// Certainly stale: compute it.
    Build,
    /// Itself unchanged, but an input may change: [`TablePlan::is_stale`] decides when that is known.
    Maybe,
    /// Only tests changed: test the published version.
    Retest,
    /// Only words changed: commit metadata.
    Redescribe,
    /// Nothing to do.
    Unchanged,
    /// Not asked for: readers use the published version.
    NotSelected,
}

/// What a check of a project found.
#[derive(Debug)]
pub(crate) struct Checkup {
    /// Doubts that stop nothing.
    pub(crate) warnings: Vec<Diagnostic>,
    pub(crate) shapes: Shapes,
}

/// Checks a project by itself, whatever is published: `kilde check`.
///
/// # Errors
/// `Config` with every mistake found in SQL, contracts and tests.
pub(crate) fn check(project: &Project, functions: &FunctionRegistry) -> Result<Checkup> {
    let checked = check_project(project, functions, chrono::DateTime::UNIX_EPOCH)
        .map_err(Error::from_diagnostics)?;
    // of what passes every other check, hardly anything but correlated subqueries cannot be run; a build proves all that
    // it is to compute
    let doubtful = checked.analyses.iter().filter(|(_, a)| a.has_correlation());
    check_runnable(project, functions, &doubtful.collect::<Vec<_>>())
        .map_err(Error::from_diagnostics)?;
    Ok(Checkup {
        shapes: checked.shapes(project),
        warnings: checked.warnings,
    })
}

impl Plan {
    /// Checks the project and decides what a build of the selection would do.
    ///
    /// # Errors
    /// `Config` with every mistake found in SQL, contracts and tests; or with what is wrong with the selection.
    pub(crate) fn new(
        project: &Project,
        observed: &Observed,
        selection: &Selection,
        functions: &FunctionRegistry,
    ) -> Result<Self> {
        let checked =
            check_project(project, functions, observed.as_of).map_err(Error::from_diagnostics)?;
        decide::decide(project, observed, selection, functions, checked)
    }

    /// The unit tests of what a person changed, the ephemeral steps that are part of it among them: those that must pass
    /// before data is read.
    pub(crate) fn unit_tests(&self) -> Vec<&PlannedUnitTest> {
        let mut wanted: BTreeSet<&TableName> = BTreeSet::new();
        for name in self.order.iter().rev() {
            let Some(table) = self.tables.get(name) else {
                continue;
            };
            let is_part = || table.readers.iter().any(|reader| wanted.contains(reader));
            if table.was_changed() || (table.kind == Kind::Ephemeral && is_part()) {
                wanted.insert(name);
            }
        }
        let tables = self.order.iter().filter(|name| wanted.contains(name));
        tables
            .filter_map(|name| self.tables.get(name))
            .flat_map(|table| &table.unit_tests)
            .collect()
    }

    /// Whether a build of it would write anything at all.
    pub(crate) fn is_empty(&self) -> bool {
        let idle = |action: &Action| {
            matches!(
                action,
                Action::Unchanged | Action::NotSelected | Action::Maybe
            )
        };
        // a table that may change does so only when an input does, and that input is not idle
        let fails = |table: &TablePlan| table.is_overdue() || table.is_refused(false);
        self.tables
            .values()
            .all(|table| idle(&table.action) && !fails(table))
            && self.retired.is_empty()
    }
}

impl Plan {
    /// Adds what the headers of a source's new exports say.
    pub(crate) fn tell_drift(&mut self, source: &TableName, words: Vec<String>) {
        if let (Some(table), false) = (self.tables.get_mut(source), words.is_empty()) {
            table.add_reason(Reason::Drift { words });
        }
    }

    /// The ephemeral steps that are part of a table.
    pub(crate) fn ephemerals_within(&self, table: &TableName) -> BTreeSet<TableName> {
        let mut within = BTreeSet::new();
        let mut next = vec![table];
        while let Some(table) = next.pop() {
            for input in self.tables.get(table).into_iter().flat_map(|t| &t.inputs) {
                let is_ephemeral = self
                    .tables
                    .get(input)
                    .is_some_and(|input| input.kind == Kind::Ephemeral);
                if is_ephemeral && within.insert(input.clone()) {
                    next.push(input);
                }
            }
        }
        within
    }

    /// Published tables that stand on a table, near or far.
    pub(crate) fn standing_on(&self, table: &TableName) -> BTreeSet<TableName> {
        let mut seen = BTreeSet::new();
        let mut next = vec![table];
        while let Some(table) = next.pop() {
            for reader in self.tables.get(table).into_iter().flat_map(|t| &t.readers) {
                if seen.insert(reader) {
                    next.push(reader);
                }
            }
        }
        let is_table = |name: &TableName| {
            self.tables
                .get(name)
                .is_some_and(|t| matches!(t.kind, Kind::Table | Kind::Match | Kind::MatchSide))
        };
        seen.into_iter().filter(|t| is_table(t)).cloned().collect()
    }
}

impl TablePlan {
    /// Whether a person changed its SQL, its contract or its tests, as opposed to rows that came in.
    pub(crate) fn was_changed(&self) -> bool {
        if self.action == Action::NotSelected {
            return false;
        }
        let tests_changed = self.otherwise == Action::Retest;
        let mut causes = self.reasons.iter().map(Reason::cause);
        tests_changed || causes.any(|cause| matches!(cause, Cause::Definition | Cause::Tests))
    }

    /// Whether a version with these columns can stand in for what is planned: its readers find the columns that they expect.
    pub(crate) fn is_read_alike(&self, published: &SchemaRef) -> bool {
        let is_evolved = |name: &str| {
            self.schema.field_with_name(name).is_ok() && self.read_as.field_with_name(name).is_err()
        };
        let columns = published.fields().iter();
        columns
            .filter(|field| !is_evolved(field.name()))
            .eq(self.read_as.fields())
    }

    /// Whether the age of its newest export fails it.
    pub(crate) fn is_overdue(&self) -> bool {
        self.action != Action::NotSelected && self.overdue.as_ref().is_some_and(|o| o.fails)
    }

    /// Whether an export that cannot be read fails it, as its source is declared today. `strict`: none may be left out.
    pub(crate) fn is_refused(&self, strict: bool) -> bool {
        let unread = self.unread.as_ref();
        self.action != Action::NotSelected && unread.is_some_and(|u| u.is_refused || strict)
    }

    /// Whether it must be computed, given what its inputs are now; asked when every input is ready.
    pub(crate) fn is_stale(&self, input_digests: &BTreeMap<TableName, String>) -> Option<Reason> {
        match self.action {
            Action::Build | Action::Ingest { .. } => self.reasons.first().cloned(),
            Action::Maybe => self
                .published_inputs
                .iter()
                .find(|input| self.built_from.get(input) != input_digests.get(input))
                .map(|input| Reason::InputChanged {
                    table: input.clone(),
                }),
            _ => None,
        }
    }
}
