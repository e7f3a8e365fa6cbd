//! Codes K02xx.

use super::Explanation;

pub(super) const CODES: &[Explanation] = &[];
