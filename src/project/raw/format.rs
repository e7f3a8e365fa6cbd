//! `read:` of a source, as written: one shape a format.

use super::super::Spanned;
use super::declare::{choice, section, words};
use super::decode::{FromText, Mistake, Named, OneOrMany};
use super::scalar::{Character, DateFormat, JsonPath, NumberSign, Signs, TimeFormat, Unit, Zone};
use crate::diagnostic::nearest;
use crate::project::Encoding;
use crate::project::encoding::ENCODINGS;

choice! {
    /// The format of an export and how it is written.
    RawRead ("a format") {
        /// Delimited text, plain or packed by gzip, zstd, bzip2 or ZIP.
        Csv("csv"): RawCsv,
        /// Text in columns of a fixed width, plain or packed by gzip, zstd, bzip2 or ZIP.
        Fixed("fixed"): RawFixed,
        /// One JSON object a line, plain or packed by gzip, zstd, bzip2 or ZIP.
        Ndjson("ndjson"): RawNdjson,
        /// Parquet; types are taken from the file and converted by the contract.
        Parquet("parquet"): RawParquet,
        /// Records of Avro, with the schema that comes with them.
        Avro("avro"): RawAvro,
        /// One JSON document that holds an array, plain or packed by gzip, zstd, bzip2 or ZIP.
        Json("json"): RawJson,
        /// A sheet of an Excel workbook.
        Xlsx("xlsx"): RawXlsx,
        /// A Delta table of someone else, at its newest version or one that is said; `files` names its folder.
        Delta("delta"): RawDelta,
    }
}

