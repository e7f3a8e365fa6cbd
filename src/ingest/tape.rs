//! JSON as a reader passed it: every value once, so that whoever looks into it need not read the text again.

use std::borrow::Cow;

use crate::ingest::cell::{Cell, CellKind};
use crate::ingest::encoding::TextDecoder;
use crate::ingest::json::plain;
use crate::ingest::keys::{KeyId, Keys, Spot};

/// Values of one block of text, in its order: an array is followed by its items, an object by the values of its keys. A
/// value's place is its position among them. What was learnt of the keys stays when the values are forgotten.
#[derive(Debug, Default)]
pub(crate) struct Tape {
    entries: Vec<Entry>,
    keys: Keys,
    /// Keys that are strange, each with the place of its value, in order.
    strange: Vec<(u32, Cell)>,
}

/// That of a text in which nobody looked for values.
pub(crate) static NOTHING: Tape = Tape {
    entries: Vec::new(),
    keys: Keys::new(),
    strange: Vec::new(),
};

/// A [`Cell`], its key, and the place behind all that lies within it.
#[derive(Clone, Copy, Debug)]
struct Entry {
    start: u32,
    end: u32,
    /// While it is open: the place of what it lies in.
    after: u32,
    /// That of a list, for its items.
    key: KeyId,
    kind: CellKind,
}

/// Where a reader notes what it passes.
pub(in crate::ingest) trait Track {
    /// The key at `at`, and the byte behind its colon, where it is known before it is read.
    fn expected(&self, text: &[u8], at: usize, spot: Spot) -> Option<(KeyId, usize)>;

    /// A key that was read; its value is what is recorded next.
    fn met(&mut self, text: &[u8], key: Cell, spot: Spot) -> KeyId;

    /// A value that has no parts.
    fn add(&mut self, cell: Cell, key: KeyId);

    /// An array or object begins, in the one at a place; its parts come next. Gives its place.
    fn open(&mut self, start: usize, key: KeyId, around: u32) -> u32;

    /// It has ended before this byte. Gives the place of what it lies in, and its key.
    fn close(&mut self, place: u32, end: usize) -> (u32, KeyId);
}

/// Nobody looks into what is only passed.
impl Track for () {
    fn expected(&self, _: &[u8], _: usize, _: Spot) -> Option<(KeyId, usize)> {
        None
    }

    fn met(&mut self, _: &[u8], _: Cell, _: Spot) -> KeyId {
        KeyId::NONE
    }

    fn add(&mut self, _: Cell, _: KeyId) {}

    fn open(&mut self, _: usize, _: KeyId, _: u32) -> u32 {
        0
    }

    fn close(&mut self, _: u32, _: usize) -> (u32, KeyId) {
        (0, KeyId::NONE)
    }
}

// called for every value of a text: inlined, the reader is nearly twice as fast
impl Track for Tape {
    #[inline(always)]
    fn expected(&self, text: &[u8], at: usize, spot: Spot) -> Option<(KeyId, usize)> {
        self.keys.expected(text, at, spot)
    }

    fn met(&mut self, text: &[u8], key: Cell, spot: Spot) -> KeyId {
        let id = self.keys.met(text, key, spot);
        if id == KeyId::STRANGE {
            self.strange.push((self.entries.len() as u32, key));
        }
        id
    }

    #[inline(always)]
    fn add(&mut self, cell: Cell, key: KeyId) {
        let after = self.entries.len() as u32 + 1;
        self.entries.push(Entry::of(cell, after, key));
    }

    #[inline(always)]
    fn open(&mut self, start: usize, key: KeyId, around: u32) -> u32 {
        let place = self.entries.len() as u32;
        let cell = Cell::new(start, start, CellKind::Json);
        self.entries.push(Entry::of(cell, around, key));
        place
    }

    #[inline(always)]
    fn close(&mut self, place: u32, end: usize) -> (u32, KeyId) {
        let after = self.entries.len() as u32;
        let entry = &mut self.entries[place as usize];
        entry.end = end as u32;
        (std::mem::replace(&mut entry.after, after), entry.key)
    }
}

/// Where values were found that are looked for one after another.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Walk {
    /// The place behind the last one, where the next item of a list is.
    behind: usize,
    /// From there to the one after it, where that was elsewhere: in records of one shape always as far.
    gap: usize,
}

impl Entry {
    fn is(&self, cell: Cell) -> bool {
        self.start == cell.start && self.kind == cell.kind
    }

    /// A block has fewer values than bytes, and those are below 4 GB.
    #[inline(always)]
    fn of(cell: Cell, after: u32, key: KeyId) -> Self {
        let Cell { start, end, kind } = cell;
        Self {
            start,
            end,
            after,
            key,
            kind,
        }
    }
}

