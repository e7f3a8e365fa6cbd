//! The columns of a population as comparisons read them: texts by their codes, and of each text, once, what tells quickly that two cannot
//! be alike.

use super::comparison::{Levels, any_of};
use super::dictionary::Dictionary;
use super::row::{Columns, Row, both};
use crate::parallel;
use crate::text::{Outline, edit_distance, is_within_one_edit, jaro_winkler, nickname_groups};

/// The texts of a column, and where it stands in a row.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    /// Without rows: those are in the rows of all columns.
    pub(super) column: Dictionary,
    pub(super) place: usize,
}

impl Placed {
    pub(super) fn new(column: Dictionary, columns: &mut Columns) -> Self {
        Self {
            place: columns.place(&column),
            column: column.without_rows(),
        }
    }

    #[inline]
    pub(super) fn text(&self, code: u32) -> Option<&str> {
        self.column.text(code)
    }

    /// The numbers of two rows, where neither is missing.
    #[inline]
    pub(super) fn both(&self, one: &Row, other: &Row) -> Option<(u32, u32)> {
        both(self.place, one, other)
    }

    /// What each text says, by code.
    pub(super) fn read<T: Send>(&self, threads: usize, read: impl Fn(&str) -> T + Sync) -> Vec<T> {
        const TEXTS: usize = 1 << 16;
        let count = self.column.len() as u32;
        let starts: Vec<u32> = (0..count).step_by(TEXTS).collect();
        let read = parallel::map(threads, &starts, |start| {
            let codes = *start..count.min(start + TEXTS as u32);
            let texts = codes.map(|code| self.text(code).unwrap_or_default());
            texts.map(&read).collect::<Vec<T>>()
        });
        read.into_iter().flatten().collect()
    }
}

/// A column of texts that are compared letter by letter.
#[derive(Debug)]
pub(super) struct Texts {
    pub(super) column: Placed,
    /// By code.
    outlines: Vec<Outline>,
}

impl Texts {
    pub(super) fn new(column: Placed, threads: usize) -> Self {
        Self {
            outlines: column.read(threads, Outline::of),
            column,
        }
    }

    #[inline]
    pub(super) fn outline(&self, code: u32) -> Outline {
        self.outlines[code as usize]
    }

    pub(super) fn is_alike(&self, one: u32, other: u32, from: f64) -> bool {
        self.outline(one).may_reach(self.outline(other), from)
            && match (self.column.text(one), self.column.text(other)) {
                // in an order of their own: likeness from a to b and from b to a may differ by a hair
                (Some(a), Some(b)) => jaro_winkler(a.min(b), a.max(b)) >= from,
                _ => false,
            }
    }

    pub(super) fn is_within_two_edits(&self, one: u32, other: u32) -> bool {
        self.outline(one).may_be_within(self.outline(other), 2)
            && match (self.column.text(one), self.column.text(other)) {
                (Some(a), Some(b)) => {
                    a.len().abs_diff(b.len()) <= 2 && edit_distance(a, b, 2).is_some()
                }
                _ => false,
            }
    }
}

/// A column of short texts, mostly of digits, compared as one number each.
#[derive(Debug)]
pub(super) struct Digits {
    pub(super) column: Placed,
    /// By code.
    pub(super) packed: Vec<Packed>,
}

impl Digits {
    pub(super) fn new(column: Placed, threads: usize) -> Self {
        Self {
            packed: column.read(threads, Packed::of),
            column,
        }
    }

    /// 1 for equal texts, 2 for texts that are one edit apart, else as said of them.
    #[inline]
    pub(super) fn level(
        &self,
        one: &Row,
        other: &Row,
        differing: impl FnOnce(&Self, u32, u32) -> u8,
    ) -> u8 {
        let Some((a, b)) = self.column.both(one, other) else {
            return 0;
        };
        if a == b {
            return 1;
        }
        let (x, y) = (self.packed[a as usize], self.packed[b as usize]);
        if !x.may_be_one_edit_from(y) {
            // most pairs end here, without a look at a text
            return differing(self, a, b);
        }
        match (self.column.text(a), self.column.text(b)) {
            (Some(a), Some(b)) if is_within_one_edit(a, b) => 2,
            _ => differing(self, a, b),
        }
    }

    /// What `level` may say, by the numbers of the texts alone.
    #[inline]
    pub(super) fn levels(&self, one: &Row, other: &Row, differing: Levels) -> Levels {
        match self.column.both(one, other) {
            None => any_of([0]),
            Some((a, b)) if a == b => any_of([1]),
            Some(_) => differing,
        }
    }
}

/// A text of up to fifteen plain letters as a number, its length in front; 0 for any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packed(u128);

impl Packed {
    fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        if bytes.len() > 15 || !text.is_ascii() {
            return Self(0);
        }
        let letters = bytes
            .iter()
            .fold(0, |all, byte| all << 8 | u128::from(*byte));
        Self(letters | (bytes.len() as u128) << 120)
    }

    fn length(self) -> u8 {
        (self.0 >> 120) as u8
    }

    /// Whether one edit may lie between two texts: of equally long ones, it changes no more than two letters.
    #[inline]
    fn may_be_one_edit_from(self, other: Self) -> bool {
        if self.0 == 0 || other.0 == 0 {
            return true;
        }
        match self.length().abs_diff(other.length()) {
            0 => {
                // the letters are plain: seven bits each, and the eighth says of each whether it is another
                const SEVEN_BITS: u128 = u128::from_ne_bytes([0x7f; 16]);
                let differing = ((self.0 ^ other.0) + SEVEN_BITS) & !SEVEN_BITS;
                differing.count_ones() <= 2
            }
            1 => true,
            _ => false,
        }
    }

    /// Year, month and day of a text of eight digits.
    #[inline]
    pub(super) fn day(self) -> Option<(u32, u16, u16)> {
        let letters = self.0 as u64;
        let day = (
            (letters >> 32) as u32,
            (letters >> 16) as u16,
            letters as u16,
        );
        (self.length() == 8).then_some(day)
    }
}

/// A column of names, and what is known of each name.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) texts: Texts,
    /// By code: the names of other forms that it goes by.
    pub(super) groups: Vec<&'static [u16]>,
}

impl Names {
    pub(super) fn new(column: Placed, threads: usize) -> Self {
        let first_groups = |text: &str| nickname_groups(text.split(' ').next().unwrap_or_default());
        Self {
            groups: column.read(threads, first_groups),
            texts: Texts::new(column, threads),
        }
    }
}
