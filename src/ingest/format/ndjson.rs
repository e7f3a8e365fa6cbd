//! One JSON object a line.
//!
//! Columns are found by path: `address.postalCode` walks into objects. A column without `from` takes the key of its own
//! name, else that name in camelCase; a key that is not there is null. Empty lines are no records.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use super::csv::{long_line, raw_text};
use super::json::{JsonReader, Malformed};
use super::lines::Window;
use super::{BATCH_ROWS, Decoding, Format, Seen, converter};
use crate::error::Result;
use crate::ingest::cell::Cell;
use crate::ingest::conform::{Breach, Conformer, Converter, Origin, Records, camel_case, is_key};
use crate::ingest::output::{BrokenRecord, BrokenRecords, Place};
use crate::ingest::rule::{Fault, Rule};
use crate::project::NdjsonRead;

/// Names of ignored keys that are remembered.
const MAX_IGNORED: usize = 100;

/// One JSON object a line, read as a source declares.
pub(super) struct Ndjson {
    read: NdjsonRead,
}

/// A key of an object and what hangs on it.
#[derive(Debug, Default)]
struct Key {
    name: String,
    /// Column and rank among its alternatives, the lowest wins.
    columns: Vec<(usize, u8)>,
    keys: Vec<Key>,
}

/// The keys that the contract wants, and those that it does not.
struct Paths {
    keys: Vec<Key>,
    width: usize,
    ignored: BTreeSet<String>,
}

impl Ndjson {
    pub(super) fn new(read: NdjsonRead) -> Self {
        Self { read }
    }
}

impl Paths {
    fn of(conformer: &Conformer) -> Self {
        let mut keys = Vec::new();
        for (column, target) in conformer.targets.iter().enumerate() {
            let own = [target.name.clone(), camel_case(&target.name)];
            let wanted = if target.from.is_empty() {
                &own[..]
            } else {
                &target.from
            };
            for (rank, path) in wanted.iter().enumerate() {
                let parts: Vec<&str> = path.split('.').collect();
                insert(&mut keys, &parts, (column, rank.min(255) as u8));
            }
        }
        Self {
            keys,
            width: conformer.targets.len(),
            ignored: BTreeSet::new(),
        }
    }

    /// Appends the cells of the object that `text` holds from `at` on.
    fn read(&mut self, text: &[u8], at: usize, cells: &mut Vec<Cell>) -> Result<(), Malformed> {
        let first = cells.len();
        cells.resize(first + self.width, Cell::MISSING);
        let mut found = Found {
            cells: &mut cells[first..],
            ranks: vec![u8::MAX; self.width],
            ignored: &mut self.ignored,
        };
        let mut reader = JsonReader::new(text, at);
        let result = found
            .object(&mut reader, text, &self.keys, "")
            .and_then(|()| {
                if reader.is_done() {
                    Ok(())
                } else {
                    Err(Malformed)
                }
            });
        if result.is_err() {
            cells.truncate(first);
        }
        result
    }
}

fn insert(keys: &mut Vec<Key>, path: &[&str], column: (usize, u8)) {
    let Some((name, rest)) = path.split_first() else {
        return;
    };
    let at = keys.iter().position(|key| key.name == *name);
    let at = at.unwrap_or_else(|| {
        keys.push(Key {
            name: (*name).to_string(),
            ..Key::default()
        });
        keys.len() - 1
    });
    if rest.is_empty() {
        keys[at].columns.push(column);
    } else {
        insert(&mut keys[at].keys, rest, column);
    }
}

/// The cells of one record as they are found.
struct Found<'a> {
    cells: &'a mut [Cell],
    ranks: Vec<u8>,
    ignored: &'a mut BTreeSet<String>,
}

impl Found<'_> {
    fn object(
        &mut self,
        reader: &mut JsonReader<'_>,
        text: &[u8],
        keys: &[Key],
        path: &str,
    ) -> Result<(), Malformed> {
        // senders write the keys in one order: the next one is most likely the one after the last
        let mut likely = 0;
        reader.object(|reader, name| {
            let found = (0..keys.len())
                .map(|offset| (likely + offset) % keys.len())
                .find(|at| is_key(text, name, &keys[*at].name));
            let Some(at) = found else {
                self.ignore(text, name, path);
                return reader.value().map(|_| ());
            };
            likely = at + 1;
            self.value(reader, text, &keys[at], path)
        })
    }

    fn value(
        &mut self,
        reader: &mut JsonReader<'_>,
        text: &[u8],
        key: &Key,
        path: &str,
    ) -> Result<(), Malformed> {
        let is_object = reader.peek() == Some(b'{');
        let below = |path: &str| format!("{path}{}.", key.name);
        if is_object && key.columns.is_empty() {
            return self.object(reader, text, &key.keys, &below(path));
        }
        let cell = reader.value()?;
        for (column, rank) in &key.columns {
            if *rank <= self.ranks[*column] {
                self.ranks[*column] = *rank;
                self.cells[*column] = cell;
            }
        }
        if is_object && !key.keys.is_empty() {
            let mut inner = JsonReader::new(text, cell.start as usize);
            return self.object(&mut inner, text, &key.keys, &below(path));
        }
        Ok(())
    }

    fn ignore(&mut self, text: &[u8], name: Cell, path: &str) {
        if self.ignored.len() < MAX_IGNORED {
            let name = String::from_utf8_lossy(&text[name.start as usize..name.end as usize]);
            self.ignored.insert(format!("{path}{name}"));
        }
    }
}

