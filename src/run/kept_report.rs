//! Reports of earlier runs, as they lie in the lake: `_kilde/runs/<run>.json`.
//!
//! A release says what is published; a report only tells how it came to be. It is deleted in time, a rollback leaves none, and
//! another version may have written it in another shape. So nothing rests on one:
//!
//! | asks | gone | cannot be decoded | storage does not answer |
//! |---|---|---|---|
//! | a person: [`KeptReport::of`] | none | none, which a list of runs shows | the command fails |
//! | a build: [`RunReport::recall`] | none | none, and a line in its log | none, and a line in its log |
//!
//! Of a failed run's report `catalog` reads the one part that nothing can replace: where its candidates lie.

use super::report::RunReport;
use crate::error::{Error, Result};
use crate::name::RunId;
use crate::release::Lake;

/// What the lake has of a run's report.
#[derive(Debug)]
pub(crate) enum KeptReport {
    Whole(Box<RunReport>),
    /// The run left none, or it is deleted.
    Gone,
    /// Damaged, or of a version that writes them in another shape.
    Unreadable(serde_json::Error),
}

impl KeptReport {
    /// What the lake has of the report of a run.
    ///
    /// # Errors
    /// What storage gives.
    pub(crate) async fn of(run: &RunId, lake: &Lake) -> Result<Self> {
        let Some(bytes) = lake.run_report(run).await? else {
            return Ok(Self::Gone);
        };
        Ok(match serde_json::from_slice(&bytes) {
            Ok(report) => Self::Whole(Box::new(report)),
            Err(error) => Self::Unreadable(error),
        })
    }

    /// The report, where it can be read.
    pub(crate) fn whole(self) -> Option<RunReport> {
        match self {
            Self::Whole(report) => Some(*report),
            Self::Gone | Self::Unreadable(_) => None,
        }
    }
}

impl RunReport {
    /// Keeps the report in the lake, for good.
    ///
    /// # Errors
    /// What storage gives.
    pub(super) async fn keep(&self, lake: &Lake) -> Result<()> {
        let bytes = serde_json::to_vec_pretty(self)
            .map_err(|error| Error::internal("a report cannot be written").caused_by(error))?;
        lake.write_run_report(&self.run, bytes.into()).await
    }

    /// What an earlier run reported, for a build or its plan: it would be no worse without, and must not fail for it.
    pub(super) async fn recall(run: &RunId, lake: &Lake) -> Option<Self> {
        let why = match KeptReport::of(run, lake).await {
            Ok(KeptReport::Whole(report)) => return Some(*report),
            Ok(KeptReport::Gone) => return None,
            Ok(KeptReport::Unreadable(error)) => error.to_string(),
            Err(error) => error.render(),
        };
        tracing::warn!("the report of run {run} is left out: {why}");
        None
    }
}
