//! UTF-8 that somebody read as windows-1252.

use std::borrow::Cow;

use encoding_rs::WINDOWS_1252;

/// The text as it was before its UTF-8 bytes were read as windows-1252 (`Ã…kesson` → `Åkesson`), else the text itself.
///
/// Repairs only when the whole text round-trips: every character must be one of windows-1252, and all their bytes
/// together must be UTF-8. A text with one healthy `å` therefore stays as it is. A text spoilt twice is repaired twice.
pub(crate) fn repair_mojibake(input: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(input);
    while let Some(repaired) = repair_once(&text) {
        text = Cow::Owned(repaired);
    }
    text
}

/// One layer taken off, always shorter than before; `None` where there is none.
fn repair_once(text: &str) -> Option<String> {
    if text.is_ascii() {
        return None;
    }
    let (bytes, _, unmappable) = WINDOWS_1252.encode(text);
    if unmappable {
        return None;
    }
    String::from_utf8(bytes.into_owned()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spoil(text: &str) -> String {
        WINDOWS_1252
            .decode_without_bom_handling(text.as_bytes())
            .0
            .into_owned()
    }

    #[test]
    fn spoilt_nordic_letters_are_repaired() {
        for text in [
            "Åkesson",
            "Bjørn Ærø",
            "Malmö",
            "Älvsjö",
            "Ørsted",
            "São Tomé – 5 €",
        ] {
            assert_ne!(spoil(text), text);
            assert_eq!(repair_mojibake(&spoil(text)), text);
            assert_eq!(repair_mojibake(&spoil(&spoil(text))), text);
        }
    }

    #[test]
    fn healthy_text_stays_and_is_not_copied() {
        for text in [
            "",
            "Anna",
            "Åkesson",
            "Bjørn",
            "Łódź",
            "Ã",
            "10 € – Ägg",
            "Ã…kesson och Åsa",
        ] {
            assert!(
                matches!(repair_mojibake(text), Cow::Borrowed(same) if same == text),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn repairing_twice_changes_nothing(text in "[a-zÀ-ÿ‚-›€]{0,12}") {
            let once = repair_mojibake(&text).into_owned();
            prop_assert_eq!(repair_mojibake(&once), once.as_str());
        }

        #[test]
        fn what_was_spoilt_comes_back(text in "[a-zåäöæøé -]{0,12}") {
            let spoilt = spoil(&text);
            prop_assert_eq!(repair_mojibake(&spoilt), text.as_str());
        }
    }
}
