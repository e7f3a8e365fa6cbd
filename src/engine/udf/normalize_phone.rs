//! `normalize_phone(text, country)`: a phone number in E.164.

use super::text_function::{Kernel, TextFunction};
use crate::text;

pub(super) fn normalize_phone() -> TextFunction {
    TextFunction {
        name: "normalize_phone",
        kernel: Kernel::TextIn(text::normalize_phone),
        description: "The phone number in E.164; null where no valid number can be read. The country \
            is where numbers without a calling code belong; where it is null or unknown, \
            only international numbers are read.",
        example: "select normalize_phone('070-174 06 05', 'SE') -- +46701740605",
    }
}
