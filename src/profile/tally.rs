//! What the values of a column could be, counted; and the type that fits nearly all of them.

use std::collections::BTreeMap;

use super::consent::{is_channel, says_consent};
use super::value::{COMPACT, DATE_FORMATS, DAY_ORDERS, Number, Shape, is_null_word, shape};
use crate::column_type::ColumnType;

/// How the numbers of a file are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NumberStyle {
    pub(crate) decimal: char,
    pub(crate) thousands: Option<char>,
}

impl Default for NumberStyle {
    fn default() -> Self {
        Self {
            decimal: '.',
            thousands: None,
        }
    }
}

/// The type of a column, guessed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TypeGuess {
    pub(crate) data_type: ColumnType,
    /// Values that are not of the type.
    pub(crate) misfits: u64,
    /// strftime formats of dates, where they are not ISO's alone; also of those among times.
    pub(crate) date_formats: Vec<&'static str>,
    /// The last of its days, `yyyymmdd`.
    pub(crate) last_day: Option<i32>,
    /// Times, among which are dates without a time of day.
    pub(crate) has_days: bool,
    /// Those of times, ISO's too.
    pub(crate) time_formats: Vec<String>,
    /// What the numbers carry: `$`, `kr`.
    pub(crate) units: Vec<&'static str>,
    /// How numbers say that they are negative, besides a minus in front.
    pub(crate) negatives: Vec<&'static str>,
    /// Words for nothing that stand among values of the type.
    pub(crate) null_words: Vec<String>,
    /// Words for yes and for no beyond those that every reader knows.
    pub(crate) trues: Vec<&'static str>,
    pub(crate) falses: Vec<&'static str>,
    /// What a person should look at.
    pub(crate) doubt: Option<&'static str>,
}

impl TypeGuess {
    pub(super) fn of(data_type: ColumnType) -> Self {
        Self {
            data_type,
            misfits: 0,
            date_formats: Vec::new(),
            last_day: None,
            has_days: false,
            time_formats: Vec::new(),
            units: Vec::new(),
            negatives: Vec::new(),
            null_words: Vec::new(),
            trues: Vec::new(),
            falses: Vec::new(),
            doubt: None,
        }
    }
}

/// Counts of values by what they could be.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Values, words for nothing left out.
    pub(super) values: u64,
    null_words: BTreeMap<String, u64>,
    truths: BTreeMap<char, u64>,
    /// Those of [`ANSWERS`].
    answers: BTreeMap<(&'static str, bool), u64>,
    padded: u64,
    /// Numbers by decimal sign, sign between groups, and whether the sign is in doubt.
    numbers: BTreeMap<(Option<char>, Option<char>, bool), u64>,
    units: BTreeMap<&'static str, u64>,
    negatives: BTreeMap<&'static str, u64>,
    exponents: u64,
    max_whole: usize,
    max_scale: usize,
    dates: [u64; DATE_FORMATS.len()],
    times: [u64; DATE_FORMATS.len()],
    clocks: Clocks,
    /// Of numbers.
    pub(super) least: Option<f64>,
    pub(super) most: Option<f64>,
    /// `yyyymmdd`.
    pub(super) first_day: Option<i32>,
    pub(super) last_day: Option<i32>,
}

/// How times of day were written.
#[derive(Clone, Copy, Debug, Default)]
struct Clocks {
    with_t: u64,
    with_space: u64,
    without_seconds: u64,
    with_seconds: u64,
    with_fraction: u64,
    with_offset: u64,
    without_offset: u64,
    of_twelve: u64,
    of_a_day: u64,
}

