//! One file → the tables in it.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::content::{self, Content, ContentKind};
use super::delimited::{Field, Records};
use super::dialect::{self, DialectGuess};
use super::end;
use super::json;
use super::name::{identifier, unique};
use super::place::Place;
use super::table::{CsvForm, FileSeen, Form, SheetForm, TableSketch, TextForm};
use crate::diagnostic::Code;
use crate::error::{Error, Result};
use crate::ingest::{Archive, sheet_header, sheet_names, sheet_rows};

/// Rows of a typed file that are looked at.
pub(super) const MOST_ROWS: u64 = 2_000_000;
/// A workbook of more shared texts than are held in memory.
const TOO_LARGE: Code = Code(424);
/// Rows of a sheet among which its header is looked for.
const SHEET_BEGINNING: usize = 50;

/// What a file turned out to be.
pub(super) enum Looked {
    Tables(Vec<TableSketch>),
    /// Why it is no table.
    Not(String),
}

/// Looks into a file. `path`: what it is called below the folder. `form`: of another file of the same table, which this one
/// is read by.
///
/// # Errors
/// `Input` where the file cannot be read.
pub(super) fn look(place: &Place, path: &str, form: Option<&Form>) -> Result<Looked> {
    let size = place
        .size()
        .map_err(|error| content::unreadable(&place.shown(), error))?;
    let seen = |is_whole: bool, packed: Option<&'static str>| FileSeen {
        path: path.to_string(),
        size,
        rows: 0,
        packed,
        is_whole,
        columns: Vec::new(),
    };
    let not = |why: &str| Ok(Looked::Not(why.to_string()));
    match (content::kind(place)?, place.file()) {
        (ContentKind::Empty, _) => match form {
            // an export without a record, as its ledger has it too
            Some(form) => {
                let mut table = TableSketch::new(form.clone());
                table.close(seen(true, None));
                Ok(Looked::Tables(vec![table]))
            }
            None => not("empty"),
        },
        (ContentKind::OldWorkbook, _) => not("an Excel workbook of before 2007: save it as .xlsx"),
        (ContentKind::Binary, _) => not("no text, and no format that kilde reads"),
        (ContentKind::Zip | ContentKind::Parquet, None) => not(
            "a workbook, Parquet or an archive within an archive: `files: NAME.zip!PATTERN` of a source reads the first two",
        ),
        (ContentKind::Zip, Some(file)) => match sheets(file, &seen(true, None), form) {
            Ok(tables) if tables.is_empty() => not("a workbook without a filled sheet"),
            Ok(tables) => Ok(Looked::Tables(tables)),
            Err(error) => not(&no_sheets(file, &error)),
        },
        (ContentKind::Avro, _) => {
            let content = content::avro(place)?;
            let seen = seen(content.is_whole, content.packed);
            let mut table = TableSketch::new(Form::Avro);
            for record in content.text.lines() {
                match table.root.add(record) {
                    true => table.rows += 1,
                    false => table.broken += 1,
                }
            }
            table.close(seen);
            Ok(Looked::Tables(vec![table]))
        }
        (ContentKind::Parquet, Some(file)) => {
            Ok(Looked::Tables(vec![parquet(file, seen(true, None))?]))
        }
        (ContentKind::Text, _) => {
            let content = content::read(place)?;
            if content.packed.is_none() && path.to_lowercase().ends_with(".zip") {
                return not("it is no ZIP archive, as its name says, or its upload broke off");
            }
            let seen = seen(content.is_whole, content.packed);
            text(&content, seen, form)
        }
    }
}