impl Tape {
    /// The place of the value that is recorded next.
    pub(crate) fn end(&self) -> usize {
        self.entries.len()
    }

    /// Forgets what was recorded from this place on.
    pub(crate) fn rewind(&mut self, place: usize) {
        self.entries.truncate(place);
        let kept = self
            .strange
            .partition_point(|(at, _)| (*at as usize) < place);
        self.strange.truncate(kept);
    }

    /// The value at a place.
    pub(crate) fn cell(&self, place: usize) -> Cell {
        let Entry {
            start, end, kind, ..
        } = self.entries[place];
        Cell { start, end, kind }
    }

    /// The place of a value that was recorded here; quickly, where the walk goes on in the order of the text.
    #[inline(always)]
    pub(crate) fn find(&self, cell: Cell, walk: &mut Walk) -> Option<usize> {
        let is_at = |place: &usize| self.entries.get(*place).is_some_and(|entry| entry.is(cell));
        let guesses = [walk.behind, walk.behind + walk.gap];
        let place = match guesses.into_iter().find(is_at) {
            Some(place) => place,
            None => self.search(cell, walk.behind)?,
        };
        if place > walk.behind {
            walk.gap = place - walk.behind;
        }
        walk.behind = self.after(place);
        Some(place)
    }

    /// The search is short from a place not far before the value.
    fn search(&self, cell: Cell, near: usize) -> Option<usize> {
        let is_before = |entry: &Entry| entry.start < cell.start;
        let begins = self.entries.get(near);
        let is_behind = begins.is_none_or(|entry| entry.start > cell.start);
        let (mut low, mut step) = (if is_behind { 0 } else { near }, 1);
        while self.entries.get(low + step - 1).is_some_and(is_before) {
            low += step;
            step *= 2;
        }
        let high = self.entries.len().min(low + step);
        let place = low + self.entries.get(low..high)?.partition_point(is_before);
        self.entries.get(place)?.is(cell).then_some(place)
    }

    /// The place behind all that lies within a value.
    pub(crate) fn after(&self, place: usize) -> usize {
        self.entries[place].after as usize
    }

    /// Places of the items of the array at a place.
    pub(crate) fn items(&self, place: usize) -> impl Iterator<Item = usize> {
        let (mut next, end) = (place + 1, self.after(place));
        std::iter::from_fn(move || {
            let item = (next < end).then_some(next)?;
            next = self.after(item);
            Some(item)
        })
    }

    /// The values of the object at a place, each with its key.
    pub(crate) fn members(&self, place: usize) -> impl Iterator<Item = (KeyId, usize)> {
        let (mut next, end) = (place + 1, self.after(place));
        std::iter::from_fn(move || {
            let value = (next < end).then_some(next)?;
            let Entry { after, key, .. } = self.entries[value];
            next = after as usize;
            Some((key, value))
        })
    }

