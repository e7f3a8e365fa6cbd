//! The guard of `load: replace`: an export with much fewer records than the one before it is more likely broken than true.

use super::super::export::ExportReport;

/// Of the records of the last export, so many percent are enough.
const ENOUGH_PERCENT: u64 = 80;

/// An export with too few records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shrunk {
    pub(crate) path: String,
    pub(crate) records: u64,
    /// The export that it was compared with, and its records.
    pub(crate) last: (String, u64),
}

/// The exports with too few records, of some in the order of their source. Each is compared with the last good one before
/// it, the first with `last`: path and records. Those that `is_trusted` names are good whatever they hold.
pub(crate) fn shrunk<'a>(
    last: Option<(String, u64)>,
    exports: impl Iterator<Item = &'a ExportReport>,
    is_trusted: impl Fn(&ExportReport) -> bool,
) -> Vec<Shrunk> {
    let (mut last, mut shrunk) = (last, Vec::new());
    for export in exports {
        match &last {
            Some((path, records))
                if !is_trusted(export) && has_too_few(export.records, *records) =>
            {
                shrunk.push(Shrunk {
                    path: export.path.clone(),
                    records: export.records,
                    last: (path.clone(), *records),
                });
            }
            _ => last = Some((export.path.clone(), export.records)),
        }
    }
    shrunk
}

fn has_too_few(records: u64, last: u64) -> bool {
    u128::from(records) * 100 < u128::from(last) * u128::from(ENOUGH_PERCENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_fifths_are_enough() {
        assert!(!has_too_few(80, 100));
        assert!(has_too_few(79, 100));
        assert!(has_too_few(0, 1));
        assert!(!has_too_few(0, 0));
        assert!(!has_too_few(200, 100));
    }
}
