//! Arrow columns of a typed format (Parquet) → the contract's types.
//!
//! What loses nothing is cast; all else goes through text, by the same rules as delimited exports, so that a value that
//! does not fit is a reject and never a rounded or wrapped number.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, ListArray, PrimitiveArray, StringArray, StructArray,
    TimestampMicrosecondArray, new_null_array,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Field, Float64Type, TimeUnit,
    TimestampMicrosecondType,
};
use datafusion::arrow::error::ArrowError;

use super::calendar;
use super::convert::Converter;
use super::findings::Findings;
use super::nested::{Spelling, field_of, place_of};
use crate::error::{Error, Result};
use crate::ingest::cell::{Cell, CellColumn, CellKind};
use crate::ingest::rule::{Fault, Rule};
use crate::project::ColumnType;

const DAY_MICROS: i64 = 86_400_000_000;
/// Whole numbers below it are exact in 64 bits of floating point, 2^53.
const WHOLE: f64 = 9_007_199_254_740_992.0;

impl Converter {
    /// The array in the contract's type; rows whose value does not fit are null and named in `findings`.
    ///
    /// # Errors
    /// `Input` for a kind of array that no contract type can hold.
    pub(crate) fn convert_array(
        &self,
        array: &ArrayRef,
        data_type: &ColumnType,
        findings: &mut Findings,
    ) -> Result<ArrayRef> {
        let faults = &mut findings.faults;
        let array = &plain_layout(array)?;
        match (array.data_type(), data_type) {
            (DataType::Null, _) => Ok(new_null_array(&data_type.arrow(), array.len())),
            (DataType::Utf8, ColumnType::Varchar) => Ok(Arc::clone(array)),
            (DataType::Utf8, _) => {
                self.convert_texts(array.as_string(), CellKind::Text, data_type, findings)
            }
            (DataType::Binary, _) => {
                let texts = checked_cast(array, &DataType::Utf8, Rule::Encoding, faults)?;
                self.convert_array(&texts, data_type, findings)
            }
            (DataType::List(_), ColumnType::List(item)) => {
                self.convert_list(array.as_list(), item, findings)
            }
            (DataType::Struct(_), ColumnType::Struct(fields)) => {
                self.convert_struct(array.as_struct(), fields, findings)
            }
            (DataType::List(_) | DataType::Struct(_) | DataType::Map(_, _), _) => {
                Ok(refuse_all(array, data_type, Rule::WrongType, faults))
            }
            (from, ColumnType::Timestamp) if from.is_temporal() => {
                let times = self.convert_time(array, faults)?;
                let times = times.as_primitive::<TimestampMicrosecondType>();
                Ok(known(times, calendar::is_known_time, faults))
            }
            (DataType::Timestamp(_, _) | DataType::Date64, ColumnType::Date) => {
                let days = self.midnight_dates(array, faults)?;
                let days = days.as_primitive::<Date32Type>();
                Ok(known(days, calendar::is_known_day, faults))
            }
            (DataType::Date32, ColumnType::Date) => {
                let days = array.as_primitive::<Date32Type>();
                Ok(known(days, calendar::is_known_day, faults))
            }
            (from, ColumnType::Date | ColumnType::Timestamp)
                if from.is_numeric() && !self.reads_numbers_as(data_type) =>
            {
                Ok(refuse_all(array, data_type, Rule::NumberAsDate, faults))
            }
            (from, ColumnType::Double) if from.is_floating() => finite_numbers(array, faults),
            (
                DataType::Float16 | DataType::Float32 | DataType::Float64,
                ColumnType::Integer | ColumnType::Bigint | ColumnType::Decimal { .. },
            ) => {
                let texts = float_texts(array)?;
                self.convert_texts(&texts, CellKind::Number, data_type, findings)
            }
            (from, _) if loses_nothing(from, data_type) => {
                checked_cast(array, &data_type.arrow(), Rule::OutOfRange, faults)
            }
            (from, _) => {
                let kind = if from.is_numeric() {
                    CellKind::Number
                } else {
                    CellKind::Text
                };
                let texts = checked_cast(array, &DataType::Utf8, Rule::WrongType, faults)?;
                self.convert_texts(texts.as_string(), kind, data_type, findings)
            }
        }
    }

