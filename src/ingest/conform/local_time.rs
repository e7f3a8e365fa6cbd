//! Clocks on the wall → UTC, once, at the door.
//!
//! A local time that occurs twice (autumn) is taken as the earlier of the two; one that does not occur (spring) is moved
//! forward by the length of the gap, as if the clock had not been set yet. Both are valid and never rejects.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, LocalResult, NaiveDateTime, Offset, TimeDelta, TimeZone};
use chrono_tz::Tz;

const MICROS: i64 = 1_000_000;
/// Changes of an offset happen on quarters of an hour; within one, the offset of the first second holds.
const QUARTER: i64 = 900;
const SLOTS: usize = 1024;
/// Bits of a slot that hold the offset, moved so that it is never negative.
const OFFSET_BITS: u32 = 20;
const OFFSET_ZERO: i64 = 1 << (OFFSET_BITS - 1);

/// Offsets of one zone, remembered by quarter of an hour.
#[derive(Debug)]
pub(crate) struct LocalTime {
    zone: Tz,
    /// Quarter (since 1970, local) and its offset in seconds east, in one number, since several threads ask; direct-mapped.
    slots: Vec<AtomicI64>,
}

impl LocalTime {
    pub(crate) fn new(zone: Tz) -> Self {
        Self {
            zone,
            slots: (0..SLOTS).map(|_| AtomicI64::new(i64::MIN)).collect(),
        }
    }

    /// Microseconds since 1970 in UTC of a local time in microseconds.
    pub(crate) fn to_utc(&self, local: i64) -> i64 {
        if self.zone == Tz::UTC {
            return local;
        }
        local - self.offset(local.div_euclid(MICROS)) * MICROS
    }

    /// Local microseconds of a time in UTC.
    pub(crate) fn of_utc(&self, utc: i64) -> i64 {
        let offset = DateTime::from_timestamp_micros(utc).map_or(0, |time| {
            let offset = self.zone.offset_from_utc_datetime(&time.naive_utc());
            i64::from(offset.fix().local_minus_utc())
        });
        utc.saturating_add(offset * MICROS)
    }

    /// Seconds east of UTC at a local second.
    fn offset(&self, local: i64) -> i64 {
        let quarter = local.div_euclid(QUARTER);
        let slot = quarter.rem_euclid(SLOTS as i64) as usize;
        let known = self.slots[slot].load(Ordering::Relaxed);
        if known >> OFFSET_BITS == quarter {
            return (known & ((1 << OFFSET_BITS) - 1)) - OFFSET_ZERO;
        }
        let offset = self.look_up(quarter * QUARTER);
        // a number of microseconds has no more quarters than fit beside an offset
        let slot = &self.slots[slot];
        slot.store(
            quarter << OFFSET_BITS | (offset + OFFSET_ZERO),
            Ordering::Relaxed,
        );
        offset
    }

    fn look_up(&self, local: i64) -> i64 {
        let naive = |seconds| DateTime::from_timestamp(seconds, 0).map(|time| time.naive_utc());
        let offset = |time: NaiveDateTime| match self.zone.offset_from_local_datetime(&time) {
            LocalResult::Single(offset) => Some(offset.fix()),
            LocalResult::Ambiguous(earlier, _) => Some(earlier.fix()),
            LocalResult::None => None,
        };
        let Some(time) = naive(local) else { return 0 };
        // in the gap the offset of before holds, which moves the time forward; gaps are shorter than a day
        offset(time)
            .or_else(|| offset(time - TimeDelta::days(1)))
            .map_or(0, |offset| i64::from(offset.local_minus_utc()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(local: &str) -> String {
        let zone = LocalTime::new(Tz::Europe__Stockholm);
        let time = NaiveDateTime::parse_from_str(local, "%Y-%m-%d %H:%M:%S").unwrap();
        let micros = zone.to_utc(time.and_utc().timestamp_micros());
        DateTime::from_timestamp_micros(micros)
            .unwrap()
            .format("%Y-%m-%d %H:%M:%S")
            .to_string()
    }

    #[test]
    fn winter_and_summer_differ_by_an_hour() {
        assert_eq!(utc("2026-01-02 10:00:00"), "2026-01-02 09:00:00");
        assert_eq!(utc("2026-07-02 10:00:00"), "2026-07-02 08:00:00");
    }

    #[test]
    fn the_repeated_hour_is_the_earlier_one() {
        assert_eq!(utc("2026-10-25 02:30:00"), "2026-10-25 00:30:00");
        assert_eq!(utc("2026-10-25 03:00:00"), "2026-10-25 02:00:00");
    }

    #[test]
    fn the_missing_hour_moves_forward() {
        assert_eq!(utc("2026-03-29 02:30:00"), "2026-03-29 01:30:00");
        assert_eq!(utc("2026-03-29 03:30:00"), "2026-03-29 01:30:00");
        assert_eq!(utc("2026-03-29 01:59:59"), "2026-03-29 00:59:59");
    }
}
