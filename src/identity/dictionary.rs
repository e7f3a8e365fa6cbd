//! A column of text as small numbers: equal texts, equal numbers.
//!
//! Numbers are in the order in which texts are first seen, and nothing that a match gives depends on them: they are compared
//! for equality alone. Texts lie end to end in one buffer: ten million of them cost their letters and eight bytes each.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;

use super::hash;

/// A hash of texts and numbers that is fast and the same on every run; no order that it makes shows anywhere.
#[derive(Default)]
pub(super) struct Spread(u64);

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

/// What names a text wherever it stands, and does not give it away: models know values by it.
pub(super) type Mark = u64;

/// A column of text, each text stored once. A clone shares all of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dictionary {
    /// By row; [`MISSING`] for null.
    pub(super) codes: Arc<Vec<u32>>,
    texts: Arc<Texts>,
}

/// The texts of a column, by code.
#[derive(Debug)]
enum Texts {
    /// End to end.
    Written {
        letters: String,
        /// Where the text of each code ends in `letters`.
        ends: Vec<usize>,
    },
    /// Of two columns as one, only by their marks.
    Marked(Vec<Mark>),
}

impl Default for Texts {
    fn default() -> Self {
        Self::Written {
            letters: String::new(),
            ends: Vec::new(),
        }
    }
}

impl Dictionary {
    /// Encodes a column.
    pub(crate) fn encode<'a>(rows: impl Iterator<Item = Option<&'a str>>) -> Self {
        let mut seen: Numbers<&str> = Numbers::new();
        let mut letters = String::new();
        let mut ends: Vec<usize> = Vec::new();
        let codes = rows.map(|text| {
            text.map_or(MISSING, |text| {
                let number = seen.of(text);
                if number as usize == ends.len() {
                    letters.push_str(text);
                    ends.push(letters.len());
                }
                number
            })
        });
        Self {
            codes: Arc::new(codes.collect()),
            texts: Arc::new(Texts::Written { letters, ends }),
        }
    }

    /// The same rows under another reading of their texts; `None` makes a text missing. Each text is read once.
    pub(super) fn map(&self, read: impl Fn(&str) -> Option<String>) -> Self {
        let read: Vec<Option<String>> = (0..self.len() as u32)
            .map(|code| self.text(code).and_then(&read))
            .collect();
        let of_texts = Self::encode(read.iter().map(Option::as_deref));
        let codes = self.codes.iter();
        let codes = codes.map(|code| of_texts.codes.get(*code as usize).copied());
        of_texts.with_rows(codes.map(|code| code.unwrap_or(MISSING)).collect())
    }

    /// Two columns as one: a row's number says both texts; missing where either is.
    pub(super) fn pair(&self, other: &Self) -> Self {
        let (codes, pairs) = self.joined(other, |one, two| (one, two));
        let (one, two) = (self.marks(), other.marks());
        let marks = pairs
            .iter()
            .map(|(a, b)| hash(one[*a as usize] ^ hash(two[*b as usize])));
        Self {
            codes: Arc::new(codes),
            texts: Arc::new(Texts::Marked(marks.collect())),
        }
    }

    /// The numbers of [`pair`](Self::pair), whichever column holds which text; both columns must number equal texts equally.
    pub(super) fn pair_in_any_order(&self, other: &Self) -> Self {
        let (codes, pairs) = self.joined(other, |one, two| (one.min(two), one.max(two)));
        Self {
            codes: Arc::new(codes),
            texts: Arc::new(Texts::Marked(vec![0; pairs.len()])),
        }
    }

    /// Some of its rows as a column of their own.
    pub(super) fn of_rows(&self, rows: &[u32]) -> Self {
        let codes = rows.iter().map(|row| self.codes[*row as usize]);
        Self::encode(codes.map(|code| self.text(code)))
    }

    /// The same texts under the numbers of other rows.
    pub(super) fn with_rows(&self, codes: Vec<u32>) -> Self {
        Self {
            codes: Arc::new(codes),
            texts: Arc::clone(&self.texts),
        }
    }

    fn joined(
        &self,
        other: &Self,
        both: impl Fn(u32, u32) -> (u32, u32),
    ) -> (Vec<u32>, Vec<(u32, u32)>) {
        let mut seen: Numbers<(u32, u32)> = Numbers::new();
        let mut pairs = Vec::new();
        let rows = self.codes.iter().zip(other.codes.iter());
        let codes = rows.map(|(one, two)| match (*one, *two) {
            (MISSING, _) | (_, MISSING) => MISSING,
            (one, two) => {
                let pair = both(one, two);
                let number = seen.of(pair);
                if number as usize == pairs.len() {
                    pairs.push(pair);
                }
                number
            }
        });
        (codes.collect(), pairs)
    }

    /// Makes the rows of some texts missing.
    pub(super) fn forget(&mut self, is_forgotten: impl Fn(u32) -> bool) {
        for code in Arc::make_mut(&mut self.codes) {
            if *code != MISSING && is_forgotten(*code) {
                *code = MISSING;
            }
        }
    }

    /// Makes some rows missing.
    pub(super) fn forget_rows(&mut self, is_forgotten: impl Fn(usize) -> bool) {
        for (row, code) in Arc::make_mut(&mut self.codes).iter_mut().enumerate() {
            if is_forgotten(row) {
                *code = MISSING;
            }
        }
    }

    /// Number of distinct texts, those of no row among them.
    pub(super) fn len(&self) -> usize {
        match &*self.texts {
            Texts::Written { ends, .. } => ends.len(),
            Texts::Marked(marks) => marks.len(),
        }
    }

    /// The text of a number; `None` where it is missing.
    pub(super) fn text(&self, code: u32) -> Option<&str> {
        let Texts::Written { letters, ends } = &*self.texts else {
            return None;
        };
        let at = code as usize;
        let end = *ends.get(at)?;
        let start = at.checked_sub(1).map_or(0, |before| ends[before]);
        letters.get(start..end)
    }

    /// The mark of a number; equal texts have equal marks in every column and on every day.
    pub(super) fn mark(&self, code: u32) -> Mark {
        match &*self.texts {
            Texts::Written { .. } => {
                let digest = blake3::hash(self.text(code).unwrap_or_default().as_bytes());
                let (first, _) = digest.as_bytes().split_at(8);
                first.try_into().map_or(0, u64::from_le_bytes)
            }
            Texts::Marked(marks) => marks.get(code as usize).copied().unwrap_or_default(),
        }
    }

    /// The mark of every number.
    pub(super) fn marks(&self) -> Vec<Mark> {
        (0..self.len() as u32).map(|code| self.mark(code)).collect()
    }

    /// Rows of each text.
    pub(super) fn counts(&self) -> Vec<u32> {
        let mut counts = vec![0; self.len()];
        for code in self.codes.iter() {
            if let Some(count) = counts.get_mut(*code as usize) {
                *count += 1;
            }
        }
        counts
    }
}

