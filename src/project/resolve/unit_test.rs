//! `unit_tests:` → [`UnitTest`]s whose files are read and whose times are instants. Whether tables and columns exist is
//! settled once the SQL is known.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::Spanned;
use super::super::instant::instant;
use super::super::raw::{Mistake, RawFixture, RawUnitTest};
use super::super::unit_test::{Cell, Fixture, FixtureCell, FixtureRow, FixtureRows, UnitTest};
use super::contract::Check;
use crate::diagnostic::{Diagnostic, SourceFile, Span};
use crate::name::TableName;

/// A contract's unit tests; what is wrong with one leaves it out.
pub(super) fn resolve(check: &mut Check<'_>, raw: Vec<RawUnitTest>) -> Vec<UnitTest> {
    let mut tests: Vec<UnitTest> = Vec::new();
    for raw in raw {
        if tests.iter().any(|test| test.name.value == raw.name.value) {
            let mistake = Mistake::new(
                160,
                format!("two unit tests are called `{}`", raw.name.value),
            );
            check.report(raw.name.span, mistake.help("rename one of them"));
        }
        tests.extend(one(check, raw));
    }
    tests
}

fn one(check: &mut Check<'_>, raw: RawUnitTest) -> Option<UnitTest> {
    let as_of = match &raw.as_of {
        None => None,
        Some(text) => Some(as_of(check, text)?),
    };
    let mut given = Vec::new();
    for (name, fixture) in raw.given.0.entries {
        let Ok(table) = name.value.parse::<TableName>() else {
            let mistake = Mistake::new(109, format!("`{}` is not a table's name", name.value));
            check.report(
                name.span,
                mistake.help("name its schema too, for example `silver.people`"),
            );
            continue;
        };
        let table = Spanned {
            value: table,
            span: name.span,
        };
        given.push((table, self::fixture(check, fixture)?));
    }
    Some(UnitTest {
        name: raw.name,
        as_of,
        vars: raw
            .vars
            .entries
            .into_iter()
            .map(|(name, value)| (name.value, value))
            .collect::<BTreeMap<_, _>>(),
        given,
        expect: fixture(check, raw.expect)?,
    })
}

fn as_of(check: &mut Check<'_>, text: &Spanned<String>) -> Option<chrono::DateTime<chrono::Utc>> {
    let found = instant(&text.value, check.settings.time_zone);
    if found.is_none() {
        let mistake = Mistake::new(
            103,
            format!("`{}` is neither a date nor a time", text.value),
        );
        check.report(
            text.span,
            mistake.help("write `2026-03-01` or `2026-03-01T06:00`"),
        );
    }
    found
}

fn fixture(check: &mut Check<'_>, raw: RawFixture) -> Option<Fixture> {
    match raw {
        RawFixture::Rows(rows) => Some(Fixture::Rows(FixtureRows {
            file: Arc::clone(check.file),
            rows,
            header: Vec::new(),
        })),
        RawFixture::Parquet(path) => {
            let absolute = check.settings.root.join(&path.value);
            let Ok(bytes) = std::fs::read(&absolute) else {
                check.report(path.span, no_such_file(&path.value));
                return None;
            };
            Some(Fixture::Parquet {
                path: absolute,
                hash: blake3::hash(&bytes).to_hex().to_string(),
            })
        }
        RawFixture::Csv(path) => {
            let Ok(text) = std::fs::read_to_string(check.settings.root.join(&path.value)) else {
                check.report(path.span, no_such_file(&path.value));
                return None;
            };
            let file = Arc::new(SourceFile {
                path: path.value,
                text,
            });
            match csv(&file) {
                Ok(rows) => Some(Fixture::Rows(rows)),
                Err(mistake) => {
                    check.adopt(vec![*mistake]);
                    None
                }
            }
        }
    }
}

fn no_such_file(path: &str) -> Mistake {
    Mistake::new(161, format!("`{path}` is no file that can be read"))
        .help("fixtures are named from the project's root, for example `tests/fixtures/people.csv`; CSV is UTF-8")
}

