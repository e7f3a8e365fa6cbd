//! What changes the lake without building: rollback and resume; and what lists it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::claim::{give_back, tell_of_base, yield_reason};
use super::ops_tables::{self, OpsWriter};
use super::summary::{RunCommand, RunSummary};
use super::{Listener, OverdueReport, Runner, UnreadableReport, observe};
use crate::catalog::Catalog;
use crate::error::{Error, ErrorKind, Result};
use crate::name::{ReleaseNumber, RunId, TableName};
use crate::plan::{self, Selection};
use crate::project::{Freshness, Source};
use crate::release::{Claim, Release, RollbackClass, RollbackRequest, YieldReason};

/// What a rollback did.
#[derive(Clone, Debug)]
pub(crate) struct RollbackReport {
    /// The release published.
    pub(crate) release: ReleaseNumber,
    /// Tables whose version changed, as `kilde releases` counts them: the lake's own are left out.
    pub(crate) went_back: u64,
    /// Tables of class `keeps` that stayed, likewise.
    pub(crate) kept: u64,
    /// What was done below `latest/`, where anything was.
    pub(crate) latest: Option<super::LatestReport>,
    /// Exports whose rows went back and that no build can read again, since the file is gone.
    pub(crate) lost: Vec<LostExport>,
    /// What went wrong and changes nothing.
    pub(crate) warnings: Vec<String>,
}

/// An export whose rows a rollback took back, and whose file is gone.
#[derive(Clone, Debug)]
pub(crate) struct LostExport {
    pub(crate) source: TableName,
    pub(crate) path: String,
    pub(crate) lost: plan::LostRecords,
}

/// What a resume did.
#[derive(Clone, Debug)]
pub(crate) struct ResumeReport {
    /// Whether there was anything to do.
    pub(crate) was_paused: bool,
    /// What went wrong and changes nothing.
    pub(crate) warning: Option<String>,
}

/// A run that builds nothing.
pub(super) struct Operation {
    run: RunId,
    command: RunCommand,
    started_at: DateTime<Utc>,
}

impl Operation {
    /// One that begins now.
    pub(super) fn new(runner: &Runner, command: RunCommand) -> Self {
        Self {
            run: runner.clock.run_id(),
            command,
            started_at: runner.clock.now(),
        }
    }

    pub(super) fn run(&self) -> &RunId {
        &self.run
    }
}

/// Tables of the project and the newest release.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) tables: Vec<plan::ListedTable>,
    pub(crate) release: Option<Release>,
}

impl Runner {
    /// Publishes an older release again, as a new one, and pauses the lake. The ledger and the rejects of every source
    /// that goes back go with it.
    ///
    /// # Errors
    /// `Config` where there is no such release; `Conflict` while another run holds the lake.
    pub(crate) async fn rollback(
        &self,
        to: ReleaseNumber,
        wait: Duration,
        listener: &Listener,
    ) -> Result<RollbackReport> {
        let catalog = self.readable(self.clock.now())?;
        // fail before anything is claimed
        let then = self.stop.unless(catalog.lake().release(to)).await?;
        let operation = Operation::new(self, RunCommand::Rollback);
        let claim = self.claim(&catalog, &operation.run, wait, listener).await?;
        tell_of_base(&claim, listener);
        let ended = self.roll_back(&catalog, claim, &then).await;
        let warning = self
            .conclude_operation(&catalog, &operation, ended.as_ref())
            .await;
        let release = ended?;
        let mut warnings: Vec<String> = warning.into_iter().collect();
        // what is published stays published, whatever is known of `raw`
        let lost = self.lost(&catalog).await.unwrap_or_else(|error| {
            warnings.push(format!(
                "whether exports are gone whose rows went back cannot be told now, `kilde plan` tells it later: {}",
                error.brief()
            ));
            Vec::new()
        });
        Ok(RollbackReport {
            lost,
            latest: self.follow_release(&catalog, &release).await,
            release: release.number,
            went_back: release.changed_of_project().count() as u64,
            kept: release
                .tables_of_project()
                .filter(|(_, entry)| entry.facts.rollback == RollbackClass::Keeps)
                .count() as u64,
            warnings,
        })
    }

