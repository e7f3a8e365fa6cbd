//! Delimited text.
//!
//! Columns are found by the header's names, of one row or several; without a header they stand in the contract's order.

mod scanner;
mod table;
#[cfg(test)]
mod tests;

use std::io::Read;

use super::layout::{by_header, by_position, header_too_long};
use super::lines::{LineEnds, Window, WithoutFooter};
use super::records::{self, Edges, Scan, Scanned};
use super::{Decoding, Format, Seen, converter};
use crate::diagnostic::Code;
use crate::error::{Error, Result};
use crate::ingest::conform::{Converter, Escaping};
use crate::project::{CsvRead, Encoding, Escape};
use scanner::Dialect;
pub(crate) use table::{WrittenTable, read_table};

/// Delimited text, read as a source declares.
pub(super) struct Csv {
    read: CsvRead,
    delimiter: Vec<u8>,
    quote: Option<Vec<u8>>,
    /// The sign that escapes, where one is declared.
    escape: Option<Vec<u8>>,
    comment: Option<Vec<u8>>,
    until: Vec<Vec<u8>>,
}

/// Signs in the bytes of an export. One that the encoding lacks is in no export of it; a project that declares so is refused
/// before it comes here.
pub(super) fn signs(text: &str, encoding: Encoding) -> Vec<u8> {
    encoding
        .encode(text)
        .unwrap_or_else(|| text.as_bytes().to_vec())
}

impl Csv {
    pub(super) fn new(read: CsvRead) -> Self {
        let signs = |text: &str| signs(text, read.encoding);
        let sign = |sign: char| signs(sign.encode_utf8(&mut [0; 4]));
        Self {
            delimiter: signs(&read.delimiter),
            quote: read.quote.map(sign),
            escape: match read.escape {
                Escape::Sign(escape) => Some(sign(escape)),
                Escape::Doubled | Escape::Bare => None,
            },
            comment: read.frame.comment.as_deref().map(signs),
            until: read.frame.until.iter().map(|text| signs(text)).collect(),
            read,
        }
    }

    fn dialect(&self, width: usize, limit: usize) -> Dialect<'_> {
        Dialect {
            delimiter: &self.delimiter,
            quote: self.quote.as_deref(),
            escape: match (&self.escape, self.read.escape) {
                (Some(sign), _) => scanner::Escape::Sign(sign),
                (None, Escape::Bare) => scanner::Escape::Bare,
                (None, _) => scanner::Escape::Doubled,
            },
            trim: self.read.trim,
            edges: Edges {
                comment: self.comment.as_deref(),
                until: &self.until,
            },
            width,
            limit,
            quiet: Default::default(),
        }
    }

    /// The header's names, those of several rows joined with a space; `None` where the export holds none.
    fn header(&self, window: &mut Window<'_>, task: &Decoding<'_>) -> Result<Option<Vec<String>>> {
        let mut names: Option<Vec<String>> = None;
        for _ in 0..self.read.header_rows {
            let Some(row) = self.header_row(window, task)? else {
                break;
            };
            let names = names.get_or_insert_default();
            names.resize(names.len().max(row.len()), String::new());
            for (name, part) in names.iter_mut().zip(row) {
                if !name.is_empty() && !part.is_empty() {
                    name.push(' ');
                }
                name.push_str(&part);
            }
        }
        Ok(names)
    }

    /// The names of one row; `None` where the export holds nothing more.
    fn header_row(
        &self,
        window: &mut Window<'_>,
        task: &Decoding<'_>,
    ) -> Result<Option<Vec<String>>> {
        let mut dialect = self.dialect(0, task.max_record_bytes);
        // that line may begin as the header does
        dialect.edges.until = &[];
        loop {
            if window.rest().is_empty() {
                if window.is_last() {
                    return Ok(None);
                }
                window.fill(task.file)?;
                continue;
            }
            let mut cells = Vec::new();
            dialect.begin(window.offset());
            match dialect.scan(window.rest(), 0, window.is_last(), &mut cells) {
                Scanned::Record { end, lines } => {
                    let converter = &task.conformer.converter;
                    let names = cells.iter().map(|cell| {
                        let bytes = &window.rest()[cell.start as usize..cell.end as usize];
                        let mut name = Vec::new();
                        converter.append(cell.kind, bytes, &mut name);
                        String::from_utf8_lossy(&name).trim().to_string()
                    });
                    let names = names.collect();
                    window.advance(end, lines);
                    return Ok(Some(names));
                }
                Scanned::Blank { end } => window.advance(end, 1),
                Scanned::Incomplete => window.fill(task.file)?,
                Scanned::Broken { .. } | Scanned::End => {
                    return Err(Error::input("the header cannot be read")
                        .code(Code(407))
                        .at(format!("{}:{}", task.file, window.line()))
                        .help("check `delimiter`, `quote` and `skip_lines` of the source"));
                }
                Scanned::TooLong => return Err(header_too_long(window.line(), task.file)),
            }
        }
    }
}