impl Tally {
    /// Counts a value that is not empty and has no white space around it.
    pub(super) fn add(&mut self, text: &str) {
        if is_null_word(text) {
            *self.null_words.entry(text.to_string()).or_default() += 1;
            return;
        }
        self.values += 1;
        match shape(text) {
            Shape::Truth(letter) => *self.truths.entry(letter).or_default() += 1,
            Shape::Number(number) => self.add_number(&number),
            Shape::Exponent(value) => {
                self.exponents += 1;
                self.widen(value);
            }
            Shape::Moment(moment) => {
                let compact = 1 << (DATE_FORMATS.len() - 1);
                if moment.formats == compact {
                    // a whole number as well
                    let whole = Number {
                        whole: 8,
                        scale: 0,
                        decimal: None,
                        group: None,
                        is_doubtful: false,
                        is_padded: false,
                        unit: None,
                        negative: None,
                        value: f64::from(moment.day),
                    };
                    self.add_number(&whole);
                }
                let by_format = match moment.clock {
                    None => &mut self.dates,
                    Some(_) => &mut self.times,
                };
                for (at, count) in by_format.iter_mut().enumerate() {
                    *count += u64::from(moment.formats & (1 << at) != 0);
                }
                if let Some(clock) = moment.clock {
                    let clocks = &mut self.clocks;
                    clocks.with_t += u64::from(clock.has_t);
                    clocks.with_space += u64::from(!clock.has_t);
                    clocks.with_seconds += u64::from(clock.has_seconds);
                    clocks.without_seconds += u64::from(!clock.has_seconds);
                    clocks.with_fraction += u64::from(clock.has_fraction);
                    clocks.with_offset += u64::from(clock.has_offset);
                    clocks.without_offset += u64::from(!clock.has_offset);
                    clocks.of_twelve += u64::from(clock.is_of_twelve);
                    clocks.of_a_day += u64::from(!clock.is_of_twelve);
                }
                let day = Some(moment.day);
                self.first_day = self
                    .first_day
                    .map_or(day, |first| Some(first.min(moment.day)));
                self.last_day = self.last_day.max(day);
            }
            Shape::Text => {
                if let Some(answer) = answer(text) {
                    *self.answers.entry(answer).or_default() += 1;
                }
            }
        }
    }

    /// Adds what was counted of more values of the column.
    pub(super) fn merge(&mut self, other: &Self) {
        self.values += other.values;
        sum(&mut self.null_words, &other.null_words);
        sum(&mut self.truths, &other.truths);
        sum(&mut self.answers, &other.answers);
        self.padded += other.padded;
        sum(&mut self.numbers, &other.numbers);
        sum(&mut self.units, &other.units);
        sum(&mut self.negatives, &other.negatives);
        self.exponents += other.exponents;
        self.max_whole = self.max_whole.max(other.max_whole);
        self.max_scale = self.max_scale.max(other.max_scale);
        for at in 0..DATE_FORMATS.len() {
            self.dates[at] += other.dates[at];
            self.times[at] += other.times[at];
        }
        let (clocks, more) = (&mut self.clocks, &other.clocks);
        clocks.with_t += more.with_t;
        clocks.with_space += more.with_space;
        clocks.without_seconds += more.without_seconds;
        clocks.with_seconds += more.with_seconds;
        clocks.with_fraction += more.with_fraction;
        clocks.with_offset += more.with_offset;
        clocks.without_offset += more.without_offset;
        clocks.of_twelve += more.of_twelve;
        clocks.of_a_day += more.of_a_day;
        other
            .least
            .into_iter()
            .chain(other.most)
            .for_each(|value| self.widen(value));
        let first = [self.first_day, other.first_day];
        self.first_day = first.into_iter().flatten().min();
        self.last_day = self.last_day.max(other.last_day);
    }

    fn add_number(&mut self, number: &Number) {
        let style = (number.decimal, number.group, number.is_doubtful);
        *self.numbers.entry(style).or_default() += 1;
        self.padded += u64::from(number.is_padded);
        self.max_whole = self.max_whole.max(number.whole);
        self.max_scale = self.max_scale.max(number.scale);
        if let Some(unit) = number.unit {
            *self.units.entry(unit).or_default() += 1;
        }
        if let Some(form) = number.negative {
            *self.negatives.entry(form).or_default() += 1;
        }
        self.widen(number.value);
    }

    fn widen(&mut self, value: f64) {
        self.least = Some(self.least.map_or(value, |least| least.min(value)));
        self.most = Some(self.most.map_or(value, |most| most.max(value)));
    }

    fn numbers(&self) -> u64 {
        self.numbers.values().sum::<u64>() + self.exponents
    }

    /// Whether nearly everything is a number of some style.
    fn is_numeric(&self) -> bool {
        self.values > 0 && self.numbers() * 10 >= self.values * 9
    }

