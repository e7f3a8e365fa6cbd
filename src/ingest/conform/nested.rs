//! JSON arrays and objects → Arrow lists and structs.
//!
//! A nested value is opened into cells of its own, which are converted as columns again: a list of structs costs no
//! more than its fields. Fields of a struct match by exact name, else by the camelCase of the contract's snake_case, else by any other
//! spelling of it.
//! A text may hold JSON.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, ListArray, NullBufferBuilder, StructArray};
use datafusion::arrow::buffer::{OffsetBuffer, ScalarBuffer};
use datafusion::arrow::datatypes::{DataType, Field};

use super::convert::Converter;
use super::findings::Findings;
use crate::error::{Error, Result};
use crate::ingest::cell::{Cell, CellColumn, CellKind};
use crate::ingest::encoding::TextDecoder;
use crate::ingest::ignored::Ignored;
use crate::ingest::json::JsonReader;
use crate::ingest::keys::Meanings;
use crate::ingest::rule::{Fault, Rule};
use crate::ingest::tape::{Tape, Walk};
use crate::name::folded;
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

/// How a key is the name of a field, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Spelling {
    Exact,
    CamelCase,
    /// But for capitals, accents and whatever is no letter and no digit: `UnitPrice`, `UNIT-PRICE`, `Unit price`; `är` for `ar`.
    Other,
}

impl Spelling {
    const ALL: [Self; 3] = [Self::Exact, Self::CamelCase, Self::Other];
}

/// The field whose name a key is, in the best spelling; of several in other spellings none.
pub(crate) fn field_of<'a>(
    key: &[u8],
    names: impl Iterator<Item = &'a str> + Clone,
) -> Option<(usize, Spelling)> {
    let bare_key = bare(key);
    let find = |spelling| {
        let is_it = |name: &str| match spelling {
            Spelling::Exact => name.as_bytes() == key,
            Spelling::CamelCase => camel_case(name).as_bytes() == key,
            Spelling::Other => bare(name.as_bytes()) == bare_key,
        };
        let mut found = names.clone().enumerate().filter(|(_, name)| is_it(name));
        let (at, _) = found.next()?;
        let is_clear = spelling != Spelling::Other || found.next().is_none();
        is_clear.then_some((at, spelling))
    };
    Spelling::ALL.into_iter().find_map(find)
}

/// How a struct's field of this name is spelled by a key, if it is.
pub(crate) fn spelling(name: &str, key: &str) -> Option<Spelling> {
    let found = field_of(key.as_bytes(), std::iter::once(name));
    found.map(|(_, spelling)| spelling)
}

/// Small letters without accents, and digits.
fn bare(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    let signs = text.chars().flat_map(folded);
    signs.filter(|sign| sign.is_alphanumeric()).collect()
}

impl Converter {
    pub(super) fn list(
        &self,
        column: CellColumn<'_>,
        item: &ColumnType,
        findings: &mut Findings,
    ) -> Result<ArrayRef> {
        if let Some((text, cells, tape)) = self.json_in_text(column, findings) {
            let column = CellColumn::new(&text, &cells, 1, 0).with_tape(&tape);
            return self.in_utf8().list(column, item, findings);
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
                findings.fault(row, Rule::WrongType);
            }
            nulls.append(list.is_some());
            offsets.push(items.len() as i32);
        }
        let mut found = Findings::default();
        let values = CellColumn::new(text, &items, 1, 0).with_tape(tape);
        let values = self.convert(values, item, &mut found)?;
        findings.add_items(found, |item| place_of(item, &offsets));
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
        findings: &mut Findings,
    ) -> Result<ArrayRef> {
        if let Some((text, cells, tape)) = self.json_in_text(column, findings) {
            let column = CellColumn::new(&text, &cells, 1, 0).with_tape(&tape);
            return self.in_utf8().structure(column, fields, findings);
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
                let ignored = &mut findings.ignored;
                let found = (cells, &mut seen[..]);
                if let Some(at) = names.open(text, tape, place, found, ignored, &self.decoder) {
                    findings.faults.push(Fault {
                        path: format!(".{}", fields[at].0),
                        ..Fault::new(row, Rule::DoubledKey)
                    });
                }
            } else if !matches!(cell.kind, CellKind::Missing | CellKind::Null) {
                findings.fault(row, Rule::WrongType);
            }
            nulls.append(object.is_some());
        }
        let mut arrays = Vec::with_capacity(width);
        for (at, (name, data_type)) in fields.iter().enumerate() {
            let mut found = Findings::default();
            let values = CellColumn::new(text, &cells, width, at).with_tape(tape);
            arrays.push(self.convert(values, data_type, &mut found)?);
            findings.add_field(name, found);
        }
        let DataType::Struct(arrow_fields) = ColumnType::Struct(fields.to_vec()).arrow() else {
            return Err(Error::internal("a struct's Arrow type is no struct"));
        };
        StructArray::try_new(arrow_fields, arrays, nulls.finish())
            .map(|value| Arc::new(value) as ArrayRef)
            .map_err(|error| Error::internal("a struct does not fit together").caused_by(error))
    }

    /// Where a column's cells are text that holds JSON: that JSON in UTF-8, its cells, and these opened.
    fn json_in_text(
        &self,
        column: CellColumn<'_>,
        findings: &mut Findings,
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
                    findings.fault(row, Rule::WrongType);
                }
            }
        }
        Some((text, cells, tape))
    }
}

