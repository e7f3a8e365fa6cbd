//! What single words and numbers with units mean: limits, sizes, periods, zones, characters, time formats.

use std::str::FromStr;

use schemars::{Schema, SchemaGenerator, json_schema};

use super::dbt;
use super::decode::{Decode, FromText, Mistake, Sink};
use super::tree::{Node, Value};
use crate::name::{TableName, is_identifier};
use crate::project::time_format::{self, FormatError};
use crate::project::{ColumnType, Limit, PathPattern, Period, RowChange};

impl Decode for bool {
    fn decode(node: &Node, sink: &mut Sink) -> Option<Self> {
        let Value::Text { text, plain } = &node.value else {
            sink.unexpected(node, "`true` or `false`");
            return None;
        };
        match (text.as_str(), plain) {
            ("true", true) => Some(true),
            ("false", true) => Some(false),
            _ => {
                let meant = match text.to_lowercase().as_str() {
                    "yes" | "on" | "y" | "true" => "write `true`",
                    "no" | "off" | "n" | "false" => "write `false`",
                    _ => "write `true` or `false`",
                };
                let mistake = Mistake::new(103, format!("`{text}` is not `true` or `false`"));
                sink.report(node.span, mistake.help(meant));
                None
            }
        }
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "boolean"})
    }
}

impl FromText for u64 {
    const EXPECTED: &'static str = "a number";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        text.replace('_', "").parse().map_err(|_| {
            Mistake::new(103, format!("`{text}` is not a whole number"))
                .help("digits, with `_` between groups if you like: `200_000`")
        })
    }

    fn text_schema() -> Schema {
        json_schema!({"type": ["integer", "string"], "pattern": "^[0-9][0-9_]*$"})
    }
}

/// A name of a column: `[a-z][a-z0-9_]*`, and not one of kilde's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ColumnName(pub(crate) String);

impl FromText for ColumnName {
    const EXPECTED: &'static str = "a column's name";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        if text.starts_with("_kilde_") {
            return Err(
                Mistake::new(109, format!("`{text}` is a name of kilde's own columns"))
                    .help("kilde adds them by itself: remove it"),
            );
        }
        identifier(text, "column").map(Self)
    }

    fn text_schema() -> Schema {
        json_schema!({"type": "string", "pattern": "^[a-z][a-z0-9_]*$"})
    }
}

/// A project's name, and the like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name(pub(crate) String);

impl FromText for Name {
    const EXPECTED: &'static str = "a name";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        identifier(text, "name").map(Self)
    }

    fn text_schema() -> Schema {
        ColumnName::text_schema()
    }
}

/// `text` as a lower-case identifier, or what to call it instead.
pub(crate) fn identifier(text: &str, what: &str) -> Result<String, Mistake> {
    if is_identifier(text) {
        return Ok(text.to_string());
    }
    let rule = "lower-case letters, digits and `_`, a letter first";
    let message = match what {
        "name" => format!("`{text}` is not a name: {rule}"),
        what => format!("`{text}` is not a {what}'s name: {rule}"),
    };
    let mistake = Mistake::new(109, message);
    Err(match name_made_of(text) {
        Some(name) if what == "column" => mistake.help(format!(
            "call it `{name}`; in a bronze contract `from: {text}` says what the export calls it"
        )),
        Some(name) => mistake.help(format!("call it `{name}`")),
        None => mistake,
    })
}

