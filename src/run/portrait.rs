//! All that one release knows of one person: who, which records, what they allowed, what happened, in which groups.
//!
//!   what was typed ──ids, redirects, records, contacts──▶ an id ──tables that hold rows of it (`plan`)──▶ [`Portrait`]
//!
//! Each table is asked for the rows of one person only, so that files without them are passed over. Nothing of a person goes
//! into an error.

mod find;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use datafusion::arrow::array::{Array, AsArray, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type, Schema};
use futures::stream::{self, StreamExt, TryStreamExt};

use self::find::{Found, email_sql, may_be_phone_sql};
use super::Runner;
use crate::catalog::{Catalog, Content};
use crate::engine::{self, Joins};
use crate::error::{Error, Result};
use crate::name::{ReleaseNumber, TableName};
use crate::plan::{EntityKind, IdTable, Link, Outline, Part, RowsOf, entity_kinds};
use crate::project::{MatchTable, Meaning, Project};
use crate::release::Release;
use crate::sql_text::literal_sql;
use crate::text::is_same_phone;

/// Tables asked at once.
const AT_ONCE: usize = 8;

/// The name of the column that says how many rows there are.
const COUNT: &str = "_kilde_rows_count";

/// A person, as one release knows them.
#[derive(Debug)]
pub(crate) struct Portrait {
    pub(crate) id: String,
    /// Whether another id was asked for, which this one stands for now.
    pub(crate) is_redirected: bool,
    pub(crate) release: ReleaseNumber,
    /// What the release speaks of, as text.
    pub(crate) as_of: String,
    /// Tables with rows of the person; those that another tells again are not among them.
    pub(crate) tables: Vec<PortraitTable>,
    /// Other tables that were looked at, with the number of the person's rows in each.
    pub(crate) others: Vec<(TableName, u64)>,
    /// Tables of the release that say of no row whose it is.
    pub(crate) silent: Vec<TableName>,
    /// Contacts that others have too, and how many of them.
    pub(crate) shared: Vec<SharedContact>,
}

/// Rows of one table.
#[derive(Debug)]
pub(crate) struct PortraitTable {
    pub(crate) table: TableName,
    pub(crate) part: Part,
    pub(crate) description: Option<String>,
    /// What the rows may be used for.
    pub(crate) purposes: Vec<String>,
    /// The columns by which they were found.
    pub(crate) found_by: Vec<String>,
    pub(crate) time: Option<String>,
    pub(crate) meanings: Vec<(Meaning, String)>,
    /// Whether a later table of events tells these again.
    pub(crate) is_told_again: bool,
    pub(crate) rows_count: u64,
    /// The newest, or where there is no time, the first by key.
    pub(crate) rows: RecordBatch,
}

/// An address or number that the person shares.
#[derive(Debug)]
pub(crate) struct SharedContact {
    pub(crate) meaning: Meaning,
    pub(crate) others: u64,
}

/// Who is asked for.
pub(crate) struct PortraitRequest<'a> {
    /// An id, one that it replaced, a record (`crm:10442`), or an address or number.
    pub(crate) asked: &'a str,
    /// The match step of the id, by its table.
    pub(crate) matching: Option<&'a TableName>,
    pub(crate) release: Option<ReleaseNumber>,
    /// Rows of each table, the newest first; `None`: all.
    pub(crate) limit: Option<usize>,
}

impl Runner {
    /// Everything that a release knows of one person.
    ///
    /// # Errors
    /// `Config` where nobody, or more than one person, is meant, and where the project does not say whose its rows are.
    pub(crate) async fn portrait(
        &self,
        request: &PortraitRequest<'_>,
        as_of: DateTime<Utc>,
    ) -> Result<Portrait> {
        let outline = Outline::new(&self.project, &self.functions, as_of);
        let mut kinds = entity_kinds(&self.project, &outline);
        if let Some(table) = request.matching {
            kinds.retain(|kind| kind.matching.as_ref() == Some(table));
        }
        if kinds.is_empty() {
            return Err(no_ids(&self.project, &outline, request.matching));
        }
        let catalog = self.readable(as_of)?;
        let release = catalog.release(request.release).await?;
        let mut reader = Reader {
            project: &self.project,
            catalog: &catalog,
            release: &release,
            contents: BTreeMap::new(),
        };
        reader
            .open(kinds.iter().flat_map(|kind| kind.tables.keys()))
            .await?;
        // an id of people may be the key of a record where households are matched
        for kind in &kinds {
            if let Some(found) = reader.find_id(kind, request.asked).await? {
                return reader.portrait(kind, found, request.limit).await;
            }
        }
        for kind in &kinds {
            if let Some(found) = reader.find_owner(kind, request.asked).await? {
                return reader.portrait(kind, found, request.limit).await;
            }
        }
        Err(nobody(&release))
    }
}

