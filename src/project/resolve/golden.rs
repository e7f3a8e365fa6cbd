//! `- golden:` of pipelines → two SQL steps each: the best-known values, and where they come from.
//!
//! A golden record is a query over the ids and the records, so it is one here too: planned, tested, explained and kept up to
//! date as SQL that somebody wrote.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::raw::{
    ColumnName, Mistake, RawGolden, RawGoldenField, RawPipelineFile, RawStep, RawSurvivor,
};
use super::super::{Matching, Spanned, SqlStep};
use super::matching::Matches;
use super::ownership::Owned;
use super::{blame, pipeline_name};
use crate::diagnostic::{Diagnostic, Place, SourceFile, nearest};
use crate::name::TableName;

/// Adds the steps of every golden record.
pub(super) fn resolve(
    pipelines: &[(Arc<SourceFile>, Option<RawPipelineFile>)],
    matches: &Matches,
    owned: &mut Owned,
    found: &mut Vec<Diagnostic>,
) {
    for (file, raw) in pipelines {
        let steps = raw.iter().flat_map(|raw| &raw.steps.items);
        for step in steps {
            if let RawStep::Golden(golden) = &step.value {
                let declared_at = Place {
                    file: Arc::clone(file),
                    span: step.span,
                };
                let mistakes = add(&golden.0, &declared_at, matches, owned);
                found.extend(mistakes.into_iter().map(|(span, m)| blame(file, span, m)));
            }
        }
    }
}

type Mistakes = Vec<(crate::diagnostic::Span, Mistake)>;

fn add(golden: &RawGolden, declared_at: &Place, matches: &Matches, owned: &mut Owned) -> Mistakes {
    let Some(matching) = matches.by_table.get(&golden.of.value) else {
        let names: Vec<String> = matches.by_table.keys().map(ToString::to_string).collect();
        let message = format!("`{}` is no table of ids", golden.of.value);
        let near = nearest(
            &golden.of.value.to_string(),
            names.iter().map(String::as_str),
        );
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => "name the `table` of a match step".to_string(),
        };
        return vec![(golden.of.span, Mistake::new(203, message).help(help))];
    };
    let mut mistakes = twice(golden, matching);
    let fields: Vec<Field<'_>> = golden
        .fields
        .0
        .iter()
        .map(|field| Field::of(&field.value))
        .collect();
    let table = &golden.table.value;
    let beside = TableName::new(table.schema(), &format!("{}_sources", table.name()));
    let made = [
        Some((table.clone(), values_sql(matching, &fields))),
        beside
            .ok()
            .map(|beside| (beside, sources_sql(matching, &fields))),
    ];
    for (table, sql) in made.into_iter().flatten() {
        if owned.files.contains_key(&table)
            || owned.steps.contains_key(&table)
            || matches.made.contains_key(&table)
        {
            let mistake = Mistake::new(140, format!("`{table}` is made twice"))
                .help("another step makes it too: give the golden record another name");
            mistakes.push((golden.table.span, mistake));
            continue;
        }
        let file = SourceFile {
            path: declared_at.file.path.clone(),
            text: sql,
        };
        let step = SqlStep {
            table: table.clone(),
            file: Arc::new(file),
            pipeline: pipeline_name(&declared_at.file),
            declared_at: declared_at.clone(),
        };
        owned.steps.insert(table, step);
    }
    mistakes
}

/// Columns that would stand twice in one row.
fn twice(golden: &RawGolden, matching: &Matching) -> Mistakes {
    let mut seen: BTreeSet<&str> = BTreeSet::from([matching.entity_id.value.as_str()]);
    let columns = golden
        .fields
        .0
        .iter()
        .flat_map(|field| &field.value.columns.0);
    let again = columns.filter(|column| !seen.insert(&column.value.0));
    let mistakes = again.map(|column| {
        let message = format!("`{}` is in the golden record twice", column.value.0);
        let help = "a column belongs to one field, and the id is there already";
        (column.span, Mistake::new(858, message).help(help))
    });
    mistakes.collect()
}

/// A field and how its values compare.
struct Field<'a> {
    columns: Vec<&'a str>,
    rules: Vec<Rule>,
    /// Columns that the rules read.
    read: Vec<&'a str>,
}

/// Values in the order of an expression.
struct Rule {
    name: &'static str,
    sql: String,
    is_descending: bool,
}

impl<'a> Field<'a> {
    fn of(raw: &'a RawGoldenField) -> Self {
        let columns: Vec<&str> = raw
            .columns
            .0
            .iter()
            .map(|column| column.value.0.as_str())
            .collect();
        let mut read = Vec::new();
        let mut rules: Vec<Rule> = raw
            .rules
            .0
            .iter()
            .map(|rule| rule_of(rule, &columns, &mut read))
            .collect();
        if rules.is_empty() {
            rules = vec![most_frequent(), longest(&columns)];
        }
        Self {
            columns,
            rules,
            read,
        }
    }

