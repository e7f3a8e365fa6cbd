//! Text → dates and times, by strftime formats or ISO 8601. Pure.
//!
//! Formats are compiled once. What they hold in practice (years, months, days, clock, offset) is matched by hand; anything
//! rarer (names of months, weeks) goes to chrono. Both say whether the shape or the calendar is at fault.

use chrono::format::{
    Item, Numeric, ParseError, ParseErrorKind, ParseResult, Parsed, StrftimeItems, parse,
    parse_and_remainder,
};
use chrono::{DateTime, Datelike, Timelike, Weekday};

use crate::ingest::rule::Rule;
use crate::project::DEFAULT_FIRST_YEAR;

const MICROS: i64 = 1_000_000;
const DAY_SECONDS: i64 = 86_400;

/// A point on somebody's wall: fields of a calendar and a clock, perhaps with an offset from UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moment {
    year: i32,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
    micros: u32,
    /// Seconds east of UTC.
    pub(crate) offset: Option<i32>,
}

impl Moment {
    /// Days since 1970-01-01; `None` for a day that no calendar has.
    pub(crate) fn days(&self) -> Option<i32> {
        if !(1..=9999).contains(&self.year) {
            return None;
        }
        let leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        let length = match self.month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            _ => return None,
        };
        if !(1..=length).contains(&self.day) {
            return None;
        }
        // days from civil: years that begin in March, so that the leap day is the last
        let year = self.year - i32::from(self.month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let month = (self.month as i32 + 9) % 12;
        let day_of_year = (153 * month + 2) / 5 + self.day as i32 - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        Some(era * 146_097 + day_of_era - 719_468)
    }

    /// The moment so many microseconds after 1970-01-01 on the same wall; `None` outside the years 1 to 9999.
    fn of_micros(micros: i64, offset: Option<i32>) -> Option<Self> {
        let moment = DateTime::from_timestamp_micros(micros)?.naive_utc();
        (1..=9999).contains(&moment.year()).then(|| Self {
            year: moment.year(),
            month: moment.month(),
            day: moment.day(),
            hour: moment.hour(),
            minute: moment.minute(),
            second: moment.second(),
            micros: moment.nanosecond() / 1_000,
            offset,
        })
    }

    fn is_midnight(&self) -> bool {
        (self.hour, self.minute, self.second, self.micros) == (0, 0, 0, 0)
    }

    /// Microseconds since 1970-01-01 on the same wall, offset left aside; `None` for what no calendar or clock shows.
    pub(crate) fn local_micros(&self) -> Option<i64> {
        if self.hour > 23 || self.minute > 59 || self.second > 59 {
            return None;
        }
        let seconds = i64::from(self.hour * 3600 + self.minute * 60 + self.second);
        let days = i64::from(self.days()?);
        Some((days * DAY_SECONDS + seconds) * MICROS + i64::from(self.micros))
    }
}

/// The first and the last day that every reader of tables knows, as days since 1970: 0001-01-01 and 9999-12-31.
const FIRST_DAY: i32 = -719_162;
const LAST_DAY: i32 = 2_932_896;

/// Whether days since 1970 are a day that every reader of tables knows: of the years 1 to 9999.
pub(crate) fn is_known_day(days: i32) -> bool {
    (FIRST_DAY..=LAST_DAY).contains(&days)
}

/// The same of microseconds since 1970. A time of such a day may be none in UTC.
pub(crate) fn is_known_time(micros: i64) -> bool {
    i32::try_from(micros.div_euclid(DAY_SECONDS * MICROS)).is_ok_and(is_known_day)
}

/// A declared format.
#[derive(Clone, Debug)]
pub(crate) enum Pattern {
    /// `YYYY-MM-DD`, for times followed by `T` or a space, a clock, a fraction and an offset, each optional in turn.
    Iso,
    /// Fields in order.
    Fields(Vec<Field>),
    /// A strftime format that only chrono reads, and the first of the hundred years that years of two digits mean.
    Chrono(String, i32),
    /// Days since 1900, or since 1904, as spreadsheets count them; the fraction is the time of day.
    Excel { from_1904: bool },
    /// So many units of a second since 1970 in UTC.
    Epoch { units: i64 },
}

impl Pattern {
    /// Whether it reads bare numbers.
    pub(crate) fn reads_numbers(&self) -> bool {
        matches!(self, Self::Excel { .. } | Self::Epoch { .. })
    }

    /// The same where years of two digits are of the hundred years from this one on.
    pub(crate) fn with_two_digit_years_from(self, first: i32) -> Self {
        let field = |field| match field {
            Field::YearOfCentury(_) => Field::YearOfCentury(first),
            field => field,
        };
        match self {
            Self::Fields(fields) => Self::Fields(fields.into_iter().map(field).collect()),
            Self::Chrono(format, _) => Self::Chrono(format, first),
            other => other,
        }
    }

