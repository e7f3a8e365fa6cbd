//! What DataFusion reports → what a person reads: kind, code, help, and never a cell value.

use std::fmt;

use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use parquet::errors::ParquetError;

use crate::diagnostic::Code;
use crate::error::{Error, ErrorKind};

/// Marks an error that a step may answer by running once more with joins that spill.
#[derive(Debug)]
struct OutOfMemory {
    detail: String,
}

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for OutOfMemory {}

/// Whether an operator was refused memory and could not spill; [`super::Joins::SortMerge`] may help.
pub(crate) fn is_out_of_memory(error: &Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<OutOfMemory>())
}

/// Turns a failure of planning or running into an [`Error`].
///
/// Texts of DataFusion and Arrow quote cells (`Cannot cast string 'x'`), so whatever stands in quotes, and every number,
/// is taken out. An [`Error`] of kilde that travelled through a plan comes back unchanged.
pub(crate) fn failure(error: DataFusionError) -> Error {
    let mut error = error;
    loop {
        error = match error {
            DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => *inner,
            DataFusionError::Shared(shared) => match std::sync::Arc::try_unwrap(shared) {
                Ok(inner) => inner,
                Err(shared) => return of_root(&shared),
            },
            DataFusionError::External(boxed) => match of_external(boxed) {
                Ok(ours) => return ours,
                Err(inner) => inner,
            },
            root => return of_root(&root),
        }
    }
}

/// One of our errors, or the error of DataFusion within.
fn of_external(
    boxed: Box<dyn std::error::Error + Send + Sync>,
) -> std::result::Result<Error, DataFusionError> {
    let boxed = match boxed.downcast::<Error>() {
        Ok(ours) => return Ok(*ours),
        Err(other) => other,
    };
    match boxed.downcast::<DataFusionError>() {
        Ok(inner) => Err(*inner),
        Err(other) => Ok(of_root(&DataFusionError::Execution(other.to_string()))),
    }
}

fn of_root(error: &DataFusionError) -> Error {
    match error.find_root() {
        DataFusionError::ResourcesExhausted(text) => out_of_memory(text),
        DataFusionError::ObjectStore(store) => of_store(store),
        DataFusionError::ParquetError(parquet) => of_parquet(parquet),
        DataFusionError::IoError(io) => spilling(&io.to_string()),
        DataFusionError::ArrowError(arrow, _) if matches!(**arrow, ArrowError::IoError(..)) => {
            spilling(&arrow.to_string())
        }
        root @ (DataFusionError::Internal(_) | DataFusionError::NotImplemented(_)) => {
            Error::internal(redact(&root.strip_backtrace()))
        }
        root => Error::new(ErrorKind::Quality, redact(&root.strip_backtrace()))
            .code(Code(805))
            .help("values are left out of messages: find the row with `kilde query` over the step's inputs"),
    }
}

/// Texts of a store are paths and status codes, no content: `store` cuts them down before anybody sees them.
fn of_store(error: &object_store::Error) -> Error {
    match error {
        object_store::Error::NotFound { path, .. } => Error::corrupt("a data file is gone")
            .code(Code(807))
            .at(path.clone()),
        object_store::Error::PermissionDenied { path, .. }
        | object_store::Error::Unauthenticated { path, .. } => Error::config(
            "storage refuses to give a data file",
        )
        .code(Code(719))
        .at(path.clone())
        .caused_by(error.to_string())
        .help("check which credentials are in use, whether they have expired, and their rights"),
        error => Error::unavailable("storage does not answer")
            .code(Code(703))
            .caused_by(error.to_string())
            .help("check that it is reachable, then try again: nothing is lost"),
    }
}

fn of_parquet(error: &ParquetError) -> Error {
    if let ParquetError::External(inner) = error
        && let Some(store) = inner.downcast_ref::<object_store::Error>()
    {
        return of_store(store);
    }
    Error::corrupt("a Parquet file cannot be read")
        .code(Code(807))
        .caused_by(redact(&error.to_string()))
}

/// The only local files of a plan are what it spills; everything else goes through a store.
fn spilling(text: &str) -> Error {
    Error::unavailable("spilling to disk failed")
        .code(Code(809))
        .help("free space in the spill folder, name another with `--spill-dir`, or raise `--spill-limit`")
        .caused_by(text.to_string())
}

fn out_of_memory(text: &str) -> Error {
    Error::config("a step needs more memory than it may have, and cannot spill")
        .code(Code(804))
        .help("raise `--memory-limit`, or lower `--threads`")
        .caused_by(OutOfMemory {
            detail: text.to_string(),
        })
}

/// The text without what stands in quotes and without numbers, either of which may be a cell; type names stay.
fn redact(text: &str) -> String {
    let mut redacted = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    let mut previous = ' ';
    while let Some(c) = characters.next() {
        match c {
            '\'' | '"' => {
                // to the last closing quote of the same kind on the line would eat words; to the next is what Arrow writes
                let closed = characters.by_ref().any(|inner| inner == c);
                redacted.push('…');
                if !closed {
                    break;
                }
            }
            c if c.is_ascii_digit() && !previous.is_alphanumeric() => {
                redacted.push('#');
                while characters
                    .peek()
                    .is_some_and(|next| next.is_ascii_digit() || matches!(next, '.' | ','))
                {
                    characters.next();
                }
            }
            c => redacted.push(c),
        }
        previous = c;
    }
    redacted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_in_messages_are_left_out() {
        let error = failure(DataFusionError::ArrowError(
            Box::new(ArrowError::CastError(
                "Cannot cast string 'anna@example.com' to value of Int64 type".into(),
            )),
            None,
        ));
        let text = error.render();
        assert!(!text.contains("anna"), "{text}");
        assert!(text.contains("Int64"), "{text}");
        assert_eq!(error.kind(), ErrorKind::Quality);
        assert_eq!(redact("overflow at 46701234567 * 2.5"), "overflow at # * #");
    }

    #[test]
    fn our_own_error_comes_back_whole() {
        let ours = Error::quality("`email` is empty").code(Code(803));
        let text = ours.render();
        let travelled = DataFusionError::External(Box::new(ours)).context("while running");
        assert_eq!(failure(travelled).render(), text);
    }

    #[test]
    fn refused_memory_is_recognised_for_a_second_try() {
        let error = failure(DataFusionError::ResourcesExhausted("HashJoinInput".into()));
        assert!(is_out_of_memory(&error));
        assert!(!is_out_of_memory(&Error::internal("x")));
    }
}
