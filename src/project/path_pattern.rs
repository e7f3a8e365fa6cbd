//! `crm/customers_{exported_on:%Y%m%d}*.csv.gz`: which files belong to a source, and what their paths say.

use std::collections::BTreeMap;

use chrono::format::{Item, Numeric, Parsed, StrftimeItems};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use regex::Regex;

use super::time_format;
use crate::name::is_identifier;

/// A pattern over paths below `raw`: `*` within a folder, `**` across folders, `{column}` and `{column:%Y%m%d}` capture.
///
/// `dump_*.zip!orders*.csv` means files of archives: what stands before `!` matches the archive, the rest its path in there.
///
/// `*` and captures never cross a `/`; `**/` also matches no folder at all. One sign in brackets is that sign: `[*]`, `[[]`,
/// `[{]`. Everything else stands for itself, upper and lower case apart.
#[derive(Clone, Debug)]
pub(crate) struct PathPattern {
    /// As written.
    pub(crate) text: String,
    /// What is captured, in the order written.
    pub(crate) captures: Vec<Capture>,
    /// Which archives the files are in, where they are in some.
    pub(crate) archive: Option<Box<PathPattern>>,
    /// The whole path; group `n + 1` is capture `n`.
    regex: Regex,
}

/// One `{…}` of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Capture {
    /// The column that it fills.
    pub(crate) column: String,
    /// strftime format, where it is a time; at most one capture of a pattern is.
    pub(crate) format: Option<String>,
}

/// What a path says of its export.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Captures {
    /// The captured time, by which exports are ordered; the path decides among equals and where none is captured.
    pub(crate) ordered_at: Option<NaiveDateTime>,
    /// Captured text by column name; a time in ISO 8601 (`2026-03-01` where the format has no time of day).
    pub(crate) columns: BTreeMap<String, String>,
}

/// Why a text is not a pattern, and what to write.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PatternError {
    pub(crate) message: String,
    pub(crate) help: String,
}

impl PathPattern {
    /// The pattern that `text` writes.
    ///
    /// # Errors
    /// Empty, absolute, leading out of `raw`, `?` or several signs in `[…]`, unclosed braces, a wrong name or format, two times.
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        check_path(text)?;
        let archive = match in_archive(text) {
            Some((_, "")) => {
                let help = "name them: `dump_*.zip!*.csv`";
                return Err(error(
                    format!("`{text}` names no file of the archive"),
                    help,
                ));
            }
            Some((archive, _)) => Some(Box::new(Self::parse(archive)?)),
            None => None,
        };
        let mut captures: Vec<Capture> = Vec::new();
        let mut regex = String::from("^");
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if let Some(after) = rest.strip_prefix("**/") {
                regex.push_str("(?:.*/)?");
                rest = after;
            } else if let Some(after) = rest.strip_prefix("**") {
                regex.push_str(".*");
                rest = after;
            } else if first == '*' {
                regex.push_str("[^/]*");
                rest = &rest[1..];
            } else if let Some((sign, after)) = bracketed(rest) {
                regex.push_str(&regex::escape(sign.encode_utf8(&mut [0; 4])));
                rest = after;
            } else if first == '{' {
                let end = rest.find('}').ok_or_else(|| {
                    error(
                        format!("`{text}` opens a brace and does not close it"),
                        "write `{column}` or `{column:%Y%m%d}`",
                    )
                })?;
                let capture = parse_capture(&rest[1..end])?;
                check_new(&capture, &captures)?;
                regex.push_str(&match &capture.format {
                    None => "([^/]+?)".to_string(),
                    Some(format) => format!("({})", format_regex(format)),
                });
                captures.push(capture);
                rest = &rest[end + 1..];
            } else {
                regex.push_str(&regex::escape(&rest[..first.len_utf8()]));
                rest = &rest[first.len_utf8()..];
            }
        }
        regex.push('$');
        let regex = Regex::new(&regex).map_err(|_| {
            error(
                format!("`{text}` is too large a pattern"),
                "write a shorter one",
            )
        })?;
        Ok(Self {
            text: text.to_string(),
            captures,
            archive,
            regex,
        })
    }

    /// What `path` (below `raw`, `/`-separated) says, if it belongs here; a captured time that is none does not match, nor
    /// does the lock file that Excel lays beside a workbook that somebody has open (`~$nps.xlsx`).
    pub(crate) fn matches(&self, path: &str) -> Option<Captures> {
        if path.rsplit('/').next()?.starts_with("~$") {
            return None;
        }
        let groups = self.regex.captures(path)?;
        let mut found = Captures::default();
        for (index, capture) in self.captures.iter().enumerate() {
            let text = groups.get(index + 1)?.as_str();
            let value = match &capture.format {
                None => text.to_string(),
                Some(format) => {
                    let (at, shown) = parse_time(text, format)?;
                    found.ordered_at = Some(at);
                    shown
                }
            };
            found.columns.insert(capture.column.clone(), value);
        }
        Some(found)
    }

    /// Whether a path below `folder` may match; it is asked of folders whose files nobody can list.
    pub(crate) fn may_reach_into(&self, folder: &str) -> bool {
        let is_on_the_way = match self.prefix() {
            "" => true,
            prefix => {
                let (folder, prefix) = (format!("{folder}/"), format!("{prefix}/"));
                folder.starts_with(&prefix) || prefix.starts_with(&folder)
            }
        };
        let folders = |text: &str| text.matches('/').count();
        let text = self.in_raw();
        is_on_the_way && (text.contains("**") || folders(folder) < folders(text))
    }

    /// The folder below which every match lies, to list no more than needed: `crm` of `crm/a_*.csv`; empty for all of `raw`.
    pub(crate) fn prefix(&self) -> &str {
        let text = self.in_raw();
        let literal = text.find(['*', '{', '[']).unwrap_or(text.len());
        text[..literal].rfind('/').map_or("", |end| &text[..end])
    }

    /// The part that matches files as they lie in `raw`: of files of archives, the archives.
    fn in_raw(&self) -> &str {
        match &self.archive {
            Some(archive) => &archive.text,
            None => &self.text,
        }
    }
}

