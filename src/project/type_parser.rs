//! `list<struct<sku varchar, amount decimal(12,2)>>` → [`ColumnType`]; other tools' words are answered with ours.

use super::ColumnType;
use crate::diagnostic::nearest;
use crate::name::is_identifier;

/// Types within types; deeper ones are a mistake, and would be one for every reader.
const MAX_DEPTH: usize = 16;

const WORDS: &[&str] = &[
    "varchar",
    "boolean",
    "integer",
    "bigint",
    "double",
    "decimal",
    "date",
    "timestamp",
    "list",
    "struct",
];

/// Why a text is not a type, and what to write.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TypeError {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl ColumnType {
    /// The type that `text` writes, as [`ColumnType`]'s `Display` would.
    ///
    /// # Errors
    /// Names that are not ours, with the nearest; wrong brackets, names of fields, precision or scale.
    pub(crate) fn parse(text: &str) -> Result<Self, TypeError> {
        let mut parser = Parser { text, rest: text };
        let parsed = parser.data_type(0)?;
        parser.space();
        if parser.rest.is_empty() {
            Ok(parsed)
        } else {
            Err(parser.trailing(&parsed))
        }
    }
}

struct Parser<'t> {
    text: &'t str,
    rest: &'t str,
}

impl<'t> Parser<'t> {
    fn data_type(&mut self, depth: usize) -> Result<ColumnType, TypeError> {
        if depth > MAX_DEPTH {
            return Err(self.wrong("is nested too deeply"));
        }
        let word = self.word();
        Ok(match word {
            "varchar" => ColumnType::Varchar,
            "boolean" => ColumnType::Boolean,
            "integer" => ColumnType::Integer,
            "bigint" => ColumnType::Bigint,
            "double" => ColumnType::Double,
            "date" => ColumnType::Date,
            "timestamp" => ColumnType::Timestamp,
            "decimal" => self.decimal()?,
            "list" => {
                self.expect("<", "list<varchar>")?;
                let item = self.data_type(depth + 1)?;
                self.expect(">", "list<varchar>")?;
                ColumnType::List(Box::new(item))
            }
            "struct" => self.structure(depth)?,
            "" => return Err(self.wrong("is not a data type")),
            other => return Err(self.unknown(other)),
        })
    }

    fn decimal(&mut self) -> Result<ColumnType, TypeError> {
        self.expect("(", "decimal(12,2)")?;
        let precision: Option<u8> = self.word().parse().ok();
        self.expect(",", "decimal(12,2)")?;
        let scale: Option<i8> = self.word().parse().ok();
        self.expect(")", "decimal(12,2)")?;
        match (precision, scale) {
            (Some(precision @ 1..=38), Some(scale)) if (0..=precision as i8).contains(&scale) => {
                Ok(ColumnType::Decimal { precision, scale })
            }
            _ => Err(TypeError {
                message: format!("`{}` is not a decimal", self.text),
                help: Some(
                    "`decimal(p,s)`: p digits from 1 to 38, s of them after the point".into(),
                ),
            }),
        }
    }

    fn structure(&mut self, depth: usize) -> Result<ColumnType, TypeError> {
        const EXAMPLE: &str = "struct<sku varchar, quantity integer>";
        self.expect("<", EXAMPLE)?;
        let mut fields: Vec<(String, ColumnType)> = Vec::new();
        loop {
            let name = self.word();
            if !is_identifier(name) {
                return Err(TypeError {
                    message: format!("`{name}` is not a field's name in `{}`", self.text),
                    help: Some(format!(
                        "small letters a to z, digits and `_`, a letter first, as in `{EXAMPLE}`: a field takes its key in any spelling, `pris` that of `Prís`"
                    )),
                });
            }
            if fields.iter().any(|(other, _)| other == name) {
                return Err(self.wrong(&format!("has the field `{name}` twice")));
            }
            self.space();
            if let Some(rest) = self.rest.strip_prefix(':') {
                self.rest = rest;
            }
            let field = self.data_type(depth + 1)?;
            fields.push((name.to_string(), field));
            self.space();
            match self.rest.strip_prefix(',') {
                Some(rest) => self.rest = rest,
                None => break,
            }
        }
        self.expect(">", EXAMPLE)?;
        Ok(ColumnType::Struct(fields))
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn word(&mut self) -> &'t str {
        self.space();
        let end = self
            .rest
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn expect(&mut self, sign: &str, example: &str) -> Result<(), TypeError> {
        self.space();
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                Ok(())
            }
            None => Err(TypeError {
                message: format!("`{}` is not a data type: `{sign}` is missing", self.text),
                help: Some(format!("for example `{example}`")),
            }),
        }
    }

    fn wrong(&self, what: &str) -> TypeError {
        TypeError {
            message: format!("`{}` {what}", self.text),
            help: Some(known()),
        }
    }

    fn trailing(&self, parsed: &ColumnType) -> TypeError {
        let help = match self.rest.trim() {
            "[]" => format!("write `list<{parsed}>`"),
            _ => format!("write `{parsed}`"),
        };
        TypeError {
            message: format!("`{}` is not a data type", self.text),
            help: Some(help),
        }
    }

    fn unknown(&self, word: &str) -> TypeError {
        let help = match theirs(&word.to_lowercase()) {
            Some(ours) => ours.to_string(),
            None => match nearest(&word.to_lowercase(), WORDS.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => known(),
            },
        };
        TypeError {
            message: format!("`{word}` is not a data type"),
            help: Some(help),
        }
    }
}

