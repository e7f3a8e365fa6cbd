//! Writing to the terminal: the only place that prints.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use anstyle::{AnsiColor, Style};

use super::log::{self, Level};
use crate::diagnostic::Diagnostic;
use crate::error::Error;

static COLOURED_ERRORS: AtomicBool = AtomicBool::new(false);

/// Decides once whether stderr is a terminal that wants colours.
pub(super) fn set_colours() {
    let wanted = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    COLOURED_ERRORS.store(wanted, Ordering::Relaxed);
}

pub(super) const GOOD: Style = AnsiColor::Green.on_default();
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(super) const DOUBT: Style = AnsiColor::Yellow.on_default();
pub(super) const FAINT: Style = Style::new().dimmed();
pub(super) const STRONG: Style = Style::new().bold();

/// Wraps text in a style; `anstream` takes the codes out where no terminal reads them.
pub(super) fn styled(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Prints a result to stdout. A reader that went away (`| head`) is no failure.
pub(super) fn out(text: &str) {
    let mut stdout = anstream::stdout().lock();
    let _gone = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
}

/// Prints what became of a command that has no rows to give: to stdout for people, to stderr as an event for programs.
pub(super) fn told(text: &str) {
    match log::is_json() {
        true => note(text),
        false => out(text),
    }
}

/// Prints a message to stderr.
pub(super) fn note(text: &str) {
    if log::is_json() {
        if !text.trim().is_empty() {
            log::line(Level::Info, "note", text, serde_json::Map::new());
        }
        return;
    }
    raw_note(text);
}

/// Prints a message to stderr, as an event of its own where stderr is for programs.
pub(super) fn note_as(
    level: Level,
    event: &str,
    text: &str,
    fields: serde_json::Map<String, serde_json::Value>,
) {
    match log::is_json() {
        true => log::line(level, event, text, fields),
        false => raw_note(&format!("{text}\n")),
    }
}

fn raw_note(text: &str) {
    let mut stderr = anstream::stderr().lock();
    let _gone = stderr
        .write_all(text.as_bytes())
        .and_then(|()| stderr.flush());
}

/// Prints what went wrong and changes nothing.
pub(super) fn warning(text: &str) {
    if log::is_json() {
        return log::line(Level::Warn, "warning", text, serde_json::Map::new());
    }
    note(&format!("{}: {text}\n", styled(DOUBT, "warning")));
}

/// Prints an error with all that belongs to it.
pub(super) fn error(error: &Error) {
    if log::is_json() {
        log::error(error);
    } else if error.diagnostics().is_empty() {
        note(&format!("{}\n", headed(&error.render())));
    } else {
        diagnostics(error.diagnostics());
    }
}

/// A rendered error with its head in colour.
pub(super) fn headed(text: &str) -> String {
    match text.split_once(':') {
        Some((head, rest)) => format!("{}:{rest}", styled(BAD, head)),
        None => text.to_string(),
    }
}

/// Prints diagnostics, one after the other.
pub(super) fn diagnostics(diagnostics: &[Diagnostic]) {
    let colour = COLOURED_ERRORS.load(Ordering::Relaxed);
    if log::is_json() {
        return diagnostics.iter().for_each(log::diagnostic);
    }
    for diagnostic in diagnostics {
        note(&format!("{}\n", diagnostic.render(colour)));
    }
}
