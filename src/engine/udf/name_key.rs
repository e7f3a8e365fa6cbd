//! `name_key(text)`: what spellings of one name share.

use super::text_function::{Kernel, TextFunction};
use crate::text;

pub(super) fn name_key() -> TextFunction {
    TextFunction {
        name: "name_key",
        kernel: Kernel::Text(text::name_key),
        description: "A match key of a given or family name, equal for spellings that differ in case, \
            accents, hyphens, Nordic letters or the ending of a patronymic. For comparing, \
            not for showing.",
        example: "select name_key('Sørensen'), name_key('Soerensson') -- sorensen, sorensen",
    }
}
