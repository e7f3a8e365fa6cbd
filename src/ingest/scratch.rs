//! Batches that wait on the builder's own disk: written once, read as a table, removed when nobody holds them.
//!
//! Arrow's file format, so that a build of a large file needs about as much disk as the file. What need not be written is not: a text that
//! all rows share, the upper half of decimals that 64 bits hold, and the first batches, as many as memory is set aside for: those of an
//! ordinary night are all. Rows of a few bytes, which take several times their line there, are compressed.

use std::fmt;
use std::fs::File;
use std::io::BufWriter;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Field, Int64Type, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::CompressionType;
use datafusion::arrow::ipc::reader::FileReader;
use datafusion::arrow::ipc::writer::{FileWriter, IpcWriteOptions};

use super::key_order::Ordered;
use crate::error::{Error, Result};

/// Batches of one schema, in the order written.
pub(crate) struct ScratchFile {
    shape: Shape,
    rows: u64,
    batches: usize,
    /// The first batches, as they are kept.
    in_memory: InMemory,
    /// Has the batches behind them; `None` where there are none.
    path: Option<PathBuf>,
    /// Its batches, where the rows stand in the order of their keys.
    ordered: Option<Ordered>,
}

impl ScratchFile {
    /// The same file, of which it is known that its rows stand in the order of their keys.
    pub(super) fn in_key_order(self, ordered: Ordered) -> Self {
        let mut file = self;
        file.ordered = Some(ordered);
        file
    }

    /// Its batches, where the rows stand in the order of their keys.
    pub(super) fn ordered(&self) -> Option<&Ordered> {
        self.ordered.as_ref()
    }

    /// The schema of every batch.
    #[cfg(test)]
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.shape.schema
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Number of batches; none of them is empty.
    pub(super) fn count(&self) -> usize {
        self.batches
    }

    /// Reads the batches from the first on.
    ///
    /// # Errors
    /// `Unavailable` where the file cannot be read.
    pub(crate) fn batches(
        &self,
    ) -> Result<impl Iterator<Item = Result<RecordBatch>> + Send + use<>> {
        self.batches_in(0..self.batches)
    }

    /// Reads some of the batches.
    ///
    /// # Errors
    /// `Unavailable` where the file cannot be read.
    pub(super) fn batches_in(
        &self,
        range: Range<usize>,
    ) -> Result<impl Iterator<Item = Result<RecordBatch>> + Send + use<>> {
        let first = self.in_memory.batches.len();
        let kept = range.start.min(first)..range.end.min(first);
        let written = range.start.max(first) - first..range.end.max(first) - first;
        let reader = match &self.path {
            Some(path) if !written.is_empty() => {
                let file = File::open(path).map_err(|error| unavailable(path, error))?;
                let reader = FileReader::try_new(file, None).and_then(|mut reader| {
                    reader.set_index(written.start)?;
                    Ok(reader)
                });
                Some(reader.map_err(|error| unavailable(path, error))?)
            }
            _ => None,
        };
        let path = self.path.clone().unwrap_or_default();
        let mut shape = self.shape.clone();
        let kept = self.in_memory.batches[kept].to_vec();
        let written = reader.into_iter().flatten().take(written.len());
        Ok(kept.into_iter().map(Ok).chain(written).map(move |batch| {
            let rows = batch.and_then(|kept| shape.unpack(&kept));
            rows.map_err(|error| unavailable(&path, error))
        }))
    }
}

impl Drop for ScratchFile {
    fn drop(&mut self) {
        let Some(path) = self.path.take() else { return };
        // the folder goes with the run anyway; a file that stays until then does no harm
        let remove = move || drop(std::fs::remove_file(path));
        // to give back the memory that the system keeps a large file in takes a while
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}

impl fmt::Debug for ScratchFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScratchFile({} rows)", self.rows)
    }
}

/// Bytes that all batches together may have which are kept in memory.
const MOST_IN_MEMORY: usize = 64 << 20;

/// Bytes of a row under which rows are compressed. Wider ones take about as much as their line of text, and a fifth more computing
/// would halve that; of narrow ones most is offsets and places that ascend, which LZ4 packs to a third for nothing.
const NARROW: usize = 32;

/// Bytes that they have.
static IN_MEMORY: AtomicUsize = AtomicUsize::new(0);

/// Batches that are kept in memory, counted as long as they are.
#[derive(Default)]
struct InMemory {
    batches: Vec<RecordBatch>,
    bytes: usize,
    /// One found no room: those behind it go to the disk, too.
    is_full: bool,
}

impl InMemory {
    /// Keeps a batch; `false` where there is no room for it.
    fn keep(&mut self, batch: &RecordBatch) -> bool {
        let bytes = batch.get_array_memory_size();
        let room = |held: usize| held.checked_add(bytes).filter(|sum| *sum <= MOST_IN_MEMORY);
        self.is_full = self.is_full
            || IN_MEMORY
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room)
                .is_err();
        if !self.is_full {
            self.batches.push(batch.clone());
            self.bytes += bytes;
        }
        !self.is_full
    }
}

