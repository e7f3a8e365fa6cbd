//! A table that stands in one file or in many alike, and how it is to be read.

use serde::Serialize;

use super::column::{ColumnProfile, ColumnSketch};
use super::dialect::DialectGuess;
use super::distinct::Distinct;
use super::end::Sums;
use super::json::Node;
use super::meaning;
use super::path::{Shape, shape_of};
use super::tally::{NumberStyle, day_order, number_style};
use crate::column_type::ColumnType;
use crate::project::literal;
use crate::project::{Encoding, Meaning};

/// Columns that, from the first on, may name a row together.
const LEADING: usize = 3;
/// Of rows that one value alone tells apart, so that another column beside it tells nothing.
const NEARLY_UNIQUE: f64 = 0.95;

/// Words of names that number things.
const ID_WORDS: [&str; 13] = [
    "id", "nr", "no", "number", "nummer", "key", "guid", "uuid", "sku", "kundnr", "code", "kod",
    "ean",
];

/// How such words end: `fakturanr`, `ordernummer`.
const NUMBERS: [&str; 3] = ["nr", "nummer", "number"];

/// In what form a table stands in its file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Form {
    Csv(CsvForm),
    Ndjson(TextForm),
    /// Keys that lead to the array.
    Json(TextForm, Vec<String>),
    Xlsx(SheetForm),
    Avro,
    Parquet,
    /// A Delta table at its newest version.
    Delta,
}

/// How characters are written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TextForm {
    pub(crate) encoding: Encoding,
    pub(crate) confidence: f64,
    /// A byte order mark says so already.
    pub(crate) has_mark: bool,
}

/// Delimited text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CsvForm {
    pub(crate) text: TextForm,
    pub(crate) guess: DialectGuess,
    /// Columns are known by their place: there is no header, or one with names that are empty or come twice.
    pub(crate) is_by_position: bool,
}

/// A sheet of a workbook.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SheetForm {
    pub(crate) sheet: String,
    /// The first in sight: it need not be named.
    pub(crate) is_first: bool,
    /// The only one with something in it.
    pub(crate) is_only: bool,
    /// Rows above the header, or above the first record.
    pub(crate) skip_lines: usize,
    /// Rows that name the columns; 0: none does.
    pub(crate) header_rows: usize,
    pub(crate) header_confidence: f64,
    pub(crate) is_by_position: bool,
    /// How the row begins before which the records end.
    pub(crate) until: Option<String>,
    /// How rows begin that are passed over.
    pub(crate) comment: Option<String>,
    /// Rows below the last record.
    pub(crate) skip_footer: usize,
}

impl Form {
    /// How the line or row begins before which the records end.
    pub(crate) fn until(&self) -> Option<&str> {
        match self {
            Self::Csv(form) => form.guess.until.as_deref(),
            Self::Xlsx(form) => form.until.as_deref(),
            Self::Ndjson(_) | Self::Json(..) | Self::Avro | Self::Parquet | Self::Delta => None,
        }
    }

    /// Whether columns are known by their place.
    pub(crate) fn is_by_position(&self) -> bool {
        match self {
            Self::Csv(form) => form.is_by_position,
            Self::Xlsx(form) => form.is_by_position,
            Self::Ndjson(_) | Self::Json(..) | Self::Avro | Self::Parquet | Self::Delta => false,
        }
    }

    /// Whether records hold objects and lists.
    pub(crate) fn is_nested(&self) -> bool {
        matches!(self, Self::Ndjson(_) | Self::Json(..) | Self::Avro)
    }
}

/// A file and what was seen of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct FileSeen {
    /// Below the folder that was looked into.
    pub(crate) path: String,
    pub(crate) size: u64,
    pub(crate) rows: u64,
    /// `gzip`, `zstd`, `bzip2`, `zip`.
    pub(crate) packed: Option<&'static str>,
    /// `false`: only its beginning was looked at.
    pub(crate) is_whole: bool,
    /// Names of its columns, where it has some.
    #[serde(skip)]
    pub(crate) columns: Vec<String>,
}

impl FileSeen {
    /// One that nobody looked into.
    pub(crate) fn named(path: &str, size: u64) -> Self {
        Self {
            path: path.to_string(),
            size,
            rows: 0,
            packed: None,
            is_whole: true,
            columns: Vec::new(),
        }
    }
}

