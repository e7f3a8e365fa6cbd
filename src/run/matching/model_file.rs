//! A model's rows, and the file that holds the same.

use std::collections::BTreeMap;

use super::tables::COLUMN;
use crate::error::{Error, Result};
use crate::identity::ModelRow;
use crate::project::{
    CommonValues, ComparedColumn, MODEL_FORM, ModelComparison, ModelFile, ModelLevel,
};

/// A model's rows as a file.
pub(super) fn file_of(rows: &[ModelRow]) -> ModelFile {
    let parts = |part: &'static str| {
        let mut rows: Vec<&ModelRow> = rows.iter().filter(|row| row.part == part).collect();
        rows.sort_by_key(|row| row.position);
        rows
    };
    let trained = parts("trained").into_iter().next();
    let prior = parts("prior").into_iter().next();
    let mut values: BTreeMap<(&str, i64), CommonValues> = BTreeMap::new();
    for row in parts("values") {
        let known = CommonValues {
            records: row.count.unwrap_or_default(),
            equal_share: row.stranger.unwrap_or_default(),
            common: BTreeMap::new(),
        };
        values.insert((&row.name, row.position), known);
    }
    for row in parts("common_value") {
        if let Some(values) = values.get_mut(&(row.name.as_str(), row.position)) {
            let mark = row.level.clone().unwrap_or_default();
            values.common.insert(mark, row.count.unwrap_or_default());
        }
    }
    let mut levels: BTreeMap<&str, Vec<ModelLevel>> = BTreeMap::new();
    for row in parts("level") {
        levels.entry(&row.name).or_default().push(ModelLevel {
            level: row.level.clone().unwrap_or_default(),
            same_share: row.same.unwrap_or_default(),
            stranger_share: row.stranger.unwrap_or_default(),
            relative_share: row.relative.unwrap_or_default(),
            values: values.remove(&(row.name.as_str(), row.position)),
        });
    }
    let mut shared_values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in parts("shared_value") {
        let mark = row.level.clone().unwrap_or_default();
        shared_values
            .entry(row.name.clone())
            .or_default()
            .push(mark);
    }
    let compared = parts(COLUMN).into_iter().map(|row| ComparedColumn {
        name: row.name.clone(),
        column: row.level.clone().unwrap_or_default(),
    });
    let rules = parts("rule").into_iter();
    let rules = rules.map(|row| row.name.split(", ").map(String::from).collect());
    ModelFile {
        kilde_model: MODEL_FORM,
        trained_at: trained
            .and_then(|row| row.level.clone())
            .unwrap_or_default(),
        records: trained.and_then(|row| row.count).unwrap_or_default(),
        compared: compared.collect(),
        same_share: prior.and_then(|row| row.same).unwrap_or_default(),
        relative_share: prior.and_then(|row| row.relative).unwrap_or_default(),
        comparisons: levels
            .into_iter()
            .map(|(name, levels)| ModelComparison {
                name: name.to_string(),
                levels,
            })
            .collect(),
        rules: rules.collect(),
        shared_values,
    }
}

/// A file as it is written.
pub(super) fn text_of(rows: &[ModelRow]) -> Result<String> {
    let text = serde_json::to_string_pretty(&file_of(rows));
    let text =
        text.map_err(|error| Error::internal("a model cannot be written").caused_by(error))?;
    Ok(format!("{text}\n"))
}

/// The rows of a file.
pub(super) fn rows_of_file(file: &ModelFile) -> Vec<ModelRow> {
    let row = |part: &str, name: &str, position: i64| ModelRow {
        part: part.into(),
        name: name.into(),
        position,
        ..ModelRow::default()
    };
    let mut rows = vec![
        ModelRow {
            level: Some(file.trained_at.clone()),
            count: Some(file.records),
            ..row("trained", "", 1)
        },
        ModelRow {
            same: Some(file.same_share),
            relative: Some(file.relative_share),
            ..row("prior", "", 1)
        },
    ];
    for comparison in &file.comparisons {
        for (level, position) in comparison.levels.iter().zip(1..) {
            let name = comparison.name.as_str();
            rows.push(ModelRow {
                level: Some(level.level.clone()),
                same: Some(level.same_share),
                stranger: Some(level.stranger_share),
                relative: Some(level.relative_share),
                ..row("level", name, position)
            });
            let Some(values) = &level.values else {
                continue;
            };
            rows.push(ModelRow {
                stranger: Some(values.equal_share),
                count: Some(values.records),
                ..row("values", name, position)
            });
            rows.extend(values.common.iter().map(|(mark, count)| ModelRow {
                level: Some(mark.clone()),
                count: Some(*count),
                ..row("common_value", name, position)
            }));
        }
    }
    for (rule, position) in file.rules.iter().zip(1..) {
        rows.push(row("rule", &rule.join(", "), position));
    }
    for (field, marks) in &file.shared_values {
        rows.extend(marks.iter().zip(1..).map(|(mark, position)| ModelRow {
            level: Some(mark.clone()),
            ..row("shared_value", field, position)
        }));
    }
    for (compared, position) in file.compared.iter().zip(1..) {
        rows.push(ModelRow {
            level: Some(compared.column.clone()),
            ..row(COLUMN, &compared.name, position)
        });
    }
    rows
}
