//! Creating a file exactly once on a disk without hard links (exFAT, some network mounts), where the object store
//! underneath cannot: write aside, then rename unless the name is taken.

use std::error::Error as _;
use std::io::{self, Write};
use std::path::Path;

use super::{PutOutcome, failure};
use crate::error::{ErrorKind, Result};

/// Whether a create failed because this disk has no hard links.
pub(super) fn is_needed(error: &object_store::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            let refused = [
                rustix::io::Errno::PERM,
                rustix::io::Errno::OPNOTSUPP,
                // the same number on Linux, another on macOS
                rustix::io::Errno::NOTSUP,
                rustix::io::Errno::NOSYS,
            ];
            return refused
                .iter()
                .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()));
        }
        cause = error.source();
    }
    false
}

/// Creates the file whole, unless one of that name exists.
pub(super) fn create(file: &Path, bytes: &[u8]) -> Result<PutOutcome> {
    match write_aside_and_rename(file, bytes) {
        Ok(()) => Ok(PutOutcome::Created),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(PutOutcome::Exists),
        Err(error) => {
            let has_no_room = failure::has_no_room(&error);
            let error = failure::local(file.display().to_string(), error);
            match error.kind() {
                ErrorKind::Config => Err(error),
                _ if has_no_room => Err(error),
                // a network disk may have done it and lost the answer
                _ => Ok(PutOutcome::Unknown(error)),
            }
        }
    }
}

fn write_aside_and_rename(file: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let (mut opened, aside) = open_aside(file)?;
    let written = opened.write_all(bytes).and_then(|()| rename(&aside, file));
    if written.is_err() {
        // what failed is told; a file that stays behind under this name is nobody's
        let _ = std::fs::remove_file(&aside);
    }
    written
}

/// A new file beside the one to be, under a name that listings know as half-written.
fn open_aside(file: &Path) -> io::Result<(std::fs::File, std::path::PathBuf)> {
    let mut number = 1_u32;
    loop {
        let mut name = file.as_os_str().to_os_string();
        name.push(format!("#{number}"));
        let aside = std::path::PathBuf::from(name);
        match std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&aside)
        {
            Ok(opened) => return Ok((opened, aside)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error),
        }
    }
}

#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?)
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn rename(_from: &Path, _to: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(all(test, any(target_os = "linux", target_vendor = "apple")))]
mod tests {
    use super::*;

    #[test]
    fn the_first_creator_wins_and_the_second_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a/b.json");
        assert!(matches!(create(&file, b"1").unwrap(), PutOutcome::Created));
        assert!(matches!(create(&file, b"2").unwrap(), PutOutcome::Exists));
        assert_eq!(std::fs::read(&file).unwrap(), b"1");
        assert_eq!(
            std::fs::read_dir(folder.path().join("a")).unwrap().count(),
            1
        );
    }

    #[test]
    fn only_a_refused_link_needs_it() {
        let failed = |errno: rustix::io::Errno| object_store::Error::Generic {
            store: "test",
            source: io::Error::from(errno).into(),
        };
        assert!(is_needed(&failed(rustix::io::Errno::PERM)));
        assert!(!is_needed(&failed(rustix::io::Errno::NOSPC)));
    }
}
