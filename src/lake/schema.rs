//! Arrow schemas ↔ the JSON schemas of Delta's metadata.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use serde::{Deserialize, Serialize};

use crate::diagnostic::Code;
use crate::error::{Error, Result};

/// A struct of the Delta schema; the whole schema is one.
#[derive(Debug, Serialize, Deserialize)]
struct DeltaStruct {
    #[serde(rename = "type")]
    kind: String,
    fields: Vec<DeltaField>,
}

#[derive(Debug, Serialize, Deserialize)]
struct DeltaField {
    name: String,
    #[serde(rename = "type")]
    data_type: serde_json::Value,
    nullable: bool,
    #[serde(default)]
    metadata: serde_json::Value,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeltaArray {
    #[serde(rename = "type")]
    kind: String,
    element_type: serde_json::Value,
    contains_null: bool,
}

/// The schema as Delta writes it, with a comment for each column that has one. Every column may be null: that a column
/// is not null is a test of the contract, which can be dropped without touching the table.
///
/// # Errors
/// `Internal` for a type that no contract can name.
pub(super) fn to_delta(schema: &Schema, comments: &BTreeMap<&str, &str>) -> Result<String> {
    let mut delta = delta_struct(schema.fields())?;
    for field in &mut delta.fields {
        if let Some(comment) = comments.get(field.name.as_str()) {
            field.metadata = serde_json::json!({ "comment": comment });
        }
    }
    serde_json::to_string(&delta)
        .map_err(|error| Error::internal("a schema cannot be written").caused_by(error))
}

fn delta_struct(fields: &Fields) -> Result<DeltaStruct> {
    let fields = fields
        .iter()
        .map(|field| {
            Ok(DeltaField {
                name: field.name().clone(),
                data_type: delta_type(field.data_type())?,
                nullable: true,
                metadata: serde_json::json!({}),
            })
        })
        .collect::<Result<_>>()?;
    Ok(DeltaStruct {
        kind: "struct".to_string(),
        fields,
    })
}

fn delta_type(data_type: &DataType) -> Result<serde_json::Value> {
    let value = |value: std::result::Result<serde_json::Value, serde_json::Error>| {
        value.map_err(|error| Error::internal("a type cannot be written").caused_by(error))
    };
    let name = match data_type {
        DataType::Utf8 => "string",
        DataType::Boolean => "boolean",
        DataType::Int32 => "integer",
        DataType::Int64 => "long",
        DataType::Float64 => "double",
        DataType::Date32 => "date",
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => "timestamp",
        DataType::Decimal128(precision, scale) => {
            return Ok(format!("decimal({precision},{scale})").into());
        }
        DataType::List(item) => {
            return value(serde_json::to_value(DeltaArray {
                kind: "array".to_string(),
                element_type: delta_type(item.data_type())?,
                contains_null: true,
            }));
        }
        DataType::Struct(fields) => return value(serde_json::to_value(delta_struct(fields)?)),
        other => {
            return Err(Error::internal(format!(
                "a published table cannot have a column of type `{other}`"
            )));
        }
    };
    Ok(name.into())
}

/// The Arrow schema in which we read a table.
///
/// # Errors
/// `Corrupt` for text that is no schema, and for types that a foreign tool brought and we do not read.
pub(super) fn to_arrow(schema: &str) -> Result<SchemaRef> {
    let delta: DeltaStruct = serde_json::from_str(schema).map_err(malformed)?;
    Ok(Arc::new(Schema::new(arrow_fields(&delta)?)))
}

fn malformed(error: serde_json::Error) -> Error {
    Error::corrupt("the table's schema cannot be read")
        .code(Code(802))
        .caused_by(error)
}

fn arrow_fields(delta: &DeltaStruct) -> Result<Fields> {
    delta
        .fields
        .iter()
        .map(|field| {
            let data_type = arrow_type(&field.data_type, &field.name)?;
            Ok(Field::new(&field.name, data_type, true))
        })
        .collect()
}

/// The type of a column, as a schema has it.
///
/// # Errors
/// `Corrupt` for one that a foreign tool brought and we do not read.
pub(super) fn arrow_type(value: &serde_json::Value, column: &str) -> Result<DataType> {
    if let Some(name) = value.as_str() {
        return arrow_primitive(name).ok_or_else(|| unknown(name, column));
    }
    match value.get("type").and_then(serde_json::Value::as_str) {
        Some("array") => {
            let array = DeltaArray::deserialize(value).map_err(malformed)?;
            let item = arrow_type(&array.element_type, column)?;
            Ok(DataType::List(Arc::new(Field::new_list_field(item, true))))
        }
        Some("struct") => {
            let fields = DeltaStruct::deserialize(value).map_err(malformed)?;
            Ok(DataType::Struct(arrow_fields(&fields)?))
        }
        other => Err(unknown(other.unwrap_or("?"), column)),
    }
}

fn unknown(name: &str, column: &str) -> Error {
    Error::corrupt(format!(
        "column `{column}` is of type `{name}`, which kilde does not read"
    ))
    .code(Code(806))
    .help("a foreign tool changed the table: `kilde releases` names the version before")
}

fn arrow_primitive(name: &str) -> Option<DataType> {
    Some(match name {
        "string" => DataType::Utf8,
        "boolean" => DataType::Boolean,
        "byte" => DataType::Int8,
        "short" => DataType::Int16,
        "integer" => DataType::Int32,
        "long" => DataType::Int64,
        "float" => DataType::Float32,
        "double" => DataType::Float64,
        "date" => DataType::Date32,
        "binary" => DataType::Binary,
        "timestamp" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        _ => {
            let (precision, scale) = name
                .strip_prefix("decimal(")?
                .strip_suffix(')')?
                .split_once(',')?;
            DataType::Decimal128(precision.trim().parse().ok()?, scale.trim().parse().ok()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_contract_type_survives_the_round_trip() {
        let item = DataType::Struct(
            vec![
                Field::new("sku", DataType::Utf8, true),
                Field::new("quantity", DataType::Int32, true),
            ]
            .into(),
        );
        let schema = Schema::new(vec![
            Field::new("id", DataType::Int64, true),
            Field::new("name", DataType::Utf8, true),
            Field::new("yes", DataType::Boolean, true),
            Field::new("ratio", DataType::Float64, true),
            Field::new("amount", DataType::Decimal128(12, 2), true),
            Field::new("day", DataType::Date32, true),
            Field::new(
                "at",
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
                true,
            ),
            Field::new(
                "lines",
                DataType::List(Arc::new(Field::new_list_field(item, true))),
                true,
            ),
        ]);
        let comments = BTreeMap::from([("name", "as the person \"writes\" it")]);
        let delta = to_delta(&schema, &comments).unwrap();
        assert_eq!(to_arrow(&delta).unwrap().as_ref(), &schema);
        assert!(delta.contains(r#""metadata":{"comment":"as the person \"writes\" it"}"#));
        assert!(!delta.contains(r#""nullable":false"#));
    }

    #[test]
    fn foreign_types_are_refused_by_column() {
        let delta = r#"{"type":"struct","fields":[{"name":"v","type":"variant","nullable":true,"metadata":{}}]}"#;
        let text = to_arrow(delta).unwrap_err().render();
        assert!(text.contains("`v`") && text.contains("`variant`"), "{text}");
    }
}
