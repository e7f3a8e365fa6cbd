//! The names of an export's columns, without taking its records: what a plan says of drift before anything is read.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use object_store::ObjectStore;

use super::archive::is_archive;
use super::conform::Conformer;
use super::export::{ReadRequest, text_of};
use super::format::{Decoding, format};
use super::input::unpacked;
use super::output::Output;
use super::parts;
use crate::error::{Error, ErrorKind, Result};
use crate::project::{Captures, Contract, Load, Read as Declared, Source};

/// Of a text of lines, so many bytes are looked at: a header lies at their beginning.
const LOOKED_AT: u64 = 1 << 20;

/// The names of an export's columns in order, where it says them; of JSON the keys of its first records. `None` also for
/// what cannot be read: whoever reads it says why. The scratch folder is created and removed.
///
/// # Errors
/// `Unavailable` where storage fails.
pub(super) async fn look(
    store: &Arc<dyn ObjectStore>,
    request: ReadRequest,
) -> Result<Option<Vec<String>>> {
    let export = request.export.clone();
    let parts = parts::open(store, &export.location, export.size).await?;
    let look = Look::new(request);
    let names = parts.read(move |raw| look.names(raw)).await?;
    match names {
        Err(error) if error.kind() == ErrorKind::Unavailable => Err(error),
        names => Ok(names.unwrap_or_default()),
    }
}

/// What the blocking side owns.
pub(super) struct Look {
    path: String,
    source: Arc<Source>,
    contract: Contract,
    scratch: PathBuf,
}

impl Look {
    pub(super) fn new(request: ReadRequest) -> Self {
        Self {
            path: request.export.path,
            source: request.source,
            // a contract that wants nothing finds everything
            contract: Contract {
                columns: Vec::new(),
                evolved: Vec::new(),
                key: Vec::new(),
                tests: Vec::new(),
                ..Contract::clone(&request.contract)
            },
            scratch: request.scratch,
        }
    }

    /// The names that the export's bytes say.
    pub(super) fn names(&self, raw: impl Read) -> Result<Option<Vec<String>>> {
        let names = self.found(raw);
        // what is left there is nobody's
        let _ = std::fs::remove_dir_all(&self.scratch);
        names
    }

    fn found(&self, raw: impl Read) -> Result<Option<Vec<String>>> {
        let scratch = &self.scratch;
        let unreadable = |error| Error::unavailable("the export cannot be read").caused_by(error);
        std::fs::create_dir_all(scratch).map_err(unreadable)?;
        let (_, bytes) = unpacked(raw, &self.path).map_err(unreadable)?;
        // its list of contents is at its end
        let (false, bytes) = is_archive(bytes, &self.source.read, &self.path)? else {
            return Ok(None);
        };
        let (bytes, read) = text_of(bytes, &self.source.read, &self.path)?;
        let is_of_lines = matches!(read, Declared::Csv(_) | Declared::Ndjson(_));
        let limit = if is_of_lines { LOOKED_AT } else { u64::MAX };
        let mut bytes = bytes.take(limit);
        let format = format(&read);
        let conformer = Conformer::new(
            &self.contract,
            Load::Append,
            format.converter(),
            &Captures::default(),
            read.conversions().zone,
            &self.path,
        )?
        .exploding(read.explode());
        let table = self.source.table.to_string();
        let mut output = Output::new(
            &conformer,
            &table,
            (&self.path, u64::MAX),
            &scratch.join("look"),
        );
        let copy = scratch.join("look.raw");
        let seen = format.decode(
            &mut bytes,
            Decoding {
                conformer: &conformer,
                output: &mut output,
                file: &self.path,
                max_record_bytes: LOOKED_AT as usize,
                threads: 1,
                scratch: &copy,
            },
        )?;
        Ok(match self.source.read.has_header() {
            true => seen.header,
            false => None,
        })
    }
}
