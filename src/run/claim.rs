//! Claiming the lake, at once or when the run is done that holds it.

use std::time::Duration;

use super::{Listener, RunEvent, Runner};
use crate::catalog::Catalog;
use crate::clock::{self, Stopwatch};
use crate::diagnostic::Code;
use crate::error::{Error, ErrorKind, Result};
use crate::name::{ReleaseNumber, RunId};
use crate::release::{Claim, GiveUp, YieldReason};

/// Another run holds the lake.
const BUSY: Code = Code(706);

/// Between two tries to claim a lake that another run holds; each pause is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A lake that is claimed.
pub(super) struct Claimed {
    pub(super) claim: Claim,
    /// Whether another run had to be waited for: then the lake is not what was looked at before.
    pub(super) has_waited: bool,
}

impl Runner {
    /// What changes the lake log, and ends by itself though the run shall end; but a store that is away may keep it for longer than
    /// anybody waits.
    pub(super) async fn to_its_end<T>(
        &self,
        catalog: &Catalog,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        match catalog.lake().store().location().folder() {
            Some(_) => work.await,
            None => self.stop.unless_soon(work).await,
        }
    }

    /// The claim, once another run is done with the lake, if it is within `wait`.
    ///
    /// # Errors
    /// `Conflict` K0706 where another run holds the lake for longer.
    pub(super) async fn claim(
        &self,
        catalog: &Catalog,
        run: &RunId,
        wait: Duration,
        listener: &Listener,
    ) -> Result<Claim> {
        let claimed = self.claim_giving_up(catalog, run, wait, None, listener);
        Ok(claimed.await?.claim)
    }

    /// The same, which gets a decided release out of the way that nobody can finish.
    ///
    /// # Errors
    /// As of [`Runner::claim`].
    pub(super) async fn claim_giving_up(
        &self,
        catalog: &Catalog,
        run: &RunId,
        wait: Duration,
        give_up: Option<&GiveUp>,
        listener: &Listener,
    ) -> Result<Claimed> {
        let watch = Stopwatch::start();
        let mut pause = FIRST_PAUSE;
        loop {
            // dropped half way, a claim would leave its entry behind
            let claiming = self.to_its_end(catalog, catalog.lake().claim_giving_up(run, give_up));
            let error = match claiming.await {
                Ok(claim) => {
                    return Ok(Claimed {
                        claim,
                        has_waited: pause != FIRST_PAUSE,
                    });
                }
                Err(error) if error.number() == Some(BUSY) => error,
                Err(error) => return Err(error),
            };
            let left = wait.saturating_sub(watch.elapsed());
            if left.is_zero() {
                return Err(error);
            }
            if pause == FIRST_PAUSE {
                listener(RunEvent::Waiting(error.brief()));
            }
            let pausing = async {
                clock::sleep(pause.min(left)).await;
                Ok(())
            };
            self.stop.unless(pausing).await?;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Finishes a release that is decided and that readers do not see yet; whether it is finished now. Where whoever decided it
    /// is still at work, it is his.
    ///
    /// # Errors
    /// Why it cannot be finished, with the way out of it.
    pub(super) async fn finish_unseen(
        &self,
        catalog: &Catalog,
        run: &RunId,
        wait: Duration,
        listener: &Listener,
    ) -> Result<bool> {
        let Some(unfinished) = catalog.lake().unfinished().await? else {
            return Ok(false);
        };
        if let Some(obstacle) = unfinished.obstacle {
            return Err(obstacle);
        }
        match self.claim(catalog, run, wait, listener).await {
            Ok(claim) => {
                tell_of_base(&claim, listener);
                claim.yield_(YieldReason::NothingToDo).await?;
                Ok(true)
            }
            Err(error) if error.number() == Some(BUSY) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// What a run that died could tell nobody, told by the one that finished its release and has no report to say it in.
pub(super) fn tell_of_base(claim: &Claim, listener: &Listener) {
    let Some(base) = claim.base().filter(|_| claim.has_settled()) else {
        return;
    };
    if base.is_given_up() {
        listener(RunEvent::Warning(told_given_up(base.number)));
    }
    for overruled in base
        .overruled
        .iter()
        .filter(|overruled| !overruled.is_adopted)
    {
        let text = format!("release {}: {}", base.number, overruled.told());
        listener(RunEvent::Warning(text));
    }
}

pub(super) fn told_given_up(number: ReleaseNumber) -> String {
    format!("release {number} could not be finished and is given up")
}

/// A run that was stopped tries for so long to give its claim back.
const GIVE_BACK_WITHIN: Duration = Duration::from_secs(2);

/// Gives the claim back after a failure. That this fails too must not hide why: the next build takes over from a dead one.
pub(super) async fn give_back(claim: Claim, reason: YieldReason) {
    let given = match reason {
        YieldReason::Interrupted => {
            let given = clock::within(GIVE_BACK_WITHIN, claim.yield_(reason)).await;
            given.unwrap_or_else(|| Err(Error::unavailable("storage does not answer in time")))
        }
        YieldReason::NothingToDo | YieldReason::Failed => claim.yield_(reason).await,
    };
    if let Err(error) = given {
        tracing::warn!("the lake is not given back: {}", error.brief());
    }
}

pub(super) fn yield_reason(error: &Error) -> YieldReason {
    match error.kind() {
        ErrorKind::Interrupted | ErrorKind::Terminated => YieldReason::Interrupted,
        _ => YieldReason::Failed,
    }
}
