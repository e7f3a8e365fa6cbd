//! Names of companies as compared: without what only says which kind of company it is.

use std::borrow::Cow;

use super::name::folded;

/// Words that say what kind of company it is, as they are written once dots and strokes are gone: Sweden, Norway, Denmark,
/// Finland, then the German, English, French, Italian, Spanish and Dutch ones that Nordic registers hold.
const LEGAL_FORMS: &[&str] = &[
    "ab",
    "aktiebolag",
    "aktiebolaget",
    "handelsbolag",
    "hb",
    "kb",
    "kommanditbolag",
    "publ",
    "as",
    "asa",
    "aksjeselskap",
    "ans",
    "enk",
    "aktieselskab",
    "anpartsselskab",
    "aps",
    "ivs",
    "fmba",
    "amba",
    "smba",
    "oy",
    "oyj",
    "osakeyhtio",
    "ky",
    "tmi",
    "ag",
    "gmbh",
    "kg",
    "kgaa",
    "mbh",
    "ohg",
    "ug",
    "co",
    "company",
    "corp",
    "corporation",
    "inc",
    "incorporated",
    "limited",
    "llc",
    "llp",
    "ltd",
    "plc",
    "bv",
    "nv",
    "sarl",
    "sas",
    "spa",
    "srl",
    "ehf",
    "hf",
];

/// Words between two parts of a name, which one writes and another leaves out.
const BETWEEN: &[&str] = &["and", "och", "og", "und"];

/// The match key of a company's name; `None` where no letter or digit is left. A key is never shown to people.
///
/// Equal in the key: case, accents, spaces and signs; legal forms at the beginning and the end (`AB Berg Bygg`, `Berg Bygg
/// Aktiebolag`, `Berg Bygg AB (publ)`, `Berg-Bygg A/S`); `&` and the words for it; letters that keyboards without them write in two
/// (`Söder`, `Soeder`). A name that is a legal form alone is kept.
pub(crate) fn company_key(input: &str) -> Option<Cow<'_, str>> {
    let words = words(input);
    let is_form = |word: &String| LEGAL_FORMS.contains(&word.as_str());
    let mut rest = words.as_slice();
    while let [rest_but_last @ .., last] = rest
        && !rest_but_last.is_empty()
        && is_form(last)
    {
        rest = rest_but_last;
    }
    while let [first, others @ ..] = rest
        && !others.is_empty()
        && is_form(first)
    {
        rest = others;
    }
    let is_name = |word: &&String| rest.len() == 1 || !BETWEEN.contains(&word.as_str());
    let kept: String = rest.iter().filter(is_name).map(String::as_str).collect();
    let key = match kept.is_empty() {
        true => folded(&rest.concat()),
        false => folded(&kept),
    };
    match key.as_str() {
        "" => None,
        same if same == input => Some(Cow::Borrowed(input)),
        _ => Some(Cow::Owned(key)),
    }
}

/// Words in small letters; dots and strokes within one go (`A/S`, `S.A.S.`), other signs end it.
fn words(input: &str) -> Vec<String> {
    let text: String = input.chars().filter(|c| !matches!(c, '.' | '/')).collect();
    let words = text.split(|c: char| !c.is_alphanumeric() && !is_mark(c));
    let words = words.map(folded);
    words.filter(|word| !word.is_empty()).collect()
}

/// A mark that stands upon the letter before it.
fn is_mark(c: char) -> bool {
    unicode_normalization::char::is_combining_mark(c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_kind_of_company_it_is_does_not_show_and_what_it_is_called_does() {
        let same = |names: &[&str]| {
            let keys: Vec<_> = names.iter().map(|name| company_key(name)).collect();
            assert!(keys.windows(2).all(|pair| pair[0] == pair[1]), "{keys:?}");
        };
        same(&[
            "Berg Bygg AB",
            "AB Berg-Bygg",
            "BERG BYGG Aktiebolag",
            "Berg Bygg AB (publ)",
            "berg bygg a.b.",
        ]);
        same(&[
            "Nordisk Papir A/S",
            "Nordisk Papir AS",
            "NORDISK PAPIR aktieselskab",
        ]);
        same(&["Söder & Söner Oy Ab", "Soeder och Söner", "SÖDER SÖNER OYJ"]);
        same(&["Müller GmbH & Co. KG", "Müller GmbH", "Muller"]);
        assert_ne!(company_key("Berg Bygg AB"), company_key("Berg Mark AB"));
        assert_eq!(company_key("AB").as_deref(), Some("ab"));
        assert_eq!(company_key("AB AB").as_deref(), Some("ab"));
        assert_eq!(company_key(" - "), None);
    }

    proptest! {
        #[test]
        fn a_key_is_its_own_key(name in "\\PC{0,24}") {
            if let Some(key) = company_key(&name) {
                let again = company_key(&key);
                prop_assert_eq!(again.as_deref(), Some(&*key));
            }
        }
    }
}
