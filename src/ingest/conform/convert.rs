//! Cells → Arrow columns, a column at a time.
//!
//! In: spans of text with their kind. Out: a typed array of the same length, and the rows whose text is no value of the
//! type (null in the array). A loop per type, nothing boxed or allocated per cell on the way that good data takes.

use std::borrow::Cow;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, ArrowPrimitiveType, BooleanArray, BooleanBufferBuilder, NullBufferBuilder,
    PrimitiveArray, StringArray,
};
use datafusion::arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use datafusion::arrow::datatypes::{
    Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType,
};

use super::calendar::{self, Pattern};
use super::findings::Findings;
use super::local_time::LocalTime;
use super::number::{self, BooleanStyle, NumberStyle};
use crate::error::{Error, Result};
use crate::ingest::cell::{CellColumn, CellKind};
use crate::ingest::encoding::TextDecoder;
use crate::ingest::json::unescape;
use crate::ingest::rule::{Fault, Rule};
use crate::project::{ColumnType, Conversions, DEFAULT_FIRST_YEAR, Encoding, Negatives};

const DAY_MICROS: i64 = 86_400_000_000;

/// How one export's text becomes values.
#[derive(Clone, Debug)]
pub(crate) struct Converter {
    pub(crate) decoder: TextDecoder,
    escaping: Escaping,
    numbers: NumberStyle,
    /// Texts that mean null, but for the empty one.
    nulls: Vec<Vec<u8>>,
    empty_is_null: bool,
    booleans: BooleanStyle,
    dates: Vec<Pattern>,
    times: Vec<Pattern>,
    /// Those of them that read bare numbers.
    number_dates: OfNumbers,
    number_times: OfNumbers,
    local: Arc<LocalTime>,
}

/// The formats that read bare numbers.
#[derive(Clone, Debug)]
struct OfNumbers {
    from_1900: Vec<Pattern>,
    /// In workbooks whose days count from 1904.
    from_1904: Vec<Pattern>,
}

impl OfNumbers {
    fn of(patterns: &[Pattern]) -> Self {
        let reads_numbers = |pattern: &&Pattern| pattern.reads_numbers();
        let from_1900: Vec<Pattern> = patterns.iter().filter(reads_numbers).cloned().collect();
        Self {
            from_1904: from_1900.iter().map(Pattern::counted_from_1904).collect(),
            from_1900,
        }
    }

    fn is_empty(&self) -> bool {
        self.from_1900.is_empty()
    }
}

/// What makes a sign of delimited text an ordinary character, in the bytes of the export.
#[derive(Clone, Debug)]
pub(crate) struct Escaping {
    /// Never empty.
    pub(crate) escape: Vec<u8>,
    /// The signs before which it does so; before all else it is an ordinary character itself.
    pub(crate) before: Vec<Vec<u8>>,
}

impl Escaping {
    /// A quote within quotes is doubled.
    pub(crate) fn doubled(quote: &[u8]) -> Self {
        Self {
            escape: quote.to_vec(),
            before: vec![quote.to_vec()],
        }
    }

    /// Appends the text with what it escapes; `append` decodes.
    fn resolve(&self, text: &[u8], out: &mut Vec<u8>, append: impl Fn(&[u8], &mut Vec<u8>)) {
        let mut rest = text;
        let mut from = 0;
        while let Some(at) = memchr::memmem::find(&rest[from..], &self.escape) {
            let at = from + at;
            let after = &rest[at + self.escape.len()..];
            let sign = self.before.iter().find(|sign| after.starts_with(sign));
            let Some(sign) = sign else {
                from = at + self.escape.len();
                continue;
            };
            append(&rest[..at], out);
            rest = after;
            from = sign.len();
        }
        append(rest, out);
    }
}

/// The text of a cell as UTF-8, escapes resolved.
pub(super) struct Plain<'a> {
    kind: CellKind,
    text: &'a [u8],
}

impl<'a> Plain<'a> {
    /// UTF-8.
    pub(super) fn text(&self) -> &'a [u8] {
        self.text
    }
}