    /// The type that fits, given how the file writes numbers; `name`: the column's.
    pub(super) fn guess(&self, style: &NumberStyle, order: &DayOrder, name: &str) -> TypeGuess {
        if self.values == 0 {
            let mut guess = TypeGuess::of(ColumnType::Varchar);
            guess.doubt = Some("always empty");
            return guess;
        }
        let mut guess = self
            .moment(order, name)
            .or_else(|| self.truth())
            .or_else(|| self.answer(name))
            .or_else(|| self.bit(name))
            .or_else(|| self.count_of_seconds(name))
            .or_else(|| self.number(style))
            .unwrap_or_else(|| TypeGuess::of(ColumnType::Varchar));
        if guess.data_type != ColumnType::Varchar {
            guess.null_words = self.null_words.keys().cloned().collect();
        }
        guess
    }

    /// Values that a format reads, with a time of day or without.
    fn covered(&self, format: usize) -> u64 {
        self.dates[format] + self.times[format]
    }

    /// Values that a format does not read; `None` where it is not the column's.
    fn misfits(&self, format: usize) -> Option<u64> {
        self.misfits_beside(self.covered(format))
    }

    /// Values beside those that are covered; `None` where they are too many.
    fn misfits_beside(&self, covered: u64) -> Option<u64> {
        // two values in a hundred may be mistakes of whoever typed them
        let allowed = if self.values >= 50 {
            self.values / 50
        } else {
            0
        };
        let misfits = self.values - covered;
        (covered > 0 && misfits <= allowed).then_some(misfits)
    }

    /// The format of the values that this one does not read, where one reads them all, and none that this one reads: what two
    /// people or programs wrote into one column. With it the values that neither reads.
    fn beside(&self, format: usize, order: &DayOrder) -> Option<(usize, u64)> {
        let name = DATE_FORMATS[format];
        let is_apart = |other: &usize| {
            let other = DATE_FORMATS[*other];
            // `%Y` reads two digits as well where months have names
            let is_of_years = name.eq_ignore_ascii_case(other) && name.contains("%b");
            let in_either_order = |pair: &[&str; 2]| {
                let of_years = pair.map(str::to_lowercase);
                let both = [name, other].map(str::to_lowercase);
                both[0] != both[1] && both.iter().all(|format| of_years.contains(format))
            };
            name != other
                && ![name, other].contains(&COMPACT)
                && !DAY_ORDERS.iter().any(in_either_order)
                && !is_of_years
        };
        let others = (0..DATE_FORMATS.len()).filter(is_apart);
        let others = others.filter(|other| !order.leaves_out(*other));
        let other = others.rev().max_by_key(|other| self.covered(*other))?;
        let misfits = self.misfits_beside(self.covered(format) + self.covered(other))?;
        Some((other, misfits))
    }

    fn moment(&self, order: &DayOrder, name: &str) -> Option<TypeGuess> {
        let formats = 0..DATE_FORMATS.len();
        let best = formats
            .clone()
            .rev()
            .max_by_key(|at| (self.covered(*at), !order.leaves_out(*at)))?;
        let (other, misfits) = match self.misfits(best) {
            Some(misfits) => (None, misfits),
            None => {
                let (other, misfits) = self.beside(best, order)?;
                (Some(other), misfits)
            }
        };
        if order.leaves_out(best) {
            let mut guess = TypeGuess::of(ColumnType::Varchar);
            guess.doubt =
                Some("dates with day and month in another order than in the other columns");
            return Some(guess);
        }
        let format = DATE_FORMATS[best];
        if format == COMPACT && (misfits > 0 || !says_date(name)) {
            return None;
        }
        let formats_of = || std::iter::once(best).chain(other);
        let is_iso = best == 0 && other.is_none();
        let has_times = formats_of().any(|at| self.times[at] > 0);
        let days = formats_of().filter(|at| self.dates[*at] > 0);
        let days: Vec<&str> = days.map(|at| DATE_FORMATS[at]).collect();
        let mut guess = TypeGuess::of(if has_times {
            ColumnType::Timestamp
        } else {
            ColumnType::Date
        });
        guess.misfits = misfits;
        guess.last_day = self.last_day;
        guess.has_days = has_times && !days.is_empty();
        guess.date_formats = if is_iso { Vec::new() } else { days };
        for at in formats_of().filter(|at| self.times[*at] > 0) {
            guess
                .time_formats
                .extend(self.time_formats(DATE_FORMATS[at]));
        }
        if other.is_some() {
            guess.doubt = Some("dates in two forms");
        }
        let is_tied = |at: usize| {
            let is_another = at != best && Some(at) != other && !order.leaves_out(at);
            is_another && self.covered(at) == self.covered(best)
        };
        if formats.into_iter().any(is_tied) {
            guess.doubt = Some("day before month? no value tells");
        }
        Some(guess)
    }