    /// The same for numbers of a workbook whose days count from 1904.
    pub(crate) fn counted_from_1904(&self) -> Self {
        match self {
            Self::Excel { .. } => Self::Excel { from_1904: true },
            other => other.clone(),
        }
    }
}

/// One piece of a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Year,
    /// Two digits, of the hundred years from this one on.
    YearOfCentury(i32),
    Month,
    Day,
    Hour,
    Minute,
    Second,
    /// `.` and up to nine digits, or nothing.
    Fraction,
    Offset,
    Literal(u8),
}

/// The year of the hundred from `first` on that ends in the same two digits.
fn of_hundred(year: i32, first: i32) -> i32 {
    first + (year - first).rem_euclid(100)
}

/// Compiles a strftime format, or the name of a way to count.
pub(crate) fn compile(format: &str) -> Pattern {
    match format {
        "excel" => return Pattern::Excel { from_1904: false },
        "epoch" => return Pattern::Epoch { units: 1 },
        "epoch_ms" => return Pattern::Epoch { units: 1_000 },
        "epoch_us" => return Pattern::Epoch { units: MICROS },
        _ => {}
    }
    let mut fields = Vec::new();
    let mut rest = format;
    while let Some(c) = rest.chars().next() {
        if c != '%' {
            let literal = &rest[..c.len_utf8()];
            fields.extend(literal.bytes().map(Field::Literal));
            rest = &rest[literal.len()..];
            continue;
        }
        let Some((specifier, pieces)) = SPECIFIERS
            .iter()
            .find(|(specifier, _)| rest[1..].starts_with(specifier))
        else {
            return Pattern::Chrono(format.to_string(), DEFAULT_FIRST_YEAR);
        };
        fields.extend_from_slice(pieces);
        rest = &rest[1 + specifier.len()..];
    }
    Pattern::Fields(fields)
}

const SPECIFIERS: &[(&str, &[Field])] = &[
    ("Y", &[Field::Year]),
    ("y", &[Field::YearOfCentury(DEFAULT_FIRST_YEAR)]),
    ("m", &[Field::Month]),
    ("-m", &[Field::Month]),
    ("d", &[Field::Day]),
    ("-d", &[Field::Day]),
    ("H", &[Field::Hour]),
    ("-H", &[Field::Hour]),
    ("M", &[Field::Minute]),
    ("S", &[Field::Second]),
    (".f", &[Field::Fraction]),
    (".3f", &[Field::Fraction]),
    (".6f", &[Field::Fraction]),
    ("z", &[Field::Offset]),
    (":z", &[Field::Offset]),
    ("%", &[Field::Literal(b'%')]),
    (
        "F",
        &[
            Field::Year,
            Field::Literal(b'-'),
            Field::Month,
            Field::Literal(b'-'),
            Field::Day,
        ],
    ),
    (
        "T",
        &[
            Field::Hour,
            Field::Literal(b':'),
            Field::Minute,
            Field::Literal(b':'),
            Field::Second,
        ],
    ),
    ("R", &[Field::Hour, Field::Literal(b':'), Field::Minute]),
];

/// What a text is to a list of formats.
enum Attempt {
    Found(Moment),
    /// The shape is right, the calendar has no such day.
    Impossible,
    Other,
}

/// A date as days since 1970-01-01, by the first format that fits; none given: ISO 8601, to which a midnight may be added,
/// as databases and data frames write their dates: `2026-03-01 00:00:00`.
///
/// # Errors
/// `ImpossibleDate`, `NumberAsDate` or `NotADate`.
pub(crate) fn date(text: &[u8], patterns: &[Pattern]) -> Result<i32, Rule> {
    let text = text.trim_ascii();
    let mut impossible = false;
    for pattern in patterns {
        match attempt(text, pattern, false) {
            Attempt::Found(moment) => match moment.days() {
                Some(days) => return Ok(days),
                None => impossible = true,
            },
            Attempt::Impossible => impossible = true,
            Attempt::Other => {}
        }
    }
    Err(explain(text, impossible, Rule::NotADate))
}

/// A time as microseconds, by the first format that fits; none given: ISO 8601. The second value is the offset from
/// UTC in seconds where the text has one; the first is then still the local clock's.
///
/// # Errors
/// `ImpossibleDate`, `NumberAsDate` or `NotATimestamp`.
pub(crate) fn time(text: &[u8], patterns: &[Pattern]) -> Result<(i64, Option<i32>), Rule> {
    let text = text.trim_ascii();
    let mut impossible = false;
    for pattern in patterns {
        match attempt(text, pattern, true) {
            Attempt::Found(moment) => match moment.local_micros() {
                Some(micros) => return Ok((micros, moment.offset)),
                None => impossible = true,
            },
            Attempt::Impossible => impossible = true,
            Attempt::Other => {}
        }
    }
    Err(explain(text, impossible, Rule::NotATimestamp))
}

