//! What a text could be: a number in one of several styles, a date, a time, a truth. Pure; one value decides nothing, a
//! [`super::tally::Tally`] of all of them does.

use crate::project::DEFAULT_FIRST_YEAR;

/// strftime formats of dates that are tried, the first of equals wins; a bit of [`Moment::formats`] each.
pub(super) const DATE_FORMATS: [&str; 15] = [
    "%Y-%m-%d",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%Y/%m/%d",
    "%m-%d-%Y",
    "%d.%m.%y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d %B %Y",
    "%B %d, %Y",
    "%d-%b-%Y",
    "%d-%b-%y",
    COMPACT,
];
/// Formats that differ in nothing but the order of day and month: a reader that knows both reads half of all days wrong.
pub(super) const DAY_ORDERS: [[&str; 2]; 3] = [
    ["%d/%m/%Y", "%m/%d/%Y"],
    ["%d-%m-%Y", "%m-%d-%Y"],
    ["%d/%m/%y", "%m/%d/%y"],
];
/// Eight digits: a date only where its column's name says so.
pub(super) const COMPACT: &str = "%Y%m%d";

/// As clocks of formats name them: by the first three letters, or in full.
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// Units that stand before or behind numbers.
const UNITS: [&str; 17] = [
    "$", "€", "£", "%", "kr.", "kr", "SEK", "NOK", "DKK", "EUR", "USD", "GBP", "st", "pcs", "kg",
    "km", "min",
];

/// Words that people and programs write where nothing is known.
const NULL_WORDS: [&str; 12] = [
    "NULL", "null", "N/A", "n/a", "NA", "#N/A", "None", "nan", "NaN", "\\N", "-", "(null)",
];

/// What a single text could be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    /// `true`, `no`, `y`: by its first letter, in lower case.
    Truth(char),
    Number(Number),
    /// `1.5e-7`
    Exponent(f64),
    Moment(Moment),
    Text,
}

/// A number as it is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Number {
    /// Digits before the decimal sign.
    pub(super) whole: usize,
    /// Digits behind it.
    pub(super) scale: usize,
    pub(super) decimal: Option<char>,
    /// Sign between groups of three.
    pub(super) group: Option<char>,
    /// One sign before exactly three digits: `1.234` may be a thousand or one and a bit.
    pub(super) is_doubtful: bool,
    /// `007`
    pub(super) is_padded: bool,
    pub(super) unit: Option<&'static str>,
    /// How it says that it is negative, where that is no minus in front: a word of `negatives`.
    pub(super) negative: Option<&'static str>,
    pub(super) value: f64,
}

/// A date, perhaps with a time of day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Moment {
    /// Which of [`DATE_FORMATS`] read it as a day of the calendar.
    pub(super) formats: u16,
    pub(super) clock: Option<Clock>,
    /// Year, month and day as `yyyymmdd`, by the first of those formats.
    pub(super) day: i32,
}

/// How a time of day is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Clock {
    /// `T` between date and time, and not a space.
    pub(super) has_t: bool,
    pub(super) has_seconds: bool,
    pub(super) has_fraction: bool,
    pub(super) has_offset: bool,
    /// `2:15 PM`
    pub(super) is_of_twelve: bool,
}

/// Whether a text is a word for nothing.
pub(super) fn is_null_word(text: &str) -> bool {
    NULL_WORDS.contains(&text)
}

/// The shape of a text without white space around it.
pub(super) fn shape(text: &str) -> Shape {
    let Some(first) = text.bytes().next() else {
        return Shape::Text;
    };
    if text.len() > 40 {
        return Shape::Text;
    }
    if (first.is_ascii_digit() || month(text).is_some())
        && let Some(moment) = moment(text)
    {
        return Shape::Moment(moment);
    }
    if let Some(number) = number(text) {
        return Shape::Number(number);
    }
    if text.contains(['e', 'E'])
        && text.bytes().any(|byte| byte.is_ascii_digit())
        && let Ok(value) = text.parse::<f64>()
        && value.is_finite()
    {
        return Shape::Exponent(value);
    }
    match text.to_ascii_lowercase().as_str() {
        "true" => Shape::Truth('t'),
        "false" => Shape::Truth('f'),
        "yes" => Shape::Truth('y'),
        "no" => Shape::Truth('n'),
        "t" => Shape::Truth('T'),
        "f" => Shape::Truth('F'),
        "y" => Shape::Truth('Y'),
        "n" => Shape::Truth('N'),
        _ => Shape::Text,
    }
}

