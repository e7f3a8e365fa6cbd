//! A file that says who is behind each record: CSV or Parquet, with the columns of the record's key and one of the person.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use datafusion::arrow::array::{Array, RecordBatch, StringArray};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::tables::texts;
use crate::error::{Error, Result};
use crate::project::Matching;

/// Who is behind each record.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Truth {
    /// The person by the parts of the record's key, with the sign of keys between.
    pub(super) people: BTreeMap<String, String>,
    /// Rows that name no record, or no person: of those nothing is known.
    pub(super) without_person: u64,
}

impl Truth {
    /// Adds a row; `line`: where it stands, from 1.
    fn add(&mut self, key: &[Option<&str>], person: Option<&str>, line: usize) -> Result<()> {
        let has_text = |text: &Option<&str>| text.is_some_and(|text| !text.trim().is_empty());
        if !key.iter().all(has_text) || !has_text(&person) {
            self.without_person += 1;
            return Ok(());
        }
        let key: Vec<&str> = key.iter().copied().flatten().collect();
        let person = person.unwrap_or_default().trim();
        let known = self.people.entry(key.join("\u{1f}"));
        match known.or_insert_with(|| person.to_string()) == person {
            true => Ok(()),
            false => Err(Error::config(format!(
                "row {line} of the truth names another person for a record than a row before it"
            ))
            .help("a record is of one person: leave out the row that is wrong, or both")),
        }
    }
}

/// Reads a truth.
///
/// # Errors
/// `Config` for a file that cannot be read, or that lacks a column of the key; for a row with more or fewer cells than the
/// header, and for a record with two persons.
pub(super) fn read(path: &Path, matching: &Matching) -> Result<Truth> {
    let at = |error: Error| error.at(path.display().to_string());
    let open = || {
        File::open(path)
            .map_err(|error| at(Error::config("the truth cannot be read").caused_by(error)))
    };
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => {
            open()?;
            let text = std::fs::read_to_string(path);
            let text = text
                .map_err(|error| at(Error::config("the truth cannot be read").caused_by(error)))?;
            of_csv(text.trim_start_matches('\u{feff}'), matching).map_err(at)
        }
        Some("parquet") => of_parquet(open()?, matching).map_err(at),
        _ => Err(at(Error::config("a truth is a .csv or a .parquet file"))),
    }
}

/// Places of the key's columns, then of the person's: the column that is left.
fn places(header: &[String], matching: &Matching) -> Result<Vec<usize>> {
    let place = |name: &String| header.iter().position(|column| column == name);
    let key: Vec<&String> = matching
        .record_key
        .iter()
        .map(|column| &column.value)
        .collect();
    let found: Option<Vec<usize>> = key.iter().map(|name| place(name)).collect();
    let rest = (0..header.len()).filter(|at| !key.contains(&&header[*at]));
    let rest: Vec<usize> = rest.collect();
    match (found, rest.as_slice()) {
        (Some(mut places), [person]) => {
            places.push(*person);
            Ok(places)
        }
        _ => {
            let key: Vec<&str> = key.iter().map(|name| name.as_str()).collect();
            // a file without a header has a person in its first line: none of its cells is repeated
            Err(Error::config(format!(
                "the truth has no header of {} columns that names {}: its first line has {} cells",
                key.len() + 1,
                key.join(", "),
                header.len()
            ))
            .help(format!(
                "they must be {} and one that names the person",
                key.join(", ")
            )))
        }
    }
}

fn of_csv(text: &str, matching: &Matching) -> Result<Truth> {
    let mut rows = lines(text).into_iter();
    let header = rows.next().unwrap_or_default();
    let places = places(&header, matching)?;
    let mut truth = Truth::default();
    for (cells, row) in rows.zip(2..) {
        if cells.len() != header.len() {
            return Err(Error::config(format!(
                "row {row} of the truth has {} cells, and its header {}",
                cells.len(),
                header.len()
            ))
            .help("a cell with a comma or a line break in it stands in double quotes"));
        }
        let mut wanted: Vec<Option<&str>> = places
            .iter()
            .map(|at| cells.get(*at).map(String::as_str))
            .collect();
        let person = wanted.pop().flatten();
        truth.add(&wanted, person, row)?;
    }
    Ok(truth)
}

/// The cells of CSV (RFC 4180), line by line; empty lines are none.
fn lines(text: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut row: Vec<String> = Vec::new();
    let mut cell = String::new();
    let mut is_quoted = false;
    let mut signs = text.chars().peekable();
    while let Some(sign) = signs.next() {
        match sign {
            '"' if is_quoted && signs.peek() == Some(&'"') => {
                signs.next();
                cell.push('"');
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => row.push(std::mem::take(&mut cell)),
            '\n' if !is_quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            '\r' if !is_quoted => {}
            sign => cell.push(sign),
        }
    }
    row.push(cell);
    rows.push(row);
    rows.retain(|row| row.len() > 1 || row.iter().any(|cell| !cell.is_empty()));
    rows
}

fn of_parquet(file: File, matching: &Matching) -> Result<Truth> {
    let unreadable =
        |error| Error::config("the truth is no readable Parquet file").caused_by(error);
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(unreadable)?;
    let fields = builder.schema().fields().iter();
    let header: Vec<String> = fields.map(|field| field.name().clone()).collect();
    let places = places(&header, matching)?;
    let reader = builder.build().map_err(unreadable)?;
    let mut truth = Truth::default();
    let mut rows = 0;
    for batch in reader {
        let batch: RecordBatch = batch.map_err(|error| {
            Error::config("the truth is no readable Parquet file").caused_by(error)
        })?;
        let columns = places.iter().map(|at| texts(batch.column(*at)));
        let columns = columns.collect::<Result<Vec<StringArray>>>()?;
        for row in 0..batch.num_rows() {
            let cell = |column: &'_ StringArray| {
                column.is_valid(row).then(|| column.value(row).to_string())
            };
            let cells: Vec<Option<String>> = columns.iter().map(cell).collect();
            let mut cells: Vec<Option<&str>> = cells.iter().map(Option::as_deref).collect();
            let person = cells.pop().flatten();
            rows += 1;
            truth.add(&cells, person, rows)?;
        }
    }
    Ok(truth)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_without_a_person_are_counted_and_a_record_of_two_persons_is_refused() {
        let mut truth = Truth::default();
        truth.add(&[Some("crm"), Some("1")], Some("p1"), 2).unwrap();
        truth
            .add(&[Some("crm"), Some("1")], Some(" p1 "), 3)
            .unwrap();
        truth.add(&[Some("crm"), Some("2")], Some(" "), 4).unwrap();
        truth.add(&[Some("crm"), None], Some("p2"), 5).unwrap();
        assert_eq!((truth.people.len(), truth.without_person), (1, 2));
        let refused = truth.add(&[Some("crm"), Some("1")], Some("p2"), 6);
        let told = refused.unwrap_err().to_string();
        assert!(told.contains("row 6") && !told.contains("p2"), "{told}");
    }
}