    fn time_formats(&self, date: &str) -> Vec<String> {
        let clocks = &self.clocks;
        let mut formats = Vec::new();
        for (sign, signs) in [(' ', clocks.with_space), ('T', clocks.with_t)] {
            for (seconds, count) in [(":%S", clocks.with_seconds), ("", clocks.without_seconds)] {
                let fraction = match seconds {
                    ":%S" if clocks.with_fraction > 0 => "%.f",
                    _ => "",
                };
                for (hours, half, hours_count) in
                    [("%H", "", clocks.of_a_day), ("%I", " %p", clocks.of_twelve)]
                {
                    for (offset, offsets) in
                        [("", clocks.without_offset), ("%:z", clocks.with_offset)]
                    {
                        if [signs, count, hours_count, offsets].iter().all(|n| *n > 0) {
                            formats.push(format!(
                                "{date}{sign}{hours}:%M{seconds}{fraction}{half}{offset}"
                            ));
                        }
                    }
                }
            }
        }
        formats
    }

    fn truth(&self) -> Option<TypeGuess> {
        let count: u64 = self.truths.values().sum();
        let has = |letter: char| self.truths.contains_key(&letter);
        let is_word = ['t', 'f', 'y', 'n'].into_iter().any(has);
        let is_pair = (has('T') && has('F')) || (has('Y') && has('N'));
        (count == self.values && (is_word || is_pair)).then(|| TypeGuess::of(ColumnType::Boolean))
    }

    /// Yes and no in other languages, where the column's name says that somebody was asked: elsewhere `x` is a letter.
    fn answer(&self, name: &str) -> Option<TypeGuess> {
        let answers: u64 = self.answers.values().sum();
        let truths: u64 = self.truths.values().sum();
        let is_asked = says_consent(name) || is_channel(name);
        if answers == 0 || answers + truths != self.values || !is_asked {
            return None;
        }
        let mut guess = TypeGuess::of(ColumnType::Boolean);
        for (word, is_yes) in self.answers.keys() {
            match is_yes {
                true => guess.trues.push(word),
                false => guess.falses.push(word),
            }
        }
        Some(guess)
    }

    /// Plain whole numbers alone: the least and the most.
    fn whole(&self) -> Option<(f64, f64)> {
        let is_plain = |(decimal, group, _): &(Option<char>, Option<char>, bool)| {
            decimal.is_none() && group.is_none()
        };
        let are_all = self.numbers() == self.values
            && self.exponents + self.padded == 0
            && self.units.is_empty()
            && self.numbers.keys().all(is_plain);
        self.least.zip(self.most).filter(|_| are_all)
    }

    /// One and nought as an answer, where the column's name says that somebody was asked.
    fn bit(&self, name: &str) -> Option<TypeGuess> {
        let (least, most) = self.whole()?;
        let is_asked = says_consent(name) || is_channel(name);
        (is_asked && least >= 0.0 && most <= 1.0).then(|| TypeGuess::of(ColumnType::Boolean))
    }

    /// Seconds or milliseconds since 1970, where the column's name says that it is a time.
    fn count_of_seconds(&self, name: &str) -> Option<TypeGuess> {
        /// 2000-01-01 and 2100-01-01.
        const SECONDS: std::ops::Range<f64> = 946_684_800.0..4_102_444_800.0;
        let (least, most) = self.whole()?;
        let within =
            |unit: f64| SECONDS.contains(&(least / unit)) && SECONDS.contains(&(most / unit));
        let format = match (within(1.0), within(1_000.0)) {
            (true, _) => "epoch",
            (_, true) => "epoch_ms",
            _ => return None,
        };
        says_time(name).then(|| {
            let mut guess = TypeGuess::of(ColumnType::Timestamp);
            guess.time_formats = vec![format.to_string()];
            guess
        })
    }

