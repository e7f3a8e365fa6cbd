//! Projects built by hand, for tests of this module.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, TimeZone, Utc};

use super::*;
use crate::diagnostic::{Place, SourceFile, Span};
use crate::location::Location;
use crate::project::{
    Column, ColumnType, Contract, Conversions, CsvRead, Encoding, Escape, Frame, Load,
    Materialization, Negatives, OnUnreadable, Owner, Pipeline, Read, RollbackClass, Source,
    Spanned, SqlStep,
};

/// A project under construction.
pub(super) struct Sample {
    pub(super) project: Project,
}

pub(super) fn name(text: &str) -> TableName {
    text.parse().unwrap()
}

pub(super) fn functions() -> &'static FunctionRegistry {
    static SHARED: OnceLock<FunctionRegistry> = OnceLock::new();
    SHARED.get_or_init(|| crate::engine::project_functions(&[]).unwrap())
}

fn file(path: String, text: &str) -> Arc<SourceFile> {
    Arc::new(SourceFile {
        path,
        text: text.into(),
    })
}

fn spanned(text: &str, value: &str) -> Spanned<String> {
    let start = text.find(value).unwrap_or_default();
    Spanned {
        value: value.into(),
        span: Span {
            start,
            end: start + value.len(),
        },
    }
}

impl Sample {
    /// One pipeline `shop`, no tables, time zone UTC, variable `country`.
    pub(super) fn new() -> Self {
        let pipeline = Pipeline {
            name: "shop".into(),
            description: None,
            schedule: None,
            owner: Some(Owner {
                name: "Data".into(),
                email: None,
            }),
            tags: vec!["nightly".into()],
        };
        Self {
            project: Project {
                root: PathBuf::from("."),
                name: "sample".into(),
                target: None,
                time_zone: chrono_tz::UTC,
                raw: Location::Folder("/exports".into()),
                lake: Location::Folder("/lake".into()),
                vars: BTreeMap::from([("country".into(), "SE".into())]),
                parquet_tables: crate::project::ParquetTables::default(),
                keep: crate::project::Period::of_days(30),
                highlights: crate::project::Highlights::default(),
                max_record_bytes: 1 << 20,
                purposes: BTreeMap::new(),
                notify: None,
                openlineage: None,
                pipelines: vec![pipeline],
                exposures: Vec::new(),
                sources: BTreeMap::new(),
                steps: BTreeMap::new(),
                seeds: BTreeMap::new(),
                matches: BTreeMap::new(),
                functions: vec![],
                contracts: BTreeMap::new(),
                file_count: 0,
                warnings: vec![],
            },
        }
    }

    /// A CSV source of text columns, but for `amount decimal(12,2)`, `quantity integer` and those that end in `_at`.
    pub(super) fn source(mut self, table: &str, load: Load, columns: &[&str]) -> Self {
        let typed: Vec<(&str, ColumnType)> =
            columns.iter().map(|name| (*name, type_of(name))).collect();
        self = self.contract(table, &typed);
        let pipeline = file("pipelines/shop.yaml".into(), "steps: []\n");
        self.project.sources.insert(
            name(table),
            Source {
                table: name(table),
                file: pipeline,
                span: Span::default(),
                pipeline: "shop".into(),
                patterns: vec![],
                member: None,
                read: Read::Csv(CsvRead {
                    delimiter: ",".into(),
                    quote: Some('"'),
                    escape: Escape::Doubled,
                    trim: false,
                    header_rows: 1,
                    frame: Frame::default(),
                    encoding: Encoding::Utf8,
                    conversions: Conversions {
                        decimal: '.',
                        thousands: None,
                        units: Vec::new(),
                        negatives: Negatives::default(),
                        trues: None,
                        falses: None,
                        nulls: vec![String::new()],
                        dates: vec![],
                        times: vec![],
                        two_digit_years_from: crate::project::DEFAULT_FIRST_YEAR,
                        zone: chrono_tz::UTC,
                    },
                }),
                load,
                max_rejects: None,
                drift: Default::default(),
                freshness: Default::default(),
                due: None,
                sender: None,
                ready: Default::default(),
                on_error: Spanned::default(),
                unreadable: OnUnreadable::of(load),
                tags: vec!["raw".into()],
            },
        );
        self
    }

