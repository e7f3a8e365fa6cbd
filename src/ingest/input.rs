//! The raw bytes of one export, as a reader for blocking code: hashed while they pass, decompressed where they are packed.
//!
//!   object store ─stream─▶ channel ─┬▶ [`RawBytes`] (size, blake3) ─▶ gzip, zstd, bzip2, all members ─▶ a format
//!   file of this machine ───────────┘
//!
//! Of what a store sends a few chunks are under way at any time; nothing here grows with the export.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::sync::Weak;

use bytes::{Buf, Bytes};
use bzip2::bufread::MultiBzDecoder;
use tokio::sync::mpsc;

use super::archive::MAGICS;
use super::gzip::Gzip;

/// Chunks that wait between storage and decoder.
const CHUNKS_UNDER_WAY: usize = 4;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Then the size of blocks, a digit, and the first block or the end.
const BZIP2_MAGIC: &[u8] = b"BZh";
const BZIP2_BLOCK: &[u8] = b"1AY&SY";
const BZIP2_END: &[u8] = b"\x17rE8P\x90";

/// What storage hands to the decoder.
pub(super) enum Chunk {
    Data(Bytes),
    /// The export is complete; without it, storage failed or the sender died.
    End,
}

/// The bytes as they lie in storage.
pub(super) struct RawBytes {
    storage: Storage,
    size: u64,
    hash: blake3::Hasher,
}

enum Storage {
    File(LocalFile),
    Chunks(Chunks),
}

impl RawBytes {
    /// A channel from storage to the decoder.
    pub(super) fn channel() -> (mpsc::Sender<Chunk>, Self) {
        let (sender, receiver) = mpsc::channel(CHUNKS_UNDER_WAY);
        let chunks = Chunks {
            receiver,
            current: Bytes::new(),
            is_complete: false,
        };
        (sender, Self::of(Storage::Chunks(chunks)))
    }

    /// The first `size` bytes of a file of this machine, as long as somebody waits for them.
    pub(super) fn of_file(file: File, size: u64, waiting: Weak<()>) -> Self {
        Self::of(Storage::File(LocalFile {
            file,
            waiting,
            left: size,
            read: 0,
            asked_for: 0,
        }))
    }

    fn of(storage: Storage) -> Self {
        Self {
            storage,
            size: 0,
            hash: blake3::Hasher::new(),
        }
    }

    /// Reads what nobody wanted, so that size and hash speak of the whole export.
    ///
    /// # Errors
    /// Those of storage.
    pub(super) fn finish(mut self) -> io::Result<(u64, blake3::Hash)> {
        let mut rest = vec![0; 1 << 16];
        while self.read(&mut rest)? > 0 {}
        Ok((self.size, self.hash.finalize()))
    }
}

/// Never interrupted.
impl Read for RawBytes {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.storage {
            Storage::File(file) => file.read(out)?,
            Storage::Chunks(chunks) => chunks.read(out)?,
        };
        self.size += read as u64;
        self.hash.update(&out[..read]);
        Ok(read)
    }
}

/// What a store sends.
struct Chunks {
    receiver: mpsc::Receiver<Chunk>,
    current: Bytes,
    is_complete: bool,
}

impl Read for Chunks {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() && !self.is_complete {
            match self.receiver.blocking_recv() {
                Some(Chunk::Data(bytes)) => self.current = bytes,
                Some(Chunk::End) => self.is_complete = true,
                None => return Err(io::Error::from(io::ErrorKind::ConnectionAborted)),
            }
        }
        let length = self.current.len().min(out.len());
        out[..length].copy_from_slice(&self.current[..length]);
        self.current.advance(length);
        Ok(length)
    }
}

/// Bytes of a file that the disk is asked for before they are read.
const AHEAD: u64 = 8 << 20;

/// A file that is read where it lies, without a copy between the system's and the decoder's.
struct LocalFile {
    file: File,
    /// Whether anybody still wants it.
    waiting: Weak<()>,
    /// Bytes of it that may still be read.
    left: u64,
    read: u64,
    /// The disk was asked for the bytes before this one.
    asked_for: u64,
}

impl LocalFile {
    /// A disk works while records are decoded, which the system's own reading ahead of a few pages does not keep busy.
    fn ask_ahead(&mut self) {
        self.asked_for = self.asked_for.max(self.read);
        if self.asked_for > self.read + AHEAD / 2 || self.asked_for >= self.read + self.left {
            return;
        }
        #[cfg(target_os = "linux")]
        {
            let will_need = rustix::fs::Advice::WillNeed;
            let length = std::num::NonZeroU64::new(AHEAD);
            // advice; whether it is taken changes no byte
            let _ = rustix::fs::fadvise(&self.file, self.asked_for, length, will_need);
        }
        self.asked_for += AHEAD;
    }

