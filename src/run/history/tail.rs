//! How a history grows: only its newest file is ever written again, until that is full.
//!
//! ```text
//! full  full  tail + tonight ──▶ full  full  tail'          the tail takes tonight's rows
//! full  full  FULL + tonight ──▶ full  full  FULL' tail'    it is full: it stays, and the next one begins
//! ```
//!
//! So a night costs what a file costs, however long the history, and there are never many files. What a run could not
//! know of itself stands in the newest file, whose row the next release replaces.

use std::collections::BTreeSet;

use datafusion::arrow::array::{AsArray, BooleanArray, RecordBatch};
use datafusion::arrow::compute::{cast, filter_record_batch};
use datafusion::arrow::datatypes::DataType;

use crate::error::{Error, Result};

/// Rows from which a file counts as full.
pub(super) const FULL: usize = 10_000;

/// The files that take the place of the newest one.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Tail {
    /// Rows of each new file; none is empty.
    pub(super) files: Vec<Vec<RecordBatch>>,
    /// Whether the newest file stays as it is.
    pub(super) keeps_newest: bool,
}

/// Adds rows to the newest file's; `void` names those of its rows (by their first column) that `new` replaces.
pub(super) fn grow(
    newest: &[RecordBatch],
    void: &BTreeSet<String>,
    new: RecordBatch,
    full: usize,
) -> Result<Tail> {
    let mut kept = Vec::new();
    for batch in newest {
        kept.push(without(batch, void)?);
    }
    let count = |batches: &[RecordBatch]| batches.iter().map(RecordBatch::num_rows).sum::<usize>();
    let (before, after) = (count(newest), count(&kept));
    let is_full = after >= full;
    let mut files = Vec::new();
    if is_full {
        if before != after {
            files.push(kept);
        }
        files.push(vec![new]);
    } else {
        kept.push(new);
        files.push(kept);
    }
    files.retain(|file| count(file) > 0);
    Ok(Tail {
        files,
        keeps_newest: is_full && before == after,
    })
}

fn without(batch: &RecordBatch, void: &BTreeSet<String>) -> Result<RecordBatch> {
    let unreadable =
        |error| Error::internal("a history cannot be read back").caused_by(Box::new(error));
    let names = cast(batch.column(0), &DataType::Utf8).map_err(unreadable)?;
    let names = names.as_string::<i32>().iter();
    let stays: BooleanArray = names
        .map(|name| Some(!name.is_some_and(|name| void.contains(name))))
        .collect();
    filter_record_batch(batch, &stays).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::StringArray;
    use datafusion::arrow::datatypes::{Field, Schema};

    use super::*;

    fn batch(names: &[&str]) -> RecordBatch {
        let schema = Schema::new(vec![Field::new("run", DataType::Utf8, true)]);
        let names = StringArray::from(names.to_vec());
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(names)]).unwrap()
    }

    /// Names in each new file, and whether the newest stays.
    fn grown(newest: &[&str], void: &[&str], new: &[&str]) -> (Vec<Vec<String>>, bool) {
        let void = void.iter().map(ToString::to_string).collect();
        let tail = grow(&[batch(newest)], &void, batch(new), 3).unwrap();
        let names = |file: &Vec<RecordBatch>| {
            let batches = file.iter().map(|batch| batch.column(0).as_string::<i32>());
            let names = batches.flat_map(|column| column.iter().flatten());
            names.map(str::to_string).collect()
        };
        (tail.files.iter().map(names).collect(), tail.keeps_newest)
    }

    #[test]
    fn a_file_with_room_takes_the_new_rows_and_gives_up_the_void_ones() {
        let (files, keeps) = grown(&["a", "b"], &["b"], &["b2", "c"]);
        assert_eq!(files, [["a", "b2", "c"]]);
        assert!(!keeps);
    }

    #[test]
    fn a_full_file_stays_and_the_next_one_begins() {
        assert_eq!(
            grown(&["a", "b", "c"], &["x"], &["d"]),
            (vec![vec!["d".to_string()]], true)
        );
    }

    #[test]
    fn a_full_file_with_a_void_row_is_written_once_more() {
        let (files, keeps) = grown(&["a", "b", "c", "d"], &["d"], &["d2", "e"]);
        assert_eq!(files, [vec!["a", "b", "c"], vec!["d2", "e"]]);
        assert!(!keeps);
    }

    #[test]
    fn nothing_makes_no_file() {
        assert_eq!(grown(&[], &[], &[]), (vec![], false));
    }
}
