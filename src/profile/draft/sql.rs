//! `silver`: each table in tidy form, and each list within its records as a table of its own.

use super::named;
use super::source::{ColumnDraft, SourceDraft};
use crate::column_type::ColumnType;

/// The steps that tidy a source: their names below `silver`, and their SQL.
pub(super) fn tidy(source: &SourceDraft) -> Vec<(String, String)> {
    let table = &source.table;
    let columns: Vec<String> = source.columns.iter().map(tidied).collect();
    let text = format!(
        "-- silver.{table}: one row per row of bronze.{table}; texts without the spaces around them, empty ones null.\n\
         select\n    {}\n\
         from bronze.{table}\n",
        columns.join(",\n    "),
    );
    let mut files = vec![(table.clone(), text)];
    for column in &source.columns {
        if let ColumnType::List(item) = &column.data_type
            && let ColumnType::Struct(fields) = &**item
        {
            files.push((
                format!("{table}_{}", column.name),
                exploded(source, column, fields),
            ));
        }
    }
    files
}

fn tidied(column: &ColumnDraft) -> String {
    let name = named(&column.name);
    match column.data_type {
        ColumnType::Varchar => format!("nullif(trim({name}), '') as {name}"),
        _ => name,
    }
}

/// One row per item of a list, with what names its record.
fn exploded(source: &SourceDraft, list: &ColumnDraft, fields: &[(String, ColumnType)]) -> String {
    let table = &source.table;
    let is_plain = |column: &&ColumnDraft| {
        !matches!(
            column.data_type,
            ColumnType::List(_) | ColumnType::Struct(_)
        )
    };
    let named_by: Vec<&str> = match source.key.is_empty() {
        false => source.key.iter().map(String::as_str).collect(),
        true => {
            let first = source.columns.iter().find(is_plain);
            first
                .map(|column| column.name.as_str())
                .into_iter()
                .collect()
        }
    };
    let mut outer: Vec<String> = named_by.iter().map(|name| named(name)).collect();
    let list_name = named(&list.name);
    let mut inner = outer.clone();
    inner.push(format!("unnest({list_name}) as item"));
    for (field, _) in fields {
        let is_taken = named_by.contains(&field.as_str());
        let name = match is_taken {
            true => format!("{}_{field}", list.name),
            false => named(field),
        };
        outer.push(format!("item['{field}'] as {name}"));
    }
    format!(
        "-- silver.{table}_{}: one row per item of `{}` in bronze.{table}.\n\
         with items as (\n    select {}\n    from bronze.{table}\n)\n\
         select\n    {}\n\
         from items\n",
        list.name,
        list.name,
        inner.join(", "),
        outer.join(",\n    "),
    )
}
