//! What a source wants: its newest export is older than the project allows, or one that is due has not come.

use std::collections::BTreeSet;
use std::fmt;

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;

use super::{ExportState, Observed, ObservedExport};
use crate::project::{Covers, Due, Load, Period, Project, Source};

/// So many days are looked back for exports that were due.
const DAYS: u64 = 7;
/// Days that a message names; more are counted.
const NAMED: usize = 3;

/// A source that nothing new came for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Overdue {
    /// The newest export's time; `None`: there never was one.
    pub(crate) newest_at: Option<DateTime<Utc>>,
    /// The bound that is passed.
    pub(crate) allowed: Option<Period>,
    /// What was due and has not come.
    pub(crate) missing: Option<Missing>,
    /// Whether the source fails, or is only reported.
    pub(crate) fails: bool,
    zone: Tz,
}

/// Exports that were due and have not come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    /// The days that they speak of, in order.
    pub(crate) days: Vec<NaiveDate>,
    pub(crate) by: NaiveTime,
    /// Whom to ask.
    pub(crate) sender: Option<String>,
}

/// Says nothing that changes while nothing comes, so that the same want is recognised night after night.
impl fmt::Display for Overdue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(allowed) = &self.allowed {
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
            write!(f, " ({key}: {allowed})")?;
            // a hold that is due to its age must be known again tomorrow
            if self.fails {
                return Ok(());
            }
        }
        match &self.missing {
            Some(missing) if self.allowed.is_some() => write!(f, "; {missing}"),
            Some(missing) => write!(f, "{missing}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.days.len().saturating_sub(NAMED);
        let days: Vec<String> = self.days[first..]
            .iter()
            .map(NaiveDate::to_string)
            .collect();
        write!(f, "no export of {}", days.join(", "))?;
        match first {
            0 => {}
            1 => f.write_str(" and of 1 day before")?,
            n => write!(f, " and of {n} days before")?,
        }
        write!(f, ", due by {}", self.by.format("%H:%M"))?;
        match &self.sender {
            Some(sender) => write!(f, " (sender: {sender})"),
            None => Ok(()),
        }
    }
}

/// What is wrong with a source's exports by the clock, and not by `$as_of`; `None`: nothing.
pub(crate) fn overdue(project: &Project, source: &Source, observed: &Observed) -> Option<Overdue> {
    let exports = observed.exports.get(&source.table);
    let counting: Vec<&ObservedExport> = exports
        .into_iter()
        .flatten()
        // what does not count brought nothing
        .filter(|export| !export.is_excluded)
        .filter(|export| !matches!(export.state, ExportState::Out | ExportState::Unreadable))
        // nor, so far, what is not whole
        .filter(|export| export.unready.is_none() || export.is_in_table())
        .collect();
    let zone = project.time_zone;
    let newest_at = counting.iter().map(|export| time_of(export, zone)).max();
    let passed = |allowed: &Period| newest_at.is_none_or(|at| at < allowed.before(observed.now));
    let bounds = [
        (source.freshness.error_after.as_ref(), true),
        (source.freshness.warn_after.as_ref(), false),
    ];
    let bound = bounds
        .into_iter()
        .find(|(allowed, _)| allowed.is_some_and(passed));
    let missing = source.due.as_ref().and_then(|due| {
        let days = missing_days(due, source, &counting, observed.now, zone);
        (!days.is_empty()).then(|| Missing {
            days,
            by: due.by,
            sender: source.sender.as_ref().map(ToString::to_string),
        })
    });
    if bound.is_none() && missing.is_none() {
        return None;
    }
    Some(Overdue {
        newest_at,
        allowed: bound.and_then(|(allowed, _)| allowed.cloned()),
        missing,
        fails: bound.is_some_and(|(_, fails)| fails),
        zone,
    })
}

/// The days of the last week of which an export was due and has not come. Where paths capture no time, or the newest export
/// is the whole truth, only the last of them can be said or matters.
fn missing_days(
    due: &Due,
    source: &Source,
    exports: &[&ObservedExport],
    now: DateTime<Utc>,
    zone: Tz,
) -> Vec<NaiveDate> {
    let today = now.with_timezone(&zone).date_naive();
    let is_wanted = |day: &NaiveDate| due.days.is_empty() || due.days.contains(&day.weekday());
    let passed: Vec<(NaiveDate, DateTime<Utc>)> = (0..=DAYS)
        .filter_map(|back| today.checked_sub_days(Days::new(back)))
        .filter(is_wanted)
        .filter_map(|day| {
            let at = zone.from_local_datetime(&day.and_time(due.by)).earliest()?;
            Some((day, at.with_timezone(&Utc)))
        })
        .filter(|(_, at)| *at <= now)
        .collect();
    let covered = |day: NaiveDate| match due.covers {
        Covers::SameDay => Some(day),
        Covers::DayBefore => day.pred_opt(),
    };
    let mut captures = source.patterns.iter().flat_map(|pattern| &pattern.captures);
    if !captures.any(|capture| capture.format.is_some()) {
        let Some((last, _)) = passed.first() else {
            return Vec::new();
        };
        let since = passed.get(1).map_or(DateTime::UNIX_EPOCH, |(_, at)| *at);
        let has_come = exports.iter().any(|export| export.modified_at > since);
        return covered(*last).filter(|_| !has_come).into_iter().collect();
    }
    let came: BTreeSet<NaiveDate> = exports
        .iter()
        .filter_map(|export| Some(export.ordered_at?.date()))
        .collect();
    let looked_back = match source.load {
        Load::Replace => 1,
        Load::Append | Load::Changes => passed.len(),
    };
    let is_newer = |day: &NaiveDate| {
        source.load == Load::Replace && came.iter().next_back().is_some_and(|last| last > day)
    };
    // before the first export nobody waited for one
    let first = came.iter().next().copied();
    let wanted = passed.iter().take(looked_back).enumerate();
    let mut days: Vec<NaiveDate> = wanted
        .filter_map(|(back, (day, _))| Some((back, covered(*day)?)))
        .filter(|(back, day)| *back == 0 || first.is_some_and(|first| *day > first))
        .map(|(_, day)| day)
        .filter(|day| !came.contains(day) && !is_newer(day))
        .collect();
    days.reverse();
    days
}

/// The time captured from the path, which is local; else that of the file.
fn time_of(export: &ObservedExport, zone: Tz) -> DateTime<Utc> {
    let captured = export
        .ordered_at
        .and_then(|local| zone.from_local_datetime(&local).earliest());
    captured.map_or(export.modified_at, |time| time.with_timezone(&Utc))
}
