//! The hash that names an export's content.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::path::Path;

use super::format::unreadable;
use super::input::RawBytes;
use super::parts;
use crate::error::Result;

/// blake3 of an export's bytes as they lie in storage, in hexadecimal. `size` is what a listing said.
///
/// # Errors
/// `Input` where it is gone or changes meanwhile; what storage says otherwise.
pub(super) async fn hash(store: &Arc<dyn ObjectStore>, path: &Path, size: u64) -> Result<String> {
    let parts = parts::open(store, path, size).await?;
    let hashed = parts.read(RawBytes::finish).await?;
    let (_, hash) = hashed.map_err(|error| unreadable(error, path.as_ref()))?;
    Ok(hash.to_hex().to_string())
}