/// A table as far as it was read.
#[derive(Clone, Debug)]
pub(super) struct TableSketch {
    pub(super) form: Form,
    pub(super) columns: Vec<ColumnSeen>,
    /// Of nested records.
    pub(super) root: Node,
    pub(super) rows: u64,
    /// Lines that are no record.
    pub(super) broken: u64,
    pub(super) files: Vec<FileSeen>,
    /// The first two columns of each row, the first three.
    pub(super) leading: Vec<Distinct>,
    /// Of the records that two files next to each other have in common, by column; told where files are merged.
    pub(super) overlaps: Vec<(String, Vec<f64>)>,
    pub(super) notes: Vec<String>,
    /// Rows of sums that nothing but their empty first column tells from records.
    pub(super) sums: u64,
}

/// A column as far as it was read.
#[derive(Clone, Debug, Default)]
pub(super) struct ColumnSeen {
    pub(super) name: String,
    pub(super) sketch: ColumnSketch,
    /// The type, where the file says it.
    pub(super) declared: Option<ColumnType>,
    /// Of nested records: values of another kind than the others.
    pub(super) odd: u64,
    /// Files that have it.
    pub(super) files: usize,
    /// No value comes twice within a file.
    pub(super) is_unique_in_files: bool,
    /// Its type is one that no column can have.
    pub(super) is_unnamed: bool,
}

/// What one row means for the table, when the next file comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LoadGuess {
    Append,
    Replace,
    Changes,
}

/// What is known of a table.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TableProfile {
    /// Of its files, what they share; of one its path; of a workbook with the sheet.
    pub(crate) name: String,
    pub(crate) files: Vec<FileSeen>,
    /// As a source writes it: `{csv: {delimiter: ";"}}`.
    pub(crate) read: String,
    pub(crate) confidence: Vec<Confidence>,
    pub(crate) rows: u64,
    pub(crate) broken: u64,
    /// `false`: figures are of the beginning of a file.
    pub(crate) is_whole: bool,
    pub(crate) columns: Vec<ColumnProfile>,
    /// Columns that seem to name a row.
    pub(crate) key: Vec<String>,
    pub(crate) load: LoadGuess,
    pub(crate) notes: Vec<String>,
    /// Rows of sums that an empty first column tells from records.
    #[serde(skip)]
    pub(crate) sums: u64,
    #[serde(skip)]
    pub(crate) form: Form,
    #[serde(skip)]
    pub(crate) style: NumberStyle,
    /// The first of the hundred years that two digits mean, where that is not the usual.
    #[serde(skip)]
    pub(crate) two_digit_years_from: Option<i32>,
    /// Columns that only some files have, and of how many.
    #[serde(skip)]
    pub(crate) partial: Vec<(String, usize)>,
    /// How its files are called; `None`: each by its own name.
    #[serde(skip)]
    pub(crate) shape: Option<Shape>,
}

impl TableProfile {
    /// `files:` of a source that reads it.
    pub(crate) fn patterns(&self) -> Vec<String> {
        match &self.shape {
            Some(shape) => shape.patterns(),
            None => self.files.iter().map(|file| literal(&file.path)).collect(),
        }
    }

    /// Whether the name of a file says the day.
    pub(crate) fn captures_day(&self) -> bool {
        self.shape
            .as_ref()
            .is_some_and(|shape| shape.format.is_some())
    }

    /// What its files are called, without what changes from day to day.
    pub(crate) fn stem(&self) -> String {
        match (&self.shape, self.files.first()) {
            (Some(shape), _) => shape.stem(),
            (None, Some(file)) => shape_of(&file.path).stem(),
            (None, None) => String::new(),
        }
    }

    /// The sheet of a workbook, where it is not the first.
    pub(crate) fn sheet(&self) -> Option<&str> {
        match &self.form {
            Form::Xlsx(form) if !form.is_first => Some(&form.sheet),
            _ => None,
        }
    }
}

/// How sure a guess about the file is, from 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Confidence {
    pub(crate) what: String,
    pub(crate) share: f64,
}

impl TableSketch {
    pub(super) fn new(form: Form) -> Self {
        Self {
            form,
            columns: Vec::new(),
            root: Node::default(),
            rows: 0,
            broken: 0,
            files: Vec::new(),
            leading: vec![Distinct::default(); LEADING - 1],
            overlaps: Vec::new(),
            notes: Vec::new(),
            sums: 0,
        }
    }

    /// Says what becomes of rows of sums that no word names. `is_footer`: the only one is the last row, and is left out so.
    pub(super) fn tell_of_sums(&mut self, sums: &Sums, is_footer: bool) {
        if sums.found == 0 || is_footer {
            return;
        }
        let (found, becomes) = match sums.others {
            0 => (sums.found, "rejected, since their first column is empty"),
            _ => (0, "taken as records"),
        };
        self.sums += found;
        let rows = sums.found;
        let note = format!("{rows} rows without a name are sums of others, and are {becomes}");
        self.notes.push(note);
    }

