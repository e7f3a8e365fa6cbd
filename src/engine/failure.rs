//! What DataFusion reports → what a person reads: kind, code, help, and never a cell value.

use std::sync::Arc;
use std::{fmt, io};

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
/// is taken out. An [`Error`] of kilde that travelled through a plan comes back unchanged, and whatever a failure was
/// wrapped in on its way — shared by the readers of one input, put into an error of Arrow, Parquet or a store — its kind
/// is that of what failed.
pub(crate) fn failure(error: DataFusionError) -> Error {
    of_engine(&error)
}

fn of_engine(error: &DataFusionError) -> Error {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
            of_engine(inner)
        }
        DataFusionError::Shared(shared) => of_engine(shared),
        DataFusionError::Collection(errors) => match errors.first() {
            Some(first) => of_engine(first),
            None => Error::internal("a plan failed and does not say why"),
        },
        DataFusionError::External(inner) => {
            known(inner.as_ref()).unwrap_or_else(|| of_value(&inner.to_string()))
        }
        DataFusionError::ResourcesExhausted(text) => out_of_memory(text),
        DataFusionError::ObjectStore(store) => of_store(store),
        DataFusionError::ParquetError(parquet) => of_parquet(parquet),
        DataFusionError::ArrowError(arrow, _) => of_arrow(arrow),
        DataFusionError::IoError(io) => of_io(io),
        DataFusionError::NotImplemented(text) => Error::config(redact(text))
            .help("the engine cannot do this: write the expression in another way"),
        DataFusionError::ExecutionJoin(_) | DataFusionError::Internal(_) => {
            Error::internal(redact(&error.strip_backtrace()))
        }
        value => of_value(&value.strip_backtrace()),
    }
}