/// The rule that a text broke which no format reads.
fn explain(text: &[u8], impossible: bool, otherwise: Rule) -> Rule {
    if impossible {
        Rule::ImpossibleDate
    } else if is_number(text) {
        Rule::NumberAsDate
    } else {
        otherwise
    }
}

/// Digits with at most one decimal sign: `45321`, `45321,5`.
fn is_number(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let signs = digits.iter().filter(|b| matches!(b, b'.' | b',')).count();
    digits.first().is_some_and(u8::is_ascii_digit)
        && signs <= 1
        && digits
            .iter()
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b','))
}

fn attempt(text: &[u8], pattern: &Pattern, with_time: bool) -> Attempt {
    let found = match pattern {
        Pattern::Iso => iso(text, with_time),
        Pattern::Fields(fields) => by_fields(text, fields),
        Pattern::Chrono(format, first) => return by_chrono(text, format, *first, with_time),
        Pattern::Excel { from_1904 } => return by_excel(text, *from_1904, with_time),
        Pattern::Epoch { units } => return by_epoch(text, *units),
    };
    found.map_or(Attempt::Other, Attempt::Found)
}

/// Days since 1900 or 1904, to the millisecond: what lies beyond is noise of doubles. A date is a whole day.
fn by_excel(text: &[u8], from_1904: bool, with_time: bool) -> Attempt {
    const FIRST: f64 = 1.0;
    /// The day after 9999-12-31.
    const END: f64 = 2_958_466.0;
    const DAY_MILLIS: f64 = 86_400_000.0;
    /// Days between the two calendars of spreadsheets.
    const FROM_1904: f64 = 1_462.0;
    /// Days from the first of spreadsheets, 1899-12-30 from March 1900 on, to 1970.
    const TO_1970: i64 = 25_569;
    let is_positive = text.first().is_some_and(u8::is_ascii_digit);
    let days = std::str::from_utf8(text)
        .ok()
        .filter(|_| is_positive && is_number(text));
    let days = days.and_then(|text| text.replace(',', ".").parse::<f64>().ok());
    let days = days.map(|days| if from_1904 { days + FROM_1904 } else { days });
    let Some(days) = days.filter(|days| (FIRST..END).contains(days)) else {
        return Attempt::Other;
    };
    // 1900 had no 29 February, except in spreadsheets
    if (60.0..61.0).contains(&days) {
        return Attempt::Impossible;
    }
    let days = if days < 60.0 { days + 1.0 } else { days };
    let millis = (days * DAY_MILLIS).round() as i64 - TO_1970 * DAY_SECONDS * 1_000;
    match Moment::of_micros(millis * 1_000, None) {
        Some(moment) if with_time || moment.is_midnight() => Attempt::Found(moment),
        _ => Attempt::Other,
    }
}

/// Units of a second since 1970 in UTC; finer digits than µs are cut, since the type has none.
fn by_epoch(text: &[u8], units: i64) -> Attempt {
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let point = digits.iter().position(|byte| matches!(byte, b'.' | b','));
    let (whole, fraction) = match point {
        Some(at) => (&digits[..at], &digits[at + 1..]),
        None => (digits, &digits[..0]),
    };
    let is_number = |digits: &[u8]| digits.iter().all(u8::is_ascii_digit);
    if whole.is_empty()
        || !is_number(whole)
        || !is_number(fraction)
        || point == Some(digits.len() - 1)
    {
        return Attempt::Other;
    }
    let step = MICROS / units;
    let mut micros = Some(0_i64);
    for digit in whole {
        let next = micros.and_then(|value| value.checked_mul(10));
        micros = next.and_then(|value| value.checked_add(i64::from(digit - b'0')));
    }
    let mut micros = micros.and_then(|value| value.checked_mul(step));
    let mut place = step;
    for digit in fraction {
        place /= 10;
        micros = micros.and_then(|value| value.checked_add(place * i64::from(digit - b'0')));
    }
    let micros = micros.map(|value| if is_negative { -value } else { value });
    micros
        .and_then(|micros| Moment::of_micros(micros, Some(0)))
        .map_or(Attempt::Impossible, Attempt::Found)
}

