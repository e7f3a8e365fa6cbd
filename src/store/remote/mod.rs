//! A bucket's location and the environment → the object store behind it, its paths below the location.
//!
//! Retries with back-off and jitter, limits of time and a bound on requests under way are set here, once for all.

mod environment;
mod guarded;

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::azure::{MicrosoftAzure, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorage, GoogleCloudStorageBuilder};
use object_store::limit::LimitStore;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ObjectStore, RetryConfig};

use self::environment::{Environment, Profile, usable_address};
use self::guarded::Guarded;
use super::failure::{Told, failed};
use crate::error::{Error, Result};
use crate::location::{Bucket, Provider};

/// Requests under way at once, of all that a process does in one location.
const REQUESTS_AT_ONCE: usize = 64;

/// How a bucket is reached, as far as it is no secret: for other tools.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    /// Of S3, where it is said.
    pub(crate) region: Option<String>,
    /// Instead of the provider's own, `http…`, without a user.
    pub(crate) endpoint: Option<String>,
    /// Of Azure.
    pub(crate) account: Option<String>,
}

/// What the environment says of how a bucket is reached.
///
/// # Errors
/// `Config` where a profile is named that does not exist.
pub(super) fn reach(bucket: &Bucket) -> Result<Reach> {
    reach_with(bucket, &Environment::of_process())
}

fn reach_with(bucket: &Bucket, environment: &Environment) -> Result<Reach> {
    let text = |found: Option<&str>| found.map(str::to_string);
    Ok(match bucket.provider {
        Provider::S3 => {
            let profile = Profile::read(environment)?;
            let region = environment.first(&REGION).or(profile.get("region"));
            let endpoint = environment
                .first(&S3_ENDPOINT)
                .or(profile.get("endpoint_url"));
            Reach {
                region: text(region),
                endpoint: endpoint.and_then(without_user),
                account: None,
            }
        }
        Provider::Azure => Reach {
            region: None,
            endpoint: environment.first(&AZURE_ENDPOINT).and_then(without_user),
            account: bucket
                .account
                .clone()
                .or_else(|| text(environment.first(&AZURE_ACCOUNT))),
        },
        Provider::Google => Reach::default(),
    })
}

fn without_user(url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok()?;
    let port = url
        .port()
        .map_or_else(String::new, |port| format!(":{port}"));
    Some(format!("{}://{}{port}", url.scheme(), url.host_str()?))
}

const REGION: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];
const S3_ENDPOINT: [&str; 3] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];
/// The second as Azure's own command line names it.
const AZURE_ACCOUNT: [&str; 2] = ["AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT"];
const AZURE_ENDPOINT: [&str; 2] = ["AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"];

/// Opens a bucket. Asks nothing of it yet.
///
/// # Errors
/// `Config` where the environment does not say what the store needs.
pub(super) fn open(bucket: &Bucket) -> Result<Arc<dyn ObjectStore>> {
    open_with(bucket, &Environment::of_process())
}

fn open_with(bucket: &Bucket, environment: &Environment) -> Result<Arc<dyn ObjectStore>> {
    let patience = patient(environment)?;
    match bucket.provider {
        Provider::S3 => environment.refuse_unusable("AWS_", &S3_ENDPOINT)?,
        Provider::Azure => environment.refuse_unusable("AZURE_", &AZURE_ENDPOINT)?,
        // a key of Google is a document of many lines
        Provider::Google => {}
    }
    let built = match bucket.provider {
        Provider::S3 => Both::of(s3(bucket, environment)?, patience),
        Provider::Azure => Both::of(azure(bucket, environment), patience),
        Provider::Google => Both::of(google(bucket, environment), patience),
    };
    let both = built.map_err(|error| {
        let told = Told::of(bucket.provider, &error);
        Error::config(format!(
            "the settings for {} do not fit together",
            bucket.provider
        ))
        .code(crate::diagnostic::Code(722))
        .at(bucket.to_string())
        .caused_by(told)
        .help("docs/storage.md lists the variables")
    })?;
    let prefix =
        Path::parse(&bucket.prefix).map_err(|error| failed(bucket.to_string(), error.into()))?;
    let below = |store| -> Arc<dyn ObjectStore> {
        let limited = LimitStore::new(store, REQUESTS_AT_ONCE);
        Arc::new(PrefixStore::new(limited, prefix.clone()))
    };
    Ok(Arc::new(Guarded::new(
        below(both.patient),
        below(both.curt),
        bucket.provider,
    )))
}

