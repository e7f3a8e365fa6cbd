//! The only reader of time and randomness, so that everything else is a function of its input.

use std::fmt::Debug;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use crate::name::RunId;

/// Where time and nonces come from.
pub trait Clock: Send + Sync + Debug {
    /// The time of day, UTC.
    fn now(&self) -> DateTime<Utc>;

    /// A number that no other process draws at the same time.
    fn nonce(&self) -> u64;
}

impl dyn Clock {
    /// A new run's id: start in UTC to the millisecond, so that runs sort as they began, then a nonce.
    pub fn run_id(&self) -> RunId {
        RunId(format!(
            "{}-{:06x}",
            self.now().format("%Y%m%dT%H%M%S%3f"),
            self.nonce() & 0xff_ffff
        ))
    }
}

/// The machine's clock.
#[derive(Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that may")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that may")]
    fn nonce(&self) -> u64 {
        use std::hash::{BuildHasher, Hasher, RandomState};
        RandomState::new().build_hasher().finish()
    }
}

/// A clock that stands still until it is moved; nonces count up. For tests and simulations.
#[derive(Debug, Default)]
pub struct SimulatedClock {
    micros: AtomicU64,
    nonces: AtomicU64,
}

impl SimulatedClock {
    /// Moves time forward.
    pub fn advance(&self, by: Duration) {
        self.micros
            .fetch_add(by.as_micros() as u64, Ordering::Relaxed);
    }

    /// Sets time back, as a clock that is corrected does; not before its beginning.
    pub fn turn_back(&self, by: Duration) {
        let by = by.as_micros() as u64;
        let micros = self.micros.load(Ordering::Relaxed);
        self.micros
            .store(micros.saturating_sub(by), Ordering::Relaxed);
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> DateTime<Utc> {
        let micros = self.micros.load(Ordering::Relaxed);
        DateTime::from_timestamp_micros(micros as i64).unwrap_or_default()
    }

    fn nonce(&self) -> u64 {
        self.nonces.fetch_add(1, Ordering::Relaxed)
    }
}

/// Lets time pass.
pub async fn sleep(time: Duration) {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that may")]
    tokio::time::sleep(time).await;
}

/// Work that may take so long; `None` where it took longer, and was dropped if it was given away.
pub async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that may")]
    tokio::time::timeout(limit, work).await.ok()
}

/// How long something took, for reports; never part of a result.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that may")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
