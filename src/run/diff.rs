//! What lies between two releases: tables, columns, rows.
//!
//! ```text
//! both maps ─▶ tables whose digest, columns or version differ ─▶ columns, from their logs ─▶ rows, where asked for
//! ```
//!
//! A table with the same digest and columns is not read at all.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::Runner;
use super::highlights::{GroupDiff, Reading};
use super::story::{HeldTable, share_of};
use crate::catalog::{Catalog, RowChanges, RowQuestion};
use crate::diagnostic::{Code, nearest};
use crate::engine::Origin;
use crate::error::{Error, ErrorKind, Result};
use crate::name::{ReleaseNumber, RunId, TableName};
use crate::plan::{ColumnChange, Lineage, Selection, column_changes};
use crate::release::{Release, TableEntry};

/// What is compared.
#[derive(Clone, Debug)]
pub(crate) struct DiffRequest {
    /// The older release; `None`: the one before the newest.
    pub(crate) before: Option<ReleaseNumber>,
    /// The newer one; `None`: the newest.
    pub(crate) now: Option<ReleaseNumber>,
    /// Tables of the project; all: also those that it no longer has.
    pub(crate) selection: Selection,
    pub(crate) rows: RowsAsked,
    /// Rows of each kind to show.
    pub(crate) sample: usize,
    /// Personal columns are shown as they are.
    pub(crate) raw: bool,
}

/// Whose rows are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RowsAsked {
    Nobodys,
    /// Of every table compared.
    All,
    /// Of one table, and nothing else; whole or short name.
    Of(String),
}

/// Two releases compared. Holds no cell value but in the samples asked for.
#[derive(Debug, Serialize)]
pub(crate) struct ReleaseDiff {
    pub(crate) before: ComparedRelease,
    pub(crate) now: ComparedRelease,
    /// Tables compared, the same ones among them.
    pub(crate) tables: u64,
    pub(crate) different: Vec<TableDiff>,
    /// People who agree, by purpose; where the project says which table tells, and it is compared.
    pub(crate) consents: Vec<GroupDiff>,
    /// Held in the newer release.
    pub(crate) held: Vec<HeldTable>,
}

/// One side.
#[derive(Debug, Serialize)]
pub(crate) struct ComparedRelease {
    pub(crate) release: ReleaseNumber,
    pub(crate) published_at: DateTime<Utc>,
    pub(crate) as_of: String,
    pub(crate) run: RunId,
}

/// A table that is not the same in both.
#[derive(Debug, Serialize)]
pub(crate) struct TableDiff {
    pub(crate) table: TableName,
    pub(crate) difference: TableDifference,
    pub(crate) rows_before: Option<u64>,
    pub(crate) rows: Option<u64>,
    /// Rows more or fewer, as a share of those before.
    pub(crate) share: Option<f64>,
    pub(crate) columns: Vec<ColumnChange>,
    /// Where asked for, of tables that both have.
    pub(crate) row_changes: Option<RowChanges>,
    /// Why columns or rows are not compared: one side can no longer be read.
    pub(crate) lost: Option<String>,
}

/// What became of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TableDifference {
    /// Not in the older release.
    Added,
    /// Not in the newer one.
    Removed,
    /// Other rows or columns.
    Changed,
    /// The same rows: other words, tests or files.
    SameRows,
}

