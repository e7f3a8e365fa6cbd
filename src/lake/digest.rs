//! A table's digest: the sum of its rows' hashes, equal exactly when two tables hold the same rows.
//!
//! In: record batches in contract order. Out: a [`Digest`] that does not depend on the order of rows, on files, threads
//! or buckets. Columns that start with `_kilde_` do not take part: they tell where a row came from, not what it is.
//!
//! The encoding is our own, because published digests must stay equal for ever. A row is its cells one after the other:
//! a tag of the logical type (0 for null), then
//!
//! | type | bytes, little-endian |
//! |---|---|
//! | boolean | 1: 0 or 1 |
//! | integer, date | 4 |
//! | bigint, timestamp (µs UTC) | 8 |
//! | double | 8, one NaN, no negative zero |
//! | decimal | 1 scale, 16 unscaled value |
//! | varchar, binary | 4 length, then the bytes |
//! | list | 4 count, then each item as a cell |
//! | struct | each field as a cell |
//!
//! hashed with XXH3-128, the encoding's version as seed, summed modulo 2^128.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::str::FromStr;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array,
    Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, ListArray,
    RecordBatch, StringArray, StringViewArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::error::{Error, Result};

/// Raised when the encoding changes; every digest of the old version then differs from every one of the new.
const VERSION: u8 = 1;

const NULL: u8 = 0;
const BOOLEAN: u8 = 1;
const INTEGER: u8 = 2;
const BIGINT: u8 = 3;
const DOUBLE: u8 = 4;
const DECIMAL: u8 = 5;
const VARCHAR: u8 = 6;
const DATE: u8 = 7;
const TIMESTAMP: u8 = 8;
const LIST: u8 = 9;
const STRUCT: u8 = 10;
const BINARY: u8 = 11;

/// The sum of the hashes of a bag of rows, and how many they are. Bags add and subtract.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Digest {
    /// Sum of the rows' hashes, modulo 2^128.
    pub(crate) sum: u128,
    /// Number of rows.
    pub(crate) rows: u64,
}

impl Add for Digest {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            sum: self.sum.wrapping_add(other.sum),
            rows: self.rows.wrapping_add(other.rows),
        }
    }
}

impl AddAssign for Digest {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Digest {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            sum: self.sum.wrapping_sub(other.sum),
            rows: self.rows.wrapping_sub(other.rows),
        }
    }
}

impl fmt::Display for Digest {
    /// 50 hexadecimal digits: 2 of the version, 32 of the sum, 16 of the count.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{VERSION:02x}{:032x}{:016x}", self.sum, self.rows))
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let malformed = || Error::corrupt(format!("`{text}` is not a digest of this version"));
        if text.len() != 50 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(malformed());
        }
        if u8::from_str_radix(&text[..2], 16).ok() != Some(VERSION) {
            return Err(malformed());
        }
        Ok(Self {
            sum: u128::from_str_radix(&text[2..34], 16).map_err(|_| malformed())?,
            rows: u64::from_str_radix(&text[34..], 16).map_err(|_| malformed())?,
        })
    }
}

/// Hashes rows; keeps its buffers from batch to batch.
#[derive(Debug, Default)]
pub(crate) struct RowHasher {
    rows: Vec<Vec<u8>>,
}

impl RowHasher {
    /// The digest of a batch's rows.
    ///
    /// # Errors
    /// `Internal` for a column whose type no contract can name.
    pub(crate) fn digest(&mut self, batch: &RecordBatch) -> Result<Digest> {
        let mut digest = Digest::default();
        self.encode(batch)?;
        for row in &self.rows[..batch.num_rows()] {
            digest.sum = digest.sum.wrapping_add(hash(row));
        }
        digest.rows = batch.num_rows() as u64;
        Ok(digest)
    }

    fn encode(&mut self, batch: &RecordBatch) -> Result<()> {
        if self.rows.len() < batch.num_rows() {
            self.rows.resize_with(batch.num_rows(), Vec::new);
        }
        let rows = &mut self.rows[..batch.num_rows()];
        rows.iter_mut().for_each(Vec::clear);
        for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            if field.name().starts_with("_kilde_") {
                continue;
            }
            let cells = Cells::of(column)?;
            for (index, row) in rows.iter_mut().enumerate() {
                cells.append(index, row);
            }
        }
        Ok(())
    }
}

fn hash(row: &[u8]) -> u128 {
    xxh3_128_with_seed(row, u64::from(VERSION))
}

