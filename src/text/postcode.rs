//! Postcodes of the Nordic countries.

use std::borrow::Cow;

use super::Country;

/// The postcode in digits only (`SE-114 55` → `11455`), or `None` where it has not the shape of the country's codes:
/// five digits in Sweden (the first is no zero) and Finland, four in Norway and Denmark.
///
/// Spaces and the country's own prefix (`SE-`, `S-`) go; another country's prefix makes it `None`. Countries that are not
/// listed have no shape that we know, so their codes are `None`: keep the raw text beside the result.
pub(crate) fn normalize_postcode(input: &str, country: Country) -> Option<Cow<'_, str>> {
    let (length, prefixes): (usize, [&str; 2]) = match country.code() {
        "SE" => (5, ["SE", "S"]),
        "NO" => (4, ["NO", "N"]),
        "DK" => (4, ["DK", "D"]),
        "FI" => (5, ["FI", "FIN"]),
        _ => return None,
    };
    let text = input.trim();
    let letters = text
        .find(|c: char| !c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (prefix, rest) = text.split_at(letters);
    if !prefix.is_empty()
        && !prefixes
            .iter()
            .any(|known| known.eq_ignore_ascii_case(prefix))
    {
        return None;
    }
    let rest =
        rest.trim_start_matches(|c: char| !prefix.is_empty() && (c == '-' || c.is_whitespace()));
    let is_plain = rest.len() == length && rest.bytes().all(|b| b.is_ascii_digit());
    let code = if is_plain {
        Cow::Borrowed(rest)
    } else {
        Cow::Owned(without_spaces(rest))
    };
    let is_code = code.len() == length && code.bytes().all(|b| b.is_ascii_digit());
    (is_code && !(country.code() == "SE" && code.starts_with('0'))).then_some(code)
}

fn without_spaces(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str, country: &str) -> Option<String> {
        normalize_postcode(text, Country::parse(country)?).map(Cow::into_owned)
    }

    #[test]
    fn spaces_and_the_countrys_own_prefix_go() {
        for text in [
            "11455",
            "114 55",
            "SE-114 55",
            "S-11455",
            "se 11455",
            " 114\u{a0}55 ",
        ] {
            assert_eq!(read(text, "SE").as_deref(), Some("11455"), "{text}");
        }
        assert_eq!(read("N-0150", "NO").as_deref(), Some("0150"));
        assert_eq!(read("DK-2100", "DK").as_deref(), Some("2100"));
        assert_eq!(read("FIN-00100", "FI").as_deref(), Some("00100"));
    }

    #[test]
    fn codes_of_another_shape_are_none() {
        for (text, country) in [
            ("1145", "SE"),
            ("114555", "SE"),
            ("01455", "SE"),
            ("DK-2100", "SE"),
            ("114-55", "SE"),
            ("", "SE"),
            ("150", "NO"),
            ("11455", "NO"),
            ("2100 K", "DK"),
            ("٢١٠٠", "DK"),
            ("10115", "DE"),
            ("-11455", "SE"),
        ] {
            assert_eq!(read(text, country), None, "{text} in {country}");
        }
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(
            text in "[A-Za-z]{0,3}[ -]?[0-9 ]{0,7}",
            country in prop::sample::select(vec!["SE", "NO", "DK", "FI"]),
        ) {
            if let Some(once) = read(&text, country) {
                prop_assert_eq!(read(&once, country), Some(once));
            }
        }
    }
}