impl Drop for InMemory {
    fn drop(&mut self) {
        IN_MEMORY.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// How the columns of a file's rows are kept in it.
#[derive(Clone, Debug)]
struct Shape {
    /// Of the rows.
    schema: SchemaRef,
    columns: Vec<Kept>,
    /// Of what is in the file.
    kept: SchemaRef,
}

/// How a column is kept.
#[derive(Clone, Debug)]
enum Kept {
    AsItIs,
    /// A decimal as 64 bits, which hold all of its type.
    Short,
    /// Not at all: all rows have the text of this one, or of these.
    Shared(StringArray),
}

/// Digits of a decimal that 64 bits hold.
const SHORT_DIGITS: u8 = 18;

impl Shape {
    /// `shared`: a column whose text is the same in all rows.
    fn new(schema: &SchemaRef, shared: Option<(&str, &str)>) -> Self {
        let (mut columns, mut fields) = (Vec::new(), Vec::new());
        for field in schema.fields() {
            let kept = match (field.data_type(), shared) {
                (_, Some((name, text))) if field.name() == name => {
                    Kept::Shared(StringArray::from_iter_values([text]))
                }
                (DataType::Decimal128(digits, _), _) if *digits <= SHORT_DIGITS => Kept::Short,
                _ => Kept::AsItIs,
            };
            match kept {
                Kept::AsItIs => fields.push(Arc::clone(field)),
                Kept::Short => {
                    fields.push(Arc::new(Field::new(field.name(), DataType::Int64, true)));
                }
                Kept::Shared(_) => {}
            }
            columns.push(kept);
        }
        Self {
            schema: Arc::clone(schema),
            columns,
            kept: Arc::new(Schema::new(fields)),
        }
    }

    fn pack(&self, rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let mut columns = Vec::with_capacity(self.columns.len());
        for (column, kept) in rows.columns().iter().zip(&self.columns) {
            match kept {
                Kept::AsItIs => columns.push(Arc::clone(column)),
                Kept::Short => {
                    let decimals = column.as_primitive::<Decimal128Type>();
                    let short = decimals.unary::<_, Int64Type>(|value| value as i64);
                    columns.push(Arc::new(short));
                }
                Kept::Shared(_) => {}
            }
        }
        RecordBatch::try_new(Arc::clone(&self.kept), columns)
    }

    fn unpack(&mut self, kept: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let rows = kept.num_rows();
        let mut given = kept.columns().iter();
        let mut next = || {
            let lost = || ArrowError::SchemaError("a scratch file lacks a column".to_string());
            given.next().ok_or_else(lost)
        };
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.columns.len());
        for (column, field) in self.columns.iter_mut().zip(self.schema.fields()) {
            columns.push(match column {
                Kept::AsItIs => Arc::clone(next()?),
                Kept::Short => {
                    let short = next()?.as_primitive::<Int64Type>();
                    let decimals = short.unary::<_, Decimal128Type>(i128::from);
                    Arc::new(decimals.with_data_type(field.data_type().clone()))
                }
                Kept::Shared(texts) => Arc::new(repeated(texts, rows)),
            });
        }
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
    }
}

/// So many times the text that all of these are; they become more where they are too few.
pub(super) fn repeated(texts: &mut StringArray, rows: usize) -> StringArray {
    if texts.len() < rows {
        let text = texts.value(0).to_string();
        *texts = StringArray::from_iter_values(std::iter::repeat_n(text, rows));
    }
    texts.slice(0, rows)
}

/// Writes a [`ScratchFile`]; the file appears with the first batch that is not kept in memory.
pub(crate) struct ScratchWriter {
    file: ScratchFile,
    wanted: PathBuf,
    writer: Option<FileWriter<BufWriter<File>>>,
}

impl ScratchWriter {
    /// Will write to `path`, whose folder exists.
    pub(crate) fn new(path: PathBuf, schema: &SchemaRef) -> Self {
        Self {
            file: ScratchFile {
                shape: Shape::new(schema, None),
                rows: 0,
                batches: 0,
                in_memory: InMemory::default(),
                path: None,
                ordered: None,
            },
            wanted: path,
            writer: None,
        }
    }

    /// All rows will have this text in this column.
    pub(crate) fn sharing(mut self, column: &str, text: &str) -> Self {
        self.file.shape = Shape::new(&self.file.shape.schema, Some((column, text)));
        self
    }