impl Converter {
    /// `escaping`: of delimited text.
    pub(crate) fn new(conversions: &Conversions, encoding: Encoding, escaping: Escaping) -> Self {
        let compile = |formats: &[String]| match formats {
            [] => vec![Pattern::Iso],
            formats => {
                let first = conversions.two_digit_years_from;
                let patterns = formats.iter().map(|format| calendar::compile(format));
                patterns
                    .map(|pattern| pattern.with_two_digit_years_from(first))
                    .collect()
            }
        };
        let (dates, times) = (compile(&conversions.dates), compile(&conversions.times));
        Self {
            decoder: TextDecoder::new(encoding),
            escaping,
            numbers: NumberStyle {
                decimal: conversions.decimal,
                thousands: conversions.thousands,
                units: units(&conversions.units),
                parentheses: conversions.negatives.parentheses,
                trailing_minus: conversions.negatives.trailing_minus,
            },
            booleans: BooleanStyle::new(
                conversions.trues.as_deref(),
                conversions.falses.as_deref(),
            ),
            nulls: conversions
                .nulls
                .iter()
                .filter(|text| !text.is_empty())
                .map(|text| text.clone().into_bytes())
                .collect(),
            empty_is_null: conversions.nulls.iter().any(String::is_empty),
            number_dates: OfNumbers::of(&dates),
            number_times: OfNumbers::of(&times),
            dates,
            times,
            local: Arc::new(LocalTime::new(conversions.zone)),
        }
    }

    /// Converts text in our own notation (contracts, paths): ISO dates, decimal points, the zone given.
    pub(crate) fn canonical(zone: chrono_tz::Tz) -> Self {
        let conversions = Conversions {
            decimal: '.',
            thousands: None,
            units: Vec::new(),
            negatives: Negatives::default(),
            nulls: Vec::new(),
            trues: None,
            falses: None,
            dates: Vec::new(),
            times: Vec::new(),
            two_digit_years_from: DEFAULT_FIRST_YEAR,
            zone,
        };
        Self::new(&conversions, Encoding::Utf8, Escaping::doubled(b"\""))
    }

    /// Microseconds in UTC of a time on the export's local clock.
    pub(super) fn to_utc(&self, local: i64) -> i64 {
        self.local.to_utc(local)
    }

    /// Microseconds on the export's local clock of a time in UTC.
    pub(super) fn of_utc(&self, utc: i64) -> i64 {
        self.local.of_utc(utc)
    }

    /// The column's values; a row that has none of the type is null and named in `findings`.
    ///
    /// # Errors
    /// `Internal` only: text that claims to be UTF-8 must have been checked before.
    pub(crate) fn convert(
        &self,
        column: CellColumn<'_>,
        data_type: &ColumnType,
        findings: &mut Findings,
    ) -> Result<ArrayRef> {
        let faults = &mut findings.faults;
        Ok(match data_type {
            ColumnType::Varchar => Arc::new(self.varchar(column, faults)?),
            ColumnType::Boolean => Arc::new(self.boolean(column, faults)),
            ColumnType::Integer => Arc::new(self.primitive::<Int32Type>(column, faults, |cell| {
                let value = number::integer(cell.text, self.style(&cell)?)?;
                i32::try_from(value).map_err(|_| Rule::OutOfRange)
            })),
            ColumnType::Bigint => Arc::new(self.primitive::<Int64Type>(column, faults, |cell| {
                number::integer(cell.text, self.style(&cell)?)
            })),
            ColumnType::Double => Arc::new(self.primitive::<Float64Type>(column, faults, |cell| {
                number::double(cell.text, self.style(&cell)?)
            })),
            ColumnType::Decimal { precision, scale } => Arc::new(
                self.primitive::<Decimal128Type>(column, faults, |cell| {
                    number::decimal(cell.text, self.style(&cell)?, *precision, *scale)
                })
                .with_data_type(data_type.arrow()),
            ),
            ColumnType::Date => Arc::new(self.primitive::<Date32Type>(column, faults, |cell| {
                let patterns = patterns(&cell, &self.dates, &self.number_dates);
                calendar::date(date_text(&cell, patterns)?, patterns)
            })),
            ColumnType::Timestamp => Arc::new(
                self.primitive::<TimestampMicrosecondType>(column, faults, |cell| {
                    let (local, offset) = self.time(&cell)?;
                    let utc = match offset {
                        Some(seconds) => local - i64::from(seconds) * 1_000_000,
                        None => self.local.to_utc(local),
                    };
                    match calendar::is_known_time(utc) {
                        true => Ok(utc),
                        false => Err(Rule::ImpossibleDate),
                    }
                })
                .with_data_type(data_type.arrow()),
            ),
            ColumnType::List(item) => self.list(column, item, findings)?,
            ColumnType::Struct(fields) => self.structure(column, fields, findings)?,
        })
    }

