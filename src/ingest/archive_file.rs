//! A file of a ZIP archive as an export of its own: `dump_20260301.zip!data/orders.csv`.
//!
//!   list of contents ─▶ which files there are, and how large: `run` takes them for exports
//!   bytes of one, fetched where they lie ─unpacked, checked▶ as those of any export
//!
//! Of an archive no more is fetched than what is asked for. A file that was loaded and that the archive no longer has is an
//! export without a record: whoever delivered the archive anew said so.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::runtime::Handle;

use super::archive::held;
use super::export::{Attempt, Export, ReadRequest, Task};
use super::export_store::ExportStore;
use super::flaw::is_unreadable;
use super::format::unreadable;
use super::hash::hash;
use super::input::{HashedBytes, bounded, is_damage};
use super::look::Look;
use super::parts;
use super::zip::{self, Archive, Contents};
use crate::diagnostic::{Code, printable};
use crate::error::{Error, Result};
use crate::project::Source;
use crate::store::{ObjectInfo, Store};

/// Bytes fetched at first, and at most: a file is small more often than not.
const FIRST_PART: u64 = 64 << 10;
const PART: u64 = 4 << 20;
/// Archives whose lists of contents are remembered: those that are worked on at once.
const MOST_KNOWN: usize = 16;

/// The lists of contents of archives, since each of their files opens its archive anew.
#[derive(Debug, Default)]
pub(super) struct KnownArchives(Mutex<VecDeque<(ObjectInfo, Contents)>>);

impl KnownArchives {
    fn lock(&self) -> MutexGuard<'_, VecDeque<(ObjectInfo, Contents)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of the archive as it lies there now.
    fn get(&self, archive: &ObjectInfo) -> Option<Contents> {
        let known = self.lock();
        let mut found = known.iter().filter(|(of, _)| of == archive);
        found.next().map(|(_, contents)| Arc::clone(contents))
    }

    fn remember(&self, archive: &ObjectInfo, contents: Contents) {
        let mut known = self.lock();
        known.retain(|(of, _)| of.path != archive.path);
        known.truncate(MOST_KNOWN - 1);
        known.push_front((archive.clone(), contents));
    }
}

/// A file of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ArchiveFile {
    /// Its path in the archive, as an export is called.
    pub(crate) name: String,
    /// Bytes, unpacked.
    pub(crate) size: u64,
}

/// The files of an archive, by name.
///
/// # Errors
/// `Input` K0402 where it is no archive, or a damaged one.
pub(super) async fn files(raw: &ExportStore, archive: &ObjectInfo) -> Result<Vec<ArchiveFile>> {
    let path = archive.path.clone();
    opened(raw, archive, move |archive| {
        let archive = archive.map_err(|error| unreadable(error, &path))?;
        let files = archive.files().into_iter().map(|name| ArchiveFile {
            size: archive.sizes(name).map_or(0, |(unpacked, _)| unpacked),
            name: called(name).into_owned(),
        });
        Ok(files.collect())
    })
    .await
}

/// Decodes a file of an archive.
///
/// # Errors
/// As of any export that is read.
pub(super) async fn read_file(raw: &ExportStore, request: ReadRequest) -> Result<Attempt> {
    let export = &request.export.clone();
    let (archive, name) = place(export)?;
    let before = head(raw, archive, export).await?;
    let task = Task {
        request,
        modified_at: before.modified_at,
    };
    let (wanted, location) = (name.to_string(), export.location.clone());
    let attempt = opened(raw, &before, move |archive| {
        // it could be listed
        let archive = archive.map_err(|error| match is_damage(&error) {
            true => parts::changed(&location),
            false => unreadable(error, location.as_ref()),
        })?;
        let part = part_called(&archive, &wanted);
        let Some((size, packed)) = part.and_then(|part| archive.sizes(part)) else {
            return task.run_unpacked(io::empty(), nothing());
        };
        let told = (size, hash_told(&archive, part.unwrap_or_default()));
        if part != Some(&wanted) {
            return task.attempt(Err(unfit(&wanted, &location)), told, None);
        }
        match archive.read(&wanted) {
            Ok(None) => task.run_unpacked(io::empty(), nothing()),
            Ok(Some(unpacked)) => task.run_unpacked(bounded(Box::new(unpacked), packed), told),
            Err(error) => task.run_unpacked(Failing(Some(error)), told),
        }
    });
    let attempt = attempt.await?;
    let after = head(raw, archive, export).await?;
    match (before.size, before.modified_at, before.tag)
        == (after.size, after.modified_at, after.tag)
    {
        true => Ok(attempt),
        false => Err(parts::changed(&export.location)),
    }
}

