//! Character encodings of text exports, and what the web and ISO disagree on.

/// Character encoding of a text export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Encoding {
    #[default]
    Utf8,
    /// Of two bytes a sign, the lower or the higher first.
    Utf16,
    /// As browsers read it: unassigned bytes of windows-1252 are C1 controls.
    Web(&'static encoding_rs::Encoding),
    /// By its standard, where browsers take another for it: as its namesake, but 0x80..=0x9F are C1 controls.
    Iso(&'static encoding_rs::Encoding),
}

/// Every encoding by the one name that it has in a project.
pub(crate) const ENCODINGS: &[(&str, Encoding)] = &[
    ("utf-8", Encoding::Utf8),
    ("utf-16", Encoding::Utf16),
    ("windows-1250", Encoding::Web(encoding_rs::WINDOWS_1250)),
    ("windows-1251", Encoding::Web(encoding_rs::WINDOWS_1251)),
    ("windows-1252", Encoding::Web(encoding_rs::WINDOWS_1252)),
    ("windows-1253", Encoding::Web(encoding_rs::WINDOWS_1253)),
    ("windows-1254", Encoding::Web(encoding_rs::WINDOWS_1254)),
    ("windows-1255", Encoding::Web(encoding_rs::WINDOWS_1255)),
    ("windows-1256", Encoding::Web(encoding_rs::WINDOWS_1256)),
    ("windows-1257", Encoding::Web(encoding_rs::WINDOWS_1257)),
    ("windows-1258", Encoding::Web(encoding_rs::WINDOWS_1258)),
    ("windows-874", Encoding::Web(encoding_rs::WINDOWS_874)),
    ("iso-8859-1", Encoding::Iso(encoding_rs::WINDOWS_1252)),
    ("iso-8859-2", Encoding::Web(encoding_rs::ISO_8859_2)),
    ("iso-8859-3", Encoding::Web(encoding_rs::ISO_8859_3)),
    ("iso-8859-4", Encoding::Web(encoding_rs::ISO_8859_4)),
    ("iso-8859-5", Encoding::Web(encoding_rs::ISO_8859_5)),
    ("iso-8859-6", Encoding::Web(encoding_rs::ISO_8859_6)),
    ("iso-8859-7", Encoding::Web(encoding_rs::ISO_8859_7)),
    ("iso-8859-8", Encoding::Web(encoding_rs::ISO_8859_8)),
    ("iso-8859-9", Encoding::Iso(encoding_rs::WINDOWS_1254)),
    ("iso-8859-10", Encoding::Web(encoding_rs::ISO_8859_10)),
    ("iso-8859-11", Encoding::Iso(encoding_rs::WINDOWS_874)),
    ("iso-8859-13", Encoding::Web(encoding_rs::ISO_8859_13)),
    ("iso-8859-14", Encoding::Web(encoding_rs::ISO_8859_14)),
    ("iso-8859-15", Encoding::Web(encoding_rs::ISO_8859_15)),
    ("iso-8859-16", Encoding::Web(encoding_rs::ISO_8859_16)),
    ("koi8-r", Encoding::Web(encoding_rs::KOI8_R)),
    ("koi8-u", Encoding::Web(encoding_rs::KOI8_U)),
    ("ibm866", Encoding::Web(encoding_rs::IBM866)),
    ("macintosh", Encoding::Web(encoding_rs::MACINTOSH)),
    ("x-mac-cyrillic", Encoding::Web(encoding_rs::X_MAC_CYRILLIC)),
    ("big5", Encoding::Web(encoding_rs::BIG5)),
    ("euc-jp", Encoding::Web(encoding_rs::EUC_JP)),
    ("euc-kr", Encoding::Web(encoding_rs::EUC_KR)),
    ("gb18030", Encoding::Web(encoding_rs::GB18030)),
    ("gbk", Encoding::Web(encoding_rs::GBK)),
    ("iso-2022-jp", Encoding::Web(encoding_rs::ISO_2022_JP)),
    ("shift_jis", Encoding::Web(encoding_rs::SHIFT_JIS)),
];

/// What other tools call them, where spelling does not lead there.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("utf-16le", "utf-16"),
    ("utf-16be", "utf-16"),
    ("unicode", "utf-16"),
    ("utf-8-sig", "utf-8"),
    ("ascii", "utf-8"),
    ("us-ascii", "utf-8"),
    ("ansi", "windows-1252"),
    ("latin1", "iso-8859-1"),
    ("l1", "iso-8859-1"),
    ("latin5", "iso-8859-9"),
    ("l5", "iso-8859-9"),
    ("tis-620", "iso-8859-11"),
    ("latin9", "iso-8859-15"),
    ("mac", "macintosh"),
];

impl Encoding {
    /// What Windows in Western Europe writes.
    pub(crate) const WINDOWS_1252: Self = Self::Web(encoding_rs::WINDOWS_1252);
    #[cfg(test)]
    pub(crate) const ISO_8859_1: Self = Self::Iso(encoding_rs::WINDOWS_1252);

