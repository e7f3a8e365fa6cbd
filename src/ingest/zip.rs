//! ZIP archives: the list of contents, and one part at a time unpacked and checked.
//!
//! Nothing is ever written under the name that a part has. What is unpacked is held to the length and check sum that the
//! archive states, and no two parts may lie in the same bytes: an archive is no larger than it says.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use bzip2::bufread::MultiBzDecoder;
use flate2::Crc;
use flate2::read::DeflateDecoder;

const END: [u8; 4] = *b"PK\x05\x06";
const END_64: [u8; 4] = *b"PK\x06\x06";
const LOCATOR_64: [u8; 4] = *b"PK\x06\x07";
const ENTRY: [u8; 4] = *b"PK\x01\x02";
const LOCAL: [u8; 4] = *b"PK\x03\x04";
const END_BYTES: usize = 22;
const LOCATOR_64_BYTES: usize = 20;
const END_64_BYTES: usize = 56;
const ENTRY_BYTES: usize = 46;
const LOCAL_BYTES: u64 = 30;
/// The longest comment behind the list of contents.
const COMMENT_BYTES: u64 = 65_535;
/// The longest list of contents that is held in memory: a million parts.
const LONGEST_LIST: u64 = 64 << 20;
/// Stands for a number that the newer form of archives has elsewhere.
const ELSEWHERE: u64 = 0xffff_ffff;
/// Names the field of a part in which that form has them.
const LARGE_NUMBERS: u64 = 1;

/// How a part is packed, by the numbers of the format.
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
const BZIP2: u16 = 12;
const ZSTD: u16 = 93;

/// Letters of names that are not UTF-8 from 0x80 on, as DOS had them.
const CP437: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

/// Bytes that are read where they are wanted.
pub(crate) trait Bytes: Read + Seek {}

impl<B: Read + Seek> Bytes for B {}

/// A ZIP archive.
pub(crate) struct Archive {
    /// Opens it once more: each part has a reader of its own.
    reopen: Box<dyn Fn() -> io::Result<Box<dyn Bytes>>>,
    parts: Contents,
}

/// The list of contents of an archive.
pub(crate) type Contents = Arc<BTreeMap<String, Part>>;

/// Where a part lies, and how it is packed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    method: u16,
    is_encrypted: bool,
    crc: u32,
    packed: u64,
    size: u64,
    offset: u64,
}

