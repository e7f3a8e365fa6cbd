//! Object storage: the lake's objects and the folder of raw exports.
//!
//! In: a location as the project writes it. Out: [`Store`], which puts, gets, lists and deletes objects by their path
//! below that location, creates one object exactly once among rivals, and says when all of it is durable. Knows
//! nothing of tables, releases or exports. Locations are shown without credentials, always.

mod barrier;
#[cfg(unix)]
mod create_without_links;
mod disk;
mod listing;
mod location;
mod lock;
mod probe;

use std::fmt;
use std::future::Future;
use std::io;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};
#[cfg(test)]
use url::Url;

use crate::clock;
use crate::diagnostic::Code;
use crate::error::{Error, ErrorKind, Result};

pub(crate) use disk::free_bytes;
use listing::Fault;
pub(crate) use listing::{Listing, Unreadable};
pub(crate) use location::Location;
pub(crate) use lock::{Lock, LockGuard};

/// First pause before a put whose outcome is unknown is tried again; each further pause doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// How often what may pass is tried again: about a third of a second in all.
const TRIES: u32 = 4;

/// An object as listings and heads show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ObjectInfo {
    /// Path below the store's location, `/`-separated.
    pub(crate) path: String,
    /// Bytes.
    pub(crate) size: u64,
    /// By the store's clock.
    pub(crate) modified_at: DateTime<Utc>,
}

/// What became of a put that must not overwrite.
#[derive(Debug)]
pub(crate) enum PutOutcome {
    /// The object is ours.
    Created,
    /// Somebody's object has that name; it may be ours of an earlier try.
    Exists,
    /// It may be there, may come later or never: only the object itself can tell.
    Unknown(Error),
}

/// Objects below one location.
#[derive(Clone)]
pub(crate) struct Store {
    inner: Arc<dyn ObjectStore>,
    location: Location,
    first_pause: Duration,
}

impl Store {
    /// Opens a location that must exist; `location` is a folder, relative to `base`, or a URL.
    ///
    /// # Errors
    /// `Config` where the folder does not exist or the kind of storage is not in this version.
    pub(crate) fn open(base: &FilePath, location: &str) -> Result<Self> {
        Self::open_if_exists(base, location)?.ok_or_else(|| {
            Error::config(format!("the folder `{location}` does not exist"))
                .code(Code(702))
                .help("create it, or correct `raw` or `lake` in kilde.yaml")
        })
    }

