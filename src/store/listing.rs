//! Listing a folder of this machine, every file of it.
//!
//! `LocalFileSystem::list` leaves out names that end in `#<digits>`: its own half-written files, but also any export
//! that a sender named so. An export that nobody sees would be a lost one, so we walk ourselves, as `ls -LR` does: links
//! are followed, out of the folder too, but never upwards and not into a whole machine. What cannot be read is listed beside
//! the files, so that whoever needs it can say so.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::{ObjectInfo, failure};
use crate::diagnostic::{Code, printable};
use crate::error::{Error, Result};

/// No honest tree of exports is deeper.
const DEEPEST: usize = 64;

/// No honest folder behind a link holds more files and folders, those reached by further links among them. Links need not lead
/// in a ring to be without end: thirty folders, each with two links to the next, are a thousand million paths.
pub(super) const MOST_BEHIND_A_LINK: usize = 100_000;

/// A file or folder that is there and cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    /// Path below the store's location; what is no text in it is shown as `\xff` or `\n`.
    pub(crate) path: String,
    pub(crate) fault: Fault,
    /// Whether files may lie below it.
    pub(crate) is_folder: bool,
}

/// Why something cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    NameNotText,
    NameOfManyLines,
    /// `<name>#<digits>`: the store underneath addresses no such file.
    NameOfHalfFile,
    LinkToNothing,
    LinkToFolderAbove,
    /// To itself, or to one that leads back to it.
    LinkInARing,
    LinkToTooMuch,
    TooDeep,
    NeitherFileNorFolder,
    /// The system does not give it; what it says.
    Refused(String),
}

impl Fault {
    /// What is wrong, and what to do.
    fn told(&self) -> (String, &'static str) {
        const RENAME: &str = "rename the file, or let its sender choose a plain name";
        let (reason, help) = match self {
            Self::NameNotText => ("the name is not UTF-8", RENAME),
            Self::NameOfManyLines => (
                "the name holds a line break or another control character",
                RENAME,
            ),
            Self::NameOfHalfFile => (
                "the name ends in `#` and digits, as that of a half-written file does",
                RENAME,
            ),
            Self::LinkToNothing => (
                "the symbolic link points to nothing",
                "mend or remove the link",
            ),
            Self::LinkToFolderAbove => (
                "the symbolic link leads to a folder above itself",
                "remove the link",
            ),
            Self::LinkInARing => ("the symbolic link leads back to itself", "remove the link"),
            Self::LinkToTooMuch => (
                "more than 100,000 files and folders lie behind the symbolic link",
                "remove the link, or lay the exports themselves there",
            ),
            Self::TooDeep => (
                "folders are nested too deep",
                "does a symbolic link make a ring?",
            ),
            Self::NeitherFileNorFolder => (
                "this is neither a file nor a folder",
                "remove it, or name files only in `files`",
            ),
            Self::Refused(said) => {
                return (
                    format!("this cannot be read: {said}"),
                    "give the right to whoever runs kilde, or mend the disk",
                );
            }
        };
        (reason.to_string(), help)
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Refused(error.to_string())
    }
}

impl Unreadable {
    /// The error of whoever needs it.
    pub(crate) fn error(&self) -> Error {
        let (reason, help) = self.fault.told();
        let error = match &self.fault {
            Fault::Refused(_) => Error::unavailable(reason).code(Code(703)),
            _ => Error::input(reason).code(Code(715)),
        };
        error.at(self.path.as_str()).help(help)
    }
}

/// Everything below a folder.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listing {
    /// By path.
    pub(crate) files: Vec<ObjectInfo>,
    pub(crate) unreadable: Vec<Unreadable>,
}

