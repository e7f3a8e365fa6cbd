//! `normalize_postcode(text, country)`: digits only.

use super::text_function::{Kernel, TextFunction};
use crate::text;

pub(super) fn normalize_postcode() -> TextFunction {
    TextFunction {
        name: "normalize_postcode",
        kernel: Kernel::TextIn(|text, country| text::normalize_postcode(text, country?)),
        description: "The postcode in digits; null where it has not the shape of the codes of the \
            country. Known are SE, NO, DK and FI.",
        example: "select normalize_postcode('SE-114 55', 'SE') -- 11455",
    }
}
