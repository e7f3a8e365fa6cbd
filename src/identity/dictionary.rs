//! A column of text as small numbers: equal texts, equal numbers.
//!
//! Numbers are in the order in which texts are first seen, and nothing that a match gives depends on them: they are compared
//! for equality alone. Texts lie end to end in one buffer: ten million of them cost their letters and eight bytes each.

use std::sync::Arc;

use super::hash;

/// A hash of a text that is fast and the same on every run; no order that it makes shows anywhere.
#[inline]
pub(super) fn hash_of(text: &str) -> u64 {
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let mut found = text.len() as u64;
    for word in words {
        found = hash(found ^ u64::from_le_bytes(*word));
    }
    let mut last = 0;
    for byte in rest {
        last = last << 8 | u64::from(*byte);
    }
    hash(found ^ last)
}

/// Numbers of things in the order in which they are first seen: a table of open addresses that holds the numbers, and of each
/// thing half of its hash, which tells nearly all others from it without a look at the thing.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    slots: Vec<u64>,
    count: u32,
}

impl Numbers {
    const EMPTY: u64 = u64::MAX;

    /// The number of a thing, and whether it is new. `is_it`: whether it is the thing of a number.
    #[inline]
    pub(super) fn of(&mut self, hash: u64, is_it: impl Fn(u32) -> bool) -> (u32, bool) {
        if self.slots.len() * 3 <= self.count as usize * 4 {
            self.grow();
        }
        let last = self.slots.len() - 1;
        let half = hash >> 32;
        let mut at = half as usize & last;
        loop {
            let slot = self.slots[at];
            if slot == Self::EMPTY {
                let number = self.count;
                self.slots[at] = half << 32 | u64::from(number);
                self.count += 1;
                return (number, true);
            }
            if slot >> 32 == half && is_it(slot as u32) {
                return (slot as u32, false);
            }
            at = (at + 1) & last;
        }
    }

    /// The number of a thing, where it has one.
    #[inline]
    fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let last = self.slots.len().checked_sub(1)?;
        let half = hash >> 32;
        let mut at = half as usize & last;
        loop {
            let slot = self.slots[at];
            if slot == Self::EMPTY {
                return None;
            }
            if slot >> 32 == half && is_it(slot as u32) {
                return Some(slot as u32);
            }
            at = (at + 1) & last;
        }
    }

    /// The first slot in which a thing may be.
    #[inline]
    fn slot(&self, hash: u64) -> u64 {
        let last = self.slots.len().wrapping_sub(1);
        let slot = self.slots.get((hash >> 32) as usize & last);
        slot.copied().unwrap_or(Self::EMPTY)
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(64);
        let before = std::mem::replace(&mut self.slots, vec![Self::EMPTY; size]);
        for slot in before.into_iter().filter(|slot| *slot != Self::EMPTY) {
            let mut at = (slot >> 32) as usize & (size - 1);
            while self.slots[at] != Self::EMPTY {
                at = (at + 1) & (size - 1);
            }
            self.slots[at] = slot;
        }
    }
}

/// The number of a text that is missing.
pub(super) const MISSING: u32 = u32::MAX;

/// What names a text wherever it stands, and does not give it away: models know values by it.
pub(super) type Mark = u64;

/// The mark of a text.
pub(super) fn mark_of(text: &str) -> Mark {
    let digest = blake3::hash(text.as_bytes());
    let (first, _) = digest.as_bytes().split_at(8);
    first.try_into().map_or(0, u64::from_le_bytes)
}

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
    Written(Written),
    /// Of two columns as one, only by their marks.
    Marked(Vec<Mark>),
}

impl Default for Texts {
    fn default() -> Self {
        Self::Written(Written::default())
    }
}

/// Texts end to end.
#[derive(Clone, Debug, Default)]
struct Written {
    letters: String,
    /// Where the text of each code ends in `letters`.
    ends: Vec<usize>,
}

impl Written {
    fn push(&mut self, text: &str) {
        self.letters.push_str(text);
        self.ends.push(self.letters.len());
    }