/// A name made of what is left when everything else has become `_`: `E-post` → `e_post`, `orderId` → `order_id`.
pub(crate) fn name_made_of(text: &str) -> Option<String> {
    let mut name = String::new();
    let mut lower_before = false;
    for c in text.chars() {
        if c.is_uppercase() && lower_before {
            name.push('_');
        }
        lower_before = c.is_lowercase() || c.is_ascii_digit();
        match c {
            'å' | 'ä' | 'Å' | 'Ä' | 'á' | 'à' | 'æ' | 'Æ' => name.push('a'),
            'ö' | 'Ö' | 'ø' | 'Ø' | 'ó' => name.push('o'),
            'é' | 'è' | 'É' => name.push('e'),
            'ü' | 'Ü' => name.push('u'),
            c if c.is_ascii_alphanumeric() => name.push(c.to_ascii_lowercase()),
            _ if !name.ends_with('_') => name.push('_'),
            _ => {}
        }
    }
    let name = name.trim_matches('_').to_string();
    is_identifier(&name).then_some(name)
}

impl FromText for TableName {
    const EXPECTED: &'static str = "a table's name";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        text.parse().map_err(|reason: String| {
            let mistake = Mistake::new(109, reason);
            match dbt::referenced(text) {
                Some(name) => Mistake {
                    code: 108,
                    ..mistake
                }
                .help(format!(
                    "kilde has no `ref`: write the table's name, for example `gold.{name}`"
                )),
                None if !text.contains('.') && is_identifier(text) => {
                    mistake.help(format!("name its schema too, for example `gold.{text}`"))
                }
                None => mistake,
            }
        })
    }

    fn text_schema() -> Schema {
        json_schema!({"type": "string", "pattern": "^[a-z][a-z0-9_]*\\.[a-z][a-z0-9_]*$"})
    }
}

impl FromText for ColumnType {
    const EXPECTED: &'static str = "a data type";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        Self::parse(text).map_err(|error| {
            let mistake = Mistake::new(111, error.message);
            match error.help {
                Some(help) => mistake.help(help),
                None => mistake,
            }
        })
    }
}

impl FromText for PathPattern {
    const EXPECTED: &'static str = "a path pattern";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        Self::parse(text).map_err(|error| Mistake::new(112, error.message).help(error.help))
    }
}

impl FromText for Limit {
    const EXPECTED: &'static str = "a number of rows or a percentage";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        if let Some(percent) = text.strip_suffix('%') {
            return match percent.trim().parse::<f64>() {
                Ok(share) if (0.0..=100.0).contains(&share) => Ok(Self::Share(share / 100.0)),
                _ => Err(Mistake::new(103, format!("`{text}` is not a percentage"))
                    .help("from `0%` to `100%`, with a decimal point: `0.1%`")),
            };
        }
        match u64::from_text(text) {
            Ok(count) => Ok(Self::Count(count)),
            Err(_) => Err(Mistake::new(
                103,
                format!("`{text}` is not a number of rows or a percentage"),
            )
            .help(match f64::from_str(text) {
                Ok(_) => format!("percentages carry their sign: `{text}%`"),
                Err(_) => "write `10` (rows) or `0.1%` (of all rows)".to_string(),
            })),
        }
    }

    fn text_schema() -> Schema {
        json_schema!({"type": ["integer", "string"], "pattern": "^[0-9][0-9_.]*%?$"})
    }
}

impl FromText for RowChange {
    const EXPECTED: &'static str = "two bounds of a change";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        let wrong = |help: &str| {
            Mistake::new(103, format!("`{text}` is not a change with two bounds")).help(help)
        };
        let Some((low, high)) = text.split_once("..") else {
            return Err(wrong(
                "write `-5%..+20%`; one bound may be left out: `-5%..`",
            ));
        };
        let bound = |text: &str| match text.trim() {
            "" => Ok(None),
            text => match millionths(text) {
                Some(bound) => Ok(Some(bound)),
                None => Err(wrong(
                    "a bound is a percentage with its sign and at most four decimals: `-5%`, `+0.5%`",
                )),
            },
        };
        match (bound(low)?, bound(high)?) {
            (None, None) => Err(wrong("one bound at least: `-5%..`, `..+20%`")),
            (Some(low), Some(high)) if low > high => Err(wrong("the lower bound comes first")),
            (Some(low), _) if low < -1_000_000 => Err(wrong("no table loses more than `-100%`")),
            (low, high) => Ok(Self { low, high }),
        }
    }

    fn text_schema() -> Schema {
        let bound = r"([+-]?[0-9]+(\.[0-9]{1,4})?%)?";
        json_schema!({"type": "string", "pattern": format!(r"^{bound}\.\.{bound}$")})
    }
}

