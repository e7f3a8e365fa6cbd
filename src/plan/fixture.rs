//! Rows of a unit test → a batch of the table's types.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, ListArray, RecordBatch, RecordBatchOptions, StringArray, StructArray,
    new_null_array,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, FieldRef, SchemaRef};

use crate::diagnostic::{Code, Diagnostic, SourceFile, Span, nearest};
use crate::name::TableName;
use crate::project::{Cell, ColumnType, FixtureCell, FixtureRows, Spanned, check_value};

/// The columns that rows name, in the table's order: those that are compared.
///
/// # Errors
/// Every name that is no column.
pub(super) fn named_columns(
    rows: &FixtureRows,
    table: &TableName,
    schema: &SchemaRef,
) -> Result<Vec<FieldRef>, Vec<Diagnostic>> {
    unknown_columns(rows, table, schema)?;
    let named: BTreeSet<&str> = names(rows).map(|name| name.value.as_str()).collect();
    let fields = schema.fields().iter();
    // no row is expected: every column of a row that comes would be shown
    let is_empty = named.is_empty();
    Ok(fields
        .filter(|field| is_empty || named.contains(field.name().as_str()))
        .cloned()
        .collect())
}

/// The rows with all columns of the table; what a row does not name is null.
///
/// # Errors
/// Every name that is no column, and every value that is not of its column's type.
pub(super) fn batch(
    rows: &FixtureRows,
    table: &TableName,
    schema: &SchemaRef,
) -> Result<RecordBatch, Vec<Diagnostic>> {
    unknown_columns(rows, table, schema)?;
    let mut typing = Typing {
        file: &rows.file,
        found: Vec::new(),
    };
    let columns: Vec<ArrayRef> = schema
        .fields()
        .iter()
        .map(|field| {
            let cells = rows.rows.iter().map(|row| {
                let named = row
                    .cells
                    .iter()
                    .find(|(name, _)| name.value == *field.name());
                named.map(|(_, cell)| cell)
            });
            typing.array(&cells.collect::<Vec<_>>(), field.data_type())
        })
        .collect();
    if !typing.found.is_empty() {
        return Err(typing.found);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.rows.len()));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options).map_err(|error| {
        vec![Diagnostic::error(
            Code(353),
            format!("the rows do not fit `{table}`: {error}"),
        )]
    })
}

fn names(rows: &FixtureRows) -> impl Iterator<Item = &Spanned<String>> {
    let written = rows.rows.iter().flat_map(|row| &row.cells);
    rows.header.iter().chain(written.map(|(name, _)| name))
}

fn unknown_columns(
    rows: &FixtureRows,
    table: &TableName,
    schema: &SchemaRef,
) -> Result<(), Vec<Diagnostic>> {
    let mut seen = BTreeSet::new();
    let unknown = names(rows).filter(|name| {
        schema.field_with_name(&name.value).is_err() && seen.insert(name.value.as_str())
    });
    let found: Vec<Diagnostic> = unknown
        .map(|name| {
            let message = format!("`{table}` has no column `{}`", name.value);
            let diagnostic = Diagnostic::error(Code(330), message).at(&rows.file, name.span);
            let columns = schema.fields().iter().map(|field| field.name().as_str());
            match nearest(&name.value, columns) {
                Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                None => diagnostic,
            }
        })
        .collect();
    if found.is_empty() { Ok(()) } else { Err(found) }
}

struct Typing<'a> {
    file: &'a Arc<SourceFile>,
    found: Vec<Diagnostic>,
}

