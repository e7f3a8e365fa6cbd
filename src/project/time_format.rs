//! strftime formats of dates and times, checked before any export is read.

use chrono::format::{Fixed, Item, Numeric, StrftimeItems};

const EXAMPLES: &str = "as in strftime: `%Y-%m-%d`, `%d.%m.%Y %H:%M:%S`";

/// Why a text is not a format, and what to write.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FormatError {
    pub(crate) message: String,
    pub(crate) help: String,
}

/// A format of dates: it holds a year.
pub(crate) fn check_date(text: &str) -> Result<(), FormatError> {
    check(text, holds_a_year, "a year")
}

/// A format of times: it holds an hour.
pub(crate) fn check_time(text: &str) -> Result<(), FormatError> {
    check(text, holds_an_hour, "an hour")
}

/// Checks a format, a part of which `holds` what is needed.
fn check(text: &str, holds: impl Fn(&Item<'_>) -> bool, needed: &str) -> Result<(), FormatError> {
    let items: Vec<Item<'_>> = StrftimeItems::new(text).collect();
    if items.iter().any(|item| matches!(item, Item::Error)) {
        return Err(FormatError {
            message: format!("`{text}` is not a time format"),
            help: EXAMPLES.into(),
        });
    }
    if let Some((message, help)) = items.iter().find_map(what_is_not_read) {
        return Err(FormatError {
            message: format!("`{text}`: {message}"),
            help: help.into(),
        });
    }
    if items
        .iter()
        .any(|item| matches!(item, Item::Numeric(Numeric::Hour12, _)))
        && !items.iter().any(is_half_of_a_day)
    {
        return Err(FormatError {
            message: format!("`{text}` does not say which half of the day"),
            help: "`%I` and `%l` count to 12 and go with `%p` (AM, PM); `%H` counts to 23".into(),
        });
    }
    if items.iter().any(holds) {
        return Ok(());
    }
    let meant = strftime_of(text).filter(|_| !text.contains('%'));
    Err(FormatError {
        message: format!("`{text}` does not hold {needed}"),
        help: meant.map_or(EXAMPLES.into(), |format| {
            format!("did you mean `{format}`?")
        }),
    })
}

/// Why a part would read something else than the export means, and what to write.
fn what_is_not_read(item: &Item<'_>) -> Option<(&'static str, &'static str)> {
    match item {
        // chrono passes over whatever stands there, or nothing
        Item::Fixed(Fixed::TimezoneName) => Some((
            "`%Z`, the name of a zone, is not read, since names such as `CST` mean several zones",
            "an offset is `%z` (`+0100`, `+01:00`, `Z`, `UTC`); where all times are of one zone, write its name as the export does (`%H:%M:%S CET`) and say `zone: Europe/Stockholm` beside `times`",
        )),
        // `.5` would be five nanoseconds
        Item::Numeric(Numeric::Nanosecond, _) => Some((
            "`%f` counts nanoseconds, so that `.5` would not be half a second",
            "write `%S%.f` for seconds with a fraction, if there is one; `%3f`, `%6f` or `%9f` for so many digits without a point",
        )),
        _ => None,
    }
}

fn holds_a_year(item: &Item<'_>) -> bool {
    use Numeric::{IsoYear, IsoYearDiv100, IsoYearMod100, Timestamp, Year, YearDiv100, YearMod100};
    match item {
        Item::Numeric(numeric, _) => matches!(
            numeric,
            Year | YearDiv100 | YearMod100 | IsoYear | IsoYearDiv100 | IsoYearMod100 | Timestamp
        ),
        item => is_whole_time(item),
    }
}

fn holds_an_hour(item: &Item<'_>) -> bool {
    match item {
        Item::Numeric(numeric, _) => {
            matches!(
                numeric,
                Numeric::Hour | Numeric::Hour12 | Numeric::Timestamp
            )
        }
        item => is_whole_time(item),
    }
}

fn is_half_of_a_day(item: &Item<'_>) -> bool {
    matches!(item, Item::Fixed(Fixed::LowerAmPm | Fixed::UpperAmPm))
}

/// `%+` and the like: date, time and offset at once.
fn is_whole_time(item: &Item<'_>) -> bool {
    matches!(item, Item::Fixed(Fixed::RFC2822 | Fixed::RFC3339))
}

/// `yyyy-MM-dd HH:mm:ss` of other tools in strftime's words.
fn strftime_of(text: &str) -> Option<String> {
    let mut format = text.to_string();
    // minutes and months differ by case alone in Java's words, and by place in Excel's
    for (theirs, ours) in [
        ("yyyy", "%Y"),
        ("YYYY", "%Y"),
        ("HH24", "%H"),
        ("HH", "%H"),
        ("hh", "%H"),
        (":MM", ":%M"),
        (":mm", ":%M"),
        ("MI", "%M"),
        ("SS", "%S"),
        ("ss", "%S"),
        ("MM", "%m"),
        ("mm", "%m"),
        ("dd", "%d"),
        ("DD", "%d"),
        ("yy", "%y"),
        ("YY", "%y"),
    ] {
        format = format.replace(theirs, ours);
    }
    (format != text).then_some(format)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_other_tools_are_translated() {
        let meant = |text| strftime_of(text).unwrap();
        assert_eq!(meant("yyyy-MM-dd HH:mm:ss"), "%Y-%m-%d %H:%M:%S");
        assert_eq!(meant("DD.MM.YYYY"), "%d.%m.%Y");
        assert_eq!(meant("yyyymmdd"), "%Y%m%d");
        assert_eq!(strftime_of("%Q"), None);
    }

    #[test]
    fn a_date_needs_a_year_and_a_time_an_hour() {
        assert!(check_date("%d.%m.%-Y").is_ok() && check_date("%d.%m").is_err());
        assert!(check_time("%Y-%m-%d %H:%M").is_ok() && check_time("%Y-%m-%d").is_err());
        for year in [
            "%y%m%d",
            "%F",
            "%D",
            "%x",
            "%G-W%V-%u",
            "%v",
            "%c",
            "%+",
            "%s",
            "%_Y",
        ] {
            assert_eq!(check_date(year), Ok(()), "{year}");
        }
        for hour in [
            "%k", "%T", "%R", "%r", "%X", "%c", "%+", "%s", "%I %P", "%-l %p",
        ] {
            assert_eq!(check_time(hour), Ok(()), "{hour}");
        }
        for none in ["%%Y", "%m", "%T"] {
            assert!(check_date(none).is_err(), "{none}");
        }
    }

    #[test]
    fn what_would_be_read_as_something_else_is_refused_with_what_to_write() {
        let help = |text| check_time(text).unwrap_err().help;
        assert!(help("%F %T %Z").contains("`%z`"));
        assert!(help("%F %T.%f").contains("`%S%.f`"));
        assert!(help("%F %I:%M:%S").contains("`%p`"));
        assert!(help("%F %l").contains("`%p`"));
        for right in [
            "%F %T%.f",
            "%F %T,%3f",
            "%F %T%.6f %z",
            "%F %r",
            "%F %T %:z",
        ] {
            assert_eq!(check_time(right), Ok(()), "{right}");
        }
    }
}
