//! `'day'`, `'month'`…: the units that functions of time take as their first argument.

use datafusion::common::{Result, plan_err};

/// A unit of the calendar or of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CalendarUnit {
    Year,
    Quarter,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
}

impl CalendarUnit {
    /// By its name, in singular or plural, or short.
    ///
    /// # Errors
    /// The names that there are.
    pub(super) fn parse(function: &str, text: &str) -> Result<Self> {
        Ok(match text.trim().to_lowercase().as_str() {
            "year" | "years" | "y" | "yr" | "yyyy" => Self::Year,
            "quarter" | "quarters" | "q" => Self::Quarter,
            "month" | "months" | "mon" | "mm" => Self::Month,
            "week" | "weeks" | "w" => Self::Week,
            "day" | "days" | "d" | "dd" => Self::Day,
            "hour" | "hours" | "h" | "hr" => Self::Hour,
            "minute" | "minutes" | "min" | "m" => Self::Minute,
            "second" | "seconds" | "sec" | "s" => Self::Second,
            "millisecond" | "milliseconds" | "ms" => Self::Millisecond,
            _ => {
                return plan_err!(
                    "`{function}` counts in 'year', 'quarter', 'month', 'week', 'day', 'hour', 'minute', 'second' or \
                     'millisecond'; that is its first argument"
                );
            }
        })
    }

    /// Microseconds of one; `None` for what the calendar makes of different lengths.
    pub(super) fn micros(self) -> Option<i64> {
        Some(match self {
            Self::Year | Self::Quarter | Self::Month => return None,
            Self::Week => 7 * 86_400_000_000,
            Self::Day => 86_400_000_000,
            Self::Hour => 3_600_000_000,
            Self::Minute => 60_000_000,
            Self::Second => 1_000_000,
            Self::Millisecond => 1_000,
        })
    }

    /// Months of one; `None` for what is shorter.
    pub(super) fn months(self) -> Option<i64> {
        match self {
            Self::Year => Some(12),
            Self::Quarter => Some(3),
            Self::Month => Some(1),
            _ => None,
        }
    }
}