/// A column, looked at once, so that a cell costs one branch.
enum Cells<'a> {
    Boolean(&'a BooleanArray),
    Int8(&'a Int8Array),
    Int16(&'a Int16Array),
    Int32(&'a Int32Array),
    Int64(&'a Int64Array),
    Float32(&'a Float32Array),
    Float64(&'a Float64Array),
    Decimal(&'a Decimal128Array, i8),
    Utf8(&'a StringArray),
    Utf8View(&'a StringViewArray),
    Binary(&'a BinaryArray),
    Date(&'a Date32Array),
    Timestamp(&'a TimestampMicrosecondArray),
    List(&'a ListArray, Box<Cells<'a>>),
    Struct(&'a dyn Array, Vec<Cells<'a>>),
}

impl<'a> Cells<'a> {
    fn of(array: &'a ArrayRef) -> Result<Self> {
        Ok(match array.data_type() {
            DataType::Boolean => Self::Boolean(array.as_boolean()),
            DataType::Int8 => Self::Int8(array.as_primitive()),
            DataType::Int16 => Self::Int16(array.as_primitive()),
            DataType::Int32 => Self::Int32(array.as_primitive()),
            DataType::Int64 => Self::Int64(array.as_primitive()),
            DataType::Float32 => Self::Float32(array.as_primitive()),
            DataType::Float64 => Self::Float64(array.as_primitive()),
            DataType::Decimal128(_, scale) => Self::Decimal(array.as_primitive(), *scale),
            DataType::Utf8 => Self::Utf8(array.as_string()),
            DataType::Utf8View => Self::Utf8View(array.as_string_view()),
            DataType::Binary => Self::Binary(array.as_binary()),
            DataType::Date32 => Self::Date(array.as_primitive()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => Self::Timestamp(array.as_primitive()),
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                Self::List(list, Box::new(Self::of(list.values())?))
            }
            DataType::Struct(_) => {
                let fields = array.as_struct().columns().iter().map(Self::of);
                Self::Struct(array, fields.collect::<Result<_>>()?)
            }
            other => {
                return Err(Error::internal(format!(
                    "a column of type `{other}` cannot be digested"
                )));
            }
        })
    }

    fn is_null(&self, index: usize) -> bool {
        match self {
            Self::Boolean(array) => array.is_null(index),
            Self::Int8(array) => array.is_null(index),
            Self::Int16(array) => array.is_null(index),
            Self::Int32(array) => array.is_null(index),
            Self::Int64(array) => array.is_null(index),
            Self::Float32(array) => array.is_null(index),
            Self::Float64(array) => array.is_null(index),
            Self::Decimal(array, _) => array.is_null(index),
            Self::Utf8(array) => array.is_null(index),
            Self::Utf8View(array) => array.is_null(index),
            Self::Binary(array) => array.is_null(index),
            Self::Date(array) => array.is_null(index),
            Self::Timestamp(array) => array.is_null(index),
            Self::List(array, _) => array.is_null(index),
            Self::Struct(array, _) => array.is_null(index),
        }
    }

    fn append(&self, index: usize, row: &mut Vec<u8>) {
        if self.is_null(index) {
            row.push(NULL);
            return;
        }
        match self {
            Self::Boolean(array) => row.extend_from_slice(&[BOOLEAN, array.value(index).into()]),
            Self::Int8(array) => fixed(row, INTEGER, i32::from(array.value(index)).to_le_bytes()),
            Self::Int16(array) => fixed(row, INTEGER, i32::from(array.value(index)).to_le_bytes()),
            Self::Int32(array) => fixed(row, INTEGER, array.value(index).to_le_bytes()),
            Self::Int64(array) => fixed(row, BIGINT, array.value(index).to_le_bytes()),
            Self::Float32(array) => fixed(row, DOUBLE, canonical(array.value(index).into())),
            Self::Float64(array) => fixed(row, DOUBLE, canonical(array.value(index))),
            Self::Decimal(array, scale) => {
                row.extend_from_slice(&[DECIMAL, scale.to_le_bytes()[0]]);
                row.extend_from_slice(&array.value(index).to_le_bytes());
            }
            Self::Utf8(array) => bytes(row, VARCHAR, array.value(index).as_bytes()),
            Self::Utf8View(array) => bytes(row, VARCHAR, array.value(index).as_bytes()),
            Self::Binary(array) => bytes(row, BINARY, array.value(index)),
            Self::Date(array) => fixed(row, DATE, array.value(index).to_le_bytes()),
            Self::Timestamp(array) => fixed(row, TIMESTAMP, array.value(index).to_le_bytes()),
            Self::List(array, items) => {
                let offsets = array.value_offsets();
                let (start, end) = (offsets[index], offsets[index + 1]);
                fixed(row, LIST, (end - start).to_le_bytes());
                for item in start as usize..end as usize {
                    items.append(item, row);
                }
            }
            Self::Struct(_, fields) => {
                row.push(STRUCT);
                for field in fields {
                    field.append(index, row);
                }
            }
        }
    }
}

fn fixed<const N: usize>(row: &mut Vec<u8>, tag: u8, value: [u8; N]) {
    row.push(tag);
    row.extend_from_slice(&value);
}

fn bytes(row: &mut Vec<u8>, tag: u8, value: &[u8]) {
    // an Arrow string array holds less than 2 GiB
    fixed(row, tag, (value.len() as u32).to_le_bytes());
    row.extend_from_slice(value);
}

/// One bit pattern for every NaN, and one for zero.
fn canonical(value: f64) -> [u8; 8] {
    let value = if value.is_nan() {
        f64::NAN
    } else if value == 0.0 {
        0.0
    } else {
        value
    };
    value.to_bits().to_le_bytes()
}

#[cfg(test)]
mod tests;
