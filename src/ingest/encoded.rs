//! Text of an export in an encoding that holds ASCII unchanged, as all formats of text want it: a byte order mark wins over
//! what the source declares, and encodings of more than one byte a character become UTF-8 on the way.

use std::borrow::Cow;
use std::io::{self, Cursor, Read};

use encoding_rs::{DecoderResult, UTF_16BE, UTF_16LE};

use crate::project::Encoding;

/// Bytes that are decoded at once.
const BLOCK: usize = 1 << 16;
/// No character of UTF-8: where the text holds half of a pair, the record is rejected as one of broken bytes.
const BROKEN: u8 = 0xff;

/// The content with its first bytes still in it, and the encoding in which it is to be read from now on.
///
/// # Errors
/// Those of storage and gzip.
pub(super) fn text<'a>(
    mut content: Box<dyn Read + 'a>,
    declared: Encoding,
) -> io::Result<(Box<dyn Read + 'a>, Encoding)> {
    let mut mark = Vec::with_capacity(3);
    content.by_ref().take(3).read_to_end(&mut mark)?;
    let other = match mark[..] {
        [0xff, 0xfe, ..] => Some(UTF_16LE),
        [0xfe, 0xff, ..] => Some(UTF_16BE),
        [0xef, 0xbb, 0xbf] => None,
        // every letter that a record may begin with is ASCII or nearly so
        [0, second, ..] if declared == Encoding::Utf16 && second != 0 => Some(UTF_16BE),
        _ => match declared {
            Encoding::Utf16 => Some(UTF_16LE),
            Encoding::Web(encoding) if !declared.is_single_byte() => Some(encoding),
            _ => return Ok((Box::new(Cursor::new(mark).chain(content)), declared)),
        },
    };
    let content = Cursor::new(mark).chain(content);
    let Some(encoding) = other else {
        return Ok((Box::new(content), Encoding::Utf8));
    };
    let decoded = Decoded {
        bytes: content,
        decoder: encoding.new_decoder_with_bom_removal(),
        raw: Vec::new(),
        text: Cursor::default(),
        is_complete: false,
    };
    Ok((Box::new(decoded), Encoding::Utf8))
}

/// Whether bytes that are read in an encoding of one byte a character are UTF-8, but for a slip here and there: text of such an
/// encoding hardly ever has a letter that looks so.
#[derive(Clone, Debug, Default)]
pub(super) struct Utf8Sight {
    /// Characters of UTF-8 beyond ASCII.
    letters: u64,
    /// Bytes that are none.
    others: u64,
    /// The beginning of a character whose end is still to come.
    open: Vec<u8>,
}

impl Utf8Sight {
    /// So many bytes of another encoding, and no more letters, settle it.
    const ENOUGH: u64 = 64;
    /// Letters beside which one slip is forgiven.
    const FORGIVEN: u64 = 20;

    /// What the bytes so far say.
    pub(super) fn is_utf8(&self) -> bool {
        self.letters > 0 && self.others * Self::FORGIVEN <= self.letters
    }

    /// Looks at the next bytes.
    pub(super) fn see(&mut self, bytes: &[u8]) {
        let is_settled = self.others >= Self::ENOUGH && self.letters < self.others;
        if is_settled || (self.open.is_empty() && bytes.is_ascii()) {
            return;
        }
        let open = std::mem::take(&mut self.open);
        let text = match open.is_empty() {
            true => Cow::Borrowed(bytes),
            false => Cow::Owned([&open[..], bytes].concat()),
        };
        let is_first = |byte: &u8| *byte >= 0xc0;
        let mut chunks = text.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            let valid = chunk.valid().as_bytes();
            self.letters += valid.iter().filter(|byte| is_first(byte)).count() as u64;
            let broken = chunk.invalid();
            let error = std::str::from_utf8(broken).err();
            if chunks.peek().is_none() && error.is_some_and(|e| e.error_len().is_none()) {
                self.open = broken.to_vec();
            } else {
                self.others += u64::from(!broken.is_empty());
            }
        }
    }
}

/// Any encoding → UTF-8.
struct Decoded<R> {
    bytes: R,
    decoder: encoding_rs::Decoder,
    raw: Vec<u8>,
    text: Cursor<Vec<u8>>,
    is_complete: bool,
}

