//! The parts of a workbook: a ZIP archive's list of contents, and one part at a time unpacked and checked.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::Crc;
use flate2::read::DeflateDecoder;

const END: [u8; 4] = *b"PK\x05\x06";
const ENTRY: [u8; 4] = *b"PK\x01\x02";
const END_BYTES: usize = 22;
const ENTRY_BYTES: usize = 46;
const LOCAL_BYTES: u64 = 30;
/// The longest comment behind the list of contents.
const COMMENT_BYTES: u64 = 65_535;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// A ZIP archive on disk.
pub(super) struct Archive {
    path: PathBuf,
    parts: BTreeMap<String, Part>,
}

#[derive(Clone, Copy)]
struct Part {
    method: u16,
    crc: u32,
    packed: u64,
    size: u64,
    offset: u64,
}

impl Archive {
    /// Reads the list of contents.
    ///
    /// # Errors
    /// `InvalidData` for what is no ZIP archive, or one that is encrypted.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let length = file.seek(SeekFrom::End(0))?;
        let tail = length.min(COMMENT_BYTES + END_BYTES as u64);
        file.seek(SeekFrom::Start(length - tail))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let end = (0..=bytes.len().saturating_sub(END_BYTES))
            .rev()
            .find(|at| bytes[*at..].starts_with(&END) && bytes.len() - at >= END_BYTES)
            .ok_or_else(|| damaged("no list of contents"))?;
        let count = number(&bytes, end + 10, 2);
        let (size, start) = (number(&bytes, end + 12, 4), number(&bytes, end + 16, 4));
        if start + size > length {
            return Err(damaged("a list of contents beyond its end"));
        }
        file.seek(SeekFrom::Start(start))?;
        let mut list = vec![0; size as usize];
        file.read_exact(&mut list)?;
        let mut parts = BTreeMap::new();
        let mut at = 0;
        for _ in 0..count {
            let (name, part, next) = entry(&list, at)?;
            parts.insert(name, part);
            at = next;
        }
        Ok(Self {
            path: path.to_path_buf(),
            parts,
        })
    }

    /// The bytes of a part, unpacked; `None` where there is none of this name.
    ///
    /// # Errors
    /// Those of the disk, or `InvalidData` for a damaged archive.
    pub(super) fn read(&self, name: &str) -> io::Result<Option<impl Read>> {
        let Some(part) = self.parts.get(name) else {
            return Ok(None);
        };
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(part.offset))?;
        let mut local = [0; LOCAL_BYTES as usize];
        file.read_exact(&mut local)?;
        let before = number(&local, 26, 2) + number(&local, 28, 2);
        file.seek(SeekFrom::Start(part.offset + LOCAL_BYTES + before))?;
        let packed = file.take(part.packed);
        let bytes: Box<dyn Read> = match part.method {
            STORED => Box::new(packed),
            DEFLATED => Box::new(DeflateDecoder::new(packed)),
            _ => return Err(damaged("a kind of compression that no spreadsheet uses")),
        };
        Ok(Some(Checked {
            bytes,
            left: part.size,
            crc: Crc::new(),
            expected: part.crc,
        }))
    }
}

fn entry(list: &[u8], at: usize) -> io::Result<(String, Part, usize)> {
    let broken = || damaged("a damaged list of contents");
    let head = list.get(at..at + ENTRY_BYTES).ok_or_else(broken)?;
    if !head.starts_with(&ENTRY) {
        return Err(broken());
    }
    if number(head, 8, 2) & 1 == 1 {
        return Err(damaged("encrypted contents"));
    }
    let name_end = at + ENTRY_BYTES + number(head, 28, 2) as usize;
    let next = name_end + (number(head, 30, 2) + number(head, 32, 2)) as usize;
    let name = list.get(at + ENTRY_BYTES..name_end).ok_or_else(broken)?;
    let part = Part {
        method: number(head, 10, 2) as u16,
        crc: number(head, 16, 4) as u32,
        packed: number(head, 20, 4),
        size: number(head, 24, 4),
        offset: number(head, 42, 4),
    };
    Ok((String::from_utf8_lossy(name).replace('\\', "/"), part, next))
}

/// The little-endian number of `width` bytes at `at`, which the caller knows to be there.
fn number(bytes: &[u8], at: usize, width: usize) -> u64 {
    let bytes = bytes.get(at..at + width).unwrap_or_default();
    bytes
        .iter()
        .rev()
        .fold(0, |value, byte| value << 8 | u64::from(*byte))
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the archive has {what}"),
    )
}

/// Holds what is unpacked to the length and check sum that the archive states: a bomb ends where it said it would.
struct Checked {
    bytes: Box<dyn Read>,
    left: u64,
    crc: Crc,
    expected: u32,
}

impl Read for Checked {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let wanted = out
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if wanted == 0 {
            return Ok(0);
        }
        let length = self.bytes.read(&mut out[..wanted])?;
        if length == 0 {
            return Err(damaged("a part that ends too early"));
        }
        self.crc.update(&out[..length]);
        self.left -= length as u64;
        if self.left == 0 && self.crc.sum() != self.expected {
            return Err(damaged("a part with a wrong check sum"));
        }
        Ok(length)
    }
}
