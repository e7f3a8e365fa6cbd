//! Contract + conversions: cells → typed columns, and the rows that break the contract.
//!
//! In: one batch of records as cells (text formats) or arrays (Parquet). Out: columns in contract order and, for each
//! row that fails, the first column that failed and why. A record is atomic: one failure rejects all of it.
//! Knows nothing of files, formats or tables.

pub(crate) mod array;
mod calendar;
mod convert;
mod findings;
mod local_time;
mod nested;
mod number;
mod record_rule;
mod unread;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::arrow::array::{
    Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, UInt32Array,
    new_null_array,
};
use datafusion::arrow::compute::kernels::zip::zip;
use datafusion::arrow::compute::{filter_record_batch, take_arrays};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;

pub(crate) use convert::{Converter, Escaping};
pub(crate) use findings::Findings;
use nested::camel_case;
pub(crate) use nested::{Spelling, field_of, spelling};
use record_rule::{ActingRule, record_rules};

use super::cell::{Cell, CellColumn, CellKind};
use super::ignored::Ignored;
use super::key_order::{KeyOrder, order_of};
use super::rule::{Fault, Rule};
use super::tape::{NOTHING, Tape};
use crate::diagnostic::Place;
use crate::error::{Error, Result};
use crate::project::{Captures, ColumnType, Contract, Load, RowAction};

/// System column: path of the export below `raw`.
pub(crate) const SOURCE_FILE: &str = "_kilde_source_file";
/// System column: line of the record in the export, or row of a Parquet file, from 1.
pub(crate) const SOURCE_ROW: &str = "_kilde_source_row";

/// The schema of a source's table: the contract's columns, then the system's.
pub(crate) fn table_schema(contract: &Contract) -> SchemaRef {
    let mut fields: Vec<Field> = contract
        .stored_columns()
        .map(|column| Field::new(&column.name.value, column.data_type.arrow(), true))
        .collect();
    fields.push(Field::new(SOURCE_FILE, DataType::Utf8, true));
    fields.push(Field::new(SOURCE_ROW, DataType::Int64, true));
    Arc::new(Schema::new(fields))
}

/// A column that the contract wants.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) data_type: ColumnType,
    /// Where it comes from in the export; the first that is there wins.
    pub(crate) from: Vec<String>,
    /// Where else, where none of these is there.
    pub(crate) aliases: Vec<String>,
    /// An export may lack it: it is null then.
    pub(crate) is_optional: bool,
    /// It is part of the key.
    pub(crate) is_key: bool,
    /// Nobody declared it: no value of it rejects a record.
    pub(crate) is_evolved: bool,
    /// Where the contract says so: `file:line:column`.
    pub(crate) declared_at: String,
}

impl Target {
    /// Its names in records whose keys are found by path, the best first: those of `from`, else its own and that in camelCase;
    /// then its aliases.
    pub(crate) fn paths(&self) -> Vec<String> {
        let own = [self.name.clone(), camel_case(&self.name)];
        let wanted = match self.is_by_name() {
            true => &own[..],
            false => &self.from,
        };
        wanted.iter().chain(&self.aliases).cloned().collect()
    }

    /// Whether nothing but its own name says where it comes from.
    pub(crate) fn is_by_name(&self) -> bool {
        self.from.is_empty()
    }
}

/// Where a batch's column comes from.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// A cell of the record.
    Cell(usize),
    /// The export's path says it.
    Captured,
}

/// Records as cells, `width` each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Records<'a> {
    pub(crate) text: &'a [u8],
    pub(crate) cells: &'a [Cell],
    /// Those of them that are JSON, opened.
    pub(crate) tape: &'a Tape,
    pub(crate) width: usize,
}

impl<'a> Records<'a> {
    /// Records none of whose cells is JSON.
    pub(crate) fn new(text: &'a [u8], cells: &'a [Cell], width: usize) -> Self {
        Self {
            text,
            cells,
            tape: &NOTHING,
            width,
        }
    }

