//! What values say whoever typed them: forms in which equal means the same.
//!
//! In: a text and what its column means. Out: the form that comparisons and blocking rules work on, or `None` where the
//! text says nothing. Countries are not known here, so the forms ask for none: of a phone number its last digits, of an
//! address its street and number.

use super::comparison::degrees;
use crate::text::{is_placeholder_email, is_placeholder_phone, name_key};

/// Digits by which two phone numbers are the same, however they are prefixed: every plan has at least as many.
const PHONE_DIGITS: usize = 8;
const LEAST_PHONE_DIGITS: usize = 6;

/// Words behind which an address names a floor, a door or a flat.
const FLAT_WORDS: &[&str] = &["lgh", "leil", "apt", "flat", "unit", "app"];

/// Letters and digits of a name, folded; words apart by one space.
pub(super) fn name(text: &str) -> Option<String> {
    let words = text.split(|c: char| c.is_whitespace() || c == '-' || c == '.');
    joined(words.filter_map(name_key), text.len())
}

/// Words apart by one space; `None` of no word. `length`: of the text that they are of.
fn joined(words: impl Iterator<Item = impl AsRef<str>>, length: usize) -> Option<String> {
    let mut found = String::with_capacity(length);
    for word in words {
        if !found.is_empty() {
            found.push(' ');
        }
        found.push_str(word.as_ref());
    }
    (!found.is_empty()).then_some(found)
}

/// Those letters of a text that are wanted.
fn letters(text: &str, is_wanted: impl Fn(&char) -> bool) -> String {
    let mut found = String::with_capacity(text.len());
    found.extend(text.chars().filter(is_wanted));
    found
}

/// A name with its words run together, as the form in which it is equal to another.
pub(super) fn name_whole(name: &str) -> Option<String> {
    name_key(name).map(Into::into)
}

pub(super) fn first_word(name: &str) -> Option<String> {
    name.split(' ').next().map(str::to_string)
}

pub(super) fn initial(name: &str) -> Option<String> {
    name.chars().next().map(String::from)
}

/// The first letters of a name.
pub(super) fn beginning(name: &str, letters: usize) -> Option<String> {
    let found: String = name.chars().filter(|c| *c != ' ').take(letters).collect();
    (!found.is_empty()).then_some(found)
}

/// A day as eight digits: `1980-02-29` and `19800229` alike.
pub(super) fn date(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(char::is_ascii_digit).take(8).collect();
    (digits.len() == 8).then_some(digits)
}

pub(super) fn email(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    let (user, host) = text.rsplit_once('@')?;
    if user.is_empty() || host.is_empty() || is_placeholder_email(&text) {
        return None;
    }
    // what stands behind a plus is a note of the owner's to themselves
    match user.split_once('+') {
        Some((user, _)) => Some(format!("{user}@{host}")),
        None => Some(text),
    }
}

/// Letters and digits before the `@`.
pub(super) fn email_user(email: &str) -> Option<String> {
    let (user, _) = email.rsplit_once('@')?;
    let user = letters(user, |c| c.is_alphanumeric());
    (user.chars().count() >= 4).then_some(user)
}

/// Whether the user of an address is a form of the owner's name: `anna.ek`, `aek7`, `ek_anna`. More than one digit is the
/// owner's own. Of the names: the first given one, and the [`stem`] of the family's.
pub(super) fn is_made_of_name(user: &str, given: Option<&str>, family: Option<&str>) -> bool {
    let Some(user) = name_key(user) else {
        return false;
    };
    let is_in = |name: Option<&str>| {
        name.is_some_and(|name| name.chars().count() >= 3 && user.contains(name))
    };
    is_in(given) || is_in(family)
}

/// A family name with its words run together, and without the ending of a patronymic: that is folded in names, and in the
/// user of an address only where it ends.
pub(super) fn stem(name: &str) -> Option<String> {
    let whole = name_whole(name)?;
    Some(whole.strip_suffix("sen").unwrap_or(&whole).to_string())
}