    /// The encoding of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let found = ENCODINGS.iter().find(|(known, _)| *known == name);
        found.map(|(_, encoding)| *encoding)
    }

    /// Its name in a project.
    pub(crate) fn name(self) -> &'static str {
        let found = ENCODINGS.iter().find(|(_, encoding)| *encoding == self);
        found.map_or("utf-8", |(name, _)| name)
    }

    /// The name that a project gives to what other tools call so.
    pub(crate) fn name_of_label(label: &str) -> Option<&'static str> {
        let lower = label.trim().to_lowercase();
        let plain: String = lower.chars().filter(char::is_ascii_alphanumeric).collect();
        let is_meant = |other: &str| {
            let other = other.chars().filter(char::is_ascii_alphanumeric);
            other.eq(plain.chars())
        };
        let others = OTHER_NAMES.iter().map(|(other, name)| (*other, *name));
        let own = ENCODINGS.iter().map(|(name, _)| (*name, *name));
        if let Some((_, name)) = others.chain(own).find(|(other, _)| is_meant(other)) {
            return Some(name);
        }
        // `cp1250`, `win1251`, `latin2`: what browsers know, and `win` for their `windows-`
        let windows = format!("windows-{}", plain.trim_start_matches(char::is_alphabetic));
        let label = |label: &str| encoding_rs::Encoding::for_label_no_replacement(label.as_bytes());
        let is_windows = plain.starts_with("win") || plain.starts_with("cp");
        let known = label(&lower).or_else(|| label(&windows).filter(|_| is_windows))?;
        let same = ENCODINGS
            .iter()
            .find(|(_, encoding)| *encoding == Self::Web(known));
        same.map(|(name, _)| *name)
    }

    /// Whether a byte is a character, and ASCII is itself, so that signs are found in the raw bytes. Others become UTF-8
    /// before anything looks for signs.
    pub(crate) fn is_single_byte(self) -> bool {
        match self {
            Self::Utf8 | Self::Utf16 => false,
            Self::Web(encoding) | Self::Iso(encoding) => encoding.is_single_byte(),
        }
    }

    /// UTF-8 of the byte 0x80 + `at`, of an encoding of one byte a character; U+FFFD where it is none.
    pub(crate) fn upper_half(self, at: u8) -> String {
        let byte = 0x80 | at;
        match self {
            Self::Iso(_) if byte < 0xa0 => char::from(byte).to_string(),
            Self::Web(encoding) | Self::Iso(encoding) => {
                let bytes = [byte];
                let (text, _) = encoding.decode_without_bom_handling(&bytes);
                // to browsers, what a code page of Windows leaves free is a control character; to its senders it is nothing
                match text.contains(|c| matches!(c, '\u{80}'..='\u{9f}')) {
                    true => char::REPLACEMENT_CHARACTER.to_string(),
                    false => text.into_owned(),
                }
            }
            Self::Utf8 | Self::Utf16 => char::REPLACEMENT_CHARACTER.to_string(),
        }
    }

    /// The bytes by which signs are found in an export, as far as it can have them: those of UTF-8 where it becomes UTF-8.
    pub(crate) fn encode(self, signs: &str) -> Option<Vec<u8>> {
        if !self.is_single_byte() {
            return Some(signs.as_bytes().to_vec());
        }
        let byte = |sign: char| {
            if sign.is_ascii() {
                return Some(sign as u8);
            }
            let is_it = |at: &u8| self.upper_half(*at).chars().eq([sign]);
            (0..0x80).find(is_it).map(|at| 0x80 | at)
        };
        signs.chars().map(byte).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_encoding_has_one_name_and_is_found_by_others() {
        for (name, encoding) in ENCODINGS {
            assert_eq!(encoding.name(), *name);
            assert_eq!(Encoding::named(name), Some(*encoding));
            assert_eq!(Encoding::name_of_label(&name.to_uppercase()), Some(*name));
        }
        for (label, name) in [
            ("cp1252", "windows-1252"),
            ("CP-1250", "windows-1250"),
            ("win1251", "windows-1251"),
            ("latin-1", "iso-8859-1"),
            ("ISO_8859-1", "iso-8859-1"),
            ("latin2", "iso-8859-2"),
            ("latin-9", "iso-8859-15"),
            ("utf8", "utf-8"),
            ("sjis", "shift_jis"),
            ("cp866", "ibm866"),
        ] {
            assert_eq!(Encoding::name_of_label(label), Some(name), "{label}");
        }
        assert_eq!(Encoding::name_of_label("ebcdic"), None);
    }

    #[test]
    fn iso_differs_from_what_browsers_take_for_it_in_controls_only() {
        let text = |encoding: Encoding, byte: u8| encoding.upper_half(byte - 0x80);
        assert_eq!(text(Encoding::WINDOWS_1252, 0x80), "€");
        assert_eq!(text(Encoding::ISO_8859_1, 0x80), "\u{80}");
        for byte in 0xa0..=0xff {
            assert_eq!(
                text(Encoding::ISO_8859_1, byte),
                char::from(byte).to_string()
            );
        }
        let turkish = Encoding::named("iso-8859-9").unwrap();
        assert_eq!(
            (text(turkish, 0xfe), text(turkish, 0x80)),
            ("ş".into(), "\u{80}".into())
        );
    }

    #[test]
    fn signs_are_encoded_where_the_encoding_has_them() {
        assert_eq!(Encoding::WINDOWS_1252.encode("§;"), Some(vec![0xa7, b';']));
        assert_eq!(Encoding::Utf8.encode("§"), Some("§".as_bytes().to_vec()));
        assert_eq!(Encoding::ISO_8859_1.encode("€"), None);
    }
}
