//! The variables that say who we are to an object store, and the profiles of AWS.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::diagnostic::Code;
use crate::error::{Error, Result};

/// Variables of the process. Their values may be secrets: never shown.
#[derive(Clone)]
pub(super) struct Environment(BTreeMap<String, String>);

impl Environment {
    pub(super) fn of_process() -> Self {
        // what is no text is no key either; an empty variable is as good as none
        let known = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(_, value)| !value.is_empty());
        Self(known.collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The first of these that is set.
    pub(super) fn first(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.get(name))
    }

    /// Those whose names begin so, names in lower case.
    pub(super) fn beginning_with(&self, start: &str) -> impl Iterator<Item = (String, &str)> {
        self.0
            .iter()
            .filter(move |(name, _)| name.starts_with(start))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.as_str()))
    }

    /// Values that no request could carry, and addresses that hold a secret.
    ///
    /// # Errors
    /// `Config` K0722 naming the variable.
    pub(super) fn refuse_unusable(&self, start: &str, endpoints: &[&str]) -> Result<()> {
        for (name, value) in self.0.iter().filter(|(name, _)| name.starts_with(start)) {
            if value.chars().any(char::is_control) {
                return Err(Error::config(format!(
                    "`{name}` holds a line break or another control character"
                ))
                .code(Code(722))
                .help("a secret that was read from a file often ends in one: take it off"));
            }
        }
        for name in endpoints {
            if let Some(value) = self.get(name) {
                usable_address(&format!("`{name}`"), value)?;
            }
        }
        Ok(())
    }

    fn home(&self) -> Option<PathBuf> {
        self.first(&["HOME", "USERPROFILE"]).map(PathBuf::from)
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// # Errors
/// `Config` K0722 where an endpoint is no address, or one with a user or password in it, which logs of requests would show.
pub(super) fn usable_address(what: &str, value: &str) -> Result<()> {
    let url = url::Url::parse(value).ok();
    let is_web = |url: &url::Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    let Some(url) = url.filter(is_web) else {
        return Err(
            Error::config(format!("{what} is no address such as `https://host:9000`"))
                .code(Code(722)),
        );
    };
    if url.username().is_empty() && url.password().is_none() {
        return Ok(());
    }
    Err(Error::config(format!("{what} holds a user or a password"))
        .code(Code(722))
        .help("credentials have variables of their own: docs/storage.md lists them"))
}

/// A profile of AWS, as `aws configure` writes it. Values may be secrets: never shown.
#[derive(Default)]
pub(super) struct Profile(BTreeMap<String, String>);

impl Profile {
    /// The profile that AWS_PROFILE names, else `default`; empty where nobody named one and there is none.
    ///
    /// # Errors
    /// `Config` K0722 where the named profile does not exist, or a file of profiles cannot be read.
    pub(super) fn read(environment: &Environment) -> Result<Self> {
        let wanted = environment.first(&["AWS_PROFILE", "AWS_DEFAULT_PROFILE"]);
        let name = wanted.unwrap_or("default");
        let mut profile = BTreeMap::new();
        let mut is_found = false;
        for (variable, file, prefix) in [
            ("AWS_CONFIG_FILE", "config", "profile "),
            ("AWS_SHARED_CREDENTIALS_FILE", "credentials", ""),
        ] {
            let home = environment.home().map(|home| home.join(".aws").join(file));
            let Some(path) = environment.get(variable).map(PathBuf::from).or(home) else {
                continue;
            };
            let text = match std::fs::read_to_string(&path) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => {
                    return Err(Error::config("a file of AWS profiles cannot be read")
                        .code(Code(722))
                        .at(path.display().to_string())
                        .caused_by(error));
                }
            };
            let section = section(&text, &[name.to_string(), format!("{prefix}{name}")]);
            is_found |= section.is_some();
            profile.extend(section.unwrap_or_default());
        }
        if let Some(name) = wanted.filter(|_| !is_found) {
            return Err(Error::config(format!("there is no AWS profile `{name}`"))
                .code(Code(722))
                .help("`aws configure list-profiles` names them; AWS_PROFILE chooses one"));
        }
        Ok(Self(profile))
    }

    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Refuses a profile whose keys another program has to fetch: asking on would find other keys, or none.
    ///
    /// # Errors
    /// `Config` K0722.
    pub(super) fn refuse_what_only_aws_can_follow(&self) -> Result<()> {
        let known = [
            "sso_session",
            "sso_start_url",
            "credential_process",
            "source_profile",
            "credential_source",
        ];
        match known.into_iter().find(|key| self.0.contains_key(*key)) {
            Some(key) if self.get("aws_access_key_id").is_none() => Err(Error::config(format!(
                "the AWS profile says `{key}`, which kilde does not follow"
            ))
            .code(Code(722))
            .help("`eval \"$(aws configure export-credentials --format env)\"` puts its keys into the environment")),
            _ => Ok(()),
        }
    }
}

