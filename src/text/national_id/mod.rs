//! National ids of persons and organisations in Sweden, Norway and Denmark.
//!
//! In: an id as people write it, and its country. Out: its canonical digits, and whether its check digits hold. An id
//! with a wrong check digit still has a canonical form (a typing error, to be compared and reported, not to be lost).

mod check_digit;
mod denmark;
mod norway;
mod sweden;

use std::borrow::Cow;

use super::Country;

/// The canonical digits of a national id, or `None` where the text has not the shape of one of the country's ids.
///
/// | country | persons | organisations |
/// |---|---|---|
/// | SE | `YYYYMMDDNNNC`, 12 digits | 10 digits |
/// | NO | `DDMMYYIIIKK`, 11 digits | 9 digits |
/// | DK | `DDMMYYSSSC`, 10 digits | 8 digits |
///
/// The date within must be one of the calendar; coordination, D, H, replacement and test numbers count. Check digits do
/// not: [`is_valid_national_id`] tells. Ids of other countries are `None`.
pub(crate) fn normalize_national_id(input: &str, country: Country) -> Option<Cow<'_, str>> {
    let digits = match country.code() {
        "SE" => sweden::canonical(input)?,
        "NO" => norway::canonical(input)?,
        "DK" => denmark::canonical(input)?,
        _ => return None,
    };
    Some(if digits == input {
        Cow::Borrowed(input)
    } else {
        Cow::Owned(digits)
    })
}

/// Whether a text is a national id of the country with right check digits.
///
/// `None` for countries whose ids we cannot check. Danish persons' ids need no check digit since 2007, so their shape
/// decides alone.
pub(crate) fn is_valid_national_id(input: &str, country: Country) -> Option<bool> {
    let has_right_check = match country.code() {
        "SE" => sweden::has_right_check_digit,
        "NO" => norway::has_right_check_digits,
        "DK" => denmark::has_right_check_digit,
        _ => return None,
    };
    let canonical = normalize_national_id(input, country);
    Some(canonical.is_some_and(|digits| has_right_check(&values(&digits))))
}

/// The digits left when white space and hyphens go, and the letters before and after them where the country allows
/// them (`SE405000000101`, `NO 300 000 002 MVA`); `None` if anything else is left.
fn bare_digits(input: &str, before: &str, after: &str) -> Option<String> {
    let compact: String = input
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '-' && *c != '\u{2013}')
        .collect();
    let compact = compact.to_ascii_uppercase();
    let digits = compact.strip_prefix(before).unwrap_or(&compact);
    let digits = match digits.strip_suffix(after) {
        Some(rest) if !after.is_empty() => rest,
        _ => digits,
    };
    digits
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| digits.to_string())
}

/// The value of each digit.
fn values(digits: &str) -> Vec<u8> {
    digits.bytes().map(|b| b.wrapping_sub(b'0')).collect()
}

/// Two digits as a number.
fn pair(digits: &str, at: usize) -> Option<u32> {
    digits.get(at..at + 2)?.parse().ok()
}

/// Whether a day exists in a month of some year with these last two digits.
fn is_date(year: u32, month: u32, day: u32) -> bool {
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) => 29,
        2 => 28,
        _ => return false,
    };
    (1..=days).contains(&day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn countries_without_rules_give_nothing() {
        let finland = Country::parse("FI").unwrap();
        assert_eq!(normalize_national_id("131052-308T", finland), None);
        assert_eq!(is_valid_national_id("131052-308T", finland), None);
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing_and_what_is_valid_has_a_form(
            text in "[0-9]{2}[0-9]{6}[-+]?[0-9]{4}|[0-9]{6}-?[0-9]{4,5}|[0-9]{8,12}|\\PC{0,12}",
            country in prop::sample::select(vec!["SE", "NO", "DK"]),
        ) {
            let country = Country::parse(country).unwrap();
            let once = normalize_national_id(&text, country);
            if let Some(once) = &once {
                let twice = normalize_national_id(once, country);
                prop_assert_eq!(twice.as_deref(), Some(&**once));
                prop_assert_eq!(is_valid_national_id(once, country), is_valid_national_id(&text, country));
            } else {
                prop_assert_eq!(is_valid_national_id(&text, country), Some(false));
            }
        }

        #[test]
        fn one_wrong_digit_never_passes_where_a_check_digit_rules(serial in 0_u32..400, place in 0_usize..11, by in 1_u8..10) {
            let norway = Country::parse("NO").unwrap();
            let valid = (0..100).map(|k| format!("010190{serial:03}{k:02}")).find(|id| is_valid_national_id(id, norway) == Some(true));
            if let Some(id) = valid {
                let mut digits = id.into_bytes();
                digits[place] = b'0' + (digits[place] - b'0' + by) % 10;
                let changed = String::from_utf8(digits).unwrap();
                prop_assert_eq!(is_valid_national_id(&changed, norway), Some(false));
            }
        }
    }
}
