//! JSON arrays and objects → Arrow lists and structs.
//!
//! A nested value is opened into cells of its own, which are converted as columns again: a list of structs costs no
//! more than its fields. Fields of a struct match by exact name, else by the camelCase of the contract's snake_case.
//! Delimited exports may carry JSON in a field.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, ListArray, NullBufferBuilder, StructArray};
use datafusion::arrow::buffer::{OffsetBuffer, ScalarBuffer};
use datafusion::arrow::datatypes::{DataType, Field};

use super::convert::Converter;
use crate::error::{Error, Result};
use crate::ingest::cell::{Cell, CellColumn, CellKind};
use crate::ingest::format::json::JsonReader;
use crate::ingest::keys::Meanings;
use crate::ingest::rule::{Fault, Rule};
use crate::ingest::tape::{Tape, Walk};
use crate::project::ColumnType;

/// `unit_price` → `unitPrice`.
pub(crate) fn camel_case(name: &str) -> String {
    let mut parts = name.split('_');
    let mut out = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let mut letters = part.chars();
        out.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        out.push_str(letters.as_str());
    }
    out
}

impl Converter {
    pub(super) fn list(
        &self,
        column: CellColumn<'_>,
        item: &ColumnType,
        faults: &mut Vec<Fault>,
    ) -> Result<ArrayRef> {
        if let Some((text, cells, tape)) = self.json_in_text(column, faults) {
            let column = CellColumn::new(&text, &cells, 1, 0).with_tape(&tape);
            return self.list(column, item, faults);
        }
        let (text, tape) = (column.text(), column.tape());
        let mut walk = Walk::default();
        let mut items = Vec::with_capacity(column.len() * 2);
        let mut offsets = Vec::with_capacity(column.len() + 1);
        let mut nulls = NullBufferBuilder::new(column.len());
        offsets.push(0_i32);
        for row in 0..column.len() {
            let cell = column.cell(row);
            let list = opened(column, cell, b'[', &mut walk)?;
            if let Some(place) = list {
                items.extend(tape.items(place).map(|item| tape.cell(item)));
            } else if !matches!(cell.kind, CellKind::Missing | CellKind::Null) {
                faults.push(Fault::new(row, Rule::WrongType));
            }
            nulls.append(list.is_some());
            offsets.push(items.len() as i32);
        }
        let mut found = Vec::new();
        let values = CellColumn::new(text, &items, 1, 0).with_tape(tape);
        let values = self.convert(values, item, &mut found)?;
        for fault in found {
            let row = offsets.partition_point(|offset| *offset as usize <= fault.row) - 1;
            let at = fault.row - offsets[row] as usize;
            let path = format!("[{at}]{}", fault.path);
            faults.push(Fault { row, path, ..fault });
        }
        let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        ListArray::try_new(field, offsets, values, nulls.finish())
            .map(|list| Arc::new(list) as ArrayRef)
            .map_err(|error| Error::internal("a list does not fit together").caused_by(error))
    }

    pub(super) fn structure(
        &self,
        column: CellColumn<'_>,
        fields: &[(String, ColumnType)],
        faults: &mut Vec<Fault>,
    ) -> Result<ArrayRef> {
        if let Some((text, cells, tape)) = self.json_in_text(column, faults) {
            let column = CellColumn::new(&text, &cells, 1, 0).with_tape(&tape);
            return self.structure(column, fields, faults);
        }
        let (text, tape) = (column.text(), column.tape());
        let mut walk = Walk::default();
        let mut names = FieldNames::of(fields);
        let width = fields.len();
        let mut cells = vec![Cell::MISSING; column.len() * width];
        let mut nulls = NullBufferBuilder::new(column.len());
        let mut seen = vec![Spellings::default(); width];
        for row in 0..column.len() {
            let cell = column.cell(row);
            let object = opened(column, cell, b'{', &mut walk)?;
            if let Some(place) = object {
                let cells = &mut cells[row * width..(row + 1) * width];
                if let Some(at) = names.open(text, tape, place, cells, &mut seen) {
                    faults.push(Fault {
                        path: format!(".{}", fields[at].0),
                        ..Fault::new(row, Rule::DoubledKey)
                    });
                }
            } else if !matches!(cell.kind, CellKind::Missing | CellKind::Null) {
                faults.push(Fault::new(row, Rule::WrongType));
            }
            nulls.append(object.is_some());
        }
        let mut arrays = Vec::with_capacity(width);
        for (at, (name, data_type)) in fields.iter().enumerate() {
            let mut found = Vec::new();
            let values = CellColumn::new(text, &cells, width, at).with_tape(tape);
            arrays.push(self.convert(values, data_type, &mut found)?);
            faults.extend(found.into_iter().map(|fault| Fault {
                path: format!(".{name}{}", fault.path),
                ..fault
            }));
        }
        let DataType::Struct(arrow_fields) = ColumnType::Struct(fields.to_vec()).arrow() else {
            return Err(Error::internal("a struct's Arrow type is no struct"));
        };
        StructArray::try_new(arrow_fields, arrays, nulls.finish())
            .map(|value| Arc::new(value) as ArrayRef)
            .map_err(|error| Error::internal("a struct does not fit together").caused_by(error))
    }