/// What came of an archive of which no file is an export: it is damaged, or none is meant.
///
/// # Errors
/// `Unavailable` where storage fails; `Input` K0404 where it has changed.
pub(super) async fn read_none(raw: &ExportStore, request: ReadRequest) -> Result<Attempt> {
    let ReadRequest { export, source, .. } = &request;
    let found = head(raw, &export.path, export).await?;
    let error = match files(raw, &found).await {
        Err(error) if is_unreadable(&error) => error,
        Err(error) => return Err(error),
        Ok(files)
            if files
                .iter()
                .any(|file| is_export(source, &export.path, file)) =>
        {
            return Err(parts::changed(&export.location));
        }
        Ok(files) => none_meant(&files, &export.path),
    };
    let hash = hash(&raw.store.object_store(), &export.location, found.size).await?;
    let task = Task {
        request,
        modified_at: found.modified_at,
    };
    task.attempt(Err(error), (found.size, hash), None)
}

/// The names of its columns; `None` for one that cannot be read: whoever reads it says why.
///
/// # Errors
/// `Unavailable` where storage fails.
pub(super) async fn look_at_file(
    raw: &ExportStore,
    request: ReadRequest,
) -> Result<Option<Vec<String>>> {
    let export = &request.export.clone();
    let (archive, name) = place(export)?;
    let found = head(raw, archive, export).await?;
    let look = Look::new(request);
    let wanted = name.to_string();
    opened(raw, &found, move |archive| {
        let unpacked = archive.and_then(|archive| archive.read(&wanted));
        match unpacked {
            // what is wrong with its content is no business of who only looks, as elsewhere
            Ok(Some(unpacked)) => Ok(look.names(unpacked).unwrap_or_default()),
            Ok(None) => Ok(None),
            Err(error) if is_damage(&error) => Ok(None),
            Err(error) => Err(unreadable(error, &wanted)),
        }
    })
    .await
}

/// The hash by which the content of a file of an archive is told: of its bytes, else of what the list of contents says.
///
/// # Errors
/// Where the archive is gone, or storage fails.
pub(super) async fn hash_of_file(raw: &ExportStore, archive: &str, name: &str) -> Result<String> {
    let found = raw.store.head(archive).await?;
    let found = found.ok_or_else(|| {
        Error::input("the export is gone")
            .code(Code(404))
            .at(archive)
    })?;
    let (path, wanted) = (archive.to_string(), name.to_string());
    opened(raw, &found, move |archive| {
        let archive = archive.map_err(|error| unreadable(error, &path))?;
        let part = part_called(&archive, &wanted);
        let Some((_, packed)) = part.and_then(|part| archive.sizes(part)) else {
            return Ok(nothing().1);
        };
        let wanted = part.unwrap_or_default();
        if wanted.contains(char::is_control) {
            return Ok(hash_told(&archive, wanted));
        }
        let whole = match archive.read(wanted) {
            Ok(None) => return Ok(nothing().1),
            Ok(Some(unpacked)) => HashedBytes::new(bounded(Box::new(unpacked), packed)).finish(),
            Err(error) if is_damage(&error) => Ok(None),
            Err(error) => Err(error),
        };
        let whole = whole.map_err(|error| unreadable(error, &path))?;
        Ok(whole.map_or_else(|| hash_told(&archive, wanted), |(_, hash)| hash))
    })
    .await
}

/// What a file of an archive is called as an export. One whose name would not stay on its line is called by what stands for the
/// signs, and cannot be read: no ledger and no message could name it otherwise.
fn called(name: &str) -> Cow<'_, str> {
    match name.contains(char::is_control) {
        true => printable(name),
        false => Cow::Borrowed(name),
    }
}

/// The part of an archive that is called so as an export.
fn part_called<'a>(archive: &'a Archive, wanted: &str) -> Option<&'a str> {
    archive.file(wanted).or_else(|| {
        let mut files = archive.files().into_iter();
        files.find(|name| called(name) == wanted)
    })
}

fn unfit(name: &str, archive: &object_store::path::Path) -> Error {
    Error::input("the name of a file of an archive holds control characters")
        .code(Code(425))
        .at(format!("{archive}!{name}"))
        .help("let its sender choose a plain name")
}

/// Whether a file of an archive is an export of a source.
fn is_export(source: &Source, archive: &str, file: &ArchiveFile) -> bool {
    let path = format!("{archive}!{}", file.name);
    let mut patterns = source.patterns.iter();
    patterns.any(|pattern| pattern.archive.is_some() && pattern.matches(&path).is_some())
}

