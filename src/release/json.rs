//! JSON whose bytes are a function of the value: keys sorted, no spaces.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::diagnostic::Code;
use crate::error::{Error, Result};

pub(super) fn to_bytes<T: Serialize>(value: &T) -> Result<Bytes> {
    let write = |value: &T| serde_json::to_vec(&sorted(serde_json::to_value(value)?));
    write(value)
        .map(Bytes::from)
        .map_err(|error| Error::internal("a protocol object is no JSON").caused_by(error))
}

/// Reads an object of the protocol; one that cannot be read is a damaged lake.
pub(super) fn from_bytes<T: DeserializeOwned>(path: &str, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| {
        Error::corrupt("an object of the lake's protocol cannot be read")
            .code(Code(714))
            .at(path)
            .caused_by(error)
            .help("restore it from a copy of the lake")
    })
}

/// Whether maps keep their order depends on features that other crates switch on, so we sort.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.into_iter().collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(
                fields
                    .into_iter()
                    .map(|(key, value)| (key, sorted(value)))
                    .collect(),
            )
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_at_every_depth() {
        let value: Value = serde_json::from_str(r#"{"b":[{"z":1,"a":2}],"a":null}"#).unwrap();
        assert_eq!(
            to_bytes(&value).unwrap(),
            r#"{"a":null,"b":[{"a":2,"z":1}]}"#
        );
    }

    #[test]
    fn a_damaged_object_is_named() {
        let error = from_bytes::<Value>("_kilde/format.json", b"{")
            .unwrap_err()
            .render();
        assert!(
            error.contains("K0714") && error.contains("_kilde/format.json"),
            "{error}"
        );
    }
}
