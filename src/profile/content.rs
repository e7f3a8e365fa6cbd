//! The first bytes of a file, unpacked and as text: enough to tell what it is, and no more than fits into memory.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use encoding_rs::{UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::place::Place;
use crate::error::{Error, Result};
use crate::ingest::{Archive, text_of_avro, unpacked};
use crate::project::Encoding;

/// Bytes of a text that are looked at; of a longer one, the lines that end within them.
pub(super) const MOST_BYTES: u64 = 64 << 20;

/// What the first bytes say of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContentKind {
    /// Nothing in it.
    Empty,
    Text,
    Parquet,
    /// A ZIP archive, as workbooks are.
    Zip,
    Avro,
    /// A workbook of before 2007.
    OldWorkbook,
    /// No text, and nothing known.
    Binary,
}

/// What the first bytes say.
pub(super) fn kind(place: &Place) -> Result<ContentKind> {
    let mut start = Vec::new();
    let unreadable = |error| unreadable(&place.shown(), error);
    let file = open(place)?;
    file.bytes
        .take(4096)
        .read_to_end(&mut start)
        .map_err(unreadable)?;
    Ok(match &start[..] {
        [] => ContentKind::Empty,
        [b'P', b'A', b'R', b'1', ..] => ContentKind::Parquet,
        [b'O', b'b', b'j', 1, ..] => ContentKind::Avro,
        [b'P', b'K', 3 | 5, ..] => ContentKind::Zip,
        [0xd0, 0xcf, 0x11, 0xe0, ..] => ContentKind::OldWorkbook,
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => ContentKind::Text,
        start if looks_like_utf_16(start).is_some() => ContentKind::Text,
        // a text may hold a stray NUL, hardly two in a hundred bytes
        start if start.iter().filter(|byte| **byte == 0).count() * 50 > start.len() => {
            ContentKind::Binary
        }
        _ => ContentKind::Text,
    })
}

/// The text of a file.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) text: String,
    pub(super) encoding: Encoding,
    /// How sure the encoding is, from 0 to 1.
    pub(super) encoding_confidence: f64,
    /// A byte order mark came first: readers need not be told.
    pub(super) has_mark: bool,
    /// `gzip`, `zstd`, `bzip2`, `zip`.
    pub(super) packed: Option<&'static str>,
    /// `false`: the file goes on.
    pub(super) is_whole: bool,
}

struct Opened {
    bytes: Box<dyn Read>,
    packed: Option<&'static str>,
}

fn open(place: &Place) -> Result<Opened> {
    let unreadable = |error| unreadable(&place.shown(), error);
    let mut file = BufReader::with_capacity(1 << 16, place.open().map_err(unreadable)?);
    let start = file.fill_buf().map_err(unreadable)?;
    if start.starts_with(b"PK\x03\x04")
        && let Some(only) = place.file().and_then(only_file)
    {
        return Ok(Opened {
            bytes: Box::new(only),
            packed: Some("zip"),
        });
    }
    let name = place.shown().display().to_string();
    let (packed, bytes) = unpacked(file, &name).map_err(unreadable)?;
    Ok(Opened { bytes, packed })
}

/// The file of an archive that holds one.
fn only_file(path: &Path) -> Option<impl Read + use<>> {
    let archive = Archive::open(path).ok()?;
    match archive.files()[..] {
        [only] => archive.read(only).ok()?,
        _ => None,
    }
}

/// The records of an Avro container as a text, a line each.
///
/// # Errors
/// `Input` where the file cannot be read.
pub(super) fn avro(place: &Place) -> Result<Content> {
    let mut opened = open(place)?;
    let name = place.shown().display().to_string();
    let (text, is_whole) = text_of_avro(&mut opened.bytes, &name, MOST_BYTES as usize)?;
    Ok(Content {
        text,
        encoding: Encoding::Utf8,
        encoding_confidence: 1.0,
        has_mark: false,
        packed: opened.packed,
        is_whole,
    })
}

pub(super) fn unreadable(path: &Path, error: io::Error) -> Error {
    Error::input("the file cannot be read")
        .at(path.display().to_string())
        .caused_by(error)
}

/// Reads a text.
///
/// # Errors
/// `Input` where the file cannot be read or unpacked.
pub(super) fn read(place: &Place) -> Result<Content> {
    let opened = open(place)?;
    let mut bytes = Vec::new();
    opened
        .bytes
        .take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(&place.shown(), error))?;
    let is_whole = bytes.len() as u64 <= MOST_BYTES;
    let (mut text, encoding, encoding_confidence, has_mark) = decoded(&bytes);
    if !is_whole && let Some(end) = text.rfind('\n') {
        text.truncate(end + 1);
    }
    Ok(Content {
        text,
        encoding,
        encoding_confidence,
        has_mark,
        packed: opened.packed,
        is_whole,
    })
}

