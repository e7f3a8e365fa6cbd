//! Shapes as written → what they mean together.
//!
//! In: every file, decoded alone. Out: a [`Project`] and what does not fit: names against names, settings against
//! settings. Where a file could not be decoded, nothing is said of what it might have held: one mistake, one message.

mod contract;
mod correct;
mod correction;
mod data_test;
mod explode;
mod exposure;
mod golden;
mod highlights;
mod matching;
mod notify;
mod openlineage;
mod ownership;
mod relation;
mod seed;
mod settings;
mod source;
mod unit_test;
mod value;

pub(crate) use value::check as check_value;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::load::Files;
use super::publish::ParquetTables;
use super::raw::{Mistake, RawHighlights, Sink};
use super::{Ground, Notify, OpenLineage, Period, Pipeline, Project, Spanned, Variables};
use crate::diagnostic::{Code, Diagnostic, SourceFile, Span};
use crate::location::Location;
use crate::name::TableName;

/// A table that people read, or a source, lacks its contract.
pub(crate) const NO_CONTRACT: Code = Code(145);
/// `model:` of a match step names no model.
pub(crate) const NO_MODEL: Code = Code(435);

/// A mistake at a place; an empty span at the beginning blames the file as a whole.
pub(crate) fn blame(file: &Arc<SourceFile>, span: Span, mistake: Mistake) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(Code(mistake.code), mistake.message).at(file, span);
    diagnostic.help = mistake.help;
    diagnostic
}

/// The table that a path names: `schemas/gold/customers.yaml` → `gold.customers`.
fn table_of(file: &SourceFile) -> Option<TableName> {
    let stem = file.path.rsplit_once('.')?.0;
    let mut parts = stem.rsplit('/');
    let name = parts.next()?;
    TableName::new(parts.next()?, name).ok()
}

/// The project, where nothing that it needs is missing, and every mistake.
pub(crate) fn project(
    mut files: Files,
    variables: &Variables,
) -> (Option<Project>, Vec<Diagnostic>) {
    let mut found = std::mem::take(&mut files.found);
    let file_count = 1
        + files.pipelines.len()
        + files.schemas.len()
        + files.sql.len()
        + files.functions.len()
        + files.seeds.len();
    let mut sink = Sink::new(&files.project.0);
    let settings = settings::resolve(files.project.1, &files.root, variables, &mut sink);
    found.append(&mut sink.found);
    let settings = match settings {
        Ok(settings) => settings,
        // written for another kilde: whatever else looks wrong may be right there
        Err(refused) => return (None, vec![refused]),
    };

    let mut contracts = contract::resolve(files.schemas, &settings, &mut found);
    let mut owned = ownership::resolve(&files.pipelines, &files.sql, &mut found);
    let matches = matching::resolve(&files.root, &files.pipelines, &mut found);
    let sources = source::resolve(&mut files.pipelines, &settings, &mut found);
    let known = golden::Known {
        matches: &matches,
        sources: &sources,
        contracts: &contracts,
        zone: settings.time_zone,
    };
    golden::resolve(&files.pipelines, &known, &mut owned, &mut found);
    let known = correct::Known {
        matches: &matches,
        sources: &sources,
        zone: settings.time_zone,
    };
    correct::resolve(
        &files.pipelines,
        &known,
        &mut contracts,
        &mut owned,
        &mut found,
    );
    let mut pipelines = Vec::new();
    let mut exposures = Vec::new();
    for (file, raw) in files.pipelines {
        let Some(raw) = raw else { continue };
        let name = pipeline_name(&file);
        exposures.push((file, raw.exposures.items));
        pipelines.push(Pipeline {
            name,
            description: raw.description,
            schedule: raw.schedule.map(|schedule| schedule.0),
            owner: raw.owner.map(contract::owner),
            tags: raw.tags.0,
        });
    }
    let seeds = seed::resolve(&files.seeds, &sources, &owned, &mut found);
    let tables: Vec<&TableName> = sources
        .by_table
        .keys()
        .chain(owned.steps.keys())
        .chain(seeds.by_table.keys())
        .chain(matches.made.keys())
        .collect();
    let parquet_tables = ParquetTables::resolve(
        &files.project.0,
        settings.publish_parquet,
        &tables,
        &mut found,
    );
    let contracts = relation::check(contracts, &sources, &owned, &seeds, &matches, &mut found);
    let tables = tables.into_iter().cloned().collect();
    let exposures = exposure::resolve(exposures, &tables, &contracts, &mut found);
    let known = highlights::Known {
        tables: &tables,
        contracts: &contracts,
        matches: &matches.by_table,
    };
    let highlights = highlights::resolve(
        &files.project.0,
        settings.highlights.unwrap_or_default(),
        &known,
        &mut found,
    );

    let project = settings.name.map(|name| Project {
        root: files.root,
        name,
        target: variables.target.clone(),
        time_zone: settings.time_zone,
        raw: settings.raw,
        lake: settings.lake,
        vars: settings.vars,
        max_record_bytes: settings.max_record_bytes,
        purposes: settings.purposes,
        notify: settings.notify,
        openlineage: settings.openlineage,
        parquet_tables,
        keep: settings.keep,
        highlights,
        pipelines,
        exposures,
        sources: sources.by_table,
        steps: owned.steps,
        seeds: seeds.by_table,
        matches: matches.by_table,
        functions: files.functions,
        contracts,
        file_count,
        warnings: Vec::new(),
    });
    (project, found)
}

/// Stem of a pipeline's file.
fn pipeline_name(file: &SourceFile) -> String {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    name.trim_end_matches(".yaml").to_string()
}

/// Settings of `kilde.yaml`, of the target and of the command line, put together.
pub(crate) struct Settings {
    /// Names and globs of `publish.parquet`.
    publish_parquet: Vec<Spanned<String>>,
    keep: Period,
    /// `highlights`, not yet checked.
    highlights: Option<RawHighlights>,
    /// `None` where it was reported as wrong.
    name: Option<String>,
    root: std::path::PathBuf,
    time_zone: chrono_tz::Tz,
    raw: Location,
    lake: Location,
    vars: BTreeMap<String, String>,
    max_record_bytes: u64,
    notify: Option<Notify>,
    openlineage: Option<OpenLineage>,
    /// The purposes declared.
    purposes: BTreeMap<String, Ground>,
    /// Whether `purposes` holds all that the file declares.
    purposes_whole: bool,
}
