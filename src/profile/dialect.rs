//! Which dialect a delimited text is in: delimiter, quote, escape, lines before the header, header or none.
//!
//! Each dialect that may be is tried on the first lines. The one wins under which most records have the same number of
//! fields, and most fields are something (a number, a date, a word); after van den Burg, Nazábal and Sutton, *Wrangling
//! messy CSV files by detecting row and type patterns* (2019).

use std::collections::{BTreeMap, BTreeSet};

use super::delimited::{Dialect, Field, Records};
use super::fixed;
use super::meaning::is_email;
use super::value::{Shape, shape};

/// Text that is looked at.
const LOOKED_AT: usize = 1 << 18;
const RECORDS_LOOKED_AT: usize = 400;
const DELIMITERS: [&str; 16] = [
    ",", ";", "\t", "|", "~", "^", ":", " ", "|~|", "~|~", "<|>", "^|^", "@@", "##", "&&", "$|$",
];
/// Fields of which a tenth more than two have spaces around them were padded, and are meant without.
const PADDED: f64 = 0.3;

/// The dialect of a text, and where its records begin.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DialectGuess {
    pub(crate) dialect: Dialect,
    /// How sure it is, from 0 to 1.
    pub(crate) confidence: f64,
    /// Physical lines before the header, or before the first record.
    pub(crate) skip_lines: usize,
    /// Names of the columns; `None`: no header.
    pub(crate) header: Option<Vec<String>>,
    /// Physical lines that the header takes.
    pub(crate) header_lines: usize,
    pub(crate) header_confidence: f64,
    /// Fields of a record.
    pub(crate) width: usize,
    /// How the line begins before which the records end.
    pub(crate) until: Option<String>,
}

/// The first lines of a text, whole ones.
fn beginning(text: &str) -> &str {
    if text.len() <= LOOKED_AT {
        return text;
    }
    let bytes = &text.as_bytes()[..LOOKED_AT];
    let end = memchr::memrchr(b'\n', bytes).or_else(|| memchr::memrchr(b'\r', bytes));
    end.and_then(|end| text.get(..=end)).unwrap_or(text)
}

/// The dialect of a text; `None` where it holds nothing.
pub(crate) fn guess(text: &str) -> Option<DialectGuess> {
    let text = beginning(text);
    if text.trim().is_empty() {
        return None;
    }
    if let Some(widths) = fixed::widths(text) {
        let dialect = Dialect {
            widths,
            trim: true,
            ..Dialect::default()
        };
        return Some(outline(text, dialect, 0.8));
    }
    let mut best: Option<(f64, Dialect)> = None;
    for quote in [Some('"'), Some('\'')] {
        if quote.is_some_and(|quote| quote != '"' && !text.contains(quote)) {
            continue;
        }
        for delimiter in DELIMITERS {
            if !text.contains(delimiter) {
                continue;
            }
            let is_blank = delimiter.trim().is_empty();
            let spaced = quote.map(|quote| format!("{delimiter} {quote}"));
            let may_trim = !is_blank && spaced.is_some_and(|spaced| text.contains(&spaced));
            for trim in [false, true].into_iter().take(1 + usize::from(may_trim)) {
                let dialect = Dialect {
                    delimiter: delimiter.to_string(),
                    quote,
                    escape: escape(text, quote, delimiter),
                    trim,
                    ..Dialect::default()
                };
                let score = score(text, &dialect);
                // of equals the more usual one, which comes first
                if best.as_ref().is_none_or(|(most, _)| score > most + 1e-9) {
                    best = Some((score, dialect));
                }
            }
        }
    }
    let best = best.map(|(score, dialect)| (score, padded(text, doubled(text, dialect))));
    let single = Dialect {
        delimiter: ",".to_string(),
        quote: Some('"'),
        ..Dialect::default()
    };
    let (score, dialect) = match best {
        Some((score, dialect)) if score > 0.2 => (score, dialect),
        _ => (0.5, single),
    };
    Some(outline(text, dialect, score))
}

/// The same with the delimiter twice, where it never stands alone: `a||b`.
fn doubled(text: &str, dialect: Dialect) -> Dialect {
    let delimiter = dialect.delimiter.repeat(2);
    let is_one_sign = dialect.delimiter.len() == 1 && dialect.delimiter != " ";
    let count = |of: &str| text.matches(of).count();
    match is_one_sign && count(&delimiter) * 2 == count(&dialect.delimiter) {
        true => Dialect {
            delimiter,
            ..dialect
        },
        false => dialect,
    }
}