    /// Number of records.
    pub(crate) fn len(&self) -> usize {
        self.cells.len() / self.width.max(1)
    }
}

/// What broke a record: the column by position, and how.
pub(crate) type Breach = (Option<usize>, Fault);

/// A batch held to the contract.
#[derive(Debug)]
pub(crate) struct Conformed {
    /// In contract order; rows that failed hold null where they did.
    pub(crate) columns: Vec<ArrayRef>,
    /// The first breach of each row that has one.
    pub(crate) breaches: BTreeMap<usize, Breach>,
    /// What rows break that may: the column by position, and how. Rows with a breach among them.
    pub(crate) warnings: Vec<(usize, Fault)>,
    /// What is in the values and no field of their types takes, by position of the column.
    pub(crate) ignored: BTreeMap<usize, Ignored>,
}

/// Holds the records of one export to its contract.
#[derive(Debug)]
pub(crate) struct Conformer {
    pub(crate) targets: Vec<Target>,
    pub(crate) converter: Converter,
    pub(crate) schema: SchemaRef,
    /// Positions of the key's columns.
    pub(crate) key: Vec<usize>,
    /// Whether the accepted rows come in its order.
    pub(super) key_order: KeyOrder,
    /// Whether a record must name its key.
    key_required: bool,
    rules: Vec<Vec<ActingRule>>,
    /// Values that the path gives, one row each, by position of the column.
    captured: BTreeMap<usize, FromPath>,
    /// The keys that lead to the list whose items become rows.
    pub(super) explode: Option<Vec<String>>,
    file: String,
}

/// What a path says of a column.
#[derive(Debug)]
struct FromPath {
    /// One row.
    value: ArrayRef,
    /// Some record has no value of its own.
    is_taken: AtomicBool,
}

impl Conformer {
    /// `file`: the export's path below `raw`.
    ///
    /// # Errors
    /// `Config`, with places, where a test of the contract cannot be held; `Input` where the path captures a text that is
    /// no value of its column.
    pub(crate) fn new(
        contract: &Contract,
        load: Load,
        converter: Converter,
        captures: &Captures,
        zone: chrono_tz::Tz,
        file: &str,
    ) -> Result<Self> {
        let declared = contract.columns.len();
        let targets: Vec<Target> = contract
            .stored_columns()
            .enumerate()
            .map(|(at, column)| Target {
                name: column.name.value.clone(),
                data_type: column.data_type.clone(),
                from: column.from.iter().map(|from| from.value.clone()).collect(),
                aliases: column.aliases.iter().map(|a| a.value.clone()).collect(),
                is_optional: at >= declared,
                is_evolved: at >= declared,
                is_key: contract.key_names().contains(&column.name.value.as_str()),
                declared_at: Place {
                    file: Arc::clone(&contract.file),
                    span: column.name.span,
                }
                .location(),
            })
            .collect();
        let position = |name: &str| targets.iter().position(|target| target.name == name);
        let key = contract.key_names().into_iter().filter_map(position);
        let key: Vec<usize> = key.collect();
        let schema = table_schema(contract);
        let order = order_of(contract);
        let order = order.iter().map(|name| schema.index_of(name));
        let order = order.collect::<Result<_, _>>().map_err(internal)?;
        let mut captured = BTreeMap::new();
        for (at, target) in targets.iter().enumerate() {
            if let Some(text) = captures.columns.get(&target.name) {
                let value = captured_value(target, text, zone, file)?;
                let is_taken = AtomicBool::default();
                captured.insert(at, FromPath { value, is_taken });
            }
        }
        let mut rules = record_rules(contract)?;
        rules.resize_with(targets.len(), Vec::new);
        Ok(Self {
            key_order: KeyOrder::new(&schema, order).map_err(internal)?,
            key,
            key_required: load != Load::Append,
            rules,
            schema,
            captured,
            explode: None,
            converter,
            file: file.to_string(),
            targets,
        })
    }

