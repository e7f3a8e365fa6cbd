//! The queries of a golden record.
//!
//!   `_records` (with their ids) ──▶ `_ranked_N` (every value of field N, the best of each id first)
//!     ──▶ values · `_lost_N` (the others) ──▶ sources, review
//!   `_said` (corrections, with the ids of their records) ──▶ [which stands](super::super::correction) ──▶ `_fixed` (one row for each id)

use std::collections::BTreeSet;

use chrono_tz::Tz;

use super::super::super::raw::Take;
use super::super::super::{ColumnType, Matching};
use super::super::correction::{
    CONTRADICTS, Cells, Landing, Target, corrected_sql, is_fixed_sql, unguarded_sql,
};
use super::field::Field;
use crate::name::TableName;
use crate::sql_text::{literal_sql, name_sql};

/// All that the queries are made of.
pub(super) struct Golden<'a> {
    pub(super) matching: &'a Matching,
    pub(super) fields: Vec<Field<'a>>,
    pub(super) corrections: Option<Corrections>,
}

/// A table of what people know better.
pub(super) struct Corrections {
    pub(super) table: TableName,
    pub(super) landing: Landing,
    /// Of times without one.
    pub(super) zone: Tz,
    /// Of the records' columns.
    pub(super) types: Vec<(String, ColumnType)>,
}

