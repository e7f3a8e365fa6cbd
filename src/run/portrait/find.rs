//! What was typed → whose portrait is asked for: an id, one that it replaced, a record, or an address or number of theirs.

use std::collections::BTreeSet;

use super::{BesideIds, Reader};
use crate::error::{Error, Result};
use crate::name::TableName;
use crate::plan::{EntityKind, Link, Part, is_identifier};
use crate::project::{MatchTable, Meaning};
use crate::release::Release;
use crate::sql_text::literal_sql;
use crate::text::normalize_email;

/// Who was found.
pub(super) struct Found {
    pub(super) id: String,
    pub(super) is_redirected: bool,
}

impl Reader<'_> {
    /// Whose id, record, address or number was typed.
    pub(super) async fn find(&self, kind: &EntityKind, asked: &str) -> Result<Option<Found>> {
        if self.is_id(kind, asked).await? {
            return Ok(Some(Found {
                id: asked.to_string(),
                is_redirected: false,
            }));
        }
        if let Some(heir) = self.redirect(kind, asked).await? {
            let id = heir.ok_or_else(|| retired(self.release))?;
            return Ok(Some(Found {
                id,
                is_redirected: true,
            }));
        }
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

    /// Ids of those who have an address or number, in any table that tells both or whose records have ids: as it was typed, and
    /// where nobody has it so, in any form that means the same.
    async fn of_identifier(&self, kind: &EntityKind, asked: &str) -> Result<BTreeSet<String>> {
        let mut found = BTreeSet::new();
        for is_as_typed in [true, false] {
            for (table, rows) in &kind.tables {
                let Some(beside) = self.beside_ids(kind, table) else {
                    continue;
                };
                let columns = rows.meanings.iter().filter(|(meaning, column)| {
                    is_identifier(*meaning)
                        && rows.link != Link::Id(column.clone())
                        && self.has(table, column)
                });
                let conditions = columns.filter_map(|(meaning, column)| {
                    let text = self.text(table, column, &format!("r.\"{column}\""));
                    match is_as_typed {
                        true => Some(format!("{text} = {}", literal_sql(asked))),
                        false => means_sql(*meaning, &text, asked),
                    }
                });
                let conditions: Vec<String> = conditions.collect();
                if conditions.is_empty() {
                    continue;
                }
                let BesideIds { id, from, tables } = &beside;
                let sql = format!(
                    "select distinct {id} from {from} where {}",
                    conditions.join(" or ")
                );
                let tables: Vec<&TableName> = tables.iter().collect();
                let rows = self.texts(&tables, &sql).await?;
                found.extend(rows.into_iter().filter_map(|mut row| row.pop()?));
            }
            if !found.is_empty() {
                break;
            }
        }
        Ok(found)
    }

    async fn ids_where(&self, table: &TableName, id: &str, condition: &str) -> Result<Vec<String>> {
        let sql = format!("select distinct \"{id}\" from {table} where {condition}");
        let rows = self.texts(&[table], &sql).await?;
        Ok(rows.into_iter().filter_map(|mut row| row.pop()?).collect())
    }
}

/// The form in which addresses and numbers are equal however they are written: an address in small letters, of a number the digits
/// without zeros before them.
pub(super) fn form_sql(meaning: Meaning, text: &str) -> String {
    match meaning {
        Meaning::Phone => format!("ltrim(regexp_replace({text}, '[^0-9]', '', 'g'), '0')"),
        Meaning::NationalId => format!("upper(regexp_replace({text}, '[^0-9A-Za-z]', '', 'g'))"),
        _ => format!("lower(trim({text}))"),
    }
}

/// Digits of a phone number without its country, at least: fewer are no number that one person alone has.
const LEAST_DIGITS: usize = 8;

/// Whether a text means what was typed, as SQL; `None` where what was typed is no such thing.
fn means_sql(meaning: Meaning, text: &str, asked: &str) -> Option<String> {
    let form = form_sql(meaning, text);
    match meaning {
        Meaning::Email => {
            let address = normalize_email(asked)?;
            Some(format!("{form} = {}", literal_sql(&address.to_lowercase())))
        }
        Meaning::Phone => {
            let digits: String = asked.chars().filter(char::is_ascii_digit).collect();
            let digits = digits.trim_start_matches('0');
            let is_number = asked
                .chars()
                .all(|c| c.is_ascii_digit() || "+-()/. \u{a0}".contains(c));
            if !is_number || digits.len() < LEAST_DIGITS {
                return None;
            }
            // one of the two may have a calling code before it, which has up to three digits
            let (typed, length) = (literal_sql(digits), digits.len());
            let with_code = format!(
                "ends_with({form}, {typed}) and character_length({form}) <= {}",
                length + 3
            );
            let without_code = format!(
                "ends_with({typed}, {form}) and character_length({form}) >= {}",
                LEAST_DIGITS.max(length.saturating_sub(3))
            );
            Some(format!("({with_code} or {without_code})"))
        }
        Meaning::NationalId => {
            let code: String = asked.chars().filter(char::is_ascii_alphanumeric).collect();
            (!code.is_empty()).then(|| format!("{form} = {}", literal_sql(&code.to_uppercase())))
        }
        _ => None,
    }
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
}

/// Their ids may be values of cells: they are not listed.
fn several(ids: &BTreeSet<String>) -> Error {
    Error::config(format!("{} people go by that", ids.len()))
        .help("ask by an id, or by a record with its system (crm:10442)")
}
