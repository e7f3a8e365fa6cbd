//! The wish from outside that a run ends: obeyed wherever nothing is decided yet.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use crate::clock;
use crate::diagnostic::Code;
use crate::error::{Error, ErrorKind, Result};

/// What is under way when the wish is spoken, and must not be dropped half way, may take so long to end by itself.
const GRACE: Duration = Duration::from_millis(600);

/// Tells a run that it shall end; whoever listens to signals sends `Interrupted` or `Terminated` to it.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    wish: Option<watch::Receiver<Option<ErrorKind>>>,
    is_heeded: Arc<AtomicBool>,
}

/// Where the wish is spoken.
#[derive(Debug)]
pub struct Stopper {
    wish: watch::Sender<Option<ErrorKind>>,
    is_heeded: Arc<AtomicBool>,
}

impl Stopper {
    /// A wish not spoken yet, and who hears it.
    #[must_use]
    pub fn new() -> (Self, Stop) {
        let (wish, heard) = watch::channel(None);
        let is_heeded = Arc::<AtomicBool>::default();
        let stop = Stop {
            wish: Some(heard),
            is_heeded: Arc::clone(&is_heeded),
        };
        (Self { wish, is_heeded }, stop)
    }

    /// Whether a run has begun to listen: before that, nothing is under way that would have to end well.
    #[must_use]
    pub fn is_heeded(&self) -> bool {
        self.is_heeded.load(Ordering::Relaxed)
    }

    /// Speaks the wish; `kind` decides the exit code.
    pub fn stop(&self, kind: ErrorKind) {
        self.wish.send_replace(Some(kind));
    }
}

impl Stop {
    /// Work that had better not be dropped half way: once the wish is spoken it has a moment to end by itself.
    ///
    /// # Errors
    /// As [`Stop::unless`], where it does not.
    pub(super) async fn unless_soon<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.is_heeded.store(true, Ordering::Relaxed);
        let mut work = std::pin::pin!(work);
        let kind = tokio::select! {
            biased;
            done = &mut work => return done,
            kind = self.spoken() => kind,
        };
        let ended = clock::within(GRACE, work).await;
        ended.unwrap_or_else(|| Err(stopped(kind)))
    }

    /// Work that may be dropped wherever it waits.
    ///
    /// # Errors
    /// `Interrupted` or `Terminated` where the wish is spoken before the work ends; else what the work gives.
    pub(super) async fn unless<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.is_heeded.store(true, Ordering::Relaxed);
        tokio::select! {
            biased;
            kind = self.spoken() => Err(stopped(kind)),
            done = work => done,
        }
    }

    async fn spoken(&self) -> ErrorKind {
        let Some(wish) = &self.wish else {
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
    async fn what_must_not_be_dropped_has_a_moment_to_end() {
        let (stopper, stop) = Stopper::new();
        assert!(!stopper.is_heeded());
        stop.unless_soon(async { Ok(()) }).await.unwrap();
        assert!(stopper.is_heeded());
        stopper.stop(ErrorKind::Terminated);
        let quick = async {
            crate::clock::sleep(Duration::from_millis(1)).await;
            Ok(1)
        };
        assert_eq!(stop.unless_soon(quick).await.unwrap(), 1);
        let forever = std::future::pending::<Result<()>>();
        let error = stop.unless_soon(forever).await.unwrap_err();
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
