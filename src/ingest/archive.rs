//! An export that is a ZIP archive: the one file in it that the source reads, by way of a copy on the builder's disk.
//!
//! The archive is the export, as its sender knows it: one entry of the ledger, one receipt. Of several files the source says
//! which it reads (`member`); several sources may read one archive.

use std::io::{Cursor, Read};
use std::path::Path;

use super::format::{copy, unreadable};
use super::zip::Archive;
use crate::diagnostic::{Code, printable};
use crate::error::{Error, Result};
use crate::project::{PathPattern, Read as Declared};

/// An archive that holds something, and an empty one.
pub(super) const MAGICS: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];
/// Names that a message lists.
const LISTED: usize = 5;

/// Whether the content is an archive, and the content with its first bytes still in it. A workbook is none that counts.
///
/// # Errors
/// `Input` where it cannot be read; those of storage.
pub(super) fn is_archive<'a>(
    mut content: Box<dyn Read + 'a>,
    read: &Declared,
    file: &str,
) -> Result<(bool, Box<dyn Read + 'a>)> {
    if matches!(read, Declared::Xlsx(_)) && !file.to_lowercase().ends_with(".zip") {
        return Ok((false, content));
    }
    let mut start = Vec::with_capacity(4);
    let first = content.by_ref().take(4).read_to_end(&mut start);
    first.map_err(|error| unreadable(error, file))?;
    let is_named_so = file.to_lowercase().ends_with(".zip") && !start.is_empty();
    let is_archive = is_named_so || MAGICS.contains(&start.as_slice());
    Ok((is_archive, Box::new(Cursor::new(start).chain(content))))
}

/// The file of an archive that is the export's content. `member`: which of several; `to`: a file that is written.
///
/// # Errors
/// `Input` where the archive is damaged, or none of its files or several are meant.
pub(super) fn only_file(
    mut archive: Box<dyn Read + '_>,
    member: Option<&PathPattern>,
    file: &str,
    to: &Path,
) -> Result<Box<dyn Read>> {
    let damaged = |error| unreadable(error, file);
    copy(&mut archive, to, file)?;
    let archive = Archive::open(to).map_err(damaged)?;
    let files = archive.files();
    let meant: Vec<&str> = match member {
        None => files.clone(),
        Some(member) => {
            let is_meant = |name: &&str| member.matches(name).is_some();
            files.iter().copied().filter(is_meant).collect()
        }
    };
    match meant[..] {
        [only] => match archive.read(only).map_err(damaged)? {
            Some(bytes) => Ok(Box::new(bytes)),
            None => Err(Error::internal("a file of an archive is gone").at(file)),
        },
        _ => Err(not_one(&files, meant.len(), member, file)),
    }
}

/// What an archive holds, for messages.
pub(super) fn held(files: &[&str]) -> String {
    let names = files.iter().take(LISTED).map(|name| printable(name));
    let names: Vec<_> = names.collect();
    let more = if files.len() > LISTED { ", …" } else { "" };
    match names.is_empty() {
        true => "it holds none".to_string(),
        false => format!("it holds {}{more}", names.join(", ")),
    }
}

fn not_one(files: &[&str], meant: usize, member: Option<&PathPattern>, file: &str) -> Error {
    let holds = held(files);
    let (message, help) = match member {
        None if files.is_empty() => (
            "the archive holds no file".to_string(),
            "ask its sender to deliver it again".to_string(),
        ),
        None => (
            format!(
                "the archive holds {} files, and an export is one",
                files.len()
            ),
            format!(
                "say which the source reads, `member: \"orders*.csv\"`, or make each an export, `files: \"….zip!orders*.csv\"`: {holds}"
            ),
        ),
        Some(member) => (
            format!("`member: {}` is {meant} files of the archive", member.text),
            format!("it must be one; {holds}"),
        ),
    };
    Error::input(message).code(Code(354)).at(file).help(help)
}
