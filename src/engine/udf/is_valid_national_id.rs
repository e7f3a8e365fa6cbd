//! `is_valid_national_id(text, country)`: shape and check digits.

use super::text_function::{Kernel, TextFunction};
use crate::text;

pub(super) fn is_valid_national_id() -> TextFunction {
    TextFunction {
        name: "is_valid_national_id",
        kernel: Kernel::FlagIn(|text, country| text::is_valid_national_id(text, country?)),
        description: "Whether the text is a national id of SE, NO or DK with right check digits \
            (Danish persons need none since 2007); null for other countries.",
        example: "select is_valid_national_id('850709-9806', 'SE') -- false",
    }
}
