//! Declared kinds of raw exports, and how each is read.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{
    DriftModes, Due, Encoding, Freshness, Limit, OnError, PathPattern, Ready, Sender, Spanned,
};
use crate::diagnostic::{SourceFile, Span};
use crate::name::TableName;

/// A declared kind of raw export; its contract is the bronze table's.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) table: TableName,
    /// The pipeline's file and the bytes of this item in it.
    pub(crate) file: Arc<SourceFile>,
    pub(crate) span: Span,
    /// Name of the pipeline.
    pub(crate) pipeline: String,
    /// An export belongs here when any pattern matches its path below `raw`.
    pub(crate) patterns: Vec<PathPattern>,
    /// Of an archive of several files, the one that is the export's content.
    pub(crate) member: Option<PathPattern>,
    pub(crate) read: Read,
    pub(crate) load: Load,
    /// More rejects than this in one build's exports of the source fail the build.
    pub(crate) max_rejects: Option<Limit>,
    pub(crate) drift: DriftModes,
    pub(crate) freshness: Freshness,
    pub(crate) due: Option<Due>,
    pub(crate) sender: Option<Sender>,
    pub(crate) ready: Ready,
    pub(crate) on_error: Spanned<OnError>,
    pub(crate) unreadable: OnUnreadable,
    pub(crate) tags: Vec<String>,
}

impl Source {
    /// Whether files of archives are exports of it.
    pub(crate) fn reads_archives(&self) -> bool {
        self.patterns
            .iter()
            .any(|pattern| pattern.archive.is_some())
    }

    /// Whether two paths give columns other values: equal content is other records then. `takes`: whether a column has its value
    /// from the path.
    pub(crate) fn are_apart(&self, one: &str, other: &str, takes: impl Fn(&str) -> bool) -> bool {
        let values = |path: &str| {
            let mut captures = self.patterns.iter().filter_map(|p| p.matches(path));
            let mut columns = captures.next()?.columns;
            columns.retain(|column, _| takes(column));
            Some(columns)
        };
        // of a path that nothing matches any more only its content is known
        matches!((values(one), values(other)), (Some(one), Some(other)) if one != other)
    }
}

/// What an export that cannot be read does to its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnUnreadable {
    /// It is left out alone, and every build says so until somebody acts.
    Warn,
    /// The source cannot be loaded; what that means says its `on_error`.
    RejectFile,
    /// The build stops, whatever `on_error` says.
    Fail,
}

impl OnUnreadable {
    /// What holds where nobody says it. Of `changes` every export builds on the one before.
    pub(crate) fn of(load: Load) -> Self {
        match load {
            Load::Append | Load::Replace => Self::Warn,
            Load::Changes => Self::RejectFile,
        }
    }
}

/// The format of an export.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Read {
    Csv(CsvRead),
    Fixed(FixedRead),
    Ndjson(NdjsonRead),
    Json(JsonRead),
    Avro(AvroRead),
    Parquet(ParquetRead),
    Delta(DeltaRead),
    Xlsx(XlsxRead),
}

impl Read {
    /// How the format's text becomes values.
    pub(crate) fn conversions(&self) -> &Conversions {
        match self {
            Self::Csv(read) => &read.conversions,
            Self::Fixed(read) => &read.conversions,
            Self::Ndjson(read) => &read.conversions,
            Self::Json(read) => &read.conversions,
            Self::Avro(read) => &read.conversions,
            Self::Parquet(read) => &read.conversions,
            Self::Delta(read) => &read.conversions,
            Self::Xlsx(read) => &read.conversions,
        }
    }

    /// Whether records are nested, each with names of its own.
    pub(crate) fn is_nested(&self) -> bool {
        matches!(self, Self::Ndjson(_) | Self::Json(_) | Self::Avro(_))
    }

    /// The list whose items become records, by its keys, where there is one.
    pub(crate) fn explode(&self) -> Option<&[String]> {
        match self {
            Self::Ndjson(read) => read.explode.as_deref(),
            Self::Json(read) => read.explode.as_deref(),
            Self::Avro(read) => read.explode.as_deref(),
            Self::Csv(_) | Self::Fixed(_) | Self::Parquet(_) | Self::Delta(_) | Self::Xlsx(_) => {
                None
            }
        }
    }

    /// Whether an export says the names of its columns before its first record.
    pub(crate) fn has_header(&self) -> bool {
        match self {
            Self::Csv(read) => read.header_rows > 0,
            Self::Xlsx(read) => read.header_rows > 0,
            Self::Parquet(_) | Self::Delta(_) => true,
            // the source itself says the names
            Self::Fixed(_) => false,
            Self::Ndjson(_) | Self::Json(_) | Self::Avro(_) => false,
        }
    }

    /// The encoding that a format of text declares.
    pub(crate) fn encoding(&self) -> Option<Encoding> {
        match self {
            Self::Csv(read) => Some(read.encoding),
            Self::Fixed(read) => Some(read.encoding),
            Self::Ndjson(read) => Some(read.encoding),
            Self::Json(read) => Some(read.encoding),
            Self::Xlsx(_) | Self::Avro(_) | Self::Parquet(_) | Self::Delta(_) => None,
        }
    }

