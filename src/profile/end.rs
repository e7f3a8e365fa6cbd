//! Where the records of a table end: before a row of sums, or a line by which a tool says how many rows it wrote.

use std::collections::{BTreeSet, VecDeque};

use super::delimited::{Dialect, Field, Records};
use super::value::{Shape, shape};

/// How rows of sums begin, in small letters.
const SUMS: [&str; 14] = [
    "grand total",
    "totals",
    "totalt",
    "total",
    "i alt",
    "sammanlagt",
    "summa",
    "summe",
    "sum",
    "gesamt",
    "yhteensä",
    "totale",
    "totaal",
    "subtotal",
];
/// How rows of sums in the midst of records begin, in small letters.
const SUBTOTALS: [&str; 7] = [
    "delsumma",
    "delsum",
    "mellansumma",
    "subtotal",
    "sub total",
    "zwischensumme",
    "välisumma",
];
/// Among so many last rows an end is looked for.
const LAST: usize = 3;

/// The beginning of a row or line, where nothing but an end begins so.
fn end_of(first: &str) -> Option<String> {
    let first = first.trim_start();
    // `(12 rows affected)`
    if first.starts_with('(') && first.trim_end().ends_with(')') && first.contains("row") {
        return Some("(".to_string());
    }
    let word = SUMS.iter().find_map(|word| {
        let own = first.get(..word.len())?;
        (own.to_lowercase() == *word).then_some(own)
    })?;
    match first[word.len()..].chars().next() {
        None => Some(word.to_string()),
        // `Totalt AB` is somebody's name
        Some(next) if next.is_alphanumeric() || matches!(next, ' ' | '_' | '-' | '\'') => None,
        Some(next) => Some(format!("{word}{next}")),
    }
}

/// The byte of a whole text at which its records end, and what stands there.
pub(super) fn of_text(text: &str) -> Option<(usize, String)> {
    let filled = |line: &&str| !line.trim().is_empty();
    let mut last: Vec<&str> = text.lines().rev().filter(filled).take(LAST + 1).collect();
    last.reverse();
    // a header and a record come before it
    let (at, end) = last
        .iter()
        .enumerate()
        .skip(1)
        .find_map(|(at, line)| Some((at, end_of(line)?)))?;
    let is_alone = text
        .lines()
        .filter(|line| line.starts_with(end.as_str()))
        .count()
        == 1;
    let begins = last[at].starts_with(end.as_str());
    let byte = last[at].as_ptr() as usize - text.as_ptr() as usize;
    (is_alone && begins).then_some((byte, end))
}

/// A row of sums that no word names: it begins with nothing, and what stands in a column is the sum of all above. The byte at
/// which it begins, and the delimiters that no other line begins with.
pub(super) fn unnamed(text: &str, dialect: &Dialect) -> Option<(usize, String)> {
    let last = text.lines().rev().find(|line| !line.trim().is_empty())?;
    let delimiter = dialect.delimiter.as_str();
    if delimiter.trim().is_empty() || !last.starts_with(delimiter) {
        return None;
    }
    let after = last.trim_start_matches(delimiter);
    let end = &last[..last.len() - after.len()];
    let is_alone = text.lines().filter(|line| line.starts_with(end)).count() == 1;
    let at = last.as_ptr() as usize - text.as_ptr() as usize;
    let (mut sums, mut fields) = (Vec::new(), Vec::new());
    let mut records = Records::new(&text[..at], dialect);
    while records.next(&mut fields, None) {
        sums.resize(sums.len().max(fields.len()), 0.0);
        for (sum, field) in sums.iter_mut().zip(&fields) {
            *sum += amount(&field.text).unwrap_or(0.0);
        }
    }
    let mut records = Records::new(last, dialect);
    records.next(&mut fields, None);
    let is_sum = |(sum, field): (&f64, &Field)| {
        let said = amount(&field.text);
        said.is_some_and(|said| said != 0.0 && (said - sum).abs() <= 0.005 + sum.abs() * 1e-9)
    };
    let is_of_sums = sums.iter().zip(&fields).any(is_sum);
    (is_alone && is_of_sums).then(|| (at, end.to_string()))
}