/// The text, its encoding, how sure that is, and whether a mark said so.
fn decoded(bytes: &[u8]) -> (String, Encoding, f64, bool) {
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => {
            let text = String::from_utf8_lossy(rest).into_owned();
            return (text, Encoding::Utf8, 1.0, true);
        }
        [0xff, 0xfe, ..] => return (UTF_16LE.decode(bytes).0.into(), Encoding::Utf16, 1.0, true),
        [0xfe, 0xff, ..] => return (UTF_16BE.decode(bytes).0.into(), Encoding::Utf16, 1.0, true),
        _ => {}
    }
    if let Some(encoding) = looks_like_utf_16(bytes) {
        return (encoding.decode(bytes).0.into(), Encoding::Utf16, 0.9, false);
    }
    let broken = match std::str::from_utf8(bytes) {
        Ok(text) => {
            // plain ASCII is everything at once
            return (
                text.to_string(),
                Encoding::Utf8,
                if text.is_ascii() { 1.0 } else { 0.99 },
                false,
            );
        }
        // the last character may be cut in two
        Err(error) if error.error_len().is_none() => 0,
        Err(_) => broken_bytes(bytes),
    };
    let lossy = String::from_utf8_lossy(bytes);
    let wide = lossy
        .chars()
        .filter(|c| !c.is_ascii() && *c != char::REPLACEMENT_CHARACTER)
        .count();
    if broken * 10 <= wide {
        let confidence = if broken == 0 { 0.99 } else { 0.8 };
        return (lossy.into_owned(), Encoding::Utf8, confidence, false);
    }
    let text = WINDOWS_1252.decode_without_bom_handling(bytes).0;
    // letters of Europe, and not the signs that stand where another encoding has its letters
    let letters = text
        .chars()
        .filter(|c| !c.is_ascii() && c.is_alphabetic())
        .count();
    let others = text
        .chars()
        .filter(|c| !c.is_ascii() && !c.is_alphabetic())
        .count();
    let confidence = 0.5 + 0.45 * letters as f64 / (letters + others).max(1) as f64;
    // latin 1 without its controls reads the same, and the wider of the two reads tomorrow's euro sign as well
    (text.into_owned(), Encoding::WINDOWS_1252, confidence, false)
}

/// Sequences of bytes that are no UTF-8.
fn broken_bytes(bytes: &[u8]) -> usize {
    bytes
        .utf8_chunks()
        .filter(|chunk| !chunk.invalid().is_empty())
        .count()
}

/// Of letters in use here every second byte is NUL.
fn looks_like_utf_16(bytes: &[u8]) -> Option<&'static encoding_rs::Encoding> {
    let pairs = bytes[..bytes.len().min(1024)].chunks_exact(2);
    let count = pairs.len();
    let (mut first, mut second) = (0, 0);
    for pair in pairs {
        first += usize::from(pair[0] == 0 && pair[1] != 0);
        second += usize::from(pair[1] == 0 && pair[0] != 0);
    }
    if count < 2 || first.max(second) * 2 <= count || first.min(second) > 0 {
        return None;
    }
    Some(if first > second { UTF_16BE } else { UTF_16LE })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoding(bytes: &[u8]) -> (String, Encoding) {
        let (text, encoding, _, _) = decoded(bytes);
        (text, encoding)
    }

    #[test]
    fn the_encoding_is_told_from_the_bytes() {
        assert_eq!(encoding("Åsa".as_bytes()).1, Encoding::Utf8);
        assert_eq!(
            encoding(b"\xc5sa \x80"),
            ("Åsa €".to_string(), Encoding::WINDOWS_1252)
        );
        assert_eq!(encoding(b"\xff\xfeA\0"), ("A".to_string(), Encoding::Utf16));
        assert_eq!(
            encoding(b"A\0b\0c\0d\0"),
            ("Abcd".to_string(), Encoding::Utf16)
        );
        assert_eq!(
            encoding(b"\0A\0b\0c\0d"),
            ("Abcd".to_string(), Encoding::Utf16)
        );
    }

    #[test]
    fn a_broken_letter_among_many_does_not_change_the_encoding() {
        let mut bytes = "åäö".repeat(20).into_bytes();
        bytes.push(0xe5);
        bytes.push(b'x');
        assert_eq!(encoding(&bytes).1, Encoding::Utf8);
    }
}