    /// Where a column's cells are text that holds JSON (a field of a delimited export): that JSON, its cells, and these opened.
    fn json_in_text(
        &self,
        column: CellColumn<'_>,
        faults: &mut Vec<Fault>,
    ) -> Option<(Vec<u8>, Vec<Cell>, Tape)> {
        let is_text = |kind| matches!(kind, CellKind::Text | CellKind::Doubled | CellKind::Escaped);
        if !column.iter().any(|(kind, _)| is_text(kind)) {
            return None;
        }
        let (mut text, mut tape) = (Vec::new(), Tape::default());
        let mut cells = Vec::with_capacity(column.len());
        let mut scratch = Vec::new();
        for (row, cell) in column.iter().enumerate() {
            let Some(plain) = self.plain(cell, &mut scratch) else {
                cells.push(Cell::MISSING);
                continue;
            };
            let start = text.len();
            text.extend_from_slice(plain.text());
            let place = tape.end();
            let mut reader = JsonReader::new(&text, start);
            match reader.record(&mut tape) {
                Ok(value)
                    if matches!(value.kind, CellKind::Json | CellKind::Null)
                        && reader.is_done() =>
                {
                    cells.push(value);
                }
                _ => {
                    tape.rewind(place);
                    cells.push(Cell::MISSING);
                    faults.push(Fault::new(row, Rule::WrongType));
                }
            }
        }
        Some((text, cells, tape))
    }
}

/// The place of an array or object that begins with this bracket; `None` for all else.
fn opened(
    column: CellColumn<'_>,
    cell: Cell,
    bracket: u8,
    walk: &mut Walk,
) -> Result<Option<usize>> {
    if cell.kind != CellKind::Json || column.text().get(cell.start as usize) != Some(&bracket) {
        return Ok(None);
    }
    let place = column.tape().find(cell, walk);
    let place = place.ok_or_else(|| Error::internal("a JSON value was not recorded"))?;
    Ok(Some(place))
}

/// How the keys of a field were spelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Spellings {
    exact: bool,
    camel: bool,
}

/// The fields of a struct, as objects spell them.
struct FieldNames<'a> {
    exact: Vec<&'a str>,
    camel: Vec<String>,
    /// Of a key: the field, and whether that is its exact name.
    of_keys: Meanings<(u32, bool)>,
}

impl<'a> FieldNames<'a> {
    fn of(fields: &'a [(String, ColumnType)]) -> Self {
        Self {
            exact: fields.iter().map(|(name, _)| name.as_str()).collect(),
            camel: fields.iter().map(|(name, _)| camel_case(name)).collect(),
            of_keys: Meanings::default(),
        }
    }

    /// Files an object's values under the fields they belong to. An exact name wins over its camelCase. Gives a field whose
    /// key comes twice in one spelling, in whatever order. `seen` has room for each field.
    fn open(
        &mut self,
        text: &[u8],
        tape: &Tape,
        place: usize,
        cells: &mut [Cell],
        seen: &mut [Spellings],
    ) -> Option<usize> {
        seen.fill(Spellings::default());
        let Self {
            exact,
            camel,
            of_keys,
        } = self;
        let mut doubled = None;
        for (key, value) in tape.members(place) {
            let field = of_keys.of(key, || {
                let name = tape.key(text, value);
                let exact = exact.iter().position(|exact| exact.as_bytes() == &*name);
                let camel = || camel.iter().position(|camel| camel.as_bytes() == &*name);
                let exact = exact.map(|at| (at as u32, true));
                exact.or_else(|| camel().map(|at| (at as u32, false)))
            });
            let Some((at, is_exact)) = field else {
                continue;
            };
            let at = at as usize;
            let spellings = &mut seen[at];
            let is_outdone = !is_exact && spellings.exact;
            let was_seen = match is_exact {
                true => &mut spellings.exact,
                false => &mut spellings.camel,
            };
            if std::mem::replace(was_seen, true) {
                doubled = doubled.or(Some(at));
            }
            if !is_outdone {
                cells[at] = tape.cell(value);
            }
        }
        doubled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn camel_case_is_what_javascript_writes() {
        assert_eq!(camel_case("unit_price"), "unitPrice");
        assert_eq!(camel_case("sku"), "sku");
        assert_eq!(camel_case("line_1_total"), "line1Total");
    }
}
