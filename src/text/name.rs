//! Names as compared: a key that people who spell one name in different ways share.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The match key of a given or family name; `None` where no letter or digit is left. A key is never shown to people.
///
/// Equal in the key: case, accents, spaces, hyphens and all other punctuation (`Ann-Marie`, `Ann Marie`, `Annmarie`);
/// `å`, `aa` and `a`; `ä`, `æ`, `ae` and `a`; `ö`, `ø`, `oe` and `o`; and the endings `-sson`, `-son` and `-sen` of a
/// patronymic (`Andersson`, `Anderson`, `Andersen`). Everything else differs: nicknames (`Lasse`) and other spellings
/// (`Carl`, `Karl`) are left to a comparison that weighs them.
pub(crate) fn name_key(input: &str) -> Option<Cow<'_, str>> {
    if is_key(input) {
        return Some(Cow::Borrowed(input));
    }
    let mut key = folded(input);
    fold_patronymic(&mut key);
    match key.as_str() {
        "" => None,
        same if same == input => Some(Cow::Borrowed(input)),
        _ => Some(Cow::Owned(key)),
    }
}

/// Whether a text is the key of itself for certain: plain small letters and digits, of which none is folded.
fn is_key(input: &str) -> bool {
    let letters = input.as_bytes();
    let is_plain = |letter: &u8| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let is_digraph = |pair: &[u8]| matches!(pair, b"aa" | b"ae" | b"oe");
    !letters.is_empty()
        && letters.iter().all(is_plain)
        && !letters.windows(2).any(is_digraph)
        && !letters.ends_with(b"son")
        && !letters.ends_with(b"sen")
}

/// Letters and digits in small letters without accents, Nordic letters as those that stand in for them.
pub(super) fn folded(input: &str) -> String {
    latin(input).unwrap_or_else(|| unicode(input))
}

/// The same of a text whose letters are all of the first two hundred and fifty-six; `None` of any other. Nearly all names are
/// such, and their letters need no table of Unicode.
fn latin(input: &str) -> Option<String> {
    let mut key = String::with_capacity(input.len());
    let mut previous = None;
    let mut push = |letter: char| {
        if !is_second_of_digraph(previous, letter) {
            key.push(letter);
            previous = Some(letter);
        }
    };
    for letter in input.chars() {
        let letter = match letter {
            'a'..='z' | '0'..='9' => letter,
            'A'..='Z' => letter.to_ascii_lowercase(),
            '\0'..='\x7f' => continue,
            'à'..='æ' | 'À'..='Æ' => 'a',
            'ç' | 'Ç' => 'c',
            'è'..='ë' | 'È'..='Ë' => 'e',
            'ì'..='ï' | 'Ì'..='Ï' => 'i',
            'ð' | 'Ð' => 'd',
            'ñ' | 'Ñ' => 'n',
            'ò'..='ö' | 'ø' | 'Ò'..='Ö' | 'Ø' => 'o',
            'ù'..='ü' | 'Ù'..='Ü' => 'u',
            'ý' | 'ÿ' | 'Ý' => 'y',
            'ß' => {
                push('s');
                's'
            }
            'þ' | 'Þ' => {
                push('t');
                'h'
            }
            _ => return None,
        };
        push(letter);
    }
    Some(key)
}

/// The same of any text.
fn unicode(input: &str) -> String {
    let mut key = String::with_capacity(input.len());
    let plain = input
        .nfkd()
        .flat_map(char::to_lowercase)
        .nfkd()
        .filter(|c| !is_combining_mark(*c))
        .flat_map(|c| spelled_out(c).unwrap_or([c, '\0']))
        .filter(|c| c.is_alphanumeric());
    for c in plain {
        if !is_second_of_digraph(key.chars().next_back(), c) {
            key.push(c);
        }
    }
    key
}

/// Letters that carry no combining mark although they look so, and ligatures; `\0` fills the second place.
fn spelled_out(letter: char) -> Option<[char; 2]> {
    Some(match letter {
        'æ' => ['a', '\0'],
        'ø' | 'œ' => ['o', '\0'],
        'ß' => ['s', 's'],
        'þ' => ['t', 'h'],
        'ð' | 'đ' => ['d', '\0'],
        'ł' => ['l', '\0'],
        'ı' => ['i', '\0'],
        _ => return None,
    })
}

/// `aa`, `ae` and `oe` are how keyboards without Nordic letters write `å`, `ä` and `ö`.
fn is_second_of_digraph(previous: Option<char>, letter: char) -> bool {
    matches!(
        (previous, letter),
        (Some('a'), 'a' | 'e') | (Some('o'), 'e')
    )
}

