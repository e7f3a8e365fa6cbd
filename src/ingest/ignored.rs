//! Names of keys and fields that an export has and nobody reads.

use std::collections::BTreeSet;

use crate::name::is_value;

/// Names that are remembered.
const MOST: usize = 100;

/// The first names that were met. A key that seems to be a value is told as `…`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ignored(BTreeSet<String>);

impl Ignored {
    /// Adds a key of an object that is told with this before it.
    pub(super) fn note(&mut self, prefix: &str, name: &[u8]) {
        if !self.is_full() {
            let name = String::from_utf8_lossy(name);
            let told = if is_value(&name) { "…" } else { &*name };
            self.0.insert(format!("{prefix}{told}"));
        }
    }

    /// Adds what was found later.
    pub(super) fn add(&mut self, names: impl IntoIterator<Item = String>) {
        for name in names {
            if self.is_full() {
                return;
            }
            self.0.insert(name);
        }
    }

    /// In order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// In order.
    pub(super) fn into_names(self) -> Vec<String> {
        self.0.into_iter().collect()
    }

    fn is_full(&self) -> bool {
        self.0.len() >= MOST
    }
}
