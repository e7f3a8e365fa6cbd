//! Names and numbers that mean one thing everywhere: tables, releases, claims, runs.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The schema of kilde's own tables, which no project may use.
pub const OWN_SCHEMA: &str = "ops";

/// The schema under which a query names what is published while a candidate stands in its place; no table has it.
pub(crate) const PUBLISHED_SCHEMA: &str = "published";

/// Digits of a key that is somebody's number.
const DIGITS_OF_A_NUMBER: usize = 7;

/// Whether a key of an object seems to be a value itself, as where objects are dictionaries by address, path or number, and not the
/// name of a field. Such keys are nobody's to see.
pub(crate) fn is_value(key: &str) -> bool {
    let digits = key.chars().filter(char::is_ascii_digit).count();
    key.contains(['.', '@']) || digits >= DIGITS_OF_A_NUMBER
}

/// A letter or digit in small letters and without accents: `å` → `a`, `Ø` → `o`.
pub(crate) fn folded(c: char) -> impl Iterator<Item = char> {
    let text = match c {
        'å' | 'ä' | 'à' | 'á' | 'â' | 'ã' | 'Å' | 'Ä' | 'À' | 'Á' | 'Â' | 'Ã' => "a",
        'ö' | 'ø' | 'ó' | 'ò' | 'ô' | 'õ' | 'Ö' | 'Ø' | 'Ó' | 'Ò' | 'Ô' | 'Õ' => "o",
        'é' | 'è' | 'ê' | 'ë' | 'É' | 'È' | 'Ê' | 'Ë' => "e",
        'ü' | 'ú' | 'ù' | 'û' | 'Ü' | 'Ú' | 'Ù' | 'Û' => "u",
        'í' | 'ì' | 'î' | 'ï' | 'Í' | 'Ì' | 'Î' | 'Ï' => "i",
        'ç' | 'Ç' => "c",
        'ñ' | 'Ñ' => "n",
        'æ' | 'Æ' => "ae",
        'ß' => "ss",
        _ => "",
    };
    let plain = text.is_empty().then(|| c.to_lowercase());
    text.chars().chain(plain.into_iter().flatten())
}

/// `schema.name` of a table; both parts match `[a-z][a-z0-9_]*`, since object paths, every SQL engine and every Delta
/// reader take such names without quoting.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    schema: String,
    name: String,
}

impl TableName {
    /// A table's name from its two parts.
    ///
    /// # Errors
    /// The reason, where a part is not `[a-z][a-z0-9_]*`.
    pub fn new(schema: &str, name: &str) -> Result<Self, String> {
        for part in [schema, name] {
            if !is_identifier(part) {
                return Err(format!(
                    "`{part}` is not a name: lower-case letters, digits and `_`, a letter first"
                ));
            }
        }
        Ok(Self {
            schema: schema.to_string(),
            name: name.to_string(),
        })
    }

    /// The schema: `gold` of `gold.customers`.
    #[must_use]
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// The name within its schema: `customers` of `gold.customers`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the table is kilde's own (ledger, rejects, history), and not the project's.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.schema == OWN_SCHEMA
    }

    /// How a query names the published version of a table beside its candidate: `published.gold_customers`.
    pub(crate) fn as_published(&self) -> Self {
        Self {
            schema: PUBLISHED_SCHEMA.to_string(),
            name: format!("{}_{}", self.schema, self.name),
        }
    }

    /// The table's folder in the lake: `gold/customers`.
    #[must_use]
    pub fn location(&self) -> String {
        format!("{}/{}", self.schema, self.name)
    }
}

/// Whether `text` is a lower-case identifier that needs no quoting anywhere.
#[must_use]
pub fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // one string, so that width and alignment of the caller's format apply
        f.pad(&format!("{}.{}", self.schema, self.name))
    }
}

impl FromStr for TableName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('.') {
            Some((schema, name)) => Self::new(schema, name),
            None => Err(format!(
                "`{text}` is not a table's name: expected `schema.name`"
            )),
        }
    }
}

impl Serialize for TableName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{}.{}", self.schema, self.name))
    }
}

impl<'de> Deserialize<'de> for TableName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// The number of a release: 1, 2, 3… without a gap.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ReleaseNumber(pub u64);

impl fmt::Display for ReleaseNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A claim: the position of its entry in the lake log.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ClaimNumber(pub u64);

impl fmt::Display for ClaimNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One execution of kilde that may write, e.g. `20260301T020612044-9f3ac1`: start in UTC to the millisecond, then a nonce.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub String);

impl RunId {
    /// When the run started; `None` where the id is no run's.
    #[must_use]
    pub fn started_at(&self) -> Option<DateTime<Utc>> {
        let (start, nonce) = self.0.split_once('-')?;
        if !nonce.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        // the first lakes were written with ids to the second
        let start = NaiveDateTime::parse_from_str(start, "%Y%m%dT%H%M%S%3f")
            .or_else(|_| NaiveDateTime::parse_from_str(start, "%Y%m%dT%H%M%S"));
        Some(start.ok()?.and_utc())
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
