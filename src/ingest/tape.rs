//! JSON as a reader passed it: every value once, so that whoever looks into it need not read the text again.

use crate::ingest::cell::{Cell, CellKind};

/// Values of one block of text, in its order: an array is followed by its items, an object by its keys, each with its value
/// behind it. A value's place is its position among them.
#[derive(Debug, Default)]
pub(crate) struct Tape {
    entries: Vec<Entry>,
}

/// That of a text in which nobody looked for values.
pub(crate) static NOTHING: Tape = Tape {
    entries: Vec::new(),
};

/// A [`Cell`], and the place behind all that lies within it.
#[derive(Clone, Copy, Debug)]
struct Entry {
    start: u32,
    end: u32,
    after: u32,
    kind: CellKind,
}

/// Where a reader notes what it passes.
pub(in crate::ingest) trait Track {
    /// A key, or a value that has no parts.
    fn add(&mut self, cell: Cell);

    /// An array or object begins; its parts come next. Gives its place.
    fn open(&mut self) -> u32;

    /// It has ended.
    fn close(&mut self, place: u32, whole: Cell);
}

/// Nobody looks into what is only passed.
impl Track for () {
    fn add(&mut self, _: Cell) {}

    fn open(&mut self) -> u32 {
        0
    }

    fn close(&mut self, _: u32, _: Cell) {}
}

impl Track for Tape {
    // called for every value of a text: inlined, the reader is nearly twice as fast
    #[inline(always)]
    fn add(&mut self, cell: Cell) {
        let after = self.entries.len() as u32 + 1;
        self.entries.push(Entry::of(cell, after));
    }

    #[inline(always)]
    fn open(&mut self) -> u32 {
        let place = self.entries.len() as u32;
        self.entries.push(Entry::of(Cell::MISSING, 0));
        place
    }

    #[inline(always)]
    fn close(&mut self, place: u32, whole: Cell) {
        let after = self.entries.len() as u32;
        self.entries[place as usize] = Entry::of(whole, after);
    }
}

impl Entry {
    /// A block has fewer values than bytes, and those are below 4 GB.
    fn of(cell: Cell, after: u32) -> Self {
        let Cell { start, end, kind } = cell;
        Self {
            start,
            end,
            after,
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
    }

    /// The value at a place.
    pub(crate) fn cell(&self, place: usize) -> Cell {
        let Entry {
            start, end, kind, ..
        } = self.entries[place];
        Cell { start, end, kind }
    }

    /// The place of a value that was recorded here: mostly `near`, and the search is short from a place before it.
    #[inline]
    pub(crate) fn find(&self, cell: Cell, near: usize) -> Option<usize> {
        let is_it = |entry: &Entry| entry.start == cell.start && entry.kind == cell.kind;
        match self.entries.get(near).is_some_and(is_it) {
            true => Some(near),
            false => self.search(cell, near),
        }
    }

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
        let found = self.entries.get(place)?;
        (found.start == cell.start && found.kind == cell.kind).then_some(place)
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

    /// The keys of the object at a place, each with the place of its value.
    pub(crate) fn members(&self, place: usize) -> impl Iterator<Item = (Cell, usize)> {
        let (mut next, end) = (place + 1, self.after(place));
        std::iter::from_fn(move || {
            let key = (next < end).then_some(next)?;
            next = self.after(key + 1);
            Some((self.cell(key), key + 1))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::format::json::JsonReader;

    const TEXT: &str = r#"{"a":[1,[],{"b":null}],"":"","c":{"d":[true]}} [7,"x"]"#;

    fn tape() -> Tape {
        let mut tape = Tape::default();
        let mut reader = JsonReader::new(TEXT.as_bytes(), 0);
        reader.record(&mut tape).unwrap();
        reader.record(&mut tape).unwrap();
        assert!(reader.is_done());
        tape
    }

    fn text(cell: Cell) -> &'static str {
        &TEXT[cell.start as usize..cell.end as usize]
    }

    #[test]
    fn parts_are_found_without_reading_the_text_again() {
        let tape = tape();
        let members: Vec<_> = tape
            .members(0)
            .map(|(key, value)| (text(key), text(tape.cell(value))))
            .collect();
        let expected = [
            ("a", r#"[1,[],{"b":null}]"#),
            ("", ""),
            ("c", r#"{"d":[true]}"#),
        ];
        assert_eq!(members, expected);
        let items = |place| -> Vec<_> { tape.items(place).map(|at| text(tape.cell(at))).collect() };
        let (_, list) = tape.members(0).next().unwrap();
        assert_eq!(items(list), ["1", "[]", r#"{"b":null}"#]);
        assert_eq!(items(tape.after(0)), ["7", "x"]);
    }

    #[test]
    fn a_value_is_found_from_wherever_the_search_begins() {
        let tape = tape();
        for place in 0..tape.end() {
            for near in 0..=tape.end() {
                assert_eq!(tape.find(tape.cell(place), near), Some(place));
            }
        }
        let elsewhere = Cell::new(TEXT.len(), TEXT.len(), CellKind::Json);
        assert_eq!(tape.find(elsewhere, 0), None);
        assert_eq!(Tape::default().find(elsewhere, 3), None);
    }
}