    /// The same where an export may lack any column.
    pub(crate) fn allowing_missing_columns(mut self) -> Self {
        for target in &mut self.targets {
            target.is_optional = true;
        }
        self
    }

    /// The same where each item of a list is a row; these keys lead to it.
    pub(crate) fn exploding(mut self, list: Option<&[String]>) -> Self {
        self.explode = list.map(<[String]>::to_vec);
        self
    }

    /// Whether the path gives this column's value.
    pub(crate) fn is_captured(&self, column: usize) -> bool {
        self.captured.contains_key(&column)
    }

    /// Columns of which the path gave some record its value, by name.
    pub(crate) fn taken_from_path(&self) -> BTreeSet<String> {
        let taken = self.captured.iter();
        let taken = taken.filter(|(_, path)| path.is_taken.load(Ordering::Relaxed));
        taken
            .map(|(at, _)| self.targets[*at].name.clone())
            .collect()
    }

    /// A column that no cell of a record gives, `rows` times: the path's value, or null where an export may lack it.
    pub(crate) fn captured_column(&self, column: usize, rows: usize) -> Result<ArrayRef> {
        let Some(FromPath { value, is_taken }) = self.captured.get(&column) else {
            return match self.targets[column].is_optional {
                true => Ok(new_null_array(self.schema.field(column).data_type(), rows)),
                false => Err(Error::internal("a column has no origin")),
            };
        };
        is_taken.fetch_or(rows > 0, Ordering::Relaxed);
        let zeros = UInt32Array::from(vec![0; rows]);
        take_arrays(&[Arc::clone(value)], &zeros, None)
            .map(|mut arrays| arrays.remove(0))
            .map_err(internal)
    }

    /// Converts a batch of cells; `breaches` are those found before (records that are not even text).
    pub(crate) fn conform(
        &self,
        records: Records<'_>,
        origins: &[Origin],
        breaches: BTreeMap<usize, Breach>,
    ) -> Result<Conformed> {
        self.hold(records.len(), breaches, |column| {
            let mut findings = Findings::default();
            let array = self.column(records, column, &origins[column], &mut findings)?;
            Ok((array, findings))
        })
    }

    /// One column of a batch of cells.
    fn column(
        &self,
        records: Records<'_>,
        column: usize,
        origin: &Origin,
        findings: &mut Findings,
    ) -> Result<ArrayRef> {
        let at = match origin {
            Origin::Captured => return self.captured_column(column, records.len()),
            Origin::Cell(at) => *at,
        };
        let cells =
            CellColumn::new(records.text, records.cells, records.width, at).with_tape(records.tape);
        let array = self
            .converter
            .convert(cells, &self.targets[column].data_type, findings)?;
        let Some(FromPath { value, is_taken }) = self.captured.get(&column) else {
            return Ok(array);
        };
        let missing: BooleanArray = cells
            .iter()
            .map(|(kind, _)| Some(kind == CellKind::Missing))
            .collect();
        is_taken.fetch_or(missing.true_count() > 0, Ordering::Relaxed);
        let value = datafusion::arrow::array::Scalar::new(Arc::clone(value));
        zip(&missing, &value, &array).map_err(internal)
    }

