//! A file that says who is behind each record: CSV or Parquet, with the columns of the record's key and one of the person.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use datafusion::arrow::array::{Array, RecordBatch, StringArray};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::tables::texts;
use crate::diagnostic::Code;
use crate::error::{Error, Result};
use crate::ingest::{WrittenTable, read_table};
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
    /// Adds a row.
    ///
    /// # Errors
    /// `Input` where it names another person for a record than a row before it.
    fn add(&mut self, key: &[Option<&str>], person: Option<&str>) -> Result<()> {
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
            false => Err(Error::input(
                "this row of the truth names another person for a record than a row before it",
            )
            .help("a record is of one person: leave out the row that is wrong, or both")),
        }
    }
}

/// Reads a truth.
///
/// # Errors
/// `Config` for a file that cannot be read. `Input` (K0870), with the line: for a header without a column of the key, for a row with
/// more or fewer cells than the header or with a quote that does not close, and for a record with two persons.
pub(super) fn read(path: &Path, matching: &Matching) -> Result<Truth> {
    let file = path.display().to_string();
    let unreadable = |error| {
        Error::config("the truth cannot be read")
            .caused_by(error)
            .at(&file)
    };
    let truth = match path.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => {
            let bytes = std::fs::read(path).map_err(unreadable)?;
            of_csv(bytes, &file, matching)
        }
        Some("parquet") => of_parquet(File::open(path).map_err(unreadable)?, &file, matching),
        _ => {
            return Err(Error::config("a truth is a .csv or a .parquet file").at(file));
        }
    };
    truth.map_err(|error| error.code(NO_TRUTH))
}

/// A truth that cannot be read.
const NO_TRUTH: Code = Code(870);

/// Places of the key's columns; `None` where a header lacks one.
fn places_of_key(header: &[String], matching: &Matching) -> Option<Vec<usize>> {
    let key = matching.record_key.iter();
    let places = key.map(|name| header.iter().position(|column| *column == name.value));
    places.collect()
}

/// Places of the key's columns, then of the person's: the column that is left.
fn places(header: &[String], matching: &Matching) -> Result<Vec<usize>> {
    let found = places_of_key(header, matching);
    if let Some(mut places) = found.clone() {
        let mut rest = (0..header.len()).filter(|at| !places.contains(at));
        if let (Some(person), None) = (rest.next(), rest.next()) {
            places.push(person);
            return Ok(places);
        }
    }
    let key = matching.record_key.iter();
    let key: Vec<&str> = key.map(|name| name.value.as_str()).collect();
    // what stands there may be a record: a truth without a header would show a person
    let what = match found {
        Some(_) => "not one column beside the key".to_string(),
        None => {
            let is_there = |name: &&str| header.iter().any(|column| column == name);
            let lacking: Vec<&str> = key.iter().copied().filter(|name| !is_there(name)).collect();
            format!("no column `{}`", lacking.join("`, `"))
        }
    };
    let columns = match header.len() {
        1 => "1 column".to_string(),
        columns => format!("{columns} columns"),
    };
    Err(
        Error::input(format!("the truth has {columns}, and {what}")).help(format!(
            "its first line names its columns: they must be {} and one that names the person",
            key.join(", ")
        )),
    )
}

fn of_csv(bytes: Vec<u8>, file: &str, matching: &Matching) -> Result<Truth> {
    let text = String::from_utf8(bytes).map_err(|_| {
        Error::input("the truth is no text in UTF-8")
            .at(file)
            .help("save it as `CSV UTF-8`")
    })?;
    let is_of_key = |header: &[String]| places_of_key(header, matching).is_some();
    let WrittenTable { header, rows } = read_table(&text, file, is_of_key)?;
    let places = places(&header, matching).map_err(|error| error.at(file))?;
    let mut truth = Truth::default();
    for row in rows {
        let place = format!("{file}:{}", row.line);
        let cell = |at: &usize| row.cells.get(*at).map(String::as_str);
        let mut wanted: Vec<Option<&str>> = places.iter().map(cell).collect();
        let broken = places
            .iter()
            .find(|at| cell(at).is_some_and(|cell| cell.contains('\n')));
        if let Some(at) = broken {
            // two quotes that were forgotten have whole rows between them
            let column = &header[*at];
            return Err(Error::input(format!(
                "a quote opens in column `{column}` and closes some lines further down"
            ))
            .at(place)
            .help(
                "no key and no person has a line break in it: close the quote where the cell ends",
            ));
        }
        let person = wanted.pop().flatten();
        truth
            .add(&wanted, person)
            .map_err(|error| error.at(place))?;
    }
    Ok(truth)
}

fn of_parquet(bytes: File, file: &str, matching: &Matching) -> Result<Truth> {
    let what = "the truth is no readable Parquet file";
    let unreadable = |error| Error::input(what).at(file).caused_by(error);
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(unreadable)?;
    let fields = builder.schema().fields().iter();
    let header: Vec<String> = fields.map(|field| field.name().clone()).collect();
    let places = places(&header, matching).map_err(|error| error.at(file))?;
    let reader = builder.build().map_err(unreadable)?;
    let mut truth = Truth::default();
    let mut rows = 0;
    for batch in reader {
        let batch: RecordBatch =
            batch.map_err(|error| Error::input(what).at(file).caused_by(error))?;
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
            let place = || format!("{file}, row {rows}");
            truth
                .add(&cells, person)
                .map_err(|error| error.at(place()))?;
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
        truth.add(&[Some("crm"), Some("1")], Some("p1")).unwrap();
        truth.add(&[Some("crm"), Some("1")], Some(" p1 ")).unwrap();
        truth.add(&[Some("crm"), Some("2")], Some(" ")).unwrap();
        truth.add(&[Some("crm"), None], Some("p2")).unwrap();
        assert_eq!((truth.people.len(), truth.without_person), (1, 2));
        let refused = truth.add(&[Some("crm"), Some("1")], Some("p2"));
        let told = refused.unwrap_err().to_string();
        assert!(!told.contains("p2") && !told.contains("p1"), "{told}");
    }
}