/// Everything below `root/folder`, by path below `root`. A folder that does not exist is empty; a linked one that holds more
/// than so much is not walked.
///
/// # Errors
/// `Unavailable` where `root` itself cannot be read.
pub(super) fn walk(root: &Path, folder: &str, most_behind_a_link: usize) -> Result<Listing> {
    let prefix = folder.trim_matches('/');
    let start = root.join(prefix);
    match std::fs::symlink_metadata(&start) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Listing::default()),
        Err(error) => return Err(failure::local(start.display().to_string(), error)),
    }
    let folders = start.ancestors().skip(usize::from(!prefix.is_empty()));
    let mut walk = Walk {
        above: folders.map(Path::to_path_buf).collect(),
        depth: prefix.split('/').filter(|name| !name.is_empty()).count(),
        most_behind_a_link,
        room_behind_link: None,
        found: Listing::default(),
    };
    match prefix {
        "" => {
            let entries = std::fs::read_dir(root);
            let denied = |error| failure::local(root.display().to_string(), error);
            walk.visit(entries.map_err(denied)?, "");
        }
        prefix => walk.folder(&start, prefix),
    }
    let mut found = walk.found;
    found.files.sort_by(|a, b| a.path.cmp(&b.path));
    found.unreadable.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Names of the folders right below `root`, sorted; those that are no text hold nothing of ours.
///
/// # Errors
/// `Unavailable` where `root` cannot be read.
pub(super) fn folders(root: &Path) -> Result<Vec<String>> {
    let denied = |error| failure::local(root.display().to_string(), error);
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(root).map_err(denied)? {
        let entry = entry.map_err(denied)?;
        let is_folder = std::fs::metadata(entry.path()).is_ok_and(|found| found.is_dir());
        folders.extend(entry.file_name().into_string().ok().filter(|_| is_folder));
    }
    folders.sort();
    Ok(folders)
}

/// A walk under way.
struct Walk {
    /// The folders that lead to the one that is visited, from the root of the machine on, by their real paths: a link to one of
    /// them is a ring.
    above: Vec<PathBuf>,
    /// How many folders below the root of the walk the visited one is.
    depth: usize,
    most_behind_a_link: usize,
    /// Below a link: how many entries may still come.
    room_behind_link: Option<usize>,
    found: Listing,
}

impl Walk {
    fn visit(&mut self, entries: std::fs::ReadDir, prefix: &str) {
        for entry in entries {
            match self.room_behind_link.as_mut() {
                Some(0) => return,
                Some(room) => *room -= 1,
                None => {}
            }
            match entry {
                Ok(entry) => self.entry(&entry.path(), &entry.file_name(), prefix),
                Err(error) => return self.unreadable(prefix, error.into(), true),
            }
        }
    }

    fn entry(&mut self, file: &Path, name: &OsStr, prefix: &str) {
        let path = match prefix {
            "" => text_of(name),
            prefix => format!("{prefix}/{}", text_of(name)),
        };
        let metadata = match followed(file) {
            Ok(Some(metadata)) => metadata,
            // deleted since its folder was read
            Ok(None) => return,
            Err(fault) => return self.unreadable(&path, fault, false),
        };
        if let Err(fault) = check_name(name) {
            return self.unreadable(&path, fault, metadata.is_dir());
        }
        if metadata.is_dir() {
            return self.folder(file, &path);
        }
        let modified = metadata.modified().map(DateTime::<Utc>::from);
        match modified {
            Ok(modified_at) if metadata.is_file() => {
                let changed_at = changed_at(&metadata);
                self.found.files.push(ObjectInfo {
                    path,
                    size: metadata.len(),
                    modified_at,
                    changed_at: changed_at.unwrap_or(modified_at),
                    tag: changed_at.map(|at| format!("changed {}", at.format("%FT%H:%M:%S%.9fZ"))),
                });
            }
            Ok(_) => self.unreadable(&path, Fault::NeitherFileNorFolder, false),
            Err(error) => self.unreadable(&path, error.into(), false),
        }
    }

