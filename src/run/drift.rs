//! What the headers of new exports say before any record is read: columns that a table gains by itself
//! (`drift: {added: evolve}`), and what a plan tells of drift.
//!
//!   new exports ─look─▶ names of columns ─┬─▶ contracts with the columns that exports brought ─▶ plan and build
//!                                         └─▶ reasons of `kilde plan`
//!
//! Which columns a table has gained, and what exports call them, is kept with the table's fingerprints in the release: it
//! goes back with a rollback and outlives the exports. Names come in the order of exports and headers, so that nights
//! taken one by one and nights taken together give equal tables.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use futures::stream::{self, StreamExt, TryStreamExt};

use super::Runner;
use super::observe::Observation;
use super::report::RunReport;
use super::source::located;
use crate::catalog::Catalog;
use crate::diagnostic::printable;
use crate::error::Result;
use crate::ingest::{Drift, ReadRequest, drift_of};
use crate::name::TableName;
use crate::plan::{Action, EvolvedColumn, ExportState, ObservedExport, Plan, evolved_columns};
use crate::project::{
    Column, ColumnType, Contract, Meaning, OnDrift, Source, Spanned, name_made_of,
};

/// Exports whose headers are read at once.
const AT_ONCE: usize = 8;
/// Of the new exports of one source a plan looks at so many, the newest.
const LOOKED_AT: usize = 100;
/// A plan copies no file larger than this to find its header.
const LARGEST_COPIED: u64 = 16 << 20;

/// The names of an export's columns.
struct Header {
    names: Vec<String>,
    /// Columns that its path gives.
    captured: BTreeSet<String>,
}

impl Header {
    /// Whether no column of the contract is in it: it is none, or that of another file, so that its cells may be those of a
    /// record, which nobody shows or calls a column by.
    fn is_foreign(&self, contract: &Contract) -> bool {
        let mut names = self.names.iter();
        !names.any(|name| contract.columns.iter().any(|column| column.is_called(name)))
    }

    fn is_twice(&self, name: &str) -> bool {
        self.names.iter().filter(|other| *other == name).count() > 1
    }

    /// A name that the contract asks for and that comes more than once.
    fn doubled(&self, contract: &Contract) -> Option<&String> {
        let is_wanted = |name: &String| contract.columns.iter().any(|c| c.is_called(name));
        let mut names = self.names.iter();
        names.find(|name| self.is_twice(name) && is_wanted(name))
    }

    fn drift(&self, contract: &Contract) -> Vec<Drift> {
        drift_of(&self.names, contract, |column| {
            self.captured.contains(column)
        })
    }
}

impl Observation {
    /// Gives the contracts of the project the columns that exports brought: those that the release knows, and those that
    /// new exports bring.
    pub(super) async fn evolve(&mut self, runner: &Runner) -> Result<()> {
        let sources = runner.project.sources.values();
        for source in sources.filter(|source| source.drift.added.value == OnDrift::Evolve) {
            let Some(contract) = runner.project.contracts.get(&source.table) else {
                continue;
            };
            let mut contract = contract.clone();
            let release = self.observed.release.as_ref();
            let published = release.and_then(|release| release.tables.get(&source.table));
            let came = published.map(evolved_columns).transpose()?;
            for EvolvedColumn { name, header } in came.unwrap_or_default() {
                let is_declared = contract.column(&name).is_some() || is_known(&contract, &header);
                if !is_declared {
                    contract.evolved.push(evolved(name, header));
                }
            }
            let exports = self.observed.exports.get(&source.table);
            let is_read = |export: &&ObservedExport| {
                export.is_available()
                    && export.unready.is_none()
                    && (export.is_reloaded
                        || matches!(export.state, ExportState::New | ExportState::Changed))
            };
            let exports: Vec<_> = exports.into_iter().flatten().filter(is_read).collect();
            for header in self.headers(runner, source, &contract, exports).await? {
                if header.is_foreign(&contract) || header.doubled(&contract).is_some() {
                    continue;
                }
                for drift in header.drift(&contract) {
                    if let Drift::Added { name } = drift
                        && !header.is_twice(&name)
                    {
                        let column = free_name(&contract, &name);
                        contract.evolved.push(evolved(column, name));
                    }
                }
            }
            let project = Arc::make_mut(&mut self.project);
            project.contracts.insert(source.table.clone(), contract);
        }
        Ok(())
    }

    /// The headers of some exports of a source, in their order; without those that have none or cannot be read.
    async fn headers(
        &self,
        runner: &Runner,
        source: &Source,
        contract: &Contract,
        exports: Vec<&ObservedExport>,
    ) -> Result<Vec<Header>> {
        let (Some(raw), false) = (&self.raw, exports.is_empty()) else {
            return Ok(Vec::new());
        };
        let (source, contract) = (Arc::new(source.clone()), Arc::new(contract.clone()));
        let folder = scratch(runner);
        let found = self.found.get(&source.table);
        let looks = exports.into_iter().enumerate().map(|(number, export)| {
            let export = located(export, found.and_then(|found| found.get(&export.path)));
            let (source, contract) = (Arc::clone(&source), Arc::clone(&contract));
            let (raw, scratch) = (raw.clone(), folder.join(number.to_string()));
            let limits = runner.decoder_limits();
            async move {
                // whoever reads it says what is wrong with it
                let Ok(export) = export else { return Ok(None) };
                let captured = export.captures.columns.keys().cloned().collect();
                let names = raw.look(ReadRequest {
                    export,
                    source,
                    contract,
                    limits,
                    scratch,
                });
                let names = names.await?;
                Ok(names.map(|names| Header { names, captured }))
            }
        });
        let headers: Result<Vec<Option<Header>>> = stream::iter(looks.collect::<Vec<_>>())
            .buffered(AT_ONCE)
            .try_collect()
            .await;
        let _ = std::fs::remove_dir_all(&folder);
        Ok(headers?.into_iter().flatten().collect())
    }
}

