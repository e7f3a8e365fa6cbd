//! Which rows of a table differ between two of its versions.
//!
//! ```text
//! files of one version only ─▶ by key: a full join ───────────────▶ added, removed, changed, per column
//!                           └▶ without: equal rows, +1 and −1 each ─▶ added, removed
//! ```
//!
//! A file that both versions name holds the same rows on both sides and is not read: the cost follows the change. Columns
//! that start with `_kilde_` do not take part, as in digests: they tell where a row came from, not what it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Int64Type, Schema};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::catalog::TableProvider;
use datafusion::prelude::{DataFrame, SessionContext};
use serde::Serialize;

use super::query::count_of;
use super::{Catalog, Content, View};
use crate::engine::{self, Joins};
use crate::error::{Error, Result};
use crate::name::TableName;
use crate::sql_text::{literal_sql, name_sql};

/// Columns that tell where a row came from.
const OF_KILDE: &str = "_kilde_";

/// How rows are compared and which of them are wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct RowQuestion {
    /// The key's columns; empty: whole rows are compared.
    pub(crate) key: Vec<String>,
    /// Rows of each kind to show.
    pub(crate) sample: usize,
    /// Columns whose values are not shown, and what stands for them.
    pub(crate) masked: BTreeMap<String, String>,
}

/// How the rows of two versions differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct RowChanges {
    /// The key by which rows were paired; empty: whole rows were compared, and a changed row is one removed and one added.
    pub(crate) by: Vec<String>,
    pub(crate) added: u64,
    pub(crate) removed: u64,
    /// Of the same key, with other values.
    pub(crate) changed: u64,
    /// Columns in which changed rows differ, those of most rows first.
    pub(crate) columns: Vec<ColumnCount>,
    /// Rows of each kind, by key.
    pub(crate) sample: Vec<DifferentRow>,
}

/// A column, and in how many of the changed rows it differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ColumnCount {
    pub(crate) column: String,
    pub(crate) rows: u64,
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RowChange {
    Added,
    Removed,
    Changed,
}

/// One row that is not in both versions as it is in one of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct DifferentRow {
    pub(crate) change: RowChange,
    /// Its key; where there is none, all of it. Null is none.
    pub(crate) row: Vec<(String, Option<String>)>,
    /// How often, where whole rows are compared.
    pub(crate) times: u64,
    /// What changed in it.
    pub(crate) cells: Vec<DifferentCell>,
}

/// One cell before and now; null is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct DifferentCell {
    pub(crate) column: String,
    pub(crate) before: Option<String>,
    pub(crate) now: Option<String>,
}

impl Catalog {
    /// How the rows of two versions of a table differ.
    ///
    /// # Errors
    /// What reading them gives.
    pub(crate) async fn row_changes(
        &self,
        before: &Content,
        now: &Content,
        question: &RowQuestion,
    ) -> Result<RowChanges> {
        let (before, now) = without_common_files(before, now);
        match self.compare(&before, &now, question, Joins::Hash).await {
            Err(error) if engine::is_out_of_memory(&error) => {
                self.compare(&before, &now, question, Joins::SortMerge)
                    .await
            }
            done => done,
        }
    }

    /// Every cell of a small result as text, of a query over two versions of a table: `before.version`, `now.version`.
    ///
    /// # Errors
    /// What planning and running it give.
    pub(crate) async fn query_versions(
        &self,
        before: &Content,
        now: &Content,
        sql: &str,
    ) -> Result<Vec<Vec<Option<String>>>> {
        let session = self.versions(before, now, Joins::Hash)?;
        texts(&run(&session, sql).await?)
    }

    /// The same of a query over one release.
    ///
    /// # Errors
    /// As for [`Catalog::query`].
    pub(crate) async fn query_texts(
        &self,
        sql: &str,
        view: &View,
    ) -> Result<Vec<Vec<Option<String>>>> {
        texts(&self.query(sql, view).await?)
    }

    fn versions(&self, before: &Content, now: &Content, joins: Joins) -> Result<SessionContext> {
        let tables: BTreeMap<TableName, Arc<dyn TableProvider>> = BTreeMap::from([
            (side(BEFORE)?, before.provider()?),
            (side(NOW)?, now.provider()?),
        ]);
        self.engine().session(&tables, joins)
    }