    fn read_some(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.read == 0 {
            self.file.seek(SeekFrom::Start(0))?;
        }
        self.ask_ahead();
        loop {
            match self.file.read(out) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }
}

impl Read for LocalFile {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.waiting.strong_count() == 0 {
            return Err(io::Error::from(io::ErrorKind::ConnectionAborted));
        }
        let wanted = usize::try_from(self.left).map_or(out.len(), |left| left.min(out.len()));
        let read = match wanted {
            0 => 0,
            wanted => self.read_some(&mut out[..wanted]).map_err(of_storage)?,
        };
        self.left -= read as u64;
        self.read += read as u64;
        Ok(read)
    }
}

/// The error of a disk, told from damage of what lies on it.
fn of_storage(error: io::Error) -> io::Error {
    io::Error::other(object_store::Error::Generic {
        store: "LocalFileSystem",
        source: Box::new(error),
    })
}

/// The bytes of a file of an archive, hashed while they pass.
pub(super) struct HashedBytes<R> {
    bytes: R,
    size: u64,
    hash: blake3::Hasher,
    is_damaged: bool,
}

impl<R: Read> HashedBytes<R> {
    pub(super) fn new(bytes: R) -> Self {
        Self {
            bytes,
            size: 0,
            hash: blake3::Hasher::new(),
            is_damaged: false,
        }
    }

    /// Size and hash of all of it, what nobody wanted too; `None` where it could not be read to its end.
    ///
    /// # Errors
    /// Those of storage.
    pub(super) fn finish(mut self) -> io::Result<Option<(u64, String)>> {
        if !self.is_damaged {
            let rest = io::copy(&mut self, &mut io::sink());
            rest.map(drop).or_else(|error| match self.is_damaged {
                true => Ok(()),
                false => Err(error),
            })?;
        }
        let whole = (self.size, self.hash.finalize().to_hex().to_string());
        Ok((!self.is_damaged).then_some(whole))
    }
}

impl<R: Read> Read for HashedBytes<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read(out).inspect_err(|error| {
            self.is_damaged = is_damage(error);
        })?;
        self.size += read as u64;
        self.hash.update(&out[..read]);
        Ok(read)
    }
}

/// Whether an error says that the bytes are none that can be read, and not that storage failed.
pub(super) fn is_damage(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData
    )
}

/// A compressed stream that cannot be read to its end.
#[derive(Debug)]
struct BrokenStream {
    /// `gzip`, `zstd` or `bzip2`.
    name: &'static str,
    /// Bytes of the content that could be read before.
    after: u64,
    error: io::Error,
}

impl std::fmt::Display for BrokenStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, after, error } = self;
        match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                write!(
                    f,
                    "the {name} stream ends too early, after byte {after} of its content"
                )
            }
            _ => write!(
                f,
                "the {name} stream is damaged after byte {after} of its content: {error}"
            ),
        }
    }
}

impl std::error::Error for BrokenStream {}

/// How content is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    Gzip,
    Zstd,
    Bzip2,
}

impl Packing {
    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
        }
    }
}

/// Bytes from which packed content and text are told.
const LOOKED_AT: u64 = 512;
/// Formats that are neither text nor packed as a whole.
const OTHER_MAGICS: [&[u8]; 2] = [b"PAR1", b"Obj\x01"];

/// By the first bytes, whatever the name says: senders call plain text `.csv.gz`. Where they are neither a known packing nor
/// text, a name that speaks of one is believed, so that damage at the very start is no content.
fn packing(start: &[u8], file: &str) -> Option<Packing> {
    let mut others = MAGICS.iter().chain(&OTHER_MAGICS);
    if start.is_empty() || others.any(|magic| start.starts_with(magic)) {
        return None;
    }
    if start.starts_with(&GZIP_MAGIC) {
        return Some(Packing::Gzip);
    }
    if start.starts_with(&ZSTD_MAGIC) {
        return Some(Packing::Zstd);
    }
    if is_bzip2(start) {
        return Some(Packing::Bzip2);
    }
    let is_of_text = |byte: &u8| *byte >= b' ' || matches!(byte, b'\t' | b'\r' | b'\n');
    let has_mark = start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]);
    let is_text = has_mark || start.iter().all(is_of_text);
    // their first bytes could be letters
    let is_broken_off = start.starts_with(BZIP2_MAGIC)
        || BZIP2_MAGIC.starts_with(start)
        || ZSTD_MAGIC.starts_with(start);
    if is_text && !is_broken_off {
        return None;
    }
    let name = file.to_lowercase();
    let named = [
        (".gz", Packing::Gzip),
        (".zst", Packing::Zstd),
        (".bz2", Packing::Bzip2),
    ];
    let mut named = named.into_iter().filter(|(end, _)| name.ends_with(end));
    Some(named.next()?.1)
}

