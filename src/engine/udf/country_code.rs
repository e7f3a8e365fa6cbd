//! `country_code(text)`: ISO 3166-1 in two letters.

use super::text_function::{Kernel, TextFunction};
use crate::text;

pub(super) fn country_code() -> TextFunction {
    TextFunction {
        name: "country_code",
        kernel: Kernel::Text(|text| {
            text::Country::parse(text).map(|country| country.code().into())
        }),
        description: "The two-letter code of a country given by name or by a code of two or three \
            letters; null where it is unknown.",
        example: "select country_code('Sverige'), country_code('NOR') -- SE, NO",
    }
}
