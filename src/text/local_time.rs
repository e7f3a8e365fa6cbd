//! Local times and the instants they mean.
//!
//! In: a time on a wall clock and the zone it hangs in. Out: the instant in UTC. Never fails on a time that the zone's
//! clocks showed twice or skipped: the caller declares which is meant.

use chrono::{DateTime, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone};
use chrono_tz::Tz;

/// Which instant a local time means that the clocks showed twice, on the night when summer time ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Occurrence {
    /// The first, still in summer time.
    Earlier,
    /// The second.
    Later,
}

impl Occurrence {
    /// `earlier` or `later`, as written in SQL and contracts.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "earlier" => Some(Self::Earlier),
            "later" => Some(Self::Later),
            _ => None,
        }
    }
}

/// The instant of a local time, in microseconds since 1970 UTC; `None` beyond the years that these can count.
///
/// A time that the clocks skipped is moved forward by the length of the gap, as if the clocks had not been touched yet:
/// 02:30 on the night when summer time begins is 03:30 summer time.
pub(crate) fn to_utc(local: NaiveDateTime, zone: Tz, occurrence: Occurrence) -> Option<i64> {
    let instant = match zone.from_local_datetime(&local) {
        MappedLocalTime::Single(instant) => instant,
        MappedLocalTime::Ambiguous(earlier, later) => match occurrence {
            Occurrence::Earlier => earlier,
            Occurrence::Later => later,
        },
        MappedLocalTime::None => after_gap(local, zone)?,
    };
    Some(instant.timestamp_micros())
}

/// Clocks skip at most a day (Samoa, 2011), so a time before the gap is at most 25 hours away.
fn after_gap(local: NaiveDateTime, zone: Tz) -> Option<DateTime<Tz>> {
    let quarters_back = 1..=100;
    quarters_back
        .filter_map(|quarters| {
            let shift = TimeDelta::minutes(15 * quarters);
            let before = zone
                .from_local_datetime(&local.checked_sub_signed(shift)?)
                .latest()?;
            before.checked_add_signed(shift)
        })
        .next()
}

/// A time as text, read as ISO 8601 writes it: `2026-03-29 02:30[:00[.5]]` or with `T`, or a date alone (its midnight).
/// `None` for all else, and for times with an offset, which need no zone: see [`parse_instant`].
pub(crate) fn parse_local_time(text: &str) -> Option<NaiveDateTime> {
    let text = text.trim();
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let date = NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?;
    let time = match time {
        Some(time) => NaiveTime::parse_from_str(time, "%H:%M:%S%.f")
            .or_else(|_| NaiveTime::parse_from_str(time, "%H:%M"))
            .ok()?,
        None => NaiveTime::MIN,
    };
    Some(date.and_time(time))
}

/// A time as text with its offset (`2026-03-29T02:30:00+01:00`, `…Z`), in microseconds since 1970 UTC.
pub(crate) fn parse_instant(text: &str) -> Option<i64> {
    let instant = DateTime::parse_from_rfc3339(text.trim()).ok()?;
    Some(instant.timestamp_micros())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn utc(local: &str, zone: &str, occurrence: Occurrence) -> String {
        let zone: Tz = zone.parse().unwrap();
        let micros = to_utc(parse_local_time(local).unwrap(), zone, occurrence).unwrap();
        DateTime::from_timestamp_micros(micros)
            .unwrap()
            .format("%Y-%m-%d %H:%M:%S%.f")
            .to_string()
    }

    #[test]
    fn ordinary_times_follow_the_zone() {
        assert_eq!(
            utc(
                "2026-01-15 12:00:00",
                "Europe/Stockholm",
                Occurrence::Earlier
            ),
            "2026-01-15 11:00:00"
        );
        assert_eq!(
            utc("2026-07-15T12:00", "Europe/Oslo", Occurrence::Later),
            "2026-07-15 10:00:00"
        );
        assert_eq!(
            utc("2026-07-15", "UTC", Occurrence::Later),
            "2026-07-15 00:00:00"
        );
        assert_eq!(
            utc(
                "2026-07-15 12:00:00.25",
                "Europe/Copenhagen",
                Occurrence::Later
            ),
            "2026-07-15 10:00:00.250"
        );
    }

    #[test]
    fn repeated_hour_is_the_declared_one() {
        assert_eq!(
            utc(
                "2025-10-26 02:30:00",
                "Europe/Stockholm",
                Occurrence::Earlier
            ),
            "2025-10-26 00:30:00"
        );
        assert_eq!(
            utc("2025-10-26 02:30:00", "Europe/Stockholm", Occurrence::Later),
            "2025-10-26 01:30:00"
        );
    }

    #[test]
    fn missing_hour_moves_forward_by_the_gap() {
        for occurrence in [Occurrence::Earlier, Occurrence::Later] {
            assert_eq!(
                utc("2026-03-29 02:30:00", "Europe/Stockholm", occurrence),
                "2026-03-29 01:30:00"
            );
            assert_eq!(
                utc("2026-03-29 02:00:00", "Europe/Stockholm", occurrence),
                "2026-03-29 01:00:00"
            );
            assert_eq!(
                utc("2011-12-30 12:00:00", "Pacific/Apia", occurrence),
                "2011-12-30 22:00:00"
            );
        }
    }

    #[test]
    fn text_that_is_no_local_time_is_none() {
        for text in [
            "",
            "2026-02-30",
            "2026-01-01 25:00",
            "2026-01-01T10:00:00Z",
            "01.02.2026",
            "2026-01-01 10",
        ] {
            assert_eq!(parse_local_time(text), None, "{text}");
        }
        assert_eq!(
            parse_instant("2026-01-01T10:00:00+02:00"),
            parse_instant(" 2026-01-01T08:00:00Z")
        );
        assert_eq!(parse_instant("2026-01-01 10:00:00"), None);
    }

    proptest! {
        #[test]
        fn every_minute_of_a_year_has_an_instant_and_later_is_never_before_earlier(minute in 0_i64..525_600) {
            let local = parse_local_time("2025-06-01").unwrap() + TimeDelta::minutes(minute);
            for zone in [chrono_tz::Europe::Stockholm, chrono_tz::Australia::Lord_Howe, chrono_tz::America::St_Johns] {
                let earlier = to_utc(local, zone, Occurrence::Earlier).unwrap();
                prop_assert!(earlier <= to_utc(local, zone, Occurrence::Later).unwrap());
            }
        }
    }
}