    fn convert_texts(
        &self,
        texts: &StringArray,
        kind: CellKind,
        data_type: &ColumnType,
        findings: &mut Findings,
    ) -> Result<ArrayRef> {
        let cells: Vec<Cell> = texts
            .value_offsets()
            .windows(2)
            .enumerate()
            .map(|(row, ends)| {
                if texts.is_null(row) {
                    Cell::MISSING
                } else {
                    Cell::new(ends[0] as usize, ends[1] as usize, kind)
                }
            })
            .collect();
        self.convert(
            CellColumn::new(texts.value_data(), &cells, 1, 0),
            data_type,
            findings,
        )
    }

    /// Times become µs in UTC; those without a zone are local. Finer digits than µs are cut.
    fn convert_time(&self, array: &ArrayRef, faults: &mut Vec<Fault>) -> Result<ArrayRef> {
        let zoned = matches!(array.data_type(), DataType::Timestamp(_, Some(_)));
        let utc = ColumnType::Timestamp.arrow();
        if zoned {
            return checked_cast(array, &utc, Rule::OutOfRange, faults);
        }
        let wall = DataType::Timestamp(TimeUnit::Microsecond, None);
        let local = checked_cast(array, &wall, Rule::OutOfRange, faults)?;
        let times: TimestampMicrosecondArray = local
            .as_primitive::<TimestampMicrosecondType>()
            .unary(|time| self.to_utc(time));
        Ok(Arc::new(times.with_data_type(utc)))
    }

    /// Times that stand for days, as data frames write them: midnight, of those with a zone on the export's clock, else a fault.
    fn midnight_dates(&self, array: &ArrayRef, faults: &mut Vec<Fault>) -> Result<ArrayRef> {
        let (zone, is_zoned) = match array.data_type() {
            DataType::Timestamp(_, Some(zone)) => (Some(Arc::clone(zone)), true),
            _ => (None, false),
        };
        let times =
            cast(array, &DataType::Timestamp(TimeUnit::Microsecond, zone)).map_err(unreadable)?;
        let times = times.as_primitive::<TimestampMicrosecondType>();
        let dates = times.unary_opt::<_, Date32Type>(|time| {
            let wall = if is_zoned { self.of_utc(time) } else { time };
            (wall % DAY_MICROS == 0).then(|| i32::try_from(wall / DAY_MICROS).ok())?
        });
        let lost = (0..array.len()).filter(|row| dates.is_null(*row) && array.is_valid(*row));
        faults.extend(lost.map(|row| Fault::new(row, Rule::NotADate)));
        Ok(Arc::new(dates))
    }

    fn convert_list(
        &self,
        list: &ListArray,
        item: &ColumnType,
        findings: &mut Findings,
    ) -> Result<ArrayRef> {
        let mut found = Findings::default();
        let values = self.convert_array(list.values(), item, &mut found)?;
        findings.add_items(found, |item| place_of(item, list.value_offsets()));
        let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
        ListArray::try_new(field, list.offsets().clone(), values, list.nulls().cloned())
            .map(|list| Arc::new(list) as ArrayRef)
            .map_err(internal)
    }

    fn convert_struct(
        &self,
        value: &StructArray,
        fields: &[(String, ColumnType)],
        findings: &mut Findings,
    ) -> Result<ArrayRef> {
        let names = fields.iter().map(|(name, _)| name.as_str());
        let mut given: Vec<Option<(Spelling, &ArrayRef)>> = vec![None; fields.len()];
        let mut is_doubled = vec![false; fields.len()];
        for (field, column) in value.fields().iter().zip(value.columns()) {
            let name = field.name().as_bytes();
            let Some((at, spelling)) = field_of(name, names.clone()) else {
                findings.ignored.note("", name);
                continue;
            };
            let best = given[at].map(|(best, _)| best);
            if best.is_none_or(|best| spelling < best) {
                (given[at], is_doubled[at]) = (Some((spelling, column)), false);
            } else if best == Some(spelling) {
                is_doubled[at] = true;
            }
        }
        // which of the two counts, nobody can say
        for ((name, _), _) in fields
            .iter()
            .zip(&is_doubled)
            .filter(|(_, is_doubled)| **is_doubled)
        {
            let rows = (0..value.len()).filter(|row| value.is_valid(*row));
            findings.faults.extend(rows.map(|row| Fault {
                path: format!(".{name}"),
                ..Fault::new(row, Rule::DoubledKey)
            }));
        }
        let mut arrays = Vec::with_capacity(fields.len());
        for ((name, data_type), given) in fields.iter().zip(given) {
            let field = given.map(|(_, column)| column);
            let Some(field) = field else {
                arrays.push(new_null_array(&data_type.arrow(), value.len()));
                continue;
            };
            let mut found = Findings::default();
            arrays.push(self.convert_array(field, data_type, &mut found)?);
            findings.add_field(name, found);
        }
        let DataType::Struct(arrow_fields) = ColumnType::Struct(fields.to_vec()).arrow() else {
            return Err(Error::internal("a struct's Arrow type is no struct"));
        };
        StructArray::try_new(arrow_fields, arrays, value.nulls().cloned())
            .map(|value| Arc::new(value) as ArrayRef)
            .map_err(internal)
    }
}