fn text(content: &Content, seen: FileSeen, form: Option<&Form>) -> Result<Looked> {
    let text_form = TextForm {
        encoding: content.encoding,
        confidence: content.encoding_confidence,
        has_mark: content.has_mark,
    };
    let start = content.text.trim_start();
    if start.is_empty() {
        return Ok(Looked::Not("nothing but white space".to_string()));
    }
    // what a server says instead of the file
    let start: String = start.chars().take(14).collect::<String>().to_lowercase();
    if ["<!doctype html", "<html", "<?xml"]
        .iter()
        .any(|mark| start.starts_with(mark))
    {
        return Ok(Looked::Not(
            "a page of the web or XML, and no data".to_string(),
        ));
    }
    let wants_json = form.is_none_or(Form::is_nested);
    if wants_json && let Some(found) = json::find(&content.text, content.is_whole) {
        let form = match found.path {
            None => Form::Ndjson(text_form),
            Some(path) => Form::Json(text_form, path),
        };
        let mut table = TableSketch::new(form);
        for record in found.records {
            match table.root.add(record) {
                true => table.rows += 1,
                false => table.broken += 1,
            }
        }
        table.broken += found.broken;
        table.close(seen);
        return Ok(Looked::Tables(vec![table]));
    }
    let looks_like_json = seen.path.contains(".json") || seen.path.contains(".ndjson");
    if looks_like_json && form.is_none_or(|form| !matches!(form, Form::Csv(_))) {
        let why = match content.is_whole {
            true => json::why_none(&content.text),
            false => "JSON without a list of records, or broken JSON".to_string(),
        };
        return Ok(Looked::Not(why));
    }
    let guess = match form {
        Some(Form::Csv(form)) => Some(form.guess.clone()),
        _ => dialect::guess(&content.text),
    };
    let Some(guess) = guess else {
        return Ok(Looked::Not("nothing but white space".to_string()));
    };
    Ok(Looked::Tables(vec![csv(content, text_form, guess, seen)]))
}

/// Reads delimited text by a dialect; the names of its columns are its own.
fn csv(content: &Content, text: TextForm, mut guess: DialectGuess, seen: FileSeen) -> TableSketch {
    let mut whole = content.text.as_str();
    let is_cut = !guess.dialect.widths.is_empty();
    let named = end::of_text(whole).filter(|_| content.is_whole);
    if let Some((at, _)) = &named {
        whole = &whole[..*at];
    }
    if guess.dialect.comment.is_none() {
        guess.dialect.comment = end::subtotals(whole);
    }
    let unnamed = match (&named, content.is_whole) {
        (None, true) => end::unnamed(whole, &guess.dialect),
        _ => None,
    };
    if let Some((at, end)) = named.or(unnamed) {
        whole = &whole[..at];
        guess.until.get_or_insert(end);
    }
    let mut records = Records::new(whole, &guess.dialect);
    records.skip_lines(guess.skip_lines);
    let mut fields: Vec<Field> = Vec::new();
    let mut is_empty = false;
    if guess.header.is_some() {
        let before = records.line;
        is_empty = !records.next(&mut fields, None);
        if !is_empty {
            guess.header_lines = records.line - before;
            // the last names of columns may be missing
            guess.width = match is_cut {
                true => guess.dialect.widths.len(),
                false => fields.len(),
            };
            guess.header = Some(match is_cut {
                true => field_names(&fields),
                false => fields.iter().map(|f| f.text.trim().to_string()).collect(),
            });
        }
    }
    let names = guess.header.clone().unwrap_or_default();
    let different: BTreeSet<&String> = names.iter().collect();
    // fields of a width have the names that the source gives them
    let is_by_position = !is_cut
        && (guess.header.is_none()
            || different.len() < names.len()
            || names.contains(&String::new()));
    let width = guess.width;
    let comment = guess.dialect.comment.clone();
    let mut table = TableSketch::new(Form::Csv(CsvForm {
        text,
        guess,
        is_by_position,
    }));
    // a file without a line has no columns, and lacks none
    if !is_empty {
        table.name_columns(column_names(&names, width, is_by_position));
    }
    let (mut sums, mut unnamed) = (0_u64, end::Sums::default());
    while records.next(&mut fields, Some(width)) {
        sums += u64::from(fields.iter().any(|f| end::subtotal(&f.text).is_some()));
        match fields.len() == width {
            true if unnamed.take(fields.iter().map(|field| field.text.as_str())) => {}
            true => table.add_row(fields.iter().map(|field| Some(field.text.as_str()))),
            false => table.broken += 1,
        }
    }
    if let Some(comment) = comment {
        table.notes.push(passed_over(&comment));
    }
    if sums > 0 {
        table.notes.push(taken_as_records(sums));
    }
    table.tell_of_sums(&unnamed, false);
    table.close(seen);
    table
}

/// Names for fields that a source cuts by their width.
fn field_names(header: &[Field]) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let names = header
        .iter()
        .map(|field| identifier(field.text.trim(), "c_"));
    names.map(|name| unique(&name, &mut taken)).collect()
}

/// Names of the columns, those that the file does not give by their place.
fn column_names(names: &[String], width: usize, is_by_position: bool) -> Vec<String> {
    let mut taken = BTreeSet::new();
    (0..width)
        .map(|at| match names.get(at).filter(|name| !name.is_empty()) {
            Some(name) if is_by_position => unique(name, &mut taken),
            Some(name) => name.clone(),
            None => unique(&format!("column_{}", at + 1), &mut taken),
        })
        .collect()
}