/// What is known of a person before the tables are asked.
#[derive(Default)]
struct Known {
    /// Keys of the person's records, part by part, by the columns of the table of ids.
    records: Vec<BTreeMap<String, String>>,
    emails: BTreeSet<String>,
    phones: BTreeSet<String>,
}

/// The tables of one release that hold rows of entities.
struct Reader<'a> {
    project: &'a Project,
    catalog: &'a Catalog,
    release: &'a Release,
    contents: BTreeMap<TableName, Content>,
}

impl Reader<'_> {
    /// Opens those of the tables that the release has.
    async fn open(&mut self, tables: impl Iterator<Item = &TableName>) -> Result<()> {
        let redirects = self.project.matches.values();
        let redirects = redirects.filter_map(|m| m.tables.get(&MatchTable::Redirects).cloned());
        let wanted: BTreeSet<TableName> = tables.cloned().chain(redirects).collect();
        let (catalog, release) = (self.catalog, self.release);
        let opened = stream::iter(wanted).map(|table| async move {
            match release.table(&table) {
                Some(entry) if entry.version.is_some() => {
                    let content = catalog.content(&table, entry).await?;
                    Ok::<_, Error>(Some((table, content)))
                }
                _ => Ok(None),
            }
        });
        let opened: Vec<_> = opened.buffered(AT_ONCE).try_collect().await?;
        self.contents = opened.into_iter().flatten().collect();
        Ok(())
    }

    fn schema(&self, table: &TableName) -> Option<&Schema> {
        let content = self.contents.get(table)?;
        Some(content.file_set.schema.as_ref())
    }

    fn has(&self, table: &TableName, column: &str) -> bool {
        let schema = self.schema(table);
        schema.is_some_and(|schema| schema.column_with_name(column).is_some())
    }

    async fn query(&self, tables: &[&TableName], sql: &str) -> Result<RecordBatch> {
        let mut providers = BTreeMap::new();
        for table in tables {
            if let Some(content) = self.contents.get(*table) {
                providers.insert((*table).clone(), content.provider()?);
            }
        }
        let session = self.catalog.engine().session(&providers, Joins::Hash)?;
        let frame = session.sql(sql).await.map_err(engine::failure)?;
        engine::collect_whole(frame).await
    }

    /// Each row of a query as texts; null is none.
    async fn texts(&self, tables: &[&TableName], sql: &str) -> Result<Vec<Vec<Option<String>>>> {
        let batch = self.query(tables, sql).await?;
        let columns = batch.columns().iter().map(|column| {
            let column = cast(column, &DataType::Utf8).ok()?;
            column.as_string_opt::<i32>().cloned()
        });
        let columns: Option<Vec<StringArray>> = columns.collect();
        let columns = columns.ok_or_else(|| Error::internal("a key cannot be read as text"))?;
        let cell = |column: &StringArray, row: usize| {
            column.is_valid(row).then(|| column.value(row).to_string())
        };
        let row = |row: usize| columns.iter().map(|column| cell(column, row)).collect();
        Ok((0..batch.num_rows()).map(row).collect())
    }

    /// `column = value`, such that files without it are passed over where the column holds text.
    fn equals(&self, table: &TableName, column: &str, value: &str) -> String {
        format!(
            "{} = {}",
            self.text(table, column, &format!("\"{column}\"")),
            literal_sql(value)
        )
    }

    /// A column as text; `place`: how SQL names it.
    fn text(&self, table: &TableName, column: &str, place: &str) -> String {
        let field = self
            .schema(table)
            .and_then(|s| s.field_with_name(column).ok());
        match field.is_some_and(|field| *field.data_type() == DataType::Utf8) {
            true => place.to_string(),
            false => format!("cast({place} as varchar)"),
        }
    }

    /// How the rows of a table stand beside ids; `None` where only one person's can be told.
    fn beside_ids(&self, kind: &EntityKind, table: &TableName) -> Option<BesideIds> {
        let rows = kind.tables.get(table)?;
        match &rows.link {
            Link::Id(id) => self.has(table, id).then(|| BesideIds {
                id: format!("r.\"{id}\""),
                from: format!("{table} as r"),
                tables: vec![table.clone()],
            }),
            Link::Record { columns, system } => {
                let ids = kind.ids.as_ref()?;
                let key = match system {
                    Some(_) => ids.keys.iter().find(|key| key.len() == 2)?,
                    None => ids.keys.first()?,
                };
                let mut key: Vec<&String> = key.iter().collect();
                let is_there = columns.iter().all(|column| self.has(table, column))
                    && key.iter().all(|column| self.has(&ids.table, column))
                    && self.has(&ids.table, &ids.id);
                let of_ids =
                    |column: &str| self.text(&ids.table, column, &format!("i.\"{column}\""));
                let mut equal = Vec::new();
                if let Some(system) = system {
                    equal.push(format!(
                        "{} = {}",
                        of_ids(key.remove(0)),
                        literal_sql(system)
                    ));
                }
                equal.extend(key.iter().zip(columns).map(|(key, column)| {
                    let own = self.text(table, column, &format!("r.\"{column}\""));
                    format!("{} = {own}", of_ids(key))
                }));
                (is_there && key.len() == columns.len()).then(|| BesideIds {
                    id: format!("i.\"{}\"", ids.id),
                    from: format!(
                        "{table} as r join {} as i on {}",
                        ids.table,
                        equal.join(" and ")
                    ),
                    tables: vec![table.clone(), ids.table.clone()],
                })
            }
            Link::Through { .. } | Link::Contact(_) => None,
        }
    }

    /// Whether a table tells what happened to the ids of a match step.
    fn is_of_ids(&self, kind: &EntityKind, table: &TableName) -> bool {
        let matching = kind.matching.as_ref();
        let matching = matching.and_then(|table| self.project.matches.get(table));
        matching.is_some_and(|matching| matching.tables.get(&MatchTable::Events) == Some(table))
    }

    async fn portrait(
        &self,
        kind: &EntityKind,
        found: Found,
        limit: Option<usize>,
    ) -> Result<Portrait> {
        let known = self.known(kind, &found.id).await?;
        let asked = kind
            .tables
            .iter()
            .filter(|(table, _)| self.contents.contains_key(*table));
        let asked: Vec<(&TableName, &RowsOf)> = asked.collect();
        let (known, id) = (&known, found.id.as_str());
        let rows = stream::iter(asked.iter().map(|(table, rows)| async move {
            let Some((condition, through)) = self.condition(kind, table, id, known) else {
                return Ok((0, None));
            };
            let mut tables = vec![*table];
            tables.extend(through);
            let sql = self.rows_sql(table, rows, &condition, limit);
            let batch = self.query(&tables, &sql).await?;
            let (count, batch) = counted(&batch)?;
            Ok::<_, Error>((count, Some(batch)))
        }));
        let rows: Vec<(u64, Option<RecordBatch>)> = rows.buffered(AT_ONCE).try_collect().await?;
        let has_rows: BTreeSet<&TableName> = asked
            .iter()
            .zip(&rows)
            .filter(|(_, (count, _))| *count > 0)
            .map(|((table, _), _)| *table)
            .collect();
        let mut tables = Vec::new();
        let mut others = Vec::new();
        for ((table, of), (count, batch)) in asked.iter().zip(rows) {
            let is_told_again = of.told_by.iter().any(|table| has_rows.contains(table));
            let is_own = matches!(of.link, Link::Id(_)) && of.part != Part::Person;
            // the records tell their ids themselves
            let is_ids = kind.ids.as_ref().is_some_and(|ids| ids.table == **table)
                && has_rows
                    .iter()
                    .any(|t| kind.tables[*t].part == Part::Records);
            match batch.filter(|_| count > 0 && !is_ids && (is_own || !is_told_again)) {
                Some(rows) => {
                    tables.push(self.told(kind, table, of, is_told_again, count, rows));
                }
                None => others.push(((*table).clone(), count)),
            }
        }
        tables.sort_by(|a, b| (a.part, &a.table).cmp(&(b.part, &b.table)));
        let named = |table: &&TableName| !kind.tables.contains_key(*table);
        let silent = self.project.tables().filter(named);
        let silent = silent.filter(|table| self.release.table(table).is_some());
        Ok(Portrait {
            shared: self.shared(kind, id, known).await?,
            silent: silent.cloned().collect(),
            id: found.id.clone(),
            is_redirected: found.is_redirected,
            release: self.release.number,
            as_of: self.release.as_of.clone(),
            tables,
            others,
        })
    }

    fn told(
        &self,
        kind: &EntityKind,
        table: &TableName,
        of: &RowsOf,
        is_told_again: bool,
        rows_count: u64,
        rows: RecordBatch,
    ) -> PortraitTable {
        let contract = self.project.contracts.get(table);
        let purposes = contract.into_iter().flat_map(|contract| &contract.purpose);
        let found_by = match &of.link {
            // of what happened to ids, both are told
            Link::Id(_) if self.is_of_ids(kind, table) => Vec::new(),
            Link::Id(column) | Link::Through { column, .. } => vec![column.clone()],
            Link::Record { columns, .. } => columns.clone(),
            Link::Contact(columns) => columns.iter().map(|(_, column)| column.clone()).collect(),
        };
        PortraitTable {
            table: table.clone(),
            part: of.part,
            description: contract.and_then(|contract| contract.description.clone()),
            purposes: purposes.map(|purpose| purpose.value.clone()).collect(),
            found_by,
            time: of.time.clone(),
            meanings: of.meanings.clone(),
            is_told_again,
            rows_count,
            rows,
        }
    }

    /// The records of a person, and the ways to reach them that stand in their records and rows.
    async fn known(&self, kind: &EntityKind, id: &str) -> Result<Known> {
        let mut known = Known::default();
        if let Some(ids) = kind
            .ids
            .as_ref()
            .filter(|ids| self.has(&ids.table, &ids.id))
        {
            known.records = self.records(ids, id).await?;
        }
        for (table, rows) in &kind.tables {
            let is_certain = match &rows.link {
                Link::Id(_) => matches!(rows.part, Part::Person | Part::Ids),
                Link::Record { system, .. } => system.is_none(),
                _ => false,
            };
            let wanted = |meaning: Meaning| {
                let columns = rows.meanings.iter();
                let columns =
                    columns.filter(move |(m, column)| *m == meaning && self.has(table, column));
                columns.map(|(_, column)| column.clone())
            };
            let emails: Vec<String> = wanted(Meaning::Email).collect();
            let phones: Vec<String> = wanted(Meaning::Phone).collect();
            if !is_certain || emails.len() + phones.len() == 0 {
                continue;
            }
            let Some((condition, _)) = self.condition(kind, table, id, &known) else {
                continue;
            };
            let columns: Vec<String> = emails
                .iter()
                .chain(&phones)
                .map(|column| format!("cast(\"{column}\" as varchar)"))
                .enumerate()
                .map(|(at, column)| format!("{column} as \"_{at}\""))
                .collect();
            let sql = format!(
                "select {} from {table} where {condition}",
                columns.join(", ")
            );
            for row in self.texts(&[table], &sql).await? {
                for (at, value) in row.into_iter().enumerate() {
                    let values = match at < emails.len() {
                        true => &mut known.emails,
                        false => &mut known.phones,
                    };
                    values.extend(value);
                }
            }
        }
        Ok(known)
    }

    async fn records(&self, ids: &IdTable, id: &str) -> Result<Vec<BTreeMap<String, String>>> {
        let keys = ids.keys.iter().flatten();
        let keys = keys.filter(|column| self.has(&ids.table, column));
        let columns: Vec<&String> = keys.collect::<BTreeSet<_>>().into_iter().collect();
        if columns.is_empty() {
            return Ok(Vec::new());
        }
        let wanted: Vec<String> = columns
            .iter()
            .map(|column| format!("cast(\"{column}\" as varchar) as \"{column}\""))
            .collect();
        let sql = format!(
            "select {} from {} where {}",
            wanted.join(", "),
            ids.table,
            self.equals(&ids.table, &ids.id, id)
        );
        let rows = self.texts(&[&ids.table], &sql).await?;
        let record = |row: Vec<Option<String>>| {
            let cells = columns.iter().zip(row);
            cells
                .filter_map(|(column, cell)| Some(((*column).clone(), cell?)))
                .collect()
        };
        Ok(rows.into_iter().map(record).collect())
    }

    /// Which rows of a table are the person's, and the other tables that the condition reads; `None` where none can be.
    fn condition<'k>(
        &self,
        kind: &'k EntityKind,
        table: &TableName,
        id: &str,
        known: &Known,
    ) -> Option<(String, Vec<&'k TableName>)> {
        let rows = kind.tables.get(table)?;
        let alternatives = |parts: Vec<String>| match parts.is_empty() {
            true => None,
            false => Some((format!("({})", parts.join(" or ")), Vec::new())),
        };
        match &rows.link {
            Link::Id(column) => {
                let own = self.equals(table, column, id);
                // that another became this one, or left it, is of this one's past
                let condition = match self.is_of_ids(kind, table) && self.has(table, "other_id") {
                    true => format!("({own} or {})", self.equals(table, "other_id", id)),
                    false => own,
                };
                self.has(table, column).then_some((condition, Vec::new()))
            }
            Link::Record { columns, system } => {
                if !columns.iter().all(|column| self.has(table, column)) {
                    return None;
                }
                let keys = &kind.ids.as_ref()?.keys;
                let key = match system {
                    Some(_) => keys.iter().find(|key| key.len() == 2)?,
                    None => keys.first()?,
                };
                let equal = |record: &BTreeMap<String, String>| {
                    let mut values: Vec<&String> = key
                        .iter()
                        .map(|column| record.get(column))
                        .collect::<Option<_>>()?;
                    if let Some(system) = system
                        && values.remove(0) != system
                    {
                        return None;
                    }
                    let pairs = columns.iter().zip(values);
                    let equal: Vec<String> = pairs
                        .map(|(column, value)| self.equals(table, column, value))
                        .collect();
                    Some(format!("({})", equal.join(" and ")))
                };
                alternatives(known.records.iter().filter_map(equal).collect())
            }
            Link::Contact(columns) => {
                let columns = columns.iter().filter(|(_, column)| self.has(table, column));
                let equal = columns.flat_map(|(meaning, column)| {
                    let values = match meaning {
                        Meaning::Email => &known.emails,
                        _ => &known.phones,
                    };
                    values.iter().map(|value| self.equals(table, column, value))
                });
                alternatives(equal.collect())
            }
            Link::Through {
                column,
                table: other,
                field,
            } => {
                if !self.has(table, column) || !self.has(other, field) {
                    return None;
                }
                let (condition, mut tables) = self.condition(kind, other, id, known)?;
                let (other, _) = kind.tables.get_key_value(other)?;
                tables.push(other);
                let condition =
                    format!("\"{column}\" in (select \"{field}\" from {other} where {condition})");
                Some((condition, tables))
            }
        }
    }

    /// The newest rows, and beside each how many there are in all.
    fn rows_sql(
        &self,
        table: &TableName,
        rows: &RowsOf,
        condition: &str,
        limit: Option<usize>,
    ) -> String {
        let time = rows.time.as_ref().filter(|column| self.has(table, column));
        let contract = self.project.contracts.get(table);
        let key = contract
            .map(|contract| contract.key_names())
            .unwrap_or_default();
        let mut order: Vec<String> = time
            .map(|column| format!("\"{column}\" desc nulls last"))
            .into_iter()
            .collect();
        // where there is no key, all columns that have an order
        let columns = match key.is_empty() {
            false => key,
            true => {
                let fields = self.schema(table).into_iter().flat_map(|s| s.fields());
                let fields = fields.filter(|field| !field.data_type().is_nested());
                fields.map(|field| field.name().as_str()).collect()
            }
        };
        let columns = columns.iter().filter(|column| self.has(table, column));
        order.extend(columns.map(|column| format!("\"{column}\"")));
        let limit = limit.map(|limit| format!(" limit {limit}"));
        format!(
            "select *, count(*) over () as \"{COUNT}\" from {table} where {condition} order by {}{}",
            order.join(", "),
            limit.unwrap_or_default()
        )
    }

    /// Addresses and numbers of the person that other people have too, in whatever form and table.
    async fn shared(
        &self,
        kind: &EntityKind,
        id: &str,
        known: &Known,
    ) -> Result<Vec<SharedContact>> {
        let mut found: BTreeMap<Meaning, BTreeSet<String>> = BTreeMap::new();
        for (table, rows) in &kind.tables {
            let is_asked = match &rows.link {
                Link::Id(_) => rows.part == Part::Person,
                Link::Record { system, .. } => system.is_none(),
                _ => false,
            };
            let Some(beside) = self.beside_ids(kind, table).filter(|_| is_asked) else {
                continue;
            };
            let columns = rows.meanings.iter();
            for (meaning, column) in columns.filter(|(_, column)| self.has(table, column)) {
                let text = self.text(table, column, &format!("r.\"{column}\""));
                if let Some(may_be) = known.may_be_sql(*meaning, &text) {
                    let others = self.others(&beside, id, &text, &may_be, *meaning, known);
                    found.entry(*meaning).or_default().extend(others.await?);
                }
            }
        }
        let shared = found.into_iter().filter(|(_, others)| !others.is_empty());
        Ok(shared
            .map(|(meaning, others)| SharedContact {
                meaning,
                others: others.len() as u64,
            })
            .collect())
    }

    /// Ids of others in whose rows a text is one of the person's addresses or numbers. `may_be`: which rows to look at.
    async fn others(
        &self,
        beside: &BesideIds,
        id: &str,
        text: &str,
        may_be: &str,
        meaning: Meaning,
        known: &Known,
    ) -> Result<Vec<String>> {
        let BesideIds {
            id: of,
            from,
            tables,
        } = beside;
        let sql = format!(
            "select distinct {of} as \"_0\", {text} as \"_1\" from {from} \
             where {may_be} and cast({of} as varchar) <> {}",
            literal_sql(id)
        );
        let tables: Vec<&TableName> = tables.iter().collect();
        let rows = self.texts(&tables, &sql).await?;
        let others = rows.into_iter().filter_map(|row| {
            let mut cells = row.into_iter();
            let (id, text) = (cells.next()??, cells.next()??);
            known.has(meaning, &text).then_some(id)
        });
        Ok(others.collect())
    }
}

