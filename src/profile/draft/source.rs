//! One table that was found → a source of a pipeline, and its contract.

use std::collections::BTreeSet;

use super::super::column::ColumnProfile;
use super::super::name::{identifier, unique};
use super::super::read::{flow, plain_or_quoted, quoted};
use super::super::table::{Form, LoadGuess, TableProfile};
use super::one_line;
use crate::column_type::ColumnType;
use crate::ingest::ExportReport;
use crate::project::Meaning;

/// A source that is to be written.
#[derive(Clone, Debug)]
pub(crate) struct SourceDraft {
    /// Name of its bronze table.
    pub(crate) table: String,
    pub(crate) columns: Vec<ColumnDraft>,
    /// By the columns' names in the contract.
    pub(crate) key: Vec<String>,
    pub(crate) load: LoadGuess,
    /// What was seen.
    pub(crate) profile: TableProfile,
    /// Rows of all its exports, as the trial read them.
    pub(crate) records: u64,
    pub(crate) rejected: u64,
    pub(super) reports: Vec<ExportReport>,
    /// Some exports lack a column.
    lacks_columns: bool,
    notes: Vec<String>,
}

/// A column of a contract that is to be written.
#[derive(Clone, Debug)]
pub(crate) struct ColumnDraft {
    pub(crate) name: String,
    /// What the export calls it; empty where it is known by its place, or by the path.
    pub(crate) from: Vec<String>,
    /// What older exports call it.
    pub(crate) aliases: Vec<String>,
    pub(crate) data_type: ColumnType,
    pub(crate) personal: Option<Meaning>,
    /// Different values, and whether every row has one of its own.
    pub(crate) distinct: u64,
    pub(crate) filled: u64,
    /// Values that the type does not fit, or rows of sums that have none.
    pub(crate) misfits: u64,
    /// Those among them that a text does not hold either.
    odd: u64,
    /// Rows without a value are no records.
    is_never_empty: bool,
    notes: Vec<String>,
}

impl SourceDraft {
    /// `folder`: how people call the place of the files, for one without a name. `taken`: names of tables.
    pub(super) fn new(table: &TableProfile, folder: &str, taken: &mut BTreeSet<String>) -> Self {
        let mut stem = table.stem();
        if let Some(sheet) = table.sheet() {
            stem = format!("{stem}/{sheet}");
        }
        let name = match stem.is_empty() {
            true => identifier(folder, "t_"),
            false => identifier(&stem, "t_"),
        };
        let mut columns: Vec<ColumnDraft> = Vec::new();
        let mut names = BTreeSet::new();
        let renamed = renamed(table);
        let mut lacks_columns = false;
        for column in &table.columns {
            if renamed.iter().any(|(old, _)| *old == column.name) {
                continue;
            }
            let old = renamed
                .iter()
                .find(|(_, new)| *new == column.name)
                .map(|(old, _)| old);
            let mut draft = ColumnDraft {
                name: unique(&identifier(&column.name, "c_"), &mut names),
                from: match table.form.is_by_position() {
                    true => Vec::new(),
                    false => vec![column.name.clone()],
                },
                aliases: old.cloned().into_iter().collect(),
                data_type: column.data_type.clone(),
                personal: column.personal,
                distinct: column.distinct,
                filled: column.filled(),
                misfits: column.misfits,
                odd: column.odd,
                is_never_empty: false,
                notes: Vec::new(),
            };
            // a number that stands for somebody is no amount, and its zeros count
            let is_text = matches!(
                column.personal,
                Some(Meaning::Phone | Meaning::Postcode | Meaning::NationalId)
            );
            if is_text && !column.is_nested() && draft.data_type != ColumnType::Varchar {
                draft.set_type(ColumnType::Varchar);
            }
            if draft.misfits > 0 {
                draft.notes.push(format!(
                    "{} of {} values are of another kind: such records are rejected",
                    draft.misfits,
                    column.filled()
                ));
            }
            draft.notes.extend(column.doubt.clone());
            let partial = table.partial.iter().find(|(name, _)| *name == column.name);
            match (old, partial) {
                (Some(old), _) => draft.join(old, table),
                (None, Some((_, files))) => {
                    let all = table.files.len();
                    draft.notes.push(format!("only in {files} of {all} files"));
                    lacks_columns = true;
                }
                (None, None) => {}
            }
            columns.push(draft);
        }
        if let Some(first) = columns.first_mut().filter(|_| table.sums > 0) {
            first.is_never_empty = true;
            first.misfits += table.sums;
            first
                .notes
                .push("rows of sums have nothing here: they are rejected".to_string());
        }
        if table.captures_day() {
            let name = unique("exported_on", &mut names);
            if name == "exported_on" {
                columns.push(ColumnDraft {
                    name,
                    from: Vec::new(),
                    aliases: Vec::new(),
                    data_type: ColumnType::Date,
                    personal: None,
                    distinct: table.files.len() as u64,
                    filled: table.rows,
                    misfits: 0,
                    odd: 0,
                    is_never_empty: false,
                    notes: vec!["the day in the file's name".to_string()],
                });
            }
        }
        let key = table.key.iter().filter_map(|name| {
            let at = columns
                .iter()
                .find(|column| column.is_called(name, table))?;
            Some(at.name.clone())
        });
        let key: Vec<String> = key.collect();
        Self {
            table: unique(&name, taken),
            key: match key.len() == table.key.len() && table.is_whole {
                true => key,
                false => Vec::new(),
            },
            columns,
            load: table.load,
            profile: table.clone(),
            records: 0,
            rejected: 0,
            reports: Vec::new(),
            lacks_columns,
            notes: table.notes.clone(),
        }
    }