    /// Opens a location; `None` where the folder does not exist yet.
    ///
    /// # Errors
    /// `Config` where the kind of storage is not in this version; `Unavailable` where the folder cannot be read.
    pub(crate) fn open_if_exists(base: &FilePath, location: &str) -> Result<Option<Self>> {
        let folder = location::local_folder(base, location)?;
        match std::fs::metadata(&folder) {
            Ok(metadata) if metadata.is_dir() => Self::over_folder(&folder).map(Some),
            Ok(_) => Err(
                Error::config(format!("`{location}` is a file, not a folder"))
                    .code(Code(702))
                    .help("correct `raw` or `lake` in kilde.yaml"),
            ),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unavailable(&folder.display().to_string(), error)),
        }
    }

    /// Opens a location and creates its folder where it is missing.
    ///
    /// # Errors
    /// As [`Store::open_if_exists`]; `Unavailable` where the folder cannot be created.
    pub(crate) fn open_or_create(base: &FilePath, location: &str) -> Result<Self> {
        if let Some(store) = Self::open_if_exists(base, location)? {
            return Ok(store);
        }
        let folder = location::local_folder(base, location)?;
        std::fs::create_dir_all(&folder)
            .map_err(|error| unavailable(&folder.display().to_string(), error))?;
        Self::open(base, location)
    }

    fn over_folder(folder: &FilePath) -> Result<Self> {
        // links are resolved, but a path of Windows stays one that other programs read: no `\\?\`
        let folder = dunce::canonicalize(folder)
            .map_err(|error| unavailable(&folder.display().to_string(), error))?;
        let inner = LocalFileSystem::new_with_prefix(&folder)
            .map_err(|error| unavailable(&folder.display().to_string(), error))?;
        Ok(Self {
            inner: Arc::new(inner),
            location: Location::of_folder(folder)?,
            first_pause: FIRST_PAUSE,
        })
    }

    /// A store over any object store, without pauses between tries: for simulations.
    #[cfg(test)]
    pub(crate) fn over(inner: Arc<dyn ObjectStore>, url: Url) -> Self {
        Self {
            inner,
            location: Location::of_url(url),
            first_pause: Duration::ZERO,
        }
    }

    /// The object store underneath, whose paths are below this location: for engines that read files themselves.
    pub(crate) fn object_store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.inner)
    }

    /// The location, for messages.
    pub(crate) fn location(&self) -> &Location {
        &self.location
    }

    /// The file behind an object, where the location is a folder of this machine. The only way to an export whose name
    /// ends in `#<digits>`, which the object store underneath refuses to address.
    pub(crate) fn local_file(&self, path: &str) -> Option<PathBuf> {
        self.location.folder().map(|folder| folder.join(path))
    }

    /// The whole object; `None` where there is none.
    pub(crate) async fn get(&self, path: &str) -> Result<Option<Bytes>> {
        let object = object_path(path)?;
        let found = self.patiently(|store| {
            let object = object.clone();
            async move { store.get(&object).await?.bytes().await }
        });
        self.or_absent(path, found.await)
    }

    /// Size and time of an object; `None` where there is none.
    pub(crate) async fn head(&self, path: &str) -> Result<Option<ObjectInfo>> {
        let object = object_path(path)?;
        let found = self.patiently(|store| {
            let object = object.clone();
            async move { store.head(&object).await }
        });
        Ok(self.or_absent(path, found.await)?.map(ObjectInfo::from))
    }

    /// Whether there is such an object.
    pub(crate) async fn exists(&self, path: &str) -> Result<bool> {
        Ok(self.head(path).await?.is_some())
    }

    /// Writes an object, whole; replaces one of that name.
    pub(crate) async fn put(&self, path: &str, bytes: Bytes) -> Result<()> {
        let object = object_path(path)?;
        let put = |store: Arc<dyn ObjectStore>| {
            let (object, bytes) = (object.clone(), bytes.clone());
            async move { store.put(&object, bytes.into()).await }
        };
        self.patiently(put)
            .await
            .map(|_| ())
            .map_err(|error| self.failure(path, error))
    }

    /// Writes an object unless one of that name exists.
    ///
    /// # Errors
    /// Only where the store refused for good, so that nothing was or will be written; all else is an outcome.
    pub(crate) async fn put_if_absent(&self, path: &str, bytes: Bytes) -> Result<PutOutcome> {
        let options = PutOptions::from(PutMode::Create);
        let payload = bytes.clone().into();
        let done = self
            .inner
            .put_opts(&object_path(path)?, payload, options)
            .await;
        // the disks of Windows that have no hard links have no rename that spares a taken name either
        #[cfg(unix)]
        if let (Err(error), Some(file)) = (&done, self.local_file(path))
            && create_without_links::is_needed(error)
        {
            return blocking(move || create_without_links::create(&file, &bytes)).await;
        }
        match done {
            Ok(_) => Ok(PutOutcome::Created),
            // stores with conditional requests answer a lost race with either
            Err(object_store::Error::AlreadyExists { .. })
            | Err(object_store::Error::Precondition { .. }) => Ok(PutOutcome::Exists),
            Err(
                error @ (object_store::Error::NotImplemented { .. }
                | object_store::Error::NotSupported { .. }
                | object_store::Error::PermissionDenied { .. }
                | object_store::Error::Unauthenticated { .. }
                | object_store::Error::InvalidPath { .. }),
            ) => Err(self.failure(path, error)),
            Err(error) => Ok(PutOutcome::Unknown(self.failure(path, error))),
        }
    }

    /// Deletes an object; one that does not exist is no error.
    pub(crate) async fn delete(&self, path: &str) -> Result<()> {
        // the store underneath cannot address what a killed writer left as `<name>#<digits>`
        if let Some(file) = self.local_file(path) {
            return blocking(move || match std::fs::remove_file(&file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(unavailable(&file.display().to_string(), error))
                }
                _ => Ok(()),
            })
            .await;
        }
        let done = self.inner.delete(&object_path(path)?).await;
        self.or_absent(path, done).map(|_| ())
    }

    /// Every object below a folder (`""`: below the location), by path.
    ///
    /// # Errors
    /// `Unavailable` where storage does not answer; `Input` where a file's name cannot be an object's.
    pub(crate) async fn list(&self, folder: &str) -> Result<Vec<ObjectInfo>> {
        let found = self.walk(folder).await?;
        match found.unreadable.first() {
            Some(first) => Err(first
                .error()
                .at(format!("{}/{}", self.location, first.path))),
            None => Ok(found.files),
        }
    }

    /// The same of a folder that others fill: what cannot be read there is listed too, and stops nobody who does not need it.
    ///
    /// # Errors
    /// `Unavailable` where storage does not answer.
    pub(crate) async fn survey(&self, folder: &str) -> Result<Listing> {
        let mut found = self.walk(folder).await?;
        if self.location.folder().is_some() {
            let halves = found
                .files
                .extract_if(.., |file| listing::is_half_file(&file.path));
            found.unreadable.extend(halves.map(|file| Unreadable {
                path: file.path,
                fault: Fault::NameOfHalfFile,
                is_folder: false,
            }));
        }
        Ok(found)
    }

    async fn walk(&self, folder: &str) -> Result<Listing> {
        if let Some(root) = self.location.folder() {
            let (root, folder) = (root.to_path_buf(), folder.to_string());
            return blocking(move || listing::walk(&root, &folder)).await;
        }
        let found: Vec<_> = self
            .inner
            .list(Some(&object_path(folder)?))
            .try_collect()
            .await
            .map_err(|error| self.failure(folder, error))?;
        let mut objects: Vec<ObjectInfo> = found.into_iter().map(ObjectInfo::from).collect();
        objects.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Listing {
            files: objects,
            unreadable: Vec::new(),
        })
    }

    /// What reads, or writes the same again, is tried again while what hinders it may pass.
    async fn patiently<T, F: Future<Output = object_store::Result<T>>>(
        &self,
        act: impl Fn(Arc<dyn ObjectStore>) -> F,
    ) -> object_store::Result<T> {
        for tries in 0..TRIES {
            match act(Arc::clone(&self.inner)).await {
                Err(error) if may_pass(&error) => self.pause(tries).await,
                done => return done,
            }
        }
        act(Arc::clone(&self.inner)).await
    }

    /// Waits before another try of something that a store did not do; each wait is twice as long as the one before.
    pub(crate) async fn pause(&self, tries: u32) {
        if !self.first_pause.is_zero() {
            clock::sleep(self.first_pause * (1 << tries.min(8))).await;
        }
    }

    fn or_absent<T>(&self, path: &str, found: object_store::Result<T>) -> Result<Option<T>> {
        match found {
            Ok(found) => Ok(Some(found)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failure(path, error)),
        }
    }

    fn failure(&self, path: &str, error: object_store::Error) -> Error {
        unavailable(&format!("{}/{path}", self.location), error)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.location)
    }
}

