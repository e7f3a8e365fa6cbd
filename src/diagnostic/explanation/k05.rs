//! Codes K05xx.

use super::Explanation;

pub(super) const CODES: &[Explanation] = &[];
