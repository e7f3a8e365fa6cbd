//! Claiming the lake, at once or when the run is done that holds it.

use std::time::Duration;

use super::{Listener, RunEvent, Runner};
use crate::catalog::Catalog;
use crate::clock::Stopwatch;
use crate::diagnostic::Code;
use crate::error::Result;
use crate::name::RunId;
use crate::release::Claim;

/// Between two tries. A run that ends is noticed so late at most.
const ASK_EVERY: Duration = Duration::from_millis(500);

impl Runner {
    /// The claim, and whether somebody else held the lake meanwhile: then it is not what was looked at before.
    ///
    /// # Errors
    /// `Conflict` K0706 where another run holds the lake for longer than `wait`.
    pub(super) async fn claim(
        &self,
        catalog: &Catalog,
        run: &RunId,
        wait: Duration,
        listener: &Listener,
    ) -> Result<(Claim, bool)> {
        let watch = Stopwatch::start();
        let mut has_waited = false;
        loop {
            match catalog.lake().claim(run).await {
                Ok(mut claim) => {
                    claim.keep_alive();
                    return Ok((claim, has_waited));
                }
                Err(error) if error.has_code(Code(706)) && watch.elapsed() < wait => {
                    if !has_waited {
                        let text = format!("{error}; waiting up to {}", in_words(wait));
                        listener(RunEvent::Waiting(text));
                        has_waited = true;
                    }
                    let left = wait.saturating_sub(watch.elapsed());
                    tokio::time::sleep(ASK_EVERY.min(left)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

fn in_words(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds % 3_600, seconds % 60) {
        (0, _) => format!("{} h", seconds / 3_600),
        (_, 0) => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
    }
}
