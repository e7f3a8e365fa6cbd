//! From objects to cells: which key of a JSON record is which column.
//!
//! Columns are found by path: `address.postalCode` walks into objects. A column without `from` takes the key of its own
//! name, else that name in camelCase; a key that is not there is null, and so is one within what is not there or null.
//! What lies within something else that is no object is not there to be read: such a record is a reject, unless an
//! alternative of the column has a value.
//!
//! Where a list is exploded, each of its items is a row. A path that begins with the list's reaches into the item, every
//! other into the record around it; a column without `from` is looked for in the item first.

use super::Seen;
use crate::ingest::cell::{Cell, CellKind};
use crate::ingest::conform::{Conformer, Converter, field_of};
use crate::ingest::ignored::Ignored;
use crate::ingest::json::{JsonReader, Malformed};
use crate::ingest::keys::Meanings;
use crate::ingest::rule::Rule;
use crate::ingest::tape::Tape;
use crate::project::ColumnType;

/// The keys of an object that the contract wants.
#[derive(Debug, Default)]
struct Wanted {
    keys: Vec<Key>,
    /// How a key of it is told: this before its name.
    prefix: String,
    /// Which of them a key is.
    of_keys: Meanings<u32>,
    /// A struct takes the object, and tells itself what it does not take of it.
    is_whole: bool,
}

/// Those of a struct.
type Fields = [(String, ColumnType)];

fn fields(data_type: &ColumnType) -> Option<&Fields> {
    match data_type {
        ColumnType::Struct(fields) => Some(fields),
        _ => None,
    }
}

/// A key of an object and what hangs on it.
#[derive(Debug, Default)]
struct Key {
    name: String,
    /// Column and rank among its alternatives, the lowest wins.
    columns: Vec<(usize, u16)>,
    within: Wanted,
    /// Whether its value is the list whose items become rows.
    is_exploded: bool,
}

/// The keys that the contract wants, and those that it does not. All that is read by them is recorded on one tape, which alone
/// knows what its keys are.
pub(super) struct Paths {
    wanted: Wanted,
    pub(super) width: usize,
    /// Whether the format has values of bytes, so that what is no text in a record concerns who wants it alone.
    pub(super) has_bytes: bool,
    explode: Option<Item>,
    keys: KeysSeen,
    /// Of each column the rank of what the row at hand has so far; in two places, for a record and the items of its list.
    ranks: [Vec<u16>; 2],
}

/// What the contract wants of an exploded list's items.
struct Item {
    /// Of an item that is an object; told as `lines.`
    wanted: Wanted,
    /// Columns that take the item whole.
    whole: Vec<(usize, u16)>,
}

/// What one record gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rows {
    /// So many rows of cells were appended.
    pub(super) count: usize,
    /// Why the record is a reject; it has a row all the same, so that its key can be read.
    pub(super) fault: Option<RowFault>,
}

/// What is wrong with a record, said of one of its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RowFault {
    pub(super) row: usize,
    pub(super) column: Option<usize>,
    pub(super) rule: Rule,
}

impl RowFault {
    const NOT_A_LIST: Self = Self::of_record(Rule::NotAList, None);

    const fn of_record(rule: Rule, column: Option<usize>) -> Self {
        Self {
            row: 0,
            column,
            rule,
        }
    }

    fn doubled(column: Option<usize>) -> Self {
        Self::of_record(Rule::DoubledKey, column)
    }

    fn wrong_type(column: usize) -> Self {
        Self::of_record(Rule::WrongType, Some(column))
    }
}

impl Rows {
    fn of(count: usize, fault: Option<RowFault>) -> Self {
        Self { count, fault }
    }
}

/// What records told of their keys.
#[derive(Debug, Default)]
pub(super) struct KeysSeen {
    /// Those that the contract does not want.
    ignored: Ignored,
    /// Whether one has what is exploded, be it null; and how many do not.
    have_list: bool,
    lack_list: u64,
}

impl KeysSeen {
    /// Adds those of later records.
    pub(super) fn add(&mut self, later: Self) {
        self.ignored.add(later.ignored.into_keys());
        self.have_list |= later.have_list;
        self.lack_list += later.lack_list;
    }

