//! How a file writes its columns: as a dictionary and numbers into it, as differences, or as they are.
//!
//! A dictionary pays where values come again. Where nearly each is another one (keys, addresses, times) it costs a search
//! for every value, until it is given up as too large. Whole numbers that ascend are small differences; others of one size, as
//! amounts and times are, need fewer bits so than compression would leave them. The first rows of a file decide; they are the
//! same on every machine, and so is the file.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Int64Type};
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

/// Values of a block of differences.
const BLOCK: usize = 32;

/// Digits of a decimal that Parquet keeps as a whole number of 64 bits, and of one of 32.
const MOST_DIGITS: u8 = 18;
const FEW_DIGITS: u8 = 9;

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
    } else if whole_numbers(array).is_some_and(|(numbers, bits)| are_close(&numbers, bits)) {
        LeafEncoding::Differences
    } else {
        LeafEncoding::AsTheyAre
    })
}

/// The values, without nulls, of a column that Parquet keeps as whole numbers, and their bits.
fn whole_numbers(array: &ArrayRef) -> Option<(Vec<i64>, u32)> {
    let bits = match array.data_type() {
        DataType::Decimal128(digits, _) if *digits <= MOST_DIGITS => {
            let decimals = array.as_primitive::<Decimal128Type>().iter().flatten();
            let bits = if *digits <= FEW_DIGITS { 32 } else { 64 };
            return Some((decimals.map(|value| value as i64).collect(), bits));
        }
        DataType::Int32 | DataType::Date32 => 32,
        DataType::Int64 | DataType::Timestamp(_, _) => 64,
        _ => return None,
    };
    let numbers = cast(array, &DataType::Int64).ok()?;
    let numbers = numbers.as_primitive_opt::<Int64Type>()?;
    Some((numbers.iter().flatten().collect(), bits))
}

/// Whether differences from one to the next need fewer bits than the compressed numbers would, which have so many. A block of
/// differences has as many bits as lie between its lowest and its highest.
fn are_close(numbers: &[i64], bits: u32) -> bool {
    let of_block = |block: &[i64]| {
        let differences = block.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
        let lowest = differences.clone().min().unwrap_or(0);
        let highest = differences.max().unwrap_or(0);
        u64::BITS - (highest.wrapping_sub(lowest) as u64).leading_zeros()
    };
    let blocks = numbers.chunks(BLOCK);
    let (count, sum) = blocks.fold((0, 0), |(count, sum), block| {
        (count + 1, sum + of_block(block))
    });
    sum * 6 <= count * bits * 5
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{
        Decimal128Array, Int64Array, ListArray, StringArray, StructArray,
    };
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
        let prices = (0..rows).map(|n| i128::from(n * 7_919 % 999_983));
        let prices = Decimal128Array::from_iter_values(prices);
        let prices: ArrayRef = Arc::new(prices.with_precision_and_scale(12, 2).unwrap());
        let wild = (0..rows).map(|n| xxh3_64(&n.to_le_bytes()) as i64);
        let wild: ArrayRef = Arc::new(Int64Array::from_iter_values(wild));
        let columns = vec![
            keys, words, nulls, lists, both, of_three, of_ten, mixed, names, prices, wild,
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
            Differences, // items of lists: 0, 10,000, 1, 10,001 …
            Differences, // keys in a structure
            Dictionary,  // words in one
            Differences, // three rows a key
            Dictionary,  // ten
            Differences, // keys in no order
            AsTheyAre,   // texts
            Differences, // amounts
            AsTheyAre,   // numbers of any size
        ];
        assert_eq!(encodings(&batch).unwrap(), expected);
        let empty = RecordBatch::new_empty(batch.schema());
        assert_eq!(encodings(&empty).unwrap(), [Dictionary; 12]);
    }
}
