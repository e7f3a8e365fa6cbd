//! `normalize_national_id(text, country)`: the canonical digits.

use super::text_function::{Kernel, TextFunction};
use crate::text;

pub(super) fn normalize_national_id() -> TextFunction {
    TextFunction {
        name: "normalize_national_id",
        kernel: Kernel::TextIn(|text, country| text::normalize_national_id(text, country?)),
        description: "The canonical digits of a national id of a person or an organisation in SE, NO \
            or DK; null where the text has not the shape of one. A wrong check digit keeps \
            its form: see is_valid_national_id.",
        example: "select normalize_national_id('850709-9805', 'SE') -- 198507099805",
    }
}