fn number(text: &str) -> Option<Number> {
    // phone numbers begin so, amounts hardly ever
    if text.starts_with('+') {
        return None;
    }
    let inner = text
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'));
    let (form, text) = match (inner, text.strip_suffix('-')) {
        // `(212)` is an area before it is an amount
        (Some(inner), _) if inner.contains(['.', ',']) => (Some("parentheses"), inner.trim()),
        (Some(_), _) => return None,
        (None, Some(before)) => (Some("trailing_minus"), before.trim_end()),
        (None, None) => (None, text),
    };
    let (negative, rest) = match text.strip_prefix('-') {
        Some(_) if form.is_some() => return None,
        Some(rest) => (true, rest.trim_start()),
        None => (form.is_some(), text),
    };
    let (core, unit) = without_unit(rest);
    let (negative, core) = match (negative, core.strip_prefix('-')) {
        (false, Some(core)) if unit.is_some() => (true, core),
        _ => (negative, core),
    };
    let is_digit = |c: char| c.is_ascii_digit();
    if !core.starts_with(is_digit) || !core.ends_with(is_digit) {
        return None;
    }
    let separators: Vec<char> = core.chars().filter(|c| !is_digit(*c)).collect();
    let is_group_sign = |c: char| matches!(c, '.' | ',' | ' ' | '\'' | '\u{a0}' | '\u{202f}');
    if !separators.iter().copied().all(is_group_sign) {
        return None;
    }
    let parts: Vec<&str> = core.split(|c| !is_digit(c)).collect();
    // `0 123` is no thousand
    let of_three = |parts: &[&str]| {
        (1..=3).contains(&parts[0].len())
            && parts[1..].iter().all(|part| part.len() == 3)
            && (parts.len() == 1 || !parts[0].starts_with('0'))
    };
    let last = parts.len() - 1;
    let (decimal, group) = match separators[..] {
        [] => (None, None),
        [sign @ ('.' | ',')] => (Some(sign), None),
        [sign] => (None, of_three(&parts).then_some(Some(sign))?),
        [group, .., sign] if separators.iter().all(|c| *c == group) && of_three(&parts) => {
            (None, Some(sign))
        }
        [group, .., sign @ ('.' | ',')]
            if group != sign
                && separators[..last - 1].iter().all(|c| *c == group)
                && of_three(&parts[..last]) =>
        {
            (Some(sign), Some(group))
        }
        _ => return None,
    };
    let (whole, fraction) = match decimal {
        Some(_) => (parts[..last].concat(), parts[last]),
        None => (parts.concat(), ""),
    };
    let value: f64 = format!("{whole}.{fraction}0").parse().ok()?;
    Some(Number {
        whole: whole.trim_start_matches('0').len().max(1),
        scale: fraction.len(),
        decimal,
        group,
        is_doubtful: decimal.is_some()
            && group.is_none()
            && fraction.len() == 3
            && of_three(&parts),
        is_padded: parts[0].len() > 1 && parts[0].starts_with('0'),
        unit,
        negative: form,
        value: if negative { -value } else { value },
    })
}

fn without_unit(text: &str) -> (&str, Option<&'static str>) {
    if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return (text, None);
    }
    for unit in UNITS {
        let core = text
            .strip_suffix(unit)
            .or_else(|| text.strip_prefix(unit))
            .map(|core| core.trim_matches([' ', '\u{a0}']));
        if let Some(core) = core {
            return (core, Some(unit));
        }
    }
    (text, None)
}

fn moment(text: &str) -> Option<Moment> {
    let bytes = text.as_bytes();
    if bytes.len() == 8 && bytes.iter().all(u8::is_ascii_digit) {
        let number = |range: std::ops::Range<usize>| text[range].parse::<i32>().ok();
        let (year, month, day) = (number(0..4)?, number(4..6)?, number(6..8)?);
        return ((1900..2100).contains(&year) && is_day(year, month, day)).then_some(Moment {
            formats: 1 << (DATE_FORMATS.len() - 1),
            clock: None,
            day: year * 10_000 + month * 100 + day,
        });
    }
    let (formats, day, end) = match with_month(text) {
        Some(found) => found,
        None => {
            let end = text.find(['T', 't', ' ']).unwrap_or(text.len());
            let (formats, day) = date(&text[..end])?;
            (formats, day, end)
        }
    };
    let clock = match text.get(end + 1..) {
        None => None,
        Some(rest) => Some(clock(rest, !text[end..].starts_with(' '))?),
    };
    Some(Moment {
        formats,
        clock,
        day,
    })
}