/// A format whose texts become values: its own keys, and those by which all formats say how.
macro_rules! converted {
    (
        $(#[doc = $about:literal])*
        $name:ident { $($own:tt)* }
    ) => {
        section! {
            $(#[doc = $about])*
            $name {
                $($own)*
                /// Decimal sign of numbers written as text. Default `.`.
                decimal: Option<Spanned<NumberSign>>,
                /// Sign between thousands of numbers written as text. Default: none.
                thousands: Option<Spanned<NumberSign>>,
                /// Signs and words that are cut off numbers, before or behind them: `[kr, "%"]`. Default: none.
                units: OneOrMany<Unit>,
                /// How negative numbers are written besides `-5`: `parentheses` for `(5)`, `trailing_minus` for `5-`. Default: not at all.
                negatives: OneOrMany<NegativeForm>,
                /// Texts that mean null. Default `[""]`.
                nulls: Option<Texts>,
                /// Texts that mean true, in any case: `[ja, x]`. Default `[true, t, yes, y, 1]`.
                trues: Option<Spanned<Texts>>,
                /// Texts that mean false, in any case: `[nej, ""]`. Default `[false, f, no, n, 0]`.
                falses: Option<Spanned<Texts>>,
                /// strftime formats of dates, tried in order; `excel`: days since 1900. Default ISO 8601.
                dates: OneOrMany<DateFormat>,
                /// strftime formats of times, tried in order; `excel`, `epoch` (seconds), `epoch_ms`, `epoch_us`. Default ISO 8601.
                times: OneOrMany<TimeFormat>,
                /// The first of the hundred years that two digits (`%y`) mean: with 1927 `26` is 2026, and `27` 1927. Default 1969.
                two_digit_years_from: Option<Spanned<u64>>,
                /// Time zone of times without one. Default: the project's.
                zone: Option<Zone>,
            }
        }
    };
}

converted! {
    /// Delimited text.
    RawCsv {
        /// Sign between fields, of one character or more. Default `,`.
        delimiter: Option<Spanned<Signs>>,
        /// Sign around fields; `none`: quotes are ordinary characters. Default `"`.
        quote: Option<Spanned<QuoteSign>>,
        /// Sign before a quote within quotes; `none`: such a quote stands as it is. Default: the quote is doubled.
        escape: Option<Spanned<EscapeSign>>,
        /// Lines that begin with this sign are skipped. Default: none.
        comment: Option<Spanned<Signs>>,
        /// Whether spaces around fields are cut off, also those around quotes. Default `false`.
        trim: Option<bool>,
        /// Whether the first line names the columns; `false`: columns in contract order. Default `true`.
        header: Option<Spanned<bool>>,
        /// Rows that name the columns together: their texts are joined with a space. Default 1.
        header_rows: Option<Spanned<u64>>,
        /// Character encoding. Default `utf-8`; a byte order mark wins.
        encoding: Option<Encoding>,
        /// Lines before the header, or before the first record. Default 0.
        skip_lines: Option<u64>,
        /// Lines after the last record; empty ones do not count. Default 0.
        skip_footer: Option<u64>,
        /// The records end before the line that begins with this text, or with one of these: `Total` (the whole word). Default: none.
        until: OneOrMany<Signs>,
    }
}

converted! {
    /// Text in columns of a fixed width; spaces around fields are cut off.
    RawFixed {
        /// Names and widths of the fields in order, in characters: `{customer_no: 8, name: 30}`.
        fields: Spanned<Named<Width>>,
        /// Lines that begin with this sign are skipped. Default: none.
        comment: Option<Spanned<Signs>>,
        /// Character encoding. Default `utf-8`; a byte order mark wins.
        encoding: Option<Encoding>,
        /// Lines before the first record. Default 0.
        skip_lines: Option<u64>,
        /// Lines after the last record; empty ones do not count. Default 0.
        skip_footer: Option<u64>,
        /// The records end before the line that begins with this text, or with one of these: `Total` (the whole word). Default: none.
        until: OneOrMany<Signs>,
    }
}

converted! {
    /// One JSON object a line.
    RawNdjson {
        /// Character encoding. Default `utf-8`; a byte order mark wins.
        encoding: Option<Encoding>,
        /// Path to a list within the record whose items become records: `lines`, `order.lines`.
        explode: Option<Spanned<JsonPath>>,
    }
}

converted! {
    /// One JSON document that holds an array; each element is a record.
    RawJson {
        /// Path to the array: `data.items`. Default: the document is the array.
        path: Option<Spanned<JsonPath>>,
        /// Path to a list within the record whose items become records: `lines`, `order.lines`.
        explode: Option<Spanned<JsonPath>>,
        /// Character encoding. Default `utf-8`; a byte order mark wins.
        encoding: Option<Encoding>,
    }
}

converted! {
    /// A sheet of an Excel workbook (`.xlsx`); the conversions hold for cells typed as text.
    RawXlsx {
        /// Name of the sheet. Default: the first that is not hidden.
        sheet: Option<String>,
        /// Whether the first row names the columns; `false`: columns in contract order. Default `true`.
        header: Option<Spanned<bool>>,
        /// Rows that name the columns together: their texts are joined with a space, and a merged cell names each column below
        /// it. Default 1.
        header_rows: Option<Spanned<u64>>,
        /// Rows of the sheet before the header, or before the first record. Default 0.
        skip_lines: Option<u64>,
        /// Rows after the last record; empty ones do not count. Default 0.
        skip_footer: Option<u64>,
        /// Rows whose first filled cell begins with this text are skipped: `Subtotal`. Default: none.
        comment: Option<Spanned<Signs>>,
        /// The records end before the row whose first filled cell begins with this text, or with one of these: `Total`. Default:
        /// none.
        until: OneOrMany<Signs>,
    }
}

converted! {
    /// Records of Avro, in a file that begins with their schema; the settings hold for texts that the contract types otherwise.
    RawAvro {
        /// Path to a list within the record whose items become records: `lines`, `order.lines`.
        explode: Option<Spanned<JsonPath>>,
    }
}

converted! {
    /// Parquet; the settings hold for text columns that the contract types otherwise.
    RawParquet {
    }
}

converted! {
    /// A Delta table of someone else; the settings hold for text columns that the contract types otherwise.
    RawDelta {
        /// The version that is read, whatever came after it. Default: the newest.
        version: Option<Spanned<u64>>,
        /// The version that was the newest at that time: `2026-03-01` is the midnight that began the day, in `zone`. Default: the
        /// newest of all.
        timestamp: Option<Spanned<String>>,
    }
}

impl FromText for Encoding {
    const EXPECTED: &'static str = "an encoding";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        if let Some(encoding) = Self::named(text) {
            return Ok(encoding);
        }
        let mistake = Mistake::new(105, format!("`{text}` is not an encoding"));
        let names = ENCODINGS.iter().map(|(name, _)| *name);
        let meant = Self::name_of_label(text).or_else(|| nearest(text, names));
        Err(match meant {
            Some(name) => mistake.help(format!("did you mean `{name}`?")),
            None => mistake.help("`utf-8`, `windows-1252`, `iso-8859-1`, `utf-16` and others: docs/keys.md lists them"),
        })
    }

    fn text_schema() -> schemars::Schema {
        let names: Vec<&str> = ENCODINGS.iter().map(|(name, _)| *name).collect();
        schemars::json_schema!({ "enum": names })
    }
}

