//! How old a source's newest export may be.

use super::Period;

/// Bounds on the age of a source's newest export; without any, it is never looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Freshness {
    /// Older is reported.
    pub(crate) warn_after: Option<Period>,
    /// Older fails the source.
    pub(crate) error_after: Option<Period>,
}
