//! Seeds against their contracts: text → typed rows, every cell that does not fit named by its place.
//!
//! Without a contract every column is `varchar`: no guess that a new line of the file could turn over.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::schema::contract_schema;
use crate::diagnostic::{Code, Diagnostic, SourceFile, Span, nearest};
use crate::engine::{WrongCell, typed_rows};
use crate::name::TableName;
use crate::project::{ColumnType, Contract, Project, Seed};

/// More mistakes of one file than this are counted, not listed.
const LISTED: usize = 20;

/// The rows of every seed that has no mistake.
pub(super) fn rows_of_seeds(
    project: &Project,
    mistakes: &mut Vec<Diagnostic>,
) -> BTreeMap<TableName, RecordBatch> {
    let mut rows = BTreeMap::new();
    for (table, seed) in &project.seeds {
        match rows_of(seed, project.contracts.get(table)) {
            Ok(batch) => {
                rows.insert(table.clone(), batch);
            }
            Err(found) => mistakes.extend(found),
        }
    }
    rows
}

/// The columns as published: the contract's, else the file's, as text.
pub(super) fn seed_schema(seed: &Seed, contract: Option<&Contract>) -> SchemaRef {
    match contract.filter(|contract| !contract.columns.is_empty()) {
        Some(contract) => contract_schema(contract),
        None => {
            let names = seed.header.iter().filter_map(|cell| cell.text.clone());
            let fields = names.map(|name| Field::new(name, DataType::Utf8, true));
            Arc::new(Schema::new(fields.collect::<Vec<_>>()))
        }
    }
}

fn rows_of(seed: &Seed, contract: Option<&Contract>) -> Result<RecordBatch, Vec<Diagnostic>> {
    let schema = seed_schema(seed, contract);
    let positions = positions(seed, &schema, contract)?;
    let columns: Vec<Vec<Option<&str>>> = positions
        .iter()
        .map(|position| {
            let cells = seed.rows.iter().map(|row| row[*position].text.as_deref());
            cells.collect()
        })
        .collect();
    typed_rows(&schema, &columns).map_err(|wrong| {
        let listed = wrong.iter().take(LISTED);
        let mut found: Vec<Diagnostic> = listed
            .map(|cell| wrong_cell(seed, &schema, &positions, *cell))
            .collect();
        if wrong.len() > LISTED {
            let message = format!("{} more cells do not fit", wrong.len() - LISTED);
            found.push(Diagnostic::error(Code(209), message).at(&seed.file, Span::default()));
        }
        found
    })
}

/// Where each column of the schema stands in the file.
fn positions(
    seed: &Seed,
    schema: &SchemaRef,
    contract: Option<&Contract>,
) -> Result<Vec<usize>, Vec<Diagnostic>> {
    let header: Vec<&str> = seed
        .header
        .iter()
        .map(|cell| cell.text.as_deref().unwrap_or_default())
        .collect();
    let mut positions = Vec::with_capacity(schema.fields().len());
    let mut found = Vec::new();
    for field in schema.fields() {
        match header.iter().position(|name| name == field.name()) {
            Some(position) => positions.push(position),
            None => found.push(
                Diagnostic::error(
                    Code(209),
                    format!(
                        "the seed has no column `{}`, which its contract promises",
                        field.name()
                    ),
                )
                .at(
                    &seed.file,
                    seed.header.first().map_or(Span::default(), |c| c.span),
                )
                .help("add it to the file, or take it out of the contract"),
            ),
        }
    }
    for (cell, name) in seed.header.iter().zip(&header) {
        if schema.field_with_name(name).is_ok() {
            continue;
        }
        let promised = schema.fields().iter().map(|field| field.name().as_str());
        let path = contract.map_or("the contract", |contract| contract.file.path.as_str());
        let help = match nearest(name, promised) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("add it to {path}: a contract that lists columns lists them all"),
        };
        found.push(
            Diagnostic::error(Code(209), format!("the contract has no column `{name}`"))
                .at(&seed.file, cell.span)
                .help(help),
        );
    }
    if found.is_empty() {
        Ok(positions)
    } else {
        Err(found)
    }
}

/// By its place alone: a line of data is not shown.
fn wrong_cell(seed: &Seed, schema: &SchemaRef, positions: &[usize], cell: WrongCell) -> Diagnostic {
    let field = schema.field(cell.column);
    let data_type = ColumnType::of_arrow(field.data_type());
    let data_type = data_type.map_or_else(String::new, |data_type| data_type.to_string());
    let start = seed.rows[cell.row][positions[cell.column]].span.start;
    let (line, column) = seed.file.position(start);
    let place = Arc::new(SourceFile {
        path: format!("{}:{line}:{column}", seed.file.path),
        text: String::new(),
    });
    let help = match field.data_type() {
        DataType::Date32 => "dates are written `2026-03-01`",
        DataType::Timestamp(..) => "timestamps are written `2026-03-01T12:00:00Z`, in UTC",
        DataType::Boolean => "booleans are `true` and `false`",
        DataType::Decimal128(..) => {
            "a decimal has a point, no separators, and no more digits behind the point than its type"
        }
        _ => "correct the cell, or the type in the contract",
    };
    Diagnostic::error(
        Code(209),
        format!("this cell of `{}` is no `{data_type}`", field.name()),
    )
    .at(&place, Span::default())
    .help(help)
}
