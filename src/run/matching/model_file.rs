//! A model's rows, and the file that holds the same.

use std::collections::BTreeMap;

use super::tables::COLUMN;
use crate::diagnostic::Code;
use crate::error::{Error, Result};
use crate::identity::{LevelPin, ModelRow, Pins};
use crate::project::{
    CommonValues, ComparedColumn, MODEL_FORM, ModelComparison, ModelFile, ModelLevel, PinnedLevel,
    PinnedPrior,
};

/// What a row of a model says; every model says it.
pub(super) fn said<T>(value: Option<T>, row: &ModelRow, what: &str) -> Result<T> {
    value.ok_or_else(|| {
        let ModelRow { part, name, position, .. } = row;
        let name = if name.is_empty() { "model" } else { name };
        Error::corrupt(format!(
            "a model does not say `{what}` of `{part}` {position} of `{name}`"
        ))
        .code(Code(448))
        .help("its table was changed by something else than kilde, or made by a first version of it: `kilde build --retrain TABLE` trains another")
    })
}

/// A model's rows as a file.
fn file_of(rows: &[ModelRow]) -> Result<ModelFile> {
    let parts = |part: &'static str| {
        let mut rows: Vec<&ModelRow> = rows.iter().filter(|row| row.part == part).collect();
        rows.sort_by_key(|row| row.position);
        rows
    };
    let only = |part: &'static str| {
        let row = parts(part).into_iter().next();
        let missing = ModelRow {
            part: part.to_string(),
            position: 1,
            ..ModelRow::default()
        };
        said(row, &missing, "anything")
    };
    let (trained, prior) = (only("trained")?, only("prior")?);
    let mut values: BTreeMap<(&str, i64), CommonValues> = BTreeMap::new();
    for row in parts("values") {
        let known = CommonValues {
            records: said(row.count, row, "count")?,
            equal_share: said(row.stranger, row, "stranger")?,
            chance: None,
            common: BTreeMap::new(),
        };
        values.insert((&row.name, row.position), known);
    }
    for row in parts("chance") {
        if let Some(values) = values.get_mut(&(row.name.as_str(), row.position)) {
            values.chance = row.stranger;
        }
    }
    for row in parts("common_value") {
        if let Some(values) = values.get_mut(&(row.name.as_str(), row.position)) {
            let mark = said(row.level.clone(), row, "level")?;
            values.common.insert(mark, said(row.count, row, "count")?);
        }
    }
    let pins = Pins::of_rows(rows);
    let mut levels: BTreeMap<&str, Vec<ModelLevel>> = BTreeMap::new();
    for row in parts("level") {
        let level = said(row.level.clone(), row, "level")?;
        let pin = pins.of_level(&row.name, &level);
        levels.entry(&row.name).or_default().push(ModelLevel {
            pinned: pin.map(|pin| PinnedLevel {
                m_probability: pin.m,
                u_probability: pin.u,
                match_weight: pin.weight,
            }),
            level,
            same_share: said(row.same, row, "same")?,
            stranger_share: said(row.stranger, row, "stranger")?,
            relative_share: said(row.relative, row, "relative")?,
            values: values.remove(&(row.name.as_str(), row.position)),
        });
    }
    let mut shared_values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in parts("shared_value") {
        let mark = said(row.level.clone(), row, "level")?;
        shared_values
            .entry(row.name.clone())
            .or_default()
            .push(mark);
    }
    let compared = parts(COLUMN).into_iter().map(|row| {
        Ok(ComparedColumn {
            name: row.name.clone(),
            column: said(row.level.clone(), row, "level")?,
        })
    });
    let rules = parts("rule").into_iter();
    let rules = rules.map(|row| row.name.split(", ").map(String::from).collect());
    Ok(ModelFile {
        kilde_model: MODEL_FORM,
        trained_at: said(trained.level.clone(), trained, "level")?,
        records: said(trained.count, trained, "count")?,
        compared: compared.collect::<Result<_>>()?,
        same_share: said(prior.same, prior, "same")?,
        relative_share: said(prior.relative, prior, "relative")?,
        pinned: pins.prior.map(|prior| PinnedPrior {
            probability_two_random_records_match: prior,
        }),
        comparisons: levels
            .into_iter()
            .map(|(name, levels)| ModelComparison {
                name: name.to_string(),
                levels,
            })
            .collect(),
        rules: rules.collect(),
        shared_values,
    })
}

/// A file as it is written.
pub(super) fn text_of(rows: &[ModelRow]) -> Result<String> {
    let text = serde_json::to_string_pretty(&file_of(rows)?);
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
    let pinned = file.pinned.as_ref();
    let mut pins = Pins {
        prior: pinned.map(|pinned| pinned.probability_two_random_records_match),
        levels: Vec::new(),
    };
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
            pins.levels
                .extend(level.pinned.as_ref().map(|pinned| LevelPin {
                    comparison: comparison.name.clone(),
                    level: level.level.clone(),
                    m: pinned.m_probability,
                    u: pinned.u_probability,
                    weight: pinned.match_weight,
                }));
            let Some(values) = &level.values else {
                continue;
            };
            rows.push(ModelRow {
                stranger: Some(values.equal_share),
                count: Some(values.records),
                ..row("values", name, position)
            });
            rows.extend(values.chance.map(|chance| ModelRow {
                stranger: Some(chance),
                ..row("chance", name, position)
            }));
            rows.extend(values.common.iter().map(|(mark, count)| ModelRow {
                level: Some(mark.clone()),
                count: Some(*count),
                ..row("common_value", name, position)
            }));
        }
    }
    rows.extend(pins.rows());
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
