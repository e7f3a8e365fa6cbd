//! `company_key(text)`: what spellings of one company's name share.

use super::text_function::{Kernel, TextFunction};
use crate::text;

pub(super) fn company_key() -> TextFunction {
    TextFunction {
        name: "company_key",
        kernel: Kernel::Text(text::company_key),
        description: "A match key of a company's name, equal for spellings that differ in case, accents, signs or the \
            legal form before or behind it. For comparing, not for showing.",
        example: "select company_key('Berg Bygg AB (publ)'), company_key('AB Berg-Bygg') -- bergbygg, bergbygg",
    }
}
