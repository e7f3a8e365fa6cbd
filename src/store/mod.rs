//! Object storage: the lake's objects and the raw exports.
//!
//! In: a [`Location`]. Out: [`Store`], which puts, gets, lists and deletes objects by their path below that location,
//! creates one object exactly once among rivals, and says when all of it is durable. Knows nothing of tables, releases or
//! exports. Credentials come from the environment and are never shown; nor is what a store says, unless it was cut down.

mod barrier;
#[cfg(unix)]
mod create_without_links;
mod disk;
mod failure;
mod listing;
mod lock;
mod probe;
mod remote;

use std::fmt;
use std::future::Future;
use std::io;
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions};

use crate::clock;
use crate::diagnostic::Code;
use crate::error::{Error, ErrorKind, Result};
use crate::location::Location;

#[cfg(test)]
pub(crate) use barrier::SIMULATED as SIMULATED_BARRIER;
pub(crate) use barrier::hasten;
pub(crate) use disk::free_bytes;
pub(crate) use failure::{failed, failed_within};
use listing::Fault;
pub(crate) use listing::{Listing, Unreadable};
pub(crate) use lock::{Lock, LockGuard};
pub(crate) use remote::Reach;

/// First pause before something is tried again whose outcome is unknown, or that may pass; each further pause doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// Doublings of a pause: about five seconds are the longest.
const DOUBLINGS: u32 = 8;

/// However patient somebody is.
const MAX_TRIES: u32 = 1000;

/// How long a disk that stutters is waited for, all pauses together.
const DISK_PATIENCE: Duration = Duration::from_secs(5);

/// The pause after so many tries before this one.
fn pause_after(first: Duration, tries: u32) -> Duration {
    first * (1 << tries.min(DOUBLINGS))
}

/// How often something is tried again before patience ends.
fn tries_within(patience: Duration) -> u32 {
    let (mut tries, mut waited) = (0, Duration::ZERO);
    while waited < patience && tries < MAX_TRIES {
        waited += pause_after(FIRST_PAUSE, tries);
        tries += 1;
    }
    tries
}

/// An object as listings and heads show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ObjectInfo {
    /// Path below the store's location, `/`-separated.
    pub(crate) path: String,
    /// Bytes.
    pub(crate) size: u64,
    /// By the store's clock.
    pub(crate) modified_at: DateTime<Utc>,
    /// When the store itself noted the last change, which no writer can set back; [`ObjectInfo::modified_at`] where it
    /// notes no other time.
    pub(crate) changed_at: DateTime<Utc>,
    /// A text that differs for other content under the same path, as far as the store can tell.
    pub(crate) tag: Option<String>,
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
    /// How often what may pass is tried again.
    tries: u32,
}

impl Store {
    /// Opens a location. A folder must exist; of a bucket nothing is asked yet.
    ///
    /// # Errors
    /// `Config` where the folder does not exist, or nothing says how to reach the bucket.
    pub(crate) fn open(location: &Location) -> Result<Self> {
        Self::open_if_exists(location)?.ok_or_else(|| Self::no_such_place(location))
    }