    /// The columns of the field as one text.
    fn value_sql(&self) -> String {
        match self.columns.as_slice() {
            [column] => format!("cast({} as varchar)", quoted(column)),
            columns => {
                let texts: Vec<String> = columns
                    .iter()
                    .map(|column| format!("cast({} as varchar)", quoted(column)))
                    .collect();
                format!("concat_ws(' · ', {})", texts.join(", "))
            }
        }
    }

    /// Every record's value, the best of each entity first.
    fn ranked_sql(&self, at: usize, matching: &Matching) -> String {
        let key = key(matching);
        let wanted = distinct(
            key.iter()
                .copied()
                .chain(self.columns.iter().copied())
                .chain(self.read.iter().copied()),
        );
        let wanted = list(&wanted);
        let any: Vec<String> = self
            .columns
            .iter()
            .map(|c| format!("{} is not null", quoted(c)))
            .collect();
        let terms: Vec<String> = self
            .rules
            .iter()
            .enumerate()
            .map(|(rule, term)| format!("{} as \"_rule_{rule}\"", term.sql))
            .collect();
        let mut order: Vec<String> = self
            .rules
            .iter()
            .enumerate()
            .map(|(rule, term)| {
                let direction = if term.is_descending { "desc" } else { "asc" };
                format!("\"_rule_{rule}\" {direction} nulls last")
            })
            .collect();
        // equal so far: the smallest value, so that no order of rows decides
        order.extend(
            self.columns
                .iter()
                .map(|column| format!("{} nulls last", quoted(column))),
        );
        order.extend(key.iter().map(|column| quoted(column)));
        format!(
            "\"_counted_{at}\" as (\n  select \"_entity\", {wanted}, count(*) over (partition by \"_entity\", {columns}) as \"_same\"\n  \
             from \"_records\" where {any}),\n\
             \"_weighed_{at}\" as (\n  select \"_entity\", {wanted}, {value} as \"_value\", {terms}\n  from \"_counted_{at}\"),\n\
             \"_ranked_{at}\" as (\n  select *, row_number() over (partition by \"_entity\" order by {order}) as \"_rank\"\n  \
             from \"_weighed_{at}\")",
            columns = list(&self.columns),
            any = any.join(" or "),
            value = self.value_sql(),
            terms = terms.join(", "),
            order = order.join(", "),
        )
    }

    /// Which record gave the value, by which rule, and what it won over.
    fn source_sql(&self, at: usize, matching: &Matching) -> String {
        let rules = self.rules.iter().enumerate().map(|(rule, term)| {
            format!(
                "when won.\"_rule_{rule}\" is distinct from lost.\"_rule_{rule}\" then '{}'",
                term.name
            )
        });
        let rules: Vec<String> = rules.collect();
        let verified = self.rules.iter().position(|rule| rule.name == "verified");
        let conflict = match verified {
            Some(rule) => {
                format!("coalesce(won.\"_rule_{rule}\" = 0 and lost.\"_rule_{rule}\" = 0, false)")
            }
            None => "false".to_string(),
        };
        let key: Vec<String> = key(matching)
            .iter()
            .map(|column| format!("won.{}", quoted(column)))
            .collect();
        format!(
            "select won.\"_entity\" as {entity}, '{field}' as \"field\", won.\"_value\" as \"value\", {key},\n  \
             case when lost.\"_entity\" is null then 'only value' {rules} else 'smallest value' end as \"rule\",\n  \
             all_lost.\"_values\" as \"lost_values\", {conflict} as \"is_conflict\"\n\
             from \"_ranked_{at}\" as won\n\
             left join \"_lost_{at}\" as lost on lost.\"_entity\" = won.\"_entity\" and lost.\"_place\" = 1\n\
             left join (select \"_entity\", array_agg(distinct \"_value\" order by \"_value\") as \"_values\"\n  \
             from \"_lost_{at}\" group by \"_entity\") as all_lost on all_lost.\"_entity\" = won.\"_entity\"\n\
             where won.\"_rank\" = 1",
            entity = quoted(&matching.entity_id.value),
            field = self.columns.join(", "),
            key = key.join(", "),
            rules = rules.join(" "),
        )
    }

    /// Values other than the winner, the best first.
    fn lost_sql(&self, at: usize) -> String {
        let rules: Vec<String> = (0..self.rules.len())
            .map(|rule| format!("other.\"_rule_{rule}\""))
            .collect();
        format!(
            "\"_lost_{at}\" as (\n  select other.\"_entity\", other.\"_value\", {},\n    \
             row_number() over (partition by other.\"_entity\" order by other.\"_rank\") as \"_place\"\n  \
             from \"_ranked_{at}\" as other join \"_ranked_{at}\" as won\n    \
             on won.\"_entity\" = other.\"_entity\" and won.\"_rank\" = 1\n  \
             where other.\"_value\" is distinct from won.\"_value\")",
            rules.join(", ")
        )
    }
}