impl From<object_store::ObjectMeta> for ObjectInfo {
    fn from(meta: object_store::ObjectMeta) -> Self {
        Self {
            path: meta.location.to_string(),
            size: meta.size,
            modified_at: meta.last_modified,
        }
    }
}

/// The path as it is written: never percent-encoded on the way.
fn object_path(path: &str) -> Result<Path> {
    Path::parse(path)
        .map_err(|error| Error::internal(format!("`{path}` is no object path")).caused_by(error))
}

/// Storage that does not answer. The cause is told only where it cannot hold credentials.
fn unavailable(place: &str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    let error = error.into();
    let cause = refusal(&*error).map(io::Error::kind);
    let kind = match cause {
        // the same command would be refused again
        Some(io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => {
            ErrorKind::Config
        }
        _ => ErrorKind::Unavailable,
    };
    let (message, help) = match cause {
        Some(io::ErrorKind::PermissionDenied) => (
            "this may not be read or written",
            "give the right to whoever runs kilde, or correct `raw` or `lake` in kilde.yaml",
        ),
        Some(io::ErrorKind::ReadOnlyFilesystem) => (
            "this lies on a disk that may only be read",
            "mount it for writing, or correct `lake` in kilde.yaml",
        ),
        Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => (
            "the disk is full",
            "make room, then try again: nothing is lost",
        ),
        _ => (
            "storage does not answer",
            "check that it is reachable, has room and may be written, then try again",
        ),
    };
    Error::new(kind, message)
        .code(Code(703))
        .at(place)
        .caused_by(location::Redacted::new(error))
        .help(help)
}

/// What the file system said, below all that was made of it.
fn refusal<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a io::Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error);
        }
        cause = error.source();
    }
    None
}

/// Whether the same call may succeed a moment later: a network disk that stutters, not one that refuses.
fn may_pass(error: &object_store::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionReset, HostUnreachable, Interrupted, NetworkDown,
        NetworkUnreachable, NotConnected, ResourceBusy, StaleNetworkFileHandle, TimedOut,
        WouldBlock,
    };
    refusal(error).is_some_and(|error| {
        matches!(
            error.kind(),
            ConnectionAborted
                | ConnectionReset
                | HostUnreachable
                | Interrupted
                | NetworkDown
                | NetworkUnreachable
                | NotConnected
                | ResourceBusy
                | StaleNetworkFileHandle
                | TimedOut
                | WouldBlock
        )
    })
}