    async fn compare(
        &self,
        before: &Content,
        now: &Content,
        question: &RowQuestion,
        joins: Joins,
    ) -> Result<RowChanges> {
        let session = self.versions(before, now, joins)?;
        let columns = Columns::of(&before.file_set.schema, &now.file_set.schema, question);
        if let Some(columns) = &columns
            && let Some(changes) = by_key(&session, columns, question, (before, now)).await?
        {
            return Ok(changes);
        }
        let common = common(&before.file_set.schema, &now.file_set.schema);
        by_row(&session, &common, question).await
    }
}

const BEFORE: &str = "before";
const NOW: &str = "now";

fn side(schema: &str) -> Result<TableName> {
    TableName::new(schema, "version").map_err(Error::internal)
}

/// Both versions without the files that both name.
pub(crate) fn without_common_files(before: &Content, now: &Content) -> (Content, Content) {
    let paths = |of: &Content| -> BTreeSet<String> {
        let files = of.file_set.files.iter();
        files.map(|file| file.path.clone()).collect()
    };
    let common: BTreeSet<String> = match before.location == now.location {
        true => paths(before).intersection(&paths(now)).cloned().collect(),
        false => BTreeSet::new(),
    };
    let only = |of: &Content| {
        let mut of = of.clone();
        of.file_set
            .files
            .retain(|file| !common.contains(&file.path));
        of
    };
    (only(before), only(now))
}

/// A column of both versions.
struct Common {
    name: String,
    /// As SQL names it.
    quoted: String,
    /// Its type has changed to one that SQL does not compare with the old one: texts are compared.
    as_text: bool,
    /// Lists and structures are not put in order.
    is_nested: bool,
}

impl Common {
    /// The cell of one side, as it is compared.
    fn of_side_sql(&self, side: &str) -> String {
        let cell = format!("{side}.{}", self.quoted);
        match self.as_text {
            true => format!("cast({cell} as varchar)"),
            false => cell,
        }
    }

    fn differs_sql(&self) -> String {
        let (before, now) = (self.of_side_sql("b"), self.of_side_sql("n"));
        format!("({before} is distinct from {now})")
    }

    /// The cell to show, or what stands for it.
    fn shown_sql(&self, cell: &str, question: &RowQuestion) -> String {
        match question.masked.get(&self.name) {
            Some(mask) => {
                let mask = literal_sql(mask);
                format!("case when {cell} is null then null else {mask} end")
            }
            None => cell.to_string(),
        }
    }
}

/// The columns of both versions, in order of the newer one.
fn common(before: &Schema, now: &Schema) -> Vec<Common> {
    let own = now.fields().iter();
    own.filter(|field| !field.name().starts_with(OF_KILDE))
        .filter_map(|field| {
            let old = before.field_with_name(field.name()).ok()?;
            let (old, new) = (old.data_type(), field.data_type());
            let alike = old == new || (old.is_numeric() && new.is_numeric());
            Some(Common {
                name: field.name().clone(),
                quoted: name_sql(field.name()),
                as_text: !alike,
                is_nested: new.is_nested(),
            })
        })
        .collect()
}

/// The columns of both versions, those of the key apart.
struct Columns {
    key: Vec<Common>,
    values: Vec<Common>,
}

impl Columns {
    /// `None` where there is no key, or a version lacks a column of it.
    fn of(before: &Schema, now: &Schema, question: &RowQuestion) -> Option<Self> {
        let of_key = |column: &Common| question.key.contains(&column.name);
        let (key, values): (Vec<_>, Vec<_>) = common(before, now).into_iter().partition(of_key);
        let whole = !key.is_empty() && key.len() == question.key.len();
        whole.then_some(Self { key, values })
    }

    /// Every key of either version with both of its rows.
    fn paired_sql(&self) -> String {
        let keys: Vec<String> = self
            .key
            .iter()
            .map(|column| {
                let (before, now) = (column.of_side_sql("b"), column.of_side_sql("n"));
                format!("({before} is not distinct from {now})")
            })
            .collect();
        format!(
            "(select true as is_there, * from before.version) b \
             full join (select true as is_there, * from now.version) n on {}",
            keys.join(" and ")
        )
    }