/// Seconds for which a request is tried again and again, unless [`PATIENCE_VARIABLE`] says otherwise.
const PATIENCE: u64 = 30;
const PATIENCE_VARIABLE: &str = "KILDE_STORAGE_PATIENCE";

/// How long a request is tried again and again.
///
/// # Errors
/// `Config` where the variable is no number.
pub(super) fn patience() -> Result<Duration> {
    patience_of(&Environment::of_process())
}

fn patience_of(environment: &Environment) -> Result<Duration> {
    let seconds = match environment.get(PATIENCE_VARIABLE) {
        Some(text) => text.parse().map_err(|_| {
            Error::config(format!("{PATIENCE_VARIABLE} is no number of seconds"))
                .help("write a whole number, such as 30")
        })?,
        None => PATIENCE,
    };
    Ok(Duration::from_secs(seconds))
}

/// What passes in half a minute is waited for: a nightly build must survive it. Waits grow by half each, and differ by
/// chance, so that many builders that were turned away do not come back at once.
///
/// # Errors
/// `Config` where the variable is no number.
fn patient(environment: &Environment) -> Result<RetryConfig> {
    Ok(RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(5),
            base: 3.0,
        },
        // so many that time alone decides
        max_retries: 1000,
        retry_timeout: patience_of(environment)?,
    })
}

/// For services of the own machine that say who it is (where there are none, people wait for the message), and for a store
/// that has used up all patience once: what a build still does to end well must not take minutes.
fn brief() -> RetryConfig {
    RetryConfig {
        max_retries: 2,
        retry_timeout: Duration::from_secs(5),
        ..RetryConfig::default()
    }
}

/// One store twice, with the same credentials.
struct Both {
    /// Tries again while patience lasts.
    patient: Arc<dyn ObjectStore>,
    /// Hardly tries again; also how the machine is asked who it is.
    curt: Arc<dyn ObjectStore>,
}

/// What the builders of all providers can do, each in its own type.
trait Settings: Clone {
    type Store: ObjectStore;
    fn retrying(self, retry: RetryConfig) -> Self;
    fn with_credentials_of(self, store: &Self::Store) -> Self;
    fn open(self) -> object_store::Result<Self::Store>;
}

macro_rules! settings {
    ($builder:ty, $store:ty) => {
        impl Settings for $builder {
            type Store = $store;

            fn retrying(self, retry: RetryConfig) -> Self {
                self.with_retry(retry)
            }

            fn with_credentials_of(self, store: &$store) -> Self {
                self.with_credentials(Arc::clone(store.credentials()))
            }

            fn open(self) -> object_store::Result<$store> {
                self.build()
            }
        }
    };
}

settings!(AmazonS3Builder, AmazonS3);
settings!(MicrosoftAzureBuilder, MicrosoftAzure);
settings!(GoogleCloudStorageBuilder, GoogleCloudStorage);

impl Both {
    fn of(settings: impl Settings, patience: RetryConfig) -> object_store::Result<Self> {
        let curt = settings.clone().retrying(brief()).open()?;
        let patient = settings.with_credentials_of(&curt).retrying(patience);
        Ok(Self {
            patient: Arc::new(patient.open()?),
            curt: Arc::new(curt),
        })
    }
}

