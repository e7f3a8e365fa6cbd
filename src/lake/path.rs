//! Names of data files: as objects in the store, and as the Delta log writes them.
//!
//! An object's path below its table is already escaped once, as Hive does (`country=S%2FE`), so that every store takes
//! it; the log writes that path URL-encoded once more (`country=S%252FE`).

use crate::error::{Error, Result};

/// Where a table's log lies.
pub(crate) fn log_folder(location: &str) -> String {
    format!("{location}/_delta_log")
}

/// What tells other readers in a table's log where the newest checkpoint is.
pub(crate) const LAST_CHECKPOINT: &str = "_last_checkpoint";

/// The entry of a version in a table's log.
pub(crate) fn log_entry(location: &str, version: u64) -> String {
    format!("{}/{version:020}.json", log_folder(location))
}

/// Whether a path is that of an entry in a table's log.
pub(crate) fn is_log_entry(location: &str, path: &str) -> bool {
    let name = path.strip_prefix(&log_folder(location));
    name.is_some_and(|name| name.starts_with('/') && name.ends_with(".json"))
}

/// The folder of the table, and the version, of an entry in a table's log.
pub(crate) fn table_of_entry(path: &str) -> Option<(&str, u64)> {
    let (folder, name) = path.rsplit_once("/_delta_log/")?;
    let number = name.strip_suffix(".json").filter(|n| n.len() == 20)?;
    Some((folder, number.parse().ok()?))
}

/// The folder of the table whose log a path is, or lies in.
pub(crate) fn table_of_log(path: &str) -> Option<&str> {
    let within = path.rsplit_once("/_delta_log/").map(|(folder, _)| folder);
    within.or_else(|| path.strip_suffix("/_delta_log"))
}

/// Folder of a null partition value, by Hive's convention, which every reader knows.
const NULL_FOLDER: &str = "__HIVE_DEFAULT_PARTITION__";

/// `k=v/` for each partition column, `/` at the end; empty without partition columns.
pub(super) fn partition_folder(columns: &[String], values: &[Option<String>]) -> String {
    let mut folder = String::new();
    for (column, value) in columns.iter().zip(values) {
        let value = match value {
            Some(value) => encode(value, |b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)),
            None => NULL_FOLDER.to_string(),
        };
        folder.push_str(&format!("{column}={value}/"));
    }
    folder
}

/// An object's path as the log writes it.
pub(super) fn to_log(path: &str) -> String {
    encode(path, |b| {
        b.is_ascii_alphanumeric() || b"-_.~/=".contains(&b)
    })
}

/// The object's path that a path of the log names.
///
/// # Errors
/// `Corrupt` for a path outside the table's folder, as shallow clones have, or one that is not URL-encoded UTF-8.
pub(super) fn from_log(path: &str) -> Result<String> {
    let outside =
        path.starts_with('/') || path.contains("://") || path.split('/').any(|s| s == "..");
    if outside || path.is_empty() {
        return Err(super::foreign(
            "a file of the table lies outside its folder",
            path,
        ));
    }
    decode(path).ok_or_else(|| Error::corrupt("a file's path is not URL-encoded text").at(path))
}

fn encode(text: &str, plain: impl Fn(u8) -> bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if plain(byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

fn decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let high = char::from(bytes.next()?).to_digit(16)?;
        let low = char::from(bytes.next()?).to_digit(16)?;
        decoded.push((high * 16 + low) as u8);
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_partition_values_survive_both_encodings() {
        let columns = ["country".to_string()];
        for value in ["a b", "a/b", "50%", "%20", "å?#&=:", "..", "tab\t", "\"\\"] {
            let folder = partition_folder(&columns, &[Some(value.to_string())]);
            assert_eq!(folder.matches('/').count(), 1, "{folder}");
            let path = format!("{folder}1.parquet");
            let logged = to_log(&path);
            assert!(logged.is_ascii() && !logged.contains(' '), "{logged}");
            assert_eq!(from_log(&logged).unwrap(), path);
            let (_, escaped) = folder.trim_end_matches('/').split_once('=').unwrap();
            assert_eq!(decode(escaped).unwrap(), value);
        }
    }

    #[test]
    fn null_has_its_own_folder() {
        let columns = ["a".to_string(), "b".to_string()];
        let folder = partition_folder(&columns, &[None, Some("x".into())]);
        assert_eq!(folder, "a=__HIVE_DEFAULT_PARTITION__/b=x/");
    }

    #[test]
    fn paths_outside_the_table_are_refused() {
        for path in [
            "s3://other/a.parquet",
            "/a.parquet",
            "../a.parquet",
            "",
            "a%2",
        ] {
            assert!(from_log(path).is_err(), "{path}");
        }
    }
}