fn amount(text: &str) -> Option<f64> {
    let text = text.trim();
    if !text.ends_with(|c: char| c.is_ascii_digit() || matches!(c, ')' | '-' | '%')) {
        return None;
    }
    match shape(text) {
        Shape::Number(number) => Some(number.value),
        _ => None,
    }
}

/// Rows of sums in the midst of records: how their lines begin, where all begin alike and nothing else does.
pub(super) fn subtotals(text: &str) -> Option<String> {
    let mut found: Option<&str> = None;
    for line in text.lines().skip(1) {
        let Some(word) = subtotal(line) else {
            continue;
        };
        if found.is_some_and(|found| found != word) {
            return None;
        }
        found = Some(word);
    }
    found.map(str::to_string)
}

/// The word by which a text says that it is a sum of some rows; in a longer word, as in a name, it is none.
pub(super) fn subtotal(text: &str) -> Option<&str> {
    let word = SUBTOTALS.iter().find_map(|word| {
        let own = text.get(..word.len())?;
        (own.to_lowercase() == *word).then_some(own)
    })?;
    let next = text[word.len()..].chars().next();
    next.is_none_or(|next| !next.is_alphanumeric())
        .then_some(word)
}

/// Rows of sums that no word names: they begin with nothing, and their numbers are the sums of the rows above, of all or of those
/// since the last such row.
#[derive(Default)]
pub(super) struct Sums {
    all: Vec<f64>,
    since: Vec<f64>,
    rows_since: u64,
    /// Rows of sums.
    pub(super) found: u64,
    /// Other rows that begin with nothing.
    pub(super) others: u64,
    /// Whether the last row was one of sums.
    pub(super) is_last: bool,
}

impl Sums {
    /// Takes a row; whether it is one of sums.
    pub(super) fn take<'v>(&mut self, cells: impl Iterator<Item = &'v str> + Clone) -> bool {
        let begins_with_nothing = cells
            .clone()
            .next()
            .is_none_or(|cell| cell.trim().is_empty());
        self.is_last = begins_with_nothing && self.is_sum(cells.clone());
        if self.is_last {
            self.found += 1;
            self.since.clear();
            self.rows_since = 0;
            return true;
        }
        self.others += u64::from(begins_with_nothing);
        self.rows_since += 1;
        for (at, amount) in cells.map(amount).enumerate() {
            for sums in [&mut self.all, &mut self.since] {
                sums.resize(sums.len().max(at + 1), 0.0);
                sums[at] += amount.unwrap_or(0.0);
            }
        }
        false
    }

    fn is_sum<'v>(&self, cells: impl Iterator<Item = &'v str>) -> bool {
        let filled = cells
            .enumerate()
            .filter(|(_, cell)| !cell.trim().is_empty());
        let amounts: Option<Vec<(usize, f64)>> =
            filled.map(|(at, cell)| Some((at, amount(cell)?))).collect();
        let Some(amounts) = amounts.filter(|amounts| amounts.iter().any(|(_, said)| *said != 0.0))
        else {
            return false;
        };
        let fits = |sums: &[f64]| {
            amounts.iter().all(|(at, said)| {
                let sum = sums.get(*at).copied().unwrap_or(0.0);
                (said - sum).abs() <= 0.005 + sum.abs() * 1e-9
            })
        };
        (self.rows_since > 1 && fits(&self.since)) || (self.rows_since != 1 && fits(&self.all))
    }
}

/// The rows of a sheet, the last of them held back until it is known whether they are records.
#[derive(Default)]
pub(super) struct Rows {
    held: VecDeque<Vec<String>>,
    /// How earlier rows begin that begin as an end may.
    seen: BTreeSet<String>,
}

impl Rows {
    /// Takes a row; gives one that is a record.
    pub(super) fn push(&mut self, row: Vec<String>) -> Option<Vec<String>> {
        self.held.push_back(row);
        let row = (self.held.len() > LAST)
            .then(|| self.held.pop_front())
            .flatten()?;
        self.see(&row);
        Some(row)
    }

