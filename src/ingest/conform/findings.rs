//! What conversions find beside values.

use crate::ingest::ignored::{Ignored, Key};
use crate::ingest::rule::{Fault, Rule};

/// What is wrong with values of one column, and what is in them that no field of its type takes.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) faults: Vec<Fault>,
    /// Paths within the values; an item of a list stands for all of them: `extra` of `lines[2].extra`.
    pub(crate) ignored: Ignored,
}

impl Findings {
    /// A row whose value is wrong.
    pub(super) fn fault(&mut self, row: usize, rule: Rule) {
        self.faults.push(Fault::new(row, rule));
    }

    /// Adds what was found in a field's values, of the same rows.
    pub(super) fn add_field(&mut self, field: &str, found: Self) {
        self.faults
            .extend(found.faults.into_iter().map(|fault| Fault {
                path: format!(".{field}{}", fault.path),
                ..fault
            }));
        let ignored = found.ignored.into_keys().map(|key| Key {
            within: format!("{field}.{}", key.within),
            ..key
        });
        self.ignored.add(ignored);
    }

    /// Adds what was found in the items of lists; `place` gives an item's row, and its place in that row's list.
    pub(super) fn add_items(
        &mut self,
        found: Self,
        place: impl Fn(usize) -> Option<(usize, usize)>,
    ) {
        for fault in found.faults {
            if let Some((row, at)) = place(fault.row) {
                let path = format!("[{at}]{}", fault.path);
                self.faults.push(Fault { row, path, ..fault });
            }
        }
        self.ignored.add(found.ignored.into_keys());
    }
}
