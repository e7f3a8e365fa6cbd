//! What people say of cells, as SQL that `correct:` and `golden:` share: which of all corrections of a cell stands.
//!
//!   `_said` (corrections as texts) ──▶ `_read` (what each means) ──▶ `_judged` (what is wrong with it) ──▶ `_placed` (those of a
//!     cell, the newest first) ──▶ `_found` (which of them stands) ──▶ `_ranked` (and what it says) ──▶ `_standing`
//!
//! The newest that can be read stands. Of one day it is the one that landed last, by the order of exports; if another of that day
//! says otherwise, the two contradict each other, and somebody is told.

use chrono_tz::Tz;

use super::super::ColumnType;
use super::super::raw::{Mistake, listed, nearest_word};
use super::contract::Contracts;
use super::source::Sources;
use crate::name::TableName;
use crate::sql_text::{literal_sql, name_sql};

/// True of the correction that stands, in `_ranked`.
pub(super) const STANDS: &str = "\"_place\" = \"_first\"";

/// True of one that a later one puts aside; never null.
pub(super) const IS_BEHIND: &str = "coalesce(\"_place\" > \"_first\", false)";

/// True of one that is put aside by another of its day, which says otherwise.
pub(super) const CONTRADICTS: &str = "(\"_place\" > \"_first\" and \"_fault\" is null and (\"_on\" is not distinct from \"_stands_on\") \
                                      and (\"_meant\" is distinct from \"_stands\"))";

/// A column that a text can correct.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    pub(super) name: &'a str,
    pub(super) data_type: &'a ColumnType,
}

impl Target<'_> {
    /// A text as a value of the column; null where it is none. Times without a zone are of the one given.
    pub(super) fn typed_sql(&self, text: &str, zone: Tz) -> String {
        match self.data_type {
            ColumnType::Varchar => text.to_string(),
            ColumnType::Timestamp => format!("to_utc({text}, {})", literal_sql(zone.name())),
            data_type => format!("try_cast({text} as {data_type})"),
        }
    }
}

/// How corrections came: what tells of two of one day which is later.
#[derive(Clone, Debug, Default)]
pub(super) struct Landing {
    /// Whether exports bring them: then each has a file and a row.
    is_landed: bool,
    /// Columns that hold the time in a path, by which exports are ordered.
    times: Vec<String>,
}

impl Landing {
    pub(super) fn of(table: &TableName, sources: &Sources) -> Self {
        let Some(source) = sources.by_table.get(table) else {
            return Self::default();
        };
        let mut times: Vec<String> = Vec::new();
        for capture in source.patterns.iter().flat_map(|pattern| &pattern.captures) {
            if capture.format.is_some() && !times.contains(&capture.column) {
                times.push(capture.column.clone());
            }
        }
        Self {
            is_landed: true,
            times,
        }
    }

    /// `_landed`, `_file` and `_row` of a row called `said`.
    pub(super) fn columns_sql(&self) -> String {
        let times = self.times.iter();
        let times: Vec<String> = times
            .map(|time| format!("said.{}", name_sql(time)))
            .collect();
        let landed = match times.as_slice() {
            [] => "cast(null as varchar)".to_string(),
            [time] => time.clone(),
            // one of them alone has a value, and as text both are ordered in time
            times => {
                let texts = times.iter();
                let texts: Vec<String> = texts
                    .map(|time| format!("cast({time} as varchar)"))
                    .collect();
                format!("coalesce({})", texts.join(", "))
            }
        };
        let (file, row) = match self.is_landed {
            true => ("said.\"_kilde_source_file\"", "said.\"_kilde_source_row\""),
            false => ("cast(null as varchar)", "cast(null as bigint)"),
        };
        format!("{landed} as \"_landed\", {file} as \"_file\", {row} as \"_row\"")
    }
}

/// Cells and who may say what of them. `_said` has the columns of `whose`, `_column`, `_value`, `_on`, those of [`Landing`] and
/// those of `ties`.
pub(super) struct Cells<'a> {
    /// Columns of `_said` that say of whom or what a correction is.
    pub(super) whose: &'a [&'a str],
    /// Columns that can be corrected.
    pub(super) targets: Vec<Target<'a>>,
    /// Of times without one.
    pub(super) zone: Tz,
    /// What is asked before it is asked for the column: branches of a `case`, each with a word for the fault.
    pub(super) faults: String,
    /// Columns of `_said` that order what nothing else does.
    pub(super) ties: Vec<&'a str>,
}

