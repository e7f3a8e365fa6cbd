//! How a file writes its columns: as a dictionary and numbers into it, as differences, or as they are.
//!
//! A dictionary pays where values come again. Where nearly each is another one (keys, addresses, times) it costs a search
//! for every value, until it is given up as too large. Whole numbers that ascend are small differences. The first rows of a file
//! decide; they are the same on every machine, and so is the file.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::row::{RowConverter, SortField};
use xxhash_rust::xxh3::xxh3_64;

/// Rows that are looked at.
const SAMPLE: usize = 4096;

/// Of a hundred values, so many different ones are too many. Among the values that a dictionary of the encoder's size can hold,
/// mostly some come again within the sample.
const TOO_MANY: usize = 95;

/// Equal values side by side are a run. Runs of so many are worth a dictionary, even if each brings another value.
const LONG_RUN: usize = 8;

/// How the values of a leaf are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LeafEncoding {
    Dictionary,
    Differences,
    AsTheyAre,
}

/// For each leaf of the schema, in order, how it is written.
///
/// # Errors
/// Where a column's type has no order.
pub(super) fn encodings(first_rows: &RecordBatch) -> Result<Vec<LeafEncoding>, ArrowError> {
    let rows = first_rows.slice(0, first_rows.num_rows().min(SAMPLE));
    let mut found = Vec::new();
    for column in rows.columns() {
        add_leaves(column, &mut found)?;
    }
    Ok(found)
}

/// Leaves stand as Parquet has them: depth first.
fn add_leaves(array: &ArrayRef, found: &mut Vec<LeafEncoding>) -> Result<(), ArrowError> {
    match array.data_type() {
        DataType::Struct(_) => {
            for field in array.as_struct().columns() {
                add_leaves(field, found)?;
            }
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let offsets = list.value_offsets();
            let (start, end) = (offsets[0] as usize, offsets[list.len()] as usize);
            let items = list.values().slice(start, (end - start).min(SAMPLE));
            add_leaves(&items, found)?;
        }
        _ => found.push(encoding_of(array)?),
    }
    Ok(())
}

fn encoding_of(array: &ArrayRef) -> Result<LeafEncoding, ArrowError> {
    let field = SortField::new(array.data_type().clone());
    let rows = RowConverter::new(vec![field])?.convert_columns(&[Arc::clone(array)])?;
    let valid = (0..array.len()).filter(|row| array.is_valid(*row));
    let values: Vec<_> = valid.map(|row| rows.row(row)).collect();
    let mut hashes: Vec<u64> = values.iter().map(|value| xxh3_64(value.as_ref())).collect();
    hashes.dedup();
    let runs = hashes.len();
    hashes.sort_unstable();
    hashes.dedup();
    let has_long_runs = runs * LONG_RUN <= values.len();
    Ok(if has_long_runs || hashes.len() * 100 < runs * TOO_MANY {
        LeafEncoding::Dictionary
    } else if is_whole_number(array.data_type()) && values.is_sorted() {
        LeafEncoding::Differences
    } else {
        LeafEncoding::AsTheyAre
    })
}

fn is_whole_number(data_type: &DataType) -> bool {
    use DataType::{Date32, Int32, Int64, Timestamp};
    matches!(data_type, Int32 | Int64 | Date32 | Timestamp(_, _))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Int64Array, ListArray, StringArray, StructArray};
    use datafusion::arrow::datatypes::{Field, Int64Type, Schema};

    use super::*;

    #[test]
    fn values_that_come_again_get_a_dictionary_and_keys_are_differences() {
        let rows = 10_000;
        let keys: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
        let words = (0..rows).map(|n| ["SE", "NO", "DK"][n as usize % 3]);
        let words: ArrayRef = Arc::new(StringArray::from_iter_values(words));
        let nulls: ArrayRef = Arc::new(Int64Array::from(vec![None; rows as usize]));
        let lists = (0..rows).map(|n| Some(vec![Some(n), Some(n + rows)]));
        let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists));
        let field =
            |name: &str, array: &ArrayRef| Field::new(name, array.data_type().clone(), true);
        let of_three: ArrayRef = Arc::new(Int64Array::from_iter_values((0..rows).map(|n| n / 3)));
        let of_ten: ArrayRef = Arc::new(Int64Array::from_iter_values((0..rows).map(|n| n / 10)));
        let mixed = (0..rows).map(|n| n * 7_919 % rows);
        let mixed: ArrayRef = Arc::new(Int64Array::from_iter_values(mixed));
        let names = (0..rows).map(|n| format!("{n:05}"));
        let names: ArrayRef = Arc::new(StringArray::from_iter_values(names));
        let both = StructArray::from(vec![
            (Arc::new(field("key", &keys)), Arc::clone(&keys)),
            (Arc::new(field("word", &words)), Arc::clone(&words)),
        ]);
        let both: ArrayRef = Arc::new(both);
        let columns = vec![
            keys, words, nulls, lists, both, of_three, of_ten, mixed, names,
        ];
        let fields = columns.iter().enumerate();
        let fields = fields.map(|(at, array)| field(&at.to_string(), array));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let batch = RecordBatch::try_new(schema, columns).unwrap();
        use LeafEncoding::{AsTheyAre, Dictionary, Differences};
        let expected = [
            Differences, // keys
            Dictionary,  // words
            Dictionary,  // nulls
            AsTheyAre,   // items of lists: 0, 10,000, 1, 10,001 …
            Differences, // keys in a structure
            Dictionary,  // words in one
            Differences, // three rows a key
            Dictionary,  // ten
            AsTheyAre,   // keys in no order
            AsTheyAre,   // texts
        ];
        assert_eq!(encodings(&batch).unwrap(), expected);
        let empty = RecordBatch::new_empty(batch.schema());
        assert_eq!(encodings(&empty).unwrap(), [Dictionary; 10]);
    }
}