    fn number(&self, style: &NumberStyle) -> Option<TypeGuess> {
        let fits = |(decimal, group, is_doubtful): &(Option<char>, Option<char>, bool)| {
            let is_thousand = *is_doubtful && *decimal == style.thousands;
            let decimal_fits = decimal.is_none_or(|sign| sign == style.decimal) || is_thousand;
            decimal_fits && (group.is_none() || *group == style.thousands)
        };
        let fitting: u64 = self
            .numbers
            .iter()
            .filter(|(key, _)| fits(key))
            .map(|(_, count)| count)
            .sum();
        let misfits = self.values - fitting - self.exponents;
        let allowed = if self.values >= 1_000 {
            self.values / 1_000
        } else {
            0
        };
        // what begins with a zero is a number of something, not an amount
        if misfits > allowed || self.padded > 0 || fitting + self.exponents == 0 {
            return None;
        }
        let thousands_only = |(decimal, _, is_doubtful): &&(Option<char>, Option<char>, bool)| {
            decimal.is_none() || (*is_doubtful && *decimal == style.thousands)
        };
        let is_whole = self.exponents == 0 && self.numbers.keys().all(|key| thousands_only(&key));
        let data_type = if is_whole {
            if self.max_whole > 18 {
                return None;
            }
            ColumnType::Bigint
        } else if self.exponents > 0 || self.max_scale > 6 || self.max_whole + self.max_scale > 18 {
            ColumnType::Double
        } else {
            ColumnType::Decimal {
                precision: 18,
                scale: self.max_scale.max(2) as i8,
            }
        };
        let mut guess = TypeGuess::of(data_type);
        guess.misfits = misfits;
        guess.units = self.units.keys().copied().collect();
        guess.negatives = self.negatives.keys().copied().collect();
        let is_doubtful = self.numbers.keys().any(|(_, _, doubtful)| *doubtful);
        let is_settled = self
            .numbers
            .keys()
            .any(|(decimal, group, doubtful)| !doubtful && (decimal.is_some() || group.is_some()));
        if is_doubtful && !is_settled {
            guess.doubt = Some("thousands or decimals? no value tells");
        }
        Some(guess)
    }
}

fn sum<K: Ord + Clone>(counts: &mut BTreeMap<K, u64>, more: &BTreeMap<K, u64>) {
    for (key, count) in more {
        *counts.entry(key.clone()).or_default() += count;
    }
}

/// Which formats a file's dates do not have, since other columns of it have days and months in the other order.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DayOrder {
    left_out: [Option<usize>; DAY_ORDERS.len()],
}

impl DayOrder {
    fn leaves_out(&self, format: usize) -> bool {
        self.left_out.contains(&Some(format))
    }
}

/// In which order a file has day and month, by all of its columns: those decide that have a value which only one order reads.
pub(super) fn day_order<'t>(tallies: impl Iterator<Item = &'t Tally> + Clone) -> DayOrder {
    let left_out = DAY_ORDERS.map(|pair| {
        let [day, month] = pair.map(|name| DATE_FORMATS.iter().position(|format| *format == name));
        let (day, month) = (day?, month?);
        let sure = |of: usize, other: usize| -> u64 {
            tallies
                .clone()
                .filter(|tally| tally.misfits(of).is_some())
                .map(|tally| tally.covered(of).saturating_sub(tally.covered(other)))
                .sum()
        };
        let (days_first, months_first) = (sure(day, month), sure(month, day));
        match days_first + months_first {
            0 => None,
            _ if days_first >= months_first => Some(month),
            _ => Some(day),
        }
    });
    DayOrder { left_out }
}