/// Reads digits off the front of a text.
struct Digits<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Digits<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn is_done(&self) -> bool {
        self.at == self.text.len()
    }

    fn literal(&mut self, byte: u8) -> Option<()> {
        (self.peek() == Some(byte)).then(|| self.at += 1)
    }

    /// Exactly `count` digits.
    fn exactly(&mut self, count: usize) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + count)?;
        let mut value = 0;
        for digit in digits {
            if !digit.is_ascii_digit() {
                return None;
            }
            value = value * 10 + u32::from(digit - b'0');
        }
        self.at += count;
        Some(value)
    }

    /// Two digits; one is enough where `may_be_one`.
    fn two(&mut self, may_be_one: bool) -> Option<u32> {
        self.exactly(2)
            .or_else(|| if may_be_one { self.exactly(1) } else { None })
    }

    /// Digits after a decimal sign, as microseconds; finer ones are cut, since the type has none.
    fn fraction(&mut self) -> Option<u32> {
        let mut micros = 0;
        let mut count = 0;
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            if count < 6 {
                micros = micros * 10 + u32::from(digit - b'0');
            }
            count += 1;
            self.at += 1;
        }
        (1..=9)
            .contains(&count)
            .then(|| micros * 10_u32.pow(6_u32.saturating_sub(count)))
    }

    /// `Z`, `UTC`, `+02:00`, `+0200`, `+02`, in seconds east of UTC.
    fn offset(&mut self) -> Option<i32> {
        if matches!(self.peek(), Some(b'Z' | b'z')) {
            self.at += 1;
            return Some(0);
        }
        if self.text[self.at..].starts_with(b"UTC") {
            self.at += 3;
            return Some(0);
        }
        let sign = match self.peek()? {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        self.at += 1;
        let hours = self.exactly(2)?;
        let minutes = if self.is_done() {
            0
        } else {
            // the colon may be left out
            let _ = self.literal(b':');
            self.exactly(2)?
        };
        (hours <= 18 && minutes <= 59).then(|| sign * (hours * 3600 + minutes * 60) as i32)
    }
}

/// A day, and to the second the time of day where there is one: what nearly all are. `None`: look closer.
fn plain_iso(text: &[u8]) -> Option<Moment> {
    let pair = |at: usize| {
        let (tens, ones) = (text[at].wrapping_sub(b'0'), text[at + 1].wrapping_sub(b'0'));
        (tens <= 9 && ones <= 9).then(|| u32::from(tens) * 10 + u32::from(ones))
    };
    if !matches!(text.len(), 10 | 19) || (text[4], text[7]) != (b'-', b'-') {
        return None;
    }
    let mut moment = Moment {
        year: (pair(0)? * 100 + pair(2)?) as i32,
        month: pair(5)?,
        day: pair(8)?,
        ..Moment::default()
    };
    if text.len() == 19 {
        let is_divided = matches!(text[10], b'T' | b't' | b' ');
        if !is_divided || (text[13], text[16]) != (b':', b':') {
            return None;
        }
        (moment.hour, moment.minute, moment.second) = (pair(11)?, pair(14)?, pair(17)?);
    }
    Some(moment)
}

fn iso(text: &[u8], with_time: bool) -> Option<Moment> {
    if let Some(moment) = plain_iso(text).filter(|m| with_time || m.is_midnight()) {
        return Some(moment);
    }
    let mut digits = Digits::new(text);
    let mut moment = Moment {
        year: digits.exactly(4)? as i32,
        ..Moment::default()
    };
    digits.literal(b'-')?;
    moment.month = digits.exactly(2)?;
    digits.literal(b'-')?;
    moment.day = digits.exactly(2)?;
    if digits.is_done() {
        return Some(moment);
    }
    if digits.literal(b'T').is_none() && digits.literal(b't').is_none() {
        digits.literal(b' ')?;
    }
    // spreadsheets leave out the zero
    moment.hour = digits.two(true)?;
    digits.literal(b':')?;
    moment.minute = digits.exactly(2)?;
    if digits.literal(b':').is_some() {
        moment.second = digits.exactly(2)?;
        if digits.literal(b'.').is_some() || digits.literal(b',').is_some() {
            moment.micros = digits.fraction()?;
        }
    }
    if !digits.is_done() {
        let _ = digits.literal(b' ');
        moment.offset = Some(digits.offset()?);
    }
    // the midnight of another zone may be another day here, and a time of day would be lost
    let fits = with_time || (moment.offset.is_none() && moment.is_midnight());
    (digits.is_done() && fits).then_some(moment)
}