impl Typing<'_> {
    /// One column; a cell that is `None` is null. After a mistake the array means nothing.
    fn array(&mut self, cells: &[Option<&FixtureCell>], data_type: &DataType) -> ArrayRef {
        match data_type {
            DataType::List(item) => self.list(cells, item),
            DataType::Struct(fields) => {
                let mut columns = Vec::with_capacity(fields.len());
                self.unknown_fields(cells, fields);
                for field in fields {
                    let inner: Vec<Option<&FixtureCell>> = cells
                        .iter()
                        .map(|cell| match cell.map(|cell| &cell.value) {
                            Some(Cell::Struct(entries)) => entries
                                .iter()
                                .find(|(name, _)| name.value == *field.name())
                                .map(|(_, cell)| cell),
                            _ => None,
                        })
                        .collect();
                    columns.push(self.array(&inner, field.data_type()));
                }
                let nulls = NullBuffer::from_iter(
                    cells
                        .iter()
                        .map(|cell| matches!(cell.map(|cell| &cell.value), Some(Cell::Struct(_)))),
                );
                match StructArray::try_new(fields.clone(), columns, Some(nulls)) {
                    Ok(array) => Arc::new(array),
                    Err(_) => new_null_array(data_type, cells.len()),
                }
            }
            _ => self.plain(cells, data_type),
        }
    }

    fn list(&mut self, cells: &[Option<&FixtureCell>], item: &FieldRef) -> ArrayRef {
        let mut items = Vec::new();
        let mut lengths = Vec::with_capacity(cells.len());
        let mut valid = Vec::with_capacity(cells.len());
        for cell in cells {
            let before = items.len();
            let is_list = match cell.map(|cell| (&cell.value, cell.span)) {
                Some((Cell::List(inner), _)) => {
                    items.extend(inner.iter().map(Some));
                    true
                }
                None | Some((Cell::Null, _)) => false,
                Some((_, span)) => {
                    self.wrong(span, "a list: `[…]`");
                    false
                }
            };
            lengths.push(items.len() - before);
            valid.push(is_list);
        }
        let values = self.array(&items, item.data_type());
        let offsets = OffsetBuffer::from_lengths(lengths);
        let nulls = Some(NullBuffer::from(valid));
        match ListArray::try_new(Arc::clone(item), offsets, values, nulls) {
            Ok(array) => Arc::new(array),
            Err(_) => new_null_array(&DataType::List(Arc::clone(item)), cells.len()),
        }
    }

    fn unknown_fields(
        &mut self,
        cells: &[Option<&FixtureCell>],
        fields: &datafusion::arrow::datatypes::Fields,
    ) {
        for cell in cells.iter().flatten() {
            let entries = match &cell.value {
                Cell::Struct(entries) => entries,
                Cell::Null => continue,
                _ => {
                    self.wrong(cell.span, "a struct: `{field: value, …}`");
                    continue;
                }
            };
            for (name, _) in entries {
                if fields.find(&name.value).is_some() {
                    continue;
                }
                let message = format!("the struct has no field `{}`", name.value);
                let diagnostic = Diagnostic::error(Code(330), message).at(self.file, name.span);
                let known = fields.iter().map(|field| field.name().as_str());
                self.found.push(match nearest(&name.value, known) {
                    Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                    None => diagnostic,
                });
            }
        }
    }

    fn plain(&mut self, cells: &[Option<&FixtureCell>], data_type: &DataType) -> ArrayRef {
        let column_type = ColumnType::of_arrow(data_type);
        let mut texts: Vec<Option<&str>> = Vec::with_capacity(cells.len());
        for cell in cells {
            let text = match cell.map(|cell| &cell.value) {
                None | Some(Cell::Null) => None,
                Some(Cell::Text(text)) => Some(text.as_str()),
                Some(Cell::List(_) | Cell::Struct(_)) => {
                    let span = cell.map_or_else(Span::default, |cell| cell.span);
                    self.wrong(span, "one value");
                    None
                }
            };
            let is_text = matches!(column_type, Some(ColumnType::Varchar));
            let text = text.map(|text| if is_text { text } else { text.trim() });
            if let (Some(text), Some(column_type), Some(cell)) = (text, &column_type, cell)
                && let Err(expected) = check_value(text, column_type)
            {
                self.wrong(cell.span, &expected);
            }
            texts.push(text);
        }
        if !self.found.is_empty() {
            return new_null_array(data_type, cells.len());
        }
        if data_type == &DataType::Boolean {
            let values = texts.iter().map(|text| text.map(|text| text == "true"));
            return Arc::new(values.collect::<BooleanArray>());
        }
        let texts: ArrayRef = Arc::new(StringArray::from(texts));
        let strict = CastOptions {
            safe: false,
            ..CastOptions::default()
        };
        match cast_with_options(&texts, data_type, &strict) {
            Ok(array) => array,
            Err(_) => {
                let span = cells
                    .iter()
                    .flatten()
                    .next()
                    .map_or_else(Span::default, |cell| cell.span);
                self.wrong(span, &format!("values of type {data_type}"));
                new_null_array(data_type, texts.len())
            }
        }
    }

    fn wrong(&mut self, span: Span, expected: &str) {
        self.found.push(
            Diagnostic::error(Code(353), "the value is not of its column's type")
                .at(self.file, span)
                .help(format!("write {expected}")),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::FixtureRow;
    use datafusion::arrow::datatypes::{Field, Schema};
    use datafusion::arrow::util::pretty::pretty_format_batches;

    fn text(text: &str) -> FixtureCell {
        FixtureCell {
            span: Span { start: 0, end: 1 },
            value: Cell::Text(text.into()),
        }
    }

    fn rows(cells: Vec<(&str, FixtureCell)>) -> FixtureRows {
        let span = Span { start: 0, end: 1 };
        FixtureRows {
            file: Arc::new(SourceFile {
                path: "schemas/gold/x.yaml".into(),
                text: "x".into(),
            }),
            rows: vec![FixtureRow {
                cells: cells
                    .into_iter()
                    .map(|(name, cell)| {
                        let value = name.to_string();
                        (Spanned { value, span }, cell)
                    })
                    .collect(),
            }],
            header: vec![],
        }
    }

    fn schema(columns: &[(&str, &str)]) -> SchemaRef {
        let fields = columns.iter().map(|(name, data_type)| {
            Field::new(*name, ColumnType::parse(data_type).unwrap().arrow(), true)
        });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    #[test]
    fn text_survives_and_is_typed_by_its_column() {
        let item = FixtureCell {
            span: Span { start: 0, end: 1 },
            value: Cell::Struct(vec![(
                Spanned {
                    value: "sku".to_string(),
                    span: Span { start: 0, end: 1 },
                },
                text("007"),
            )]),
        };
        let list = FixtureCell {
            span: Span { start: 0, end: 1 },
            value: Cell::List(vec![item]),
        };
        let schema = schema(&[
            ("country", "varchar"),
            ("phone", "varchar"),
            ("amount", "decimal(12,2)"),
            ("at", "timestamp"),
            ("lines", "list<struct<sku varchar, quantity integer>>"),
            ("missing", "bigint"),
        ]);
        let given = rows(vec![
            ("country", text("NO")),
            ("phone", text("+46701234567")),
            ("amount", text("01.5")),
            ("at", text("2026-03-01T01:00:00+01:00")),
            ("lines", list),
        ]);
        let batch = batch(&given, &"gold.x".parse().unwrap(), &schema).unwrap();
        let shown = pretty_format_batches(&[batch]).unwrap().to_string();
        for expected in [
            "| NO ",
            "+46701234567",
            "| 1.50 ",
            "2026-03-01T00:00:00Z",
            "{sku: 007, quantity: }",
        ] {
            assert!(shown.contains(expected), "{expected} in {shown}");
        }
    }

    #[test]
    fn a_value_of_another_type_and_an_unknown_column_are_refused() {
        let schema = schema(&[("amount", "bigint"), ("email", "varchar")]);
        let table = "gold.x".parse().unwrap();
        let found = batch(&rows(vec![("amount", text("NO"))]), &table, &schema).unwrap_err();
        assert_eq!(found[0].code, Code(353));
        let found = batch(&rows(vec![("emial", text("a"))]), &table, &schema).unwrap_err();
        assert_eq!(found[0].help.as_deref(), Some("did you mean `email`?"));
    }
}
