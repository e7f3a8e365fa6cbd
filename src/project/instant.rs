//! Dates and times as people write `as_of`.

use chrono::{DateTime, Duration, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;

/// A date means the midnight that began it in the zone; a time with an offset is itself. `None` for any other text.
pub(crate) fn instant(text: &str, zone: Tz) -> Option<DateTime<Utc>> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.with_timezone(&Utc));
    }
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
    let time = || {
        let forms = [
            "%Y-%m-%dT%H:%M",
            "%Y-%m-%d %H:%M",
            "%Y-%m-%dT%H:%M:%S",
            "%Y-%m-%d %H:%M:%S",
        ];
        let mut read = forms.iter();
        read.find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
    };
    local(
        date.map(|date| date.and_time(NaiveTime::MIN))
            .or_else(time)?,
        zone,
    )
}

/// Where summer time skips the moment, the one an hour later.
pub(crate) fn local(local: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    [local, local + Duration::hours(1)]
        .iter()
        .find_map(|local| zone.from_local_datetime(local).earliest())
        .map(|time| time.with_timezone(&Utc))
}