/// A percentage with a sign, exactly, in millionths of the whole: `-5%` is -50,000.
fn millionths(text: &str) -> Option<i64> {
    let digits = text.strip_suffix('%')?;
    let unsigned = digits.trim_start_matches(['+', '-']);
    let (whole, decimals) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let in_form = digits.len() - unsigned.len() <= 1
        && !whole.is_empty()
        && (unsigned.contains('.') != decimals.is_empty())
        && decimals.len() <= 4
        && is_number(whole)
        && is_number(decimals);
    let number: i64 = format!("{whole}{decimals:0<4}")
        .parse()
        .ok()
        .filter(|_| in_form)?;
    Some(if digits.starts_with('-') {
        -number
    } else {
        number
    })
}

/// Bytes: `16MB`, `64KiB`, `1GB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

impl FromText for Size {
    const EXPECTED: &'static str = "a size";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        let (number, unit) = number_and_unit(text);
        let factor: Option<u64> = match unit.to_lowercase().as_str() {
            "b" => Some(1),
            "kb" => Some(1_000),
            "mb" => Some(1_000_000),
            "gb" => Some(1_000_000_000),
            "kib" => Some(1 << 10),
            "mib" => Some(1 << 20),
            "gib" => Some(1 << 30),
            _ => None,
        };
        match (u64::from_text(number), factor) {
            (Ok(number), Some(factor)) if number > 0 => number.checked_mul(factor).map(Self),
            _ => None,
        }
        .ok_or_else(|| {
            Mistake::new(103, format!("`{text}` is not a size"))
                .help("a whole number and B, KB, MB or GB (KiB, MiB, GiB): `16MB`")
        })
    }

    fn text_schema() -> Schema {
        json_schema!({"type": "string", "pattern": "^[0-9]+ ?([KMG]i?)?B$"})
    }
}

impl FromText for Period {
    const EXPECTED: &'static str = "a length of time";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        let (number, unit) = number_and_unit(text);
        let count = u64::from_text(number).ok();
        count
            .and_then(|count| Self::new(count, unit, text))
            .ok_or_else(|| {
                Mistake::new(103, format!("`{text}` is not a length of time"))
                    .help("a whole number and a unit: `2m`, `26h`, `30d`, `24 months`")
            })
    }

    fn text_schema() -> Schema {
        json_schema!({"type": "string", "pattern": "^[0-9]+ ?[a-z]+$"})
    }
}

fn number_and_unit(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '_')
        .unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

/// A time zone of the IANA database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Zone(pub(crate) chrono_tz::Tz);

impl FromText for Zone {
    const EXPECTED: &'static str = "a time zone";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        text.parse().map(Self).map_err(|_| {
            let mistake = Mistake::new(114, format!("`{text}` is not a time zone"));
            let names: Vec<&str> = chrono_tz::TZ_VARIANTS
                .iter()
                .map(|zone| zone.name())
                .collect();
            let by_city = names.iter().copied().find(|name| {
                let city = name.rsplit('/').next().unwrap_or(name);
                city.eq_ignore_ascii_case(text.trim().rsplit('/').next().unwrap_or(text))
            });
            match by_city.or_else(|| crate::diagnostic::nearest(text, names)) {
                Some(near) => mistake.help(format!("did you mean `{near}`?")),
                None => mistake.help("a name of the IANA database: `Europe/Stockholm`, `UTC`"),
            }
        })
    }
}

/// One character: a quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Character(pub(crate) char);