/// The archive, and the path in it, of a file of an archive: `dump.zip!data/orders.csv`.
pub(crate) fn in_archive(path: &str) -> Option<(&str, &str)> {
    const ENDING: &[u8] = b".zip!";
    let mut places = path.as_bytes().windows(ENDING.len());
    let at = places.position(|place| place.eq_ignore_ascii_case(ENDING))?;
    let sign = at + ENDING.len() - 1;
    Some((&path[..sign], &path[sign + 1..]))
}

/// The path as a pattern that matches it and no other.
pub(crate) fn literal(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for sign in path.chars() {
        match sign {
            '*' | '?' | '[' | ']' | '{' | '}' | '\\' => text.extend(['[', sign, ']']),
            sign => text.push(sign),
        }
    }
    text
}

/// `[x]` at the beginning: the sign, and what stands behind.
fn bracketed(text: &str) -> Option<(char, &str)> {
    let mut signs = text.strip_prefix('[')?.chars();
    let sign = signs.next().filter(|sign| *sign != '/')?;
    Some((sign, signs.as_str().strip_prefix(']')?))
}

/// The text with a letter in place of each sign in brackets.
fn without_brackets(mut text: &str) -> String {
    let mut bare = String::with_capacity(text.len());
    while let Some(first) = text.chars().next() {
        let (sign, rest) = match bracketed(text) {
            Some((_, rest)) => ('x', rest),
            None => (first, &text[first.len_utf8()..]),
        };
        bare.push(sign);
        text = rest;
    }
    bare
}

fn error(message: impl Into<String>, help: impl Into<String>) -> PatternError {
    PatternError {
        message: message.into(),
        help: help.into(),
    }
}

fn check_path(text: &str) -> Result<(), PatternError> {
    let shown = format!("`{text}`");
    if text.is_empty() {
        return Err(error(
            "an empty path",
            "a path below the folder: `crm/customers_*.csv`",
        ));
    }
    let bare = without_brackets(text);
    if bare.contains('\\') {
        return Err(error(
            format!("{shown} has a `\\`"),
            "folders are separated by `/`",
        ));
    }
    if text.contains("://") || text.starts_with('/') {
        return Err(error(
            format!("{shown} is not a path below the folder"),
            "`raw` in kilde.yaml names the place; this is the path within it",
        ));
    }
    if let Some(rest) = text.strip_prefix("./") {
        return Err(error(
            format!("{shown} begins with `./`"),
            format!("write `{rest}`"),
        ));
    }
    if text.split('/').any(|part| part == "..") {
        return Err(error(
            format!("{shown} leads out of the folder"),
            "a path below the folder",
        ));
    }
    if text.ends_with('/') || text.contains("//") {
        return Err(error(
            format!("{shown} names a folder"),
            format!("name its files: `{}/*`", text.trim_end_matches('/')),
        ));
    }
    if bare.contains(['?', '[', ']']) {
        return Err(error(
            format!("{shown}: `?` and sets in `[…]` are not known in paths"),
            "`*` matches within a folder, `**` across folders, `{column}` captures; `[?]` is the sign itself, `[[]` a bracket",
        ));
    }
    let without_braces = bare.find('{').map_or(&bare[..], |open| &bare[..open]);
    if without_braces.contains('}') {
        return Err(error(
            format!("{shown} closes a brace that it did not open"),
            "write `{column}` or `{column:%Y%m%d}`",
        ));
    }
    Ok(())
}

