//! The tests of a bronze contract that hold record by record: what fails one is rejected, not published.
//!
//! `not_null`, `accepted_values`, `matches` and `range` of severity `error`, without `where` and without `at_most`, are
//! rules of the record; `action` says what becomes of one that breaks them. All others (and those of severity `warn`) remain tests of the table. Null passes all but `not_null`.

use std::collections::HashSet;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Datum, Scalar, StringArray,
};
use datafusion::arrow::compute::kernels::cmp;
use datafusion::arrow::compute::or_kleene;
use regex::Regex;

use super::convert::Converter;
use super::findings::Findings;
use crate::diagnostic::{Code, Diagnostic};
use crate::error::{Error, Result};
use crate::ingest::cell::{Cell, CellColumn, CellKind};
use crate::ingest::rule::{Fault, Rule};
use crate::project::{ColumnType, Contract, DataTest, RowAction, TestKind};

/// One rule over one column's values.
#[derive(Debug)]
pub(crate) enum RecordRule {
    NotNull,
    AcceptedTexts(HashSet<String>),
    AcceptedValues(Vec<Scalar<ArrayRef>>),
    Matches(Regex),
    Range {
        min: Option<Scalar<ArrayRef>>,
        max: Option<Scalar<ArrayRef>>,
    },
}

/// A rule, and what becomes of a record that breaks it.
pub(crate) type ActingRule = (RecordRule, RowAction);

fn column_of(test: &DataTest) -> Option<&str> {
    match &test.kind {
        TestKind::NotNull { column }
        | TestKind::AcceptedValues { column, .. }
        | TestKind::Matches { column, .. }
        | TestKind::Range { column, .. } => Some(column),
        _ => None,
    }
}

/// The rules of a contract, by position of the column.
///
/// # Errors
/// `Config` with the places in the contract: a pattern that is none, a value that the column's type cannot hold.
pub(crate) fn record_rules(contract: &Contract) -> Result<Vec<Vec<ActingRule>>> {
    let mut rules: Vec<Vec<ActingRule>> = contract.columns.iter().map(|_| Vec::new()).collect();
    let mut mistakes = Vec::new();
    for test in contract.tests.iter().filter(|test| test.is_row_rule()) {
        let position = contract
            .columns
            .iter()
            .position(|column| Some(column.name.value.as_str()) == column_of(test));
        let Some(position) = position else { continue };
        match record_rule(test, &contract.columns[position].data_type) {
            Ok(rule) => {
                let action = test.action.unwrap_or_default();
                rules[position].extend(rule.map(|rule| (rule, action)));
            }
            Err(message) => {
                mistakes.push(Diagnostic::error(Code(408), message).at(&contract.file, test.span))
            }
        }
    }
    if mistakes.is_empty() {
        Ok(rules)
    } else {
        Err(Error::from_diagnostics(mistakes))
    }
}

fn record_rule(test: &DataTest, data_type: &ColumnType) -> Result<Option<RecordRule>, String> {
    let typed = |text: &String| value(text, data_type);
    Ok(Some(match &test.kind {
        TestKind::NotNull { .. } => RecordRule::NotNull,
        TestKind::AcceptedValues { values, .. } if *data_type == ColumnType::Varchar => {
            RecordRule::AcceptedTexts(values.iter().cloned().collect())
        }
        TestKind::AcceptedValues { values, .. } => {
            RecordRule::AcceptedValues(values.iter().map(typed).collect::<Result<_, _>>()?)
        }
        TestKind::Matches { pattern, .. } if *data_type == ColumnType::Varchar => {
            RecordRule::Matches(
                Regex::new(pattern)
                    .map_err(|error| format!("`matches` has no pattern: {error}"))?,
            )
        }
        TestKind::Matches { .. } => {
            return Err(format!(
                "`matches` looks at text, the column is `{data_type}`"
            ));
        }
        TestKind::Range { min, max, .. } => RecordRule::Range {
            min: min.as_ref().map(typed).transpose()?,
            max: max.as_ref().map(typed).transpose()?,
        },
        _ => return Ok(None),
    }))
}

/// A value that a contract names, typed by its column.
fn value(text: &str, data_type: &ColumnType) -> Result<Scalar<ArrayRef>, String> {
    let mut findings = Findings::default();
    let cell = [Cell::new(0, text.len(), CellKind::Text)];
    let cells = CellColumn::new(text.as_bytes(), &cell, 1, 0);
    let array = Converter::canonical(chrono_tz::Tz::UTC).convert(cells, data_type, &mut findings);
    match (array, findings.faults.first()) {
        (Ok(array), None) => Ok(Scalar::new(array)),
        (_, fault) => {
            let reason = fault.map_or("cannot be read", |fault| fault.rule.reason());
            Err(format!("`{text}` {reason}; the column is `{data_type}`"))
        }
    }
}

