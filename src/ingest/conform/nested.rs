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
use crate::ingest::tape::Tape;
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
#[inline(always)]
pub(crate) fn is_key(text: &[u8], key: Cell, name: &str) -> bool {
    let bytes = &text[key.start as usize..key.end as usize];
    match key.kind {
        CellKind::Escaped => is_escaped_key(bytes, name),
        _ => is_same(bytes, name.as_bytes()),
    }
}

fn is_escaped_key(bytes: &[u8], name: &str) -> bool {
    let mut plain = Vec::new();
    unescape(bytes, &mut plain, |part, out| out.extend_from_slice(part));
    plain == name.as_bytes()
}

/// Equality of two short texts. Most names have 2 to 16 letters: two words that may overlap, instead of a call for every key
/// of every record.
#[inline(always)]
fn is_same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    match a.len() {
        2..=4 => ends::<2>(a) == ends::<2>(b),
        5..=8 => ends::<4>(a) == ends::<4>(b),
        9..=16 => ends::<8>(a) == ends::<8>(b),
        _ => a == b,
    }
}

/// The first bytes and the last, which may be the same ones.
#[inline(always)]
fn ends<const N: usize>(text: &[u8]) -> (Option<&[u8; N]>, Option<&[u8; N]>) {
    (text.first_chunk(), text.last_chunk())
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
        let mut near = 0;
        let mut items = Vec::with_capacity(column.len() * 2);
        let mut offsets = Vec::with_capacity(column.len() + 1);
        let mut nulls = NullBufferBuilder::new(column.len());
        offsets.push(0_i32);
        for row in 0..column.len() {
            let cell = column.cell(row);
            let list = opened(column, cell, b'[', &mut near)?;
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
        let mut near = 0;
        let names: Vec<(&str, String)> = fields
            .iter()
            .map(|(name, _)| (name.as_str(), camel_case(name)))
            .collect();
        let width = fields.len();
        let mut cells = vec![Cell::MISSING; column.len() * width];
        let mut nulls = NullBufferBuilder::new(column.len());
        let mut seen = vec![Spellings::default(); width];
        for row in 0..column.len() {
            let cell = column.cell(row);
            let object = opened(column, cell, b'{', &mut near)?;
            if let Some(place) = object {
                let cells = &mut cells[row * width..(row + 1) * width];
                if let Some(at) = open_object(text, tape, place, &names, cells, &mut seen) {
                    faults.push(Fault {
                        path: format!(".{}", names[at].0),
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

/// The place of an array or object that begins with this bracket; `None` for all else. `near`: where the one before it
/// ends; the next is mostly there.
fn opened(
    column: CellColumn<'_>,
    cell: Cell,
    bracket: u8,
    near: &mut usize,
) -> Result<Option<usize>> {
    if cell.kind != CellKind::Json || column.text().get(cell.start as usize) != Some(&bracket) {
        return Ok(None);
    }
    let place = column.tape().find(cell, *near);
    let place = place.ok_or_else(|| Error::internal("a JSON value was not recorded"))?;
    *near = column.tape().after(place);
    Ok(Some(place))
}

/// How the keys of a field were spelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Spellings {
    exact: bool,
    camel: bool,
}

/// Files an object's values under the fields they belong to. An exact name wins over its camelCase. Gives a field whose key
/// comes twice in one spelling, in whatever order. `seen` has room for each field.
fn open_object(
    text: &[u8],
    tape: &Tape,
    place: usize,
    names: &[(&str, String)],
    cells: &mut [Cell],
    seen: &mut [Spellings],
) -> Option<usize> {
    seen.fill(Spellings::default());
    let mut doubled = None;
    // senders write the fields in one order: the next one is most likely the one after the last
    let mut likely = 0;
    for (key, value) in tape.members(place) {
        for offset in 0..names.len() {
            let at = (likely + offset) % names.len();
            let (exact, camel) = &names[at];
            let is_exact = is_key(text, key, exact);
            if !is_exact && !is_key(text, key, camel) {
                continue;
            }
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
            likely = at + 1;
            break;
        }
    }
    doubled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_every_length_are_told_apart_by_each_of_their_letters() {
        let letters = "abcdefghijklmnopqrstuvwxyz";
        for length in 0..letters.len() {
            let name = &letters[..length];
            let key = |text: &str| Cell::new(0, text.len(), CellKind::Text);
            assert!(is_key(name.as_bytes(), key(name), name));
            for at in 0..length {
                let mut other = name.to_string();
                other.replace_range(at..=at, "_");
                assert!(!is_key(other.as_bytes(), key(&other), name), "{other}");
            }
            let longer = format!("{name}_");
            assert!(!is_key(longer.as_bytes(), key(&longer), name));
        }
    }

    #[test]
    fn camel_case_is_what_javascript_writes() {
        assert_eq!(camel_case("unit_price"), "unitPrice");
        assert_eq!(camel_case("sku"), "sku");
        assert_eq!(camel_case("line_1_total"), "line1Total");
    }
}
