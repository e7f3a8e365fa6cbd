//! `read:` of a source, as written: one shape a format.

use super::super::Spanned;
use super::declare::{choice, section, words};
use super::decode::{Anything, Later, OneOrMany};
use super::scalar::{Character, DateFormat, JsonPath, NumberSign, TimeFormat, Unit, Zone};
use crate::project::Encoding;

choice! {
    /// The format of an export and how it is written.
    RawRead ("a format") {
        /// Delimited text, plain or packed by gzip or zstd.
        Csv("csv"): RawCsv,
        /// One JSON object a line, plain or packed by gzip or zstd.
        Ndjson("ndjson"): RawNdjson,
        /// Parquet; types are taken from the file and converted by the contract.
        Parquet("parquet"): RawParquet,
        /// One JSON document that holds an array, plain or packed by gzip or zstd.
        Json("json"): RawJson,
        /// A sheet of an Excel workbook.
        Xlsx("xlsx"): RawXlsx,
        /// A Delta table of someone else.
        Delta("delta"): Later<Anything>,
    }
}

section! {
    /// Delimited text.
    RawCsv {
        /// Sign between fields. Default `,`.
        delimiter: Option<Spanned<Character>>,
        /// Sign around fields. Default `"`.
        quote: Option<Spanned<QuoteSign>>,
        /// Sign before a quote within quotes. Default: the quote is doubled.
        escape: Option<Spanned<Character>>,
        /// Lines that begin with this sign are skipped. Default: none.
        comment: Option<Spanned<Character>>,
        /// Whether the first line names the columns; `false`: columns in contract order. Default `true`.
        header: Option<Spanned<bool>>,
        /// Character encoding. Default `utf-8`; a byte order mark wins.
        encoding: Option<Encoding>,
        /// Decimal sign. Default `.`.
        decimal: Option<Spanned<NumberSign>>,
        /// Sign between thousands. Default: none.
        thousands: Option<Spanned<NumberSign>>,
        /// Signs and words that are cut off numbers, before or behind them: `[kr, "%"]`. Default: none.
        units: OneOrMany<Unit>,
        /// Texts that mean null. Default `[""]`.
        nulls: Option<NullTexts>,
        /// strftime formats of dates, tried in order. Default ISO 8601.
        dates: OneOrMany<DateFormat>,
        /// strftime formats of times, tried in order. Default ISO 8601.
        times: OneOrMany<TimeFormat>,
        /// Time zone of times without one. Default: the project's.
        zone: Option<Zone>,
        /// Lines before the header, or before the first record. Default 0.
        skip_lines: Option<u64>,
    }
}

section! {
    /// One JSON object a line.
    RawNdjson {
        /// Character encoding. Default `utf-8`; a byte order mark wins.
        encoding: Option<Encoding>,
        /// Decimal sign of numbers written as text. Default `.`.
        decimal: Option<Spanned<NumberSign>>,
        /// Sign between thousands of numbers written as text. Default: none.
        thousands: Option<Spanned<NumberSign>>,
        /// Signs and words that are cut off numbers, before or behind them: `[kr, "%"]`. Default: none.
        units: OneOrMany<Unit>,
        /// Texts that mean null. Default `[""]`.
        nulls: Option<NullTexts>,
        /// strftime formats of dates, tried in order. Default ISO 8601.
        dates: OneOrMany<DateFormat>,
        /// strftime formats of times, tried in order. Default ISO 8601.
        times: OneOrMany<TimeFormat>,
        /// Time zone of times without one. Default: the project's.
        zone: Option<Zone>,
        /// Path to a list within the record whose items become records: `lines`, `order.lines`.
        explode: Option<Spanned<JsonPath>>,
    }
}

section! {
    /// One JSON document that holds an array; each element is a record.
    RawJson {
        /// Path to the array: `data.items`. Default: the document is the array.
        path: Option<Spanned<JsonPath>>,
        /// Path to a list within the record whose items become records: `lines`, `order.lines`.
        explode: Option<Spanned<JsonPath>>,
        /// Character encoding. Default `utf-8`; a byte order mark wins.
        encoding: Option<Encoding>,
        /// Decimal sign of numbers written as text. Default `.`.
        decimal: Option<Spanned<NumberSign>>,
        /// Sign between thousands of numbers written as text. Default: none.
        thousands: Option<Spanned<NumberSign>>,
        /// Signs and words that are cut off numbers, before or behind them: `[kr, "%"]`. Default: none.
        units: OneOrMany<Unit>,
        /// Texts that mean null. Default `[""]`.
        nulls: Option<NullTexts>,
        /// strftime formats of dates, tried in order. Default ISO 8601.
        dates: OneOrMany<DateFormat>,
        /// strftime formats of times, tried in order. Default ISO 8601.
        times: OneOrMany<TimeFormat>,
        /// Time zone of times without one. Default: the project's.
        zone: Option<Zone>,
    }
}

