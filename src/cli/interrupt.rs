//! Ctrl-C, and a scheduler's SIGTERM.
//!
//! A command that changes the lake takes the first signal as a wish and ends where nothing is left half done; a second one
//! ends it at once. A command that only reads ends with the first. Both are told apart from death by a signal: the exit code
//! is 130 or 143, also for process 1 of a container, which signals by themselves do not end.

use std::sync::mpsc;

use serde_json::json;

use super::log::{self, Level};
use super::style;
use crate::error::{Error, ErrorKind, Result};
use crate::run::{Stop, Stopper};

/// For what changes the lake.
///
/// # Errors
/// `Unavailable` where the system gives no thread.
pub(super) fn stop_on_signal() -> Result<Stop> {
    let (stopper, stop) = Stopper::new();
    let mut is_second = false;
    listen(move |kind| {
        // of a project that is still being read, nothing has begun
        if is_second || !stopper.is_heeded() {
            end(kind);
        }
        is_second = true;
        let text = format!("{}: stopping; once more ends at once", name(kind));
        let about = json!({"signal": name(kind)});
        style::note_as(Level::Warn, "stopping", &text, log::fields(about));
        stopper.stop(kind);
    })?;
    Ok(stop)
}

/// For what only reads.
///
/// # Errors
/// `Unavailable` where the system gives no thread.
pub(super) fn end_on_signal() -> Result<()> {
    listen(end)
}

fn end(kind: ErrorKind) {
    log::finish(kind.exit_code());
    std::process::exit(i32::from(kind.exit_code()));
}

fn name(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Terminated => "SIGTERM",
        _ => "Ctrl-C",
    }
}

/// Calls `heard` for each signal, from a thread of its own: a second signal is obeyed though every other thread is busy.
fn listen(heard: impl FnMut(ErrorKind) + Send + 'static) -> Result<()> {
    let failed =
        |error: std::io::Error| Error::unavailable("cannot listen to signals").caused_by(error);
    let (ready, is_ready) = mpsc::channel();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    std::thread::Builder::new()
        .name("signals".to_string())
        .spawn(move || runtime.block_on(hear(heard, &ready)))
        .map_err(failed)?;
    // until they are listened to, signals would end the process in the middle
    match is_ready.recv() {
        Ok(registered) => registered.map_err(failed),
        Err(_) => Err(Error::internal("the thread that listens to signals ended")),
    }
}

#[cfg(unix)]
async fn hear(mut heard: impl FnMut(ErrorKind), ready: &mpsc::Sender<std::io::Result<()>>) {
    use tokio::signal::unix::{SignalKind, signal};
    let both = signal(SignalKind::interrupt())
        .and_then(|interrupt| Ok((interrupt, signal(SignalKind::terminate())?)));
    let (mut interrupt, mut terminate) = match both {
        Ok(both) => {
            let _waiting = ready.send(Ok(()));
            both
        }
        Err(error) => {
            let _waiting = ready.send(Err(error));
            return;
        }
    };
    survive_the_limit_of_file_size();
    loop {
        tokio::select! {
            _ = interrupt.recv() => heard(ErrorKind::Interrupted),
            _ = terminate.recv() => heard(ErrorKind::Terminated),
        }
    }
}

/// A file that would grow beyond what the system allows (`ulimit -f`) is then an error like any other, and told; not heard, the
/// signal ends the process without a word.
#[cfg(unix)]
fn survive_the_limit_of_file_size() {
    use tokio::signal::unix::{SignalKind, signal};
    /// SIGXFSZ of Linux, macOS and the BSDs.
    const FILE_SIZE: i32 = 25;
    if let Err(error) = signal(SignalKind::from_raw(FILE_SIZE)) {
        tracing::debug!("the limit of file size ends this process: {error}");
    }
}

#[cfg(not(unix))]
async fn hear(mut heard: impl FnMut(ErrorKind), ready: &mpsc::Sender<std::io::Result<()>>) {
    let _waiting = ready.send(Ok(()));
    while tokio::signal::ctrl_c().await.is_ok() {
        heard(ErrorKind::Interrupted);
    }
}
