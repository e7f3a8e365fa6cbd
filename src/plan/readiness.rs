//! Whether an export is whole, as far as its source lets anybody see.

use std::fmt;

use chrono::{DateTime, Utc};

use crate::project::{Period, Ready};

/// Why an export must not be read yet. Says nothing that changes while it waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unready {
    /// It was written to a moment ago.
    NotQuiet(Period),
    /// This file is not beside it.
    NoMarker(String),
    /// This file is beside it, and is older: it speaks of an earlier delivery.
    OldMarker(String),
}

impl fmt::Display for Unready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotQuiet(period) => write!(f, "not quiet for {period} yet"),
            Self::NoMarker(marker) => write!(f, "{marker} is not there yet"),
            Self::OldMarker(marker) => write!(f, "{marker} is older than it"),
        }
    }
}

/// What an export still waits for, by the clock and not by `$as_of`; `None`: it is whole. `marker_at`: when its marker was
/// written, if it is there.
pub(crate) fn unready(
    ready: &Ready,
    path: &str,
    modified_at: DateTime<Utc>,
    marker_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Option<Unready> {
    if let Some(marker) = &ready.marker {
        let marker = marker.beside(path);
        match marker_at {
            None => return Some(Unready::NoMarker(marker)),
            Some(at) if at < modified_at => return Some(Unready::OldMarker(marker)),
            Some(_) => {}
        }
    }
    match &ready.quiet_for {
        Some(period) if modified_at > period.before(now) => Some(Unready::NotQuiet(period.clone())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::Marker;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_000_000 + second, 0).unwrap()
    }

    #[test]
    fn an_export_is_whole_once_it_was_quiet_for_long_enough() {
        let ready = Ready {
            quiet_for: Period::new(2, "m", "2m"),
            marker: None,
        };
        let unready = |now| unready(&ready, "a.csv", at(0), None, at(now));
        assert_eq!(unready(119).unwrap().to_string(), "not quiet for 2m yet");
        assert_eq!(unready(120), None);
        // a file of the future was written by another clock: it waits until ours has caught up
        assert!(unready(-600).is_some());
    }

    #[test]
    fn an_export_is_whole_once_its_marker_was_written_after_it() {
        let ready = Ready {
            quiet_for: None,
            marker: Marker::new("_SUCCESS"),
        };
        let unready = |marker| unready(&ready, "crm/a.csv", at(10), marker, at(11));
        assert_eq!(
            unready(None).unwrap().to_string(),
            "crm/_SUCCESS is not there yet"
        );
        assert_eq!(
            unready(Some(at(9))).unwrap().to_string(),
            "crm/_SUCCESS is older than it"
        );
        assert_eq!(unready(Some(at(10))), None);
    }
}
