//! Avro containers: records of one schema in blocks, each packed for itself.
//!
//!   header: schema, codec, mark ─▶ blocks ─[`container`]▶ bytes of records ─[`value`]▶ JSON text ─▶ paths, as of any JSON
//!
//! A record is written down as the JSON object that it is, dates and times in ISO 8601, decimals digit by digit, so that nested
//! paths, lists and `explode` mean what they mean in JSON. A union is the value that it holds. A block that is damaged ends the
//! export: where the next record would begin, nobody knows.

mod container;
mod schema;
mod value;

use std::fmt;
use std::io::Read;

use super::objects::{Objects, Room};
use super::paths::Paths;
use super::{Decoding, Format, Seen, converter, layout};
use crate::diagnostic::Code;
use crate::error::{Error, Result};
use crate::ingest::conform::{Converter, Escaping};
use crate::ingest::output::Place;
use crate::ingest::rule::Rule;
use crate::project::{AvroRead, Conversions, Encoding};
use container::Container;
use schema::Schema;
use value::Values;

/// The first records of a container that no source declares yet, a line of JSON each, up to so many bytes; and whether these
/// are all.
///
/// # Errors
/// `Input` for what is no container, or a damaged one.
pub(crate) fn text_of_avro(
    bytes: &mut dyn Read,
    file: &str,
    most: usize,
) -> Result<(String, bool)> {
    let refused = |fault: Fault| fault.error(file);
    let damage = |byte: u64, what: String| refused(Fault::Damage(Damage { byte, what }));
    let mut text = Vec::new();
    let mut is_whole = true;
    if let Some(mut container) = Container::open(bytes).map_err(refused)? {
        let schema = Schema::parse(container.schema()).map_err(|what| damage(0, what))?;
        while is_whole && let Some(block) = container.next().map_err(refused)? {
            let mut values = Values::new(&block.bytes, most);
            for _ in 0..block.records {
                let start = text.len();
                let is_kept = values
                    .record(&schema, &mut text)
                    .map_err(|what| damage(block.byte, what))?;
                if !is_kept || text.len() > most {
                    text.truncate(start);
                    is_whole = false;
                    break;
                }
                text.push(b'\n');
            }
        }
    }
    Ok((String::from_utf8_lossy(&text).into_owned(), is_whole))
}

/// Text of records that wait to be handed over together.
const BATCH_BYTES: usize = 8 << 20;
/// Of a record that is too long, so much is kept for people to look at.
const KEPT_BYTES: usize = 4096;

/// Avro, read as a source declares.
pub(super) struct Avro {
    read: AvroRead,
}

impl Avro {
    pub(super) fn new(read: AvroRead) -> Self {
        Self { read }
    }
}

impl Format for Avro {
    fn converter(&self) -> Converter {
        // what is a date or a time by its type is written in ISO 8601, whatever texts are
        let mut conversions: Conversions = self.read.conversions.clone();
        if !conversions.dates.is_empty() {
            conversions.dates.push("%Y-%m-%d".to_string());
        }
        if !conversions.times.is_empty() {
            for format in ["%Y-%m-%dT%H:%M:%S%.f%:z", "%Y-%m-%dT%H:%M:%S%.f"] {
                conversions.times.push(format.to_string());
            }
        }
        converter(&conversions, Encoding::Utf8, Escaping::doubled(b"\""))
    }

    fn decode(&self, bytes: &mut dyn Read, mut task: Decoding<'_>) -> Result<Seen> {
        let file = task.file;
        let refused = |fault: Fault| fault.error(file);
        let Some(mut container) = Container::open(bytes).map_err(refused)? else {
            return Ok(Seen::default());
        };
        let schema = Schema::parse(container.schema()).map_err(|what| {
            let byte = 0;
            refused(Fault::Damage(Damage { byte, what }))
        })?;
        self.refuse_missing(&schema, &task)?;
        let mut paths = Paths::of(task.conformer);
        paths.has_bytes = true;
        let mut batch = Batch {
            text: Vec::new(),
            objects: Objects::new(paths, Room::default()),
            line: 0,
        };
        while let Some(block) = container.next().map_err(refused)? {
            let mut values = Values::new(&block.bytes, task.max_record_bytes);
            for _ in 0..block.records {
                batch.line += 1;
                let start = batch.text.len();
                let is_whole = values.record(&schema, &mut batch.text).map_err(|what| {
                    let byte = block.byte;
                    refused(Fault::Damage(Damage { byte, what }))
                })?;
                batch.take(start, is_whole, &task);
                if batch.is_full() {
                    batch.write(&mut task)?;
                }
            }
            if !values.is_at_end() {
                let what = "holds more than its records".to_string();
                return Err(refused(Fault::Damage(Damage {
                    byte: block.byte,
                    what,
                })));
            }
        }
        batch.write(&mut task)?;
        Ok(batch.objects.into_parts().1.seen())
    }
}

impl Avro {
    /// # Errors
    /// `Input` K0401 where no record can have a column of the contract: the schema says so before the first.
    fn refuse_missing(&self, schema: &Schema, task: &Decoding<'_>) -> Result<()> {
        let within = |path: &str| {
            let list = self.read.explode.as_deref()?;
            Some(format!("{}.{path}", list.join(".")))
        };
        let is_there =
            |path: &str| schema.has(path) || within(path).is_some_and(|path| schema.has(&path));
        layout::refuse_missing_paths(task.conformer, &schema.names(), is_there, task.file)
    }
}

/// Records on their way to the output, as text.
struct Batch {
    text: Vec<u8>,
    objects: Objects,
    /// Number of the last record, from 1.
    line: i64,
}

impl Batch {
    fn is_full(&self) -> bool {
        self.objects.is_full() || self.text.len() >= BATCH_BYTES
    }

    /// Takes the record whose text begins at `start`.
    fn take(&mut self, start: usize, is_whole: bool, task: &Decoding<'_>) {
        let converter = &task.conformer.converter;
        if !is_whole {
            self.text.truncate(start + KEPT_BYTES);
        }
        let end = self.text.len();
        let place = Place {
            start,
            end,
            line: self.line,
            byte: None,
        };
        match is_whole {
            true => self.objects.push(&self.text, place, end, converter),
            false => {
                let rule = Rule::RecordTooLong;
                self.objects.reject(&self.text, place, rule, converter);
            }
        }
    }

    fn write(&mut self, task: &mut Decoding<'_>) -> Result<()> {
        self.objects.write(&self.text, task)?;
        self.text.clear();
        Ok(())
    }
}

/// What is wrong with a container, and where.
#[derive(Debug)]
pub(in crate::ingest) struct Damage {
    /// Of the export's content; of a damaged block its first.
    pub(in crate::ingest) byte: u64,
    /// Said of what begins there.
    what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.byte {
            0 => write!(f, "the header {}", self.what),
            byte => write!(f, "the block that begins at byte {byte} {}", self.what),
        }
    }
}

impl std::error::Error for Damage {}

/// Why no further record can be read.
#[derive(Debug)]
enum Fault {
    Damage(Damage),
    Storage(std::io::Error),
}

impl Fault {
    fn error(self, file: &str) -> Error {
        match self {
            Self::Storage(error) => super::unreadable(error, file),
            Self::Damage(damage) => {
                Error::input("the export is no Avro container, or a damaged one")
                    .code(Code(356))
                    .at(file)
                    .help("check `read` of the source; ask the sender to deliver the file again")
                    .caused_by(damage)
            }
        }
    }
}

#[cfg(test)]
pub(super) mod fixture;
#[cfg(test)]
mod tests;