/// The same with spaces cut off, where many fields have some around them.
fn padded(text: &str, dialect: Dialect) -> Dialect {
    if dialect.delimiter.trim().is_empty() {
        return dialect;
    }
    let mut records = Records::new(text, &dialect);
    let (mut fields, mut filled, mut padded) = (Vec::new(), 0_u64, 0_u64);
    for _ in 0..RECORDS_LOOKED_AT {
        if !records.next(&mut fields, None) {
            break;
        }
        for field in fields.iter().filter(|field| !field.is_quoted) {
            let trimmed = field.text.trim();
            filled += u64::from(!trimmed.is_empty());
            padded += u64::from(!trimmed.is_empty() && trimmed.len() < field.text.len());
        }
    }
    let trim = dialect.trim || (padded > 1 && padded as f64 >= filled as f64 * PADDED);
    Dialect { trim, ..dialect }
}

/// The sign before quotes within quotes, where it is not the quote.
fn escape(text: &str, quote: Option<char>, delimiter: &str) -> Option<char> {
    let quote = quote?;
    let escaped = |sign: char| {
        // at the end of a field it may be a mere backslash before the closing quote
        let pair = format!("{sign}{quote}");
        text.match_indices(&pair)
            .filter(|(at, _)| {
                let after = &text[at + pair.len()..];
                !after.starts_with(delimiter)
                    && !after.starts_with(['\r', '\n'])
                    && !after.is_empty()
            })
            .count()
    };
    // a quote twice within a field is the usual way, and then a backslash is a backslash
    let pair = format!("{quote}{quote}");
    let doubled = text
        .match_indices(&pair)
        .filter(|(at, _)| {
            let before = &text[..*at];
            !before.is_empty()
                && !before.ends_with(delimiter)
                && !before.ends_with(['\r', '\n', '\\', '\0'])
        })
        .count();
    ['\\', '\0']
        .into_iter()
        .find(|sign| escaped(*sign) > doubled)
}

/// Number of records by their number of fields; how many of all fields are something.
fn score(text: &str, dialect: &Dialect) -> f64 {
    let mut records = Records::new(text, dialect);
    let mut fields = Vec::new();
    let mut widths: BTreeMap<usize, u64> = BTreeMap::new();
    let (mut known, mut all, mut count) = (0_u64, 0_u64, 0_u64);
    while count < RECORDS_LOOKED_AT as u64 && records.next(&mut fields, None) {
        count += 1;
        *widths.entry(fields.len()).or_default() += 1;
        all += fields.len() as u64;
        known += fields
            .iter()
            .filter(|field| is_something(field, dialect))
            .count() as u64;
    }
    let Some((width, most)) = widths.iter().max_by_key(|(width, most)| (**most, **width)) else {
        return 0.0;
    };
    let same = *most as f64 / count as f64;
    let wide = (*width as f64 - 1.0) / *width as f64;
    // twelve fields of one kind by chance are rarer than two
    same * same * wide.powf(0.3) * (known as f64 / all.max(1) as f64)
}

fn is_something(field: &Field, dialect: &Dialect) -> bool {
    if field.has_stray_quote {
        return false;
    }
    let text = field.text.trim();
    if text.is_empty() || field.is_quoted || !matches!(shape(text), Shape::Text) {
        return true;
    }
    let is_delimiter =
        |c: char| matches!(c, ';' | '\t' | '|') || (c == ',' && dialect.delimiter != " ");
    let starts_well =
        text.starts_with(|c: char| c.is_alphanumeric() || "$€£#(@_/+-<[*".contains(c));
    starts_well && !text.contains(is_delimiter) && !text.contains('"')
}