/// How a file writes numbers, by all of its columns. `delimiter`: between the fields, where there is one.
pub(super) fn number_style<'t>(
    tallies: impl Iterator<Item = &'t Tally>,
    delimiter: Option<char>,
) -> NumberStyle {
    let mut sure: BTreeMap<char, u64> = BTreeMap::new();
    let mut doubtful: BTreeMap<char, u64> = BTreeMap::new();
    let mut groups: BTreeMap<char, u64> = BTreeMap::new();
    for tally in tallies.filter(|tally| tally.is_numeric()) {
        for ((decimal, group, is_doubtful), count) in &tally.numbers {
            if let Some(group) = group {
                *groups.entry(*group).or_default() += count;
            }
            if let Some(sign) = decimal {
                let signs = if *is_doubtful {
                    &mut doubtful
                } else {
                    &mut sure
                };
                *signs.entry(*sign).or_default() += count;
            }
        }
    }
    let count = |of: &BTreeMap<char, u64>, sign: char| of.get(&sign).copied().unwrap_or(0);
    let (comma, dot) = (count(&sure, ','), count(&sure, '.'));
    let (maybe_comma, maybe_dot) = (count(&doubtful, ','), count(&doubtful, '.'));
    let decimal = if comma != dot {
        if comma > dot { ',' } else { '.' }
    } else if count(&groups, '.') > count(&groups, ',')
        || (maybe_comma > maybe_dot && delimiter != Some(','))
    {
        ','
    } else {
        '.'
    };
    let other = if decimal == '.' { ',' } else { '.' };
    let grouped = groups.iter().filter(|(sign, _)| **sign != decimal);
    let mut thousands = grouped
        .max_by_key(|(_, count)| **count)
        .map(|(sign, _)| *sign);
    if thousands.is_none() && count(&doubtful, other) > 0 && count(&sure, other) == 0 {
        thousands = Some(other);
    }
    NumberStyle { decimal, thousands }
}

/// Words of the North for yes and no, in small letters; `x` is what people put into a box.
const ANSWERS: [(&str, bool); 10] = [
    ("ja", true),
    ("j", true),
    ("jo", true),
    ("jes", true),
    ("kyllä", true),
    ("x", true),
    ("nej", false),
    ("nei", false),
    ("ei", false),
    ("nein", false),
];

fn answer(text: &str) -> Option<(&'static str, bool)> {
    if text.len() > 6 {
        return None;
    }
    let text = text.to_lowercase();
    ANSWERS.into_iter().find(|(word, _)| *word == text)
}

/// Whether a column's name speaks of a time: `createdAt`, `updated_time`.
fn says_time(name: &str) -> bool {
    const TIMES: [&str; 12] = [
        "at",
        "time",
        "timestamp",
        "ts",
        "tid",
        "tidpunkt",
        "tidspunkt",
        "epoch",
        "created",
        "updated",
        "date",
        "datum",
    ];
    let words = super::meaning::name_words(name);
    words.split(' ').any(|word| TIMES.contains(&word))
}

