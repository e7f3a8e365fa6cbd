//! Codes K01xx.

use super::Explanation;

pub(super) const CODES: &[Explanation] = &[];