    /// The same for an export that is in this encoding, whatever was declared.
    pub(crate) fn in_encoding(&self, encoding: Encoding) -> Self {
        let mut read = self.clone();
        match &mut read {
            Self::Csv(read) => read.encoding = encoding,
            Self::Fixed(read) => read.encoding = encoding,
            Self::Ndjson(read) => read.encoding = encoding,
            Self::Json(read) => read.encoding = encoding,
            Self::Xlsx(_) | Self::Avro(_) | Self::Parquet(_) | Self::Delta(_) => {}
        }
        read
    }
}

/// Delimited text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CsvRead {
    /// One character or more.
    pub(crate) delimiter: String,
    /// `None`: quotes are ordinary characters.
    pub(crate) quote: Option<char>,
    pub(crate) escape: Escape,
    /// Whether spaces around fields are cut off.
    pub(crate) trim: bool,
    /// Rows that name the columns, joined; 0: no header, columns in contract order.
    pub(crate) header_rows: u64,
    pub(crate) frame: Frame,
    pub(crate) encoding: Encoding,
    pub(crate) conversions: Conversions,
}

/// How a quote stands within quotes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Escape {
    /// Twice.
    #[default]
    Doubled,
    /// After this sign. Where nothing is quoted, the sign makes delimiters and line ends ordinary characters.
    Sign(char),
    /// As it is: a field ends at a quote that a delimiter or a line end follows.
    Bare,
}

/// Text in columns of a fixed width.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FixedRead {
    /// Names and widths in characters, in order.
    pub(crate) fields: Vec<(String, usize)>,
    pub(crate) frame: Frame,
    pub(crate) encoding: Encoding,
    pub(crate) conversions: Conversions,
}

/// What stands around the records of a text, and is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Lines before the header or the first record.
    pub(crate) skip_lines: u64,
    /// Lines after the last record; empty ones do not count.
    pub(crate) skip_footer: u64,
    /// The records end before the line that begins with any of these.
    pub(crate) until: Vec<String>,
    /// Lines that begin so are none.
    pub(crate) comment: Option<String>,
}

/// A Delta table of someone else, read as its Parquet files are.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DeltaRead {
    pub(crate) at: DeltaVersion,
    pub(crate) conversions: Conversions,
}

/// Which version of a Delta table is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeltaVersion {
    Newest,
    Numbered(u64),
    /// The newest that had been written by then.
    By(DateTime<Utc>),
}

/// One JSON object a line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NdjsonRead {
    pub(crate) encoding: Encoding,
    /// Keys that lead to a list whose items become records.
    pub(crate) explode: Option<Vec<String>>,
    pub(crate) conversions: Conversions,
}

/// One JSON document that holds an array.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct JsonRead {
    /// Keys that lead to the array; none: the document is the array.
    pub(crate) path: Vec<String>,
    pub(crate) encoding: Encoding,
    /// Keys that lead, within an element, to a list whose items become records.
    pub(crate) explode: Option<Vec<String>>,
    pub(crate) conversions: Conversions,
}

/// Records of Avro; dates, times and decimals are taken from its schema and converted by the contract.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AvroRead {
    /// Keys that lead to a list whose items become records.
    pub(crate) explode: Option<Vec<String>>,
    pub(crate) conversions: Conversions,
}

/// A sheet of an Excel workbook.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct XlsxRead {
    /// `None`: the first sheet that is not hidden.
    pub(crate) sheet: Option<String>,
    /// Rows that name the columns, joined; 0: no header, columns in contract order.
    pub(crate) header_rows: u64,
    pub(crate) frame: Frame,
    pub(crate) conversions: Conversions,
}

/// Parquet; types are taken from the file and converted by the contract.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ParquetRead {
    pub(crate) conversions: Conversions,
}

/// How text becomes values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Conversions {
    /// Decimal sign, `.` by default.
    pub(crate) decimal: char,
    /// Sign between groups of three, none by default.
    pub(crate) thousands: Option<char>,
    /// Signs and words that are cut off numbers: `kr`, `%`.
    pub(crate) units: Vec<String>,
    /// Where a minus may stand, besides in front.
    pub(crate) negatives: Negatives,
    /// Texts that mean null, `[""]` by default.
    pub(crate) nulls: Vec<String>,
    /// Texts that mean true, in any case; `None`: the words of databases.
    pub(crate) trues: Option<Vec<String>>,
    /// Texts that mean false, likewise.
    pub(crate) falses: Option<Vec<String>>,
    /// strftime formats of dates, or `excel`, tried in order; none: ISO 8601.
    pub(crate) dates: Vec<String>,
    /// strftime formats of times, or ways to count (`epoch_ms`), tried in order; none: ISO 8601 / RFC 3339, `T` or space.
    pub(crate) times: Vec<String>,
    /// The first of the hundred years that years of two digits mean.
    pub(crate) two_digit_years_from: i32,
    /// Zone of times without one.
    pub(crate) zone: chrono_tz::Tz,
}

/// The first of the hundred years that two digits mean where nothing is said, as POSIX has it: 69 to 99 are of the twentieth
/// century.
pub(crate) const DEFAULT_FIRST_YEAR: i32 = 1969;

/// Forms of negative numbers besides `-5`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Negatives {
    /// `(5)`.
    pub(crate) parentheses: bool,
    /// `5-`.
    pub(crate) trailing_minus: bool,
}

/// What one export means for the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Load {
    /// Each export adds its records, once.
    #[default]
    Append,
    /// The newest export is the whole truth.
    Replace,
    /// The newest record per key wins.
    Changes,
}
