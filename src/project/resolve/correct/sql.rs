//! The queries of a corrected table.
//!
//!   `_said` (corrections as text) ──▶ `_judged` (what is wrong with each) ──▶ `_ranked` (the newest of each cell first)
//!     ──▶ `_met` (what the table says there) ──▶ the report ──▶ `_fixed` (one row for each record) ──▶ the table, corrected

use super::super::super::{Column, ColumnType, Contract};
use crate::name::TableName;

/// The column of a corrected table that names the columns corrected, or is null.
pub(super) const CORRECTED: &str = "corrected_columns";

/// What may become of a correction without anybody having to look at it.
pub(super) const FINE: [&str; 3] = ["applied", "caught_up", "superseded"];

/// A table and its corrections.
pub(super) struct Corrected<'a> {
    pub(super) of: &'a TableName,
    pub(super) corrections: &'a TableName,
    /// The tables that are corrected by these, where corrections of others are told here.
    pub(super) known: Option<Vec<&'a TableName>>,
    /// Whether exports bring the corrections: then each has a file and a row.
    pub(super) is_landed: bool,
}

impl Corrected<'_> {
    /// One row for each correction, with what became of it. `optional`: the columns of who and why, where there are such.
    pub(super) fn report_sql(&self, of: &Contract, optional: [Option<&str>; 2]) -> String {
        let [by, reason] = optional.map(|name| match name {
            Some(name) => format!("cast(said.{} as varchar)", quoted(name)),
            None => "cast(null as varchar)".to_string(),
        });
        let (file, row) = match self.is_landed {
            true => ("said.\"_kilde_source_file\"", "said.\"_kilde_source_row\""),
            false => ("cast(null as varchar)", "cast(null as bigint)"),
        };
        let named = "coalesce(lower(trim(cast(said.\"table\" as varchar))), '')";
        let own = literal(&self.of.to_string());
        let others = self.known.iter().map(|known| {
            let known = known.iter().map(|table| literal(&table.to_string()));
            let known: Vec<String> = known.collect();
            format!(" or {named} not in ({})", known.join(", "))
        });
        let others: String = others.collect();
        let keys = names(&keys(of).collect::<Vec<_>>());
        let columns: Vec<&Column> = correctable(of).collect();
        let unreadable = columns.iter().map(|column| {
            let name = literal(&column.name.value);
            format!("when {name} then {} is null", typed(column, "\"_value\""))
        });
        let is_equal = columns.iter().map(|column| {
            let name = &column.name.value;
            format!(
                "when {} then source.{} is not distinct from {}",
                literal(name),
                quoted(name),
                typed(column, "ranked.\"_value\"")
            )
        });
        let in_words = columns.iter().map(|column| {
            let name = &column.name.value;
            format!(
                "when {} then cast(source.{} as varchar)",
                literal(name),
                quoted(name)
            )
        });
        let (unreadable, is_equal, in_words) = (
            unreadable.collect::<Vec<_>>().join(" "),
            is_equal.collect::<Vec<_>>().join("\n      "),
            in_words.collect::<Vec<_>>().join("\n      "),
        );
        let correctable = names(
            &columns
                .iter()
                .map(|c| c.name.value.as_str())
                .collect::<Vec<_>>(),
        );
        format!(
            "with \"_said\" as (\n  select {named} as \"_table\", trim(cast(said.\"key\" as varchar)) as \"_key\",\n    \
             lower(trim(cast(said.\"column\" as varchar))) as \"_column\", nullif(trim(cast(said.\"value\" as varchar)), '') as \"_value\",\n    \
             said.\"on\" as \"_on\", {by} as \"_by\", {reason} as \"_reason\", {file} as \"_file\", {row} as \"_row\"\n  \
             from {corrections} as said\n  where {named} = {own}{others}),\n\
             \"_judged\" as (\n  select *, case when \"_table\" <> {own} then 'unknown_table' when \"_column\" in ({keys}) then 'key_column'\n    \
             when \"_column\" is null or \"_column\" not in ({correctable}) then 'unknown_column'\n    \
             when \"_value\" is not null and (case \"_column\" {unreadable} else false end) then 'not_a_value' end as \"_fault\"\n  \
             from \"_said\"),\n\
             \"_ranked\" as (\n  select *, row_number() over (partition by \"_table\", \"_key\", \"_column\", \"_fault\" order by \"_on\" desc nulls last,\n    \
             \"_file\" desc nulls last, \"_row\" desc nulls last, \"_value\", \"_by\", \"_reason\") as \"_place\"\n  from \"_judged\"),\n\
             \"_met\" as (\n  select ranked.\"_key\", ranked.\"_column\",\n    bool_and(case ranked.\"_column\"\n      {is_equal}\n      else false end) as \"_is_said\",\n    \
             max(case ranked.\"_column\"\n      {in_words}\n      end) as \"_source_value\"\n  \
             from \"_ranked\" as ranked join {of} as source on {key} = ranked.\"_key\"\n  \
             where ranked.\"_fault\" is null and ranked.\"_place\" = 1\n  group by ranked.\"_key\", ranked.\"_column\")\n\
             select ranked.\"_table\" as table_name, ranked.\"_key\" as record_key, ranked.\"_column\" as column_name, ranked.\"_value\" as \"value\",\n  \
             met.\"_source_value\" as source_value,\n  \
             case when ranked.\"_fault\" is not null then ranked.\"_fault\" when ranked.\"_place\" > 1 then 'superseded'\n    \
             when met.\"_key\" is null then 'unknown_key' when met.\"_is_said\" then 'caught_up' else 'applied' end as outcome,\n  \
             ranked.\"_on\" as corrected_on, ranked.\"_by\" as corrected_by, ranked.\"_reason\" as reason,\n  \
             ranked.\"_file\" as source_file, ranked.\"_row\" as source_row\n\
             from \"_ranked\" as ranked\n\
             left join \"_met\" as met on met.\"_key\" = ranked.\"_key\" and met.\"_column\" = ranked.\"_column\"\n  \
             and ranked.\"_fault\" is null and ranked.\"_place\" = 1",
            corrections = self.corrections,
            of = self.of,
            key = key_sql(of),
        )
    }

    /// The table with the newest correction of each cell in its place.
    pub(super) fn values_sql(&self, of: &Contract, report: &TableName) -> String {
        let columns: Vec<&Column> = correctable(of).collect();
        let is = |name: &str| quoted(&format!("_is_{name}"));
        let to = |name: &str| quoted(&format!("_to_{name}"));
        let pivoted = columns.iter().map(|column| {
            let name = &column.name.value;
            format!(
                "bool_or(column_name = {word}) as {},\n    max({}) filter (where column_name = {word}) as {}",
                is(name),
                typed(column, "\"value\""),
                to(name),
                word = literal(name),
            )
        });
        let pivoted: Vec<String> = pivoted.collect();
        let values = of.columns.iter().map(|column| {
            let name = &column.name.value;
            let own = format!("source.{}", quoted(name));
            match columns.iter().any(|c| c.name.value == *name) {
                true => format!(
                    "case when fixed.{} then fixed.{} else {own} end as {}",
                    is(name),
                    to(name),
                    quoted(name)
                ),
                false => format!("{own} as {}", quoted(name)),
            }
        });
        let values: Vec<String> = values.collect();
        // one that the source says by now as well is still what people know
        let corrected = columns.iter().map(|column| {
            let name = &column.name.value;
            format!("case when fixed.{} then {} end", is(name), literal(name))
        });
        let corrected: Vec<String> = corrected.collect();
        format!(
            "with \"_fixed\" as (\n  select record_key as \"_key\",\n    {}\n  from {report}\n  \
             where outcome in ('applied', 'caught_up') group by record_key)\n\
             select {},\n  nullif(concat_ws(', ', {}), '') as {CORRECTED}\n\
             from {} as source\nleft join \"_fixed\" as fixed on fixed.\"_key\" = {}",
            pivoted.join(",\n    "),
            values.join(",\n  "),
            corrected.join(",\n    "),
            self.of,
            key_sql(of),
        )
    }
}