impl FromText for Character {
    const EXPECTED: &'static str = "one character";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        let Signs(signs) = Signs::from_text(text)?;
        let mut signs = signs.chars();
        match (signs.next(), signs.next()) {
            (Some(sign), None) => Ok(Self(sign)),
            _ => {
                let mistake =
                    Mistake::new(115, format!("`{}` is not one character", visible(text)));
                Err(mistake.help("one sign, in quotes: \"'\""))
            }
        }
    }

    fn text_schema() -> Schema {
        json_schema!({"type": "string", "minLength": 1, "maxLength": 1})
    }
}

/// Characters of a line: a delimiter, what a line begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signs(pub(crate) String);

impl FromText for Signs {
    const EXPECTED: &'static str = "one character or more";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        const LONGEST: usize = 256;
        let mistake = |message: String| Mistake::new(115, message);
        match text {
            "\\t" | "tab" | "TAB" => Err(mistake(format!("`{text}` is not a tab"))
                .help("write a tab in double quotes: \"\\t\"")),
            "" => Err(mistake("no sign is written".into()).help("remove the key for the default")),
            text if text.contains(['\n', '\r']) => {
                Err(mistake("a line end cannot be a sign within a line".into()))
            }
            text if text.len() > LONGEST => Err(mistake(format!(
                "a text of {} bytes, longer than {LONGEST}",
                text.len()
            ))),
            text => Ok(Self(text.to_string())),
        }
    }

    fn text_schema() -> Schema {
        json_schema!({"type": ["string", "number"], "minLength": 1, "maxLength": 256})
    }
}

/// Control characters as escapes, all else as it is.
fn visible(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            c if c.is_control() => c.escape_debug().to_string(),
            c => c.to_string(),
        })
        .collect()
}

/// One character of a number: the decimal sign, the sign between thousands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NumberSign(pub(crate) char);

impl FromText for NumberSign {
    const EXPECTED: &'static str = "one character";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(sign), None) if sign.is_ascii_digit() || matches!(sign, '+' | '-') => Err(
                Mistake::new(115, format!("`{sign}` is part of a number itself")),
            ),
            (Some(sign), None) => Ok(Self(sign)),
            _ => Err(Mistake::new(115, format!("`{text}` is not one character"))
                .help("one sign, in quotes: \",\"")),
        }
    }

    fn text_schema() -> Schema {
        Character::text_schema()
    }
}

/// A path into a JSON document: keys from the outermost in, `data.items`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JsonPath(pub(crate) Vec<String>);

impl FromText for JsonPath {
    const EXPECTED: &'static str = "a path of keys";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        let is_odd = |c: char| matches!(c, '$' | '[' | ']' | '*' | '/' | '@') || c.is_whitespace();
        if !text.contains(is_odd) && text.split('.').all(|key| !key.is_empty()) {
            return Ok(Self(text.split('.').map(str::to_string).collect()));
        }
        let mistake = Mistake::new(103, format!("`{text}` is not a path of keys"));
        let keys = text.split(|c: char| c == '.' || is_odd(c));
        let keys: Vec<&str> = keys.filter(|key| !key.is_empty()).collect();
        Err(match (keys.is_empty(), text.trim()) {
            (true, "" | "$" | "$[*]" | "." | "[]" | "[*]") => {
                mistake.help("a document that is the array itself needs no path: remove the key")
            }
            (true, _) => {
                mistake.help("keys from the outermost in, with dots between: `data.items`")
            }
            (false, _) => mistake.help(format!("write `{}`", keys.join("."))),
        })
    }

    fn text_schema() -> Schema {
        json_schema!({"type": "string", "pattern": "^[^.]+([.][^.]+)*$"})
    }
}

/// A sign or word that stands before or behind a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unit(pub(crate) String);

