//! The schema of an Avro container: JSON → types, names resolved.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

/// Types nested in types, at most.
const DEEPEST: usize = 64;

/// What the records of a container are.
#[derive(Debug)]
pub(super) struct Schema {
    /// Others name a type by its place.
    types: Vec<Type>,
    root: At,
}

/// Place of a type.
pub(super) type At = usize;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Null,
    Boolean,
    /// `int` and `long` are written alike.
    Long,
    Float,
    Double,
    Bytes,
    Text,
    Fixed(usize),
    Enum(Vec<String>),
    Array(At),
    Map(At),
    Union(Vec<At>),
    Record(Vec<(String, At)>),
    /// Digits after the point; of bytes, or of so many.
    Decimal(usize, Option<usize>),
    /// Days since 1970.
    Date,
    /// Of the day.
    Time(Unit),
    /// Since 1970; on the clock of nobody, where it is local.
    Timestamp {
        unit: Unit,
        is_local: bool,
    },
    /// 16 bytes.
    Uuid,
    /// Months, days, thousandths of a second.
    Duration,
}

/// Of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Millis,
    Micros,
    Nanos,
}

impl Schema {
    /// Reads a schema; what is wrong with it is said of the header.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        let json: Json =
            serde_json::from_slice(text).map_err(|_| "has a schema that is no JSON".to_string())?;
        let mut names = Names {
            types: Vec::new(),
            named: BTreeMap::new(),
        };
        let at = names.read(&json, "", 0)?;
        match &names.types[at] {
            Type::Record(_) => {}
            _ => return Err("has a schema of values that are no records".to_string()),
        }
        Ok(Self {
            types: names.types,
            root: at,
        })
    }

    /// The type of the records.
    pub(super) fn root(&self) -> At {
        self.root
    }

    /// The fields of a record.
    pub(super) fn names(&self) -> Vec<String> {
        match self.at(self.root) {
            Type::Record(fields) => fields.iter().map(|(name, _)| name.clone()).collect(),
            _ => Vec::new(),
        }
    }

    /// Whether a record may have something under a path, such as `buyer.email`; that of a list leads into its items.
    pub(super) fn has(&self, path: &str) -> bool {
        self.reaches(self.root, path)
    }

    fn reaches(&self, at: At, path: &str) -> bool {
        let (first, rest) = path.split_once('.').unwrap_or((path, ""));
        match self.at(at) {
            Type::Record(fields) => {
                let mut meant = fields.iter().filter(|(name, _)| name == first);
                meant.any(|(_, field)| rest.is_empty() || self.reaches(*field, rest))
            }
            Type::Union(branches) => branches.iter().any(|branch| self.reaches(*branch, path)),
            Type::Array(item) => self.reaches(*item, path),
            Type::Map(_) => true,
            _ => false,
        }
    }

    pub(super) fn at(&self, at: At) -> &Type {
        &self.types[at]
    }
}

struct Names {
    types: Vec<Type>,
    named: BTreeMap<String, At>,
}

impl Names {
    fn read(&mut self, json: &Json, space: &str, depth: usize) -> Result<At, String> {
        if depth > DEEPEST {
            return Err("has a schema that is too deep".to_string());
        }
        match json {
            Json::String(name) => self.named(name, space),
            Json::Array(branches) => {
                let branches = branches
                    .iter()
                    .map(|branch| self.read(branch, space, depth + 1))
                    .collect::<Result<Vec<At>, String>>()?;
                Ok(self.add(Type::Union(branches)))
            }
            Json::Object(object) => self.object(object, space, depth),
            _ => Err("has a schema with a type that is none".to_string()),
        }
    }

    fn named(&mut self, name: &str, space: &str) -> Result<At, String> {
        let primitive = match name {
            "null" => Type::Null,
            "boolean" => Type::Boolean,
            "int" | "long" => Type::Long,
            "float" => Type::Float,
            "double" => Type::Double,
            "bytes" => Type::Bytes,
            "string" => Type::Text,
            _ => {
                let full = match name.contains('.') || space.is_empty() {
                    true => name.to_string(),
                    false => format!("{space}.{name}"),
                };
                let found = self.named.get(&full).or_else(|| self.named.get(name));
                let found = found.copied();
                return found.ok_or_else(|| {
                    "has a schema that names a type which it does not have".to_string()
                });
            }
        };
        Ok(self.add(primitive))
    }

