//! The Delta home: the only importer of `deltalake`.
//!
//! In: physical plans, file sets. Out: Parquet files with statistics, digest and counters; bytes of Delta log entries.
//! Decides nothing: what is published, and when, is `release`'s business.

mod delta_log;
mod digest;
#[cfg(test)]
mod fixture;
mod path;
mod schema;
mod source_table;
mod write;

pub(crate) use delta_log::{DeltaLog, TableDefinition, TableIdentity};
pub(crate) use digest::{Digest, RowHasher};
pub(crate) use path::{is_log_entry, log_entry, log_folder, table_of_entry, table_of_log};
pub(crate) use source_table::{SourceFile, SourceTables, SourceVersion};
pub(crate) use write::{Layout, WriteSpec, Written, order_of, write_table, write_whole};

use crate::diagnostic::Code;
use crate::error::Error;

/// A table that another tool brought into a form which our scan would read wrongly.
fn foreign(message: impl Into<String>, place: &str) -> Error {
    Error::corrupt(message)
        .code(Code(801))
        .at(place)
        .help("undo it with the tool that did it, or restore the version of the last release")
}