impl<R: Read> Decoded<R> {
    /// Decodes a block more.
    fn fill(&mut self) -> io::Result<()> {
        self.raw.clear();
        let block = BLOCK as u64;
        self.bytes.by_ref().take(block).read_to_end(&mut self.raw)?;
        self.is_complete = self.raw.is_empty();
        // two bytes become three at most, and each block may end a pair that began before
        let mut text = vec![0; BLOCK * 2 + 16];
        let (mut taken, mut written) = (0, 0);
        loop {
            let (result, read, put) = self.decoder.decode_to_utf8_without_replacement(
                &self.raw[taken..],
                &mut text[written..],
                self.is_complete,
            );
            (taken, written) = (taken + read, written + put);
            match result {
                DecoderResult::InputEmpty => break,
                DecoderResult::Malformed(_, _) => {
                    text.insert(written, BROKEN);
                    written += 1;
                }
                DecoderResult::OutputFull => text.resize(text.len() * 2, 0),
            }
        }
        text.truncate(written);
        self.text = Cursor::new(text);
        Ok(())
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.text.position() == self.text.get_ref().len() as u64 && !self.is_complete {
            self.fill()?;
        }
        self.text.read(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8], declared: Encoding) -> (Vec<u8>, Encoding) {
        let (mut content, encoding) = text(Box::new(bytes), declared).unwrap();
        let mut out = Vec::new();
        content.read_to_end(&mut out).unwrap();
        (out, encoding)
    }

    fn utf_16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(to_bytes).collect()
    }

    #[test]
    fn a_mark_wins_over_what_is_declared() {
        let text = "\u{feff}id;på\u{1f600}\n";
        let plain = "id;på\u{1f600}\n".as_bytes().to_vec();
        for declared in [Encoding::WINDOWS_1252, Encoding::Utf8, Encoding::Utf16] {
            for bytes in [
                utf_16(text, u16::to_le_bytes),
                utf_16(text, u16::to_be_bytes),
            ] {
                assert_eq!(decoded(&bytes, declared), (plain.clone(), Encoding::Utf8));
            }
            // the mark of UTF-8 is left to whoever counts bytes
            let utf_8 = text.as_bytes().to_vec();
            assert_eq!(decoded(&utf_8, declared), (utf_8, Encoding::Utf8));
        }
    }

    #[test]
    fn utf_8_is_told_from_other_text_wherever_it_is_cut() {
        let is_utf8 = |bytes: &[u8], block: usize| {
            let mut sight = Utf8Sight::default();
            bytes.chunks(block).for_each(|block| sight.see(block));
            sight.is_utf8()
        };
        for block in 1..8 {
            assert!(is_utf8("id;Åsa \u{1f600}\n1;ö".as_bytes(), block));
            assert!(!is_utf8(b"id;Asa\n", block), "either");
            assert!(!is_utf8(b"id;\xc5sa\n", block));
            assert!(!is_utf8(b"id;\xc3\xa5\n\xe5\n", block));
            let slip = ["å".repeat(30).as_bytes(), b"\xe5 ", "å".as_bytes()].concat();
            assert!(is_utf8(&slip, block), "one slip of many letters");
            assert!(!is_utf8(&b"\xe5 ".repeat(9_000), block));
        }
    }

    #[test]
    fn without_a_mark_it_is_what_is_declared() {
        for bytes in [&b""[..], b"i", b"id;\xe5"] {
            let as_it_is = (bytes.to_vec(), Encoding::WINDOWS_1252);
            assert_eq!(decoded(bytes, Encoding::WINDOWS_1252), as_it_is);
        }
        for to_bytes in [u16::to_le_bytes, u16::to_be_bytes] {
            let bytes = utf_16("id;å", to_bytes);
            let plain = "id;å".as_bytes().to_vec();
            assert_eq!(decoded(&bytes, Encoding::Utf16), (plain, Encoding::Utf8));
        }
    }

    #[test]
    fn characters_of_several_bytes_become_utf_8() {
        for (name, bytes) in [
            ("shift_jis", &b"id,\x93\xfa\x96{\x5c"[..]),
            ("gbk", b"id,\xc8\xd5\xb1\xbe\x5c"),
            ("euc-jp", b"id,\xc6\xfc\xcb\xdc\x5c"),
        ] {
            let (text, encoding) = decoded(bytes, Encoding::named(name).unwrap());
            assert_eq!(encoding, Encoding::Utf8);
            assert_eq!(String::from_utf8(text).unwrap(), "id,日本\\", "{name}");
        }
        let broken = decoded(b"a\xff\nb", Encoding::named("euc-kr").unwrap()).0;
        assert_eq!(broken, [b'a', BROKEN, b'\n', b'b']);
    }

    #[test]
    fn what_is_no_character_stays_broken_and_long_text_whole() {
        let long = "å\u{1f600}x".repeat(100_000);
        let mut bytes = utf_16(&long, u16::to_le_bytes);
        assert_eq!(decoded(&bytes, Encoding::Utf16).0, long.as_bytes());
        bytes.extend([0x00, 0xd8, b'a', 0, 7]);
        let broken = decoded(&bytes, Encoding::Utf16).0;
        assert_eq!(broken[long.len()..], [BROKEN, b'a', BROKEN]);
    }
}
