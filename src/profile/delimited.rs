//! Delimited text split into records, leniently: for looking at a file whose dialect is not known yet.

/// How the fields of a text are set apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// Widths of the fields in characters, where nothing stands between them; empty: a delimiter does.
    pub(crate) widths: Vec<usize>,
    pub(crate) delimiter: String,
    pub(crate) quote: Option<char>,
    /// Before a quote within quotes; `None`: it is doubled.
    pub(crate) escape: Option<char>,
    /// Spaces around fields are none of them.
    pub(crate) trim: bool,
    /// Lines that begin so are no records.
    pub(crate) comment: Option<String>,
}

/// A field of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) text: String,
    pub(super) is_quoted: bool,
    /// A quote stands where none should.
    pub(super) has_stray_quote: bool,
}

/// Walks over the records of a text.
pub(super) struct Records<'t> {
    text: &'t [u8],
    at: usize,
    /// Physical line of `at`, from 0.
    pub(super) line: usize,
    widths: Vec<usize>,
    delimiter: Vec<u8>,
    quote: Option<u8>,
    escape: Option<u8>,
    trim: bool,
    comment: Option<Vec<u8>>,
    /// The text has no `\n`: old Macs end their lines so.
    ends_with_return: bool,
    /// A quote of the record under work was open when the text ended.
    is_unclosed: bool,
}

impl<'t> Records<'t> {
    pub(super) fn new(text: &'t str, dialect: &Dialect) -> Self {
        let ascii = |sign: Option<char>| sign.and_then(|sign| u8::try_from(sign).ok());
        let text = text.as_bytes();
        Self {
            text,
            at: 0,
            line: 0,
            widths: dialect.widths.clone(),
            delimiter: dialect.delimiter.as_bytes().to_vec(),
            quote: ascii(dialect.quote),
            escape: ascii(dialect.escape),
            trim: dialect.trim,
            comment: dialect.comment.clone().map(String::into_bytes),
            ends_with_return: memchr::memchr(b'\n', text).is_none()
                && memchr::memchr(b'\r', text).is_some(),
            is_unclosed: false,
        }
    }

    /// Passes over lines, whatever is in them.
    pub(super) fn skip_lines(&mut self, lines: usize) {
        for _ in 0..lines {
            self.skip_line();
        }
    }

    fn skip_line(&mut self) {
        let end = if self.ends_with_return { b'\r' } else { b'\n' };
        let rest = &self.text[self.at..];
        self.at += memchr::memchr(end, rest).map_or(rest.len(), |at| at + 1);
        self.line += 1;
    }

    /// The next record that is no blank line, into `fields`; `false` at the end. A record over several lines that has not
    /// `width` fields most likely has a quote that nobody closed: its first line alone is taken.
    pub(super) fn next(&mut self, fields: &mut Vec<Field>, width: Option<usize>) -> bool {
        loop {
            if self.at >= self.text.len() {
                return false;
            }
            let (start, line) = (self.at, self.line);
            let rest = &self.text[self.at..];
            if self
                .comment
                .as_ref()
                .is_some_and(|sign| rest.starts_with(sign))
            {
                self.skip_line();
                continue;
            }
            match self.widths.is_empty() {
                true => self.record(fields),
                false => self.cut(fields),
            }
            if fields.len() == 1 && fields[0].text.is_empty() && !fields[0].is_quoted {
                continue;
            }
            let is_other = width.is_some_and(|width| width != fields.len());
            if width.is_some() && self.line - line > 1 && (is_other || self.is_unclosed) {
                (self.at, self.line) = (start, line);
                self.skip_line();
                // whatever its fields are, they are none of a record
                fields.truncate(usize::from(width != Some(1)));
            }
            return true;
        }
    }

    /// Cuts a line by the widths of its fields. What is beyond the last is one field more.
    fn cut(&mut self, fields: &mut Vec<Field>) {
        let start = self.at;
        self.skip_line();
        let line = String::from_utf8_lossy(&self.text[start..self.at]);
        let mut rest = line.trim_end();
        fields.clear();
        let widths = self.widths.iter().copied().chain([usize::MAX]);
        for width in widths {
            if rest.is_empty() && !fields.is_empty() {
                break;
            }
            let end = rest
                .char_indices()
                .nth(width)
                .map_or(rest.len(), |(end, _)| end);
            let (field, after) = rest.split_at(end);
            fields.push(Field {
                text: field.trim().to_string(),
                ..Field::default()
            });
            rest = after;
        }
    }

    fn record(&mut self, fields: &mut Vec<Field>) {
        self.is_unclosed = false;
        let mut count = 0;
        loop {
            if fields.len() == count {
                fields.push(Field::default());
            }
            let field = &mut fields[count];
            field.text.clear();
            (field.is_quoted, field.has_stray_quote) = (false, false);
            count += 1;
            if self.field(&mut fields[count - 1]) {
                continue;
            }
            fields.truncate(count);
            return;
        }
    }

