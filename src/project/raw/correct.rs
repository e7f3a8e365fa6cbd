//! `- correct:` as written.

use super::super::Spanned;
use super::declare::section;
use crate::name::TableName;

section! {
    /// A table as people corrected it. Makes the table named: the rows of the other with corrections in their place, and
    /// `corrected_columns`, which names those of each row; and `…_corrections`: what became of each correction.
    RawCorrect {
        /// The corrected table, for SQL to read. It is part of what reads it, and published where its contract says
        /// `materialized: table`.
        table: Spanned<TableName>,
        /// The table that is corrected, as a source lands it. Its contract says what names a record, `key`, and which types
        /// values have.
        of: Spanned<TableName>,
        /// The table of corrections: `table`, `key`, `column`, `value` and `on` (a `date` or `timestamp`), and where wanted `by`
        /// and `reason`.
        corrections: Spanned<TableName>,
    }
}