/// Where the records begin, and what stands above them.
fn outline(text: &str, dialect: Dialect, score: f64) -> DialectGuess {
    let mut records = Records::new(text, &dialect);
    let mut rows: Vec<(usize, usize, Vec<Field>)> = Vec::new();
    let mut fields = Vec::new();
    while rows.len() < RECORDS_LOOKED_AT {
        let before = records.line;
        if !records.next(&mut fields, None) {
            break;
        }
        rows.push((before, records.line, fields.clone()));
    }
    let mut widths: BTreeMap<usize, usize> = BTreeMap::new();
    for (_, _, row) in &rows {
        *widths.entry(row.len()).or_default() += 1;
    }
    let most = widths
        .iter()
        .max_by_key(|(width, count)| (**count, **width));
    let width = most.map_or(1, |(width, _)| *width);
    let records: Vec<Vec<Field>> = rows.iter().map(|(_, _, row)| row.clone()).collect();
    let (first, has_header, header_confidence) = first_row(&records, width);
    let (line, end, names) = &rows[first];
    let blank = blank_lines(text, *line);
    DialectGuess {
        confidence: score.clamp(0.0, 1.0),
        skip_lines: line + blank,
        header: has_header.then(|| {
            names
                .iter()
                .map(|name| name.text.trim().to_string())
                .collect()
        }),
        header_lines: end.saturating_sub(line + blank),
        header_confidence,
        width,
        until: None,
        dialect,
    }
}

/// The row with which a table of that width begins, whether it names the columns, and how sure that is.
pub(super) fn first_row(rows: &[Vec<Field>], width: usize) -> (usize, bool, f64) {
    let filled = |row: &[Field]| {
        row.iter()
            .filter(|field| !field.text.trim().is_empty())
            .count()
    };
    // a title stands in one field of many
    let is_above = |row: &[Field]| row.len() != width || (width > 2 && filled(row) <= 1);
    let mut first = 0;
    while first + 1 < rows.len()
        && is_above(&rows[first])
        && rows[first + 1..].iter().any(|row| row.len() == width)
    {
        first += 1;
    }
    let body: Vec<&[Field]> = rows[first..].iter().map(|row| &row[..]).collect();
    let (has_header, confidence) = header(&body);
    (first, has_header, confidence)
}

/// Whether the first row names groups of columns and the second the columns in them: it has gaps where that one has none, and
/// names or years elsewhere. How sure that is, from 0 to 1.
pub(super) fn grouped_header(rows: &[Vec<Field>]) -> Option<f64> {
    let [groups, names, ..] = rows else {
        return None;
    };
    let text = |field: &Field| field.text.trim().to_string();
    let is_year = |text: &str| {
        text.len() == 4
            && (text.starts_with("19") || text.starts_with("20"))
            && text.parse::<u16>().is_ok()
    };
    let filled: Vec<String> = groups
        .iter()
        .map(text)
        .filter(|text| !text.is_empty())
        .collect();
    let has_gap = groups
        .iter()
        .zip(names)
        .any(|(above, below)| text(above).is_empty() && !text(below).is_empty());
    let are_groups = filled.len() > 1
        && filled.iter().any(|text| is_year(text))
        && filled.iter().all(|text| is_year(text) || is_word(text));
    let is_named = |field: &Field| is_word(&text(field));
    let body: Vec<&[Field]> = rows[1..].iter().map(|row| &row[..]).collect();
    let (has_header, confidence) = header(&body);
    (has_gap && are_groups && has_header && names.iter().all(is_named)).then_some(confidence)
}

/// Rows that name the columns of a sheet whose first such row has gaps, as merged cells leave them: further rows of words
/// only, over columns of numbers or days.
pub(super) fn header_rows(rows: &[Vec<Field>]) -> usize {
    const MOST: usize = 4;
    let text = |field: &Field| field.text.trim().to_string();
    let is_filled = |field: &&Field| !field.text.trim().is_empty();
    let is_word = |field: &Field| matches!(shape(field.text.trim()), Shape::Text);
    let names_columns = |at: usize| {
        let row = &rows[at];
        let is_of_words = row
            .iter()
            .filter(is_filled)
            .all(|field| is_word(field) && !field.text.contains('@'));
        let is_over_values = row.iter().enumerate().any(|(column, field)| {
            let below = rows[at + 1..].iter().filter_map(|row| row.get(column));
            let below: Vec<&Field> = below.filter(is_filled).collect();
            let values = below.iter().filter(|field| !is_word(field)).count();
            is_filled(&field) && !below.is_empty() && values * 10 >= below.len() * 8
        });
        is_of_words && is_over_values
    };
    let has_gap = rows.len() > 2
        && rows[0]
            .iter()
            .zip(&rows[1])
            .any(|(above, below)| text(above).is_empty() && !text(below).is_empty());
    if !has_gap {
        return 1;
    }
    let most = MOST.min(rows.len() - 1);
    1 + (1..most).take_while(|at| names_columns(*at)).count()
}

