//! A window over the bytes of a text export: grows only for a record that does not fit, moves on as records are taken.

use std::io::{self, Read};

use crate::diagnostic::Code;
use crate::error::{Error, Result};

/// Bytes from which the encoding is told.
const LOOKED_AT: usize = 1024;
/// Bytes read ahead.
const BLOCK: usize = 1 << 20;

/// The part of the export under work, with its position.
pub(super) struct Window<'a> {
    bytes: &'a mut dyn Read,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Offset of `start` in the decompressed export.
    offset: u64,
    /// Line of `start`, from 1.
    line: i64,
    is_last: bool,
}

impl<'a> Window<'a> {
    /// Opens the export: the first block is read, a byte order mark taken away.
    ///
    /// # Errors
    /// `Input` for UTF-16 that nobody declared; those of storage and gzip.
    pub(super) fn open(bytes: &'a mut dyn Read, file: &str) -> Result<Self> {
        let mut window = Self {
            bytes,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            offset: 0,
            line: 1,
            is_last: false,
        };
        window.fill(file)?;
        let rest = window.rest();
        if rest.starts_with(b"\xef\xbb\xbf") {
            window.advance(3, 0);
        } else if let Some((what, help)) = no_text(rest) {
            return Err(Error::input(what).code(Code(405)).at(file).help(help));
        }
        Ok(window)
    }

    /// What is read and not taken yet.
    pub(super) fn rest(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Whether nothing follows [`Self::rest`].
    pub(super) fn is_last(&self) -> bool {
        self.is_last
    }

    /// Offset in the decompressed export of the first byte of [`Self::rest`].
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Line of that byte, from 1.
    pub(super) fn line(&self) -> i64 {
        self.line
    }

    /// Takes bytes that hold so many line ends.
    pub(super) fn advance(&mut self, bytes: usize, lines: i64) {
        self.start += bytes;
        self.offset += bytes as u64;
        self.line += lines;
    }

    /// Reads a block more, or as much as is there already if that is more, so that a long record costs twice its length.
    ///
    /// # Errors
    /// Those of storage and gzip.
    pub(super) fn fill(&mut self, file: &str) -> Result<()> {
        if self.is_last {
            return Ok(());
        }
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let wanted = self.end + BLOCK.max(self.end);
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted, 0);
        }
        while self.end < wanted {
            match self.bytes.read(&mut self.buffer[self.end..wanted]) {
                Ok(0) => {
                    self.is_last = true;
                    return Ok(());
                }
                Ok(length) => self.end += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(error, file)),
            }
        }
        Ok(())
    }

    /// Takes the rest of the line, however long it is, without keeping it.
    ///
    /// # Errors
    /// Those of storage and gzip.
    pub(super) fn skip_line(&mut self, file: &str) -> Result<()> {
        loop {
            if let Some(at) = memchr::memchr(b'\n', self.rest()) {
                self.advance(at + 1, 1);
                return Ok(());
            }
            self.advance(self.rest().len(), 0);
            if self.is_last {
                return Ok(());
            }
            self.fill(file)?;
        }
    }
}

/// What the first block of an export is, where no record can be read from it; and what to do.
fn no_text(block: &[u8]) -> Option<(&'static str, &'static str)> {
    const UTF_16: (&str, &str) = (
        "the export is UTF-16, and has no mark that says so",
        "say `encoding: utf-16` at the source",
    );
    if !block.is_empty() && block.iter().all(|byte| *byte == 0) {
        return Some((
            "the export holds nothing but NUL bytes",
            "its content was lost on the way: ask its sender to deliver it again",
        ));
    }
    // of letters and signs in use here every second byte is NUL, be it the first of two or the second
    let pairs = block[..block.len().min(LOOKED_AT)].chunks_exact(2);
    let count = pairs.len();
    let (mut first, mut second) = (0, 0);
    for pair in pairs {
        first += usize::from(pair[0] == 0);
        second += usize::from(pair[1] == 0);
    }
    let (few, many) = (first.min(second), first.max(second));
    (count > 1 && few == 0 && many * 2 > count).then_some(UTF_16)
}

/// What a failed read means: a damaged export or a storage that does not answer.
pub(in crate::ingest) fn unreadable(error: io::Error, file: &str) -> Error {
    let is_damage = matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData
    );
    if is_damage {
        Error::input("the export cannot be decompressed to its end")
            .code(Code(402))
            .at(file)
            .help("ask its sender to deliver it again; nothing of it was taken")
            .caused_by(error)
    } else {
        Error::unavailable("the export cannot be read")
            .at(file)
            .caused_by(error)
    }
}
