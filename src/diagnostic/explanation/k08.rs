//! Codes K08xx.

use super::Explanation;

pub(super) const CODES: &[Explanation] = &[];