impl Golden<'_> {
    /// Fields of which one value is the best, with their places.
    pub(super) fn best(&self) -> impl Iterator<Item = (usize, &Field<'_>)> {
        let fields = self.fields.iter().enumerate();
        fields.filter(|(_, field)| field.take == Take::Best)
    }

    /// One row for each id, with the best value of each field.
    pub(super) fn values_sql(&self) -> String {
        let mut parts = vec![self.records_sql()];
        parts.push("\"_entities\" as (select distinct \"_entity\" from \"_records\")".to_string());
        parts.extend(self.corrections_sql());
        let mut columns = vec![format!(
            "entity.\"_entity\" as {}",
            name_sql(&self.matching.entity_id.value)
        )];
        let mut joins = String::new();
        let mut join = |table: &str, alias: &str, also: &str| {
            joins.push_str(&format!(
                "\nleft join \"{table}\" as {alias} on {alias}.\"_entity\" = entity.\"_entity\"{also}"
            ));
        };
        let mut sums = Vec::new();
        for (at, field) in self.fields.iter().enumerate() {
            let from = format!("field_{at}");
            match field.take {
                Take::Best => {
                    parts.push(self.ranked_sql(at, field));
                    join(
                        &format!("_ranked_{at}"),
                        &from,
                        &format!(" and {from}.\"_rank\" = 1"),
                    );
                    columns.extend(field.named().map(|(column, name)| {
                        let value =
                            self.corrected_sql(column, &format!("{from}.{}", name_sql(column)));
                        format!("{value} as {}", name_sql(name))
                    }));
                }
                Take::List => {
                    parts.push(self.ranked_sql(at, field));
                    parts.push(list_sql(at, field));
                    join(&format!("_list_{at}"), &from, "");
                    columns.extend(
                        field
                            .names
                            .iter()
                            .map(|name| format!("{from}.\"_items\" as {}", name_sql(name))),
                    );
                }
                take => {
                    sums.extend(field.named().map(|(column, name)| {
                        let (column, name) = (name_sql(column), name_sql(name));
                        format!("{}({column}) as {name}", aggregate(take))
                    }));
                    columns.extend(
                        field
                            .names
                            .iter()
                            .map(|name| format!("sums.{}", name_sql(name))),
                    );
                }
            }
        }
        if !sums.is_empty() {
            parts.push(format!(
                "\"_sums\" as (\n  select \"_entity\", {} from \"_records\" group by \"_entity\")",
                sums.join(", ")
            ));
            join("_sums", "sums", "");
        }
        if self.corrections.is_some() {
            join("_fixed", "fixed", "");
        }
        format!(
            "with {}\nselect {}\nfrom \"_entities\" as entity{joins}",
            parts.join(",\n"),
            columns.join(", ")
        )
    }

    /// One row for each id and field that has a value, or was corrected to have none.
    pub(super) fn sources_sql(&self) -> String {
        let mut parts = self.parts_of_best();
        parts.extend(self.best().map(|(at, _)| {
            format!(
                "\"_all_{at}\" as (\n  select \"_entity\", array_agg(distinct \"_value\" order by \"_value\") as \"_values\"\n  \
                 from \"_ranked_{at}\" group by \"_entity\")"
            )
        }));
        let selects: Vec<String> = self
            .best()
            .map(|(at, field)| self.source_sql(at, field))
            .collect();
        format!(
            "with {}\n{}",
            parts.join(",\n"),
            selects.join("\nunion all\n")
        )
    }

    /// One row for each id and field that a person should look at, and each correction that does nothing.
    pub(super) fn review_sql(&self) -> String {
        let mut selects: Vec<String> = self
            .best()
            .map(|(at, field)| self.undecided_sql(at, field))
            .collect();
        if self.corrections.is_some() {
            selects.extend(self.best().map(|(at, field)| self.caught_up_sql(at, field)));
            selects.push(self.contradicting_sql());
            selects.push(self.unusable_sql());
            selects.extend(self.unknown_sql());
        }
        format!(
            "with {}\n{}",
            self.parts_of_best().join(",\n"),
            selects.join("\nunion all\n")
        )
    }

    fn parts_of_best(&self) -> Vec<String> {
        let mut parts = vec![self.records_sql()];
        if self.corrections.is_some() {
            parts.push(
                "\"_entities\" as (select distinct \"_entity\" from \"_records\")".to_string(),
            );
            parts.extend(self.corrections_sql());
        }
        for (at, field) in self.best() {
            parts.push(self.ranked_sql(at, field));
            parts.push(self.lost_sql(at, field));
        }
        parts
    }

    fn key(&self) -> Vec<&str> {
        let key = self.matching.record_key.iter();
        key.map(|column| column.value.as_str()).collect()
    }

    /// Records with their ids, and the columns that any field needs.
    fn records_sql(&self) -> String {
        let key = self.key();
        let columns = self
            .fields
            .iter()
            .flat_map(|field| field.columns.iter().chain(&field.read));
        let wanted = distinct(key.iter().copied().chain(columns.copied()));
        let wanted: Vec<String> = wanted
            .iter()
            .map(|column| format!("record.{name} as {name}", name = name_sql(column)))
            .collect();
        let equal: Vec<String> = key
            .iter()
            .map(|column| format!("record.{name} = id.{name}", name = name_sql(column)))
            .collect();
        format!(
            "\"_records\" as (\n  select id.{} as \"_entity\", {}\n  from {} as id join {} as record on {})",
            name_sql(&self.matching.entity_id.value),
            wanted.join(", "),
            self.matching.table,
            self.matching.records.value,
            equal.join(" and ")
        )
    }

    /// Every record's value, the best of each entity first.
    fn ranked_sql(&self, at: usize, field: &Field<'_>) -> String {
        let key = self.key();
        let wanted = distinct(
            key.iter()
                .copied()
                .chain(field.columns.iter().copied())
                .chain(field.read.iter().copied()),
        );
        let wanted = list(&wanted);
        let any: Vec<String> = field
            .columns
            .iter()
            .map(|c| format!("{} is not null", name_sql(c)))
            .collect();
        let rules = field.rules.iter().enumerate();
        let terms: Vec<String> = rules
            .clone()
            .map(|(rule, term)| format!("{} as \"_rule_{rule}\"", term.sql))
            .collect();
        let mut order: Vec<String> = rules
            .map(|(rule, term)| {
                let direction = if term.is_descending { "desc" } else { "asc" };
                format!("\"_rule_{rule}\" {direction} nulls last")
            })
            .collect();
        // equal so far: the smallest value, so that no order of rows decides
        order.extend(
            field
                .columns
                .iter()
                .map(|column| format!("{} nulls last", name_sql(column))),
        );
        order.extend(key.iter().map(|column| name_sql(column)));
        format!(
            "\"_counted_{at}\" as (\n  select \"_entity\", {wanted}, count(*) over (partition by \"_entity\", {columns}) as \"_same\"\n  \
             from \"_records\" where {any}),\n\
             \"_weighed_{at}\" as (\n  select \"_entity\", {wanted}, {value} as \"_value\", {terms}\n  from \"_counted_{at}\"),\n\
             \"_ranked_{at}\" as (\n  select *, row_number() over (partition by \"_entity\" order by {order}) as \"_rank\"\n  \
             from \"_weighed_{at}\")",
            columns = list(&field.columns),
            any = any.join(" or "),
            value = field.value_sql(name_sql),
            terms = terms.join(", "),
            order = order.join(", "),
        )
    }

    /// Values other than the winner, the best first.
    fn lost_sql(&self, at: usize, field: &Field<'_>) -> String {
        let rules = (0..field.rules.len()).map(|rule| format!("other.\"_rule_{rule}\""));
        let key = self.key();
        let key = key
            .iter()
            .map(|column| format!("other.{}", name_sql(column)));
        let columns: Vec<String> = key.chain(rules).collect();
        format!(
            "\"_lost_{at}\" as (\n  select other.\"_entity\", other.\"_value\", {},\n    \
             row_number() over (partition by other.\"_entity\" order by other.\"_rank\") as \"_place\"\n  \
             from \"_ranked_{at}\" as other join \"_ranked_{at}\" as won\n    \
             on won.\"_entity\" = other.\"_entity\" and won.\"_rank\" = 1\n  \
             where other.\"_value\" is distinct from won.\"_value\")",
            columns.join(", ")
        )
    }

    /// Which record gave the value, by which rule, and what it won over; a correction is of no record.
    fn source_sql(&self, at: usize, field: &Field<'_>) -> String {
        let corrected = field.rules.iter().position(|rule| rule.name == "corrected");
        let alone = match corrected {
            Some(rule) => {
                format!("case when won.\"_rule_{rule}\" = 0 then 'corrected' else 'only value' end")
            }
            None => "'only value'".to_string(),
        };
        let decided = format!(
            "case when lost.\"_entity\" is null then {alone} {} else 'smallest value' end",
            deciding_rule(field)
        );
        let key = self.key();
        let key = key.iter().map(|column| format!("won.{}", name_sql(column)));
        let entity = name_sql(&self.matching.entity_id.value);
        let name = literal_sql(&field.name());
        let conflict = conflict(field);
        let joins = format!(
            "left join \"_lost_{at}\" as lost on lost.\"_entity\" = won.\"_entity\" and lost.\"_place\" = 1\n\
             left join \"_all_{at}\" as found on found.\"_entity\" = won.\"_entity\""
        );
        // of one value nothing is lost
        let others = |value: &str| {
            format!(
                "case when cardinality(array_remove_all(found.\"_values\", {value})) > 0 \
                 then array_remove_all(found.\"_values\", {value}) end"
            )
        };
        if self.corrections.is_none() {
            let key: Vec<String> = key.collect();
            return format!(
                "select won.\"_entity\" as {entity}, {name} as \"field\", won.\"_value\" as \"value\", {},\n  \
                 {decided} as \"rule\",\n  {} as \"lost_values\", {conflict} as \"is_conflict\"\n\
                 from \"_ranked_{at}\" as won\n{joins}\nwhere won.\"_rank\" = 1",
                key.join(", "),
                others("won.\"_value\""),
            );
        }
        let is_fixed = self.is_fixed_sql(field);
        let value = field
            .value_sql(|column| self.corrected_sql(column, &format!("won.{}", name_sql(column))));
        let key: Vec<String> = key
            .zip(self.key())
            .map(|(key, name)| {
                format!(
                    "case when {is_fixed} then null else {key} end as {}",
                    name_sql(name)
                )
            })
            .collect();
        format!(
            "select entity.\"_entity\" as {entity}, {name} as \"field\", {value} as \"value\", {},\n  \
             case when {is_fixed} then 'corrected' else {decided} end as \"rule\",\n  \
             case when {is_fixed} and {value} is null then found.\"_values\" else {} end as \"lost_values\",\n  \
             {conflict} and not {is_fixed} as \"is_conflict\"\n\
             from \"_entities\" as entity\n\
             left join \"_ranked_{at}\" as won on won.\"_entity\" = entity.\"_entity\" and won.\"_rank\" = 1\n{joins}\n\
             left join \"_fixed\" as fixed on fixed.\"_entity\" = entity.\"_entity\"\n\
             where won.\"_entity\" is not null or {is_fixed}",
            key.join(", "),
            others(&value),
        )
    }

    /// Fields of which two values are verified, or no rule tells the two best apart.
    fn undecided_sql(&self, at: usize, field: &Field<'_>) -> String {
        let (fixed, is_open) = match &self.corrections {
            None => (String::new(), String::new()),
            Some(_) => (
                "\nleft join \"_fixed\" as fixed on fixed.\"_entity\" = won.\"_entity\""
                    .to_string(),
                format!(" and not {}", self.is_fixed_sql(field)),
            ),
        };
        let conflict = conflict(field);
        let is_tied = format!("case {} else 'tied' end = 'tied'", deciding_rule(field));
        format!(
            "select {},\n  case when {conflict} then 'both are verified' else 'no rule tells them apart' end as \"reason\"\n\
             from \"_ranked_{at}\" as won\n\
             join \"_lost_{at}\" as lost on lost.\"_entity\" = won.\"_entity\" and lost.\"_place\" = 1{fixed}\n\
             where won.\"_rank\" = 1 and ({conflict} or {is_tied}){is_open}",
            self.reviewed_sql(
                "won.\"_entity\"",
                field,
                "won.\"_value\"",
                "lost.\"_value\"",
                Some("lost")
            ),
        )
    }

    /// Corrections that the rules would say too: they are no longer needed.
    fn caught_up_sql(&self, at: usize, field: &Field<'_>) -> String {
        let value = field
            .value_sql(|column| self.corrected_sql(column, &format!("won.{}", name_sql(column))));
        format!(
            "select {},\n  'the records say so by now: the correction can go' as \"reason\"\n\
             from \"_ranked_{at}\" as won join \"_fixed\" as fixed on fixed.\"_entity\" = won.\"_entity\"\n\
             where won.\"_rank\" = 1 and {} and {value} is not distinct from won.\"_value\"",
            self.reviewed_sql(
                "won.\"_entity\"",
                field,
                "won.\"_value\"",
                "cast(null as varchar)",
                None
            ),
            self.is_fixed_sql(field),
        )
    }

    /// Corrections that are put aside by another of their day: two people, or two files, say otherwise.
    fn contradicting_sql(&self) -> String {
        let entity = name_sql(&self.matching.entity_id.value);
        let key = self.key();
        let own = key.iter().map(|c| format!("stands.{}", name_sql(c)));
        let own: Vec<String> = own.collect();
        let others = key.iter().map(|c| {
            format!(
                "other.{} as {}",
                name_sql(c),
                name_sql(&format!("other_{c}"))
            )
        });
        let others: Vec<String> = others.collect();
        format!(
            "select other.\"_entity\" as {entity}, other.\"_column\" as \"field\", stands.\"_value\" as \"value\", {},\n  \
             other.\"_value\" as \"other_value\", {},\n  \
             'two corrections of one day contradict each other: the one that landed last stands' as \"reason\"\n\
             from (select * from \"_ranked\" where {CONTRADICTS}) as other\n\
             join \"_standing\" as stands on stands.\"_entity\" = other.\"_entity\" and stands.\"_column\" = other.\"_column\"",
            own.join(", "),
            others.join(", "),
        )
    }

    /// Corrections of no field, and those whose value is none of its type; until a later one of the same field can be read.
    fn unusable_sql(&self) -> String {
        let mut said = vec![
            format!(
                "\"_entity\" as {}",
                name_sql(&self.matching.entity_id.value)
            ),
            "\"_column\" as \"field\"".to_string(),
            "\"_value\" as \"value\"".to_string(),
        ];
        said.extend(self.key().iter().map(|column| name_sql(column)));
        said.push("cast(null as varchar) as \"other_value\"".to_string());
        let others = self.key().into_iter();
        said.extend(
            others.map(|c| format!("{} as {}", name_sql(c), name_sql(&format!("other_{c}")))),
        );
        format!(
            "select {},\n  case \"_fault\" when 'not_a_value' then 'the correction is no value of the field''s type'\n    \
             else 'the correction is of no field of which the best value is taken' end as \"reason\"\n\
             from \"_ranked\" where \"_place\" = 1 and \"_fault\" is not null",
            said.join(", "),
        )
    }

    /// Corrections by a record that is not there: its key as it is written stands in the place of another value.
    fn unknown_sql(&self) -> Option<String> {
        let corrections = self.corrections.as_ref()?;
        let key = self.key();
        let of_nobody = |prefix: &str| {
            let columns = key.iter().map(|c| {
                let name = name_sql(c);
                format!("id.{name} as {}", name_sql(&format!("{prefix}{c}")))
            });
            columns.collect::<Vec<_>>().join(", ")
        };
        let written = key
            .iter()
            .map(|c| format!("cast(said.{} as varchar)", name_sql(c)));
        let entity = name_sql(&self.matching.entity_id.value);
        Some(format!(
            "select id.{entity} as {entity}, lower(trim(cast(said.\"field\" as varchar))) as \"field\",\n  \
             nullif(trim(cast(said.\"value\" as varchar)), '') as \"value\", {},\n  concat_ws(':', {}) as \"other_value\", {},\n  \
             'the correction names no record: other_value is the key that it says' as \"reason\"\n\
             from {} as said left join {} as id on {}\nwhere id.{entity} is null",
            of_nobody(""),
            written.collect::<Vec<_>>().join(", "),
            of_nobody("other_"),
            corrections.table,
            self.matching.table,
            self.names_sql(),
        ))
    }

    /// Whether a correction `said` names the record of an `id`.
    fn names_sql(&self) -> String {
        let equal = self.key().into_iter().map(|c| {
            format!(
                "cast(id.{} as varchar) = {}",
                name_sql(c),
                unguarded_sql(&format!("cast(said.{} as varchar)", name_sql(c)))
            )
        });
        equal.collect::<Vec<_>>().join(" and ")
    }

    /// The columns of the review before its reason; keys are of the record that won, and of the other.
    fn reviewed_sql(
        &self,
        entity: &str,
        field: &Field<'_>,
        value: &str,
        other: &str,
        loser: Option<&str>,
    ) -> String {
        let mut columns = vec![
            format!("{entity} as {}", name_sql(&self.matching.entity_id.value)),
            format!("{} as \"field\"", literal_sql(&field.name())),
            format!("{value} as \"value\""),
        ];
        let key = self.key();
        columns.extend(
            key.iter()
                .map(|c| format!("won.{name} as {name}", name = name_sql(c))),
        );
        columns.push(format!("{other} as \"other_value\""));
        columns.extend(key.iter().map(|c| {
            let of = match loser {
                Some(loser) => format!("{loser}.{}", name_sql(c)),
                // of the type of the key
                None => format!("nullif(won.{name}, won.{name})", name = name_sql(c)),
            };
            format!("{of} as {}", name_sql(&format!("other_{c}")))
        }));
        columns.join(", ")
    }

    /// The columns of the records that can be corrected.
    fn corrected_columns(&self) -> Vec<&str> {
        distinct(
            self.best()
                .flat_map(|(_, field)| field.columns.iter().copied()),
        )
    }

    /// Corrections with the ids of their records, which of each field stands, and those in one row for each id.
    fn corrections_sql(&self) -> Vec<String> {
        let (Some(corrections), Some(cells)) = (&self.corrections, self.cells()) else {
            return Vec::new();
        };
        let key = self.key();
        let own: Vec<String> = key
            .iter()
            .map(|c| format!("id.{name} as {name}", name = name_sql(c)))
            .collect();
        let mut parts = vec![format!(
            "\"_said\" as (\n  select id.{entity} as \"_entity\", lower(trim(cast(said.\"field\" as varchar))) as \"_column\",\n    \
             nullif(trim(cast(said.\"value\" as varchar)), '') as \"_value\", said.\"corrected_on\" as \"_on\", {landing}, {own}\n  \
             from {table} as said join {ids} as id on {equal})",
            entity = name_sql(&self.matching.entity_id.value),
            landing = corrections.landing.columns_sql(),
            own = own.join(", "),
            table = corrections.table,
            ids = self.matching.table,
            equal = self.names_sql(),
        )];
        parts.extend(cells.ranked_sql());
        parts.push(format!(
            "\"_fixed\" as (\n  select \"_entity\", {}\n  from \"_standing\" group by \"_entity\")",
            cells.pivot_sql("\"_column\"", "\"_value\"")
        ));
        parts
    }

    /// What corrections may say.
    fn cells(&self) -> Option<Cells<'_>> {
        let corrections = self.corrections.as_ref()?;
        let columns = self.corrected_columns().into_iter();
        let targets = columns.map(|name| {
            let declared = corrections.types.iter().find(|(known, _)| known == name);
            Target {
                name,
                // a column of which nothing says it is refused
                data_type: declared.map_or(&ColumnType::Varchar, |(_, data_type)| data_type),
            }
        });
        let mut ties = vec!["_value"];
        ties.extend(self.key());
        Some(Cells {
            whose: &["_entity"],
            targets: targets.collect(),
            zone: corrections.zone,
            faults: String::new(),
            ties,
        })
    }

    /// What stands in a column, corrected.
    fn corrected_sql(&self, column: &str, value: &str) -> String {
        match self.corrections {
            None => value.to_string(),
            Some(_) => corrected_sql(column, value),
        }
    }

    /// Whether any column of a field is corrected; never null.
    fn is_fixed_sql(&self, field: &Field<'_>) -> String {
        let columns = field.columns.iter();
        let columns = columns.map(|column| format!("coalesce({}, false)", is_fixed_sql(column)));
        format!("({})", columns.collect::<Vec<_>>().join(" or "))
    }
}

