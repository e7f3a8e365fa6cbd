//! What storage said → what a person does next. Nothing that a store said reaches a message unless it is known to hold
//! no secret: requests are quoted in errors, with signatures in them, and answers repeat requests.

use std::fmt;
use std::io;

use crate::diagnostic::Code;
use crate::error::{Error, ErrorKind};
use crate::location::Provider;

/// Why an object store did not do what was asked, as far as it matters to whoever must act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// There is no such bucket or container.
    NoBucket,
    /// Nothing says who we are.
    NoCredentials,
    /// The store knows who we are, or should, and says no.
    Denied,
    /// The bucket lies in another region.
    Elsewhere,
    /// It broke off in the middle of an answer: the next one may come whole.
    BrokenOff,
    /// Anything that a later try may mend.
    Away,
}

/// What an object store said, cut down to what may be shown.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) provider: Provider,
    pub(super) class: Class,
    text: String,
}

impl Told {
    /// Reads an error of the library, which it must not be shown beside.
    pub(super) fn of(provider: Provider, error: &object_store::Error) -> Self {
        let text = whole_text(error);
        Self {
            provider,
            class: Class::of(error, &text),
            text: without_secrets(&text),
        }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Told {}

impl Class {
    fn of(error: &object_store::Error, text: &str) -> Self {
        let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
        if says(&[
            "NoSuchBucket",
            "ContainerNotFound",
            "specified container does not exist",
            "bucket does not exist",
        ]) {
            return Self::NoBucket;
        }
        // addresses that only tell a machine its own identity: asked where nothing else says who we are
        if says(&[
            "169.254.169.254",
            "169.254.170.2",
            "metadata.google.internal",
            "metadata/identity",
        ]) {
            return Self::NoCredentials;
        }
        if says(&[
            "PermanentRedirect",
            "AuthorizationHeaderMalformed",
            "without LOCATION",
            "301 Moved",
            "IllegalLocationConstraint",
        ]) {
            return Self::Elsewhere;
        }
        let is_denied = matches!(
            error,
            object_store::Error::PermissionDenied { .. }
                | object_store::Error::Unauthenticated { .. }
        );
        // S3 answers these with 400
        if is_denied
            || says(&[
                "ExpiredToken",
                "InvalidToken",
                "TokenRefreshRequired",
                "invalid_grant",
                "invalid_client",
            ])
        {
            return Self::Denied;
        }
        match first::<io::Error>(error).map(io::Error::kind) {
            Some(io::ErrorKind::UnexpectedEof) => Self::BrokenOff,
            _ => Self::Away,
        }
    }
}

/// The error and its causes, each once.
fn whole_text(error: &(dyn std::error::Error + 'static)) -> String {
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        // many causes are already quoted by what they caused
        if !texts.iter().any(|known| known.contains(&text)) {
            texts.push(text);
        }
        cause = error.source();
    }
    texts.join(": ")
}

/// One line without queries of URLs, and of an answer in XML or JSON only its code and message: the rest of an answer
/// repeats the request, tokens and signatures among it.
fn without_secrets(text: &str) -> String {
    let body = text.find(['<', '{', '\u{feff}']).unwrap_or(text.len());
    let (said, answer) = text.split_at(body);
    let words: Vec<String> = said
        .split_whitespace()
        .map(without_user_and_query)
        .collect();
    let mut shown = words.join(" ");
    for (open, close) in [
        ("<Code>", "</Code>"),
        ("<Message>", "</Message>"),
        ("\"error\":\"", "\""),
    ] {
        let found = answer
            .split_once(open)
            .and_then(|(_, rest)| rest.split_once(close));
        if let Some((part, _)) = found {
            // Azure lists what it signed after the first line
            let line = part.lines().next().unwrap_or_default();
            shown.push_str(&format!(" {line}"));
        }
    }
    shown
}

fn without_user_and_query(word: &str) -> String {
    let Some((scheme, address)) = word.split_once("://") else {
        return word.to_string();
    };
    let (address, rest) = match address.find('?') {
        Some(query) => (&address[..query], "?…"),
        None => (address, ""),
    };
    let host = address.find('/').unwrap_or(address.len());
    let user = address[..host].rfind('@').map_or(0, |at| at + 1);
    format!("{scheme}://{}{rest}", &address[user..])
}

/// A failure of storage as people read it; `place` is what was read or written.
pub(crate) fn failed(place: impl Into<String>, error: object_store::Error) -> Error {
    let place = place.into();
    match first::<Told>(&error) {
        Some(told) => remote(place, told.clone()),
        None => local(place, error),
    }
}

/// The same, of an error that a library has wrapped; `None` where storage is not what failed, or a disk did not say that it has
/// no room or may not be written.
pub(crate) fn failed_within(
    place: &str,
    error: &(dyn std::error::Error + 'static),
) -> Option<Error> {
    let may_not = |kind| {
        use io::ErrorKind::{NotADirectory, PermissionDenied, ReadOnlyFilesystem};
        matches!(kind, NotADirectory | PermissionDenied | ReadOnlyFilesystem)
    };
    let mut said = causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>());
    let refused = said.find_map(|said| Some(said.kind()).filter(|kind| may_not(*kind)));
    if let Some(kind) = no_room(error).or(refused) {
        return Some(local(place, io::Error::from(kind)));
    }
    first::<Told>(error).map(|told| remote(place.to_string(), told.clone()))
}

/// The first of an error and its causes that is of that type.
fn first<'a, E: std::error::Error + 'static>(
    error: &'a (dyn std::error::Error + 'static),
) -> Option<&'a E> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// An error and what caused it, outermost first.
fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

fn remote(place: String, told: Told) -> Error {
    let provider = told.provider;
    let (kind, code, message, help) = match told.class {
        Class::NoBucket => (
            ErrorKind::Config,
            721,
            "there is no such bucket or container".to_string(),
            "create it, or correct `raw` or `lake` in kilde.yaml",
        ),
        Class::NoCredentials => (
            ErrorKind::Config,
            722,
            format!("no credentials for {provider}"),
            match provider {
                Provider::S3 => {
                    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile with AWS_PROFILE"
                }
                Provider::Azure => {
                    "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or another of docs/storage.md"
                }
                Provider::Google => {
                    "set GOOGLE_APPLICATION_CREDENTIALS to the file of an account's key"
                }
            },
        ),
        Class::Denied => (
            ErrorKind::Config,
            723,
            format!("{provider} refuses this"),
            "check which credentials are in use, whether they have expired, and their rights: docs/storage.md lists them",
        ),
        Class::Elsewhere => (
            ErrorKind::Config,
            720,
            "the bucket lies in another region".to_string(),
            "set AWS_REGION to the bucket's",
        ),
        Class::BrokenOff | Class::Away => (
            ErrorKind::Unavailable,
            703,
            "storage does not answer".to_string(),
            "check that it is reachable, then try again: nothing is lost",
        ),
    };
    Error::new(kind, message)
        .code(Code(code))
        .at(place)
        .caused_by(told)
        .help(help)
}

/// What the file system said, with all that was made of it, in one text.
#[derive(Debug)]
struct Refused {
    text: String,
    kind: Option<io::ErrorKind>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Refused {}

/// A failure of this machine's file system.
pub(super) fn local(
    place: impl Into<String>,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    let error = error.into();
    let cause = first::<io::Error>(&*error).map(io::Error::kind);
    let kind = match cause {
        // the same command would be refused again
        Some(io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => {
            ErrorKind::Config
        }
        _ => ErrorKind::Unavailable,
    };
    let (message, help) = match cause {
        Some(io::ErrorKind::PermissionDenied) => (
            "this may not be read or written",
            "give the right to whoever runs kilde, or correct `raw` or `lake` in kilde.yaml",
        ),
        Some(io::ErrorKind::ReadOnlyFilesystem) => (
            "this lies on a disk that may only be read",
            "mount it for writing, or correct `lake` in kilde.yaml",
        ),
        Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => (
            "the disk is full",
            "make room, then try again: nothing is lost",
        ),
        Some(io::ErrorKind::FileTooLarge) => (
            "the system allows no file of that size here",
            "raise the limit (`ulimit -f`, LimitFSIZE= of the service), then try again: nothing is lost",
        ),
        _ => (
            "storage does not answer",
            "check that it is reachable, has room and may be written, then try again",
        ),
    };
    Error::new(kind, message)
        .code(Code(703))
        .at(place)
        .caused_by(Refused {
            text: whole_text(&*error),
            kind: cause,
        })
        .help(help)
}

/// Whether a disk has no room for it: nothing was written, and a moment later it will have none either.
pub(super) fn has_no_room(error: &(dyn std::error::Error + 'static)) -> bool {
    no_room(error).is_some()
}

/// In which way; libraries wrap what the system said into errors of its type.
fn no_room(error: &(dyn std::error::Error + 'static)) -> Option<io::ErrorKind> {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    let mut said = causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>());
    said.find_map(|said| {
        let kind = said.kind();
        matches!(kind, StorageFull | QuotaExceeded | FileTooLarge).then_some(kind)
    })
}

/// Whether the same call may succeed a moment later: a network disk that stutters, not one that refuses. Of an object store
/// only an answer that broke off: all else was tried again before anybody heard of it.
pub(super) fn may_pass(error: &(dyn std::error::Error + 'static)) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionReset, HostUnreachable, Interrupted, NetworkDown,
        NetworkUnreachable, NotConnected, ResourceBusy, StaleNetworkFileHandle, TimedOut,
        WouldBlock,
    };
    if let Some(told) = first::<Told>(error) {
        return told.class == Class::BrokenOff;
    }
    let refused = first::<Refused>(error).and_then(|refused| refused.kind);
    matches!(
        refused.or_else(|| first::<io::Error>(error).map(io::Error::kind)),
        Some(
            ConnectionAborted
                | ConnectionReset
                | HostUnreachable
                | Interrupted
                | NetworkDown
                | NetworkUnreachable
                | NotConnected
                | ResourceBusy
                | StaleNetworkFileHandle
                | TimedOut
                | WouldBlock
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(text: &str) -> object_store::Error {
        object_store::Error::Generic {
            store: "S3",
            source: text.to_string().into(),
        }
    }

    fn rendered(error: object_store::Error) -> (ErrorKind, String) {
        let told = Told::of(Provider::S3, &error);
        let wrapped = object_store::Error::Generic {
            store: "S3",
            source: Box::new(told),
        };
        let error = failed("s3://bucket/x", wrapped);
        (error.kind(), error.render())
    }

    #[test]
    fn what_a_store_says_decides_who_acts() {
        for (text, kind, code) in [
            (
                "404 Not Found: <Error><Code>NoSuchBucket</Code></Error>",
                ErrorKind::Config,
                "K0721",
            ),
            (
                "Error performing PUT http://169.254.169.254/latest/api/token",
                ErrorKind::Config,
                "K0722",
            ),
            (
                "400 Bad Request: <Error><Code>ExpiredToken</Code></Error>",
                ErrorKind::Config,
                "K0723",
            ),
            ("301 Moved Permanently", ErrorKind::Config, "K0720"),
            (
                "503 Service Unavailable: <Error><Code>SlowDown</Code></Error>",
                ErrorKind::Unavailable,
                "K0703",
            ),
            ("connection refused", ErrorKind::Unavailable, "K0703"),
        ] {
            let (found, text) = rendered(generic(text));
            assert_eq!(found, kind, "{text}");
            assert!(text.contains(code) && text.contains("help: "), "{text}");
        }
    }

    #[test]
    fn signatures_tokens_and_what_was_signed_are_not_shown() {
        let (_, text) = rendered(generic(
            "Error performing GET https://a:geheim@acme.blob.core.windows.net/lake/x?sv=1&sig=geheim in 1s - status 403: \
             <Error><Code>SignatureDoesNotMatch</Code><Message>do not match\nserver used: geheim</Message>\
             <StringToSign>x-amz-security-token:geheim</StringToSign></Error>",
        ));
        assert!(!text.contains("geheim"), "{text}");
        assert!(
            text.contains("x?… in 1s") && text.contains("SignatureDoesNotMatch do not match"),
            "{text}"
        );
    }

    #[test]
    fn a_refusal_of_the_file_system_says_what_to_do() {
        for (kind, words, class) in [
            (
                io::ErrorKind::PermissionDenied,
                "may not be read or written",
                ErrorKind::Config,
            ),
            (
                io::ErrorKind::ReadOnlyFilesystem,
                "may only be read",
                ErrorKind::Config,
            ),
            (
                io::ErrorKind::StorageFull,
                "the disk is full",
                ErrorKind::Unavailable,
            ),
            (
                io::ErrorKind::FileTooLarge,
                "no file of that size",
                ErrorKind::Unavailable,
            ),
            (
                io::ErrorKind::TimedOut,
                "storage does not answer",
                ErrorKind::Unavailable,
            ),
        ] {
            let wrapped = object_store::Error::Generic {
                store: "local",
                source: Box::new(io::Error::from(kind)),
            };
            let error = failed("/srv/lake", wrapped);
            assert_eq!(error.kind(), class);
            let text = error.render();
            assert!(text.contains(words) && text.contains("/srv/lake"), "{text}");
            assert!(text.contains("K0703") && text.contains("help: "), "{text}");
        }
    }
}
