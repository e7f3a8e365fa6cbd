//! The queries of a corrected table.
//!
//!   `_said` ──▶ [which stands](super::super::correction) ──▶ `_met` (what the table says there) ──▶ the report
//!     ──▶ `_fixed` (one row for each record) ──▶ the table, corrected

use chrono_tz::Tz;

use super::super::super::{ColumnType, Contract};
use super::super::correction::{
    CONTRADICTS, Cells, IS_BEHIND, Landing, STANDS, Target, corrected_sql, is_fixed_sql,
    unguarded_sql,
};
use crate::name::TableName;
use crate::sql_text::{literal_sql, name_sql};

/// The column of a corrected table that names the columns corrected, or is null.
pub(super) const CORRECTED: &str = "corrected_columns";

/// What may become of a correction without anybody having to look at it.
pub(super) const FINE: [&str; 3] = ["applied", "caught_up", "superseded"];

/// True of a correction of a table that nobody corrects: nobody knows whose key it says.
const IS_OF_NONE: &str = "coalesce(\"_fault\" = 'unknown_table', false)";

/// A table and its corrections.
pub(super) struct Corrected<'a> {
    pub(super) of: &'a TableName,
    pub(super) corrections: &'a TableName,
    /// The tables that are corrected by these, where corrections of others are told here.
    pub(super) known: Option<Vec<&'a TableName>>,
    /// How the corrections came.
    pub(super) landing: Landing,
    /// Of times without one: as the exports of the table are read.
    pub(super) zone: Tz,
}

