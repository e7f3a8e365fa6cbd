//! Writing down what a person decides about exports, once it is sure that a build can follow it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::Runner;
use super::decision::{ExportDecision, ExportName, Verb};
use super::observe::{self, Observation};
use crate::catalog::Catalog;
use crate::diagnostic::{Code, printable};
use crate::error::{Error, Result};
use crate::ingest::{FileStatus, Ledger};
use crate::name::TableName;
use crate::plan::{Observed, ObservedExport, Plan, Replay, Selection};
use crate::project::{Load, Project, in_archive};

/// What a person asks for.
#[derive(Clone, Debug)]
pub(crate) struct DecisionRequest {
    pub(crate) verb: Verb,
    /// Take back what was decided.
    pub(crate) undo: bool,
    /// Exports: paths below `raw` or of this machine. To reload and to undo that, also tables.
    pub(crate) names: Vec<String>,
    pub(crate) why: Option<String>,
    pub(crate) by: String,
}

/// What was decided.
#[derive(Clone, Debug)]
pub(crate) struct Decided {
    /// Why builds waited until now: earlier decisions are lost, and this one stands in their places too.
    pub(crate) lost: Option<String>,
    pub(crate) exports: Vec<ExportName>,
    pub(crate) sources: Vec<TableName>,
    /// Exports with the same content as one that no longer counts: they count in its place.
    pub(crate) heirs: Vec<ExportName>,
    /// Exports of a name that others have too, and why the decision says nothing of them.
    pub(crate) left: Left,
}

impl Runner {
    /// Writes a decision down. The next build follows it, whatever happens to this process, to a build under way, or by
    /// a rollback.
    ///
    /// # Errors
    /// `Config` for names that are no exports of the project, and for what makes no sense of them; `Config` K0208 where a
    /// build would need exports that are gone.
    pub(crate) async fn decide(&self, request: &DecisionRequest) -> Result<Decided> {
        let now = self.clock.now();
        let catalog = self.catalog(now)?;
        let mut observation = observe::observe(self, &catalog, now).await?;
        let (mut exports, mut sources, left) = self.named(request, &observation)?;
        let mut replay = None;
        if request.verb == Verb::Replay {
            let source = sources.pop();
            let source = source.ok_or_else(|| Error::internal("a replay of nothing"))?;
            replay = Some(self.replay(&catalog, &observation, &source).await?);
            exports = rejecting(&self.project, &source, &observation)?;
        }
        for source in &sources {
            if request.undo && !observation.decisions.stands_of_source(source) {
                return Err(nothing_decided(&source.to_string()));
            }
        }
        let says = ExportDecision {
            verb: if request.undo {
                Verb::Undo
            } else {
                request.verb
            },
            exports,
            sources,
            why: request.why.clone(),
            replay,
        };
        // later than every decision that there is
        let decisions = &mut observation.decisions;
        decisions.apply(u64::MAX, &says, &request.by, now);
        observation.see_exports(&self.project).await?;
        self.refuse_what_no_build_could_do(&observation)?;
        let heirs = match says.verb {
            Verb::Skip | Verb::Retract => heirs(&says.exports, &observation),
            Verb::Reload | Verb::Replay | Verb::Undo => Vec::new(),
        };
        let lost = observation.decisions.lost(&observation.ledger);
        let number = lost.newest_followed;
        catalog.lake().decide(&request.by, &says, number).await?;
        Ok(Decided {
            lost: lost.error().map(|error| error.to_string()),
            exports: says.exports,
            sources: says.sources,
            heirs,
            left,
        })
    }

