//! Which columns a file keeps as a dictionary and numbers into it.
//!
//! A dictionary pays where values come again. Where nearly each is another one (keys, addresses, times) it costs a search
//! for every value, until it is given up as too large; so the first rows of a file decide. They are the same on every
//! machine, and so is the file.

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

/// For each leaf of the schema, in order, whether it gets a dictionary.
///
/// # Errors
/// Where a column's type has no order.
pub(super) fn dictionaries(first_rows: &RecordBatch) -> Result<Vec<bool>, ArrowError> {
    let rows = first_rows.slice(0, first_rows.num_rows().min(SAMPLE));
    let mut found = Vec::new();
    for column in rows.columns() {
        add_leaves(column, &mut found)?;
    }
    Ok(found)
}

/// Leaves stand as Parquet has them: depth first.
fn add_leaves(array: &ArrayRef, found: &mut Vec<bool>) -> Result<(), ArrowError> {
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
        _ => found.push(values_come_again(array)?),
    }
    Ok(())
}

fn values_come_again(array: &ArrayRef) -> Result<bool, ArrowError> {
    let field = SortField::new(array.data_type().clone());
    let rows = RowConverter::new(vec![field])?.convert_columns(&[Arc::clone(array)])?;
    let valid = (0..array.len()).filter(|row| array.is_valid(*row));
    let mut hashes: Vec<u64> = valid.map(|row| xxh3_64(rows.row(row).as_ref())).collect();
    let count = hashes.len();
    hashes.sort_unstable();
    hashes.dedup();
    Ok(count == 0 || hashes.len() * 100 < count * TOO_MANY)
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Int64Array, ListArray, StringArray, StructArray};
    use datafusion::arrow::datatypes::{Field, Int64Type, Schema};

    use super::*;

    #[test]
    fn values_that_come_again_get_a_dictionary_and_keys_do_not() {
        let rows = 10_000;
        let keys: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
        let words = (0..rows).map(|n| ["SE", "NO", "DK"][n as usize % 3]);
        let words: ArrayRef = Arc::new(StringArray::from_iter_values(words));
        let nulls: ArrayRef = Arc::new(Int64Array::from(vec![None; rows as usize]));
        let lists = (0..rows).map(|n| Some(vec![Some(n), Some(n + rows)]));
        let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists));
        let field = |name, array: &ArrayRef| Field::new(name, array.data_type().clone(), true);
        let both = StructArray::from(vec![
            (Arc::new(field("key", &keys)), Arc::clone(&keys)),
            (Arc::new(field("word", &words)), Arc::clone(&words)),
        ]);
        let columns: Vec<ArrayRef> = vec![keys, words, nulls, lists, Arc::new(both)];
        let names = ["key", "word", "null", "list", "both"];
        let fields = names
            .iter()
            .zip(&columns)
            .map(|(name, array)| field(name, array));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let batch = RecordBatch::try_new(schema, columns).unwrap();
        let expected = [false, true, true, false, false, true];
        assert_eq!(dictionaries(&batch).unwrap(), expected);
        let empty = RecordBatch::new_empty(batch.schema());
        assert_eq!(dictionaries(&empty).unwrap(), [true; 6]);
    }
}
