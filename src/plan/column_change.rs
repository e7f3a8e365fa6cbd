//! What a build would do to the columns of published tables, and what of it breaks whoever reads them.
//!
//!   published columns (by `run`) ──┐
//!   columns as planned ────────────┴─▶ [`ColumnChange`]s ──▶ a reason of the plan; a refusal, where people read the table
//!
//! A table loses readers by what they can no longer name or read as they did: a column that is dropped or has another
//! type, or the whole table. A new column and another order of columns break nobody.

use std::collections::BTreeMap;
use std::fmt;

use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};
use serde::Serialize;

use super::{Action, ContentPart, Kind, Observed, Plan, Reason, Selection, TablePlan};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::name::TableName;
use crate::project::{ColumnType, Project};

/// One column that is not as published.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ColumnChange {
    Added {
        name: String,
        data_type: String,
    },
    Dropped {
        name: String,
    },
    Retyped {
        name: String,
        before: String,
        now: String,
    },
}

/// What other columns mean for those who read the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Effect {
    Additive,
    Breaking,
}

/// A change that takes something away from people, and how they are told.
#[derive(Clone, Debug)]
pub(crate) struct Breaking {
    pub(crate) table: TableName,
    pub(crate) refusal: Diagnostic,
}

impl ColumnChange {
    fn is_breaking(&self) -> bool {
        !matches!(self, Self::Added { .. })
    }
}

impl fmt::Display for ColumnChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added { name, data_type } => write!(f, "+ column {name} {data_type}"),
            Self::Dropped { name } => write!(f, "- column {name}"),
            Self::Retyped { name, before, now } => write!(f, "column {name} {before} → {now}"),
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Additive => "additive",
            Self::Breaking => "breaking: needs --allow-breaking",
        })
    }
}

impl Plan {
    /// Published tables that may get other columns: those whose columns must be known for [`Plan::compare_columns`].
    pub(crate) fn recontracted(&self, observed: &Observed) -> Vec<TableName> {
        let Some(release) = &observed.release else {
            return Vec::new();
        };
        let made = self
            .tables
            .values()
            .filter(|table| table.kind != Kind::Ephemeral && table.action != Action::NotSelected);
        made.filter(|table| {
            let published = release.tables.get(&table.table);
            published.is_some_and(|published| {
                let (before, now) = (&published.fingerprints, &table.fingerprints);
                !before.agrees(now, &[ContentPart::Contract])
            })
        })
        .map(|table| table.table.clone())
        .collect()
    }

    /// Adds to the plan what it does to columns, given those that are published.
    pub(crate) fn compare_columns(
        &mut self,
        project: &Project,
        published: &BTreeMap<TableName, SchemaRef>,
        selection: &Selection,
    ) {
        for (name, before) in published {
            let Some(table) = self.tables.get_mut(name) else {
                continue;
            };
            let changes = column_changes(before, &table.schema);
            if changes.is_empty() {
                continue;
            }
            let refused = project.is_read_outside(name);
            let breaking = changes.iter().filter(|change| change.is_breaking());
            let refusals: Vec<Breaking> = breaking
                .filter(|_| refused)
                .map(|change| Breaking {
                    table: name.clone(),
                    refusal: refusal(project, table, change),
                })
                .collect();
            let effect = match (refused, refusals.is_empty()) {
                (false, _) => None,
                (true, true) => Some(Effect::Additive),
                (true, false) => Some(Effect::Breaking),
            };
            table.add_reason(Reason::ColumnsChange { changes, effect });
            self.breaking.extend(refusals);
        }
        if selection.is_all() {
            let lost = self.retired.iter().filter(|t| project.is_read_outside(t));
            self.breaking.extend(lost.map(|table| Breaking {
                table: table.clone(),
                refusal: leaves(project, table),
            }));
        }
    }
}

impl TablePlan {
    /// After what was changed in the project, before what moved in the data.
    pub(super) fn add_reason(&mut self, reason: Reason) {
        let position = self.reasons.iter().position(|other| *other > reason);
        self.reasons
            .insert(position.unwrap_or(self.reasons.len()), reason);
    }
}