    async fn roll_back(
        &self,
        catalog: &Catalog,
        mut claim: Claim,
        then: &Release,
    ) -> Result<Release> {
        let request = self.rollback_request(catalog, &claim, then);
        let published = match self.stop.unless(request).await {
            Ok(request) => claim.rollback(request).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &published {
            give_back(claim, yield_reason(error)).await;
        }
        published
    }

    /// Makes an operation that claimed the last run; what goes wrong with that is a warning.
    pub(super) async fn conclude_operation(
        &self,
        catalog: &Catalog,
        operation: &Operation,
        ended: Result<&Release, &Error>,
    ) -> Option<String> {
        let error = ended.err();
        // a run that was overtaken is no longer the last one
        if error.is_some_and(|error| error.kind() == ErrorKind::Conflict) {
            return None;
        }
        let kept = async {
            let current = match ended {
                Ok(release) => Some(release.clone()),
                Err(_) => catalog.lake().current().await?,
            };
            let summary = RunSummary::of_operation(
                &operation.run,
                operation.command,
                &self.project,
                (operation.started_at, self.clock.now()),
                current.as_ref(),
                error,
            );
            self.keep_summary(catalog, &summary).await
        };
        let failure = kept.await.err()?;
        Some(format!(
            "the summary of this run is not kept: {}",
            failure.brief()
        ))
    }

    /// Exports that no build can read again, as the next one will say too.
    ///
    /// # Errors
    /// What storage gives.
    async fn lost(&self, catalog: &Catalog) -> Result<Vec<LostExport>> {
        let observation = observe::observe(self, catalog, self.clock.now()).await?;
        let sources = self.project.sources.values();
        Ok(sources
            .flat_map(|source| {
                let exports = observation.observed.exports.get(&source.table);
                let lost = plan::lost(source.load, exports.map_or(&[], Vec::as_slice));
                lost.into_iter().map(|(path, lost)| LostExport {
                    source: source.table.clone(),
                    path,
                    lost,
                })
            })
            .collect())
    }

    async fn rollback_request(
        &self,
        catalog: &Catalog,
        claim: &Claim,
        then: &Release,
    ) -> Result<RollbackRequest> {
        let writer =
            OpsWriter::of_claim(catalog, claim, self.clock.now(), self.project.keep.days());
        Ok(RollbackRequest {
            to: then.number,
            reason: format!(
                "a rollback to release {} wants to be looked at",
                then.number
            ),
            writes: ops_tables::rolled_back(&writer, claim.base(), then).await?,
            counts: BTreeMap::new(),
        })
    }

    /// Lets builds publish again.
    ///
    /// # Errors
    /// `Conflict` while another run holds the lake.
    pub(crate) async fn resume(&self, wait: Duration, listener: &Listener) -> Result<ResumeReport> {
        let catalog = self.readable(self.clock.now())?;
        // a rollback that died may be decided already
        let status = self.stop.unless(catalog.lake().status()).await?;
        if status.pause.is_none() && status.unsettled.is_none() {
            return Ok(ResumeReport {
                was_paused: false,
                warning: None,
            });
        }
        let operation = Operation::new(self, RunCommand::Resume);
        let mut claim = self.claim(&catalog, &operation.run, wait, listener).await?;
        tell_of_base(&claim, listener);
        let base = claim.base().cloned();
        let base = base.ok_or_else(|| Error::internal("what was published is gone"))?;
        let resumed = claim.resume().await;
        give_back(claim, YieldReason::NothingToDo).await;
        let ended = resumed.as_ref().map(|_| &base);
        let warning = self.conclude_operation(&catalog, &operation, ended).await;
        Ok(ResumeReport {
            was_paused: resumed?,
            warning,
        })
    }

    /// Sources whose newest export is older than the project allows, or of which one is due and has not come; in order of name.
    ///
    /// # Errors
    /// What storage gives.
    pub(crate) async fn overdue(&self, catalog: &Catalog) -> Result<Vec<OverdueReport>> {
        let bounded =
            |source: &Source| source.freshness != Freshness::default() || source.due.is_some();
        if !self.project.sources.values().any(bounded) {
            return Ok(Vec::new());
        }
        let observation = observe::observe(self, catalog, self.clock.now()).await?;
        let sources = self.project.sources.values();
        Ok(sources
            .filter_map(|source| {
                let overdue = plan::overdue(&self.project, source, &observation.observed)?;
                Some(OverdueReport::of(&source.table, &overdue))
            })
            .collect())
    }

    /// Exports that cannot be read and are left out; in order of source and reading.
    ///
    /// # Errors
    /// What storage gives.
    pub(crate) async fn unreadable(&self, catalog: &Catalog) -> Result<Vec<UnreadableReport>> {
        let observation = observe::observe(self, catalog, self.clock.now()).await?;
        Ok(observation.unreadable())
    }

    /// The project's tables in order of the graph, and the newest release.
    ///
    /// # Errors
    /// Every mistake of the project.
    pub(crate) async fn list(&self, selection: &Selection) -> Result<Listed> {
        let now = self.clock.now();
        let observation = match self.readable_if_exists(now)? {
            Some(catalog) => Some(observe::observe(self, &catalog, now).await?),
            // nothing was built yet: the project alone is listed
            None => None,
        };
        let observed = observation
            .as_ref()
            .map(|observation| observation.observed.clone());
        let tables = plan::list(
            &self.project,
            &observed.unwrap_or_default(),
            selection,
            &self.functions,
        )?;
        Ok(Listed {
            tables,
            release: observation.and_then(|observation| observation.release),
        })
    }
}

impl Runner {
    /// When each release that wrote a table of this one was published; those whose records are gone are left out.
    ///
    /// # Errors
    /// What storage gives.
    pub(crate) async fn change_times(
        &self,
        release: &Release,
    ) -> Result<BTreeMap<ReleaseNumber, DateTime<Utc>>> {
        let catalog = self.readable(self.clock.now())?;
        let entries = release.tables.values();
        let wanted: BTreeSet<ReleaseNumber> = entries.map(|entry| entry.written_in).collect();
        let mut times = BTreeMap::new();
        for number in wanted {
            if let Some(written) = catalog.lake().kept_release(number).await? {
                times.insert(number, written.published_at);
            }
        }
        Ok(times)
    }
}