/// Blank lines that begin at a line.
fn blank_lines(text: &str, line: usize) -> usize {
    let lines = text.lines().skip(line);
    lines.take_while(|line| line.trim().is_empty()).count()
}

/// Whether the first record names the columns, and how sure that is.
fn header(rows: &[&[Field]]) -> (bool, f64) {
    let Some((first, below)) = rows.split_first() else {
        return (true, 0.0);
    };
    let text = |field: &Field| field.text.trim().to_string();
    let is_text = |field: &Field| matches!(shape(field.text.trim()), Shape::Text);
    let is_truth = |field: &Field| matches!(shape(field.text.trim()), Shape::Truth(_));
    let names: Vec<String> = first.iter().map(text).collect();
    let filled = names.iter().filter(|name| !name.is_empty()).count();
    let different: BTreeSet<&String> = names.iter().filter(|name| !name.is_empty()).collect();
    let mut votes = 0.0;
    for (at, name) in first.iter().enumerate() {
        let column: Vec<&Field> = below
            .iter()
            .filter_map(|row| row.get(at))
            .filter(|field| !field.text.trim().is_empty())
            .take(100)
            .collect();
        let values = column.iter().filter(|field| !is_text(field)).count();
        let name_text = text(name);
        if name_text.is_empty() {
            continue;
        }
        // `No` and `y` over numbers are names
        let is_name = is_truth(name) && !column.iter().any(|field| is_truth(field));
        if (!is_text(name) && !is_name) || is_email(&name_text) {
            // years and numbers name columns of cross tables only, addresses none
            votes -= 2.0;
        } else if !column.is_empty() && values * 10 >= column.len() * 8 {
            votes += 1.5;
        } else if column.iter().any(|field| text(field) == name_text) {
            votes -= 0.7;
        } else {
            votes += if is_word(&name_text) { 0.5 } else { -0.2 };
        }
    }
    if filled > 1 && different.len() == filled {
        votes += 0.5;
    } else if different.len() < filled {
        votes -= 0.5;
    }
    let confidence = 1.0 - 0.5 * (-f64::abs(votes)).exp();
    (votes > 0.0, confidence)
}

