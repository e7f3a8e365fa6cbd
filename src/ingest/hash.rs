//! The hash that names an export's content.

use std::sync::Arc;

use futures::StreamExt;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::error::{Error, Result};

/// blake3 of an export's bytes as they lie in storage, in hexadecimal.
///
/// # Errors
/// `Unavailable` where it cannot be read.
pub(crate) async fn hash(
    store: &Arc<dyn ObjectStore>,
    location: &object_store::path::Path,
) -> Result<String> {
    let unreadable = |error: object_store::Error| {
        Error::unavailable("the export cannot be read")
            .at(location.to_string())
            .caused_by(error)
    };
    let found = store.get(location).await.map_err(unreadable)?;
    let mut stream = found.into_stream();
    let mut hasher = blake3::Hasher::new();
    while let Some(chunk) = stream.next().await {
        hasher.update(&chunk.map_err(unreadable)?);
    }
    Ok(hasher.finalize().to_hex().to_string())
}
