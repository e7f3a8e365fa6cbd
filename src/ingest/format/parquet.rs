//! Parquet, read batch by batch from a copy on the builder's disk: the footer comes last, and the bytes that are hashed
//! are the bytes that are read.
//!
//! A text that a million rows share stands once in the file. It is read so too, as views of it, and only a few megabytes of
//! rows at a time become texts of their own: how much that is in all, the output judges.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use datafusion::arrow::compute::take_record_batch;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use datafusion::parquet::errors::ParquetError;

use super::layout;
use super::scratch::copy;
use super::{ALONE, BATCH_ROWS, Decoding, Format, Seen, converter};
use crate::diagnostic::Code;
use crate::error::{Error, Result};
use crate::ingest::conform::{Conformer, Converter, Escaping, Findings};
use crate::ingest::output::{Judged, Output, Place, judge};
use crate::ingest::reject::json_row;
use crate::parallel;
use crate::project::{Conversions, Encoding};

/// Bytes of a batch, beyond which it is made of fewer rows.
const BATCH_BYTES: u64 = 16 << 20;

/// Parquet, converted as a source declares.
pub(super) struct Parquet {
    conversions: Conversions,
}

impl Parquet {
    pub(super) fn new(conversions: Conversions) -> Self {
        Self { conversions }
    }
}

impl Format for Parquet {
    fn converter(&self) -> Converter {
        converter(&self.conversions, Encoding::Utf8, Escaping::doubled(b"\""))
    }

    fn decode(&self, bytes: &mut dyn Read, mut task: Decoding<'_>) -> Result<Seen> {
        let Some(file) = copy(bytes, task.scratch, task.file)? else {
            return Ok(Seen::default());
        };
        let path = task.file;
        let no_parquet = |error: ParquetError| {
            Error::input("the export is no Parquet file, or a damaged one")
                .code(Code(403))
                .at(path)
                .help("check `read` of the source; ask the sender to deliver the file again")
                .caused_by(error)
        };
        let builder = open(file).map_err(no_parquet)?;
        let names = builder.schema().fields().iter();
        let names: Vec<String> = names.map(|field| field.name().clone()).collect();
        let columns = layout::find(task.conformer, &names, path)?;
        let mut wanted: Vec<usize> = columns.iter().flatten().copied().collect();
        wanted.sort_unstable();
        wanted.dedup();
        let mask = ProjectionMask::roots(builder.parquet_schema(), wanted.iter().copied());
        let rows = batch_rows(&builder, &mask, &task)?;
        let reader = builder
            .with_projection(mask)
            .with_batch_size(rows)
            .build()
            .map_err(no_parquet)?;
        let batches = reader.map(|batch| batch.map_err(|error| no_parquet(error.into())));
        write_batches(batches, 1, &columns, &wanted, &mut task)?;
        Ok(layout::seen(&columns, names))
    }
}

/// A file whose texts will be read as views.
pub(super) fn open(file: File) -> Result<ParquetRecordBatchReaderBuilder<File>, ParquetError> {
    let plain = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())?;
    let schema = plain.schema();
    let fields: Vec<FieldRef> = schema.fields().iter().map(viewed).collect();
    let schema = Schema::new_with_metadata(fields, schema.metadata().clone());
    let options = ArrowReaderOptions::new().with_schema(Arc::new(schema));
    let viewed = ArrowReaderMetadata::try_new(Arc::clone(plain.metadata()), options);
    // a type that the reader makes no views of takes more memory, and is otherwise the same
    let metadata = viewed.unwrap_or(plain);
    Ok(ParquetRecordBatchReaderBuilder::new_with_metadata(
        file, metadata,
    ))
}

/// A field whose texts are views, where it has any.
fn viewed(field: &FieldRef) -> FieldRef {
    let view = |of: &DataType| match of {
        DataType::Utf8 | DataType::LargeUtf8 => Some(DataType::Utf8View),
        DataType::Binary | DataType::LargeBinary => Some(DataType::BinaryView),
        _ => None,
    };
    let data_type = match field.data_type() {
        DataType::Dictionary(_, value) => view(value),
        DataType::List(item) => Some(DataType::List(viewed(item))),
        DataType::Struct(fields) => Some(DataType::Struct(fields.iter().map(viewed).collect())),
        other => view(other),
    };
    match data_type {
        Some(data_type) => Arc::new(Field::clone(field).with_data_type(data_type)),
        None => Arc::clone(field),
    }
}

