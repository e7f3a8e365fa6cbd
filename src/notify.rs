//! Telling a webhook: one POST of JSON, a limit of time, a few tries.
//!
//! The address is a secret: whoever knows it may post. No message holds more of it than its host.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};

use crate::clock;
use crate::error::{Error, Result};

/// How long one try may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Before the second and the third try.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];

/// Posts JSON; what may be a passing trouble is tried again.
///
/// # Errors
/// `Config` for what is no address; `Unavailable` where nobody took it.
pub(crate) async fn post(address: &str, json: String) -> Result<()> {
    let not_one = || Error::config("nobody is notified: the webhook's address is not one of https");
    let url = Url::parse(address).map_err(|_| not_one())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(not_one());
    }
    let host = url.host_str().unwrap_or_default().to_string();
    // a redirect would send the summary to whom nobody named
    let client = Client::builder()
        .timeout(PATIENCE)
        .redirect(Policy::none())
        .build()
        .map_err(|_| Error::unavailable("nobody is notified: no HTTP client can be made here"))?;
    let mut pauses = PAUSES.iter();
    loop {
        let failure = match attempt(&client, &url, &json).await {
            Ok(()) => return Ok(()),
            Err(failure) => failure,
        };
        match pauses.next().filter(|_| failure.may_pass) {
            Some(pause) => clock::sleep(*pause).await,
            None => {
                let what = failure.what;
                return Err(Error::unavailable(format!(
                    "nobody is notified: the webhook at {host} {what}"
                )));
            }
        }
    }
}

/// The webhook's host, once something there takes a connection; nothing is sent.
///
/// # Errors
/// `Config` for what is no address; `Unavailable` where nobody answers.
pub(crate) async fn reach(address: &str) -> Result<String> {
    let url = Url::parse(address).ok();
    let place = url
        .as_ref()
        .and_then(|url| Some((url.host_str()?, url.port_or_known_default()?)));
    let Some((host, port)) = place else {
        return Err(Error::config(
            "nobody is notified: the webhook's address is not one of https",
        ));
    };
    // a name without brackets, as sockets take it
    let name = host.trim_matches(['[', ']']).to_string();
    let connecting = tokio::net::TcpStream::connect((name.as_str(), port));
    match clock::within(PATIENCE, connecting).await {
        Some(Ok(_)) => Ok(host.to_string()),
        Some(Err(_)) | None => Err(Error::unavailable(format!(
            "the webhook at {host} cannot be reached: nobody would be told of a bad night"
        ))),
    }
}

struct Failure {
    /// Goes on from `the webhook at <host>`.
    what: String,
    may_pass: bool,
}

async fn attempt(client: &Client, url: &Url, json: &str) -> Result<(), Failure> {
    let request = client
        .post(url.clone())
        .header("content-type", "application/json")
        .body(json.to_string());
    match request.send().await {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(refused(answer.status())),
        // its own text quotes the address
        Err(error) if error.is_timeout() => Err(passing("did not answer in time")),
        Err(error) if error.is_connect() => Err(passing("cannot be reached")),
        Err(_) => Err(passing("broke off")),
    }
}

fn passing(what: &str) -> Failure {
    Failure {
        what: what.to_string(),
        may_pass: true,
    }
}

fn refused(status: StatusCode) -> Failure {
    Failure {
        what: format!("answered {}", status.as_u16()),
        may_pass: status.is_server_error()
            || matches!(
                status,
                StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
            ),
    }
}
