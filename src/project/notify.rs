//! Whom to tell what happened to a build.

use std::collections::BTreeSet;
use std::fmt;

/// A webhook, and what it is told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notify {
    pub(crate) webhook: Webhook,
    pub(crate) on: BTreeSet<Occasion>,
}

/// Where to send; the address is a secret, for whoever knows it may post.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Webhook {
    /// The environment variable that holds the address.
    Variable(String),
    Address(String),
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "env:{name}"),
            Self::Address(_) => f.write_str("…"),
        }
    }
}

/// What a webhook is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Occasion {
    /// A build published nothing, though it should have.
    Failed,
    /// A table is held at its last good version.
    Held,
    /// The newest export of a source is older than `freshness` allows.
    Stale,
}