/// The formats that read a date, and the day by the first of them.
fn date(text: &str) -> Option<(u16, i32)> {
    let sign = text.chars().find(|c| !c.is_ascii_digit())?;
    let mut parts = text.split(sign);
    let (first, second, third) = (parts.next()?, parts.next()?, parts.next()?);
    let is_plain = |part: &str| {
        (1..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    if parts.next().is_some() || ![first, second, third].into_iter().all(is_plain) {
        return None;
    }
    let number = |part: &str| part.parse::<i32>().ok();
    let (a, b, c) = (number(first)?, number(second)?, number(third)?);
    let short = |part: &str| part.len() <= 2;
    // format, year, month, day
    let readings: &[(usize, i32, i32, i32)] = match (sign, first.len(), third.len()) {
        // ISO wants its zeros
        ('-', 4, 2) if second.len() == 2 => &[(0, a, b, c)],
        ('/', 4, 1 | 2) => &[(5, a, b, c)],
        ('.', 1 | 2, 4) => &[(1, c, b, a)],
        ('/', 1 | 2, 4) => &[(2, c, b, a), (3, c, a, b)],
        ('-', 1 | 2, 4) => &[(4, c, b, a), (6, c, a, b)],
        ('.', 1 | 2, 2) => &[(7, century(c), b, a)],
        ('/', 1 | 2, 2) => &[(8, century(c), b, a), (9, century(c), a, b)],
        _ => &[],
    };
    let mut formats = 0;
    let mut found = None;
    for (format, year, month, day) in readings {
        if short(second) && is_day(*year, *month, *day) {
            formats |= 1 << format;
            found = found.or(Some(year * 10_000 + month * 100 + day));
        }
    }
    Some((formats, found?))
}

/// The same of a date whose month has its name, and where it ends.
fn with_month(text: &str) -> Option<(u16, i32, usize)> {
    let digits = |text: &str, most: usize| {
        let length = text.bytes().take_while(u8::is_ascii_digit).count();
        let number = text
            .get(..length)
            .filter(|_| (1..=most).contains(&length))?;
        Some((number.parse::<i32>().ok()?, length))
    };
    // format, year, month, day, what is left
    let (format, year, month, day, rest) = match month(text) {
        Some((month, length)) => {
            let rest = text[length..].strip_prefix(' ')?;
            let (day, length) = digits(rest, 2)?;
            let rest = rest[length..].strip_prefix(", ")?;
            let (year, length) = digits(rest, 4).filter(|(_, length)| *length == 4)?;
            ("%B %d, %Y", year, month, day, &rest[length..])
        }
        None => {
            let (day, length) = digits(text, 2)?;
            let rest = &text[length..];
            let sign = rest
                .chars()
                .next()
                .filter(|sign| matches!(sign, ' ' | '-'))?;
            let (month, length) = month(&rest[1..])?;
            let rest = rest[1 + length..].strip_prefix(sign)?;
            let (year, digits) = digits(rest, 4)?;
            let (format, year) = match (sign, length, digits) {
                (' ', _, 4) => ("%d %B %Y", year),
                ('-', 3, 4) => ("%d-%b-%Y", year),
                ('-', 3, 2) => ("%d-%b-%y", century(year)),
                _ => return None,
            };
            (format, year, month, day, &rest[digits..])
        }
    };
    let format = DATE_FORMATS.iter().position(|known| *known == format)?;
    let ends = rest.is_empty() || rest.starts_with([' ', 'T', 't']);
    (ends && is_day(year, month, day)).then_some((
        1 << format,
        year * 10_000 + month * 100 + day,
        text.len() - rest.len(),
    ))
}

/// The month whose name a text begins with, and how long that is.
fn month(text: &str) -> Option<(i32, usize)> {
    let length = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let name = text[..length].to_ascii_lowercase();
    let mut months = (1..).zip(MONTHS);
    let is_it = |month: &str| name == month || name == month[..3];
    let (number, _) = months.find(|(_, month)| is_it(month))?;
    Some((number, length))
}

/// As readers take it where nothing is said.
fn century(year: i32) -> i32 {
    DEFAULT_FIRST_YEAR + (year - DEFAULT_FIRST_YEAR).rem_euclid(100)
}

fn is_day(year: i32, month: i32, day: i32) -> bool {
    let (month, day) = (month.unsigned_abs(), day.unsigned_abs());
    chrono::NaiveDate::from_ymd_opt(year, month, day).is_some()
}

fn clock(text: &str, has_t: bool) -> Option<Clock> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '.' | ',')));
    let (time, zone) = text.split_at(end.unwrap_or(text.len()));
    let mut parts = time.split(':');
    let (hour, minute) = (parts.next()?, parts.next()?);
    let second = parts.next();
    let is_below = |part: &str, limit: u32| part.parse::<u32>().is_ok_and(|n| n < limit);
    let (second, fraction) = match second.map(|part| part.split_once(['.', ','])) {
        Some(Some((second, fraction))) => (Some(second), Some(fraction)),
        Some(None) => (second, None),
        None => (None, None),
    };
    let is_clock = parts.next().is_none()
        && (1..=2).contains(&hour.len())
        && is_below(hour, 24)
        && minute.len() == 2
        && is_below(minute, 60)
        && second.is_none_or(|second| second.len() == 2 && is_below(second, 60))
        && fraction.is_none_or(|f| {
            (1..=9).contains(&f.len()) && f.bytes().all(|byte| byte.is_ascii_digit())
        });
    let zone = zone.strip_prefix(' ').unwrap_or(zone);
    let is_of_twelve = matches!(zone, "AM" | "PM" | "am" | "pm");
    if is_of_twelve && !(1..=12).contains(&hour.parse::<u32>().ok()?) {
        return None;
    }
    let zone = if is_of_twelve { "" } else { zone };
    let is_offset = |zone: &str| {
        let digits = zone
            .strip_prefix(['+', '-'])
            .map(|rest| rest.replace(':', ""));
        digits.is_some_and(|d| matches!(d.len(), 2 | 4) && d.bytes().all(|b| b.is_ascii_digit()))
    };
    let has_offset = !zone.is_empty();
    let is_zone = !has_offset || matches!(zone, "Z" | "z" | "UTC") || is_offset(zone);
    (is_clock && is_zone).then_some(Clock {
        has_t,
        has_seconds: second.is_some(),
        has_fraction: fraction.is_some(),
        has_offset,
        is_of_twelve,
    })
}

