//! A window over the bytes of a text export: grows only for a record that does not fit, moves on as records are taken.

use std::io::{self, Read};
use std::ops::Deref;
use std::sync::Arc;

use crate::diagnostic::Code;
use crate::error::{Error, Result};
use crate::ingest::input::is_damage;

/// Bytes from which the encoding is told.
const LOOKED_AT: usize = 1024;
/// Bytes read ahead.
const BLOCK: usize = 1 << 20;

/// The part of the export under work, with its position.
pub(super) struct Window<'a> {
    bytes: &'a mut dyn Read,
    /// Shared with batches of records that are still worked on.
    buffer: Arc<Vec<u8>>,
    /// Those before it, which may still be worked on.
    lent: Vec<Arc<Vec<u8>>>,
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
            buffer: Arc::default(),
            lent: Vec::new(),
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

    /// The first bytes of [`Self::rest`], to be kept while the window moves on.
    pub(super) fn share(&self, length: usize) -> Text {
        Text {
            buffer: Arc::clone(&self.buffer),
            start: self.start,
            end: self.start + length,
        }
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
        let kept = self.end - self.start;
        let wanted = kept + BLOCK.max(kept);
        if Arc::get_mut(&mut self.buffer).is_none() {
            // somebody still reads it
            let next = self.returned().unwrap_or_default();
            let kept = std::mem::replace(&mut self.buffer, next);
            let buffer = Arc::make_mut(&mut self.buffer);
            buffer.resize(buffer.len().max(wanted), 0);
            buffer[..self.end - self.start].copy_from_slice(&kept[self.start..self.end]);
            self.lent.push(kept);
        } else {
            let buffer = Arc::make_mut(&mut self.buffer);
            buffer.copy_within(self.start..self.end, 0);
            buffer.resize(buffer.len().max(wanted), 0);
        }
        let buffer = Arc::make_mut(&mut self.buffer);
        (self.start, self.end) = (0, kept);
        while self.end < wanted {
            match self.bytes.read(&mut buffer[self.end..wanted]) {
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

    /// A buffer that nobody reads any more: memory that is new to the process costs more than what is written to it.
    fn returned(&mut self) -> Option<Arc<Vec<u8>>> {
        // those of records beyond any usual size are not kept
        self.lent.retain(|buffer| buffer.len() <= BLOCK * 2);
        let mut lent = self.lent.iter();
        let at = lent.position(|buffer| Arc::strong_count(buffer) == 1)?;
        Some(self.lent.swap_remove(at))
    }

    /// Takes the rest of the line, however long it is, without keeping it.
    ///
    /// # Errors
    /// Those of storage and gzip.
    pub(super) fn skip_line(&mut self, ends: LineEnds, file: &str) -> Result<()> {
        loop {
            let rest = self.rest();
            let found = match ends {
                LineEnds::Feed => memchr::memchr(b'\n', rest),
                LineEnds::Any => memchr::memchr2(b'\n', b'\r', rest),
            };
            let is_half = found.is_some_and(|at| rest[at] == b'\r' && at + 1 == rest.len());
            match found {
                Some(at) if !is_half || self.is_last => {
                    let is_pair = rest[at..].starts_with(b"\r\n");
                    self.advance(at + 1 + usize::from(is_pair), 1);
                    return Ok(());
                }
                Some(at) => self.advance(at, 0),
                None => self.advance(rest.len(), 0),
            }
            if self.is_last {
                return Ok(());
            }
            self.fill(file)?;
        }
    }

    /// Takes all that follows, so that damage at its end is seen.
    ///
    /// # Errors
    /// Those of storage and gzip.
    pub(super) fn skip_rest(&mut self, file: &str) -> Result<()> {
        while !self.is_last {
            self.advance(self.rest().len(), 0);
            self.fill(file)?;
        }
        Ok(())
    }
}

/// Bytes of a window that stay as they are when it moves on.
pub(super) struct Text {
    buffer: Arc<Vec<u8>>,
    start: usize,
    end: usize,
}

impl Deref for Text {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }
}

/// What ends a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineEnds {
    /// LF, as in NDJSON, where a carriage return is a blank.
    Feed,
    /// LF, CR, or both.
    Any,
}

/// An export without the last lines of its text; empty ones do not count, and go with them.
pub(super) struct WithoutFooter<'a> {
    bytes: &'a mut dyn Read,
    lines: u64,
    /// Most bytes of a footer; what is longer was none.
    limit: usize,
    /// What was read and not given.
    held: Vec<u8>,
    /// So much of it was given already.
    given: usize,
    /// So much of it may be given.
    free: usize,
    is_complete: bool,
}

impl<'a> WithoutFooter<'a> {
    /// `limit`: bytes of the longest line.
    pub(super) fn new(bytes: &'a mut dyn Read, lines: u64, limit: usize) -> Self {
        Self {
            bytes,
            lines,
            limit: limit.saturating_mul(usize::try_from(lines).unwrap_or(usize::MAX)),
            held: Vec::new(),
            given: 0,
            free: 0,
            is_complete: false,
        }
    }

    /// Reads a block more, and frees what is no footer whatever follows.
    fn fill(&mut self) -> io::Result<()> {
        self.held.drain(..self.given);
        self.given = 0;
        let block = BLOCK as u64;
        let read = self.bytes.take(block).read_to_end(&mut self.held)?;
        self.is_complete = read == 0;
        // a line that is not complete yet may be the last one, or none of the last
        let ends = |byte: &u8| matches!(byte, b'\n' | b'\r');
        let mut end = match self.is_complete {
            true => self.held.len(),
            false => self.held.iter().rposition(ends).map_or(0, |at| at + 1),
        };
        let mut lines = 0;
        while lines < self.lines && end > 0 {
            let start = self.held[..end].iter().rposition(ends);
            let start = start.map_or(0, |at| at + 1);
            // behind a line end there is an empty line, which does not count
            lines += u64::from(start < end);
            end = if start < end { start } else { end - 1 };
        }
        self.free = end.max(self.held.len().saturating_sub(self.limit.max(BLOCK)));
        Ok(())
    }
}

impl Read for WithoutFooter<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.lines == 0 {
            return self.bytes.read(out);
        }
        while self.given == self.free && !self.is_complete {
            self.fill()?;
        }
        let length = (self.free - self.given).min(out.len());
        out[..length].copy_from_slice(&self.held[self.given..self.given + length]);
        self.given += length;
        Ok(length)
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
    if is_damage(&error) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_that_hold_anything_are_cut_off() {
        let cut = |text: &str, lines| {
            let mut bytes = text.as_bytes();
            let mut out = String::new();
            let mut without = WithoutFooter::new(&mut bytes, lines, 1 << 10);
            without.read_to_string(&mut out).unwrap();
            out
        };
        assert_eq!(cut("a\nb\nc\n", 0), "a\nb\nc\n");
        assert_eq!(cut("a\nb\nc\n", 1), "a\nb\n");
        assert_eq!(cut("a\nb\nc", 1), "a\nb\n");
        assert_eq!(cut("a\r\nb\r\n\r\nc\r\n\r\n", 2), "a\r\n");
        assert_eq!(cut("a\rb\rc\r", 2), "a\r");
        assert_eq!(cut("a\nb\n", 5), "");
        let long = "x;y\n".repeat(600_000);
        assert_eq!(cut(&format!("{long}sum\n"), 1), long);
    }
}
