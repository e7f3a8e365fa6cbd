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
use tokio::task::JoinError;

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
    store: Arc<dyn ObjectStore>,
    /// What it was when it was opened.
    pub(super) meta: ObjectMeta,
    content: Content,
}

/// Where the bytes come from.
enum Content {
    /// It can be written to while it is read; objects of a store are replaced whole.
    File(File),
    /// Parts in order; the first error is the last item.
    Stream(BoxStream<'static, Result<Bytes>>),
}

impl Parts {
    /// Does `work` on the bytes, on a thread that may block; it hears of an error of storage where nobody waits for it any more.
    ///
    /// # Errors
    /// `Input` K0404 where the export is gone or has changed meanwhile, whatever `work` made of it; what a store says otherwise.
    /// What a file says only `work` hears.
    pub(super) async fn read<T: Send + 'static>(
        self,
        work: impl FnOnce(RawBytes) -> T + Send + 'static,
    ) -> Result<T> {
        let Self {
            store,
            meta,
            content,
        } = self;
        let broken = |error: JoinError| {
            Error::internal("a decoder broke down")
                .at(meta.location.to_string())
                .caused_by(error)
        };
        match content {
            Content::File(file) => {
                let waiting = Arc::new(());
                let raw = RawBytes::of_file(file, meta.size, Arc::downgrade(&waiting));
                let worker = tokio::task::spawn_blocking(move || work(raw));
                let done = worker.await.map_err(broken)?;
                drop(waiting);
                refuse_changed(&store, &meta).await?;
                Ok(done)
            }
            Content::Stream(bytes) => {
                let (sender, raw) = RawBytes::channel();
                let worker = tokio::task::spawn_blocking(move || work(raw));
                let fed = feed(bytes, sender).await;
                let done = worker.await.map_err(broken)?;
                // of what storage said the worker knows no more than that nothing came
                fed?;
                Ok(done)
            }
        }
    }
}

/// # Errors
/// `Input` K0404 where the export is gone, or not what it was; what storage says otherwise.
async fn refuse_changed(store: &Arc<dyn ObjectStore>, before: &ObjectMeta) -> Result<()> {
    let after = store.head(&before.location).await;
    let after = after.map_err(|error| unreadable(&before.location, error))?;
    let is_same = (before.size, before.last_modified, &before.e_tag)
        == (after.size, after.last_modified, &after.e_tag);
    match is_same {
        true => Ok(()),
        false => Err(changed(&before.location)),
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
    let meta = first.meta.clone();
    let content = match first.payload {
        GetResultPayload::File(file, _) => Content::File(file),
        _ => {
            let rest = rest(store, &first);
            let path = path.clone();
            let start = stream::once(async move { whole(first, &path).await });
            Content::Stream(start.chain(rest).boxed())
        }
    };
    let store = Arc::clone(store);
    Ok(Parts {
        store,
        meta,
        content,
    })
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
    use std::time::Duration;

    use object_store::local::LocalFileSystem;
    use object_store::memory::InMemory;

    use super::*;

    async fn read(store: &Arc<dyn ObjectStore>, listed: u64) -> Result<Vec<u8>> {
        let parts = open(store, &Path::from("a.csv"), listed).await?;
        let whole = |mut raw: RawBytes| {
            let mut bytes = Vec::new();
            raw.read_to_end(&mut bytes).map(|_| bytes)
        };
        Ok(parts.read(whole).await?.unwrap())
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

    /// What becomes of a file of 20 MB that is changed when 3 MB of it were read.
    async fn changed_meanwhile(change: impl Fn(&std::path::Path) + Send + 'static) -> String {
        let folder = tempfile::tempdir().unwrap();
        let local = LocalFileSystem::new_with_prefix(folder.path()).unwrap();
        let store: Arc<dyn ObjectStore> = Arc::new(local);
        let file = folder.path().join("a.csv");
        std::fs::write(&file, vec![b'a'; 20 << 20]).unwrap();
        let yesterday = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let opened = File::options().write(true).open(&file).unwrap();
        opened.set_modified(yesterday).unwrap();
        let path = Path::from("a.csv");
        let parts = open(&store, &path, 20 << 20).await.unwrap();
        let work = move |mut raw: RawBytes| {
            raw.read_exact(&mut vec![0; 3 << 20]).unwrap();
            change(&file);
            std::io::copy(&mut raw, &mut std::io::sink()).is_ok()
        };
        let hashed = parts.read(work).await;
        hashed.unwrap_err().render()
    }

    #[tokio::test]
    async fn a_file_that_changes_while_it_is_read_is_refused_however_it_changes() {
        let open = |file: &std::path::Path| File::options().write(true).open(file).unwrap();
        let shrunk = changed_meanwhile(move |file| open(file).set_len(4 << 20).unwrap()).await;
        let grown = changed_meanwhile(move |file| open(file).set_len(21 << 20).unwrap()).await;
        let written = changed_meanwhile(|file| std::fs::write(file, vec![b'b'; 20 << 20]).unwrap());
        let replaced = changed_meanwhile(|file| {
            let other = file.with_extension("new");
            std::fs::write(&other, vec![b'b'; 20 << 20]).unwrap();
            std::fs::rename(other, file).unwrap();
        });
        for error in [shrunk, grown, written.await, replaced.await] {
            let is_told = error.contains("K0404") && error.contains("changed while");
            assert!(is_told, "{error}");
        }
        let gone = changed_meanwhile(|file| std::fs::remove_file(file).unwrap()).await;
        assert!(gone.contains("K0404") && gone.contains("gone"), "{gone}");
    }

    #[tokio::test]
    async fn nobody_reads_on_for_whoever_has_gone() {
        let folder = tempfile::tempdir().unwrap();
        let local = LocalFileSystem::new_with_prefix(folder.path()).unwrap();
        let store: Arc<dyn ObjectStore> = Arc::new(local);
        std::fs::write(folder.path().join("a.csv"), vec![b'a'; 1 << 20]).unwrap();
        let parts = open(&store, &Path::from("a.csv"), 1 << 20).await.unwrap();
        let (begun, has_begun) = std::sync::mpsc::channel();
        let (go_on, may_go_on) = std::sync::mpsc::channel();
        let (sender, told) = std::sync::mpsc::channel();
        let reading = tokio::spawn(parts.read(move |mut raw: RawBytes| {
            begun.send(()).unwrap();
            may_go_on.recv().unwrap();
            let read = std::io::copy(&mut raw, &mut std::io::sink());
            sender.send(read.map_err(|error| error.kind())).unwrap();
        }));
        tokio::task::spawn_blocking(move || has_begun.recv().unwrap())
            .await
            .unwrap();
        reading.abort();
        assert!(reading.await.unwrap_err().is_cancelled());
        go_on.send(()).unwrap();
        let told = tokio::task::spawn_blocking(move || told.recv().unwrap());
        assert_eq!(
            told.await.unwrap(),
            Err(std::io::ErrorKind::ConnectionAborted)
        );
    }
}
