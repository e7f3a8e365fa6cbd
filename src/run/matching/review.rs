//! Pairs that a person should decide on, with the two records side by side.

use chrono::{DateTime, Utc};
use datafusion::arrow::array::{Array, StringArray};

use super::super::Runner;
use super::read::text_sql;
use super::sample::{Pairs, Weighed, bands};
use super::step::Step;
use super::tables::texts;
use crate::error::{Error, Result};
use crate::name::{ReleaseNumber, TableName};
use crate::plan::{MatchPlan, Outline};
use crate::project::{Compare, CompareBy, MatchTable, Matching, Project};
use crate::sql_text::literal_sql;

/// The queue of a match step, as the newest release holds it.
#[derive(Debug)]
pub(crate) struct Review {
    /// The table of the ids.
    pub(crate) table: TableName,
    pub(crate) release: ReleaseNumber,
    /// Columns that name a record.
    pub(crate) key: Vec<String>,
    /// What is compared.
    pub(crate) columns: Vec<String>,
    /// Contradictions first, then those whose weight is nearest to the threshold.
    pub(crate) pairs: Vec<ReviewPair>,
    /// Whether decisions have a table to go to.
    pub(crate) decisions: Option<TableName>,
}

/// Two records to decide on.
#[derive(Debug)]
pub(crate) struct ReviewPair {
    pub(crate) one: ReviewRecord,
    pub(crate) other: ReviewRecord,
    /// In bits; `None` where decisions contradict.
    pub(crate) weight: Option<f64>,
    pub(crate) reason: String,
    pub(crate) agreement: String,
}

/// A record as people see it.
#[derive(Debug)]
pub(crate) struct ReviewRecord {
    pub(crate) key: Vec<String>,
    /// One for each of the columns.
    pub(crate) values: Vec<Option<String>>,
}

/// The match step that a table belongs to; without one the only match step.
///
/// # Errors
/// `Config` where that is none or several.
pub(super) fn chosen<'a>(project: &'a Project, table: Option<&TableName>) -> Result<&'a Matching> {
    let names = || {
        let names = project.matches.keys().map(ToString::to_string);
        names.collect::<Vec<_>>().join(", ")
    };
    let of_table = |matching: &&Matching| {
        table.is_none_or(|table| matching.tables.values().any(|made| made == table))
    };
    let found: Vec<&Matching> = project.matches.values().filter(of_table).collect();
    match found.as_slice() {
        [matching] => Ok(matching),
        [_, _, ..] => Err(Error::config("there are several match steps").help(format!(
            "write the table of one behind the command: {}",
            names()
        ))),
        [] if project.matches.is_empty() => Err(Error::config("no step is a match")
            .help("`- match:` in a pipeline finds the records of one person: docs/identity.md")),
        [] => {
            Err(Error::config("this table is of no match step")
                .help(format!("there are: {}", names())))
        }
    }
}

impl Runner {
    /// The pairs of a match step that wait for a person; with a size, those of a sample by which people judge the whole match.
    ///
    /// # Errors
    /// Where the step was never built, or a mistake hides what it compares.
    pub(crate) async fn review(
        &self,
        table: Option<&TableName>,
        sample: Option<usize>,
        as_of: DateTime<Utc>,
    ) -> Result<Review> {
        let matching = chosen(&self.project, table)?;
        let outline = Outline::new(&self.project, &self.functions, as_of);
        let matched = outline.matching(&matching.table)?;
        let catalog = self.readable(as_of)?;
        let release = catalog.lake().current().await?;
        let number = release.as_ref().map(|release| release.number);
        let number = number.ok_or_else(|| not_built(matching))?;
        let queue = matching.tables.get(&MatchTable::Review);
        let queue = queue.ok_or_else(|| Error::internal("a match without a review"))?;
        let columns = compared_columns(matched);
        let wanted = match sample {
            None => queue.to_string(),
            Some(size) => {
                let step = Step::open(self, &outline, table, as_of).await?;
                let pairs = step.pairs(self.resources.threads).await?;
                drawn_sql(matching, &pairs, &pairs.to_ask(&bands(matching), size))
            }
        };
        let order = match sample {
            None => format!("abs(pair.weight - {}) nulls first", matching.same_from),
            Some(_) => "pair.\"_place\"".to_string(),
        };
        let sql = sql(matching, &wanted, &order, &columns);
        let tables = [queue, &matching.records.value];
        let rows = catalog.query_over(&outline, release.as_ref(), &tables, &sql);
        let rows = rows.await?;
        let cells = rows
            .columns()
            .iter()
            .map(texts)
            .collect::<Result<Vec<_>>>()?;
        let key: Vec<String> = matching
            .record_key
            .iter()
            .map(|c| c.value.clone())
            .collect();
        let pairs = (0..rows.num_rows()).map(|row| pair(&cells, key.len(), row));
        Ok(Review {
            table: matching.table.clone(),
            release: number,
            columns,
            pairs: pairs.collect(),
            decisions: matching.decisions.as_ref().map(|table| table.value.clone()),
            key,
        })
    }
}

pub(super) fn not_built(matching: &Matching) -> Error {
    Error::config(format!("`{}` is not built yet", matching.table))
        .help(format!("`kilde build -s +{}` makes it", matching.table))
}

