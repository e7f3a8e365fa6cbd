//! Text by column → rows of the columns' types.

use std::cmp::Ordering;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, DynComparator, RecordBatch, RecordBatchOptions, StringArray, make_comparator,
};
use datafusion::arrow::compute::{CastOptions, SortOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::util::display::FormatOptions;
use datafusion::catalog::TableProvider;
use datafusion::common::Column;
use datafusion::datasource::MemTable;
use datafusion::logical_expr::Expr;

use super::failure;
use crate::error::{Error, Result};

/// Row and column, from 0, of a text that its column's type does not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WrongCell {
    pub(crate) row: usize,
    pub(crate) column: usize,
}

/// Reads cells as SQL's `cast` reads text; a decimal with more digits behind the point than its column keeps is wrong, since
/// it would be rounded and nobody would notice.
///
/// # Errors
/// Every cell that cannot be read.
pub(crate) fn typed_rows(
    schema: &SchemaRef,
    columns: &[Vec<Option<&str>>],
) -> std::result::Result<RecordBatch, Vec<WrongCell>> {
    let mut arrays = Vec::with_capacity(columns.len());
    let mut wrong = Vec::new();
    for (column, (field, cells)) in schema.fields().iter().zip(columns).enumerate() {
        match typed_column(field.data_type(), cells) {
            Ok(array) => arrays.push(array),
            Err(rows) => wrong.extend(rows.into_iter().map(|row| WrongCell { row, column })),
        }
    }
    if !wrong.is_empty() {
        wrong.sort_by_key(|cell| (cell.row, cell.column));
        return Err(wrong);
    }
    let rows = columns.first().map_or(0, Vec::len);
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options).map_err(|_| Vec::new())
}

fn typed_column(
    data_type: &DataType,
    cells: &[Option<&str>],
) -> std::result::Result<ArrayRef, Vec<usize>> {
    let trimmed = cells.iter().map(|cell| match data_type {
        DataType::Utf8 => *cell,
        _ => cell.map(str::trim),
    });
    let text: ArrayRef = Arc::new(trimmed.collect::<StringArray>());
    let options = CastOptions {
        safe: true,
        format_options: FormatOptions::default(),
    };
    let every_row = || (0..cells.len()).collect::<Vec<usize>>();
    let typed = cast_with_options(&text, data_type, &options).map_err(|_| every_row())?;
    let wrong: Vec<usize> = (0..cells.len())
        .filter(|row| {
            let lost = text.is_valid(*row) && typed.is_null(*row);
            lost || cells[*row].is_some_and(|cell| is_rounded(cell, data_type))
        })
        .collect();
    if wrong.is_empty() {
        Ok(typed)
    } else {
        Err(wrong)
    }
}

fn is_rounded(cell: &str, data_type: &DataType) -> bool {
    let DataType::Decimal128(_, scale) = data_type else {
        return false;
    };
    let digits = cell.trim().split_once('.').map_or("", |(_, digits)| digits);
    digits.trim_end_matches('0').len() > usize::from(scale.unsigned_abs())
}

/// Rows in memory as a table; where they stand in the order of some columns already, whoever asks for that order need not
/// sort them.
///
/// # Errors
/// `Internal` where DataFusion refuses them.
pub(crate) fn rows_as_table(
    rows: RecordBatch,
    columns: &[String],
    order: SortOptions,
) -> Result<Arc<dyn TableProvider>> {
    let refused = |error| Error::internal("rows cannot be read").caused_by(failure(error));
    let are_sorted = are_sorted(&rows, columns, order).map_err(|error| refused(error.into()))?;
    let table = MemTable::try_new(rows.schema(), vec![vec![rows]]).map_err(refused)?;
    if !are_sorted {
        return Ok(Arc::new(table));
    }
    let by = columns.iter().map(|name| {
        let column = Expr::Column(Column::new_unqualified(name));
        column.sort(!order.descending, order.nulls_first)
    });
    Ok(Arc::new(table.with_sort_order(vec![by.collect()])))
}

/// Whether no row stands before one that comes before it in the order of these columns.
fn are_sorted(
    rows: &RecordBatch,
    columns: &[String],
    order: SortOptions,
) -> std::result::Result<bool, ArrowError> {
    let comparators = columns.iter().map(|name| {
        let column = rows.column(rows.schema_ref().index_of(name)?);
        make_comparator(column, column, order)
    });
    let comparators: Vec<DynComparator> = comparators.collect::<std::result::Result<_, _>>()?;
    let is_behind = |row: usize| {
        let differing = comparators.iter().map(|compare| compare(row - 1, row));
        let mut differing = differing.skip_while(|found| found.is_eq());
        differing.next() != Some(Ordering::Greater)
    };
    Ok((1..rows.num_rows()).all(is_behind))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::{Field, Schema};

    use super::*;
    use crate::column_type::ColumnType;

    #[test]
    fn rows_are_in_order_where_none_comes_before_the_one_in_front_of_it() {
        let order = SortOptions::default();
        let rows = |cells: &[(Option<&str>, Option<&str>)]| {
            let one: StringArray = cells.iter().map(|cell| cell.0).collect();
            let two: StringArray = cells.iter().map(|cell| cell.1).collect();
            let columns: [(&str, ArrayRef); 2] = [("one", Arc::new(one)), ("two", Arc::new(two))];
            RecordBatch::try_from_iter(columns).unwrap()
        };
        let sorted = rows(&[
            (None, Some("z")),
            (Some("a"), Some("y")),
            (Some("a"), Some("z")),
        ]);
        let names = ["one", "two"].map(String::from);
        assert!(are_sorted(&sorted, &names, order).unwrap());
        assert!(are_sorted(&rows(&[]), &names, order).unwrap());
        let by_two = ["two", "one"].map(String::from);
        assert!(!are_sorted(&sorted, &by_two, order).unwrap());
    }

    #[test]
    fn cells_that_do_not_fit_are_named_and_not_rounded_or_lost() {
        let types = ["bigint", "decimal(6,2)", "date", "boolean", "varchar"];
        let fields = types.map(|name| {
            let data_type = match name {
                "bigint" => ColumnType::Bigint,
                "decimal(6,2)" => ColumnType::Decimal {
                    precision: 6,
                    scale: 2,
                },
                "date" => ColumnType::Date,
                "boolean" => ColumnType::Boolean,
                _ => ColumnType::Varchar,
            };
            Field::new(name, data_type.arrow(), true)
        });
        let schema = Arc::new(Schema::new(fields.to_vec()));
        let good = [
            Some("7"),
            Some("1.50"),
            Some("2026-03-01"),
            Some("true"),
            Some(" x "),
        ];
        let columns: Vec<Vec<Option<&str>>> = good.iter().map(|cell| vec![*cell, None]).collect();
        assert_eq!(typed_rows(&schema, &columns).unwrap().num_rows(), 2);
        let bad = [
            Some("7.5"),
            Some("1.505"),
            Some("01.03.2026"),
            Some("maybe"),
            None,
        ];
        let columns: Vec<Vec<Option<&str>>> = bad.iter().map(|cell| vec![None, *cell]).collect();
        let wrong = typed_rows(&schema, &columns).unwrap_err();
        let places: Vec<(usize, usize)> = wrong.iter().map(|c| (c.row, c.column)).collect();
        assert_eq!(places, [(1, 0), (1, 1), (1, 2), (1, 3)]);
    }
}
