//! Where data lies: a folder of this machine, or below a bucket of an object store.
//!
//! Parsed once, from the text of kilde.yaml, and then shown as it is: a text that holds a secret is refused, so no
//! location ever does.

use std::fmt;
use std::path::{Component, Path, PathBuf};

/// A place that holds objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Location {
    /// Absolute, without `.` and `..`.
    Folder(PathBuf),
    /// In an object store.
    Bucket(Bucket),
}

/// A part of a bucket (S3, Google) or of a container (Azure).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bucket {
    pub(crate) provider: Provider,
    /// Azure's storage account, where the URL says it.
    pub(crate) account: Option<String>,
    pub(crate) name: String,
    /// Below the bucket, as it is written in the names of objects; no slash at either end.
    pub(crate) prefix: String,
}

/// Whose protocol a store speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provider {
    /// Amazon S3, and what speaks like it.
    S3,
    /// Azure Blob Storage and Data Lake Storage.
    Azure,
    /// Google Cloud Storage.
    Google,
}

/// Why a text is no location, and what to write.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoLocation {
    pub(crate) message: String,
    pub(crate) help: String,
    /// The text holds a key or a signature; neither the message nor the help does.
    pub(crate) is_secret: bool,
}

const SECRETS_LIE_ELSEWHERE: &str =
    "take it out: credentials come from the environment or a profile (docs/storage.md)";

impl Location {
    /// A path below `root`, an absolute one, a `file:///` URL, or the URL of an object store.
    pub(crate) fn parse(text: &str, root: &Path) -> Result<Self, NoLocation> {
        match text.split_once("://") {
            None => folder(text, root),
            Some(("file", path)) => folder(path, root),
            Some((scheme, rest)) => bucket(scheme, rest).map(Self::Bucket),
        }
    }

    /// The folder, if it is one of this machine.
    pub(crate) fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(folder) => Some(folder),
            Self::Bucket(_) => None,
        }
    }

    /// Whether this is the other, or lies below it.
    pub(crate) fn lies_within(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Folder(inner), Self::Folder(outer)) => inner.starts_with(outer),
            (Self::Bucket(inner), Self::Bucket(outer)) => {
                let is_same = (inner.provider, &inner.account, &inner.name)
                    == (outer.provider, &outer.account, &outer.name);
                is_same && Path::new(&inner.prefix).starts_with(&outer.prefix)
            }
            _ => false,
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => folder.display().fmt(f),
            Self::Bucket(bucket) => bucket.fmt(f),
        }
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.provider, &self.account) {
            (Provider::S3, _) => write!(f, "s3://{}", self.name)?,
            (Provider::Google, _) => write!(f, "gs://{}", self.name)?,
            (Provider::Azure, None) => write!(f, "az://{}", self.name)?,
            (Provider::Azure, Some(account)) => {
                write!(f, "abfss://{}@{account}{AZURE_HOST}", self.name)?;
            }
        }
        match self.prefix.as_str() {
            "" => Ok(()),
            prefix => write!(f, "/{prefix}"),
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::S3 => "S3",
            Self::Azure => "Azure",
            Self::Google => "Google Cloud Storage",
        })
    }
}

const AZURE_HOST: &str = ".dfs.core.windows.net";

fn folder(text: &str, root: &Path) -> Result<Location, NoLocation> {
    let path = normal(&root.join(text)).filter(|_| !text.is_empty());
    path.map(Location::Folder).ok_or_else(|| NoLocation {
        message: format!("`{text}` is not a folder's path"),
        help: "write a path, or the URL of a bucket: `s3://bucket/folder/`".to_string(),
        is_secret: false,
    })
}

/// The path without `.` and `..`, where that can be said and written in UTF-8.
fn normal(path: &Path) -> Option<PathBuf> {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                if !normal.pop() {
                    return None;
                }
            }
            other => normal.push(other),
        }
    }
    normal.to_str().is_some().then_some(normal)
}

