//! A folder of YAML and SQL → a [`Project`] that later code need not doubt.
//!
//!   kilde.yaml, pipelines/*.yaml, schemas/**/*.yaml, sql/**/*.sql, seeds/**/*.csv
//!     → raw serde shapes with spans (`raw/`) → resolved, checked types (this module's public face)
//!
//! Every mistake of every file is reported at once. The raw shapes never leave this module; data and network are never
//! touched; SQL text is carried, not parsed (`engine` does that).

mod contract;
mod contract_text;
mod data_test;
mod dbt_folder;
mod drift;
mod due;
mod encoding;
mod exposure;
mod freshness;
mod highlights;
mod instant;
mod jinja;
mod json_schema;
mod load;
mod matching;
mod model_file;
mod notify;
mod openlineage;
mod path_pattern;
mod period;
mod publish;
mod purpose;
mod raw;
mod ready;
mod requires;
mod resolve;
mod seed;
mod source;
mod time_format;
mod type_parser;
mod unit_test;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

pub(crate) use crate::column_type::ColumnType;
use crate::location::Location;
pub(crate) use contract::{
    Column, Contract, Materialization, Meaning, OnError, RollbackClass, Subject,
};
pub(crate) use contract_text::{ContractDraft, DraftedColumn};
pub(crate) use instant::{instant, local as local_instant};
pub(crate) use json_schema::json_schema;
pub use load::Variables;
pub(crate) use raw::name_made_of;
pub(crate) use resolve::check_value;
#[cfg(test)]
pub(crate) use unit_test::FixtureRow;
pub(crate) use unit_test::{Cell, Fixture, FixtureCell, FixtureRows, UnitTest};

pub(crate) use data_test::{DataTest, Limit, RowAction, RowChange, TestKind, TestSeverity};
pub(crate) use drift::{DriftModes, OnDrift};
pub(crate) use due::{Covers, Due, Sender};
pub(crate) use encoding::Encoding;
pub(crate) use exposure::Exposure;
pub(crate) use freshness::Freshness;
pub(crate) use highlights::{Consents, Figures, Groups, Highlights, People};
pub(crate) use matching::{
    BlockRule, Compare, CompareBy, DuplicateFree, LevelPin, MatchTable, Matching, PinnedModel, Pins,
};
pub(crate) use model_file::{
    CommonValues, ComparedColumn, FORM as MODEL_FORM, ModelComparison, ModelFile, ModelLevel,
    NotAModel, PinnedLevel, PinnedPrior,
};
pub(crate) use notify::{Notify, Occasion, Webhook};
pub(crate) use openlineage::OpenLineage;
pub(crate) use path_pattern::{Captures, PathPattern, in_archive, literal};
pub(crate) use period::Period;
pub(crate) use publish::ParquetTables;
pub(crate) use purpose::Ground;
pub(crate) use ready::{Marker, Ready};
pub(crate) use seed::Seed;
pub(crate) use source::{
    AvroRead, Conversions, CsvRead, DEFAULT_FIRST_YEAR, DeltaRead, DeltaVersion, Escape, FixedRead,
    Frame, JsonRead, Load, NdjsonRead, Negatives, OnUnreadable, ParquetRead, Read, Source,
    XlsxRead,
};

use crate::diagnostic::{Diagnostic, Place, SourceFile, Span, nearest};
use crate::error::Error;
use crate::name::TableName;

/// The schema that people read: each of its tables has a contract, and a change that breaks it is asked for.
const GOLD: &str = "gold";

/// A value and the bytes of the file where it stands; the default is one that stands nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spanned<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

