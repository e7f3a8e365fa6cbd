//! Where a build's OpenLineage events go.

use std::path::PathBuf;

use super::Webhook;

/// Receivers of OpenLineage events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenLineage {
    /// A server of the OpenLineage API.
    pub(crate) url: Option<Webhook>,
    /// The environment variable that holds the server's key.
    pub(crate) api_key: Option<String>,
    /// A file that grows by a line an event.
    pub(crate) file: Option<PathBuf>,
    /// Of the jobs; `None`: the project's name.
    pub(crate) namespace: Option<String>,
}
