//! The folder of one engine below the spill folder, which many processes may share: known by its name, held by a lock.
//!
//! A process that is killed removes nothing. The lock of its folder goes with it, so that others know the folder for
//! abandoned; where the file system has no locks no folder has a `lock`, and nobody's folder is removed.

use std::fs::{self, DirEntry, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

/// Before a number: the lowest that is free.
const NAME: &str = "kilde-scratch-";
/// A folder gets it when it is locked, never before.
const LOCK: &str = "lock";

/// Removed when dropped.
#[derive(Debug)]
pub(crate) struct SpillFolder {
    path: PathBuf,
    /// Held while the process lives.
    lock: Option<File>,
}

/// What killed processes left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Abandoned {
    pub(crate) folders: usize,
    pub(crate) bytes: u64,
}

impl SpillFolder {
    /// A new one below `spill_dir`, which is made where it is missing.
    ///
    /// # Errors
    /// Those of the file system.
    pub(crate) fn claim(spill_dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(spill_dir)?;
        let mut number = 0_u64;
        let path = loop {
            let path = spill_dir.join(format!("{NAME}{number}"));
            match create_private(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                created => break created.map(|()| path)?,
            }
        };
        let mut folder = Self { path, lock: None };
        let unlocked = folder.path.join("new");
        let lock = File::create_new(&unlocked)?;
        if lock.try_lock().is_ok() {
            fs::rename(&unlocked, folder.path.join(LOCK))?;
            folder.lock = Some(lock);
        }
        Ok(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What killed processes of this user left beside it.
    pub(crate) fn abandoned(&self) -> Abandoned {
        self.each_abandoned(|_| Ok(()))
    }

    /// Removes that; what cannot be removed stays uncounted.
    pub(crate) fn remove_abandoned(&self) -> Abandoned {
        self.each_abandoned(remove)
    }

    fn each_abandoned(&self, act: impl Fn(&Path) -> io::Result<()>) -> Abandoned {
        let mut found = Abandoned::default();
        let beside = self.path.parent().map(fs::read_dir);
        let Some(Ok(entries)) = beside else {
            return found;
        };
        for entry in entries.flatten().filter(|entry| self.is_alike(entry)) {
            let path = entry.path();
            let Ok(lock) = File::open(path.join(LOCK)) else {
                continue;
            };
            if lock.try_lock().is_err() {
                continue;
            }
            let bytes = size(&path);
            if act(&path).is_ok() {
                found.folders += 1;
                found.bytes += bytes;
            }
        }
        found
    }

    /// Whether an entry is a folder of this name and user. A link that somebody puts there is none.
    fn is_alike(&self, entry: &DirEntry) -> bool {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(NAME));
        let is_named = number.is_some_and(|number| number.parse::<u64>().is_ok());
        let (own, other) = (fs::metadata(&self.path), entry.metadata());
        is_named
            && entry.path() != self.path
            && matches!((own, other), (Ok(own), Ok(other)) if other.is_dir() && is_of_one_user(&own, &other))
    }
}

impl Drop for SpillFolder {
    fn drop(&mut self) {
        // what stays is abandoned when the lock goes, and told by its name
        let _ = remove(&self.path);
    }
}

/// The lock last, so that what is left of a removal that is cut short is still known for abandoned.
fn remove(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else if entry.file_name() != LOCK {
            fs::remove_file(entry.path())?;
        }
    }
    fs::remove_dir_all(folder)
}

/// Bytes of the files below.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

/// What spills are records of people: nobody else may read them.
#[cfg(unix)]
fn create_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn create_private(folder: &Path) -> io::Result<()> {
    fs::create_dir(folder)
}

#[cfg(unix)]
fn is_of_one_user(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    one.uid() == other.uid()
}

#[cfg(not(unix))]
fn is_of_one_user(_one: &Metadata, _other: &Metadata) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a killed process leaves it: nobody holds the lock.
    fn kill(folder: SpillFolder) -> PathBuf {
        let mut folder = std::mem::ManuallyDrop::new(folder);
        folder.lock = None;
        folder.path.clone()
    }

    #[test]
    fn only_what_a_dead_process_left_is_removed() {
        let disk = tempfile::tempdir().unwrap();
        let claim = || SpillFolder::claim(disk.path()).unwrap();
        let (dead, live, own) = (claim(), claim(), claim());
        for folder in [&dead, &live] {
            fs::create_dir(folder.path().join("below")).unwrap();
            fs::write(folder.path().join("below/rows"), [0; 1000]).unwrap();
        }
        let dead = kill(dead);
        // one whose owner was about to lock it, or cannot
        let unlocked = disk.path().join(format!("{NAME}77"));
        fs::create_dir(&unlocked).unwrap();
        let foreign = disk.path().join("kilde-scratch-of-mine");
        fs::create_dir(&foreign).unwrap();
        fs::write(foreign.join(LOCK), "").unwrap();

        let found = Abandoned {
            folders: 1,
            bytes: 1000,
        };
        assert_eq!(own.abandoned(), found);
        assert!(dead.exists());
        assert_eq!(own.remove_abandoned(), found);
        assert_eq!(own.abandoned(), Abandoned::default());
        assert!(!dead.exists());
        assert!(live.path().join("below/rows").exists() && unlocked.exists() && foreign.exists());

        let gone = live.path().to_path_buf();
        drop(live);
        assert!(!gone.exists());
        assert_eq!(claim().path(), dead, "the lowest number that is free");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_another_folder_is_not_followed() {
        let disk = tempfile::tempdir().unwrap();
        let project = tempfile::tempdir().unwrap();
        fs::write(project.path().join(LOCK), "").unwrap();
        let link = disk.path().join(format!("{NAME}5"));
        std::os::unix::fs::symlink(project.path(), link).unwrap();
        let own = SpillFolder::claim(disk.path()).unwrap();
        assert_eq!(own.remove_abandoned(), Abandoned::default());
        assert!(project.path().join(LOCK).exists());
    }
}