fn by_fields(text: &[u8], fields: &[Field]) -> Option<Moment> {
    let mut digits = Digits::new(text);
    let mut moment = Moment {
        year: 1970,
        month: 1,
        day: 1,
        ..Moment::default()
    };
    for (i, field) in fields.iter().enumerate() {
        // `1.2.2024` is plain where a sign or the end follows; `112024` would not be
        let short = !matches!(
            fields.get(i + 1),
            Some(Field::Year | Field::YearOfCentury(_) | Field::Month | Field::Day)
                | Some(Field::Hour | Field::Minute | Field::Second)
        );
        match field {
            Field::Year => moment.year = digits.exactly(4)? as i32,
            Field::YearOfCentury(first) => {
                moment.year = of_hundred(digits.exactly(2)? as i32, *first);
            }
            Field::Month => moment.month = digits.two(short)?,
            Field::Day => moment.day = digits.two(short)?,
            Field::Hour => moment.hour = digits.two(short)?,
            Field::Minute => moment.minute = digits.exactly(2)?,
            Field::Second => moment.second = digits.exactly(2)?,
            Field::Fraction => {
                if digits.literal(b'.').is_some() {
                    moment.micros = digits.fraction()?;
                }
            }
            Field::Offset => moment.offset = Some(digits.offset()?),
            Field::Literal(byte) => digits.literal(*byte)?,
        }
    }
    digits.is_done().then_some(moment)
}

fn by_chrono(text: &[u8], format: &str, first: i32, with_time: bool) -> Attempt {
    let Ok(text) = std::str::from_utf8(text) else {
        return Attempt::Other;
    };
    let mut parsed = Parsed::new();
    if let Err(error) = parse(&mut parsed, text, StrftimeItems::new(format)) {
        return match is_of_the_calendar(error) && has_shape(text, format) {
            true => Attempt::Impossible,
            false => Attempt::Other,
        };
    }
    let moment = in_hundred(&mut parsed, first).and_then(|()| moment_of(parsed, with_time));
    match moment {
        Ok(moment) => Attempt::Found(moment),
        Err(error) if is_of_the_calendar(error) => Attempt::Impossible,
        Err(_) => Attempt::Other,
    }
}

fn is_of_the_calendar(error: ParseError) -> bool {
    matches!(
        error.kind(),
        ParseErrorKind::OutOfRange | ParseErrorKind::Impossible
    )
}

/// Whether a text is of a format's shape, be it with numbers that no calendar and no clock has.
fn has_shape(mut text: &str, format: &str) -> bool {
    for item in StrftimeItems::new(format) {
        let rest = parse_and_remainder(&mut Parsed::new(), text, std::iter::once(&item));
        text = match (rest, &item) {
            (Ok(rest), _) => rest,
            (Err(error), Item::Numeric(numeric, _)) if is_of_the_calendar(error) => {
                let most = match numeric {
                    Numeric::Ordinal => 3,
                    Numeric::NumDaysFromSun | Numeric::WeekdayFromMon => 1,
                    _ => 2,
                };
                let number = text.trim_start();
                let digits = number.bytes().take(most).take_while(u8::is_ascii_digit);
                &number[digits.count()..]
            }
            (Err(_), _) => return false,
        };
    }
    text.is_empty()
}

/// What was read of a text; of a time without its minutes, the beginning of the hour.
fn moment_of(mut parsed: Parsed, with_time: bool) -> ParseResult<Moment> {
    begin_at_the_first_day(&mut parsed)?;
    let offset = parsed.offset().or(parsed.timestamp().map(|_| 0));
    let time = if with_time {
        if parsed.hour_mod_12().is_some() && parsed.minute().is_none() {
            parsed.set_minute(0)?;
        }
        parsed.to_naive_datetime_with_offset(offset.unwrap_or(0))?
    } else {
        parsed.to_naive_date()?.into()
    };
    Ok(Moment {
        year: time.year(),
        month: time.month(),
        day: time.day(),
        hour: time.hour(),
        minute: time.minute(),
        // chrono counts a leap second as the one before, and more than a second
        second: time.second() + time.nanosecond() / 1_000_000_000,
        micros: time.nanosecond() / 1000 % 1_000_000,
        offset: offset.filter(|_| with_time),
    })
}

/// Years of two digits become whole ones, before anything is made of them: a weekday, a leap day may hang on the century.
fn in_hundred(parsed: &mut Parsed, first: i32) -> ParseResult<()> {
    if let (Some(year), None, None) = (parsed.year_mod_100(), parsed.year(), parsed.year_div_100())
    {
        parsed.set_year(of_hundred(year, first).into())?;
    }
    let whole = (parsed.isoyear(), parsed.isoyear_div_100());
    if let (Some(year), (None, None)) = (parsed.isoyear_mod_100(), whole) {
        parsed.set_isoyear(of_hundred(year, first).into())?;
    }
    Ok(())
}

