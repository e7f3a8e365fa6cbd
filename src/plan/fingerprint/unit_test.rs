//! What decides whether a unit test is another one.

use crate::project::{Cell, Fixture, FixtureCell, Spanned, UnitTest};

/// Name, instant, variables, and every row.
pub(super) fn fields(test: &UnitTest) -> Vec<String> {
    let mut fields = vec!["unit_test".to_string(), test.name.value.clone()];
    fields.push(test.as_of.map(|at| at.to_rfc3339()).unwrap_or_default());
    for (name, value) in &test.vars {
        fields.push(format!("var {name}"));
        fields.push(value.value.clone());
    }
    for (table, fixture) in &test.given {
        fields.push(format!("given {}", table.value));
        fixture_fields(fixture, &mut fields);
    }
    fields.push("expect".to_string());
    fixture_fields(&test.expect, &mut fields);
    fields
}

fn fixture_fields(fixture: &Fixture, fields: &mut Vec<String>) {
    match fixture {
        Fixture::Parquet { hash, .. } => fields.push(hash.clone()),
        Fixture::Rows(rows) => {
            fields.extend(rows.header.iter().map(|name| name.value.clone()));
            for row in &rows.rows {
                fields.push("row".to_string());
                entries(&row.cells, fields);
            }
        }
    }
}

fn entries(cells: &[(Spanned<String>, FixtureCell)], fields: &mut Vec<String>) {
    for (name, cell) in cells {
        fields.push(name.value.clone());
        cell_fields(cell, fields);
    }
}

fn cell_fields(cell: &FixtureCell, fields: &mut Vec<String>) {
    match &cell.value {
        Cell::Null => fields.push("null".to_string()),
        Cell::Text(text) => fields.push(format!("={text}")),
        Cell::List(items) => {
            fields.push(format!("list {}", items.len()));
            items.iter().for_each(|item| cell_fields(item, fields));
        }
        Cell::Struct(inner) => {
            fields.push(format!("struct {}", inner.len()));
            entries(inner, fields);
        }
    }
}