/// Views, dictionaries and large offsets in the layout that the rest of this module reads.
fn plain_layout(array: &ArrayRef) -> Result<ArrayRef> {
    let plain = match array.data_type() {
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            DataType::Binary
        }
        DataType::Dictionary(_, value) => {
            let value = cast(array, value).map_err(unreadable)?;
            return plain_layout(&value);
        }
        DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => DataType::List(Arc::clone(item)),
        _ => return Ok(Arc::clone(array)),
    };
    cast(array, &plain).map_err(unreadable)
}

/// Casts whose every result equals its input.
fn loses_nothing(from: &DataType, to: &ColumnType) -> bool {
    use DataType as D;
    match to {
        ColumnType::Integer => matches!(from, D::Int8 | D::Int16 | D::Int32 | D::UInt8 | D::UInt16),
        ColumnType::Bigint => {
            matches!(from, D::Int64 | D::UInt32) || loses_nothing(from, &ColumnType::Integer)
        }
        ColumnType::Double => from.is_floating() || loses_nothing(from, &ColumnType::Integer),
        ColumnType::Boolean => *from == D::Boolean,
        // days are looked at one by one
        ColumnType::Date => false,
        ColumnType::Decimal { precision, scale } => match from {
            D::Decimal32(p, s) | D::Decimal64(p, s) | D::Decimal128(p, s) => {
                let whole = |precision: u8, scale: i8| i16::from(precision) - i16::from(scale);
                *s <= *scale && whole(*p, *s) <= whole(*precision, *scale)
            }
            _ => false,
        },
        _ => false,
    }
}

/// Numbers of floating point as text: whole ones with all their digits, the others with as few as tell them apart.
fn float_texts(array: &ArrayRef) -> Result<StringArray> {
    let shortest = cast(array, &DataType::Utf8).map_err(unreadable)?;
    let exact = cast(array, &DataType::Float64).map_err(unreadable)?;
    let exact = exact.as_primitive::<Float64Type>();
    let texts = shortest.as_string::<i32>().iter().zip(exact);
    let text = |(shortest, exact): (Option<&str>, Option<f64>)| match exact? {
        // shorter ones end in zeros that nobody wrote
        whole if whole.fract() == 0.0 && whole.abs() < WHOLE => Some(format!("{whole:.1}")),
        _ => shortest.map(str::to_string),
    };
    Ok(texts.map(text).collect())
}

/// A cast in which each value that does not survive is a fault.
fn checked_cast(
    array: &ArrayRef,
    to: &DataType,
    rule: Rule,
    faults: &mut Vec<Fault>,
) -> Result<ArrayRef> {
    let result = cast(array, to).map_err(unreadable)?;
    if result.null_count() > array.null_count() {
        let lost = (0..array.len()).filter(|row| result.is_null(*row) && array.is_valid(*row));
        faults.extend(lost.map(|row| Fault::new(row, rule)));
    }
    Ok(result)
}

/// Without the values that not every reader of tables knows; each is a fault.
fn known<T: ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    is_known: fn(T::Native) -> bool,
    faults: &mut Vec<Fault>,
) -> ArrayRef {
    let all = array.unary_opt::<_, T>(|value| is_known(value).then_some(value));
    let lost = (0..array.len()).filter(|row| all.is_null(*row) && array.is_valid(*row));
    faults.extend(lost.map(|row| Fault::new(row, Rule::ImpossibleDate)));
    Arc::new(all.with_data_type(array.data_type().clone()))
}

/// Nulls, and a fault for every value.
fn refuse_all(
    array: &ArrayRef,
    data_type: &ColumnType,
    rule: Rule,
    faults: &mut Vec<Fault>,
) -> ArrayRef {
    let values = (0..array.len()).filter(|row| array.is_valid(*row));
    faults.extend(values.map(|row| Fault::new(row, rule)));
    new_null_array(&data_type.arrow(), array.len())
}

