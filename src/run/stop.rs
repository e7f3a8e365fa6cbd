//! The wish from outside that a run ends: obeyed wherever nothing is decided yet.

use std::future::Future;

use tokio::sync::watch;

use crate::diagnostic::Code;
use crate::error::{Error, ErrorKind, Result};

/// Tells a run that it shall end; whoever listens to signals sends `Interrupted` or `Terminated` to it.
#[derive(Clone, Debug, Default)]
pub struct Stop(Option<watch::Receiver<Option<ErrorKind>>>);

/// Where the wish is spoken.
#[derive(Debug)]
pub struct Stopper(watch::Sender<Option<ErrorKind>>);

impl Stopper {
    /// A wish not spoken yet, and who hears it.
    #[must_use]
    pub fn new() -> (Self, Stop) {
        let (sender, receiver) = watch::channel(None);
        (Self(sender), Stop(Some(receiver)))
    }

    /// Speaks the wish; `kind` decides the exit code.
    pub fn stop(&self, kind: ErrorKind) {
        self.0.send_replace(Some(kind));
    }
}

impl Stop {
    /// Work that may be dropped wherever it waits.
    ///
    /// # Errors
    /// `Interrupted` or `Terminated` where the wish is spoken before the work ends; else what the work gives.
    pub(super) async fn unless<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            kind = self.spoken() => Err(stopped(kind)),
            done = work => done,
        }
    }

    async fn spoken(&self) -> ErrorKind {
        let Some(wish) = &self.0 else {
            return std::future::pending().await;
        };
        let mut wish = wish.clone();
        match wish.wait_for(Option::is_some).await.map(|kind| *kind) {
            Ok(Some(kind)) => kind,
            // nobody is left who could speak it
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }
}

fn stopped(kind: ErrorKind) -> Error {
    Error::new(kind, "stopped; nothing was published")
        .code(Code(904))
        .help("build again: exports are read once, whatever happened to this run")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_ends_with_the_wish_or_by_itself_whichever_comes_first() {
        let (stopper, stop) = Stopper::new();
        assert_eq!(stop.unless(async { Ok(1) }).await.unwrap(), 1);
        stopper.stop(ErrorKind::Terminated);
        let forever = std::future::pending::<Result<()>>();
        let error = stop.unless(forever).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Terminated);
    }

    #[tokio::test]
    async fn where_nobody_can_speak_the_wish_work_goes_on() {
        let (stopper, stop) = Stopper::new();
        drop(stopper);
        assert_eq!(stop.unless(async { Ok(1) }).await.unwrap(), 1);
        assert_eq!(Stop::default().unless(async { Ok(2) }).await.unwrap(), 2);
    }
}
