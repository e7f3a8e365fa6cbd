//! Rows → the row groups of one Parquet file, in memory; the columns of a row group are encoded on several threads.
//!
//! The bytes are those of parquet's own `ArrowWriter`, whatever the number of threads: a column never sees another, and row
//! groups end where that writer would end them.

use std::mem;

use bytes::Bytes;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{
    ArrowColumnWriter, ArrowLeafColumn, ArrowRowGroupWriterFactory, ArrowWriterOptions,
    compute_leaves,
};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::writer::SerializedFileWriter;

use crate::parallel;

/// Fewer rows at once are encoded on one thread: another would cost more than it gives.
const WORTH_THREADS: usize = 2048;

/// The encoder of a file.
pub(super) struct RowGroups {
    schema: SchemaRef,
    file: SerializedFileWriter<Vec<u8>>,
    factory: ArrowRowGroupWriterFactory,
    /// Most rows of a row group, and its most bytes.
    most_rows: usize,
    most_bytes: usize,
    /// Leaves of the row group under way; empty where none is.
    leaves: Vec<ArrowColumnWriter>,
    rows: usize,
}

/// What one thread does at a time.
enum Work<'a, F> {
    Beside(F),
    Leaf(&'a mut ArrowColumnWriter, ArrowLeafColumn),
}

/// What came of it.
enum Done<R> {
    Beside(R),
    Leaf(Result<()>),
}

impl RowGroups {
    /// # Errors
    /// Where the schema holds a type that Parquet has not.
    pub(super) fn new(schema: SchemaRef, options: ArrowWriterOptions) -> Result<Self> {
        let writer = ArrowWriter::try_new_with_options(Vec::new(), schema.clone(), options)?;
        let (file, factory) = writer.into_serialized_writer()?;
        let limits = file.properties();
        let (most_rows, most_bytes) = (
            limits.max_row_group_row_count().unwrap_or(usize::MAX),
            limits.max_row_group_bytes().unwrap_or(usize::MAX),
        );
        Ok(Self {
            schema,
            file,
            factory,
            most_rows,
            most_bytes,
            leaves: Vec::new(),
            rows: 0,
        })
    }

    /// Encodes a batch; `beside` is done meanwhile, once.
    ///
    /// # Errors
    /// Those of the encoder.
    pub(super) fn write<R: Send>(
        &mut self,
        batch: &RecordBatch,
        threads: usize,
        beside: impl FnOnce() -> R + Send,
    ) -> Result<R> {
        let threads = match batch.num_rows() < WORTH_THREADS {
            true => 1,
            false => threads,
        };
        let mut beside = Some(beside);
        let mut told = None;
        // what does not fit into the row group under way is cut, and the cut-off rest waits; the next is the last
        let mut waiting = vec![batch.clone()];
        while let Some(rows) = waiting.pop() {
            if rows.num_rows() == 0 {
                continue;
            }
            match self.room(rows.num_rows()) {
                0 => {
                    self.end(threads)?;
                    waiting.push(rows);
                }
                room if room < rows.num_rows() => {
                    waiting.push(rows.slice(room, rows.num_rows() - room));
                    waiting.push(rows.slice(0, room));
                }
                _ => {
                    told = self.encode(&rows, threads, beside.take())?.or(told);
                    if self.rows >= self.most_rows || self.in_progress_size() >= self.most_bytes {
                        self.end(threads)?;
                    }
                }
            }
        }
        match (told, beside) {
            (Some(told), _) => Ok(told),
            (None, Some(beside)) => Ok(beside()),
            (None, None) => Err(ParquetError::General("work is lost".to_string())),
        }
    }

    /// Where to cut so many rows, so that the first of them fit into the row group under way; the limit of rows comes first, and
    /// what is cut by it may be cut again by the limit of bytes.
    fn room(&self, rows: usize) -> usize {
        let free = self.most_rows - self.rows;
        if rows > free {
            return free;
        }
        let held = self.in_progress_size();
        match held.checked_div(self.rows) {
            Some(_) if held >= self.most_bytes => 0,
            None | Some(0) => rows,
            Some(of_a_row) => rows.min((self.most_bytes - held) / of_a_row),
        }
    }