/// What a foreign error is, or what caused it, where that is one of ours or of the engine's.
fn known(error: &(dyn std::error::Error + 'static)) -> Option<Error> {
    if let Some(ours) = error.downcast_ref::<Error>() {
        return Some(ours.clone());
    }
    if let Some(engine) = error.downcast_ref::<DataFusionError>() {
        return Some(of_engine(engine));
    }
    if let Some(shared) = error.downcast_ref::<Arc<DataFusionError>>() {
        return Some(of_engine(shared));
    }
    if let Some(arrow) = error.downcast_ref::<ArrowError>() {
        return Some(of_arrow(arrow));
    }
    if let Some(parquet) = error.downcast_ref::<ParquetError>() {
        return Some(of_parquet(parquet));
    }
    if let Some(store) = error.downcast_ref::<object_store::Error>() {
        return Some(of_store(store));
    }
    if let Some(io) = error.downcast_ref::<io::Error>() {
        return Some(of_io(io));
    }
    known(error.source()?)
}

/// All that can be advised where nothing is known of a failure but that a value is to blame.
pub(crate) const FIND_THE_ROW: &str =
    "values are left out of messages: find the row with `kilde query` over the step's inputs";

/// A value is to blame.
fn of_value(text: &str) -> Error {
    // its apostrophe would open a quote
    let text = without_pattern(text).replace("Can't", "Cannot");
    Error::new(ErrorKind::Quality, redact(&text))
        .code(Code(805))
        .help(FIND_THE_ROW)
}

fn of_arrow(error: &ArrowError) -> Error {
    match error {
        ArrowError::ExternalError(inner) => {
            known(inner.as_ref()).unwrap_or_else(|| of_value(&inner.to_string()))
        }
        ArrowError::IoError(_, io) => of_io(io),
        value => of_value(&format!("Arrow error: {value}")),
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
        .code(Code(723))
        .at(path.clone())
        .caused_by(error.to_string())
        .help("check which credentials are in use, whether they have expired, and their rights"),
        error => std::error::Error::source(error)
            .and_then(ours)
            .unwrap_or_else(|| {
                Error::unavailable("storage does not answer")
                    .code(Code(703))
                    .caused_by(error.to_string())
                    .help("check that it is reachable, then try again: nothing is lost")
            }),
    }
}

fn of_parquet(error: &ParquetError) -> Error {
    let inner = match error {
        ParquetError::External(inner) => known(inner.as_ref()),
        _ => None,
    };
    inner.unwrap_or_else(|| {
        Error::corrupt("a Parquet file cannot be read")
            .code(Code(807))
            .caused_by(redact(&error.to_string()))
    })
}

/// What another error put into one of input and output, else the disk.
fn of_io(error: &io::Error) -> Error {
    error
        .get_ref()
        .and_then(|inner| known(inner))
        .unwrap_or_else(|| spilling(&error.to_string()))
}

/// The error of kilde that a store's was made of.
fn ours(error: &(dyn std::error::Error + 'static)) -> Option<Error> {
    match error.downcast_ref::<Error>() {
        Some(ours) => Some(ours.clone()),
        None => ours(error.source()?),
    }
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

/// A regular expression that was made of cells is told again where it is none: what is wrong with it alone is left.
fn without_pattern(text: &str) -> String {
    if !text.contains("regex parse error:") {
        return text.to_string();
    }
    // lines of the pattern are indented, or numbered
    let why = text
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("error: "));
    format!(
        "a pattern is no regular expression: {}",
        why.unwrap_or("it cannot be read")
    )
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
    fn a_pattern_made_of_cells_is_not_told() {
        for text in [
            "regex parse error:\n    anna.secret@x.se(\n                    ^\nerror: unclosed group",
            "Compute error: Regular expression did not compile: Syntax(\n~~~\nregex parse error:\n1: anna\n2: error: anna(\n~~~\n\
             error: unclosed group\n~~~\n)",
        ] {
            let told = failure(DataFusionError::Execution(text.into())).render();
            assert!(!told.contains("anna"), "{told}");
            assert!(
                told.contains("no regular expression: unclosed group"),
                "{told}"
            );
        }
    }

    #[test]
    fn our_own_error_comes_back_whole() {
        let ours = Error::quality("`email` is empty").code(Code(803));
        let text = ours.render();
        let travelled = DataFusionError::External(Box::new(ours)).context("while running");
        assert_eq!(failure(travelled).render(), text);
    }

    /// Every way in which an error is wrapped on its way out of a plan.
    fn wrappings(inner: impl Fn() -> DataFusionError) -> Vec<DataFusionError> {
        let shared = Arc::new(inner());
        vec![
            inner(),
            inner().context("while reading"),
            // another reader still holds it
            DataFusionError::Shared(Arc::clone(&shared)),
            DataFusionError::Shared(Arc::new(DataFusionError::Shared(shared))),
            DataFusionError::Collection(vec![inner(), inner()]),
            DataFusionError::External(Box::new(inner())),
            DataFusionError::External(Box::new(Arc::new(inner()))),
            DataFusionError::ArrowError(
                Box::new(ArrowError::ExternalError(Box::new(inner()))),
                None,
            ),
            DataFusionError::ParquetError(Box::new(ParquetError::External(Box::new(inner())))),
            DataFusionError::ParquetError(Box::new(ParquetError::External(Box::new(
                ArrowError::ExternalError(Box::new(inner())),
            )))),
            DataFusionError::IoError(io::Error::other(inner())),
        ]
    }

    #[test]
    fn the_kind_of_a_failure_survives_whatever_it_is_wrapped_in() {
        type Failure = fn() -> DataFusionError;
        let store = |error| DataFusionError::ObjectStore(Box::new(error));
        let failures: [(ErrorKind, Failure); 8] = [
            (ErrorKind::Quality, || {
                DataFusionError::ArrowError(Box::new(ArrowError::DivideByZero), None)
            }),
            (ErrorKind::Quality, || {
                DataFusionError::Execution("no".into())
            }),
            (ErrorKind::Config, || {
                DataFusionError::ResourcesExhausted("no".into())
            }),
            (ErrorKind::Internal, || {
                DataFusionError::Internal("no".into())
            }),
            (ErrorKind::Corrupt, || {
                DataFusionError::ParquetError(Box::new(ParquetError::General("no".into())))
            }),
            (ErrorKind::Unavailable, || {
                DataFusionError::IoError(io::Error::other("disk"))
            }),
            (ErrorKind::Conflict, || {
                DataFusionError::External(Box::new(Error::conflict("fenced")))
            }),
            (ErrorKind::Interrupted, || {
                DataFusionError::External(Box::new(Error::new(ErrorKind::Interrupted, "stopped")))
            }),
        ];
        for (kind, inner) in failures {
            for wrapped in wrappings(inner) {
                let shown = format!("{wrapped:?}");
                assert_eq!(failure(wrapped).kind(), kind, "{shown}");
            }
        }
        let source = || "no".into();
        let gone = wrappings(|| {
            let path = "gold/x".into();
            store(object_store::Error::NotFound {
                path,
                source: source(),
            })
        });
        let away = wrappings(|| {
            store(object_store::Error::Generic {
                store: "S3",
                source: source(),
            })
        });
        let stopped = wrappings(|| {
            let source = Box::new(Error::new(ErrorKind::Terminated, "stopped"));
            store(object_store::Error::Generic {
                store: "S3",
                source,
            })
        });
        for (kind, wrapped) in [
            (ErrorKind::Corrupt, gone),
            (ErrorKind::Unavailable, away),
            (ErrorKind::Terminated, stopped),
        ] {
            for wrapped in wrapped {
                let shown = format!("{wrapped:?}");
                assert_eq!(failure(wrapped).kind(), kind, "{shown}");
            }
        }
    }

    #[test]
    fn refused_memory_is_recognised_for_a_second_try() {
        let error = failure(DataFusionError::ResourcesExhausted("HashJoinInput".into()));
        assert!(is_out_of_memory(&error));
        assert!(!is_out_of_memory(&Error::internal("x")));
    }
}
