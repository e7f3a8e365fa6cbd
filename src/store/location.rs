//! Where a store lies, and how that is shown: never with credentials.

use std::fmt;
use std::path::{Path, PathBuf};

use url::Url;

use crate::diagnostic::Code;
use crate::error::{Error, Result};

/// A place that holds objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    /// Ends with `/`; may hold credentials, so never shown as it is.
    url: Url,
    folder: Option<PathBuf>,
}

impl Location {
    /// A folder of this machine, absolute.
    pub(super) fn of_folder(folder: PathBuf) -> Result<Self> {
        let url = Url::from_directory_path(&folder)
            .map_err(|()| Error::internal(format!("`{}` is no URL", folder.display())))?;
        Ok(Self {
            url,
            folder: Some(folder),
        })
    }

    #[cfg(test)]
    pub(super) fn of_url(url: Url) -> Self {
        Self { url, folder: None }
    }

    /// The folder, if it is one of this machine.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    pub(super) fn url(&self) -> Url {
        without_credentials(&self.url)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.folder {
            Some(folder) => folder.display().fmt(f),
            None => f.write_str(self.url().as_str().trim_end_matches('/')),
        }
    }
}

/// The folder that a project's location names: a path relative to `base`, an absolute one, or a `file:` URL.
///
/// # Errors
/// `Config` for a URL of another kind: not in this version.
pub(super) fn local_folder(base: &Path, location: &str) -> Result<PathBuf> {
    let Some((scheme, _)) = location.split_once("://") else {
        return Ok(base.join(location));
    };
    if scheme != "file" {
        let shown = Url::parse(location).map_or_else(
            |_| format!("{scheme}://…"),
            |url| without_credentials(&url).to_string(),
        );
        return Err(Error::config(format!(
            "`{shown}` is not in this version: storage is a local folder"
        ))
        .code(Code(701))
        .help("give the path of a folder"));
    }
    Url::parse(location)
        .ok()
        .and_then(|url| url.to_file_path().ok())
        .ok_or_else(|| {
            Error::config(format!("`{location}` is no URL of a local folder"))
                .code(Code(701))
                .help("three slashes and an absolute path: `file:///srv/lake`")
        })
}

/// Without user, password, query and fragment: signed URLs carry their secret in the query.
fn without_credentials(url: &Url) -> Url {
    let mut url = url.clone();
    // both refuse only URLs that cannot have a user
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url
}

/// An error of storage whose text has lost every query string: requests are quoted there, and signatures in them.
#[derive(Debug)]
pub(super) struct Redacted(String);

impl Redacted {
    pub(super) fn new(error: Box<dyn std::error::Error + Send + Sync>) -> Self {
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
        Self(redact(&texts.join(": ")))
    }
}

impl fmt::Display for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Redacted {}

fn redact(text: &str) -> String {
    let words: Vec<String> = text
        .split(' ')
        .map(|word| match (word.find("://"), word.find('?')) {
            (Some(scheme), Some(query)) if query > scheme => format!("{}?…", &word[..query]),
            _ => word.to_string(),
        })
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clouds_are_refused_without_showing_the_key() {
        let error =
            local_folder(Path::new("/p"), "s3://key:secret@bucket/lake?x=token").unwrap_err();
        let text = error.render();
        assert!(
            text.contains("K0701") && text.contains("s3://bucket/lake"),
            "{text}"
        );
        assert!(
            !text.contains("secret") && !text.contains("token"),
            "{text}"
        );
    }

    #[test]
    fn folders_are_relative_to_the_project() {
        let base = Path::new("/project");
        assert_eq!(
            local_folder(base, "lake/").unwrap(),
            Path::new("/project/lake/")
        );
        assert_eq!(
            local_folder(base, "/srv/lake").unwrap(),
            Path::new("/srv/lake")
        );
        assert_eq!(
            local_folder(base, "file:///srv/lake").unwrap(),
            Path::new("/srv/lake")
        );
        assert!(local_folder(base, "file://host/lake").is_err());
    }

    #[test]
    fn remote_locations_are_shown_without_credentials() {
        let url = Url::parse("https://user:pass@host/lake/?sig=abc").unwrap();
        assert_eq!(Location::of_url(url).to_string(), "https://host/lake");
        assert_eq!(
            redact("GET https://h/x?sig=1 failed, why?"),
            "GET https://h/x?… failed, why?"
        );
    }
}
