//! Why a record was rejected: a closed list that reports, the table of rejects and people speak in.

use std::fmt;

use crate::project::Encoding;

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
    /// wrongly; `None` where the records are at fault. `is_sheet`: it is one of a workbook, which knows no delimiter;
    /// `encoding`: that of a text, as declared; `decimal`: the sign of numbers, likewise.
    pub(crate) fn remedy(
        self,
        broke: u64,
        records: u64,
        is_sheet: bool,
        encoding: Option<Encoding>,
        decimal: char,
    ) -> Option<&'static str> {
        // of a date in a form of its own there are many; of a mistake by hand, few
        if self != Self::Encoding && broke * 10 < records {
            return None;
        }
        Some(match self {
            Self::Encoding if encoding != Some(Encoding::Utf8) => return None,
            Self::Encoding => "`encoding: windows-1252`, if that is what the sender writes",
            Self::TooFewFields | Self::TooManyFields if is_sheet => {
                "`header_rows: 2` or `skip_lines: 1`, if more rows come before the records"
            }
            Self::TooFewFields | Self::TooManyFields => {
                "`delimiter: \";\"`, if fields are divided otherwise"
            }
            Self::UnclosedQuote => "`quote: \"\"`, if the export puts no fields in quotes",
            Self::NotANumber if decimal != '.' => {
                "`thousands`, `units` or `negatives`, if numbers are written with them"
            }
            Self::NotANumber => "`decimal: \",\"`, if numbers are written so",
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
        let advice = |encoding| Rule::Encoding.remedy(1, 1_000, false, encoding, '.');
        assert!(advice(Some(Encoding::Utf8)).is_some_and(|it| it.contains("windows-1252")));
        assert_eq!(advice(Some(Encoding::Utf16)), None);
        assert_eq!(advice(None), None, "Avro");
    }

    #[test]
    fn a_decimal_comma_is_not_advised_to_who_has_declared_it() {
        let advice = |decimal| Rule::NotANumber.remedy(500, 1_000, false, None, decimal);
        assert!(advice('.').is_some_and(|it| it.contains("`decimal: ")));
        assert!(advice(',').is_some_and(|it| !it.contains("`decimal: ") && it.contains("`units`")));
    }
}