impl Corrected<'_> {
    /// One row for each correction, with what became of it. `optional`: the columns of who and why, where there are such.
    pub(super) fn report_sql(&self, of: &Contract, optional: [Option<&str>; 2]) -> String {
        let mut parts = vec![self.said_sql(optional)];
        parts.extend(self.cells(of).ranked_sql());
        parts.extend(self.met_sql(of));
        format!(
            "with {}\n\
             select ranked.\"_table\" as table_name, case when {IS_OF_NONE} then null else ranked.\"_key\" end as record_key,\n  ranked.\"_column\" as column_name, ranked.\"_value\" as \"value\",\n  \
             met.\"_source_value\" as source_value,\n  \
             case when {CONTRADICTS} then 'contradicted' when {IS_BEHIND} then 'superseded' when \"_fault\" is not null then \"_fault\"\n    \
             when met.\"_key\" is null then 'unknown_key' when not met.\"_is_one\" then 'ambiguous_key'\n    \
             when met.\"_is_said\" then 'caught_up' else 'applied' end as outcome,\n  \
             ranked.\"_on\" as corrected_on, ranked.\"_by\" as corrected_by, ranked.\"_reason\" as reason,\n  \
             ranked.\"_file\" as source_file, ranked.\"_row\" as source_row\n\
             from \"_ranked\" as ranked\n\
             left join \"_met\" as met on met.\"_key\" = ranked.\"_key\" and met.\"_column\" = ranked.\"_column\" and {STANDS}",
            parts.join(",\n"),
        )
    }

    /// Corrections as texts: those of the table, and where they are told here those of none.
    fn said_sql(&self, optional: [Option<&str>; 2]) -> String {
        let [by, reason] = optional.map(|name| match name {
            Some(name) => format!("cast(said.{} as varchar)", name_sql(name)),
            None => "cast(null as varchar)".to_string(),
        });
        let named = "coalesce(lower(trim(cast(said.\"table\" as varchar))), '')";
        let others = self.known.iter().map(|known| {
            let known = known.iter().map(|table| literal_sql(&table.to_string()));
            let known: Vec<String> = known.collect();
            format!(" or {named} not in ({})", known.join(", "))
        });
        let others: String = others.collect();
        format!(
            "\"_said\" as (\n  select {named} as \"_table\", {key} as \"_key\",\n    \
             lower(trim(cast(said.\"column\" as varchar))) as \"_column\", nullif(trim(cast(said.\"value\" as varchar)), '') as \"_value\",\n    \
             said.\"on\" as \"_on\", {by} as \"_by\", {reason} as \"_reason\", {}\n  \
             from {} as said\n  where {named} = {}{others})",
            self.landing.columns_sql(),
            self.corrections,
            literal_sql(&self.of.to_string()),
            key = unguarded_sql("trim(cast(said.\"key\" as varchar))"),
        )
    }

    fn cells<'a>(&self, of: &'a Contract) -> Cells<'a> {
        let keys: Vec<String> = keys(of).map(literal_sql).collect();
        Cells {
            whose: &["_table", "_key"],
            targets: correctable(of).collect(),
            zone: self.zone,
            faults: format!(
                "when \"_table\" <> {} then 'unknown_table' when \"_column\" in ({}) then 'key_column'\n    ",
                literal_sql(&self.of.to_string()),
                keys.join(", ")
            ),
            ties: vec!["_value", "_by", "_reason"],
        }
    }

    /// What the table says in the cells of the corrections that stand, and whether one record is meant.
    fn met_sql(&self, of: &Contract) -> [String; 2] {
        let texts = correctable(of).map(|target| {
            format!(
                "when {} then cast(source.{} as varchar)",
                literal_sql(target.name),
                name_sql(target.name)
            )
        });
        let texts: Vec<String> = texts.collect();
        let parts = keys(of).enumerate();
        let parts: Vec<String> = parts
            .map(|(at, key)| {
                format!(
                    "cast(source.{} as varchar) as \"_part_{at}\"",
                    name_sql(key)
                )
            })
            .collect();
        let is_one =
            (0..parts.len()).map(|at| format!("min(\"_part_{at}\") = max(\"_part_{at}\")"));
        let is_one: Vec<String> = is_one.collect();
        [
            format!(
                "\"_beside\" as (\n  select stands.\"_key\", stands.\"_column\", stands.\"_meant\", {},\n    case stands.\"_column\"\n      {}\n      \
                 end as \"_text\"\n  from \"_standing\" as stands join {} as source on {} = stands.\"_key\")",
                parts.join(", "),
                texts.join("\n      "),
                self.of,
                key_sql(of),
            ),
            format!(
                "\"_met\" as (\n  select \"_key\", \"_column\", bool_and(\"_text\" is not distinct from \"_meant\") as \"_is_said\",\n    \
                 max(\"_text\") as \"_source_value\", {} as \"_is_one\"\n  from \"_beside\" group by \"_key\", \"_column\")",
                is_one.join(" and "),
            ),
        ]
    }

    /// The table with the corrections that stand in their places.
    pub(super) fn values_sql(&self, of: &Contract, report: &TableName) -> String {
        let cells = self.cells(of);
        let is_target = |name: &str| cells.targets.iter().any(|target| target.name == name);
        let values = of.columns.iter().map(|column| {
            let name = column.name.value.as_str();
            let own = format!("source.{}", name_sql(name));
            let value = match is_target(name) {
                true => corrected_sql(name, &own),
                false => own,
            };
            format!("{value} as {}", name_sql(name))
        });
        let values: Vec<String> = values.collect();
        // one that the source says by now as well is still what people know
        let corrected = cells.targets.iter().map(|target| {
            format!(
                "case when {} then {} end",
                is_fixed_sql(target.name),
                literal_sql(target.name)
            )
        });
        let corrected: Vec<String> = corrected.collect();
        format!(
            "with \"_fixed\" as (\n  select record_key as \"_key\",\n    {}\n  from {report}\n  \
             where outcome in ('applied', 'caught_up') group by record_key)\n\
             select {},\n  nullif(concat_ws(', ', {}), '') as {CORRECTED}\n\
             from {} as source\nleft join \"_fixed\" as fixed on fixed.\"_key\" = {}",
            cells.pivot_sql("column_name", "\"value\""),
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
fn correctable(of: &Contract) -> impl Iterator<Item = Target<'_>> {
    let columns = of.columns.iter().filter(|column| {
        let is_one = !matches!(
            column.data_type,
            ColumnType::List(_) | ColumnType::Struct(_)
        );
        is_one && !keys(of).any(|key| key == column.name.value)
    });
    columns.map(|column| Target {
        name: &column.name.value,
        data_type: &column.data_type,
    })
}

/// Whether any column is such.
pub(super) fn can_be_corrected(of: &Contract) -> bool {
    correctable(of).next().is_some()
}

/// What a correction calls a record: the values of its key, with `:` between them. A record without one of them has no name.
fn key_sql(of: &Contract) -> String {
    let texts = keys(of).map(|key| format!("trim(cast(source.{} as varchar))", name_sql(key)));
    let texts: Vec<String> = texts.collect();
    match texts.as_slice() {
        [text] => text.clone(),
        texts => format!("({})", texts.join(" || ':' || ")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::project::{Project, Variables};

    const PIPELINE: &str = "sources:
  - {table: bronze.shop, files: 'shop/*.csv', read: {csv: {zone: Europe/Stockholm}}, load: replace}
  - {table: stewardship.corrections, files: 'corrections_{landed:%d%m%Y}.csv', read: csv}
steps:
  - correct: {table: silver.shop, of: bronze.shop, corrections: stewardship.corrections}
";

    const SHOP: &str = "description: Lines of receipts.
key: [receipt, line]
columns:
  - {name: receipt, data_type: varchar}
  - {name: line, data_type: integer}
  - {name: what, data_type: varchar}
  - {name: amount, data_type: 'decimal(10,2)'}
  - {name: sold_at, data_type: timestamp}
";

    const CORRECTIONS: &str = "description: What people know better.
columns:
  - {name: table, data_type: varchar}
  - {name: key, data_type: varchar}
  - {name: column, data_type: varchar}
  - {name: value, data_type: varchar}
  - {name: on, data_type: date}
  - {name: by, data_type: varchar}
  - {name: landed, data_type: date}
";

    fn sql_of(table: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let files = [
            ("kilde.yaml", "project: shop\nraw: exports/\nlake: lake/\n"),
            ("pipelines/shop.yaml", PIPELINE),
            ("schemas/bronze/shop.yaml", SHOP),
            ("schemas/stewardship/corrections.yaml", CORRECTIONS),
        ];
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let project = Project::load(folder.path(), &Variables::default()).unwrap();
        project.steps[&table.parse().unwrap()].file.text.clone()
    }

    #[test]
    fn the_report_ranks_the_corrections_of_each_cell_and_meets_those_that_stand_with_the_table() {
        insta::assert_snapshot!(sql_of("silver.shop_corrections"), @r#"
        with "_said" as (
          select coalesce(lower(trim(cast(said."table" as varchar))), '') as "_table", regexp_replace(trim(cast(said."key" as varchar)), '^''([-=+@0-9.,])', '\1') as "_key",
            lower(trim(cast(said."column" as varchar))) as "_column", nullif(trim(cast(said."value" as varchar)), '') as "_value",
            said."on" as "_on", cast(said."by" as varchar) as "_by", cast(null as varchar) as "_reason", said."landed" as "_landed", said."_kilde_source_file" as "_file", said."_kilde_source_row" as "_row"
          from stewardship.corrections as said
          where coalesce(lower(trim(cast(said."table" as varchar))), '') = 'bronze.shop' or coalesce(lower(trim(cast(said."table" as varchar))), '') not in ('bronze.shop')),
        "_read" as (
          select *, case "_column" when 'amount' then cast(try_cast("_value" as decimal(10,2)) as varchar)
            when 'sold_at' then cast(to_utc("_value", 'Europe/Stockholm') as varchar) else "_value" end as "_meant" from "_said"),
        "_judged" as (
          select *, case when "_table" <> 'bronze.shop' then 'unknown_table' when "_column" in ('receipt', 'line') then 'key_column'
            when "_column" is null or "_column" not in ('what', 'amount', 'sold_at') then 'unknown_column'
            when "_value" is not null and "_meant" is null then 'not_a_value' end as "_fault"
          from "_read"),
        "_placed" as (
          select *, row_number() over (partition by "_table", "_key", "_column" order by "_on" desc nulls last, "_landed" desc nulls last,
            "_file" desc nulls last, "_row" desc nulls last, "_value", "_by", "_reason") as "_place"
          from "_judged"),
        "_found" as (
          select *, min(case when "_fault" is null then "_place" end) over (partition by "_table", "_key", "_column") as "_first"
          from "_placed"),
        "_ranked" as (
          select *, max(case when "_place" = "_first" then "_on" end) over (partition by "_table", "_key", "_column") as "_stands_on",
            max(case when "_place" = "_first" then "_meant" end) over (partition by "_table", "_key", "_column") as "_stands"
          from "_found"),
        "_standing" as (
          select * from "_ranked" where "_place" = "_first"),
        "_beside" as (
          select stands."_key", stands."_column", stands."_meant", cast(source."receipt" as varchar) as "_part_0", cast(source."line" as varchar) as "_part_1",
            case stands."_column"
              when 'what' then cast(source."what" as varchar)
              when 'amount' then cast(source."amount" as varchar)
              when 'sold_at' then cast(source."sold_at" as varchar)
              end as "_text"
          from "_standing" as stands join bronze.shop as source on (trim(cast(source."receipt" as varchar)) || ':' || trim(cast(source."line" as varchar))) = stands."_key"),
        "_met" as (
          select "_key", "_column", bool_and("_text" is not distinct from "_meant") as "_is_said",
            max("_text") as "_source_value", min("_part_0") = max("_part_0") and min("_part_1") = max("_part_1") as "_is_one"
          from "_beside" group by "_key", "_column")
        select ranked."_table" as table_name, case when coalesce("_fault" = 'unknown_table', false) then null else ranked."_key" end as record_key,
          ranked."_column" as column_name, ranked."_value" as "value",
          met."_source_value" as source_value,
          case when ("_place" > "_first" and "_fault" is null and ("_on" is not distinct from "_stands_on") and ("_meant" is distinct from "_stands")) then 'contradicted' when coalesce("_place" > "_first", false) then 'superseded' when "_fault" is not null then "_fault"
            when met."_key" is null then 'unknown_key' when not met."_is_one" then 'ambiguous_key'
            when met."_is_said" then 'caught_up' else 'applied' end as outcome,
          ranked."_on" as corrected_on, ranked."_by" as corrected_by, ranked."_reason" as reason,
          ranked."_file" as source_file, ranked."_row" as source_row
        from "_ranked" as ranked
        left join "_met" as met on met."_key" = ranked."_key" and met."_column" = ranked."_column" and "_place" = "_first"
        "#);
    }

    #[test]
    fn the_corrected_table_takes_what_stands_and_names_the_columns() {
        insta::assert_snapshot!(sql_of("silver.shop"), @r#"
        with "_fixed" as (
          select record_key as "_key",
            bool_or(column_name = 'what') as "_is_what",
            max("value") filter (where column_name = 'what') as "_to_what",
            bool_or(column_name = 'amount') as "_is_amount",
            max(try_cast("value" as decimal(10,2))) filter (where column_name = 'amount') as "_to_amount",
            bool_or(column_name = 'sold_at') as "_is_sold_at",
            max(to_utc("value", 'Europe/Stockholm')) filter (where column_name = 'sold_at') as "_to_sold_at"
          from silver.shop_corrections
          where outcome in ('applied', 'caught_up') group by record_key)
        select source."receipt" as "receipt",
          source."line" as "line",
          case when fixed."_is_what" then fixed."_to_what" else source."what" end as "what",
          case when fixed."_is_amount" then fixed."_to_amount" else source."amount" end as "amount",
          case when fixed."_is_sold_at" then fixed."_to_sold_at" else source."sold_at" end as "sold_at",
          nullif(concat_ws(', ', case when fixed."_is_what" then 'what' end,
            case when fixed."_is_amount" then 'amount' end,
            case when fixed."_is_sold_at" then 'sold_at' end), '') as corrected_columns
        from bronze.shop as source
        left join "_fixed" as fixed on fixed."_key" = (trim(cast(source."receipt" as varchar)) || ':' || trim(cast(source."line" as varchar)))
        "#);
    }
}