impl Known {
    /// Which rows may hold one of the person's addresses or numbers in this column; `None` where they have none of its meaning.
    fn may_be_sql(&self, meaning: Meaning, text: &str) -> Option<String> {
        match meaning {
            Meaning::Email if !self.emails.is_empty() => {
                let form = |email: &String| literal_sql(&email.trim().to_lowercase());
                let forms: Vec<String> = self.emails.iter().map(form).collect();
                Some(format!("{} in ({})", email_sql(text), forms.join(", ")))
            }
            Meaning::Phone => may_be_phone_sql(text, self.phones.iter().map(String::as_str)),
            _ => None,
        }
    }

    /// Whether a text that may be one of the person's addresses or numbers is one.
    fn has(&self, meaning: Meaning, text: &str) -> bool {
        match meaning {
            Meaning::Phone => self.phones.iter().any(|own| is_same_phone(own, text)),
            _ => !text.trim().is_empty(),
        }
    }
}

/// Rows of a table `r`, each beside its id.
struct BesideIds {
    /// The id, as SQL.
    id: String,
    /// What stands behind `from`.
    from: String,
    tables: Vec<TableName>,
}

/// The rows without the column that counts them, and what it says.
fn counted(batch: &RecordBatch) -> Result<(u64, RecordBatch)> {
    let columns = batch.num_columns().saturating_sub(1);
    let counts = batch.column(columns).as_primitive_opt::<Int64Type>();
    let count = match counts {
        Some(counts) if !counts.is_empty() => counts.value(0).unsigned_abs(),
        _ => 0,
    };
    let kept: Vec<usize> = (0..columns).collect();
    let rows = batch
        .project(&kept)
        .map_err(|error| Error::internal("rows of a table do not fit together").caused_by(error))?;
    Ok((count, rows))
}

fn no_ids(project: &Project, outline: &Outline, table: Option<&TableName>) -> Error {
    if let Some(table) = table {
        return Error::config(format!("`{table}` is of no match step"));
    }
    if !outline.mistakes.is_empty() {
        return Error::from_diagnostics(outline.mistakes.clone());
    }
    Error::config(format!(
        "nothing in `{}` says which rows are of one person",
        project.name
    ))
    .help(
        "a match step gives people ids (docs/identity.md); `subject: {customer: COLUMN}` in a contract says which column holds \
         an id that is there",
    )
}

/// What was typed may be an address: it is not repeated.
fn nobody(release: &Release) -> Error {
    Error::config(format!(
        "release {} knows nobody of that name",
        release.number
    ))
    .help(
        "give an id (c_…), a record as its table writes the system and the key (crm:10442), or an address or number of theirs; \
         names are not searched",
    )
}