fn keys(of: &Contract) -> impl Iterator<Item = &str> {
    of.key.iter().map(|column| column.value.as_str())
}

/// Columns that a text can correct: none of the key, and none that holds more than one value.
fn correctable(of: &Contract) -> impl Iterator<Item = &Column> {
    of.columns.iter().filter(|column| {
        let is_one = !matches!(
            column.data_type,
            ColumnType::List(_) | ColumnType::Struct(_)
        );
        is_one && !keys(of).any(|key| key == column.name.value)
    })
}

/// Whether any column is such.
pub(super) fn can_be_corrected(of: &Contract) -> bool {
    correctable(of).next().is_some()
}

/// What a correction calls a record: the values of its key, with `:` between them.
fn key_sql(of: &Contract) -> String {
    let texts = keys(of).map(|key| format!("trim(cast(source.{} as varchar))", quoted(key)));
    let texts: Vec<String> = texts.collect();
    match texts.as_slice() {
        [text] => text.clone(),
        texts => format!("concat_ws(':', {})", texts.join(", ")),
    }
}

/// A text as a value of a column; null where it is none.
fn typed(column: &Column, text: &str) -> String {
    match &column.data_type {
        ColumnType::Varchar => text.to_string(),
        data_type => format!("try_cast({text} as {data_type})"),
    }
}

fn names(columns: &[&str]) -> String {
    let names: Vec<String> = columns.iter().map(|column| literal(column)).collect();
    names.join(", ")
}

fn quoted(column: &str) -> String {
    format!("\"{column}\"")
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