    /// The columns, before the first row.
    pub(super) fn name_columns(&mut self, names: impl IntoIterator<Item = String>) {
        self.columns = names
            .into_iter()
            .map(|name| ColumnSeen {
                name,
                files: 1,
                ..ColumnSeen::default()
            })
            .collect();
    }

    /// Takes a row.
    pub(super) fn add_row<'v>(&mut self, values: impl Iterator<Item = Option<&'v str>>) {
        self.rows += 1;
        let mut leading = String::new();
        for (at, (column, value)) in self.columns.iter_mut().zip(values).enumerate() {
            column.sketch.add(value);
            if at < LEADING {
                leading.push('\u{1f}');
                leading.push_str(value.unwrap_or_default());
                if at > 0 {
                    self.leading[at - 1].add(&leading);
                }
            }
        }
    }

    /// Completes what was read of one file.
    pub(super) fn close(&mut self, file: FileSeen) {
        self.columns.retain(|column| !column.is_unnamed);
        if self.form.is_nested() {
            let (leaves, unnamed) = self.root.leaves(self.rows);
            self.columns = leaves
                .into_iter()
                .map(|leaf| ColumnSeen {
                    name: leaf.path,
                    sketch: leaf.sketch,
                    declared: leaf.list,
                    odd: leaf.odd,
                    files: 1,
                    ..ColumnSeen::default()
                })
                .collect();
            self.notes = unnamed.iter().map(ToString::to_string).collect();
        }
        for column in &mut self.columns {
            column.is_unique_in_files = column.sketch.is_unique();
        }
        self.files.push(FileSeen {
            columns: self
                .columns
                .iter()
                .map(|column| column.name.clone())
                .collect(),
            rows: self.rows,
            ..file
        });
    }

    /// Adds the next file of the table. `last`: the file before it, alone.
    pub(super) fn merge(&mut self, other: &Self, last: Option<&Self>) {
        for column in &other.columns {
            let before = last.and_then(|last| last.columns.iter().find(|c| c.name == column.name));
            let share =
                before.and_then(|before| before.sketch.distinct.share_in(&column.sketch.distinct));
            if let Some(share) = share.filter(|_| column.is_unique_in_files) {
                match self
                    .overlaps
                    .iter_mut()
                    .find(|(name, _)| *name == column.name)
                {
                    Some((_, shares)) => shares.push(share),
                    None => self.overlaps.push((column.name.clone(), vec![share])),
                }
            }
        }
        if self.form.is_nested() {
            self.merge_nested(other);
        } else {
            self.merge_columns(other);
        }
        self.rows += other.rows;
        self.broken += other.broken;
        self.sums += other.sums;
        self.files.extend(other.files.iter().cloned());
        for (mine, theirs) in self.leading.iter_mut().zip(&other.leading) {
            mine.merge(theirs);
        }
    }

    fn merge_nested(&mut self, other: &Self) {
        self.root.merge(&other.root);
        let (leaves, unnamed) = self.root.leaves(self.rows + other.rows);
        let is_unique = |of: &Self, name: &str| {
            let column = of.columns.iter().find(|column| column.name == name);
            column.is_none_or(|column| column.is_unique_in_files || of.rows == 0)
        };
        let files = self.files.len() + 1;
        self.columns = leaves
            .into_iter()
            .map(|leaf| ColumnSeen {
                is_unique_in_files: is_unique(self, &leaf.path) && is_unique(other, &leaf.path),
                name: leaf.path,
                sketch: leaf.sketch,
                declared: leaf.list,
                odd: leaf.odd,
                files,
                is_unnamed: false,
            })
            .collect();
        self.notes = unnamed.iter().map(ToString::to_string).collect();
    }

    fn merge_columns(&mut self, other: &Self) {
        for column in &mut self.columns {
            match other
                .columns
                .iter()
                .find(|theirs| theirs.name == column.name)
            {
                Some(theirs) => {
                    let is_unique = |rows: u64, of: &ColumnSeen| rows == 0 || of.is_unique_in_files;
                    column.is_unique_in_files =
                        is_unique(self.rows, column) && is_unique(other.rows, theirs);
                    column.sketch.merge(&theirs.sketch);
                    column.files += theirs.files;
                    if column.declared != theirs.declared {
                        column.declared = wider(column.declared.take(), theirs.declared.clone());
                    }
                }
                None => column.sketch.add_missing(other.rows),
            }
        }
        for theirs in &other.columns {
            if self.columns.iter().all(|column| column.name != theirs.name) {
                let mut column = theirs.clone();
                let mut sketch = ColumnSketch::default();
                sketch.add_missing(self.rows);
                sketch.merge(&theirs.sketch);
                column.sketch = sketch;
                self.columns.push(column);
            }
        }
    }

    /// What is known by now.
    pub(super) fn profile(&self, name: &str) -> TableProfile {
        let delimiter = match &self.form {
            Form::Csv(form) => form.guess.dialect.delimiter.chars().next(),
            _ => None,
        };
        let tallies = self.columns.iter().map(|column| &column.sketch.tally);
        let order = day_order(tallies.clone());
        let style = number_style(tallies, delimiter);
        let mut names = self.columns.iter().map(|column| &column.name);
        let is_of_people = names.any(|name| meaning::says_people(name));
        let columns: Vec<ColumnProfile> = self
            .columns
            .iter()
            .map(|column| {
                let declared = column.declared.as_ref();
                // texts of a typed file may hold anything
                let declared = declared.filter(|data_type| **data_type != ColumnType::Varchar);
                let sketch = &column.sketch;
                let mut profile =
                    sketch.profile(&column.name, &style, &order, declared, is_of_people);
                profile.add_odd(column.odd);
                profile
            })
            .collect();
        let with_columns = self
            .files
            .iter()
            .filter(|file| !file.columns.is_empty())
            .count();
        let partial = self
            .columns
            .iter()
            .filter(|column| !self.form.is_nested() && column.files < with_columns)
            .map(|column| (column.name.clone(), column.files))
            .collect();
        let (key, load) = self.key_and_load(&columns);
        let load = match self.form {
            // whatever its rows are: a version is the whole table
            Form::Delta => LoadGuess::Replace,
            _ => load,
        };
        let mut profile = TableProfile {
            name: name.to_string(),
            files: self.files.clone(),
            read: String::new(),
            confidence: self.confidence(),
            rows: self.rows,
            broken: self.broken,
            is_whole: self.files.iter().all(|file| file.is_whole),
            columns,
            key,
            load,
            notes: self.notes.clone(),
            sums: self.sums,
            form: self.form.clone(),
            style,
            two_digit_years_from: None,
            partial,
            shape: None,
        };
        profile.read = super::read::flow(&profile);
        profile
    }

    /// The columns that seem to name a row, and what the next file will mean.
    fn key_and_load(&self, columns: &[ColumnProfile]) -> (Vec<String>, LoadGuess) {
        let is_dated = self.files.len() > 1;
        let is_id = |name: &str| {
            let words = meaning::name_words(name);
            let mut words = words.split(' ');
            words.any(|word| {
                let is_number = NUMBERS.iter().any(|ending| word.ends_with(ending));
                is_number || ID_WORDS.contains(&word)
            })
        };
        // people are no numbers: an address that is unique today comes twice tomorrow
        let is_of_person = |profile: &ColumnProfile| {
            let meaning = profile.personal;
            meaning.is_some_and(|of| of != Meaning::CustomerNumber)
        };
        let may_be = |column: &&ColumnSeen| {
            let Some(at) = columns
                .iter()
                .position(|profile| profile.name == column.name)
            else {
                return false;
            };
            let profile = &columns[at];
            // what merely never repeats names a row only where names stand
            column.is_unique_in_files
                && profile.is_key_like()
                && !is_of_person(profile)
                && (at == 0 || is_id(&column.name))
        };
        // what is called a number of something before what merely comes first
        let rank = |column: &&ColumnSeen| {
            let at = self
                .columns
                .iter()
                .position(|other| other.name == column.name);
            (!is_id(&column.name), at)
        };
        let found = self.columns.iter().filter(may_be).min_by_key(rank);
        // a customer who came once so far comes again: what stands first names the row
        let is_customers = |column: &ColumnSeen| {
            let mut profiles = columns.iter();
            let profile = profiles.find(|profile| profile.name == column.name);
            profile.is_some_and(|profile| profile.personal == Some(Meaning::CustomerNumber))
        };
        let first = self.columns.first().filter(may_be);
        let found = found
            .filter(|column| !is_customers(column))
            .or(first)
            .or(found);
        let Some(column) = found else {
            let is_unique = |distinct: &Distinct| {
                distinct.is_exact() && distinct.count() == self.rows && self.rows > 1
            };
            let leading = self
                .leading
                .iter()
                .position(is_unique)
                .filter(|_| !self.form.is_nested());
            let is_filled = |at: usize| {
                let mut leading = columns[..at].iter();
                leading.all(|column| {
                    let is_day = column.data_type == ColumnType::Date;
                    column.empty == 0 && (is_day || column.is_key_like()) && !is_of_person(column)
                })
            };
            // what tells nearly all rows apart without the last column is the key, and its few equals are rows that came twice
            let is_enough_without = |count: usize| {
                let without = match count {
                    2 => self.columns.first().map(|first| &first.sketch.distinct),
                    _ => self.leading.get(count - 3),
                };
                without.is_some_and(|distinct| {
                    distinct.count() as f64 > NEARLY_UNIQUE * self.rows as f64
                })
            };
            let is_key = |count: usize| {
                count <= columns.len() && is_filled(count) && !is_enough_without(count)
            };
            let key = match leading.map(|at| at + 2) {
                Some(count) if is_key(count) => columns[..count]
                    .iter()
                    .map(|column| column.name.clone())
                    .collect(),
                _ => Vec::new(),
            };
            let load = if is_dated {
                LoadGuess::Append
            } else {
                LoadGuess::Replace
            };
            return (key, load);
        };
        let shares = self.overlaps.iter().find(|(name, _)| *name == column.name);
        let shares = shares
            .map(|(_, shares)| shares.as_slice())
            .unwrap_or_default();
        let mean = shares.iter().sum::<f64>() / shares.len().max(1) as f64;
        let again = column.sketch.rows() > column.sketch.distinct.count();
        let load = if !is_dated || mean > 0.7 {
            LoadGuess::Replace
        } else if again && self.has_time_of_change(columns) {
            LoadGuess::Changes
        } else {
            LoadGuess::Append
        };
        (vec![column.name.clone()], load)
    }

    /// Whether a column says when the record last changed.
    fn has_time_of_change(&self, columns: &[ColumnProfile]) -> bool {
        columns.iter().any(|column| {
            let words = meaning::name_words(&column.name);
            let is_time = matches!(column.data_type, ColumnType::Date | ColumnType::Timestamp);
            is_time
                && words.split(' ').any(|word| {
                    matches!(
                        word,
                        "updated" | "changed" | "modified" | "andrad" | "closed" | "endret"
                    )
                })
        })
    }

    fn confidence(&self) -> Vec<Confidence> {
        let of = |what: String, share: f64| Confidence { what, share };
        let text = |form: &TextForm| {
            let mark = if form.has_mark { " with a mark" } else { "" };
            of(format!("{}{mark}", form.encoding.name()), form.confidence)
        };
        let mut guesses = match &self.form {
            Form::Csv(form) => {
                let guess = &form.guess;
                let delimiter = match guess.dialect.delimiter.as_str() {
                    "\t" => "tab".to_string(),
                    " " => "space".to_string(),
                    sign => format!("`{sign}`"),
                };
                let between = match guess.width {
                    _ if !guess.dialect.widths.is_empty() => {
                        "fields of a fixed width, told by the gaps between them".to_string()
                    }
                    0 | 1 => "one column".to_string(),
                    _ => format!("{delimiter} between fields"),
                };
                let header = match guess.header {
                    Some(_) => "first line names the columns",
                    None => "no line names the columns",
                };
                vec![
                    text(&form.text),
                    of(between, guess.confidence),
                    of(header.to_string(), guess.header_confidence),
                ]
            }
            Form::Ndjson(form) => {
                vec![of("JSON, one object a line".to_string(), 1.0), text(form)]
            }
            Form::Json(form, _) => vec![of("a JSON document".to_string(), 1.0), text(form)],
            Form::Xlsx(form) => vec![
                of("an Excel workbook".to_string(), 1.0),
                of(
                    "first row names the columns".to_string(),
                    form.header_confidence,
                ),
            ],
            Form::Avro => vec![of("Avro".to_string(), 1.0)],
            Form::Parquet => vec![of("Parquet".to_string(), 1.0)],
            Form::Delta => vec![of("a Delta table".to_string(), 1.0)],
        };
        if let Some(until) = self.form.until() {
            guesses.push(of(format!("ends before `{until}`"), 0.9));
        }
        guesses
    }
}

/// A type that holds what both hold; `None`: texts.
fn wider(one: Option<ColumnType>, other: Option<ColumnType>) -> Option<ColumnType> {
    match (one?, other?) {
        (ColumnType::Integer, ColumnType::Bigint) | (ColumnType::Bigint, ColumnType::Integer) => {
            Some(ColumnType::Bigint)
        }
        (
            ColumnType::Integer | ColumnType::Bigint | ColumnType::Double,
            ColumnType::Integer | ColumnType::Bigint | ColumnType::Double,
        ) => Some(ColumnType::Double),
        _ => None,
    }
}