    /// The name of the key of a value, its escapes resolved, in UTF-8.
    pub(crate) fn key<'a>(
        &'a self,
        text: &'a [u8],
        value: usize,
        decoder: &TextDecoder,
    ) -> Cow<'a, [u8]> {
        if let Some(name) = self.keys.name(self.entries[value].key) {
            return plain(name, Cell::new(0, name.len(), CellKind::Text), decoder);
        }
        let at = self
            .strange
            .binary_search_by_key(&value, |(at, _)| *at as usize);
        debug_assert!(at.is_ok(), "a strange key was not recorded");
        let key = at.map_or(Cell::MISSING, |at| self.strange[at].1);
        plain(text, key, decoder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::json::JsonReader;

    const TEXT: &str = r#"{"a":[1,[],{"b":null}],"":"","c":{"d":[true]}} [7,"x"]"#;

    fn record(text: &str, tape: &mut Tape) -> usize {
        let place = tape.end();
        let mut reader = JsonReader::new(text.as_bytes(), 0);
        while !reader.is_done() {
            reader.record(tape).unwrap();
        }
        place
    }

    fn members(text: &str, tape: &Tape, place: usize) -> Vec<(String, String)> {
        let told = |(_, value)| {
            let key = tape
                .key(text.as_bytes(), value, &TextDecoder::UTF_8)
                .into_owned();
            let Cell { start, end, .. } = tape.cell(value);
            let value = text[start as usize..end as usize].to_string();
            (String::from_utf8(key).unwrap(), value)
        };
        tape.members(place).map(told).collect()
    }

    fn pairs(told: &[(&str, &str)]) -> Vec<(String, String)> {
        let told = told.iter();
        told.map(|(key, value)| (key.to_string(), value.to_string()))
            .collect()
    }

    #[test]
    fn parts_are_found_without_reading_the_text_again() {
        let mut tape = Tape::default();
        record(TEXT, &mut tape);
        let expected = [
            ("a", r#"[1,[],{"b":null}]"#),
            ("", ""),
            ("c", r#"{"d":[true]}"#),
        ];
        assert_eq!(members(TEXT, &tape, 0), pairs(&expected));
        let items = |place| -> Vec<&str> {
            let cells = tape.items(place).map(|at| tape.cell(at));
            cells
                .map(|cell| &TEXT[cell.start as usize..cell.end as usize])
                .collect()
        };
        let (_, list) = tape.members(0).next().unwrap();
        assert_eq!(items(list), ["1", "[]", r#"{"b":null}"#]);
        assert_eq!(items(tape.after(0)), ["7", "x"]);
    }

    #[test]
    fn a_value_is_found_from_wherever_the_search_begins() {
        let mut tape = Tape::default();
        record(TEXT, &mut tape);
        let elsewhere = Cell::new(TEXT.len(), TEXT.len(), CellKind::Json);
        for behind in 0..=tape.end() {
            for gap in 0..=tape.end() {
                for place in 0..tape.end() {
                    let mut walk = Walk { behind, gap };
                    assert_eq!(tape.find(tape.cell(place), &mut walk), Some(place));
                    assert_eq!(walk.behind, tape.after(place));
                }
                assert_eq!(tape.find(elsewhere, &mut Walk { behind, gap }), None);
            }
        }
        let mut walk = Walk::default();
        assert_eq!(Tape::default().find(elsewhere, &mut walk), None);
    }

    #[test]
    fn keys_are_told_right_whatever_was_expected() {
        let records = [
            r#"{"id":1,"lines":[{"sku":"a","quantity":2},{"sku":"b","quantity":3}],"note":"x"}"#,
            r#"{"id":1,"lines":[{"sku":"a","quantity":2},{"quantity":3,"sku":"b"}],"note":"x"}"#,
            r#"{ "id" : 1 , "lines" : [ { "sku":"a" } ] , "note":"x" }"#,
            r#"{"idx":1,"i":2,"id":3,"id":4,"":5}"#,
            r#"{"\u0069d":1,"id":2,"lines":{"sku":{"sku":7}},"a name of more than sixteen bytes":8}"#,
            r#"{"a name of more than sixteen bites":8,"a name of more than sixteen bytes":9}"#,
            r#"{"id":1}"#,
        ];
        let mut tape = Tape::default();
        for (first, then) in records
            .iter()
            .flat_map(|a| records.iter().map(move |b| (a, b)))
        {
            record(first, &mut tape);
            tape.rewind(0);
            let place = record(then, &mut tape);
            let mut fresh = Tape::default();
            let alone = record(then, &mut fresh);
            assert_eq!(members(then, &tape, place), members(then, &fresh, alone));
            tape.rewind(place);
        }
        let escaped = record(records[4], &mut tape);
        let keys = members(records[4], &tape, escaped).into_iter();
        let keys: Vec<String> = keys.map(|(key, _)| key).collect();
        assert_eq!(
            keys,
            ["id", "id", "lines", "a name of more than sixteen bytes"]
        );
    }

    #[test]
    fn nothing_is_left_of_what_was_no_json() {
        let good = r#"{"\u0069d":1,"lines":[{"sk\u0075":"a"}]}"#;
        let broken = r#"{"\u0069d":1,"a":{"\u0062":[{"\u0063":2}],"\u0064":}}"#;
        let mut tape = Tape::default();
        for text in [good, good] {
            let first = record(text, &mut tape);
            let place = tape.end();
            let mut reader = JsonReader::new(broken.as_bytes(), 0);
            assert!(reader.record(&mut tape).is_err() && tape.end() > place);
            tape.rewind(place);
            let last = record(text, &mut tape);
            let whole = pairs(&[("id", "1"), ("lines", r#"[{"sk\u0075":"a"}]"#)]);
            for place in [first, last] {
                assert_eq!(members(text, &tape, place), whole);
                let (_, list) = tape.members(place).last().unwrap();
                let item = tape.items(list).next().unwrap();
                assert_eq!(members(text, &tape, item), pairs(&[("sku", "a")]));
            }
        }
    }

    #[test]
    fn names_without_end_are_told_although_few_are_remembered() {
        let mut tape = Tape::default();
        for part in 0..3 {
            let names: Vec<String> = (0..3000).map(|at| format!("{part}-{at}")).collect();
            let keys: Vec<String> = names.iter().map(|name| format!("\"{name}\":0")).collect();
            let text = format!("{{{}}}", keys.join(","));
            let place = record(&text, &mut tape);
            let told = members(&text, &tape, place);
            assert!(told.iter().map(|(name, _)| name).eq(&names));
            tape.rewind(place);
        }
    }
}