fn parse_capture(text: &str) -> Result<Capture, PatternError> {
    let (column, format) = match text.split_once(':') {
        Some((column, format)) => (column, Some(format)),
        None => (text, None),
    };
    if !is_identifier(column) {
        let help = if column.contains(',') {
            "two alternatives are two patterns: `files: [a/*.csv, b/*.csv]`"
        } else {
            "lower-case letters, digits and `_`, a letter first: `{exported_on:%Y%m%d}`"
        };
        return Err(error(format!("`{{{text}}}` does not name a column"), help));
    }
    if let Some(format) = format {
        check_time_format(format)?;
    }
    Ok(Capture {
        column: column.to_string(),
        format: format.map(str::to_string),
    })
}

fn check_time_format(format: &str) -> Result<(), PatternError> {
    time_format::check_date(format).map_err(|wrong| error(wrong.message, wrong.help))?;
    // what it writes of a day that is the first of nothing, it must be able to read
    let some_day = DateTime::UNIX_EPOCH + TimeDelta::hours(492_733);
    let written = some_day.fixed_offset().format(format).to_string();
    match parse_time(&written, format) {
        Some(_) => Ok(()),
        None => Err(error(
            format!("`{format}` does not say which day a path means"),
            "a year, a month, a date, or a week with its day: `%Y`, `%Y-%m`, `%Y%m%d`, `%G-W%V-%u`",
        )),
    }
}

fn check_new(capture: &Capture, before: &[Capture]) -> Result<(), PatternError> {
    if before.iter().any(|other| other.column == capture.column) {
        return Err(error(
            format!("`{{{}}}` is captured twice", capture.column),
            "give the second one another name, or write `*`",
        ));
    }
    if capture.format.is_some() && before.iter().any(|other| other.format.is_some()) {
        return Err(error(
            "two times in one path: which of them orders the exports?",
            "write `*` for one of them",
        ));
    }
    Ok(())
}

/// A regular expression that every text of the format matches; the parser decides what is a time.
fn format_regex(format: &str) -> String {
    let mut regex = String::new();
    for item in StrftimeItems::new(format) {
        match item {
            Item::Literal(text) => regex.push_str(&regex::escape(text)),
            Item::OwnedLiteral(text) => regex.push_str(&regex::escape(&text)),
            Item::Space(_) | Item::OwnedSpace(_) => regex.push_str(r"\s+"),
            Item::Numeric(numeric, pad) => regex.push_str(match (numeric, pad) {
                (Numeric::Timestamp, _) => r"\d+",
                (_, chrono::format::Pad::None) => r"\d{1,4}",
                (Numeric::Year | Numeric::IsoYear, _) => r"\d{4}",
                (Numeric::Ordinal, _) => r"\d{3}",
                (Numeric::Nanosecond, _) => r"\d{1,9}",
                (Numeric::Quarter | Numeric::NumDaysFromSun | Numeric::WeekdayFromMon, _) => r"\d",
                _ => r"[\d ]\d",
            }),
            Item::Fixed(_) | Item::Error => regex.push_str("[^/]+?"),
        }
    }
    regex
}

