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
use crate::ingest::format::json::{JsonReader, unescape};
use crate::ingest::rule::{Fault, Rule};
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

/// Whether an object's key is the given name.
pub(crate) fn is_key(text: &[u8], key: Cell, name: &str) -> bool {
    let bytes = &text[key.start as usize..key.end as usize];
    if key.kind != CellKind::Escaped {
        return bytes == name.as_bytes();
    }
    let mut plain = Vec::new();
    unescape(bytes, &mut plain, |part, out| out.extend_from_slice(part));
    plain == name.as_bytes()
}

impl Converter {
    pub(super) fn list(
        &self,
        column: CellColumn<'_>,
        item: &ColumnType,
        faults: &mut Vec<Fault>,
    ) -> Result<ArrayRef> {
        if let Some((text, cells)) = self.json_in_text(column, faults) {
            return self.list(CellColumn::new(&text, &cells, 1, 0), item, faults);
        }
        let text = column.text();
        let mut items = Vec::with_capacity(column.len() * 2);
        let mut offsets = Vec::with_capacity(column.len() + 1);
        let mut nulls = NullBufferBuilder::new(column.len());
        offsets.push(0_i32);
        for row in 0..column.len() {
            let cell = column.cell(row);
            let is_list = opens_with(text, cell, b'[');
            if is_list {
                let mut reader = JsonReader::new(text, cell.start as usize);
                // the format has read the value once, so that it cannot be malformed
                let _ = reader.array(|reader| reader.value().map(|item| items.push(item)));
            } else if !matches!(cell.kind, CellKind::Missing | CellKind::Null) {
                faults.push(Fault::new(row, Rule::WrongType));
            }
            nulls.append(is_list);
            offsets.push(items.len() as i32);
        }
        let mut found = Vec::new();
        let values = self.convert(CellColumn::new(text, &items, 1, 0), item, &mut found)?;
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
        if let Some((text, cells)) = self.json_in_text(column, faults) {
            return self.structure(CellColumn::new(&text, &cells, 1, 0), fields, faults);
        }
        let text = column.text();
        let names: Vec<(&str, String)> = fields
            .iter()
            .map(|(name, _)| (name.as_str(), camel_case(name)))
            .collect();
        let width = fields.len();
        let mut cells = vec![Cell::MISSING; column.len() * width];
        let mut nulls = NullBufferBuilder::new(column.len());
        let mut seen = vec![Spelling::None; width];
        for row in 0..column.len() {
            let cell = column.cell(row);
            let is_object = opens_with(text, cell, b'{');
            if is_object {
                let cells = &mut cells[row * width..(row + 1) * width];
                if let Some(at) = open_object(text, cell, &names, cells, &mut seen) {
                    faults.push(Fault {
                        path: format!(".{}", names[at].0),
                        ..Fault::new(row, Rule::DoubledKey)
                    });
                }
            } else if !matches!(cell.kind, CellKind::Missing | CellKind::Null) {
                faults.push(Fault::new(row, Rule::WrongType));
            }
            nulls.append(is_object);
        }
        let mut arrays = Vec::with_capacity(width);
        for (at, (name, data_type)) in fields.iter().enumerate() {
            let mut found = Vec::new();
            let values = CellColumn::new(text, &cells, width, at);
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

    /// Where a column's cells are text that holds JSON (a field of a delimited export): that JSON, and its cells.
    fn json_in_text(
        &self,
        column: CellColumn<'_>,
        faults: &mut Vec<Fault>,
    ) -> Option<(Vec<u8>, Vec<Cell>)> {
        let is_text = |kind| matches!(kind, CellKind::Text | CellKind::Doubled | CellKind::Escaped);
        if !column.iter().any(|(kind, _)| is_text(kind)) {
            return None;
        }
        let mut text = Vec::new();
        let mut cells = Vec::with_capacity(column.len());
        let mut scratch = Vec::new();
        for (row, cell) in column.iter().enumerate() {
            let Some(plain) = self.plain(cell, &mut scratch) else {
                cells.push(Cell::MISSING);
                continue;
            };
            let start = text.len();
            text.extend_from_slice(plain.text());
            let mut reader = JsonReader::new(&text, start);
            match reader.value() {
                Ok(value)
                    if matches!(value.kind, CellKind::Json | CellKind::Null)
                        && reader.is_done() =>
                {
                    cells.push(value);
                }
                _ => {
                    cells.push(Cell::MISSING);
                    faults.push(Fault::new(row, Rule::WrongType));
                }
            }
        }
        Some((text, cells))
    }
}

fn opens_with(text: &[u8], cell: Cell, byte: u8) -> bool {
    cell.kind == CellKind::Json && text.get(cell.start as usize) == Some(&byte)
}

/// How the key of a field was spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spelling {
    None,
    Camel,
    Exact,
}

/// Files an object's values under the fields they belong to. An exact name wins over its camelCase. Gives a field whose key
/// comes twice in one spelling. `seen` has room for each field.
fn open_object(
    text: &[u8],
    cell: Cell,
    names: &[(&str, String)],
    cells: &mut [Cell],
    seen: &mut [Spelling],
) -> Option<usize> {
    let mut reader = JsonReader::new(text, cell.start as usize);
    seen.fill(Spelling::None);
    let mut doubled = None;
    // senders write the fields in one order: the next one is most likely the one after the last
    let mut likely = 0;
    let _ = reader.object(|reader, key| {
        let value = reader.value()?;
        for offset in 0..names.len() {
            let at = (likely + offset) % names.len();
            let (exact, camel) = &names[at];
            let spelling = if is_key(text, key, exact) {
                Spelling::Exact
            } else if seen[at] != Spelling::Exact && is_key(text, key, camel) {
                Spelling::Camel
            } else {
                continue;
            };
            if seen[at] == spelling {
                doubled = doubled.or(Some(at));
            }
            (cells[at], seen[at]) = (value, spelling);
            likely = at + 1;
            break;
        }
        Ok(())
    });
    doubled
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
