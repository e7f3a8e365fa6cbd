//! The text of a seed → cells with their places.

use std::sync::Arc;

use super::{Cell, MAX_BYTES, Seed};
use crate::diagnostic::{Diagnostic, SourceFile, Span};
use crate::name::is_identifier;
use crate::project::raw::Mistake;
use crate::project::resolve::blame;

/// Takes a file apart.
///
/// # Errors
/// K0150 for every row of another length than the header, and for every name that is none or stands twice.
pub(crate) fn read(file: &Arc<SourceFile>) -> Result<Seed, Vec<Diagnostic>> {
    let whole = |message: String, help: &str| {
        let mistake = Mistake::new(150, message).help(help);
        Err(vec![blame(file, Span::default(), mistake)])
    };
    if file.text.len() > MAX_BYTES {
        return whole(
            format!("a seed of more than {} MB", MAX_BYTES >> 20),
            "seeds are small reference tables: put the file among the exports and declare a source with `load: replace`",
        );
    }
    let mut rows = Vec::new();
    let mut reader = Reader {
        text: &file.text,
        at: 0,
    };
    while let Some(row) = reader.row() {
        match row {
            Ok(row) => rows.push(row),
            Err(open) => {
                let mistake = Mistake::new(150, "this quote is never closed")
                    .help("a quote within quotes is doubled: `\"\"`");
                return Err(vec![place(file, open, mistake)]);
            }
        }
    }
    if rows.is_empty() {
        return whole(
            "the seed is empty".into(),
            "its first line names the columns: `code,name`",
        );
    }
    let header = rows.remove(0);
    let mut found = wrong_names(file, &header);
    for row in rows.iter().filter(|row| row.len() != header.len()) {
        let message = format!(
            "this line has {} cells, and the header names {} columns",
            row.len(),
            header.len()
        );
        let start = row.first().map_or(0, |cell| cell.span.start);
        let mistake =
            Mistake::new(150, message).help("a comma within a cell needs quotes around it");
        found.push(place(file, start, mistake));
    }
    if !found.is_empty() {
        return Err(found);
    }
    Ok(Seed {
        file: Arc::clone(file),
        header,
        rows,
    })
}

fn wrong_names(file: &Arc<SourceFile>, header: &[Cell]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (position, cell) in header.iter().enumerate() {
        let name = cell.text.as_deref().unwrap_or_default();
        let mistake = if name.is_empty() {
            Mistake::new(150, "a column has no name").help("the first line names every column")
        } else if !is_identifier(name) {
            Mistake::new(150, format!("`{name}` is not a name"))
                .help("columns are lower-case letters, digits and `_`, a letter first, separated by commas")
        } else if header[..position]
            .iter()
            .any(|other| other.text == cell.text)
        {
            Mistake::new(150, format!("column `{name}` stands twice")).help("rename one of them")
        } else {
            continue;
        };
        found.push(blame(file, cell.span, mistake));
    }
    found
}

/// A mistake of data: its place in words, since a line of it may not be shown.
fn place(file: &Arc<SourceFile>, offset: usize, mistake: Mistake) -> Diagnostic {
    let (line, column) = file.position(offset);
    let shown = Arc::new(SourceFile {
        path: format!("{}:{line}:{column}", file.path),
        text: String::new(),
    });
    blame(&shown, Span::default(), mistake)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    /// The next line that holds something; the place of a quote that nothing closes.
    fn row(&mut self) -> Option<Result<Vec<Cell>, usize>> {
        while self.rest().starts_with(['\n', '\r']) {
            self.at += 1;
        }
        if self.rest().is_empty() {
            return None;
        }
        let mut row = Vec::new();
        loop {
            match self.cell() {
                Ok(cell) => row.push(cell),
                Err(open) => return Some(Err(open)),
            }
            if !self.rest().starts_with(',') {
                return Some(Ok(row));
            }
            self.at += 1;
        }
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    /// Up to the next comma or line end; within quotes both are text.
    fn cell(&mut self) -> Result<Cell, usize> {
        let start = self.at;
        let mut text = String::new();
        if self.rest().starts_with('"') {
            self.at += 1;
            loop {
                let Some(end) = self.rest().find('"') else {
                    return Err(start);
                };
                text.push_str(&self.text[self.at..self.at + end]);
                self.at += end + 1;
                if !self.rest().starts_with('"') {
                    break;
                }
                text.push('"');
                self.at += 1;
            }
        }
        let end = self.rest().find([',', '\n', '\r']);
        let end = end.unwrap_or(self.rest().len());
        text.push_str(&self.text[self.at..self.at + end]);
        self.at += end;
        Ok(Cell {
            text: (!text.is_empty()).then_some(text),
            span: Span {
                start,
                end: self.at,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &str) -> Result<Vec<Vec<Option<String>>>, Vec<String>> {
        let file = Arc::new(SourceFile {
            path: "seeds/ref/x.csv".into(),
            text: text.into(),
        });
        match read(&file) {
            Ok(seed) => Ok(seed
                .rows
                .iter()
                .map(|row| row.iter().map(|cell| cell.text.clone()).collect())
                .collect()),
            Err(found) => Err(found.iter().map(|d| d.render(false)).collect()),
        }
    }

    #[test]
    fn quotes_hold_commas_lines_and_quotes() {
        let rows = cells("a,b\n1,\"x, \"\"y\"\"\nz\"\r\n\n,\"\"\n").unwrap();
        let text = |text: &str| Some(text.to_string());
        assert_eq!(
            rows,
            [vec![text("1"), text("x, \"y\"\nz")], vec![None, None]]
        );
    }

    #[test]
    fn every_line_of_another_length_is_named_and_none_is_shown() {
        let found = cells("a,b\n1\n2,3\n4,secret,6\n").unwrap_err();
        assert_eq!(found.len(), 2);
        assert!(found[0].contains("seeds/ref/x.csv:2:1"), "{}", found[0]);
        assert!(found[1].contains("seeds/ref/x.csv:4:1"), "{}", found[1]);
        assert!(!found[1].contains("secret"));
    }

    #[test]
    fn names_that_are_none_and_an_open_quote_are_mistakes() {
        assert_eq!(cells("a,A b,a\n1,2,3\n").unwrap_err().len(), 2);
        assert!(cells("a\n\"x\n").unwrap_err()[0].contains("seeds/ref/x.csv:2:1"));
        assert!(cells("").unwrap_err()[0].contains("empty"));
    }
}
