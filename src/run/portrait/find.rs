//! What was typed → whose portrait is asked for: an id, one that it replaced, a record, or an address or number of theirs.

use std::collections::BTreeSet;

use super::{BesideIds, Reader};
use crate::error::{Error, Result};
use crate::identity::hash_of_id;
use crate::name::TableName;
use crate::plan::{EntityKind, Link, Part, is_identifier};
use crate::project::{MatchTable, Meaning};
use crate::release::Release;
use crate::sql_text::literal_sql;
use crate::text::{is_same_phone, normalize_email};

/// Who was found.
pub(super) struct Found {
    pub(super) id: String,
    pub(super) is_redirected: bool,
}

impl Reader<'_> {
    /// Whose id was typed, or one that theirs replaced.
    pub(super) async fn find_id(&self, kind: &EntityKind, asked: &str) -> Result<Option<Found>> {
        if self.is_id(kind, asked).await? {
            return Ok(Some(Found {
                id: asked.to_string(),
                is_redirected: false,
            }));
        }
        let Some(heir) = self.redirect(kind, asked).await? else {
            return Ok(None);
        };
        Ok(Some(Found {
            id: heir.ok_or_else(|| retired(self.release))?,
            is_redirected: true,
        }))
    }

    /// Whose record, address or number was typed.
    pub(super) async fn find_owner(&self, kind: &EntityKind, asked: &str) -> Result<Option<Found>> {
        let mut ids = self.of_record(kind, asked).await?;
        if ids.is_empty() {
            ids = self.of_identifier(kind, asked).await?;
        }
        let mut all = ids.iter();
        match (all.next(), all.next()) {
            (Some(id), None) => Ok(Some(Found {
                id: id.clone(),
                is_redirected: false,
            })),
            (None, _) => Ok(None),
            _ => Err(several(&ids)),
        }
    }

    async fn is_id(&self, kind: &EntityKind, asked: &str) -> Result<bool> {
        for (table, id) in anchors(kind) {
            if !self.has(table, id) {
                continue;
            }
            let equal = self.equals(table, id, asked);
            let sql = format!("select 1 from {table} where {equal} limit 1");
            if self.query(&[table], &sql).await?.num_rows() > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The id that stands for one that is gone; inner `None` where nobody does.
    async fn redirect(&self, kind: &EntityKind, asked: &str) -> Result<Option<Option<String>>> {
        let matching = kind.matching.as_ref();
        let matching = matching.and_then(|table| self.project.matches.get(table));
        let table = matching.and_then(|matching| matching.tables.get(&MatchTable::Redirects));
        let Some(table) = table.filter(|table| self.contents.contains_key(*table)) else {
            return Ok(None);
        };
        let equal = self.equals(table, "old_id", asked);
        let sql = format!("select new_id from {table} where {equal}");
        let rows = self.texts(&[table], &sql).await?;
        Ok(rows.into_iter().next().and_then(|mut row| row.pop()))
    }

    /// Ids of a record, by any key of the table of ids: its parts with `:` between.
    async fn of_record(&self, kind: &EntityKind, asked: &str) -> Result<BTreeSet<String>> {
        let mut found = BTreeSet::new();
        let Some(ids) = &kind.ids else {
            return Ok(found);
        };
        for key in &ids.keys {
            let parts: Vec<&str> = asked.splitn(key.len(), ':').collect();
            if parts.len() < key.len() || !key.iter().all(|column| self.has(&ids.table, column)) {
                continue;
            }
            let pairs = key.iter().zip(parts);
            let equal: Vec<String> = pairs
                .map(|(column, part)| self.equals(&ids.table, column, part))
                .collect();
            found.extend(
                self.ids_where(&ids.table, &ids.id, &equal.join(" and "))
                    .await?,
            );
        }
        Ok(found)
    }

    /// Ids of those who have an address or number, in any table that tells both or whose records have ids: as it was typed, and in
    /// any form that means the same. Whoever has it in another form is one of those who go by it.
    async fn of_identifier(&self, kind: &EntityKind, asked: &str) -> Result<BTreeSet<String>> {
        let mut found = BTreeSet::new();
        for (table, rows) in &kind.tables {
            let Some(beside) = self.beside_ids(kind, table) else {
                continue;
            };
            let columns = rows.meanings.iter().filter(|(meaning, column)| {
                is_identifier(*meaning)
                    && rows.link != Link::Id(column.clone())
                    && self.has(table, column)
            });
            let mut wanted = Wanted::default();
            for (meaning, column) in columns {
                let text = self.text(table, column, &format!("r.\"{column}\""));
                wanted.add(*meaning, &text, asked);
            }
            let Some(sql) = wanted.sql(&beside) else {
                continue;
            };
            let tables: Vec<&TableName> = beside.tables.iter().collect();
            let rows = self.texts(&tables, &sql).await?;
            found.extend(rows.into_iter().filter_map(|row| {
                let mut cells = row.into_iter();
                let (id, is_it) = (cells.next()??, cells.next()?);
                let mut numbers = cells.flatten();
                let is_it = is_it.as_deref() == Some("true")
                    || numbers.any(|number| is_same_phone(&number, asked));
                is_it.then_some(id)
            }));
        }
        Ok(found)
    }

    async fn ids_where(&self, table: &TableName, id: &str, condition: &str) -> Result<Vec<String>> {
        let sql = format!("select distinct \"{id}\" from {table} where {condition}");
        let rows = self.texts(&[table], &sql).await?;
        Ok(rows.into_iter().filter_map(|mut row| row.pop()?).collect())
    }
}

/// What is asked of a table to find those who have an address or number.
#[derive(Default)]
struct Wanted {
    /// Each alone says that a row is of such a person.
    equal: Vec<String>,
    /// Columns of phone numbers, and which rows of them may have the one that was typed.
    numbers: Vec<(String, String)>,
}

impl Wanted {
    /// Adds a column, by its meaning and how SQL reads it as text.
    fn add(&mut self, meaning: Meaning, text: &str, asked: &str) {
        self.equal.push(format!("{text} = {}", literal_sql(asked)));
        match meaning {
            Meaning::Email => {
                let address = normalize_email(asked);
                let address = address.map(|address| literal_sql(&address.to_lowercase()));
                let equal = address.map(|address| format!("{} = {address}", email_sql(text)));
                self.equal.extend(equal);
            }
            Meaning::NationalId => {
                let form = national_id_form(asked).map(|form| literal_sql(&form));
                let equal = form.map(|form| format!("{} = {form}", national_id_sql(text)));
                self.equal.extend(equal);
            }
            Meaning::Phone if digits(asked).len() >= LEAST_DIGITS => {
                let may_be = may_be_phone_sql(text, [asked]);
                let number = may_be.map(|may_be| (text.to_string(), may_be));
                self.numbers.extend(number);
            }
            _ => {}
        }
    }

    /// Ids, whether an address or number of theirs is the one that was typed, and phone numbers that may be; `None` where there is
    /// no column to ask.
    fn sql(&self, beside: &BesideIds) -> Option<String> {
        if self.equal.is_empty() {
            return None;
        }
        let equal = self.equal.join(" or ");
        let mut columns = vec![beside.id.clone(), format!("({equal})")];
        columns.extend(self.numbers.iter().map(|(number, _)| number.clone()));
        let columns = columns.iter().enumerate();
        let columns: Vec<String> = columns.map(|(at, c)| format!("{c} as \"_{at}\"")).collect();
        let numbers = self
            .numbers
            .iter()
            .map(|(_, may_be)| format!(" or {may_be}"));
        Some(format!(
            "select distinct {} from {} where {equal}{}",
            columns.join(", "),
            beside.from,
            numbers.collect::<String>()
        ))
    }
}

/// The form in which e-mail addresses are equal however they are written.
pub(super) fn email_sql(text: &str) -> String {
    format!("lower(trim({text}))")
}

/// The form in which national ids are equal however they are written: letters and digits, and of twelve digits without the
/// century, which many leave out.
fn national_id_sql(text: &str) -> String {
    let code = format!("upper(regexp_replace({text}, '[^0-9A-Za-z]', '', 'g'))");
    format!("regexp_replace({code}, '^(18|19|20)([0-9]{{10}})$', '\\2')")
}

/// As [`national_id_sql`], of what was typed; `None` where that is no such thing.
fn national_id_form(asked: &str) -> Option<String> {
    let code: String = asked.chars().filter(char::is_ascii_alphanumeric).collect();
    let code = code.to_uppercase();
    let century = ["18", "19", "20"]
        .iter()
        .find_map(|of| code.strip_prefix(of));
    let short = century.filter(|rest| rest.len() == 10 && rest.bytes().all(|b| b.is_ascii_digit()));
    (!code.is_empty()).then(|| short.unwrap_or(&code).to_string())
}

/// Digits of a phone number as one types it, at least: an Icelandic one has no more, and fewer are no number that one person alone
/// has.
const LEAST_DIGITS: usize = 7;

/// Digits in which two forms of a phone number end alike, whatever stands before.
const LAST_DIGITS: usize = 6;

fn digits(number: &str) -> String {
    number.chars().filter(char::is_ascii_digit).collect()
}

/// Whether a text may be one of these phone numbers, since it ends as they do; [`is_same_phone`] says whether it is. `None` where
/// none of them is a number.
pub(super) fn may_be_phone_sql<'a>(
    text: &str,
    numbers: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let ends = numbers.into_iter().filter_map(|number| {
        let digits = digits(number);
        let from = digits.len().checked_sub(LAST_DIGITS)?;
        Some(literal_sql(&digits[from..]))
    });
    let ends: BTreeSet<String> = ends.collect();
    let ends: Vec<String> = ends.into_iter().collect();
    (!ends.is_empty()).then(|| {
        format!(
            "right(regexp_replace({text}, '[^0-9]', '', 'g'), {LAST_DIGITS}) in ({})",
            ends.join(", ")
        )
    })
}