/// `andersson`, `anderson` and `andersen` become `andersen`; stems of one letter are no patronymic (`Jason` is one here,
/// which hurts nobody).
fn fold_patronymic(key: &mut String) {
    let Some(stem) = key.strip_suffix("son").or_else(|| key.strip_suffix("sen")) else {
        return;
    };
    let stem = stem.trim_end_matches('s');
    if stem.chars().count() >= 2 {
        let end = stem.len();
        key.truncate(end);
        key.push_str("sen");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn assert_same(names: &[&str]) {
        for name in names {
            assert_eq!(
                name_key(name),
                name_key(names[0]),
                "{name} and {}",
                names[0]
            );
        }
    }

    #[test]
    fn a_text_that_is_a_key_for_certain_is_its_own() {
        let key = |text: &str| {
            let mut key = folded(text);
            fold_patronymic(&mut key);
            key
        };
        for text in [
            "ek", "anna7", "aek", "oeler", "sten", "sen", "nilsson", "Ek", "bo ek", "",
        ] {
            assert!(!is_key(text) || key(text) == text, "{text}");
        }
        assert!(is_key("ek") && is_key("anna7") && !is_key("aek") && !is_key("nilsson"));
    }

    #[test]
    fn spellings_of_one_name_share_a_key() {
        assert_same(&[
            "Ann-Marie",
            "ann marie",
            "Annmarie",
            "ANN‑MARIE",
            " Ann-Marie ",
        ]);
        assert_same(&["Åse", "Aase", "Ase", "A\u{30a}se"]);
        assert_same(&["Hägg", "Hægg", "Haegg", "HAGG"]);
        assert_same(&["Møller", "Möller", "Moeller", "Moller"]);
        assert_same(&["Sørensen", "Sörensson", "Soerensen", "Sorenson"]);
        assert_same(&["Andersson", "Anderson", "Andersen"]);
        assert_same(&["O'Neil", "ONeil", "O’Neil"]);
        assert_same(&["Renée", "Renee", "RENÉE"]);
    }

    #[test]
    fn letters_that_need_no_table_are_read_as_the_table_says() {
        for letter in '\0'..='\u{17f}' {
            for text in [
                letter.to_string(),
                format!("a{letter}e"),
                format!("O{letter}oe"),
            ] {
                assert!(
                    latin(&text).is_none_or(|key| key == unicode(&text)),
                    "{letter:?}"
                );
            }
        }
        assert!(latin("Åsa-Märta Ærø 7").is_some() && latin("Łukasz").is_none());
    }

    #[test]
    fn different_names_keep_different_keys() {
        assert_ne!(name_key("Anna"), name_key("Anne"));
        assert_ne!(name_key("Carl"), name_key("Karl"));
        assert_ne!(name_key("Hansen"), name_key("Jansen"));
        assert_ne!(name_key("Son"), name_key("Sen"));
        assert_ne!(name_key("Olsen"), name_key("Nilsen"));
    }

    #[test]
    fn keys_read_as_written_here() {
        let key = |name| name_key(name).map(Cow::into_owned);
        assert_eq!(key("von Åkesson-Öberg").as_deref(), Some("vonakessonoberg"));
        assert_eq!(key("Ludvigsson").as_deref(), Some("ludvigsen"));
        assert_eq!(key("Großmann").as_deref(), Some("grossmann"));
        assert_eq!(key("3M Svenska AB").as_deref(), Some("3msvenskab"));
        assert_eq!(key("Ærø").as_deref(), Some("aro"));
    }

    #[test]
    fn text_without_letters_has_no_key() {
        for text in ["", " ", "-", "…", "\u{301}"] {
            assert_eq!(name_key(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn the_key_of_a_key_is_itself(text in "\\PC{0,12}") {
            if let Some(once) = name_key(&text) {
                prop_assert_eq!(name_key(&once), Some(Cow::Borrowed(&*once)));
            }
        }

        #[test]
        fn nordic_words_keep_their_key(text in "[aeosnåäöæø -]{0,12}") {
            if let Some(once) = name_key(&text) {
                prop_assert_eq!(name_key(&once), Some(Cow::Borrowed(&*once)));
            }
        }

        #[test]
        fn case_never_counts(text in "[a-zåäöæø -]{0,12}") {
            let shouted = text.to_uppercase();
            prop_assert_eq!(name_key(&shouted), name_key(&text));
        }
    }
}
