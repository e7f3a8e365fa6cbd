//! One line on a terminal that says what a build is doing; nothing where nobody watches.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex};

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
            shown: !quiet && std::io::stderr().is_terminal(),
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
            match &event {
                RunEvent::Warning(text) if !quiet => style::warning(text),
                RunEvent::Waiting(text) if !quiet => style::note(&format!("{text}\n")),
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
                RunEvent::Finished(table) => {
                    working.remove(&table);
                }
                RunEvent::Publishing | RunEvent::Warning(_) | RunEvent::Waiting(_) => {
                    working.clear();
                }
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