/// Tables that hold every id: that of the ids, else those of the people.
fn anchors(kind: &EntityKind) -> Vec<(&TableName, &String)> {
    if let Some(ids) = &kind.ids {
        return vec![(&ids.table, &ids.id)];
    }
    let tables = kind.tables.iter();
    let people = tables.filter(|(_, rows)| matches!(rows.part, Part::Person | Part::Figures));
    people
        .filter_map(|(table, rows)| match &rows.link {
            Link::Id(id) => Some((table, id)),
            _ => None,
        })
        .collect()
}

fn retired(release: &Release) -> Error {
    Error::config(format!(
        "this id is retired: in release {} no record is left of it",
        release.number
    ))
    .help("`--release N` shows the person as an older release knew them")
}

/// Ids that a match issued are listed; others may be values of cells.
fn several(ids: &BTreeSet<String>) -> Error {
    /// Ids that are listed.
    const LISTED: usize = 5;
    let told = Error::config(format!("{} people go by that", ids.len()));
    if ids.iter().any(|id| hash_of_id(id).is_none()) {
        return told.help("ask by an id, or by a record with its system (crm:10442)");
    }
    let listed: Vec<&str> = ids.iter().take(LISTED).map(String::as_str).collect();
    let more = match ids.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    told.help(format!(
        "ask by one of their ids: {}{more}",
        listed.join(", ")
    ))
}