    fn changed_sql(&self) -> String {
        let differing: Vec<String> = self.values.iter().map(Common::differs_sql).collect();
        match differing.is_empty() {
            true => "false".to_string(),
            false => format!("({})", differing.join(" or ")),
        }
    }

    /// Keys of either version, pairs, changed pairs, and of each column the pairs in which it differs.
    fn counts_sql(&self) -> String {
        let both = "b.is_there and n.is_there";
        let changed = format!("count(*) filter (where {both} and {})", self.changed_sql());
        let of_columns = self.values.iter().map(|column| {
            format!(
                "count(*) filter (where {both} and {})",
                column.differs_sql()
            )
        });
        let counts = [
            "count(*) filter (where b.is_there is null)".to_string(),
            "count(*) filter (where n.is_there is null)".to_string(),
            format!("count(*) filter (where {both})"),
            changed,
        ];
        let counts: Vec<String> = counts.into_iter().chain(of_columns).collect();
        let named = counts.iter().enumerate();
        let named: Vec<String> = named.map(|(i, count)| format!("{count} as c{i}")).collect();
        format!("select {} from {}", named.join(", "), self.paired_sql())
    }

    /// The first rows of one kind by key: the key, then of each column before and now.
    fn sample_sql(&self, change: RowChange, question: &RowQuestion) -> String {
        let (side, kind) = match change {
            RowChange::Added => ("n", "b.is_there is null".to_string()),
            RowChange::Removed => ("b", "n.is_there is null".to_string()),
            RowChange::Changed => (
                "n",
                format!("b.is_there and n.is_there and {}", self.changed_sql()),
            ),
        };
        let mut shown: Vec<String> = Vec::new();
        for column in &self.key {
            let cell = format!("{side}.{}", column.quoted);
            shown.push(column.shown_sql(&cell, question));
        }
        if change == RowChange::Changed {
            for column in &self.values {
                shown.push(column.differs_sql());
                for side in ["b", "n"] {
                    let cell = format!("{side}.{}", column.quoted);
                    shown.push(column.shown_sql(&cell, question));
                }
            }
        }
        let named = shown.iter().enumerate();
        let named: Vec<String> = named.map(|(i, cell)| format!("{cell} as c{i}")).collect();
        let ordered = self.key.iter().filter(|column| !column.is_nested);
        let ordered: Vec<String> = ordered.map(|c| format!("{side}.{}", c.quoted)).collect();
        let order = match ordered.is_empty() {
            true => String::new(),
            false => format!(" order by {}", ordered.join(", ")),
        };
        format!(
            "select {} from {} where {kind}{order} limit {}",
            named.join(", "),
            self.paired_sql(),
            question.sample
        )
    }
}

/// Rows paired by key; `None` where a version has a key twice, so that its rows cannot be paired.
async fn by_key(
    session: &SessionContext,
    columns: &Columns,
    question: &RowQuestion,
    (before, now): (&Content, &Content),
) -> Result<Option<RowChanges>> {
    let counts = numbers(&run(session, &columns.counts_sql()).await?)?;
    let [added, removed, paired, changed, of_columns @ ..] = counts.as_slice() else {
        return Err(Error::internal("a count of rows has too few columns"));
    };
    let rows = |of: &Content| -> u64 { of.file_set.files.iter().map(|file| file.rows).sum() };
    if paired + removed != rows(before) || paired + added != rows(now) {
        return Ok(None);
    }
    let counted = columns.values.iter().zip(of_columns);
    let mut counted: Vec<ColumnCount> = counted
        .filter(|(_, rows)| **rows > 0)
        .map(|(column, rows)| ColumnCount {
            column: column.name.clone(),
            rows: *rows,
        })
        .collect();
    // columns in their order where as many rows differ
    counted.sort_by_key(|column| std::cmp::Reverse(column.rows));
    let mut changes = RowChanges {
        by: question.key.clone(),
        added: *added,
        removed: *removed,
        changed: *changed,
        columns: counted,
        sample: Vec::new(),
    };
    let kinds = [
        (RowChange::Changed, *changed),
        (RowChange::Added, *added),
        (RowChange::Removed, *removed),
    ];
    for (change, rows) in kinds {
        if rows > 0 && question.sample > 0 {
            let batches = run(session, &columns.sample_sql(change, question)).await?;
            changes.sample.extend(sampled(&batches, columns, change)?);
        }
    }
    Ok(Some(changes))
}