fn rule_of<'a>(raw: &'a RawSurvivor, columns: &[&str], read: &mut Vec<&'a str>) -> Rule {
    let mut column = |column: &'a Spanned<ColumnName>| {
        read.push(&column.value.0);
        quoted(&column.value.0)
    };
    let rule = |name, sql, is_descending| Rule {
        name,
        sql,
        is_descending,
    };
    let first = quoted(columns.first().copied().unwrap_or_default());
    match raw {
        RawSurvivor::Verified(is_verified) => {
            let sql = format!("case when {} then 0 else 1 end", column(is_verified));
            rule("verified", sql, false)
        }
        RawSurvivor::Trusted(trusted) => {
            let source = column(&trusted.column);
            let ranks = trusted.order.0.iter().enumerate();
            let ranks =
                ranks.map(|(at, name)| format!("when '{}' then {at}", name.replace('\'', "''")));
            let (ranks, last) = (ranks.collect::<Vec<_>>().join(" "), trusted.order.0.len());
            let sql = format!("case cast({source} as varchar) {ranks} else {last} end");
            rule("trusted", sql, false)
        }
        RawSurvivor::Newest(at) => rule("newest", column(at), true),
        RawSurvivor::Oldest(at) => rule("oldest", column(at), false),
        RawSurvivor::MostFrequent(_) => most_frequent(),
        RawSurvivor::MostComplete(_) => {
            let there = columns.iter();
            let there = there.map(|c| format!("case when {} is null then 0 else 1 end", quoted(c)));
            let sql = there.collect::<Vec<_>>().join(" + ");
            rule("most_complete", sql, true)
        }
        RawSurvivor::Longest(_) => longest(columns),
        RawSurvivor::Smallest(_) => rule("smallest", first, false),
        RawSurvivor::Largest(_) => rule("largest", first, true),
    }
}

fn most_frequent() -> Rule {
    Rule {
        name: "most_frequent",
        sql: "\"_same\"".to_string(),
        is_descending: true,
    }
}

fn longest(columns: &[&str]) -> Rule {
    let letters = columns.iter();
    let letters = letters.map(|c| format!("coalesce(length(cast({} as varchar)), 0)", quoted(c)));
    Rule {
        name: "longest",
        sql: letters.collect::<Vec<_>>().join(" + "),
        is_descending: true,
    }
}

/// One row for each id, with the best value of each field.
fn values_sql(matching: &Matching, fields: &[Field<'_>]) -> String {
    let mut parts = vec![records_sql(matching, fields)];
    parts.push("\"_entities\" as (select distinct \"_entity\" from \"_records\")".to_string());
    parts.extend(
        fields
            .iter()
            .enumerate()
            .map(|(at, field)| field.ranked_sql(at, matching)),
    );
    let mut columns = vec![format!(
        "entity.\"_entity\" as {}",
        quoted(&matching.entity_id.value)
    )];
    let mut joins = String::new();
    for (at, field) in fields.iter().enumerate() {
        columns.extend(
            field
                .columns
                .iter()
                .map(|column| format!("field_{at}.{name} as {name}", name = quoted(column))),
        );
        joins.push_str(&format!(
            "\nleft join \"_ranked_{at}\" as field_{at} on field_{at}.\"_entity\" = entity.\"_entity\" and field_{at}.\"_rank\" = 1"
        ));
    }
    format!(
        "with {}\nselect {}\nfrom \"_entities\" as entity{joins}",
        parts.join(",\n"),
        columns.join(", ")
    )
}

/// One row for each id and field that has a value.
fn sources_sql(matching: &Matching, fields: &[Field<'_>]) -> String {
    let mut parts = vec![records_sql(matching, fields)];
    for (at, field) in fields.iter().enumerate() {
        parts.push(field.ranked_sql(at, matching));
        parts.push(field.lost_sql(at));
    }
    let selects = fields.iter().enumerate();
    let selects: Vec<String> = selects
        .map(|(at, field)| field.source_sql(at, matching))
        .collect();
    format!(
        "with {}\n{}",
        parts.join(",\n"),
        selects.join("\nunion all\n")
    )
}

/// Records with their ids, and the columns that any field needs.
fn records_sql(matching: &Matching, fields: &[Field<'_>]) -> String {
    let key = key(matching);
    let columns = fields
        .iter()
        .flat_map(|field| field.columns.iter().chain(&field.read));
    let wanted = distinct(key.iter().copied().chain(columns.copied()));
    let wanted: Vec<String> = wanted
        .iter()
        .map(|column| format!("record.{name} as {name}", name = quoted(column)))
        .collect();
    let equal: Vec<String> = key
        .iter()
        .map(|column| format!("record.{name} = id.{name}", name = quoted(column)))
        .collect();
    format!(
        "\"_records\" as (\n  select id.{} as \"_entity\", {}\n  from {} as id join {} as record on {})",
        quoted(&matching.entity_id.value),
        wanted.join(", "),
        matching.table,
        matching.records.value,
        equal.join(" and ")
    )
}

fn key(matching: &Matching) -> Vec<&str> {
    let key = matching.record_key.iter();
    key.map(|column| column.value.as_str()).collect()
}

fn distinct<'a>(columns: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    columns.filter(|column| seen.insert(*column)).collect()
}

fn list(columns: &[&str]) -> String {
    let quoted: Vec<String> = columns.iter().map(|column| quoted(column)).collect();
    quoted.join(", ")
}

fn quoted(column: &str) -> String {
    format!("\"{column}\"")
}