    /// Opens a location; `None` where a folder does not exist yet.
    ///
    /// # Errors
    /// `Config` where nothing says how to reach the bucket; `Unavailable` where the folder cannot be read.
    pub(crate) fn open_if_exists(location: &Location) -> Result<Option<Self>> {
        let folder = match location {
            Location::Bucket(bucket) => {
                return Ok(Some(Self {
                    inner: remote::open(bucket)?,
                    location: location.clone(),
                    first_pause: FIRST_PAUSE,
                    tries: tries_within(remote::patience()?),
                }));
            }
            Location::Folder(folder) => folder,
        };
        match std::fs::metadata(folder) {
            Ok(metadata) if metadata.is_dir() => Self::over_folder(folder).map(Some),
            Ok(_) => Err(
                Error::config(format!("`{location}` is a file, not a folder"))
                    .code(Code(702))
                    .help("correct `raw` or `lake` in kilde.yaml"),
            ),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failure::local(location.to_string(), error)),
        }
    }

    /// Opens a location and creates its folder where it is missing.
    ///
    /// # Errors
    /// As [`Store::open_if_exists`]; `Unavailable` where the folder cannot be created.
    pub(crate) fn open_or_create(location: &Location) -> Result<Self> {
        if let Some(store) = Self::open_if_exists(location)? {
            return Ok(store);
        }
        if let Some(folder) = location.folder() {
            std::fs::create_dir_all(folder)
                .map_err(|error| failure::local(location.to_string(), error))?;
        }
        Self::open(location)
    }

    /// That nothing is there, which must be.
    pub(crate) fn no_such_place(location: &Location) -> Error {
        let (message, help) = match location {
            Location::Folder(_) => (
                format!("the folder `{location}` does not exist"),
                "create it, or correct `raw` or `lake` in kilde.yaml",
            ),
            Location::Bucket(_) => (
                format!("nothing lies below `{location}`"),
                "correct `raw` in kilde.yaml, or put a first object there",
            ),
        };
        Error::config(message).code(Code(702)).help(help)
    }

    fn over_folder(folder: &FilePath) -> Result<Self> {
        // links are resolved, but a path of Windows stays one that other programs read: no `\\?\`
        let folder = dunce::canonicalize(folder)
            .map_err(|error| failure::local(folder.display().to_string(), error))?;
        let inner = LocalFileSystem::new_with_prefix(&folder)
            .map_err(|error| failure::local(folder.display().to_string(), error))?;
        Ok(Self {
            inner: Arc::new(inner),
            location: Location::Folder(folder),
            first_pause: FIRST_PAUSE,
            tries: tries_within(DISK_PATIENCE),
        })
    }

    /// A store over any object store, without pauses between tries: for simulations.
    #[cfg(test)]
    pub(crate) fn over(inner: Arc<dyn ObjectStore>, location: Location) -> Self {
        Self {
            inner,
            location,
            first_pause: Duration::ZERO,
            tries: 4,
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

    /// The folder of this machine that the location is, if it is one.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        self.location.folder().map(FilePath::to_path_buf)
    }

    /// How the location is reached, as far as it is no secret; `None` for a folder.
    ///
    /// # Errors
    /// `Config` where the environment names a profile that does not exist.
    pub(crate) fn reach(location: &Location) -> Result<Option<Reach>> {
        match location {
            Location::Folder(_) => Ok(None),
            Location::Bucket(bucket) => remote::reach(bucket).map(Some),
        }
    }

    /// The file behind an object, where the location is a folder of this machine. The only way to an export whose name
    /// ends in `#<digits>`, which the object store underneath refuses to address.
    pub(crate) fn local_file(&self, path: &str) -> Option<PathBuf> {
        self.location.folder().map(|folder| folder.join(path))
    }

    /// Refuses what is neither file nor folder: to open a pipe is to wait for whoever writes to it. Of what is not there, its
    /// reader says so.
    ///
    /// # Errors
    /// `Input` K0715.
    pub(crate) async fn refuse_other_than_file(&self, path: &str) -> Result<()> {
        let Some(file) = self.local_file(path) else {
            return Ok(());
        };
        let path = path.to_string();
        blocking(move || match std::fs::metadata(file) {
            Ok(found) if !found.is_file() && !found.is_dir() => {
                let fault = listing::Fault::NeitherFileNorFolder;
                let is_folder = false;
                Err(Unreadable {
                    path,
                    fault,
                    is_folder,
                }
                .error())
            }
            _ => Ok(()),
        })
        .await
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

    /// Some bytes of an object; `None` where there is none.
    pub(crate) async fn get_range(&self, path: &str, range: Range<u64>) -> Result<Option<Bytes>> {
        let object = object_path(path)?;
        let found = self.patiently(|store| {
            let (object, range) = (object.clone(), range.clone());
            async move { store.get_range(&object, range).await }
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
        let found = self.or_absent(path, found.await)?;
        // stores do not agree on whether what they say of one object is below the place that was opened
        Ok(found.map(|found| ObjectInfo {
            path: path.to_string(),
            ..ObjectInfo::from(found)
        }))
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
            Err(error) => {
                let has_no_room = failure::has_no_room(&error);
                let failure = self.failure(path, error);
                match failure.kind() {
                    // whatever the store said no to was not done
                    ErrorKind::Config => Err(failure),
                    _ if has_no_room => Err(failure),
                    _ => Ok(PutOutcome::Unknown(failure)),
                }
            }
        }
    }

    /// Deletes an object; one that does not exist is no error.
    pub(crate) async fn delete(&self, path: &str) -> Result<()> {
        // the store underneath cannot address what a killed writer left as `<name>#<digits>`
        if let Some(file) = self.local_file(path) {
            return blocking(move || match std::fs::remove_file(&file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(failure::local(file.display().to_string(), error))
                }
                _ => Ok(()),
            })
            .await;
        }
        let object = object_path(path)?;
        let done = self.patiently(|store| {
            let object = object.clone();
            async move { store.delete(&object).await }
        });
        self.or_absent(path, done.await).map(|_| ())
    }

    /// Deletes objects, of an object store many with one request; those that do not exist are no error.
    pub(crate) async fn delete_all(&self, paths: &[String]) -> Result<()> {
        if self.location.folder().is_some() {
            for path in paths {
                self.delete(path).await?;
            }
            return Ok(());
        }
        let paths = paths.iter().map(|path| object_path(path));
        let paths: Vec<_> = paths.collect::<Result<_>>()?;
        let paths = stream::iter(paths.into_iter().map(Ok)).boxed();
        let mut deleted = self.inner.delete_stream(paths);
        while let Some(done) = deleted.next().await {
            self.or_absent("", done)?;
        }
        Ok(())
    }

    /// Every object below a folder (`""`: below the location), by path.
    ///
    /// # Errors
    /// `Unavailable` where storage does not answer; `Input` where a file's name cannot be an object's.
    pub(crate) async fn list(&self, folder: &str) -> Result<Vec<ObjectInfo>> {
        let found = self.walk(folder, usize::MAX).await?;
        match found.unreadable.first() {
            Some(first) => Err(first
                .error()
                .at(format!("{}/{}", self.location, first.path))),
            None => Ok(found.files),
        }
    }

    /// Names of the folders right below the location that may hold objects.
    ///
    /// # Errors
    /// `Unavailable` where storage does not answer.
    pub(crate) async fn folders(&self) -> Result<Vec<String>> {
        if let Some(root) = self.location.folder() {
            let root = root.to_path_buf();
            return self
                .patiently(|_| {
                    let root = root.clone();
                    blocking(move || listing::folders(&root))
                })
                .await;
        }
        let listed = self.patiently(|store| async move { store.list_with_delimiter(None).await });
        let listed = listed.await.map_err(|error| self.failure("", error))?;
        let folders = listed.common_prefixes.into_iter();
        Ok(folders.map(|folder| folder.to_string()).collect())
    }

    /// Every object below a folder whose path comes after `after`, by path. Object stores begin their listing there, so
    /// that it is short however much lies before.
    ///
    /// # Errors
    /// Those of [`Self::list`].
    pub(crate) async fn list_after(&self, folder: &str, after: &str) -> Result<Vec<ObjectInfo>> {
        if self.location.folder().is_some() {
            let mut found = self.list(folder).await?;
            found.retain(|object| object.path.as_str() > after);
            return Ok(found);
        }
        let (prefix, after) = (object_path(folder)?, object_path(after)?);
        self.collected(folder, |store| {
            store.list_with_offset(Some(&prefix), &after)
        })
        .await
    }

    /// The same of a folder that others fill: what cannot be read there is listed too, and stops nobody who does not need it.
    ///
    /// # Errors
    /// `Unavailable` where storage does not answer.
    pub(crate) async fn survey(&self, folder: &str) -> Result<Listing> {
        let mut found = self.walk(folder, listing::MOST_BEHIND_A_LINK).await?;
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

    async fn walk(&self, folder: &str, most_behind_a_link: usize) -> Result<Listing> {
        if let Some(root) = self.location.folder() {
            let walk = |_| {
                let (root, folder) = (root.to_path_buf(), folder.to_string());
                blocking(move || listing::walk(&root, &folder, most_behind_a_link))
            };
            return self.patiently(walk).await;
        }
        let prefix = object_path(folder)?;
        let files = self.collected(folder, |store| store.list(Some(&prefix)));
        Ok(Listing {
            files: files.await?,
            unreadable: Vec::new(),
        })
    }

    async fn collected(
        &self,
        folder: &str,
        list: impl Fn(&dyn ObjectStore) -> BoxStream<'static, object_store::Result<ObjectMeta>>,
    ) -> Result<Vec<ObjectInfo>> {
        let found = self.patiently(|store| list(store.as_ref()).try_collect::<Vec<_>>());
        let found = found.await.map_err(|error| self.failure(folder, error))?;
        let mut objects: Vec<ObjectInfo> = found.into_iter().map(ObjectInfo::from).collect();
        objects.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(objects)
    }

    /// Whether this is a place in a bucket below which nothing lies: to a bucket, there is no such folder.
    pub(crate) async fn is_missing(&self) -> Result<bool> {
        if self.location.folder().is_some() {
            return Ok(false);
        }
        let first = self.inner.list(None).try_next().await;
        let first = first.map_err(|error| self.failure("", error))?;
        Ok(first.is_none())
    }

    /// What reads, or does the same again, is tried again while what hinders it may pass.
    pub(crate) async fn patiently<T, E, F>(
        &self,
        act: impl Fn(Arc<dyn ObjectStore>) -> F,
    ) -> Result<T, E>
    where
        E: std::error::Error + 'static,
        F: Future<Output = Result<T, E>>,
    {
        for tries in 0..self.tries {
            match act(Arc::clone(&self.inner)).await {
                Err(error) if failure::may_pass(&error) => self.pause(tries).await,
                done => return done,
            }
        }
        act(Arc::clone(&self.inner)).await
    }

    /// Waits before another try of something that a store did not do; each wait is twice as long as the one before.
    pub(crate) async fn pause(&self, tries: u32) {
        if !self.first_pause.is_zero() {
            clock::sleep(pause_after(self.first_pause, tries)).await;
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
        failed(format!("{}/{path}", self.location), error)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.location)
    }
}

impl From<ObjectMeta> for ObjectInfo {
    fn from(meta: ObjectMeta) -> Self {
        Self {
            path: meta.location.to_string(),
            size: meta.size,
            modified_at: meta.last_modified,
            changed_at: meta.last_modified,
            tag: meta.e_tag.or(meta.version),
        }
    }
}

/// The path as it is written: never percent-encoded on the way.
fn object_path(path: &str) -> Result<Path> {
    Path::parse(path)
        .map_err(|error| Error::internal(format!("`{path}` is no object path")).caused_by(error))
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
        let lake = Location::Folder(folder.path().join("lake"));
        let store = Store::open_or_create(&lake).unwrap();
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
        store.delete_all(&["nothing".into()]).await.unwrap();
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
        let lake = Location::Folder(folder.path().join("lake"));
        assert!(Store::open_if_exists(&lake).unwrap().is_none());
        let error = Store::open(&lake).unwrap_err();
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

    #[test]
    fn tries_are_as_many_as_patience_has_room_for() {
        let waited = |tries| -> Duration { (0..tries).map(|t| pause_after(FIRST_PAUSE, t)).sum() };
        for seconds in [1, 5, 30, 600] {
            let patience = Duration::from_secs(seconds);
            let tries = tries_within(patience);
            assert!(waited(tries) >= patience && waited(tries - 1) < patience);
        }
        assert_eq!(tries_within(Duration::ZERO), 0);
    }

    #[tokio::test]
    async fn what_may_pass_is_tried_again_and_what_is_refused_is_not() {
        let (_folder, store) = store();
        let store = Store {
            first_pause: Duration::ZERO,
            ..store
        };
        for (kind, failures, tried, ends_well) in [
            (io::ErrorKind::TimedOut, 2, 3, true),
            (io::ErrorKind::StaleNetworkFileHandle, 100, 9, false),
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
}
