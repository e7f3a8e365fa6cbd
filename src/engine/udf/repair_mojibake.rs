//! `repair_mojibake(text)`: UTF-8 that was read as windows-1252.

use super::text_function::{Kernel, TextFunction};
use crate::text;

pub(super) fn repair_mojibake() -> TextFunction {
    TextFunction {
        name: "repair_mojibake",
        kernel: Kernel::Text(|text| Some(text::repair_mojibake(text))),
        description: "The text with UTF-8 that was read as windows-1252 put right; unchanged unless \
            the whole text can be.",
        example: "select repair_mojibake('Ã…kesson') -- Åkesson",
    }
}