/// What an export is packed as, told by its first bytes, and its content. One without a byte is an export without a record.
///
/// # Errors
/// Those of storage.
pub(crate) fn unpacked<'a>(
    raw: impl Read + 'a,
    file: &str,
) -> io::Result<(Option<&'static str>, Box<dyn Read + 'a>)> {
    let mut buffered = BufReader::with_capacity(1 << 16, raw);
    let mut start = Vec::with_capacity(LOOKED_AT as usize);
    buffered.by_ref().take(LOOKED_AT).read_to_end(&mut start)?;
    let packing = packing(&start, file);
    let whole = Read::chain(Cursor::new(start), buffered);
    let Some(packing) = packing else {
        return Ok((None, Box::new(whole)));
    };
    let bytes: Box<dyn Read + 'a> = match packing {
        Packing::Bzip2 => Box::new(MultiBzDecoder::new(whole)),
        // frames that want more than 128 MB of memory are refused
        Packing::Zstd => Box::new(zstd::Decoder::with_buffer(whole)?),
        Packing::Gzip => Box::new(Gzip::new(whole)),
    };
    let (name, read) = (packing.name(), 0);
    let content = Decompressed { name, read, bytes };
    Ok((Some(name), Box::new(content)))
}

/// What unpacked content is packed as once more, and the content with its first bytes still in it. An export is packed once, or
/// lies packed in an archive: whoever packs it again has made a mistake, or a bomb.
///
/// # Errors
/// As reading it.
pub(super) fn packed_again<'a>(
    mut content: Box<dyn Read + 'a>,
    may_be_archive: bool,
) -> io::Result<(Option<&'static str>, Box<dyn Read + 'a>)> {
    let mut start = Vec::with_capacity(LOOKED_AT as usize);
    content.by_ref().take(LOOKED_AT).read_to_end(&mut start)?;
    let is_archive = MAGICS.iter().any(|magic| start.starts_with(magic));
    let packed = match packing(&start, "") {
        Some(packing) => Some(packing.name()),
        None if is_archive && !may_be_archive => Some("ZIP"),
        None => None,
    };
    Ok((packed, Box::new(Read::chain(Cursor::new(start), content))))
}

/// Times its size that an export may unpack to: text of a company hardly ever does by a tenth of it, a bomb by a thousand and more.
const MOST_TIMES: u64 = 250;
/// What may come out of any export, however small.
const LEAST_BOUND: u64 = 512 << 20;

/// More comes out of an export than anybody writes.
#[derive(Debug)]
struct Bomb;

impl std::fmt::Display for Bomb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "more than {MOST_TIMES} times its size comes out of it, as of a bomb; where it is no bomb, let its sender pack it less or not at all"
        )
    }
}

impl std::error::Error for Bomb {}

/// What may come out of an export of `size` bytes.
pub(super) fn most_bytes(size: u64) -> u64 {
    size.saturating_mul(MOST_TIMES).max(LEAST_BOUND)
}

/// Why more than [`most_bytes`] are not read.
pub(super) fn bomb() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, Bomb)
}

/// Content of an export of `size` bytes, as far as it is believed to be any.
pub(super) fn bounded<'a>(bytes: Box<dyn Read + 'a>, size: u64) -> Box<dyn Read + 'a> {
    let left = most_bytes(size);
    Box::new(Bounded { bytes, left })
}

struct Bounded<'a> {
    bytes: Box<dyn Read + 'a>,
    left: u64,
}

impl Read for Bounded<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read(out)?;
        self.left = match self.left.checked_sub(read as u64) {
            Some(left) => left,
            None => return Err(bomb()),
        };
        Ok(read)
    }
}

fn is_bzip2(start: &[u8]) -> bool {
    let Some([size, rest @ ..]) = start.strip_prefix(BZIP2_MAGIC) else {
        return false;
    };
    let is_block = rest.starts_with(BZIP2_BLOCK) || rest.starts_with(BZIP2_END);
    matches!(size, b'1'..=b'9') && is_block
}

/// Tells damage of the stream from failures of storage, which carry an error of the store.
struct Decompressed<R> {
    name: &'static str,
    /// Bytes given so far.
    read: u64,
    bytes: R,
}

impl<R: Read> Read for Decompressed<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let after = self.read;
        let read = self.bytes.read(out).map_err(|error| {
            let kind = match error.kind() {
                kind @ (io::ErrorKind::UnexpectedEof
                | io::ErrorKind::InvalidInput
                | io::ErrorKind::InvalidData) => kind,
                // so the library for zstd says of all damage
                io::ErrorKind::Other if self.name == "zstd" && !is_of_storage(&error) => {
                    io::ErrorKind::InvalidData
                }
                _ => return error,
            };
            let name = self.name;
            io::Error::new(kind, BrokenStream { name, after, error })
        })?;
        self.read += read as u64;
        Ok(read)
    }
}

fn is_of_storage(error: &io::Error) -> bool {
    let cause = error.get_ref();
    cause.is_some_and(|cause| cause.is::<object_store::Error>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_unpacks_beyond_belief_ends_in_an_error_and_what_is_only_large_does_not() {
        let endless = || Box::new(io::repeat(b'x'));
        let read = |bytes: Box<dyn Read>| io::copy(&mut { bytes }, &mut io::sink());
        let error = read(bounded(endless(), 1000)).unwrap_err();
        assert!(error.to_string().contains("250 times"), "{error}");
        let large = Box::new(endless().take(LEAST_BOUND + 1));
        assert!(read(bounded(large, LEAST_BOUND / 100)).is_ok());
    }
}
