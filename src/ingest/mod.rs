//! Exports → candidate rows of bronze tables, rejects and ledger.
//!
//!   object ─input▶ bytes ─format▶ cells ─conform▶ typed batches ─output▶ scratch files
//!                                             └─▶ rejects: file, line, byte, column, rule, raw text
//!   scratch files + present table ─load▶ the new table as a query, and what became of each record
//!
//! In: one object, its [`crate::project::Source`] and [`crate::project::Contract`]. Out: Arrow. Memory does not grow with
//! the export. Invariants: records = accepted + rejected for every export; a record is atomic; nothing is rounded or
//! guessed. Refuses to know: where tables lie, when something is published, user SQL.

mod archive;
mod archive_file;
mod cell;
mod conform;
mod delta;
mod drift;
mod encoded;
mod encoding;
mod export;
mod export_store;
mod flaw;
mod format;
mod gzip;
mod hash;
mod ignored;
mod input;
mod json;
mod key_order;
mod keys;
mod lanes;
mod ledger;
mod load;
mod look;
mod output;
mod parts;
mod reject;
mod rule;
#[cfg(test)]
mod sample;
mod scratch;
mod tape;
#[cfg(test)]
mod testing;
mod zip;

pub(crate) use archive_file::ArchiveFile;
pub(crate) use conform::{SOURCE_FILE, SOURCE_ROW, Spelling, spelling, table_schema};
pub(crate) use drift::{Drift, drift_of, must_fail};
pub(crate) use export::{
    Attempt, DecodedExport, Export, ExportReport, Limits, ReadExport, ReadRequest,
    UnreadableExport, check_rejects, decode_export,
};
pub(crate) use export_store::ExportStore;
pub(crate) use flaw::Flaw;
pub(crate) use format::{
    WrittenTable, read_table, sheet_header, sheet_names, sheet_rows, text_of_avro,
};
pub(crate) use input::unpacked;
pub(crate) use ledger::{
    FileStatus, Ledger, LedgerEntry, Standing, Unread, ledger_batch, ledger_entries, ledger_schema,
};
pub(crate) use load::{
    FileCounts, LoadReport, LoadRequest, Shrunk, Turn, load, scratch_table, shrunk,
};
pub(crate) use reject::rejects_schema;
pub(crate) use scratch::ScratchFile;
pub(crate) use zip::Archive;