/// RFC 4180 with a header. An empty cell is null; an empty text is `""`.
fn csv(file: &Arc<SourceFile>) -> Result<FixtureRows, Box<Diagnostic>> {
    let mut lines = records(file)?.into_iter();
    let header: Vec<Spanned<String>> = lines
        .next()
        .unwrap_or_default()
        .into_iter()
        .map(|cell| Spanned {
            value: match cell.value {
                Cell::Text(text) => text,
                _ => String::new(),
            },
            span: cell.span,
        })
        .collect();
    let mut rows = Vec::new();
    for cells in lines {
        let span = Span {
            start: cells.first().map_or(0, |cell| cell.span.start),
            end: cells.last().map_or(0, |cell| cell.span.end),
        };
        if cells.len() != header.len() {
            let message = format!(
                "{} cells where the header has {}",
                cells.len(),
                header.len()
            );
            return Err(Box::new(super::blame(
                file,
                span,
                Mistake::new(162, message),
            )));
        }
        rows.push(FixtureRow {
            cells: header.iter().cloned().zip(cells).collect(),
        });
    }
    Ok(FixtureRows {
        file: Arc::clone(file),
        rows,
        header,
    })
}

/// Cells of every line that is not empty.
fn records(file: &Arc<SourceFile>) -> Result<Vec<Vec<FixtureCell>>, Box<Diagnostic>> {
    let text = file.text.as_str();
    let mut records = Vec::new();
    let mut record = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let (cell, end) = cell(file, at)?;
        let is_blank = matches!(cell.value, Cell::Null);
        record.push(cell);
        let rest = &text[end..];
        at = end + 1;
        if rest.starts_with(',') {
            if at == text.len() {
                record.push(null(at));
            }
            continue;
        }
        if rest.starts_with("\r\n") {
            at += 1;
        }
        let whole = std::mem::take(&mut record);
        if whole.len() > 1 || !is_blank {
            records.push(whole);
        }
    }
    if !record.is_empty() {
        records.push(record);
    }
    Ok(records)
}

fn null(at: usize) -> FixtureCell {
    FixtureCell {
        span: Span { start: at, end: at },
        value: Cell::Null,
    }
}

/// The cell that starts at a byte, and where it ends.
fn cell(file: &Arc<SourceFile>, start: usize) -> Result<(FixtureCell, usize), Box<Diagnostic>> {
    let rest = &file.text[start..];
    if !rest.starts_with('"') {
        let length = rest.find([',', '\n', '\r']).unwrap_or(rest.len());
        let span = Span {
            start,
            end: start + length,
        };
        let value = match &rest[..length] {
            "" => Cell::Null,
            text => Cell::Text(text.to_string()),
        };
        return Ok((FixtureCell { span, value }, span.end));
    }
    let mut value = String::new();
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((offset, c)) = chars.next() {
        match c {
            '"' if chars.peek().is_some_and(|(_, next)| *next == '"') => {
                chars.next();
                value.push('"');
            }
            '"' => {
                let span = Span {
                    start,
                    end: start + offset + 1,
                };
                let value = Cell::Text(value);
                return Ok((FixtureCell { span, value }, span.end));
            }
            c => value.push(c),
        }
    }
    let span = Span {
        start,
        end: start + 1,
    };
    Err(Box::new(super::blame(
        file,
        span,
        Mistake::new(162, "this quote is never closed"),
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<FixtureRows, Box<Diagnostic>> {
        csv(&Arc::new(SourceFile {
            path: "tests/fixtures/a.csv".into(),
            text: text.into(),
        }))
    }

    fn cells(text: &str) -> Vec<String> {
        let rows = read(text).unwrap().rows;
        let cells = rows.into_iter().flat_map(|row| row.cells);
        cells
            .map(|(name, cell)| format!("{}={:?}", name.value, cell.value))
            .collect()
    }

    #[test]
    fn an_empty_cell_is_null_and_a_quoted_one_is_empty_text() {
        assert_eq!(
            cells("a,b\n,\"\"\n\n\"x \"\"y\"\",\nz\",01234\r\n"),
            [
                "a=Null",
                "b=Text(\"\")",
                "a=Text(\"x \\\"y\\\",\\nz\")",
                "b=Text(\"01234\")"
            ]
        );
        assert_eq!(cells("a,b\n1,"), ["a=Text(\"1\")", "b=Null"]);
        assert!(cells("a,b\n").is_empty());
    }

    #[test]
    fn a_short_line_and_an_open_quote_are_refused_at_their_place() {
        assert!(
            read("a,b\n1\n")
                .unwrap_err()
                .render(false)
                .contains("a.csv:2:1")
        );
        assert!(
            read("a\n\"1\n")
                .unwrap_err()
                .render(false)
                .contains("a.csv:2:1")
        );
    }
}
