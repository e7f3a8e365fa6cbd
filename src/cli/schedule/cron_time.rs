//! A cron text of five fields as the sets that it means: schedulers write the same times differently.

use std::collections::BTreeSet;

/// When something runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CronTime {
    pub(super) minutes: Field,
    pub(super) hours: Field,
    pub(super) days: Field,
    pub(super) months: Field,
    /// 0 is Sunday.
    pub(super) weekdays: Field,
}

/// The values of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) values: BTreeSet<u8>,
    /// Whether it begins with `*`: where both days and weekdays are told, either is enough.
    pub(super) is_open: bool,
    /// Whether it holds every value.
    pub(super) is_all: bool,
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

impl CronTime {
    /// # Errors
    /// The part that not every scheduler has: `L`, `#`, `W`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let five = match text.trim() {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            text => text,
        };
        let fields: Vec<&str> = five.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields[..] else {
            return Err(text.to_string());
        };
        let mut weekdays = Field::parse(weekdays, 0, 7, &WEEKDAYS, 0)?;
        if weekdays.values.remove(&7) {
            weekdays.values.insert(0);
        }
        weekdays.is_all = weekdays.values.len() == 7;
        Ok(Self {
            minutes: Field::parse(minutes, 0, 59, &[], 0)?,
            hours: Field::parse(hours, 0, 23, &[], 0)?,
            days: Field::parse(days, 1, 31, &[], 0)?,
            months: Field::parse(months, 1, 12, &MONTHS, 1)?,
            weekdays,
        })
    }

    /// Five fields that every cron takes: numbers and `*`.
    pub(super) fn plain(&self) -> String {
        let fields = [
            &self.minutes,
            &self.hours,
            &self.days,
            &self.months,
            &self.weekdays,
        ];
        fields.map(Field::plain).join(" ")
    }
}

impl Field {
    fn parse(text: &str, low: u8, high: u8, names: &[&str], first: u8) -> Result<Self, String> {
        let value = |word: &str| -> Result<u8, String> {
            let lower = word.to_ascii_lowercase();
            if let Some(position) = names.iter().position(|name| *name == lower) {
                return Ok(position as u8 + first);
            }
            let number = word.parse().ok();
            let number = number.filter(|number| (low..=high).contains(number));
            number.ok_or_else(|| word.to_string())
        };
        let mut values = BTreeSet::new();
        for part in text.split(',') {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) => (range, Some(step)),
                None => (part, None),
            };
            let every: u8 = match step {
                Some(step) => step.parse().map_err(|_| part.to_string())?,
                None => 1,
            };
            let (from, to) = match range.split_once('-') {
                _ if range == "*" => (low, high),
                Some((from, to)) => (value(from)?, value(to)?),
                None => (value(range)?, value(range)?),
            };
            if every == 0 || from > to {
                return Err(part.to_string());
            }
            values.extend((from..=to).step_by(usize::from(every)));
        }
        Ok(Self {
            is_all: values.len() == usize::from(high - low) + 1,
            is_open: text.starts_with('*'),
            values,
        })
    }

    fn plain(&self) -> String {
        match self.is_all {
            true => "*".to_string(),
            false => self.listed(|value| value.to_string()),
        }
    }

    pub(super) fn listed(&self, word: impl Fn(u8) -> String) -> String {
        let words: Vec<String> = self.values.iter().map(|value| word(*value)).collect();
        words.join(",")
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use chrono::{Datelike, TimeDelta, Timelike};

    use super::*;

    impl CronTime {
        /// As cron reads it: days and weekdays are alternatives where both are told.
        fn includes(&self, at: chrono::NaiveDateTime) -> bool {
            let day = self.days.values.contains(&(at.day() as u8));
            let weekday = at.weekday().num_days_from_sunday() as u8;
            let weekday = self.weekdays.values.contains(&weekday);
            let on_day = match (self.days.is_open, self.weekdays.is_open) {
                (false, false) => day || weekday,
                _ => day && weekday,
            };
            on_day
                && self.minutes.values.contains(&(at.minute() as u8))
                && self.hours.values.contains(&(at.hour() as u8))
                && self.months.values.contains(&(at.month() as u8))
        }
    }

    #[test]
    fn a_text_means_what_the_cron_that_checks_it_takes_it_to_mean() {
        for text in [
            "0 2 * * *",
            "@daily",
            "@weekly",
            "*/15 6-18 * * mon-fri",
            "0 4 1,15 * *",
            "30 3 1 jan,jul *",
            "0 0 13 * 5",
            "5-59/20 1 * * 7",
            "0 5 * * 5-7",
        ] {
            let time = CronTime::parse(text).unwrap();
            let again = CronTime::parse(&time.plain()).unwrap();
            let theirs = croner::Cron::from_str(text).unwrap();
            let start = chrono::NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
            let start = start.and_hms_opt(0, 0, 0).unwrap();
            for minute in (0..400 * 24 * 60).step_by(5) {
                let at = start + TimeDelta::minutes(minute);
                let wanted = theirs.is_time_matching(&at.and_utc()).unwrap();
                assert_eq!(time.includes(at), wanted, "{text} at {at}");
                assert_eq!(again.includes(at), wanted, "{} at {at}", time.plain());
            }
        }
    }

    #[test]
    fn what_not_every_scheduler_has_is_named() {
        for (text, part) in [
            ("0 2 L * *", "L"),
            ("0 2 * * 5#2", "5#2"),
            ("0 2 15W * *", "15W"),
        ] {
            assert_eq!(CronTime::parse(text).unwrap_err(), part);
        }
    }
}
