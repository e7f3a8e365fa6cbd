//! The SQL that finds failures: text, so that a person can run it. One function per test.

use crate::column_type::ColumnType;
use crate::name::TableName;
use crate::sql_text::{literal_sql, name_sql};

fn literal(text: &str, data_type: Option<&ColumnType>) -> String {
    let text = literal_sql(text);
    match data_type {
        None | Some(ColumnType::Varchar) => text,
        Some(ColumnType::Decimal { precision, scale }) => {
            format!("cast({text} as decimal({precision}, {scale}))")
        }
        Some(ColumnType::Timestamp) => {
            format!("arrow_cast({text}, 'Timestamp(Microsecond, Some(\"UTC\"))')")
        }
        Some(other) => format!("cast({text} as {other})"),
    }
}

/// True where the column is null.
pub(super) fn null_sql(column: &str) -> String {
    format!("{} is null", name_sql(column))
}

/// True where the column holds something else than the values; null passes.
pub(super) fn not_among_sql(
    column: &str,
    values: &[String],
    data_type: Option<&ColumnType>,
) -> String {
    let values: Vec<String> = values
        .iter()
        .map(|value| literal(value, data_type))
        .collect();
    format!("{} not in ({})", name_sql(column), values.join(", "))
}

/// True where the text does not match the regular expression; null passes.
pub(super) fn mismatch_sql(column: &str, pattern: &str) -> String {
    format!(
        "not regexp_like({}, {})",
        name_sql(column),
        literal(pattern, None)
    )
}

/// True where the value lies outside the bounds; null passes.
pub(super) fn outside_sql(
    column: &str,
    min: Option<&str>,
    max: Option<&str>,
    data_type: Option<&ColumnType>,
) -> String {
    let column = name_sql(column);
    let below = min.map(|min| format!("{column} < {}", literal(min, data_type)));
    let above = max.map(|max| format!("{column} > {}", literal(max, data_type)));
    let sides: Vec<String> = below.into_iter().chain(above).collect();
    if sides.is_empty() {
        "false".to_string()
    } else {
        sides.join(" or ")
    }
}

/// The combinations that occur more than once; those with a null among them are not compared.
pub(super) fn duplicates_sql(
    table: &TableName,
    columns: &[String],
    condition: Option<&str>,
) -> String {
    let names: Vec<String> = columns.iter().map(|column| name_sql(column)).collect();
    let present: Vec<String> = names
        .iter()
        .map(|name| format!("{name} is not null"))
        .collect();
    let condition = condition.map(|c| format!(" and ({c})")).unwrap_or_default();
    format!(
        "select {names}, count(*) as occurrences from {table} where {present}{condition} \
         group by {names} having count(*) > 1",
        names = names.join(", "),
        present = present.join(" and "),
    )
}

/// The rows whose (non-null) value has no row in the other table.
pub(super) fn orphans_sql(
    table: &TableName,
    columns: &[String],
    to: &TableName,
    fields: &[String],
    condition: Option<&str>,
) -> String {
    let present: Vec<String> = columns
        .iter()
        .map(|column| format!("child.{} is not null", name_sql(column)))
        .collect();
    let equal: Vec<String> = columns
        .iter()
        .zip(fields)
        .map(|(column, field)| format!("child.{} = parent.{}", name_sql(column), name_sql(field)))
        .collect();
    let rows = match condition {
        Some(condition) => format!("(select * from {table} where {condition})"),
        None => table.to_string(),
    };
    format!(
        "select child.* from {rows} as child left anti join {to} as parent on {} where {}",
        equal.join(" and "),
        present.join(" and "),
    )
}

/// The keys of the other table, each once, that no row of the table has; of the table itself, those of its published version.
pub(super) fn missing_keys_sql(
    table: &TableName,
    columns: &[String],
    keys_of: &TableName,
    condition: Option<&str>,
) -> String {
    let keys_of = match keys_of == table {
        true => table.as_published(),
        false => keys_of.clone(),
    };
    let names: Vec<String> = columns.iter().map(|column| name_sql(column)).collect();
    let present: Vec<String> = names
        .iter()
        .map(|name| format!("{name} is not null"))
        .collect();
    let condition = condition.map(|c| format!(" and ({c})")).unwrap_or_default();
    let equal: Vec<String> = names
        .iter()
        .map(|name| format!("kept.{name} = here.{name}"))
        .collect();
    format!(
        "select kept.* from (select distinct {names} from {keys_of} where {present}{condition}) as kept \
         left anti join {table} as here on {equal}",
        names = names.join(", "),
        present = present.join(" and "),
        equal = equal.join(" and "),
    )
}
