//! Bytes of a block → records as JSON text.

use std::fmt::{Display, LowerExp};
use std::io::Write;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta};

use super::container::zigzag;
use super::schema::{At, Schema, Type, Unit};

/// Values nested in values, at most.
const DEEPEST: usize = 128;
/// Bytes of a decimal: more than any writer makes.
const LONGEST_DECIMAL: usize = 64;
/// Values beyond eight for each byte: types without a byte may come any number of times.
const FREE_VALUES: u64 = 1 << 20;

/// The records of a block.
pub(super) struct Values<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The longest text of a record.
    longest: usize,
    /// Values that may still come.
    left: u64,
}

/// Text of one record: what does not fit is not kept.
struct Text<'a> {
    out: &'a mut Vec<u8>,
    end: usize,
    is_whole: bool,
}

impl Text<'_> {
    fn push(&mut self, bytes: &[u8]) {
        match self.out.len() + bytes.len() <= self.end {
            true => self.out.extend_from_slice(bytes),
            false => self.is_whole = false,
        }
    }

    /// A JSON string. What is no UTF-8 stays as it is, for whoever judges the record's letters.
    fn string(&mut self, bytes: &[u8]) {
        self.push(b"\"");
        let mut rest = bytes;
        while let Some(at) = rest
            .iter()
            .position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))
        {
            self.push(&rest[..at]);
            let mut escape = Vec::with_capacity(6);
            // into memory
            let _ = write!(escape, "\\u{:04x}", rest[at]);
            self.push(&escape);
            rest = &rest[at + 1..];
        }
        self.push(rest);
        self.push(b"\"");
    }

    fn shown(&mut self, value: impl Display) {
        self.push(value.to_string().as_bytes());
    }

    /// A number of floating point; `exact` is its value.
    fn float(&mut self, value: impl Display + LowerExp, exact: f64) {
        // 2^53: whole numbers below it are exact
        let is_small = exact.abs() < 9_007_199_254_740_992.0;
        match exact.fract() == 0.0 {
            _ if !exact.is_finite() => self.quoted(value),
            true if is_small => self.shown(exact),
            // zeros up to the sign would be digits that nobody wrote
            true => self.push(format!("{value:e}").as_bytes()),
            false => self.shown(value),
        }
    }

    fn quoted(&mut self, value: impl Display) {
        self.push(format!("\"{value}\"").as_bytes());
    }
}

impl<'a> Values<'a> {
    pub(super) fn new(bytes: &'a [u8], longest: usize) -> Self {
        Self {
            bytes,
            at: 0,
            longest,
            left: (bytes.len() as u64).saturating_mul(8) + FREE_VALUES,
        }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// Writes the next record behind `out`. `false`: it is too long, and only its beginning is there.
    ///
    /// # Errors
    /// What is wrong with the block.
    pub(super) fn record(&mut self, schema: &Schema, out: &mut Vec<u8>) -> Result<bool, String> {
        let end = out.len().saturating_add(self.longest);
        let mut text = Text {
            out,
            end,
            is_whole: true,
        };
        self.value(schema, schema.root(), &mut text, 0)?;
        Ok(text.is_whole)
    }

    fn value(
        &mut self,
        schema: &Schema,
        at: At,
        text: &mut Text<'_>,
        depth: usize,
    ) -> Result<(), String> {
        if depth > DEEPEST {
            return Err("holds a record that is too deep".to_string());
        }
        self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| "holds more values than it can".to_string())?;
        match schema.at(at) {
            Type::Null => text.push(b"null"),
            Type::Boolean => match self.take(1)? {
                [0] => text.push(b"false"),
                [1] => text.push(b"true"),
                _ => return Err("holds a truth value that is none".to_string()),
            },
            Type::Long => text.shown(self.long()?),
            Type::Float => {
                let value = f32::from_le_bytes(self.chunk()?);
                text.float(value, f64::from(value));
            }
            Type::Double => {
                let value = f64::from_le_bytes(self.chunk()?);
                text.float(value, value);
            }
            Type::Bytes | Type::Text => text.string(self.sized()?),
            Type::Fixed(size) => text.string(self.take(*size)?),
            Type::Enum(symbols) => {
                let symbol = usize::try_from(self.long()?)
                    .ok()
                    .and_then(|at| symbols.get(at));
                text.string(symbol.ok_or_else(no_branch)?.as_bytes());
            }
            Type::Union(branches) => {
                let branch = usize::try_from(self.long()?)
                    .ok()
                    .and_then(|at| branches.get(at));
                self.value(schema, *branch.ok_or_else(no_branch)?, text, depth + 1)?;
            }
            Type::Record(fields) => {
                text.push(b"{");
                for (number, (name, field)) in fields.iter().enumerate() {
                    if number > 0 {
                        text.push(b",");
                    }
                    text.string(name.as_bytes());
                    text.push(b":");
                    self.value(schema, *field, text, depth + 1)?;
                }
                text.push(b"}");
            }
            Type::Array(item) => {
                text.push(b"[");
                self.items(text, |values, text| {
                    values.value(schema, *item, text, depth + 1)
                })?;
                text.push(b"]");
            }
            Type::Map(value) => {
                text.push(b"{");
                self.items(text, |values, text| {
                    text.string(values.sized()?);
                    text.push(b":");
                    values.value(schema, *value, text, depth + 1)
                })?;
                text.push(b"}");
            }
            logical => self.logical(logical, text)?,
        }
        Ok(())
    }