/// In the order of the columns as they will be, then what is gone.
pub(crate) fn column_changes(before: &Schema, now: &Schema) -> Vec<ColumnChange> {
    let mut changes = Vec::new();
    for field in now.fields() {
        let name = field.name().clone();
        match before.field_with_name(&name) {
            Err(_) => changes.push(ColumnChange::Added {
                name,
                data_type: type_name(field.data_type()),
            }),
            Ok(old) => {
                let (before, now) = (type_name(old.data_type()), type_name(field.data_type()));
                if before != now {
                    changes.push(ColumnChange::Retyped { name, before, now });
                }
            }
        }
    }
    let gone = before.fields().iter();
    let gone = gone.filter(|field| now.field_with_name(field.name()).is_err());
    changes.extend(gone.map(|field| ColumnChange::Dropped {
        name: field.name().clone(),
    }));
    changes
}

/// As contracts write it.
fn type_name(data_type: &DataType) -> String {
    let known = ColumnType::of_arrow(data_type);
    known.map_or_else(|| data_type.to_string(), |known| known.to_string())
}

/// At the column where it still stands; else at the file that no longer says it.
fn refusal(project: &Project, table: &TablePlan, change: &ColumnChange) -> Diagnostic {
    let name = &table.table;
    let message = match change {
        ColumnChange::Added { name: column, .. } => format!("`{name}` gains column `{column}`"),
        ColumnChange::Dropped { name: column } => {
            format!("`{name}` would lose its published column `{column}`")
        }
        ColumnChange::Retyped {
            name: column,
            before,
            now,
        } => format!("`{name}.{column}` is published as `{before}` and would become `{now}`"),
    };
    let column = match change {
        ColumnChange::Added { name, .. } | ColumnChange::Retyped { name, .. } => Some(name),
        ColumnChange::Dropped { .. } => None,
    };
    let diagnostic = Diagnostic::error(BREAKING, message);
    let contract = project.contracts.get(name);
    let listing = contract.filter(|contract| !contract.columns.is_empty());
    let file = project.steps.get(name).map(|step| &step.file);
    let file = file.or(project.seeds.get(name).map(|seed| &seed.file));
    let diagnostic = match (listing, file) {
        (Some(contract), _) => {
            let column = column.and_then(|column| contract.column(column));
            let span = column.map_or_else(Span::default, |column| column.name.span);
            diagnostic.at(&contract.file, span)
        }
        (None, Some(file)) => {
            let yielded = table.analysis.iter().flat_map(|analysis| &analysis.output);
            let mut yielded = yielded.filter(|output| Some(&output.name) == column);
            let span = yielded
                .next()
                .map_or_else(Span::default, |output| output.span);
            diagnostic.at(file, span)
        }
        (None, None) => diagnostic,
    };
    diagnostic.help(advice(project, name))
}

fn leaves(project: &Project, table: &TableName) -> Diagnostic {
    Diagnostic::error(
        BREAKING,
        format!("published `{table}` would leave the release, since nothing publishes it any more"),
    )
    .help(advice(project, table))
}

const BREAKING: Code = Code(210);

/// Who reads it, and what to type.
fn advice(project: &Project, table: &TableName) -> String {
    let readers: Vec<String> = project
        .readers_outside(table)
        .map(ToString::to_string)
        .collect();
    let readers = match readers.is_empty() {
        true => "no exposure says who reads it".to_string(),
        false => format!("read by {}", readers.join(", ")),
    };
    format!("{readers}: keep it until they have moved, or `kilde build --allow-breaking {table}`")
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::Field;

    use super::*;

    fn schema(columns: &[(&str, DataType)]) -> Schema {
        let fields = columns
            .iter()
            .map(|(name, data_type)| Field::new(*name, data_type.clone(), true));
        Schema::new(fields.collect::<Vec<_>>())
    }

    #[test]
    fn another_order_is_no_change_and_a_view_is_the_text_it_shows() {
        let before = schema(&[("a", DataType::Utf8), ("b", DataType::Int64)]);
        let now = schema(&[("b", DataType::Int64), ("a", DataType::Utf8View)]);
        assert_eq!(column_changes(&before, &now), []);
    }

    #[test]
    fn changes_read_as_kilde_plan_prints_them() {
        let before = schema(&[("a", DataType::Utf8), ("b", DataType::Int32)]);
        let now = schema(&[("b", DataType::Int64), ("c", DataType::Date32)]);
        let texts: Vec<String> = column_changes(&before, &now)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            texts,
            ["column b integer → bigint", "+ column c date", "- column a"]
        );
    }
}
