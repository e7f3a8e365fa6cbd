//! The raw bytes of one export, as a reader for blocking code: hashed while they pass, decompressed where they are packed.
//!
//!   object store ─stream─▶ channel ─▶ [`RawBytes`] (size, blake3) ─▶ gzip, zstd, bzip2, all members ─▶ a format
//!
//! A few chunks are under way at any time; nothing here grows with the export.

use std::io::{self, BufRead, BufReader, Read};

use bytes::{Buf, Bytes};
use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use tokio::sync::mpsc;

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

/// A channel from storage to the decoder.
pub(super) fn channel() -> (mpsc::Sender<Chunk>, RawBytes) {
    let (sender, chunks) = mpsc::channel(CHUNKS_UNDER_WAY);
    let raw = RawBytes {
        chunks,
        current: Bytes::new(),
        is_complete: false,
        size: 0,
        hash: blake3::Hasher::new(),
    };
    (sender, raw)
}

/// The bytes as they lie in storage.
pub(super) struct RawBytes {
    chunks: mpsc::Receiver<Chunk>,
    current: Bytes,
    is_complete: bool,
    size: u64,
    hash: blake3::Hasher,
}

impl RawBytes {
    /// Reads what nobody wanted, so that size and hash speak of the whole export.
    ///
    /// # Errors
    /// Those of storage.
    pub(super) fn finish(mut self) -> io::Result<(u64, blake3::Hash)> {
        while !self.fill_buf()?.is_empty() {
            let length = self.current.len();
            self.consume(length);
        }
        Ok((self.size, self.hash.finalize()))
    }
}

impl BufRead for RawBytes {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.current.is_empty() && !self.is_complete {
            match self.chunks.blocking_recv() {
                Some(Chunk::Data(bytes)) => {
                    self.size += bytes.len() as u64;
                    self.hash.update(&bytes);
                    self.current = bytes;
                }
                Some(Chunk::End) => self.is_complete = true,
                None => return Err(io::Error::from(io::ErrorKind::ConnectionAborted)),
            }
        }
        Ok(&self.current)
    }

    fn consume(&mut self, amount: usize) {
        self.current.advance(amount);
    }
}

impl Read for RawBytes {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let length = available.len().min(out.len());
        out[..length].copy_from_slice(&available[..length]);
        self.consume(length);
        Ok(length)
    }
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

/// The export's content: decompressed where it begins as gzip, zstd or bzip2 does, or where its name ends in `.gz`, `.zst` or
/// `.bz2` (then it must).
/// An export without a byte is an export without a record.
///
/// # Errors
/// Those of storage.
pub(super) fn content<'a>(raw: &'a mut RawBytes, file: &str) -> io::Result<Box<dyn Read + 'a>> {
    let mut buffered = BufReader::with_capacity(1 << 16, raw);
    let start = buffered.fill_buf()?;
    let is_empty = start.is_empty();
    // a chunk of one byte is no reason to look twice: `.gz` says so as well
    let is_gzip = start.starts_with(&GZIP_MAGIC) || file.ends_with(".gz");
    let is_zstd = start.starts_with(&ZSTD_MAGIC) || file.ends_with(".zst");
    let is_bzip2 = is_bzip2(start) || file.ends_with(".bz2");
    Ok(if is_empty || !(is_gzip || is_zstd || is_bzip2) {
        Box::new(buffered)
    } else if is_bzip2 {
        Box::new(Decompressed {
            name: "bzip2",
            read: 0,
            bytes: MultiBzDecoder::new(buffered),
        })
    } else if is_zstd {
        // frames that want more than 128 MB of memory are refused
        Box::new(Decompressed {
            name: "zstd",
            read: 0,
            bytes: zstd::Decoder::with_buffer(buffered)?,
        })
    } else {
        Box::new(Decompressed {
            name: "gzip",
            read: 0,
            bytes: MultiGzDecoder::new(buffered),
        })
    })
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