/// A quote, or none: `quote: none` (or `""`) makes quotes ordinary characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QuoteSign(pub(crate) Option<char>);

impl FromText for QuoteSign {
    const EXPECTED: &'static str = "one character, or `none`";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        match text {
            "" | "none" => Ok(Self(None)),
            sign => Character::from_text(sign).map(|sign| Self(Some(sign.0))),
        }
    }
}

/// What stands before a quote within quotes, or none: `escape: none` leaves it as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EscapeSign(pub(crate) Option<char>);

impl FromText for EscapeSign {
    const EXPECTED: &'static str = "one character, or `none`";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        match text {
            "none" => Ok(Self(None)),
            sign => Character::from_text(sign).map(|sign| Self(Some(sign.0))),
        }
    }
}

/// Width of a field in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Width(pub(crate) usize);

impl FromText for Width {
    const EXPECTED: &'static str = "a width";

    fn from_text(text: &str) -> Result<Self, Mistake> {
        match text.parse() {
            Ok(width) if (1..=1_000_000).contains(&width) => Ok(Self(width)),
            _ => Err(Mistake::new(103, format!("`{text}` is not a width"))
                .help("characters of the field, a whole number from 1: `8`")),
        }
    }

    fn text_schema() -> schemars::Schema {
        schemars::json_schema!({"type": "integer", "minimum": 1, "maximum": 1_000_000})
    }
}

/// A form of negative numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NegativeForm {
    Parentheses,
    TrailingMinus,
}

words! {
    NegativeForm, "a form of negative numbers" {
        "parentheses" => NegativeForm::Parentheses,
        "trailing_minus" => NegativeForm::TrailingMinus,
    }
}

/// Texts that stand for a value, where `null` itself is a text: `nulls: ["", NULL]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Texts(pub(crate) Vec<String>);

impl super::decode::Decode for Texts {
    const REQUIRED: bool = false;

    fn decode(node: &super::tree::Node, sink: &mut super::decode::Sink) -> Option<Self> {
        use super::tree::Value;
        let nodes = match &node.value {
            Value::List(nodes) => nodes.as_slice(),
            Value::Text { .. } | Value::Map(_) => std::slice::from_ref(node),
        };
        let mut texts = Vec::new();
        for node in nodes {
            match &node.value {
                // nothing at all is a slip: the empty text is written `""`
                Value::Text { text, plain } if !(*plain && text.is_empty()) => {
                    texts.push(text.clone())
                }
                _ => sink.unexpected(node, "text (`\"\"` for the empty one)"),
            }
        }
        Some(Self(texts))
    }

    fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        <OneOrMany<String> as super::decode::Decode>::schema(generator)
    }
}