    #[inline]
    fn text(&self, code: u32) -> Option<&str> {
        let at = code as usize;
        let end = *self.ends.get(at)?;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.letters.get(start..end)
    }

    fn shrink_to_fit(&mut self) {
        self.letters.shrink_to_fit();
        self.ends.shrink_to_fit();
    }
}

/// Different texts, each with a number: in the order in which they are first seen.
#[derive(Clone, Debug, Default)]
pub(super) struct NumberedTexts {
    numbers: Numbers,
    texts: Written,
}

impl NumberedTexts {
    /// The number of a text, which it gets here where it has none, and whether it is new.
    pub(super) fn number(&mut self, text: &str) -> (u32, bool) {
        self.number_of_hash(hash_of(text), text)
    }

    #[inline]
    fn number_of_hash(&mut self, hash: u64, text: &str) -> (u32, bool) {
        let Self { numbers, texts } = self;
        let (number, is_new) = numbers.of(hash, |code| texts.text(code) == Some(text));
        if is_new {
            texts.push(text);
        }
        (number, is_new)
    }

    /// The number of a text that has one.
    #[inline]
    pub(super) fn find(&self, text: &str) -> Option<u32> {
        let is_it = |code| self.texts.text(code) == Some(text);
        self.numbers.find(hash_of(text), is_it)
    }

    /// The text of a number that was given.
    #[inline]
    pub(super) fn text(&self, number: u32) -> &str {
        let at = number as usize;
        let start = at
            .checked_sub(1)
            .map_or(0, |before| self.texts.ends[before]);
        &self.texts.letters[start..self.texts.ends[at]]
    }

    pub(super) fn len(&self) -> usize {
        self.texts.ends.len()
    }
}

/// A column while its rows come.
#[derive(Debug, Default)]
pub(crate) struct Encoding {
    codes: Vec<u32>,
    texts: NumberedTexts,
}

impl Encoding {
    /// Adds rows. Where a text stands in memory nobody knows before: the places of some are asked for all together, so that
    /// no text waits for the one before it.
    pub(crate) fn push_all<T: AsRef<str>>(&mut self, rows: impl Iterator<Item = Option<T>>) {
        const TOGETHER: usize = 64;
        let mut rows = rows.peekable();
        let mut next: Vec<(u64, Option<T>)> = Vec::with_capacity(TOGETHER);
        while rows.peek().is_some() {
            next.extend(rows.by_ref().take(TOGETHER).map(|text| {
                let hash = text.as_ref().map_or(0, |text| hash_of(text.as_ref()));
                (hash, text)
            }));
            let Self { codes, texts } = self;
            let slots = next.iter().map(|(hash, _)| texts.numbers.slot(*hash));
            let ends = slots.map(|slot| texts.texts.ends.get(slot as u32 as usize));
            let ends: usize = ends.flatten().fold(0, |all, end| all ^ end);
            std::hint::black_box(ends);
            codes.extend(next.drain(..).map(|(hash, text)| match text {
                Some(text) => texts.number_of_hash(hash, text.as_ref()).0,
                None => MISSING,
            }));
        }
    }

    /// The number of each row's text, and the texts.
    pub(super) fn into_numbers(self) -> (Vec<u32>, NumberedTexts) {
        (self.codes, self.texts)
    }

    /// The column with its rows in another order, where one is given.
    pub(crate) fn finish(mut self, order: Option<&[u32]>) -> Dictionary {
        match order {
            Some(order) => self.codes = order.iter().map(|row| self.codes[*row as usize]).collect(),
            None => self.codes.shrink_to_fit(),
        }
        self.texts.texts.shrink_to_fit();
        Dictionary {
            codes: Arc::new(self.codes),
            texts: Arc::new(Texts::Written(self.texts.texts)),
        }
    }
}