/// Numbers of floating point; what is none, or infinite, is a fault, as its text would be.
fn finite_numbers(array: &ArrayRef, faults: &mut Vec<Fault>) -> Result<ArrayRef> {
    let numbers = cast(array, &DataType::Float64).map_err(unreadable)?;
    let floats = numbers.as_primitive::<Float64Type>();
    if floats.values().iter().all(|number| number.is_finite()) {
        return Ok(numbers);
    }
    let finite: PrimitiveArray<Float64Type> =
        floats.unary_opt(|number| number.is_finite().then_some(number));
    let lost = (0..array.len()).filter(|row| finite.is_null(*row) && array.is_valid(*row));
    faults.extend(lost.map(|row| Fault::new(row, Rule::NotANumber)));
    Ok(Arc::new(finite))
}

fn unreadable(error: ArrowError) -> Error {
    Error::input("a column of the export cannot be read as its contract type").caused_by(error)
}

fn internal(error: ArrowError) -> Error {
    Error::internal("columns of an export do not fit together").caused_by(error)
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;
    use datafusion::arrow::array::{
        Date32Array, Float32Array, Float64Array, Int64Array, TimestampMillisecondArray,
        TimestampNanosecondArray,
    };
    use datafusion::arrow::datatypes::{Decimal128Type, Int64Type};

    use super::*;

    fn convert(array: impl Array + 'static, data_type: &ColumnType) -> (ArrayRef, Vec<Rule>) {
        let mut findings = Findings::default();
        let array: ArrayRef = Arc::new(array);
        let result = Converter::canonical(Tz::Europe__Stockholm)
            .convert_array(&array, data_type, &mut findings)
            .unwrap();
        assert_eq!(result.data_type(), &data_type.arrow());
        (
            result,
            findings.faults.iter().map(|fault| fault.rule).collect(),
        )
    }

    #[test]
    fn what_is_no_number_is_none_in_a_column_of_doubles_either() {
        let numbers = vec![
            Some(1.5),
            Some(f64::NAN),
            None,
            Some(f64::INFINITY),
            Some(-0.0),
        ];
        let (values, rules) = convert(Float64Array::from(numbers), &ColumnType::Double);
        assert_eq!(rules, [Rule::NotANumber, Rule::NotANumber]);
        let values = values.as_primitive::<Float64Type>();
        assert_eq!((values.null_count(), values.value(0)), (3, 1.5));
    }

    #[test]
    fn whole_numbers_of_floating_point_keep_all_their_digits() {
        let single = vec![123_456_792.0_f32, 99_999_992.0, -7.0, 0.5, 3e20];
        let (values, rules) = convert(Float32Array::from(single.clone()), &ColumnType::Bigint);
        assert_eq!(rules, [Rule::NotAnInteger, Rule::NotAnInteger]);
        let values = values.as_primitive::<Int64Type>();
        assert_eq!(values.values()[..3], [123_456_792, 99_999_992, -7]);
        let money = ColumnType::Decimal {
            precision: 18,
            scale: 2,
        };
        let (values, rules) = convert(Float32Array::from(single[..4].to_vec()), &money);
        assert_eq!(rules, []);
        let values = values.as_primitive::<Decimal128Type>();
        assert_eq!(
            values.values()[..],
            [12_345_679_200, 9_999_999_200, -700, 50]
        );
        let tenth = Float32Array::from(vec![0.1_f32]);
        let (values, rules) = convert(tenth, &money);
        assert_eq!(
            (values.as_primitive::<Decimal128Type>().value(0), rules),
            (10, vec![])
        );
    }

    #[test]
    fn fields_of_a_struct_are_read_in_the_best_spelling_and_two_others_are_a_doubled_key() {
        let fields = ["sku", "unit_price"].map(|name| (name.to_string(), ColumnType::Bigint));
        let data_type = ColumnType::Struct(fields.to_vec());
        let read = |names: &[&str]| {
            let column = |(name, at): (&&str, i64)| {
                let values: ArrayRef = Arc::new(Int64Array::from(vec![at]));
                (Arc::new(Field::new(*name, DataType::Int64, true)), values)
            };
            let columns: Vec<_> = names.iter().zip(1..).map(column).collect();
            let (array, rules) = convert(StructArray::from(columns), &data_type);
            let columns = array.as_struct().columns().iter();
            let values = columns.map(|column| column.as_primitive::<Int64Type>().iter().next());
            (values.map(Option::flatten).collect::<Vec<_>>(), rules)
        };
        let read_as = |one, two| (vec![one, two], vec![]);
        assert_eq!(read(&["SKU", "UnitPrice"]), read_as(Some(1), Some(2)));
        let spelled = ["UNIT_PRICE", "Unit Price", "unitPrice", "no"];
        assert_eq!(read(&spelled), read_as(None, Some(3)));
        assert_eq!(read(&["Sku", "sku", "SKU"]), read_as(Some(2), None));
        let (_, rules) = read(&["Sku", "SKU", "unit_price"]);
        assert_eq!(rules, [Rule::DoubledKey]);
    }

    #[test]
    fn an_instant_is_a_day_where_it_is_midnight_on_the_clock_of_the_source() {
        // midnights of Stockholm, in winter and in summer, and one of UTC
        let instants = vec![1_772_319_600_000, 1_782_856_800_000, 1_772_323_200_000];
        for zone in ["UTC", "Europe/Stockholm", "America/New_York"] {
            let times = TimestampMillisecondArray::from(instants.clone()).with_timezone(zone);
            let (days, rules) = convert(times, &ColumnType::Date);
            assert_eq!(rules, [Rule::NotADate], "{zone}");
            let days = days.as_primitive::<Date32Type>();
            assert_eq!((days.value(0), days.value(1)), (20_513, 20_635), "{zone}");
        }
    }

    #[test]
    fn floats_are_taken_for_whole_numbers_and_money_only_where_they_are() {
        let money = ColumnType::Decimal {
            precision: 12,
            scale: 2,
        };
        let (values, rules) = convert(Float64Array::from(vec![19.99, 0.1 + 0.2]), &money);
        assert_eq!(
            values
                .as_primitive::<datafusion::arrow::datatypes::Decimal128Type>()
                .value(0),
            1999
        );
        assert_eq!(rules, [Rule::TooManyDecimals]);
        let (_, rules) = convert(Float64Array::from(vec![1.5]), &ColumnType::Integer);
        assert_eq!(rules, [Rule::NotAnInteger]);
    }

    #[test]
    fn numbers_that_do_not_fit_are_faults_not_wraps() {
        let (values, rules) = convert(Int64Array::from(vec![1, 1 << 40]), &ColumnType::Integer);
        assert_eq!(values.null_count(), 1);
        assert_eq!(rules, [Rule::OutOfRange]);
    }

    #[test]
    fn times_without_a_zone_are_local_and_those_with_one_are_not() {
        let noon = 1_767_351_600_000; // 2026-01-02T11:00:00Z
        let (local, _) = convert(
            TimestampMillisecondArray::from(vec![noon]),
            &ColumnType::Timestamp,
        );
        let zoned = TimestampMillisecondArray::from(vec![noon]).with_timezone("UTC");
        let (zoned, _) = convert(zoned, &ColumnType::Timestamp);
        let first = |array: &ArrayRef| array.as_primitive::<TimestampMicrosecondType>().value(0);
        assert_eq!(first(&zoned) - first(&local), 3_600_000_000);
    }

    #[test]
    fn days_and_times_that_not_every_reader_knows_are_faults() {
        let days = Date32Array::from(vec![Some(-719_163), Some(-719_162), None, Some(2_932_897)]);
        let (dates, rules) = convert(days, &ColumnType::Date);
        assert_eq!(
            (dates.null_count(), &*rules),
            (3, &[Rule::ImpossibleDate; 2][..])
        );
        // local midnight of the first day lies in the year before, in UTC
        let first = -719_162 * 86_400_000;
        let (times, rules) = convert(
            TimestampMillisecondArray::from(vec![first, first + 86_400_000]),
            &ColumnType::Timestamp,
        );
        assert_eq!(
            (times.null_count(), &*rules),
            (1, &[Rule::ImpossibleDate][..])
        );
    }

    #[test]
    fn days_written_as_midnights_are_dates() {
        let day = 86_400_000_000_000;
        let array = TimestampNanosecondArray::from(vec![Some(day), Some(day + 1_000_000), None]);
        let (dates, rules) = convert(array, &ColumnType::Date);
        let expected: ArrayRef = Arc::new(Date32Array::from(vec![Some(1), None, None]));
        assert_eq!(&dates, &expected);
        assert_eq!(rules, [Rule::NotADate]);
        let (_, rules) = convert(Int64Array::from(vec![45_321]), &ColumnType::Date);
        assert_eq!(rules, [Rule::NumberAsDate]);
    }

    #[test]
    fn texts_in_typed_files_follow_the_conversions() {
        let texts = StringArray::from(vec![Some("2024-02-31"), Some(""), Some("2024-02-29")]);
        let (_, rules) = convert(texts, &ColumnType::Date);
        assert_eq!(rules, [Rule::ImpossibleDate, Rule::NotADate]);
    }
}