pub(super) fn phone(text: &str) -> Option<String> {
    let mut digits = letters(text, char::is_ascii_digit);
    if digits.len() < LEAST_PHONE_DIGITS || is_placeholder_phone(text) {
        return None;
    }
    digits.drain(..digits.len().saturating_sub(PHONE_DIGITS));
    Some(digits)
}

/// Street and number without flat, floor and door, folded; words apart by one space.
pub(super) fn address(text: &str) -> Option<String> {
    let street = text.split(',').next().unwrap_or(text);
    let words = street.split(|c: char| c.is_whitespace() || matches!(c, '-' | '.' | '/'));
    let words = words.filter_map(name_key);
    let before_flat = words.take_while(|word| !FLAT_WORDS.contains(&&**word));
    joined(before_flat, street.len())
}

/// Letters and digits, in capitals.
pub(super) fn code(text: &str) -> Option<String> {
    let mut found = letters(text, |c| c.is_alphanumeric());
    match found.is_ascii() {
        true => found.make_ascii_uppercase(),
        false => found = found.chars().flat_map(char::to_uppercase).collect(),
    }
    let says_something = found.chars().any(|c| c != '0');
    (!found.is_empty() && says_something).then_some(found)
}

/// As [`code`], the century before ten digits left out: `19660603-9805` and `660603-9805` alike.
pub(super) fn national_id(text: &str) -> Option<String> {
    let found = code(text)?;
    let is_long = found.len() == 12 && found.bytes().all(|b| b.is_ascii_digit());
    Some(match found.get(2..) {
        Some(rest) if is_long && matches!(&found[..2], "18" | "19" | "20") => rest.to_string(),
        _ => found,
    })
}

/// A text as it is, blanks around it gone.
pub(super) fn exact(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_string())
}

/// A text that is a number.
pub(super) fn number(text: &str) -> Option<String> {
    let text = text.trim();
    let is_number = text.parse::<f64>().is_ok_and(f64::is_finite);
    is_number.then(|| text.to_string())
}

/// A text that is a place on earth.
pub(super) fn place(text: &str) -> Option<String> {
    degrees(text).map(|_| text.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_reads(read: fn(&str) -> Option<String>, text: &str, expected: Option<&str>) {
        assert_eq!(read(text).as_deref(), expected, "{text}");
    }

    #[test]
    fn names_keep_their_words_apart() {
        assert_reads(name, "Ann-Kristin", Some("ann kristin"));
        assert_reads(name, " VON  Åkesson ", Some("von akesen"));
        assert_reads(name, "-", None);
        assert_reads(name_whole, "ann kristin", Some("annkristin"));
    }

    #[test]
    fn phones_are_the_same_with_and_without_prefix() {
        for text in [
            "+46 70 123 45 67",
            "070-123 45 67",
            "0046701234567",
            "701234567",
        ] {
            assert_reads(phone, text, Some("01234567"));
        }
        assert_reads(phone, "12 34", None);
        assert_reads(phone, "00000000", None);
    }

    #[test]
    fn tags_of_an_email_go_and_placeholders_say_nothing() {
        assert_reads(
            email,
            "Anna.Ek+shop@Example.com",
            Some("anna.ek@example.com"),
        );
        assert_reads(email, "test@test.se", None);
        assert_reads(email, "anna", None);
        assert_reads(email_user, "anna.ek@example.com", Some("annaek"));
    }

    #[test]
    fn addresses_end_before_the_flat() {
        for text in [
            "Storgatan 12 B lgh 1103",
            "storgatan 12 b",
            "Storgatan 12 B, 2 tr",
        ] {
            assert_reads(address, text, Some("storgatan 12 b"));
        }
    }

    #[test]
    fn dates_and_ids_are_their_digits() {
        assert_reads(date, "1980-02-29", Some("19800229"));
        assert_reads(date, "1980", None);
        assert_reads(national_id, "19660603-9805", Some("6606039805"));
        assert_reads(national_id, "660603-9805", Some("6606039805"));
        assert_reads(national_id, "000000", None);
    }
}