impl Dictionary {
    /// Encodes a column.
    pub(crate) fn encode<'a>(rows: impl Iterator<Item = Option<&'a str>>) -> Self {
        let mut encoding = Encoding::default();
        encoding.push_all(rows);
        encoding.finish(None)
    }

    /// With other rows behind its own.
    pub(crate) fn with_more<'a>(&self, rows: impl Iterator<Item = Option<&'a str>>) -> Self {
        let mut encoding = Encoding::default();
        encoding.push_all((0..self.len() as u32).map(|code| self.text(code)));
        encoding.codes = self.codes.to_vec();
        encoding.push_all(rows);
        encoding.finish(None)
    }

    /// The same rows under another reading of their texts; `None` makes a text missing. Each text is read once.
    pub(super) fn map(&self, read: impl Fn(&str) -> Option<String>) -> Self {
        let mut of_texts = Encoding::default();
        let codes = 0..self.len() as u32;
        of_texts.push_all(codes.map(|code| self.text(code).and_then(&read)));
        let of_texts = of_texts.finish(None);
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
        match &*self.texts {
            Texts::Written(_) => Self::encode(codes.map(|code| self.text(code))),
            // there are no texts that could be numbered anew
            Texts::Marked(_) => self.with_rows(codes.collect()),
        }
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
        let mut numbers = Numbers::default();
        let mut pairs = Vec::new();
        let rows = self.codes.iter().zip(other.codes.iter());
        let codes = rows.map(|(one, two)| match (*one, *two) {
            (MISSING, _) | (_, MISSING) => MISSING,
            (one, two) => {
                let pair = both(one, two);
                let hash = hash(u64::from(pair.0) << 32 | u64::from(pair.1));
                let (number, is_new) = numbers.of(hash, |code| pairs[code as usize] == pair);
                if is_new {
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
            Texts::Written(texts) => texts.ends.len(),
            Texts::Marked(marks) => marks.len(),
        }
    }

    /// The text of a number; `None` where it is missing.
    #[inline]
    pub(super) fn text(&self, code: u32) -> Option<&str> {
        match &*self.texts {
            Texts::Written(texts) => texts.text(code),
            Texts::Marked(_) => None,
        }
    }

    /// The text of a row; `None` where it is missing.
    #[inline]
    pub(crate) fn text_of(&self, row: usize) -> Option<&str> {
        self.text(self.codes[row])
    }

    /// The mark of a number; equal texts have equal marks in every column and on every day.
    pub(super) fn mark(&self, code: u32) -> Mark {
        match &*self.texts {
            Texts::Written(_) => mark_of(self.text(code).unwrap_or_default()),
            Texts::Marked(marks) => marks.get(code as usize).copied().unwrap_or_default(),
        }
    }

    /// The mark of every number.
    pub(super) fn marks(&self) -> Vec<Mark> {
        (0..self.len() as u32).map(|code| self.mark(code)).collect()
    }

    /// The same texts without rows, where those stand elsewhere.
    pub(super) fn without_rows(&self) -> Self {
        self.with_rows(Vec::new())
    }
}

/// Bytes that columns hold.
pub(super) fn bytes<'a>(columns: impl Iterator<Item = &'a Dictionary>) -> u64 {
    let bytes = columns.map(|column| {
        let texts = match &*column.texts {
            Texts::Written(texts) => texts.letters.len() + 8 * texts.ends.len(),
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
        assert_eq!(column.mark(1), encode(&[Some("a")]).mark(0));
    }

    #[test]
    fn rows_that_come_later_have_the_numbers_of_those_before() {
        let column = encode(&[Some("b"), None, Some("a")]);
        let more = column.with_more([Some("c"), Some("b"), None].into_iter());
        assert_eq!(*more.codes, [0, MISSING, 1, 2, 0, MISSING]);
        assert_eq!(more.text_of(3), Some("c"));
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
        let pair = one.pair(&two);
        assert_eq!(*pair.codes, [0, 0, MISSING, MISSING]);
        let some = pair.of_rows(&[1, 3]);
        assert_eq!(*some.codes, [0, MISSING]);
        assert_eq!(some.mark(0), pair.mark(0));
    }
}