/// The keys below the first of these headings; `None` where it is not there.
fn section(text: &str, headings: &[String]) -> Option<BTreeMap<String, String>> {
    let mut found: Option<BTreeMap<String, String>> = None;
    let mut is_within = false;
    for line in text.lines() {
        let trimmed = line.trim();
        if let Some(heading) = trimmed.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            let heading = heading.split_whitespace().collect::<Vec<_>>().join(" ");
            is_within = headings.contains(&heading);
            if is_within {
                found.get_or_insert_default();
            }
            continue;
        }
        // lines set in belong to a key above: settings of single services
        let is_nested = line.starts_with([' ', '\t']);
        if !is_within || is_nested || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let (Some((key, value)), Some(found)) = (trimmed.split_once('='), &mut found)
            && !value.trim().is_empty()
        {
            found.insert(key.trim().to_ascii_lowercase(), value.trim().to_string());
        }
    }
    found
}

#[cfg(test)]
pub(super) fn environment(variables: &[(&str, &str)]) -> Environment {
    let pairs = variables.iter();
    Environment(
        pairs
            .map(|(name, value)| ((*name).to_string(), (*value).to_string()))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(credentials: &str, config: &str) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".aws")).unwrap();
        std::fs::write(home.path().join(".aws/credentials"), credentials).unwrap();
        std::fs::write(home.path().join(".aws/config"), config).unwrap();
        home
    }

    #[test]
    fn a_profile_is_what_both_files_say_of_it() {
        let home = home(
            "[default]\naws_access_key_id = A\n\n# of work\n[work]\naws_access_key_id=B\naws_secret_access_key = b=/+\n",
            "[default]\nregion = eu-north-1\n[profile  work]\nregion = eu-west-1\ns3 =\n  endpoint_url = nested\n",
        );
        let home = home.path().to_str().unwrap();
        let default = Profile::read(&environment(&[("HOME", home)])).unwrap();
        assert_eq!(default.get("aws_access_key_id"), Some("A"));
        assert_eq!(default.get("region"), Some("eu-north-1"));
        let work = environment(&[("HOME", home), ("AWS_PROFILE", "work")]);
        let work = Profile::read(&work).unwrap();
        assert_eq!(work.get("aws_secret_access_key"), Some("b=/+"));
        assert_eq!(work.get("region"), Some("eu-west-1"));
        assert_eq!(work.get("endpoint_url"), None);
        let none = environment(&[("HOME", home), ("AWS_PROFILE", "play")]);
        let error = Profile::read(&none).err().unwrap().render();
        assert!(
            error.contains("K0722") && error.contains("`play`"),
            "{error}"
        );
    }

    #[test]
    fn a_profile_of_single_sign_on_is_refused_with_what_to_type() {
        let home = home("", "[default]\nsso_session = acme\n");
        let of_home = environment(&[("HOME", home.path().to_str().unwrap())]);
        let profile = Profile::read(&of_home).unwrap();
        let error = profile.refuse_what_only_aws_can_follow().unwrap_err();
        assert!(error.render().contains("export-credentials"));
    }

    #[test]
    fn nobody_sees_the_values() {
        let variables = environment(&[("AWS_SECRET_ACCESS_KEY", "geheim")]);
        assert!(!format!("{variables:?}").contains("geheim"));
    }
}
