//! `ops.releases`: one row for each release.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::table::{Column, ColumnKind, HistoryTable, Row};
use crate::name::{ReleaseNumber, RunId, TableName};
use crate::release::{Release, TableChange, TableFacts};

pub(super) const RELEASES: HistoryTable = HistoryTable {
    name: "releases",
    description: "Published releases, rollbacks among them. When the newest was decided, the next one tells. Tables are counted without kilde's own.",
    columns: &[
        Column("release", ColumnKind::Number, "Number of the release."),
        Column("run", ColumnKind::Text, "The run that published it."),
        Column(
            "published_at",
            ColumnKind::Time,
            "When it was decided; null while only the next release can tell.",
        ),
        Column(
            "as_of",
            ColumnKind::Time,
            "The date and time that its tables speak of.",
        ),
        Column(
            "rollback_of",
            ColumnKind::Number,
            "The release whose content it publishes again.",
        ),
        Column("tables", ColumnKind::Number, "Tables that it holds."),
        Column(
            "changed_tables",
            ColumnKind::Number,
            "Tables that it changed.",
        ),
        Column("changed", ColumnKind::Text, "Their names."),
        Column(
            "held_tables",
            ColumnKind::Number,
            "Tables held at an older version.",
        ),
        Column("held", ColumnKind::Text, "Their names."),
        Column("rows", ColumnKind::Number, "Rows of all its tables."),
        Column("bytes", ColumnKind::Number, "Bytes of all its tables."),
        Column("exports", ColumnKind::Number, "Exports read for it."),
        Column("records", ColumnKind::Number, "Records in them."),
        Column(
            "rejected",
            ColumnKind::Number,
            "Records that broke their contract.",
        ),
    ],
};

/// What a row says.
#[derive(Debug)]
pub(super) struct ReleaseRow {
    number: ReleaseNumber,
    run: RunId,
    /// `None`: not yet.
    published_at: Option<DateTime<Utc>>,
    as_of: Option<DateTime<Utc>>,
    rollback_of: Option<ReleaseNumber>,
    changed: Vec<String>,
    held: Vec<String>,
    /// Rows and bytes by table.
    tables: BTreeMap<TableName, (u64, u64)>,
    counts: BTreeMap<String, u64>,
}

impl ReleaseRow {
    pub(super) fn of(release: &Release) -> Self {
        Self {
            number: release.number,
            run: release.run.clone(),
            published_at: Some(release.published_at),
            as_of: time(&release.as_of),
            rollback_of: release.rollback_of,
            changed: release
                .changed_of_project()
                .map(ToString::to_string)
                .collect(),
            held: release.held.keys().map(ToString::to_string).collect(),
            tables: sizes(release),
            counts: release.counts.clone(),
        }
    }

    /// The release to be: what `base` holds with these changes.
    pub(super) fn planned(
        number: ReleaseNumber,
        run: &RunId,
        as_of: DateTime<Utc>,
        base: Option<&Release>,
        changes: &BTreeMap<TableName, TableChange>,
        counts: BTreeMap<String, u64>,
        held: Vec<String>,
    ) -> Self {
        let mut tables = base.map(sizes).unwrap_or_default();
        let mut changed = Vec::new();
        for (table, change) in changes.iter().filter(|(table, _)| !table.is_own()) {
            let facts = match change {
                TableChange::Write(write) => Some(&write.facts),
                TableChange::Keep(facts) => Some(facts),
                TableChange::Retire | TableChange::Drop => None,
            };
            if !matches!(change, TableChange::Keep(_)) {
                changed.push(table.to_string());
            }
            match facts {
                Some(facts) => tables.insert(table.clone(), size(facts)),
                None => tables.remove(table),
            };
        }
        Self {
            number,
            run: run.clone(),
            published_at: None,
            as_of: Some(as_of),
            rollback_of: None,
            changed,
            held,
            tables,
            counts,
        }
    }

    pub(super) fn row(&self) -> Row {
        let sum = |part: fn(&(u64, u64)) -> u64| self.tables.values().map(part).sum::<u64>();
        let count = |name: &str| self.counts.get(name).copied();
        let names = |names: &[String]| (!names.is_empty()).then(|| names.join(", "));
        vec![
            self.number.0.into(),
            self.run.to_string().into(),
            self.published_at.into(),
            self.as_of.into(),
            self.rollback_of.map(|release| release.0).into(),
            (self.tables.len() as u64).into(),
            (self.changed.len() as u64).into(),
            names(&self.changed).into(),
            (self.held.len() as u64).into(),
            names(&self.held).into(),
            sum(|(rows, _)| *rows).into(),
            sum(|(_, bytes)| *bytes).into(),
            count("exports").into(),
            count("records").into(),
            count("rejected").into(),
        ]
    }
}

fn sizes(release: &Release) -> BTreeMap<TableName, (u64, u64)> {
    let tables = release.tables_of_project();
    tables
        .map(|(table, entry)| (table.clone(), size(&entry.facts)))
        .collect()
}

fn size(facts: &TableFacts) -> (u64, u64) {
    (facts.rows, facts.bytes)
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(Into::into)
}
