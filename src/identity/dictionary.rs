//! A column of text as small numbers: equal texts, equal numbers.
//!
//! Numbers follow the order of the texts, so they depend on what a column holds and not on the order of its rows. Texts lie
//! end to end in one buffer: ten million of them cost their letters and eight bytes each.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use super::hash;

/// A hash of texts and numbers that is fast and the same on every run; no order that it makes shows anywhere.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 = hash(self.0 ^ u64::from_le_bytes(word));
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Things by the order in which they were first seen.
struct Numbers<K>(HashMap<K, u32, BuildHasherDefault<Spread>>);

impl<K: Hash + Eq + Copy> Numbers<K> {
    fn new() -> Self {
        Self(HashMap::default())
    }

    fn of(&mut self, key: K) -> u32 {
        let next = self.0.len() as u32;
        *self.0.entry(key).or_insert(next)
    }
}

/// The number of a text that is missing.
pub(super) const MISSING: u32 = u32::MAX;

/// A column of text, each text stored once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dictionary {
    /// By row; [`MISSING`] for null.
    pub(super) codes: Vec<u32>,
    letters: String,
    /// Where the text of each code ends in `letters`.
    ends: Vec<usize>,
}

impl Dictionary {
    /// Encodes a column.
    pub(crate) fn encode<'a>(rows: impl Iterator<Item = Option<&'a str>>) -> Self {
        let mut seen: Numbers<&str> = Numbers::new();
        let mut texts: Vec<&str> = Vec::new();
        let first_seen = rows.map(|text| {
            text.map_or(MISSING, |text| {
                let number = seen.of(text);
                if number as usize == texts.len() {
                    texts.push(text);
                }
                number
            })
        });
        let mut codes: Vec<u32> = first_seen.collect();
        let mut order: Vec<u32> = (0..texts.len() as u32).collect();
        order.sort_unstable_by_key(|at| texts[*at as usize]);
        let mut place = vec![0; texts.len()];
        let mut encoded = Self::default();
        for (code, at) in order.iter().enumerate() {
            place[*at as usize] = code as u32;
            encoded.push(texts[*at as usize]);
        }
        for code in codes.iter_mut().filter(|code| **code != MISSING) {
            *code = place[*code as usize];
        }
        encoded.codes = codes;
        encoded
    }

    /// The same rows under another reading of their texts; `None` makes a text missing. Each text is read once.
    pub(super) fn map(&self, read: impl Fn(&str) -> Option<String>) -> Self {
        let read: Vec<Option<String>> = (0..self.len() as u32)
            .map(|code| self.text(code).and_then(&read))
            .collect();
        let of_texts = Self::encode(read.iter().map(Option::as_deref));
        let codes = self.codes.iter();
        let codes = codes.map(|code| of_texts.codes.get(*code as usize).copied());
        Self {
            codes: codes.map(|code| code.unwrap_or(MISSING)).collect(),
            ..of_texts
        }
    }

    /// Two columns as one: a row's number says both texts; missing where either is.
    pub(super) fn pair(&self, other: &Self) -> Self {
        self.joined(other, |one, two| (one, two))
    }

    /// As [`pair`](Self::pair), whichever column holds which text; both columns must number equal texts equally.
    pub(super) fn pair_in_any_order(&self, other: &Self) -> Self {
        self.joined(other, |one, two| (one.min(two), one.max(two)))
    }

    /// The same texts under the numbers of other rows.
    pub(super) fn with_rows(&self, codes: &[u32]) -> Self {
        Self {
            codes: codes.to_vec(),
            letters: self.letters.clone(),
            ends: self.ends.clone(),
        }
    }

    fn joined(&self, other: &Self, both: impl Fn(u32, u32) -> (u32, u32)) -> Self {
        let mut seen: Numbers<(u32, u32)> = Numbers::new();
        let rows = self.codes.iter().zip(&other.codes);
        let codes = rows.map(|(one, two)| match (*one, *two) {
            (MISSING, _) | (_, MISSING) => MISSING,
            (one, two) => seen.of(both(one, two)),
        });
        let codes: Vec<u32> = codes.collect();
        Self {
            codes,
            letters: String::new(),
            ends: vec![0; seen.0.len()],
        }
    }

    /// Makes the rows of some texts missing.
    pub(super) fn forget(&mut self, is_forgotten: impl Fn(u32) -> bool) {
        for code in &mut self.codes {
            if *code != MISSING && is_forgotten(*code) {
                *code = MISSING;
            }
        }
    }

    fn push(&mut self, text: &str) {
        self.letters.push_str(text);
        self.ends.push(self.letters.len());
    }

    /// Number of distinct texts, those of no row among them.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The text of a number; `None` where it is missing.
    pub(super) fn text(&self, code: u32) -> Option<&str> {
        let at = code as usize;
        let end = *self.ends.get(at)?;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.letters.get(start..end)
    }

    /// Rows of each text.
    pub(super) fn counts(&self) -> Vec<u32> {
        let mut counts = vec![0; self.len()];
        for code in &self.codes {
            if let Some(count) = counts.get_mut(*code as usize) {
                *count += 1;
            }
        }
        counts
    }
}

/// Bytes that columns hold.
pub(super) fn bytes<'a>(columns: impl Iterator<Item = &'a Dictionary>) -> u64 {
    let bytes = columns.map(|c| 4 * c.codes.len() + c.letters.len() + 8 * c.ends.len());
    bytes.sum::<usize>() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(texts: &[Option<&str>]) -> Dictionary {
        Dictionary::encode(texts.iter().copied())
    }

    #[test]
    fn numbers_follow_the_texts_and_not_the_rows() {
        let column = encode(&[Some("b"), None, Some("a"), Some("b")]);
        assert_eq!(column.codes, [1, MISSING, 0, 1]);
        assert_eq!(column.text(1), Some("b"));
        assert_eq!(column.text(MISSING), None);
        assert_eq!(column.counts(), [1, 2]);
    }

    #[test]
    fn texts_that_read_alike_share_a_number() {
        let column = encode(&[Some("B"), Some("b"), Some("-"), None]);
        let read = column.map(|text| (text != "-").then(|| text.to_lowercase()));
        assert_eq!(read.codes, [0, 0, MISSING, MISSING]);
        assert_eq!(read.text(0), Some("b"));
    }

    #[test]
    fn a_pair_is_missing_where_either_text_is() {
        let one = encode(&[Some("a"), Some("a"), Some("b"), None]);
        let two = encode(&[Some("x"), Some("x"), None, Some("x")]);
        assert_eq!(one.pair(&two).codes, [0, 0, MISSING, MISSING]);
    }
}
