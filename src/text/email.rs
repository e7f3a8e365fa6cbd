//! E-mail addresses as compared, not as mailed.

use std::borrow::Cow;

/// Words that people type instead of an address, left of the `@` and as the first label right of it.
const PLACEHOLDER_WORDS: &[&str] = &[
    "a", "aa", "aaa", "abc", "asd", "asdf", "dummy", "email", "epost", "fake", "finnsej", "ikke",
    "inget", "ingen", "mail", "mangler", "n", "na", "no", "nomail", "noemail", "nobody", "none",
    "null", "qwerty", "saknas", "test", "test1", "test123", "tester", "testing", "testsson",
    "ukendt", "ukjent", "unknown", "x", "xx", "xxx",
];

/// Words that say by themselves that there is no address.
const MISSING_WORDS: &[&str] = &[
    "finnsej",
    "finns.ej",
    "ingenemail",
    "ingen.email",
    "ingenepost",
    "ingen.epost",
    "ingenmail",
    "ingen.mail",
    "mangler",
    "noemail",
    "no.email",
    "nomail",
    "no.mail",
    "no-email",
    "saknas",
    "saknar.epost",
];

/// The address in lower case without white space around it, or `None` where it has not the shape of one.
///
/// The local part is lowered too: RFC 5321 permits case there, but people typing their own address twice rarely keep
/// it. Tags (`anna+shop@…`) stay, since they make another mailbox at some hosts. Placeholders stay as well:
/// [`is_placeholder_email`] tells them.
pub(crate) fn normalize_email(input: &str) -> Option<Cow<'_, str>> {
    let address = lowered(input.trim());
    let (local, domain) = address.rsplit_once('@')?;
    (is_local_part(local) && is_domain(domain)).then_some(())?;
    Some(address)
}

/// Whether an address was typed only to get past a form: `test@test.se`, `xxx@xxx.xx`, `noemail@…`, `…@….invalid`.
///
/// Only well-formed addresses are judged; what [`normalize_email`] refuses is no placeholder but a mistake.
pub(crate) fn is_placeholder_email(input: &str) -> bool {
    let Some(address) = normalize_email(input) else {
        return false;
    };
    let Some((local, domain)) = address.rsplit_once('@') else {
        return false;
    };
    let first_label = domain.split('.').next().unwrap_or_default();
    let both_are_words =
        PLACEHOLDER_WORDS.contains(&local) && PLACEHOLDER_WORDS.contains(&first_label);
    both_are_words || MISSING_WORDS.contains(&local) || domain.ends_with(".invalid")
}

fn lowered(text: &str) -> Cow<'_, str> {
    if text
        .bytes()
        .all(|b| b.is_ascii() && !b.is_ascii_uppercase())
    {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.to_lowercase())
    }
}

/// Dot-separated words of at most 64 bytes; quoted local parts are refused, as every mail form does.
fn is_local_part(local: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty()
            && word
                .chars()
                .all(|c| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c))
    };
    local.len() <= 64 && local.split('.').all(is_word)
}

/// At least two labels, the last of which is no number.
fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let Some((_, top)) = domain.rsplit_once('.') else {
        return false;
    };
    domain.len() <= 253
        && domain.split('.').all(is_label)
        && top.len() >= 2
        && !top
            .bytes()
            .any(|b| b.is_ascii_digit() && !top.starts_with("xn--"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn case_and_space_around_an_address_do_not_count() {
        assert_eq!(
            normalize_email("  Anna.Berg@Example.COM\u{a0}").as_deref(),
            Some("anna.berg@example.com")
        );
        assert_eq!(
            normalize_email("ÅSA@EXAMPLE.SE").as_deref(),
            Some("åsa@example.se")
        );
        assert_eq!(
            normalize_email("o'neil+shop@mail.example.org").as_deref(),
            Some("o'neil+shop@mail.example.org")
        );
    }

    #[test]
    fn address_already_in_form_is_not_copied() {
        assert!(matches!(
            normalize_email("anna@example.com"),
            Some(Cow::Borrowed(_))
        ));
    }

    #[test]
    fn text_without_the_shape_of_an_address_is_none() {
        for text in [
            "",
            "@",
            "anna",
            "anna@",
            "@example.com",
            "anna@example",
            "anna@@example.com",
            "a b@example.com",
            "anna@exa mple.com",
            ".anna@example.com",
            "anna.@example.com",
            "an..na@example.com",
            "anna@example..com",
            "anna@-example.com",
            "anna@example-.com",
            "anna@example.c",
            "anna@127.0.0.1",
            "\"a b\"@example.com",
            "anna@example.com, bo@example.com",
        ] {
            assert_eq!(normalize_email(text), None, "{text}");
        }
    }

    #[test]
    fn overlong_parts_are_none() {
        let label = "a".repeat(64);
        assert!(normalize_email(&format!("{label}@example.com")).is_some());
        assert!(normalize_email(&format!("{label}a@example.com")).is_none());
        assert!(normalize_email(&format!("anna@{label}.com")).is_none());
    }

    #[test]
    fn placeholders_are_told_from_people() {
        for text in [
            "test@test.se",
            "Test@Test.SE ",
            "xxx@xxx.xx",
            "a@a.no",
            "noemail@fjordvik.example",
            "bo@shop.invalid",
        ] {
            assert!(is_placeholder_email(text), "{text}");
        }
        for text in [
            "anna@example.com",
            "test@example.com",
            "ericsson@ericsson.com",
            "none",
            "",
            "test@",
        ] {
            assert!(!is_placeholder_email(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(text in ".{0,12}@?.{0,12}[.]?.{0,5}") {
            if let Some(once) = normalize_email(&text) {
                let twice = normalize_email(&once);
                prop_assert_eq!(twice.as_deref(), Some(&*once));
            }
        }
    }
}
