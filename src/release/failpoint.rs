//! Places where a test may stop a process, passed in and never global.

use std::fmt;
use std::sync::Arc;

use crate::error::Result;

/// A boundary between two states of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Boundary {
    BeforeClaim,
    AfterClaim,
    /// Staged bytes are durable; nothing is decided.
    AfterStaging,
    /// The release is decided; no table shows it yet.
    AfterPublishEntry,
    /// One more table's log shows the release.
    AfterTableCommit,
    /// All of them do; readers still see the release before.
    BeforeRelease,
    /// Readers see the release; the hint does not know it yet.
    AfterRelease,
    /// Declared, nothing deleted yet.
    AfterRetire,
}

impl Boundary {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 8] = [
        Self::BeforeClaim,
        Self::AfterClaim,
        Self::AfterStaging,
        Self::AfterPublishEntry,
        Self::AfterTableCommit,
        Self::BeforeRelease,
        Self::AfterRelease,
        Self::AfterRetire,
    ];

    /// `after_publish_entry` and so on.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::BeforeClaim => "before_claim",
            Self::AfterClaim => "after_claim",
            Self::AfterStaging => "after_staging",
            Self::AfterPublishEntry => "after_publish_entry",
            Self::AfterTableCommit => "after_table_commit",
            Self::BeforeRelease => "before_release",
            Self::AfterRelease => "after_release",
            Self::AfterRetire => "after_retire",
        }
    }
}

type Hook = dyn Fn(Boundary) -> Result<()> + Send + Sync;

/// What happens at each boundary: nothing, unless a test says otherwise (end the process, or return an error).
#[derive(Clone, Default)]
pub(crate) struct Failpoint(Option<Arc<Hook>>);

impl Failpoint {
    pub(crate) fn new(hook: impl Fn(Boundary) -> Result<()> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hook)))
    }

    pub(super) fn reach(&self, boundary: Boundary) -> Result<()> {
        self.0.as_ref().map_or(Ok(()), |hook| hook(boundary))
    }
}

impl fmt::Debug for Failpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "Failpoint(set)"
        } else {
            "Failpoint(none)"
        })
    }
}
