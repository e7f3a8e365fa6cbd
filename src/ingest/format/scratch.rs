//! A copy of an export on the builder's disk, for formats whose end must be read first.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use super::lines::unreadable;
use crate::error::{Error, Result};

/// The export `file` as a file of this machine; `None` where it has no byte.
pub(in crate::ingest) fn copy(bytes: &mut dyn Read, to: &Path, file: &str) -> Result<Option<File>> {
    let scratch = |error: io::Error| {
        Error::unavailable("a scratch file cannot be written")
            .at(to.display().to_string())
            .caused_by(error)
    };
    let mut writer = BufWriter::new(File::create(to).map_err(scratch)?);
    let mut buffer = vec![0; 1 << 17];
    let mut size = 0;
    loop {
        let length = match bytes.read(&mut buffer) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(unreadable(error, file)),
        };
        if length == 0 {
            break;
        }
        size += length;
        writer.write_all(&buffer[..length]).map_err(scratch)?;
    }
    writer.flush().map_err(scratch)?;
    drop(writer);
    if size == 0 {
        return Ok(None);
    }
    File::open(to).map(Some).map_err(scratch)
}