    /// Appends a batch.
    ///
    /// # Errors
    /// `Unavailable` where the disk refuses it.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let kept = self.file.shape.pack(batch);
        let kept = kept.map_err(|error| unavailable(&self.wanted, error))?;
        self.file.rows += batch.num_rows() as u64;
        self.file.batches += 1;
        if self.file.in_memory.keep(&kept) {
            return Ok(());
        }
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => {
                let path = self.wanted.as_path();
                let file = File::create(path).map_err(|error| unavailable(path, error))?;
                self.file.path = Some(self.wanted.clone());
                let buffered = BufWriter::with_capacity(1 << 18, file);
                let is_narrow = kept.get_array_memory_size() / kept.num_rows() < NARROW;
                let compression = is_narrow.then_some(CompressionType::LZ4_FRAME);
                let writer = IpcWriteOptions::default()
                    .try_with_compression(compression)
                    .and_then(|options| {
                        FileWriter::try_new_with_options(buffered, &self.file.shape.kept, options)
                    })
                    .map_err(|error| unavailable(path, error))?;
                none.insert(writer)
            }
        };
        let written = writer.write(&kept);
        written.map_err(|error| unavailable(&self.wanted, error))
    }

    /// Completes the file.
    ///
    /// # Errors
    /// `Unavailable` where the disk refuses it.
    pub(crate) fn finish(mut self) -> Result<ScratchFile> {
        if let Some(mut writer) = self.writer.take() {
            writer
                .finish()
                .map_err(|error| unavailable(&self.wanted, error))?;
        }
        Ok(self.file)
    }
}

fn unavailable(path: &Path, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::unavailable("a scratch file cannot be written or read")
        .at(path.display().to_string())
        .help("make room, or name another folder with `--spill-dir`")
        .caused_by(error)
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Decimal128Array, Int64Array};

    use super::*;

    #[test]
    fn batches_beyond_what_memory_has_room_for_are_read_from_disk_in_order() {
        const ROWS: i64 = 1 << 20;
        let folder = tempfile::tempdir().unwrap();
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]));
        let path = folder.path().join("n.accepted");
        let mut writer = ScratchWriter::new(path.clone(), &schema);
        let count = MOST_IN_MEMORY as i64 / (ROWS * 8) + 2;
        for batch in 0..count {
            let numbers = (0..ROWS).map(|row| batch * ROWS + row);
            let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(numbers));
            let batch = RecordBatch::try_new(Arc::clone(&schema), vec![numbers]).unwrap();
            writer.write(&batch).unwrap();
        }
        let file = writer.finish().unwrap();
        assert!(path.exists() && file.count() == count as usize);
        let firsts = |range: Range<usize>| -> Vec<i64> {
            let batches = file.batches_in(range).unwrap();
            let first = |batch: RecordBatch| batch.column(0).as_primitive::<Int64Type>().value(0);
            batches.map(|batch| first(batch.unwrap()) / ROWS).collect()
        };
        let all: Vec<i64> = (0..count).collect();
        assert_eq!(firsts(0..file.count()), all);
        for start in 0..file.count() {
            assert_eq!(firsts(start..start + 1), all[start..=start]);
        }
        assert!(firsts(3..3).is_empty());
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn batches_come_back_as_written_and_take_less_room_than_in_memory() {
        let decimal = DataType::Decimal128(12, 2);
        let schema = Arc::new(Schema::new(vec![
            Field::new("id", DataType::Utf8, true),
            Field::new("amount", decimal.clone(), true),
            Field::new("line", DataType::Int64, true),
            Field::new("file", DataType::Utf8, true),
        ]));
        let batch = |from: i64| {
            let rows = from..from + 8192;
            let ids: StringArray = rows.clone().map(|n| (n % 7 > 0).then_some("x")).collect();
            let amounts: Decimal128Array = rows.clone().map(|n| Some(i128::from(n % 3))).collect();
            let amounts = amounts.with_data_type(decimal.clone());
            let lines = Int64Array::from_iter_values(rows.clone());
            let files = StringArray::from_iter_values(rows.map(|_| "day.csv"));
            let columns: Vec<ArrayRef> = vec![
                Arc::new(ids),
                Arc::new(amounts),
                Arc::new(lines),
                Arc::new(files),
            ];
            RecordBatch::try_new(Arc::clone(&schema), columns).unwrap()
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accepted");
        let mut writer = ScratchWriter::new(path.clone(), &schema).sharing("file", "day.csv");
        writer.file.in_memory.is_full = true;
        let batches: Vec<_> = (0..4).map(|n| batch(n * 8192)).collect();
        for batch in &batches {
            writer.write(batch).unwrap();
        }
        let file = writer.finish().unwrap();
        let read: Vec<_> = file.batches().unwrap().map(Result::unwrap).collect();
        assert_eq!(read, batches);
        let last: Vec<_> = file.batches_in(3..4).unwrap().map(Result::unwrap).collect();
        assert_eq!(last, batches[3..]);
        let a_row = std::fs::metadata(path).unwrap().len() / file.rows();
        assert!(a_row < 16, "{a_row} bytes a row");
    }
}