    fn object(
        &mut self,
        object: &Map<String, Json>,
        space: &str,
        depth: usize,
    ) -> Result<At, String> {
        let text = |key: &str| object.get(key).and_then(Json::as_str);
        let missing = || "has a schema with a type that lacks a part".to_string();
        let kind = object.get("type").ok_or_else(missing)?;
        let Some(kind) = kind.as_str() else {
            return self.read(kind, space, depth + 1);
        };
        let own = match (text("name"), text("namespace")) {
            (Some(name), _) if name.contains('.') => name.to_string(),
            (Some(name), Some("")) => name.to_string(),
            (Some(name), Some(own)) => format!("{own}.{name}"),
            (Some(name), None) if space.is_empty() => name.to_string(),
            (Some(name), None) => format!("{space}.{name}"),
            (None, _) => String::new(),
        };
        let space = own.rsplit_once('.').map_or("", |(space, _)| space);
        match kind {
            "record" | "error" => {
                // a record may hold itself
                let at = self.add(Type::Null);
                self.define(own.clone(), at)?;
                let fields = object.get("fields").and_then(Json::as_array);
                let mut found: Vec<(String, At)> = Vec::new();
                for field in fields.ok_or_else(missing)? {
                    let name = field
                        .get("name")
                        .and_then(Json::as_str)
                        .ok_or_else(missing)?;
                    if found.iter().any(|(other, _)| other == name) {
                        return Err("has a schema with two fields of one name".to_string());
                    }
                    let kind = field.get("type").ok_or_else(missing)?;
                    found.push((name.to_string(), self.read(kind, space, depth + 1)?));
                }
                self.types[at] = Type::Record(found);
                Ok(at)
            }
            "enum" => {
                let symbols = object.get("symbols").and_then(Json::as_array);
                let symbols = symbols.ok_or_else(missing)?.iter();
                let symbols = symbols.map(|symbol| symbol.as_str().map(str::to_string));
                let at = self.add(Type::Enum(
                    symbols.collect::<Option<_>>().ok_or_else(missing)?,
                ));
                self.define(own, at)?;
                Ok(at)
            }
            "fixed" => {
                let size = object.get("size").and_then(Json::as_u64);
                let size = size.and_then(|size| usize::try_from(size).ok());
                let size = size.ok_or_else(missing)?;
                let fixed = match (text("logicalType"), size) {
                    (Some("decimal"), _) => Type::Decimal(scale(object), Some(size)),
                    (Some("duration"), 12) => Type::Duration,
                    (Some("uuid"), 16) => Type::Uuid,
                    _ => Type::Fixed(size),
                };
                let at = self.add(fixed);
                self.define(own, at)?;
                Ok(at)
            }
            "array" => {
                let item = object.get("items").ok_or_else(missing)?;
                let item = self.read(item, space, depth + 1)?;
                Ok(self.add(Type::Array(item)))
            }
            "map" => {
                let value = object.get("values").ok_or_else(missing)?;
                let value = self.read(value, space, depth + 1)?;
                Ok(self.add(Type::Map(value)))
            }
            primitive => match logical(primitive, object) {
                Some(logical) => Ok(self.add(logical)),
                None => self.named(primitive, space),
            },
        }
    }

    fn add(&mut self, found: Type) -> At {
        self.types.push(found);
        self.types.len() - 1
    }

    fn define(&mut self, name: String, at: At) -> Result<(), String> {
        match self.named.insert(name, at) {
            None => Ok(()),
            Some(_) => Err("has a schema with two types of one name".to_string()),
        }
    }
}

fn scale(object: &Map<String, Json>) -> usize {
    let scale = object.get("scale").and_then(Json::as_u64);
    scale
        .and_then(|scale| usize::try_from(scale).ok())
        .unwrap_or(0)
        .min(1000)
}

/// A type that is written as another; one that nobody knows is the other.
fn logical(primitive: &str, object: &Map<String, Json>) -> Option<Type> {
    let logical = object.get("logicalType")?.as_str()?;
    let (kind, is_local) = match logical.strip_prefix("local-") {
        Some(kind) => (kind, true),
        None => (logical, false),
    };
    Some(match (primitive, kind) {
        ("bytes", "decimal") => Type::Decimal(scale(object), None),
        ("int", "date") => Type::Date,
        ("int", "time-millis") => Type::Time(Unit::Millis),
        ("long", "time-micros") => Type::Time(Unit::Micros),
        ("long", "timestamp-millis") => Type::Timestamp {
            unit: Unit::Millis,
            is_local,
        },
        ("long", "timestamp-micros") => Type::Timestamp {
            unit: Unit::Micros,
            is_local,
        },
        ("long", "timestamp-nanos") => Type::Timestamp {
            unit: Unit::Nanos,
            is_local,
        },
        _ => return None,
    })
}