    /// Holds columns, made one after the other, to key and rules.
    pub(crate) fn hold(
        &self,
        rows: usize,
        mut breaches: BTreeMap<usize, Breach>,
        mut make: impl FnMut(usize) -> Result<(ArrayRef, Findings)>,
    ) -> Result<Conformed> {
        let mut columns = Vec::with_capacity(self.targets.len());
        let (mut warnings, mut unread) = (Vec::new(), BTreeMap::new());
        for column in 0..self.targets.len() {
            let (array, findings) = make(column)?;
            let Findings {
                mut faults,
                ignored,
            } = findings;
            if !ignored.is_empty() {
                unread.insert(column, ignored);
            }
            debug_assert_eq!(array.len(), rows);
            if self.targets[column].is_evolved {
                faults.clear();
            }
            if self.key_required && self.key.contains(&column) && array.null_count() > 0 {
                let missing = (0..rows).filter(|row| array.is_null(*row));
                faults.extend(missing.map(|row| Fault::new(row, Rule::KeyMissing)));
            }
            for (rule, action) in &self.rules[column] {
                let first = faults.len();
                rule.apply(&array, &mut faults)?;
                match action {
                    RowAction::Reject => {}
                    RowAction::Warn => {
                        warnings.extend(faults.drain(first..).map(|fault| (column, fault)));
                    }
                    RowAction::Fail => faults[first..].iter_mut().for_each(|f| f.is_fatal = true),
                }
            }
            for fault in faults {
                let breach = breaches.get(&fault.row);
                // of several breaches the first counts, unless a later one fails the export
                if breach.is_none_or(|(_, first)| fault.is_fatal && !first.is_fatal) {
                    breaches.insert(fault.row, (Some(column), fault));
                }
            }
            columns.push(array);
        }
        Ok(Conformed {
            columns,
            breaches,
            warnings,
            ignored: unread,
        })
    }

    /// The key columns of broken records, as far as they can be read: `None` for a record whose key cannot.
    pub(crate) fn read_keys(
        &self,
        records: Records<'_>,
        origins: &[Origin],
    ) -> Result<(Vec<ArrayRef>, Vec<bool>)> {
        let mut arrays = Vec::with_capacity(self.key.len());
        for &column in &self.key {
            let mut findings = Findings::default();
            arrays.push(self.column(records, column, &origins[column], &mut findings)?);
        }
        let readable = self.readable(&arrays, records.len());
        Ok((arrays, readable))
    }

    /// Which rows have a value in every key column; none where there is no key.
    pub(crate) fn readable(&self, keys: &[ArrayRef], rows: usize) -> Vec<bool> {
        (0..rows)
            .map(|row| !keys.is_empty() && keys.iter().all(|key| key.is_valid(row)))
            .collect()
    }

    /// The rows that keep the contract, with the system columns; `source_rows` are the records' lines.
    pub(crate) fn accepted(
        &self,
        conformed: &Conformed,
        source_rows: Vec<i64>,
    ) -> Result<RecordBatch> {
        let rows = source_rows.len();
        let mut columns = conformed.columns.clone();
        columns.push(Arc::new(StringArray::from_iter_values(
            std::iter::repeat_n(&self.file, rows),
        )));
        columns.push(Arc::new(Int64Array::from(source_rows)));
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(internal)?;
        if conformed.breaches.is_empty() {
            return Ok(batch);
        }
        let keep: BooleanArray = (0..rows)
            .map(|row| Some(!conformed.breaches.contains_key(&row)))
            .collect();
        filter_record_batch(&batch, &keep).map_err(internal)
    }
}

/// The value that a path gives a column.
fn captured_value(
    target: &Target,
    text: &str,
    zone: chrono_tz::Tz,
    file: &str,
) -> Result<ArrayRef> {
    let mut findings = Findings::default();
    let cell = [Cell::new(0, text.len(), CellKind::Text)];
    let cells = CellColumn::new(text.as_bytes(), &cell, 1, 0);
    let array = Converter::canonical(zone).convert(cells, &target.data_type, &mut findings)?;
    match findings.faults.first() {
        None => Ok(array),
        Some(fault) => Err(Error::input(format!(
            "the path gives column `{}` a text that {}",
            target.name,
            fault.rule.reason()
        ))
        .code(crate::diagnostic::Code(409))
        .at(file)
        .help("change the pattern in `files`, or the column's `data_type`")),
    }
}

fn internal(error: ArrowError) -> Error {
    Error::internal("columns of an export do not fit together").caused_by(error)
}
