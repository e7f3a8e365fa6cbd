//! Cells of a file that a spreadsheet opens: none of them may become a formula.
//!
//! As OWASP advises, a text that begins as a formula does stands behind an apostrophe; whoever reads the file back takes it
//! away again.

use std::borrow::Cow;

/// What a formula begins with.
const STARTS: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// A cell that no spreadsheet computes; a negative number is none that it could.
pub(crate) fn guarded(cell: &str) -> Cow<'_, str> {
    match cell.starts_with(STARTS) && !is_negative_number(cell) {
        true => Cow::Owned(format!("'{cell}")),
        false => Cow::Borrowed(cell),
    }
}

/// The text of a guarded cell; others as they are.
pub(crate) fn unguarded(cell: &str) -> &str {
    let text = cell.strip_prefix('\'');
    text.filter(|text| text.starts_with(STARTS)).unwrap_or(cell)
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
}
