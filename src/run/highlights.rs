//! What a page shows of two releases beside their difference: people, groups, key figures, rejects, runs that failed.
//!
//! In: two releases and `highlights:` of the project. Out: a [`DiffPage`]. Counts and figures only: no person's value.

use std::collections::BTreeMap;

use serde::Serialize;

use super::diff::{DiffRequest, ReleaseDiff, TableDiff, compared};
use super::story::{FailedRun, failed_between};
use super::{Runner, ops_tables};
use crate::catalog::{Catalog, View, count_of};
use crate::error::Result;
use crate::name::TableName;
use crate::project::{Consents, Figures, Groups, People};
use crate::release::Release;

/// Periods of a key figure shown, the newest.
const MOST_PERIODS: usize = 18;

/// Two releases, for people.
#[derive(Debug, Serialize)]
pub(crate) struct DiffPage {
    pub(crate) diff: ReleaseDiff,
    pub(crate) people: Option<PeopleDiff>,
    pub(crate) groups: Vec<GroupDiff>,
    pub(crate) figures: Vec<FigureSeries>,
    pub(crate) rejects: Vec<SourceRejects>,
    /// Runs between the two that published nothing.
    pub(crate) failed_runs: Vec<FailedRun>,
    /// What could not be shown, and why.
    pub(crate) notes: Vec<String>,
}

/// People before and now. `before + came + split_off - left - merged = now`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct PeopleDiff {
    pub(crate) records_before: u64,
    pub(crate) records: u64,
    pub(crate) before: u64,
    pub(crate) now: u64,
    /// All of their records are new.
    pub(crate) came: u64,
    /// None of their records is there any more.
    pub(crate) left: u64,
    /// Their records are those of somebody else now.
    pub(crate) merged: u64,
    /// New ones, some of whose records were somebody else's.
    pub(crate) split_off: u64,
}

/// Members of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct GroupDiff {
    pub(crate) name: String,
    pub(crate) before: u64,
    pub(crate) now: u64,
}

/// A key figure, period by period.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct FigureSeries {
    pub(crate) name: String,
    pub(crate) points: Vec<FigurePoint>,
    pub(crate) target: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct FigurePoint {
    pub(crate) period: String,
    pub(crate) value: f64,
    /// Of its interval; `None`: it has none.
    pub(crate) low: Option<f64>,
    pub(crate) high: Option<f64>,
}

/// Records of a source that broke their contract, in all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct SourceRejects {
    pub(crate) source: String,
    pub(crate) records: u64,
    pub(crate) before: u64,
    pub(crate) now: u64,
}

impl Runner {
    /// Two releases, for people; every table's rows are compared.
    ///
    /// # Errors
    /// As for a comparison. A highlight that a release does not have is a note, no error.
    pub(crate) async fn diff_page(&self, request: &DiffRequest) -> Result<DiffPage> {
        let diff = self.diff(request).await?;
        let catalog = self.readable(self.clock.now())?;
        let (before, now) = compared(&catalog, request).await?;
        let reading = Reading {
            catalog: &catalog,
            before: &before,
            now: &now,
        };
        let highlights = &self.project.highlights;
        let lost = |table: &TableDiff| {
            let why = table.lost.as_ref()?;
            Some(format!("{} is not compared in full: {why}", table.table))
        };
        let mut notes: Vec<String> = diff.different.iter().filter_map(lost).collect();
        let people = match &highlights.people {
            Some(people) => noted(reading.people(people).await, &people.table, &mut notes),
            None => None,
        };
        let groups = match &highlights.groups {
            Some(groups) => noted(reading.groups(groups).await, &groups.table, &mut notes),
            None => None,
        };
        let figures = match &highlights.figures {
            Some(figures) => noted(reading.figures(figures).await, &figures.table, &mut notes),
            None => None,
        };
        let rejects = noted(
            reading.rejects().await,
            &ops_tables::rejects_table()?,
            &mut notes,
        );
        Ok(DiffPage {
            people,
            groups: groups.unwrap_or_default(),
            figures: figures.unwrap_or_default(),
            rejects: rejects.unwrap_or_default(),
            failed_runs: failed_between(&catalog, Some(&before), &now).await?,
            diff,
            notes,
        })
    }
}

/// What a release does not have is said and left out: the page has more to tell.
fn noted<T>(found: Result<T>, table: &TableName, notes: &mut Vec<String>) -> Option<T> {
    match found {
        Ok(found) => Some(found),
        Err(error) => {
            notes.push(format!("{table} is not shown: {}", error.brief()));
            None
        }
    }
}

/// Two releases that are read.
pub(super) struct Reading<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) before: &'a Release,
    pub(super) now: &'a Release,
}