    /// A time on the export's clock, and its offset. A day in a declared date format is its midnight, as an ISO day is.
    fn time(&self, cell: &Plain<'_>) -> Result<(i64, Option<i32>), Rule> {
        let times = patterns(cell, &self.times, &self.number_times);
        let dates = patterns(cell, &self.dates, &self.number_dates);
        let text = date_text(cell, if times.is_empty() { dates } else { times })?;
        calendar::time(text, times).or_else(|rule| {
            let is_last = matches!(dates, [] | [Pattern::Iso]);
            if is_last || !matches!(rule, Rule::NotATimestamp | Rule::NumberAsDate) {
                return Err(rule);
            }
            match calendar::date(text, dates) {
                Ok(days) => Ok((i64::from(days) * DAY_MICROS, None)),
                Err(Rule::ImpossibleDate) => Err(Rule::ImpossibleDate),
                Err(_) => Err(rule),
            }
        })
    }

    /// Whether a number can be a date or time.
    pub(super) fn reads_numbers_as(&self, data_type: &ColumnType) -> bool {
        match data_type {
            ColumnType::Date => !self.number_dates.is_empty(),
            _ => !(self.number_times.is_empty() && self.number_dates.is_empty()),
        }
    }

    /// The style of a number: JSON's own numbers are written alike everywhere.
    fn style(&self, cell: &Plain<'_>) -> Result<&NumberStyle, Rule> {
        match cell.kind {
            CellKind::Number | CellKind::NumberFrom1904 => Ok(&number::PLAIN),
            CellKind::Boolean | CellKind::Json => Err(Rule::WrongType),
            _ => Ok(&self.numbers),
        }
    }

    /// The cell's text in UTF-8, `None` for null. Only text that is not plain already is copied, into `scratch`.
    #[inline(always)]
    pub(super) fn plain<'a>(
        &self,
        (kind, bytes): (CellKind, &'a [u8]),
        scratch: &'a mut Vec<u8>,
    ) -> Option<Plain<'a>> {
        if matches!(kind, CellKind::Missing | CellKind::Null) {
            return None;
        }
        let is_plain = match kind {
            CellKind::Doubled | CellKind::Escaped => false,
            _ => self.decoder.is_utf8() || bytes.is_ascii(),
        };
        let text = if is_plain {
            bytes
        } else {
            scratch.clear();
            self.append(kind, bytes, scratch);
            scratch.as_slice()
        };
        (!self.is_null(text)).then_some(Plain { kind, text })
    }

    /// The same for text that was decoded.
    pub(super) fn in_utf8(&self) -> Cow<'_, Self> {
        match self.decoder.is_utf8() {
            true => Cow::Borrowed(self),
            false => Cow::Owned(Self {
                decoder: TextDecoder::UTF_8,
                ..self.clone()
            }),
        }
    }

    /// Whether a cell's text means null.
    pub(crate) fn means_null(&self, cell: (CellKind, &[u8])) -> bool {
        self.plain(cell, &mut Vec::new()).is_none()
    }

    /// Whether a text means null.
    pub(crate) fn is_null(&self, text: &[u8]) -> bool {
        match text.is_empty() {
            true => self.empty_is_null,
            false => self.nulls.iter().any(|null| null == text),
        }
    }

    /// Appends a cell's text as UTF-8, escapes resolved.
    pub(crate) fn append(&self, kind: CellKind, bytes: &[u8], out: &mut Vec<u8>) {
        match kind {
            CellKind::Doubled => {
                let append = |part: &[u8], out: &mut Vec<u8>| self.decoder.append(part, out);
                self.escaping.resolve(bytes, out, append);
            }
            CellKind::Escaped => unescape(bytes, out, |part, out| self.decoder.append(part, out)),
            _ => self.decoder.append(bytes, out),
        }
    }

    fn primitive<T: ArrowPrimitiveType>(
        &self,
        column: CellColumn<'_>,
        faults: &mut Vec<Fault>,
        parse: impl Fn(Plain<'_>) -> Result<T::Native, Rule>,
    ) -> PrimitiveArray<T> {
        let mut values = Vec::with_capacity(column.len());
        // rows without a value, of which there are mostly none or few
        let mut missing = Vec::new();
        let mut scratch = Vec::new();
        for (row, cell) in column.iter().enumerate() {
            let value = match self.plain(cell, &mut scratch).map(&parse) {
                Some(Ok(value)) => value,
                Some(Err(rule)) => {
                    faults.push(Fault::new(row, rule));
                    missing.push(row);
                    T::Native::default()
                }
                None => {
                    missing.push(row);
                    T::Native::default()
                }
            };
            values.push(value);
        }
        PrimitiveArray::new(values.into(), without(column.len(), &missing))
    }

    fn boolean(&self, column: CellColumn<'_>, faults: &mut Vec<Fault>) -> BooleanArray {
        let mut values = BooleanBufferBuilder::new(column.len());
        let mut nulls = NullBufferBuilder::new(column.len());
        let mut scratch = Vec::new();
        for (row, cell) in column.iter().enumerate() {
            // the empty text may be null elsewhere, and false here
            let is_empty_word = cell.0 == CellKind::Text && cell.1.is_empty();
            let empty = is_empty_word
                .then(|| self.booleans.read(b"").ok())
                .flatten();
            let parsed = match empty {
                Some(truth) => Some(Ok(truth)),
                None => self.plain(cell, &mut scratch).map(|cell| match cell.kind {
                    CellKind::Json => Err(Rule::WrongType),
                    CellKind::Boolean => Ok(cell.text == b"true"),
                    _ => self.booleans.read(cell.text),
                }),
            };
            nulls.append(matches!(parsed, Some(Ok(_))));
            values.append(matches!(parsed, Some(Ok(true))));
            if let Some(Err(rule)) = parsed {
                faults.push(Fault::new(row, rule));
            }
        }
        BooleanArray::new(values.finish(), nulls.finish())
    }

    fn varchar(&self, column: CellColumn<'_>, faults: &mut Vec<Fault>) -> Result<StringArray> {
        let mut values = Vec::with_capacity(column.len() * 12);
        let mut offsets = Vec::with_capacity(column.len() + 1);
        let mut missing = Vec::new();
        offsets.push(0_i32);
        for (row, (kind, bytes)) in column.iter().enumerate() {
            let start = values.len();
            let mut is_valid = match kind {
                CellKind::Missing | CellKind::Null => false,
                CellKind::Json => {
                    faults.push(Fault::new(row, Rule::WrongType));
                    false
                }
                // most is text as it stands
                CellKind::Text => {
                    self.decoder.append(bytes, &mut values);
                    true
                }
                _ => {
                    self.append(kind, bytes, &mut values);
                    true
                }
            };
            if is_valid && self.is_null(&values[start..]) {
                values.truncate(start);
                is_valid = false;
            }
            if !is_valid {
                missing.push(row);
            }
            let end = i32::try_from(values.len())
                .map_err(|_| Error::internal("a block of text beyond 2 GB was converted"))?;
            offsets.push(end);
        }
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        let valid = without(column.len(), &missing);
        StringArray::try_new(offsets, Buffer::from_vec(values), valid)
            .map_err(|error| Error::internal("text was converted unchecked").caused_by(error))
    }
}

