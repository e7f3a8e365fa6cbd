//! `is_placeholder_phone(text)`: typed only to get past a form.

use super::text_function::{Kernel, TextFunction};
use crate::text;

pub(super) fn is_placeholder_phone() -> TextFunction {
    TextFunction {
        name: "is_placeholder_phone",
        kernel: Kernel::Flag(|text| Some(text::is_placeholder_phone(text))),
        description: "Whether a phone number was typed only to get past a form: one digit repeated, \
            digits counted up or down, nothing but zeros.",
        example: "select is_placeholder_phone('00000000') -- true",
    }
}