/// The values of a field, each once, the best first.
fn list_sql(at: usize, field: &Field<'_>) -> String {
    let column = list(&field.columns);
    format!(
        "\"_list_{at}\" as (\n  select \"_entity\", array_agg(\"_item\" order by \"_best\") as \"_items\"\n  \
         from (select \"_entity\", {column} as \"_item\", min(\"_rank\") as \"_best\" from \"_ranked_{at}\" group by \"_entity\", {column})\n  \
         group by \"_entity\")"
    )
}

fn aggregate(take: Take) -> &'static str {
    match take {
        Take::Max => "max",
        Take::Sum => "sum",
        Take::Count => "count",
        Take::Any => "bool_or",
        Take::All => "bool_and",
        Take::Best | Take::List | Take::Min => "min",
    }
}

/// The first rule that tells the winner from the next best, as branches of a `case`.
fn deciding_rule(field: &Field<'_>) -> String {
    let rules = field.rules.iter().enumerate().map(|(rule, term)| {
        format!(
            "when won.\"_rule_{rule}\" is distinct from lost.\"_rule_{rule}\" then '{}'",
            term.name
        )
    });
    rules.collect::<Vec<_>>().join(" ")
}

/// Whether winner and next best are both verified.
fn conflict(field: &Field<'_>) -> String {
    match field.rules.iter().position(|rule| rule.name == "verified") {
        Some(rule) => {
            format!("coalesce(won.\"_rule_{rule}\" = 0 and lost.\"_rule_{rule}\" = 0, false)")
        }
        None => "false".to_string(),
    }
}

fn distinct<'a>(columns: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    columns.filter(|column| seen.insert(*column)).collect()
}

fn list(columns: &[&str]) -> String {
    let names: Vec<String> = columns.iter().map(|column| name_sql(column)).collect();
    names.join(", ")
}