/// Columns that say why two records are one or two.
pub(super) fn compared_columns(matched: &MatchPlan) -> Vec<String> {
    let matching = &matched.matching;
    let mut columns: Vec<String> = matched.fields.iter().map(|(_, c)| c.clone()).collect();
    let asked = matched.asked.iter().flat_map(Compare::columns);
    columns.extend(asked.map(|column| column.value.clone()));
    let levels = matched
        .asked
        .iter()
        .filter_map(|compare| match &compare.by {
            CompareBy::Levels(levels) => Some(levels),
            _ => None,
        });
    columns.extend(levels.flatten().map(|level| level.value.clone()));
    let rules = matching.must.iter().chain(&matching.cannot);
    columns.extend(rules.map(|column| column.value.clone()));
    let mut seen = std::collections::BTreeSet::new();
    columns.retain(|column| seen.insert(column.clone()));
    columns
}

/// Both keys, weight, reason, agreement, and each column of both records.
fn sql(matching: &Matching, wanted_pairs: &str, first: &str, columns: &[String]) -> String {
    let keys: Vec<&String> = matching.record_key.iter().map(|c| &c.value).collect();
    let text = |of: &str, column: &str| format!("cast({of}.\"{column}\" as varchar)");
    let mut wanted: Vec<String> = keys.iter().map(|key| text("pair", key)).collect();
    wanted.extend(keys.iter().map(|key| text("pair", &format!("other_{key}"))));
    wanted.extend(
        [
            "cast(pair.weight as varchar)",
            "pair.reason",
            "pair.agreement",
        ]
        .map(String::from),
    );
    wanted.extend(
        (0..columns.len()).flat_map(|at| [format!("one.\"_{at}\""), format!("other.\"_{at}\"")]),
    );
    let wanted = wanted.iter().enumerate();
    let wanted: Vec<String> = wanted
        .map(|(at, sql)| format!("{sql} as \"__{at}\""))
        .collect();
    let values = columns.iter().enumerate();
    let mut read: Vec<String> = keys.iter().map(|key| format!("\"{key}\"")).collect();
    read.extend(values.map(|(at, column)| format!("{} as \"_{at}\"", text_sql(column))));
    let records = format!(
        "(select {} from {})",
        read.join(", "),
        matching.records.value
    );
    let on = |of: &str, prefix: &str| {
        let equal = keys.iter();
        let equal: Vec<String> = equal
            .map(|key| {
                let keys = [format!("pair.\"{prefix}{key}\""), format!("{of}.\"{key}\"")];
                keys.map(|key| format!("cast({key} as varchar)"))
                    .join(" = ")
            })
            .collect();
        equal.join(" and ")
    };
    let order: Vec<String> = (1..=2 * keys.len()).map(|at| at.to_string()).collect();
    format!(
        "select {} from {wanted_pairs} as pair join {records} as one on {} join {records} as other on {} \
         order by {first}, {}",
        wanted.join(", "),
        on("one", ""),
        on("other", "other_"),
        order.join(", ")
    )
}

/// Pairs that were drawn, in their order, as rows of a review.
fn drawn_sql(matching: &Matching, pairs: &Pairs, drawn: &[&Weighed]) -> String {
    let keys = || {
        matching
            .record_key
            .iter()
            .map(|column| column.value.clone())
    };
    let mut names = vec!["_place".to_string()];
    names.extend(keys());
    names.extend(keys().map(|key| format!("other_{key}")));
    names.extend(["weight", "reason", "agreement"].map(String::from));
    let row = |place: usize, pair: Option<&Weighed>| {
        let parts = |key: &str| {
            key.split('\u{1f}')
                .map(literal_sql)
                .collect::<Vec<String>>()
        };
        let nothing = || keys().map(|_| "''".to_string()).collect();
        let mut cells = vec![place.to_string()];
        cells.extend(pair.map_or_else(nothing, |pair| parts(pairs.key(pair.one))));
        cells.extend(pair.map_or_else(nothing, |pair| parts(pairs.key(pair.other))));
        let weight = pair
            .map(|pair| pair.weight)
            .filter(|weight| weight.is_finite());
        let weight = weight.map_or("null".to_string(), |weight| format!("{weight:.4}"));
        cells.push(format!("cast({weight} as double)"));
        cells.push(literal_sql("drawn to judge the match"));
        cells.push(literal_sql(pair.map_or("", |pair| pairs.agreement(pair))));
        format!("({})", cells.join(", "))
    };
    let rows = drawn.iter().enumerate();
    let mut rows: Vec<String> = rows.map(|(place, pair)| row(place, Some(*pair))).collect();
    // an empty list of values is no SQL
    rows.push(row(drawn.len(), None));
    let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    format!(
        "(select * from (values {}) as drawn({}) where \"_place\" < {})",
        rows.join(", "),
        names.join(", "),
        drawn.len()
    )
}

fn pair(cells: &[StringArray], key: usize, row: usize) -> ReviewPair {
    let cell = |at: usize| {
        let column = cells.get(at).filter(|column| column.is_valid(row));
        column.map(|column| column.value(row).to_string())
    };
    let told = 2 * key;
    let record = |first_of_key: usize, side: usize| ReviewRecord {
        key: (first_of_key..first_of_key + key)
            .map(|at| cell(at).unwrap_or_default())
            .collect(),
        values: (told + 3 + side..cells.len())
            .step_by(2)
            .map(cell)
            .collect(),
    };
    ReviewPair {
        one: record(0, 0),
        other: record(key, 1),
        weight: cell(told).and_then(|weight| weight.parse().ok()),
        reason: cell(told + 1).unwrap_or_default(),
        agreement: cell(told + 2).unwrap_or_default(),
    }
}