impl Runner {
    /// Adds to a plan what the headers of the exports that it would read say of drift.
    pub(super) async fn tell_drift(
        &self,
        catalog: Option<&Catalog>,
        observation: &Observation,
        plan: &mut Plan,
    ) -> Result<()> {
        let before = match catalog {
            Some(catalog) => self.newest_report(catalog, observation).await,
            None => None,
        };
        for source in self.project.sources.values() {
            let table = &source.table;
            let contract = observation.project.contracts.get(table);
            let planned = plan.tables.get(table).map(|table| &table.action);
            let (Some(contract), Some(Action::Ingest { exports, .. })) = (contract, planned) else {
                continue;
            };
            if !source.read.has_header() {
                continue;
            }
            let is_cheap = |export: &&ObservedExport| {
                matches!(source.read, crate::project::Read::Csv(_)) || export.size <= LARGEST_COPIED
            };
            let is_new = |export: &&ObservedExport| {
                matches!(export.state, ExportState::New | ExportState::Changed)
            };
            let mut exports: Vec<_> = exports.iter().filter(is_new).filter(is_cheap).collect();
            exports.drain(..exports.len().saturating_sub(LOOKED_AT));
            let known = known(before.as_ref(), table);
            let is_first = observation.release.as_ref();
            let is_first = is_first.is_none_or(|release| release.table(table).is_none());
            let mut words = Vec::new();
            let headers = observation.headers(self, source, contract, exports);
            for header in headers.await? {
                if header.is_foreign(contract) {
                    let foreign = "no column of the contract is there: refuses the export";
                    words.extend((!words.iter().any(|w| w == foreign)).then(|| foreign.into()));
                    continue;
                }
                if let Some(name) = header.doubled(contract) {
                    let name = printable(name);
                    words.push(format!("`{name}` is there more than once: cannot be read"));
                    continue;
                }
                for drift in header.drift(contract) {
                    let said = in_plan(source, &drift, is_first, &known);
                    words.extend(said.filter(|said| !words.contains(said)));
                }
            }
            plan.tell_drift(table, words);
        }
        Ok(())
    }

    /// What the run reported that published the newest release.
    async fn newest_report(
        &self,
        catalog: &Catalog,
        observation: &Observation,
    ) -> Option<RunReport> {
        let release = observation.release.as_ref()?;
        RunReport::recall(&release.run, catalog.lake()).await
    }
}

/// What was told of a source before: ignored columns by their names, all else in words.
fn known(report: Option<&RunReport>, table: &TableName) -> BTreeSet<String> {
    let sources = report.into_iter().flat_map(|report| &report.sources);
    let source = sources.into_iter().find(|source| source.table == *table);
    source.map_or_else(BTreeSet::new, |source| {
        let columns = source.ignored_columns.iter();
        columns.chain(&source.drift).cloned().collect()
    })
}

/// A difference and what the build does about it, as a plan says it; `None` for what is no news.
fn in_plan(
    source: &Source,
    drift: &Drift,
    is_first: bool,
    known: &BTreeSet<String>,
) -> Option<String> {
    let modes = &source.drift;
    let refuses = |mode: &Spanned<OnDrift>| mode.value.refuses().then_some("refuses the export");
    let effect = match drift {
        Drift::Added { name } => match refuses(&modes.added) {
            Some(effect) => effect,
            None if is_first || known.contains(name) => return None,
            None => "ignored",
        },
        Drift::Missing { .. } => match refuses(&modes.missing) {
            Some(effect) => effect,
            None if known.contains(&drift.to_string()) => return None,
            None => "null",
        },
        Drift::Reordered => refuses(&modes.reordered)?,
        Drift::Renamed { .. } | Drift::Evolved { .. } => {
            let words = drift.to_string();
            return (!is_first && !known.contains(&words)).then_some(words);
        }
    };
    Some(format!("{drift}: {effect}"))
}

fn is_known(contract: &Contract, header: &str) -> bool {
    contract
        .stored_columns()
        .any(|column| column.is_called(header))
}

/// A column of the table's own for what an export calls so.
fn free_name(contract: &Contract, header: &str) -> String {
    let made = name_made_of(header).filter(|name| !name.starts_with("_kilde"));
    let name = made.unwrap_or_else(|| "unnamed".to_string());
    let is_free = |name: &str| contract.stored_columns().all(|c| c.name.value != name);
    let numbered = (2..).map(|number| format!("{name}_{number}"));
    let mut names = std::iter::once(name.clone()).chain(numbered);
    names.find(|name| is_free(name)).unwrap_or(name)
}

/// Nobody has said what it means: it is text, and counts as personal until somebody does.
fn evolved(name: String, header: String) -> Column {
    let nowhere = |value| Spanned {
        value,
        span: Default::default(),
    };
    Column {
        name: nowhere(name),
        data_type: ColumnType::Varchar,
        description: Some("Brought by exports, not in the contract.".to_string()),
        personal: Some(Meaning::FreeText),
        from: vec![nowhere(header)],
        aliases: Vec::new(),
        purpose: Vec::new(),
    }
}

/// A folder for what is looked at, gone afterwards.
fn scratch(runner: &Runner) -> PathBuf {
    let folder = runner.resources.spill_dir.clone();
    let folder = folder.unwrap_or_else(std::env::temp_dir);
    folder.join(format!("kilde-look-{}", runner.clock.run_id()))
}
