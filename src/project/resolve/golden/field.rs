//! A field of a golden record: its columns, and by which expressions two of its values compare.

use super::super::super::Spanned;
use super::super::super::raw::{ColumnName, RawGoldenField, RawSurvivor, Take};
use crate::sql_text::{literal_sql, name_sql};

/// A field and how its values compare.
pub(super) struct Field<'a> {
    pub(super) take: Take,
    pub(super) columns: Vec<&'a str>,
    /// What they are called in the golden record.
    pub(super) names: Vec<&'a str>,
    pub(super) rules: Vec<Rule>,
    /// Columns that the rules read.
    pub(super) read: Vec<&'a str>,
}

/// Values in the order of an expression.
pub(super) struct Rule {
    pub(super) name: &'static str,
    pub(super) sql: String,
    pub(super) is_descending: bool,
}

impl<'a> Field<'a> {
    pub(super) fn of(raw: &'a RawGoldenField) -> Self {
        let names = |columns: &'a [Spanned<ColumnName>]| -> Vec<&'a str> {
            columns
                .iter()
                .map(|column| column.value.0.as_str())
                .collect()
        };
        let columns = names(&raw.columns.0);
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
            take: raw.take.unwrap_or_default(),
            names: match raw.as_.0.is_empty() {
                true => columns.clone(),
                false => names(&raw.as_.0),
            },
            columns,
            rules,
            read,
        }
    }

    /// Its columns with what they are called.
    pub(super) fn named(&self) -> impl Iterator<Item = (&'a str, &'a str)> + '_ {
        self.columns.iter().copied().zip(self.names.iter().copied())
    }

    /// As its provenance names it.
    pub(super) fn name(&self) -> String {
        self.names.join(", ")
    }

    /// Columns as one text; `of` writes each.
    pub(super) fn value_sql(&self, of: impl Fn(&str) -> String) -> String {
        let texts = self.columns.iter();
        let texts: Vec<String> = texts
            .map(|column| format!("cast({} as varchar)", of(column)))
            .collect();
        match texts.as_slice() {
            [text] => text.clone(),
            texts => format!("concat_ws(' · ', {})", texts.join(", ")),
        }
    }
}

fn rule_of<'a>(raw: &'a RawSurvivor, columns: &[&str], read: &mut Vec<&'a str>) -> Rule {
    let mut column = |column: &'a Spanned<ColumnName>| {
        read.push(&column.value.0);
        name_sql(&column.value.0)
    };
    let rule = |name, sql, is_descending| Rule {
        name,
        sql,
        is_descending,
    };
    let first = name_sql(columns.first().copied().unwrap_or_default());
    match raw {
        RawSurvivor::Verified(is_verified) => {
            let sql = format!("case when {} then 0 else 1 end", column(is_verified));
            rule("verified", sql, false)
        }
        RawSurvivor::Corrected(corrected) => {
            let corrected = column(corrected);
            let is_among = columns
                .iter()
                .map(|column| format!("concat(', ', {corrected}, ', ') like '%, {column}, %'"));
            let is_any = is_among.collect::<Vec<_>>().join(" or ");
            let sql = format!("case when {corrected} is not null and ({is_any}) then 0 else 1 end");
            rule("corrected", sql, false)
        }
        RawSurvivor::Trusted(trusted) => {
            let source = column(&trusted.column);
            let ranks = trusted.order.0.iter().enumerate();
            let ranks = ranks.map(|(at, name)| format!("when {} then {at}", literal_sql(name)));
            let (ranks, last) = (ranks.collect::<Vec<_>>().join(" "), trusted.order.0.len());
            let sql = format!("case cast({source} as varchar) {ranks} else {last} end");
            rule("trusted", sql, false)
        }
        RawSurvivor::Newest(at) => rule("newest", column(at), true),
        RawSurvivor::Oldest(at) => rule("oldest", column(at), false),
        RawSurvivor::MostFrequent(_) => most_frequent(),
        RawSurvivor::MostComplete(_) => {
            let there = columns.iter();
            let there =
                there.map(|c| format!("case when {} is null then 0 else 1 end", name_sql(c)));
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
    let letters = letters.map(|c| format!("coalesce(length(cast({} as varchar)), 0)", name_sql(c)));
    Rule {
        name: "longest",
        sql: letters.collect::<Vec<_>>().join(" + "),
        is_descending: true,
    }
}