    fn encode<R: Send, F: FnOnce() -> R + Send>(
        &mut self,
        rows: &RecordBatch,
        threads: usize,
        beside: Option<F>,
    ) -> Result<Option<R>> {
        if self.leaves.is_empty() {
            let number = self.file.flushed_row_groups().len();
            self.leaves = self.factory.create_column_writers(number)?;
        }
        let mut given = Vec::with_capacity(self.leaves.len());
        for (field, column) in self.schema.fields().iter().zip(rows.columns()) {
            given.extend(compute_leaves(field, column)?);
        }
        self.rows += rows.num_rows();
        let leaves = self.leaves.iter_mut().zip(given);
        let leaves = leaves.map(|(writer, leaf)| Work::Leaf(writer, leaf));
        let work = beside.map(Work::Beside).into_iter().chain(leaves).collect();
        let done = parallel::map_owned(threads, work, |work: Work<'_, F>| match work {
            Work::Beside(beside) => Done::Beside(beside()),
            Work::Leaf(writer, leaf) => Done::Leaf(writer.write(&leaf)),
        });
        let mut told = None;
        for done in done {
            match done {
                Done::Beside(result) => told = Some(result),
                Done::Leaf(result) => result?,
            }
        }
        Ok(told)
    }

    /// Ends the row group under way, if there is one.
    ///
    /// # Errors
    /// Those of the encoder.
    pub(super) fn end(&mut self, threads: usize) -> Result<()> {
        let leaves = mem::take(&mut self.leaves);
        if leaves.is_empty() {
            return Ok(());
        }
        self.rows = 0;
        let chunks = parallel::map_owned(threads, leaves, ArrowColumnWriter::close);
        let mut row_group = self.file.next_row_group()?;
        for chunk in chunks {
            chunk?.append_to_row_group(&mut row_group)?;
        }
        row_group.close()?;
        Ok(())
    }

    /// Row groups that have ended.
    pub(super) fn ended(&self) -> usize {
        self.file.flushed_row_groups().len()
    }

    /// Bytes of those that were not taken yet.
    pub(super) fn take_bytes(&mut self) -> Bytes {
        Bytes::from(mem::take(self.file.inner_mut()))
    }

    /// Ends the last row group and writes the footer.
    ///
    /// # Errors
    /// Those of the encoder.
    pub(super) fn finish(&mut self, threads: usize) -> Result<ParquetMetaData> {
        self.end(threads)?;
        self.file.finish()
    }

    /// Bytes that the row group under way will have, nearly.
    pub(super) fn in_progress_size(&self) -> usize {
        let leaves = self.leaves.iter();
        leaves.map(|leaf| leaf.get_estimated_total_bytes()).sum()
    }

    /// Bytes of memory that it holds.
    pub(super) fn memory_size(&self) -> usize {
        self.leaves.iter().map(|leaf| leaf.memory_size()).sum()
    }

    /// Bytes of the file so far.
    pub(super) fn bytes_written(&self) -> usize {
        self.file.bytes_written()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, Int64Array, ListArray, StringArray, StructArray};
    use datafusion::arrow::datatypes::{Field, Int64Type, Schema};
    use parquet::file::properties::WriterProperties;

    use super::*;

    /// Texts that come again, numbers with nulls, lists, and a structure.
    fn batch(from: i64, rows: i64) -> RecordBatch {
        let numbers = || (from..from + rows).map(|n| (n % 7 > 0).then_some(n * 7_919));
        let texts = (from..from + rows).map(|n| format!("text {}", n % 900));
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
        let numbered: ArrayRef = Arc::new(numbers().collect::<Int64Array>());
        let lists = numbers().map(|n| n.map(|n| vec![Some(n), None]));
        let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists));
        let field =
            |name: &str, array: &ArrayRef| Field::new(name, array.data_type().clone(), true);
        let both: ArrayRef = Arc::new(StructArray::from(vec![
            (Arc::new(field("text", &texts)), Arc::clone(&texts)),
            (Arc::new(field("number", &numbered)), Arc::clone(&numbered)),
        ]));
        let columns = [texts, numbered, lists, both];
        let names = ["text", "number", "list", "both"].iter().zip(&columns);
        let fields: Vec<Field> = names.map(|(name, column)| field(name, column)).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.to_vec()).unwrap()
    }

    #[test]
    fn the_bytes_are_those_of_one_writer_on_any_number_of_threads() {
        let batches = [batch(0, 3_000), batch(3_000, 1), batch(3_001, 9_000)];
        let schema = batches[0].schema();
        for (rows, bytes) in [
            (1 << 20, 1 << 30),
            (2_500, 1 << 30),
            (1 << 20, 30_000),
            (700, 9_000),
        ] {
            let options = || {
                let properties = WriterProperties::builder()
                    .set_max_row_group_row_count(Some(rows))
                    .set_max_row_group_bytes(Some(bytes));
                ArrowWriterOptions::new().with_properties(properties.build())
            };
            let mut writer =
                ArrowWriter::try_new_with_options(Vec::new(), schema.clone(), options()).unwrap();
            for batch in &batches {
                writer.write(batch).unwrap();
            }
            let expected = writer.into_inner().unwrap();
            for threads in [1, 3] {
                let mut groups = RowGroups::new(schema.clone(), options()).unwrap();
                let told: Vec<usize> = batches
                    .iter()
                    .map(|batch| groups.write(batch, threads, || batch.num_rows()).unwrap())
                    .collect();
                assert_eq!(told, [3_000, 1, 9_000]);
                groups.finish(threads).unwrap();
                assert!(
                    groups.take_bytes() == expected,
                    "{rows} rows, {bytes} bytes, {threads} threads"
                );
            }
        }
    }
}
