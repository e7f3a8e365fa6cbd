//! Expected rows against those that came out, in any order, cell by cell.
//!
//! Equal rows are paired off. Of what is left, rows with the same key belong together, then those with the most equal
//! cells; whatever finds no partner is missing, or too much.

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Doubles within this share of each other are equal: nobody writes 17 digits.
const DOUBLE_TOLERANCE: f64 = 1e-9;

/// What differs, where something does. Holds the cells of a unit test, which its author wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Difference {
    /// The columns that were compared.
    pub(crate) columns: Vec<String>,
    /// Changed rows, then missing ones, then those too many.
    pub(crate) rows: Vec<RowDifference>,
}

/// Cells as text, `None` is null.
pub(crate) type Cells = Vec<Option<String>>;

/// One row that is not as expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RowDifference {
    /// It came out with other cells.
    Changed { expected: Cells, got: Cells },
    /// Expected, and did not come out.
    Missing(Cells),
    /// Came out, and was not expected.
    Extra(Cells),
}

/// A row's cells: as text, and where they are doubles as numbers.
struct Row {
    cells: Cells,
    doubles: Vec<Option<f64>>,
}

impl Row {
    fn equals(&self, other: &Self, column: usize) -> bool {
        match (self.doubles[column], other.doubles[column]) {
            (Some(a), Some(b)) => {
                a == b || (a - b).abs() <= DOUBLE_TOLERANCE * a.abs().max(b.abs())
            }
            _ => self.cells[column] == other.cells[column],
        }
    }

    fn equal_cells(&self, other: &Self) -> usize {
        let columns = 0..self.cells.len();
        columns.filter(|column| self.equals(other, *column)).count()
    }
}

/// Compares the columns of `expected`; `None` where all rows are as expected.
///
/// # Errors
/// `Internal` where a value cannot be shown or a column is missing.
pub(crate) fn difference(
    expected: &RecordBatch,
    got: &[RecordBatch],
    key: &[String],
) -> Result<Option<Difference>> {
    let columns: Vec<String> = expected
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().clone())
        .collect();
    let mut missing = rows(std::slice::from_ref(expected), &columns)?;
    let mut extra = rows(got, &columns)?;
    missing.retain(|row| {
        let equal = |other: &Row| row.equal_cells(other) == columns.len();
        match extra.iter().position(equal) {
            Some(position) => {
                extra.remove(position);
                false
            }
            None => true,
        }
    });
    if missing.is_empty() && extra.is_empty() {
        return Ok(None);
    }
    let key: Vec<usize> = key
        .iter()
        .filter_map(|name| columns.iter().position(|column| column == name))
        .collect();
    let mut differences = Vec::new();
    for by_key in [true, false] {
        missing.retain(|row| match partner(row, &extra, by_key.then_some(&key)) {
            Some(position) => {
                differences.push(RowDifference::Changed {
                    expected: row.cells.clone(),
                    got: extra.remove(position).cells,
                });
                false
            }
            None => true,
        });
    }
    let missing = missing
        .into_iter()
        .map(|row| RowDifference::Missing(row.cells));
    differences.extend(missing);
    differences.extend(extra.into_iter().map(|row| RowDifference::Extra(row.cells)));
    Ok(Some(Difference {
        columns,
        rows: differences,
    }))
}

/// The row with the same key; without a key the one with the most equal cells, at least half of them.
fn partner(row: &Row, others: &[Row], key: Option<&Vec<usize>>) -> Option<usize> {
    if let Some(key) = key {
        let same = |other: &Row| key.iter().all(|column| row.equals(other, *column));
        return others
            .iter()
            .position(|other| !key.is_empty() && same(other));
    }
    let enough = row.cells.len().div_ceil(2);
    let counted = others.iter().enumerate();
    counted
        .map(|(position, other)| (row.equal_cells(other), std::cmp::Reverse(position)))
        .filter(|(equal, _)| *equal >= enough)
        .max()
        .map(|(_, position)| position.0)
}

fn rows(batches: &[RecordBatch], columns: &[String]) -> Result<Vec<Row>> {
    let options = FormatOptions::default().with_timestamp_tz_format(Some("%Y-%m-%dT%H:%M:%S%.fZ"));
    let mut rows = Vec::new();
    for batch in batches {
        let mut formatted = Vec::with_capacity(columns.len());
        for column in columns {
            let array = batch
                .column_by_name(column)
                .ok_or_else(|| Error::internal(format!("a result has no column `{column}`")))?;
            let formatter = ArrayFormatter::try_new(array.as_ref(), &options).map_err(|error| {
                Error::internal("a result cannot be shown as text").caused_by(Box::new(error))
            })?;
            formatted.push((array, formatter));
        }
        for index in 0..batch.num_rows() {
            let cells = formatted.iter().map(|(array, formatter)| {
                (!array.is_null(index)).then(|| formatter.value(index).to_string())
            });
            let doubles = formatted.iter().map(|(array, _)| {
                let is_double = array.data_type() == &DataType::Float64 && !array.is_null(index);
                is_double.then(|| array.as_primitive::<Float64Type>().value(index))
            });
            rows.push(Row {
                cells: cells.collect(),
                doubles: doubles.collect(),
            });
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};

    use super::*;

    fn table(rows: &[(i64, Option<&str>, f64)]) -> RecordBatch {
        let ids: ArrayRef = Arc::new(rows.iter().map(|row| Some(row.0)).collect::<Int64Array>());
        let names: ArrayRef = Arc::new(rows.iter().map(|row| row.1).collect::<StringArray>());
        let shares: ArrayRef =
            Arc::new(rows.iter().map(|row| Some(row.2)).collect::<Float64Array>());
        RecordBatch::try_from_iter([("id", ids), ("name", names), ("share", shares)]).unwrap()
    }

    fn compared(expected: &RecordBatch, got: &RecordBatch) -> Vec<RowDifference> {
        let key = ["id".to_string()];
        let found = difference(expected, std::slice::from_ref(got), &key).unwrap();
        found.map(|found| found.rows).unwrap_or_default()
    }

    #[test]
    fn order_and_the_last_digits_of_doubles_do_not_matter() {
        let expected = table(&[(1, Some("a"), 0.333_333_333_33), (2, None, 1.0)]);
        let got = table(&[(2, None, 1.0), (1, Some("a"), 1.0 / 3.0)]);
        assert_eq!(compared(&expected, &got), []);
    }

    #[test]
    fn a_row_that_comes_twice_must_be_expected_twice() {
        let expected = table(&[(1, Some("a"), 1.0)]);
        let got = table(&[(1, Some("a"), 1.0), (1, Some("a"), 1.0)]);
        assert!(matches!(
            compared(&expected, &got)[..],
            [RowDifference::Extra(_)]
        ));
    }

    #[test]
    fn rows_of_one_key_are_shown_together_and_null_is_not_its_text() {
        let expected = table(&[(1, Some("null"), 1.0), (2, Some("b"), 5.0)]);
        let got = table(&[(1, None, 2.0), (3, Some("c"), 6.0)]);
        let found = compared(&expected, &got);
        let RowDifference::Changed { expected, got } = &found[0] else {
            panic!("{found:?}")
        };
        assert_eq!(expected[1].as_deref(), Some("null"));
        assert_eq!(got[1], None);
        assert!(matches!(
            found[1..],
            [RowDifference::Missing(_), RowDifference::Extra(_)]
        ));
    }
}
