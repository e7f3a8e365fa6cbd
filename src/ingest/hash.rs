//! The hash that names an export's content.

use std::sync::Arc;

use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::path::Path;

use super::parts;
use crate::error::Result;

/// blake3 of an export's bytes as they lie in storage, in hexadecimal. `size` is what a listing said.
///
/// # Errors
/// `Input` where it is gone or changes meanwhile; what storage says otherwise.
pub(super) async fn hash(store: &Arc<dyn ObjectStore>, path: &Path, size: u64) -> Result<String> {
    let mut bytes = parts::open(store, path, size).await?.bytes;
    let mut hasher = blake3::Hasher::new();
    while let Some(part) = bytes.try_next().await? {
        hasher.update(&part);
    }
    Ok(hasher.finalize().to_hex().to_string())
}
