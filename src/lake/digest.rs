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
use std::ops::{Add, AddAssign, Range, Sub};
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

/// Rows encoded at once: few enough that they stay in the cache until they are hashed.
const ROWS_AT_ONCE: usize = 1024;

/// Hashes rows; keeps its buffers from batch to batch.
#[derive(Debug, Default)]
pub(crate) struct RowHasher {
    rows: Encoded,
}

impl RowHasher {
    /// The digest of a batch's rows.
    ///
    /// # Errors
    /// `Internal` for a column whose type no contract can name.
    pub(crate) fn digest(&mut self, batch: &RecordBatch) -> Result<Digest> {
        let fields = batch.schema_ref().fields().iter();
        let columns = fields
            .zip(batch.columns())
            .filter(|(field, _)| !field.name().starts_with("_kilde_"))
            .map(|(_, column)| Cells::of(column))
            .collect::<Result<Vec<_>>>()?;
        let mut sum = 0_u128;
        for start in (0..batch.num_rows()).step_by(ROWS_AT_ONCE) {
            let range = start..batch.num_rows().min(start + ROWS_AT_ONCE);
            self.rows.encode(&columns, range);
            for row in self.rows.iter() {
                sum = sum.wrapping_add(hash(row));
            }
        }
        Ok(Digest {
            sum,
            rows: batch.num_rows() as u64,
        })
    }
}

fn hash(row: &[u8]) -> u128 {
    xxh3_128_with_seed(row, u64::from(VERSION))
}

/// Rows side by side in one buffer. Columns are encoded one after the other, so that a cell costs no question of its type:
/// first how long each row gets, then the bytes, each row's at its own place.
#[derive(Debug, Default)]
struct Encoded {
    bytes: Vec<u8>,
    /// Where each row begins, and where the last one ends.
    starts: Vec<usize>,
    /// Where each row is written next.
    at: Vec<usize>,
}

impl Encoded {
    fn encode(&mut self, columns: &[Cells<'_>], rows: Range<usize>) {
        self.starts.clear();
        self.starts.resize(rows.len() + 1, 0);
        for cells in columns {
            cells.measure(rows.clone(), &mut self.starts[1..]);
        }
        let mut end = 0;
        for start in &mut self.starts[1..] {
            end += *start;
            *start = end;
        }
        self.at.clear();
        self.at.extend_from_slice(&self.starts[..rows.len()]);
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        for cells in columns {
            cells.write(rows.clone(), &mut self.bytes, &mut self.at);
        }
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let ends = self.starts.windows(2);
        ends.map(|ends| &self.bytes[ends[0]..ends[1]])
    }
}

/// A column, looked at once.
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