/// A checked project: everything that its files say, resolved.
#[derive(Clone, Debug)]
pub struct Project {
    /// The folder of `kilde.yaml`.
    pub(crate) root: PathBuf,
    /// `project:`
    pub(crate) name: String,
    /// The target chosen, if any.
    pub(crate) target: Option<String>,
    /// `time_zone:` of `$as_of`, schedules and local times without a zone.
    pub(crate) time_zone: chrono_tz::Tz,
    /// `raw:`; where exports lie.
    pub(crate) raw: Location,
    /// `lake:` likewise.
    pub(crate) lake: Location,
    /// `vars:` as text, typed where they are used; those of the command line win over the target's, these over the file's.
    pub(crate) vars: BTreeMap<String, String>,
    /// `limits.line`: the longest record of a text export, in bytes.
    pub(crate) max_record_bytes: u64,
    /// `purposes:` by name, each with the right by which data is used for it.
    pub(crate) purposes: BTreeMap<String, Ground>,
    /// `notify:` of the target, else of the project.
    pub(crate) notify: Option<Notify>,
    /// `openlineage:` of the target, else of the project.
    pub(crate) openlineage: Option<OpenLineage>,
    /// `publish.parquet`.
    pub(crate) parquet_tables: ParquetTables,
    /// `keep`: how long a release stays readable after the next one.
    pub(crate) keep: Period,
    /// `highlights`.
    pub(crate) highlights: Highlights,
    /// Pipelines in order of their files.
    pub(crate) pipelines: Vec<Pipeline>,
    /// Readers outside of the project, by name.
    pub(crate) exposures: Vec<Exposure>,
    /// Sources by their bronze table.
    pub(crate) sources: BTreeMap<TableName, Source>,
    /// SQL steps by the table they make.
    pub(crate) steps: BTreeMap<TableName, SqlStep>,
    /// The files of `sql/functions/`, by path.
    pub(crate) functions: Vec<Arc<SourceFile>>,
    /// Seeds by the table they make.
    pub(crate) seeds: BTreeMap<TableName, Seed>,
    /// Match steps by their table of ids.
    pub(crate) matches: BTreeMap<TableName, Matching>,
    /// Contracts by table; every source has one, a step or a seed may have none.
    pub(crate) contracts: BTreeMap<TableName, Contract>,
    /// Number of files read.
    pub(crate) file_count: usize,
    /// Doubts that do not stop anything, by file and position.
    pub(crate) warnings: Vec<Diagnostic>,
}

/// A file of sources and steps with an owner and a schedule.
#[derive(Clone, Debug)]
pub(crate) struct Pipeline {
    /// Stem of the file: `customer_360`.
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) owner: Option<Owner>,
    /// Cron, in the project's time zone.
    pub(crate) schedule: Option<String>,
    pub(crate) tags: Vec<String>,
}

/// Who answers for a pipeline or a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) name: String,
    pub(crate) email: Option<String>,
}

/// One statement, which makes one table.
#[derive(Clone, Debug)]
pub(crate) struct SqlStep {
    pub(crate) table: TableName,
    /// The SQL as written; `file.text` is the statement.
    pub(crate) file: Arc<SourceFile>,
    /// Name of the pipeline that owns it.
    pub(crate) pipeline: String,
    /// The item of a pipeline that brought it in.
    pub(crate) declared_at: Place,
}

impl SqlStep {
    /// Whether no file holds its SQL: an item of the pipeline says all of it.
    pub(crate) fn is_generated(&self) -> bool {
        self.file.path == self.declared_at.file.path
    }
}

