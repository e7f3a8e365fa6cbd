//! Why a record was rejected: a closed list that reports, the table of rejects and people speak in.

use std::fmt;

use crate::project::{Encoding, Read};

/// How an export is read, as far as advice on its rejects depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    /// It is a sheet of a workbook, which knows no delimiter.
    is_sheet: bool,
    /// As declared, where it is a text.
    encoding: Option<Encoding>,
    /// Another sign than the default is declared.
    has_decimal: bool,
    has_dates: bool,
    has_times: bool,
}

impl Reading {
    pub(crate) fn of(read: &Read) -> Self {
        let conversions = read.conversions();
        Self {
            is_sheet: matches!(read, Read::Xlsx(_)),
            encoding: read.encoding(),
            has_decimal: conversions.decimal != '.',
            has_dates: !conversions.dates.is_empty(),
            has_times: !conversions.times.is_empty(),
        }
    }
}

/// The one rule that a rejected record broke first. The names are stable: they are stored with the rejects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Rule {
    /// Bytes that are no character of the declared encoding.
    Encoding,
    /// A line longer than `limits.line`.
    RecordTooLong,
    /// Fewer fields than the header or the contract has.
    TooFewFields,
    /// More fields than the header or the contract has.
    TooManyFields,
    /// A quote opens and does not close where a field ends.
    UnclosedQuote,
    /// A line that is not one JSON object, e.g. because it was cut off.
    MalformedJson,
    /// An object that has a key twice which the contract reads: which of the two counts, readers of JSON do not agree on.
    DoubledKey,
    /// What `explode` names is no list of objects.
    NotAList,
    /// Another item of the same exploded record is bad: a record is atomic.
    SiblingRejected,
    /// A cell of a sheet that holds an error, such as `#N/A`.
    CellError,
    /// A cell of a sheet that holds a formula and no result of it.
    NoResult,
    /// A JSON value of another kind: an object where a number belongs.
    WrongType,
    /// Neither true nor false in any of the accepted spellings.
    NotABoolean,
    /// Not a whole number.
    NotAnInteger,
    /// Not a number in the declared style.
    NotANumber,
    /// A number that the type cannot hold.
    OutOfRange,
    /// More decimals than the type keeps; nothing is rounded silently.
    TooManyDecimals,
    /// Not a date in any declared format.
    NotADate,
    /// Not a time in any declared format.
    NotATimestamp,
    /// A date or time of the right shape that no calendar has: 31 February, 25 o'clock.
    ImpossibleDate,
    /// A bare number where a date or time belongs, as spreadsheets and Unix clocks write them.
    NumberAsDate,
    /// A key column is null, so that the record names nothing (`replace` and `changes`).
    KeyMissing,
    /// The contract's `not_null`.
    NotNull,
    /// The contract's `accepted_values`.
    AcceptedValues,
    /// The contract's `matches`.
    Matches,
    /// The contract's `range`.
    Range,
}