fn s3(bucket: &Bucket, environment: &Environment) -> Result<AmazonS3Builder> {
    let profile = Profile::read(environment)?;
    let mut builder = AmazonS3Builder::new();
    for (name, value) in environment.beginning_with("AWS_") {
        // of these the URL decides
        let is_ours = matches!(name.as_str(), "aws_bucket" | "aws_bucket_name");
        if let (false, Ok(key)) = (is_ours, name.parse()) {
            builder = builder.with_config(key, value);
        }
    }
    let names_keys = environment.get("AWS_ACCESS_KEY_ID").is_some()
        || environment.get("AWS_WEB_IDENTITY_TOKEN_FILE").is_some()
        || environment.get("AWS_SKIP_SIGNATURE").is_some();
    if !names_keys {
        profile.refuse_what_only_aws_can_follow()?;
        for (key, set) in [
            (
                "aws_access_key_id",
                AmazonS3Builder::with_access_key_id as fn(_, String) -> _,
            ),
            (
                "aws_secret_access_key",
                AmazonS3Builder::with_secret_access_key,
            ),
            ("aws_session_token", AmazonS3Builder::with_token),
        ] {
            if let Some(value) = profile.get(key) {
                builder = set(builder, value.to_string());
            }
        }
    }
    let region = environment.first(&REGION);
    if let Some(region) = region.or(profile.get("region")) {
        builder = builder.with_region(region);
    }
    let endpoint = environment.first(&S3_ENDPOINT);
    if let Some(endpoint) = endpoint.or(profile.get("endpoint_url")) {
        usable_address("the endpoint of the AWS profile", endpoint)?;
        builder = builder.with_endpoint(endpoint);
        // whoever writes `http://` has said that it may be read on the way
        if endpoint.starts_with("http://") {
            builder = builder.with_allow_http(true);
        }
    }
    Ok(builder.with_bucket_name(&bucket.name))
}

fn azure(bucket: &Bucket, environment: &Environment) -> MicrosoftAzureBuilder {
    let mut builder = MicrosoftAzureBuilder::new();
    for (name, value) in environment.beginning_with("AZURE_") {
        let is_ours = name == "azure_container_name";
        if let (false, Ok(key)) = (is_ours, name.parse()) {
            builder = builder.with_config(key, value);
        }
    }
    if let Some(account) = environment.first(&AZURE_ACCOUNT) {
        builder = builder.with_account(account);
    }
    if let Some(key) = environment.first(&["AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_KEY"]) {
        builder = builder.with_access_key(key);
    }
    if let Some(endpoint) = environment.first(&["IDENTITY_ENDPOINT"]) {
        builder = builder.with_msi_endpoint(endpoint);
    }
    if let Some(account) = &bucket.account {
        builder = builder.with_account(account);
    }
    let endpoint = environment.first(&AZURE_ENDPOINT);
    if endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")) {
        builder = builder.with_allow_http(true);
    }
    builder.with_container_name(&bucket.name)
}

fn google(bucket: &Bucket, environment: &Environment) -> GoogleCloudStorageBuilder {
    let mut builder = GoogleCloudStorageBuilder::new();
    if let Some(path) = environment.get("SERVICE_ACCOUNT") {
        builder = builder.with_service_account_path(path);
    }
    for (name, value) in environment.beginning_with("GOOGLE_") {
        let is_ours = matches!(name.as_str(), "google_bucket" | "google_bucket_name");
        if let (false, Ok(key)) = (is_ours, name.parse()) {
            builder = builder.with_config(key, value);
        }
    }
    builder.with_bucket_name(&bucket.name)
}

#[cfg(test)]
mod tests {
    use super::environment::environment;
    use super::*;
    use crate::location::Location;

    fn bucket(url: &str) -> Bucket {
        match Location::parse(url, std::path::Path::new("/")).unwrap() {
            Location::Bucket(bucket) => bucket,
            Location::Folder(folder) => panic!("{}", folder.display()),
        }
    }

    fn opened(url: &str, variables: &[(&str, &str)]) -> Result<Arc<dyn ObjectStore>> {
        let no_home = [("HOME", "/no/home")];
        open_with(
            &bucket(url),
            &environment(&[&no_home[..], variables].concat()),
        )
    }

    /// An account's file of Google, its key made for this test and used nowhere.
    fn google_account(folder: &std::path::Path, more: &str) -> String {
        let path = folder.join("account.json");
        let text = format!(
            r#"{{"type":"service_account","private_key":"","private_key_id":"1","client_email":"kilde@example.com"{more}}}"#
        );
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_string()
    }

