//! What a source does where the columns of an export are not those of its contract.

use super::Spanned;

/// One mode for each way in which columns may differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DriftModes {
    /// A column that the contract does not know: `Ignore`, `Evolve`, `RejectFile` or `Fail`.
    pub(crate) added: Spanned<OnDrift>,
    /// A column that the export lacks: `Ignore` (null in its records), `RejectFile` or `Fail`.
    pub(crate) missing: Spanned<OnDrift>,
    /// Columns in another order than the contract's: `Ignore`, `RejectFile` or `Fail`.
    pub(crate) reordered: Spanned<OnDrift>,
    /// A column whose values are of another type: `Reject` (each record), `RejectFile` or `Fail`.
    pub(crate) retyped: Spanned<OnDrift>,
}

/// What is done about one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OnDrift {
    /// The export is taken as if nothing were.
    #[default]
    Ignore,
    /// The table gains the column.
    Evolve,
    /// Each record that does not fit is a reject.
    Reject,
    /// The export is refused; what that means for the source says its `on_error`.
    RejectFile,
    /// The export is refused and the build stops, whatever `on_error` says.
    Fail,
}

impl Default for DriftModes {
    fn default() -> Self {
        let nowhere = |value| Spanned {
            value,
            span: Default::default(),
        };
        Self {
            added: nowhere(OnDrift::Ignore),
            missing: nowhere(OnDrift::RejectFile),
            reordered: nowhere(OnDrift::Ignore),
            retyped: nowhere(OnDrift::Reject),
        }
    }
}

impl OnDrift {
    /// Whether an export that differs so is refused.
    pub(crate) fn refuses(self) -> bool {
        matches!(self, Self::RejectFile | Self::Fail)
    }
}