/// The filled sheets of a workbook that are in sight.
fn sheets(file: &Path, seen: &FileSeen, form: Option<&Form>) -> Result<Vec<TableSketch>> {
    let mut tables = Vec::new();
    let in_sight = sheet_names(file)?
        .into_iter()
        .filter(|sheet| !sheet.is_hidden);
    for (at, sheet) in in_sight.enumerate() {
        let wanted = match form {
            Some(Form::Xlsx(form)) => Some(form),
            _ => None,
        };
        if wanted.is_some_and(|wanted| wanted.sheet != sheet.name && !(wanted.is_first && at == 0))
        {
            continue;
        }
        if let Some(table) = sheet_table(file, &sheet.name, at == 0, seen.clone())? {
            tables.push(table);
        }
    }
    let is_only = tables.len() == 1;
    for table in &mut tables {
        if let Form::Xlsx(form) = &mut table.form {
            form.is_only = is_only;
        }
    }
    Ok(tables)
}

/// What an archive is, in words, whose sheets cannot be read.
fn no_sheets(file: &Path, error: &Error) -> String {
    let Ok(archive) = Archive::open(file) else {
        return "a damaged ZIP archive or workbook, or its upload broke off".to_string();
    };
    let is_workbook = archive.files().iter().any(|part| part.starts_with("xl/"));
    match is_workbook {
        true if error.number() == Some(TOO_LARGE) => error.to_string(),
        true => "a damaged Excel workbook: ask its sender to deliver it again".to_string(),
        false => "a ZIP archive of several files: `files: NAME.zip!*.csv` of a source reads each that matches".to_string(),
    }
}

fn sheet_table(
    file: &Path,
    sheet: &str,
    is_first: bool,
    seen: FileSeen,
) -> Result<Option<TableSketch>> {
    let mut rows: Vec<(i64, Vec<String>)> = Vec::new();
    sheet_rows(file, sheet, &mut |number, cells| {
        rows.push((number, cells));
        rows.len() < SHEET_BEGINNING
    })?;
    let width = rows.iter().map(|(_, cells)| cells.len()).max().unwrap_or(0);
    if width == 0 {
        return Ok(None);
    }
    let padded: Vec<Vec<Field>> = rows
        .iter()
        .map(|(_, cells)| {
            let mut fields: Vec<Field> = cells
                .iter()
                .map(|text| Field {
                    text: text.clone(),
                    ..Field::default()
                })
                .collect();
            fields.resize(width, Field::default());
            fields
        })
        .collect();
    let (first, has_header, confidence) = dialect::first_row(&padded, width);
    let grouped = match has_header {
        true => None,
        false => dialect::grouped_header(&padded[first..]),
    };
    let (has_header, header_confidence) = match grouped {
        Some(confidence) => (true, confidence),
        None => (has_header, confidence),
    };
    let header_rows = match (grouped, has_header) {
        (Some(_), _) => 2,
        (None, true) => dialect::header_rows(&padded[first..]),
        (None, false) => 0,
    };
    let skip_lines = usize::try_from(rows[first].0 - 1).unwrap_or(0);
    let names = sheet_header(file, sheet, skip_lines, header_rows)?;
    // columns right of the last name have none
    let width = match has_header {
        true => names
            .iter()
            .rposition(|name| !name.is_empty())
            .map_or(width, |at| at + 1),
        false => width,
    };
    let names = &names[..names.len().min(width)];
    let different: BTreeSet<&String> = names.iter().collect();
    let is_by_position =
        !has_header || different.len() < names.len() || names.iter().any(String::is_empty);
    let mut table = TableSketch::new(Form::Xlsx(SheetForm {
        sheet: sheet.to_string(),
        is_first,
        is_only: true,
        skip_lines,
        header_rows,
        header_confidence,
        is_by_position,
        until: None,
        comment: None,
        skip_footer: 0,
    }));
    table.name_columns(column_names(names, width, is_by_position));
    // blank rows may stand between
    let first_record = match header_rows {
        0 => skip_lines as i64 + 1,
        count => rows[first + count - 1].0 + 1,
    };
    let mut records = SheetRecords::new(width);
    let mut rows = end::Rows::default();
    sheet_rows(file, sheet, &mut |number, cells| {
        let is_record = cells.iter().take(width).any(|cell| !cell.is_empty());
        if number >= first_record && is_record {
            let row = rows.push(cells);
            row.into_iter()
                .for_each(|row| records.take(row, &mut table));
        }
        table.rows < MOST_ROWS
    })?;
    let is_whole = table.rows < MOST_ROWS;
    let (left, until) = rows.finish();
    left.into_iter()
        .for_each(|row| records.take(row, &mut table));
    records.finish(until, &mut table);
    table.close(FileSeen { is_whole, ..seen });
    Ok(Some(table))
}