/// Records found in one pass over the window.
#[derive(Default)]
struct Batch {
    cells: Vec<Cell>,
    places: Vec<Place>,
    broken: Vec<BrokenRecord>,
    breaches: BTreeMap<usize, Breach>,
    end: usize,
    lines: i64,
    is_too_long: bool,
}

/// Reads lines until the batch is full or no whole line is left.
fn scan(window: &Window<'_>, paths: &mut Paths, converter: &Converter, limit: usize) -> Batch {
    let mut batch = Batch::default();
    let text = window.rest();
    while batch.places.len() + batch.broken.len() < BATCH_ROWS && batch.end < text.len() {
        let start = batch.end;
        let line_end = memchr::memchr(b'\n', &text[start..]).map(|length| start + length);
        if line_end.unwrap_or(text.len()) - start > limit {
            batch.is_too_long = true;
            break;
        }
        let end = match line_end {
            Some(end) => end,
            None if window.is_last() => text.len(),
            None => break,
        };
        let next = end + usize::from(line_end.is_some());
        let place = Place {
            start,
            end: next,
            line: window.line() + batch.lines,
            byte: Some(window.offset() as i64 + start as i64),
        };
        (batch.end, batch.lines) = (next, batch.lines + i64::from(line_end.is_some()));
        let line = &text[..end];
        if line[start..].trim_ascii().is_empty() {
            continue;
        }
        if converter.decoder.is_utf8() && std::str::from_utf8(&line[start..]).is_err() {
            let row = batch.places.len();
            batch
                .breaches
                .insert(row, (None, Fault::new(row, Rule::Encoding)));
            batch
                .cells
                .resize(batch.cells.len() + paths.width, Cell::MISSING);
            batch.places.push(place);
        } else if paths.read(line, start, &mut batch.cells).is_ok() {
            batch.places.push(place);
        } else {
            batch.broken.push(BrokenRecord {
                place,
                rule: Rule::MalformedJson,
                widths: None,
                raw: raw_text(text, &place, converter),
            });
        }
    }
    batch
}

impl Format for Ndjson {
    fn converter(&self) -> Converter {
        converter(&self.read.conversions, self.read.encoding, b'"')
    }

    fn decode(&self, bytes: &mut dyn Read, mut task: Decoding<'_>) -> Result<Seen> {
        let mut window = Window::open(bytes, task.file)?;
        let mut paths = Paths::of(task.conformer);
        let origins: Vec<Origin> = (0..paths.width).map(Origin::Cell).collect();
        loop {
            let converter = &task.conformer.converter;
            let mut batch = scan(&window, &mut paths, converter, task.max_record_bytes);
            if batch.is_too_long && batch.end == 0 {
                batch.broken.push(long_line(&window, converter));
                write_batch(&window, &paths, &origins, batch, &mut task)?;
                window.skip_line(task.file)?;
                continue;
            }
            let (end, lines) = (batch.end, batch.lines);
            write_batch(&window, &paths, &origins, batch, &mut task)?;
            window.advance(end, lines);
            if window.rest().is_empty() && window.is_last() {
                break;
            }
            if end == 0 {
                window.fill(task.file)?;
            }
        }
        Ok(Seen {
            header: None,
            ignored: paths.ignored.into_iter().collect(),
        })
    }
}

fn write_batch(
    window: &Window<'_>,
    paths: &Paths,
    origins: &[Origin],
    batch: Batch,
    task: &mut Decoding<'_>,
) -> Result<()> {
    if batch.places.is_empty() && batch.broken.is_empty() {
        return Ok(());
    }
    let text = window.rest();
    let conformer = task.conformer;
    let records = Records {
        text,
        cells: &batch.cells,
        width: paths.width,
    };
    let conformed = conformer.conform(records, origins, batch.breaches)?;
    let unread = batch.broken.len();
    let broken = (unread > 0).then(|| {
        let keys = no_keys(conformer, unread);
        BrokenRecords {
            records: batch.broken,
            keys,
            readable: vec![false; unread],
        }
    });
    let places = &batch.places;
    task.output
        .write(conformer, &conformed, places, broken, |row| {
            raw_text(text, &places[row], &conformer.converter)
        })
}

/// A line that is no object names no key.
fn no_keys(conformer: &Conformer, rows: usize) -> Vec<datafusion::arrow::array::ArrayRef> {
    let fields = conformer.schema.fields();
    let null = |at: &usize| datafusion::arrow::array::new_null_array(fields[*at].data_type(), rows);
    conformer.key.iter().map(null).collect()
}
