//! Phone numbers in E.164, by the metadata of Google's libphonenumber.

use std::borrow::Cow;

use phonenumber::{Mode, country};

use super::Country;

/// Calling codes whose numbers are looked at without the code when a placeholder is suspected.
const NEIGHBOURS: [&str; 5] = ["46", "47", "45", "358", "354"];

/// The number in E.164 (`+46701234567`), or `None` where no valid number can be read.
///
/// `default_country` is where a number written without a calling code belongs; without it only `+…` and `00…` are read.
/// The number must exist in its country's numbering plan. Letters, extensions and two numbers in one text are refused:
/// guessing would join strangers.
pub(crate) fn normalize_phone(
    input: &str,
    default_country: Option<Country>,
) -> Option<Cow<'_, str>> {
    let dialled = dialled(input, default_country)?;
    let region = default_country.and_then(|country| country.code().parse::<country::Id>().ok());
    let number = phonenumber::parse(region, &dialled).ok()?;
    if !phonenumber::is_valid(&number) {
        return None;
    }
    let number = number.format().mode(Mode::E164).to_string();
    Some(if number == input {
        Cow::Borrowed(input)
    } else {
        Cow::Owned(number)
    })
}

/// Whether a number was typed only to get past a form: one digit repeated (`00000000`, `+46 111 11 11 11`), the digits
/// counted up or down (`12345678`), or nothing but zeros after a prefix (`070-000 00 00`).
///
/// A few such numbers exist (a taxi's 22 22 22 22); they identify no person either, so they are placeholders here.
pub(crate) fn is_placeholder_phone(input: &str) -> bool {
    let international = input.trim_start().starts_with('+') || input.trim_start().starts_with("00");
    let digits: String = input.chars().filter(char::is_ascii_digit).collect();
    let national = digits.trim_start_matches('0');
    let national = match NEIGHBOURS
        .iter()
        .find_map(|code| national.strip_prefix(code))
    {
        Some(rest) if international => rest.trim_start_matches('0'),
        _ => national,
    };
    let first = national.chars().next().unwrap_or('0');
    let repeated = !digits.is_empty() && national.chars().all(|c| c == first);
    let counted = national.len() >= 4
        && ("1234567890".starts_with(national)
            || "9876543210".contains(national) && national.ends_with(['0', '1']));
    repeated || counted || national.ends_with("0000000")
}

/// Digits, with a leading `+` where the calling code is written. `None` for anything but digits and punctuation.
fn dialled(input: &str, default_country: Option<Country>) -> Option<String> {
    let text = input.trim();
    let text = match text.get(..4) {
        Some(label) if label.eq_ignore_ascii_case("tel:") => text[4..].trim_start(),
        _ => text,
    };
    let mut dialled = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '0'..='9' => dialled.push(c),
            '+' if dialled.is_empty() => dialled.push(c),
            '(' | ')' | '-' | '.' | '/' | '\u{2010}'..='\u{2015}' => {}
            c if c.is_whitespace() => {}
            _ => return None,
        }
    }
    // "+46 (0)70 …": the trunk zero in brackets is for those who dial from within.
    if dialled.starts_with('+') || dialled.starts_with("00") {
        if let Some((before, _)) = text.split_once("(0)") {
            dialled.remove(
                before
                    .chars()
                    .filter(|c| c.is_ascii_digit() || *c == '+')
                    .count(),
            );
        }
    }
    if default_country.is_none() && dialled.starts_with("00") {
        dialled.replace_range(..2, "+");
    }
    (5..=20).contains(&dialled.len()).then_some(dialled)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str, country: &str) -> Option<String> {
        normalize_phone(text, Country::parse(country)).map(Cow::into_owned)
    }

    #[test]
    fn ways_to_write_one_swedish_number_give_one_number() {
        for text in [
            "070-174 06 05",
            "0701740605",
            "+46701740605",
            "+46 70 174 06 05",
            "0046701740605",
            "+46 (0)70-174 06 05",
            "tel:+46-70-174-06-05",
            "(070) 174.06.05",
            "070/1740605",
            " 070 174 06 05\u{a0}",
            "070–174 06 05",
        ] {
            assert_eq!(read(text, "SE").as_deref(), Some("+46701740605"), "{text}");
        }
    }

    #[test]
    fn norwegian_and_danish_numbers_have_eight_digits_and_no_trunk_zero() {
        for text in ["412 34 567", "41234567", "+47 41 23 45 67", "004741234567"] {
            assert_eq!(read(text, "NO").as_deref(), Some("+4741234567"), "{text}");
        }
        for text in ["20 12 34 56", "20123456", "+4520123456", "004520123456"] {
            assert_eq!(read(text, "DK").as_deref(), Some("+4520123456"), "{text}");
        }
        assert_eq!(read("4123456", "NO"), None);
    }

    #[test]
    fn calling_code_wins_over_the_default_country() {
        assert_eq!(read("+4520123456", "SE").as_deref(), Some("+4520123456"));
        assert_eq!(read("004741234567", "SE").as_deref(), Some("+4741234567"));
    }

    #[test]
    fn without_a_country_only_international_numbers_are_read() {
        assert_eq!(normalize_phone("0701740605", None), None);
        assert_eq!(
            normalize_phone("+46701740605", None).as_deref(),
            Some("+46701740605")
        );
        assert_eq!(
            normalize_phone("0046701740605", None).as_deref(),
            Some("+46701740605")
        );
    }

    #[test]
    fn number_already_in_form_is_not_copied() {
        assert!(matches!(
            normalize_phone("+46701740605", Country::parse("SE")),
            Some(Cow::Borrowed(_))
        ));
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in [
            "",
            "-",
            "+",
            "00",
            "00000000",
            "070",
            "070-ABC",
            "0701740605 ext 5",
            "0701740605, 0701740606",
            "anna@example.com",
            "+999 1234567",
            "+46",
            "1",
            "07017406050701740605",
            "++46701740605",
            "(0)",
            "+(0)",
            "ööööööööö",
        ] {
            assert_eq!(read(text, "SE"), None, "{text}");
        }
    }

    #[test]
    fn placeholders_are_told_from_numbers() {
        for text in [
            "00000000",
            "0000",
            "11111111",
            "+46 111 11 11 11",
            "0099999999",
            "12345678",
            "0123456789",
            "87654321",
            "070-000 00 00",
        ] {
            assert!(is_placeholder_phone(text), "{text}");
        }
        for text in [
            "",
            "-",
            "0701234567",
            "0701740605",
            "+4520123456",
            "23456789",
            "46464646",
        ] {
            assert!(!is_placeholder_phone(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(
            text in "(\\+|00)?[0-9 ()-]{0,14}",
            country in prop::sample::select(vec!["SE", "NO", "DK", "FI", "DE", "IT", "US", ""]),
        ) {
            if let Some(once) = read(&text, country) {
                prop_assert_eq!(read(&once, country), Some(once.clone()));
                prop_assert_eq!(read(&once, ""), Some(once));
            }
        }

        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,20}") {
            let _ = read(&text, "SE");
            let _ = is_placeholder_phone(&text);
        }
    }
}
