//! `crm/customers_{exported_on:%Y%m%d}*.csv.gz`: which files belong to a source, and what their paths say.

use std::collections::BTreeMap;

use chrono::NaiveDateTime;

/// A pattern over paths below `raw`: `*` within a folder, `**` across folders, `{column}` and `{column:%Y%m%d}` capture.
#[derive(Clone, Debug)]
pub(crate) struct PathPattern {
    /// As written.
    pub(crate) text: String,
}

/// What a path says of its export.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Captures {
    /// The captured time, by which exports are ordered; the path decides among equals and where none is captured.
    pub(crate) ordered_at: Option<NaiveDateTime>,
    /// Captured text by column name; a time in ISO 8601 (`2026-03-01` where the format has no time of day).
    pub(crate) columns: BTreeMap<String, String>,
}