    pub(super) fn seen(self) -> Seen {
        Seen {
            header: None,
            ignored: self.ignored.told(),
            without_list: match self.have_list {
                true => 0,
                false => self.lack_list,
            },
        }
    }
}

/// Which keys of one object were seen. Objects of more keys than a word has bits are rare.
struct SeenKeys {
    first: u64,
    more: Vec<u64>,
}

impl SeenKeys {
    fn new(keys: usize) -> Self {
        Self {
            first: 0,
            more: vec![0; (keys.max(1) - 1) / 64],
        }
    }

    /// `false` where it was seen before.
    fn insert(&mut self, at: usize) -> bool {
        let word = match at / 64 {
            0 => &mut self.first,
            word => &mut self.more[word - 1],
        };
        let bit = 1 << (at % 64);
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }
}

impl Paths {
    pub(super) fn of(conformer: &Conformer) -> Self {
        let explode = conformer.explode.as_deref();
        let mut all = Wanted::default();
        let mut item = explode.map(|path| Item {
            wanted: Wanted::told(path.join(".") + "."),
            whole: Vec::new(),
        });
        for (column, target) in conformer.targets.iter().enumerate() {
            let paths = target.paths();
            for (rank, path) in (0..).zip(&paths) {
                let Some(item) = &mut item else {
                    all.insert(path, (column, rank));
                    continue;
                };
                match item.within(path) {
                    Some("") => item.whole.push((column, rank)),
                    Some(rest) => item.wanted.insert(rest, (column, rank)),
                    None if target.is_by_name() => {
                        item.wanted.insert(path, (column, rank));
                        // what the item has under any name wins over the record around it
                        all.insert(path, (column, rank + paths.len() as u16));
                    }
                    None => all.insert(path, (column, rank)),
                }
            }
        }
        if let Some(path) = explode {
            all.mark(path);
        }
        let structs = |columns: &[(usize, u16)]| -> Vec<&Fields> {
            let types = columns
                .iter()
                .map(|(at, _)| &conformer.targets[*at].data_type);
            types.filter_map(fields).collect()
        };
        all.settle(&[], &structs);
        if let Some(item) = &mut item {
            let of_item = structs(&item.whole);
            item.wanted.settle(&of_item, &structs);
        }
        Self {
            wanted: all,
            width: conformer.targets.len(),
            has_bytes: false,
            explode: item,
            keys: KeysSeen::default(),
            ranks: [const { Vec::new() }; 2],
        }
    }

    /// What the records told of their keys.
    pub(super) fn into_keys(self) -> KeysSeen {
        self.keys
    }

    /// Appends the cells of the object that `text` holds from `at` on, and records it; nothing where it is none.
    ///
    /// # Errors
    /// [`Malformed`] where `text` is not one object.
    pub(super) fn read(
        &mut self,
        text: &[u8],
        at: usize,
        converter: &Converter,
        cells: &mut Vec<Cell>,
        tape: &mut Tape,
    ) -> Result<Rows, Malformed> {
        let record = whole(text, at, tape).ok_or(Malformed)?;
        let first = cells.len();
        cells.resize(first + self.width, Cell::MISSING);
        let json = Json {
            text,
            tape,
            converter,
        };
        let [ranks, of_item] = &mut self.ranks;
        ranks.clear();
        ranks.resize(self.width, u16::MAX);
        let mut found = Found::new(&mut cells[first..], ranks, &mut self.keys.ignored, json);
        found.object(record, &mut self.wanted);
        let unread = found.wrong_type(&[]);
        let doubled = found.doubled.map(RowFault::doubled);
        let (list, unreached, no_list) = (found.list, found.unreached, found.no_list);
        let Some(item) = &mut self.explode else {
            return Ok(Rows::of(1, doubled.or(unread.map(RowFault::wrong_type))));
        };
        match list.is_some() || no_list {
            true => self.keys.have_list = true,
            false => self.keys.lack_list += 1,
        }
        let list = list.filter(|list| tape.cell(*list).kind != CellKind::Null);
        let list = match list {
            None if !no_list => {
                let count = usize::from(doubled.is_some());
                cells.truncate(first + count * self.width);
                return Ok(Rows::of(count, doubled));
            }
            Some(list) if !no_list && json.is_list_of_rows(list, item) => list,
            _ => return Ok(Rows::of(1, doubled.or(Some(RowFault::NOT_A_LIST)))),
        };
        let around = cells.split_off(first);
        let mut rows = Rows::of(0, doubled);
        for at in tape.items(list) {
            let row = cells.len();
            cells.extend_from_slice(&around);
            of_item.clone_from(ranks);
            let mut found = Found::new(&mut cells[row..], of_item, &mut self.keys.ignored, json);
            found.item(at, item);
            let unread = found.wrong_type(&unreached).map(RowFault::wrong_type);
            let fault = found.doubled.map(RowFault::doubled).or(unread);
            let fault = fault.map(|fault| RowFault {
                row: rows.count,
                ..fault
            });
            rows.fault = rows.fault.or(fault);
            rows.count += 1;
        }
        if rows.count == 0 && rows.fault.is_some() {
            cells.extend_from_slice(&around);
            rows.count = 1;
        }
        Ok(rows)
    }
}