    /// Remembers how a row begins, where an end may begin so.
    fn see(&mut self, row: &[String]) {
        let Some(first) = first(row).map(str::trim_start) else {
            return;
        };
        let small = first.to_lowercase();
        if small.starts_with('(') || SUMS.iter().any(|word| small.starts_with(word)) {
            self.seen.insert(first.to_string());
        }
    }

    /// The rows that were held back and are records, and what ends them.
    pub(super) fn finish(mut self) -> (Vec<Vec<String>>, Option<String>) {
        let mut rows = Vec::with_capacity(self.held.len());
        while let Some(row) = self.held.pop_front() {
            let end = first(&row).and_then(end_of);
            let is_new = |end: &String| !self.seen.iter().any(|seen| seen.starts_with(end));
            if let Some(end) = end.filter(is_new) {
                return (rows, Some(end));
            }
            self.see(&row);
            rows.push(row);
        }
        (rows, None)
    }
}

fn first(row: &[String]) -> Option<&str> {
    let mut filled = row.iter().filter(|cell| !cell.trim().is_empty());
    filled.next().map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_sums_ends_the_records_and_a_name_that_begins_so_does_not() {
        let text = "Kund;Belopp\nTotalt AB;3\nSummator;2\nTotal;5\n(3 rows affected)\n";
        assert_eq!(
            of_text(text),
            Some((text.find("Total;").unwrap(), "Total;".into()))
        );
        assert_eq!(of_text("a;b\nx;1\n(1 rows affected)\n").unwrap().1, "(");
        for text in [
            "a;b\nTotal;1\nTotal;2\nx;3\n",
            "a;b\nx;1\ny;2\nz;3\n",
            "Total;b\n",
        ] {
            assert_eq!(of_text(text), None, "{text}");
        }
    }

    #[test]
    fn sums_without_a_word_and_sums_between_records_are_told() {
        let dialect = Dialect {
            delimiter: ";".to_string(),
            ..Dialect::default()
        };
        let text = "id;shop;kr\n1;Umeå;2.50\n2;Oslo;3.25\n;;5.75\n";
        assert_eq!(
            unnamed(text, &dialect),
            Some((text.find(";;5").unwrap(), ";;".into()))
        );
        for text in [
            "id;shop;kr\n1;Umeå;2.50\n2;Oslo;3.25\n;;9.75\n",
            "id;shop;kr\n1;Umeå;2\n;;3\n;;5\n",
            "id;shop;kr\n1;Umeå;2\n2;Oslo;3\n",
        ] {
            assert_eq!(unnamed(text, &dialect), None, "{text}");
        }
        let text = "shop;kr\nUmeå;2\nDelsumma;2\nOslo;3\nDelsumma;3\nSubtotala AB;1\n";
        assert_eq!(subtotals(text).as_deref(), Some("Delsumma"));
        assert_eq!(subtotals("shop;kr\nDelsumma;2\ndelsumma;1\n"), None);
    }

    #[test]
    fn sums_without_a_word_are_told_wherever_they_stand() {
        let mut sums = Sums::default();
        let rows = [
            "a;1;2", "b;3;4", ";4;6", "c;1;1", "d;1;2", ";2;3", ";6;9", ";5;",
        ];
        let told: Vec<bool> = rows.iter().map(|row| sums.take(row.split(';'))).collect();
        assert_eq!(told, [false, false, true, false, false, true, true, false]);
        assert_eq!((sums.found, sums.others, sums.is_last), (3, 1, false));
    }

    #[test]
    fn rows_of_a_sheet_are_held_back_until_their_end_is_known() {
        let row = |cells: &[&str]| cells.iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut rows = Rows::default();
        let names = ["Anna", "Bo", "Totalt AB", "Ida"];
        let given = names
            .iter()
            .filter_map(|name| rows.push(row(&[name, "1"])))
            .count();
        assert_eq!(given, 1);
        assert!(rows.push(row(&["", "SUMMA:", "4"])).is_some());
        let (left, end) = rows.finish();
        assert_eq!((left.len(), end.as_deref()), (2, Some("SUMMA:")));
    }
}
