//! A batch of JSON records on its way to the output, whatever stood between them in the export.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use datafusion::arrow::array::{ArrayRef, new_null_array};

use super::paths::{KeysSeen, Paths, Rows};
use super::records::raw_text;
use super::{BATCH_ROWS, Decoding};
use crate::error::Result;
use crate::ingest::cell::Cell;
use crate::ingest::conform::{Breach, Conformer, Converter, Origin, Records};
use crate::ingest::json::Malformed;
use crate::ingest::output::{BrokenRecord, BrokenRecords, Judged, Place, judge};
use crate::ingest::rule::{Fault, Rule};
use crate::ingest::tape::Tape;

/// Records found in one pass over the window; handed over, it is empty and keeps its room for the next.
pub(super) struct Objects {
    paths: Paths,
    room: Room,
    /// Whether every byte of the text is known to be part of a character.
    is_text: bool,
    broken: Vec<BrokenRecord>,
    breaches: BTreeMap<usize, Breach>,
}

/// What records are kept in.
#[derive(Default)]
pub(super) struct Room {
    cells: Vec<Cell>,
    /// The records, opened.
    tape: Tape,
    /// Of each row; those of one record stand together and share it.
    places: Vec<Place>,
}

impl Objects {
    /// `room`: of others that have handed over all they had.
    pub(super) fn new(paths: Paths, room: Room) -> Self {
        Self {
            paths,
            room,
            is_text: false,
            broken: Vec::new(),
            breaches: BTreeMap::new(),
        }
    }

    /// Looks at the whole text that all records come from, so that each needs no look of its own.
    pub(super) fn of_text(self, text: &[u8], converter: &Converter) -> Self {
        let is_text = converter.decoder.is_text(text);
        Self { is_text, ..self }
    }

    /// The room, and what the records told of their keys.
    pub(super) fn into_parts(self) -> (Room, KeysSeen) {
        (self.room, self.paths.into_keys())
    }

    pub(super) fn is_full(&self) -> bool {
        self.room.places.len() + self.broken.len() >= BATCH_ROWS
    }

    /// Takes the record that stands at `place` of `text`; what is not one object is a reject.
    pub(super) fn push(&mut self, text: &[u8], place: Place, end: usize, converter: &Converter) {
        let record = &text[..end];
        let row = self.room.places.len();
        let is_text = self.is_text || converter.decoder.is_text(&record[place.start..]);
        match self.paths.read(
            record,
            place.start,
            converter,
            &mut self.room.cells,
            &mut self.room.tape,
        ) {
            Ok(Rows { count, fault }) => {
                // in a record of text, what is none concerns all of it
                let is_broken = !is_text && !self.paths.has_bytes;
                if is_broken && count == 0 {
                    return self.reject(text, place, Rule::Encoding, converter);
                }
                if is_broken {
                    let broken = |at| (at, (None, Fault::new(at, Rule::Encoding)));
                    self.breaches.extend((row..row + count).map(broken));
                } else if let Some(fault) = fault {
                    let at = row + fault.row;
                    let breach = (fault.column, Fault::new(at, fault.rule));
                    self.breaches.insert(at, breach);
                }
                self.room.places.extend(std::iter::repeat_n(place, count));
                if !is_text {
                    self.hide_bytes(record, row, converter);
                }
            }
            Err(Malformed) if !is_text => self.reject(text, place, Rule::Encoding, converter),
            Err(Malformed) => self.reject(text, place, Rule::MalformedJson, converter),
        }
    }

    /// Takes away what a column wants of the last record, from `row` on, and is no text; the record is rejected for it.
    fn hide_bytes(&mut self, text: &[u8], row: usize, converter: &Converter) {
        let width = self.paths.width;
        let cells = self.room.cells[row * width..].chunks_exact_mut(width.max(1));
        for (at, cells) in (row..).zip(cells) {
            for (column, cell) in cells.iter_mut().enumerate() {
                if converter
                    .decoder
                    .is_text(&text[cell.start as usize..cell.end as usize])
                {
                    continue;
                }
                *cell = Cell::MISSING;
                let breach = (Some(column), Fault::new(at, Rule::Encoding));
                self.breaches.entry(at).or_insert(breach);
            }
        }
    }