/// An item's row, and its place in that row's list; `offsets` are the ends of the lists. `None` for an item of none.
pub(super) fn place_of(item: usize, offsets: &[i32]) -> Option<(usize, usize)> {
    let after = offsets.partition_point(|offset| *offset as usize <= item);
    let row = after.checked_sub(1).filter(|_| after < offsets.len())?;
    Some((row, item - offsets[row] as usize))
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

/// In which spellings the key of a field came.
type Spellings = [bool; Spelling::ALL.len()];

/// The fields of a struct, as objects spell them.
struct FieldNames<'a> {
    fields: &'a [(String, ColumnType)],
    of_keys: Meanings<(u32, Spelling)>,
}

impl<'a> FieldNames<'a> {
    fn of(fields: &'a [(String, ColumnType)]) -> Self {
        Self {
            fields,
            of_keys: Meanings::default(),
        }
    }

    /// Files an object's values under the fields they belong to; the best spelling wins. Gives a field whose key comes twice,
    /// in whatever order: by its name or its camelCase, or in other spellings where neither is there. There is a cell for each
    /// field, and room for how its key was spelled. Keys of no field are `ignored`.
    fn open(
        &mut self,
        text: &[u8],
        tape: &Tape,
        place: usize,
        (cells, seen): (&mut [Cell], &mut [Spellings]),
        ignored: &mut Ignored,
        decoder: &TextDecoder,
    ) -> Option<usize> {
        seen.fill(Spellings::default());
        let names = self.fields.iter().map(|(name, _)| name.as_str());
        let (mut doubled, mut unclear) = (None, Vec::new());
        for (key, value) in tape.members(place) {
            let field = self.of_keys.of(key, || {
                let name = tape.key(text, value, decoder);
                let found = field_of(&name, names.clone());
                if found.is_none() {
                    ignored.note("", &name);
                }
                found.map(|(at, spelling)| (at as u32, spelling))
            });
            let Some((at, spelling)) = field else {
                continue;
            };
            let at = at as usize;
            let (better, same) = seen[at].split_at_mut(spelling as usize);
            if std::mem::replace(&mut same[0], true) {
                match spelling {
                    Spelling::Other => unclear.push(at),
                    _ => doubled = doubled.or(Some(at)),
                }
            }
            if !better.contains(&true) {
                cells[at] = tape.cell(value);
            }
        }
        let is_read = |at: &usize| !seen[*at][..Spelling::Other as usize].contains(&true);
        doubled.or_else(|| unclear.into_iter().find(is_read))
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

    #[test]
    fn a_key_is_a_field_in_its_best_spelling_or_in_the_only_other_one() {
        let names = ["sku", "unit_price", "unitprice", "line_id", "arspris_kr"];
        let field = |key: &str| field_of(key.as_bytes(), names.into_iter());
        assert_eq!(field("sku"), Some((0, Spelling::Exact)));
        for key in ["SKU", "Sku", "s-k u"] {
            assert_eq!(field(key), Some((0, Spelling::Other)), "{key}");
        }
        assert_eq!(field("unitPrice"), Some((1, Spelling::CamelCase)));
        assert_eq!(field("unitprice"), Some((2, Spelling::Exact)));
        assert_eq!(field("UnitPrice"), None, "two fields have this name");
        assert_eq!(field("lineID"), Some((3, Spelling::Other)));
        for key in ["Årspris (kr)", "A\u{30a}rsprisKr"] {
            assert_eq!(field(key), Some((4, Spelling::Other)), "{key}");
        }
        assert_eq!(field("skus"), None);
        assert_eq!(field(""), None);
    }
}
