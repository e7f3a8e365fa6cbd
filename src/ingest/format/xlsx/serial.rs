//! Numbers of cells: what their format says they are, and days since 1900 as dates.

use chrono::{NaiveDate, TimeDelta};

const DAY_MILLIS: f64 = 86_400_000.0;
/// Days between the two calendars of Excel.
const FROM_1904: f64 = 1_462.0;
/// The day after 9999-12-31.
const LAST: f64 = 2_958_466.0;

/// What a style makes of a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum NumberFormat {
    #[default]
    Number,
    /// A date, a time of day, or both.
    Moment,
    /// Hours beyond a day: `[h]:mm`.
    Duration,
}

impl NumberFormat {
    /// Of the formats that are not written down, those that are dates.
    pub(super) fn built_in(id: u32) -> Self {
        match id {
            46 => Self::Duration,
            14..=22 | 27..=36 | 45 | 47 | 50..=58 => Self::Moment,
            _ => Self::Number,
        }
    }

    /// Of a format code, such as `yyyy-mm-dd hh:mm` or `# ##0 "kr"`.
    pub(super) fn of(code: &str) -> Self {
        let mut letters = code.chars();
        let mut format = Self::Number;
        while let Some(letter) = letters.next() {
            match letter {
                ';' => break,
                '"' => while letters.next().is_some_and(|letter| letter != '"') {},
                '\\' | '_' | '*' => {
                    letters.next();
                }
                '[' => {
                    let inside: String = letters.by_ref().take_while(|c| *c != ']').collect();
                    let inside = inside.to_ascii_lowercase();
                    let is_elapsed = |unit: char| inside.chars().all(|c| c == unit);
                    if !inside.is_empty() && ['h', 'm', 's'].into_iter().any(is_elapsed) {
                        return Self::Duration;
                    }
                }
                'd' | 'D' | 'm' | 'M' | 'y' | 'Y' | 'h' | 'H' | 's' | 'S' => format = Self::Moment,
                _ => {}
            }
        }
        format
    }
}

/// A number as people see it: Excel keeps fifteen digits and writes seventeen.
pub(super) fn number_text(text: &str) -> String {
    let Ok(value) = text.parse::<f64>() else {
        return text.to_string();
    };
    let is_whole = value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0;
    let kept = if is_whole {
        value
    } else {
        format!("{value:.14e}").parse().unwrap_or(value)
    };
    format!("{kept}")
}

/// Days since 1900 (or 1904) as ISO 8601: a date where it is midnight, a time of day below one day, else both. `None` for
/// numbers that are no day. The 29 February that only Excel's 1900 had is shown as Excel shows it, and is no date to anybody.
pub(super) fn moment_text(serial: f64, is_1904: bool) -> Option<String> {
    if (0.0..1.0).contains(&serial) && !is_1904 {
        return Some(clock(serial));
    }
    if (60.0..61.0).contains(&serial) && !is_1904 {
        return Some("1900-02-29".to_string());
    }
    let days = serial + if is_1904 { FROM_1904 } else { 0.0 };
    if !(1.0..LAST).contains(&days) {
        return None;
    }
    let days = if days < 60.0 { days + 1.0 } else { days };
    let millis = TimeDelta::milliseconds((days * DAY_MILLIS).round() as i64);
    let epoch = NaiveDate::from_ymd_opt(1899, 12, 30)?.and_hms_opt(0, 0, 0)?;
    let moment = epoch.checked_add_signed(millis)?;
    let is_midnight = millis.num_milliseconds() % 86_400_000 == 0;
    let format = if is_midnight {
        "%Y-%m-%d"
    } else {
        "%Y-%m-%dT%H:%M:%S%.f"
    };
    Some(moment.format(format).to_string())
}

/// Days as hours, minutes and seconds: `37:30:00`.
pub(super) fn clock(days: f64) -> String {
    let seconds = (days.abs() * 86_400.0).round() as i64;
    let sign = if days < 0.0 { "-" } else { "" };
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    format!("{sign}{:02}:{:02}:{seconds:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_of_dates_are_told_from_those_of_numbers() {
        for code in [
            "yyyy-mm-dd hh:mm",
            "d.m.yy",
            "[$-41D]d mmmm yyyy;@",
            "hh:mm AM/PM",
        ] {
            assert_eq!(NumberFormat::of(code), NumberFormat::Moment, "{code}");
        }
        for code in [
            "General",
            "0.00",
            "# ##0\\ \"dkr\"",
            "[Red]-0",
            "#,##0_);[Red](d)",
            "@",
        ] {
            assert_eq!(NumberFormat::of(code), NumberFormat::Number, "{code}");
        }
        assert_eq!(NumberFormat::of("[h]:mm:ss"), NumberFormat::Duration);
    }

    #[test]
    fn numbers_lose_the_digits_that_excel_does_not_keep() {
        assert_eq!(number_text("19.989999999999998"), "19.99");
        assert_eq!(number_text("6500001115883"), "6500001115883");
        assert_eq!(number_text("9"), "9");
        assert_eq!(number_text("1E-3"), "0.001");
    }

    #[test]
    fn serials_are_days_and_times() {
        let text = |serial| moment_text(serial, false).unwrap();
        assert_eq!(text(45_935.268_194_444_44), "2025-10-05T06:26:12");
        assert_eq!(text(45_351.0), "2024-02-29");
        assert_eq!(text(59.0), "1900-02-28");
        assert_eq!(text(60.0), "1900-02-29", "which reads as no date");
        assert_eq!(text(61.0), "1900-03-01");
        assert_eq!(text(0.5), "12:00:00");
        assert_eq!(moment_text(44_473.0, true).unwrap(), "2025-10-05");
        assert_eq!(moment_text(3_000_000.0, false), None);
        assert_eq!(clock(1.5625), "37:30:00");
    }
}
