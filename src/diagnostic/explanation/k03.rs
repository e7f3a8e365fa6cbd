//! Codes K03xx.

use super::Explanation;

pub(super) const CODES: &[Explanation] = &[];
