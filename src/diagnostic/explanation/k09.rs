//! Codes K09xx.

use super::Explanation;

pub(super) const CODES: &[Explanation] = &[];
