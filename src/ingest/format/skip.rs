//! Passes over JSON without keeping it: counts brackets, minds strings, checks no more.

use super::json_document::cut_off;
use super::lines::Window;
use crate::error::Result;

/// Passes over the rest of a value.
#[derive(Debug)]
pub(super) struct Skip {
    /// Brackets that are open.
    depth: usize,
    in_text: bool,
    is_escaped: bool,
    /// Whether anything of the value was seen.
    has_begun: bool,
}

impl Skip {
    /// Over the value that begins next.
    pub(super) fn value() -> Self {
        Self {
            depth: 0,
            in_text: false,
            is_escaped: false,
            has_begun: false,
        }
    }

    /// Bytes up to the value's end, if that is on the line that `text` begins with.
    pub(super) fn within_line(&mut self, text: &[u8]) -> Option<usize> {
        // a step at a time: whoever asks for many values of a long line must not look for its end each time
        let mut at = 0;
        while at < text.len() {
            let piece = &text[at..text.len().min(at + 256)];
            let line_end = memchr::memchr(b'\n', piece);
            let piece = &piece[..line_end.unwrap_or(piece.len())];
            if let Some(length) = self.within(piece) {
                return Some(at + length);
            }
            if line_end.is_some() {
                return None;
            }
            at += piece.len();
        }
        None
    }

    /// Bytes up to the value's end, if that is in `text`.
    pub(super) fn within(&mut self, text: &[u8]) -> Option<usize> {
        for (at, byte) in text.iter().enumerate() {
            if self.in_text {
                if self.is_escaped {
                    self.is_escaped = false;
                } else if *byte == b'\\' {
                    self.is_escaped = true;
                } else if *byte == b'"' {
                    self.in_text = false;
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                continue;
            }
            match byte {
                b'"' => self.in_text = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' if self.depth <= 1 => {
                    // a bare word ends before the bracket that is not its own
                    return Some(at + self.depth);
                }
                b'}' | b']' => self.depth -= 1,
                b',' if self.depth == 0 && self.has_begun => return Some(at),
                _ => {}
            }
            self.has_begun |= !byte.is_ascii_whitespace();
        }
        None
    }

    /// Takes the value from the window.
    ///
    /// # Errors
    /// `Input` where the export ends within it; those of storage.
    pub(super) fn pass(mut self, window: &mut Window<'_>, file: &str) -> Result<()> {
        loop {
            let text = window.rest();
            let found = self.within(text);
            let taken = found.unwrap_or(text.len());
            let lines = memchr::memchr_iter(b'\n', &text[..taken]).count() as i64;
            window.advance(taken, lines);
            if found.is_some() {
                return Ok(());
            }
            if window.is_last() {
                return Err(cut_off(file));
            }
            window.fill(file)?;
        }
    }
}