    #[test]
    fn every_provider_opens_by_its_url_and_its_variables() {
        let folder = tempfile::tempdir().unwrap();
        let account = google_account(
            folder.path(),
            r#","disable_oauth":true,"gcs_base_url":"http://127.0.0.1:1""#,
        );
        let cases: [(&str, &[(&str, &str)]); 6] = [
            (
                "s3://b/x",
                &[("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "s")],
            ),
            ("s3://b/x", &[]),
            (
                "az://c/x",
                &[
                    ("AZURE_STORAGE_ACCOUNT", "acme"),
                    ("AZURE_STORAGE_KEY", "a2V5"),
                ],
            ),
            (
                "abfss://c@acme.dfs.core.windows.net",
                &[("AZURE_STORAGE_SAS_TOKEN", "sv=1&sig=x")],
            ),
            ("az://c/x", &[("AZURE_STORAGE_USE_EMULATOR", "true")]),
            ("gs://b/x", &[("GOOGLE_SERVICE_ACCOUNT", &account)]),
        ];
        for (url, variables) in cases {
            if let Err(error) = opened(url, variables) {
                panic!("{url}: {}", error.render());
            }
        }
    }

    #[test]
    fn settings_that_are_missing_are_told_without_showing_those_that_are_there() {
        let cases: [(&str, &[(&str, &str)]); 4] = [
            ("s3://b/x", &[("AWS_SECRET_ACCESS_KEY", "geheim")]),
            ("az://c/x", &[("AZURE_STORAGE_KEY", "geheim")]),
            (
                "az://c/x",
                &[
                    ("AZURE_STORAGE_ACCOUNT", "acme"),
                    ("AZURE_STORAGE_KEY", "ge heim!"),
                ],
            ),
            (
                "gs://b/x",
                &[("GOOGLE_APPLICATION_CREDENTIALS", "/no/file.json")],
            ),
        ];
        for (url, variables) in cases {
            let text = opened(url, variables).err().unwrap().render();
            assert!(text.contains("K0722") && text.contains(url), "{text}");
            assert!(
                !text.contains("geheim") && !text.contains("ge heim"),
                "{text}"
            );
        }
    }

    #[test]
    fn values_that_no_request_can_carry_are_refused_by_name_and_not_shown() {
        let cases = [
            ("AWS_ENDPOINT_URL", "minio-geheim:9000", "no address"),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:9000/\n", "line break"),
            ("AWS_ENDPOINT_URL", "http://u:geheim@host", "a password"),
            ("AWS_SECRET_ACCESS_KEY", "geheim\n", "line break"),
            ("AWS_SESSION_TOKEN", "geheim\r", "line break"),
        ];
        for (name, value, words) in cases {
            let text = opened("s3://b/x", &[(name, value)]).err().unwrap().render();
            assert!(text.contains(name) && text.contains(words), "{text}");
            assert!(text.contains("K0722") && !text.contains("geheim"), "{text}");
        }
    }

    #[test]
    fn a_profile_fills_in_what_the_environment_does_not_say() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".aws")).unwrap();
        let config =
            "[default]\nregion = eu-north-1\nendpoint_url = http://user:geheim@127.0.0.1:9000/\n";
        std::fs::write(home.path().join(".aws/config"), config).unwrap();
        let of_home = [("HOME", home.path().to_str().unwrap())];
        let reach = reach_with(&bucket("s3://b"), &environment(&of_home)).unwrap();
        assert_eq!(reach.region.as_deref(), Some("eu-north-1"));
        assert_eq!(reach.endpoint.as_deref(), Some("http://127.0.0.1:9000"));
        let louder = [&of_home[..], &[("AWS_REGION", "eu-west-1")]].concat();
        let reach = reach_with(&bucket("s3://b"), &environment(&louder)).unwrap();
        assert_eq!(reach.region.as_deref(), Some("eu-west-1"));
    }
}