/// Whether a column's name speaks of a day.
fn says_date(name: &str) -> bool {
    let name = name.to_lowercase();
    [
        "date", "datum", "dato", "day", "dag", "född", "birth", "_on", "_at",
    ]
    .iter()
    .any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(values: &[&str]) -> Tally {
        let mut tally = Tally::default();
        values.iter().for_each(|value| tally.add(value));
        tally
    }

    #[test]
    fn yes_and_no_of_the_north_are_truths_where_somebody_was_asked() {
        let of = |values: &[&str], name| {
            tally(values).guess(&NumberStyle::default(), &DayOrder::default(), name)
        };
        let asked = of(&["ja", "Nej", "ja", "n"], "samtycke_epost");
        assert_eq!(asked.data_type, ColumnType::Boolean);
        assert_eq!((asked.trues, asked.falses), (vec!["ja"], vec!["nej"]));
        assert_eq!(of(&["x", "x"], "Newsletter").trues, ["x"]);
        assert_eq!(of(&["ja", "nej"], "lager").data_type, ColumnType::Varchar);
        for name in [
            "Reklam ok?",
            "godkänt",
            "epost",
            "Får kontaktas",
            "SMS",
            "Nyhetsbrev",
        ] {
            let guess = of(&["ja", "nej"], name);
            assert_eq!(guess.data_type, ColumnType::Boolean, "{name}");
        }
        for name in ["reklamation", "har epost", "postnr"] {
            let guess = of(&["ja", "nej"], name);
            assert_eq!(guess.data_type, ColumnType::Varchar, "{name}");
        }
        let maybe = of(&["ja", "kanske"], "samtycke");
        assert_eq!(maybe.data_type, ColumnType::Varchar);
    }

    fn guess(values: &[&str]) -> TypeGuess {
        let tally = tally(values);
        let style = number_style(std::iter::once(&tally), Some(';'));
        tally.guess(&style, &DayOrder::default(), "x")
    }

    fn decimal() -> ColumnType {
        ColumnType::Decimal {
            precision: 18,
            scale: 2,
        }
    }

    #[test]
    fn the_type_is_what_every_value_fits() {
        assert_eq!(guess(&["1", "-20"]).data_type, ColumnType::Bigint);
        assert_eq!(guess(&["1,5", "1.020,75"]).data_type, decimal());
        assert_eq!(guess(&["1.5", "3"]).data_type, decimal());
        assert_eq!(guess(&["0012", "7"]).data_type, ColumnType::Varchar);
        assert_eq!(guess(&["536365", "C536379"]).data_type, ColumnType::Varchar);
        assert_eq!(
            guess(&["-23.548945985189434"]).data_type,
            ColumnType::Double
        );
        assert_eq!(guess(&["yes", "no"]).data_type, ColumnType::Boolean);
        assert_eq!(guess(&["F", "F"]).data_type, ColumnType::Varchar);
        assert_eq!(guess(&["F", "M"]).data_type, ColumnType::Varchar);
    }

    #[test]
    fn units_and_words_for_nothing_do_not_hide_a_number() {
        let guess = guess(&["10 kr", "12,50 kr", "N/A"]);
        assert_eq!(guess.data_type, decimal());
        assert_eq!(guess.units, ["kr"]);
        assert_eq!(guess.null_words, ["N/A"]);
    }

    #[test]
    fn one_value_that_only_one_format_reads_decides_for_all() {
        assert_eq!(guess(&["3/4/2024", "4/13/2024"]).date_formats, ["%m/%d/%Y"]);
        let either = guess(&["3/4/2024", "4/3/2024"]);
        assert_eq!(either.date_formats, ["%d/%m/%Y"]);
        assert!(either.doubt.is_some());
    }

    #[test]
    fn a_mistake_among_many_dates_does_not_make_them_text() {
        let mut values = vec!["2024-01-01"; 99];
        values.push("31.02.2024");
        let guess = guess(&values);
        assert_eq!((guess.data_type, guess.misfits), (ColumnType::Date, 1));
    }

    #[test]
    fn times_of_other_formats_name_each_form_that_stands_there() {
        let guess = guess(&["31.12.2024 08:26", "31.12.2024 08:26:11"]);
        assert_eq!(guess.data_type, ColumnType::Timestamp);
        assert_eq!(guess.time_formats, ["%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M"]);
        assert_eq!((guess.date_formats, guess.has_days), (vec![], false));
    }

    #[test]
    fn columns_of_one_file_agree_on_the_order_of_day_and_month_or_are_text() {
        let columns = [
            tally(&["13/07/2025", "31/01/2025", "01/02/2025"]),
            tally(&["07/13/2025", "01/02/2025", "01/03/2025"]),
            tally(&["01/02/2025", "03/04/2025", "05/06/2025"]),
        ];
        let guesses = |columns: &[Tally]| -> Vec<_> {
            let order = day_order(columns.iter());
            let guess = |tally: &Tally| tally.guess(&NumberStyle::default(), &order, "x");
            columns.iter().map(guess).collect()
        };
        let all = guesses(&columns);
        assert_eq!(all[0].date_formats, ["%d/%m/%Y"]);
        assert_eq!(all[1].data_type, ColumnType::Varchar);
        assert!(all[1].doubt.is_some());
        assert_eq!(
            (&*all[2].date_formats, all[2].doubt),
            (&["%d/%m/%Y"][..], None)
        );
        // what alone would be in doubt follows the one that is not
        let american = guesses(&columns[1..]);
        assert_eq!(american[0].date_formats, ["%m/%d/%Y"]);
        assert_eq!(
            (&*american[1].date_formats, american[1].doubt),
            (&["%m/%d/%Y"][..], None)
        );
    }

    #[test]
    fn seconds_since_1970_are_times_and_bits_answers_where_the_name_says_so() {
        let of = |values: &[&str], name| {
            tally(values).guess(&NumberStyle::default(), &DayOrder::default(), name)
        };
        let millis = ["1767225600000", "1767312000123"];
        assert_eq!(of(&millis, "createdAt").time_formats, ["epoch_ms"]);
        assert_eq!(of(&["1767225600"], "ts").time_formats, ["epoch"]);
        assert_eq!(of(&millis, "ean").data_type, ColumnType::Bigint);
        assert_eq!(of(&["12", "13"], "createdAt").data_type, ColumnType::Bigint);
        assert_eq!(of(&["1", "0"], "granted").data_type, ColumnType::Boolean);
        assert_eq!(of(&["1", "0"], "lager").data_type, ColumnType::Bigint);
        assert_eq!(of(&["1", "2"], "granted").data_type, ColumnType::Bigint);
    }

    #[test]
    fn negative_numbers_are_told_as_they_are_written() {
        let guess = guess(&["(12,50)", "7,25", "3,00-", "-1,00"]);
        assert_eq!(guess.data_type, decimal());
        assert_eq!(guess.negatives, ["parentheses", "trailing_minus"]);
        for text in ["(-1)", "-1-", "()", "-", "(a)"] {
            let text = tally(&[text]);
            let of = text.guess(&NumberStyle::default(), &DayOrder::default(), "x");
            assert_eq!(of.data_type, ColumnType::Varchar);
        }
    }

    #[test]
    fn months_may_have_names_and_clocks_twelve_hours() {
        let format = |values: &[&str]| guess(values).date_formats;
        assert_eq!(format(&["01 Jan 2025", "3 September 2024"]), ["%d %B %Y"]);
        assert_eq!(format(&["Jan 1, 2025", "March 31, 2024"]), ["%B %d, %Y"]);
        assert_eq!(format(&["01-JAN-2025"]), ["%d-%b-%Y"]);
        assert_eq!(format(&["01-Jan-25"]), ["%d-%b-%y"]);
        let times = |values: &[&str]| guess(values).time_formats;
        assert_eq!(times(&["1 Jan 2025 14:05"]), ["%d %B %Y %H:%M"]);
        assert_eq!(times(&["1/31/2025 2:05 PM"]), ["%m/%d/%Y %I:%M %p"]);
        for text in [
            "May",
            "Mars 1, 2025",
            "31 Feb 2025",
            "1 Jan 2025x",
            "Jan 1 2025",
            "1/31/2025 14:05 PM",
        ] {
            assert_eq!(guess(&[text]).data_type, ColumnType::Varchar, "{text}");
        }
    }

    #[test]
    fn dates_in_two_forms_are_dates_with_a_word_about_it() {
        let mixed = guess(&["2024-12-31", "31.12.2024", "2024-01-01", "01.01.2024"]);
        assert_eq!(mixed.data_type, ColumnType::Date);
        assert_eq!(mixed.date_formats, ["%Y-%m-%d", "%d.%m.%Y"]);
        assert_eq!(mixed.doubt, Some("dates in two forms"));
        let times = guess(&["2024-12-31 10:00", "31.12.2024 11:00"]);
        assert_eq!(times.time_formats, ["%Y-%m-%d %H:%M", "%d.%m.%Y %H:%M"]);
        let years = guess(&["31.12.2024", "31.12.24"]).date_formats;
        assert_eq!(years, ["%d.%m.%Y", "%d.%m.%y"]);
        // the order of day and month is no second form
        for values in [
            ["13/07/2025", "07/13/2025"],
            ["01-Jan-2024", "01-Jan-24"],
            ["13/07/2025", "07/13/25"],
            ["2024-12-31", "20241231"],
            ["2024-12-31", "i morgon"],
        ] {
            assert_eq!(guess(&values).data_type, ColumnType::Varchar, "{values:?}");
        }
    }

    #[test]
    fn days_among_times_are_of_a_date_format_of_their_own() {
        let guess = guess(&["31.12.2024", "31.12.2024 08:26"]);
        assert_eq!(guess.data_type, ColumnType::Timestamp);
        assert_eq!(guess.time_formats, ["%d.%m.%Y %H:%M"]);
        assert_eq!(
            (guess.date_formats, guess.has_days),
            (vec!["%d.%m.%Y"], true)
        );
    }
}
