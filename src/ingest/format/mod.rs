//! Formats: bytes of an export → records as cells or arrays. One file per format behind one trait; all of them pass the
//! same conformance suite (`conformance`).
//!
//! A format finds records and says where they stand. What a value means is the conformer's business, where the result
//! goes the output's.

mod avro;
#[cfg(test)]
mod collections;
#[cfg(test)]
mod conformance;
mod csv;
mod delta;
mod fixed;
mod grammar;
mod json_document;
mod layout;
mod lines;
mod ndjson;
mod objects;
mod parquet;
mod paths;
mod records;
mod scratch;
mod skip;
mod xlsx;

use std::io::Read;
use std::path::Path;

use super::conform::{Conformer, Converter, Escaping};
use super::output::Output;
use crate::error::Result;
use crate::project::{Conversions, Encoding, Read as Declared};

pub(super) use avro::Damage;
pub(crate) use avro::text_of_avro;
pub(crate) use csv::{WrittenTable, read_table};
pub(super) use delta::{DeltaColumn, DeltaFiles};
pub(super) use layout::{has_no_name, shown};
pub(super) use lines::unreadable;
pub(super) use scratch::copy;
pub(crate) use xlsx::{sheet_header, sheet_names, sheet_rows};

/// Most rows of a batch.
pub(super) const BATCH_ROWS: usize = 8192;

/// Blocks of text, or batches, that are decoded on one thread before others help: most exports have no more.
const ALONE: usize = 4;

/// What a format needs besides the bytes.
pub(crate) struct Decoding<'a> {
    pub(crate) conformer: &'a Conformer,
    pub(crate) output: &'a mut Output,
    /// Path of the export below `raw`, for messages.
    pub(crate) file: &'a str,
    /// The longest record in bytes.
    pub(crate) max_record_bytes: usize,
    /// That may work on it at once.
    pub(crate) threads: usize,
    /// A file that the format may write and that is removed afterwards; for formats that cannot be streamed.
    pub(crate) scratch: &'a Path,
}

/// What a format saw beside the records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Names of the export's columns in order, where it says them.
    pub(crate) header: Option<Vec<String>>,
    /// Columns that the contract does not want; for nested formats dotted paths, in order, the first hundred.
    pub(crate) ignored: Vec<String>,
    /// Records without the list that is exploded, where none has it.
    pub(crate) without_list: u64,
}

/// A way to write records into bytes.
pub(crate) trait Format: Send {
    /// How this export's text becomes values.
    fn converter(&self) -> Converter;

    /// Hands every record to the output, accepted or rejected, in the order of the export.
    ///
    /// # Errors
    /// `Input` where the export as a whole cannot be read as declared (a column is missing, it is no Parquet file);
    /// `Unavailable` where storage fails.
    fn decode(&self, bytes: &mut dyn Read, task: Decoding<'_>) -> Result<Seen>;
}

/// The format that a source declares.
pub(crate) fn format(read: &Declared) -> Box<dyn Format> {
    match read {
        Declared::Csv(read) => Box::new(csv::Csv::new(read.clone())),
        Declared::Fixed(read) => Box::new(fixed::Fixed::new(read.clone())),
        Declared::Ndjson(read) => Box::new(ndjson::Ndjson::new(read.clone())),
        Declared::Json(read) => Box::new(json_document::JsonDocument::new(read.clone())),
        Declared::Xlsx(read) => Box::new(xlsx::Xlsx::new(read.clone())),
        Declared::Avro(read) => Box::new(avro::Avro::new(read.clone())),
        Declared::Parquet(read) => Box::new(parquet::Parquet::new(read.conversions.clone())),
        // its files; which they are, its log says
        Declared::Delta(read) => Box::new(parquet::Parquet::new(read.conversions.clone())),
    }
}

fn converter(conversions: &Conversions, encoding: Encoding, escaping: Escaping) -> Converter {
    Converter::new(conversions, encoding, escaping)
}
