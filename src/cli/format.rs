//! Answers as people read them, and as programs do.

use chrono::{DateTime, Utc};
use datafusion::arrow::datatypes::Field;
use serde::Serialize;

use crate::error::{Error, Result};

/// `262,027`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `+36`, `−4`, `±0`.
pub(super) fn change(number: i64) -> String {
    match number {
        0 => "±0".to_string(),
        n if n > 0 => format!("+{}", count(n.unsigned_abs())),
        n => format!("−{}", count(n.unsigned_abs())),
    }
}

/// `41.2 MB`, in thousands as storage is sold.
pub(super) fn bytes(number: u64) -> String {
    let mut size = number as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if size < 999.95 {
            return if unit == "B" {
                format!("{number} B")
            } else {
                format!("{size:.1} {unit}")
            };
        }
        size /= 1000.0;
    }
    format!("{size:.1} TB")
}

/// `0.13 %`.
pub(super) fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "0 %".to_string();
    }
    let percent = part as f64 * 100.0 / whole as f64;
    if percent >= 10.0 {
        format!("{percent:.0} %")
    } else {
        format!("{percent:.2} %")
    }
}

/// `2,375 → 2,380`; `2,375` where it is the same; `new, 2,375`.
pub(super) fn before_and_after(before: Option<u64>, now: Option<u64>) -> String {
    let text = now.map_or_else(String::new, count);
    match before {
        Some(before) if Some(before) != now => format!("{} → {text}", count(before)),
        Some(_) => text,
        None => format!("new, {text}"),
    }
}

/// `−31 %` of a share more or fewer; nothing where nothing moved.
pub(super) fn relative(share: Option<f64>) -> String {
    match share {
        Some(share) if share != 0.0 => {
            let percent = share.abs() * 100.0;
            let sign = if share < 0.0 { '−' } else { '+' };
            if percent < 9.95 {
                format!("{sign}{percent:.1} %")
            } else {
                format!("{sign}{percent:.0} %")
            }
        }
        _ => String::new(),
    }
}

/// `0.3 s`, `4 min 10 s`.
pub(super) fn seconds(seconds: f64) -> String {
    if seconds < 100.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{} min {} s", seconds as u64 / 60, seconds as u64 % 60)
    }
}

/// `40 s`, `12 min`, `6 h`, `3 d`.
pub(super) fn age(age: chrono::Duration) -> String {
    let seconds = age.num_seconds().max(0);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// The text in one line, at most so many characters of it.
pub(super) fn cut(text: &str, characters: usize) -> String {
    let text = text.replace(['\n', '\r'], " ");
    if text.chars().count() <= characters {
        return text;
    }
    let start: String = text.chars().take(characters.saturating_sub(1)).collect();
    format!("{}…", start.trim_end())
}

/// `1 export`, `3 exports`.
pub(super) fn plural(number: u64, noun: &str) -> String {
    format!(
        "{} {noun}{}",
        count(number),
        if number == 1 { "" } else { "s" }
    )
}

/// A moment in the project's time zone, to the minute: `2026-03-01 02:06`; a bare date at midnight.
pub(super) fn moment(time: DateTime<Utc>, zone: chrono_tz::Tz) -> String {
    let local = time.with_timezone(&zone);
    local
        .format("%Y-%m-%d %H:%M")
        .to_string()
        .trim_end_matches(" 00:00")
        .to_string()
}

/// What a release speaks of, as its record says it, in the project's time zone.
pub(super) fn as_of(text: &str, zone: chrono_tz::Tz) -> String {
    match DateTime::parse_from_rfc3339(text) {
        Ok(time) => moment(time.into(), zone),
        Err(_) => text.to_string(),
    }
}

/// A command's answer for programs.
///
/// # Errors
/// `Internal` for what JSON cannot hold.
pub(super) fn json(answer: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(answer)
        .map_err(|error| Error::internal("an answer cannot be written as JSON").caused_by(error))?;
    Ok(text + "\n")
}

/// To which side a column is lined up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

impl Align {
    /// As the values of a column of a table read best: numbers to the right.
    pub(super) fn of(field: &Field) -> Self {
        match field.data_type().is_numeric() {
            true => Self::Right,
            false => Self::Left,
        }
    }
}

/// Lines up cells. Every row has a cell for each column.
pub(super) struct Columns {
    rows: Vec<Vec<String>>,
    align: Vec<Align>,
}

impl Columns {
    pub(super) fn new(align: impl Into<Vec<Align>>) -> Self {
        Self {
            rows: Vec::new(),
            align: align.into(),
        }
    }

    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// One line a row, two spaces between cells, `indent` before each.
    pub(super) fn render(&self, indent: &str) -> String {
        let widths: Vec<usize> = (0..self.align.len())
            .map(|i| {
                self.rows
                    .iter()
                    .map(|row| width(&row[i]))
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = indent.to_string();
            for (i, cell) in row.iter().enumerate() {
                let gap = " ".repeat(widths[i] - width(cell));
                match self.align[i] {
                    Align::Left => line.extend([cell.as_str(), &gap]),
                    Align::Right => line.extend([gap.as_str(), cell]),
                }
                if widths[i] > 0 {
                    line.push_str("  ");
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// Characters on the screen, style codes not counted.
fn width(text: &str) -> usize {
    anstream::adapter::strip_str(text)
        .to_string()
        .chars()
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!(count(262_027), "262,027");
        assert_eq!(count(7), "7");
        assert_eq!(change(-1_204), "−1,204");
        assert_eq!(bytes(41_200_000), "41.2 MB");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(share(318, 262_027), "0.12 %");
        assert_eq!(seconds(250.0), "4 min 10 s");
        assert_eq!(age(chrono::Duration::hours(50)), "2 d");
        assert_eq!(cut("one row per customer", 8), "one row…");
    }
}
