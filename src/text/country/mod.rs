//! Countries by code or name.

mod iso_3166;

use iso_3166::CODES;

/// A country of ISO 3166-1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Country(&'static str);

/// Names in English and in the languages of the north, in lower case and sorted.
const NAMES: &[(&str, &str)] = &[
    ("austria", "AT"),
    ("belgia", "BE"),
    ("belgien", "BE"),
    ("belgium", "BE"),
    ("canada", "CA"),
    ("china", "CN"),
    ("czechia", "CZ"),
    ("danmark", "DK"),
    ("denmark", "DK"),
    ("deutschland", "DE"),
    ("dänemark", "DK"),
    ("eesti", "EE"),
    ("england", "GB"),
    ("españa", "ES"),
    ("estland", "EE"),
    ("estonia", "EE"),
    ("faroe islands", "FO"),
    ("finland", "FI"),
    ("finnland", "FI"),
    ("france", "FR"),
    ("frankrig", "FR"),
    ("frankrike", "FR"),
    ("færøerne", "FO"),
    ("færøyene", "FO"),
    ("færøyane", "FO"),
    ("føroyar", "FO"),
    ("färöarna", "FO"),
    ("germany", "DE"),
    ("great britain", "GB"),
    ("greenland", "GL"),
    ("grønland", "GL"),
    ("grönland", "GL"),
    ("holland", "NL"),
    ("iceland", "IS"),
    ("india", "IN"),
    ("ireland", "IE"),
    ("irland", "IE"),
    ("island", "IS"),
    ("italia", "IT"),
    ("italien", "IT"),
    ("italy", "IT"),
    ("kina", "CN"),
    ("kongeriket norge", "NO"),
    ("konungariket sverige", "SE"),
    ("latvia", "LV"),
    ("lettland", "LV"),
    ("litauen", "LT"),
    ("lithuania", "LT"),
    ("luxembourg", "LU"),
    ("luxemburg", "LU"),
    ("nederland", "NL"),
    ("nederländerna", "NL"),
    ("netherlands", "NL"),
    ("noreg", "NO"),
    ("norge", "NO"),
    ("norja", "NO"),
    ("norway", "NO"),
    ("norwegen", "NO"),
    ("poland", "PL"),
    ("polen", "PL"),
    ("polska", "PL"),
    ("portugal", "PT"),
    ("ruotsi", "SE"),
    ("schweden", "SE"),
    ("schweiz", "CH"),
    ("scotland", "GB"),
    ("skottland", "GB"),
    ("spain", "ES"),
    ("spania", "ES"),
    ("spanien", "ES"),
    ("storbritannia", "GB"),
    ("storbritannien", "GB"),
    ("suomi", "FI"),
    ("svalbard", "SJ"),
    ("sveits", "CH"),
    ("sverige", "SE"),
    ("svíþjóð", "SE"),
    ("sweden", "SE"),
    ("switzerland", "CH"),
    ("tanska", "DK"),
    ("the netherlands", "NL"),
    ("tjeckien", "CZ"),
    ("turkey", "TR"),
    ("turkiet", "TR"),
    ("tyrkia", "TR"),
    ("tyskland", "DE"),
    ("türkiye", "TR"),
    ("uk", "GB"),
    ("ukraina", "UA"),
    ("ukraine", "UA"),
    ("united kingdom", "GB"),
    ("united states", "US"),
    ("united states of america", "US"),
    ("usa", "US"),
    ("åland", "AX"),
    ("österreich", "AT"),
    ("österrike", "AT"),
    ("østerrike", "AT"),
    ("østrig", "AT"),
    ("ísland", "IS"),
];

impl Country {
    /// The country that a code of two or three letters or a name means (`SE`, `swe`, `Sverige`); `None` for all else.
    ///
    /// Names are known in English and the languages of the north for the countries of Europe and a few others.
    pub(crate) fn parse(input: &str) -> Option<Self> {
        let text = input.trim().trim_end_matches('.');
        let by_code = match text.len() {
            2 => CODES.iter().find(|(two, _)| two.eq_ignore_ascii_case(text)),
            3 => CODES
                .iter()
                .find(|(_, three)| three.eq_ignore_ascii_case(text)),
            _ => None,
        };
        if let Some((two, _)) = by_code {
            return Some(Self(two));
        }
        let name = text.to_lowercase();
        let found = NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, code)| Self(code))
    }

    /// The code of two letters, in capitals.
    pub(crate) fn code(self) -> &'static str {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_of_a_country_mean_the_same() {
        for text in [
            "SE", "se", " SWE ", "Sverige", "SVERIGE", "Sweden", "Ruotsi",
        ] {
            assert_eq!(
                Country::parse(text).map(Country::code),
                Some("SE"),
                "{text}"
            );
        }
        for (text, code) in [
            ("Norge", "NO"),
            ("NOR", "NO"),
            ("Danmark", "DK"),
            ("DNK", "DK"),
            ("Österrike", "AT"),
            ("UK", "GB"),
        ] {
            assert_eq!(
                Country::parse(text).map(Country::code),
                Some(code),
                "{text}"
            );
        }
    }

    #[test]
    fn text_that_names_no_country_is_none() {
        for text in ["", " ", "XX", "ZZZ", "Atlantis", "S", "Sve", "Norrland"] {
            assert_eq!(Country::parse(text), None, "{text}");
        }
    }

    #[test]
    fn every_name_leads_to_a_known_code_and_every_code_to_itself() {
        for (name, code) in NAMES {
            assert!(CODES.iter().any(|(two, _)| two == code), "{name}");
            assert_eq!(
                Country::parse(name).map(Country::code),
                Some(*code),
                "{name}"
            );
        }
        for (two, three) in CODES {
            assert_eq!(Country::parse(two).map(Country::code), Some(*two));
            assert_eq!(Country::parse(three).map(Country::code), Some(*two));
        }
        assert!(CODES.is_sorted() && CODES.len() == 249);
    }
}
