//! Where the bytes lie that are looked into: a file, or one of several in an archive.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::ingest::Archive;

/// A file of this machine, or one in an archive of this machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    file: PathBuf,
    /// Its name in there.
    within: Option<String>,
}

impl Place {
    pub(super) fn on_disk(file: PathBuf) -> Self {
        Self { file, within: None }
    }

    pub(super) fn in_archive(archive: PathBuf, name: &str) -> Self {
        Self {
            file: archive,
            within: Some(name.to_string()),
        }
    }

    /// The file, where all of it is meant.
    pub(super) fn file(&self) -> Option<&Path> {
        match self.within {
            None => Some(&self.file),
            Some(_) => None,
        }
    }

    /// What it is called in messages.
    pub(super) fn shown(&self) -> PathBuf {
        match &self.within {
            None => self.file.clone(),
            Some(name) => format!("{}!{name}", self.file.display()).into(),
        }
    }

    /// How many bytes it has; in an archive, unpacked.
    ///
    /// # Errors
    /// Those of the disk, or of a damaged archive.
    pub(super) fn size(&self) -> io::Result<u64> {
        match &self.within {
            None => Ok(std::fs::metadata(&self.file)?.len()),
            Some(name) => {
                let sizes = Archive::open(&self.file)?.sizes(name);
                sizes.map(|(unpacked, _)| unpacked).ok_or_else(gone)
            }
        }
    }

    /// Its bytes; in an archive, unpacked.
    ///
    /// # Errors
    /// Those of the disk, or of an archive that is damaged or needs a password.
    pub(super) fn open(&self) -> io::Result<Box<dyn Read>> {
        match &self.within {
            None => Ok(Box::new(File::open(&self.file)?)),
            Some(name) => {
                let bytes = Archive::open(&self.file)?.read(name)?;
                Ok(Box::new(bytes.ok_or_else(gone)?))
            }
        }
    }
}

fn gone() -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        "the archive no longer has this file",
    )
}
