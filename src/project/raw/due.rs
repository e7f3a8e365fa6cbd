//! `due:` and `sender:` of a source as written.

use chrono::{NaiveTime, Weekday};
use schemars::{Schema, json_schema};

use super::super::Spanned;
use super::declare::{section, words};
use super::decode::{FromText, Mistake, OneOrMany};
use crate::project::Covers;

section! {
    /// By when an export must have come. One that is missing is told by `build`, `plan`, `status`, `exports` and `notify` (`stale`).
    RawDue {
        /// The time of day, in the project's time zone: `06:00`.
        by: TimeOfDay,
        /// The days of the week: `mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun`. Default: every day.
        days: OneOrMany<Weekday>,
        /// Which day the export speaks of, by the time captured from its path: `same_day` or `day_before`. Default `same_day`.
        covers: Option<Covers>,
    }
}

section! {
    /// Who sends the exports.
    RawSender {
        /// A company, a team, a person.
        name: String,
        /// How to reach them.
        email: Option<String>,
        /// A folder or a URL, where each export that a build has read gets a receipt: `<path of the export>.receipt.json`.
        receipts: Option<Spanned<String>>,
    }
}

/// A time of day, to the minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeOfDay(pub(crate) NaiveTime);

impl FromText for TimeOfDay {
    const EXPECTED: &'static str = "a time of day";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        NaiveTime::parse_from_str(text, "%H:%M")
            .map(Self)
            .map_err(|_| {
                Mistake::new(103, format!("`{text}` is not a time of day"))
                    .help("hours and minutes: `06:00`, `23:30`")
            })
    }

    fn text_schema() -> Schema {
        json_schema!({"type": "string", "pattern": "^[0-2]?[0-9]:[0-5][0-9]$"})
    }
}

words! {
    Covers, "a day" {
        "same_day" => Covers::SameDay,
        "day_before" => Covers::DayBefore,
    }
    also { "today" => "same_day", "yesterday" => "day_before" }
}

words! {
    Weekday, "a day of the week" {
        "mon" => Weekday::Mon,
        "tue" => Weekday::Tue,
        "wed" => Weekday::Wed,
        "thu" => Weekday::Thu,
        "fri" => Weekday::Fri,
        "sat" => Weekday::Sat,
        "sun" => Weekday::Sun,
    }
    also {
        "monday" => "mon", "tuesday" => "tue", "wednesday" => "wed", "thursday" => "thu", "friday" => "fri",
        "saturday" => "sat", "sunday" => "sun"
    }
}
