//! Phone numbers in E.164, by the metadata of Google's libphonenumber.

use std::borrow::Cow;

use phonenumber::metadata::DATABASE;
use phonenumber::{Metadata, Mode, country};

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
    let home = default_country.and_then(|country| DATABASE.by_id(country.code()));
    let number = number(&dialled(input, home)?, home)?;
    Some(if number == input {
        Cow::Borrowed(input)
    } else {
        Cow::Owned(number)
    })
}

/// The number in E.164 that is dialled in a country.
fn number(dialled: &str, home: Option<&Metadata>) -> Option<String> {
    if dialled.starts_with('+') {
        return e164(None, dialled);
    }
    // The library takes the first digits of a Norwegian `47 12 34 56 78` for the calling code, so it is put before.
    let home = home?;
    e164(None, &format!("+{}{dialled}", home.country_code()))
        .or_else(|| e164(home.id().parse().ok(), dialled))
}

/// Whether two texts are one phone number, however each is written, where nobody knows in which country.
///
/// They are where a country is that reads the same number in both: that of the calling code where one has it, else one of the
/// Nordic ones. So `073-123 45 67` is `+46731234567`, and `31 23 45 67`, which a Dane and a Norwegian write so, is `+4531234567` and
/// `+4731234567`; it is no part of a longer number. Texts that no country reads are one number where their digits are.
pub(crate) fn is_same_phone(one: &str, other: &str) -> bool {
    let (Some(one), Some(other)) = (dialled(one, None), dialled(other, None)) else {
        return false;
    };
    if one == other {
        return true;
    }
    let reads_same = |home: &Metadata| {
        let read = |dialled: &str| {
            is_whole_in(dialled, home)
                .then(|| number(dialled, Some(home)))
                .flatten()
        };
        read(&one).is_some_and(|number| read(&other) == Some(number))
    };
    match [&one, &other]
        .iter()
        .find(|dialled| dialled.starts_with('+'))
    {
        Some(dialled) => country_of(dialled).is_some_and(reads_same),
        None => {
            let codes = NEIGHBOURS.iter().filter_map(|code| code.parse().ok());
            let homes = codes
                .filter_map(|code: u16| DATABASE.by_code(&code))
                .flatten();
            homes.into_iter().any(reads_same)
        }
    }
}

/// The country of a number with a calling code.
fn country_of(dialled: &str) -> Option<&'static Metadata> {
    let number = phonenumber::parse(None, dialled).ok()?;
    DATABASE.by_id(number.country().id()?.as_ref())
}

/// Whether nothing is missing before a number that is dialled in a country. A spreadsheet takes the zero away that many countries
/// begin with; eight digits without it are a whole number elsewhere: those of Gothenburg's `031-23 45 67` are a Dane's.
fn is_whole_in(dialled: &str, home: &Metadata) -> bool {
    const MORE_THAN_A_WHOLE_ONE: usize = 9;
    let prefix = home.national_prefix();
    dialled.len() >= MORE_THAN_A_WHOLE_ONE
        || prefix.is_none_or(|prefix| dialled.starts_with(prefix) || dialled.starts_with('+'))
}

/// A number that exists, dialled in a country; without one it begins with `+`. (With one, the library would strip that
/// country's trunk prefix from foreign numbers too.)
fn e164(from: Option<country::Id>, dialled: &str) -> Option<String> {
    let number = phonenumber::parse(from, dialled).ok()?;
    phonenumber::is_valid(&number).then(|| number.format().mode(Mode::E164).to_string())
}

/// Whether a number was typed only to get past a form: one digit repeated (`00000000`, `+46 111 11 11 11`), the digits
/// counted up or down (`12345678`), or nothing but zeros after a prefix (`070-000 00 00`).
///
/// A few such numbers exist (a taxi's 22 22 22 22); they identify no person either, so they are placeholders here.
pub(crate) fn is_placeholder_phone(input: &str) -> bool {
    let international = input.trim_start().starts_with('+') || input.trim_start().starts_with("00");
    let mut digits = String::with_capacity(input.len());
    digits.extend(input.chars().filter(char::is_ascii_digit));
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
fn dialled(input: &str, home: Option<&Metadata>) -> Option<String> {
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
    let is_international = dialled.starts_with('+') || dialled.starts_with("00");
    if let Some((before, _)) = text.split_once("(0)").filter(|_| is_international) {
        dialled.remove(
            before
                .chars()
                .filter(|c| c.is_ascii_digit() || *c == '+')
                .count(),
        );
    }
    let dials_00 = home.is_none_or(|home| {
        home.international_prefix()
            .is_some_and(|p| p.as_str() == "00")
    });
    if dials_00 && dialled.starts_with("00") {
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
    fn number_that_begins_like_its_own_calling_code_is_not_cut() {
        assert_eq!(read("479 96 576", "NO").as_deref(), Some("+4747996576"));
        assert_eq!(read("4747996576", "NO").as_deref(), Some("+4747996576"));
        assert_eq!(read("45 45 12 34", "DK").as_deref(), Some("+4545451234"));
        assert_eq!(read("046-12 34 56", "SE").as_deref(), Some("+4646123456"));
        assert_eq!(read("46701740605", "SE").as_deref(), Some("+46701740605"));
    }

    #[test]
    fn foreign_numbers_keep_their_own_leading_zeros() {
        assert_eq!(
            read("+39 02 3661 8300", "SE").as_deref(),
            Some("+390236618300")
        );
        assert_eq!(read("02 3661 8300", "IT").as_deref(), Some("+390236618300"));
        assert_eq!(
            read("(650) 253-0000", "US").as_deref(),
            Some("+16502530000")
        );
        assert_eq!(
            read("011 46 70 174 06 05", "US").as_deref(),
            Some("+46701740605")
        );
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
    fn a_number_is_the_same_in_every_form_and_no_part_of_another() {
        for (one, other) in [
            ("073-123 45 67", "+46731234567"),
            ("073-123 45 67", "0046 (0)73 123 45 67"),
            ("0731234567", "731234567"),
            ("46731234567", "tel:+46-73-123 45 67"),
            ("31 23 45 67", "+4531234567"),
            ("31 23 45 67", "0047 31 23 45 67"),
            ("31234567", "31-23-45-67"),
            ("581 2345", "+354 581 2345"),
            ("040 123 4567", "+358 40 1234567"),
            ("0171 1234567", "+49 171 1234567"),
            ("12345678901", "123-456-789-01"),
        ] {
            assert!(
                is_same_phone(one, other) && is_same_phone(other, one),
                "{one} {other}"
            );
        }
        for (one, other) in [
            ("31 23 45 67", "073-123 45 67"),
            ("31 23 45 67", "031-23 45 67"),
            ("31 23 45 67", "+46 31 23 45 67"),
            ("31 23 45 67", "+46 73 123 45 67"),
            ("+45 31 23 45 67", "+47 31 23 45 67"),
            ("0731234567", "31234567"),
            ("1231234567", "31234567"),
            ("anna@example.com", "anna@example.com"),
            ("", ""),
        ] {
            assert!(
                !is_same_phone(one, other) && !is_same_phone(other, one),
                "{one} {other}"
            );
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