impl Reading<'_> {
    async fn people(&self, people: &People) -> Result<PeopleDiff> {
        let before = self.catalog.published(self.before, &people.table).await?;
        let now = self.catalog.published(self.now, &people.table).await?;
        let rows = self
            .catalog
            .query_versions(&before, &now, &people_sql(people))
            .await?;
        let count = |column: usize| count_of(rows.first().and_then(|row| row.get(column)));
        Ok(PeopleDiff {
            records_before: count(0)?,
            records: count(1)?,
            before: count(2)?,
            now: count(3)?,
            came: count(4)?,
            left: count(5)?,
            merged: count(6)?,
            split_off: count(7)?,
        })
    }

    async fn groups(&self, groups: &Groups) -> Result<Vec<GroupDiff>> {
        self.members(&groups_sql(groups), &groups.table).await
    }

    /// People who agree, by purpose.
    pub(super) async fn consents(&self, consents: &Consents) -> Result<Vec<GroupDiff>> {
        self.members(&consents_sql(consents), &consents.table).await
    }

    /// Names and counts in both releases, the largest group first. `sql`: of a table that the older one may not have.
    async fn members(&self, sql: &str, table: &TableName) -> Result<Vec<GroupDiff>> {
        let mut members: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for row in self.texts(sql, self.now).await? {
            let (name, count) = name_and_count(&row)?;
            members.entry(name).or_default().1 = count;
        }
        if self.before.table(table).is_some() {
            for row in self.texts(sql, self.before).await? {
                let (name, count) = name_and_count(&row)?;
                members.entry(name).or_default().0 = count;
            }
        }
        let members = members.into_iter();
        let mut members: Vec<GroupDiff> = members
            .map(|(name, (before, now))| GroupDiff { name, before, now })
            .collect();
        members.sort_by_key(|group| std::cmp::Reverse(group.now));
        Ok(members)
    }

    async fn figures(&self, figures: &Figures) -> Result<Vec<FigureSeries>> {
        let mut series: Vec<FigureSeries> = Vec::new();
        for row in self.texts(&figures_sql(figures), self.now).await? {
            let text = |column: usize| row.get(column).cloned().flatten();
            let number = |column: usize| text(column).and_then(|text| text.parse::<f64>().ok());
            let (Some(name), Some(period), Some(value)) = (text(0), text(1), number(2)) else {
                continue;
            };
            if series.last().is_none_or(|last| last.name != name) {
                series.push(FigureSeries {
                    name,
                    points: Vec::new(),
                    target: None,
                });
            }
            if let Some(last) = series.last_mut() {
                last.target = number(5);
                last.points.push(FigurePoint {
                    period,
                    value,
                    low: number(3),
                    high: number(4),
                });
            }
        }
        for figure in &mut series {
            let old = figure.points.len().saturating_sub(MOST_PERIODS);
            figure.points.drain(..old);
        }
        Ok(series)
    }

    async fn rejects(&self) -> Result<Vec<SourceRejects>> {
        let view = |release: &Release| View::Release(release.number);
        let records = self.catalog.record_counts(&view(self.now)).await?;
        let mut rejects: BTreeMap<String, SourceRejects> = BTreeMap::new();
        for (is_now, release) in [(false, self.before), (true, self.now)] {
            for group in self.catalog.rejects(&view(release)).await? {
                let source = rejects
                    .entry(group.source.clone())
                    .or_insert(SourceRejects {
                        records: records.get(&group.source).copied().unwrap_or(0),
                        source: group.source,
                        before: 0,
                        now: 0,
                    });
                match is_now {
                    true => source.now += group.records,
                    false => source.before += group.records,
                }
            }
        }
        Ok(rejects.into_values().collect())
    }

    async fn texts(&self, sql: &str, release: &Release) -> Result<Vec<Vec<Option<String>>>> {
        self.catalog
            .query_texts(sql, &View::Release(release.number))
            .await
    }
}

fn name_and_count(row: &[Option<String>]) -> Result<(String, u64)> {
    let name = row.first().cloned().flatten();
    Ok((
        name.unwrap_or_else(|| "none".to_string()),
        count_of(row.get(1))?,
    ))
}

/// Records and people of both versions, and what became of the people.
fn people_sql(people: &People) -> String {
    let key: Vec<String> = people
        .record_key
        .iter()
        .map(|column| format!("b.{column} = n.{column}"))
        .collect();
    let person = &people.person;
    format!(
        "with pairs as (
             select b.{person} as old, n.{person} as new from before.version b join now.version n on {}),
         old_ones as (select distinct {person} as id from before.version where {person} is not null),
         new_ones as (select distinct {person} as id from now.version where {person} is not null),
         gone as (select old_ones.id from old_ones left join new_ones on new_ones.id = old_ones.id where new_ones.id is null),
         fresh as (select new_ones.id from new_ones left join old_ones on new_ones.id = old_ones.id where old_ones.id is null),
         with_records as (select distinct old as id from pairs),
         of_known_records as (select distinct new as id from pairs)
         select
             (select count(*) from before.version) as c0,
             (select count(*) from now.version) as c1,
             (select count(*) from old_ones) as c2,
             (select count(*) from new_ones) as c3,
             (select count(*) from fresh left join of_known_records o on o.id = fresh.id where o.id is null) as c4,
             (select count(*) from gone left join with_records w on w.id = gone.id where w.id is null) as c5,
             (select count(*) from gone join with_records w on w.id = gone.id) as c6,
             (select count(*) from fresh join of_known_records o on o.id = fresh.id) as c7",
        key.join(" and ")
    )
}

fn groups_sql(groups: &Groups) -> String {
    let (by, table) = (&groups.by, &groups.table);
    format!("select {by} as name, count(*) as members from {table} group by {by}")
}

/// A purpose to which nobody agrees counts none.
fn consents_sql(consents: &Consents) -> String {
    let Consents {
        table,
        purpose,
        granted,
    } = consents;
    format!(
        "select {purpose} as name, count(*) filter (where {granted}) as members from {table} group by {purpose}"
    )
}

/// Every figure, period by period; what is not declared is null.
fn figures_sql(figures: &Figures) -> String {
    let number = |column: &Option<String>| match column {
        Some(column) => format!("cast({column} as double)"),
        None => "cast(null as double)".to_string(),
    };
    format!(
        "select {name} as c0, {period} as c1, cast({value} as double) as c2, {} as c3, {} as c4, {} as c5
         from {table} where {value} is not null order by {name}, {period}",
        number(&figures.low),
        number(&figures.high),
        number(&figures.target),
        name = figures.name,
        period = figures.period,
        value = figures.value,
        table = figures.table,
    )
}
