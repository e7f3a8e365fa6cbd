//! Telling a webhook, or another receiver of JSON: a POST, a limit of time, a few tries.
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

/// Who is posted to.
#[derive(Clone, Copy)]
pub(crate) struct Receiver<'a> {
    pub(crate) address: &'a str,
    /// Of the header `Authorization: Bearer`.
    pub(crate) token: Option<&'a str>,
    /// In messages: `the webhook`.
    pub(crate) name: &'a str,
    /// What does not happen where it takes nothing: `nobody is notified`.
    pub(crate) loss: &'a str,
}

/// Posts JSON to one receiver.
pub(crate) struct Poster<'a> {
    receiver: Receiver<'a>,
    client: Client,
    url: Url,
}

impl<'a> Poster<'a> {
    /// # Errors
    /// `Config` for what is no address.
    pub(crate) fn new(receiver: Receiver<'a>) -> Result<Self> {
        let Receiver { name, loss, .. } = receiver;
        let url = address_of_web(receiver.address).ok_or_else(|| {
            Error::config(format!("{loss}: {name}'s address is none of http or https"))
        })?;
        // a redirect would send it to whom nobody named
        let client = Client::builder()
            .timeout(PATIENCE)
            .redirect(Policy::none())
            .build()
            .map_err(|_| Error::unavailable(format!("{loss}: no HTTP client can be made here")))?;
        Ok(Self {
            receiver,
            client,
            url,
        })
    }

    /// What may be a passing trouble is tried again.
    ///
    /// # Errors
    /// `Unavailable` where nobody took it.
    pub(crate) async fn post(&self, json: &str) -> Result<()> {
        let mut pauses = PAUSES.iter();
        loop {
            let failure = match self.attempt(json).await {
                Ok(()) => return Ok(()),
                Err(failure) => failure,
            };
            match pauses.next().filter(|_| failure.may_pass) {
                Some(pause) => clock::sleep(*pause).await,
                None => {
                    let Receiver { name, loss, .. } = self.receiver;
                    let host = self.url.host_str().unwrap_or_default();
                    let what = failure.what;
                    return Err(Error::unavailable(format!(
                        "{loss}: {name} at {host} {what}"
                    )));
                }
            }
        }
    }

    async fn attempt(&self, json: &str) -> Result<(), Failure> {
        let mut request = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/json")
            .body(json.to_string());
        if let Some(token) = self.receiver.token {
            request = request.bearer_auth(token);
        }
        match request.send().await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(refused(answer.status())),
            // its own text quotes the address
            Err(error) if error.is_timeout() => Err(passing("did not answer in time")),
            Err(error) if error.is_connect() => Err(passing("cannot be reached")),
            Err(_) => Err(passing("broke off")),
        }
    }
}

fn address_of_web(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok();
    url.filter(|url| matches!(url.scheme(), "http" | "https"))
}

/// The webhook's host, once something there takes a connection; nothing is sent.
///
/// # Errors
/// `Config` for what is no address; `Unavailable` where nobody answers.
pub(crate) async fn reach(address: &str) -> Result<String> {
    let url = address_of_web(address);
    let place = url
        .as_ref()
        .and_then(|url| Some((url.host_str()?, url.port_or_known_default()?)));
    let Some((host, port)) = place else {
        return Err(Error::config(
            "nobody is notified: the webhook's address is none of http or https",
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
