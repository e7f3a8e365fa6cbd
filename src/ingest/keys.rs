//! Names of the keys of objects, each kept once, and which of them follows which.
//!
//! Senders write the keys of their records in one order: the next one is told by a comparison, and is a number from then on.

use std::collections::BTreeMap;

use super::cell::{Cell, CellKind};

/// Names that are remembered, the first that are met. Objects that use ids or names of people as keys have others without end.
const MOST: usize = 1 << 12;
/// Bytes of a name that is remembered.
const LONGEST: usize = 1 << 8;

/// A name of keys: which of those remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyId(u16);

impl KeyId {
    /// Of what has no key: items of a list, and what lies in nothing.
    pub(crate) const NONE: Self = Self(0);
    /// Of a key whose name is not remembered: one too many, too long, or spelled with escapes.
    pub(crate) const STRANGE: Self = Self(1);

    fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Where a key stands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Spot {
    /// The first of an object that is the value of this key, or lies in a list that is.
    Within(KeyId),
    /// Behind the value of this one.
    After(KeyId),
}

/// The names that were met.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    /// The first two stand for no key, and for all that are strange.
    names: Vec<Name>,
    ids: BTreeMap<Vec<u8>, KeyId>,
}

/// Bytes that are compared at once.
const HEAD: usize = 16;

#[derive(Debug)]
struct Name {
    /// As it stands in most texts, up to its value: `"sku":`.
    written: Vec<u8>,
    /// The first bytes of that, and which of them it has.
    head: u128,
    mask: u128,
    /// The key that last came behind it, and the first one within it.
    next: KeyId,
    inner: KeyId,
}

impl Name {
    fn new(written: Vec<u8>) -> Self {
        let (mut head, mut mask) = ([0; HEAD], [0; HEAD]);
        for ((head, mask), byte) in head.iter_mut().zip(&mut mask).zip(&written) {
            (*head, *mask) = (*byte, u8::MAX);
        }
        Self {
            written,
            head: u128::from_le_bytes(head),
            mask: u128::from_le_bytes(mask),
            next: KeyId::NONE,
            inner: KeyId::NONE,
        }
    }

    /// The byte behind it, where the text has it at `at`; not at the text's very end, where too little is left to compare.
    #[inline(always)]
    fn end(&self, text: &[u8], at: usize) -> Option<usize> {
        let head: &[u8; HEAD] = text.get(at..)?.first_chunk()?;
        let end = at + self.written.len();
        let is_head = (u128::from_le_bytes(*head) ^ self.head) & self.mask == 0;
        let is_it = is_head
            && (self.written.len() <= HEAD || text.get(at + HEAD..end) == self.written.get(HEAD..))
            && !self.written.is_empty();
        is_it.then_some(end)
    }
}

impl Keys {
    /// None so far.
    pub(super) const fn new() -> Self {
        Self {
            names: Vec::new(),
            ids: BTreeMap::new(),
        }
    }

    /// The key at `at`, and the byte behind its colon, where it is the one that last stood in such a spot.
    #[inline(always)]
    pub(super) fn expected(&self, text: &[u8], at: usize, spot: Spot) -> Option<(KeyId, usize)> {
        let id = match spot {
            Spot::After(before) => self.names.get(before.index())?.next,
            Spot::Within(around) => self.names.get(around.index())?.inner,
        };
        let end = self.names.get(id.index())?.end(text, at)?;
        Some((id, end))
    }

    /// The key whose name is this cell, to be expected in such a spot from now on.
    pub(super) fn met(&mut self, text: &[u8], cell: Cell, spot: Spot) -> KeyId {
        if self.names.is_empty() {
            self.names
                .extend([Name::new(Vec::new()), Name::new(Vec::new())]);
        }
        let id = self.remembered(&text[cell.start as usize..cell.end as usize], cell.kind);
        match spot {
            Spot::After(before) => self.names[before.index()].next = id,
            Spot::Within(around) => self.names[around.index()].inner = id,
        }
        id
    }

    fn remembered(&mut self, name: &[u8], kind: CellKind) -> KeyId {
        if kind != CellKind::Text || name.len() > LONGEST {
            return KeyId::STRANGE;
        }
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        if self.names.len() == MOST {
            return KeyId::STRANGE;
        }
        let id = KeyId(self.names.len() as u16);
        self.names.push(Name::new([b"\"", name, b"\":"].concat()));
        self.ids.insert(name.to_vec(), id);
        id
    }

    /// The bytes of a name that is remembered.
    pub(super) fn name(&self, id: KeyId) -> Option<&[u8]> {
        let written = &self.names.get(id.index())?.written;
        written.strip_prefix(b"\"")?.strip_suffix(b"\":")
    }
}

/// What the keys of one tape are to somebody, who must not ask it of another; each name is looked up once, but for the strange
/// ones.
#[derive(Debug)]
pub(crate) struct Meanings<T> {
    /// By name; the outer `None`: not looked up yet.
    known: Vec<Option<Option<T>>>,
}

impl<T> Default for Meanings<T> {
    fn default() -> Self {
        Self { known: Vec::new() }
    }
}

impl<T: Copy> Meanings<T> {
    /// What a key is; `look_up` tells.
    #[inline(always)]
    pub(crate) fn of(&mut self, key: KeyId, look_up: impl FnOnce() -> Option<T>) -> Option<T> {
        match self.known.get(key.index()) {
            Some(Some(meaning)) => *meaning,
            _ => self.learn(key, look_up()),
        }
    }

    fn learn(&mut self, key: KeyId, meaning: Option<T>) -> Option<T> {
        if key != KeyId::STRANGE {
            let known = self.known.len().max(key.index() + 1);
            self.known.resize(known, None);
            self.known[key.index()] = Some(meaning);
        }
        meaning
    }
}
