//! `strftime(time, format)`: a time as text, and `strptime(text, format)` back.

use std::fmt::Write as _;
use std::sync::Arc;

use chrono::format::{Item, Parsed, StrftimeItems, parse};
use chrono::{NaiveDateTime, NaiveTime};
use datafusion::arrow::array::{ArrayRef, StringViewArray, TimestampMicrosecondArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err, plan_err};

use super::function::Function;
use super::moment::{coerce_moment, instant, is_text, moments};
use super::text_function::strings;

pub(super) fn strftime() -> Function {
    Function {
        name: "strftime",
        aliases: &[],
        coerce: |name, types| match types {
            [time, format] if is_text(format) => {
                Ok(vec![coerce_moment(name, time)?, DataType::Utf8])
            }
            _ => plan_err!("`{name}` takes a time and a format: {name}(time, '%Y-%m-%d')"),
        },
        returns: |_| DataType::Utf8View,
        compute: written,
        section: "Time",
        call: "strftime(time, format)",
        description: "A date or timestamp as text: `%Y` year, `%m` month, `%d` day, `%H:%M:%S` time, `%V` ISO week, `%b` \
            short month…; a timestamp in UTC.",
        example: "select strftime(date '2026-03-01', '%d.%m.%Y') -- 01.03.2026",
    }
}

pub(super) fn strptime() -> Function {
    read_function(
        "strptime",
        "The timestamp that a text means in a format, in UTC; a time without an offset is taken as UTC. A text that is \
            none in this format ends the build: `try_strptime` gives null.",
        "select strptime('01.03.2026 14:05', '%d.%m.%Y %H:%M') -- 2026-03-01T14:05:00Z",
        |arguments| read(arguments, false),
    )
}

pub(super) fn try_strptime() -> Function {
    read_function(
        "try_strptime",
        "The timestamp that a text means in a format, in UTC; null where it means none.",
        "select try_strptime('n/a', '%d.%m.%Y') -- null",
        |arguments| read(arguments, true),
    )
}

/// The format, where it is a constant.
pub(super) fn check(texts: &[Option<&str>]) -> Result<()> {
    match texts.get(1).copied().flatten() {
        Some(format) => Formats::default().items(format).map(|_| ()),
        None => Ok(()),
    }
}

fn read_function(
    name: &'static str,
    description: &'static str,
    example: &'static str,
    compute: fn(&[ArrayRef]) -> Result<ArrayRef>,
) -> Function {
    Function {
        name,
        aliases: &[],
        coerce: |name, types| match types {
            [text, format] if is_text(text) && is_text(format) => {
                Ok(vec![DataType::Utf8, DataType::Utf8])
            }
            _ => plan_err!("`{name}` takes a text and a format: {name}(text, '%d.%m.%Y')"),
        },
        returns: |_| instant(),
        compute,
        section: "Time",
        call: name,
        description,
        example,
    }
}

fn written(arguments: &[ArrayRef]) -> Result<ArrayRef> {
    let times = moments(&arguments[0])?;
    let mut formats = Formats::default();
    let texts = times.into_iter().zip(strings(&arguments[1])?);
    let texts = texts
        .map(|row| match row {
            (Some(time), Some(format)) => {
                let mut text = String::new();
                match write!(
                    text,
                    "{}",
                    time.and_utc()
                        .format_with_items(formats.items(format)?.iter())
                ) {
                    Ok(()) => Ok(Some(text)),
                    Err(_) => {
                        exec_err!("a format of `strftime` asks for what a time does not have")
                    }
                }
            }
            _ => Ok(None),
        })
        .collect::<Result<StringViewArray>>()?;
    Ok(Arc::new(texts))
}

fn read(arguments: &[ArrayRef], lenient: bool) -> Result<ArrayRef> {
    let mut formats = Formats::default();
    let rows = strings(&arguments[0])?.zip(strings(&arguments[1])?);
    let times = rows
        .map(|row| {
            let (Some(text), Some(format)) = row else {
                return Ok(None);
            };
            match read_one(text, formats.items(format)?) {
                Some(time) => Ok(Some(time.and_utc().timestamp_micros())),
                None if lenient => Ok(None),
                None => exec_err!("a text is no time in the format of `strptime`"),
            }
        })
        .collect::<Result<TimestampMicrosecondArray>>()?;
    Ok(Arc::new(times.with_timezone("UTC")))
}

/// Without a time of day, midnight.
fn read_one(text: &str, items: &[Item<'_>]) -> Option<NaiveDateTime> {
    let mut parsed = Parsed::new();
    parse(&mut parsed, text, items.iter()).ok()?;
    if let Ok(time) = parsed.to_datetime() {
        return Some(time.naive_utc());
    }
    let date = parsed.to_naive_date().ok()?;
    let has_time = parsed.hour_div_12().is_some() || parsed.hour_mod_12().is_some();
    let time = if has_time {
        parsed.to_naive_time().ok()?
    } else {
        NaiveTime::MIN
    };
    Some(date.and_time(time))
}

/// The last format, parsed: it is the same in every row but for the rarest of queries.
#[derive(Default)]
struct Formats {
    text: Option<String>,
    items: Vec<Item<'static>>,
}

impl Formats {
    fn items(&mut self, format: &str) -> Result<&[Item<'static>]> {
        if self.text.as_deref() != Some(format) {
            match StrftimeItems::new(format).parse_to_owned() {
                Ok(items) => self.items = items,
                Err(_) => {
                    return exec_err!(
                        "`strftime` and `strptime` know no such letter after `%`: a format is like '%Y-%m-%d'"
                    );
                }
            }
            self.text = Some(format.to_string());
        }
        Ok(&self.items)
    }
}