    /// A contract; columns may be none.
    pub(super) fn contract(mut self, table: &str, columns: &[(&str, ColumnType)]) -> Self {
        let mut text = String::from("description: sample\ncolumns:\n");
        for (name, data_type) in columns {
            text.push_str(&format!("  - {{name: {name}, data_type: {data_type}}}\n"));
        }
        let table = name(table);
        let columns = columns.iter().map(|(name, data_type)| Column {
            name: spanned(&text, name),
            data_type: data_type.clone(),
            description: None,
            personal: None,
            from: vec![],
            aliases: vec![],
            purpose: vec![],
        });
        let contract = Contract {
            columns: columns.collect(),
            evolved: vec![],
            file: file(
                format!("schemas/{}/{}.yaml", table.schema(), table.name()),
                &text,
            ),
            table: table.clone(),
            description: Some("sample".into()),
            grain: None,
            key: vec![],
            materialized: Materialization::Table,
            partition_by: vec![],
            rollback: RollbackClass::Follows,
            on_error: Spanned::default(),
            owner: None,
            tags: vec![],
            purpose: vec![],
            subject: None,
            tests: vec![],
            unit_tests: vec![],
        };
        self.project.contracts.insert(table, contract);
        self
    }

    /// Changes a contract; one without columns is made where there is none.
    pub(super) fn with(mut self, table: &str, change: impl FnOnce(&mut Contract)) -> Self {
        if !self.project.contracts.contains_key(&name(table)) {
            self = self.contract(table, &[]);
        }
        change(self.project.contracts.get_mut(&name(table)).unwrap());
        self
    }

    /// A SQL step.
    pub(super) fn sql(mut self, table: &str, text: &str) -> Self {
        let table = name(table);
        let step = SqlStep {
            file: file(format!("sql/{}/{}.sql", table.schema(), table.name()), text),
            table: table.clone(),
            pipeline: "shop".into(),
            declared_at: Place {
                file: file("pipelines/shop.yaml".into(), "steps: []\n"),
                span: Span::default(),
            },
        };
        self.project.steps.insert(table, step);
        self
    }

    /// The plan of everything.
    pub(super) fn plan(&self, observed: &Observed) -> Plan {
        self.plan_of(observed, &Selection::default()).unwrap()
    }

    /// The plan of a selection.
    pub(super) fn plan_of(&self, observed: &Observed, selection: &Selection) -> Result<Plan> {
        Plan::new(&self.project, observed, selection, functions())
    }

    /// Every mistake, rendered.
    pub(super) fn mistakes(&self) -> String {
        match check_project(&self.project, functions(), as_of(1)) {
            Ok(checked) => {
                let warnings = checked.warnings.iter().map(|d| d.render(false));
                warnings.collect::<Vec<_>>().join("\n\n")
            }
            Err(found) => {
                let found = found.iter().map(|d| d.render(false));
                found.collect::<Vec<_>>().join("\n\n")
            }
        }
    }
}

fn type_of(column: &str) -> ColumnType {
    match column {
        "amount" => ColumnType::Decimal {
            precision: 12,
            scale: 2,
        },
        "quantity" => ColumnType::Integer,
        _ if column.ends_with("_at") => ColumnType::Timestamp,
        _ => ColumnType::Varchar,
    }
}

/// Midnight of a day of March 2026.
pub(super) fn as_of(day: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, day, 0, 0, 0).unwrap()
}

/// Nothing published, no exports.
pub(super) fn nothing() -> Observed {
    Observed {
        as_of: as_of(1),
        ..Observed::default()
    }
}

/// What is observed after a build of everything in `plan`: each table's digest is its own name.
pub(super) fn published(plan: &Plan) -> Observed {
    let tables = plan
        .tables
        .values()
        .filter(|table| table.kind != Kind::Ephemeral)
        .map(|table| {
            let inputs = table.published_inputs.iter();
            let published = PublishedTable {
                fingerprints: table.fingerprints.clone(),
                built_from: inputs.map(|t| (t.clone(), t.to_string())).collect(),
                digest: table.table.to_string(),
                rows: 1,
            };
            (table.table.clone(), published)
        });
    Observed {
        release: Some(ObservedRelease {
            number: crate::name::ReleaseNumber(1),
            tables: tables.collect(),
            ..ObservedRelease::default()
        }),
        ..nothing()
    }
}

/// An export of a source.
pub(super) fn export(path: &str, size: u64, state: ExportState) -> ObservedExport {
    ObservedExport {
        path: path.into(),
        size,
        state,
        ..ObservedExport::default()
    }
}

/// `table: action, reason; reason`, one line for each table that is not unchanged.
pub(super) fn summary(plan: &Plan) -> String {
    let changed = plan
        .order
        .iter()
        .map(|table| &plan.tables[table])
        .filter(|table| table.action != Action::Unchanged);
    let lines = changed.map(|table| {
        let action = match &table.action {
            Action::Ingest {
                exports, reload, ..
            } => {
                format!(
                    "Ingest {}{}",
                    exports.len(),
                    if *reload { " reload" } else { "" }
                )
            }
            other => format!("{other:?}"),
        };
        let reasons: Vec<String> = table.reasons.iter().map(ToString::to_string).collect();
        format!("{}: {action}, {}", table.table, reasons.join("; "))
    });
    lines.collect::<Vec<_>>().join("\n")
}