    fn folder(&mut self, file: &Path, path: &str) {
        let real = match std::fs::canonicalize(file) {
            Ok(real) => real,
            Err(error) => return self.unreadable(path, error.into(), true),
        };
        if self.above.contains(&real) {
            return self.unreadable(path, Fault::LinkToFolderAbove, true);
        }
        if self.depth > DEEPEST {
            return self.unreadable(path, Fault::TooDeep, true);
        }
        let entries = match std::fs::read_dir(file) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return self.unreadable(path, error.into(), true),
        };
        let is_first_link = self.room_behind_link.is_none() && is_link(file);
        let before = (self.found.files.len(), self.found.unreadable.len());
        if is_first_link {
            self.room_behind_link = Some(self.most_behind_a_link + 1);
        }
        self.above.push(real);
        self.depth += 1;
        self.visit(entries, path);
        self.depth -= 1;
        self.above.pop();
        if is_first_link && self.room_behind_link.take() == Some(0) {
            self.found.files.truncate(before.0);
            self.found.unreadable.truncate(before.1);
            self.unreadable(path, Fault::LinkToTooMuch, true);
        }
    }

    fn unreadable(&mut self, path: &str, fault: Fault, is_folder: bool) {
        self.found.unreadable.push(Unreadable {
            path: path.to_string(),
            fault,
            is_folder,
        });
    }
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
fn followed(path: &Path) -> Result<Option<std::fs::Metadata>, Fault> {
    let error = match std::fs::metadata(path) {
        Ok(metadata) => return Ok(Some(metadata)),
        Err(error) => error,
    };
    match error.kind() {
        io::ErrorKind::NotFound => match std::fs::symlink_metadata(path) {
            Ok(_) => Err(Fault::LinkToNothing),
            Err(_) => Ok(None),
        },
        io::ErrorKind::PermissionDenied => Err(error.into()),
        // the kind has no name of its own yet
        _ if is_link(path) && is_ring(path) => Err(Fault::LinkInARing),
        _ => Err(error.into()),
    }
}

fn is_link(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
}

/// Whether links lead from one to the next for longer than any system follows them.
fn is_ring(path: &Path) -> bool {
    let mut at = path.to_path_buf();
    for _ in 0..DEEPEST {
        match std::fs::read_link(&at) {
            Ok(target) => {
                at = at
                    .parent()
                    .map_or(target.clone(), |parent| parent.join(target))
            }
            Err(_) => return false,
        }
    }
    true
}

fn check_name(name: &OsStr) -> Result<(), Fault> {
    match name.to_str() {
        None => Err(Fault::NameNotText),
        Some(name) if name.chars().any(char::is_control) => Err(Fault::NameOfManyLines),
        Some(_) => Ok(()),
    }
}

