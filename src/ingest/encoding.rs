//! Bytes of an export → UTF-8.
//!
//! All encodings that come here hold ASCII unchanged (others became UTF-8 on the way, see `encoded`), so that delimiters,
//! quotes and line ends are found in the raw bytes and only text that somebody keeps is decoded. Offsets therefore stay
//! offsets into the export.

use crate::project::Encoding;

/// Decodes text of one encoding.
#[derive(Clone, Debug)]
pub(crate) struct TextDecoder {
    /// UTF-8 of the bytes 0x80..=0xFF, for encodings of one byte a character; `None`: the text is UTF-8 already.
    upper_half: Option<Box<[String; 128]>>,
    /// A bit for each of these bytes that is no character.
    unassigned: u128,
}

impl TextDecoder {
    /// Of text that is UTF-8 already.
    pub(crate) const UTF_8: Self = Self {
        upper_half: None,
        unassigned: 0,
    };

    /// The decoder of an encoding.
    pub(crate) fn new(encoding: Encoding) -> Self {
        if !encoding.is_single_byte() {
            return Self::UTF_8;
        }
        let upper_half: [String; 128] = std::array::from_fn(|at| encoding.upper_half(at as u8));
        let is_none = |text: &String| text.starts_with(char::REPLACEMENT_CHARACTER);
        let none = (0..128).filter(|at| is_none(&upper_half[*at]));
        Self {
            unassigned: none.fold(0, |bits, at| bits | 1 << at),
            upper_half: Some(Box::new(upper_half)),
        }
    }

    /// Whether the bytes are UTF-8 as they stand (if they are valid at all).
    pub(crate) fn is_utf8(&self) -> bool {
        self.upper_half.is_none()
    }

    /// Whether every byte is part of a character.
    pub(crate) fn is_text(&self, bytes: &[u8]) -> bool {
        if self.is_utf8() {
            return std::str::from_utf8(bytes).is_ok();
        }
        let is_none = |byte: &u8| *byte >= 0x80 && self.unassigned >> (byte - 0x80) & 1 == 1;
        self.unassigned == 0 || !bytes.iter().any(is_none)
    }

    /// Appends the text as UTF-8. What claims to be UTF-8 is appended as it is: whoever calls has checked it.
    #[inline(always)]
    pub(crate) fn append(&self, bytes: &[u8], out: &mut Vec<u8>) {
        match &self.upper_half {
            None => out.extend_from_slice(bytes),
            Some(upper_half) => append_decoded(upper_half, bytes, out),
        }
    }

    /// The text for people; bytes that are no character are shown as U+FFFD.
    pub(crate) fn lossy(&self, bytes: &[u8]) -> String {
        let mut out = Vec::with_capacity(bytes.len());
        self.append(bytes, &mut out);
        String::from_utf8(out)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }
}

fn append_decoded(upper_half: &[String; 128], bytes: &[u8], out: &mut Vec<u8>) {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| !byte.is_ascii()) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(upper_half[usize::from(rest[at] - 0x80)].as_bytes());
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_1252_has_the_euro_sign_where_latin_1_has_a_control() {
        assert_eq!(
            TextDecoder::new(Encoding::WINDOWS_1252).lossy(b"\x80 \xe5"),
            "€ å"
        );
        assert_eq!(
            TextDecoder::new(Encoding::ISO_8859_1).lossy(b"\x80 \xe5"),
            "\u{80} å"
        );
    }

    #[test]
    fn bytes_that_a_code_page_leaves_free_are_no_text() {
        let western = TextDecoder::new(Encoding::WINDOWS_1252);
        for free in [b"\x81", b"\x8d", b"\x8f", b"\x90", b"\x9d"] {
            assert_eq!(western.lossy(free), "\u{fffd}");
            assert!(!western.is_text(free));
        }
        assert!(western.is_text(b"\x80\x8e\x9e\xff"));
        let latin = TextDecoder::new(Encoding::ISO_8859_1);
        assert!(latin.is_text(b"\x81"), "a control character of its own");
        let greek = TextDecoder::new(Encoding::named("windows-1253").unwrap());
        assert!(greek.is_text(b"\xc1a") && !greek.is_text(b"a\xd2"));
        assert_eq!(greek.lossy(b"\xc1\xd2"), "Α\u{fffd}");
    }

    #[test]
    fn utf_8_is_left_alone_and_broken_bytes_are_marked() {
        let decoder = TextDecoder::new(Encoding::Utf8);
        assert_eq!(decoder.lossy("å".as_bytes()), "å");
        assert_eq!(decoder.lossy(b"a\xffb"), "a\u{fffd}b");
    }
}