    /// The contract that a replay takes for given, and the one before it.
    ///
    /// # Errors
    /// `Config` K0467 where the table was never published, or its contract changed more than a replay can follow.
    async fn replay(
        &self,
        catalog: &Catalog,
        observation: &Observation,
        source: &TableName,
    ) -> Result<Replay> {
        let release = observation.release.as_ref();
        let entry = release.and_then(|release| release.table(source));
        let observed = observation.observed.release.as_ref();
        let published = observed.and_then(|release| release.tables.get(source));
        let (Some(entry), Some(published)) = (entry, published) else {
            return Err(no_replay(format!("`{source}` was never published"))
                .help("`kilde build` reads its exports"));
        };
        let everything = Selection::default();
        let (project, observed) = (&observation.project, &observation.observed);
        let plan = match Plan::new(project, observed, &everything, &self.functions) {
            Ok(plan) => plan,
            Err(error) => {
                // exports that are gone keep nobody from reading others: that is what a replay is for
                let without_exports = Observed {
                    exports: BTreeMap::new(),
                    ..observed.clone()
                };
                Plan::new(project, &without_exports, &everything, &self.functions)
                    .map_err(|_| error)?
            }
        };
        let planned = plan.tables.get(source);
        let planned = planned.ok_or_else(|| Error::internal("a source is not planned"))?;
        let schema = catalog.content(source, entry).await?.file_set.schema;
        let has_layout = published.fingerprints.has_layout_of(&planned.fingerprints);
        if !has_layout || !planned.is_read_alike(&schema) {
            return Err(no_replay(format!(
                "the contract of `{source}` has other columns, types or another key than what is published"
            ))
            .help("`kilde build` reads all its exports again; `kilde plan` says which"));
        }
        Ok(Replay {
            from: published.fingerprints.content.clone(),
            to: planned.fingerprints.content.clone(),
        })
    }

    /// Exports and sources by the names that a person gives; and exports of these names of which the decision makes no sense.
    fn named(&self, request: &DecisionRequest, observation: &Observation) -> Result<Named> {
        let (mut exports, mut sources) = (BTreeSet::new(), BTreeSet::new());
        let mut left = Vec::new();
        for name in &request.names {
            let found = self.exports_named(name, observation);
            let table = self.project.table(name).ok();
            match table.filter(|table| self.project.sources.contains_key(table)) {
                Some(table) if matches!(request.verb, Verb::Reload | Verb::Replay) => {
                    sources.insert(table);
                }
                _ if !found.is_empty() => {
                    let (meant, others) = meant(request, found, observation)?;
                    exports.extend(meant);
                    left.extend(others);
                }
                Some(table) => {
                    return Err(Error::config(format!(
                        "`{table}` is a table: name the exports that are meant"
                    ))
                    .help(format!("`kilde exports {table}` lists them")));
                }
                None => {
                    return Err(Error::config(format!("no source has an export `{name}`"))
                        .help("`kilde exports` lists them, by their paths below `raw`"));
                }
            }
        }
        let sources = sources.into_iter().collect();
        Ok((exports.into_iter().collect(), sources, left))
    }

    /// The export that has this path below `raw`, or this path on this machine or URL, of each source that has it; of an archive
    /// also the files in it that are exports.
    fn exports_named(&self, name: &str, observation: &Observation) -> Vec<ExportName> {
        let below_bucket = observation.raw.as_ref().and_then(|raw| {
            let below = name.strip_prefix(&raw.store.location().to_string())?;
            below.strip_prefix('/').map(str::to_string)
        });
        let below_raw = |path: &Path| -> Option<String> {
            let root = observation
                .raw
                .as_ref()?
                .store
                .location()
                .folder()?
                .to_path_buf();
            let absolute = std::path::absolute(path).ok()?;
            let absolute = std::fs::canonicalize(&absolute).unwrap_or(absolute);
            let below = absolute.strip_prefix(root).ok()?.to_str()?;
            Some(below.replace(std::path::MAIN_SEPARATOR, "/"))
        };
        // a name that would steer a terminal, as lists show it
        let shown = || {
            let mut known = observation.found.values().flat_map(BTreeMap::keys);
            known.find(|path| printable(path) == name).cloned()
        };
        let paths = [
            Some(name.to_string()),
            shown(),
            below_bucket,
            below_raw(Path::new(name)),
        ];
        for path in paths.into_iter().flatten() {
            let is_meant = |export: &str| {
                let archive = in_archive(export).map(|(archive, _)| archive);
                export == path || archive == Some(path.as_str())
            };
            let mut exports = Vec::new();
            for source in self.project.sources.keys() {
                let found = observation.found.get(source).into_iter().flatten();
                let known = observation.ledger.get(source).into_iter();
                let known = known.flat_map(Ledger::entries).map(|entry| &entry.path);
                let paths = found.map(|(path, _)| path).chain(known);
                let meant: BTreeSet<&String> = paths.filter(|path| is_meant(path)).collect();
                exports.extend(meant.into_iter().map(|path| named(source, path)));
                // it was decided about and is gone since
                let gone = named(source, &path);
                if observation.decisions.stands(&gone) && !exports.contains(&gone) {
                    exports.push(gone);
                }
            }
            if !exports.is_empty() {
                return exports;
            }
        }
        Vec::new()
    }