/// Records the object that `text` holds from `at` on, and nothing else; its place.
fn whole(text: &[u8], at: usize, tape: &mut Tape) -> Option<usize> {
    let place = tape.end();
    let mut reader = JsonReader::new(text, at);
    let is_object = reader.peek() == Some(b'{');
    if is_object && reader.record(tape).is_ok() && reader.is_done() {
        return Some(place);
    }
    tape.rewind(place);
    None
}

impl Key {
    /// The first column that wants it, or what lies within it.
    fn first_column(&self) -> Option<usize> {
        let own = self.columns.first().map(|(column, _)| *column);
        own.or_else(|| self.within.keys.iter().find_map(Self::first_column))
    }
}

impl Item {
    /// The rest of a path that begins with the list's; empty for the item itself.
    fn within<'a>(&self, path: &'a str) -> Option<&'a str> {
        let prefix = self.wanted.prefix.as_str();
        if path == prefix.trim_end_matches('.') {
            return Some("");
        }
        path.strip_prefix(prefix)
    }
}

impl Wanted {
    /// No key yet; how those to come are told.
    fn told(prefix: String) -> Self {
        Self {
            prefix,
            ..Self::default()
        }
    }

    fn insert(&mut self, path: &str, column: (usize, u16)) {
        match path.split_once('.') {
            None => self.entry(path).columns.push(column),
            Some((name, rest)) => self.entry(name).within.insert(rest, column),
        }
    }

    /// Marks the list that is exploded.
    fn mark(&mut self, path: &[String]) {
        match path {
            [] => {}
            [last] => self.entry(last).is_exploded = true,
            [first, rest @ ..] => self.entry(first).within.mark(rest),
        }
    }

    /// Once all columns are known: whether some take this object whole, as these structs, and those within it. `structs` gives
    /// those that columns take.
    fn settle<'a>(
        &mut self,
        takers: &[&'a Fields],
        structs: &impl Fn(&[(usize, u16)]) -> Vec<&'a Fields>,
    ) {
        self.is_whole = !takers.is_empty();
        for key in &mut self.keys {
            let field = |taker: &&'a Fields| {
                let names = taker.iter().map(|(name, _)| name.as_str());
                let (at, _) = field_of(key.name.as_bytes(), names)?;
                fields(&taker[at].1)
            };
            let mut within = structs(&key.columns);
            within.extend(takers.iter().filter_map(field));
            key.within.settle(&within, structs);
        }
    }

    fn entry(&mut self, name: &str) -> &mut Key {
        let at = self.keys.iter().position(|key| key.name == name);
        let at = at.unwrap_or_else(|| {
            self.keys.push(Key {
                name: name.to_string(),
                within: Self::told(format!("{}{name}.", self.prefix)),
                ..Key::default()
            });
            self.keys.len() - 1
        });
        &mut self.keys[at]
    }
}

/// A record as it was read.
#[derive(Clone, Copy)]
struct Json<'a> {
    text: &'a [u8],
    tape: &'a Tape,
    converter: &'a Converter,
}