/// Between fields where a comma stands in numbers.
const SEMICOLON: &[u8] = b";";

impl Csv {
    /// The names of a header with `;` between, where the comma that is declared is nowhere in it: so an Excel that writes
    /// decimal commas saves any CSV, one that had commas too. `None` where it is no such header.
    fn of_other_excel(&self, names: &[String]) -> Option<Vec<String>> {
        let [header] = names else { return None };
        // an escape before a delimiter is of the one that is declared
        let is_plain =
            self.delimiter == b"," && self.escape.is_none() && self.read.header_rows == 1;
        let names = header.split(';').map(|name| name.trim().to_string());
        (is_plain && header.contains(';') && !header.contains('"')).then(|| names.collect())
    }
}

impl Format for Csv {
    fn converter(&self) -> Converter {
        let escaping = match (&self.quote, &self.escape) {
            (Some(quote), None) => Escaping::doubled(quote),
            (Some(quote), Some(escape)) => Escaping {
                escape: escape.clone(),
                before: vec![quote.clone(), escape.clone()],
            },
            (None, Some(escape)) => Escaping {
                escape: escape.clone(),
                before: vec![
                    self.delimiter.clone(),
                    escape.clone(),
                    vec![b'\n'],
                    vec![b'\r'],
                ],
            },
            // nothing is escaped
            (None, None) => Escaping::doubled(b"\""),
        };
        converter(&self.read.conversions, self.read.encoding, escaping)
    }

    fn decode(&self, bytes: &mut dyn Read, mut task: Decoding<'_>) -> Result<Seen> {
        let frame = &self.read.frame;
        let mut bytes = WithoutFooter::new(bytes, frame.skip_footer, task.max_record_bytes);
        let mut window = Window::open(&mut bytes, task.file)?;
        for _ in 0..frame.skip_lines {
            window.skip_line(LineEnds::Any, task.file)?;
        }
        let mut delimiter = None;
        let layout = if self.read.header_rows > 0 {
            let Some(names) = self.header(&mut window, &task)? else {
                return Ok(Seen::default());
            };
            let other = self.of_other_excel(&names);
            // who only looks wants no column, and takes the names as a build would
            let is_look = task.conformer.targets.is_empty();
            match (by_header(task.conformer, names, task.file), other) {
                (layout, Some(names)) if is_look || layout.is_err() => {
                    delimiter = Some(SEMICOLON);
                    by_header(task.conformer, names, task.file)?
                }
                (layout, _) => layout?,
            }
        } else {
            by_position(task.conformer)
        };
        let mut dialect = self.dialect(layout.width, task.max_record_bytes);
        dialect.delimiter = delimiter.unwrap_or(dialect.delimiter);
        records::read(&mut window, &dialect, &layout, &mut task)?;
        Ok(layout.into_seen())
    }
}
