//! Batches that wait on the builder's own disk: written once, read as a table, removed when nobody holds them.
//!
//! Arrow's stream format without compression: as fast as memory, and as large as the decoded export.

use std::fmt;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::writer::StreamWriter;

use super::key_order::KeyRange;
use crate::error::{Error, Result};

/// Batches of one schema, in the order written.
pub(crate) struct ScratchFile {
    schema: SchemaRef,
    rows: u64,
    /// `None` where nothing was written.
    path: Option<PathBuf>,
    /// Its lowest and highest key, where the rows stand in the order of their keys.
    key_range: Option<KeyRange>,
}

impl ScratchFile {
    /// The same file, of which it is known that its rows stand in the order of their keys.
    pub(super) fn in_key_order(self, range: KeyRange) -> Self {
        let mut file = self;
        file.key_range = Some(range);
        file
    }

    /// Its lowest and highest key, where the rows stand in the order of their keys.
    pub(super) fn key_range(&self) -> Option<&KeyRange> {
        self.key_range.as_ref()
    }

    /// The schema of every batch.
    #[cfg(test)]
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Reads the batches from the first on.
    ///
    /// # Errors
    /// `Unavailable` where the file cannot be read.
    pub(crate) fn batches(
        &self,
    ) -> Result<impl Iterator<Item = Result<RecordBatch>> + Send + use<>> {
        let reader = match &self.path {
            None => None,
            Some(path) => {
                let file = File::open(path).map_err(|error| unavailable(path, error))?;
                let reader = StreamReader::try_new(BufReader::with_capacity(1 << 18, file), None);
                Some(reader.map_err(|error| unavailable(path, error))?)
            }
        };
        let path = self.path.clone().unwrap_or_default();
        Ok(reader
            .into_iter()
            .flatten()
            .map(move |batch| batch.map_err(|error| unavailable(&path, error))))
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

/// Writes a [`ScratchFile`]; the file appears with the first batch.
pub(crate) struct ScratchWriter {
    file: ScratchFile,
    wanted: PathBuf,
    writer: Option<StreamWriter<BufWriter<File>>>,
}

impl ScratchWriter {
    /// Will write to `path`, whose folder exists.
    pub(crate) fn new(path: PathBuf, schema: &SchemaRef) -> Self {
        Self {
            file: ScratchFile {
                schema: Arc::clone(schema),
                rows: 0,
                path: None,
                key_range: None,
            },
            wanted: path,
            writer: None,
        }
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
                let writer = StreamWriter::try_new(buffered, &self.file.schema)
                    .map_err(|error| unavailable(path, error))?;
                none.insert(writer)
            }
        };
        writer
            .write(batch)
            .map_err(|error| unavailable(&self.wanted, error))?;
        self.file.rows += batch.num_rows() as u64;
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