/// Bytes that columns hold.
pub(super) fn bytes<'a>(columns: impl Iterator<Item = &'a Dictionary>) -> u64 {
    let bytes = columns.map(|column| {
        let texts = match &*column.texts {
            Texts::Written { letters, ends } => letters.len() + 8 * ends.len(),
            Texts::Marked(marks) => 8 * marks.len(),
        };
        4 * column.codes.len() + texts
    });
    bytes.sum::<usize>() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(texts: &[Option<&str>]) -> Dictionary {
        Dictionary::encode(texts.iter().copied())
    }

    #[test]
    fn equal_texts_have_one_number_and_one_mark() {
        let column = encode(&[Some("b"), None, Some("a"), Some("b")]);
        assert_eq!(*column.codes, [0, MISSING, 1, 0]);
        assert_eq!(column.text(0), Some("b"));
        assert_eq!(column.text(MISSING), None);
        assert_eq!(column.counts(), [2, 1]);
        assert_eq!(column.mark(1), encode(&[Some("a")]).mark(0));
    }

    #[test]
    fn texts_that_read_alike_share_a_number() {
        let column = encode(&[Some("B"), Some("b"), Some("-"), None]);
        let read = column.map(|text| (text != "-").then(|| text.to_lowercase()));
        assert_eq!(*read.codes, [0, 0, MISSING, MISSING]);
        assert_eq!(read.text(0), Some("b"));
    }

    #[test]
    fn a_pair_is_missing_where_either_text_is() {
        let one = encode(&[Some("a"), Some("a"), Some("b"), None]);
        let two = encode(&[Some("x"), Some("x"), None, Some("x")]);
        assert_eq!(*one.pair(&two).codes, [0, 0, MISSING, MISSING]);
    }
}