    /// # Errors
    /// `Config` K0208 where a build would have to read exports that are gone.
    fn refuse_what_no_build_could_do(&self, observation: &Observation) -> Result<()> {
        let (observed, everything) = (&observation.observed, Selection::default());
        match Plan::new(&self.project, observed, &everything, &self.functions) {
            Err(error)
                if error
                    .diagnostics()
                    .iter()
                    .any(|diagnostic| diagnostic.code == Code(208)) =>
            {
                Err(error)
            }
            // other mistakes of the project keep nobody from deciding
            _ => Ok(()),
        }
    }
}

fn named(source: &TableName, path: &str) -> ExportName {
    ExportName {
        source: source.clone(),
        path: path.to_string(),
    }
}

fn no_replay(message: String) -> Error {
    Error::config(message).code(Code(467))
}

/// The exports of a source of which records were rejected, and that are there to be read again. Under `replace` only the
/// newest counts: what older ones lacked, it has said.
///
/// # Errors
/// `Config` K0467 where there is none.
fn rejecting(
    project: &Project,
    source: &TableName,
    observation: &Observation,
) -> Result<Vec<ExportName>> {
    let ledger = observation.ledger.get(source);
    let rejected = |export: &ObservedExport| {
        let entry = ledger.and_then(|ledger| ledger.entry(&export.path));
        entry.is_some_and(|entry| entry.counts_in_table() && entry.counts.rejected > 0)
    };
    let exports = observation.observed.exports.get(source);
    let in_table: Vec<&ObservedExport> = exports
        .into_iter()
        .flatten()
        .filter(|export| export.is_in_table())
        .collect();
    let is_replace = project
        .sources
        .get(source)
        .is_some_and(|source| source.load == Load::Replace);
    let from = match is_replace {
        true => in_table.len().saturating_sub(1),
        false => 0,
    };
    let bad = in_table[from..].iter().filter(|export| rejected(export));
    let (there, gone): (Vec<&ObservedExport>, Vec<_>) =
        bad.copied().partition(|export| export.is_available());
    if there.is_empty() {
        let error = match gone.first() {
            None => no_replay(format!("no record of `{source}` is rejected")),
            Some(gone) => no_replay(format!(
                "the exports of `{source}` with rejects are gone: {}",
                gone.path
            )),
        };
        return Err(error.help(format!("`kilde exports {source}` lists them")));
    }
    Ok(there
        .iter()
        .map(|export| named(source, &export.path))
        .collect())
}

/// Exports, and why a decision makes no sense of them.
type Left = Vec<(ExportName, String)>;
/// What is meant, and what has the same names.
type Named = (Vec<ExportName>, Vec<TableName>, Left);

