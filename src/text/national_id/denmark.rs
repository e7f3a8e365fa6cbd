//! Danish CPR and CVR numbers.

use super::check_digit::modulo_11;
use super::{bare_digits, is_date, pair};

/// Ten digits for a person (`DDMMYY-SSSC`; replacement numbers have 60 added to the day), eight for an organisation
/// (also `DK12345678`).
pub(super) fn canonical(input: &str) -> Option<String> {
    let digits = bare_digits(input, "DK", "")?;
    let is_id = match digits.len() {
        8 => true,
        10 => {
            let (day, month, year) = (pair(&digits, 0)?, pair(&digits, 2)?, pair(&digits, 4)?);
            is_date(year, month, if day > 60 { day - 60 } else { day })
        }
        _ => false,
    };
    is_id.then_some(digits)
}

/// Modulo 11 for organisations. Persons' numbers are issued without a right check digit since 2007, so all pass.
pub(super) fn has_right_check_digit(canonical: &[u8]) -> bool {
    canonical.len() != 8 || modulo_11(canonical, &[2, 7, 6, 5, 4, 3, 2, 1])
}

#[cfg(test)]
mod tests {
    use super::super::values;
    use super::*;

    fn is_valid(text: &str) -> bool {
        canonical(text).is_some_and(|digits| has_right_check_digit(&values(&digits)))
    }

    #[test]
    fn persons_keep_ten_digits_and_need_no_check_digit() {
        for text in ["670585-1234", "6705851234", "670585 1234"] {
            assert_eq!(canonical(text).as_deref(), Some("6705851234"), "{text}");
            assert!(is_valid(text), "{text}");
        }
        assert!(is_valid("070585-1234") && is_valid("070585-1235"));
    }

    #[test]
    fn organisations_need_a_right_check_digit() {
        assert_eq!(canonical("DK 90 00 00 04").as_deref(), Some("90000004"));
        assert!(is_valid("90000004"));
        assert!(!is_valid("90000005"));
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "320585-1234",
            "071385-1234",
            "290285-1234",
            "950585-1234",
            "",
            "1234567",
            "07O5851234",
        ] {
            assert_eq!(canonical(text), None, "{text}");
        }
    }
}
