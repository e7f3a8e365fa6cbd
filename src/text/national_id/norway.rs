//! Norwegian fødselsnummer, D- and H-numbers, and organisasjonsnummer.

use super::check_digit::modulo_11;
use super::{bare_digits, is_date, pair};

/// Eleven digits for a person, nine for an organisation (also `NO 300 000 002 MVA`).
///
/// D-numbers have 40 added to the day, H-numbers and one family of test numbers 40 to the month, the tax agency's
/// synthetic population 80. The check rules announced for 2032 are not in force yet and not applied.
pub(super) fn canonical(input: &str) -> Option<String> {
    let digits = bare_digits(input, "NO", "MVA")?;
    let is_id = match digits.len() {
        9 => true,
        11 => {
            let (day, month, year) = (pair(&digits, 0)?, pair(&digits, 2)?, pair(&digits, 4)?);
            let day = if day > 40 { day - 40 } else { day };
            let month = match month {
                81.. => month - 80,
                41.. => month - 40,
                _ => month,
            };
            is_date(year, month, day)
        }
        _ => false,
    };
    is_id.then_some(digits)
}

/// Two check digits modulo 11 for persons, one for organisations.
pub(super) fn has_right_check_digits(canonical: &[u8]) -> bool {
    if canonical.len() == 9 {
        return modulo_11(canonical, &[3, 2, 7, 6, 5, 4, 3, 2, 1]);
    }
    modulo_11(canonical, &[3, 7, 6, 1, 8, 9, 4, 5, 2, 1])
        && modulo_11(canonical, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1])
}

#[cfg(test)]
mod tests {
    use super::super::values;
    use super::*;

    fn is_valid(text: &str) -> bool {
        canonical(text).is_some_and(|digits| has_right_check_digits(&values(&digits)))
    }

    /// The check digits for nine given ones, where there are any.
    fn with_check_digits(nine: &str) -> Option<String> {
        (0..100)
            .map(|k| format!("{nine}{k:02}"))
            .find(|id| is_valid(id))
    }

    #[test]
    fn spaces_and_hyphens_do_not_count() {
        for text in ["01819012345", "018190 12345", "018190-12345"] {
            assert_eq!(canonical(text).as_deref(), Some("01819012345"), "{text}");
        }
    }

    #[test]
    fn test_d_and_h_numbers_are_ids() {
        for nine in [
            "018190123",
            "418190123",
            "014190123",
            "410190123",
            "010190120",
        ] {
            let id = with_check_digits(nine).unwrap();
            assert_eq!(canonical(&id).as_deref(), Some(&*id));
        }
    }

    #[test]
    fn wrong_check_digit_keeps_its_form_but_is_not_valid() {
        let id = with_check_digits("018190123").unwrap();
        let wrong = format!("{}{}", &id[..10], (id.as_bytes()[10] - b'0' + 1) % 10);
        assert!(canonical(&wrong).is_some() && !is_valid(&wrong));
    }

    #[test]
    fn organisations_keep_nine_digits() {
        for text in [
            "300000002",
            "300 000 002",
            "NO 300 000 002 MVA",
            "no300000002mva",
        ] {
            assert_eq!(canonical(text).as_deref(), Some("300000002"), "{text}");
            assert!(is_valid(text), "{text}");
        }
        assert!(!is_valid("300000003"));
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "32019012345",
            "01139012345",
            "29029112345",
            "01539012345",
            "00019012345",
            "0101901234",
            "",
            "NO",
            "MVA",
        ] {
            assert_eq!(canonical(text), None, "{text}");
        }
    }
}
