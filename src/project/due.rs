//! When a source's next export is due, and who sends it.

use std::fmt;

use chrono::{NaiveTime, Weekday};

use crate::location::Location;

/// On which days and by when an export must have come, on the project's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) by: NaiveTime,
    /// None: every day.
    pub(crate) days: Vec<Weekday>,
    pub(crate) covers: Covers,
}

/// Which day the export that is due speaks of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Covers {
    /// The one on which it is due.
    #[default]
    SameDay,
    /// The one before.
    DayBefore,
}

/// Who sends a source's exports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sender {
    pub(crate) name: String,
    pub(crate) email: Option<String>,
    /// Where a receipt of each export is written.
    pub(crate) receipts: Option<Location>,
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match &self.email {
            Some(email) => write!(f, ", {email}"),
            None => Ok(()),
        }
    }
}