/// Rows that are read at once: those of [`BATCH_BYTES`] as they lie in the file, unpacked.
///
/// # Errors
/// `Input` K0402 where more comes out of the file than anybody writes.
pub(super) fn batch_rows(
    builder: &ParquetRecordBatchReaderBuilder<File>,
    mask: &ProjectionMask,
    task: &Decoding<'_>,
) -> Result<usize> {
    let (mut rows, mut all_bytes) = (BATCH_ROWS as u64, 0_u64);
    for group in builder.metadata().row_groups() {
        let columns = group.columns().iter().enumerate();
        let columns = columns.filter(|(at, _)| mask.leaf_included(*at));
        let bytes = columns.map(|(_, column)| column.uncompressed_size().max(0) as u64);
        let bytes = bytes.fold(0, u64::saturating_add);
        let of_group = group.num_rows().max(1) as u64;
        rows = rows.min(BATCH_BYTES.saturating_mul(of_group) / bytes.max(1));
        all_bytes = all_bytes.saturating_add(bytes);
    }
    task.output.expect(all_bytes)?;
    Ok(rows.max(1) as usize)
}

/// Rows whose texts take no more than [`BATCH_BYTES`] together, or one row of more. `bytes`: those of each row.
fn pieces(bytes: &[u64]) -> Vec<Range<u32>> {
    let (mut pieces, mut start, mut of_piece) = (Vec::new(), 0_u32, 0_u64);
    for (row, bytes) in (0..).zip(bytes) {
        if of_piece + bytes > BATCH_BYTES && row > start {
            pieces.push(start..row);
            (start, of_piece) = (row, 0);
        }
        of_piece += bytes;
    }
    pieces.push(start..bytes.len() as u32);
    pieces
}

/// Adds what each row's texts take once they are its own.
fn add_text_bytes(array: &ArrayRef, bytes: &mut [u64]) {
    match array.data_type() {
        DataType::Utf8View => add_views(array.as_string_view().views(), bytes),
        DataType::BinaryView => add_views(array.as_binary_view().views(), bytes),
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let mut of_items = vec![0_u64; list.values().len()];
            add_text_bytes(list.values(), &mut of_items);
            for (bytes, ends) in bytes.iter_mut().zip(list.value_offsets().windows(2)) {
                let items = &of_items[ends[0] as usize..ends[1] as usize];
                *bytes += items.iter().sum::<u64>();
            }
        }
        DataType::Struct(_) => {
            for column in array.as_struct().columns() {
                add_text_bytes(column, bytes);
            }
        }
        _ => {}
    }
}

/// Its lowest 32 bits are the length of the text.
fn add_views(views: &[u128], bytes: &mut [u64]) {
    for (bytes, view) in bytes.iter_mut().zip(views) {
        *bytes += u64::from(*view as u32);
    }
}

/// Hands over batches, in pieces where their texts are long; they are converted on all threads. Gives the row behind the last.
///
/// `first_row`: row of the first record, the first being 1. `columns`: where each column of the contract stands in the file, `None`
/// where the path gives it. `wanted`: positions in the file of the batches' columns.
pub(super) fn write_batches(
    mut batches: impl Iterator<Item = Result<RecordBatch>>,
    first_row: i64,
    columns: &[Option<usize>],
    wanted: &[usize],
    task: &mut Decoding<'_>,
) -> Result<i64> {
    let (conformer, file, threads) = (task.conformer, task.file, task.threads);
    let output = RefCell::new(&mut *task.output);
    let (mut row, mut waiting) = (first_row, VecDeque::new());
    parallel::in_order(
        threads,
        ALONE,
        || {
            while waiting.is_empty() {
                let Some(batch) = batches.next().transpose()? else {
                    return Ok(None);
                };
                let first = row;
                row += batch.num_rows() as i64;
                waiting.extend(cut(batch, first, &output.borrow())?);
            }
            Ok(waiting.pop_front())
        },
        |(piece, first)| judge_piece(&piece, first, columns, wanted, conformer, file),
        |judged| output.borrow_mut().take(conformer, judged?),
    )?;
    Ok(row)
}

/// A batch in pieces whose texts are not too long, each with the row of its first record.
fn cut(batch: RecordBatch, first_row: i64, output: &Output) -> Result<Vec<(RecordBatch, i64)>> {
    let mut bytes = vec![0_u64; batch.num_rows()];
    for column in batch.columns() {
        add_text_bytes(column, &mut bytes);
    }
    output.expect(bytes.iter().sum())?;
    let pieces = pieces(&bytes);
    if pieces.len() == 1 {
        return Ok(vec![(batch, first_row)]);
    }
    let cut = pieces.into_iter().map(|rows| {
        let first = first_row + i64::from(rows.start);
        // not a slice: a slice of a list still holds the items of all rows
        let piece = take_record_batch(&batch, &UInt32Array::from_iter_values(rows));
        let piece = piece
            .map_err(|error| Error::internal("rows of a file cannot be taken").caused_by(error))?;
        Ok((piece, first))
    });
    cut.collect()
}