impl Runner {
    /// Compares two releases.
    ///
    /// # Errors
    /// `Config` where there are not two, or no table of that name; what reading the tables gives.
    pub(crate) async fn diff(&self, request: &DiffRequest) -> Result<ReleaseDiff> {
        let catalog = self.readable(self.clock.now())?;
        let (before, now) = compared(&catalog, request).await?;
        let tables = self.compared_tables(&before, &now, request).await?;
        let masks = match request.sample > 0 && request.rows != RowsAsked::Nobodys && !request.raw {
            true => Some(Lineage::new(&self.project, &self.functions)?),
            false => None,
        };
        let mut different = Vec::new();
        for table in &tables {
            let entries = (before.table(table), now.table(table));
            let Some(mut diff) = self.table_diff(&catalog, table, entries).await? else {
                continue;
            };
            if let (Some(old), Some(new)) = entries
                && request.rows != RowsAsked::Nobodys
                && diff.difference == TableDifference::Changed
            {
                let sides = (table, old, new);
                let changes = self.row_changes(&catalog, sides, request, masks.as_ref());
                diff.row_changes = match changes.await {
                    Ok(changes) => Some(changes),
                    // the other tables have more to tell
                    Err(error) if is_lost(&error) && request.rows == RowsAsked::All => {
                        diff.lost = Some(error.brief());
                        None
                    }
                    Err(error) => return Err(error),
                };
            }
            different.push(diff);
        }
        let told = self.project.highlights.consents.as_ref();
        let consents = match told.filter(|told| tables.contains(&told.table)) {
            Some(told) => {
                let reading = Reading {
                    catalog: &catalog,
                    before: &before,
                    now: &now,
                };
                match reading.consents(told).await {
                    // that other columns or a lost version stand there, the table's own line says
                    Err(error) if is_lost(&error) || error.kind() == ErrorKind::Config => {
                        Vec::new()
                    }
                    consents => consents?,
                }
            }
            None => Vec::new(),
        };
        Ok(ReleaseDiff {
            consents,
            before: ComparedRelease::of(&before),
            held: HeldTable::of(&now),
            now: ComparedRelease::of(&now),
            tables: tables.len() as u64,
            different,
        })
    }

    async fn row_changes(
        &self,
        catalog: &Catalog,
        (table, old, new): (&TableName, &TableEntry, &TableEntry),
        request: &DiffRequest,
        masks: Option<&Lineage>,
    ) -> Result<RowChanges> {
        let old = catalog.content(table, old).await?;
        let new = catalog.content(table, new).await?;
        let fields = new.file_set.schema.fields().iter();
        let names = fields.map(|field| field.name().as_str());
        let question = RowQuestion {
            key: self.key(table),
            sample: request.sample,
            masked: self.masks(table, names, masks),
        };
        let changes = catalog.row_changes(&old, &new, &question).await;
        changes.map_err(|error| error.at(table.to_string()))
    }

    /// In order of name.
    async fn compared_tables(
        &self,
        before: &Release,
        now: &Release,
        request: &DiffRequest,
    ) -> Result<BTreeSet<TableName>> {
        let all: BTreeSet<TableName> = [before, now]
            .into_iter()
            .flat_map(Release::tables_of_project)
            .map(|(name, _)| name.clone())
            .collect();
        if let RowsAsked::Of(name) = &request.rows {
            return Ok(BTreeSet::from([named(name, &all)?]));
        }
        if request.selection.is_all() {
            return Ok(all);
        }
        let listed = self.list(&request.selection).await?;
        let selected: BTreeSet<TableName> = listed.tables.into_iter().map(|t| t.name).collect();
        Ok(all.intersection(&selected).cloned().collect())
    }