impl Project {
    /// The columns of a table beside a golden record, or a corrected table, that hold values of its fields, whichever these are.
    pub(crate) fn golden_values(&self, table: &TableName) -> &'static [&'static str] {
        let name = table.name();
        match self.steps.get(table).is_some_and(SqlStep::is_generated) {
            true if name.ends_with("_corrections") => &["value", "source_value"],
            true if name.ends_with("_sources") || name.ends_with("_review") => {
                &["value", "lost_values", "other_value"]
            }
            _ => &[],
        }
    }

    /// Whether a column of such a table speaks of how a value was chosen, and of no value.
    pub(crate) fn is_of_golden_choice(&self, table: &TableName, column: &str) -> bool {
        let words = ["field", "rule", "reason", "is_conflict", "outcome"];
        !self.golden_values(table).is_empty() && words.contains(&column)
    }

    /// How a table's result is kept: from its contract, else a table.
    pub(crate) fn materialization(&self, table: &TableName) -> Materialization {
        self.contracts
            .get(table)
            .map_or(Materialization::Table, |contract| contract.materialized)
    }

    /// The match step that makes a table, and which of its tables that is.
    pub(crate) fn match_of(&self, table: &TableName) -> Option<(&Matching, MatchTable)> {
        self.matches.values().find_map(|matching| {
            let mut tables = matching.tables.iter();
            let (part, _) = tables.find(|(_, name)| *name == table)?;
            Some((matching, *part))
        })
    }

    /// Every table that the project makes: sources, seeds, steps.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &TableName> {
        let made = self.sources.keys().chain(self.seeds.keys());
        let matches = self
            .matches
            .values()
            .flat_map(|matching| matching.tables.values());
        made.chain(self.steps.keys()).chain(matches)
    }

    /// The table that a person names, by its short name where that is unique.
    ///
    /// # Errors
    /// `Config` where there is no such table, or several.
    pub(crate) fn table(&self, name: &str) -> Result<TableName, Error> {
        let all = || self.tables();
        match all().filter(|table| is_named(table, name)).collect() {
            Named::One(table) => Ok(table),
            Named::None => {
                let names: Vec<String> = all().map(TableName::to_string).collect();
                let short = all().map(TableName::name);
                let near = nearest(name, names.iter().map(String::as_str).chain(short));
                let error = Error::config(format!("there is no table `{name}`"));
                Err(match near {
                    Some(near) => error.help(format!("did you mean `{near}`?")),
                    None => error.help("`kilde ls` lists them"),
                })
            }
            Named::Several(names) => Err(ambiguous(name, &names)),
        }
    }

    /// The source that a person names; its short name need be unique among sources only.
    ///
    /// # Errors
    /// `Config` where there is no such source, or several.
    pub(crate) fn source(&self, name: &str) -> Result<TableName, Error> {
        let sources = self.sources.keys();
        match sources.filter(|table| is_named(table, name)).collect() {
            Named::One(table) => Ok(table),
            Named::Several(names) => Err(ambiguous(name, &names)),
            Named::None => {
                let table = self.table(name)?;
                Err(Error::config(format!("`{table}` is no source"))
                    .help("exports come to sources only: `kilde exports` lists them"))
            }
        }
    }

    /// Tags of a table: its own and its pipeline's, sorted.
    pub(crate) fn tags(&self, table: &TableName) -> Vec<String> {
        let mut tags = self
            .contracts
            .get(table)
            .map(|c| c.tags.clone())
            .unwrap_or_default();
        if let Some(source) = self.sources.get(table) {
            tags.extend(source.tags.iter().cloned());
        }
        if let Some(pipeline) = self.pipeline_of(table) {
            tags.extend(pipeline.tags.iter().cloned());
        }
        tags.sort();
        tags.dedup();
        tags
    }

    /// Whether people read a table: it is gold, or an exposure names it.
    pub(crate) fn is_read_outside(&self, table: &TableName) -> bool {
        table.schema() == GOLD || self.readers_outside(table).next().is_some()
    }

    /// Who reads a table, outside of the project.
    pub(crate) fn readers_outside<'a>(
        &'a self,
        table: &'a TableName,
    ) -> impl Iterator<Item = &'a Exposure> {
        self.exposures
            .iter()
            .filter(move |exposure| exposure.reads.contains(table))
    }

    /// The pipeline that owns a table.
    pub(crate) fn pipeline_of(&self, table: &TableName) -> Option<&Pipeline> {
        let name = match (self.sources.get(table), self.steps.get(table)) {
            (Some(source), _) => &source.pipeline,
            (None, Some(step)) => &step.pipeline,
            (None, None) => &self.match_of(table)?.0.pipeline,
        };
        self.pipelines
            .iter()
            .find(|pipeline| &pipeline.name == name)
    }
}

/// The tables that go by a name.
enum Named {
    None,
    One(TableName),
    Several(Vec<String>),
}

impl<'a> FromIterator<&'a TableName> for Named {
    fn from_iter<T: IntoIterator<Item = &'a TableName>>(tables: T) -> Self {
        let tables: Vec<&TableName> = tables.into_iter().collect();
        match tables.as_slice() {
            [] => Self::None,
            [one] => Self::One((*one).clone()),
            several => Self::Several(several.iter().map(ToString::to_string).collect()),
        }
    }
}

fn is_named(table: &TableName, name: &str) -> bool {
    table.to_string() == name || table.name() == name
}

fn ambiguous(name: &str, tables: &[String]) -> Error {
    Error::config(format!("`{name}` could be {}", tables.join(" or "))).help("write the schema too")
}
