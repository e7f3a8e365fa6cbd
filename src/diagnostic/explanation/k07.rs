//! Codes K07xx.

use super::Explanation;

pub(super) const CODES: &[Explanation] = &[];