impl Json<'_> {
    /// Whether a cell is nothing, null, or a text that means null.
    fn is_null(&self, cell: Cell) -> bool {
        let bytes = &self.text[cell.start as usize..cell.end as usize];
        self.converter.means_null((cell.kind, bytes))
    }

    /// Whether the value at a place begins with this bracket.
    fn is(&self, place: usize, bracket: u8) -> bool {
        let cell = self.tape.cell(place);
        cell.kind == CellKind::Json && self.text.get(cell.start as usize) == Some(&bracket)
    }

    /// Whether the value at a place is a list whose items can be rows: one that is no object has no fields.
    fn is_list_of_rows(&self, place: usize, item: &Item) -> bool {
        let is_row = |at| !item.whole.is_empty() || self.is(at, b'{');
        self.is(place, b'[') && self.tape.items(place).all(is_row)
    }
}

/// The cells of one row as they are found.
struct Found<'a> {
    json: Json<'a>,
    cells: &'a mut [Cell],
    ranks: &'a mut [u16],
    /// The place of the list that is exploded.
    list: Option<usize>,
    /// A key that an object has twice, which of the two counts nobody can say; with the column that wants it.
    doubled: Option<Option<usize>>,
    /// Columns that lie within what is no object, and so were not reached.
    unreached: Vec<usize>,
    /// Whether the exploded list is one of these.
    no_list: bool,
    ignored: &'a mut Ignored,
}

impl<'a> Found<'a> {
    fn new(
        cells: &'a mut [Cell],
        ranks: &'a mut [u16],
        ignored: &'a mut Ignored,
        json: Json<'a>,
    ) -> Self {
        Self {
            json,
            cells,
            ranks,
            list: None,
            doubled: None,
            unreached: Vec::new(),
            no_list: false,
            ignored,
        }
    }

    /// The first column that lies within what is no object, and has no value from elsewhere.
    fn wrong_type(&self, around: &[usize]) -> Option<usize> {
        let mut unreached = around.iter().chain(&self.unreached).copied();
        unreached.find(|column| self.json.is_null(self.cells[*column]))
    }

    /// The columns of the object at a place.
    fn object(&mut self, place: usize, wanted: &mut Wanted) {
        let Json {
            text,
            tape,
            converter,
        } = self.json;
        let mut seen = SeenKeys::new(wanted.keys.len());
        for (key, value) in tape.members(place) {
            let found = wanted.of_keys.of(key, || {
                let name = tape.key(text, value, &converter.decoder);
                let mut keys = wanted.keys.iter();
                let found = keys.position(|key| key.name.as_bytes() == &*name);
                if found.is_none() && !wanted.is_whole {
                    self.ignored.note(&wanted.prefix, &name);
                }
                found.map(|at| at as u32)
            });
            let Some(at) = found.map(|at| at as usize) else {
                continue;
            };
            let key = &mut wanted.keys[at];
            self.value(value, key);
            if !seen.insert(at) {
                self.forget(key);
            }
        }
    }

    /// Takes back what a key gave that came twice, so that no key of a record is read from it.
    fn forget(&mut self, key: &Key) {
        self.doubled.get_or_insert(key.first_column());
        for (column, _) in &key.columns {
            self.cells[*column] = Cell::MISSING;
        }
        for key in &key.within.keys {
            self.forget(key);
        }
    }

    fn value(&mut self, place: usize, key: &mut Key) {
        if key.is_exploded {
            self.list = Some(place);
            return;
        }
        let cell = self.json.tape.cell(place);
        self.take(cell, &key.columns);
        let within = &mut key.within;
        if within.keys.is_empty() {
            return;
        }
        if self.json.is(place, b'{') {
            return self.object(place, within);
        }
        if !self.json.is_null(cell) {
            within.keys.iter().for_each(|key| self.miss(key));
        }
    }

    /// Remembers what was not reached.
    fn miss(&mut self, key: &Key) {
        self.no_list |= key.is_exploded;
        self.unreached
            .extend(key.columns.iter().map(|(column, _)| *column));
        key.within.keys.iter().for_each(|key| self.miss(key));
    }

    /// The columns of an exploded list's item.
    fn item(&mut self, place: usize, item: &mut Item) {
        self.take(self.json.tape.cell(place), &item.whole);
        if self.json.is(place, b'{') {
            self.object(place, &mut item.wanted);
        }
    }

    fn take(&mut self, cell: Cell, columns: &[(usize, u16)]) {
        for (column, rank) in columns {
            if *rank <= self.ranks[*column] {
                self.ranks[*column] = *rank;
                self.cells[*column] = cell;
            }
        }
    }
}
