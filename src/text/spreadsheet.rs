//! Cells of a file that a spreadsheet opens: none of them may become a formula, and no key another text.
//!
//! As OWASP advises, a text that begins as a formula does stands behind an apostrophe; whoever reads the file back takes it
//! away again. A key is guarded as well where a spreadsheet would take it for a number, a date or a truth value, and save it as
//! it writes those: `00100708` as 100708, `9752128217029438` as 9,75213E+15, `3-4` as a day of April.

use std::borrow::Cow;

/// What a formula begins with.
const STARTS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// Digits of a number that spreadsheets keep.
const MOST_DIGITS: usize = 15;

/// What names of months begin with, in English and the languages of the north.
const MONTHS: [&str; 16] = [
    "jan", "feb", "mar", "apr", "maj", "mai", "may", "jun", "jul", "aug", "sep", "oct", "okt",
    "nov", "dec", "des",
];

/// Words of truth values in spreadsheets of the north.
const TRUTHS: [&str; 8] = [
    "true", "false", "sant", "falskt", "sann", "usann", "sand", "falsk",
];

/// A cell that no spreadsheet computes; a negative number is none that it could.
pub(crate) fn guarded(cell: &str) -> Cow<'_, str> {
    match cell.starts_with(STARTS) && !is_negative_number(cell) {
        true => Cow::Owned(format!("'{cell}")),
        false => Cow::Borrowed(cell),
    }
}

/// A key that a spreadsheet neither computes nor writes anew.
pub(crate) fn guarded_key(key: &str) -> Cow<'_, str> {
    match key.starts_with(STARTS) || is_rewritten(key) {
        true => Cow::Owned(format!("'{key}")),
        false => Cow::Borrowed(key),
    }
}

/// The text of a guarded cell or key; others as they are.
pub(crate) fn unguarded(cell: &str) -> &str {
    let text = cell.strip_prefix('\'');
    let is_guarded = |text: &&str| text.starts_with(STARTS) || is_rewritten(text);
    text.filter(is_guarded).unwrap_or(cell)
}

/// Whether a spreadsheet may save it as another text: whatever begins as a number does and is no short whole one, days of a
/// month with its name, and truth values.
fn is_rewritten(key: &str) -> bool {
    let key = key.trim_matches(' ');
    let is_digits = key.bytes().all(|byte| byte.is_ascii_digit());
    let begins_as_a_number =
        key.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '.' | ','));
    if begins_as_a_number {
        let is_kept =
            is_digits && key.len() <= MOST_DIGITS && (key == "0" || !key.starts_with('0'));
        return !is_kept;
    }
    let lower = key.to_lowercase();
    if TRUTHS.contains(&lower.as_str()) {
        return true;
    }
    let letters = lower.bytes().take_while(u8::is_ascii_lowercase).count();
    let number = lower[letters..].trim_start_matches(['-', ' ', '.', '/']);
    MONTHS.iter().any(|month| lower.starts_with(month))
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_negative_number(cell: &str) -> bool {
    let digits = cell.strip_prefix('-').unwrap_or_default();
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    match digits.split_once('.') {
        Some((whole, fraction)) => is_digits(whole) && is_digits(fraction),
        None => is_digits(digits),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_guarded_and_come_back() {
        for formula in ["=cmd|calc", "@SUM(A1)", "+46 70", "-2+3", "-", "\tx"] {
            let cell = guarded(formula);
            assert_eq!(cell, format!("'{formula}"));
            assert_eq!(unguarded(&cell), formula);
        }
        for plain in ["", "a=b", "-5", "-5.25", "'quoted'", "10442"] {
            assert_eq!((&*guarded(plain), unguarded(plain)), (plain, plain));
        }
    }

    #[test]
    fn keys_that_a_spreadsheet_would_save_as_another_text_are_guarded_and_come_back() {
        for rewritten in [
            "00100708",
            "9752128217029438",
            "1E5",
            "12e3",
            "3-4",
            "2026-03-01",
            "1.50",
            "12:30",
            ".5",
            "MAR1",
            "sept-2",
            "Okt 12",
            "TRUE",
            "falskt",
            "-5",
            "=a",
            "1/2",
            "10 442",
        ] {
            let key = guarded_key(rewritten);
            assert_eq!(key, format!("'{rewritten}"));
            assert_eq!(unguarded(&key), rewritten);
        }
        for kept in [
            "",
            "0",
            "10442",
            "123456789012345",
            "crm",
            "c-88213",
            "W000001",
            "march",
            "martin",
            "marie 2b",
            "'s-Hertogenbosch",
        ] {
            assert_eq!((&*guarded_key(kept), unguarded(kept)), (kept, kept));
        }
    }
}