/// A text with what it says taken out: each run of letters is `a`, each digit `9`, everything else stays.
///
/// Shows how a column is written, and no value of it.
pub(super) fn pattern(text: &str) -> String {
    const LONGEST: usize = 32;
    let mut pattern = String::new();
    let mut is_in_word = false;
    for c in text.chars() {
        if pattern.len() > LONGEST {
            pattern.push('…');
            break;
        }
        let is_letter = c.is_alphabetic();
        match c {
            _ if is_letter && is_in_word => {}
            _ if is_letter => pattern.push('a'),
            _ if c.is_numeric() => pattern.push('9'),
            _ if c.is_control() => pattern.push('¶'),
            c => pattern.push(c),
        }
        is_in_word = is_letter;
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formats(text: &str) -> Vec<&'static str> {
        match shape(text) {
            Shape::Moment(moment) => (0..DATE_FORMATS.len())
                .filter(|at| moment.formats & (1 << at) != 0)
                .map(|at| DATE_FORMATS[at])
                .collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn dates_are_read_by_every_format_that_fits_the_calendar() {
        assert_eq!(formats("2024-02-29"), ["%Y-%m-%d"]);
        assert_eq!(formats("31.12.2024"), ["%d.%m.%Y"]);
        assert_eq!(formats("3/4/2024"), ["%d/%m/%Y", "%m/%d/%Y"]);
        assert_eq!(formats("13/4/2024 08:26"), ["%d/%m/%Y"]);
        assert_eq!(formats("20240229"), ["%Y%m%d"]);
        assert_eq!(formats("31.02.2024"), [""; 0]);
        assert_eq!(formats("1.2.3.4"), [""; 0]);
        assert_eq!(formats("2024-03-01T08:00:00.5+01:00"), ["%Y-%m-%d"]);
        assert_eq!(formats("2024-03-01 25:00"), [""; 0]);
    }

    fn number_of(text: &str) -> Option<(f64, Option<char>, Option<char>, bool)> {
        match shape(text) {
            Shape::Number(n) => Some((n.value, n.decimal, n.group, n.is_doubtful)),
            _ => None,
        }
    }

    #[test]
    fn numbers_are_read_in_the_styles_of_several_countries() {
        assert_eq!(
            number_of("1 234,50"),
            Some((1234.5, Some(','), Some(' '), false))
        );
        assert_eq!(
            number_of("-1.234.567"),
            Some((-1_234_567.0, None, Some('.'), false))
        );
        assert_eq!(
            number_of("1,234.5"),
            Some((1234.5, Some('.'), Some(','), false))
        );
        assert_eq!(number_of("1,234"), Some((1.234, Some(','), None, true)));
        assert_eq!(number_of("$74.69"), Some((74.69, Some('.'), None, false)));
        assert_eq!(number_of("1,5 st"), Some((1.5, Some(','), None, false)));
        assert_eq!(number_of("070 123 45 67"), None);
        assert_eq!(number_of("+46701234567"), None);
        assert_eq!(number_of("85123A"), None);
        assert_eq!(number_of("1.2.2024x"), None);
    }

    #[test]
    fn a_pattern_shows_the_form_and_not_the_value() {
        assert_eq!(pattern("Anna.Lind@example.com"), "a.a@a.a");
        assert_eq!(pattern("070-123 45 67"), "999-999 99 99");
    }
}
