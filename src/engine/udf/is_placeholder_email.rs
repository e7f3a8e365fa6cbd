//! `is_placeholder_email(text)`: typed only to get past a form.

use super::text_function::{Kernel, TextFunction};
use crate::text;

pub(super) fn is_placeholder_email() -> TextFunction {
    TextFunction {
        name: "is_placeholder_email",
        kernel: Kernel::Flag(|text| Some(text::is_placeholder_email(text))),
        description: "Whether an e-mail address was typed only to get past a form; false for text that \
            is no address.",
        example: "select is_placeholder_email('test@test.se') -- true",
    }
}