/// A name as text; what is no text, or no single line, is escaped. All else stays what it is: the file is found by it.
fn text_of(name: &OsStr) -> String {
    if let (Some(text), Ok(())) = (name.to_str(), check_name(name)) {
        return text.to_string();
    }
    let mut text = String::new();
    for chunk in name.as_encoded_bytes().utf8_chunks() {
        text.push_str(&printable(chunk.valid()));
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    text
}

/// Whether the store underneath takes a file of this name for one of its own, not yet complete.
pub(super) fn is_half_file(path: &str) -> bool {
    let digits = path.rsplit_once('#').map(|(_, digits)| digits);
    digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(root: &Path, folder: &str) -> Vec<String> {
        let files = walk(root, folder, 1000).unwrap().files;
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
        let files = walk(root.path(), "", 1000).unwrap().files;
        assert_eq!(files[1].size, 12);
        let halves = ["a.csv#12", "a#", "a#1b", "a.csv", "#7"].map(is_half_file);
        assert_eq!(halves, [true, true, false, false, true]);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_wherever_they_lead_but_never_in_a_ring() {
        use std::os::unix::fs::symlink;
        let (root, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let at = |path: &str| root.path().join(path);
        std::fs::create_dir_all(at("a/b")).unwrap();
        std::fs::write(at("a/b/x.csv"), "").unwrap();
        std::fs::write(elsewhere.path().join("y.csv"), "").unwrap();
        symlink(root.path(), elsewhere.path().join("back")).unwrap();
        symlink(elsewhere.path(), at("a/out")).unwrap();
        symlink("..", at("a/b/up")).unwrap();
        symlink("self", at("self")).unwrap();
        symlink("nowhere", at("link.csv")).unwrap();
        symlink("x.csv", at("a/b/z.csv")).unwrap();
        let found = walk(root.path(), "", 1000).unwrap();
        let files: Vec<_> = found.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(files, ["a/b/x.csv", "a/b/z.csv", "a/out/y.csv"]);
        let unreadable = found
            .unreadable
            .iter()
            .map(|one| (one.path.as_str(), &one.fault));
        let unreadable: Vec<_> = unreadable.collect();
        assert_eq!(unreadable[0], ("a/b/up", &Fault::LinkToFolderAbove));
        assert_eq!(unreadable[1], ("a/out/back", &Fault::LinkToFolderAbove));
        assert_eq!(unreadable[2], ("link.csv", &Fault::LinkToNothing));
        assert_eq!(unreadable[3], ("self", &Fault::LinkInARing));
        // a ring that leads above the folder that is listed ends too
        let found = walk(root.path(), "a/b", 1000).unwrap();
        assert_eq!(found.files.len(), 2);
        assert_eq!(found.unreadable[0].path, "a/b/up");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_a_folder_above_the_root_or_to_paths_without_end_is_not_walked() {
        use std::os::unix::fs::symlink;
        let root = tempfile::tempdir().unwrap();
        // a walk begins where links are resolved
        let root = root.path().canonicalize().unwrap();
        let at = |path: &str| root.join(path);
        symlink("/", {
            std::fs::create_dir(at("raw")).unwrap();
            at("raw/all")
        })
        .unwrap();
        std::fs::write(at("raw/x.csv"), "").unwrap();
        for folder in 0..30 {
            let name = format!("folders/{folder}");
            std::fs::create_dir_all(at(&name)).unwrap();
            for link in ["a", "b"] {
                symlink(at(&format!("folders/{}", folder + 1)), at(&name).join(link)).unwrap();
            }
        }
        std::fs::create_dir_all(at("folders/30")).unwrap();
        symlink(at("folders/0"), at("raw/endless")).unwrap();
        let found = walk(&at("raw"), "", 1000).unwrap();
        let files: Vec<_> = found.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(files, ["x.csv"]);
        let unreadable = found.unreadable.iter();
        let unreadable: Vec<_> = unreadable.map(|o| (o.path.as_str(), &o.fault)).collect();
        let expected = [
            ("all", &Fault::LinkToFolderAbove),
            ("endless", &Fault::LinkToTooMuch),
        ];
        assert_eq!(unreadable, expected);
    }

    #[test]
    fn folders_right_below_are_named_and_files_are_not() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("gold/a")).unwrap();
        std::fs::create_dir(root.path().join("_kilde")).unwrap();
        std::fs::write(root.path().join("x"), "").unwrap();
        assert_eq!(folders(root.path()).unwrap(), ["_kilde", "gold"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn names_that_are_no_line_of_text_are_told_and_shown_escaped() {
        use std::os::unix::ffi::OsStrExt;
        let root = tempfile::tempdir().unwrap();
        for name in [&b"a\nb.csv"[..], b"c\xffd.csv", b"e.csv"] {
            std::fs::write(root.path().join(OsStr::from_bytes(name)), "").unwrap();
        }
        let found = walk(root.path(), "", 1000).unwrap();
        assert_eq!(found.files.len(), 1);
        let told: Vec<String> = found
            .unreadable
            .iter()
            .map(|one| one.error().render())
            .collect();
        assert!(
            told[0].contains("line break") && told[0].contains("--> a\\nb.csv"),
            "{told:?}"
        );
        assert!(
            told[1].contains("not UTF-8") && told[1].contains("--> c\\xffd.csv"),
            "{told:?}"
        );
    }
}