impl RecordRule {
    /// Names the rows that break the rule.
    ///
    /// # Errors
    /// `Internal`, where the array is not of the column's type.
    pub(crate) fn apply(&self, array: &ArrayRef, faults: &mut Vec<Fault>) -> Result<()> {
        let compare = |result: Result<BooleanArray, datafusion::arrow::error::ArrowError>| {
            result.map_err(|error| Error::internal("a record rule cannot compare").caused_by(error))
        };
        match self {
            Self::NotNull => {
                if let Some(nulls) = array.logical_nulls().filter(|nulls| nulls.null_count() > 0) {
                    let missing = (0..array.len()).filter(|row| nulls.is_null(*row));
                    faults.extend(missing.map(|row| Fault::new(row, Rule::NotNull)));
                }
            }
            Self::AcceptedTexts(accepted) => {
                flag_texts(array, faults, Rule::AcceptedValues, |text| {
                    accepted.contains(text)
                });
            }
            Self::Matches(pattern) => {
                flag_texts(array, faults, Rule::Matches, |text| pattern.is_match(text));
            }
            Self::AcceptedValues(accepted) => {
                let mut found = BooleanArray::from(vec![false; array.len()]);
                for value in accepted {
                    let equal = compare(cmp::eq(array, value as &dyn Datum))?;
                    found = compare(or_kleene(&found, &equal))?;
                }
                flag(&found, array, faults, Rule::AcceptedValues);
            }
            Self::Range { min, max } => {
                if let Some(min) = min {
                    let inside = compare(cmp::gt_eq(array, min as &dyn Datum))?;
                    flag(&inside, array, faults, Rule::Range);
                }
                if let Some(max) = max {
                    let inside = compare(cmp::lt_eq(array, max as &dyn Datum))?;
                    flag(&inside, array, faults, Rule::Range);
                }
            }
        }
        Ok(())
    }
}

/// Rows with a value for which the answer is no.
fn flag(answers: &BooleanArray, array: &ArrayRef, faults: &mut Vec<Fault>, rule: Rule) {
    if answers.true_count() + array.null_count() == array.len() {
        return;
    }
    let wrong = (0..array.len()).filter(|row| array.is_valid(*row) && !answers.value(*row));
    faults.extend(wrong.map(|row| Fault::new(row, rule)));
}

fn flag_texts(
    array: &ArrayRef,
    faults: &mut Vec<Fault>,
    rule: Rule,
    is_right: impl Fn(&str) -> bool,
) {
    let texts: &StringArray = array.as_string();
    let mut previous = None;
    for (row, text) in texts.iter().enumerate() {
        // equal neighbours are the rule in columns with few values
        if text.is_none() || text == previous {
            continue;
        }
        if text.is_some_and(&is_right) {
            previous = text;
        } else {
            faults.push(Fault::new(row, rule));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{Date32Array, Decimal128Array, Int32Array};

    use super::*;

    fn broken(rule: &RecordRule, array: ArrayRef) -> Vec<usize> {
        let mut faults = Vec::new();
        rule.apply(&array, &mut faults).unwrap();
        faults.iter().map(|fault| fault.row).collect()
    }

    #[test]
    fn null_passes_everything_but_not_null() {
        let array: ArrayRef = Arc::new(StringArray::from(vec![Some("SE"), None, Some("XX")]));
        let accepted = RecordRule::AcceptedTexts(["SE".to_string()].into());
        assert_eq!(broken(&accepted, Arc::clone(&array)), [2]);
        assert_eq!(broken(&RecordRule::NotNull, Arc::clone(&array)), [1]);
        let pattern = RecordRule::Matches(Regex::new("^[A-W]{2}$").unwrap());
        assert_eq!(broken(&pattern, array), [2]);
    }

    #[test]
    fn bounds_belong_to_the_range_and_are_typed_by_the_column() {
        let range = RecordRule::Range {
            min: Some(value("1", &ColumnType::Integer).unwrap()),
            max: Some(value("10", &ColumnType::Integer).unwrap()),
        };
        let array: ArrayRef = Arc::new(Int32Array::from(vec![
            Some(0),
            Some(1),
            None,
            Some(10),
            Some(11),
        ]));
        assert_eq!(broken(&range, array), [0, 4]);
        let since = RecordRule::Range {
            min: Some(value("1970-01-02", &ColumnType::Date).unwrap()),
            max: None,
        };
        assert_eq!(broken(&since, Arc::new(Date32Array::from(vec![0, 1]))), [0]);
    }

    #[test]
    fn accepted_numbers_are_compared_as_numbers() {
        let money = ColumnType::Decimal {
            precision: 6,
            scale: 2,
        };
        let rule = RecordRule::AcceptedValues(vec![value("25", &money).unwrap()]);
        let array = Decimal128Array::from(vec![Some(2500), None, Some(2501)])
            .with_precision_and_scale(6, 2)
            .unwrap();
        assert_eq!(broken(&rule, Arc::new(array)), [2]);
        assert!(value("x", &money).is_err());
    }
}