fn sampled(
    batches: &[RecordBatch],
    columns: &Columns,
    change: RowChange,
) -> Result<Vec<DifferentRow>> {
    let mut rows = Vec::new();
    for mut cells in texts(batches)? {
        let values = cells.split_off(columns.key.len());
        let names = columns.key.iter().map(|column| column.name.clone());
        let triples = columns.values.iter().zip(values.chunks(3));
        rows.push(DifferentRow {
            change,
            row: names.zip(cells).collect(),
            times: 1,
            cells: triples
                .filter(|(_, cell)| cell[0].as_deref() == Some("true"))
                .map(|(column, cell)| DifferentCell {
                    column: column.name.clone(),
                    before: cell[1].clone(),
                    now: cell[2].clone(),
                })
                .collect(),
        });
    }
    Ok(rows)
}

/// Rows that one version has more often than the other.
async fn by_row(
    session: &SessionContext,
    columns: &[Common],
    question: &RowQuestion,
) -> Result<RowChanges> {
    if columns.is_empty() {
        return Ok(RowChanges::default());
    }
    let moved = moved_sql(columns);
    let counts = format!(
        "select cast(coalesce(sum(times) filter (where times > 0), 0) as bigint) as added, \
         cast(coalesce(-sum(times) filter (where times < 0), 0) as bigint) as removed from ({moved})"
    );
    let counts = numbers(&run(session, &counts).await?)?;
    let [added, removed] = counts.as_slice() else {
        return Err(Error::internal("a count of rows has too few columns"));
    };
    let mut changes = RowChanges {
        added: *added,
        removed: *removed,
        ..RowChanges::default()
    };
    let kinds = [(RowChange::Added, *added), (RowChange::Removed, *removed)];
    for (change, rows) in kinds {
        if rows > 0 && question.sample > 0 {
            let sql = moved_rows_sql(&moved, columns, change, question);
            let batches = run(session, &sql).await?;
            for mut cells in texts(&batches)? {
                let times = count_of(cells.last())?;
                cells.pop();
                let names = columns.iter().map(|column| column.name.clone());
                changes.sample.push(DifferentRow {
                    change,
                    row: names.zip(cells).collect(),
                    times,
                    cells: Vec::new(),
                });
            }
        }
    }
    Ok(changes)
}

/// Rows whose number differs, each once, with how many more there are now.
fn moved_sql(columns: &[Common]) -> String {
    let of_side = |side: &str| -> String {
        let cells = columns.iter();
        let cells: Vec<String> = cells
            .map(|column| format!("{} as {}", column.of_side_sql(side), column.quoted))
            .collect();
        cells.join(", ")
    };
    let names: Vec<&str> = columns
        .iter()
        .map(|column| column.quoted.as_str())
        .collect();
    let names = names.join(", ");
    format!(
        "select {names}, sum(one) as times from (\
         select {}, 1 as one from now.version n union all select {}, -1 as one from before.version b\
         ) group by {names} having sum(one) <> 0",
        of_side("n"),
        of_side("b"),
    )
}

fn moved_rows_sql(
    moved: &str,
    columns: &[Common],
    change: RowChange,
    question: &RowQuestion,
) -> String {
    let shown = columns.iter().enumerate();
    let shown: Vec<String> = shown
        .map(|(i, column)| format!("{} as c{i}", column.shown_sql(&column.quoted, question)))
        .collect();
    let ordered = columns.iter().filter(|column| !column.is_nested);
    let ordered: Vec<&str> = ordered.map(|column| column.quoted.as_str()).collect();
    let order = match ordered.is_empty() {
        true => String::new(),
        false => format!(" order by {}", ordered.join(", ")),
    };
    let sign = if change == RowChange::Added { '>' } else { '<' };
    format!(
        "select {}, cast(abs(times) as bigint) as how_often from ({moved}) where times {sign} 0{order} limit {}",
        shown.join(", "),
        question.sample
    )
}

