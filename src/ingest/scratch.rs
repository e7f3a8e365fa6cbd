//! Batches that wait on the builder's own disk: written once, read as a table, removed when nobody holds them.
//!
//! Arrow's file format under LZ4: a build of a large file needs about as much disk as the file, and a few nanoseconds a row for it. What need
//! not be written is not: a text that all rows share, and the upper half of decimals that 64 bits hold.

use std::fmt;
use std::fs::File;
use std::io::BufWriter;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
    /// `None` where nothing was written.
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
        let reader = match &self.path {
            Some(path) if !range.is_empty() => {
                let file = File::open(path).map_err(|error| unavailable(path, error))?;
                let reader = FileReader::try_new(file, None).and_then(|mut reader| {
                    reader.set_index(range.start)?;
                    Ok(reader)
                });
                Some(reader.map_err(|error| unavailable(path, error))?)
            }
            _ => None,
        };
        let path = self.path.clone().unwrap_or_default();
        let mut shape = self.shape.clone();
        Ok(reader
            .into_iter()
            .flatten()
            .take(range.len())
            .map(move |batch| {
                let rows = batch.and_then(|kept| shape.unpack(&kept));
                rows.map_err(|error| unavailable(&path, error))
            }))
    }
}

impl Drop for ScratchFile {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // the folder goes with the run anyway; a file that stays until then does no harm
            let _ = std::fs::remove_file(path);
        }
    }
}

impl fmt::Debug for ScratchFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScratchFile({} rows)", self.rows)
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

/// Writes a [`ScratchFile`]; the file appears with the first batch.
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
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => {
                let path = self.wanted.as_path();
                let file = File::create(path).map_err(|error| unavailable(path, error))?;
                self.file.path = Some(self.wanted.clone());
                let buffered = BufWriter::with_capacity(1 << 18, file);
                let compressed = IpcWriteOptions::default()
                    .try_with_compression(Some(CompressionType::LZ4_FRAME));
                let writer = compressed
                    .and_then(|options| {
                        FileWriter::try_new_with_options(buffered, &self.file.shape.kept, options)
                    })
                    .map_err(|error| unavailable(path, error))?;
                none.insert(writer)
            }
        };
        let kept = self.file.shape.pack(batch);
        kept.and_then(|kept| writer.write(&kept))
            .map_err(|error| unavailable(&self.wanted, error))?;
        self.file.rows += batch.num_rows() as u64;
        self.file.batches += 1;
        Ok(())
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
