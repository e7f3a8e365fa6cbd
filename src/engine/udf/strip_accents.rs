//! `strip_accents(text)`: letters without their accents, for searching and comparing.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::text_function::{Kernel, TextFunction};

pub(super) fn strip_accents() -> TextFunction {
    TextFunction {
        name: "strip_accents",
        kernel: Kernel::Text(|text| {
            if text.is_ascii() {
                return Some(Cow::Borrowed(text));
            }
            let plain = text.nfd().filter(|c| !is_combining_mark(*c));
            Some(Cow::Owned(plain.nfc().collect()))
        }),
        description: "The text with its letters' accents taken away; letters that are no accented ones (`ø`, `æ`, `ß`) stay. \
            Names are better compared by name_key.",
        example: "select strip_accents('Åsa Renée') -- Asa Renee",
    }
}
