//! Listing a folder of this machine, every file of it.
//!
//! `LocalFileSystem::list` leaves out names that end in `#<digits>`: its own half-written files, but also any export
//! that a sender named so. An export that nobody sees would be a lost one, so we walk ourselves.

use std::io;
use std::path::Path;

use chrono::{DateTime, Utc};

use super::{ObjectInfo, unavailable};
use crate::diagnostic::Code;
use crate::error::{Error, Result};

/// No honest tree of exports is deeper; a ring of symbolic links is.
const DEEPEST: usize = 64;

/// Every file below `root/folder`, by path below `root`; links are followed. A folder that does not exist is empty.
pub(super) fn walk(root: &Path, folder: &str) -> Result<Vec<ObjectInfo>> {
    let mut files = Vec::new();
    let start = root.join(folder);
    let prefix = folder.trim_matches('/');
    visit(&start, prefix, 0, &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn visit(folder: &Path, prefix: &str, depth: usize, files: &mut Vec<ObjectInfo>) -> Result<()> {
    if depth > DEEPEST {
        return Err(
            Error::input(format!("folders are nested more than {DEEPEST} deep"))
                .code(Code(715))
                .at(folder.display().to_string())
                .help("does a symbolic link point to a folder above itself?"),
        );
    }
    let failed = |error: io::Error| unavailable(&folder.display().to_string(), error);
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        // deleted since its parent was read, or never there
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let Some(name) = name
            .to_str()
            .filter(|name| !name.chars().any(char::is_control))
        else {
            return Err(Error::input("a file's name is not readable text (UTF-8)")
                .code(Code(715))
                .at(entry.path().display().to_string())
                .help("rename or remove the file"));
        };
        let path = match prefix {
            "" => name.to_string(),
            prefix => format!("{prefix}/{name}"),
        };
        let Some(metadata) = followed(&entry.path())? else {
            continue;
        };
        if metadata.is_dir() {
            visit(&entry.path(), &path, depth + 1, files)?;
        } else if metadata.is_file() {
            let modified_at = DateTime::<Utc>::from(metadata.modified().map_err(failed)?);
            let changed_at = changed_at(&metadata);
            files.push(ObjectInfo {
                path,
                size: metadata.len(),
                modified_at,
                changed_at: changed_at.unwrap_or(modified_at),
                tag: changed_at.map(|at| format!("changed {}", at.format("%FT%H:%M:%S%.9fZ"))),
            });
        }
    }
    Ok(())
}

/// When the file system noted the last change of a file, be it of content, name or rights: no program sets it.
#[cfg(unix)]
fn changed_at(metadata: &std::fs::Metadata) -> Option<DateTime<Utc>> {
    use std::os::unix::fs::MetadataExt;
    let nanos = u32::try_from(metadata.ctime_nsec()).ok()?;
    DateTime::from_timestamp(metadata.ctime(), nanos)
}

#[cfg(not(unix))]
fn changed_at(_: &std::fs::Metadata) -> Option<DateTime<Utc>> {
    None
}

/// What the name stands for, links followed; `None` where it vanished since the folder was read.
fn followed(path: &Path) -> Result<Option<std::fs::Metadata>> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            match std::fs::symlink_metadata(path) {
                Ok(_) => Err(Error::input("a symbolic link points to nothing")
                    .code(Code(715))
                    .at(path.display().to_string())
                    .help("mend or remove the link")),
                Err(_) => Ok(None),
            }
        }
        Err(error) => Err(unavailable(&path.display().to_string(), error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(root: &Path, folder: &str) -> Vec<String> {
        let files = walk(root, folder).unwrap();
        files.into_iter().map(|file| file.path).collect()
    }

    #[test]
    fn names_that_end_in_a_number_sign_and_digits_are_seen() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("crm/new")).unwrap();
        for name in ["crm/a.csv#12", "crm/new/b.csv", "z.csv", "crm/a.csv"] {
            std::fs::write(root.path().join(name), name).unwrap();
        }
        assert_eq!(
            paths(root.path(), ""),
            ["crm/a.csv", "crm/a.csv#12", "crm/new/b.csv", "z.csv"]
        );
        assert_eq!(paths(root.path(), "crm/new"), ["crm/new/b.csv"]);
        assert!(paths(root.path(), "none").is_empty());
        let files = walk(root.path(), "").unwrap();
        assert_eq!(files[1].size, 12);
    }

    #[cfg(unix)]
    #[test]
    fn a_ring_of_links_is_an_error_and_not_an_endless_walk() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("a")).unwrap();
        std::os::unix::fs::symlink(root.path(), root.path().join("a/up")).unwrap();
        // the kernel gives up on 40 links in one path, or we do on depth: either way it ends, and says so
        assert!(walk(root.path(), "").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_broken_link_is_named() {
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("nowhere", root.path().join("link.csv")).unwrap();
        let error = walk(root.path(), "").unwrap_err().render();
        assert!(
            error.contains("K0715") && error.contains("link.csv"),
            "{error}"
        );
    }
}
