//! OpenLineage events of a build: which tables it made, of which, column by column.
//!
//! ```text
//! report + shapes + column lineage ──▶ events ──▶ a file, a line each; a server, one POST each
//!   the build        START … COMPLETE | FAIL | ABORT
//!   └─ each table    START … COMPLETE | FAIL | ABORT     ABORT: made, and not published
//!   └─ its tests     START … COMPLETE | FAIL             what they found, as assertions about the table
//! ```
//!
//! Told at the end of a build, with the times at which things happened: what was published is known only then. Nothing that goes
//! wrong here changes how a build ends. Holds names, places and counts, no cell.

mod dataset;
mod event;
mod lineage;

use std::io::Write;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::summary::RunSummary;
use super::tell::secret;
use super::{Listener, RunEvent, RunReport, Runner};
use crate::error::{Error, Result};
use crate::notify::{Poster, Receiver};
use crate::plan::{Lineage, Shapes};
use crate::project::OpenLineage;
use dataset::Datasets;
use event::Teller;

/// What does not happen where nobody takes the events.
const LOSS: &str = "OpenLineage events are lost";

/// What every server of the API listens at.
const ENDPOINT: &str = "/api/v1/lineage";

impl Runner {
    /// Tells of a build where the project asks for it; what goes wrong is a warning.
    pub(super) async fn tell_lineage(
        &self,
        shapes: Option<&Shapes>,
        report: &RunReport,
        summary: &RunSummary,
        listener: &Listener,
    ) {
        let Some(openlineage) = &self.project.openlineage else {
            return;
        };
        let none = Shapes::new();
        let events = self.events(openlineage, shapes.unwrap_or(&none), report, summary);
        let lines: Vec<String> = events.iter().map(Value::to_string).collect();
        for told in [write(openlineage, &lines), post(openlineage, &lines).await] {
            if let Err(error) = told {
                listener(RunEvent::Warning(error.brief()));
            }
        }
    }

    fn events(
        &self,
        openlineage: &OpenLineage,
        shapes: &Shapes,
        report: &RunReport,
        summary: &RunSummary,
    ) -> Vec<Value> {
        let was_anything_made = report
            .sources
            .iter()
            .any(|source| source.started_at.is_some())
            || report.steps.iter().any(|step| step.started_at.is_some());
        // a project that cannot be read says so elsewhere
        let lineage = was_anything_made
            .then(|| Lineage::new(&self.project, &self.functions).ok())
            .flatten();
        let namespace = openlineage.namespace.as_ref();
        let teller = Teller {
            project: &self.project,
            namespace: namespace.unwrap_or(&self.project.name),
            datasets: Datasets::of(&self.project),
            shapes,
            lineage: lineage.as_ref(),
            report,
            summary,
        };
        let mut events = teller.events();
        // a reader of the file sees things in the order in which they happened
        events.sort_by_key(|(at, _)| *at);
        events.into_iter().map(|(_, event)| event).collect()
    }
}

/// All lines at once: whoever reads the file meanwhile sees whole events.
fn write(openlineage: &OpenLineage, lines: &[String]) -> Result<()> {
    let Some(path) = &openlineage.file else {
        return Ok(());
    };
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let append = || {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)?;
        file.write_all(text.as_bytes())
    };
    append().map_err(|error: std::io::Error| {
        Error::unavailable(format!("{LOSS}: {error}")).at(path.display().to_string())
    })
}

/// One after the other; after the first that nobody takes, the rest is not tried.
async fn post(openlineage: &OpenLineage, lines: &[String]) -> Result<()> {
    let Some(url) = &openlineage.url else {
        return Ok(());
    };
    let mut address = secret(url, LOSS)?;
    if let Ok(parsed) = url::Url::parse(&address)
        && parsed.path() == "/"
        && let Ok(whole) = parsed.join(ENDPOINT)
    {
        address = whole.to_string();
    }
    let token = match &openlineage.api_key {
        Some(name) => Some(
            std::env::var(name)
                .map_err(|_| Error::config(format!("{LOSS}: the variable `{name}` is not set")))?,
        ),
        None => None,
    };
    let poster = Poster::new(Receiver {
        address: &address,
        token: token.as_deref(),
        name: "the server",
        loss: LOSS,
    })?;
    for line in lines {
        poster.post(line).await?;
    }
    Ok(())
}

/// An event and when it happened.
type Told = (DateTime<Utc>, Value);
