//! Rejected records as rows of `ops.rejects`.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Int64Builder, RecordBatch, StringBuilder,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use super::rule::Rule;
use crate::error::{Error, Result};

/// Raw text is kept up to this many bytes.
pub(crate) const MAX_RAW_BYTES: usize = 64 << 10;

/// One rejected record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reject {
    /// Line on which the record starts, or row of a Parquet file, from 1.
    pub(crate) line: i64,
    /// Offset of its first byte in the decompressed export.
    pub(crate) byte: Option<i64>,
    /// The contract's column that failed first; none where the record is no record.
    pub(crate) column: Option<String>,
    pub(crate) rule: Rule,
    /// For people; never holds a value.
    pub(crate) reason: String,
    /// The record as delivered, in UTF-8, at most [`MAX_RAW_BYTES`].
    pub(crate) raw: String,
    /// The key as a JSON object, where it can be read.
    pub(crate) key: Option<String>,
}

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    Arc::new(Schema::new(vec![
        text("source"),
        text("file"),
        Field::new("line", DataType::Int64, true),
        Field::new("byte", DataType::Int64, true),
        text("column_name"),
        text("rule"),
        text("reason"),
        text("raw"),
        text("key"),
    ]))
});

/// The columns of `ops.rejects` that ingest knows; the run adds its own.
pub(crate) fn rejects_schema() -> SchemaRef {
    Arc::clone(&SCHEMA)
}

/// Rejects as a batch.
///
/// # Errors
/// `Internal` only.
pub(crate) fn rejects_batch(source: &str, file: &str, rejects: &[Reject]) -> Result<RecordBatch> {
    let mut numbers = [Int64Builder::new(), Int64Builder::new()];
    let mut texts: [StringBuilder; 7] = std::array::from_fn(|_| StringBuilder::new());
    for reject in rejects {
        numbers[0].append_value(reject.line);
        numbers[1].append_option(reject.byte);
        let row = [
            Some(source),
            Some(file),
            reject.column.as_deref(),
            Some(reject.rule.name()),
            Some(reject.reason.as_str()),
            Some(reject.raw.as_str()),
            reject.key.as_deref(),
        ];
        for (builder, text) in texts.iter_mut().zip(row) {
            builder.append_option(text);
        }
    }
    let [line, byte] = numbers.map(|mut builder| Arc::new(builder.finish()) as ArrayRef);
    let [source, file, column, rule, reason, raw, key] =
        texts.map(|mut builder| Arc::new(builder.finish()) as ArrayRef);
    let columns = vec![source, file, line, byte, column, rule, reason, raw, key];
    RecordBatch::try_new(rejects_schema(), columns)
        .map_err(|error| Error::internal("rejects do not fit together").caused_by(error))
}

/// Raw text, cut at a character.
pub(crate) fn cut(mut raw: String) -> String {
    if raw.len() > MAX_RAW_BYTES {
        let mut end = MAX_RAW_BYTES;
        while !raw.is_char_boundary(end) {
            end -= 1;
        }
        raw.truncate(end);
    }
    raw
}

/// One row of some columns as a JSON object: numbers and truth values bare, all else as text, null left out.
pub(crate) fn json_row<'a>(
    columns: impl IntoIterator<Item = (&'a str, &'a ArrayRef)>,
    row: usize,
) -> String {
    let mut out = String::from("{");
    for (name, array) in columns {
        if array.is_null(row) {
            continue;
        }
        if out.len() > 1 {
            out.push(',');
        }
        out.push_str(&serde_json::Value::from(name).to_string());
        out.push(':');
        out.push_str(&json_value(array, row));
    }
    out.push('}');
    out
}

fn json_value(array: &ArrayRef, row: usize) -> String {
    if *array.data_type() == DataType::Utf8 {
        return serde_json::Value::from(array.as_string::<i32>().value(row)).to_string();
    }
    let options = FormatOptions::default();
    let text = ArrayFormatter::try_new(array, &options)
        .map(|formatter| formatter.value(row).to_string())
        .unwrap_or_default();
    let is_bare = matches!(
        array.data_type(),
        DataType::Boolean
            | DataType::Int32
            | DataType::Int64
            | DataType::Float64
            | DataType::Decimal128(_, _)
    );
    if is_bare {
        text
    } else {
        serde_json::Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Date32Array, Int64Array, StringArray};

    use super::*;

    #[test]
    fn keys_are_json_objects() {
        let id: ArrayRef = Arc::new(Int64Array::from(vec![7]));
        let name: ArrayRef = Arc::new(StringArray::from(vec!["å \"b\""]));
        let day: ArrayRef = Arc::new(Date32Array::from(vec![1]));
        assert_eq!(
            json_row([("id", &id), ("name", &name), ("day", &day)], 0),
            r#"{"id":7,"name":"å \"b\"","day":"1970-01-02"}"#
        );
    }

    #[test]
    fn long_raw_text_is_cut_at_a_character() {
        let raw = "å".repeat(MAX_RAW_BYTES);
        assert_eq!(cut(raw).len(), MAX_RAW_BYTES);
    }
}