    /// The column of that name.
    pub(crate) fn column(&self, name: &str) -> Option<&ColumnDraft> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Nobody was born in the years to come: where days of birth have years of two digits that would lie there, two digits mean the
    /// hundred years up to this one, unless other days of the export lie there rightly.
    pub(super) fn settle_years(&mut self, year: i32) {
        let is_ahead = |column: &&ColumnProfile| {
            let has_two_digits = column.guess.date_formats.iter().any(|f| f.contains("%y"));
            has_two_digits && column.guess.last_day.is_some_and(|day| day / 10_000 > year)
        };
        let ahead = self.profile.columns.iter().filter(is_ahead);
        let (born, others): (Vec<&ColumnProfile>, Vec<_>) =
            ahead.partition(|column| column.personal == Some(Meaning::BirthDate));
        if born.is_empty() {
            return;
        }
        if others.is_empty() {
            let has_two_digits = |column: &&ColumnProfile| {
                let mut formats = column.guess.date_formats.iter();
                formats.any(|f| f.contains("%y")) && column.personal != Some(Meaning::BirthDate)
            };
            let more = self.profile.columns.iter().filter(has_two_digits);
            let more: Vec<String> = more.map(|column| column.name.clone()).collect();
            self.profile.two_digit_years_from = Some(year - 99);
            self.profile.read = flow(&self.profile);
            for column in &mut self.columns {
                if more
                    .iter()
                    .any(|name| column.is_called(name, &self.profile))
                {
                    let note = format!(
                        "two digits of a year are {} to {year} in this source",
                        year - 99
                    );
                    column.notes.push(note);
                }
            }
            return;
        }
        let born: Vec<String> = born.iter().map(|column| column.name.clone()).collect();
        for column in &mut self.columns {
            if born
                .iter()
                .any(|name| column.is_called(name, &self.profile))
            {
                column.notes.push(
                    "years of two digits, some of them to come: see `two_digit_years_from`"
                        .to_string(),
                );
            }
        }
    }

    /// What was seen of a column.
    pub(super) fn seen(&self, column: &ColumnDraft) -> Option<&ColumnProfile> {
        let mut columns = self.profile.columns.iter();
        columns.find(|seen| column.is_called(&seen.name, &self.profile))
    }

    /// Makes a column text, since its values are not all of its type; `false` where it is one already.
    pub(crate) fn make_text(&mut self, column: &str) -> bool {
        let mut others = self.columns.iter_mut();
        let is_it = |other: &&mut ColumnDraft| {
            other.name == column && other.data_type != ColumnType::Varchar
        };
        let Some(column) = others.find(is_it) else {
            return false;
        };
        column.set_type(ColumnType::Varchar);
        column.notes = vec!["values of several kinds".to_string()];
        true
    }

    /// Its item of `sources:`.
    pub(super) fn item(&self) -> String {
        let table = &self.profile;
        let mut item = String::new();
        let sure: Vec<String> = table
            .confidence
            .iter()
            .map(|guess| format!("{} {:.0} %", guess.what, (guess.share * 100.0).floor()))
            .collect();
        if !sure.is_empty() {
            item.push_str(&format!("  # guessed: {}\n", one_line(&sure.join(" · "))));
        }
        for note in &self.notes {
            item.push_str(&format!("  # {}\n", one_line(note)));
        }
        item.push_str(&format!("  - table: bronze.{}\n", self.table));
        let patterns = table.patterns();
        match &patterns[..] {
            [one] => item.push_str(&format!("    files: {}\n", quoted(one))),
            several => {
                let list: Vec<String> = several.iter().map(|pattern| quoted(pattern)).collect();
                item.push_str(&format!("    files: [{}]\n", list.join(", ")));
            }
        }
        item.push_str(&format!("    read: {}\n", table.read));
        let (load, why) = match (self.load, table.files.len() > 1) {
            _ if table.form == Form::Delta => ("replace", ""),
            (LoadGuess::Append, true) => ("append", "each file adds rows"),
            (LoadGuess::Append, false) => ("append", "the next file adds rows"),
            (LoadGuess::Replace, true) => (
                "replace",
                "each file holds nearly all that the one before held",
            ),
            (LoadGuess::Replace, false) => {
                ("replace", "a new file in its place is the whole truth")
            }
            (LoadGuess::Changes, _) => ("changes", "some of the same again, with a time of change"),
        };
        let why = match why {
            "" => "each version is the whole truth".to_string(),
            why => format!("guessed: {why}"),
        };
        item.push_str(&format!("    load: {load}   # {why}\n"));
        if self.lacks_columns {
            item.push_str(
                "    drift: {missing: ignore}   # some files lack a column: null in their rows\n",
            );
        }
        item.push('\n');
        item
    }