impl Rule {
    /// The name that is stored.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Encoding => "encoding",
            Self::RecordTooLong => "record_too_long",
            Self::TooFewFields => "too_few_fields",
            Self::TooManyFields => "too_many_fields",
            Self::UnclosedQuote => "unclosed_quote",
            Self::MalformedJson => "malformed_json",
            Self::DoubledKey => "doubled_key",
            Self::NotAList => "not_a_list",
            Self::SiblingRejected => "sibling_rejected",
            Self::CellError => "cell_error",
            Self::NoResult => "no_result",
            Self::WrongType => "wrong_type",
            Self::NotABoolean => "not_a_boolean",
            Self::NotAnInteger => "not_an_integer",
            Self::NotANumber => "not_a_number",
            Self::OutOfRange => "out_of_range",
            Self::TooManyDecimals => "too_many_decimals",
            Self::NotADate => "not_a_date",
            Self::NotATimestamp => "not_a_timestamp",
            Self::ImpossibleDate => "impossible_date",
            Self::NumberAsDate => "number_as_date",
            Self::KeyMissing => "key_missing",
            Self::NotNull => "not_null",
            Self::AcceptedValues => "accepted_values",
            Self::Matches => "matches",
            Self::Range => "range",
        }
    }

    /// Whether the value is of another type than its column.
    pub(crate) fn is_of_type(self) -> bool {
        matches!(
            self,
            Self::WrongType
                | Self::NotABoolean
                | Self::NotAnInteger
                | Self::NotANumber
                | Self::NotADate
                | Self::NotATimestamp
                | Self::NumberAsDate
                | Self::OutOfRange
                | Self::TooManyDecimals
        )
    }

    /// What the project can say where an export, of whose records so many broke the rule, is most likely right and read
    /// wrongly; `None` where the records are at fault.
    pub(crate) fn remedy(self, broke: u64, records: u64, read: Reading) -> Option<&'static str> {
        // of a date in a form of its own there are many; of a mistake by hand, few
        if self != Self::Encoding && broke * 10 < records {
            return None;
        }
        Some(match self {
            Self::Encoding if read.encoding != Some(Encoding::Utf8) => return None,
            Self::Encoding => "`encoding: windows-1252`, if that is what the sender writes",
            Self::TooFewFields | Self::TooManyFields if read.is_sheet => {
                "`header_rows: 2` or `skip_lines: 1`, if more rows come before the records"
            }
            Self::TooFewFields | Self::TooManyFields => {
                "`delimiter: \";\"`, if fields are divided otherwise"
            }
            Self::UnclosedQuote => "`quote: \"\"`, if the export puts no fields in quotes",
            Self::NotANumber if read.has_decimal => {
                "`decimal: \".\"`, `thousands`, `units` or `negatives`, if numbers are written so"
            }
            Self::NotANumber => "`decimal: \",\"`, if numbers are written so",
            Self::NotADate if read.has_dates => {
                "one more form in `dates`, if dates are written otherwise too"
            }
            Self::NotATimestamp if read.has_times => {
                "one more form in `times`, if times are written otherwise too"
            }
            Self::NotADate => "`dates: [\"%d.%m.%Y\"]`, in the form that the export has",
            Self::NotATimestamp => "`times: [\"%d.%m.%Y %H:%M\"]`, in the form that the export has",
            _ => return None,
        })
    }

    /// What is wrong, said of a field or a record; never holds a value.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Encoding => "holds bytes that are no character of the declared encoding",
            Self::RecordTooLong => "is longer than `limits.line`",
            Self::TooFewFields => "has too few fields",
            Self::TooManyFields => "has too many fields",
            Self::UnclosedQuote => "has a quote that does not close where a field ends",
            Self::MalformedJson => "is not one JSON object",
            Self::DoubledKey => "comes more than once",
            Self::NotAList => "has no list of objects where `explode` says",
            Self::SiblingRejected => "has another item that is rejected",
            Self::CellError => "holds an error of the spreadsheet",
            Self::NoResult => "holds a formula whose result was not saved",
            Self::WrongType => "is another kind of JSON value",
            Self::NotABoolean => "is neither true nor false",
            Self::NotAnInteger => "is not a whole number",
            Self::NotANumber => "is not a number in the declared style",
            Self::OutOfRange => "does not fit into the type",
            Self::TooManyDecimals => "has more decimals than the type keeps",
            Self::NotADate => "is not a date in a declared format",
            Self::NotATimestamp => "is not a time in a declared format",
            Self::ImpossibleDate => "is a date or time that does not exist",
            Self::NumberAsDate => "is a bare number where a date belongs",
            Self::KeyMissing => "is part of the key and has no value",
            Self::NotNull => "has no value",
            Self::AcceptedValues => "is not one of the accepted values",
            Self::Matches => "does not match the pattern",
            Self::Range => "lies outside the range",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is wrong with one field of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Row within the column that was converted.
    pub(crate) row: usize,
    pub(crate) rule: Rule,
    /// Where within a nested value: `[2].quantity`; empty for the value itself.
    pub(crate) path: String,
    /// The rule says that such a record fails its export.
    pub(crate) is_fatal: bool,
}

impl Fault {
    /// A fault of the value itself.
    pub(crate) fn new(row: usize, rule: Rule) -> Self {
        Self {
            row,
            rule,
            path: String::new(),
            is_fatal: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_encoding_is_advised_only_for_what_is_read_as_utf_8() {
        let advice = |encoding| {
            let read = Reading {
                encoding,
                ..Reading::default()
            };
            Rule::Encoding.remedy(1, 1_000, read)
        };
        assert!(advice(Some(Encoding::Utf8)).is_some_and(|it| it.contains("windows-1252")));
        assert_eq!(advice(Some(Encoding::Utf16)), None);
        assert_eq!(advice(None), None, "Avro");
    }

    #[test]
    fn what_is_declared_is_not_advised() {
        let declared = Reading {
            has_decimal: true,
            has_dates: true,
            has_times: true,
            ..Reading::default()
        };
        for (rule, new, more) in [
            (Rule::NotANumber, "`decimal: \",\"`", "`decimal: \".\"`"),
            (Rule::NotADate, "`dates: [", "one more form in `dates`"),
            (Rule::NotATimestamp, "`times: [", "one more form in `times`"),
        ] {
            let advice = |read| rule.remedy(500, 1_000, read).unwrap_or_default();
            assert!(advice(Reading::default()).starts_with(new), "{rule}");
            assert!(advice(declared).starts_with(more), "{rule}");
        }
    }
}
