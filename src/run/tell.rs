//! After a run: its report and summary into the lake, and a word to whoever asked for it. Neither can change how it ended.

use super::report::RunReport;
use super::summary::RunSummary;
use super::{Listener, RunEvent, Runner};
use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::notify;
use crate::project::{Notify, Webhook};

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
        let whole = serde_json::to_vec_pretty(report)
            .map_err(|error| Error::internal("a report cannot be written").caused_by(error))?;
        let lake = catalog.lake();
        lake.write_run_report(&report.run, whole.into()).await?;
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
    match &notify.webhook {
        Webhook::Address(address) => Ok(address.clone()),
        Webhook::Variable(name) => std::env::var(name).map_err(|_| {
            Error::config(format!(
                "nobody is notified: the variable `{name}` is not set"
            ))
        }),
    }
}

async fn send(notify: &Notify, summary: &RunSummary) -> Result<()> {
    let address = address(notify)?;
    let mut body = serde_json::to_value(summary)
        .map_err(|error| Error::internal("a summary cannot be written").caused_by(error))?;
    if let Some(fields) = body.as_object_mut() {
        fields.insert("text".to_string(), summary.text().into());
    }
    notify::post(&address, body.to_string()).await
}