    /// The text of its contract.
    pub(super) fn contract(&self) -> String {
        let files = match self.profile.files.len() {
            1 => one_line(&self.profile.files[0].path),
            count => format!("{count} files, {}", one_line(&self.profile.name)),
        };
        let mut text = format!(
            "# Drafted by `kilde init --from` from {files}: names, types and `personal` are guesses.\n\
             description: {}\n",
            quoted(&format!("As it stands in {files}.")),
        );
        if self.key.is_empty() {
            text.push_str("# no `key`: no column was seen to name a row\n");
        } else {
            text.push_str(&format!(
                "key: [{}]   # guessed: no value came twice within a file\n",
                self.key
                    .iter()
                    .map(|name| plain_or_quoted(name))
                    .collect::<Vec<_>>()
                    .join(", ")
            ));
        }
        text.push_str("columns:\n");
        for column in &self.columns {
            text.push_str(&column.item());
        }
        text
    }
}

/// Columns that were renamed on the way, old and new name: two that are never in one file and always at one place.
fn renamed(table: &TableProfile) -> Vec<(String, String)> {
    let files: Vec<_> = table
        .files
        .iter()
        .filter(|file| !file.columns.is_empty())
        .collect();
    let place =
        |name: &str, file: usize| files[file].columns.iter().position(|other| other == name);
    let mut pairs: Vec<(String, String)> = Vec::new();
    for (old, old_files) in &table.partial {
        for (new, new_files) in &table.partial {
            let is_free = pairs
                .iter()
                .all(|(one, other)| [one, other].iter().all(|n| *n != old && *n != new));
            let is_pair = old != new
                && is_free
                && old_files + new_files == files.len()
                && (0..files.len())
                    .all(|file| place(old, file).is_some() != place(new, file).is_some())
                && place(old, 0).is_some()
                && place(old, 0) == place(new, files.len() - 1);
            if is_pair {
                pairs.push((old.clone(), new.clone()));
            }
        }
    }
    pairs
}

impl ColumnDraft {
    fn is_called(&self, name: &str, table: &TableProfile) -> bool {
        match table.form.is_by_position() {
            true => self.name == identifier(name, "c_"),
            false => self.from.iter().any(|from| from == name),
        }
    }

    /// Adds what the same column was called before.
    fn join(&mut self, old: &str, table: &TableProfile) {
        self.notes
            .push(format!("`{old}` in older files: the same place"));
        let Some(before) = table.columns.iter().find(|column| column.name == old) else {
            return;
        };
        if before.data_type != self.data_type {
            self.data_type = ColumnType::Varchar;
        }
        self.personal = self.personal.or(before.personal);
        self.distinct = self.distinct.max(before.distinct);
        self.filled += before.filled();
        self.misfits += before.misfits;
        self.odd += before.odd;
    }

    fn set_type(&mut self, data_type: ColumnType) {
        self.data_type = data_type;
        self.misfits = self.odd;
        self.notes.clear();
    }

    fn item(&self) -> String {
        let mut keys = vec![format!("name: {}", plain_or_quoted(&self.name))];
        match &self.from[..] {
            [] => {}
            [one] if *one == self.name => {}
            names => {
                let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
                keys.push(match &names[..] {
                    [one] => format!("from: {one}"),
                    names => format!("from: [{}]", names.join(", ")),
                });
            }
        }
        if !self.aliases.is_empty() {
            let names: Vec<String> = self.aliases.iter().map(|name| quoted(name)).collect();
            keys.push(format!("aliases: [{}]", names.join(", ")));
        }
        keys.push(format!("data_type: {}", quoted_type(&self.data_type)));
        keys.extend(
            self.personal
                .map(|meaning| format!("personal: {}", meaning.name())),
        );
        if self.is_never_empty {
            keys.push("data_tests: [not_null]".to_string());
        }
        let note = match self.notes.is_empty() {
            true => String::new(),
            false => format!("   # {}", one_line(&self.notes.join(" · "))),
        };
        format!("  - {{{}}}{note}\n", keys.join(", "))
    }
}

fn quoted_type(data_type: &ColumnType) -> String {
    let text = data_type.to_string();
    match text.chars().all(|c| c.is_ascii_lowercase()) {
        true => text,
        false => quoted(&text),
    }
}
