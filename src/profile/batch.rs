//! Rows that have types already: of Parquet files, and of tables in the lake.

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Schema};

use super::column::ColumnProfile;
use super::look::MOST_ROWS;
use super::table::{FileSeen, Form, TableProfile, TableSketch};
use crate::column_type::ColumnType;
use crate::project::Contract;

impl TableSketch {
    /// The columns of a schema; those of types that no contract can name are told of, and left out when the file is closed.
    pub(super) fn declare_columns(&mut self, schema: &Schema) {
        self.name_columns(schema.fields().iter().map(|field| field.name().clone()));
        for (column, field) in self.columns.iter_mut().zip(schema.fields()) {
            column.declared = ColumnType::of_arrow(field.data_type());
            column.is_unnamed = column.declared.is_none();
            if column.is_unnamed {
                self.notes.push(format!(
                    "`{}` has a type that no column can have: left out",
                    field.name()
                ));
            }
        }
    }

    /// Takes every row of a batch.
    pub(super) fn add_batch(&mut self, batch: &RecordBatch) {
        let texts: Vec<_> = batch
            .columns()
            .iter()
            .map(|array| match array.data_type().is_nested() {
                true => None,
                false => cast(array, &DataType::Utf8).ok(),
            })
            .collect();
        for row in 0..batch.num_rows() {
            let columns = texts.iter().zip(batch.columns());
            self.add_row(columns.map(|(text, array)| {
                match text {
                    Some(text) => text
                        .is_valid(row)
                        .then(|| text.as_string::<i32>().value(row)),
                    None => array.is_valid(row).then_some("[…]"),
                }
            }));
        }
    }
}

/// A table of the lake under its look.
pub(crate) struct TableLook {
    sketch: TableSketch,
    name: String,
}

impl TableLook {
    pub(crate) fn new(name: &str, schema: &Schema) -> Self {
        let mut sketch = TableSketch::new(Form::Parquet);
        sketch.declare_columns(schema);
        Self {
            sketch,
            name: name.to_string(),
        }
    }

    /// Takes a batch; `false` where enough rows were seen.
    pub(crate) fn add(&mut self, batch: &RecordBatch) -> bool {
        self.sketch.add_batch(batch);
        self.sketch.rows < MOST_ROWS
    }

    /// What is known. `rows`: of the whole table. What the contract says of people is no guess. `hidden`: columns that hold
    /// values of any kind.
    pub(crate) fn finish(
        mut self,
        rows: u64,
        bytes: u64,
        contract: Option<&Contract>,
        hidden: &[&str],
    ) -> TableProfile {
        let is_whole = self.sketch.rows == rows;
        self.sketch.close(FileSeen {
            path: self.name.clone(),
            size: bytes,
            rows,
            packed: None,
            is_whole,
            columns: Vec::new(),
        });
        let mut profile = self.sketch.profile(&self.name);
        profile.confidence.clear();
        profile.read.clear();
        profile.name = self.name;
        let any = profile.columns.iter_mut();
        any.filter(|column| hidden.contains(&column.name.as_str()))
            .for_each(ColumnProfile::withhold);
        if let Some(contract) = contract {
            for column in &mut profile.columns {
                let declared = contract.column(&column.name);
                if let Some(meaning) = declared.and_then(|declared| declared.personal) {
                    column.hide(meaning);
                }
            }
            let key = contract.key_names();
            profile.key = key.into_iter().map(str::to_string).collect();
        }
        profile
    }
}