async fn run(session: &SessionContext, sql: &str) -> Result<Vec<RecordBatch>> {
    let state = session.state();
    let plan = state
        .create_logical_plan(sql)
        .await
        .map_err(engine::failure)?;
    engine::collect(DataFrame::new(state, plan)).await
}

/// The one row of a query that counts.
fn numbers(batches: &[RecordBatch]) -> Result<Vec<u64>> {
    let batch = batches.iter().find(|batch| batch.num_rows() > 0);
    let batch = batch.ok_or_else(|| Error::internal("a count yields no row"))?;
    let columns = batch.columns().iter();
    columns
        .map(|column| match column.data_type() {
            DataType::Int64 => Ok(column.as_primitive::<Int64Type>().value(0).max(0) as u64),
            other => Err(Error::internal(format!("a count is a {other}"))),
        })
        .collect()
}

/// Every cell as text, row by row; null is none.
fn texts(batches: &[RecordBatch]) -> Result<Vec<Vec<Option<String>>>> {
    let options = FormatOptions::default().with_timestamp_tz_format(Some("%Y-%m-%dT%H:%M:%S%.fZ"));
    let mut rows = Vec::new();
    for batch in batches {
        let columns = batch.columns().iter();
        let formatters = columns
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(|error| {
                Error::internal("a result cannot be shown as text").caused_by(Box::new(error))
            })?;
        for row in 0..batch.num_rows() {
            let cells = batch.columns().iter().zip(&formatters);
            let cells = cells.map(|(column, formatter)| {
                (!column.is_null(row)).then(|| formatter.value(row).to_string())
            });
            rows.push(cells.collect());
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::Field;

    use super::*;

    fn schema(columns: &[(&str, DataType)]) -> Schema {
        let fields = columns
            .iter()
            .map(|(name, data_type)| Field::new(*name, data_type.clone(), true));
        Schema::new(fields.collect::<Vec<_>>())
    }

    fn question(key: &[&str]) -> RowQuestion {
        RowQuestion {
            key: key.iter().map(ToString::to_string).collect(),
            sample: 5,
            masked: BTreeMap::from([("email".to_string(), "‹email›".to_string())]),
        }
    }

    #[test]
    fn a_column_of_another_type_is_compared_as_text_unless_both_are_numbers() {
        let before = schema(&[
            ("id", DataType::Int64),
            ("qty", DataType::Int32),
            ("paid", DataType::Utf8),
        ]);
        let now = schema(&[
            ("id", DataType::Int64),
            ("qty", DataType::Int64),
            ("paid", DataType::Boolean),
            ("_kilde_source_file", DataType::Utf8),
        ]);
        let columns = Columns::of(&before, &now, &question(&["id"])).unwrap();
        let differing: Vec<String> = columns.values.iter().map(Common::differs_sql).collect();
        assert_eq!(
            differing,
            [
                r#"(b."qty" is distinct from n."qty")"#,
                r#"(cast(b."paid" as varchar) is distinct from cast(n."paid" as varchar))"#,
            ]
        );
    }

    #[test]
    fn a_version_that_lacks_a_column_of_the_key_is_not_compared_by_key() {
        let before = schema(&[("id", DataType::Int64)]);
        let now = schema(&[("id", DataType::Int64), ("country", DataType::Utf8)]);
        assert!(Columns::of(&before, &now, &question(&["id", "country"])).is_none());
        assert!(Columns::of(&before, &now, &question(&[])).is_none());
    }

    #[test]
    fn a_masked_column_is_never_read_into_a_sample() {
        let both = schema(&[("id", DataType::Int64), ("email", DataType::Utf8)]);
        let question = question(&["id"]);
        let columns = Columns::of(&both, &both, &question).unwrap();
        let sql = columns.sample_sql(RowChange::Changed, &question);
        assert_eq!(
            sql,
            r#"select n."id" as c0, (b."email" is distinct from n."email") as c1, case when b."email" is null then null else '‹email›' end as c2, case when n."email" is null then null else '‹email›' end as c3 from (select true as is_there, * from before.version) b full join (select true as is_there, * from now.version) n on (b."id" is not distinct from n."id") where b.is_there and n.is_there and ((b."email" is distinct from n."email")) order by n."id" limit 5"#
        );
    }
}
