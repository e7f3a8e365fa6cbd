//! Swedish personnummer, samordningsnummer and organisationsnummer.

use super::check_digit::luhn;
use super::{bare_digits, is_date, pair, values};

/// The last year that two digits without a century can mean: `29` is 2029, `30` is 1930. A kernel reads no clock, so
/// the border is fixed: `-` would turn into `+` on somebody's 100th birthday, which a file does not do.
const LAST_SHORT_YEAR: u32 = 2029;

/// Twelve digits for a person, ten for an organisation.
///
/// Persons are written `YYYYMMDD-NNNC` or `YYMMDD-NNNC`, `+` for `-` from the year of turning 100, or without a sign.
/// Coordination numbers have 60 added to the day. Birth numbers 980–999 are the tax agency's test range and count.
/// Organisations are written `NNNNNN-NNNN`, with `16` before them, or as a VAT number `SE…01`.
pub(super) fn canonical(input: &str) -> Option<String> {
    let (text, over_hundred) = without_plus(input.trim())?;
    let digits = bare_digits(&text, "SE", "")?;
    let is_vat = digits.len() == 12 && text.get(..2).is_some_and(|s| s.eq_ignore_ascii_case("SE"));
    match digits.len() {
        12 if is_vat && digits.ends_with("01") => organisation(&digits[..10]),
        12 if digits.starts_with("16") => organisation(&digits[2..]),
        12 => person(&digits),
        10 if organisation(&digits).is_some() && !over_hundred => Some(digits),
        10 => {
            let mut year = LAST_SHORT_YEAR / 100 * 100 + pair(&digits, 0)?;
            if year > LAST_SHORT_YEAR {
                year -= 100;
            }
            if over_hundred {
                year -= 100;
            }
            person(&format!("{}{digits}", year / 100))
        }
        _ => None,
    }
}

/// Luhn over the ten digits without century.
pub(super) fn has_right_check_digit(canonical: &[u8]) -> bool {
    canonical.len() >= 10 && luhn(&canonical[canonical.len() - 10..])
}

/// The text without a `+` before its last four digits, and whether there was one.
fn without_plus(text: &str) -> Option<(String, bool)> {
    match text.split_once('+') {
        None => Some((text.to_string(), false)),
        Some((date, rest)) if rest.len() == 4 => Some((format!("{date}{rest}"), true)),
        Some(_) => None,
    }
}

fn person(digits: &str) -> Option<String> {
    let (century, year, month, day) = (
        pair(digits, 0)?,
        pair(digits, 2)?,
        pair(digits, 4)?,
        pair(digits, 6)?,
    );
    let day = if day > 60 { day - 60 } else { day };
    let is_leap_century = year != 0 || century.is_multiple_of(4) || (month, day) != (2, 29);
    ((18..=20).contains(&century) && is_date(year, month, day) && is_leap_century)
        .then(|| digits.to_string())
}

/// The third digit is at least 2, so that no organisation looks like a person born in a month.
fn organisation(digits: &str) -> Option<String> {
    (values(digits).get(2)? >= &2).then(|| digits.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_valid(text: &str) -> bool {
        canonical(text).is_some_and(|digits| has_right_check_digit(&values(&digits)))
    }

    #[test]
    fn ways_to_write_one_person_give_one_id() {
        for text in [
            "19850709-9805",
            "850709-9805",
            "8507099805",
            "198507099805",
            " 850709 9805 ",
            "850709–9805",
        ] {
            assert_eq!(canonical(text).as_deref(), Some("198507099805"), "{text}");
            assert!(is_valid(text), "{text}");
        }
    }

    #[test]
    fn century_follows_the_sign_or_the_fixed_border() {
        assert_eq!(canonical("121212-1212").as_deref(), Some("201212121212"));
        assert_eq!(canonical("121212+1212").as_deref(), Some("191212121212"));
        assert_eq!(canonical("19121212+1212").as_deref(), Some("191212121212"));
        assert_eq!(canonical("300101-0000").as_deref(), Some("193001010000"));
        assert_eq!(canonical("291231-0000").as_deref(), Some("202912310000"));
    }

    #[test]
    fn coordination_numbers_have_sixty_added_to_the_day() {
        assert_eq!(canonical("701063-2391").as_deref(), Some("197010632391"));
        assert!(is_valid("701063-2391"));
        assert_eq!(canonical("701093-2391"), None);
    }

    #[test]
    fn organisations_keep_ten_digits_however_written() {
        for text in [
            "405000-0001",
            "4050000001",
            "16405000-0001",
            "SE405000000101",
        ] {
            assert_eq!(canonical(text).as_deref(), Some("4050000001"), "{text}");
            assert!(is_valid(text), "{text}");
        }
        assert!(!is_valid("405000-0002"));
    }

    #[test]
    fn wrong_check_digit_keeps_its_form_but_is_not_valid() {
        assert_eq!(canonical("19850709-9806").as_deref(), Some("198507099806"));
        assert!(!is_valid("19850709-9806"));
    }

    #[test]
    fn what_is_no_date_or_has_other_digits_is_none() {
        for text in [
            "",
            "850709",
            "850732-9805",
            "851309-9805",
            "850229-0000",
            "19000229-0000",
            "21850709-9805",
            "850709-980A",
            "850709+98051",
            "85+0709-9805",
            "8507099805123",
            "٨٥٠٧٠٩٩٨٠٥",
            "+",
            "SE",
        ] {
            assert_eq!(canonical(text), None, "{text}");
        }
        assert!(canonical("20000229-0000").is_some() && canonical("840229-0000").is_some());
    }
}