fn known() -> String {
    "`varchar boolean integer bigint double decimal(p,s) date timestamp list<…> struct<…>`".into()
}

/// What other tools call a type, and how kilde writes it.
fn theirs(word: &str) -> Option<&'static str> {
    Some(match word {
        "text" | "string" | "str" | "char" | "character" | "nvarchar" | "nchar" | "utf8"
        | "json" | "uuid" | "bpchar" | "clob" | "enum" => "write `varchar`",
        "bool" | "bit" | "logical" => "write `boolean`",
        "int" | "int4" | "int32" | "int2" | "int16" | "int8" | "tinyint" | "smallint"
        | "utinyint" | "usmallint" | "uint8" | "uint16" | "short" | "byte" | "mediumint" => {
            "write `integer` (32 bits) or `bigint` (64 bits)"
        }
        "int64" | "long" | "uint32" | "uinteger" | "serial" | "bigserial" | "ubigint"
        | "uint64" => "write `bigint`",
        "hugeint" | "int128" | "uhugeint" => "write `decimal(38,0)`",
        "float" | "float4" | "float8" | "float32" | "float64" | "real" => {
            "write `double`, or `decimal(p,s)` for money"
        }
        "numeric" | "number" | "dec" | "money" | "currency" => {
            "write `decimal(p,s)`, for example `decimal(12,2)`"
        }
        "datetime" | "timestamptz" | "timestamp_tz" | "timestamp_ntz" | "timestampntz"
        | "datetime2" | "smalldatetime" | "timestamp_s" | "timestamp_ms" | "timestamp_ns"
        | "instant" => "write `timestamp` (UTC, microseconds)",
        "time" | "interval" | "duration" => {
            "no reader-wide type for it: write `varchar`, or seconds as `integer`"
        }
        "array" | "repeated" => "write `list<…>`, for example `list<varchar>`",
        "object" | "record" | "row" | "map" | "variant" => {
            "write `struct<…>`, for example `struct<sku varchar, quantity integer>`"
        }
        "blob" | "binary" | "varbinary" | "bytea" | "bytes" => {
            "kilde has no bytes: write `varchar` (base64 or hex)"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn help(text: &str) -> String {
        ColumnType::parse(text).unwrap_err().help.unwrap()
    }

    #[test]
    fn what_is_shown_is_parsed_again() {
        for text in [
            "varchar",
            "decimal(12,2)",
            "decimal(38,0)",
            "list<bigint>",
            "struct<a varchar, b list<struct<c date, d timestamp>>>",
        ] {
            assert_eq!(ColumnType::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(
            ColumnType::parse(" decimal ( 12 , 2 ) ")
                .unwrap()
                .to_string(),
            "decimal(12,2)"
        );
        assert_eq!(
            ColumnType::parse("struct<a: date>").unwrap().to_string(),
            "struct<a date>"
        );
    }

    #[test]
    fn other_tools_words_are_answered_with_ours() {
        assert_eq!(help("text"), "write `varchar`");
        assert_eq!(help("Int64"), "write `bigint`");
        assert_eq!(help("datetime"), "write `timestamp` (UTC, microseconds)");
        assert_eq!(
            help("NUMERIC(10,2)"),
            "write `decimal(p,s)`, for example `decimal(12,2)`"
        );
        assert_eq!(help("VARCHAR"), "did you mean `varchar`?");
        assert_eq!(help("bigitn"), "did you mean `bigint`?");
        assert_eq!(help("varchar(20)"), "write `varchar`");
        assert_eq!(help("varchar[]"), "write `list<varchar>`");
        assert_eq!(help("timestamp with time zone"), "write `timestamp`");
    }

    #[test]
    fn wrong_brackets_numbers_and_names_are_refused() {
        for wrong in [
            "",
            "decimal",
            "decimal(39,2)",
            "decimal(2,3)",
            "decimal(0,0)",
            "decimal(5,-1)",
            "decimal(5)",
            "list",
            "list<>",
            "list<varchar",
            "struct<>",
            "struct<a>",
            "struct<A date>",
            "struct<a date, a date>",
            "<",
        ] {
            assert!(ColumnType::parse(wrong).is_err(), "{wrong}");
        }
        assert!(ColumnType::parse(&"list<".repeat(10_000)).is_err());
    }
}
