//! One line on a terminal that says what a build is doing; nothing where nobody watches; an event a line for programs.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::log::{self, Level};
use super::style;
use crate::name::TableName;
use crate::run::{Listener, RunEvent};

/// Shows the tables in work on stderr while a build runs.
pub(super) struct Progress {
    shown: bool,
    quiet: bool,
    working: Arc<Mutex<BTreeSet<TableName>>>,
}

impl Progress {
    pub(super) fn start(quiet: bool) -> Self {
        Self {
            shown: !quiet && !log::is_json() && std::io::stderr().is_terminal(),
            quiet,
            working: Arc::default(),
        }
    }

    /// What the runner calls on each event.
    pub(super) fn listener(&self) -> Listener {
        let working = Arc::clone(&self.working);
        let shown = self.shown;
        let quiet = self.quiet;
        Arc::new(move |event| {
            if log::is_json() {
                return told(event);
            }
            match &event {
                RunEvent::Warning(text) if !quiet => style::warning(text),
                RunEvent::Waiting(text) if !quiet => style::note(&format!("waiting: {text}\n")),
                _ => {}
            }
            if !shown {
                return;
            }
            let Ok(mut working) = working.lock() else {
                return;
            };
            match event {
                RunEvent::Started(table) => {
                    working.insert(table);
                }
                RunEvent::Finished { table, .. } => {
                    working.remove(&table);
                }
                RunEvent::Publishing => working.clear(),
                RunEvent::Waiting(_)
                | RunEvent::Warning(_)
                | RunEvent::Began(_)
                | RunEvent::Ended(_) => return,
            }
            let names: Vec<String> = working.iter().take(4).map(TableName::to_string).collect();
            style::note(&format!("\r\x1b[2K… {}", names.join(", ")));
        })
    }

    /// Wipes the line.
    pub(super) fn finish(&self) {
        if self.shown {
            style::note("\r\x1b[2K");
        }
    }
}

/// The event as a line of JSON.
fn told(event: RunEvent) {
    let (event, message, about) = match event {
        RunEvent::Began(run) => (
            "run_started",
            format!("run {run} started"),
            json!({"run": run}),
        ),
        RunEvent::Waiting(text) => ("waiting", format!("waiting: {text}"), json!({})),
        RunEvent::Started(table) => (
            "table_started",
            format!("{table} started"),
            json!({"table": table}),
        ),
        RunEvent::Finished {
            table,
            outcome,
            rows,
            seconds,
        } => (
            "table_finished",
            format!("{table}: {}", outcome.replace('_', " ")),
            json!({"table": table, "outcome": outcome, "rows": rows, "seconds": seconds}),
        ),
        RunEvent::Publishing => ("publishing", "publishing".to_string(), json!({})),
        RunEvent::Warning(text) => return style::warning(&text),
        RunEvent::Ended(summary) => return log::remember(*summary),
    };
    log::line(Level::Info, event, &message, log::fields(about));
}