    /// A value that is written as another: as people read it.
    fn logical(&mut self, kind: &Type, text: &mut Text<'_>) -> Result<(), String> {
        match kind {
            Type::Decimal(scale, size) => {
                let digits = match size {
                    Some(size) => self.take(*size)?,
                    None => self.sized()?,
                };
                if digits.len() > LONGEST_DECIMAL {
                    return Err("holds a number that is too long".to_string());
                }
                text.push(decimal(digits, *scale).as_bytes());
            }
            Type::Date => {
                let days = self.long()?;
                let date = i32::try_from(days)
                    .ok()
                    .and_then(NaiveDate::from_epoch_days);
                match date {
                    Some(date) => text.quoted(date.format("%Y-%m-%d")),
                    // a day that no calendar has: no date, whoever asks
                    None => text.shown(days),
                }
            }
            Type::Time(unit) => {
                let count = self.long()?;
                let since = span(count, *unit);
                let time = since.and_then(|since| {
                    let (time, days) = NaiveTime::MIN.overflowing_add_signed(since);
                    (days == 0).then_some(time)
                });
                match time {
                    Some(time) => text.quoted(time.format("%H:%M:%S%.f")),
                    None => text.shown(count),
                }
            }
            Type::Timestamp { unit, is_local } => {
                let count = self.long()?;
                let time = span(count, *unit)
                    .and_then(|since| DateTime::UNIX_EPOCH.checked_add_signed(since));
                match time {
                    Some(time) if *is_local => text.quoted(time.format("%Y-%m-%dT%H:%M:%S%.f")),
                    Some(time) => text.quoted(time.format("%Y-%m-%dT%H:%M:%S%.f+00:00")),
                    None => text.shown(count),
                }
            }
            Type::Uuid => {
                let bytes: [u8; 16] = self.chunk()?;
                let all: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                let parts = [
                    &all[..8],
                    &all[8..12],
                    &all[12..16],
                    &all[16..20],
                    &all[20..],
                ];
                text.quoted(parts.join("-"));
            }
            Type::Duration => {
                let parts: [u8; 12] = self.chunk()?;
                let number = |at: usize| {
                    let bytes = [parts[at], parts[at + 1], parts[at + 2], parts[at + 3]];
                    u32::from_le_bytes(bytes)
                };
                let (months, days, millis) = (number(0), number(4), number(8));
                let words = format!(r#"{{"months":{months},"days":{days},"millis":{millis}}}"#);
                text.push(words.as_bytes());
            }
            // all others are written as what they are
            _ => return Err(no_branch()),
        }
        Ok(())
    }

    /// The blocks of a list or a map.
    fn items(
        &mut self,
        text: &mut Text<'_>,
        mut each: impl FnMut(&mut Self, &mut Text<'_>) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut is_first = true;
        loop {
            let mut count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                // then its bytes come first, for those who pass over it
                self.long()?;
                count = count.saturating_neg();
            }
            for _ in 0..count {
                if !is_first {
                    text.push(b",");
                }
                is_first = false;
                each(self, text)?;
            }
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(length);
        let bytes = end.and_then(|end| self.bytes.get(self.at..end));
        let bytes = bytes.ok_or_else(|| "ends within a record".to_string())?;
        self.at += length;
        Ok(bytes)
    }

    fn chunk<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let bytes = self.take(N)?;
        bytes
            .try_into()
            .map_err(|_| "ends within a record".to_string())
    }

    fn sized(&mut self) -> Result<&'a [u8], String> {
        let length = usize::try_from(self.long()?);
        self.take(length.map_err(|_| "states a length that cannot be".to_string())?)
    }

    fn long(&mut self) -> Result<i64, String> {
        let mut value: u64 = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(zigzag(value));
            }
        }
        Err("holds a number that is too long".to_string())
    }
}

fn no_branch() -> String {
    "holds a value of no type of its schema".to_string()
}

fn span(count: i64, unit: Unit) -> Option<TimeDelta> {
    match unit {
        Unit::Millis => TimeDelta::try_milliseconds(count),
        Unit::Micros => Some(TimeDelta::microseconds(count)),
        Unit::Nanos => Some(TimeDelta::nanoseconds(count)),
    }
}

/// A whole number of any length, the highest byte first and negative where its first bit is set, with so many digits after
/// the point.
fn decimal(bytes: &[u8], scale: usize) -> String {
    let is_negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
    // its amount
    let mut amount: Vec<u8> = bytes.to_vec();
    if is_negative {
        let mut carry = true;
        for byte in amount.iter_mut().rev() {
            let (sum, carries) = (!*byte).overflowing_add(u8::from(carry));
            (*byte, carry) = (sum, carries);
        }
    }
    let mut digits = Vec::new();
    while amount.iter().any(|byte| *byte != 0) {
        let mut rest = 0_u32;
        for byte in &mut amount {
            let value = rest << 8 | u32::from(*byte);
            *byte = (value / 10) as u8;
            rest = value % 10;
        }
        digits.push(b'0' + rest as u8);
    }
    digits.resize(digits.len().max(scale + 1), b'0');
    digits.reverse();
    let (whole, rest) = digits.split_at(digits.len() - scale);
    let text = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
    let sign = if is_negative { "-" } else { "" };
    match rest.is_empty() {
        true => format!("{sign}{}", text(whole)),
        false => format!("{sign}{}.{}", text(whole), text(rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_of_any_length_are_written_digit_by_digit() {
        assert_eq!(decimal(&[], 2), "0.00");
        assert_eq!(decimal(&[0], 0), "0");
        assert_eq!(decimal(&[0x04, 0xd2], 2), "12.34");
        assert_eq!(decimal(&[0xff], 3), "-0.001");
        assert_eq!(decimal(&[0x80], 0), "-128");
        let largest = [&[0x7f][..], &[0xff; 16]].concat();
        assert_eq!(
            decimal(&largest, 1),
            "4355614296588012332331194975126633106636.7"
        );
    }
}
