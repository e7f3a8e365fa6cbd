//! `normalize_email(text)`: an address as compared.

use super::text_function::{Kernel, TextFunction};
use crate::text;

pub(super) fn normalize_email() -> TextFunction {
    TextFunction {
        name: "normalize_email",
        kernel: Kernel::Text(text::normalize_email),
        description: "The e-mail address in lower case without space around it; null where the text is \
            no address. Placeholders stay: see is_placeholder_email.",
        example: "select normalize_email(' Anna.Berg@Example.COM ') -- anna.berg@example.com",
    }
}