    fn array(&self) -> &'a dyn Array {
        match self {
            Self::Boolean(array) => *array,
            Self::Int8(array) => *array,
            Self::Int16(array) => *array,
            Self::Int32(array) => *array,
            Self::Int64(array) => *array,
            Self::Float32(array) => *array,
            Self::Float64(array) => *array,
            Self::Decimal(array, _) => *array,
            Self::Utf8(array) => *array,
            Self::Utf8View(array) => *array,
            Self::Binary(array) => *array,
            Self::Date(array) => *array,
            Self::Timestamp(array) => *array,
            Self::List(array, _) => *array,
            Self::Struct(array, _) => *array,
        }
    }

    /// Bytes of a value after its tag, for types whose values are all as long; 0 for others.
    fn width(&self) -> usize {
        match self {
            Self::Boolean(_) => 1,
            Self::Int8(_) | Self::Int16(_) | Self::Int32(_) | Self::Date(_) => 4,
            Self::Int64(_) | Self::Float32(_) | Self::Float64(_) | Self::Timestamp(_) => 8,
            Self::Decimal(..) => 17,
            Self::Utf8(_) | Self::Utf8View(_) | Self::Binary(_) => 0,
            Self::List(..) | Self::Struct(..) => 0,
        }
    }

    /// Adds the length of each row's cell.
    fn measure(&self, rows: Range<usize>, lengths: &mut [usize]) {
        let array = self.array();
        let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
        match self {
            Self::Utf8(texts) => {
                let ends = &texts.value_offsets()[rows.start..=rows.end];
                for ((row, length), ends) in rows.zip(lengths).zip(ends.windows(2)) {
                    *length += match nulls.is_some_and(|nulls| nulls.is_null(row)) {
                        true => 1,
                        false => 5 + (ends[1] - ends[0]) as usize,
                    };
                }
            }
            _ if nulls.is_none() && self.width() > 0 => {
                let cell = 1 + self.width();
                lengths.iter_mut().for_each(|length| *length += cell);
            }
            Self::List(list, items) if nulls.is_none() => {
                let ends = &list.value_offsets()[rows.start..=rows.end];
                let of_items = items.lengths(ends[0] as usize..ends[rows.len()] as usize);
                let at = |end: i32| (end - ends[0]) as usize;
                for (length, ends) in lengths.iter_mut().zip(ends.windows(2)) {
                    let items = &of_items[at(ends[0])..at(ends[1])];
                    *length += 5 + items.iter().sum::<usize>();
                }
            }
            Self::Struct(_, fields) if nulls.is_none() => {
                lengths.iter_mut().for_each(|length| *length += 1);
                for field in fields {
                    field.measure(rows.clone(), lengths);
                }
            }
            _ => {
                for (row, length) in rows.zip(lengths) {
                    *length += self.length(row);
                }
            }
        }
    }

    fn lengths(&self, rows: Range<usize>) -> Vec<usize> {
        let mut lengths = vec![0; rows.len()];
        self.measure(rows, &mut lengths);
        lengths
    }

    /// Bytes of a cell.
    fn length(&self, row: usize) -> usize {
        if self.array().is_null(row) {
            return 1;
        }
        match self {
            Self::Utf8(texts) => 5 + texts.value_length(row) as usize,
            Self::Utf8View(texts) => 5 + texts.value(row).len(),
            Self::Binary(values) => 5 + values.value_length(row) as usize,
            Self::List(list, items) => {
                5 + item_range(list, row)
                    .map(|at| items.length(at))
                    .sum::<usize>()
            }
            Self::Struct(_, fields) => {
                1 + fields.iter().map(|field| field.length(row)).sum::<usize>()
            }
            _ => 1 + self.width(),
        }
    }

    /// Writes each row's cell where the row is, and moves that on.
    fn write(&self, rows: Range<usize>, out: &mut [u8], at: &mut [usize]) {
        if rows.is_empty() {
            return;
        }
        /// Values that are as long as their arrays: one loop for a column.
        macro_rules! fixed {
            ($array:expr, $tag:expr, $bytes:expr) => {{
                let values = &$array.values()[rows.clone()];
                let nulls = $array.nulls().filter(|nulls| nulls.null_count() > 0);
                for (offset, (value, at)) in values.iter().zip(at).enumerate() {
                    let is_null = nulls.is_some_and(|nulls| nulls.is_null(rows.start + offset));
                    match is_null {
                        true => put(out, at, NULL, []),
                        false => put(out, at, $tag, $bytes(*value)),
                    }
                }
            }};
        }
        match self {
            Self::Int32(array) => fixed!(array, INTEGER, i32::to_le_bytes),
            Self::Int64(array) => fixed!(array, BIGINT, i64::to_le_bytes),
            Self::Float64(array) => fixed!(array, DOUBLE, canonical),
            Self::Date(array) => fixed!(array, DATE, i32::to_le_bytes),
            Self::Timestamp(array) => fixed!(array, TIMESTAMP, i64::to_le_bytes),
            Self::Decimal(array, scale) => {
                fixed!(array, DECIMAL, |value| decimal_bytes(*scale, value));
            }
            Self::Utf8(texts) => {
                for (row, at) in rows.zip(at) {
                    if texts.is_null(row) {
                        put(out, at, NULL, []);
                    } else {
                        put_bytes(out, at, VARCHAR, texts.value(row).as_bytes());
                    }
                }
            }
            Self::List(list, items) if list.null_count() == 0 => {
                let of_all = item_range(list, rows.start).start..item_range(list, rows.end - 1).end;
                let mut lengths = items.lengths(of_all.clone()).into_iter();
                let mut at_items = Vec::with_capacity(of_all.len());
                for (row, at) in rows.zip(at) {
                    let count = item_range(list, row).len();
                    // the offsets of a list are of 32 bits
                    put(out, at, LIST, (count as i32).to_le_bytes());
                    for length in lengths.by_ref().take(count) {
                        at_items.push(*at);
                        *at += length;
                    }
                }
                items.write(of_all, out, &mut at_items);
            }
            Self::Struct(array, fields) if array.null_count() == 0 => {
                at.iter_mut().for_each(|at| put(out, at, STRUCT, []));
                for field in fields {
                    field.write(rows.clone(), out, at);
                }
            }
            _ => {
                for (row, at) in rows.zip(at) {
                    self.write_cell(row, out, at);
                }
            }
        }
    }

    /// Writes one cell, of any type.
    fn write_cell(&self, row: usize, out: &mut [u8], at: &mut usize) {
        if self.array().is_null(row) {
            put(out, at, NULL, []);
            return;
        }
        let integer = |value: i32| value.to_le_bytes();
        match self {
            Self::Boolean(array) => put(out, at, BOOLEAN, [array.value(row).into()]),
            Self::Int8(array) => put(out, at, INTEGER, integer(array.value(row).into())),
            Self::Int16(array) => put(out, at, INTEGER, integer(array.value(row).into())),
            Self::Int32(array) => put(out, at, INTEGER, integer(array.value(row))),
            Self::Int64(array) => put(out, at, BIGINT, array.value(row).to_le_bytes()),
            Self::Float32(array) => put(out, at, DOUBLE, canonical(array.value(row).into())),
            Self::Float64(array) => put(out, at, DOUBLE, canonical(array.value(row))),
            Self::Decimal(array, scale) => {
                put(out, at, DECIMAL, decimal_bytes(*scale, array.value(row)));
            }
            Self::Utf8(array) => put_bytes(out, at, VARCHAR, array.value(row).as_bytes()),
            Self::Utf8View(array) => put_bytes(out, at, VARCHAR, array.value(row).as_bytes()),
            Self::Binary(array) => put_bytes(out, at, BINARY, array.value(row)),
            Self::Date(array) => put(out, at, DATE, array.value(row).to_le_bytes()),
            Self::Timestamp(array) => put(out, at, TIMESTAMP, array.value(row).to_le_bytes()),
            Self::List(list, items) => {
                let range = item_range(list, row);
                // the offsets of a list are of 32 bits
                put(out, at, LIST, (range.len() as i32).to_le_bytes());
                for item in range {
                    items.write_cell(item, out, at);
                }
            }
            Self::Struct(_, fields) => {
                put(out, at, STRUCT, []);
                for field in fields {
                    field.write_cell(row, out, at);
                }
            }
        }
    }
}

/// Positions of a list's items.
fn item_range(list: &ListArray, row: usize) -> Range<usize> {
    let offsets = list.value_offsets();
    offsets[row] as usize..offsets[row + 1] as usize
}

/// Writes a tag and what follows it.
#[inline]
fn put<const N: usize>(out: &mut [u8], at: &mut usize, tag: u8, value: [u8; N]) {
    let cell = &mut out[*at..*at + 1 + N];
    cell[0] = tag;
    cell[1..].copy_from_slice(&value);
    *at += 1 + N;
}

#[inline]
fn put_bytes(out: &mut [u8], at: &mut usize, tag: u8, value: &[u8]) {
    // an Arrow string array holds less than 2 GiB
    put(out, at, tag, (value.len() as u32).to_le_bytes());
    out[*at..*at + value.len()].copy_from_slice(value);
    *at += value.len();
}

fn decimal_bytes(scale: i8, value: i128) -> [u8; 17] {
    let mut bytes = [0; 17];
    bytes[0] = scale.to_le_bytes()[0];
    bytes[1..].copy_from_slice(&value.to_le_bytes());
    bytes
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
