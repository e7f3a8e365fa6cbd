//! Fields of structs that no column of the contract reads, neither the struct's own nor one that looks within it.

use std::collections::BTreeMap;

use super::nested::{field_of, spelling};
use super::{Conformer, Target};
use crate::ingest::ignored::{Ignored, Key};
use crate::project::ColumnType;

/// A key within a struct's object: as the export spells it, but for what lies between the two, which is told by the names of
/// fields.
struct Found<'a> {
    column: &'a str,
    key: &'a Key,
}

impl Conformer {
    /// Of what no field of a column's type takes that which no other column reads either, below the first name of its column.
    pub(crate) fn unread_fields(&self, found: &BTreeMap<usize, Ignored>) -> Vec<String> {
        let paths: Vec<Vec<String>> = self.targets.iter().map(|t| self.paths(t)).collect();
        let list = self.explode.as_ref().map(|list| list.join("."));
        let mut unread = Ignored::default();
        for (&at, ignored) in found {
            let others = || (0..paths.len()).filter(|other| *other != at);
            for key in ignored.keys() {
                let is_read = |column: &String| {
                    let found = Found { column, key };
                    let is_list = |list: &String| found.rest_of(list).is_some();
                    list.iter().any(is_list)
                        || others().any(|at| found.is_read(&paths[at], &self.targets[at].data_type))
                };
                if !paths[at].iter().any(is_read) {
                    let own = paths[at].first().map_or("", String::as_str);
                    unread.note(&format!("{own}.{}", key.within), key.name.as_bytes());
                }
            }
        }
        unread.told()
    }

    /// Where a column may come from; a name is looked for in the items of the list, too.
    fn paths(&self, target: &Target) -> Vec<String> {
        let mut paths = target.paths();
        if let (true, Some(list)) = (target.is_by_name(), &self.explode) {
            let list = list.join(".");
            let within = paths.iter().map(|path| format!("{list}.{path}"));
            paths.extend(within.collect::<Vec<_>>());
        }
        paths
    }
}

impl Found<'_> {
    /// Its keys, and whether each is told by the name of a field.
    fn keys(&self) -> impl Iterator<Item = (&str, bool)> {
        let fields = self.key.within.split_terminator('.').map(|key| (key, true));
        let column = self.column.split('.').map(|key| (key, false));
        column
            .chain(fields)
            .chain(std::iter::once((self.key.name.as_str(), false)))
    }

    /// Whether a column of such paths and type comes from there, or from within, or is a struct around it that has a field for it.
    fn is_read(&self, paths: &[String], data_type: &ColumnType) -> bool {
        paths.iter().any(|path| {
            let field = self.below(path);
            self.rest_of(path).is_some() || field.is_some_and(|keys| has_field(data_type, &keys))
        })
    }

    /// The keys of a path that begins with all of these, behind them.
    fn rest_of<'p>(&self, path: &'p str) -> Option<Vec<&'p str>> {
        let mut rest = path.split('.');
        let mut own = self.keys();
        let begins = own.all(|key| rest.next().is_some_and(|other| is_same(key, other)));
        begins.then(|| rest.collect())
    }

    /// The keys behind those of a path that these begin with.
    fn below(&self, path: &str) -> Option<Vec<&str>> {
        let mut own = self.keys();
        let mut path = path.split('.');
        let begins = path.all(|other| own.next().is_some_and(|key| is_same(key, other)));
        begins.then(|| own.map(|(key, _)| key).collect())
    }
}

fn is_same((key, is_field): (&str, bool), other: &str) -> bool {
    key == other || is_field && spelling(key, other).is_some()
}

/// Whether a type has a place for a field; lists have those of their items.
fn has_field(data_type: &ColumnType, keys: &[&str]) -> bool {
    let [key, rest @ ..] = keys else {
        return true;
    };
    match data_type {
        ColumnType::List(item) => has_field(item, keys),
        ColumnType::Struct(fields) => {
            let names = fields.iter().map(|(name, _)| name.as_str());
            let found = field_of(key.as_bytes(), names);
            found.is_some_and(|(at, _)| has_field(&fields[at].1, rest))
        }
        _ => false,
    }
}
