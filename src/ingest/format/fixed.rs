//! Text in columns of a fixed width: a line is a record, its fields are cut by position and spaces around them cut off.
//!
//! Editors and mail cut off the spaces at the end of lines, so a line may end within its last field. One that ends before
//! that begins has too few fields, one with text beyond it too many.

use std::io::Read;

use super::csv::signs;
use super::layout::by_header;
use super::lines::{LineEnds, Window, WithoutFooter};
use super::records::{self, Edges, LineEnd, Scan, Scanned, line_end};
use super::{Decoding, Format, Seen, converter};
use crate::error::Result;
use crate::ingest::cell::{Cell, CellKind};
use crate::ingest::conform::{Converter, Escaping};
use crate::ingest::rule::Rule;
use crate::project::FixedRead;

/// Text of fixed columns, read as a source declares.
pub(super) struct Fixed {
    read: FixedRead,
    comment: Option<Vec<u8>>,
    until: Vec<Vec<u8>>,
}

impl Fixed {
    pub(super) fn new(read: FixedRead) -> Self {
        let signs = |text: &str| signs(text, read.encoding);
        Self {
            comment: read.frame.comment.as_deref().map(signs),
            until: read.frame.until.iter().map(|text| signs(text)).collect(),
            read,
        }
    }
}

/// Cuts lines.
struct Widths<'a> {
    fields: &'a [(String, usize)],
    /// Whether a character of UTF-8 may take several bytes.
    is_utf8: bool,
    edges: Edges<'a>,
    limit: usize,
}

impl Widths<'_> {
    /// The end of a field: so many characters on, or the end of the line.
    fn end(&self, line: &[u8], from: usize, width: usize) -> usize {
        if !self.is_utf8 {
            return line.len().min(from.saturating_add(width));
        }
        let begins_character = |(_, byte): &(usize, &u8)| **byte & 0xc0 != 0x80;
        let mut characters = line.iter().enumerate().skip(from).filter(begins_character);
        characters.nth(width).map_or(line.len(), |(at, _)| at)
    }
}

impl Scan for Widths<'_> {
    fn width(&self) -> usize {
        self.fields.len()
    }

    fn scan(&self, text: &[u8], at: usize, is_last: bool, cells: &mut Vec<Cell>) -> Scanned {
        if let Some(scanned) = self.edges.scan(text, at, is_last, self.limit) {
            return scanned;
        }
        let (end, next) = match line_end(text, at, is_last) {
            LineEnd::At { end, next } => (end, next),
            LineEnd::None if is_last => (text.len(), text.len()),
            _ if text.len() - at > self.limit => return Scanned::TooLong,
            _ => return Scanned::Incomplete,
        };
        if end - at > self.limit {
            return Scanned::TooLong;
        }
        let line = &text[at..end];
        let lines = i64::from(next > end);
        let mut from = 0;
        for (found, (_, width)) in self.fields.iter().enumerate() {
            if from == line.len() && found > 0 {
                return Scanned::Broken {
                    end: next,
                    lines,
                    rule: Rule::TooFewFields,
                    fields: found,
                    found,
                };
            }
            let to = self.end(line, from, *width);
            let field = &line[from..to];
            let blanks = field.len() - field.trim_ascii_start().len();
            let start = at + from + blanks;
            let kept = field.trim_ascii().len();
            cells.push(Cell::new(start, start + kept, CellKind::Text));
            from = to;
        }
        if line[from..].trim_ascii().is_empty() {
            return Scanned::Record { end: next, lines };
        }
        Scanned::Broken {
            end: next,
            lines,
            rule: Rule::TooManyFields,
            fields: self.fields.len(),
            found: self.fields.len() + 1,
        }
    }
}

impl Format for Fixed {
    fn converter(&self) -> Converter {
        converter(
            &self.read.conversions,
            self.read.encoding,
            Escaping::doubled(b"\""),
        )
    }

    fn decode(&self, bytes: &mut dyn Read, mut task: Decoding<'_>) -> Result<Seen> {
        let frame = &self.read.frame;
        let mut bytes = WithoutFooter::new(bytes, frame.skip_footer, task.max_record_bytes);
        let mut window = Window::open(&mut bytes, task.file)?;
        for _ in 0..frame.skip_lines {
            window.skip_line(LineEnds::Any, task.file)?;
        }
        let names = self.read.fields.iter().map(|(name, _)| name.clone());
        let layout = by_header(task.conformer, names.collect(), task.file)?;
        let widths = Widths {
            fields: &self.read.fields,
            is_utf8: !self.read.encoding.is_single_byte(),
            edges: Edges {
                comment: self.comment.as_deref(),
                until: &self.until,
            },
            limit: task.max_record_bytes,
        };
        records::read(&mut window, &widths, &layout, &mut task)?;
        Ok(layout.into_seen())
    }
}

#[cfg(test)]
mod tests {
    use crate::ingest::testing::{Bench, accepted, contract, fixed, rejects, source};
    use crate::project::{ColumnType, Encoding, FixedRead, Frame, Load, Read};

    fn bench(read: FixedRead) -> Bench {
        let columns = [
            ("id", ColumnType::Bigint),
            ("name", ColumnType::Varchar),
            ("town", ColumnType::Varchar),
        ];
        Bench::new(
            source(Read::Fixed(read), Load::Append),
            contract(&["id"], &columns),
        )
    }

    #[tokio::test]
    async fn fields_are_cut_by_characters_and_spaces_around_them_go() {
        let bench = bench(fixed(&[("id", 4), ("name", 6), ("town", 5)]));
        let decoded = bench.decode("a", "  1 \u{c5}sa   Malm\u{f6}\r\n  2 Bo\n\n 33 Eva   Lund  \r44  \u{d6}rjan Ume\u{e5} x\n 5").await;
        assert_eq!(accepted(&decoded), ["1|\u{c5}sa|Malm\u{f6}", "33|Eva|Lund"]);
        let reject = |line, rule: &str| (line, String::new(), rule.to_string());
        assert_eq!(
            rejects(&decoded),
            [
                reject(2, "too_few_fields"),
                reject(5, "too_many_fields"),
                reject(6, "too_few_fields")
            ]
        );
    }

    #[tokio::test]
    async fn what_stands_around_the_records_is_passed_over() {
        let read = FixedRead {
            frame: Frame {
                skip_lines: 1,
                skip_footer: 1,
                until: vec!["SUM".into()],
                comment: Some("*".into()),
            },
            encoding: Encoding::ISO_8859_1,
            ..fixed(&[("id", 2), ("name", 4), ("town", 4)])
        };
        let text = b"REPORT\n* all\n 1 \xc5saLund\nSUM  1\n 2 Bo Lund\nend\n";
        assert_eq!(
            accepted(&bench(read.clone()).decode("a", text).await),
            ["1|\u{c5}sa|Lund"]
        );
        let text = b"REPORT\n 1 \xc5saLund\n 2 Bo Lund\nend\n";
        assert_eq!(bench(read).decode("a", text).await.report.records, 2);
    }
}