impl FromText for Unit {
    const EXPECTED: &'static str = "a unit";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        let is_of_a_number = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | ',');
        // `kr.` and `m-2` are units, `-`, `.5` and nothing are not
        let is_unit = text
            .chars()
            .any(|c| !is_of_a_number(c) && !c.is_whitespace())
            && !text.starts_with(is_of_a_number);
        match is_unit {
            true => Ok(Self(text.trim().to_string())),
            false => Err(Mistake::new(103, format!("`{text}` is no unit of numbers"))
                .help("signs and words that stand before or behind them: `units: [kr, \"%\"]`")),
        }
    }
}

/// Days since 1900, as spreadsheets count them.
const EXCEL: &str = "excel";
/// Seconds, thousandths and millionths of them since 1970.
const EPOCHS: [&str; 3] = ["epoch", "epoch_ms", "epoch_us"];

/// A strftime format of dates, or `excel`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DateFormat(pub(crate) String);

/// A strftime format of times, or what numbers count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TimeFormat(pub(crate) String);

impl FromText for DateFormat {
    const EXPECTED: &'static str = "a date format";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        if EPOCHS.contains(&text) {
            let mistake = Mistake::new(113, format!("`{text}` counts times, not days"));
            let help = "write it in `times`, and make the column `timestamp`";
            return Err(mistake.help(help));
        }
        if text != EXCEL {
            time_format::check_date(text).map_err(wrong_format)?;
        }
        Ok(Self(text.to_string()))
    }
}

impl FromText for TimeFormat {
    const EXPECTED: &'static str = "a time format";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        if text != EXCEL && !EPOCHS.contains(&text) {
            time_format::check_time(text).map_err(wrong_format)?;
        }
        Ok(Self(text.to_string()))
    }
}

fn wrong_format(error: FormatError) -> Mistake {
    Mistake::new(113, error.message).help(error.help)
}

/// A regular expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(pub(crate) String);

impl FromText for Pattern {
    const EXPECTED: &'static str = "a regular expression";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        match regex::Regex::new(text) {
            Ok(_) => Ok(Self(text.to_string())),
            Err(error) => {
                let reason = error.to_string();
                let reason = reason.lines().last().unwrap_or_default();
                let reason = reason.trim_start_matches("error: ");
                Err(Mistake::new(
                    116,
                    format!("not a regular expression: {reason}"),
                ))
            }
        }
    }
}

/// A cron expression of five fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Schedule(pub(crate) String);

impl FromText for Schedule {
    const EXPECTED: &'static str = "a cron expression";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        let fields = text.split_whitespace().count();
        let parsed = croner::Cron::from_str(text).ok();
        let parsed = parsed.filter(|_| fields == 5 || text.starts_with('@'));
        if let Some(cron) = parsed {
            // every date that there is comes within some years of any other
            let some_day = chrono::DateTime::UNIX_EPOCH;
            return match cron.find_next_occurrence(&some_day, true) {
                Ok(_) => Ok(Self(text.to_string())),
                Err(_) => Err(
                    Mistake::new(117, format!("`{text}` never comes")).help(
                        "no month that it names has such a day: `0 2 28 2 *` is 02:00 on each 28 February",
                    ),
                ),
            };
        }
        Err(
            Mistake::new(117, format!("`{text}` is not a cron expression")).help(
                "five fields: minute, hour, day, month, weekday; `0 2 * * *` is 02:00 each night",
            ),
        )
    }
}

/// Which SQL files a pipeline owns: a path below `sql/` with `*` and `**`.
#[derive(Clone, Debug)]
pub(crate) struct SqlGlob {
    pub(crate) text: String,
    pub(crate) pattern: PathPattern,
}

