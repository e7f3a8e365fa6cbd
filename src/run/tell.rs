//! After a run: its report and summary into the lake, and a word to whoever asked for it. Neither can change how it ended.

use super::report::RunReport;
use super::summary::RunSummary;
use super::{Listener, RunEvent, Runner};
use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::notify::{Poster, Receiver};
use crate::project::{Notify, Webhook};

/// What does not happen where a webhook cannot be told.
const LOSS: &str = "nobody is notified";

impl Runner {
    /// Keeps the report of a run that claimed, and makes its summary the last run's.
    ///
    /// # Errors
    /// What storage gives.
    pub(super) async fn keep_report(
        &self,
        catalog: &Catalog,
        report: &RunReport,
        summary: &RunSummary,
    ) -> Result<()> {
        report.keep(catalog.lake()).await?;
        self.keep_summary(catalog, summary).await
    }

    /// Makes a summary the last run's.
    ///
    /// # Errors
    /// What storage gives.
    pub(super) async fn keep_summary(&self, catalog: &Catalog, summary: &RunSummary) -> Result<()> {
        let short = serde_json::to_vec_pretty(summary)
            .map_err(|error| Error::internal("a summary cannot be written").caused_by(error))?;
        catalog.lake().write_last_run(short.into()).await
    }

    /// Sends the summary where the project asks for it; what goes wrong is a warning.
    pub(super) async fn tell(&self, summary: &RunSummary, listener: &Listener) {
        let Some(notify) = &self.project.notify else {
            return;
        };
        if !summary.occasions().iter().any(|o| notify.on.contains(o)) {
            return;
        }
        if let Err(error) = send(notify, summary).await {
            listener(RunEvent::Warning(error.brief()));
        }
    }
}

/// Where to send; a secret.
pub(super) fn address(notify: &Notify) -> Result<String> {
    secret(&notify.webhook, LOSS)
}

async fn send(notify: &Notify, summary: &RunSummary) -> Result<()> {
    let address = address(notify)?;
    let mut body = serde_json::to_value(summary)
        .map_err(|error| Error::internal("a summary cannot be written").caused_by(error))?;
    if let Some(fields) = body.as_object_mut() {
        fields.insert("text".to_string(), summary.text().into());
    }
    let receiver = Receiver {
        address: &address,
        token: None,
        name: "the webhook",
        loss: LOSS,
    };
    Poster::new(receiver)?.post(&body.to_string()).await
}

/// What the project says, or the variable that it names.
///
/// # Errors
/// `Config` where that is not set.
pub(super) fn secret(written: &Webhook, loss: &str) -> Result<String> {
    match written {
        Webhook::Address(address) => Ok(address.clone()),
        Webhook::Variable(name) => std::env::var(name)
            .map_err(|_| Error::config(format!("{loss}: the variable `{name}` is not set"))),
    }
}