section! {
    /// A sheet of an Excel workbook (`.xlsx`); the conversions hold for cells typed as text.
    RawXlsx {
        /// Name of the sheet. Default: the first that is not hidden.
        sheet: Option<String>,
        /// Whether the first row names the columns; `false`: columns in contract order. Default `true`.
        header: Option<Spanned<bool>>,
        /// Rows of the sheet before the header, or before the first record. Default 0.
        skip_lines: Option<u64>,
        /// Decimal sign of numbers written as text. Default `.`.
        decimal: Option<Spanned<NumberSign>>,
        /// Sign between thousands of numbers written as text. Default: none.
        thousands: Option<Spanned<NumberSign>>,
        /// Signs and words that are cut off numbers, before or behind them: `[kr, "%"]`. Default: none.
        units: OneOrMany<Unit>,
        /// Texts that mean null. Default `[""]`.
        nulls: Option<NullTexts>,
        /// strftime formats of dates, tried in order. Default ISO 8601.
        dates: OneOrMany<DateFormat>,
        /// strftime formats of times, tried in order. Default ISO 8601.
        times: OneOrMany<TimeFormat>,
        /// Time zone of times without one. Default: the project's.
        zone: Option<Zone>,
    }
}

section! {
    /// Parquet; the settings hold for text columns that the contract types otherwise.
    RawParquet {
        /// Decimal sign of numbers written as text. Default `.`.
        decimal: Option<Spanned<NumberSign>>,
        /// Sign between thousands of numbers written as text. Default: none.
        thousands: Option<Spanned<NumberSign>>,
        /// Signs and words that are cut off numbers, before or behind them: `[kr, "%"]`. Default: none.
        units: OneOrMany<Unit>,
        /// Texts that mean null. Default `[""]`.
        nulls: Option<NullTexts>,
        /// strftime formats of dates, tried in order. Default ISO 8601.
        dates: OneOrMany<DateFormat>,
        /// strftime formats of times, tried in order. Default ISO 8601.
        times: OneOrMany<TimeFormat>,
        /// Time zone of times without one. Default: the project's.
        zone: Option<Zone>,
    }
}

words! {
    Encoding, "an encoding" {
        "utf-8" => Encoding::Utf8,
        "windows-1252" => Encoding::Windows1252,
        "iso-8859-1" => Encoding::Iso8859_1,
        "utf-16" => Encoding::Utf16,
    }
    also {
        "utf16" => "utf-16", "utf-16le" => "utf-16", "utf-16be" => "utf-16", "utf_16" => "utf-16", "unicode" => "utf-16",
        "utf8" => "utf-8", "utf-8-sig" => "utf-8", "utf_8" => "utf-8", "ascii" => "utf-8", "us-ascii" => "utf-8",
        "cp1252" => "windows-1252", "ansi" => "windows-1252", "win1252" => "windows-1252",
        "windows1252" => "windows-1252", "cp-1252" => "windows-1252",
        "latin1" => "iso-8859-1", "latin-1" => "iso-8859-1", "iso8859-1" => "iso-8859-1",
        "iso_8859-1" => "iso-8859-1", "iso88591" => "iso-8859-1"
    }
}

/// A quote, or none: `quote: ""` makes quotes ordinary characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QuoteSign(pub(crate) Option<u8>);

impl super::decode::FromText for QuoteSign {
    const EXPECTED: &'static str = "one character, or \"\" for none";

    fn from_text(text: &str) -> Result<Self, super::decode::Mistake> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        Character::from_text(text).map(|sign| Self(Some(sign.0)))
    }
}

/// Texts that mean null, where `null` itself is a text: `nulls: ["", NULL]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NullTexts(pub(crate) Vec<String>);

impl super::decode::Decode for NullTexts {
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
