//! The bytes of one export: a file of this machine is read where it lies; an object is fetched part by part, each request short
//! enough to be tried again, and all parts of one version of it.

use std::fs::File;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    GetOptions, GetRange, GetResult, GetResultPayload, ObjectMeta, ObjectStore, ObjectStoreExt,
};
use tokio::sync::mpsc;

use super::input::{Chunk, RawBytes};
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
    pub(super) content: Content,
}

/// Where the bytes come from.
pub(super) enum Content {
    /// So many of a file.
    File(File, u64),
    /// Parts in order; the first error is the last item.
    Stream(BoxStream<'static, Result<Bytes>>),
}

impl Content {
    /// Does `work` on the bytes, on a thread that may block. `path`: for errors.
    ///
    /// # Errors
    /// What storage says. What a file says only `work` hears.
    pub(super) async fn read<T: Send + 'static>(
        self,
        path: &str,
        work: impl FnOnce(RawBytes) -> T + Send + 'static,
    ) -> Result<T> {
        let (fed, done) = match self {
            Self::File(file, size) => {
                let raw = RawBytes::of_file(file, size);
                let worker = tokio::task::spawn_blocking(move || work(raw));
                (Ok(()), worker.await)
            }
            Self::Stream(bytes) => {
                let (sender, raw) = RawBytes::channel();
                let worker = tokio::task::spawn_blocking(move || work(raw));
                (feed(bytes, sender).await, worker.await)
            }
        };
        let done = done.map_err(|error| {
            Error::internal("a decoder broke down")
                .at(path)
                .caused_by(error)
        })?;
        // of what storage said the worker knows no more than that nothing came
        fed?;
        Ok(done)
    }
}

/// Sends the bytes to the decoder until either side has enough.
async fn feed(
    mut bytes: BoxStream<'static, Result<Bytes>>,
    sender: mpsc::Sender<Chunk>,
) -> Result<()> {
    while let Some(part) = bytes.next().await {
        // a decoder that has given up says why itself
        if sender.send(Chunk::Data(part?)).await.is_err() {
            return Ok(());
        }
    }
    let _ = sender.send(Chunk::End).await;
    Ok(())
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
    let content = match first {
        GetResult {
            payload: GetResultPayload::File(file, _),
            meta,
            ..
        } => Content::File(file, meta.size),
        first => {
            let rest = rest(store, &first);
            let path = path.clone();
            let start = stream::once(async move { whole(first, &path).await });
            Content::Stream(start.chain(rest).boxed())
        }
    };
    Ok(Parts { version, content })
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
    use std::io::Read;

    use object_store::local::LocalFileSystem;
    use object_store::memory::InMemory;

    use super::*;

    async fn read(store: &Arc<dyn ObjectStore>, listed: u64) -> Result<Vec<u8>> {
        let parts = open(store, &Path::from("a.csv"), listed).await?;
        let whole = |mut raw: RawBytes| {
            let mut bytes = Vec::new();
            raw.read_to_end(&mut bytes).map(|_| bytes)
        };
        let bytes = parts.content.read("a.csv", whole).await?;
        Ok(bytes.unwrap())
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
        let Content::Stream(mut parts) = open(&store, &path, size).await.unwrap().content else {
            panic!("memory has no files");
        };
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
