//! Names of keys and fields that an export has and nobody reads.

use std::collections::BTreeSet;

use crate::name::is_value;

/// Names that are remembered, and keys that seem to be values: some may be read elsewhere, which turns out later.
const MOST: usize = 1_000;
/// Names that are told.
const MOST_TOLD: usize = 100;

/// The first names that were met. A key that seems to be a value itself is told as `…`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ignored {
    names: BTreeSet<Key>,
    values: BTreeSet<Key>,
}

/// A key of an object, and what is told before it: `address.` and `zip`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) within: String,
    pub(super) name: String,
}

impl Ignored {
    /// Adds a key of an object that is told with this before it.
    pub(super) fn note(&mut self, within: &str, name: &[u8]) {
        self.add([Key {
            within: within.to_string(),
            name: String::from_utf8_lossy(name).into_owned(),
        }]);
    }

    /// Adds what was found later.
    pub(super) fn add(&mut self, keys: impl IntoIterator<Item = Key>) {
        for key in keys {
            let known = match is_value(&key.name) {
                true => &mut self.values,
                false => &mut self.names,
            };
            if known.len() < MOST {
                known.insert(key);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty() && self.values.is_empty()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.names.iter().chain(&self.values)
    }

    pub(super) fn into_keys(self) -> impl Iterator<Item = Key> {
        self.names.into_iter().chain(self.values)
    }

    /// As people are told, the first in order.
    pub(super) fn told(self) -> Vec<String> {
        let names = self.names.into_iter().map(|key| key.within + &key.name);
        let values = self.values.into_iter().map(|key| key.within + "…");
        let told: BTreeSet<String> = names.chain(values).collect();
        told.into_iter().take(MOST_TOLD).collect()
    }
}
