//! Fields of structs that no column of the contract reads, neither the struct's own nor one that looks within it.

use std::collections::BTreeMap;

use super::nested::{camel_case, field_of};
use super::{Conformer, Target};
use crate::ingest::ignored::Ignored;
use crate::project::ColumnType;

impl Conformer {
    /// Of what no field of a column's type takes that which no other column reads either, as paths in the export.
    pub(crate) fn unread_fields(&self, found: &BTreeMap<usize, Ignored>) -> Vec<String> {
        let mut unread = Ignored::default();
        for (&at, ignored) in found {
            let paths = self.targets[at].paths();
            let others = || self.targets.iter().enumerate().filter(|(of, _)| *of != at);
            for name in ignored.names() {
                let within = |path: &String| format!("{path}.{name}");
                let is_read = |path: String| others().any(|(_, other)| other.reads(&path));
                if !paths.iter().map(within).any(is_read) {
                    unread.add(paths.first().map(within));
                }
            }
        }
        unread.into_names()
    }
}

impl Target {
    /// Where it may come from in the export, the first name first.
    fn paths(&self) -> Vec<String> {
        let own = [self.name.clone(), camel_case(&self.name)];
        let wanted = if self.from.is_empty() {
            &own[..]
        } else {
            &self.from
        };
        wanted.iter().chain(&self.aliases).cloned().collect()
    }

    /// Whether it comes from a path, from within it, or from a struct around it that has a field for it.
    fn reads(&self, path: &str) -> bool {
        let within = |outer: &str, inner: &str| {
            let rest = inner.strip_prefix(outer)?;
            rest.strip_prefix('.').map(str::to_string)
        };
        self.paths().iter().any(|own| {
            let field = within(own, path);
            own == path
                || within(path, own).is_some()
                || field.is_some_and(|field| has_field(&self.data_type, &field))
        })
    }
}

/// Whether a type has a place for such a field; lists have those of their items.
fn has_field(data_type: &ColumnType, path: &str) -> bool {
    let (name, rest) = match path.split_once('.') {
        Some((name, rest)) => (name, Some(rest)),
        None => (path, None),
    };
    match data_type {
        ColumnType::List(item) => has_field(item, path),
        ColumnType::Struct(fields) => {
            let names = fields.iter().map(|(name, _)| name.as_str());
            let found = field_of(name.as_bytes(), names);
            found.is_some_and(|(at, _)| rest.is_none_or(|rest| has_field(&fields[at].1, rest)))
        }
        _ => false,
    }
}
