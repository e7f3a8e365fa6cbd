//! A workbook that no source declares yet, looked into: its sheets and their rows as texts.

use std::path::Path;

use super::frame::{Framed, join, merged};
use super::sheet::{Rows, Value};
use super::workbook::Workbook;
use super::{no_workbook, refused};
use crate::error::Result;
use crate::ingest::zip::{Archive, Unpacked};
use crate::project::Frame;

/// Longest row in bytes.
const MAX_ROW_BYTES: usize = 16 << 20;

/// A sheet of a workbook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SheetName {
    pub(crate) name: String,
    pub(crate) is_hidden: bool,
}

/// The sheets, in the order of the tabs.
///
/// # Errors
/// `Input` for what is no workbook.
pub(crate) fn sheet_names(path: &Path) -> Result<Vec<SheetName>> {
    let (_, workbook) = open(path)?;
    let sheets = workbook.sheets.iter();
    let sheets = sheets.map(|sheet| SheetName {
        name: sheet.name.clone(),
        is_hidden: sheet.is_hidden,
    });
    Ok(sheets.collect())
}

/// Hands over each row that is not blank: its number and its cells from the first column on, until `each` wants no more.
///
/// # Errors
/// `Input` for a damaged workbook.
pub(crate) fn sheet_rows(
    path: &Path,
    sheet: &str,
    each: &mut dyn FnMut(i64, Vec<String>) -> bool,
) -> Result<()> {
    let (archive, workbook) = open(path)?;
    let file = path.display().to_string();
    let damaged = |error| no_workbook(&file, Some(error));
    let part = part(&archive, &workbook, sheet, &file)?;
    let mut rows = Rows::new(part, &workbook, MAX_ROW_BYTES);
    while let Some(row) = rows.next().map_err(damaged)? {
        if row.cells.is_empty() {
            continue;
        }
        let mut cells = Vec::new();
        for (column, value) in row.cells {
            cells.resize(column, String::new());
            cells.push(match value {
                Value::Text(text) | Value::Number(text) | Value::Moment(text) => text,
                Value::Boolean(truth) => truth.to_string(),
                Value::Error(_) | Value::NoResult => String::new(),
            });
        }
        if !each(row.number, cells) {
            break;
        }
    }
    Ok(())
}

/// The names that so many rows give after those that are passed over, as a source with `header_rows` reads them.
///
/// # Errors
/// `Input` for a damaged workbook.
pub(crate) fn sheet_header(
    path: &Path,
    sheet: &str,
    skip_lines: usize,
    header_rows: usize,
) -> Result<Vec<String>> {
    let (archive, workbook) = open(path)?;
    let file = path.display().to_string();
    let damaged = |error| no_workbook(&file, Some(error));
    let part = |sheet| part(&archive, &workbook, sheet, &file);
    let merged = merged(part(sheet)?).map_err(damaged)?;
    let frame = Frame {
        skip_lines: skip_lines as u64,
        ..Frame::default()
    };
    let mut rows = Framed::new(Rows::new(part(sheet)?, &workbook, MAX_ROW_BYTES), &frame);
    let mut names = Vec::new();
    for _ in 0..header_rows {
        match rows.any().map_err(damaged)? {
            Some(row) => names = join(names, &row, &merged),
            None => break,
        }
    }
    Ok(names)
}

/// The bytes of a sheet.
fn part(archive: &Archive, workbook: &Workbook, sheet: &str, file: &str) -> Result<Unpacked> {
    let sheet = workbook.sheets.iter().find(|other| other.name == sheet);
    let sheet = sheet.ok_or_else(|| no_workbook(file, None))?;
    let part = archive.read(&sheet.part);
    part.map_err(|error| no_workbook(file, Some(error)))?
        .ok_or_else(|| no_workbook(file, None))
}

fn open(path: &Path) -> Result<(Archive, Workbook)> {
    let file = path.display().to_string();
    let archive = Archive::open(path).map_err(|error| no_workbook(&file, Some(error)))?;
    let workbook = Workbook::read(&archive).map_err(|refusal| refused(refusal, &file))?;
    Ok((archive, workbook))
}
