//! Lengths of time as people write them: `26h`, `30d`, `24 months`.

use std::fmt;

use chrono::{DateTime, Months, TimeDelta, Utc};

/// A length of time; months and years are those of the calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Period {
    length: Length,
    /// As written.
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    Seconds(i64),
    Months(u32),
}

impl Period {
    /// So many of a unit; `None` where there is no such unit, or no such length in a calendar.
    pub(crate) fn new(count: u64, unit: &str, text: &str) -> Option<Self> {
        let seconds = |each: i64| {
            let seconds = i64::try_from(count).ok()?.checked_mul(each)?;
            TimeDelta::try_seconds(seconds).map(|_| Length::Seconds(seconds))
        };
        let months = |each: u32| {
            let months = u32::try_from(count).ok()?.checked_mul(each)?;
            Some(Length::Months(months))
        };
        let length = match unit {
            "s" | "second" | "seconds" => seconds(1),
            "m" | "min" | "minute" | "minutes" => seconds(60),
            "h" | "hour" | "hours" => seconds(3_600),
            "d" | "day" | "days" => seconds(86_400),
            "w" | "week" | "weeks" => seconds(604_800),
            "month" | "months" => months(1),
            "year" | "years" => months(12),
            _ => None,
        }?;
        Some(Self {
            length,
            text: text.to_string(),
        })
    }

    /// Its length; `None` for months and years, which differ.
    pub(crate) fn seconds(&self) -> Option<u64> {
        match self.length {
            Length::Seconds(seconds) => u64::try_from(seconds).ok(),
            Length::Months(_) => None,
        }
    }

    /// So many days.
    pub(crate) fn of_days(days: u32) -> Self {
        Self {
            length: Length::Seconds(i64::from(days) * 86_400),
            text: format!("{days}d"),
        }
    }

    /// In whole days, at least one; a month has 31.
    pub(crate) fn days(&self) -> u32 {
        let days = match self.length {
            Length::Seconds(seconds) => seconds.max(0).unsigned_abs().div_ceil(86_400),
            Length::Months(months) => u64::from(months) * 31,
        };
        u32::try_from(days.max(1)).unwrap_or(u32::MAX)
    }

    /// The instant that lies so long before another.
    pub(crate) fn before(&self, instant: DateTime<Utc>) -> DateTime<Utc> {
        let earlier = match self.length {
            Length::Seconds(seconds) => instant.checked_sub_signed(TimeDelta::seconds(seconds)),
            Length::Months(months) => instant.checked_sub_months(Months::new(months)),
        };
        earlier.unwrap_or(DateTime::<Utc>::MIN_UTC)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_those_of_the_calendar_and_days_are_not() {
        let march: DateTime<Utc> = "2026-03-31T02:00:00Z".parse().unwrap();
        let before = |count, unit| {
            let period = Period::new(count, unit, "").unwrap();
            period.before(march).to_rfc3339()
        };
        assert_eq!(before(26, "h"), "2026-03-30T00:00:00+00:00");
        assert_eq!(before(1, "month"), "2026-02-28T02:00:00+00:00");
        assert_eq!(before(2, "years"), "2024-03-31T02:00:00+00:00");
        assert!(Period::new(26, "parsecs", "").is_none());
        assert!(Period::new(u64::MAX, "d", "").is_none());
    }
}
