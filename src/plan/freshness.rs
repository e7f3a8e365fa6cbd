//! Whether a source's newest export is older than the project allows.

use std::fmt;

use chrono::{DateTime, TimeZone, Utc};
use chrono_tz::Tz;

use super::{ExportState, Observed, ObservedExport};
use crate::project::{Period, Project, Source};

/// A source that nothing new came for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Overdue {
    /// The newest export's time; `None`: there never was one.
    pub(crate) newest_at: Option<DateTime<Utc>>,
    /// The bound that is passed.
    pub(crate) allowed: Period,
    /// Whether the source fails, or is only reported.
    pub(crate) fails: bool,
    zone: Tz,
}

/// Says nothing that changes while nothing comes, so that the same want is recognised night after night.
impl fmt::Display for Overdue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.newest_at {
            Some(at) => {
                let at = at.with_timezone(&self.zone);
                write!(f, "no new export since {}", at.format("%Y-%m-%d %H:%M"))?;
            }
            None => f.write_str("no export at all")?,
        }
        let key = if self.fails {
            "error_after"
        } else {
            "warn_after"
        };
        write!(f, " ({key}: {})", self.allowed)
    }
}

/// What is wrong with the age of a source's newest export, by the clock and not by `$as_of`; `None`: nothing.
pub(crate) fn overdue(project: &Project, source: &Source, observed: &Observed) -> Option<Overdue> {
    let exports = observed.exports.get(&source.table);
    let newest_at = exports
        .into_iter()
        .flatten()
        // what does not count brought nothing
        .filter(|export| !export.is_excluded && export.state != ExportState::Out)
        // nor, so far, what is not whole
        .filter(|export| export.unready.is_none() || export.is_in_table())
        .map(|export| time_of(export, project.time_zone))
        .max();
    let passed = |allowed: &Period| newest_at.is_none_or(|at| at < allowed.before(observed.now));
    let bounds = [
        (source.freshness.error_after.as_ref(), true),
        (source.freshness.warn_after.as_ref(), false),
    ];
    let (allowed, fails) = bounds
        .into_iter()
        .find(|(allowed, _)| allowed.is_some_and(passed))?;
    Some(Overdue {
        newest_at,
        allowed: allowed?.clone(),
        fails,
        zone: project.time_zone,
    })
}

/// The time captured from the path, which is local; else that of the file.
fn time_of(export: &ObservedExport, zone: Tz) -> DateTime<Utc> {
    let captured = export
        .ordered_at
        .and_then(|local| zone.from_local_datetime(&local).earliest());
    captured.map_or(export.modified_at, |time| time.with_timezone(&Utc))
}