/// Runs file system calls off the threads that drive futures.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::internal("a file system task broke off").caused_by(error))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open_or_create(folder.path(), "lake/").unwrap();
        (folder, store)
    }

    #[tokio::test]
    async fn second_creator_sees_that_the_object_exists() {
        let (_folder, store) = store();
        let first = store.put_if_absent("a/b.json", "1".into()).await.unwrap();
        let second = store.put_if_absent("a/b.json", "2".into()).await.unwrap();
        assert!(matches!(first, PutOutcome::Created));
        assert!(matches!(second, PutOutcome::Exists));
        assert_eq!(store.get("a/b.json").await.unwrap().unwrap(), "1");
    }

    #[tokio::test]
    async fn absent_objects_are_none_and_may_be_deleted() {
        let (_folder, store) = store();
        assert_eq!(store.get("nothing").await.unwrap(), None);
        assert_eq!(store.head("no/thing").await.unwrap(), None);
        store.delete("nothing").await.unwrap();
        assert!(store.list("no/folder").await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn heads_and_overwrites_are_of_the_newest_bytes() {
        let (_folder, store) = store();
        store.put("x", "first".into()).await.unwrap();
        store.put("x", "second".into()).await.unwrap();
        assert_eq!(store.head("x").await.unwrap().unwrap().size, 6);
    }

    #[tokio::test]
    async fn names_are_taken_as_written() {
        let (_folder, store) = store();
        store
            .put("k=50%25/å b#x.parquet", "1".into())
            .await
            .unwrap();
        let names = store.list("").await.unwrap();
        assert_eq!(names[0].path, "k=50%25/å b#x.parquet");
        assert!(store.local_file(&names[0].path).unwrap().is_file());
    }

    #[test]
    fn a_folder_that_does_not_exist_is_an_error_of_the_project() {
        let folder = tempfile::tempdir().unwrap();
        assert!(
            Store::open_if_exists(folder.path(), "lake")
                .unwrap()
                .is_none()
        );
        let error = Store::open(folder.path(), "lake").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.render().contains("K0702"));
    }

    #[tokio::test]
    async fn barriers_take_names_that_are_gone() {
        let (_folder, store) = store();
        store.put("a/b", "1".into()).await.unwrap();
        store
            .barrier(&["a/b".to_string(), "a/c".to_string()])
            .await
            .unwrap();
    }

    fn said(kind: io::ErrorKind) -> object_store::Error {
        object_store::Error::Generic {
            store: "local",
            source: Box::new(io::Error::from(kind)),
        }
    }

    #[tokio::test]
    async fn what_may_pass_is_tried_again_and_what_is_refused_is_not() {
        let (_folder, store) = store();
        for (kind, failures, tried, ends_well) in [
            (io::ErrorKind::TimedOut, 2, 3, true),
            (io::ErrorKind::StaleNetworkFileHandle, 100, 1 + TRIES, false),
            (io::ErrorKind::PermissionDenied, 2, 1, false),
            (io::ErrorKind::StorageFull, 2, 1, false),
        ] {
            let calls = std::sync::atomic::AtomicU32::new(0);
            let done = store
                .patiently(|_| {
                    let call = calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    std::future::ready(if call < failures {
                        Err(said(kind))
                    } else {
                        Ok(())
                    })
                })
                .await;
            assert_eq!(done.is_ok(), ends_well, "{kind}");
            assert_eq!(calls.into_inner(), tried, "{kind}");
        }
    }

    #[test]
    fn a_refusal_of_the_file_system_says_what_to_do() {
        for (kind, words, class) in [
            (
                io::ErrorKind::PermissionDenied,
                "may not be read or written",
                ErrorKind::Config,
            ),
            (
                io::ErrorKind::ReadOnlyFilesystem,
                "may only be read",
                ErrorKind::Config,
            ),
            (
                io::ErrorKind::StorageFull,
                "the disk is full",
                ErrorKind::Unavailable,
            ),
            (
                io::ErrorKind::TimedOut,
                "storage does not answer",
                ErrorKind::Unavailable,
            ),
        ] {
            let error = unavailable("/srv/lake", said(kind));
            assert_eq!(error.kind(), class);
            let text = error.render();
            assert!(text.contains(words) && text.contains("/srv/lake"), "{text}");
            assert!(text.contains("K0703") && text.contains("help: "), "{text}");
        }
    }
}
