//! The bytes of one export, fetched part by part: each request is short enough to be tried again, and all parts are of one
//! version of the object.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    GetOptions, GetRange, GetResult, GetResultPayload, ObjectMeta, ObjectStore, ObjectStoreExt,
};

use crate::diagnostic::Code;
use crate::error::{Error, Result};
use crate::store::failed;

/// Bytes of a part: one request to an object store.
const PART: u64 = 4 << 20;

/// Parts under way at once.
const PARTS_AHEAD: usize = 2;

/// An export that is being read.
pub(super) struct Parts {
    /// What is read.
    pub(super) version: Version,
    /// In order; the first error is the last item.
    pub(super) bytes: BoxStream<'static, Result<Bytes>>,
}

/// What an export was when it was opened.
pub(super) struct Version {
    pub(super) meta: ObjectMeta,
    /// Files of this machine can be written to while they are read; objects of a store are replaced whole.
    may_change: bool,
}

/// Begins to read. `size` is what a listing said; the export may be another by now.
///
/// # Errors
/// `Input` K0404 where it is gone; what storage says otherwise.
pub(super) async fn open(store: &Arc<dyn ObjectStore>, path: &Path, size: u64) -> Result<Parts> {
    let options = GetOptions {
        // an object without a byte has no range
        range: (size > PART).then_some(GetRange::Bounded(0..PART)),
        ..GetOptions::default()
    };
    let found = store.get_opts(path, options).await;
    let first = found.map_err(|error| unreadable(path, error))?;
    if size <= PART && first.meta.size > PART {
        return Err(changed(path));
    }
    let version = Version {
        meta: first.meta.clone(),
        may_change: matches!(first.payload, GetResultPayload::File(..)),
    };
    let rest = rest(store, &first);
    let path = path.clone();
    let start = stream::once(async move { whole(first, &path).await });
    Ok(Parts {
        version,
        bytes: start.chain(rest).boxed(),
    })
}

impl Version {
    /// Whether the export is still what was read.
    ///
    /// # Errors
    /// `Input` K0404 where it is gone; what storage says otherwise.
    pub(super) async fn still_stands(&self, store: &Arc<dyn ObjectStore>) -> Result<bool> {
        if !self.may_change {
            return Ok(true);
        }
        let (before, after) = (&self.meta, store.head(&self.meta.location).await);
        let after = after.map_err(|error| unreadable(&before.location, error))?;
        Ok((before.size, before.last_modified, &before.e_tag)
            == (after.size, after.last_modified, &after.e_tag))
    }
}

/// What comes after the first part.
fn rest(store: &Arc<dyn ObjectStore>, first: &GetResult) -> BoxStream<'static, Result<Bytes>> {
    let (store, meta) = (Arc::clone(store), first.meta.clone());
    let starts = (first.range.end..meta.size).step_by(PART as usize);
    stream::iter(starts)
        .map(move |start| {
            let (store, path) = (Arc::clone(&store), meta.location.clone());
            let options = GetOptions {
                range: Some(GetRange::Bounded(start..meta.size.min(start + PART))),
                if_match: meta.e_tag.clone(),
                ..GetOptions::default()
            };
            async move {
                let part = store.get_opts(&path, options).await;
                whole(part.map_err(|error| unreadable(&path, error))?, &path).await
            }
        })
        .buffered(PARTS_AHEAD)
        .boxed()
}

async fn whole(part: GetResult, path: &Path) -> Result<Bytes> {
    let bytes = part.bytes().await;
    bytes.map_err(|error| unreadable(path, error))
}

/// An export that was there when exports were listed.
pub(super) fn gone(path: &Path) -> Error {
    Error::input("the export is gone")
        .code(Code(404))
        .at(path.to_string())
}

fn unreadable(path: &Path, error: object_store::Error) -> Error {
    match error {
        object_store::Error::NotFound { .. } => gone(path).caused_by(error),
        object_store::Error::Precondition { .. } => changed(path),
        error => failed(path.as_ref(), error),
    }
}

pub(super) fn changed(path: &Path) -> Error {
    Error::input("the export changed while it was read")
        .code(Code(404))
        .at(path.to_string())
        .help("build again when its sender is done; nothing of it was taken")
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;
    use object_store::local::LocalFileSystem;
    use object_store::memory::InMemory;

    use super::*;

    async fn read(store: &Arc<dyn ObjectStore>, listed: u64) -> Result<Vec<u8>> {
        let parts = open(store, &Path::from("a.csv"), listed).await?;
        let parts: Vec<Bytes> = parts.bytes.try_collect().await?;
        Ok(parts.concat())
    }

    #[tokio::test]
    async fn parts_are_the_whole_in_order_whatever_its_size() {
        let folder = tempfile::tempdir().unwrap();
        let local = LocalFileSystem::new_with_prefix(folder.path()).unwrap();
        let stores: [Arc<dyn ObjectStore>; 2] = [Arc::new(InMemory::new()), Arc::new(local)];
        for store in &stores {
            for size in [0, 1, PART - 1, PART, PART + 1, 3 * PART + 7] {
                let bytes: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
                let payload = bytes.clone().into();
                store.put(&Path::from("a.csv"), payload).await.unwrap();
                assert!(read(store, size).await.unwrap() == bytes, "{size}");
            }
        }
    }

    #[tokio::test]
    async fn an_export_replaced_between_two_parts_is_not_half_of_each() {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let path = Path::from("a.csv");
        let size = 4 * PART;
        store
            .put(&path, vec![b'a'; size as usize].into())
            .await
            .unwrap();
        let mut parts = open(&store, &path, size).await.unwrap().bytes;
        assert!(parts.next().await.unwrap().is_ok());
        store
            .put(&path, vec![b'b'; size as usize].into())
            .await
            .unwrap();
        let error = parts.next().await.unwrap().unwrap_err().render();
        assert!(
            error.contains("K0404") && error.contains("changed"),
            "{error}"
        );
        let error = read(&store, 1).await.unwrap_err().render();
        assert!(
            error.contains("changed"),
            "grown since it was listed: {error}"
        );
    }
}