impl Archive {
    /// Reads the list of contents of one on disk.
    ///
    /// # Errors
    /// `InvalidData` for what is no ZIP archive, or a damaged one.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let path = path.to_path_buf();
        Self::over(move || Ok(Box::new(File::open(&path)?)))
    }

    /// The same of one that `reopen` opens, once for each part that is read.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) fn over(
        reopen: impl Fn() -> io::Result<Box<dyn Bytes>> + 'static,
    ) -> io::Result<Self> {
        let mut file = reopen()?;
        let list = List::find(&mut *file)?;
        file.seek(SeekFrom::Start(list.start))?;
        let mut bytes = vec![0; list.size as usize];
        file.read_exact(&mut bytes)?;
        let mut parts = BTreeMap::new();
        let mut at = 0;
        for _ in 0..list.count {
            let (name, part, next) = entry(&bytes, at)?;
            if parts.insert(name, part).is_some() {
                return Err(damaged("two parts of one name"));
            }
            at = next;
        }
        let archive = Self {
            reopen: Box::new(reopen),
            parts: Arc::new(parts),
        };
        archive.refuse_overlaps(list.start)?;
        Ok(archive)
    }

    /// One whose list of contents was read before.
    pub(crate) fn known(
        reopen: impl Fn() -> io::Result<Box<dyn Bytes>> + 'static,
        parts: Contents,
    ) -> Self {
        Self {
            reopen: Box::new(reopen),
            parts,
        }
    }

    /// To know it by when it is opened again.
    pub(crate) fn contents(&self) -> Contents {
        Arc::clone(&self.parts)
    }

    /// Parts that share bytes make an archive that is a million times what it says: nobody's data is written so.
    fn refuse_overlaps(&self, list: u64) -> io::Result<()> {
        let mut places: Vec<(u64, u64)> = self
            .parts
            .values()
            .map(|part| (part.offset, part.packed))
            .collect();
        places.sort_unstable();
        let ends = places.iter().skip(1).map(|next| next.0).chain([list]);
        for ((offset, packed), end) in places.iter().zip(ends) {
            let least = offset.saturating_add(LOCAL_BYTES).saturating_add(*packed);
            if least > end {
                return Err(damaged("parts that lie in the same bytes"));
            }
        }
        Ok(())
    }

    /// Names of the files in it, without folders and what macOS adds to archives.
    pub(crate) fn files(&self) -> Vec<&str> {
        let names = self.parts.keys().map(String::as_str);
        names.filter(|name| is_file(name)).collect()
    }

    /// The one of them that is called so on one line, if any is.
    pub(crate) fn file(&self, name: &str) -> Option<&str> {
        let (name, _) = self.parts.get_key_value(name)?;
        (is_file(name) && !name.contains(char::is_control)).then_some(name)
    }

    /// Bytes of a part, unpacked and as they lie in the archive; `None` where there is none of this name.
    pub(crate) fn sizes(&self, name: &str) -> Option<(u64, u64)> {
        let part = self.parts.get(name)?;
        Some((part.size, part.packed))
    }

    /// What the list of contents says of a part's bytes; of one that cannot be unpacked there is nothing else to tell it by.
    pub(crate) fn told_of(&self, name: &str) -> Option<String> {
        let part = self.parts.get(name)?;
        let Part {
            method,
            is_encrypted,
            crc,
            packed,
            size,
            ..
        } = part;
        Some(format!("{method} {is_encrypted} {crc} {packed} {size}"))
    }

    /// The bytes of a part, unpacked; `None` where there is none of this name.
    ///
    /// # Errors
    /// Those of the disk, or `InvalidData` for a damaged archive, or a part that needs a password or is packed in another way.
    pub(crate) fn read(&self, name: &str) -> io::Result<Option<Unpacked>> {
        let Some(part) = self.parts.get(name) else {
            return Ok(None);
        };
        if part.is_encrypted {
            return Err(damaged(
                "a part that needs a password: it must come without one",
            ));
        }
        let mut file = (self.reopen)()?;
        file.seek(SeekFrom::Start(part.offset))?;
        let mut local = [0; LOCAL_BYTES as usize];
        file.read_exact(&mut local)?;
        if !local.starts_with(&LOCAL) {
            return Err(damaged(
                "a part that is not where its list of contents says",
            ));
        }
        let before = number(&local, 26, 2) + number(&local, 28, 2);
        file.seek(SeekFrom::Start(part.offset + LOCAL_BYTES + before))?;
        let packed = file.take(part.packed);
        let bytes: Box<dyn Read> = match part.method {
            STORED => Box::new(packed),
            DEFLATED => Box::new(DeflateDecoder::new(packed)),
            BZIP2 => Box::new(MultiBzDecoder::new(BufReader::new(packed))),
            ZSTD => Box::new(zstd::Decoder::new(packed)?),
            other => {
                let what =
                    format!("a part that is packed in a way that kilde does not read ({other})");
                return Err(damaged(&what));
            }
        };
        Ok(Some(Unpacked {
            bytes,
            left: part.size,
            crc: Crc::new(),
            expected: part.crc,
        }))
    }
}

/// Where the list of contents lies.
struct List {
    count: u64,
    size: u64,
    start: u64,
}

impl List {
    fn find(file: &mut dyn Bytes) -> io::Result<Self> {
        let length = file.seek(SeekFrom::End(0))?;
        let tail = length.min(COMMENT_BYTES + (END_BYTES + LOCATOR_64_BYTES) as u64);
        file.seek(SeekFrom::Start(length - tail))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let end = (0..=bytes.len().saturating_sub(END_BYTES))
            .rev()
            .find(|at| bytes[*at..].starts_with(&END) && bytes.len() - at >= END_BYTES)
            .ok_or_else(|| damaged("no list of contents at its end"))?;
        let mut list = Self {
            count: number(&bytes, end + 10, 2),
            size: number(&bytes, end + 12, 4),
            start: number(&bytes, end + 16, 4),
        };
        let locator = end.checked_sub(LOCATOR_64_BYTES);
        let locator = locator.filter(|at| bytes[*at..].starts_with(&LOCATOR_64));
        if let Some(at) = locator {
            file.seek(SeekFrom::Start(number(&bytes, at + 8, 8)))?;
            let mut large = [0; END_64_BYTES];
            file.read_exact(&mut large)?;
            if !large.starts_with(&END_64) {
                return Err(damaged("no list of contents where it says"));
            }
            list = Self {
                count: number(&large, 32, 8),
                size: number(&large, 40, 8),
                start: number(&large, 48, 8),
            };
        }
        if list
            .start
            .checked_add(list.size)
            .is_none_or(|end| end > length)
        {
            return Err(damaged("a list of contents beyond its end"));
        }
        if list.size > LONGEST_LIST {
            return Err(damaged("a list of contents of more than 64 MB"));
        }
        Ok(list)
    }
}

