//! The types a contract may name, and their Arrow form.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Fields, TimeUnit};

/// A column's type: the ones that every reader of a published table knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ColumnType {
    Varchar,
    Boolean,
    /// 32 bits.
    Integer,
    /// 64 bits.
    Bigint,
    Double,
    Decimal {
        precision: u8,
        scale: i8,
    },
    Date,
    /// UTC, microseconds.
    Timestamp,
    List(Box<ColumnType>),
    Struct(Vec<(String, ColumnType)>),
}

impl ColumnType {
    /// The Arrow type of a published column: `Utf8`, never a view; timestamps in µs UTC; every field nullable.
    pub(crate) fn arrow(&self) -> DataType {
        match self {
            Self::Varchar => DataType::Utf8,
            Self::Boolean => DataType::Boolean,
            Self::Integer => DataType::Int32,
            Self::Bigint => DataType::Int64,
            Self::Double => DataType::Float64,
            Self::Decimal { precision, scale } => DataType::Decimal128(*precision, *scale),
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::List(item) => DataType::List(Arc::new(Field::new_list_field(item.arrow(), true))),
            Self::Struct(fields) => DataType::Struct(
                fields
                    .iter()
                    .map(|(name, field)| Field::new(name, field.arrow(), true))
                    .collect::<Fields>(),
            ),
        }
    }

    /// The published type of whatever a query computes: views become `Utf8`, small and unsigned integers widen,
    /// timestamps become µs UTC. `None` for types that no contract can name.
    pub(crate) fn of_arrow(data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::Varchar,
            DataType::Dictionary(_, value) => Self::of_arrow(value)?,
            DataType::Boolean => Self::Boolean,
            DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::UInt8
            | DataType::UInt16 => Self::Integer,
            DataType::Int64 | DataType::UInt32 | DataType::UInt64 => Self::Bigint,
            DataType::Float16 | DataType::Float32 | DataType::Float64 => Self::Double,
            // digits that no table can hold: fewer than none behind the point, or more than 38
            DataType::Decimal32(_, s)
            | DataType::Decimal64(_, s)
            | DataType::Decimal128(_, s)
            | DataType::Decimal256(_, s)
                if !(0..=38).contains(s) =>
            {
                return None;
            }
            DataType::Decimal32(p, s) | DataType::Decimal64(p, s) | DataType::Decimal128(p, s) => {
                Self::Decimal {
                    precision: *p,
                    scale: *s,
                }
            }
            DataType::Decimal256(p, s) => Self::Decimal {
                precision: (*p).min(38),
                scale: *s,
            },
            DataType::Date32 | DataType::Date64 => Self::Date,
            DataType::Timestamp(_, _) => Self::Timestamp,
            DataType::List(item)
            | DataType::LargeList(item)
            | DataType::ListView(item)
            | DataType::FixedSizeList(item, _) => {
                Self::List(Box::new(Self::of_arrow(item.data_type())?))
            }
            DataType::Struct(fields) => Self::Struct(
                fields
                    .iter()
                    .map(|f| Some((f.name().clone(), Self::of_arrow(f.data_type())?)))
                    .collect::<Option<_>>()?,
            ),
            _ => return None,
        })
    }
}

impl fmt::Display for ColumnType {
    /// As written in a contract: `decimal(12,2)`, `list<struct<sku varchar, quantity integer>>`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Varchar => f.write_str("varchar"),
            Self::Boolean => f.write_str("boolean"),
            Self::Integer => f.write_str("integer"),
            Self::Bigint => f.write_str("bigint"),
            Self::Double => f.write_str("double"),
            Self::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            Self::Date => f.write_str("date"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::List(item) => write!(f, "list<{item}>"),
            Self::Struct(fields) => {
                f.write_str("struct<")?;
                for (i, (name, field)) in fields.iter().enumerate() {
                    write!(f, "{}{name} {field}", if i == 0 { "" } else { ", " })?;
                }
                f.write_str(">")
            }
        }
    }
}