    /// A record that is none.
    pub(super) fn reject(&mut self, text: &[u8], place: Place, rule: Rule, converter: &Converter) {
        self.broken.push(BrokenRecord {
            place,
            rule,
            widths: None,
            raw: raw_text(text, &place, converter),
        });
    }

    /// Converts and hands over what was found in `text`.
    pub(super) fn write(&mut self, text: &[u8], task: &mut Decoding<'_>) -> Result<()> {
        match self.judge(text, task.conformer)? {
            Some(judged) => task.output.take(task.conformer, judged),
            None => Ok(()),
        }
    }

    /// Converts what was found in `text`; `None` where that is nothing. However it ends, nothing of it is left.
    pub(super) fn judge(&mut self, text: &[u8], conformer: &Conformer) -> Result<Option<Judged>> {
        let judged = self.converted(text, conformer);
        // values too of records that gave no row
        self.room.tape.rewind(0);
        self.room.cells.clear();
        self.room.places.clear();
        judged
    }

    fn converted(&mut self, text: &[u8], conformer: &Conformer) -> Result<Option<Judged>> {
        let (broken, breaches) = (mem::take(&mut self.broken), mem::take(&mut self.breaches));
        if self.room.places.is_empty() && broken.is_empty() {
            return Ok(None);
        }
        let width = self.paths.width;
        let origins: Vec<Origin> = (0..width).map(Origin::Cell).collect();
        let records = Records {
            text,
            cells: &self.room.cells,
            tape: &self.room.tape,
            width,
        };
        let mut conformed = conformer.conform(records, &origins, breaches)?;
        reject_siblings(&self.room.places, &mut conformed.breaches);
        let unread = broken.len();
        let broken = (unread > 0).then(|| BrokenRecords {
            records: broken,
            keys: no_keys(conformer, unread),
            readable: vec![false; unread],
        });
        let places = &self.room.places;
        let tells = first_of_records(places, &conformed.breaches);
        let raw = |row: usize| match tells.contains(&row) {
            true => raw_text(text, &places[row], &conformer.converter),
            false => String::new(),
        };
        judge(conformer, &conformed, places, broken, raw).map(Some)
    }
}

/// A record is atomic: one bad item of an exploded list rejects all of them.
fn reject_siblings(places: &[Place], breaches: &mut BTreeMap<usize, Breach>) {
    let bad: Vec<usize> = breaches.keys().copied().collect();
    // behind the last record that was looked at: one record may have a million bad items
    let mut done = 0;
    for row in bad {
        if row < done {
            continue;
        }
        let is_same = |other: &usize| places[*other].start == places[row].start;
        let before = (done..row).rev().take_while(is_same).count();
        done = row + (row..places.len()).take_while(is_same).count();
        for sibling in row - before..done {
            let fault = Fault::new(sibling, Rule::SiblingRejected);
            breaches.entry(sibling).or_insert((None, fault));
        }
    }
}

/// The first rejected row of each record. It alone tells the record's text, which a list of thousands would repeat as often.
fn first_of_records(places: &[Place], breaches: &BTreeMap<usize, Breach>) -> BTreeSet<usize> {
    let mut before = None;
    let rows = breaches.keys().copied();
    rows.filter(|row| before.replace(places[*row].start) != Some(places[*row].start))
        .collect()
}

/// A record that is no object names no key.
fn no_keys(conformer: &Conformer, rows: usize) -> Vec<ArrayRef> {
    let fields = conformer.schema.fields();
    let null = |at: &usize| new_null_array(fields[*at].data_type(), rows);
    conformer.key.iter().map(null).collect()
}