/// The rows of a sheet, and what is told of those among them that are sums of others.
struct SheetRecords {
    width: usize,
    sums: end::Sums,
    /// Rows that begin with a word for a sum of some rows: the word, and the rows.
    named: Option<(String, Vec<Vec<String>>)>,
    /// Other rows with such a word, which are taken.
    taken: u64,
    /// Whether a record begins with the word by chance.
    is_a_name: bool,
}

impl SheetRecords {
    fn new(width: usize) -> Self {
        Self {
            width,
            sums: end::Sums::default(),
            named: None,
            taken: 0,
            is_a_name: false,
        }
    }

    fn take(&mut self, row: Vec<String>, table: &mut TableSketch) {
        let mut filled = row.iter().filter(|cell| !cell.trim().is_empty());
        let first = filled.next().map_or("", |cell| cell.trim_start());
        let word = end::subtotal(first);
        if let Some(word) = word
            && self.named.as_ref().is_none_or(|(named, _)| named == word)
        {
            let word = word.to_string();
            let (_, rows) = self.named.get_or_insert_with(|| (word, Vec::new()));
            rows.push(row);
            return;
        }
        if let Some((named, _)) = &self.named {
            self.is_a_name |= word.is_none() && first.starts_with(named.as_str());
        }
        self.taken += u64::from(row.iter().any(|cell| end::subtotal(cell).is_some()));
        self.add(&row, table);
    }

    fn add(&mut self, row: &[String], table: &mut TableSketch) {
        let cells = (0..self.width).map(|at| row.get(at).map(String::as_str));
        if !self.sums.take(cells.clone().map(Option::unwrap_or_default)) {
            table.add_row(cells);
        }
    }

    /// `until`: how the row begins that ends the records.
    fn finish(mut self, until: Option<String>, table: &mut TableSketch) {
        let mut comment = None;
        match self.named.take() {
            Some((word, _)) if !self.is_a_name => {
                table.notes.push(passed_over(&word));
                comment = Some(word);
            }
            // the reader would take the name for the word
            Some((_, rows)) => {
                self.taken += rows.len() as u64;
                rows.iter().for_each(|row| self.add(row, table));
            }
            None => {}
        }
        let is_footer = self.sums.is_last && self.sums.found == 1 && until.is_none();
        table.tell_of_sums(&self.sums, is_footer);
        if self.taken > 0 {
            table.notes.push(taken_as_records(self.taken));
        }
        if let Form::Xlsx(form) = &mut table.form {
            form.until = until;
            form.comment = comment;
            form.skip_footer = usize::from(is_footer);
        }
    }
}

fn passed_over(word: &str) -> String {
    format!("rows that begin with `{word}` are sums of others, and are passed over")
}

fn taken_as_records(rows: u64) -> String {
    format!("{rows} rows look like sums of others, and are taken as records")
}

fn parquet(file: &Path, seen: FileSeen) -> Result<TableSketch> {
    let damaged = |error: Box<dyn std::error::Error + Send + Sync>| {
        Error::input("the file is no Parquet file, or a damaged one")
            .at(file.display().to_string())
            .caused_by(error)
    };
    let opened = File::open(file).map_err(|error| content::unreadable(file, error))?;
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(opened).map_err(|error| damaged(error.into()))?;
    let total = builder.metadata().file_metadata().num_rows().unsigned_abs();
    let mut table = TableSketch::new(Form::Parquet);
    let schema = std::sync::Arc::clone(builder.schema());
    table.declare_columns(&schema);
    let reader = builder.build().map_err(|error| damaged(error.into()))?;
    for batch in reader {
        table.add_batch(&batch.map_err(|error| damaged(error.into()))?);
        if table.rows >= MOST_ROWS {
            break;
        }
    }
    let is_whole = table.rows == total;
    if !is_whole {
        table.notes.push(format!("it has {total} rows"));
    }
    table.close(FileSeen { is_whole, ..seen });
    Ok(table)
}