/// The archive and the name in it of an export.
fn place(export: &Export) -> Result<(&str, &str)> {
    crate::project::in_archive(&export.path)
        .ok_or_else(|| Error::internal("an export is no file of an archive").at(&export.path))
}

async fn head(raw: &ExportStore, archive: &str, export: &Export) -> Result<ObjectInfo> {
    let found = raw.store.head(archive).await?;
    found.ok_or_else(|| parts::gone(&export.location))
}

/// Works on an archive, off the threads that drive futures.
async fn opened<T: Send + 'static>(
    raw: &ExportStore,
    archive: &ObjectInfo,
    work: impl FnOnce(io::Result<Archive>) -> Result<T> + Send + 'static,
) -> Result<T> {
    let object = Object {
        store: raw.store.clone(),
        path: archive.path.clone(),
        size: archive.size,
        runtime: Handle::current(),
        at: 0,
        start: 0,
        fetched: Bytes::new(),
    };
    let reopen = move || Ok(Box::new(object.clone()) as Box<dyn zip::Bytes>);
    let (known, of) = (Arc::clone(&raw.archives), archive.clone());
    let worker = tokio::task::spawn_blocking(move || {
        work(match known.get(&of) {
            Some(contents) => Ok(Archive::known(reopen, contents)),
            None => {
                Archive::over(reopen).inspect(|archive| known.remember(&of, archive.contents()))
            }
        })
    });
    worker.await.map_err(|error| {
        Error::internal("a decoder broke down")
            .at(archive.path.as_str())
            .caused_by(error)
    })?
}

/// Size and hash of an export without a byte.
fn nothing() -> (u64, String) {
    (0, blake3::hash(&[]).to_hex().to_string())
}

fn hash_told(archive: &Archive, name: &str) -> String {
    let told = archive.told_of(name).unwrap_or_default();
    blake3::hash(told.as_bytes()).to_hex().to_string()
}

fn none_meant(files: &[ArchiveFile], archive: &str) -> Error {
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    Error::input(format!(
        "no file of the archive is one that `files` of the source names: {}",
        held(&names)
    ))
    .code(Code(354))
    .at(archive)
    .help("correct `files`, or ask its sender to deliver it again")
}

/// An object of the store as a file: its bytes are fetched where they are wanted.
#[derive(Clone)]
struct Object {
    store: Store,
    path: String,
    size: u64,
    runtime: Handle,
    at: u64,
    /// Where what was fetched last begins.
    start: u64,
    fetched: Bytes,
}

impl Read for Object {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.size || out.is_empty() {
            return Ok(0);
        }
        let end = self.start + self.fetched.len() as u64;
        if !(self.start..end).contains(&self.at) {
            let follows = self.at == end && !self.fetched.is_empty();
            let part = match follows {
                true => PART.min(self.fetched.len() as u64 * 2),
                false => FIRST_PART,
            };
            let range = self.at..self.size.min(self.at.saturating_add(part));
            let fetched = self.store.get_range(&self.path, range);
            let fetched = self.runtime.block_on(fetched).map_err(io::Error::other)?;
            self.fetched = fetched.unwrap_or_default();
            self.start = self.at;
        }
        let from = usize::try_from(self.at - self.start).unwrap_or(usize::MAX);
        let rest = self.fetched.get(from..).unwrap_or_default();
        if rest.is_empty() {
            return Err(io::Error::other("the archive changed while it was read"));
        }
        let length = rest.len().min(out.len());
        out[..length].copy_from_slice(&rest[..length]);
        self.at += length as u64;
        Ok(length)
    }
}

impl Seek for Object {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

/// A file that cannot even be begun.
struct Failing(Option<io::Error>);

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn an_archive_is_known_as_it_lies_there_and_the_last_few_alone() {
        let archive = |path: usize, size: u64| ObjectInfo {
            path: path.to_string(),
            size,
            modified_at: DateTime::UNIX_EPOCH,
            changed_at: DateTime::UNIX_EPOCH,
            tag: None,
        };
        let known = KnownArchives::default();
        known.remember(&archive(0, 1), Contents::default());
        assert!(known.get(&archive(0, 1)).is_some());
        assert!(known.get(&archive(0, 2)).is_none(), "it was replaced");
        known.remember(&archive(0, 2), Contents::default());
        assert!(known.get(&archive(0, 1)).is_none());
        (1..=MOST_KNOWN).for_each(|at| known.remember(&archive(at, 1), Contents::default()));
        assert!(known.get(&archive(0, 2)).is_none());
        assert!(known.get(&archive(1, 1)).is_some());
    }
}