/// Of the exports that one name means, those of which the decision makes sense: several sources may read one file, an archive
/// may hold several exports, and what became of each is another thing.
///
/// # Errors
/// `Config` where it makes sense of none.
fn meant(
    request: &DecisionRequest,
    exports: Vec<ExportName>,
    observation: &Observation,
) -> Result<(Vec<ExportName>, Left)> {
    let (mut meant, mut left, mut first) = (Vec::new(), Vec::new(), None);
    for export in exports {
        match sensible(request, &export, observation) {
            Ok(()) => meant.push(export),
            Err(error) => {
                left.push((export, error.message().to_string()));
                first = first.or(Some(error));
            }
        }
    }
    match first {
        Some(error) if meant.is_empty() => Err(error),
        // what others of the name have decided about is nothing to take back here
        _ if request.undo => Ok((meant, Vec::new())),
        _ => Ok((meant, left)),
    }
}

/// # Errors
/// `Config` where the decision would say nothing, or not what the person means.
fn sensible(
    request: &DecisionRequest,
    export: &ExportName,
    observation: &Observation,
) -> Result<()> {
    let path = &export.path;
    let decisions = &observation.decisions;
    if request.undo {
        let ledger = observation.ledger.get(&export.source);
        let entry = ledger.and_then(|ledger| ledger.entry(path));
        let has_left = entry.is_some_and(|entry| entry.status == FileStatus::Retracted);
        let found = observation.found.get(&export.source);
        let is_there = found.is_some_and(|found| found.contains_key(path));
        return match decisions.stands(export) {
            true if has_left && !is_there => Err(Error::config(format!(
                "the rows of `{path}` have left, and it is gone: it cannot count again"
            ))
            .help("put it back first")),
            true => Ok(()),
            false => Err(nothing_decided(path)),
        };
    }
    let ledger = observation.ledger.get(&export.source);
    let entry = ledger.and_then(|ledger| ledger.entry(path));
    let is_loaded = entry.is_some_and(|entry| entry.counts_in_table());
    let is_unread = entry.is_some_and(|entry| entry.unread.is_some());
    let exclusion = decisions.exclusion(&export.source, path);
    let is_there = observation
        .found
        .get(&export.source)
        .is_some_and(|found| found.contains_key(path));
    match (request.verb, exclusion) {
        (Verb::Reload, Some(exclusion)) => Err(Error::config(format!(
            "`{path}` does not count: {exclusion}"
        ))
        .help(format!(
            "`kilde exports skip {path} --undo` lets it count again"
        ))),
        (_, Some(exclusion)) if exclusion.verb == request.verb => {
            Err(Error::config(format!("`{path}` was {exclusion}")))
        }
        (Verb::Skip, _) if is_loaded => Err(Error::config(format!("`{path}` is loaded already"))
            .help("`kilde exports retract` takes its rows out of the table")),
        (Verb::Retract, exclusion) if !is_loaded => {
            let help = match exclusion {
                Some(exclusion) => format!("it does not count: {exclusion}"),
                None => "`kilde exports skip` keeps it from being read".to_string(),
            };
            Err(Error::config(format!("`{path}` is not loaded")).help(help))
        }
        (Verb::Reload, _) if !is_loaded && !is_unread => {
            Err(Error::config(format!("`{path}` is not loaded"))
                .help("the next build reads it anyway"))
        }
        (Verb::Reload, _) if !is_there => Err(Error::config(format!(
            "`{path}` is gone: it cannot be read again"
        ))
        .help("put it back first")),
        _ => Ok(()),
    }
}

fn nothing_decided(what: &str) -> Error {
    Error::config(format!("nothing was decided about `{what}`"))
        .help("`kilde exports` shows what was")
}

/// Duplicates of exports that no longer count.
fn heirs(exports: &[ExportName], observation: &Observation) -> Vec<ExportName> {
    let mut heirs = Vec::new();
    for export in exports {
        let known = observation.ledger.get(&export.source);
        let entries = known.into_iter().flat_map(Ledger::entries);
        let copies = entries.filter(|entry| {
            entry.duplicate_of.as_deref() == Some(export.path.as_str())
                && observation
                    .decisions
                    .exclusion(&export.source, &entry.path)
                    .is_none()
        });
        heirs.extend(copies.map(|entry| named(&export.source, &entry.path)));
    }
    heirs
}