/// A month without a day is its first, as for formats that are matched by hand; a week without one is its Monday.
fn begin_at_the_first_day(parsed: &mut Parsed) -> ParseResult<()> {
    let has_day = parsed.day().is_some()
        || parsed.ordinal().is_some()
        || parsed.weekday().is_some()
        || parsed.timestamp().is_some();
    if has_day {
        return Ok(());
    }
    if parsed.month().is_some() {
        parsed.set_day(1)?;
    } else if parsed.isoweek().is_some() {
        parsed.set_weekday(Weekday::Mon)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use chrono::{NaiveDate, NaiveDateTime};
    use proptest::prelude::*;

    use super::*;

    fn swedish() -> Vec<Pattern> {
        vec![compile("%d.%m.%Y")]
    }

    fn day(text: &str) -> i32 {
        let date: NaiveDate = text.parse().unwrap();
        (date - NaiveDate::default()).num_days() as i32
    }

    #[test]
    fn dates_are_told_from_numbers_and_from_days_that_do_not_exist() {
        assert_eq!(date(b"01.02.2024", &swedish()), Ok(day("2024-02-01")));
        assert_eq!(date(b"1.2.2024", &swedish()), Ok(day("2024-02-01")));
        assert_eq!(date(b"29.02.2024", &swedish()), Ok(day("2024-02-29")));
        assert_eq!(date(b"31.02.2024", &swedish()), Err(Rule::ImpossibleDate));
        assert_eq!(date(b"29.02.2023", &swedish()), Err(Rule::ImpossibleDate));
        assert_eq!(date(b"45321", &swedish()), Err(Rule::NumberAsDate));
        assert_eq!(date(b"45321,5", &swedish()), Err(Rule::NumberAsDate));
        assert_eq!(date(b"2024-02-01", &swedish()), Err(Rule::NotADate));
        assert_eq!(date(b"1.2.24", &swedish()), Err(Rule::NotADate));
    }

    #[test]
    fn days_are_of_the_years_that_every_reader_of_tables_knows() {
        assert_eq!(date(b"0001-01-01", &[Pattern::Iso]), Ok(FIRST_DAY));
        assert_eq!(date(b"9999-12-31", &[Pattern::Iso]), Ok(LAST_DAY));
        assert_eq!(
            date(b"0000-12-31", &[Pattern::Iso]),
            Err(Rule::ImpossibleDate)
        );
        let micros = |days: i32| i64::from(days) * DAY_SECONDS * MICROS;
        assert!(is_known_time(micros(FIRST_DAY)) && !is_known_time(micros(FIRST_DAY) - 1));
        assert!(is_known_time(micros(LAST_DAY + 1) - 1) && !is_known_time(micros(LAST_DAY + 1)));
    }

    #[test]
    fn years_of_two_digits_are_of_the_hundred_years_that_are_said() {
        for format in ["%d.%m.%y", "%d-%b-%y"] {
            let text = |year: &str| match format {
                "%d.%m.%y" => format!("27.08.{year}"),
                _ => format!("27-Aug-{year}"),
            };
            let posix = [compile(format)];
            assert_eq!(date(text("56").as_bytes(), &posix), Ok(day("2056-08-27")));
            assert_eq!(date(text("69").as_bytes(), &posix), Ok(day("1969-08-27")));
            let born = [compile(format).with_two_digit_years_from(1927)];
            for (year, is) in [
                ("27", "1927-08-27"),
                ("99", "1999-08-27"),
                ("26", "2026-08-27"),
            ] {
                assert_eq!(date(text(year).as_bytes(), &born), Ok(day(is)), "{format}");
            }
        }
        for (format, text, first, is) in [
            ("%d/%m/%-y", "27/08/56", 1927, "1956-08-27"),
            ("%D", "08/27/56", 1927, "1956-08-27"),
            ("%a %d-%b-%y", "Mon 27-Aug-56", 1927, "1956-08-27"),
            ("%d-%b-%C%y", "27-Aug-1899", 1927, "1899-08-27"),
            ("%d-%b-%y", "27-Aug-69", 1969, "1969-08-27"),
            ("%g-W%V", "56-W01", 1927, "1956-01-02"),
        ] {
            let pattern = [compile(format).with_two_digit_years_from(first)];
            assert_eq!(date(text.as_bytes(), &pattern), Ok(day(is)), "{format}");
        }
        let leap = [compile("%d.%m.%y").with_two_digit_years_from(1900)];
        assert_eq!(date(b"29.02.00", &leap), Err(Rule::ImpossibleDate));
    }

    #[test]
    fn compact_dates_want_every_digit() {
        let compact = [compile("%Y%m%d")];
        assert_eq!(date(b"20240229", &compact), Ok(day("2024-02-29")));
        assert_eq!(date(b"453211", &compact), Err(Rule::NumberAsDate));
        assert_eq!(date(b"20240230", &compact), Err(Rule::ImpossibleDate));
    }

    #[test]
    fn formats_are_tried_in_order_and_names_of_months_work() {
        let either = [compile("%d/%m/%Y"), compile("%d %b %Y")];
        assert_eq!(date(b"02/01/2024", &either), Ok(day("2024-01-02")));
        assert_eq!(date(b"2 Jan 2024", &either), Ok(day("2024-01-02")));
        assert_eq!(date(b"31 Feb 2024", &either), Err(Rule::ImpossibleDate));
    }

    #[test]
    fn a_month_or_a_week_without_a_day_is_its_first() {
        for (text, format, first) in [
            ("2026-03", "%Y-%m", "2026-03-01"),
            ("Mar 2026", "%b %Y", "2026-03-01"),
            ("2026-W09", "%G-W%V", "2026-02-23"),
            ("2020-W53", "%G-W%V", "2020-12-28"),
            ("2026-W09-7", "%G-W%V-%u", "2026-03-01"),
        ] {
            let found = date(text.as_bytes(), &[compile(format)]);
            assert_eq!(found, Ok(day(first)), "{text}");
        }
        let weeks = [compile("%G-W%V")];
        assert_eq!(date(b"2026-W54", &weeks), Err(Rule::ImpossibleDate));
        assert_eq!(
            date(b"2026-W53", &[compile("%G-W%V")]),
            Ok(day("2026-12-28"))
        );
        assert_eq!(date(b"2025-W53", &weeks), Err(Rule::ImpossibleDate));
    }

    #[test]
    fn iso_times_take_a_t_or_a_space_a_fraction_and_an_offset() {
        let iso = [Pattern::Iso];
        let base = i64::from(day("2026-01-02")) * DAY_SECONDS * MICROS;
        let clock = base + (6 * 3600 + 57 * 60 + 27) * MICROS;
        assert_eq!(
            time(b"2026-01-02T06:57:27+01:00", &iso),
            Ok((clock, Some(3600)))
        );
        assert_eq!(time(b"2026-01-02 06:57:27", &iso), Ok((clock, None)));
        assert_eq!(time(b"2026-01-02T06:57:27Z", &iso), Ok((clock, Some(0))));
        assert_eq!(
            time(b"2026-01-02 06:57:27.123456789-0530", &iso),
            Ok((clock + 123_456, Some(-19_800)))
        );
        assert_eq!(
            time(b"2026-01-02T06:57:27.5Z", &iso),
            Ok((clock + 500_000, Some(0)))
        );
        assert_eq!(
            time(b"2026-01-02 06:57:27.000000 UTC", &iso),
            Ok((clock, Some(0)))
        );
        assert_eq!(time(b"2026-01-02 6:57:27", &iso), Ok((clock, None)));
        assert_eq!(time(b"2026-01-02", &iso), Ok((base, None)));
        assert_eq!(time(b"1704967200", &iso), Err(Rule::NumberAsDate));
        assert_eq!(
            time(b"2024-02-31 12:00:00", &iso),
            Err(Rule::ImpossibleDate)
        );
        assert_eq!(
            time(b"2024-02-01 25:00:00", &iso),
            Err(Rule::ImpossibleDate)
        );
        assert_eq!(time(b"tomorrow", &iso), Err(Rule::NotATimestamp));
        assert_eq!(
            time(b"2026-01-02T06:57:27+", &iso),
            Err(Rule::NotATimestamp)
        );
    }

    #[test]
    fn an_iso_date_may_carry_a_midnight_and_no_other_time() {
        let iso = [Pattern::Iso];
        assert_eq!(date(b"2017-08-01 00:00:00", &iso), Ok(day("2017-08-01")));
        assert_eq!(
            date(b"2017-08-01T00:00:00.000", &iso),
            Ok(day("2017-08-01"))
        );
        assert_eq!(date(b"2017-08-01 00:00:01", &iso), Err(Rule::NotADate));
        assert_eq!(date(b"2017-08-01T00:00:00Z", &iso), Err(Rule::NotADate));
    }

    #[test]
    fn a_misfit_is_told_from_a_time_that_no_clock_shows_whoever_reads_the_format() {
        for format in ["%m/%d/%Y %I:%M %p", "%e.%m.%Y %k:%M:%S", "%d %b %Y %H:%M"] {
            let patterns = [compile(format)];
            for misfit in ["2026-03-01 02:30:00", "soon", "99/99", "", "31.12.2026"] {
                let found = time(misfit.as_bytes(), &patterns);
                assert_eq!(found, Err(Rule::NotATimestamp), "{format}: {misfit}");
            }
        }
        let rule =
            |text: &str, format: &str| time(text.as_bytes(), &[compile(format)]).unwrap_err();
        for (text, format) in [
            ("02/31/2026 01:00 PM", "%m/%d/%Y %I:%M %p"),
            ("13/01/2026 01:00 PM", "%m/%d/%Y %I:%M %p"),
            ("02/01/2026 13:00 PM", "%m/%d/%Y %I:%M %p"),
            ("1.3.2026 25:00:00", "%e.%m.%Y %k:%M:%S"),
            ("1.3.2026 12:30:60", "%e.%m.%Y %k:%M:%S"),
            ("1 Mar 2026 12:60", "%d %b %Y %H:%M"),
        ] {
            assert_eq!(rule(text, format), Rule::ImpossibleDate, "{text}");
        }
    }

    #[test]
    fn an_hour_alone_is_its_beginning() {
        let base = i64::from(day("2026-03-01")) * DAY_SECONDS * MICROS;
        let two = Ok((base + 14 * 3_600 * MICROS, None));
        assert_eq!(time(b"2026-03-01 02 PM", &[compile("%F %I %p")]), two);
        assert_eq!(time(b"2026-03-01 14", &[compile("%F %H")]), two);
        assert_eq!(time(b"1 Mar 2026 14", &[compile("%d %b %Y %H")]), two);
    }

    #[test]
    fn declared_times_are_matched_by_field() {
        let pattern = [compile("%d.%m.%Y %H:%M")];
        let expected = i64::from(day("2026-03-01")) * DAY_SECONDS * MICROS + 3_720 * MICROS;
        assert_eq!(time(b"01.03.2026 01:02", &pattern), Ok((expected, None)));
    }

    proptest! {
        #[test]
        fn every_day_of_eight_centuries_agrees_with_chrono(days in -200_000_i32..100_000) {
            let date_of = NaiveDate::default() + chrono::Days::new(200_000) - chrono::Days::new(200_000);
            let wanted = date_of + chrono::Duration::days(i64::from(days));
            let text = wanted.format("%d.%m.%Y").to_string();
            prop_assert_eq!(date(text.as_bytes(), &swedish()), Ok(days));
        }

        #[test]
        fn no_text_panics(text in ".{0,30}") {
            let _ = date(text.as_bytes(), &[Pattern::Iso, compile("%d.%m.%Y"), compile("%A")]);
            let _ = time(text.as_bytes(), &[Pattern::Iso, compile("%H:%M %d%m%y"), compile("%c")]);
        }
    }

    #[test]
    fn numbers_are_days_of_spreadsheets_or_seconds_since_1970_where_the_source_says_so() {
        let day = |text: &str, format: &str| date(text.as_bytes(), &[compile(format)]);
        let instant = |text: &str, format: &str| time(text.as_bytes(), &[compile(format)]);
        let local = |text: &str| {
            let moment = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").unwrap();
            moment.and_utc().timestamp_micros()
        };
        // by Excel: 45351 is 2024-02-29, 1 is 1900-01-01, 2958465 is 9999-12-31
        assert_eq!(day("45351", "excel"), date(b"2024-02-29", &[Pattern::Iso]));
        assert_eq!(day("1", "excel"), date(b"1900-01-01", &[Pattern::Iso]));
        assert_eq!(day("59", "excel"), date(b"1900-02-28", &[Pattern::Iso]));
        assert_eq!(day("61", "excel"), date(b"1900-03-01", &[Pattern::Iso]));
        assert_eq!(
            day("2958465", "excel"),
            date(b"9999-12-31", &[Pattern::Iso])
        );
        assert_eq!(day("60", "excel"), Err(Rule::ImpossibleDate));
        for wrong in ["0", "2958466", "45351.5", "-1", "x", "20240229"] {
            assert!(day(wrong, "excel").is_err(), "{wrong}");
        }
        let from_1904 = [compile("excel").counted_from_1904()];
        assert_eq!(
            date(b"44620", &from_1904),
            date(b"2026-03-01", &[Pattern::Iso])
        );
        assert_eq!(date(b"0", &from_1904), date(b"1904-01-01", &[Pattern::Iso]));
        assert!(date(b"2957004", &from_1904).is_err());
        let noon = (local("2024-02-29 12:00:00"), None);
        assert_eq!(instant("45351.5", "excel"), Ok(noon));
        assert_eq!(instant("45351,4999999999", "excel"), Ok(noon));
        let utc = Some(0);
        assert_eq!(
            instant("1700000000", "epoch"),
            Ok((1_700_000_000_000_000, utc))
        );
        assert_eq!(
            instant("1700000000.25", "epoch"),
            Ok((1_700_000_000_250_000, utc))
        );
        assert_eq!(
            instant("1700000000123", "epoch_ms"),
            Ok((1_700_000_000_123_000, utc))
        );
        assert_eq!(instant("-1", "epoch_ms"), Ok((-1_000, utc)));
        assert_eq!(
            instant("1700000000123456", "epoch_us"),
            Ok((1_700_000_000_123_456, utc))
        );
        assert_eq!(
            instant("99999999999999", "epoch"),
            Err(Rule::ImpossibleDate)
        );
        for wrong in ["", "-", "1.", ".5", "1e9", "+1"] {
            assert!(instant(wrong, "epoch").is_err(), "{wrong}");
        }
    }
}
