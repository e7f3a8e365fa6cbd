//! Tables that a failed run wrote and did not publish: kept readable, so that people can see what was wrong.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Catalog, Content};
use crate::error::{Error, Result};
use crate::lake;
use crate::name::{ReleaseNumber, RunId, TableName};
use crate::release::{LiveFile, TableState};

/// A table that was written and not published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Candidate {
    /// Folder below the lake's root.
    pub(crate) location: String,
    /// Protocol and metadata as the table's log would say them.
    pub(crate) definition: String,
    /// Every file, as the log would name it.
    pub(crate) files: Vec<LiveFile>,
}

impl Candidate {
    /// A table's whole content, to be found again through the report of the run.
    pub(crate) fn of(content: &Content) -> Self {
        Self {
            location: content.location.clone(),
            definition: content.definition.clone(),
            files: content.files.values().cloned().collect(),
        }
    }
}

/// The part of a run's report that readers need.
#[derive(Debug, Deserialize)]
pub(super) struct CandidatesOfRun {
    #[serde(default)]
    pub(super) candidates: BTreeMap<TableName, Candidate>,
    pub(super) base: Option<Base>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Base {
    pub(super) number: ReleaseNumber,
}

impl Catalog {
    /// What a run left unpublished, and the release that it built on.
    ///
    /// # Errors
    /// `Config` where there is no such run.
    pub(super) async fn candidates(&self, run: &RunId) -> Result<CandidatesOfRun> {
        // what is no run's id may be no name of an object either
        let report = match run.started_at() {
            Some(_) => self.lake.run_report(run).await?,
            None => None,
        };
        let report = report.ok_or_else(|| {
            Error::config(format!("there is no report of run {run}"))
                .help("`kilde status` lists the last runs")
        })?;
        let found: CandidatesOfRun = serde_json::from_slice(&report).map_err(|error| {
            Error::corrupt(format!("the report of run {run} cannot be read")).caused_by(error)
        })?;
        Ok(found)
    }

    pub(super) async fn candidate_content(
        &self,
        name: &TableName,
        candidate: &Candidate,
    ) -> Result<Content> {
        let state = TableState {
            version: 0,
            files: candidate
                .files
                .iter()
                .map(|f| (f.path.clone(), f.clone()))
                .collect(),
            definition: candidate.definition.clone(),
        };
        let file_set = self.log.file_set(&candidate.location, &state).await?;
        let identity = lake::TableIdentity::of(&candidate.definition)?;
        Ok(Content {
            name: name.clone(),
            location: candidate.location.clone(),
            table_id: identity.id,
            version: None,
            files: state.files,
            definition: state.definition,
            rows: file_set.files.iter().map(|file| file.rows).sum(),
            digest: String::new(),
            file_set,
        })
    }
}
