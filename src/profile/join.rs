//! Joins that would fit: a column whose values are nearly all among those of another table's key.

use serde::Serialize;

use super::column::ColumnProfile;
use super::meaning::name_words;
use super::table::TableProfile;
use crate::column_type::ColumnType;

/// Joins of one column that are told of.
const MOST: usize = 2;

/// A column that refers to another table's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Join {
    pub(crate) table: String,
    pub(crate) column: String,
    pub(crate) to_table: String,
    pub(crate) to_column: String,
    /// Of the column's different values, those that the other has too; from 0 to 1.
    pub(crate) share: f64,
}

/// The joins that fit, best first for each column.
pub(super) fn joins(tables: &[TableProfile]) -> Vec<Join> {
    let mut joins = Vec::new();
    for table in tables {
        for column in table.columns.iter().filter(|column| may_refer(column)) {
            let mut found: Vec<(bool, Join)> = Vec::new();
            for other in tables.iter().filter(|other| other.name != table.name) {
                let keys = other
                    .columns
                    .iter()
                    .filter(|key| may_be_referred_to(key, other));
                for key in keys {
                    let share = column.values.share_in(&key.values).unwrap_or(0.0);
                    if fits(column, key, other, share) && !is_the_key(table, column, other, key) {
                        let join = Join {
                            table: table.name.clone(),
                            column: column.name.clone(),
                            to_table: other.name.clone(),
                            to_column: key.name.clone(),
                            share,
                        };
                        found.push((other.key == [key.name.clone()], join));
                    }
                }
            }
            // the table that the key names, before others that have it too
            found.sort_by(|(is_key, one), (other_is_key, other)| {
                other_is_key
                    .cmp(is_key)
                    .then(other.share.total_cmp(&one.share))
            });
            joins.extend(found.into_iter().take(MOST).map(|(_, join)| join));
        }
    }
    joins
}

/// Whether it is the other column that refers to this one: both may be taken for keys, and only this one is its table's.
fn is_the_key(
    table: &TableProfile,
    column: &ColumnProfile,
    other: &TableProfile,
    key: &ColumnProfile,
) -> bool {
    let owns = |table: &TableProfile, column: &ColumnProfile| table.key == [column.name.clone()];
    owns(table, column) && (!owns(other, key) || table.rows > other.rows)
}

fn is_of_keys(column: &ColumnProfile) -> bool {
    let data_type = &column.data_type;
    let is_exact = matches!(
        data_type,
        ColumnType::Varchar | ColumnType::Bigint | ColumnType::Integer | ColumnType::Decimal { .. }
    );
    is_exact && column.longest <= 80
}

fn may_refer(column: &ColumnProfile) -> bool {
    is_of_keys(column) && column.distinct >= 2
}

fn may_be_referred_to(key: &ColumnProfile, table: &TableProfile) -> bool {
    is_of_keys(key)
        && key.distinct >= 2
        && (key.is_unique || (table.key.len() == 1 && table.key[0] == key.name))
}

/// Names that say the same need less to agree; small whole numbers agree with everything.
fn fits(column: &ColumnProfile, key: &ColumnProfile, table: &TableProfile, share: f64) -> bool {
    let (mine, theirs) = (name_words(&column.name), name_words(&key.name));
    let common = share * column.distinct as f64;
    if common < 2.0 {
        return false;
    }
    let is_plain = |words: &str| matches!(words, "id" | "nr" | "no" | "number" | "name" | "value");
    if is_plain(&theirs) {
        // `contact_id` and the `id` of a file of contacts
        let entity = mine
            .strip_suffix(&theirs)
            .map(str::trim)
            .unwrap_or_default();
        let entity = entity.rsplit(' ').next().unwrap_or_default();
        let of_table = name_words(&table.name);
        let is_named = entity.len() > 2
            && of_table
                .split(' ')
                .any(|word| word == entity || word == format!("{entity}s"));
        return is_named && share >= 0.5;
    }
    if is_plain(&mine) {
        return false;
    }
    let is_same = mine == theirs
        || mine.ends_with(&format!(" {theirs}"))
        || theirs.ends_with(&format!(" {mine}"));
    if is_same {
        return share >= 0.5;
    }
    let is_text = |column: &ColumnProfile| column.data_type == ColumnType::Varchar;
    let is_telling = common >= 20.0 && is_text(column) && is_text(key) && column.longest >= 4;
    is_telling && share >= 0.9
}
