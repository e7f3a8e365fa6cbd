//! Columns row by row: all numbers of one record side by side in memory.
//!
//! Two records of a block stand anywhere among the others. What they agree on is then two looks at memory, and not two for
//! each column.

use std::sync::Arc;

use super::dictionary::{Dictionary, MISSING};
use crate::parallel;

/// The numbers of one record, by the places of columns.
pub(super) type Row = [u32];

/// Columns that shall stand side by side, each once.
#[derive(Debug, Default)]
pub(super) struct Columns(Vec<Arc<Vec<u32>>>);

impl Columns {
    /// The place of a column in every row.
    pub(super) fn place(&mut self, column: &Dictionary) -> usize {
        self.place_of(&column.codes)
    }

    fn place_of(&mut self, codes: &Arc<Vec<u32>>) -> usize {
        let known = self.0.iter().position(|of| Arc::ptr_eq(of, codes));
        known.unwrap_or_else(|| {
            self.0.push(Arc::clone(codes));
            self.0.len() - 1
        })
    }

    /// All columns, row by row: so many rows, and those of records that are gone, where the columns have any.
    pub(super) fn into_rows(self, rows: u32, threads: usize) -> Rows {
        const ROWS: usize = 1 << 14;
        let width = self.0.len().max(1);
        let length = self.0.first().map_or(0, |column| column.len());
        let mut codes = vec![MISSING; width * length.max(rows as usize)];
        let chunks = codes.chunks_mut(width * ROWS).enumerate();
        parallel::for_each(threads, chunks.collect(), |(chunk, codes)| {
            for (place, column) in self.0.iter().enumerate() {
                let column = &column[chunk * ROWS..];
                for (row, code) in codes.chunks_exact_mut(width).zip(column) {
                    row[place] = *code;
                }
            }
        });
        Rows { width, codes }
    }
}

/// Records, each the numbers of its columns.
#[derive(Debug)]
pub(super) struct Rows {
    width: usize,
    codes: Vec<u32>,
}

impl Rows {
    /// Numbers row by row, so many a row.
    pub(super) fn of(width: usize, codes: Vec<u32>) -> Self {
        let width = width.max(1);
        Self { width, codes }
    }

    /// Makes some numbers of a row missing.
    pub(super) fn forget(&mut self, row: u32, places: &[usize]) {
        let start = row as usize * self.width;
        for place in places {
            self.codes[start + place] = MISSING;
        }
    }

    #[inline]
    pub(super) fn row(&self, row: u32) -> &Row {
        let start = row as usize * self.width;
        &self.codes[start..start + self.width]
    }

    /// Reads some records, so that they lie near when they are asked for one by one.
    pub(super) fn bring_near(&self, rows: &[u32]) {
        // numbers of four bytes in a line of the cache
        const LINE: usize = 16;
        let lines = rows
            .iter()
            .flat_map(|row| self.row(*row).iter().step_by(LINE));
        std::hint::black_box(lines.fold(0, |all, code| all ^ code));
    }

    /// Rows of each of so many texts of a column.
    pub(super) fn counts(&self, place: usize, texts: usize) -> Vec<u32> {
        let mut counts = vec![0; texts];
        let codes = self.codes.chunks_exact(self.width);
        for code in codes.filter_map(|row| row.get(place)) {
            if let Some(count) = counts.get_mut(*code as usize) {
                *count += 1;
            }
        }
        counts
    }

    /// Of each of so many texts of a column, whether several rows have it.
    pub(super) fn come_again(&self, place: usize, texts: usize) -> Vec<bool> {
        let (mut came, mut came_again) = (vec![false; texts], vec![false; texts]);
        for row in self.codes.chunks_exact(self.width) {
            let code = row[place] as usize;
            if let Some(came) = came.get_mut(code) {
                came_again[code] |= *came;
                *came = true;
            }
        }
        came_again
    }

    pub(super) fn count(&self) -> u32 {
        (self.codes.len() / self.width) as u32
    }
}

/// The numbers of two rows in a column, where neither is missing.
#[inline]
pub(super) fn both(place: usize, one: &Row, other: &Row) -> Option<(u32, u32)> {
    let (a, b) = (one[place], other[place]);
    (a != MISSING && b != MISSING).then_some((a, b))
}