    /// Reads a field; `true` where another follows in the record.
    fn field(&mut self, field: &mut Field) -> bool {
        let mut bytes = Vec::new();
        while self.trim && matches!(self.text.get(self.at), Some(b' ' | b'\t')) {
            self.at += 1;
        }
        if self.quote.is_some() && self.text.get(self.at).copied() == self.quote {
            field.is_quoted = true;
            self.at += 1;
            self.quoted(&mut bytes);
        }
        let first = self.delimiter.first().copied().unwrap_or(b',');
        let goes_on = loop {
            let Some(byte) = self.text.get(self.at).copied() else {
                break false;
            };
            let is_end = byte == b'\n' || (byte == b'\r' && self.ends_with_return);
            if is_end {
                self.at += 1;
                self.line += 1;
                break false;
            }
            if byte == b'\r' && self.text.get(self.at + 1) == Some(&b'\n') {
                self.at += 2;
                self.line += 1;
                break false;
            }
            if byte == first && self.text[self.at..].starts_with(&self.delimiter) {
                self.at += self.delimiter.len();
                break true;
            }
            // what follows a closing quote should be none of this
            let is_blank = self.trim && matches!(byte, b' ' | b'\t');
            field.has_stray_quote |= (field.is_quoted && !is_blank) || Some(byte) == self.quote;
            bytes.push(byte);
            self.at += 1;
        };
        field.text = String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        if self.trim {
            field.text.truncate(field.text.trim_end().len());
        }
        goes_on
    }

    /// What stands within quotes, the closing one passed over.
    fn quoted(&mut self, bytes: &mut Vec<u8>) {
        while let Some(byte) = self.text.get(self.at).copied() {
            self.at += 1;
            let next = self.text.get(self.at).copied();
            if Some(byte) == self.escape && next.is_some() && self.escape != self.quote {
                bytes.extend(next);
                self.at += 1;
            } else if Some(byte) == self.quote {
                if next != self.quote
                    || self.escape.is_some_and(|escape| Some(escape) != self.quote)
                {
                    return;
                }
                bytes.push(byte);
                self.at += 1;
            } else {
                self.line += usize::from(byte == b'\n');
                bytes.push(byte);
            }
        }
        self.is_unclosed = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialect(delimiter: &str) -> Dialect {
        Dialect {
            delimiter: delimiter.to_string(),
            quote: Some('"'),
            ..Dialect::default()
        }
    }

    fn records(text: &str, dialect: &Dialect, width: Option<usize>) -> Vec<Vec<String>> {
        let mut records = Records::new(text, dialect);
        let mut fields = Vec::new();
        let mut found = Vec::new();
        while records.next(&mut fields, width) {
            found.push(fields.iter().map(|field| field.text.clone()).collect());
        }
        found
    }

    #[test]
    fn quotes_hold_delimiters_line_ends_and_doubled_quotes() {
        let found = records("a;\"b;\n\"\"c\"\r\n\r\nd;e", &dialect(";"), None);
        assert_eq!(found, [["a", "b;\n\"c"], ["d", "e"]]);
        assert_eq!(
            records("a,b\rc,d\r", &dialect(","), None),
            [["a", "b"], ["c", "d"]]
        );
    }

    #[test]
    fn spaces_around_fields_lines_of_comment_and_widths_are_cut() {
        let trimmed = Dialect {
            trim: true,
            comment: Some("Delsumma".to_string()),
            ..dialect(";")
        };
        let text = "a ; \"b;c\" ;d\nDelsumma;1\n e; f\n";
        assert_eq!(
            records(text, &trimmed, None),
            [vec!["a", "b;c", "d"], vec!["e", "f"]]
        );
        let fixed = Dialect {
            widths: vec![4, 5, 3],
            ..Dialect::default()
        };
        let text = "ö1  Åsa  2.5\n2   Bo\n3   Cia  10 x\n";
        let found = records(text, &fixed, None);
        assert_eq!(
            found,
            [
                vec!["ö1", "Åsa", "2.5"],
                vec!["2", "Bo"],
                vec!["3", "Cia", "10", "x"]
            ]
        );
    }

    #[test]
    fn a_quote_that_nobody_closed_costs_one_line() {
        let found = records("a,b\n1,\"x\n2,y\n3,z\n", &dialect(","), Some(2));
        assert_eq!(found[2], ["2", "y"]);
        assert_eq!(found.len(), 4);
    }

    #[test]
    fn an_escaped_quote_does_not_close() {
        let mut escaped = dialect(",");
        escaped.escape = Some('\\');
        assert_eq!(records("\"a\\\"b\",c\n", &escaped, None), [["a\"b", "c"]]);
    }
}