impl FromText for SqlGlob {
    const EXPECTED: &'static str = "a path below `sql/`";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        if let Some(rest) = text.strip_prefix("sql/") {
            return Err(
                Mistake::new(112, format!("`{text}` is looked for below `sql/`"))
                    .help(format!("write `{rest}`")),
            );
        }
        if text.contains(['{', '}']) {
            return Err(Mistake::new(
                112,
                format!("`{text}` captures: a step's path does not"),
            ));
        }
        let pattern = PathPattern::from_text(text.strip_suffix(".sql").unwrap_or(text))?;
        Ok(Self {
            text: text.to_string(),
            pattern,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_rows_or_percentages() {
        assert_eq!(Limit::from_text("0.1%").unwrap(), Limit::Share(0.001));
        assert_eq!(Limit::from_text("1_000").unwrap(), Limit::Count(1000));
        assert_eq!(
            Limit::from_text("0.5").unwrap_err().help.unwrap(),
            "percentages carry their sign: `0.5%`"
        );
        assert!(Limit::from_text("101%").is_err());
        assert!(Limit::from_text("-1").is_err());
        assert!(Limit::from_text("NaN%").is_err());
    }

    #[test]
    fn sizes_carry_their_unit() {
        assert_eq!(Size::from_text("16MB").unwrap(), Size(16_000_000));
        assert_eq!(Size::from_text("1 MiB").unwrap(), Size(1 << 20));
        for wrong in ["16", "MB", "0MB", "99999999999999GB", "1.5MB"] {
            assert!(Size::from_text(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_are_suggested_from_what_was_written() {
        assert_eq!(name_made_of("E-post").as_deref(), Some("e_post"));
        assert_eq!(name_made_of("orderId").as_deref(), Some("order_id"));
        assert_eq!(
            name_made_of("Årsomsättning").as_deref(),
            Some("arsomsattning")
        );
        assert_eq!(name_made_of("123"), None);
    }

    #[test]
    fn formats_of_other_tools_are_translated() {
        let help = |text| DateFormat::from_text(text).unwrap_err().help.unwrap();
        assert_eq!(help("dd.MM.yyyy"), "did you mean `%d.%m.%Y`?");
        assert_eq!(help("yyyy-mm-dd"), "did you mean `%Y-%m-%d`?");
        assert!(DateFormat::from_text("%d.%m.%-Y").is_ok());
        assert!(DateFormat::from_text("%Q").is_err());
        assert!(TimeFormat::from_text("%Y-%m-%d").is_err());
    }

    #[test]
    fn zones_are_found_by_city() {
        let help = |text| Zone::from_text(text).unwrap_err().help.unwrap();
        assert_eq!(help("Stockholm"), "did you mean `Europe/Stockholm`?");
        assert_eq!(help("Europe/Stokholm"), "did you mean `Europe/Stockholm`?");
    }

    #[test]
    fn signs_are_written_as_they_are() {
        assert_eq!(Signs::from_text("\t").unwrap(), Signs("\t".into()));
        assert_eq!(Signs::from_text(", ").unwrap(), Signs(", ".into()));
        assert_eq!(Character::from_text("\u{a7}").unwrap(), Character('\u{a7}'));
        let help = Signs::from_text("\\t").unwrap_err().help.unwrap();
        assert!(help.contains("double quotes"), "{help}");
        for wrong in ["", "\n", "a\r", &"x".repeat(300)] {
            assert!(Signs::from_text(wrong).is_err());
            assert!(Character::from_text(wrong).is_err());
        }
        assert!(Character::from_text(";;").is_err());
    }

    #[test]
    fn schedules_are_cron() {
        assert!(Schedule::from_text("0 2 * * *").is_ok());
        assert!(Schedule::from_text("0 25 * * *").is_err());
        assert!(Schedule::from_text("@daily").is_ok());
        assert!(Schedule::from_text("nightly").is_err());
        assert!(Schedule::from_text("0 0 2 * * *").is_err());
        assert!(Schedule::from_text("0 2 29 2 *").is_ok());
        assert!(Schedule::from_text("0 2 30 2 1").is_ok());
        for never in ["0 2 30 2 *", "0 2 31 4,6,9,11 *"] {
            assert!(Schedule::from_text(never).is_err(), "{never}");
        }
    }
}