/// The captured time, and how its column shows it.
fn parse_time(text: &str, format: &str) -> Option<(NaiveDateTime, String)> {
    let mut parsed = Parsed::new();
    chrono::format::parse(&mut parsed, text, StrftimeItems::new(format)).ok()?;
    if parsed.timestamp().is_some() {
        let at = parsed.to_naive_datetime_with_offset(0).ok()?;
        return Some((at, at.format("%Y-%m-%dT%H:%M:%S").to_string()));
    }
    let date = date_of(&parsed)?;
    if parsed.hour_div_12().is_none() && parsed.hour_mod_12().is_none() {
        return Some((
            date.and_time(NaiveTime::MIN),
            date.format("%Y-%m-%d").to_string(),
        ));
    }
    // an hour alone (`%Y%m%d%H`) means the hour's start
    if parsed.minute().is_none() {
        parsed.set_minute(0).ok()?;
    }
    let at = date.and_time(parsed.to_naive_time().ok()?);
    Some((at, at.format("%Y-%m-%dT%H:%M:%S%.f").to_string()))
}

/// A month alone means its first day, a year its first month.
fn date_of(parsed: &Parsed) -> Option<NaiveDate> {
    if let Ok(date) = parsed.to_naive_date() {
        return Some(date);
    }
    let partial = parsed.day().is_none()
        && parsed.ordinal().is_none()
        && parsed.isoweek().is_none()
        && parsed.weekday().is_none();
    if !partial {
        return None;
    }
    let mut first = parsed.clone();
    first.set_day(1).ok()?;
    if first.month().is_none() {
        first.set_month(1).ok()?;
    }
    first.to_naive_date().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> PathPattern {
        PathPattern::parse(text).unwrap()
    }

    fn matches(text: &str, path: &str) -> bool {
        pattern(text).matches(path).is_some()
    }

    #[test]
    fn a_star_stays_within_its_folder_and_two_cross() {
        assert!(matches("crm/*.csv", "crm/a.csv"));
        assert!(matches("crm/*.csv", "crm/.csv"));
        assert!(!matches("crm/*.csv", "crm/2026/a.csv"));
        assert!(!matches("crm/*.csv", "crm/a.csv.gz"));
        assert!(!matches("crm/*.csv", "old/crm/a.csv"));
        assert!(matches("crm/**/*.csv", "crm/a.csv"));
        assert!(matches("crm/**/*.csv", "crm/2026/03/a.csv"));
        assert!(matches("**", "any/thing.x"));
        assert!(matches("a/**", "a/b/c"));
        assert!(!matches("a/**", "b/c"));
    }

    #[test]
    fn other_signs_stand_for_themselves() {
        assert!(matches("a+b (1).csv", "a+b (1).csv"));
        assert!(!matches("a.csv", "aXcsv"));
        assert!(!matches("A.csv", "a.csv"));
        assert!(matches("é/å_*.csv", "é/å_ö.csv"));
    }

    #[test]
    fn a_sign_in_brackets_stands_for_itself() {
        assert!(matches("orders[[]1[]].csv", "orders[1].csv"));
        assert!(!matches("orders[[]1[]].csv", "orders_2021.csv"));
        assert!(matches("a[*].csv", "a*.csv") && !matches("a[*].csv", "ab.csv"));
        assert!(matches("[{]a[}]_{d:%Y}.csv", "{a}_2026.csv"));
        assert!(matches("a[\\]b.csv", "a\\b.csv"));
        assert_eq!(pattern("a/[[]b/c.csv").prefix(), "a");
        for path in [
            "orders[1].csv",
            "a?b.csv",
            "{x}*.csv",
            "]\\[.csv",
            "åäö (1).csv",
            "a[[]b",
        ] {
            let exact = pattern(&literal(path));
            assert!(exact.matches(path).is_some(), "{path}");
            assert!(exact.captures.is_empty() && exact.matches("orders_1_.csv").is_none());
        }
    }

    #[test]
    fn lock_files_of_open_workbooks_never_match() {
        assert!(matches("survey/*.xlsx", "survey/nps.xlsx"));
        assert!(!matches("survey/*.xlsx", "survey/~$nps.xlsx"));
        assert!(!matches("**", "~$nps.xlsx"));
    }

    #[test]
    fn a_captured_date_orders_and_fills_its_column() {
        let captures = pattern("pos/receipts_{exported_on:%Y%m%d}*.csv.gz")
            .matches("pos/receipts_20260301_2.csv.gz")
            .unwrap();
        let at = NaiveDate::from_ymd_opt(2026, 3, 1)
            .unwrap()
            .and_time(NaiveTime::MIN);
        assert_eq!(captures.ordered_at, Some(at));
        assert_eq!(captures.columns["exported_on"], "2026-03-01");
    }

    #[test]
    fn a_captured_time_is_shown_with_its_time_of_day() {
        let shown = |format: &str, path: &str| {
            pattern(&format!("{{at:{format}}}.csv"))
                .matches(path)
                .unwrap()
                .columns["at"]
                .clone()
        };
        assert_eq!(
            shown("%Y%m%dT%H%M%S", "20260301T020612.csv"),
            "2026-03-01T02:06:12"
        );
        assert_eq!(
            shown("%Y-%m-%d-%H", "2026-03-01-23.csv"),
            "2026-03-01T23:00:00"
        );
        assert_eq!(shown("%Y-%m", "2026-03.csv"), "2026-03-01");
        assert_eq!(shown("%Y", "2026.csv"), "2026-01-01");
        assert_eq!(shown("%d%b%Y", "01Mar2026.csv"), "2026-03-01");
        assert_eq!(shown("%s", "1772323200.csv"), "2026-03-01T00:00:00");
        assert_eq!(shown("%G-W%V-%u", "2026-W09-7.csv"), "2026-03-01");
    }

    #[test]
    fn what_is_no_date_does_not_match() {
        assert!(!matches("{d:%Y%m%d}.csv", "20260231.csv"));
        assert!(!matches("{d:%Y%m%d}.csv", "2026031.csv"));
        assert!(!matches("{d:%Y%m%d}.csv", "20261301.csv"));
        assert!(!matches("{d:%Y%m%d}.csv", "latest.csv"));
    }

    #[test]
    fn plain_captures_take_text_within_a_folder() {
        let captures = pattern("{country}/{store}_{d:%Y}.csv")
            .matches("SE/a_b_2026.csv")
            .unwrap();
        assert_eq!(captures.columns["country"], "SE");
        assert_eq!(captures.columns["store"], "a_b");
        assert!(pattern("{country}.csv").matches("a/b.csv").is_none());
        assert!(pattern("{country}.csv").matches(".csv").is_none());
    }

    #[test]
    fn the_prefix_is_the_literal_folder() {
        assert_eq!(pattern("crm/customers_{d:%Y}.csv").prefix(), "crm");
        assert_eq!(pattern("a/b/*/c.csv").prefix(), "a/b");
        assert_eq!(pattern("*.csv").prefix(), "");
        assert_eq!(pattern("a/b.csv").prefix(), "a");
        assert_eq!(pattern("b.csv").prefix(), "");
    }

    #[test]
    fn files_of_archives_are_matched_and_looked_for_where_their_archives_lie() {
        let dump = pattern("in/dump_{d:%Y%m%d}.zip!data/orders_{store}.csv");
        assert_eq!(dump.prefix(), "in");
        let archive = dump.archive.as_ref().unwrap();
        assert!(archive.matches("in/dump_20260301.zip").is_some());
        let found = dump.matches("in/dump_20260301.zip!data/orders_7.csv");
        let found = found.unwrap();
        assert_eq!(found.columns["store"], "7");
        assert!(found.ordered_at.is_some());
        assert!(dump.matches("in/dump_20260301.zip").is_none());
        assert!(dump.may_reach_into("in") && !dump.may_reach_into("in/sub"));
        assert_eq!(in_archive("a/B.ZIP!c/d.csv"), Some(("a/B.ZIP", "c/d.csv")));
        assert_eq!(in_archive("a!b.csv"), None);
        assert!(PathPattern::parse("a.zip!").is_err());
    }

    #[test]
    fn wrong_patterns_are_refused() {
        for wrong in [
            "",
            "/a.csv",
            "s3://b/a.csv",
            "../a.csv",
            "a\\b.csv",
            "a/",
            "a?.csv",
            "a[12].csv",
            "a[/]b.csv",
            "a[].csv",
            "a[1.csv",
            "{a",
            "a}",
            "{A}.csv",
            "{a:}.csv",
            "{a:x}.csv",
            "{a:%Q}.csv",
            "{a:%H}.csv",
            "{a:%G%V}.csv",
            "{a:%Y-%U}.csv",
            "{a:%Y%m%d%I%M}.csv",
            "{a:%Y%m%d%Z}.csv",
            "{a:%Y%m%d%H%M%S%f}.csv",
            "{a}{a}",
            "{csv,gz}",
            "{a:%Y}{b:%Y}",
            "./a.csv",
        ] {
            assert!(PathPattern::parse(wrong).is_err(), "{wrong}");
        }
    }
}
