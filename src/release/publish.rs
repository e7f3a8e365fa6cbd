//! The decision: one entry of the lake log.

use super::claim::Claim;
use super::failpoint::Boundary;
use super::layout;
use super::log::Event;
use super::map::Release;
use super::request::PublishRequest;
use super::stage::Draft;
use crate::diagnostic::Code;
use crate::error::{Error, ErrorKind, Result};
use crate::name::ReleaseNumber;

impl Claim {
    /// Publishes a release. All tests of its tables must have passed, all its data files been written. After an error the
    /// claim can be given back; that does nothing where it was lost or the release decided.
    ///
    /// # Errors
    /// `Config` K0712 while the lake is paused; `Corrupt` K0709 where a foreign tool changed a table that was read or is
    /// written; `Conflict` K0707 where a rival took over: nothing was published. `Unavailable` K0708 where it is not known
    /// whether the release is decided. Any error K0716: it is decided, and the next command that writes settles it.
    pub(crate) async fn stage_and_publish(&mut self, request: PublishRequest) -> Result<Release> {
        if let Some(pause) = self.pause() {
            return Err(Error::config(format!(
                "builds wait since release {}: {}",
                pause.release, pause.reason
            ))
            .code(Code(712))
            .help("`kilde resume` lets them go on"));
        }
        let draft = self.draft(request).await;
        let draft = self.unless_fenced(draft).await?;
        self.publish(draft).await
    }

    pub(super) async fn publish(&mut self, draft: Draft) -> Result<Release> {
        let staged = self.stage(draft).await;
        let publish = self.unless_fenced(staged).await?;
        let number = publish.number;
        let decided = self.append(Event::Publish(publish)).await;
        decided.map_err(|error| perhaps_decided(number, error))?;
        let settled = self.settle_own().await;
        self.forget_heartbeat().await;
        settled.map_err(|error| not_settled(number, error))
    }

    async fn settle_own(&self) -> Result<Release> {
        self.lake.failpoint.reach(Boundary::AfterPublishEntry)?;
        let Some((sequence, entry, publish)) = self.view.last_publish() else {
            return Err(Error::internal(
                "a publish entry was won and is not in the log",
            ));
        };
        self.lake
            .store
            .barrier(&[layout::log_entry(sequence)])
            .await?;
        self.lake.settle(sequence, entry, publish).await
    }
}

fn perhaps_decided(number: ReleaseNumber, error: Error) -> Error {
    if error.kind() != ErrorKind::Unavailable {
        return error;
    }
    Error::unavailable(format!(
        "storage does not answer: release {number} may exist"
    ))
    .code(Code(708))
    .caused_by(error)
    .help("`kilde releases` will tell; the next build settles it if it does")
}

fn not_settled(number: ReleaseNumber, error: Error) -> Error {
    Error::new(
        error.kind(),
        format!("release {number} is decided, but readers do not see it yet"),
    )
    .code(Code(716))
    .caused_by(error)
    .help("the next command that writes settles it: build again once the cause is mended")
}
