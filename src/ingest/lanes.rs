//! Eight bytes of a text at once, as one number whose lowest byte is the first.
//!
//! What is looked for is marked by the top bit of each byte that is it. Only the lowest mark is certain: bytes above it may be
//! marked, too. Source: H. S. Warren, Hacker's Delight, chapter 6 (finding a byte in a word).

/// A one in each byte.
const ONES: u64 = 0x0101_0101_0101_0101;
/// The top bit of each.
const TOPS: u64 = 0x8080_8080_8080_8080;

/// This byte eight times.
pub(super) const fn all(byte: u8) -> u64 {
    ONES * byte as u64
}

/// Bytes below a number, which is 0x80 at most.
#[inline(always)]
pub(super) fn below(word: u64, number: u8) -> u64 {
    word.wrapping_sub(all(number)) & !word & TOPS
}

/// Bytes that are this one.
#[inline(always)]
pub(super) fn equal(word: u64, byte: u8) -> u64 {
    below(word ^ all(byte), 1)
}

/// Bytes that are no digits.
#[inline(always)]
pub(super) fn other_than_digits(word: u64) -> u64 {
    above_nine(word ^ all(b'0'))
}

/// Bytes above 9.
#[inline(always)]
fn above_nine(word: u64) -> u64 {
    // 0x76 and 9 are 0x7f
    (word.wrapping_add(all(0x76)) | word) & TOPS
}

/// Which byte the lowest mark is on, 0 to 7; 8 where there is none.
#[inline(always)]
pub(super) fn lowest(marks: u64) -> usize {
    (marks.trailing_zeros() / 8) as usize
}

/// A text of one to eight bytes, 0 behind them.
#[inline(always)]
pub(super) fn short(text: &[u8]) -> Option<u64> {
    let behind = |first: usize| (text.len() - first) * 8;
    Some(match text.len() {
        1 => u64::from(text[0]),
        // two halves that may overlap
        2..=3 => {
            let (first, last) = (text.first_chunk()?, text.last_chunk()?);
            let last = u64::from(u16::from_le_bytes(*last)) << behind(2);
            u64::from(u16::from_le_bytes(*first)) | last
        }
        4..=7 => {
            let (first, last) = (text.first_chunk()?, text.last_chunk()?);
            let last = u64::from(u32::from_le_bytes(*last)) << behind(4);
            u64::from(u32::from_le_bytes(*first)) | last
        }
        8 => u64::from_le_bytes(*text.first_chunk()?),
        _ => return None,
    })
}

/// The number whose digits are so many bytes from the lowest on, at most 8; `None` where one of them is no digit, and for none.
#[inline(always)]
pub(super) fn number(word: u64, digits: usize) -> Option<u64> {
    if digits == 0 {
        return None;
    }
    // zeros before the first, so that they are eight
    let digits = (word ^ all(b'0')) << ((8 - digits) * 8);
    if above_nine(digits) != 0 {
        return None;
    }
    // neighbours together: twos, fours, all
    let twos = digits.wrapping_mul(1 + (10 << 8)) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = twos.wrapping_mul(1 + (100 << 16)) >> 16 & 0x0000_ffff_0000_ffff;
    Some(fours.wrapping_mul(1 + (10_000 << 32)) >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_mark_is_on_the_first_byte_that_is_looked_for() {
        for before in [0, b'0', b'9', 0x1f, 0x7f, 0x80, 0xff] {
            for byte in 0..=u8::MAX {
                for at in 0..8 {
                    let mut text = [before; 8];
                    text[at..].fill(byte);
                    let word = u64::from_le_bytes(text);
                    let first =
                        |is_it: &dyn Fn(&u8) -> bool| text.iter().position(is_it).unwrap_or(8);
                    let others = first(&|byte| !byte.is_ascii_digit());
                    assert_eq!(lowest(other_than_digits(word)), others, "{text:?}");
                    assert_eq!(lowest(equal(word, b'"')), first(&|byte| *byte == b'"'));
                    assert_eq!(lowest(below(word, 0x20)), first(&|byte| *byte < 0x20));
                }
            }
        }
    }

    #[test]
    fn numbers_of_up_to_eight_digits_are_read() {
        for text in [
            "0", "7", "10", "123", "0042", "98765", "100000", "9999999", "12345678",
        ] {
            let word = short(text.as_bytes()).unwrap();
            assert_eq!(number(word, text.len()), text.parse().ok(), "{text}");
        }
        assert_eq!(short(b""), None);
        assert_eq!(short(b"123456789"), None);
        assert_eq!(number(0, 0), None);
    }
}
