//! strftime formats of dates and times, checked before any export is read.

use chrono::format::{Item, StrftimeItems};

const EXAMPLES: &str = "as in strftime: `%Y-%m-%d`, `%d.%m.%Y %H:%M:%S`";

/// Why a text is not a format, and what to write.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FormatError {
    pub(crate) message: String,
    pub(crate) help: String,
}

/// A format of dates: it holds a year.
pub(crate) fn check_date(text: &str) -> Result<(), FormatError> {
    check(
        text,
        &[
            "%Y", "%y", "%C", "%F", "%D", "%x", "%G", "%v", "%c", "%+", "%s",
        ],
        "a year",
    )
}

/// A format of times: it holds an hour.
pub(crate) fn check_time(text: &str) -> Result<(), FormatError> {
    check(
        text,
        &[
            "%H", "%I", "%k", "%l", "%T", "%R", "%r", "%X", "%c", "%+", "%s",
        ],
        "an hour",
    )
}

/// Checks a format, which must hold one of `parts`; they stand for `needed`.
fn check(text: &str, parts: &[&str], needed: &str) -> Result<(), FormatError> {
    if StrftimeItems::new(text).any(|item| matches!(item, Item::Error)) {
        return Err(FormatError {
            message: format!("`{text}` is not a time format"),
            help: EXAMPLES.into(),
        });
    }
    let flagless = text
        .replace("%-", "%")
        .replace("%_", "%")
        .replace("%0", "%");
    if parts.iter().any(|part| flagless.contains(part)) {
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
    }
}
