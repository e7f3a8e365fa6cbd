//! One table of the history: its columns with their meanings, and rows of them.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::arrow::array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::error::{Error, Result};
use crate::name::{self, TableName};

/// A table of the history.
#[derive(Debug)]
pub(super) struct HistoryTable {
    /// Within kilde's own schema.
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    /// The first one names what a row is about: a run or a release.
    pub(super) columns: &'static [Column],
}

/// Name, type and meaning.
#[derive(Debug)]
pub(super) struct Column(
    pub(super) &'static str,
    pub(super) ColumnKind,
    pub(super) &'static str,
);

/// The types that a history needs; every reader knows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ColumnKind {
    Text,
    Number,
    Real,
    Time,
}

/// One value; which type it must have, the column says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Text(String),
    Number(i64),
    Real(f64),
    Time(DateTime<Utc>),
    Null,
}

/// A value for each column.
pub(super) type Row = Vec<Cell>;

impl HistoryTable {
    pub(super) fn table(&self) -> Result<TableName> {
        TableName::new(name::OWN_SCHEMA, self.name).map_err(Error::internal)
    }

    pub(super) fn schema(&self) -> SchemaRef {
        let fields = self.columns.iter().map(|Column(name, kind, _)| {
            let data_type = match kind {
                ColumnKind::Text => DataType::Utf8,
                ColumnKind::Number => DataType::Int64,
                ColumnKind::Real => DataType::Float64,
                ColumnKind::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            };
            Field::new(*name, data_type, true)
        });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// Rows as a batch.
    ///
    /// # Errors
    /// `Internal` where a row does not fit the columns.
    pub(super) fn batch(&self, rows: &[Row]) -> Result<RecordBatch> {
        let misfit = |what: &str| Error::internal(format!("`{}` {what}", self.name));
        if rows.iter().any(|row| row.len() != self.columns.len()) {
            return Err(misfit("is given a row of another width"));
        }
        let columns = self.columns.iter().enumerate();
        let columns = columns.map(|(at, Column(_, kind, _))| {
            let cells = rows.iter().map(|row| &row[at]);
            array(*kind, cells).ok_or_else(|| misfit("is given a value of another type"))
        });
        RecordBatch::try_new(self.schema(), columns.collect::<Result<_>>()?)
            .map_err(|error| misfit("has columns that do not fit together").caused_by(error))
    }
}

/// The cells as a column; `None` where one is of another type.
fn array<'a>(kind: ColumnKind, cells: impl Iterator<Item = &'a Cell>) -> Option<ArrayRef> {
    Some(match kind {
        ColumnKind::Text => Arc::new(StringArray::from(values(cells, |cell| match cell {
            Cell::Text(text) => Some(text.clone()),
            _ => None,
        })?)),
        ColumnKind::Number => Arc::new(Int64Array::from(values(cells, |cell| match cell {
            Cell::Number(number) => Some(*number),
            _ => None,
        })?)),
        ColumnKind::Real => Arc::new(Float64Array::from(values(cells, |cell| match cell {
            Cell::Real(real) => Some(*real),
            _ => None,
        })?)),
        ColumnKind::Time => {
            let times = values(cells, |cell| match cell {
                Cell::Time(time) => Some(time.timestamp_micros()),
                _ => None,
            })?;
            Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC"))
        }
    })
}

fn values<'a, T>(
    cells: impl Iterator<Item = &'a Cell>,
    of: impl Fn(&Cell) -> Option<T>,
) -> Option<Vec<Option<T>>> {
    cells
        .map(|cell| match cell {
            Cell::Null => Some(None),
            cell => of(cell).map(Some),
        })
        .collect()
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_string())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Cell {
    fn from(number: u64) -> Self {
        // no count reaches half of the range
        Self::Number(number as i64)
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<f64> for Cell {
    fn from(real: f64) -> Self {
        Self::Real(real)
    }
}

impl From<DateTime<Utc>> for Cell {
    fn from(time: DateTime<Utc>) -> Self {
        Self::Time(time)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: HistoryTable = HistoryTable {
        name: "example",
        description: "",
        columns: &[
            Column("run", ColumnKind::Text, ""),
            Column("rows", ColumnKind::Number, ""),
        ],
    };

    #[test]
    fn rows_become_a_batch_and_misfits_are_refused() {
        let rows = [vec!["a".into(), 1_u64.into()], vec!["b".into(), Cell::Null]];
        let batch = TABLE.batch(&rows).unwrap();
        assert_eq!((batch.num_rows(), batch.column(1).null_count()), (2, 1));
        assert_eq!(TABLE.batch(&[]).unwrap().num_rows(), 0);
        assert!(TABLE.batch(&[vec!["a".into()]]).is_err());
        assert!(TABLE.batch(&[vec!["a".into(), "1".into()]]).is_err());
    }
}