    /// `None`: the same.
    async fn table_diff(
        &self,
        catalog: &Catalog,
        table: &TableName,
        entries: (Option<&TableEntry>, Option<&TableEntry>),
    ) -> Result<Option<TableDiff>> {
        let mut lost = None;
        let (difference, columns) = match entries {
            (None, None) => return Ok(None),
            (None, Some(_)) => (TableDifference::Added, Vec::new()),
            (Some(_), None) => (TableDifference::Removed, Vec::new()),
            (Some(old), Some(new)) => {
                let columns = match old.facts.schema_hash == new.facts.schema_hash {
                    true => Vec::new(),
                    false => {
                        let schemas = async {
                            let old = catalog.content(table, old).await?.file_set.schema;
                            let new = catalog.content(table, new).await?.file_set.schema;
                            Ok(column_changes(&old, &new))
                        };
                        match schemas.await {
                            Err(error) if is_lost(&error) => {
                                lost = Some(error.brief());
                                Vec::new()
                            }
                            columns => columns?,
                        }
                    }
                };
                let same_columns = columns.is_empty() && lost.is_none();
                let same_rows = old.facts.digest == new.facts.digest && same_columns;
                let same_version = (&old.location, &old.table_id, old.version)
                    == (&new.location, &new.table_id, new.version);
                match (same_rows, same_version) {
                    (true, true) => return Ok(None),
                    (true, false) => (TableDifference::SameRows, columns),
                    (false, _) => (TableDifference::Changed, columns),
                }
            }
        };
        let rows = |entry: Option<&TableEntry>| entry.map(|entry| entry.facts.rows);
        let (rows_before, rows) = (rows(entries.0), rows(entries.1));
        Ok(Some(TableDiff {
            table: table.clone(),
            difference,
            rows_before,
            rows,
            share: share_of(rows_before, rows),
            columns,
            row_changes: None,
            lost,
        }))
    }

    fn key(&self, table: &TableName) -> Vec<String> {
        let contract = self.project.contracts.get(table);
        let key = contract.map(|contract| contract.key_names());
        let key = key.unwrap_or_default().into_iter();
        key.map(str::to_string).collect()
    }

    /// Columns that are not shown: personal ones, and those of which the project cannot say that they are not.
    fn masks<'a>(
        &self,
        table: &TableName,
        columns: impl Iterator<Item = &'a str>,
        lineage: Option<&Lineage>,
    ) -> BTreeMap<String, String> {
        let Some(lineage) = lineage else {
            return BTreeMap::new();
        };
        let mask = |column: &str| {
            let origin = Origin {
                table: table.clone(),
                path: vec![column.to_string()],
            };
            match lineage.personal(&self.project, &origin) {
                Some(None) => None,
                Some(Some(meaning)) => Some(format!("‹{}›", meaning.name())),
                None => Some("‹not in the project›".to_string()),
            }
        };
        columns
            .filter_map(|column| Some((column.to_string(), mask(column)?)))
            .collect()
    }
}

impl ComparedRelease {
    fn of(release: &Release) -> Self {
        Self {
            release: release.number,
            published_at: release.published_at,
            as_of: release.as_of.clone(),
            run: release.run.clone(),
        }
    }
}

/// Whether a version that was published can no longer be read.
fn is_lost(error: &Error) -> bool {
    error.kind() == ErrorKind::Corrupt
}

/// The two releases that are asked for.
pub(super) async fn compared(
    catalog: &Catalog,
    request: &DiffRequest,
) -> Result<(Release, Release)> {
    let now = catalog.release(request.now).await?;
    let before = match (request.before, now.previous) {
        (Some(number), _) | (None, Some(number)) => catalog.release(Some(number)).await?,
        (None, None) => {
            return Err(Error::config(
                "the lake has one release: there is nothing to compare it with",
            )
            .help("`kilde releases show 1` tells what is in it"));
        }
    };
    Ok((before, now))
}

fn named(name: &str, tables: &BTreeSet<TableName>) -> Result<TableName> {
    let mut found = tables
        .iter()
        .filter(|table| table.to_string() == name || table.name() == name);
    match (found.next(), found.next()) {
        (Some(table), None) => Ok(table.clone()),
        (Some(one), Some(two)) => Err(Error::config(format!(
            "`{name}` means several tables: {one}, {two}"
        ))
        .help("write the whole name")),
        (None, _) => {
            let error =
                Error::config(format!("neither release has a table `{name}`")).code(Code(903));
            let short = tables.iter().map(|table| table.name().to_string());
            let names = tables.iter().map(TableName::to_string);
            let names: Vec<String> = names.chain(short).collect();
            Err(match nearest(name, names.iter().map(String::as_str)) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error.help("`kilde ls` lists the tables"),
            })
        }
    }
}
