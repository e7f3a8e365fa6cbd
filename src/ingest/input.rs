//! The raw bytes of one export, as a reader for blocking code: hashed while they pass, decompressed where they are gzip.
//!
//!   object store ─stream─▶ channel ─▶ [`RawBytes`] (size, blake3) ─▶ gzip, all members ─▶ a format
//!
//! A few chunks are under way at any time; nothing here grows with the export.

use std::io::{self, BufRead, BufReader, Read};

use bytes::{Buf, Bytes};
use flate2::bufread::MultiGzDecoder;
use tokio::sync::mpsc;

/// Chunks that wait between storage and decoder.
const CHUNKS_UNDER_WAY: usize = 4;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

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

/// A gzip stream that cannot be read to its end.
#[derive(Debug)]
pub(super) struct BrokenGzip(io::Error);

impl std::fmt::Display for BrokenGzip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.kind() {
            io::ErrorKind::UnexpectedEof => f.write_str("the gzip stream ends too early"),
            _ => write!(f, "the gzip stream is damaged: {}", self.0),
        }
    }
}

impl std::error::Error for BrokenGzip {}

/// The export's content: decompressed where it begins as gzip does, or where its name ends in `.gz` (then it must).
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
    if is_gzip && !is_empty {
        Ok(Box::new(GzipReader(MultiGzDecoder::new(buffered))))
    } else {
        Ok(Box::new(buffered))
    }
}

/// Tells damage of the gzip stream from failures of storage.
struct GzipReader<R>(MultiGzDecoder<R>);

impl<R: BufRead> Read for GzipReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::InvalidData => io::Error::new(error.kind(), BrokenGzip(error)),
            _ => error,
        })
    }
}
