//! Codes K04xx.

use super::Explanation;

pub(super) const CODES: &[Explanation] = &[];
