//! Creating an object exactly once although an answer may be lost.

use bytes::Bytes;

use crate::diagnostic::Code;
use crate::error::{Error, Result};
use crate::store::{PutOutcome, Store};

/// A store that stays away so long (a few seconds in all) is reported, not waited for.
const TRIES: u32 = 8;

const UNANSWERED: Code = Code(708);

/// Whether an object may exist or come to exist although [`create`] failed.
pub(super) fn is_in_doubt(error: &Error) -> bool {
    error.number() == Some(UNANSWERED)
}

/// Whose object has the name now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Creation {
    /// Ours, byte for byte.
    Ours,
    /// A rival's, with these bytes.
    Theirs(Bytes),
}

/// Puts an object if absent, and after any doubt looks at the object itself. A put without an answer may still land
/// later, so it is repeated with the same bytes at the same name until the name is taken; never given up for another.
///
/// # Errors
/// `Unavailable` K0708 where the store stays away: the object may exist or come to exist. Other errors say that it was
/// not and will not be written.
pub(super) async fn create(store: &Store, path: &str, bytes: &Bytes) -> Result<Creation> {
    let mut doubt: Option<Error> = None;
    for tries in 0..TRIES {
        match store.put_if_absent(path, bytes.clone()).await {
            Ok(PutOutcome::Created) => return Ok(Creation::Ours),
            Ok(PutOutcome::Exists) => {}
            Ok(PutOutcome::Unknown(error)) => doubt = Some(error),
            // an object store asks again by itself: what is refused now may have been done before
            Err(error) if doubt.is_none() => {
                return match store.get(path).await {
                    Ok(Some(found)) if found == bytes => Ok(Creation::Ours),
                    Ok(Some(found)) => Ok(Creation::Theirs(found)),
                    Ok(None) | Err(_) => Err(error),
                };
            }
            Err(error) => doubt = Some(error),
        }
        match store.get(path).await {
            Ok(Some(found)) if found == bytes => return Ok(Creation::Ours),
            Ok(Some(found)) => return Ok(Creation::Theirs(found)),
            Ok(None) => {}
            Err(error) => doubt = Some(error),
        }
        store.pause(tries).await;
    }
    let error = Error::unavailable("storage does not say whether an object was written")
        .code(UNANSWERED)
        .at(format!("{}/{path}", store.location()))
        .help("it may exist or not: the next command that writes will find out");
    Err(match doubt {
        Some(doubt) => error.caused_by(doubt),
        None => error,
    })
}
