//! Values that YAML writes as text, held against the type of their column.

use std::cmp::Ordering;

use chrono::{DateTime, NaiveDate, NaiveDateTime};

use super::super::ColumnType;

/// Whether `text` is a value of the type; `Err` says how such a value is written.
pub(crate) fn check(text: &str, data_type: &ColumnType) -> Result<(), String> {
    let text = text.trim();
    let example = match data_type {
        ColumnType::Varchar => return Ok(()),
        ColumnType::Boolean => matches!(text, "true" | "false")
            .then_some(())
            .ok_or("`true` or `false`"),
        ColumnType::Integer => ok(text.parse::<i32>().is_ok(), "a whole number of 32 bits"),
        ColumnType::Bigint => ok(text.parse::<i64>().is_ok(), "a whole number of 64 bits"),
        ColumnType::Double => ok(
            text.parse::<f64>().is_ok_and(f64::is_finite),
            "a number with a decimal point, such as `12.5`",
        ),
        ColumnType::Decimal { precision, scale } => {
            let fits = digits(text).is_some_and(|(whole, fraction)| {
                fraction.len() <= usize::try_from(*scale).unwrap_or(0)
                    && whole.len() + usize::try_from(*scale).unwrap_or(0) <= usize::from(*precision)
            });
            return if fits {
                Ok(())
            } else {
                Err(format!(
                    "digits that fit `{data_type}`, with a decimal point"
                ))
            };
        }
        ColumnType::Date => ok(date(text).is_some(), "a date such as `2026-03-01`"),
        ColumnType::Timestamp => ok(
            time(text).is_some(),
            "a time such as `2026-03-01T02:00:00Z`",
        ),
        ColumnType::List(_) | ColumnType::Struct(_) => {
            Err("nothing: lists and structs have no such test")
        }
    };
    example.map_err(str::to_string)
}

fn ok(holds: bool, example: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(example) }
}

/// How two values of the type compare, where both are such values.
pub(super) fn compare(left: &str, right: &str, data_type: &ColumnType) -> Option<Ordering> {
    let (left, right) = (left.trim(), right.trim());
    match data_type {
        ColumnType::Varchar => Some(left.cmp(right)),
        ColumnType::Integer | ColumnType::Bigint => {
            Some(left.parse::<i64>().ok()?.cmp(&right.parse::<i64>().ok()?))
        }
        ColumnType::Double | ColumnType::Decimal { .. } => left
            .parse::<f64>()
            .ok()?
            .partial_cmp(&right.parse::<f64>().ok()?),
        ColumnType::Date => Some(date(left)?.cmp(&date(right)?)),
        ColumnType::Timestamp => Some(time(left)?.cmp(&time(right)?)),
        ColumnType::Boolean | ColumnType::List(_) | ColumnType::Struct(_) => None,
    }
}

/// Digits before and after the point, without leading zeros.
fn digits(text: &str) -> Option<(&str, &str)> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let numeric = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    (!(whole.is_empty() && fraction.is_empty()) && numeric(whole) && numeric(fraction))
        .then(|| (whole.trim_start_matches('0'), fraction))
}

fn date(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()
}

fn time(text: &str) -> Option<NaiveDateTime> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(at.naive_utc());
    }
    if let Some(date) = date(text) {
        return date.and_hms_opt(0, 0, 0);
    }
    let text = text.replacen('T', " ", 1);
    NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%.f").ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(text: &str, data_type: &str) -> bool {
        check(text, &ColumnType::parse(data_type).unwrap()).is_ok()
    }

    #[test]
    fn values_are_written_as_their_type_says() {
        assert!(is("NO", "varchar") && is("true", "boolean") && !is("NO", "boolean"));
        assert!(
            is("-2147483648", "integer") && !is("2147483648", "integer") && !is("1.0", "integer")
        );
        assert!(is("2147483648", "bigint") && is("1e3", "double") && !is("inf", "double"));
        assert!(is("2026-03-01", "date") && !is("2026-02-31", "date") && !is("01.03.2026", "date"));
        for time in [
            "2026-03-01",
            "2026-03-01T02:00:00Z",
            "2026-03-01 02:00:00.5",
            "2026-03-01T02:00:00+01:00",
        ] {
            assert!(is(time, "timestamp"), "{time}");
        }
        assert!(!is("x", "list<varchar>"));
    }

    #[test]
    fn decimals_fit_their_digits() {
        assert!(
            is("-12.34", "decimal(4,2)")
                && is("0012.3", "decimal(4,2)")
                && is(".5", "decimal(4,2)")
        );
        assert!(
            !is("123", "decimal(4,2)")
                && !is("1.234", "decimal(4,2)")
                && !is("1e2", "decimal(4,2)")
        );
        assert!(!is("", "decimal(4,2)") && !is("-", "decimal(4,2)"));
    }

    #[test]
    fn bounds_compare_as_values() {
        let by = |left, right, of: &str| compare(left, right, &ColumnType::parse(of).unwrap());
        assert_eq!(by("9", "10", "integer"), Some(Ordering::Less));
        assert_eq!(by("9", "10", "varchar"), Some(Ordering::Greater));
        assert_eq!(
            by("2026-03-01", "2025-03-01", "date"),
            Some(Ordering::Greater)
        );
    }
}