fn bucket(scheme: &str, rest: &str) -> Result<Bucket, NoLocation> {
    let provider = match scheme {
        "s3" | "s3a" => Provider::S3,
        "az" | "abfs" | "abfss" => Provider::Azure,
        "gs" => Provider::Google,
        _ => {
            return Err(mistake(
                format!("`{scheme}://` is no kind of storage that kilde knows"),
                "write a folder's path, or `s3://bucket/…`, `az://container/…`, `abfss://container@account.dfs.core.windows.net/…`, `gs://bucket/…`",
            ));
        }
    };
    let (host, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    // whatever comes first: neither a password nor a signature may get into a message
    if rest.contains(['?', '#']) {
        return Err(NoLocation {
            message: format!(
                "a `{scheme}://` URL ends with its path: what follows `?` or `#` may be a secret"
            ),
            help: SECRETS_LIE_ELSEWHERE.to_string(),
            is_secret: true,
        });
    }
    let (account, name) = match host.rsplit_once('@') {
        Some((container, host)) if provider == Provider::Azure && !container.contains(':') => {
            (Some(account(host)?), container)
        }
        Some(_) => {
            return Err(NoLocation {
                message: format!("a `{scheme}://` URL holds no user and no password"),
                help: SECRETS_LIE_ELSEWHERE.to_string(),
                is_secret: true,
            });
        }
        None => (None, host),
    };
    let is_name = |name: &str| {
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '$');
        !name.is_empty() && name.chars().all(known)
    };
    if !is_name(name) {
        return Err(mistake(
            format!("a `{scheme}://` URL begins with the name of a bucket"),
            format!("for example `{scheme}://bucket/folder/`"),
        ));
    }
    let prefix = prefix.trim_end_matches('/');
    let is_path = |prefix: &str| {
        let part = |part: &str| !matches!(part, "" | "." | "..");
        prefix.split('/').all(part) && !prefix.chars().any(char::is_control)
    };
    if !prefix.is_empty() && !is_path(prefix) {
        return Err(mistake(
            format!("the path of a `{scheme}://` URL has an empty part, `.` or `..`"),
            "write the names of its folders, one after another",
        ));
    }
    Ok(Bucket {
        provider,
        account,
        name: name.to_string(),
        prefix: prefix.to_string(),
    })
}

/// The account of Azure that a host belongs to.
fn account(host: &str) -> Result<String, NoLocation> {
    let account = host
        .strip_suffix(AZURE_HOST)
        .or_else(|| host.strip_suffix(".blob.core.windows.net"));
    let account = account.filter(|account| {
        !account.is_empty() && account.chars().all(|c| c.is_ascii_alphanumeric())
    });
    account.map(str::to_string).ok_or_else(|| {
        mistake(
            "the host of an Azure URL is its storage account's",
            "write `abfss://container@account.dfs.core.windows.net/folder/`, or `az://container/folder/` with AZURE_STORAGE_ACCOUNT_NAME set",
        )
    })
}

fn mistake(message: impl Into<String>, help: impl Into<String>) -> NoLocation {
    NoLocation {
        message: message.into(),
        help: help.into(),
        is_secret: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Location, NoLocation> {
        Location::parse(text, Path::new("/project"))
    }

    fn shown(text: &str) -> String {
        parse(text).unwrap().to_string()
    }

    #[test]
    fn folders_are_relative_to_the_project() {
        for (text, folder) in [
            ("lake/", "/project/lake"),
            ("../lake", "/lake"),
            ("/srv/./lake", "/srv/lake"),
            ("file:///srv/lake", "/srv/lake"),
        ] {
            assert_eq!(parse(text).unwrap().folder(), Some(Path::new(folder)));
        }
        assert!(parse("").is_err() && parse("../../..").is_err());
    }

    #[test]
    fn urls_are_shown_as_they_are_written_most() {
        assert_eq!(shown("s3://acme-lake/"), "s3://acme-lake");
        assert_eq!(
            shown("s3a://acme-lake/a b/c%2F/"),
            "s3://acme-lake/a b/c%2F"
        );
        assert_eq!(shown("gs://acme/lake"), "gs://acme/lake");
        assert_eq!(shown("az://lake/x/"), "az://lake/x");
        let azure = "abfss://lake@acme.dfs.core.windows.net/x";
        assert_eq!(shown(azure), azure);
        assert_eq!(shown("abfs://lake@acme.blob.core.windows.net/x"), azure);
    }

    #[test]
    fn secrets_are_refused_and_not_repeated() {
        for text in [
            "s3://AKIA:geheim@bucket/lake",
            "s3://geheim@bucket/lake",
            "abfss://lake:geheim@acme.dfs.core.windows.net/x",
            "az://lake/x?sv=2024&sig=geheim",
            "gs://bucket/x#geheim",
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.is_secret, "{text}");
            assert!(!format!("{error:?}").contains("geheim"), "{error:?}");
        }
    }

    #[test]
    fn what_is_no_bucket_is_refused_with_an_example() {
        for text in [
            "s3://",
            "s3:///lake",
            "s3://a//b",
            "s3://a/../b",
            "ftp://host/x",
            "abfss://lake@host/x",
        ] {
            let error = parse(text).unwrap_err();
            assert!(!error.is_secret && !error.help.is_empty(), "{text}");
        }
    }

    #[test]
    fn one_place_lies_within_another_of_its_bucket_only() {
        let within =
            |inner: &str, outer: &str| parse(inner).unwrap().lies_within(&parse(outer).unwrap());
        assert!(within("s3://a/raw/lake", "s3://a/raw/"));
        assert!(within("s3://a/raw", "s3://a"));
        assert!(within("lake/raw", "lake"));
        assert!(!within("s3://a/raw2", "s3://a/raw"));
        assert!(!within("s3://b/raw", "s3://a/raw"));
        assert!(!within("gs://a/raw", "s3://a/raw"));
    }
}