fn is_file(name: &str) -> bool {
    let is_folder = name.ends_with('/');
    let is_of_macos = name.starts_with("__MACOSX/") || name.ends_with(".DS_Store");
    !is_folder && !is_of_macos
}

fn entry(list: &[u8], at: usize) -> io::Result<(String, Part, usize)> {
    let broken = || damaged("a damaged list of contents");
    let head = list.get(at..at + ENTRY_BYTES).ok_or_else(broken)?;
    if !head.starts_with(&ENTRY) {
        return Err(broken());
    }
    let flags = number(head, 8, 2);
    let name_end = at + ENTRY_BYTES + number(head, 28, 2) as usize;
    let extra_end = name_end + number(head, 30, 2) as usize;
    let next = extra_end + number(head, 32, 2) as usize;
    let name = list.get(at + ENTRY_BYTES..name_end).ok_or_else(broken)?;
    let extra = list.get(name_end..extra_end).ok_or_else(broken)?;
    let mut part = Part {
        method: number(head, 10, 2) as u16,
        is_encrypted: flags & 1 == 1,
        crc: number(head, 16, 4) as u32,
        packed: number(head, 20, 4),
        size: number(head, 24, 4),
        offset: number(head, 42, 4),
    };
    let mut large = large_numbers(extra);
    for value in [&mut part.size, &mut part.packed, &mut part.offset] {
        if *value == ELSEWHERE {
            *value = large.next().ok_or_else(broken)?;
        }
    }
    Ok((name_of(name), part, next))
}

/// Sizes and places that need more than 32 bits, in the order of their fields.
fn large_numbers(mut extra: &[u8]) -> impl Iterator<Item = u64> {
    let mut field: &[u8] = &[];
    while let Some((head, rest)) = extra.split_first_chunk::<4>() {
        let length = number(head, 2, 2) as usize;
        let Some((body, rest)) = rest.split_at_checked(length) else {
            break;
        };
        if number(head, 0, 2) == LARGE_NUMBERS {
            field = body;
        }
        extra = rest;
    }
    field.chunks_exact(8).map(|bytes| number(bytes, 0, 8))
}

/// A name as people read it, `/` between folders.
fn name_of(bytes: &[u8]) -> String {
    let name = match std::str::from_utf8(bytes) {
        Ok(name) => name.to_string(),
        Err(_) => bytes
            .iter()
            .map(|byte| match byte.checked_sub(0x80) {
                None => char::from(*byte),
                Some(at) => CP437.chars().nth(usize::from(at)).unwrap_or('\u{fffd}'),
            })
            .collect(),
    };
    name.replace('\\', "/")
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

/// A part, unpacked. Held to the length and check sum that the archive states: a bomb ends where it said it would.
pub(crate) struct Unpacked {
    bytes: Box<dyn Read>,
    left: u64,
    crc: Crc,
    expected: u32,
}

impl Unpacked {
    /// Bytes that are still to come.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }
}

impl Read for Unpacked {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_dos_are_read_and_utf_8_is_left_alone() {
        assert_eq!(CP437.chars().count(), 128);
        assert_eq!(name_of(b"k\x94p\\2026.csv"), "köp/2026.csv");
        assert_eq!(name_of("köp.csv".as_bytes()), "köp.csv");
    }

    #[test]
    fn large_numbers_are_found_among_other_fields() {
        let other = [0x55, 0x54, 1, 0, 9];
        let large = [
            [1, 0, 16, 0].as_slice(),
            &7_u64.to_le_bytes(),
            &(1_u64 << 33).to_le_bytes(),
        ]
        .concat();
        let numbers = |extra: &[u8]| large_numbers(extra).collect::<Vec<u64>>();
        assert_eq!(numbers(&[other.as_slice(), &large].concat()), [7, 1 << 33]);
        assert!(numbers(&other).is_empty());
        assert!(numbers(&large[..9]).is_empty());
    }
}