/// What people call columns: begins with a letter, short, no sentence.
fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | '#' | '%'))
        && text.chars().count() <= 60
        && text.split_whitespace().count() <= 6
        && !text.contains(['@', '\\'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has_header(lines: &[&str]) -> bool {
        let field = |text: &str| Field {
            text: text.to_string(),
            ..Field::default()
        };
        let rows: Vec<Vec<Field>> = lines
            .iter()
            .map(|line| line.split(';').map(field).collect())
            .collect();
        header(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>()).0
    }

    #[test]
    fn a_word_of_truth_names_a_column_that_holds_none() {
        assert!(has_header(&["No;Belopp", "1;100", "2;250"]));
        assert!(has_header(&["id;y", "1;100", "2;250"]));
        assert!(!has_header(&["1;no", "2;yes", "3;no"]));
    }

    #[test]
    fn an_address_is_a_value_and_names_no_column() {
        assert!(!has_header(&["ada@example.com;Ada", "bo@example.com;Bo"]));
        assert!(has_header(&["mail;name", "bo@example.com;Bo"]));
        assert!(has_header(&["@id;name", "7;Bo", "8;Ada"]));
    }

    #[test]
    fn several_rows_of_a_sheet_name_its_columns() {
        let rows = |rows: &[[&str; 4]]| -> Vec<Vec<Field>> {
            let field = |text: &&str| Field {
                text: (*text).to_string(),
                ..Field::default()
            };
            rows.iter()
                .map(|row| row.iter().map(field).collect())
                .collect()
        };
        let merged = rows(&[
            ["Kundnr", "Person", "", "Januari"],
            ["", "namn", "epost", "kr"],
            ["1000", "Åsa", "p0@example.se", "1.5"],
            ["1001", "Bo", "p1@example.se", "2"],
        ]);
        assert_eq!(header_rows(&merged), 2);
        let plain = rows(&[
            ["nr", "namn", "", "kr"],
            ["1", "Åsa", "x", "1.5"],
            ["2", "Bo", "y", "2"],
        ]);
        assert_eq!(header_rows(&plain), 1);
        let years = rows(&[
            ["Butik", "", "2025", ""],
            ["Nr", "Namn", "antal", "kr"],
            ["1", "Umeå", "3", "1.5"],
            ["2", "Oslo", "4", "2"],
        ]);
        assert!(!first_row(&years, 4).1 && grouped_header(&years).is_some());
        assert!(grouped_header(&years[1..]).is_none() && grouped_header(&merged).is_none());
    }

    fn dialect(text: &str) -> (String, usize, Option<Vec<String>>) {
        let guess = guess(text).unwrap();
        (guess.dialect.delimiter, guess.skip_lines, guess.header)
    }

    fn names(names: &[&str]) -> Option<Vec<String>> {
        Some(names.iter().map(|name| (*name).to_string()).collect())
    }

    #[test]
    fn the_delimiter_is_the_one_that_makes_sense_of_every_line() {
        let text = "Namn;Pris;Antal\nSkruv, lång;1,50;3\nMutter;2,25;10\n";
        assert_eq!(
            dialect(text),
            (";".to_string(), 0, names(&["Namn", "Pris", "Antal"]))
        );
        let text = "a\tb c\n1\tx y\n2\tz\n";
        assert_eq!(dialect(text).0, "\t");
        let text = "when,what\n2024-01-01 08:00,one thing\n2024-01-02 09:30,another\n";
        assert_eq!(dialect(text).0, ",");
    }

    #[test]
    fn titles_above_the_header_are_passed_over() {
        let text = "Report of sales\n\nfrom,to\nid,name,amount\n1,x,2.5\n2,y,3.5\n3,z,1.0\n";
        assert_eq!(
            dialect(text),
            (",".to_string(), 3, names(&["id", "name", "amount"]))
        );
        let text = "REPORT,,,\n,,,\nid,name,amount,unit\n1,x,2.5,kg\n2,y,3.5,kg\n";
        assert_eq!(dialect(text).1, 2);
    }

    #[test]
    fn delimiters_of_several_signs_padding_and_widths_are_seen() {
        let text = "id||name||note\n1||Åsa||\n2||Bo||x\n3||Cia||\n";
        assert_eq!(
            dialect(text),
            ("||".to_string(), 0, names(&["id", "name", "note"]))
        );
        let text = "id|~|name|~|kr\n1|~|Åsa|~|2\n2|~|Bo|~|3\n";
        assert_eq!(dialect(text).0, "|~|");
        let text = "id,name,note\n1,Åsa,\n2,,\n";
        assert_eq!(dialect(text).0, ",");
        let text = "id , name  , kr\n1  , Åsa   , 2\n2  , \"B, o\" , 3\n";
        let padded = guess(text).unwrap();
        assert_eq!((padded.dialect.trim, padded.width), (true, 3));
        assert!(
            !guess("id,name\n1,Åsa \n2,Bo\n3,Cia\n")
                .unwrap()
                .dialect
                .trim
        );
        let text = "Kund  Namn     Kr\n1000  Åsa     2.5\n1001  Bo     10.0\n1002  Cia     3.5\n1003  Dan     7.0\n";
        let fixed = guess(text).unwrap();
        assert_eq!(fixed.dialect.widths, [6, 7, 4]);
        assert_eq!(fixed.header, names(&["Kund", "Namn", "Kr"]));
    }

    #[test]
    fn a_first_line_of_values_is_no_header() {
        let text = "1001|1|SE01|3,50\n1001|2|SE01|12,00\n1002|1|SE02|7,25\n";
        assert_eq!(dialect(text), ("|".to_string(), 0, None));
    }

    #[test]
    fn one_column_is_a_table_too() {
        let guess = guess("email\nanna@example.com\nbo@example.com\n").unwrap();
        assert_eq!((guess.width, guess.header), (1, names(&["email"])));
    }

    #[test]
    fn single_quotes_are_quotes_where_they_hold_delimiters() {
        let text = "id,text\n1,'a, b'\n2,'c, d'\n3,'e'\n";
        assert_eq!(guess(text).unwrap().dialect.quote, Some('\''));
    }
}