/// What becomes of the records of one piece.
fn judge_piece(
    batch: &RecordBatch,
    first_row: i64,
    columns: &[Option<usize>],
    wanted: &[usize],
    conformer: &Conformer,
    file: &str,
) -> Result<Judged> {
    let rows = batch.num_rows();
    let conformed = conformer.hold(rows, BTreeMap::new(), |column| {
        let mut findings = Findings::default();
        let at = columns[column].and_then(|at| wanted.binary_search(&at).ok());
        let array = match at {
            None => conformer.captured_column(column, rows)?,
            Some(at) => conformer
                .converter
                .convert_array(
                    batch.column(at),
                    &conformer.targets[column].data_type,
                    &mut findings,
                )
                .map_err(|error| error.code(Code(403)).at(file))?,
        };
        Ok((array, findings))
    })?;
    let places: Vec<Place> = (0..rows as i64)
        .map(|row| Place {
            start: 0,
            end: 0,
            line: first_row + row,
            byte: None,
        })
        .collect();
    let schema = batch.schema();
    let shown: Vec<(&str, &ArrayRef)> = schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .zip(batch.columns())
        .collect();
    judge(conformer, &conformed, &places, None, |row| {
        json_row(shown.iter().copied(), row)
    })
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{
        DictionaryArray, Int32Array, ListArray, StringArray, StructArray,
    };
    use datafusion::arrow::buffer::OffsetBuffer;
    use datafusion::arrow::datatypes::Int32Type;
    use datafusion::parquet::arrow::ArrowWriter;

    use super::*;
    use crate::ingest::testing::{Bench, accepted, contract, parquet, source};
    use crate::project::{ColumnType, Load};

    /// Rows that share one text, alone and as the one item of a list.
    fn shared(rows: usize, text: &str) -> Vec<u8> {
        let texts: ArrayRef = Arc::new(DictionaryArray::<Int32Type>::new(
            vec![0; rows].into(),
            Arc::new(StringArray::from(vec![text])),
        ));
        let list: ArrayRef = Arc::new(ListArray::new(
            Arc::new(Field::new_list_field(texts.data_type().clone(), true)),
            OffsetBuffer::from_lengths(vec![1; rows]),
            Arc::clone(&texts),
            None,
        ));
        let number: ArrayRef = Arc::new(Int32Array::from_iter_values(0..rows as i32));
        let batch = RecordBatch::try_from_iter([("n", number), ("t", texts), ("l", list)]).unwrap();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        bytes
    }

    #[tokio::test]
    async fn a_text_that_many_rows_share_is_read_a_few_megabytes_at_a_time_and_not_beyond_belief() {
        let list = ColumnType::List(Box::new(ColumnType::Varchar));
        let columns = [
            ("n", ColumnType::Integer),
            ("t", ColumnType::Varchar),
            ("l", list),
        ];
        let bench = Bench::new(source(parquet(), Load::Append), contract(&[], &columns));
        let text = "x".repeat(200_000);
        let decoded = bench.decode("a", shared(100, &text)).await;
        let batches = decoded.accepted.batches().unwrap();
        assert_eq!(batches.count(), 3, "41 rows of two texts each, at most");
        let expected: Vec<String> = (0..100).map(|n| format!("{n}|{text}|[{text}]")).collect();
        assert!(accepted(&decoded) == expected);

        let refusal = bench.refusal("a", shared(1500, &text)).await;
        assert!(
            refusal.contains("K0402") && refusal.contains("250 times"),
            "{refusal}"
        );
    }

    #[tokio::test]
    async fn fields_of_structs_in_lists_that_nobody_reads_are_told() {
        let number: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
        let fields = ["sku", "vat", "Unit Price"].map(|name| {
            let field = Field::new(name, number.data_type().clone(), true);
            (Arc::new(field), Arc::clone(&number))
        });
        let items: ArrayRef = Arc::new(StructArray::from(fields.to_vec()));
        let list: ArrayRef = Arc::new(ListArray::new(
            Arc::new(Field::new_list_field(items.data_type().clone(), true)),
            OffsetBuffer::from_lengths([1, 1]),
            items,
            None,
        ));
        let batch = RecordBatch::try_from_iter([("n", number), ("lines", list)]).unwrap();
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let item = ["sku", "unit_price"].map(|name| (name.to_string(), ColumnType::Integer));
        let list = ColumnType::List(Box::new(ColumnType::Struct(item.to_vec())));
        let columns = [("lines", list)];
        let bench = Bench::new(source(parquet(), Load::Append), contract(&[], &columns));
        let decoded = bench.decode("a", bytes).await;
        let rows = ["[{sku: 1, unit_price: 1}]", "[{sku: 2, unit_price: 2}]"];
        assert_eq!(accepted(&decoded), rows);
        assert_eq!(decoded.report.ignored_columns, ["n", "lines.vat"]);
    }

    #[test]
    fn pieces_are_whole_rows_however_long() {
        let most = BATCH_BYTES;
        let whole = |rows| {
            pieces(&vec![0; rows])
                == vec![Range {
                    start: 0,
                    end: rows as u32,
                }]
        };
        assert!(whole(0) && whole(2));
        assert_eq!(pieces(&[most, 1, most - 1, 2]), [0..1, 1..3, 3..4]);
        assert_eq!(pieces(&[most * 2, most * 2]), [0..1, 1..2]);
    }
}