impl Cells<'_> {
    /// The common table expressions from `_said` to `_ranked`, and `_standing`: the corrections that stand.
    pub(super) fn ranked_sql(&self) -> Vec<String> {
        let columns = self.targets.iter().map(|target| literal_sql(target.name));
        let columns: Vec<String> = columns.collect();
        let whose = self.whose.iter().map(|column| name_sql(column));
        let cell: Vec<String> = whose.chain(["\"_column\"".to_string()]).collect();
        let cell = cell.join(", ");
        let ties = self.ties.iter().map(|column| name_sql(column));
        let ties: Vec<String> = ties.collect();
        vec![
            format!(
                "\"_read\" as (\n  select *, {} as \"_meant\" from \"_said\")",
                self.meant_sql()
            ),
            format!(
                "\"_judged\" as (\n  select *, case {}when \"_column\" is null or \"_column\" not in ({}) then 'unknown_column'\n    \
                 when \"_value\" is not null and \"_meant\" is null then 'not_a_value' end as \"_fault\"\n  from \"_read\")",
                self.faults,
                columns.join(", ")
            ),
            format!(
                "\"_placed\" as (\n  select *, row_number() over (partition by {cell} order by \"_on\" desc nulls last, \"_landed\" desc nulls last,\n    \
                 \"_file\" desc nulls last, \"_row\" desc nulls last, {}) as \"_place\"\n  from \"_judged\")",
                ties.join(", ")
            ),
            format!(
                "\"_found\" as (\n  select *, min(case when \"_fault\" is null then \"_place\" end) over (partition by {cell}) as \"_first\"\n  \
                 from \"_placed\")"
            ),
            format!(
                "\"_ranked\" as (\n  select *, max(case when {STANDS} then \"_on\" end) over (partition by {cell}) as \"_stands_on\",\n    \
                 max(case when {STANDS} then \"_meant\" end) over (partition by {cell}) as \"_stands\"\n  from \"_found\")"
            ),
            format!("\"_standing\" as (\n  select * from \"_ranked\" where {STANDS})"),
        ]
    }

    /// `_value` as the column's type writes it; null where it is no such value.
    fn meant_sql(&self) -> String {
        let typed = self
            .targets
            .iter()
            .filter(|target| *target.data_type != ColumnType::Varchar);
        let branches: Vec<String> = typed
            .map(|target| {
                format!(
                    "when {} then cast({} as varchar)",
                    literal_sql(target.name),
                    target.typed_sql("\"_value\"", self.zone)
                )
            })
            .collect();
        match branches.is_empty() {
            true => "\"_value\"".to_string(),
            false => format!(
                "case \"_column\" {} else \"_value\" end",
                branches.join("\n    ")
            ),
        }
    }

    /// Of the corrections that stand, grouped by whose they are: whether each column is corrected, and to what.
    pub(super) fn pivot_sql(&self, column: &str, value: &str) -> String {
        let columns = self.targets.iter().map(|target| {
            let word = literal_sql(target.name);
            format!(
                "bool_or({column} = {word}) as {},\n    max({}) filter (where {column} = {word}) as {}",
                is_fixed(target.name),
                target.typed_sql(value, self.zone),
                fixed(target.name)
            )
        });
        columns.collect::<Vec<_>>().join(",\n    ")
    }
}

/// A column's value, corrected by the row `fixed` of [`Cells::pivot_sql`].
pub(super) fn corrected_sql(column: &str, value: &str) -> String {
    format!(
        "case when {} then {} else {value} end",
        is_fixed_sql(column),
        format_args!("fixed.{}", fixed(column))
    )
}

/// Whether a column is corrected by the row `fixed`; null where there is no such row.
pub(super) fn is_fixed_sql(column: &str) -> String {
    format!("fixed.{}", is_fixed(column))
}

fn is_fixed(column: &str) -> String {
    name_sql(&format!("_is_{column}"))
}

fn fixed(column: &str) -> String {
    name_sql(&format!("_to_{column}"))
}

/// Why a table holds no corrections: columns of `wanted` that it lacks, and an `on` of which no value is the newest. What such a
/// table must say is the end of a help; `code` is that of a table of this kind.
pub(super) fn misfit(
    table: &TableName,
    wanted: &[&str],
    on: &str,
    contracts: &Contracts,
    (code, must_say): (u16, &str),
) -> Option<Mistake> {
    if contracts.unread.contains(table) {
        return None;
    }
    let draft = contracts.drafts.get(table);
    let said = draft.map(|draft| &draft.contract);
    let Some(said) = said.filter(|said| !said.columns.is_empty()) else {
        let is_whole = draft.is_none_or(|draft| draft.whole);
        let message = format!("nothing says which columns `{table}` has");
        let help = format!(
            "{}declare them in schemas/{}.yaml: {must_say}: {}",
            meant(table, contracts),
            table.location(),
            listed(wanted)
        );
        return is_whole.then(|| Mistake::new(code, message).help(help));
    };
    let missing = wanted.iter().filter(|name| said.column(name).is_none());
    let missing: Vec<String> = missing.map(|name| format!("`{name}`")).collect();
    if !missing.is_empty() {
        let message = format!("`{table}` lacks {}", missing.join(", "));
        let help = format!("{must_say}: {}", listed(wanted));
        return Some(Mistake::new(code, message).help(help));
    }
    let data_type = &said.column(on)?.data_type;
    if matches!(data_type, ColumnType::Date | ColumnType::Timestamp) {
        return None;
    }
    let message = format!("`{on}` of `{table}` is `{data_type}`, by which nothing is the newest");
    let help = "declare it as `date` or `timestamp`: as texts, 31.01. comes after 01.03.";
    Some(Mistake::new(code, message).help(help))
}

/// `did you mean `bronze.customers`? else `, where a table that has a contract is called nearly so; empty where none is.
pub(super) fn meant(table: &TableName, contracts: &Contracts) -> String {
    if contracts.drafts.contains_key(table) {
        return String::new();
    }
    let known: Vec<String> = contracts.drafts.keys().map(ToString::to_string).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    match nearest_word(&table.to_string(), &known) {
        Some(near) => format!("did you mean `{near}`? else "),
        None => String::new(),
    }
}

/// A text of a key, without the apostrophe behind which the files of a review keep what a spreadsheet would compute or write anew.
pub(super) fn unguarded_sql(text: &str) -> String {
    format!("regexp_replace({text}, '^''([-=+@0-9.,])', '\\1')")
}