/// Which of so many rows have a value: all but these. `None`: all.
fn without(rows: usize, missing: &[usize]) -> Option<NullBuffer> {
    if missing.is_empty() {
        return None;
    }
    let mut valid = BooleanBufferBuilder::new(rows);
    valid.append_n(rows, true);
    for row in missing {
        valid.set_bit(*row, false);
    }
    Some(NullBuffer::new(valid.finish()))
}

/// The formats of a cell's date or time: of the declared ones, those for a bare number if it is one.
fn patterns<'a>(
    cell: &Plain<'_>,
    declared: &'a [Pattern],
    of_numbers: &'a OfNumbers,
) -> &'a [Pattern] {
    match cell.kind {
        CellKind::Iso => &[Pattern::Iso],
        CellKind::Number => &of_numbers.from_1900,
        CellKind::NumberFrom1904 => &of_numbers.from_1904,
        _ => declared,
    }
}

/// Longer units first: `kr` is not `k` with something before it.
fn units(declared: &[String]) -> Vec<Vec<u8>> {
    let units = declared.iter().map(|unit| unit.clone().into_bytes());
    let mut units: Vec<Vec<u8>> = units.collect();
    units.sort_by_key(|unit| std::cmp::Reverse(unit.len()));
    units
}

/// The text of a date or time: numbers are none, unless the source says what they count.
fn date_text<'a>(cell: &Plain<'a>, patterns: &[Pattern]) -> Result<&'a [u8], Rule> {
    match cell.kind {
        CellKind::Number | CellKind::NumberFrom1904 if patterns.is_empty() => {
            Err(Rule::NumberAsDate)
        }
        CellKind::Boolean | CellKind::Json => Err(Rule::WrongType),
        _ => Ok(cell.text),
    }
}
